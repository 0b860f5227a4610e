//! Writing down what a run did, before it is published.

use std::collections::BTreeMap;

use bellwether_models::drift::LEAST_ROWS_FOR_DRIFT;
use chrono::{DateTime, Utc};

use super::manifest::{CHECKS, FORMAT, FileRecord, Latest, Manifest, ModelRecord, RunResults, Tool, timestamp};
use super::run::{Run, Scored};
use super::tally::DriftRecord;
use super::{Counts, report};
use crate::error::InferError;
use crate::exit::ExitCode;
use crate::output::{Publication, Staged, write_json, write_text};
use crate::warning::WarningRecord;

/// What is told about a finished run.
pub(super) struct Finished<'a> {
    pub(super) run_id: &'a str,
    pub(super) input_sha256: &'a str,
    pub(super) started_at: DateTime<Utc>,
    pub(super) engine: &'a str,
    pub(super) counts: Counts,
    pub(super) drift: &'a [DriftRecord],
    pub(super) scored: &'a Scored,
    pub(super) publication: &'a Publication,
    /// Whether the accounts were compared with those of the run before.
    pub(super) compared_accounts: bool,
}

impl Finished<'_> {
    fn rows(&self) -> u64 {
        self.counts.scored + self.counts.partial + self.counts.not_scored
    }
}

impl Run<'_> {
    /// Writes manifest, results, page and `latest.json` into staging.
    pub(super) fn describe(&self, finished: &Finished<'_>, staged: &Staged) -> Result<(), InferError> {
        let as_of = self.plan.as_of.to_string();
        let (run_id, publication) = (finished.run_id, finished.publication);
        let warnings = self.observer.records();
        write_json(&staged.run().join("manifest.json"), &self.manifest(finished, &as_of))?;
        let results = RunResults {
            format: FORMAT,
            run_id,
            as_of: &as_of,
            exit_code: ExitCode::Done.code(),
            status: "success",
            checks: checks(&warnings, finished),
            warnings: &warnings,
        };
        write_json(&staged.run().join("run_results.json"), &results)?;
        write_text(&staged.run().join("report.html"), &report::page(self, finished, &as_of))?;
        let latest = Latest {
            format: FORMAT,
            run_id,
            as_of: &as_of,
            model: self.bundle.identity(),
            scores: publication.scores.display().to_string(),
            manifest: publication.run.join("manifest.json").display().to_string(),
        };
        // Scoring an earlier date again does not make it the newest one.
        let newest =
            std::fs::read(self.request.out.join("latest.json")).ok().filter(|bytes| is_of_later(bytes, &as_of));
        match newest.and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(text) => write_text(&staged.latest(), &text).map(drop),
            None => write_json(&staged.latest(), &latest).map(drop),
        }
    }

    fn manifest<'b>(&'b self, finished: &'b Finished<'_>, as_of: &'b str) -> Manifest<'b> {
        let (request, tally) = (self.request, &finished.scored.tally);
        let signature = self.bundle.signature();
        let numeric = signature.numeric_inputs().map(|(_, input)| input.name.as_str());
        let categories = signature.category_inputs().map(|(_, input, _)| input.name.as_str());
        let facts = self.file.facts.as_ref();
        Manifest {
            format: FORMAT,
            run_id: finished.run_id,
            as_of,
            exit_code: ExitCode::Done.code(),
            started_at: timestamp(finished.started_at),
            finished_at: timestamp(Utc::now()),
            tool: Tool::this(),
            engine: finished.engine,
            threads: request.threads.get(),
            batch_rows: request.batch_rows.get(),
            reasons: request.reasons,
            model: ModelRecord::of(self.bundle, &request.bundle),
            inputs: vec![self.input_record(finished)],
            outputs: self.output_records(finished),
            counts: finished.counts,
            status_reasons: &tally.status_reasons,
            cut_offs: self.bundle.policy(),
            unknown_categories: above_zero(categories, &tally.unknown),
            infinite_values: above_zero(numeric, &tally.infinite),
            unusable_mrr: tally.unusable_mrr,
            missing_tables: facts.map_or(&[], |facts| &facts.missing_tables),
            table_ages_hours: facts
                .into_iter()
                .flat_map(|facts| facts.table_ages_hours.iter().map(|(table, hours)| (table.as_str(), *hours)))
                .collect(),
            drift: finished.drift,
            base_probabilities: &finished.scored.base_probabilities,
        }
    }

    fn input_record(&self, finished: &Finished<'_>) -> FileRecord {
        FileRecord {
            path: self.file.path.display().to_string(),
            bytes: self.file.bytes,
            rows: self.file.rows,
            sha256: finished.input_sha256.to_owned(),
        }
    }

    fn output_records(&self, finished: &Finished<'_>) -> Vec<FileRecord> {
        let (counts, publication) = (finished.counts, finished.publication);
        let rows = counts.scored + counts.partial + counts.not_scored;
        let part = publication.scores.join(self.request.format.part_name());
        let mut records = vec![FileRecord::written(&part, &finished.scored.part, rows)];
        if let Some(written) = &finished.scored.quarantine {
            let path = publication.quarantine.join("features.parquet");
            records.push(FileRecord::written(&path, written, self.plan.bad.len() as u64));
        }
        records
    }
}

/// Whether a `latest.json` is of a later date.
fn is_of_later(bytes: &[u8], as_of: &str) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    // Dates written year first sort as texts.
    value.as_ref().and_then(|value| value.get("as_of")?.as_str()).is_some_and(|date| date > as_of)
}

/// What was compared: with nothing to compare with, a check was not made.
fn checks(warnings: &[WarningRecord], finished: &Finished<'_>) -> Vec<&'static str> {
    let warned = |code: &str| warnings.iter().any(|warning| warning.code.ends_with(code));
    let with_drift = !finished.drift.is_empty() && finished.rows() >= LEAST_ROWS_FOR_DRIFT;
    let some = [
        ("input.digest", !warned("::no_digest")),
        ("input.definitions", !warned("::no_metadata") && !warned("::no_definition")),
        ("gate.accounts", finished.compared_accounts),
        ("gate.inputs", with_drift),
        ("gate.scores", with_drift),
    ];
    CHECKS.into_iter().chain(some.into_iter().filter(|(_, made)| *made).map(|(name, _)| name)).collect()
}

fn above_zero<'a>(names: impl Iterator<Item = &'a str>, counts: &[u64]) -> BTreeMap<&'a str, u64> {
    names.zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}
