//! What the contract says about the product: its features, which of them carry value, and how tickets are worded.

use super::DeclaredSignal;

/// An ordered list of features that together are one piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workflow {
    /// Name, e.g. `publish`.
    pub name: String,
    /// Features in order; the first starts the workflow, the last completes it.
    pub steps: Vec<String>,
}

/// Declared product knowledge that signals depend on; names are those of the usage table, byte-exact.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CatalogueSettings {
    /// Every feature that the product offers; empty: not declared.
    pub features: Vec<String>,
    /// Features that only advanced customers use.
    pub advanced: Vec<String>,
    /// Integrations with other products.
    pub integrations: Vec<String>,
    /// Features in whose use the customer gets the value paid for.
    pub value_moments: Vec<String>,
    /// Ticket categories that complain ("why doesn't it").
    pub complaint_categories: Vec<String>,
    /// Ticket categories that ask ("how do I").
    pub how_to_categories: Vec<String>,
    /// Declared workflows, sorted by name.
    pub workflows: Vec<Workflow>,
    /// Days after a review by which the next one is due; `None`: not declared.
    pub review_interval_days: Option<u32>,
    /// Patterns of the signals to compute; `None`: all.
    pub include: Option<Vec<String>>,
    /// Patterns of signals to leave out.
    pub exclude: Vec<String>,
    /// Signals that the business declares itself, sorted by name.
    pub declared: Vec<DeclaredSignal>,
}

impl CatalogueSettings {
    /// Whether any signal may ask since when uses are on record: those of first value moments and first workflow runs do.
    pub(crate) fn asks_when_usage_begins(&self) -> bool {
        !self.value_moments.is_empty() || !self.workflows.is_empty()
    }

    /// Whether the signal is to be computed.
    pub(crate) fn wants(&self, signal: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, signal));
        self.include.as_deref().is_none_or(any) && !any(&self.exclude)
    }
}

/// Whether a name is what a pattern says; `*` stands for any text, also none.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = pattern.contains('*').then(|| parts.next_back()).flatten() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_nothing_else_is() {
        let yes = [
            ("a", "a"),
            ("*", ""),
            ("usage_*", "usage_"),
            ("*_28d", "usage_events_28d"),
            ("u*e*d", "usage_events_28d"),
        ];
        for (pattern, name) in yes {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        let no = [
            ("a", "ab"),
            ("usage_*", "nps_latest"),
            ("*_28d", "usage_28d_x"),
            ("ab*b", "ab"),
            ("a*b*b", "ab"),
            ("", "a"),
        ];
        for (pattern, name) in no {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_excluded_is_out_even_if_included() {
        let settings = CatalogueSettings {
            include: Some(vec!["usage_*".to_owned()]),
            exclude: vec!["*_7d".to_owned()],
            ..CatalogueSettings::default()
        };
        let wanted = ["usage_events_28d", "usage_events_7d", "nps_latest"].map(|name| settings.wants(name));
        assert_eq!(wanted, [true, false, false]);
        assert!(CatalogueSettings::default().wants("anything"));
    }
}
