//! The backtest: what would have happened, had we done every quarter what we are about to do now.
//!
//! For each target and each refit date `T`, every learner is fitted on the rows whose outcome was known by `T`, calibrated on
//! what earlier refits had predicted out of time, written to ONNX, read back, and asked for the rows from `T` to the next
//! refit. Their outcomes, which come later still, judge it. Refits before the first test warm the calibrator up and are not
//! judged. [`crate::train::train`] then does at the end of the data exactly what was done at each refit here.
//!
//! The loop is sequential; learners use threads inside, without changing a bit of the result.

mod run;

use std::collections::{BTreeMap, BTreeSet};

use bellwether_features::label::Labels;
use bellwether_models::{FeatureBlock, MarginModel};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

pub use self::run::{Predictions, TargetRun};

use self::run::LatestModels;
use crate::cadence::History;
use crate::calibrate;
use crate::checkpoint::{Checkpoint, Predicted, RefitRecord, SavedRefits};
use crate::dataset::{Dataset, matured};
use crate::encode::AccountsByOutcome;
use crate::error::TrainError;
use crate::evaluate::MetricSet;
use crate::fold::{Fold, RollingOrigin};
use crate::judge::{self, JudgedRows, metric_error};
use crate::learner::kind::LEAST_ACCOUNTS;
use crate::learner::{LearnError, LearnerKind};
use crate::observer::{Observer, Progress};
use crate::refit::Refit;
use crate::select::select;
use crate::settings::BacktestSettings;
use crate::spacing::{self, Spacing};
use crate::summary::{
    ACCOUNT_FOLDS_NAME, BACKTEST_FORMAT, BacktestSummary, CalibrationRecord, CalibrationSource, LearnerRefit,
    RefitSummary, TargetSummary, Warning,
};
use crate::suspect;

/// A backtest: the summary that is written, and the predictions behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    /// What is written to `backtest.json`.
    pub summary: BacktestSummary,
    /// Targets in the order of the dataset.
    pub runs: Vec<TargetRun>,
}

/// Runs the backtest.
///
/// # Errors
/// [`TrainError`] when a split is not possible or would leak, a learner cannot learn, or an exported model cannot be run.
pub fn backtest(
    dataset: &Dataset,
    settings: &BacktestSettings,
    observer: &dyn Observer,
) -> Result<Backtest, TrainError> {
    backtest_with(dataset, settings, None, observer)
}

/// As [`backtest()`], saving each refit as it ends; what an earlier run saved is taken over if the checkpoint was opened to
/// resume. The result is the same, bit for bit.
///
/// # Errors
/// As [`backtest()`].
pub fn backtest_with(
    dataset: &Dataset,
    settings: &BacktestSettings,
    checkpoint: Option<&Checkpoint>,
    observer: &dyn Observer,
) -> Result<Backtest, TrainError> {
    let mut cuts = Vec::with_capacity(dataset.labels().len());
    for labels in dataset.labels() {
        let cut = RollingOrigin::new(dataset, labels, settings);
        cuts.push(cut.map_err(|source| TrainError::Fold { target: labels.target.name.clone(), source })?);
    }
    let refits: usize = cuts.iter().map(|cut| cut.warm_up.len() + cut.judged.len()).sum();
    observer.notice(&Progress::Planned { fits: refits * settings.learners.len() });

    let mut warnings = Vec::new();
    if !dataset.is_dated() {
        warnings.push(Warning::time_not_tested(dataset.witness()));
    }
    if !dataset.knows_accounts() {
        warnings.push(Warning::accounts_not_given());
    }
    warnings.extend(suspect::warnings(dataset));
    warnings.extend(spacing::warning(dataset, settings));
    let (mut targets, mut runs) = (Vec::new(), Vec::new());
    let saved = checkpoint.map(|checkpoint| checkpoint.of_run(dataset, settings, observer));
    for ((index, labels), cut) in dataset.labels().iter().enumerate().zip(&cuts) {
        let mut target = TargetBacktest::new(dataset, labels, settings, observer);
        target.warn_about(cut);
        target.choose_learners(cut)?;
        let warm_up = cut.warm_up.iter().map(|fold| (fold, true));
        for (number, (fold, warm_up)) in warm_up.chain(cut.judged.iter().map(|fold| (fold, false))).enumerate() {
            target.saved_refit(saved.as_ref(), (index, number), fold, warm_up)?;
        }
        target.run.sort();
        let (summary, run) = target.finish(&mut warnings)?;
        targets.push(summary);
        runs.push(run);
    }
    Ok(Backtest { summary: summarise(dataset, settings, targets, warnings), runs })
}

