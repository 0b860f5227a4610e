//! Files that no tool writes: each is refused by name, and in under a second.

use std::time::{Duration, Instant};

use prost::Message;

use super::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::{GraphError, OutputChoice, read};
use crate::Signature;
use crate::testing::numeric;

fn signature() -> Signature {
    Signature { inputs: vec![numeric("a"), numeric("b")] }
}

fn info(name: &str, columns: Option<i64>) -> ValueInfoProto {
    let dim = [None, columns].map(|dim_value| DimensionProto { dim_value }).to_vec();
    let tensor = TensorTypeProto { elem_type: 1, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_owned(), kind: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn node(operator: &str, domain: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeProto {
        input: owned(inputs),
        output: owned(outputs),
        name: format!("the {operator}"),
        op_type: operator.to_owned(),
        attribute,
        domain: domain.to_owned(),
    }
}

fn model(node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    let graph = GraphProto {
        node,
        initializer,
        input: vec![info("x", Some(2))],
        output: vec![info("p", None)],
        ..GraphProto::default()
    };
    let set = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    ModelProto {
        ir_version: 8,
        graph: Some(graph),
        opset_import: vec![set("", 17), set("ai.onnx.ml", 3)],
        ..ModelProto::default()
    }
}

fn ints(name: &str, ints: Vec<i64>) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ints, kind: 7, ..AttributeProto::default() }
}

fn floats(name: &str, floats: Vec<f32>) -> AttributeProto {
    AttributeProto { name: name.to_owned(), floats, kind: 6, ..AttributeProto::default() }
}

/// The lists of a regressor: a root, and two leaves of 0.25 and 0.75.
fn stump() -> Vec<AttributeProto> {
    let modes = ["BRANCH_LEQ", "LEAF", "LEAF"].map(|mode| mode.as_bytes().to_vec()).to_vec();
    vec![
        ints("nodes_treeids", vec![0, 0, 0]),
        ints("nodes_nodeids", vec![0, 1, 2]),
        ints("nodes_featureids", vec![0, 0, 0]),
        AttributeProto { name: "nodes_modes".to_owned(), strings: modes, kind: 8, ..AttributeProto::default() },
        ints("nodes_truenodeids", vec![1, 0, 0]),
        ints("nodes_falsenodeids", vec![2, 0, 0]),
        floats("nodes_values", vec![0.5, 0.0, 0.0]),
        ints("target_treeids", vec![0, 0]),
        ints("target_nodeids", vec![1, 2]),
        ints("target_ids", vec![0, 0]),
        floats("target_weights", vec![0.25, 0.75]),
    ]
}

fn trees(attributes: Vec<AttributeProto>) -> ModelProto {
    model(vec![node("TreeEnsembleRegressor", "ai.onnx.ml", &["x"], &["p"], attributes)], vec![])
}

/// The stump with one list changed.
fn with(name: &str, change: impl FnOnce(&mut AttributeProto)) -> ModelProto {
    let mut attributes = stump();
    change(attributes.iter_mut().find(|attribute| attribute.name == name).expect("a list of the stump"));
    trees(attributes)
}

/// A chain of splits as deep as this, each with one leaf.
fn chain(depth: i64) -> ModelProto {
    let nodes = 2 * depth + 1;
    let is_leaf = |node: i64| node % 2 == 1 || node == nodes - 1;
    let modes = (0..nodes).map(|node| if is_leaf(node) { b"LEAF".to_vec() } else { b"BRANCH_LEQ".to_vec() });
    let leaves: Vec<i64> = (0..nodes).filter(|node| is_leaf(*node)).collect();
    let child = |step: i64| (0..nodes).map(|node| if is_leaf(node) { 0 } else { node + step }).collect();
    trees(vec![
        ints("nodes_treeids", vec![0; nodes as usize]),
        ints("nodes_nodeids", (0..nodes).collect()),
        ints("nodes_featureids", vec![0; nodes as usize]),
        AttributeProto {
            name: "nodes_modes".to_owned(),
            strings: modes.collect(),
            kind: 8,
            ..AttributeProto::default()
        },
        ints("nodes_truenodeids", child(1)),
        ints("nodes_falsenodeids", child(2)),
        floats("nodes_values", (0..nodes).map(|node| node as f32).collect()),
        ints("target_treeids", vec![0; leaves.len()]),
        ints("target_nodeids", leaves.clone()),
        ints("target_ids", vec![0; leaves.len()]),
        floats("target_weights", vec![0.5; leaves.len()]),
    ])
}

