//! Rows with a known truth for the learners' tests, and a plain evaluator that shares no code with the scorer.
#![allow(dead_code)]

use bellwether_features::signal::{Direction, Family, SignalDefinition, Unit};
use bellwether_models::{
    FeatureBlock, Input, InputKind, LinearModel, MarginModel, Node, Signature, Transform, Tree, TreeEnsemble,
};
use bellwether_train::learner::TrainingRows;

/// Owned training rows.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) signature: Signature,
    pub(crate) signals: Vec<SignalDefinition>,
    pub(crate) block: FeatureBlock,
    pub(crate) labels: Vec<bool>,
    pub(crate) weights: Vec<f64>,
    pub(crate) accounts: Vec<u32>,
    pub(crate) as_of_days: Vec<i32>,
    pub(crate) truth: Vec<f64>,
    pub(crate) target: String,
}

impl World {
    pub(crate) fn rows(&self) -> TrainingRows<'_> {
        TrainingRows {
            signature: &self.signature,
            signals: &self.signals,
            block: &self.block,
            labels: &self.labels,
            weights: &self.weights,
            accounts: &self.accounts,
            as_of_days: &self.as_of_days,
            seed: 7,
            target: &self.target,
        }
    }

    /// Rows of given numeric columns; every row is an account of its own, dates ascend in 20 steps of 30 days.
    pub(crate) fn of_numbers(columns: Vec<Vec<f32>>, labels: Vec<bool>) -> Self {
        let rows = labels.len();
        let names: Vec<String> = (0..columns.len()).map(|column| format!("signal_{column}")).collect();
        Self {
            signature: Signature { inputs: names.iter().map(|name| input(name, InputKind::Numeric)).collect() },
            signals: names.iter().map(|name| signal(name, Direction::Unknown)).collect(),
            block: FeatureBlock { rows, numeric: columns, categories: Vec::new() },
            weights: vec![1.0; rows],
            accounts: (0..rows as u32).collect(),
            as_of_days: (0..rows).map(|row| 18_000 + 30 * (row * 20 / rows.max(1)) as i32).collect(),
            truth: Vec::new(),
            labels,
            target: "churn_90d".to_owned(),
        }
    }

    /// Adds a category after the numbers.
    pub(crate) fn with_category(mut self, name: &str, levels: &[&str], codes: Vec<u32>) -> Self {
        let levels = levels.iter().map(|level| (*level).to_owned()).collect();
        self.signature.inputs.push(input(name, InputKind::Category { levels }));
        self.signals.push(signal(name, Direction::Unknown));
        self.block.categories.push(codes);
        self
    }

    /// The rows of these indices, in their order.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let block = FeatureBlock {
            rows: rows.len(),
            numeric: self.block.numeric.iter().map(|column| pick(column, rows)).collect(),
            categories: self.block.categories.iter().map(|column| pick(column, rows)).collect(),
        };
        Self {
            block,
            labels: pick(&self.labels, rows),
            weights: pick(&self.weights, rows),
            accounts: pick(&self.accounts, rows),
            as_of_days: pick(&self.as_of_days, rows),
            truth: if self.truth.is_empty() { Vec::new() } else { pick(&self.truth, rows) },
            ..self.clone()
        }
    }
}

fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().map(|&row| values[row]).collect()
}

pub(crate) fn input(name: &str, kind: InputKind) -> Input {
    Input { name: name.to_owned(), kind, unit: "count".to_owned(), nullable: true, definition: String::new() }
}

pub(crate) fn signal(name: &str, churn: Direction) -> SignalDefinition {
    SignalDefinition {
        name: name.to_owned(),
        family: Family::Usage,
        idea: name.to_owned(),
        unit: Unit::Count,
        window_days: None,
        table: "usage".to_owned(),
        text: "{value}".to_owned(),
        null_text: None,
        churn,
        expansion: Direction::Unknown,
        actionable: true,
        parameters: String::new(),
    }
}

/// A stream of numbers, SplitMix64: the worlds are the same whatever version of rand is in use.
pub(crate) struct Stream(pub(crate) u64);

