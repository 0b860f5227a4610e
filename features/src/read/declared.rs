//! The rows of a table as declared signals read them: the condition is evaluated here, once per row, over the canonical
//! columns.
//!
//! A row whose condition looks at a time that is a knowledge time of its own (`paid_at`) reads differently before and after
//! that time has come, so it becomes one reading for each: the engine takes the last one that is visible. Rows of a table
//! with a key are kept even where the condition is false, because a later version that no longer counts must replace an
//! earlier one that did.

use std::borrow::Cow;
use std::path::PathBuf;

use hashbrown::HashMap;
use rayon::prelude::*;

use crate::catalog::DeclaredSignal;
use crate::contract::{CanonicalColumn, Contract};
use crate::facts::{DeclaredFact, DeclaredFacts, Grouped};
use crate::time::Instant;

use super::cells::Cell;
use super::convert::{NO_TIME, Values};
use super::dictionary::NO_CODE;
use super::error::ReadError;
use super::evaluate::evaluate_with;
use super::rows::TableRows;

/// Rows that one thread reads at a time.
const CHUNK_ROWS: usize = 1 << 14;

/// Columns that a declared signal reads and no file has.
pub(crate) fn check_columns(contract: &Contract, rows: &TableRows<'_>, files: &[PathBuf]) -> Result<(), ReadError> {
    for signal in contract.catalogue.declared.iter().filter(|signal| signal.table == rows.table.name) {
        let there = |column: &CanonicalColumn| {
            rows.has(column.name) || column.name == "known_at" || column.default_number().is_some()
        };
        let Some(column) = signal.reads().find(|column| !there(column)) else { continue };
        return Err(ReadError::MissingColumns {
            table: rows.table.name,
            file: files.first().cloned().unwrap_or_default(),
            columns: vec![format!("`{}` (the declared signal `{}` reads it)", column.name, signal.definition.name)],
            key: ["columns", column.name].into(),
            hint: Some("map it in `columns`, or remove it from the signal".to_owned()),
        });
    }
    Ok(())
}

/// A canonical column of the table.
enum Source<'a> {
    Values(&'a Values),
    KnownAt,
    /// No file has it; its default, if it has one.
    Absent(Option<f64>),
}

struct Column<'a> {
    source: Source<'a>,
    default: Option<f64>,
    /// Whether its times are knowledge times of their own.
    later: bool,
}

impl<'a> Column<'a> {
    fn of(rows: &'a TableRows<'_>, canonical: &CanonicalColumn) -> Self {
        let default = canonical.default_number();
        let source = match rows.column(canonical.name) {
            _ if canonical.name == "known_at" => Source::KnownAt,
            Some(values) => Source::Values(values),
            None => Source::Absent(default),
        };
        Self { source, default, later: canonical.known_later }
    }

