//! Accounts with a landmark against matched accounts without it.

use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use chrono::{Months as Step, NaiveDate};
use rayon::prelude::*;

use super::{
    ExpansionRule, FirstTimes, HISTORY_DAYS, LEAST_ACCOUNTS, Landmark, MOST_MONTHS, Preceding, QUESTIONS, Sequel,
    TENURE_DAYS,
};
use crate::cohort::Share;
use crate::level::LEAST_ACCOUNTS_AT_ONCE;
use crate::money::Cents;
use crate::movement::month_of;
use crate::segment::SizeCutOffs;
use crate::timeline::{Stretch, Timeline};

/// The months that count, ascending, and for each question the first of them.
#[derive(Debug, Clone)]
pub(super) struct Months {
    /// First midnight of each month, and of the one after the last.
    bounds: Vec<Instant>,
    /// By landmark, the moment from which first times are first times.
    since: [Instant; Landmark::ALL.len()],
}

impl Months {
    /// The months whose outcomes are all known before `as_of`; `None` without one.
    pub(super) fn before(as_of: NaiveDate, rule: &ExpansionRule) -> Option<Self> {
        let days = u64::from(rule.horizon_days) + u64::from(rule.landing_days);
        let last = month_of(as_of.checked_sub_days(chrono::Days::new(days))?);
        let back = |count: u32| last.checked_sub_months(Step::new(count)).map(Instant::start_of);
        let bounds = (0..=MOST_MONTHS).rev().map(back).collect::<Option<Vec<_>>>()?;
        Some(Self { bounds, since: [Instant::MIN; Landmark::ALL.len()] })
    }

    /// The same months, first times only so long after the tables begin.
    pub(super) fn since(mut self, begins: [Option<Instant>; Landmark::ALL.len()]) -> Self {
        let end = self.bounds.last().copied().unwrap_or(Instant::MIN);
        self.since = begins.map(|begins| begins.map_or(end, |begins| begins.plus_days(HISTORY_DAYS)));
        self
    }

    fn count(&self) -> usize {
        self.bounds.len() - 1
    }

    fn of(&self, moment: Instant) -> Option<usize> {
        let after = self.bounds.partition_point(|bound| *bound <= moment);
        (after > 0 && after < self.bounds.len()).then(|| after - 1)
    }
}

/// One row of a comparison.
struct Row {
    question: usize,
    stratum: usize,
    has_landmark: bool,
    followed: bool,
}

/// What is needed to make an account's rows.
struct Comparison<'a> {
    months: &'a Months,
    sizes: SizeCutOffs,
    rule: &'a ExpansionRule,
    /// Number of plan codes and one.
    plans: usize,
}

/// Counts of a stratum: outcomes and accounts with the landmark, outcomes and accounts without.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    a: u32,
    n1: u32,
    b: u32,
    n0: u32,
}

impl Comparison<'_> {
    fn strata(&self) -> usize {
        self.months.count() * self.plans * 3 * 2
    }

    fn stratum(&self, month: usize, before: &Stretch, tenure: i64) -> usize {
        let plan = before.plan.map_or(0, |plan| plan as usize + 1);
        ((month * self.plans + plan) * 3 + self.sizes.class(before.mrr)) * 2 + usize::from(tenure >= TENURE_DAYS)
    }

    /// Every row of an account. `seed` decides its days.
    fn rows(&self, timeline: &Timeline, first: &FirstTimes, seed: u64, mut visit: impl FnMut(Row)) {
        let Some(first_paid) = timeline.first_paid() else { return };
        for month in 0..self.months.count() {
            let day = day_of(self.months.bounds[month], self.months.bounds[month + 1], seed, month as u64);
            let Some(moment) = Moment::of(timeline, day).filter(|_| day >= first_paid) else { continue };
            let stratum = self.stratum(month, moment.before, day.day() - first_paid.day());
            for (question, (landmark, sequel)) in QUESTIONS.into_iter().enumerate() {
                let landmark = landmark as usize;
                let is_able = first.able_since[landmark].is_some_and(|able| able < day);
                if is_able && day >= self.months.since[landmark] && first.at[landmark].is_none_or(|at| at >= day) {
                    let followed = moment.is_followed_by(sequel, self.rule);
                    visit(Row { question, stratum, has_landmark: false, followed });
                }
            }
        }
        for (question, (landmark, sequel)) in QUESTIONS.into_iter().enumerate() {
            let landmark = landmark as usize;
            let Some(at) = first.at[landmark].filter(|at| *at >= self.months.since[landmark]) else { continue };
            let is_able = first.able_since[landmark].is_some_and(|able| able < at);
            let (Some(month), Some(moment)) = (self.months.of(at), Moment::of(timeline, at)) else { continue };
            if is_able {
                let stratum = self.stratum(month, moment.before, at.day() - first_paid.day());
                let followed = moment.is_followed_by(sequel, self.rule);
                visit(Row { question, stratum, has_landmark: true, followed });
            }
        }
    }
}

