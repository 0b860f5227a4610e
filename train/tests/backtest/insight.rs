//! What drives a target, on businesses whose law is known.

use std::sync::Arc;

use bellwether_features::label::{Event, Labels, TargetDefinition};
use bellwether_features::matrix::{Column, FeatureMatrix};
use bellwether_features::signal::{Direction, Family, SignalDefinition, Unit};
use bellwether_train::insight::{FeatureRole, Insights, Movement, Outcome, ProductAdoption, insights};
use bellwether_train::{Dataset, Silent, TrainError, backtest};
use chrono::{Days, Months};

use crate::world::{Stream, date, settings, target};

fn signal(name: &str, family: Family, text: &str) -> SignalDefinition {
    SignalDefinition {
        name: name.to_owned(),
        family,
        idea: format!("idea.{name}"),
        unit: Unit::Count,
        window_days: Some(28),
        table: "usage".to_owned(),
        text: text.to_owned(),
        null_text: None,
        churn: Direction::Unknown,
        expansion: Direction::Unknown,
        actionable: true,
        parameters: String::new(),
    }
}

const MONTHS: u32 = 30;

/// Accounts with a level of active days and of features used. Churn is 30 % a quarter below 10 active days and 4 % from 10
/// on, whatever the features; growth is 5 % below 4 features and 35 % from 4 on, whatever the days.
fn business(accounts: usize) -> Dataset {
    let mut random = Stream(11);
    let levels: Vec<(f64, f64)> = (0..accounts).map(|_| (random.uniform(), random.uniform())).collect();
    let mut columns: [Vec<f32>; 4] = Default::default();
    let (mut account_ids, mut as_of, mut truth) = (Vec::new(), Vec::new(), Vec::new());
    for month in 0..MONTHS {
        for (account, (days, features)) in levels.iter().enumerate() {
            let days = (24.0 * (0.7 * days + 0.3 * random.uniform())).floor();
            let features = (8.0 * (0.7 * features + 0.3 * random.uniform())).floor();
            account_ids.push(Arc::from(format!("account-{account:04}")));
            as_of.push(date("2022-01-01").checked_add_months(Months::new(month)).unwrap());
            truth.push((if days < 10.0 { 0.30 } else { 0.04 }, if features < 4.0 { 0.05 } else { 0.35 }));
            let values = [days, features, random.normal(), 100.0 + 900.0 * random.uniform()];
            columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value as f32));
        }
    }
    let data_end = date("2022-01-01").checked_add_months(Months::new(MONTHS)).unwrap();
    let mut draw = |definition: TargetDefinition, growth: bool| {
        let interval = Days::new(u64::from(definition.label_interval_days()));
        let values = as_of.iter().zip(&truth).map(|(day, (churn, grow))| {
            let happened = random.uniform() < if growth { *grow } else { *churn };
            (*day + interval <= data_end).then_some(happened)
        });
        let values: Vec<Option<bool>> = values.collect();
        Labels { target: definition, known_before: data_end, uplift: vec![None; values.len()], values }
    };
    let growth = Event::MrrIncrease { ratio: 1.05, min_absolute: 0.0 };
    let labels = vec![
        draw(target("churn_90d", 90, 14), false),
        draw(TargetDefinition { event: growth, ..target("expansion_60d", 60, 0) }, true),
    ];
    let signals = vec![
        signal("active_days", Family::Usage, "active days in the last 28 days: {value}"),
        signal("features", Family::Adoption, "features used in the last 28 days: {value}"),
        signal("noise", Family::Support, "noise: {value}"),
        signal("mrr", Family::Commercial, "MRR: {value}"),
    ];
    let columns = columns.into_iter().map(Column::Numeric).collect();
    Dataset::new(FeatureMatrix { account_ids, as_of, signals, columns }, labels).unwrap()
}

fn found(accounts: usize, learners: &[&str], adoption: Option<&ProductAdoption>) -> Insights {
    let data = business(accounts);
    let settings = settings("2023-01-01", "quarter", learners);
    let backtest = backtest(&data, &settings, &Silent).unwrap();
    insights(&data, &settings, &backtest, adoption).unwrap()
}

