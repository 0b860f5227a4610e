//! What does not stop a run but should be known; each warning advises the next step.

use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;

use crate::diagnostic;

/// Something to look at after the run.
#[derive(Debug, Clone, PartialEq, Error, Diagnostic)]
pub enum Warning {
    /// Columns that no model asks for.
    #[error("{count} columns of the input are not inputs of the bundle and were ignored")]
    #[diagnostic(code(bellwether::infer::extra_columns), help("nothing to do, unless the model should know them"))]
    ExtraColumns {
        /// How many.
        count: usize,
    },
    /// The file carries no `bellwether.features` metadata.
    #[error(
        "the input has no `bellwether.features` metadata: definitions, ineligible and quarantined accounts are unknown"
    )]
    #[diagnostic(
        code(bellwether::infer::no_metadata),
        help("write the file with `bellwether features`, so that training and scoring are known to mean the same")
    )]
    NoMetadata,
    /// Some inputs have no definition digest to compare.
    #[error("{count} inputs have no definition digest in the input file, so their meaning was not compared")]
    #[diagnostic(code(bellwether::infer::no_definition), help("write the file with `bellwether features`"))]
    NoDefinition {
        /// How many.
        count: usize,
    },
    /// No `.sha256` beside the input.
    #[error("no `{name}` beside the input, so its bytes were not verified")]
    #[diagnostic(code(bellwether::infer::no_digest), help("write it with `sha256sum`"))]
    NoDigest {
        /// Name of the file that was looked for.
        name: String,
    },
    /// The input was not sorted.
    #[error("the input is not sorted by account_id, so its {rows} results were sorted")]
    #[diagnostic(code(bellwether::infer::unsorted), help("sort the file by account_id: sorted files are streamed"))]
    Unsorted {
        /// Rows.
        rows: u64,
    },
    /// Rows set aside.
    #[error("{rows} rows were quarantined ({rules})")]
    #[diagnostic(
        code(bellwether::infer::quarantined),
        help("what is published has the rows in its quarantine folder; with --out - they are left out")
    )]
    Quarantined {
        /// How many.
        rows: u64,
        /// Rule codes with their counts.
        rules: String,
    },
    /// Infinite values were read.
    #[error("{values} infinite values in {inputs} inputs were read as the largest finite number")]
    #[diagnostic(code(bellwether::infer::infinite), help("look for a division by zero in what wrote the file"))]
    Infinite {
        /// How many values.
        values: u64,
        /// In how many inputs.
        inputs: usize,
    },
    /// MRR that cannot be one.
    #[error(
        "{accounts} accounts have a negative or infinite mrr, which is not known in the scores: no money, no value tier"
    )]
    #[diagnostic(code(bellwether::infer::unusable_mrr), help("look at credits and divisions in what wrote the file"))]
    UnusableMrr {
        /// How many.
        accounts: u64,
    },
    /// Targets whose model gives no reasons.
    #[error("no reasons for {}", targets.iter().map(|(target, why)| format!("{target}: {why}")).collect::<Vec<_>>().join("; "))]
    #[diagnostic(
        code(bellwether::infer::no_reasons),
        help(
            "probabilities are not affected; `bellwether models import --background SAMPLE` counts what reasons need"
        )
    )]
    NoReasons {
        /// Target, and why.
        targets: Vec<(String, String)>,
    },
    /// The base has moved away from the training base.
    #[error("{} inputs and scores have drifted from the training base, among them {}", inputs.len(), inputs.iter().take(5).cloned().collect::<Vec<_>>().join(", "))]
    #[diagnostic(code(bellwether::infer::drift), help("`drift` in the manifest says how far; consider a new model"))]
    Drift {
        /// Names of the inputs.
        inputs: Vec<String>,
    },
    /// The run before cannot be read.
    #[error("the manifest of the run before cannot be read, so the number of accounts was not compared with it")]
    #[diagnostic(
        code(bellwether::infer::no_run_before),
        help("nothing to do, unless the files under runs/ were changed by hand")
    )]
    NoRunBefore,
    /// Parts of a killed run were found.
    #[error("{count} leftovers of stopped runs were removed")]
    #[diagnostic(code(bellwether::infer::leftovers), help("nothing to do: they were never published"))]
    Leftovers {
        /// How many.
        count: usize,
    },
}

/// A warning as it is written to `run_results.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WarningRecord {
    /// Stable code.
    pub code: String,
    /// Text.
    pub text: String,
}

impl From<&Warning> for WarningRecord {
    fn from(warning: &Warning) -> Self {
        Self { code: diagnostic::code(warning), text: warning.to_string() }
    }
}
