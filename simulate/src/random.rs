//! Random numbers: one stream per (seed, account, purpose), so that no account can disturb another, and asking for the
//! truth does not change the tables.
//!
//! The generator is ChaCha8, whose output is specified; the distributions are written out here, so that an upgrade of a
//! library cannot change a simulated business.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Who the account is, its hidden state and its contract.
    Life = 0,
    /// Usage rows.
    Usage = 1,
    /// NPS answers.
    Nps = 2,
    /// Invoices.
    Invoices = 3,
    /// Tickets.
    Tickets = 4,
    /// Forward paths of the true probabilities.
    Truth = 5,
    /// People at the customer.
    People = 6,
    /// Meetings with them.
    Meetings = 7,
    /// Add-on modules.
    Modules = 8,
    /// Employees of the customer.
    Firmographics = 9,
    /// What the account cost.
    Spend = 10,
    /// What it is to reach.
    Goals = 11,
}

/// Streams are numbered `account * PURPOSES + purpose` while purposes are below this.
const PURPOSES: u64 = 8;
/// Each further bank of so many purposes begins here times its number: above the streams of all accounts.
const BANK: u64 = 1 << 40;

/// A stream of random numbers.
pub(crate) struct Random {
    source: ChaCha8Rng,
    spare_normal: Option<f64>,
}

impl Random {
    /// The stream of one account for one purpose.
    pub(crate) fn new(seed: u64, account: u32, purpose: Purpose) -> Self {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        let (bank, place) = (purpose as u64 / PURPOSES, purpose as u64 % PURPOSES);
        source.set_stream(bank * BANK + u64::from(account) * PURPOSES + place);
        Self { source, spare_normal: None }
    }

    /// Uniform in [0, 1), 53 bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.source.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Uniform in [low, high).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..count (0 for a count of 0).
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// An index drawn with the given weights (the last one if they do not sum to more than 0).
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.uniform() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// Standard normal (Marsaglia's polar method; the second of each pair is kept for the next call).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let scale = (-2.0 * square.ln() / square).sqrt();
                self.spare_normal = Some(y * scale);
                return x * scale;
            }
        }
    }

    /// Log-normal with the given median and standard deviation of the logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Exponential with the given mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// Poisson with the given mean: products of uniforms below 30, the rounded normal approximation above.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal() + 0.5).max(0.0) as u32;
        }
        let floor = (-mean).exp();
        let mut product = self.uniform();
        let mut count = 0;
        while product > floor {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

/// `1 / (1 + exp(-x))`.
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_variance(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64)
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(1, 0, Purpose::Life);
        let count = 200_000;
        // (name, mean, variance, tolerance): textbook moments.
        let cases: [(&str, f64, f64, fn(&mut Random) -> f64); 5] = [
            ("uniform", 0.5, 1.0 / 12.0, Random::uniform),
            ("normal", 0.0, 1.0, Random::normal),
            ("exponential", 2.0, 4.0, |random| random.exponential(2.0)),
            ("small Poisson", 3.5, 3.5, |random| f64::from(random.poisson(3.5))),
            ("large Poisson", 50.0, 50.0, |random| f64::from(random.poisson(50.0))),
        ];
        for (name, mean, variance, draw) in cases {
            let values: Vec<f64> = (0..count).map(|_| draw(&mut random)).collect();
            let (found_mean, found_variance) = mean_and_variance(&values);
            let tolerance = 5.0 * (variance / count as f64).sqrt();
            assert!((found_mean - mean).abs() < tolerance, "{name}: mean {found_mean}");
            assert!((found_variance / variance - 1.0).abs() < 0.03, "{name}: variance {found_variance}");
        }
    }

    #[test]
    fn streams_differ_by_seed_account_and_purpose() {
        let first = |seed, account, purpose| Random::new(seed, account, purpose).uniform();
        let reference = first(7, 3, Purpose::Life);
        assert_eq!(reference, first(7, 3, Purpose::Life));
        assert_ne!(reference, first(8, 3, Purpose::Life));
        assert_ne!(reference, first(7, 4, Purpose::Life));
        assert_ne!(reference, first(7, 3, Purpose::Truth));
        // Of the second bank, which neither an account nor a purpose of the first reaches.
        let modules = first(7, 3, Purpose::Modules);
        let firsts =
            (0..16).flat_map(|account| [Purpose::Life, Purpose::Usage, Purpose::Meetings].map(|p| (account, p)));
        assert!(firsts.into_iter().all(|(account, purpose)| first(7, account, purpose) != modules));
        assert_ne!(modules, first(7, 3, Purpose::Firmographics));
    }
}