fn summarise(
    dataset: &Dataset,
    settings: &BacktestSettings,
    targets: Vec<TargetSummary>,
    warnings: Vec<Warning>,
) -> BacktestSummary {
    BacktestSummary {
        format: BACKTEST_FORMAT,
        data_end: dataset.data_end().to_string(),
        first_test: settings.first_test.to_string(),
        refit_every: if dataset.is_dated() { settings.refit_every.name() } else { ACCOUNT_FOLDS_NAME }.to_owned(),
        score_every: score_every(dataset, settings),
        history: (settings.history != History::Expanding).then(|| settings.history.to_string()),
        seed: settings.seed,
        row_weights: settings.row_weights,
        budget: settings.budget,
        accounts_per_week: settings.accounts_per_week,
        calls_per_date: Some(spacing::calls_per_date(dataset, settings)),
        rows: dataset.rows(),
        accounts: dataset.accounts().iter().collect::<BTreeSet<_>>().len(),
        signals: dataset.signals().len(),
        targets,
        warnings,
        glossary: BTreeMap::new(),
        insights: None,
    }
}

/// The step between the dates that are predicted.
fn score_every(dataset: &Dataset, settings: &BacktestSettings) -> String {
    if !dataset.is_dated() {
        return "once".to_owned();
    }
    Spacing::between_tests(dataset, settings).map_or_else(|| settings.score_every.name().to_owned(), Spacing::name)
}

/// The backtest of one target while it runs.
struct TargetBacktest<'a> {
    dataset: &'a Dataset,
    labels: &'a Labels,
    settings: &'a BacktestSettings,
    observer: &'a dyn Observer,
    run: TargetRun,
    refits: Vec<RefitSummary>,
    warnings: Vec<Warning>,
}

impl<'a> TargetBacktest<'a> {
    fn new(
        dataset: &'a Dataset,
        labels: &'a Labels,
        settings: &'a BacktestSettings,
        observer: &'a dyn Observer,
    ) -> Self {
        let run = TargetRun {
            target: labels.target.name.clone(),
            rows: Vec::new(),
            refit: Vec::new(),
            labels: Vec::new(),
            null_probabilities: Vec::new(),
            predictions: settings.learners.iter().copied().map(Predictions::of).collect(),
            latest: LatestModels::default(),
        };
        Self { dataset, labels, settings, observer, run, refits: Vec::new(), warnings: Vec::new() }
    }

    fn warn_about(&mut self, cut: &RollingOrigin) {
        let target = &self.labels.target.name;
        self.warnings.extend(cut.without_rows.iter().map(|refit| Warning::refit_without_rows(target, *refit)));
        if let Some(rows) = self.settings.max_training_rows.filter(|_| cut.thinned) {
            self.warnings.push(Warning::thinned(target, rows, self.dataset.witness()));
        }
    }

