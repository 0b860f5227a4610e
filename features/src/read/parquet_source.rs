//! Parquet through polars, a slice of row groups at a time. Footers are read first, so that a file that declares more
//! rows than the contract allows is refused before anything is decoded.
//!
//! The types are those of Parquet itself. What a writer adds in its own metadata (that a text was a dictionary, that an
//! instant was in Berlin) is set aside: the values are the same, and a column of categories is read as text.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use std::sync::Arc;

use polars::io::parquet::metadata::FileMetadataRef;
use polars::prelude::*;

use super::error::ReadError;
use super::source::{BATCH_ROWS, ROW, RawBatch};

/// An open Parquet file.
pub(crate) struct ParquetSource {
    file: PathBuf,
    schema: Arc<ArrowSchema>,
    metadata: FileMetadataRef,
    /// Rows of each row group.
    groups: Vec<usize>,
    /// Next row.
    at: usize,
}

impl ParquetSource {
    pub(crate) fn open(file: &Path) -> Result<Self, ReadError> {
        let opened = File::open(file).map_err(|cause| ReadError::io(file, &cause))?;
        guarded(file, || {
            let mut reader = ParquetReader::new(opened);
            let mut metadata = reader.get_metadata()?.clone();
            Arc::make_mut(&mut metadata).key_value_metadata = None;
            reader.set_metadata(metadata.clone());
            let mut groups = Vec::with_capacity(metadata.row_groups.len());
            for group in &metadata.row_groups {
                groups.push(group.num_rows());
            }
            Ok(Self { file: file.to_path_buf(), schema: reader.schema()?, metadata, groups, at: 0 })
        })
    }

    pub(crate) fn rows(&self) -> u64 {
        self.groups.iter().map(|rows| *rows as u64).sum()
    }

    pub(crate) fn columns(&self) -> Vec<(String, Option<DataType>)> {
        self.schema.iter().map(|(name, field)| (name.to_string(), readable_type(field))).collect()
    }

    /// Rows of the next slice: whole row groups up to a batch, or a part of a group that is larger than that.
    fn next_length(&self) -> usize {
        let mut end = 0;
        for rows in &self.groups {
            end += rows;
            if end >= self.at + BATCH_ROWS {
                break;
            }
        }
        end.saturating_sub(self.at).min(2 * BATCH_ROWS)
    }

    pub(crate) fn next_batch(&mut self, projection: &[String]) -> Result<Option<RawBatch>, ReadError> {
        let length = self.next_length();
        if length == 0 {
            return Ok(None);
        }
        let opened = File::open(&self.file).map_err(|cause| ReadError::io(&self.file, &cause))?;
        let (start, columns, metadata) = (self.at, projection.to_vec(), self.metadata.clone());
        let last = start + length;
        let numbers: Vec<u32> = match (u32::try_from(start + 1), u32::try_from(last)) {
            (Ok(first), Ok(last)) => (first..=last).collect(),
            _ => return Err(ReadError::undecodable(&self.file, "more than four thousand million rows: split it")),
        };
        let frame = guarded(&self.file, || {
            let numbers = Column::new(ROW.into(), numbers);
            if columns.is_empty() {
                return DataFrame::new(length, vec![numbers]);
            }
            let mut reader = ParquetReader::new(opened);
            reader.set_metadata(metadata);
            let mut frame = reader.with_slice(Some((start, length))).with_columns(Some(columns)).finish()?;
            frame.with_column(numbers)?;
            Ok(frame)
        })?;
        self.at = last;
        Ok(Some(RawBatch { frame, bad_rows: Vec::new() }))
    }
}

/// polars panics on some damaged files and on types it was not built for; here that is an error like any other.
fn guarded<T>(file: &Path, work: impl FnOnce() -> PolarsResult<T>) -> Result<T, ReadError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(cause)) => Err(ReadError::undecodable(file, cause)),
        Err(_) => Err(ReadError::undecodable(file, "its content contradicts its own description")),
    }
}

/// The type of a column, where it is one that a table can have.
fn readable_type(field: &ArrowField) -> Option<DataType> {
    use ArrowDataType as Arrow;
    match field.dtype() {
        Arrow::Boolean
        | Arrow::Int32
        | Arrow::Int64
        | Arrow::UInt32
        | Arrow::UInt64
        | Arrow::Float32
        | Arrow::Float64
        | Arrow::Date32
        | Arrow::Timestamp(..)
        | Arrow::Null
        | Arrow::Binary
        | Arrow::LargeBinary
        | Arrow::BinaryView
        | Arrow::Utf8
        | Arrow::LargeUtf8
        | Arrow::Utf8View => Some(DataType::from_arrow_field(field)),
        _ => None,
    }
}
