//! Drawing the revenue of a horizon: shocks first, then accounts given the shocks.
//!
//! Each draw has a stream of random numbers of its own, so that the result does not depend on who makes it. The largest
//! accounts are drawn one by one. The sum of the others, given the shocks, is that of many small independent numbers: it is
//! drawn as a normal pair (net and gross) with their exact mean and covariance.

use rayon::prelude::*;

use super::plan::{Plan, Shocks};
use super::random::Random;
use super::rates::BandRates;
use super::shock::{cholesky, moved};

/// Arrivals beyond this number are drawn as a normal sum.
const MANY_ENTRANTS: f64 = 1_000.0;

/// What the base is worth at the horizon.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Totals {
    /// MRR of today's accounts.
    pub net: f64,
    /// As `net`, none with more than today.
    pub gross: f64,
    /// MRR of all.
    pub mrr: f64,
}

/// Moments of closing over opening MRR of an account that has changed: of the ratio, its square, the ratio capped at 1, its
/// square, and the product of both.
type Moments = [f64; 5];

fn moments(ratios: &[f32]) -> Moments {
    let mut sums = [0.0; 5];
    for ratio in ratios {
        let ratio = f64::from(*ratio);
        let capped = ratio.min(1.0);
        let terms = [ratio, ratio * ratio, capped, capped * capped, ratio * capped];
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }
    sums.map(|sum| sum / ratios.len().max(1) as f64)
}

/// A ratio whose part above 1 is multiplied.
fn scaled(ratio: f64, scale: f64) -> f64 {
    1.0 + (ratio - 1.0) * scale
}

/// A band under the shocks of a draw.
struct Shocked<'a> {
    band: &'a BandRates,
    other: f64,
    scale: f64,
    /// Of the two kinds of change.
    expansion_moments: Moments,
    other_moments: Moments,
}

impl Plan {
    /// So many draws.
    pub(crate) fn draw(&self, seed: u64, draws: usize) -> Vec<Totals> {
        let of_bands = |band: &BandRates| (moments(&band.expansion_sizes), moments(&band.other_sizes));
        let fixed: Vec<(Moments, Moments)> = self.bands.iter().map(of_bands).collect();
        (0..draws).into_par_iter().map(|draw| self.one(&fixed, &mut Random::new(seed, draw as u64))).collect()
    }

    fn one(&self, fixed: &[(Moments, Moments)], random: &mut Random) -> Totals {
        let [churn, expansion, other, arrivals] = self.shocks.draw(random);
        let shocked = |(band, (of_expansion, of_other)): (&'_ BandRates, &(Moments, Moments))| {
            let scale = (band.size_error * random.normal()).exp();
            let expansion_moments = scaled_moments(of_expansion, scale);
            (scale, moved(band.other, other), expansion_moments, *of_other)
        };
        let drawn: Vec<_> = self.bands.iter().zip(fixed).map(shocked).collect();
        let with_band = |(band, (scale, other, expansion_moments, other_moments))| Shocked {
            band,
            other,
            scale,
            expansion_moments,
            other_moments,
        };
        let bands: Vec<Shocked<'_>> = self.bands.iter().zip(drawn).map(with_band).collect();
        let mut totals = self.large(&bands, churn, expansion, random);
        self.small(&bands, churn, expansion, random, &mut totals);
        totals.mrr = totals.net + self.arrivals(arrivals, random);
        totals
    }

