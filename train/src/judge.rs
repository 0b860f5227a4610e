//! The judged rows of a target, measured: whole, by date, by model age and by group, each with its intervals.

use rayon::prelude::*;

use crate::backtest::{Predictions, TargetRun};
use crate::breakdown::{self, GroupRows};
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::evaluate::{Judged, MetricSet, groups};
use crate::export::LIFT_POINTS;
use crate::metric::{self, MetricError};
use crate::resample::{self, Intervals, LEAST_ACCOUNTS};
use crate::settings::BacktestSettings;
use crate::spacing;
use crate::summary::{AgeMetrics, DateMetrics, GroupMetrics, LearnerSummary};

/// Columns of some of the judged rows, in their order.
pub(crate) struct JudgedRows {
    positions: Vec<usize>,
    labels: Vec<bool>,
    null_probabilities: Vec<f64>,
    mrr: Option<Vec<f32>>,
    as_of_days: Vec<i32>,
    accounts: Vec<u32>,
    capacity: usize,
    seed: u64,
}

impl JudgedRows {
    /// `positions` in [`TargetRun::rows`], ascending.
    pub(crate) fn new(dataset: &Dataset, settings: &BacktestSettings, run: &TargetRun, positions: Vec<usize>) -> Self {
        let row = |position: &usize| run.rows[*position] as usize;
        let mrr = dataset.numeric("mrr").map(|values| positions.iter().map(|one| values[row(one)]).collect());
        Self {
            labels: positions.iter().map(|one| run.labels[*one]).collect(),
            null_probabilities: positions.iter().map(|one| run.null_probabilities[*one]).collect(),
            mrr,
            as_of_days: positions.iter().map(|one| dataset.as_of_days()[row(one)]).collect(),
            accounts: positions.iter().map(|one| dataset.accounts()[row(one)]).collect(),
            capacity: spacing::calls_per_date(dataset, settings) as usize,
            seed: settings.seed,
            positions,
        }
    }

    /// The measures of a column of probabilities over all judged rows, on these rows of it.
    pub(crate) fn measure(&self, probabilities: &[f64]) -> Result<MetricSet, MetricError> {
        MetricSet::new(&self.judged(&self.of_these(probabilities)))
    }

    /// With their intervals; `naive` asks for those that take rows as independent beside them.
    fn measure_with_intervals(
        &self,
        probabilities: &[f64],
        naive: bool,
    ) -> Result<(MetricSet, Option<Intervals>), MetricError> {
        let probabilities = self.of_these(probabilities);
        let judged = self.judged(&probabilities);
        let metrics = MetricSet::new(&judged)?;
        let intervals = resample::intervals(&judged, &metrics, &self.accounts, self.seed, naive);
        Ok((metrics, intervals))
    }

    fn of_these(&self, probabilities: &[f64]) -> Vec<f64> {
        self.positions.iter().map(|position| probabilities[*position]).collect()
    }

    fn judged<'a>(&'a self, probabilities: &'a [f64]) -> Judged<'a> {
        Judged {
            labels: &self.labels,
            probabilities,
            null_probabilities: &self.null_probabilities,
            mrr: self.mrr.as_deref(),
            as_of_days: &self.as_of_days,
            capacity: self.capacity,
        }
    }

    /// Whether at least [`LEAST_ACCOUNTS`] accounts have the outcome, and as many have not.
    fn has_enough_accounts(&self) -> bool {
        let accounts_of = |outcome: bool| {
            let rows = self.accounts.iter().zip(&self.labels).filter(|(_, label)| **label == outcome);
            rows.map(|(account, _)| account).collect::<std::collections::BTreeSet<_>>().len()
        };
        accounts_of(true).min(accounts_of(false)) >= LEAST_ACCOUNTS
    }

    fn positives(&self) -> usize {
        self.labels.iter().filter(|label| **label).count()
    }
}

