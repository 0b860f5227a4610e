//! From a head to an ONNX graph.
//!
//! Everything is 64-bit from the margin on, and linear models entirely, so that runtimes agree to the last few bits.
//! Tree operators are 32-bit by definition; leaves that lie on an exact grid ([`crate::TreeEnsemble::with_exact_sums`])
//! make that a matter of no consequence.
//!
//! Indicators are `Equal(code, 0..=levels)` and not `OneHot`: an index out of range is all zeros by the specification,
//! but a comparison needs no specification to be read.

use prost::Message;

use super::graph::{GraphBuilder, float_list, inner, integer, integer_list, rows_of, string, string_list};
use super::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto, data_type};
use super::{IR_VERSION, METADATA_MEANS, METADATA_TARGET, ML_OPSET, OPSET, PRODUCER};
use crate::ensemble::Node;
use crate::{
    Calibration, Curve, Head, LinearModel, MarginModel, ModelError, PiecewiseLinear, Signature, Transform, TreeEnsemble,
};

/// Writes a head as a self-contained ONNX model.
///
/// Inputs: `numeric`, float `[N, F]` with NaN as missing (absent when the signature has no numbers), and per category
/// input one string tensor `[N, 1]` of its name with `""` as null. Outputs: `margin`, `probability`, `low`, `high`,
/// double `[N, 1]`. The same head gives the same bytes.
///
/// # Errors
/// [`ModelError`] when the head breaks a rule or does not fit the signature.
pub fn write(signature: &Signature, head: &Head) -> Result<Vec<u8>, ModelError> {
    head.validate(signature)?;
    if matches!(head.margin, MarginModel::Graph(_)) {
        let (place, found) = ("margin model".to_owned(), "a graph of another tool".to_owned());
        return Err(ModelError::Margin { place, expected: "trees or a linear model", found });
    }
    Ok(model(signature, head).encode_to_vec())
}

/// The model of a valid head.
pub(crate) fn model(signature: &Signature, head: &Head) -> ModelProto {
    let mut builder = GraphBuilder::default();
    builder.graph.name = head.target.clone();
    add_inputs(&mut builder, signature);
    let design = add_design(&mut builder, signature);
    let mut metadata = vec![entry(METADATA_TARGET, &head.target)];
    match &head.margin {
        MarginModel::Linear(model) => {
            add_linear(&mut builder, model, &design);
            let means: Vec<f64> = model.terms.iter().map(|term| term.mean).collect();
            metadata.push(entry(METADATA_MEANS, &serde_json::json!(means).to_string()));
        }
        MarginModel::Trees(model) => add_trees(&mut builder, model, &design),
        // Refused by `write`: such a head keeps the file that it came from.
        MarginModel::Graph(_) => {}
    }
    add_calibration(&mut builder, &head.calibration);
    for name in ["margin", "probability", "low", "high"] {
        builder.graph.output.push(rows_of(name, data_type::DOUBLE, 1));
    }
    ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: PRODUCER.to_owned(),
        producer_version: String::new(),
        graph: Some(builder.graph),
        opset_import: vec![
            OperatorSetIdProto { domain: String::new(), version: Some(OPSET) },
            OperatorSetIdProto { domain: super::graph::ML_DOMAIN.to_owned(), version: Some(ML_OPSET) },
        ],
        metadata_props: metadata,
    }
}

fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.to_owned(), value: value.to_owned() }
}

/// Graph inputs in signature order, numbers first.
fn add_inputs(builder: &mut GraphBuilder, signature: &Signature) {
    let numbers = signature.numeric_inputs().count();
    if numbers > 0 {
        builder.graph.input.push(rows_of("numeric", data_type::FLOAT, numbers));
    }
    for (_, input, _) in signature.category_inputs() {
        builder.graph.input.push(rows_of(&input.name, data_type::STRING, 1));
    }
}

