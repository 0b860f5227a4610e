//! What one horizon is drawn from: the largest accounts one by one, all others in cells.

use std::collections::BTreeMap;

use super::probabilities::Probabilities;
use super::rates::{BandRates, Rates, Tail, within};
use super::shock::Shock;

/// Accounts that are drawn one by one. The others are so many and so small that their sum, given the shocks, is normal.
const ONE_BY_ONE: usize = 2_048;
/// Width of the cells in both logits.
const CELL_LOGIT: f64 = 0.25;
/// Logits beyond this are as good as certain.
const WIDEST: f64 = 10.0;

/// An account that pays today.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Payer {
    pub mrr: f64,
    pub band: usize,
    /// Probability to leave within the horizon.
    pub churn: f64,
    /// Probability to expand within it, of those that stay.
    pub expansion: f64,
}

/// Small accounts with nearly the same probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cell {
    pub band: usize,
    pub churn: f64,
    pub expansion: f64,
    /// Sum of MRR.
    pub mrr: f64,
    /// Sum of its squares.
    pub square: f64,
}

/// The shocks of a horizon: churn, expansion, other changes, arrivals; and how they go together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shocks {
    pub kinds: [Shock; 4],
    /// Lower factor of their correlation.
    pub factor: Vec<Vec<f64>>,
}

/// A horizon, ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub opening: f64,
    pub payers: Vec<Payer>,
    pub cells: Vec<Cell>,
    pub bands: Vec<BandRates>,
    pub entrants: f64,
    pub entrant_sizes: Vec<f32>,
    pub entrant_tail: Option<Tail>,
    pub entrant_error: f64,
    pub shocks: Shocks,
}

/// Every account that pays today, with its probabilities at a horizon; the rate of its band where it has no score.
pub(crate) fn payers(base: &[(usize, f64, usize)], scores: &Probabilities, rates: &Rates) -> Vec<Payer> {
    let payer = |&(account, mrr, band): &(usize, f64, usize)| {
        let churn = scores.churn(account).map(|p| within(p, rates.churn_exposure));
        let expansion = scores.expansion(account).map(|p| within(p, rates.expansion_exposure));
        let of_band = &rates.bands[band];
        Payer { mrr, band, churn: churn.unwrap_or(of_band.churn), expansion: expansion.unwrap_or(of_band.expansion) }
    };
    base.iter().map(payer).collect()
}

impl Plan {
    pub(crate) fn new(mut payers: Vec<Payer>, rates: &Rates, shocks: Shocks) -> Self {
        let opening = payers.iter().map(|payer| payer.mrr).sum();
        payers.sort_by(|a, b| b.mrr.total_cmp(&a.mrr));
        let cells = cells(&payers.split_off(payers.len().min(ONE_BY_ONE)));
        Self {
            opening,
            payers,
            cells,
            bands: rates.bands.clone(),
            entrants: rates.entrants,
            entrant_sizes: rates.entrant_sizes.clone(),
            entrant_tail: rates.entrant_tail,
            entrant_error: rates.entrant_error,
            shocks,
        }
    }
}

fn cells(payers: &[Payer]) -> Vec<Cell> {
    let place = |probability: f64| {
        let logit = (probability / (1.0 - probability)).ln().clamp(-WIDEST, WIDEST);
        (logit / CELL_LOGIT).floor() as i32
    };
    // Probabilities are summed as weighted by MRR: a cell stands for money.
    let mut sums: BTreeMap<(usize, i32, i32), [f64; 4]> = BTreeMap::new();
    for payer in payers {
        let sum = sums.entry((payer.band, place(payer.churn), place(payer.expansion))).or_default();
        sum[0] += payer.mrr;
        sum[1] += payer.mrr * payer.mrr;
        sum[2] += payer.mrr * payer.churn;
        sum[3] += payer.mrr * payer.expansion;
    }
    let cell = |((band, ..), [mrr, square, churn, expansion]): ((usize, i32, i32), [f64; 4])| Cell {
        band,
        churn: churn / mrr,
        expansion: expansion / mrr,
        mrr,
        square,
    };
    sums.into_iter().map(cell).collect()
}
