//! A column of a batch, and one cell of it in whatever type is wanted.

use std::borrow::Cow;
use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, LargeStringArray, StringArray, StringViewArray,
};
use arrow_schema::{DataType, TimeUnit};
use chrono_tz::Tz;
use parquet::errors::ParquetError;

use super::instant::{format_time, of_day, of_local, parse_time_in};
use crate::time::MICROS_PER_DAY;

/// Texts, as they were cheapest to read.
#[derive(Debug)]
pub(crate) enum Texts {
    /// One after the other.
    Plain(LargeStringArray),
    /// Views into pages.
    Views(StringViewArray),
    /// Numbers of the texts of a dictionary.
    Dictionary(Int32Array, StringArray),
}

impl Texts {
    /// The text of a row.
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Views(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Dictionary(keys, texts) => {
                let key = usize::try_from(keys.is_valid(row).then(|| keys.value(row))?).ok()?;
                texts.is_valid(key).then(|| texts.value(key))
            }
        }
    }
}

/// A column of a file's batch.
#[derive(Debug)]
pub(crate) enum Typed {
    /// Text.
    Text(Texts),
    /// Whole numbers.
    Whole(Int64Array),
    /// Numbers.
    Number(Float64Array),
    /// `true` and `false`.
    Flag(BooleanArray),
    /// Instants, in microseconds since the epoch.
    Time(Int64Array),
    /// Nothing but nulls.
    Null,
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Whole(i64),
    Number(f64),
    Flag(bool),
    Time(i64),
}

/// What kind of cell a column or an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Text,
    Number,
    Flag,
    Time,
}

impl Kind {
    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text => "text",
            Self::Number => "number",
            Self::Flag => "true or false",
            Self::Time => "time",
        }
    }

    /// The kind of a file's column; `None` for types that no table has.
    pub(crate) fn of(dtype: &DataType) -> Option<Self> {
        match dtype {
            DataType::Null => Some(Self::Null),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::Text),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Some(Self::Text),
            DataType::Boolean => Some(Self::Flag),
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Some(Self::Time),
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Some(Self::Number)
            }
            dtype if dtype.is_integer() => Some(Self::Number),
            DataType::Float32 | DataType::Float64 => Some(Self::Number),
            _ => None,
        }
    }
}

impl Typed {
    /// The column's values; times that are not adjusted to UTC are in `zone` (`None`: UTC), and one that is not there
    /// becomes the greatest, which no rule accepts.
    pub(crate) fn of(array: &ArrayRef, zone: Option<Tz>) -> Result<Self, ParquetError> {
        let typed = Self::utc(array)?;
        let (Self::Time(times), Some(zone)) = (&typed, zone) else { return Ok(typed) };
        Ok(match array.data_type() {
            DataType::Date32 | DataType::Date64 => {
                Self::Time(times.unary(|micros| of_day(micros, zone).unwrap_or(i64::MAX)))
            }
            DataType::Timestamp(_, None) => {
                Self::Time(times.unary(|micros| of_local(micros, zone).unwrap_or(i64::MAX)))
            }
            _ => typed,
        })
    }

