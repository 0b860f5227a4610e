//! Margins that were predicted out of time, kept to calibrate later refits.
//!
//! Every row here was predicted by a refit that had learned nothing known after the row's own date ([`crate::fold::Fold`]
//! checks that). A calibrator fitted at date `T` may read only the rows whose outcome was known by `T`.

use bellwether_features::label::Labels;
use chrono::NaiveDate;

use crate::dataset::{Dataset, matured};
use crate::fold::Fold;

/// Out-of-time margins of one learner for one target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutOfTime {
    rows: Vec<u32>,
    margins: Vec<f64>,
}

/// Margins and outcomes to fit a calibrator on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CalibrationRows {
    /// Margins.
    pub margins: Vec<f64>,
    /// Outcomes.
    pub labels: Vec<bool>,
    /// Account of each row.
    pub accounts: Vec<u32>,
    /// Observation date of each row, in days since the epoch.
    pub as_of_days: Vec<i32>,
}

impl OutOfTime {
    /// Adds what one refit predicted for the test rows of its fold. Only a [`Fold`] says which rows are out of time, so
    /// nothing else can be added: a row of training, or of a random split, has no fold whose test row it is.
    ///
    /// # Panics
    /// When there is not one margin for each test row.
    pub fn add(&mut self, fold: &Fold, margins: &[f64]) {
        assert_eq!(fold.test().len(), margins.len(), "one margin for each test row");
        self.rows.extend_from_slice(fold.test());
        self.margins.extend_from_slice(margins);
    }

    /// Margins predicted so far, in the order of [`OutOfTime::rows`].
    #[must_use]
    pub fn margins(&self) -> &[f64] {
        &self.margins
    }

    /// Rows predicted so far.
    #[must_use]
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The predictions whose outcome was known at `date`: `as_of + label interval <= date`, and nothing else.
    #[must_use]
    pub fn known_at(&self, date: NaiveDate, dataset: &Dataset, labels: &Labels) -> CalibrationRows {
        let interval_days = labels.target.label_interval_days();
        let mut known = CalibrationRows::default();
        for (row, margin) in self.rows.iter().zip(&self.margins) {
            let row = *row as usize;
            if let Some(label) = labels.values[row].filter(|_| matured(dataset.as_of()[row], interval_days, date)) {
                known.margins.push(*margin);
                known.labels.push(label);
                known.accounts.push(dataset.accounts()[row]);
                known.as_of_days.push(dataset.as_of_days()[row]);
            }
        }
        known
    }
}

impl CalibrationRows {
    /// Positive rows.
    #[must_use]
    pub fn positives(&self) -> usize {
        self.labels.iter().filter(|label| **label).count()
    }

    /// The rows of the last `days` days before the latest of them, that one included.
    #[must_use]
    pub fn latest(&self, days: i32) -> Vec<usize> {
        let last = self.as_of_days.iter().copied().max().unwrap_or_default();
        (0..self.labels.len()).filter(|row| self.as_of_days[*row] > last - days).collect()
    }

    /// Rows of the rarer outcome.
    #[must_use]
    pub fn rarer(&self) -> usize {
        self.positives().min(self.labels.len() - self.positives())
    }

    /// Accounts with the rarer outcome over rows of it; `None` without such rows.
    #[must_use]
    pub fn share_of_witnesses(&self) -> Option<f64> {
        let rarer = self.positives() * 2 <= self.labels.len();
        let with: Vec<u32> =
            self.accounts.iter().zip(&self.labels).filter(|(_, label)| **label == rarer).map(|(one, _)| *one).collect();
        let accounts: std::collections::BTreeSet<u32> = with.iter().copied().collect();
        (!with.is_empty()).then(|| accounts.len() as f64 / with.len() as f64)
    }
}
