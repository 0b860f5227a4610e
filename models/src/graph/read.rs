//! From the bytes of a file to a head, and to the signature that it needs.

use std::collections::BTreeSet;

use super::binding::{Feed, InputColumn, TensorInput};
use super::error::GraphError;
use super::fold::{self, identity};
use super::model::GraphModel;
use super::operator::ML_DOMAIN;
use super::program::{ModelFile, Program};
use super::tensor::Kind;
use super::trace::Traces;
use crate::{Calibration, Head, Input, InputKind, MarginModel, Signature, onnx};

/// Which output is the probability.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputChoice {
    /// Name; without one, it is found.
    pub name: Option<String>,
    /// Column of it; without one, the only column or the second of two.
    pub column: Option<usize>,
}

/// A model of another tool.
#[derive(Debug, Clone)]
pub struct ForeignModel {
    /// The model as it runs.
    pub head: Head,
    /// Who wrote the file, as it says.
    pub producer: String,
    /// Output that is the probability.
    pub output: String,
    /// The tensor of that output that a runtime should be asked for: a `ZipMap` is left out.
    pub tensor: String,
    /// Its column.
    pub column: usize,
    /// What a runtime must be given.
    pub inputs: Vec<TensorInput>,
    /// Why there can be no reasons, whatever hit rates are known; none where there can.
    pub no_form: Option<String>,
    /// The same model as the interpreter runs it; none for a file of ours.
    pub interpreted: Option<GraphModel>,
}

/// A column that a signature can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureSource {
    /// Name.
    pub name: String,
    /// Whether it holds texts.
    pub is_text: bool,
}

/// Reads a model for a target. Ours is read as what it is, with its calibration.
///
/// # Errors
/// [`GraphError`]; [`GraphError::Unsupported`] only when `allow_foreign` is not set, else the head is one that only another
/// engine runs.
pub fn read(
    bytes: &[u8],
    signature: &Signature,
    target: &str,
    choice: &OutputChoice,
    allow_foreign: bool,
) -> Result<ForeignModel, GraphError> {
    signature.validate()?;
    let file = ModelFile::read(bytes)?;
    let feed = Feed::new(&file.inputs, signature)?;
    let producer = format!("{} {}", file.model.producer_name, file.model.producer_version);
    // One line, and nothing that a terminal obeys.
    let line = producer.lines().next().unwrap_or_default().trim();
    let producer: String = line.chars().filter(|letter| !letter.is_control()).take(100).collect();
    if let Ok(head) = onnx::read(bytes, signature)
        && choice.name.as_deref().is_none_or(|name| name == "probability")
    {
        let head = Head { target: target.to_owned(), ..head };
        let output = "probability".to_owned();
        return Ok(ForeignModel {
            head,
            producer,
            tensor: output.clone(),
            output,
            column: 0,
            inputs: feed.inputs,
            no_form: None,
            interpreted: None,
        });
    }
    let Chosen { output, tensor, column, program } = choose(&file, &feed, choice)?;
    let model = |program| GraphModel::new(bytes, program, feed.clone(), &output, column);
    let (head, no_form, interpreted) = match program {
        Ok(program) => {
            let graph = model(Ok(program.clone()));
            let (margin, no_form) = folded(signature, &program, &feed, column)?;
            let head = match margin {
                Some((margin, calibration)) => Head { target: target.to_owned(), margin, calibration },
                None => graph_head(target, graph.clone()),
            };
            (head, no_form, Some(graph))
        }
        Err(error) if allow_foreign => {
            let reason = error.to_string();
            (graph_head(target, model(Err(reason.clone()))), Some(reason), None)
        }
        Err(error) => return Err(error),
    };
    head.validate(signature)?;
    Ok(ForeignModel { head, producer, output, tensor, column, inputs: feed.inputs, no_form, interpreted })
}

fn graph_head(target: &str, model: GraphModel) -> Head {
    Head { target: target.to_owned(), margin: MarginModel::Graph(model), calibration: identity() }
}

