//! From an ONNX graph of ours back to the head.

use std::collections::HashMap;

use prost::Message;

use super::graph::inner;
use super::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, data_type};
use super::{
    IR_VERSION, MAX_BYTES, METADATA_MEANS, METADATA_TARGET, ML_OPSET, OPSET, OnnxError, PRODUCER, graph, write,
};
use crate::{
    Calibration, Curve, Head, Knot, LinearModel, LinearTerm, MarginModel, Node, PiecewiseLinear, Signature, Transform,
    Tree, TreeEnsemble,
};

/// Operators of the default domain that the writer uses.
const OPERATORS: [&str; 20] = [
    "Abs", "Add", "Cast", "Concat", "Div", "Equal", "Exp", "Expand", "Gather", "IsNaN", "Log", "MatMul", "Max", "Min",
    "Mul", "Shape", "Sigmoid", "Sign", "Sub", "Where",
];

/// Operators of `ai.onnx.ml` that the writer uses.
const ML_OPERATORS: [&str; 2] = ["LabelEncoder", "TreeEnsembleRegressor"];

/// Reads a head that [`write()`](super::write()) wrote for the same signature.
///
/// # Errors
/// [`OnnxError`] that names what is unknown, for anything but the exact bytes of the writer.
pub fn read(bytes: &[u8], signature: &Signature) -> Result<Head, OnnxError> {
    if bytes.len() > MAX_BYTES {
        return Err(OnnxError::TooLarge { expected: MAX_BYTES, found: bytes.len() });
    }
    signature.validate()?;
    let model = ModelProto::decode(bytes).map_err(OnnxError::Encoding)?;
    check_versions(&model)?;
    let graph = model.graph.as_ref().ok_or_else(|| OnnxError::form("graph", "a graph", "none"))?;
    check_operators(graph)?;
    check_tensors(graph, signature)?;
    let head = Reader::new(&model, graph)?.head()?;
    head.validate(signature)?;
    let expected = write::model(signature, &head);
    if expected.encode_to_vec() == bytes {
        return Ok(head);
    }
    Err(first_difference(&expected, &model))
}

fn check_versions(model: &ModelProto) -> Result<(), OnnxError> {
    let ir = model.ir_version.unwrap_or(0);
    if ir != IR_VERSION {
        return Err(OnnxError::form("IR version", IR_VERSION, ir));
    }
    if model.producer_name != PRODUCER {
        return Err(OnnxError::form("producer", PRODUCER, format!("`{}`", model.producer_name)));
    }
    let describe = |domain: &str, version: i64| format!("`{domain}` {version}");
    let expected = [describe("", OPSET), describe(graph::ML_DOMAIN, ML_OPSET)];
    let imports = model.opset_import.iter();
    let found: Vec<String> = imports.map(|set| describe(&set.domain, set.version.unwrap_or(0))).collect();
    if found != expected {
        return Err(OnnxError::form("operator sets", expected.join(", "), found.join(", ")));
    }
    Ok(())
}

fn check_operators(graph: &GraphProto) -> Result<(), OnnxError> {
    let known = |node: &&NodeProto| match node.domain.as_str() {
        "" => OPERATORS.contains(&node.op_type.as_str()),
        graph::ML_DOMAIN => ML_OPERATORS.contains(&node.op_type.as_str()),
        _ => false,
    };
    match graph.node.iter().find(|node| !known(node)) {
        None => Ok(()),
        Some(node) => {
            let operator = [node.domain.as_str(), node.op_type.as_str()].join("::");
            let operator = operator.trim_start_matches("::").to_owned();
            Err(OnnxError::UnknownOperator { node: node.name.clone(), operator })
        }
    }
}

/// Names of inputs and outputs, so that a foreign signature is told before anything else.
fn check_tensors(graph: &GraphProto, signature: &Signature) -> Result<(), OnnxError> {
    let mut expected: Vec<&str> = Vec::new();
    if signature.numeric_inputs().next().is_some() {
        expected.push("numeric");
    }
    expected.extend(signature.category_inputs().map(|(_, input, _)| input.name.as_str()));
    let found: Vec<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    if found != expected {
        return Err(OnnxError::form("inputs", expected.join(", "), found.join(", ")));
    }
    let expected = ["margin", "probability", "low", "high"];
    let found: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    if found != expected {
        return Err(OnnxError::form("outputs", expected.join(", "), found.join(", ")));
    }
    Ok(())
}

