//! What is published, and that nothing but the rows decides it.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Float64Array, Int16Array, Int64Array};
use bellwether_infer::observe::{Observer, Silent, Stop};
use bellwether_infer::score::{self, ReasonChoice, ScoreRequest};
use bellwether_infer::{InferError, sha256_of_file};
use bellwether_models::{Bundle, scores};

use crate::fixture::{Base, TARGETS, World, numbers, read_json, read_parquet, texts, write_digest, write_parquet};

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_scores_are_those_of_the_scorer_and_every_account_is_accounted_for() {
    let base = Base::random(2_500, 1);
    let world = World::new(&base);
    let summary = world.score().unwrap();
    let batch = read_parquet(&world.part());
    assert_eq!(batch.schema().fields(), scores::schema(&TARGETS).fields());
    assert_eq!(texts(&batch, "account_id"), base.ids);
    let bundle = Bundle::load(&world.bundle).unwrap();
    let expected = bundle.scorer().unwrap().score(&base.block()).unwrap();
    for (target, expected) in TARGETS.into_iter().zip(expected) {
        let expected = expected.probability;
        let found = numbers(&batch, &format!("{target}_probability"));
        for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
            let stale = base.days_since_last[row] > 60.0;
            assert_eq!(*found, (!stale).then_some(expected), "{target}, row {row}");
        }
    }
    let stale = base.days_since_last.iter().filter(|days| **days > 60.0).count() as u64;
    assert!(stale > 0);
    let counts = summary.counts;
    assert_eq!((counts.scored, counts.partial, counts.not_scored), (2_500 - stale, 0, stale));
    assert_eq!((counts.given, counts.quarantined, counts.ineligible), (2_512, 2, 10));
    let reasons = texts(&batch, "status_reason");
    assert_eq!(reasons.iter().filter(|reason| reason.as_deref() == Some("STALE_USAGE")).count() as u64, stale);
    assert!(texts(&batch, "model").iter().all(|model| model.as_deref() == Some(bundle.identity().as_str())));
}

#[test]
fn a_published_run_is_complete_and_described() {
    let world = World::new(&Base::random(50, 2));
    std::fs::remove_file(bellwether_staging::digest::beside(&world.input)).unwrap();
    let summary = world.score().unwrap();
    assert_eq!(names_in(&summary.scores), BTreeSet::from(["_SUCCESS".to_owned(), "part-00000.parquet".to_owned()]));
    assert_eq!(std::fs::metadata(summary.scores.join("_SUCCESS")).unwrap().len(), 0);
    let expected = [".bellwether.lock", "latest.json", "runs", "scores"].map(str::to_owned);
    assert_eq!(names_in(&world.out), BTreeSet::from(expected));
    let manifest = read_json(&summary.run.join("manifest.json"));
    assert_eq!(manifest["outputs"][0]["sha256"], sha256_of_file(&world.part()).unwrap());
    assert_eq!(manifest["outputs"][0]["rows"], 50);
    assert_eq!(manifest["inputs"][0]["sha256"], sha256_of_file(&world.input).unwrap());
    assert_eq!(manifest["counts"]["given"], 62);
    assert_eq!(manifest["exit_code"], 0);
    assert_eq!(manifest["table_ages_hours"]["usage"], 12.5);
    assert_eq!(manifest["model"]["version"], 3);
    assert_eq!(manifest["drift"].as_array().unwrap().len(), 5 + 2);
    let results = read_json(&summary.run.join("run_results.json"));
    assert_eq!(results["warnings"][0]["code"], "bellwether::infer::no_digest");
    let latest = read_json(&world.out.join("latest.json"));
    assert_eq!(latest["scores"], "scores/v1/as_of=2026-01-31");
    assert!(world.out.join(latest["manifest"].as_str().unwrap()).exists());
}

