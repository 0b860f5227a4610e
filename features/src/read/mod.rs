//! From files to facts: what the contract names is read, checked, set aside where it breaks a rule, and handed over as
//! [`Facts`].
//!
//! Files are read in batches. In each, `where` and `derive` are evaluated, and every canonical column becomes plain
//! vectors: codes for text, numbers, instants. Nothing is dropped silently: a row that cannot be used is a
//! [`Violation`] with rule, file and row number, and never with the value. Because every violation knows from when it
//! would have been visible, one reading serves any `as_of`.
//!
//! The result does not depend on the order in which threads finish: batches are merged in file order, and codes are
//! ranks among the sorted names.

mod assemble;
mod beginning;
mod cells;
mod check;
mod convert;
mod csv_source;
mod declared;
mod dictionary;
mod digest;
mod duplicates;
mod error;
mod evaluate;
mod first_use;
mod group;
mod instant;
mod load;
mod parquet_source;
mod partition;
mod plan;
mod quarantine;
pub(crate) mod raw;
mod report;
mod rows;
mod rule;
mod source;

use crate::facts::Facts;

pub(crate) use cells::Kind;
pub use error::ReadError;
pub(crate) use evaluate::{Bound, bind};
pub(crate) use instant::parse_time;
pub use partition::Partition;
pub use quarantine::write_quarantine;
pub use report::{CheckOutcome, CheckReport, RuleCount, Status, TableOutcome, TableReport};
pub use rule::{Rule, Violation};
pub use source::table_files;

/// The declared tables of a contract; see [`Tables::load`].
#[derive(Debug, Clone, Copy)]
pub struct Tables;

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The facts, by account.
    pub facts: Facts,
    /// What was found in the files: count it with [`CheckReport::at`], stop on [`CheckOutcome::gate`], write the rows
    /// that were left out with [`write_quarantine`].
    pub report: CheckReport,
}
