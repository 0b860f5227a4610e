//! From margin to probability, with its uncertainty.
//!
//! Every curve is continuous and its slope is bounded by [`MAX_SLOPE`], so that the last bit of a float margin never
//! moves a probability by more than the last bits of a float. A step function, which is what isotonic regression gives
//! before it is smoothed, is refused: two runtimes that differ in one rounding would land on different steps.

use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::linear::MAX_MARGIN;

/// Largest `|dp/dm|`: points of probability (as a fraction) per unit of margin.
pub const MAX_SLOPE: f64 = 10.0;

/// Most knots of a curve.
pub const MAX_KNOTS: usize = 10_000;

/// A point of a piecewise linear curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Knot {
    /// Margin.
    pub margin: f64,
    /// Probability at that margin.
    pub probability: f64,
}

/// Straight lines between knots, constant outside them; margins strictly increase, probabilities do not decrease.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PiecewiseLinear {
    /// At least one knot.
    pub knots: Vec<Knot>,
}

impl PiecewiseLinear {
    /// The same probability at every margin.
    #[must_use]
    pub fn constant(probability: f64) -> Self {
        Self { knots: vec![Knot { margin: 0.0, probability }] }
    }

    /// Probability at a margin. Between two knots `y0 (1 - t) + y1 t` with `t = (m - m0) / (m1 - m0)`: the same form as
    /// the exported graph. NaN for a NaN margin, and for a curve without knots.
    #[must_use]
    pub fn evaluate(&self, margin: f64) -> f64 {
        let after = self.knots.partition_point(|knot| knot.margin <= margin);
        match (after.checked_sub(1).and_then(|at| self.knots.get(at)), self.knots.get(after)) {
            _ if margin.is_nan() => f64::NAN,
            (Some(left), Some(right)) => {
                let share = (margin - left.margin) / (right.margin - left.margin);
                left.probability * (1.0 - share) + right.probability * share
            }
            (Some(knot), None) | (None, Some(knot)) => knot.probability,
            (None, None) => f64::NAN,
        }
    }

    /// Slope of the segment to the right of the margin (0 outside the knots).
    #[must_use]
    pub fn derivative(&self, margin: f64) -> f64 {
        let after = self.knots.partition_point(|knot| knot.margin <= margin);
        match (after.checked_sub(1).and_then(|at| self.knots.get(at)), self.knots.get(after)) {
            (Some(left), Some(right)) => slope(left, right),
            _ => 0.0,
        }
    }

    fn validate(&self, curve: &str) -> Result<(), ModelError> {
        let fail = |knot: usize, expected, found: f64| Err(calibration_error(curve, knot, expected, found));
        if self.knots.is_empty() || self.knots.len() > MAX_KNOTS {
            return fail(0, "1 to 10,000 knots", self.knots.len() as f64);
        }
        for (index, knot) in self.knots.iter().enumerate() {
            if knot.margin.is_nan() || knot.margin.abs() > MAX_MARGIN {
                return fail(index, "a finite margin, at most 1e150", knot.margin);
            }
            if !(0.0..=1.0).contains(&knot.probability) {
                return fail(index, "a probability in [0, 1]", knot.probability);
            }
        }
        for (index, pair) in self.knots.windows(2).enumerate() {
            let [left, right] = pair else { continue };
            if left.margin >= right.margin || !(right.margin - left.margin).is_finite() {
                return fail(index + 1, "margins that strictly increase over a finite range", right.margin);
            }
            if left.probability > right.probability {
                return fail(index + 1, "probabilities that do not decrease", right.probability);
            }
            let steepness = slope(left, right);
            if !steepness.is_finite() || steepness > MAX_SLOPE {
                return fail(index + 1, "a slope of at most 10 per unit of margin", steepness);
            }
        }
        Ok(())
    }
}

fn slope(left: &Knot, right: &Knot) -> f64 {
    (right.probability - left.probability) / (right.margin - left.margin)
}

fn calibration_error(curve: &str, knot: usize, expected: &'static str, found: f64) -> ModelError {
    ModelError::Calibration { place: format!("{curve} curve, knot {knot}"), expected, found: found.to_string() }
}

/// From margin to one probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Curve {
    /// `1 / (1 + exp(-(slope * margin + intercept)))`, Platt (1999); slope at least 0.
    Logistic {
        /// Multiplies the margin.
        slope: f64,
        /// Added to it.
        intercept: f64,
    },
    /// `1 / (1 + exp(-(slope_below * ln s - slope_above * ln(1 - s) + intercept)))` with `s = 1 / (1 + exp(-margin))`:
    /// beta calibration, Kull, Silva Filho & Flach (2017), Electron. J. Stat. 11(2), 5052-5080. Both slopes are at least
    /// 0, so that it never falls; where they are equal it is the logistic curve.
    Beta {
        /// Slope of the log-odds far below margin 0.
        slope_below: f64,
        /// Slope of the log-odds far above margin 0.
        slope_above: f64,
        /// Added to them.
        intercept: f64,
    },
    /// Smoothed isotonic regression.
    PiecewiseLinear(PiecewiseLinear),
}

