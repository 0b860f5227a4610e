//! Money by month, discounts and renewals.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_features::facts::{InvoiceFact, InvoiceKind, MeetingFact, MeetingKind, SubscriptionFact};
use bellwether_features::time::Instant;
use bellwether_outlook::billing::billing;
use bellwether_outlook::known::invoices;
use bellwether_outlook::money::Cents;
use bellwether_outlook::settings::MoneySettings;
use bellwether_outlook::tables::billing::Money;
use bellwether_outlook::terms::{discounts, renewals};
use bellwether_outlook::timelines;
use chrono::{Datelike, NaiveDate};
use proptest::prelude::*;

use crate::world::{ACCOUNTS, HOUR, World, date, dates, invoice, moment, own_row, subscription, worlds};

/// known-answers 17: due 15 days before as_of, paid the day after it.
#[test]
fn what_is_paid_afterwards_is_overdue() {
    let as_of = moment("2025-03-16");
    let late = InvoiceFact {
        due_at: as_of.plus_days(-15),
        paid_at: Some(as_of.plus_days(1)),
        ..invoice(1, moment("2025-02-01"), 100.0, Some(InvoiceKind::Recurring))
    };
    let facts = World { invoices: vec![(0, late)], ..World::default() }.facts(1);
    let days = |as_of: Instant| invoices(&facts, 0, as_of)[0].days_overdue(as_of);
    assert_eq!(days(as_of), Some(15));
    assert_eq!(days(as_of.plus_days(1)), Some(16), "paid at that very midnight: not before it");
    assert_eq!(days(as_of.plus_days(2)), None);
    assert_eq!(days(moment("2025-03-01")), None, "due at that very midnight");
    let month = billing(&facts, &timelines(&facts, date("2025-03-16"), 14), date("2025-03-16")).months[0];
    assert_eq!((month.overdue, month.unpaid, month.paid), (Cents(10_000), Cents(10_000), Cents::ZERO));
}

#[test]
fn a_year_paid_ahead_is_billed_once_and_contracted_every_month() {
    let start = moment("2024-01-01");
    let world = World {
        subscriptions: vec![(0, subscription(start, start, 100.0))],
        invoices: vec![
            (0, invoice(1, start, 1_200.0, Some(InvoiceKind::Recurring))),
            (0, invoice(2, start, 50.0, Some(InvoiceKind::OneTime))),
            (0, invoice(3, start, 7.0, None)),
        ],
        ..World::default()
    };
    let facts = world.facts(1);
    let as_of = date("2025-01-16");
    let found = billing(&facts, &timelines(&facts, as_of, 14), as_of);
    assert_eq!(found.months.len(), 13);
    assert!(found.months[..12].iter().all(|month| month.contracted == Cents(10_000) && month.is_complete));
    // 15 of 31 days at 100.00.
    assert_eq!((found.months[12].contracted, found.months[12].is_complete), (Cents(4_839), false));
    assert_eq!((found.months[0].billed(), found.months[0].not_said), (Cents(125_700), Cents(700)));
    assert_eq!(found.billed_over_contracted(10), None, "eleven months are no year");
    assert_eq!(found.billed_over_contracted(11), Some(1.0));
    assert_eq!(found.months[11].revenue_per_account(), Some(100.0));
}

fn terms(mrr: f64, list_price: Option<f64>, discount: Option<f64>) -> SubscriptionFact {
    let start = moment("2024-01-01");
    SubscriptionFact { list_price, discount, ..subscription(start, start, mrr) }
}

#[test]
fn discounts_beyond_the_limit_are_told() {
    let rows = [
        terms(80.0, Some(100.0), Some(0.2)),
        terms(79.0, Some(100.0), None),
        terms(70.0, None, Some(0.3)),
        terms(10.0, None, None),
        terms(0.0, Some(100.0), Some(0.9)),
        terms(150.0, Some(100.0), None),
    ];
    let rows = rows.into_iter().zip(0..).map(|(row, account)| (account, row)).collect();
    let facts = World { subscriptions: rows, ..World::default() }.facts(6);
    let told = |as_of: &str| {
        let found = discounts(&facts, date(as_of), 0.2);
        found.iter().map(|one| (one.account, one.list_price, one.beyond)).collect::<Vec<_>>()
    };
    assert_eq!(told("2025-01-01"), [(2, Cents(10_000), Cents(1_000)), (1, Cents(10_000), Cents(100))]);
    assert_eq!(told("2024-01-01"), []);
}

