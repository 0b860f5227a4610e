//! The main job, as a newcomer runs it, on a smaller business.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, Date32Array, Float32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use common::{bellwether, files, floats, infer_binary, part, read_parquet, succeed, text, texts};

/// Large enough for boosting to be chosen and to find the four stories of each half of the worked pair.
const SMALL: [&str; 7] = ["demo", "--accounts", "800", "--months", "24", "--dir", "demo"];

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
    the_worked_pair_is_told(&demo);
    the_steadiness_of_reasons_is_on_record(&demo);
}

/// How far two refits in a row agree on the reasons is in the run, the report and the card.
fn the_steadiness_of_reasons_is_on_record(demo: &Path) {
    let read = |file: &str| std::fs::read_to_string(demo.join(file)).unwrap();
    let run: serde_json::Value = serde_json::from_str(&read("runs/demo/backtest.json")).unwrap();
    let targets = run["insights"]["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 2);
    for target in targets {
        let found = &target["reason_stability"];
        assert!(found["earlier"].as_str().unwrap() < found["later"].as_str().unwrap(), "{found}");
        let accounts = found["accounts"].as_u64().unwrap();
        assert!((100..=2_000).contains(&accounts), "{found}");
        let shares: Vec<f64> =
            found["in_common"].as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).collect();
        assert_eq!(shares.len(), 4, "{found}");
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{found}");
        let jaccard = found["mean_jaccard"].as_f64().unwrap();
        // Two refits a quarter apart learn from mostly the same rows: they are not strangers.
        assert!(jaccard > 0.2 && jaccard <= 1.0, "{found}");
    }
    assert!(read("registry/simulated/versions/1/MODEL_CARD.md").contains("### Reasons from refit to refit"));
    assert!(read("runs/demo/report.html").contains("<p>From refit to refit: of "));
}

/// Use fell by 30 %, the last NPS answer is a 6, two tickets are open, the last invoice was 15 days late.
const LEAVING: [(&str, f32); 36] = [
    ("usage_events_change_7d", -0.3),
    ("usage_events_change_28d", -0.3),
    ("usage_events_change_90d", -0.3),
    ("usage_events_change_year_ago_28d", -0.3),
    ("usage_quantity_change_28d", -0.3),
    ("usage_quantity_change_year_ago_28d", -0.3),
    ("usage_active_days_change_28d", -0.3),
    ("usage_active_days_change_year_ago_28d", -0.3),
    ("usage_daily_mean_change_30d", -0.3),
    ("usage_value_moment_change_28d", -0.3),
    ("usage_slope_13w", -0.03),
    ("usage_acceleration_13w", -0.01),
    ("usage_spike_7d", 0.7),
    ("usage_busy_days_28d", 0.0),
    ("nps_latest_score", 6.0),
    ("nps_mean_365d", 6.0),
    ("nps_change", -2.0),
    ("nps_net_365d", -30.0),
    ("nps_sponsor_score", 6.0),
    ("nps_days_since_answer", 20.0),
    ("support_tickets_28d", 2.0),
    ("support_tickets_90d", 2.0),
    ("support_tickets_per_user_28d", 0.33),
    ("support_tickets_per_user_90d", 0.29),
    ("support_open_tickets", 2.0),
    ("support_complaint_share_90d", 1.0),
    ("support_repeat_category_share_90d", 0.5),
    ("support_severe_tickets_90d", 1.0),
    ("payments_days_late_last", 15.0),
    ("payments_days_late_max_365d", 15.0),
    ("payments_days_late_mean_365d", 1.5),
    ("payments_late_share_365d", 0.17),
    ("payments_days_late_trend_365d", 1.0),
    ("payments_days_sales_outstanding_365d", 2.0),
    ("payments_first_time_late", 0.0),
    ("usage_quiet_days_28d", 1.0),
];

/// Use rose by 50 %, the last NPS answer is a 9, advanced features are in use, and so is 92 % of what the plan includes.
const GROWING: [(&str, f32); 28] = [
    ("usage_events_change_7d", 0.5),
    ("usage_events_change_28d", 0.5),
    ("usage_events_change_90d", 0.5),
    ("usage_events_change_year_ago_28d", 0.5),
    ("usage_quantity_change_28d", 0.5),
    ("usage_quantity_change_year_ago_28d", 0.5),
    ("usage_active_days_change_28d", 0.25),
    ("usage_active_days_change_year_ago_28d", 0.25),
    ("usage_daily_mean_change_30d", 0.5),
    ("usage_value_moment_change_28d", 0.5),
    ("usage_slope_13w", 0.04),
    ("usage_acceleration_13w", 0.01),
    ("usage_spike_7d", 1.5),
    ("usage_busy_days_28d", 4.0),
    ("usage_limit_share_28d", 0.92),
    ("usage_days_to_limit", 14.0),
    ("nps_latest_score", 9.0),
    ("nps_mean_365d", 9.0),
    ("nps_change", 1.0),
    ("nps_net_365d", 50.0),
    ("nps_sponsor_score", 9.0),
    ("nps_days_since_answer", 20.0),
    ("adoption_advanced_features_90d", 4.0),
    ("adoption_catalogue_share_90d", 0.9),
    ("adoption_features_change_28d", 3.0),
    ("adoption_features_new_28d", 4.0),
    ("adoption_features_dropped_28d", 1.0),
    ("adoption_integrations_90d", 2.0),
];