#[test]
fn the_page_of_a_run_shows_it_without_an_account_or_a_network() {
    let base = Base::random(500, 22);
    let mut metadata = base.metadata();
    metadata["missing_tables"] = serde_json::json!(["<script>alert('tickets')</script>"]);
    let world = World::with_columns(&base.columns(), Some(&metadata));
    let summary = world.score().unwrap();
    assert!(summary.text().contains("report.html"));
    let page = std::fs::read_to_string(summary.run.join("report.html")).unwrap();
    for expected in [
        summary.run_id.as_str(),
        summary.model.as_str(),
        "<h2>churn_90d</h2>",
        "<h2>expansion_60d</h2>",
        "<td>highest</td>",
        "<td>hostage</td>",
        "STALE_USAGE",
        "Population stability index",
        "<td>usage_days_since_last</td>",
        "<td>scoring</td>",
        "&lt;script&gt;alert(&#39;tickets&#39;)",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    for banned in ["<script", "http:", "https:", "src=", "url(", "@import", "account-0"] {
        assert!(!page.contains(banned), "{banned} is in {page}");
    }
    // The figures are those of the scores.
    let scores = read_parquet(&world.part());
    let mut churn: Vec<f64> = numbers(&scores, "churn_90d_probability").into_iter().flatten().collect();
    churn.sort_by(f64::total_cmp);
    let median = churn[churn.len().div_ceil(2) - 1];
    assert!(page.contains(&format!("<td>50 %</td><td>{:.2} %</td>", 100.0 * median)), "median {median}");
    let high = texts(&scores, "churn_90d_band").iter().filter(|band| band.as_deref() == Some("high")).count();
    assert!(page.contains(&format!("<td>high</td><td>{high}</td>")), "{high} high");
    // Drift, largest first.
    let manifest = read_json(&summary.run.join("manifest.json"));
    let drift = manifest["drift"].as_array().unwrap();
    let index = |record: &serde_json::Value| record["population_stability_index"].as_f64().unwrap();
    let largest = drift.iter().max_by(|one, other| index(one).total_cmp(&index(other))).unwrap();
    let (_, table) = page.split_once("Population stability index").unwrap();
    let (_, first) = table.split_once("<tbody>").unwrap();
    assert!(first.trim_start().starts_with(&format!("<tr><td>{}</td>", largest["name"].as_str().unwrap())), "{first}");
}

#[test]
fn threads_and_batches_change_no_byte() {
    let world = World::new(&Base::random(2_100, 3));
    let mut expected = None;
    for (threads, batch_rows) in [(1, 8_192), (2, 1), (2, 7), (4, 65_536), (16, 100)] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let batch_rows = NonZeroUsize::new(batch_rows).unwrap();
        score::run(&ScoreRequest { threads, batch_rows, ..world.request() }, &Silent).unwrap();
        let digest = sha256_of_file(&world.part()).unwrap();
        assert_eq!(&digest, expected.get_or_insert_with(|| digest.clone()), "{threads} threads, {batch_rows} rows");
    }
}

#[test]
fn order_and_types_of_columns_and_order_of_rows_change_no_byte() {
    let base = Base::random(500, 4);
    let whole = |values: &[f32]| -> Vec<Option<i64>> {
        values.iter().map(|value| (!value.is_nan()).then_some(*value as i64)).collect()
    };
    let narrow: Vec<Option<i16>> = whole(&base.events).iter().map(|value| value.map(|value| value as i16)).collect();
    let wide: Vec<Option<f64>> = base.nps.iter().map(|value| Some(f64::from(*value))).collect();
    let plans: DictionaryArray<Int32Type> = base.plan.iter().map(Option::as_deref).collect();
    let mut columns = base.columns();
    columns[2].1 = Arc::new(Int64Array::from(whole(&base.mrr)));
    columns[3].1 = Arc::new(plans);
    columns[4].1 = Arc::new(Int16Array::from(narrow));
    columns[6].1 = Arc::new(Float64Array::from(wide));
    columns.reverse();
    columns.push(("nobody_asked", Arc::new(Int64Array::from(vec![1; 500])) as ArrayRef));
    let plain = World::new(&base);
    plain.score().unwrap();
    let expected = sha256_of_file(&plain.part()).unwrap();

    write_parquet(&plain.input, &columns, Some(&base.metadata()));
    write_digest(&plain.input);
    let summary = plain.score().unwrap();
    assert_eq!(sha256_of_file(&plain.part()).unwrap(), expected);
    let codes: Vec<&str> = summary.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert!(codes.contains(&"bellwether::infer::extra_columns"), "{codes:?}");

    let mixed: Vec<usize> = (0..500).map(|row| (row * 77) % 500).collect();
    write_parquet(&plain.input, &base.take(&mixed).columns(), Some(&base.metadata()));
    write_digest(&plain.input);
    let summary = plain.score().unwrap();
    assert_eq!(sha256_of_file(&plain.part()).unwrap(), expected);
    assert!(summary.warnings.iter().any(|warning| warning.code == "bellwether::infer::unsorted"));
}

#[test]
fn a_second_run_replaces_its_partition_and_no_other() {
    let base = Base::random(300, 5);
    let world = World::new(&base);
    let other = world.out.join("scores/v1/as_of=2025-12-31");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("part-00000.parquet"), b"old").unwrap();
    let first = world.score().unwrap();
    let fewer = base.take(&(0..100).collect::<Vec<_>>());
    write_parquet(&world.input, &fewer.columns(), Some(&fewer.metadata()));
    write_digest(&world.input);
    let second = world.score().unwrap();
    assert_eq!(read_parquet(&world.part()).num_rows(), 100);
    assert_eq!(names_in(&second.scores).len(), 2);
    assert_eq!(std::fs::read(other.join("part-00000.parquet")).unwrap(), b"old");
    assert!(first.run.exists() && second.run.exists() && first.run != second.run);
    assert_eq!(read_json(&world.out.join("latest.json"))["run_id"], second.run_id.as_str());
}

