//! Revenue as it is billed, month by month, beside what the contracts say.
//!
//! Billed is what was invoiced: an invoice is of the calendar month (UTC) in which it was issued, all of it, however long it is
//! for. Contracted is MRR in force by time: of each account and month, MRR times the share of the month in which it held, to
//! the nearest cent. A year paid in advance is billed once and contracted twelve times, so the two are compared over twelve
//! months.
//!
//! ```text
//! billed = recurring + one-time + not said;   billed = paid + unpaid;   overdue is part of unpaid
//! ```

use bellwether_features::contract::TableName;
use bellwether_features::facts::{Facts, InvoiceFact, InvoiceKind};
use bellwether_features::time::Instant;
use chrono::{Months, NaiveDate};
use rayon::prelude::*;

use crate::known;
use crate::money::Cents;
use crate::movement::month_of;
use crate::timeline::Timeline;

/// One month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoneyMonth {
    /// First day of the month.
    pub month: NaiveDate,
    /// Whether the month was over at `as_of`.
    pub is_complete: bool,
    /// Invoiced for subscriptions.
    pub recurring: Cents,
    /// Invoiced for anything else.
    pub one_time: Cents,
    /// Invoiced, and what for is not said.
    pub not_said: Cents,
    /// Of what was invoiced, paid before `as_of`.
    pub paid: Cents,
    /// Not paid before `as_of`, whether or not it is due.
    pub unpaid: Cents,
    /// Not paid, and due before `as_of`.
    pub overdue: Cents,
    /// Accounts with an invoice.
    pub billed_accounts: u64,
    /// MRR in force, by time.
    pub contracted: Cents,
    /// MRR just before the month's end (or `as_of`).
    pub mrr: Cents,
    /// Accounts that pay it.
    pub paying_accounts: u64,
    /// Cost of serving that was booked.
    pub serve_cost: Cents,
    /// Cost of winning customers that was booked.
    pub acquisition_cost: Cents,
}

impl MoneyMonth {
    fn empty(month: NaiveDate, is_complete: bool) -> Self {
        let none = Cents::ZERO;
        Self {
            month,
            is_complete,
            recurring: none,
            one_time: none,
            not_said: none,
            paid: none,
            unpaid: none,
            overdue: none,
            billed_accounts: 0,
            contracted: none,
            mrr: none,
            paying_accounts: 0,
            serve_cost: none,
            acquisition_cost: none,
        }
    }

    /// All that was invoiced.
    #[must_use]
    pub fn billed(&self) -> Cents {
        self.recurring + self.one_time + self.not_said
    }

    /// MRR per paying account; `None` without any.
    #[must_use]
    pub fn revenue_per_account(&self) -> Option<f64> {
        (self.paying_accounts > 0).then(|| self.mrr.amount() / self.paying_accounts as f64)
    }

    fn merge(&mut self, other: &Self) {
        self.recurring += other.recurring;
        self.one_time += other.one_time;
        self.not_said += other.not_said;
        self.paid += other.paid;
        self.unpaid += other.unpaid;
        self.overdue += other.overdue;
        self.billed_accounts += other.billed_accounts;
        self.contracted += other.contracted;
        self.mrr += other.mrr;
        self.paying_accounts += other.paying_accounts;
        self.serve_cost += other.serve_cost;
        self.acquisition_cost += other.acquisition_cost;
    }
}

/// Money by month, and which tables it could be told from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billing {
    /// From the first month with an invoice or MRR to that of the day before `as_of`, ascending.
    pub months: Vec<MoneyMonth>,
    /// Whether there are invoices.
    pub has_invoices: bool,
    /// Whether invoices say what they are for.
    pub has_kinds: bool,
    /// Whether costs are on record.
    pub has_spend: bool,
}

impl Billing {
    /// Recurring invoices of the twelve months to the end of a month over what was contracted in them; `None` in the first
    /// eleven months, without invoices, or where they do not say that they are recurring.
    #[must_use]
    pub fn billed_over_contracted(&self, place: usize) -> Option<f64> {
        let year = self.months.get((place + 1).checked_sub(12)?..=place)?;
        let contracted: Cents = year.iter().map(|month| month.contracted).sum();
        let billed: Cents = year.iter().map(|month| month.recurring).sum();
        if self.has_invoices && self.has_kinds { billed.over(contracted) } else { None }
    }
}

/// Rows of invoices that are visible, whether or not a later version took their place.
fn visible_invoices(facts: &Facts, as_of: Instant) -> impl Iterator<Item = &InvoiceFact> {
    let rows = facts.counting(TableName::Invoices, facts.invoices.as_ref(), as_of);
    rows.filter(move |row| row.issued_at < as_of && row.known_at < as_of)
}

/// A month with its ends.
struct Month {
    first: NaiveDate,
    from: Instant,
    until: Instant,
    /// Its own end, which may lie after `as_of`.
    ends: Instant,
}

