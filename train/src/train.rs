//! The last refit: what the backtest did at every refit date, once more at the end of the data, with the learner that won.
//!
//! It learns from every row whose outcome is known, and its calibrator from everything that the backtest's refits predicted
//! out of time. Nothing judges this model; what is known about it is what the backtest says about its predecessors, which
//! were made in the same way.
//!
//! One thing differs by necessity: a bundle has one signature for all its targets, so category levels are learned from the
//! training rows of any target, where the backtest learns them per target.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_features::label::Labels;
use bellwether_models::FeatureBlock;
use bellwether_models::bundle::{BundleContents, TargetInfo, TargetRows, TrainingInfo};
use bellwether_models::drift::{Reference, typical_values};

use crate::backtest::{Backtest, Predictions};
use crate::card::{self, CardTarget};
use crate::dataset::Dataset;
use crate::encode::Encoder;
use crate::error::TrainError;
use crate::fold::{Fold, RollingOrigin};
use crate::forecasts::Forecasts;
use crate::learner::LearnerKind;
use crate::observer::{Observer, Progress};
use crate::policy;
use crate::refit::{FittedModel, Refit};
use crate::report;
use crate::settings::BacktestSettings;
use crate::summary::{CalibrationRecord, CalibrationSource, TargetSummary, Warning};

/// The shipped model of one target.
#[derive(Debug, Clone)]
pub struct TrainedTarget {
    /// Target.
    pub target: String,
    /// The learner that won the backtest.
    pub learner: LearnerKind,
    /// The model: head, bytes, scorer.
    pub model: FittedModel,
    /// Rows learned from.
    pub training_rows: usize,
    /// Positive rows among them.
    pub training_positives: usize,
    /// How the calibrator was fitted.
    pub calibration: CalibrationRecord,
}

/// A trained model: a bundle's contents, and what the run wants to tell.
#[derive(Debug)]
pub struct Trained {
    /// Everything that [`crate::registry::add`] writes.
    pub contents: BundleContents,
    /// What the backtest forecast out of time: the registry keeps it for the gate.
    pub forecasts: Forecasts,
    /// Targets in the order of the dataset.
    pub targets: Vec<TrainedTarget>,
    /// Warnings of this last refit; those of the backtest are in its summary.
    pub warnings: Vec<Warning>,
}

/// Days of the last year of training, whose single dates say how far tonight's may be from the whole base.
const DAYS_OF_A_YEAR: i32 = 365;

/// Flag of a bundle whose probabilities were calibrated on held-out accounts, for want of history.
pub const FLAG_ACCOUNT_FOLDS: &str = "calibrated_on_account_folds";

/// Flag of a bundle whose rows had no dates: it was judged on held-out accounts, not on later days.
pub const FLAG_TIME_NOT_TESTED: &str = "time_not_tested";

/// Fits the winner of the backtest for each target on all mature rows. `name`: of the model, as in the registry.
///
/// # Errors
/// [`TrainError::Mismatch`] when the backtest was run on something else; otherwise as [`crate::backtest::backtest`].
pub fn train(
    dataset: &Dataset,
    settings: &BacktestSettings,
    backtest: &Backtest,
    name: &str,
    observer: &dyn Observer,
) -> Result<Trained, TrainError> {
    check_same(dataset, settings, backtest)?;
    observer.notice(&Progress::Planned { fits: dataset.labels().len() });
    let mut folds = Vec::with_capacity(dataset.labels().len());
    for labels in dataset.labels() {
        let fold = RollingOrigin::last(dataset, labels, settings);
        folds.push(fold.map_err(|source| TrainError::Fold { target: labels.target.name.clone(), source })?);
    }
    let rows = union_of_training_rows(&folds);
    let encoder = Encoder::learn(dataset, &rows);
    let mut targets = Vec::with_capacity(folds.len());
    let mut warnings = Vec::new();
    for ((index, fold), summary) in folds.iter().enumerate().zip(&backtest.summary.targets) {
        let predictions = selected_predictions(backtest, index, summary)?;
        let trained = train_target(dataset, index, fold, &encoder, predictions, settings)?;
        if fold.is_in_time() && trained.calibration.source == CalibrationSource::AccountFolds {
            let (target, witness) = (&trained.target, dataset.witness());
            warnings.push(Warning::calibrated_by_account(target, fold.refit(), &[trained.learner], witness));
        }
        let (target, learner, training_rows) = (trained.target.as_str(), trained.learner, trained.training_rows);
        observer.notice(&Progress::Fitted { target, learner, refit: fold.refit(), training_rows, warm_up: false });
        targets.push(trained);
    }
    let contents = contents(dataset, backtest, name, &encoder, &rows, &targets)?;
    Ok(Trained { contents, forecasts: Forecasts::of(dataset, backtest), targets, warnings })
}

