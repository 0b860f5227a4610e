//! Models of other tools, from the exporter's file to published scores.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Float32Array, RecordBatch, StringArray};
use common::{bellwether, fail, floats, infer_binary, part, python, read_parquet, skipped, succeed, text, texts};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

/// 2026-01-31 in days since 1970.
const DAY: i32 = 20_484;

/// The models of the real exporters, with rows and what onnxruntime gives.
fn exported(folder: &Path, test: &str) -> Option<PathBuf> {
    let python = python(test)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/python/export_models.py");
    let models = folder.join("models");
    std::fs::create_dir(&models).unwrap();
    let output = Command::new(python).arg(script).arg(&models).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(models)
}

fn record(models: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(models.join(format!("{name}.json"))).unwrap()).unwrap()
}

fn write(path: &Path, columns: Vec<(String, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn number(value: &Value) -> Option<f32> {
    value.as_f64().map(|value| value as f32)
}

/// The rows of a record as a feature file.
fn features(record: &Value, path: &Path) -> usize {
    let rows = record["expected"].as_array().unwrap().len();
    let ids: Vec<String> = (0..rows).map(|row| format!("a{row:05}")).collect();
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("account_id".to_owned(), Arc::new(StringArray::from(ids))),
        ("as_of".to_owned(), Arc::new(Date32Array::from(vec![DAY; rows]))),
    ];
    for column in record["columns"].as_array().unwrap() {
        let name = column["name"].as_str().unwrap();
        let cells = record["rows"][name].as_array().unwrap();
        let array: ArrayRef = match column["is_text"].as_bool().unwrap() {
            true => Arc::new(cells.iter().map(Value::as_str).collect::<StringArray>()),
            false => Arc::new(cells.iter().map(number).collect::<Float32Array>()),
        };
        columns.push((name.to_owned(), array));
    }
    write(path, columns);
    rows
}

/// The training rows of a record, without accounts.
fn training(record: &Value, path: &Path) {
    let rows = record["training"].as_array().unwrap();
    let column = |at: usize| rows.iter().map(|row| number(&row[at])).collect::<Float32Array>();
    write(path, (0..6).map(|at| (format!("x{at}"), Arc::new(column(at)) as ArrayRef)).collect());
}

fn infer(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = Command::new(infer_binary()).current_dir(folder).args(arguments).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

/// Probabilities against those of the record; rows without a value that the model needs have none.
fn compare(folder: &Path, out: &str, column: &str, record: &Value) -> usize {
    let found = floats(&read_parquet(&part(&folder.join(out), "2026-01-31")), column);
    let expected: Vec<Option<f64>> = record["expected"].as_array().unwrap().iter().map(Value::as_f64).collect();
    assert_eq!(found.len(), expected.len());
    let mut compared = 0;
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        let (Some(found), Some(expected)) = (found, expected) else { continue };
        assert!((found - expected).abs() < 1e-6, "{out}, row {row}: {found} for {expected}");
        compared += 1;
    }
    compared
}

#[test]
fn models_of_lightgbm_are_imported_scored_and_explained() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let Some(models) = exported(folder, "models_of_lightgbm_are_imported_scored_and_explained") else { return };
    let lightgbm = record(&models, "lightgbm");
    let rows = features(&lightgbm, &folder.join("features.parquet"));
    training(&lightgbm, &folder.join("training.parquet"));
    let import =
        ["models", "import", "--onnx", "churn_90d=models/lightgbm.onnx", "--onnx", "expansion_60d=models/xgboost.onnx"];
    let plain = [&import[..], &["--columns-from", "features.parquet", "--out", "registry", "--name", "acme"]].concat();
    let output = bellwether(folder, &plain);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("is the first: it is the champion"), "{said}");
    assert!(said.contains("churn_90d: no reasons") && said.contains("--background"), "{said}");
    assert!(text(&output.stdout).contains("acme/1@"));
    let stored = std::fs::read(folder.join("registry/acme/versions/1/churn_90d.onnx")).unwrap();
    assert_eq!(stored, std::fs::read(models.join("lightgbm.onnx")).unwrap(), "the file itself is in the bundle");

    let said = infer(
        folder,
        &["score", "--bundle", "registry/acme@champion", "--input", "features.parquet", "--out", "out"],
        0,
    );
    assert!(said.contains("no reasons for churn_90d"), "{said}");
    assert_eq!(compare(folder, "out", "churn_90d_probability", &lightgbm), rows);
    assert!(succeed(folder, &["models", "list"]).contains("acme  version 1  champion"));
    let shown = succeed(folder, &["models", "show", "acme"]);
    assert!(shown.contains("imported") && shown.contains("column 1") && shown.contains("OnnxMLTools"), "{shown}");

    let counted = [&plain[..], &["--background", "training.parquet"]].concat();
    let said = text(&bellwether(folder, &counted).stderr);
    assert!(said.contains("is the challenger") && !said.contains("no reasons"), "{said}");
    let said =
        infer(folder, &["score", "--bundle", "registry/acme@2", "--input", "features.parquet", "--out", "out2"], 0);
    assert!(!said.contains("no reasons"), "{said}");
    let scores = read_parquet(&part(&folder.join("out2"), "2026-01-31"));
    let reasons = texts(&scores, "churn_90d_reason_1");
    assert!(reasons.iter().filter(|reason| reason.is_some()).count() > rows / 2, "{reasons:?}");
    assert_eq!(compare(folder, "out2", "churn_90d_probability", &lightgbm), rows);

    let said = fail(folder, &["models", "promote", "acme@2"], 2);
    assert!(said.contains("a backtest to compare with"), "{said}");
    succeed(folder, &["models", "promote", "acme@2", "--despite-gate", "--reason", "it has reasons"]);
    assert!(succeed(folder, &["models", "list"]).contains("acme  version 2  champion"));

    let Some(library) = std::env::var_os("ORT_DYLIB_PATH") else {
        skipped("scoring an imported bundle with --engine onnxruntime", "ORT_DYLIB_PATH");
        return;
    };
    let library = library.to_string_lossy().into_owned();
    let engine = ["--engine", "onnxruntime", "--onnxruntime-library", &library];
    let score = ["score", "--bundle", "registry/acme@1", "--input", "features.parquet", "--out", "out3"];
    infer(folder, &[&score[..], &engine].concat(), 0);
    assert_eq!(compare(folder, "out3", "churn_90d_probability", &lightgbm), rows);
    infer(folder, &[&["verify", "--bundle", "registry/acme@1"][..], &engine].concat(), 0);
}

