//! One refit: fit the margin, calibrate it, export it, read the export back, and run that.
//!
//! There is one predictor. What comes out of [`Refit::model`] was written to ONNX and read from those very bytes, and the
//! scorer that predicts here is the one that runs at night, so the backtest judges the exported model and nothing else.

use bellwether_features::label::Labels;
use bellwether_models::{Calibration, Curve, Head, MarginModel, Scorer, scorer};
use chrono::NaiveDate;

use crate::calibrate;
use crate::dataset::Dataset;
use crate::encode::{EncodedRows, Encoder};
use crate::error::TrainError;
use crate::fold::Fold;
use crate::learner::rows::account_lot;
use crate::learner::{LearnError, LearnerKind};
use crate::pool::{CalibrationRows, OutOfTime};
use crate::summary::{CalibrationRecord, CalibrationSource};

/// With fewer out-of-time rows of the rarer outcome than this, calibration falls back on held-out accounts.
pub const LEAST_OUT_OF_TIME_OUTCOMES: usize = 25;
/// Folds of accounts in that case.
const ACCOUNT_FOLDS: usize = 5;

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
    seed: u64,
    encoder: Encoder,
    training: EncodedRows,
}

impl<'a> Refit<'a> {
    /// Learns the signature from the fold's training rows and encodes them.
    #[must_use]
    pub fn new(dataset: &'a Dataset, labels: &'a Labels, fold: &'a Fold, seed: u64) -> Self {
        let encoder = Encoder::learn(dataset, fold.training());
        let training = EncodedRows::new(dataset, labels, &encoder, fold.training());
        Self { dataset, labels, fold, seed, encoder, training }
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
        seed: u64,
        encoder: Encoder,
    ) -> Result<Self, TrainError> {
        let learned = fold.check_learned_from(dataset, encoder.rows());
        learned.map_err(|source| TrainError::Fold { target: labels.target.name.clone(), source })?;
        let training = EncodedRows::new(dataset, labels, &encoder, fold.training());
        Ok(Self { dataset, labels, fold, seed, encoder, training })
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
    /// [`LearnError`] as the learner gives it.
    pub fn margin(&self, learner: LearnerKind) -> Result<MarginModel, LearnError> {
        self.margin_of(learner, &self.training)
    }

    fn margin_of(&self, learner: LearnerKind, rows: &EncodedRows) -> Result<MarginModel, LearnError> {
        let signals = self.dataset.signals();
        let fitted =
            learner.learner().fit(&rows.training_rows(&self.encoder, signals, &self.labels.target.name, self.seed));
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
        let (source, rows) = if known.rarer() >= LEAST_OUT_OF_TIME_OUTCOMES {
            (CalibrationSource::OutOfTime, known)
        } else {
            (CalibrationSource::AccountFolds, self.account_folds(learner)?)
        };
        let calibration = calibrate::fit(&rows.margins, &rows.labels).map_err(|source| TrainError::Calibrate {
            target: self.target().to_owned(),
            learner: learner.name().to_owned(),
            refit: self.fold.refit(),
            source,
        })?;
        let method = match calibration.point {
            Curve::Logistic { .. } => "logistic",
            Curve::PiecewiseLinear(_) => "isotonic",
        };
        let record = CalibrationRecord {
            source,
            method: method.to_owned(),
            rows: rows.labels.len(),
            positives: rows.positives(),
        };
        Ok((calibration, record))
    }

    /// Margins of the training rows, each predicted by a model that saw no row of its account.
    fn account_folds(&self, learner: LearnerKind) -> Result<CalibrationRows, TrainError> {
        let fold_of = |row: &u32| {
            let lot = account_lot(self.seed ^ 0xCA11, self.dataset.accounts()[*row as usize]);
            ((lot * ACCOUNT_FOLDS as f64) as usize).min(ACCOUNT_FOLDS - 1)
        };
        let mut predicted = CalibrationRows::default();
        for fold in 0..ACCOUNT_FOLDS {
            let (held_out, rest): (Vec<u32>, Vec<u32>) =
                self.fold.training().iter().partition(|row| fold_of(row) == fold);
            if held_out.is_empty() {
                continue;
            }
            let rest = EncodedRows::new(self.dataset, self.labels, &self.encoder, &rest);
            let model = self.margin_of(learner, &rest).map_err(|source| self.learn_error(source))?;
            let held_out = EncodedRows::new(self.dataset, self.labels, &self.encoder, &held_out);
            let margins = scorer::margins(self.encoder.signature(), &model, &held_out.block)
                .map_err(|cause| self.model_error(learner, cause))?;
            predicted.margins.extend(margins);
            predicted.labels.extend(held_out.labels);
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
