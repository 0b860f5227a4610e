//! Intervals by resampling accounts: a business that signed other accounts of the same kind would have seen other figures.
//!
//! Each replicate draws as many accounts as there are, with replacement, and every row of an account counts as often as
//! the account was drawn. Replicate `r` depends on (seed, r) alone, so threads change nothing. Intervals are the 2.5 % and
//! 97.5 % quantiles of the replicates (Efron and Tibshirani 1993, ch. 13).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Resamples behind each interval.
pub(crate) const REPLICATES: usize = 300;

/// At least this share of the replicates must give a value, or there is no interval.
const LEAST_DEFINED: f64 = 0.9;

/// A figure with its 95 % interval over accounts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// Whether the whole interval lies on one side of `value`.
    #[must_use]
    pub fn excludes(&self, value: f64) -> bool {
        self.low > value || self.high < value
    }
}

/// Accounts of some rows, ready to be drawn.
#[derive(Debug, Clone)]
pub(crate) struct Resamples {
    /// Per row: place of its account among those that occur.
    place: Vec<u32>,
    accounts: usize,
    seed: u64,
}

impl Resamples {
    pub(crate) fn new(accounts: &[u32], seed: u64) -> Self {
        let mut distinct = accounts.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let place = accounts.iter().map(|account| distinct.partition_point(|one| one < account) as u32).collect();
        Self { place, accounts: distinct.len(), seed }
    }

    /// How often each row counts in one replicate.
    fn weights(&self, replicate: usize) -> Vec<f64> {
        let mut drawn = vec![0.0; self.accounts];
        let mut stream = Stream(self.seed ^ (replicate as u64 + 1).wrapping_mul(0xD134_2543_DE82_EF95));
        for _ in 0..self.accounts {
            drawn[stream.below(self.accounts)] += 1.0;
        }
        self.place.iter().map(|place| drawn[*place as usize]).collect()
    }

    /// The statistic of each replicate, in order; it is given the weight of every row.
    pub(crate) fn replicates<T: Send>(&self, statistic: impl Fn(&[f64]) -> T + Sync) -> Vec<T> {
        (0..REPLICATES).into_par_iter().map(|replicate| statistic(&self.weights(replicate))).collect()
    }

    /// The statistic of the rows as they are, with its interval; `None` where it is not defined.
    pub(crate) fn estimate(&self, statistic: impl Fn(&[f64]) -> Option<f64> + Sync) -> Option<Estimate> {
        let value = statistic(&vec![1.0; self.place.len()])?;
        let drawn: Vec<f64> = self.replicates(&statistic).into_iter().flatten().collect();
        let (low, high) = interval(drawn)?;
        Some(Estimate { value, low, high })
    }
}

/// 2.5 % and 97.5 % quantiles; `None` where too few replicates gave a value.
pub(crate) fn interval(mut drawn: Vec<f64>) -> Option<(f64, f64)> {
    if (drawn.len() as f64) < LEAST_DEFINED * REPLICATES as f64 {
        return None;
    }
    drawn.sort_by(f64::total_cmp);
    Some((quantile(&drawn, 0.025), quantile(&drawn, 0.975)))
}

/// Quantile of sorted values, linear between neighbours (Hyndman and Fan 1996, type 7). `sorted` must not be empty.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Weighted mean; `None` without weight.
pub(crate) fn mean(values: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (sum, weight) = values.fold((0.0, 0.0), |(sum, all), (value, weight)| (sum + value * weight, all + weight));
    (weight > 0.0).then(|| sum / weight)
}

/// SplitMix64 (Steele et al. 2014).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A whole number below `end`, by the high bits of a product (Lemire 2019); its bias is below 2^-32 here.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_the_textbook_one() {
        // 400 accounts of one row each, values 0..=399: standard error of the mean = sd / sqrt(n).
        let accounts: Vec<u32> = (0..400).collect();
        let values: Vec<f64> = (0..400).map(f64::from).collect();
        let resamples = Resamples::new(&accounts, 3);
        let estimate =
            resamples.estimate(|weights| mean(values.iter().copied().zip(weights.iter().copied()))).expect("a mean");
        let error = ((400.0_f64.powi(2) - 1.0) / 12.0 / 400.0).sqrt();
        assert_eq!(estimate.value, 199.5);
        assert!((estimate.high - estimate.low - 3.92 * error).abs() < 0.15 * 3.92 * error, "{estimate:?}");
    }

    #[test]
    fn rows_of_one_account_come_together() {
        // 40 accounts, 25 equal rows each: as wide as 40 single rows, not as 1,000.
        let accounts: Vec<u32> = (0..1000).map(|row| row / 25).collect();
        let value = |row: usize| f64::from(u8::from(accounts[row].is_multiple_of(2)));
        let resamples = Resamples::new(&accounts, 3);
        let weighted = |weights: &[f64]| mean(weights.iter().enumerate().map(|(row, weight)| (value(row), *weight)));
        let estimate = resamples.estimate(weighted).expect("a mean");
        let error = (0.25_f64 / 40.0).sqrt();
        assert!((estimate.high - estimate.low - 3.92 * error).abs() < 0.2 * 3.92 * error, "{estimate:?}");
        assert!(resamples.replicates(|weights| weights.iter().sum::<f64>()).iter().all(|sum| *sum == 1000.0));
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(interval(vec![1.0; 10]), None);
    }
}
