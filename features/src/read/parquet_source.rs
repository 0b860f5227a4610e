//! Parquet, a slice of a row group at a time, each decoded in the thread that wants it. Footers are read first, so that
//! a file that declares more rows than the contract allows is refused before anything is decoded. Page checksums are
//! verified where the file has them.
//!
//! The types are those of Parquet itself. What a writer adds in its own metadata (that a text was a dictionary, that an
//! instant was in Berlin) is set aside: the values are the same, and a column of categories is read as text. Whether a
//! timestamp is adjusted to UTC is part of Parquet's own type; one that is not is in the zone that the contract declares.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use chrono_tz::Tz;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use rayon::prelude::*;

use super::cells::{Kind, Typed};
use super::error::ReadError;
use super::source::{BATCH_ROWS, RawBatch, RowNumbers};

/// An open Parquet file.
pub(crate) struct ParquetSource {
    file: PathBuf,
    schema: SchemaRef,
    metadata: Arc<ParquetMetaData>,
    zone: Option<Tz>,
    /// Next row group, and the next row in it.
    at: (usize, usize),
    /// Rows of the groups before `at.0`.
    before: usize,
}

/// Consecutive rows of one row group, not decoded yet.
pub(crate) struct ParquetSlice {
    file: PathBuf,
    schema: SchemaRef,
    metadata: Arc<ParquetMetaData>,
    zone: Option<Tz>,
    group: usize,
    offset: usize,
    length: usize,
    first_row: u32,
}

impl ParquetSource {
    /// Opens a file whose local times are in `zone`.
    pub(crate) fn open(file: &Path, zone: Option<Tz>) -> Result<Self, ReadError> {
        let opened = File::open(file).map_err(|cause| ReadError::io(file, &cause))?;
        guarded(file, || {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let loaded = ArrowReaderMetadata::load(&opened, options)?;
            let (schema, metadata) = (Arc::clone(loaded.schema()), Arc::clone(loaded.metadata()));
            Ok(Self { file: file.to_path_buf(), schema, metadata, zone, at: (0, 0), before: 0 })
        })
    }

    pub(crate) fn rows(&self) -> u64 {
        (0..self.metadata.num_row_groups()).map(|group| self.group_rows(group) as u64).sum()
    }

    fn group_rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.row_group(group).num_rows()).unwrap_or(0)
    }

    /// Names and kinds of the columns; `None` for types that no table has.
    pub(crate) fn columns(&self) -> Vec<(String, Option<Kind>)> {
        self.schema.fields().iter().map(|field| (field.name().clone(), Kind::of(field.data_type()))).collect()
    }

    /// The next slice; `None` at the end.
    pub(crate) fn next_slice(&mut self) -> Result<Option<ParquetSlice>, ReadError> {
        while self.at.0 < self.metadata.num_row_groups() {
            let ((group, offset), rows) = (self.at, self.group_rows(self.at.0));
            if offset >= rows {
                self.before += rows;
                self.at = (group + 1, 0);
                continue;
            }
            // A rest that is hardly larger than a batch is one.
            let length = if rows - offset <= 2 * BATCH_ROWS { rows - offset } else { BATCH_ROWS };
            self.at.1 += length;
            let too_many = || ReadError::undecodable(&self.file, "more than four thousand million rows: split it");
            let first_row = u32::try_from(self.before + offset + 1).map_err(|_| too_many())?;
            u32::try_from(self.before + offset + length).map_err(|_| too_many())?;
            let (file, schema, metadata) = (self.file.clone(), Arc::clone(&self.schema), Arc::clone(&self.metadata));
            return Ok(Some(ParquetSlice {
                file,
                schema,
                metadata,
                zone: self.zone,
                group,
                offset,
                length,
                first_row,
            }));
        }
        Ok(None)
    }
}

impl ParquetSlice {
    pub(crate) fn rows(&self) -> u64 {
        self.length as u64
    }

    /// Decodes the columns of `projection`.
    pub(crate) fn decode(self, projection: &[String]) -> Result<RawBatch, ReadError> {
        let numbers = RowNumbers::From(self.first_row);
        if projection.is_empty() {
            return Ok(RawBatch { columns: Vec::new(), numbers, rows: self.length, bad_rows: Vec::new() });
        }
        // Column by column, so that a file of one row group keeps more than one thread busy.
        let columns = projection.par_iter().map(|name| self.column(name)).collect::<Result<_, _>>()?;
        Ok(RawBatch { columns, numbers, rows: self.length, bad_rows: Vec::new() })
    }

    fn column(&self, name: &str) -> Result<Typed, ReadError> {
        let opened = File::open(&self.file).map_err(|cause| ReadError::io(&self.file, &cause))?;
        guarded(&self.file, || {
            let root = self.schema.index_of(name)?;
            let options = ArrowReaderOptions::new().with_schema(self.text_type(root));
            let metadata = ArrowReaderMetadata::try_new(Arc::clone(&self.metadata), options)?;
            let mask = ProjectionMask::roots(metadata.parquet_schema(), [root]);
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(opened, metadata)
                .with_projection(mask)
                .with_row_groups(vec![self.group])
                .with_offset(self.offset)
                .with_limit(self.length)
                .with_batch_size(self.length)
                .build()?;
            let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>()?;
            match batches.as_slice() {
                [batch] if batch.num_rows() == self.length => Typed::of(batch.column(0), self.zone),
                _ => Err(ParquetError::General("it holds fewer rows than it declares".to_owned())),
            }
        })
    }

    /// The file's schema; a text column as it is cheapest to read: by dictionary where all pages of the row group have
    /// one, else as views.
    fn text_type(&self, root: usize) -> SchemaRef {
        if *self.schema.field(root).data_type() != DataType::Utf8 {
            return Arc::clone(&self.schema);
        }
        let group = self.metadata.row_group(self.group);
        let types = group.schema_descr();
        let leaf = (0..types.num_columns()).find(|leaf| types.get_column_root_idx(*leaf) == root);
        let by_dictionary = leaf.is_some_and(|leaf| is_all_dictionary(group.column(leaf)));
        let kind = if by_dictionary {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        } else {
            DataType::Utf8View
        };
        let mut fields: Vec<_> = self.schema.fields().iter().cloned().collect();
        fields[root] = Arc::new(fields[root].as_ref().clone().with_data_type(kind));
        Arc::new(Schema::new(fields))
    }
}

/// Whether every data page of a column refers to its dictionary; not known is no.
fn is_all_dictionary(column: &ColumnChunkMetaData) -> bool {
    column.dictionary_page_offset().is_some()
        && column
            .page_encoding_stats_mask()
            .is_some_and(|pages| pages.is_only(Encoding::RLE_DICTIONARY) || pages.is_only(Encoding::PLAIN_DICTIONARY))
}

/// The decoder may panic on damaged files; here that is an error like any other.
fn guarded<T>(file: &Path, work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ReadError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ParquetError::External(cause))) => Err(match cause.downcast::<std::io::Error>() {
            Ok(cause) => ReadError::io(file, &cause),
            Err(cause) => ReadError::undecodable(file, cause.to_string()),
        }),
        Ok(Err(cause)) => Err(ReadError::undecodable(file, cause.to_string())),
        Err(_) => Err(ReadError::undecodable(file, "its content contradicts its own description")),
    }
}
