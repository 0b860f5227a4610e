//! What became of the accounts that paid at a past date, read as the forecast means it.
//!
//! The opening is the MRR **as it was known at the origin**; the closing is the MRR just before `origin + horizon` **as it is
//! settled a grace period later**: a renewal that was paid late is no loss, as in the label of churn. The past that the
//! forecast learns from and the truth that it is judged by are both read by this file, and so cannot differ.

use bellwether_features::contract::TableName;
use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use chrono::{Days, NaiveDate};
use rayon::prelude::*;

use crate::money::Cents;
use crate::timeline::Timeline;

/// The revenue of a base at the end of a horizon.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Realised {
    /// MRR of the accounts that paid at the origin, as known then.
    pub opening: f64,
    /// MRR of the same accounts at the end.
    pub net: f64,
    /// As `net`, no account with more than its opening.
    pub gross: f64,
    /// MRR of all accounts at the end.
    pub mrr: f64,
}

/// What came of the base of `origin` by `origin + horizon_days`, from facts known before `known_before`.
///
/// `None` where those facts cannot say: before `origin + horizon_days + grace_days`.
#[must_use]
pub fn realised(
    facts: &Facts,
    origin: NaiveDate,
    horizon_days: u32,
    grace_days: u32,
    known_before: NaiveDate,
) -> Option<Realised> {
    let settled_on = origin.checked_add_days(Days::new(u64::from(horizon_days + grace_days)))?;
    (settled_on <= known_before).then(|| {
        let (from, until) = (Instant::start_of(origin), Instant::start_of(origin).plus_days(i64::from(horizon_days)));
        let timelines = Timelines::of(facts, known_before, grace_days);
        let of_account = |account: usize| (timelines.known(account, from), timelines.paid(account, until));
        let pairs: Vec<(Cents, Cents)> = (0..facts.accounts.len()).into_par_iter().map(of_account).collect();
        let base = || pairs.iter().filter(|(opening, _)| *opening > Cents::ZERO);
        Realised {
            opening: base().map(|(opening, _)| *opening).sum::<Cents>().amount(),
            net: base().map(|(_, closing)| *closing).sum::<Cents>().amount(),
            gross: base().map(|(opening, closing)| *opening.min(closing)).sum::<Cents>().amount(),
            mrr: pairs.iter().map(|(_, closing)| *closing).sum::<Cents>().amount(),
        }
    })
}

/// All timelines as known before a date, and what was known at earlier ones.
pub(crate) struct Timelines<'a> {
    facts: &'a Facts,
    timelines: Vec<Timeline>,
}

impl<'a> Timelines<'a> {
    pub(crate) fn of(facts: &'a Facts, known_before: NaiveDate, grace_days: u32) -> Self {
        let end = Instant::start_of(known_before);
        let of_account = |account: usize| Timeline::of(facts, account, end, grace_days);
        Self { facts, timelines: (0..facts.accounts.len()).into_par_iter().map(of_account).collect() }
    }

    pub(crate) fn accounts(&self) -> usize {
        self.timelines.len()
    }

    /// MRR just before `moment` as it was known then; what was paid before a gap does not count in it, since nobody knew
    /// then that it would be paid again.
    pub(crate) fn known(&self, account: usize, moment: Instant) -> Cents {
        let Some(subscriptions) = &self.facts.subscriptions else { return Cents::ZERO };
        if self.facts.count_since(TableName::Subscriptions, account) >= moment {
            return Cents::ZERO;
        }
        let mut rows = subscriptions.of(account).iter().rev();
        let last = rows.find(|row| row.effective_at < moment && row.known_at < moment);
        last.map_or(Cents::ZERO, |row| Cents::from_amount(row.mrr.max(0.0)))
    }

    /// MRR just before `moment` as it is known now.
    pub(crate) fn paid(&self, account: usize, moment: Instant) -> Cents {
        self.timelines[account].mrr_before(moment)
    }

    /// When the account first paid.
    pub(crate) fn first_paid(&self, account: usize) -> Option<Instant> {
        self.timelines[account].first_paid()
    }

    /// When its MRR first ended.
    fn first_end(&self, account: usize) -> Option<Instant> {
        let mut pairs = self.timelines[account].stretches().windows(2);
        pairs.find(|pair| pair[1].mrr == Cents::ZERO && pair[0].mrr > Cents::ZERO).map(|pair| pair[1].from)
    }

    /// Whether MRR ends in `[from, until)`.
    pub(crate) fn ends_within(&self, account: usize, from: Instant, until: Instant) -> bool {
        let mut pairs = self.timelines[account].stretches().windows(2);
        pairs.any(|pair| {
            pair[1].mrr == Cents::ZERO && pair[0].mrr > Cents::ZERO && pair[1].from >= from && pair[1].from < until
        })
    }

    /// Whether MRR is at least so much at any moment of `[from, until)`.
    pub(crate) fn reaches(&self, account: usize, from: Instant, until: Instant, least: Cents) -> bool {
        let stretches = self.timelines[account].stretches();
        let first = stretches.partition_point(|stretch| stretch.from <= from).saturating_sub(1);
        stretches[first..].iter().take_while(|stretch| stretch.from < until).any(|stretch| stretch.mrr >= least)
    }

    /// From when on the past says who left: the first payment, the first use, and the first end of a subscription, whichever
    /// is last. Of earlier times only those who stayed may be on record. `None` where nobody ever paid.
    pub(crate) fn begin(&self) -> Option<NaiveDate> {
        let places = || (0..self.accounts()).into_par_iter();
        let first_paid = places().filter_map(|account| self.first_paid(account)).min()?;
        let first_end = places().filter_map(|account| self.first_end(account)).min();
        let first_use = self.facts.usage.as_ref().and_then(|usage| usage.rows.par_iter().map(|row| row.at).min());
        let begin = first_end.into_iter().chain(first_use).fold(first_paid, Instant::max);
        begin.plus_days(1).date()
    }
}
