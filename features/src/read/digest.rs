//! A file that changed after its digest was written: `<file>.sha256`, one line as `sha256sum` writes it.
//!
//! Compression and encodings do not notice every flipped bit, and most writers leave page checksums out. So the
//! simulator writes the digest of each table file beside it, anyone else may (`sha256sum f > f.sha256`), and where there
//! is one the file is read only if it still is what it was.

use std::path::{Path, PathBuf};

use bellwether_staging::digest::{self, DigestFault};
use rayon::prelude::*;

use crate::contract::sha256_of;

use super::error::ReadError;

/// Checks the files that have a digest beside them; the first that is not what it was is the error.
///
/// # Errors
/// [`ReadError::Changed`], [`ReadError::DigestFile`], or [`ReadError::Io`] where a file cannot be read.
pub(crate) fn verify(files: &[PathBuf]) -> Result<(), ReadError> {
    let verdicts: Vec<Result<(), ReadError>> = files.par_iter().map(|file| verify_file(file)).collect();
    verdicts.into_iter().collect()
}

fn verify_file(file: &Path) -> Result<(), ReadError> {
    let digest_file = digest::beside(file);
    let expected = match digest::stated(file) {
        Ok(None) => return Ok(()),
        Ok(Some(expected)) => expected,
        Err(DigestFault::Io(cause)) => return Err(ReadError::io(&digest_file, &cause)),
        Err(DigestFault::NotADigest(found)) => {
            return Err(ReadError::DigestFile { file: file.to_owned(), digest_file, found, table: None });
        }
    };
    let (_, found) = sha256_of(file).map_err(|cause| ReadError::io(file, &cause))?;
    if expected == found {
        return Ok(());
    }
    Err(ReadError::Changed { file: file.to_owned(), digest_file, expected, found, table: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-4, the message "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_is_what_its_digest_says_or_it_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.csv");
        let state = |line: &str| std::fs::write(digest::beside(&file), line).unwrap();
        let verdict = || verify(std::slice::from_ref(&file));
        std::fs::write(&file, "abc").unwrap();
        verdict().unwrap();
        state(&digest::line(ABC, &file));
        verdict().unwrap();
        state("abc  f.csv");
        assert!(matches!(verdict(), Err(ReadError::DigestFile { .. })));
        state(ABC);
        std::fs::write(&file, "abb").unwrap();
        assert!(matches!(verdict(), Err(ReadError::Changed { expected, .. }) if expected == ABC));
    }
}
