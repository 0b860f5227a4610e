//! Platt's logistic calibration.
//!
//! `p = 1 / (1 + exp(-(a m + b)))`, fitted by Newton's method on smoothed targets: positives count as
//! `(N+ + 1) / (N+ + 2)` and negatives as `1 / (N- + 2)`, so that no finite sample asks for certainty.
//! A [`Prior`] holds the slope near 1, and the log-odds at the mean margin near that margin, as far as is known beforehand.
//!
//! Source: Platt (1999), Advances in Large Margin Classifiers, 61-74; Lin, Lin & Weng (2007), Mach. Learn. 68, 267-276.

use bellwether_models::Curve;

use super::Prior;
use super::STEEPEST_SLOPE;
use super::bins::Bins;

const MOST_STEPS: usize = 100;
/// A logistic curve is steepest in its middle: a quarter of its slope.
const LARGEST_SLOPE: f64 = 4.0 * STEEPEST_SLOPE;

/// The logistic curve of least loss with a slope in `[0, 4 x bound]`.
pub(super) fn fit(bins: &Bins, prior: Prior) -> Curve {
    let problem = Problem::new(bins, prior);
    let (mut slope, mut intercept) = problem.minimise(1.0, problem.centred_base(), true);
    if !(0.0..=LARGEST_SLOPE).contains(&slope) {
        slope = slope.clamp(0.0, LARGEST_SLOPE);
        (slope, intercept) = problem.minimise(slope, intercept, false);
    }
    Curve::Logistic { slope, intercept: intercept - slope * problem.center }
}

/// Margins are centred while fitting, so that slope and intercept hardly correlate.
struct Problem<'a> {
    bins: &'a Bins,
    prior: Prior,
    center: f64,
    positive_target: f64,
    negative_target: f64,
}

impl<'a> Problem<'a> {
    fn new(bins: &'a Bins, prior: Prior) -> Self {
        let positives = bins.positives();
        let negatives = bins.rows() - positives;
        let center = bins.bins().iter().map(|bin| bin.margin * bin.rows).sum::<f64>() / bins.rows();
        Self {
            bins,
            prior,
            center,
            positive_target: (positives + 1.0) / (positives + 2.0),
            negative_target: 1.0 / (negatives + 2.0),
        }
    }

    fn centred_base(&self) -> f64 {
        let share = self.target_sum() / self.bins.rows();
        (share / (1.0 - share)).ln()
    }

    fn target_sum(&self) -> f64 {
        let positives = self.bins.positives();
        positives * self.positive_target + (self.bins.rows() - positives) * self.negative_target
    }

    fn loss(&self, slope: f64, intercept: f64) -> f64 {
        let prior =
            0.5 * (self.prior.slope * (slope - 1.0).powi(2) + self.prior.level * (intercept - self.center).powi(2));
        let of_bin = |bin: &super::Bin| {
            let z = slope * (bin.margin - self.center) + intercept;
            let target = bin.positives * self.positive_target + (bin.rows - bin.positives) * self.negative_target;
            // -(t ln p + (n - t) ln(1 - p)), written so that no exponential overflows.
            bin.rows * (z.max(0.0) + (-z.abs()).exp().ln_1p()) - target * z
        };
        prior + self.bins.bins().iter().map(of_bin).sum::<f64>()
    }

    /// Newton with halving; `free` also moves the slope.
    fn minimise(&self, mut slope: f64, mut intercept: f64, free: bool) -> (f64, f64) {
        let mut loss = self.loss(slope, intercept);
        for _ in 0..MOST_STEPS {
            let (slope_step, intercept_step) = self.newton_step(slope, intercept, free);
            let mut size = 1.0;
            let mut found = None;
            while size > 1e-10 {
                let (next_slope, next_intercept) = (slope + size * slope_step, intercept + size * intercept_step);
                let next = self.loss(next_slope, next_intercept);
                if next < loss {
                    found = Some((next_slope, next_intercept, next));
                    break;
                }
                size *= 0.5;
            }
            let Some((next_slope, next_intercept, next)) = found else { break };
            let gained = loss - next;
            (slope, intercept, loss) = (next_slope, next_intercept, next);
            if gained < 1e-12 * loss.abs() {
                break;
            }
        }
        (slope, intercept)
    }

    fn newton_step(&self, slope: f64, intercept: f64, free: bool) -> (f64, f64) {
        let mut gradient = (self.prior.slope * (slope - 1.0), self.prior.level * (intercept - self.center));
        let mut hessian = (self.prior.slope, 0.0, self.prior.level + 1e-12);
        for bin in self.bins.bins() {
            let margin = bin.margin - self.center;
            let p = 1.0 / (1.0 + (-(slope * margin + intercept)).exp());
            let target = bin.positives * self.positive_target + (bin.rows - bin.positives) * self.negative_target;
            let residual = bin.rows * p - target;
            let weight = bin.rows * p * (1.0 - p);
            gradient.0 += residual * margin;
            gradient.1 += residual;
            hessian.0 += weight * margin * margin;
            hessian.1 += weight * margin;
            hessian.2 += weight;
        }
        if !free {
            return (0.0, -gradient.1 / hessian.2);
        }
        let determinant = hessian.0 * hessian.2 - hessian.1 * hessian.1;
        let slope_step = -(hessian.2 * gradient.0 - hessian.1 * gradient.1) / determinant;
        let intercept_step = -(hessian.0 * gradient.1 - hessian.1 * gradient.0) / determinant;
        (slope_step, intercept_step)
    }
}