    /// Lets go of learners for which a judged refit has too few accounts of an outcome, each for a simpler one. With an
    /// expanding history the first refit has the fewest; with a sliding one any can.
    fn choose_learners(&mut self, cut: &RollingOrigin) -> Result<(), TrainError> {
        let accounts_of = |fold| (AccountsByOutcome::of(self.dataset, self.labels, Fold::training(fold)), fold);
        let fewest = cut.judged.iter().map(accounts_of).min_by_key(|(accounts, _)| accounts.rarer());
        let Some((accounts, fold)) = fewest else { return Ok(()) };
        if accounts.rarer() < LEAST_ACCOUNTS {
            return Err(TrainError::TooFewAccounts {
                target: self.run.target.clone(),
                refit: fold.refit(),
                expected: LEAST_ACCOUNTS,
                positives: accounts.positive,
                negatives: accounts.negative,
                thinned_to: self.settings.max_training_rows.filter(|_| cut.thinned),
            });
        }
        let mut chosen = BTreeSet::new();
        for asked in self.settings.learners.iter().copied() {
            let mut learner = asked;
            while let Some(simpler) = learner.simpler().filter(|_| learner.least_accounts() > accounts.rarer()) {
                learner = simpler;
            }
            if learner != asked {
                let (target, found, witness) = (&self.run.target, accounts.rarer(), self.dataset.witness());
                self.warnings.push(Warning::too_few_accounts(target, asked, found, fold.refit(), learner, witness));
            }
            chosen.insert(learner);
        }
        self.run.predictions = chosen.into_iter().map(Predictions::of).collect();
        Ok(())
    }

    /// One refit: as an earlier run saved it, or computed and saved.
    fn saved_refit(
        &mut self,
        saved: Option<&SavedRefits<'_>>,
        place: (usize, usize),
        fold: &Fold,
        warm_up: bool,
    ) -> Result<(), TrainError> {
        let Some(saved) = saved else { return self.refit(fold, warm_up) };
        if let Some(record) = saved.read(place, fold, warm_up) {
            self.take_over(fold, warm_up, record);
            return Ok(());
        }
        let (rows, warnings) = (self.run.rows.len(), self.warnings.len());
        let known: Vec<(LearnerKind, usize)> =
            self.run.predictions.iter().map(|one| (one.learner, one.out_of_time.margins().len())).collect();
        self.refit(fold, warm_up)?;
        let Some(summary) = self.refits.last().cloned() else { return Ok(()) };
        let before = |learner| known.iter().find(|one| one.0 == learner).map_or(0, |one| one.1);
        let added = |one: &Predictions| Predicted {
            learner: one.learner,
            margin: one.out_of_time.margins()[before(one.learner)..].to_vec(),
            probability: one.probability[rows..].to_vec(),
            low: one.low[rows..].to_vec(),
            high: one.high[rows..].to_vec(),
        };
        let predicted = self.run.predictions.iter().map(added).collect();
        let record = RefitRecord { summary, warnings: self.warnings[warnings..].to_vec(), predicted };
        saved.write(place, &record);
        Ok(())
    }

    /// Adds what a saved refit had added.
    fn take_over(&mut self, fold: &Fold, warm_up: bool, record: RefitRecord) {
        if !warm_up {
            self.expect_predictions_of(fold, record.summary.training_positives);
        }
        self.run.predictions.retain(|one| record.predicted.iter().any(|saved| saved.learner == one.learner));
        for (predictions, saved) in self.run.predictions.iter_mut().zip(record.predicted) {
            if !saved.margin.is_empty() {
                predictions.out_of_time.add(fold, &saved.margin);
            }
            if !warm_up {
                predictions.margin.extend(saved.margin);
            }
            predictions.probability.extend(saved.probability);
            predictions.low.extend(saved.low);
            predictions.high.extend(saved.high);
        }
        let (target, fits) = (self.run.target.as_str(), record.summary.learners.len());
        self.observer.notice(&Progress::TakenOver { target, refit: fold.refit(), fits });
        self.warnings.extend(record.warnings);
        self.refits.push(record.summary);
    }