impl Stream {
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut state = self.0;
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((state ^ (state >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Signals of many shapes (normal, heavy-tailed counts, shares, missing values that mean something, pure noise) and a truth
/// with thresholds, interactions and a category, at a base rate near 7 %.
pub(crate) fn crooked_world(rows: usize, columns: usize, seed: u64) -> World {
    assert!(columns >= 8);
    let mut stream = Stream(seed);
    let mut numeric: Vec<Vec<f32>> = vec![Vec::with_capacity(rows); columns];
    let (mut codes, mut truth, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let row: Vec<f32> = (0..columns).map(|column| crooked_value(column, &mut stream)).collect();
        let code = (stream.uniform() * 5.0) as u32;
        let p = crooked_truth(&row, code);
        labels.push(stream.uniform() < p);
        truth.push(p);
        codes.push(code);
        numeric.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let world = World::of_numbers(numeric, labels).with_category("segment", &["a", "b", "c"], codes);
    World { truth, ..world }
}

fn crooked_value(column: usize, stream: &mut Stream) -> f32 {
    let value = match column % 4 {
        0 => stream.normal(),
        1 => (1.5 * stream.normal() + 2.0).exp().floor(),
        2 => stream.uniform(),
        _ => stream.normal() * 3.0,
    };
    if column % 4 == 3 && stream.uniform() < 0.2 { f32::NAN } else { value as f32 }
}

fn crooked_truth(row: &[f32], code: u32) -> f64 {
    let log_count = f64::from(row[1].ln_1p());
    let missing = row[3].is_nan();
    let step = if row[0] > 0.5 && row[2] < 0.3 { 1.6 } else { 0.0 };
    let bend = 0.8 * (f64::from(row[4]).abs() - 0.8);
    let late = if missing { 0.9 } else { 0.12 * f64::from(row[3]) };
    let level = if code == 1 { 0.8 } else { 0.0 };
    let small: f64 = row.iter().skip(5).step_by(4).map(|x| 0.1 * f64::from(x.ln_1p() - 2.0)).sum();
    let margin = -3.3 - 0.5 * (log_count - 2.0) + step + bend + late + level + small / 2.0;
    1.0 / (1.0 + (-margin).exp())
}

/// The margin of one row, written from the model types' documentation alone.
pub(crate) fn margin(model: &MarginModel, world: &World, row: usize) -> f64 {
    let design = design_row(world, row);
    match model {
        MarginModel::Linear(linear) => linear_margin(linear, &design),
        MarginModel::Trees(trees) => trees_margin(trees, &design),
        MarginModel::Graph(_) => panic!("no learner makes one"),
    }
}

pub(crate) fn probabilities(model: &MarginModel, world: &World) -> Vec<f64> {
    (0..world.block.rows).map(|row| 1.0 / (1.0 + (-margin(model, world, row)).exp())).collect()
}

pub(crate) fn design_row(world: &World, row: usize) -> Vec<f32> {
    let mut design: Vec<f32> = world.block.numeric.iter().map(|column| column[row]).collect();
    let mut categories = world.block.categories.iter();
    for input in &world.signature.inputs {
        if let InputKind::Category { levels } = &input.kind {
            let code = categories.next().map_or(0, |codes| codes[row] as usize);
            design.extend((0..=levels.len()).map(|level| if level == code { 1.0 } else { 0.0 }));
        }
    }
    design
}

fn linear_margin(model: &LinearModel, design: &[f32]) -> f64 {
    let mut sum = model.intercept;
    for term in &model.terms {
        let raw = design[term.column];
        let x = if raw.is_nan() { term.fill } else { f64::from(raw) };
        let transformed = match term.transform {
            Transform::Identity => x,
            Transform::SignedLog if x < 0.0 => -(1.0 - x).ln(),
            Transform::SignedLog => (1.0 + x).ln(),
            Transform::IsMissing => f64::from(u8::from(raw.is_nan())),
        };
        sum += term.weight * (transformed.max(term.lower).min(term.upper) - term.center) / term.scale;
    }
    sum
}

fn trees_margin(model: &TreeEnsemble, design: &[f32]) -> f64 {
    let filled = |column: usize| match &model.fill {
        Some(fill) if design[column].is_nan() => fill[column],
        _ => design[column],
    };
    let mut sum = f64::from(model.base);
    for tree in &model.trees {
        if let Node::Leaf { value, .. } = tree.nodes[leaf_of(tree, &filled)] {
            sum += f64::from(value);
        }
    }
    sum
}

pub(crate) fn leaf_of(tree: &Tree, value: &dyn Fn(usize) -> f32) -> usize {
    let mut at = 0;
    loop {
        match tree.nodes[at] {
            Node::Leaf { .. } => return at,
            Node::Split { column, threshold, missing_left, left, right, .. } => {
                let x = value(column as usize);
                let goes_left = if x.is_nan() { missing_left } else { x <= threshold };
                at = if goes_left { left as usize } else { right as usize };
            }
        }
    }
}

pub(crate) fn trees(model: &MarginModel) -> &TreeEnsemble {
    match model {
        MarginModel::Trees(trees) => trees,
        MarginModel::Linear(_) | MarginModel::Graph(_) => panic!("expected trees"),
    }
}

pub(crate) fn linear(model: &MarginModel) -> &LinearModel {
    match model {
        MarginModel::Linear(linear) => linear,
        MarginModel::Trees(_) | MarginModel::Graph(_) => panic!("expected a linear model"),
    }
}
