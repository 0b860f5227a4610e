//! Revenue by known answers, and against a slow twin over random businesses.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use bellwether_features::facts::SubscriptionFact;
use bellwether_features::time::Instant;
use bellwether_outlook::change::{ChangeKind, changes, contraction_run};
use bellwether_outlook::money::Cents;
use bellwether_outlook::movement::{MonthlyMovements, of_timelines};
use bellwether_outlook::retention::{Retention, disagreement, disagreement_of_shares};
use bellwether_outlook::timeline::Timeline;
use chrono::{Months, NaiveDate};
use proptest::prelude::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn row(at: NaiveDate, mrr: f64) -> SubscriptionFact {
    let at = Instant::start_of(at);
    SubscriptionFact {
        effective_at: at,
        known_at: at,
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

const AS_OF: &str = "2026-01-01";

fn timeline(rows: &[SubscriptionFact]) -> Timeline {
    Timeline::new(rows, Instant::start_of(date(AS_OF)), 14)
}

/// Accounts that paid the first amount a year before, and pay the second since half a year.
fn accounts(amounts: &[(f64, f64)]) -> Vec<Timeline> {
    let of = |(opening, closing): &(f64, f64)| {
        timeline(&[row(date("2024-06-01"), *opening), row(date("2025-07-01"), *closing)])
    };
    amounts.iter().map(of).collect()
}

fn year(amounts: &[(f64, f64)]) -> Retention {
    Retention::trailing_year(&accounts(amounts), date(AS_OF))
}

/// known-answers 1: opening 100k, lost 5k, expansion 15k; lost 15k, expansion 25k.
#[test]
fn retention_is_a_share_of_the_opening() {
    let shares = |amounts: &[(f64, f64)]| {
        let found = year(amounts);
        (found.gross().unwrap(), found.net().unwrap())
    };
    assert_eq!(shares(&[(5_000.0, 0.0), (20_000.0, 35_000.0), (75_000.0, 75_000.0)]), (0.95, 1.10));
    assert_eq!(shares(&[(15_000.0, 0.0), (20_000.0, 45_000.0), (65_000.0, 65_000.0)]), (0.85, 1.10));
}

/// known-answers 2: opening 100k, expansion 8k, losses 5k.
#[test]
fn net_churn_is_below_zero_where_expansion_is_more_than_what_is_lost() {
    let months = of_timelines(&accounts(&[(5_000.0, 0.0), (20_000.0, 28_000.0), (75_000.0, 75_000.0)]), date(AS_OF));
    let july = months.iter().find(|month| month.month == date("2025-07-01")).unwrap();
    assert_eq!(july.net_churn(), Some(-0.03));
    assert_eq!(july.quick_ratio(), Some(1.6));
    assert_eq!(months.last().unwrap().quick_ratio(), None, "nothing was lost in December");
}

/// known-answers 3.
#[test]
fn a_base_of_six_months_has_no_annual_retention() {
    let young = [timeline(&[row(date("2025-07-01"), 100.0)])];
    let found = Retention::trailing_year(&young, date(AS_OF));
    assert_eq!((found.net(), found.gross(), found.logo()), (None, None, None));
}

/// known-answers 12.
#[test]
fn expansion_without_loss_is_above_one() {
    assert_eq!(year(&[(100_000.0, 130_000.0)]).net(), Some(1.30));
    assert_eq!(year(&[(100_000.0, 100_000.0)]).net(), Some(1.0));
}

/// known-answers 18.
#[test]
fn net_and_gross_that_disagree_are_put_into_words() {
    let before = year(&[(100.0, 110.0), (100.0, 100.0), (100.0, 0.0), (100.0, 100.0)]);
    let buying_less = year(&[(100.0, 90.0), (100.0, 90.0), (100.0, 0.0), (100.0, 90.0)]);
    assert!(disagreement(&before, &buying_less).unwrap().starts_with("Buying less"));
    let few = year(&[(100.0, 400.0), (100.0, 0.0), (100.0, 0.0), (100.0, 100.0)]);
    assert!(disagreement(&before, &few).unwrap().starts_with("Expanding few, losing many"));
    assert_eq!(disagreement(&before, &before), None);
    let shares = |now: [f64; 3]| disagreement_of_shares([1.10, 0.88, 0.84], now).unwrap();
    assert!(shares([1.05, 0.90, 0.85]).starts_with("Keeping more, selling less"));
    assert!(shares([1.05, 0.90, 0.82]).starts_with("Losing small ones, selling less"), "fewer customers are not more");
    assert_eq!(disagreement(&Retention::default(), &before), None);
}

/// known-answers 19.
#[test]
fn changes_have_their_kind() {
    let with = |day: &str, mrr: f64, plan: u32, seats: f64| SubscriptionFact {
        plan: Some(plan),
        seats: Some(seats),
        ..row(date(day), mrr)
    };
    let cut = timeline(&[
        with("2025-01-01", 400.0, 1, 20.0),
        with("2025-03-01", 200.0, 1, 10.0),
        with("2025-05-01", 150.0, 0, 10.0),
        with("2025-07-01", 120.0, 0, 10.0),
    ]);
    let kinds: Vec<ChangeKind> = changes(&cut).iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::Seats, ChangeKind::Plan, ChangeKind::Price]);
    assert_eq!(contraction_run(&cut), 3);
    let back = timeline(&[
        with("2025-01-01", 400.0, 1, 20.0),
        with("2025-03-01", 200.0, 1, 10.0),
        with("2025-05-01", 210.0, 1, 9.0),
        with("2025-07-01", 0.0, 1, 9.0),
    ]);
    assert_eq!(changes(&back).last().unwrap().kind, ChangeKind::Price, "fewer seats do not raise the price");
    assert_eq!(contraction_run(&back), 0);
}

