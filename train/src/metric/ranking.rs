//! Is the order right? Metrics that only read the order of the scores.

use super::{DescendingGroups, MetricError, check_classes, check_lengths, check_scores, check_weights};

/// Area under the ROC curve: the chance that a random positive row scores above a random negative one; ties count half.
///
/// `AUC = P(s⁺ > s⁻) + ½ P(s⁺ = s⁻)`, unitless, in `[0, 1]`; 0.5 is no skill.
/// `labels`, `scores`: shape `(n_rows,)`, same order; any scores that can be ordered.
///
/// Source: Hanley & McNeil (1982), Radiology 143(1), 29–36; ties by midrank as in Mann & Whitney (1947).
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::SingleClass`], [`MetricError::NotANumber`].
///
/// ```
/// use bellwether_train::metric::roc_auc;
/// let labels = [false, false, true, true];
/// assert_eq!(roc_auc(&labels, &[0.1, 0.4, 0.35, 0.8])?, 0.75);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn roc_auc(labels: &[bool], scores: &[f64]) -> Result<f64, MetricError> {
    area(labels, scores, None)
}

/// [`roc_auc`] where row `i` counts `weights[i]` times.
///
/// # Errors
/// As [`roc_auc`]; [`MetricError::NotANumber`] also for a weight that is not finite and above 0.
pub fn roc_auc_weighted(labels: &[bool], scores: &[f64], weights: &[f64]) -> Result<f64, MetricError> {
    area(labels, scores, Some(weights))
}

fn area(labels: &[bool], scores: &[f64], weights: Option<&[f64]>) -> Result<f64, MetricError> {
    let groups = checked_groups("ROC AUC", labels, scores, weights)?;
    let (mut positive_above, mut negative_above, mut area) = (0.0, 0.0, 0.0);
    for group in groups.iter() {
        let (positive, negative) = class_weights(group, labels, weights);
        area += negative * (positive_above + 0.5 * positive);
        positive_above += positive;
        negative_above += negative;
    }
    Ok(area / (positive_above * negative_above))
}

/// Average precision: precision at each distinct score, weighted by the recall gained there.
///
/// `AP = Σₙ (Rₙ − Rₙ₋₁) Pₙ` over the distinct scores, descending; unitless, in `(0, 1]`; the base rate is no skill. A group
/// of equal scores is one step, so the order of tied rows does not matter. No interpolation.
/// `labels`, `scores`: shape `(n_rows,)`, same order.
///
/// Source: Zhu (2004), *Recall, precision and average precision*; as `sklearn.metrics.average_precision_score`.
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::SingleClass`], [`MetricError::NotANumber`].
///
/// ```
/// use bellwether_train::metric::average_precision;
/// let labels = [false, false, true, true];
/// assert!((average_precision(&labels, &[0.1, 0.4, 0.35, 0.8])? - 5.0 / 6.0).abs() < 1e-12);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn average_precision(labels: &[bool], scores: &[f64]) -> Result<f64, MetricError> {
    precision_over_recall(labels, scores, None)
}

/// [`average_precision`] where row `i` counts `weights[i]` times.
///
/// # Errors
/// As [`average_precision`]; [`MetricError::NotANumber`] also for a weight that is not finite and above 0.
pub fn average_precision_weighted(labels: &[bool], scores: &[f64], weights: &[f64]) -> Result<f64, MetricError> {
    precision_over_recall(labels, scores, Some(weights))
}

fn precision_over_recall(labels: &[bool], scores: &[f64], weights: Option<&[f64]>) -> Result<f64, MetricError> {
    let groups = checked_groups("average precision", labels, scores, weights)?;
    let (mut positive_above, mut all_above, mut sum) = (0.0, 0.0, 0.0);
    for group in groups.iter() {
        let (positive, negative) = class_weights(group, labels, weights);
        positive_above += positive;
        all_above += positive + negative;
        sum += positive * positive_above / all_above;
    }
    Ok(sum / positive_above)
}

/// Lift in the best `count` rows: their positive rate over the base rate.
///
/// `lift@k = (positives among the k highest scores / k) / (positives / n)`, a ratio, 0 or more; 1 is no skill. Where the
/// cut-off falls into a group of equal scores, the expected value over random orders of the group.
/// `labels`, `scores`: shape `(n_rows,)`, same order; `count` from 1 to `n_rows`.
///
/// Source: Ling & Li (1998), KDD-98, 73–79.
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::SingleClass`], [`MetricError::NotANumber`];
/// [`MetricError::Parameter`] for a `count` outside its range.
///
/// ```
/// use bellwether_train::metric::lift_at_count;
/// let labels = [true, false, true, false];
/// assert_eq!(lift_at_count(&labels, &[0.9, 0.8, 0.7, 0.1], 1)?, 2.0);
/// assert_eq!(lift_at_count(&labels, &[0.5; 4], 1)?, 1.0);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn lift_at_count(labels: &[bool], scores: &[f64], count: usize) -> Result<f64, MetricError> {
    let metric = "lift";
    let groups = checked_groups(metric, labels, scores, None)?;
    if count == 0 || count > labels.len() {
        let expected = format!("from 1 to the {} rows", labels.len());
        return Err(MetricError::Parameter { metric, parameter: "count", expected, found: count.to_string() });
    }
    let found = groups.expected_sum(count, |row| f64::from(u8::from(labels[row])));
    let positives = labels.iter().filter(|label| **label).count() as f64;
    Ok((found / count as f64) / (positives / labels.len() as f64))
}

/// [`lift_at_count`] in the best `share` of the rows; the count is rounded up, so a share above 0 is at least one row.
///
/// `share` in `(0, 1]`: 0.05 is "lift at 5 %".
///
/// # Errors
/// As [`lift_at_count`]; [`MetricError::Parameter`] for a `share` outside its range.
pub fn lift_at_share(labels: &[bool], scores: &[f64], share: f64) -> Result<f64, MetricError> {
    lift_at_count(labels, scores, count_of_share("lift", labels.len(), share)?)
}

/// Rows in the best `share` of `rows`, rounded up; the tiny allowance keeps 0.1 of 30 rows at 3.
pub(crate) fn count_of_share(metric: &'static str, rows: usize, share: f64) -> Result<usize, MetricError> {
    if share > 0.0 && share <= 1.0 {
        Ok(((share * rows as f64 - 1e-9).ceil() as usize).clamp(1, rows.max(1)))
    } else {
        let expected = "above 0 and at most 1".to_owned();
        Err(MetricError::Parameter { metric, parameter: "share", expected, found: share.to_string() })
    }
}

fn checked_groups(
    metric: &'static str,
    labels: &[bool],
    scores: &[f64],
    weights: Option<&[f64]>,
) -> Result<DescendingGroups, MetricError> {
    let weight_count = weights.map_or(labels.len(), <[f64]>::len);
    check_lengths(metric, labels.len(), &[("scores", scores.len()), ("weights", weight_count)])?;
    check_scores(metric, scores)?;
    check_weights(metric, weights)?;
    check_classes(metric, labels)?;
    Ok(DescendingGroups::new(scores))
}

/// Weight of the positive and of the negative rows of a group.
fn class_weights(group: &[usize], labels: &[bool], weights: Option<&[f64]>) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for &row in group {
        let weight = weights.map_or(1.0, |weights| weights[row]);
        if labels[row] {
            sums.0 += weight;
        } else {
            sums.1 += weight;
        }
    }
    sums
}
