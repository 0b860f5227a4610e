//! What a trained model is, and how it is run: the bundle, ONNX reading and writing, the native scorer, calibrators,
//! reasons and drift bins. No table engine and no trainer is imported here, so the nightly scorer stays lean.
//!
//! A model of one target is a [`Head`]: a margin model (linear or trees) over the design columns of a [`Signature`],
//! and a [`Calibration`] that turns the margin into a probability with its uncertainty.

pub mod block;
pub mod calibrator;
pub mod ensemble;
pub mod head;
pub mod linear;
pub mod policy;
pub mod signals;
pub mod signature;

pub use block::FeatureBlock;
pub use calibrator::{Calibration, Curve, Knot, PiecewiseLinear};
pub use ensemble::{Node, Tree, TreeEnsemble};
pub use head::{Head, MarginModel};
pub use linear::{LinearModel, LinearTerm, Transform};
pub use policy::Policy;
pub use signals::{Direction, SignalCard, Unit};
pub use signature::{DesignColumn, Input, InputKind, Signature};
