//! Why a model of another tool is not taken.

use miette::Diagnostic;
use thiserror::Error;

use crate::ModelError;

/// An ONNX model that is refused, or that the native engine cannot run.
#[derive(Debug, Error, Diagnostic)]
pub enum GraphError {
    /// Larger than what is read.
    #[error("ONNX model: expected at most {expected} bytes, found {found}")]
    #[diagnostic(code(bellwether::graph::too_large), help("train with fewer trees or leaves"))]
    TooLarge {
        /// Limit.
        expected: usize,
        /// Size.
        found: usize,
    },
    /// Not protocol buffers.
    #[error("ONNX model: expected a protocol buffers message, found bytes that are none")]
    #[diagnostic(code(bellwether::graph::encoding), help("the file is damaged, or is no ONNX file"))]
    Encoding(#[source] prost::DecodeError),
    /// A graph that breaks a rule of ONNX, or a limit of ours.
    #[error("ONNX model, {place}: expected {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::graph::malformed),
        help("export the model again, and run `onnx.checker.check_model` on it")
    )]
    Malformed {
        /// Node, attribute, tensor.
        place: String,
        /// The rule.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A graph that is sound, and that the native engine does not run.
    #[error("ONNX model, node `{node}` ({operator}): the native engine does not run {what}")]
    #[diagnostic(
        code(bellwether::graph::unsupported),
        help(
            "--engine onnxruntime runs it, when importing and when scoring; `bellwether models import --help` says how"
        )
    )]
    Unsupported {
        /// Name of the node, or of its first output.
        node: String,
        /// Domain and operator.
        operator: String,
        /// Operator, attribute or use.
        what: String,
    },
    /// It is not clear which output is the probability.
    #[error("ONNX model: expected one output that is a probability, found {found}; candidates: {}", candidates.join(", "))]
    #[diagnostic(code(bellwether::graph::output), help("name it: --probability TARGET=OUTPUT or TARGET=OUTPUT:COLUMN"))]
    Output {
        /// What was found instead.
        found: String,
        /// Outputs that could be it.
        candidates: Vec<String>,
    },
    /// The inputs of the graph and those of the signature do not go together.
    #[error("ONNX model, inputs: expected {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::graph::inputs),
        help(
            "an input of the graph that is named as a column takes that column; one other numeric input takes all \
             remaining numbers, in order"
        )
    )]
    Inputs {
        /// What the graph takes.
        expected: String,
        /// What the signature has.
        found: String,
    },
    /// A probability that is none.
    #[error("ONNX model, output `{output}`: expected probabilities in [0, 1], found {found}")]
    #[diagnostic(
        code(bellwether::graph::not_a_probability),
        help("name the output that is a probability: --probability TARGET=OUTPUT or TARGET=OUTPUT:COLUMN")
    )]
    NotAProbability {
        /// Output.
        output: String,
        /// The value.
        found: String,
    },
    /// Numbers that break a rule of our own models.
    #[error("ONNX model: {0}")]
    #[diagnostic(transparent)]
    Model(#[from] ModelError),
}

impl GraphError {
    pub(crate) fn malformed(place: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self::Malformed { place: place.into(), expected: expected.to_string(), found: found.to_string() }
    }

    /// Whether another engine may run what this one does not.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }
}
