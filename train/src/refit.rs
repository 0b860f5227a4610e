//! One refit: fit the margin, calibrate it, export it, read the export back, and run that.
//!
//! There is one predictor. What comes out of [`Refit::model`] was written to ONNX and read from those very bytes, and the
//! scorer that predicts here is the one that runs at night, so the backtest judges the exported model and nothing else.

use bellwether_features::label::Labels;
use bellwether_models::{Calibration, Head, MarginModel, Scorer, scorer};
use chrono::NaiveDate;

use crate::calibrate::{self, Calibrated, PriorShift};
use crate::dataset::Dataset;
use crate::encode::{EncodedRows, Encoder};
use crate::error::TrainError;
use crate::fold::Fold;
use crate::learner::rows::account_lot;
use crate::learner::{LearnError, LearnerKind};
use crate::pool::{CalibrationRows, OutOfTime};
use crate::settings::{BacktestSettings, RowWeights};
use crate::summary::{CalibrationRecord, CalibrationSource};
use crate::uniqueness::average_uniqueness;

/// With fewer out-of-time rows of the rarer outcome than this, calibration falls back on held-out accounts.
pub const LEAST_OUT_OF_TIME_OUTCOMES: usize = 25;
/// Folds of accounts in that case.
const ACCOUNT_FOLDS: usize = 5;
/// A prior shift is read from the rows of the last quarter whose outcomes are known.
const SHIFT_WINDOW_DAYS: i32 = 92;

/// A model as it is shipped: the bytes, and the scorer made from them.
#[derive(Debug, Clone)]
pub struct FittedModel {
    /// As read back from the bytes.
    pub head: Head,
    /// The exported model.
    pub onnx: Vec<u8>,
    /// Runs it.
    pub scorer: Scorer,
}

/// The rows of one fold, encoded once for all learners.
#[derive(Debug)]
pub struct Refit<'a> {
    dataset: &'a Dataset,
    labels: &'a Labels,
    fold: &'a Fold,
    settings: &'a BacktestSettings,
    encoder: Encoder,
    training: EncodedRows,
}

impl<'a> Refit<'a> {
    /// Learns the signature from the fold's training rows and encodes them.
    #[must_use]
    pub fn new(dataset: &'a Dataset, labels: &'a Labels, fold: &'a Fold, settings: &'a BacktestSettings) -> Self {
        Self::with(dataset, labels, fold, settings, Encoder::learn(dataset, fold.training()))
    }

    /// Same, under a signature that several targets share: learned from the fold's training rows and from others only if
    /// they too lie before the refit.
    ///
    /// # Errors
    /// [`TrainError::Fold`] when it was learned from a row at or after the refit, or not from a row of the fold.
    pub fn under(
        dataset: &'a Dataset,
        labels: &'a Labels,
        fold: &'a Fold,
        settings: &'a BacktestSettings,
        encoder: Encoder,
    ) -> Result<Self, TrainError> {
        let learned = fold.check_learned_from(dataset, encoder.rows());
        learned.map_err(|source| TrainError::Fold { target: labels.target.name.clone(), source })?;
        Ok(Self::with(dataset, labels, fold, settings, encoder))
    }

    fn with(
        dataset: &'a Dataset,
        labels: &'a Labels,
        fold: &'a Fold,
        settings: &'a BacktestSettings,
        encoder: Encoder,
    ) -> Self {
        let training = EncodedRows::new(dataset, labels, &encoder, fold.training())
            .with_weights(settings.row_weights, labels.target.horizon_days);
        Self { dataset, labels, fold, settings, encoder, training }
    }

    /// Signature and codes.
    #[must_use]
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The training rows.
    #[must_use]
    pub fn training(&self) -> &EncodedRows {
        &self.training
    }

    /// Fits the margin model.
    ///
    /// # Errors
    /// [`LearnError::TooFewAccounts`] where the training rows are of too few accounts for this learner, otherwise as the
    /// learner gives it.
    pub fn margin(&self, learner: LearnerKind) -> Result<MarginModel, LearnError> {
        let (accounts, expected) = (self.training.accounts_by_outcome(), learner.least_accounts());
        if accounts.rarer() < expected {
            return Err(LearnError::TooFewAccounts {
                learner: learner.name(),
                expected,
                positives: accounts.positive,
                negatives: accounts.negative,
            });
        }
        self.margin_of(learner, &self.training)
    }

    fn margin_of(&self, learner: LearnerKind, rows: &EncodedRows) -> Result<MarginModel, LearnError> {
        let signals = self.dataset.signals();
        let fitted = learner.learner_within(self.settings.budget)?.fit(&rows.training_rows(
            &self.encoder,
            signals,
            &self.labels.target.name,
            self.settings.seed,
        ));
        // Any runtime may add the leaves up in any order: the sum is the same bits.
        fitted.map(MarginModel::with_exact_sums)
    }

