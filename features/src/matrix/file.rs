//! The feature file: Parquet, written whole or not at all.
//!
//! The file is written to a temporary name in the same folder, flushed to disk and renamed; then its SHA-256 is published
//! beside it in the same way. A crash in between leaves a file whose digest does not match, which the scorer refuses:
//! never a half file that looks whole. The same matrix gives the same bytes.

use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Float32Array, StringArray};
use arrow_schema::{DataType, Field, Schema};
use bellwether_staging::{Staging, digest};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::metadata::{FeatureMetadata, METADATA_KEY};
use super::{Column, FeatureMatrix};
use crate::signal::{SignalDefinition, Unit};
use crate::time::days_from_epoch;

/// Key of the full definitions, so that a file can be read back without the project that made it.
pub(super) const DEFINITIONS_KEY: &str = "bellwether.signals";

/// Rows of a row group: what a reader holds at once.
pub(super) const ROW_GROUP_ROWS: usize = 65_536;

/// Why a feature file cannot be written or read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MatrixError {
    /// The file system refused.
    #[error("{}: cannot {action}", path.display())]
    #[diagnostic(
        code(bellwether::features::io),
        help("{}", bellwether_staging::advice(source, "check that the folder exists, is writable and has space"))
    )]
    Io {
        /// File.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Cause.
        source: io::Error,
    },
    /// Parquet refused.
    #[error("{}: {source}", path.display())]
    #[diagnostic(code(bellwether::features::parquet), help("write the file anew with `bellwether features`"))]
    Parquet {
        /// File.
        path: PathBuf,
        /// Cause.
        source: ParquetError,
    },
    /// The file is not a feature file, or not one of this version.
    #[error("{}: expected {expected}, found {found}", path.display())]
    #[diagnostic(code(bellwether::features::format), help("write the file anew with `bellwether features`"))]
    Format {
        /// File.
        path: PathBuf,
        /// What a feature file has.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureFile {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: usize,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

/// Whether the file at `path` says of itself that it is a feature file, of whatever version: Parquet with
/// [`METADATA_KEY`]. A file that cannot be read as Parquet is none.
///
/// # Errors
/// Those of opening it.
pub fn is_feature_file(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    // The reader may panic on a file that is something else; that is an answer too.
    let read = catch_unwind(AssertUnwindSafe(|| ParquetMetaDataReader::new().parse_and_finish(&file)));
    let Ok(Ok(metadata)) = read else { return Ok(false) };
    let pairs = metadata.file_metadata().key_value_metadata();
    Ok(pairs.is_some_and(|pairs| pairs.iter().any(|pair| pair.key == METADATA_KEY)))
}

impl FeatureMatrix {
    /// Writes the matrix as Parquet, and its digest beside it (`<hex>  <file name>`, as `sha256sum` does).
    ///
    /// Columns: `account_id` string, `as_of` date32, then the signals, float32 or string, null where null.
    ///
    /// # Errors
    /// [`MatrixError::Io`] and [`MatrixError::Parquet`]; a file that was there before is then still whole.
    pub fn write(&self, path: &Path, metadata: &FeatureMetadata) -> Result<FeatureFile, MatrixError> {
        write_rows(path, metadata, &self.signals, self.len(), &mut |start, end| {
            Ok(Box::new(move || self.arrays(start, end)))
        })
    }

    fn arrays(&self, start: usize, end: usize) -> Vec<ArrayRef> {
        let ids = StringArray::from_iter_values(&self.account_ids[start..end]);
        let dates = Date32Array::from_iter_values(self.as_of[start..end].iter().map(|date| days_from_epoch(*date)));
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(ids), Arc::new(dates)];
        arrays.extend(self.columns.iter().map(|column| array(column, start, end)));
        arrays
    }
}

/// The columns of some rows, made by whoever encodes them.
pub(super) type Rows<'r> = Box<dyn FnOnce() -> Vec<ArrayRef> + Send + 'r>;

/// Gives the rows from one place to another; asked for them from first to last.
pub(super) type NextRows<'n, 'r> = dyn FnMut(usize, usize) -> Result<Rows<'r>, MatrixError> + 'n;

/// Writes a feature file of `rows` rows, and its digest beside it.
pub(super) fn write_rows(
    path: &Path,
    metadata: &FeatureMetadata,
    signals: &[SignalDefinition],
    rows: usize,
    next: &mut NextRows<'_, '_>,
) -> Result<FeatureFile, MatrixError> {
    let (bytes, sha256) = publish(path, |file| encode(path, metadata, signals, rows, next, file))?;
    let line = digest::line(&sha256, path);
    let failed = |source| MatrixError::Io { path: digest::beside(path), action: "write it", source };
    publish(&digest::beside(path), |file| file.write_all(line.as_bytes()).map_err(failed))?;
    Ok(FeatureFile { path: path.to_owned(), bytes, rows, sha256 })
}

