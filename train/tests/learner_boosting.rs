//! Boosting against a slow, exact search that shares no code with it, and the laws it must obey.

mod learner_world;

use bellwether_features::signal::Direction;
use bellwether_models::{MarginModel, Node};
use bellwether_train::learner::{BoostingParameters, Learner, LearnerKind};
use bellwether_train::metric::log_loss;
use learner_world::{Stream, World, crooked_world, design_row, leaf_of, margin, probabilities, signal, trees};
use proptest::prelude::*;

/// One tree, whole columns, no shrinkage of what is found: what the slow search below computes.
fn plain(leaves: usize) -> BoostingParameters {
    BoostingParameters {
        max_rounds: 1,
        rounds_without_stopping: 1,
        rate: 1.0,
        max_leaves: leaves,
        min_rows_per_leaf: 3,
        min_hessian_per_leaf: 0.0,
        l2: 1.0,
        column_share: 1.0,
        account_share: 1.0,
        line: false,
        bags: 1,
        stopping_share: 0.0,
        ..BoostingParameters::default()
    }
}

fn fit(parameters: BoostingParameters, world: &World) -> MarginModel {
    let fitted = parameters.check().and_then(|learner| learner.fit(&world.rows()));
    fitted.unwrap_or_else(|error| panic!("{error}"))
}

/// Tries every distinct value of every design column, and missing values on both sides; doubles throughout.
fn slow_best_gain(world: &World, least_rows: usize, l2: f64) -> f64 {
    let total: f64 = world.weights.iter().sum();
    let positive: f64 = world.weights.iter().zip(&world.labels).filter(|(_, label)| **label).map(|(w, _)| w).sum();
    let p = positive / total;
    let design: Vec<Vec<f32>> = (0..world.labels.len()).map(|row| design_row(world, row)).collect();
    let score = |members: &[usize]| {
        let g: f64 = members.iter().map(|&row| world.weights[row] * (p - f64::from(u8::from(world.labels[row])))).sum();
        let h: f64 = members.iter().map(|&row| world.weights[row] * p * (1.0 - p)).sum();
        g * g / (h + l2)
    };
    let all: Vec<usize> = (0..world.labels.len()).collect();
    let mut best = 0.0_f64;
    for column in 0..design[0].len() {
        for cut in design.iter().map(|row| row[column]).filter(|value| !value.is_nan()) {
            for missing_left in [true, false] {
                let goes_left = |row: &usize| {
                    let value = design[*row][column];
                    if value.is_nan() { missing_left } else { value <= cut }
                };
                let (left, right): (Vec<usize>, Vec<usize>) = all.iter().partition(|row| goes_left(row));
                if left.len() >= least_rows && right.len() >= least_rows {
                    best = best.max(score(&left) + score(&right) - score(&all));
                }
            }
        }
    }
    best
}

/// Gain of a two-leaf tree as it was exported, from the rows that its leaves hold and their values.
fn gain_of_first_split(world: &World, model: &MarginModel, l2: f64) -> f64 {
    let Some(tree) = trees(model).trees.first().filter(|tree| tree.nodes.len() == 3) else { return 0.0 };
    let p = 1.0 / (1.0 + (-f64::from(trees(model).base)).exp());
    let mut sums = [(0.0, 0.0); 3];
    for row in 0..world.labels.len() {
        let design = design_row(world, row);
        let g = world.weights[row] * (p - f64::from(u8::from(world.labels[row])));
        let h = world.weights[row] * p * (1.0 - p);
        for node in [0, leaf_of(tree, &|column| design[column])] {
            sums[node] = (sums[node].0 + g, sums[node].1 + h);
        }
    }
    for (node, sum) in sums.iter().enumerate().skip(1) {
        if let Node::Leaf { value, .. } = tree.nodes[node] {
            assert!((f64::from(value) + sum.0 / (sum.1 + l2)).abs() < 1e-5, "a leaf is -G / (H + l2)");
        }
    }
    let score = |(g, h): (f64, f64)| g * g / (h + l2);
    score(sums[1]) + score(sums[2]) - score(sums[0])
}