/// Money by month, as known before `as_of`.
#[must_use]
pub fn billing(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate) -> Billing {
    let months = months(facts, timelines, as_of);
    let end = Instant::start_of(as_of);
    let empty = || months.iter().map(|month| MoneyMonth::empty(month.first, month.ends <= end)).collect::<Vec<_>>();
    let add = |mut sums: Vec<MoneyMonth>, (account, timeline): (usize, &Timeline)| {
        add_account(facts, account, timeline, end, &months, &mut sums);
        sums
    };
    let merge = |mut sums: Vec<MoneyMonth>, other: Vec<MoneyMonth>| {
        sums.iter_mut().zip(&other).for_each(|(sum, other)| sum.merge(other));
        sums
    };
    // Sums of whole numbers, so that no order of adding changes them.
    let months = timelines.par_iter().enumerate().fold(empty, add).reduce(empty, merge);
    let said = visible_invoices(facts, end).any(|row| row.kind.is_some());
    Billing { months, has_invoices: facts.invoices.is_some(), has_kinds: said, has_spend: facts.spend.is_some() }
}

fn months(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate) -> Vec<Month> {
    let end = Instant::start_of(as_of);
    let paid = timelines.par_iter().filter_map(Timeline::first_paid).min();
    // Invoices as they hold: the month of a version that was stated again is none.
    let first_issued =
        |account: usize| known::invoices(facts, account, end).into_iter().map(|invoice| invoice.issued_at).min();
    let issued = (0..timelines.len()).into_par_iter().filter_map(first_issued).min();
    let Some(first) = paid.into_iter().chain(issued).min().and_then(Instant::date) else { return Vec::new() };
    let mut months = Vec::new();
    let mut month = month_of(first);
    while month < as_of {
        let next = month.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
        let (from, ends) = (Instant::start_of(month), Instant::start_of(next));
        months.push(Month { first: month, from, until: ends.min(end), ends });
        month = next;
    }
    months
}

fn add_account(
    facts: &Facts,
    account: usize,
    timeline: &Timeline,
    as_of: Instant,
    months: &[Month],
    sums: &mut [MoneyMonth],
) {
    let place = |at: Instant| months.partition_point(|month| month.from <= at).checked_sub(1);
    let mut billed_in = vec![false; sums.len()];
    for invoice in known::invoices(facts, account, as_of) {
        let Some(place) = place(invoice.issued_at) else { continue };
        let sum = &mut sums[place];
        billed_in[place] = true;
        match invoice.kind {
            Some(InvoiceKind::Recurring) => sum.recurring += invoice.amount,
            Some(InvoiceKind::OneTime) => sum.one_time += invoice.amount,
            None => sum.not_said += invoice.amount,
        }
        match invoice.paid_at {
            Some(_) => sum.paid += invoice.amount,
            None => sum.unpaid += invoice.amount,
        }
        if invoice.days_overdue(as_of).is_some() {
            sum.overdue += invoice.amount;
        }
    }
    for spend in known::spend(facts, account, as_of) {
        let Some(place) = place(spend.at) else { continue };
        sums[place].serve_cost += spend.serve.unwrap_or_default();
        sums[place].acquisition_cost += spend.acquisition.unwrap_or_default();
    }
    for ((month, sum), billed) in months.iter().zip(sums).zip(billed_in) {
        sum.billed_accounts += u64::from(billed);
        let mrr = timeline.mrr_before(month.until);
        sum.mrr += mrr;
        sum.paying_accounts += u64::from(mrr > Cents::ZERO);
        sum.contracted += in_force(timeline, month.from, month.until, month.ends.0 - month.from.0);
    }
}

/// Recurring revenue of an account from `from` until before `until`: of each calendar month MRR times the share of the month
/// in which it held, to the nearest cent.
#[must_use]
pub fn accrued(timeline: &Timeline, from: Instant, until: Instant) -> Cents {
    let Some(mut month) = from.date().map(month_of) else { return Cents::ZERO };
    let mut sum = Cents::ZERO;
    while Instant::start_of(month) < until {
        let next = month.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
        let (begins, ends) = (Instant::start_of(month), Instant::start_of(next));
        sum += in_force(timeline, begins.max(from), ends.min(until), ends.0 - begins.0);
        month = next;
    }
    sum
}

/// MRR times the share of `length` in which it held, from `from` until before `until`.
fn in_force(timeline: &Timeline, from: Instant, until: Instant, length: i64) -> Cents {
    let stretches = timeline.stretches();
    let first = stretches.partition_point(|stretch| stretch.from <= from).saturating_sub(1);
    let mut cents_micros: i128 = 0;
    for (place, stretch) in stretches.iter().enumerate().skip(first) {
        let begins = stretch.from.max(from);
        let ends = stretches.get(place + 1).map_or(until, |next| next.from.min(until));
        if begins >= until {
            break;
        }
        cents_micros += i128::from(stretch.mrr.0) * i128::from((ends.0 - begins.0).max(0));
    }
    nearest(cents_micros, length)
}

/// The nearest cent of a sum of cents times microseconds over a length, half away from zero; MRR is never below zero.
fn nearest(cents_micros: i128, length: i64) -> Cents {
    let length = i128::from(length.max(1));
    Cents(i64::try_from((2 * cents_micros + length) / (2 * length)).unwrap_or(i64::MAX))
}
