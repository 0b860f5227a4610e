//! How sure is a measure? 95 % intervals by resampling accounts.
//!
//! The rows of one account at several dates are not independent, so what is drawn with replacement is the account with all
//! its rows (cluster bootstrap). Each replicate gives every account a whole-number weight, and all measures are taken again
//! under those weights: one pass, since sums are kept per account and rows are sorted once. Beside it stands the naive
//! interval, which draws rows as if each were an account of its own; it is too short wherever accounts matter.
//!
//! The interval is studentised on a scale on which the measure has no edge: with `θ` the estimate, `b` its bootstrap bias and
//! `s` its bootstrap standard error,
//!
//! `g⁻¹( g(θ − b) ± t₀.₉₇₅(e − 1) · √(e / (e − 1)) · s · g′(θ − b) )`
//!
//! where `g` is the logit for shares, the logarithm for what is above 0, else the identity. `e` is the effective number of
//! accounts behind the rarer outcome, `(Σ a)² / Σ a²` over the accounts' positive (or negative) rows or their MRR (Kish
//! 1965), for a measure of the top of the ranking over what each gives to the average precision: with 30 churned accounts, or with three that hold most of the MRR, the normal quantile and the plug-in variance are
//! both too small. Miscalibration and discrimination are judged on the rows that their isotonic fit has seen, and replicates
//! show too little of that bias: their interval reaches from the lower end around `θ − 2b` to the upper end around `θ`, cut at
//! 0. Every interval is widened to hold its own estimate. What it does not hold: the dates and the fitted model are taken as
//! they are, so a shock that hit every account of a date is no part of it.
//!
//! Sources: Field & Welsh (2007), J. R. Stat. Soc. B 69(3), 369-390 (cluster bootstrap); Efron & Tibshirani (1993), *An
//! Introduction to the Bootstrap*, ch. 10 and 12 (bias, t intervals); Hesterberg (2015), Am. Stat. 69(4), 371-386 (small
//! samples); Kish (1965), *Survey Sampling* (effective size).

mod draws;
mod forecast;
mod interval;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::evaluate::{Judged, MetricSet};
use crate::measure::Metric;

pub(crate) use draws::{Clusters, Draws};
use forecast::{Forecast, Measures};
pub(crate) use interval::{difference_interval, kish};

/// Replicates of a bootstrap. The standard error of an interval's own width is then about 3 %.
pub const REPLICATES: usize = 500;
/// Fewer accounts than this of either outcome give no interval.
pub const LEAST_ACCOUNTS: usize = 10;

/// A 95 % interval. Ends are rounded outwards to six significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies within, ends included.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// The intervals of one measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricInterval {
    /// Lower end of the 95 % interval from resampled accounts.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// The interval that takes rows as independent, for comparison; only over all test rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub naive: Option<Interval>,
}

impl MetricInterval {
    /// The interval from resampled accounts.
    #[must_use]
    pub fn interval(&self) -> Interval {
        Interval { low: self.low, high: self.high }
    }
}

/// The intervals of a [`MetricSet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Accounts that were resampled.
    pub accounts: usize,
    /// Accounts with a positive row among them.
    pub positive_accounts: usize,
    /// Replicates.
    pub replicates: usize,
    /// By measure; a measure that is absent, or that too many replicates do not give, has none.
    pub metrics: BTreeMap<Metric, MetricInterval>,
}

impl Intervals {
    /// The interval of one measure.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<&MetricInterval> {
        self.metrics.get(&metric)
    }
}

/// 95 % intervals of every measure of `metrics`, which must be those of `judged`.
///
/// `accounts`: shape `(n_rows,)`, the account of each row of `judged`, any codes. `None` with fewer than [`LEAST_ACCOUNTS`]
/// accounts with a positive row, or with a negative one. `naive` asks for the interval beside. The same arguments give the
/// same bits at any number of threads.
///
/// # Panics
/// Never for a `judged` that [`MetricSet::new`] took and `accounts` of its length.
#[must_use]
pub fn intervals(
    judged: &Judged<'_>,
    metrics: &MetricSet,
    accounts: &[u32],
    seed: u64,
    naive: bool,
) -> Option<Intervals> {
    let clusters = Clusters::of(accounts);
    let by_account = Forecast::new(judged, metrics, &clusters);
    let (positive_accounts, negative_accounts) = by_account.clusters_by_outcome();
    if positive_accounts.min(negative_accounts) < LEAST_ACCOUNTS {
        return None;
    }
    let ends = ends_of(&by_account, metrics, seed);
    let naive_ends = if naive {
        ends_of(&Forecast::new(judged, metrics, &Clusters::each_alone(accounts.len())), metrics, seed)
    } else {
        BTreeMap::new()
    };
    let of = |(metric, one): (Metric, Interval)| {
        let naive = naive_ends.get(&metric).copied();
        (metric, MetricInterval { low: one.low, high: one.high, naive })
    };
    Some(Intervals {
        accounts: clusters.count(),
        positive_accounts,
        replicates: REPLICATES,
        metrics: ends.into_iter().map(of).collect(),
    })
}

fn ends_of(forecast: &Forecast, metrics: &MetricSet, seed: u64) -> BTreeMap<Metric, Interval> {
    let replicates = replicates(forecast, seed);
    let mut ends = BTreeMap::new();
    for metric in Metric::ALL {
        let Some(estimate) = metrics.value(metric) else { continue };
        let values: Vec<f64> = replicates.iter().map(|measures| measures[metric as usize]).collect();
        let effective = forecast.effective_clusters(metric);
        if let Some(interval) = interval::studentised(metric.range(), estimate, &values, effective) {
            ends.insert(metric, interval);
        }
    }
    ends
}

/// The measures of each replicate, in their order.
fn replicates(forecast: &Forecast, seed: u64) -> Vec<Measures> {
    let draws = Draws::new(seed, forecast.clusters());
    let all = (0..REPLICATES).into_par_iter().map_init(
        || (Vec::new(), Vec::new()),
        |(weights, blocks), replicate| {
            draws.fill(replicate, weights);
            forecast.measure(weights, blocks)
        },
    );
    all.collect()
}

#[cfg(test)]
mod tests;
