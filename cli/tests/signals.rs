//! `bellwether signals`, the page made of it, and signals that a business declares itself.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{fail, infer_binary, read_parquet, succeed, text};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// The TOML of a page.
fn example(page: &str) -> String {
    let text = fs::read_to_string(docs(page)).unwrap();
    let (_, after) = text.split_once("```toml\n").unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_page_of_signals_is_what_the_command_writes() {
    let folder = tempfile::tempdir().unwrap();
    let written = succeed(folder.path(), &["signals", "--all", "--format", "markdown"]);
    let page = fs::read_to_string(docs("signals.md")).unwrap_or_default();
    assert!(
        page == written,
        "docs/signals.md is out of date; refresh it with\n  \
         cargo run --release -- signals --all --format markdown > docs/signals.md"
    );
}

#[test]
fn without_a_project_all_signals_are_listed_and_with_one_those_of_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let names = |arguments: &[&str]| -> Vec<String> {
        let listed = succeed(folder.path(), &[&["signals", "--format", "json"], arguments].concat());
        let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
        listed.iter().map(|signal| signal["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = names(&[]);
    assert!(all.len() >= 100 && all.contains(&"nps_latest_score".to_owned()));

    let project = "config_version = 1\n[tables.usage]\npath = \"u.csv\"\n[signals]\nexclude = [\"*_7d\"]\n\
                   [signals.declared.mine]\ntable = \"usage\"\naggregate = \"count\"\nwindow = \"3d\"\n\
                   text = \"mine: {value}\"\nchurn = \"+\"\n";
    fs::write(folder.path().join("bellwether.toml"), project).unwrap();
    let some = names(&[]);
    assert!(some.iter().all(|name| name != "nps_latest_score" && !name.ends_with("_7d")), "{some:?}");
    assert_eq!(some.last().map(String::as_str), Some("mine"));
    assert_eq!(names(&["--all"]), all);
    let told = succeed(folder.path(), &["signals"]);
    let lines = "  mine  (count, 3 days; churn +, expansion ?)\n      mine: {value}\n      \
                 = declared: number of rows in usage in the last 3 days\n";
    assert!(told.contains(lines), "{told}");
    let said = fail(folder.path(), &["signals", "--config", "gone.toml"], 2);
    assert!(said.contains("gone.toml"), "{said}");
}

/// What `init` suggests must work once its comment signs are gone.
#[test]
fn the_suggestions_of_init_can_be_uncommented() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["init", "."]);
    let path = folder.path().join("bellwether.toml");
    let template = fs::read_to_string(&path).unwrap();
    let (before, after) = template.split_once("# [signals]\n").unwrap();
    let (declared, rest) = after.split_once("\n# How the learners").unwrap();
    let uncommented: Vec<&str> = declared.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    let prose = |line: &&str| !line.starts_with("A signal of your own");
    let uncommented: Vec<&str> = uncommented.into_iter().filter(prose).collect();
    let text = format!("{before}[signals]\n{}\n\n# How the learners{rest}", uncommented.join("\n"));
    fs::write(&path, text).unwrap();
    let listed = succeed(folder.path(), &["signals"]);
    assert!(listed.contains("usage_events_28d") && !listed.contains("usage_events_365d"), "{listed}");
    // What is not included is not computed, declared or not.
    assert!(!listed.contains("big_exports_28d"), "{listed}");
    let whole = fs::read_to_string(&path).unwrap().replace("\"tenure_days\"]", "\"tenure_days\", \"big_*\"]");
    fs::write(&path, whole).unwrap();
    assert!(succeed(folder.path(), &["signals"]).contains("big_exports_28d"));
}

/// The example of docs/declaring-signals.md on the simulated business, from features to a score of the lean binary; a
/// bundle refuses features of another definition.
#[test]
fn declared_signals_go_all_the_way() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", "250", "--months", "24", "--seed", "11", "--out", "business"]);
    let business = folder.path().join("business");
    let path = business.join("bellwether.toml");
    let declared = example("declaring-signals.md");
    let project = format!("{}\n{declared}", fs::read_to_string(&path).unwrap());
    fs::write(&path, &project).unwrap();

    let names = ["big_exports_28d", "days_since_severe_ticket", "disputed_amount", "publishing_days_change_28d"];
    let features = ["features", "--as-of", "2026-01-31", "--out", "features.parquet"];
    succeed(&business, &features);
    let rows = read_parquet(&business.join("features.parquet"));
    for name in names {
        assert!(rows[0].column_by_name(name).is_some(), "{name}");
    }
    succeed(&business, &["train", "--out", "registry", "--learners", "base_rate,logistic"]);
    let bundle = business.join("registry/simulated/versions/1");
    let read = |file: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(bundle.join(file)).unwrap()).unwrap()
    };
    let (signature, cards) = (read("signature.json").to_string(), read("signals.json").to_string());
    for name in names {
        assert!(signature.contains(&format!("\"{name}\"")) && cards.contains(&format!("\"{name}\"")), "{name}");
    }
    assert!(cards.contains("declared.big_exports_28d"), "{cards}");

    let score = |out: &str| {
        let arguments =
            ["score", "--bundle", "registry/simulated@champion", "--input", "features.parquet", "--out", out];
        let output = Command::new(infer_binary()).current_dir(&business).args(arguments).output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(score("out").0, Some(0));
    assert!(common::part(&business.join("out"), "2026-01-31").is_file());

    fs::write(&path, project.replace("quantity > 100", "quantity > 99")).unwrap();
    succeed(&business, &features);
    let (code, said) = score("refused");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("big_exports_28d"), "{said}");
}
