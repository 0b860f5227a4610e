//! Feature files of the partitions of a base, put together to one: the same bytes as if it had been computed at once.
//!
//! The files are read side by side, a batch of each in memory at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_select::interleave::interleave;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::FeatureMatrix;
use super::file::{FeatureFile, MatrixError, write_rows};
use super::metadata::FeatureMetadata;
use super::population::Population;
use crate::signal::SignalDefinition;

/// Rows of a part in memory.
const BATCH_ROWS: usize = 8192;

/// A part, and where its next row is.
struct Part {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    /// Its batch among those held.
    slot: usize,
    row: usize,
    rows: usize,
}

/// The parts, and the batches that rows were taken from.
struct Merging {
    parts: Vec<Part>,
    held: Vec<RecordBatch>,
}

impl FeatureMatrix {
    /// Writes the rows of `parts` - written by [`super::OpenMatrix::write`], of disjoint accounts with the same columns - as
    /// one feature file at `path`; `metadata` is that of all of them ([`FeatureMetadata::join`]), `population` has them all.
    ///
    /// # Errors
    /// [`MatrixError`]; a file that was at `path` before is then still whole.
    pub fn write_merged(
        path: &Path,
        parts: &[PathBuf],
        signals: &[SignalDefinition],
        metadata: &FeatureMetadata,
        population: &Population,
    ) -> Result<FeatureFile, MatrixError> {
        let mut merging = Merging { parts: Vec::new(), held: Vec::new() };
        let mut rows = 0;
        for part in parts {
            let open =
                || File::open(part).map_err(|source| MatrixError::Io { path: part.clone(), action: "open", source });
            let refused = |source| MatrixError::Parquet { path: part.clone(), source };
            let builder = ParquetRecordBatchReaderBuilder::try_new(open()?).map_err(refused)?;
            rows += usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
            let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(refused)?;
            merging.parts.push(Part { path: part.clone(), reader, slot: 0, row: 0, rows: 0 });
        }
        for part in 0..merging.parts.len() {
            merging.refill(part)?;
        }
        write_rows(path, metadata, signals, rows, &mut |start, end| {
            let arrays = merging.take(end - start)?;
            Ok(Box::new(move || population.close_arrays(signals, arrays)))
        })
    }
}

impl Merging {
    /// Brings in the next batch of a part whose rows are all taken; a part without more rows stays empty.
    fn refill(&mut self, part: usize) -> Result<(), MatrixError> {
        let one = &mut self.parts[part];
        while one.row == one.rows {
            let Some(batch) = one.reader.next() else { return Ok(()) };
            let batch = batch.map_err(|error| MatrixError::Parquet { path: one.path.clone(), source: error.into() })?;
            (one.slot, one.row, one.rows) = (self.held.len(), 0, batch.num_rows());
            self.held.push(batch);
        }
        Ok(())
    }

    /// Date and account of a part's next row.
    fn key(&self, part: &Part) -> Option<(i32, &str)> {
        if part.row == part.rows {
            return None;
        }
        let batch = self.held.get(part.slot)?;
        let (ids, dates) = (batch.column(0).as_string_opt::<i32>()?, batch.column(1).as_primitive_opt::<Date32Type>()?);
        Some((dates.value(part.row), ids.value(part.row)))
    }

    /// The next `rows` rows of all parts together.
    fn take(&mut self, rows: usize) -> Result<Vec<ArrayRef>, MatrixError> {
        let mut places = Vec::with_capacity(rows);
        for _ in 0..rows {
            let keyed = self.parts.iter().enumerate().filter_map(|(index, part)| Some((self.key(part)?, index)));
            let Some((_, first)) = keyed.min() else { break };
            let part = &mut self.parts[first];
            places.push((part.slot, part.row));
            part.row += 1;
            if part.row == part.rows {
                self.refill(first)?;
            }
        }
        let columns = self.held.first().map_or(0, RecordBatch::num_columns);
        let column = |index: usize| {
            let arrays: Vec<&dyn Array> = self.held.iter().map(|batch| batch.column(index).as_ref()).collect();
            interleave(&arrays, &places)
                .map_err(|error| MatrixError::Parquet { path: self.parts[0].path.clone(), source: error.into() })
        };
        let arrays = (0..columns).map(column).collect::<Result<_, _>>()?;
        self.let_go();
        Ok(arrays)
    }

    /// Keeps the batches that parts still stand in, and no others.
    fn let_go(&mut self) {
        let mut kept = Vec::with_capacity(self.parts.len());
        for part in self.parts.iter_mut().filter(|part| part.row < part.rows) {
            kept.push(self.held[part.slot].clone());
            part.slot = kept.len() - 1;
        }
        self.held = kept;
    }
}
