//! The `bellwether` command: parses, runs, prints causes, exits with a documented code.

mod adoption;
mod args;
mod business;
mod call_list;
mod commands;
mod failure;
mod fetch;
mod outlook_accounts;
mod output;
mod project;
mod project_file;
mod stop;
mod worth_outlook;

use std::process::ExitCode as ProcessExit;

use bellwether_infer::exit::ExitCode;
use bellwether_infer::{logging, signals};

use crate::args::Arguments;
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ProcessExit {
    let arguments = match Arguments::read() {
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
    if let Err(error) = signals::survive_file_size_limit().and_then(|()| stop::start(common)) {
        output.warn(format_args!("signals cannot be caught, so a stopped run may leave a hidden file behind: {error}"));
    }
    // A library that panics on a damaged file is caught where it is called; its own words would only confuse.
    std::panic::set_hook(Box::new(|_| {}));
    let work = std::panic::AssertUnwindSafe(|| commands::run(&arguments, &output));
    match std::panic::catch_unwind(work).unwrap_or_else(|payload| Err(Failure::bug(payload.as_ref()))) {
        Ok(()) => match output.lost() {
            None => ExitCode::Done.into(),
            Some(error) => {
                let failure = Failure::io(std::path::Path::new("stdout"), error);
                logging::error(common.log_format(), failure.diagnostic.as_ref());
                failure.exit.into()
            }
        },
        Err(failure) => {
            logging::error(common.log_format(), failure.diagnostic.as_ref());
            failure.exit.into()
        }
    }
}
