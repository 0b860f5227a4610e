//! Small random businesses as plain rows, and the same rows as the engine's facts.
//!
//! Times are drawn where it hurts: at the edges of the windows of one of the observation dates, a microsecond before and
//! after them, and at midnights. Knowledge comes at once, late, at a midnight exactly, or ahead of the event.

use bellwether_features::catalog::{CatalogueSettings, Workflow};
use bellwether_features::facts::{
    AccountFact, BillingPeriod, Facts, Grouped, InvoiceFact, Names, NpsFact, SubscriptionFact, TicketFact, UsageFact,
};
use bellwether_features::time::Instant;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::calendar::{DAY, day_number};
use crate::relations::{ContactRow, ItemRow, MeetingRow, SizeRow, contacts, items, meetings, sizes};

pub(crate) const ACCOUNTS: usize = 2;
pub(crate) const FEATURES: [&str; 5] = ["api", "board", "chat", "docs", "export"];
pub(crate) const USERS: [&str; 4] = ["ann", "bob", "cy", "dee"];
pub(crate) const PLANS: [&str; 2] = ["basic", "pro"];
pub(crate) const SEGMENTS: [&str; 2] = ["large", "small"];
pub(crate) const CATEGORIES: [&str; 4] = ["billing", "how", "other", "why"];

/// Days before a date at which windows start or end, or just do not.
static EDGES: &[i64] = &[
    -120, -90, -61, -60, -30, -14, -1, 0, 1, 2, 3, 6, 7, 8, 13, 14, 15, 20, 27, 28, 29, 41, 48, 56, 62, 63, 77, 90, 91,
    121, 181, 364, 365, 366,
];
static FAR_EDGES: &[i64] = &[183, 184, 360, 392, 393, 500];
static OFFSETS: &[i64] = &[0, -1, 1, DAY / 2, DAY - 1];
pub(crate) static DELAYS: &[i64] = &[0, 0, 0, 1, DAY, 20 * DAY, 100 * DAY];

/// The observation dates: a leap day, a month-end after it, and a year later.
pub(crate) fn as_of_days() -> [i64; 3] {
    [day_number(2024, 2, 29), day_number(2024, 3, 31), day_number(2025, 2, 28)]
}

