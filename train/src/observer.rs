//! How a long run says where it is. The library never prints: a binary passes an [`Observer`] and draws what it likes.

use chrono::NaiveDate;

use crate::learner::LearnerKind;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<'a> {
    /// The run is cut into at most this many fits, each followed by one [`Progress::Fitted`]; a learner that cannot be
    /// fitted at a warm-up refit is passed over.
    Planned {
        /// Number of fits.
        fits: usize,
    },
    /// A learner was fitted, exported, read back, and has predicted its rows.
    Fitted {
        /// Target.
        target: &'a str,
        /// Learner.
        learner: LearnerKind,
        /// Date of the refit.
        refit: NaiveDate,
        /// Rows learned from.
        training_rows: usize,
        /// Whether it only feeds the calibrator.
        warm_up: bool,
    },
    /// A refit of a run that was cut off was taken over, with all its fits.
    TakenOver {
        /// Target.
        target: &'a str,
        /// Date of the refit.
        refit: NaiveDate,
        /// Number of fits.
        fits: usize,
    },
    /// Something about the run, not its result, which it does not change.
    Warned {
        /// Stable code, e.g. `checkpoint_damaged`.
        code: &'static str,
        /// What it means.
        text: &'a str,
    },
}

/// Who is told.
pub trait Observer {
    /// Called once per event, in order, from one thread.
    fn notice(&self, event: &Progress<'_>);

    /// Does work that would leave something half-done if the process ended in its midst; a binary that ends by signals
    /// holds them back meanwhile. Short work, called from the thread that notices.
    fn protect(&self, work: &mut dyn FnMut()) {
        work();
    }
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn notice(&self, _: &Progress<'_>) {}
}

/// Whether the date of a refit means anything: rows that nobody dated all have the first day of the calendar's epoch.
pub(crate) fn is_date(refit: NaiveDate) -> bool {
    refit != NaiveDate::default()
}

/// A refit in words: "refit 2024-01-01", or "a fit on rows without dates" where it has no date.
#[must_use]
pub fn refit_name(refit: NaiveDate) -> String {
    if is_date(refit) { format!("refit {refit}") } else { "a fit on rows without dates".to_owned() }
}
