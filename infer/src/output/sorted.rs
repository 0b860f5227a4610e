//! Rows that come in no order: sorted runs on disk, merged by `account_id`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_select::interleave::interleave_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::InferError;
use crate::spill;

/// Rows that are held before they are sorted and spilled.
const RUN_ROWS: usize = 131_072;
/// Rows of a page and of what is read of a run at a time, so that many runs can be open.
const READ_ROWS: usize = 1_024;

/// Sorts rows by `account_id`, which is the first column.
pub(super) struct SortedRuns {
    folder: PathBuf,
    held: Vec<RecordBatch>,
    held_rows: usize,
    most_rows: usize,
    runs: Vec<File>,
}

impl SortedRuns {
    /// Spills to this folder.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), held: Vec::new(), held_rows: 0, most_rows: RUN_ROWS, runs: Vec::new() }
    }

    /// Takes rows.
    pub(super) fn push(&mut self, rows: RecordBatch) -> Result<(), InferError> {
        self.held_rows += rows.num_rows();
        self.held.push(rows);
        if self.held_rows >= self.most_rows { self.spill() } else { Ok(()) }
    }

    /// Gives all rows in order, at most `rows` of them at a time.
    pub(super) fn merge(
        mut self,
        rows: usize,
        mut take: impl FnMut(RecordBatch) -> Result<(), InferError>,
    ) -> Result<(), InferError> {
        if self.runs.is_empty() {
            return sorted(&std::mem::take(&mut self.held), rows, take);
        }
        if !self.held.is_empty() {
            self.spill()?;
        }
        let mut merge = Merge::open(&self.folder, self.runs)?;
        while let Some(batch) = merge.next(rows)? {
            take(batch)?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), InferError> {
        let fail = |error| InferError::writing(&self.folder, error);
        let held = std::mem::take(&mut self.held);
        self.held_rows = 0;
        let Some(schema) = held.first().map(RecordBatch::schema) else { return Ok(()) };
        let properties = WriterProperties::builder()
            // A zstd decoder of each column would be open for as long as its run lasts.
            .set_compression(Compression::SNAPPY)
            // A reader holds the dictionaries of all columns for as long as its run lasts.
            .set_dictionary_enabled(false)
            .set_data_page_row_count_limit(READ_ROWS)
            .set_write_batch_size(READ_ROWS)
            .set_statistics_enabled(EnabledStatistics::None);
        let file = spill::file(&self.folder)?;
        let clone = file.try_clone().map_err(|error| InferError::io(&self.folder, "sort on disk in", error))?;
        let mut writer = ArrowWriter::try_new(clone, schema, Some(properties.build())).map_err(fail)?;
        sorted(&held, READ_ROWS, |rows| writer.write(&rows).map_err(fail))?;
        writer.close().map_err(fail)?;
        self.runs.push(file);
        Ok(())
    }
}

/// Rows that are in memory, in order.
fn sorted(
    held: &[RecordBatch],
    rows: usize,
    mut take: impl FnMut(RecordBatch) -> Result<(), InferError>,
) -> Result<(), InferError> {
    let mut keys: Vec<(&str, usize, usize)> = Vec::new();
    for (index, batch) in held.iter().enumerate() {
        let ids = ids(batch)?;
        keys.extend((0..ids.len()).map(|row| (ids.value(row), index, row)));
    }
    keys.sort_unstable();
    let batches: Vec<&RecordBatch> = held.iter().collect();
    for chunk in keys.chunks(rows) {
        let places: Vec<(usize, usize)> = chunk.iter().map(|(_, batch, row)| (*batch, *row)).collect();
        take(interleave_record_batch(&batches, &places).map_err(|error| inconsistent(&error))?)?;
    }
    Ok(())
}

/// Runs that are read side by side.
struct Merge {
    folder: PathBuf,
    runs: Vec<Run>,
    /// The next id of each run that has one.
    heap: BinaryHeap<Reverse<(String, usize)>>,
}

struct Run {
    reader: ParquetRecordBatchReader,
    rows: RecordBatch,
    next: usize,
}

