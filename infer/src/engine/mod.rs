//! What computes the probabilities.
//!
//! The native engine is the predictor that the trainer evaluated, and needs nothing installed. onnxruntime runs the very
//! ONNX files of the bundle, for those who want to check one against the other, or must run what others run.

mod foreign;
mod library;
mod native;
mod onnxruntime;

use std::path::PathBuf;

use bellwether_models::{Bundle, FeatureBlock, HeadScores};

pub use library::HOW_TO_GET_ONNXRUNTIME;
use native::NativeEngine;
use onnxruntime::OnnxRuntimeEngine;
pub use onnxruntime::foreign_probabilities;

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

/// Largest difference between an engine's probability and the golden one.
pub const PROBABILITY_TOLERANCE: f64 = 1e-6;

/// Whether an engine gives the probabilities of the golden rows.
///
/// # Errors
/// [`InferError::Golden`], and errors of the engine.
pub(crate) fn check_golden(engine: &dyn Engine, bundle: &Bundle) -> Result<(), InferError> {
    let golden = bundle.golden();
    let found = engine.score(&golden.block)?;
    for ((target, expected), found) in bundle.targets().into_iter().zip(&golden.expected).zip(&found) {
        let pairs = [
            ("probability", &expected.probability, &found.probability),
            ("low", &expected.low, &found.low),
            ("high", &expected.high, &found.high),
        ];
        for (what, expected, found) in pairs {
            // A NaN is not within any tolerance.
            let far = expected.iter().zip(found).map(|(expected, found)| (expected - found).abs());
            let difference = far.fold(0.0, |most: f64, far| if far <= most { most } else { far });
            if difference.is_nan() || difference > PROBABILITY_TOLERANCE || expected.len() != found.len() {
                let (target, tolerance) = (target.to_owned(), PROBABILITY_TOLERANCE);
                return Err(InferError::Golden { target, what, tolerance, difference });
            }
        }
    }
    Ok(())
}

/// The engine that was asked for, ready to run. Another engine than the native one, which the bundle checks when it is
/// loaded, must give the probabilities of the golden rows first.
///
/// # Errors
/// [`InferError::NotNative`], [`InferError::OnnxRuntimeMissing`], [`InferError::OnnxRuntimeLoad`],
/// [`InferError::OnnxRuntime`], [`InferError::Golden`].
pub(crate) fn start<'a>(
    choice: &EngineChoice,
    bundle: &'a Bundle,
    threads: usize,
) -> Result<Box<dyn Engine + 'a>, InferError> {
    Ok(match choice {
        EngineChoice::Native => Box::new(NativeEngine::new(bundle)?),
        EngineChoice::OnnxRuntime { library } => {
            let engine = OnnxRuntimeEngine::start(bundle, library.as_deref(), threads)?;
            check_golden(&engine, bundle)?;
            Box::new(engine)
        }
    })
}
