//! Beta calibration: a logistic curve with a slope of its own on either side.
//!
//! `log-odds = a ln s - b ln(1 - s) + c` with `s = 1 / (1 + exp(-m))`: the family of Kull, Silva Filho & Flach, written in
//! the margin. `a` is the slope of the log-odds far below margin 0, `b` the one far above; both are held at 0 or more,
//! which makes the curve non-decreasing, and at four times the steepest climb or less. Where `a = b` it is Platt's curve.
//!
//! The loss is convex in the three, so its least value within the bounds is the least over the faces of the box: each of
//! `a` and `b` free, at its lower or at its upper bound. Targets are smoothed as Platt's are, and priors hold the
//! mean of the slopes near 1 ([`Prior`]) and their difference near 0: without outcomes on one side of margin 0 the curve is logistic.
//!
//! Source: Kull, Silva Filho & Flach (2017), Electron. J. Stat. 11(2), 5052-5080.

use bellwether_models::{Curve, log_shares};

use super::Prior;
use super::STEEPEST_SLOPE;
use super::bins::Bins;

const MOST_STEPS: usize = 100;
const LARGEST_SLOPE: f64 = 4.0 * STEEPEST_SLOPE;

type Vector = [f64; 3];

/// The beta curve of least loss.
pub(super) fn fit(bins: &Bins, prior: Prior) -> Curve {
    let problem = Problem::new(bins, prior);
    let mut best: Option<(f64, Vector)> = None;
    for below in Face::ALL {
        for above in Face::ALL {
            let at = problem.minimise(below, above);
            let inside = at[..2].iter().all(|slope| (0.0..=LARGEST_SLOPE).contains(slope));
            let loss = problem.loss(&at);
            if inside && best.is_none_or(|(least, _)| loss < least) {
                best = Some((loss, at));
            }
        }
    }
    // Corners have both slopes on their bounds, so one is always inside.
    let [slope_below, slope_above, intercept] = best.map_or([1.0, 1.0, problem.base], |(_, at)| at);
    Curve::Beta { slope_below, slope_above, intercept }
}

/// Where a slope may lie.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Face {
    Free,
    Lower,
    Upper,
}

impl Face {
    const ALL: [Self; 3] = [Self::Free, Self::Lower, Self::Upper];

    fn start(self) -> f64 {
        match self {
            Self::Free => 1.0,
            Self::Lower => 0.0,
            Self::Upper => LARGEST_SLOPE,
        }
    }
}

/// One bin as the fit sees it: `ln s`, `-ln(1 - s)`, weight, and weight of the smoothed target.
struct Row {
    below: f64,
    above: f64,
    rows: f64,
    target: f64,
}

struct Problem {
    rows: Vec<Row>,
    base: f64,
    prior: Prior,
    /// The mean margin, and what the two slopes are multiplied with there.
    center: f64,
    at_center: [f64; 2],
}

impl Problem {
    fn new(bins: &Bins, prior: Prior) -> Self {
        let positives = bins.positives();
        let negatives = bins.rows() - positives;
        let (positive_target, negative_target) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
        let row = |bin: &super::Bin| {
            let (below, above) = log_shares(bin.margin);
            let target = bin.positives * positive_target + (bin.rows - bin.positives) * negative_target;
            Row { below, above, rows: bin.rows, target }
        };
        let rows: Vec<Row> = bins.bins().iter().map(row).collect();
        let share = rows.iter().map(|row| row.target).sum::<f64>() / bins.rows();
        let center = bins.bins().iter().map(|bin| bin.margin * bin.rows).sum::<f64>() / bins.rows();
        let (below, above) = log_shares(center);
        Self { rows, base: (share / (1.0 - share)).ln(), prior, center, at_center: [below, above] }
    }

    fn loss(&self, [below, above, intercept]: &Vector) -> f64 {
        let mean = self.prior.slope * (0.5 * (below + above) - 1.0).powi(2);
        let at_center = below * self.at_center[0] + above * self.at_center[1] + intercept;
        let level = self.prior.level * (at_center - self.center).powi(2);
        let difference = self.prior.bend * (above - below).powi(2);
        let of_row = |row: &Row| {
            let z = below * row.below + above * row.above + intercept;
            row.rows * (z.max(0.0) + (-z.abs()).exp().ln_1p()) - row.target * z
        };
        0.5 * (mean + difference + level) + self.rows.iter().map(of_row).sum::<f64>()
    }

    /// Newton with halving on one face.
    fn minimise(&self, below: Face, above: Face) -> Vector {
        let mut at = [below.start(), above.start(), self.base];
        let mut loss = self.loss(&at);
        for _ in 0..MOST_STEPS {
            let Some(step) = self.step(&at, [below != Face::Free, above != Face::Free]) else { break };
            let mut size = 1.0;
            let mut found = None;
            while size > 1e-10 {
                let next = [0, 1, 2].map(|index| at[index] + size * step[index]);
                let next_loss = self.loss(&next);
                if next_loss < loss {
                    found = Some((next, next_loss));
                    break;
                }
                size *= 0.5;
            }
            let Some((next, next_loss)) = found else { break };
            let gained = loss - next_loss;
            (at, loss) = (next, next_loss);
            if gained < 1e-12 * loss.abs() {
                break;
            }
        }
        at
    }

