//! What the command's tests share: running the binaries, and reading what they wrote.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod browser;

use std::path::{Path, PathBuf};
use std::process::Output;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Runs `bellwether` in `folder`.
pub(crate) fn bellwether(folder: &Path, arguments: &[&str]) -> Output {
    assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs `bellwether` and expects exit code 0.
pub(crate) fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = bellwether(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs `bellwether`, expects the given exit code, and returns what it said on stderr.
pub(crate) fn fail(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = bellwether(folder, arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// The lean scorer, built beside `bellwether` by the same workspace build.
pub(crate) fn infer_binary() -> PathBuf {
    let path = assert_cmd::cargo::cargo_bin!("bellwether").with_file_name("bellwether-infer");
    assert!(path.is_file(), "{}: build the workspace first (cargo build --release --workspace)", path.display());
    path
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below `folder`, relative and sorted, with its bytes.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push((path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// All rows of a Parquet file.
pub(crate) fn read_parquet(path: &Path) -> Vec<RecordBatch> {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect()
}

/// A float column, whole.
pub(crate) fn floats(batches: &[RecordBatch], name: &str) -> Vec<Option<f64>> {
    batches.iter().flat_map(|batch| batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter()).collect()
}

/// A text column, whole.
pub(crate) fn texts(batches: &[RecordBatch], name: &str) -> Vec<Option<String>> {
    let column = |batch: &RecordBatch| -> Vec<Option<String>> {
        let column = batch.column_by_name(name).unwrap().as_string::<i32>();
        column.iter().map(|value| value.map(str::to_owned)).collect()
    };
    batches.iter().flat_map(column).collect()
}

/// The only part file of a published partition.
pub(crate) fn part(out: &Path, as_of: &str) -> PathBuf {
    out.join("scores").join("v1").join(format!("as_of={as_of}")).join("part-00000.parquet")
}

/// The folder of real data sets, or `None` after saying loudly what is skipped.
pub(crate) fn real_data(test: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let folder =
        std::env::var_os("BELLWETHER_REAL_DATA").map_or_else(|| workspace.join("../shared/data"), PathBuf::from);
    if folder.join("git_dpdk_usage_events.parquet").is_file() {
        return Some(folder.canonicalize().unwrap());
    }
    skipped(test, &format!("real data sets, at BELLWETHER_REAL_DATA (looked in {})", folder.display()));
    None
}

/// The Python of the tests' virtual environment, or `None` after saying loudly what is skipped.
pub(crate) fn python(test: &str) -> Option<PathBuf> {
    let python = std::env::var_os("BELLWETHER_PYTHON").map(PathBuf::from).filter(|path| path.is_file());
    if python.is_none() {
        skipped(test, "Python with python/requirements.txt, at BELLWETHER_PYTHON (./test installs it)");
    }
    python
}

/// Says loudly what is skipped.
pub(crate) fn skipped(test: &str, needs: &str) {
    // Past the test harness's capture: a skip must be seen even when everything passes.
    let _ = std::fs::write("/dev/stderr", format!("\n*** SKIPPED {test}: it needs {needs} ***\n"));
}