/// Everything that a bundle is made of. `rows`: training rows of any target.
fn contents(
    dataset: &Dataset,
    backtest: &Backtest,
    name: &str,
    encoder: &Encoder,
    rows: &[u32],
    targets: &[TrainedTarget],
) -> Result<BundleContents, TrainError> {
    let base = encoder.block(dataset, rows);
    let reference = reference(encoder, &base, targets)?;
    let last_year = dates_of_last_year(dataset, encoder, rows, targets)?;
    let reference = reference.with_usual_shifts(&last_year).map_err(|cause| bundle_error(&cause))?;
    let typical = typical_values(encoder.signature(), &base).map_err(|cause| bundle_error(&cause))?;
    let policy = policy::policy(dataset, rows, backtest);
    let names: Vec<&str> = targets.iter().map(|one| one.target.as_str()).collect();
    policy.validate(encoder.signature(), &names).map_err(|cause| bundle_error(&cause))?;
    let of_targets = targets.iter().zip(&backtest.summary.targets);
    let cards: Vec<CardTarget<'_>> = of_targets
        .map(|(trained, summary)| CardTarget {
            summary,
            training_rows: trained.training_rows,
            training_positives: trained.training_positives,
            calibration: &trained.calibration,
        })
        .collect();
    Ok(BundleContents {
        name: name.to_owned(),
        targets: targets.iter().zip(dataset.labels()).map(|(trained, labels)| target_info(trained, labels)).collect(),
        signature: encoder.signature().clone(),
        signals: policy::signal_cards(dataset, &typical),
        policy,
        heads: targets.iter().map(|one| one.model.head.clone()).collect(),
        reference,
        training: training_info(dataset, backtest, rows, targets),
        data_digest: dataset.digest(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        backtest: serde_json::to_value(&backtest.summary).map_err(|cause| bundle_error(&cause))?,
        model_card: card::model_card(name, &backtest.summary, &cards),
        report_html: report::html(&backtest.summary),
    })
}

fn target_info(trained: &TrainedTarget, labels: &Labels) -> TargetInfo {
    TargetInfo {
        name: trained.target.clone(),
        text: labels.target.text.clone(),
        horizon_days: labels.target.horizon_days,
        learner: trained.learner.name().to_owned(),
    }
}

fn training_info(dataset: &Dataset, backtest: &Backtest, rows: &[u32], targets: &[TrainedTarget]) -> TrainingInfo {
    let date = |row: Option<&u32>| row.map(|row| dataset.as_of()[*row as usize]).unwrap_or_default();
    let of_target = |one: &TrainedTarget| {
        let rows = TargetRows { rows: one.training_rows as u64, positives: one.training_positives as u64 };
        (one.target.clone(), rows)
    };
    let by_account = targets.iter().any(|one| one.calibration.source == CalibrationSource::AccountFolds);
    let flags = [(by_account, FLAG_ACCOUNT_FOLDS), (!dataset.is_dated(), FLAG_TIME_NOT_TESTED)];
    TrainingInfo {
        first_as_of: date(rows.first()),
        last_as_of: date(rows.last()),
        rows: rows.len() as u64,
        targets: targets.iter().map(of_target).collect(),
        seed: backtest.summary.seed,
        flags: flags.into_iter().filter(|(is_so, _)| *is_so).map(|(_, flag)| flag.to_owned()).collect(),
    }
}

fn train_target(
    dataset: &Dataset,
    index: usize,
    fold: &Fold,
    encoder: &Encoder,
    predictions: &Predictions,
    settings: &BacktestSettings,
) -> Result<TrainedTarget, TrainError> {
    let learner = predictions.learner;
    let refit = Refit::under(dataset, &dataset.labels()[index], fold, settings, encoder.clone())?;
    let margin = refit.margin(learner).map_err(|source| refit.learn_error(source))?;
    let (calibration, record) = refit.calibration(learner, &predictions.out_of_time)?;
    let model = refit.model(learner, margin, calibration)?;
    Ok(TrainedTarget {
        target: dataset.labels()[index].target.name.clone(),
        learner,
        model,
        training_rows: fold.training().len(),
        training_positives: refit.training().positives(),
        calibration: record,
    })
}

fn selected_predictions<'a>(
    backtest: &'a Backtest,
    index: usize,
    summary: &TargetSummary,
) -> Result<&'a Predictions, TrainError> {
    let run = backtest.runs.get(index);
    let found = run.and_then(|run| run.predictions.iter().find(|one| one.learner == summary.selected));
    found.ok_or_else(|| mismatch("predictions", &summary.definition.name, &"none"))
}

