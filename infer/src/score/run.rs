//! The order of a run, from the first look at the input to the last rename.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use bellwether_models::drift::LEAST_ROWS_FOR_DRIFT;
use bellwether_models::{Bundle, scores};
use chrono::{DateTime, Utc};

use super::batch::{BatchScorer, ScoredBatch};
use super::describe::Finished;
use super::gate::{Before, Night};
use super::overview::Overview;
use super::recorder::Recorder;
use super::stream::{BadRows, ReadLane, Sorter};
use super::tally::{DriftRecord, Tally};
use super::{Counts, Moved, ReasonChoice, ScoreRequest, ScoreSummary, pipeline};
use crate::bundle;
use crate::engine;
use crate::error::InferError;
use crate::input::{Columns, FeatureFile, KeyPlan, Order, Rule};
use crate::observe::{Observer, Stage};
use crate::output::{OutputFolder, Publication, QuarantineWriter, ScoresWriter, Scratch, Staged, Written};
use crate::spill;
use crate::warning::Warning;

/// Scores a base and publishes the scores, or publishes nothing.
///
/// # Errors
/// Every [`InferError`]; [`InferError::exit_code`] is what the process should exit with.
pub fn run(request: &ScoreRequest, observer: &dyn Observer) -> Result<ScoreSummary, InferError> {
    run_or_stream(request, None, observer)
}

/// Scores a base and writes the rows of the scores to `sink`, or writes nothing: all checks and gates stand before the first
/// byte. Nothing else is written or published; the run of `request.out` before, if there is one, is compared with.
///
/// # Errors
/// As [`run`]; [`InferError::Io`] for a sink that fails.
pub fn run_into(
    request: &ScoreRequest,
    sink: &mut dyn Write,
    observer: &dyn Observer,
) -> Result<ScoreSummary, InferError> {
    run_or_stream(request, Some(sink), observer)
}

fn run_or_stream(
    request: &ScoreRequest,
    sink: Option<&mut dyn Write>,
    observer: &dyn Observer,
) -> Result<ScoreSummary, InferError> {
    let started_at = Utc::now();
    let observer = Recorder::new(observer);
    FeatureFile::look(&request.input)?;
    // What is not published is written where nobody looks, and goes with this run.
    let scratch = if request.dry_run || sink.is_some() { Some(Scratch::create()?) } else { None };
    let path = scratch.as_ref().map_or(request.out.as_path(), Scratch::path);
    // A folder that is there is taken at once, so that two runs do not both do the work. One that is not is made when the
    // bundle and the input are known to be good.
    let folder = if path.exists() { Some(OutputFolder::open(path)?) } else { None };
    let place = Place { path, folder, sink, started_at };
    observer.stage(Stage::LoadBundle);
    let bundle = bundle::load(&request.bundle)?;
    let engine = engine::start(&request.engine, &bundle, request.threads.get())?;
    warn_of_reasons(request, &bundle, &observer);
    let file = FeatureFile::open(&request.input, &request.limits, &observer)?;
    let result = run_on(request, &bundle, engine.as_ref(), &file, place, &observer);
    result.map_err(|error| file.digest.cause_of(error, &observer))
}

/// Where a run that began at a time writes to.
struct Place<'p, 's> {
    path: &'p Path,
    /// The folder at the path, where it was there.
    folder: Option<OutputFolder>,
    /// Takes the rows in place of publication.
    sink: Option<&'s mut dyn Write>,
    started_at: DateTime<Utc>,
}

/// The rest of a run, once the input is open.
fn run_on(
    request: &ScoreRequest,
    bundle: &Bundle,
    engine: &dyn engine::Engine,
    file: &FeatureFile,
    place: Place<'_, '_>,
    observer: &Recorder<'_>,
) -> Result<ScoreSummary, InferError> {
    let columns = Columns::find(file, bundle.signature(), observer)?;
    request.limits.check_decoded(&file.path, file.rows, columns.row_bytes)?;
    let spill = spill::folder(place.path);
    let plan = KeyPlan::read(file, &columns, request.as_of, &request.limits, &spill, observer)?;
    warn_of_keys(&plan, observer);
    let output = match place.folder {
        Some(folder) => folder,
        None => OutputFolder::open(place.path)?,
    };
    if output.leftovers > 0 {
        observer.warning(&Warning::Leftovers { count: output.leftovers });
    }
    let run = Run { request, bundle, file, columns: &columns, plan: &plan, observer };
    run.publish(engine, &output, place.sink, place.started_at)
}