#[test]
fn the_threshold_of_the_law_is_found_and_each_family_leads_what_it_should() {
    let found = found(400, &["base_rate", "boosting"], None);
    let [churn, growth] = found.targets.as_slice() else { panic!("two targets") };
    assert_eq!((churn.outcome, growth.outcome), (Outcome::Loss, Outcome::Growth));
    for (told, signal, cut, falls) in [(churn, "active_days", 10.0, true), (growth, "features", 4.0, false)] {
        let first = &told.drivers.ideas[0];
        assert_eq!((first.signal.as_str(), first.actionable), (signal, true), "{:?}", told.drivers);
        assert!(first.share > 0.5 && first.importance.low > 0.0, "{first:?}");
        assert_eq!(first.movement, if falls { Movement::Falls } else { Movement::Rises });
        let step = told.shapes[0].threshold.as_ref().expect("a step");
        assert_eq!((step.value.value, step.text.as_str()), (cut, if falls { "10" } else { "4" }), "{step:?}");
        assert!(step.value.low <= cut && cut <= step.value.high);
        assert_eq!(step.change.value > 0.0, falls);
        // Shapley effects on the two sides of the only step lie as far apart as the law's rates.
        let law = if falls { 0.26 } else { 0.30 };
        assert!((step.change.value.abs() - law).abs() < 0.08, "{step:?}");
        let rows: usize = told.shapes[0].bins.iter().map(|bin| bin.rows).sum();
        assert_eq!(rows, told.drivers.rows);
    }
    let differs = |told: usize| found.targets[told].depth_and_breadth.clone().expect("both families");
    assert!(differs(0).difference.low > 0.1, "{:?}", differs(0));
    assert!(differs(1).difference.high < -0.1, "{:?}", differs(1));
    assert!(found.value_drivers.is_none());
}

#[test]
fn a_learner_without_steps_is_told_where_the_outcomes_change_and_how_early_each_signal_speaks() {
    let found = found(400, &["base_rate", "logistic"], None);
    for (told, signal, cut, falls) in [(0, "active_days", 10.0, true), (1, "features", 4.0, false)] {
        let told = &found.targets[told];
        let shape = &told.shapes[0];
        assert_eq!((shape.signal.as_str(), &shape.threshold), (signal, &None));
        let step = shape.observed_step.as_ref().expect("a step of the outcomes");
        assert!((step.value.value - cut).abs() <= 1.0, "{step:?}");
        assert_eq!((step.below > step.above, step.difference.value > 0.0), (falls, falls), "{step:?}");
        // Signal by signal, in the order of the drivers, each in the direction that the law has.
        let leads: Vec<&str> = told.signal_leads.iter().map(|lead| lead.signal.as_str()).collect();
        let drivers: Vec<&str> = told.drivers.ideas.iter().map(|driver| driver.signal.as_str()).collect();
        assert_eq!(leads, drivers);
        let first = &told.signal_leads[0];
        assert_eq!(first.rises, !falls);
        assert!(first.lead_weeks.is_some_and(|lead| lead.value >= 4.0), "{first:?}");
    }
}

#[test]
fn a_base_rate_has_no_drivers_and_other_rows_are_refused() {
    let found = found(120, &["base_rate"], None);
    assert!(found.targets.iter().all(|one| one.drivers.ideas.is_empty() && one.shapes.is_empty()));
    assert!(found.targets.iter().all(|one| one.signal_leads.is_empty()));
    let (data, other) = (business(120), business(60));
    let settings = settings("2023-01-01", "quarter", &["base_rate"]);
    let judged = backtest(&data, &settings, &Silent).unwrap();
    let refused = insights(&other, &settings, &judged, None);
    assert!(matches!(refused, Err(TrainError::Mismatch { field: "rows", .. })));
    let short = ProductAdoption { window_days: 90, features: vec!["a".to_owned()], adopted: vec![vec![true]] };
    let refused = insights(&data, &settings, &judged, Some(&short));
    assert!(matches!(refused, Err(TrainError::Mismatch { field: "product adoption", .. })));
}

#[test]
fn a_feature_of_those_who_stay_is_a_value_driver_and_one_that_all_have_is_not() {
    let data = business(400);
    let Column::Numeric(days) = &data.matrix().columns[0] else { panic!("a number") };
    let rows = data.rows();
    let adoption = ProductAdoption {
        window_days: 90,
        features: ["daily_board", "login", "coin", "rare"].map(str::to_owned).to_vec(),
        adopted: vec![
            days.iter().map(|days| *days >= 10.0).collect(),
            (0..rows).map(|row| !data.accounts()[row].is_multiple_of(10)).collect(),
            (0..rows).map(|row| data.accounts()[row].is_multiple_of(2)).collect(),
            (0..rows).map(|row| data.accounts()[row] < 5).collect(),
        ],
    };
    let found = found(400, &["base_rate"], Some(&adoption)).value_drivers.expect("features");
    let role = |name: &str| found.features.iter().find(|one| one.feature == name).map(|one| one.role);
    assert_eq!(role("daily_board"), Some(FeatureRole::ValueDriver), "{found:?}");
    assert_eq!(role("login"), Some(FeatureRole::TableStakes));
    assert_eq!(role("coin"), Some(FeatureRole::NotToldApart));
    assert_eq!((role("rare"), found.not_compared), (None, 1));
    assert_eq!((found.features[0].feature.as_str(), found.size.as_deref()), ("daily_board", Some("mrr")));
    // 4 % against 30 % leave: 26 points of retention.
    let effect = &found.features[0].effects[0];
    assert!(effect.adjusted.low <= 0.26 && 0.26 <= effect.adjusted.high, "{effect:?}");
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    let bytes = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| serde_json::to_vec(&found(100, &["base_rate", "logistic"], None)).unwrap())
    };
    assert!(bytes(1) == bytes(3));
}
