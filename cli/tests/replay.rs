//! Replay through the command: what becomes known later changes no feature of an earlier date, no label as known then, and
//! no backtest or model made with `--known-as-of`.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;

use common::{bellwether, files, read_parquet, succeed, text};

const DAY: i64 = 86_400_000_000;
/// 2025-07-01.
const KNOWN_FROM: i64 = 1_751_328_000_000_000;

fn simulated(accounts: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", accounts, "--months", "24", "--seed", "5", "--out", "business"]);
    let business = folder.path().join("business");
    let path = business.join("bellwether.toml");
    let toml = fs::read_to_string(&path).unwrap().replace("subscriptions.parquet", "subscriptions*.parquet");
    fs::write(&path, toml.replace("nps.parquet", "nps*.parquet")).unwrap();
    (folder, business)
}

fn texts(values: &[String]) -> ArrayRef {
    Arc::new(values.iter().map(|value| Some(value.as_str())).collect::<StringArray>())
}

fn times(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_timezone("UTC"))
}

fn numbers(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Account and effective time of every subscription row that happened before `end`.
fn subscriptions(business: &Path, end: i64) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    for batch in read_parquet(&business.join("data/subscriptions.parquet")) {
        let ids = batch.column_by_name("account_id").unwrap().as_string::<i32>();
        let times = batch.column_by_name("effective_at").unwrap().as_primitive::<TimestampMicrosecondType>();
        found.extend((0..batch.num_rows()).map(|row| (ids.value(row).to_owned(), times.value(row))));
    }
    found.retain(|(_, at)| *at < end);
    found
}

/// Every subscription is restated (ended ones were never, the others are), uses of long ago and answers are added; all of it
/// known from `KNOWN_FROM` on.
fn backfill(business: &Path) {
    let rows = subscriptions(business, KNOWN_FROM);
    let ids: Vec<String> = rows.iter().map(|(id, _)| id.clone()).collect();
    let at: Vec<i64> = rows.iter().map(|(_, at)| *at).collect();
    let known = || times(&vec![KNOWN_FROM; rows.len()]);
    let mrr: Vec<f64> = (0..rows.len()).map(|row| if row % 3 == 0 { 0.0 } else { 5_000.0 }).collect();
    let data = business.join("data");
    write(
        &data.join("subscriptions-restated.parquet"),
        vec![("account_id", texts(&ids)), ("effective_at", times(&at)), ("mrr", numbers(&mrr)), ("known_at", known())],
    );
    let years_ago: Vec<i64> = at.iter().map(|at| at - 1_500 * DAY).collect();
    let features = vec!["dashboard".to_owned(); rows.len()];
    write(
        &data.join("usage").join("0-old.parquet"),
        vec![
            ("account_id", texts(&ids)),
            ("user_id", texts(&ids)),
            ("feature", texts(&features)),
            ("at", times(&years_ago)),
            ("known_at", known()),
        ],
    );
    write(
        &data.join("nps-late.parquet"),
        vec![
            ("account_id", texts(&ids)),
            ("respondent_id", texts(&ids)),
            ("at", times(&at)),
            ("score", numbers(&vec![0.0; rows.len()])),
            ("known_at", known()),
        ],
    );
}

#[test]
fn a_backfill_changes_no_feature_of_an_earlier_date() {
    let (_folder, business) = simulated("300");
    let make = |out: &str| {
        succeed(&business, &["features", "--as-of", "2025-07-01", "--out", &format!("{out}-one.parquet")]);
        let several = format!("{out}-many.parquet");
        let range = ["--from", "2025-01-31", "--to", "2025-06-30", "--every", "month"];
        succeed(&business, &[&["features", "--out", several.as_str()][..], &range[..]].concat());
        ["one", "many"].map(|kind| fs::read(business.join(format!("{out}-{kind}.parquet"))).unwrap())
    };
    let before = make("before");
    backfill(&business);
    assert!(make("after") == before);
    let tomorrow = || {
        succeed(&business, &["features", "--as-of", "2025-07-02", "--out", "next.parquet"]);
        fs::read(business.join("next.parquet")).unwrap()
    };
    let known = tomorrow();
    fs::remove_file(business.join("data/nps-late.parquet")).unwrap();
    assert!(tomorrow() != known, "the day after, it counts");
}

