//! What past scores expected, against what came.

use bellwether_features::time::Instant;
use rayon::prelude::*;

use super::past::{Counting, HORIZONS_DAYS};
use super::probabilities::Probabilities;
use super::rates::{Rates, within};
use super::shock::{Bin, Observation};
use crate::money::Cents;

/// Bins of the logit, from -8 to 8.
const BINS: usize = 64;
const WIDEST: f64 = 8.0;
/// Accounts of one go, as in [`super::past`].
const CHUNK: usize = 8_192;

/// Accounts by what was expected of them, and for which of them it happened.
#[derive(Clone)]
struct Judged {
    /// Sums of weights, of squared weights, and of weights times probability.
    bins: Vec<[f64; 3]>,
    weighted_hits: f64,
}

impl Judged {
    fn empty() -> Self {
        Self { bins: vec![[0.0; 3]; BINS], weighted_hits: 0.0 }
    }

    fn add(&mut self, probability: f64, weight: f64, hit: bool) {
        let logit = (probability / (1.0 - probability)).ln().clamp(-WIDEST, WIDEST);
        let place = ((logit + WIDEST) / (2.0 * WIDEST) * BINS as f64) as usize;
        let bin = &mut self.bins[place.min(BINS - 1)];
        bin[0] += weight;
        bin[1] += weight * weight;
        bin[2] += weight * probability;
        self.weighted_hits += if hit { weight } else { 0.0 };
    }

    fn merge(&mut self, other: &Self) {
        for (sum, other) in self.bins.iter_mut().zip(&other.bins) {
            sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        }
        self.weighted_hits += other.weighted_hits;
    }

    fn observation(&self, days_before: u32) -> Option<Observation> {
        let filled = self.bins.iter().filter(|bin| bin[0] > 0.0);
        let bins: Vec<Bin> =
            filled.map(|bin| Bin { expected: bin[2] / bin[0], weight: bin[0], square: bin[1] }).collect();
        Observation::of(f64::from(days_before), &bins, self.weighted_hits)
    }
}

/// Shocks of churn and of expansion at a horizon as past scores saw them, latest first; a target without scores has none.
pub(crate) fn by_scores(
    counting: &Counting<'_>,
    past: &[Probabilities],
    horizon: usize,
    rates: &Rates,
) -> [Vec<Observation>; 2] {
    let (mut churn, mut expansion) = (Vec::new(), Vec::new());
    for scores in past {
        let Ok(days_before) = u32::try_from((counting.as_of - scores.as_of()).num_days()) else { continue };
        if !counting.is_settled(days_before, HORIZONS_DAYS[horizon]) {
            continue;
        }
        let [left, grown] = of_date(counting, scores, horizon, rates);
        churn.extend(left.observation(days_before));
        expansion.extend(grown.observation(days_before));
    }
    [churn, expansion]
}

fn of_date(counting: &Counting<'_>, scores: &Probabilities, horizon: usize, rates: &Rates) -> [Judged; 2] {
    let origin = Instant::start_of(scores.as_of());
    let end = origin.plus_days(i64::from(HORIZONS_DAYS[horizon]));
    let accounts = counting.timelines.accounts();
    let chunk = |chunk: usize| {
        let mut part = [Judged::empty(), Judged::empty()];
        for account in chunk * CHUNK..((chunk + 1) * CHUNK).min(accounts) {
            let opening = counting.timelines.known(account, origin);
            if opening <= Cents::ZERO {
                continue;
            }
            let closing = counting.timelines.paid(account, end);
            let weight = opening.amount().sqrt();
            if let Some(probability) = scores.churn(account) {
                part[0].add(within(probability, rates.churn_exposure), weight, closing == Cents::ZERO);
            }
            if let Some(probability) = scores.expansion(account).filter(|_| closing > Cents::ZERO) {
                let expected = within(probability, rates.expansion_exposure);
                part[1].add(expected, weight, closing >= counting.least(opening));
            }
        }
        part
    };
    let parts: Vec<[Judged; 2]> = (0..accounts.div_ceil(CHUNK)).into_par_iter().map(chunk).collect();
    parts.into_iter().fold([Judged::empty(), Judged::empty()], |mut sum, part| {
        sum.iter_mut().zip(&part).for_each(|(sum, part)| sum.merge(part));
        sum
    })
}
