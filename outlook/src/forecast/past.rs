//! How often accounts left, expanded, changed otherwise or came, counted over past windows.
//!
//! An origin lies every thirty days, back from the last one whose windows are settled. At each, the accounts are counted by
//! bands of opening MRR and by horizon. Windows of 60 and 90 days overlap; the learning of shocks takes that into account.

use bellwether_features::time::Instant;
use chrono::{Days, NaiveDate};
use rayon::prelude::*;

use super::probabilities::RevenueTargets;
use super::settled::Timelines;
use crate::money::Cents;

/// The horizons of a forecast, in days.
pub const HORIZONS_DAYS: [u32; 3] = [30, 60, 90];
/// Bands of opening MRR.
pub(crate) const BANDS: usize = 8;
/// Days from one origin to the next.
pub(crate) const STEP_DAYS: u32 = 30;
/// Most origins: three years.
const ORIGINS: usize = 36;
/// Origins whose rates are those of today: the last year.
pub(crate) const YEAR_ORIGINS: usize = 12;
/// Accounts that one thread counts in one go; a constant, so that sums are added in one order.
const CHUNK: usize = 8_192;

/// What can happen to an account that pays; the third is of those that neither left nor expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Closing MRR 0.
    Churn = 0,
    /// Closing MRR by the expansion's threshold above the opening, of those that stay.
    Expansion = 1,
    /// Any other closing MRR but the opening one, of the rest.
    Other = 2,
}

const KINDS: usize = 3;

/// Accounts of a band at an origin. The weight of an account is the square root of its MRR: between counting heads, which
/// the small ones decide, and counting money, which a handful does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Tally {
    pub accounts: f64,
    pub hits: f64,
    pub weight: f64,
    pub square: f64,
    pub weighted_hits: f64,
}

impl Tally {
    fn add(&mut self, weight: f64, hit: bool) {
        let hit = f64::from(u8::from(hit));
        self.accounts += 1.0;
        self.hits += hit;
        self.weight += weight;
        self.square += weight * weight;
        self.weighted_hits += weight * hit;
    }

    fn merge(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.hits += other.hits;
        self.weight += other.weight;
        self.square += other.square;
        self.weighted_hits += other.weighted_hits;
    }
}

/// Share of accounts for which something happened.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Count {
    pub accounts: f64,
    pub hits: f64,
}

/// One origin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    /// Days before the forecast's date.
    pub days_before: u32,
    /// By horizon, kind and band.
    tallies: Vec<Tally>,
    /// By horizon: accounts that did not pay at the origin and do at its end.
    pub entrants: [f64; HORIZONS_DAYS.len()],
    /// Of them, those that had paid before.
    pub returners: [f64; HORIZONS_DAYS.len()],
    /// Accounts that had paid before the origin and did not pay at it: those that can return.
    pub ended: f64,
    /// Churn by the target's own window; empty where that is not over.
    pub churn: Count,
    /// Expansion likewise.
    pub expansion: Count,
}

impl Window {
    fn empty(days_before: u32) -> Self {
        let tallies = vec![Tally::default(); HORIZONS_DAYS.len() * KINDS * BANDS];
        Self {
            days_before,
            tallies,
            entrants: [0.0; HORIZONS_DAYS.len()],
            returners: [0.0; HORIZONS_DAYS.len()],
            ended: 0.0,
            churn: Count::default(),
            expansion: Count::default(),
        }
    }

    /// Bands of a horizon and kind.
    pub(crate) fn bands(&self, horizon: usize, kind: Kind) -> &[Tally] {
        let first = (horizon * KINDS + kind as usize) * BANDS;
        &self.tallies[first..first + BANDS]
    }

    fn tally(&mut self, horizon: usize, kind: Kind, band: usize) -> &mut Tally {
        &mut self.tallies[(horizon * KINDS + kind as usize) * BANDS + band]
    }

