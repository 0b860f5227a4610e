//! From rows to a bundle, on a world whose truth is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray};
use bellwether_models::InputKind;
use bellwether_models::bundle::{Bundle, write_bundle};
use bellwether_train::cadence::History;
use bellwether_train::learner::LearnerKind;
use bellwether_train::measure::Metric;
use bellwether_train::summary::{BacktestSummary, CalibrationSource, GroupedBy};
use bellwether_train::truth::judge_truth;
use bellwether_train::{Backtest, BacktestSettings, Dataset, Silent, TrainError, backtest, metric, train, write_run};

use crate::world::{Counter, Size, dataset, settings};

const SIZE: Size = Size { accounts: 300, months: 30 };
const LEARNERS: [&str; 3] = ["base_rate", "logistic", "boosting"];

fn run(size: Size, learners: &[&str]) -> (Dataset, Vec<[f64; 2]>, Backtest) {
    let (data, truth) = dataset(size, 21);
    let backtest = backtest(&data, &settings("2023-07-01", "quarter", learners), &Silent).unwrap();
    (data, truth, backtest)
}

#[test]
fn the_signal_is_found_and_the_probabilities_are_right() {
    let (_, truth, backtest) = run(SIZE, &LEARNERS);
    for (index, (target, run)) in backtest.summary.targets.iter().zip(&backtest.runs).enumerate() {
        let best = target.best().unwrap();
        assert_ne!(target.selected, LearnerKind::BaseRate);
        assert!(best.roc_auc.unwrap() > 0.7, "{target:?}");
        assert!(best.log_loss < best.null_log_loss - 0.02);
        assert!((best.observed_over_expected.unwrap() - 1.0).abs() < 0.1, "{best:?}");
        assert!((best.calibration_slope.unwrap() - 1.0).abs() < 0.2, "{best:?}");
        assert!(best.lift_at_10_percent.unwrap() > 1.5 && best.mrr_captured.unwrap() > 0.1);
        // The truth is a ceiling but for luck.
        let true_probabilities: Vec<f64> = run.rows.iter().map(|row| truth[*row as usize][index]).collect();
        let ceiling = metric::log_loss(&run.labels, &true_probabilities).unwrap();
        assert!(best.log_loss > ceiling - 0.002 && best.log_loss < ceiling + 0.05, "{} {ceiling}", best.log_loss);
        // Only a difference beyond doubt takes the base rate away, and nobody richer is beyond doubt.
        let pair = |learner, simpler| {
            let found = target.comparisons.iter().find(|one| one.learner == learner && one.simpler == simpler);
            found.unwrap().interval.unwrap()
        };
        assert!(pair(target.selected, LearnerKind::BaseRate).high < 0.0);
        for richer in LEARNERS.map(|name| name.parse::<LearnerKind>().unwrap()) {
            assert!(richer <= target.selected || pair(richer, target.selected).high >= 0.0, "{richer}");
        }
        assert!(target.selected_because.contains(target.selected.name()), "{}", target.selected_because);
    }
}

