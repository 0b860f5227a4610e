//! Cohorts and value by known answers.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use bellwether_features::facts::SubscriptionFact;
use bellwether_features::time::Instant;
use bellwether_outlook::cohort::{CohortSpan, CurveShape, cohorts, curve_shape, ratio, wilson};
use bellwether_outlook::money::Cents;
use bellwether_outlook::timeline::Timeline;
use bellwether_outlook::value::{annual_churn, churn_within, payback_month, worth, worth_of_intervening};
use chrono::NaiveDate;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn timeline(rows: &[(&str, f64)]) -> Timeline {
    let row = |(at, mrr): &(&str, f64)| {
        let at = Instant::start_of(date(at));
        SubscriptionFact {
            effective_at: at,
            known_at: at,
            mrr: *mrr,
            plan: None,
            seats: None,
            billing_period: None,
            renews_at: None,
            usage_limit: None,
            discount: None,
            list_price: None,
            auto_renew: None,
        }
    };
    let rows: Vec<SubscriptionFact> = rows.iter().map(row).collect();
    Timeline::new(&rows, Instant::start_of(date("2026-01-01")), 14)
}

#[test]
fn cohorts_are_told_at_the_ages_that_all_of_them_have_reached() {
    let world = [
        timeline(&[("2025-01-31", 100.0), ("2025-04-10", 150.0)]),
        timeline(&[("2025-01-02", 50.0), ("2025-02-20", 0.0)]),
        timeline(&[("2025-03-05", 10.0)]),
        timeline(&[("2025-11-20", 10.0)]),
        timeline(&[]),
    ];
    let as_of = date("2026-01-01");
    let months = cohorts(&world, as_of, CohortSpan::Month);
    let of = |cohort: &str| months.iter().filter(|one| one.cohort == date(cohort)).collect::<Vec<_>>();
    let january = of("2025-01-01");
    assert_eq!(january.len(), 12, "ages 0 to 11");
    let told = |age: usize| (january[age].kept_accounts, january[age].opening.0, january[age].closing.0);
    assert_eq!(told(0), (2, 15_000, 15_000));
    assert_eq!(told(1), (1, 15_000, 10_000));
    assert_eq!(told(3), (1, 15_000, 15_000));
    assert_eq!(january[3].net.unwrap().value, 1.0);
    assert_eq!(of("2025-11-01").len(), 2);
    // A quarter is as old as its youngest month.
    let quarters = cohorts(&world, as_of, CohortSpan::Quarter);
    let first: Vec<_> = quarters.iter().filter(|one| one.cohort == date("2025-01-01")).collect();
    assert_eq!((first.len(), first[0].accounts), (10, 3));
    // March at age 1 is the end of April, January at age 1 the end of February.
    assert_eq!((first[1].kept_accounts, first[1].closing.0), (2, 11_000));
}

/// Wilson 1927, as worked in Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
#[test]
fn intervals_are_those_of_the_literature() {
    for (count, of, low, high) in
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
    {
        let found = wilson(count, of);
        assert!((found.low - low).abs() < 6e-5 && (found.high - high).abs() < 6e-5, "{count} of {of}: {found:?}");
    }
    // By hand: openings 100 and 100, closings 90 and 110: R = 1, residuals -10 and 10, sqrt(200 * 2) / 200 = 0.1.
    let pair = |opening: i64, closing: i64| (Cents(100 * opening), Cents(100 * closing));
    let found = ratio(&[pair(100, 90), pair(100, 110)]).unwrap();
    assert!((found.high - 1.0 - 1.959_964 * 0.1).abs() < 1e-6, "{found:?}");
    assert_eq!(ratio(&[pair(0, 10)]), None);
}

/// known-answers 14.
#[test]
fn a_curve_tells_where_it_loses() {
    let onboarding: Vec<f64> = (0..=12).map(|age| 1.0 - 0.4 * f64::from(age.min(3)) / 3.0).collect();
    let sustained: Vec<f64> = (0..=12).map(|age| (1.0_f64 - 0.0417).powi(age)).collect();
    assert_eq!(curve_shape(&onboarding), Some(CurveShape::Onboarding));
    assert_eq!(curve_shape(&sustained), Some(CurveShape::Sustained));
    assert_eq!(curve_shape(&[0.99; 13]), Some(CurveShape::Stable));
    assert_eq!(curve_shape(&onboarding[..6]), None);
}

/// known-answers 4.
#[test]
fn value_over_and_less_cost() {
    let cases = [
        (500, 20, 25.0, 480),
        (15, 2, 7.5, 13),
        (80, 15, 5.33, 65),
        (40, 3, 13.33, 37),
        (60, 15, 4.0, 45),
        (20, 5, 4.0, 15),
    ];
    for (value, cost, expected, net) in cases {
        let found = worth(Cents(value * 100_000), Cents(cost * 100_000));
        assert!((found.ratio.unwrap() - expected).abs() < 5e-3, "{value} over {cost}");
        assert_eq!(found.net, Cents(net * 100_000));
    }
    assert_eq!(worth(Cents(1), Cents::ZERO).ratio, None);
}

/// known-answers 5.
#[test]
fn payback_is_the_month_that_covers_the_cost() {
    let months = |first: i64, count: usize, then: i64, more: usize| {
        let mut margins = vec![Cents(100 * first); count];
        margins.extend(vec![Cents(100 * then); more]);
        margins
    };
    let cost = Cents(120_000);
    let total = |margins: &[Cents]| margins.iter().copied().sum::<Cents>().over(cost).unwrap();
    let (fast, slow) = (months(100, 12, 200, 24), months(50, 24, 100, 12));
    assert_eq!((payback_month(cost, &fast), total(&fast)), (Some(12), 5.0));
    assert_eq!((payback_month(cost, &slow), total(&slow)), (Some(24), 2.0));
    assert_eq!(payback_month(cost, &fast[..11]), None);
    assert_eq!(payback_month(Cents::ZERO, &[]), Some(0));
}

/// known-answers 8 and 9.
#[test]
fn annual_churn_and_that_of_ninety_days() {
    for (annual, ninety) in [(0.40, 0.1183), (0.30, 0.0842), (0.05, 0.0126)] {
        assert!((churn_within(annual, 90.0) - ninety).abs() < 5e-5, "{annual}");
        assert!((annual_churn(churn_within(annual, 90.0), 90.0) - annual).abs() < 1e-12);
    }
}

/// known-answers 16.
#[test]
fn an_intervention_is_worth_what_it_saves() {
    let worth = |rate: f64| worth_of_intervening(0.15, rate, Cents(2_000_000), Cents(20_000));
    assert_eq!((worth(0.05), worth(0.60)), (Cents(-5_000), Cents(160_000)));
}
