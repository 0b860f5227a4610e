//! Keys that occur more than once in a file that is in no order: sorted runs on disk, merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::InferError;
use crate::spill;

/// Bytes of keys that are held before they are sorted and spilled.
const RUN_BYTES: usize = 1 << 24;
/// Keys that are held before they are sorted and spilled.
const RUN_KEYS: usize = 1 << 18;
/// Bytes that are read of a run at a time.
const READ_BYTES: usize = 1 << 13;

/// Keys and the numbers of their rows, to be sorted.
pub(super) struct KeyRuns {
    folder: PathBuf,
    /// Keys, one after the other.
    bytes: Vec<u8>,
    /// Start and end in `bytes`, and the row.
    held: Vec<(usize, usize, u64)>,
    runs: Vec<File>,
    most_keys: usize,
}

impl KeyRuns {
    /// Spills to this folder.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            bytes: Vec::new(),
            held: Vec::new(),
            runs: Vec::new(),
            most_keys: RUN_KEYS,
        }
    }

    /// Takes the key of a row.
    pub(super) fn push(&mut self, key: &str, row: u64) -> Result<(), InferError> {
        if !self.held.is_empty() && (self.held.len() >= self.most_keys || self.bytes.len() + key.len() > RUN_BYTES) {
            self.spill()?;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key.as_bytes());
        self.held.push((start, self.bytes.len(), row));
        Ok(())
    }

    /// Rows whose key occurs more than once, in no order; no more than one above `most`, which is too many.
    pub(super) fn repeated(mut self, most: u64) -> Result<Vec<u64>, InferError> {
        self.spill()?;
        let folder = self.folder;
        let failed = |error| InferError::io(&folder, "read what was sorted in", error);
        let mut readers: Vec<BufReader<File>> =
            self.runs.into_iter().map(|run| BufReader::with_capacity(READ_BYTES, run)).collect();
        let mut heap = BinaryHeap::new();
        for (run, reader) in readers.iter_mut().enumerate() {
            heap.extend(next_key(reader).map_err(failed)?.map(|(key, row)| Reverse((key, row, run))));
        }
        let mut repeated = Vec::new();
        let mut previous: Option<(Vec<u8>, u64, bool)> = None;
        while let Some(Reverse((key, row, run))) = heap.pop() {
            let same = previous.as_ref().is_some_and(|(other, ..)| *other == key);
            if let Some((_, first, false)) = previous.filter(|_| same) {
                repeated.push(first);
            }
            if same {
                repeated.push(row);
            }
            if repeated.len() as u64 > most {
                break;
            }
            previous = Some((key, row, same));
            heap.extend(next_key(&mut readers[run]).map_err(failed)?.map(|(key, row)| Reverse((key, row, run))));
        }
        Ok(repeated)
    }

    /// Sorts what is held and writes it to a file of its own.
    fn spill(&mut self) -> Result<(), InferError> {
        let bytes = std::mem::take(&mut self.bytes);
        let mut held = std::mem::take(&mut self.held);
        held.sort_unstable_by(|one, other| bytes[one.0..one.1].cmp(&bytes[other.0..other.1]).then(one.2.cmp(&other.2)));
        let file = spill::file(&self.folder)?;
        let written = write_keys(&file, &bytes, &held);
        written.map_err(|error| InferError::io(&self.folder, "sort on disk in", error))?;
        self.runs.push(file);
        Ok(())
    }
}

/// Length, key and row, and back to the start.
fn write_keys(mut file: &File, bytes: &[u8], held: &[(usize, usize, u64)]) -> io::Result<()> {
    let mut writer = BufWriter::new(file);
    for (start, end, row) in held {
        writer.write_all(&((end - start) as u64).to_le_bytes())?;
        writer.write_all(&bytes[*start..*end])?;
        writer.write_all(&row.to_le_bytes())?;
    }
    writer.flush()?;
    file.seek(SeekFrom::Start(0)).map(drop)
}

/// The next key of a run and its row; `None` at its end.
fn next_key(reader: &mut impl Read) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut number = [0; 8];
    match reader.read_exact(&mut number) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut key = vec![0; usize::try_from(u64::from_le_bytes(number)).map_err(io::Error::other)?];
    reader.read_exact(&mut key)?;
    reader.read_exact(&mut number)?;
    Ok(Some((key, u64::from_le_bytes(number))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_row_of_a_repeated_key_is_found_over_any_number_of_runs() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<String> = (0..5_000_u64).map(|row| format!("{}", row * row % 4_999 + row % 7)).collect();
        let mut by_key: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (row, key) in keys.iter().enumerate() {
            by_key.entry(key).or_default().push(row as u64);
        }
        let mut expected: Vec<u64> = by_key.into_values().filter(|rows| rows.len() > 1).flatten().collect();
        expected.sort_unstable();
        assert!(expected.len() > 1_000 && expected.len() < 5_000);
        for most_keys in [100, 1_000, 10_000] {
            let mut runs = KeyRuns { most_keys, ..KeyRuns::new(folder.path()) };
            for (row, key) in keys.iter().enumerate() {
                runs.push(key, row as u64).unwrap();
            }
            let mut found = runs.repeated(10_000).unwrap();
            found.sort_unstable();
            assert_eq!(found, expected, "{most_keys} keys a run");
        }
        let mut runs = KeyRuns::new(folder.path());
        (0..100).for_each(|row| runs.push("same", row).unwrap());
        assert_eq!(runs.repeated(10).unwrap().len(), 11);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
