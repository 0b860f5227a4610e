//! Tests of the scorer through its library and its binary, on a small bundle that they write themselves.

// clippy.toml allows it in tests; a helper of a test is one too.
#![allow(clippy::unwrap_used)]

mod command;
mod engines;
mod faults;
mod fixture;
mod gates;
mod lean;
mod refusals;
mod scoring;
