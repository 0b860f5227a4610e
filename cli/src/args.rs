//! The arguments of the `bellwether` command, and nothing else: no defaults hide in the code that uses them.
//!
//! What is not given on the command line is taken from a `BELLWETHER_*` variable, then from the project file or the default.
//! `--help` shows the variable of each option that has one.

mod account;
mod accounts;
mod export;
mod models;
mod training;

use std::path::{Path, PathBuf};

use bellwether_features::read::Partition;
use bellwether_infer::arguments::{Common, EngineArguments, GateArguments, date};
use chrono::NaiveDate;
use clap::builder::FalseyValueParser;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub(crate) use self::account::AccountArguments;
pub(crate) use self::accounts::AccountsArguments;
pub(crate) use self::export::{DatabaseAddress, DatabaseArguments, Destination, ExportArguments};
pub(crate) use self::models::{DecisionArguments, ImportArguments, ModelsArguments, ModelsCommand};
pub(crate) use self::training::{
    BacktestArguments, JudgingArguments, LearnerArguments, MatrixArguments, ReportArguments, TrainArguments,
};
use crate::project_file::FILE_NAME;

/// How likely is each account to churn or to expand, why, and how sure are we?
#[derive(Debug, Parser)]
#[command(name = "bellwether", version, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where `--config` comes from, if it was given.
    #[arg(skip)]
    config_origin: Origin,
}

/// Where the value of an option comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Origin {
    /// The command line.
    #[default]
    Flag,
    /// A `BELLWETHER_*` variable.
    Variable,
}

impl Origin {
    fn of(matches: &ArgMatches, id: &str) -> Self {
        // An id that the verb does not have is an error here, and no origin of anything.
        let is_there = matches.try_contains_id(id).unwrap_or(false);
        let from_variable = is_there && matches.value_source(id) == Some(ValueSource::EnvVariable);
        if from_variable { Self::Variable } else { Self::Flag }
    }
}

impl Arguments {
    /// Reads the command line and the environment of this process.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let matches = Self::command_with_variables().try_get_matches()?;
        let mut arguments = Self::from_arg_matches(&matches)?;
        arguments.config_origin = Origin::of(&matches, "config");
        if let (Some((_, of_verb)), Some(learners)) = (matches.subcommand(), arguments.command.learners_mut()) {
            learners.origin = Origin::of(of_verb, "learners");
        }
        Ok(arguments)
    }

    /// The options that every binary shares are defined without variables; this binary gives them theirs.
    fn command_with_variables() -> clap::Command {
        Self::command()
            .mut_arg("config", |config| {
                config.env("BELLWETHER_CONFIG").help("The project file [default: bellwether.toml]")
            })
            .mut_arg("log_format", |format| format.env("BELLWETHER_LOG_FORMAT"))
            .mut_arg("quiet", |quiet| quiet.env("BELLWETHER_QUIET").value_parser(FalseyValueParser::new()))
            .mut_arg("progress", |progress| progress.env("BELLWETHER_PROGRESS"))
            .mut_arg("color", |color| color.env("BELLWETHER_COLOR"))
    }

    /// The project file: flag, then `BELLWETHER_CONFIG`, then the file in the present folder.
    pub(crate) fn config(&self) -> &Path {
        self.common.config.as_deref().unwrap_or(Path::new(FILE_NAME))
    }

    /// The project file, where flag or variable names one.
    pub(crate) fn given_config(&self) -> Option<&Path> {
        self.common.config.as_deref()
    }

    /// The project file, where the flag names one.
    pub(crate) fn config_flag(&self) -> Option<&Path> {
        self.given_config().filter(|_| self.config_origin == Origin::Flag)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole path on a simulated business, from raw tables to the accounts most worth a call.
    Demo(DemoArguments),
    /// Write a commented bellwether.toml.
    Init(InitArguments),
    /// Write the tables of a simulated subscription business, and the project file that reads them.
    Simulate(SimulateArguments),
    /// Read every table against the contract and say what is wrong.
    Check(CheckArguments),
    /// List the signals that the project's tables allow (optional columns are taken to be there): unit, window, expected
    /// directions, text and rule of each.
    Signals(SignalsArguments),
    /// Compute point-in-time features.
    Features(FeaturesArguments),
    /// Judge the learners as they would have been used: refit in the past, score forward.
    Backtest(BacktestArguments),
    /// Backtest, choose, refit on all mature rows, and write the bundle into a registry.
    Train(TrainArguments),
    /// The models of a registry.
    Models(ModelsArguments),
    /// Write the page of a backtest or of a bundle: what was predicted for whom, how well, and what drives it.
    Report(ReportArguments),
    /// Features and scoring in one go.
    Score(ScoreArguments),
    /// Revenue, cohorts and segments of the base as it was known at a date: MRR movements, NRR, GRR, retention at equal age.
    Outlook(OutlookArguments),
    /// One account on one page: how likely it is to churn and to expand, why, then and now, what it uses, pays and says, and
    /// what accounts like it did next.
    Account(AccountArguments),
    /// Scores and outlook of a date as files for customer-success tools, or into a database.
    Export(ExportArguments),
}

