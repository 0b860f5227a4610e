//! A feature matrix of one's own: judged, trained, scored; and what a mistake in it is told.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, RecordBatch, StringArray};
use common::{bellwether, fail, floats, infer_binary, part, read_parquet, succeed, text, texts};
use parquet::arrow::ArrowWriter;

/// A number in [0, 1) that looks random.
fn lot(seed: u64) -> f64 {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((state ^ (state >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Accounts that churn where logins are few, more so on the plan `basic`; some logins are not known.
fn matrix(months: u32, accounts: u64) -> String {
    let mut csv = String::from("customer,day,logins,plan,churn_90d,weight\n");
    for month in 1..=months {
        for account in 0..accounts {
            let seed = u64::from(month) * 100_000 + account;
            let logins = (lot(seed) * 30.0).floor();
            let basic = lot(account + 7_000_000) < 0.5;
            let chance = 0.5 / (1.0 + ((logins - 6.0) / 2.0).exp()) + if basic { 0.12 } else { 0.02 };
            let churned = if lot(seed + 500_000_000) < chance { "yes" } else { "no" };
            let logins = if account % 17 == 3 { String::new() } else { logins.to_string() };
            let (plan, weight) = (if basic { "basic" } else { "pro" }, 1 + account % 2);
            writeln!(
                csv,
                "c{account},{:04}-{:02}-01,{logins},{plan},{churned},{weight}",
                2023 + month / 13,
                (month - 1) % 12 + 1
            )
            .unwrap();
        }
    }
    csv
}

/// The log loss of a learner over all test rows.
fn log_loss(run: &Path, learner: &str) -> f64 {
    let rows: serde_json::Value = serde_json::from_slice(&fs::read(run.join("metrics.json")).unwrap()).unwrap();
    let of = |row: &&serde_json::Value| row["learner"] == learner && row["scope"] == "all";
    rows.as_array().unwrap().iter().find(of).unwrap()["metrics"]["log_loss"].as_f64().unwrap()
}

#[test]
fn a_table_without_dates_is_judged_on_held_out_accounts_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("table.csv"), matrix(2, 700)).unwrap();
    let arguments =
        ["backtest", "--matrix", "table.csv", "--target", "churn_90d", "--account", "customer", "--out", "run"];
    let output = bellwether(folder.path(), &arguments);
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("[time_not_tested]") && said.contains("time was not tested"), "{said}");
    assert!(said.contains("column `day` holds dates and is left out"), "{said}");
    let run = folder.path().join("run");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("without observation dates"), "{report}");
    let untrue = ["1970", "Out of time", "out of time", "observed every", "Judged on dates", "until the next refit"];
    for page in [&report, &shown, &said] {
        assert!(page.contains("fitted on other accounts") || page.contains("held-out accounts"), "{page}");
        assert!(page.contains("time was not tested"), "{page}");
        for words in untrue {
            assert!(!page.contains(words), "{words}: {page}");
        }
    }
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(run.join("backtest.json")).unwrap()).unwrap();
    assert_eq!(summary["refit_every"], "account-folds");
    assert_eq!(summary["warnings"][0]["code"], "time_not_tested");
    assert_eq!(summary["targets"][0]["refits"].as_array().unwrap().len(), 5);
    let (boosting, base) = (log_loss(&run, "boosting"), log_loss(&run, "base_rate"));
    assert!(boosting < base - 0.02, "boosting {boosting}, base rate {base}");

    // Every row once per learner, in the order of the accounts.
    let predictions = read_parquet(&run.join("predictions.parquet"));
    let (learners, accounts) = (texts(&predictions, "learner"), texts(&predictions, "account_id"));
    let of: Vec<_> = learners
        .iter()
        .zip(&accounts)
        .filter(|(one, _)| one.as_deref() == Some("boosting"))
        .map(|(_, id)| id)
        .collect();
    assert_eq!(of.len(), 1_400);
    assert!(of.is_sorted());
}

