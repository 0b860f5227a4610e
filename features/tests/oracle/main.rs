//! The engine against a slow oracle that shares no code with it, on random small worlds.
//!
//! The oracle looks at every row for every signal, does its own calendar, and is written from the rules in words. The worlds
//! put facts at the very edges of windows, at midnights, late, ahead of time, twice, and corrected.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]
#![allow(clippy::redundant_iter_cloned, reason = "rows are rebuilt from clones field by field")]

mod bought;
mod calendar;
mod crowd;
mod declared;
mod depth;
mod future;
mod known;
mod labels;
mod many;
mod relations;
mod replay;
mod seen;
mod signals;
mod sponsors;
mod usage;
mod world;

use std::collections::BTreeSet;

use bellwether_features::catalog::{Availability, Catalogue};
use bellwether_features::label::{Event, Labels, OutcomeTime, TargetDefinition};
use bellwether_features::matrix::{Column, FeatureMatrix};
use bellwether_features::spine::{ActiveBy, Eligibility, Spine};
use bellwether_features::time::date_from_days;
use bellwether_features::{Facts, FeaturePlan};
use chrono::NaiveDate;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;

use seen::Seen;
use world::{ACCOUNTS, World, as_of_days, settings, worlds};

pub(crate) fn date(day: i64) -> NaiveDate {
    date_from_days(day).unwrap()
}

/// Every account at every date, eligible or not.
pub(crate) fn everyone(days: &[i64]) -> Spine {
    let rows = days.iter().flat_map(|day| (0..ACCOUNTS).map(move |account| (*day, account)));
    Spine {
        accounts: rows.clone().map(|(_, account)| u32::try_from(account).unwrap()).collect(),
        as_of: rows.map(|(day, _)| date(day)).collect(),
        ineligible: vec![0; days.len()],
        dates: days.iter().map(|day| date(*day)).collect(),
    }
}

pub(crate) fn compute(facts: &Facts, spine: &Spine) -> FeatureMatrix {
    let catalogue = Catalogue::new(&Availability::of(facts), &settings());
    FeaturePlan::new(catalogue, Eligibility::default()).compute(facts, spine)
}

/// Equal as 32-bit floats, up to what the order of a sum may change.
fn close(found: f32, expected: Option<f64>) -> bool {
    match expected {
        None => found.is_nan(),
        Some(value) => (f64::from(found) - value).abs() <= 1e-6 * value.abs().max(1e-6),
    }
}

pub(crate) fn check_row(matrix: &FeatureMatrix, row: usize, expected: &signals::Values) -> Result<(), TestCaseError> {
    for (signal, column) in matrix.signals.iter().zip(&matrix.columns) {
        let name = &signal.name;
        match column {
            Column::Numeric(values) => {
                let value = expected.numbers[name];
                prop_assert!(close(values[row], value), "{name}: found {}, expected {value:?}", values[row]);
            }
            Column::Category { levels, codes } => {
                let found = codes[row].map(|code| levels[code as usize].clone());
                prop_assert_eq!(&found, &expected.texts[name], "{}", name);
            }
        }
    }
    Ok(())
}

/// The oracle knows every signal of the catalogue, and no other.
#[test]
fn the_oracle_covers_every_signal() {
    let world = World::default();
    let expected = signals::expected(&Seen::of(&world, 0, as_of_days()[0]));
    let catalogue = Catalogue::new(&Availability::of(&world.facts()), &settings());
    let names: BTreeSet<String> = catalogue.definitions().into_iter().map(|definition| definition.name).collect();
    let known: BTreeSet<String> = expected.numbers.into_keys().chain(expected.texts.into_keys()).collect();
    assert_eq!(names, known);
    assert!(names.len() >= 140);
}

