//! The notebook of notebooks-data/, executed against the exports that stand beside it; and those exports, made again.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{files, python, read_parquet, succeed, text};

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
fn the_small_business_and_its_backtest_are_what_the_commands_make() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", "150", "--months", "30", "--seed", "7", "--out", "business"]);
    succeed(folder.path(), &["backtest", "--config", "business/bellwether.toml", "--out", "backtest"]);
    for part in ["business", "backtest"] {
        let (made, kept) = (files(&folder.path().join(part)), files(&notebooks().join(part)));
        let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&made), names(&kept), "{part}: make it again as notebooks-data/README.md says");
        for (name, _) in made.iter().filter(|(name, _)| name.extension().is_some_and(|kind| kind == "parquet")) {
            // Rows and columns, not bytes: another processor's exp and ln may differ in the last bit.
            let shape = |folder: &Path| {
                let batches = read_parquet(&folder.join(part).join(name));
                let columns = batches.first().map(|batch| batch.schema().fields().clone());
                (columns, batches.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>())
            };
            assert_eq!(shape(folder.path()), shape(&notebooks()), "{part}/{}: make it again", name.display());
        }
    }
}
