//! What is the order worth to a team that can call only so many accounts?

use super::ranking::count_of_share;
use super::{DescendingGroups, MetricError, check_classes, check_lengths, check_scores};

/// Share of the positive rows' MRR that lies in the best `count` rows.
///
/// `Σ mrr of the positives among the k highest scores / Σ mrr of all positives`, unitless, in `[0, 1]`. For churn it reads
/// "of the revenue that was lost, this share was on the call list". A tie at the cut-off counts by its expected value.
/// `labels`, `scores`, `mrr`: shape `(n_rows,)`, same order; `mrr` finite and 0 or more (a row of unknown MRR is given 0);
/// a `count` above `n_rows` takes all rows.
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::NotANumber`]; [`MetricError::Undetermined`]
/// where no positive row has any MRR.
///
/// ```
/// use bellwether_train::metric::mrr_captured;
/// let labels = [true, false, true];
/// assert_eq!(mrr_captured(&labels, &[0.9, 0.5, 0.1], &[300.0, 50.0, 100.0], 1)?, 0.75);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn mrr_captured(labels: &[bool], scores: &[f64], mrr: &[f64], count: usize) -> Result<f64, MetricError> {
    let metric = "MRR captured";
    check_lengths(metric, labels.len(), &[("scores", scores.len()), ("mrr", mrr.len())])?;
    check_scores(metric, scores)?;
    if let Some(row) = mrr.iter().position(|amount| !amount.is_finite() || *amount < 0.0) {
        let expected = "a finite number, 0 or more";
        return Err(MetricError::NotANumber { metric, column: "mrr", expected, row, found: mrr[row] });
    }
    let amount = |row: usize| if labels[row] { mrr[row] } else { 0.0 };
    let total: f64 = (0..labels.len()).map(amount).sum();
    if total <= 0.0 {
        return Err(MetricError::Undetermined { metric, cause: "no positive row has any MRR" });
    }
    Ok((DescendingGroups::new(scores).expected_sum(count, amount) / total).min(1.0))
}

/// Expected number of positive rows among the best `count` rows: over `count` it is the precision, over all positive rows the
/// recall, at a capacity of `count` calls.
///
/// In rows, from 0 to `count`. A tie at the cut-off counts by its expected value.
/// `labels`, `scores`: shape `(n_rows,)`, same order; a `count` above `n_rows` takes all rows.
///
/// Source: Manning, Raghavan & Schütze (2008), *Introduction to Information Retrieval*, section 8.4 (precision at k).
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::NotANumber`].
///
/// ```
/// use bellwether_train::metric::positives_at_count;
/// assert_eq!(positives_at_count(&[true, false, true], &[0.9, 0.5, 0.5], 2)?, 1.5);
/// # Ok::<(), bellwether_train::metric::MetricError>(())
/// ```
pub fn positives_at_count(labels: &[bool], scores: &[f64], count: usize) -> Result<f64, MetricError> {
    let metric = "positives at capacity";
    check_lengths(metric, labels.len(), &[("scores", scores.len())])?;
    check_scores(metric, scores)?;
    Ok(DescendingGroups::new(scores).expected_sum(count, |row| f64::from(u8::from(labels[row]))))
}

/// One point of the gain and lift curves.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GainPoint {
    /// Share of the rows contacted, best scores first, in `(0, 1]`.
    pub share_contacted: f64,
    /// Rows contacted.
    pub count: usize,
    /// Share of the positive rows among them (gain, recall), in `[0, 1]`.
    pub share_found: f64,
    /// Positive rate among them (precision), in `[0, 1]`.
    pub precision: f64,
    /// Precision over the base rate; 1 is no skill.
    pub lift: f64,
}

/// Gain and lift at `points` evenly spaced shares of the rows, the last of which is all rows.
///
/// Point `i` of `n` contacts the best `⌈i/n · rows⌉` rows; ties at a cut-off count by their expected value. Fewer rows than
/// points give one point per row. `labels`, `scores`: shape `(n_rows,)`, same order; `points` at least 1.
///
/// # Errors
/// [`MetricError::LengthMismatch`], [`MetricError::Empty`], [`MetricError::SingleClass`], [`MetricError::NotANumber`];
/// [`MetricError::Parameter`] for 0 points.
pub fn gain_curve(labels: &[bool], scores: &[f64], points: usize) -> Result<Vec<GainPoint>, MetricError> {
    let metric = "gain curve";
    check_lengths(metric, labels.len(), &[("scores", scores.len())])?;
    check_scores(metric, scores)?;
    check_classes(metric, labels)?;
    if points == 0 {
        let expected = "at least 1".to_owned();
        return Err(MetricError::Parameter { metric, parameter: "points", expected, found: "0".to_owned() });
    }
    let rows = labels.len();
    let positives = labels.iter().filter(|label| **label).count() as f64;
    let groups = DescendingGroups::new(scores);
    let mut counts = Vec::with_capacity(points);
    for point in 1..=points {
        counts.push(count_of_share(metric, rows, point as f64 / points as f64)?);
    }
    counts.dedup();
    let point_at = |count: usize| {
        let found = groups.expected_sum(count, |row| f64::from(u8::from(labels[row])));
        let precision = found / count as f64;
        GainPoint {
            share_contacted: count as f64 / rows as f64,
            count,
            share_found: found / positives,
            precision,
            lift: precision / (positives / rows as f64),
        }
    };
    Ok(counts.into_iter().map(point_at).collect())
}