/// Everything below a run folder.
fn run(business: &Path, out: &str, known_as_of: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let arguments = ["backtest", "--out", out, "--learners", "base_rate,logistic"];
    succeed(business, &[&arguments[..], known_as_of].concat());
    files(&business.join(out))
}

#[test]
fn labels_as_known_then_survive_any_later_correction() {
    let (_folder, business) = simulated("300");
    let path = business.join("bellwether.toml");
    // Tests end well before the date as of which labels are known.
    let toml = fs::read_to_string(&path).unwrap();
    let line = toml.lines().find(|line| line.starts_with("first_test")).unwrap().to_owned();
    fs::write(&path, toml.replace(&line, "first_test = \"2024-11-30\"")).unwrap();

    let then = ["--known-as-of", "2025-07-01"];
    let before = run(&business, "before", &then);
    let everything = run(&business, "everything", &[]);
    assert!(before != everything, "labels of later months are known by now");
    let train = |name: &str| {
        succeed(&business, &["train", "--out", name, "--learners", "logistic", "--known-as-of", "2025-07-01"]);
        let version = business.join(name).join("simulated/versions/1");
        files(&version)
            .into_iter()
            .filter(|(path, _)| !path.starts_with("bundle.json") && !path.starts_with("bundle.sha256"))
            .collect::<Vec<_>>()
    };
    let model = train("registry-before");
    assert!(model.iter().any(|(path, _)| path.ends_with("churn_90d.onnx")));

    backfill(&business);
    assert!(run(&business, "after", &then) == before, "the run is the same bytes");
    assert!(train("registry-after") == model, "and so is the model");
    assert!(run(&business, "corrected", &[]) != everything, "without the date, corrections count");
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let (_folder, business) = simulated("120");
    let checked = succeed(&business, &["check"]);
    let marked: Vec<&str> = checked.lines().filter(|line| line.contains("not replayable")).collect();
    assert_eq!(marked.len(), 1, "{checked}");
    assert!(marked[0].contains("accounts"), "{checked}");
    let output = bellwether(&business, &["features", "--as-of", "2025-07-01", "--out", "f.parquet"]);
    let named = "not replayable, having neither known_at nor known_after: accounts";
    assert!(text(&output.stderr).contains(named), "{}", text(&output.stderr));
    let output = bellwether(&business, &["backtest", "--out", "run", "--learners", "base_rate"]);
    assert!(text(&output.stderr).contains(named), "{}", text(&output.stderr));
    // A declared delay is a knowledge time.
    let path = business.join("bellwether.toml");
    let toml = fs::read_to_string(&path).unwrap();
    fs::write(&path, toml.replacen("[tables.accounts]\n", "[tables.accounts]\nknown_after = \"1d\"\n", 1)).unwrap();
    assert!(!succeed(&business, &["check"]).contains("not replayable"));
}

/// (as_of day, account) and the bits of every column, sorted as in the file.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for batch in read_parquet(path) {
        let columns: Vec<Box<dyn Fn(usize) -> String>> = batch.columns().iter().map(cell).collect();
        found.extend((0..batch.num_rows()).map(|row| columns.iter().map(|cell| cell(row)).collect::<Vec<_>>()));
    }
    found
}

/// The cells of a column as text that keeps every bit.
fn cell(column: &ArrayRef) -> Box<dyn Fn(usize) -> String> {
    let column = Arc::clone(column);
    Box::new(move |row| {
        if column.is_null(row) {
            String::new()
        } else if let Some(values) = column.as_primitive_opt::<Float32Type>() {
            values.value(row).to_bits().to_string()
        } else if let Some(values) = column.as_string_opt::<i32>() {
            values.value(row).to_owned()
        } else {
            format!("{:?}", column.slice(row, 1))
        }
    })
}

