//! What usually precedes an expansion, and what follows a plateau.
//!
//! A landmark is a first time: of using an advanced feature or an integration, of nearly all seats in use, of coming near the
//! usage limit, of an answer of 9 or 10, of 13 weeks of level use. Accounts that come to it are compared with accounts that
//! were able to and had not by then: risk sets (Li, Propert and Rosenbaum 2001, J. Am. Stat. Assoc. 96, "Balanced risk set
//! matching"). In each calendar month an account that pays stands in the comparison with a day of that month of its own, which
//! its id decides, if it has not come to the landmark before that day. Only accounts of the same month, plan, size and tenure
//! (less or more than [`TENURE_DAYS`] days since the first payment) are compared, and the difference of the shares that expand
//! within the horizon is Mantel and Haenszel's:
//!
//! `RD = sum_k (a_k n0_k - b_k n1_k) / N_k  /  sum_k n1_k n0_k / N_k`
//!
//! with `a`, `b` outcomes among `n1` accounts with the landmark and `n0` without it in stratum `k`. Its variance is the
//! infinitesimal jackknife over accounts, since one account stands in many months: the derivative of RD by the weight of each
//! row, added up within the account, squared, added up over accounts.
//!
//! Only months count whose outcomes are all known at `as_of`, at most [`MOST_MONTHS`] of them, and none in which a first time
//! may merely be the first on record: less than [`HISTORY_DAYS`] days after the table begins. What precedes an expansion need
//! not bring it about: accounts that are about to grow also use more.

mod first;
mod matched;

use bellwether_features::CatalogueSettings;
use bellwether_features::facts::Facts;
use chrono::NaiveDate;
use serde::Serialize;

use crate::cohort::Share;
use crate::segment::SizeCutOffs;
use crate::timeline::Timeline;

pub use first::{FirstTimes, first_times};

/// Months that are looked at, at most.
pub const MOST_MONTHS: u32 = 24;

/// Days of record before a first time is taken for one.
pub const HISTORY_DAYS: i64 = 91;

/// Days since the first payment that tell new accounts from others.
pub const TENURE_DAYS: i64 = 182;

/// Accounts that a landmark is told of, at least.
pub const LEAST_ACCOUNTS: u64 = 20;

/// Share of the seats in use from which nearly all are.
pub const NEARLY_FULL: f64 = 0.9;

/// Share of the usage limit from which it is near.
pub const NEAR_LIMIT: f64 = 0.8;

/// An event that may come before an expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Landmark {
    /// First use of a feature that is declared advanced.
    AdvancedFeature,
    /// First use of a declared integration.
    Integration,
    /// Distinct users of 28 days reach [`NEARLY_FULL`] of two seats or more.
    SeatsNearlyFull,
    /// Quantity of 30 days reaches [`NEAR_LIMIT`] of the usage limit.
    LimitNear,
    /// First answer of 9 or 10, among accounts that answer.
    PromoterAnswer,
    /// 13 weeks in a row within 5 % of their median, more than none.
    Plateau,
}

impl Landmark {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AdvancedFeature,
        Self::Integration,
        Self::SeatsNearlyFull,
        Self::LimitNear,
        Self::PromoterAnswer,
        Self::Plateau,
    ];

    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AdvancedFeature => "advanced_feature",
            Self::Integration => "integration",
            Self::SeatsNearlyFull => "seats_nearly_full",
            Self::LimitNear => "limit_near",
            Self::PromoterAnswer => "promoter_answer",
            Self::Plateau => "plateau",
        }
    }
}

/// What may follow within the horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sequel {
    /// MRR reaches what the rule calls an expansion.
    Expansion,
    /// MRR falls, but not to 0.
    Contraction,
    /// MRR falls to 0.
    Churn,
}

impl Sequel {
    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expansion => "expansion",
            Self::Contraction => "contraction",
            Self::Churn => "churn",
        }
    }
}

/// What is asked: which landmark, followed by what.
pub(crate) const QUESTIONS: [(Landmark, Sequel); 8] = [
    (Landmark::AdvancedFeature, Sequel::Expansion),
    (Landmark::Integration, Sequel::Expansion),
    (Landmark::SeatsNearlyFull, Sequel::Expansion),
    (Landmark::LimitNear, Sequel::Expansion),
    (Landmark::PromoterAnswer, Sequel::Expansion),
    (Landmark::Plateau, Sequel::Expansion),
    (Landmark::Plateau, Sequel::Contraction),
    (Landmark::Plateau, Sequel::Churn),
];

/// What counts as an expansion, as in the target of that name: at any moment of the horizon, MRR is at least `ratio` times the
/// MRR at its beginning and at least `min_absolute` more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpansionRule {
    /// Least ratio.
    pub ratio: f64,
    /// Least absolute increase, in the project's currency.
    pub min_absolute: f64,
    /// Horizon.
    pub horizon_days: u32,
    /// How long after it its outcomes may still become known.
    pub landing_days: u32,
}

impl Default for ExpansionRule {
    fn default() -> Self {
        Self { ratio: 1.05, min_absolute: 0.0, horizon_days: 60, landing_days: 0 }
    }
}

/// What followed a landmark, against matched accounts without it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preceding {
    /// Landmark.
    pub landmark: Landmark,
    /// What followed.
    pub sequel: Sequel,
    /// Within so many days.
    pub within_days: u32,
    /// Accounts that came to the landmark and have matched ones.
    pub accounts: u64,
    /// Accounts that came to it and have none.
    pub unmatched_accounts: u64,
    /// Account months that they are compared with.
    pub compared_months: u64,
    /// Share that it followed, strata weighed as in the difference.
    pub share: f64,
    /// The same share of matched accounts.
    pub matched: f64,
    /// Difference of the two, with a 95 % interval.
    pub difference: Share,
}

/// Every landmark that at least [`LEAST_ACCOUNTS`] accounts came to in the months that count.
#[must_use]
pub fn landmarks(
    facts: &Facts,
    timelines: &[Timeline],
    as_of: NaiveDate,
    sizes: SizeCutOffs,
    catalogue: &CatalogueSettings,
    rule: &ExpansionRule,
) -> Vec<Preceding> {
    if facts.usage.is_none() && facts.nps.is_none() {
        return Vec::new();
    }
    let Some(months) = matched::Months::before(as_of, rule) else { return Vec::new() };
    let (firsts, begins) = first_times(facts, timelines, as_of, catalogue);
    matched::compared(facts, timelines, &firsts, &months.since(begins), sizes, rule)
}
