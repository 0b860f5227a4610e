//! The order of a run, from the first look at the input to the last rename.

use std::collections::BTreeMap;

use bellwether_models::drift::LEAST_ROWS_FOR_DRIFT;
use bellwether_models::{Bundle, scores};
use chrono::{DateTime, Utc};

use super::batch::BatchScorer;
use super::describe::Finished;
use super::overview::Overview;
use super::recorder::Recorder;
use super::stream::RowStream;
use super::tally::{DriftRecord, Tally};
use super::{Counts, ReasonChoice, ScoreRequest, ScoreSummary, pipeline};
use crate::bundle;
use crate::engine;
use crate::error::InferError;
use crate::input::{Columns, FeatureFile, KeyPlan, Order, Rule};
use crate::observe::{Observer, Stage};
use crate::output::{OutputFolder, Publication, QuarantineWriter, ScoresWriter, Staged, Written};
use crate::warning::Warning;

/// Scores a base and publishes the scores, or publishes nothing.
///
/// # Errors
/// Every [`InferError`]; [`InferError::exit_code`] is what the process should exit with.
pub fn run(request: &ScoreRequest, observer: &dyn Observer) -> Result<ScoreSummary, InferError> {
    let started_at = Utc::now();
    let observer = Recorder::new(observer);
    FeatureFile::look(&request.input)?;
    // A folder that is there is taken at once, so that two runs do not both do the work. One that is not is made when the
    // bundle and the input are known to be good.
    let output = if request.out.exists() { Some(OutputFolder::open(&request.out)?) } else { None };
    observer.stage(Stage::LoadBundle);
    let bundle = bundle::load(&request.bundle)?;
    let engine = engine::start(&request.engine, &bundle, request.threads.get())?;
    warn_of_reasons(request, &bundle, &observer);
    let file = FeatureFile::open(&request.input, &request.limits, &observer)?;
    let columns = Columns::find(&file, bundle.signature(), &observer)?;
    request.limits.check_decoded(&file.path, file.rows, columns.row_bytes)?;
    let plan = KeyPlan::read(&file, &columns, request.as_of, &request.limits, &observer)?;
    warn_of_keys(&plan, &observer);
    let output = match output {
        Some(output) => output,
        None => OutputFolder::open(&request.out)?,
    };
    if output.leftovers > 0 {
        observer.warning(&Warning::Leftovers { count: output.leftovers });
    }
    let run = Run { request, bundle: &bundle, file: &file, columns: &columns, plan: &plan, observer: &observer };
    run.publish(engine.as_ref(), &output, started_at)
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
}

impl Run<'_> {
    /// Scores, checks the counts, describes, and publishes.
    fn publish(
        &self,
        engine: &dyn engine::Engine,
        output: &OutputFolder,
        started_at: DateTime<Utc>,
    ) -> Result<ScoreSummary, InferError> {
        let run_id = format!("{}-{}", started_at.format("%Y%m%dT%H%M%S%3fZ"), &self.file.sha256[..8]);
        let staged = Staged::create(output, &run_id)?;
        let scored = self.score(engine, &staged)?;
        let counts = self.counts(&scored.tally);
        counts.check()?;
        let drift = scored.tally.drift(self.bundle);
        self.warn_of_values(&scored.tally, &drift);
        self.observer.stage(Stage::Publish);
        let (publication, engine) = (Publication::of(self.plan.as_of, &run_id), engine.name());
        let finished = Finished {
            run_id: &run_id,
            started_at,
            engine: &engine,
            counts,
            drift: &drift,
            scored: &scored,
            publication: &publication,
        };
        self.describe(&finished, &staged)?;
        self.observer.check_stop()?;
        publication.publish(output, &staged)?;
        Ok(ScoreSummary {
            as_of: self.plan.as_of.to_string(),
            model: self.bundle.identity(),
            engine,
            counts,
            scores: output.root.join(&publication.scores),
            run: output.root.join(&publication.run),
            quarantine: scored.quarantine.as_ref().map(|_| output.root.join(&publication.quarantine)),
            warnings: self.observer.records(),
            run_id,
        })
    }

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
        let mut overview = Overview::new(self.bundle.heads().len());
        pipeline::run_ordered(
            self.request.threads,
            || stream.next_good(),
            |batch| scorer.score(&batch),
            |scored| {
                tally.merge(&scored.tally);
                overview.add(&scored.overview);
                writer.push(scored.rows)
            },
        )?;
        let part = writer.finish()?;
        let quarantine = stream.quarantine.finish()?;
        staged.mark_success()?;
        Ok(Scored { tally, overview, part, quarantine })
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
        if tally.unusable_mrr > 0 {
            self.observer.warning(&Warning::UnusableMrr { accounts: tally.unusable_mrr });
        }
        let shifted = drift.iter().filter(|record| record.is_large());
        let inputs: Vec<String> = shifted.map(|record| record.name.clone()).collect();
        if !inputs.is_empty() && self.plan.rows >= LEAST_ROWS_FOR_DRIFT {
            self.observer.warning(&Warning::Drift { inputs });
        }
    }
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
