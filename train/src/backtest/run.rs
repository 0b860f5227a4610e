//! What a backtest predicted of one target, learner by learner.

use bellwether_models::MarginModel;
use chrono::NaiveDate;

use crate::learner::LearnerKind;
use crate::pool::OutOfTime;

/// Predictions of one learner for all test rows of one target, in the order of [`TargetRun::rows`].
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// Learner.
    pub learner: LearnerKind,
    /// Raw score.
    pub margin: Vec<f64>,
    /// Calibrated probability.
    pub probability: Vec<f64>,
    /// Lower end of its uncertainty.
    pub low: Vec<f64>,
    /// Upper end.
    pub high: Vec<f64>,
    /// Everything predicted out of time, warm-up included: the next calibrator is fitted on this.
    pub out_of_time: OutOfTime,
}

impl Predictions {
    /// None yet.
    pub(super) fn of(learner: LearnerKind) -> Self {
        Self {
            learner,
            margin: Vec::new(),
            probability: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
            out_of_time: OutOfTime::default(),
        }
    }
}

/// The judged rows of one target, and what each learner said about them.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetRun {
    /// Target.
    pub target: String,
    /// Rows of the dataset, by (as_of, account_id).
    pub rows: Vec<u32>,
    /// The refit that predicted each row.
    pub refit: Vec<NaiveDate>,
    /// Outcome of each row.
    pub labels: Vec<bool>,
    /// Positive rate of the training rows of each row's refit.
    pub null_probabilities: Vec<f64>,
    /// One per learner, from simple to rich.
    pub predictions: Vec<Predictions>,
    /// Models of the latest judged refits, where this run has fitted them.
    pub(crate) latest: LatestModels,
}

/// The margin models of the latest judged refits, so that who explains them need not fit them again.
///
/// It is no part of the result: a run that took refits over has fitted less and has found the same, so any two are equal.
#[derive(Debug, Clone, Default)]
pub(crate) struct LatestModels {
    models: Vec<(LearnerKind, NaiveDate, MarginModel)>,
}

impl LatestModels {
    /// Refits of each learner that are kept.
    const KEPT: usize = 2;

    pub(super) fn keep(&mut self, learner: LearnerKind, refit: NaiveDate, margin: &MarginModel) {
        let of_learner = self.models.iter().filter(|one| one.0 == learner).count();
        if of_learner >= Self::KEPT
            && let Some(oldest) = self.models.iter().position(|one| one.0 == learner)
        {
            self.models.remove(oldest);
        }
        self.models.push((learner, refit, margin.clone()));
    }

    /// The model of a refit, if it is here.
    pub(crate) fn margin(&self, learner: LearnerKind, refit: NaiveDate) -> Option<&MarginModel> {
        // Folds of accounts all have the same date.
        let mut found = self.models.iter().filter(|one| one.0 == learner && one.1 == refit).map(|one| &one.2);
        found.next().filter(|_| found.next().is_none())
    }
}

impl PartialEq for LatestModels {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl TargetRun {
    /// Brings the rows into the order of the dataset: folds of accounts are predicted one after the other.
    pub(super) fn sort(&mut self) {
        if self.rows.is_sorted() {
            return;
        }
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|place| self.rows[*place]);
        fn arrange<T: Clone>(values: &mut Vec<T>, order: &[usize]) {
            *values = order.iter().map(|place| values[*place].clone()).collect();
        }
        arrange(&mut self.rows, &order);
        arrange(&mut self.refit, &order);
        arrange(&mut self.labels, &order);
        arrange(&mut self.null_probabilities, &order);
        for one in &mut self.predictions {
            for values in [&mut one.margin, &mut one.probability, &mut one.low, &mut one.high] {
                arrange(values, &order);
            }
        }
    }
}
