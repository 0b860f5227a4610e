//! What the outlook of the date says is done for the account: its service level and play.
//!
//! The scores have a service level by MRR alone; that of the outlook goes by expected lifetime value, and is what the team
//! works with. The page tells the outlook's where there is one made from the same scores.

use std::fs::File;
use std::path::Path;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::scored::{Columns, ScoredAccount, ScoredBase, ScoresReadError, rows_of};
use crate::tables::accounts_of;

/// What is done for an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// `high`, `medium`, `low`, by expected lifetime value.
    pub value_tier: Option<String>,
    /// One of six.
    pub service_level: Option<String>,
    /// What is done.
    pub play: Option<String>,
    /// `saveable`, `lost`.
    pub prospect: Option<String>,
}

/// The columns that are read.
const WANTED: [&str; 7] =
    ["account_id", "value_tier", "service_level", "play", "prospect", "churn_probability", "expansion_probability"];

impl Service {
    /// Of the outlook of the date of these scores below `out`; `None` where there is none, where the account is not in it, or where it was made from
    /// other scores than these.
    ///
    /// # Errors
    /// [`ScoresReadError`] for a table that cannot be read.
    pub fn read(out: &Path, base: &ScoredBase, scored: &ScoredAccount) -> Result<Option<Self>, ScoresReadError> {
        let Some(path) = accounts_of(out, base.as_of) else { return Ok(None) };
        let name = path.display().to_string();
        let damaged = |found: String| ScoresReadError::Damaged { path: name.clone(), found };
        let file = File::open(&path).map_err(|source| ScoresReadError::Io { path: name.clone(), source })?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), WANTED);
        let filter = rows_of(&scored.account_id, &builder);
        let reader = builder.with_row_filter(filter).with_projection(mask).build();
        for batch in reader.map_err(|error| damaged(error.to_string()))? {
            let batch = batch.map_err(|error| damaged(error.to_string()))?;
            if batch.num_rows() == 0 {
                continue;
            }
            let columns = Columns { path: &name, batch: &batch };
            let number = |column: &str| Ok(crate::scored::number(columns.numbers(column)?, 0));
            if [number("churn_probability")?, number("expansion_probability")?] != base.churn_and_expansion(scored) {
                return Ok(None);
            }
            let text = |column: &str| Ok(crate::scored::text(columns.texts(column)?, 0));
            return Ok(Some(Self {
                value_tier: text("value_tier")?,
                service_level: text("service_level")?,
                play: text("play")?,
                prospect: text("prospect")?,
            }));
        }
        Ok(None)
    }
}
