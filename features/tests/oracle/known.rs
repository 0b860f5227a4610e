//! Small cases with their result, and the feature file.

use bellwether_features::label::{Event, LabelError, Labels, OutcomeTime, TargetDefinition};
use bellwether_features::matrix::{Column, FeatureMatrix, FeatureMetadata, MatrixError, table_ages_hours};
use bellwether_features::{Facts, Spine};

use crate::calendar::DAY;
use crate::relations::{ContactRow, MeetingRow};
use crate::world::{AccountRow, InvoiceRow, SubscriptionRow, UsageRow, World, as_of_days};
use crate::{compute, date, everyone};

fn value(world: &World, day: i64, name: &str) -> f32 {
    let matrix = compute(&world.facts(), &everyone(&[day]));
    match matrix.column(name) {
        Some(Column::Numeric(values)) => values[0],
        other => panic!("{name}: {other:?}"),
    }
}

fn subscription(at: i64, mrr: f64) -> SubscriptionRow {
    SubscriptionRow {
        account: 0,
        at,
        known: at,
        mrr,
        plan: None,
        seats: None,
        annual: None,
        renews: None,
        limit: None,
        discount: None,
        list_price: None,
        auto_renew: None,
    }
}

/// Who was the sponsor at a review is what counts, whatever they became; who came back had left.
#[test]
fn what_contacts_were_then_counts() {
    let day = as_of_days()[0];
    let contact = |contact, role, since: i64, until: Option<i64>, known: i64| ContactRow {
        account: 0,
        contact,
        role,
        since: (day - since) * DAY,
        until: until.map(|until| (day - until) * DAY),
        known: (day - known) * DAY,
    };
    let review = |ago: i64| MeetingRow {
        account: 0,
        at: (day - ago) * DAY,
        known: (day - ago) * DAY,
        kind: "review",
        contact: Some(0),
        attended: true,
    };
    let mut world = World { meetings: vec![review(200), review(50)], ..World::default() };
    world.subscriptions = vec![subscription((day - 400) * DAY, 100.0)];
    let without = |world: &World| value(world, day, "sponsorship_reviews_without_sponsor_365d");
    world.contacts = vec![contact(0, "sponsor", 300, None, 300)];
    assert_eq!(without(&world), 0.0);
    world.contacts.push(contact(0, "user", 100, None, 100));
    assert_eq!(without(&world), 1.0, "no longer the sponsor at the second review");
    assert_eq!(value(&world, day, "sponsorship_contacts_lost_90d"), 0.0);
    // What becomes known of the first role later changes nothing of the second.
    world.contacts.push(contact(0, "sponsor", 300, Some(100), 20));
    assert_eq!(without(&world), 1.0);
    world.contacts.push(contact(0, "user", 300, None, 10));
    assert!(without(&world).is_nan(), "a correction: never the sponsor");

    world.contacts = vec![contact(1, "champion", 300, Some(40), 39), contact(1, "champion", 10, None, 9)];
    let left = |world: &World| {
        ["sponsorship_contacts_lost_90d", "sponsorship_champion_left_90d"].map(|name| value(world, day, name))
    };
    assert_eq!(left(&world), [1.0, 1.0]);
    assert_eq!(value(&world, day, "sponsorship_champion_present"), 1.0);
    // Gone on the instant at which they go on as somebody else: a change of role.
    world.contacts[1] = contact(1, "user", 40, None, 39);
    assert_eq!(left(&world), [0.0, 0.0]);
    // Came ten days later than was said at first, and left.
    world.contacts = vec![contact(1, "champion", 300, None, 300), contact(1, "champion", 290, Some(40), 39)];
    assert_eq!(left(&world), [1.0, 1.0]);
    world.contacts = vec![contact(1, "champion", 300, Some(40), 39); 2];
    // Never gone: the departure is taken back.
    world.contacts[1] = contact(1, "champion", 300, None, 5);
    assert_eq!(left(&world), [0.0, 0.0]);
}

/// Known answer 17: due 15 days before `as_of` and paid the day after it, an invoice is 15 days overdue at `as_of`.
#[test]
fn an_invoice_paid_tomorrow_is_overdue_today() {
    let day = as_of_days()[0];
    let invoice = InvoiceRow {
        account: 0,
        invoice: 0,
        at: (day - 45) * DAY,
        known: (day - 45) * DAY,
        due: (day - 15) * DAY,
        paid: Some((day + 1) * DAY),
        amount: 300.0,
        disputed: None,
    };
    let mut world = World { invoices: vec![invoice], ..World::default() };
    world.subscriptions = vec![subscription((day - 45) * DAY, 100.0)];
    assert_eq!(value(&world, day, "payments_overdue_days"), 15.0);
    assert_eq!(value(&world, day, "payments_overdue_amount"), 300.0);
    assert_eq!(value(&world, day, "payments_overdue_months_of_mrr"), 3.0);
    assert!(value(&world, day, "payments_days_late_last").is_nan());
    // Two days later it is paid, 16 days late.
    assert_eq!(value(&world, day + 2, "payments_overdue_days"), 0.0);
    assert_eq!(value(&world, day + 2, "payments_days_late_last"), 16.0);
}

