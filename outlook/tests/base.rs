//! The base taken apart: known answers, identities to the cent, and slow twins over random businesses.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeMap;

use bellwether_features::facts::{BillingPeriod, Facts, Grouped, ItemFact, Names, SubscriptionFact};
use bellwether_features::time::Instant;
use bellwether_outlook::cohort::{CohortSpan, CurveShape, cohorts};
use bellwether_outlook::curve::curves;
use bellwether_outlook::expansion::{Growth, Speed, expansions};
use bellwether_outlook::mix::{PriceVolumeMix, Span, VolumeUnit, billing_shares, levels, price_volume_mix};
use bellwether_outlook::money::Cents;
use bellwether_outlook::movement::{MonthlyMovements, of_timelines};
use bellwether_outlook::plan_move::plan_moves;
use bellwether_outlook::renewal::{Renewal, RenewalOutcome, each_renewal, renewal_quality};
use bellwether_outlook::retention::Retention;
use bellwether_outlook::segment::SizeCutOffs;
use bellwether_outlook::timeline::Timeline;
use chrono::{Datelike, Days, Months, NaiveDate};
use proptest::prelude::*;

const AS_OF: &str = "2026-01-01";

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn moment(text: &str) -> Instant {
    Instant::start_of(date(text))
}

fn row(at: Instant, mrr: f64, plan: Option<u32>, seats: Option<f64>) -> SubscriptionFact {
    SubscriptionFact {
        effective_at: at,
        known_at: at,
        mrr,
        plan,
        seats,
        billing_period: None,
        renews_at: None,
        usage_limit: None,
        discount: None,
        list_price: None,
        auto_renew: None,
    }
}

/// Facts of accounts with these rows, and plans a, b, c.
fn business(accounts: &[Vec<SubscriptionFact>]) -> (Facts, Vec<Timeline>) {
    let rows =
        accounts.iter().enumerate().flat_map(|(account, rows)| rows.iter().map(move |row| (account as u32, *row)));
    let facts = Facts {
        accounts: (0..accounts.len()).map(|account| format!("{account:03}")).collect(),
        subscriptions: Some(Grouped::new(accounts.len(), rows.collect(), |row| (row.effective_at, row.known_at))),
        plans: Names { names: ["a", "b", "c"].map(str::to_owned).to_vec(), is_there: true },
        ..Facts::default()
    };
    let timelines = bellwether_outlook::timelines(&facts, date(AS_OF), 0);
    (facts, timelines)
}

fn taken_apart(facts: &Facts, timelines: &[Timeline]) -> (Vec<PriceVolumeMix>, Vec<MonthlyMovements>) {
    let movements = of_timelines(timelines, date(AS_OF));
    let levels = levels(facts, timelines, &movements, date(AS_OF));
    (price_volume_mix(&levels, timelines, &movements, date(AS_OF)), movements)
}

/// Worked by hand. Before: plan a 10 seats at 100 = 1,000, plan b 10 seats at 300 = 3,000; average 200. After: a 5 seats at 110 =
/// 550, b 25 seats at 300 = 7,500. Volume: 10 more seats at 200 = 2,000. Mix: 30 seats x ((5/30 - 1/2) x 100 + (25/30 - 1/2) x
/// 300) = 30 x 200/3 = 2,000. Price: 5 x 10 = 50. Together 8,050 - 4,000.
#[test]
fn price_volume_and_mix_are_those_of_the_book() {
    let seats = |day: &str, mrr: f64, plan: u32, seats: f64| row(moment(day), mrr, Some(plan), Some(seats));
    let (facts, timelines) = business(&[
        vec![seats("2024-06-01", 1_000.0, 0, 10.0), seats("2025-07-10", 550.0, 0, 5.0)],
        vec![seats("2024-06-01", 3_000.0, 1, 10.0), seats("2025-07-20", 7_500.0, 1, 25.0)],
    ]);
    let (rows, _) = taken_apart(&facts, &timelines);
    let of = |span: Span, until: &str, unit: VolumeUnit| {
        *rows.iter().find(|row| row.span == span && row.until == date(until) && row.unit == unit).unwrap()
    };
    for (span, until) in [(Span::Month, "2025-08-01"), (Span::Year, "2026-01-01")] {
        let found = of(span, until, VolumeUnit::Seats);
        assert_eq!((found.volume, found.mix, found.price), (Cents(200_000), Cents(200_000), Cents(5_000)), "{span:?}");
        assert_eq!((found.opening_units, found.closing_units), (20.0, 30.0));
        assert_eq!(found.repriced, Cents(5_000));
    }
    // By accounts nothing came or went: all of it is another price of the account on the same plan.
    let by_accounts = of(Span::Year, "2026-01-01", VolumeUnit::Accounts);
    assert_eq!((by_accounts.volume, by_accounts.mix, by_accounts.price), (Cents::ZERO, Cents::ZERO, Cents(405_000)));
}

