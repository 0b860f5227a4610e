//! The page and the card: whole, well formed, self-contained, and nothing of a text is markup.

use std::collections::BTreeSet;

use bellwether_features::matrix::Column;
use bellwether_features::signal::Family;
use bellwether_train::insight::{
    DataQuality, Driver, Estimate, FeatureRole, Movement, ObservedStep, ProductAdoption, Shape, ShapeBin, TableQuality,
    insights,
};
use bellwether_train::learner::LearnerKind;
use bellwether_train::measure::Metric;
use bellwether_train::report::{html, verdict};
use bellwether_train::resample::Interval;
use bellwether_train::summary::{BacktestSummary, CalibrationSource};
use bellwether_train::{Backtest, Dataset, Silent, backtest, train};
use serde_json::{Map, Value, json};

use crate::world::{Size, dataset, labels, matrix, settings, target};

const EVIL: &str = "<script>alert(1)</script>";

/// A business that calls everything [`EVIL`].
fn evil() -> (Dataset, Backtest) {
    let (mut matrix, truth) = matrix(Size { accounts: 200, months: 28 }, 21);
    if let Some(Column::Category { levels, .. }) = matrix.columns.last_mut() {
        levels[0] = EVIL.to_owned();
    }
    matrix.signals[1].text = format!("{EVIL}: {{value}}");
    let data_end = "2024-05-01".parse().unwrap();
    let mut definition = target("churn_90d", 90, 14);
    definition.text = format!("ends | {EVIL} \"quoted\"\nnext line");
    let churn = labels(definition, &matrix.as_of, truth.iter().map(|p| p[0]), data_end, 22);
    let growth = labels(target("expansion_60d", 60, 0), &matrix.as_of, truth.iter().map(|p| p[1]), data_end, 23);
    let data = Dataset::new(matrix, vec![churn, growth]).unwrap();
    let settings = settings("2023-07-01", "quarter", &["base_rate", "logistic"]);
    let mut judged = backtest(&data, &settings, &Silent).unwrap();
    let adopted = (0..data.rows()).map(|row| data.accounts()[row].is_multiple_of(2)).collect();
    let adoption = ProductAdoption { window_days: 90, features: vec![EVIL.to_owned()], adopted: vec![adopted] };
    let mut found = insights(&data, &settings, &judged, Some(&adoption)).unwrap();
    found.data = DataQuality {
        tables: vec![TableQuality {
            table: "usage".to_owned(),
            rows: 1_234_567,
            left_out: 3,
            duplicates: 0,
            replayable: false,
            messages: vec![EVIL.to_owned()],
        }],
        missing_tables: vec!["nps".to_owned()],
    };
    judged.summary.insights = Some(found);
    judged.summary.glossary.insert(EVIL.to_owned(), EVIL.to_owned());
    (data, judged)
}

/// Every opened element is closed in order; returns the names of all elements.
fn elements(page: &str) -> Vec<String> {
    const VOID: [&str; 1] = ["meta"];
    let mut open: Vec<&str> = Vec::new();
    let mut seen = Vec::new();
    let body = page.strip_prefix("<!doctype html>").expect("a doctype");
    for part in body.split('<').skip(1) {
        let tag = part.split('>').next().expect("a tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap_or_default();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "after {:?}", seen.last());
        } else {
            seen.push(name.to_owned());
            if !tag.ends_with('/') && !VOID.contains(&name) {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    seen
}

#[test]
fn the_page_is_whole_well_formed_and_self_contained() {
    let (_, judged) = evil();
    let page = html(&judged.summary);
    let elements = elements(&page);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(!elements.iter().any(|name| ["script", "img", "link", "iframe", "object"].contains(&name.as_str())));
    for outside in ["http:", "https:", "src=", "url(", "@import", "@font-face", "javascript:", "onerror", EVIL] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let count = |name: &str| elements.iter().filter(|one| *one == name).count();
    assert_eq!(
        count("svg"),
        page.matches("<details><summary>The numbers</summary>").count(),
        "a table behind each plot"
    );
    assert!(count("svg") >= 16, "{} plots", count("svg"));
    assert_eq!((count("desc"), page.matches("role=\"img\"").count()), (count("svg"), count("svg")));
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "ids are unique");
    for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.binary_search(&link).is_ok(), "{link}");
    }
    for section in
        ["Verdict", "Learners compared", "Reliability", "Gain and lift", "Precision and recall", "Every measure of"]
    {
        assert!(page.contains(section), "{section}");
    }
    for section in ["as the model ages", "For whom it holds", "What drives it", "Value drivers and table stakes"] {
        assert!(page.contains(section), "{section}");
    }
    for section in ["How early each family", "Data used", "1,234,567", "No cause is claimed", "prefers-color-scheme"] {
        assert!(page.contains(section), "{section}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf\""), "every number is one");
}

