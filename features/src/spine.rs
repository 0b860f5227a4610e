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

/// What makes an account active at `as_of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActiveBy {
    /// MRR above 0.
    #[default]
    Subscription,
    /// A use known within [`Eligibility::within_days`] before `as_of`.
    Usage,
}

/// Which accounts get a row at `as_of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eligibility {
    /// What makes an account active.
    pub active_by: ActiveBy,
    /// Length of the window of [`ActiveBy::Usage`], in days.
    pub within_days: u32,
    /// Least days from sign-up to `as_of`.
    pub min_tenure_days: u32,
}
