//! The tables hang together, signals lead revenue, and the truth is true: everything is computed here from the files, by
//! the definitions of the labels, and shares no code with the simulator.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bellwether_simulate::{Parameters, Summary, World};
use support::Table;

/// Microseconds in a day.
const DAY: i64 = 86_400_000_000;

const ACCOUNTS: u32 = 1_000;

/// One business for all tests of this file.
struct Business {
    _folder: tempfile::TempDir,
    path: PathBuf,
    summary: Summary,
    end: i64,
}

fn business() -> &'static Business {
    static BUSINESS: OnceLock<Business> = OnceLock::new();
    BUSINESS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let parameters = Parameters { accounts: ACCOUNTS, months: 24, truth: true, ..Parameters::default() };
        let summary = parameters.check().unwrap().run(folder.path(), &()).unwrap();
        // 2026-01-31 is day 20,484.
        Business { path: folder.path().to_path_buf(), _folder: folder, summary, end: 20_484 * DAY }
    })
}

impl Business {
    fn table(&self, name: &str) -> Table {
        Table::read(&self.path.join(format!("data/{name}.parquet")))
    }

    fn usage(&self) -> Table {
        Table::read(&self.path.join("data/usage"))
    }
}

/// Instants or dates that are never null.
fn instants(table: &Table, name: &str) -> Vec<i64> {
    table.integers(name).into_iter().map(|value| value.unwrap_or_else(|| panic!("{name} is null"))).collect()
}

/// `(effective_at, mrr)` by account.
fn subscriptions(path: &Path) -> HashMap<String, Vec<(i64, f64)>> {
    let table = Table::read(&path.join("data/subscriptions.parquet"));
    let mut changes: HashMap<String, Vec<(i64, f64)>> = HashMap::new();
    let rows = table.texts("account_id").into_iter().zip(instants(&table, "effective_at")).zip(table.numbers("mrr"));
    for ((account, at), mrr) in rows {
        changes.entry(account).or_default().push((at, mrr));
    }
    changes
}

/// When MRR went to 0 for good.
fn churned_at(changes: &[(i64, f64)]) -> Option<i64> {
    changes.last().filter(|(_, mrr)| *mrr == 0.0).map(|(at, _)| *at)
}

/// True probabilities and outcomes of the mature rows.
fn outcomes(path: &Path, end: i64, target: &str) -> Vec<(f64, bool)> {
    let changes = subscriptions(path);
    let truth = Table::read(&path.join("truth/probabilities.parquet"));
    let rows = truth.texts("account_id").into_iter().zip(instants(&truth, "as_of")).zip(truth.numbers(target));
    let mut found = Vec::new();
    for ((account, day), probability) in rows {
        let as_of = day * DAY;
        let changes = &changes[&account];
        let mrr = changes.iter().rev().find(|(at, _)| *at < as_of).unwrap().1;
        assert!(mrr > 0.0, "{account} is not active on day {day}");
        let within = |at: i64, days: i64| (as_of..as_of + days * DAY).contains(&at);
        let outcome = if target == "churn_90d" {
            (as_of + 104 * DAY <= end).then(|| churned_at(changes).is_some_and(|at| within(at, 90)))
        } else {
            let grew = || changes.iter().any(|&(at, later)| within(at, 60) && later >= 1.05 * mrr);
            (as_of + 60 * DAY <= end).then(grew)
        };
        found.extend(outcome.map(|outcome| (probability, outcome)));
    }
    found
}

fn rate(rows: &[(f64, bool)]) -> f64 {
    rows.iter().filter(|(_, outcome)| *outcome).count() as f64 / rows.len() as f64
}

/// Probability that an event has the higher score than a non-event, by ranks.
fn area_under_curve(rows: &[(f64, bool)]) -> f64 {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|left, right| left.0.total_cmp(&right.0));
    let events = sorted.iter().filter(|(_, event)| *event).count() as f64;
    let ranks: f64 = sorted.iter().enumerate().filter(|(_, row)| row.1).map(|(index, _)| index as f64 + 1.0).sum();
    (ranks - events * (events + 1.0) / 2.0) / (events * (sorted.len() as f64 - events))
}

