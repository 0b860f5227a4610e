//! Tables of Bellwether from and to PostgreSQL.
//!
//! [`read`] fetches tables and queries of one snapshot into Parquet files, which are then read as any others are: the
//! contract, its checks and the quarantine know no database. [`mod@write`] puts published files into tables, so that a reader
//! sees the old rows of a date or the new ones and never a mix.
//!
//! Both stream by binary `COPY` and hold no more than a batch of rows. An [`Address`] is shown without its password,
//! everywhere and always.

mod address;
mod binary;
mod certificates;
mod connect;
mod error;
mod identifier;
mod kind;
pub mod read;
pub mod write;

pub use address::Address;
pub use error::{FailureKind, PostgresError};