    /// Newton's step; slopes that are held stay where they are.
    fn step(&self, at: &Vector, held: [bool; 2]) -> Option<Vector> {
        let (mean, difference) = (self.prior.slope * 0.25, self.prior.bend);
        let centred = at[0] + at[1] - 2.0;
        let mut gradient =
            [mean * centred - difference * (at[1] - at[0]), mean * centred + difference * (at[1] - at[0]), 0.0];
        let mut hessian = [
            [mean + difference, mean - difference, 0.0],
            [mean - difference, mean + difference, 0.0],
            [0.0, 0.0, 1e-12],
        ];
        let inputs = [self.at_center[0], self.at_center[1], 1.0];
        let beside = at[0] * inputs[0] + at[1] * inputs[1] + at[2] - self.center;
        for first in 0..3 {
            gradient[first] += self.prior.level * beside * inputs[first];
            for second in 0..3 {
                hessian[first][second] += self.prior.level * inputs[first] * inputs[second];
            }
        }
        for row in &self.rows {
            let inputs = [row.below, row.above, 1.0];
            let p = 1.0 / (1.0 + (-(at[0] * row.below + at[1] * row.above + at[2])).exp());
            let (residual, weight) = (row.rows * p - row.target, row.rows * p * (1.0 - p));
            for first in 0..3 {
                gradient[first] += residual * inputs[first];
                for second in 0..3 {
                    hessian[first][second] += weight * inputs[first] * inputs[second];
                }
            }
        }
        for (index, _) in held.into_iter().enumerate().filter(|(_, held)| *held) {
            gradient[index] = 0.0;
            hessian[index] = [0.0; 3];
            hessian.iter_mut().for_each(|row| row[index] = 0.0);
            hessian[index][index] = 1.0;
        }
        solve(hessian, gradient.map(|value| -value))
    }
}

/// Solves `matrix x = right` by Gaussian elimination with pivots; `None` where it is singular.
fn solve(mut matrix: [Vector; 3], mut right: Vector) -> Option<Vector> {
    for column in 0..3 {
        let pivot = (column..3).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() < f64::MIN_POSITIVE {
            return None;
        }
        for row in column + 1..3 {
            let factor = matrix[row][column] / matrix[column][column];
            let pivot = matrix[column];
            for (cell, above) in matrix[row].iter_mut().zip(pivot).skip(column) {
                *cell -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    let mut solution = [0.0; 3];
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|index| matrix[row][index] * solution[index]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_small_move_within_the_bounds_lowers_the_loss() {
        // A slope of 0.2 below and 3 above, and one that falls below 0: the bound holds it.
        for (law_below, law_above) in [(0.2_f64, 3.0_f64), (-1.0, 2.0), (1.0, 1.0), (1.5, -0.5)] {
            let margins: Vec<f64> = (0..20_000).map(|row| f64::from(row % 200) / 25.0 - 4.0).collect();
            let law = |margin: f64| {
                let (below, above) = log_shares(margin);
                1.0 / (1.0 + (-(law_below * below + law_above * above - 0.3)).exp())
            };
            // A hundred rows per margin, as many of them positive as the law says.
            let labels: Vec<bool> =
                (0..20_000).map(|row| f64::from(row / 200) + 0.5 < 100.0 * law(margins[row as usize])).collect();
            let bins = Bins::new(&margins, &labels, super::super::MOST_BINS).unwrap();
            let Curve::Beta { slope_below, slope_above, intercept } = fit(&bins, Prior::ANY_SCALE) else {
                panic!("expected beta")
            };
            let problem = Problem::new(&bins, Prior::ANY_SCALE);
            let at = [slope_below, slope_above, intercept];
            let least = problem.loss(&at);
            // A law outside the bounds is met as well as they allow, which is not at its nearest slopes.
            if law_below >= 0.0 && law_above >= 0.0 {
                // The prior of the difference still tells at 20,000 rows: 2.87 for 3.
                assert!((slope_below - law_below).abs() < 0.2 && (slope_above - law_above).abs() < 0.2, "{at:?}");
            }
            for index in 0..3 {
                for move_by in [-1e-3, 1e-3] {
                    let mut other = at;
                    other[index] += move_by;
                    if index < 2 {
                        other[index] = other[index].clamp(0.0, LARGEST_SLOPE);
                    }
                    assert!(problem.loss(&other) >= least - 1e-9, "{at:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn three_equations_are_solved() {
        let solution = solve([[0.0, 2.0, 1.0], [1.0, 0.0, 3.0], [4.0, 1.0, 0.0]], [7.0, 10.0, 6.0]).unwrap();
        for (found, expected) in solution.iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12, "{solution:?}");
        }
        assert_eq!(solve([[0.0; 3]; 3], [1.0; 3]), None);
    }
}