/// The design matrix, float `[N, D]`; returns its name.
fn add_design(builder: &mut GraphBuilder, signature: &Signature) -> String {
    let mut parts: Vec<String> = Vec::new();
    if signature.numeric_inputs().next().is_some() {
        parts.push("numeric".to_owned());
    }
    for (position, (_, input, levels)) in signature.category_inputs().enumerate() {
        let other = levels.len() as i64;
        let keys = levels.iter().map(String::as_str).chain(std::iter::once(""));
        let codes: Vec<i64> = (0..other).chain(std::iter::once(other + 1)).collect();
        let attributes = vec![
            integer("default_int64", other),
            string_list("keys_strings", keys),
            integer_list("values_int64s", codes),
        ];
        let place = |name: &str| inner(&format!("category_{position}/{name}"));
        let code = builder.ml_node("LabelEncoder", &[&input.name], &place("code"), attributes);
        let range: Vec<i64> = (0..=other).collect();
        let range = builder.integers(&format!("category_{position}/levels"), &[1, range.len()], &range);
        let equal = builder.node("Equal", &[&code, &range], &place("equal"));
        parts.push(builder.node_with("Cast", &[&equal], &place("indicators"), vec![cast_to(data_type::FLOAT)]));
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    builder.node_with("Concat", &parts, &inner("design"), vec![integer("axis", 1)])
}

fn cast_to(kind: i32) -> super::proto::AttributeProto {
    integer("to", i64::from(kind))
}

/// The margin of a linear model, or of a base rate (no terms): the intercept, once per row.
fn add_linear(builder: &mut GraphBuilder, model: &LinearModel, design: &str) {
    let intercept = builder.doubles("linear/intercept", &[1, 1], &[model.intercept]);
    if model.terms.is_empty() {
        let rows = vec![integer("start", 0), integer("end", 1)];
        let rows = builder.node_with("Shape", &[design], &inner("linear/rows"), rows);
        let one = builder.integers("linear/one", &[1], &[1]);
        let shape = builder.node_with("Concat", &[&rows, &one], &inner("linear/shape"), vec![integer("axis", 0)]);
        builder.node("Expand", &[&intercept, &shape], "margin");
        return;
    }
    let value = add_transformed(builder, model, design);
    let row = |builder: &mut GraphBuilder, name: &str, of: fn(&crate::LinearTerm) -> f64| {
        let values: Vec<f64> = model.terms.iter().map(of).collect();
        builder.doubles(name, &[1, values.len()], &values)
    };
    let lower = row(builder, "linear/lower", |term| term.lower);
    let upper = row(builder, "linear/upper", |term| term.upper);
    let center = row(builder, "linear/center", |term| term.center);
    let scale = row(builder, "linear/scale", |term| term.scale);
    let weights: Vec<f64> = model.terms.iter().map(|term| term.weight).collect();
    let weights = builder.doubles("linear/weight", &[weights.len(), 1], &weights);
    let above = builder.node("Max", &[&value, &lower], &inner("linear/above_lower"));
    let within = builder.node("Min", &[&above, &upper], &inner("linear/within"));
    let centered = builder.node("Sub", &[&within, &center], &inner("linear/centered"));
    let scaled = builder.node("Div", &[&centered, &scale], &inner("linear/standardised"));
    let sum = builder.node("MatMul", &[&scaled, &weights], &inner("linear/sum"));
    builder.node("Add", &[&sum, &intercept], "margin");
}

/// One column per term: gathered, filled and transformed; double `[N, T]`.
fn add_transformed(builder: &mut GraphBuilder, model: &LinearModel, design: &str) -> String {
    let terms = &model.terms;
    let columns: Vec<i64> = terms.iter().map(|term| term.column as i64).collect();
    let columns = builder.integers("linear/column", &[columns.len()], &columns);
    let fills: Vec<f64> = terms.iter().map(|term| term.fill).collect();
    let fills = builder.doubles("linear/fill", &[1, fills.len()], &fills);
    let gathered =
        builder.node_with("Gather", &[design, &columns], &inner("linear/gathered"), vec![integer("axis", 1)]);
    let missing = builder.node("IsNaN", &[&gathered], &inner("linear/missing"));
    let double = |builder: &mut GraphBuilder, from: &str, name: &str| {
        builder.node_with("Cast", &[from], &inner(name), vec![cast_to(data_type::DOUBLE)])
    };
    let raw = double(builder, &gathered, "linear/raw");
    let filled = builder.node("Where", &[&missing, &fills, &raw], &inner("linear/filled"));
    let one = builder.doubles("linear/one", &[1, 1], &[1.0]);
    let size = builder.node("Abs", &[&filled], &inner("linear/size"));
    let size = builder.node("Add", &[&size, &one], &inner("linear/size_plus_one"));
    let size = builder.node("Log", &[&size], &inner("linear/log_size"));
    let sign = builder.node("Sign", &[&filled], &inner("linear/sign"));
    let logarithm = builder.node("Mul", &[&sign, &size], &inner("linear/signed_log"));
    let mask = |builder: &mut GraphBuilder, name: &str, transform: Transform| {
        let mask: Vec<bool> = terms.iter().map(|term| term.transform == transform).collect();
        builder.booleans(name, &[1, mask.len()], &mask)
    };
    let is_logarithm = mask(builder, "linear/is_signed_log", Transform::SignedLog);
    let value = builder.node("Where", &[&is_logarithm, &logarithm, &filled], &inner("linear/log_or_value"));
    let is_missing = mask(builder, "linear/is_missing", Transform::IsMissing);
    let flags = double(builder, &missing, "linear/missing_flag");
    builder.node("Where", &[&is_missing, &flags, &value], &inner("linear/transformed"))
}

/// The margin of a tree ensemble.
fn add_trees(builder: &mut GraphBuilder, model: &TreeEnsemble, design: &str) {
    let mut source = design.to_owned();
    if let Some(fill) = &model.fill {
        let fill = builder.floats("trees/fill", &[1, fill.len()], fill);
        let missing = builder.node("IsNaN", &[design], &inner("trees/missing"));
        source = builder.node("Where", &[&missing, &fill, design], &inner("trees/filled"));
    }
    let mut nodes = NodeLists::default();
    for (tree, model) in model.trees.iter().enumerate() {
        for (index, node) in model.nodes.iter().enumerate() {
            nodes.push(tree as i64, index as i64, node);
        }
    }
    let attributes = nodes.attributes(model.base);
    let sum = builder.ml_node("TreeEnsembleRegressor", &[&source], &inner("trees/sum"), attributes);
    builder.node_with("Cast", &[&sum], "margin", vec![cast_to(data_type::DOUBLE)]);
}

/// The parallel lists of a `TreeEnsembleRegressor`.
#[derive(Debug, Default)]
struct NodeLists {
    tree: Vec<i64>,
    node: Vec<i64>,
    column: Vec<i64>,
    threshold: Vec<f32>,
    cover: Vec<f32>,
    mode: Vec<&'static str>,
    left: Vec<i64>,
    right: Vec<i64>,
    missing_left: Vec<i64>,
    leaf_tree: Vec<i64>,
    leaf_node: Vec<i64>,
    leaf_value: Vec<f32>,
}

impl NodeLists {
    fn push(&mut self, tree: i64, index: i64, node: &Node) {
        self.tree.push(tree);
        self.node.push(index);
        self.cover.push(node.cover());
        match node {
            Node::Split { column, threshold, missing_left, left, right, .. } => {
                self.column.push(i64::from(*column));
                self.threshold.push(*threshold);
                self.mode.push("BRANCH_LEQ");
                self.left.push(i64::from(*left));
                self.right.push(i64::from(*right));
                self.missing_left.push(i64::from(*missing_left));
            }
            Node::Leaf { value, .. } => {
                self.column.push(0);
                self.threshold.push(0.0);
                self.mode.push("LEAF");
                self.left.push(0);
                self.right.push(0);
                self.missing_left.push(0);
                self.leaf_tree.push(tree);
                self.leaf_node.push(index);
                self.leaf_value.push(*value);
            }
        }
    }

    fn attributes(self, base: f32) -> Vec<super::proto::AttributeProto> {
        let leaves = self.leaf_tree.len();
        vec![
            string("aggregate_function", "SUM"),
            float_list("base_values", vec![base]),
            integer("n_targets", 1),
            integer_list("nodes_falsenodeids", self.right),
            integer_list("nodes_featureids", self.column),
            float_list("nodes_hitrates", self.cover),
            integer_list("nodes_missing_value_tracks_true", self.missing_left),
            string_list("nodes_modes", self.mode.into_iter()),
            integer_list("nodes_nodeids", self.node),
            integer_list("nodes_treeids", self.tree),
            integer_list("nodes_truenodeids", self.left),
            float_list("nodes_values", self.threshold),
            string("post_transform", "NONE"),
            integer_list("target_ids", vec![0; leaves]),
            integer_list("target_nodeids", self.leaf_node),
            integer_list("target_treeids", self.leaf_tree),
            float_list("target_weights", self.leaf_value),
        ]
    }
}

/// Probability, low and high from `margin`.
fn add_calibration(builder: &mut GraphBuilder, calibration: &Calibration) {
    match &calibration.point {
        Curve::PiecewiseLinear(curve) => add_curve(builder, curve, "point", "probability"),
        Curve::Logistic { slope, intercept } => {
            let slope = builder.doubles("point/slope", &[1, 1], &[*slope]);
            let intercept = builder.doubles("point/intercept", &[1, 1], &[*intercept]);
            let scaled = builder.node("Mul", &["margin", &slope], &inner("point/scaled"));
            let logit = builder.node("Add", &[&scaled, &intercept], &inner("point/logit"));
            builder.node("Sigmoid", &[&logit], "probability");
        }
        Curve::Beta { slope_below, slope_above, intercept } => {
            add_beta(builder, [*slope_below, *slope_above, *intercept]);
        }
    }
    let (low, high) = (inner("low/value"), inner("high/value"));
    add_curve(builder, &calibration.low, "low", &low);
    builder.node("Min", &[&low, "probability"], "low");
    add_curve(builder, &calibration.high, "high", &high);
    builder.node("Max", &[&high, "probability"], "high");
}

/// The beta curve of `margin`: `ln s = min(m, 0) - ln(1 + e^-|m|)` and `-ln(1 - s) = max(m, 0) + ln(1 + e^-|m|)`, since
/// runtimes have no softplus of doubles.
fn add_beta(builder: &mut GraphBuilder, [slope_below, slope_above, intercept]: [f64; 3]) {
    let zero = builder.doubles("point/zero", &[1, 1], &[0.0]);
    let one = builder.doubles("point/one", &[1, 1], &[1.0]);
    let slope_below = builder.doubles("point/slope_below", &[1, 1], &[slope_below]);
    let slope_above = builder.doubles("point/slope_above", &[1, 1], &[slope_above]);
    let intercept = builder.doubles("point/intercept", &[1, 1], &[intercept]);
    let size = builder.node("Abs", &["margin"], &inner("point/size"));
    let size = builder.node("Sub", &[&zero, &size], &inner("point/minus_size"));
    let near = builder.node("Exp", &[&size], &inner("point/exponential"));
    let near = builder.node("Add", &[&near, &one], &inner("point/exponential_plus_one"));
    let near = builder.node("Log", &[&near], &inner("point/near"));
    let below = builder.node("Min", &["margin", &zero], &inner("point/below_zero"));
    let below = builder.node("Sub", &[&below, &near], &inner("point/log_share"));
    let above = builder.node("Max", &["margin", &zero], &inner("point/above_zero"));
    let above = builder.node("Add", &[&above, &near], &inner("point/minus_log_rest"));
    let below = builder.node("Mul", &[&below, &slope_below], &inner("point/scaled_below"));
    let above = builder.node("Mul", &[&above, &slope_above], &inner("point/scaled_above"));
    let sum = builder.node("Add", &[&below, &above], &inner("point/scaled"));
    let logit = builder.node("Add", &[&sum, &intercept], &inner("point/logit"));
    builder.node("Sigmoid", &[&logit], "probability");
}

/// A piecewise linear curve of `margin`, `sum_k y_k h_k(m)` with hat functions `h_k = clamp01((m - m_(k-1)) / (m_k -
/// m_(k-1))) - clamp01((m - m_k) / (m_(k+1) - m_k))`, where the first term of the first hat is 1 and the second term of
/// the last is 0. The hats add up to 1, so a curve stays between its knots.
fn add_curve(builder: &mut GraphBuilder, curve: &PiecewiseLinear, place: &str, output: &str) {
    let name = |part: &str| format!("{place}/{part}");
    let margins: Vec<f64> = curve.knots.iter().map(|knot| knot.margin).collect();
    let probabilities: Vec<f64> = curve.knots.iter().map(|knot| knot.probability).collect();
    let segments = margins.len().saturating_sub(1);
    let heights = builder.doubles(&name("probabilities"), &[probabilities.len(), 1], &probabilities);
    let start = builder.doubles(&name("start"), &[1, 1], &margins[..1]);
    let moved = builder.node("Sub", &["margin", &start], &inner(&name("moved")));
    let zero = builder.doubles(&name("zero"), &[1, 1], &[0.0]);
    let none = builder.node("Mul", &[&moved, &zero], &inner(&name("none")));
    let one = builder.doubles(&name("one"), &[1, 1], &[1.0]);
    let all = builder.node("Add", &[&none, &one], &inner(&name("all")));
    let hats = if segments == 0 {
        all
    } else {
        let from = builder.doubles(&name("from"), &[1, segments], &margins[..segments]);
        let to = builder.doubles(&name("to"), &[1, segments], &margins[1..]);
        let above = builder.node("Max", &["margin", &from], &inner(&name("above")));
        let within = builder.node("Min", &[&above, &to], &inner(&name("within")));
        let part = builder.node("Sub", &[&within, &from], &inner(&name("part")));
        let width = builder.node("Sub", &[&to, &from], &inner(&name("width")));
        let share = builder.node("Div", &[&part, &width], &inner(&name("share")));
        let rising = builder.node_with("Concat", &[&all, &share], &inner(&name("rising")), vec![integer("axis", 1)]);
        let falling = builder.node_with("Concat", &[&share, &none], &inner(&name("falling")), vec![integer("axis", 1)]);
        builder.node("Sub", &[&rising, &falling], &inner(&name("hats")))
    };
    builder.node("MatMul", &[&hats, &heights], output);
}
