//! One file per verb: read the project, call the libraries, say what came out.

mod account;
mod backtest;
mod check;
mod demo;
mod export;
mod features;
mod import;
mod init;
mod matrix;
mod models;
mod outlook;
mod outlook_base;
mod outlook_forecast;
mod page_file;
mod partitions;
mod report;
mod score;
mod signals;
mod simulate;
mod train;

use std::path::Path;

use bellwether_features::contract::read_source;

use crate::args::{Arguments, Command, ThreadArguments};
use crate::failure::Failure;
use crate::output::Output;
use crate::project_file;

/// Runs the command that was asked for.
pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let config = arguments.config();
    match &arguments.command {
        Command::Demo(demo) => {
            refuse_other_config(arguments, "demo", &demo.dir)?;
            demo::run(demo, output)
        }
        Command::Init(init) => {
            refuse_other_config(arguments, "init", &init.directory)?;
            init::run(init, output)
        }
        Command::Simulate(simulate) => {
            refuse_other_config(arguments, "simulate", &simulate.out)?;
            simulate::run(simulate, output)
        }
        Command::Check(check) => check::run(config, check, output),
        Command::Signals(signals) => signals::run(arguments, signals, output),
        Command::Features(features) => features::run(config, features, output),
        Command::Backtest(backtest) => backtest::run(config, backtest, output),
        Command::Train(train) => train::run(config, train, output),
        Command::Models(models) => {
            // Nothing in it concerns a registry, but a file that was named must be there.
            arguments.given_config().map(read_source).transpose().map_err(Failure::contract)?;
            models::run(models, output)
        }
        Command::Report(report) => report::run(report, output),
        Command::Score(score) => score::run(config, score, output),
        Command::Outlook(outlook) => outlook::run(config, outlook, output),
        Command::Account(account) => account::run(config, account, output),
        Command::Export(export) => {
            // Nothing in it concerns what was published, but a file that was named must be there.
            arguments.given_config().map(read_source).transpose().map_err(Failure::contract)?;
            export::run(export, output)
        }
    }
}

/// Refuses a `--config` that is not the project file which the command itself writes and reads; `command` says which does.
fn refuse_other_config(arguments: &Arguments, command: &str, folder: &Path) -> Result<(), Failure> {
    let own = folder.join(project_file::FILE_NAME);
    match arguments.config_flag() {
        Some(given) if !is_same_place(given, &own) => Err(Failure::configuration(
            format!("--config: expected {}, which `{command}` writes, found {}", own.display(), given.display()),
            format!("leave --config out, or give the folder of {} to `{command}`", given.display()),
        )),
        _ => Ok(()),
    }
}

fn is_same_place(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    matches!((place(one), place(other)), (Ok(one), Ok(other)) if one == other)
}

/// Runs the work on as many threads as were asked for.
fn with_threads<T: Send>(
    threads: ThreadArguments,
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    let count = threads.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .build()
        .map_err(|error| Failure::configuration(format!("--threads: {error}"), "ask for fewer threads"))?;
    pool.install(work)
}