/// A use of yesterday's last microsecond counts, one at midnight does not; one known at midnight does not either.
#[test]
fn midnight_belongs_to_tomorrow() {
    let day = as_of_days()[0];
    let mut world = World::default();
    for (at, known) in [(day * DAY - 1, day * DAY - 1), (day * DAY, day * DAY), (day * DAY - 1, day * DAY)] {
        world.usage.push(UsageRow { account: 0, at, known, user: Some(0), feature: 0, quantity: 1.0 });
    }
    assert_eq!(value(&world, day, "usage_events_7d"), 1.0);
    assert_eq!(value(&world, day, "usage_days_since_last"), 1.0);
    assert_eq!(value(&world, day + 1, "usage_events_7d"), 3.0);
}

/// Sign-up 10 days before the table begins: the first value moment on record need not be the first. An older use of
/// somebody else that lands late changes that from the day it is known, and not before.
#[test]
fn a_first_value_moment_before_the_table_begins_is_not_known() {
    let day = as_of_days()[0];
    let use_of = |account, at: i64, known: i64, feature| UsageRow {
        account,
        at: at * DAY,
        known: known * DAY,
        user: None,
        feature,
        quantity: 1.0,
    };
    let signed_up = |at: i64| AccountRow { account: 0, known: i64::MIN, signed_up: Some(at), segment: None };
    // Feature 1 is a declared value moment.
    let mut world = World {
        accounts: vec![signed_up((day - 50) * DAY)],
        usage: vec![use_of(0, day - 40, day - 40, 1)],
        ..World::default()
    };
    let name = "adoption_days_to_first_value";
    assert!(value(&world, day, name).is_nan());
    world.usage.push(use_of(1, day - 60, day + 5, 0));
    assert!(value(&world, day + 5, name).is_nan(), "known at midnight is not yet visible");
    assert_eq!(value(&world, day + 6, name), 10.0);
    // The table's first day is the sign-up's: whatever came first was seen, to the day.
    world.usage.pop();
    world.accounts = vec![signed_up((day - 40) * DAY - DAY / 2)];
    assert!(value(&world, day, name).is_nan());
    world.accounts = vec![signed_up((day - 40) * DAY)];
    world.usage[0].at += DAY / 2;
    assert_eq!(value(&world, day, name), 0.0);
}

fn churn(grace_days: u32) -> TargetDefinition {
    TargetDefinition {
        name: "churn_90d".to_owned(),
        event: Event::SubscriptionEnd,
        time: OutcomeTime::Event,
        horizon_days: 90,
        grace_days,
        landing_delay_days: 0,
        text: String::new(),
    }
}

/// A gap shorter than the grace period is no churn; one as long is.
#[test]
fn renewal_gaps_are_not_churn() {
    let day = as_of_days()[0];
    let gap = |days: i64| World {
        subscriptions: vec![
            subscription((day - 30) * DAY, 100.0),
            subscription((day + 10) * DAY, 0.0),
            subscription((day + 10 + days) * DAY, 100.0),
        ],
        ..World::default()
    };
    let label = |world: &World, known_before: i64| {
        let labels = Labels::compute(&world.facts(), &everyone(&[day]), &churn(14), date(known_before)).unwrap();
        labels.values[0]
    };
    assert_eq!(label(&gap(13), day + 104), Some(false));
    assert_eq!(label(&gap(14), day + 104), Some(true));
    assert_eq!(label(&gap(14), day + 103), None, "immature is absent, never negative");
}

/// The last instant of the horizon belongs to it, its end does not.
#[test]
fn an_outcome_at_the_end_of_the_horizon_is_none() {
    let day = as_of_days()[0];
    let label = |ends_at: i64| {
        let world = World {
            subscriptions: vec![subscription((day - 30) * DAY, 100.0), subscription(ends_at, 0.0)],
            ..World::default()
        };
        Labels::compute(&world.facts(), &everyone(&[day]), &churn(14), date(day + 200)).unwrap().values[0]
    };
    assert_eq!(label((day + 90) * DAY - 1), Some(true));
    assert_eq!(label((day + 90) * DAY), Some(false));
}

/// A label as known before a midnight counts no use that was known at that midnight.
#[test]
fn a_use_known_at_the_midnight_of_a_label_is_not_known() {
    let day = as_of_days()[0];
    let known_before = day + 90;
    let use_known =
        |known: i64| UsageRow { account: 0, at: (day + 20) * DAY, known, user: Some(1), feature: 2, quantity: 1.0 };
    let label = |event: Event, known: i64| {
        let before = UsageRow { at: (day - 20) * DAY, ..use_known((day - 20) * DAY) };
        let world = World { usage: vec![before, use_known(known)], ..World::default() };
        let target = TargetDefinition { event, ..churn(0) };
        Labels::compute(&world.facts(), &everyone(&[day]), &target, date(known_before)).unwrap().values[0]
    };
    let as_many = || Event::QuantityIncrease { ratio: 1.0, min_absolute: 0.0 };
    assert_eq!(label(Event::Inactivity, known_before * DAY - 1), Some(false));
    assert_eq!(label(Event::Inactivity, known_before * DAY), Some(true));
    assert_eq!(label(as_many(), known_before * DAY - 1), Some(true));
    assert_eq!(label(as_many(), known_before * DAY), Some(false));
}

