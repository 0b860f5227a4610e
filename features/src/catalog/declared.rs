//! Signals that a business declares in `[signals.declared.<name>]`, without a line of Rust.
//!
//! A declared signal is a [`SignalDefinition`] like any other, digest included, and a measure over the rows of one table
//! for which a condition holds. It is computed from the same visible facts as everything else: a row counts when it
//! happened and became known before `as_of`, the version known last holds, and a time that is a knowledge time of its own
//! (`paid_at`) is null until it has come.

use serde::{Deserialize, Serialize};

use crate::contract::{CanonicalColumn, TableName};
use crate::read::Bound;
use crate::signal::{SignalDefinition, Unit};

/// What is computed from the rows that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Number of rows.
    Count,
    /// Sum of a column; 0 without a value.
    Sum,
    /// Mean of a column; null without a value.
    Mean,
    /// Least value of a column; null without a value.
    Min,
    /// Greatest value of a column; null without a value.
    Max,
    /// Number of distinct values of a column.
    Distinct,
    /// Number of UTC days with a row.
    ActiveDays,
    /// `as_of` minus the UTC day of the last row; null without a row.
    DaysSinceLast,
    /// `as_of` minus the UTC day of the first row; null without a row.
    DaysSinceFirst,
    /// The value of a column in the latest row that has one; null without such a row.
    Latest,
}

/// What a window is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// The window of the same length before it.
    Previous,
    /// The same window 364 days earlier.
    YearAgo,
}

/// A declared signal, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredSignal {
    /// What it is; its parameters say all that follows in words.
    pub definition: SignalDefinition,
    /// The table whose rows it reads.
    pub table: TableName,
    pub(crate) aggregate: Aggregate,
    pub(crate) compare: Option<Comparison>,
    /// Which rows count; its columns are places in `columns`.
    pub(crate) filter: Option<Bound>,
    pub(crate) columns: Vec<&'static CanonicalColumn>,
    pub(crate) value: Option<&'static CanonicalColumn>,
}

impl DeclaredSignal {
    /// The canonical columns that it reads, each once.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &'static CanonicalColumn> {
        let value = self.value.filter(|value| !self.columns.contains(value));
        self.columns.iter().copied().chain(value)
    }
}

impl Aggregate {
    /// Whether it is computed from the values of a column.
    pub(crate) fn needs_value(self) -> bool {
        matches!(self, Self::Sum | Self::Mean | Self::Min | Self::Max | Self::Distinct | Self::Latest)
    }

    /// Whether it says how long ago something was.
    pub(crate) fn is_age(self) -> bool {
        matches!(self, Self::DaysSinceLast | Self::DaysSinceFirst)
    }

    /// The unit, where none is declared.
    pub(crate) fn unit(self, value: Option<&CanonicalColumn>) -> Unit {
        match (self, value.map(|column| column.name)) {
            (Self::DaysSinceLast | Self::DaysSinceFirst, _) => Unit::Days,
            (Self::Count | Self::Distinct | Self::ActiveDays, _) => Unit::Count,
            (_, Some("amount" | "mrr" | "list_price")) => Unit::Money,
            (_, Some("score")) => Unit::Score,
            (_, Some("discount")) => Unit::Share,
            _ => Unit::Count,
        }
    }

    /// In words, with its column.
    pub(crate) fn words(self, value: &str) -> String {
        match self {
            Self::Count => "number of rows".to_owned(),
            Self::Sum => format!("sum of {value} (0 without one)"),
            Self::Mean => format!("mean of {value} (null without one)"),
            Self::Min => format!("least {value} (null without one)"),
            Self::Max => format!("greatest {value} (null without one)"),
            Self::Distinct => format!("number of distinct values of {value}"),
            Self::ActiveDays => "number of UTC days with a row".to_owned(),
            Self::DaysSinceLast => "as_of minus the UTC day of the last row (null without one)".to_owned(),
            Self::DaysSinceFirst => "as_of minus the UTC day of the first row (null without one)".to_owned(),
            Self::Latest => format!("{value} of the latest row that has one (null without such a row)"),
        }
    }
}
