//! Why a bundle is refused, or cannot be written.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::ModelError;
use crate::graph::GraphError;
use crate::onnx::OnnxError;

/// A bundle that is not taken. Apart from [`BundleError::Io`] and [`BundleError::Exists`], the model is refused (exit
/// 4).
#[derive(Debug, Error, Diagnostic)]
pub enum BundleError {
    /// The file system refused.
    #[error("{}: cannot {action}", path.display())]
    #[diagnostic(
        code(bellwether::bundle::io),
        help("{}", bellwether_staging::advice(source, "check the path and its permissions"))
    )]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
    /// A folder is in the way.
    #[error("{}: expected no such folder, found one that is not empty", path.display())]
    #[diagnostic(code(bellwether::bundle::exists), help("a version is never overwritten; take the next number"))]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Files that do not belong, or are missing.
    #[error("bundle {}: expected {expected}, found {found}", path.display())]
    #[diagnostic(
        code(bellwether::bundle::files),
        help(
            "a bundle holds exactly the files that bundle.json lists; copy the whole folder again, and nothing into it"
        )
    )]
    Files {
        /// The bundle.
        path: PathBuf,
        /// The rule.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A file that is not the one that was written.
    #[error("{}: expected sha256 {expected}, found {found}", path.display())]
    #[diagnostic(code(bellwether::bundle::digest), help("the file was changed or damaged; copy the bundle again"))]
    Digest {
        /// The file.
        path: PathBuf,
        /// Digest that the bundle lists.
        expected: String,
        /// Digest of the file.
        found: String,
    },
    /// Written by a newer version.
    #[error("{}: expected format {expected} or older, found {found}", path.display())]
    #[diagnostic(code(bellwether::bundle::newer_format), help("update Bellwether on this machine"))]
    NewerFormat {
        /// bundle.json or signature.json.
        path: PathBuf,
        /// Format that this version knows.
        expected: u32,
        /// Format of the file.
        found: u64,
    },
    /// Not the JSON that it should be.
    #[error("{}: expected the JSON of this file", path.display())]
    #[diagnostic(code(bellwether::bundle::json), help("the file was not written by this version of Bellwether"))]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// Parts that do not fit together.
    #[error("bundle, {place}: expected {expected}, found {found}")]
    #[diagnostic(code(bellwether::bundle::content), help("the bundle is inconsistent; train it again"))]
    Content {
        /// File and field.
        place: String,
        /// The rule.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A signature, policy, reference or head that breaks a rule.
    #[error("bundle, {file}: {source}")]
    #[diagnostic(code(bellwether::bundle::model), help("the bundle is inconsistent; train it again"))]
    Model {
        /// The file.
        file: String,
        /// The rule.
        source: ModelError,
    },
    /// An ONNX file that is not read.
    #[error("bundle, {file}: {source}")]
    #[diagnostic(code(bellwether::bundle::onnx), help("the model was not written by `bellwether train`"))]
    Onnx {
        /// The file.
        file: String,
        /// What is unknown.
        source: OnnxError,
    },
    /// A model of another tool that is not read.
    #[error("bundle, {file}: {source}")]
    #[diagnostic(
        code(bellwether::bundle::graph),
        help("import the model again with this version: `bellwether models import`")
    )]
    Graph {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: GraphError,
    },
    /// Golden rows that cannot be read or written.
    #[error("bundle, golden.parquet: {reason}")]
    #[diagnostic(code(bellwether::bundle::golden_file), help("the file is not that of this signature; train again"))]
    GoldenFile {
        /// In words.
        reason: String,
    },
    /// The scorer does not give what it gave when the bundle was written.
    #[error("bundle, golden.parquet, row {row}: expected {column} of {target} to be {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::bundle::golden),
        help("this machine or version computes other scores than training did; do not score with it, and report it")
    )]
    Golden {
        /// Target.
        target: String,
        /// Output tensor.
        column: &'static str,
        /// Row, from 0.
        row: usize,
        /// Value in the file.
        expected: f64,
        /// Value of the scorer.
        found: f64,
    },
}

impl BundleError {
    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }

    pub(crate) fn model(file: &str) -> impl FnOnce(ModelError) -> Self {
        let file = file.to_owned();
        move |source| Self::Model { file, source }
    }

    pub(crate) fn content(place: &str, expected: impl ToString, found: impl ToString) -> Self {
        Self::Content { place: place.to_owned(), expected: expected.to_string(), found: found.to_string() }
    }
}