/// The program in our own form, or why it is none.
fn folded(
    signature: &Signature,
    program: &Program,
    feed: &Feed,
    column: usize,
) -> Result<(Option<(MarginModel, Calibration)>, Option<String>), GraphError> {
    let traces = Traces::of(program, feed);
    for (category, wanted) in &traces.levels {
        let Some((_, input, levels)) = signature.category_inputs().nth(*category) else { continue };
        let missing = wanted.iter().filter(|level| !level.is_empty() && !levels.contains(*level)).count();
        if missing > 0 {
            let expected = format!("all levels of `{}` that the model knows, {}", input.name, wanted.len());
            return Err(GraphError::Inputs { expected, found: format!("a signature that lacks {missing} of them") });
        }
    }
    Ok(match fold::fold(program, feed, &traces, column)? {
        Ok(folded) => (Some(folded), None),
        Err(reason) => {
            let reason = format!("the graph is interpreted and not one model of known form, because of {reason}");
            (None, Some(reason))
        }
    })
}

/// The output that was chosen.
struct Chosen {
    output: String,
    tensor: String,
    column: usize,
    program: Result<Program, GraphError>,
}

/// Outputs of floats, or of maps from class to float.
fn candidates(file: &ModelFile) -> Result<Vec<String>, GraphError> {
    let graph = file.graph()?;
    let is_map = |name: &str| {
        let mut makers = graph.node.iter().filter(|node| node.output.iter().any(|output| output == name));
        makers.any(|node| node.op_type == "ZipMap" && node.domain == ML_DOMAIN)
    };
    let is_number = |info: &&super::proto::ValueInfoProto| {
        let tensor = info.kind.as_ref().and_then(|kind| kind.tensor_type.as_ref());
        tensor.map_or_else(
            || is_map(&info.name),
            |tensor| matches!(Kind::of(tensor.elem_type), Some(Kind::Float | Kind::Double)),
        )
    };
    Ok(graph.output.iter().filter(is_number).map(|info| info.name.clone()).collect())
}

fn choose(file: &ModelFile, feed: &Feed, choice: &OutputChoice) -> Result<Chosen, GraphError> {
    let found = candidates(file)?;
    let fail = |what: String| Err(GraphError::Output { found: what, candidates: found.clone() });
    let output = match &choice.name {
        Some(name) if found.contains(name) => name.clone(),
        Some(name) => return fail(format!("no output of floats named `{name}`")),
        None => {
            let named = |name: &&String| name.to_lowercase().contains("prob");
            let (likely, all): (Vec<&String>, Vec<&String>) =
                (found.iter().filter(named).collect(), found.iter().collect());
            match (all.as_slice(), likely.as_slice()) {
                ([only], _) | (_, [only]) => (*only).clone(),
                _ => return fail(if all.is_empty() { "none".to_owned() } else { format!("{}", all.len()) }),
            }
        }
    };
    let tensor = file.tensor_of(&output)?;
    let (program, columns) = match file.program(&tensor) {
        Ok(program) => {
            let rows = vec![0.0; feed.width * 2];
            let found = program.run(feed.tensors(&rows), program.output)?;
            let columns = if found.shape.len() < 2 { 1 } else { found.matrix().1 };
            if found.len() != 2 * columns || found.as_numbers().is_err() {
                return fail(format!("an output of shape {:?} for two rows", found.shape));
            }
            (Ok(program), columns)
        }
        // Two columns, as classifiers of two classes have, unless the file says otherwise.
        Err(error) if error.is_unsupported() => (Err(error), declared_columns(file, &output)?.unwrap_or(2)),
        Err(error) => return Err(error),
    };
    let column = match (choice.column, columns) {
        (Some(column), columns) if column < columns => column,
        (Some(column), columns) => return fail(format!("column {column} of {columns} columns in `{output}`")),
        (None, 1) => 0,
        (None, 2) => 1,
        (None, columns) => return fail(format!("{columns} columns in `{output}`")),
    };
    Ok(Chosen { output, tensor, column, program })
}

fn declared_columns(file: &ModelFile, output: &str) -> Result<Option<usize>, GraphError> {
    let info = file.graph()?.output.iter().find(|info| info.name == output);
    let tensor = info.and_then(|info| info.kind.as_ref()).and_then(|kind| kind.tensor_type.as_ref());
    let sides = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.as_slice());
    Ok(match sides {
        Some([_]) => Some(1),
        Some([_, columns]) => columns.dim_value.and_then(|side| usize::try_from(side).ok()),
        _ => None,
    })
}

