//! The scores as a file.
//!
//! The same rows give the same bytes, whatever number of threads and size of batches made them: rows are cut into chunks
//! of one size before they are written, since a Parquet writer looks at page sizes once per write. Nothing about the run
//! or the clock is in the file. Rows of an unsorted input are sorted by `account_id`, on disk
//! where they are many.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::coalesce::BatchCoalescer;

use super::encode::Encoder;
use super::file::Written;
use super::sorted::{SortedRuns, inconsistent};
use crate::error::InferError;
use crate::input::Order;
use crate::score::ScoreFormat;

/// Rows that are written at a time.
const CHUNK_ROWS: usize = 8_192;

/// The one part of a partition while it is being written.
pub(crate) struct ScoresWriter {
    encoder: Encoder,
    chunks: BatchCoalescer,
    /// Where the rows come in no order.
    unsorted: Option<SortedRuns>,
}

impl ScoresWriter {
    /// Creates the part of a partition in a folder.
    pub(crate) fn create(
        folder: &Path,
        schema: &SchemaRef,
        order: Order,
        format: ScoreFormat,
    ) -> Result<Self, InferError> {
        let encoder = Encoder::create(&folder.join(format.part_name()), schema, format)?;
        let chunks = BatchCoalescer::new(schema.clone(), CHUNK_ROWS);
        let unsorted = (order == Order::Unsorted).then(|| SortedRuns::new(folder));
        Ok(Self { encoder, chunks, unsorted })
    }

    /// Takes the next rows.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<(), InferError> {
        match &mut self.unsorted {
            Some(runs) => runs.push(batch),
            None => self.push_sorted(batch),
        }
    }

    fn push_sorted(&mut self, batch: RecordBatch) -> Result<(), InferError> {
        self.chunks.push_batch(batch).map_err(|error| inconsistent(&error))?;
        self.write_chunks()
    }

    /// Writes what is left and waits until it is on disk.
    pub(crate) fn finish(mut self) -> Result<Written, InferError> {
        if let Some(runs) = self.unsorted.take() {
            runs.merge(CHUNK_ROWS, |rows| self.push_sorted(rows))?;
        }
        self.chunks.finish_buffered_batch().map_err(|error| inconsistent(&error))?;
        self.write_chunks()?;
        self.encoder.finish()
    }

    fn write_chunks(&mut self) -> Result<(), InferError> {
        while let Some(chunk) = self.chunks.next_completed_batch() {
            self.encoder.write(&chunk)?;
        }
        Ok(())
    }
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
        let mut writer = ScoresWriter::create(folder.path(), &schema(), order, ScoreFormat::Parquet).unwrap();
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
