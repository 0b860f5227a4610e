//! `manifest.json`, `run_results.json` and `latest.json`: what was read, with what, what came out, and when.
//!
//! Everything that differs between two runs of one input is here and nowhere in the scores.

use std::collections::BTreeMap;
use std::path::Path;

use bellwether_models::{Bundle, Policy};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::tally::DriftRecord;
use super::{Counts, ReasonChoice};
use crate::output::Written;
use crate::warning::WarningRecord;

/// Version of the three files.
pub(super) const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Debug, Serialize)]
pub(super) struct Manifest<'a> {
    pub(super) format: u32,
    pub(super) run_id: &'a str,
    pub(super) as_of: &'a str,
    pub(super) exit_code: u8,
    pub(super) started_at: String,
    pub(super) finished_at: String,
    pub(super) tool: Tool,
    pub(super) engine: &'a str,
    pub(super) threads: usize,
    pub(super) batch_rows: usize,
    pub(super) reasons: ReasonChoice,
    pub(super) model: ModelRecord<'a>,
    pub(super) inputs: Vec<FileRecord>,
    pub(super) outputs: Vec<FileRecord>,
    pub(super) counts: Counts,
    pub(super) status_reasons: &'a BTreeMap<&'static str, u64>,
    pub(super) cut_offs: &'a Policy,
    pub(super) unknown_categories: BTreeMap<&'a str, u64>,
    pub(super) infinite_values: BTreeMap<&'a str, u64>,
    /// Accounts whose MRR was negative or infinite, and is null in the scores.
    pub(super) unusable_mrr: u64,
    pub(super) missing_tables: &'a [String],
    pub(super) table_ages_hours: BTreeMap<&'a str, f64>,
    pub(super) drift: &'a [DriftRecord],
    /// Per target with reasons, the probability at the expected margin: effects of an account add up to its probability less
    /// this one.
    pub(super) base_probabilities: &'a BTreeMap<String, f64>,
}

/// What wrote the run.
#[derive(Debug, Serialize)]
pub(super) struct Tool {
    name: &'static str,
    version: &'static str,
}

impl Tool {
    /// This library.
    pub(super) fn this() -> Self {
        Self { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") }
    }
}

/// The bundle.
#[derive(Debug, Serialize)]
pub(super) struct ModelRecord<'a> {
    identity: String,
    name: &'a str,
    version: u32,
    digest: &'a str,
    bundle: &'a str,
    targets: Vec<&'a str>,
    /// The last observation date that the model learned from.
    last_trained_as_of: String,
}

impl<'a> ModelRecord<'a> {
    /// The identity of a bundle and how it was named.
    pub(super) fn of(bundle: &'a Bundle, reference: &'a str) -> Self {
        Self {
            identity: bundle.identity(),
            name: &bundle.manifest().name,
            version: bundle.manifest().version,
            digest: bundle.digest(),
            bundle: reference,
            targets: bundle.targets(),
            last_trained_as_of: bundle.manifest().training.last_as_of.to_string(),
        }
    }
}

/// A file that was read or written.
#[derive(Debug, Serialize)]
pub(super) struct FileRecord {
    /// As given for an input; relative to the output folder for an output.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    pub(super) sha256: String,
}

impl FileRecord {
    /// A file that was written.
    pub(super) fn written(path: &Path, written: &Written, rows: u64) -> Self {
        let (bytes, sha256) = (written.bytes, written.sha256.clone());
        Self { path: path.display().to_string(), bytes, rows, sha256 }
    }
}

/// `run_results.json`: what was checked, and how it went.
#[derive(Debug, Serialize)]
pub(super) struct RunResults<'a> {
    pub(super) format: u32,
    pub(super) run_id: &'a str,
    pub(super) as_of: &'a str,
    pub(super) exit_code: u8,
    pub(super) status: &'static str,
    /// Those that could be made. Every one of them passed, or nothing would have been published.
    pub(super) checks: Vec<&'static str>,
    pub(super) warnings: &'a [WarningRecord],
}

/// The checks that every run makes, in order.
pub(super) const CHECKS: [&str; 9] = [
    "bundle.digests",
    "bundle.golden_rows",
    "input.columns",
    "input.dates",
    "input.keys",
    "output.all_accounts_accounted_for",
    "gate.not_scored",
    "gate.equal_scores",
    "output.finite",
];

/// `latest.json`: where the newest scores are.
#[derive(Debug, Serialize)]
pub(super) struct Latest<'a> {
    pub(super) format: u32,
    pub(super) run_id: &'a str,
    pub(super) as_of: &'a str,
    pub(super) model: String,
    pub(super) scores: String,
    pub(super) manifest: String,
}

/// A time as it is written.
pub(super) fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
