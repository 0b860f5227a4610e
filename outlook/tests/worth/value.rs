//! Lifetime value, payback, and time to value.

use bellwether_features::facts::{SpendFact, UsageFact};
use bellwether_features::time::Instant;
use bellwether_outlook::money::Cents;
use bellwether_outlook::timelines;
use bellwether_outlook::value::groups::{ValueBy, ValueRow, value_rows};
use bellwether_outlook::value::lifetime::{HORIZON_MONTHS, Hazards, LEAST_AT_RISK, LifeSeen, lifetime};
use chrono::Months;
use proptest::prelude::*;

use crate::world::{ACCOUNTS, World, date, dates, moment, own_row, subscription, worlds};

/// Pays `months` months of those seen, at so much.
fn life(months: usize, seen: usize, mrr: i64, serve: i64) -> LifeSeen {
    let last_year = seen.saturating_sub(12)..seen;
    let paid = last_year.filter(|month| *month < months).count() as u64;
    LifeSeen {
        pays: (0..seen).map(|month| month < months).collect(),
        revenue: Cents(mrr * paid as i64),
        paid_months: paid,
        serve_cost: Cents(serve * paid as i64),
    }
}

/// Half of those who pay stop every month: 2 (1 - 2^-60) months are expected.
#[test]
fn a_constant_hazard_has_its_expected_lifetime() {
    let mut lives = Vec::new();
    let mut left = 1_024;
    for age in 1..=6_usize {
        left /= 2;
        lives.extend((0..left).map(|_| life(age, 7, 10_000, 2_500)));
    }
    lives.extend((0..left).map(|_| life(7, 7, 10_000, 2_500)));
    let group: Vec<&LifeSeen> = lives.iter().collect();
    let found = lifetime(&group, &Hazards::of(lives.iter())).unwrap();
    let expected = 2.0 * (1.0 - 0.5_f64.powi(HORIZON_MONTHS as i32));
    assert!((found.months.value - expected).abs() < 1e-12, "{found:?}");
    assert_eq!((found.monthly_revenue, found.monthly_serve_cost), (100.0, 25.0));
    assert!(
        (found.revenue.value - 100.0 * expected).abs() < 1e-9 && (found.value.value - 75.0 * expected).abs() < 1e-9
    );
    assert!(found.value.low < found.value.value && found.value.high > found.value.value);
}

#[test]
fn nobody_leaves_within_the_horizon_is_the_horizon() {
    let lives: Vec<LifeSeen> = (0..40).map(|_| life(20, 20, 5_000, 0)).collect();
    let group: Vec<&LifeSeen> = lives.iter().collect();
    let found = lifetime(&group, &Hazards::of(lives.iter())).unwrap();
    assert_eq!((found.months.value, found.revenue.value), (60.0, 3_000.0));
    // Too few for any hazard; and a group that paid nothing of late.
    assert_eq!(lifetime(&group[..29], &Hazards::of(lives[..29].iter())), None);
    let gone = life(2, 20, 5_000, 0);
    assert_eq!(lifetime(&[&gone], &Hazards::of(lives.iter())), None);
}

struct Draw(u64);

impl Draw {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1_u32 << 31)
    }
}

/// Accounts of two prices; the dear ones stay longer, some come back, and they began at different times.
fn lives(draw: &mut Draw, count: usize) -> Vec<LifeSeen> {
    let one = |draw: &mut Draw| {
        let dear = draw.uniform() < 0.3;
        let (hazard, mrr) = if dear { (0.03, 30_000) } else { (0.08, 8_000) };
        let seen = 6 + (draw.uniform() * 30.0) as usize;
        let mut paying = true;
        let pays: Vec<bool> = (0..seen)
            .map(|age| {
                if age > 0 {
                    paying = if paying { draw.uniform() >= hazard } else { draw.uniform() < 0.02 };
                }
                paying
            })
            .collect();
        let paid = pays[seen.saturating_sub(12)..].iter().filter(|pays| **pays).count() as u64;
        let serve = Cents((draw.uniform() * 3_000.0) as i64 * paid as i64);
        LifeSeen { pays, revenue: Cents(mrr * paid as i64), paid_months: paid, serve_cost: serve }
    };
    (0..count).map(|_| one(draw)).collect()
}

