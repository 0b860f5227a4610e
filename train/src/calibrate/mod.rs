//! Fitting the calibrator: from margins and outcomes seen out of time to a probability with its uncertainty.
//!
//! The point estimate is Platt's logistic curve when outcomes are few, and a smoothed isotonic curve when there are at
//! least [`ISOTONIC_OUTCOMES`] of the rarer outcome: two numbers can be learned from little, a free shape cannot. Around it
//! lies the Venn-Abers pair. Every curve is continuous and climbs by at most [`STEEPEST_SLOPE`] per unit of margin, so that
//! the last bit of a float margin cannot jump a step.
//!
//! All fits read the margins through at most [`MOST_BINS`] weighted bins, so a fit costs one sort whatever the number of
//! rows.

mod bins;
mod curve;
mod isotonic;
mod logistic;
mod venn_abers;

use bellwether_models::{Calibration, Curve, Knot, PiecewiseLinear};

pub use bins::{Bin, Bins, MOST_BINS};
pub use isotonic::{Block, pool_adjacent_violators};

/// From this many of the rarer outcome the point estimate is isotonic.
pub const ISOTONIC_OUTCOMES: usize = 1_000;
/// Fewer of either outcome than this cannot be calibrated.
pub const LEAST_OUTCOMES: usize = 5;
/// Steepest climb of a curve, in probability per unit of margin; the bound of the bundle is 10, and the rest is room for
/// rounding.
pub const STEEPEST_SLOPE: f64 = 9.99;

/// Why margins and outcomes give no calibrator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum CalibrateError {
    /// Margins and labels of unequal number.
    #[error("expected as many margins as labels, found {margins} margins and {labels} labels")]
    #[diagnostic(code(bellwether::calibrate::length))]
    Length {
        /// Margins.
        margins: usize,
        /// Labels.
        labels: usize,
    },
    /// A margin that is not a number.
    #[error("row {row}: expected a finite margin, found {margin}")]
    #[diagnostic(code(bellwether::calibrate::margin))]
    Margin {
        /// Row.
        row: usize,
        /// What was found.
        margin: String,
    },
    /// Too little to learn from.
    #[error(
        "expected at least {expected} rows of each outcome to calibrate with, found {positives} positive and {negatives} negative"
    )]
    #[diagnostic(code(bellwether::calibrate::too_few), help("give a longer history"))]
    TooFew {
        /// Least number of each.
        expected: usize,
        /// Positive rows.
        positives: usize,
        /// Negative rows.
        negatives: usize,
    },
}

/// Fits the calibration on margins that were predicted out of time (or out of account), with their outcomes.
///
/// `margins`, `labels`: shape `(n_rows,)`, same order; the order itself does not matter.
///
/// # Errors
/// [`CalibrateError`] for unequal lengths, a margin that is not finite, or fewer than [`LEAST_OUTCOMES`] of an outcome.
pub fn fit(margins: &[f64], labels: &[bool]) -> Result<Calibration, CalibrateError> {
    let bins = Bins::new(margins, labels, MOST_BINS)?;
    let (positives, negatives) = (bins.positives() as usize, (bins.rows() - bins.positives()) as usize);
    if positives.min(negatives) < LEAST_OUTCOMES {
        return Err(CalibrateError::TooFew { expected: LEAST_OUTCOMES, positives, negatives });
    }
    let point = if positives.min(negatives) >= ISOTONIC_OUTCOMES {
        Curve::PiecewiseLinear(isotonic::fit(&bins))
    } else {
        logistic::fit(&bins)
    };
    let (low, high) = venn_abers::fit(&bins);
    Ok(Calibration { point, low, high })
}

/// The margin read as log-odds, and nothing known about its uncertainty: for a model whose probabilities nobody will see.
#[must_use]
pub fn identity() -> Calibration {
    let level = |probability: f64| PiecewiseLinear { knots: vec![Knot { margin: 0.0, probability }] };
    Calibration { point: Curve::Logistic { slope: 1.0, intercept: 0.0 }, low: level(0.0), high: level(1.0) }
}
