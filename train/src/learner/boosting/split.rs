//! The best split of a node: second-order gain, missing direction, minimum sizes, monotone bounds.
//!
//! A node with gradient sum `G` and Hessian sum `H` has the output `w = −G / (H + λ)` and thereby lowers the loss by
//! `½ G² / (H + λ)`; the gain of a split is what its two children lower it by beyond the node itself (Chen & Guestrin 2016,
//! eq. 7). Candidates are tried in a fixed order and a later one must be better, so ties go to the lower feature, the
//! lower threshold, and missing values to the right.

use bellwether_features::signal::Direction;

use super::bins::{Feature, Source};
use super::histogram::{Scales, Sums};

/// What every split must respect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Added to the Hessian of every node.
    pub(super) l2: f64,
    /// Rows per child at least.
    pub(super) min_rows: usize,
    /// Hessian per child at least.
    pub(super) min_hessian: f64,
    /// Whether expected directions are kept.
    pub(super) monotone: bool,
    /// Units of the sums.
    pub(super) scales: Scales,
}

/// Range that the outputs below a node must stay in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    /// Least output.
    pub(super) lower: f64,
    /// Greatest output.
    pub(super) upper: f64,
}

impl Bounds {
    /// No bounds.
    pub(super) const NONE: Self = Self { lower: f64::NEG_INFINITY, upper: f64::INFINITY };
}

/// Which bins go left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Known bins up to and including this one; missing values left where `missing_left`.
    UpTo {
        /// Last bin on the left.
        bin: u8,
        /// Where missing values go.
        missing_left: bool,
    },
    /// All bins but this one.
    AllBut {
        /// The bin that goes right.
        bin: u8,
    },
}

/// The best split found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    /// Index into the features.
    pub(super) feature: usize,
    /// Which bins go left.
    pub(super) cut: Cut,
    /// Twice the loss saved.
    pub(super) gain: f64,
    /// Sums of the left child.
    pub(super) left: Sums,
    /// Sums of the right child.
    pub(super) right: Sums,
}

impl Rules {
    /// Output of a node within its bounds, before the learning rate.
    pub(super) fn output(&self, sums: Sums, bounds: Bounds) -> f64 {
        let denominator = sums.hessian(self.scales) + self.l2;
        let free = if denominator > 0.0 { -sums.gradient(self.scales) / denominator } else { 0.0 };
        free.clamp(bounds.lower, bounds.upper)
    }

    /// Twice the loss that a node saves with the best output; `G² / (H + λ)`.
    #[inline]
    fn saved(&self, sums: Sums) -> f64 {
        let gradient = sums.gradient(self.scales);
        let denominator = sums.hessian(self.scales) + self.l2;
        if denominator > 0.0 { gradient * gradient / denominator } else { 0.0 }
    }

    /// Twice the loss that a node saves with a given output.
    fn saved_with(&self, sums: Sums, output: f64) -> f64 {
        let (gradient, hessian) = (sums.gradient(self.scales), sums.hessian(self.scales));
        -(2.0 * gradient * output + (hessian + self.l2) * output * output)
    }

    /// Whether a child is large enough.
    #[inline]
    fn allows(&self, sums: Sums) -> bool {
        sums.count() >= self.min_rows && sums.hessian(self.scales) >= self.min_hessian
    }

    /// Twice the loss that two children save, or `None` where the split is not allowed.
    #[inline]
    fn saved_by(&self, left: Sums, right: Sums, bounds: Bounds, direction: Direction) -> Option<f64> {
        if !self.allows(left) || !self.allows(right) {
            return None;
        }
        if !self.monotone {
            return Some(self.saved(left) + self.saved(right));
        }
        let (left_output, right_output) = (self.output(left, bounds), self.output(right, bounds));
        let kept = match direction {
            Direction::Up => left_output <= right_output,
            Direction::Down => left_output >= right_output,
            Direction::Unknown => true,
        };
        kept.then(|| self.saved_with(left, left_output) + self.saved_with(right, right_output))
    }

