//! Segments of a business whose accounts are known.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use bellwether_features::facts::{AccountFact, Facts, Grouped, Names, SubscriptionFact};
use bellwether_features::time::Instant;
use bellwether_outlook::money::Cents;
use bellwether_outlook::segment::{GroupedBy, SizeCutOffs, segments};
use bellwether_outlook::timeline::Timeline;
use chrono::NaiveDate;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// known-answers 6.
#[test]
fn sizes_are_by_annual_value() {
    let sizes = SizeCutOffs::default();
    let of = |amount: f64| sizes.size(Cents::from_amount(amount));
    assert_eq!([50_000.0, 49_999.99, 10_000.0, 9_999.99].map(of), ["enterprise", "mid_market", "mid_market", "small"]);
}

#[test]
fn groups_are_of_what_was_known_at_the_opening_and_small_ones_are_told_together() {
    let as_of = date("2026-01-01");
    let moment = |text: &str| Instant::start_of(date(text));
    // 40 accounts of region 0, of which 10 leave; 40 of region 1 that stay; 4 of region 2; one whose region came later.
    let region_of = |account: usize| match account {
        0..40 => 0,
        40..80 => 1,
        _ => 2,
    };
    let subscription = |at: &str, mrr: f64| SubscriptionFact {
        effective_at: moment(at),
        known_at: moment(at),
        mrr,
        plan: Some(0),
        seats: None,
        billing_period: None,
        renews_at: None,
        usage_limit: None,
        discount: None,
        list_price: None,
        auto_renew: None,
    };
    let (mut rows, mut accounts) = (Vec::new(), Vec::new());
    for account in 0..85_usize {
        rows.push((account as u32, subscription("2024-01-01", 100.0)));
        if account < 10 {
            rows.push((account as u32, subscription("2025-06-01", 0.0)));
        }
        let known_at = if account == 84 { moment("2025-03-01") } else { Instant::MIN };
        accounts.push((
            account as u32,
            AccountFact {
                known_at,
                signed_up_at: None,
                segment: None,
                industry: None,
                region: Some(region_of(account)),
                channel: None,
                campaign: None,
                owner: None,
            },
        ));
    }
    let facts = Facts {
        accounts: (0..85).map(|account| format!("{account:03}")).collect(),
        account_rows: Some(Grouped::new(85, accounts, |row: &AccountFact| row.known_at)),
        subscriptions: Some(Grouped::new(85, rows, |row: &SubscriptionFact| (row.effective_at, row.known_at))),
        regions: Names { names: vec!["north".to_owned(), "south".to_owned(), "Acme".to_owned()], is_there: true },
        plans: Names { names: vec!["pro".to_owned()], is_there: true },
        ..Facts::default()
    };
    let timelines: Vec<Timeline> =
        (0..85).map(|account| Timeline::of(&facts, account, Instant::start_of(as_of), 14)).collect();
    let found = segments(&facts, &timelines, as_of, SizeCutOffs::default());
    let regions: Vec<(&str, u64, u64)> = found
        .iter()
        .filter(|row| row.by == GroupedBy::Region)
        .map(|row| (row.group.as_str(), row.retention.accounts, row.retention.kept_accounts))
        .collect();
    assert_eq!(regions, [("(other)", 5, 5), ("north", 40, 30), ("south", 40, 40)]);
    let of = |group: &str| found.iter().find(|row| row.group == group).unwrap();
    let (north, south) = (of("north"), of("south"));
    // Drawn towards each other, and still apart.
    assert!(north.logo.value > 0.75 && north.logo.value < south.logo.value && south.logo.value < 1.0);
    assert!(north.logo.low <= 0.75 && south.logo.high <= 1.0);
    assert!(north.net.unwrap().value < south.net.unwrap().value);
    assert_eq!(of("small").retention.accounts, 85);
    assert_eq!(of("pro").retention.opening, Cents(850_000));
}