#[test]
fn the_page_comes_from_the_summary_alone() {
    let (_, judged) = evil();
    let text = serde_json::to_string(&judged.summary).unwrap();
    let again: BacktestSummary = serde_json::from_str(&text).unwrap();
    assert_eq!(again, judged.summary);
    assert_eq!(html(&again), html(&judged.summary));
}

#[test]
fn a_summary_without_insights_has_its_page_too() {
    let (data, _) = dataset(Size { accounts: 120, months: 26 }, 21);
    let judged = backtest(&data, &settings("2023-07-01", "quarter", &["base_rate"]), &Silent).unwrap();
    let page = html(&judged.summary);
    elements(&page);
    assert!(page.contains("Learners compared") && !page.contains("What drives it"));
}

#[test]
fn the_card_has_the_front_matter_of_a_model_index_and_every_section() {
    let (data, judged) = evil();
    let settings = settings("2023-07-01", "quarter", &["base_rate", "logistic"]);
    let trained = train(&data, &settings, &judged, "acme", &Silent).unwrap();
    let card = trained.contents.model_card;
    let (front, body) = card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).expect("front matter");
    let lines: Vec<&str> = front.lines().collect();
    let index = yaml(&mut lines.as_slice(), 0);
    assert_eq!(index["pipeline_tag"], json!("tabular-classification"));
    assert_eq!(index["tags"].as_array().map(Vec::len), Some(4));
    let model = &index["model-index"][0];
    assert_eq!(model["name"], json!("acme"));
    let results = model["results"].as_array().expect("results");
    assert_eq!(results.len(), 2);
    for (result, summary) in results.iter().zip(&judged.summary.targets) {
        assert_eq!(result["task"]["type"], json!("tabular-classification"));
        assert_eq!(result["task"]["name"], json!(summary.definition.text));
        assert_eq!(result["dataset"]["type"], json!("private"));
        let measures = result["metrics"].as_array().expect("metrics");
        let loss = measures.iter().find(|one| one["type"] == json!("log_loss")).expect("log loss");
        let best = summary.best().unwrap();
        assert!((loss["value"].as_f64().unwrap() - best.log_loss).abs() < 1e-5);
        assert!(measures.iter().all(|one| one["value"].is_f64() && one["name"].is_string()));
    }
    for section in [
        "## Model details",
        "## Intended use",
        "### Out of scope",
        "## Limits",
        "## Training data",
        "## Evaluation",
        "### Metrics",
        "### Calibration, parts of the losses, and by MRR",
        "## Calibration",
        "## What drives the forecasts",
        "## Ethical considerations",
    ] {
        assert!(body.contains(&format!("\n{section}\n")), "{section}");
    }
    assert!(!body.contains("<script>"), "escaped: {body}");
    // A row of a table has as many cells as its head.
    let mut columns = None;
    for line in body.lines() {
        let cells = line.starts_with('|').then(|| line.replace("\\|", "").matches('|').count());
        assert!(columns.is_none() || cells.is_none() || columns == cells, "{line}");
        columns = cells;
    }
}

/// The part of YAML that a front matter is written in: nested mappings and lists by indentation, scalars that are plain,
/// numbers, or JSON strings. Anything else panics.
fn yaml(lines: &mut &[&str], indent: usize) -> Value {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let is_item = |line: &str| line.trim_start().starts_with("- ");
    let mut list = Vec::new();
    let mut mapping = Map::new();
    while let Some(line) = lines.first().copied().filter(|line| depth(line) >= indent) {
        assert_eq!(depth(line), indent, "{line}");
        if is_item(line) {
            assert!(mapping.is_empty(), "{line}");
            let rest = &line[indent + 2..];
            if rest.contains(": ") || rest.ends_with(':') {
                // The first key of a mapping stands on the line of the dash.
                let inner = format!("{}{rest}", " ".repeat(indent + 2));
                let mut own: Vec<&str> = vec![inner.as_str()];
                *lines = &lines[1..];
                while let Some(next) = lines.first().copied().filter(|next| depth(next) > indent) {
                    own.push(next);
                    *lines = &lines[1..];
                }
                list.push(yaml(&mut own.as_slice(), indent + 2));
            } else {
                list.push(scalar(rest));
                *lines = &lines[1..];
            }
            continue;
        }
        assert!(list.is_empty(), "{line}");
        let (key, rest) = line[indent..].split_once(':').expect("a key");
        *lines = &lines[1..];
        let value = if rest.is_empty() {
            let next = lines.first().expect("a value");
            let inner = if is_item(next) { depth(next) } else { indent + 2 };
            yaml_value(lines, inner)
        } else {
            scalar(rest.strip_prefix(' ').expect("a space after the colon"))
        };
        assert!(mapping.insert(key.to_owned(), value).is_none(), "twice: {key}");
    }
    if mapping.is_empty() { Value::Array(list) } else { Value::Object(mapping) }
}