    /// The cell of a row, as told by what has come to pass until `until`.
    fn cell(&self, rows: &TableRows<'_>, row: usize, until: i64) -> Cell<'a> {
        let number = |value: Option<f64>| value.map_or(Cell::Null, Cell::Number);
        match self.source {
            Source::KnownAt => Cell::Time(rows.known_at(row)),
            Source::Absent(default) => number(default),
            Source::Values(Values::Number(values)) => {
                number(Some(values[row]).filter(|value| !value.is_nan()).or(self.default))
            }
            Source::Values(Values::Text(codes, names)) => {
                names.name(codes[row]).map_or(Cell::Null, |name| Cell::Text(Cow::Borrowed(name)))
            }
            Source::Values(Values::Time(times)) => match times[row] {
                NO_TIME => Cell::Null,
                time if self.later && time > until => Cell::Null,
                time => Cell::Time(time),
            },
        }
    }

    /// When the row's time comes to pass, where that is news of its own.
    fn comes(&self, row: usize) -> Option<i64> {
        match self.source {
            Source::Values(Values::Time(times)) if self.later => Some(times[row]).filter(|time| *time != NO_TIME),
            _ => None,
        }
    }

    /// What `distinct` and the arithmetic of the signal see of a row: a number, or a text's code.
    fn value(&self, row: usize) -> Option<f64> {
        match self.source {
            Source::Absent(default) => default,
            // One zero: the two would be distinct values.
            Source::Values(Values::Number(values)) => {
                Some(values[row] + 0.0).filter(|value| !value.is_nan()).or(self.default)
            }
            Source::Values(Values::Text(codes, _)) => Some(codes[row]).filter(|code| *code != NO_CODE).map(f64::from),
            Source::Values(Values::Time(_)) | Source::KnownAt => None,
        }
    }
}

/// A number that all versions of one row share, other than their account; `None` for a table without a key.
fn keys(rows: &TableRows<'_>) -> Option<Vec<u32>> {
    let names: Vec<&str> = rows.table.name.key().iter().copied().filter(|name| *name != "account_id").collect();
    if names.is_empty() {
        return None;
    }
    let part = |name: &&str, row: usize| match (rows.text(name), rows.time(name)) {
        (Some((codes, _)), _) => i64::from(codes[row]),
        (None, Some(times)) => times[row],
        (None, None) => 0,
    };
    let mut known: HashMap<Vec<i64>, u32> = HashMap::new();
    let mut key = |row: usize| {
        let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
        *known.entry(names.iter().map(|name| part(name, row)).collect()).or_insert(next)
    };
    Some((0..rows.len()).map(&mut key).collect())
}

/// What the signal reads of a table; `account` of each row, [`NO_CODE`] where the row is left out.
pub(crate) fn read(signal: &DeclaredSignal, rows: &TableRows<'_>, account: &[u32], accounts: usize) -> DeclaredFacts {
    let columns: Vec<Column<'_>> = signal.columns.iter().map(|column| Column::of(rows, column)).collect();
    let value = signal.value.map(|column| Column::of(rows, column));
    let keys = keys(rows);
    let versioned = keys.is_some() || columns.iter().any(|column| column.later);
    let readings = |row: usize| {
        let mut found: Vec<(u32, DeclaredFact)> = Vec::new();
        if account[row] == NO_CODE {
            return found;
        }
        let (at, known_at) = (rows.event(row), rows.known_at(row));
        let visible_from = at.max(known_at);
        let mut moments: Vec<i64> = columns.iter().filter_map(|column| column.comes(row)).collect();
        moments.retain(|moment| *moment > visible_from);
        moments.sort_unstable();
        for until in std::iter::once(visible_from).chain(moments) {
            let cell = |place: usize| columns[place].cell(rows, row, until);
            let counts = signal.filter.as_ref().is_none_or(|filter| evaluate_with(filter, &cell).flag() == Some(true));
            let is_news = found.last().map_or(counts || versioned, |(_, before)| before.counts != counts);
            if is_news {
                let fact = DeclaredFact {
                    at: Instant(at),
                    known_at: Instant(known_at),
                    revealed_at: Instant(until),
                    key: keys.as_ref().map_or(u32::try_from(row).unwrap_or(u32::MAX), |keys| keys[row]),
                    value: value.as_ref().and_then(|value| value.value(row)),
                    counts,
                };
                found.push((account[row], fact));
            }
        }
        found
    };
    let rows = (0..rows.len()).into_par_iter().with_min_len(CHUNK_ROWS).flat_map_iter(readings).collect();
    DeclaredFacts { versioned, rows: grouped(accounts, rows) }
}

/// Groups in the order of [`Grouped`]: the sort is stable, so equal times keep the source's order.
fn grouped(accounts: usize, mut pairs: Vec<(u32, DeclaredFact)>) -> Grouped<DeclaredFact> {
    pairs.par_sort_by_key(|(account, fact)| (*account, fact.at, fact.known_at));
    let mut offsets = vec![0; accounts + 1];
    for (account, _) in &pairs {
        offsets[*account as usize + 1] += 1;
    }
    for index in 0..accounts {
        offsets[index + 1] += offsets[index];
    }
    Grouped { offsets, rows: pairs.into_iter().map(|(_, fact)| fact).collect() }
}
