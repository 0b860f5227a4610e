//! Features under a memory limit: partition by partition, each written beside the output, then put together. The file has
//! the same bytes as one computed at once. And what a single partition must know of the others.

use std::path::{Path, PathBuf};

use bellwether_features::catalog::{Availability, Catalogue};
use bellwether_features::engine::FeaturePlan;
use bellwether_features::matrix::{FeatureMatrix, FeatureMetadata, Population};
use bellwether_features::read::{CheckReport, Partition, Tables};
use bellwether_features::signal::SignalDefinition;
use bellwether_staging::Staging;
use chrono::NaiveDate;

use super::features::{check_before_writing, none_eligible, report_line};
use crate::business::Business;
use crate::failure::Failure;
use crate::output::Output;
use crate::project::Project;
use crate::stop;

/// Share of the limit that the facts of a partition may take; the rest is for decoding and for the rows.
const SHARE_FOR_FACTS: f64 = 0.3;

/// Below this no partitioning helps: the process itself, one decoded row group and the rows being written take about 80 MiB.
const LEAST_BYTES: u64 = 128 << 20;

/// More partitions than this are refused: each reads every table once, so they take days and not minutes.
const MOST_PARTITIONS: u64 = 256;

/// In how many partitions the project's tables are to be read to stay below `limit_bytes`. A limit that cannot be kept is
/// refused before any table is read.
pub(super) fn count(project: &Project, limit_bytes: u64) -> Result<u32, Failure> {
    let estimated = Tables::estimated_bytes(&project.contract).map_err(|error| project.reading(error))?;
    partitions(estimated, limit_bytes).map_err(|least_bytes| {
        let mebibytes = least_bytes.div_ceil(1 << 20);
        let found = if limit_bytes.is_multiple_of(1 << 20) {
            format!("{}MiB", limit_bytes >> 20)
        } else {
            format!("{limit_bytes}B")
        };
        Failure::configuration(
            format!("--memory-limit: expected at least {mebibytes}MiB for these tables, found {found}"),
            format!(
                "give --memory-limit {mebibytes}MiB or more, or compute shares of the accounts one by one or on several \
                 machines with --partition K/N"
            ),
        )
    })
}

/// The number of partitions for tables of `estimated_bytes`; `Err`: the least limit that can be kept.
fn partitions(estimated_bytes: u64, limit_bytes: u64) -> Result<u32, u64> {
    let needed = |limit: u64| (estimated_bytes as f64 / (limit as f64 * SHARE_FOR_FACTS)).ceil().max(1.0);
    let enough = estimated_bytes as f64 / (MOST_PARTITIONS as f64 * SHARE_FOR_FACTS);
    // A mebibyte more than enough, so that the limit named is one that is taken.
    let least_bytes = LEAST_BYTES.max(((enough as u64 >> 20) + 1) << 20);
    if limit_bytes < least_bytes { Err(least_bytes) } else { Ok(needed(limit_bytes) as u32) }
}

/// What the partitions so far have in common.
struct Whole {
    report: CheckReport,
    metadata: FeatureMetadata,
    signals: Vec<SignalDefinition>,
    population: Population,
    parts: Vec<PathBuf>,
}

/// What signals that compare accounts with each other need of the accounts outside the partition `own`: the tables that
/// those signals and eligibility read are read once per other partition, so that memory stays that of one. Nothing is read
/// where no such signal is wanted or possible.
pub(super) fn others(
    project: &Project,
    dates: &[NaiveDate],
    own: Partition,
    output: &Output,
) -> Result<Population, Failure> {
    let mut population = Population::default();
    let contract = project.contract.of_comparisons();
    if Catalogue::new(&contract.availability(), &contract.catalogue).compared().signals().is_empty() {
        return Ok(population);
    }
    for other in own.others() {
        let read = || -> Result<Option<usize>, Failure> {
            let facts = Tables::load_partition(&contract, Some(other)).map_err(|error| project.reading(error))?.facts;
            let catalogue = Catalogue::new(&Availability::of(&facts), &contract.catalogue);
            let Some(plan) = FeaturePlan::new(catalogue, contract.eligibility).compared() else { return Ok(None) };
            let open = plan.compute_open(&facts, &plan.spine(&facts, dates));
            population.add(&open);
            Ok(Some(open.len()))
        };
        let told = |rows: &Option<usize>| format!("{own} with {other}: {} rows", rows.unwrap_or(0));
        if output.step("compare", read, told)?.is_none() {
            // A column that no file has.
            break;
        }
    }
    Ok(population)
}

