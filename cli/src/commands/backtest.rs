//! `bellwether backtest`.

use std::collections::BTreeMap;
use std::path::Path;

use bellwether_train::TrainError;
use bellwether_train::backtest::{Backtest, backtest_with};
use bellwether_train::checkpoint::Checkpoint;
use bellwether_train::dataset::Dataset;
use bellwether_train::export::{check_run_folder, write_run};
use bellwether_train::measure::Metric;
use bellwether_train::observer::{Observer, Progress, refit_name};
use bellwether_train::settings::BacktestSettings;
use bellwether_train::summary::{BacktestSummary, LearnerSummary, TargetSummary};
use sha2::{Digest, Sha256};

use super::{matrix, report, with_threads};
use crate::args::BacktestArguments;
use crate::business::Business;
use crate::failure::Failure;
use crate::fetch::Wanted;
use crate::output::{Output, grouped};
use crate::project::Project;
use crate::stop;

pub(crate) fn run(config: &Path, arguments: &BacktestArguments, output: &Output) -> Result<(), Failure> {
    check_run_folder(&arguments.out).map_err(Failure::training)?;
    with_threads(arguments.judging.threads, || {
        let given = matrix::dataset(&arguments.matrix, &arguments.judging, output)?;
        let Some((dataset, settings)) = given else { return run_project(config, arguments, output) };
        finish(&dataset, &settings, None, arguments, output)
    })?;
    output.result(format_args!("{}", arguments.out.display()));
    Ok(())
}

fn run_project(config: &Path, arguments: &BacktestArguments, output: &Output) -> Result<(), Failure> {
    let project = Project::load(config)?;
    let settings = project.backtest_settings(Some(&arguments.judging.learners))?;
    let project = project.fetched(Wanted::Read, output)?;
    let business = output.step("read", || Business::read(&project), Business::summary)?;
    let dataset = dataset(&business, &settings, arguments.judging.known_as_of, output)?;
    finish(&dataset, &settings, Some((&project, &business)), arguments, output)
}

