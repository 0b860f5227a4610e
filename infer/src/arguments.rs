//! The options that `bellwether-infer` and `bellwether` share, so that a flag means one thing and is defined once.
//!
//! A binary flattens these structs into its own arguments; what they resolve to ([`EngineChoice`], [`LogFormat`],
//! [`ReasonChoice`]) is what the library takes.

use std::io::IsTerminal;
use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

use crate::engine::EngineChoice;
use crate::logging::{self, LogFormat};
use crate::score::{Gates, ReasonChoice, ScoreFormat};

/// A date as an option gives it, `YYYY-MM-DD`.
///
/// # Errors
/// What was expected, in words for a person: the form, or that there is no such day.
pub fn date(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| {
        let mut parts =
            text.split('-').map(|part| part.len() * usize::from(part.bytes().all(|byte| byte.is_ascii_digit())));
        let has_form = [4, 2, 2].into_iter().all(|length| parts.next() == Some(length)) && parts.next().is_none();
        let expected = "expected a date as YYYY-MM-DD, such as 2026-01-31";
        if has_form { format!("there is no such day: {expected}") } else { expected.to_owned() }
    })
}

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Common {
    /// The project file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How log lines on stderr look
    #[arg(long, global = true, value_enum, default_value_t = LogFormatName::Text, value_name = "FORMAT")]
    log_format: LogFormatName,
    /// Errors only on stderr, and no progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// When to show progress; auto is on a terminal
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    progress: When,
    /// When to colour; auto is on a terminal unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    color: When,
}

impl Common {
    /// The format of log lines.
    #[must_use]
    pub fn log_format(&self) -> LogFormat {
        match self.log_format {
            LogFormatName::Text => LogFormat::Text,
            LogFormatName::Json => LogFormat::Json,
        }
    }

    /// Whether to colour stderr.
    #[must_use]
    pub fn color(&self) -> bool {
        logging::wants_color(self.color.asked())
    }

    /// Whether to show progress on stderr.
    #[must_use]
    pub fn progress(&self) -> bool {
        !self.quiet && self.progress.asked().unwrap_or_else(|| std::io::stderr().is_terminal())
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormatName {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl When {
    fn asked(self) -> Option<bool> {
        match self {
            Self::Auto => None,
            Self::Always => Some(true),
            Self::Never => Some(false),
        }
    }
}

/// Which engine, and where its library is.
#[derive(Debug, Args)]
pub struct EngineArguments {
    /// What computes the probabilities
    #[arg(long, value_enum, default_value_t = EngineName::Native, value_name = "ENGINE")]
    engine: EngineName,
    /// libonnxruntime.so, or the folder that holds it; also from ORT_DYLIB_PATH
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "PATH", hide_env_values = true)]
    onnxruntime_library: Option<PathBuf>,
}

impl EngineArguments {
    /// The engine that was asked for.
    #[must_use]
    pub fn choice(&self) -> EngineChoice {
        match self.engine {
            EngineName::Native => EngineChoice::Native,
            EngineName::Onnxruntime => EngineChoice::OnnxRuntime { library: self.onnxruntime_library.clone() },
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineName {
    Native,
    Onnxruntime,
}

/// How unlike what is usual a run may be before it is refused (exit 3, nothing published)
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Gates (exit 3, nothing published)")]
pub struct GateArguments {
    /// By which share the accounts may be fewer than those of the run before, by date; 1 lets all go
    #[arg(long, value_name = "SHARE", value_parser = share, default_value_t = Gates::default().max_fewer_accounts)]
    max_fewer_accounts: f64,
    /// Share of the accounts that may get no probability; 1 lets all go
    #[arg(long, value_name = "SHARE", value_parser = share, default_value_t = Gates::default().max_not_scored)]
    max_not_scored: f64,
    /// Share of the inputs that may be far from the training base; 1 lets all go
    #[arg(long, value_name = "SHARE", value_parser = share, default_value_t = Gates::default().max_drifted_inputs)]
    max_drifted_inputs: f64,
    /// How far the probabilities of a target may be from the training base, as a population stability index above the usual
    /// one; inf lets all go
    #[arg(long, value_name = "INDEX", value_parser = index, default_value_t = Gates::default().max_score_shift)]
    max_score_shift: f64,
}

impl GateArguments {
    /// The gates.
    #[must_use]
    pub fn gates(&self) -> Gates {
        Gates {
            max_fewer_accounts: self.max_fewer_accounts,
            max_not_scored: self.max_not_scored,
            max_drifted_inputs: self.max_drifted_inputs,
            max_score_shift: self.max_score_shift,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share from 0 to 1, such as 0.5".to_owned())
}

fn index(text: &str) -> Result<f64, String> {
    let index = text.parse::<f64>().ok().filter(|index| *index >= 0.0);
    index.ok_or_else(|| "expected a number of at least 0, such as 1, or inf".to_owned())
}

/// `--reasons`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ReasonsName {
    /// Every scored account
    All,
    /// Accounts in the high band of a target
    Top,
    /// Nobody
    None,
}

impl From<ReasonsName> for ReasonChoice {
    fn from(name: ReasonsName) -> Self {
        match name {
            ReasonsName::All => Self::All,
            ReasonsName::Top => Self::Top,
            ReasonsName::None => Self::None,
        }
    }
}

/// `--format`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormatName {
    /// Parquet, as the contract of the scores says
    Parquet,
    /// A line per account, after one of names
    Csv,
    /// A JSON object per account and line
    Jsonl,
    /// An Arrow IPC stream
    Arrow,
}

impl From<FormatName> for ScoreFormat {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Parquet => Self::Parquet,
            FormatName::Csv => Self::Csv,
            FormatName::Jsonl => Self::Jsonl,
            FormatName::Arrow => Self::Arrow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_is_none_says_what_was_expected() {
        assert_eq!(date("2024-02-29").map(|date| date.to_string()), Ok("2024-02-29".to_owned()));
        for text in ["2026-02-30", "2025-02-29", "2026-13-01"] {
            assert!(
                date(text).unwrap_err().starts_with("there is no such day: expected a date as YYYY-MM-DD"),
                "{text}"
            );
        }
        for text in ["31.01.2026", "2026-01", "2026-01-31-01", "yesterday", ""] {
            assert!(date(text).unwrap_err().starts_with("expected a date as YYYY-MM-DD"), "{text}");
        }
    }
}