    /// One refit: every learner fits, is exported, and predicts the fold's test rows.
    fn refit(&mut self, fold: &Fold, warm_up: bool) -> Result<(), TrainError> {
        let refit = Refit::new(self.dataset, self.labels, fold, self.settings);
        let test = refit.encoder().block(self.dataset, fold.test());
        let judged_before = self.run.rows.len();
        if !warm_up {
            self.expect_predictions_of(fold, refit.training().positives());
        }
        self.leave_out_unusable(&refit)?;
        // Side by side, since some learners run on one thread only; taken in their fixed order.
        let kinds: Vec<LearnerKind> = self.run.predictions.iter().map(|one| one.learner).collect();
        let margins: Vec<_> = kinds.par_iter().map(|learner| refit.margin(*learner)).collect();
        let mut learners = Vec::with_capacity(kinds.len());
        for (index, (learner, margin)) in kinds.into_iter().zip(margins).enumerate() {
            let margin = match margin {
                Ok(margin) => margin,
                Err(LearnError::TooFew { .. } | LearnError::TooFewAccounts { .. }) if warm_up => {
                    self.warnings.push(Warning::warm_up_too_few(&self.run.target, learner, fold.refit()));
                    continue;
                }
                Err(source) => return Err(refit.learn_error(source)),
            };
            let predictions = &mut self.run.predictions[index];
            let calibration = if warm_up {
                predict_for_calibration(&refit, margin, &test, fold, predictions)?;
                None
            } else {
                if fold.is_in_time() {
                    self.run.latest.keep(learner, fold.refit(), &margin);
                }
                Some(predict(&refit, margin, &test, fold, predictions)?)
            };
            let judged = judged_before..self.run.rows.len();
            let metrics = if warm_up { None } else { Some(self.measure(index, judged)?) };
            learners.push(LearnerRefit { learner, calibration, metrics });
            let (target, training_rows) = (self.run.target.as_str(), fold.training().len());
            self.observer.notice(&Progress::Fitted { target, learner, refit: fold.refit(), training_rows, warm_up });
        }
        self.record(fold, warm_up, refit.training().positives(), learners);
        Ok(())
    }

    /// Before the first refit, leaves out the health score where the business has none of its signals: it is a yardstick
    /// that is in use elsewhere, and its absence must not keep the others from being judged.
    fn leave_out_unusable(&mut self, refit: &Refit<'_>) -> Result<(), TrainError> {
        let is_score = |one: &Predictions| one.learner == LearnerKind::HealthScore;
        if !self.refits.is_empty() || !self.run.predictions.iter().any(is_score) {
            return Ok(());
        }
        if let Err(source @ LearnError::Failed { .. }) = refit.margin(LearnerKind::HealthScore) {
            if self.run.predictions.len() == 1 {
                return Err(refit.learn_error(source));
            }
            self.warnings.push(Warning::learner_left_out(&self.run.target, &source));
            self.run.predictions.retain(|one| !is_score(one));
        }
        Ok(())
    }

    /// Adds the fold's test rows to the rows that every learner will be judged on.
    fn expect_predictions_of(&mut self, fold: &Fold, training_positives: usize) {
        let base_rate = training_positives as f64 / fold.training().len() as f64;
        self.run.rows.extend_from_slice(fold.test());
        self.run.refit.extend(fold.test().iter().map(|_| fold.refit()));
        self.run.null_probabilities.extend(fold.test().iter().map(|_| base_rate));
        let label = |row: &u32| self.labels.values[*row as usize] == Some(true);
        self.run.labels.extend(fold.test().iter().map(label));
    }

    fn record(&mut self, fold: &Fold, warm_up: bool, training_positives: usize, learners: Vec<LearnerRefit>) {
        let by_account = |one: &&LearnerRefit| {
            one.calibration.as_ref().is_some_and(|record| record.source == CalibrationSource::AccountFolds)
        };
        let on_accounts: Vec<LearnerKind> = learners.iter().filter(by_account).map(|one| one.learner).collect();
        if fold.is_in_time() && !on_accounts.is_empty() {
            let (target, witness) = (&self.run.target, self.dataset.witness());
            self.warnings.push(Warning::calibrated_by_account(target, fold.refit(), &on_accounts, witness));
        }
        let positive = |row: &&u32| self.labels.values[**row as usize] == Some(true);
        let last = fold.training().last().map(|row| self.dataset.as_of()[*row as usize].to_string());
        self.refits.push(RefitSummary {
            refit: fold.refit().to_string(),
            until: fold.until().to_string(),
            warm_up,
            training_rows: fold.training().len(),
            training_positives,
            last_training_as_of: last.unwrap_or_default(),
            test_rows: fold.test().len(),
            test_positives: fold.test().iter().filter(positive).count(),
            learners,
        });
    }

