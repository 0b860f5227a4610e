//! The feature file: opened once, verified, matched with the bundle's signature, then streamed.
//!
//! The file is opened one time and read through that handle, so that a file replaced in mid-run cannot mix two versions.
//! In order: it is a regular file; its footer is sound; it is not larger than the limits; its columns are those that the
//! bundle asks for. Only then is a row decoded. Its bytes are digested meanwhile, and have the digest that stands beside
//! them before anything is published or any other error is believed.
//!
//! Types are taken from the Parquet schema alone and never from the Arrow schema that a writer may have embedded, so a
//! dictionary column reads as the strings that it holds. Strings are read as views: a value that is repeated in every row
//! is in memory once.

mod columns;
mod convert;
mod digest;
mod guard;
mod keys;
mod metadata;
mod positioned;
mod repeated;

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use columns::as_views;
pub(crate) use columns::{ACCOUNT_ID, AS_OF, Columns, is_number, is_text};
pub(crate) use convert::{Converted, Converter};
pub(crate) use digest::PendingDigest;
pub use digest::sha256_of_file;
pub use guard::decoding;
use guard::guarded;
pub(crate) use guard::loading;
pub(crate) use keys::{KeyPlan, Order, Rule, batch_dates};
pub use metadata::FileFacts;
use positioned::PositionedFile;

use crate::error::InferError;
use crate::limits::Limits;
use crate::observe::Observer;

/// A feature file that is open, whole and not too large.
#[derive(Debug)]
pub(crate) struct FeatureFile {
    /// Where it was found.
    pub(crate) path: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// Digest of its bytes.
    pub(crate) digest: PendingDigest,
    /// Rows that its footer declares.
    pub(crate) rows: u64,
    /// What its writer says about it.
    pub(crate) facts: Option<FileFacts>,
    file: PositionedFile,
    reader: ArrowReaderMetadata,
}

impl FeatureFile {
    /// Opens a file that is there and holds something, without reading it.
    ///
    /// # Errors
    /// [`InferError::NoInput`].
    pub(crate) fn look(path: &Path) -> Result<File, InferError> {
        let no_input = |found: String| InferError::NoInput { path: path.to_path_buf(), found };
        // Before it is opened: opening a pipe waits for a writer.
        let status = std::fs::metadata(path).map_err(|error| no_input(error.to_string()))?;
        if !status.is_file() {
            return Err(no_input(if status.is_dir() { "a folder" } else { "something that is no file" }.to_owned()));
        }
        if status.len() == 0 {
            return Err(no_input("an empty file".to_owned()));
        }
        File::open(path).map_err(|error| no_input(error.to_string()))
    }

    /// Opens a feature file, looks at its footer and begins to digest it.
    ///
    /// # Errors
    /// [`InferError::NoInput`], [`InferError::InputDigest`], [`InferError::DigestFile`], [`InferError::Damaged`],
    /// [`InferError::Metadata`], [`InferError::Empty`] or [`InferError::TooLarge`].
    pub(crate) fn open(path: &Path, limits: &Limits, observer: &dyn Observer) -> Result<Self, InferError> {
        let file = Self::look(path)?;
        let status = file.metadata().map_err(|error| InferError::io(path, "look at it", error))?;
        let file = PositionedFile::new(file, status.len());
        let digest = PendingDigest::start(path, file.from(0), status.len(), observer)?;
        let footer = || {
            let reader = guarded(path, || footer(&file).map_err(|error| InferError::reading(path, error)))?;
            let rows = limits.check_rows(path, reader.metadata().file_metadata().num_rows())?;
            let facts = FileFacts::of(path, reader.metadata().file_metadata().key_value_metadata())?;
            Ok((reader, rows, facts))
        };
        match footer() {
            Ok((reader, rows, facts)) => {
                Ok(Self { path: path.to_path_buf(), bytes: status.len(), digest, rows, facts, file, reader })
            }
            Err(error) => Err(digest.cause_of(error, observer)),
        }
    }

    /// The columns of the file, by root.
    pub(crate) fn schema(&self) -> &arrow_schema::SchemaRef {
        self.reader.schema()
    }

    /// Streams some root columns in batches of at most `batch_rows` rows, in the order of the file.
    ///
    /// # Errors
    /// [`InferError::Damaged`], [`InferError::Io`].
    pub(crate) fn batches(
        &self,
        roots: impl IntoIterator<Item = usize>,
        batch_rows: usize,
    ) -> Result<Batches<'_>, InferError> {
        let file = self.file.clone();
        let reader = guarded(&self.path, || {
            let mask = ProjectionMask::roots(self.reader.parquet_schema(), roots);
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.reader.clone())
                .with_projection(mask)
                .with_batch_size(batch_rows)
                .build()
                .map_err(|error| InferError::reading(&self.path, error))
        })?;
        Ok(Batches { file: self, reader, rows: 0 })
    }

    /// An error of the decoder while it streams.
    fn broken(&self, error: arrow_schema::ArrowError) -> InferError {
        match error {
            arrow_schema::ArrowError::ExternalError(inner) => match inner.downcast::<ParquetError>() {
                Ok(error) => InferError::reading(&self.path, *error),
                Err(inner) => InferError::reading(&self.path, ParquetError::External(inner)),
            },
            arrow_schema::ArrowError::IoError(_, source) => {
                InferError::reading(&self.path, ParquetError::External(Box::new(source)))
            }
            other => InferError::reading(&self.path, ParquetError::ArrowError(other.to_string())),
        }
    }
}

/// Footer and schema of a file, every text to be read as a view.
fn footer(file: &PositionedFile) -> Result<ArrowReaderMetadata, ParquetError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = ArrowReaderMetadata::load(file, options)?;
    let views = ArrowReaderOptions::new().with_schema(as_views(plain.schema()));
    ArrowReaderMetadata::try_new(plain.metadata().clone(), views)
}

/// Batch after batch of a feature file; ends after its first error.
pub(crate) struct Batches<'a> {
    file: &'a FeatureFile,
    reader: ParquetRecordBatchReader,
    rows: u64,
}

impl Batches<'_> {
    /// The next rows; `None` at the end, where all rows that the footer declares have been read.
    ///
    /// # Errors
    /// [`InferError::Damaged`], [`InferError::Io`].
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, InferError> {
        let (file, reader) = (self.file, &mut self.reader);
        let next = guarded(&file.path, || reader.next().transpose().map_err(|error| file.broken(error)))?;
        self.rows += next.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        if next.is_none() && self.rows != file.rows {
            let found = format!("expected {} rows, found {}", file.rows, self.rows);
            return Err(InferError::reading(&file.path, ParquetError::General(found)));
        }
        Ok(next)
    }
}
