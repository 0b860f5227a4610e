//! A graph as a list of steps: only what the probability needs, in an order in which every input is there.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message;

use super::attributes::{Attributes, node_name, operator_name};
use super::error::GraphError;
use super::operator::{ML_DOMAIN, Operator, computed_output};
use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use super::tensor::{Kind, MAX_ELEMENTS, Tensor};
use crate::onnx::MAX_BYTES;

/// Most nodes of a graph.
const MAX_GRAPH_NODES: usize = 100_000;

/// Most outputs of a graph.
const MAX_OUTPUTS: usize = 1_000;

/// An input of a graph.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GraphInput {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Number of columns, where the file says it.
    pub(super) columns: Option<usize>,
    /// Whether it is a vector, `[N]`, rather than a matrix, `[N, columns]`.
    pub(super) is_vector: bool,
    /// `TensorProto.DataType` of the elements.
    pub(super) data_type: i32,
}

/// A decoded and checked file.
pub(super) struct ModelFile {
    pub(super) model: ModelProto,
    pub(super) inputs: Vec<GraphInput>,
    versions: BTreeMap<String, i64>,
}

impl ModelFile {
    /// Decodes a file and refuses what no model of a table needs.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, GraphError> {
        if bytes.len() > MAX_BYTES {
            return Err(GraphError::TooLarge { expected: MAX_BYTES, found: bytes.len() });
        }
        let model = ModelProto::decode(bytes).map_err(GraphError::Encoding)?;
        let graph = model.graph.as_ref().ok_or_else(|| GraphError::malformed("graph", "a graph", "none"))?;
        if graph.node.is_empty() || graph.node.len() > MAX_GRAPH_NODES {
            return Err(GraphError::malformed("graph", format!("1 to {MAX_GRAPH_NODES} nodes"), graph.node.len()));
        }
        if graph.output.len() > MAX_OUTPUTS {
            return Err(GraphError::malformed("graph", format!("at most {MAX_OUTPUTS} outputs"), graph.output.len()));
        }
        if !model.functions.is_empty() || !graph.sparse_initializer.is_empty() {
            return Err(GraphError::malformed("graph", "neither functions nor sparse tensors", "some"));
        }
        let constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let given = graph.input.iter().filter(|input| !constants.contains(input.name.as_str()));
        let inputs = given.map(graph_input).collect::<Result<Vec<_>, _>>()?;
        let mut versions = BTreeMap::new();
        for set in &model.opset_import {
            versions.insert(set.domain.clone(), set.version);
        }
        Ok(Self { inputs, versions, model })
    }

    pub(super) fn graph(&self) -> Result<&GraphProto, GraphError> {
        self.model.graph.as_ref().ok_or_else(|| GraphError::malformed("graph", "a graph", "none"))
    }

    /// Version of an operator set; a file that does not say has no operator of it that changed.
    fn version(&self, domain: &str) -> i64 {
        self.versions.get(domain).copied().unwrap_or(if domain == ML_DOMAIN { 1 } else { 9 })
    }

    /// The tensor that an output is made of: the input of a `ZipMap`, or the output itself.
    pub(super) fn tensor_of(&self, output: &str) -> Result<String, GraphError> {
        let graph = self.graph()?;
        let maker = graph.node.iter().find(|node| node.output.iter().any(|name| name == output));
        Ok(match maker {
            Some(node) if node.op_type == "ZipMap" && node.domain == ML_DOMAIN => {
                let input = node.input.first();
                input.ok_or_else(|| GraphError::malformed("ZipMap", "an input", "none"))?.clone()
            }
            _ => output.to_owned(),
        })
    }

    /// The steps that lead to a tensor.
    pub(super) fn program(&self, tensor: &str) -> Result<Program, GraphError> {
        let graph = self.graph()?;
        let mut makers: HashMap<&str, &NodeProto> = HashMap::with_capacity(graph.node.len());
        for node in &graph.node {
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                if makers.insert(output, node).is_some() {
                    return Err(GraphError::malformed("graph", "each value made once", format!("`{output}` twice")));
                }
            }
        }
        let mut tensors: HashMap<&str, &TensorProto> = HashMap::with_capacity(graph.initializer.len());
        for tensor in &graph.initializer {
            if tensors.insert(&tensor.name, tensor).is_some() {
                return Err(GraphError::malformed("graph", "each tensor once", format!("`{}` twice", tensor.name)));
            }
        }
        let mut builder = Builder { file: self, makers, tensors, slots: HashMap::new(), program: Program::default() };
        builder.program.inputs.clone_from(&self.inputs);
        for (slot, input) in self.inputs.iter().enumerate() {
            builder.slots.insert(input.name.clone(), slot);
        }
        builder.program.slots = self.inputs.len();
        builder.add(tensor)?;
        builder.program.output = builder.slots.get(tensor).copied().unwrap_or(0);
        Ok(builder.program)
    }
}

fn graph_input(info: &ValueInfoProto) -> Result<GraphInput, GraphError> {
    let place = format!("input `{}`", info.name);
    let tensor = info.kind.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| GraphError::malformed(&place, "a tensor", "another type"))?;
    let kind = Kind::of(tensor.elem_type);
    let kind = kind.ok_or_else(|| GraphError::malformed(&place, "numbers or texts", tensor.elem_type))?;
    let sides = tensor.shape.as_ref().map(|shape| shape.dim.as_slice());
    let (columns, is_vector) = match sides {
        None => (None, false),
        Some([_]) => (Some(1), true),
        Some([_, columns]) => match columns.dim_value {
            Some(side @ 1..) => (Some(usize::try_from(side).unwrap_or(usize::MAX)), false),
            _ => (None, false),
        },
        Some(sides) => return Err(GraphError::malformed(&place, "one or two dimensions", sides.len())),
    };
    if columns.is_some_and(|columns| columns > crate::signature::MAX_DESIGN_COLUMNS) {
        return Err(GraphError::malformed(&place, "at most 100,000 columns", "more"));
    }
    Ok(GraphInput { name: info.name.clone(), kind, columns, is_vector, data_type: tensor.elem_type })
}

