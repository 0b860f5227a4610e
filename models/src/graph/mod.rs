//! Models of other tools: ONNX as LightGBM, XGBoost, CatBoost, scikit-learn and others export it.
//!
//! A graph is read whole or refused by name, and only the part that leads to the probability counts. Where that part is
//! one tree ensemble or one linear model over columns that each follow from one input (imputers, scalers, encoders), it
//! becomes a [`crate::Head`] of our own form, with the fast scorer and exact reasons; everything else is interpreted. What the
//! interpreter does not know, an operator or one of its attributes, is named, and another engine can run it.
//!
//! All arithmetic is in 64-bit floats, rounded to the type of each value. Sums over trees and products are not rounded in
//! between, so a probability may differ from a runtime's in the last bits of a float.

mod attributes;
mod background;
mod binding;
mod classical;
mod cuts;
mod elementwise;
mod error;
mod fold;
mod forest;
mod forest_read;
#[cfg(test)]
mod hostile;
mod layout;
mod model;
mod operator;
mod program;
mod proto;
mod read;
mod tensor;
mod trace;

pub use background::{Background, BackgroundTarget};
pub use binding::{InputColumn, TensorInput};
pub use error::GraphError;
pub use model::GraphModel;
pub use read::{ForeignModel, OutputChoice, SignatureSource, read, signature, with_output};