/// Counts of use, which rise and fall with the changes.
const COUNTS: [&str; 10] = [
    "usage_events_7d",
    "usage_events_28d",
    "usage_quantity_7d",
    "usage_quantity_28d",
    "usage_active_days_28d",
    "usage_events_per_seat_28d",
    "usage_quantity_per_seat_28d",
    "usage_quantity_per_mrr_28d",
    "usage_value_moment_events_28d",
    "usage_limit_share_28d",
];

/// Two accounts that are typical in all but what the stories say get these stories as reasons, from the trained bundle and
/// through the scorer that runs at night.
fn the_worked_pair_is_told(demo: &Path) {
    let bundle = demo.join("registry/simulated/versions/1");
    let cards: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(bundle.join("signals.json")).unwrap()).unwrap();
    let typical = |name: &str| -> Option<f32> {
        let card = cards.as_array().unwrap().iter().find(|card| card["name"] == name)?;
        card["typical"].as_f64().map(|value| value as f32)
    };
    let features = read_parquet(&demo.join("features.parquet"));
    let schema = features[0].schema();
    for (name, _) in LEAVING.iter().chain(&GROWING) {
        assert!(schema.index_of(name).is_ok(), "{name} is no signal");
    }
    let columns: Vec<ArrayRef> =
        schema.fields().iter().map(|field| pair_column(field.name(), &features, &typical)).collect();
    let pair = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let file = std::fs::File::create(demo.join("pair.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
    writer.write(&pair).unwrap();
    writer.close().unwrap();
    let output = Command::new(infer_binary())
        .current_dir(demo)
        .args(["score", "--bundle", "registry/simulated/versions/1", "--input", "pair.parquet", "--out", "pair"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let scores = read_parquet(&part(&demo.join("pair"), "2026-01-31"));
    assert_eq!(texts(&scores, "account_id"), [Some("growing".to_owned()), Some("leaving".to_owned())]);
    let told = |target: &str, row: usize| -> Vec<(String, String, f64)> {
        let column = |rank: usize| format!("{target}_reason_{rank}");
        let reason = |rank: usize| {
            let id = texts(&scores, &column(rank))[row].clone()?;
            let text = texts(&scores, &format!("{}_text", column(rank)))[row].clone()?;
            Some((id, text, floats(&scores, &format!("{}_effect", column(rank)))[row]?))
        };
        (1..=5).filter_map(reason).collect()
    };
    let leaving = told("churn_90d", 1);
    assert_told(&leaving, "usage.", &["fell 30 %", "is falling"]);
    assert_told(&leaving, "nps.", &[" 6"]);
    assert_told(&leaving, "support.", &["open tickets: 2", "tickets of the last 90 days: 100 %", "days: 2"]);
    assert_told(&leaving, "payments.", &["15 days late"]);
    let growing = told("expansion_60d", 0);
    assert_told(&growing, "usage.", &["rose 50 %", "is rising"]);
    assert_told(&growing, "nps.", &[" 9"]);
    assert_told(&growing, "adoption.", &["advanced features used in the last 90 days: 4"]);
    assert_told(&growing, "usage.limit", &["92 %"]);
    for (_, text, _) in leaving.iter().chain(&growing) {
        assert!(!text.contains("cause") && !text.contains("because"), "{text}");
    }
}

/// One of the five reasons is of this family and says one of these things.
fn assert_told(reasons: &[(String, String, f64)], family: &str, says: &[&str]) {
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    let said = |text: &str| says.iter().any(|words| text.contains(words));
    let found = reasons.iter().any(|(id, text, _)| id.starts_with(family) && said(text));
    assert!(found, "expected a reason of {family} that says one of {says:?}, found {reasons:#?}");
}

/// A column of the two rows: the first grows, the second leaves.
fn pair_column(name: &str, features: &[RecordBatch], typical: &dyn Fn(&str) -> Option<f32>) -> ArrayRef {
    match name {
        "account_id" => return Arc::new(StringArray::from(vec!["growing", "leaving"])),
        "as_of" => {
            let dates = features[0].column_by_name("as_of").unwrap().as_any().downcast_ref::<Date32Array>().unwrap();
            return Arc::new(Date32Array::from(vec![dates.value(0); 2]));
        }
        "usage_direction" => return Arc::new(StringArray::from(vec!["rising", "falling"])),
        _ => {}
    }
    if features[0].column_by_name(name).unwrap().as_string_opt::<i32>().is_some() {
        let known = texts(features, name);
        let count = |wanted: &Option<String>| known.iter().filter(|one| *one == wanted).count();
        let most = known.iter().max_by_key(|one| (count(one), (*one).clone())).unwrap().clone();
        return Arc::new(StringArray::from(vec![most.clone(), most]));
    }
    let known: Vec<Option<f32>> = features
        .iter()
        .flat_map(|batch| batch.column_by_name(name).unwrap().as_primitive::<Float32Type>().iter())
        .collect();
    // What most accounts do not have, the typical account does not have.
    let mostly_null = known.iter().filter(|value| value.is_none()).count() * 2 > known.len();
    let usual = if mostly_null { None } else { typical(name) };
    let value = |story: &[(&str, f32)], factor: f32| {
        let told = story.iter().find(|one| one.0 == name).map(|one| one.1);
        told.or_else(|| usual.map(|usual| if COUNTS.contains(&name) { usual * factor } else { usual }))
    };
    Arc::new(Float32Array::from(vec![value(&GROWING, 1.5), value(&LEAVING, 0.7)]))
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
