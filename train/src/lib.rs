//! Dataset, folds, learners, calibration, metrics, backtest, selection and registry.

pub mod cadence;
pub mod calibrate;
pub mod dataset;
pub mod encode;
pub mod error;
pub mod evaluate;
pub mod fold;
mod gate;
pub mod learner;
pub mod metric;
pub mod observer;
pub mod pool;
pub mod registry;
pub mod settings;
mod staging;
pub mod summary;
mod text;

pub use error::TrainError;
