//! Parquet. The types are Parquet's own: what a writer adds in its metadata (that a text was a dictionary) is set aside.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use bellwether_features::time::date_from_days;
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::error::MatrixError;
use super::table::{Columns, Take, TextBuilder, Values};

/// Reads the file.
pub(super) fn read(
    path: &Path,
    take: &dyn Fn(&str) -> Take,
    check: &dyn Fn(&[String]) -> Result<(), MatrixError>,
) -> Result<Columns, MatrixError> {
    let file =
        File::open(path).map_err(|source| MatrixError::Io { path: path.to_owned(), action: "open it", source })?;
    // The decoder may panic on a damaged file; that is the file's fault.
    let read = catch_unwind(AssertUnwindSafe(|| decode(path, file, take, check)));
    read.unwrap_or_else(|_| Err(damaged(path, "a file that contradicts its own description")))
}

fn damaged(path: &Path, found: impl ToString) -> MatrixError {
    MatrixError::File {
        path: path.to_owned(),
        expected: "a Parquet file".to_owned(),
        found: found.to_string(),
        hint: "write the file anew".to_owned(),
    }
}

fn decode(
    path: &Path,
    file: File,
    take: &dyn Fn(&str) -> Take,
    check: &dyn Fn(&[String]) -> Result<(), MatrixError>,
) -> Result<Columns, MatrixError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(|cause| damaged(path, cause))?;
    let fields: Vec<(String, DataType)> =
        builder.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
    let names: Vec<String> = fields.iter().map(|(name, _)| name.clone()).collect();
    check(&names)?;
    let mut growing: Vec<Growing> = fields.iter().map(|(name, kind)| Growing::new(kind, take(name))).collect();
    let mut rows = 0;
    for batch in builder.with_batch_size(8_192).build().map_err(|cause| damaged(path, cause))? {
        let batch: RecordBatch = batch.map_err(|cause| damaged(path, cause))?;
        for ((column, array), name) in growing.iter_mut().zip(batch.columns()).zip(&names) {
            column.push(array.as_ref()).map_err(|row| MatrixError::Row {
                path: path.to_owned(),
                column: name.clone(),
                row: (rows + row) as u64 + 1,
                expected: "a finite number".to_owned(),
                found: "one that is not, or is beyond the range of 32 bits".to_owned(),
                hint: "write null where the value is not known".to_owned(),
            })?;
        }
        rows += batch.num_rows();
    }
    Ok(Columns { rows, columns: names.into_iter().zip(growing.into_iter().map(Growing::finish)).collect() })
}

enum Growing {
    Numbers(Vec<f32>),
    /// Kept at 64 bits until it is known whether all are whole.
    WholeNumbers(Vec<f64>),
    Texts(TextBuilder, Take),
    Dates(Vec<Option<NaiveDate>>),
    Other(String),
}

impl Growing {
    fn new(kind: &DataType, take: Take) -> Self {
        match kind {
            DataType::Utf8 | DataType::LargeUtf8 => Self::Texts(TextBuilder::default(), take),
            DataType::Date32 | DataType::Timestamp(..) => Self::Dates(Vec::new()),
            kind if kind.is_integer() && take == Take::AsText => Self::Texts(TextBuilder::default(), take),
            kind if kind.is_integer() => Self::Numbers(Vec::new()),
            // Some databases have no other whole numbers.
            DataType::Decimal128(_, 0) if take == Take::AsText => Self::Texts(TextBuilder::default(), take),
            // Ids that pandas made floats of because one was missing.
            DataType::Float32 | DataType::Float64 if take == Take::AsText => Self::WholeNumbers(Vec::new()),
            DataType::Float32 | DataType::Float64 | DataType::Boolean => Self::Numbers(Vec::new()),
            DataType::Decimal128(..) => Self::Numbers(Vec::new()),
            DataType::Null => Self::Numbers(Vec::new()),
            other => Self::Other(format!("values of type {other}")),
        }
    }

    /// Adds a batch; the error is the row of a number that is not finite.
    fn push(&mut self, array: &dyn Array) -> Result<(), usize> {
        match self {
            Self::Numbers(values) => {
                for (row, value) in numbers(array).into_iter().enumerate() {
                    if value.is_infinite() {
                        return Err(row);
                    }
                    values.push(value);
                }
            }
            Self::WholeNumbers(values) => values.extend(wide(array)),
            Self::Texts(texts, take) => push_texts(texts, array, *take),
            Self::Dates(dates) => dates.extend(days(array)),
            Self::Other(_) => {}
        }
        Ok(())
    }

    fn finish(self) -> Values {
        match self {
            Self::Numbers(values) => Values::Numbers(values),
            Self::WholeNumbers(values) => whole_texts(&values),
            Self::Texts(texts, _) => texts.finish(),
            Self::Dates(dates) => Values::Dates(dates),
            Self::Other(kind) => Values::Other(kind),
        }
    }
}

