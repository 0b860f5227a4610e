//! What is visible of an account at a date: the few questions that alerts, prospects and owners ask.
//!
//! The rule is that of the features: a fact counts if it happened and was known before the date, of several versions of a row
//! the one known last. Tests compare each answer with the signal of the same meaning.

use std::collections::BTreeMap;

use bellwether_features::contract::TableName;
use bellwether_features::facts::{
    AccountFact, ContactFact, Facts, Grouped, InvoiceFact, MeetingKind, Role, SubscriptionFact, UsageFact,
};
use bellwether_features::time::Instant;

/// Days that stand for a month: four weeks, so that each weekday is in it equally often.
pub const MONTH_DAYS: i64 = 28;
/// Days that usage limits are per.
const LIMIT_DAYS: f64 = 30.0;

/// One account at a date.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    facts: &'a Facts,
    account: usize,
    as_of: Instant,
}

impl<'a> Seen<'a> {
    /// The account of this index as visible at `as_of`.
    #[must_use]
    pub fn new(facts: &'a Facts, account: usize, as_of: Instant) -> Self {
        Self { facts, account, as_of }
    }

    /// The rows of a table that count at all.
    fn rows<T>(&self, name: TableName, table: Option<&'a Grouped<T>>) -> &'a [T] {
        let counts = self.facts.count_since(name, self.account) < self.as_of;
        table.filter(|_| counts).map_or(&[], |table| table.of(self.account))
    }

    /// The visible uses of the ages `first..=last` in days; 1 is yesterday.
    fn uses(&self, first: i64, last: i64) -> impl Iterator<Item = &'a UsageFact> + use<'a> {
        let rows = self.rows(TableName::Usage, self.facts.usage.as_ref());
        let (from, until) = (self.as_of.plus_days(-last), self.as_of.plus_days(1 - first));
        let (from, until) = (rows.partition_point(|row| row.at < from), rows.partition_point(|row| row.at < until));
        let as_of = self.as_of;
        rows[from.min(until)..until].iter().filter(move |row| row.known_at < as_of)
    }

    /// Number of uses of the ages `first..=last`.
    #[must_use]
    pub fn events(&self, first: i64, last: i64) -> u64 {
        self.uses(first, last).count() as u64
    }

    /// Sum of the quantities of the last 28 days.
    #[must_use]
    pub fn quantity(&self) -> f64 {
        self.uses(1, MONTH_DAYS).map(|row| row.quantity).sum()
    }

    /// UTC days with a use in the last 28.
    #[must_use]
    pub fn active_days(&self) -> u32 {
        let mut last = None;
        let mut days = 0;
        for row in self.uses(1, MONTH_DAYS) {
            days += u32::from(last != Some(row.at.day()));
            last = Some(row.at.day());
        }
        days
    }

    /// Quantity of the last 28 days x 30 / 28 as a share of the usage limit; `None` without a limit above 0.
    #[must_use]
    pub fn limit_share(&self) -> Option<f64> {
        let limit = self.subscription()?.usage_limit.filter(|limit| *limit > 0.0)?;
        Some(self.quantity() * LIMIT_DAYS / MONTH_DAYS as f64 / limit)
    }

    /// Since how many days uses could be seen: sign-up or first visible use, whichever is earlier. `None` without either and
    /// without a table of usage.
    #[must_use]
    pub fn usage_history_days(&self) -> Option<i64> {
        self.facts.usage.as_ref()?;
        let age = |at: Option<Instant>| at.map(|at| self.as_of.day() - at.day());
        age(self.start()).max(age(self.first_use()))
    }

    fn first_use(&self) -> Option<Instant> {
        let rows = self.rows(TableName::Usage, self.facts.usage.as_ref());
        let mut happened = rows.iter().take_while(|row| row.at < self.as_of);
        happened.find(|row| row.known_at < self.as_of).map(|row| row.at)
    }

    fn first_subscription(&self) -> Option<Instant> {
        let rows = self.rows(TableName::Subscriptions, self.facts.subscriptions.as_ref());
        let mut happened = rows.iter().take_while(|row| row.effective_at < self.as_of);
        happened.find(|row| row.known_at < self.as_of).map(|row| row.effective_at)
    }

    /// The account's own row.
    fn row(&self) -> Option<&'a AccountFact> {
        let rows = self.facts.account_rows.as_ref().map_or(&[][..], |rows| rows.of(self.account));
        let visible =
            |row: &&AccountFact| row.known_at < self.as_of && row.signed_up_at.is_none_or(|at| at < self.as_of);
        rows.iter().filter(visible).max_by_key(|row| row.known_at)
    }

