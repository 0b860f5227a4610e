//! What a backtest found, as it is written to `backtest.json` and read back by the registry's gate.

use std::collections::BTreeMap;

use bellwether_features::label::TargetDefinition;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::evaluate::MetricSet;
use crate::insight::Insights;
use crate::learner::{LearnError, LearnerKind};
use crate::metric::{CorpStep, GainPoint};
use crate::observer::is_date;
use crate::resample::{Interval, Intervals};
use crate::settings::RowWeights;
pub use crate::witness::Witness;

/// Version of `backtest.json`.
pub const BACKTEST_FORMAT: u32 = 1;

/// What `refit_every` says where rows have no dates and folds are made of accounts.
pub const ACCOUNT_FOLDS_NAME: &str = "account-folds";

/// Where the rows of a calibrator came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationSource {
    /// Predicted out of time by earlier refits.
    OutOfTime,
    /// Predicted for held-out accounts within the training rows: too little history for anything better.
    AccountFolds,
}

/// How a calibrator was fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationRecord {
    /// Where its rows came from.
    pub source: CalibrationSource,
    /// `logistic`, `beta` or `isotonic`.
    pub method: String,
    /// Rows.
    pub rows: usize,
    /// Positive rows.
    pub positives: usize,
    /// Positive rows that are worth one witness each: rows of one account overlap. What the method was chosen by.
    #[serde(default)]
    pub effective_positives: f64,
    /// Added to all log-odds, because the latest known outcomes say that the base rate has moved; 0 where they do not.
    #[serde(default)]
    pub prior_shift_log_odds: f64,
    /// Standard error of that shift before it was shrunk; null where the latest outcomes cannot tell.
    #[serde(default)]
    pub prior_shift_standard_error: Option<f64>,
}

/// One learner at one refit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearnerRefit {
    /// Learner.
    pub learner: LearnerKind,
    /// Its calibrator; null at a warm-up refit, whose probabilities nobody sees.
    pub calibration: Option<CalibrationRecord>,
    /// Measures over the test rows of this refit; null at a warm-up refit.
    pub metrics: Option<MetricSet>,
}

/// One refit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefitSummary {
    /// Date: no label known later was learned from.
    pub refit: String,
    /// First date that the next refit predicts.
    pub until: String,
    /// Whether it only feeds the calibrator.
    pub warm_up: bool,
    /// Rows learned from.
    pub training_rows: usize,
    /// Positive rows among them.
    pub training_positives: usize,
    /// Date of the last row learned from.
    pub last_training_as_of: String,
    /// Rows predicted.
    pub test_rows: usize,
    /// Positive rows among them.
    pub test_positives: usize,
    /// Learners.
    pub learners: Vec<LearnerRefit>,
}

/// Measures over the rows of one observation date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DateMetrics {
    /// Date.
    pub as_of: String,
    /// Measures.
    pub metrics: MetricSet,
    /// Their intervals; absent with too few accounts of either outcome.
    #[serde(default)]
    pub intervals: Option<Intervals>,
}

/// Measures over the rows that a refit predicted so many months after its date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgeMetrics {
    /// Whole months from the refit to the observation date.
    pub age_months: u32,
    /// Measures.
    pub metrics: MetricSet,
    /// Their intervals; absent with too few accounts of either outcome.
    pub intervals: Option<Intervals>,
}

/// By what the rows of a [`GroupMetrics`] were put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupedBy {
    /// The segment of the account at `as_of`.
    Segment,
    /// The plan of its subscription at `as_of`.
    Plan,
    /// How long it has been a customer.
    TenureCohort,
    /// Its MRR at `as_of`, in thirds fixed on the rows before the first test.
    Size,
}

impl GroupedBy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Segment, Self::Plan, Self::TenureCohort, Self::Size];

    /// Name, as in the exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Plan => "plan",
            Self::TenureCohort => "tenure_cohort",
            Self::Size => "size",
        }
    }
}

/// Measures over the rows of one group. A level of fewer than ten accounts is in the group "other".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMetrics {
    /// What the group is a value of.
    pub by: GroupedBy,
    /// The value in words.
    pub group: String,
    /// Rows.
    pub rows: usize,
    /// Positive rows.
    pub positives: usize,
    /// Accounts.
    pub accounts: usize,
    /// Measures; absent where fewer than ten accounts have the outcome, or fewer than ten have not.
    pub metrics: Option<MetricSet>,
    /// Their intervals; absent with the measures.
    pub intervals: Option<Intervals>,
}

/// Two learners on the very same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedComparison {
    /// The richer learner.
    pub learner: LearnerKind,
    /// The simpler one.
    pub simpler: LearnerKind,
    /// Log loss of the richer minus that of the simpler, in nats: below 0 the richer is better.
    pub log_loss_difference: f64,
    /// 95 % interval of the difference, from the same resampled accounts for both; absent with too few accounts of either
    /// outcome.
    pub interval: Option<Interval>,
    /// The same as if rows were independent.
    pub naive_interval: Option<Interval>,
    /// Whether the whole interval lies below 0.
    pub is_better: bool,
}

