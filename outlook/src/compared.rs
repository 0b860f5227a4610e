//! Channels, campaigns and plans compared at equal size.
//!
//! Large accounts stay longer and come by other channels, so a channel's plain retention says mostly how large its accounts
//! are. Direct standardisation asks what it would be if each had the sizes of the whole base: `R = sum_k w_k r_k`, with the
//! rate `r_k` of the group's accounts of size class `k` and the share `w_k` of that class in the base (its accounts, for
//! revenue its opening MRR); `Var R = sum_k w_k^2 Var r_k` (Breslow and Day 1987, vol. II, sec. 2.3). Classes of which the
//! group, or all others, have fewer than [`LEAST_IN_CLASS`] accounts are left out of both, and how much of the base the others
//! are is told.
//!
//! The interval of a share is Wilson's with the number of accounts that would give its variance (Kott and Carr 1997, J. Off.
//! Stat. 13); that of the difference to all others is made of both intervals (Donner and Zou 2012, Stat. Methods Med. Res. 21,
//! "MOVER"). A difference says what goes with a channel at equal size; what else differs between channels is still in it.

use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

use crate::cohort::Share;
use crate::level::{LEAST_ACCOUNTS_AT_ONCE, year_before};
use crate::money::Cents;
use crate::segment::{GroupedBy, LEAST_ACCOUNTS, SizeCutOffs, code_of_account, name_of, names_of};
use crate::timeline::Timeline;

/// A size class of a group counts from so many accounts on.
pub const LEAST_IN_CLASS: u64 = 5;

/// Size classes, small first.
pub(crate) const SIZES: [&str; 3] = ["small", "mid_market", "enterprise"];

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Share of the accounts that paid twelve months before and pay now.
    LogoRetention,
    /// Share of them that pay more.
    Expanded,
    /// Net revenue retention.
    NetRevenueRetention,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LogoRetention, Self::Expanded, Self::NetRevenueRetention];

    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LogoRetention => "logo_retention_12m",
            Self::Expanded => "expanded_12m",
            Self::NetRevenueRetention => "nrr_12m",
        }
    }
}

/// One group at the sizes of the whole base, over the twelve months before `as_of`.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Channel, campaign or plan.
    pub by: GroupedBy,
    /// Its name.
    pub group: String,
    /// What is compared.
    pub measure: Measure,
    /// Accounts of the group.
    pub accounts: u64,
    /// As counted, whatever the sizes.
    pub counted: f64,
    /// Share of the base in the size classes that are compared.
    pub covered: f64,
    /// At the sizes of the base.
    pub standardised: Share,
    /// All others, at the same sizes.
    pub others: Share,
    /// The group less all others.
    pub difference: Share,
}

/// Sums of one group's accounts of one size class; squares as exact whole numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cell {
    accounts: u64,
    kept: u64,
    expanded: u64,
    pub(crate) money: Money,
}

/// Sums of opening and closing MRR over accounts, with their squares, in cents: exact, so that no order changes them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Money {
    pub(crate) opening: Cents,
    pub(crate) closing: Cents,
    opening_squared: i128,
    product: i128,
    closing_squared: i128,
}

impl Money {
    pub(crate) fn of(opening: Cents, closing: Cents) -> Self {
        let (then, now) = (i128::from(opening.0), i128::from(closing.0));
        Self { opening, closing, opening_squared: then * then, product: then * now, closing_squared: now * now }
    }

    pub(crate) fn add(&mut self, other: &Self, sign: i128) {
        let cents = |one: Cents, other: Cents| if sign < 0 { one - other } else { one + other };
        self.opening = cents(self.opening, other.opening);
        self.closing = cents(self.closing, other.closing);
        self.opening_squared += sign * other.opening_squared;
        self.product += sign * other.product;
        self.closing_squared += sign * other.closing_squared;
    }