/// One operator with the places of its inputs and of its output.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) node: String,
    pub(super) name: String,
    pub(super) operator: Operator,
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) output: usize,
}

/// Steps in order. Slots hold the graph's inputs first, then constants and results.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Program {
    pub(super) inputs: Vec<GraphInput>,
    pub(super) constants: Vec<(usize, Tensor)>,
    pub(super) steps: Vec<Step>,
    pub(super) slots: usize,
    pub(super) output: usize,
}

struct Builder<'a> {
    file: &'a ModelFile,
    makers: HashMap<&'a str, &'a NodeProto>,
    tensors: HashMap<&'a str, &'a TensorProto>,
    slots: HashMap<String, usize>,
    program: Program,
}

/// Where a node is on the way: entered, or left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Enter,
    Leave,
}

impl<'a> Builder<'a> {
    /// Adds what leads to a value, inputs before what is made of them; a stack of our own instead of recursion.
    fn add(&mut self, wanted: &str) -> Result<(), GraphError> {
        let mut on_the_way: HashMap<&str, ()> = HashMap::new();
        let mut open = vec![(wanted.to_owned(), Visit::Enter)];
        while let Some((name, visit)) = open.pop() {
            if self.slots.contains_key(&name) {
                continue;
            }
            let Some(node) = self.makers.get(name.as_str()).copied() else {
                self.add_constant(&name)?;
                continue;
            };
            let key = node.output.first().map_or("", String::as_str);
            match visit {
                Visit::Leave => self.add_step(&name, node)?,
                Visit::Enter => {
                    if node.output.iter().position(|output| *output == name) != Some(computed_output(&node.op_type)) {
                        return Err(Attributes::new(node, 0).unsupported(format!("a use of its output `{name}`")));
                    }
                    if on_the_way.insert(key, ()).is_some() {
                        let place = format!("node `{}`", node_name(node));
                        return Err(GraphError::malformed(place, "a graph without a cycle", "a cycle"));
                    }
                    open.push((name, Visit::Leave));
                    let inputs = node.input.iter().filter(|input| !input.is_empty());
                    open.extend(inputs.map(|input| (input.clone(), Visit::Enter)));
                }
            }
        }
        Ok(())
    }

    fn slot(&mut self, name: &str) -> usize {
        let slot = self.program.slots;
        self.program.slots += 1;
        self.slots.insert(name.to_owned(), slot);
        slot
    }

    fn add_constant(&mut self, name: &str) -> Result<(), GraphError> {
        let Some(proto) = self.tensors.get(name).copied() else {
            return Err(GraphError::malformed("graph", format!("a value `{name}`"), "none"));
        };
        let tensor = Tensor::read(proto, &format!("tensor `{name}`"))?;
        let slot = self.slot(name);
        self.program.constants.push((slot, tensor));
        Ok(())
    }

    fn add_step(&mut self, name: &str, node: &'a NodeProto) -> Result<(), GraphError> {
        let attributes = Attributes::new(node, self.file.version(&node.domain));
        let operator = Operator::read(&attributes)?;
        let missing = |input: &String| GraphError::malformed("graph", "inputs that are made before", input);
        let slot_of = |input: &String| {
            if input.is_empty() {
                return Ok(None);
            }
            self.slots.get(input).copied().map(Some).ok_or_else(|| missing(input))
        };
        let inputs = node.input.iter().map(slot_of).collect::<Result<Vec<_>, _>>()?;
        let output = self.slot(name);
        let (node, name) = (node_name(node), operator_name(node));
        self.program.steps.push(Step { node, name, operator, inputs, output });
        Ok(())
    }
}

impl Program {
    /// Runs the steps up to the one that fills `slot`. `inputs`: one tensor per graph input.
    pub(super) fn run(&self, inputs: Vec<Tensor>, slot: usize) -> Result<Tensor, GraphError> {
        let mut values: Vec<Option<Tensor>> = vec![None; self.slots];
        for (at, input) in inputs.into_iter().enumerate() {
            values[at] = Some(input);
        }
        let mut left = 2 * MAX_ELEMENTS;
        let constants: HashMap<usize, &Tensor> = self.constants.iter().map(|(slot, value)| (*slot, value)).collect();
        for step in &self.steps {
            if values[slot].is_some() {
                break;
            }
            let of_slot =
                |slot: &Option<usize>| slot.and_then(|slot| values[slot].as_ref().or(constants.get(&slot).copied()));
            let inputs: Vec<Option<&Tensor>> = step.inputs.iter().map(of_slot).collect();
            let result = step.operator.apply(&inputs).map_err(|error| at_node(error, step))?;
            let too_many = || GraphError::malformed("graph", "at most 2^25 elements in all values together", "more");
            left = left.checked_sub(result.len()).ok_or_else(too_many)?;
            values[step.output] = Some(result);
        }
        let constant = constants.get(&slot).map(|value| (*value).clone());
        let result = values.swap_remove(slot).or(constant);
        result.ok_or_else(|| GraphError::malformed("graph", "a result", "none"))
    }
}

fn at_node(error: GraphError, step: &Step) -> GraphError {
    match error {
        GraphError::Malformed { place, expected, found } => {
            GraphError::Malformed { place: format!("node `{}` ({}), {place}", step.node, step.name), expected, found }
        }
        other => other,
    }
}