#[test]
fn every_slice_is_measured_with_its_intervals() {
    let (data, _, backtest) = run(SIZE, &["base_rate", "logistic"]);
    let churn = &backtest.summary.targets[0];
    let rows = backtest.runs[0].rows.len();
    for learner in &churn.learners {
        let intervals = learner.intervals.as_ref().unwrap();
        assert_eq!(intervals.accounts, SIZE.accounts);
        let loss = intervals.get(Metric::LogLoss).unwrap();
        assert!(loss.interval().holds(learner.metrics.log_loss) && loss.naive.is_some());
        let parts = learner.metrics.log_loss_parts.unwrap();
        let sum = parts.miscalibration - parts.discrimination + parts.uncertainty;
        assert!((sum - learner.metrics.log_loss).abs() < 1e-12);
        // Refits of each quarter, scored each month: ages 0, 1 and 2.
        assert_eq!(learner.by_age.iter().map(|one| one.age_months).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(learner.by_age.iter().map(|one| one.metrics.rows).sum::<usize>(), rows);
        assert!(learner.by_age.iter().all(|one| one.intervals.is_some()));
        assert!(learner.by_date.iter().all(|one| one.intervals.is_some()));
        for by in [GroupedBy::Plan, GroupedBy::Size] {
            let groups: Vec<_> = learner.by_group.iter().filter(|group| group.by == by).collect();
            assert_eq!(groups.iter().map(|group| group.rows).sum::<usize>(), rows, "{by:?}");
        }
        assert_eq!(learner.reliability.iter().map(|step| step.rows).sum::<usize>(), rows);
    }
    // A plan of three accounts is not told, and has no measure instead of a bad one.
    let plans = churn.learners[1].by_group.iter().filter(|group| group.by == GroupedBy::Plan);
    let plans: Vec<(&str, usize, bool)> =
        plans.map(|one| (one.group.as_str(), one.accounts, one.metrics.is_some())).collect();
    assert_eq!(plans, [("basic", 99, true), ("pro", 99, true), ("other", 3, false), ("unknown", 99, true)]);
    // The thirds are those of the rows before the first test.
    let first_test = data.as_of_days()[backtest.runs[0].rows[0] as usize];
    let mut before: Vec<f32> = data.numeric("mrr").unwrap().to_vec();
    before.truncate(data.as_of_days().iter().filter(|day| **day < first_test).count());
    before.sort_by(f32::total_cmp);
    let sizes = churn.learners[1].by_group.iter().filter(|group| group.by == GroupedBy::Size);
    let names: Vec<&str> = sizes.map(|one| one.group.as_str()).collect();
    let (low, high) = (before[before.len() / 3 - 1], before[before.len() * 2 / 3 - 1]);
    let expected = [format!("MRR up to {low}"), format!("MRR above {low} up to {high}"), format!("MRR above {high}")];
    assert_eq!(names, expected);
}

#[test]
fn a_summary_of_an_older_version_is_read() {
    let (_, _, backtest) = run(Size { accounts: 120, months: 26 }, &["base_rate", "logistic"]);
    let mut json = serde_json::to_value(&backtest.summary).unwrap();
    for target in json["targets"].as_array_mut().unwrap() {
        let target = target.as_object_mut().unwrap();
        assert!(target.remove("comparisons").is_some() && target.remove("selected_because").is_some());
        for learner in target["learners"].as_array_mut().unwrap() {
            let learner = learner.as_object_mut().unwrap();
            for field in ["intervals", "by_age", "by_group", "reliability", "gain"] {
                assert!(learner.remove(field).is_some(), "{field}");
            }
            let metrics = learner["metrics"].as_object_mut().unwrap();
            metrics.retain(|name, _| {
                !name.ends_with("_parts") && !name.ends_with("_at_capacity") && !name.starts_with("mrr_weighted")
            });
        }
    }
    let read: BacktestSummary = serde_json::from_value(json).unwrap();
    assert_eq!(read.targets[0].best().unwrap().log_loss, backtest.summary.targets[0].best().unwrap().log_loss);
    assert_eq!(read.targets[0].best().unwrap().log_loss_parts, None);
}

#[test]
fn every_refit_is_recorded_and_warm_up_is_not_judged() {
    let (data, _, backtest) = run(SIZE, &["base_rate", "logistic"]);
    for (target, run) in backtest.summary.targets.iter().zip(&backtest.runs) {
        assert!(target.refits.iter().any(|refit| refit.warm_up));
        for refit in &target.refits {
            let judged = refit.learners.iter().all(|one| one.metrics.is_some() && one.calibration.is_some());
            assert_ne!(judged, refit.warm_up);
            for record in refit.learners.iter().filter_map(|one| one.calibration.as_ref()) {
                assert_eq!(record.source, CalibrationSource::OutOfTime);
            }
        }
        let first = data.as_of()[run.rows[0] as usize].to_string();
        assert_eq!((first.as_str(), target.test_from.as_str()), ("2023-07-01", "2023-07-01"));
        assert!(run.rows.is_sorted());
        let judged: usize = target.refits.iter().filter(|refit| !refit.warm_up).map(|refit| refit.test_rows).sum();
        assert_eq!(judged, run.rows.len());
        assert_eq!(target.learners[0].by_date.iter().map(|one| one.metrics.rows).sum::<usize>(), run.rows.len());
    }
    assert!(backtest.summary.warnings.is_empty(), "{:?}", backtest.summary.warnings);
}

#[test]
fn a_sliding_history_learns_from_fewer_rows_and_is_on_record() {
    let (data, _) = dataset(Size { accounts: 120, months: 26 }, 21);
    let run = |history: History| {
        let settings = BacktestSettings { history, ..settings("2023-07-01", "quarter", &["base_rate"]) };
        let judged = backtest(&data, &settings, &Silent).unwrap();
        let rows = judged.summary.targets[0].refits.last().unwrap().training_rows;
        (judged.summary.history, rows)
    };
    let (said, all) = run(History::Expanding);
    assert_eq!(said, None);
    let (said, some) = run(History::Months(12));
    assert_eq!(said.as_deref(), Some("12 months"));
    // 2022-01-01 to 2023-06-01, and 2022-10-01 to 2023-06-01.
    assert_eq!((all, some), (18 * 120, 9 * 120));
}

#[test]
fn too_little_history_is_calibrated_by_account_and_says_so() {
    let (data, _) = dataset(SIZE, 21);
    let settings = settings("2022-06-01", "never", &["base_rate", "logistic"]);
    let backtest = backtest(&data, &settings, &Silent).unwrap();
    let codes: BTreeSet<&str> = backtest.summary.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert!(codes.contains("calibrated_by_account"), "{codes:?}");
    let churn = &backtest.summary.targets[0];
    let record = churn.refits[0].learners[1].calibration.as_ref().unwrap();
    assert_eq!((churn.refits.len(), record.source), (1, CalibrationSource::AccountFolds));
    assert_eq!(record.rows, churn.refits[0].training_rows);
}

#[test]
fn a_health_score_without_its_signals_is_left_out_loudly() {
    let (_, _, judged) = run(Size { accounts: 120, months: 26 }, &["base_rate", "health_score"]);
    let learners =
        |target: usize| judged.summary.targets[target].learners.iter().map(|one| one.learner).collect::<Vec<_>>();
    // The world has one signal of the risk table and none of the growth table.
    assert_eq!(learners(0), [LearnerKind::BaseRate, LearnerKind::HealthScore]);
    assert_eq!(learners(1), [LearnerKind::BaseRate]);
    let left_out: Vec<_> = judged.summary.warnings.iter().filter(|one| one.code == "learner_left_out").collect();
    assert!(left_out.len() == 1 && left_out[0].text.starts_with("expansion_60d"), "{left_out:?}");

    let (data, _) = dataset(Size { accounts: 120, months: 26 }, 21);
    let alone = backtest(&data, &settings("2023-07-01", "quarter", &["health_score"]), &Silent);
    assert!(matches!(alone, Err(TrainError::Learn { .. })));
}

#[test]
fn a_bundle_holds_what_won_and_no_account() {
    let (data, _, backtest) = run(SIZE, &["base_rate", "logistic"]);
    let settings = settings("2023-07-01", "quarter", &["base_rate", "logistic"]);
    let counter = Counter::default();
    let trained = train(&data, &settings, &backtest, "acme", &counter).unwrap();
    assert_eq!((counter.planned.get(), counter.fitted.get()), (2, 2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    write_bundle(&path, 1, &trained.contents).unwrap();
    let bundle = Bundle::load(&path).unwrap();
    assert_eq!(bundle.targets(), ["churn_90d", "expansion_60d"]);
    assert!(bundle.manifest().training.flags.is_empty());
    // A level of three accounts is not told.
    let plan = bundle.signature().inputs.iter().find(|input| input.name == "plan").unwrap();
    assert_eq!(plan.kind, InputKind::Category { levels: vec!["basic".to_owned(), "pro".to_owned()] });
    let policy = bundle.policy();
    assert_eq!(policy.roles.mrr.as_deref(), Some("mrr"));
    assert_eq!((policy.roles.satisfaction.as_deref(), policy.satisfaction_high), (None, None));
    assert!(policy.bands["churn_90d"].high > policy.bands["churn_90d"].medium);
    for file in [
        "bundle.json",
        "signature.json",
        "signals.json",
        "policy.json",
        "reference.json",
        "backtest.json",
        "MODEL_CARD.md",
        "report.html",
    ] {
        let text = std::fs::read_to_string(path.join(file)).unwrap();
        assert!(!text.contains("account-0") && !text.contains("secret"), "{file}");
    }
    let card = std::fs::read_to_string(path.join("MODEL_CARD.md")).unwrap();
    assert!(card.starts_with("---\n") && card.contains("## Limits"), "{card}");
}

#[test]
fn a_backtest_of_other_data_is_refused() {
    let (data, _, backtest) = run(SIZE, &["base_rate"]);
    let settings = settings("2023-07-01", "quarter", &["base_rate"]);
    let (other, _) = dataset(Size { accounts: 200, ..SIZE }, 21);
    let refused = train(&other, &settings, &backtest, "acme", &Silent);
    assert!(matches!(refused, Err(TrainError::Mismatch { field: "rows", .. })));
    assert!(train(&data, &settings, &backtest, "acme", &Silent).is_ok());
}

/// Bytes of every file of a run and of the bundle trained from it.
fn all_bytes(threads: usize) -> Vec<(String, Vec<u8>)> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let (data, _, backtest) =
            run(Size { accounts: 120, months: 26 }, &["base_rate", "health_score", "logistic", "boosting"]);
        let settings = settings("2023-07-01", "quarter", &["base_rate", "health_score", "logistic", "boosting"]);
        let trained = train(&data, &settings, &backtest, "acme", &Silent).unwrap();
        let folder = tempfile::tempdir().unwrap();
        write_run(&data, &backtest, &folder.path().join("run")).unwrap();
        write_bundle(&folder.path().join("bundle"), 1, &trained.contents).unwrap();
        let mut files = Vec::new();
        for part in ["run", "bundle"] {
            for entry in std::fs::read_dir(folder.path().join(part)).unwrap() {
                let path = entry.unwrap().path();
                let name = format!("{part}/{}", path.file_name().unwrap().to_string_lossy());
                files.push((name, std::fs::read(path).unwrap()));
            }
        }
        files.sort();
        files
    })
}

