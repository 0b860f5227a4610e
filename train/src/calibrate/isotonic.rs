//! Isotonic regression by pooling adjacent violators, then smoothed.
//!
//! Source: Ayer et al. (1955), Ann. Math. Statist. 26(4), 641-647; for probabilities Zadrozny & Elkan (2002), KDD.
//! The raw step function is over-confident at its ends (a few rows without an outcome become probability 0), so blocks are
//! joined until each holds [`LEAST_OUTCOMES_PER_BLOCK`] of both outcomes, and straight lines connect their centres.

use bellwether_models::PiecewiseLinear;

use super::bins::{Bin, Bins};
use super::curve::{WeightedKnot, bounded_through_middle};

/// A block of the smoothed curve rests on at least so many of each outcome.
const LEAST_OUTCOMES_PER_BLOCK: f64 = 10.0;

/// Neighbouring bins that share one fitted probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Index of the first bin.
    pub first: usize,
    /// One past the last bin.
    pub end: usize,
    /// Rows in the block.
    pub rows: f64,
    /// Positive rows in it.
    pub positives: f64,
    /// Mean margin of the rows.
    pub margin: f64,
}

impl Block {
    fn of(index: usize, bin: &Bin) -> Self {
        Self { first: index, end: index + 1, rows: bin.rows, positives: bin.positives, margin: bin.margin }
    }

    /// Share of positive rows.
    #[must_use]
    pub fn probability(&self) -> f64 {
        self.positives / self.rows
    }

    fn joined(self, next: &Self) -> Self {
        let rows = self.rows + next.rows;
        Self {
            first: self.first,
            end: next.end,
            rows,
            positives: self.positives + next.positives,
            margin: self.margin + (next.margin - self.margin) * (next.rows / rows),
        }
    }

    fn outcomes(&self) -> f64 {
        self.positives.min(self.rows - self.positives)
    }
}

/// The non-decreasing step function of least squares over the bins, as blocks in order of margin, in linear time.
#[must_use]
pub fn pool_adjacent_violators(bins: &[Bin]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::with_capacity(bins.len());
    for (index, bin) in bins.iter().enumerate() {
        let mut block = Block::of(index, bin);
        // Cross-multiplied: where rows are counts, the comparison of shares is exact.
        while let Some(last) = blocks.pop_if(|last| last.positives * block.rows >= block.positives * last.rows) {
            block = last.joined(&block);
        }
        blocks.push(block);
    }
    blocks
}

/// The smoothed curve: strictly between 0 and 1, non-decreasing, of bounded slope.
pub(super) fn fit(bins: &Bins) -> PiecewiseLinear {
    let blocks = pool_small(pool_adjacent_violators(bins.bins()));
    let edge = 1.0 / (bins.rows() + 2.0);
    let knots: Vec<WeightedKnot> = blocks
        .iter()
        .map(|block| WeightedKnot {
            margin: block.margin,
            probability: block.probability().clamp(edge, 1.0 - edge),
            rows: block.rows,
        })
        .collect();
    bounded_through_middle(&knots)
}

/// Joins neighbours from the left until every block rests on enough outcomes; what is left over at the right end joins
/// the last block.
fn pool_small(blocks: Vec<Block>) -> Vec<Block> {
    let mut pooled: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for block in blocks {
        let grown = open.map_or(block, |open| open.joined(&block));
        if grown.outcomes() >= LEAST_OUTCOMES_PER_BLOCK {
            pooled.push(grown);
            open = None;
        } else {
            open = Some(grown);
        }
    }
    if let Some(rest) = open {
        let last = pooled.pop().map_or(rest, |last| last.joined(&rest));
        pooled.push(last);
    }
    pooled
}