/// Writes row group by row group; the bytes do not depend on the number of threads.
fn encode(
    path: &Path,
    metadata: &FeatureMetadata,
    signals: &[SignalDefinition],
    rows: usize,
    next: &mut NextRows<'_, '_>,
    file: &mut Hashed,
) -> Result<(), MatrixError> {
    let failed = |source| encoding_failed(path, source);
    let schema = Arc::new(schema(signals));
    let properties = properties(metadata, signals).map_err(failed)?;
    let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(failed)?;
    let (mut writer, encoders) = writer.into_serialized_writer().map_err(failed)?;
    let starts: Vec<(usize, usize)> = (0..rows).step_by(ROW_GROUP_ROWS).enumerate().collect();
    // Row groups are encoded side by side and appended in order; a few at a time, so that memory stays small.
    for some in starts.chunks(2 * rayon::current_num_threads()) {
        let mut waiting = Vec::with_capacity(some.len());
        for (group, start) in some {
            let rows = next(*start, (*start + ROW_GROUP_ROWS).min(rows))?;
            waiting.push((encoders.create_column_writers(*group).map_err(failed)?, rows));
        }
        let encode = |(encoders, rows): (_, Rows<'_>)| row_group(&schema, encoders, rows());
        let encoded: Vec<_> = waiting.into_par_iter().map(encode).collect::<Result<_, _>>().map_err(failed)?;
        for chunks in encoded {
            let mut group = writer.next_row_group().map_err(failed)?;
            chunks.into_iter().try_for_each(|chunk| chunk.append_to_row_group(&mut group)).map_err(failed)?;
            group.close().map_err(failed)?;
        }
    }
    writer.close().map(drop).map_err(failed)
}

fn row_group(
    schema: &Schema,
    encoders: Vec<ArrowColumnWriter>,
    arrays: Vec<ArrayRef>,
) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
    let columns = encoders.into_iter().zip(schema.fields()).zip(arrays);
    let encode = |((mut encoder, field), array): ((ArrowColumnWriter, &Arc<Field>), ArrayRef)| {
        for leaf in compute_leaves(field, &array)? {
            encoder.write(&leaf)?;
        }
        encoder.close()
    };
    columns.map(encode).collect()
}

fn properties(metadata: &FeatureMetadata, signals: &[SignalDefinition]) -> Result<WriterProperties, ParquetError> {
    let external = |error: serde_json::Error| ParquetError::External(Box::new(error));
    let described = serde_json::to_string(metadata).map_err(external)?;
    let definitions = serde_json::to_string(signals).map_err(external)?;
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("bellwether ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        // The ids of a row group are nearly all different, and in order: compression alone makes them small.
        .set_column_dictionary_enabled(ColumnPath::from("account_id"), false);
    // Bytes of one significance side by side: small numbers are mostly zeros then. A dictionary would look each value up.
    for signal in signals.iter().filter(|signal| signal.unit != Unit::Category) {
        let column = ColumnPath::from(signal.name.as_str());
        builder = builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::BYTE_STREAM_SPLIT);
    }
    let pairs =
        vec![KeyValue::new(METADATA_KEY.to_owned(), described), KeyValue::new(DEFINITIONS_KEY.to_owned(), definitions)];
    Ok(builder.set_key_value_metadata(Some(pairs)).build())
}

fn schema(signals: &[SignalDefinition]) -> Schema {
    let kind = |signal: &SignalDefinition| match signal.unit {
        Unit::Category => DataType::Utf8,
        _ => DataType::Float32,
    };
    let mut fields =
        vec![Field::new("account_id", DataType::Utf8, false), Field::new("as_of", DataType::Date32, false)];
    fields.extend(signals.iter().map(|signal| Field::new(&signal.name, kind(signal), true)));
    Schema::new(fields)
}

/// One column as an array; NaN and `None` become null.
fn array(column: &Column, start: usize, end: usize) -> ArrayRef {
    match column {
        Column::Numeric(values) => {
            let values = &values[start..end];
            let nulls = values.iter().any(|value| value.is_nan());
            let nulls = nulls.then(|| values.iter().map(|value| !value.is_nan()).collect());
            Arc::new(Float32Array::new(values.to_vec().into(), nulls))
        }
        Column::Category { levels, codes } => {
            let text = |code: &Option<u32>| code.and_then(|code| levels.get(code as usize));
            Arc::new(codes[start..end].iter().map(text).collect::<StringArray>())
        }
    }
}

/// A file that knows its digest and its size.
struct Hashed {
    file: File,
    digest: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What the encoder says: a refusal of the file system, or of Parquet.
fn encoding_failed(path: &Path, source: ParquetError) -> MatrixError {
    let path = path.to_owned();
    match source {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(source) => MatrixError::Io { path, action: "write it", source: *source },
            Err(cause) => MatrixError::Parquet { path, source: ParquetError::External(cause) },
        },
        source => MatrixError::Parquet { path, source },
    }
}

/// Writes to a hidden file beside `path`, flushes it, renames it, flushes the folder. Size and SHA-256 (hex) come back.
fn publish(
    path: &Path,
    write: impl FnOnce(&mut Hashed) -> Result<(), MatrixError>,
) -> Result<(u64, String), MatrixError> {
    let failed = |action: &'static str| move |source| MatrixError::Io { path: path.to_owned(), action, source };
    let staging = Staging::file(path).map_err(failed("create a temporary file beside it"))?;
    let file = staging.handle().try_clone().map_err(failed("write it"))?;
    let mut hashed = Hashed { file, digest: Sha256::new(), bytes: 0 };
    write(&mut hashed)?;
    staging.publish().map_err(failed("put the finished file into place"))?;
    Ok((hashed.bytes, hex::encode(hashed.digest.finalize())))
}
