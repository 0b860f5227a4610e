//! The SHA-256 that stands beside a file: `<file>.sha256`, one line as `sha256sum` writes and checks it.
//!
//! Here is only how it is named, written and read. Who has the bytes takes their digest.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A digest file is one short line; more than this is something else.
const LONGEST_BYTES: u64 = 16 << 10;

/// Why the digest beside a file is of no use.
#[derive(Debug)]
pub enum DigestFault {
    /// It cannot be read.
    Io(io::Error),
    /// It is no digest of that file: what it is, in words.
    NotADigest(&'static str),
}

/// Where the digest of `path` is: `features.parquet` -> `features.parquet.sha256`.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    PathBuf::from(name)
}

/// The line for a file whose digest is `sha256` (hexadecimal).
#[must_use]
pub fn line(sha256: &str, path: &Path) -> String {
    format!("{sha256}  {}\n", path.file_name().unwrap_or_default().to_string_lossy())
}

/// The digest that stands beside `path`, in lower case; `None` where there is none.
///
/// # Errors
/// [`DigestFault`].
pub fn stated(path: &Path) -> Result<Option<String>, DigestFault> {
    let digest_file = beside(path);
    match fs::metadata(&digest_file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DigestFault::Io(error)),
        Ok(status) if !status.is_file() || status.len() > LONGEST_BYTES => {
            Err(DigestFault::NotADigest("something else"))
        }
        Ok(_) => {
            let text = fs::read(&digest_file).map_err(DigestFault::Io)?;
            parse(&text, path).map(Some).map_err(DigestFault::NotADigest)
        }
    }
}

/// 64 hex digits, two characters, the name of the file (which may be left out).
fn parse(text: &[u8], path: &Path) -> Result<String, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "bytes that are not text")?;
    let line = text.lines().next().ok_or("an empty file")?;
    let (digest, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("no digest at the start of the first line");
    }
    let name = name.trim_start_matches([' ', '*']);
    if !name.is_empty() && Path::new(name).file_name() != path.file_name() {
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
    fn lines_of_sha256sum_are_read_and_others_are_refused() {
        let path = Path::new("some/where/f.parquet");
        for text in [
            line(ABC, path),
            format!("{ABC} *f.parquet\n"),
            format!("{}  some/f.parquet", ABC.to_uppercase()),
            ABC.to_owned(),
        ] {
            assert_eq!(parse(text.as_bytes(), path), Ok(ABC.to_owned()), "{text}");
        }
        for text in ["", "abc  f.parquet", &format!("{ABC}  g.parquet")] {
            assert!(parse(text.as_bytes(), path).is_err(), "{text}");
        }
        assert!(parse(&[0xff; 70], path).is_err());
    }
}
