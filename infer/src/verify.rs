//! Verifying a bundle without scoring anything.

use crate::bundle;
use crate::engine::{self, EngineChoice};
use crate::error::InferError;
use crate::observe::{Observer, Stage};

/// A bundle that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBundle {
    /// `name/version@digest`.
    pub identity: String,
    /// Targets.
    pub targets: Vec<String>,
    /// Number of inputs.
    pub inputs: usize,
    /// Golden rows that were run.
    pub golden_rows: usize,
    /// Engines that ran them.
    pub engines: Vec<String>,
}

impl VerifiedBundle {
    /// In lines, with a line feed at the end.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{}: sound\ntargets      {}\ninputs       {}\ngolden rows  {} with {}\n",
            self.identity,
            self.targets.join(", "),
            self.inputs,
            self.golden_rows,
            self.engines.join(" and "),
        )
    }
}

/// Loads a bundle (digests, format, signature, models, policy, golden rows with the native engine), then runs the golden
/// rows with the engine that was asked for.
///
/// # Errors
/// [`InferError::Registry`], [`InferError::Bundle`], and errors of the engine.
pub fn run(reference: &str, choice: &EngineChoice, observer: &dyn Observer) -> Result<VerifiedBundle, InferError> {
    observer.stage(Stage::LoadBundle);
    let bundle = bundle::load(reference)?;
    let mut engines = Vec::new();
    match engine::start(&EngineChoice::Native, &bundle, 1) {
        // A model that the native engine does not run is verified by the other alone.
        Err(InferError::NotNative { .. }) if *choice != EngineChoice::Native => {}
        native => {
            let native = native?;
            engine::check_golden(native.as_ref(), &bundle)?;
            engines.push(native.name());
        }
    }
    if *choice != EngineChoice::Native {
        engines.push(engine::start(choice, &bundle, 1)?.name());
    }
    Ok(VerifiedBundle {
        identity: bundle.identity(),
        targets: bundle.targets().into_iter().map(str::to_owned).collect(),
        inputs: bundle.signature().inputs.len(),
        golden_rows: bundle.golden().block.rows,
        engines,
    })
}
