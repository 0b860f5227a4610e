//! Replay through files: random worlds as CSV, read through a contract, and then again after a later backfill.
//!
//! The backfill says anything about the past (new rows, corrections of every kind, names and accounts that sort first) and
//! carries knowledge times at or after the date. The feature file must be the same bytes.

use std::path::Path;

use bellwether_features::contract::{Contract, Sections};
use bellwether_features::matrix::FeatureMetadata;
use bellwether_features::read::{TableOutcome, Tables};
use bellwether_features::{Availability, Catalogue, FeaturePlan};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use proptest::prelude::*;

use crate::calendar::DAY;
use crate::date;
use crate::world::{CATEGORIES, FEATURES, PLANS, SEGMENTS, USERS, World, as_of_days, worlds};

const CONTRACT: &str = r#"
[tables.accounts]
path = "accounts*.csv"
error_if_pct = 100
[tables.usage]
path = "usage*.csv"
error_if_pct = 100
[tables.subscriptions]
path = "subscriptions*.csv"
error_if_pct = 100
[tables.nps]
path = "nps*.csv"
error_if_pct = 100
[tables.invoices]
path = "invoices*.csv"
error_if_pct = 100
[tables.tickets]
path = "tickets*.csv"
error_if_pct = 100
[eligibility]
active_by = "usage"
within = "400d"
min_tenure = "0d"
[catalogue]
features = ["api", "board", "chat", "docs", "export"]
value_moments = ["board", "docs"]
[tickets]
severe = ["high"]
[tickets.kinds]
complaint = ["why"]
how_to = ["how"]
"#;

fn time(micros: i64) -> String {
    // What is known from ever is known from long ago: a file has no such instant.
    let micros = micros.max(-5_000 * DAY);
    DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn option<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map(text).unwrap_or_default()
}

fn name(names: &[&str], value: Option<usize>) -> String {
    option(value, |value| names[value].to_owned())
}

