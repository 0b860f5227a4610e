//! All measures of one forecast on one set of rows.
//!
//! A measure that the rows cannot give (one class only, no MRR) is absent, never 0. A probability outside `[0, 1]` or a
//! length that differs is an error.

use serde::{Deserialize, Serialize};

use crate::metric::{self, MetricError};

/// Rows to judge a forecast on. All slices have one length and one order.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// Outcomes.
    pub labels: &'a [bool],
    /// Calibrated probabilities.
    pub probabilities: &'a [f64],
    /// Positive rate of the training rows of each row's refit: what one could say without any signal.
    pub null_probabilities: &'a [f64],
    /// MRR at `as_of`; NaN where it is unknown, and then it counts as nothing.
    pub mrr: Option<&'a [f32]>,
    /// Group of each row in which a team chooses whom to call: the observation date.
    pub as_of_days: &'a [i32],
    /// How many accounts the team can call per date.
    pub capacity: usize,
}

/// The measures. Higher is better for AUC, precision, lift and MRR captured; lower for the losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricSet {
    /// Rows.
    pub rows: usize,
    /// Positive rows.
    pub positives: usize,
    /// Share of positive rows.
    pub base_rate: f64,
    /// Area under the ROC curve, in [0, 1].
    pub roc_auc: Option<f64>,
    /// Average precision, in [0, 1].
    pub average_precision: Option<f64>,
    /// Mean negative log-likelihood in nats.
    pub log_loss: f64,
    /// The same for a forecast of each refit's own training base rate.
    pub null_log_loss: f64,
    /// Mean squared error of the probabilities.
    pub brier: f64,
    /// Slope of the labels on the log-odds; 1 is perfect, below 1 is over-confident.
    pub calibration_slope: Option<f64>,
    /// Intercept of that regression; 0 is perfect at slope 1.
    pub calibration_intercept: Option<f64>,
    /// Positive rows over the sum of the probabilities; 1 is perfect.
    pub observed_over_expected: Option<f64>,
    /// Precision over base rate in the 5 % with the highest probability.
    pub lift_at_5_percent: Option<f64>,
    /// In the 10 %.
    pub lift_at_10_percent: Option<f64>,
    /// Share of the positive rows' MRR that is found when, on each date, the team calls the accounts with the highest
    /// probability up to its capacity.
    pub mrr_captured: Option<f64>,
}

impl MetricSet {
    /// Measures a forecast.
    ///
    /// # Errors
    /// [`MetricError`] when the rows are empty, lengths differ, or a probability is not one.
    pub fn new(judged: &Judged<'_>) -> Result<Self, MetricError> {
        let (labels, probabilities) = (judged.labels, judged.probabilities);
        let positives = labels.iter().filter(|label| **label).count();
        let log_loss = metric::log_loss(labels, probabilities)?;
        let recalibration = defined(metric::recalibration(labels, probabilities))?;
        Ok(Self {
            rows: labels.len(),
            positives,
            base_rate: positives as f64 / labels.len() as f64,
            roc_auc: defined(metric::roc_auc(labels, probabilities))?,
            average_precision: defined(metric::average_precision(labels, probabilities))?,
            log_loss,
            null_log_loss: metric::log_loss(labels, judged.null_probabilities)?,
            brier: metric::brier(labels, probabilities)?,
            calibration_slope: recalibration.map(|line| line.slope),
            calibration_intercept: recalibration.map(|line| line.intercept),
            observed_over_expected: defined(metric::observed_over_expected(labels, probabilities))?,
            lift_at_5_percent: defined(metric::lift_at_share(labels, probabilities, 0.05))?,
            lift_at_10_percent: defined(metric::lift_at_share(labels, probabilities, 0.10))?,
            mrr_captured: mrr_captured(judged)?,
        })
    }
}

/// A measure that these rows cannot give is `None`; every other error stays one.
fn defined<T>(result: Result<T, MetricError>) -> Result<Option<T>, MetricError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MetricError::SingleClass { .. } | MetricError::Undetermined { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// MRR found over all dates, over the MRR of all positive rows.
fn mrr_captured(judged: &Judged<'_>) -> Result<Option<f64>, MetricError> {
    let Some(mrr) = judged.mrr else { return Ok(None) };
    let amounts: Vec<f64> =
        mrr.iter().map(|amount| if amount.is_finite() { f64::from(amount.max(0.0)) } else { 0.0 }).collect();
    let (mut found, mut total) = (0.0, 0.0);
    for range in groups(judged.as_of_days) {
        let (labels, amounts) = (&judged.labels[range.clone()], &amounts[range.clone()]);
        let count = judged.capacity.clamp(1, labels.len());
        let of_date: f64 = labels.iter().zip(amounts).filter(|(label, _)| **label).map(|(_, amount)| amount).sum();
        total += of_date;
        let share = defined(metric::mrr_captured(labels, &judged.probabilities[range], amounts, count))?;
        found += share.unwrap_or(0.0) * of_date;
    }
    Ok((total > 0.0).then(|| found / total))
}

/// Ranges of equal neighbours.
pub(crate) fn groups(keys: &[i32]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for end in 1..=keys.len() {
        if end == keys.len() || keys[end] != keys[start] {
            ranges.push(start..end);
            start = end;
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_spent_per_date() {
        // Two dates, one call each. Date 1 finds 100 of 100; date 2 calls the wrong account and finds 0 of 300.
        let judged = Judged {
            labels: &[true, false, true, false],
            probabilities: &[0.9, 0.1, 0.2, 0.8],
            null_probabilities: &[0.5; 4],
            mrr: Some(&[100.0, 50.0, 300.0, f32::NAN]),
            as_of_days: &[1, 1, 2, 2],
            capacity: 1,
        };
        let set = MetricSet::new(&judged).unwrap();
        assert_eq!(set.mrr_captured, Some(0.25));
        assert_eq!((set.rows, set.positives, set.base_rate), (4, 2, 0.5));
        assert!((set.null_log_loss - std::f64::consts::LN_2).abs() < 1e-12);
    }

    #[test]
    fn one_class_has_a_loss_and_no_ranking() {
        let judged = Judged {
            labels: &[false, false],
            probabilities: &[0.1, 0.2],
            null_probabilities: &[0.1, 0.1],
            mrr: None,
            as_of_days: &[1, 1],
            capacity: 40,
        };
        let set = MetricSet::new(&judged).unwrap();
        assert_eq!((set.roc_auc, set.mrr_captured, set.calibration_slope), (None, None, None));
        assert!(set.log_loss > 0.0);
    }
}
