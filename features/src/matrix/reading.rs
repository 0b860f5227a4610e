//! The feature file, read back: columns by name, with the definitions that made them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float32Type};
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;

use super::file::{DEFINITIONS_KEY, MatrixError, ROW_GROUP_ROWS};
use super::metadata::{FILE_FORMAT, FeatureMetadata, METADATA_KEY};
use super::{Column, FeatureMatrix};
use crate::signal::{SignalDefinition, Unit};
use crate::time::date_from_days;

impl FeatureMatrix {
    /// Reads a feature file back, with its metadata.
    ///
    /// # Errors
    /// [`MatrixError`]; [`MatrixError::Format`] when the metadata is missing, newer, or does not match the columns.
    pub fn read(path: &Path) -> Result<(Self, FeatureMetadata), MatrixError> {
        let file =
            File::open(path).map_err(|source| MatrixError::Io { path: path.to_owned(), action: "open", source })?;
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
    account_ids: Vec<Arc<str>>,
    as_of: Vec<NaiveDate>,
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
        self.account_ids.extend(ids.iter().map(|id| Arc::from(id.unwrap_or_default())));
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