    fn merge(&mut self, other: &Self) {
        self.tallies.iter_mut().zip(&other.tallies).for_each(|(sum, other)| sum.merge(other));
        self.entrants.iter_mut().zip(other.entrants).for_each(|(sum, other)| *sum += other);
        self.returners.iter_mut().zip(other.returners).for_each(|(sum, other)| *sum += other);
        self.ended += other.ended;
        for (sum, other) in [(&mut self.churn, other.churn), (&mut self.expansion, other.expansion)] {
            sum.accounts += other.accounts;
            sum.hits += other.hits;
        }
    }
}

/// Sizes of a horizon: closing over opening MRR by band, and what those pay who come.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sizes {
    pub expansion: Vec<Vec<f32>>,
    pub other: Vec<Vec<f32>>,
    pub entrants: Vec<f32>,
}

impl Sizes {
    fn empty() -> Self {
        Self { expansion: vec![Vec::new(); BANDS], other: vec![Vec::new(); BANDS], entrants: Vec::new() }
    }

    fn merge(&mut self, other: Self) {
        let bands = self.expansion.iter_mut().zip(other.expansion).chain(self.other.iter_mut().zip(other.other));
        bands.for_each(|(sizes, more)| sizes.extend(more));
        self.entrants.extend(other.entrants);
    }
}

/// Where one band of MRR ends and the next begins: each holds about the same part of the sum of square roots of MRR.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bands(Vec<f64>);

impl Bands {
    /// Of the MRR of today's base.
    pub(crate) fn of(openings: impl Iterator<Item = f64>) -> Self {
        let mut openings: Vec<f64> = openings.collect();
        openings.sort_by(f64::total_cmp);
        let total: f64 = openings.iter().map(|mrr| mrr.sqrt()).sum();
        let (mut cuts, mut sum) = (Vec::new(), 0.0);
        for mrr in openings {
            if sum >= total * (cuts.len() + 1) as f64 / BANDS as f64 && cuts.len() + 1 < BANDS {
                cuts.push(mrr);
            }
            sum += mrr.sqrt();
        }
        Self(cuts)
    }

    pub(crate) fn place(&self, mrr: f64) -> usize {
        self.0.partition_point(|cut| *cut <= mrr)
    }
}

/// The past of a base.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Past {
    /// Latest first.
    pub windows: Vec<Window>,
    /// By horizon.
    pub sizes: Vec<Sizes>,
    /// Accounts that have paid and do not pay at the forecast's date.
    pub ended_now: f64,
}

/// What the counting of one account needs to know.
pub(crate) struct Counting<'a> {
    pub timelines: &'a Timelines<'a>,
    pub as_of: NaiveDate,
    pub grace_days: u32,
    pub targets: &'a RevenueTargets,
    pub bands: &'a Bands,
}

impl Past {
    pub(crate) fn count(counting: &Counting<'_>) -> Self {
        let days = counting.origins();
        let accounts = counting.timelines.accounts();
        let empty = || Self {
            windows: days.iter().map(|days| Window::empty(*days)).collect(),
            sizes: vec![Sizes::empty(); HORIZONS_DAYS.len()],
            ended_now: 0.0,
        };
        let chunk = |chunk: usize| {
            let mut part = empty();
            for account in chunk * CHUNK..((chunk + 1) * CHUNK).min(accounts) {
                counting.account(account, &mut part);
            }
            part
        };
        let parts: Vec<Self> = (0..accounts.div_ceil(CHUNK)).into_par_iter().map(chunk).collect();
        parts.into_iter().fold(empty(), |mut sum, part| {
            sum.windows.iter_mut().zip(&part.windows).for_each(|(sum, part)| sum.merge(part));
            sum.sizes.iter_mut().zip(part.sizes).for_each(|(sum, part)| sum.merge(part));
            sum.ended_now += part.ended_now;
            sum
        })
    }
}

