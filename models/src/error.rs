//! What can be wrong with a model before any row is scored.
//!
//! Every error says where, what was expected and what was found. Nothing in this crate panics on a model it was given:
//! models come from files, and files come from anywhere.

use miette::Diagnostic;
use thiserror::Error;

/// A signature, block or model that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum ModelError {
    /// The inputs are not well formed.
    #[error("signature, input {position} `{name}`: expected {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::model::signature),
        help("the bundle's signature.json is wrong; train or import the model again")
    )]
    Signature {
        /// Position of the input, from 0.
        position: usize,
        /// Its name.
        name: String,
        /// The rule.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// Rows that do not fit the signature.
    #[error("rows, {column}: expected {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::model::block),
        help("build the rows from the same signature as the model: columns by name, categories by `InputKind::code`")
    )]
    Block {
        /// Column or group of columns.
        column: String,
        /// The rule.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A margin model that cannot be run.
    #[error("model, {place}: expected {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::model::margin),
        help("the model is damaged or was written by something else; train it again")
    )]
    Margin {
        /// Term, tree or node.
        place: String,
        /// The rule.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// A calibration that is not continuous, monotone and of bounded slope.
    #[error("calibration, {place}: expected {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::model::calibration),
        help("fit the calibrator again with a coarser curve, or scale the margin")
    )]
    Calibration {
        /// Curve and knot.
        place: String,
        /// The rule.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// A policy or reference that does not belong to the signature.
    #[error("{place}: expected {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::model::policy),
        help("policy, reference and signature are written together by `train`; do not mix bundles")
    )]
    Policy {
        /// File and field.
        place: String,
        /// The rule.
        expected: String,
        /// What was there.
        found: String,
    },
}
