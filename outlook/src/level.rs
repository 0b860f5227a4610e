//! What the base paid on each of several days, by plan and by billing period.

use bellwether_features::facts::BillingPeriod;
use bellwether_features::time::Instant;
use chrono::{Months, NaiveDate};
use rayon::prelude::*;

use crate::money::Cents;
use crate::movement::{Amount, MonthlyMovements};
use crate::timeline::{Stretch, Timeline};

/// What the accounts of one plan paid on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// MRR.
    pub mrr: Cents,
    /// Accounts that paid it.
    pub accounts: u64,
    /// Their seats, in thousandths.
    pub milli_seats: i64,
    /// Of the accounts, those whose seats are not known.
    pub without_seats: u64,
}

impl Level {
    fn add(&mut self, stretch: &Stretch) {
        self.mrr += stretch.mrr;
        self.accounts += 1;
        match milli_seats(stretch) {
            Some(seats) => self.milli_seats += seats,
            None => self.without_seats += 1,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.mrr += other.mrr;
        self.accounts += other.accounts;
        self.milli_seats += other.milli_seats;
        self.without_seats += other.without_seats;
    }
}

/// Most seats of an account that are taken for seats: a thousand million.
const MOST_SEATS: f64 = 1e9;

/// Seats in thousandths; `None` where there are none, or no number of them.
#[must_use]
pub fn milli_seats(stretch: &Stretch) -> Option<i64> {
    let seats = stretch.seats.filter(|seats| *seats > 0.0 && *seats <= MOST_SEATS)?;
    // In range, so that the conversion is exact.
    Some((seats * 1_000.0).round() as i64).filter(|seats| *seats > 0)
}

/// Billing periods as they are counted: monthly, annual, not known.
pub const BILLING_PERIODS: [Option<BillingPeriod>; 3] =
    [Some(BillingPeriod::Monthly), Some(BillingPeriod::Annual), None];

/// Levels of the base on several days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// The days, ascending; a level is what held just before the day.
    pub days: Vec<NaiveDate>,
    plans: usize,
    /// By day, then plan; plan 0 is that of accounts without a known one.
    by_plan: Vec<Level>,
    by_billing: Vec<[Amount; 3]>,
}

impl Levels {
    /// The levels of `days`, in any order. `plans`: number of plan codes.
    #[must_use]
    pub fn of(timelines: &[Timeline], plans: usize, mut days: Vec<NaiveDate>) -> Self {
        days.sort_unstable();
        days.dedup();
        let moments: Vec<Instant> = days.iter().map(|day| Instant::start_of(*day)).collect();
        let empty = || Self {
            days: days.clone(),
            plans: plans + 1,
            by_plan: vec![Level::default(); days.len() * (plans + 1)],
            by_billing: vec![[Amount::default(); 3]; days.len()],
        };
        let add = |mut levels: Self, timeline: &Timeline| {
            each_paid(timeline, &moments, |day, stretch| levels.add(day, stretch));
            levels
        };
        // Sums of whole numbers, so that no order of adding changes them.
        timelines.par_iter().with_min_len(LEAST_ACCOUNTS_AT_ONCE).fold(empty, add).reduce(empty, Self::merged)
    }

    fn add(&mut self, day: usize, stretch: &Stretch) {
        let plan = stretch.plan.map_or(0, |plan| plan as usize + 1);
        if let Some(level) = self.by_plan.get_mut(day * self.plans..).and_then(|levels| levels.get_mut(plan)) {
            level.add(stretch);
        }
        let period = BILLING_PERIODS.iter().position(|period| *period == stretch.billing_period).unwrap_or(2);
        let amount = &mut self.by_billing[day][period];
        amount.mrr += stretch.mrr;
        amount.accounts += 1;
    }

    fn merged(mut self, other: Self) -> Self {
        self.by_plan.iter_mut().zip(&other.by_plan).for_each(|(one, other)| one.merge(other));
        for (one, other) in self.by_billing.iter_mut().flatten().zip(other.by_billing.iter().flatten()) {
            one.mrr += other.mrr;
            one.accounts += other.accounts;
        }
        self
    }

    /// Place of a day in [`Levels::days`].
    #[must_use]
    pub fn place(&self, day: NaiveDate) -> Option<usize> {
        self.days.binary_search(&day).ok()
    }

    /// Levels of a day by plan, that of accounts without a known plan first.
    #[must_use]
    pub fn by_plan(&self, place: usize) -> &[Level] {
        &self.by_plan[place * self.plans..(place + 1) * self.plans]
    }

    /// Amounts of a day by billing period, in the order of [`BILLING_PERIODS`].
    #[must_use]
    pub fn by_billing(&self, place: usize) -> &[Amount; 3] {
        &self.by_billing[place]
    }
}

/// Accounts that one piece of parallel work has at least, so that few sums are merged.
pub(crate) const LEAST_ACCOUNTS_AT_ONCE: usize = 1 << 13;

/// What was paid just before each of ascending moments, one step through the timeline.
pub(crate) fn each_paid<'t>(timeline: &'t Timeline, moments: &[Instant], mut visit: impl FnMut(usize, &'t Stretch)) {
    let stretches = timeline.stretches();
    let mut begun = 0;
    for (place, moment) in moments.iter().enumerate() {
        while stretches.get(begun).is_some_and(|stretch| stretch.from < *moment) {
            begun += 1;
        }
        if let Some(stretch) = begun.checked_sub(1).map(|last| &stretches[last])
            && stretch.mrr > Cents::ZERO
        {
            visit(place, stretch);
        }
    }
}

/// Months of the movements as (first day, day after the last that counts).
#[must_use]
pub fn months(movements: &[MonthlyMovements], as_of: NaiveDate) -> Vec<(NaiveDate, NaiveDate)> {
    let end = |month: NaiveDate| month.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX).min(as_of);
    movements.iter().map(|row| (row.month, end(row.month))).collect()
}

/// The same day a year before.
#[must_use]
pub fn year_before(day: NaiveDate) -> NaiveDate {
    day.checked_sub_months(Months::new(12)).unwrap_or(NaiveDate::MIN)
}
