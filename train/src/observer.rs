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
}

/// Who is told.
pub trait Observer {
    /// Called once per event, in order, from one thread.
    fn notice(&self, event: &Progress<'_>);
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn notice(&self, _: &Progress<'_>) {}
}