#[test]
fn every_row_of_a_repeated_key_is_set_aside() {
    for sorted in [true, false] {
        let mut base = Base::random(42, 6);
        base.ids[40] = Some(String::new());
        base.ids[41] = Some(String::new());
        base.ids[11] = base.ids[10].clone();
        base.ids[12] = base.ids[10].clone();
        base.ids[30] = None;
        if !sorted {
            base = base.take(&(0..42).rev().collect::<Vec<_>>());
        }
        let world = World::new(&base);
        let summary = world.score().unwrap();
        assert_eq!(summary.counts.quarantined, 2 + 6);
        assert_eq!(summary.counts.scored + summary.counts.not_scored, 36);
        let ids = texts(&read_parquet(&world.part()), "account_id");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 36);
        assert!(ids.is_sorted() && !ids.contains(&Some("account-0000010".to_owned())));
        let path = summary.quarantine.unwrap().join("features.parquet");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let bad = read_parquet(&path);
        let mut codes = texts(&bad, "rule_code");
        codes.sort();
        let duplicate = Some("account_id.duplicate".to_owned());
        let empty = Some("account_id.empty".to_owned());
        let null = Some("account_id.null".to_owned());
        assert_eq!(codes, [duplicate.clone(), duplicate.clone(), duplicate, empty.clone(), empty, null]);
        assert!(bad.column_by_name("mrr").is_some() && bad.column_by_name("row").is_some());
    }
}

#[test]
fn one_of_several_dates_is_scored_when_it_is_chosen() {
    let mut base = Base::random(60, 7);
    for row in 0..20 {
        base.as_of[row] = "2025-12-31".parse().unwrap();
    }
    let world = World::new(&base);
    let request = ScoreRequest { as_of: Some("2026-01-31".parse().unwrap()), ..world.request() };
    let summary = score::run(&request, &Silent).unwrap();
    assert_eq!((summary.counts.given, summary.counts.ineligible), (40, 0));
    assert_eq!(texts(&read_parquet(&world.part()), "account_id"), base.ids[20..]);
}

#[test]
fn the_date_of_a_file_without_metadata_is_its_column() {
    let base = Base::random(20, 8);
    let world = World::with_columns(&base.columns(), None);
    let summary = world.score().unwrap();
    assert_eq!((summary.as_of.as_str(), summary.counts.given), ("2026-01-31", 20));
    let codes: Vec<&str> = summary.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert!(codes.contains(&"bellwether::infer::no_metadata") && codes.contains(&"bellwether::infer::no_digest"));
}

#[test]
fn ids_are_byte_exact() {
    let mut base = Base::random(6, 9);
    // Leading zeros, NUL, an accent in one and in two code points, right to left, a line feed; in the order of bytes.
    let ids = ["00017", "a\0b", "cafe\u{301}", "caf\u{e9}", "\u{5d0}\u{5d1}", "\u{2028}=cmd()\n"];
    base.ids = ids.map(|id| Some(id.to_owned())).to_vec();
    let world = World::new(&base);
    world.score().unwrap();
    assert_eq!(texts(&read_parquet(&world.part()), "account_id"), base.ids);
}

#[test]
fn odd_numbers_and_texts_give_finite_scores() {
    let mut base = Base::random(6, 10);
    base.mrr = vec![f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MAX, f32::MIN_POSITIVE, f32::NAN];
    base.events = vec![f32::INFINITY; 6];
    base.days_since_last = vec![1.0; 6];
    base.plan[0] = Some("x".repeat(1 << 20));
    base.plan[1] = Some("line\nfeed".to_owned());
    let world = World::new(&base);
    let summary = world.score().unwrap();
    let batch = read_parquet(&world.part());
    for name in ["churn_90d_probability", "expansion_60d_low", "mrr", "mrr_at_risk", "expected_expansion_mrr"] {
        assert!(numbers(&batch, name).into_iter().flatten().all(f64::is_finite), "{name}");
    }
    assert_eq!(numbers(&batch, "mrr")[..4], [None, None, Some(-0.0), None], "an MRR without bound is not known");
    let manifest = read_json(&summary.run.join("manifest.json"));
    assert_eq!(manifest["infinite_values"]["mrr"], 2);
    assert_eq!(manifest["unusable_mrr"], 3);
    assert!(manifest["unknown_categories"]["plan"].as_u64().unwrap() >= 2);
}