    /// Net revenue retention and its variance (a ratio of sums, linearised, Cochran 1977, ch. 6), of so many accounts; `None`
    /// with fewer than two or without an opening. Accounts that all did the same do not make it certain.
    pub(crate) fn net(&self, accounts: u64) -> Option<(f64, f64)> {
        let value = self.closing.over(self.opening).filter(|_| accounts > 1)?;
        let n = accounts as f64;
        let (oo, oc, cc) = (self.opening_squared as f64, self.product as f64, self.closing_squared as f64);
        let squares = (cc - 2.0 * value * oc + value * value * oo).max(0.0);
        let variance = squares * n / (n - 1.0) / (self.opening.0 as f64).powi(2);
        Some((value, variance.max(1e-6)))
    }

    /// Mean closing MRR per account in the project's currency, with a 95 % interval; `None` with fewer than two.
    pub(crate) fn closing_mean(&self, accounts: u64) -> Option<Share> {
        let n = accounts as f64;
        let mean = self.closing.0 as f64 / n;
        let variance = (self.closing_squared as f64 - n * mean * mean).max(0.0) / (n - 1.0) / n;
        let half = Z * variance.sqrt();
        let amount = |cents: f64| cents / 100.0;
        (accounts > 1).then(|| Share {
            value: amount(mean),
            low: amount((mean - half).max(0.0)),
            high: amount(mean + half),
        })
    }
}

/// A rate with its variance, and the rate that the variance is of.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    value: f64,
    smooth: f64,
    variance: f64,
}

impl Cell {
    fn of(opening: Cents, closing: Cents) -> Self {
        Self {
            accounts: 1,
            kept: u64::from(closing > Cents::ZERO),
            expanded: u64::from(closing > opening),
            money: Money::of(opening, closing),
        }
    }

    fn plus(mut self, other: &Self) -> Self {
        self.accounts += other.accounts;
        self.kept += other.kept;
        self.expanded += other.expanded;
        self.money.add(&other.money, 1);
        self
    }

    fn minus(mut self, other: &Self) -> Self {
        self.accounts -= other.accounts;
        self.kept -= other.kept;
        self.expanded -= other.expanded;
        self.money.add(&other.money, -1);
        self
    }

    fn rate(&self, measure: Measure) -> Option<Rate> {
        let share = |count: u64| {
            let n = self.accounts as f64;
            // Half a success and half a failure added for the variance, so that a share of 0 or 1 is not certain.
            let smooth = (count as f64 + 0.5) / (n + 1.0);
            let variance = smooth * (1.0 - smooth) / n;
            (self.accounts > 0).then(|| Rate { value: count as f64 / n, smooth, variance })
        };
        match measure {
            Measure::LogoRetention => share(self.kept),
            Measure::Expanded => share(self.expanded),
            Measure::NetRevenueRetention => {
                self.money.net(self.accounts).map(|(value, variance)| Rate { value, smooth: value, variance })
            }
        }
    }

    fn weight(&self, measure: Measure) -> f64 {
        match measure {
            Measure::NetRevenueRetention => self.money.opening.0 as f64,
            Measure::LogoRetention | Measure::Expanded => self.accounts as f64,
        }
    }
}

type Cells = BTreeMap<Option<u32>, [Cell; 3]>;

/// Channels, then campaigns (where accounts name any), then plans, each by name, of at least [`LEAST_ACCOUNTS`] accounts that
/// paid twelve months before `as_of`.
#[must_use]
pub fn compared(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate, sizes: SizeCutOffs) -> Vec<Compared> {
    let (opening, closing) = (Instant::start_of(year_before(as_of)), Instant::start_of(as_of));
    let mut found = Vec::new();
    for by in [GroupedBy::Channel, GroupedBy::Campaign, GroupedBy::Plan] {
        if by == GroupedBy::Campaign && facts.campaigns.names.is_empty() {
            continue;
        }
        let add = |mut cells: Cells, (account, timeline): (usize, &Timeline)| {
            let Some(then) = timeline.before(opening).filter(|then| then.mrr > Cents::ZERO) else { return cells };
            let code = match by {
                GroupedBy::Plan => then.plan,
                _ => code_of_account(facts, account, opening, by),
            };
            let cell = &mut cells.entry(code).or_default()[sizes.class(then.mrr)];
            *cell = cell.plus(&Cell::of(then.mrr, timeline.mrr_before(closing)));
            cells
        };
        let accounts = timelines.par_iter().enumerate().with_min_len(LEAST_ACCOUNTS_AT_ONCE);
        let cells = accounts.fold(Cells::new, add).reduce(Cells::new, merged);
        let name = |code: Option<u32>| name_of(names_of(facts, by), code);
        let mut groups: Vec<(String, [Cell; 3])> = cells.into_iter().map(|(code, cells)| (name(code), cells)).collect();
        groups.sort_by(|one, other| one.0.cmp(&other.0));
        found.extend(of_groups(by, &groups));
    }
    found
}

