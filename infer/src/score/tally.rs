//! What is counted while rows go by: statuses, odd values, and the bins of every input and output.
//!
//! All counts are whole numbers and are added up, so neither the size of batches nor the number of threads changes them.

use std::collections::BTreeMap;

use bellwether_models::policy::{Status, StatusReason};
use bellwether_models::{Bundle, HeadScores, drift};
use serde::Serialize;

use crate::input::Converted;

/// Counts of some rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tally {
    pub(super) scored: u64,
    pub(super) partial: u64,
    pub(super) not_scored: u64,
    pub(super) status_reasons: BTreeMap<&'static str, u64>,
    /// Rows whose MRR is negative or infinite.
    pub(super) unusable_mrr: u64,
    /// Per numeric input.
    pub(super) infinite: Vec<u64>,
    /// Per category input.
    pub(super) unknown: Vec<u64>,
    numeric: Vec<Vec<u64>>,
    categories: Vec<Vec<u64>>,
    outputs: Vec<Vec<u64>>,
    rows: u64,
    /// Per target, the least and the greatest probability of any row; `None` before the first.
    pub(super) probabilities: Vec<Option<(f64, f64)>>,
}

/// What has drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DriftKind {
    /// An input of the model.
    Input,
    /// The probability of a target.
    Score,
}

/// How far an input or a score is from the training base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct DriftRecord {
    /// Input, or target.
    pub(super) name: String,
    /// Which of the two.
    pub(super) kind: DriftKind,
    /// Population stability index over the bins of the reference and "missing".
    pub(super) population_stability_index: f64,
    /// The largest index of a single training date (see [`drift::Reference::with_usual_shifts`]).
    pub(super) usual_shift: f64,
    /// Jensen-Shannon divergence over the same bins, in bits: 0 for equal ones, 1 where no bin is shared.
    pub(super) jensen_shannon_divergence: f64,
}

impl DriftRecord {
    /// Whether it is worth a warning.
    pub(super) fn is_large(&self) -> bool {
        drift::is_large_shift(self.population_stability_index, self.usual_shift)
    }

    /// How much the index is above the usual one; below 0 where it is less.
    pub(super) fn beyond_usual(&self) -> f64 {
        self.population_stability_index - self.usual_shift
    }
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new(bundle: &Bundle) -> Self {
        let signature = bundle.signature();
        Self {
            scored: 0,
            partial: 0,
            not_scored: 0,
            status_reasons: BTreeMap::new(),
            unusable_mrr: 0,
            infinite: vec![0; signature.numeric_inputs().count()],
            unknown: vec![0; signature.category_inputs().count()],
            numeric: vec![Vec::new(); signature.numeric_inputs().count()],
            categories: vec![Vec::new(); signature.category_inputs().count()],
            outputs: vec![Vec::new(); bundle.heads().len()],
            rows: 0,
            probabilities: vec![None; bundle.heads().len()],
        }
    }

    /// Counts the status of a row.
    fn row(&mut self, status: Status, reason: StatusReason) {
        match status {
            Status::Scored => self.scored += 1,
            Status::Partial => self.partial += 1,
            Status::NotScored => self.not_scored += 1,
        }
        *self.status_reasons.entry(reason.text()).or_default() += 1;
    }

    /// Counts the statuses of a block.
    pub(super) fn statuses(&mut self, statuses: &[Status], reasons: &[StatusReason]) {
        statuses.iter().zip(reasons).for_each(|(status, reason)| self.row(*status, *reason));
    }

