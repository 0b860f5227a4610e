//! A bundle of trees that another program has grown, for benchmarks: `bundle_of_trees trees.json FOLDER`.
//!
//! The JSON holds the names of the numeric columns, some rows of each (for the reference), and per target the trees, each
//! a list of nodes with children after their parent (see `benches/infer/compare.py`).

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use bellwether_models::bundle::{TargetInfo, TargetRows, TrainingInfo};
use bellwether_models::policy::{BandCutoffs, Roles};
use bellwether_models::{
    BundleContents, Calibration, Curve, Direction, FeatureBlock, Head, HeadsScorer, Input, InputKind, MarginModel,
    Node, PiecewiseLinear, Policy, Reference, SignalCard, Signature, Tree, TreeEnsemble, Unit, write_bundle,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Grown {
    columns: Vec<String>,
    sample: Vec<Vec<Option<f32>>>,
    heads: Vec<GrownHead>,
}

#[derive(Deserialize)]
struct GrownHead {
    target: String,
    trees: Vec<Vec<GrownNode>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GrownNode {
    Split { column: u32, threshold: f32, left: u32, right: u32, missing_left: bool, cover: f32 },
    Leaf { value: f32, cover: f32 },
}

impl From<&GrownNode> for Node {
    fn from(node: &GrownNode) -> Self {
        match *node {
            GrownNode::Split { column, threshold, left, right, missing_left, cover } => {
                Self::Split { column, threshold, missing_left, left, right, cover }
            }
            GrownNode::Leaf { value, cover } => Self::Leaf { value, cover },
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, folder] = arguments.as_slice() else { return Err("usage: bundle_of_trees trees.json FOLDER".into()) };
    let grown: Grown = serde_json::from_slice(&std::fs::read(input)?)?;
    write_bundle(Path::new(folder), 1, &contents(&grown)?)?;
    Ok(())
}

fn head(grown: &GrownHead) -> Head {
    let trees = grown.trees.iter().map(|nodes| Tree { nodes: nodes.iter().map(Node::from).collect() }).collect();
    // The margin is the log-odds, and nothing is known of how sure it is.
    let calibration = Calibration {
        point: Curve::Logistic { slope: 1.0, intercept: 0.0 },
        low: PiecewiseLinear::constant(1.0),
        high: PiecewiseLinear::constant(0.0),
    };
    let margin = MarginModel::Trees(TreeEnsemble { trees, base: 0.0, fill: None });
    Head { target: grown.target.clone(), margin, calibration }
}

fn contents(grown: &Grown) -> Result<BundleContents, Box<dyn Error>> {
    let number = |name: &String| Input {
        name: name.clone(),
        kind: InputKind::Numeric,
        unit: "count".to_owned(),
        nullable: true,
        definition: String::new(),
    };
    let signature = Signature { inputs: grown.columns.iter().map(number).collect() };
    let heads: Vec<Head> = grown.heads.iter().map(head).collect();
    let rows = grown.sample.first().map_or(0, Vec::len);
    let known = |column: &Vec<Option<f32>>| column.iter().map(|value| value.unwrap_or(f32::NAN)).collect();
    let block = FeatureBlock::new(&signature, rows, grown.sample.iter().map(known).collect(), Vec::new())?;
    let scores = HeadsScorer::new(&signature, &heads)?.score(&block)?;
    let outputs: Vec<(&str, &[f64])> =
        heads.iter().zip(&scores).map(|(head, scores)| (head.target.as_str(), scores.probability.as_slice())).collect();
    let reference = Reference::from_block(&signature, &block, &outputs)?;
    let targets: Vec<&str> = heads.iter().map(|head| head.target.as_str()).collect();
    let counts = TargetRows { rows: rows as u64, positives: 0 };
    Ok(BundleContents {
        name: "trees".to_owned(),
        targets: targets.iter().map(|target| info(target)).collect(),
        signals: signature.inputs.iter().map(card).collect(),
        policy: policy(grown, &targets),
        training: TrainingInfo {
            first_as_of: "2024-01-31".parse()?,
            last_as_of: "2025-06-30".parse()?,
            rows: rows as u64,
            targets: targets.iter().map(|target| ((*target).to_owned(), counts)).collect(),
            seed: 1,
            flags: Vec::new(),
        },
        data_digest: "0".repeat(64),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        backtest: serde_json::json!({}),
        model_card: "# trees\n".to_owned(),
        report_html: "<p>trees</p>\n".to_owned(),
        heads,
        reference,
        signature,
    })
}

fn info(target: &str) -> TargetInfo {
    let (text, learner) = (format!("the account's {target}"), "trees of another program".to_owned());
    TargetInfo { name: target.to_owned(), text, horizon_days: 90, learner }
}

fn card(input: &Input) -> SignalCard {
    SignalCard {
        name: input.name.clone(),
        family: "usage".to_owned(),
        idea: format!("idea.{}", input.name),
        unit: Unit::Count,
        window_days: None,
        text: format!("{}: {{value}}", input.name),
        null_text: None,
        churn: Direction::Unknown,
        expansion: Direction::Unknown,
        actionable: true,
        typical: None,
    }
}

/// Every rule of a policy is at work: the last columns are money, depth, satisfaction and recency.
fn policy(grown: &Grown, targets: &[&str]) -> Policy {
    let role = |from_end: usize| grown.columns.iter().rev().nth(from_end).cloned();
    let bands: BTreeMap<String, BandCutoffs> =
        targets.iter().map(|target| ((*target).to_owned(), BandCutoffs { medium: 0.1, high: 0.3 })).collect();
    Policy {
        roles: Roles { mrr: role(0), usage_depth: role(1), satisfaction: role(2), usage_recency: role(3) },
        bands,
        usage_depth_high: Some(1.0),
        satisfaction_high: Some(1.0),
        value_medium_mrr: Some(0.5),
        value_high_mrr: Some(2.0),
        max_usage_recency_days: Some(1e9),
        requires_usage: false,
        max_share_outside_training: 0.9,
        max_ranges_outside_training: Some(1e9),
        mean_expansion_uplift: Some(0.2),
    }
}
