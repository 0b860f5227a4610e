//! The model of one target.

use crate::graph::GraphModel;
use crate::{Calibration, LinearModel, ModelError, Signature, TreeEnsemble};

/// How the margin is computed.
#[derive(Debug, Clone, PartialEq)]
pub enum MarginModel {
    /// A weighted sum.
    Linear(LinearModel),
    /// A sum of trees.
    Trees(TreeEnsemble),
    /// A graph of another tool that is neither; its margin is its probability.
    Graph(GraphModel),
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

impl MarginModel {
    /// Checks the model against the number of design columns.
    ///
    /// # Errors
    /// [`ModelError::Margin`] with the place that breaks a rule.
    pub fn validate(&self, width: usize) -> Result<(), ModelError> {
        match self {
            Self::Linear(model) => model.validate(width),
            Self::Trees(model) => model.validate(width),
            Self::Graph(model) => model.validate(width),
        }
    }

    /// The model with leaves on a grid on which float sums are exact; see [`TreeEnsemble::with_exact_sums`]. A linear
    /// model is 64-bit everywhere and stays as it is.
    #[must_use]
    pub fn with_exact_sums(self) -> Self {
        match self {
            Self::Linear(_) | Self::Graph(_) => self,
            Self::Trees(model) => Self::Trees(model.with_exact_sums()),
        }
    }

    /// Whether every row has the same margin, as that of a base rate.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        match self {
            Self::Linear(model) => model.terms.iter().all(|term| term.weight == 0.0),
            Self::Trees(model) => model.trees.iter().all(|tree| tree.depth() == 0),
            // Nobody looked.
            Self::Graph(_) => false,
        }
    }

    /// The margin of one row of the design: the slow, plain form.
    #[must_use]
    pub fn margin(&self, row: &[f32]) -> f64 {
        match self {
            Self::Linear(model) => model.margin(row),
            Self::Trees(model) => model.margin(row),
            Self::Graph(model) => model.margin(row),
        }
    }
}

impl Head {
    /// Checks target name, margin model and calibration against the signature.
    ///
    /// # Errors
    /// [`ModelError`] with the place that breaks a rule.
    pub fn validate(&self, signature: &Signature) -> Result<(), ModelError> {
        if !is_plain_name(&self.target) {
            return Err(ModelError::Margin {
                place: "target".to_owned(),
                expected: "a name of letters, digits, `_` and `-`",
                found: self.target.clone(),
            });
        }
        signature.validate()?;
        self.margin.validate(signature.design_width())?;
        self.calibration.validate()
    }
}

/// Whether a name is safe as part of a file name and of a column name: 1 to 100 ASCII letters, digits, `_` and `-`, the
/// first a letter or a digit.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    name.len() <= 100 && name.bytes().all(plain) && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}
