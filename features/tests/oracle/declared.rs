//! Declared signals, from files through the contract to the matrix, against plain loops over the same rows.
//!
//! The conditions are written twice: as expressions in a project file, and as closures here.

use std::fmt::Write as _;
use std::path::Path;

use bellwether_features::catalog::{Availability, Catalogue};
use bellwether_features::contract::{Contract, Sections};
use bellwether_features::matrix::{Column, FeatureMatrix};
use bellwether_features::read::Tables;
use bellwether_features::spine::Eligibility;
use bellwether_features::{FeaturePlan, Spine};
use chrono::DateTime;
use proptest::prelude::*;

use crate::calendar::DAY;
use crate::future::{another_future, past_only};
use crate::seen::Seen;
use crate::signals::{Values, change};
use crate::world::{ACCOUNTS, CATEGORIES, FEATURES, InvoiceRow, PLANS, SEGMENTS, USERS, World, as_of_days, worlds};
use crate::{check_row, everyone};

/// Aggregates, windows, comparisons, tables and kinds of conditions, each at least once.
const PROJECT: &str = r#"
[tables.accounts]
path = "accounts.csv"
on_violation = "warn"
[tables.usage]
path = "usage.csv"
on_violation = "warn"
[tables.subscriptions]
path = "subscriptions.csv"
on_violation = "warn"
[tables.nps]
path = "nps.csv"
on_violation = "warn"
[tables.invoices]
path = "invoices.csv"
on_violation = "warn"
[tables.tickets]
path = "tickets.csv"
on_violation = "warn"

[signals]
include = ["d_*"]
[signals.declared]
d_big_exports = { table = "usage", where = "feature = 'export' and quantity > 1", aggregate = "count", window = "28d", text = "{value}" }
d_known_users = { table = "usage", where = "user_id is not null", aggregate = "sum", value = "quantity", window = "7d", text = "{value}" }
d_mean = { table = "usage", aggregate = "mean", value = "quantity", window = "90d", text = "{value}" }
d_least = { table = "usage", where = "not feature = 'api'", aggregate = "min", value = "quantity", text = "{value}" }
d_users_change = { table = "usage", aggregate = "distinct", value = "user_id", window = "28d", compare = "previous", text = "{value}" }
d_quantities = { table = "usage", aggregate = "distinct", value = "quantity", window = "90d", text = "{value}" }
d_days_year_ago = { table = "usage", where = "feature = 'api' or feature = 'board'", aggregate = "active_days", window = "28d", compare = "year_ago", text = "{value}" }
d_sum_change = { table = "usage", aggregate = "sum", value = "quantity", window = "7d", compare = "previous", text = "{value}" }
d_best_score = { table = "nps", aggregate = "max", value = "score", window = "365d", text = "{value}" }
d_detractors_change = { table = "nps", where = "score <= 6", aggregate = "count", window = "90d", compare = "previous", text = "{value}" }
d_respondents = { table = "nps", where = "score >= 7", aggregate = "distinct", value = "respondent_id", text = "{value}" }
d_last_complaint = { table = "tickets", where = "category = 'why' and severity = 'high'", aggregate = "days_since_last", text = "{value}" }
d_oldest_open = { table = "tickets", where = "resolved_at is null", aggregate = "days_since_first", window = "90d", text = "{value}" }
d_unpaid = { table = "invoices", where = "paid_at is null and amount > 0", aggregate = "sum", value = "amount", text = "{value}" }
d_paid_late = { table = "invoices", where = "paid_at > due_at", aggregate = "count", window = "365d", text = "{value}" }
d_disputed = { table = "invoices", where = "disputed_at is not null and paid_at is null", aggregate = "active_days", text = "{value}" }
d_learned_late = { table = "invoices", where = "known_at > issued_at", aggregate = "count", text = "{value}" }
d_pro_mrr = { table = "subscriptions", where = "plan = 'pro'", aggregate = "latest", value = "mrr", text = "{value}" }
d_seats = { table = "subscriptions", aggregate = "latest", value = "seats", window = "90d", text = "{value}" }
"#;

