//! The native engine: the heads of the bundle, as the trainer ran them.

use bellwether_models::{Bundle, FeatureBlock, HeadScores, HeadsScorer, MarginModel};

use super::Engine;
use crate::error::InferError;

/// All heads, which share the bins of their inputs.
pub(crate) struct NativeEngine<'a> {
    heads: &'a HeadsScorer,
}

impl<'a> NativeEngine<'a> {
    /// The heads of a bundle.
    ///
    /// # Errors
    /// [`InferError::NotNative`] for a model that only another engine runs.
    pub(crate) fn new(bundle: &'a Bundle) -> Result<Self, InferError> {
        for head in bundle.heads() {
            if let MarginModel::Graph(graph) = &head.margin
                && let Some(reason) = graph.foreign_reason()
            {
                return Err(InferError::NotNative { target: head.target.clone(), reason: reason.to_owned() });
            }
        }
        match bundle.scorer() {
            Some(heads) => Ok(Self { heads }),
            None => {
                Err(InferError::Internal { reason: "a bundle without a scorer names no head that is why".to_owned() })
            }
        }
    }
}

impl Engine for NativeEngine<'_> {
    fn name(&self) -> String {
        "native".to_owned()
    }

    fn score(&self, block: &FeatureBlock) -> Result<Vec<HeadScores>, InferError> {
        Ok(self.heads.score(block)?)
    }
}
