//! The tables as the engine reads them: facts grouped by account, sorted by time, strings as codes.
//!
//! This is the seam between the contract (which fills it from files) and the engine (which only reads it). Every fact
//! carries `known_at`, resolved from the table's column or from its event time plus the declared delay.

mod outlook;

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::TableName;
use crate::time::Instant;

pub use outlook::{Arm, GoalFact, GoalMetric, InterventionFact, OverrideFact, SpendFact};

/// Strings as codes; code `c` stands for `names[c]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Distinct strings, sorted, so that codes do not depend on the order of the rows in a file.
    pub names: Vec<String>,
    /// Whether the table has the column, even if no row has a value.
    pub is_there: bool,
}

/// Rows of one table grouped by account: those of account `a` are `rows[offsets[a]..offsets[a + 1]]`, sorted by event
/// time, then `known_at`, then row order in the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouped<T> {
    /// One more than there are accounts.
    pub offsets: Vec<usize>,
    /// All rows.
    pub rows: Vec<T>,
}

impl<T> Grouped<T> {
    /// Groups `(account, fact)` pairs; the sort by account and `key` is stable, so equal keys keep the source's order.
    #[must_use]
    pub fn new<K: Ord>(accounts: usize, mut pairs: Vec<(u32, T)>, key: impl Fn(&T) -> K) -> Self {
        pairs.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| key(&a.1).cmp(&key(&b.1))));
        let mut offsets = vec![0; accounts + 1];
        for (account, _) in &pairs {
            offsets[*account as usize + 1] += 1;
        }
        for index in 0..accounts {
            offsets[index + 1] += offsets[index];
        }
        Self { offsets, rows: pairs.into_iter().map(|(_, row)| row).collect() }
    }

    /// The rows of one account.
    #[must_use]
    pub fn of(&self, account: usize) -> &[T] {
        &self.rows[self.offsets[account]..self.offsets[account + 1]]
    }
}

/// One version of an account's row. Category codes index the matching [`Names`] of [`Facts`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccountFact {
    /// When this version became known; [`Instant::MIN`] for a snapshot without history.
    pub known_at: Instant,
    /// Sign-up.
    pub signed_up_at: Option<Instant>,
    /// Segment, industry, region, channel: codes into [`Facts::segments`] and so on.
    pub segment: Option<u32>,
    /// Industry.
    pub industry: Option<u32>,
    /// Region.
    pub region: Option<u32>,
    /// Channel.
    pub channel: Option<u32>,
    /// Campaign, code into [`Facts::campaigns`]; no signal reads it.
    pub campaign: Option<u32>,
    /// Who looks after it, code into [`Facts::owners`]; no signal reads it.
    pub owner: Option<u32>,
}

/// One use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UsageFact {
    /// When it happened.
    pub at: Instant,
    /// When it became known.
    pub known_at: Instant,
    /// User, code into [`Facts::users`]; `None` where the table has no user.
    pub user: Option<u32>,
    /// Feature, code into [`Facts::features`].
    pub feature: u32,
    /// How much; 1 where the table has no quantity.
    pub quantity: f64,
}

/// How often a subscription is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingPeriod {
    /// Every month.
    Monthly,
    /// Every year.
    Annual,
}

/// One version of a subscription: holds from `effective_at` until the next. MRR 0 is cancelled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubscriptionFact {
    /// From when it holds.
    pub effective_at: Instant,
    /// When it became known.
    pub known_at: Instant,
    /// Monthly recurring revenue.
    pub mrr: f64,
    /// Plan, code into [`Facts::plans`].
    pub plan: Option<u32>,
    /// Seats bought.
    pub seats: Option<f64>,
    /// Billing period.
    pub billing_period: Option<BillingPeriod>,
    /// Next renewal.
    pub renews_at: Option<Instant>,
    /// Usage included in the plan per 30 days.
    pub usage_limit: Option<f64>,
    /// Discount on the list price, as a share.
    pub discount: Option<f64>,
    /// Monthly list price of the whole subscription.
    pub list_price: Option<f64>,
    /// Whether it renews by itself.
    pub auto_renew: Option<bool>,
}

/// One version of an add-on or module: holds from `effective_at` until the next of the same item. MRR 0 is removed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ItemFact {
    /// Item; code private to the table.
    pub item: u32,
    /// From when it holds.
    pub effective_at: Instant,
    /// When it became known.
    pub known_at: Instant,
    /// Its part of the monthly recurring revenue.
    pub mrr: f64,
}

