//! Renewals, one by one: who renewed, and what was renewed.
//!
//! A renewal is read from the rows of the subscription, as the signal `commercial_last_renewal` reads it:
//!
//! - A row above 0 that comes no later than the day on which the row before it was to renew, and names a later renewal, was
//!   renewed then and there.
//! - A renewal day that passes without such a row was renewed as it was; with a known billing period so was every later one
//!   until the next row.
//! - A fall to 0 ends the term: it is lost, or late, where the account pays again within the grace period. One of which
//!   neither is known yet is undecided.
//!
//! Of accounts whose rows name no renewal day nothing is told.

use bellwether_features::contract::TableName;
use bellwether_features::facts::{BillingPeriod, Facts, ItemFact, SubscriptionFact};
use bellwether_features::time::{Instant, days_from_epoch};
use chrono::{Months, NaiveDate};
use rayon::prelude::*;
use serde::Serialize;

use crate::level::{BILLING_PERIODS, LEAST_ACCOUNTS_AT_ONCE, year_before};
use crate::money::Cents;

/// What became of a term at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewalOutcome {
    /// At the same MRR.
    Same,
    /// At a higher MRR.
    Expanded,
    /// At a lower MRR, on another plan.
    CheaperPlan,
    /// At a lower MRR, with fewer seats.
    SeatsTrimmed,
    /// At a lower MRR, with less of an add-on or module.
    ModuleDropped,
    /// At a lower MRR, with nothing else seen to change.
    LowerPrice,
    /// From annual to monthly billing, at any MRR.
    ToMonthly,
    /// Not in time, but within the grace period.
    Late,
    /// Not renewed.
    Lost,
    /// Not paid, and the grace period is not over.
    Undecided,
}

impl RenewalOutcome {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Same,
        Self::Expanded,
        Self::CheaperPlan,
        Self::SeatsTrimmed,
        Self::ModuleDropped,
        Self::LowerPrice,
        Self::ToMonthly,
        Self::Late,
        Self::Lost,
        Self::Undecided,
    ];

    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "renewed_same",
            Self::Expanded => "expanded",
            Self::CheaperPlan => "cheaper_plan",
            Self::SeatsTrimmed => "seats_trimmed",
            Self::ModuleDropped => "module_dropped",
            Self::LowerPrice => "lower_price",
            Self::ToMonthly => "to_monthly",
            Self::Late => "late",
            Self::Lost => "lost",
            Self::Undecided => "undecided",
        }
    }

    /// Whether the customer was kept at a lower MRR on the same billing: the logo saved, value lost.
    #[must_use]
    pub fn is_value_lost(self) -> bool {
        matches!(self, Self::CheaperPlan | Self::SeatsTrimmed | Self::ModuleDropped | Self::LowerPrice)
    }
}

/// One renewal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Renewal {
    /// When it was decided.
    pub at: Instant,
    /// How the term before was billed.
    pub billing_period: Option<BillingPeriod>,
    /// What became of it.
    pub outcome: RenewalOutcome,
    /// MRR before.
    pub before: Cents,
    /// MRR after; of a late one, that with which the account came back.
    pub after: Cents,
}

/// Renewals of the last twelve months with one outcome and one billing period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RenewalQuality {
    /// How the terms before were billed; `None` where it is not known.
    pub billing_period: Option<BillingPeriod>,
    /// What became of them.
    pub outcome: RenewalOutcome,
    /// How many.
    pub renewals: u64,
    /// Of how many accounts.
    pub accounts: u64,
    /// MRR before.
    pub before: Cents,
    /// MRR after.
    pub after: Cents,
    /// Share of the decided renewals of this billing period; `None` for undecided ones.
    pub share: Option<f64>,
    /// The same, weighed by the MRR before.
    pub mrr_share: Option<f64>,
}

