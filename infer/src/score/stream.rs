//! The second pass: rows of the date, the good ones to be scored, the bad ones to the quarantine.
//!
//! Several lanes read the same batches, each some of the columns. A batch is told by its number, since every batch but the
//! last has the same number of rows.

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use parquet::errors::ParquetError;
use std::sync::Arc;

use crate::error::InferError;
use crate::input::{Batches, Columns, FeatureFile, KeyPlan, Rule, batch_dates};
use crate::observe::Observer;

/// Lanes per thread, so that lanes of unlike columns still keep all threads busy.
const LANES_PER_THREAD: usize = 2;

/// Reads some columns, batch after batch.
pub(super) struct ReadLane<'a> {
    batches: Batches<'a>,
    /// The lane that tells how far the run is and asks whether to stop.
    observer: Option<&'a dyn Observer>,
    rows: u64,
    of: u64,
}

impl<'a> ReadLane<'a> {
    /// The columns that a run needs, in lanes of about the same number of columns each.
    pub(super) fn open_all(
        file: &'a FeatureFile,
        columns: &Columns,
        batch_rows: usize,
        threads: usize,
        observer: &'a dyn Observer,
    ) -> Result<Vec<Self>, InferError> {
        let per_lane = columns.roots.len().div_ceil(threads * LANES_PER_THREAD).max(1);
        let open = |(lane, roots): (usize, &[usize])| {
            let batches = file.batches(roots.iter().copied(), batch_rows)?;
            Ok(Self { batches, observer: (lane == 0).then_some(observer), rows: 0, of: file.rows })
        };
        columns.roots.chunks(per_lane).enumerate().map(open).collect()
    }

    /// The next rows of these columns; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, InferError> {
        if let Some(observer) = self.observer {
            if let Some(stop) = observer.stop() {
                return Err(InferError::Stopped { stop });
            }
            observer.progress(self.rows, self.of);
        }
        let batch = self.batches.next()?;
        self.rows += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Ok(batch)
    }
}

/// Rows that were set aside, with the number in the file and the rule of each.
pub(super) struct BadRows {
    pub(super) rows: RecordBatch,
    pub(super) reasons: Vec<(u64, Rule)>,
}

/// Puts the parts of a batch together and sorts its rows out.
pub(super) struct Sorter<'a> {
    pub(super) file: &'a FeatureFile,
    pub(super) columns: &'a Columns,
    pub(super) plan: &'a KeyPlan,
    pub(super) batch_rows: usize,
}

impl Sorter<'_> {
    /// The good rows of the date, and the bad ones where there are some.
    pub(super) fn sort_out(
        &self,
        number: usize,
        parts: Vec<RecordBatch>,
    ) -> Result<(RecordBatch, Option<BadRows>), InferError> {
        let batch = self.together(parts)?;
        let first = number as u64 * self.batch_rows as u64;
        let end = first + batch.num_rows() as u64;
        let reasons: Vec<(u64, Rule)> = self.plan.bad.range(first..end).map(|(row, rule)| (*row, *rule)).collect();
        let dates = batch_dates(self.columns, &batch);
        let of_date = |row: usize| dates.as_ref().is_none_or(|dates| dates[row] == Some(self.plan.as_of));
        let mut keep: Vec<bool> = (0..batch.num_rows()).map(of_date).collect();
        for (row, _) in &reasons {
            keep[usize::try_from(row - first).unwrap_or(usize::MAX)] = false;
        }
        let mut bad = None;
        if !reasons.is_empty() {
            let mut set_aside = vec![false; batch.num_rows()];
            for (row, _) in &reasons {
                set_aside[usize::try_from(row - first).unwrap_or(usize::MAX)] = true;
            }
            bad = Some(BadRows { rows: filter(&batch, set_aside)?, reasons });
        }
        let good = if keep.iter().all(|keep| *keep) { batch } else { filter(&batch, keep)? };
        Ok((good, bad))
    }

    /// Lanes hold runs of the columns in the order of the file, so their columns follow each other.
    fn together(&self, parts: Vec<RecordBatch>) -> Result<RecordBatch, InferError> {
        let rows = parts.first().map_or(0, RecordBatch::num_rows);
        if let Some(part) = parts.iter().find(|part| part.num_rows() != rows) {
            let found = format!("columns of {rows} and of {} rows", part.num_rows());
            return Err(InferError::reading(&self.file.path, ParquetError::General(found)));
        }
        let fields: Vec<_> =
            parts.iter().flat_map(|part| part.schema().fields().iter().cloned().collect::<Vec<_>>()).collect();
        let columns: Vec<ArrayRef> = parts.iter().flat_map(|part| part.columns().iter().cloned()).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        RecordBatch::try_new(schema, columns)
            .map_err(|error| InferError::Internal { reason: format!("columns cannot be put together: {error}") })
    }
}

fn filter(batch: &RecordBatch, keep: Vec<bool>) -> Result<RecordBatch, InferError> {
    filter_record_batch(batch, &BooleanArray::from(keep))
        .map_err(|error| InferError::Internal { reason: format!("rows cannot be picked: {error}") })
}
