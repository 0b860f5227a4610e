//! `bellwether report`: the page of a backtest or of a bundle, from its summary alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bellwether_models::registry::resolve;
use bellwether_train::backtest::Backtest;
use bellwether_train::dataset::Dataset;
use bellwether_train::export::SUMMARY_FILE;
use bellwether_train::insight::insights;
use bellwether_train::report::html;
use bellwether_train::settings::BacktestSettings;
use bellwether_train::summary::{BACKTEST_FORMAT, BacktestSummary};

use super::page_file;
use crate::args::ReportArguments;
use crate::business::Business;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(arguments: &ReportArguments, output: &Output) -> Result<(), Failure> {
    page_file::check(&arguments.out)?;
    let path = summary_of(arguments)?.join(SUMMARY_FILE);
    let summary = read(&path)?;
    if summary.insights.is_none() {
        output.warn(format_args!(
            "{}: made by a version that did not look for drivers; the page goes without them (backtest again to have them)",
            path.display()
        ));
    }
    page_file::write(&arguments.out, &html(&summary))?;
    output.result(format_args!("{}", arguments.out.display()));
    Ok(())
}

/// What the outcomes tell, put into the summary that the pages are made from.
pub(super) fn add_insights(
    backtest: &mut Backtest,
    business: Option<&Business<'_>>,
    dataset: &Dataset,
    settings: &BacktestSettings,
    output: &Output,
) -> Result<(), Failure> {
    let found = output.step(
        "drivers",
        || {
            let adoption = business.and_then(|business| business.product_adoption(dataset));
            insights(dataset, settings, backtest, adoption.as_ref()).map_err(Failure::training)
        },
        |found| {
            let leading = found
                .targets
                .iter()
                .filter_map(|one| one.drivers.ideas.first().map(|driver| format!("{}: {}", one.target, driver.text)));
            leading.collect::<Vec<_>>().join("; ")
        },
    )?;
    let mut found = found;
    if let Some(business) = business {
        found.data = business.data_quality(dataset.data_end());
    }
    backtest.summary.insights = Some(found);
    Ok(())
}

/// The folder that holds the summary.
fn summary_of(arguments: &ReportArguments) -> Result<PathBuf, Failure> {
    match (&arguments.run, &arguments.bundle) {
        (Some(run), _) => Ok(run.clone()),
        (None, Some(bundle)) => Ok(resolve(bundle).map_err(|error| Failure::scoring(error.into()))?.path),
        (None, None) => Err(Failure::configuration(
            "expected --run or --bundle, found neither",
            "--run names the folder that `bellwether backtest --out` wrote",
        )),
    }
}

fn read(path: &Path) -> Result<BacktestSummary, Failure> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::configuration(
                format!("{}: expected the summary of a backtest, found no such file", path.display()),
                "--run takes the folder that `bellwether backtest --out` wrote, --bundle one that `bellwether train` wrote",
            ));
        }
        text => text.map_err(|error| Failure::io(path, error))?,
    };
    let summary: BacktestSummary = serde_json::from_slice(&text).map_err(|error| {
        Failure::data(
            format!("{}: expected the summary of a backtest, found something else: {error}", path.display()),
            "it was changed or cut short, or another version wrote it; backtest again",
        )
    })?;
    if summary.format != BACKTEST_FORMAT {
        return Err(Failure::data(
            format!("{}: format: expected {BACKTEST_FORMAT}, found {}", path.display(), summary.format),
            "read it with the version of bellwether that wrote it",
        ));
    }
    Ok(summary)
}