impl Command {
    fn learners_mut(&mut self) -> Option<&mut LearnerArguments> {
        match self {
            Self::Demo(demo) => Some(&mut demo.learners),
            Self::Backtest(backtest) => Some(&mut backtest.judging.learners),
            Self::Train(train) => Some(&mut train.judging.learners),
            _ => None,
        }
    }
}

/// `bellwether demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// The folder to write; it must not exist, or be an earlier demo.
    #[arg(long, default_value = "demo", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) business: BusinessArguments,
    #[command(flatten)]
    pub(crate) learners: LearnerArguments,
    #[command(flatten)]
    pub(crate) threads: ThreadArguments,
}

/// The simulated business.
#[derive(Debug, Clone, Args)]
pub(crate) struct BusinessArguments {
    /// How many accounts ever sign up.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) accounts: u32,
    /// How many months of history.
    #[arg(long, default_value_t = 36)]
    pub(crate) months: u32,
    /// The seed of every random choice.
    #[arg(long, env = "BELLWETHER_SEED", default_value_t = 7)]
    pub(crate) seed: u64,
    /// The world: its parameters are fixed and documented.
    #[arg(long, default_value = "standard")]
    pub(crate) world: String,
}

/// `bellwether init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The project folder.
    pub(crate) directory: PathBuf,
}

/// `bellwether simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArguments {
    #[command(flatten)]
    pub(crate) business: BusinessArguments,
    /// The project folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Also write the true probabilities, beside the tables and outside the contract's reach.
    #[arg(long)]
    pub(crate) truth: bool,
    #[command(flatten)]
    pub(crate) threads: ThreadArguments,
}

/// `bellwether check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The day to check for: only facts visible then count. Default: the day after the last known fact.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) as_of: Option<NaiveDate>,
    /// How the findings are written.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// Also search the tables for leaks: columns, ids and dates that know the outcome (docs/leakage.md). Reads the files
    /// once more, the future included
    #[arg(long)]
    pub(crate) leakage: bool,
    /// Write the bad rows below this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) quarantine: Option<PathBuf>,
}

/// Form of a printed result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For reading.
    Text,
    /// For programs.
    Json,
}

/// `bellwether signals`.
#[derive(Debug, Args)]
pub(crate) struct SignalsArguments {
    /// The whole catalogue, whatever the project's tables allow. Without a project file it is listed anyway.
    #[arg(long)]
    pub(crate) all: bool,
    /// How the list is written.
    #[arg(long, value_enum, default_value_t = SignalsFormat::Text)]
    pub(crate) format: SignalsFormat,
}

/// Form of the list of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignalsFormat {
    /// For reading.
    Text,
    /// For programs.
    Json,
    /// For a page.
    Markdown,
}

