//! Rolling-origin folds, purged by construction.
//!
//! A fold is a refit at date `T`: it learns from rows whose whole label interval (horizon + grace + landing delay) ends by
//! `T`, and it predicts rows from `T` up to the next refit. [`Fold::new`] is the only way to make one and it checks every
//! row, so a mistake in the code that picks rows stops the run. No flag turns this off.
//!
//! Labels are built once, from everything known before the data end. A fact that lands later than the declared landing
//! delay can therefore reach a training label that nobody could have known at `T`; the landing delay is the guard, and it
//! is part of the interval.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_features::label::Labels;
use chrono::NaiveDate;

use crate::cadence::{Cadence, History};
use crate::dataset::{Dataset, matured};
use crate::learner::rows::account_lot;
use crate::settings::BacktestSettings;

/// Why rows do not make a fold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FoldError {
    /// A training label that was not known at the refit.
    #[error(
        "refit {refit}: expected training rows with as_of + {interval_days} days <= {refit}, found row {row} of {as_of}"
    )]
    Purge {
        /// Refit.
        refit: NaiveDate,
        /// Label interval.
        interval_days: u32,
        /// Row of the dataset.
        row: u32,
        /// Its date.
        as_of: NaiveDate,
    },
    /// A test row that does not lie between this refit and the next.
    #[error("refit {refit}: expected test rows from {refit} to before {until}, found row {row} of {as_of}")]
    TestOutside {
        /// Refit.
        refit: NaiveDate,
        /// Next refit, or the data end.
        until: NaiveDate,
        /// Row of the dataset.
        row: u32,
        /// Its date.
        as_of: NaiveDate,
    },
    /// A row without a label: immature, or without a baseline.
    #[error("refit {refit}: expected labelled {part} rows, found row {row} of {as_of} without a label")]
    NoLabel {
        /// Refit.
        refit: NaiveDate,
        /// Training or test.
        part: &'static str,
        /// Row of the dataset.
        row: u32,
        /// Its date.
        as_of: NaiveDate,
    },
    /// A row that the dataset does not have.
    #[error("refit {refit}: expected rows below {rows}, found {row}")]
    NoSuchRow {
        /// Refit.
        refit: NaiveDate,
        /// Rows of the dataset.
        rows: usize,
        /// The row asked for.
        row: u32,
    },
    /// Something that is fitted with a fold, such as category levels, was learned from a row that the refit cannot know.
    #[error(
        "refit {refit}: expected everything fitted to be learned from rows before {refit}, found row {row} of {as_of}"
    )]
    LearnedLater {
        /// Refit.
        refit: NaiveDate,
        /// Row of the dataset.
        row: u32,
        /// Its date.
        as_of: NaiveDate,
    },
    /// Something that is fitted with a fold was learned from other rows than the fold's.
    #[error("refit {refit}: expected everything fitted to be learned from the training rows, found row {row} left out")]
    LearnedElsewhere {
        /// Refit.
        refit: NaiveDate,
        /// Training row that was not learned from.
        row: u32,
    },
    /// An account on both sides of a split by account.
    #[error("expected every account on one side of the split, found the account of row {row} on both")]
    SharedAccount {
        /// Row of the dataset.
        row: u32,
    },
    /// Too few accounts to split.
    #[error("expected labelled rows of at least {expected} accounts, found {found}")]
    TooFewAccounts {
        /// Number of folds.
        expected: usize,
        /// Accounts found.
        found: usize,
    },
    /// No row to learn from.
    #[error(
        "refit {refit}: expected training rows whose label interval of {interval_days} days ends by {refit}, found none"
    )]
    EmptyTraining {
        /// Refit.
        refit: NaiveDate,
        /// Label interval.
        interval_days: u32,
    },
    /// No row to judge on, at any refit.
    #[error(
        "expected test rows from {first_test} whose label interval of {interval_days} days ends by {data_end}, found none"
    )]
    EmptyTest {
        /// First test date.
        first_test: NaiveDate,
        /// Label interval.
        interval_days: u32,
        /// Data end.
        data_end: NaiveDate,
    },
}

