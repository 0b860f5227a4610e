//! A backtest as files: JSON to read, Parquet to work with, a page to look at.
//!
//! | file | one row is |
//! |---|---|
//! | `backtest.json` | the summary, whole |
//! | `metrics.json` | target, learner, scope (`all`, `refit` or `date`), date, measures |
//! | `metrics.parquet` | target, learner, scope (`all`, `date`, `age`, `segment`, `plan`, `tenure_cohort` or `size`), group, rows, positives, accounts, metric, value, interval_low, interval_high, naive_low, naive_high |
//! | `predictions.parquet` | target, learner, account_id, as_of, refit, model_age_days, margin, probability, low, high, label, mrr |
//! | `reliability.parquet` | target, learner, bin, lowest, highest, rows, positives, mean_probability, observed_rate |
//! | `corp.parquet` | target, learner, step, lowest, highest, rows, positives, mean_probability, recalibrated |
//! | `lift.parquet` | target, learner, share_contacted, count, share_found (the gain), precision, lift |
//! | `report.html` | - |
//!
//! Rows are in the order target, learner (simple to rich), then as_of and account_id, scope, bin, step or share. The same run
//! gives the same bytes. In `metrics.parquet`, `interval_low` and `interval_high` are the 95 % interval from resampled accounts, `naive_low` and
//! `naive_high` that of rows taken as independent; what the rows do not give is null, and never 0.

mod metric_table;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray, UInt64Array,
};
use bellwether_features::time::days_from_epoch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use crate::backtest::{Backtest, Predictions, TargetRun};
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::evaluate::MetricSet;
use crate::metric;
use crate::report;
use crate::staging::{self, Staging};
use crate::summary::{BacktestSummary, LearnerSummary};

/// Bins of a reliability diagram.
pub const RELIABILITY_BINS: usize = 10;
/// Points of a lift curve.
pub const LIFT_POINTS: usize = 20;

/// The summary: every run has it, and the page is made from it alone.
pub const SUMMARY_FILE: &str = "backtest.json";
const METRICS_FILE: &str = "metrics.json";
const METRIC_TABLE_FILE: &str = "metrics.parquet";
const PREDICTIONS_FILE: &str = "predictions.parquet";
const RELIABILITY_FILE: &str = "reliability.parquet";
const CORP_FILE: &str = "corp.parquet";
const LIFT_FILE: &str = "lift.parquet";
const REPORT_FILE: &str = "report.html";

/// Every file that a run may consist of, the one that every run has first. A folder with anything else in it is not a
/// run's, and is never replaced.
pub const RUN_FILES: [&str; 8] = [
    SUMMARY_FILE,
    METRICS_FILE,
    METRIC_TABLE_FILE,
    PREDICTIONS_FILE,
    RELIABILITY_FILE,
    CORP_FILE,
    LIFT_FILE,
    REPORT_FILE,
];

/// Writes the run to `folder`: all of it, or nothing. An earlier run in that place is replaced; a folder
/// with anything in it that is not one of [`RUN_FILES`] is refused.
///
/// # Errors
/// As [`check_run_folder`]; [`TrainError::Metric`] when a curve cannot be drawn.
pub fn write_run(dataset: &Dataset, backtest: &Backtest, folder: &Path) -> Result<(), TrainError> {
    let staging = Staging::new(folder)?;
    staging.write(SUMMARY_FILE, &summary_json(&backtest.summary)?)?;
    let metrics = serde_json::to_vec_pretty(&metric_rows(&backtest.summary)).map_err(unserialisable)?;
    staging.write(METRICS_FILE, &metrics)?;
    write_predictions(dataset, backtest, &staging.path().join(PREDICTIONS_FILE))?;
    write_parquet(&staging.path().join(RELIABILITY_FILE), per_learner(backtest, reliability_batch)?)?;
    write_parquet(&staging.path().join(METRIC_TABLE_FILE), of_summaries(backtest, metric_table::batch))?;
    write_parquet(&staging.path().join(CORP_FILE), of_summaries(backtest, corp_batch))?;
    write_parquet(&staging.path().join(LIFT_FILE), of_summaries(backtest, lift_batch))?;
    staging.write(REPORT_FILE, report::html(&backtest.summary).as_bytes())?;
    staging.publish_over(&RUN_FILES)
}