/// More accounts than the engine computes in one block, uses of which 3 % land late.
#[test]
fn forty_weeks_in_one_run_are_forty_runs() {
    let (_folder, business) = simulated("700");
    let make = |out: &str, threads: &str, dates: &[&str]| {
        succeed(&business, &[&["features", "--out", out, "--threads", threads][..], dates].concat());
        business.join(out)
    };
    let all = ["--from", "2025-03-05", "--to", "2025-12-03", "--every", "week"];
    let together = make("one.parquet", "1", &all);
    for threads in ["2", "4"] {
        let again = make("again.parquet", threads, &all);
        assert!(fs::read(&again).unwrap() == fs::read(&together).unwrap(), "{threads} threads");
    }
    let mut alone = Vec::new();
    for week in 0..40 {
        let date = chrono::NaiveDate::from_ymd_opt(2025, 3, 5).unwrap() + chrono::Days::new(7 * week);
        let threads = ["1", "2", "4"][usize::try_from(week % 3).unwrap()];
        alone.extend(rows(&make("single.parquet", threads, &["--as-of", &date.to_string()])));
    }
    let together = rows(&together);
    assert_eq!(together.len(), alone.len());
    assert!(together.len() > 10_000 && together == alone);
}

/// A business in CSV whose tables all have knowledge times. Nobody has filled in segments, plans and users; `zz` and `yy` are
/// not in the accounts table, and `header.csv` has a column but no row.
fn by_hand() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let business = folder.path().to_owned();
    let put = |name: &str, text: String| fs::write(business.join(name), text).unwrap();
    let mut toml = "config_version = 1\n".to_owned();
    for table in ["accounts", "usage", "subscriptions", "tickets"] {
        toml.push_str(&format!("[tables.{table}]\npath = \"{table}*.csv\"\nerror_if_pct = 100\n"));
    }
    put("bellwether.toml", toml);
    let ids: Vec<String> = (0..24).map(|id| format!("a{id:02}")).chain(["yy".to_owned(), "zz".to_owned()]).collect();
    let mut tables = [
        "account_id,signed_up_at,segment,known_at\n".to_owned(),
        "account_id,user_id,feature,at,quantity,known_at\n".to_owned(),
        "account_id,effective_at,mrr,plan,known_at\n".to_owned(),
        "ticket_id,account_id,opened_at,category,severity,known_at\n".to_owned(),
    ];
    for (place, id) in ids.iter().enumerate() {
        if id.starts_with('a') {
            tables[0].push_str(&format!("{id},2024-01-01,,2024-01-01\n"));
        }
        for month in 1..7 {
            let day = format!("2025-0{month}-{:02}", 1 + place);
            tables[1].push_str(&format!("{id},,board,{day},{},{day}\n", place + 1));
        }
        tables[2].push_str(&format!("{id},2024-01-01,{},,2024-01-01\n", 100 + place));
        tables[3].push_str(&format!("t{place},{id},2025-06-15,how,low,2025-06-15\n"));
    }
    for (name, text) in ["accounts", "usage", "subscriptions", "tickets"].iter().zip(tables) {
        put(&format!("{name}.csv"), text);
    }
    put("accounts-header.csv", "account_id,industry,known_at\n".to_owned());
    (folder, business)
}

/// The bytes of the feature file, and what the check of its date says.
fn of_july(business: &Path) -> (Vec<u8>, serde_json::Value) {
    succeed(business, &["features", "--as-of", "2025-07-01", "--out", "f.parquet"]);
    let checked = succeed(business, &["check", "--as-of", "2025-07-01", "--format", "json"]);
    let mut checked: serde_json::Value = serde_json::from_str(&checked).unwrap();
    for table in checked["tables"].as_array_mut().unwrap() {
        // There are more files now.
        table.as_object_mut().unwrap().remove("files");
    }
    (fs::read(business.join("f.parquet")).unwrap(), checked)
}

/// Signals follow from the columns of the files, not from what is in them.
#[test]
fn the_first_value_of_a_column_changes_nothing_earlier() {
    let (_folder, business) = by_hand();
    let before = of_july(&business);
    let rows = read_parquet(&business.join("f.parquet"));
    let empty = ["segment", "industry", "plan", "usage_quantity_per_mrr_plan_percentile_28d"];
    for name in empty {
        let column = rows[0].column_by_name(name).unwrap_or_else(|| panic!("{name} is there"));
        assert_eq!(column.null_count(), 24, "{name}: known of nobody");
    }
    let known = "2025-07-01T00:00:00Z";
    let backfills = [
        ("accounts-header.csv", format!("account_id,industry,known_at\na01,Steel,{known}\n")),
        ("accounts-late.csv", format!("account_id,signed_up_at,segment,known_at\na00,2024-01-01,large,{known}\n")),
        (
            "usage-late.csv",
            format!("account_id,user_id,feature,at,quantity,known_at\na00,ann,board,2025-06-02,1,{known}\n"),
        ),
        (
            "subscriptions-late.csv",
            format!("account_id,effective_at,mrr,plan,known_at\na00,2024-01-01,100,pro,{known}\n"),
        ),
    ];
    for (name, text) in backfills {
        fs::write(business.join(name), text).unwrap();
        assert!(of_july(&business) == before, "{name}");
    }
    succeed(&business, &["features", "--as-of", "2025-07-02", "--out", "next.parquet"]);
    let next = read_parquet(&business.join("next.parquet"));
    assert!(
        ["segment", "industry", "plan"].iter().all(|name| { next[0].column_by_name(name).unwrap().null_count() == 23 })
    );
}