/// The parts of a graph by name.
struct Reader<'a> {
    initializers: HashMap<&'a str, &'a TensorProto>,
    metadata: HashMap<&'a str, &'a str>,
    trees: Option<&'a NodeProto>,
}

impl<'a> Reader<'a> {
    fn new(model: &'a ModelProto, graph: &'a GraphProto) -> Result<Self, OnnxError> {
        let mut initializers = HashMap::with_capacity(graph.initializer.len());
        for tensor in &graph.initializer {
            if initializers.insert(tensor.name.as_str(), tensor).is_some() {
                return Err(OnnxError::form("initializers", "each name once", format!("`{}` twice", tensor.name)));
            }
        }
        let entries = model.metadata_props.iter();
        let metadata = entries.map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
        let trees = graph.node.iter().find(|node| node.op_type == "TreeEnsembleRegressor");
        Ok(Self { initializers, metadata, trees })
    }

    fn head(&self) -> Result<Head, OnnxError> {
        let target = self.metadata(METADATA_TARGET)?.to_owned();
        let margin = match self.trees {
            Some(node) => MarginModel::Trees(self.ensemble(node)?),
            None => MarginModel::Linear(self.linear()?),
        };
        let point = if self.has("point/slope") {
            let (slope, intercept) = (self.scalar("point/slope")?, self.scalar("point/intercept")?);
            Curve::Logistic { slope, intercept }
        } else if self.has("point/slope_below") {
            Curve::Beta {
                slope_below: self.scalar("point/slope_below")?,
                slope_above: self.scalar("point/slope_above")?,
                intercept: self.scalar("point/intercept")?,
            }
        } else {
            Curve::PiecewiseLinear(self.curve("point")?)
        };
        let calibration = Calibration { point, low: self.curve("low")?, high: self.curve("high")? };
        Ok(Head { target, margin, calibration })
    }

