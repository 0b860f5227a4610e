//! The rows of an export: scores, and what the outlook says of each account, as rounded texts.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Serialize;

use crate::scored::{Forecast, ScoredAccount, ScoredBase, ScoresReadError};

/// Decimals of probabilities: a hundredth of a point.
pub const PROBABILITY_DECIMALS: usize = 4;
/// Decimals of money.
pub const MONEY_DECIMALS: usize = 2;
/// How many reasons of each target.
pub const REASONS: usize = 3;

/// What the outlook says of an account and an export takes, where its table has it: `None` is a text or a flag, else the
/// decimals of a number. What changes from day to day by itself, such as a due date, is not here.
const OUTLOOK_COLUMNS: [(&str, Option<usize>); 12] = [
    ("owner", None),
    ("health", None),
    ("value_tier", None),
    ("service_level", None),
    ("is_at_risk", None),
    ("play", None),
    ("play_owner", None),
    ("play_success_metric", None),
    ("monetisation", None),
    ("use_pattern", None),
    ("prospect", None),
    ("lifetime_value", Some(MONEY_DECIMALS)),
];

/// What scores say of an account beside its targets, in the order of [`cells_of`].
const OF_ACCOUNTS: [(&str, ColumnKind); 8] = [
    ("health", ColumnKind::Text),
    ("value_tier", ColumnKind::Text),
    ("service_level", ColumnKind::Text),
    ("mrr", ColumnKind::Number),
    ("mrr_at_risk", ColumnKind::Number),
    ("expected_expansion_mrr", ColumnKind::Number),
    ("status", ColumnKind::Text),
    ("status_reason", ColumnKind::Text),
];

/// What stands in a row for a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Not known.
    Null,
    /// Words.
    Text(String),
    /// A number, rounded, as it is written.
    Number(String),
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Words.
    Text,
    /// Numbers.
    Number,
}

/// A column of an export; the id is not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportColumn {
    /// Our name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// The rows of a date, ascending by id, each as long as there are columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportTable {
    /// Columns.
    pub columns: Vec<ExportColumn>,
    /// Ids and cells.
    pub rows: Vec<(String, Vec<Cell>)>,
}

impl ExportTable {
    /// The scores of a date below `out`, and its outlook where there is one.
    ///
    /// # Errors
    /// [`ScoresReadError`].
    pub fn read(out: &Path, as_of: NaiveDate) -> Result<Self, ScoresReadError> {
        let base = ScoredBase::read(out, as_of, REASONS)?;
        let mut table = Self::of_scores(&base);
        let folder = out.join("outlook").join("v1").join(format!("as_of={as_of}"));
        let accounts = folder.join("accounts.parquet");
        if folder.join("_SUCCESS").is_file() && accounts.is_file() {
            table.join(&OutlookAccounts::read(&accounts)?);
        }
        Ok(table)
    }

    fn of_scores(base: &ScoredBase) -> Self {
        let mut columns = Vec::new();
        let mut column = |name: String, kind| columns.push(ExportColumn { name, kind });
        for target in &base.targets {
            for part in ["probability", "low", "high"] {
                column(format!("{target}_{part}"), ColumnKind::Number);
            }
            column(format!("{target}_band"), ColumnKind::Text);
            (1..=REASONS).for_each(|rank| column(format!("{target}_reason_{rank}"), ColumnKind::Text));
        }
        for (name, kind) in OF_ACCOUNTS {
            column(name.to_owned(), kind);
        }
        let mut rows: Vec<_> =
            base.accounts.iter().map(|account| (account.account_id.clone(), cells_of(account))).collect();
        rows.sort_by(|left, right| left.0.cmp(&right.0));
        Self { columns, rows }
    }

    /// Adds the outlook's columns; one that the scores have, too, is the outlook's.
    fn join(&mut self, accounts: &OutlookAccounts) {
        for (place, column) in accounts.columns.iter().enumerate() {
            let own = self.columns.iter().position(|known| known.name == column.name);
            let own = own.unwrap_or_else(|| {
                self.columns.push(column.clone());
                self.rows.iter_mut().for_each(|(_, cells)| cells.push(Cell::Null));
                self.columns.len() - 1
            });
            for (id, cells) in &mut self.rows {
                if let Some(found) = accounts.rows.get(id) {
                    cells[own].clone_from(&found[place]);
                }
            }
        }
    }

