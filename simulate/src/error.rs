//! What can go wrong: wrong parameters, and disks.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

/// Why a simulation did not start or did not end.
#[derive(Debug, Error, Diagnostic)]
pub enum SimulateError {
    /// A parameter is outside its range.
    #[error("simulate: {name} must be {expected}, found {found}")]
    #[diagnostic(code(simulate::parameter), help("{hint}"))]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// The range.
        expected: String,
        /// What was given.
        found: String,
        /// What to try.
        hint: &'static str,
    },
    /// No world has this name.
    #[error("simulate: no world is called `{found}`; expected one of {expected}")]
    #[diagnostic(
        code(simulate::world),
        help("`standard` is the default; each world is described in its documentation")
    )]
    UnknownWorld {
        /// What was given.
        found: String,
        /// The names, comma-separated.
        expected: String,
    },
    /// A file or folder could not be made, written or moved.
    #[error("simulate: could not {action} {}", path.display())]
    #[diagnostic(
        code(simulate::file),
        help("{}", bellwether_staging::advice(source, "check that the folder exists, is writable and has free space"))
    )]
    File {
        /// What was tried, e.g. `write`.
        action: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A table could not be encoded as Parquet, or not be written.
    #[error("simulate: could not write Parquet to {}", path.display())]
    #[diagnostic(
        code(simulate::parquet),
        help("{}", bellwether_staging::advice(source, "check free space; otherwise this is a bug, please report it"))
    )]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// The observer asked to stop; nothing was published.
    #[error("simulate: stopped on request after {done} of {total} accounts; nothing was published")]
    #[diagnostic(code(simulate::stopped), help("run it again: an earlier result in the folder is untouched"))]
    Stopped {
        /// Accounts written so far.
        done: u64,
        /// Accounts asked for.
        total: u64,
    },
}

impl SimulateError {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }

    pub(crate) fn parquet(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Parquet { path, source }
    }
}
