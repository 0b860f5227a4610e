//! Features as columns, in memory and as a file.

mod file;
mod merge;
mod metadata;
mod population;
mod reading;

use std::sync::Arc;

use chrono::NaiveDate;

use crate::signal::SignalDefinition;
pub use file::{FeatureFile, MatrixError, is_feature_file};
pub use metadata::{DateCounts, FILE_FORMAT, FeatureMetadata, METADATA_KEY, table_ages_hours};
pub(crate) use population::Groups;
pub use population::{OpenMatrix, Population};

/// Values of one signal.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// 32-bit floats; NaN stands for null and nothing else.
    Numeric(Vec<f32>),
    /// Codes into `levels`; `None` is null.
    Category {
        /// Distinct texts, sorted; only those that occur.
        levels: Vec<String>,
        /// One per row.
        codes: Vec<Option<u32>>,
    },
}

/// Rows sorted by (as_of, account_id), one column per signal.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMatrix {
    /// Account id of each row; the rows of an account share one text.
    pub account_ids: Vec<Arc<str>>,
    /// Observation date of each row.
    pub as_of: Vec<NaiveDate>,
    /// Definitions, one per column.
    pub signals: Vec<SignalDefinition>,
    /// Values, one per definition.
    pub columns: Vec<Column>,
}

impl Column {
    /// A category column from codes into `names` (in any order). Levels that no row has are dropped, so that a column
    /// says nothing of facts that are not visible in its rows.
    #[must_use]
    pub fn category(names: &[String], codes: &[Option<u32>]) -> Self {
        let name = |code: &Option<u32>| code.and_then(|code| names.get(code as usize));
        let mut levels: Vec<String> = Vec::new();
        let mut seen = vec![false; names.len()];
        for code in codes.iter().flatten() {
            if let Some(first) = seen.get_mut(*code as usize).filter(|seen| !**seen) {
                *first = true;
                levels.push(names[*code as usize].clone());
            }
        }
        levels.sort_unstable();
        levels.dedup();
        let level_of = |text: &String| levels.binary_search(text).ok().and_then(|level| u32::try_from(level).ok());
        let new_codes: Vec<Option<u32>> = names.iter().map(level_of).collect();
        let codes = codes.iter().map(|code| name(code).and(code.and_then(|code| new_codes[code as usize]))).collect();
        Self::Category { levels, codes }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Numeric(values) => values.len(),
            Self::Category { codes, .. } => codes.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FeatureMatrix {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.account_ids.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.account_ids.is_empty()
    }

    /// The column of a signal, by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        let place = self.signals.iter().position(|signal| signal.name == name)?;
        self.columns.get(place)
    }

    /// Whether two matrices hold the same values, bit for bit (NaN equals NaN), under the same definitions.
    #[must_use]
    pub fn same_bits(&self, other: &Self) -> bool {
        let same = |(one, two): (&Column, &Column)| match (one, two) {
            (Column::Numeric(one), Column::Numeric(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(x, y)| x.to_bits() == y.to_bits())
            }
            _ => one == two,
        };
        self.account_ids == other.account_ids
            && self.as_of == other.as_of
            && self.signals == other.signals
            && self.columns.len() == other.columns.len()
            && self.columns.iter().zip(&other.columns).all(same)
    }
}