/// Floats are whole up to here without a doubt.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

fn wide(array: &dyn Array) -> Vec<f64> {
    match array.data_type() {
        DataType::Float64 => {
            array.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect()
        }
        _ => array.as_primitive::<Float32Type>().iter().map(|value| value.map_or(f64::NAN, f64::from)).collect(),
    }
}

/// 17.0 as the text 17; numbers where any has decimals.
fn whole_texts(values: &[f64]) -> Values {
    let is_whole = |value: &f64| value.is_nan() || (value.fract() == 0.0 && value.abs() <= LARGEST_WHOLE);
    if !values.iter().all(is_whole) {
        return Values::Numbers(values.iter().map(|value| *value as f32).collect());
    }
    let mut texts = TextBuilder::default();
    for value in values {
        let text = (!value.is_nan()).then(|| format!("{value:.0}"));
        texts.push(text.as_deref(), Take::AsText);
    }
    texts.finish()
}

fn whole<T: ArrowPrimitiveType>(array: &dyn Array, convert: impl Fn(T::Native) -> f32) -> Vec<f32> {
    array.as_primitive::<T>().iter().map(|value| value.map_or(f32::NAN, &convert)).collect()
}

/// As the scorer reads them.
fn numbers(array: &dyn Array) -> Vec<f32> {
    match array.data_type() {
        DataType::Float32 => whole::<Float32Type>(array, |value| value),
        DataType::Float64 => whole::<Float64Type>(array, |value| value as f32),
        DataType::Int8 => whole::<Int8Type>(array, f32::from),
        DataType::Int16 => whole::<Int16Type>(array, f32::from),
        DataType::Int32 => whole::<Int32Type>(array, |value| value as f32),
        DataType::Int64 => whole::<Int64Type>(array, |value| value as f32),
        DataType::UInt8 => whole::<UInt8Type>(array, f32::from),
        DataType::UInt16 => whole::<UInt16Type>(array, f32::from),
        DataType::UInt32 => whole::<UInt32Type>(array, |value| value as f32),
        DataType::UInt64 => whole::<UInt64Type>(array, |value| value as f32),
        DataType::Decimal128(_, scale) => {
            let unit = 10_f64.powi(i32::from(*scale));
            whole::<Decimal128Type>(array, |value| (value as f64 / unit) as f32)
        }
        DataType::Boolean => {
            array.as_boolean().iter().map(|value| value.map_or(f32::NAN, |flag| f32::from(u8::from(flag)))).collect()
        }
        _ => vec![f32::NAN; array.len()],
    }
}

fn push_texts(texts: &mut TextBuilder, array: &dyn Array, take: Take) {
    fn whole<T: ArrowPrimitiveType>(texts: &mut TextBuilder, array: &dyn Array)
    where
        T::Native: std::fmt::Display,
    {
        array
            .as_primitive::<T>()
            .iter()
            .for_each(|value| texts.push(value.map(|value| value.to_string()).as_deref(), Take::AsText));
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().for_each(|text| texts.push(text, take)),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().for_each(|text| texts.push(text, take)),
        DataType::Int8 => whole::<Int8Type>(texts, array),
        DataType::Int16 => whole::<Int16Type>(texts, array),
        DataType::Int32 => whole::<Int32Type>(texts, array),
        DataType::Int64 => whole::<Int64Type>(texts, array),
        DataType::UInt8 => whole::<UInt8Type>(texts, array),
        DataType::UInt16 => whole::<UInt16Type>(texts, array),
        DataType::UInt32 => whole::<UInt32Type>(texts, array),
        DataType::UInt64 => whole::<UInt64Type>(texts, array),
        DataType::Decimal128(..) => whole::<Decimal128Type>(texts, array),
        _ => (0..array.len()).for_each(|_| texts.push(None, take)),
    }
}

fn days(array: &dyn Array) -> Vec<Option<NaiveDate>> {
    fn of<T: ArrowPrimitiveType<Native = i64>>(array: &dyn Array, per_day: i64) -> Vec<Option<NaiveDate>> {
        let day = |value: Option<i64>| value.and_then(|value| date_from_days(value.div_euclid(per_day)));
        array.as_primitive::<T>().iter().map(day).collect()
    }
    const SECONDS: i64 = 86_400;
    match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().iter();
            days.map(|days| days.and_then(|days| date_from_days(i64::from(days)))).collect()
        }
        DataType::Timestamp(TimeUnit::Second, _) => of::<TimestampSecondType>(array, SECONDS),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(array, SECONDS * 1_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of::<TimestampMicrosecondType>(array, SECONDS * 1_000_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of::<TimestampNanosecondType>(array, SECONDS * 1_000_000_000),
        _ => vec![None; array.len()],
    }
}