/// A moment at which an account pays, and what it paid from then on.
struct Moment<'t> {
    at: Instant,
    before: &'t Stretch,
    later: &'t [Stretch],
}

impl<'t> Moment<'t> {
    fn of(timeline: &'t Timeline, at: Instant) -> Option<Self> {
        let stretches = timeline.stretches();
        let begun = stretches.partition_point(|stretch| stretch.from < at);
        let before = begun.checked_sub(1).map(|last| &stretches[last]).filter(|last| last.mrr > Cents::ZERO)?;
        Some(Self { at, before, later: &stretches[begun..] })
    }

    fn is_followed_by(&self, sequel: Sequel, rule: &ExpansionRule) -> bool {
        let until = self.at.plus_days(i64::from(rule.horizon_days));
        let mut within = self.later.iter().take_while(|stretch| stretch.from < until);
        let baseline = self.before.mrr;
        match sequel {
            Sequel::Expansion => {
                let least = (rule.ratio * baseline.amount()).max(baseline.amount() + rule.min_absolute);
                within.any(|stretch| stretch.mrr > baseline && stretch.mrr.amount() >= least - 1e-9 * least.abs())
            }
            Sequel::Contraction => within.any(|stretch| stretch.mrr > Cents::ZERO && stretch.mrr < baseline),
            Sequel::Churn => within.any(|stretch| stretch.mrr == Cents::ZERO),
        }
    }
}

/// A midnight of the month that the account's id decides.
fn day_of(from: Instant, until: Instant, seed: u64, month: u64) -> Instant {
    let days = u64::try_from(until.day() - from.day()).unwrap_or(1).max(1);
    // SplitMix64 (Steele, Lea and Flood 2014).
    let mut mixed = seed ^ month.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    from.plus_days(i64::try_from((mixed ^ (mixed >> 31)) % days).unwrap_or(0))
}