#[test]
fn the_card_of_a_table_without_dates_tells_of_no_date() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("table.csv"), matrix(1, 400)).unwrap();
    let roles = ["--matrix", "table.csv", "--target", "churn_90d", "--account", "customer"];
    let train = ["train", "--out", "registry", "--learners", "base_rate,logistic", "--accounts-per-week", "25"];
    succeed(folder, &[&train[..], &roles[..]].concat());
    let card = fs::read_to_string(folder.join("registry/table/versions/1/MODEL_CARD.md")).unwrap();
    let shown = succeed(folder, &["models", "show", "table", "--registry", "registry"]);
    for text in [&card, &shown] {
        assert!(text.contains("fitted on other accounts") && text.contains("time was not tested"), "{text}");
        for words in ["1970", "Out of time", "later still", "a refit every", "too short", "known before"] {
            assert!(!text.contains(words), "{words}: {text}");
        }
    }
    assert!(card.contains("25 accounts a week, one week's calls out of all tested rows"), "{card}");
    // Seven outcomes: fewer than five are among four fifths at some fold, or too few for logistic regression at each.
    let mut rare = matrix(1, 120).replace(",yes,", ",no,");
    for account in 0..7 {
        let start = rare.find(&format!("\nc{account},")).unwrap();
        let place = start + rare[start..].find(",no,").unwrap();
        rare.replace_range(place..place + 4, ",yes,");
    }
    fs::write(folder.join("rare.csv"), rare).unwrap();
    let rare = ["backtest", "--matrix", "rare.csv", "--target", "churn_90d", "--out", "rare"];
    let output = bellwether(folder, &[&rare[..], &["--learners", "base_rate,logistic"]].concat());
    let said = text(&output.stderr);
    assert!(said.contains("rows of either outcome") && !said.contains("1970"), "{said}");
    assert!(!said.contains("first_test") && !said.contains("history"), "{said}");
    fs::write(folder.join("rarer.csv"), matrix(1, 120).replace(",yes,", ",no,").replacen(",no,", ",yes,", 3)).unwrap();
    let said = fail(folder, &["backtest", "--matrix", "rarer.csv", "--target", "churn_90d", "--out", "rarer"], 3);
    assert!(said.contains("a fit on rows without dates") && said.contains("more accounts of either outcome"), "{said}");
    assert!(!said.contains("1970") && !said.contains("first_test"), "{said}");
}

#[test]
fn the_capacity_is_that_of_a_week_whatever_the_dates() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("m.csv"), matrix(12, 100)).unwrap();
    let roles = ["--matrix", "m.csv", "--target", "churn_90d", "--account", "customer", "--learners", "base_rate"];
    let run = |out: &str, more: &[&str]| {
        succeed(folder, &[&["backtest", "--out", out], &roles[..], more].concat());
        let summary: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join(out).join("backtest.json")).unwrap()).unwrap();
        (summary["calls_per_date"].as_u64().unwrap(), summary["score_every"].as_str().unwrap().to_owned())
    };
    assert_eq!(run("months", &["--as-of", "day", "--accounts-per-week", "10"]), (44, "month".to_owned()));
    assert_eq!(run("undated", &["--accounts-per-week", "10"]), (10, "once".to_owned()));
    let none = ["backtest", "--out", "none", "--accounts-per-week", "0"];
    assert!(fail(folder, &[&none[..], &roles[..]].concat(), 2).contains("--accounts-per-week"));
}

#[test]
fn a_matrix_in_time_trains_a_bundle_that_the_scorer_scores() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("Customer Base.csv"), matrix(12, 250)).unwrap();
    let roles = ["--target", "churn_90d", "--account", "customer", "--as-of", "day", "--weight", "weight"];
    let with = |first: &[&str]| {
        let arguments: Vec<&str> =
            first.iter().copied().chain(roles).chain(["--learners", "logistic,boosting"]).collect();
        succeed(folder, &arguments)
    };
    with(&["backtest", "--matrix", "Customer Base.csv", "--out", "run", "--threads", "1"]);
    let summary = fs::read_to_string(folder.join("run/backtest.json")).unwrap();
    assert!(summary.contains("\"horizon_days\": 90") && !summary.contains("time_not_tested"), "{summary}");
    with(&["backtest", "--matrix", "Customer Base.csv", "--out", "again", "--threads", "2"]);
    let predictions = |run: &str| fs::read(folder.join(run).join("predictions.parquet")).unwrap();
    assert!(predictions("run") == predictions("again"), "any number of threads, the same bytes");
    let path = with(&["train", "--matrix", "Customer Base.csv", "--out", "registry"]);
    assert!(path.trim().ends_with("registry/customer-base/versions/1"), "{path}");

    // Tonight's accounts, under the same names.
    fs::write(folder.join("tonight.csv"), "plan,customer,logins\nbasic,a,1\npro,b,29\nbasic,c,\nother,d,12\n").unwrap();
    succeed(
        folder,
        &[
            "features",
            "--matrix",
            "tonight.csv",
            "--account",
            "customer",
            "--as-of",
            "2026-01-31",
            "--out",
            "f.parquet",
        ],
    );
    let bundle = "registry/customer-base@champion";
    let arguments = ["score", "--bundle", bundle, "--input", "f.parquet", "--out", "out"];
    let done = Command::new(infer_binary()).current_dir(folder).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    let scores = read_parquet(&part(&folder.join("out"), "2026-01-31"));
    assert_eq!(texts(&scores, "account_id"), ["a", "b", "c", "d"].map(|id| Some(id.to_owned())));
    let probability = floats(&scores, "churn_90d_probability");
    assert!(probability[0] > Some(0.3) && probability[1] < Some(0.15), "{probability:?}");

    // A column that has become text since is refused before a row is read.
    fs::write(folder.join("wrong.csv"), "plan,customer,logins\nbasic,a,many\n").unwrap();
    let features =
        ["features", "--matrix", "wrong.csv", "--account", "customer", "--as-of", "2026-01-31", "--out", "w.parquet"];
    succeed(folder, &features);
    let arguments = ["score", "--bundle", bundle, "--input", "w.parquet", "--out", "out"];
    let done = Command::new(infer_binary()).current_dir(folder).args(arguments).output().unwrap();
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert!(said.contains("logins: expected a number") && said.contains("hint"), "{said}");
}

