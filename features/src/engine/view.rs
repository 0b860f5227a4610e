//! What the formulas of the catalogue read: everything visible of one account at one date, and nothing else.
//!
//! A formula cannot reach a fact that is not visible, because a [`View`] does not hold it. `paid_at`, `disputed_at`,
//! `resolved_at` and a contact's `until` are knowledge times of their own and are answered here, too: an invoice that is paid after `as_of` is
//! unpaid in its view.

use std::collections::BTreeMap;

use super::account::AccountHistory;
use super::declared::{self, DeclaredHistory};
use super::uses::{FeatureKind, Steps, Uses};
use super::versions::Versions;
use crate::catalog::DeclaredSignal;
use crate::facts::{
    AccountFact, ContactFact, Facts, FirmographicFact, InvoiceFact, ItemFact, MeetingFact, NpsFact, Role,
    SubscriptionFact, TicketFact,
};
use crate::time::Instant;

/// What is declared, resolved to the codes of the facts; shared by all accounts.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// By feature code.
    pub(crate) features: Vec<FeatureKind>,
    /// Number of distinct features in the declared catalogue.
    pub(crate) catalogue_size: f64,
    /// By ticket category code: whether it complains.
    pub(crate) complaints: Vec<bool>,
    /// By ticket category code: whether it asks how.
    pub(crate) how_to: Vec<bool>,
    /// Whether any category that asks how is declared.
    pub(crate) asks_how: bool,
    /// Declared signals.
    pub(crate) signals: Vec<DeclaredSignal>,
    /// Steps of each workflow as feature codes.
    pub(crate) workflows: Vec<Steps>,
    /// Days between two reviews.
    pub(crate) review_interval_days: Option<u32>,
}

/// One account, prepared once for all dates (once more for those before the account was entered).
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    history: AccountHistory<'a>,
    uses: Uses<'a>,
    subscriptions: Versions<'a, SubscriptionFact>,
    items: Versions<'a, ItemFact>,
    nps: Versions<'a, NpsFact>,
    invoices: Versions<'a, InvoiceFact>,
    tickets: Versions<'a, TicketFact>,
    declared: Vec<DeclaredHistory<'a>>,
    contacts: Versions<'a, ContactFact>,
    firmographics: Versions<'a, FirmographicFact>,
}

impl<'a> Prepared<'a> {
    /// For dates at which as many of the account's tables count as at `as_of`.
    pub(crate) fn at(facts: &'a Facts, declared: &'a Declared, account: usize, as_of: Instant) -> Self {
        let history = AccountHistory::before(facts, account, as_of);
        let read = |signal: &DeclaredSignal| {
            let found = facts.declared.get(&signal.definition.name);
            DeclaredHistory::new(found.filter(|_| facts.count_since(signal.table, account) < as_of), account)
        };
        Self {
            history,
            uses: Uses::new(history.usage, &declared.features, &declared.workflows),
            subscriptions: Versions::new(history.subscriptions),
            items: Versions::new(history.items),
            nps: Versions::new(history.nps),
            invoices: Versions::new(history.invoices),
            tickets: Versions::new(history.tickets),
            declared: declared.signals.iter().map(read).collect(),
            contacts: Versions::new(history.contacts),
            firmographics: Versions::new(history.firmographics),
        }
    }

    /// What is visible at `as_of`, when the visible usage table begins at `usage_begins`; dates must be visited in ascending
    /// order.
    pub(crate) fn view<'d>(
        &'d mut self,
        declared: &'d Declared,
        as_of: Instant,
        usage_begins: Option<Instant>,
    ) -> View<'d> {
        self.uses.advance(as_of);
        let happened = self.history.meetings.partition_point(|row| row.at < as_of);
        View {
            as_of,
            declared,
            row: self.history.row(as_of),
            start_age: self.history.start(as_of).map(|start| as_of.day() - start.day()),
            usage_begins,
            uses: &self.uses,
            subscriptions: self.subscriptions.visible(as_of),
            items: self.items.visible(as_of),
            nps: self.nps.visible(as_of),
            invoices: self.invoices.visible(as_of),
            tickets: self.tickets.visible(as_of),
            declared_rows: &self.declared,
            contacts: self.contacts.visible(as_of),
            stays: stays(self.history.contacts, as_of),
            meetings: self.history.meetings[..happened].iter().filter(|row| row.known_at < as_of).collect(),
            firmographics: self.firmographics.visible(as_of),
        }
    }
}

