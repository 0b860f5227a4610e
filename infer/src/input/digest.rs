//! Digests of files: what was read, and whether it is what was written.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bellwether_staging::digest::{self, DigestFault};
use sha2::{Digest, Sha256};

use crate::error::InferError;
use crate::observe::Observer;
use crate::warning::Warning;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;
/// How long to wait between two looks at whether to stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// The sha256 of a file, in lower-case hex.
///
/// # Errors
/// [`InferError::Io`] when it cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String, InferError> {
    let file = File::open(path).map_err(|error| InferError::io(path, "open", error))?;
    let digest = digest_of(file, &AtomicU64::new(0), &AtomicBool::new(false));
    let digest = digest.map_err(|error| InferError::io(path, "read", error))?;
    digest.ok_or_else(|| InferError::Internal { reason: "the digest was given up".to_owned() })
}

/// Reads to the end, counting into `done`; `None` when it was told to stop.
fn digest_of(mut reader: impl Read, done: &AtomicU64, cancelled: &AtomicBool) -> io::Result<Option<String>> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    while !cancelled.load(Ordering::Relaxed) {
        let read = match reader.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if read == 0 {
            return Ok(Some(hex::encode(hasher.finalize())));
        }
        hasher.update(&chunk[..read]);
        done.fetch_add(read as u64, Ordering::Relaxed);
    }
    Ok(None)
}

/// The digest of the input, reckoned on a thread of its own while the rows are read, and compared with `<file>.sha256`
/// before anything is published. An error that a reader meets before is only believed when the digest is right.
#[derive(Debug)]
pub(crate) struct PendingDigest {
    path: PathBuf,
    bytes: u64,
    expected: Option<String>,
    found: OnceLock<String>,
    outcome: Mutex<Receiver<io::Result<Option<String>>>>,
    done: Arc<AtomicU64>,
    cancelled: Arc<AtomicBool>,
}

impl PendingDigest {
    /// Begins. What stands beside the file is read at once; where there is nothing, the observer is warned.
    ///
    /// # Errors
    /// [`InferError::DigestFile`] when `<file>.sha256` is no digest, [`InferError::Io`].
    pub(super) fn start(
        path: &Path,
        reader: impl Read + Send + 'static,
        bytes: u64,
        observer: &dyn Observer,
    ) -> Result<Self, InferError> {
        let digest_path = digest::beside(path);
        let expected = match digest::stated(path) {
            Ok(expected) => expected,
            Err(DigestFault::Io(error)) => return Err(InferError::io(&digest_path, "read", error)),
            Err(DigestFault::NotADigest(found)) => return Err(InferError::DigestFile { path: digest_path, found }),
        };
        if expected.is_none() {
            let name = digest_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            observer.warning(&Warning::NoDigest { name });
        }
        let (sender, outcome) = channel();
        let (done, cancelled) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, told) = (Arc::clone(&done), Arc::clone(&cancelled));
        let thread = std::thread::Builder::new().name("digest".to_owned()).spawn(move || {
            // Nobody waits for the digest of a run that has failed.
            let _ = sender.send(digest_of(reader, &counted, &told));
        });
        thread.map_err(|error| InferError::io(path, "start to digest", error))?;
        let (found, outcome) = (OnceLock::new(), Mutex::new(outcome));
        Ok(Self { path: path.to_path_buf(), bytes, expected, found, outcome, done, cancelled })
    }

    /// Waits for the digest, in hex; it is the one that stands beside the file, where one does.
    ///
    /// # Errors
    /// [`InferError::InputDigest`] when they differ, [`InferError::Stopped`], [`InferError::Io`].
    pub(crate) fn verified(&self, observer: &dyn Observer) -> Result<&str, InferError> {
        if let Some(stop) = observer.stop() {
            return Err(InferError::Stopped { stop });
        }
        let found = self.wait(observer)?;
        match &self.expected {
            Some(expected) if expected != found => Err(InferError::InputDigest {
                path: self.path.clone(),
                digest_path: digest::beside(&self.path),
                expected: expected.clone(),
                found: found.to_owned(),
            }),
            _ => Ok(found),
        }
    }

    /// The error to tell: that the bytes are not those that were written, if so, because then that is why.
    pub(crate) fn cause_of(&self, error: InferError, observer: &dyn Observer) -> InferError {
        if self.expected.is_none() || matches!(error, InferError::Stopped { .. }) {
            return error;
        }
        match self.verified(observer) {
            Err(other @ InferError::InputDigest { .. }) => other,
            _ => error,
        }
    }

    fn wait(&self, observer: &dyn Observer) -> Result<&str, InferError> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        while self.found.get().is_none() {
            let result = match outcome.recv_timeout(PATIENCE) {
                Ok(result) => result.map_err(|error| InferError::io(&self.path, "read", error))?,
                Err(RecvTimeoutError::Timeout) => {
                    observer.progress(self.done.load(Ordering::Relaxed), self.bytes);
                    if let Some(stop) = observer.stop() {
                        return Err(InferError::Stopped { stop });
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => None,
            };
            let found = result.ok_or_else(|| InferError::Internal { reason: "the digest was given up".to_owned() })?;
            // The lock is held, so it is set once.
            let _ = self.found.set(found);
        }
        Ok(self.found.get().map_or("", String::as_str))
    }
}

impl Drop for PendingDigest {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        // FIPS 180-4, the empty message.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(sha256_of_file(&path).unwrap(), EMPTY);
    }
}