/// A time as text; what is always known was known in 1900.
fn time(micros: i64) -> String {
    let micros = micros.max(-2_208_988_800_000_000);
    DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn or_nothing<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map(text).unwrap_or_default()
}

/// The world's tables; each has a row beyond all dates, since an empty table is refused.
fn write(world: &World, folder: &Path) {
    let number = |value: f64| value.to_string();
    let mut accounts = "account_id,known_at,signed_up_at,segment\n".to_owned();
    for account in 0..ACCOUNTS {
        let _ = writeln!(accounts, "a{account},2100-01-01,,");
    }
    for row in &world.accounts {
        let (signed_up, segment) = (or_nothing(row.signed_up, time), or_nothing(row.segment, |at| SEGMENTS[at].into()));
        let _ = writeln!(accounts, "a{},{},{signed_up},{segment}", row.account, time(row.known));
    }
    let mut usage = "account_id,at,known_at,user_id,feature,quantity\na0,2100-01-01,2100-01-01,,api,1\n".to_owned();
    for row in &world.usage {
        let (at, known, user) = (time(row.at), time(row.known), or_nothing(row.user, |at| USERS[at].into()));
        let _ = writeln!(usage, "a{},{at},{known},{user},{},{}", row.account, FEATURES[row.feature], row.quantity);
    }
    let mut subscriptions =
        "account_id,effective_at,known_at,mrr,plan,seats\na0,2100-01-01,2100-01-01,0,,\n".to_owned();
    for row in &world.subscriptions {
        let (plan, seats) = (or_nothing(row.plan, |at| PLANS[at].into()), or_nothing(row.seats, number));
        let _ =
            writeln!(subscriptions, "a{},{},{},{},{plan},{seats}", row.account, time(row.at), time(row.known), row.mrr);
    }
    let mut nps = "account_id,at,known_at,respondent_id,score\na0,2100-01-01,2100-01-01,r,0\n".to_owned();
    for row in &world.nps {
        let _ =
            writeln!(nps, "a{},{},{},r{},{}", row.account, time(row.at), time(row.known), row.respondent, row.score);
    }
    let mut invoices = "account_id,invoice_id,issued_at,known_at,due_at,paid_at,amount,disputed_at\n\
                        a0,i,2100-01-01,2100-01-01,2100-01-02,,1,\n"
        .to_owned();
    for row in &world.invoices {
        let (paid, disputed) = (or_nothing(row.paid, time), or_nothing(row.disputed, time));
        let (at, known, due) = (time(row.at), time(row.known), time(row.due));
        let _ =
            writeln!(invoices, "a{},i{},{at},{known},{due},{paid},{},{disputed}", row.account, row.invoice, row.amount);
    }
    let mut tickets = "account_id,ticket_id,opened_at,known_at,resolved_at,category,severity\n\
                       a0,t,2100-01-01,2100-01-01,,,\n"
        .to_owned();
    for row in &world.tickets {
        let (resolved, category) =
            (or_nothing(row.resolved, time), or_nothing(row.category, |at| CATEGORIES[at].into()));
        let severity = if row.severe { "high" } else { "low" };
        let (at, known) = (time(row.at), time(row.known));
        let _ = writeln!(tickets, "a{},t{},{at},{known},{resolved},{category},{severity}", row.account, row.ticket);
    }
    let files = [
        ("accounts", accounts),
        ("usage", usage),
        ("subscriptions", subscriptions),
        ("nps", nps),
        ("invoices", invoices),
        ("tickets", tickets),
    ];
    for (name, content) in files {
        std::fs::write(folder.join(format!("{name}.csv")), content).unwrap();
    }
}

/// The declared signals of the world, read from files.
fn compute(world: &World, spine: &Spine) -> FeatureMatrix {
    let folder = tempfile::tempdir().unwrap();
    write(world, folder.path());
    let sections: Sections = toml::from_str(PROJECT).unwrap();
    let contract = Contract::resolve(folder.path(), sections).unwrap();
    let facts = Tables::load(&contract).unwrap().facts;
    let catalogue = Catalogue::new(&Availability::of(&facts), &contract.catalogue);
    FeaturePlan::new(catalogue, Eligibility::default()).compute(&facts, spine)
}