/// A list may stand at the depth of its key: it ends where its dashes do.
fn yaml_value(lines: &mut &[&str], indent: usize) -> Value {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let is_list = lines.first().is_some_and(|line| line.trim_start().starts_with("- "));
    let mut own = Vec::new();
    while let Some(line) = lines.first().copied() {
        let belongs = depth(line) > indent || (depth(line) == indent && line.trim_start().starts_with("- ") == is_list);
        if !belongs {
            break;
        }
        own.push(line);
        *lines = &lines[1..];
    }
    yaml(&mut own.as_slice(), indent)
}

fn scalar(text: &str) -> Value {
    if text.starts_with('"') || text.parse::<f64>().is_ok() {
        return serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "_-./ ".contains(one);
    assert!(!text.is_empty() && text.chars().all(is_plain), "{text}");
    Value::from(text)
}

#[test]
fn the_verdict_follows_the_comparison_on_the_same_rows() {
    let (_, judged) = evil();
    let mut target = judged.summary.targets[0].clone();
    target.selected = LearnerKind::Logistic;
    let doubt = "not told apart from the base rate";
    let base_rate = |pair: &&mut bellwether_train::summary::PairedComparison| {
        pair.learner == LearnerKind::Logistic && pair.simpler == LearnerKind::BaseRate
    };
    // Its own interval says no, the difference on the same rows says yes: luck that both share is not doubt.
    let chosen = target.learners.iter_mut().find(|one| one.learner == LearnerKind::Logistic).unwrap();
    chosen.metrics.null_log_loss = chosen.metrics.log_loss + 1e-6;
    let bar = chosen.metrics.null_log_loss;
    let own = chosen.intervals.as_ref().and_then(|all| all.get(Metric::LogLoss)).unwrap().interval();
    assert!(own.high > bar);
    target.learners.iter_mut().find(|one| one.learner == LearnerKind::BaseRate).unwrap().metrics.log_loss = bar;
    target.comparisons.iter_mut().find(base_rate).unwrap().is_better = true;
    assert!(!verdict(&target).contains(doubt), "{}", verdict(&target));
    target.comparisons.iter_mut().find(base_rate).unwrap().is_better = false;
    assert!(verdict(&target).contains(doubt), "{}", verdict(&target));
    // Where the base rate was not judged there is only its own interval.
    target.comparisons.clear();
    target.learners.retain(|one| one.learner != LearnerKind::BaseRate);
    assert!(verdict(&target).contains(doubt), "{}", verdict(&target));
}

#[test]
fn the_two_base_rates_are_named_apart() {
    let (_, judged) = evil();
    let mut summary = judged.summary;
    summary.targets.truncate(1);
    summary.targets[0].selected = LearnerKind::Logistic;
    let calibrated = summary.targets[0].learner(LearnerKind::BaseRate).unwrap().metrics.log_loss;
    let of_training = summary.targets[0].best().unwrap().null_log_loss;
    let page = html(&summary);
    for says in [
        format!("against {calibrated:.4} for the learner base_rate (the base rate, calibrated)"),
        format!("the training base rate, has a log loss of {of_training:.4}"),
    ] {
        assert!(page.contains(&says), "{says}");
    }
    assert!(!page.contains("for the base rate on"));
    let target = &mut summary.targets[0];
    target.learners.retain(|one| one.learner != LearnerKind::BaseRate);
    let says = format!("against {of_training:.4} for the base rate of the training rows");
    assert!(verdict(target).contains(&says), "{}", verdict(target));
}

#[test]
fn every_measure_stands_on_the_page_with_both_intervals() {
    let (_, judged) = evil();
    let mut summary = judged.summary;
    summary.targets.truncate(1);
    let chosen = summary.targets[0].learner(summary.targets[0].selected).unwrap();
    let page = html(&summary);
    let table = page.split("<h3>Every measure of ").nth(1).and_then(|rest| rest.split("</table>").next()).unwrap();
    let known = Metric::ALL.into_iter().filter(|metric| chosen.metrics.value(*metric).is_some()).count();
    assert_eq!(table.matches("<tr>").count(), known + 1, "a row per measure, and the head: {table}");
    let intervals = chosen.intervals.as_ref().unwrap();
    let loss = intervals.get(Metric::LogLoss).unwrap();
    let naive = loss.naive.expect("the naive interval over all rows");
    let cells = format!(
        "<td>{:.4}</td><td>{:.4} to {:.4}</td><td>{:.4} to {:.4}</td>",
        chosen.metrics.log_loss, loss.low, loss.high, naive.low, naive.high
    );
    assert!(table.contains(&cells), "{cells}: {table}");
    for measure in ["Log loss: miscalibration", "Brier score: discrimination", "Calibration intercept"] {
        assert!(table.contains(measure), "{measure}");
    }
}

#[test]
fn a_richer_learner_that_is_surely_worse_is_called_so() {
    let (_, judged) = evil();
    let mut summary = judged.summary;
    let pair = &mut summary.targets[0].comparisons[0];
    pair.interval = Some(Interval { low: 0.000_9, high: 0.002_6 });
    pair.is_better = false;
    let page = html(&summary);
    assert!(page.contains("surely worse") && !page.contains("Better for sure"));
}

#[test]
fn a_forecast_that_goes_against_the_outcomes_says_so() {
    let (_, judged) = evil();
    let mut summary = judged.summary;
    summary.targets.truncate(1);
    let insights = summary.insights.as_mut().unwrap();
    insights.targets.truncate(1);
    let estimate = |value: f64| Estimate { value, low: value, high: value };
    let told = &mut insights.targets[0];
    told.drivers.learner = LearnerKind::Logistic;
    told.drivers.ideas = vec![Driver {
        idea: "usage.active_days".to_owned(),
        family: Family::Usage,
        signal: "active_days".to_owned(),
        text: "active days".to_owned(),
        actionable: true,
        importance: estimate(0.01),
        share: 1.0,
        movement: Movement::Falls,
    }];
    let bin = |label: &str, observed: f64| ShapeBin {
        label: label.to_owned(),
        from: None,
        rows: 100,
        accounts: 50,
        effect: estimate(0.01),
        observed: estimate(observed),
    };
    told.shapes = vec![Shape {
        signal: "active_days".to_owned(),
        text: "active days".to_owned(),
        numeric: true,
        bins: vec![bin("below 5", 0.01), bin("5 to below 10", 0.02), bin("10 or more", 0.175)],
        threshold: None,
        observed_step: Some(ObservedStep {
            value: Estimate { value: 10.0, low: 8.0, high: 11.0 },
            text: "10".to_owned(),
            text_low: "8".to_owned(),
            text_high: "11".to_owned(),
            below: 0.015,
            above: 0.175,
            difference: Estimate { value: -0.16, low: -0.2, high: -0.12 },
            values: None,
        }),
    }];
    let page = html(&summary);
    for says in [
        "the outcomes change most at 10 (between 8 and 11): below it 1.5 % of the rows had the outcome, from it on 17.5 %.",
        "The two point opposite ways: taken alone, more of it goes with the outcome more often; with the other signals held, \
         the forecast falls as it rises.",
    ] {
        assert!(page.contains(says), "{says}");
    }
    summary.insights.as_mut().unwrap().targets[0].drivers.ideas[0].movement = Movement::Rises;
    assert!(!html(&summary).contains("point opposite ways"));
}

#[test]
fn a_feature_that_nearly_everyone_has_is_no_value_driver() {
    let (_, judged) = evil();
    let mut summary = judged.summary;
    let found = summary.insights.as_mut().and_then(|one| one.value_drivers.as_mut()).unwrap();
    found.features[0].feature = "document".to_owned();
    found.features[0].role = FeatureRole::OneSided;
    found.features[0].adoption = 0.99;
    let page = html(&summary);
    assert!(page.contains("Nearly everyone has them") && !page.contains("<strong>Value drivers"), "{page}");
    assert!(page.contains("Holm&#39;s correction over all features and outcomes together"), "{page}");
}

#[test]
fn the_first_sentence_counts_what_was_judged() {
    let (data, mut judged) = evil();
    let page = html(&judged.summary);
    let lead = page.split("<p class=\"lead\">").nth(1).and_then(|rest| rest.split("</p>").next()).expect("a lead");
    assert!(lead.contains("observed every month"), "{lead}");
    for (target, run) in judged.summary.targets.iter().zip(&judged.runs) {
        let accounts: BTreeSet<u32> = run.rows.iter().map(|row| data.accounts()[*row as usize]).collect();
        let dates: BTreeSet<_> = run.rows.iter().map(|row| data.as_of()[*row as usize]).collect();
        let (first, last) = (dates.first().unwrap(), dates.last().unwrap());
        let name = &target.definition.name;
        let says = format!("{name} on {} accounts on {} dates from {first} to {last}", accounts.len(), dates.len());
        assert!(lead.contains(&says), "{says}: {lead}");
    }
    assert!(!lead.contains(&judged.summary.data_end), "the data end is no date that was judged: {lead}");
    judged.summary.score_every = "13 days".to_owned();
    assert!(html(&judged.summary).contains("observed every 13 days"));
    judged.summary.targets.truncate(1);
    let page = html(&judged.summary);
    let number = judged.summary.targets[0].test_accounts.unwrap();
    assert!(page.contains(&format!("<p class=\"lead\">For {number} accounts, observed every 13 days")), "{page}");
}

#[test]
fn what_calibrated_the_probabilities_is_told_as_it_was() {
    let (_, judged) = evil();
    let mut summary = judged.summary;
    let out_of_time = "Probabilities are calibrated on what earlier refits had predicted.";
    assert!(html(&summary).contains(out_of_time));
    let selected = summary.targets[0].selected;
    let refits = &mut summary.targets[0].refits;
    let all = refits.iter().filter(|refit| !refit.warm_up).count();
    let first = refits.iter_mut().find(|refit| !refit.warm_up).unwrap();
    let learner = first.learners.iter_mut().find(|one| one.learner == selected).unwrap();
    learner.calibration.as_mut().unwrap().source = CalibrationSource::AccountFolds;
    let page = html(&summary);
    assert!(!page.contains(out_of_time) && page.contains(&format!("but at 1 of {all} refits on held-out accounts")));
    for refit in &mut summary.targets[0].refits {
        for record in refit.learners.iter_mut().filter_map(|one| one.calibration.as_mut()) {
            record.source = CalibrationSource::AccountFolds;
        }
    }
    let page = html(&summary);
    assert!(page.contains(&format!("held-out accounts of the training rows ({all} of {all} refits)")), "{page}");
}

#[test]
fn a_base_rate_is_not_said_to_rank() {
    let (_, judged) = evil();
    let mut summary = judged.summary;
    summary.targets.truncate(1);
    summary.targets[0].selected = LearnerKind::BaseRate;
    let auc = summary.targets[0].best().unwrap().roc_auc.unwrap();
    assert!((auc - 0.5).abs() > 1e-6, "the rate moves from date to date, so the pooled AUC is not chance: {auc}");
    let page = html(&summary);
    for words in ["ranks the right one higher", "The tenth it ranks", "A team that calls", "Gain and lift"] {
        assert!(!page.contains(words), "{words}");
    }
    assert!(page.contains("so it does not rank accounts"));
    summary.targets[0].selected = LearnerKind::Logistic;
    let page = html(&summary);
    assert!(page.contains("ranks the right one higher") && page.contains("A team that calls"));
}

#[test]
fn the_capacity_of_a_week_is_spent_over_a_month() {
    let (data, _) = dataset(Size { accounts: 200, months: 26 }, 21);
    let mut settings = settings("2023-07-01", "quarter", &["logistic"]);
    settings.accounts_per_week = 10;
    let judged = backtest(&data, &settings, &Silent).unwrap();
    // 10 · 30.4375 / 7 = 43.5.
    assert_eq!(judged.summary.calls_per_date, Some(44));
    let (run, metrics) = (&judged.runs[0], judged.summary.targets[0].best().unwrap());
    let probability = &run.predictions[0].probability;
    let day = |place: usize| data.as_of_days()[run.rows[place] as usize];
    let (mut found, mut called) = (0.0, 0.0);
    for place in 0..run.rows.len() {
        let same: Vec<f64> =
            (0..run.rows.len()).filter(|other| day(*other) == day(place)).map(|one| probability[one]).collect();
        let above = same.iter().filter(|one| **one > probability[place]).count() as f64;
        let tied = same.iter().filter(|one| **one == probability[place]).count() as f64;
        let chance = ((44.0 - above) / tied).clamp(0.0, 1.0);
        called += chance;
        found += if run.labels[place] { chance } else { 0.0 };
    }
    assert!((metrics.precision_at_capacity.unwrap() - found / called).abs() < 1e-9);
    assert!((metrics.recall_at_capacity.unwrap() - found / metrics.positives as f64).abs() < 1e-9);
    assert!(html(&judged.summary).contains("A team that calls 10 accounts a week, 44 a month, those of highest"));
}