#[test]
fn an_mrr_that_cannot_be_one_is_not_known() {
    let mut base = Base::random(5, 13);
    base.mrr = vec![f32::INFINITY, f32::NEG_INFINITY, -12.5, 0.0, 700.0];
    base.events = vec![20.0; 5];
    base.days_since_last = vec![1.0; 5];
    let world = World::new(&base);
    let summary = world.score().unwrap();
    let batch = read_parquet(&world.part());
    for name in ["mrr", "mrr_at_risk", "expected_expansion_mrr"] {
        let known: Vec<bool> = numbers(&batch, name).iter().map(Option::is_some).collect();
        assert_eq!(known, [false, false, false, true, true], "{name}");
    }
    let tiers = texts(&batch, "value_tier");
    assert_eq!(tiers, [None, None, None, Some("low".to_owned()), Some("high".to_owned())]);
    assert_eq!(texts(&batch, "service_level").iter().flatten().count(), 2);
    let warning = summary.warnings.iter().find(|warning| warning.code == "bellwether::infer::unusable_mrr").unwrap();
    assert!(warning.text.starts_with("3 accounts"), "{}", warning.text);
}

#[test]
fn reasons_are_for_whom_they_were_asked() {
    let base = Base::random(200, 11);
    let world = World::new(&base);
    let reasons_of = |reasons: ReasonChoice| {
        score::run(&ScoreRequest { reasons, ..world.request() }, &Silent).unwrap();
        let batch = read_parquet(&world.part());
        (texts(&batch, "churn_90d_reason_1"), texts(&batch, "churn_90d_band"))
    };
    let (all, bands) = reasons_of(ReasonChoice::All);
    assert_eq!(all.iter().flatten().count(), bands.iter().flatten().count());
    assert!(all.iter().flatten().all(|reason| reason.starts_with("idea.")));
    let (top, _) = reasons_of(ReasonChoice::Top);
    let high = Some("high".to_owned());
    assert!(bands.contains(&high));
    for (row, reason) in top.iter().enumerate() {
        assert_eq!(*reason, if bands[row] == high { all[row].clone() } else { None });
    }
    assert_eq!(reasons_of(ReasonChoice::None).0.iter().flatten().count(), 0);
}

struct StopsAfter(std::sync::atomic::AtomicUsize);

impl Observer for StopsAfter {
    fn stop(&self) -> Option<Stop> {
        let left =
            self.0.fetch_update(std::sync::atomic::Ordering::SeqCst, std::sync::atomic::Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        left.is_err().then_some(Stop::Terminate)
    }
}

#[test]
fn a_run_that_is_stopped_anywhere_leaves_nothing_behind() {
    let world = World::new(&Base::random(3_000, 12));
    let request = ScoreRequest { batch_rows: NonZeroUsize::new(1_000).unwrap(), ..world.request() };
    let mut stopped = 0;
    while let Err(error) = score::run(&request, &StopsAfter(stopped.into())) {
        assert!(matches!(error, InferError::Stopped { .. }), "after {stopped}: {error}");
        assert_eq!(error.exit_code().code(), 143);
        world.assert_nothing_published();
        stopped += 1;
    }
    assert!(stopped >= 6, "asked {stopped} times only");
    assert!(world.part().exists());
}

#[test]
fn a_file_of_many_chunks_has_the_same_bytes_for_any_size_of_batches() {
    // All of them scored: a column without a null came to the encoder in two forms.
    let mut base = Base::random(26_000, 9);
    base.days_since_last.fill(3.0);
    let world = World::new(&base);
    let bytes = |batch_rows: usize| {
        let batch_rows = NonZeroUsize::new(batch_rows).unwrap();
        let reasons = ReasonChoice::None;
        score::run(&ScoreRequest { batch_rows, reasons, ..world.request() }, &Silent).unwrap();
        std::fs::read(world.part()).unwrap()
    };
    let expected = bytes(8_192);
    for batch_rows in [1_000, 4_096, 65_536] {
        assert!(bytes(batch_rows) == expected, "{batch_rows}");
    }
    // The effects of an account add up to its probability less that of the base.
    world.score().unwrap();
    let run = std::fs::read_dir(world.out.join("runs/as_of=2026-01-31")).unwrap().map(|run| run.unwrap().path()).max();
    let bases = read_json(&run.unwrap().join("manifest.json"))["base_probabilities"].clone();
    let batch = read_parquet(&world.part());
    for target in TARGETS {
        let base = bases[target].as_f64().unwrap();
        let probabilities = numbers(&batch, &format!("{target}_probability"));
        let effects: Vec<Vec<Option<f64>>> =
            (1..=5).map(|rank| numbers(&batch, &format!("{target}_reason_{rank}_effect"))).collect();
        for (row, probability) in probabilities.iter().enumerate().take(500) {
            let Some(probability) = probability else { continue };
            let sum: f64 = effects.iter().filter_map(|column| column[row]).sum();
            assert!((base + sum - probability).abs() < 1e-9, "{target}, row {row}");
        }
    }
}
