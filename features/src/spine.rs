//! Which rows to compute.

use chrono::NaiveDate;

/// Eligible (account, as_of) pairs, sorted by (as_of, account_id).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spine {
    /// Account index into [`crate::facts::Facts::accounts`], per row.
    pub accounts: Vec<u32>,
    /// Observation date, per row.
    pub as_of: Vec<NaiveDate>,
    /// Accounts that were given but not eligible, per distinct date in `dates`.
    pub ineligible: Vec<usize>,
    /// The distinct dates asked for, ascending.
    pub dates: Vec<NaiveDate>,
}
