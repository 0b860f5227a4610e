//! What the probabilities mean for revenue, and for tomorrow's calls.
//!
//! Everything here is recomputable for any past `as_of`: a fact counts only if it happened and was known before it, by the
//! same rule as the features. Money is counted in whole cents ([`money::Cents`]), so that identities hold to the cent.

pub mod change;
pub mod cohort;
pub mod money;
pub mod movement;
pub mod pool;
pub mod retention;
pub mod segment;
pub mod timeline;
pub mod value;
