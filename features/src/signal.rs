//! What a signal is: the one definition that training, the nightly job, reports and reasons read.

use serde::{Deserialize, Serialize};

/// Which thought a signal belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// How hard the product is worked.
    Usage,
    /// How widely.
    Adoption,
    /// What customers say.
    Nps,
    /// How they pay.
    Payments,
    /// What they bought, and when.
    Commercial,
    /// Where it hurts.
    Support,
    /// Who they are.
    Segment,
}

/// How a value is written; the same names as in the bundle's `signals.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Events, users, features, tickets...
    Count,
    /// Days.
    Days,
    /// A fraction of a whole.
    Share,
    /// A relative change; -0.3 is "fell 30 %".
    RelativeChange,
    /// A difference of counts or points.
    Difference,
    /// The project's currency.
    Money,
    /// A score, such as NPS.
    Score,
    /// A multiple.
    Ratio,
    /// 1 or 0.
    Flag,
    /// A category.
    Category,
}

/// In which direction a higher value is expected to move a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A higher value goes with a higher probability.
    Up,
    /// A higher value goes with a lower probability.
    Down,
    /// No expectation.
    Unknown,
}

/// One signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalDefinition {
    /// Column name, e.g. `usage_events_28d`.
    pub name: String,
    /// Family.
    pub family: Family,
    /// Signals with one idea are one reason, e.g. `usage.events.change`.
    pub idea: String,
    /// Unit.
    pub unit: Unit,
    /// Length of the window in days, where there is one.
    pub window_days: Option<u32>,
    /// Canonical table that it is computed from.
    pub table: String,
    /// Text with one `{value}`, e.g. "events in the last 28 days {value} against the 28 days before".
    pub text: String,
    /// Expected direction for churn.
    pub churn: Direction,
    /// Expected direction for expansion.
    pub expansion: Direction,
    /// Whether anyone can act on it; tenure and segment are fixed facts.
    pub actionable: bool,
    /// Everything else that the value depends on, in words that change when the computation changes (e.g. the declared
    /// catalogue); part of the digest.
    pub parameters: String,
}
