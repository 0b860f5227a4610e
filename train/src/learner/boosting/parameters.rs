//! What can be set, with ranges that are checked once.

use crate::learner::LearnError;

use super::{Boosting, NAME};

/// Parameters of [`Boosting`]. The defaults are for 500 to 50,000 accounts of which 2 to 8 % are positive.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `max_rounds` | 1000 | 1 to 5,000 |
/// | `rate` | 0: by the number of rows | 0 to 1 |
/// | `max_leaves` | 0: by the number of rows | 0, or 2 to 1,024 |
/// | `min_rows_per_leaf` | 20 | at least 1 |
/// | `min_hessian_per_leaf` | 1 | 0 or more |
/// | `l2` | 5 | 0 or more |
/// | `column_share` | 0.8 | above 0, at most 1 |
/// | `account_share` | 0.7 | above 0, at most 1 |
/// | `max_bins` | 255 | 2 to 255 |
/// | `monotone` | false | |
/// | `line` | true | |
/// | `bags` | 0: by the number of rows | 0 to 64 |
/// | `settings` | 2 | 1 to 8 |
/// | `stopping_share` | 0.2 | 0 (no early stopping) to 0.5 |
/// | `stopping_slices` | 4 | 1 to 20 |
/// | `stopping_gap_days` | 90 | 0 to 3,650 |
/// | `patience` | 0: by the number of rows | 0 to 1,000 |
/// | `rounds_without_stopping` | 60 | 1 to 5,000 |
/// | `max_rows` | 4,000,000 | 100 to 16,000,000 |
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoostingParameters {
    /// Trees at most; early stopping chooses how many.
    pub max_rounds: usize,
    /// Learning rate: each tree's leaves are multiplied by it. 0: 0.05 up to 30,000 rows, 0.1 up to 100,000, then 0.15: the
    /// more rows, the less small steps gain for the time they cost.
    pub rate: f64,
    /// Leaves of a tree at most. 0: 8 up to 100,000 rows, then 16.
    pub max_leaves: usize,
    /// Training rows in a leaf at least.
    pub min_rows_per_leaf: usize,
    /// Sum of `w p (1 − p)` in a leaf at least: at a base rate of 5 %, 1 is about 20 rows of weight 1.
    pub min_hessian_per_leaf: f64,
    /// Added to the Hessian of every leaf: shrinks leaves of few rows.
    pub l2: f64,
    /// Share of the columns that a tree may use, drawn anew for each tree.
    pub column_share: f64,
    /// Share of the accounts that a tree is grown on, drawn anew for each tree; all rows of an account go together.
    pub account_share: f64,
    /// Bins of a number at most, missing apart.
    pub max_bins: usize,
    /// Whether the margin may move only in the expected direction of a signal that has one.
    pub monotone: bool,
    /// Whether a part of the margin may start from a straight line, where later rows say that it helps. Never where
    /// `monotone` is asked for, since a line knows no expected directions.
    pub line: bool,
    /// Fits that are averaged, each with its own draws of accounts and columns. 0: 4 up to 10,000 rows, then as many as
    /// make 40,000 rows, at least 1.
    pub bags: usize,
    /// Settings that are tried on the later rows, this one first: a bold one with twice the leaves and hardly a penalty, for
    /// data in which the outcome is nearly decided by the columns; then other numbers of leaves, other penalties, monotone.
    /// Another setting is taken only where it lowers the loss by more than half a per cent.
    pub settings: usize,
    /// Share of the rows, the latest, that the number of rounds is chosen on.
    pub stopping_share: f64,
    /// Slices of that share at most, one before the other: fewer where they hold enough outcomes.
    pub stopping_slices: usize,
    /// Days between the last row fitted and the first of those rows.
    pub stopping_gap_days: i32,
    /// Rounds without improvement after which the search for the number of rounds ends. 0: 40 up to 30,000 rows,
    /// 30 up to 100,000, then 20.
    pub patience: usize,
    /// Trees where there are too few rows to choose the number.
    pub rounds_without_stopping: usize,
    /// Rows that are fitted at most; of more, whole accounts are drawn.
    pub max_rows: usize,
}

/// Settings that can be tried, at most.
pub const MOST_SETTINGS: usize = 8;

/// Rows of all fits that are averaged, together.
const BAGGED_ROWS: usize = 40_000;

/// Fits that are averaged, at most.
const MOST_BAGS: usize = 4;

/// Rows up to which the smallest steps gain something.
const FEW_ROWS: usize = 30_000;

/// Rows up to which small trees and many steps are affordable.
pub(super) const SMALL_ROWS: usize = 100_000;

impl Default for BoostingParameters {
    fn default() -> Self {
        Self {
            max_rounds: 1_000,
            rate: 0.0,
            max_leaves: 0,
            min_rows_per_leaf: 20,
            min_hessian_per_leaf: 1.0,
            l2: 5.0,
            column_share: 0.8,
            account_share: 0.7,
            max_bins: 255,
            monotone: false,
            line: true,
            bags: 0,
            settings: 2,
            stopping_share: 0.2,
            stopping_slices: 4,
            stopping_gap_days: 90,
            patience: 0,
            rounds_without_stopping: 60,
            max_rows: 4_000_000,
        }
    }
}