#[test]
fn seats_that_are_not_known_leave_only_accounts_to_count() {
    let (facts, timelines) = business(&[
        vec![row(moment("2025-03-01"), 10.0, Some(0), Some(2.0))],
        vec![row(moment("2025-05-01"), 10.0, Some(0), None)],
    ]);
    let (rows, _) = taken_apart(&facts, &timelines);
    let seats: Vec<NaiveDate> = rows.iter().filter(|row| row.unit == VolumeUnit::Seats).map(|row| row.until).collect();
    assert_eq!(seats, [date("2025-04-01"), date("2025-05-01")], "until an account without known seats comes");
}

#[test]
fn billing_is_told_by_month() {
    let with = |day: &str, mrr: f64, period: Option<BillingPeriod>| SubscriptionFact {
        billing_period: period,
        ..row(moment(day), mrr, None, None)
    };
    let (facts, timelines) = business(&[
        vec![
            with("2025-10-01", 100.0, Some(BillingPeriod::Monthly)),
            with("2025-11-15", 90.0, Some(BillingPeriod::Annual)),
        ],
        vec![with("2025-11-01", 10.0, None)],
        vec![
            with("2025-10-01", 50.0, Some(BillingPeriod::Annual)),
            with("2025-12-01", 0.0, Some(BillingPeriod::Annual)),
        ],
    ]);
    let movements = of_timelines(&timelines, date(AS_OF));
    let levels = levels(&facts, &timelines, &movements, date(AS_OF));
    let rows = billing_shares(&levels, &movements, date(AS_OF));
    let of = |month: &str| {
        let rows = rows.iter().filter(|row| row.month == date(month));
        rows.map(|row| (row.accounts, row.mrr.0, row.all_accounts, row.all_mrr.0)).collect::<Vec<_>>()
    };
    assert_eq!(of("2025-10-01"), [(1, 10_000, 2, 15_000), (1, 5_000, 2, 15_000), (0, 0, 2, 15_000)]);
    // The cancellation takes effect at the first moment of December, and is of that month.
    assert_eq!(of("2025-11-01"), [(0, 0, 3, 15_000), (2, 14_000, 3, 15_000), (1, 1_000, 3, 15_000)]);
    assert_eq!(of("2025-12-01"), [(0, 0, 2, 10_000), (1, 9_000, 2, 10_000), (1, 1_000, 2, 10_000)]);
}

/// known-answers 15.
#[test]
fn the_first_expansion_is_rapid_or_gradual() {
    assert_eq!(Speed::of_days(60), Speed::Rapid);
    assert_eq!(Speed::of_days((date("2026-04-01") - date("2025-01-01")).num_days()), Speed::Gradual);
    // 40 accounts that never expand, 30 that do on day 60, 30 in month 15.
    let first = date("2024-01-01");
    let accounts: Vec<Vec<SubscriptionFact>> = (0..100)
        .map(|account| {
            let later = match account {
                0..40 => None,
                40..70 => first.checked_add_days(Days::new(60)),
                _ => first.checked_add_months(Months::new(15)),
            };
            let begins = row(Instant::start_of(first), 100.0, Some(account % 2), None);
            let expands = later.map(|day| row(Instant::start_of(day), 150.0, Some(account % 2), None));
            [begins].into_iter().chain(expands).collect()
        })
        .collect();
    let (facts, timelines) = business(&accounts);
    let rows = expansions(&facts, &timelines, date(AS_OF), SizeCutOffs::default());
    let all = &rows[0];
    assert_eq!((all.by, all.accounts, all.expanded_accounts, all.rapid_accounts), ("all", 100, 60, 30));
    assert_eq!(all.expanded.value, 0.60);
    assert_eq!(all.expanded_in_first_year.unwrap().value, 0.30, "day 456 is of the second year");
    assert_eq!((all.first_size, all.rises_over_first.unwrap().value), (Some(0.5), 0.30));
    assert_eq!(all.days_to_first.unwrap()[0], 60.0);
    let groups: Vec<(&str, &str, u64)> = rows.iter().map(|row| (row.by, row.group.as_str(), row.accounts)).collect();
    let expected = [
        ("all", "all", 100),
        ("plan", "a", 50),
        ("plan", "b", 50),
        ("size", "small", 100),
        ("quarter", "2024-01-01", 100),
    ];
    assert_eq!(groups, expected);
}

