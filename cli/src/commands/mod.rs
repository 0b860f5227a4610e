//! One file per verb: read the project, call the libraries, say what came out.

mod backtest;
mod check;
mod demo;
mod features;
mod init;
mod models;
mod score;
mod simulate;
mod train;

use std::path::PathBuf;

use crate::args::{Arguments, Command, ThreadArguments};
use crate::failure::Failure;
use crate::output::Output;

/// Runs the command that was asked for.
pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let config = arguments.config();
    match &arguments.command {
        Command::Demo(demo) => demo::run(demo, output),
        Command::Init(init) => init::run(init, output),
        Command::Simulate(simulate) => simulate::run(simulate, output),
        Command::Check(check) => check::run(&config, check, output),
        Command::Features(features) => features::run(&config, features, output),
        Command::Backtest(backtest) => backtest::run(&config, backtest, output),
        Command::Train(train) => train::run(&config, train, output),
        Command::Models(models) => models::run(models, output),
        Command::Score(score) => score::run(&config, score, output),
    }
}

impl Arguments {
    /// The project file: flag, then `BELLWETHER_CONFIG`, then the file in the present folder.
    fn config(&self) -> PathBuf {
        self.common
            .config
            .clone()
            .or_else(|| std::env::var_os("BELLWETHER_CONFIG").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from(crate::project_file::FILE_NAME))
    }
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
