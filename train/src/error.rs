//! What can go wrong between a dataset and a bundle.

use std::path::PathBuf;

use chrono::NaiveDate;

use crate::calibrate::CalibrateError;
use crate::dataset::DatasetError;
use crate::fold::FoldError;
use crate::learner::LearnError;
use crate::matrix::MatrixError;
use crate::observer::{is_date, refit_name};
use crate::registry::RegistryError;
use crate::settings::SettingsError;

/// Why a backtest or a training run stops.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TrainError {
    /// A setting.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Settings(#[from] SettingsError),
    /// The rows.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Dataset(#[from] DatasetError),
    /// A matrix of the user's own.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Matrix(#[from] MatrixError),
    /// The split.
    #[error("{target}: {source}")]
    #[diagnostic(code(bellwether::train::fold), help("{}", source.advice()))]
    Fold {
        /// Target.
        target: String,
        /// Cause.
        source: FoldError,
    },
    /// A learner.
    #[error("{target}, {}: {source}", refit_name(*refit))]
    #[diagnostic(code(bellwether::train::learn), help("give {}, or fewer learners", more_to_learn_from(*refit)))]
    Learn {
        /// Target.
        target: String,
        /// Date of the refit.
        refit: NaiveDate,
        /// Cause.
        source: LearnError,
    },
    /// Too few accounts with the outcome, or without it, for even a calibrated base rate.
    #[error(
        "{target}, {}: expected at least {expected} accounts with the outcome and {expected} without it to learn from, found \
         {positives} and {negatives}",
        refit_name(*refit)
    )]
    #[diagnostic(
        code(bellwether::train::too_few_accounts),
        help("{}", enough_to_learn_from(*refit, *thinned_to))
    )]
    TooFewAccounts {
        /// Target.
        target: String,
        /// Date of the judged refit that has the fewest.
        refit: NaiveDate,
        /// Least number of each.
        expected: usize,
        /// Accounts with the outcome.
        positives: usize,
        /// Accounts without it.
        negatives: usize,
        /// `backtest.max_training_rows`, where it left rows out.
        thinned_to: Option<usize>,
    },
    /// The calibration.
    #[error("{target}, {learner}, {}: {source}", refit_name(*refit))]
    #[diagnostic(
        code(bellwether::train::calibrate),
        help("give {}: there are too few outcomes to calibrate with", more_to_learn_from(*refit))
    )]
    Calibrate {
        /// Target.
        target: String,
        /// Learner.
        learner: String,
        /// Date of the refit.
        refit: NaiveDate,
        /// Cause.
        source: CalibrateError,
    },
    /// The model could not be written, read back or run.
    #[error("{target}, {learner}: the exported model: {cause}")]
    #[diagnostic(
        code(bellwether::train::model),
        help("this is a bug in the export: please report the learner and target")
    )]
    Model {
        /// Target.
        target: String,
        /// Learner.
        learner: String,
        /// Cause.
        cause: String,
    },
    /// A metric.
    #[error("{target}, {learner}: {cause}")]
    #[diagnostic(code(bellwether::train::metric), help("check that the test rows hold both outcomes"))]
    Metric {
        /// Target.
        target: String,
        /// Learner.
        learner: String,
        /// Cause.
        cause: String,
    },
    /// A backtest that does not belong to the dataset.
    #[error("{field}: expected {expected}, found {found}")]
    #[diagnostic(code(bellwether::train::mismatch), help("train with the backtest that was run on this very dataset"))]
    Mismatch {
        /// What differs.
        field: &'static str,
        /// In the dataset.
        expected: String,
        /// In the backtest.
        found: String,
    },
    /// A file.
    #[error("{}: cannot {action}", path.display())]
    #[diagnostic(
        code(bellwether::train::io),
        help(
            "{}",
            bellwether_staging::advice(source.as_ref(), "check that the folder exists, is writable and has room")
        )
    )]
    Io {
        /// File.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Cause, kept whole: what kind of failure it is decides the exit code.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder that holds what no backtest writes. Exit code 2.
    #[error("{}: expected no folder, an empty one or an earlier backtest's, found {found}", path.display())]
    #[diagnostic(
        code(bellwether::train::foreign),
        help("give another folder with --out: a folder with anything else in it is never replaced")
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        found: String,
    },
    /// Saved refits that another run is writing. Exit code 75.
    #[error("{}: expected no other run for this place, found one at work", path.display())]
    #[diagnostic(code(bellwether::train::checkpoint_in_use), help("wait for the other run, then try again"))]
    CheckpointInUse {
        /// The folder of the saved refits.
        path: PathBuf,
    },
    /// The registry.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Registry(#[from] RegistryError),
}

/// The next step with too few accounts.
fn enough_to_learn_from(refit: NaiveDate, thinned_to: Option<usize>) -> String {
    if let Some(rows) = thinned_to {
        return format!(
            "backtest.max_training_rows = {rows} leaves rows out: raise it, or leave it out to learn from every row"
        );
    }
    let checked =
        if is_date(refit) { "'s definition (leave its section out to go on without it)" } else { "'s column" };
    format!("nothing can be foretold from so few; give {}, or check the target{checked}", more_to_learn_from(refit))
}

/// What gives a refit more outcomes.
fn more_to_learn_from(refit: NaiveDate) -> &'static str {
    if is_date(refit) { "a longer history, a later first test" } else { "more accounts of either outcome" }
}

impl TrainError {
    /// An I/O error with its path.
    pub(crate) fn io(
        path: &std::path::Path,
        action: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Io { path: path.to_owned(), action, source: cause.into() }
    }
}
