//! Fit time and log loss on 200,000 x 60 rows, beside LightGBM and scikit-learn. Not part of the ordinary tests:
//!
//! ```text
//! cargo test --release --workspace --test learner_yardstick -- --ignored --nocapture
//! ```
//!
//! The rows are written to `<temporary folder>/bellwether-yardstick/` as raw little-endian arrays (`x.f32` row by row,
//! `y.u8`; the first 200,000 rows to fit, the last 50,000 to judge), so that other tools can be run on the same rows.

#![allow(clippy::print_stdout, reason = "a measurement is read from the terminal")]

mod learner_world;

use std::time::Instant;

use bellwether_train::learner::{BoostingParameters, Learner, LearnerKind};
use bellwether_train::metric::{log_loss, roc_auc};
use learner_world::{World, crooked_world, design_row, probabilities};

const ROWS_TO_FIT: usize = 200_000;

fn fit_and_judge(name: &str, learner: &dyn Learner, fit: &World, judge: &World) {
    let start = Instant::now();
    let model = learner.fit(&fit.rows()).unwrap_or_else(|error| panic!("{error}"));
    let seconds = start.elapsed().as_secs_f64();
    let forecast = probabilities(&model, judge);
    let trees = match &model {
        bellwether_models::MarginModel::Trees(trees) => trees.trees.len(),
        bellwether_models::MarginModel::Linear(_) | bellwether_models::MarginModel::Graph(_) => 0,
    };
    let loss = log_loss(&judge.labels, &forecast).unwrap_or(f64::NAN);
    let auc = roc_auc(&judge.labels, &forecast).unwrap_or(f64::NAN);
    println!("{name:36} {seconds:7.2} s  AUC {auc:.5}  log loss {loss:.5}  trees {trees}");
}

#[test]
#[ignore = "a measurement, not a test: takes a minute and wants an idle machine"]
fn yardstick() {
    let world = crooked_world(250_000, 56, 11);
    let folder = std::env::temp_dir().join("bellwether-yardstick");
    std::fs::create_dir_all(&folder).unwrap();
    let bytes = (0..world.block.rows).flat_map(|row| design_row(&world, row)).flat_map(f32::to_le_bytes);
    std::fs::write(folder.join("x.f32"), bytes.collect::<Vec<u8>>()).unwrap();
    std::fs::write(folder.join("y.u8"), world.labels.iter().map(|label| u8::from(*label)).collect::<Vec<u8>>())
        .unwrap();
    let (fit, judge): (Vec<usize>, Vec<usize>) = (0..250_000).partition(|row| *row < ROWS_TO_FIT);
    let (fit, judge) = (world.select(&fit), world.select(&judge));
    let truth = log_loss(&judge.labels, &judge.truth).unwrap();
    println!("truth: AUC {:.5}  log loss {truth:.5}", roc_auc(&judge.labels, &judge.truth).unwrap());
    let as_lightgbm = BoostingParameters {
        max_rounds: 300,
        rounds_without_stopping: 300,
        max_leaves: 31,
        min_hessian_per_leaf: 1e-3,
        l2: 0.0,
        column_share: 1.0,
        account_share: 1.0,
        line: false,
        stopping_share: 0.0,
        ..BoostingParameters::default()
    };
    fit_and_judge("boosting, LightGBM's settings", &as_lightgbm.check().unwrap(), &fit, &judge);
    for kind in [LearnerKind::BaseRate, LearnerKind::Logistic, LearnerKind::Boosting, LearnerKind::Forest] {
        fit_and_judge(&format!("{kind}, defaults"), kind.learner().as_ref(), &fit, &judge);
    }
}