impl Curve {
    /// Probability at a margin.
    #[must_use]
    pub fn evaluate(&self, margin: f64) -> f64 {
        match self {
            Self::Logistic { slope, intercept } => sigmoid(slope * margin + intercept),
            Self::Beta { slope_below, slope_above, intercept } => {
                let (below, above) = log_shares(margin);
                sigmoid(slope_below * below + slope_above * above + intercept)
            }
            Self::PiecewiseLinear(curve) => curve.evaluate(margin),
        }
    }

    /// `dp/dm` at a margin; at a knot, the slope of the segment to its right.
    #[must_use]
    pub fn derivative(&self, margin: f64) -> f64 {
        match self {
            Self::Logistic { slope, intercept } => {
                let probability = sigmoid(slope * margin + intercept);
                slope * probability * (1.0 - probability)
            }
            Self::Beta { slope_below, slope_above, .. } => {
                let (probability, share) = (self.evaluate(margin), sigmoid(margin));
                (slope_below * (1.0 - share) + slope_above * share) * probability * (1.0 - probability)
            }
            Self::PiecewiseLinear(curve) => curve.derivative(margin),
        }
    }

    fn validate(&self) -> Result<(), ModelError> {
        match self {
            Self::PiecewiseLinear(curve) => curve.validate("probability"),
            Self::Logistic { slope, intercept } => check_log_odds("logistic", &[*slope], *intercept),
            Self::Beta { slope_below, slope_above, intercept } => {
                check_log_odds("beta", &[*slope_below, *slope_above], *intercept)
            }
        }
    }
}

/// Slopes of log-odds from 0 to four times the steepest climb: a logistic curve climbs by a quarter of its slope at most,
/// a beta curve by a quarter of the greater of its two.
fn check_log_odds(curve: &str, slopes: &[f64], intercept: f64) -> Result<(), ModelError> {
    let fail = |expected, found: f64| {
        Err(ModelError::Calibration { place: curve.to_owned(), expected, found: found.to_string() })
    };
    if !intercept.is_finite() {
        return fail("a finite intercept", intercept);
    }
    match slopes.iter().find(|slope| !(0.0..=4.0 * MAX_SLOPE).contains(*slope)) {
        Some(slope) => fail("a slope from 0 to 40 (10 per unit of margin at the steepest)", *slope),
        None => Ok(()),
    }
}

/// `ln s` and `-ln(1 - s)` of `s = 1 / (1 + exp(-margin))`, without overflow: what beta calibration weighs.
#[must_use]
pub fn log_shares(margin: f64) -> (f64, f64) {
    let near = (-margin.abs()).exp().ln_1p();
    (margin.min(0.0) - near, margin.max(0.0) + near)
}

/// The logistic function, without overflow at either end.
#[must_use]
pub fn sigmoid(value: f64) -> f64 {
    if value >= 0.0 {
        1.0 / (1.0 + (-value).exp())
    } else {
        let exponential = value.exp();
        exponential / (1.0 + exponential)
    }
}

/// The calibrated probability and the Venn-Abers pair around it.
///
/// `low(m) = min(low curve, p)`, `high(m) = max(high curve, p)`: the pair is widened to hold the probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The probability.
    pub point: Curve,
    /// Lower end.
    pub low: PiecewiseLinear,
    /// Upper end.
    pub high: PiecewiseLinear,
}

/// A probability with its calibration uncertainty; `low <= probability <= high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibratedProbability {
    /// The probability.
    pub probability: f64,
    /// Lower end of the pair.
    pub low: f64,
    /// Upper end of the pair.
    pub high: f64,
}

impl Calibration {
    /// Probability, low and high at a margin.
    #[must_use]
    pub fn evaluate(&self, margin: f64) -> CalibratedProbability {
        let probability = self.point.evaluate(margin);
        CalibratedProbability {
            probability,
            low: self.low.evaluate(margin).min(probability),
            high: self.high.evaluate(margin).max(probability),
        }
    }