/// Computes and writes the features of `dates`, a partition of the accounts at a time.
pub(super) fn write(
    project: &Project,
    dates: &[NaiveDate],
    path: &Path,
    count: u32,
    output: &Output,
) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.with_file_name(format!("{name}.parts"));
    let staging = Staging::folder(&folder).map_err(|error| Failure::io(&folder, error))?;
    let mut whole: Option<Whole> = None;
    for partition in (1..=count).filter_map(|index| Partition::new(index, count)) {
        let part = staging.path().join(format!("{:05}.parquet", whole.as_ref().map_or(0, |whole| whole.parts.len())));
        let compute = || add(project, dates, path, partition, &part, &mut whole);
        output.step("partition", compute, |accounts| format!("{partition}: {accounts} accounts"))?;
    }
    let Some(whole) = whole else { return Ok(()) };
    check_before_writing(&whole.report, dates, output)?;
    if whole.metadata.dates.iter().all(|date| date.rows == 0) {
        return Err(none_eligible(dates));
    }
    let merge = || {
        let write =
            || FeatureMatrix::write_merged(path, &whole.parts, &whole.signals, &whole.metadata, &whole.population);
        stop::protect(write).map_err(Failure::matrix)
    };
    output.step("features", merge, |file| report_line(file.rows, whole.signals.len(), dates))?;
    Ok(())
}

/// Computes one partition and joins what it says to what the others said; gives the number of its accounts.
fn add(
    project: &Project,
    dates: &[NaiveDate],
    path: &Path,
    partition: Partition,
    part: &Path,
    whole: &mut Option<Whole>,
) -> Result<usize, Failure> {
    let business = Business::read_partition(project, Some(partition))?;
    super::features::refuse_precious(&business, path)?;
    let features = business.open_features(dates);
    let accounts = business.accounts();
    match whole {
        None => {
            let mut population = Population::default();
            population.add(&features.matrix);
            *whole = Some(Whole {
                report: business.report,
                metadata: features.metadata.clone(),
                signals: features.matrix.signals().to_vec(),
                population,
                parts: vec![part.to_owned()],
            });
        }
        Some(whole) => {
            whole.report.join(business.report);
            whole.metadata.join(&features.metadata);
            whole.population.add(&features.matrix);
            whole.parts.push(part.to_owned());
        }
    }
    features.matrix.write(part, &features.metadata).map_err(Failure::matrix)?;
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_cannot_be_kept_are_refused_and_the_least_one_is_taken() {
        const MIB: u64 = 1 << 20;
        assert_eq!(partitions(0, 128 * MIB), Ok(1));
        assert_eq!(partitions(38 * MIB, 128 * MIB), Ok(1));
        assert_eq!(partitions(39 * MIB, 128 * MIB), Ok(2));
        for limit in [1, 1 << 10, 128 * MIB - 1] {
            assert_eq!(partitions(0, limit), Err(128 * MIB));
        }
        for estimated in [MIB, 10 << 30, 1 << 40, 100 << 40] {
            let Err(least) = partitions(estimated, 1) else { panic!("a byte is no limit") };
            assert!(partitions(estimated, least).is_ok_and(|count| count <= 256));
            assert_eq!(partitions(estimated, least - 1), Err(least));
        }
    }
}
