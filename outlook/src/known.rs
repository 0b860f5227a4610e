//! What is known of an account just before a day: the one rule of visibility, for the tables that the outlook reads.
//!
//! A fact counts when it happened and became known before `as_of` 00:00 and its account had been entered by then; of the
//! versions of one row, the one known last holds. A later time of its own (paid, disputed) is null until it has come.

use std::collections::BTreeMap;

use bellwether_features::contract::TableName;
use bellwether_features::facts::{
    AccountFact, Facts, Grouped, InvoiceFact, InvoiceKind, MeetingFact, MeetingKind, Names, SubscriptionFact, UsageFact,
};
use bellwether_features::time::Instant;

use crate::money::Cents;

/// The rows of a table of an account whose facts count before `as_of`, whatever their own times.
fn rows<'a, T>(
    facts: &Facts,
    name: TableName,
    table: Option<&'a Grouped<T>>,
    account: usize,
    as_of: Instant,
) -> &'a [T] {
    let counts = facts.count_since(name, account) < as_of;
    table.filter(|_| counts).map_or(&[][..], |table| table.of(account))
}

/// The account's own row: sign-up (where given) and knowledge before `as_of`, the latest known.
#[must_use]
pub fn account(facts: &Facts, account: usize, as_of: Instant) -> Option<&AccountFact> {
    let rows = facts.account_rows.as_ref().map_or(&[][..], |rows| rows.of(account));
    let visible = |row: &&AccountFact| row.known_at < as_of && row.signed_up_at.is_none_or(|at| at < as_of);
    rows.iter().filter(visible).max_by_key(|row| row.known_at)
}

/// The subscription in force just before `as_of`; its MRR may be 0.
#[must_use]
pub fn subscription(facts: &Facts, account: usize, as_of: Instant) -> Option<&SubscriptionFact> {
    let rows = rows(facts, TableName::Subscriptions, facts.subscriptions.as_ref(), account, as_of);
    let before = rows.partition_point(|row| row.effective_at < as_of);
    rows[..before].iter().rev().find(|row| row.known_at < as_of)
}

/// An invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invoice {
    /// When it was issued.
    pub issued_at: Instant,
    /// When it is due.
    pub due_at: Instant,
    /// When it was paid, if that was before `as_of`.
    pub paid_at: Option<Instant>,
    /// Amount; below zero for a credit.
    pub amount: Cents,
    /// What it is for.
    pub kind: Option<InvoiceKind>,
}

impl Invoice {
    /// Whole days since it was due, where it is not paid; `None` where it is paid, or not due before `as_of`.
    #[must_use]
    pub fn days_overdue(&self, as_of: Instant) -> Option<i64> {
        (self.paid_at.is_none() && self.due_at < as_of).then(|| as_of.day() - self.due_at.day())
    }
}

/// The invoices of an account, by number.
#[must_use]
pub fn invoices(facts: &Facts, account: usize, as_of: Instant) -> Vec<Invoice> {
    let rows = rows(facts, TableName::Invoices, facts.invoices.as_ref(), account, as_of);
    let mut latest: BTreeMap<u32, &InvoiceFact> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.issued_at < as_of && row.known_at < as_of) {
        let known = latest.entry(row.invoice).or_insert(row);
        if row.known_at >= known.known_at {
            *known = row;
        }
    }
    let invoice = |row: &InvoiceFact| Invoice {
        issued_at: row.issued_at,
        due_at: row.due_at,
        paid_at: row.paid_at.filter(|paid| *paid < as_of),
        amount: Cents::from_amount(row.amount),
        kind: row.kind,
    };
    latest.into_values().map(invoice).collect()
}

/// Costs of an account at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// When they were booked.
    pub at: Instant,
    /// To win the customer.
    pub acquisition: Option<Cents>,
    /// To serve it.
    pub serve: Option<Cents>,
}

/// The costs of an account, by time.
#[must_use]
pub fn spend(facts: &Facts, account: usize, as_of: Instant) -> Vec<Spend> {
    let mut found: Vec<Spend> = Vec::new();
    let rows = rows(facts, TableName::Spend, facts.spend.as_ref(), account, as_of);
    // By time, then knowledge: a later version follows the one that it takes the place of.
    for row in rows.iter().filter(|row| row.at < as_of && row.known_at < as_of) {
        let spend = Spend {
            at: row.at,
            acquisition: row.acquisition_cost.map(Cents::from_amount),
            serve: row.serve_cost.map(Cents::from_amount),
        };
        match found.last_mut() {
            Some(last) if last.at == spend.at => *last = spend,
            _ => found.push(spend),
        }
    }
    found
}

/// The visible uses of an account from `from` on, by time.
pub fn uses(facts: &Facts, account: usize, from: Instant, as_of: Instant) -> impl Iterator<Item = &UsageFact> {
    let rows = rows(facts, TableName::Usage, facts.usage.as_ref(), account, as_of);
    let (start, end) = (rows.partition_point(|row| row.at < from), rows.partition_point(|row| row.at < as_of));
    rows[start.min(end)..end].iter().filter(move |row| row.known_at < as_of)
}

/// When the account was last met: somebody came, and it was no letter.
#[must_use]
pub fn last_met(facts: &Facts, account: usize, as_of: Instant) -> Option<Instant> {
    let rows = rows(facts, TableName::Meetings, facts.meetings.as_ref(), account, as_of);
    let is_met =
        |row: &&MeetingFact| row.at < as_of && row.known_at < as_of && row.attended && row.kind != MeetingKind::Email;
    rows.iter().rev().find(is_met).map(|row| row.at)
}

/// The name that a code stands for; `None` for none, and for the empty name.
#[must_use]
pub fn name(names: &Names, code: Option<u32>) -> Option<&str> {
    let name = code.and_then(|code| names.names.get(code as usize));
    name.map(String::as_str).filter(|name| !name.is_empty())
}