impl FoldError {
    /// The next step.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Purge { .. }
            | Self::TestOutside { .. }
            | Self::NoLabel { .. }
            | Self::NoSuchRow { .. }
            | Self::LearnedLater { .. }
            | Self::LearnedElsewhere { .. }
            | Self::SharedAccount { .. } => {
                "this split would let the future leak into training, and is refused; please report how it came about"
            }
            Self::TooFewAccounts { .. } => "give more rows with a label, or another --account column",
            Self::EmptyTraining { .. } => {
                "choose a later backtest.first_test, features from an earlier date, or a longer backtest.history"
            }
            Self::EmptyTest { .. } => "choose an earlier backtest.first_test, or wait until more labels are mature",
        }
    }
}

/// One refit: rows to learn from and rows to predict, as indices into the dataset, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    refit: NaiveDate,
    until: NaiveDate,
    training: Vec<u32>,
    test: Vec<u32>,
    in_time: bool,
}

impl Fold {
    /// Checks that every training label was known at `refit`, that every test row lies in `refit..until`, and that all of
    /// them have labels. `test` may be empty (the final refit predicts nothing).
    ///
    /// # Errors
    /// [`FoldError`] names the first row that breaks the rule.
    pub fn new(
        dataset: &Dataset,
        labels: &Labels,
        refit: NaiveDate,
        until: NaiveDate,
        training: Vec<u32>,
        test: Vec<u32>,
    ) -> Result<Self, FoldError> {
        let interval_days = labels.target.label_interval_days();
        let as_of = |part: &'static str, row: u32| {
            let rows = dataset.rows();
            let as_of = *dataset.as_of().get(row as usize).ok_or(FoldError::NoSuchRow { refit, rows, row })?;
            match labels.values.get(row as usize) {
                Some(Some(_)) => Ok(as_of),
                _ => Err(FoldError::NoLabel { refit, part, row, as_of }),
            }
        };
        for row in &training {
            let as_of = as_of("training", *row)?;
            if !matured(as_of, interval_days, refit) {
                return Err(FoldError::Purge { refit, interval_days, row: *row, as_of });
            }
        }
        for row in &test {
            let as_of = as_of("test", *row)?;
            if as_of < refit || as_of >= until {
                return Err(FoldError::TestOutside { refit, until, row: *row, as_of });
            }
        }
        if training.is_empty() {
            return Err(FoldError::EmptyTraining { refit, interval_days });
        }
        Ok(Self { refit, until, training, test, in_time: true })
    }

    /// A fold of rows without dates: checks that no account is on both sides, and that all rows have labels.
    ///
    /// # Errors
    /// [`FoldError`] names the first row that breaks the rule.
    pub fn by_account(
        dataset: &Dataset,
        labels: &Labels,
        training: Vec<u32>,
        test: Vec<u32>,
    ) -> Result<Self, FoldError> {
        let refit = dataset.as_of().first().copied().unwrap_or_default();
        let account = |part: &'static str, row: u32| {
            let missing = FoldError::NoSuchRow { refit, rows: dataset.rows(), row };
            let account = *dataset.accounts().get(row as usize).ok_or(missing)?;
            match labels.values.get(row as usize) {
                Some(Some(_)) => Ok(account),
                _ => Err(FoldError::NoLabel { refit, part, row, as_of: refit }),
            }
        };
        let learned: BTreeSet<u32> =
            training.iter().map(|row| account("training", *row)).collect::<Result<_, FoldError>>()?;
        for row in &test {
            if learned.contains(&account("test", *row)?) {
                return Err(FoldError::SharedAccount { row: *row });
            }
        }
        if training.is_empty() {
            return Err(FoldError::TooFewAccounts { expected: ACCOUNT_FOLDS, found: 0 });
        }
        Ok(Self { refit, until: refit, training, test, in_time: false })
    }

    /// Whether the test rows lie later than the training rows. False where rows have no dates.
    #[must_use]
    pub fn is_in_time(&self) -> bool {
        self.in_time
    }

    /// Checks that what was learned from `rows` (ascending) may be fitted with this fold: it knows every training row, and
    /// no row at or after the refit.
    ///
    /// # Errors
    /// [`FoldError::LearnedLater`], [`FoldError::LearnedElsewhere`] or [`FoldError::NoSuchRow`].
    pub fn check_learned_from(&self, dataset: &Dataset, rows: &[u32]) -> Result<(), FoldError> {
        let refit = self.refit;
        for row in rows {
            let known = dataset.as_of().get(*row as usize);
            let as_of = *known.ok_or(FoldError::NoSuchRow { refit, rows: dataset.rows(), row: *row })?;
            if self.in_time && as_of >= refit {
                return Err(FoldError::LearnedLater { refit, row: *row, as_of });
            }
        }
        match self.training.iter().find(|row| rows.binary_search(row).is_err()) {
            Some(row) => Err(FoldError::LearnedElsewhere { refit, row: *row }),
            None => Ok(()),
        }
    }

    /// Date of the refit: nothing known later was learned from.
    #[must_use]
    pub fn refit(&self) -> NaiveDate {
        self.refit
    }

    /// First date that the next refit predicts.
    #[must_use]
    pub fn until(&self) -> NaiveDate {
        self.until
    }

    /// Rows to learn from.
    #[must_use]
    pub fn training(&self) -> &[u32] {
        &self.training
    }

    /// Rows to predict.
    #[must_use]
    pub fn test(&self) -> &[u32] {
        &self.test
    }
}

