//! The native engine: the heads of the bundle, as the trainer ran them.

use bellwether_models::{Bundle, FeatureBlock, HeadScores, HeadsScorer, MarginModel};

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
    /// [`InferError::NotNative`] for a model that only another engine runs.
    pub(crate) fn new(bundle: &Bundle) -> Result<Self, InferError> {
        for head in bundle.heads() {
            if let MarginModel::Graph(graph) = &head.margin
                && let Some(reason) = graph.foreign_reason()
            {
                return Err(InferError::NotNative { target: head.target.clone(), reason: reason.to_owned() });
            }
        }
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