/// What a run works on.
pub(super) struct Run<'a> {
    pub(super) request: &'a ScoreRequest,
    pub(super) bundle: &'a Bundle,
    pub(super) file: &'a FeatureFile,
    pub(super) columns: &'a Columns,
    pub(super) plan: &'a KeyPlan,
    pub(super) observer: &'a Recorder<'a>,
}

/// What scoring left in staging.
pub(super) struct Scored {
    pub(super) tally: Tally,
    pub(super) overview: Overview,
    pub(super) part: Written,
    pub(super) quarantine: Option<Written>,
    /// See [`super::manifest::Manifest`].
    pub(super) base_probabilities: BTreeMap<String, f64>,
}

impl Run<'_> {
    /// Scores, checks the counts, describes, and publishes.
    fn publish(
        &self,
        engine: &dyn engine::Engine,
        output: &OutputFolder,
        sink: Option<&mut dyn Write>,
        started_at: DateTime<Utc>,
    ) -> Result<ScoreSummary, InferError> {
        let time = started_at.format("%Y%m%dT%H%M%S%3fZ").to_string();
        let staged = Staged::create(output, &time)?;
        let scored = self.score(engine, &staged)?;
        self.observer.stage(Stage::VerifyInput);
        let input_sha256 = self.file.digest.verified(self.observer)?;
        let run_id = format!("{time}-{}", &input_sha256[..8]);
        let counts = self.counts(&scored.tally);
        counts.check()?;
        let drift = scored.tally.drift(self.bundle);
        self.warn_of_values(&scored.tally, &drift);
        let compared_accounts = self.check_gates(counts, &scored.tally, &drift)?;
        self.observer.stage(Stage::Publish);
        let (publication, engine) = (Publication::of(self.plan.as_of, &run_id), engine.name());
        let finished = Finished {
            run_id: &run_id,
            input_sha256,
            started_at,
            engine: &engine,
            counts,
            drift: &drift,
            scored: &scored,
            publication: &publication,
            compared_accounts,
        };
        self.describe(&finished, &staged)?;
        self.observer.check_stop()?;
        match sink {
            _ if self.request.dry_run => {}
            Some(sink) => copy(&staged.scores().join(self.request.format.part_name()), sink)?,
            None => publication.publish(output, &staged)?,
        }
        let root = &self.request.out;
        Ok(ScoreSummary {
            as_of: self.plan.as_of.to_string(),
            model: self.bundle.identity(),
            engine,
            counts,
            scores: root.join(&publication.scores),
            run: root.join(&publication.run),
            quarantine: scored.quarantine.as_ref().map(|_| root.join(&publication.quarantine)),
            warnings: self.observer.records(),
            dry_run: self.request.dry_run,
            moved_most: moved_most(&drift),
            run_id,
        })
    }

    /// Compares the run with what was known before it; whether there was a run before.
    fn check_gates(&self, counts: Counts, tally: &Tally, drift: &[DriftRecord]) -> Result<bool, InferError> {
        let (before, unreadable) = Before::find(&self.request.out, self.plan.as_of);
        if unreadable {
            self.observer.warning(&Warning::NoRunBefore);
        }
        let night = Night { bundle: self.bundle, counts, tally, drift, before: before.as_ref() };
        self.request.gates.check(&night)?;
        Ok(before.is_some())
    }

    /// The second pass: every good row of the date is scored and written to staging.
    fn score(&self, engine: &dyn engine::Engine, staged: &Staged) -> Result<Scored, InferError> {
        self.observer.stage(Stage::Score);
        let scorer = BatchScorer::new(self.bundle, self.columns, engine, self.request.reasons)?;
        let schema = scores::schema(&self.bundle.targets());
        let mut writer = ScoresWriter::create(&staged.scores(), &schema, self.plan.order, self.request.format)?;
        let mut quarantine = QuarantineWriter::new(staged.quarantine(), &self.file.path);
        let (threads, batch_rows) = (self.request.threads, self.request.batch_rows.get());
        let lanes = ReadLane::open_all(self.file, self.columns, batch_rows, threads.get(), self.observer)?;
        let sorter = Sorter { file: self.file, columns: self.columns, plan: self.plan, batch_rows };
        let mut tally = Tally::new(self.bundle);
        let mut overview = Overview::new(self.bundle.heads().len());
        pipeline::run_ordered(
            threads,
            lanes,
            ReadLane::next,
            |number, parts| {
                let (good, bad) = sorter.sort_out(number, parts)?;
                let scored = if good.num_rows() > 0 { Some(scorer.score(&good)?) } else { None };
                Ok((scored, bad))
            },
            |(scored, bad): (Option<ScoredBatch>, Option<BadRows>)| {
                if let Some(bad) = bad {
                    quarantine.push(&bad.rows, &bad.reasons)?;
                }
                let Some(scored) = scored else { return Ok(()) };
                tally.merge(&scored.tally);
                overview.add(&scored.overview);
                writer.push(scored.rows)
            },
        )?;
        let part = writer.finish()?;
        let quarantine = quarantine.finish()?;
        staged.mark_success()?;
        Ok(Scored { tally, overview, part, quarantine, base_probabilities: scorer.base_probabilities() })
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
            quarantined: quarantined.saturating_add(bad),
            ineligible,
        }
    }

    fn warn_of_values(&self, tally: &Tally, drift: &[DriftRecord]) {
        let infinite: Vec<u64> = tally.infinite.iter().copied().filter(|count| *count > 0).collect();
        if !infinite.is_empty() {
            self.observer.warning(&Warning::Infinite { values: infinite.iter().sum(), inputs: infinite.len() });
        }
        if tally.unusable_mrr > 0 {
            self.observer.warning(&Warning::UnusableMrr { accounts: tally.unusable_mrr });
        }
        let shifted = by_movement(drift).into_iter().filter(|record| record.is_large());
        let inputs: Vec<String> = shifted.map(|record| record.name.clone()).collect();
        if !inputs.is_empty() && self.plan.rows >= LEAST_ROWS_FOR_DRIFT {
            self.observer.warning(&Warning::Drift { inputs });
        }
    }
}

