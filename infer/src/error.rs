//! Why a run stopped: where, what was expected, what was found, and what to do.
//!
//! No message holds the value of a cell. Column names, dates, paths, counts and digests are not cell values of accounts.

use std::io;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use miette::Diagnostic;
use thiserror::Error;

use crate::exit::ExitCode;
use crate::input::FeatureFile;
use crate::observe::Stop;

/// Everything that can go wrong between a feature file and published scores.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum InferError {
    /// `--config` names a file that cannot be read.
    #[error("{}: the configuration cannot be read", path.display())]
    #[diagnostic(code(bellwether::infer::config), help("give the path of a readable file, or leave out --config"))]
    Config {
        /// Path.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The output folder cannot publish atomically.
    #[error("{}: expected a file system that can exchange two folders atomically, found {file_system}", path.display())]
    #[diagnostic(
        code(bellwether::infer::file_system),
        help("write to a local disk (ext4, xfs, btrfs, tmpfs) and copy the published folder from there")
    )]
    FileSystem {
        /// Output folder.
        path: PathBuf,
        /// Kind of the file system.
        file_system: String,
    },
    /// Another run holds the lock.
    #[error("{}: another run is writing here", path.display())]
    #[diagnostic(code(bellwether::infer::locked), help("wait for it to end, then try again"))]
    Locked {
        /// Lock file.
        path: PathBuf,
    },
    /// There is no input.
    #[error("{}: expected a Parquet file, found {found}", path.display())]
    #[diagnostic(code(bellwether::infer::no_input), help("give the file that `bellwether features` wrote"))]
    NoInput {
        /// Path.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// The input has no row to score.
    #[error("{}: expected at least one row, found none", path.display())]
    #[diagnostic(code(bellwether::infer::empty), help("check the eligibility rules and the date of the features"))]
    Empty {
        /// Path.
        path: PathBuf,
    },
    /// The input is damaged or is no Parquet file.
    #[error("{}: not a sound Parquet file", path.display())]
    #[diagnostic(code(bellwether::infer::damaged), help("write the file again; it may have been cut short or altered"))]
    Damaged {
        /// Path.
        path: PathBuf,
        /// Cause.
        source: parquet::errors::ParquetError,
    },
    /// The bytes of the input are not those that were written.
    #[error("{}: expected sha256 {expected} (of {}), found {found}", path.display(), digest_path.display())]
    #[diagnostic(
        code(bellwether::infer::input_digest),
        help("the file was altered after it was written: write it again")
    )]
    InputDigest {
        /// Input.
        path: PathBuf,
        /// The `.sha256` file.
        digest_path: PathBuf,
        /// Digest in that file.
        expected: String,
        /// Digest of the bytes.
        found: String,
    },
    /// The `.sha256` file cannot be understood.
    #[error("{}: expected \"<64 hex digits>  <file name>\", found {found}", path.display())]
    #[diagnostic(code(bellwether::infer::digest_file), help("write it with `sha256sum FILE > FILE.sha256`"))]
    DigestFile {
        /// The `.sha256` file.
        path: PathBuf,
        /// What is wrong with it.
        found: &'static str,
    },
    /// The metadata of the input cannot be understood.
    #[error("{}: the `bellwether.features` metadata cannot be read: {reason}", path.display())]
    #[diagnostic(
        code(bellwether::infer::metadata),
        help("write the file again with `bellwether features` of this version")
    )]
    Metadata {
        /// Input.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Columns are missing.
    #[error("{}: expected {} more columns: {}{}", path.display(), missing.len(), missing.join(", "), made_without(tables))]
    #[diagnostic(
        code(bellwether::infer::missing_columns),
        help("build the features with the configuration that the model was trained with")
    )]
    MissingColumns {
        /// Input.
        path: PathBuf,
        /// Names.
        missing: Vec<String>,
        /// Tables that the project had not declared when the features were made, as far as the file says.
        tables: Vec<String>,
    },
    /// Columns have the wrong type.
    #[error("{}: wrong types: {}", path.display(), wrong.join("; "))]
    #[diagnostic(
        code(bellwether::infer::wrong_types),
        help("numbers may be any integer or float, categories and account_id text, as_of a date")
    )]
    WrongTypes {
        /// Input.
        path: PathBuf,
        /// "name: expected ..., found ...".
        wrong: Vec<String>,
    },
    /// Definitions differ from those that the model was trained on.
    #[error("{}: {} inputs are defined otherwise than in the bundle: {}", path.display(), inputs.len(), inputs.join(", "))]
    #[diagnostic(
        code(bellwether::infer::definition),
        help("train a new model on the new definitions, or build the features with the old ones")
    )]
    Definition {
        /// Input file.
        path: PathBuf,
        /// Names.
        inputs: Vec<String>,
    },
    /// The input holds several dates and none was chosen.
    #[error("{}: expected one as_of, found {dates}", path.display())]
    #[diagnostic(code(bellwether::infer::several_dates), help("choose one with --as-of YYYY-MM-DD"))]
    SeveralDates {
        /// Input.
        path: PathBuf,
        /// The first of them.
        dates: String,
    },
    /// Nothing says which date the features are of.
    #[error("{}: nothing says which as_of the features are of", path.display())]
    #[diagnostic(code(bellwether::infer::no_date), help("give it with --as-of YYYY-MM-DD"))]
    NoDate {
        /// Input.
        path: PathBuf,
    },
    /// The chosen date is not in the input.
    #[error("{}: expected rows of {as_of}, found {dates}", path.display())]
    #[diagnostic(code(bellwether::infer::date_not_found), help("build the features for that date"))]
    DateNotFound {
        /// Input.
        path: PathBuf,
        /// The date asked for.
        as_of: NaiveDate,
        /// What there is.
        dates: String,
    },
    /// Too many bad rows.
    #[error("{}: expected at most {limit} rows with a bad key, found more", path.display())]
    #[diagnostic(
        code(bellwether::infer::too_many_bad_rows),
        help("account_id must be unique, never null and never empty: mend the file")
    )]
    TooManyBadRows {
        /// Input.
        path: PathBuf,
        /// Most that are set aside.
        limit: u64,
    },
    /// Not a single row has a key that can be used.
    #[error("{}: expected an account_id that is there once, found {rows} rows without one", path.display())]
    #[diagnostic(
        code(bellwether::infer::no_good_key),
        help("account_id must be unique, never null and never empty: mend the file")
    )]
    NoGoodKey {
        /// Input.
        path: PathBuf,
        /// Rows of the date.
        rows: u64,
    },
    /// No account of the base got a probability.
    #[error("expected at least one scored account, found {not_scored} that could not be scored; nothing was published")]
    #[diagnostic(
        code(bellwether::infer::nothing_scored),
        help("the inputs are stale or far outside the training base: check the features, or train again")
    )]
    NothingScored {
        /// Accounts without a probability.
        not_scored: u64,
    },
    /// A run that is too unlike what was known before it.
    #[error("gate {gate}: expected {expected}, found {found}; nothing was published")]
    #[diagnostic(code(bellwether::infer::gate), help("{hint}"))]
    Gate {
        /// Name of the gate.
        gate: &'static str,
        /// What it lets through.
        expected: String,
        /// What it saw.
        found: String,
        /// The next step, and the option that opens it.
        hint: String,
    },
    /// The counts do not add up.
    #[error("expected {given} accounts, found {accounted} ({detail}); nothing was published")]
    #[diagnostic(
        code(bellwether::infer::identity),
        help("the input's metadata and rows disagree: write the file again")
    )]
    Identity {
        /// Accounts given.
        given: u64,
        /// Accounts accounted for.
        accounted: u64,
        /// The parts.
        detail: String,
    },
    /// The input is too large.
    #[error("{}: expected at most {limit} {what}, found {found}", path.display())]
    #[diagnostic(code(bellwether::infer::too_large), help("{hint}"))]
    TooLarge {
        /// Input.
        path: PathBuf,
        /// Rows, or bytes of decoded rows.
        what: &'static str,
        /// Most that is read.
        limit: u64,
        /// What the file declares.
        found: u64,
        /// What to do.
        hint: &'static str,
    },
    /// The bundle was refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bundle(#[from] bellwether_models::BundleError),
    /// No such bundle.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Registry(#[from] bellwether_models::registry::RegistryError),
    /// A part of the bundle does not fit its rows.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Model(#[from] bellwether_models::ModelError),
    /// onnxruntime was asked for and is not there.
    #[error("onnxruntime was not found; looked for: {}", tried.join(", "))]
    #[diagnostic(code(bellwether::infer::onnxruntime_missing), help("{}", crate::engine::HOW_TO_GET_ONNXRUNTIME))]
    OnnxRuntimeMissing {
        /// Paths tried.
        tried: Vec<String>,
    },
    /// onnxruntime could not be loaded.
    #[error("{}: onnxruntime cannot be loaded: {reason}", path.display())]
    #[diagnostic(code(bellwether::infer::onnxruntime_load), help("{}", crate::engine::HOW_TO_GET_ONNXRUNTIME))]
    OnnxRuntimeLoad {
        /// Library.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// onnxruntime refused or failed to run a model.
    #[error("target {target}: onnxruntime {action}: {reason}")]
    #[diagnostic(
        code(bellwether::infer::onnxruntime),
        help("try --engine native, which needs nothing installed; if that works, the two disagree: report it")
    )]
    OnnxRuntime {
        /// Target.
        target: String,
        /// What was attempted.
        action: &'static str,
        /// What it said.
        reason: String,
    },
    /// A model that only another engine runs.
    #[error("target {target}: the native engine does not run its model: {reason}")]
    #[diagnostic(code(bellwether::infer::not_native), help("use --engine onnxruntime"))]
    NotNative {
        /// Target.
        target: String,
        /// Operator, node and attribute.
        reason: String,
    },
    /// The engine does not give what the bundle's golden rows say.
    #[error(
        "target {target}: expected the golden rows' {what} within {tolerance:e}, found a difference of {difference:e}"
    )]
    #[diagnostic(code(bellwether::infer::golden), help("the library may be too old or broken: use --engine native"))]
    Golden {
        /// Target.
        target: String,
        /// Output.
        what: &'static str,
        /// Largest difference allowed.
        tolerance: f64,
        /// Largest difference found.
        difference: f64,
    },
    /// A file or folder could not be read or written.
    #[error("{}: cannot {action}", path.display())]
    #[diagnostic(code(bellwether::infer::io), help("{}", io_hint(source)))]
    Io {
        /// Path.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// Cause.
        source: io::Error,
    },
    /// A step of publishing failed.
    #[error("{}: cannot {action}; nothing was published", path.display())]
    #[diagnostic(code(bellwether::infer::publish), help("{}", io_hint(source)))]
    Publish {
        /// Path.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// Cause.
        source: io::Error,
    },
    /// A signal.
    #[error("stopped by {}", match stop { Stop::Interrupt => "an interrupt", Stop::Terminate => "a termination request" })]
    #[diagnostic(code(bellwether::infer::stopped), help("nothing was published; run it again"))]
    Stopped {
        /// Which.
        stop: Stop,
    },
    /// Our own mistake.
    #[error("internal: {reason}")]
    #[diagnostic(
        code(bellwether::infer::internal),
        help("this is a bug in Bellwether: please report it with this line")
    )]
    Internal {
        /// What should not have happened.
        reason: String,
    },
}

