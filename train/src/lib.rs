//! Dataset, folds, learners, calibration, metrics, backtest, selection and registry.

pub mod learner;
pub mod metric;
