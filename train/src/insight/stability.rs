//! How steady the reasons are: the three strongest of the same accounts, as two refits in a row see them.
//!
//! A reader who is told another story each quarter, of an account in which nothing has changed, stops reading. Both refits
//! explain the same rows, the last one's judged rows, so that what differs comes from the models alone. Compared are the
//! sets of what would be told, whatever the order; nothing is said about which of the two is right.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_models::{Explanation, FeatureBlock, SignalBook};
use serde::{Deserialize, Serialize};

/// Reasons compared per account.
const REASONS: usize = 3;
/// Accounts compared at most, one row of each.
const MOST_ACCOUNTS: usize = 2_000;

/// How far two refits in a row agree on the three strongest reasons of the same accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReasonStability {
    /// The earlier refit.
    pub earlier: String,
    /// The later one.
    pub later: String,
    /// Accounts compared, each on its last judged date; those that have a reason under both.
    pub accounts: usize,
    /// Share of the accounts with 0, 1, 2 and 3 reasons in common; adds up to 1.
    pub in_common: [f64; REASONS + 1],
    /// Mean over accounts of `|both| / |either|`, in [0, 1].
    pub mean_jaccard: f64,
}

/// What one refit says of some rows.
pub(super) struct Told<'a> {
    pub(super) refit: String,
    pub(super) book: SignalBook,
    pub(super) block: &'a FeatureBlock,
    pub(super) explanations: &'a [Explanation],
}

impl Told<'_> {
    fn reasons(&self, row: usize) -> BTreeSet<&str> {
        let top = self.book.top_themes(&self.explanations[row], self.block, row, REASONS);
        top.into_iter().map(|theme| self.book.themes()[theme].as_str()).collect()
    }
}

/// Positions of the last row of each account, in order of the accounts; at most so many as are compared.
pub(super) fn last_rows(accounts: &[u32]) -> Vec<usize> {
    let last: BTreeMap<u32, usize> = accounts.iter().enumerate().map(|(row, account)| (*account, row)).collect();
    last.into_values().take(MOST_ACCOUNTS).collect()
}

/// Compares what two refits say of the same rows; `None` where no row has a reason under both.
pub(super) fn compare(earlier: &Told<'_>, later: &Told<'_>) -> Option<ReasonStability> {
    let rows = earlier.explanations.len().min(later.explanations.len());
    let (mut counts, mut jaccard, mut accounts) = ([0_usize; REASONS + 1], 0.0, 0_usize);
    for row in 0..rows {
        let (before, after) = (earlier.reasons(row), later.reasons(row));
        if before.is_empty() || after.is_empty() {
            continue;
        }
        let both = before.intersection(&after).count();
        counts[both] += 1;
        jaccard += both as f64 / before.union(&after).count() as f64;
        accounts += 1;
    }
    (accounts > 0).then(|| ReasonStability {
        earlier: earlier.refit.clone(),
        later: later.refit.clone(),
        accounts,
        in_common: counts.map(|count| count as f64 / accounts as f64),
        mean_jaccard: jaccard / accounts as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_models::{Input, InputKind, Signature};

    fn explanation(effects: &[f64]) -> Explanation {
        Explanation {
            base_margin: 0.0,
            margin: effects.iter().sum(),
            base_probability: 0.5,
            probability: 0.5 + effects.iter().sum::<f64>(),
            contributions: effects.to_vec(),
            effects: effects.to_vec(),
        }
    }

    #[test]
    fn overlap_is_counted_by_hand() {
        let input = |name: &str| Input {
            name: name.to_owned(),
            kind: InputKind::Numeric,
            unit: "count".to_owned(),
            nullable: true,
            definition: "00".to_owned(),
        };
        let signature = Signature { inputs: ["a", "b", "c", "d", "e", "f"].map(input).into() };
        let block = FeatureBlock::new(&signature, 4, vec![vec![1.0; 4]; 6], vec![]).expect("fits");
        let told = |refit: &str, explanations| Told {
            refit: refit.to_owned(),
            book: SignalBook::new(&signature, &[]),
            block: &block,
            explanations,
        };
        let abc = explanation(&[0.03, -0.02, 0.01, 0.001, 0.0, 0.0]);
        let before = [abc.clone(), abc.clone(), abc.clone(), abc];
        let after = [
            explanation(&[0.01, 0.02, -0.03, 0.0, 0.0, 0.0]),
            explanation(&[0.01, 0.02, 0.0, 0.03, 0.0, 0.0]),
            explanation(&[0.0, 0.0, 0.0, 0.01, 0.01, 0.01]),
            explanation(&[0.0; 6]),
        ];
        let found = compare(&told("2025-06-30", &before), &told("2025-09-30", &after)).expect("rows with reasons");
        assert_eq!((found.earlier.as_str(), found.later.as_str()), ("2025-06-30", "2025-09-30"));
        // The last row has no reason under the later refit; of the others 3 of 3, 2 of 4 and 0 of 6 are in common.
        assert_eq!(found.accounts, 3);
        for (found, expected) in found.in_common.iter().zip([1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0 / 3.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert!((found.mean_jaccard - 0.5).abs() < 1e-12);
        assert_eq!(compare(&told("a", &before[..0]), &told("b", &after)), None);
    }

    #[test]
    fn each_account_counts_once_with_its_last_row() {
        assert_eq!(last_rows(&[7, 3, 7, 9, 3]), [4, 2, 3]);
        assert_eq!(last_rows(&(0..5_000).collect::<Vec<_>>()).len(), MOST_ACCOUNTS);
    }
}