impl Merge {
    fn open(folder: &Path, files: Vec<File>) -> Result<Self, InferError> {
        let mut merge = Self { folder: folder.to_path_buf(), runs: Vec::new(), heap: BinaryHeap::new() };
        for file in files {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| merge.unreadable(error))?;
            let rows = RecordBatch::new_empty(builder.schema().clone());
            let reader = builder.with_batch_size(READ_ROWS).build().map_err(|error| merge.unreadable(error))?;
            merge.runs.push(Run { reader, rows, next: 0 });
            merge.advance(merge.runs.len() - 1)?;
        }
        Ok(merge)
    }

    fn unreadable(&self, error: ParquetError) -> InferError {
        InferError::Internal { reason: format!("what was sorted in {} cannot be read: {error}", self.folder.display()) }
    }

    /// Puts the next id of a run on the heap; where its rows are used up, `None` until the next ones are read.
    fn advance(&mut self, index: usize) -> Result<(), InferError> {
        let run = &mut self.runs[index];
        if run.next >= run.rows.num_rows() {
            let Some(rows) = run.reader.next() else { return Ok(()) };
            run.rows = rows.map_err(|error| inconsistent(&error))?;
            run.next = 0;
        }
        let ids = ids(&run.rows)?;
        if run.next < ids.len() {
            self.heap.push(Reverse((ids.value(run.next).to_owned(), index)));
        }
        Ok(())
    }

    /// The next rows; `None` at the end.
    fn next(&mut self, most: usize) -> Result<Option<RecordBatch>, InferError> {
        let mut pool: Vec<RecordBatch> = self.runs.iter().map(|run| run.rows.clone()).collect();
        let mut of_run: Vec<usize> = (0..pool.len()).collect();
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(most);
        while places.len() < most
            && let Some(Reverse((_, index))) = self.heap.pop()
        {
            places.push((of_run[index], self.runs[index].next));
            self.runs[index].next += 1;
            let used_up = self.runs[index].next >= self.runs[index].rows.num_rows();
            self.advance(index)?;
            if used_up {
                of_run[index] = pool.len();
                pool.push(self.runs[index].rows.clone());
            }
        }
        if places.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&RecordBatch> = pool.iter().collect();
        interleave_record_batch(&batches, &places).map(Some).map_err(|error| inconsistent(&error))
    }
}

fn ids(batch: &RecordBatch) -> Result<&StringArray, InferError> {
    let ids = batch.column(0).as_string_opt::<i32>();
    ids.ok_or_else(|| InferError::Internal { reason: format!("account_id is {}", batch.column(0).data_type()) })
}

pub(super) fn inconsistent(error: &arrow_schema::ArrowError) -> InferError {
    InferError::Internal { reason: format!("rows cannot be put together: {error}") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Float64Array;
    use arrow_select::concat::concat_batches;

    use super::*;

    #[test]
    fn runs_on_disk_give_the_rows_that_memory_gives() {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<usize> = (0..20_000).map(|row| row * 7_919 % 20_000).collect();
        let in_order = |most_rows: usize| {
            let mut runs = SortedRuns { most_rows, ..SortedRuns::new(folder.path()) };
            for rows in rows.chunks(333) {
                let ids: StringArray = rows.iter().map(|row| Some(format!("{row:06}"))).collect();
                let values: Float64Array = rows.iter().map(|row| (row % 3 > 0).then_some(*row as f64)).collect();
                let columns: [(&str, Arc<dyn Array>); 2] = [("account_id", Arc::new(ids)), ("value", Arc::new(values))];
                runs.push(
                    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, one)| (name, one, true))).unwrap(),
                )
                .unwrap();
            }
            let mut batches = Vec::new();
            let merged = runs.merge(1_000, |rows| {
                assert!(rows.num_rows() <= 1_000);
                batches.push(rows);
                Ok(())
            });
            merged.unwrap();
            concat_batches(&batches[0].schema(), &batches).unwrap()
        };
        let expected = in_order(usize::MAX);
        assert_eq!(expected.num_rows(), 20_000);
        assert!(ids(&expected).unwrap().iter().is_sorted());
        for most_rows in [100, 2_000, 19_999] {
            let found = in_order(most_rows);
            assert_eq!(found.columns(), expected.columns(), "{most_rows} rows a run");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
