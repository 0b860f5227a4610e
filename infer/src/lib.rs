//! The lean scorer of Bellwether: Parquet in, Parquet out.
//!
//! One run takes a feature file and a bundle and publishes `scores/v1/as_of=D` whole or not at all:
//!
//! 1. take the output folder ([`score::run`]: lock, leftovers, file system); one that is not there yet is made after 3,
//! 2. load the bundle, which checks its digests and golden rows,
//! 3. open and verify the input, match it with the signature, read keys and dates,
//! 4. stream: convert, score all targets in one pass, apply the policy, write to staging,
//! 5. check that every account given is accounted for, then publish by renames.
//!
//! Neither a table engine nor a trainer is in the dependency tree, so the binary is small and starts at once; both
//! binaries, `bellwether-infer` and `bellwether`, call this library. It prints nothing and never exits: errors know their
//! [`exit::ExitCode`], and [`diagnostic::lines`] turns them into what a person reads.

pub mod arguments;
mod bundle;
pub mod diagnostic;
pub mod engine;
mod error;
pub mod exit;
mod input;
pub mod limits;
pub mod logging;
pub mod observe;
mod output;
pub mod sample;
pub mod schema;
pub mod score;
pub mod signals;
mod spill;
pub mod verify;
pub mod warning;

pub use error::InferError;
pub use input::{FileFacts, decoding, sha256_of_file};
