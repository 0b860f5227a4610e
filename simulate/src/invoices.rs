//! Invoices: who doubts the value pays late.
//!
//! A monthly contract is invoiced on its anniversaries, net 14 days. An annual contract is invoiced at sign-up, net 30,
//! and 45 days before each renewal, net 30: whoever means to leave lets that one lie. Extra services are invoiced now
//! and then (kind `one_time`). Automatic payers pay on the due date, unless a card fails.

use crate::calendar::{DAY_SECONDS, Day, Second, midnight};
use crate::contract::cents;
use crate::life::Life;
use crate::parameters::Simulation;
use crate::random::{Purpose, Random};

/// An invoice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct InvoiceRow {
    pub account: u32,
    /// Number of the invoice within the account, from 1.
    pub number: u32,
    pub issued_at: Second,
    pub due_at: Second,
    pub paid_at: Option<Second>,
    pub amount: f64,
    pub one_time: bool,
    pub disputed_at: Option<Second>,
    pub known_at: Second,
}

/// An annual contract is invoiced this long before its renewal.
const AHEAD_DAYS: Day = 45;
/// Payment terms in days: monthly contracts, all others.
const TERMS_DAYS: (Day, Day) = (14, 30);

/// Appends the invoices of a life, in order of issue.
pub(crate) fn write_invoices(simulation: &Simulation, life: &Life, rows: &mut Vec<InvoiceRow>) {
    let mut random = Random::new(simulation.parameters.seed, life.profile.index, Purpose::Invoices);
    let end = midnight(simulation.calendar.end);
    let mut bills = recurring(life);
    bills.extend(one_time(life, &mut random));
    bills.sort_by_key(|bill| (bill.day, bill.one_time));
    let mut number = 0;
    for bill in bills {
        let row = bill.invoice(life, end, &mut random);
        if row.known_at < end {
            number += 1;
            rows.push(InvoiceRow { number, ..row });
        }
    }
}

struct Bill {
    day: Day,
    terms: Day,
    amount: f64,
    one_time: bool,
}

fn recurring(life: &Life) -> Vec<Bill> {
    let (profile, first) = (&life.profile, life.first_contract);
    let mut bills = Vec::new();
    if !profile.is_long_standing() {
        let (months, terms) = if first.annual { (12.0, TERMS_DAYS.1) } else { (1.0, TERMS_DAYS.0) };
        bills.push(Bill { day: profile.sign_up_day, terms, amount: first.mrr() * months, one_time: false });
    }
    if !first.annual {
        bills.extend(life.anniversaries.iter().map(|(day, contract)| Bill {
            day: *day,
            terms: TERMS_DAYS.0,
            amount: contract.mrr(),
            one_time: false,
        }));
        return bills;
    }
    let mut months = first.next_month.next_multiple_of(12);
    while first.anniversary(months) - AHEAD_DAYS < life.last_day {
        let day = first.anniversary(months) - AHEAD_DAYS;
        if day >= profile.first_day {
            let amount = 12.0 * life.week_of(day).contract.mrr();
            bills.push(Bill { day, terms: TERMS_DAYS.1, amount, one_time: false });
        }
        months += 12;
    }
    bills
}

/// Training and services: about one invoice in ten months.
fn one_time(life: &Life, random: &mut Random) -> Vec<Bill> {
    let mut bills = Vec::new();
    let mut day = life.profile.first_day + 1 + random.exponential(300.0) as Day;
    while day < life.last_day {
        let amount = life.week_of(day).contract.mrr() * random.between(0.1, 0.8);
        bills.push(Bill { day, terms: TERMS_DAYS.1, amount, one_time: true });
        day += 1 + random.exponential(300.0) as Day;
    }
    bills
}

impl Bill {
    fn invoice(&self, life: &Life, end: Second, random: &mut Random) -> InvoiceRow {
        let profile = &life.profile;
        let issued_at = (midnight(self.day) + 6 * 3_600 + random.below(3_600) as Second).max(profile.signed_up_at);
        let due_day = self.day + self.terms;
        let value = life.week_of(due_day.min(life.last_day - 1)).hidden;
        let stress = (0.1 - 0.5 * (value.value + value.smoothed)).max(0.0);
        let days_late = if profile.automatic_payment {
            if random.chance(0.015 + 0.03 * stress) { random.between(4.0, 18.0) } else { 0.0 }
        } else {
            profile.payment_habit_days + 3.0 * random.normal() + 9.0 * stress * random.exponential(1.0)
        };
        let hours = random.between(8.0, 18.0);
        let paid_at = midnight(due_day) + ((days_late.floor() * 24.0 + hours) * 3_600.0) as Second;
        let earliest = issued_at + 6 * 3_600;
        let gone = life.churn_day.is_some_and(|day| midnight(day) < paid_at) && random.chance(0.5);
        let disputed = random.chance(0.006 * (1.0 + 4.0 * stress));
        let disputed_at = issued_at + random.between(2.0, 20.0) as Second * DAY_SECONDS;
        InvoiceRow {
            account: profile.index,
            number: 0,
            issued_at,
            due_at: midnight(due_day + 1) - 1,
            paid_at: Some(paid_at.max(earliest)).filter(|&paid| paid < end && !gone),
            amount: cents(self.amount),
            one_time: self.one_time,
            disputed_at: Some(disputed_at).filter(|&at| disputed && at < end && at < midnight(life.last_day)),
            known_at: issued_at + random.below(3_600) as Second,
        }
    }
}