/// known-answers 19, of the whole base: only accounts that still pay are in a run.
#[test]
fn runs_of_contractions_end_with_an_expansion_or_the_account() {
    let timeline = |amounts: &[f64]| {
        let rows: Vec<SubscriptionFact> = amounts
            .iter()
            .enumerate()
            .map(|(place, mrr)| row(moment("2025-01-01").plus_days(30 * place as i64), *mrr, None, None))
            .collect();
        Timeline::new(&rows, moment(AS_OF), 0)
    };
    let run = |amounts: &[f64]| Growth::of(&timeline(amounts)).unwrap().contraction_run;
    assert_eq!(run(&[40.0, 30.0, 20.0, 10.0]), 3);
    assert_eq!(run(&[40.0, 30.0, 35.0, 10.0]), 1);
    assert_eq!(run(&[40.0, 30.0, 20.0, 0.0]), 0);
    assert_eq!(Growth::of(&timeline(&[0.0])), None);
}

fn term(day: &str, mrr: f64, renews: &str) -> SubscriptionFact {
    SubscriptionFact {
        renews_at: Some(moment(renews)),
        billing_period: Some(BillingPeriod::Annual),
        ..row(moment(day), mrr, Some(0), Some(10.0))
    }
}

fn renewals(rows: &[SubscriptionFact], items: &[ItemFact]) -> Vec<(String, RenewalOutcome, i64, i64)> {
    let mut found = Vec::new();
    each_renewal(rows, items, moment(AS_OF), 14, |one: Renewal| {
        found.push((one.at.date().unwrap().to_string(), one.outcome, one.before.0 / 100, one.after.0 / 100));
    });
    found
}

#[test]
fn every_renewal_has_its_outcome() {
    let first = term("2024-03-01", 100.0, "2025-03-01");
    let told = |rows: &[SubscriptionFact]| renewals(rows, &[]);
    let day = |day: &str, outcome: RenewalOutcome, before: i64, after: i64| (day.to_owned(), outcome, before, after);
    let one = |outcome: RenewalOutcome, after: i64| vec![day("2025-03-01", outcome, 100, after)];
    let next = |mrr: f64| term("2025-03-01", mrr, "2026-03-01");
    assert_eq!(told(&[first]), one(RenewalOutcome::Same, 100), "a day that passes in silence");
    assert_eq!(told(&[first, next(100.0)]), one(RenewalOutcome::Same, 100));
    assert_eq!(told(&[first, next(120.0)]), one(RenewalOutcome::Expanded, 120));
    assert_eq!(told(&[first, SubscriptionFact { plan: Some(1), ..next(80.0) }]), one(RenewalOutcome::CheaperPlan, 80));
    assert_eq!(
        told(&[first, SubscriptionFact { seats: Some(8.0), ..next(80.0) }]),
        one(RenewalOutcome::SeatsTrimmed, 80)
    );
    assert_eq!(told(&[first, next(80.0)]), one(RenewalOutcome::LowerPrice, 80));
    let monthly =
        SubscriptionFact { billing_period: Some(BillingPeriod::Monthly), ..term("2025-03-01", 110.0, "2025-12-20") };
    let after = day("2025-12-20", RenewalOutcome::Same, 110, 110);
    assert_eq!(told(&[first, monthly]), [one(RenewalOutcome::ToMonthly, 110), vec![after]].concat());
    assert_eq!(told(&[first, next(0.0)]), one(RenewalOutcome::Lost, 0));
    let back = |day: &str| term(day, 90.0, "2026-03-01");
    assert_eq!(told(&[first, next(0.0), back("2025-03-10")]), one(RenewalOutcome::Late, 90));
    assert_eq!(told(&[first, next(0.0), back("2025-03-15")]), one(RenewalOutcome::Lost, 0), "the grace period is over");
    // Changes in the middle of a term are no renewals; an early renewal is one.
    assert_eq!(
        told(&[first, term("2024-08-01", 70.0, "2025-03-01")]),
        vec![day("2025-03-01", RenewalOutcome::Same, 70, 70)]
    );
    let early = term("2025-01-10", 130.0, "2026-01-10");
    assert_eq!(told(&[first, early]), vec![day("2025-01-10", RenewalOutcome::Expanded, 100, 130)]);
    // Nobody knows yet whether it comes back.
    let late = term("2025-01-01", 100.0, "2025-12-25");
    assert_eq!(
        told(&[late, term("2025-12-25", 0.0, "2025-12-25")]),
        vec![day("2025-12-25", RenewalOutcome::Undecided, 100, 0)]
    );
    // What is known after as_of has not happened.
    let unknown = SubscriptionFact { known_at: moment(AS_OF), ..next(0.0) };
    assert_eq!(told(&[first, unknown]), one(RenewalOutcome::Same, 100));
    // A term that went on in silence ends a year later, not at the day that was written.
    let old = term("2023-03-01", 100.0, "2024-03-01");
    let both =
        [day("2024-03-01", RenewalOutcome::Same, 100, 100), day("2025-03-01", RenewalOutcome::LowerPrice, 100, 60)];
    assert_eq!(told(&[old, next(60.0)]), both);
    assert_eq!(told(&[row(moment("2025-01-01"), 5.0, None, None)]), [], "no renewal day, nothing told");
}