/// One learner over all test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearnerSummary {
    /// Learner.
    pub learner: LearnerKind,
    /// Measures pooled over all test rows.
    pub metrics: MetricSet,
    /// Their 95 % intervals; absent with too few accounts of either outcome.
    #[serde(default)]
    pub intervals: Option<Intervals>,
    /// Measures by observation date.
    pub by_date: Vec<DateMetrics>,
    /// Measures by months since the refit, ascending.
    #[serde(default)]
    pub by_age: Vec<AgeMetrics>,
    /// Measures by segment, plan, tenure cohort and size, as far as the business names them.
    #[serde(default)]
    pub by_group: Vec<GroupMetrics>,
    /// CORP reliability curve over all test rows, ascending.
    #[serde(default)]
    pub reliability: Vec<CorpStep>,
    /// Gain and lift over all test rows; empty where only one outcome occurred.
    #[serde(default)]
    pub gain: Vec<GainPoint>,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetSummary {
    /// Definition.
    pub definition: TargetDefinition,
    /// First and last observation date judged.
    pub test_from: String,
    /// Last observation date judged.
    pub test_to: String,
    /// Accounts judged; absent in summaries of versions that did not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accounts: Option<usize>,
    /// What counts as one: an account, or a row where rows do not say whose they are.
    #[serde(default, skip_serializing_if = "Witness::is_account")]
    pub witness: Witness,
    /// SHA-256 over date, account and outcome of every test row: equal digests are judged on the very same rows.
    pub test_rows_digest: String,
    /// Rows whose label interval has ended and that have no label (no baseline): left out of training and test.
    pub mature_rows_without_label: usize,
    /// From simple to rich, the last learner that had the lowest log loss so far and beat the one chosen before it with the
    /// whole paired interval; where no such difference is sure, the simpler one.
    pub selected: LearnerKind,
    /// Why, in a sentence.
    #[serde(default)]
    pub selected_because: String,
    /// Every learner against every simpler one, in the order of the learners.
    #[serde(default)]
    pub comparisons: Vec<PairedComparison>,
    /// All learners, from simple to rich.
    pub learners: Vec<LearnerSummary>,
    /// All refits, ascending.
    pub refits: Vec<RefitSummary>,
}

impl TargetSummary {
    /// Summary of one learner.
    #[must_use]
    pub fn learner(&self, learner: LearnerKind) -> Option<&LearnerSummary> {
        self.learners.iter().find(|one| one.learner == learner)
    }

    /// Whether its rows have observation dates. Where not, each was predicted by a model fitted on others, at no date.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.refits.is_empty() || self.refits.iter().any(|refit| refit.until != refit.refit)
    }

    /// Measures of the selected learner.
    #[must_use]
    pub fn best(&self) -> Option<&MetricSet> {
        self.learner(self.selected).map(|one| &one.metrics)
    }
}

/// Something worth knowing that does not stop the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable code, e.g. `calibrated_by_account`.
    pub code: String,
    /// What it means and what to do.
    pub text: String,
}

impl Warning {
    /// Code of rows that do not say whose they are.
    pub const ACCOUNTS_NOT_GIVEN: &'static str = "accounts_not_given";

    pub(crate) fn time_not_tested(witness: Witness) -> Self {
        let text = format!(
            "the rows have no observation dates, so time was not tested: learners were judged on held-out {} of the same \
             days that they learned from. A forecast of the future is usually worse than that. Name the column of dates \
             with --as-of.",
            witness.many()
        );
        Self { code: "time_not_tested".into(), text }
    }

    pub(crate) fn accounts_not_given() -> Self {
        let text = "the rows do not say whose they are, so each was taken for itself. If a customer has several rows, some were \
                    learned from while others were judged: every figure is then better than the truth, and every interval too \
                    narrow. Name the column of accounts with --account.";
        Self { code: Self::ACCOUNTS_NOT_GIVEN.into(), text: text.into() }
    }

    pub(crate) fn input_knows_the_outcome(target: &str, input: &str, area: f64) -> Self {
        let text = format!(
            "{target}: the input {input} alone tells the outcome (ROC AUC {area:.3}, either way round). It was probably \
             recorded after the outcome, or is the outcome by another name: leave it out, unless it is known on the day of \
             the forecast."
        );
        Self { code: "input_knows_the_outcome".into(), text }
    }

    pub(crate) fn refit_without_rows(target: &str, refit: NaiveDate) -> Self {
        let text = format!(
            "{target}: no row is observed between the refit of {refit} and the next; it was not run. \
             Choose refit_every no finer than score_every."
        );
        Self { code: "refit_without_rows".into(), text }
    }

    pub(crate) fn calibrated_by_account(
        target: &str,
        refit: NaiveDate,
        learners: &[LearnerKind],
        witness: Witness,
    ) -> Self {
        let names: Vec<&str> = learners.iter().map(|one| one.name()).collect();
        let text = format!(
            "{target}, refit {refit}: too few outcomes were predicted out of time before it, so probabilities of {} \
             are calibrated on {}. Choose a later first_test or give more history.",
            names.join(" and "),
            witness.held_out()
        );
        Self { code: "calibrated_by_account".into(), text }
    }

