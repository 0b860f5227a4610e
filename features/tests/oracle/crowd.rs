//! Where accounts stand among others: worlds of many accounts, each compared with each, one pair at a time.

use std::collections::BTreeSet;

use bellwether_features::catalog::{Availability, Catalogue};
use bellwether_features::facts::{Facts, Grouped, Names};
use bellwether_features::matrix::{Column, FeatureMatrix, Population};
use bellwether_features::spine::{ActiveBy, Eligibility, Spine};
use bellwether_features::time::Instant;
use bellwether_features::{FeatureMetadata, FeaturePlan};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;

use crate::calendar::DAY;
use crate::date;
use crate::is_eligible;
use crate::seen::Seen;
use crate::signals::divide;
use crate::usage::{quantity, uses};
use crate::world::{
    ACCOUNTS, PLANS, SubscriptionRow, UsageRow, World, account_fact, accounts, as_of_days, settings, subscription_fact,
    subscriptions, usage, usage_fact,
};

pub(crate) const PERCENTILE: &str = "usage_quantity_per_mrr_plan_percentile_28d";

/// Accounts that are least compared.
const LEAST: usize = 10;

fn eligibility() -> Eligibility {
    Eligibility { active_by: ActiveBy::Usage, within_days: 180, min_tenure_days: 0 }
}

/// Of an account, so that most are active and on a plan: plan, mrr, and which use of late there is of each date.
type Steady = (usize, f64, Vec<(i64, f64)>);

fn steady() -> impl Strategy<Value = Steady> {
    let use_of_late = (1..40_i64, select(vec![0.25, 1.0, 2.5, 7.0, 64.0]));
    (0..PLANS.len(), select(vec![50.0, 100.0, 200.0]), vec(use_of_late, 3))
}

/// Many small worlds side by side: account 0 and 1 of the first, 2 and 3 of the second, and so on.
fn crowds() -> impl Strategy<Value = World> {
    let one = (accounts(), usage(), subscriptions(), vec(steady(), ACCOUNTS));
    vec(one, 8..30).prop_map(|worlds| {
        let mut crowd = World::default();
        for (place, (accounts, usage, subscriptions, steady)) in worlds.into_iter().enumerate() {
            let first = place * ACCOUNTS;
            for (account, steady) in (first..).zip(steady) {
                add_steady(&mut crowd, account, &steady);
            }
            crowd.accounts.extend(accounts.into_iter().map(|mut row| {
                row.account += first;
                row
            }));
            crowd.usage.extend(usage.into_iter().map(|mut row| {
                row.account += first;
                row
            }));
            crowd.subscriptions.extend(subscriptions.into_iter().map(|mut row| {
                row.account += first;
                row
            }));
        }
        crowd
    })
}

fn add_steady(crowd: &mut World, account: usize, (plan, mrr, uses): &Steady) {
    let start = (as_of_days()[0] - 600) * DAY;
    crowd.subscriptions.push(SubscriptionRow {
        account,
        at: start,
        known: start,
        mrr: *mrr,
        plan: Some(*plan),
        seats: None,
        annual: None,
        renews: None,
        limit: None,
        discount: None,
        list_price: None,
        auto_renew: None,
    });
    for (day, (age, quantity)) in as_of_days().into_iter().zip(uses) {
        let at = (day - age) * DAY;
        crowd.usage.push(UsageRow { account, at, known: at, user: None, feature: 0, quantity: *quantity });
    }
}

/// One more than the last account.
fn size(world: &World) -> usize {
    let accounts = world.accounts.iter().map(|row| row.account);
    let others = world.usage.iter().map(|row| row.account).chain(world.subscriptions.iter().map(|row| row.account));
    accounts.chain(others).max().map_or(0, |last| last + 1)
}

/// The facts of every `count`th account from `first` on, with only those plans that they have.
fn facts(world: &World, first: usize, count: usize) -> Facts {
    let ours: Vec<usize> = (0..size(world)).filter(|account| account % count == first).collect();
    let code = |account: usize| ours.binary_search(&account).ok().map(|place| u32::try_from(place).unwrap());
    let plans: BTreeSet<usize> =
        world.subscriptions.iter().filter(|row| code(row.account).is_some()).filter_map(|row| row.plan).collect();
    let plans: Vec<usize> = plans.into_iter().collect();
    let mut subscriptions = Vec::new();
    for row in &world.subscriptions {
        if let Some(account) = code(row.account) {
            let (_, mut fact) = subscription_fact(row, 0);
            let place = row.plan.map(|plan| plans.binary_search(&plan).unwrap());
            fact.plan = place.map(|place| u32::try_from(place).unwrap());
            subscriptions.push((account, fact));
        }
    }
    let rows = world.accounts.iter().filter_map(|row| Some((code(row.account)?, account_fact(row, 0).1))).collect();
    let uses = world.usage.iter().filter_map(|row| Some((code(row.account)?, usage_fact(row, 0).1))).collect();
    Facts {
        accounts: ours.iter().map(|account| format!("a{account:03}")).collect(),
        account_rows: Some(Grouped::new(ours.len(), rows, |row| row.known_at)),
        usage: Some(Grouped::new(ours.len(), uses, |row| (row.at, row.known_at))),
        subscriptions: Some(Grouped::new(ours.len(), subscriptions, |row| (row.effective_at, row.known_at))),
        features: Names { names: crate::world::FEATURES.map(str::to_owned).to_vec(), is_there: true },
        users: Names { names: crate::world::USERS.map(str::to_owned).to_vec(), is_there: true },
        plans: Names { names: plans.iter().map(|plan| PLANS[*plan].to_owned()).collect(), is_there: true },
        // Since when uses are on record is told by those of all accounts.
        usage_begins: Some(world.usage.iter().map(|row| (Instant(row.at.max(row.known)), Instant(row.at))).collect()),
        segments: Names { names: crate::world::SEGMENTS.map(str::to_owned).to_vec(), is_there: true },
        ..Facts::default()
    }
}

