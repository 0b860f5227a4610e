//! Exported models pass the ONNX checker and give, in Python's onnxruntime, what the native scorer gives.
//!
//! The interpreter is named by `BELLWETHER_PYTHON` and needs `onnx`, `onnxruntime` and `numpy`; `./test` provides one.

use std::path::Path;
use std::process::Command;

use bellwether_models::{DesignBlock, FeatureBlock, Head, Scorer, Signature, onnx};
use serde_json::{Value, json};

#[path = "../src/testing.rs"]
#[allow(dead_code)]
mod testing;

const ROWS: usize = 200;

/// A float with JSON's usual extensions, written as text and unquoted afterwards by [`write_cases`].
fn number(value: f32) -> Value {
    if value.is_nan() {
        json!("@NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "@Infinity" } else { "@-Infinity" })
    } else {
        json!(f64::from(value))
    }
}

fn texts(levels: &[String], codes: &[u32]) -> Value {
    let text = |code: &u32| match *code as usize {
        code if code < levels.len() => levels[code].clone(),
        code if code == levels.len() => "never seen in training".to_owned(),
        _ => String::new(),
    };
    json!(codes.iter().map(text).collect::<Vec<_>>())
}

fn case(folder: &Path, name: &str, signature: &Signature, head: &Head, block: &FeatureBlock) -> Value {
    let model = format!("{name}.onnx");
    std::fs::write(folder.join(&model), onnx::write(signature, head).expect("valid")).expect("written");
    let design = DesignBlock::new(signature, block).expect("fits");
    let scores = Scorer::new(signature, head).expect("valid").score_design(&design).expect("scores");
    let row = |row: usize| block.numeric.iter().map(|column| number(column[row])).collect::<Vec<_>>();
    let rows: Vec<_> = (0..block.rows).map(row).collect();
    let mut floats = serde_json::Map::new();
    if !block.numeric.is_empty() {
        floats.insert("numeric".to_owned(), json!(rows));
    }
    let categories = signature.category_inputs().zip(&block.categories);
    let categories = categories.map(|((_, input, levels), codes)| (input.name.clone(), texts(levels, codes)));
    json!({
        "kind": head.target,
        "model": model,
        "rows": block.rows,
        "floats": floats,
        "texts": categories.collect::<serde_json::Map<_, _>>(),
        "expected": {
            "margin": scores.margin, "probability": scores.probability, "low": scores.low, "high": scores.high,
        },
    })
}

/// Models of every kind over signatures of every shape: with and without categories, and with nothing else.
fn write_cases(folder: &Path) -> usize {
    let mut cases = Vec::new();
    let mut signatures: Vec<Signature> = (0..6).map(testing::random_signature).collect();
    signatures.push(Signature { inputs: vec![testing::category("plan", &["basic", "pro"])] });
    signatures.push(Signature { inputs: vec![testing::numeric("x"), testing::category("empty", &[])] });
    for (seed, signature) in signatures.iter().enumerate() {
        let block = testing::random_block(signature, ROWS, seed as u64);
        for head in testing::random_heads(signature, seed as u64) {
            cases.push(case(folder, &format!("{seed}_{}", head.target), signature, &head, &block));
        }
    }
    let text = serde_json::to_string(&cases).expect("serialises");
    let text =
        ["NaN", "Infinity", "-Infinity"].iter().fold(text, |text, word| text.replace(&format!("\"@{word}\""), word));
    std::fs::write(folder.join("cases.json"), text).expect("written");
    cases.len()
}

#[test]
#[allow(clippy::print_stderr)]
fn python_onnxruntime_gives_what_the_native_scorer_gives() {
    let Some(python) = std::env::var_os("BELLWETHER_PYTHON") else {
        eprintln!("SKIPPED: exported models were NOT checked in Python's onnxruntime: set BELLWETHER_PYTHON");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let count = write_cases(folder.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/check_onnx.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().expect("the interpreter runs");
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");
    assert!(told.contains(&format!("{count} models")), "{told}");
    eprintln!("{told}");
}