    /// Takes columns out.
    pub(super) fn leave_out(&mut self, is_out: impl Fn(&str) -> bool) {
        let kept: Vec<bool> = self.columns.iter().map(|column| !is_out(&column.name)).collect();
        let mut stays = kept.iter();
        self.columns.retain(|_| stays.next() == Some(&true));
        for (_, cells) in &mut self.rows {
            let mut stays = kept.iter();
            cells.retain(|_| stays.next() == Some(&true));
        }
    }

    /// The same rows with these columns; what a row does not have is not known.
    pub(super) fn with_columns(self, columns: &[ExportColumn]) -> Self {
        if self.columns == columns {
            return self;
        }
        let places: Vec<Option<usize>> =
            columns.iter().map(|column| self.columns.iter().position(|own| own == column)).collect();
        let of = |cells: &[Cell]| {
            places.iter().map(|place| place.map_or(Cell::Null, |place| cells[place].clone())).collect()
        };
        let rows = self.rows.into_iter().map(|(id, cells)| (id, of(&cells))).collect();
        Self { columns: columns.to_vec(), rows }
    }

    /// The rows that `before` does not have, or has otherwise; all of them without `before`.
    pub(super) fn changed_since<'a>(&'a self, before: Option<&Self>) -> Vec<(&'a str, &'a [Cell])> {
        let rows = self.rows.iter().map(|(id, cells)| (id.as_str(), cells.as_slice()));
        let Some(before) = before else { return rows.collect() };
        rows.filter(|(id, cells)| before.row(id) != Some(cells)).collect()
    }

    /// The ids that `other` does not have.
    pub(super) fn ids_not_in<'a>(&'a self, other: &Self) -> Vec<&'a str> {
        self.rows.iter().map(|(id, _)| id.as_str()).filter(|id| other.row(id).is_none()).collect()
    }

    fn row(&self, id: &str) -> Option<&[Cell]> {
        let place = self.rows.binary_search_by(|(own, _)| own.as_str().cmp(id)).ok()?;
        Some(self.rows[place].1.as_slice())
    }
}

fn cells_of(account: &ScoredAccount) -> Vec<Cell> {
    let mut cells = Vec::new();
    for forecast in &account.forecasts {
        let of = |value: fn(&Forecast) -> f64| decimal(forecast.as_ref().map(value), PROBABILITY_DECIMALS);
        cells.extend([of(|one| one.probability), of(|one| one.low), of(|one| one.high)]);
        cells.push(text(forecast.as_ref().and_then(|one| one.band.as_deref())));
        let reasons = forecast.iter().flat_map(|one| &one.reasons);
        let mut reasons = reasons.map(|reason| Cell::Text(reason.text.clone()));
        cells.extend((0..REASONS).map(|_| reasons.next().unwrap_or(Cell::Null)));
    }
    cells.extend([&account.health, &account.value_tier, &account.service_level].map(|one| text(one.as_deref())));
    let money = [account.mrr, account.mrr_at_risk, account.expected_expansion_mrr];
    cells.extend(money.map(|value| decimal(value, MONEY_DECIMALS)));
    cells.extend([&account.status, &account.status_reason].map(|one| text(Some(one))));
    cells
}

fn text(value: Option<&str>) -> Cell {
    value.map_or(Cell::Null, |value| Cell::Text(value.to_owned()))
}

/// The nearest number of so many decimals; half-way, as the digits of the binary number say. Zero has no sign.
fn decimal(value: Option<f64>, decimals: usize) -> Cell {
    let Some(value) = value.filter(|value| value.is_finite()) else { return Cell::Null };
    let written = format!("{value:.decimals$}");
    let is_zero = written.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    Cell::Number(if is_zero { written.trim_start_matches('-').to_owned() } else { written })
}

