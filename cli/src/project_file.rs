//! Writing `bellwether.toml`: a file that we wrote and nobody touched may be replaced by a simulation, an edited one never.
//!
//! The first line holds the digest of all that follows. While the two agree nobody has edited the file.

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use bellwether_staging::Staging;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// Name of the project file.
pub(crate) const FILE_NAME: &str = "bellwether.toml";
const MARK: &str = "# Written by bellwether; edit freely, an edited file is never replaced. Untouched: ";

/// Writes `text` as the project file of `folder`; an untouched one is replaced, an edited one refused.
pub(crate) fn write(folder: &Path, text: &str) -> Result<PathBuf, Failure> {
    refuse_edited(folder)?;
    let path = folder.join(FILE_NAME);
    let written = Staging::file(&path).and_then(|staging| {
        staging.handle().write_all(marked(text).as_bytes())?;
        staging.publish()
    });
    written.map_err(|error| Failure::io(&path, error))?;
    Ok(path)
}

/// Refuses a folder that has a project file, edited or not: who asks for a new one does not mean to lose the old.
pub(crate) fn refuse_existing(folder: &Path) -> Result<(), Failure> {
    let path = folder.join(FILE_NAME);
    if fs::symlink_metadata(&path).is_err() {
        return Ok(());
    }
    Err(Failure::configuration(
        format!("{}: expected no project file, found one", path.display()),
        "give another folder, or move the project file away",
    ))
}

/// Refuses, before any work, a folder whose project file was edited.
pub(crate) fn refuse_edited(folder: &Path) -> Result<(), Failure> {
    let path = folder.join(FILE_NAME);
    match fs::read_to_string(&path) {
        Ok(existing) if !is_untouched(&existing) => Err(Failure::configuration(
            format!("{}: expected no project file or an untouched one, found an edited one", path.display()),
            "give another folder, or move your project file away",
        )),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io(&path, error)),
    }
}

/// Whether `folder` holds an untouched project file whose text has `mark` in it.
pub(crate) fn is_untouched_with(folder: &Path, mark: &str) -> bool {
    fs::read_to_string(folder.join(FILE_NAME)).is_ok_and(|text| is_untouched(&text) && text.contains(mark))
}

fn marked(text: &str) -> String {
    format!("{MARK}{}\n{text}", digest(text))
}

fn is_untouched(file: &str) -> bool {
    let Some((first, rest)) = file.split_once('\n') else { return false };
    first.strip_prefix(MARK) == Some(digest(rest).as_str())
}

/// The first 16 hex digits of the sha256: enough to notice an edit, short enough to read.
fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(8).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untouched_file_is_replaced_and_an_edited_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "config_version = 1\n").unwrap();
        write(folder.path(), "config_version = 1\n# second\n").unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with("# second\n"));

        let edited = fs::read_to_string(&path).unwrap().replace("second", "mine");
        fs::write(&path, &edited).unwrap();
        assert!(refuse_edited(folder.path()).is_err());
        assert!(write(folder.path(), "config_version = 1\n").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), edited, "an edited file stays byte for byte");
    }

    #[test]
    fn a_file_that_we_did_not_write_counts_as_edited() {
        for text in ["", "config_version = 1\n", "# Written by bellwether\n"] {
            assert!(!is_untouched(text), "{text:?}");
        }
    }
}
