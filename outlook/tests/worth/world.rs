//! Small random businesses as rows of facts. Every time is a whole hour, so that a twin can count hours.

use bellwether_features::facts::{
    AccountFact, Facts, GoalFact, GoalMetric, Grouped, InvoiceFact, InvoiceKind, MeetingFact, MeetingKind, Names,
    SpendFact, SubscriptionFact, UsageFact,
};
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const ACCOUNTS: usize = 4;
/// Hours of the business: two years from 2024-01-01.
const HOURS: i64 = 24 * 731;

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn moment(text: &str) -> Instant {
    Instant::start_of(date(text))
}

pub(crate) fn at_hour(hour: i64) -> Instant {
    Instant(moment("2024-01-01").0 + hour * HOUR)
}

pub(crate) fn names(list: &[&str]) -> Names {
    Names { names: list.iter().map(|name| (*name).to_owned()).collect(), is_there: true }
}

pub(crate) fn subscription(at: Instant, known: Instant, mrr: f64) -> SubscriptionFact {
    SubscriptionFact {
        effective_at: at,
        known_at: known,
        mrr,
        plan: None,
        seats: None,
        billing_period: None,
        renews_at: None,
        usage_limit: None,
        discount: None,
        list_price: None,
        auto_renew: None,
    }
}

pub(crate) fn invoice(number: u32, issued: Instant, amount: f64, kind: Option<InvoiceKind>) -> InvoiceFact {
    InvoiceFact {
        invoice: number,
        issued_at: issued,
        known_at: issued,
        due_at: issued.plus_days(14),
        paid_at: None,
        amount,
        disputed_at: None,
        kind,
    }
}

pub(crate) fn own_row(known: Instant, signed: Option<Instant>, segment: u32, owner: Option<u32>) -> AccountFact {
    AccountFact {
        known_at: known,
        signed_up_at: signed,
        segment: Some(segment),
        industry: None,
        region: None,
        channel: None,
        campaign: None,
        owner,
    }
}

/// Rows by account.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) own: Vec<(u32, AccountFact)>,
    pub(crate) subscriptions: Vec<(u32, SubscriptionFact)>,
    pub(crate) invoices: Vec<(u32, InvoiceFact)>,
    pub(crate) spend: Vec<(u32, SpendFact)>,
    pub(crate) usage: Vec<(u32, UsageFact)>,
    pub(crate) meetings: Vec<(u32, MeetingFact)>,
    pub(crate) goals: Vec<GoalFact>,
}

impl World {
    pub(crate) fn facts(&self, accounts: usize) -> Facts {
        fn group<T: Copy>(n: usize, rows: &[(u32, T)], key: fn(&T) -> (Instant, Instant)) -> Option<Grouped<T>> {
            Some(Grouped::new(n, rows.to_vec(), key))
        }
        let mut goals = self.goals.clone();
        goals.sort_by_key(|goal| (goal.from, goal.known_at));
        let signed = |row: &AccountFact| (row.signed_up_at.unwrap_or(Instant(i64::MAX)), row.known_at);
        Facts {
            accounts: (0..accounts).map(|account| format!("a{account:03}")).collect(),
            account_rows: group(accounts, &self.own, signed),
            subscriptions: group(accounts, &self.subscriptions, |row| (row.effective_at, row.known_at)),
            invoices: group(accounts, &self.invoices, |row| (row.issued_at, row.known_at)),
            spend: group(accounts, &self.spend, |row| (row.at, row.known_at)),
            usage: group(accounts, &self.usage, |row| (row.at, row.known_at)),
            meetings: group(accounts, &self.meetings, |row| (row.at, row.known_at)),
            goals: Some(goals),
            features: names(&["browse", "export"]),
            users: names(&["u", "v", "w"]),
            segments: names(&["large", "small"]),
            owners: names(&["ann", "bea"]),
            use_cases: names(&["browse", "publish"]),
            ..Facts::default()
        }
    }

    /// What there was to know just before `now`.
    pub(crate) fn past(&self, now: Instant) -> Self {
        fn before<T: Copy>(rows: &[(u32, T)], now: Instant, times: fn(&T) -> (Instant, Instant)) -> Vec<(u32, T)> {
            let is_past = |row: &&(u32, T)| times(&row.1).0 < now && times(&row.1).1 < now;
            rows.iter().filter(is_past).copied().collect()
        }
        let mut invoices = before(&self.invoices, now, |row| (row.issued_at, row.known_at));
        for (_, row) in &mut invoices {
            row.paid_at = row.paid_at.filter(|paid| *paid < now);
        }
        Self {
            own: before(&self.own, now, |row| (row.signed_up_at.unwrap_or(Instant::MIN), row.known_at)),
            subscriptions: before(&self.subscriptions, now, |row| (row.effective_at, row.known_at)),
            invoices,
            spend: before(&self.spend, now, |row| (row.at, row.known_at)),
            usage: before(&self.usage, now, |row| (row.at, row.known_at)),
            meetings: before(&self.meetings, now, |row| (row.at, row.known_at)),
            goals: self.goals.iter().filter(|row| row.from < now && row.known_at < now).copied().collect(),
        }
    }
}