/// Visits every renewal of an account, in order of time. `rows` are sorted by effective time, then knowledge time.
pub fn each_renewal(
    rows: &[SubscriptionFact],
    items: &[ItemFact],
    as_of: Instant,
    grace_days: u32,
    mut visit: impl FnMut(Renewal),
) {
    let mut rows = held(rows, as_of);
    let Some(mut before) = rows.next() else { return };
    let mut fallen: Option<(Renewal, Instant)> = None;
    let grace = i64::from(grace_days);
    let fell = |day: i64| item_fell_on(items, day, as_of);
    for after in rows {
        if let Some((lapse, back_by)) = fallen.filter(|_| after.mrr > 0.0) {
            let is_late = after.effective_at < back_by;
            let back = Renewal { outcome: RenewalOutcome::Late, after: Cents::from_amount(after.mrr), ..lapse };
            visit(if is_late { back } else { lapse });
            fallen = None;
        } else if before.mrr > 0.0 {
            let due_day = silent(before, after.effective_at.day(), &mut visit);
            match after.mrr > 0.0 {
                true => due_day.and_then(|due| renewed_at(before, after, due, &fell)).into_iter().for_each(&mut visit),
                false => fallen = lapse(before, after).map(|lapse| (lapse, after.effective_at.plus_days(grace))),
            }
        }
        before = after;
    }
    match fallen {
        Some((lapse, back_by)) if back_by > as_of => visit(Renewal { outcome: RenewalOutcome::Undecided, ..lapse }),
        Some((lapse, _)) => visit(lapse),
        None if before.mrr > 0.0 => {
            silent(before, as_of.day(), &mut visit);
        }
        None => {}
    }
}

/// The rows that hold at `as_of`: of those with one effective time the version known last.
fn held(rows: &[SubscriptionFact], as_of: Instant) -> impl Iterator<Item = &SubscriptionFact> {
    let is_visible = move |row: &SubscriptionFact| row.effective_at < as_of && row.known_at < as_of;
    let holds = move |place: usize| {
        let row = &rows[place];
        let mut later = rows[place + 1..].iter().take_while(|later| later.effective_at == row.effective_at);
        is_visible(row) && !later.any(is_visible)
    };
    (0..rows.len()).filter(move |place| holds(*place)).map(move |place| &rows[place])
}

/// A fall to 0 of a subscription that was to renew.
fn lapse(before: &SubscriptionFact, after: &SubscriptionFact) -> Option<Renewal> {
    before.renews_at?;
    Some(Renewal {
        at: after.effective_at,
        billing_period: before.billing_period,
        outcome: RenewalOutcome::Lost,
        before: Cents::from_amount(before.mrr),
        after: Cents::ZERO,
    })
}

/// Visits the renewal days of a row that passed before the day of the next row (or of `as_of`); returns the day on which the
/// term then running ends, where it is known.
fn silent(row: &SubscriptionFact, until_day: i64, visit: &mut impl FnMut(Renewal)) -> Option<i64> {
    let date = row.renews_at?.date()?;
    let months = match row.billing_period {
        Some(BillingPeriod::Monthly) => Some(1),
        Some(BillingPeriod::Annual) => Some(12),
        None => None,
    };
    let mrr = Cents::from_amount(row.mrr);
    for period in 0.. {
        let due = if period == 0 { date } else { date.checked_add_months(Months::new(period * months?))? };
        let due_day = i64::from(days_from_epoch(due));
        if due_day >= until_day {
            return Some(due_day);
        }
        visit(Renewal {
            at: Instant::start_of(due),
            billing_period: row.billing_period,
            outcome: RenewalOutcome::Same,
            before: mrr,
            after: mrr,
        });
    }
    None
}

/// The renewal that a row is, if it is one: of a term that ends on `due_day`.
fn renewed_at(
    before: &SubscriptionFact,
    after: &SubscriptionFact,
    due_day: i64,
    item_fell_on: &dyn Fn(i64) -> bool,
) -> Option<Renewal> {
    if after.renews_at.is_none_or(|next| next.day() <= due_day) {
        return None;
    }
    let (mrr_before, mrr_after) = (Cents::from_amount(before.mrr), Cents::from_amount(after.mrr));
    let fewer_seats = before.seats.zip(after.seats).is_some_and(|(then, now)| now < then);
    let other_plan = before.plan.zip(after.plan).is_some_and(|(then, now)| then != now);
    let outcome = if (before.billing_period, after.billing_period)
        == (Some(BillingPeriod::Annual), Some(BillingPeriod::Monthly))
    {
        RenewalOutcome::ToMonthly
    } else if mrr_after == mrr_before {
        RenewalOutcome::Same
    } else if mrr_after > mrr_before {
        RenewalOutcome::Expanded
    } else if other_plan {
        RenewalOutcome::CheaperPlan
    } else if fewer_seats {
        RenewalOutcome::SeatsTrimmed
    } else if item_fell_on(after.effective_at.day()) {
        RenewalOutcome::ModuleDropped
    } else {
        RenewalOutcome::LowerPrice
    };
    let billing_period = before.billing_period;
    Some(Renewal { at: after.effective_at, billing_period, outcome, before: mrr_before, after: mrr_after })
}

