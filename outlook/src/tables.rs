//! The outlook as Parquet: `outlook/v1`, one folder per `as_of`, one file per table.
//!
//! | file | one row is | columns |
//! |---|---|---|
//! | `movements.parquet` | a month, ascending | `month`, `is_complete`, then `mrr` and `accounts` of opening, new, reactivation, expansion, contraction, churn and closing (`opening_mrr`, `opening_accounts`, ...), `quick_ratio`, `net_churn`, and over the twelve months to its end `nrr_12m`, `grr_12m`, `logo_retention_12m` |
//! | `cohorts.parquet` | span (`month`, `quarter`), cohort and age | `span`, `cohort`, `age_months`, `accounts`, `kept_accounts`, `opening_mrr`, `mrr`, `logo_retention`, `_low`, `_high`, `nrr`, `_low`, `_high` |
//! | `segments.parquet` | a group of accounts that paid a year before | `by`, `group`, `accounts`, `kept_accounts`, `opening_mrr`, `mrr`, `nrr_12m`, `grr_12m`, `logo_retention_12m` as counted, and `logo_retention_drawn`, `nrr_drawn` with `_low` and `_high`: drawn towards all groups |
//! | `changes.parquet` | expansion or contraction by kind | `direction`, `kind`, `changes`, `accounts`, `mrr` |
//!
//! Money is in the project's currency, exact to the cent; shares are fractions; what cannot be known is null. The same facts
//! give the same bytes. Additive columns stay in v1; a rename, a new type or a new meaning is v2.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow_schema::ArrowError;
use bellwether_features::time::days_from_epoch;
use bellwether_staging::Staging;
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::Outlook;
use crate::change::ChangeSum;
use crate::cohort::{CohortAge, Share};
use crate::movement::{Amount, MonthlyMovements};
use crate::retention::Retention;

/// The files of an outlook, and the empty file that says it is whole.
pub const FILES: [&str; 5] =
    ["movements.parquet", "cohorts.parquet", "segments.parquet", "changes.parquet", "_SUCCESS"];

/// Why an outlook was not written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum WriteError {
    /// The disk.
    #[error("{path}: cannot be written: {source}")]
    #[diagnostic(code(bellwether::outlook::io), help("{}", bellwether_staging::advice(source, "try again")))]
    Io {
        /// What was being written.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A folder that is no outlook stands in the way.
    #[error("{path}: expected a folder of an earlier outlook, or none, found `{found}` in it")]
    #[diagnostic(code(bellwether::outlook::in_the_way), help("give another --out, or move what is there"))]
    InTheWay {
        /// The folder.
        path: String,
        /// What is not an outlook's.
        found: String,
    },
}

type Columns = Vec<(&'static str, ArrayRef)>;

/// Writes all tables into the folder, which appears whole or not at all; an earlier outlook there is replaced.
///
/// # Errors
/// [`WriteError`]; then nothing has changed.
pub fn write(outlook: &Outlook, folder: &Path) -> Result<(), WriteError> {
    let failed = |source: std::io::Error| WriteError::Io { path: folder.display().to_string(), source };
    check_place(folder)?;
    let staging = Staging::folder(folder).map_err(failed)?;
    let tables = [movements(outlook), cohorts(outlook), segments(outlook), changes(outlook)];
    for (name, columns) in FILES.iter().zip(tables) {
        write_table(&staging.path().join(name), columns).map_err(failed)?;
    }
    File::create(staging.path().join("_SUCCESS")).and_then(|file| file.sync_all()).map_err(failed)?;
    staging.publish_over().map_err(failed)
}

/// Whether an outlook may stand in this folder.
///
/// # Errors
/// [`WriteError::InTheWay`] for a folder with anything else in it.
pub fn check_place(folder: &Path) -> Result<(), WriteError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    match names.into_iter().find(|name| !FILES.contains(&name.as_str())) {
        Some(found) => Err(WriteError::InTheWay { path: folder.display().to_string(), found }),
        None => Ok(()),
    }
}

fn write_table(path: &Path, columns: Columns) -> std::io::Result<()> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
    let batch = batch.map_err(|error: ArrowError| std::io::Error::other(error))?;
    let io = |error: ParquetError| match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => *source,
            Err(inner) => std::io::Error::other(inner),
        },
        other => std::io::Error::other(other),
    };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("bellwether".to_owned())
        .build();
    let file = File::create_new(path)?;
    let mut writer = ArrowWriter::try_new(file.try_clone()?, batch.schema(), Some(properties)).map_err(io)?;
    writer.write(&batch).map_err(io)?;
    writer.close().map_err(io)?;
    file.sync_all()
}

fn dates(values: impl Iterator<Item = NaiveDate>) -> ArrayRef {
    Arc::new(values.map(|date| Some(days_from_epoch(date))).collect::<Date32Array>())
}

fn numbers(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.map(|value| value.filter(|value| value.is_finite())).collect::<Float64Array>())
}

fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<UInt64Array>())
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringArray>())
}

