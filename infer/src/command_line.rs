//! The command line of `bellwether-infer`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bellwether_infer::arguments::{Common, EngineArguments, FormatName, GateArguments, ReasonsName, date};
use chrono::NaiveDate;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Scores a base of accounts with a Bellwether bundle: Parquet in, Parquet out.
#[derive(Debug, Parser)]
#[command(name = "bellwether-infer", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Arguments {
    /// Reads the command line of this process. What an option of both binaries means here is said here.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let command = Self::command().mut_arg("config", |config| {
            config.help("A project file; nothing in it concerns the scorer, which only checks that it can be read")
        });
        Self::from_arg_matches(&command.try_get_matches()?)
    }
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 internal bug; 2 usage or configuration; 3 data contract, nothing published; \
4 model refused; 5 resource limit; 75 transient, try again; 130 and 143 stopped by a signal.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Scores every account of a feature file and publishes the scores
    Score(ScoreArguments),
    /// Loads a bundle, checks every digest and runs its golden rows
    Verify(VerifyArguments),
    /// Prints the columns of the scores
    Schema(SchemaArguments),
}

/// Options of `score`.
#[derive(Debug, Args)]
pub(crate) struct ScoreArguments {
    /// The bundle: a folder, or registry/NAME@ALIAS
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) bundle: String,
    /// The feature file, as `bellwether features` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The folder that scores, runs and quarantine are written to; `-` writes the rows to standard output and publishes
    /// nothing
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// The date to score; needed when the file holds several
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub(crate) as_of: Option<NaiveDate>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    /// Worker threads; as many as there are processors when not given
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Which accounts get reasons: all, those in the high band of a target (top), or none
    #[arg(long, value_enum, default_value_t = ReasonsName::All, value_name = "WHICH")]
    pub(crate) reasons: ReasonsName,
    /// Rows that are scored at a time; changes memory and time, never a result
    #[arg(long, value_name = "N", default_value_t = bellwether_infer::score::DEFAULT_BATCH_ROWS)]
    pub(crate) batch_rows: NonZeroUsize,
    /// How the rows of the scores are written
    #[arg(long, value_enum, default_value_t = FormatName::Parquet, value_name = "FORMAT")]
    pub(crate) format: FormatName,
    /// Do everything but publish, and say what would be: the output folder stays as it is
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) gates: GateArguments,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The bundle: a folder, or registry/NAME@ALIAS
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) bundle: String,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

/// Options of `schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// The bundle whose targets are meant; churn_90d and expansion_60d without one
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) bundle: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = SchemaFormat::Json, value_name = "FORMAT")]
    pub(crate) format: SchemaFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFormat {
    Json,
    Text,
}
