//! The order of a run, from the lock to the last rename.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bellwether_models::{Bundle, scores};
use chrono::{DateTime, Utc};

use super::batch::BatchScorer;
use super::manifest::{CHECKS, FORMAT, FileRecord, Latest, Manifest, ModelRecord, RunResults, Tool, timestamp};
use super::stream::RowStream;
use super::tally::{DriftRecord, LARGE_SHIFT, LEAST_ROWS_FOR_DRIFT, Tally};
use super::{Counts, ScoreRequest, ScoreSummary, pipeline};
use crate::bundle;
use crate::engine;
use crate::error::InferError;
use crate::exit::ExitCode;
use crate::input::{Columns, FeatureFile, KeyPlan, Order, Rule};
use crate::observe::{Observer, Stage, Stop};
use crate::output::{OutputFolder, Publication, QuarantineWriter, ScoresWriter, Staged, Written, write_json};
use crate::warning::{Warning, WarningRecord};

/// Scores a base and publishes the scores, or publishes nothing.
///
/// # Errors
/// Every [`InferError`]; [`InferError::exit_code`] is what the process should exit with.
pub fn run(request: &ScoreRequest, observer: &dyn Observer) -> Result<ScoreSummary, InferError> {
    let started_at = Utc::now();
    let observer = Recorder { inner: observer, warnings: Mutex::default() };
    let output = OutputFolder::open(&request.out)?;
    if output.leftovers > 0 {
        observer.warning(&Warning::Leftovers { count: output.leftovers });
    }
    observer.stage(Stage::LoadBundle);
    let bundle = bundle::load(&request.bundle)?;
    let engine = engine::start(&request.engine, &bundle, request.threads.get())?;
    let file = FeatureFile::open(&request.input, &request.limits, &observer)?;
    let columns = Columns::find(&file, bundle.signature(), &observer)?;
    request.limits.check_decoded(&file.path, file.rows, columns.row_bytes)?;
    let plan = KeyPlan::read(&file, &columns, request.as_of, &request.limits, &observer)?;
    warn_of_keys(&plan, &observer);
    let run = Run { request, bundle: &bundle, file: &file, columns: &columns, plan: &plan, observer: &observer };
    let run_id = format!("{}-{}", started_at.format("%Y%m%dT%H%M%S%3fZ"), &file.sha256[..8]);
    let staged = Staged::create(&output, &run_id)?;
    let scored = run.score(engine.as_ref(), &staged)?;
    let counts = run.counts(&scored.tally);
    counts.check()?;
    let drift = scored.tally.drift(&bundle);
    run.warn_of_values(&scored.tally, &drift);
    observer.stage(Stage::Publish);
    let publication = Publication::of(plan.as_of, &run_id);
    let finished =
        Finished { run_id: &run_id, started_at, engine: engine.name(), counts, drift, scored: &scored, publication: &publication };
    run.describe(&finished, &staged)?;
    observer.check_stop()?;
    publication.publish(&output, &staged)?;
    Ok(ScoreSummary {
        as_of: plan.as_of.to_string(),
        model: bundle.identity(),
        engine: finished.engine,
        counts,
        scores: output.root.join(&publication.scores),
        run: output.root.join(&publication.run),
        quarantine: scored.quarantine.as_ref().map(|_| output.root.join(&publication.quarantine)),
        warnings: observer.records(),
        run_id,
    })
}

/// What a run works on.
struct Run<'a> {
    request: &'a ScoreRequest,
    bundle: &'a Bundle,
    file: &'a FeatureFile,
    columns: &'a Columns,
    plan: &'a KeyPlan,
    observer: &'a Recorder<'a>,
}

/// What scoring left in staging.
struct Scored {
    tally: Tally,
    part: Written,
    quarantine: Option<Written>,
}

/// What is told about a finished run.
struct Finished<'a> {
    run_id: &'a str,
    started_at: DateTime<Utc>,
    engine: String,
    counts: Counts,
    drift: Vec<DriftRecord>,
    scored: &'a Scored,
    publication: &'a Publication,
}

