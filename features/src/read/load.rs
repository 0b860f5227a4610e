//! Reading: files in batches, batches converted in parallel and appended in order, then checked.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::contract::{Contract, TableContract, TableName};
use crate::label::{Event, TargetDefinition};
use crate::time::Instant;

use super::assemble::{ReadTable, assemble, distinct};
use super::beginning::Beginning;
use super::check::{Entered, check, entered, lost_accounts};
use super::error::ReadError;
use super::partition::Partition;
use super::plan::{FilePlan, Maker};
use super::report::{CheckReport, TableReport};
use super::rows::TableRows;
use super::rule::Rule;
use super::source::{BATCH_ROWS, Part, RawBatch, Source, table_files};
use super::{Loaded, Tables};

impl Tables {
    /// Reads, checks and groups every declared table. Rows that break a rule are left out (or kept, as the contract
    /// says) and reported; whether a run may go on is for [`super::CheckOutcome::gate`] to say, which knows the date.
    ///
    /// Deterministic at any number of threads. Peak memory is about 100 bytes a row of the largest table.
    ///
    /// # Errors
    /// [`ReadError`]: files that are missing, damaged, without rows or not what their `.sha256` says, columns that are
    /// missing or of a wrong type, more rows than allowed.
    pub fn load(contract: &Contract) -> Result<Loaded, ReadError> {
        Self::load_partition(contract, None)
    }

    /// As [`Tables::load`], of the accounts of one partition only. Peak memory falls with the number of partitions; every
    /// file is read to its end all the same.
    ///
    /// A row without an account id belongs to the first partition. Invoices and tickets are keyed without the account, so
    /// they are read and checked whole, and their findings are in the report of every partition.
    ///
    /// # Errors
    /// As [`Tables::load`].
    pub fn load_partition(contract: &Contract, partition: Option<Partition>) -> Result<Loaded, ReadError> {
        let mut report = CheckReport::default();
        let mut read = Vec::new();
        let mut accounts: Option<Entered> = None;
        // Without a table of accounts, those that the tables of facts have.
        let mut known: Option<Entered> = None;
        for name in TableName::ALL {
            let Some(table) = contract.tables.get(&name) else {
                report.missing_tables.extend(Some(name).filter(|name| name.feeds_signals()));
                continue;
            };
            let begins = name == TableName::Usage && contract.catalogue.asks_when_usage_begins();
            let (files, rows) = read_table(table, partition, begins).map_err(|error| error.in_table(table))?;
            check_targets(contract, &rows, &files).map_err(|error| error.in_table(table))?;
            super::declared::check_columns(contract, &rows, &files).map_err(|error| error.in_table(table))?;
            if !name.feeds_signals() && accounts.is_none() && known.is_none() {
                known = Some(ids(&read));
            }
            let checked = check(&rows, accounts.as_ref().or(known.as_ref()), partition);
            if name == TableName::Accounts {
                accounts = entered(&rows, &checked);
            }
            let named = table.database.as_ref().map(|database| vec![database.shown(table)]);
            report.tables.push(table_report(named.unwrap_or(files), &rows, &checked));
            read.push(ReadTable { rows, checked });
        }
        let facts = assemble(contract, read, partition, accounts.as_ref());
        if let Some(table) = report.tables.iter_mut().find(|table| table.table == TableName::Usage) {
            super::duplicates::count(&facts, &mut table.days);
        }
        Ok(Loaded { facts, report })
    }
}

