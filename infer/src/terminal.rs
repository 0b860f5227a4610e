//! A run on a terminal: one progress line on stderr, warnings as log lines, signals as requests to stop.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bellwether_infer::diagnostic;
use bellwether_infer::observe::{Observer, Stage, Stop};
use bellwether_infer::signals::StopFlag;
use bellwether_infer::warning::Warning;

/// Least time between two drawings of the progress line.
const REDRAW: Duration = Duration::from_millis(100);

pub(crate) struct Terminal {
    progress: bool,
    stop: StopFlag,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    stage: Option<Stage>,
    drawn: Option<Instant>,
    visible: bool,
}

impl Terminal {
    pub(crate) fn new(progress: bool, stop: StopFlag) -> Self {
        Self { progress, stop, line: Mutex::default() }
    }

    /// Takes the progress line away.
    pub(crate) fn clear(&self) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.visible {
            draw("\r\x1b[2K");
            line.visible = false;
        }
    }
}

impl Observer for Terminal {
    fn stage(&self, stage: Stage) {
        self.clear();
        tracing::info!("{}", stage.text());
        self.line.lock().unwrap_or_else(PoisonError::into_inner).stage = Some(stage);
    }

    fn progress(&self, done: u64, total: u64) {
        if !self.progress {
            return;
        }
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stage) = line.stage else { return };
        if line.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW) {
            return;
        }
        line.drawn = Some(Instant::now());
        line.visible = true;
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(0);
        draw(&format!("\r\x1b[2K{} {percent:>3} %", stage.text()));
    }

    fn warning(&self, warning: &Warning) {
        self.clear();
        let hint = miette::Diagnostic::help(warning).map(|help| help.to_string()).unwrap_or_default();
        tracing::warn!(code = diagnostic::code(warning), hint, "{warning}");
    }

    fn stop(&self) -> Option<Stop> {
        self.stop.stop()
    }
}

/// A progress line that cannot be drawn is no reason to stop.
fn draw(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
