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

use crate::scored::{Forecast, ScoredAccount, ScoredBase, ScoresReadError, number, partition};
use crate::tables::accounts_of;

/// Decimals of probabilities: a whole point. They move a little every night; a row is to change when its account does.
pub const PROBABILITY_DECIMALS: usize = 2;
/// Decimals of money that is paid.
pub const MONEY_DECIMALS: usize = 2;
/// Digits of money that is expected: it moves with the probabilities.
pub const EXPECTED_DIGITS: i32 = 2;
/// How many reasons of each target.
pub const REASONS: usize = 3;

/// How a column of the outlook is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A text or a flag.
    Words,
    /// Money that is paid.
    Paid,
    /// Money that is expected.
    Expected,
}

/// What the outlook says of an account and an export takes, where its table has it. What changes from day to day by itself, such
/// as a due date, is not here.
const OUTLOOK_COLUMNS: [(&str, Form); 13] = [
    ("owner", Form::Words),
    ("health", Form::Words),
    ("value_tier", Form::Words),
    ("service_level", Form::Words),
    ("is_at_risk", Form::Words),
    ("play", Form::Words),
    ("play_owner", Form::Words),
    ("play_success_metric", Form::Words),
    ("monetisation", Form::Words),
    ("use_pattern", Form::Words),
    ("prospect", Form::Words),
    ("lifetime_value", Form::Expected),
    ("mrr", Form::Paid),
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
        if let Some(accounts) = accounts_of(out, as_of) {
            let found = OutlookAccounts::read(&accounts)?;
            if !found.is_of(&base) {
                return Err(ScoresReadError::OtherScores { path: accounts.display().to_string(), as_of });
            }
            table.join(&found);
        }
        Ok(table)
    }

    /// As [`ExportTable::read`], of a date to compare with: an outlook of other scores is left out.
    ///
    /// # Errors
    /// [`ScoresReadError`].
    pub fn read_earlier(out: &Path, as_of: NaiveDate) -> Result<Self, ScoresReadError> {
        match Self::read(out, as_of) {
            Err(ScoresReadError::OtherScores { .. }) => Ok(Self::of_scores(&ScoredBase::read(out, as_of, REASONS)?)),
            table => table,
        }
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

    /// The rows that `before` does not have, or has otherwise; all of them without `before`. What follows the probability from night
    /// to night makes no other row alone: see [`follows`].
    pub(super) fn changed_since<'a>(&'a self, before: Option<&Self>) -> Vec<(&'a str, &'a [Cell])> {
        let rows = self.rows.iter().map(|(id, cells)| (id.as_str(), cells.as_slice()));
        let Some(before) = before else { return rows.collect() };
        let counts: Vec<bool> = self.columns.iter().map(|column| !follows(&column.name)).collect();
        let kept = |cells: &'_ [Cell]| -> Vec<Cell> {
            cells.iter().zip(&counts).filter(|(_, counts)| **counts).map(|(cell, _)| cell.clone()).collect()
        };
        rows.filter(|(id, cells)| before.row(id).map(&kept) != Some(kept(cells))).collect()
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

/// Whether a column only follows the probability that stands beside it, rounded: the ends of its range, the numbers in the words of
/// its reasons, and the money that is expected by it.
fn follows(column: &str) -> bool {
    let is_expected = ["mrr_at_risk", "expected_expansion_mrr", "lifetime_value"].contains(&column);
    is_expected || column.contains("_reason_") || column.ends_with("_low") || column.ends_with("_high")
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
    cells.push(decimal(account.mrr, MONEY_DECIMALS));
    cells.extend([account.mrr_at_risk, account.expected_expansion_mrr].map(expected));
    cells.extend([&account.status, &account.status_reason].map(|one| text(Some(one))));
    cells
}

/// That the outlook of a date was made from the scores that are there; where one of them is missing there is nothing to compare.
///
/// # Errors
/// [`ScoresReadError::OtherScores`], and those of reading.
pub fn check_outlook(out: &Path, as_of: NaiveDate) -> Result<(), ScoresReadError> {
    let Some(accounts) = accounts_of(out, as_of).filter(|_| partition(out, as_of).join("_SUCCESS").is_file()) else {
        return Ok(());
    };
    let is_same = OutlookAccounts::read(&accounts)?.is_of(&ScoredBase::read(out, as_of, 0)?);
    if is_same { Ok(()) } else { Err(ScoresReadError::OtherScores { path: accounts.display().to_string(), as_of }) }
}

fn text(value: Option<&str>) -> Cell {
    value.map_or(Cell::Null, |value| Cell::Text(value.to_owned()))
}

