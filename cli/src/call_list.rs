//! The accounts most worth a call: those with the most MRR at risk plus expected expansion, with their reasons.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::failure::Failure;

/// Why, in words and points of probability.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reason {
    pub(crate) text: String,
    pub(crate) points: f64,
}

/// One target of one account.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Forecast {
    pub(crate) target: String,
    pub(crate) probability: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) reasons: Vec<Reason>,
}

/// One account.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) account_id: String,
    pub(crate) worth: f64,
    pub(crate) mrr: Option<f64>,
    pub(crate) health: String,
    pub(crate) forecasts: Vec<Forecast>,
}

/// The `count` accounts of a published partition with the most at stake, most first; ties by account id.
pub(crate) fn most_worth_a_call(partition: &Path, targets: &[String], count: usize) -> Result<Vec<Call>, Failure> {
    let mut calls = Vec::new();
    for part in parts(partition)? {
        for batch in batches(&part)? {
            calls.extend((0..batch.num_rows()).filter_map(|row| call(&batch, row, targets)));
            calls.sort_by(|a, b| b.worth.total_cmp(&a.worth).then_with(|| a.account_id.cmp(&b.account_id)));
            calls.truncate(count);
        }
    }
    Ok(calls)
}

/// The Parquet files of a partition, by name.
fn parts(partition: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::io(partition, error);
    let entries = std::fs::read_dir(partition).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut parts: Vec<PathBuf> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect();
    parts.sort();
    Ok(parts)
}

fn batches(part: &Path) -> Result<Vec<RecordBatch>, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::data(format!("{}: cannot be read: {error}", part.display()), "run the scoring again")
    };
    let file = File::open(part).map_err(|error| Failure::io(part, error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|error| unreadable(&error))?;
    reader.map(|batch| batch.map_err(|error| unreadable(&error))).collect()
}

fn call(batch: &RecordBatch, row: usize, targets: &[String]) -> Option<Call> {
    let forecasts: Vec<Forecast> = targets.iter().filter_map(|target| forecast(batch, row, target)).collect();
    let at_risk = number(batch, "mrr_at_risk", row).unwrap_or(0.0);
    let expansion = number(batch, "expected_expansion_mrr", row).unwrap_or(0.0);
    let likeliest = forecasts.iter().map(|forecast| forecast.probability).fold(0.0, f64::max);
    let mrr = number(batch, "mrr", row);
    Some(Call {
        account_id: text(batch, "account_id", row)?,
        // Where there is no money in the data, the likeliest event decides.
        worth: if mrr.is_some() { at_risk + expansion } else { likeliest },
        mrr,
        health: text(batch, "health", row).unwrap_or_else(|| "unknown".to_owned()),
        forecasts,
    })
}

fn forecast(batch: &RecordBatch, row: usize, target: &str) -> Option<Forecast> {
    let column = |suffix: &str| number(batch, &format!("{target}_{suffix}"), row);
    let reasons = (1..=5).filter_map(|rank| {
        Some(Reason {
            text: text(batch, &format!("{target}_reason_{rank}_text"), row)?,
            points: number(batch, &format!("{target}_reason_{rank}_effect"), row)? * 100.0,
        })
    });
    Some(Forecast {
        target: target.to_owned(),
        probability: column("probability")?,
        low: column("low")?,
        high: column("high")?,
        reasons: reasons.collect(),
    })
}

fn number(batch: &RecordBatch, name: &str, row: usize) -> Option<f64> {
    let column = batch.column_by_name(name)?.as_primitive_opt::<Float64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn text(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
    column.is_valid(row).then(|| column.value(row).to_owned())
}

impl Call {
    /// The account as lines: a headline, then each target with its reasons.
    pub(crate) fn lines(&self, rank: usize, currency: &str) -> Vec<String> {
        let money =
            self.mrr.map_or_else(String::new, |mrr| format!("  MRR {mrr:.0} {currency}, {:.0} at stake", self.worth));
        let mut lines = vec![format!("{rank:>2}. {}{money}  health: {}", self.account_id, self.health)];
        for forecast in &self.forecasts {
            lines.push(format!(
                "      {:<14} {:>3.0} %  (between {:.0} and {:.0} %)",
                forecast.target,
                forecast.probability * 100.0,
                forecast.low * 100.0,
                forecast.high * 100.0
            ));
            lines.extend(
                forecast
                    .reasons
                    .iter()
                    .map(|reason| format!("        {:>+5.1} points  {}", reason.points, reason.text)),
            );
        }
        lines
    }
}
