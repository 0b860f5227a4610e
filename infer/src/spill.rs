//! Files for what does not fit into memory. They have no name from the start, so a killed run leaves none behind.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::InferError;

/// The folder to spill to: the output folder, or the nearest one above that is there.
pub(crate) fn folder(out: &Path) -> PathBuf {
    let found = out.ancestors().find(|folder| folder.is_dir());
    found.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// A new file that only this process can reach.
///
/// # Errors
/// [`InferError::Io`].
pub(crate) fn file(folder: &Path) -> Result<File, InferError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!(".bellwether-spill-{}-{number}", std::process::id()));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = file.map_err(|error| InferError::io(&path, "create", error))?;
    std::fs::remove_file(&path).map_err(|error| InferError::io(&path, "take the name of", error))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom, Write};

    #[test]
    fn a_spilled_file_has_no_name_and_holds_what_was_written() {
        let outer = tempfile::tempdir().unwrap();
        assert_eq!(folder(&outer.path().join("not/there")), outer.path());
        let mut file = file(outer.path()).unwrap();
        assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 0);
        file.write_all(b"rows").unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "rows");
    }
}