    /// Measures one learner on a range of the judged rows.
    fn measure(&self, learner: usize, range: std::ops::Range<usize>) -> Result<MetricSet, TrainError> {
        let predictions = &self.run.predictions[learner];
        let measured = measure(self.dataset, self.settings, &self.run, &predictions.probability, range);
        measured.map_err(|cause| metric_error(&self.run, predictions, &cause))
    }

    fn finish(self, warnings: &mut Vec<Warning>) -> Result<(TargetSummary, TargetRun), TrainError> {
        let learners = judge::summarise(self.dataset, self.settings, &self.run)?;
        let selection = select(self.dataset, &self.run, self.settings.seed);
        let date =
            |row: Option<&u32>| row.map(|row| self.dataset.as_of()[*row as usize].to_string()).unwrap_or_default();
        let summary = TargetSummary {
            definition: self.labels.target.clone(),
            test_from: date(self.run.rows.first()),
            test_to: date(self.run.rows.last()),
            test_accounts: Some(accounts_of(self.dataset, &self.run.rows)),
            witness: self.dataset.witness(),
            test_rows_digest: digest_of_rows(self.dataset, &self.run),
            mature_rows_without_label: mature_without_label(self.dataset, self.labels),
            selected: selection.learner,
            selected_because: selection.because,
            comparisons: selection.comparisons,
            learners,
            refits: self.refits,
        };
        warnings.extend(self.warnings);
        Ok((summary, self.run))
    }
}

/// Calibrates, exports and predicts; what is predicted is judged, and later calibrates others.
fn predict(
    refit: &Refit<'_>,
    margin: MarginModel,
    test: &FeatureBlock,
    fold: &Fold,
    predictions: &mut Predictions,
) -> Result<CalibrationRecord, TrainError> {
    let learner = predictions.learner;
    let (calibration, record) = refit.calibration(learner, &predictions.out_of_time)?;
    let model = refit.model(learner, margin, calibration)?;
    let scores = model.scorer.score(test).map_err(|cause| refit.model_error(learner, cause))?;
    predictions.out_of_time.add(fold, &scores.margin);
    predictions.margin.extend(scores.margin);
    predictions.probability.extend(scores.probability);
    predictions.low.extend(scores.low);
    predictions.high.extend(scores.high);
    Ok(record)
}

/// Exports and predicts margins that only calibrate later refits.
fn predict_for_calibration(
    refit: &Refit<'_>,
    margin: MarginModel,
    test: &FeatureBlock,
    fold: &Fold,
    predictions: &mut Predictions,
) -> Result<(), TrainError> {
    let learner = predictions.learner;
    let model = refit.model(learner, margin, calibrate::identity())?;
    let scores = model.scorer.score(test).map_err(|cause| refit.model_error(learner, cause))?;
    predictions.out_of_time.add(fold, &scores.margin);
    Ok(())
}

/// Measures a column of probabilities on a range of the judged rows of a target.
pub(crate) fn measure(
    dataset: &Dataset,
    settings: &BacktestSettings,
    run: &TargetRun,
    probabilities: &[f64],
    range: std::ops::Range<usize>,
) -> Result<MetricSet, crate::metric::MetricError> {
    JudgedRows::new(dataset, settings, run, range.collect()).measure(probabilities)
}

fn accounts_of(dataset: &Dataset, rows: &[u32]) -> usize {
    rows.iter().map(|row| dataset.accounts()[*row as usize]).collect::<BTreeSet<_>>().len()
}

fn mature_without_label(dataset: &Dataset, labels: &Labels) -> usize {
    let interval_days = labels.target.label_interval_days();
    let rows = labels.values.iter().zip(dataset.as_of());
    rows.filter(|(label, as_of)| label.is_none() && matured(**as_of, interval_days, dataset.data_end())).count()
}

fn digest_of_rows(dataset: &Dataset, run: &TargetRun) -> String {
    let mut hasher = Sha256::new();
    for (row, label) in run.rows.iter().zip(&run.labels) {
        let row = *row as usize;
        hasher.update(dataset.as_of_days()[row].to_le_bytes());
        hasher.update(dataset.matrix().account_ids[row].as_bytes());
        hasher.update([0, u8::from(*label)]);
    }
    hex::encode(hasher.finalize())
}