/// Judges, writes the run, and shows the table.
fn finish(
    dataset: &Dataset,
    settings: &BacktestSettings,
    of: Option<(&Project, &Business<'_>)>,
    arguments: &BacktestArguments,
    output: &Output,
) -> Result<(), Failure> {
    let checkpoint = checkpoint(&arguments.out, arguments.judging.resume, output)?;
    let none = BTreeMap::new();
    let glossary = of.map_or(&none, |(project, _)| &project.contract.glossary);
    let mut backtest = judge(dataset, settings, glossary, checkpoint.as_ref(), output)?;
    report::add_insights(&mut backtest, of.map(|(_, business)| business), dataset, settings, output)?;
    stop::protect(|| {
        write_run(dataset, &backtest, &arguments.out)?;
        // Nothing is lost now that the run is in its place.
        if let Some(checkpoint) = checkpoint {
            checkpoint.remove();
        }
        Ok::<_, TrainError>(())
    })
    .map_err(Failure::training)?;
    for line in table(&backtest.summary) {
        output.result(line);
    }
    Ok(())
}

/// Features and labels of every observation date.
pub(super) fn dataset(
    business: &Business<'_>,
    settings: &BacktestSettings,
    known_as_of: Option<chrono::NaiveDate>,
    output: &Output,
) -> Result<Dataset, Failure> {
    let until = known_as_of.map_or_else(|| business.known_until(), Ok)?;
    for line in business.left_out(until) {
        output.warn(line);
    }
    if let Some(line) = business.not_replayable() {
        output.note(line);
    }
    output.step(
        "features",
        || business.dataset(settings, known_as_of),
        |dataset| {
            format!(
                "{} rows x {} signals, labels of {} targets known before {}",
                grouped(dataset.rows() as u64),
                dataset.signals().len(),
                dataset.labels().len(),
                dataset.data_end()
            )
        },
    )
}

/// Where the refits of a run wait until it stands at `place`.
pub(super) fn checkpoint(place: &Path, resume: bool, output: &Output) -> Result<Option<Checkpoint>, Failure> {
    let folder = Checkpoint::folder_beside(place);
    if resume && !folder.is_dir() {
        output.note(format_args!("{}: no run was cut off here; this one begins anew", folder.display()));
    }
    Checkpoint::open(place, &build(), resume, &Bar::new(output)).map_err(Failure::training)
}

/// This very program: what another build computed is not taken over.
fn build() -> String {
    // The link leads to the program even when its file has been replaced since.
    let program = std::fs::read("/proc/self/exe").or_else(|_| std::fs::read(std::env::current_exe()?));
    program.map_or_else(|_| "unknown".to_owned(), |bytes| format!("{:02x?}", Sha256::digest(bytes).as_slice()))
}

/// Runs the backtest and says what it warned of; the project's glossary goes with it to the pages.
pub(super) fn judge(
    dataset: &Dataset,
    settings: &BacktestSettings,
    glossary: &BTreeMap<String, String>,
    checkpoint: Option<&Checkpoint>,
    output: &Output,
) -> Result<Backtest, Failure> {
    let bar = Bar::new(output);
    let mut backtest = output.step(
        "backtest",
        || backtest_with(dataset, settings, checkpoint, &bar).map_err(Failure::training),
        |backtest| {
            let best = backtest.summary.targets.iter().map(|one| format!("{}: {}", one.definition.name, one.selected));
            let held_out = || format!("on held-out {}", backtest.summary.witness().many());
            let how = if backtest.summary.is_dated() { "out of time".to_owned() } else { held_out() };
            format!("chosen {how}: {}", best.collect::<Vec<_>>().join(", "))
        },
    )?;
    if bar.taken_over.get() > 0 {
        output.note(format_args!("{} refits of the run that was cut off were taken over", bar.taken_over.get()));
    }
    for warning in &backtest.summary.warnings {
        output.warn(format_args!("[{}] {}", warning.code, warning.text));
    }
    backtest.summary.glossary.clone_from(glossary);
    Ok(backtest)
}

/// The learners of each target, side by side, best first.
pub(super) fn table(summary: &BacktestSummary) -> Vec<String> {
    summary.targets.iter().flat_map(target_table).collect()
}

fn target_table(target: &TargetSummary) -> Vec<String> {
    let mut learners: Vec<_> = target.learners.iter().collect();
    learners.sort_by(|a, b| a.metrics.log_loss.total_cmp(&b.metrics.log_loss));
    let rows = if target.is_dated() {
        format!("{} to {}", target.test_from, target.test_to)
    } else {
        format!("predicted by models fitted on other {}; time was not tested", target.witness.many())
    };
    let mut lines = vec![format!("{}: {rows}", target.definition.name)];
    lines.push(
        "  learner        log loss  (95 % interval)   ROC AUC  avg. precision  Brier   slope  obs./exp.  lift@5%  lift@10%  \
         MRR captured"
            .to_owned(),
    );
    for learner in learners {
        let metrics = &learner.metrics;
        lines.push(format!(
            "  {:<13}  {:>8.4}  {:<16}  {:>7}  {:>14}  {:.4}  {:>5}  {:>9}  {:>7}  {:>8}  {:>12}",
            learner.learner.name(),
            metrics.log_loss,
            log_loss_interval(learner),
            optional(metrics.roc_auc, 4),
            optional(metrics.average_precision, 4),
            metrics.brier,
            optional(metrics.calibration_slope, 2),
            optional(metrics.observed_over_expected, 2),
            optional(metrics.lift_at_5_percent, 2),
            optional(metrics.lift_at_10_percent, 2),
            metrics.mrr_captured.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        ));
    }
    lines.push(format!("  {}", target.selected_because));
    lines
}

fn log_loss_interval(learner: &LearnerSummary) -> String {
    let interval = learner.intervals.as_ref().and_then(|intervals| intervals.get(Metric::LogLoss));
    interval.map_or_else(|| "-".to_owned(), |one| format!("{:.4} to {:.4}", one.low, one.high))
}

fn optional(value: impl Into<Option<f64>>, digits: usize) -> String {
    value.into().map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// Fits done, on a bar.
pub(super) struct Bar<'a> {
    output: &'a Output,
    done: std::cell::Cell<u64>,
    planned: std::cell::Cell<u64>,
    taken_over: std::cell::Cell<u64>,
}

impl<'a> Bar<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        let zero = || std::cell::Cell::new(0);
        Self { output, done: zero(), planned: zero(), taken_over: zero() }
    }

    fn advance(&self, fits: u64, what: &str) {
        self.done.set(self.done.get() + fits);
        self.output.advance(self.done.get(), self.planned.get(), what);
    }
}

impl Observer for Bar<'_> {
    fn notice(&self, event: &Progress<'_>) {
        match event {
            Progress::Planned { fits } => self.planned.set(*fits as u64),
            Progress::Fitted { target, learner, refit, .. } => {
                self.advance(1, &format!("{target} {}, {}", learner.name(), refit_name(*refit)));
            }
            Progress::TakenOver { target, refit, fits } => {
                self.taken_over.set(self.taken_over.get() + 1);
                self.advance(*fits as u64, &format!("{target}, {}", refit_name(*refit)));
            }
            Progress::Warned { code, text } => self.output.warn(format_args!("[{code}] {text}")),
        }
    }

    fn protect(&self, work: &mut dyn FnMut()) {
        stop::protect(work);
    }
}