/// The signature of some models over these columns: numbers in their order, and the texts that a model asks for by name,
/// with the levels that it knows. A number that a model has no probability without may not be missing.
///
/// # Errors
/// [`GraphError`] when a model cannot be read, or does not go with the columns.
pub fn signature(models: &[(&[u8], &OutputChoice)], columns: &[SignatureSource]) -> Result<Signature, GraphError> {
    let files = models.iter().map(|(bytes, _)| ModelFile::read(bytes)).collect::<Result<Vec<_>, _>>()?;
    let texts: BTreeSet<&str> = files
        .iter()
        .flat_map(|file| &file.inputs)
        .filter(|input| input.kind == Kind::Text)
        .map(|input| input.name.as_str())
        .collect();
    let input = |column: &SignatureSource| Input {
        name: column.name.clone(),
        kind: if column.is_text { InputKind::Category { levels: Vec::new() } } else { InputKind::Numeric },
        unit: String::new(),
        nullable: true,
        definition: String::new(),
    };
    let wanted = columns.iter().filter(|column| !column.is_text || texts.contains(column.name.as_str()));
    let mut signature = Signature { inputs: wanted.map(input).collect() };
    let mut levels: Vec<BTreeSet<String>> = vec![BTreeSet::new(); signature.category_inputs().count()];
    for (file, (_, choice)) in files.iter().zip(models) {
        let feed = Feed::new(&file.inputs, &signature)?;
        let chosen = choose(file, &feed, choice)?;
        let Ok(program) = chosen.program else { continue };
        for (category, known) in Traces::of(&program, &feed).levels {
            if let Some(levels) = levels.get_mut(category) {
                levels.extend(known.into_iter().filter(|level| !level.is_empty()));
            }
        }
    }
    let mut levels = levels.into_iter();
    for input in &mut signature.inputs {
        if let InputKind::Category { levels: of_input } = &mut input.kind {
            *of_input = levels.next().unwrap_or_default().into_iter().collect();
        }
    }
    for (bytes, choice) in models {
        forbid_missing(bytes, choice, &mut signature)?;
    }
    Ok(signature)
}

/// Marks the inputs that a model has no probability without.
fn forbid_missing(bytes: &[u8], choice: &OutputChoice, signature: &mut Signature) -> Result<(), GraphError> {
    let needed = read(bytes, signature, "target", choice, true)?.must_be_known(signature)?;
    let numbers = signature.inputs.iter_mut().filter(|input| input.kind == InputKind::Numeric);
    for (input, needed) in numbers.zip(needed) {
        input.nullable &= !needed;
    }
    Ok(())
}

impl ForeignModel {
    /// Whether Bellwether wrote the file, in its own form.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.interpreted.is_none() && self.no_form.is_none()
    }

    /// Per numeric input, whether a missing value leaves the model without a probability, or is no value of its type.
    ///
    /// # Errors
    /// [`GraphError::Model`] when the interpreter fails.
    pub fn must_be_known(&self, signature: &Signature) -> Result<Vec<bool>, GraphError> {
        let count = signature.numeric_inputs().count();
        let mut needed = vec![false; count];
        let whole = |input: &&TensorInput| !matches!(Kind::of(input.data_type), Some(Kind::Float | Kind::Double));
        for column in self.inputs.iter().filter(whole).flat_map(|input| &input.columns) {
            if let InputColumn::Number(at) = column {
                needed[*at] = true;
            }
        }
        if let Some(graph) = &self.interpreted {
            let width = graph.width();
            // The first category set, so that only the number is missing.
            let mut rows = vec![0.5_f32; width * count];
            for (at, row) in rows.chunks_exact_mut(width).enumerate() {
                row[at] = f32::NAN;
            }
            for (needed, margin) in needed.iter_mut().zip(graph.margins(&rows)?) {
                *needed |= margin.is_nan();
            }
        }
        Ok(needed)
    }
}

/// The file with one more output, so that a runtime can be asked for a tensor that is inside the graph: messages in
/// protocol buffers are joined when they are repeated, so nothing that is there changes.
#[must_use]
pub fn with_output(bytes: &[u8], tensor: &str) -> Vec<u8> {
    let length = |bytes: &[u8]| {
        let (mut encoded, mut rest) = (Vec::new(), bytes.len());
        while rest >= 0x80 {
            encoded.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        encoded.push(rest as u8);
        encoded
    };
    let field = |tag: u8, content: &[u8]| [&[tag << 3 | 2][..], &length(content), content].concat();
    // Graph 7 of the model, output 12 of the graph, name 1 of the output.
    let added = field(7, &field(12, &field(1, tensor.as_bytes())));
    [bytes, &added].concat()
}
