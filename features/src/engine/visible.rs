//! The facts of an account that count at a date, for those who read facts themselves: of several versions of a row the one
//! that holds, by the engine's own rule.

use chrono::NaiveDate;

use super::account::AccountHistory;
use super::beginning::UsageBeginning;
use super::versions::{Versioned, Versions};
use crate::contract::TableName;
use crate::facts::{
    AccountFact, ContactFact, Facts, Grouped, InvoiceFact, MeetingFact, NpsFact, SubscriptionFact, TicketFact,
    UsageFact,
};
use crate::time::Instant;

impl Facts {
    /// Whether anything is visible at `as_of` that says there is such an account: its row, a use or a subscription.
    #[must_use]
    pub fn is_known(&self, account: usize, as_of: Instant) -> bool {
        AccountHistory::before(self, account, as_of).is_known(as_of)
    }

    /// The account's own row at `as_of`.
    #[must_use]
    pub fn visible_row(&self, account: usize, as_of: Instant) -> Option<&AccountFact> {
        AccountHistory::before(self, account, as_of).row(as_of)
    }

    /// Since when there is the account, as known at `as_of`: its sign-up, else its first use or subscription.
    #[must_use]
    pub fn start_of_account(&self, account: usize, as_of: Instant) -> Option<Instant> {
        AccountHistory::before(self, account, as_of).start(as_of)
    }

    /// When the earliest use happened, of all accounts, that is visible at `as_of`: before it, uses are not on record.
    #[must_use]
    pub fn usage_begins_at(&self, as_of: NaiveDate) -> Option<Instant> {
        UsageBeginning::of(self, &[as_of]).at(Instant::start_of(as_of))
    }

    /// The account's answers at `as_of`, in order of time.
    #[must_use]
    pub fn visible_answers(&self, account: usize, as_of: Instant) -> Vec<&NpsFact> {
        self.held(TableName::Nps, self.nps.as_ref(), account, as_of)
    }

    /// Its invoices; one that was paid, or disputed, at `as_of` or later was not yet.
    #[must_use]
    pub fn visible_invoices(&self, account: usize, as_of: Instant) -> Vec<InvoiceFact> {
        let before = |at: Option<Instant>| at.filter(|at| *at < as_of);
        let invoices = self.held(TableName::Invoices, self.invoices.as_ref(), account, as_of);
        let then = |invoice: &InvoiceFact| InvoiceFact {
            paid_at: before(invoice.paid_at),
            disputed_at: before(invoice.disputed_at),
            ..*invoice
        };
        invoices.into_iter().map(then).collect()
    }

    /// Its tickets; one that was resolved at `as_of` or later was open.
    #[must_use]
    pub fn visible_tickets(&self, account: usize, as_of: Instant) -> Vec<TicketFact> {
        let tickets = self.held(TableName::Tickets, self.tickets.as_ref(), account, as_of);
        let then =
            |ticket: &TicketFact| TicketFact { resolved_at: ticket.resolved_at.filter(|at| *at < as_of), ..*ticket };
        tickets.into_iter().map(then).collect()
    }

    /// Its contacts; one that left at `as_of` or later was there.
    #[must_use]
    pub fn visible_contacts(&self, account: usize, as_of: Instant) -> Vec<ContactFact> {
        let contacts = self.held(TableName::Contacts, self.contacts.as_ref(), account, as_of);
        let then = |contact: &ContactFact| ContactFact { until: contact.until.filter(|at| *at < as_of), ..*contact };
        contacts.into_iter().map(then).collect()
    }

    /// Its subscriptions, by the time from which they hold.
    #[must_use]
    pub fn visible_subscriptions(&self, account: usize, as_of: Instant) -> Vec<&SubscriptionFact> {
        self.held(TableName::Subscriptions, self.subscriptions.as_ref(), account, as_of)
    }

    /// Its uses of `[from, until)` that were known before `as_of`; none of them from `as_of` on.
    pub fn visible_uses(
        &self,
        account: usize,
        from: Instant,
        until: Instant,
        as_of: Instant,
    ) -> impl Iterator<Item = &UsageFact> {
        let counts = self.count_since(TableName::Usage, account) < as_of;
        let uses = self.usage.as_ref().filter(|_| counts).map_or(&[][..], |uses| uses.of(account));
        let until = until.min(as_of);
        let within = uses.partition_point(|one| one.at < from)..uses.partition_point(|one| one.at < until);
        // A window that ends before it begins holds nothing.
        let within = within.start.min(within.end)..within.end;
        uses[within].iter().filter(move |one| one.known_at < as_of)
    }

    /// Invitations of its people to meetings, in order of time.
    pub fn visible_meetings(&self, account: usize, as_of: Instant) -> impl Iterator<Item = &MeetingFact> {
        let counts = self.count_since(TableName::Meetings, account) < as_of;
        let meetings = self.meetings.as_ref().filter(|_| counts).map_or(&[][..], |meetings| meetings.of(account));
        meetings.iter().filter(move |one| one.at < as_of && one.known_at < as_of)
    }

    fn held<'a, T: Versioned>(
        &self,
        name: TableName,
        table: Option<&'a Grouped<T>>,
        account: usize,
        as_of: Instant,
    ) -> Vec<&'a T> {
        let rows = table.filter(|_| self.count_since(name, account) < as_of).map_or(&[][..], |table| table.of(account));
        Versions::new(rows).visible(as_of)
    }
}
