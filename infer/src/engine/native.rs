//! The native engine: the scorers of the bundle, as the trainer ran them.

use bellwether_models::{Bundle, DesignBlock, FeatureBlock, HeadScores, MarginModel, ModelError, Scorer};

use super::Engine;
use crate::error::InferError;

/// One compiled scorer per target.
pub(crate) struct NativeEngine<'a> {
    scorers: &'a [Scorer],
}

impl<'a> NativeEngine<'a> {
    /// The scorers of a bundle.
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
        Ok(Self { scorers: bundle.scorers() })
    }
}

impl Engine for NativeEngine<'_> {
    fn name(&self) -> String {
        "native".to_owned()
    }

    fn score(&self, _block: &FeatureBlock, design: &DesignBlock) -> Result<Vec<HeadScores>, InferError> {
        let scores = self.scorers.iter().map(|scorer| scorer.score_design(design));
        Ok(scores.collect::<Result<_, ModelError>>()?)
    }
}