#[test]
fn base_rates_are_those_of_the_documentation() {
    let business = business();
    let churn = outcomes(&business.path, business.end, "churn_90d");
    let expansion = outcomes(&business.path, business.end, "expansion_60d");
    assert!((0.04..0.07).contains(&rate(&churn)), "{}", rate(&churn));
    assert!((0.05..0.09).contains(&rate(&expansion)), "{}", rate(&expansion));
    // The summary counts the same rows and events.
    assert_eq!(business.summary.churn_90d.rows, churn.len() as u64);
    assert_eq!(business.summary.churn_90d.events, churn.iter().filter(|row| row.1).count() as u64);
    assert_eq!(business.summary.expansion_60d.rows, expansion.len() as u64);
    assert_eq!(business.summary.expansion_60d.events, expansion.iter().filter(|row| row.1).count() as u64);
}

#[test]
fn truth_is_calibrated_and_ranks() {
    let business = business();
    for target in ["churn_90d", "expansion_60d"] {
        let mut rows = outcomes(&business.path, business.end, target);
        rows.sort_by(|left, right| left.0.total_cmp(&right.0));
        assert!(rows.iter().all(|(probability, _)| (0.0..=1.0).contains(probability)));
        // Overlapping months of one account are one outcome seen up to three times: allow three times the variance.
        for (name, part) in [("all", &rows[..]), ("upper tenth", &rows[rows.len() * 9 / 10..])] {
            let mean = part.iter().map(|row| row.0).sum::<f64>() / part.len() as f64;
            let variance = 3.0 * part.iter().map(|row| row.0 * (1.0 - row.0)).sum::<f64>();
            let error = 4.0 * variance.sqrt() / part.len() as f64;
            assert!((mean - rate(part)).abs() < error, "{target}, {name}: {mean} against {} +- {error}", rate(part));
        }
        let area = area_under_curve(&rows);
        assert!((0.82..0.93).contains(&area), "{target}: {area}");
    }
}

#[test]
fn tables_refer_to_accounts_and_times_are_in_order() {
    let business = business();
    let accounts = business.table("accounts");
    let signed_up: HashMap<String, i64> =
        accounts.texts("account_id").into_iter().zip(instants(&accounts, "signed_up_at")).collect();
    assert_eq!(signed_up.len(), ACCOUNTS as usize);
    let churned: HashMap<String, Option<i64>> =
        subscriptions(&business.path).into_iter().map(|(account, changes)| (account, churned_at(&changes))).collect();
    assert_eq!(churned.len(), ACCOUNTS as usize);
    let tables = [
        ("usage", business.usage(), "at"),
        ("nps", business.table("nps"), "at"),
        ("invoices", business.table("invoices"), "issued_at"),
        ("tickets", business.table("tickets"), "opened_at"),
        ("subscriptions", business.table("subscriptions"), "effective_at"),
        ("subscription_items", business.table("subscription_items"), "effective_at"),
        ("contacts", business.table("contacts"), "since"),
        ("meetings", business.table("meetings"), "at"),
        ("firmographics", business.table("firmographics"), "at"),
    ];
    for (name, table, event) in tables {
        let times = instants(&table, event).into_iter().zip(instants(&table, "known_at"));
        for (account, (at, known_at)) in table.texts("account_id").into_iter().zip(times) {
            assert!(at <= known_at && known_at < business.end, "{name} {account}: {at} {known_at}");
            assert!(signed_up[&account] <= at, "{name} {account}: before sign-up");
            // An MRR of 0 within the grace period of the end may be a late renewal: its invoice is on the way.
            let last = churned[&account].filter(|at| *at < business.end - 14 * DAY).unwrap_or(business.end);
            assert!(at < last || name.starts_with("subscription"), "{name} {account}: after churn");
        }
    }
    for (table, key) in [("invoices", "invoice_id"), ("tickets", "ticket_id")] {
        let ids = business.table(table).texts(key);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{table}");
    }
}

