//! What can be wrong with a project file, and where. A [`ContractError`] is a [`Problem`] plus the key that has it; once
//! the source text is at hand, [`ContractError::located`] turns the key into a line and a column.

use std::fmt;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

/// What kind of failure an error is; binaries map it to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The project file or a path in it: exit 2, no retry.
    Configuration,
    /// The data break the contract: exit 3, no retry.
    Data,
    /// A resource limit: exit 5.
    Resource,
    /// A passing failure of a disk or network: exit 75, retry.
    Io,
}

/// A place in the project file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A mistake in the project file.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractError {
    /// What is wrong.
    pub problem: Box<Problem>,
    /// The key that has it, from the root, e.g. `["tables", "usage", "path"]`; empty: the whole file.
    pub key: Vec<String>,
    /// Where that key stands, once located.
    pub place: Option<Place>,
}

impl ContractError {
    pub(crate) fn new(problem: Problem, key: &[&str]) -> Self {
        Self { problem: Box::new(problem), key: key.iter().map(|part| (*part).to_owned()).collect(), place: None }
    }

    /// Adds file, line and column, read from the source text; without such a key in it, the nearest section above.
    #[must_use]
    pub fn located(mut self, file: &Path, source: &str) -> Self {
        if self.place.is_none() {
            let (line, column) = super::position::locate(source, &self.key);
            self.place = Some(Place { file: file.to_path_buf(), line, column });
        }
        self
    }

    /// The key that has the mistake, from the root; empty: the whole file.
    #[must_use]
    pub fn key_path(&self) -> &[String] {
        &self.key
    }

    /// Which exit code it calls for.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match *self.problem {
            Problem::Unreadable { transient: true, .. } => FailureKind::Io,
            _ => FailureKind::Configuration,
        }
    }
}

impl fmt::Display for ContractError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(formatter, "{place}: ")?;
        }
        if !self.key.is_empty() {
            write!(formatter, "`{}`: ", self.key.join("."))?;
        }
        write!(formatter, "{}", self.problem)
    }
}

impl std::error::Error for ContractError {}

impl Diagnostic for ContractError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help()
    }
}

/// What is wrong with a key. Texts say what was expected and what was found; the hint says what to do.
#[derive(Debug, Clone, PartialEq, Error, Diagnostic)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read.
    #[error("{}: expected a project file, found none that can be read: {cause}", file.display())]
    #[diagnostic(
        code(bellwether::contract::unreadable),
        help("`bellwether init DIR` writes a commented one; --config or BELLWETHER_CONFIG says which is meant")
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's words.
        cause: String,
        /// Whether trying again may help.
        transient: bool,
    },
    /// The file is too large to be a project file.
    #[error("{}: expected a project file of at most {limit} bytes, found {bytes}", file.display())]
    #[diagnostic(code(bellwether::contract::too_large), help("is this a data file?"))]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Not valid TOML, an unknown key, or a value of the wrong type.
    #[error("{message}")]
    #[diagnostic(code(bellwether::contract::syntax))]
    Syntax {
        /// The parser's words.
        message: String,
        /// What to write instead, where there is a good guess.
        #[help]
        hint: Option<String>,
    },
    /// A name that is not one of the known ones.
    #[error("unknown {what} `{found}`")]
    #[diagnostic(code(bellwether::contract::unknown_name))]
    UnknownName {
        /// What the name should name.
        what: &'static str,
        /// The name found.
        found: String,
        /// Nearest known name, or all of them.
        #[help]
        hint: Option<String>,
    },
    /// Something that must be declared is not.
    #[error("{what} is missing")]
    #[diagnostic(code(bellwether::contract::missing))]
    Missing {
        /// What is missing.
        what: String,
        /// What to do.
        #[help]
        hint: Option<String>,
    },
    /// A value outside what is possible.
    #[error("expected {expected}, found {found}")]
    #[diagnostic(code(bellwether::contract::invalid_value))]
    InvalidValue {
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
        /// What to do.
        #[help]
        hint: Option<String>,
    },
    /// A key that has no meaning together with the others.
    #[error("{reason}")]
    #[diagnostic(code(bellwether::contract::conflict))]
    Conflict {
        /// Why it does not fit.
        reason: String,
        /// What to do.
        #[help]
        hint: Option<String>,
    },
    /// `${VAR}` names an environment variable that is not set.
    #[error("the environment variable `{name}` is not set")]
    #[diagnostic(code(bellwether::contract::unset_variable), help("set it, or give a default: `${{{name}:-path}}`"))]
    UnsetVariable {
        /// Its name.
        name: String,
    },
    /// A small expression that does not parse.
    #[error("in the expression, at character {position}: {message}")]
    #[diagnostic(code(bellwether::contract::expression))]
    Expression {
        /// Character, from 1.
        position: usize,
        /// Expected and found.
        message: String,
        /// What to do.
        #[help]
        hint: Option<String>,
    },
}
