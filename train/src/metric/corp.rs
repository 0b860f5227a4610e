//! CORP: reliability without bins, and a score taken apart into what is calibration and what is knowledge.
//!
//! The forecasts are recalibrated by isotonic regression of the outcomes on them (pooling adjacent violators): the best
//! non-decreasing function of the forecast for every proper score at once, with no bin width to choose. What a score gains
//! by that is miscalibration, what is left over the base rate is discrimination.
//!
//! Source: Dimitriadis, Gneiting & Jordan (2021), PNAS 118(8), e2016191118.

use super::{MetricError, brier, check_lengths, check_probabilities, log_loss};
use crate::calibrate::{Bins, pool_adjacent_violators};

/// A mean score, taken apart: `score = miscalibration − discrimination + uncertainty`, each in the score's unit and 0 or more.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ScoreParts {
    /// `MCB`: what isotonic recalibration would take off the score; 0 is calibrated. Judged on the rows that the
    /// recalibration is fitted on, so a little above 0 even for a calibrated forecast.
    pub miscalibration: f64,
    /// `DSC`: how far the recalibrated forecast beats the base rate; higher is better, 0 is no knowledge.
    pub discrimination: f64,
    /// `UNC`: the score of the base rate of these very rows; no forecast's doing.
    pub uncertainty: f64,
}

/// One step of the CORP reliability curve: forecasts that share one recalibrated probability.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CorpStep {
    /// Least probability on the step.
    pub lowest: f64,
    /// Greatest probability on the step.
    pub highest: f64,
    /// Rows.
    pub rows: usize,
    /// Positive rows.
    pub positives: usize,
    /// Mean probability.
    pub mean_probability: f64,
    /// The recalibrated probability: the share of positive rows on the step, strictly rising from step to step.
    pub recalibrated: f64,
}

/// CORP reliability curve: the steps of the isotonic regression of the outcomes on the probabilities, ascending.
///
/// Plotted as `recalibrated` over the probability; the diagonal is calibrated. There is no bin to choose: the steps are the
/// maximum-likelihood non-decreasing fit.
/// `labels`, `probabilities`: shape `(n_rows,)`, same order; probabilities in `[0, 1]`.
///
/// Source: Dimitriadis, Gneiting & Jordan (2021), section "The CORP approach".
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::NotAProbability`].
///
/// ```
/// use bellwether_train::metric::corp_reliability;
/// let steps = corp_reliability(&[false, true, false, true], &[0.1, 0.2, 0.3, 0.9])?;
/// let fitted: Vec<f64> = steps.iter().map(|step| step.recalibrated).collect();
/// assert_eq!(fitted, [0.0, 0.5, 1.0]);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn corp_reliability(labels: &[bool], probabilities: &[f64]) -> Result<Vec<CorpStep>, MetricError> {
    let metric = "CORP reliability";
    check_lengths(metric, labels.len(), &[("probabilities", probabilities.len())])?;
    check_probabilities(metric, probabilities)?;
    let undetermined = |_| MetricError::Undetermined { metric, cause: "the rows could not be ordered" };
    // The mean of many equal numbers must not differ from them in the last bit, hence no limit on the bins.
    let bins = Bins::new(probabilities, labels, usize::MAX).map_err(undetermined)?;
    let step = |block: &crate::calibrate::Block| CorpStep {
        lowest: bins.bins()[block.first].margin,
        highest: bins.bins()[block.end - 1].margin,
        rows: block.rows as usize,
        positives: block.positives as usize,
        mean_probability: block.margin,
        recalibrated: block.probability(),
    };
    Ok(pool_adjacent_violators(bins.bins()).iter().map(step).collect())
}

/// [`log_loss`] taken apart, in nats.
///
/// `labels`, `probabilities`: as [`log_loss`], whose clipping applies to the forecast and not to its recalibration.
///
/// # Errors
/// As [`log_loss`].
///
/// ```
/// use bellwether_train::metric::{log_loss, log_loss_parts};
/// let (labels, forecast) = ([false, true, false, true], [0.1, 0.2, 0.3, 0.9]);
/// let parts = log_loss_parts(&labels, &forecast)?;
/// let sum = parts.miscalibration - parts.discrimination + parts.uncertainty;
/// assert!((sum - log_loss(&labels, &forecast)?).abs() < 1e-12);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn log_loss_parts(labels: &[bool], probabilities: &[f64]) -> Result<ScoreParts, MetricError> {
    parts(labels, probabilities, log_loss(labels, probabilities)?, entropy_sum)
}

/// [`brier`] taken apart, unitless.
///
/// # Errors
/// As [`brier`].
pub fn brier_parts(labels: &[bool], probabilities: &[f64]) -> Result<ScoreParts, MetricError> {
    parts(labels, probabilities, brier(labels, probabilities)?, variance_sum)
}

fn parts(
    labels: &[bool],
    probabilities: &[f64],
    score: f64,
    sum_at_own_rate: fn(f64, f64) -> f64,
) -> Result<ScoreParts, MetricError> {
    let steps = corp_reliability(labels, probabilities)?;
    let rows = labels.len() as f64;
    let positives = labels.iter().filter(|label| **label).count() as f64;
    let recalibrated: f64 = steps.iter().map(|step| sum_at_own_rate(step.positives as f64, step.rows as f64)).sum();
    Ok(ScoreParts::new(score, recalibrated / rows, sum_at_own_rate(positives, rows) / rows))
}

impl ScoreParts {
    /// From the mean scores of the forecast, of its recalibration, and of the base rate. Rounding below 0 is 0.
    pub(crate) fn new(score: f64, recalibrated: f64, base_rate: f64) -> Self {
        Self {
            miscalibration: (score - recalibrated).max(0.0),
            discrimination: (base_rate - recalibrated).max(0.0),
            uncertainty: base_rate,
        }
    }
}

/// Sum of the log losses of `rows` rows, of which `positives` are positive, all forecast at their own rate.
pub(crate) fn entropy_sum(positives: f64, rows: f64) -> f64 {
    let times_log = |count: f64| if count > 0.0 { -count * (count / rows).ln() } else { 0.0 };
    times_log(positives) + times_log(rows - positives)
}

/// Sum of their squared errors.
pub(crate) fn variance_sum(positives: f64, rows: f64) -> f64 {
    if rows > 0.0 { positives * (rows - positives) / rows } else { 0.0 }
}
