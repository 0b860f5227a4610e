//! Facts that no signal reads: what was done about accounts, what they cost, and what they are to reach.

use crate::time::Instant;

/// Whether an account was treated or left alone, to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arm {
    /// Treated.
    Treated,
    /// Held out.
    Holdout,
}

/// One row of what was done about an account. Rows have no key: whoever fills in an outcome later writes a second row with
/// the same account, time and playbook and its own `known_at`; of such rows the one known last holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InterventionFact {
    /// When it was begun.
    pub at: Instant,
    /// When this row became known.
    pub known_at: Instant,
    /// Playbook, code into [`super::Facts::playbooks`].
    pub playbook: u32,
    /// Arm.
    pub arm: Arm,
    /// Who does it, code into [`super::Facts::owners`].
    pub owner: Option<u32>,
    /// By when; a plan.
    pub due: Option<Instant>,
    /// What came of it, code into [`super::Facts::outcomes`].
    pub outcome: Option<u32>,
}

/// A probability that a person put in place of the model's. Rows have no key: of one target the latest holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverrideFact {
    /// From when it holds.
    pub at: Instant,
    /// When it became known.
    pub known_at: Instant,
    /// Name of the target, code into [`super::Facts::override_targets`].
    pub target: u32,
    /// In [0, 1].
    pub probability: f64,
    /// Who says so, code into [`super::Facts::authors`].
    pub author: u32,
    /// Why, code into [`super::Facts::override_reasons`].
    pub reason: u32,
}

/// One version of a cost, booked at `at`. Costs of one account add up over `at`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpendFact {
    /// When it was booked.
    pub at: Instant,
    /// When this version became known.
    pub known_at: Instant,
    /// What it cost to win the customer; `None` where the row says nothing of it.
    pub acquisition_cost: Option<f64>,
    /// What it cost to serve the customer since the row before; `None` where the row says nothing of it.
    pub serve_cost: Option<f64>,
}

/// What a goal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GoalMetric {
    /// Quantity used over the period; of the use case, where there is one.
    Usage,
    /// Users of the use case over the period; features in use, without one.
    Adoption,
    /// Recurring revenue over the period.
    Revenue,
}

/// One version of a goal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoalFact {
    /// Whose it is; `None`: an owner's.
    pub account: Option<u32>,
    /// Owner, code into [`super::Facts::owners`]; of an account's goal whoever wrote it down.
    pub owner: Option<u32>,
    /// What it is about.
    pub metric: GoalMetric,
    /// Feature or declared workflow, code into [`super::Facts::use_cases`].
    pub use_case: Option<u32>,
    /// What is to be reached by the end.
    pub target: f64,
    /// Beginning of the period.
    pub from: Instant,
    /// Its end, which is not part of it; a plan.
    pub until: Instant,
    /// When this version became known.
    pub known_at: Instant,
}

impl GoalFact {
    /// What the versions of one goal share.
    #[must_use]
    pub fn key(&self) -> (Option<u32>, Option<u32>, GoalMetric, Option<u32>, Instant) {
        (self.account, self.owner, self.metric, self.use_case, self.from)
    }
}
