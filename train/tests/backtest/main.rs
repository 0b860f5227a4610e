//! The backtest from end to end on a small world whose truth is known, its folds, its calibrators and the registry.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod calibration;
mod folds;
mod insight;
mod registry;
mod report;
mod run;
mod shift;
mod small;
mod tables;
mod world;