    /// The column's values. Bytes that are not UTF-8 become a text that no rule accepts as anything but text.
    fn utc(array: &ArrayRef) -> Result<Self, ParquetError> {
        use DataType as Type;
        Ok(match array.data_type() {
            Type::Null => Self::Null,
            Type::Utf8View => Self::Text(Texts::Views(array.as_string_view().clone())),
            Type::Utf8 => Self::Text(Texts::Plain(array.as_string::<i32>().iter().collect())),
            Type::LargeUtf8 => Self::Text(Texts::Plain(array.as_string::<i64>().clone())),
            Type::Dictionary(..) => {
                let dictionary = array
                    .as_any_dictionary_opt()
                    .filter(|dictionary| dictionary.keys().data_type() == &Type::Int32)
                    .and_then(|dictionary| dictionary.values().as_string_opt::<i32>())
                    .ok_or_else(|| unreadable(array))?;
                Self::Text(Texts::Dictionary(array.as_dictionary::<Int32Type>().keys().clone(), dictionary.clone()))
            }
            Type::Binary => Self::Text(as_text(array.as_binary::<i32>().iter())),
            Type::LargeBinary => Self::Text(as_text(array.as_binary::<i64>().iter())),
            Type::BinaryView => Self::Text(as_text(array.as_binary_view().iter())),
            Type::Boolean => Self::Flag(array.as_boolean().clone()),
            Type::Int8 => whole::<Int8Type>(array),
            Type::Int16 => whole::<Int16Type>(array),
            Type::Int32 => whole::<Int32Type>(array),
            Type::Int64 => Self::Whole(array.as_primitive::<Int64Type>().clone()),
            Type::UInt8 => whole::<UInt8Type>(array),
            Type::UInt16 => whole::<UInt16Type>(array),
            Type::UInt32 => whole::<UInt32Type>(array),
            Type::UInt64 => unsigned(array),
            Type::Float32 => Self::Number(array.as_primitive::<Float32Type>().unary(f64::from)),
            Type::Float64 => Self::Number(array.as_primitive::<Float64Type>().clone()),
            Type::Decimal32(_, scale) => decimal::<Decimal32Type>(array, *scale, f64::from),
            Type::Decimal64(_, scale) => decimal::<Decimal64Type>(array, *scale, |value| value as f64),
            Type::Decimal128(_, scale) => decimal::<Decimal128Type>(array, *scale, |value| value as f64),
            Type::Decimal256(_, scale) => {
                decimal::<Decimal256Type>(array, *scale, |value| value.to_string().parse().unwrap_or(f64::NAN))
            }
            Type::Date32 => time::<Date32Type>(array, |days| i64::from(days).checked_mul(MICROS_PER_DAY)),
            Type::Date64 => time::<Date64Type>(array, |millis| millis.checked_mul(1000)),
            Type::Timestamp(TimeUnit::Second, _) => {
                time::<TimestampSecondType>(array, |seconds| seconds.checked_mul(1_000_000))
            }
            Type::Timestamp(TimeUnit::Millisecond, _) => {
                time::<TimestampMillisecondType>(array, |millis| millis.checked_mul(1000))
            }
            Type::Timestamp(TimeUnit::Microsecond, _) => time::<TimestampMicrosecondType>(array, Some),
            Type::Timestamp(TimeUnit::Nanosecond, _) => {
                time::<TimestampNanosecondType>(array, |nanos| Some(nanos.div_euclid(1000)))
            }
            _ => return Err(unreadable(array)),
        })
    }

    /// One cell.
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(texts) => texts.get(row).map_or(Cell::Null, |text| Cell::Text(Cow::Borrowed(text))),
            Self::Whole(values) if values.is_valid(row) => Cell::Whole(values.value(row)),
            Self::Number(values) if values.is_valid(row) => Cell::Number(values.value(row)),
            Self::Flag(values) if values.is_valid(row) => Cell::Flag(values.value(row)),
            Self::Time(values) if values.is_valid(row) => Cell::Time(values.value(row)),
            _ => Cell::Null,
        }
    }
}

fn unreadable(array: &ArrayRef) -> ParquetError {
    ParquetError::General(format!("a column of type {} cannot be read", array.data_type()))
}

fn as_text<'a>(bytes: impl Iterator<Item = Option<&'a [u8]>>) -> Texts {
    Texts::Plain(bytes.map(|bytes| bytes.map(lossless)).collect())
}

fn whole<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef) -> Typed {
    Typed::Whole(array.as_primitive::<T>().unary(Into::into))
}

/// Whole numbers beyond 2^63 are text: an id keeps its digits.
fn unsigned(array: &ArrayRef) -> Typed {
    let values = array.as_primitive::<UInt64Type>();
    match values.iter().flatten().all(|value| i64::try_from(value).is_ok()) {
        true => Typed::Whole(values.unary(|value| i64::try_from(value).unwrap_or(i64::MAX))),
        false => Typed::Text(Texts::Plain(values.iter().map(|value| value.map(|value| value.to_string())).collect())),
    }
}

