//! The arguments of `bellwether backtest`, `train` and `report`.

use std::path::PathBuf;

use bellwether_infer::arguments::date;
use chrono::NaiveDate;
use clap::Args;

use super::{Origin, ThreadArguments};

/// Which learners.
#[derive(Debug, Clone, Args)]
pub(crate) struct LearnerArguments {
    /// base_rate, health_score, logistic, forest, boosting, or all [default: the project file's, else all but the
    /// forest, which is slow]
    #[arg(long, value_delimiter = ',', env = "BELLWETHER_LEARNERS", value_name = "NAMES")]
    learners: Option<Vec<String>>,
    /// Settings of boosting to try on the latest training rows of each refit, 1 to 8; a fit takes about as many times as
    /// long [default: the project file's, else 2]
    #[arg(long, value_name = "SETTINGS", env = "BELLWETHER_BUDGET", value_parser = clap::value_parser!(u8).range(1..=8))]
    budget: Option<u8>,
    /// Where the names come from.
    #[arg(skip)]
    pub(super) origin: Origin,
}

impl LearnerArguments {
    /// The number of settings to try, where it was given.
    pub(crate) fn budget(&self) -> Option<usize> {
        self.budget.map(usize::from)
    }

    /// The names, where any were given, and the flag or variable that gave them.
    pub(crate) fn given(&self) -> Option<(&[String], &'static str)> {
        let name = match self.origin {
            Origin::Flag => "--learners",
            Origin::Variable => "BELLWETHER_LEARNERS",
        };
        Some((self.learners.as_deref()?, name))
    }
}

/// A feature matrix of one's own, in `backtest` and in `train`.
#[derive(Debug, Args)]
#[command(next_help_heading = "A feature matrix of your own")]
pub(crate) struct MatrixArguments {
    /// Learn from this file (.parquet, .csv, .csv.gz) in place of a project's tables: columns of numbers and texts are
    /// the signals. No project file is read.
    #[arg(long, value_name = "FILE", requires = "target")]
    pub(crate) matrix: Option<PathBuf>,
    /// The outcome: 0/1, true/false or yes/no; empty where it is not known.
    #[arg(long, value_name = "COLUMN", requires = "matrix")]
    pub(crate) target: Option<String>,
    /// Whose row it is. Without it every row counts by itself: rows of one customer are then learned from and judged at once.
    #[arg(long, value_name = "COLUMN", requires = "matrix")]
    pub(crate) account: Option<String>,
    /// The day of observation. Without it learners are judged on held-out accounts (rows, without --account), and time is
    /// not tested.
    #[arg(long, value_name = "COLUMN", requires = "matrix")]
    pub(crate) as_of: Option<String>,
    /// How much a row counts in training; every row counts alike in judging.
    #[arg(long, value_name = "COLUMN", requires = "matrix")]
    pub(crate) weight: Option<String>,
    /// How long after its day of observation an outcome is known, such as 90d. Default: the days in the target's name
    /// (`churn_90d`), else 90d
    #[arg(long, value_name = "TIME", requires = "as_of")]
    pub(crate) horizon: Option<Horizon>,
    /// First day whose rows are predicted. Default: the day after which two fifths of the days of observation lie
    #[arg(long, value_name = "DATE", value_parser = date, requires = "as_of")]
    pub(crate) first_test: Option<NaiveDate>,
    /// How often the trainer is run: month, quarter, half-year, year, or never. Default: quarter
    #[arg(long, value_name = "STEP", requires = "as_of")]
    pub(crate) refit_every: Option<String>,
    /// How many accounts the team can call in a week: precision and recall at capacity are at what that makes from one day
    /// of observation to the next (without --as-of: at one week's calls out of all tested rows). Default: 40
    #[arg(long, value_name = "N", requires = "matrix")]
    pub(crate) accounts_per_week: Option<u32>,
}

/// A length of time in whole days, such as 90d or 12w.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Horizon(pub(crate) u32);

impl std::str::FromStr for Horizon {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let factor = if text.ends_with('w') { 7 } else { 1 };
        let digits = text.strip_suffix(['d', 'w']).unwrap_or_default();
        let days = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
        days.filter(|days| (1..=3_650).contains(days))
            .map(Self)
            .ok_or_else(|| format!("expected from 1d to 3650d, such as 90d or 12w, found {text:?}"))
    }
}

/// How learners are judged, in `backtest` and in `train`.
#[derive(Debug, Args)]
pub(crate) struct JudgingArguments {
    /// Build the labels as known at this date; later facts are ignored. Default: all that is known
    #[arg(long, value_name = "DATE", value_parser = date, conflicts_with = "matrix")]
    pub(crate) known_as_of: Option<NaiveDate>,
    /// Go on where an earlier run for the same place was cut off: refits that it has finished on the same data, under the
    /// same settings and by the same build, are taken over
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) learners: LearnerArguments,
    #[command(flatten)]
    pub(crate) threads: ThreadArguments,
}

/// `bellwether backtest`.
#[derive(Debug, Args)]
pub(crate) struct BacktestArguments {
    /// The run folder to write.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) judging: JudgingArguments,
    #[command(flatten)]
    pub(crate) matrix: MatrixArguments,
}

/// `bellwether train`.
#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// The registry folder.
    #[arg(long, value_name = "DIR", env = "BELLWETHER_REGISTRY", default_value = "registry")]
    pub(crate) out: PathBuf,
    /// The model's name in the registry. Default: the project's name, or that of the matrix.
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) judging: JudgingArguments,
    #[command(flatten)]
    pub(crate) matrix: MatrixArguments,
}

/// `bellwether report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// The run folder of a backtest.
    #[arg(long, value_name = "DIR", required_unless_present = "bundle", conflicts_with = "bundle")]
    pub(crate) run: Option<PathBuf>,
    /// A bundle folder, or registry/NAME@ALIAS.
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) bundle: Option<String>,
    /// The page to write; a file that is no page of ours is not replaced.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub(crate) out: PathBuf,
}