    /// Fits the calibrator of this refit on what earlier refits predicted out of time and is known by now; where that is
    /// too little, on held-out accounts.
    ///
    /// # Errors
    /// [`TrainError`] when neither way has enough outcomes, or a learner fails.
    pub fn calibration(
        &self,
        learner: LearnerKind,
        earlier: &OutOfTime,
    ) -> Result<(Calibration, CalibrationRecord), TrainError> {
        let known = earlier.known_at(self.fold.refit(), self.dataset, self.labels);
        let (source, rows) = if self.fold.is_in_time() && known.rarer() >= LEAST_OUT_OF_TIME_OUTCOMES {
            (CalibrationSource::OutOfTime, known)
        } else {
            (CalibrationSource::AccountFolds, self.account_folds(learner)?)
        };
        let weight = self.weight_of(&rows);
        let weights = vec![weight; rows.labels.len()];
        let fitted = calibrate::fit_from(&rows.margins, &rows.labels, &weights, learner.calibration_prior());
        let Calibrated { calibration, method } = fitted.map_err(|source| TrainError::Calibrate {
            target: self.target().to_owned(),
            learner: learner.name().to_owned(),
            refit: self.fold.refit(),
            source,
        })?;
        let shift = latest_shift(&calibration, &rows);
        let record = CalibrationRecord {
            source,
            method: method.name().to_owned(),
            rows: rows.labels.len(),
            positives: rows.positives(),
            effective_positives: weight * rows.positives() as f64,
            prior_shift_log_odds: shift.log_odds,
            prior_shift_standard_error: shift.standard_error.is_finite().then_some(shift.standard_error),
        };
        Ok((calibrate::shifted(calibration, shift.log_odds), record))
    }

    /// What one calibration row counts: as much for every row, so that the curve is that of equal rows, but for as many
    /// witnesses as there are. Those are at least the accounts with the rarer outcome: an account with it on one of many rows
    /// is one witness of it, and no part of one.
    fn weight_of(&self, rows: &CalibrationRows) -> f64 {
        match self.settings.row_weights {
            RowWeights::Equal => 1.0,
            RowWeights::Uniqueness => {
                let horizon_days = self.labels.target.horizon_days;
                let uniqueness = average_uniqueness(&rows.accounts, &rows.as_of_days, horizon_days);
                let mean = uniqueness.iter().sum::<f64>() / uniqueness.len().max(1) as f64;
                rows.share_of_witnesses().map_or(mean, |share| share.max(mean))
            }
        }
    }

    /// Margins of the training rows, each predicted by a model that saw no row of its account.
    fn account_folds(&self, learner: LearnerKind) -> Result<CalibrationRows, TrainError> {
        let fold_of = |row: &u32| {
            let lot = account_lot(self.settings.seed ^ 0xCA11, self.dataset.accounts()[*row as usize]);
            ((lot * ACCOUNT_FOLDS as f64) as usize).min(ACCOUNT_FOLDS - 1)
        };
        let mut predicted = CalibrationRows::default();
        for fold in 0..ACCOUNT_FOLDS {
            let (held_out, rest): (Vec<u32>, Vec<u32>) =
                self.fold.training().iter().partition(|row| fold_of(row) == fold);
            if held_out.is_empty() {
                continue;
            }
            let rest = EncodedRows::new(self.dataset, self.labels, &self.encoder, &rest)
                .with_weights(self.settings.row_weights, self.labels.target.horizon_days);
            let model = self.margin_of(learner, &rest).map_err(|source| self.learn_error(source))?;
            let held_out = EncodedRows::new(self.dataset, self.labels, &self.encoder, &held_out);
            let margins = scorer::margins(self.encoder.signature(), &model, &held_out.block)
                .map_err(|cause| self.model_error(learner, cause))?;
            predicted.margins.extend(margins);
            predicted.labels.extend(held_out.labels);
            predicted.accounts.extend(held_out.accounts);
            predicted.as_of_days.extend(held_out.as_of_days);
        }
        Ok(predicted)
    }

    /// Writes the head as ONNX, reads it back, and makes the scorer from what was read.
    ///
    /// # Errors
    /// [`TrainError::Model`] when the export cannot be written, read or run.
    pub fn model(
        &self,
        learner: LearnerKind,
        margin: MarginModel,
        calibration: Calibration,
    ) -> Result<FittedModel, TrainError> {
        let head = Head { target: self.target().to_owned(), margin, calibration };
        let signature = self.encoder.signature();
        let onnx =
            bellwether_models::onnx::write(signature, &head).map_err(|cause| self.model_error(learner, cause))?;
        let head = bellwether_models::onnx::read(&onnx, signature).map_err(|cause| self.model_error(learner, cause))?;
        let scorer = Scorer::new(signature, &head).map_err(|cause| self.model_error(learner, cause))?;
        Ok(FittedModel { head, onnx, scorer })
    }

    fn target(&self) -> &str {
        &self.labels.target.name
    }

    pub(crate) fn learn_error(&self, source: LearnError) -> TrainError {
        TrainError::Learn { target: self.target().to_owned(), refit: self.fold.refit(), source }
    }

    pub(crate) fn model_error(&self, learner: LearnerKind, cause: impl ToString) -> TrainError {
        TrainError::Model {
            target: self.target().to_owned(),
            learner: learner.name().to_owned(),
            cause: cause.to_string(),
        }
    }

    /// Date of the refit.
    #[must_use]
    pub fn date(&self) -> NaiveDate {
        self.fold.refit()
    }
}

/// How far the latest known outcomes lie beside the calibration.
fn latest_shift(calibration: &Calibration, rows: &CalibrationRows) -> PriorShift {
    let latest = rows.latest(SHIFT_WINDOW_DAYS);
    let probabilities: Vec<f64> = latest.iter().map(|row| calibration.point.evaluate(rows.margins[*row])).collect();
    let labels: Vec<bool> = latest.iter().map(|row| rows.labels[*row]).collect();
    let accounts: Vec<u32> = latest.iter().map(|row| rows.accounts[*row]).collect();
    let as_of_days: Vec<i32> = latest.iter().map(|row| rows.as_of_days[*row]).collect();
    calibrate::prior_shift(&probabilities, &labels, &accounts, &as_of_days)
}
