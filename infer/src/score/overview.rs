//! What the page of a run shows of its scores: counts, never a row.
//!
//! A probability is counted by its nearest hundredth of a percent. Rounding keeps the order, so a decile of the counts is
//! the decile of the probabilities, rounded; and the memory is the same for any number of accounts.

use std::collections::BTreeMap;

use bellwether_models::policy::{Band, Health};

/// Hundredths of a percent in one.
const STEPS: u16 = 10_000;

/// The rows of one batch.
#[derive(Debug, Clone, Default)]
pub(super) struct BatchOverview {
    targets: Vec<BatchTarget>,
    health: BTreeMap<Option<Health>, u64>,
}

/// One target of a batch.
#[derive(Debug, Clone, Default)]
struct BatchTarget {
    /// Hundredths of a percent of the rows that have a probability.
    steps: Vec<u16>,
    bands: BTreeMap<Option<Band>, u64>,
}

impl BatchOverview {
    /// Counts the health of all rows.
    pub(super) fn new(health: impl Iterator<Item = Option<Health>>) -> Self {
        Self { targets: Vec::new(), health: counted(health) }
    }

    /// Counts the probabilities and bands of the rows that are scored, for the next target.
    pub(super) fn target(&mut self, probabilities: &[f64], bands: &[Option<Band>], scored: &[bool]) {
        let of_scored = || scored.iter().enumerate().filter(|(_, scored)| **scored).map(|(row, _)| row);
        let steps = of_scored().map(|row| step_of(probabilities[row])).collect();
        self.targets.push(BatchTarget { steps, bands: counted(of_scored().map(|row| bands[row])) });
    }
}

/// How often each level occurs.
fn counted<T: Copy + Ord>(levels: impl Iterator<Item = T>) -> BTreeMap<T, u64> {
    let (mut counts, mut run) = (BTreeMap::new(), None::<(T, u64)>);
    for level in levels {
        match &mut run {
            Some((of, rows)) if *of == level => *rows += 1,
            _ => {
                if let Some((of, rows)) = run.replace((level, 1)) {
                    *counts.entry(of).or_default() += rows;
                }
            }
        }
    }
    if let Some((of, rows)) = run {
        *counts.entry(of).or_default() += rows;
    }
    counts
}

/// All rows of a run.
#[derive(Debug, Clone)]
pub(super) struct Overview {
    /// In the order of the bundle.
    pub(super) targets: Vec<TargetOverview>,
    /// Accounts by health; `None` where the policy knows of none.
    pub(super) health: BTreeMap<Option<Health>, u64>,
}

/// The probabilities of one target.
#[derive(Debug, Clone)]
pub(super) struct TargetOverview {
    /// Accounts by hundredths of a percent.
    counts: Vec<u64>,
    /// Accounts with a probability.
    pub(super) rows: u64,
    /// Accounts by band; `None` where the policy has no cut-offs.
    pub(super) bands: BTreeMap<Option<Band>, u64>,
}

impl Overview {
    /// Nothing yet, for so many targets.
    pub(super) fn new(targets: usize) -> Self {
        let none = TargetOverview { counts: vec![0; usize::from(STEPS) + 1], rows: 0, bands: BTreeMap::new() };
        Self { targets: vec![none; targets], health: BTreeMap::new() }
    }

    /// Adds a batch.
    pub(super) fn add(&mut self, batch: &BatchOverview) {
        for (health, rows) in &batch.health {
            *self.health.entry(*health).or_default() += rows;
        }
        for (target, seen) in self.targets.iter_mut().zip(&batch.targets) {
            target.rows += seen.steps.len() as u64;
            for step in &seen.steps {
                target.counts[usize::from(*step)] += 1;
            }
            for (band, rows) in &seen.bands {
                *target.bands.entry(*band).or_default() += rows;
            }
        }
    }
}

impl TargetOverview {
    /// The probability in percent that `tenths` tenths of the accounts do not exceed; the lowest for 0. `None` without an
    /// account. Nearest rank: always the probability of an account.
    pub(super) fn decile(&self, tenths: u64) -> Option<f64> {
        let rank = (self.rows * tenths).div_ceil(10).max(1);
        let mut below = 0;
        let step = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        step.map(|step| step as f64 / 100.0)
    }
}

fn step_of(probability: f64) -> u16 {
    // A probability is in [0, 1], so this fits; a conversion of floats saturates.
    ((probability * f64::from(STEPS)).round() as u16).min(STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deciles_are_those_of_the_sorted_probabilities() {
        let mut whole = Overview::new(1);
        // 0.00 to 0.99 in a scrambled order, in batches of 7.
        let scrambled: Vec<f64> = (0..100).map(|row| f64::from(row * 37 % 100) / 100.0).collect();
        for rows in scrambled.chunks(7) {
            // One more row that is not scored.
            let health = rows.iter().map(|_| Some(Health::Champion)).chain([None]);
            let mut batch = BatchOverview::new(health);
            let probabilities: Vec<f64> = rows.iter().copied().chain([f64::NAN]).collect();
            let scored: Vec<bool> = probabilities.iter().map(|probability| !probability.is_nan()).collect();
            batch.target(&probabilities, &vec![Some(Band::Low); probabilities.len()], &scored);
            whole.add(&batch);
        }
        let target = &whole.targets[0];
        let deciles: Vec<f64> = (0..=10).filter_map(|tenths| target.decile(tenths)).collect();
        assert_eq!(deciles, [0.0, 9.0, 19.0, 29.0, 39.0, 49.0, 59.0, 69.0, 79.0, 89.0, 99.0]);
        assert_eq!((target.rows, whole.health[&Some(Health::Champion)], whole.health[&None]), (100, 100, 15));
        assert_eq!(target.bands, BTreeMap::from([(Some(Band::Low), 100)]));
        assert_eq!(Overview::new(1).targets[0].decile(5), None);
        assert_eq!([0.0, 0.123_449, 1.0].map(step_of), [0, 1_234, 10_000]);
    }
}
