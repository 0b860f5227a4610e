//! The README's session by hand: init, simulate, check, features, backtest, train, models, score.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{fail, infer_binary, part, succeed, text};

fn simulated(folder: &Path) -> std::path::PathBuf {
    succeed(folder, &["simulate", "--accounts", "250", "--months", "24", "--seed", "11", "--out", "business"]);
    folder.join("business")
}

#[test]
fn every_verb_of_the_session_works() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["init", "business"]);
    let business = simulated(folder.path());

    let checked = succeed(&business, &["check"]);
    assert!(checked.contains("usage"), "{checked}");
    succeed(&business, &["features", "--as-of", "2026-01-31", "--out", "features.parquet"]);
    succeed(
        &business,
        &["features", "--from", "2025-11-30", "--to", "2026-01-31", "--every", "month", "--out", "three.parquet"],
    );
    let judged = succeed(&business, &["backtest", "--out", "runs/q1", "--learners", "base_rate,logistic"]);
    assert!(judged.contains("logistic") && judged.contains("churn_90d"), "{judged}");
    succeed(&business, &["train", "--out", "registry", "--learners", "base_rate,logistic"]);
    let listed = succeed(&business, &["models", "list"]);
    assert!(listed.contains("simulated  version 1  champion"), "{listed}");
    let shown = succeed(&business, &["models", "show", "simulated"]);
    assert!(shown.contains("expansion_60d"), "{shown}");

    let bundle = "registry/simulated@champion";
    succeed(&business, &["score", "--as-of", "2026-01-31", "--bundle", bundle, "--out", "out"]);
    let lean = Command::new(infer_binary())
        .current_dir(&business)
        .args(["score", "--bundle", bundle, "--input", "features.parquet", "--out", "lean"])
        .output()
        .unwrap();
    assert!(lean.status.success(), "{}", text(&lean.stderr));
    let read = |out: &str| fs::read(part(&business.join(out), "2026-01-31")).unwrap();
    assert!(read("out") == read("lean"), "`bellwether score` and `bellwether-infer score` publish the same bytes");

    // A second model of the same data is a challenger, and no better: the gate holds.
    succeed(&business, &["train", "--out", "registry", "--learners", "base_rate"]);
    let said = fail(&business, &["models", "promote", "simulated@challenger"], 6);
    assert!(said.contains("hint"), "{said}");
    let listed = succeed(&business, &["models", "list"]);
    assert!(listed.contains("simulated  version 2  challenger"), "{listed}");
}

#[test]
fn an_edited_project_file_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let path = business.join("bellwether.toml");
    let edited = format!("{}\n# mine\n", fs::read_to_string(&path).unwrap());
    fs::write(&path, &edited).unwrap();
    let arguments = ["simulate", "--accounts", "10", "--months", "3", "--out", "business"];
    let said = fail(folder.path(), &arguments, 2);
    assert!(said.contains("edited"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), edited);
}

#[test]
fn mistakes_in_the_project_file_name_file_line_key_and_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let path = business.join("bellwether.toml");
    let good = fs::read_to_string(&path).unwrap();
    let cases = [
        ("[eligibility]", "[eligibilty]", "eligibility"),
        ("min_tenure =", "min_tenur =", "min_tenure"),
        ("horizon = \"90d\"", "horizon = 90", "horizon"),
        ("event = \"mrr_increase\"", "event = \"mrr_increse\"", "mrr_increase"),
        ("refit_every = \"quarter\"", "refit_every = \"quartr\"", "quarter"),
        ("config_version = 1", "config_version = 2", "config_version"),
    ];
    for (right, wrong, named) in cases {
        let bad = good.replacen(right, wrong, 1);
        assert_ne!(bad, good, "{right} is not in the file");
        fs::write(&path, &bad).unwrap();
        let said = fail(&business, &["backtest", "--out", "run"], 2);
        let line = bad.lines().position(|line| line.contains(wrong)).unwrap() + 1;
        assert!(said.contains(&format!("bellwether.toml:{line}")), "{wrong}: expected line {line} in {said}");
        assert!(said.contains(named), "{wrong}: expected {named} in {said}");
    }
    assert!(!business.join("run").exists());
}

#[test]
fn wrong_usage_is_exit_2_and_absent_tables_are_exit_3() {
    let folder = tempfile::tempdir().unwrap();
    fail(folder.path(), &["check"], 2);
    fail(folder.path(), &["features", "--out", "f.parquet"], 2);
    fail(folder.path(), &["nonsense"], 2);
    let business = simulated(folder.path());
    fs::remove_dir_all(business.join("data/usage")).unwrap();
    let said = fail(&business, &["check"], 3);
    assert!(said.contains("usage"), "{said}");
}