/// One NPS answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NpsFact {
    /// When it was given.
    pub at: Instant,
    /// When it became known.
    pub known_at: Instant,
    /// Respondent; a code that contacts and meetings share.
    pub respondent: u32,
    /// 0 to 10.
    pub score: f64,
}

/// What an invoice is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceKind {
    /// The subscription.
    Recurring,
    /// Anything else: services, training, hardware.
    OneTime,
}

/// One version of an invoice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InvoiceFact {
    /// Invoice; code private to the table.
    pub invoice: u32,
    /// When it was issued.
    pub issued_at: Instant,
    /// When this version became known.
    pub known_at: Instant,
    /// When it is due.
    pub due_at: Instant,
    /// When it was paid; a knowledge time of its own.
    pub paid_at: Option<Instant>,
    /// Amount.
    pub amount: f64,
    /// When it was disputed; a knowledge time of its own.
    pub disputed_at: Option<Instant>,
    /// What it is for; `None` where that is not said, or in other words. No signal reads it.
    pub kind: Option<InvoiceKind>,
}

/// One version of a ticket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TicketFact {
    /// Ticket; code private to the table.
    pub ticket: u32,
    /// When it was opened.
    pub opened_at: Instant,
    /// When this version became known.
    pub known_at: Instant,
    /// When it was resolved; a knowledge time of its own.
    pub resolved_at: Option<Instant>,
    /// Category, code into [`Facts::ticket_categories`].
    pub category: Option<u32>,
    /// Whether it is severe.
    pub severe: bool,
}

/// A row as a declared signal reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeclaredFact {
    /// When it happened.
    pub at: Instant,
    /// When this version became known; of the versions of one row, that known last holds.
    pub known_at: Instant,
    /// From when on the row reads like this: a later time of its own (when an invoice was paid) has come by then.
    pub revealed_at: Instant,
    /// What the versions of one row share; code private to the table.
    pub key: u32,
    /// The declared column's value, or its code where that is a text.
    pub value: Option<f64>,
    /// Whether the declared condition holds.
    pub counts: bool,
}

/// What one declared signal reads.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredFacts {
    /// Whether rows may be stated again; else each stands for itself, and only rows that count are here.
    pub versioned: bool,
    /// The rows.
    pub rows: Grouped<DeclaredFact>,
}

/// What a contact is to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Signs for it.
    Sponsor,
    /// Speaks for it.
    Champion,
    /// Runs it.
    Admin,
    /// Works with it.
    User,
}

/// One version of a contact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContactFact {
    /// Contact; a code that answers and meetings share.
    pub contact: u32,
    /// Role.
    pub role: Role,
    /// Since when they are there.
    pub since: Instant,
    /// When this version became known.
    pub known_at: Instant,
    /// When they left; a knowledge time of its own.
    pub until: Option<Instant>,
}

/// What a meeting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeetingKind {
    /// A quarterly business review, or another review.
    Review,
    /// A call.
    Call,
    /// A letter: nobody meets.
    Email,
}

/// One invitation of a contact to a meeting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeetingFact {
    /// When it took place; invitations of one instant are one meeting.
    pub at: Instant,
    /// When it became known.
    pub known_at: Instant,
    /// Kind.
    pub kind: MeetingKind,
    /// Who was invited; `None` where it is not said.
    pub contact: Option<u32>,
    /// Whether they came.
    pub attended: bool,
}

/// The size of the customer at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirmographicFact {
    /// When it was so.
    pub at: Instant,
    /// When it became known.
    pub known_at: Instant,
    /// Number of employees.
    pub employees: f64,
}

/// From when on the accounts table has each account. A fact of an account that it does not have yet is set aside like that
/// of an account it never has, so an account that is entered later changes nothing of the dates before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entries {
    /// By account; [`Instant::MIN`]: from ever.
    pub since: Vec<Instant>,
    /// Tables whose facts only count once the account is entered; those of the others are kept all the same.
    pub tables: BTreeSet<TableName>,
}

