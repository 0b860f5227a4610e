//! A feature matrix whose rows do not say whose they are: no word of accounts, wherever it is read. And ids as tables write
//! them.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fmt::Write;
use std::fs;

use common::{bellwether, fail, floats, read_parquet, succeed, text};

/// A number in [0, 1) that looks random.
fn lot(seed: u64) -> f64 {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((state ^ (state >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Rows that churn where logins are few. `id`: how the customer of a row is written.
fn table(months: u32, customers: u64, id: impl Fn(u64) -> String) -> String {
    let mut csv = String::from("customer,day,logins,churn_90d\n");
    for month in 1..=months {
        for customer in 0..customers {
            let seed = u64::from(month) * 100_000 + customer;
            let logins = (lot(seed) * 30.0).floor();
            let churned = lot(seed + 500_000_000) < 0.6 / (1.0 + ((logins - 8.0) / 2.0).exp()) + 0.02;
            writeln!(csv, "{},2024-{month:02}-01,{logins},{}", id(customer), u8::from(churned)).unwrap();
        }
    }
    csv
}

/// What is said of rows that were told apart by account, and is not true of others.
const UNTRUE: [&str; 9] = [
    "other accounts",
    "over accounts",
    "held-out accounts",
    "Of two accounts",
    "such accounts",
    "rows of one account",
    "Folds of accounts",
    "accounts called",
    "an account on a date",
];

#[test]
fn rows_without_accounts_are_called_rows_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("m.csv"), table(12, 200, |customer| format!("cust-{customer}"))).unwrap();
    let matrix = ["--matrix", "m.csv", "--target", "churn_90d", "--learners", "base_rate,logistic"];
    for (name, more) in [("undated", &[][..]), ("dated", &["--as-of", "day"][..])] {
        let output = bellwether(folder, &[&["backtest", "--out", name], &matrix[..], more].concat());
        let (shown, said) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{said}");
        assert!(said.contains("[accounts_not_given]") && said.contains("--account"), "{said}");
        succeed(folder, &[&["train", "--out", "registry", "--name", name], &matrix[..], more].concat());
        let page = fs::read_to_string(folder.join(name).join("report.html")).unwrap();
        let version = folder.join("registry").join(name).join("versions/1");
        let card = fs::read_to_string(version.join("MODEL_CARD.md")).unwrap();
        let models = succeed(folder, &["models", "show", name, "--registry", "registry"]);
        for told in [&page, &card, &models, &shown, &said] {
            for words in UNTRUE {
                assert!(!told.contains(words), "{name}: {words}: {told}");
            }
        }
        assert!(page.contains("over rows") && card.contains("over rows"), "{card}");
        assert!(page.contains("rows without observation dates") == (name == "undated"), "{page}");
        let signature = fs::read_to_string(version.join("signature.json")).unwrap();
        assert!(!signature.contains("cust-"), "{signature}");
        if name == "undated" {
            for told in [&page, &card, &models, &shown] {
                assert!(told.contains("fitted on other rows"), "{told}");
            }
        }
        let summary = fs::read_to_string(folder.join(name).join("backtest.json")).unwrap();
        assert!(summary.contains("\"witness\": \"row\""), "{summary}");
    }
    let given = ["--account", "customer", "--as-of", "day"];
    succeed(folder, &[&["backtest", "--out", "given"], &matrix[..], &given[..]].concat());
    let summary = fs::read_to_string(folder.join("given/backtest.json")).unwrap();
    assert!(!summary.contains("\"witness\""), "as in summaries of versions before: {summary}");
    let page = fs::read_to_string(folder.join("given/report.html")).unwrap();
    assert!(page.contains("over accounts") && !page.contains("over rows"), "{page}");
}

#[test]
fn ids_that_went_through_floats_are_the_same_ids() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |name: &str, csv: String| {
        fs::write(folder.join(name), csv).unwrap();
        let matrix = ["--matrix", name, "--target", "churn_90d", "--account", "customer", "--learners", "logistic"];
        succeed(folder, &[&["backtest", "--out", "run"], &matrix[..]].concat());
        let predictions = read_parquet(&folder.join("run/predictions.parquet"));
        (fs::read_to_string(folder.join("run/backtest.json")).unwrap(), floats(&predictions, "probability"))
    };
    let plain = run("plain.csv", table(2, 300, |customer| (1_000 + customer).to_string()));
    assert_eq!(run("floats.csv", table(2, 300, |customer| format!("{}.0", 1_000 + customer))), plain);
}

#[test]
fn a_name_that_looks_like_nothing_is_a_name_where_accounts_stand() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let name = |customer: u64| if customer == 7 { "NA".to_owned() } else { format!("c{customer}") };
    fs::write(folder.join("m.csv"), table(2, 300, name)).unwrap();
    let matrix = ["--matrix", "m.csv", "--target", "churn_90d", "--account", "customer", "--learners", "base_rate"];
    succeed(folder, &[&["backtest", "--out", "run"], &matrix[..]].concat());
    fs::write(folder.join("m.csv"), table(2, 300, |customer| name(customer).replace("NA", " "))).unwrap();
    let said = fail(folder, &[&["backtest", "--out", "run"], &matrix[..]].concat(), 3);
    assert!(said.contains("column `customer`, row 8: expected an account id, found nothing"), "{said}");
}

#[test]
fn thousands_with_commas_and_errors_of_a_spreadsheet_are_refused_where_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Five rows of a hundred are no numbers; in a third they would be the texts of a category.
    let with = |cell: &str, every: usize| {
        let lines = table(1, 100, |customer| format!("c{customer}"));
        let row = |(place, line): (usize, &str)| match place {
            0 => format!("{line},mrr"),
            place if place % every == 3 => format!("{line},{cell}"),
            place => format!("{line},{}.5", 100 + place),
        };
        lines.lines().enumerate().map(row).collect::<Vec<_>>().join("\n")
    };
    let arguments = ["backtest", "--matrix", "m.csv", "--target", "churn_90d", "--account", "customer", "--out", "run"];
    for (cell, found) in [
        ("\"1,234.5\"", "a comma before the decimals or between thousands"),
        ("\"12,5\"", "a comma before the decimals or between thousands"),
        ("#REF!", "begins with `#`"),
        ("unknown", "found a text"),
    ] {
        fs::write(folder.join("m.csv"), with(cell, 20)).unwrap();
        let said = fail(folder, &arguments, 3);
        assert!(said.contains("column `mrr`, row 3: expected a number, as in 95 of the 100 cells"), "{cell}: {said}");
        assert!(said.contains(found) && said.contains("line 4 of the file"), "{cell}: {said}");
        assert!(!said.contains("1,234") && !said.contains("REF") && !said.contains("unknown"), "no value: {said}");
    }
    fs::write(folder.join("m.csv"), with("unknown", 4)).unwrap();
    let learners = ["--learners", "base_rate"];
    succeed(folder, &[&arguments[..], &learners[..]].concat());
}
