//! The feature file: Parquet, written whole or not at all.
//!
//! The file is written to a temporary name in the same folder, flushed to disk and renamed; then its SHA-256 is published
//! beside it in the same way. A crash in between leaves a file whose digest does not match, which the scorer refuses:
//! never a half file that looks whole. The same matrix gives the same bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float32Type};
use arrow_array::{ArrayRef, Date32Array, Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use super::metadata::{FILE_FORMAT, FeatureMetadata, METADATA_KEY};
use super::{Column, FeatureMatrix};
use crate::signal::{SignalDefinition, Unit};
use crate::time::{date_from_days, days_from_epoch};

/// Key of the full definitions, so that a file can be read back without the project that made it.
const DEFINITIONS_KEY: &str = "bellwether.signals";

/// Rows of a row group: what a reader holds at once.
const ROW_GROUP_ROWS: usize = 65_536;

/// Why a feature file cannot be written or read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MatrixError {
    /// The file system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    #[diagnostic(code(bellwether::features::io), help("check that the folder exists, is writable and has space"))]
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

/// Where the digest of `path` is: beside it, with `.sha256` after the whole name.
#[must_use]
pub fn sha256_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    PathBuf::from(name)
}

impl FeatureMatrix {
    /// Writes the matrix as Parquet, and its digest beside it (`<hex>  <file name>`, as `sha256sum` does).
    ///
    /// Columns: `account_id` string, `as_of` date32, then the signals, float32 or string, null where null.
    ///
    /// # Errors
    /// [`MatrixError::Io`] and [`MatrixError::Parquet`]; a file that was there before is then still whole.
    pub fn write(&self, path: &Path, metadata: &FeatureMetadata) -> Result<FeatureFile, MatrixError> {
        let refused = |source| MatrixError::Parquet { path: path.to_owned(), source };
        let bytes = self.encode(metadata).map_err(refused)?;
        publish(path, &bytes)?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        publish(&sha256_path(path), format!("{sha256}  {name}\n").as_bytes())?;
        Ok(FeatureFile { path: path.to_owned(), bytes: bytes.len() as u64, rows: self.len(), sha256 })
    }

    fn encode(&self, metadata: &FeatureMetadata) -> Result<Vec<u8>, ParquetError> {
        let external = |error: serde_json::Error| ParquetError::External(Box::new(error));
        let described = serde_json::to_string(metadata).map_err(external)?;
        let definitions = serde_json::to_string(&self.signals).map_err(external)?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("bellwether ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_key_value_metadata(Some(vec![
                KeyValue::new(METADATA_KEY.to_owned(), described),
                KeyValue::new(DEFINITIONS_KEY.to_owned(), definitions),
            ]))
            .build();
        let schema = Arc::new(self.schema());
        let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
        let mut start = 0;
        while start < self.len() {
            let end = (start + ROW_GROUP_ROWS).min(self.len());
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), self.arrays(start, end))?)?;
            start = end;
        }
        writer.into_inner()
    }

    fn schema(&self) -> Schema {
        let kind = |column: &Column| match column {
            Column::Numeric(_) => DataType::Float32,
            Column::Category { .. } => DataType::Utf8,
        };
        let mut fields =
            vec![Field::new("account_id", DataType::Utf8, false), Field::new("as_of", DataType::Date32, false)];
        let signals = self.signals.iter().zip(&self.columns);
        fields.extend(signals.map(|(signal, column)| Field::new(&signal.name, kind(column), true)));
        Schema::new(fields)
    }

    fn arrays(&self, start: usize, end: usize) -> Vec<ArrayRef> {
        let ids = StringArray::from_iter_values(&self.account_ids[start..end]);
        let dates = Date32Array::from_iter_values(self.as_of[start..end].iter().map(|date| days_from_epoch(*date)));
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(ids), Arc::new(dates)];
        arrays.extend(self.columns.iter().map(|column| array(column, start, end)));
        arrays
    }

    /// Reads a feature file back, with its metadata.
    ///
    /// # Errors
    /// [`MatrixError`]; [`MatrixError::Format`] when the metadata is missing, newer, or does not match the columns.
    pub fn read(path: &Path) -> Result<(Self, FeatureMetadata), MatrixError> {
        let file = File::open(path)
            .map_err(|source| MatrixError::Io { path: path.to_owned(), action: "open", source })?;
        let refused = |source| MatrixError::Parquet { path: path.to_owned(), source };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(refused)?;
        let pairs = builder.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
        let metadata: FeatureMetadata = described(path, &pairs, METADATA_KEY)?;
        if metadata.format > FILE_FORMAT {
            let expected = format!("format {FILE_FORMAT} or older");
            return Err(MatrixError::Format { path: path.to_owned(), expected, found: metadata.format.to_string() });
        }
        let signals: Vec<SignalDefinition> = described(path, &pairs, DEFINITIONS_KEY)?;
        let mut reading = Reading::new(path, signals);
        for batch in builder.with_batch_size(ROW_GROUP_ROWS).build().map_err(refused)? {
            reading.take(&batch.map_err(|error| refused(error.into()))?)?;
        }
        Ok((reading.finish(), metadata))
    }
}

