//! `bellwether-infer`: the lean scorer. Parses, runs, prints causes, exits with a documented code.

mod command_line;
mod terminal;
mod verbs;

use std::io::Write;
use std::process::ExitCode as ProcessExit;

use bellwether_infer::exit::ExitCode;
use bellwether_infer::logging::LogFormat;
use bellwether_infer::{logging, signals};

use crate::command_line::Arguments;

/// A panic is a bug of ours: one line and the documented code, whichever thread it was on. What it leaves in staging, the
/// next run removes. Only a panic of the decoder is the fault of a damaged file; where panics unwind, it is caught.
fn report_panic(panic: &std::panic::PanicHookInfo<'_>, format: LogFormat) {
    if let Some(damaged) = bellwether_infer::decoding() {
        if cfg!(panic = "unwind") {
            return;
        }
        logging::error(format, &damaged);
        std::process::exit(i32::from(damaged.exit_code().code()));
    }
    let said = panic.payload_as_str().unwrap_or("no reason given");
    // There is nowhere to tell that stderr is closed.
    let _ = writeln!(std::io::stderr(), "error[bellwether::bug]: an internal bug stopped the work: {said}");
    std::process::exit(i32::from(ExitCode::InternalBug.code()));
}

fn main() -> ProcessExit {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are results; the rest is wrong usage. A closed stream is no reason to fail differently.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage.into() } else { ExitCode::Done.into() };
        }
    };
    let format = arguments.common.log_format();
    std::panic::set_hook(Box::new(move |panic| report_panic(panic, format)));
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
