//! Every learner's exported model, trained on a simulated business, against two second opinions: ONNX Runtime through
//! `bellwether-infer --engine onnxruntime`, and in Python the ONNX checker and onnxruntime on each `<target>.onnx`.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::Path;
use std::process::Command;

use bellwether_train::learner::LearnerKind;
use common::{floats, infer_binary, part, python, read_parquet, succeed, text};

const TARGETS: [&str; 2] = ["churn_90d", "expansion_60d"];

fn infer(business: &Path, bundle: &str, out: &str, engine: &[&str]) {
    let output = Command::new(infer_binary())
        .current_dir(business)
        .args(["score", "--bundle", bundle, "--input", "features.parquet", "--out", out])
        .args(engine)
        .output()
        .unwrap();
    assert!(output.status.success(), "{bundle} {out}: {}", text(&output.stderr));
}

/// The checker, and Python's onnxruntime against the scores that the native scorer published.
fn ask_python(python: &Path, bundle: &Path, features: &Path, scores: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("models/python/check_onnx.py");
    let output = Command::new(python).arg(script).arg("--bundle").args([bundle, features, scores]).output().unwrap();
    let told = text(&output.stdout);
    assert!(output.status.success(), "{}: {told}\n{}", bundle.display(), text(&output.stderr));
    assert!(told.contains(&format!("{} models", TARGETS.len())), "{told}");
}

#[test]
fn every_learner_gives_the_same_probabilities_in_every_engine() {
    let Some(python) = python("every_learner_gives_the_same_probabilities_in_every_engine") else { return };
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", "400", "--months", "24", "--out", "business"]);
    let business = folder.path().join("business");
    let features = business.join("features.parquet");
    succeed(&business, &["features", "--as-of", "2026-01-31", "--out", "features.parquet"]);
    for learner in LearnerKind::ALL.map(LearnerKind::name) {
        succeed(&business, &["train", "--learners", learner, "--name", learner, "--out", "registry"]);
        let bundle = format!("registry/{learner}@champion");
        infer(&business, &bundle, &format!("native-{learner}"), &[]);
        infer(&business, &bundle, &format!("runtime-{learner}"), &["--engine", "onnxruntime"]);
        let native = part(&business.join(format!("native-{learner}")), "2026-01-31");
        ask_python(&python, &business.join(format!("registry/{learner}/versions/1")), &features, &native);
        let native = read_parquet(&native);
        let runtime = read_parquet(&part(&business.join(format!("runtime-{learner}")), "2026-01-31"));
        for target in TARGETS {
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
