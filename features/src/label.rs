//! What happened next.
//!
//! Labels look forward: `[as_of, as_of + horizon)`. They are computed from the facts known strictly before `known_before`,
//! so the labels of any past day can be rebuilt as they were known then. A label is **absent**, never negative, when its
//! label interval (horizon + grace + landing delay) is not over at `known_before`, when there is no baseline to compare
//! with, and when the outcome already lay before `as_of` (a cancellation that became known late: nothing was left to
//! predict, and nothing of the outcome lies in the window).
//!
//! `time = event` places an outcome by when it happened, `time = known` by when it became known. Baselines: the MRR at
//! `as_of` is the one visible then (the model saw the same); the users and the quantity of the window before `as_of` are
//! counted by the same time and from the same facts as those of the window after it, so that facts that land late do not
//! make an increase.

mod subscription;
mod usage;

use chrono::{Days, NaiveDate};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::account::AccountHistory;
use crate::facts::Facts;
use crate::spine::Spine;
use crate::time::Instant;

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
    /// A column of a matrix that somebody else made says so: there are no facts to compute it from, and
    /// [`Labels::compute`] refuses it.
    Given,
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

/// Why labels cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum LabelError {
    /// The table of the outcome is not there.
    #[error("target {target}: expected the table `{table}`, which its event is read from, found no such table")]
    #[diagnostic(
        code(bellwether::label::missing_table),
        help("declare [tables.{table}] in bellwether.toml, or choose an event of another table")
    )]
    MissingTable {
        /// Target.
        target: String,
        /// Table.
        table: &'static str,
    },
}

impl Event {
    /// The canonical table that the outcome is read from.
    #[must_use]
    pub fn table(&self) -> &'static str {
        match self {
            Self::SubscriptionEnd | Self::MrrIncrease { .. } => "subscriptions",
            Self::Inactivity | Self::ActiveUsersIncrease { .. } | Self::QuantityIncrease { .. } => "usage",
            Self::Given => "matrix",
        }
    }
}

/// The window of one label.
#[derive(Debug, Clone, Copy)]
struct Window {
    as_of: Instant,
    /// First instant after the horizon.
    end: Instant,
    horizon_days: u32,
    grace_days: u32,
    known_before: Instant,
    time: OutcomeTime,
}

impl Window {
    /// Whether an outcome that happened and became known at these times is placed in the window.
    fn holds(&self, happened_at: Instant, known_at: Instant) -> bool {
        let placed = self.place(happened_at, known_at);
        placed >= self.as_of && placed < self.end
    }

    /// The time that places an outcome.
    fn place(&self, happened_at: Instant, known_at: Instant) -> Instant {
        match self.time {
            OutcomeTime::Event => happened_at,
            OutcomeTime::Known => known_at,
        }
    }
}

/// A label and its uplift.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Outcome {
    value: Option<bool>,
    uplift: Option<f32>,
}

impl Outcome {
    const ABSENT: Self = Self { value: None, uplift: None };

    fn plain(value: Option<bool>) -> Self {
        Self { value, uplift: None }
    }
}

/// At least `ratio` times the baseline and at least `min_absolute` more.
///
/// The comparison allows a relative error of 1e-9, so that 110 is 1.1 times 100 although `1.1 * 100.0 > 110.0`.
#[derive(Debug, Clone, Copy)]
struct Increase {
    ratio: f64,
    min_absolute: f64,
}

impl Increase {
    fn is_met(self, baseline: f64, value: f64) -> bool {
        let least = (self.ratio * baseline).max(baseline + self.min_absolute);
        value >= least - 1e-9 * least.abs()
    }
}

impl Labels {
    /// The labels of `target` for the rows of `spine`, from facts known strictly before `known_before`.
    ///
    /// # Errors
    /// [`LabelError::MissingTable`] when the table of the target's event is not there.
    pub fn compute(
        facts: &Facts,
        spine: &Spine,
        target: &TargetDefinition,
        known_before: NaiveDate,
    ) -> Result<Self, LabelError> {
        let table = target.event.table();
        let is_there = match table {
            "usage" => facts.usage.is_some(),
            "subscriptions" => facts.subscriptions.is_some(),
            _ => false,
        };
        if !is_there {
            return Err(LabelError::MissingTable { target: target.name.clone(), table });
        }
        let rows = spine.accounts.par_iter().zip(&spine.as_of);
        let outcome = |(account, as_of): (&u32, &NaiveDate)| {
            let history = AccountHistory::before(facts, *account as usize, Instant::start_of(known_before));
            target.window(*as_of, known_before).map_or(Outcome::ABSENT, |window| target.outcome(&history, &window))
        };
        let outcomes: Vec<Outcome> = rows.map(outcome).collect();
        Ok(Self {
            target: target.clone(),
            known_before,
            values: outcomes.iter().map(|outcome| outcome.value).collect(),
            uplift: outcomes.iter().map(|outcome| outcome.uplift).collect(),
        })
    }
}

impl TargetDefinition {
    /// First date at which the label of `as_of` is mature: `as_of` + label interval; `None` beyond the calendar.
    #[must_use]
    pub fn matures_on(&self, as_of: NaiveDate) -> Option<NaiveDate> {
        as_of.checked_add_days(Days::new(u64::from(self.label_interval_days())))
    }

    /// The window of a mature label.
    fn window(&self, as_of: NaiveDate, known_before: NaiveDate) -> Option<Window> {
        self.matures_on(as_of).filter(|mature| *mature <= known_before)?;
        let as_of = Instant::start_of(as_of);
        Some(Window {
            as_of,
            end: as_of.plus_days(i64::from(self.horizon_days)),
            horizon_days: self.horizon_days,
            grace_days: self.grace_days,
            known_before: Instant::start_of(known_before),
            time: self.time,
        })
    }

    fn outcome(&self, history: &AccountHistory<'_>, window: &Window) -> Outcome {
        match self.event {
            Event::SubscriptionEnd => Outcome::plain(subscription::ended(history, window)),
            Event::Inactivity => Outcome::plain(Some(usage::is_silent(history.usage, window))),
            Event::MrrIncrease { ratio, min_absolute } => {
                subscription::increased(history, window, Increase { ratio, min_absolute })
            }
            Event::ActiveUsersIncrease { ratio, min_absolute } => {
                let increase = Increase { ratio, min_absolute };
                Outcome::plain(usage::increased(history.usage, window, increase, usage::distinct_users))
            }
            Event::QuantityIncrease { ratio, min_absolute } => {
                let increase = Increase { ratio, min_absolute };
                Outcome::plain(usage::increased(history.usage, window, increase, usage::total_quantity))
            }
            Event::Given => Outcome::ABSENT,
        }
    }
}
