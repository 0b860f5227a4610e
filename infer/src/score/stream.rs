//! The second pass: rows of the date, the good ones to the workers, the bad ones to the quarantine.

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;

use crate::error::InferError;
use crate::input::{Batches, Columns, FeatureFile, KeyPlan, Rule, batch_dates};
use crate::observe::Observer;
use crate::output::QuarantineWriter;

/// Reads batch after batch.
pub(super) struct RowStream<'a> {
    file: &'a FeatureFile,
    columns: &'a Columns,
    plan: &'a KeyPlan,
    observer: &'a dyn Observer,
    batches: Batches<'a>,
    next_row: u64,
    pub(super) quarantine: QuarantineWriter,
}

impl<'a> RowStream<'a> {
    /// Starts at the first row of the file.
    pub(super) fn open(
        file: &'a FeatureFile,
        columns: &'a Columns,
        plan: &'a KeyPlan,
        batch_rows: usize,
        quarantine: QuarantineWriter,
        observer: &'a dyn Observer,
    ) -> Result<Self, InferError> {
        let batches = file.batches(columns.roots.iter().copied(), batch_rows)?;
        Ok(Self { file, columns, plan, observer, batches, next_row: 0, quarantine })
    }

    /// The next good rows; `None` at the end of the file.
    pub(super) fn next_good(&mut self) -> Result<Option<RecordBatch>, InferError> {
        loop {
            if let Some(stop) = self.observer.stop() {
                return Err(InferError::Stopped { stop });
            }
            self.observer.progress(self.next_row, self.file.rows);
            let Some(batch) = self.batches.next()? else { return Ok(None) };
            let good = self.sort_out(batch)?;
            if good.num_rows() > 0 {
                return Ok(Some(good));
            }
        }
    }

    /// Sends the bad rows away and returns the good ones.
    fn sort_out(&mut self, batch: RecordBatch) -> Result<RecordBatch, InferError> {
        let first = self.next_row;
        let end = first + batch.num_rows() as u64;
        self.next_row = end;
        let bad: Vec<(u64, Rule)> = self.plan.bad.range(first..end).map(|(row, rule)| (*row, *rule)).collect();
        let dates = batch_dates(self.columns, &batch);
        let of_date = |row: usize| dates.as_ref().is_none_or(|dates| dates[row] == Some(self.plan.as_of));
        let mut keep: Vec<bool> = (0..batch.num_rows()).map(of_date).collect();
        for (row, _) in &bad {
            keep[usize::try_from(row - first).unwrap_or(usize::MAX)] = false;
        }
        if !bad.is_empty() {
            let mut set_aside = vec![false; batch.num_rows()];
            for (row, _) in &bad {
                set_aside[usize::try_from(row - first).unwrap_or(usize::MAX)] = true;
            }
            self.quarantine.push(&filter(&batch, set_aside)?, &bad)?;
        }
        if keep.iter().all(|keep| *keep) { Ok(batch) } else { filter(&batch, keep) }
    }
}

fn filter(batch: &RecordBatch, keep: Vec<bool>) -> Result<RecordBatch, InferError> {
    filter_record_batch(batch, &BooleanArray::from(keep))
        .map_err(|error| InferError::Internal { reason: format!("rows cannot be picked: {error}") })
}
