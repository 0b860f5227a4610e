//! From features and labels to a model that has been judged: dataset, folds, learners, calibration, metrics, backtest,
//! selection and registry.
//!
//! Start with [`mod@backtest`]; everything else is called from there. A [`Dataset`] is checked when it is made, a
//! [`fold::Fold`] cannot hold a row that leaks, a learner returns the exported model itself, and [`mod@train`] does at the end
//! of the data what the backtest did at every refit date. Nothing here prints, asks the clock, or exits.

pub mod backtest;
mod breakdown;
pub mod cadence;
pub mod calibrate;
mod card;
pub mod checkpoint;
pub mod dataset;
pub mod encode;
pub mod error;
pub mod evaluate;
pub mod export;
pub mod fold;
pub mod forecasts;
pub mod gate;
mod history;
pub mod insight;
mod judge;
pub mod learner;
pub mod matrix;
pub mod measure;
pub mod metric;
pub mod observer;
pub mod policy;
pub mod pool;
pub mod refit;
pub mod registry;
pub mod report;
pub mod resample;
mod sealed;
mod select;
pub mod settings;
mod spacing;
mod staging;
pub mod summary;
mod suspect;
mod text;
pub mod train;
pub mod truth;
pub mod uniqueness;
mod witness;

pub use backtest::{Backtest, backtest};
pub use dataset::Dataset;
pub use error::TrainError;
pub use export::write_run;
pub use observer::{Observer, Progress, Silent};
pub use settings::{BacktestOptions, BacktestSettings, CapacityOptions};
pub use train::{Trained, train};