#[test]
fn a_dropped_module_is_told_from_a_lower_price() {
    let item = |item: u32, day: &str, mrr: f64, known: &str| ItemFact {
        item,
        effective_at: moment(day),
        known_at: moment(known),
        mrr,
    };
    let rows = [term("2024-03-01", 100.0, "2025-03-01"), term("2025-03-01", 80.0, "2026-03-01")];
    let outcome = |items: &[ItemFact]| renewals(&rows, items)[0].1;
    let held = item(1, "2024-03-01", 20.0, "2024-03-01");
    assert_eq!(outcome(&[held, item(1, "2025-03-01", 0.0, "2025-03-01")]), RenewalOutcome::ModuleDropped);
    assert_eq!(outcome(&[held, item(1, "2025-03-01", 0.0, AS_OF)]), RenewalOutcome::LowerPrice, "not known");
    assert_eq!(outcome(&[held, item(1, "2025-03-02", 0.0, "2025-03-02")]), RenewalOutcome::LowerPrice, "another day");
    assert_eq!(outcome(&[held, item(2, "2025-03-01", 5.0, "2025-03-01")]), RenewalOutcome::LowerPrice, "one more");
}

#[test]
fn renewals_are_counted_by_period_and_outcome() {
    let first = term("2024-03-01", 100.0, "2025-03-01");
    let (facts, _) = business(&[
        vec![first, term("2025-03-01", 150.0, "2026-03-01")],
        vec![first, term("2025-03-01", 0.0, "2025-03-01")],
        vec![first],
        vec![term("2025-12-01", 10.0, "2025-12-28"), term("2025-12-28", 0.0, "2025-12-28")],
        // Of the year before the last.
        vec![term("2023-12-01", 10.0, "2024-12-31"), term("2024-12-31", 20.0, "2026-12-31")],
    ]);
    let rows = renewal_quality(&facts, date(AS_OF), 14);
    let found: Vec<(&str, u64, i64, i64)> =
        rows.iter().map(|row| (row.outcome.name(), row.renewals, row.before.0, row.after.0)).collect();
    let expected = [
        ("renewed_same", 1, 10_000, 10_000),
        ("expanded", 1, 10_000, 15_000),
        ("lost", 1, 10_000, 0),
        ("undecided", 1, 1_000, 0),
    ];
    assert_eq!(found, expected);
    assert!((rows[2].share.unwrap() - 1.0 / 3.0).abs() < 1e-12 && rows[3].share.is_none());
}

