//! Reads what `python/lightgbm_trees.py` writes: ensembles of other tools, and arrays. For tests and benchmarks.

use std::path::Path;

use bellwether_models::{
    Calibration, Curve, Head, Input, InputKind, Knot, MarginModel, Node, PiecewiseLinear, Signature, Tree, TreeEnsemble,
};
use serde_json::Value;

/// An ensemble of `{"base": number, "trees": [[node, ...], ...]}`; a node is `[column, threshold, missing_left, left,
/// right, cover]` or `[value, cover]`.
pub(crate) fn read_ensemble(file: &Path) -> TreeEnsemble {
    let text = std::fs::read_to_string(file).expect("the ensemble's file is there");
    let json: Value = serde_json::from_str(&text).expect("is JSON");
    let number = |value: &Value| value.as_f64().expect("a number") as f32;
    let index = |value: &Value| u32::try_from(value.as_u64().expect("an index")).expect("a small index");
    let node = |node: &Value| match node.as_array().expect("a node").as_slice() {
        [value, cover] => Node::Leaf { value: number(value), cover: number(cover) },
        [column, threshold, missing_left, left, right, cover] => Node::Split {
            column: index(column),
            threshold: number(threshold),
            missing_left: missing_left.as_bool().expect("a flag"),
            left: index(left),
            right: index(right),
            cover: number(cover),
        },
        other => panic!("expected 2 or 6 members of a node, found {}", other.len()),
    };
    let tree = |tree: &Value| Tree { nodes: tree.as_array().expect("nodes").iter().map(node).collect() };
    let trees = json["trees"].as_array().expect("trees").iter().map(tree).collect();
    TreeEnsemble { trees, base: number(&json["base"]), fill: None }
}

/// Little-endian floats, rows one after the other.
pub(crate) fn read_floats(file: &Path) -> Vec<f32> {
    let bytes = std::fs::read(file).expect("the rows' file is there");
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Little-endian doubles, rows one after the other.
#[allow(dead_code)]
pub(crate) fn read_doubles(file: &Path) -> Vec<f64> {
    let bytes = std::fs::read(file).expect("the values' file is there");
    bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

/// A signature of so many numbers.
pub(crate) fn numbers(width: usize) -> Signature {
    let input = |index| Input {
        name: format!("f{index}"),
        kind: InputKind::Numeric,
        unit: "number".to_owned(),
        nullable: true,
        definition: "00".to_owned(),
    };
    Signature { inputs: (0..width).map(input).collect() }
}

/// A head that turns the ensemble's margin into a probability by the sigmoid.
pub(crate) fn sigmoid_head(ensemble: TreeEnsemble) -> Head {
    let curve = PiecewiseLinear {
        knots: vec![Knot { margin: -5.0, probability: 0.0 }, Knot { margin: 5.0, probability: 1.0 }],
    };
    let point = Curve::Logistic { slope: 1.0, intercept: 0.0 };
    Head {
        target: "target".to_owned(),
        margin: MarginModel::Trees(ensemble),
        calibration: Calibration { point, low: curve.clone(), high: curve },
    }
}
