//! A run that is killed goes on where it was, and ends in the bytes of one that was never cut off.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{bellwether, fail, files, succeed, text};

fn simulated(folder: &Path) -> PathBuf {
    succeed(folder, &["simulate", "--accounts", "300", "--months", "30", "--seed", "11", "--out", "business"]);
    folder.join("business")
}

/// The saved refits in a checkpoint, sorted.
fn saved(checkpoint: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(checkpoint) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "refit"));
    paths.sort();
    paths
}

/// Starts a run and sends it a signal when it has saved `count` refits.
fn cut_off(folder: &Path, verb: &[&str], checkpoint: &Path, count: usize, signal: &str) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
        .current_dir(folder)
        .args(verb)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while saved(checkpoint).len() < count {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing was saved");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    assert!(!child.wait().unwrap().success(), "it was not cut off");
    assert!(saved(checkpoint).len() >= count);
}

/// Runs a verb that must succeed; what it said on stderr.
fn told(folder: &Path, verb: &[&str]) -> String {
    let output = bellwether(folder, verb);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{verb:?}: {said}");
    said
}

fn taken_over(said: &str) -> usize {
    let line = said.lines().find(|line| line.ends_with("of the run that was cut off were taken over"));
    line.map_or(0, |line| line.split_once(' ').unwrap().0.parse().unwrap())
}

#[test]
fn a_killed_backtest_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    // With a business whose health score has to be left out or kept, and warnings on the way.
    let backtest = |out: &'static str| ["backtest", "--learners", "all", "--threads", "1", "--out", out];
    succeed(&business, &backtest("whole"));
    assert!(!business.join(".whole.checkpoint").exists(), "nothing is left of a run that has ended");
    let whole = files(&business.join("whole"));

    let checkpoint = business.join(".cut.checkpoint");
    for (count, signal) in [(1, "-KILL"), (4, "-TERM")] {
        cut_off(&business, &backtest("cut"), &checkpoint, count, signal);
        assert!(!business.join("cut").exists());
        let found = saved(&checkpoint).len();
        let said = told(&business, &[&backtest("cut")[..], &["--resume"]].concat());
        assert_eq!(taken_over(&said), found, "{said}");
        assert!(files(&business.join("cut")) == whole, "the bytes differ");
        assert!(!checkpoint.exists(), "nothing is left of a run that has ended");
        fs::remove_dir_all(business.join("cut")).unwrap();
    }

    // Nothing to go on with is no error.
    let said = told(&business, &[&backtest("cut")[..], &["--resume"]].concat());
    assert!(said.contains(".cut.checkpoint: no run was cut off here; this one begins anew"), "{said}");
    assert_eq!(taken_over(&said), 0);
    assert!(files(&business.join("cut")) == whole);
}

