//! A file that changed after its digest was written: `<file>.sha256`, one line as `sha256sum` writes it.
//!
//! Compression and encodings do not notice every flipped bit, and most writers leave page checksums out. So the
//! simulator writes the digest of each table file beside it, anyone else may (`sha256sum f > f.sha256`), and where there
//! is one the file is read only if it still is what it was.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::contract::sha256_of;
use crate::matrix::sha256_path;

use super::error::ReadError;

/// A `.sha256` file is one short line; more than this is something else.
const LONGEST_DIGEST_FILE: u64 = 16 << 10;

/// Checks the files that have a digest beside them; the first that is not what it was is the error.
///
/// # Errors
/// [`ReadError::Changed`], [`ReadError::DigestFile`], or [`ReadError::Io`] where a file cannot be read.
pub(crate) fn verify(files: &[PathBuf]) -> Result<(), ReadError> {
    let verdicts: Vec<Result<(), ReadError>> = files.par_iter().map(|file| verify_file(file)).collect();
    verdicts.into_iter().collect()
}

fn verify_file(file: &Path) -> Result<(), ReadError> {
    let digest_file = sha256_path(file);
    let not_a_digest =
        |found| ReadError::DigestFile { file: file.to_owned(), digest_file: digest_file.clone(), found, table: None };
    let text = match std::fs::metadata(&digest_file) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(ReadError::io(&digest_file, &cause)),
        Ok(status) if !status.is_file() || status.len() > LONGEST_DIGEST_FILE => {
            return Err(not_a_digest("something else"));
        }
        Ok(_) => std::fs::read(&digest_file).map_err(|cause| ReadError::io(&digest_file, &cause))?,
    };
    let expected = parse(&text, file).map_err(not_a_digest)?;
    let (_, found) = sha256_of(file).map_err(|cause| ReadError::io(file, &cause))?;
    if expected == found {
        return Ok(());
    }
    Err(ReadError::Changed { file: file.to_owned(), digest_file, expected, found, table: None })
}

/// The digest in a line of `sha256sum`: 64 hex digits, two characters, the name of the file.
fn parse(text: &[u8], file: &Path) -> Result<String, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "bytes that are not text")?;
    let line = text.lines().next().ok_or("an empty file")?;
    let (digest, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("no digest at the start of the first line");
    }
    let name = name.trim_start_matches([' ', '*']);
    if !name.is_empty() && Path::new(name).file_name() != file.file_name() {
        return Err("the name of another file");
    }
    Ok(digest.to_ascii_lowercase())
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
        let digest = |line: &str| std::fs::write(sha256_path(&file), line).unwrap();
        let verdict = || verify(std::slice::from_ref(&file));
        std::fs::write(&file, "abc").unwrap();
        verdict().unwrap();
        for line in [
            format!("{ABC}  f.csv\n"),
            format!("{ABC} *some/f.csv\n"),
            format!("{}  f.csv", ABC.to_uppercase()),
            ABC.to_owned(),
        ] {
            digest(&line);
            verdict().unwrap();
        }
        for line in ["", "abc  f.csv", &format!("{ABC}  g.csv")] {
            digest(line);
            assert!(matches!(verdict(), Err(ReadError::DigestFile { .. })), "{line}");
        }
        digest(ABC);
        std::fs::write(&file, "abb").unwrap();
        assert!(matches!(verdict(), Err(ReadError::Changed { expected, .. }) if expected == ABC));
    }
}
