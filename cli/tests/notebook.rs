//! The notebook of notebooks-data/, executed against the exports that stand beside it; and those exports, made again.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{files, python, succeed, text};

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
        for ((name, bytes), (_, other)) in made.iter().zip(&kept) {
            assert!(bytes == other, "{part}/{}: make it again as notebooks-data/README.md says", name.display());
        }
    }
}