    /// Twice the loss that a node saves as a leaf.
    fn saved_as_leaf(&self, sums: Sums, bounds: Bounds) -> f64 {
        if self.monotone { self.saved_with(sums, self.output(sums, bounds)) } else { self.saved(sums) }
    }

    /// The best split of a node on one feature, with a gain above 0.
    pub(super) fn best(
        &self,
        index: usize,
        feature: &Feature,
        histogram: &[Sums],
        node: Sums,
        bounds: Bounds,
    ) -> Option<Split> {
        let least = self.saved_as_leaf(node, bounds);
        let mut search = Search { rules: self, index, direction: feature.direction, node, bounds, least, best: None };
        match &feature.source {
            Source::Levels { .. } => search.levels(histogram),
            Source::Number { thresholds, missing, .. } => {
                let missing = missing.map_or(Sums::default(), |bin| histogram[usize::from(bin)]);
                search.number(&histogram[..=thresholds.len()], missing);
            }
        }
        search.best
    }
}

struct Search<'a> {
    rules: &'a Rules,
    index: usize,
    direction: Direction,
    node: Sums,
    bounds: Bounds,
    least: f64,
    best: Option<Split>,
}

impl Search<'_> {
    /// Each level against all others.
    fn levels(&mut self, histogram: &[Sums]) {
        for (bin, &right) in histogram.iter().enumerate().skip(1) {
            if right.count() > 0 {
                self.consider(self.node.minus(right), right, |_, _| Cut::AllBut { bin: bin as u8 });
            }
        }
    }

    /// Each threshold, with missing values on either side; the last threshold is "known against missing".
    fn number(&mut self, known: &[Sums], missing: Sums) {
        let mut below = Sums::default();
        let (rows, least) = (self.node.count(), self.rules.min_rows);
        for (bin, &cell) in known.iter().enumerate() {
            if cell.count() == 0 {
                continue;
            }
            below = below.plus(cell);
            if below.count() + least > rows {
                // Too few are left for the right, and ever fewer.
                break;
            }
            let bin = bin as u8;
            if missing.count() == 0 {
                // Nothing to learn about missing values here: they go with the greater part.
                self.consider(below, self.node.minus(below), |left, right| Cut::UpTo {
                    bin,
                    missing_left: left.count() >= right.count(),
                });
                continue;
            }
            self.consider(below, self.node.minus(below), |_, _| Cut::UpTo { bin, missing_left: false });
            let left = below.plus(missing);
            self.consider(left, self.node.minus(left), |_, _| Cut::UpTo { bin, missing_left: true });
        }
    }

    #[inline]
    fn consider(&mut self, left: Sums, right: Sums, cut: impl Fn(Sums, Sums) -> Cut) {
        let Some(saved) = self.rules.saved_by(left, right, self.bounds, self.direction) else { return };
        let gain = saved - self.least;
        if gain > self.best.map_or(MIN_GAIN, |best| best.gain) {
            self.best = Some(Split { feature: self.index, cut: cut(left, right), gain, left, right });
        }
    }
}

/// Gains up to this are rounding.
const MIN_GAIN: f64 = 1e-9;

/// Bounds of the two children after a split on a feature with an expected direction: the middle of their outputs parts
/// the ranges, so that no descendant can undo the order (as XGBoost and LightGBM's basic method).
pub(super) fn child_bounds(rules: &Rules, split: &Split, direction: Direction, bounds: Bounds) -> (Bounds, Bounds) {
    if !rules.monotone || direction == Direction::Unknown {
        return (bounds, bounds);
    }
    let middle = f64::midpoint(rules.output(split.left, bounds), rules.output(split.right, bounds));
    let (below, above) = (Bounds { upper: middle, ..bounds }, Bounds { lower: middle, ..bounds });
    if direction == Direction::Up { (below, above) } else { (above, below) }
}
