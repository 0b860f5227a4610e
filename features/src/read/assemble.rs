//! Checked rows become [`Facts`].

mod outlook;

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::contract::{ANNUAL, Contract, MONTHLY, NO, OnViolation, REVIEWS, TableContract, TableName, YES};
use crate::facts::{
    AccountFact, BillingPeriod, ContactFact, Entries, Facts, FirmographicFact, Grouped, InvoiceFact, InvoiceKind,
    ItemFact, MeetingFact, MeetingKind, Names, NpsFact, Role, SubscriptionFact, TicketFact, UsageFact,
};
use crate::time::Instant;

use super::beginning::Beginning;
use super::check::{Checked, Entered};
use super::convert::NO_TIME;
use super::dictionary::NO_CODE;
use super::group::{group, ranked};
use super::partition::Partition;
use super::rows::TableRows;

/// A table that was read and checked.
pub(crate) struct ReadTable<'a> {
    pub(crate) rows: TableRows<'a>,
    pub(crate) checked: Checked,
}

/// Builds the facts; `tables` in canonical order, each freed once it is built.
pub(crate) fn assemble(
    contract: &Contract,
    tables: Vec<ReadTable<'_>>,
    partition: Option<Partition>,
    entered: Option<&Entered>,
) -> Facts {
    // A table that feeds no signal adds no account: features are the same bytes with and without it.
    let mut accounts =
        distinct_of(tables.iter().filter(|table| table.rows.table.name.feeds_signals()), &["account_id"]);
    accounts.retain(|id| partition.is_none_or(|partition| partition.holds(id)));
    let mut facts = Facts { accounts, ..Facts::default() };
    facts.entries = entered.and_then(|entered| entries(contract, &facts.accounts, entered));
    facts.owners = Names { names: distinct(&tables, &["owner"]), is_there: has_owners(&tables) };
    let people = distinct(&tables, &["respondent_id", "contact_id"]);
    let own = tables.iter().find(|table| table.rows.table.name == TableName::Accounts);
    // Told by the files' columns, not by their values: those may still be filled in.
    let lacks_sign_up = own.is_none_or(|own| own.rows.is_snapshot() && !own.rows.has("signed_up_at"));
    for table in tables {
        let builder = Builder::new(&table, &facts.accounts);
        builder.declared(&mut facts, contract);
        match table.rows.table.name {
            TableName::Accounts => builder.accounts(&mut facts),
            TableName::Usage => {
                facts.usage_begins = table.rows.beginning.as_ref().map(Beginning::instants);
                builder.usage(&mut facts);
            }
            TableName::Subscriptions => builder.subscriptions(&mut facts),
            TableName::SubscriptionItems => builder.subscription_items(&mut facts),
            TableName::Nps => builder.nps(&mut facts, &people),
            TableName::Invoices => builder.invoices(&mut facts),
            TableName::Tickets => builder.tickets(&mut facts, &contract.severe),
            TableName::Contacts => builder.contacts(&mut facts, &people),
            TableName::Meetings => builder.meetings(&mut facts, &people),
            TableName::Firmographics => builder.firmographics(&mut facts),
            TableName::Interventions => builder.interventions(&mut facts),
            TableName::Overrides => builder.overrides(&mut facts),
            TableName::Spend => builder.spend(&mut facts),
            TableName::Goals => builder.goals(&mut facts),
        }
    }
    if lacks_sign_up {
        super::first_use::complete_accounts(&mut facts);
    }
    facts
}

/// When accounts were entered, where that is later than some of their facts may be.
fn entries(contract: &Contract, accounts: &[String], entered: &Entered) -> Option<Entries> {
    let strict = |table: &&TableContract| table.name != TableName::Accounts && table.on_violation != OnViolation::Warn;
    let tables: BTreeSet<TableName> = contract.tables.values().filter(strict).map(|table| table.name).collect();
    // Of an account that is never entered only facts are left that count all the same.
    let since: Vec<Instant> = accounts.iter().map(|id| entered.get(id).copied().unwrap_or(Instant(i64::MAX))).collect();
    let matters = since.iter().any(|since| ![Instant::MIN, Instant(i64::MAX)].contains(since));
    (matters && !tables.is_empty()).then_some(Entries { since, tables })
}