/// When a row that counts happened, and its value.
type Counted = (i64, Option<f64>);

/// Those of the last `older` days but the last `newer`.
fn within(seen: &Seen<'_>, rows: &[Counted], newer: i64, older: i64) -> Vec<Counted> {
    rows.iter().copied().filter(|(at, _)| seen.between(*at, newer, older)).collect()
}

fn values(rows: &[Counted]) -> Vec<f64> {
    rows.iter().filter_map(|(_, value)| *value).collect()
}

fn distinct(rows: &[Counted]) -> f64 {
    let values = values(rows);
    (0..values.len()).filter(|index| !values[..*index].contains(&values[*index])).count() as f64
}

fn days(rows: &[Counted]) -> f64 {
    let days: Vec<i64> = rows.iter().map(|(at, _)| at.div_euclid(DAY)).collect();
    (0..days.len()).filter(|index| !days[..*index].contains(&days[*index])).count() as f64
}

fn total(rows: &[Counted]) -> f64 {
    values(rows).iter().sum()
}

/// Of a window against an earlier one, once the history reaches the end of that.
fn changed(
    seen: &Seen<'_>,
    rows: &[Counted],
    window: i64,
    shift: i64,
    measure: impl Fn(&[Counted]) -> f64,
) -> Option<f64> {
    seen.history().filter(|days| *days >= window + shift)?;
    let (now, then) = (within(seen, rows, 0, window), within(seen, rows, shift, shift + window));
    change(measure(&now), measure(&then))
}

fn expected(seen: &Seen<'_>) -> Values {
    let mut out = Values::default();
    usage(seen, &mut out);
    let answers: Vec<Counted> = seen.nps.iter().map(|row| (row.at, Some(row.score))).collect();
    out.set("d_best_score", values(&within(seen, &answers, 0, 365)).into_iter().reduce(f64::max));
    let detractors: Vec<Counted> = answers.iter().copied().filter(|(_, score)| *score <= Some(6.0)).collect();
    out.set("d_detractors_change", changed(seen, &detractors, 90, 90, |rows| rows.len() as f64));
    let content = seen.nps.iter().filter(|row| row.score >= 7.0);
    let respondents: Vec<Counted> = content.map(|row| (row.at, Some(f64::from(row.respondent)))).collect();
    out.set("d_respondents", Some(distinct(&respondents)));

    let complaints =
        seen.tickets.iter().filter(|row| row.severe && row.category.map(|at| CATEGORIES[at]) == Some("why"));
    out.set("d_last_complaint", complaints.map(|row| row.at).max().map(|at| seen.days_ago(at) as f64));
    let open = seen.tickets.iter().filter(|row| row.resolved.is_none_or(|at| at >= seen.now));
    let open = open.map(|row| row.at).filter(|at| seen.recent(*at, 90));
    out.set("d_oldest_open", open.min().map(|at| seen.days_ago(at) as f64));
    invoices(seen, &mut out);

    let pro = seen.subscriptions.iter().rfind(|row| row.plan.map(|plan| PLANS[plan]) == Some("pro"));
    out.set("d_pro_mrr", pro.map(|row| row.mrr));
    let recent = seen.subscriptions.iter().filter(|row| seen.recent(row.at, 90));
    out.set("d_seats", recent.filter_map(|row| row.seats).next_back());
    out
}