/// A file that is whole, to the sink.
fn copy(path: &Path, sink: &mut dyn Write) -> Result<(), InferError> {
    let mut file = File::open(path).map_err(|error| InferError::io(path, "read", error))?;
    let copied = std::io::copy(&mut file, sink).and_then(|_| sink.flush());
    copied.map_err(|error| InferError::io(Path::new("stdout"), "write", error))
}

/// What is named of drift on the terminal, at most.
const MOST_MOVED: usize = 10;

/// Those that moved most beyond their usual shift first.
fn by_movement(drift: &[DriftRecord]) -> Vec<&DriftRecord> {
    let mut sorted: Vec<&DriftRecord> = drift.iter().collect();
    sorted.sort_by(|one, other| {
        other.beyond_usual().total_cmp(&one.beyond_usual()).then_with(|| one.name.cmp(&other.name))
    });
    sorted
}

fn moved_most(drift: &[DriftRecord]) -> Vec<Moved> {
    let moved = |record: &&DriftRecord| Moved {
        name: record.name.clone(),
        population_stability_index: record.population_stability_index,
        usual_shift: record.usual_shift,
    };
    by_movement(drift).iter().take(MOST_MOVED).map(moved).collect()
}

/// Says for which targets reasons were asked for and cannot be given.
fn warn_of_reasons(request: &ScoreRequest, bundle: &Bundle, observer: &dyn Observer) {
    let targets = bundle.no_reasons().into_iter().map(|(target, why)| (target.to_owned(), why.to_owned()));
    let targets: Vec<(String, String)> = targets.collect();
    if request.reasons != ReasonChoice::None && !targets.is_empty() {
        observer.warning(&Warning::NoReasons { targets });
    }
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
