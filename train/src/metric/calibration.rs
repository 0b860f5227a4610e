//! Are the probabilities right? Metrics that read the probabilities themselves.

use super::{MetricError, check_classes, check_lengths, check_probabilities, check_weights};

/// Probabilities are kept this far from 0 and 1 by [`log_loss`], so that one certain mistake costs 34.5 and not infinity.
pub const LOG_LOSS_CLIP: f64 = 1e-15;

/// Probabilities are kept this far from 0 and 1 before [`recalibration`] takes their log-odds.
pub(crate) const LOG_ODDS_CLIP: f64 = 1e-9;

/// Log loss (cross-entropy, natural logarithm): mean negative log-likelihood of the labels; lower is better.
///
/// `LL = −(1/n) Σᵢ [yᵢ ln pᵢ + (1 − yᵢ) ln(1 − pᵢ)]`, in nats, 0 or more; probabilities are first clipped to
/// `[1e-15, 1 − 1e-15]` ([`LOG_LOSS_CLIP`]).
/// `labels`, `probabilities`: shape `(n_rows,)`, same order; probabilities in `[0, 1]`.
///
/// Source: Good (1952), J. R. Stat. Soc. B 14(1), 107–114.
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::NotAProbability`].
///
/// ```
/// use bellwether_train::metric::log_loss;
/// let loss = log_loss(&[true, false, false, true], &[0.9, 0.1, 0.2, 0.65])?;
/// assert!((loss - 0.21616187468057912).abs() < 1e-12);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn log_loss(labels: &[bool], probabilities: &[f64]) -> Result<f64, MetricError> {
    mean_loss("log loss", labels, probabilities, None, log_loss_of)
}

/// [`log_loss`] as a weighted mean: `Σ wᵢ lossᵢ / Σ wᵢ`.
///
/// # Errors
/// As [`log_loss`]; [`MetricError::NotANumber`] for a weight that is not finite and above 0.
pub fn log_loss_weighted(labels: &[bool], probabilities: &[f64], weights: &[f64]) -> Result<f64, MetricError> {
    mean_loss("log loss", labels, probabilities, Some(weights), log_loss_of)
}

/// Brier score: mean squared error of probability forecasts; lower is better.
///
/// `BS = (1/n) Σᵢ (pᵢ − yᵢ)²`, unitless, in `[0, 1]`.
/// `labels`, `probabilities`: shape `(n_rows,)`, same order; probabilities in `[0, 1]`.
///
/// Source: Brier (1950), Mon. Weather Rev. 78(1), 1–3.
///
/// # Errors
/// [`MetricError::LengthMismatch`] if shapes differ; [`MetricError::Empty`] if `n_rows == 0`;
/// [`MetricError::NotAProbability`].
///
/// ```
/// use bellwether_train::metric::brier;
/// assert!((brier(&[false, true, true, false], &[0.1, 0.9, 0.8, 0.3])? - 0.0375).abs() < 1e-12);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn brier(labels: &[bool], probabilities: &[f64]) -> Result<f64, MetricError> {
    mean_loss("Brier score", labels, probabilities, None, squared_error)
}

/// [`brier`] as a weighted mean: `Σ wᵢ (pᵢ − yᵢ)² / Σ wᵢ`.
///
/// # Errors
/// As [`brier`]; [`MetricError::NotANumber`] for a weight that is not finite and above 0.
pub fn brier_weighted(labels: &[bool], probabilities: &[f64], weights: &[f64]) -> Result<f64, MetricError> {
    mean_loss("Brier score", labels, probabilities, Some(weights), squared_error)
}

pub(crate) fn log_loss_of(label: bool, probability: f64) -> f64 {
    let clipped = probability.clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP);
    if label { -clipped.ln() } else { -(-clipped).ln_1p() }
}

fn squared_error(label: bool, probability: f64) -> f64 {
    let error = probability - f64::from(u8::from(label));
    error * error
}