#[test]
fn threads_change_no_byte() {
    let one = all_bytes(1);
    assert!(one.len() >= 8 + 10, "{:?}", one.iter().map(|file| &file.0).collect::<Vec<_>>());
    for threads in [2, 4] {
        for (expected, found) in one.iter().zip(all_bytes(threads)) {
            assert_eq!(expected.0, found.0);
            assert!(expected.1 == found.1, "{} differs with {threads} threads", found.0);
        }
    }
}

#[test]
fn a_run_is_written_whole_and_replaces_only_a_run() {
    let (data, _, backtest) = run(Size { accounts: 120, months: 26 }, &["base_rate", "logistic"]);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("runs").join("q1");
    write_run(&data, &backtest, &place).unwrap();
    write_run(&data, &backtest, &place).unwrap();
    let mut names: Vec<String> =
        std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let expected = [
        "backtest.json",
        "corp.parquet",
        "lift.parquet",
        "metrics.json",
        "metrics.parquet",
        "predictions.parquet",
        "reliability.parquet",
        "report.html",
    ];
    assert_eq!(names, expected);
    assert_eq!(std::fs::read_dir(folder.path().join("runs")).unwrap().count(), 1);
    let text = std::fs::read(place.join("backtest.json")).unwrap();
    assert_eq!(serde_json::from_slice::<BacktestSummary>(&text).unwrap(), backtest.summary);
    let page = std::fs::read_to_string(place.join("report.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("http") && !page.contains("<script"));

    let foreign = folder.path().join("mine");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
    assert!(matches!(write_run(&data, &backtest, &foreign), Err(TrainError::Foreign { .. })));
    assert_eq!(std::fs::read_to_string(foreign.join("thesis.txt")).unwrap(), "years of work");
}

#[test]
fn the_truth_is_judged_on_the_same_rows() {
    let (data, truth, backtest) = run(Size { accounts: 120, months: 26 }, &["base_rate"]);
    let settings = settings("2023-07-01", "quarter", &["base_rate"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.parquet");
    let write = |rows: usize| {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("account_id", Arc::new(StringArray::from_iter_values(&data.matrix().account_ids[..rows]))),
            ("as_of", Arc::new(Date32Array::from(data.as_of_days()[..rows].to_vec()))),
            ("churn_90d", Arc::new(Float64Array::from_iter_values(truth[..rows].iter().map(|p| p[0])))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    write(data.rows());
    let judged = judge_truth(&data, &settings, &backtest, &path).unwrap();
    assert_eq!(judged.len(), 1);
    let churn = &backtest.summary.targets[0];
    let truth = &judged[0].metrics;
    assert_eq!((truth.rows, truth.positives), (churn.best().unwrap().rows, churn.best().unwrap().positives));
    assert!(truth.log_loss < churn.best().unwrap().log_loss);

    write(data.rows() / 2);
    let error = judge_truth(&data, &settings, &backtest, &path).unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.contains("has no true probability") && !error.contains("account-"), "{error}");
}

#[test]
fn a_budget_tries_more_settings_and_is_told() {
    let (data, _) = dataset(Size { accounts: 200, months: 28 }, 31);
    let run = |budget: usize| {
        let settings = BacktestSettings { budget, ..settings("2023-07-01", "never", &["boosting"]) };
        backtest(&data, &settings, &Silent).unwrap()
    };
    let (one, four) = (run(1), run(4));
    assert_eq!(four, run(4));
    assert_ne!(one.runs[0].predictions[0].margin, four.runs[0].predictions[0].margin, "another setting was no better?");
    let told = |judged: &Backtest| serde_json::to_value(&judged.summary).unwrap().get("budget").cloned();
    assert_eq!((told(&one), told(&four)), (None, Some(4.into())));
    // A model is trained as it was judged.
    let error = train(&data, &settings("2023-07-01", "never", &["boosting"]), &four, "world", &Silent).unwrap_err();
    assert!(matches!(error, TrainError::Mismatch { field: "budget", .. }), "{error:?}");
}
