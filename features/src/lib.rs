//! From a business's own tables to point-in-time features and labels.
//!
//! Data flows one way: the contract names and checks the tables, [`facts::Facts`] holds them by account, a
//! [`spine::Spine`] says which (account, as_of) pairs to compute, the catalogue defines the signals, the engine fills a
//! [`matrix::FeatureMatrix`], and [`label`] says what happened next. Nothing here knows a model.

pub mod catalog;
pub mod contract;
pub mod engine;
pub mod facts;
pub mod label;
pub mod leakage;
pub mod matrix;
mod measure;
pub mod read;
pub mod signal;
pub mod spine;
pub mod time;

pub use catalog::{Availability, Catalogue, CatalogueSettings};
pub use engine::FeaturePlan;
pub use facts::Facts;
pub use label::{LabelError, Labels, TargetDefinition};
pub use leakage::LeakageReport;
pub use matrix::{FeatureMatrix, FeatureMetadata};
pub use spine::{ActiveBy, Eligibility, Spine};
