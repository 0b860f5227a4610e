//! One error type for the command: any library's diagnostic, and what the process exits with.

use std::error::Error;
use std::fmt;

use bellwether_features::contract::{ContractError, FailureKind};
use bellwether_features::matrix::MatrixError;
use bellwether_features::read::ReadError;
use bellwether_infer::InferError;
use bellwether_infer::exit::ExitCode;
use bellwether_infer::observe::Stop;
use bellwether_outlook::export::ExportError;
use bellwether_outlook::scored::ScoresReadError;
use bellwether_outlook::tables::WriteError;
use bellwether_postgres::PostgresError;
use bellwether_simulate::SimulateError;
use bellwether_train::TrainError;
use bellwether_train::registry::RegistryError;
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
    /// A panic: always a bug of ours.
    pub(crate) fn bug(payload: &(dyn std::any::Any + Send)) -> Self {
        let said = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
        let found = Found {
            code: "bellwether::bug",
            message: format!("an internal bug stopped the work: {}", said.as_deref().unwrap_or("no reason given")),
            hint: "nothing half-written is left under a final name; please report the command and this line".to_owned(),
        };
        Self::new(ExitCode::InternalBug, found)
    }

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
        Self::new(
            ExitCode::DataContract,
            Found { code: "bellwether::data", message: message.into(), hint: hint.into() },
        )
    }

    /// The same at a place in the project file, which led to it.
    pub(crate) fn at(self, place: String) -> Self {
        Self { exit: self.exit, diagnostic: Box::new(At { place, inner: self.diagnostic }) }
    }

    /// Tables that could not be read, or that break the contract.
    pub(crate) fn reading(error: ReadError) -> Self {
        Self::new(exit_of(error.kind()), error)
    }

    /// A mistake in the project file.
    pub(crate) fn contract(error: ContractError) -> Self {
        Self::new(exit_of(error.kind()), error)
    }

    /// A feature file that could not be written.
    pub(crate) fn matrix(error: MatrixError) -> Self {
        Self::new(ExitCode::of_cause(&error).unwrap_or(ExitCode::DataContract), error)
    }

    /// A simulation that could not be written.
    pub(crate) fn simulation(error: SimulateError) -> Self {
        let exit = match &error {
            SimulateError::Parameter { .. } | SimulateError::UnknownWorld { .. } => ExitCode::Usage,
            SimulateError::Stopped { .. } => crate::stop::asked().map_or(ExitCode::Terminated, Stop::exit_code),
            _ => ExitCode::of_cause(&error).unwrap_or(ExitCode::InternalBug),
        };
        Self::new(exit, error)
    }

    /// A failed scoring.
    pub(crate) fn scoring(error: InferError) -> Self {
        Self::new(error.exit_code(), error)
    }

    /// A failed backtest, training or registry call.
    pub(crate) fn training(error: impl Into<TrainError>) -> Self {
        let error = error.into();
        // What the disk says comes first, wherever it was said.
        let exit = ExitCode::of_cause(&error).unwrap_or_else(|| match &error {
            TrainError::Settings(_) | TrainError::Foreign { .. } => ExitCode::Usage,
            TrainError::Registry(RegistryError::QualityGate { .. }) => ExitCode::QualityGate,
            TrainError::Registry(RegistryError::Locked { .. }) | TrainError::CheckpointInUse { .. } => {
                ExitCode::Transient
            }
            TrainError::Registry(
                RegistryError::Missing { .. }
                | RegistryError::NoRegistry { .. }
                | RegistryError::Name { .. }
                | RegistryError::NoPrevious { .. }
                | RegistryError::NoReason { .. },
            ) => ExitCode::Usage,
            TrainError::Registry(RegistryError::Read(_)) if is_unknown_reference(&error) => ExitCode::Usage,
            TrainError::Matrix(matrix) if matrix.is_usage() => ExitCode::Usage,
            TrainError::Registry(_) => ExitCode::ModelRefused,
            TrainError::Io { .. } => ExitCode::Transient,
            TrainError::Model { .. } | TrainError::Mismatch { .. } => ExitCode::InternalBug,
            _ => ExitCode::DataContract,
        });
        Self::new(exit, error)
    }

    /// Scores that could not be read back.
    pub(crate) fn scores(error: ScoresReadError) -> Self {
        let exit = match &error {
            ScoresReadError::Missing { .. } | ScoresReadError::OtherScores { .. } => ExitCode::Usage,
            ScoresReadError::Io { source, .. } => ExitCode::of_io(source),
            ScoresReadError::Damaged { .. } | ScoresReadError::Column { .. } => ExitCode::DataContract,
        };
        Self::new(exit, error)
    }

    /// An outlook that could not be written.
    pub(crate) fn outlook(error: WriteError) -> Self {
        let exit = match &error {
            WriteError::InTheWay { .. } => ExitCode::Usage,
            WriteError::Io { source, .. } => ExitCode::of_io(source),
        };
        Self::new(exit, error)
    }

    /// An export that could not be made.
    pub(crate) fn export(error: ExportError) -> Self {
        let exit = match &error {
            ExportError::Scores(ScoresReadError::Io { source, .. }) | ExportError::Io { source, .. } => {
                ExitCode::of_io(source)
            }
            ExportError::Scores(ScoresReadError::Damaged { .. } | ScoresReadError::Column { .. }) => {
                ExitCode::DataContract
            }
            _ => ExitCode::Usage,
        };
        Self::new(exit, error)
    }

    /// A database that could not be read or written.
    pub(crate) fn database(error: PostgresError) -> Self {
        let exit = match (&error, error.kind()) {
            (PostgresError::Io { source, .. }, _) => ExitCode::of_io(source),
            (_, bellwether_postgres::FailureKind::Configuration) => ExitCode::Usage,
            (_, bellwether_postgres::FailureKind::Data) => ExitCode::DataContract,
            (_, bellwether_postgres::FailureKind::Resource) => ExitCode::ResourceLimit,
            (_, bellwether_postgres::FailureKind::Transient) => ExitCode::Transient,
        };
        Self::new(exit, error)
    }

    /// A failed read or write.
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::new(ExitCode::of_io(&source), Files { path: path.display().to_string(), source })
    }
}

/// A name, version or alias that is not there is wrong usage, not a broken model.
fn is_unknown_reference(error: &TrainError) -> bool {
    let code = error.code().map(|code| code.to_string()).unwrap_or_default();
    ["unset_alias", "unknown_version", "unknown_model", "unknown_alias"].iter().any(|name| code.ends_with(name))
}

fn exit_of(kind: FailureKind) -> ExitCode {
    match kind {
        FailureKind::Configuration => ExitCode::Usage,
        FailureKind::Data => ExitCode::DataContract,
        FailureKind::Resource => ExitCode::ResourceLimit,
        FailureKind::Io => ExitCode::Transient,
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
#[diagnostic(
    code(bellwether::io),
    help("{}", bellwether_staging::advice(source, "check the path, its permissions and the free space"))
)]
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
