//! A table's own columns, mapped or not, for the search for leaks: what the contract does not read may still tell what
//! happened later, and somebody may map it tomorrow.
//!
//! Rows that `where` sets aside are read, too, since a condition may itself know the future. Of a large table a sample of
//! rows is kept, chosen by file and row number, so that every reading keeps the same ones.

use std::path::Path;

use hashbrown::{HashMap, HashSet};

use crate::contract::{ColumnRule, ColumnSource, Expression, TableContract, TableName};

use super::convert::NO_TIME;
use super::dictionary::{Dictionary, NO_CODE};
use super::error::ReadError;
use super::instant::parse_time;
use super::plan::{FilePlan, Maker};
use super::rows::TableRows;
use super::source::{RawBatch, Source, table_files};

/// Most rows that are kept of a table.
const SAMPLE_ROWS: u64 = 200_000;

/// One of the file's own columns.
#[derive(Debug)]
pub(crate) struct RawColumn {
    /// The file's name for it.
    pub(crate) name: String,
    /// What it is mapped to, if it is mapped.
    pub(crate) canonical: Option<&'static str>,
    /// Whether a signal may read it: mapped, or in an expression.
    pub(crate) is_read: bool,
    /// Per kept row; `None` is null.
    pub(crate) codes: Vec<Option<u32>>,
    /// By code.
    pub(crate) texts: Vec<String>,
    /// By code: the number it is, if it is one.
    pub(crate) numbers: Vec<Option<f64>>,
    /// By code: the instant it is, if it is one.
    pub(crate) times: Vec<Option<i64>>,
}

/// The kept rows of a table, with what the contract makes of their times.
#[derive(Debug)]
pub(crate) struct RawTable {
    pub(crate) table: TableName,
    /// Index of each row's account; `None`: not an account of the facts.
    pub(crate) accounts: Vec<Option<u32>>,
    /// Event time.
    pub(crate) event: Vec<Option<i64>>,
    /// Knowledge time; `None` also where a snapshot was always known.
    pub(crate) known: Vec<Option<i64>>,
    /// Due (invoices).
    pub(crate) due: Vec<Option<i64>>,
    /// Paid (invoices) or resolved (tickets).
    pub(crate) settled: Vec<Option<i64>>,
    pub(crate) columns: Vec<RawColumn>,
}

/// Reads the own columns of a table of `rows` rows.
pub(crate) fn raw_table(table: &TableContract, rows: u64, accounts: &[String]) -> Result<RawTable, ReadError> {
    let unfiltered = TableContract { filter: None, ..table.clone() };
    let mut reader = Reader::new(table, accounts, rows);
    for (index, file) in table_files(table)?.iter().enumerate() {
        reader.file(file, u32::try_from(index).unwrap_or(u32::MAX), &unfiltered)?;
    }
    Ok(reader.finish(table))
}

struct Reader<'a> {
    table: &'a TableContract,
    accounts: HashMap<&'a str, u32>,
    /// A row is kept when its hash is at most this.
    limit: u64,
    found: RawTable,
    dictionaries: Vec<Dictionary>,
    places: HashMap<String, usize>,
}

impl<'a> Reader<'a> {
    fn new(table: &'a TableContract, accounts: &'a [String], rows: u64) -> Self {
        let limit = if rows <= SAMPLE_ROWS { u64::MAX } else { u64::MAX / rows * SAMPLE_ROWS };
        let found = RawTable {
            table: table.name,
            accounts: Vec::new(),
            event: Vec::new(),
            known: Vec::new(),
            due: Vec::new(),
            settled: Vec::new(),
            columns: Vec::new(),
        };
        let accounts = accounts.iter().zip(0..).map(|(id, index)| (id.as_str(), index)).collect();
        Self { table, accounts, limit, found, dictionaries: Vec::new(), places: HashMap::new() }
    }

    fn file(&mut self, file: &Path, index: u32, unfiltered: &TableContract) -> Result<(), ReadError> {
        let of_table = |error: ReadError| error.in_table(unfiltered);
        let mut source = Source::open(file, unfiltered).map_err(of_table)?;
        let mut plan = FilePlan::new(file, &source, unfiltered).map_err(of_table)?;
        extend_projection(&mut plan, &source);
        let known_at = unfiltered.columns.iter().position(|rule| rule.canonical.name == "known_at");
        let has_known_at = known_at.is_some_and(|at| !matches!(plan.makers[at], Maker::Absent));
        let places: Vec<usize> = plan.projection.iter().map(|name| self.place(name)).collect();
        while let Some(part) = source.next_part(&plan.projection).map_err(of_table)? {
            let batch = part.decode(&plan.projection).map_err(of_table)?;
            let mut rows = TableRows::new(unfiltered, None);
            rows.append(0, &plan, std::slice::from_ref(&batch));
            rows.resolve_known_at(&[has_known_at]);
            let kept = |row: &usize| mixed((u64::from(index) << 32) | u64::from(batch.numbers.of(*row))) <= self.limit;
            let kept: Vec<usize> = (0..batch.rows).filter(kept).collect();
            self.take_times(&rows, &kept);
            self.take_cells(&batch, &places, &kept);
        }
        Ok(())
    }

