//! All measures of one forecast on one set of rows.
//!
//! A measure that the rows cannot give (one class only, no MRR) is absent, never 0. A probability outside `[0, 1]` or a
//! length that differs is an error.

use serde::{Deserialize, Serialize};

use crate::measure::Metric;
use crate::metric::{self, MetricError, ScoreParts};

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
    /// How many accounts the team can call from one date to the next.
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
    /// Share of the called accounts that had the outcome, when the team calls as above.
    #[serde(default)]
    pub precision_at_capacity: Option<f64>,
    /// Share of the accounts with the outcome that were called.
    #[serde(default)]
    pub recall_at_capacity: Option<f64>,
    /// The log loss taken apart (CORP); absent in summaries of versions that did not measure it.
    #[serde(default)]
    pub log_loss_parts: Option<ScoreParts>,
    /// The Brier score taken apart (CORP).
    #[serde(default)]
    pub brier_parts: Option<ScoreParts>,
    /// Log loss where each row counts by its MRR, as do the next three; rows without MRR do not count.
    #[serde(default)]
    pub mrr_weighted_log_loss: Option<f64>,
    /// Area under the ROC curve.
    #[serde(default)]
    pub mrr_weighted_roc_auc: Option<f64>,
    /// Average precision.
    #[serde(default)]
    pub mrr_weighted_average_precision: Option<f64>,
    /// MRR of the positive rows over the MRR that was expected to be among them.
    #[serde(default)]
    pub mrr_weighted_observed_over_expected: Option<f64>,
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
        let at_capacity = AtCapacity::new(judged)?;
        let by_mrr = ByMrr::new(judged)?;
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
            precision_at_capacity: Some(at_capacity.found / at_capacity.called),
            recall_at_capacity: (positives > 0).then(|| at_capacity.found / positives as f64),
            log_loss_parts: Some(metric::log_loss_parts(labels, probabilities)?),
            brier_parts: Some(metric::brier_parts(labels, probabilities)?),
            mrr_weighted_log_loss: by_mrr.log_loss,
            mrr_weighted_roc_auc: by_mrr.roc_auc,
            mrr_weighted_average_precision: by_mrr.average_precision,
            mrr_weighted_observed_over_expected: by_mrr.observed_over_expected,
        })
    }

    /// One measure by name; `None` where these rows do not give it.
    #[must_use]
    pub fn value(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::LogLoss => Some(self.log_loss),
            Metric::LogLossMiscalibration => self.log_loss_parts.map(|parts| parts.miscalibration),
            Metric::LogLossDiscrimination => self.log_loss_parts.map(|parts| parts.discrimination),
            Metric::LogLossUncertainty => self.log_loss_parts.map(|parts| parts.uncertainty),
            Metric::NullLogLoss => Some(self.null_log_loss),
            Metric::Brier => Some(self.brier),
            Metric::BrierMiscalibration => self.brier_parts.map(|parts| parts.miscalibration),
            Metric::BrierDiscrimination => self.brier_parts.map(|parts| parts.discrimination),
            Metric::BrierUncertainty => self.brier_parts.map(|parts| parts.uncertainty),
            Metric::RocAuc => self.roc_auc,
            Metric::AveragePrecision => self.average_precision,
            Metric::CalibrationSlope => self.calibration_slope,
            Metric::CalibrationIntercept => self.calibration_intercept,
            Metric::ObservedOverExpected => self.observed_over_expected,
            Metric::LiftAt5Percent => self.lift_at_5_percent,
            Metric::LiftAt10Percent => self.lift_at_10_percent,
            Metric::PrecisionAtCapacity => self.precision_at_capacity,
            Metric::RecallAtCapacity => self.recall_at_capacity,
            Metric::MrrCaptured => self.mrr_captured,
            Metric::MrrWeightedLogLoss => self.mrr_weighted_log_loss,
            Metric::MrrWeightedRocAuc => self.mrr_weighted_roc_auc,
            Metric::MrrWeightedAveragePrecision => self.mrr_weighted_average_precision,
            Metric::MrrWeightedObservedOverExpected => self.mrr_weighted_observed_over_expected,
            Metric::BaseRate => Some(self.base_rate),
        }
    }
}

/// What a team finds that calls, on each date, the accounts with the highest probability up to its capacity.
struct AtCapacity {
    called: f64,
    found: f64,
}

impl AtCapacity {
    fn new(judged: &Judged<'_>) -> Result<Self, MetricError> {
        let mut sums = Self { called: 0.0, found: 0.0 };
        for range in groups(judged.as_of_days) {
            let count = judged.capacity.clamp(1, range.len());
            let (labels, scores) = (&judged.labels[range.clone()], &judged.probabilities[range]);
            sums.called += count as f64;
            sums.found += metric::positives_at_count(labels, scores, count)?;
        }
        Ok(sums)
    }
}

/// The measures whose rows count by their MRR.
#[derive(Default)]
struct ByMrr {
    log_loss: Option<f64>,
    roc_auc: Option<f64>,
    average_precision: Option<f64>,
    observed_over_expected: Option<f64>,
}

impl ByMrr {
    fn new(judged: &Judged<'_>) -> Result<Self, MetricError> {
        let Some(mrr) = judged.mrr else { return Ok(Self::default()) };
        let (mut labels, mut probabilities, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (row, amount) in mrr.iter().enumerate().filter(|(_, amount)| known_amount(**amount) > 0.0) {
            labels.push(judged.labels[row]);
            probabilities.push(judged.probabilities[row]);
            weights.push(f64::from(*amount));
        }
        if labels.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self {
            log_loss: Some(metric::log_loss_weighted(&labels, &probabilities, &weights)?),
            roc_auc: defined(metric::roc_auc_weighted(&labels, &probabilities, &weights))?,
            average_precision: defined(metric::average_precision_weighted(&labels, &probabilities, &weights))?,
            observed_over_expected: defined(metric::observed_over_expected_weighted(
                &labels,
                &probabilities,
                &weights,
            ))?,
        })
    }
}

/// MRR as it counts: 0 where it is unknown or negative.
pub(crate) fn known_amount(mrr: f32) -> f64 {
    if mrr.is_finite() { f64::from(mrr.max(0.0)) } else { 0.0 }
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
    let amounts: Vec<f64> = mrr.iter().map(|amount| known_amount(*amount)).collect();
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
        assert_eq!((set.precision_at_capacity, set.recall_at_capacity), (Some(0.5), Some(0.5)));
        // Weights 100, 50, 300, and the row of unknown MRR is out: of pairs 100-50 and 300-50 both are in order.
        assert_eq!(set.mrr_weighted_roc_auc, Some(1.0));
        assert_eq!(set.mrr_weighted_observed_over_expected, Some(400.0 / (90.0 + 5.0 + f64::from(0.2_f32 * 300.0))));
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
