//! The rows that were left out, for the person who will repair them: rule, file, row number and the columns that the
//! contract reads, as text. The files hold customers' data, so only their owner may read them.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use bellwether_staging::Staging;
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use crate::contract::{Contract, TableContract};

use super::error::ReadError;
use super::load::{has_cells, rows_as_text};
use super::report::{CheckReport, TableReport};
use super::rule::Violation;
use super::source::table_files;

/// Writes `<table>.parquet` into `folder` (made if need be) for every table with left-out rows that are visible at
/// `as_of` (`None`: all of them), and returns the paths. One line per row and broken rule: `rule`, `file`, `row`,
/// `column`, then the file's own columns as text. Mode 0600; written under a temporary name, synced, renamed.
///
/// The rows are read again from the input, which must not have changed meanwhile.
///
/// # Errors
/// [`ReadError`] where input cannot be read or output not be written.
pub fn write_quarantine(
    folder: &Path,
    contract: &Contract,
    report: &CheckReport,
    as_of: Option<NaiveDate>,
) -> Result<Vec<PathBuf>, ReadError> {
    let mut written = Vec::new();
    for table in &report.tables {
        let left_out: Vec<&Violation> =
            table.violations.iter().filter(|violation| violation.left_out && violation.counts_at(as_of)).collect();
        let Some(declared) = contract.tables.get(&table.table).filter(|_| !left_out.is_empty()) else { continue };
        let lines = lines(table, declared, &left_out)?;
        std::fs::create_dir_all(folder).map_err(|cause| ReadError::io(folder, &cause))?;
        let path = folder.join(format!("{}.parquet", table.table));
        write(&path, &lines)?;
        written.push(path);
    }
    Ok(written)
}

/// The lines of one table.
fn lines(table: &TableReport, declared: &TableContract, left_out: &[&Violation]) -> Result<RecordBatch, ReadError> {
    let mut cells: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    // The report names a database, and not the file into which its rows were fetched.
    let fetched = declared.database.is_some().then(|| table_files(declared)).transpose()?;
    let files = fetched.as_ref().unwrap_or(&table.files);
    let mut start = 0;
    for lines in left_out.chunk_by(|a, b| a.file == b.file) {
        let file = &files[lines[0].file as usize];
        let mut wanted: Vec<u32> = lines.iter().filter(|line| has_cells(line.rule)).map(|line| line.row).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let found = rows_as_text(file, declared, &wanted)?;
        for (column, name) in found.columns.iter().enumerate() {
            let values = cells.entry(name.clone()).or_insert_with(|| vec![None; left_out.len()]);
            for (offset, line) in lines.iter().enumerate() {
                if let Ok(place) = wanted.binary_search(&line.row) {
                    values[start + offset] = found.rows[place][column].clone();
                }
            }
        }
        start += lines.len();
    }
    let file = |line: &&Violation| table.files[line.file as usize].display().to_string();
    let text = |texts: Vec<Option<String>>| -> ArrayRef { Arc::new(texts.into_iter().collect::<StringArray>()) };
    let of_lines =
        |value: &dyn Fn(&&Violation) -> String| text(left_out.iter().map(|line| Some(value(line))).collect());
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("rule".to_owned(), of_lines(&|line| line.rule.code().to_owned())),
        ("file".to_owned(), of_lines(&file)),
        ("row".to_owned(), Arc::new(left_out.iter().map(|line| line.row).collect::<UInt32Array>())),
        ("column".to_owned(), of_lines(&|line| line.column.to_owned())),
    ];
    let taken = |name: &str| ["rule", "file", "row", "column"].contains(&name);
    for (name, values) in cells {
        let name = if taken(&name) { format!("your_{name}") } else { name };
        columns.push((name, text(values)));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .map_err(|cause| ReadError::undecodable(Path::new("quarantine"), cause.to_string()))
}

fn write(path: &Path, lines: &RecordBatch) -> Result<(), ReadError> {
    let written = Staging::file(path).and_then(|staging| {
        staging.handle().set_permissions(Permissions::from_mode(0o600))?;
        encode(staging.handle(), lines)?;
        staging.publish()
    });
    written.map_err(|cause| ReadError::io(path, &cause))
}

fn encode(file: &File, lines: &RecordBatch) -> std::io::Result<()> {
    let unwrapped = |error: ParquetError| match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => *cause,
            Err(cause) => std::io::Error::other(cause),
        },
        error => std::io::Error::other(error),
    };
    let mut writer = ArrowWriter::try_new(file, lines.schema(), None).map_err(unwrapped)?;
    writer.write(lines).map_err(unwrapped)?;
    writer.close().map(drop).map_err(unwrapped)
}
