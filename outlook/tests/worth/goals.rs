//! Goals against what was reached.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_features::facts::{Facts, GoalFact, GoalMetric, UsageFact};
use bellwether_features::time::Instant;
use bellwether_outlook::goal::{GoalState, GoalSum, goals};
use bellwether_outlook::timelines;
use chrono::NaiveDate;
use proptest::prelude::*;

use crate::world::{ACCOUNTS, HOUR, World, date, dates, moment, own_row, subscription, worlds};

fn states(facts: &Facts, as_of: NaiveDate) -> Vec<GoalState> {
    let workflows = BTreeMap::from([("publish".to_owned(), "export".to_owned())]);
    goals(facts, &timelines(facts, as_of, 0), as_of, &workflows)
}

fn goal(account: Option<u32>, owner: Option<u32>, metric: GoalMetric, use_case: Option<u32>, target: f64) -> GoalFact {
    let (from, until) = (moment("2025-01-01"), moment("2025-04-11"));
    GoalFact { account, owner, metric, use_case, target, from, until, known_at: from }
}

fn used(day: &str, feature: u32, user: Option<u32>, quantity: f64) -> UsageFact {
    UsageFact { at: moment(day), known_at: moment(day), user, feature, quantity }
}

/// A period of 100 days, looked at after 40: 40 % is due.
#[test]
fn what_is_due_is_pro_rata_and_leaks_and_overage_are_told() {
    let start = moment("2024-06-01");
    let uses = [("2024-12-31", 99.0), ("2025-01-01", 10.0), ("2025-02-09", 29.0), ("2025-02-10", 99.0)];
    let world = World {
        own: vec![(0, own_row(start, Some(start), 1, Some(0))), (1, own_row(start, Some(start), 1, Some(0)))],
        usage: uses.iter().map(|(day, quantity)| (0, used(day, 0, None, *quantity))).collect(),
        goals: vec![
            goal(Some(0), None, GoalMetric::Usage, None, 100.0),
            goal(Some(1), None, GoalMetric::Usage, None, 100.0),
            goal(None, Some(0), GoalMetric::Usage, None, 30.0),
        ],
        ..World::default()
    };
    let facts = world.facts(2);
    let found = states(&facts, date("2025-02-10"));
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.reached.unwrap().amount, one.due, one.on_track(), one.leak(), one.overage()))
        .collect();
    let expected = [
        (39.0, 12.0, Some(true), Some(0.0), Some(9.0)),
        (39.0, 40.0, Some(false), Some(1.0), Some(0.0)),
        (0.0, 40.0, Some(false), Some(40.0), Some(0.0)),
    ];
    assert_eq!(told, expected);
    let sums = GoalSum::by(&found, |state| if state.segment == Some(1) { "small" } else { "?" });
    let sum = sums[&("small", GoalMetric::Usage)];
    assert_eq!((sum.goals, sum.on_track, sum.target, sum.due, sum.reached, sum.leak), (2, 0, 200.0, 80.0, 39.0, 41.0));
    // With one unit more the goal is on track.
    let mut more = world.clone();
    more.usage.push((0, used("2025-02-01", 1, None, 1.0)));
    assert_eq!(states(&more.facts(2), date("2025-02-10"))[1].on_track(), Some(true));
    // Over, and told for 90 days.
    assert!(states(&facts, date("2025-07-10")).iter().all(|one| one.is_over && one.due == one.goal.target));
    assert_eq!(states(&facts, date("2025-07-11")), []);
}

