//! How much a run takes on. Running out of memory cannot be caught, so size is checked before a row is decoded.

use std::path::Path;

use crate::error::InferError;

/// Limits of one run. The defaults suit a base of millions of accounts on a small machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most rows that an input may declare, whatever their date.
    pub max_rows: u64,
    /// Most bytes that those rows may take when decoded: rows x row width, with 4 bytes a number and 16 bytes a string.
    /// Only a batch of them is ever in memory.
    pub max_decoded_bytes: u64,
    /// Most rows of an input that is not sorted by `account_id`: its keys and results are sorted on disk, and as many runs are
    /// open at a time as it has times 131,072 rows.
    pub max_unsorted_rows: u64,
    /// Most rows that are set aside for a bad key before the run gives up.
    pub max_quarantined_rows: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_rows: 100_000_000,
            max_decoded_bytes: 64 << 30,
            max_unsorted_rows: 20_000_000,
            max_quarantined_rows: 1_000_000,
        }
    }
}

impl Limits {
    /// The declared number of rows, if it is above zero and not too large.
    ///
    /// # Errors
    /// [`InferError::Empty`], [`InferError::TooLarge`].
    pub(crate) fn check_rows(&self, path: &Path, declared: i64) -> Result<u64, InferError> {
        let rows = u64::try_from(declared).unwrap_or(0);
        if rows == 0 {
            return Err(InferError::Empty { path: path.to_path_buf() });
        }
        let hint = "split the base into several files and score each into its own output folder";
        self.check(path, "rows", self.max_rows, rows, hint)?;
        Ok(rows)
    }

    /// Whether `rows` of `row_bytes` each may be decoded.
    ///
    /// # Errors
    /// [`InferError::TooLarge`].
    pub(crate) fn check_decoded(&self, path: &Path, rows: u64, row_bytes: u64) -> Result<(), InferError> {
        let hint = "split the base into several files and score each into its own output folder";
        self.check(path, "bytes of decoded rows", self.max_decoded_bytes, rows.saturating_mul(row_bytes), hint)
    }

    /// Whether `rows` that are not sorted may be sorted on disk.
    ///
    /// # Errors
    /// [`InferError::TooLarge`].
    pub(crate) fn check_unsorted(&self, path: &Path, rows: u64) -> Result<(), InferError> {
        let hint = "sort the file by account_id: sorted files of any size are streamed";
        self.check(path, "rows that are not sorted by account_id", self.max_unsorted_rows, rows, hint)
    }

    fn check(
        &self,
        path: &Path,
        what: &'static str,
        limit: u64,
        found: u64,
        hint: &'static str,
    ) -> Result<(), InferError> {
        if found > limit {
            return Err(InferError::TooLarge { path: path.to_path_buf(), what, limit, found, hint });
        }
        Ok(())
    }
}
