//! `bellwether features`.

use std::path::Path;

use bellwether_features::time::{Every, dates};
use bellwether_infer::exit::ExitCode;
use chrono::NaiveDate;

use super::with_threads;
use crate::args::{FeaturesArguments, StepArgument};
use crate::business::{Business, Features};
use crate::failure::Failure;
use crate::output::{Output, grouped};
use crate::project::Project;
use crate::stop;

pub(crate) fn run(config: &Path, arguments: &FeaturesArguments, output: &Output) -> Result<(), Failure> {
    let dates = observation_dates(arguments)?;
    let project = Project::load(config)?;
    check_place(&arguments.out)?;
    with_threads(arguments.threads, || {
        let business = output.step("read", || Business::read(&project), Business::summary)?;
        write(&business, &dates, &arguments.out, output).map(drop)
    })?;
    output.result(format_args!("{}", arguments.out.display()));
    Ok(())
}

fn observation_dates(arguments: &FeaturesArguments) -> Result<Vec<NaiveDate>, Failure> {
    let every = match arguments.every {
        StepArgument::Day => Every::Day,
        StepArgument::Week => Every::Week,
        StepArgument::Month => Every::Month,
        StepArgument::Quarter => Every::Quarter,
    };
    match (arguments.as_of, arguments.from, arguments.to) {
        (Some(date), ..) => Ok(vec![date]),
        (None, Some(from), Some(to)) => dates(from, to, every).map_err(|error| Failure::new(ExitCode::Usage, error)),
        _ => Err(Failure::configuration(
            "expected --as-of, or --from and --to, found neither",
            "bellwether features --as-of 2026-01-31 --out features.parquet",
        )),
    }
}

/// Computes and writes the features of `dates`.
pub(super) fn write(
    business: &Business<'_>,
    dates: &[NaiveDate],
    path: &Path,
    output: &Output,
) -> Result<Features, Failure> {
    refuse_precious(business, path)?;
    if let Some(last) = dates.last() {
        business.gate(*last)?;
        for line in business.left_out(*last) {
            output.warn(line);
        }
    }
    if let Some(line) = business.not_replayable() {
        output.note(line);
    }
    output.step(
        "features",
        || {
            let features = business.features(dates);
            if features.matrix.is_empty() {
                return Err(Failure::data(
                    format!("expected accounts that are eligible on {}, found none", days(dates)),
                    "`bellwether check` says what was read; [eligibility] says who counts",
                ));
            }
            stop::protect(|| features.matrix.write(path, &features.metadata)).map_err(Failure::matrix)?;
            Ok(features)
        },
        |features| {
            format!(
                "{} rows x {} signals for {}",
                grouped(features.matrix.len() as u64),
                features.matrix.signals.len(),
                days(dates)
            )
        },
    )
}

/// Whether a feature file could be written to `path`, before anything is read for it.
pub(super) fn check_place(path: &Path) -> Result<(), Failure> {
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(precious(path, "something that is no file"));
    }
    bellwether_staging::check(path).map_err(|error| Failure::io(path, error))
}

/// A feature file replaces an earlier one, but never an input table, a device or a link.
fn refuse_precious(business: &Business<'_>, path: &Path) -> Result<(), Failure> {
    check_place(path)?;
    if business.reads(path) { Err(precious(path, "one of the project's own tables")) } else { Ok(()) }
}

fn precious(path: &Path, found: &str) -> Failure {
    Failure::configuration(
        format!("{}: expected a new file or an earlier feature file, found {found}", path.display()),
        "give another path with --out",
    )
}

fn days(dates: &[NaiveDate]) -> String {
    match dates {
        [] => "no date".to_owned(),
        [date] => date.to_string(),
        [first, .., last] => format!("{} dates from {first} to {last}", dates.len()),
    }
}