#[derive(Debug, Clone)]
pub(crate) struct AccountRow {
    pub(crate) account: usize,
    pub(crate) known: i64,
    pub(crate) signed_up: Option<i64>,
    pub(crate) segment: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct UsageRow {
    pub(crate) account: usize,
    pub(crate) at: i64,
    pub(crate) known: i64,
    pub(crate) user: Option<usize>,
    pub(crate) feature: usize,
    pub(crate) quantity: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct SubscriptionRow {
    pub(crate) account: usize,
    pub(crate) at: i64,
    pub(crate) known: i64,
    pub(crate) mrr: f64,
    pub(crate) plan: Option<usize>,
    pub(crate) seats: Option<f64>,
    pub(crate) annual: Option<bool>,
    pub(crate) renews: Option<i64>,
    pub(crate) limit: Option<f64>,
    pub(crate) discount: Option<f64>,
    pub(crate) list_price: Option<f64>,
    pub(crate) auto_renew: Option<bool>,
}

#[derive(Debug, Clone)]
pub(crate) struct NpsRow {
    pub(crate) account: usize,
    pub(crate) at: i64,
    pub(crate) known: i64,
    pub(crate) respondent: u32,
    pub(crate) score: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct InvoiceRow {
    pub(crate) account: usize,
    pub(crate) invoice: u32,
    pub(crate) at: i64,
    pub(crate) known: i64,
    pub(crate) due: i64,
    pub(crate) paid: Option<i64>,
    pub(crate) amount: f64,
    pub(crate) disputed: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct TicketRow {
    pub(crate) account: usize,
    pub(crate) ticket: u32,
    pub(crate) at: i64,
    pub(crate) known: i64,
    pub(crate) resolved: Option<i64>,
    pub(crate) category: Option<usize>,
    pub(crate) severe: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) accounts: Vec<AccountRow>,
    pub(crate) usage: Vec<UsageRow>,
    pub(crate) subscriptions: Vec<SubscriptionRow>,
    pub(crate) nps: Vec<NpsRow>,
    pub(crate) invoices: Vec<InvoiceRow>,
    pub(crate) tickets: Vec<TicketRow>,
    pub(crate) items: Vec<ItemRow>,
    pub(crate) contacts: Vec<ContactRow>,
    pub(crate) meetings: Vec<MeetingRow>,
    pub(crate) sizes: Vec<SizeRow>,
}

/// Steps of the declared workflows, by the numbers of the features; one has a step that is never taken.
pub(crate) const WORKFLOWS: [(&str, [Option<usize>; 3]); 3] = [
    ("Ask-twice", [Some(2), Some(0), Some(2)]),
    ("dead_end", [Some(0), None, Some(1)]),
    ("publish", [Some(3), Some(1), Some(4)]),
];

/// Days after which the next review is due.
pub(crate) const REVIEW_INTERVAL: u32 = 30;

/// What the business declares; one declared feature is never used.
pub(crate) fn settings() -> CatalogueSettings {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    CatalogueSettings {
        features: list(&["api", "board", "chat", "never"]),
        advanced: list(&["api", "export"]),
        integrations: list(&["chat"]),
        value_moments: list(&["board", "docs"]),
        complaint_categories: list(&["why"]),
        how_to_categories: list(&["how"]),
        workflows: WORKFLOWS.iter().map(workflow).collect(),
        review_interval_days: Some(REVIEW_INTERVAL),
        ..CatalogueSettings::default()
    }
}

fn workflow((name, steps): &(&str, [Option<usize>; 3])) -> Workflow {
    let step = |step: &Option<usize>| step.map_or("never", |feature| FEATURES[feature]).to_owned();
    Workflow { name: (*name).to_owned(), steps: steps.iter().map(step).collect() }
}

pub(crate) fn account() -> impl Strategy<Value = usize> {
    0..ACCOUNTS
}

/// A time near an edge of a window.
pub(crate) fn time() -> impl Strategy<Value = i64> {
    let edge = prop_oneof![9 => select(EDGES), 1 => select(FAR_EDGES)];
    (select(as_of_days().to_vec()), edge, select(OFFSETS)).prop_map(|(day, edge, offset)| (day - edge) * DAY + offset)
}

/// An event time and when it became known.
pub(crate) fn times() -> impl Strategy<Value = (i64, i64)> {
    let late = (time(), select(DELAYS)).prop_map(|(at, delay)| (at, at + delay));
    prop_oneof![6 => late, 1 => (time(), time())]
}

pub(crate) fn accounts() -> impl Strategy<Value = Vec<AccountRow>> {
    let known = prop_oneof![2 => Just(i64::MIN), 1 => time()];
    let row = (account(), known, option::weighted(0.8, time()), option::of(0..SEGMENTS.len()));
    vec(row.prop_map(|(account, known, signed_up, segment)| AccountRow { account, known, signed_up, segment }), 0..5)
}

pub(crate) fn usage() -> impl Strategy<Value = Vec<UsageRow>> {
    let quantity = select(vec![1.0, 1.0, 2.5, 0.25, -1.5, 64.0]);
    let row = (account(), times(), option::weighted(0.8, 0..USERS.len()), 0..FEATURES.len(), quantity);
    let row = row.prop_map(|(account, (at, known), user, feature, quantity)| UsageRow {
        account,
        at,
        known,
        user,
        feature,
        quantity,
    });
    vec(row, 0..90)
}

pub(crate) fn subscriptions() -> impl Strategy<Value = Vec<SubscriptionRow>> {
    let mrr = select(vec![0.0, 0.0, 100.0, 105.0, 110.0, 150.0, 99.5]);
    let seats = option::of(select(vec![0.0, 3.0, 5.0, 10.0]));
    let limit = option::of(select(vec![0.0, 30.0, 300.0]));
    let (annual, renews) = (option::weighted(0.8, any::<bool>()), option::weighted(0.8, time()));
    let terms = (option::of(0..PLANS.len()), seats, annual, renews, limit);
    let price = (option::of(select(vec![0.0, 0.25])), option::of(select(vec![0.0, 100.0, 200.0])));
    let row = (account(), times(), mrr, terms, price, option::of(any::<bool>()));
    let row = row.prop_map(|(account, (at, known), mrr, terms, (discount, list_price), auto_renew)| {
        let (plan, seats, annual, renews, limit) = terms;
        SubscriptionRow {
            account,
            at,
            known,
            mrr,
            plan,
            seats,
            annual,
            renews,
            limit,
            discount,
            list_price,
            auto_renew,
        }
    });
    vec(row, 0..10)
}

fn nps() -> impl Strategy<Value = Vec<NpsRow>> {
    let row = (account(), times(), 0..3_u32, select(vec![0.0, 6.0, 7.0, 8.0, 9.0, 10.0]));
    vec(
        row.prop_map(|(account, (at, known), respondent, score)| NpsRow { account, at, known, respondent, score }),
        0..10,
    )
}

fn invoices() -> impl Strategy<Value = Vec<InvoiceRow>> {
    let amount = select(vec![100.0, 250.5, 0.0, -50.0]);
    let row = (account(), 0..8_u32, times(), time(), option::of(time()), amount, option::weighted(0.2, time()));
    let row = row.prop_map(|(account, number, (at, known), due, paid, amount, disputed)| InvoiceRow {
        // An invoice belongs to one account.
        invoice: number * 2 + u32::try_from(account).unwrap(),
        account,
        at,
        known,
        due,
        paid,
        amount,
        disputed,
    });
    vec(row, 0..14)
}

fn tickets() -> impl Strategy<Value = Vec<TicketRow>> {
    let row = (account(), 0..8_u32, times(), option::of(time()), option::of(0..CATEGORIES.len()), any::<bool>());
    let row = row.prop_map(|(account, number, (at, known), resolved, category, severe)| TicketRow {
        ticket: number * 2 + u32::try_from(account).unwrap(),
        account,
        at,
        known,
        resolved,
        category,
        severe,
    });
    vec(row, 0..14)
}

prop_compose! {
    /// A random world. Some of its rows are stated again, unchanged (duplicates) or known later with other values.
    pub(crate) fn worlds()(
        accounts in accounts(),
        usage in usage(),
        subscriptions in subscriptions(),
        nps in nps(),
        invoices in invoices(),
        tickets in tickets(),
        (items, contacts, meetings, sizes) in (items(), contacts(), meetings(), sizes()),
        again in vec((0..1000_usize, select(DELAYS), any::<bool>()), 0..8),
        busy_before in option::weighted(0.3, select(as_of_days().to_vec())),
        dropped_with in vec(0..1000_usize, 0..4),
    ) -> World {
        let mut world =
            World { accounts, usage, subscriptions, nps, invoices, tickets, items, contacts, meetings, sizes };
        for (place, delay, changed) in again {
            world.state_again(place, delay, changed);
        }
        for place in dropped_with {
            world.drop_an_item_with(place);
        }
        if let Some(day) = busy_before {
            // So that a day with one use is a quiet one.
            let before = (day - 118) * DAY..(day - 28) * DAY;
            let twice: Vec<UsageRow> = world.usage.iter().filter(|row| before.contains(&row.at)).cloned().collect();
            world.usage.extend(twice);
        }
        world
    }
}

impl World {
    fn state_again(&mut self, place: usize, delay: i64, changed: bool) {
        if let Some(row) = pick(&self.usage, place) {
            self.usage.push(row);
        }
        if let Some(mut row) = pick(&self.subscriptions, place) {
            row.known += delay;
            row.mrr = if changed { 0.0 } else { row.mrr };
            self.subscriptions.push(row);
        }
        if let Some(mut row) = pick(&self.nps, place) {
            row.known += delay;
            row.score = if changed { 10.0 - row.score } else { row.score };
            self.nps.push(row);
        }
        if let Some(mut row) = pick(&self.invoices, place) {
            row.known += delay;
            row.paid = if changed { Some(row.due + delay) } else { row.paid };
            self.invoices.push(row);
        }
        if let Some(mut row) = pick(&self.tickets, place) {
            row.known += delay;
            row.resolved = if changed { Some(row.at + delay) } else { row.resolved };
            self.tickets.push(row);
        }
        self.state_relations_again(place, delay, changed);
    }

    /// The same rows as facts.
    pub(crate) fn facts(&self) -> Facts {
        self.facts_among(0)
    }

    /// The same rows as facts of a business that has `more` other names, which sort first.
    pub(crate) fn facts_among(&self, more: u32) -> Facts {
        let names = |texts: &[&str]| {
            let others = (0..more).map(|other| format!("0-{other}"));
            Names { names: others.chain(texts.iter().map(|text| (*text).to_owned())).collect(), ..Names::default() }
        };
        Facts {
            accounts: (0..ACCOUNTS).map(|account| format!("a{account}")).collect(),
            account_rows: Some(group(&self.accounts, more, account_fact, |row| row.known_at)),
            usage: Some(group(&self.usage, more, usage_fact, |row| (row.at, row.known_at))),
            subscriptions: Some(group(&self.subscriptions, more, subscription_fact, |row| {
                (row.effective_at, row.known_at)
            })),
            nps: Some(group(&self.nps, more, nps_fact, |row| (row.at, row.known_at))),
            invoices: Some(group(&self.invoices, more, invoice_fact, |row| (row.issued_at, row.known_at))),
            tickets: Some(group(&self.tickets, more, ticket_fact, |row| (row.opened_at, row.known_at))),
            features: names(&FEATURES),
            users: names(&USERS),
            plans: names(&PLANS),
            segments: names(&SEGMENTS),
            ticket_categories: names(&CATEGORIES),
            ..self.relations()
        }
    }
}

pub(crate) fn pick<T: Clone>(rows: &[T], place: usize) -> Option<T> {
    (!rows.is_empty()).then(|| rows[place % rows.len()].clone())
}

pub(crate) fn code(place: usize) -> u32 {
    u32::try_from(place).unwrap()
}

pub(crate) fn group<R, F, K: Ord>(
    rows: &[R],
    more: u32,
    fact: fn(&R, u32) -> (u32, F),
    key: impl Fn(&F) -> K,
) -> Grouped<F> {
    Grouped::new(ACCOUNTS, rows.iter().map(|row| fact(row, more)).collect(), key)
}

pub(crate) fn account_fact(row: &AccountRow, more: u32) -> (u32, AccountFact) {
    let fact = AccountFact {
        known_at: Instant(row.known),
        signed_up_at: row.signed_up.map(Instant),
        segment: row.segment.map(|segment| code(segment) + more),
        industry: None,
        region: None,
        channel: None,
        campaign: None,
        owner: None,
    };
    (code(row.account), fact)
}

pub(crate) fn usage_fact(row: &UsageRow, more: u32) -> (u32, UsageFact) {
    let fact = UsageFact {
        at: Instant(row.at),
        known_at: Instant(row.known),
        user: row.user.map(|user| code(user) + more),
        feature: code(row.feature) + more,
        quantity: row.quantity,
    };
    (code(row.account), fact)
}

pub(crate) fn subscription_fact(row: &SubscriptionRow, more: u32) -> (u32, SubscriptionFact) {
    let fact = SubscriptionFact {
        effective_at: Instant(row.at),
        known_at: Instant(row.known),
        mrr: row.mrr,
        plan: row.plan.map(|plan| code(plan) + more),
        seats: row.seats,
        billing_period: row.annual.map(|annual| if annual { BillingPeriod::Annual } else { BillingPeriod::Monthly }),
        renews_at: row.renews.map(Instant),
        usage_limit: row.limit,
        discount: row.discount,
        list_price: row.list_price,
        auto_renew: row.auto_renew,
    };
    (code(row.account), fact)
}

fn nps_fact(row: &NpsRow, _: u32) -> (u32, NpsFact) {
    let fact =
        NpsFact { at: Instant(row.at), known_at: Instant(row.known), respondent: row.respondent, score: row.score };
    (code(row.account), fact)
}

fn invoice_fact(row: &InvoiceRow, _: u32) -> (u32, InvoiceFact) {
    let fact = InvoiceFact {
        invoice: row.invoice,
        issued_at: Instant(row.at),
        known_at: Instant(row.known),
        due_at: Instant(row.due),
        paid_at: row.paid.map(Instant),
        amount: row.amount,
        disputed_at: row.disputed.map(Instant),
        kind: None,
    };
    (code(row.account), fact)
}

fn ticket_fact(row: &TicketRow, more: u32) -> (u32, TicketFact) {
    let fact = TicketFact {
        ticket: row.ticket,
        opened_at: Instant(row.at),
        known_at: Instant(row.known),
        resolved_at: row.resolved.map(Instant),
        category: row.category.map(|category| code(category) + more),
        severe: row.severe,
    };
    (code(row.account), fact)
}
