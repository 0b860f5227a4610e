//! The rows that were left out, for the person who will repair them: rule, file, row number and the columns that the
//! contract reads, as text. The files hold customers' data, so only their owner may read them.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bellwether_staging::Staging;
use chrono::NaiveDate;
use polars::prelude::*;

use crate::contract::{Contract, TableContract};

use super::error::ReadError;
use super::load::{has_cells, rows_as_text};
use super::report::{CheckReport, TableReport, is_visible};
use super::rule::Violation;

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
        let left_out: Vec<&Violation> = table
            .violations
            .iter()
            .filter(|violation| violation.left_out && is_visible(violation.visible_from, as_of))
            .collect();
        let Some(declared) = contract.tables.get(&table.table).filter(|_| !left_out.is_empty()) else { continue };
        let mut frame = frame(table, declared, &left_out)?;
        std::fs::create_dir_all(folder).map_err(|cause| ReadError::io(folder, &cause))?;
        let path = folder.join(format!("{}.parquet", table.table));
        write(&path, &mut frame)?;
        written.push(path);
    }
    Ok(written)
}

/// The lines of one table.
fn frame(table: &TableReport, declared: &TableContract, left_out: &[&Violation]) -> Result<DataFrame, ReadError> {
    let mut cells: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    let mut start = 0;
    for lines in left_out.chunk_by(|a, b| a.file == b.file) {
        let file = &table.files[lines[0].file as usize];
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
    let mut columns = vec![
        Column::new("rule".into(), left_out.iter().map(|line| line.rule.code()).collect::<Vec<_>>()),
        Column::new("file".into(), left_out.iter().map(file).collect::<Vec<_>>()),
        Column::new("row".into(), left_out.iter().map(|line| line.row).collect::<Vec<_>>()),
        Column::new("column".into(), left_out.iter().map(|line| line.column).collect::<Vec<_>>()),
    ];
    let taken = |name: &str| ["rule", "file", "row", "column"].contains(&name);
    for (name, values) in cells {
        let name = if taken(&name) { format!("your_{name}") } else { name };
        columns.push(Column::new(name.as_str().into(), values));
    }
    DataFrame::new(left_out.len(), columns).map_err(|cause| ReadError::undecodable(Path::new("quarantine"), cause))
}

fn write(path: &Path, frame: &mut DataFrame) -> Result<(), ReadError> {
    // Through memory: polars says that the disk is full, but not as an error of the disk.
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .finish(frame)
        .map_err(|cause| ReadError::undecodable(Path::new("quarantine"), cause))?;
    let written = Staging::file(path).and_then(|staging| {
        staging.handle().set_permissions(Permissions::from_mode(0o600))?;
        staging.handle().write_all(&bytes)?;
        staging.publish()
    });
    written.map_err(|cause| ReadError::io(path, &cause))
}