fn small_world(rows: usize, seed: u64) -> World {
    let mut stream = Stream(seed);
    let column = |stream: &mut Stream, steps: f64, missing: f64| -> Vec<f32> {
        let value = |stream: &mut Stream| {
            let known = (stream.uniform() * steps).floor() as f32 / 4.0;
            if stream.uniform() < missing { f32::NAN } else { known }
        };
        (0..rows).map(|_| value(stream)).collect()
    };
    let numeric = vec![column(&mut stream, 5.0, 0.0), column(&mut stream, 60.0, 0.3), column(&mut stream, 3.0, 0.5)];
    let mut labels: Vec<bool> = (0..rows).map(|_| stream.uniform() < 0.3).collect();
    (labels[0], labels[1]) = (true, false);
    let codes = (0..rows).map(|_| (stream.uniform() * 5.0) as u32).collect();
    let weights = (0..rows).map(|_| 0.5 + stream.uniform()).collect();
    World { weights, ..World::of_numbers(numeric, labels).with_category("plan", &["x", "y", "z"], codes) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_first_split_is_the_best_there_is(rows in 8_usize..60, seed in any::<u64>()) {
        let world = small_world(rows, seed);
        let found = gain_of_first_split(&world, &fit(plain(2), &world), 1.0);
        let best = slow_best_gain(&world, 3, 1.0);
        prop_assert!((found - best).abs() < 1e-5 * (1.0 + best), "found {}, best {}", found, best);
    }

    #[test]
    fn covers_are_counts_of_the_rows(rows in 30_usize..200, seed in any::<u64>(), account_share in 0.3_f64..1.0) {
        let world = small_world(rows, seed);
        let parameters = BoostingParameters { max_rounds: 4, rounds_without_stopping: 4, account_share, ..plain(6) };
        for tree in &trees(&fit(parameters, &world)).trees {
            let mut counted = vec![0.0_f32; tree.nodes.len()];
            for row in 0..rows {
                let design = design_row(&world, row);
                counted[leaf_of(tree, &|column| design[column])] += 1.0;
            }
            for at in (0..tree.nodes.len()).rev() {
                match tree.nodes[at] {
                    Node::Leaf { cover, .. } => prop_assert_eq!(counted[at], cover),
                    Node::Split { left, right, cover, .. } => {
                        prop_assert!(left as usize > at && right as usize > at);
                        counted[at] = counted[left as usize] + counted[right as usize];
                        prop_assert_eq!(counted[at], cover);
                    }
                }
            }
        }
    }
}

/// Every bit of a model.
fn bytes(model: &MarginModel) -> Vec<u8> {
    let ensemble = trees(model);
    let mut bytes = ensemble.base.to_le_bytes().to_vec();
    for node in ensemble.trees.iter().flat_map(|tree| &tree.nodes) {
        match *node {
            Node::Leaf { value, cover } => bytes.extend([value, cover].into_iter().flat_map(f32::to_le_bytes)),
            Node::Split { column, threshold, missing_left, left, right, cover } => {
                bytes.extend([column, left, right, u32::from(missing_left)].into_iter().flat_map(u32::to_le_bytes));
                bytes.extend([threshold, cover].into_iter().flat_map(f32::to_le_bytes));
            }
        }
    }
    bytes
}

#[test]
fn threads_change_nothing() {
    let world = crooked_world(9_000, 16, 3);
    let parameters = BoostingParameters { max_rounds: 40, account_share: 0.8, ..BoostingParameters::default() };
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        bytes(&pool.install(|| fit(parameters, &world)))
    };
    let one = with_threads(1);
    assert!(one.len() > 1_000);
    assert_eq!(one, with_threads(2));
    assert_eq!(one, with_threads(4));
}

#[test]
fn another_seed_gives_another_model() {
    let world = crooked_world(3_000, 16, 3);
    let parameters = BoostingParameters { max_rounds: 5, ..BoostingParameters::default() };
    let other = World { ..world.clone() };
    let learner = parameters.check().unwrap();
    let first = learner.fit(&world.rows()).unwrap();
    let mut rows = other.rows();
    rows.seed = 8;
    assert_ne!(bytes(&first), bytes(&learner.fit(&rows).unwrap()));
}

#[test]
fn crooked_truth_is_learned_better_than_by_a_line() {
    let world = crooked_world(16_000, 12, 5);
    let (fit_rows, judge_rows): (Vec<usize>, Vec<usize>) = (0..16_000).partition(|row| *row < 12_000);
    let (training, judged) = (world.select(&fit_rows), world.select(&judge_rows));
    let loss = |kind: LearnerKind| {
        let model = kind.learner().fit(&training.rows()).unwrap();
        log_loss(&judged.labels, &probabilities(&model, &judged)).unwrap()
    };
    let truth = log_loss(&judged.labels, &judged.truth).unwrap();
    let (base, line, boosted) = (loss(LearnerKind::BaseRate), loss(LearnerKind::Logistic), loss(LearnerKind::Boosting));
    assert!(boosted < line - 0.01 && line < base, "truth {truth} boosting {boosted} logistic {line} base {base}");
    assert!(boosted - truth < 0.35 * (base - truth), "truth {truth} boosting {boosted} base {base}");
}

/// Where the columns decide, the careful setting stops short of it and the bold one does not; where they say little, the
/// bold one is not taken.
#[test]
fn the_bold_setting_is_taken_where_the_columns_decide() {
    let mut stream = Stream(33);
    let columns: Vec<Vec<f32>> = (0..6).map(|_| (0..6_000).map(|_| stream.normal() as f32).collect()).collect();
    let decided = (0..6_000).map(|row| {
        let field = |column: usize| (1.3 * columns[column][row]).floor() as i32;
        (field(0) + field(1)).rem_euclid(2) == 0
    });
    let world = World::of_numbers(columns.clone(), decided.collect());
    let (fit_rows, judge_rows): (Vec<usize>, Vec<usize>) = (0..6_000).partition(|row| row % 3 > 0);
    let (training, judged) = (world.select(&fit_rows), world.select(&judge_rows));
    let loss = |settings: usize| {
        let model = fit(BoostingParameters { settings, ..BoostingParameters::default() }, &training);
        log_loss(&judged.labels, &probabilities(&model, &judged)).unwrap()
    };
    let (careful, both) = (loss(1), loss(2));
    assert!(both < 0.9 * careful, "careful {careful}, both {both}");

    let uncertain = crooked_world(2_000, 8, 6);
    let of =
        |settings: usize| bytes(&fit(BoostingParameters { settings, ..BoostingParameters::default() }, &uncertain));
    assert_eq!(of(1), of(2));
}

