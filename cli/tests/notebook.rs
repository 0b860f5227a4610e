//! The notebooks of notebooks-data/, executed against the exports that stand beside it; and those exports, made again and
//! compared value by value.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use common::{files, python, read_parquet, succeed, text};
use serde_json::Value;

/// Another processor's exp and ln may differ in the last bit, so floats are not compared as bytes.
const TOLERANCE: f64 = 1e-6;

const STALE: &str = "it is stale: run notebooks-data/refresh";

fn notebooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("notebooks-data")
}

#[test]
fn the_notebook_runs_and_draws() {
    let Some(python) = python("the_notebook_runs_and_draws") else { return };
    let script = notebooks().parent().unwrap().join("python/run_notebook.py");
    let output = Command::new(python).arg(script).arg(notebooks().join("reading_a_backtest.ipynb")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("executed, 2 figures"), "{}", text(&output.stdout));
}

#[test]
fn the_walk_through_runs_every_verb_and_draws() {
    let Some(python) = python("the_walk_through_runs_every_verb_and_draws") else { return };
    let script = notebooks().parent().unwrap().join("python/run_notebook.py");
    let output = Command::new(python)
        .env("BELLWETHER", assert_cmd::cargo::cargo_bin!("bellwether"))
        .arg(script)
        .arg(notebooks().join("retraining_walk_through.ipynb"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("executed, 3 figures"), "{}", text(&output.stdout));
}

#[test]
fn the_small_business_and_its_backtest_are_what_the_commands_make() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", "150", "--months", "30", "--seed", "7", "--out", "business"]);
    succeed(folder.path(), &["backtest", "--config", "business/bellwether.toml", "--out", "backtest"]);
    for part in ["business", "backtest"] {
        let (made, kept) = (files(&folder.path().join(part)), files(&notebooks().join(part)));
        let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&made), names(&kept), "notebooks-data/{part}: {STALE}");
        for ((name, made), (_, kept)) in made.iter().zip(&kept) {
            let what = format!("notebooks-data/{part}/{}", name.display());
            match name.extension().and_then(|ending| ending.to_str()) {
                Some("parquet") => {
                    let read = |folder: &Path| read_parquet(&folder.join(part).join(name));
                    assert_same_rows(&read(folder.path()), &read(&notebooks()), &what);
                }
                Some("json") => {
                    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
                    assert_same_json(&read(made), &read(kept), &what);
                }
                // A digest is of bytes, a page shows the rounded numbers of the files above.
                Some("sha256" | "html") => {}
                _ => assert_eq!(text(made), text(kept), "{what}: {STALE}"),
            }
        }
    }
}

fn is_near(made: f64, kept: f64) -> bool {
    made.to_bits() == kept.to_bits() || (made - kept).abs() <= TOLERANCE
}

fn assert_same_rows(made: &[RecordBatch], kept: &[RecordBatch], what: &str) {
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>();
    assert_eq!(rows(made), rows(kept), "{what}, rows: {STALE}");
    for (made, kept) in made.iter().zip(kept) {
        assert_eq!(made.schema().fields(), kept.schema().fields(), "{what}: {STALE}");
        for (field, (made, kept)) in made.schema().fields().iter().zip(made.columns().iter().zip(kept.columns())) {
            let what = format!("{what}, column {}", field.name());
            let (Some(made), Some(kept)) =
                (made.as_primitive_opt::<Float64Type>(), kept.as_primitive_opt::<Float64Type>())
            else {
                assert!(made.to_data() == kept.to_data(), "{what}: {STALE}");
                continue;
            };
            for (row, (made, kept)) in made.iter().zip(kept).enumerate() {
                let same = made.zip(kept).map_or(made.is_none() && kept.is_none(), |(made, kept)| is_near(made, kept));
                assert!(same, "{what}, row {row}: the commands give {made:?}, the file has {kept:?}; {STALE}");
            }
        }
    }
}

fn assert_same_json(made: &Value, kept: &Value, what: &str) {
    match (made, kept) {
        (Value::Object(made), Value::Object(kept)) => {
            assert!(made.keys().eq(kept.keys()), "{what}, keys: {STALE}");
            for (key, value) in made {
                assert_same_json(value, &kept[key], &format!("{what}, {key}"));
            }
        }
        (Value::Array(made), Value::Array(kept)) => {
            assert_eq!(made.len(), kept.len(), "{what}: {STALE}");
            for (index, (made, kept)) in made.iter().zip(kept).enumerate() {
                assert_same_json(made, kept, &format!("{what}[{index}]"));
            }
        }
        (Value::Number(made), Value::Number(kept)) => {
            let same = made.as_f64().zip(kept.as_f64()).is_some_and(|(made, kept)| is_near(made, kept));
            assert!(same, "{what}: the commands give {made}, the file has {kept}; {STALE}");
        }
        _ => assert_eq!(made, kept, "{what}: {STALE}"),
    }
}