/// A name that lives as long as the program: there are few of them, each used once per table.
macro_rules! amount_columns {
    ($columns:ident, $rows:expr, $($field:ident),+) => {$(
        let amounts = || $rows.iter().map(|row| -> Amount { row.$field });
        $columns.push((concat!(stringify!($field), "_mrr"), numbers(amounts().map(|one| Some(one.mrr.amount())))));
        $columns.push((concat!(stringify!($field), "_accounts"), counts(amounts().map(|one| one.accounts))));
    )+};
}

fn movements(outlook: &Outlook) -> Columns {
    let rows = &outlook.movements;
    let mut columns: Columns = vec![
        ("month", dates(rows.iter().map(|row| row.month))),
        ("is_complete", Arc::new(rows.iter().map(|row| Some(row.is_complete)).collect::<BooleanArray>())),
    ];
    amount_columns!(columns, rows, opening, new, reactivation, expansion, contraction, churn, closing);
    columns.push(("quick_ratio", numbers(rows.iter().map(MonthlyMovements::quick_ratio))));
    columns.push(("net_churn", numbers(rows.iter().map(MonthlyMovements::net_churn))));
    let years = &outlook.trailing_years;
    columns.push(("nrr_12m", numbers(years.iter().map(Retention::net))));
    columns.push(("grr_12m", numbers(years.iter().map(Retention::gross))));
    columns.push(("logo_retention_12m", numbers(years.iter().map(Retention::logo))));
    columns
}

fn shares(columns: &mut Columns, names: [&'static str; 3], values: impl Iterator<Item = Option<Share>> + Clone) {
    let ends: [fn(Share) -> f64; 3] = [|share| share.value, |share| share.low, |share| share.high];
    for (name, end) in names.into_iter().zip(ends) {
        columns.push((name, numbers(values.clone().map(|share| share.map(end)))));
    }
}

fn cohorts(outlook: &Outlook) -> Columns {
    let rows: Vec<(&str, &CohortAge)> = [("month", &outlook.monthly_cohorts), ("quarter", &outlook.quarterly_cohorts)]
        .into_iter()
        .flat_map(|(span, rows)| rows.iter().map(move |row| (span, row)))
        .collect();
    let rows = rows.iter();
    let mut columns: Columns = vec![
        ("span", texts(rows.clone().map(|(span, _)| *span))),
        ("cohort", dates(rows.clone().map(|(_, row)| row.cohort))),
        ("age_months", Arc::new(rows.clone().map(|(_, row)| Some(row.age_months)).collect::<UInt32Array>())),
        ("accounts", counts(rows.clone().map(|(_, row)| row.accounts))),
        ("kept_accounts", counts(rows.clone().map(|(_, row)| row.kept_accounts))),
        ("opening_mrr", numbers(rows.clone().map(|(_, row)| Some(row.opening.amount())))),
        ("mrr", numbers(rows.clone().map(|(_, row)| Some(row.closing.amount())))),
    ];
    let logo = ["logo_retention", "logo_retention_low", "logo_retention_high"];
    shares(&mut columns, logo, rows.clone().map(|(_, row)| Some(row.logo)));
    shares(&mut columns, ["nrr", "nrr_low", "nrr_high"], rows.map(|(_, row)| row.net));
    columns
}

fn segments(outlook: &Outlook) -> Columns {
    let rows = outlook.segments.iter();
    let retention = |of: fn(&Retention) -> Option<f64>| numbers(rows.clone().map(move |row| of(&row.retention)));
    let mut columns: Columns = vec![
        ("by", texts(rows.clone().map(|row| row.by.name()))),
        ("group", texts(rows.clone().map(|row| row.group.as_str()))),
        ("accounts", counts(rows.clone().map(|row| row.retention.accounts))),
        ("kept_accounts", counts(rows.clone().map(|row| row.retention.kept_accounts))),
        ("opening_mrr", numbers(rows.clone().map(|row| Some(row.retention.opening.amount())))),
        ("mrr", numbers(rows.clone().map(|row| Some(row.retention.closing.amount())))),
        ("nrr_12m", retention(Retention::net)),
        ("grr_12m", retention(Retention::gross)),
        ("logo_retention_12m", retention(Retention::logo)),
    ];
    let logo = ["logo_retention_drawn", "logo_retention_drawn_low", "logo_retention_drawn_high"];
    shares(&mut columns, logo, rows.clone().map(|row| Some(row.logo)));
    shares(&mut columns, ["nrr_drawn", "nrr_drawn_low", "nrr_drawn_high"], rows.clone().map(|row| row.net));
    columns
}

fn changes(outlook: &Outlook) -> Columns {
    let rows = outlook.changes.iter();
    vec![
        ("direction", texts(rows.clone().map(ChangeSum::direction))),
        ("kind", texts(rows.clone().map(|row| row.kind.name()))),
        ("changes", counts(rows.clone().map(|row| row.changes))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("mrr", numbers(rows.map(|row| Some(row.mrr.amount())))),
    ]
}
