//! The catalogue: every signal's definition, and the declared product knowledge that it depends on.

mod settings;

pub use settings::{CatalogueSettings, Workflow};
