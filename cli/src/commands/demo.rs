//! `bellwether demo`: the whole path on a simulated business, through the same functions as the single verbs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use bellwether_infer::score::ScoreRequest;
use bellwether_models::scores::REASONS;
use bellwether_outlook::scored::ScoredBase;
use bellwether_train::export::write_run;
use bellwether_train::truth::{TruthMetrics, judge_truth};

use super::{backtest, features, report, score, simulate, train, with_threads};
use crate::args::DemoArguments;
use crate::business::Business;
use crate::call_list::most_worth_a_call;
use crate::failure::Failure;
use crate::output::Output;
use crate::project::Project;
use crate::{project_file, stop};

/// How many accounts the demo prints.
const CALLS: usize = 10;

/// Where everything is.
struct Places {
    config: PathBuf,
    truth: PathBuf,
    run: PathBuf,
    registry: PathBuf,
    features: PathBuf,
    out: PathBuf,
}

impl Places {
    fn below(dir: &Path) -> Self {
        Self {
            config: dir.join(project_file::FILE_NAME),
            truth: dir.join("truth").join("probabilities.parquet"),
            run: dir.join("runs").join("demo"),
            registry: dir.join("registry"),
            features: dir.join("features.parquet"),
            out: dir.join("out"),
        }
    }
}

pub(crate) fn run(arguments: &DemoArguments, output: &Output) -> Result<(), Failure> {
    let started = Instant::now();
    with_threads(arguments.threads, || whole_path(arguments, output))?;
    output.note(format_args!("done in {:.0} s", started.elapsed().as_secs_f64()));
    Ok(())
}

fn whole_path(arguments: &DemoArguments, output: &Output) -> Result<(), Failure> {
    let places = Places::below(&arguments.dir);
    simulate::write(&arguments.business, true, &arguments.dir, output)?;
    let project = Project::load(&places.config)?;
    let settings = project.backtest_settings(Some(&arguments.learners))?;
    let business = output.step("read", || Business::read(&project), Business::summary)?;
    let as_of = business.known_until()?;

    let dataset = backtest::dataset(&business, &settings, None, output)?;
    let mut judged = backtest::judge(&dataset, &settings, &project.contract.glossary, None, output)?;
    report::add_insights(&mut judged, Some(&business), &dataset, &settings, output)?;
    stop::protect(|| write_run(&dataset, &judged, &places.run)).map_err(Failure::training)?;

    let name = project.contract.name.as_str();
    train::write(&dataset, &judged, &settings, Some(&project), (&places.registry, name), output)?;
    features::write(&business, &[as_of], &places.features, output)?;
    let bundle = format!("{}/{name}@champion", places.registry.display());
    let request = ScoreRequest { as_of: Some(as_of), ..ScoreRequest::new(bundle, &places.features, &places.out) };
    let summary = score::publish(request, output)?;

    output.result("");
    for line in backtest::table(&judged.summary) {
        output.result(line);
    }
    print_truth(&judge_truth(&dataset, &settings, &judged, &places.truth).map_err(Failure::training)?, output);
    output.result("");
    print_calls(&places.out, &project, as_of, output)?;
    print_places(&places, &summary.scores, output);
    Ok(())
}

/// What nobody can know: the same measures of the true probabilities, given the hidden state.
fn print_truth(truths: &[TruthMetrics], output: &Output) {
    output.result("the true probabilities, given each account's hidden state, on the same rows:");
    for truth in truths {
        let metrics = &truth.metrics;
        let roc_auc = metrics.roc_auc.unwrap_or(f64::NAN);
        output.result(format_args!("  {:<13}  {:>8.4}  {roc_auc:>7.4}", truth.target, metrics.log_loss));
    }
}

fn print_calls(out: &Path, project: &Project, as_of: chrono::NaiveDate, output: &Output) -> Result<(), Failure> {
    let base = ScoredBase::read(out, as_of, REASONS).map_err(Failure::scores)?;
    output.result(format_args!(
        "The {CALLS} accounts most worth a call on {as_of}, by MRR at risk and expected expansion:"
    ));
    for (index, call) in most_worth_a_call(&base, CALLS).iter().enumerate() {
        for line in call.lines(index + 1, &project.contract.currency) {
            output.result(line);
        }
    }
    output.result("");
    Ok(())
}

fn print_places(places: &Places, scores: &Path, output: &Output) {
    for (what, path) in [
        ("project file", places.config.as_path()),
        ("backtest", places.run.as_path()),
        ("report", places.run.join("report.html").as_path()),
        ("registry", places.registry.as_path()),
        ("features", places.features.as_path()),
        ("scores", scores),
        ("truth", places.truth.as_path()),
    ] {
        output.result(format_args!("{what:<13} {}", path.display()));
    }
}
