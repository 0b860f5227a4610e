//! What a run tells its caller while it works, and how the caller stops it.
//!
//! The library prints nothing: it reports stages, rows, and warnings to an [`Observer`], and asks it between batches
//! whether to stop. Progress is for people only; nothing that is published depends on it.

use crate::exit::ExitCode;
use crate::warning::Warning;

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Loading the bundle and running its golden rows.
    LoadBundle,
    /// Verifying the digest of the input; progress is in bytes.
    VerifyInput,
    /// Reading the keys; progress is in rows.
    ReadKeys,
    /// Scoring; progress is in rows.
    Score,
    /// Publishing.
    Publish,
}

impl Stage {
    /// The stage in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::LoadBundle => "loading the bundle",
            Self::VerifyInput => "verifying the input",
            Self::ReadKeys => "reading the keys",
            Self::Score => "scoring",
            Self::Publish => "publishing",
        }
    }
}

/// Why a run should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Stop {
    /// The exit code of a process that stopped for this reason.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::Interrupted,
            Self::Terminate => ExitCode::Terminated,
        }
    }
}

/// Follows a run. Every method has a default that does nothing.
pub trait Observer: Sync {
    /// A stage starts.
    fn stage(&self, _stage: Stage) {}

    /// `done` of `total` bytes or rows of the stage.
    fn progress(&self, _done: u64, _total: u64) {}

    /// Something that does not stop the run but should be known.
    fn warning(&self, _warning: &Warning) {}

    /// Asked between batches; `Some` ends the run with nothing published.
    fn stop(&self) -> Option<Stop> {
        None
    }
}

/// An observer that listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