/// Refits of one target, ascending: warm-up refits before the first test, then those that are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollingOrigin {
    /// Before the first test, ascending: their predictions only feed the calibrator.
    pub warm_up: Vec<Fold>,
    /// From the first test on, ascending; each has test rows.
    pub judged: Vec<Fold>,
    /// Refits from the first test on that had no row to predict, and were not run.
    pub without_rows: Vec<NaiveDate>,
    /// Whether `max_training_rows` left accounts out of any training set.
    pub thinned: bool,
}

/// Folds of accounts where rows have no dates.
pub const ACCOUNT_FOLDS: usize = 5;

/// At most this many warm-up refits.
pub const MOST_WARM_UPS: usize = 8;
/// A warm-up refit needs this many training rows of each outcome.
pub const LEAST_WARM_UP_OUTCOMES: usize = 25;
/// Warm-up refits go back until so many rows of each outcome were predicted out of time before the first test.
pub const ENOUGH_CALIBRATION_OUTCOMES: usize = 200;

impl RollingOrigin {
    /// Cuts the dataset for one target.
    ///
    /// # Errors
    /// [`FoldError`] when a refit has nothing to learn from, no refit has anything to predict, or a row is misplaced.
    pub fn new(dataset: &Dataset, labels: &Labels, settings: &BacktestSettings) -> Result<Self, FoldError> {
        if !dataset.is_dated() {
            return Self::by_account(dataset, labels, settings.seed);
        }
        let picker = Picker::new(dataset, labels, settings);
        let mut judged = Vec::new();
        let mut without_rows = Vec::new();
        let dates = picker.refit_dates();
        for (index, refit) in dates.iter().enumerate() {
            let until = dates.get(index + 1).copied().unwrap_or(dataset.data_end()).max(*refit);
            let test = picker.test_rows(*refit, until);
            if test.is_empty() {
                without_rows.push(*refit);
            } else {
                judged.push(Fold::new(dataset, labels, *refit, until, picker.training_rows(*refit), test)?);
            }
        }
        if judged.is_empty() {
            return Err(FoldError::EmptyTest {
                first_test: settings.first_test,
                interval_days: picker.interval_days,
                data_end: dataset.data_end(),
            });
        }
        // Refits after the last predicted row are not missing: their rows are immature.
        let last = judged.last().map_or(settings.first_test, Fold::refit);
        without_rows.retain(|refit| *refit < last);
        let most = settings.max_training_rows.unwrap_or(usize::MAX);
        let thinned = match settings.history {
            // Training sets only grow, so the last one tells.
            History::Expanding => picker.all_training_rows(last).len() > most,
            _ => judged.iter().any(|fold| picker.all_training_rows(fold.refit()).len() > most),
        };
        Ok(Self { warm_up: picker.warm_up()?, judged, without_rows, thinned })
    }

