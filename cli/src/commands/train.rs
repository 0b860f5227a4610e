//! `bellwether train`: backtest, choose, refit on all mature rows, write the bundle into a registry.

use std::path::Path;

use bellwether_train::backtest::Backtest;
use bellwether_train::dataset::Dataset;
use bellwether_train::registry::{Actor, Added};
use bellwether_train::settings::BacktestSettings;

use super::backtest::{dataset, judge, table};
use super::with_threads;
use crate::args::TrainArguments;
use crate::business::Business;
use crate::failure::Failure;
use crate::output::Output;
use crate::project::Project;

pub(crate) fn run(config: &Path, arguments: &TrainArguments, output: &Output) -> Result<(), Failure> {
    let project = Project::load(config)?;
    let settings = project.backtest_settings(arguments.learners.names())?;
    let name = arguments.name.as_deref().unwrap_or(&project.contract.name);
    let added = with_threads(arguments.threads, || {
        let business = output.step("read", || Business::read(&project.contract), Business::summary)?;
        let dataset = dataset(&business, &settings, arguments.known_as_of, output)?;
        let backtest = judge(&dataset, &settings, output)?;
        for line in table(&backtest.summary) {
            output.note(line);
        }
        let digest = project.contract.data_digest().map_err(Failure::reading)?;
        write(&dataset, &backtest, &settings, name, &digest, &arguments.out, output)
    })?;
    output.result(format_args!("{}", added.path.display()));
    Ok(())
}

/// Fits the chosen learners on all mature rows and adds the bundle to the registry.
pub(super) fn write(
    dataset: &Dataset,
    backtest: &Backtest,
    settings: &BacktestSettings,
    name: &str,
    data_digest: &str,
    registry: &Path,
    output: &Output,
) -> Result<Added, Failure> {
    let added = output.step(
        "train",
        || {
            let request = bellwether_train::train::TrainRequest { name, data_digest, tool_version: env!("CARGO_PKG_VERSION") };
            let contents = bellwether_train::train::train(dataset, settings, backtest, &request)
                .map_err(Failure::training)?;
            bellwether_train::registry::add_bundle(registry, name, &actor(""), &contents).map_err(Failure::training)
        },
        |added| format!("{name} version {} in {}", added.version, added.path.display()),
    )?;
    if added.became_champion {
        output.note(format_args!("{name} version {} is the first: it is the champion", added.version));
    } else {
        output.note(format_args!(
            "{name} version {} is the challenger: `bellwether models promote {name}@challenger` makes it the champion",
            added.version
        ));
    }
    Ok(added)
}

/// Who runs this, and when: written to the registry's history and nowhere else.
pub(super) fn actor(reason: &str) -> Actor {
    Actor {
        who: std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()),
        when: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        why: reason.to_owned(),
    }
}