fn check_same(dataset: &Dataset, settings: &BacktestSettings, backtest: &Backtest) -> Result<(), TrainError> {
    let summary = &backtest.summary;
    let targets = |names: Vec<&str>| names.join(", ");
    let expected = targets(dataset.labels().iter().map(|one| one.target.name.as_str()).collect());
    let found = targets(summary.targets.iter().map(|one| one.definition.name.as_str()).collect());
    if expected != found {
        return Err(mismatch("targets", &expected, &found));
    }
    if dataset.rows() != summary.rows {
        return Err(mismatch("rows", &dataset.rows(), &summary.rows));
    }
    if dataset.data_end().to_string() != summary.data_end {
        return Err(mismatch("data end", &dataset.data_end(), &summary.data_end));
    }
    if settings.seed != summary.seed {
        return Err(mismatch("seed", &settings.seed, &summary.seed));
    }
    if settings.budget != summary.budget {
        return Err(mismatch("budget", &settings.budget, &summary.budget));
    }
    if settings.row_weights != summary.row_weights {
        return Err(mismatch("row weights", &settings.row_weights.name(), &summary.row_weights.name()));
    }
    Ok(())
}

fn mismatch(field: &'static str, expected: &dyn ToString, found: &dyn ToString) -> TrainError {
    TrainError::Mismatch { field, expected: expected.to_string(), found: found.to_string() }
}

fn union_of_training_rows(folds: &[Fold]) -> Vec<u32> {
    let rows: BTreeSet<u32> = folds.iter().flat_map(|fold| fold.training().iter().copied()).collect();
    rows.into_iter().collect()
}

fn reference(encoder: &Encoder, base: &FeatureBlock, targets: &[TrainedTarget]) -> Result<Reference, TrainError> {
    let probabilities = probabilities(base, targets)?;
    let named = targets.iter().zip(&probabilities);
    let columns: Vec<(&str, &[f64])> = named.map(|(one, values)| (one.target.as_str(), values.as_slice())).collect();
    Reference::from_block(encoder.signature(), base, &columns).map_err(|cause| bundle_error(&cause))
}

/// The probabilities of each target on a block.
fn probabilities(block: &FeatureBlock, targets: &[TrainedTarget]) -> Result<Vec<Vec<f64>>, TrainError> {
    let score = |target: &TrainedTarget| {
        Ok(target.model.scorer.score(block).map_err(|cause| bundle_error(&cause))?.probability)
    };
    targets.iter().map(score).collect()
}

/// The training rows of each date of the last year of training, with their probabilities.
fn dates_of_last_year(
    dataset: &Dataset,
    encoder: &Encoder,
    rows: &[u32],
    targets: &[TrainedTarget],
) -> Result<Vec<(FeatureBlock, Vec<Vec<f64>>)>, TrainError> {
    let day = |row: &u32| dataset.as_of_days()[*row as usize];
    let Some(last) = rows.iter().map(day).max() else { return Ok(Vec::new()) };
    let mut by_date: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    for row in rows.iter().filter(|row| day(row) > last - DAYS_OF_A_YEAR) {
        by_date.entry(day(row)).or_default().push(*row);
    }
    let date = |rows: &Vec<u32>| {
        let block = encoder.block(dataset, rows);
        let probabilities = probabilities(&block, targets)?;
        Ok((block, probabilities))
    };
    by_date.values().map(date).collect()
}

fn bundle_error(cause: &dyn ToString) -> TrainError {
    TrainError::Model { target: "all targets".to_owned(), learner: "all".to_owned(), cause: cause.to_string() }
}