impl BoostingParameters {
    /// Checks the ranges, once.
    ///
    /// # Errors
    /// [`LearnError::Parameter`] names the parameter, its range and what was given.
    pub fn check(self) -> Result<Boosting, LearnError> {
        self.check_counts()?;
        self.check_numbers()?;
        Ok(Boosting { parameters: self })
    }

    /// Whether a part may start from a line.
    pub(super) fn uses_line(&self) -> bool {
        self.line && !self.monotone
    }

    /// How many fits are averaged.
    pub(super) fn bags_for(&self, rows: usize) -> usize {
        match self.bags {
            0 if self.column_share >= 1.0 && self.account_share >= 1.0 => 1,
            0 => (BAGGED_ROWS / rows.max(1)).clamp(1, MOST_BAGS),
            given => given,
        }
    }

    /// These parameters with those that go by the number of rows.
    pub(super) fn for_rows(self, rows: usize) -> Self {
        let (rate, leaves, patience) = if rows <= FEW_ROWS {
            (0.05, 8, 40)
        } else if rows <= SMALL_ROWS {
            (0.1, 8, 30)
        } else {
            (0.15, 16, 20)
        };
        Self {
            rate: if self.rate > 0.0 { self.rate } else { rate },
            max_leaves: if self.max_leaves > 0 { self.max_leaves } else { leaves },
            patience: if self.patience > 0 { self.patience } else { patience },
            ..self
        }
    }

    /// These parameters and others near them, as many as `settings` says, in a fixed order.
    pub(super) fn settings_to_try(&self) -> Vec<Self> {
        let leaves = |factor: f64| ((self.max_leaves as f64 * factor) as usize).max(2);
        let bold = Self {
            max_leaves: leaves(2.0),
            rate: self.rate.max(0.1),
            l2: 0.02 * self.l2,
            min_rows_per_leaf: self.min_rows_per_leaf.min(5),
            min_hessian_per_leaf: 0.001 * self.min_hessian_per_leaf,
            ..*self
        };
        let all: [Self; MOST_SETTINGS] = [
            *self,
            bold,
            Self { max_leaves: leaves(0.5), ..*self },
            Self { max_leaves: leaves(2.0), ..*self },
            Self { l2: 4.0 * self.l2 + 1.0, min_rows_per_leaf: 2 * self.min_rows_per_leaf, ..*self },
            Self { max_leaves: leaves(0.25), column_share: (2.0 * self.column_share).min(1.0), ..*self },
            Self { column_share: 0.5 * self.column_share, ..*self },
            Self { monotone: !self.monotone, ..*self },
        ];
        all[..self.settings.min(all.len())].to_vec()
    }

    fn check_counts(&self) -> Result<(), LearnError> {
        let range = |parameter, found: usize, least: usize, most: usize, expected| {
            if (least..=most).contains(&found) { Ok(()) } else { outside(parameter, expected, &found) }
        };
        range("max_rounds", self.max_rounds, 1, 5_000, "from 1 to 5000")?;
        if self.max_leaves != 0 {
            range("max_leaves", self.max_leaves, 2, 1_024, "0, or from 2 to 1024")?;
        }
        range("min_rows_per_leaf", self.min_rows_per_leaf, 1, usize::MAX, "at least 1")?;
        range("max_bins", self.max_bins, 2, 255, "from 2 to 255")?;
        range("bags", self.bags, 0, 64, "from 0 to 64")?;
        range("settings", self.settings, 1, MOST_SETTINGS, "from 1 to 8")?;
        range("stopping_slices", self.stopping_slices, 1, 20, "from 1 to 20")?;
        range("patience", self.patience, 0, 1_000, "from 0 to 1000")?;
        range("rounds_without_stopping", self.rounds_without_stopping, 1, 5_000, "from 1 to 5000")?;
        range("max_rows", self.max_rows, 100, 16_000_000, "from 100 to 16000000")
    }

    fn check_numbers(&self) -> Result<(), LearnError> {
        let not_negative = |value: f64| value >= 0.0 && value.is_finite();
        let share = |value: f64| value > 0.0 && value <= 1.0;
        if !(0.0..=1.0).contains(&self.rate) {
            return outside("rate", "from 0 to 1", &self.rate);
        }
        if !not_negative(self.min_hessian_per_leaf) {
            return outside("min_hessian_per_leaf", "0 or more", &self.min_hessian_per_leaf);
        }
        if !not_negative(self.l2) {
            return outside("l2", "0 or more", &self.l2);
        }
        if !share(self.column_share) {
            return outside("column_share", "above 0 and at most 1", &self.column_share);
        }
        if !share(self.account_share) {
            return outside("account_share", "above 0 and at most 1", &self.account_share);
        }
        if !(0.0..=0.5).contains(&self.stopping_share) {
            return outside("stopping_share", "from 0 to 0.5", &self.stopping_share);
        }
        if !(0..=3_650).contains(&self.stopping_gap_days) {
            return outside("stopping_gap_days", "from 0 to 3650", &self.stopping_gap_days);
        }
        Ok(())
    }
}

fn outside(parameter: &'static str, expected: &'static str, found: &dyn std::fmt::Display) -> Result<(), LearnError> {
    Err(LearnError::Parameter { learner: NAME, parameter, expected, found: found.to_string() })
}
