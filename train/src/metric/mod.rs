//! Measures of how good a forecast is, each defined once: formula, unit, range, ties and source.
//!
//! A metric takes plain slices in one row order and returns a number or an error. Nothing is printed, skipped or
//! replaced: unequal lengths, an empty set, a set of one class where two are needed, a probability outside `[0, 1]` or a
//! NaN are errors, because a metric of something else than what was asked for is worse than none.
//!
//! * [`ranking`]: is the order right? ROC AUC, average precision, lift.
//! * [`calibration`]: are the probabilities right? log loss, Brier score, recalibration, reliability.
//! * [`corp`]: reliability without bins, and a score taken apart into miscalibration, discrimination and uncertainty.
//! * [`value`]: what is the order worth? MRR and outcomes found within a team's capacity, gain curve.
//!
//! Ties are never broken by row order. Rows with equal scores count as a group: where a cut-off falls inside a group,
//! its result is the expected value over random orders of the group. So a constant score has AUC 0.5 and lift 1.

pub mod calibration;
pub mod corp;
pub mod ranking;
pub mod value;

pub use calibration::{
    Recalibration, ReliabilityBin, brier, brier_weighted, log_loss, log_loss_weighted, observed_over_expected,
    observed_over_expected_weighted, recalibration, reliability,
};
pub use corp::{CorpStep, ScoreParts, brier_parts, corp_reliability, log_loss_parts};
pub use ranking::{
    average_precision, average_precision_weighted, lift_at_count, lift_at_share, roc_auc, roc_auc_weighted,
};
pub use value::{GainPoint, gain_curve, mrr_captured, positives_at_count};

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum MetricError {
    /// Two columns that must have one length do not.
    #[error("{metric}: expected {expected} values of {column}, found {found}")]
    #[diagnostic(code(bellwether::metric::length_mismatch))]
    LengthMismatch {
        /// Metric.
        metric: &'static str,
        /// Column with the other length.
        column: &'static str,
        /// Length of the labels.
        expected: usize,
        /// Length found.
        found: usize,
    },
    /// No row.
    #[error("{metric}: expected at least one row, found none")]
    #[diagnostic(code(bellwether::metric::empty), help("widen the dates, or check that labels are mature"))]
    Empty {
        /// Metric.
        metric: &'static str,
    },
    /// Both classes are needed.
    #[error("{metric}: expected positive and negative rows, found {positives} positive of {rows}")]
    #[diagnostic(code(bellwether::metric::single_class), help("widen the dates, or check the target's definition"))]
    SingleClass {
        /// Metric.
        metric: &'static str,
        /// Positive rows.
        positives: usize,
        /// All rows.
        rows: usize,
    },
    /// A value outside `[0, 1]`, or NaN.
    #[error("{metric}: expected probabilities in [0, 1], found {found} in row {row}")]
    #[diagnostic(code(bellwether::metric::not_a_probability), help("pass calibrated probabilities, not raw scores"))]
    NotAProbability {
        /// Metric.
        metric: &'static str,
        /// Row, from 0.
        row: usize,
        /// Value found.
        found: f64,
    },
    /// A value that cannot be ordered or summed.
    #[error("{metric}: expected {expected} in {column}, found {found} in row {row}")]
    #[diagnostic(code(bellwether::metric::not_a_number))]
    NotANumber {
        /// Metric.
        metric: &'static str,
        /// Column.
        column: &'static str,
        /// What it must hold.
        expected: &'static str,
        /// Row, from 0.
        row: usize,
        /// Value found.
        found: f64,
    },
    /// A cut-off or a number of bins that makes no sense for these rows.
    #[error("{metric}: expected {parameter} {expected}, found {found}")]
    #[diagnostic(code(bellwether::metric::parameter))]
    Parameter {
        /// Metric.
        metric: &'static str,
        /// Parameter.
        parameter: &'static str,
        /// Its range in words.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The rows do not determine the answer.
    #[error("{metric}: no answer: {cause}")]
    #[diagnostic(code(bellwether::metric::undetermined))]
    Undetermined {
        /// Metric.
        metric: &'static str,
        /// Why.
        cause: &'static str,
    },
}

/// Rows of one metric, checked: equal lengths, at least one row.
pub(crate) fn check_lengths(
    metric: &'static str,
    rows: usize,
    columns: &[(&'static str, usize)],
) -> Result<(), MetricError> {
    for &(column, found) in columns {
        if found != rows {
            return Err(MetricError::LengthMismatch { metric, column, expected: rows, found });
        }
    }
    if rows == 0 { Err(MetricError::Empty { metric }) } else { Ok(()) }
}

/// Every probability lies in `[0, 1]`.
pub(crate) fn check_probabilities(metric: &'static str, probabilities: &[f64]) -> Result<(), MetricError> {
    match probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
        Some(row) => Err(MetricError::NotAProbability { metric, row, found: probabilities[row] }),
        None => Ok(()),
    }
}

/// No score is NaN; infinities can be ordered and are allowed.
pub(crate) fn check_scores(metric: &'static str, scores: &[f64]) -> Result<(), MetricError> {
    match scores.iter().position(|score| score.is_nan()) {
        Some(row) => {
            let expected = "a number";
            Err(MetricError::NotANumber { metric, column: "scores", expected, row, found: scores[row] })
        }
        None => Ok(()),
    }
}

/// Weights are finite and above 0.
pub(crate) fn check_weights(metric: &'static str, weights: Option<&[f64]>) -> Result<(), MetricError> {
    let Some(weights) = weights else { return Ok(()) };
    match weights.iter().position(|weight| !weight.is_finite() || *weight <= 0.0) {
        Some(row) => {
            let expected = "a finite number above 0";
            Err(MetricError::NotANumber { metric, column: "weights", expected, row, found: weights[row] })
        }
        None => Ok(()),
    }
}

/// Both classes occur.
pub(crate) fn check_classes(metric: &'static str, labels: &[bool]) -> Result<(), MetricError> {
    let positives = labels.iter().filter(|label| **label).count();
    if positives == 0 || positives == labels.len() {
        return Err(MetricError::SingleClass { metric, positives, rows: labels.len() });
    }
    Ok(())
}

/// Rows by descending score as groups of equal scores: row indices, and where each group ends.
pub(crate) struct DescendingGroups {
    rows: Vec<usize>,
    ends: Vec<usize>,
}

impl DescendingGroups {
    /// Orders the rows; scores must not be NaN. `-0` and `0` are one score.
    pub(crate) fn new(scores: &[f64]) -> Self {
        let mut rows: Vec<usize> = (0..scores.len()).collect();
        rows.sort_by(|&a, &b| (scores[b] + 0.0).total_cmp(&(scores[a] + 0.0)));
        let changes = |end: &usize| *end == rows.len() || scores[rows[*end]] != scores[rows[*end - 1]];
        let ends = (1..=rows.len()).filter(changes).collect();
        Self { rows, ends }
    }

    /// The groups, best first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.rows[start..end])
    }

    /// Expected sum of `amount` over the best `count` rows, over random orders within ties.
    pub(crate) fn expected_sum(&self, count: usize, amount: impl Fn(usize) -> f64) -> f64 {
        let mut left = count;
        let mut sum = 0.0;
        for group in self.iter() {
            let total: f64 = group.iter().map(|&row| amount(row)).sum();
            if group.len() >= left {
                return sum + total * left as f64 / group.len() as f64;
            }
            sum += total;
            left -= group.len();
        }
        sum
    }
}