/// All facts of a business, by account. A table that the contract does not declare is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Account ids, byte-exact, sorted; an account's index is its code everywhere.
    pub accounts: Vec<String>,
    /// Account rows (derived from usage where there is no such table; then `signed_up_at` is the first use known).
    pub account_rows: Option<Grouped<AccountFact>>,
    /// Usage.
    pub usage: Option<Grouped<UsageFact>>,
    /// The uses that are the first visible one of all accounts at some date, as (visible from, event time), by the first;
    /// `None`: to be found in [`Facts::usage`], which then holds all accounts.
    pub usage_begins: Option<Vec<(Instant, Instant)>>,
    /// Subscriptions.
    pub subscriptions: Option<Grouped<SubscriptionFact>>,
    /// Add-ons and modules.
    pub subscription_items: Option<Grouped<ItemFact>>,
    /// NPS answers.
    pub nps: Option<Grouped<NpsFact>>,
    /// Invoices.
    pub invoices: Option<Grouped<InvoiceFact>>,
    /// Tickets.
    pub tickets: Option<Grouped<TicketFact>>,
    /// Contacts.
    pub contacts: Option<Grouped<ContactFact>>,
    /// Meetings.
    pub meetings: Option<Grouped<MeetingFact>>,
    /// Sizes of the customers.
    pub firmographics: Option<Grouped<FirmographicFact>>,
    /// What was done about accounts; like all below it, read by the outlook and by no signal.
    pub interventions: Option<Grouped<InterventionFact>>,
    /// Probabilities that people put in place of the model's.
    pub overrides: Option<Grouped<OverrideFact>>,
    /// What it cost to win and to serve the customers.
    pub spend: Option<Grouped<SpendFact>>,
    /// Goals of accounts and owners, by beginning, then knowledge time, then row order in the source.
    pub goals: Option<Vec<GoalFact>>,
    /// Product features that occur in usage.
    pub features: Names,
    /// Users that occur in usage.
    pub users: Names,
    /// Plans.
    pub plans: Names,
    /// Segments.
    pub segments: Names,
    /// Industries.
    pub industries: Names,
    /// Regions.
    pub regions: Names,
    /// Channels.
    pub channels: Names,
    /// Campaigns.
    pub campaigns: Names,
    /// Ticket categories.
    pub ticket_categories: Names,
    /// Owners: those who look after accounts, in all tables; there where the accounts table has them.
    pub owners: Names,
    /// Playbooks of interventions.
    pub playbooks: Names,
    /// Outcomes of interventions, in the business's own words.
    pub outcomes: Names,
    /// Targets of overrides.
    pub override_targets: Names,
    /// Who made overrides.
    pub authors: Names,
    /// Why overrides were made.
    pub override_reasons: Names,
    /// Use cases that goals name: a feature or a declared workflow.
    pub use_cases: Names,
    /// What each declared signal reads, by its name.
    pub declared: BTreeMap<String, DeclaredFacts>,
    /// When accounts were entered; `None`: facts of all accounts count from ever.
    pub entries: Option<Entries>,
}

impl Entries {
    /// From when on facts of a table count for an account.
    fn since(&self, table: TableName, account: usize) -> Instant {
        if self.tables.contains(&table) { self.since[account] } else { Instant::MIN }
    }
}

impl Facts {
    /// Whether what is known before `moment` includes that there is such an account, so that its facts count.
    #[must_use]
    pub fn has_entered(&self, account: usize, moment: Instant) -> bool {
        self.entries.as_ref().is_none_or(|entries| entries.since[account] < moment)
    }

    /// From when on facts of a table count for an account.
    #[must_use]
    pub fn count_since(&self, table: TableName, account: usize) -> Instant {
        self.entries.as_ref().map_or(Instant::MIN, |entries| entries.since(table, account))
    }

    /// The facts of a table that count before `moment`, whatever their own times.
    pub fn counting<'a, T>(
        &'a self,
        name: TableName,
        table: Option<&'a Grouped<T>>,
        moment: Instant,
    ) -> impl Iterator<Item = &'a T> {
        let accounts = table.map_or(0, |table| table.offsets.len().saturating_sub(1));
        let entered = (0..accounts).filter(move |account| self.count_since(name, *account) < moment);
        entered.flat_map(move |account| table.map_or(&[][..], |table| table.of(account)))
    }

    /// Number of facts of each table of facts that is there, in the order of signals.md; the accounts' own rows are none.
    #[must_use]
    pub fn table_rows(&self) -> Vec<usize> {
        fn rows<T>(table: Option<&Grouped<T>>) -> Option<usize> {
            table.map(|table| table.rows.len())
        }
        let tables = [
            rows(self.usage.as_ref()),
            rows(self.subscriptions.as_ref()),
            rows(self.subscription_items.as_ref()),
            rows(self.nps.as_ref()),
            rows(self.invoices.as_ref()),
            rows(self.tickets.as_ref()),
            rows(self.contacts.as_ref()),
            rows(self.meetings.as_ref()),
            rows(self.firmographics.as_ref()),
            rows(self.interventions.as_ref()),
            rows(self.overrides.as_ref()),
            rows(self.spend.as_ref()),
            self.goals.as_ref().map(Vec::len),
        ];
        tables.into_iter().flatten().collect()
    }
}