#[test]
fn values_are_in_range() {
    let business = business();
    assert!(business.table("nps").integers("score").iter().all(|score| (0..=10).contains(&score.unwrap())));
    assert!(business.usage().numbers("quantity").iter().all(|&quantity| quantity >= 1.0));
    let invoices = business.table("invoices");
    assert!(invoices.numbers("amount").iter().all(|&amount| amount > 0.0));
    let issued = instants(&invoices, "issued_at");
    assert!(issued.iter().zip(instants(&invoices, "due_at")).all(|(issued, due)| *issued < due));
    assert!(issued.iter().zip(invoices.integers("paid_at")).all(|(issued, paid)| paid.is_none_or(|at| *issued < at)));
    // Seats have a heavy tail: the top hundredth of accounts is far above the median.
    let table = business.table("subscriptions");
    let seats =
        by_account(&table, "effective_at", table.integers("seats").into_iter().map(|seats| seats.unwrap() as f64));
    let mut seats: Vec<f64> = seats.values().map(|rows| rows[rows.len() - 1].1).collect();
    seats.sort_by(f64::total_cmp);
    let (median, top) = (seats[seats.len() / 2], seats[seats.len() * 99 / 100]);
    assert!(seats[0] >= 1.0 && top > 20.0 * median, "{median} {top}");
}

#[test]
fn a_few_percent_of_usage_arrives_late() {
    let usage = business().usage();
    let delays: Vec<i64> =
        instants(&usage, "at").into_iter().zip(instants(&usage, "known_at")).map(|(at, known)| known - at).collect();
    let late = delays.iter().filter(|&&delay| delay > DAY).count() as f64 / delays.len() as f64;
    assert!((0.015..0.05).contains(&late), "{late}");
    assert!(delays.iter().all(|&delay| delay <= 30 * DAY));
}

/// Quantity per account in windows of days before a moment.
fn change_of_use(usage: &HashMap<String, Vec<(i64, f64)>>, account: &str, moment: i64) -> Option<f64> {
    let rows = usage.get(account)?;
    let sum = |from: i64, until: i64| {
        let window = moment - from * DAY..moment - until * DAY;
        rows.iter().filter(|(at, _)| window.contains(at)).map(|(_, quantity)| quantity).sum::<f64>()
    };
    let before = sum(140, 84);
    (before > 0.0).then(|| 0.5 * (sum(56, 0) - before) / (0.5 * before)).map(|change| change.min(3.0))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn usage_falls_before_churn_and_rises_before_expansion() {
    let business = business();
    let table = business.usage();
    let usage = by_account(&table, "at", table.numbers("quantity"));
    let start = business.end - 730 * DAY;
    let (mut leaving, mut growing, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (account, changes) in subscriptions(&business.path) {
        let long_enough = |at: i64| at - start > 150 * DAY;
        let note = |list: &mut Vec<f64>, at: i64| list.extend(change_of_use(&usage, &account, at));
        if let Some(at) = churned_at(&changes) {
            if long_enough(at) {
                note(&mut leaving, at);
            }
            continue;
        }
        note(&mut others, business.end - 31 * DAY);
        for pair in changes.windows(2) {
            if pair[0].1 > 0.0 && pair[1].1 >= 1.05 * pair[0].1 && long_enough(pair[1].0) {
                note(&mut growing, pair[1].0);
            }
        }
    }
    let [leaving, growing, others] = [leaving, growing, others].map(median);
    assert!(leaving < others - 0.03 && growing > others + 0.05, "{leaving} {others} {growing}");
}

#[test]
fn those_who_leave_paid_later_and_answered_lower() {
    let business = business();
    let churned: HashSet<String> = subscriptions(&business.path)
        .into_iter()
        .filter_map(|(account, changes)| churned_at(&changes).map(|_| account))
        .collect();
    let invoices = business.table("invoices");
    let paid = invoices.integers("paid_at").into_iter().zip(instants(&invoices, "due_at"));
    let split = |rows: Vec<(String, f64)>| -> (f64, f64) {
        let of = |gone| rows.iter().filter(|row| churned.contains(&row.0) == gone).map(|row| row.1).collect::<Vec<_>>();
        (mean(&of(true)), mean(&of(false)))
    };
    let late = invoices.texts("account_id").into_iter().zip(paid);
    let late = late.filter_map(|(account, (paid, due))| Some((account, (paid? - due) as f64 / DAY as f64))).collect();
    let (gone, stayed) = split(late);
    assert!(gone > stayed + 1.0, "days late: {gone} against {stayed}");
    let nps = business.table("nps");
    let scores = nps.integers("score").into_iter().map(|score| score.unwrap() as f64);
    let (gone, stayed) = split(nps.texts("account_id").into_iter().zip(scores).collect());
    assert!(gone < stayed - 0.7, "NPS: {gone} against {stayed}");
}

/// Values of one column by account, with their instants.
fn by_account(table: &Table, at: &str, values: impl IntoIterator<Item = f64>) -> HashMap<String, Vec<(i64, f64)>> {
    let mut found: HashMap<String, Vec<(i64, f64)>> = HashMap::new();
    for ((account, at), value) in table.texts("account_id").into_iter().zip(instants(table, at)).zip(values) {
        found.entry(account).or_default().push((at, value));
    }
    found
}

/// Values of an account within the given days before a moment.
fn before<'a>(
    values: &'a HashMap<String, Vec<(i64, f64)>>,
    account: &str,
    moment: i64,
    days: std::ops::Range<i64>,
) -> impl Iterator<Item = f64> + 'a {
    let window = moment - days.end * DAY..moment - days.start * DAY;
    let rows = values.get(account).map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter(move |(at, _)| window.contains(at)).map(|(_, value)| *value)
}