/// The table of [`matrix`] as Parquet: ids as floats as pandas makes them, money as decimals, texts as texts.
fn as_parquet(csv: &str, path: &Path) {
    let rows: Vec<Vec<&str>> = csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let texts =
        |place: usize| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row[place]))) };
    let ids: Vec<f64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    let logins: Vec<Option<i128>> =
        rows.iter().map(|row| row[2].parse::<i128>().ok().map(|logins| 100 * logins)).collect();
    let logins = Decimal128Array::from(logins).with_precision_and_scale(12, 2).unwrap();
    let columns: [(&str, ArrayRef); 5] = [
        ("customer", Arc::new(Float64Array::from(ids))),
        ("day", texts(1)),
        ("logins", Arc::new(logins)),
        ("plan", texts(3)),
        ("churn_90d", texts(4)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_and_csv_give_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Ids that are numbers, and a plan that is not known, in words.
    let csv = matrix(12, 150).replace(",basic,no,", ",NA,no,").replace("\nc", "\n");
    let without_weight: Vec<&str> = csv.lines().map(|line| line.rsplit_once(',').unwrap().0).collect();
    fs::write(folder.join("m.csv"), without_weight.join("\n")).unwrap();
    as_parquet(&csv, &folder.join("m.parquet"));
    for (file, out) in [("m.csv", "csv"), ("m.parquet", "parquet")] {
        let roles = ["--matrix", file, "--target", "churn_90d", "--account", "customer", "--as-of", "day"];
        succeed(folder, &[&["backtest", "--out", out, "--learners", "base_rate,logistic"], &roles[..]].concat());
    }
    let read = |run: &str, file: &str| fs::read(folder.join(run).join(file)).unwrap();
    for file in ["predictions.parquet", "metrics.json", "backtest.json"] {
        assert!(read("csv", file) == read("parquet", file), "{file} differs");
    }
    assert!(!text(&read("csv", "backtest.json")).contains("\"NA\""));
}

#[test]
fn a_column_that_is_no_outcome_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    succeed(folder, &["simulate", "--accounts", "300", "--months", "30", "--seed", "5", "--out", "business"]);
    let business = folder.join("business");
    succeed(&business, &["features", "--from", "2025-01-31", "--to", "2025-06-30", "--out", "f.parquet"]);
    // A matrix has no outcome by itself: `mrr` is none, and is refused as one without the value of any cell.
    let said = fail(
        &business,
        &[
            "backtest",
            "--matrix",
            "f.parquet",
            "--target",
            "mrr",
            "--account",
            "account_id",
            "--as-of",
            "as_of",
            "--out",
            "r",
        ],
        3,
    );
    assert!(said.contains("column `mrr`, row ") && said.contains("expected 0 or 1"), "{said}");
    let said = fail(&business, &["backtest", "--matrix", "f.parquet", "--target", "mrr", "--out", "r"], 2);
    assert!(said.contains("add --account account_id"), "{said}");
}

