//! Full disks, signals, killed runs, and places that cannot be written: documented codes, and nothing left behind.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{fail, files, succeed, text};

/// The id of no process: larger than Linux gives out.
const GONE: u32 = 4_194_305;

fn binary() -> PathBuf {
    assert_cmd::cargo::cargo_bin!("bellwether").to_owned()
}

fn simulated(folder: &Path) -> PathBuf {
    succeed(folder, &["simulate", "--accounts", "200", "--months", "24", "--seed", "11", "--out", "business"]);
    folder.join("business")
}

/// Every hidden file and folder below `folder`, but for the locks, which mean nothing when nobody holds them, and the refits
/// that a run saves to go on with (resume.rs has those).
fn hidden(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".checkpoint") {
                continue;
            }
            if name.starts_with('.') && !name.ends_with(".lock") {
                found.push(path.clone());
            }
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

/// Every file but the refits that a run saved before it was stopped.
fn all_but_saved(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let is_saved = |path: &Path| path.iter().any(|part| part.to_string_lossy().ends_with(".checkpoint"));
    files(folder).into_iter().filter(|(path, _)| !is_saved(path)).collect()
}

#[test]
fn a_full_disk_is_exit_5_and_the_old_output_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let verbs: [&[&str]; 4] = [
        &["simulate", "--accounts", "200", "--months", "24", "--seed", "12", "--out", "."],
        &["features", "--as-of", "2026-01-31", "--out", "features.parquet"],
        &["backtest", "--out", "run", "--learners", "base_rate"],
        &["train", "--out", "registry", "--learners", "base_rate"],
    ];
    for verb in &verbs[1..] {
        succeed(&business, verb);
    }
    let before = files(&business);
    for verb in verbs {
        // 8 blocks of 512 bytes: every file of ours grows beyond that.
        let output = Command::new("sh")
            .current_dir(&business)
            .args(["-c", "ulimit -f 8; exec \"$0\" \"$@\""])
            .arg(binary())
            .args(verb)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{verb:?}: {said}");
        assert!(said.contains("caused by"), "{verb:?}: {said}");
        assert!(said.contains("hint: raise the limit on the size of files"), "{verb:?}: {said}");
        assert_eq!(hidden(&business), Vec::<PathBuf>::new(), "{verb:?}");
    }
    assert!(all_but_saved(&business) == before, "what was there before is there unchanged");
}

/// Starts a verb.
fn start(folder: &Path, verb: &[&str]) -> Child {
    let mut command = Command::new(binary());
    command.current_dir(folder).args(verb).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until a line of stderr begins with `word`.
fn wait_for_line(child: &mut Child, word: &str) -> BufReader<std::process::ChildStderr> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with(word) {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "ended before `{word}`");
    }
    stderr
}

fn wait_for_staging(folder: &Path) {
    let begun = Instant::now();
    while !folder.is_dir() || hidden(folder).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was staged");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Sends a signal, and expects the code within five seconds.
fn stopped(mut child: Child, name: &str, code: i32) {
    let sent = Instant::now();
    signal(&child, name);
    assert_eq!(child.wait().unwrap().code(), Some(code));
    assert!(sent.elapsed() < Duration::from_secs(5), "{:?}", sent.elapsed());
}

#[test]
fn a_stopped_simulation_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (verb, place, name, code) in [
        (["simulate", "--accounts", "60000", "--out", "one"], "one", "-TERM", 143),
        (["demo", "--accounts", "60000", "--dir", "two"], "two", "-INT", 130),
    ] {
        let child = start(folder.path(), &verb);
        wait_for_staging(&folder.path().join(place));
        stopped(child, name, code);
        assert_eq!(fs::read_dir(folder.path().join(place)).unwrap().count(), 0, "{verb:?}");
    }
}

#[test]
fn a_stopped_fit_ends_at_once_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let before = files(&business);
    let verbs: [(&[&str], &str, &str, i32); 3] = [
        (&["backtest", "--out", "run", "--learners", "all"], "features", "-TERM", 143),
        (&["train", "--out", "registry", "--learners", "all"], "features", "-INT", 130),
        (
            &["features", "--from", "2024-06-30", "--to", "2026-01-31", "--every", "day", "--out", "f.parquet"],
            "read",
            "-TERM",
            143,
        ),
    ];
    for (verb, line, name, code) in verbs {
        let mut child = start(&business, verb);
        let stderr = wait_for_line(&mut child, line);
        stopped(child, name, code);
        let said: Vec<String> = stderr.lines().map(Result::unwrap).collect();
        assert!(said.iter().any(|line| line.starts_with("error[bellwether::stopped]: ")), "{said:?}");
        assert!(said.iter().any(|line| line.starts_with("  hint: ")), "{said:?}");
    }
    assert!(all_but_saved(&business) == before && hidden(&business).is_empty());
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let business = folder.path().join("business");
    let mut child = start(folder.path(), &["simulate", "--accounts", "60000", "--out", "business"]);
    wait_for_staging(&business);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!hidden(&business).is_empty());
    simulated(folder.path());
    assert_eq!(hidden(&business), Vec::<PathBuf>::new());

    let left = [
        format!(".f.parquet.staging-{GONE}"),
        format!(".run.staging-{GONE}"),
        format!("registry/simulated/versions/.1.staging-{GONE}"),
    ];
    for path in &left {
        fs::create_dir_all(business.join(path).join("half")).unwrap();
    }
    // The lock file of a killed run: nobody holds it.
    fs::write(business.join("registry/simulated/.lock"), "").unwrap();
    succeed(&business, &["features", "--as-of", "2026-01-31", "--out", "f.parquet"]);
    succeed(&business, &["backtest", "--out", "run", "--learners", "base_rate"]);
    succeed(&business, &["train", "--out", "registry", "--learners", "base_rate"]);
    assert_eq!(hidden(&business), Vec::<PathBuf>::new());

    let held = fs::File::open(business.join("registry/simulated/.lock")).unwrap();
    held.lock().unwrap();
    let said = fail(&business, &["train", "--out", "registry", "--learners", "base_rate"], 75);
    assert!(said.contains("lock"), "{said}");
}

#[test]
fn a_place_that_cannot_be_written_is_found_before_a_table_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    // Reading would now end with exit 3.
    fs::remove_dir_all(business.join("data")).unwrap();
    fs::create_dir(business.join("mine")).unwrap();
    fs::write(business.join("mine/file"), "mine").unwrap();
    let before = files(folder.path());
    let verbs: [&[&str]; 10] = [
        &["backtest", "--out", "bellwether.toml"],
        &["backtest", "--out", "bellwether.toml/run"],
        &["backtest", "--out", "mine"],
        &["backtest", "--out", "/proc/nobody/run"],
        &["backtest", "--out", ".."],
        &["train", "--out", "bellwether.toml"],
        &["train", "--out", "/proc/nobody/registry"],
        &["train", "--name", "../acme"],
        &["features", "--as-of", "2026-01-31", "--out", "mine"],
        &["features", "--as-of", "2026-01-31", "--out", "bellwether.toml/f.parquet"],
    ];
    for verb in verbs {
        let said = fail(&business, verb, 2);
        assert!(said.contains("hint"), "{verb:?}: {said}");
    }
    fail(&business, &["backtest", "--out", "new/run"], 3);
    assert!(files(folder.path()) == before && !business.join("new").exists(), "nothing is made in looking");
}