/// Every text that a kept row of any table has in one of `columns`, sorted by bytes.
pub(crate) fn distinct(tables: &[ReadTable<'_>], columns: &[&str]) -> Vec<String> {
    distinct_of(tables.iter(), columns)
}

/// Whether the accounts table says who looks after them, even if it says so of none.
fn has_owners(tables: &[ReadTable<'_>]) -> bool {
    tables.iter().any(|table| table.rows.table.name == TableName::Accounts && table.rows.has("owner"))
}

fn distinct_of<'a>(tables: impl Iterator<Item = &'a ReadTable<'a>>, columns: &[&str]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for table in tables {
        for (codes, names) in columns.iter().filter_map(|column| table.rows.text(column)) {
            ids.extend(ranked(codes, names, &table.checked.dropped).0.names);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A text column: each row's rank among the sorted names.
struct Category<'a> {
    codes: &'a [u32],
    ranks: Vec<u32>,
}

impl Category<'_> {
    fn of(&self, row: usize) -> Option<u32> {
        self.ranks.get(self.codes[row] as usize).copied().filter(|rank| *rank != NO_CODE)
    }
}

struct Builder<'a> {
    rows: &'a TableRows<'a>,
    dropped: &'a [bool],
    accounts: usize,
    /// Account of each row; [`NO_CODE`] where the row is left out.
    account: Vec<u32>,
}

impl<'a> Builder<'a> {
    fn new(table: &'a ReadTable<'a>, accounts: &[String]) -> Self {
        let dropped = &table.checked.dropped;
        let mut account = vec![NO_CODE; dropped.len()];
        if let Some((codes, names)) = table.rows.text("account_id") {
            let search = |name: &str| accounts.binary_search_by(|id| id.as_str().cmp(name)).ok();
            let index = |name: &str| search(name).and_then(|at| u32::try_from(at).ok());
            let indices: Vec<Option<u32>> = names.names().map(index).collect();
            account.par_iter_mut().zip(codes).zip(dropped).for_each(|((account, code), dropped)| {
                if !dropped {
                    *account = indices.get(*code as usize).copied().flatten().unwrap_or(NO_CODE);
                }
            });
        }
        Self { rows: &table.rows, dropped, accounts: accounts.len(), account }
    }

    fn group<T: Copy + Send + Sync>(
        &self,
        times: impl Fn(&T) -> (Instant, Instant) + Sync,
        fact: impl Fn(usize) -> T + Sync,
    ) -> Grouped<T> {
        let account = |row: usize| Some(self.account[row]).filter(|account| *account != NO_CODE);
        group(self.accounts, self.rows, account, fact, times)
    }

    /// A text column as sorted names and ranks; no names where the table has no such column.
    fn category(&self, name: &str) -> (Names, Option<Category<'a>>) {
        match self.rows.text(name) {
            Some((codes, names)) => {
                let (names, ranks) = ranked(codes, names, self.dropped);
                (names, Some(Category { codes, ranks }))
            }
            None => (Names::default(), None),
        }
    }

