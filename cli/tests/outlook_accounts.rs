//! `bellwether outlook` on dates with scores: accounts, alerts, changes, calls, owners, and what the project file declares.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use bellwether_models::scores::schema;
use common::{bellwether, fail, floats, read_parquet, succeed, text, texts};
use parquet::arrow::ArrowWriter;

const TABLES: [&str; 5] = ["accounts", "alerts", "since", "calls", "owners"];

/// Scores of a date, as a model might have given them: `shift` moves the probabilities.
fn write_scores(out: &Path, as_of: &str, ids: &[String], shift: usize) {
    let schema = schema(&["churn_90d", "expansion_60d"]);
    let probability = |row: usize| ((row * 37 + shift) % 100) as f64 / 100.0;
    let number = |name: &str, row: usize| match name {
        "mrr" => Some(100.0),
        "mrr_at_risk" => Some(100.0 * probability(row)),
        "expected_expansion_mrr" => Some(1.0),
        name if name.contains("_reason_") => name.contains("_1_").then_some(0.05),
        _ => Some(probability(row)),
    };
    let word = |name: &str, row: usize| match name {
        "account_id" => Some(ids[row].clone()),
        "health" => Some(["champion", "at_risk"][row % 2].to_owned()),
        "status" => Some("scored".to_owned()),
        "status_reason" => Some("OK".to_owned()),
        "model" => Some("test/1".to_owned()),
        name if name.ends_with("_band") => Some(if probability(row) >= 0.5 { "high" } else { "low" }.to_owned()),
        name if name.contains("_reason_1") => Some(format!("reason {}", shift + row % 3)),
        _ => None,
    };
    let column = |name: &str, is_number: bool| -> ArrayRef {
        if is_number {
            Arc::new((0..ids.len()).map(|row| number(name, row)).collect::<Float64Array>())
        } else {
            Arc::new((0..ids.len()).map(|row| word(name, row)).collect::<StringArray>())
        }
    };
    let fields = schema.fields().iter();
    let columns = fields.map(|field| column(field.name(), field.data_type().is_floating())).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let folder = out.join("scores/v1").join(format!("as_of={as_of}"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(folder.join("part-00000.parquet")).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    File::create(folder.join("_SUCCESS")).unwrap();
}

/// A simulated business with owners and plays.
fn business(home: &Path) -> PathBuf {
    succeed(home, &["simulate", "--accounts", "150", "--months", "18", "--out", "business"]);
    let business = home.join("business");
    let project = std::fs::read_to_string(business.join("bellwether.toml")).unwrap();
    let plays = "\n[plays.low_at_risk]\nplay = \"Letter\"\nowner = \"desk\"\ndue_days = 7\nsuccess_metric = \"answered\"\n\
                 save_rate = 0.1\ncost = 1\n\n[alerts]\nmargin = 0.3\n";
    std::fs::write(business.join("bellwether.toml"), project + plays).unwrap();
    business
}

fn ids(business: &Path) -> Vec<String> {
    let mut ids: Vec<String> =
        texts(&read_parquet(&business.join("data/accounts.parquet")), "account_id").into_iter().flatten().collect();
    ids.sort();
    ids
}

#[test]
fn accounts_are_told_where_there_are_scores() {
    let folder = tempfile::tempdir().unwrap();
    let business = business(folder.path());
    let arguments = ["outlook", "--as-of", "2026-01-15", "--out", "out"];
    let tables = business.join("out/outlook/v1/as_of=2026-01-15");
    let without = bellwether(&business, &arguments);
    assert!(without.status.success() && text(&without.stderr).contains("what depends on scores is left out"));
    assert!(TABLES.iter().all(|table| !tables.join(format!("{table}.parquet")).exists()));

    let (ids, out) = (ids(&business), business.join("out"));
    write_scores(&out, "2026-01-15", &ids[..140], 0);
    let told = succeed(&business, &arguments);
    assert!(told.contains("no earlier date with scores"), "{told}");
    write_scores(&out, "2025-12-15", &ids[10..], 20);
    let told = succeed(&business, &[&arguments[..], &["--accounts-per-week", "12"]].concat());
    assert!(told.contains("since 2025-12-15: 10 entered"), "{told}");
    assert!(told.contains("no alerts on churn_90d: [alerts] declares no lines"), "no run is on record: {told}");
    assert!(told.contains("calls: 12 accounts hold "), "{told}");
    let read = |table: &str| read_parquet(&tables.join(format!("{table}.parquet")));
    let accounts = read("accounts");
    assert_eq!(texts(&accounts, "account_id").into_iter().flatten().collect::<Vec<_>>(), ids[..140]);
    let owners: Vec<Option<String>> = texts(&read("owners"), "owner");
    // Those that have not signed up by then have no owner that is known.
    assert!(owners.len() > 2 && owners[1..].iter().all(Option::is_some), "{owners:?}");
    // What all owners have is what all accounts have.
    let sum = |table: &str, column: &str| floats(&read(table), column).into_iter().flatten().sum::<f64>();
    assert!((sum("owners", "mrr_at_risk") - sum("accounts", "mrr_at_risk")).abs() < 0.01);
    let worth: Vec<f64> = floats(&accounts, "worth_of_intervening").into_iter().flatten().collect();
    let played = texts(&accounts, "play").into_iter().flatten().filter(|play| play == "Letter").count();
    assert!(played > 0 && worth.len() == played, "{played} {}", worth.len());
    let stakes: Vec<f64> = floats(&read("calls"), "stake_mrr").into_iter().flatten().collect();
    assert!(stakes.len() == 12 && stakes.is_sorted_by(|one, next| one >= next), "{stakes:?}");

    // The page of an account tells the service level that the team works by, and so does an export, unless the scores are others.
    let (id, level) = (&ids[3], texts(&accounts, "service_level")[3].clone().unwrap());
    let told = succeed(&business, &["account", id, "--as-of", "2026-01-15", "--out", "out"]);
    assert!(told.contains(&format!("service level {level}")) && !told.contains("by its MRR alone"), "{level}: {told}");
    let export = ["export", "--to", "csv", "--as-of", "2026-01-15", "--out", "out"];
    succeed(&business, &export);
    write_scores(&out, "2026-01-15", &ids[..140], 1);
    let refused = fail(&business, &export, 2);
    assert!(refused.contains("found one of other scores") && refused.contains("makes it again"), "{refused}");
    // Before any server is looked for.
    let to = "postgres://nobody@127.0.0.1:1/nothing";
    let refused = fail(&business, &["export", "--to", to, "--as-of", "2026-01-15", "--out", "out"], 2);
    assert!(refused.contains("found one of other scores"), "{refused}");
    let told = succeed(&business, &["account", id, "--as-of", "2026-01-15", "--out", "out"]);
    assert!(!told.contains("service level"), "these scores have none: {told}");
    write_scores(&out, "2026-01-15", &ids[..140], 0);
    let bytes = || TABLES.map(|table| std::fs::read(tables.join(format!("{table}.parquet"))).unwrap());
    let before = bytes();
    succeed(&business, &[&arguments[..], &["--accounts-per-week", "12", "--threads", "1"]].concat());
    assert_eq!(bytes(), before);
    let told = fail(&business, &[&arguments[..], &["--since", "2025-11-01"]].concat(), 2);
    assert!(told.contains("dates with scores before 2026-01-15: 2025-12-15"), "{told}");
}

#[test]
fn what_the_project_file_cannot_mean_is_refused_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let business = business(folder.path());
    let project = std::fs::read_to_string(business.join("bellwether.toml")).unwrap();
    let cases = [
        ("[plays.low_at_risk]", "[plays.low_at_rsk]", "did you mean `low_at_risk`?"),
        ("due_days = 7", "due_day = 7", "did you mean `due_days`?"),
        ("owner = \"desk\"\n", "", "plays.low_at_risk.owner: expected some words, found none"),
        ("save_rate = 0.1", "save_rate = 1.1", "plays.low_at_risk.save_rate: expected a share from 0 to 1, found 1.1"),
        ("margin = 0.3", "margin = 3.0", "alerts.margin: expected a number from 0 to 1, found 3"),
        ("margin = 0.3", "margn = 0.3", "did you mean `margin`?"),
    ];
    for (right, wrong, expected) in cases {
        assert!(project.contains(right), "{right}");
        std::fs::write(business.join("wrong.toml"), project.replace(right, wrong)).unwrap();
        for verb in [&["check"][..], &["outlook", "--as-of", "2026-01-15", "--out", "out"]] {
            let told = fail(&business, &[verb, &["--config", "wrong.toml"]].concat(), 2);
            assert!(told.contains(expected) && told.contains("wrong.toml:"), "{verb:?}: {told}");
        }
    }
}