/// What an account pays just before a day, by looking at every row.
fn paid(rows: &[(i64, f64)], first: NaiveDate, day: NaiveDate) -> i64 {
    let offset = (day - first).num_days();
    let mut paid = 0.0;
    for (at, mrr) in rows {
        if *at < offset {
            paid = *mrr;
        }
    }
    (paid * 100.0).round() as i64
}

fn expected(world: &[Vec<(i64, f64)>], first: NaiveDate, month: NaiveDate, until: NaiveDate) -> [i64; 7] {
    let mut sums = [0; 7];
    for rows in world {
        let (opening, closing) = (paid(rows, first, month), paid(rows, first, until));
        let offset = (month - first).num_days();
        let paid_before = rows.iter().any(|(at, mrr)| *at < offset && *mrr > 0.0);
        sums[0] += opening;
        sums[6] += closing;
        if opening == 0 && closing > 0 {
            sums[if paid_before { 2 } else { 1 }] += closing;
        } else if opening > 0 && closing == 0 {
            sums[5] += opening;
        } else if closing > opening {
            sums[3] += closing - opening;
        } else {
            sums[4] += opening - closing;
        }
    }
    sums
}

fn found(month: &MonthlyMovements) -> [i64; 7] {
    let amounts =
        [month.opening, month.new, month.reactivation, month.expansion, month.contraction, month.churn, month.closing];
    amounts.map(|amount| amount.mrr.0)
}

/// Rows of an account: ascending days, amounts of which a third are 0.
fn account() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let amount = prop_oneof![Just(0.0), (1_u32..50_000).prop_map(|cents| f64::from(cents) / 100.0)];
    proptest::collection::btree_map(0_i64..700, amount, 0..8).prop_map(|rows| rows.into_iter().collect())
}

proptest! {
    #[test]
    fn movements_equal_the_slow_twin_and_add_up(world in proptest::collection::vec(account(), 1..12)) {
        let first = date("2024-01-15");
        let timelines: Vec<Timeline> = world
            .iter()
            .map(|rows| {
                let rows: Vec<SubscriptionFact> =
                    rows.iter().map(|(day, mrr)| row(first + chrono::Days::new(*day as u64), *mrr)).collect();
                Timeline::new(&rows, Instant::start_of(date(AS_OF)), 0)
            })
            .collect();
        let months = of_timelines(&timelines, date(AS_OF));
        for month in &months {
            let until = month.month.checked_add_months(Months::new(1)).unwrap().min(date(AS_OF));
            prop_assert_eq!(found(month), expected(&world, first, month.month, until), "{}", month.month);
            let [opening, new, reactivation, expansion, contraction, churn, closing] = found(month);
            prop_assert_eq!(opening + new + reactivation + expansion - contraction - churn, closing);
            let accounts = month.opening.accounts + month.new.accounts + month.reactivation.accounts;
            prop_assert_eq!(accounts - month.churn.accounts, month.closing.accounts);
        }
        for pair in months.windows(2) {
            prop_assert_eq!(pair[0].closing, pair[1].opening);
        }
        // A month's retention is that of its own movements.
        if let Some(month) = months.last() {
            let kept = Retention::between(&timelines, month.month, date(AS_OF));
            prop_assert_eq!(kept.opening, month.opening.mrr);
            prop_assert_eq!(kept.kept, month.opening.mrr - month.contraction.mrr - month.churn.mrr);
            prop_assert_eq!(kept.closing, kept.kept + month.expansion.mrr);
            prop_assert!(kept.gross().is_none_or(|gross| (0.0..=1.0).contains(&gross)));
        }
        let whole: Cents = timelines.iter().map(|one| one.mrr_before(Instant::start_of(date(AS_OF)))).sum();
        prop_assert_eq!(months.last().map_or(Cents::ZERO, |month| month.closing.mrr), whole);
    }
}
