//! What a model's process forecast out of time, row by row, kept beside the versions so that the gate can compare two
//! models on the rows that both were judged on.
//!
//! A bundle goes to other machines and names no account, so these rows are no part of it: they stay in the registry, as
//! `registry/<name>/forecasts/<n>.rows`, and hold no account id either, only a digest of it. Of a large base the rows of
//! some accounts are kept, those with the smallest digests, which are the same accounts in every version.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::backtest::{Backtest, TargetRun};
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::registry::RegistryError;
use crate::sealed;
use crate::staging::replace_file;
use crate::summary::TargetSummary;

/// Folder of these files in a model's folder.
const FOLDER: &str = "forecasts";
/// At most so many rows are kept for each target (21 bytes each); beyond it, the rows of fewer accounts.
const MOST_ROWS: usize = 1_000_000;
/// Bytes of a row: account, day, label, probability.
const ROW_BYTES: usize = 8 + 4 + 1 + 8;

/// One forecast of the learner that was selected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// The first 64 bits of the SHA-256 of the account id.
    pub account: u64,
    /// `as_of`, days since the epoch.
    pub as_of_days: i32,
    /// What came.
    pub label: bool,
    /// What was forecast.
    pub probability: f64,
}

/// The out-of-time forecasts of every target, by (account, as_of).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Forecasts {
    targets: BTreeMap<String, Vec<Forecast>>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    targets: Vec<(String, usize)>,
}

impl Forecasts {
    /// The forecasts of the selected learners of a backtest.
    #[must_use]
    pub fn of(dataset: &Dataset, backtest: &Backtest) -> Self {
        let summaries = backtest.summary.targets.iter();
        let targets = summaries.zip(&backtest.runs).map(|(summary, run)| {
            let rows = rows(dataset, summary, run);
            (run.target.clone(), fewer_accounts(rows, MOST_ROWS))
        });
        Self { targets: targets.collect() }
    }

    /// Forecasts of one target, by (account, as_of); none where it was not forecast.
    #[must_use]
    pub fn target(&self, name: &str) -> &[Forecast] {
        self.targets.get(name).map_or(&[], Vec::as_slice)
    }

    /// Writes them for a version.
    pub(crate) fn write(&self, model: &Path, version: u32) -> Result<(), TrainError> {
        let path = path_of(model, version);
        let header = Header { targets: self.targets.iter().map(|(name, rows)| (name.clone(), rows.len())).collect() };
        let body: Vec<u8> = self.targets.values().flatten().flat_map(Forecast::bytes).collect();
        let bytes = sealed::seal(&header, &body).map_err(|cause| TrainError::io(&path, "write as JSON", cause))?;
        replace_file(&path, &bytes)
    }

    /// Reads those of a version; `None` where there are none, as for a version of an earlier build.
    pub(crate) fn read(model: &Path, version: u32) -> Result<Option<Self>, TrainError> {
        let path = path_of(model, version);
        let bytes = match fs::read(&path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|cause| TrainError::io(&path, "read it", cause))?,
        };
        let damaged = |found: String| RegistryError::Damaged {
            path: path.clone(),
            cause: format!("expected forecasts as they were written, found {found}"),
        };
        let (header, body) = sealed::open::<Header>(&bytes).map_err(damaged)?;
        let (rows, rest) = body.as_chunks::<ROW_BYTES>();
        let expected: usize = header.targets.iter().map(|(_, rows)| *rows).sum();
        if !rest.is_empty() || rows.len() != expected {
            return Err(damaged(format!("{} bytes of rows", body.len())).into());
        }
        let mut rows = rows.iter().map(Forecast::of_bytes);
        let targets = header.targets.into_iter().map(|(name, count)| (name, rows.by_ref().take(count).collect()));
        Ok(Some(Self { targets: targets.collect() }))
    }
}