/// The accounts of tables that were read, from ever.
fn ids(read: &[ReadTable<'_>]) -> Entered {
    distinct(read, &["account_id"]).into_iter().map(|id| (id, Instant::MIN)).collect()
}

/// Bytes of memory that a row takes while it is read and grouped, about.
const ROW_BYTES: u64 = 90;

/// A row of a CSV file is hardly shorter than so many bytes; compressed, than so many.
const CSV_ROW_BYTES: u64 = 30;
const GZIP_ROW_BYTES: u64 = 5;

impl Tables {
    /// About how much memory [`Tables::load`] will take, from what the files declare.
    ///
    /// # Errors
    /// [`ReadError`]: files that are missing or damaged.
    pub fn estimated_bytes(contract: &Contract) -> Result<u64, ReadError> {
        let mut rows = 0;
        for table in contract.tables.values() {
            let located = |error: ReadError| error.in_table(table);
            for file in table_files(table).map_err(located)? {
                let size = std::fs::metadata(&file).map_err(|cause| located(ReadError::io(&file, &cause)))?.len();
                let compressed = file.extension().is_some_and(|ending| ending == "gz");
                let declared = Source::open(&file, table).map_err(located)?.declared_rows();
                rows += declared.unwrap_or(size / if compressed { GZIP_ROW_BYTES } else { CSV_ROW_BYTES });
            }
        }
        Ok(rows * ROW_BYTES)
    }
}

/// A target that counts users needs to know them.
fn check_targets(contract: &Contract, rows: &TableRows<'_>, files: &[PathBuf]) -> Result<(), ReadError> {
    let counts_users = |target: &&TargetDefinition| matches!(target.event, Event::ActiveUsersIncrease { .. });
    let Some(target) = contract.targets.iter().find(counts_users) else { return Ok(()) };
    if rows.table.name != TableName::Usage || rows.has("user_id") {
        return Ok(());
    }
    Err(ReadError::MissingColumns {
        table: TableName::Usage,
        file: files.first().cloned().unwrap_or_default(),
        columns: vec![format!("`user_id` (the target `{}` counts active users)", target.name)],
        key: ["columns", "user_id"].into(),
        hint: Some("map it in `columns`, or choose the event quantity_increase".to_owned()),
    })
}

fn table_report(files: Vec<PathBuf>, rows: &TableRows<'_>, checked: &super::check::Checked) -> TableReport {
    let table = rows.table;
    let is_accounts = table.name == TableName::Accounts;
    let lost = if is_accounts { lost_accounts(rows, checked) } else { Vec::new() };
    let field_count_rows = rows.bad_rows.len() as u64;
    TableReport {
        table: table.name,
        files,
        rows_read: rows.rows_read,
        rows_filtered: rows.rows_read - rows.len() as u64 - field_count_rows,
        violations: checked.violations.clone(),
        has_known_at: rows.has_known_at,
        has_known_after: table.known_after_micros > 0,
        on_violation: table.on_violation,
        error_if_pct: table.error_if_pct,
        warn_after_micros: table.warn_after_micros,
        error_after_micros: table.error_after_micros,
        days: checked.days.clone(),
        rows_without_time: checked.rows_without_time,
        has_time: !is_accounts || rows.has("known_at") || rows.has("signed_up_at"),
        lost_accounts: lost,
    }
}

/// Reads the files of one table.
fn read_table(
    table: &TableContract,
    partition: Option<Partition>,
    begins: bool,
) -> Result<(Vec<PathBuf>, TableRows<'_>), ReadError> {
    let files = table_files(table)?;
    super::digest::verify(&files)?;
    // A repeated key is found only where all its rows are.
    let mut rows = TableRows::new(table, partition.filter(|_| table.name.is_keyed_by_account()));
    rows.beginning = begins.then(Beginning::default);
    let mut with_known_at = Vec::with_capacity(files.len());
    let known_at = table.columns.iter().position(|rule| rule.canonical.name == "known_at");
    for (index, file) in files.iter().enumerate() {
        let mut source = Source::open(file, table)?;
        check_row_count(table, file, rows.rows_seen + source.declared_rows().unwrap_or(0))?;
        let plan = FilePlan::new(file, &source, table)?;
        with_known_at.push(known_at.is_some_and(|at| !matches!(plan.makers[at], Maker::Absent)));
        rows.declare(&plan);
        let file_index = u32::try_from(index).unwrap_or(u32::MAX);
        read_file(&mut rows, file_index, file, &mut source, &plan)?;
    }
    let is_empty = rows.len() == 0 && rows.bad_rows.is_empty();
    // A partition may well have no row of a table that has some.
    if is_empty && (partition.is_none() || rows.rows_seen == 0) {
        return Err(ReadError::Empty { table: table.name, files: files.len(), filtered: rows.rows_read });
    }
    rows.fill_up();
    rows.resolve_known_at(&with_known_at);
    Ok((files, rows))
}

/// Decodes about a batch per thread side by side, while the batches before are converted; appends in order.
fn read_file(
    rows: &mut TableRows<'_>,
    index: u32,
    file: &Path,
    source: &mut Source,
    plan: &FilePlan,
) -> Result<(), ReadError> {
    let (table, before) = (rows.table, rows.rows_seen);
    let mut seen = 0;
    let mut decoded: Vec<RawBatch> = Vec::new();
    loop {
        let (_, next) = rayon::join(
            || rows.append(index, plan, &std::mem::take(&mut decoded)),
            || {
                let parts = next_parts(source, plan, |more| {
                    seen += more;
                    check_row_count(table, file, before + seen)
                })?;
                parts.into_par_iter().map(|part| part.decode(&plan.projection)).collect::<Result<Vec<_>, _>>()
            },
        );
        decoded = next?;
        if decoded.is_empty() {
            return Ok(());
        }
    }
}

/// Parts of a file with about a batch of rows per thread; `count` hears of the rows of each and may stop the reading.
fn next_parts(
    source: &mut Source,
    plan: &FilePlan,
    mut count: impl FnMut(u64) -> Result<(), ReadError>,
) -> Result<Vec<Part>, ReadError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut waiting = 0;
    while waiting < (rayon::current_num_threads() * BATCH_ROWS) as u64 {
        let Some(part) = source.next_part(&plan.projection)? else { break };
        waiting += part.rows();
        count(part.rows())?;
        parts.push(part);
    }
    Ok(parts)
}

fn check_row_count(table: &TableContract, file: &Path, rows: u64) -> Result<(), ReadError> {
    if rows <= table.max_rows {
        return Ok(());
    }
    Err(ReadError::TooManyRows { table: table.name, file: file.to_path_buf(), rows, limit: table.max_rows })
}

/// Some rows of a file as text.
pub(crate) struct TextRows {
    /// The file's own column names.
    pub(crate) columns: Vec<String>,
    /// Cells, by row, then column.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

/// Rows of one file by number (sorted), with the columns that the contract reads, for the quarantine.
pub(crate) fn rows_as_text(file: &Path, table: &TableContract, wanted: &[u32]) -> Result<TextRows, ReadError> {
    let mut source = Source::open(file, table)?;
    let plan = FilePlan::new(file, &source, table)?;
    let mut found: Vec<Vec<Option<String>>> = vec![vec![None; plan.projection.len()]; wanted.len()];
    while let Some(part) = source.next_part(&plan.projection)? {
        let batch = part.decode(&plan.projection)?;
        let places: Vec<(usize, usize)> =
            (0..batch.rows).filter_map(|row| Some((row, wanted.binary_search(&batch.numbers.of(row)).ok()?))).collect();
        for (column, typed) in batch.columns.iter().enumerate() {
            for (row, place) in &places {
                found[*place][column] = typed.cell(*row).into_text().map(std::borrow::Cow::into_owned);
            }
        }
    }
    Ok(TextRows { columns: plan.projection, rows: found })
}

/// Rules whose rows are not rows, so that they have no cells to show.
pub(crate) fn has_cells(rule: Rule) -> bool {
    rule != Rule::FieldCount
}
