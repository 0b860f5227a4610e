//! One error type for the command: any library's diagnostic, and what the process exits with.

use std::error::Error;
use std::fmt;

use bellwether_infer::exit::ExitCode;
use miette::Diagnostic;

/// What stopped a command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the process exits with.
    pub(crate) exit: ExitCode,
    /// What is printed.
    pub(crate) diagnostic: Box<dyn Diagnostic + Send + Sync>,
}

impl Failure {
    /// A library's error under its exit code.
    pub(crate) fn new(exit: ExitCode, error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { exit, diagnostic: Box::new(error) }
    }

    /// A mistake in usage or configuration that the command itself found.
    pub(crate) fn configuration(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, Found { code: "bellwether::usage", message: message.into(), hint: hint.into() })
    }

    /// Data that the command itself found wanting.
    pub(crate) fn data(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ExitCode::DataContract, Found { code: "bellwether::data", message: message.into(), hint: hint.into() })
    }

    /// A configuration error at a place in the project file.
    pub(crate) fn at(place: String, error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self::new(ExitCode::Usage, At { place, inner: Box::new(error) })
    }

    /// A failed read or write.
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::new(ExitCode::of_io(&source), Files { path: path.display().to_string(), source })
    }
}

/// Something the command itself found.
#[derive(Debug)]
struct Found {
    code: &'static str,
    message: String,
    hint: String,
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for Found {}

impl Diagnostic for Found {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.hint))
    }
}

/// A failed read or write.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{path}: cannot be read or written")]
#[diagnostic(code(bellwether::io), help("check the path, its permissions and the free space"))]
struct Files {
    path: String,
    source: std::io::Error,
}

/// A library's error, prefixed with where in the file it is.
#[derive(Debug)]
struct At {
    place: String,
    inner: Box<dyn Diagnostic + Send + Sync>,
}

impl fmt::Display for At {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.inner)
    }
}

impl Error for At {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.source()
    }
}

impl Diagnostic for At {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.inner.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.inner.help()
    }
}