/// What was already over at `as_of` is not reached after it, even where it becomes known only then.
#[test]
fn an_mrr_that_ended_at_as_of_is_no_increase_of_the_window() {
    let day = as_of_days()[0];
    // A correction, known ten days later: the month that ends at `as_of` was billed twice as high.
    let corrected = |until: i64| {
        let correction = SubscriptionRow { known: (day + 10) * DAY, ..subscription((day - 30) * DAY, 200.0) };
        World {
            subscriptions: vec![subscription((day - 30) * DAY, 100.0), correction, subscription(until * DAY, 100.0)],
            ..World::default()
        }
    };
    let grew = TargetDefinition { event: Event::MrrIncrease { ratio: 1.05, min_absolute: 0.0 }, ..churn(0) };
    let label =
        |world: &World| Labels::compute(&world.facts(), &everyone(&[day]), &grew, date(day + 200)).unwrap().values[0];
    assert_eq!(label(&corrected(day)), Some(false));
    assert_eq!(label(&corrected(day + 1)), Some(true), "a day longer, and it reaches into the window");
}

#[test]
fn a_target_without_its_table_is_refused() {
    let refused = Labels::compute(&Facts::default(), &Spine::default(), &churn(0), date(as_of_days()[0]));
    assert_eq!(refused, Err(LabelError::MissingTable { target: "churn_90d".to_owned(), table: "subscriptions" }));
}

fn small_world() -> World {
    let day = as_of_days()[0];
    let account =
        |account, segment| AccountRow { account, known: i64::MIN, signed_up: Some((day - 400) * DAY), segment };
    World {
        accounts: vec![account(0, Some(1)), account(1, None)],
        usage: vec![UsageRow {
            account: 0,
            at: day * DAY - DAY / 2,
            known: day * DAY - DAY / 2,
            user: None,
            feature: 2,
            quantity: 2.5,
        }],
        ..World::default()
    }
}

#[test]
fn a_feature_file_reads_back_as_it_was_written() {
    let day = as_of_days()[0];
    let facts = small_world().facts();
    let spine = everyone(&[day]);
    let matrix = compute(&facts, &spine);
    let metadata = FeatureMetadata::of(&facts, &spine, &matrix.signals, &[3], vec!["goals".to_owned()]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.parquet");
    let written = matrix.write(&path, &metadata).unwrap();
    let (read, described) = FeatureMatrix::read(&path).unwrap();
    assert!(read.same_bits(&matrix));
    assert_eq!(described, metadata);
    assert_eq!((described.accounts_given, described.quarantined, written.rows), (5, 3, 2));
    assert_eq!(described.table_ages_hours["usage"], 12.0);
    let line = std::fs::read_to_string(path.with_file_name("features.parquet.sha256")).unwrap();
    assert_eq!(line, format!("{}  features.parquet\n", written.sha256));
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["features.parquet", "features.parquet.sha256"]);
}

#[test]
fn what_is_no_feature_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.parquet");
    assert!(matches!(FeatureMatrix::read(&path), Err(MatrixError::Io { action: "open", .. })));
    std::fs::write(&path, "account_id,as_of\n").unwrap();
    assert!(matches!(FeatureMatrix::read(&path), Err(MatrixError::Parquet { .. })));
    let facts = small_world().facts();
    let spine = everyone(&as_of_days()[..1]);
    let matrix = compute(&facts, &spine);
    let newer = FeatureMetadata { format: 2, ..FeatureMetadata::of(&facts, &spine, &matrix.signals, &[], Vec::new()) };
    matrix.write(&path, &newer).unwrap();
    assert!(matches!(FeatureMatrix::read(&path), Err(MatrixError::Format { .. })));
    let nowhere = path.join("features.parquet");
    assert!(matches!(
        matrix.write(&nowhere, &newer),
        Err(MatrixError::Io { action: "create a temporary file beside it", .. })
    ));
}

/// Ages are measured to the latest fact that is visible, not to the latest there is.
#[test]
fn table_ages_see_no_future() {
    let day = as_of_days()[0];
    let mut world = small_world();
    let late = UsageRow { known: (day + 9) * DAY, at: day * DAY - 1, ..world.usage[0].clone() };
    world.usage.push(late);
    let ages = table_ages_hours(&world.facts(), date(day));
    assert_eq!(ages.get("usage"), Some(&12.0));
    assert_eq!(ages.get("accounts"), Some(&(400.0 * 24.0)));
    assert_eq!(ages.get("nps"), None);
}
