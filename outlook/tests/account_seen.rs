//! What is visible of an account, against the signals of the same meaning.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod account_world;

use account_world::{account_row, business, date, subscription, usage, with_usage};
use bellwether_features::catalog::{Availability, Catalogue, CatalogueSettings};
use bellwether_features::engine::FeaturePlan;
use bellwether_features::facts::{
    AccountFact, ContactFact, Facts, Grouped, InvoiceFact, MeetingFact, MeetingKind, NpsFact, Role, SubscriptionFact,
    UsageFact,
};
use bellwether_features::matrix::Column;
use bellwether_features::spine::{ActiveBy, Eligibility};
use bellwether_features::time::Instant;
use bellwether_outlook::account::seen::Seen;
use proptest::prelude::*;

const AS_OF: &str = "2025-12-29";
const ACCOUNTS: usize = 3;

/// An account, a day after the beginning, days until it is known, and a number to make the rest of.
type Row = (u32, i64, i64, u32);

fn rows(days: i64) -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec((0..ACCOUNTS as u32, 0..days, 0_i64..40, 0_u32..1_000), 0..40)
}

fn at(day: i64) -> Instant {
    Instant(account_world::moment("2025-09-01").plus_days(day).0 + 7_200_000_000)
}

fn group<T>(rows: &[Row], fact: impl Fn(&Row) -> T, key: impl Fn(&T) -> (Instant, Instant)) -> Option<Grouped<T>> {
    Some(Grouped::new(ACCOUNTS, rows.iter().map(|row| (row.0, fact(row))).collect(), key))
}

fn facts(
    usage: &[Row],
    subscriptions: &[Row],
    contacts: &[Row],
    invoices: &[Row],
    meetings: &[Row],
    nps: &[Row],
) -> Facts {
    let known = |row: &Row| at(row.1 + row.2);
    let later = |row: &Row| row.3.is_multiple_of(2).then(|| at(row.1 + i64::from(row.3 % 90)));
    let accounts = (0..ACCOUNTS as u32).map(|account| {
        let signed_up = ["2024-01-01", "2025-10-15", "2025-12-20"][account as usize];
        (
            account,
            AccountFact {
                signed_up_at: (account != 1).then(|| account_world::moment(signed_up)),
                ..account_row(signed_up, None)
            },
        )
    });
    Facts {
        accounts: (0..ACCOUNTS).map(|account| account.to_string()).collect(),
        account_rows: Some(Grouped::new(ACCOUNTS, accounts.collect(), |row: &AccountFact| row.known_at)),
        usage: group(
            usage,
            |row| UsageFact {
                at: at(row.1),
                known_at: known(row),
                user: None,
                feature: 0,
                quantity: f64::from(row.3 % 7),
            },
            |row| (row.at, row.known_at),
        ),
        subscriptions: group(
            subscriptions,
            |row| SubscriptionFact {
                effective_at: at(row.1),
                known_at: known(row),
                usage_limit: Some(f64::from(row.3 % 50)),
                ..subscription("2025-09-01", 10.0)
            },
            |row| (row.effective_at, row.known_at),
        ),
        contacts: group(
            contacts,
            |row| ContactFact {
                contact: row.3 % 4,
                role: if row.3.is_multiple_of(3) { Role::Sponsor } else { Role::User },
                since: at(row.1),
                known_at: known(row),
                until: later(row),
            },
            |row| (row.since, row.known_at),
        ),
        invoices: group(
            invoices,
            |row| InvoiceFact {
                kind: None,
                invoice: row.3 % 6 + 10 * row.0,
                issued_at: at(row.1),
                known_at: known(row),
                due_at: at(row.1 + 14),
                paid_at: later(row),
                amount: 10.0,
                disputed_at: None,
            },
            |row| (row.issued_at, row.known_at),
        ),
        meetings: group(
            meetings,
            |row| MeetingFact {
                at: at(row.1),
                known_at: known(row),
                kind: if row.3.is_multiple_of(3) { MeetingKind::Call } else { MeetingKind::Review },
                contact: None,
                attended: !row.3.is_multiple_of(5),
            },
            |row| (row.at, row.known_at),
        ),
        nps: group(
            nps,
            |row| NpsFact { at: at(row.1), known_at: known(row), respondent: row.3, score: f64::from(row.3 % 11) },
            |row| (row.at, row.known_at),
        ),
        ..Facts::default()
    }
}