fn usage(seen: &Seen<'_>, out: &mut Values) {
    let of = |names: &[&str]| -> Vec<Counted> {
        let used = seen.usage.iter().filter(|row| names.contains(&FEATURES[row.feature]));
        used.map(|row| (row.at, Some(row.quantity))).collect()
    };
    let all: Vec<Counted> = seen.usage.iter().map(|row| (row.at, Some(row.quantity))).collect();
    let exports = within(seen, &of(&["export"]), 0, 28);
    out.set("d_big_exports", Some(values(&exports).iter().filter(|quantity| **quantity > 1.0).count() as f64));
    let by_users: Vec<Counted> =
        seen.usage.iter().filter(|row| row.user.is_some()).map(|row| (row.at, Some(row.quantity))).collect();
    out.set("d_known_users", Some(total(&within(seen, &by_users, 0, 7))));
    let quarter = within(seen, &all, 0, 90);
    out.set("d_mean", (!quarter.is_empty()).then(|| total(&quarter) / quarter.len() as f64));
    let others = of(&["board", "chat", "docs", "export"]);
    out.set("d_least", values(&others).into_iter().reduce(f64::min));
    out.set("d_quantities", Some(distinct(&quarter)));
    let users: Vec<Counted> = seen.usage.iter().map(|row| (row.at, row.user.map(|user| user as f64))).collect();
    out.set("d_users_change", changed(seen, &users, 28, 28, distinct));
    out.set("d_days_year_ago", changed(seen, &of(&["api", "board"]), 28, 364, days));
    out.set("d_sum_change", changed(seen, &all, 7, 7, total));
}

fn invoices(seen: &Seen<'_>, out: &mut Values) {
    let paid = |row: &InvoiceRow| row.paid.filter(|at| *at < seen.now);
    let unpaid: Vec<_> = seen.invoices.iter().copied().filter(|row| paid(row).is_none()).collect();
    out.set("d_unpaid", Some(unpaid.iter().map(|row| row.amount).filter(|amount| *amount > 0.0).sum()));
    let late = seen.invoices.iter().filter(|row| seen.recent(row.at, 365) && paid(row).is_some_and(|at| at > row.due));
    out.set("d_paid_late", Some(late.count() as f64));
    let disputed = unpaid.iter().filter(|row| row.disputed.is_some_and(|at| at < seen.now));
    out.set("d_disputed", Some(days(&disputed.map(|row| (row.at, None)).collect::<Vec<_>>())));
    out.set("d_learned_late", Some(seen.invoices.iter().filter(|row| row.known > row.at).count() as f64));
}

/// An account's row is known once at a time, so that files and facts agree on which of two is the later.
fn settled(mut world: World) -> World {
    let mut known: Vec<(usize, i64)> = Vec::new();
    world.accounts.retain(|row| {
        let is_new = !known.contains(&(row.account, row.known));
        known.push((row.account, row.known));
        is_new
    });
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn declared_signals_equal_the_oracle(world in worlds()) {
        let world = settled(world);
        let spine = everyone(&as_of_days());
        let matrix = compute(&world, &spine);
        prop_assert_eq!(matrix.signals.len(), 19);
        for (row, (account, as_of)) in spine.accounts.iter().zip(as_of_days().iter().flat_map(|day| [*day; ACCOUNTS])).enumerate() {
            check_row(&matrix, row, &expected(&Seen::of(&world, *account as usize, as_of)))?;
        }
    }

    #[test]
    fn the_future_changes_no_declared_signal(world in worlds(), other in worlds(), which in 0..3_usize) {
        let day = as_of_days()[which];
        let world = settled(world);
        let spine = everyone(&[day]);
        let now = compute(&world, &spine);
        prop_assert!(now.same_bits(&compute(&past_only(&world, day * DAY), &spine)), "future facts removed");
        prop_assert!(now.same_bits(&compute(&another_future(&world, &other, day * DAY), &spine)), "another future");
    }
}

/// The worlds are random, so it must be seen that they say something: every declared signal is often neither null nor 0.
#[test]
fn every_declared_signal_varies() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let spine = everyone(&as_of_days());
    let mut telling = vec![0; 19];
    for _ in 0..60 {
        let world = settled(worlds().new_tree(&mut runner).unwrap().current());
        for (count, column) in telling.iter_mut().zip(&compute(&world, &spine).columns) {
            let Column::Numeric(values) = column else { panic!("a declared signal is a number") };
            *count += values.iter().filter(|value| value.is_finite() && **value != 0.0).count();
        }
    }
    assert!(telling.iter().all(|count| *count >= 5), "{telling:?}");
}
