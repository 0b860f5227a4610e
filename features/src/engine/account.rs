//! What is visible of one account at one date: the questions that the spine, the signals and the labels all ask.
//!
//! The rule is one and strict. A fact is visible when it happened **and** became known before `as_of` 00:00 UTC. Of the
//! versions of one row, the visible one known last holds; the groups are sorted by event time, then knowledge time, then
//! place in the source, so "last in the group's order" settles every tie.

use crate::contract::TableName;
use crate::facts::{
    AccountFact, ContactFact, Facts, FirmographicFact, Grouped, InvoiceFact, ItemFact, MeetingFact, NpsFact,
    SubscriptionFact, TicketFact, UsageFact,
};
use crate::time::Instant;

/// All rows of one account; a table that is not there is empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccountHistory<'a> {
    pub(crate) rows: &'a [AccountFact],
    pub(crate) usage: &'a [UsageFact],
    pub(crate) subscriptions: &'a [SubscriptionFact],
    pub(crate) items: &'a [ItemFact],
    pub(crate) nps: &'a [NpsFact],
    pub(crate) invoices: &'a [InvoiceFact],
    pub(crate) tickets: &'a [TicketFact],
    pub(crate) contacts: &'a [ContactFact],
    pub(crate) meetings: &'a [MeetingFact],
    pub(crate) firmographics: &'a [FirmographicFact],
}

impl<'a> AccountHistory<'a> {
    /// The rows of `account` for one who looks just before `moment`: none of a table whose facts do not count yet. Whether a
    /// row itself is visible is another question.
    pub(crate) fn before(facts: &'a Facts, account: usize, moment: Instant) -> Self {
        fn of<T>(table: Option<&Grouped<T>>, account: usize, counts: bool) -> &[T] {
            table.filter(|_| counts).map_or(&[], |rows| rows.of(account))
        }
        let counts = |table: TableName| facts.count_since(table, account) < moment;
        Self {
            rows: of(facts.account_rows.as_ref(), account, true),
            usage: of(facts.usage.as_ref(), account, counts(TableName::Usage)),
            subscriptions: of(facts.subscriptions.as_ref(), account, counts(TableName::Subscriptions)),
            items: of(facts.subscription_items.as_ref(), account, counts(TableName::SubscriptionItems)),
            nps: of(facts.nps.as_ref(), account, counts(TableName::Nps)),
            invoices: of(facts.invoices.as_ref(), account, counts(TableName::Invoices)),
            tickets: of(facts.tickets.as_ref(), account, counts(TableName::Tickets)),
            contacts: of(facts.contacts.as_ref(), account, counts(TableName::Contacts)),
            meetings: of(facts.meetings.as_ref(), account, counts(TableName::Meetings)),
            firmographics: of(facts.firmographics.as_ref(), account, counts(TableName::Firmographics)),
        }
    }

    /// The account's own row as visible at `as_of`: sign-up (where given) and knowledge before it, the latest known.
    pub(crate) fn row(&self, as_of: Instant) -> Option<&'a AccountFact> {
        let visible = |row: &&AccountFact| row.known_at < as_of && row.signed_up_at.is_none_or(|at| at < as_of);
        self.rows.iter().filter(visible).max_by_key(|row| row.known_at)
    }

    /// The subscription that holds just before `moment`, as known just before `as_of`.
    pub(crate) fn subscription_at(&self, moment: Instant, as_of: Instant) -> Option<&'a SubscriptionFact> {
        let before = self.subscriptions.partition_point(|row| row.effective_at < moment.min(as_of));
        self.subscriptions[..before].iter().rev().find(|row| row.known_at < as_of)
    }

    /// The subscription visible at `as_of`.
    pub(crate) fn subscription(&self, as_of: Instant) -> Option<&'a SubscriptionFact> {
        self.subscription_at(as_of, as_of)
    }

    /// The first visible use.
    pub(crate) fn first_use(&self, as_of: Instant) -> Option<Instant> {
        self.usage.iter().take_while(|row| row.at < as_of).find(|row| row.known_at < as_of).map(|row| row.at)
    }

    /// The first visible subscription row.
    fn first_subscription(&self, as_of: Instant) -> Option<Instant> {
        let mut happened = self.subscriptions.iter().take_while(|row| row.effective_at < as_of);
        happened.find(|row| row.known_at < as_of).map(|row| row.effective_at)
    }

    /// Since when there is an account: its sign-up, else its first visible use or subscription.
    pub(crate) fn start(&self, as_of: Instant) -> Option<Instant> {
        let first_fact = || [self.first_use(as_of), self.first_subscription(as_of)].into_iter().flatten().min();
        self.row(as_of).and_then(|row| row.signed_up_at).or_else(first_fact)
    }

    /// Whether anything is visible that says there is such an account.
    pub(crate) fn is_known(&self, as_of: Instant) -> bool {
        self.row(as_of).is_some() || self.first_use(as_of).is_some() || self.first_subscription(as_of).is_some()
    }

    /// Whether a use that is visible at `as_of` became known at or after `since`.
    pub(crate) fn use_became_known_since(&self, since: Instant, as_of: Instant) -> bool {
        let before = self.usage.partition_point(|row| row.at < as_of);
        self.usage[..before].iter().rev().any(|row| row.known_at >= since && row.known_at < as_of)
    }
}
