//! One input file as a stream of batches: Parquet by slices of row groups, CSV by records. Every batch carries, beside
//! the columns asked for, each row's number in the file, so that nothing later can lose where a row came from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::contract::TableContract;

use super::cells::{Kind, Typed};
use super::csv_source::CsvSource;
use super::error::ReadError;
use super::parquet_source::{ParquetSlice, ParquetSource};
use super::rule::Rule;

/// Rows of a batch, about.
pub(crate) const BATCH_ROWS: usize = 1 << 20;

/// The numbers of a batch's rows in their file, from 1.
#[derive(Debug, Clone)]
pub(crate) enum RowNumbers {
    /// One after the other from this one on.
    From(u32),
    /// One each.
    Each(Vec<u32>),
}

impl RowNumbers {
    /// The number of the batch's row.
    pub(crate) fn of(&self, row: usize) -> u32 {
        match self {
            Self::From(first) => u32::try_from(row).map_or(u32::MAX, |row| first.saturating_add(row)),
            Self::Each(numbers) => numbers[row],
        }
    }
}

/// Some rows of a file.
pub(crate) struct RawBatch {
    /// The columns asked for, in the order of the projection.
    pub(crate) columns: Vec<Typed>,
    /// Where each row was.
    pub(crate) numbers: RowNumbers,
    /// Length of the columns.
    pub(crate) rows: usize,
    /// Rows that are no rows, and are not in the columns: row number, rule.
    pub(crate) bad_rows: Vec<(u32, Rule)>,
}

/// The next rows of a file, decoded or not yet.
pub(crate) enum Part {
    /// Decoded.
    Batch(RawBatch),
    /// Still to be decoded, by whoever has the time.
    Slice(ParquetSlice),
}

impl Part {
    /// Rows of the file that it stands for.
    pub(crate) fn rows(&self) -> u64 {
        match self {
            Self::Batch(batch) => (batch.rows + batch.bad_rows.len()) as u64,
            Self::Slice(slice) => slice.rows(),
        }
    }

    /// The rows; `projection` as it was asked for.
    pub(crate) fn decode(self, projection: &[String]) -> Result<RawBatch, ReadError> {
        match self {
            Self::Batch(batch) => Ok(batch),
            Self::Slice(slice) => slice.decode(projection),
        }
    }
}

/// An open file.
pub(crate) enum Source {
    /// Parquet.
    Parquet(ParquetSource),
    /// CSV, perhaps compressed.
    Csv(Box<CsvSource>),
}

impl Source {
    /// Opens a file; its first bytes, then its name, say what it is.
    pub(crate) fn open(file: &Path, table: &TableContract) -> Result<Self, ReadError> {
        let mut magic = [0; 4];
        let count = File::open(file)
            .and_then(|mut opened| read_up_to(&mut opened, &mut magic))
            .map_err(|cause| ReadError::io(file, &cause))?;
        if count == 0 {
            return Err(ReadError::undecodable(file, "the file is empty"));
        }
        if &magic == b"PAR1" {
            return ParquetSource::open(file, table.time_zone).map(Self::Parquet);
        }
        let gzip = magic[..2] == [0x1f, 0x8b];
        let name = file.to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        if [".parquet", ".pq"].iter().any(|ending| name.ends_with(ending)) {
            return Err(ReadError::undecodable(file, "it does not begin as a Parquet file does"));
        }
        if [".csv", ".tsv", ".txt"].iter().any(|ending| name.ends_with(ending)) {
            return CsvSource::open(file, table, gzip).map(|source| Self::Csv(Box::new(source)));
        }
        Err(ReadError::UnknownFormat { file: file.to_path_buf(), table: None })
    }

    /// Names and kinds of the file's columns; for Parquet, types that cannot be read are `None`.
    pub(crate) fn columns(&self) -> Vec<(String, Option<Kind>)> {
        match self {
            Self::Parquet(source) => source.columns(),
            Self::Csv(source) => source.header().iter().map(|name| (name.clone(), Some(Kind::Text))).collect(),
        }
    }

    /// Rows, where the file says so before reading.
    pub(crate) fn declared_rows(&self) -> Option<u64> {
        match self {
            Self::Parquet(source) => Some(source.rows()),
            Self::Csv(_) => None,
        }
    }

    /// The next rows, with the columns of `projection`; `None` at the end.
    pub(crate) fn next_part(&mut self, projection: &[String]) -> Result<Option<Part>, ReadError> {
        match self {
            Self::Parquet(source) => Ok(source.next_slice()?.map(Part::Slice)),
            Self::Csv(source) => Ok(source.next_batch(projection)?.map(Part::Batch)),
        }
    }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// A table's files in the order they are read; each once.
///
/// # Errors
/// [`ReadError::NotFetched`] for a table of a database, [`ReadError::NoFiles`] if a pattern matches nothing, [`ReadError::Io`] if a folder cannot be listed.
pub fn table_files(table: &TableContract) -> Result<Vec<PathBuf>, ReadError> {
    if table.database.is_some() && table.patterns.is_empty() {
        return Err(ReadError::NotFetched { table: table.name });
    }
    let mut files = Vec::new();
    for pattern in &table.patterns {
        let matched = pattern.files().map_err(|cause| ReadError::io(Path::new(pattern.as_str()), &cause))?;
        if matched.is_empty() {
            let hint = nearby(Path::new(pattern.as_str()));
            return Err(ReadError::NoFiles { table: table.name, pattern: pattern.written.clone(), hint });
        }
        files.extend(matched);
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// What is where the pattern points: the nearest name in its folder, or that the folder is not there.
fn nearby(pattern: &Path) -> Option<String> {
    if pattern.is_dir() {
        return Some("that is a folder: add `/*.parquet` or `/*.csv`".to_owned());
    }
    let folder = pattern.parent()?;
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Some(format!("the folder {} does not exist", folder.display()));
    };
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    let wanted = pattern.file_name()?.to_string_lossy();
    let near = crate::contract::nearest(&wanted, names.iter().map(String::as_str))?;
    Some(format!("did you mean `{near}`?"))
}