fn met(day: &str, kind: MeetingKind, attended: bool) -> MeetingFact {
    MeetingFact { at: moment(day), known_at: moment(day), kind, contact: None, attended }
}

#[test]
fn a_renewal_is_attended_by_a_meeting_or_an_owner() {
    let renews = |day: &str| SubscriptionFact { renews_at: Some(moment(day)), ..terms(10.0, None, None) };
    let days = ["2025-01-01", "2025-01-02", "2025-03-01", "2025-03-02", "2025-02-01", "2025-02-02", "2024-12-31"];
    let start = moment("2024-01-01");
    let world = World {
        subscriptions: days.iter().zip(0..).map(|(day, account)| (account, renews(day))).collect(),
        meetings: vec![
            (0, met("2024-10-03", MeetingKind::Call, true)),
            (1, met("2024-10-02", MeetingKind::Call, true)),
            (2, met("2024-12-30", MeetingKind::Email, true)),
            (4, met("2024-12-30", MeetingKind::Review, false)),
            (5, met("2025-01-01", MeetingKind::Review, true)),
        ],
        own: vec![(4, own_row(start, Some(start), 0, Some(1))), (5, own_row(start, Some(start), 0, None))],
        ..World::default()
    };
    let mut facts = world.facts(7);
    let told = |facts: &_| {
        let found = renewals(facts, date("2025-01-01"), 59);
        found.iter().map(|one| (one.account, one.days, one.unattended)).collect::<Vec<_>>()
    };
    // 90 days ago is near enough, 91 are not; a letter, a meeting without them and one of the future are none.
    let nobody = |account, days| (account, days, Some(true));
    let some = |account, days| (account, days, Some(false));
    let all = [some(0, 0), nobody(1, 1), some(4, 31), nobody(5, 32), nobody(2, 59)];
    assert_eq!(told(&facts), all);
    facts.owners.is_there = false;
    assert_eq!(told(&facts)[2], nobody(4, 31), "without owners the meetings decide");
    facts.meetings = None;
    assert_eq!(told(&facts)[2].2, None, "nothing is known of either");
}

/// Sums of one month, in cents: recurring, one-time, not said, paid, unpaid, overdue; contracted, MRR, serve, acquisition.
type Twin = BTreeMap<(i32, u32), [i64; 10]>;

fn cents(amount: f64) -> i64 {
    (amount * 100.0).round() as i64
}

