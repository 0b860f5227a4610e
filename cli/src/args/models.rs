//! The arguments of `bellwether models`.

use std::path::PathBuf;

use bellwether_infer::arguments::EngineArguments;
use clap::{Args, Subcommand};

use super::ReportFormat;

/// `bellwether models`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    /// The registry folder.
    #[arg(long, value_name = "DIR", env = "BELLWETHER_REGISTRY", default_value = "registry", global = true)]
    pub(crate) registry: PathBuf,
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

/// What to do with the models of a registry.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Every model, version and alias.
    List,
    /// One model: its targets, training rows and out-of-time figures.
    Show {
        /// NAME, NAME@ALIAS or NAME@VERSION.
        model: String,
    },
    /// Make a version the champion, if it was better out of time than the one that is (exit 6 if not).
    Promote {
        /// NAME@VERSION or NAME@challenger.
        model: String,
        #[command(flatten)]
        decision: DecisionArguments,
        /// Promote it even if the quality gate refuses. What the gate said and the reason are kept in the history.
        #[arg(long, requires = "reason")]
        despite_gate: bool,
    },
    /// Make the champion before the present one the champion again; the present one becomes `previous`. No gate.
    Rollback {
        /// NAME.
        model: String,
        #[command(flatten)]
        decision: DecisionArguments,
    },
    /// Make a bundle of ONNX models of other tools: LightGBM, XGBoost, CatBoost, scikit-learn and others.
    Import(ImportArguments),
    /// Who changed which version plays which part, when and why.
    History {
        /// NAME.
        model: String,
        /// How the history is written.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
}

/// `bellwether models import`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("inputs").required(true))]
pub(crate) struct ImportArguments {
    /// The model of a target; repeat it for each target.
    #[arg(long, value_name = "TARGET=FILE", required = true)]
    pub(crate) onnx: Vec<String>,
    /// The inputs, as `signature.json` of a bundle has them.
    #[arg(long, value_name = "FILE", group = "inputs")]
    pub(crate) signature: Option<PathBuf>,
    /// A Parquet file: its numeric columns other than account_id and as_of are the inputs, in its order, and the texts
    /// that a model asks for by name.
    #[arg(long, value_name = "FILE", group = "inputs")]
    pub(crate) columns_from: Option<PathBuf>,
    /// Name of the model in the registry.
    #[arg(long, default_value = "imported")]
    pub(crate) name: String,
    /// Which output is the probability, and which column of it. Default: the only output of floats, or the one named so;
    /// its only column, or the second of two.
    #[arg(long, value_name = "TARGET=OUTPUT[:COLUMN]")]
    pub(crate) probability: Vec<String>,
    /// A Parquet file of rows like those that the model learned from: they are counted at every node of the trees, which is
    /// what reasons need where the file has no hit rates, and they say how the inputs are distributed.
    #[arg(long, value_name = "FILE")]
    pub(crate) background: Option<PathBuf>,
    /// The registry folder; default: --registry.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

/// Who decides, and why.
#[derive(Debug, Args)]
pub(crate) struct DecisionArguments {
    /// Why; kept in the history.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub(crate) reason: Option<String>,
    /// Who decides; kept in the history. Default: the user who runs this.
    #[arg(long, value_name = "WHO", value_parser = words)]
    pub(crate) by: Option<String>,
}

/// A text that says something.
fn words(text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    if trimmed.is_empty() { Err("expected some words, found none".to_owned()) } else { Ok(trimmed.to_owned()) }
}
