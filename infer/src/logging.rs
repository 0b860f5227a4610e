//! Logs to stderr, as text or JSON. Only a binary starts them.

use std::io::IsTerminal;

use miette::Diagnostic;
use tracing_subscriber::filter::LevelFilter;

use crate::diagnostic;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, with the time.
    Json,
}

/// Starts logging for the process. A second call changes nothing.
///
/// Messages, warnings and errors go to stderr; with `quiet`, errors only.
pub fn start(format: LogFormat, quiet: bool, color: bool) {
    let level = if quiet { LevelFilter::ERROR } else { LevelFilter::INFO };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        // It would be told on stderr, which is what could not be written.
        .log_internal_errors(false);
    let started = match format {
        LogFormat::Text => builder.without_time().with_ansi(color).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    // Only a second start fails, and the first one holds.
    drop(started);
}

/// Tells an error: its lines on stderr as text, or one JSON event.
pub fn error(format: LogFormat, diagnostic: &dyn Diagnostic) {
    match format {
        LogFormat::Text => {
            use std::io::Write;
            let mut stderr = std::io::stderr().lock();
            for line in diagnostic::lines(diagnostic) {
                // There is nowhere to tell that stderr is closed.
                let _ = writeln!(stderr, "{line}");
            }
        }
        LogFormat::Json => {
            let lines = diagnostic::lines(diagnostic);
            let hint = diagnostic.help().map(|help| help.to_string()).unwrap_or_default();
            tracing::error!(code = diagnostic::code(diagnostic), hint, detail = lines.join("\n"), "{diagnostic}");
        }
    }
}

/// Whether to colour: as asked, else on a terminal unless `NO_COLOR` is set (<https://no-color.org>).
#[must_use]
pub fn wants_color(asked: Option<bool>) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    asked.unwrap_or_else(|| !no_color && std::io::stderr().is_terminal())
}
