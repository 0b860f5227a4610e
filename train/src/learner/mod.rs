//! Learners behind one contract: checked parameters, `fit`, and out comes the exported form of the model itself.
//!
//! A learner returns the [`MarginModel`] that will be written to ONNX and run by the scorer; there is no second
//! predictor that could differ from it. Imputation, scaling and thresholds are learned from the rows given and from no
//! others.

use bellwether_features::signal::SignalDefinition;
use bellwether_models::{FeatureBlock, MarginModel, Signature};

pub mod baseline;
pub mod boosting;
pub mod forest;
pub mod kind;
pub mod logistic;
pub(crate) mod rows;
pub mod rules;

pub use baseline::BaseRate;
pub use boosting::{Boosting, BoostingParameters};
pub use forest::{Forest, ForestParameters};
pub use kind::{LearnerKind, UnknownLearner};
pub use logistic::{Logistic, LogisticParameters};
pub use rules::HealthScore;

/// Rows to learn from. All slices have `block.rows` entries, in one order: by (as_of, account_id).
#[derive(Debug, Clone, Copy)]
pub struct TrainingRows<'a> {
    /// Inputs of the block.
    pub signature: &'a Signature,
    /// Definitions of the inputs, same order as `signature.inputs`: expected directions are monotone hints.
    pub signals: &'a [SignalDefinition],
    /// Values.
    pub block: &'a FeatureBlock,
    /// Outcomes.
    pub labels: &'a [bool],
    /// Row weights, above 0.
    pub weights: &'a [f64],
    /// Account of each row: rows of one account are not independent.
    pub accounts: &'a [u32],
    /// Observation date of each row, in days since the epoch.
    pub as_of_days: &'a [i32],
    /// The run's seed; a learner derives its own stream from it.
    pub seed: u64,
    /// The target, e.g. `churn_90d`.
    pub target: &'a str,
}

/// What a learner needs, and what it gives.
pub trait Learner: Send + Sync {
    /// Name as written in reports and in `--learners`.
    fn name(&self) -> &'static str;

    /// Fits the margin model.
    ///
    /// # Errors
    /// [`LearnError`] when the rows cannot support a fit.
    fn fit(&self, rows: &TrainingRows<'_>) -> Result<MarginModel, LearnError>;
}

/// Why a fit is not possible.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LearnError {
    /// Nothing to learn from.
    #[error("{learner}: expected at least {expected} positive and negative rows, found {positives} and {negatives}")]
    #[diagnostic(code(bellwether::learn::too_few), help("give a longer history, or check the target's definition"))]
    TooFew {
        /// Learner.
        learner: &'static str,
        /// Least number of each.
        expected: usize,
        /// Positive rows found.
        positives: usize,
        /// Negative rows found.
        negatives: usize,
    },
    /// Too few accounts to learn from, however many rows they have.
    #[error(
        "{learner}: expected at least {expected} accounts with the outcome and as many without it, found {positives} and \
         {negatives}"
    )]
    #[diagnostic(
        code(bellwether::learn::too_few_accounts),
        help("give a longer history or a later first_test, or leave the learner out")
    )]
    TooFewAccounts {
        /// Learner.
        learner: &'static str,
        /// Least number of each.
        expected: usize,
        /// Accounts with the outcome.
        positives: usize,
        /// Accounts without it.
        negatives: usize,
    },
    /// A parameter outside its range.
    #[error("{learner}: expected {parameter} {expected}, found {found}")]
    #[diagnostic(code(bellwether::learn::parameter))]
    Parameter {
        /// Learner.
        learner: &'static str,
        /// Parameter.
        parameter: &'static str,
        /// Its range in words.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// Columns or rows that do not fit together.
    #[error("{learner}: expected {expected} {what}, found {found}")]
    #[diagnostic(code(bellwether::learn::shape), help("rows, labels, weights and the signature must describe one set"))]
    Shape {
        /// Learner.
        learner: &'static str,
        /// What is counted.
        what: &'static str,
        /// Count that the signature or the block calls for.
        expected: usize,
        /// Count found.
        found: usize,
    },
    /// A row weight that cannot be used.
    #[error("{learner}: expected a finite weight above 0, found {found} in row {row}")]
    #[diagnostic(code(bellwether::learn::weight), help("leave a row out instead of giving it weight 0"))]
    Weight {
        /// Learner.
        learner: &'static str,
        /// Row, from 0.
        row: usize,
        /// Weight found.
        found: f64,
    },
    /// The fit gave no usable model.
    #[error("{learner}: the fit failed: {cause}")]
    #[diagnostic(code(bellwether::learn::failed))]
    Failed {
        /// Learner.
        learner: &'static str,
        /// What went wrong, in the words of the library where one is used.
        cause: String,
    },
}
