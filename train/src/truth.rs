//! The simulator's true probabilities, judged like a learner: the ceiling that no learner can pass except by luck.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Serialize;

use crate::backtest::{Backtest, TargetRun, measure};
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::evaluate::MetricSet;
use crate::settings::BacktestSettings;

/// True probabilities of the test rows of one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthMetrics {
    /// Target.
    pub target: String,
    /// Measures of the true probabilities on the very rows that the learners were judged on.
    pub metrics: MetricSet,
}

/// Reads `account_id` (string), `as_of` (date32) and one float64 column per target, and judges them on the backtest's test
/// rows. A target without a column is left out.
///
/// # Errors
/// [`TrainError::Io`] for a file that cannot be read, lacks a column or has one of another type, and for a test row without
/// a true probability; [`TrainError::Metric`] for values that are no probabilities.
pub fn judge_truth(
    dataset: &Dataset,
    settings: &BacktestSettings,
    backtest: &Backtest,
    path: &Path,
) -> Result<Vec<TruthMetrics>, TrainError> {
    let table = TruthTable::read(path, backtest)?;
    let mut judged = Vec::new();
    for run in &backtest.runs {
        let Some(values) = table.probabilities.get(&run.target) else { continue };
        let probabilities = table.of_rows(dataset, run, values, path)?;
        let metrics = measure(dataset, settings, run, &probabilities, 0..run.rows.len());
        let metrics = metrics.map_err(|cause| TrainError::Metric {
            target: run.target.clone(),
            learner: "truth".to_owned(),
            cause: cause.to_string(),
        })?;
        judged.push(TruthMetrics { target: run.target.clone(), metrics });
    }
    Ok(judged)
}

#[derive(Default)]
struct TruthTable {
    rows: usize,
    /// Position by (as_of in days, account).
    positions: BTreeMap<(i32, String), usize>,
    probabilities: BTreeMap<String, Vec<Option<f64>>>,
}

impl TruthTable {
    fn read(path: &Path, backtest: &Backtest) -> Result<Self, TrainError> {
        let file = File::open(path).map_err(|cause| TrainError::io(path, "open", cause))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(ParquetRecordBatchReaderBuilder::build);
        let mut table = Self::default();
        for batch in reader.map_err(|cause| TrainError::io(path, "read", cause))? {
            let batch = batch.map_err(|cause| TrainError::io(path, "read", cause))?;
            table.add(&batch, backtest).map_err(|cause| TrainError::io(path, "read", cause))?;
        }
        Ok(table)
    }

    fn add(&mut self, batch: &RecordBatch, backtest: &Backtest) -> Result<(), String> {
        let column = |name: &str| batch.column_by_name(name).ok_or(format!("expected a column `{name}`, found none"));
        let ids = column("account_id")?.as_string_opt::<i32>().ok_or("account_id: expected strings")?;
        let dates = column("as_of")?.as_primitive_opt::<Date32Type>().ok_or("as_of: expected date32")?;
        for row in 0..batch.num_rows() {
            self.positions.insert((dates.value(row), ids.value(row).to_owned()), self.rows + row);
        }
        self.rows += batch.num_rows();
        for run in &backtest.runs {
            let Ok(values) = column(&run.target) else { continue };
            let values = values.as_primitive_opt::<Float64Type>().ok_or(format!("{}: expected float64", run.target))?;
            self.probabilities.entry(run.target.clone()).or_default().extend(values.iter());
        }
        Ok(())
    }

    fn of_rows(
        &self,
        dataset: &Dataset,
        run: &TargetRun,
        values: &[Option<f64>],
        path: &Path,
    ) -> Result<Vec<f64>, TrainError> {
        let mut probabilities = Vec::with_capacity(run.rows.len());
        for row in &run.rows {
            let row = *row as usize;
            let key = (dataset.as_of_days()[row], dataset.matrix().account_ids[row].to_string());
            let found = self.positions.get(&key).and_then(|position| values.get(*position).copied().flatten());
            let missing = || format!("{}: a test row of {} has no true probability", run.target, dataset.as_of()[row]);
            probabilities.push(found.ok_or_else(|| TrainError::io(path, "judge", missing()))?);
        }
        Ok(probabilities)
    }
}