/// Whether the MRR of an add-on fell on a UTC day, as known before `as_of`.
fn item_fell_on(items: &[ItemFact], day: i64, as_of: Instant) -> bool {
    let visible = |row: &&ItemFact| row.effective_at < as_of && row.known_at < as_of;
    // What an item cost just before a moment: its row that began last, known last.
    let cost = |item: u32, before: Instant| {
        let rows = items.iter().filter(visible).filter(|row| row.item == item && row.effective_at < before);
        rows.max_by_key(|row| (row.effective_at, row.known_at)).map_or(0.0, |row| row.mrr)
    };
    let next_day = |row: &ItemFact| Instant((row.effective_at.day() + 1).saturating_mul(MICROS_PER_DAY));
    let mut of_day = items.iter().filter(visible).filter(|row| row.effective_at.day() == day);
    of_day.any(|row| cost(row.item, next_day(row)) < cost(row.item, next_day(row).plus_days(-1)))
}

/// Microseconds in a day.
const MICROS_PER_DAY: i64 = bellwether_features::time::MICROS_PER_DAY;

const OUTCOMES: usize = RenewalOutcome::ALL.len();

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    renewals: u64,
    accounts: u64,
    before: Cents,
    after: Cents,
}

type Sums = [[Sum; OUTCOMES]; 3];

/// Renewals of the twelve months before `as_of` by billing period (monthly, annual, not known) and outcome, as far as they
/// occur.
#[must_use]
pub fn renewal_quality(facts: &Facts, as_of: NaiveDate, grace_days: u32) -> Vec<RenewalQuality> {
    let Some(subscriptions) = &facts.subscriptions else { return Vec::new() };
    let (from, end) = (Instant::start_of(year_before(as_of)), Instant::start_of(as_of));
    let add = |mut sums: Sums, account: usize| {
        if facts.count_since(TableName::Subscriptions, account) >= end {
            return sums;
        }
        let items = facts.subscription_items.as_ref().map_or(&[][..], |items| items.of(account));
        let counts = facts.count_since(TableName::SubscriptionItems, account) < end;
        let mut seen = [[false; OUTCOMES]; 3];
        each_renewal(subscriptions.of(account), if counts { items } else { &[] }, end, grace_days, |renewal| {
            if renewal.at < from {
                return;
            }
            let period = BILLING_PERIODS.iter().position(|period| *period == renewal.billing_period).unwrap_or(2);
            let sum = &mut sums[period][renewal.outcome as usize];
            sum.renewals += 1;
            sum.accounts += u64::from(!std::mem::replace(&mut seen[period][renewal.outcome as usize], true));
            sum.before += renewal.before;
            sum.after += renewal.after;
        });
        sums
    };
    let accounts = (0..facts.accounts.len()).into_par_iter().with_min_len(LEAST_ACCOUNTS_AT_ONCE);
    let sums = accounts.fold(Sums::default, add).reduce(Sums::default, merged);
    BILLING_PERIODS.into_iter().zip(sums).flat_map(|(period, sums)| of_period(period, &sums)).collect()
}

fn merged(mut sums: Sums, other: Sums) -> Sums {
    for (sum, other) in sums.iter_mut().flatten().zip(other.into_iter().flatten()) {
        sum.renewals += other.renewals;
        sum.accounts += other.accounts;
        sum.before += other.before;
        sum.after += other.after;
    }
    sums
}

fn of_period(billing_period: Option<BillingPeriod>, sums: &[Sum; OUTCOMES]) -> Vec<RenewalQuality> {
    let named = || RenewalOutcome::ALL.into_iter().zip(sums);
    let decided = || named().filter(|(outcome, _)| *outcome != RenewalOutcome::Undecided).map(|(_, sum)| sum);
    let renewals: u64 = decided().map(|sum| sum.renewals).sum();
    let before: Cents = decided().map(|sum| sum.before).sum();
    let row = |(outcome, sum): (RenewalOutcome, &Sum)| {
        let is_decided = outcome != RenewalOutcome::Undecided;
        RenewalQuality {
            billing_period,
            outcome,
            renewals: sum.renewals,
            accounts: sum.accounts,
            before: sum.before,
            after: sum.after,
            share: (is_decided && renewals > 0).then(|| sum.renewals as f64 / renewals as f64),
            mrr_share: sum.before.over(before).filter(|_| is_decided),
        }
    };
    named().filter(|(_, sum)| sum.renewals > 0).map(row).collect()
}
