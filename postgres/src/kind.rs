//! Types of the server and types of Parquet: few, and each with its one counterpart.

use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use postgres::types::{Kind as TypeKind, Type};

/// Days from 1970-01-01, where Parquet begins, to 2000-01-01, where the server does.
pub(crate) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(crate) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `text`.
    Text,
    /// `bigint`.
    Whole,
    /// `integer`.
    Small,
    /// `double precision`.
    Number,
    /// `boolean`.
    Flag,
    /// `date`.
    Day,
    /// `timestamp with time zone`.
    Instant,
    /// `timestamp without time zone`.
    Local,
}

impl Kind {
    /// The type of a column that we make.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Whole => "bigint",
            Self::Small => "integer",
            Self::Number => "double precision",
            Self::Flag => "boolean",
            Self::Day => "date",
            Self::Instant => "timestamp with time zone",
            Self::Local => "timestamp without time zone",
        }
    }

    /// What a Parquet column becomes; `None` for lists, structs and the like.
    pub(crate) fn of_parquet(dtype: &DataType) -> Option<Self> {
        Some(match dtype {
            DataType::Utf8 => Self::Text,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Self::Whole,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => Self::Small,
            DataType::Float32 | DataType::Float64 => Self::Number,
            DataType::Boolean => Self::Flag,
            DataType::Date32 => Self::Day,
            DataType::Timestamp(_, Some(_)) => Self::Instant,
            DataType::Timestamp(_, None) => Self::Local,
            _ => return None,
        })
    }

    /// The Parquet column that a column of the server becomes.
    pub(crate) fn field(self, name: &str) -> Field {
        let dtype = match self {
            Self::Text => DataType::Utf8,
            Self::Whole | Self::Small => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Day => DataType::Date32,
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
            Self::Local => DataType::Timestamp(TimeUnit::Microsecond, None),
        };
        Field::new(name, dtype, true)
    }

    /// How a column of the server is asked for, its name quoted already, and what then comes. `as_text`: it is read as text
    /// and nothing else. `None` for types that no table has.
    ///
    /// A `numeric` is the nearest 64-bit float, as a decimal of a Parquet file is, and keeps its digits where it is an id.
    pub(crate) fn of_server(dtype: &Type, quoted: &str, as_text: bool) -> Option<(String, Self)> {
        let cast = |to: Self| Some((format!("{quoted}::{}", to.sql()), to));
        let is_text = matches!(dtype.kind(), TypeKind::Enum(_)) || dtype.name() == "citext";
        match *dtype {
            _ if is_text => cast(Self::Text),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::UUID => cast(Self::Text),
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => cast(Self::Whole),
            Type::NUMERIC if as_text => Some((format!("trim_scale({quoted})::text"), Self::Text)),
            Type::NUMERIC | Type::FLOAT4 | Type::FLOAT8 => cast(Self::Number),
            Type::BOOL => cast(Self::Flag),
            Type::DATE => cast(Self::Day),
            Type::TIMESTAMPTZ => cast(Self::Instant),
            Type::TIMESTAMP => cast(Self::Local),
            _ => None,
        }
    }
}
