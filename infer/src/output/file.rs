//! A file in staging: written through one handle, counted, digested, and on disk before it is published.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::InferError;

/// A new file that digests what is written to it.
#[derive(Debug)]
pub(crate) struct OutputFile {
    writer: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
    failure: Arc<OnceLock<i32>>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Size.
    pub(crate) bytes: u64,
    /// Digest in hex.
    pub(crate) sha256: String,
}

impl OutputFile {
    /// Creates a file that is not there yet, with these permissions.
    pub(crate) fn create(path: &Path, mode: u32) -> Result<Self, InferError> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)
            .map_err(|error| InferError::io(path, "create", error))?;
        Ok(Self {
            writer: BufWriter::with_capacity(1 << 17, file),
            hasher: Sha256::new(),
            bytes: 0,
            failure: Arc::default(),
        })
    }

    /// The system's number of the first error of a write, once there is one. Who writes through an encoder may get no more
    /// than its text from that.
    pub(crate) fn failure(&self) -> Arc<OnceLock<i32>> {
        Arc::clone(&self.failure)
    }

    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Some(code) = result.as_ref().err().and_then(io::Error::raw_os_error) {
            let _ = self.failure.set(code);
        }
        result
    }

    /// Waits until everything is on disk.
    pub(crate) fn finish(self) -> io::Result<Written> {
        let file = self.writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(Written { bytes: self.bytes, sha256: hex::encode(self.hasher.finalize()) })
    }
}

impl Write for OutputFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(buffer);
        let written = self.noted(written)?;
        self.hasher.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.writer.flush();
        self.noted(flushed)
    }
}

/// Writes a value as indented JSON with a line feed at its end, and waits until it is on disk.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<Written, InferError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| InferError::Internal { reason: format!("{} cannot be written: {error}", path.display()) })?;
    text.push(b'\n');
    write_bytes(path, &text)
}

/// Writes a text, and waits until it is on disk.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<Written, InferError> {
    write_bytes(path, text.as_bytes())
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<Written, InferError> {
    let mut file = OutputFile::create(path, 0o644)?;
    file.write_all(bytes).map_err(|error| InferError::io(path, "write", error))?;
    file.finish().map_err(|error| InferError::io(path, "write", error))
}

/// Waits until the entries of a folder are on disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), InferError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| InferError::publish(path, "write to disk", error))
}

/// Creates a folder and every folder above it up to `root`, each of them on disk.
pub(super) fn create_folders(root: &Path, relative: &Path) -> Result<PathBuf, InferError> {
    let mut path = root.to_path_buf();
    for part in relative.components() {
        let parent = path.clone();
        path.push(part);
        match std::fs::create_dir(&path) {
            Ok(()) => sync_folder(&parent)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(InferError::publish(&path, "create", error)),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_counted_and_digested() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = OutputFile::create(&path, 0o600).unwrap();
        file.write_all(b"abc").unwrap();
        // FIPS 180-4, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file.finish().unwrap(), Written { bytes: 3, sha256: expected.into() });
        assert!(OutputFile::create(&path, 0o600).is_err());
    }
}