    /// Counts the values of a block. Outputs are those of every row, whether or not its probability is published: they
    /// tell whether the base has moved.
    pub(super) fn block(&mut self, bundle: &Bundle, converted: &Converted, heads: &[HeadScores]) {
        let block = &converted.block;
        self.rows += block.rows as u64;
        add(&mut self.infinite, &converted.infinite);
        add(&mut self.unknown, &converted.unknown);
        for (range, head) in self.probabilities.iter_mut().zip(heads) {
            for probability in &head.probability {
                *range = Some(wider(*range, (*probability, *probability)));
            }
        }
        let Some(reference) = bundle.reference() else { return };
        for ((counts, reference), column) in self.numeric.iter_mut().zip(&reference.numeric).zip(&block.numeric) {
            add_longer(counts, &reference.counts_of(column));
        }
        for ((counts, reference), codes) in self.categories.iter_mut().zip(&reference.categories).zip(&block.categories)
        {
            add_longer(counts, &reference.counts_of(codes));
        }
        for ((counts, reference), head) in self.outputs.iter_mut().zip(&reference.outputs).zip(heads) {
            add_longer(counts, &reference.counts_of(&head.probability));
        }
    }

    /// Adds the counts of other rows.
    pub(super) fn merge(&mut self, other: &Self) {
        self.scored += other.scored;
        self.partial += other.partial;
        self.not_scored += other.not_scored;
        for (reason, count) in &other.status_reasons {
            *self.status_reasons.entry(reason).or_default() += count;
        }
        self.rows += other.rows;
        self.unusable_mrr += other.unusable_mrr;
        add(&mut self.infinite, &other.infinite);
        add(&mut self.unknown, &other.unknown);
        for (mine, theirs) in self.probabilities.iter_mut().zip(&other.probabilities) {
            *mine = theirs.map_or(*mine, |theirs| Some(wider(*mine, theirs)));
        }
        for (mine, theirs) in [
            (&mut self.numeric, &other.numeric),
            (&mut self.categories, &other.categories),
            (&mut self.outputs, &other.outputs),
        ] {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                add_longer(mine, theirs);
            }
        }
    }

    /// Inputs in the order of the reference, then targets; empty for a bundle without a reference.
    pub(super) fn drift(&self, bundle: &Bundle) -> Vec<DriftRecord> {
        let Some(reference) = bundle.reference() else { return Vec::new() };
        let numbers = reference.numeric.iter();
        let numeric = numbers.map(|one| (DriftKind::Input, &one.name, &one.shares, one.missing_share, one.usual_shift));
        let texts = reference.categories.iter();
        let categories =
            texts.map(|one| (DriftKind::Input, &one.name, &one.shares, one.missing_share, one.usual_shift));
        let scores = reference.outputs.iter();
        let outputs = scores.map(|one| (DriftKind::Score, &one.target, &one.shares, 0.0, one.usual_shift));
        let expected = numeric.chain(categories).chain(outputs);
        let counts = self.numeric.iter().chain(&self.categories).chain(&self.outputs);
        expected
            .zip(counts)
            .filter_map(|((kind, name, shares, missing, usual_shift), counts)| {
                let (population_stability_index, jensen_shannon_divergence) =
                    self.distances(shares, missing, counts)?;
                let name = name.clone();
                Some(DriftRecord { name, kind, population_stability_index, usual_shift, jensen_shannon_divergence })
            })
            .collect()
    }

    /// Rows counted.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Population stability index and Jensen-Shannon divergence.
    fn distances(&self, shares: &[f64], missing: f64, counts: &[u64]) -> Option<(f64, f64)> {
        let expected: Vec<f64> = shares.iter().copied().chain([missing]).collect();
        let actual: Vec<f64> = counts.iter().map(|count| *count as f64 / self.rows.max(1) as f64).collect();
        let index = drift::population_stability_index(&expected, &actual).ok()?;
        Some((index, drift::jensen_shannon_divergence(&expected, &actual).ok()?))
    }
}

/// A range that holds both.
fn wider(range: Option<(f64, f64)>, other: (f64, f64)) -> (f64, f64) {
    range.map_or(other, |(least, greatest)| (least.min(other.0), greatest.max(other.1)))
}

fn add(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}

/// Adds counts to others that may not have begun.
fn add_longer(mine: &mut Vec<u64>, theirs: &[u64]) {
    mine.resize(mine.len().max(theirs.len()), 0);
    add(mine, theirs);
}