#[test]
fn noise_is_left_alone() {
    let mut stream = Stream(21);
    let columns = (0..10).map(|_| (0..4_000).map(|_| stream.normal() as f32).collect()).collect();
    let labels: Vec<bool> = (0..4_000).map(|_| stream.uniform() < 0.05).collect();
    let world = World::of_numbers(columns, labels);
    let model = LearnerKind::Boosting.learner().fit(&world.rows()).unwrap();
    assert!(trees(&model).trees.len() < 40, "{} trees on pure noise", trees(&model).trees.len());
}

#[test]
fn what_is_missing_tells() {
    let mut stream = Stream(4);
    let missing: Vec<bool> = (0..2_000).map(|_| stream.uniform() < 0.4).collect();
    let values = missing.iter().map(|gone| if *gone { f32::NAN } else { stream.uniform().round() as f32 }).collect();
    let labels = missing.iter().map(|gone| stream.uniform() < if *gone { 0.6 } else { 0.1 }).collect();
    let world = World::of_numbers(vec![values], labels);
    let model = fit(plain(2), &world);
    let Node::Split { threshold, missing_left, .. } = trees(&model).trees[0].nodes[0] else { panic!("no split") };
    assert!(threshold == f32::MAX && !missing_left, "known against missing");
    let at = |gone: bool| margin(&model, &world, missing.iter().position(|is| *is == gone).unwrap());
    assert!(at(true) > at(false) + 1.0);
}

#[test]
fn a_weight_of_two_is_two_rows() {
    let world = small_world(150, 9);
    let doubled = |row: &usize| row.is_multiple_of(3);
    let twice: Vec<usize> = (0..150).flat_map(|row| std::iter::repeat_n(row, 1 + usize::from(doubled(&row)))).collect();
    let even = World { weights: vec![1.0; 150], ..world.clone() };
    let weighted = World { weights: (0..150).map(|row| if doubled(&row) { 2.0 } else { 1.0 }).collect(), ..world };
    let parameters = BoostingParameters { min_rows_per_leaf: 1, min_hessian_per_leaf: 2.0, ..plain(4) };
    let (by_weight, by_rows) = (fit(parameters, &weighted), fit(parameters, &even.select(&twice)));
    for row in 0..150 {
        let (a, b) = (margin(&by_weight, &weighted, row), margin(&by_rows, &weighted, row));
        assert!((a - b).abs() < 1e-5, "row {row}: {a} {b}");
    }
}

#[test]
fn expected_directions_hold_when_asked_for() {
    let mut stream = Stream(12);
    let columns: Vec<Vec<f32>> = (0..3).map(|_| (0..3_000).map(|_| stream.uniform() as f32).collect()).collect();
    let wave =
        |row: usize| (9.0 * f64::from(columns[0][row])).sin() + 2.0 * f64::from(columns[0][row] - columns[1][row]);
    let labels: Vec<bool> = (0..3_000).map(|row| stream.uniform() < 1.0 / (1.0 + (0.5 - wave(row)).exp())).collect();
    let mut world = World::of_numbers(columns, labels);
    world.signals[0] = signal("signal_0", Direction::Up);
    world.signals[1] = signal("signal_1", Direction::Down);
    let falls = |model: &MarginModel, column: usize, sign: f64| {
        let mut worst = 0.0_f64;
        for row in (0..3_000).step_by(60) {
            let mut one = world.select(&[row]);
            let mut last = f64::NEG_INFINITY;
            for step in 0..=100 {
                one.block.numeric[column][0] = step as f32 / 100.0;
                let now = sign * margin(model, &one, 0);
                worst = worst.max(last - now);
                last = now;
            }
        }
        worst
    };
    let free = BoostingParameters { max_rounds: 60, stopping_share: 0.0, ..BoostingParameters::default() };
    let model = fit(free, &world);
    assert!(falls(&model, 0, 1.0) > 0.2, "the truth is not monotone, and a free model follows it");
    let model = fit(BoostingParameters { monotone: true, ..free }, &world);
    assert!(falls(&model, 0, 1.0) < 1e-6 && falls(&model, 1, -1.0) < 1e-6);
    assert!(trees(&model).trees.iter().any(|tree| tree.nodes.len() > 3));
}

#[test]
fn constant_columns_and_few_rows_give_the_base_rate() {
    let world = World::of_numbers(vec![vec![1.0; 30], vec![f32::NAN; 30]], (0..30).map(|row| row % 3 == 0).collect());
    let model = LearnerKind::Boosting.learner().fit(&world.rows()).unwrap();
    assert!((margin(&model, &world, 4) + 2_f64.ln()).abs() < 1e-6);
}