fn merged(mut cells: Cells, other: Cells) -> Cells {
    for (code, other) in other {
        let mine = cells.entry(code).or_default();
        *mine = std::array::from_fn(|class| mine[class].plus(&other[class]));
    }
    cells
}

fn of_groups(by: GroupedBy, groups: &[(String, [Cell; 3])]) -> Vec<Compared> {
    let base = groups
        .iter()
        .fold([Cell::default(); 3], |sums, (_, cells)| std::array::from_fn(|class| sums[class].plus(&cells[class])));
    let mut found = Vec::new();
    for (name, cells) in groups {
        let all = cells.iter().fold(Cell::default(), Cell::plus);
        if all.accounts < LEAST_ACCOUNTS as u64 {
            continue;
        }
        let others: [Cell; 3] = std::array::from_fn(|class| base[class].minus(&cells[class]));
        for measure in Measure::ALL {
            let Some(standard) = Standard::of(measure, &base, cells, &others) else { continue };
            let (one, other) = (standard.rate(measure, cells), standard.rate(measure, &others));
            let (Some(one), Some(other), Some(whole)) = (one, other, all.rate(measure)) else { continue };
            found.push(Compared {
                by,
                group: name.clone(),
                measure,
                accounts: all.accounts,
                counted: whole.value,
                covered: standard.covered,
                standardised: one,
                others: other,
                difference: difference(one, other),
            });
        }
    }
    found
}

/// Weights of the size classes, which add up to 1.
struct Standard {
    weights: [f64; 3],
    covered: f64,
}

impl Standard {
    fn of(measure: Measure, base: &[Cell; 3], one: &[Cell; 3], others: &[Cell; 3]) -> Option<Self> {
        let counts = |class: usize| one[class].accounts.min(others[class].accounts) >= LEAST_IN_CLASS;
        let weight = |class: usize| if counts(class) { base[class].weight(measure) } else { 0.0 };
        let weights = [weight(0), weight(1), weight(2)];
        let total: f64 = weights.iter().sum();
        let whole: f64 = base.iter().map(|cell| cell.weight(measure)).sum();
        (total > 0.0).then(|| Self { weights: weights.map(|weight| weight / total), covered: total / whole })
    }

    fn rate(&self, measure: Measure, cells: &[Cell; 3]) -> Option<Share> {
        let mut sum = Rate::default();
        for (weight, cell) in self.weights.iter().zip(cells).filter(|(weight, _)| **weight > 0.0) {
            let rate = cell.rate(measure)?;
            sum.value += weight * rate.value;
            sum.smooth += weight * rate.smooth;
            sum.variance += weight * weight * rate.variance;
        }
        Some(match measure {
            Measure::NetRevenueRetention => {
                let half = Z * sum.variance.sqrt();
                Share { value: sum.value, low: (sum.value - half).max(0.0), high: sum.value + half }
            }
            Measure::LogoRetention | Measure::Expanded => {
                wilson_of(sum.value, sum.smooth * (1.0 - sum.smooth) / sum.variance)
            }
        })
    }
}

/// 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's interval of a share of so many, which need not be whole.
fn wilson_of(share: f64, n: f64) -> Share {
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Share { value: share, low: (middle - half).max(0.0).min(share), high: (middle + half).min(1.0).max(share) }
}

/// The interval of a difference from those of two independent estimates.
pub(crate) fn difference(one: Share, other: Share) -> Share {
    let value = one.value - other.value;
    let below = ((one.value - one.low).powi(2) + (other.high - other.value).powi(2)).sqrt();
    let above = ((one.high - one.value).powi(2) + (other.value - other.low).powi(2)).sqrt();
    Share { value, low: value - below, high: value + above }
}
