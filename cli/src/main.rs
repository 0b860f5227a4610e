//! The `bellwether` command: parses, runs, prints causes, exits with a documented code.

mod args;
mod business;
mod call_list;
mod commands;
mod failure;
mod output;
mod project;
mod project_file;

use std::process::ExitCode as ProcessExit;

use bellwether_infer::exit::ExitCode;
use bellwether_infer::logging;
use clap::Parser;

use crate::args::Arguments;
use crate::output::Output;

fn main() -> ProcessExit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are results, the rest is wrong usage; a closed stream changes neither.
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done };
            let _ = error.print();
            return code.into();
        }
    };
    let common = &arguments.common;
    logging::start(common.log_format(), common.quiet, common.color());
    let output = Output::new(common);
    match commands::run(&arguments, &output) {
        Ok(()) => ExitCode::Done.into(),
        Err(failure) => {
            logging::error(common.log_format(), failure.diagnostic.as_ref());
            failure.exit.into()
        }
    }
}
