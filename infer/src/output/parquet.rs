//! Parquet files of ours: the scores, and the rows that were set aside.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::schema::types::ColumnPath;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::file::{OutputFile, Written};
use crate::error::InferError;
use crate::input::ACCOUNT_ID;

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 131_072;
/// Zstandard level: what is written hardly shrinks at a higher one.
const ZSTD_LEVEL: i32 = 1;

/// A Parquet file that is being written.
pub(super) struct ParquetFile {
    path: PathBuf,
    writer: ArrowWriter<OutputFile>,
    failure: Arc<OnceLock<i32>>,
}

impl ParquetFile {
    /// Creates a file that is not there yet, with these permissions.
    pub(super) fn create(path: &Path, schema: &SchemaRef, mode: u32) -> Result<Self, InferError> {
        let fail = |error| InferError::writing(path, error);
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(fail)?))
            .set_created_by("bellwether-infer".to_owned())
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
        // Ids and floats hardly repeat: a dictionary would look each of them up and be given up in the end.
        for field in schema.fields().iter().filter(|one| one.name() == ACCOUNT_ID || one.data_type().is_floating()) {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false);
        }
        let file = OutputFile::create(path, mode)?;
        let failure = file.failure();
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build())).map_err(fail)?;
        Ok(Self { path: path.to_path_buf(), writer, failure })
    }

    /// Encodes rows.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), InferError> {
        self.writer.write(rows).map_err(|error| failed(&self.path, &self.failure, error))
    }

    /// Writes what is left and waits until it is on disk.
    pub(super) fn finish(self) -> Result<Written, InferError> {
        let Self { path, writer, failure } = self;
        let file = writer.into_inner().map_err(|error| failed(&path, &failure, error))?;
        file.finish().map_err(|error| InferError::io(&path, "write", error))
    }
}

/// The error of the file where there is one: the encoder may have kept no more than its text.
fn failed(path: &Path, failure: &OnceLock<i32>, error: ParquetError) -> InferError {
    match failure.get() {
        Some(code) => InferError::io(path, "write", std::io::Error::from_raw_os_error(*code)),
        None => InferError::writing(path, error),
    }
}