/// Each level is reached from both sides of the one above it.
fn lattice(depth: i64) -> ModelProto {
    let leaf = |node: i64| node == depth;
    let modes = (0..=depth).map(|node| if leaf(node) { b"LEAF".to_vec() } else { b"BRANCH_LEQ".to_vec() });
    let child: Vec<i64> = (0..=depth).map(|node| if leaf(node) { 0 } else { node + 1 }).collect();
    let count = depth as usize + 1;
    trees(vec![
        ints("nodes_treeids", vec![0; count]),
        ints("nodes_nodeids", (0..=depth).collect()),
        ints("nodes_featureids", vec![0; count]),
        AttributeProto {
            name: "nodes_modes".to_owned(),
            strings: modes.collect(),
            kind: 8,
            ..AttributeProto::default()
        },
        ints("nodes_truenodeids", child.clone()),
        ints("nodes_falsenodeids", child),
        floats("nodes_values", vec![0.5; count]),
        ints("target_treeids", vec![0]),
        ints("target_nodeids", vec![depth]),
        ints("target_ids", vec![0]),
        floats("target_weights", vec![0.5]),
    ])
}

fn refused(model: &ModelProto) -> GraphError {
    let bytes = model.encode_to_vec();
    let started = Instant::now();
    let error = read(&bytes, &signature(), "churn_90d", &OutputChoice::default(), false).expect_err("refused");
    // Under a second on a machine that does nothing else; the bound here is for what would never end.
    assert!(started.elapsed() < Duration::from_secs(20), "{error}: {:?}", started.elapsed());
    error
}

fn tensor(name: &str, dims: &[i64], data_type: i32) -> TensorProto {
    TensorProto { name: name.to_owned(), dims: dims.to_vec(), data_type, ..TensorProto::default() }
}

#[test]
fn the_stump_itself_is_read() {
    let bytes = trees(stump()).encode_to_vec();
    let model = read(&bytes, &signature(), "churn_90d", &OutputChoice::default(), false).expect("sound");
    assert_eq!(model.head.margin.margin(&[0.5, 9.0]), 0.25);
    assert_eq!(model.head.margin.margin(&[0.75, 9.0]), 0.75);
    let deep = chain(250).encode_to_vec();
    assert!(read(&deep, &signature(), "churn_90d", &OutputChoice::default(), false).is_ok());
}

