//! What the probabilities mean for revenue, and for tomorrow's calls.
//!
//! Everything here is recomputable for any past `as_of`: a fact counts only if it happened and was known before it, by the
//! same rule as the features. Money is counted in whole cents ([`money::Cents`]), so that identities hold to the cent.

pub mod account;
pub mod account_page;
pub mod archetype;
pub mod base;
pub mod behaviour;
pub mod billing;
pub mod change;
pub mod cohort;
pub mod compared;
pub mod curve;
pub mod expansion;
pub mod export;
pub mod forecast;
pub mod goal;
pub mod intervention;
pub mod judgement;
pub mod known;
pub mod landmark;
pub mod level;
pub mod mix;
pub mod money;
pub mod movement;
pub mod nps;
pub mod page;
pub mod plan_move;
pub mod pool;
pub mod renewal;
pub mod retention;
mod run;
pub mod scored;
pub mod segment;
pub mod settings;
pub mod tables;
pub mod terms;
pub mod timeline;
pub mod value;

use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use rayon::prelude::*;

use crate::change::ChangeSum;
use crate::cohort::{CohortAge, CohortSpan};
use crate::movement::MonthlyMovements;
use crate::retention::Retention;
use crate::segment::{SegmentRow, SizeCutOffs};
use crate::timeline::Timeline;

/// What the outlook is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutlookSettings {
    /// A gap in paying shorter than this is a late renewal.
    pub grace_days: u32,
    /// From which annual value an account is of which size.
    pub sizes: SizeCutOffs,
}

impl Default for OutlookSettings {
    fn default() -> Self {
        Self { grace_days: 14, sizes: SizeCutOffs::default() }
    }
}

/// The base as it was known at `as_of`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// The day; nothing from it on counts.
    pub as_of: NaiveDate,
    /// Month by month.
    pub movements: Vec<MonthlyMovements>,
    /// The twelve months to the end of each of those months.
    pub trailing_years: Vec<Retention>,
    /// The twelve months that ended twelve months before `as_of`, as known now: what the last of them is compared with.
    pub year_before: Retention,
    /// By month of the first payment.
    pub monthly_cohorts: Vec<CohortAge>,
    /// By quarter.
    pub quarterly_cohorts: Vec<CohortAge>,
    /// Groups over the last twelve months.
    pub segments: Vec<SegmentRow>,
    /// Expansions and contractions of the last twelve months by kind.
    pub changes: Vec<ChangeSum>,
}

impl Outlook {
    /// From the facts known before `as_of`, and the [`timelines`] of that day. Without subscriptions every table is empty.
    #[must_use]
    pub fn of(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate, sizes: SizeCutOffs) -> Self {
        let movements = movement::of_timelines(timelines, as_of);
        let ends = level::months(&movements, as_of).into_iter().map(|(_, end)| (level::year_before(end), end));
        let trailing_years = Retention::of_spans(timelines, &ends.collect::<Vec<_>>());
        let year_ago = level::year_before(as_of);
        Self {
            as_of,
            trailing_years,
            year_before: Retention::between(timelines, level::year_before(year_ago), year_ago),
            monthly_cohorts: cohort::cohorts(timelines, as_of, CohortSpan::Month),
            quarterly_cohorts: cohort::cohorts(timelines, as_of, CohortSpan::Quarter),
            segments: segment::segments(facts, timelines, as_of, sizes),
            changes: change::sums_of_last_year(timelines, as_of),
            movements,
        }
    }
}

/// What every account paid when, as known before `as_of`, in the order of [`Facts::accounts`].
#[must_use]
pub fn timelines(facts: &Facts, as_of: NaiveDate, grace_days: u32) -> Vec<Timeline> {
    let end = Instant::start_of(as_of);
    let accounts = (0..facts.accounts.len()).into_par_iter();
    accounts.map(|account| Timeline::of(facts, account, end, grace_days)).collect()
}