/// The signals of every account, by name.
fn signals(facts: &Facts, name: &str) -> Vec<Option<f64>> {
    let settings = CatalogueSettings {
        review_interval_days: Some(30),
        include: Some(vec![name.to_owned()]),
        ..CatalogueSettings::default()
    };
    let catalogue = Catalogue::new(&Availability::of(facts), &settings);
    let eligibility = Eligibility { active_by: ActiveBy::Usage, within_days: 10_000, min_tenure_days: 0 };
    let plan = FeaturePlan::new(catalogue, eligibility);
    let spine = plan.spine(facts, &[date(AS_OF)]);
    let matrix = plan.compute(facts, &spine);
    let Some(Column::Numeric(values)) = matrix.column(name) else { panic!("no signal {name}") };
    let mut found = vec![None; ACCOUNTS];
    for (account, value) in spine.accounts.iter().zip(values) {
        found[*account as usize] = Some(f64::from(*value));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_answers_are_those_of_the_signals(
        usage in rows(130), subscriptions in rows(130), contacts in rows(130), invoices in rows(130),
        meetings in rows(130), nps in rows(130),
    ) {
        let facts = facts(&usage, &subscriptions, &contacts, &invoices, &meetings, &nps);
        let seen = |account| Seen::new(&facts, account, account_world::moment(AS_OF));
        let days = |days: Option<i64>| days.map(|days| days as f64);
        let cases: [(&str, Box<dyn Fn(Seen<'_>) -> Option<f64>>); 7] = [
            ("usage_active_days_28d", Box::new(|seen| Some(f64::from(seen.active_days())))),
            ("usage_events_28d", Box::new(|seen| Some(seen.events(1, 28) as f64))),
            ("usage_limit_share_28d", Box::new(|seen| seen.limit_share())),
            ("sponsorship_sponsor_present", Box::new(|seen| seen.has_sponsor().map(f64::from))),
            ("payments_overdue_days", Box::new(move |seen| days(seen.overdue_days()))),
            ("sponsorship_review_overdue_days", Box::new(move |seen| days(seen.review_overdue_days(30)))),
            ("nps_latest_score", Box::new(|seen| seen.latest_nps())),
        ];
        for (name, ours) in cases {
            for (account, theirs) in signals(&facts, name).into_iter().enumerate() {
                // Accounts without any known use have no row of signals.
                let Some(theirs) = theirs else { continue };
                let ours = ours(seen(account)).unwrap_or(f64::NAN);
                let is_same = (ours.is_nan() && theirs.is_nan()) || (ours - theirs).abs() < 1e-5 * (1.0 + theirs.abs());
                prop_assert!(is_same, "{} of {}: {} against {}", name, account, ours, theirs);
            }
        }
    }
}

/// known-answers 17: due 15 days before, paid the day after.
#[test]
fn an_invoice_paid_tomorrow_is_overdue_today() {
    let mut facts = business(&["a"]);
    let as_of = account_world::moment(AS_OF);
    let invoice = InvoiceFact {
        kind: None,
        invoice: 0,
        issued_at: as_of.plus_days(-30),
        known_at: as_of.plus_days(-30),
        due_at: as_of.plus_days(-15),
        paid_at: Some(as_of.plus_days(1)),
        amount: 10.0,
        disputed_at: None,
    };
    facts.invoices = Some(Grouped { offsets: vec![0, 1], rows: vec![invoice] });
    assert_eq!(Seen::new(&facts, 0, as_of).overdue_days(), Some(15));
    assert_eq!(Seen::new(&facts, 0, as_of.plus_days(2)).overdue_days(), Some(0));
}

#[test]
fn history_begins_with_the_sign_up_or_the_first_use_seen() {
    let facts = with_usage(business(&["a"]), vec![(0, usage("2019-12-01", 0, 1.0))]);
    let seen = Seen::new(&facts, 0, account_world::moment("2020-01-11"));
    assert_eq!(seen.usage_history_days(), Some(41));
    assert_eq!(Seen::new(&business(&["a"]), 0, account_world::moment("2020-01-11")).usage_history_days(), None);
}
