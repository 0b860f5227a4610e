//! What computes the probabilities.
//!
//! The native engine is the predictor that the trainer evaluated, and needs nothing installed. onnxruntime runs the very
//! ONNX files of the bundle, for those who want to check one against the other, or must run what others run.

mod library;
mod native;
mod onnxruntime;

use std::path::PathBuf;

use bellwether_models::{Bundle, FeatureBlock, HeadScores};

pub use library::HOW_TO_GET_ONNXRUNTIME;
pub(crate) use native::NativeEngine;
pub(crate) use onnxruntime::OnnxRuntimeEngine;

use crate::error::InferError;

/// Which engine to use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EngineChoice {
    /// Bellwether's own scorer.
    #[default]
    Native,
    /// onnxruntime, loaded at run time.
    OnnxRuntime {
        /// The library, or a folder that holds it; without one, it is looked for beside the binary and on the system.
        library: Option<PathBuf>,
    },
}

/// Computes the scores of all targets of a bundle.
pub(crate) trait Engine: Sync {
    /// Name as in `--engine`, with the version where there is one.
    fn name(&self) -> String;

    /// Scores of each target, in the order of the bundle.
    ///
    /// # Errors
    /// [`InferError::Bundle`], [`InferError::OnnxRuntime`].
    fn score(&self, block: &FeatureBlock) -> Result<Vec<HeadScores>, InferError>;
}

/// The engine that was asked for, ready to run.
///
/// # Errors
/// [`InferError::OnnxRuntimeMissing`], [`InferError::OnnxRuntimeLoad`], [`InferError::OnnxRuntime`],
/// [`InferError::Golden`].
pub(crate) fn start<'a>(
    choice: &EngineChoice,
    bundle: &'a Bundle,
    threads: usize,
) -> Result<Box<dyn Engine + 'a>, InferError> {
    Ok(match choice {
        EngineChoice::Native => Box::new(NativeEngine::new(bundle)),
        EngineChoice::OnnxRuntime { library } => {
            Box::new(OnnxRuntimeEngine::start(bundle, library.as_deref(), threads)?)
        }
    })
}
