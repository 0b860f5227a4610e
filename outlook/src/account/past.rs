//! Earlier scores, read lean: only the columns that are asked for, row by row, each at its place among today's accounts.

use std::fs::File;
use std::path::Path;

use arrow_array::{Array, Float64Array, RecordBatch, StringArray};
use bellwether_models::policy::Health;
use chrono::NaiveDate;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::scored::{Columns, ScoredAccount, ScoresReadError, number, partition, parts};

/// The health of a text of the scores.
pub(crate) fn health_of(text: &str) -> Option<Health> {
    Health::ALL.iter().copied().find(|health| health.text() == text)
}

/// Where ids that come in ascending order stand among sorted accounts.
pub(crate) struct Places<'a> {
    accounts: &'a [ScoredAccount],
    next: usize,
}

impl<'a> Places<'a> {
    pub(crate) fn new(accounts: &'a [ScoredAccount]) -> Self {
        Self { accounts, next: 0 }
    }

    /// The place of `id`; any order is right, an ascending one is fast.
    pub(crate) fn of(&mut self, id: &str) -> Option<usize> {
        let is_behind = self.next > 0 && self.accounts[self.next - 1].account_id.as_str() >= id;
        if is_behind {
            self.next = self.accounts.partition_point(|account| account.account_id.as_str() < id);
        }
        while self.accounts.get(self.next).is_some_and(|account| account.account_id.as_str() < id) {
            self.next += 1;
        }
        self.accounts.get(self.next).is_some_and(|account| account.account_id == id).then_some(self.next)
    }
}

/// Calls `read` with each batch of the scores of `date`, holding the columns that `is_wanted` names.
pub(crate) fn each_batch(
    out: &Path,
    date: NaiveDate,
    is_wanted: impl Fn(&str) -> bool,
    mut read: impl FnMut(&Columns<'_>) -> Result<(), ScoresReadError>,
) -> Result<(), ScoresReadError> {
    for path in parts(&partition(out, date))? {
        let name = path.display().to_string();
        let damaged = |found: String| ScoresReadError::Damaged { path: name.clone(), found };
        let file = File::open(&path).map_err(|source| ScoresReadError::Io { path: name.clone(), source })?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
        let fields = builder.schema().fields().clone();
        let wanted = fields.iter().enumerate().filter(|(_, field)| is_wanted(field.name()));
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.map(|(index, _)| index));
        let reader = builder.with_projection(mask).build().map_err(|error| damaged(error.to_string()))?;
        for batch in reader {
            let batch: RecordBatch = batch.map_err(|error| damaged(error.to_string()))?;
            read(&Columns { path: &name, batch: &batch })?;
        }
    }
    Ok(())
}

/// A column of numbers, where this date has it: a model of another day may have had other targets.
pub(crate) fn numbers_if_there<'a>(
    columns: &Columns<'a>,
    name: &str,
) -> Result<Option<&'a Float64Array>, ScoresReadError> {
    columns.batch.column_by_name(name).map(|_| columns.numbers(name)).transpose()
}

/// A column of texts, where this date has it.
pub(crate) fn texts_if_there<'a>(
    columns: &Columns<'a>,
    name: &str,
) -> Result<Option<&'a StringArray>, ScoresReadError> {
    columns.batch.column_by_name(name).map(|_| columns.texts(name)).transpose()
}

/// The number of a row, where there is one.
pub(crate) fn number_at(column: Option<&Float64Array>, row: usize) -> Option<f64> {
    column.and_then(|column| number(column, row))
}

/// The text of a row, where there is one.
pub(crate) fn text_at(column: Option<&StringArray>, row: usize) -> Option<&str> {
    column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}
