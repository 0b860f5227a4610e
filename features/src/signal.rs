//! What a signal is: the one definition that training, the nightly job, reports and reasons read.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Version of the computations behind the definitions; raised whenever a signal's value changes although the words of
/// its definition do not. Part of every digest, so a bundle refuses features made by another version.
pub const ENGINE_VERSION: u32 = 1;

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
    /// Who there stands behind it.
    Sponsorship,
    /// Who they are.
    Segment,
    /// A column of a matrix that somebody else made; no signal of the catalogue.
    Given,
}

impl Family {
    /// All families of the catalogue, in the order of lists.
    pub const ALL: [Family; 8] = [
        Self::Usage,
        Self::Adoption,
        Self::Nps,
        Self::Payments,
        Self::Commercial,
        Self::Support,
        Self::Sponsorship,
        Self::Segment,
    ];

    /// What it is about.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Usage => "how hard the product is worked",
            Self::Adoption => "how widely it is used",
            Self::Nps => "what customers say",
            Self::Payments => "how they pay",
            Self::Commercial => "what they bought, and when",
            Self::Support => "where it hurts",
            Self::Sponsorship => "who there stands behind it",
            Self::Segment => "who they are",
            Self::Given => "columns of a matrix of your own",
        }
    }
}

/// How a value is written; the same names as in the bundle's `signals.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Events, users, features, tickets...
    Count,
    /// Days.
    Days,
    /// Days until something comes, at the present rate; told only up to a year.
    DaysAhead,
    /// A fraction of a whole.
    Share,
    /// A relative change; -0.3 is "fell 30 %".
    RelativeChange,
    /// A difference of counts or points.
    Difference,
    /// A difference of fractions of a whole; 0.28 is "+28 %".
    SignedShare,
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
    /// What a null says, in words; without it "not known".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_text: Option<String>,
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

/// What the digest is taken over; the order of the fields is the order in the JSON.
#[derive(Serialize)]
struct Digested<'a> {
    engine_version: u32,
    definition: &'a SignalDefinition,
}

impl SignalDefinition {
    /// SHA-256 (hex) over the JSON of the definition, fields in declared order and without spaces, and
    /// [`ENGINE_VERSION`].
    #[must_use]
    pub fn digest(&self) -> String {
        // Strings, numbers and unit variants only: there is nothing here that JSON could refuse.
        let text = serde_json::to_string(&Digested { engine_version: ENGINE_VERSION, definition: self });
        hex::encode(Sha256::digest(text.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> SignalDefinition {
        SignalDefinition {
            name: "usage_events_28d".to_owned(),
            family: Family::Usage,
            idea: "usage.events".to_owned(),
            unit: Unit::Count,
            window_days: Some(28),
            table: "usage".to_owned(),
            text: "events in the last 28 days: {value}".to_owned(),
            null_text: None,
            churn: Direction::Down,
            expansion: Direction::Up,
            actionable: true,
            parameters: "number of uses".to_owned(),
        }
    }

    #[test]
    fn the_digest_is_pinned_and_follows_every_field() {
        let json =
            r#"{"engine_version":1,"definition":{"name":"usage_events_28d","family":"usage","idea":"usage.events","#
                .to_owned()
                + r#""unit":"count","window_days":28,"table":"usage","text":"events in the last 28 days: {value}","#
                + r#""churn":"down","expansion":"up","actionable":true,"parameters":"number of uses"}}"#;
        assert_eq!(definition().digest(), hex::encode(Sha256::digest(json)));
        let changed = SignalDefinition { parameters: "number of distinct uses".to_owned(), ..definition() };
        assert_ne!(changed.digest(), definition().digest());
        let turned = SignalDefinition { churn: Direction::Unknown, ..definition() };
        assert_ne!(turned.digest(), definition().digest());
        let told = SignalDefinition { null_text: Some("no events".to_owned()), ..definition() };
        assert_ne!(told.digest(), definition().digest());
    }
}
