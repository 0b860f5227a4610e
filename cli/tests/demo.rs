//! The main job, as a newcomer runs it, on a smaller business.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::Path;

use common::{bellwether, files, part, read_parquet, succeed, text, texts};

const SMALL: [&str; 7] = ["demo", "--accounts", "300", "--months", "24", "--dir", "demo"];

#[test]
fn the_demo_goes_from_tables_to_a_call_list() {
    let folder = tempfile::tempdir().unwrap();
    let output = bellwether(folder.path(), &SMALL);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stderr}");

    let demo = folder.path().join("demo");
    for written in ["bellwether.toml", "registry/simulated/aliases.json", "runs/demo/report.html", "out/latest.json"] {
        assert!(demo.join(written).is_file(), "{written} is missing; {stderr}");
    }
    let scores = read_parquet(&part(&demo.join("out"), "2026-01-31"));
    let ids = texts(&scores, "account_id");
    assert!(ids.len() > 100, "{} accounts", ids.len());
    assert!(ids.is_sorted(), "one row per account, sorted");

    for rank in 1..=10 {
        let line = stdout.lines().find(|line| line.starts_with(&format!("{rank:>2}. "))).unwrap();
        let id = line.split_whitespace().nth(1).unwrap();
        assert!(ids.contains(&Some(id.to_owned())), "{id} is not among the scored accounts");
    }
    assert!(stdout.contains(" points  "), "reasons in points of probability: {stdout}");
    assert!(!stderr.contains('\u{1b}'), "off a terminal there are plain lines only: {stderr:?}");
}

#[test]
fn the_demo_is_the_same_bytes_on_one_thread_and_on_three() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, threads: &str| {
        let place = folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        let mut arguments = SMALL.to_vec();
        arguments.extend(["--threads", threads, "--accounts", "160"].iter());
        arguments.drain(1..3);
        succeed(&place, &arguments);
        place.join("demo")
    };
    let (one, three) = (run("one", "1"), run("three", "3"));
    for same in ["data", "truth", "runs/demo", "registry/simulated/versions", "out/scores"] {
        compare(&one.join(same), &three.join(same));
    }
}

fn compare(one: &Path, three: &Path) {
    let (one, three) = (files(one), files(three));
    let names =
        |files: &[(std::path::PathBuf, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&three));
    for ((name, bytes), (_, other)) in one.iter().zip(&three) {
        assert!(bytes == other, "{} differs between thread counts", name.display());
    }
}