/// An account that is entered later was not known before, and neither were its facts.
#[test]
fn an_account_that_is_entered_later_changes_nothing_earlier() {
    let (_folder, business) = by_hand();
    let before = of_july(&business);
    let unknown = |checked: &serde_json::Value, table: &str| {
        let tables = checked["tables"].as_array().unwrap();
        tables.iter().find(|found| found["table"] == table).unwrap()["left_out"].as_u64().unwrap()
    };
    assert_eq!(["usage", "subscriptions", "tickets"].map(|table| unknown(&before.1, table)), [12, 2, 2]);
    let backfill = "account_id,signed_up_at,segment,known_at\nzz,2023-01-01,large,2025-07-01T00:00:00Z\n";
    fs::write(business.join("accounts-late.csv"), backfill).unwrap();
    let after = of_july(&business);
    assert!(after.0 == before.0, "the feature file is the same bytes");
    assert_eq!(after.1, before.1, "and what was set aside is the same");

    succeed(&business, &["features", "--as-of", "2025-07-02", "--out", "next.parquet"]);
    let next = common::texts(&read_parquet(&business.join("next.parquet")), "account_id");
    assert_eq!((next.len(), next.last().unwrap().as_deref()), (25, Some("zz")), "the day after, it is there");
    let checked = succeed(&business, &["check", "--as-of", "2025-07-02", "--format", "json"]);
    assert_eq!(unknown(&serde_json::from_str(&checked).unwrap(), "usage"), 6, "and its facts count");
    // Of both dates in one file the earlier one still knows nothing of it.
    succeed(
        &business,
        &["features", "--from", "2025-07-01", "--to", "2025-07-02", "--every", "day", "--out", "both.parquet"],
    );
    assert_eq!(common::texts(&read_parquet(&business.join("both.parquet")), "account_id").len(), 24 + 25);
}

/// Columns of which nothing is known are harmless to every learner and to the scorer.
#[test]
fn nothing_breaks_on_columns_without_a_value() {
    let (_folder, business) = simulated("200");
    for (file, names) in
        [("accounts", vec!["industry", "region"]), ("subscriptions", vec!["seats", "discount", "usage_limit"])]
    {
        let path = business.join(format!("data/{file}.parquet"));
        let batches = read_parquet(&path);
        let emptied = |batch: &RecordBatch| {
            let schema = batch.schema();
            let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
                let is_emptied = names.contains(&field.name().as_str());
                let none = || arrow_array::new_null_array(field.data_type(), batch.num_rows());
                (field.name().clone(), if is_emptied { none() } else { Arc::clone(column) }, true)
            });
            RecordBatch::try_from_iter_with_nullable(columns).unwrap()
        };
        let batches: Vec<RecordBatch> = batches.iter().map(emptied).collect();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batches[0].schema(), None).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
        let _ = fs::remove_file(business.join(format!("data/{file}.parquet.sha256")));
    }
    succeed(&business, &["check"]);
    succeed(&business, &["train", "--out", "registry", "--learners", "all"]);
    succeed(&business, &["score", "--as-of", "2025-12-31", "--bundle", "registry/simulated@champion", "--out", "out"]);
    let features = read_parquet(&business.join("out/features/as_of=2025-12-31/features.parquet"));
    for name in ["industry", "region", "commercial_seats", "usage_limit_share_28d"] {
        let column = features[0].column_by_name(name).unwrap_or_else(|| panic!("{name} is there"));
        assert_eq!(column.null_count(), features[0].num_rows(), "{name}");
    }
    assert!(common::part(&business.join("out"), "2025-12-31").is_file());
}