#[test]
fn mistakes_say_where_what_was_expected_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = matrix(2, 60);
    let cases: [(&str, String, &[&str], i32, &[&str]); 12] = [
        ("nothing.csv", String::new(), &["--target", "churn_90d"], 3, &["an empty file", "the first line names"]),
        ("parted.csv", good.replace(',', ";"), &["--target", "churn_90d"], 3, &["the separator looks like `;`"]),
        ("misspelt.csv", good.clone(), &["--target", "chrun_90d"], 2, &["--target", "did you mean `churn_90d`?"]),
        ("twice.csv", good.clone(), &["--target", "churn_90d", "--account", "churn_90d"], 2, &["--account", "again"]),
        (
            "text.csv",
            good.replacen(",yes,", ",perhaps,", 1),
            &["--target", "churn_90d"],
            3,
            &["column `churn_90d`, row ", "yes or no"],
        ),
        ("short.csv", good.replacen(",basic", "", 1), &["--target", "churn_90d"], 3, &["5 cells in row ", "quotes"]),
        ("one.csv", good.replace(",yes,", ",no,"), &["--target", "churn_90d"], 3, &["0 with and 120 without"]),
        (
            "date.csv",
            good.replacen("2023-01-01", "1.1.2023", 1),
            &["--target", "churn_90d", "--as-of", "day"],
            3,
            &["column `day`, row 1", "a date such as"],
        ),
        (
            "repeated.csv",
            good.replace("c1,", "c0,"),
            &["--target", "churn_90d", "--as-of", "day", "--account", "customer"],
            3,
            &["the account and date of row 1 again", "keep one row"],
        ),
        (
            "weight.csv",
            good.replacen(",1\n", ",-1\n", 1),
            &["--target", "churn_90d", "--weight", "weight"],
            3,
            &["column `weight`, row ", "above 0"],
        ),
        ("matrix.txt", good.clone(), &["--target", "churn_90d"], 2, &["--matrix", ".parquet, .csv or .csv.gz"]),
        ("empty.csv", "a,churn_90d\n".to_owned(), &["--target", "churn_90d"], 3, &["expected rows, found none"]),
    ];
    for (name, content, roles, code, parts) in cases {
        fs::write(folder.join(name), content).unwrap();
        let mut arguments = vec!["backtest", "--out", "run", "--learners", "base_rate", "--matrix", name];
        arguments.extend(roles);
        let said = fail(folder, &arguments, code);
        assert!(said.contains(name) && said.contains("hint"), "{name}: {said}");
        for part in parts {
            assert!(said.contains(part), "{name}: {part}: {said}");
        }
        assert!(!said.contains("perhaps") && !said.contains("1.1.2023"), "no value of a cell: {said}");
        assert!(!folder.join("run").exists(), "{name}: nothing is written");
    }
    // A file that was cut off is no trouble of the disk that goes away by itself.
    // The header of a gzip stream, and nothing after it.
    let cut: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b];
    for (name, content, says) in [
        ("cut.csv.gz", cut, "cut off"),
        ("plain.csv.gz", good.as_bytes(), "is called .csv"),
        ("nothing.csv.gz", &[][..], "cut off"),
    ] {
        fs::write(folder.join(name), content).unwrap();
        let said = fail(folder, &["backtest", "--out", "r", "--target", "churn_90d", "--matrix", name], 3);
        assert!(said.contains(name) && said.contains(says), "{name}: {said}");
    }
    assert!(fail(folder, &["backtest", "--out", "r", "--target", "x"], 2).contains("--matrix"));
    let horizon =
        ["backtest", "--out", "r", "--matrix", "empty.csv", "--target", "x", "--as-of", "d", "--horizon", "90"];
    assert!(fail(folder, &horizon, 2).contains("such as 90d"));
    let missing = ["backtest", "--out", "r", "--matrix", "none.csv", "--target", "x"];
    assert!(fail(folder, &missing, 2).contains("none.csv"));
}

/// Noise as inputs, and an outcome that is the customer's alone: with the rows of a customer on both sides it looks foretold.
fn regulars() -> String {
    let mut csv = String::from("customer,day,noise,churn_90d\n");
    for month in 1..=12_u32 {
        for customer in 0..250_u64 {
            let seed = u64::from(month) * 10_000 + customer;
            let churns = if lot(customer + 3_000_000) < 0.3 { 0.8 } else { 0.05 };
            let churned = u8::from(lot(seed + 900_000_000) < churns);
            writeln!(csv, "cust-{customer},2024-{month:02}-01,{:.3},{churned}", lot(seed)).unwrap();
        }
    }
    csv
}

