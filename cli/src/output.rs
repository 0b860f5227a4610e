//! What the command says: results on stdout, everything else on stderr.
//!
//! Bars move only on a terminal; off it every step is one plain line when it ends, or one JSON log line. A closed stdout
//! is not a bug of ours: writing stops, the work goes on.

use std::fmt::Display;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use bellwether_infer::arguments::Common;
use bellwether_infer::logging::LogFormat;

/// Where lines and bars go.
#[derive(Debug)]
pub(crate) struct Output {
    quiet: bool,
    json: bool,
    bars: bool,
    current: Mutex<Option<ProgressBar>>,
    lost: Mutex<Option<std::io::Error>>,
}

impl Output {
    /// Bars on a terminal only, unless `--progress` says otherwise.
    pub(crate) fn new(arguments: &Common) -> Self {
        let json = arguments.log_format() == LogFormat::Json;
        Self {
            quiet: arguments.quiet,
            json,
            bars: arguments.progress() && !json,
            current: Mutex::new(None),
            lost: Mutex::new(None),
        }
    }

    /// A line of the result.
    pub(crate) fn result(&self, line: impl Display) {
        if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
            // A reader that has gone away (`| head`) is no failure; a result that cannot be written is one.
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                *self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
            }
        }
    }

    /// Why a line of the result could not be written, if one could not.
    pub(crate) fn lost(&self) -> Option<std::io::Error> {
        self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    /// A line about the work.
    pub(crate) fn note(&self, line: impl Display) {
        if self.quiet {
            return;
        }
        if self.json {
            tracing::info!(message = %line);
            return;
        }
        self.above_bar(&line.to_string());
    }

    /// A warning.
    pub(crate) fn warn(&self, line: impl Display) {
        if self.quiet {
            return;
        }
        if self.json {
            tracing::warn!(message = %line);
        } else {
            self.above_bar(&format!("warning: {line}"));
        }
    }

    fn above_bar(&self, line: &str) {
        let current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match current.as_ref() {
            Some(bar) => bar.println(line),
            None => {
                let _ = writeln!(std::io::stderr().lock(), "{line}");
            }
        }
    }

    /// Runs one step of the work under its name; its outcome becomes one line with the time that it took.
    pub(crate) fn step<T, E>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<T, E>,
        outcome: impl FnOnce(&T) -> String,
    ) -> Result<T, E> {
        self.begin(name);
        let started = Instant::now();
        let result = work();
        self.end();
        if let Ok(value) = &result {
            let seconds = started.elapsed().as_secs_f64();
            self.note(format!("{name:<10} {} ({seconds:.1} s)", outcome(value)));
        }
        result
    }

    fn begin(&self, name: &str) {
        if !self.bars {
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{prefix:<10} {spinner} {msg} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        *self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(bar);
    }

    fn end(&self) {
        let bar = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }

    /// How far the current step is.
    pub(crate) fn advance(&self, done: u64, of: u64, what: &str) {
        let current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(bar) = current.as_ref() else { return };
        if of > 0 && bar.length() != Some(of) {
            bar.set_length(of);
            bar.set_style(
                ProgressStyle::with_template("{prefix:<10} [{bar:30}] {pos}/{len} {msg} {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            );
        }
        bar.set_position(done);
        bar.set_message(what.to_owned());
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