/// One file of a table.
fn write(folder: &Path, table: &str, part: &str, header: &str, rows: impl Iterator<Item = String>) {
    let lines: Vec<String> = rows.collect();
    if !lines.is_empty() {
        std::fs::write(folder.join(format!("{table}{part}.csv")), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    }
}

/// The world's rows, one file per table.
fn write_world(folder: &Path, part: &str, world: &World) {
    let accounts = world.accounts.iter().map(|row| {
        let (signed_up, segment) = (option(row.signed_up, time), name(&SEGMENTS, row.segment));
        format!("a{},{signed_up},{segment},{}", row.account, time(row.known))
    });
    write(folder, "accounts", part, "account_id,signed_up_at,segment,known_at", accounts);
    let usage = world.usage.iter().map(|row| {
        let (user, feature) = (name(&USERS, row.user), FEATURES[row.feature]);
        format!("a{},{user},{feature},{},{},{}", row.account, time(row.at), row.quantity, time(row.known))
    });
    write(folder, "usage", part, "account_id,user_id,feature,at,quantity,known_at", usage);
    let subscriptions = world.subscriptions.iter().map(|row| {
        let terms = [
            name(&PLANS, row.plan),
            option(row.seats, |seats| seats.to_string()),
            option(row.annual, |annual| if annual { "annual" } else { "monthly" }.to_owned()),
            option(row.renews, time),
            option(row.limit, |limit| limit.to_string()),
            option(row.discount, |discount| discount.to_string()),
        ];
        format!("a{},{},{},{},{}", row.account, time(row.at), row.mrr, terms.join(","), time(row.known))
    });
    let header = "account_id,effective_at,mrr,plan,seats,billing_period,renews_at,usage_limit,discount,known_at";
    write(folder, "subscriptions", part, header, subscriptions);
    let nps = world
        .nps
        .iter()
        .map(|row| format!("a{},r{},{},{},{}", row.account, row.respondent, time(row.at), row.score, time(row.known)));
    write(folder, "nps", part, "account_id,respondent_id,at,score,known_at", nps);
    let invoices = world.invoices.iter().map(|row| {
        let ends = [time(row.due), option(row.paid, time), row.amount.to_string(), option(row.disputed, time)];
        format!("i{},a{},{},{},{}", row.invoice, row.account, time(row.at), ends.join(","), time(row.known))
    });
    let header = "invoice_id,account_id,issued_at,due_at,paid_at,amount,disputed_at,known_at";
    write(folder, "invoices", part, header, invoices);
    let tickets = world.tickets.iter().map(|row| {
        let kind = [name(&CATEGORIES, row.category), if row.severe { "high" } else { "low" }.to_owned()];
        let resolved = option(row.resolved, time);
        format!("t{},a{},{},{resolved},{},{}", row.ticket, row.account, time(row.at), kind.join(","), time(row.known))
    });
    write(folder, "tickets", part, "ticket_id,account_id,opened_at,resolved_at,category,severity,known_at", tickets);
}

/// One row of each table from long ago, so that every table is there from the beginning; the accounts themselves may be
/// entered late, or not until the backfill.
fn write_anchors(folder: &Path, entered: bool) {
    let accounts = if entered {
        "account_id,signed_up_at,segment,known_at\na0,2019-01-01,large,2019-01-01\na1,2019-01-01,small,2019-01-01"
    } else {
        "account_id,signed_up_at,segment,known_at\nelse,2019-01-01,,2019-01-01"
    };
    let files = [
        ("accounts", accounts),
        ("usage", "account_id,user_id,feature,at,quantity,known_at\na0,ann,api,2019-01-02,1,2019-01-02"),
        ("subscriptions", "account_id,effective_at,mrr,plan,known_at\na0,2019-01-02,100,pro,2019-01-02"),
        ("nps", "account_id,respondent_id,at,score,known_at\na0,r9,2019-01-02,9,2019-01-02"),
        (
            "invoices",
            "invoice_id,account_id,issued_at,due_at,amount,known_at\ni99,a0,2019-01-02,2019-02-02,9,2019-01-02",
        ),
        ("tickets", "ticket_id,account_id,opened_at,category,severity,known_at\nt99,a0,2019-01-02,why,low,2019-01-02"),
    ];
    for (table, text) in files {
        std::fs::write(folder.join(format!("{table}-1.csv")), format!("{text}\n")).unwrap();
    }
}

/// Of a table: name, visible rows, those left out, repeats, age, and broken rules.
type Found = (String, u64, u64, u64, Option<f64>, Vec<(String, u64)>);

/// What the check of a date counts.
fn outcome(folder: &Path, as_of: NaiveDate) -> Vec<Found> {
    let sections: Sections = toml::from_str(CONTRACT).unwrap();
    let loaded = Tables::load(&Contract::resolve(folder, sections).unwrap()).unwrap();
    let tables = loaded.report.at(Some(as_of)).tables.into_iter();
    let of = |table: TableOutcome| {
        let mut rules: Vec<(String, u64)> =
            table.rules.iter().map(|count| (format!("{} {}", count.rule, count.column), count.rows)).collect();
        rules.sort();
        (table.table, table.rows, table.left_out, table.duplicates, table.age_hours, rules)
    };
    tables.map(of).collect()
}

/// The feature file of some dates, from the files of a folder.
fn file(folder: &Path, dates: &[NaiveDate]) -> Vec<u8> {
    let sections: Sections = toml::from_str(CONTRACT).unwrap();
    let contract = Contract::resolve(folder, sections).unwrap();
    let loaded = Tables::load(&contract).unwrap();
    assert_eq!(loaded.report.not_replayable(), []);
    let available = Availability::of(&loaded.facts);
    let plan = FeaturePlan::new(Catalogue::new(&available, &contract.catalogue), contract.eligibility);
    let spine = plan.spine(&loaded.facts, dates);
    let matrix = plan.compute(&loaded.facts, &spine);
    let quarantined = |date: &NaiveDate| usize::try_from(loaded.report.at(Some(*date)).quarantined_accounts).unwrap();
    let quarantined: Vec<usize> = dates.iter().map(quarantined).collect();
    let metadata =
        FeatureMetadata::of(&loaded.facts, &spine, &matrix.signals, &quarantined, available.missing_tables());
    let path = folder.join("features.parquet");
    matrix.write(&path, &metadata).unwrap();
    std::fs::read(path).unwrap()
}

/// All of `other`, and all of `world` stated again with other values, known from `now` on.
fn backfill(world: &World, other: &World, now: i64) -> World {
    let mut rows = other.clone();
    let again = world.clone();
    rows.usage.extend(again.usage);
    rows.accounts.extend(again.accounts);
    rows.subscriptions
        .extend(again.subscriptions.into_iter().map(|row| crate::world::SubscriptionRow { mrr: 0.0, ..row }));
    rows.nps.extend(again.nps.into_iter().map(|row| crate::world::NpsRow { score: 10.0 - row.score, ..row }));
    rows.invoices.extend(again.invoices.into_iter().map(|row| crate::world::InvoiceRow { paid: Some(row.due), ..row }));
    rows.tickets.extend(again.tickets.into_iter().map(|row| crate::world::TicketRow { resolved: None, ..row }));
    rows.accounts.iter_mut().for_each(|row| row.known = row.known.max(now));
    rows.usage.iter_mut().for_each(|row| row.known = row.known.max(now));
    rows.subscriptions.iter_mut().for_each(|row| row.known = row.known.max(now));
    rows.nps.iter_mut().for_each(|row| row.known = row.known.max(now));
    rows.invoices.iter_mut().for_each(|row| row.known = row.known.max(now));
    rows.tickets.iter_mut().for_each(|row| row.known = row.known.max(now));
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_backfill_known_later_changes_no_byte(
        world in worlds(),
        other in worlds(),
        which in 0..3_usize,
        first in any::<bool>(),
        entered in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        write_anchors(folder.path(), entered);
        write_world(folder.path(), "-2", &world);
        let day = as_of_days()[which];
        // The date of the backfill, and an earlier one in the same file.
        let dates = [date(day - 40), date(day)];
        let before = file(folder.path(), &dates);
        let found = outcome(folder.path(), dates[1]);
        // Files are read in the order of their names.
        let part = if first { "-0" } else { "-3" };
        write_world(folder.path(), part, &backfill(&world, &other, day * DAY));
        let names = "account_id,user_id,feature,at,quantity,known_at\n0new,0new,0new";
        let known = time(day * DAY);
        std::fs::write(folder.path().join("usage-4.csv"), format!("{names},2018-01-01,1,{known}\n")).unwrap();
        let account = format!("account_id,signed_up_at,segment,known_at\n0new,2018-01-01,0new,{known}\n");
        std::fs::write(folder.path().join("accounts-4.csv"), account).unwrap();
        prop_assert!(file(folder.path(), &dates) == before);
        prop_assert_eq!(outcome(folder.path(), dates[1]), found);
        // The day after, some of it is known.
        let later = [date(day + 1)];
        prop_assert!(file(folder.path(), &later) != before);
    }
}
