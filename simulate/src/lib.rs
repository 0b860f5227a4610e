//! A simulated subscription business with known truth, written as tables.
