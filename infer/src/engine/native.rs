//! The native engine: the scorers of the bundle, as the trainer ran them.

use bellwether_models::{Bundle, DesignBlock, FeatureBlock, HeadScores, ModelError, Scorer};

use super::Engine;
use crate::error::InferError;

/// One compiled scorer per target.
pub(crate) struct NativeEngine<'a> {
    scorers: &'a [Scorer],
}

impl<'a> NativeEngine<'a> {
    /// The scorers of a bundle.
    pub(crate) fn new(bundle: &'a Bundle) -> Self {
        Self { scorers: bundle.scorers() }
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