/// Whether [`write_run`] could write to `folder`, before the work that is to be written.
///
/// # Errors
/// [`TrainError::Foreign`] when the folder holds what no run does; [`TrainError::Io`] when it cannot be made or written.
pub fn check_run_folder(folder: &Path) -> Result<(), TrainError> {
    staging::check(folder, &RUN_FILES)
}

/// `backtest.json`.
///
/// # Errors
/// [`TrainError::Io`] when a number cannot be written as JSON.
pub fn summary_json(summary: &BacktestSummary) -> Result<Vec<u8>, TrainError> {
    serde_json::to_vec_pretty(summary).map_err(unserialisable)
}

fn unserialisable(cause: serde_json::Error) -> TrainError {
    TrainError::io(Path::new(SUMMARY_FILE), "write as JSON", cause)
}

fn metric_rows(summary: &BacktestSummary) -> serde_json::Value {
    let mut rows = Vec::new();
    for target in &summary.targets {
        let name = &target.definition.name;
        let mut add = |learner: &str, scope: &str, date: Option<&str>, metrics: &MetricSet| {
            rows.push(json!({"target": name, "learner": learner, "scope": scope, "date": date, "metrics": metrics}));
        };
        for learner in &target.learners {
            add(learner.learner.name(), "all", None, &learner.metrics);
        }
        for refit in &target.refits {
            for learner in &refit.learners {
                if let Some(metrics) = &learner.metrics {
                    add(learner.learner.name(), "refit", Some(&refit.refit), metrics);
                }
            }
        }
        for learner in &target.learners {
            for date in &learner.by_date {
                add(learner.learner.name(), "date", Some(&date.as_of), &date.metrics);
            }
        }
    }
    serde_json::Value::Array(rows)
}

fn write_predictions(dataset: &Dataset, backtest: &Backtest, path: &Path) -> Result<(), TrainError> {
    let batches = backtest.runs.iter().flat_map(|run| run.predictions.iter().map(move |one| (run, one)));
    write_parquet(path, batches.map(|(run, one)| prediction_batch(dataset, run, one)).collect())
}

/// Columns that may be null.
const NULLABLE: [&str; 7] = ["mrr", "accounts", "value", "interval_low", "interval_high", "naive_low", "naive_high"];

