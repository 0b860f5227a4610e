//! Which bytes were read: a SHA-256 of every input file, and one digest over all of them for the bundle.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::read::ReadError;

use super::{Contract, TableName};

/// An input file, as manifests list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// Canonical table.
    pub table: String,
    /// Path as matched.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Contract {
    /// Every input file with size and SHA-256, by table, then path.
    ///
    /// # Errors
    /// [`ReadError`] where files cannot be found or read.
    pub fn input_files(&self) -> Result<Vec<InputFile>, ReadError> {
        let mut files: Vec<(TableName, PathBuf)> = Vec::new();
        for (name, table) in &self.tables {
            files.extend(crate::read::table_files(table)?.into_iter().map(|path| (*name, path)));
        }
        files.into_par_iter().map(|(table, path)| input_file(table, path)).collect()
    }

    /// SHA-256 (hexadecimal) over tables, sizes and contents of all input files; where the files lie does not enter, so
    /// the same data on two machines have one digest.
    ///
    /// # Errors
    /// [`ReadError`] where files cannot be found or read.
    pub fn data_digest(&self) -> Result<String, ReadError> {
        Ok(digest_of(&self.input_files()?))
    }
}

/// The digest of [`Contract::data_digest`], of files already listed.
#[must_use]
pub fn digest_of(files: &[InputFile]) -> String {
    let mut digest = Sha256::new();
    for file in files {
        digest.update(format!("{} {} {}\n", file.table, file.bytes, file.sha256));
    }
    hex::encode(digest.finalize())
}

fn input_file(table: TableName, path: PathBuf) -> Result<InputFile, ReadError> {
    let (bytes, sha256) = sha256_of(&path).map_err(|cause| ReadError::io(&path, &cause))?;
    Ok(InputFile { table: table.as_str().to_owned(), path, bytes, sha256 })
}

/// Size and SHA-256 (lower-case hexadecimal) of a file, read in chunks.
pub(crate) fn sha256_of(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut total = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((total, hex::encode(digest.finalize())));
        }
        digest.update(&buffer[..count]);
        total += count as u64;
    }
}