impl Counting<'_> {
    /// Origins in days before the forecast's date, ascending: those since the past says who left.
    fn origins(&self) -> Vec<u32> {
        let Some(begin) = self.timelines.begin() else { return Vec::new() };
        let first = STEP_DAYS + self.grace_days;
        let days = (0..ORIGINS as u32).map(|step| first + step * STEP_DAYS);
        days.take_while(|days| {
            self.as_of.checked_sub_days(Days::new(u64::from(*days))).is_some_and(|date| date >= begin)
        })
        .collect()
    }

    /// Whether a window of so many days is settled.
    pub(crate) fn is_settled(&self, days_before: u32, horizon_days: u32) -> bool {
        days_before >= horizon_days + self.grace_days
    }

    /// From which MRR on an account has expanded.
    pub(crate) fn least(&self, opening: Cents) -> Cents {
        let opening = opening.amount();
        let least = (self.targets.ratio * opening).max(opening + self.targets.min_absolute);
        Cents(((least - 1e-9 * least.abs()) * 100.0 - 1e-6).ceil() as i64)
    }

    fn account(&self, account: usize, part: &mut Past) {
        let Some(first_paid) = self.timelines.first_paid(account) else { return };
        let longest = HORIZONS_DAYS.iter().max().copied().unwrap_or_default();
        let now = Instant::start_of(self.as_of);
        part.ended_now += f64::from(u8::from(first_paid < now && self.timelines.known(account, now) == Cents::ZERO));
        for (place, window) in part.windows.iter_mut().enumerate() {
            let origin = Instant::start_of(self.as_of).plus_days(-i64::from(window.days_before));
            if first_paid >= origin.plus_days(i64::from(longest)) {
                return;
            }
            let opening = self.timelines.known(account, origin);
            let has_ended = first_paid < origin && opening == Cents::ZERO;
            window.ended += f64::from(u8::from(has_ended));
            for (horizon, days) in HORIZONS_DAYS.into_iter().enumerate() {
                if !self.is_settled(window.days_before, days) {
                    continue;
                }
                let closing = self.timelines.paid(account, origin.plus_days(i64::from(days)));
                if opening > Cents::ZERO {
                    self.stayer(opening, closing, horizon, window, &mut part.sizes[horizon]);
                } else if closing > Cents::ZERO {
                    window.entrants[horizon] += 1.0;
                    window.returners[horizon] += f64::from(u8::from(has_ended));
                    if place < YEAR_ORIGINS {
                        part.sizes[horizon].entrants.push(small(closing.amount()));
                    }
                }
            }
            if opening > Cents::ZERO {
                self.by_target(account, origin, opening, window);
            }
        }
    }

    fn stayer(&self, opening: Cents, closing: Cents, horizon: usize, window: &mut Window, sizes: &mut Sizes) {
        let (mrr, ratio) = (opening.amount(), small(closing.over(opening).unwrap_or(1.0)));
        let (band, weight) = (self.bands.place(mrr), mrr.sqrt());
        let has_left = closing == Cents::ZERO;
        window.tally(horizon, Kind::Churn, band).add(weight, has_left);
        if has_left {
            return;
        }
        let has_expanded = closing >= self.least(opening);
        window.tally(horizon, Kind::Expansion, band).add(weight, has_expanded);
        if has_expanded {
            sizes.expansion[band].push(ratio);
            return;
        }
        window.tally(horizon, Kind::Other, band).add(weight, closing != opening);
        if closing != opening {
            sizes.other[band].push(ratio);
        }
    }

    /// Whether the targets themselves say yes, for the timing of events within their window.
    fn by_target(&self, account: usize, origin: Instant, opening: Cents, window: &mut Window) {
        let settled = |days: u32| self.is_settled(window.days_before, days);
        let end = |days: u32| origin.plus_days(i64::from(days));
        if let Some(target) = self.targets.churn.as_ref().filter(|target| settled(target.horizon_days)) {
            let hit = self.timelines.ends_within(account, origin, end(target.horizon_days));
            window.churn.accounts += 1.0;
            window.churn.hits += f64::from(u8::from(hit));
        }
        if let Some(target) = self.targets.expansion.as_ref().filter(|target| settled(target.horizon_days)) {
            let hit = self.timelines.reaches(account, origin, end(target.horizon_days), self.least(opening));
            window.expansion.accounts += 1.0;
            window.expansion.hits += f64::from(u8::from(hit));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a size needs no more than a 32-bit float")]
fn small(value: f64) -> f32 {
    value as f32
}