#[test]
fn what_is_damaged_or_of_another_run_is_computed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let learners = "base_rate,logistic,boosting";
    let backtest = |out: &'static str| ["backtest", "--learners", learners, "--threads", "1", "--out", out];
    succeed(&business, &backtest("whole"));
    let whole = files(&business.join("whole"));
    let checkpoint = business.join(".cut.checkpoint");
    cut_off(&business, &backtest("cut"), &checkpoint, 3, "-KILL");
    let kept = files(&checkpoint);
    let restore = || {
        let _ = fs::remove_dir_all(&checkpoint);
        fs::create_dir(&checkpoint).unwrap();
        for (name, bytes) in &kept {
            fs::write(checkpoint.join(name), bytes).unwrap();
        }
    };
    let resume = [&backtest("cut")[..], &["--resume"]].concat();

    // One byte of the first, half of the second.
    let paths = saved(&checkpoint);
    let mut bytes = fs::read(&paths[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&paths[0], &bytes).unwrap();
    fs::write(&paths[1], &fs::read(&paths[1]).unwrap()[..middle]).unwrap();
    let said = told(&business, &resume);
    for path in &paths[..2] {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(said.contains(&format!("[checkpoint_damaged] .cut.checkpoint/{name}: damaged")), "{said}");
    }
    assert_eq!(taken_over(&said), paths.len() - 2, "{said}");
    assert!(files(&business.join("cut")) == whole);

    // The files of two refits exchanged: each is whole, and in the wrong place.
    restore();
    fs::copy(&paths[1], &paths[0]).unwrap();
    let said = told(&business, &resume);
    assert!(said.contains("the refit of another date or target"), "{said}");
    assert_eq!(taken_over(&said), paths.len() - 1, "{said}");
    assert!(files(&business.join("cut")) == whole);

    // Other settings, other data, another date of the labels: told once, and nothing is taken over.
    let config = fs::read_to_string(business.join("bellwether.toml")).unwrap();
    fs::write(business.join("seed.toml"), config.replace("[backtest]\n", "[backtest]\nseed = 8\n")).unwrap();
    let others: [&[&str]; 3] =
        [&["--config", "seed.toml"], &["--learners", "base_rate,logistic"], &["--known-as-of", "2026-01-01"]];
    for other in others {
        restore();
        let verb: Vec<&str> = if other[0] == "--learners" {
            [&["backtest", "--threads", "1", "--out", "cut", "--resume"][..], other].concat()
        } else {
            [&resume[..], other].concat()
        };
        let said = told(&business, &verb);
        let warned = "[checkpoint_of_another_run] .cut.checkpoint: expected refits of this data";
        assert_eq!(said.matches(warned).count(), 1, "{other:?}: {said}");
        assert_eq!(taken_over(&said), 0, "{other:?}: {said}");
        assert!(!checkpoint.exists());
    }

    // Without --resume a checkpoint is discarded; a folder that holds something else as well stays with that.
    restore();
    fs::write(checkpoint.join("notes.txt"), "mine").unwrap();
    let said = told(&business, &backtest("cut"));
    assert!(!said.contains("checkpoint") && taken_over(&said) == 0, "{said}");
    assert!(files(&business.join("cut")) == whole);
    assert_eq!(files(&checkpoint), [(PathBuf::from("notes.txt"), b"mine".to_vec())]);

    // Two runs for one place: the second does without, and does not go on with the work of the first.
    let held = fs::File::open(&checkpoint).unwrap();
    held.lock().unwrap();
    let said = fail(&business, &resume, 75);
    assert!(said.contains("expected no other run for this place") && said.contains("hint"), "{said}");
    let said = told(&business, &backtest("cut"));
    assert!(said.contains("[no_checkpoint]") && said.contains("another run for this place is at work"), "{said}");
    assert!(files(&business.join("cut")) == whole);
}

#[test]
fn a_killed_training_ends_in_the_same_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let train = |out: &'static str| ["train", "--learners", "base_rate,boosting", "--threads", "1", "--out", out];
    succeed(&business, &train("whole"));
    let checkpoint = business.join("cut/.simulated.checkpoint");
    cut_off(&business, &train("cut"), &checkpoint, 2, "-KILL");
    assert_eq!(succeed(&business, &["models", "list", "--registry", "cut"]), "", "no model is there yet");
    let said = told(&business, &[&train("cut")[..], &["--resume"]].concat());
    assert!(taken_over(&said) >= 2, "{said}");
    for part in ["versions", "forecasts"] {
        let read = |registry: &str| files(&business.join(registry).join("simulated").join(part));
        assert!(!read("whole").is_empty() && read("whole") == read("cut"), "{part} differ");
    }
    assert!(!checkpoint.exists() && !business.join("whole/.simulated.checkpoint").exists());
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let backtest = |out: &'static str| ["backtest", "--learners", "base_rate", "--out", out];
    succeed(&business, &backtest("whole"));
    fs::write(business.join(".cut.checkpoint"), "a file of somebody").unwrap();
    let said = told(&business, &backtest("cut"));
    assert!(said.contains("[no_checkpoint] .cut.checkpoint: refits are not saved as they end"), "{said}");
    assert!(files(&business.join("cut")) == files(&business.join("whole")));
    assert_eq!(fs::read_to_string(business.join(".cut.checkpoint")).unwrap(), "a file of somebody");
}