type Columns = Vec<(&'static str, ArrayRef)>;

fn prediction_batch(dataset: &Dataset, run: &TargetRun, predictions: &Predictions) -> Columns {
    let row = |row: &u32| *row as usize;
    let as_of: Vec<i32> = run.rows.iter().map(|one| dataset.as_of_days()[row(one)]).collect();
    let refit: Vec<i32> = run.refit.iter().map(|date| days_from_epoch(*date)).collect();
    let age: Vec<i32> = as_of.iter().zip(&refit).map(|(as_of, refit)| as_of - refit).collect();
    let ids = run.rows.iter().map(|one| dataset.matrix().account_ids[row(one)].as_ref());
    let mrr = dataset.numeric("mrr");
    let amount = |one: &u32| mrr.map(|values| values[row(one)]).filter(|value| !value.is_nan()).map(f64::from);
    vec![
        ("target", repeated(&run.target, run.rows.len())),
        ("learner", repeated(predictions.learner.name(), run.rows.len())),
        ("account_id", Arc::new(StringArray::from_iter_values(ids))),
        ("as_of", Arc::new(Date32Array::from(as_of))),
        ("refit", Arc::new(Date32Array::from(refit))),
        ("model_age_days", Arc::new(Int32Array::from(age))),
        ("margin", numbers(&predictions.margin)),
        ("probability", numbers(&predictions.probability)),
        ("low", numbers(&predictions.low)),
        ("high", numbers(&predictions.high)),
        ("label", Arc::new(BooleanArray::from(run.labels.clone()))),
        ("mrr", Arc::new(run.rows.iter().map(amount).collect::<Float64Array>())),
    ]
}

/// One batch per target and learner.
fn per_learner(
    backtest: &Backtest,
    batch: impl Fn(&TargetRun, &Predictions) -> Result<Columns, metric::MetricError>,
) -> Result<Vec<Columns>, TrainError> {
    let mut batches = Vec::new();
    for run in &backtest.runs {
        for predictions in &run.predictions {
            batches.push(batch(run, predictions).map_err(|cause| TrainError::Metric {
                target: run.target.clone(),
                learner: predictions.learner.name().to_owned(),
                cause: cause.to_string(),
            })?);
        }
    }
    Ok(batches)
}

fn reliability_batch(run: &TargetRun, predictions: &Predictions) -> Result<Columns, metric::MetricError> {
    let bins = metric::reliability(&run.labels, &predictions.probability, RELIABILITY_BINS)?;
    let number = |value: fn(&metric::ReliabilityBin) -> f64| numbers(&bins.iter().map(value).collect::<Vec<_>>());
    Ok(vec![
        ("target", repeated(&run.target, bins.len())),
        ("learner", repeated(predictions.learner.name(), bins.len())),
        ("bin", counts(1..=bins.len())),
        ("lowest", number(|bin| bin.lowest)),
        ("highest", number(|bin| bin.highest)),
        ("rows", counts(bins.iter().map(|bin| bin.rows))),
        ("positives", counts(bins.iter().map(|bin| bin.positives))),
        ("mean_probability", number(|bin| bin.mean_probability)),
        ("observed_rate", number(|bin| bin.observed_rate)),
    ])
}

/// One batch per target and learner, from the summary alone.
fn of_summaries(backtest: &Backtest, batch: fn(&str, &LearnerSummary) -> Columns) -> Vec<Columns> {
    let targets = backtest.summary.targets.iter();
    targets.flat_map(|target| target.learners.iter().map(|one| batch(&target.definition.name, one))).collect()
}

fn corp_batch(target: &str, summary: &LearnerSummary) -> Columns {
    let steps = &summary.reliability;
    let number = |value: fn(&metric::CorpStep) -> f64| numbers(&steps.iter().map(value).collect::<Vec<_>>());
    vec![
        ("target", repeated(target, steps.len())),
        ("learner", repeated(summary.learner.name(), steps.len())),
        ("step", counts(1..=steps.len())),
        ("lowest", number(|step| step.lowest)),
        ("highest", number(|step| step.highest)),
        ("rows", counts(steps.iter().map(|step| step.rows))),
        ("positives", counts(steps.iter().map(|step| step.positives))),
        ("mean_probability", number(|step| step.mean_probability)),
        ("recalibrated", number(|step| step.recalibrated)),
    ]
}

fn lift_batch(target: &str, summary: &LearnerSummary) -> Columns {
    let points = &summary.gain;
    let number = |value: fn(&metric::GainPoint) -> f64| numbers(&points.iter().map(value).collect::<Vec<_>>());
    vec![
        ("target", repeated(target, points.len())),
        ("learner", repeated(summary.learner.name(), points.len())),
        ("share_contacted", number(|point| point.share_contacted)),
        ("count", counts(points.iter().map(|point| point.count))),
        ("share_found", number(|point| point.share_found)),
        ("precision", number(|point| point.precision)),
        ("lift", number(|point| point.lift)),
    ]
}

fn repeated(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
}

fn numbers(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn counts(values: impl Iterator<Item = usize>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values.map(|value| value as u64)))
}

fn optional_counts(values: impl Iterator<Item = Option<usize>>) -> ArrayRef {
    Arc::new(values.map(|value| value.map(|value| value as u64)).collect::<UInt64Array>())
}

/// Writes batches of one schema, each as its own row group.
fn write_parquet(path: &Path, batches: Vec<Columns>) -> Result<(), TrainError> {
    let fail = |cause: ParquetError| TrainError::io(path, "write it", cause);
    let level = ZstdLevel::try_new(3).map_err(fail)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer: Option<ArrowWriter<File>> = None;
    for columns in batches {
        let nullable = columns.into_iter().map(|(name, values)| (name, values, NULLABLE.contains(&name)));
        let batch = RecordBatch::try_from_iter_with_nullable(nullable).map_err(|cause| fail(cause.into()))?;
        if writer.is_none() {
            let file = File::create(path).map_err(|cause| TrainError::io(path, "create it", cause))?;
            let made = ArrowWriter::try_new(file, batch.schema(), Some(properties.clone()));
            writer = Some(made.map_err(fail)?);
        }
        if let Some(writer) = &mut writer {
            writer.write(&batch).and_then(|()| writer.flush()).map_err(fail)?;
        }
    }
    if let Some(writer) = writer {
        let file = writer.into_inner().map_err(fail)?;
        file.sync_all().map_err(|cause| TrainError::io(path, "write it to disk", cause))?;
    }
    Ok(())
}