/// Value of a group in a base, by looking at every account for every age.
fn twin(group: &[&LifeSeen], base: &[&LifeSeen]) -> f64 {
    let count = |lives: &[&LifeSeen], age: usize| {
        let at_risk: Vec<_> = lives.iter().filter(|one| one.pays.len() > age + 1 && one.pays[age]).collect();
        (at_risk.len() as f64, at_risk.iter().filter(|one| !one.pays[age + 1]).count() as f64)
    };
    let enough: Vec<usize> = (0..HORIZON_MONTHS).filter(|age| count(base, *age).0 >= LEAST_AT_RISK as f64).collect();
    let last = &enough[enough.len().saturating_sub(12)..];
    let tail: (f64, f64) = last.iter().map(|age| count(base, *age)).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    let (mut alive, mut months) = (1.0, 0.0);
    for age in 0..HORIZON_MONTHS {
        months += alive;
        let (own, all) = (count(group, age), count(base, age));
        let used = if own.0 >= 30.0 {
            own
        } else if all.0 >= 30.0 {
            all
        } else {
            tail
        };
        alive *= 1.0 - used.1 / used.0;
    }
    let paid: u64 = group.iter().map(|one| one.paid_months).sum();
    let margin: i64 = group.iter().map(|one| one.revenue.0 - one.serve_cost.0).sum();
    margin as f64 / 100.0 / paid as f64 * months
}

#[test]
fn the_value_is_that_of_a_look_at_every_account() {
    let mut draw = Draw(3);
    for _ in 0..40 {
        let all = lives(&mut draw, 150);
        let base: Vec<&LifeSeen> = all.iter().collect();
        for size in [15, 60, 150] {
            let group = &base[..size];
            let found = lifetime(group, &Hazards::of(all.iter())).unwrap();
            let expected = twin(group, &base);
            assert!((found.value.value / expected - 1.0).abs() < 1e-9, "{size}: {found:?} {expected}");
        }
    }
}