    /// Folds of accounts: each account is predicted once, by a model that saw no row of it. Accounts with a positive row
    /// and those without are dealt out separately, in an order drawn from the seed, so that the folds are alike.
    fn by_account(dataset: &Dataset, labels: &Labels, seed: u64) -> Result<Self, FoldError> {
        let rows = labelled_rows(labels);
        let mut positive: BTreeMap<u32, bool> = BTreeMap::new();
        for row in &rows {
            let label = labels.values[*row as usize] == Some(true);
            *positive.entry(dataset.accounts()[*row as usize]).or_default() |= label;
        }
        if positive.len() < ACCOUNT_FOLDS {
            return Err(FoldError::TooFewAccounts { expected: ACCOUNT_FOLDS, found: positive.len() });
        }
        let lot = |account: u32| account_lot(seed ^ 0xF01D, account);
        let mut order: Vec<(bool, u32)> = positive.into_iter().map(|(account, positive)| (positive, account)).collect();
        order.sort_by(|a, b| a.0.cmp(&b.0).then(lot(a.1).total_cmp(&lot(b.1))).then(a.1.cmp(&b.1)));
        let fold_of: BTreeMap<u32, usize> =
            order.iter().enumerate().map(|(place, (_, account))| (*account, place % ACCOUNT_FOLDS)).collect();
        let mut judged = Vec::with_capacity(ACCOUNT_FOLDS);
        for fold in 0..ACCOUNT_FOLDS {
            let (test, training) =
                rows.iter().partition(|row| fold_of.get(&dataset.accounts()[**row as usize]) == Some(&fold));
            judged.push(Fold::by_account(dataset, labels, training, test)?);
        }
        Ok(Self { warm_up: Vec::new(), judged, without_rows: Vec::new(), thinned: false })
    }

    /// The refit on all mature rows at the data end: what is shipped.
    ///
    /// # Errors
    /// [`FoldError`] when no row is mature, or a row is misplaced.
    pub fn last(dataset: &Dataset, labels: &Labels, settings: &BacktestSettings) -> Result<Fold, FoldError> {
        if !dataset.is_dated() {
            return Fold::by_account(dataset, labels, labelled_rows(labels), Vec::new());
        }
        let end = dataset.data_end();
        let training = Picker::new(dataset, labels, settings).training_rows(end);
        Fold::new(dataset, labels, end, end, training, Vec::new())
    }
}

fn labelled_rows(labels: &Labels) -> Vec<u32> {
    let labelled = labels.values.iter().enumerate().filter(|(_, label)| label.is_some());
    labelled.map(|(row, _)| row as u32).collect()
}

/// Picks rows by date; [`Fold::new`] checks what it picked.
struct Picker<'a> {
    dataset: &'a Dataset,
    labels: &'a Labels,
    settings: &'a BacktestSettings,
    interval_days: u32,
    /// Per row: on the grid of training dates, of test dates. All rows where the two cadences are equal.
    on_training_grid: Vec<bool>,
    on_test_grid: Vec<bool>,
}

impl<'a> Picker<'a> {
    fn new(dataset: &'a Dataset, labels: &'a Labels, settings: &'a BacktestSettings) -> Self {
        let interval_days = labels.target.label_interval_days();
        let mut picker = Self {
            dataset,
            labels,
            settings,
            interval_days,
            on_training_grid: vec![true; dataset.rows()],
            on_test_grid: vec![true; dataset.rows()],
        };
        if settings.train_every != settings.score_every {
            picker.on_training_grid = picker.on_grid(settings.train_every);
            picker.on_test_grid = picker.on_grid(settings.score_every);
        }
        picker
    }