    /// Since when there is an account: its sign-up, else its first visible use or subscription.
    fn start(&self) -> Option<Instant> {
        let first_fact = || [self.first_use(), self.first_subscription()].into_iter().flatten().min();
        self.row().and_then(|row| row.signed_up_at).or_else(first_fact)
    }

    /// Who looks after the account, code into [`Facts::owners`].
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        self.row()?.owner
    }

    /// The subscription in force.
    #[must_use]
    pub fn subscription(&self) -> Option<&'a SubscriptionFact> {
        let rows = self.rows(TableName::Subscriptions, self.facts.subscriptions.as_ref());
        let happened = rows.partition_point(|row| row.effective_at < self.as_of);
        rows[..happened].iter().rev().find(|row| row.known_at < self.as_of)
    }

    /// Whether a sponsor is there; `None` without any visible contact.
    #[must_use]
    pub fn has_sponsor(&self) -> Option<bool> {
        let rows = self.rows(TableName::Contacts, self.facts.contacts.as_ref());
        let visible = rows.iter().filter(|row| row.since < self.as_of && row.known_at < self.as_of);
        let held = known_last(visible, |row| row.contact, |row: &ContactFact| row.known_at);
        let is_there = |row: &&ContactFact| row.until.is_none_or(|until| until >= self.as_of);
        (!held.is_empty()).then(|| held.values().any(|row| row.role == Role::Sponsor && is_there(row)))
    }

    /// The longest that an open invoice is overdue, in days; 0 when none is, `None` without a visible invoice.
    #[must_use]
    pub fn overdue_days(&self) -> Option<i64> {
        let rows = self.rows(TableName::Invoices, self.facts.invoices.as_ref());
        let visible = rows.iter().filter(|row| row.issued_at < self.as_of && row.known_at < self.as_of);
        let held = known_last(visible, |row| row.invoice, |row: &InvoiceFact| row.known_at);
        let open = |row: &&&InvoiceFact| row.paid_at.is_none_or(|at| at >= self.as_of);
        let overdue = held.values().filter(open).map(|row| self.as_of.day() - row.due_at.day());
        (!held.is_empty()).then(|| overdue.max().unwrap_or(0).max(0))
    }

    /// The latest NPS answer of the last 365 days.
    #[must_use]
    pub fn latest_nps(&self) -> Option<f64> {
        let rows = self.rows(TableName::Nps, self.facts.nps.as_ref());
        let latest = rows.iter().rev().find(|row| row.at < self.as_of && row.known_at < self.as_of)?;
        (self.as_of.day() - latest.at.day() <= 365).then_some(latest.score)
    }

    /// By how many days the next review is past the agreed interval, counted from the last one held, else from the account's
    /// start; `None` without a table of meetings or a start.
    #[must_use]
    pub fn review_overdue_days(&self, interval_days: u32) -> Option<i64> {
        let meetings = self.facts.meetings.as_ref()?;
        let rows = self.rows(TableName::Meetings, Some(meetings));
        let held = |row: &&bellwether_features::facts::MeetingFact| {
            row.kind == MeetingKind::Review && row.attended && row.at < self.as_of && row.known_at < self.as_of
        };
        let last = rows.iter().rev().find(held).map(|row| row.at).or_else(|| self.start())?;
        Some((self.as_of.day() - last.day() - i64::from(interval_days)).max(0))
    }
}

/// Of the versions of each row the one known last; among those known at once the last in order.
fn known_last<'a, T>(
    rows: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> u32,
    known_at: impl Fn(&T) -> Instant,
) -> BTreeMap<u32, &'a T> {
    let mut held: BTreeMap<u32, &'a T> = BTreeMap::new();
    for row in rows {
        let known = held.entry(key(row)).or_insert(row);
        if known_at(row) >= known_at(known) {
            *known = row;
        }
    }
    held
}