/// What the worlds never vary is not tested: each signal takes several values in them.
#[test]
fn the_worlds_reach_every_signal() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut values: std::collections::BTreeMap<String, BTreeSet<String>> = std::collections::BTreeMap::new();
    for _ in 0..1500 {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        let matrix = compute(&world.facts(), &everyone(&as_of_days()));
        for (signal, column) in matrix.signals.iter().zip(&matrix.columns) {
            let seen = values.entry(signal.name.clone()).or_default();
            match column {
                Column::Numeric(numbers) => {
                    seen.extend(numbers.iter().filter(|value| !value.is_nan()).map(ToString::to_string));
                }
                Column::Category { levels, codes } => {
                    seen.extend(codes.iter().flatten().map(|code| levels[*code as usize].clone()));
                }
            }
        }
    }
    // Of fewer than ten accounts it is never known; crowd.rs reaches it.
    values.remove(crowd::PERCENTILE);
    let few: Vec<&String> = values.iter().filter(|(_, seen)| seen.len() < 2).map(|(name, _)| name).collect();
    // Its second step is a feature that nobody uses.
    let never = ["completed_share_90d", "in_first_30_days", "weeks_share_13w"];
    assert_eq!(few, never.map(|signal| format!("usage_workflow_dead_end_{signal}")).iter().collect::<Vec<_>>());
    let kinds = |name: &str| values[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(kinds("commercial_last_renewal"), ["automatic", "late", "negotiated", "shrunk", "to monthly"]);
    assert_eq!(kinds("commercial_last_contraction"), ["add-on", "plan", "price", "seats"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn features_equal_the_oracle(world in worlds()) {
        let spine = everyone(&as_of_days());
        let matrix = compute(&world.facts(), &spine);
        for (row, (account, as_of)) in spine.accounts.iter().zip(as_of_days().iter().flat_map(|day| [*day; ACCOUNTS])).enumerate() {
            check_row(&matrix, row, &signals::expected(&Seen::of(&world, *account as usize, as_of)))?;
        }
    }

    #[test]
    fn the_spine_equals_the_oracle(
        world in worlds(),
        by_usage in any::<bool>(),
        within in select(vec![0_u32, 1, 14, 90]),
        tenure in select(vec![0_u32, 1, 14, 91]),
    ) {
        let active_by = if by_usage { ActiveBy::Usage } else { ActiveBy::Subscription };
        let eligibility = Eligibility { active_by, within_days: within, min_tenure_days: tenure };
        let dates = as_of_days().map(date);
        let spine = Spine::build(&world.facts(), &eligibility, &[dates[2], dates[0], dates[1], dates[0]]);
        prop_assert_eq!(&spine.dates, &dates.to_vec());
        let mut expected = Spine { dates: dates.to_vec(), ..Spine::default() };
        for day in as_of_days() {
            let mut ineligible = 0;
            for account in 0..ACCOUNTS {
                let seen = Seen::of(&world, account, day);
                if is_eligible(&seen, &eligibility) {
                    expected.accounts.push(u32::try_from(account).unwrap());
                    expected.as_of.push(date(day));
                } else if seen.is_known() {
                    ineligible += 1;
                }
            }
            expected.ineligible.push(ineligible);
        }
        prop_assert_eq!(spine, expected);
    }

    #[test]
    fn labels_equal_the_oracle(world in worlds(), target in targets(), wait in select(vec![0_i64, 13, 14, 20, 60, 74, 90, 104, 400])) {
        let known_before = as_of_days()[1] + wait;
        let spine = everyone(&as_of_days());
        let labels = Labels::compute(&world.facts(), &spine, &target, date(known_before)).unwrap();
        for (row, (account, day)) in spine.accounts.iter().zip(as_of_days().iter().flat_map(|day| [*day; ACCOUNTS])).enumerate() {
            let (value, uplift) = labels::expected(&world, *account as usize, day, &target, known_before);
            prop_assert_eq!(labels.values[row], value, "account {} at {}", account, date(day));
            prop_assert_eq!(labels.uplift[row].is_some(), uplift.is_some());
            prop_assert!(close(labels.uplift[row].unwrap_or(f32::NAN), uplift));
        }
    }
}

pub(crate) fn is_eligible(seen: &Seen<'_>, eligibility: &Eligibility) -> bool {
    let since = seen.now - i64::from(eligibility.within_days) * calendar::DAY;
    let active = match eligibility.active_by {
        ActiveBy::Subscription => seen.subscription().is_some_and(|row| row.mrr > 0.0),
        ActiveBy::Usage => seen.usage.iter().any(|row| row.known >= since),
    };
    let start = seen.start().filter(|start| seen.days_ago(*start) >= i64::from(eligibility.min_tenure_days));
    active && start.is_some()
}

prop_compose! {
    fn targets()(
        kind in 0..5_u8,
        known in any::<bool>(),
        horizon_days in select(vec![7_u32, 14, 60, 90]),
        grace_days in select(vec![0_u32, 1, 14]),
        landing_delay_days in select(vec![0_u32, 6]),
        ratio in select(vec![1.0, 1.05, 1.1, 1.5]),
        min_absolute in select(vec![0.0, 1.0, 10.0]),
    ) -> TargetDefinition {
        let event = match kind {
            0 => Event::SubscriptionEnd,
            1 => Event::Inactivity,
            2 => Event::MrrIncrease { ratio, min_absolute },
            3 => Event::ActiveUsersIncrease { ratio, min_absolute },
            _ => Event::QuantityIncrease { ratio, min_absolute },
        };
        TargetDefinition {
            name: "target".to_owned(),
            event,
            time: if known { OutcomeTime::Known } else { OutcomeTime::Event },
            horizon_days,
            grace_days,
            landing_delay_days,
            text: String::new(),
        }
    }
}