#[test]
fn adoption_counts_users_of_the_last_step_and_revenue_time() {
    let start = moment("2025-01-01");
    let world = World {
        usage: vec![
            (0, used("2025-01-02", 1, Some(0), 1.0)),
            (0, used("2025-01-03", 1, Some(0), 1.0)),
            (0, used("2025-01-04", 1, Some(2), 1.0)),
            (0, used("2025-01-04", 0, Some(1), 1.0)),
        ],
        subscriptions: vec![
            (0, subscription(start, start, 310.0)),
            (0, subscription(moment("2025-01-16"), start, 620.0)),
        ],
        goals: vec![
            goal(Some(0), None, GoalMetric::Adoption, Some(1), 3.0),
            goal(Some(0), None, GoalMetric::Adoption, None, 3.0),
            goal(Some(0), None, GoalMetric::Revenue, None, 9.0),
        ],
        ..World::default()
    };
    let amounts = |facts: &Facts, day: &str| -> Vec<Option<f64>> {
        states(facts, date(day)).iter().map(|one| one.reached.map(|reached| reached.amount)).collect()
    };
    let mut facts = world.facts(1);
    // Features in use without a use case; 15 days at 10.00 and 4 at 20.00.
    assert_eq!(amounts(&facts, "2025-01-20"), [Some(2.0), Some(2.0), Some(230.0)]);
    facts.users.is_there = false;
    assert_eq!(amounts(&facts, "2025-01-20")[1], None, "the goal with a use case comes after the one without");
    facts.subscriptions = None;
    assert_eq!(amounts(&facts, "2025-01-20")[2], None);
}

/// Weeks of 10 and 20 by turns: mean 15 - or nearly, of an odd number - and a hand-made interval.
#[test]
fn consumption_goes_on_as_in_the_last_weeks() {
    let as_of = moment("2025-02-10");
    let week = |back: i64, quantity: f64| UsageFact {
        at: as_of.plus_days(-7 * back),
        ..used("2025-01-01", 0, None, quantity)
    };
    let mut world = World { goals: vec![goal(Some(0), None, GoalMetric::Usage, None, 100.0)], ..World::default() };
    // Four weeks: 10, 20, 10, 20; known when they happen.
    for (back, quantity) in [(4, 10.0), (3, 20.0), (2, 10.0), (1, 20.0)] {
        world.usage.push((0, UsageFact { known_at: as_of.plus_days(-7 * back), ..week(back, quantity) }));
    }
    let forecast = states(&world.facts(1), date("2025-02-10"))[0].reached.unwrap().forecast.unwrap();
    // 60 days are left, 60/7 weeks R; s^2 = 100/3; variance = s^2 (R + R^2 / 4).
    let left = 60.0 / 7.0;
    assert!((forecast.value - (60.0 + left * 15.0)).abs() < 1e-9, "{forecast:?}");
    assert!((forecast.variance.unwrap() - 100.0 / 3.0 * (left + left * left / 4.0)).abs() < 1e-9, "{forecast:?}");
    let (low, high) = forecast.interval(0.0).unwrap();
    assert!((high - low - 2.0 * 3.182_446 * forecast.variance.unwrap().sqrt()).abs() < 1e-9);
    world.usage.remove(0);
    assert_eq!(
        states(&world.facts(1), date("2025-02-10"))[0].reached.unwrap().forecast,
        None,
        "three weeks are too few"
    );
}

/// Of independent weeks the 95 % interval holds the truth about as often as it says.
#[test]
fn the_interval_of_the_forecast_holds_the_truth() {
    let mut state = 7_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let (worlds, from) = (2_000, moment("2025-01-01"));
    let mut held = 0;
    for _ in 0..worlds {
        let quantities: Vec<f64> = (0..26).map(|_| (draw() + draw() + draw()) * 100.0).collect();
        let at = |week: usize| from.plus_days(7 * week as i64);
        let usage = quantities.iter().enumerate().map(|(week, quantity)| {
            (0, UsageFact { at: at(week), known_at: at(week), user: None, feature: 0, quantity: *quantity })
        });
        let target = goal(Some(0), None, GoalMetric::Usage, None, 1.0);
        let world =
            World { usage: usage.collect(), goals: vec![GoalFact { until: at(26), ..target }], ..World::default() };
        let now = at(13).date().unwrap();
        let forecast = states(&world.facts(1), now)[0].reached.unwrap().forecast.unwrap();
        let (low, high) = forecast.interval(0.0).unwrap();
        held += usize::from((low..=high).contains(&quantities.iter().sum()));
    }
    let share = held as f64 / worlds as f64;
    assert!((0.94..0.96).contains(&share), "{share}");
}

