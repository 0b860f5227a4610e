//! `bellwether train`: backtest, choose, refit on all mature rows, write the bundle into a registry.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bellwether_train::backtest::Backtest;
use bellwether_train::dataset::Dataset;
use bellwether_train::registry::{self, Actor, Added};
use bellwether_train::settings::BacktestSettings;
use bellwether_train::train::train;

use super::backtest::{Bar, checkpoint, dataset, judge, table};
use super::{matrix, report, with_threads};
use crate::args::TrainArguments;
use crate::business::Business;
use crate::failure::Failure;
use crate::fetch::Wanted;
use crate::output::Output;
use crate::project::Project;
use crate::stop;

pub(crate) fn run(config: &Path, arguments: &TrainArguments, output: &Output) -> Result<(), Failure> {
    let added = if arguments.matrix.matrix.is_some() {
        run_matrix(arguments, output)?
    } else {
        run_project(config, arguments, output)?
    };
    output.result(format_args!("{}", added.path.display()));
    Ok(())
}

fn run_project(config: &Path, arguments: &TrainArguments, output: &Output) -> Result<Added, Failure> {
    let project = Project::load(config)?;
    let settings = project.backtest_settings(Some(&arguments.judging.learners))?;
    let name = arguments.name.as_deref().unwrap_or(&project.contract.name).to_owned();
    registry::check(&arguments.out, &name).map_err(Failure::training)?;
    let project = project.fetched(Wanted::Read, output)?;
    with_threads(arguments.judging.threads, || {
        let business = output.step("read", || Business::read(&project), Business::summary)?;
        let dataset = dataset(&business, &settings, arguments.judging.known_as_of, output)?;
        judge_and_write(&dataset, &settings, Some((&project, &business)), (arguments, &name), output)
    })
}

fn run_matrix(arguments: &TrainArguments, output: &Output) -> Result<Added, Failure> {
    let name = matrix::name(&arguments.matrix, arguments.name.as_deref());
    registry::check(&arguments.out, &name).map_err(Failure::training)?;
    with_threads(arguments.judging.threads, || {
        let given = matrix::dataset(&arguments.matrix, &arguments.judging, output)?;
        let Some((dataset, settings)) = given else {
            return Err(Failure::configuration("--matrix: expected a file, found none", "add --matrix FILE"));
        };
        judge_and_write(&dataset, &settings, None, (arguments, &name), output)
    })
}

/// Judges (going on where an earlier run was cut off, if asked to), shows the table, and writes the bundle.
fn judge_and_write(
    dataset: &Dataset,
    settings: &BacktestSettings,
    of: Option<(&Project, &Business<'_>)>,
    (arguments, name): (&TrainArguments, &str),
    output: &Output,
) -> Result<Added, Failure> {
    let checkpoint = checkpoint(&arguments.out.join(name), arguments.judging.resume, output)?;
    let none = BTreeMap::new();
    let glossary = of.map_or(&none, |(project, _)| &project.contract.glossary);
    let mut backtest = judge(dataset, settings, glossary, checkpoint.as_ref(), output)?;
    report::add_insights(&mut backtest, of.map(|(_, business)| business), dataset, settings, output)?;
    for line in table(&backtest.summary) {
        output.note(line);
    }
    let added = write(dataset, &backtest, settings, of.map(|(project, _)| project), (&arguments.out, name), output)?;
    if let Some(checkpoint) = checkpoint {
        stop::protect(|| checkpoint.remove());
    }
    Ok(added)
}

/// Fits the chosen learners on all mature rows and adds the bundle to the registry.
pub(super) fn write(
    dataset: &Dataset,
    backtest: &Backtest,
    settings: &BacktestSettings,
    project: Option<&Project>,
    place: (&Path, &str),
    output: &Output,
) -> Result<Added, Failure> {
    let (registry, name) = place;
    let bar = Bar::new(output);
    let added = output.step(
        "train",
        || {
            let mut trained = train(dataset, settings, backtest, name, &bar).map_err(Failure::training)?;
            // Without tables of a project, the digest is that of the rows.
            if let Some(project) = project {
                trained.contents.data_digest = project.contract.data_digest().map_err(Failure::reading)?;
            }
            for warning in &trained.warnings {
                output.warn(format_args!("[{}] {}", warning.code, warning.text));
            }
            stop::protect(|| registry::add(registry, &trained, &actor())).map_err(Failure::training)
        },
        |added| format!("{} in {}", added.identity, added.path.display()),
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
pub(super) fn actor() -> Actor {
    let user = std::env::var("USER").ok().map(|user| user.trim().to_owned()).filter(|user| !user.is_empty());
    Actor {
        who: user.or_else(user_id).unwrap_or_else(|| "unknown".to_owned()),
        when: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    }
}

/// The number of the user, as a service has one and no name.
fn user_id() -> Option<String> {
    Some(format!("uid {}", std::fs::metadata("/proc/self").ok()?.uid()))
}
