//! Exit codes, defined once for every binary.
//!
//! A scheduler reads nothing but the code, so each one answers a single question: what should happen next? Libraries
//! return errors; an error knows its code (see [`crate::InferError::exit_code`]); only a binary exits.

use std::error::Error;
use std::fmt;
use std::io;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Done, or nothing to change; warnings are allowed.
    Done = 0,
    /// An internal bug.
    InternalBug = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// A data contract, freshness or output gate failed; nothing was published.
    DataContract = 3,
    /// The model was refused: signature, digest, format or inputs.
    ModelRefused = 4,
    /// A resource limit: memory, disk or rows.
    ResourceLimit = 5,
    /// A quality gate: the challenger is not better and was not promoted.
    QualityGate = 6,
    /// Transient input or output failure, or the lock is held.
    Transient = 75,
    /// Stopped by an interrupt (SIGINT); staging was removed.
    Interrupted = 130,
    /// Stopped by a termination request (SIGTERM); staging was removed.
    Terminated = 143,
}

impl ExitCode {
    /// All codes, in ascending order.
    pub const ALL: [ExitCode; 10] = [
        Self::Done,
        Self::InternalBug,
        Self::Usage,
        Self::DataContract,
        Self::ModelRefused,
        Self::ResourceLimit,
        Self::QualityGate,
        Self::Transient,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the process exits with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What happened, in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to change",
            Self::InternalBug => "internal bug",
            Self::Usage => "usage or configuration",
            Self::DataContract => "data contract, freshness or output gate; nothing published",
            Self::ModelRefused => "model refused: signature, digest, format, inputs",
            Self::ResourceLimit => "resource limit: memory, disk, rows",
            Self::QualityGate => "quality gate: challenger not better, not promoted",
            Self::Transient => "transient I/O, or lock held",
            Self::Interrupted | Self::Terminated => "stopped by a signal; staging removed",
        }
    }

    /// What a scheduler should do next.
    #[must_use]
    pub fn scheduler(self) -> &'static str {
        match self {
            Self::Done => "go on",
            Self::InternalBug => "page",
            Self::Usage | Self::ModelRefused | Self::QualityGate => "no retry",
            Self::DataContract => "no retry, skip downstream",
            Self::ResourceLimit => "no blind retry",
            Self::Transient => "retry",
            Self::Interrupted | Self::Terminated => "reschedule",
        }
    }

    /// The code of a failed read or write: a full disk or quota is a resource limit, a path that may not be written is
    /// configuration, all else is worth a retry.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::OutOfMemory => Self::ResourceLimit,
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotFound
            | io::ErrorKind::InvalidFilename => Self::Usage,
            _ => Self::Transient,
        }
    }

    /// The code of an error that a failed read or write has caused, however deep below it; `None` when none has. Whoever
    /// keeps the causes of an error has nothing else to say about its disk.
    #[must_use]
    pub fn of_cause(error: &(dyn Error + 'static)) -> Option<Self> {
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).next().map(Self::of_io)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_contract() {
        let codes: Vec<u8> = ExitCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 75, 130, 143]);
    }

    #[test]
    fn a_full_disk_is_not_retried_blindly() {
        // EIO 5, EACCES 13, EFBIG 27, ENOSPC 28, EDQUOT 122 on Linux (errno(3)).
        for (errno, expected) in [
            (5, ExitCode::Transient),
            (13, ExitCode::Usage),
            (27, ExitCode::ResourceLimit),
            (28, ExitCode::ResourceLimit),
            (122, ExitCode::ResourceLimit),
        ] {
            let error = io::Error::from_raw_os_error(errno);
            assert_eq!(ExitCode::of_io(&error), expected, "errno {errno}");
            let deep = parquet::errors::ParquetError::External(Box::new(error));
            assert_eq!(ExitCode::of_cause(&deep), Some(expected), "errno {errno} below another error");
        }
        assert_eq!(ExitCode::of_cause(&fmt::Error), None);
    }
}