    /// A text column as places in `names`, which are sorted.
    fn category_among(&self, name: &str, names: &[String]) -> Option<Category<'a>> {
        let (codes, texts) = self.rows.text(name)?;
        let place = |text: &str| names.binary_search_by(|name| name.as_str().cmp(text)).ok();
        let rank = |text: &str| place(text).and_then(|place| u32::try_from(place).ok()).unwrap_or(NO_CODE);
        Some(Category { codes, ranks: texts.names().map(rank).collect() })
    }

    /// A text column read as something else; `None` where it has no value, or none that is understood.
    fn parsed<T: Copy + Send + Sync>(
        &self,
        name: &str,
        parse: fn(&str) -> Option<T>,
    ) -> impl Fn(usize) -> Option<T> + Sync + use<'a, T> {
        let column = self.rows.text(name).map(|(codes, names)| (codes, names.names().map(parse).collect::<Vec<_>>()));
        move |row| {
            let (codes, values) = column.as_ref()?;
            values.get(codes[row] as usize).copied().flatten()
        }
    }

    fn number(&self, name: &str) -> impl Fn(usize) -> Option<f64> + Sync + use<'a> {
        let values = self.rows.number(name);
        move |row| values.map(|values| values[row]).filter(|value| !value.is_nan())
    }

    fn time(&self, name: &str) -> impl Fn(usize) -> Option<Instant> + Sync + use<'a> {
        let values = self.rows.time(name);
        move |row| values.map(|values| values[row]).filter(|value| *value != NO_TIME).map(Instant)
    }

    fn event(&self, row: usize) -> Instant {
        Instant(self.rows.event(row))
    }

    fn known_at(&self, row: usize) -> Instant {
        Instant(self.rows.known_at(row))
    }

    /// What the declared signals read of the table.
    fn declared(&self, facts: &mut Facts, contract: &Contract) {
        for signal in contract.catalogue.declared.iter().filter(|signal| signal.table == self.rows.table.name) {
            let read = super::declared::read(signal, self.rows, &self.account, self.accounts);
            facts.declared.insert(signal.definition.name.clone(), read);
        }
    }

    fn accounts(&self, facts: &mut Facts) {
        let (segments, segment) = self.category("segment");
        let (industries, industry) = self.category("industry");
        let (regions, region) = self.category("region");
        let (channels, channel) = self.category("channel");
        let (campaigns, campaign) = self.category("campaign");
        let signed_up_at = self.time("signed_up_at");
        let owner = self.category_among("owner", &facts.owners.names);
        let of = |category: &Option<Category<'_>>, row| category.as_ref().and_then(|category| category.of(row));
        facts.account_rows = Some(self.group(
            |fact: &AccountFact| (fact.signed_up_at.unwrap_or(Instant(NO_TIME)), fact.known_at),
            |row| AccountFact {
                known_at: self.known_at(row),
                signed_up_at: signed_up_at(row),
                segment: of(&segment, row),
                industry: of(&industry, row),
                region: of(&region, row),
                channel: of(&channel, row),
                campaign: of(&campaign, row),
                owner: of(&owner, row),
            },
        ));
        (facts.segments, facts.industries) = (segments, industries);
        (facts.regions, facts.channels, facts.campaigns) = (regions, channels, campaigns);
    }

    fn usage(&self, facts: &mut Facts) {
        let ((features, feature), (users, user)) =
            rayon::join(|| self.category("feature"), || self.category("user_id"));
        let quantity = self.number("quantity");
        facts.usage = Some(self.group(
            |fact: &UsageFact| (fact.at, fact.known_at),
            |row| UsageFact {
                at: self.event(row),
                known_at: self.known_at(row),
                user: user.as_ref().and_then(|user| user.of(row)),
                feature: feature.as_ref().and_then(|feature| feature.of(row)).unwrap_or(0),
                quantity: quantity(row).unwrap_or(1.0),
            },
        ));
        (facts.features, facts.users) = (features, users);
    }

    fn subscriptions(&self, facts: &mut Facts) {
        let (plans, plan) = self.category("plan");
        let (mrr, seats) = (self.number("mrr"), self.number("seats"));
        let (usage_limit, discount) = (self.number("usage_limit"), self.number("discount"));
        let renews_at = self.time("renews_at");
        let list_price = self.number("list_price");
        let period = self.parsed("billing_period", billing_period);
        let auto_renew = self.parsed("auto_renew", yes_or_no);
        facts.subscriptions = Some(self.group(
            |fact: &SubscriptionFact| (fact.effective_at, fact.known_at),
            |row| SubscriptionFact {
                effective_at: self.event(row),
                known_at: self.known_at(row),
                mrr: mrr(row).unwrap_or(0.0),
                plan: plan.as_ref().and_then(|plan| plan.of(row)),
                seats: seats(row),
                billing_period: period(row),
                renews_at: renews_at(row),
                usage_limit: usage_limit(row),
                discount: discount(row),
                list_price: list_price(row),
                auto_renew: auto_renew(row),
            },
        ));
        facts.plans = plans;
    }

    fn subscription_items(&self, facts: &mut Facts) {
        let (_, item) = self.category("item");
        let mrr = self.number("mrr");
        facts.subscription_items = Some(self.group(
            |fact: &ItemFact| (fact.effective_at, fact.known_at),
            |row| ItemFact {
                item: item.as_ref().and_then(|item| item.of(row)).unwrap_or(0),
                effective_at: self.event(row),
                known_at: self.known_at(row),
                mrr: mrr(row).unwrap_or(0.0),
            },
        ));
    }

    fn nps(&self, facts: &mut Facts, people: &[String]) {
        let respondent = self.category_among("respondent_id", people);
        let score = self.number("score");
        facts.nps = Some(self.group(
            |fact: &NpsFact| (fact.at, fact.known_at),
            |row| NpsFact {
                at: self.event(row),
                known_at: self.known_at(row),
                respondent: respondent.as_ref().and_then(|respondent| respondent.of(row)).unwrap_or(0),
                score: score(row).unwrap_or(0.0),
            },
        ));
    }

    fn invoices(&self, facts: &mut Facts) {
        let (_, invoice) = self.category("invoice_id");
        let (due_at, paid_at, disputed_at) = (self.time("due_at"), self.time("paid_at"), self.time("disputed_at"));
        let amount = self.number("amount");
        let kind = self.parsed("kind", invoice_kind);
        facts.invoices = Some(self.group(
            |fact: &InvoiceFact| (fact.issued_at, fact.known_at),
            |row| InvoiceFact {
                invoice: invoice.as_ref().and_then(|invoice| invoice.of(row)).unwrap_or(0),
                issued_at: self.event(row),
                known_at: self.known_at(row),
                due_at: due_at(row).unwrap_or_default(),
                paid_at: paid_at(row),
                amount: amount(row).unwrap_or(0.0),
                disputed_at: disputed_at(row),
                kind: kind(row),
            },
        ));
    }

    fn tickets(&self, facts: &mut Facts, severe: &[String]) {
        let (_, ticket) = self.category("ticket_id");
        let (categories, category) = self.category("category");
        let resolved_at = self.time("resolved_at");
        let severities = self.rows.text("severity").map(|(codes, names)| {
            let severe: Vec<bool> = names.names().map(|name| severe.contains(&name.to_lowercase())).collect();
            (codes, severe)
        });
        let is_severe = |row: usize| {
            severities.as_ref().is_some_and(|(codes, severe)| severe.get(codes[row] as usize) == Some(&true))
        };
        facts.tickets = Some(self.group(
            |fact: &TicketFact| (fact.opened_at, fact.known_at),
            |row| TicketFact {
                ticket: ticket.as_ref().and_then(|ticket| ticket.of(row)).unwrap_or(0),
                opened_at: self.event(row),
                known_at: self.known_at(row),
                resolved_at: resolved_at(row),
                category: category.as_ref().and_then(|category| category.of(row)),
                severe: is_severe(row),
            },
        ));
        facts.ticket_categories = categories;
    }
    fn contacts(&self, facts: &mut Facts, people: &[String]) {
        let contact = self.category_among("contact_id", people);
        let role = self.parsed("role", role);
        let until = self.time("until");
        facts.contacts = Some(self.group(
            |fact: &ContactFact| (fact.since, fact.known_at),
            |row| ContactFact {
                contact: contact.as_ref().and_then(|contact| contact.of(row)).unwrap_or(0),
                role: role(row).unwrap_or(Role::User),
                since: self.event(row),
                known_at: self.known_at(row),
                until: until(row),
            },
        ));
    }

    fn meetings(&self, facts: &mut Facts, people: &[String]) {
        let contact = self.category_among("contact_id", people);
        let kind = self.parsed("kind", meeting_kind);
        let attended = self.parsed("attended", yes_or_no);
        facts.meetings = Some(self.group(
            |fact: &MeetingFact| (fact.at, fact.known_at),
            |row| MeetingFact {
                at: self.event(row),
                known_at: self.known_at(row),
                kind: kind(row).unwrap_or(MeetingKind::Email),
                contact: contact.as_ref().and_then(|contact| contact.of(row)),
                attended: attended(row).unwrap_or(false),
            },
        ));
    }

    fn firmographics(&self, facts: &mut Facts) {
        let employees = self.number("employees");
        facts.firmographics = Some(self.group(
            |fact: &FirmographicFact| (fact.at, fact.known_at),
            |row| FirmographicFact {
                at: self.event(row),
                known_at: self.known_at(row),
                employees: employees(row).unwrap_or(0.0),
            },
        ));
    }
}

