//! What happened next.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// What makes a label positive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// MRR reaches 0 within the horizon and stays 0 for the grace period.
    SubscriptionEnd,
    /// No usage within the horizon.
    Inactivity,
    /// At any moment of the horizon, MRR is at least `ratio` times the MRR at `as_of` and at least `min_absolute` more.
    MrrIncrease {
        /// Least ratio.
        ratio: f64,
        /// Least absolute increase.
        min_absolute: f64,
    },
    /// Distinct users of the horizon against those of the window of the same length before `as_of`.
    ActiveUsersIncrease {
        /// Least ratio.
        ratio: f64,
        /// Least absolute increase.
        min_absolute: f64,
    },
    /// Quantity of the horizon against that of the window of the same length before `as_of`.
    QuantityIncrease {
        /// Least ratio.
        ratio: f64,
        /// Least absolute increase.
        min_absolute: f64,
    },
}

/// Which time places an outcome in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeTime {
    /// When it happened.
    Event,
    /// When it became known.
    Known,
}

/// A target, resolved and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetDefinition {
    /// Name, e.g. `churn_90d`.
    pub name: String,
    /// What makes it positive.
    pub event: Event,
    /// Which time places the outcome.
    pub time: OutcomeTime,
    /// Length of the label window in days.
    pub horizon_days: u32,
    /// Days that MRR must stay 0 (subscription end only).
    pub grace_days: u32,
    /// Days that facts may land late.
    pub landing_delay_days: u32,
    /// Definition in words.
    pub text: String,
}

impl TargetDefinition {
    /// Horizon + grace + landing delay: a label is mature only when all of it lies in the past. Purge and maturity always
    /// use this.
    #[must_use]
    pub fn label_interval_days(&self) -> u32 {
        self.horizon_days + self.grace_days + self.landing_delay_days
    }
}

/// Labels of one target over the rows of a spine.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// The target.
    pub target: TargetDefinition,
    /// Facts known strictly before this date were used; a label whose interval ends after it is absent.
    pub known_before: NaiveDate,
    /// `None`: absent (immature, or without a baseline). Same rows as the spine.
    pub values: Vec<Option<bool>>,
    /// Relative MRR uplift of the rows that expanded (mrr_increase only), else `None`.
    pub uplift: Vec<Option<f32>>,
}