    fn large(&self, bands: &[Shocked<'_>], churn: f64, expansion: f64, random: &mut Random) -> Totals {
        let mut totals = Totals::default();
        for payer in &self.payers {
            if random.uniform() < moved(payer.churn, churn) {
                continue;
            }
            let band = &bands[payer.band];
            let (place, expands) = (random.uniform(), moved(payer.expansion, expansion));
            let ratio = if place < expands {
                random.one_of(&band.band.expansion_sizes).map(|ratio| scaled(ratio, band.scale))
            } else if place < expands + (1.0 - expands) * band.other {
                random.one_of(&band.band.other_sizes)
            } else {
                None
            };
            let ratio = ratio.unwrap_or(1.0);
            totals.net += payer.mrr * ratio;
            totals.gross += payer.mrr * ratio.min(1.0);
        }
        totals
    }

    fn small(&self, bands: &[Shocked<'_>], churn: f64, expansion: f64, random: &mut Random, totals: &mut Totals) {
        // Mean and covariance of net and gross.
        let (mut means, mut spread) = ([0.0; 2], [0.0; 3]);
        for cell in &self.cells {
            let band = &bands[cell.band];
            let (stays, expands) = (1.0 - moved(cell.churn, churn), moved(cell.expansion, expansion));
            let (other, same) = ((1.0 - expands) * band.other, (1.0 - expands) * (1.0 - band.other));
            let of = |which: usize| {
                stays * (expands * band.expansion_moments[which] + other * band.other_moments[which] + same)
            };
            let (net, gross) = (of(0), of(2));
            means[0] += cell.mrr * net;
            means[1] += cell.mrr * gross;
            spread[0] += cell.square * (of(1) - net * net);
            spread[1] += cell.square * (of(3) - gross * gross);
            spread[2] += cell.square * (of(4) - net * gross);
        }
        if self.cells.is_empty() {
            return;
        }
        let factor = cholesky(vec![vec![spread[0], spread[2]], vec![spread[2], spread[1]]]);
        let (first, second) = (random.normal(), random.normal());
        let net = means[0] + factor[0][0] * first;
        let gross = means[1] + factor[1][0] * first + factor[1][1] * second;
        totals.net += net.max(0.0);
        totals.gross += gross.clamp(0.0, net.max(0.0));
    }

    /// What one that comes pays.
    fn entrant(&self, random: &mut Random) -> f64 {
        match self.entrant_tail {
            Some(tail) if random.uniform() >= tail.below => tail.size(random.uniform()),
            Some(tail) => {
                let body = (tail.below * self.entrant_sizes.len() as f64) as usize;
                random.one_of(&self.entrant_sizes[..body]).unwrap_or(tail.from)
            }
            None => random.one_of(&self.entrant_sizes).unwrap_or(0.0),
        }
    }

    fn arrivals(&self, shock: f64, random: &mut Random) -> f64 {
        let scale = (self.entrant_error * random.normal()).exp();
        let count = random.poisson(self.entrants * shock.exp());
        let sizes = &self.entrant_sizes;
        if count <= MANY_ENTRANTS {
            return scale * (0..count as u64).map(|_| self.entrant(random)).sum::<f64>();
        }
        let mean = sizes.iter().map(|size| f64::from(*size)).sum::<f64>() / sizes.len().max(1) as f64;
        let spread = sizes.iter().map(|size| (f64::from(*size) - mean).powi(2)).sum::<f64>();
        let deviation = (count * spread / sizes.len().max(1) as f64).sqrt();
        scale * (count * mean + deviation * random.normal()).max(0.0)
    }
}

/// The moments of expansions whose uplift is multiplied: an expansion's capped ratio is 1.
fn scaled_moments(moments: &Moments, scale: f64) -> Moments {
    let (mean, square) = (moments[0] - 1.0, moments[1] - 2.0 * moments[0] + 1.0);
    let ratio = 1.0 + scale * mean;
    [ratio, 1.0 + 2.0 * scale * mean + scale * scale * square, 1.0, 1.0, ratio]
}

impl Shocks {
    fn draw(&self, random: &mut Random) -> [f64; 4] {
        let normals: [f64; 4] = std::array::from_fn(|_| random.normal());
        let together = |row: &Vec<f64>| row.iter().zip(&normals).map(|(weight, normal)| weight * normal).sum::<f64>();
        let mut shocks = [0.0; 4];
        for (place, (kind, row)) in self.kinds.iter().zip(&self.factor).enumerate() {
            shocks[place] = kind.draw(random.uniform(), together(row));
        }
        shocks
    }
}