/// The interval against one from resampled accounts: base and group are drawn again together.
#[test]
fn the_interval_is_that_of_resampled_accounts() {
    let mut draw = Draw(11);
    for size in [400, 120] {
        let all = lives(&mut draw, 400);
        let group: Vec<&LifeSeen> = all.iter().take(size).collect();
        let found = lifetime(&group, &Hazards::of(all.iter())).unwrap();
        let values: Vec<f64> = (0..600)
            .map(|_| {
                // Members of the group and the others are resampled apart, so that the group keeps its size.
                let pick = |from: usize, until: usize, draw: &mut Draw| {
                    let place = from + (draw.uniform() * (until - from) as f64) as usize;
                    all[place.min(until - 1)].clone()
                };
                let own: Vec<LifeSeen> = (0..size).map(|_| pick(0, size, &mut draw)).collect();
                let others: Vec<LifeSeen> = (size..400).map(|_| pick(size, 400, &mut draw)).collect();
                let group: Vec<&LifeSeen> = own.iter().collect();
                let base: Vec<&LifeSeen> = own.iter().chain(&others).collect();
                twin(&group, &base)
            })
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let deviation = (values.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt();
        let ratio = (found.value.high - found.value.value) / (1.959_963_984_540_054 * deviation);
        assert!((0.8..1.25).contains(&ratio), "{size}: half-width over that of resampling: {ratio}");
    }
}

/// Twelve accounts that pay 100 a month from January 2024 and cost 1,200 each.
fn twelve(serve: f64) -> World {
    let start = moment("2024-01-01");
    let mut world = World::default();
    for account in 0..12_u32 {
        world.own.push((account, own_row(start, Some(start), 1, None)));
        world.subscriptions.push((account, subscription(start, start, 100.0)));
        let row =
            |at: Instant, acquisition_cost, serve_cost| SpendFact { at, known_at: at, acquisition_cost, serve_cost };
        world.spend.push((account, row(start, Some(1_200.0), None)));
        for month in 0..24 {
            let at = Instant::start_of(date("2024-01-15") + Months::new(month));
            world.spend.push((account, row(at, None, Some(serve))));
        }
    }
    world
}

fn rows(world: &World, accounts: usize, as_of: &str) -> Vec<ValueRow> {
    let facts = world.facts(accounts);
    let timelines = timelines(&facts, date(as_of), 14);
    value_rows(&facts, &timelines, date(as_of), &["export".to_owned()])
}

/// known-answers 5: a cost of 1,200 at 100 a month is paid back in month 12; at 80 in month 15.
#[test]
fn payback_is_told_of_mean_margins() {
    let base = |serve: f64, as_of: &str| {
        let found = rows(&twelve(serve), 12, as_of);
        assert_eq!(found[0].by, ValueBy::Base);
        found[0].clone()
    };
    let found = base(0.0, "2026-01-01");
    assert_eq!(
        (found.payback_month, found.acquisition_cost, found.costed_accounts),
        (Some(12), Some(Cents(120_000)), 12)
    );
    assert_eq!(base(20.0, "2026-01-01").payback_month, Some(15));
    assert_eq!(base(0.0, "2024-12-31").payback_month, None, "the twelfth month is not over");
    assert_eq!(base(0.0, "2025-01-01").payback_month, Some(12));
    // Half of them leave after six months: twelve of them bring 1,200 less in the second half year.
    let mut world = twelve(0.0);
    for account in 0..6 {
        world.subscriptions.push((account, subscription(moment("2024-07-01"), moment("2024-07-01"), 0.0)));
    }
    // 600 by June, then 50 a month.
    assert_eq!(rows(&world, 12, "2026-01-01")[0].payback_month, Some(18));
}

#[test]
fn groups_are_told_with_those_that_are_not_there_yet() {
    let mut world = twelve(0.0);
    let use_of =
        |day: &str, feature| UsageFact { at: moment(day), known_at: moment(day), user: None, feature, quantity: 1.0 };
    // Use is on record from 2024-01-01 on; three accounts export on days 4, 9 and 30, nine never do.
    world.usage.push((0, use_of("2024-01-01", 0)));
    for (account, day) in [(0, "2024-01-05"), (0, "2024-01-08"), (1, "2024-01-10"), (2, "2024-01-31")] {
        world.usage.push((account, use_of(day, 1)));
    }
    let found = rows(&world, 12, "2025-01-01");
    let told: Vec<_> = found.iter().map(|row| (row.by.name(), row.group.as_str(), row.accounts)).collect();
    let expected =
        [("base", "all", 12), ("segment", "small", 12), ("channel", "(not known)", 12), ("cohort", "2024-01-01", 12)];
    assert_eq!(told, expected);
    assert_eq!((found[0].timed_accounts, found[0].reached_accounts), (12, 3));
    assert_eq!(found[0].days_to_value, [Some(30), None, None]);
    assert_eq!(found[0].lifetime, None, "twelve accounts tell of no hazard");
    // Where use begins on a later day than the sign-up, an earlier moment may be unseen.
    world.usage.remove(0);
    assert_eq!(rows(&world, 12, "2025-01-01")[0].timed_accounts, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_the_future_counts(world in worlds(), as_of in dates()) {
        let of = |world: &World| format!("{:?}", rows(world, ACCOUNTS, &as_of.to_string()));
        let past = world.past(Instant::start_of(as_of));
        prop_assert_eq!(of(&world), of(&past));
    }
}