#[test]
fn plans_are_moved_between() {
    let on = |day: &str, mrr: f64, plan: u32| row(moment(day), mrr, Some(plan), None);
    let (facts, timelines) = business(&[
        vec![on("2024-01-01", 10.0, 0), on("2025-05-01", 30.0, 1)],
        vec![on("2024-01-01", 10.0, 0)],
        vec![on("2024-01-01", 30.0, 1), on("2025-05-01", 0.0, 1)],
        vec![on("2025-05-01", 20.0, 0)],
        vec![row(moment("2024-01-01"), 5.0, None, None), on("2025-05-01", 4.0, 0)],
    ]);
    let rows = plan_moves(&facts, &timelines, date(AS_OF));
    let found: Vec<(&str, &str, u64, i64, i64)> = rows
        .iter()
        .map(|row| (row.from_plan.as_str(), row.to_plan.as_str(), row.accounts, row.opening.0, row.closing.0))
        .collect();
    let expected = [
        ("a", "a", 1, 1_000, 1_000),
        ("a", "b", 1, 1_000, 3_000),
        ("b", "(not paying)", 1, 3_000, 0),
        ("(not known)", "a", 1, 500, 400),
        ("(not paying)", "a", 1, 0, 2_000),
    ];
    assert_eq!(found, expected);
    assert_eq!(rows[0].share.unwrap().value, 0.5);
    assert_eq!(rows[4].share, None);
    assert_eq!((rows[1].paying_more, rows[3].paying_less), (1, 1));
}

/// known-answers 14, of cohorts.
#[test]
fn the_curve_of_each_quarter_has_a_shape() {
    let world = |left: &dyn Fn(u32) -> u32| {
        let mut accounts = Vec::new();
        for month in 0..6_u32 {
            let first = date("2024-01-15").checked_add_months(Months::new(month)).unwrap();
            for account in 0..120_u32 {
                let mut rows = vec![row(Instant::start_of(first), 10.0, None, None)];
                let age = (1..=24).find(|age| account < left(*age));
                let gone = age.and_then(|age| first.checked_add_months(Months::new(age)));
                rows.extend(gone.map(|day| row(Instant::start_of(day), 0.0, None, None)));
                accounts.push(rows);
            }
        }
        let (_, timelines) = business(&accounts);
        curves(&cohorts(&timelines, date(AS_OF), CohortSpan::Quarter))
    };
    // 40 % lost by month 3, then flat.
    let onboarding = world(&|age| 16 * age.min(3));
    assert_eq!(
        onboarding.iter().map(|one| one.cohort).collect::<Vec<_>>(),
        [None, Some(date("2024-01-01")), Some(date("2024-04-01"))]
    );
    assert!(onboarding.iter().all(|one| one.shape == CurveShape::Onboarding), "{onboarding:?}");
    // 4.17 % lost every month.
    let sustained = world(&|age| (120.0 * (1.0 - (1.0_f64 - 0.0417).powi(age as i32))).round() as u32);
    assert!(sustained.iter().all(|one| one.shape == CurveShape::Sustained), "{sustained:?}");
    assert!((sustained[0].early.value - 0.0417).abs() < 0.003 && sustained[0].early.low < 0.0417);
    assert!((sustained[0].late.value - 0.0417).abs() < 0.003, "{:?}", sustained[0]);
}

/// Rows of an account: day, amount, plan, seats.
type Rows = Vec<(i64, f64, Option<u32>, Option<f64>)>;

/// The day that random days are counted from.
const FIRST: &str = "2024-01-15";

/// Random rows; half of the amounts are 0.
fn account() -> impl Strategy<Value = Rows> {
    let amount = prop_oneof![Just(0.0), (1_u32..500_000).prop_map(|cents| f64::from(cents) / 100.0)];
    let plan = prop_oneof![Just(None), (0_u32..3).prop_map(Some)];
    let seats = prop_oneof![9 => (1_u32..40).prop_map(|seats| Some(f64::from(seats) / 2.0)), 1 => Just(None)];
    proptest::collection::btree_map(0_i64..700, (amount, plan, seats), 0..8)
        .prop_map(|rows| rows.into_iter().map(|(day, (mrr, plan, seats))| (day, mrr, plan, seats)).collect())
}

/// What the accounts pay just before a day, by looking at every row: MRR in cents, accounts and half seats by plan.
fn paid(world: &[Rows], day: i64) -> BTreeMap<Option<u32>, (i64, i64, Option<i64>)> {
    let mut found: BTreeMap<Option<u32>, (i64, i64, Option<i64>)> = BTreeMap::new();
    for rows in world {
        let Some((_, mrr, plan, seats)) = rows.iter().rev().find(|row| row.0 < day) else { continue };
        if *mrr > 0.0 {
            let sum = found.entry(*plan).or_insert((0, 0, Some(0)));
            sum.0 += (mrr * 100.0).round() as i64;
            sum.1 += 1;
            sum.2 = sum.2.zip(*seats).map(|(sum, seats)| sum + (2.0 * seats) as i64);
        }
    }
    found
}

