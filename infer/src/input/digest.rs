//! Digests of files: what was read, and whether it is what was written.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use bellwether_staging::digest::{self, DigestFault};
use sha2::{Digest, Sha256};

use crate::error::InferError;
use crate::observe::{Observer, Silent};

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// The sha256 of a file, in lower-case hex.
///
/// # Errors
/// [`InferError::Io`] when it cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String, InferError> {
    let file = File::open(path).map_err(|error| InferError::io(path, "open", error))?;
    sha256_of(&file, path, 0, &Silent)
}

/// The sha256 of an open file from its start, in lower-case hex; asks between chunks whether to stop.
pub(super) fn sha256_of(
    mut file: &File,
    path: &Path,
    bytes: u64,
    observer: &dyn Observer,
) -> Result<String, InferError> {
    let failed = |error| InferError::io(path, "read", error);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let read = match file.read(&mut chunk) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.map_err(failed)?,
        };
        if read == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&chunk[..read]);
        done += read as u64;
        observer.progress(done, bytes);
        if let Some(stop) = observer.stop() {
            return Err(InferError::Stopped { stop });
        }
    }
}

/// Compares `found` with the digest in `<file>.sha256`. Where there is no such file, returns its name.
///
/// # Errors
/// [`InferError::InputDigest`] when they differ, [`InferError::DigestFile`] when the file is no digest.
pub(super) fn verify_beside(path: &Path, found: &str) -> Result<Option<String>, InferError> {
    let digest_path = digest::beside(path);
    let expected = match digest::stated(path) {
        Ok(None) => return Ok(Some(digest_path.file_name().unwrap_or_default().to_string_lossy().into_owned())),
        Ok(Some(expected)) => expected,
        Err(DigestFault::Io(error)) => return Err(InferError::io(&digest_path, "read", error)),
        Err(DigestFault::NotADigest(found)) => return Err(InferError::DigestFile { path: digest_path, found }),
    };
    if expected != found {
        return Err(InferError::InputDigest {
            path: path.to_path_buf(),
            digest_path,
            expected,
            found: found.to_owned(),
        });
    }
    Ok(None)
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
