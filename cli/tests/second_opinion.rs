//! Every learner's exported model, trained on a simulated business, against two second opinions: the ONNX checker and
//! ONNX Runtime in Python, and ONNX Runtime through `bellwether-infer --engine onnxruntime`.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{floats, infer_binary, part, python, read_parquet, succeed, text};

const LEARNERS: [&str; 5] = ["base_rate", "health_score", "logistic", "forest", "boosting"];

fn infer(business: &Path, bundle: &str, out: &str, engine: &[&str]) {
    let output = Command::new(infer_binary())
        .current_dir(business)
        .args(["score", "--bundle", bundle, "--input", "features.parquet", "--out", out])
        .args(engine)
        .output()
        .unwrap();
    assert!(output.status.success(), "{bundle} {out}: {}", text(&output.stderr));
}

#[test]
fn every_learner_gives_the_same_probabilities_in_every_engine() {
    if python("every_learner_gives_the_same_probabilities_in_every_engine").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", "400", "--months", "24", "--out", "business"]);
    let business = folder.path().join("business");
    succeed(&business, &["features", "--as-of", "2026-01-31", "--out", "features.parquet"]);
    for learner in LEARNERS {
        succeed(&business, &["train", "--learners", learner, "--name", learner, "--out", "registry"]);
        let bundle = format!("registry/{learner}@champion");
        infer(&business, &bundle, &format!("native-{learner}"), &[]);
        infer(&business, &bundle, &format!("runtime-{learner}"), &["--engine", "onnxruntime"]);
        let native = read_parquet(&part(&business.join(format!("native-{learner}")), "2026-01-31"));
        let runtime = read_parquet(&part(&business.join(format!("runtime-{learner}")), "2026-01-31"));
        for target in ["churn_90d", "expansion_60d"] {
            for column in ["probability", "low", "high"] {
                let name = format!("{target}_{column}");
                assert_close(&floats(&native, &name), &floats(&runtime, &name), &format!("{learner} {name}"));
            }
        }
    }
}

fn assert_close(native: &[Option<f64>], runtime: &[Option<f64>], what: &str) {
    assert_eq!(native.len(), runtime.len(), "{what}");
    assert!(native.iter().flatten().count() > 100, "{what}: expected probabilities");
    for (one, other) in native.iter().zip(runtime) {
        assert_eq!(one.is_some(), other.is_some(), "{what}");
        let difference = one.unwrap_or(0.0) - other.unwrap_or(0.0);
        assert!(difference.abs() <= 1e-6, "{what}: native and onnxruntime differ by {difference:e}");
    }
}