/// What accounts reached of a goal, by looking at every row.
fn twin(world: &World, goal: &GoalFact, accounts: &[usize], now: Instant) -> f64 {
    let until = goal.until.min(now);
    let is_of = |feature: u32| goal.use_case.is_none_or(|code| feature == code);
    let uses: Vec<(u32, UsageFact)> = world
        .usage
        .iter()
        .filter(|(account, row)| {
            accounts.contains(&(*account as usize)) && row.known_at < now && (goal.from..until).contains(&row.at)
        })
        .copied()
        .collect();
    match goal.metric {
        GoalMetric::Usage => uses.iter().filter(|(_, row)| is_of(row.feature)).map(|(_, row)| row.quantity).sum(),
        GoalMetric::Adoption => {
            let users = uses.iter().filter(|(_, row)| is_of(row.feature) && row.user.is_some());
            let users: BTreeSet<_> = users.map(|(account, row)| (*account, row.user)).collect();
            let features: BTreeSet<_> = uses.iter().map(|(account, row)| (*account, row.feature)).collect();
            (if goal.use_case.is_some() { users.len() } else { features.len() }) as f64
        }
        GoalMetric::Revenue => {
            let mut sums: BTreeMap<(usize, String), (i64, i64)> = BTreeMap::new();
            let mut hour = moment("2024-01-01");
            while hour < moment("2027-06-01") {
                let month = hour.date().unwrap().format("%Y-%m").to_string();
                for account in accounts {
                    let rows = world.subscriptions.iter().filter(|(of, row)| {
                        *of as usize == *account
                            && row.effective_at <= hour
                            && row.known_at < now
                            && row.effective_at < now
                    });
                    let held = rows.max_by_key(|(_, row)| (row.effective_at, row.known_at));
                    let mrr = held.map_or(0, |(_, row)| (row.mrr * 100.0).round() as i64);
                    let entry = sums.entry((*account, month.clone())).or_default();
                    entry.0 += 1;
                    entry.1 += if (goal.from..until).contains(&hour) { mrr } else { 0 };
                }
                hour = Instant(hour.0 + HOUR);
            }
            sums.values().map(|(length, sum)| (2 * sum + length) / (2 * length)).sum::<i64>() as f64 / 100.0
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_is_reached_is_that_of_a_look_at_every_row(world in worlds(), as_of in dates()) {
        let (facts, now) = (world.facts(ACCOUNTS), Instant::start_of(as_of));
        for state in states(&facts, as_of) {
            let accounts: Vec<usize> = match state.goal.account {
                Some(account) => vec![account as usize],
                None => (0..ACCOUNTS).filter(|account| {
                    let mut rows: Vec<_> = world.own.iter().filter(|(of, row)| *of as usize == *account
                        && row.known_at < now && row.signed_up_at.is_none_or(|at| at < now)).collect();
                    // Of two known at once the one later in the order of the facts: by sign-up, none last.
                    rows.sort_by_key(|(_, row)| (row.known_at, row.signed_up_at.is_none(), row.signed_up_at));
                    rows.last().is_some_and(|(_, row)| row.owner == state.goal.owner)
                }).collect(),
            };
            let expected = twin(&world, &state.goal, &accounts, now);
            prop_assert!((state.reached.unwrap().amount - expected).abs() < 1e-6, "{state:?}: {expected}");
        }
    }

    #[test]
    fn nothing_of_the_future_counts(world in worlds(), as_of in dates()) {
        let past = world.past(Instant::start_of(as_of));
        prop_assert_eq!(states(&world.facts(ACCOUNTS), as_of), states(&past.facts(ACCOUNTS), as_of));
    }
}