fn mean_loss(
    metric: &'static str,
    labels: &[bool],
    probabilities: &[f64],
    weights: Option<&[f64]>,
    loss: fn(bool, f64) -> f64,
) -> Result<f64, MetricError> {
    let weight_count = weights.map_or(labels.len(), <[f64]>::len);
    check_lengths(metric, labels.len(), &[("probabilities", probabilities.len()), ("weights", weight_count)])?;
    check_probabilities(metric, probabilities)?;
    check_weights(metric, weights)?;
    let (mut sum, mut total) = (0.0, 0.0);
    for (row, (&label, &probability)) in labels.iter().zip(probabilities).enumerate() {
        let weight = weights.map_or(1.0, |weights| weights[row]);
        sum += weight * loss(label, probability);
        total += weight;
    }
    Ok(sum / total)
}

/// Observed over expected: number of positive rows over the sum of the probabilities.
///
/// `O/E = Σ yᵢ / Σ pᵢ`, a ratio, 0 or more; 1 is calibrated in the large, above 1 the forecasts are too low.
/// `labels`, `probabilities`: shape `(n_rows,)`, same order; probabilities in `[0, 1]`.
///
/// Source: Steyerberg (2019), *Clinical Prediction Models*, 2nd ed., ch. 15.
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::NotAProbability`];
/// [`MetricError::Undetermined`] where every probability is 0.
///
/// ```
/// use bellwether_train::metric::observed_over_expected;
/// assert_eq!(observed_over_expected(&[true, false], &[0.25, 0.25])?, 2.0);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn observed_over_expected(labels: &[bool], probabilities: &[f64]) -> Result<f64, MetricError> {
    ratio(labels, probabilities, None)
}

/// [`observed_over_expected`] where row `i` counts `weights[i]` times: `Σ wᵢ yᵢ / Σ wᵢ pᵢ`.
///
/// # Errors
/// As [`observed_over_expected`]; [`MetricError::NotANumber`] for a weight that is not finite and above 0.
pub fn observed_over_expected_weighted(
    labels: &[bool],
    probabilities: &[f64],
    weights: &[f64],
) -> Result<f64, MetricError> {
    ratio(labels, probabilities, Some(weights))
}

fn ratio(labels: &[bool], probabilities: &[f64], weights: Option<&[f64]>) -> Result<f64, MetricError> {
    let metric = "observed over expected";
    let weight_count = weights.map_or(labels.len(), <[f64]>::len);
    check_lengths(metric, labels.len(), &[("probabilities", probabilities.len()), ("weights", weight_count)])?;
    check_probabilities(metric, probabilities)?;
    check_weights(metric, weights)?;
    let (mut observed, mut expected) = (0.0, 0.0);
    for (row, (label, probability)) in labels.iter().zip(probabilities).enumerate() {
        let weight = weights.map_or(1.0, |weights| weights[row]);
        observed += weight * f64::from(u8::from(*label));
        expected += weight * probability;
    }
    if expected <= 0.0 {
        return Err(MetricError::Undetermined { metric, cause: "every probability is 0" });
    }
    Ok(observed / expected)
}

/// The line that would recalibrate the forecasts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Recalibration {
    /// Multiplies the log-odds; 1 is perfect, below 1 the forecasts are too extreme.
    pub slope: f64,
    /// Added to them; 0 is perfect at slope 1.
    pub intercept: f64,
}

