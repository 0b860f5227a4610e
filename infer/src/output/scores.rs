//! The scores as Parquet.
//!
//! The same rows give the same bytes, whatever number of threads and size of batches made them: rows are cut into chunks
//! of one size before they are written, since a Parquet writer looks at page sizes once per write. Nothing about the run
//! or the clock is in the file. Rows of an unsorted input are held back and sorted by `account_id` at the end.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::coalesce::BatchCoalescer;
use arrow_select::interleave::interleave_record_batch;

use super::file::Written;
use super::parquet::ParquetFile;
use crate::error::InferError;
use crate::input::Order;

/// Rows that are written at a time.
const CHUNK_ROWS: usize = 8_192;

/// The one part of a partition while it is being written.
pub(crate) struct ScoresWriter {
    file: ParquetFile,
    chunks: BatchCoalescer,
    order: Order,
    held: Vec<RecordBatch>,
}

impl ScoresWriter {
    /// Creates `part-00000.parquet` in a folder.
    pub(crate) fn create(folder: &Path, schema: &SchemaRef, order: Order) -> Result<Self, InferError> {
        let file = ParquetFile::create(&folder.join("part-00000.parquet"), schema, 0o644)?;
        let chunks = BatchCoalescer::new(schema.clone(), CHUNK_ROWS);
        Ok(Self { file, chunks, order, held: Vec::new() })
    }

    /// Takes the next rows.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<(), InferError> {
        match self.order {
            Order::Unsorted => {
                self.held.push(batch);
                Ok(())
            }
            // A whole chunk is written as it is.
            Order::Sorted if batch.num_rows() == CHUNK_ROWS && self.chunks.is_empty() => self.file.write(&batch),
            Order::Sorted => {
                self.chunks.push_batch(batch).map_err(|error| inconsistent(&error))?;
                self.write_chunks()
            }
        }
    }

    /// Writes what is left and waits until it is on disk.
    pub(crate) fn finish(mut self) -> Result<Written, InferError> {
        self.write_sorted()?;
        self.chunks.finish_buffered_batch().map_err(|error| inconsistent(&error))?;
        self.write_chunks()?;
        self.file.finish()
    }

    fn write_chunks(&mut self) -> Result<(), InferError> {
        while let Some(chunk) = self.chunks.next_completed_batch() {
            self.file.write(&chunk)?;
        }
        Ok(())
    }

    /// Sorts the rows that were held back; `account_id` is the first column.
    fn write_sorted(&mut self) -> Result<(), InferError> {
        let held = std::mem::take(&mut self.held);
        let mut keys: Vec<(&str, usize, usize)> = Vec::new();
        for (index, batch) in held.iter().enumerate() {
            let ids = batch.column(0).as_string_opt::<i32>().ok_or_else(|| InferError::Internal {
                reason: format!("account_id is {}", batch.column(0).data_type()),
            })?;
            keys.extend((0..ids.len()).map(|row| (ids.value(row), index, row)));
        }
        keys.sort_unstable();
        let batches: Vec<&RecordBatch> = held.iter().collect();
        for chunk in keys.chunks(CHUNK_ROWS) {
            let rows: Vec<(usize, usize)> = chunk.iter().map(|(_, batch, row)| (*batch, *row)).collect();
            let sorted = interleave_record_batch(&batches, &rows).map_err(|error| inconsistent(&error))?;
            self.chunks.push_batch(sorted).map_err(|error| inconsistent(&error))?;
            self.write_chunks()?;
        }
        Ok(())
    }
}

fn inconsistent(error: &arrow_schema::ArrowError) -> InferError {
    InferError::Internal { reason: format!("rows cannot be put together: {error}") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, StringArray};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("account_id", DataType::Utf8, false),
            Field::new("probability", DataType::Float64, true),
        ]))
    }

    fn write(order: Order, rows: &[usize], batch_rows: usize) -> Written {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = ScoresWriter::create(folder.path(), &schema(), order).unwrap();
        for rows in rows.chunks(batch_rows) {
            let ids: Vec<String> = rows.iter().map(|row| format!("{row:06}")).collect();
            let values: Vec<f64> = rows.iter().map(|row| (*row as f64 * 0.37).sin()).collect();
            let batch = RecordBatch::try_new(
                schema(),
                vec![Arc::new(StringArray::from(ids)), Arc::new(Float64Array::from(values))],
            );
            writer.push(batch.unwrap()).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn size_of_batches_and_order_of_rows_change_no_byte() {
        let sorted: Vec<usize> = (0..20_000).collect();
        let expected = write(Order::Sorted, &sorted, 65_536);
        for batch_rows in [1, 7, 8_192] {
            assert_eq!(write(Order::Sorted, &sorted, batch_rows), expected, "{batch_rows}");
        }
        let reversed: Vec<usize> = sorted.iter().rev().copied().collect();
        assert_eq!(write(Order::Unsorted, &reversed, 7), expected);
    }
}
