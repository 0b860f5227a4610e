//! Value, money and goals: known answers, slow twins that share no code, and nothing of the future.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod goals;
mod interventions;
mod money;
mod value;
mod world;
