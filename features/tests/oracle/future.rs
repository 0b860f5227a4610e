//! Nothing that happens or becomes known at or after `as_of` changes a byte; nor do threads, nor the company of other dates.

use bellwether_features::catalog::{Availability, Catalogue};
use bellwether_features::matrix::{Column, FeatureMatrix, FeatureMetadata};
use bellwether_features::spine::{ActiveBy, Eligibility};
use bellwether_features::time::{Every, dates};
use bellwether_features::{Facts, FeaturePlan};
use chrono::NaiveDate;
use proptest::prelude::*;

use crate::calendar::DAY;
use crate::relations::{ContactRow, ItemRow, MeetingRow, SizeRow};
use crate::world::{World, as_of_days, settings, worlds};
use crate::{date, everyone};

/// The feature file of some dates, as bytes.
pub(crate) fn file(facts: &Facts, dates: &[NaiveDate]) -> Vec<u8> {
    let eligibility = Eligibility { active_by: ActiveBy::Usage, within_days: 180, min_tenure_days: 0 };
    let available = Availability::of(facts);
    let plan = FeaturePlan::new(Catalogue::new(&available, &settings()), eligibility);
    let spine = plan.spine(facts, dates);
    let matrix = plan.compute(facts, &spine);
    let metadata = FeatureMetadata::of(facts, &spine, &matrix.signals, &[], available.missing_tables());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.parquet");
    matrix.write(&path, &metadata).unwrap();
    std::fs::read(path).unwrap()
}

/// Only what is visible at `now`.
pub(crate) fn past_only(world: &World, now: i64) -> World {
    let mut past = world.clone();
    past.accounts.retain(|row| row.known < now && row.signed_up.is_none_or(|at| at < now));
    past.usage.retain(|row| row.at < now && row.known < now);
    past.subscriptions.retain(|row| row.at < now && row.known < now);
    past.nps.retain(|row| row.at < now && row.known < now);
    past.invoices.retain(|row| row.at < now && row.known < now);
    past.tickets.retain(|row| row.at < now && row.known < now);
    past.items.retain(|row| row.at < now && row.known < now);
    past.contacts.retain(|row| row.since < now && row.known < now);
    past.meetings.retain(|row| row.at < now && row.known < now);
    past.sizes.retain(|row| row.at < now && row.known < now);
    past
}

/// The past of `world` with the rows of `other` made unknown until `now`, and what is settled later settled otherwise.
pub(crate) fn another_future(world: &World, other: &World, now: i64) -> World {
    let mut mixed = past_only(world, now);
    let later = |at: Option<i64>| at.filter(|at| *at < now).or(Some(now + 3 * DAY));
    for row in &mut mixed.invoices {
        row.paid = later(row.paid);
        row.disputed = later(row.disputed);
    }
    for row in &mut mixed.tickets {
        row.resolved = later(row.resolved);
    }
    for row in &mut mixed.contacts {
        row.until = later(row.until);
    }
    let late = |known: i64| known.max(now);
    mixed
        .accounts
        .extend(other.accounts.iter().cloned().map(|row| crate::world::AccountRow { known: late(row.known), ..row }));
    mixed.usage.extend(other.usage.iter().cloned().map(|row| crate::world::UsageRow { known: late(row.known), ..row }));
    for row in &other.subscriptions {
        // Known long before it takes effect.
        mixed.subscriptions.push(crate::world::SubscriptionRow { at: row.at.max(now), ..row.clone() });
        mixed.subscriptions.push(crate::world::SubscriptionRow { known: late(row.known), ..row.clone() });
    }
    mixed.nps.extend(other.nps.iter().cloned().map(|row| crate::world::NpsRow { known: late(row.known), ..row }));
    mixed
        .invoices
        .extend(other.invoices.iter().cloned().map(|row| crate::world::InvoiceRow { known: late(row.known), ..row }));
    mixed
        .tickets
        .extend(other.tickets.iter().cloned().map(|row| crate::world::TicketRow { known: late(row.known), ..row }));
    for row in &other.items {
        mixed.items.push(ItemRow { at: row.at.max(now), ..row.clone() });
        mixed.items.push(ItemRow { known: late(row.known), ..row.clone() });
    }
    for row in &other.contacts {
        mixed.contacts.push(ContactRow { since: row.since.max(now), ..row.clone() });
        mixed.contacts.push(ContactRow { known: late(row.known), ..row.clone() });
    }
    mixed.meetings.extend(other.meetings.iter().cloned().map(|row| MeetingRow { known: late(row.known), ..row }));
    mixed.sizes.extend(other.sizes.iter().cloned().map(|row| SizeRow { known: late(row.known), ..row }));
    mixed
}

/// The texts or bits of one row.
pub(crate) fn row_bits(matrix: &FeatureMatrix, row: usize) -> Vec<Option<String>> {
    let value = |column: &Column| match column {
        Column::Numeric(values) => Some(values[row].to_bits().to_string()),
        Column::Category { levels, codes } => codes[row].map(|code| levels[code as usize].clone()),
    };
    matrix.columns.iter().map(value).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_future_changes_no_byte(world in worlds(), other in worlds(), which in 0..3_usize) {
        let day = as_of_days()[which];
        let expected = file(&world.facts(), &[date(day)]);
        prop_assert!(file(&past_only(&world, day * DAY).facts(), &[date(day)]) == expected, "future facts removed");
        let mixed = another_future(&world, &other, day * DAY);
        prop_assert!(file(&mixed.facts(), &[date(day)]) == expected, "another future");
        prop_assert!(file(&mixed.facts_among(3), &[date(day)]) == expected, "another future with new names");
    }

    #[test]
    fn dates_together_equal_dates_alone(world in worlds()) {
        let days: Vec<i64> = (0..12).map(|month| as_of_days()[0] + 28 * month).collect();
        let facts = world.facts();
        let together = crate::compute(&facts, &everyone(&days));
        for (place, day) in days.iter().enumerate() {
            let alone = crate::compute(&facts, &everyone(&[*day]));
            for account in 0..alone.len() {
                prop_assert_eq!(row_bits(&alone, account), row_bits(&together, place * alone.len() + account));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn threads_change_no_byte(world in worlds()) {
        let facts = world.facts();
        let months = dates(date(as_of_days()[0]), date(as_of_days()[2]), Every::Month).unwrap();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| file(&facts, &months))
        };
        let one = with(1);
        prop_assert!(one == with(2) && one == with(4));
    }
}
