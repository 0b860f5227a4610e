//! The backtest from end to end on a small world whose truth is known, its folds, its calibrators and the registry.

mod calibration;
mod folds;
mod registry;
mod run;
mod world;
