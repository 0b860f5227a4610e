//! From margin to probability, with its uncertainty.
//!
//! Every curve is continuous and its slope is bounded, so that the last bit of a float margin never moves a probability
//! by more than the last bits of a float.

use serde::{Deserialize, Serialize};

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
    /// Smoothed isotonic regression.
    PiecewiseLinear(PiecewiseLinear),
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