    fn metadata(&self, key: &str) -> Result<&'a str, OnnxError> {
        self.metadata.get(key).copied().ok_or_else(|| OnnxError::form("metadata", format!("`{key}`"), "none"))
    }

    fn has(&self, name: &str) -> bool {
        self.initializers.contains_key(inner(name).as_str())
    }

    /// The raw bytes of an initializer of this type, in pieces of `SIZE`.
    fn raw<const SIZE: usize>(&self, name: &str, kind: i32) -> Result<Vec<[u8; SIZE]>, OnnxError> {
        let place = format!("initializer `{}`", inner(name));
        let tensor = self.initializers.get(inner(name).as_str());
        let tensor = tensor.ok_or_else(|| OnnxError::form(&place, "a tensor", "none"))?;
        if tensor.data_type != Some(kind) {
            let found = tensor.data_type.unwrap_or(0);
            return Err(OnnxError::form(&place, format!("data type {kind}"), found));
        }
        let bytes = tensor.raw_data.as_deref().unwrap_or(&[]);
        let (pieces, rest) = bytes.as_chunks::<SIZE>();
        if !rest.is_empty() {
            return Err(OnnxError::form(&place, format!("a multiple of {SIZE} bytes"), bytes.len()));
        }
        Ok(pieces.to_vec())
    }

    fn doubles(&self, name: &str) -> Result<Vec<f64>, OnnxError> {
        Ok(self.raw::<8>(name, data_type::DOUBLE)?.into_iter().map(f64::from_le_bytes).collect())
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, OnnxError> {
        Ok(self.raw::<4>(name, data_type::FLOAT)?.into_iter().map(f32::from_le_bytes).collect())
    }

    fn scalar(&self, name: &str) -> Result<f64, OnnxError> {
        self.list(name, 1).map(|values| values[0])
    }

    /// A list of doubles of this length.
    fn list(&self, name: &str, length: usize) -> Result<Vec<f64>, OnnxError> {
        same_length(name, self.doubles(name)?, length)
    }

    /// A list of booleans of this length.
    fn mask(&self, name: &str, length: usize) -> Result<Vec<bool>, OnnxError> {
        let bytes = self.raw::<1>(name, data_type::BOOL)?;
        same_length(name, bytes.into_iter().map(|[byte]| byte != 0).collect(), length)
    }

    fn curve(&self, place: &str) -> Result<PiecewiseLinear, OnnxError> {
        let probabilities = self.doubles(&format!("{place}/probabilities"))?;
        let mut margins = vec![self.scalar(&format!("{place}/start"))?];
        if probabilities.len() > 1 {
            margins.extend(self.list(&format!("{place}/to"), probabilities.len() - 1)?);
        }
        let points = margins.into_iter().zip(probabilities);
        Ok(PiecewiseLinear { knots: points.map(|(margin, probability)| Knot { margin, probability }).collect() })
    }

    fn linear(&self) -> Result<LinearModel, OnnxError> {
        let means = self.metadata(METADATA_MEANS)?;
        let means: Vec<f64> = serde_json::from_str(means)
            .map_err(|error| OnnxError::form("metadata", format!("`{METADATA_MEANS}`: a list of numbers"), error))?;
        let intercept = self.scalar("linear/intercept")?;
        let count = means.len();
        if count == 0 {
            return Ok(LinearModel { terms: Vec::new(), intercept });
        }
        let columns = self.raw::<8>("linear/column", data_type::INT64)?;
        let columns = columns.into_iter().map(|bytes| position("linear/column", i64::from_le_bytes(bytes)));
        let columns = same_length("linear/column", columns.collect::<Result<Vec<usize>, _>>()?, count)?;
        let logarithm = self.mask("linear/is_signed_log", count)?;
        let missing = self.mask("linear/is_missing", count)?;
        let (fill, lower) = (self.list("linear/fill", count)?, self.list("linear/lower", count)?);
        let (upper, center) = (self.list("linear/upper", count)?, self.list("linear/center", count)?);
        let (scale, weight) = (self.list("linear/scale", count)?, self.list("linear/weight", count)?);
        let term = |index: usize| LinearTerm {
            column: columns[index],
            transform: match (missing[index], logarithm[index]) {
                (true, _) => Transform::IsMissing,
                (false, true) => Transform::SignedLog,
                (false, false) => Transform::Identity,
            },
            fill: fill[index],
            lower: lower[index],
            upper: upper[index],
            center: center[index],
            scale: scale[index],
            weight: weight[index],
            mean: means[index],
        };
        Ok(LinearModel { terms: (0..count).map(term).collect(), intercept })
    }

    fn ensemble(&self, node: &NodeProto) -> Result<TreeEnsemble, OnnxError> {
        let lists = TreeLists::new(node)?;
        let fill = if self.has("trees/fill") { Some(self.floats("trees/fill")?) } else { None };
        Ok(TreeEnsemble { trees: lists.trees()?, base: lists.base, fill })
    }
}

fn same_length<T>(name: &str, values: Vec<T>, expected: usize) -> Result<Vec<T>, OnnxError> {
    if values.len() == expected {
        return Ok(values);
    }
    Err(OnnxError::form(&format!("`{name}`"), format!("{expected} values"), values.len()))
}

fn position<T: TryFrom<i64>>(place: &str, value: i64) -> Result<T, OnnxError> {
    T::try_from(value).map_err(|_| OnnxError::form(&format!("`{place}`"), "an index", value))
}

/// The parallel lists of a `TreeEnsembleRegressor`, all of one length per node and per leaf.
struct TreeLists<'a> {
    tree: &'a [i64],
    column: &'a [i64],
    threshold: &'a [f32],
    cover: &'a [f32],
    is_leaf: Vec<bool>,
    left: &'a [i64],
    right: &'a [i64],
    missing_left: &'a [i64],
    leaf_value: &'a [f32],
    base: f32,
}