/// Money to so many digits, at most to the cent: 16,254.31 is 16000, 0.238 is 0.24.
fn expected(value: Option<f64>) -> Cell {
    let Some(value) = value.filter(|value| value.is_finite() && *value != 0.0) else { return decimal(value, 0) };
    let place = EXPECTED_DIGITS - 1 - value.abs().log10().floor() as i32;
    let scale = 10_f64.powi(place.clamp(-300, MONEY_DECIMALS as i32));
    decimal(Some((value * scale).round() / scale), place.clamp(0, MONEY_DECIMALS as i32) as usize)
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
    /// Probability of churn and of expansion: what says which scores it was made from.
    probabilities: BTreeMap<String, [Option<f64>; 2]>,
}

/// What the outlook calls the probabilities of the two targets.
const PROBABILITIES: [&str; 2] = ["churn_probability", "expansion_probability"];

impl OutlookAccounts {
    fn read(path: &Path) -> Result<Self, ScoresReadError> {
        let name = path.display().to_string();
        let damaged = |found: String| ScoresReadError::Damaged { path: name.clone(), found };
        let file = File::open(path).map_err(|source| ScoresReadError::Io { path: name.clone(), source })?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
        let schema = builder.schema().clone();
        let taken = OUTLOOK_COLUMNS.iter().filter(|(column, _)| schema.index_of(column).is_ok());
        let taken: Vec<(&str, Form)> = taken.copied().collect();
        let kind = |form: Form| if form == Form::Words { ColumnKind::Text } else { ColumnKind::Number };
        let columns = taken.iter().map(|(column, form)| ExportColumn { name: (*column).to_owned(), kind: kind(*form) });
        let mut accounts = Self { columns: columns.collect(), rows: BTreeMap::new(), probabilities: BTreeMap::new() };
        for batch in builder.build().map_err(|error| damaged(error.to_string()))? {
            accounts.add(&batch.map_err(|error| damaged(error.to_string()))?, &taken, &name)?;
        }
        Ok(accounts)
    }

    /// Whether it was made from these scores: the same accounts with the same probabilities.
    fn is_of(&self, base: &ScoredBase) -> bool {
        let is_same = |account: &ScoredAccount| {
            self.probabilities.get(&account.account_id) == Some(&base.churn_and_expansion(account))
        };
        self.probabilities.len() == base.accounts.len() && base.accounts.iter().all(is_same)
    }

    fn add(&mut self, batch: &RecordBatch, taken: &[(&str, Form)], path: &str) -> Result<(), ScoresReadError> {
        let wrong = |column: &str, expected: &'static str| ScoresReadError::Column {
            path: path.to_owned(),
            column: column.to_owned(),
            expected,
            found: batch.column_by_name(column).map_or("none".to_owned(), |column| column.data_type().to_string()),
        };
        let ids = batch.column_by_name("account_id").and_then(|column| column.as_string_opt::<i32>());
        let ids = ids.ok_or_else(|| wrong("account_id", "text"))?;
        let mut cells: Vec<Vec<Cell>> = (0..ids.len()).map(|_| Vec::with_capacity(taken.len())).collect();
        let probabilities = PROBABILITIES.map(|column| {
            let array = batch.column_by_name(column).and_then(|array| array.as_primitive_opt::<Float64Type>());
            array.ok_or_else(|| wrong(column, "64-bit numbers"))
        });
        let [churn, expansion] = probabilities;
        let (churn, expansion) = (churn?, expansion?);
        let of_row = |row: usize| (ids.value(row).to_owned(), [number(churn, row), number(expansion, row)]);
        self.probabilities.extend((0..ids.len()).map(of_row));
        for (column, form) in taken {
            let array = batch.column_by_name(column).ok_or_else(|| wrong(column, "text"))?;
            let of_row = of_column(array, *form).ok_or_else(|| wrong(column, "text, flags or 64-bit numbers"))?;
            cells.iter_mut().enumerate().for_each(|(row, cells)| cells.push(of_row(row)));
        }
        self.rows.extend(cells.into_iter().enumerate().map(|(row, cells)| (ids.value(row).to_owned(), cells)));
        Ok(())
    }
}

/// The cells of a column, by row; `None` for a type that is not meant.
fn of_column(array: &ArrayRef, form: Form) -> Option<Box<dyn Fn(usize) -> Cell + '_>> {
    if form != Form::Words {
        let numbers = array.as_primitive_opt::<Float64Type>()?;
        return Some(Box::new(move |row| match form {
            Form::Expected => expected(number(numbers, row)),
            _ => decimal(number(numbers, row), MONEY_DECIMALS),
        }));
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
        let expected = |value: f64| match expected(Some(value)) {
            Cell::Number(number) => number,
            other => format!("{other:?}"),
        };
        for (value, written) in [
            (16_254.31, "16000"),
            (99.6, "100"),
            (123.0, "120"),
            (12.34, "12"),
            (1.24, "1.2"),
            (0.238, "0.24"),
            (0.012_6, "0.01"),
            (0.001, "0.00"),
            (0.0, "0"),
            (-16_254.0, "-16000"),
        ] {
            assert_eq!(expected(value), written, "{value}");
        }
    }
}