impl Forecast {
    fn bytes(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..8].copy_from_slice(&self.account.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.as_of_days.to_le_bytes());
        bytes[12] = u8::from(self.label);
        bytes[13..].copy_from_slice(&self.probability.to_le_bytes());
        bytes
    }

    fn of_bytes(bytes: &[u8; ROW_BYTES]) -> Self {
        let part = |from: usize| -> [u8; 8] { std::array::from_fn(|index| bytes[from + index]) };
        Self {
            account: u64::from_le_bytes(part(0)),
            as_of_days: i32::from_le_bytes(std::array::from_fn(|index| bytes[8 + index])),
            label: bytes[12] == 1,
            probability: f64::from_le_bytes(part(13)),
        }
    }

    pub(crate) fn key(&self) -> (u64, i32) {
        (self.account, self.as_of_days)
    }
}

fn path_of(model: &Path, version: u32) -> PathBuf {
    model.join(FOLDER).join(format!("{version}.rows"))
}

/// None of rows without a date: nothing tells which row of another file is the same.
fn rows(dataset: &Dataset, summary: &TargetSummary, run: &TargetRun) -> Vec<Forecast> {
    if !dataset.is_dated() {
        return Vec::new();
    }
    let selected = run.predictions.iter().find(|one| one.learner == summary.selected);
    let Some(predictions) = selected else { return Vec::new() };
    let mut digests: BTreeMap<u32, u64> = BTreeMap::new();
    let rows = run.rows.iter().zip(&run.labels).zip(&predictions.probability);
    let mut rows: Vec<Forecast> = rows
        .map(|((row, label), probability)| {
            let row = *row as usize;
            let id = &dataset.matrix().account_ids[row];
            let account = *digests.entry(dataset.accounts()[row]).or_insert_with(|| digest_of(id));
            Forecast { account, as_of_days: dataset.as_of_days()[row], label: *label, probability: *probability }
        })
        .collect();
    rows.sort_unstable_by_key(Forecast::key);
    rows
}

fn digest_of(id: &str) -> u64 {
    let digest = Sha256::digest(id.as_bytes());
    u64::from_le_bytes(std::array::from_fn(|index| digest[index]))
}

/// Of rows by account, those of the accounts that come first, as many as fit whole.
fn fewer_accounts(mut rows: Vec<Forecast>, most: usize) -> Vec<Forecast> {
    if rows.len() > most {
        let cut = rows[most].account;
        rows.truncate(rows.partition_point(|one| one.account < cut));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(account: u64, as_of_days: i32) -> Forecast {
        Forecast {
            account,
            as_of_days,
            label: account.is_multiple_of(2),
            probability: 0.1 + 1.0 / (account + 3) as f64,
        }
    }

    #[test]
    fn rows_are_read_back_bit_for_bit_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<Forecast> = (0..7).map(|row| forecast(row / 2, row as i32 - 3)).collect();
        let targets = BTreeMap::from([("churn".to_owned(), rows.clone()), ("growth".to_owned(), rows[..2].to_vec())]);
        let written = Forecasts { targets };
        written.write(folder.path(), 3).unwrap();
        assert_eq!(Forecasts::read(folder.path(), 3).unwrap(), Some(written));
        assert_eq!(Forecasts::read(folder.path(), 4).unwrap(), None);
        let path = path_of(folder.path(), 3);
        let mut bytes = fs::read(&path).unwrap();
        bytes[90] ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = Forecasts::read(folder.path(), 3).unwrap_err();
        assert!(matches!(error, TrainError::Registry(RegistryError::Damaged { .. })), "{error}");
    }

    #[test]
    fn a_large_base_keeps_whole_accounts_the_same_ones_each_time() {
        let rows: Vec<Forecast> = (0..10).flat_map(|account| (0..3).map(move |day| forecast(account, day))).collect();
        assert_eq!(fewer_accounts(rows.clone(), 30).len(), 30);
        let kept = fewer_accounts(rows.clone(), 11);
        assert_eq!(kept, rows[..9]);
        assert_eq!(fewer_accounts(rows, 20)[..9], kept);
    }
}