#[test]
fn pipelines_with_texts_are_imported_and_what_cannot_run_here_runs_in_onnxruntime() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let test = "pipelines_with_texts_are_imported_and_what_cannot_run_here_runs_in_onnxruntime";
    let Some(models) = exported(folder, test) else { return };
    for name in ["sk_columns_boosting", "sk_calibrated", "sk_texts_logistic"] {
        let record = record(&models, name);
        let (file, bundle) = (format!("{name}.parquet"), format!("registry/{name}"));
        features(&record, &folder.join(&file));
        let onnx = format!("churn_90d=models/{name}.onnx");
        succeed(folder, &["models", "import", "--onnx", &onnx, "--columns-from", &file, "--name", name]);
        infer(folder, &["score", "--bundle", &bundle, "--input", &file, "--out", name], 0);
        assert!(compare(folder, name, "churn_90d_probability", &record) > 200, "{name}");
    }
    // An operator that the native engine does not have, after the probability.
    let script = "import onnx, sys\nfrom onnx import helper\nm = onnx.load(sys.argv[1])\n\
                  m.graph.node.append(helper.make_node('Softplus', ['probabilities'], ['soft'], name='softly'))\n\
                  m.graph.node.append(helper.make_node('Div', ['soft', 'soft'], ['one']))\n\
                  m.graph.node.append(helper.make_node('Mul', ['one', 'probabilities'], ['probability']))\n\
                  o = m.graph.output[-1]\no.name = 'probability'\nonnx.save(m, sys.argv[2])\n";
    let made = Command::new(python(test).unwrap())
        .current_dir(folder)
        .args(["-c", script, "models/sk_forest_missing.onnx", "odd.onnx"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let record = record(&models, "sk_forest_missing");
    let rows = features(&record, &folder.join("odd.parquet"));
    let import = ["models", "import", "--onnx", "churn_90d=odd.onnx", "--columns-from", "odd.parquet", "--name", "odd"];
    let said = fail(folder, &import, 4);
    assert!(said.contains("softly") && said.contains("Softplus") && said.contains("--engine onnxruntime"), "{said}");
    let Some(library) = std::env::var_os("ORT_DYLIB_PATH") else {
        skipped("importing a model that only onnxruntime runs", "ORT_DYLIB_PATH");
        return;
    };
    let library = library.to_string_lossy().into_owned();
    let engine = ["--engine", "onnxruntime", "--onnxruntime-library", &library];
    succeed(folder, &[&import[..], &engine].concat());
    let score = ["score", "--bundle", "registry/odd", "--input", "odd.parquet", "--out", "odd"];
    let said = infer(folder, &score, 4);
    assert!(said.contains("Softplus") && said.contains("use --engine onnxruntime"), "{said}");
    infer(folder, &[&score[..], &engine].concat(), 0);
    assert_eq!(compare(folder, "odd", "churn_90d_probability", &record), rows);
}

#[test]
fn wrong_choices_and_files_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let x = Arc::new(Float32Array::from(vec![1.0, 2.0])) as ArrayRef;
    write(&folder.join("rows.parquet"), vec![("x".to_owned(), x)]);
    std::fs::write(folder.join("noise.onnx"), b"no model at all").unwrap();
    std::fs::write(folder.join("signature.json"), b"{\"inputs\": 3}").unwrap();
    let with = |onnx: &str, more: &[&str], code: i32| {
        fail(folder, &[&["models", "import", "--onnx", onnx][..], more].concat(), code)
    };
    let columns = ["--columns-from", "rows.parquet"];
    assert!(with("churn_90d=noise.onnx", &columns, 4).contains("protocol buffers"));
    assert!(with("noise.onnx", &columns, 2).contains("TARGET=FILE"));
    assert!(with("../up=noise.onnx", &columns, 2).contains("TARGET=FILE"));
    assert!(with("churn_90d=none.onnx", &columns, 2).contains("none.onnx"));
    assert!(with("churn_90d=noise.onnx", &["--signature", "signature.json"], 2).contains("signature.json"));
    assert!(with("churn_90d=noise.onnx", &[], 2).contains("--columns-from"));
    let twice = [&columns[..], &["--onnx", "churn_90d=noise.onnx"]].concat();
    assert!(with("churn_90d=noise.onnx", &twice, 2).contains("twice"));
    let other = [&columns[..], &["--probability", "other=p"]].concat();
    assert!(with("churn_90d=noise.onnx", &other, 2).contains("`other`"));
    assert!(!folder.join("registry/imported/versions/1").exists());
}
