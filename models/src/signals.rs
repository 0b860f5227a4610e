//! What a reader is told about each input: `signals.json` of the bundle.

use serde::{Deserialize, Serialize};

use crate::InputKind;

/// How a value of a signal is written in a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Events, users, features, tickets...: a plain number.
    Count,
    /// "15 days".
    Days,
    /// Days until something comes, at the present rate: "in 15 days", "reached", or "not near" beyond a year.
    DaysAhead,
    /// A fraction, written as a percentage.
    Share,
    /// A relative change (-0.3 is "fell 30 %").
    RelativeChange,
    /// A difference of counts or points, written with its sign.
    Difference,
    /// A difference of fractions of a whole, written as a percentage with its sign ("+28 %").
    SignedShare,
    /// An amount in the project's currency.
    Money,
    /// A score such as NPS, 0 to 10.
    Score,
    /// A multiple ("1.5 times").
    Ratio,
    /// 1 is yes, 0 is no.
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

/// The card of one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalCard {
    /// Name of the input.
    pub name: String,
    /// Family, e.g. `usage`.
    pub family: String,
    /// Inputs with the same idea are one reason, e.g. `usage.events.change`.
    pub idea: String,
    /// How a value is written.
    pub unit: Unit,
    /// Length of the window in days, where there is one.
    pub window_days: Option<u32>,
    /// Text with one `{value}`, e.g. "events in the last 28 days {value} against the 28 days before".
    pub text: String,
    /// What a missing value says, in words; without it "not known".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_text: Option<String>,
    /// Expected direction for churn.
    pub churn: Direction,
    /// Expected direction for expansion.
    pub expansion: Direction,
    /// Whether anyone can act on it; tenure and segment are fixed facts.
    pub actionable: bool,
    /// Median over the training rows: a reason is marked `-` below it and `+` above it. Null for a category.
    pub typical: Option<f64>,
}

impl SignalCard {
    /// The card of an input that nobody described: its own idea, told as "name: value". Nobody said that it is
    /// a fixed fact, so it is not called one.
    #[must_use]
    pub fn unknown(name: &str, kind: &InputKind) -> Self {
        Self {
            name: name.to_owned(),
            family: "unknown".to_owned(),
            idea: name.to_owned(),
            unit: if *kind == InputKind::Numeric { Unit::Count } else { Unit::Category },
            window_days: None,
            text: format!("{name}: {{value}}"),
            null_text: None,
            churn: Direction::Unknown,
            expansion: Direction::Unknown,
            actionable: true,
            typical: None,
        }
    }
}
