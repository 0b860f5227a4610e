//! What counts as one witness of an outcome, and what sentences call it.

use serde::{Deserialize, Serialize};

/// The rows of an account are one witness: folds part accounts, intervals resample them. Where rows do not say whose they
/// are, each row counts as one, and no sentence may speak of accounts then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// An account, with all its rows.
    #[default]
    Account,
    /// A row by itself.
    Row,
}

impl Witness {
    /// Of rows that say whose they are, or do not.
    #[must_use]
    pub fn of(knows_accounts: bool) -> Self {
        if knows_accounts { Self::Account } else { Self::Row }
    }

    /// Whether it is the usual one, which older summaries do not name.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub fn is_account(&self) -> bool {
        *self == Self::Account
    }

    /// "account", "row".
    #[must_use]
    pub fn one(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Row => "row",
        }
    }

    /// "accounts", "rows".
    #[must_use]
    pub fn many(self) -> &'static str {
        match self {
            Self::Account => "accounts",
            Self::Row => "rows",
        }
    }

    /// Of training rows, those that a calibrator is fitted on.
    pub(crate) fn held_out(self) -> &'static str {
        match self {
            Self::Account => "held-out accounts of the training rows",
            Self::Row => "held-out training rows",
        }
    }

    /// What there are so many of: "4,000 rows of 250 accounts", or "4,000 rows" where they do not say whose they are. `each`:
    /// what a row is, in brackets, or nothing.
    pub(crate) fn rows_of(self, rows: &str, each: &str, accounts: &str) -> String {
        match self {
            Self::Account => format!("{rows} rows{each} of {accounts} accounts"),
            Self::Row => format!("{rows} rows{each}"),
        }
    }

    /// What an interval that takes rows as independent is good for.
    pub(crate) fn naive(self) -> &'static str {
        match self {
            Self::Account => "The naive interval takes rows of one account as independent, which they are not",
            Self::Row => {
                "Both intervals take rows as independent, since they do not say whose they are; where customers have several, \
                 they are too narrow"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_accounts_are_never_called_accounts() {
        let words = |witness: Witness| {
            let counted = witness.rows_of("4,000", "", "250");
            [witness.one(), witness.many(), witness.held_out(), witness.naive(), counted.as_str()].join(" ")
        };
        assert!(!words(Witness::of(false)).contains("account"), "{}", words(Witness::Row));
        assert!(words(Witness::of(true)).contains("4,000 rows of 250 accounts"));
        assert!(Witness::default().is_account() && !Witness::Row.is_account());
    }
}
