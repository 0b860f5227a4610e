//! Tables from and to a real PostgreSQL server, which each test starts for itself and ends by its process id.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod failing;
mod published;
mod reading;
mod server;
mod writing;
