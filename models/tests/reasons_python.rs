//! Shapley values of LightGBM's models equal LightGBM's own (`pred_contrib`) and the `shap` package's.
//!
//! The interpreter is named by `BELLWETHER_PYTHON` and needs `lightgbm` and `numpy`, and `shap` for the second half.

use std::path::Path;
use std::process::Command;

use bellwether_models::{DesignBlock, Explainer, FeatureBlock, Node, Tree};
use serde_json::Value;

mod trees;

const TOLERANCE: f64 = 1e-6;

#[test]
#[allow(clippy::print_stderr)]
fn contributions_are_those_of_lightgbm_and_shap() {
    let Some(python) = std::env::var_os("BELLWETHER_PYTHON") else {
        eprintln!("SKIPPED: reasons were NOT compared with LightGBM's and shap's: set BELLWETHER_PYTHON");
        return;
    };
    let has_lightgbm = Command::new(&python).args(["-c", "import lightgbm"]).output().expect("the interpreter runs");
    if !has_lightgbm.status.success() {
        eprintln!("SKIPPED: reasons were NOT compared with LightGBM's: BELLWETHER_PYTHON cannot import lightgbm");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/make_reasons.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().expect("the interpreter runs");
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");
    let text = std::fs::read_to_string(folder.path().join("cases.json")).expect("cases were written");
    let told_cases: Value = serde_json::from_str(&text).expect("is JSON");
    let with_shap = told_cases["shap"].as_bool().expect("a flag");
    let cases = told_cases["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 5, "{told}");
    let mut largest = 0.0_f64;
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let width = usize::try_from(case["columns"].as_u64().expect("a number")).expect("fits");
        largest = largest.max(compare(folder.path(), name, width, with_shap));
    }
    if !with_shap {
        eprintln!("SKIPPED: reasons were NOT compared with the shap package's: BELLWETHER_PYTHON cannot import shap");
    }
    eprintln!("{told}largest difference of a contribution: {largest:.1e}");
}

/// Largest difference of a case from its peers.
fn compare(folder: &Path, name: &str, width: usize, with_shap: bool) -> f64 {
    let ensemble = trees::read_ensemble(&folder.join(format!("{name}.json")));
    let training = trees::read_floats(&folder.join(format!("{name}_training.f32")));
    for tree in &ensemble.trees {
        assert_counts(name, tree, &training, width);
    }
    let values = trees::read_floats(&folder.join(format!("{name}_rows.f32")));
    let rows = values.len() / width;
    assert_eq!(rows, 300, "{name}");
    let signature = trees::numbers(width);
    let columns = (0..width).map(|column| values.iter().skip(column).step_by(width).copied().collect()).collect();
    let block = FeatureBlock::new(&signature, rows, columns, vec![]).expect("fits");
    let design = DesignBlock::new(&signature, &block).expect("expands");
    let explainer = Explainer::new(&signature, &trees::sigmoid_head(ensemble)).expect("valid");
    let found = explainer.explain_rows(&design, &(0..rows).collect::<Vec<_>>()).expect("explains");
    let peers: &[&str] = if with_shap { &["lightgbm", "shap"] } else { &["lightgbm"] };
    let mut largest = 0.0_f64;
    for peer in peers {
        let expected = trees::read_doubles(&folder.join(format!("{name}_{peer}.f64")));
        assert_eq!(expected.len(), rows * (width + 1), "{name} of {peer}");
        for (row, (found, expected)) in found.iter().zip(expected.chunks_exact(width + 1)).enumerate() {
            let ours = found.contributions.iter().chain([&found.base_margin]);
            for (column, (ours, theirs)) in ours.zip(expected).enumerate() {
                let difference = (ours - theirs).abs();
                assert!(difference <= TOLERANCE, "{name}, {peer}, row {row}, column {column}: {ours} not {theirs}");
                largest = largest.max(difference);
            }
        }
    }
    largest
}

/// The training rows that reach each node are as many as LightGBM says.
fn assert_counts(name: &str, tree: &Tree, training: &[f32], width: usize) {
    let mut counts = vec![0_u32; tree.nodes.len()];
    for row in training.chunks_exact(width) {
        let mut at = 0;
        counts[at] += 1;
        while let Node::Split { column, threshold, missing_left, left, right, .. } = tree.nodes[at] {
            let value = row[column as usize];
            let goes_left = if value.is_nan() { missing_left } else { value <= threshold };
            at = if goes_left { left } else { right } as usize;
            counts[at] += 1;
        }
    }
    // A tree of one leaf is written without a count.
    if tree.nodes.len() > 1 {
        let covers: Vec<f32> = tree.nodes.iter().map(Node::cover).collect();
        let counts: Vec<f32> = counts.into_iter().map(|count| count as f32).collect();
        assert_eq!(counts, covers, "{name}");
    }
}
