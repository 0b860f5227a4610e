//! `bellwether-infer`: the lean scorer. Parses, runs, prints causes, exits with a documented code.

mod command_line;
mod terminal;
mod verbs;

use std::process::ExitCode as ProcessExit;

use bellwether_infer::exit::ExitCode;
use bellwether_infer::logging;
use clap::Parser;

use crate::command_line::Arguments;

fn main() -> ProcessExit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are results; the rest is wrong usage. A closed stream is no reason to fail differently.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage.into() } else { ExitCode::Done.into() };
        }
    };
    let format = arguments.common.log_format();
    logging::start(format, arguments.common.quiet, arguments.common.color());
    match verbs::run(&arguments) {
        Ok(()) => ExitCode::Done.into(),
        Err(error) => {
            logging::error(format, &error);
            error.exit_code().into()
        }
    }
}