/// The seed of an account: of its id, so that other accounts do not move its days (FNV-1a).
fn seed(id: &str) -> u64 {
    id.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The answer to every question that enough accounts give.
pub(super) fn compared(
    facts: &Facts,
    timelines: &[Timeline],
    firsts: &[FirstTimes],
    months: &Months,
    sizes: SizeCutOffs,
    rule: &ExpansionRule,
) -> Vec<Preceding> {
    let comparison = Comparison { months, sizes, rule, plans: facts.plans.names.len() + 1 };
    let strata = comparison.strata();
    let rows = |account: usize, visit: &mut dyn FnMut(Row)| {
        comparison.rows(&timelines[account], &firsts[account], seed(&facts.accounts[account]), visit);
    };
    let counts = counts(timelines.len(), strata, &rows);
    let differences: Vec<Difference> = counts.chunks(strata.max(1)).map(Difference::of).collect();
    let slope = |row: &Row| differences[row.question].slope(row, &counts[row.question * strata..]);
    let variances = variances(timelines.len(), &rows, &slope);
    let told = |(((landmark, sequel), found), variance): (((Landmark, Sequel), &Difference), f64)| {
        let (half, value) = (1.959_963_984_540_054 * variance.sqrt(), found.value);
        (found.matched >= LEAST_ACCOUNTS).then(|| Preceding {
            landmark,
            sequel,
            within_days: rule.horizon_days,
            accounts: found.matched,
            unmatched_accounts: found.unmatched,
            compared_months: found.compared,
            share: found.share,
            matched: found.share - value,
            difference: Share { value, low: (value - half).max(-1.0), high: (value + half).min(1.0) },
        })
    };
    QUESTIONS.into_iter().zip(&differences).zip(variances).filter_map(told).collect()
}

/// Visits the rows of an account.
type Rows<'a> = &'a (dyn Fn(usize, &mut dyn FnMut(Row)) + Sync);

/// Counts of every question and stratum.
fn counts(accounts: usize, strata: usize, rows: Rows<'_>) -> Vec<Counts> {
    let empty = || vec![Counts::default(); QUESTIONS.len() * strata];
    let count = |mut counts: Vec<Counts>, account: usize| {
        rows(account, &mut |row| counts[row.question * strata + row.stratum].add(&row));
        counts
    };
    let merge = |mut counts: Vec<Counts>, other: Vec<Counts>| {
        counts.iter_mut().zip(&other).for_each(|(one, other)| one.merge(other));
        counts
    };
    let accounts = (0..accounts).into_par_iter().with_min_len(LEAST_ACCOUNTS_AT_ONCE);
    accounts.fold(empty, count).reduce(empty, merge)
}

/// Variance of the difference of every question.
fn variances(accounts: usize, rows: Rows<'_>, slope: &(dyn Fn(&Row) -> f64 + Sync)) -> [f64; QUESTIONS.len()] {
    let of_block = |from: usize| {
        let mut squares = [0.0; QUESTIONS.len()];
        for account in from..(from + LEAST_ACCOUNTS_AT_ONCE).min(accounts) {
            let mut slopes = [0.0; QUESTIONS.len()];
            rows(account, &mut |row| slopes[row.question] += slope(&row));
            squares.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope * slope);
        }
        squares
    };
    // Blocks of a fixed size, added up in their order, so that no number of threads changes a bit.
    let blocks: Vec<usize> = (0..accounts).step_by(LEAST_ACCOUNTS_AT_ONCE).collect();
    let squares: Vec<[f64; QUESTIONS.len()]> = blocks.into_par_iter().map(of_block).collect();
    std::array::from_fn(|question| squares.iter().map(|squares| squares[question]).sum())
}

impl Counts {
    fn add(&mut self, row: &Row) {
        let (outcomes, accounts) =
            if row.has_landmark { (&mut self.a, &mut self.n1) } else { (&mut self.b, &mut self.n0) };
        *outcomes += u32::from(row.followed);
        *accounts += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.a += other.a;
        self.n1 += other.n1;
        self.b += other.b;
        self.n0 += other.n0;
    }

    fn is_matched(&self) -> bool {
        self.n1 > 0 && self.n0 > 0
    }

    fn numbers(&self) -> [f64; 4] {
        [self.a, self.n1, self.b, self.n0].map(f64::from)
    }
}

/// A Mantel-Haenszel difference of risks.
#[derive(Debug, Clone, Copy, Default)]
struct Difference {
    value: f64,
    /// Share with the landmark, strata weighed as in the difference.
    share: f64,
    /// Sum of the strata's weights.
    weight: f64,
    matched: u64,
    unmatched: u64,
    compared: u64,
}

impl Difference {
    fn of(strata: &[Counts]) -> Self {
        let mut found = Self::default();
        for counts in strata {
            let [a, n1, b, n0] = counts.numbers();
            if !counts.is_matched() {
                found.unmatched += u64::from(counts.n1);
                continue;
            }
            found.matched += u64::from(counts.n1);
            found.compared += u64::from(counts.n0);
            found.value += (a * n0 - b * n1) / (n1 + n0);
            found.share += a * n0 / (n1 + n0);
            found.weight += n1 * n0 / (n1 + n0);
        }
        if found.weight > 0.0 {
            found.value /= found.weight;
            found.share /= found.weight;
        }
        found
    }

    /// Derivative of the difference by the weight of a row.
    fn slope(&self, row: &Row, counts: &[Counts]) -> f64 {
        let counts = &counts[row.stratum];
        if !counts.is_matched() || self.weight <= 0.0 {
            return 0.0;
        }
        let [a, n1, b, n0] = counts.numbers();
        let n = n1 + n0;
        let top = (a * n0 - b * n1) / n;
        let followed = f64::from(u8::from(row.followed));
        let (of_top, of_weight) = match row.has_landmark {
            true => ((followed * n0 - b - top) / n, n0 * n0 / (n * n)),
            false => ((a - followed * n1 - top) / n, n1 * n1 / (n * n)),
        };
        (of_top - self.value * of_weight) / self.weight
    }
}
