//! Fitting the calibrator: from margins and outcomes seen out of time to a probability with its uncertainty.
//!
//! The point estimate is one of three, by how many outcomes there are of the rarer kind ([`Method::of_outcomes`]): Platt's
//! logistic curve when they are few, the beta curve when there are more, a smoothed isotonic curve when they are very many.
//! Two numbers can be learned from little, three from some, a free shape from much; docs/calibration.md shows the
//! measurement behind the limits. Around it lies the Venn-Abers pair. Every curve is continuous and climbs by at most
//! [`STEEPEST_SLOPE`] per unit of margin, so that the last bit of a float margin cannot jump a step. Where the latest known
//! outcomes say that the base rate has moved, all of it is moved along ([`prior_shift`]).
//!
//! All fits read the margins through at most [`MOST_BINS`] weighted bins, so a fit costs one sort whatever the number of
//! rows.

mod beta;
mod bins;
mod curve;
mod isotonic;
mod logistic;
mod shift;
mod venn_abers;

use bellwether_models::{Calibration, Curve, Knot, PiecewiseLinear};

pub use bins::{Bin, Bins, MOST_BINS};
pub use isotonic::{Block, pool_adjacent_violators};
pub use shift::{PriorShift, prior_shift, shifted};

/// From this many of the rarer outcome the point estimate is a beta curve.
pub const BETA_OUTCOMES: usize = 100;
/// From this many it is isotonic.
pub const ISOTONIC_OUTCOMES: usize = 1_500;
/// Fewer of either outcome than this cannot be calibrated.
pub const LEAST_OUTCOMES: usize = 5;
/// Steepest climb of a curve, in probability per unit of margin; the bound of the bundle is 10, and the rest is room for
/// rounding.
pub const STEEPEST_SLOPE: f64 = 9.99;

/// Why margins and outcomes give no calibrator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum CalibrateError {
    /// Margins and labels, or weights, of unequal number.
    #[error("expected as many margins as {what}, found {margins} margins and {found} {what}")]
    #[diagnostic(code(bellwether::calibrate::length))]
    Length {
        /// What there is too little or too much of.
        what: &'static str,
        /// Margins.
        margins: usize,
        /// Found of it.
        found: usize,
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
    /// A weight that counts nothing.
    #[error("row {row}: expected a finite weight above 0, found {weight}")]
    #[diagnostic(code(bellwether::calibrate::weight))]
    Weight {
        /// Row.
        row: usize,
        /// What was found.
        weight: String,
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

/// The kinds of point estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Two numbers: Platt's curve.
    Logistic,
    /// Three: the beta curve.
    Beta,
    /// A free non-decreasing shape, smoothed.
    Isotonic,
}

impl Method {
    /// All, from the stiffest.
    pub const ALL: [Self; 3] = [Self::Logistic, Self::Beta, Self::Isotonic];

    /// The one for so many of the rarer outcome.
    #[must_use]
    pub fn of_outcomes(rarer: usize) -> Self {
        if rarer >= ISOTONIC_OUTCOMES {
            Self::Isotonic
        } else if rarer >= BETA_OUTCOMES {
            Self::Beta
        } else {
            Self::Logistic
        }
    }

    /// Name as records and reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Beta => "beta",
            Self::Isotonic => "isotonic",
        }
    }

    /// The point estimate alone.
    #[must_use]
    pub fn curve(self, bins: &Bins, prior: Prior) -> Curve {
        match self {
            Self::Logistic => logistic::fit(bins, prior),
            Self::Beta => beta::fit(bins, prior),
            Self::Isotonic => Curve::PiecewiseLinear(isotonic::fit(bins)),
        }
    }
}

/// What is known of margins before any outcome, as units of information (one over the variance of what is still open). A
/// free shape takes nothing of it: it needs so many outcomes that the prior would say nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// About the slope, around 1.
    pub slope: f64,
    /// About the log-odds at the mean margin, around that margin.
    pub level: f64,
    /// About the difference of the slopes on either side of margin 0, around 0.
    pub bend: f64,
}

impl Prior {
    /// Margins on any scale, such as a health score: a slope of 1 give or take a half, any level.
    pub const ANY_SCALE: Self = Self { slope: 4.0, level: 0.0, bend: 4.0 };

    /// Margins of a learner that was fitted by log loss on outcomes of the same kind, so that they are log-odds already, give or
    /// take a tenth: docs/calibration.md has the measurement behind it.
    pub const LOG_ODDS: Self = Self { slope: 200.0, level: 100.0, bend: 50.0 };
}

/// A calibration, and how its point estimate was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// The curves.
    pub calibration: Calibration,
    /// Kind of the point estimate.
    pub method: Method,
}

/// Fits the calibration on margins that were predicted out of time (or out of account), with their outcomes.
///
/// `margins`, `labels`: shape `(n_rows,)`, same order; the order itself does not matter.
///
/// # Errors
/// [`CalibrateError`] for unequal lengths, a margin that is not finite, or fewer than [`LEAST_OUTCOMES`] of an outcome.
pub fn fit(margins: &[f64], labels: &[bool]) -> Result<Calibration, CalibrateError> {
    Ok(fit_weighted(margins, labels, &vec![1.0; margins.len()])?.calibration)
}

/// Same, of rows with weights. A weight is a count ([`Bins::weighted`]): where rows of one account tell of the same outcome
/// several times, weights below 1 keep the calibration from taking them for so many witnesses.
///
/// At least [`LEAST_OUTCOMES`] rows of each outcome are needed; the kind of curve goes by their weight.
///
/// # Errors
/// [`CalibrateError`] as [`fit`], and for a weight that is not finite and above 0.
pub fn fit_weighted(margins: &[f64], labels: &[bool], weights: &[f64]) -> Result<Calibrated, CalibrateError> {
    fit_from(margins, labels, weights, Prior::ANY_SCALE)
}

/// Same, of margins of which something is known beforehand.
///
/// # Errors
/// [`CalibrateError`] as [`fit_weighted`].
pub fn fit_from(margins: &[f64], labels: &[bool], weights: &[f64], prior: Prior) -> Result<Calibrated, CalibrateError> {
    let bins = Bins::weighted(margins, labels, weights, MOST_BINS)?;
    let positives = labels.iter().filter(|label| **label).count();
    let negatives = labels.len() - positives;
    if positives.min(negatives) < LEAST_OUTCOMES {
        return Err(CalibrateError::TooFew { expected: LEAST_OUTCOMES, positives, negatives });
    }
    // A hair above, since weights that add up to a limit may miss it by their last bits.
    let rarer = bins.positives().min(bins.rows() - bins.positives()) + 1e-6;
    let method = Method::of_outcomes(rarer as usize);
    let (low, high) = venn_abers::fit(&bins);
    Ok(Calibrated { calibration: Calibration { point: method.curve(&bins, prior), low, high }, method })
}

/// The margin read as log-odds, and nothing known about its uncertainty: for a model whose probabilities nobody will see.
#[must_use]
pub fn identity() -> Calibration {
    let level = |probability: f64| PiecewiseLinear { knots: vec![Knot { margin: 0.0, probability }] };
    Calibration { point: Curve::Logistic { slope: 1.0, intercept: 0.0 }, low: level(0.0), high: level(1.0) }
}