    /// Checks that every curve is finite, monotone, within [0, 1] and of bounded slope.
    ///
    /// # Errors
    /// [`ModelError::Calibration`] with the curve and the knot.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.point.validate()?;
        self.low.validate("low")?;
        self.high.validate("high")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(f64, f64)]) -> PiecewiseLinear {
        PiecewiseLinear {
            knots: points
                .iter()
                .map(|(margin, probability)| Knot { margin: *margin, probability: *probability })
                .collect(),
        }
    }

    #[test]
    fn piecewise_linear_interpolates_and_is_constant_outside() {
        let line = curve(&[(-1.0, 0.1), (1.0, 0.3), (2.0, 0.3), (4.0, 0.9)]);
        let cases = [
            (-9.0, 0.1),
            (-1.0, 0.1),
            (0.0, 0.2),
            (1.0, 0.3),
            (1.5, 0.3),
            (3.0, 0.6),
            (4.0, 0.9),
            (f64::INFINITY, 0.9),
        ];
        for (margin, expected) in cases {
            assert!((line.evaluate(margin) - expected).abs() < 1e-15, "at {margin}");
        }
        assert!(line.evaluate(f64::NAN).is_nan());
        assert!((line.derivative(3.0) - 0.3).abs() < 1e-15);
        assert_eq!(line.derivative(-2.0), 0.0);
        assert_eq!(line.derivative(4.0), 0.0);
    }

    #[test]
    fn the_pair_is_widened_to_hold_the_probability() {
        let calibration = Calibration {
            point: Curve::Logistic { slope: 1.0, intercept: 0.0 },
            low: PiecewiseLinear::constant(0.4),
            high: PiecewiseLinear::constant(0.6),
        };
        assert_eq!(calibration.evaluate(0.0), CalibratedProbability { probability: 0.5, low: 0.4, high: 0.6 });
        let far = calibration.evaluate(3.0);
        assert_eq!((far.low, far.high), (0.4, far.probability));
    }

    #[test]
    fn the_logistic_derivative_matches_a_difference_quotient() {
        let logistic = Curve::Logistic { slope: 1.7, intercept: -0.4 };
        for margin in [-3.0, 0.0, 0.2, 5.0] {
            let step = 1e-6;
            let quotient = (logistic.evaluate(margin + step) - logistic.evaluate(margin - step)) / (2.0 * step);
            assert!((logistic.derivative(margin) - quotient).abs() < 1e-9);
        }
        assert_eq!(sigmoid(-1000.0), 0.0);
        assert_eq!(sigmoid(1000.0), 1.0);
    }

    #[test]
    fn the_beta_curve_is_that_of_the_paper_and_nests_the_logistic() {
        for margin in [-30.0, -3.0, -0.2, 0.0, 0.7, 5.0, 20.0] {
            let share: f64 = 1.0 / (1.0 + f64::exp(-margin));
            let (slope_below, slope_above, intercept) = (0.8, 1.7, -0.4);
            let beta = Curve::Beta { slope_below, slope_above, intercept };
            // Formula 3 of the paper: 1 / (1 + 1 / (e^c s^a / (1 - s)^b)).
            let odds = intercept.exp() * share.powf(slope_below) / (1.0 - share).powf(slope_above);
            let expected = 1.0 / (1.0 + 1.0 / odds);
            assert!((beta.evaluate(margin) - expected).abs() < 1e-7, "at {margin}");
            let step = 1e-6;
            let quotient = (beta.evaluate(margin + step) - beta.evaluate(margin - step)) / (2.0 * step);
            assert!((beta.derivative(margin) - quotient).abs() < 1e-8, "at {margin}");
            let logistic = Curve::Logistic { slope: 1.3, intercept };
            let nested = Curve::Beta { slope_below: 1.3, slope_above: 1.3, intercept };
            assert!((nested.evaluate(margin) - logistic.evaluate(margin)).abs() < 1e-15, "at {margin}");
        }
        assert_eq!(log_shares(-1e6).0, -1e6);
        assert_eq!(log_shares(1e6), (0.0, 1e6));
    }

    #[test]
    fn steps_and_falling_curves_are_refused() {
        let good = PiecewiseLinear::constant(0.5);
        let bad: [(PiecewiseLinear, &str); 6] = [
            (curve(&[]), "knots"),
            (curve(&[(0.0, 0.1), (0.0, 0.2)]), "strictly increase"),
            (curve(&[(0.0, 0.3), (1.0, 0.2)]), "do not decrease"),
            (curve(&[(0.0, 0.0), (0.01, 0.2)]), "slope"),
            (curve(&[(f64::NAN, 0.0)]), "finite margin"),
            (curve(&[(0.0, 1.1)]), "[0, 1]"),
        ];
        for (knots, expected) in bad {
            let point = Curve::PiecewiseLinear(knots);
            let error = Calibration { point, low: good.clone(), high: good.clone() }.validate().expect_err("refused");
            assert!(error.to_string().contains(expected), "{error}");
        }
        for slope in [-0.1, 41.0, f64::NAN] {
            let point = Curve::Logistic { slope, intercept: 0.0 };
            assert!(Calibration { point, low: good.clone(), high: good.clone() }.validate().is_err());
        }
    }
}