/// Every month by looking at every row, and every hour of it.
fn twin(world: &World, as_of: NaiveDate) -> Twin {
    let now = Instant::start_of(as_of);
    let month_of = |at: Instant| at.date().map(|date| (date.year(), date.month())).unwrap();
    let mut months: Twin = BTreeMap::new();
    let mut hour = moment("2024-01-01");
    let mut hours: BTreeMap<(i32, u32), (i64, [i64; ACCOUNTS])> = BTreeMap::new();
    let mut begun = false;
    // To the end of the month of the day before.
    let last = month_of(now.plus_days(-1));
    while month_of(hour) <= last {
        let entry = hours.entry(month_of(hour)).or_default();
        entry.0 += 1;
        for account in 0..ACCOUNTS {
            let rows = world.subscriptions.iter().filter(|(of, row)| {
                *of as usize == account && row.effective_at <= hour && row.effective_at < now && row.known_at < now
            });
            let held = rows.max_by_key(|(_, row)| (row.effective_at, row.known_at));
            let mrr = held.map_or(0, |(_, row)| cents(row.mrr));
            begun |= mrr > 0 && hour < now;
            if hour < now {
                entry.1[account] += mrr;
                let next = Instant(hour.0 + HOUR);
                if mrr > 0 && (next == now || month_of(next) != month_of(hour)) {
                    months.entry(month_of(hour)).or_default()[7] += mrr;
                }
            }
        }
        if begun {
            months.entry(month_of(hour)).or_default();
        }
        hour = Instant(hour.0 + HOUR);
    }
    for (month, (length, sums)) in hours {
        let contracted: i64 = sums.iter().map(|sum| (2 * sum + length) / (2 * length)).sum();
        if contracted > 0 || months.contains_key(&month) {
            months.entry(month).or_default()[6] += contracted;
        }
    }
    let numbers: BTreeSet<u32> = world.invoices.iter().map(|(_, row)| row.invoice).collect();
    for number in numbers {
        let versions = world.invoices.iter().map(|(_, row)| row);
        let versions = versions.filter(|row| row.invoice == number && row.issued_at < now && row.known_at < now);
        // In the order of the facts: by issue, knowledge, place; the one known last, and of those the last.
        let mut versions: Vec<_> = versions.collect();
        versions.sort_by_key(|row| (row.issued_at, row.known_at));
        let Some(row) = versions.into_iter().max_by_key(|row| row.known_at) else { continue };
        let sums = months.entry(month_of(row.issued_at)).or_default();
        let (amount, is_paid) = (cents(row.amount), row.paid_at.is_some_and(|paid| paid < now));
        sums[[Some(InvoiceKind::Recurring), Some(InvoiceKind::OneTime), None]
            .iter()
            .position(|kind| *kind == row.kind)
            .unwrap()] += amount;
        sums[if is_paid { 3 } else { 4 }] += amount;
        sums[5] += if !is_paid && row.due_at < now { amount } else { 0 };
    }
    let first = months.keys().next().copied();
    let mut costs: BTreeMap<(u32, Instant), _> = BTreeMap::new();
    let mut rows: Vec<_> = world.spend.iter().filter(|(_, row)| row.at < now && row.known_at < now).collect();
    rows.sort_by_key(|(_, row)| row.known_at);
    for (account, row) in rows {
        costs.insert((*account, row.at), row);
    }
    for ((_, at), row) in costs {
        if first.is_some_and(|first| month_of(at) >= first) {
            let sums = months.entry(month_of(at)).or_default();
            sums[8] += row.serve_cost.map_or(0, cents);
            sums[9] += row.acquisition_cost.map_or(0, cents);
        }
    }
    months
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn every_month_is_that_of_a_look_at_every_row(world in worlds(), as_of in dates()) {
        let facts = world.facts(ACCOUNTS);
        let found = billing(&facts, &timelines(&facts, as_of, 0), as_of);
        let expected = twin(&world, as_of);
        let of = |cents: [Cents; 10]| cents.map(|cents| cents.0);
        for month in &found.months {
            let told = of([month.recurring, month.one_time, month.not_said, month.paid, month.unpaid, month.overdue,
                month.contracted, month.mrr, month.serve_cost, month.acquisition_cost]);
            let key = (month.month.year(), month.month.month());
            prop_assert_eq!(told, expected.get(&key).copied().unwrap_or_default(), "{}", month.month);
            prop_assert_eq!(month.recurring + month.one_time + month.not_said, month.billed());
            prop_assert_eq!(month.paid + month.unpaid, month.billed());
        }
        for (key, sums) in &expected {
            let is_told = found.months.iter().any(|month| (month.month.year(), month.month.month()) == *key);
            prop_assert!(is_told || sums.iter().all(|sum| *sum == 0), "{:?} is missing", key);
        }
    }

    #[test]
    fn nothing_of_the_future_counts(world in worlds(), as_of in dates()) {
        let now = Instant::start_of(as_of);
        let settings = MoneySettings { discount_limit: Some(0.1), renewal_days: 60 };
        let money = |world: &World| {
            let facts = world.facts(ACCOUNTS);
            Money::of(&facts, &timelines(&facts, as_of, 14), as_of, &settings)
        };
        prop_assert_eq!(money(&world), money(&world.past(now)));
    }
}
