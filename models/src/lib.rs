//! What a trained model is, and how it is run: the bundle, ONNX reading and writing, the native scorer, calibrators,
//! reasons and drift bins. No table engine and no trainer is imported here, so the nightly scorer stays lean.
//!
//! A model of one target is a [`Head`]: a margin model (linear or trees) over the design columns of a [`Signature`],
//! and a [`Calibration`] that turns the margin into a probability with its uncertainty.

#[cfg(test)]
extern crate self as bellwether_models;

pub mod block;
pub mod bundle;
pub mod calibrator;
pub mod design;
pub mod drift;
pub mod ensemble;
pub mod error;
pub mod graph;
pub mod head;
mod kernel;
pub mod level;
pub mod linear;
pub mod onnx;
pub mod policy;
pub mod reasons;
pub mod registry;
pub mod scorer;
pub mod scores;
pub mod signals;
pub mod signature;
#[cfg(test)]
pub(crate) mod testing;

pub use block::FeatureBlock;
pub use bundle::{Bundle, BundleContents, BundleError, write_bundle};
pub use calibrator::{CalibratedProbability, Calibration, Curve, Knot, PiecewiseLinear, log_shares, sigmoid};
pub use design::DesignBlock;
pub use drift::Reference;
pub use ensemble::{Node, Tree, TreeEnsemble};
pub use error::ModelError;
pub use head::{Head, MarginModel};
pub use kernel::Instructions;
pub use linear::{LinearModel, LinearTerm, Transform};
pub use policy::Policy;
pub use reasons::{Explainer, Explanation, Reason, SignalBook, top_reasons};
pub use scorer::{HeadScores, HeadsScorer, Scorer};
pub use signals::{Direction, SignalCard, Unit};
pub use signature::{DesignColumn, Input, InputKind, Signature};
