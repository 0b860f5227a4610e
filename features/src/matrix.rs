//! Features as columns.

use chrono::NaiveDate;

use crate::signal::SignalDefinition;

/// Values of one signal.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// 32-bit floats; NaN stands for null and nothing else.
    Numeric(Vec<f32>),
    /// Codes into `levels`; `None` is null.
    Category {
        /// Distinct texts, sorted.
        levels: Vec<String>,
        /// One per row.
        codes: Vec<Option<u32>>,
    },
}

/// Rows sorted by (as_of, account_id), one column per signal.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMatrix {
    /// Account id of each row.
    pub account_ids: Vec<String>,
    /// Observation date of each row.
    pub as_of: Vec<NaiveDate>,
    /// Definitions, one per column.
    pub signals: Vec<SignalDefinition>,
    /// Values, one per definition.
    pub columns: Vec<Column>,
}