    fn on_grid(&self, cadence: Cadence) -> Vec<bool> {
        let as_of = self.dataset.as_of();
        let (Some(first), Some(last)) = (as_of.first(), as_of.last()) else { return Vec::new() };
        let grid = cadence.grid(self.settings.first_test, *first, *last);
        as_of.iter().map(|date| grid.binary_search(date).is_ok()).collect()
    }

    fn refit_dates(&self) -> Vec<NaiveDate> {
        let first = self.settings.first_test;
        if self.settings.refit_every == Cadence::Never {
            return vec![first];
        }
        self.settings.refit_every.grid(first, first, self.dataset.data_end())
    }

    fn rows(&self, keep: impl Fn(usize, NaiveDate) -> bool) -> Vec<u32> {
        let labelled = self.labels.values.iter().zip(self.dataset.as_of()).enumerate();
        labelled
            .filter(|(row, (label, as_of))| label.is_some() && keep(*row, **as_of))
            .map(|(row, _)| row as u32)
            .collect()
    }

    fn all_training_rows(&self, refit: NaiveDate) -> Vec<u32> {
        let from = self.settings.train_from.unwrap_or(NaiveDate::MIN).max(self.settings.history.first_day(refit));
        self.rows(|row, as_of| self.on_training_grid[row] && as_of >= from && matured(as_of, self.interval_days, refit))
    }

    /// All rows, or, beyond the most that may be used, those of a share of the accounts.
    fn training_rows(&self, refit: NaiveDate) -> Vec<u32> {
        let rows = self.all_training_rows(refit);
        let Some(most) = self.settings.max_training_rows.filter(|most| *most < rows.len()) else { return rows };
        let share = most as f64 / rows.len() as f64;
        let lot = |row: &u32| account_lot(self.settings.seed, self.dataset.accounts()[*row as usize]);
        rows.into_iter().filter(|row| lot(row) < share).collect()
    }

    fn test_rows(&self, refit: NaiveDate, until: NaiveDate) -> Vec<u32> {
        let last = self.settings.last_test.unwrap_or(NaiveDate::MAX);
        self.rows(|row, as_of| self.on_test_grid[row] && as_of >= refit && as_of < until && as_of <= last)
    }

    /// Steps back from the first test until enough outcomes are predicted, or history does not allow one more.
    fn warm_up(&self) -> Result<Vec<Fold>, FoldError> {
        let first = self.settings.first_test;
        let cadence =
            if self.settings.refit_every == Cadence::Never { Cadence::Quarter } else { self.settings.refit_every };
        let mut folds = Vec::new();
        let mut until = first;
        for step in 1..=MOST_WARM_UPS {
            let Some(refit) = cadence.step(first, -(step as i32)) else { break };
            let training = self.training_rows(refit);
            if self.least_outcome(&training) < LEAST_WARM_UP_OUTCOMES {
                break;
            }
            // Any labelled row before the first test may be predicted here: training dates are finer than test dates.
            let test = self.rows(|_, as_of| as_of >= refit && as_of < until);
            folds.push(Fold::new(self.dataset, self.labels, refit, until, training, test)?);
            until = refit;
            let known: Vec<u32> = self.known_test_rows(&folds, first);
            if self.least_outcome(&known) >= ENOUGH_CALIBRATION_OUTCOMES {
                break;
            }
        }
        folds.reverse();
        Ok(folds)
    }

    fn known_test_rows(&self, folds: &[Fold], at: NaiveDate) -> Vec<u32> {
        let rows = folds.iter().flat_map(|fold| fold.test.iter().copied());
        rows.filter(|row| matured(self.dataset.as_of()[*row as usize], self.interval_days, at)).collect()
    }

    fn least_outcome(&self, rows: &[u32]) -> usize {
        let positives = rows.iter().filter(|row| self.labels.values[**row as usize] == Some(true)).count();
        positives.min(rows.len() - positives)
    }
}