/// Of the visible rows of one contact and one `since`, that known last: a later `since` is another stay or another role, the
/// same one a correction. `rows` are by `since` and knowledge.
fn stays(rows: &[ContactFact], as_of: Instant) -> Vec<&ContactFact> {
    let visible = rows.iter().filter(|row| row.since < as_of && row.known_at < as_of);
    visible.map(|row| ((row.since, row.contact), row)).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// One account as visible at one date.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) as_of: Instant,
    pub(crate) declared: &'a Declared,
    /// The account's own row.
    pub(crate) row: Option<&'a AccountFact>,
    /// Days since sign-up, or since the first visible use or subscription where sign-up is unknown.
    pub(crate) start_age: Option<i64>,
    /// The earliest visible use of any account.
    pub(crate) usage_begins: Option<Instant>,
    pub(crate) uses: &'a Uses<'a>,
    /// By effective time.
    pub(crate) subscriptions: Vec<&'a SubscriptionFact>,
    /// By effective time.
    pub(crate) items: Vec<&'a ItemFact>,
    /// By time of answer.
    pub(crate) nps: Vec<&'a NpsFact>,
    /// By time of issue.
    pub(crate) invoices: Vec<&'a InvoiceFact>,
    /// By time of opening.
    pub(crate) tickets: Vec<&'a TicketFact>,
    /// Rows of each declared signal.
    pub(crate) declared_rows: &'a [DeclaredHistory<'a>],
    /// By time of coming.
    pub(crate) contacts: Vec<&'a ContactFact>,
    /// What each contact was from each of its `since` on, by that time.
    pub(crate) stays: Vec<&'a ContactFact>,
    /// By time.
    pub(crate) meetings: Vec<&'a MeetingFact>,
    /// By time.
    pub(crate) firmographics: Vec<&'a FirmographicFact>,
}

impl View<'_> {
    /// The value of the declared signal at this place of the settings.
    pub(crate) fn declared_value(&self, place: usize) -> Option<f64> {
        declared::value(self.declared.signals.get(place)?, self, self.declared_rows.get(place)?)
    }

    /// Days from the UTC day of `at` to `as_of`; 1 for yesterday.
    pub(crate) fn age(&self, at: Instant) -> i64 {
        self.as_of.day() - at.day()
    }

    /// Whether `at` lies in the last `days` days.
    pub(crate) fn within(&self, at: Instant, days: u32) -> bool {
        (1..=i64::from(days)).contains(&self.age(at))
    }

    /// `at`, if it has come to pass before `as_of`.
    pub(crate) fn come(&self, at: Option<Instant>) -> Option<Instant> {
        at.filter(|at| *at < self.as_of)
    }

    /// Since how many days uses of this account could be seen: sign-up or first visible use, whichever is earlier.
    pub(crate) fn usage_history_days(&self) -> Option<i64> {
        self.start_age.max(self.uses.first_age())
    }

    /// `()` when the account's history reaches `days` back.
    pub(crate) fn reaches(&self, days: u32) -> Option<()> {
        self.usage_history_days().is_some_and(|history| history >= i64::from(days)).then_some(())
    }

    /// The contacts in a role who have not left.
    pub(crate) fn active_contacts(&self, role: Role) -> impl Iterator<Item = &ContactFact> {
        let there = move |contact: &&ContactFact| contact.role == role && self.come(contact.until).is_none();
        self.contacts.iter().copied().filter(there)
    }

    /// The subscription that holds at `as_of`.
    pub(crate) fn subscription(&self) -> Option<&SubscriptionFact> {
        self.subscriptions.last().copied()
    }

    /// The subscription that held just before the day `days` ago.
    pub(crate) fn subscription_before(&self, days: u32) -> Option<&SubscriptionFact> {
        let moment = self.as_of.plus_days(-i64::from(days));
        let before = self.subscriptions.partition_point(|row| row.effective_at < moment);
        self.subscriptions[..before].last().copied()
    }

    /// Seats of the subscription that holds, if above 0.
    pub(crate) fn seats(&self) -> Option<f64> {
        self.subscription()?.seats.filter(|seats| *seats > 0.0)
    }

    /// MRR of the subscription that holds, if above 0.
    pub(crate) fn positive_mrr(&self) -> Option<f64> {
        Some(self.subscription()?.mrr).filter(|mrr| *mrr > 0.0)
    }
}