/// A decimal as the nearest double; exact division where the digits fit into 53 bits.
fn decimal<T: ArrowPrimitiveType>(array: &ArrayRef, scale: i8, digits: impl Fn(T::Native) -> f64) -> Typed {
    let power = 10f64.powi(i32::from(scale.unsigned_abs()));
    let scaled = |value: f64| if scale >= 0 { value / power } else { value * power };
    Typed::Number(array.as_primitive::<T>().unary(|value| scaled(digits(value))))
}

/// Times; one that does not fit becomes the greatest, which no rule accepts.
fn time<T: ArrowPrimitiveType>(array: &ArrayRef, micros: impl Fn(T::Native) -> Option<i64>) -> Typed {
    Typed::Time(array.as_primitive::<T>().unary(|value| micros(value).unwrap_or(i64::MAX)))
}

/// Bytes as text; such as are not UTF-8 are written in hexadecimal, so that distinct ids stay distinct.
fn lossless(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(format!("0x{}", hex::encode(bytes))),
    }
}

impl<'a> Cell<'a> {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// As text; byte-exact for text, whole numbers without a point.
    pub(crate) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text),
            Self::Whole(value) => Some(Cow::Owned(value.to_string())),
            Self::Number(value) => Some(Cow::Owned(value.to_string())),
            Self::Flag(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
            Self::Time(value) => Some(Cow::Owned(format_time(value))),
        }
    }

    /// As a number. `Err`: there is a value and it is none.
    pub(crate) fn number(&self) -> Result<Option<f64>, ()> {
        match self {
            Self::Null => Ok(None),
            Self::Whole(value) => Ok(Some(*value as f64)),
            Self::Number(value) => Ok(Some(*value)),
            Self::Flag(value) => Ok(Some(f64::from(u8::from(*value)))),
            Self::Text(text) => match text.trim() {
                "" => Ok(None),
                "true" | "True" | "TRUE" => Ok(Some(1.0)),
                "false" | "False" | "FALSE" => Ok(Some(0.0)),
                trimmed => trimmed.parse().map(Some).map_err(|_| ()),
            },
            Self::Time(_) => Err(()),
        }
    }

    /// As an instant in microseconds; a text without a zone is in `zone`. `Err`: there is a value and it is none.
    pub(crate) fn time(&self, format: Option<&str>, zone: Option<Tz>) -> Result<Option<i64>, ()> {
        match self {
            Self::Null => Ok(None),
            Self::Time(value) => Ok(Some(*value)),
            Self::Text(text) if text.trim().is_empty() => Ok(None),
            Self::Text(text) => parse_time_in(text, format, zone).map(|instant| Some(instant.0)).ok_or(()),
            Self::Whole(_) | Self::Number(_) | Self::Flag(_) => Err(()),
        }
    }

    /// As true or false; `None`: null, or neither.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(value) => Some(*value),
            Self::Whole(value) => Some(*value != 0),
            Self::Number(value) => Some(*value != 0.0),
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "t" | "yes" => Some(true),
                "false" | "0" | "f" | "no" => Some(false),
                _ => None,
            },
            Self::Null | Self::Time(_) => None,
        }
    }

    /// Order against another cell: as numbers if either is one, as times or flags likewise, else as text byte by byte.
    /// `None`: one is null, or cannot be read as what the other is.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(right)),
            (Self::Text(left), Self::Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
            (Self::Flag(_), _) | (_, Self::Flag(_)) => Some(self.flag()?.cmp(&other.flag()?)),
            (Self::Time(_), _) | (_, Self::Time(_)) => {
                Some(self.time(None, None).ok()??.cmp(&other.time(None, None).ok()??))
            }
            _ => self.number().ok()??.partial_cmp(&other.number().ok()??),
        }
    }
}