fn is_any(spellings: &[&str], name: &str) -> bool {
    spellings.iter().any(|spelling| spelling.eq_ignore_ascii_case(name))
}

fn billing_period(name: &str) -> Option<BillingPeriod> {
    if is_any(&MONTHLY, name) {
        Some(BillingPeriod::Monthly)
    } else if is_any(&ANNUAL, name) {
        Some(BillingPeriod::Annual)
    } else {
        None
    }
}

fn yes_or_no(name: &str) -> Option<bool> {
    if is_any(&YES, name) { Some(true) } else { is_any(&NO, name).then_some(false) }
}

fn role(name: &str) -> Option<Role> {
    let roles =
        [("sponsor", Role::Sponsor), ("champion", Role::Champion), ("admin", Role::Admin), ("user", Role::User)];
    roles.into_iter().find(|(spelling, _)| is_any(&[spelling], name)).map(|(_, role)| role)
}

fn invoice_kind(name: &str) -> Option<InvoiceKind> {
    if is_any(&["recurring", "subscription"], name) {
        Some(InvoiceKind::Recurring)
    } else {
        is_any(&["one_time", "one-time", "one time", "onetime"], name).then_some(InvoiceKind::OneTime)
    }
}

fn meeting_kind(name: &str) -> Option<MeetingKind> {
    if is_any(&REVIEWS, name) {
        Some(MeetingKind::Review)
    } else if is_any(&["call"], name) {
        Some(MeetingKind::Call)
    } else {
        is_any(&["email"], name).then_some(MeetingKind::Email)
    }
}
