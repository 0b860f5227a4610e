//! The simpler learners, and what holds for all of them.

mod learner_world;

use bellwether_models::{MarginModel, Node, Transform};
use bellwether_train::learner::rules::{GROWTH_TABLE, RISK_TABLE};
use bellwether_train::learner::{
    BoostingParameters, ForestParameters, LearnError, Learner, LearnerKind, LogisticParameters,
};
use bellwether_train::metric::{log_loss, roc_auc};
use learner_world::{Stream, World, crooked_world, linear, margin, probabilities, trees};

#[test]
fn the_base_rate_is_weighted() {
    let mut world = World::of_numbers(vec![vec![1.0; 4]], vec![true, false, false, false]);
    world.weights = vec![3.0, 1.0, 1.0, 1.0];
    let model = LearnerKind::BaseRate.learner().fit(&world.rows()).unwrap();
    assert_eq!(margin(&model, &world, 0), 0.0);
    assert!(linear(&model).terms.is_empty());
}

#[test]
fn every_learner_refuses_rows_that_do_not_fit_together() {
    let world = crooked_world(300, 8, 1);
    for kind in LearnerKind::ALL {
        let learner = kind.learner();
        let mut rows = world.rows();
        rows.labels = &world.labels[1..];
        let found = learner.fit(&rows);
        assert!(matches!(found, Err(LearnError::Shape { what: "labels", expected: 300, found: 299, .. })), "{kind}");
        let mut broken = world.clone();
        broken.weights[5] = 0.0;
        assert!(matches!(learner.fit(&broken.rows()), Err(LearnError::Weight { row: 5, .. })), "{kind}");
        let never = World { labels: vec![false; 300], ..world.clone() };
        let found = learner.fit(&never.rows());
        assert!(
            kind == LearnerKind::HealthScore || matches!(found, Err(LearnError::TooFew { positives: 0, .. })),
            "{kind}"
        );
    }
}

