//! From counted windows to what a forecast is drawn from: rates, timing and sizes by band, and observed shocks.

use super::past::{BANDS, HORIZONS_DAYS, Kind, Past, STEP_DAYS, Tally, Window, YEAR_ORIGINS};
use super::probabilities::{RevenueTarget, RevenueTargets};
use super::shock::{Bin, Observation};

/// A band draws its rate towards that of all bands with so many events.
const RATE_EVENTS: f64 = 10.0;
/// Constant hazard counts as so many events when the timing within the window is learned.
const TIMING_EVENTS: f64 = 30.0;
/// A band has sizes of its own from so many events on; with fewer it takes its neighbours'.
const LEAST_SIZES: usize = 40;
/// Sizes kept of a band: points at equal ranks where there are more.
const MOST_SIZES: usize = 4_096;

/// A band of opening MRR at a horizon.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BandRates {
    /// Share that leaves.
    pub churn: f64,
    /// Share of the others that expands.
    pub expansion: f64,
    /// Share of the rest whose MRR changes otherwise.
    pub other: f64,
    /// Closing over opening MRR of expansions, ascending; never empty.
    pub expansion_sizes: Vec<f32>,
    /// Standard error of their mean uplift over that uplift.
    pub size_error: f64,
    /// Of other changes, ascending.
    pub other_sizes: Vec<f32>,
}

/// A horizon.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rates {
    pub horizon_days: u32,
    pub bands: Vec<BandRates>,
    /// Length of the horizon in windows of the churn target: `1 - (1 - p)^exposure` leave.
    pub churn_exposure: f64,
    /// Likewise, of those that stay.
    pub expansion_exposure: f64,
    /// Accounts that come, on average.
    pub entrants: f64,
    /// What each of them pays, ascending.
    pub entrant_sizes: Vec<f32>,
    /// What the largest of them may pay; `None` where too few came to tell.
    pub entrant_tail: Option<Tail>,
    /// Standard error of their mean over that mean.
    pub entrant_error: f64,
    /// Mean uplift of expansions.
    pub uplift: f64,
    /// Shocks seen of churn, expansion, other changes and arrivals, against the rates of all windows.
    pub seen: [Vec<Observation>; 4],
}

/// The largest tenth of sizes, as a Pareto distribution: sizes that were seen never say how large the next one can be.
///
/// Exponent: `k / sum ln(x_i / x_k)` over the `k` largest (Hill 1975, Annals of Statistics 3(5), 1163-1174). What lies beyond its
/// beginning is scaled so that its mean is that of the sizes seen: the tail says how far one account may go, not that all of
/// them pay more than they did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tail {
    /// Share of the sizes below it.
    pub below: f64,
    /// Where it begins.
    pub from: f64,
    /// Exponent.
    pub exponent: f64,
    /// No size is taken to be larger, before it is scaled.
    pub most: f64,
    /// What the part beyond the beginning is multiplied by.
    pub scale: f64,
}

/// Fewest sizes that say something of their tail.
const LEAST_TAIL: usize = 50;
/// How many times the largest size seen a size may be.
const TAIL_FACTOR: f64 = 5.0;

impl Tail {
    pub(crate) fn of(sorted: &[f32]) -> Option<Self> {
        let count = sorted.len() / 10;
        let place = sorted.len().checked_sub(count + 1).filter(|_| sorted.len() >= LEAST_TAIL)?;
        let from = f64::from(sorted[place]);
        let logs: f64 = sorted[place + 1..].iter().map(|size| (f64::from(*size) / from).ln()).sum();
        let most = TAIL_FACTOR * f64::from(sorted[sorted.len() - 1]);
        let below = (place + 1) as f64 / sorted.len() as f64;
        let exponent = count as f64 / logs;
        let seen = mean(&sorted[place + 1..]) - from;
        let scale = seen / mean_beyond(from, exponent, most);
        (from > 0.0 && logs > 0.0).then_some(Self { below, from, exponent, most, scale })
    }

    /// The size at a place between 0 and 1 of the tail.
    pub(crate) fn size(&self, place: f64) -> f64 {
        let size = (self.from * (1.0 - place).powf(-1.0 / self.exponent)).min(self.most);
        self.from + self.scale * (size - self.from)
    }
}

