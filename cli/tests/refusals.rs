//! What is never replaced, and what a mistake is told: the file that is in the way, and what to write instead.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{bellwether, fail, files, infer_binary, succeed, text};

fn simulated(folder: &Path) -> PathBuf {
    succeed(folder, &["simulate", "--accounts", "200", "--months", "24", "--seed", "11", "--out", "business"]);
    folder.join("business")
}

#[test]
fn features_replace_only_earlier_features() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let features = |out: &str| ["features", "--as-of", "2026-01-31", "--out", out].map(str::to_owned);
    let write = |out: &str| succeed(&business, &features(out).each_ref().map(String::as_str));
    let refused = |out: &str| fail(&business, &features(out).each_ref().map(String::as_str), 2);

    fs::write(business.join("notes.txt"), "mine").unwrap();
    fs::write(business.join("empty"), "").unwrap();
    fs::write(business.join("taken.parquet.sha256"), "my own notes").unwrap();
    fs::copy(business.join("data/nps.parquet"), business.join("other.parquet")).unwrap();
    let before = files(&business);
    for out in ["bellwether.toml", "notes.txt", "empty", "other.parquet", "data/usage/part-00000.parquet"] {
        let said = refused(out);
        assert!(said.contains(out) && said.contains("expected no file or an earlier feature file"), "{said}");
        assert!(said.contains("hint: give another path"), "{said}");
    }
    let said = refused("taken.parquet");
    assert!(said.contains("taken.parquet.sha256: expected no file or the digest"), "{said}");
    assert!(files(&business) == before, "nothing was touched");

    write("features.parquet");
    let first = fs::read(business.join("features.parquet")).unwrap();
    write("features.parquet");
    assert!(fs::read(business.join("features.parquet")).unwrap() == first, "an earlier one is replaced");
    fs::write(business.join("features.parquet.sha256"), "").unwrap();
    assert!(refused("features.parquet").contains("features.parquet.sha256"));
}

#[test]
fn a_backtest_replaces_only_what_a_backtest_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let backtest = ["backtest", "--out", "run", "--learners", "base_rate"];
    succeed(&business, &backtest);
    succeed(&business, &backtest);
    fs::write(business.join("run/notes.txt"), "mine").unwrap();
    let said = fail(&business, &backtest, 2);
    assert!(said.contains("found `notes.txt` in it") && said.contains("hint"), "{said}");
    fs::remove_file(business.join("run/notes.txt")).unwrap();
    fs::create_dir(business.join("run/lift.parquet.d")).unwrap();
    assert!(fail(&business, &backtest, 2).contains("lift.parquet.d"));

    // A bundle has a backtest.json of its own.
    succeed(&business, &["train", "--out", "registry", "--learners", "base_rate"]);
    fs::create_dir(business.join("page")).unwrap();
    fs::write(business.join("page/report.html"), "mine").unwrap();
    let before = files(&business);
    for out in ["registry/simulated/versions/1", "registry/simulated", "registry", "data", "page", "."] {
        let said = fail(&business, &["backtest", "--out", out, "--learners", "base_rate"], 2);
        assert!(said.contains("expected"), "{said}");
    }
    assert!(files(&business) == before, "nothing was touched");
}

#[test]
fn init_never_replaces_a_project_file_and_a_simulation_only_an_untouched_one() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let before = files(&business);
    let said = fail(&business, &["init", "."], 2);
    assert!(said.contains("bellwether.toml: expected no project file, found one") && said.contains("hint"), "{said}");
    succeed(folder.path(), &["init", "new"]);
    fail(folder.path(), &["init", "new"], 2);
    assert!(files(&business) == before);
    succeed(folder.path(), &["simulate", "--accounts", "20", "--months", "3", "--out", "new"]);
}

#[test]
fn a_length_of_time_without_quotes_and_a_day_that_is_none_say_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let score = ["score", "--bundle", "b", "--out", "o", "--as-of", "2026-02-30"];
    for verb in [&score[..], &["check", "--as-of", "2026-02-30"]] {
        let said = fail(&business, verb, 2);
        assert!(said.contains("there is no such day: expected a date as YYYY-MM-DD"), "{said}");
    }
    let said = fail(&business, &["features", "--as-of", "2026-02-30", "--out", "f.parquet"], 2);
    assert!(said.contains("there is no such day: expected a date as YYYY-MM-DD"), "{said}");
    let said = fail(&business, &["features", "--as-of", "31.01.2026", "--out", "f.parquet"], 2);
    assert!(said.contains("expected a date as YYYY-MM-DD") && !said.contains("no such day"), "{said}");

    let path = business.join("bellwether.toml");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replacen("horizon = \"90d\"", "horizon = 90", 1)).unwrap();
    let said = fail(&business, &["check"], 2);
    assert!(said.contains("hint: write a quoted length of time") && said.contains("\"90d\""), "{said}");
}

/// Runs the lean scorer; its exit code and what it said on stderr.
fn verify(folder: &Path, bundle: &str) -> (Option<i32>, String) {
    let output =
        Command::new(infer_binary()).current_dir(folder).args(["verify", "--bundle", bundle]).output().unwrap();
    (output.status.code(), text(&output.stderr))
}

#[test]
fn references_into_a_registry_that_lead_nowhere_say_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    succeed(&business, &["train", "--out", "registry", "--learners", "base_rate"]);

    let (code, said) = verify(&business, "registry/simulated/versions/9");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("expected version 9") && said.contains("there are: champion, 1"), "{said}");
    let said = fail(&business, &["models", "promote", "simulated/versions/2"], 2);
    assert!(said.contains("`simulated@2`"), "{said}");
    let said = fail(&business, &["models", "promote", "simulated@9"], 2);
    assert!(said.contains("there are: champion, 1"), "{said}");
    for verb in [&["models", "list"][..], &["models", "show", "simulated"]] {
        let said = fail(&business, &[verb, &["--registry", "/nonexistent"]].concat(), 2);
        assert!(
            said.contains("/nonexistent: expected a registry") && said.contains("bellwether train --out"),
            "{said}"
        );
    }

    let score = ["score", "--as-of", "2026-01-31", "--bundle", "registry/simulated@champion", "--out", "out"];
    for damaged in ["", "{\"champion\":", "{\"champion\":\"one\"}", "[]"] {
        fs::write(business.join("registry/simulated/aliases.json"), damaged).unwrap();
        let mut all = vec![fail(&business, &score, 4), fail(&business, &["models", "list"], 4)];
        let (code, said) = verify(&business, "registry/simulated@champion");
        assert_eq!(code, Some(4), "{said}");
        all.push(said);
        for said in all {
            assert!(said.contains("aliases.json: damaged: expected champion") && said.contains("hint"), "{said}");
        }
    }
    assert!(!business.join("out").exists());
}

#[test]
fn each_binary_says_what_config_means_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let own = text(&bellwether(folder.path(), &["--help"]).stdout);
    assert!(own.contains("[default: bellwether.toml]") && !own.contains("scorer"), "{own}");
    let lean = text(&Command::new(infer_binary()).arg("--help").output().unwrap().stdout);
    // The help is wrapped to the width of the terminal.
    let lean = lean.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(lean.contains("which only checks that it can be read"), "{lean}");
}
