//! An observer between the run and its caller: passes everything on, and remembers the warnings.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::error::InferError;
use crate::observe::{Observer, Stage, Stop};
use crate::warning::{Warning, WarningRecord};

/// Passes everything on, and remembers the warnings for `run_results.json`.
pub(super) struct Recorder<'a> {
    inner: &'a dyn Observer,
    warnings: Mutex<Vec<WarningRecord>>,
    stages: Mutex<Vec<(Stage, Instant)>>,
}

impl<'a> Recorder<'a> {
    /// Listens for a caller.
    pub(super) fn new(inner: &'a dyn Observer) -> Self {
        Self { inner, warnings: Mutex::default(), stages: Mutex::default() }
    }

    /// The warnings so far, as `run_results.json` has them.
    pub(super) fn records(&self) -> Vec<WarningRecord> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The stages so far, with the seconds that each took; that of the last one until now.
    pub(super) fn timings(&self) -> Vec<(Stage, f64)> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ends = stages.iter().skip(1).map(|(_, begun)| *begun).chain([Instant::now()]);
        stages.iter().zip(ends).map(|((stage, begun), end)| (*stage, (end - *begun).as_secs_f64())).collect()
    }

    /// An error when the caller wants the run to stop.
    pub(super) fn check_stop(&self) -> Result<(), InferError> {
        self.stop().map_or(Ok(()), |stop| Err(InferError::Stopped { stop }))
    }
}

impl Observer for Recorder<'_> {
    fn stage(&self, stage: Stage) {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).push((stage, Instant::now()));
        self.inner.stage(stage);
    }

    fn progress(&self, done: u64, total: u64) {
        self.inner.progress(done, total);
    }

    fn warning(&self, warning: &Warning) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(WarningRecord::from(warning));
        self.inner.warning(warning);
    }

    fn stop(&self) -> Option<Stop> {
        self.inner.stop()
    }
}
