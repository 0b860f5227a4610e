//! The inductive Venn-Abers pair: how far one more row could move the isotonic fit.
//!
//! For a margin `m`, add `(m, 0)` to the calibration rows, fit isotonically, and read `p0` at `m`; add `(m, 1)` and read
//! `p1`. One of the two is perfectly calibrated; their distance says how much the calibration rows know about margins like
//! `m`. The pair is computed exactly at up to [`MOST_KNOTS`] quantiles of the margins and becomes two non-decreasing
//! piecewise linear curves: the low one never above its knots, the high one never below.
//!
//! Source: Vovk & Petej (2014), UAI, 829-838; Vovk, Petej & Fedorova (2015), NIPS 28.

use bellwether_models::{Knot, PiecewiseLinear};

use super::bins::{Bin, Bins};
use super::curve::{bounded_from_above, bounded_from_below};
use super::isotonic::pool_adjacent_violators;

/// At most so many knots per curve.
pub(super) const MOST_KNOTS: usize = 64;

/// The low and the high curve.
pub(super) fn fit(bins: &Bins) -> (PiecewiseLinear, PiecewiseLinear) {
    let grid = quantiles(bins.bins(), MOST_KNOTS);
    let pairs: Vec<(f64, f64)> = grid.iter().map(|margin| pair_at(bins.bins(), *margin)).collect();
    let low = knots(&grid, pairs.iter().map(|pair| pair.0));
    let high = knots(&grid, pairs.iter().map(|pair| pair.1));
    // Both are non-decreasing in theory; where rounding undoes it, the pair widens.
    (bounded_from_below(low), bounded_from_above(high))
}

fn knots(grid: &[f64], probabilities: impl Iterator<Item = f64>) -> Vec<Knot> {
    grid.iter().zip(probabilities).map(|(margin, probability)| Knot { margin: *margin, probability }).collect()
}

/// `(p0, p1)` at one margin, by two isotonic fits with one more row each.
pub(super) fn pair_at(bins: &[Bin], margin: f64) -> (f64, f64) {
    let at = bins.partition_point(|bin| bin.margin < margin);
    let with = |positives: f64| {
        let mut extended = bins.to_vec();
        match extended.get_mut(at).filter(|bin| bin.margin == margin) {
            Some(bin) => {
                bin.rows += 1.0;
                bin.positives += positives;
            }
            None => extended.insert(at, Bin { margin, rows: 1.0, positives }),
        }
        let blocks = pool_adjacent_violators(&extended);
        let block = blocks.partition_point(|block| block.end <= at);
        blocks.get(block).map_or(positives, super::Block::probability)
    };
    (with(0.0), with(1.0))
}

/// Margins at evenly spaced shares of the rows, both ends included, distinct and ascending.
fn quantiles(bins: &[Bin], most: usize) -> Vec<f64> {
    if bins.len() <= most {
        return bins.iter().map(|bin| bin.margin).collect();
    }
    let total: f64 = bins.iter().map(|bin| bin.rows).sum();
    let mut grid: Vec<f64> = Vec::with_capacity(most);
    let mut seen = 0.0;
    for bin in bins {
        seen += bin.rows;
        let due = total * grid.len() as f64 / (most - 1) as f64;
        if seen >= due && grid.len() + 1 < most {
            grid.push(bin.margin);
        }
    }
    if let Some(last) = bins.last().filter(|last| grid.last() != Some(&last.margin)) {
        grid.push(last.margin);
    }
    grid
}
