//! Which rows to compute.
//!
//! A row is an (account, as_of) pair of an account that is there at `as_of`, active, and old enough, all judged by facts
//! visible at `as_of`. Nothing that happens later can bring a row in or take it out, so a base built tonight and the same
//! base rebuilt in a year have the same rows. Accounts that are there but not eligible are counted; accounts that nobody
//! knew of yet are not even that.

use std::ops::Range;

use chrono::NaiveDate;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::account::AccountHistory;
use crate::facts::Facts;
use crate::time::Instant;

/// What makes an account active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveBy {
    /// The subscription visible at `as_of` has an MRR above 0.
    #[default]
    Subscription,
    /// A visible use became known within the last `within_days` days: known in `[as_of - within, as_of)`.
    Usage,
}

/// Which accounts get a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Eligibility {
    /// What makes an account active.
    pub active_by: ActiveBy,
    /// For [`ActiveBy::Usage`]: how far back a use still counts, in days.
    pub within_days: u32,
    /// Least number of days since sign-up (the first visible use or subscription where sign-up is unknown).
    pub min_tenure_days: u32,
}

impl Default for Eligibility {
    fn default() -> Self {
        Self { active_by: ActiveBy::Subscription, within_days: 90, min_tenure_days: 14 }
    }
}

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

/// What an account is at a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing about it is visible yet.
    Unknown,
    /// Given, without a row.
    Ineligible,
    /// It has a row.
    Eligible,
}

impl Spine {
    /// The eligible pairs at `dates` (in any order; repeated dates count once).
    ///
    /// An account is *given* at a date when its own row, a use or a subscription is visible then; given accounts are
    /// either rows or counted in [`Spine::ineligible`].
    #[must_use]
    pub fn build(facts: &Facts, eligibility: &Eligibility, dates: &[NaiveDate]) -> Self {
        let mut distinct = dates.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let moments: Vec<Instant> = distinct.iter().map(|date| Instant::start_of(*date)).collect();
        // Account by account, since an account's facts stand together; then put together date by date.
        let at_all_dates = |account: usize| {
            let history = |moment| AccountHistory::before(facts, account, moment);
            let whole = facts.entries.is_none().then(|| history(Instant(i64::MAX)));
            let at = |as_of: &Instant| standing(&whole.unwrap_or_else(|| history(*as_of)), eligibility, *as_of);
            moments.iter().map(at).collect::<Vec<_>>()
        };
        let accounts = (0..facts.accounts.len()).into_par_iter().with_min_len(64);
        let standings: Vec<Vec<Standing>> = accounts.map(at_all_dates).collect();
        let mut spine = Self { dates: distinct, ..Self::default() };
        for (index, date) in spine.dates.iter().enumerate() {
            let before = spine.accounts.len();
            let eligible = (0_u32..).zip(&standings).filter(|(_, all)| all[index] == Standing::Eligible);
            spine.accounts.extend(eligible.map(|(account, _)| account));
            spine.as_of.extend(std::iter::repeat_n(*date, spine.accounts.len() - before));
            spine.ineligible.push(standings.iter().filter(|all| all[index] == Standing::Ineligible).count());
        }
        spine
    }

    /// The rows of each date.
    pub(crate) fn ranges(&self) -> Vec<Range<usize>> {
        let rows = |date: &NaiveDate| {
            self.as_of.partition_point(|as_of| as_of < date)..self.as_of.partition_point(|as_of| as_of <= date)
        };
        self.dates.iter().map(rows).collect()
    }

    /// Of the rows of one date, those of consecutive accounts.
    pub(crate) fn rows_of(&self, rows: &Range<usize>, accounts: &Range<usize>) -> Range<usize> {
        let there = &self.accounts[rows.clone()];
        let before = |account: usize| rows.start + there.partition_point(|known| (*known as usize) < account);
        before(accounts.start)..before(accounts.end)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

fn standing(history: &AccountHistory<'_>, eligibility: &Eligibility, as_of: Instant) -> Standing {
    if !history.is_known(as_of) {
        return Standing::Unknown;
    }
    let active = match eligibility.active_by {
        ActiveBy::Subscription => history.subscription(as_of).is_some_and(|row| row.mrr > 0.0),
        ActiveBy::Usage => history.use_became_known_since(as_of.plus_days(-i64::from(eligibility.within_days)), as_of),
    };
    let tenure = history.start(as_of).map(|start| as_of.day() - start.day());
    let old_enough = tenure.is_some_and(|days| days >= i64::from(eligibility.min_tenure_days));
    if active && old_enough { Standing::Eligible } else { Standing::Ineligible }
}