#[test]
fn broken_trees_are_refused() {
    let cases = [
        (with("nodes_truenodeids", |list| list.ints[0] = 0), "cycle"),
        (chain(300), "at most 256 splits"),
        (chain(200_000), "at most 256 splits"),
        (lattice(60), "without a cycle"),
        (with("nodes_truenodeids", |list| list.ints[0] = 7), "a node of the same tree, found 7"),
        (with("nodes_truenodeids", |list| list.ints[0] = 1 << 31), "a node of the same tree"),
        (with("nodes_falsenodeids", |list| list.ints[0] = -1), "a node of the same tree, found -1"),
        (with("target_weights", |list| list.floats[0] = f32::NAN), "finite leaf weights, found NaN"),
        (with("target_weights", |list| list.floats[1] = f32::INFINITY), "finite leaf weights"),
        (with("nodes_values", |list| list.floats[0] = f32::NAN), "a threshold that is a number"),
        (with("nodes_featureids", |list| list.ints[0] = 2), "a feature below 2"),
        (with("nodes_featureids", |list| list.ints[0] = i64::MAX), "an index"),
        (with("nodes_featureids", |list| list.ints[0] = -5), "an index"),
        (with("nodes_nodeids", |list| list.ints[2] = 1), "each node once"),
        (with("nodes_treeids", |list| list.ints[2] = 1), "a node of the same tree"),
        (with("target_ids", |list| list.ints[0] = 1 << 30), "targets below 1"),
        (with("target_nodeids", |list| list.ints[0] = 9), "a leaf for each weight"),
        (with("nodes_values", |list| list.floats.truncate(1)), "3 entries, one per node, found 1"),
        (with("nodes_modes", |list| list.strings.clear()), "3 entries, one per node, found none"),
        (with("target_ids", |list| list.ints.push(0)), "entries, one per node, found 3"),
        (with("nodes_modes", |list| list.strings[0] = b"BRANCH_MAYBE".to_vec()), "mode `BRANCH_MAYBE`"),
        (trees(vec![]), "1 to 10000000 nodes"),
    ];
    for (model, expected) in cases {
        let error = refused(&model).to_string();
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
}

#[test]
fn broken_graphs_and_tensors_are_refused() {
    let raw = |dims: &[i64]| TensorProto { raw_data: Some(vec![0; 8]), ..tensor("c", dims, 1) };
    let external = TensorProto { data_location: 1, external_data: vec![vec![1]], ..tensor("c", &[1], 1) };
    let add = || vec![node("Add", "", &["x", "c"], &["p"], vec![])];
    let cycle = vec![node("Add", "", &["x", "q"], &["p"], vec![]), node("Neg", "", &["p"], &["q"], vec![])];
    let twice = vec![node("Neg", "", &["x"], &["p"], vec![]), node("Abs", "", &["x"], &["p"], vec![])];
    let huge = TensorProto { int64_data: vec![1 << 40, 1 << 20], ..tensor("c", &[2], 7) };
    let subgraph = AttributeProto { name: "then_branch".to_owned(), g: Some(vec![]), ..AttributeProto::default() };
    let mut functions = model(add(), vec![raw(&[1, 2])]);
    functions.functions.push(vec![1, 2, 3]);
    let expand = |shape: TensorProto| model(vec![node("Expand", "", &["x", "c"], &["p"], vec![])], vec![shape]);
    let large = |output: &str| node("ConstantOfShape", "", &["c"], &[output], vec![]);
    let side = TensorProto { int64_data: vec![1 << 24], ..tensor("c", &[1], 7) };
    let many = vec![large("q"), large("r"), large("s"), node("Sum", "", &["q", "r", "s"], &["p"], vec![])];
    let square = TensorProto { int64_data: vec![1 << 12, 1 << 12], ..tensor("c", &[2], 7) };
    let cube = vec![large("q"), node("MatMul", "", &["q", "q"], &["p"], vec![])];
    let product = vec![node("MatMul", "", &["x", "c"], &["p"], vec![])];
    let cases = [
        (model(cycle, vec![]), "a graph without a cycle"),
        (model(vec![node("Neg", "", &["p"], &["p"], vec![])], vec![]), "a graph without a cycle"),
        (model(twice, vec![]), "each value made once"),
        (model(add(), vec![]), "a value `c`"),
        (model(add(), vec![external]), "a reference to external data"),
        (model(add(), vec![raw(&[1 << 40, 1 << 40])]), "at most 2^24 elements"),
        (model(add(), vec![raw(&[i64::MAX, i64::MAX, i64::MAX])]), "at most 2^24 elements"),
        (model(add(), vec![raw(&[-1])]), "dimensions from 0"),
        (model(add(), vec![raw(&[1 << 20])]), "1048576 numbers, found 2"),
        (model(add(), vec![raw(&[1, 1])]), "1 numbers, found 2"),
        (model(add(), vec![TensorProto { raw_data: Some(vec![0; 7]), ..tensor("c", &[2], 1) }]), "bytes of whole"),
        (model(add(), vec![tensor("c", &[1], 16)]), "data type 16"),
        (model(many, vec![side]), "at most 2^25 elements in all"),
        (model(cube, vec![square]), "at most 2^30 products"),
        (model(product, vec![raw(&[1, 2])]), "2 rows on the right"),
        (expand(huge.clone()), "one like [2, 2]"),
        (model(vec![node("ConstantOfShape", "", &["c"], &["p"], vec![])], vec![huge]), "at most 2^24 elements"),
        (model(vec![node("If", "", &["x"], &["p"], vec![subgraph])], vec![]), "this operator"),
        (functions, "neither functions"),
        (model(vec![], vec![]), "1 to 100000 nodes"),
        (ModelProto::default(), "a graph, found none"),
    ];
    for (model, expected) in cases {
        let error = refused(&model).to_string();
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
}

#[test]
fn what_is_not_run_is_named_with_node_operator_and_attribute() {
    let mode = |name: &str| AttributeProto { name: name.to_owned(), i: Some(1), kind: 2, ..AttributeProto::default() };
    let erf = model(vec![node("Erf", "", &["x"], &["p"], vec![])], vec![]);
    let error = refused(&erf);
    assert!(error.is_unsupported());
    assert!(
        error.to_string().contains("node `the Erf` (Erf): the native engine does not run this operator"),
        "{error}"
    );
    let neg = model(vec![node("Neg", "", &["x"], &["p"], vec![mode("detect")])], vec![]);
    assert!(refused(&neg).to_string().contains("attribute `detect`"));
    let foreign = read(&erf.encode_to_vec(), &signature(), "churn_90d", &OutputChoice::default(), true).expect("kept");
    assert!(foreign.no_form.expect("a reason").contains("Erf"));
    assert!(foreign.head.margin.margin(&[1.0, 1.0]).is_nan());
}

#[test]
fn a_deeply_nested_or_damaged_message_is_refused() {
    let mut nested = Vec::new();
    for _ in 0..50_000 {
        // The start of a group of field 99, again and again.
        nested.extend([0x9b, 0x06]);
    }
    let started = Instant::now();
    let read = |bytes: &[u8]| read(bytes, &signature(), "churn_90d", &OutputChoice::default(), false);
    assert!(matches!(read(&nested), Err(GraphError::Encoding(_))));
    // A list that says that it has 2^31 entries.
    assert!(read(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x07]).is_err());
    let sound = trees(stump()).encode_to_vec();
    let mut generator = crate::testing::Generator(3);
    for _ in 0..2_000 {
        let mut damaged = sound.clone();
        for _ in 0..=generator.below(4) {
            let at = generator.below(damaged.len());
            damaged[at] = generator.next() as u8;
        }
        if let Ok(model) = read(&damaged) {
            let _ = model.head.margin.margin(&[0.5, f32::NAN]);
        }
    }
    assert!(started.elapsed() < Duration::from_secs(40));
}

#[test]
fn ambiguous_outputs_are_listed() {
    let mut two = trees(stump());
    let graph = two.graph.as_mut().expect("a graph");
    graph.node.push(node("Neg", "", &["p"], &["q"], vec![]));
    graph.output.push(info("q", None));
    let error = refused(&two);
    assert!(matches!(&error, GraphError::Output { candidates, .. } if candidates == &["p", "q"]), "{error}");
    let choice = OutputChoice { name: Some("p".to_owned()), column: None };
    let bytes = two.encode_to_vec();
    assert!(read(&bytes, &signature(), "churn_90d", &choice, false).is_ok());
    let choice = OutputChoice { name: Some("p".to_owned()), column: Some(1) };
    assert!(read(&bytes, &signature(), "churn_90d", &choice, false).is_err());
}