#[test]
fn every_learner_gives_the_same_model_again() {
    let mut world = crooked_world(1_500, 8, 2);
    world.signature.inputs[2].name = "usage_active_day_share_90d".to_owned();
    for kind in LearnerKind::ALL {
        let fit = || kind.learner().fit(&world.rows()).unwrap();
        assert_eq!(fit(), fit(), "{kind}");
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let named =
        |error: LearnError, name: &str| matches!(error, LearnError::Parameter { parameter, .. } if parameter == name);
    let boosting = BoostingParameters::default();
    assert!(named(BoostingParameters { rate: -0.1, ..boosting }.check().unwrap_err(), "rate"));
    assert!(named(BoostingParameters { rate: 1.5, ..boosting }.check().unwrap_err(), "rate"));
    assert!(named(BoostingParameters { max_leaves: 1, ..boosting }.check().unwrap_err(), "max_leaves"));
    assert!(named(BoostingParameters { max_bins: 256, ..boosting }.check().unwrap_err(), "max_bins"));
    assert!(named(BoostingParameters { l2: f64::NAN, ..boosting }.check().unwrap_err(), "l2"));
    assert!(named(ForestParameters { trees: 0, ..ForestParameters::default() }.check().unwrap_err(), "trees"));
    let logistic = LogisticParameters { inverse_penalty: Some(-1.0), ..LogisticParameters::default() };
    assert!(named(logistic.check().unwrap_err(), "inverse_penalty"));
    assert_eq!(BoostingParameters::default().check().unwrap(), Default::default());
    assert_eq!(ForestParameters::default().check().unwrap(), Default::default());
    assert_eq!(LogisticParameters::default().check().unwrap(), Default::default());
}

/// A world with the named signals as columns.
fn named_world(target: &str, columns: &[(&str, Vec<f32>)]) -> World {
    let rows = columns[0].1.len();
    let labels = (0..rows).map(|row| row % 2 == 0).collect();
    let mut world = World::of_numbers(columns.iter().map(|(_, values)| values.clone()).collect(), labels);
    for (input, (name, _)) in world.signature.inputs.iter_mut().zip(columns) {
        input.name = (*name).to_owned();
    }
    world.target = target.to_owned();
    world
}

#[test]
fn the_health_score_is_its_table() {
    for table in [&RISK_TABLE[..], &GROWTH_TABLE[..]] {
        assert_eq!(table.iter().map(|line| line.points).sum::<f64>(), 100.0);
        assert!(table.iter().all(|line| line.lower < line.upper));
    }
    // 15 points for days since last use and 15 for NPS: alone they share 100 points, half each.
    let columns = [
        ("usage_days_since_last", vec![30.0, 0.0, f32::NAN, 90.0]),
        ("nps_latest_score", vec![0.0, 10.0, f32::NAN, 5.0]),
        ("unrelated", vec![1.0; 4]),
    ];
    let world = named_world("churn_90d", &columns);
    let model = LearnerKind::HealthScore.learner().fit(&world.rows()).unwrap();
    let scores: Vec<f64> = (0..4).map(|row| 50.0 + 10.0 * margin(&model, &world, row)).collect();
    for (found, expected) in scores.iter().zip([100.0, 0.0, 50.0, 75.0]) {
        assert!((found - expected).abs() < 1e-9, "{scores:?}");
    }
    assert_eq!(linear(&model).terms[0].mean, (1.0 + 0.0 + 0.5 + 1.0) / 4.0);
    let growth = named_world("expansion_60d", &columns);
    let model = LearnerKind::HealthScore.learner().fit(&growth.rows()).unwrap();
    assert!(margin(&model, &growth, 1) > margin(&model, &growth, 0), "goodwill speaks for expansion");
    let without = named_world("churn_90d", &columns[2..]);
    let found = LearnerKind::HealthScore.learner().fit(&without.rows());
    assert!(matches!(found, Err(LearnError::Failed { learner: "health_score", .. })));
}

#[test]
fn logistic_finds_a_known_line_whichever_class_comes_first() {
    for positive_first in [true, false] {
        let mut stream = Stream(31);
        let columns: Vec<Vec<f32>> = (0..3).map(|_| (0..20_000).map(|_| stream.normal() as f32).collect()).collect();
        let truth = |row: usize| -1.0 + 1.5 * f64::from(columns[0][row]) - 0.7 * f64::from(columns[1][row]);
        let mut labels: Vec<bool> =
            (0..20_000).map(|row| stream.uniform() < 1.0 / (1.0 + (-truth(row)).exp())).collect();
        labels[0] = positive_first;
        let world = World::of_numbers(columns.clone(), labels);
        let parameters = LogisticParameters { inverse_penalty: Some(100.0), ..LogisticParameters::default() };
        let model = parameters.check().unwrap().fit(&world.rows()).unwrap();
        let slopes: Vec<f64> = linear(&model).terms.iter().map(|term| term.weight / term.scale).collect();
        for (found, expected) in slopes.iter().zip([1.5, -0.7, 0.0]) {
            assert!((found - expected).abs() < 0.1, "{slopes:?}");
        }
        assert!(linear(&model).terms.iter().all(|term| term.mean.abs() < 1e-9), "standardised columns have mean 0");
    }
}

#[test]
fn logistic_prepares_its_columns_from_the_rows() {
    let mut stream = Stream(5);
    let rows = 4_000;
    let heavy: Vec<f32> = (0..rows).map(|_| (2.0 * stream.normal() + 2.0).exp() as f32).collect();
    let gone: Vec<bool> = (0..rows).map(|_| stream.uniform() < 0.3).collect();
    let holed: Vec<f32> = gone.iter().map(|gone| if *gone { f32::NAN } else { stream.uniform() as f32 }).collect();
    let labels = gone.iter().map(|gone| stream.uniform() < if *gone { 0.5 } else { 0.1 }).collect();
    let codes = (0..rows as u32).map(|row| row % 2).collect();
    let world =
        World::of_numbers(vec![heavy, holed, vec![3.0; rows]], labels).with_category("plan", &["a", "b"], codes);
    let model = LearnerKind::Logistic.learner().fit(&world.rows()).unwrap();
    let terms = &linear(&model).terms;
    let shape: Vec<(usize, Transform)> = terms.iter().map(|term| (term.column, term.transform)).collect();
    let expected = [
        (0, Transform::SignedLog),
        (1, Transform::Identity),
        (1, Transform::IsMissing),
        (3, Transform::Identity),
        (4, Transform::Identity),
    ];
    assert_eq!(shape, expected, "the constant column and the level never seen are left out");
    assert!(terms[2].weight > 0.5, "missing speaks for the outcome: {}", terms[2].weight);
    assert!(terms.iter().all(|term| term.scale > 0.0 && term.lower < term.upper));
}

#[test]
fn logistic_moves_its_base_rate_to_the_weights() {
    let mut stream = Stream(6);
    let columns = vec![(0..3_000).map(|_| stream.normal() as f32).collect::<Vec<f32>>()];
    let labels: Vec<bool> = (0..3_000).map(|_| stream.uniform() < 0.1).collect();
    let mut world = World::of_numbers(columns, labels.clone());
    let flat = LearnerKind::Logistic.learner().fit(&world.rows()).unwrap();
    world.weights = labels.iter().map(|label| if *label { 4.0 } else { 1.0 }).collect();
    let weighted = LearnerKind::Logistic.learner().fit(&world.rows()).unwrap();
    let moved = linear(&weighted).intercept - linear(&flat).intercept;
    // Two fits, each converged to three digits.
    assert!((moved - 4_f64.ln()).abs() < 1e-3, "{moved}");
}

#[test]
fn the_forest_forecasts_probabilities_and_counts_its_rows() {
    let world = crooked_world(4_000, 8, 8);
    let (fit_rows, judge_rows): (Vec<usize>, Vec<usize>) = (0..4_000).partition(|row| row % 4 != 0);
    let (training, judged) = (world.select(&fit_rows), world.select(&judge_rows));
    let parameters = ForestParameters { trees: 20, ..ForestParameters::default() };
    let model = parameters.check().unwrap().fit(&training.rows()).unwrap();
    let forecast: Vec<f64> = (0..judged.labels.len()).map(|row| margin(&model, &judged, row)).collect();
    assert!(forecast.iter().all(|p| (-1e-6..=1.0 + 1e-6).contains(p)));
    assert!(roc_auc(&judged.labels, &forecast).unwrap() > 0.7);
    let base = log_loss(&judged.labels, &vec![0.08; forecast.len()]).unwrap();
    let clipped: Vec<f64> = forecast.iter().map(|p| p.clamp(0.001, 0.999)).collect();
    assert!(log_loss(&judged.labels, &clipped).unwrap() < base);
    let ensemble = trees(&model);
    assert_eq!(ensemble.fill.as_ref().map(Vec::len), Some(12));
    assert_eq!(ensemble.trees.len(), 20);
    for tree in &ensemble.trees {
        for node in &tree.nodes {
            if let Node::Split { left, right, cover, .. } = node {
                let of = |at: &u32| match tree.nodes[*at as usize] {
                    Node::Leaf { cover, .. } | Node::Split { cover, .. } => cover,
                };
                assert_eq!(of(left) + of(right), *cover);
            }
        }
    }
}

#[test]
fn boosting_forecasts_calibrated_probabilities_on_fresh_rows() {
    let world = crooked_world(12_000, 10, 15);
    let (fit_rows, judge_rows): (Vec<usize>, Vec<usize>) = (0..12_000).partition(|row| row % 3 != 0);
    let (training, judged) = (world.select(&fit_rows), world.select(&judge_rows));
    let model = LearnerKind::Boosting.learner().fit(&training.rows()).unwrap();
    let forecast = probabilities(&model, &judged);
    let ratio = bellwether_train::metric::observed_over_expected(&judged.labels, &forecast).unwrap();
    assert!((0.85..1.15).contains(&ratio), "observed over expected {ratio}");
    assert!(matches!(model, MarginModel::Trees(_)));
}
