//! The native engine: the heads of the bundle, as the trainer ran them.

use bellwether_models::{Bundle, FeatureBlock, HeadScores, HeadsScorer};

use super::Engine;
use crate::error::InferError;

/// All heads, which share the bins of their inputs.
pub(crate) struct NativeEngine {
    heads: HeadsScorer,
}

impl NativeEngine {
    /// The heads of a bundle.
    ///
    /// # Errors
    /// None for a bundle that was loaded.
    pub(crate) fn new(bundle: &Bundle) -> Result<Self, InferError> {
        Ok(Self { heads: HeadsScorer::new(bundle.signature(), bundle.heads())? })
    }
}

impl Engine for NativeEngine {
    fn name(&self) -> String {
        "native".to_owned()
    }

    fn score(&self, block: &FeatureBlock) -> Result<Vec<HeadScores>, InferError> {
        Ok(self.heads.score(block)?)
    }
}