/// All summaries of a target's learners, in their order.
pub(crate) fn summarise(
    dataset: &Dataset,
    settings: &BacktestSettings,
    run: &TargetRun,
) -> Result<Vec<LearnerSummary>, TrainError> {
    let slices = Slices::new(dataset, settings, run);
    // Many small pieces of work, side by side, collected in their order.
    let summaries: Vec<_> = run.predictions.par_iter().map(|one| (one, slices.summary(run, one))).collect();
    let mut learners = Vec::with_capacity(summaries.len());
    for (predictions, summary) in summaries {
        learners.push(summary.map_err(|cause| metric_error(run, predictions, &cause))?);
    }
    Ok(learners)
}

pub(crate) fn metric_error(run: &TargetRun, predictions: &Predictions, cause: &MetricError) -> TrainError {
    TrainError::Metric {
        target: run.target.clone(),
        learner: predictions.learner.name().to_owned(),
        cause: cause.to_string(),
    }
}

/// The judged rows, cut in every way in which they are measured.
struct Slices {
    all: JudgedRows,
    dates: Vec<(String, JudgedRows)>,
    ages: Vec<(u32, JudgedRows)>,
    groups: Vec<(GroupRows, JudgedRows)>,
}

impl Slices {
    fn new(dataset: &Dataset, settings: &BacktestSettings, run: &TargetRun) -> Self {
        let rows = |positions: Vec<usize>| JudgedRows::new(dataset, settings, run, positions);
        let all = rows((0..run.rows.len()).collect());
        let date = |range: std::ops::Range<usize>| {
            let as_of = dataset.as_of()[run.rows[range.start] as usize].to_string();
            (as_of, rows(range.collect()))
        };
        let dates = groups(&all.as_of_days).into_iter().map(date).collect();
        let ages = breakdown::by_age(dataset, run).into_iter().map(|(age, positions)| (age, rows(positions))).collect();
        let groups = breakdown::by_group(dataset, run).into_iter().map(|one| {
            let positions = one.positions.clone();
            (one, rows(positions))
        });
        Self { all, dates, ages, groups: groups.collect() }
    }

    fn summary(&self, run: &TargetRun, predictions: &Predictions) -> Result<LearnerSummary, MetricError> {
        let probabilities = predictions.probability.as_slice();
        let (metrics, intervals) = self.all.measure_with_intervals(probabilities, true)?;
        let by_date = self.dates.par_iter().map(|(as_of, rows)| {
            let (metrics, intervals) = rows.measure_with_intervals(probabilities, false)?;
            Ok(DateMetrics { as_of: as_of.clone(), metrics, intervals })
        });
        let by_age = self.ages.par_iter().map(|(age_months, rows)| {
            let (metrics, intervals) = rows.measure_with_intervals(probabilities, false)?;
            Ok(AgeMetrics { age_months: *age_months, metrics, intervals })
        });
        let by_group = self.groups.par_iter().map(|(group, rows)| group_metrics(group, rows, probabilities));
        let gain = match metric::gain_curve(&run.labels, probabilities, LIFT_POINTS) {
            // One class only: there is no curve to draw.
            Err(MetricError::SingleClass { .. }) => Vec::new(),
            result => result?,
        };
        Ok(LearnerSummary {
            learner: predictions.learner,
            metrics,
            intervals,
            by_date: by_date.collect::<Result<_, MetricError>>()?,
            by_age: by_age.collect::<Result<_, MetricError>>()?,
            by_group: by_group.collect::<Result<_, MetricError>>()?,
            reliability: metric::corp_reliability(&run.labels, probabilities)?,
            gain,
        })
    }
}

fn group_metrics(group: &GroupRows, rows: &JudgedRows, probabilities: &[f64]) -> Result<GroupMetrics, MetricError> {
    let (metrics, intervals) = if rows.has_enough_accounts() {
        let (metrics, intervals) = rows.measure_with_intervals(probabilities, false)?;
        (Some(metrics), intervals)
    } else {
        (None, None)
    };
    Ok(GroupMetrics {
        by: group.by,
        group: group.group.clone(),
        rows: rows.labels.len(),
        positives: rows.positives(),
        accounts: group.accounts,
        metrics,
        intervals,
    })
}