/// What the outlook says of accounts.
struct OutlookAccounts {
    columns: Vec<ExportColumn>,
    rows: BTreeMap<String, Vec<Cell>>,
}

impl OutlookAccounts {
    fn read(path: &Path) -> Result<Self, ScoresReadError> {
        let name = path.display().to_string();
        let damaged = |found: String| ScoresReadError::Damaged { path: name.clone(), found };
        let file = File::open(path).map_err(|source| ScoresReadError::Io { path: name.clone(), source })?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
        let schema = builder.schema().clone();
        let taken = OUTLOOK_COLUMNS.iter().filter(|(column, _)| schema.index_of(column).is_ok());
        let taken: Vec<(&str, Option<usize>)> = taken.copied().collect();
        let kind = |decimals: Option<usize>| decimals.map_or(ColumnKind::Text, |_| ColumnKind::Number);
        let columns =
            taken.iter().map(|(column, decimals)| ExportColumn { name: (*column).to_owned(), kind: kind(*decimals) });
        let mut accounts = Self { columns: columns.collect(), rows: BTreeMap::new() };
        for batch in builder.build().map_err(|error| damaged(error.to_string()))? {
            accounts.add(&batch.map_err(|error| damaged(error.to_string()))?, &taken, &name)?;
        }
        Ok(accounts)
    }

    fn add(&mut self, batch: &RecordBatch, taken: &[(&str, Option<usize>)], path: &str) -> Result<(), ScoresReadError> {
        let wrong = |column: &str, expected: &'static str| ScoresReadError::Column {
            path: path.to_owned(),
            column: column.to_owned(),
            expected,
            found: batch.column_by_name(column).map_or("none".to_owned(), |column| column.data_type().to_string()),
        };
        let ids = batch.column_by_name("account_id").and_then(|column| column.as_string_opt::<i32>());
        let ids = ids.ok_or_else(|| wrong("account_id", "text"))?;
        let mut cells: Vec<Vec<Cell>> = (0..ids.len()).map(|_| Vec::with_capacity(taken.len())).collect();
        for (column, decimals) in taken {
            let array = batch.column_by_name(column).ok_or_else(|| wrong(column, "text"))?;
            let of_row = of_column(array, *decimals).ok_or_else(|| wrong(column, "text, flags or 64-bit numbers"))?;
            cells.iter_mut().enumerate().for_each(|(row, cells)| cells.push(of_row(row)));
        }
        self.rows.extend(cells.into_iter().enumerate().map(|(row, cells)| (ids.value(row).to_owned(), cells)));
        Ok(())
    }
}

/// The cells of a column, by row; `None` for a type that is not meant.
fn of_column(array: &ArrayRef, decimals: Option<usize>) -> Option<Box<dyn Fn(usize) -> Cell + '_>> {
    if let (Some(decimals), Some(numbers)) = (decimals, array.as_primitive_opt::<Float64Type>()) {
        return Some(Box::new(move |row| decimal(numbers.is_valid(row).then(|| numbers.value(row)), decimals)));
    }
    if decimals.is_some() {
        return None;
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        return Some(Box::new(move |row| text(texts.is_valid(row).then(|| texts.value(row)))));
    }
    let flags = array.as_boolean_opt()?;
    let word = |flag: bool| if flag { "true" } else { "false" };
    Some(Box::new(move |row| text(flags.is_valid(row).then(|| word(flags.value(row))))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_zero_has_no_sign() {
        let written = |value: f64, decimals| match decimal(Some(value), decimals) {
            Cell::Number(number) => number,
            other => format!("{other:?}"),
        };
        assert_eq!(written(0.123_449, 4), "0.1234");
        assert_eq!(written(0.123_451, 4), "0.1235");
        assert_eq!(written(1.0, 4), "1.0000");
        assert_eq!(written(-0.000_01, 4), "0.0000");
        assert_eq!(written(-0.01, 2), "-0.01");
        assert_eq!(written(1_234_567.891, 2), "1234567.89");
        assert_eq!(decimal(Some(f64::NAN), 2), Cell::Null);
        assert_eq!(decimal(None, 2), Cell::Null);
    }
}