/// Volume, mix and price in floating point, by the formulas of the module in the other order.
fn slow(
    before: &BTreeMap<Option<u32>, (i64, i64, Option<i64>)>,
    after: &BTreeMap<Option<u32>, (i64, i64, Option<i64>)>,
    unit: VolumeUnit,
) -> Option<[f64; 3]> {
    let of = |levels: &BTreeMap<Option<u32>, (i64, i64, Option<i64>)>, plan: &Option<u32>| -> Option<(f64, f64)> {
        let Some((mrr, accounts, seats)) = levels.get(plan) else { return Some((0.0, 0.0)) };
        let units = if unit == VolumeUnit::Accounts { *accounts as f64 } else { (*seats)? as f64 / 2.0 };
        Some((*mrr as f64, units))
    };
    let plans: Vec<Option<u32>> =
        before.keys().chain(after.keys()).copied().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let pairs: Vec<((f64, f64), (f64, f64))> =
        plans.iter().map(|plan| Some((of(before, plan)?, of(after, plan)?))).collect::<Option<_>>()?;
    let sum = |of: &dyn Fn(&((f64, f64), (f64, f64))) -> f64| pairs.iter().map(of).sum::<f64>();
    let (q0, q1) = (sum(&|pair| pair.0.1), sum(&|pair| pair.1.1));
    let (r0, r1) = (sum(&|pair| pair.0.0), sum(&|pair| pair.1.0));
    if q0 == 0.0 {
        return Some([r1 - r0, 0.0, 0.0]);
    }
    // A plan without a price before has the price after.
    let price_before = |pair: &((f64, f64), (f64, f64))| match pair {
        ((mrr, units), _) if *units > 0.0 => mrr / units,
        (_, (mrr, units)) if *units > 0.0 => mrr / units,
        _ => 0.0,
    };
    let price_after = |pair: &((f64, f64), (f64, f64))| if pair.1.1 > 0.0 { pair.1.0 / pair.1.1 } else { 0.0 };
    let mix = sum(&|pair| (pair.1.1 - q1 * pair.0.1 / q0) * price_before(pair));
    let price = sum(&|pair| pair.1.1 * (price_after(pair) - price_before(pair)));
    Some([(q1 - q0) * r0 / q0, mix, price])
}

/// The random rows as a business whose days begin at 2024-01-15.
fn random_business(world: &[Rows]) -> (Facts, Vec<Timeline>) {
    let of = |(day, mrr, plan, seats): &(i64, f64, Option<u32>, Option<f64>)| {
        row(moment(FIRST).plus_days(*day), *mrr, *plan, *seats)
    };
    let accounts: Vec<Vec<SubscriptionFact>> = world.iter().map(|rows| rows.iter().map(of).collect()).collect();
    business(&accounts)
}

/// What accounts that stayed on their plan pay at another price, account by account.
fn repriced(timelines: &[Timeline], row: &PriceVolumeMix) -> i64 {
    let of_account = |timeline: &Timeline| {
        let at = |date: NaiveDate| timeline.before(Instant::start_of(date)).filter(|one| one.mrr > Cents::ZERO);
        let (Some(then), Some(now)) = (at(row.from), at(row.until)) else { return 0 };
        if then.plan.is_none() || then.plan != now.plan {
            return 0;
        }
        let scale = if row.unit == VolumeUnit::Accounts { 1.0 } else { now.seats.unwrap() / then.seats.unwrap() };
        now.mrr.0 - (then.mrr.0 as f64 * scale).round() as i64
    };
    timelines.iter().map(of_account).sum()
}

