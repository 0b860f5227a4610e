//! The options that `bellwether-infer` and `bellwether` share, so that a flag means one thing and is defined once.
//!
//! A binary flattens these structs into its own arguments; what they resolve to ([`EngineChoice`], [`LogFormat`],
//! [`ReasonChoice`]) is what the library takes.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::engine::EngineChoice;
use crate::logging::{self, LogFormat};
use crate::score::ReasonChoice;

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Common {
    /// The project file [default: bellwether.toml]; bellwether-infer only checks that it can be read
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
