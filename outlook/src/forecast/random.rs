//! Random numbers: one stream per draw, so that draws may be made in any order and on any thread.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
pub(crate) struct Random {
    source: ChaCha8Rng,
    spare_normal: Option<f64>,
}

/// A Poisson number is made of parts with a mean no greater than this.
const POISSON_PART: f64 = 25.0;
/// Above this mean a Poisson number is the rounded normal one: its skewness is below 0.05 there.
const POISSON_NORMAL: f64 = 500.0;

impl Random {
    /// The stream of this number.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        source.set_stream(stream);
        Self { source, spare_normal: None }
    }

    /// Uniform in [0, 1), 53 bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.source.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// One of the values, each as likely; `None` where there is none.
    pub(crate) fn one_of(&mut self, values: &[f32]) -> Option<f64> {
        let place = (self.uniform() * values.len() as f64) as usize;
        values.get(place).map(|value| f64::from(*value))
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

    /// Poisson with the given mean; 0 for a mean that is not above 0.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        if mean > POISSON_NORMAL {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (mut rest, mut count) = (mean, 0.0);
        while rest > 0.0 {
            let floor = (-rest.min(POISSON_PART)).exp();
            let mut product = self.uniform();
            while product > floor {
                product *= self.uniform();
                count += 1.0;
            }
            rest -= POISSON_PART;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        // (name, mean, variance): textbook moments.
        let cases: [(&str, f64, f64, fn(&mut Random) -> f64); 5] = [
            ("uniform", 0.5, 1.0 / 12.0, Random::uniform),
            ("normal", 0.0, 1.0, Random::normal),
            ("small Poisson", 3.5, 3.5, |random| random.poisson(3.5)),
            ("Poisson in parts", 60.0, 60.0, |random| random.poisson(60.0)),
            ("large Poisson", 900.0, 900.0, |random| random.poisson(900.0)),
        ];
        let count = 100_000;
        for (name, mean, variance, draw) in cases {
            let mut random = Random::new(5, 1);
            let values: Vec<f64> = (0..count).map(|_| draw(&mut random)).collect();
            let found = values.iter().sum::<f64>() / count as f64;
            let spread = values.iter().map(|value| (value - found).powi(2)).sum::<f64>() / count as f64;
            assert!((found - mean).abs() < 5.0 * (variance / count as f64).sqrt(), "{name}: mean {found}");
            assert!((spread / variance - 1.0).abs() < 0.04, "{name}: variance {spread}");
        }
    }

    #[test]
    fn streams_differ_by_seed_and_number() {
        let first = |seed, stream| Random::new(seed, stream).uniform();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
        assert_eq!(Random::new(1, 1).one_of(&[]), None);
    }
}