/// Mean of what a size of a Pareto distribution that is cut at `most` has beyond `from`: the integral of its tail.
fn mean_beyond(from: f64, exponent: f64, most: f64) -> f64 {
    let over = exponent - 1.0;
    if over.abs() < 1e-9 { from * (most / from).ln() } else { from / over * (1.0 - (from / most).powf(over)) }
}

/// Share of the accounts with a probability `p` over one window for which it happens within `exposure` windows, at a constant
/// hazard.
pub(crate) fn within(probability: f64, exposure: f64) -> f64 {
    1.0 - (1.0 - probability).powf(exposure)
}

impl Rates {
    pub(crate) fn of(past: &Past, horizon: usize, targets: &RevenueTargets) -> Self {
        let horizon_days = HORIZONS_DAYS[horizon];
        let settled: Vec<&Window> = past.windows.iter().filter(|window| has_accounts(window, horizon)).collect();
        let year: Vec<&Window> = settled.iter().copied().take(YEAR_ORIGINS).collect();
        let rates = |kind: Kind| band_rates(&year, horizon, kind);
        let (churn, expansion, other) = (rates(Kind::Churn), rates(Kind::Expansion), rates(Kind::Other));
        let sizes = &past.sizes[horizon];
        let pooled = pool(&sizes.expansion, targets.ratio.max(1.01) as f32);
        let other_pooled = pool(&sizes.other, 1.0);
        let bands = (0..BANDS).map(|band| BandRates {
            churn: churn[band],
            expansion: expansion[band],
            other: other[band],
            size_error: mean_error(&pooled[band], 1.0, horizon_days),
            expansion_sizes: thinned(&pooled[band]),
            other_sizes: thinned(&other_pooled[band]),
        });
        let mut entrant_sizes = sizes.entrants.clone();
        entrant_sizes.sort_by(f32::total_cmp);
        let arrivals = Arrivals::of(&year, horizon);
        let all: Vec<f32> = sizes.expansion.concat();
        let exposure = |kind: Kind, target: Option<&RevenueTarget>| exposure(&settled, horizon, kind, target);
        Self {
            horizon_days,
            bands: bands.collect(),
            churn_exposure: exposure(Kind::Churn, targets.churn.as_ref()),
            expansion_exposure: exposure(Kind::Expansion, targets.expansion.as_ref()),
            entrants: arrivals.expected(past.ended_now),
            entrant_error: mean_error(&entrant_sizes, 0.0, horizon_days),
            entrant_tail: Tail::of(&entrant_sizes),
            entrant_sizes: thinned(&entrant_sizes),
            uplift: if all.is_empty() { targets.ratio - 1.0 } else { mean(&all) - 1.0 },
            seen: seen(&settled, horizon, arrivals),
        }
    }
}

/// Who comes in a window: new accounts, as many each time, and a share of those that have left, of whom there are ever more.
#[derive(Debug, Clone, Copy)]
struct Arrivals {
    new: f64,
    of_ended: f64,
}

impl Arrivals {
    fn of(windows: &[&Window], horizon: usize) -> Self {
        let sum = |of: &dyn Fn(&Window) -> f64| windows.iter().map(|window| of(window)).sum::<f64>();
        let returned = sum(&|window| window.returners[horizon]);
        let ended = sum(&|window| window.ended);
        Self {
            new: (sum(&|window| window.entrants[horizon]) - returned) / windows.len().max(1) as f64,
            of_ended: if ended > 0.0 { returned / ended } else { 0.0 },
        }
    }

    fn expected(self, ended: f64) -> f64 {
        self.new + self.of_ended * ended
    }
}

fn has_accounts(window: &Window, horizon: usize) -> bool {
    window.bands(horizon, Kind::Churn).iter().any(|tally| tally.accounts > 0.0)
}

fn sum(windows: &[&Window], horizon: usize, kind: Kind, of: fn(&Tally) -> f64) -> [f64; BANDS] {
    let mut sums = [0.0; BANDS];
    for window in windows {
        sums.iter_mut().zip(window.bands(horizon, kind)).for_each(|(sum, tally)| *sum += of(tally));
    }
    sums
}

/// Rate by band, drawn towards that of all.
fn band_rates(windows: &[&Window], horizon: usize, kind: Kind) -> [f64; BANDS] {
    let hits = sum(windows, horizon, kind, |tally| tally.hits);
    let accounts = sum(windows, horizon, kind, |tally| tally.accounts);
    let total: f64 = accounts.iter().sum();
    let all = if total > 0.0 { hits.iter().sum::<f64>() / total } else { 0.0 };
    std::array::from_fn(|band| match all > 0.0 {
        true => (hits[band] + RATE_EVENTS) / (accounts[band] + RATE_EVENTS / all),
        false => 0.0,
    })
}