/// Accounts, kept accounts, opening and closing of a cohort at an age, account by account.
fn followed(timelines: &[Timeline], from: NaiveDate, months: u32, age: u32) -> (u64, u64, Cents, Cents) {
    let end = from.checked_add_months(Months::new(months)).unwrap();
    let of_account = |timeline: &Timeline| {
        let begun = timeline.first_paid()?.date()?.with_day(1)?;
        let at = |age: u32| {
            let day = begun.checked_add_months(Months::new(age + 1)).unwrap();
            timeline.mrr_before(Instant::start_of(day))
        };
        (begun >= from && begun < end).then(|| (at(0), at(age)))
    };
    let amounts: Vec<(Cents, Cents)> = timelines.iter().filter_map(of_account).collect();
    let kept = amounts.iter().filter(|(_, closing)| *closing > Cents::ZERO).count() as u64;
    let sum = |of: fn(&(Cents, Cents)) -> Cents| amounts.iter().map(of).sum();
    (amounts.len() as u64, kept, sum(|pair| pair.0), sum(|pair| pair.1))
}

proptest! {
    #[test]
    fn the_parts_add_up_to_the_cent_and_equal_the_slow_twin(world in proptest::collection::vec(account(), 1..10)) {
        let (facts, timelines) = random_business(&world);
        let (rows, movements) = taken_apart(&facts, &timelines);
        let day = |day: NaiveDate| (day - date(FIRST)).num_days();
        for row in &rows {
            prop_assert_eq!(row.opening.0 + row.price.0 + row.volume.0 + row.mix.0, row.closing.0);
            let expected = slow(&paid(&world, day(row.from)), &paid(&world, day(row.until)), row.unit).unwrap();
            let found = [row.volume, row.mix, row.price].map(|part| part.0 as f64);
            for (found, expected) in found.iter().zip(expected) {
                prop_assert!((found - expected).abs() <= 4.0, "{:?} {:?}", row, expected);
            }
            prop_assert!((repriced(&timelines, row) - row.repriced.0).abs() <= timelines.len() as i64);
        }
        // The months are those of the movements.
        let months: Vec<&PriceVolumeMix> =
            rows.iter().filter(|row| row.span == Span::Month && row.unit == VolumeUnit::Accounts).collect();
        prop_assert_eq!(months.len(), movements.len());
        for (month, movement) in months.iter().zip(&movements) {
            let found = (month.from, month.opening, month.closing, month.closing_units);
            let accounts = movement.closing.accounts as f64;
            prop_assert_eq!(found, (movement.month, movement.opening.mrr, movement.closing.mrr, accounts));
        }
    }

    #[test]
    fn every_table_adds_up_to_the_movements(world in proptest::collection::vec(account(), 1..10)) {
        let (facts, timelines) = random_business(&world);
        let (rows, movements) = taken_apart(&facts, &timelines);
        let levels = levels(&facts, &timelines, &movements, date(AS_OF));
        for (rows, movement) in billing_shares(&levels, &movements, date(AS_OF)).chunks(3).zip(&movements) {
            prop_assert_eq!(rows.iter().map(|row| row.mrr).sum::<Cents>(), movement.closing.mrr);
            prop_assert!(rows.iter().all(|row| row.all_accounts == movement.closing.accounts));
        }
        let moves = plan_moves(&facts, &timelines, date(AS_OF));
        let year = Retention::trailing_year(&timelines, date(AS_OF));
        prop_assert_eq!(moves.iter().map(|one| one.opening).sum::<Cents>(), year.opening);
        let closing = movements.last().map_or(Cents::ZERO, |month| month.closing.mrr);
        prop_assert_eq!(moves.iter().map(|one| one.closing).sum::<Cents>(), closing);
        let kept = moves.iter().filter(|one| one.from_plan != "(not paying)" && one.to_plan != "(not paying)");
        prop_assert_eq!(kept.map(|one| one.accounts).sum::<u64>(), year.kept_accounts);
        for (span, months) in [(CohortSpan::Month, 1), (CohortSpan::Quarter, 3)] {
            for one in cohorts(&timelines, date(AS_OF), span) {
                let found = (one.accounts, one.kept_accounts, one.opening, one.closing);
                prop_assert_eq!(found, followed(&timelines, one.cohort, months, one.age_months));
            }
        }
        let spans: Vec<(NaiveDate, NaiveDate)> = rows.iter().map(|row| (row.from, row.until)).collect();
        let each: Vec<Retention> =
            spans.iter().map(|(from, until)| Retention::between(&timelines, *from, *until)).collect();
        prop_assert_eq!(Retention::of_spans(&timelines, &spans), each);
        for movement in &movements {
            let until = movement.month.checked_add_months(Months::new(1)).unwrap().min(date(AS_OF));
            prop_assert_eq!(Retention::of_month(movement), Retention::between(&timelines, movement.month, until));
        }
    }
}