    /// Dates closer than a week, where a week's capacity is spent date by date.
    pub(crate) fn called_again(calls_per_date: u32, calls_per_week: f64, accounts_per_week: u32) -> Self {
        let text = format!(
            "observation dates lie closer together than a week. Measures at the team's capacity call {calls_per_date} on \
             each, which are {calls_per_week:.1} a week where accounts_per_week is {accounts_per_week}, and an account may be \
             called again on the next date. Score once a week or less often to judge a call list of different accounts."
        );
        Self { code: "called_again".into(), text }
    }

    pub(crate) fn warm_up_too_few(target: &str, learner: LearnerKind, refit: NaiveDate) -> Self {
        let text = format!(
            "{target}: {learner} could not be fitted at the warm-up refit of {refit}: too few outcomes. \
             Its calibrator has fewer rows than those of other learners."
        );
        Self { code: "warm_up_too_few".into(), text }
    }

    pub(crate) fn too_few_accounts(
        target: &str,
        learner: LearnerKind,
        found: usize,
        refit: NaiveDate,
        instead: LearnerKind,
        witness: Witness,
    ) -> Self {
        let (least, many) = (learner.least_accounts(), witness.many());
        let text = if is_date(refit) {
            format!(
                "{target}: {learner} needs {least} {many} of either outcome, and {found} are known at the refit of \
                 {refit}; {instead} takes its place. A longer history or a later first_test gives it more."
            )
        } else {
            format!(
                "{target}: {learner} needs {least} {many} of either outcome, and {found} are among the four fifths that a \
                 fit learns from; {instead} takes its place. More {many} give it more."
            )
        };
        Self { code: "too_few_accounts".into(), text }
    }

    pub(crate) fn learner_left_out(target: &str, cause: &LearnError) -> Self {
        let text = format!("{target}: {cause}; it is left out of the comparison.");
        Self { code: "learner_left_out".into(), text }
    }

    pub(crate) fn thinned(target: &str, rows: usize, witness: Witness) -> Self {
        let text = format!(
            "{target}: at most {rows} training rows were used per refit (backtest.max_training_rows); whole {} were left out.",
            witness.many()
        );
        Self { code: "training_rows_thinned".into(), text }
    }
}

/// A backtest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BacktestSummary {
    /// [`BACKTEST_FORMAT`].
    pub format: u32,
    /// Facts known strictly before this date made the labels.
    pub data_end: String,
    /// First date judged.
    pub first_test: String,
    /// How often the trainer was run; [`ACCOUNT_FOLDS_NAME`] where rows have no dates.
    pub refit_every: String,
    /// The step between the dates that were predicted: `day`, `week`, `month`, `quarter`, `half-year`, `year`, `13 days` (or
    /// another number), or `uneven`; `once` where rows have no dates.
    pub score_every: String,
    /// How far back from a refit training rows were taken, e.g. `24 months`; absent for all there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<String>,
    /// Seed.
    pub seed: u64,
    /// What a training row counted.
    #[serde(default)]
    pub row_weights: RowWeights,
    /// Settings of boosting that were tried at each refit; absent where it was one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub budget: usize,
    /// Accounts that a team can call in a week.
    pub accounts_per_week: u32,
    /// Accounts that it can call from one predicted date to the next: precision and recall at capacity and MRR captured are
    /// at this many per date. Absent in summaries of versions that spent `accounts_per_week` on every date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_date: Option<u32>,
    /// Rows of the dataset.
    pub rows: usize,
    /// Accounts of the dataset.
    pub accounts: usize,
    /// Signals.
    pub signals: usize,
    /// Targets.
    pub targets: Vec<TargetSummary>,
    /// Warnings.
    pub warnings: Vec<Warning>,
    /// Terms in the business's own words, for the pages; [`crate::backtest::backtest`] leaves it empty, whoever has read
    /// the project file fills it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub glossary: BTreeMap<String, String>,
    /// What drives the targets, for the pages; [`crate::backtest::backtest`] leaves it out, [`crate::insight::insights`]
    /// makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insights: Option<Insights>,
}

impl BacktestSummary {
    /// Whether the rows say whose they are. Where not, an account is a row.
    #[must_use]
    pub fn knows_accounts(&self) -> bool {
        !self.warnings.iter().any(|warning| warning.code == Warning::ACCOUNTS_NOT_GIVEN)
    }

    /// What counts as one.
    #[must_use]
    pub fn witness(&self) -> Witness {
        Witness::of(self.knows_accounts())
    }

    /// Whether rows have observation dates, so that time was tested.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.refit_every != ACCOUNT_FOLDS_NAME
    }

    /// Summary of one target.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&TargetSummary> {
        self.targets.iter().find(|target| target.definition.name == name)
    }
}

fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_one(budget: &usize) -> bool {
    *budget == 1
}