#[test]
fn rows_that_do_not_say_whose_they_are_teach_no_ids_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("regulars.csv"), regulars()).unwrap();
    let matrix = ["--matrix", "regulars.csv", "--target", "churn_90d", "--learners", "base_rate,logistic"];
    let run = |out: &str, more: &[&str]| bellwether(folder, &[&["backtest", "--out", out], &matrix[..], more].concat());
    let warned = |out: &str| {
        let summary: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join(out).join("backtest.json")).unwrap()).unwrap();
        let codes = summary["warnings"].as_array().unwrap().clone();
        codes.iter().any(|warning| warning["code"] == "accounts_not_given")
    };
    for (out, more) in [("undated", &[][..]), ("dated", &["--as-of", "day"][..])] {
        let output = run(out, more);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains("column `customer` has 250 different texts") && said.contains("--account customer"),
            "{said}"
        );
        assert!(said.contains("[accounts_not_given]") && warned(out), "{said}");
        let page = fs::read_to_string(folder.join(out).join("report.html")).unwrap();
        assert!(page.contains("do not say whose they are"), "{page}");
    }
    let output = run("given", &["--account", "customer", "--as-of", "day"]);
    assert!(output.status.success() && !text(&output.stderr).contains("accounts_not_given") && !warned("given"));

    // A model that was not tested on other accounts, or not in time, takes no place of one that was.
    let train = |name: &str, more: &[&str]| {
        succeed(folder, &[&["train", "--out", "registry", "--name", name], &matrix[..], more].concat());
    };
    let promote = ["models", "--registry", "registry", "promote", "regulars@challenger"];
    train("regulars", &["--account", "customer", "--as-of", "day"]);
    train("regulars", &["--as-of", "day"]);
    assert!(fail(folder, &promote, 6).contains("not tested on other accounts"));
    train("regulars", &["--account", "customer"]);
    assert!(fail(folder, &promote, 6).contains("not tested in time"));
    let card = fs::read_to_string(folder.join("registry/regulars/versions/2/MODEL_CARD.md")).unwrap();
    assert!(card.contains("did not say whose they are") && !card.contains("No account id"), "{card}");
}

#[test]
fn an_input_that_is_the_outcome_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let told = |name: &str, reason: &dyn Fn(bool) -> &'static str| {
        let mut rows = matrix(2, 300).lines().map(str::to_owned).collect::<Vec<_>>();
        for (place, row) in rows.iter_mut().enumerate() {
            let cell = if place == 0 { "cancel_reason" } else { reason(row.contains(",yes,")) };
            row.push(',');
            row.push_str(cell);
        }
        fs::write(folder.join(name), rows.join("\n")).unwrap();
        let arguments = ["backtest", "--matrix", name, "--target", "churn_90d", "--account", "customer", "--learners"];
        let output = bellwether(folder, &[&arguments[..], &["base_rate", "--out", "run"]].concat());
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        said.contains("[input_knows_the_outcome]") && said.contains("cancel_reason")
    };
    assert!(told("number.csv", &|churned| if churned { "1" } else { "0" }));
    assert!(told("filled.csv", &|churned| if churned { "7" } else { "" }));
    assert!(told("level.csv", &|churned| if churned { "price" } else { "none at all" }));
    assert!(!told("harmless.csv", &|_| "4"));
}

#[test]
fn a_number_with_one_bad_cell_is_no_category() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = matrix(2, 60);
    let run = |name: &str, content: &str| {
        fs::write(folder.join(name), content).unwrap();
        fail(folder, &["backtest", "--out", "run", "--target", "churn_90d", "--matrix", name], 3)
    };
    let row = good.lines().nth(7).unwrap();
    let broken = row.splitn(4, ',').enumerate().map(|(place, cell)| if place == 2 { "#DIV/0!" } else { cell });
    let said = run("bad.csv", &good.replacen(row, &broken.collect::<Vec<_>>().join(","), 1));
    assert!(
        said.contains("column `logins`, row 7: expected a number") && said.contains("leave the cell empty"),
        "{said}"
    );
    assert!(!said.contains("DIV"), "no value of a cell: {said}");
    let commas: Vec<String> = good
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let logins =
                if cells[2].parse::<f64>().is_ok() { format!("\"{},5\"", cells[2]) } else { cells[2].to_owned() };
            [cells[0], cells[1], &logins, cells[3], cells[4], cells[5]].join(",")
        })
        .collect();
    let said = run("commas.csv", &commas.join("\n"));
    assert!(said.contains("a comma before the decimals") && said.contains("3.5 and not 3,5"), "{said}");
    let heavy = good.replacen(",1\n", ",1e30\n", 1);
    fs::write(folder.join("heavy.csv"), heavy).unwrap();
    let weighted = ["backtest", "--out", "run", "--target", "churn_90d", "--matrix", "heavy.csv", "--weight", "weight"];
    assert!(fail(folder, &weighted, 3).contains("more than all other rows together"));
}