/// Calibration slope and intercept: the logistic regression of the labels on the log-odds of the forecasts.
///
/// `logit P(y = 1) = intercept + slope · logit(p)`, fitted by Newton's method with step halving; log-odds, any sign. The
/// probabilities are first clipped to `[1e-9, 1 − 1e-9]`.
/// `labels`, `probabilities`: shape `(n_rows,)`, same order; probabilities in `[0, 1]`.
///
/// Source: Cox (1958), Biometrika 45(3/4), 562–565.
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::SingleClass`],
/// [`MetricError::NotAProbability`]; [`MetricError::Undetermined`] where all probabilities are equal (no slope fits) or
/// separate the classes (every steeper slope fits better).
///
/// ```
/// use bellwether_train::metric::recalibration;
/// // Half of the rows forecast at 0.2 are positive one time in five, the others, at 0.8, four times in five.
/// let labels = [true, false, false, false, false, true, true, true, true, false];
/// let fit = recalibration(&labels, &[0.2, 0.2, 0.2, 0.2, 0.2, 0.8, 0.8, 0.8, 0.8, 0.8])?;
/// assert!((fit.slope - 1.0).abs() < 1e-9 && fit.intercept.abs() < 1e-9);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn recalibration(labels: &[bool], probabilities: &[f64]) -> Result<Recalibration, MetricError> {
    let metric = "calibration slope";
    check_lengths(metric, labels.len(), &[("probabilities", probabilities.len())])?;
    check_probabilities(metric, probabilities)?;
    check_classes(metric, labels)?;
    let clipped = probabilities.iter().map(|p| p.clamp(LOG_ODDS_CLIP, 1.0 - LOG_ODDS_CLIP));
    let log_odds: Vec<f64> = clipped.map(|p| (p / (1.0 - p)).ln()).collect();
    let (low, high) = log_odds.iter().fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    if high - low < 1e-9 {
        return Err(MetricError::Undetermined { metric, cause: "all probabilities are equal" });
    }
    if separates(labels, &log_odds) {
        return Err(MetricError::Undetermined { metric, cause: "the probabilities separate the classes" });
    }
    newton(labels, &log_odds).ok_or(MetricError::Undetermined { metric, cause: "Newton's method did not converge" })
}

/// Whether some cut-off has all positives on one side and all negatives on the other.
fn separates(labels: &[bool], log_odds: &[f64]) -> bool {
    let range = |class: bool| {
        let values = labels.iter().zip(log_odds).filter(|(label, _)| **label == class).map(|(_, &x)| x);
        values.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)))
    };
    let (positive, negative) = (range(true), range(false));
    positive.0 >= negative.1 || negative.0 >= positive.1
}

/// Mean negative log-likelihood of the line.
fn line_loss(labels: &[bool], log_odds: &[f64], line: Recalibration) -> f64 {
    let losses = labels.iter().zip(log_odds).map(|(&label, &x)| {
        let margin = line.intercept + line.slope * x;
        let signed = if label { -margin } else { margin };
        signed.max(0.0) + (-signed.abs()).exp().ln_1p()
    });
    losses.sum::<f64>() / labels.len() as f64
}

fn newton(labels: &[bool], log_odds: &[f64]) -> Option<Recalibration> {
    let mut line = Recalibration { slope: 1.0, intercept: 0.0 };
    let mut loss = line_loss(labels, log_odds, line);
    for _ in 0..100 {
        let step = newton_step(labels, log_odds, line)?;
        let mut scale = 1.0;
        let next = loop {
            let candidate = Recalibration {
                slope: line.slope - scale * step.slope,
                intercept: line.intercept - scale * step.intercept,
            };
            let candidate_loss = line_loss(labels, log_odds, candidate);
            if candidate_loss <= loss || scale < 1e-6 {
                loss = candidate_loss;
                break candidate;
            }
            scale *= 0.5;
        };
        let moved = (next.slope - line.slope).abs() + (next.intercept - line.intercept).abs();
        line = next;
        if moved < 1e-10 * (1.0 + line.slope.abs() + line.intercept.abs()) {
            return Some(line);
        }
    }
    None
}