/// One column as an array; NaN and `None` become null.
fn array(column: &Column, start: usize, end: usize) -> ArrayRef {
    match column {
        Column::Numeric(values) => {
            let known = |value: &f32| (!value.is_nan()).then_some(*value);
            Arc::new(values[start..end].iter().map(known).collect::<Float32Array>())
        }
        Column::Category { levels, codes } => {
            let text = |code: &Option<u32>| code.and_then(|code| levels.get(code as usize));
            Arc::new(codes[start..end].iter().map(text).collect::<StringArray>())
        }
    }
}

/// Writes `bytes` to a temporary file beside `path`, flushes it, renames it, flushes the folder.
fn publish(path: &Path, bytes: &[u8]) -> Result<(), MatrixError> {
    let failed = |action: &'static str| move |source| MatrixError::Io { path: path.to_owned(), action, source };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    let published = write().map_err(failed("write")).and_then(|()| {
        fs::rename(&temporary, path).map_err(failed("rename the finished file into place"))
    });
    if published.is_err() {
        // The first error is the one to report; the leftover, if any, is only untidy.
        let _ = fs::remove_file(&temporary);
    }
    published?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flush the folder"))
}

/// A JSON value of the file's metadata.
fn described<T: serde::de::DeserializeOwned>(path: &Path, pairs: &[KeyValue], key: &str) -> Result<T, MatrixError> {
    let expected = || format!("the metadata `{key}` of a feature file");
    let text = pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref());
    let Some(text) = text else {
        return Err(MatrixError::Format { path: path.to_owned(), expected: expected(), found: "none".to_owned() });
    };
    serde_json::from_str(text).map_err(|error| MatrixError::Format {
        path: path.to_owned(),
        expected: expected(),
        found: error.to_string(),
    })
}

fn wrong(path: &Path, expected: String) -> MatrixError {
    MatrixError::Format { path: path.to_owned(), expected, found: "no such column".to_owned() }
}

/// A column while it is read.
#[derive(Debug)]
enum Growing {
    Numeric(Vec<f32>),
    Texts(Vec<Option<String>>),
}

/// A matrix while it is read.
struct Reading<'p> {
    path: &'p Path,
    account_ids: Vec<String>,
    as_of: Vec<chrono::NaiveDate>,
    signals: Vec<SignalDefinition>,
    columns: Vec<Growing>,
}

impl<'p> Reading<'p> {
    fn new(path: &'p Path, signals: Vec<SignalDefinition>) -> Self {
        let column = |signal: &SignalDefinition| match signal.unit {
            Unit::Category => Growing::Texts(Vec::new()),
            _ => Growing::Numeric(Vec::new()),
        };
        let columns = signals.iter().map(column).collect();
        Self { path, account_ids: Vec::new(), as_of: Vec::new(), signals, columns }
    }


    fn take(&mut self, batch: &RecordBatch) -> Result<(), MatrixError> {
        let ids = batch.column_by_name("account_id").and_then(|column| column.as_string_opt::<i32>());
        let ids = ids.ok_or_else(|| wrong(self.path, "a string column `account_id`".to_owned()))?;
        self.account_ids.extend(ids.iter().map(|id| id.unwrap_or_default().to_owned()));
        let dates = batch.column_by_name("as_of").and_then(|column| column.as_primitive_opt::<Date32Type>());
        let dates = dates.ok_or_else(|| wrong(self.path, "a date column `as_of`".to_owned()))?;
        self.as_of.extend(dates.values().iter().map(|days| date_from_days(i64::from(*days)).unwrap_or_default()));
        for place in 0..self.signals.len() {
            self.take_signal(batch, place)?;
        }
        Ok(())
    }

    fn take_signal(&mut self, batch: &RecordBatch, place: usize) -> Result<(), MatrixError> {
        let (path, name) = (self.path, &self.signals[place].name);
        let missing = |kind: &str| wrong(path, format!("a {kind} column `{name}`"));
        let column = batch.column_by_name(name).ok_or_else(|| missing("signal"))?;
        match &mut self.columns[place] {
            Growing::Numeric(values) => {
                let Some(array) = column.as_primitive_opt::<Float32Type>() else { return Err(missing("float32")) };
                values.extend(array.iter().map(|value| value.unwrap_or(f32::NAN)));
            }
            Growing::Texts(texts) => {
                let Some(array) = column.as_string_opt::<i32>() else { return Err(missing("string")) };
                texts.extend(array.iter().map(|text| text.map(str::to_owned)));
            }
        }
        Ok(())
    }

    fn finish(self) -> FeatureMatrix {
        let column = |growing: Growing| match growing {
            Growing::Numeric(values) => Column::Numeric(values),
            Growing::Texts(texts) => category(&texts),
        };
        FeatureMatrix {
            account_ids: self.account_ids,
            as_of: self.as_of,
            signals: self.signals,
            columns: self.columns.into_iter().map(column).collect(),
        }
    }
}

/// Texts as codes into sorted levels.
fn category(texts: &[Option<String>]) -> Column {
    let mut places: BTreeMap<&str, u32> = texts.iter().flatten().map(|text| (text.as_str(), 0)).collect();
    for (code, place) in (0..).zip(places.values_mut()) {
        *place = code;
    }
    let code = |text: &Option<String>| text.as_deref().and_then(|text| places.get(text).copied());
    let codes = texts.iter().map(code).collect();
    Column::Category { levels: places.into_keys().map(str::to_owned).collect(), codes }
}