/// In words, nothing for none.
fn made_without(tables: &[String]) -> String {
    if tables.is_empty() { String::new() } else { format!(" (the file was made without {})", tables.join(", ")) }
}

impl InferError {
    /// Missing columns, with the tables that the file says it was made without; any other error as it is.
    pub(crate) fn without(self, file: &FeatureFile) -> Self {
        match self {
            Self::MissingColumns { path, missing, .. } => {
                let tables = file.facts.as_ref().map_or_else(Vec::new, |facts| facts.missing_tables.clone());
                Self::MissingColumns { path, missing, tables }
            }
            other => other,
        }
    }

    /// What the process should exit with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            // A registry that is there and is damaged is the model's fault, whatever was asked for.
            Self::Registry(
                bellwether_models::registry::RegistryError::Aliases { .. }
                | bellwether_models::registry::RegistryError::NoAliases { .. },
            ) => ExitCode::ModelRefused,
            Self::Registry(bellwether_models::registry::RegistryError::Io { source, .. }) => ExitCode::of_io(source),
            Self::Config { .. }
            | Self::FileSystem { .. }
            | Self::Registry(_)
            | Self::OnnxRuntimeMissing { .. }
            | Self::OnnxRuntimeLoad { .. } => ExitCode::Usage,
            Self::NoInput { .. }
            | Self::Empty { .. }
            | Self::Damaged { .. }
            | Self::InputDigest { .. }
            | Self::DigestFile { .. }
            | Self::Metadata { .. }
            | Self::MissingColumns { .. }
            | Self::WrongTypes { .. }
            | Self::SeveralDates { .. }
            | Self::NoDate { .. }
            | Self::DateNotFound { .. }
            | Self::TooManyBadRows { .. }
            | Self::NoGoodKey { .. }
            | Self::Identity { .. }
            | Self::Gate { .. }
            | Self::NothingScored { .. } => ExitCode::DataContract,
            // A file that a bundle should have and has not is the bundle's fault, not the disk's.
            Self::Bundle(bellwether_models::BundleError::Io { source, .. })
                if source.kind() != io::ErrorKind::NotFound =>
            {
                ExitCode::of_io(source)
            }
            Self::Definition { .. }
            | Self::Bundle(_)
            | Self::Model(_)
            | Self::OnnxRuntime { .. }
            | Self::NotNative { .. }
            | Self::Golden { .. } => ExitCode::ModelRefused,
            Self::TooLarge { .. } => ExitCode::ResourceLimit,
            Self::Locked { .. } => ExitCode::Transient,
            Self::Io { source, .. } => ExitCode::of_io(source),
            Self::Publish { source, .. } => match ExitCode::of_io(source) {
                ExitCode::ResourceLimit => ExitCode::ResourceLimit,
                _ => ExitCode::Transient,
            },
            Self::Stopped { stop } => stop.exit_code(),
            Self::Internal { .. } => ExitCode::InternalBug,
        }
    }

    /// An error of a read or write.
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), action, source }
    }

    /// An error of a step of publishing.
    pub(crate) fn publish(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Publish { path: path.to_path_buf(), action, source }
    }

    /// An error of the Parquet library while reading: a failure of the disk is no failure of the file.
    pub(crate) fn reading(path: &Path, error: parquet::errors::ParquetError) -> Self {
        match into_io(error) {
            Ok(source) if source.kind() != io::ErrorKind::UnexpectedEof && source.raw_os_error().is_some() => {
                Self::io(path, "read", source)
            }
            Ok(source) => Self::Damaged {
                path: path.to_path_buf(),
                source: parquet::errors::ParquetError::External(Box::new(source)),
            },
            Err(source) => Self::Damaged { path: path.to_path_buf(), source },
        }
    }

    /// An error of the Parquet library while writing.
    pub(crate) fn writing(path: &Path, error: parquet::errors::ParquetError) -> Self {
        match into_io(error) {
            Ok(source) => Self::io(path, "write", source),
            Err(error) => Self::Internal { reason: format!("Parquet could not be written: {error}") },
        }
    }
}

/// The read or write error inside a Parquet error, if that is what it is.
fn into_io(error: parquet::errors::ParquetError) -> Result<io::Error, parquet::errors::ParquetError> {
    match error {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(source) => Ok(*source),
            Err(inner) => Err(parquet::errors::ParquetError::External(inner)),
        },
        other => Err(other),
    }
}

fn io_hint(source: &io::Error) -> &'static str {
    match ExitCode::of_io(source) {
        ExitCode::ResourceLimit => "raise the limit, free some space, or write elsewhere",
        ExitCode::Usage => "check the path and its permissions",
        _ => "try again",
    }
}
