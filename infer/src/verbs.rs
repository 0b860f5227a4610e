//! One function per verb: call the library, write the result to stdout.

use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;

use bellwether_infer::InferError;
use bellwether_infer::logging::LogFormat;
use bellwether_infer::observe::Silent;
use bellwether_infer::schema;
use bellwether_infer::score::{self, ScoreRequest};
use bellwether_infer::signals::StopFlag;
use bellwether_infer::verify;

use crate::command_line::{Arguments, SchemaArguments, SchemaFormat, ScoreArguments, Verb, VerifyArguments};
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Arguments) -> Result<(), InferError> {
    if let Some(path) = &arguments.common.config {
        check_config(path)?;
    }
    match &arguments.verb {
        Verb::Score(score) => run_score(arguments, score),
        Verb::Verify(verify) => run_verify(verify),
        Verb::Schema(schema) => run_schema(schema),
    }
}

/// A configuration that was named must be there, even though nothing in it concerns this binary.
fn check_config(path: &Path) -> Result<(), InferError> {
    let mut start = [0; 1];
    let read = File::open(path).and_then(|mut file| file.read(&mut start));
    read.map(drop).map_err(|source| InferError::Config { path: path.to_path_buf(), source })
}

fn run_score(arguments: &Arguments, score: &ScoreArguments) -> Result<(), InferError> {
    let threads = score.threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let request = ScoreRequest {
        bundle: score.bundle.clone(),
        input: score.input.clone(),
        out: score.out.clone(),
        as_of: score.as_of,
        engine: score.engine.choice(),
        threads,
        batch_rows: score.batch_rows,
        reasons: score.reasons.into(),
        limits: bellwether_infer::limits::Limits::default(),
        format: score.format.into(),
        gates: score.gates.gates(),
        dry_run: score.dry_run,
    };
    let stop =
        StopFlag::install().map_err(|error| InferError::Internal { reason: format!("no signal handler: {error}") })?;
    let terminal = Terminal::new(arguments.common.progress(), stop);
    let to_stdout = request.out == Path::new("-") && !request.dry_run;
    let result = if to_stdout {
        score::run_into(&request, &mut io::stdout().lock(), &terminal)
    } else {
        score::run(&request, &terminal)
    };
    terminal.clear();
    let summary = match result {
        // A reader that went away has what it wanted.
        Err(InferError::Io { source, .. }) if to_stdout && source.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        result => result?,
    };
    if to_stdout {
        tracing::info!("{}", summary.counts.text());
        return Ok(());
    }
    let text = match arguments.common.log_format() {
        LogFormat::Text => summary.text(),
        LogFormat::Json => summary.json()?,
    };
    // The scores are published: a closed stdout does not change that.
    if let Err(error) = write_stdout(&text) {
        tracing::warn!("the summary could not be written to stdout: {error}");
    }
    Ok(())
}

fn run_verify(arguments: &VerifyArguments) -> Result<(), InferError> {
    let verified = verify::run(&arguments.bundle, &arguments.engine.choice(), &Silent)?;
    result_to_stdout(&verified.text())
}

fn run_schema(arguments: &SchemaArguments) -> Result<(), InferError> {
    let schema = schema::of(arguments.bundle.as_deref())?;
    let text = match arguments.format {
        SchemaFormat::Json => schema::json(&schema)?,
        SchemaFormat::Text => schema::text(&schema),
    };
    result_to_stdout(&text)
}

/// Where the text is the whole result, failing to write it is a failure; a reader that went away is not.
fn result_to_stdout(text: &str) -> Result<(), InferError> {
    match write_stdout(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(InferError::Io { path: "stdout".into(), action: "write", source: error })
        }
        _ => Ok(()),
    }
}

fn write_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