#[test]
fn the_worked_pair_is_recognisable() {
    // Usage down 30 %, NPS 6, tickets, an invoice paid 15 days late: churn of some 15 %. Usage up 50 %, NPS 9, near the
    // limit of the plan: far more expansion than usual.
    let business = business();
    let (usage, nps, tickets) = (business.usage(), business.table("nps"), business.table("tickets"));
    let (invoices, limits) = (business.table("invoices"), business.table("subscriptions"));
    let quantity = by_account(&usage, "at", usage.numbers("quantity"));
    let scores = by_account(&nps, "at", instants(&nps, "score").into_iter().map(|score| score as f64));
    let opened = by_account(&tickets, "opened_at", tickets.texts("ticket_id").iter().map(|_| 1.0));
    let late = invoices.integers("paid_at").into_iter().zip(instants(&invoices, "due_at"));
    let late = late.map(|(paid, due)| (paid.unwrap_or(business.end) - due) as f64 / DAY as f64).collect::<Vec<_>>();
    let late = by_account(&invoices, "due_at", late);
    let limits = by_account(&limits, "effective_at", limits.numbers("usage_limit"));
    let truth = Table::read(&business.path.join("truth/probabilities.parquet"));
    let (churn, expansion) = (truth.numbers("churn_90d"), truth.numbers("expansion_60d"));
    let (mut troubled, mut thriving) = (Vec::new(), Vec::new());
    let rows = truth.texts("account_id").into_iter().zip(instants(&truth, "as_of"));
    for ((account, day), (churn, expansion)) in rows.zip(churn.iter().zip(&expansion)) {
        let as_of = day * DAY;
        let sum = |days| before(&quantity, &account, as_of, days).sum::<f64>();
        let (now, then) = (sum(0..28), sum(28..56));
        let Some(score) = before(&scores, &account, as_of, 0..200).last() else { continue };
        let late = before(&late, &account, as_of, 0..150).fold(0.0, f64::max);
        let tickets = before(&opened, &account, as_of, 0..90).count();
        let limit = before(&limits, &account, as_of, 0..5_000).last().unwrap_or(f64::MAX);
        if now < 0.8 * then && now > 0.5 * then && (5.0..=6.0).contains(&score) && tickets >= 2 && late > 8.0 {
            troubled.push(*churn);
        }
        if now > 1.3 * then && score >= 9.0 && now / 28.0 * 30.0 > 0.8 * limit {
            thriving.push(*expansion);
        }
    }
    assert!(troubled.len() > 5 && (0.07..0.3).contains(&mean(&troubled)), "{}: {}", troubled.len(), mean(&troubled));
    assert!(mean(&troubled) > 1.7 * mean(&churn));
    assert!(thriving.len() > 50 && mean(&thriving) > 2.0 * mean(&expansion), "{}: {}", thriving.len(), mean(&thriving));
}

#[test]
fn every_world_is_a_living_business() {
    for world in World::ALL {
        let folder = tempfile::tempdir().unwrap();
        let parameters = Parameters { accounts: 300, months: 12, world, ..Parameters::default() };
        let summary = parameters.check().unwrap().run(folder.path(), &()).unwrap();
        let (churn, expansion) = (summary.churn_90d.rate(), summary.expansion_60d.rate());
        assert!((0.01..0.2).contains(&churn), "{world}: churn {churn}");
        assert!((0.02..0.25).contains(&expansion), "{world}: expansion {expansion}");
        assert!(summary.active_at_end > 120, "{world}");
    }
}
