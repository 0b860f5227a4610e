//! `metrics.parquet`: every measure of every slice as a row, with its intervals.

use std::sync::Arc;

use arrow_array::{Float64Array, StringArray};

use super::{Columns, counts, optional_counts, repeated};
use crate::evaluate::MetricSet;
use crate::measure::Metric;
use crate::resample::Intervals;
use crate::summary::LearnerSummary;

/// One slice of the judged rows.
struct Slice<'a> {
    scope: &'static str,
    group: String,
    rows: usize,
    positives: usize,
    /// Known where there are intervals, and for groups.
    accounts: Option<usize>,
    metrics: Option<&'a MetricSet>,
    intervals: Option<&'a Intervals>,
}

impl<'a> Slice<'a> {
    fn new(scope: &'static str, group: String, metrics: &'a MetricSet, intervals: Option<&'a Intervals>) -> Self {
        let accounts = intervals.map(|one| one.accounts);
        let (rows, positives) = (metrics.rows, metrics.positives);
        Self { scope, group, rows, positives, accounts, metrics: Some(metrics), intervals }
    }
}

fn slices(summary: &LearnerSummary) -> Vec<Slice<'_>> {
    let mut slices = vec![Slice::new("all", "all".to_owned(), &summary.metrics, summary.intervals.as_ref())];
    for date in &summary.by_date {
        slices.push(Slice::new("date", date.as_of.clone(), &date.metrics, date.intervals.as_ref()));
    }
    for age in &summary.by_age {
        let group = age.age_months.to_string();
        slices.push(Slice::new("age", group, &age.metrics, age.intervals.as_ref()));
    }
    for group in &summary.by_group {
        slices.push(Slice {
            scope: group.by.name(),
            group: group.group.clone(),
            rows: group.rows,
            positives: group.positives,
            accounts: Some(group.accounts),
            metrics: group.metrics.as_ref(),
            intervals: group.intervals.as_ref(),
        });
    }
    slices
}

pub(super) fn batch(target: &str, summary: &LearnerSummary) -> Columns {
    let slices = slices(summary);
    let rows: Vec<(&Slice<'_>, Metric)> =
        slices.iter().flat_map(|slice| Metric::ALL.iter().map(move |metric| (slice, *metric))).collect();
    let end = |(slice, metric): &(&Slice<'_>, Metric), of: fn(&Intervals, Metric) -> Option<f64>| {
        slice.intervals.and_then(|intervals| of(intervals, *metric))
    };
    let ends = |of: fn(&Intervals, Metric) -> Option<f64>| {
        Arc::new(rows.iter().map(|row| end(row, of)).collect::<Float64Array>())
    };
    let value = |(slice, metric): &(&Slice<'_>, Metric)| slice.metrics.and_then(|metrics| metrics.value(*metric));
    vec![
        ("target", repeated(target, rows.len())),
        ("learner", repeated(summary.learner.name(), rows.len())),
        ("scope", Arc::new(StringArray::from_iter_values(rows.iter().map(|(slice, _)| slice.scope)))),
        ("group", Arc::new(StringArray::from_iter_values(rows.iter().map(|(slice, _)| &slice.group)))),
        ("rows", counts(rows.iter().map(|(slice, _)| slice.rows))),
        ("positives", counts(rows.iter().map(|(slice, _)| slice.positives))),
        ("accounts", optional_counts(rows.iter().map(|(slice, _)| slice.accounts))),
        ("metric", Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, metric)| metric.name())))),
        ("value", Arc::new(rows.iter().map(value).collect::<Float64Array>())),
        ("interval_low", ends(|intervals, metric| intervals.get(metric).map(|one| one.low))),
        ("interval_high", ends(|intervals, metric| intervals.get(metric).map(|one| one.high))),
        ("naive_low", ends(|intervals, metric| intervals.get(metric)?.naive.map(|one| one.low))),
        ("naive_high", ends(|intervals, metric| intervals.get(metric)?.naive.map(|one| one.high))),
    ]
}
