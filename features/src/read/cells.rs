//! A column of a batch as plain vectors, and one cell of it in whatever type is wanted.

use std::borrow::Cow;
use std::cmp::Ordering;

use polars::prelude::*;

use super::instant::{format_time, parse_time};

/// A column of a file's batch.
pub(crate) enum Typed {
    /// Text, in one chunk.
    Text(StringChunked),
    /// Whole numbers.
    Whole(Vec<Option<i64>>),
    /// Numbers.
    Number(Vec<Option<f64>>),
    /// `true` and `false`.
    Flag(Vec<Option<bool>>),
    /// Instants, in microseconds since the epoch.
    Time(Vec<Option<i64>>),
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
            DataType::String | DataType::Binary => Some(Self::Text),
            DataType::Boolean => Some(Self::Flag),
            DataType::Date | DataType::Datetime(..) => Some(Self::Time),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64
            | DataType::Float32
            | DataType::Float64 => Some(Self::Number),
            _ => None,
        }
    }
}

impl Typed {
    /// The column's values. Bytes that are not UTF-8 become a text that no rule accepts as anything but text.
    pub(crate) fn of(column: &Column) -> PolarsResult<Self> {
        let series = column.as_materialized_series();
        let dtype = series.dtype().clone();
        Ok(match dtype {
            DataType::Null => Self::Null,
            DataType::String => Self::Text(series.str()?.rechunk().into_owned()),
            DataType::Binary => Self::Text(series.binary()?.iter().map(|bytes| bytes.map(lossless)).collect()),
            DataType::Boolean => Self::Flag(series.bool()?.iter().collect()),
            DataType::Float32 | DataType::Float64 => {
                Self::Number(series.cast(&DataType::Float64)?.f64()?.iter().collect())
            }
            DataType::UInt64 if series.u64()?.iter().flatten().any(|value| i64::try_from(value).is_err()) => {
                Self::Text(series.u64()?.iter().map(|value| value.map(|value| value.to_string())).collect())
            }
            DataType::Date => {
                let days = series.to_physical_repr().cast(&DataType::Int64)?;
                Self::Time(scaled(days.i64()?, |days| days.checked_mul(crate::time::MICROS_PER_DAY)))
            }
            DataType::Datetime(unit, _) => {
                let physical = series.to_physical_repr().into_owned();
                Self::Time(match unit {
                    TimeUnit::Nanoseconds => scaled(physical.i64()?, |nanos| Some(nanos.div_euclid(1000))),
                    TimeUnit::Microseconds => scaled(physical.i64()?, Some),
                    TimeUnit::Milliseconds => scaled(physical.i64()?, |millis| millis.checked_mul(1000)),
                })
            }
            _ => Self::Whole(series.cast(&DataType::Int64)?.i64()?.iter().collect()),
        })
    }

    /// One cell.
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(column) => column.get(row).map_or(Cell::Null, |text| Cell::Text(Cow::Borrowed(text))),
            Self::Whole(column) => column[row].map_or(Cell::Null, Cell::Whole),
            Self::Number(column) => column[row].map_or(Cell::Null, Cell::Number),
            Self::Flag(column) => column[row].map_or(Cell::Null, Cell::Flag),
            Self::Time(column) => column[row].map_or(Cell::Null, Cell::Time),
            Self::Null => Cell::Null,
        }
    }
}

fn scaled(column: &Int64Chunked, scale: impl Fn(i64) -> Option<i64>) -> Vec<Option<i64>> {
    column.iter().map(|value| value.and_then(&scale)).collect()
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

    /// As an instant in microseconds. `Err`: there is a value and it is none.
    pub(crate) fn time(&self, format: Option<&str>) -> Result<Option<i64>, ()> {
        match self {
            Self::Null => Ok(None),
            Self::Time(value) => Ok(Some(*value)),
            Self::Text(text) if text.trim().is_empty() => Ok(None),
            Self::Text(text) => parse_time(text, format).map(|instant| Some(instant.0)).ok_or(()),
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
            (Self::Time(_), _) | (_, Self::Time(_)) => Some(self.time(None).ok()??.cmp(&other.time(None).ok()??)),
            _ => self.number().ok()??.partial_cmp(&other.number().ok()??),
        }
    }
}