impl Run<'_> {
    /// The second pass: every good row of the date is scored and written to staging.
    fn score(&self, engine: &dyn engine::Engine, staged: &Staged) -> Result<Scored, InferError> {
        self.observer.stage(Stage::Score);
        let scorer = BatchScorer::new(self.bundle, self.columns, engine, self.request.reasons)?;
        let schema = scores::schema(&self.bundle.targets());
        let mut writer = ScoresWriter::create(&staged.scores(), &schema, self.plan.order)?;
        let quarantine = QuarantineWriter::new(staged.quarantine(), &self.file.path);
        let batch_rows = self.request.batch_rows.get();
        let mut stream = RowStream::open(self.file, self.columns, self.plan, batch_rows, quarantine, self.observer)?;
        let mut tally = Tally::new(self.bundle);
        pipeline::run_ordered(
            self.request.threads,
            || stream.next_good(),
            |batch| scorer.score(&batch),
            |scored| {
                tally.merge(&scored.tally);
                writer.push(scored.rows)
            },
        )?;
        let part = writer.finish()?;
        let quarantine = stream.quarantine.finish()?;
        staged.mark_success()?;
        Ok(Scored { tally, part, quarantine })
    }

    /// What became of the accounts: as the metadata of a file of one date says, else of the rows of the date.
    fn counts(&self, tally: &Tally) -> Counts {
        let bad = self.plan.bad.len() as u64;
        let facts = self.file.facts.as_ref().filter(|facts| facts.as_of == [self.plan.as_of]);
        let (given, quarantined, ineligible) =
            facts.map_or((self.plan.rows, 0, 0), |facts| (facts.accounts_given, facts.quarantined, facts.ineligible));
        Counts {
            given,
            scored: tally.scored,
            partial: tally.partial,
            not_scored: tally.not_scored,
            quarantined: quarantined + bad,
            ineligible,
        }
    }

    fn warn_of_values(&self, tally: &Tally, drift: &[DriftRecord]) {
        let infinite: Vec<u64> = tally.infinite.iter().copied().filter(|count| *count > 0).collect();
        if !infinite.is_empty() {
            self.observer.warning(&Warning::Infinite { values: infinite.iter().sum(), inputs: infinite.len() });
        }
        let shifted = drift.iter().filter(|record| record.population_stability_index > LARGE_SHIFT);
        let inputs: Vec<String> = shifted.map(|record| record.name.clone()).collect();
        if !inputs.is_empty() && self.plan.rows >= LEAST_ROWS_FOR_DRIFT {
            self.observer.warning(&Warning::Drift { inputs });
        }
    }

    /// Writes manifest, results and `latest.json` into staging.
    fn describe(&self, finished: &Finished<'_>, staged: &Staged) -> Result<(), InferError> {
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
            checks: &CHECKS,
            warnings: &warnings,
        };
        write_json(&staged.run().join("run_results.json"), &results)?;
        let latest = Latest {
            format: FORMAT,
            run_id,
            as_of: &as_of,
            model: self.bundle.identity(),
            scores: publication.scores.display().to_string(),
            manifest: publication.run.join("manifest.json").display().to_string(),
        };
        write_json(&staged.latest(), &latest).map(drop)
    }

    fn manifest<'b>(&'b self, finished: &'b Finished<'_>, as_of: &'b str) -> Manifest<'b> {
        let (request, scored, counts) = (self.request, finished.scored, finished.counts);
        let signature = self.bundle.signature();
        let numeric = signature.numeric_inputs().map(|(_, input)| input.name.as_str());
        let categories = signature.category_inputs().map(|(_, input, _)| input.name.as_str());
        let facts = self.file.facts.as_ref();
        let input = FileRecord {
            path: self.file.path.display().to_string(),
            bytes: self.file.bytes,
            rows: self.file.rows,
            sha256: self.file.sha256.clone(),
        };
        let part: PathBuf = finished.publication.scores.join("part-00000.parquet");
        let mut outputs =
            vec![FileRecord::written(&part, &scored.part, counts.scored + counts.partial + counts.not_scored)];
        if let Some(written) = &scored.quarantine {
            let path = finished.publication.quarantine.join("features.parquet");
            outputs.push(FileRecord::written(&path, written, self.plan.bad.len() as u64));
        }
        Manifest {
            format: FORMAT,
            run_id: finished.run_id,
            as_of,
            exit_code: ExitCode::Done.code(),
            started_at: timestamp(finished.started_at),
            finished_at: timestamp(Utc::now()),
            tool: Tool::this(),
            engine: finished.engine.clone(),
            threads: request.threads.get(),
            batch_rows: request.batch_rows.get(),
            reasons: request.reasons,
            model: ModelRecord::of(self.bundle, &request.bundle),
            inputs: vec![input],
            outputs,
            counts,
            status_reasons: &scored.tally.status_reasons,
            cut_offs: self.bundle.policy(),
            unknown_categories: above_zero(categories, &scored.tally.unknown),
            infinite_values: above_zero(numeric, &scored.tally.infinite),
            missing_tables: facts.map_or(&[], |facts| &facts.missing_tables),
            table_ages_hours: facts
                .into_iter()
                .flat_map(|facts| facts.table_ages_hours.iter().map(|(table, hours)| (table.as_str(), *hours)))
                .collect(),
            drift: finished.drift.clone(),
        }
    }
}

fn above_zero<'a>(names: impl Iterator<Item = &'a str>, counts: &[u64]) -> BTreeMap<&'a str, u64> {
    names.zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}

fn warn_of_keys(plan: &KeyPlan, observer: &dyn Observer) {
    if plan.order == Order::Unsorted {
        observer.warning(&Warning::Unsorted { rows: plan.rows });
    }
    if plan.bad.is_empty() {
        return;
    }
    let mut by_rule: BTreeMap<Rule, u64> = BTreeMap::new();
    for rule in plan.bad.values() {
        *by_rule.entry(*rule).or_default() += 1;
    }
    let rules: Vec<String> = by_rule.iter().map(|(rule, count)| format!("{}: {count}", rule.code())).collect();
    observer.warning(&Warning::Quarantined { rows: plan.bad.len() as u64, rules: rules.join(", ") });
}

/// Passes everything on, and remembers the warnings for `run_results.json`.
struct Recorder<'a> {
    inner: &'a dyn Observer,
    warnings: Mutex<Vec<WarningRecord>>,
}

impl Recorder<'_> {
    fn records(&self) -> Vec<WarningRecord> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check_stop(&self) -> Result<(), InferError> {
        self.stop().map_or(Ok(()), |stop| Err(InferError::Stopped { stop }))
    }
}

impl Observer for Recorder<'_> {
    fn stage(&self, stage: Stage) {
        self.inner.stage(stage);
    }

    fn progress(&self, done: u64, total: u64) {
        self.inner.progress(done, total);
    }

    fn warning(&self, warning: &Warning) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(WarningRecord::from(warning));
        self.inner.warning(warning);
    }

    fn stop(&self) -> Option<Stop> {
        self.inner.stop()
    }
}
