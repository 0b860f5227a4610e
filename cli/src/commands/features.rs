//! `bellwether features`.

use std::path::Path;

use bellwether_features::matrix::{FeatureMatrix, Population, is_feature_file};
use bellwether_features::read::CheckReport;
use bellwether_features::time::{Every, dates};
use bellwether_infer::exit::ExitCode;
use bellwether_staging::digest;
use bellwether_train::matrix::feature_matrix;
use chrono::NaiveDate;

use super::{partitions, with_threads};
use crate::args::{FeaturesArguments, StepArgument};
use crate::business::{Business, Features, gate, left_out};
use crate::failure::Failure;
use crate::fetch::Wanted;
use crate::output::{Output, grouped};
use crate::project::Project;
use crate::stop;

pub(crate) fn run(config: &Path, arguments: &FeaturesArguments, output: &Output) -> Result<(), Failure> {
    if let (Some(matrix), Some(account), Some(as_of)) = (&arguments.matrix, &arguments.account, arguments.as_of) {
        write_matrix(matrix, account, as_of, &arguments.out, output)?;
        output.result(format_args!("{}", arguments.out.display()));
        return Ok(());
    }
    let dates = observation_dates(arguments)?;
    let project = Project::load(config)?;
    check_place(&arguments.out)?;
    let project = project.fetched(Wanted::Read, output)?;
    with_threads(arguments.threads, || {
        if let Some(limit) = arguments.memory_limit {
            let count = partitions::count(&project, limit.0)?;
            if count > 1 {
                return partitions::write(&project, &dates, &arguments.out, count, output);
            }
        }
        let others = match arguments.partition {
            Some(own) => partitions::others(&project, &dates, own, output)?,
            None => Population::default(),
        };
        let read = || Business::read_partition(&project, arguments.partition);
        let business = output.step("read", read, Business::summary)?;
        write_among(&business, others, &dates, &arguments.out, output).map(drop)
    })?;
    output.result(format_args!("{}", arguments.out.display()));
    Ok(())
}

/// The feature file of a matrix of the user's own.
fn write_matrix(matrix: &Path, account: &String, as_of: NaiveDate, out: &Path, output: &Output) -> Result<(), Failure> {
    check_place(out)?;
    let read = || feature_matrix(matrix, account, as_of).map_err(Failure::training);
    let line = |(features, ..): &(FeatureMatrix, _, _)| report_line(features.len(), features.signals.len(), &[as_of]);
    let (features, metadata, notes) = output.step("features", read, line)?;
    for note in notes {
        output.warn(format_args!("{}: {note}", matrix.display()));
    }
    stop::protect(|| features.write(out, &metadata)).map_err(Failure::matrix).map(drop)
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
    write_among(business, Population::default(), dates, path, output)
}

/// As [`write()`], where the accounts of the business are not all: `others` are those that they are compared with.
fn write_among(
    business: &Business<'_>,
    others: Population,
    dates: &[NaiveDate],
    path: &Path,
    output: &Output,
) -> Result<Features, Failure> {
    refuse_precious(business, path)?;
    check_before_writing(&business.report, dates, output)?;
    if let Some(line) = business.not_replayable() {
        output.note(line);
    }
    output.step(
        "features",
        || {
            let features = business.open_features(dates).close_among(others);
            if features.matrix.is_empty() {
                return Err(none_eligible(dates));
            }
            stop::protect(|| features.matrix.write(path, &features.metadata)).map_err(Failure::matrix)?;
            Ok(features)
        },
        |features| report_line(features.matrix.len(), features.matrix.signals.len(), dates),
    )
}

/// Stops where the data break the contract at the last date, and says what was left out of it.
pub(super) fn check_before_writing(report: &CheckReport, dates: &[NaiveDate], output: &Output) -> Result<(), Failure> {
    let Some(last) = dates.last() else { return Ok(()) };
    gate(report, *last)?;
    left_out(report, *last).into_iter().for_each(|line| output.warn(line));
    Ok(())
}

pub(super) fn none_eligible(dates: &[NaiveDate]) -> Failure {
    Failure::data(
        format!("expected accounts that are eligible on {}, found none", days(dates)),
        "`bellwether check` says what was read; [eligibility] says who counts",
    )
}

pub(super) fn report_line(rows: usize, signals: usize, dates: &[NaiveDate]) -> String {
    format!("{} rows x {signals} signals for {}", grouped(rows as u64), days(dates))
}

/// Whether a feature file and its digest could be written to `path`, before anything is read for it.
pub(super) fn check_place(path: &Path) -> Result<(), Failure> {
    refuse_foreign(path, "an earlier feature file", is_feature_file)?;
    refuse_foreign(&digest::beside(path), "the digest of an earlier one", |_| Ok(digest::stated(path).is_ok()))?;
    bellwether_staging::check(path).map_err(|error| Failure::io(path, error))
}

/// What is at `path` may be replaced only if `is_ours`: a file that somebody else wrote is never lost to a slip in --out.
fn refuse_foreign(path: &Path, ours: &str, is_ours: impl Fn(&Path) -> std::io::Result<bool>) -> Result<(), Failure> {
    // What cannot be looked at is told by the check of the place.
    let Ok(there) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !there.is_file() {
        return Err(precious(path, ours, "something that is no file"));
    }
    match is_ours(path) {
        Ok(true) => Ok(()),
        Ok(false) => Err(precious(path, ours, "another file")),
        Err(error) => Err(Failure::io(path, error)),
    }
}

/// A feature file replaces an earlier one, but never an input table, somebody's file, a device or a link.
pub(super) fn refuse_precious(business: &Business<'_>, path: &Path) -> Result<(), Failure> {
    check_place(path)?;
    if business.reads(path) {
        Err(precious(path, "an earlier feature file", "one of the project's own tables"))
    } else {
        Ok(())
    }
}

fn precious(path: &Path, ours: &str, found: &str) -> Failure {
    Failure::configuration(
        format!("{}: expected no file or {ours}, found {found}", path.display()),
        "give another path with --out, or move that file away",
    )
}

fn days(dates: &[NaiveDate]) -> String {
    match dates {
        [] => "no date".to_owned(),
        [date] => date.to_string(),
        [first, .., last] => format!("{} dates from {first} to {last}", dates.len()),
    }
}
