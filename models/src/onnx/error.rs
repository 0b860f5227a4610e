//! Why an ONNX file is not taken.

use miette::Diagnostic;
use thiserror::Error;

use crate::ModelError;

/// An ONNX file that is not a model of ours.
#[derive(Debug, Error, Diagnostic)]
pub enum OnnxError {
    /// Larger than any model of ours.
    #[error("ONNX model: expected at most {expected} bytes, found {found}")]
    #[diagnostic(code(bellwether::onnx::too_large), help("train with fewer trees or leaves"))]
    TooLarge {
        /// Limit.
        expected: usize,
        /// Size.
        found: usize,
    },
    /// Not protocol buffers.
    #[error("ONNX model: expected a protocol buffers message, found bytes that are none")]
    #[diagnostic(code(bellwether::onnx::encoding), help("the file is damaged; copy the bundle again"))]
    Encoding(#[source] prost::DecodeError),
    /// An operator that no model of ours has.
    #[error("ONNX model, node `{node}`: expected an operator that Bellwether writes, found `{operator}`")]
    #[diagnostic(
        code(bellwether::onnx::unknown_operator),
        help("this version reads only models that `bellwether train` wrote")
    )]
    UnknownOperator {
        /// Name of the node.
        node: String,
        /// Domain and operator.
        operator: String,
    },
    /// Something that is not as the writer writes it.
    #[error("ONNX model, {place}: expected {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::onnx::unknown_form),
        help("this version reads only models that `bellwether train` wrote, with the signature of their bundle")
    )]
    Form {
        /// Part of the file.
        place: String,
        /// What the writer writes there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A graph of the right form whose numbers break a rule.
    #[error("ONNX model: {0}")]
    #[diagnostic(transparent)]
    Model(#[from] ModelError),
}

impl OnnxError {
    pub(crate) fn form(place: &str, expected: impl ToString, found: impl ToString) -> Self {
        Self::Form { place: place.to_owned(), expected: expected.to_string(), found: found.to_string() }
    }
}
