//! Goals against what was reached: per account, owner and segment.
//!
//! A goal counts from its beginning on, as known at `as_of`. What was reached is counted over its period so far:
//!
//! - usage: quantity, of the use case where there is one;
//! - adoption: distinct users of the use case; without one, distinct features in use;
//! - revenue: MRR in force by time ([`crate::billing::accrued`]).
//!
//! A use case is a feature, or a declared workflow, of which the last step counts. An owner's goal is reached by all accounts
//! that are theirs at `as_of` together; users and features are then added up over accounts.
//!
//! What is due so far is pro rata: `target x elapsed / length`, in time, with no season and no ramp. A goal with at least that
//! is on track; what is missing from it is the leak, and what is above the whole target the overage.
//!
//! The forecast of consumption goes on as in the last [`WEEKS`] whole weeks (at least [`LEAST_WEEKS`], since the first visible
//! use): `reached + R m`, with `m` and `s` mean and standard deviation of a week and `R` weeks to the end; 95 % interval
//! `± t s sqrt(R + R^2 / n)` with Student's t of `n - 1`: the weeks to come, and not knowing their mean. Of sums over accounts
//! the variances add up and t is 1.96. Weeks are taken as independent, so the interval
//! is too narrow where use swings slowly. Revenue goes on at the MRR of today, which is no forecast of churn and has no
//! interval; users and features are not forecast.

use std::collections::BTreeMap;

use bellwether_features::facts::{Facts, GoalFact, GoalMetric, Names};
use bellwether_features::time::{Instant, MICROS_PER_DAY};
use chrono::NaiveDate;
use rayon::prelude::*;

mod reached;
mod sums;

pub use reached::{Forecast, Reached};
pub use sums::GoalSum;

use crate::known;
use crate::timeline::Timeline;
use reached::Measuring;

/// Whole weeks before `as_of` that a forecast goes by.
pub const WEEKS: usize = 13;
/// With fewer of them there is no forecast.
pub const LEAST_WEEKS: usize = 4;
/// Goals that ended longer ago than this are not told any more.
pub const TOLD_DAYS: i64 = 90;

/// Name of a metric as in tables.
#[must_use]
pub fn metric_name(metric: GoalMetric) -> &'static str {
    match metric {
        GoalMetric::Usage => "usage",
        GoalMetric::Adoption => "adoption",
        GoalMetric::Revenue => "revenue",
    }
}

/// A goal, and how it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoalState {
    /// The goal, in the version that holds.
    pub goal: GoalFact,
    /// Who looks after the account, or whose goal it is; code into [`Facts::owners`].
    pub owner: Option<u32>,
    /// Segment of the account, code into [`Facts::segments`]; `None` also of an owner's goal.
    pub segment: Option<u32>,
    /// What was reached; `None` where it cannot be known: no usage, no users, no subscriptions, no such use case.
    pub reached: Option<Reached>,
    /// Pro rata share of the target.
    pub due: f64,
    /// Whether its period was over at `as_of`.
    pub is_over: bool,
}

impl GoalState {
    /// Whether at least what is due was reached.
    #[must_use]
    pub fn on_track(&self) -> Option<bool> {
        // What is due is a product of floats; the last bits of it decide nothing.
        self.reached.map(|reached| reached.amount >= self.due * (1.0 - 1e-12))
    }

    /// What is missing from what is due.
    #[must_use]
    pub fn leak(&self) -> Option<f64> {
        let is_short = !self.on_track()?;
        self.reached.map(|reached| if is_short { self.due - reached.amount } else { 0.0 })
    }

    /// What is above the whole target.
    #[must_use]
    pub fn overage(&self) -> Option<f64> {
        self.reached.map(|reached| (reached.amount - self.goal.target).max(0.0))
    }
}

/// Every goal of the present and of the last [`TOLD_DAYS`], by beginning, account, owner, metric and use case.
#[must_use]
pub fn goals(
    facts: &Facts,
    timelines: &[Timeline],
    as_of: NaiveDate,
    workflows: &BTreeMap<String, String>,
) -> Vec<GoalState> {
    let end = Instant::start_of(as_of);
    let goals = held(facts, end);
    let owners: Vec<Option<u32>> = (0..facts.accounts.len())
        .into_par_iter()
        .map(|account| known::account(facts, account, end).and_then(|row| row.owner))
        .collect();
    let mut of_owner: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (account, owner) in owners.iter().enumerate() {
        if let Some(owner) = owner {
            of_owner.entry(*owner).or_default().push(account);
        }
    }
    let measuring = Measuring { facts, timelines, as_of: end, features: use_case_features(facts, workflows) };
    let state = |goal: GoalFact| {
        let account = goal.account.map(|account| account as usize);
        let theirs = goal.owner.and_then(|owner| of_owner.get(&owner));
        let reached = match account {
            Some(account) => measuring.of(&goal, &[account]),
            // An owner of nobody has reached nothing; who owns what must be known, though.
            None => facts.owners.is_there.then(|| measuring.of(&goal, theirs.map_or(&[], Vec::as_slice))).flatten(),
        };
        GoalState {
            goal,
            owner: account.map_or(goal.owner, |account| owners[account].or(goal.owner)),
            segment: account.and_then(|account| known::account(facts, account, end)?.segment),
            reached,
            due: goal.target * elapsed_share(&goal, end),
            is_over: goal.until <= end,
        }
    };
    goals.into_par_iter().map(state).collect()
}

/// The goals that count, each in the version known last.
fn held(facts: &Facts, as_of: Instant) -> Vec<GoalFact> {
    let goals = facts.goals.as_deref().unwrap_or_default();
    let counts = |goal: &&GoalFact| {
        let since = |account: u32| facts.count_since(bellwether_features::contract::TableName::Goals, account as usize);
        let is_entered = goal.account.is_none_or(|account| since(account) < as_of);
        goal.from < as_of && goal.known_at < as_of && is_entered
    };
    let mut latest = BTreeMap::new();
    // By beginning, then knowledge: the later version takes the place of the earlier.
    for goal in goals.iter().filter(counts) {
        let (account, owner, metric, use_case, from) = goal.key();
        latest.insert((from, account, owner, metric, use_case), *goal);
    }
    let told = |goal: &GoalFact| goal.until.plus_days(TOLD_DAYS) >= as_of;
    latest.into_values().filter(told).collect()
}

/// How much of the period has gone, from 0 to 1.
fn elapsed_share(goal: &GoalFact, as_of: Instant) -> f64 {
    let (gone, length) = (goal.until.min(as_of).0 - goal.from.0, goal.until.0 - goal.from.0);
    gone as f64 / length.max(1) as f64
}

/// By code of the use case, the feature that counts; `None` for one that is neither a feature in use nor a workflow.
fn use_case_features(facts: &Facts, workflows: &BTreeMap<String, String>) -> Vec<Option<u32>> {
    let code = |names: &Names, name: &str| {
        names.names.binary_search_by(|known| known.as_str().cmp(name)).ok().and_then(|place| u32::try_from(place).ok())
    };
    let feature = |name: &String| {
        let last_step = workflows.get(name).map_or(name.as_str(), String::as_str);
        code(&facts.features, last_step)
    };
    facts.use_cases.names.iter().map(feature).collect()
}

/// Days of a span.
fn days(micros: i64) -> f64 {
    micros as f64 / MICROS_PER_DAY as f64
}