/// `bellwether features`.
#[derive(Debug, Args)]
pub(crate) struct FeaturesArguments {
    /// One observation date.
    #[arg(long, value_name = "DATE", value_parser = date, required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    pub(crate) as_of: Option<NaiveDate>,
    /// First of several observation dates (inclusive).
    #[arg(long, value_name = "DATE", value_parser = date, requires = "to")]
    pub(crate) from: Option<NaiveDate>,
    /// Last of several observation dates (inclusive).
    #[arg(long, value_name = "DATE", value_parser = date, requires = "from")]
    pub(crate) to: Option<NaiveDate>,
    /// Step between them; monthly steps from a month-end stay at month-ends.
    #[arg(long, value_enum, default_value_t = StepArgument::Month)]
    pub(crate) every: StepArgument,
    /// Only the accounts of one partition, such as 2/8: for running many machines side by side. All of them together are
    /// the whole. Signals that compare accounts (`*_plan_percentile_*`) need the others, too: accounts, usage and
    /// subscriptions are then read once per partition; `exclude` in `[signals]` spares that.
    #[arg(long, value_name = "K/N")]
    pub(crate) partition: Option<Partition>,
    /// Stay below about so much memory, such as 1GiB or 800MiB, by computing one partition after the other. The file has
    /// the same bytes; every table is read once per partition. At least 128MiB, and more for tables that would otherwise
    /// take more than 256 partitions.
    #[arg(long, value_name = "SIZE", conflicts_with = "partition")]
    pub(crate) memory_limit: Option<Bytes>,
    /// Make the feature file from a matrix of your own (.parquet, .csv, .csv.gz), for a model that was trained with
    /// `train --matrix`.
    #[arg(long, value_name = "FILE", requires_all = ["account", "as_of"], conflicts_with_all = ["partition", "memory_limit"])]
    pub(crate) matrix: Option<PathBuf>,
    /// The column of the matrix that says whose row it is.
    #[arg(long, value_name = "COLUMN", requires = "matrix")]
    pub(crate) account: Option<String>,
    /// The feature file (Parquet).
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) threads: ThreadArguments,
}

/// A size in bytes, with a unit: B, KiB, MiB, GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl std::str::FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, unit) = text.split_at(text.find(|one: char| !one.is_ascii_digit()).unwrap_or(text.len()));
        let factor = match unit.trim() {
            "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            _ => None,
        };
        let bytes = digits.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        bytes
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(|| format!("expected a size such as 800MiB or 1GiB, found {text:?}"))
    }
}

/// Step between observation dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StepArgument {
    /// Every day.
    Day,
    /// Every seven days.
    Week,
    /// Every month.
    Month,
    /// Every third month.
    Quarter,
}

/// `bellwether score`.
#[derive(Debug, Args)]
pub(crate) struct ScoreArguments {
    /// The observation date.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) as_of: NaiveDate,
    /// A bundle folder, or registry/NAME@ALIAS.
    #[arg(long, value_name = "BUNDLE", env = "BELLWETHER_BUNDLE")]
    pub(crate) bundle: String,
    /// The output folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    #[command(flatten)]
    pub(crate) threads: ThreadArguments,
    #[command(flatten)]
    pub(crate) gates: GateArguments,
    #[command(flatten)]
    pub(crate) database: DatabaseArguments,
}

/// `bellwether outlook`.
#[derive(Debug, Args)]
pub(crate) struct OutlookArguments {
    /// The date: nothing that happened or became known from it on counts.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) as_of: NaiveDate,
    /// The output folder; the tables and the page go to `outlook/v1/as_of=DATE` in it. Scores of the date are read from it.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) accounts: AccountsArguments,
    #[command(flatten)]
    pub(crate) threads: ThreadArguments,
    #[command(flatten)]
    pub(crate) database: DatabaseArguments,
}

/// How many threads.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ThreadArguments {
    /// Threads; the result is the same bytes for any number. Default: all cores.
    #[arg(long, env = "BELLWETHER_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}
