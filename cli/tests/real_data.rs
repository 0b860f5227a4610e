//! Real data through the ready configurations of docs/examples. Needs the real data sets; says loudly when they are
//! absent.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::{Path, PathBuf};

use common::{floats, part, python, read_parquet, real_data, text};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/examples").join(name).join("bellwether.toml")
}

fn run(data: &Path, folder: &Path, config: &Path, arguments: &[&str]) -> String {
    let output = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
        .current_dir(folder)
        .env("BELLWETHER_REAL_DATA", data)
        .args(["--config", config.to_str().unwrap()])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Out-of-time log loss of the selected learner of a target, from `backtest.json`.
fn selected_log_loss(run: &Path, target: &str) -> f64 {
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("backtest.json")).unwrap()).unwrap();
    let target = json["targets"].as_array().unwrap().iter().find(|one| one["definition"]["name"] == target).unwrap();
    let learners = target["learners"].as_array().unwrap();
    let selected = learners.iter().find(|one| one["learner"] == target["selected"]).unwrap();
    selected["metrics"]["log_loss"].as_f64().unwrap()
}

#[test]
fn dpdk_organisations_from_tables_to_scores() {
    let Some(data) = real_data("dpdk_organisations_from_tables_to_scores") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = example("dpdk-organisations");
    let steps: [&[&str]; 4] = [
        &["check"],
        &["features", "--as-of", "2026-01-01", "--out", "features.parquet"],
        &["train", "--out", "registry"],
        &["score", "--as-of", "2026-01-01", "--bundle", "registry/dpdk-organisations@champion", "--out", "out"],
    ];
    for step in steps {
        run(&data, folder.path(), &config, step);
    }
    // The better column of ../shared/data/README.md's rough yardsticks, each on the same split dates.
    let version = folder.path().join("registry/dpdk-organisations/versions/1");
    for (target, yardstick) in [("churn_90d", 0.381), ("expansion_60d", 0.389)] {
        let log_loss = selected_log_loss(&version, target);
        assert!(log_loss < yardstick, "{target}: log loss {log_loss}, yardstick {yardstick}");
    }
    let scores = read_parquet(&part(&folder.path().join("out"), "2026-01-01"));
    let probabilities = floats(&scores, "churn_90d_probability");
    assert!(probabilities.len() >= 20, "{} organisations", probabilities.len());
    assert!(probabilities.iter().flatten().all(|p| (0.0..=1.0).contains(p)));
}

#[test]
fn the_moving_base_rate_of_cdnow_is_recorded() {
    let Some(data) = real_data("the_moving_base_rate_of_cdnow_is_recorded") else { return };
    let folder = tempfile::tempdir().unwrap();
    run(&data, folder.path(), &example("cdnow"), &["backtest", "--out", "run", "--learners", "logistic"]);
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run/backtest.json")).unwrap()).unwrap();
    let target = &json["targets"][0];
    let refits: Vec<&serde_json::Value> =
        target["refits"].as_array().unwrap().iter().filter(|refit| refit["warm_up"] == false).collect();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let rate = |part: &str, refit: &serde_json::Value| {
        number(&refit[format!("{part}_positives")]) / number(&refit[format!("{part}_rows")])
    };
    // One cohort: who is still about later is another mix than training saw.
    let gap = |refit: &&serde_json::Value| (rate("test", refit) - rate("training", refit)).abs();
    assert!(refits.iter().any(|refit| gap(refit) > 0.05), "{:?}", refits.iter().map(gap).collect::<Vec<f64>>());
    let shift = |refit: &&serde_json::Value| number(&refit["learners"][0]["calibration"]["prior_shift_log_odds"]);
    assert!(refits.iter().all(|refit| shift(refit).is_finite()));
}

#[test]
fn online_retail_and_eslint_sponsors_pass_their_contracts() {
    let Some(data) = real_data("online_retail_and_eslint_sponsors_pass_their_contracts") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, as_of) in [("online-retail", "2011-09-01"), ("eslint-sponsors", "2024-06-01")] {
        let config = example(name);
        run(&data, folder.path(), &config, &["check", "--as-of", as_of]);
        run(&data, folder.path(), &config, &["features", "--as-of", as_of, "--out", "features.parquet"]);
    }
}

/// The outlook of real books against a second reading of the same rows (python/outlook_oracle.py): every month's movements with
/// NRR, GRR and logo retention, every cohort at every age, and the accounts of the table of value.
fn the_outlook_is_what_a_second_reading_counts(test: &str, source: &str, as_of: &str, least: u64) {
    let (Some(data), Some(python)) = (real_data(test), python(test)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("python/outlook_oracle.py");
    let second = |what: &str| {
        let mut command = assert_cmd::Command::new(&python);
        let output =
            command.arg(&script).args([source, what]).arg(&data).arg(folder.path()).arg(as_of).output().unwrap();
        assert!(output.status.success(), "{what}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    second("prepare");
    let told = run(
        &data,
        folder.path(),
        &folder.path().join("bellwether.toml"),
        &["outlook", "--as-of", as_of, "--out", folder.path().join("out").to_str().unwrap()],
    );
    assert!(
        told.contains("lifetime value") && !told.contains("billed annually"),
        "nothing says how they are billed: {told}"
    );
    let equal: u64 = second("compare").split(' ').next().unwrap().parse().unwrap();
    assert!(equal >= least, "{equal}");
}

#[test]
fn the_outlook_of_eslint_sponsors_is_what_a_second_reading_counts() {
    let test = "the_outlook_of_eslint_sponsors_is_what_a_second_reading_counts";
    the_outlook_is_what_a_second_reading_counts(test, "eslint", "2024-06-01", 1_800);
}

#[test]
fn the_outlook_of_online_retail_is_what_a_second_reading_counts() {
    let test = "the_outlook_of_online_retail_is_what_a_second_reading_counts";
    the_outlook_is_what_a_second_reading_counts(test, "retail", "2011-11-01", 300);
}
