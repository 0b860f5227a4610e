//! Bounding the slope of a piecewise linear curve, in three honest ways: through the middle, from below, from above.

use bellwether_models::{Knot, PiecewiseLinear};

use super::STEEPEST_SLOPE;

/// A point of a curve with the rows behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WeightedKnot {
    pub(super) margin: f64,
    pub(super) probability: f64,
    pub(super) rows: f64,
}

/// Pools neighbours that climb too steeply into their weighted mean, until none does.
pub(super) fn bounded_through_middle(knots: &[WeightedKnot]) -> PiecewiseLinear {
    let mut kept: Vec<WeightedKnot> = Vec::with_capacity(knots.len());
    for knot in knots {
        let mut next = *knot;
        while let Some(last) = kept.last() {
            let rise = next.probability - last.probability;
            if next.margin > last.margin && rise >= 0.0 && rise <= STEEPEST_SLOPE * (next.margin - last.margin) {
                break;
            }
            let rows = last.rows + next.rows;
            let share = next.rows / rows;
            next = WeightedKnot {
                margin: last.margin + (next.margin - last.margin) * share,
                probability: last.probability + (next.probability - last.probability) * share,
                rows,
            };
            kept.pop();
        }
        kept.push(next);
    }
    let knots = kept.iter().map(|knot| Knot { margin: knot.margin, probability: knot.probability });
    PiecewiseLinear { knots: knots.collect() }
}

/// The lowest non-decreasing probabilities that lie nowhere below those of the knots.
pub(super) fn raised(knots: &mut [Knot]) {
    for index in 1..knots.len() {
        knots[index].probability = knots[index].probability.max(knots[index - 1].probability);
    }
}

/// The highest non-decreasing probabilities that lie nowhere above those of the knots.
pub(super) fn lowered(knots: &mut [Knot]) {
    for index in (1..knots.len()).rev() {
        knots[index - 1].probability = knots[index - 1].probability.min(knots[index].probability);
    }
}

/// The highest non-decreasing curve of bounded slope that lies nowhere above the knots, which hardly decrease: what they do
/// comes from rounding.
pub(super) fn bounded_from_below(mut knots: Vec<Knot>) -> PiecewiseLinear {
    lowered(&mut knots);
    for index in 1..knots.len() {
        let reach = knots[index - 1].probability + STEEPEST_SLOPE * (knots[index].margin - knots[index - 1].margin);
        knots[index].probability = knots[index].probability.min(reach);
    }
    PiecewiseLinear { knots }
}

/// The lowest non-decreasing curve of bounded slope that lies nowhere below the knots, as [`bounded_from_below`].
pub(super) fn bounded_from_above(mut knots: Vec<Knot>) -> PiecewiseLinear {
    raised(&mut knots);
    for index in (1..knots.len()).rev() {
        let reach = knots[index].probability - STEEPEST_SLOPE * (knots[index].margin - knots[index - 1].margin);
        knots[index - 1].probability = knots[index - 1].probability.max(reach);
    }
    PiecewiseLinear { knots }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steepest(curve: &PiecewiseLinear) -> f64 {
        let rise = |pair: &[Knot]| (pair[1].probability - pair[0].probability) / (pair[1].margin - pair[0].margin);
        curve.knots.windows(2).map(rise).fold(0.0, f64::max)
    }

    #[test]
    fn a_cliff_is_spread_below_above_and_through_the_middle() {
        let cliff = [(0.0, 0.1), (0.001, 0.9), (1.0, 0.95)];
        let knots: Vec<Knot> = cliff.map(|(margin, probability)| Knot { margin, probability }).to_vec();
        let below = bounded_from_below(knots.clone());
        let above = bounded_from_above(knots.clone());
        let weighted = cliff.map(|(margin, probability)| WeightedKnot { margin, probability, rows: 10.0 });
        let middle = bounded_through_middle(&weighted);
        for curve in [&below, &above, &middle] {
            assert!(steepest(curve) <= 10.0);
        }
        for (index, knot) in knots.iter().enumerate() {
            assert!(below.knots[index].probability <= knot.probability);
            assert!(above.knots[index].probability >= knot.probability);
        }
        assert_eq!(middle.knots.len(), 2);
        assert!((middle.knots[0].probability - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_gentle_curve_is_left_alone() {
        let gentle = [(0.0, 0.1), (1.0, 0.5), (2.0, 0.5)];
        let weighted = gentle.map(|(margin, probability)| WeightedKnot { margin, probability, rows: 3.0 });
        let curve = bounded_through_middle(&weighted);
        let found: Vec<_> = curve.knots.iter().map(|knot| (knot.margin, knot.probability)).collect();
        assert_eq!(found, gentle);
    }
}
