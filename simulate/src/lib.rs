//! A simulated subscription business with known truth, written as tables.
//!
//! Each account has a hidden **value perception** that nobody in the business can see. It moves week by week around a
//! level of its own, and is shaken by shocks: a champion leaves, an incident hits, a reorganisation, a rollout that
//! succeeds. It shows at once in usage, adoption, NPS answers, payment, tickets, and in who is there and comes to meetings,
//! and weeks later, smoothed, in what the account decides: to leave, to buy less, to buy more. So signals lead revenue, as they do in life, and the probability
//! that a perfect observer would give is known.
//!
//! ```no_run
//! use bellwether_simulate::Parameters;
//!
//! # fn main() -> Result<(), bellwether_simulate::SimulateError> {
//! let simulation = Parameters { accounts: 1_000, months: 24, seed: 7, truth: true, ..Parameters::default() }.check()?;
//! let summary = simulation.run(std::path::Path::new("business"), &())?;
//! assert_eq!(summary.accounts, 1_000);
//! # Ok(())
//! # }
//! ```
//!
//! What holds, and is tested:
//!
//! - One seed, the same bytes, at any number of threads and in any memory.
//! - Account `k` is the same account in a business of 1,000 and of 100,000.
//! - Asking for the truth does not change a table; the truth lies outside `data/`.
//! - A fact is known no earlier than it happens, and no file holds a fact that is not known at the end.
//! - The true probabilities are calibrated on the outcomes by the definition of the labels.
//!
//! The parameters of the worlds are in [`world`]: fixed, documented, and never tuned to a model.

mod account;
mod calendar;
mod catalogue;
mod contract;
mod error;
mod firmographics;
mod goals;
mod hidden;
mod invoices;
mod life;
mod meetings;
mod modules;
mod parameters;
mod people;
mod project;
mod random;
mod run;
mod spend;
mod tables;
mod truth;
mod usage;
mod voice;
pub mod world;
mod write;

pub use error::SimulateError;
pub use parameters::{Parameters, Simulation};
pub use run::{Frequency, Observer, Summary};
pub use world::World;
