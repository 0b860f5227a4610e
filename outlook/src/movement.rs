//! Movements of monthly recurring revenue, month by month.
//!
//! An account's month is what it paid just before the month's first midnight (UTC) against just before the next one's:
//!
//! | before | after | movement |
//! |---|---|---|
//! | 0, never paid before | above 0 | new |
//! | 0, paid once | above 0 | reactivation |
//! | above 0 | more | expansion |
//! | above 0 | less, above 0 | contraction |
//! | above 0 | 0 | churn |
//!
//! So `opening + new + reactivation + expansion - contraction - churn = closing`, to the cent.

use bellwether_features::time::Instant;
use chrono::{Datelike, Months, NaiveDate};
use rayon::prelude::*;
use serde::Serialize;

use crate::money::Cents;
use crate::timeline::Timeline;

/// What an account's MRR did in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// Its first MRR.
    New,
    /// MRR again after none.
    Reactivation,
    /// More.
    Expansion,
    /// Less, but some.
    Contraction,
    /// None any more.
    Churn,
}

impl MovementKind {
    /// The movement between two amounts; `None` where they are equal.
    #[must_use]
    pub fn between(opening: Cents, closing: Cents, has_paid_before: bool) -> Option<Self> {
        match (opening > Cents::ZERO, closing > Cents::ZERO) {
            _ if opening == closing => None,
            (false, true) if has_paid_before => Some(Self::Reactivation),
            (false, true) => Some(Self::New),
            (true, false) => Some(Self::Churn),
            _ if closing > opening => Some(Self::Expansion),
            _ => Some(Self::Contraction),
        }
    }
}

/// Amount and number of accounts of one kind of movement; both at least zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Amount {
    /// By how much MRR moved.
    pub mrr: Cents,
    /// Of how many accounts.
    pub accounts: u64,
}

impl Amount {
    fn add(&mut self, mrr: Cents) {
        self.mrr += mrr;
        self.accounts += 1;
    }

    fn merge(&mut self, other: Self) {
        self.mrr += other.mrr;
        self.accounts += other.accounts;
    }
}

/// One month of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthlyMovements {
    /// First day of the month.
    pub month: NaiveDate,
    /// MRR just before it, and the accounts that paid it.
    pub opening: Amount,
    /// See the module.
    pub new: Amount,
    /// See the module.
    pub reactivation: Amount,
    /// See the module.
    pub expansion: Amount,
    /// See the module.
    pub contraction: Amount,
    /// See the module.
    pub churn: Amount,
    /// MRR at its end (or just before `as_of`, in the month that holds it).
    pub closing: Amount,
    /// Whether the month was over at `as_of`.
    pub is_complete: bool,
}

impl MonthlyMovements {
    fn empty(month: NaiveDate, is_complete: bool) -> Self {
        let none = Amount::default();
        Self {
            month,
            opening: none,
            new: none,
            reactivation: none,
            expansion: none,
            contraction: none,
            churn: none,
            closing: none,
            is_complete,
        }
    }

    fn add(&mut self, opening: Cents, closing: Cents, has_paid_before: bool) {
        for (amount, mrr) in [(&mut self.opening, opening), (&mut self.closing, closing)] {
            if mrr > Cents::ZERO {
                amount.add(mrr);
            }
        }
        let (amount, by) = match MovementKind::between(opening, closing, has_paid_before) {
            None => return,
            Some(MovementKind::New) => (&mut self.new, closing),
            Some(MovementKind::Reactivation) => (&mut self.reactivation, closing),
            Some(MovementKind::Expansion) => (&mut self.expansion, closing - opening),
            Some(MovementKind::Contraction) => (&mut self.contraction, opening - closing),
            Some(MovementKind::Churn) => (&mut self.churn, opening),
        };
        amount.add(by);
    }

    fn merge(&mut self, other: &Self) {
        self.opening.merge(other.opening);
        self.new.merge(other.new);
        self.reactivation.merge(other.reactivation);
        self.expansion.merge(other.expansion);
        self.contraction.merge(other.contraction);
        self.churn.merge(other.churn);
        self.closing.merge(other.closing);
    }

    /// What came over what went: `(new + reactivation + expansion) / (contraction + churn)`; `None` where nothing went.
    #[must_use]
    pub fn quick_ratio(&self) -> Option<f64> {
        let came = self.new.mrr + self.reactivation.mrr + self.expansion.mrr;
        came.over(self.contraction.mrr + self.churn.mrr)
    }

    /// `(contraction + churn - expansion) / opening`; below 0 where the customers there were bring more than is lost of
    /// them. `None` without an opening.
    #[must_use]
    pub fn net_churn(&self) -> Option<f64> {
        let lost = self.contraction.mrr + self.churn.mrr - self.expansion.mrr;
        lost.over(self.opening.mrr)
    }
}

/// First day of the month of a date.
#[must_use]
pub fn month_of(date: NaiveDate) -> NaiveDate {
    date.with_day(1).unwrap_or(date)
}

/// Every month from the first in which somebody paid to that of the day before `as_of`, ascending; empty without
/// subscriptions. `timelines`: as known before `as_of`.
#[must_use]
pub fn of_timelines(timelines: &[Timeline], as_of: NaiveDate) -> Vec<MonthlyMovements> {
    let first = timelines.par_iter().filter_map(Timeline::first_paid).min().and_then(Instant::date);
    let Some(first) = first.filter(|first| *first < as_of) else { return Vec::new() };
    let mut months = Vec::new();
    let mut month = month_of(first);
    while month < as_of {
        let next = month.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
        months.push((month, next.min(as_of), next <= as_of));
        month = next;
    }
    let empty = || months.iter().map(|(month, _, complete)| MonthlyMovements::empty(*month, *complete)).collect();
    let add = |mut sums: Vec<MonthlyMovements>, timeline: &Timeline| {
        let Some(first_paid) = timeline.first_paid() else { return sums };
        let mut opening = Cents::ZERO;
        for ((month, until, _), sums) in months.iter().zip(&mut sums) {
            let closing = timeline.mrr_before(Instant::start_of(*until));
            sums.add(opening, closing, first_paid < Instant::start_of(*month));
            opening = closing;
        }
        sums
    };
    let merge = |mut sums: Vec<MonthlyMovements>, other: Vec<MonthlyMovements>| {
        sums.iter_mut().zip(&other).for_each(|(sums, other)| sums.merge(other));
        sums
    };
    // Sums of whole numbers, so that no order of adding changes them.
    timelines.par_iter().fold(empty, add).reduce(empty, merge)
}
