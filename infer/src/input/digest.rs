//! Digests of files: what was read, and whether it is what was written.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::InferError;
use crate::observe::{Observer, Silent};

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;
/// A `.sha256` file is one short line; more than this is something else.
const LONGEST_DIGEST_FILE: u64 = 16 << 10;

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
    let digest_path = beside(path);
    let text = match std::fs::metadata(&digest_path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Some(digest_path.file_name().unwrap_or_default().to_string_lossy().into_owned()));
        }
        Err(error) => return Err(InferError::io(&digest_path, "read", error)),
        Ok(status) if !status.is_file() || status.len() > LONGEST_DIGEST_FILE => {
            return Err(InferError::DigestFile { path: digest_path, found: "something else" });
        }
        Ok(_) => std::fs::read(&digest_path).map_err(|error| InferError::io(&digest_path, "read", error))?,
    };
    let expected = parse(&text, path).map_err(|found| InferError::DigestFile { path: digest_path.clone(), found })?;
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

/// `features.parquet` -> `features.parquet.sha256`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    PathBuf::from(name)
}

/// The digest in a line of `sha256sum`: 64 hex digits, two characters, the name of the file.
fn parse(text: &[u8], path: &Path) -> Result<String, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "bytes that are not text")?;
    let line = text.lines().next().ok_or("an empty file")?;
    let (digest, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("no digest at the start of the first line");
    }
    let name = name.trim_start_matches([' ', '*']);
    let own_name = path.file_name().unwrap_or_default();
    if !name.is_empty() && Path::new(name).file_name() != Some(own_name) {
        return Err("the name of another file");
    }
    Ok(digest.to_ascii_lowercase())
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

    #[test]
    fn lines_of_sha256sum_are_read() {
        let path = Path::new("some/where/f.parquet");
        for line in [
            format!("{EMPTY}  f.parquet\n"),
            format!("{EMPTY} *f.parquet\n"),
            format!("{}  some/f.parquet", EMPTY.to_uppercase()),
            EMPTY.to_owned(),
        ] {
            assert_eq!(parse(line.as_bytes(), path), Ok(EMPTY.to_owned()), "{line}");
        }
        for line in ["", "abc  f.parquet", &format!("{EMPTY}  g.parquet")] {
            assert!(parse(line.as_bytes(), path).is_err(), "{line}");
        }
    }
}