/// Inverse Hessian times gradient of the loss at `line`; `None` where the Hessian is singular.
fn newton_step(labels: &[bool], log_odds: &[f64], line: Recalibration) -> Option<Recalibration> {
    let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
    for (&label, &x) in labels.iter().zip(log_odds) {
        let p = 1.0 / (1.0 + (-(line.intercept + line.slope * x)).exp());
        let residual = p - f64::from(u8::from(label));
        let curvature = p * (1.0 - p);
        gradient[0] += residual;
        gradient[1] += residual * x;
        hessian[0] += curvature;
        hessian[1] += curvature * x;
        hessian[2] += curvature * x * x;
    }
    let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
    (determinant > 0.0 && determinant.is_finite()).then(|| Recalibration {
        slope: (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
        intercept: (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
    })
}

/// One bin of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ReliabilityBin {
    /// Least probability in the bin.
    pub lowest: f64,
    /// Greatest probability in the bin.
    pub highest: f64,
    /// Rows.
    pub rows: usize,
    /// Positive rows.
    pub positives: usize,
    /// Mean probability: where the bin stands on the horizontal axis.
    pub mean_probability: f64,
    /// Positive rows over rows: where it stands on the vertical axis.
    pub observed_rate: f64,
    /// Lower end of the 95 % Wilson interval of the observed rate (rows taken as independent).
    pub observed_low: f64,
    /// Upper end of it.
    pub observed_high: f64,
}

/// Reliability diagram: rows by ascending probability in bins of nearly equal count.
///
/// Bin `b` of `B` ends at row `⌈n (b + 1) / B⌉` of the order, moved on to the end of a group of equal probabilities, so that
/// equal forecasts are never in two bins; there may be fewer bins than asked for.
/// `labels`, `probabilities`: shape `(n_rows,)`, same order; probabilities in `[0, 1]`; `bins` at least 1.
///
/// Source: Bröcker & Smith (2007), Weather and Forecasting 22(3), 651–661; interval: Wilson (1927), JASA 22(158).
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::NotAProbability`];
/// [`MetricError::Parameter`] for 0 bins.
pub fn reliability(labels: &[bool], probabilities: &[f64], bins: usize) -> Result<Vec<ReliabilityBin>, MetricError> {
    let metric = "reliability";
    check_lengths(metric, labels.len(), &[("probabilities", probabilities.len())])?;
    check_probabilities(metric, probabilities)?;
    if bins == 0 {
        let expected = "at least 1".to_owned();
        return Err(MetricError::Parameter { metric, parameter: "bins", expected, found: "0".to_owned() });
    }
    let rows = labels.len();
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let mut result = Vec::with_capacity(bins);
    let mut start = 0;
    for bin in 1..=bins {
        let mut end = (rows * bin).div_ceil(bins).max(start);
        while end > start && end < rows && probabilities[order[end]] == probabilities[order[end - 1]] {
            end += 1;
        }
        if end > start {
            result.push(reliability_bin(&order[start..end], labels, probabilities));
            start = end;
        }
    }
    Ok(result)
}

fn reliability_bin(rows: &[usize], labels: &[bool], probabilities: &[f64]) -> ReliabilityBin {
    let count = rows.len() as f64;
    let positives = rows.iter().filter(|row| labels[**row]).count();
    let observed_rate = positives as f64 / count;
    let (observed_low, observed_high) = wilson(observed_rate, count);
    ReliabilityBin {
        lowest: probabilities[rows[0]],
        highest: probabilities[rows[rows.len() - 1]],
        rows: rows.len(),
        positives,
        mean_probability: rows.iter().map(|&row| probabilities[row]).sum::<f64>() / count,
        observed_rate,
        observed_low,
        observed_high,
    }
}

/// 95 % Wilson interval of a rate.
fn wilson(rate: f64, count: f64) -> (f64, f64) {
    let z = 1.959_963_984_540_054;
    let spread = z * z / count;
    let center = (rate + spread / 2.0) / (1.0 + spread);
    let half = z / (1.0 + spread) * (rate * (1.0 - rate) / count + spread / (4.0 * count)).sqrt();
    // Rounding must not push the rate itself out of its interval.
    ((center - half).clamp(0.0, rate), (center + half).clamp(rate, 1.0))
}
