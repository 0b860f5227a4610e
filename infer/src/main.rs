//! `bellwether-infer`: the lean scorer. Parses, runs, prints causes, exits with a documented code.

mod command_line;
mod terminal;
mod verbs;

use std::io::Write;
use std::process::ExitCode as ProcessExit;

use bellwether_infer::exit::ExitCode;
use bellwether_infer::{logging, signals};
use clap::Parser;

use crate::command_line::Arguments;

/// A panic is always a bug of ours: one line and the documented code, whichever thread it was on. What it leaves in
/// staging, the next run removes.
fn report_bug(panic: &std::panic::PanicHookInfo<'_>) {
    let said = panic.payload_as_str().unwrap_or("no reason given");
    // There is nowhere to tell that stderr is closed.
    let _ = writeln!(std::io::stderr(), "error[bellwether::bug]: an internal bug stopped the work: {said}");
    std::process::exit(i32::from(ExitCode::InternalBug.code()));
}

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
    std::panic::set_hook(Box::new(report_bug));
    logging::start(format, arguments.common.quiet, arguments.common.color());
    if let Err(error) = signals::survive_file_size_limit() {
        tracing::warn!("a file size limit would end this run without a word: {error}");
    }
    match verbs::run(&arguments) {
        Ok(()) => ExitCode::Done.into(),
        Err(error) => {
            logging::error(format, &error);
            error.exit_code().into()
        }
    }
}