    /// The place of a column, new if need be.
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.found.columns.len();
        self.places.insert(name.to_owned(), place);
        self.dictionaries.push(Dictionary::default());
        self.found.columns.push(RawColumn {
            name: name.to_owned(),
            canonical: canonical(self.table, name),
            is_read: is_read(self.table, name),
            codes: vec![None; self.found.accounts.len()],
            texts: Vec::new(),
            numbers: Vec::new(),
            times: Vec::new(),
        });
        place
    }

    fn take_times(&mut self, rows: &TableRows<'_>, kept: &[usize]) {
        let is_time = |time: &i64| *time != NO_TIME && *time != i64::MIN;
        let column = |name: &str, row: usize| rows.time(name).map(|times| times[row]).filter(is_time);
        let ids = rows.text("account_id");
        for row in kept {
            let id = ids.and_then(|(codes, names)| names.name(codes[*row]));
            self.found.accounts.push(id.and_then(|id| self.accounts.get(id).copied()));
            self.found.event.push(Some(rows.event(*row)).filter(is_time));
            self.found.known.push(Some(rows.known_at(*row)).filter(is_time));
            self.found.due.push(column("due_at", *row));
            self.found.settled.push(column("paid_at", *row).or_else(|| column("resolved_at", *row)));
        }
    }

    fn take_cells(&mut self, batch: &RawBatch, places: &[usize], kept: &[usize]) {
        for (column, place) in batch.columns.iter().zip(places) {
            let dictionary = &mut self.dictionaries[*place];
            let codes = kept.iter().map(|row| column.cell(*row).into_text().map(|text| dictionary.code(&text)));
            self.found.columns[*place].codes.extend(codes);
        }
        // A file may lack a column that another has.
        for column in &mut self.found.columns {
            column.codes.resize(self.found.accounts.len(), None);
        }
    }

    fn finish(mut self, table: &TableContract) -> RawTable {
        for (column, dictionary) in self.found.columns.iter_mut().zip(&self.dictionaries) {
            for text in dictionary.names() {
                column.numbers.push(text.trim().parse().ok().filter(|number: &f64| number.is_finite()));
                column.times.push(parse_time(text, table.time_format.as_deref()).map(|instant| instant.0));
                column.texts.push(text.to_owned());
            }
            debug_assert!(column.codes.iter().flatten().all(|code| *code != NO_CODE));
        }
        self.found
    }
}

/// Adds the columns that nothing reads; such as stand twice in a header, or are of no readable type, stay out.
fn extend_projection(plan: &mut FilePlan, source: &Source) {
    let columns = source.columns();
    let mut seen = HashSet::new();
    let repeated: HashSet<&String> = columns.iter().map(|(name, _)| name).filter(|name| !seen.insert(*name)).collect();
    for (name, kind) in &columns {
        if kind.is_some() && !repeated.contains(name) && !plan.projection.contains(name) {
            plan.projection.push(name.clone());
        }
    }
}

fn canonical(table: &TableContract, name: &str) -> Option<&'static str> {
    table.columns.iter().find(|rule| is_column(rule, name)).map(|rule| rule.canonical.name)
}

/// Whether a rule takes its values from the column as it is.
fn is_column(rule: &ColumnRule, name: &str) -> bool {
    match &rule.source {
        ColumnSource::SameName => rule.canonical.name == name,
        ColumnSource::Named(named) => named == name,
        ColumnSource::Derived(_) => false,
    }
}

/// Whether any column rule that signals read, or `where`, uses a column.
fn is_read(table: &TableContract, name: &str) -> bool {
    let uses = |expression: &Expression| expression.columns().contains(&name);
    let derives = |source: &ColumnSource| matches!(source, ColumnSource::Derived(expression) if uses(expression));
    let reads = |rule: &ColumnRule| rule.for_signals && (is_column(rule, name) || derives(&rule.source));
    table.columns.iter().any(reads) || table.filter.as_ref().is_some_and(uses)
}

/// A well-mixed number (SplitMix64, Steele et al. 2014).
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
