//! How much of what there was is still there: net and gross revenue retention, logo retention, and what they say together.
//!
//! Of the accounts that paid just before a day, what they pay just before a later one:
//! `NRR = sum(closing) / sum(opening)` and `GRR = sum(min(closing, opening)) / sum(opening)`: both are shares of the opening
//! MRR of the same accounts; new and reactivated ones are not among them. A base that did not pay yet at the opening has
//! none.

use std::collections::BTreeSet;

use bellwether_features::time::Instant;
use chrono::{Months, NaiveDate};
use rayon::prelude::*;
use serde::Serialize;

use crate::level::{LEAST_ACCOUNTS_AT_ONCE, each_paid};
use crate::money::Cents;
use crate::movement::MonthlyMovements;
use crate::timeline::Timeline;

/// What became of the accounts that paid at the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Retention {
    /// Accounts that paid at the opening.
    pub accounts: u64,
    /// Of them, those that pay at the end.
    pub kept_accounts: u64,
    /// Their MRR at the opening.
    pub opening: Cents,
    /// Their MRR at the end.
    pub closing: Cents,
    /// What of the opening MRR is left, expansion left out.
    pub kept: Cents,
}

impl Retention {
    /// Of the accounts that paid just before `from`, what they pay just before `until`.
    #[must_use]
    pub fn between(timelines: &[Timeline], from: NaiveDate, until: NaiveDate) -> Self {
        let (from, until) = (Instant::start_of(from), Instant::start_of(until));
        let of_account = |timeline: &Timeline| Self::of_amounts(timeline.mrr_before(from), timeline.mrr_before(until));
        timelines.par_iter().map(of_account).reduce(Self::default, Self::plus)
    }

    /// As [`Retention::between`], of several pairs of days, in one pass over the accounts.
    #[must_use]
    pub fn of_spans(timelines: &[Timeline], spans: &[(NaiveDate, NaiveDate)]) -> Vec<Self> {
        let days: BTreeSet<NaiveDate> = spans.iter().flat_map(|(from, until)| [*from, *until]).collect();
        let days: Vec<NaiveDate> = days.into_iter().collect();
        let moments: Vec<Instant> = days.iter().map(|day| Instant::start_of(*day)).collect();
        let place = |day: NaiveDate| days.partition_point(|other| *other < day);
        let places: Vec<(usize, usize)> = spans.iter().map(|(from, until)| (place(*from), place(*until))).collect();
        let empty = || (vec![Self::default(); spans.len()], vec![Cents::ZERO; days.len()]);
        let add = |(mut sums, mut paid): (Vec<Self>, Vec<Cents>), timeline: &Timeline| {
            paid.fill(Cents::ZERO);
            each_paid(timeline, &moments, |place, stretch| paid[place] = stretch.mrr);
            for (sum, (from, until)) in sums.iter_mut().zip(&places) {
                *sum = sum.plus(Self::of_amounts(paid[*from], paid[*until]));
            }
            (sums, paid)
        };
        let merge = |mut sums: Vec<Self>, other: Vec<Self>| {
            sums.iter_mut().zip(other).for_each(|(sum, other)| *sum = sum.plus(other));
            sums
        };
        let accounts = timelines.par_iter().with_min_len(LEAST_ACCOUNTS_AT_ONCE).fold(empty, add);
        accounts.map(|(sums, _)| sums).reduce(|| vec![Self::default(); spans.len()], merge)
    }

    /// Of the twelve months before `as_of`.
    #[must_use]
    pub fn trailing_year(timelines: &[Timeline], as_of: NaiveDate) -> Self {
        let from = as_of.checked_sub_months(Months::new(12)).unwrap_or(NaiveDate::MIN);
        Self::between(timelines, from, as_of)
    }

    /// Of the accounts that paid at the opening of a month, what they pay at its end.
    #[must_use]
    pub fn of_month(month: &MonthlyMovements) -> Self {
        let kept = month.opening.mrr - month.contraction.mrr - month.churn.mrr;
        Self {
            accounts: month.opening.accounts,
            kept_accounts: month.opening.accounts - month.churn.accounts,
            opening: month.opening.mrr,
            closing: kept + month.expansion.mrr,
            kept,
        }
    }

    /// Of one account.
    #[must_use]
    pub fn of_amounts(opening: Cents, closing: Cents) -> Self {
        if opening <= Cents::ZERO {
            return Self::default();
        }
        let kept_accounts = u64::from(closing > Cents::ZERO);
        Self { accounts: 1, kept_accounts, opening, closing, kept: closing.min(opening) }
    }

    /// Of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            accounts: self.accounts + other.accounts,
            kept_accounts: self.kept_accounts + other.kept_accounts,
            opening: self.opening + other.opening,
            closing: self.closing + other.closing,
            kept: self.kept + other.kept,
        }
    }

    /// Net revenue retention; `None` where nobody paid at the opening.
    #[must_use]
    pub fn net(&self) -> Option<f64> {
        self.closing.over(self.opening)
    }

    /// Gross revenue retention, at most 1.
    #[must_use]
    pub fn gross(&self) -> Option<f64> {
        self.kept.over(self.opening)
    }

    /// Share of the accounts that still pay.
    #[must_use]
    pub fn logo(&self) -> Option<f64> {
        (self.accounts > 0).then(|| self.kept_accounts as f64 / self.accounts as f64)
    }
}

/// A change of a share that is smaller than this is none.
const FLAT: f64 = 0.01;

/// What two periods say together, in a plain sentence; `None` where one of them has no opening, or where all three go the
/// same way.
#[must_use]
pub fn disagreement(before: &Retention, now: &Retention) -> Option<&'static str> {
    let shares = |year: &Retention| Some([year.net()?, year.gross()?, year.logo()?]);
    disagreement_of_shares(shares(before)?, shares(now)?)
}

/// As [`disagreement`], of NRR, GRR and logo retention, in this order.
#[must_use]
pub fn disagreement_of_shares(before: [f64; 3], now: [f64; 3]) -> Option<&'static str> {
    let [net, gross, logo] = [0, 1, 2].map(|which: usize| now[which] - before[which]);
    if net >= FLAT && gross <= -FLAT {
        Some(
            "Expanding few, losing many: revenue of those who stay grows faster than before, and more of the old revenue is lost.",
        )
    } else if net <= -FLAT && logo.abs() < FLAT {
        Some("Buying less: as many customers stay as before, and they pay less.")
    } else if net <= -FLAT && gross >= FLAT && logo <= -FLAT {
        Some(
            "Losing small ones, selling less: fewer customers stay than before, but less of the old revenue is lost with them, and less is added to it.",
        )
    } else if net <= -FLAT && gross >= FLAT {
        Some("Keeping more, selling less: less of the old revenue is lost than before, and less is added to it.")
    } else {
        None
    }
}
