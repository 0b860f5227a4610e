//! The model of one target.

use crate::{Calibration, LinearModel, TreeEnsemble};

/// How the margin is computed.
#[derive(Debug, Clone, PartialEq)]
pub enum MarginModel {
    /// A weighted sum.
    Linear(LinearModel),
    /// A sum of trees.
    Trees(TreeEnsemble),
}

/// The model of one target: margin, then calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Name of the target, e.g. `churn_90d`.
    pub target: String,
    /// The raw score.
    pub margin: MarginModel,
    /// From margin to probability.
    pub calibration: Calibration,
}