fn plan(facts: &Facts) -> FeaturePlan {
    FeaturePlan::new(Catalogue::new(&Availability::of(facts), &settings()), eligibility())
}

fn spine(facts: &Facts) -> Spine {
    plan(facts).spine(facts, &as_of_days().map(date))
}

/// What is compared: the ratio as a column holds it, and the plan.
fn compared(seen: &Seen<'_>) -> Option<(f32, usize)> {
    let row = seen.subscription()?;
    let ratio = divide(quantity(&uses(seen, 0, 28)), Some(row.mrr))?;
    Some((ratio as f32, row.plan?))
}

/// Account and expected value of every row, by date, then account.
fn expected(world: &World) -> Vec<(usize, Option<f32>)> {
    let mut rows = Vec::new();
    for day in as_of_days() {
        let seen: Vec<Seen<'_>> = (0..size(world)).map(|account| Seen::of(world, account, day)).collect();
        let base: Vec<(usize, Option<(f32, usize)>)> = (0..seen.len())
            .filter(|account| is_eligible(&seen[*account], &eligibility()))
            .map(|account| (account, compared(&seen[account])))
            .collect();
        for (account, own) in &base {
            let value = own.and_then(|(ratio, plan)| {
                let (mut halves, mut all) = (0_u32, 0_usize);
                for (other, _) in base.iter().filter_map(|(_, other)| *other).filter(|(_, other)| *other == plan) {
                    all += 1;
                    halves += if other < ratio { 2 } else { u32::from(other == ratio) };
                }
                (all >= LEAST).then(|| (f64::from(halves) / (2 * all) as f64) as f32)
            });
            rows.push((*account, value));
        }
    }
    rows
}

fn percentiles(matrix: &FeatureMatrix) -> Vec<Option<f32>> {
    match matrix.column(PERCENTILE) {
        Some(Column::Numeric(values)) => values.iter().map(|value| Some(*value).filter(|one| !one.is_nan())).collect(),
        other => panic!("{other:?}"),
    }
}

/// What the crowds never vary is not tested.
#[test]
fn the_crowds_reach_many_places() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut places, mut unknown, mut tied) = (BTreeSet::new(), 0, 0);
    for _ in 0..20 {
        let world = crowds().new_tree(&mut runner).unwrap().current();
        let rows = expected(&world);
        unknown += rows.iter().filter(|(_, value)| value.is_none()).count();
        let known: Vec<u32> = rows.iter().filter_map(|(_, value)| value.map(f32::to_bits)).collect();
        let distinct: BTreeSet<u32> = known.iter().copied().collect();
        tied += known.len() - distinct.len();
        places.extend(distinct);
    }
    assert!(places.len() > 50 && unknown > 50 && tied > 50, "{} places, {unknown} unknown, {tied} tied", places.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn places_equal_the_oracle(world in crowds()) {
        let facts = facts(&world, 0, 1);
        let matrix = plan(&facts).compute(&facts, &spine(&facts));
        let rows = expected(&world);
        let ids: Vec<String> = rows.iter().map(|(account, _)| format!("a{account:03}")).collect();
        prop_assert!(ids.iter().map(String::as_str).eq(matrix.account_ids.iter().map(|id| &**id)));
        let values: Vec<Option<f32>> = rows.iter().map(|(_, value)| *value).collect();
        prop_assert_eq!(percentiles(&matrix), values);
    }

    /// However the accounts are divided: one part among the others, and all parts put together as files.
    #[test]
    fn parts_equal_the_whole(world in crowds(), count in 2..5_usize) {
        let all = facts(&world, 0, 1);
        let spine_of_all = spine(&all);
        let whole = plan(&all).compute(&all, &spine_of_all);
        let folder = tempfile::tempdir().unwrap();
        let describe = |facts: &Facts, spine: &Spine, plan: &FeaturePlan| {
            FeatureMetadata::of(facts, spine, &plan.catalogue().definitions(), &[], Vec::new())
        };
        let (mut population, mut paths, mut opened) = (Population::default(), Vec::new(), Vec::new());
        for first in 0..count {
            let facts = facts(&world, first, count);
            let (plan, spine) = (plan(&facts), spine(&facts));
            // Only what is compared is computed of the others.
            population.add(&plan.compared().unwrap().compute_open(&facts, &spine));
            opened.push(plan.compute_open(&facts, &spine));
            let path = folder.path().join(format!("{first}.parquet"));
            plan.compute_open(&facts, &spine).write(&path, &describe(&facts, &spine, &plan)).unwrap();
            paths.push(path);
        }
        let mut places = Vec::new();
        for open in opened {
            let part = open.close_among(&population);
            let keys = part.as_of.iter().copied().zip(part.account_ids.iter().map(ToString::to_string));
            places.extend(keys.zip(percentiles(&part)));
        }
        places.sort_by(|one, other| one.0.cmp(&other.0));
        let values: Vec<Option<f32>> = places.into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(values, percentiles(&whole));

        let metadata = describe(&all, &spine_of_all, &plan(&all));
        let (one, merged) = (folder.path().join("one.parquet"), folder.path().join("merged.parquet"));
        whole.write(&one, &metadata).unwrap();
        FeatureMatrix::write_merged(&merged, &paths, &whole.signals, &metadata, &population).unwrap();
        prop_assert!(std::fs::read(&one).unwrap() == std::fs::read(&merged).unwrap());
    }
}