/// How many windows of the target the horizon is worth, as past events were timed; the ratio of lengths counts as
/// [`TIMING_EVENTS`].
fn exposure(windows: &[&Window], horizon: usize, kind: Kind, target: Option<&RevenueTarget>) -> f64 {
    let days = f64::from(HORIZONS_DAYS[horizon]);
    let Some(target) = target else { return 1.0 };
    let constant = days / f64::from(target.horizon_days);
    let count = |window: &Window| if kind == Kind::Churn { window.churn } else { window.expansion };
    let both: Vec<&Window> = windows.iter().copied().filter(|window| count(window).accounts > 0.0).collect();
    let total = |of: fn(&Tally) -> f64| sum(&both, horizon, kind, of).iter().sum::<f64>();
    let (hits, accounts) = (total(|tally| tally.hits), total(|tally| tally.accounts));
    let by_target = both
        .iter()
        .fold((0.0, 0.0), |(hits, accounts), window| (hits + count(window).hits, accounts + count(window).accounts));
    let (share, whole) = (hits / accounts, by_target.0 / by_target.1);
    let seen = (1.0 - share).ln() / (1.0 - whole).ln();
    // Each event is in as many windows as overlap.
    let events = hits * f64::from(STEP_DAYS) / days;
    if seen.is_finite() && events > 0.0 {
        (events * seen + TIMING_EVENTS * constant) / (events + TIMING_EVENTS)
    } else {
        constant
    }
}

/// Sizes of each band and of as many neighbours as it needs to have enough, ascending.
fn pool(bands: &[Vec<f32>], without: f32) -> Vec<Vec<f32>> {
    let pooled = |band: usize| {
        let mut width = 0;
        loop {
            let (low, high) = (band.saturating_sub(width), (band + width).min(BANDS - 1));
            let mut sizes = bands[low..=high].concat();
            if sizes.len() >= LEAST_SIZES || width >= BANDS {
                sizes.sort_by(f32::total_cmp);
                return if sizes.is_empty() { vec![without] } else { sizes };
            }
            width += 1;
        }
    };
    (0..BANDS).map(pooled).collect()
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len().max(1) as f64
}

/// Standard error of the mean of sizes above `from`, relative to that mean, at most a half; windows that overlap hold the same
/// event more than once.
fn mean_error(sizes: &[f32], from: f64, horizon_days: u32) -> f64 {
    let centre = mean(sizes);
    let spread = sizes.iter().map(|size| (f64::from(*size) - centre).powi(2)).sum::<f64>() / sizes.len().max(1) as f64;
    let events = (sizes.len() as f64 * f64::from(STEP_DAYS) / f64::from(horizon_days)).max(1.0);
    if centre > from { ((spread / events).sqrt() / (centre - from)).min(0.5) } else { 0.0 }
}

fn thinned(sorted: &[f32]) -> Vec<f32> {
    if sorted.len() <= MOST_SIZES {
        return sorted.to_vec();
    }
    (0..MOST_SIZES).map(|rank| sorted[(2 * rank + 1) * sorted.len() / (2 * MOST_SIZES)]).collect()
}

/// What each window shows against the rates of all of them.
fn seen(windows: &[&Window], horizon: usize, arrivals: Arrivals) -> [Vec<Observation>; 4] {
    let of_kind = |kind: Kind| {
        let expected = band_rates(windows, horizon, kind);
        let of_window = |window: &&Window| {
            let bands = window.bands(horizon, kind);
            let bin = |(tally, expected): (&Tally, f64)| Bin { expected, weight: tally.weight, square: tally.square };
            let bins: Vec<Bin> = bands.iter().zip(expected).map(bin).collect();
            let hits = bands.iter().map(|tally| tally.weighted_hits).sum();
            Observation::of(f64::from(window.days_before), &bins, hits)
        };
        windows.iter().filter_map(of_window).collect::<Vec<_>>()
    };
    let arrivals = windows.iter().filter_map(|window| {
        let expected = arrivals.expected(window.ended);
        Observation::of_count(f64::from(window.days_before), expected, window.entrants[horizon])
    });
    [of_kind(Kind::Churn), of_kind(Kind::Expansion), of_kind(Kind::Other), arrivals.collect()]
}
