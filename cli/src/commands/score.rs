//! `bellwether score`: features and scoring in one go, with the library that `bellwether-infer` is.

use std::num::NonZeroUsize;
use std::path::Path;

use bellwether_infer::observe::{Observer, Stage, Stop};
use bellwether_infer::score::{self, ScoreRequest, ScoreSummary};
use bellwether_infer::warning::Warning;

use super::export::{Parts, to_database};
use super::with_threads;
use crate::args::ScoreArguments;
use crate::business::Business;
use crate::failure::Failure;
use crate::fetch::Wanted;
use crate::output::{Output, grouped};
use crate::project::Project;
use crate::stop;

pub(crate) fn run(config: &Path, arguments: &ScoreArguments, output: &Output) -> Result<(), Failure> {
    let database = super::export::database(&arguments.database)?;
    let project = Project::load(config)?;
    // Before any work: a bundle that is not there is found at once.
    bellwether_models::registry::resolve(&arguments.bundle).map_err(|error| Failure::scoring(error.into()))?;
    let input = arguments.out.join("features").join(format!("as_of={}", arguments.as_of)).join("features.parquet");
    super::features::check_place(&input)?;
    let project = project.fetched(Wanted::Read, output)?;
    let summary = with_threads(arguments.threads, || {
        let business = output.step("read", || Business::read(&project), Business::summary)?;
        super::features::write(&business, &[arguments.as_of], &input, output)?;
        let request = ScoreRequest {
            as_of: Some(arguments.as_of),
            engine: arguments.engine.choice(),
            gates: arguments.gates.gates(),
            ..ScoreRequest::new(&arguments.bundle, &input, &arguments.out)
        };
        let summary = publish(request, output)?;
        let day = format!("as_of={}", arguments.as_of);
        let folder = arguments.out.join("quarantine").join(day).join(&summary.run_id);
        for path in business.quarantine(&folder, arguments.as_of)? {
            output.note(format_args!("bad rows: {}", path.display()));
        }
        Ok(summary)
    })?;
    output.result(summary.text());
    let published = (arguments.out.as_path(), arguments.as_of, Parts::Scores);
    database.map_or(Ok(()), |address| to_database(address, &arguments.database, published, output))
}

/// Scores a feature file and publishes the scores.
pub(super) fn publish(request: ScoreRequest, output: &Output) -> Result<ScoreSummary, Failure> {
    let threads = NonZeroUsize::new(rayon::current_num_threads()).unwrap_or(NonZeroUsize::MIN);
    let request = ScoreRequest { threads, ..request };
    output.step(
        "score",
        || stop::protect(|| score::run(&request, &Bar(output))).map_err(Failure::scoring),
        |summary| format!("{} accounts by {}", grouped(summary.counts.scored), summary.model),
    )
}

struct Bar<'a>(&'a Output);

impl Observer for Bar<'_> {
    fn stage(&self, stage: Stage) {
        self.0.advance(0, 0, stage.text());
    }

    fn progress(&self, done: u64, total: u64) {
        self.0.advance(done, total, "");
    }

    fn warning(&self, warning: &Warning) {
        let hint = miette::Diagnostic::help(warning).map(|help| format!(" ({help})")).unwrap_or_default();
        self.0.warn(format_args!("{warning}{hint}"));
    }

    fn stop(&self) -> Option<Stop> {
        stop::asked()
    }
}