fn times() -> impl Strategy<Value = (Instant, Instant)> {
    let delay = prop_oneof![3 => Just(0), 1 => 0..4_000_i64];
    (0..HOURS, delay).prop_map(|(hour, delay)| (at_hour(hour), at_hour(hour + delay)))
}

fn of_account<T: std::fmt::Debug>(row: impl Strategy<Value = T>) -> impl Strategy<Value = (u32, T)> {
    (0..ACCOUNTS as u32, row)
}

/// Amounts of whole cents.
fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![1 => Just(0.0), 4 => (1..300_000_i64).prop_map(|cents| cents as f64 / 100.0)]
}

fn invoices() -> impl Strategy<Value = Vec<(u32, InvoiceFact)>> {
    let kinds = prop_oneof![Just(None), Just(Some(InvoiceKind::Recurring)), Just(Some(InvoiceKind::OneTime))];
    let paid = prop_oneof![1 => Just(None), 2 => (0..3_000_i64).prop_map(Some)];
    // Numbers are few, so that some are stated again.
    let row = (0..12_u32, times(), amount(), kinds, 0..60_i64, paid);
    let row = row.prop_map(|(number, (at, known), amount, kind, terms, paid)| {
        let paid_at = paid.map(|hours| Instant(at.0 + hours * HOUR));
        let due_at = at.plus_days(terms);
        (
            number % ACCOUNTS as u32,
            InvoiceFact { known_at: known, paid_at, due_at, ..invoice(number, at, amount, kind) },
        )
    });
    vec(row, 0..30)
}

fn goals() -> impl Strategy<Value = Vec<GoalFact>> {
    let metric = prop_oneof![Just(GoalMetric::Usage), Just(GoalMetric::Adoption), Just(GoalMetric::Revenue)];
    let whose = prop_oneof![3 => (0..ACCOUNTS as u32).prop_map(|one| (Some(one), None)), 1 => (0..2_u32).prop_map(|one| (None, Some(one)))];
    let row = (
        whose,
        metric,
        prop_oneof![Just(None), (0..2_u32).prop_map(Some)],
        0..500_i64,
        0..30_i64,
        1..400_i64,
        0..90_i64,
    );
    let goal = row.prop_map(|((account, owner), metric, use_case, target, begins, days, lead)| GoalFact {
        account,
        owner,
        metric,
        use_case,
        target: target as f64,
        from: moment("2024-01-01").plus_days(30 * begins),
        until: moment("2024-01-01").plus_days(30 * begins + days),
        known_at: moment("2024-01-01").plus_days(30 * begins + lead - 45),
    });
    vec(goal, 0..12)
}

pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let own = (times(), any::<bool>(), 0..2_u32, prop_oneof![Just(None), (0..2_u32).prop_map(Some)]);
    let own =
        own.prop_map(|((at, known), signed, segment, owner)| own_row(known, signed.then_some(at), segment, owner));
    let paid = (times(), amount()).prop_map(|((at, known), mrr)| subscription(at, known, mrr));
    let cost = prop_oneof![Just(None), amount().prop_map(Some)];
    let spend = (times(), cost.clone(), cost).prop_map(|((at, known_at), acquisition_cost, serve_cost)| SpendFact {
        at,
        known_at,
        acquisition_cost,
        serve_cost,
    });
    let usage = (times(), 0..2_u32, prop_oneof![Just(None), (0..3_u32).prop_map(Some)], 1..50_i64);
    let usage = usage.prop_map(|((at, known_at), feature, user, quantity)| UsageFact {
        at,
        known_at,
        user,
        feature,
        quantity: quantity as f64,
    });
    let kinds = prop_oneof![Just(MeetingKind::Review), Just(MeetingKind::Call), Just(MeetingKind::Email)];
    let meeting = (times(), kinds, any::<bool>());
    let meeting = meeting.prop_map(|((at, known_at), kind, attended)| MeetingFact {
        at,
        known_at,
        kind,
        contact: None,
        attended,
    });
    (
        vec(of_account(own), 0..8),
        vec(of_account(paid), 0..20),
        invoices(),
        vec(of_account(spend), 0..16),
        vec(of_account(usage), 0..80),
        vec(of_account(meeting), 0..10),
        goals(),
    )
        .prop_map(|(own, subscriptions, invoices, spend, usage, meetings, goals)| World {
            own,
            subscriptions,
            invoices,
            spend,
            usage,
            meetings,
            goals,
        })
}

/// A date in the business.
pub(crate) fn dates() -> impl Strategy<Value = NaiveDate> {
    (30..760_u64).prop_map(|days| date("2024-01-01") + chrono::Days::new(days))
}