impl<'a> TreeLists<'a> {
    fn new(node: &'a NodeProto) -> Result<Self, OnnxError> {
        let find = |name: &str| {
            let found = node.attribute.iter().find(|attribute| attribute.name == name);
            found.ok_or_else(|| OnnxError::form("tree operator", format!("attribute `{name}`"), "none"))
        };
        let tree = find("nodes_treeids")?.ints.as_slice();
        let nodes = tree.len();
        let ints = |name: &str| sized(name, find(name)?.ints.as_slice(), nodes);
        let floats = |name: &str| sized(name, find(name)?.floats.as_slice(), nodes);
        let modes: &AttributeProto = find("nodes_modes")?;
        let is_leaf: Vec<bool> = modes.strings.iter().map(|mode| mode == b"LEAF").collect();
        let base = find("base_values")?.floats.first().copied();
        Ok(Self {
            tree,
            column: ints("nodes_featureids")?,
            threshold: floats("nodes_values")?,
            cover: floats("nodes_hitrates")?,
            is_leaf: same_length("nodes_modes", is_leaf, nodes)?,
            left: ints("nodes_truenodeids")?,
            right: ints("nodes_falsenodeids")?,
            missing_left: ints("nodes_missing_value_tracks_true")?,
            leaf_value: find("target_weights")?.floats.as_slice(),
            base: base.ok_or_else(|| OnnxError::form("tree operator", "one base value", "none"))?,
        })
    }

    /// Trees in file order. Ids that do not count up as the writer's do show when the head is written again.
    fn trees(&self) -> Result<Vec<Tree>, OnnxError> {
        let mut trees: Vec<Tree> = Vec::new();
        let mut leaves = self.leaf_value.iter();
        for at in 0..self.tree.len() {
            if at == 0 || self.tree[at] != self.tree[at - 1] {
                trees.push(Tree::default());
            }
            let cover = self.cover[at];
            let node = if self.is_leaf[at] {
                let value =
                    leaves.next().ok_or_else(|| OnnxError::form("tree operator", "a weight per leaf", "fewer"))?;
                Node::Leaf { value: *value, cover }
            } else {
                Node::Split {
                    column: position("nodes_featureids", self.column[at])?,
                    threshold: self.threshold[at],
                    missing_left: self.missing_left[at] != 0,
                    left: position("nodes_truenodeids", self.left[at])?,
                    right: position("nodes_falsenodeids", self.right[at])?,
                    cover,
                }
            };
            if let Some(tree) = trees.last_mut() {
                tree.nodes.push(node);
            }
        }
        Ok(trees)
    }
}

fn sized<'a, T>(name: &str, values: &'a [T], expected: usize) -> Result<&'a [T], OnnxError> {
    if values.len() == expected {
        return Ok(values);
    }
    Err(OnnxError::form(&format!("`{name}`"), format!("{expected} values"), values.len()))
}

/// Names the first part that is not as the writer writes it.
fn first_difference(expected: &ModelProto, found: &ModelProto) -> OnnxError {
    let none = GraphProto::default();
    let graphs = (expected.graph.as_ref().unwrap_or(&none), found.graph.as_ref().unwrap_or(&none));
    let node = |node: &NodeProto| format!("{}({}) -> {}", node.op_type, node.input.join(", "), node.name);
    let tensor = |tensor: &TensorProto| format!("{} {:?}", tensor.name, tensor.dims);
    let difference = list_difference("node", &graphs.0.node, &graphs.1.node, node)
        .or_else(|| list_difference("initializer", &graphs.0.initializer, &graphs.1.initializer, tensor))
        .or_else(|| list_difference("input", &graphs.0.input, &graphs.1.input, |input| input.name.clone()))
        .or_else(|| list_difference("output", &graphs.0.output, &graphs.1.output, |output| output.name.clone()))
        .or_else(|| {
            list_difference("metadata", &expected.metadata_props, &found.metadata_props, |entry| entry.key.clone())
        });
    difference.unwrap_or_else(|| {
        OnnxError::form("encoding", "the bytes that Bellwether writes for this model", "a graph that differs from them")
    })
}

fn list_difference<T: PartialEq>(
    part: &str,
    expected: &[T],
    found: &[T],
    describe: impl Fn(&T) -> String,
) -> Option<OnnxError> {
    let longest = expected.len().max(found.len());
    let at = (0..longest).find(|at| expected.get(*at) != found.get(*at))?;
    let text = |list: &[T]| list.get(at).map_or_else(|| "nothing".to_owned(), |item| format!("`{}`", describe(item)));
    Some(OnnxError::form(&format!("{part} {at}"), text(expected), format!("{} (or its contents differ)", text(found))))
}
