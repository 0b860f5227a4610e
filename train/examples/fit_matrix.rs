//! Fits one learner on every fold of a benchmark's matrix; see `benches/train/compare.py`.
//!
//! ```text
//! fit_matrix TASK.parquet LEARNER OUT.f64 [PARAMETERS.json]
//! ```
//!
//! The file has `account_id`, `as_of`, `label`, `fold` and the features; fold -1 is training only, fold k is predicted by a
//! model fitted on the rows of all other folds. Writes one little-endian float per row (NaN where a row is not tested) and
//! prints seconds of fitting and peak memory as JSON. What is written is the learner's own probability, before calibration.

#![allow(clippy::print_stdout, reason = "a measurement is read from the terminal")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use bellwether_models::scorer;
use bellwether_train::dataset::Dataset;
use bellwether_train::encode::{EncodedRows, Encoder};
use bellwether_train::learner::{BoostingParameters, Learner, LearnerKind};
use bellwether_train::matrix::{MatrixRoles, read};

const USAGE: &str = "fit_matrix TASK.parquet LEARNER OUT.f64 [PARAMETERS.json]";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, learner, out, rest @ ..] = arguments.as_slice() else { return Err(USAGE.into()) };
    let learner: Box<dyn Learner> = match rest {
        [] => learner.parse::<LearnerKind>()?.learner(),
        [parameters, ..] => {
            let text = std::fs::read_to_string(parameters)?;
            Box::new(serde_json::from_str::<BoostingParameters>(&text)?.check()?)
        }
    };
    let roles = MatrixRoles {
        target: "label".to_owned(),
        account: Some("account_id".to_owned()),
        as_of: Some("as_of".to_owned()),
        weight: None,
        horizon_days: None,
    };
    let mut dataset = read(Path::new(path), &roles)?.dataset;
    let fold = dataset.numeric("fold").ok_or("expected a column `fold`")?.to_vec();
    dataset = without_fold(&dataset)?;
    let folds: BTreeSet<i32> = fold.iter().map(|fold| *fold as i32).filter(|fold| *fold >= 0).collect();
    let mut probabilities = vec![f64::NAN; dataset.rows()];
    let mut seconds = 0.0;
    let mut trees = Vec::new();
    for one in folds {
        let (test, training): (Vec<u32>, Vec<u32>) =
            (0..dataset.rows() as u32).partition(|row| fold[*row as usize] as i32 == one);
        let labels = &dataset.labels()[0];
        let start = Instant::now();
        let encoder = Encoder::learn(&dataset, &training);
        let rows = EncodedRows::new(&dataset, labels, &encoder, &training);
        let model = learner.fit(&rows.training_rows(&encoder, dataset.signals(), "label", 7))?;
        seconds += start.elapsed().as_secs_f64();
        trees.push(match &model {
            bellwether_models::MarginModel::Trees(ensemble) => ensemble.trees.len(),
            bellwether_models::MarginModel::Linear(_) | bellwether_models::MarginModel::Graph(_) => 0,
        });
        let margins = scorer::margins(encoder.signature(), &model, &encoder.block(&dataset, &test))?;
        for (row, margin) in test.iter().zip(margins) {
            probabilities[*row as usize] = probability(&model, margin);
        }
    }
    let bytes: Vec<u8> = probabilities.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(out, bytes)?;
    println!("{{\"fit_seconds\": {seconds:.4}, \"peak_mib\": {:.1}, \"trees\": {trees:?}}}", peak_mib());
    Ok(())
}

/// A forest's margin is a probability already.
fn probability(model: &bellwether_models::MarginModel, margin: f64) -> f64 {
    let is_share = matches!(model, bellwether_models::MarginModel::Trees(trees) if trees.fill.is_some());
    if is_share { margin.clamp(1e-6, 1.0 - 1e-6) } else { 1.0 / (1.0 + (-margin).exp()) }
}

/// The dataset without the benchmark's own column.
fn without_fold(dataset: &Dataset) -> Result<Dataset, Failure> {
    let mut matrix = dataset.matrix().clone();
    let place = matrix.signals.iter().position(|signal| signal.name == "fold").ok_or("expected a column `fold`")?;
    matrix.signals.remove(place);
    matrix.columns.remove(place);
    Ok(Dataset::new(matrix, dataset.labels().to_vec())?)
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or(f64::NAN) / 1024.0
}
