//! What may be wrong with a matrix: where, what was expected, what was found, and what to do.

use std::path::PathBuf;

/// Why a matrix cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MatrixError {
    /// The file system refused.
    #[error("{}: cannot {action}", path.display())]
    #[diagnostic(
        code(bellwether::matrix::io),
        help("{}", bellwether_staging::advice(source, "check that the file exists and can be read"))
    )]
    Io {
        /// File.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Cause.
        source: std::io::Error,
    },
    /// A column that was asked for and is not there, or an option that does not fit the file.
    #[error("{}: {option}: expected {expected}, found {found}", path.display())]
    #[diagnostic(code(bellwether::matrix::option), help("{hint}"))]
    Option {
        /// File.
        path: PathBuf,
        /// Option, e.g. `--target`.
        option: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
        /// The next step.
        hint: String,
    },
    /// The file as a whole.
    #[error("{}: expected {expected}, found {found}", path.display())]
    #[diagnostic(code(bellwether::matrix::file), help("{hint}"))]
    File {
        /// File.
        path: PathBuf,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
        /// The next step.
        hint: String,
    },
    /// A cell.
    #[error("{}: column `{column}`, row {row}: expected {expected}, found {found}", path.display())]
    #[diagnostic(code(bellwether::matrix::row), help("{hint}"))]
    Row {
        /// File.
        path: PathBuf,
        /// Column.
        column: String,
        /// Row, from 1, the header not counted.
        row: u64,
        /// What a cell should be.
        expected: String,
        /// What it is, in words; never its value.
        found: String,
        /// The next step.
        hint: String,
    },
}

impl MatrixError {
    /// Whether another option, and not another file, is what is needed.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Option { .. })
    }
}
