//! The policy on whole blocks, as the nightly job applies it: what [`ResolvedPolicy`] says row by row, without finding the
//! same inputs and cut-offs again for each row.

use super::{AccountColumns, Outcome, ResolvedPolicy, StatusReason, service_level};
use crate::FeatureBlock;
use crate::drift::Reference;

impl ResolvedPolicy {
    /// [`ResolvedPolicy::status_reason`] of every row, column by column.
    #[must_use]
    pub fn status_reasons(&self, reference: Option<&Reference>, block: &FeatureBlock) -> Vec<StatusReason> {
        let outside = reference.map(|reference| reference.rows_outside(block));
        let furthest = self.policy.max_ranges_outside_training;
        let is_outside = |row: usize| {
            outside.as_ref().is_some_and(|rows| {
                rows.share(row) > self.policy.max_share_outside_training
                    || furthest.is_some_and(|most| rows.ranges(row) > most)
            })
        };
        let reason = |row: usize| match self.reason_inside(block, row) {
            StatusReason::Ok if is_outside(row) => StatusReason::OutsideTraining,
            reason => reason,
        };
        (0..block.rows).map(reason).collect()
    }

    /// The account's columns of every row. `targets`: name and probabilities by row, which count where `scored` says so.
    #[must_use]
    pub fn account_rows(
        &self,
        block: &FeatureBlock,
        targets: &[(&str, &[f64])],
        scored: &[bool],
    ) -> Vec<AccountColumns> {
        let of = |outcome: Outcome| targets.iter().find(|(target, _)| Outcome::of_target(target) == outcome);
        let (churn, expansion) = (of(Outcome::Churn), of(Outcome::Expansion));
        let churn_cutoffs = churn.and_then(|(target, _)| self.policy.bands.get(*target));
        let columns = |row: usize| {
            let is_scored = scored.get(row) == Some(&true);
            let probability = |target: Option<&(&str, &[f64])>| {
                target.filter(|_| is_scored).and_then(|(_, probabilities)| probabilities.get(row).copied())
            };
            let (churn, expansion) = (probability(churn), probability(expansion));
            let (mrr, health) = (self.mrr(block, row), self.health(block, row));
            let value_tier = mrr.and_then(|mrr| self.policy.value_tier(mrr));
            let churn_band = churn.zip(churn_cutoffs).map(|(probability, cutoffs)| cutoffs.band(probability));
            let expansion = expansion.zip(mrr).zip(self.policy.mean_expansion_uplift);
            AccountColumns {
                health,
                value_tier,
                service_level: value_tier.map(|tier| service_level(tier, health, churn_band)),
                mrr,
                mrr_at_risk: churn.zip(mrr).map(|(probability, mrr)| probability * mrr),
                expected_expansion_mrr: expansion.map(|((probability, mrr), uplift)| probability * mrr * uplift),
            }
        };
        (0..block.rows).map(columns).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{policy, signature};
    use super::*;
    use crate::Policy;

    #[test]
    fn columns_at_a_time_say_what_rows_say() {
        let signature = signature();
        let policy = Policy { max_ranges_outside_training: Some(0.5), max_share_outside_training: 0.3, ..policy() };
        let resolved = policy.resolve(&signature).expect("fits");
        for seed in 0..10 {
            let block = crate::testing::random_block(&signature, 500, seed);
            let training = crate::testing::random_block(&signature, 60, seed + 50);
            let probabilities: Vec<f64> = (0..500).map(|row| f64::from(row * 7 % 100) / 100.0).collect();
            let reference = Reference::from_block(&signature, &training, &[]).expect("bins");
            for reference in [None, Some(&reference)] {
                let reasons = resolved.status_reasons(reference, &block);
                for (row, reason) in reasons.iter().enumerate() {
                    assert_eq!(*reason, resolved.status_reason(reference, &block, row), "row {row}");
                }
                let scored: Vec<bool> = reasons.iter().map(|reason| *reason == StatusReason::Ok).collect();
                assert!(scored.contains(&true) && scored.contains(&false));
                let targets = ["expansion_60d", "churn_90d", "other"];
                let columns = targets.map(|target| (target, probabilities.as_slice()));
                for (row, found) in resolved.account_rows(&block, &columns, &scored).into_iter().enumerate() {
                    let known = targets.map(|target| (target, scored[row].then_some(probabilities[row])));
                    assert_eq!(found, resolved.account_columns(&block, row, &known), "row {row}");
                }
            }
        }
    }
}
