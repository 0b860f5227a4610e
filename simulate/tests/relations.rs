//! People, meetings, modules and sizes follow the same hidden state as all else: computed here from the files, sharing no
//! code with the simulator.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use bellwether_simulate::{Parameters, Summary};
use support::Table;

/// Microseconds in a day.
const DAY: i64 = 86_400_000_000;
/// 2026-01-31.
const END: i64 = 20_484 * DAY;
/// The first day of 30 months, 2023-07-31.
const START: i64 = 19_569 * DAY;

struct Business {
    _folder: tempfile::TempDir,
    path: PathBuf,
    summary: Summary,
}

fn business() -> &'static Business {
    static BUSINESS: OnceLock<Business> = OnceLock::new();
    BUSINESS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let parameters = Parameters { accounts: 1_500, months: 30, seed: 5, ..Parameters::default() };
        let summary = parameters.check().unwrap().run(folder.path(), &()).unwrap();
        Business { path: folder.path().to_path_buf(), _folder: folder, summary }
    })
}

fn table(name: &str) -> Table {
    Table::read(&business().path.join(format!("data/{name}.parquet")))
}

fn instants(table: &Table, name: &str) -> Vec<i64> {
    table.integers(name).into_iter().map(|value| value.unwrap_or_else(|| panic!("{name} is null"))).collect()
}

/// `(effective_at, mrr)` by account, in order.
fn subscriptions() -> HashMap<String, Vec<(i64, f64)>> {
    let table = table("subscriptions");
    let mut changes: HashMap<String, Vec<(i64, f64)>> = HashMap::new();
    let rows = table.texts("account_id").into_iter().zip(instants(&table, "effective_at")).zip(table.numbers("mrr"));
    for ((account, at), mrr) in rows {
        changes.entry(account).or_default().push((at, mrr));
    }
    changes
}

/// Accounts and when they left: the last MRR is 0, and was so for the days of grace.
fn churned() -> HashMap<String, i64> {
    let last =
        |changes: &Vec<(i64, f64)>| changes.last().copied().filter(|(at, mrr)| *mrr == 0.0 && at + 14 * DAY <= END);
    subscriptions().iter().filter_map(|(account, changes)| Some((account.clone(), last(changes)?.0))).collect()
}

#[derive(Debug, Clone)]
struct Contact {
    account: String,
    id: String,
    role: String,
    since: i64,
    until: Option<i64>,
    known_at: i64,
}

fn contacts() -> Vec<Contact> {
    let table = table("contacts");
    let (accounts, ids, roles) = (table.texts("account_id"), table.texts("contact_id"), table.texts("role"));
    let (since, until, known_at) = (instants(&table, "since"), table.integers("until"), instants(&table, "known_at"));
    (0..accounts.len())
        .map(|row| Contact {
            account: accounts[row].clone(),
            id: ids[row].clone(),
            role: roles[row].clone(),
            since: since[row],
            until: until[row],
            known_at: known_at[row],
        })
        .collect()
}

#[derive(Debug, Clone)]
struct Invitation {
    account: String,
    at: i64,
    kind: String,
    contact: String,
    attended: bool,
    known_at: i64,
}

fn invitations() -> Vec<Invitation> {
    let table = table("meetings");
    let (accounts, kinds, contacts) = (table.texts("account_id"), table.texts("kind"), table.texts("contact_id"));
    let (at, attended, known_at) = (instants(&table, "at"), table.flags("attended"), instants(&table, "known_at"));
    (0..accounts.len())
        .map(|row| Invitation {
            account: accounts[row].clone(),
            at: at[row],
            kind: kinds[row].clone(),
            contact: contacts[row].clone(),
            attended: attended[row],
            known_at: known_at[row],
        })
        .collect()
}

fn share(of: impl Iterator<Item = bool>) -> f64 {
    let all: Vec<bool> = of.collect();
    assert!(all.len() > 50, "{} only", all.len());
    all.iter().filter(|yes| **yes).count() as f64 / all.len() as f64
}

#[test]
fn the_summary_counts_the_rows() {
    let summary = &business().summary;
    let rows = |name: &str| table(name).texts("account_id").len() as u64;
    assert_eq!(summary.item_rows, rows("subscription_items"));
    assert_eq!(summary.contact_rows, rows("contacts"));
    assert_eq!(summary.meeting_rows, rows("meetings"));
    assert_eq!(summary.firmographic_rows, rows("firmographics"));
    assert_eq!((summary.spend_rows, summary.goal_rows), (rows("spend"), rows("goals")));
}

#[test]
fn a_departure_is_a_later_version_of_a_contact() {
    let mut versions: BTreeMap<(String, String), Vec<Contact>> = BTreeMap::new();
    for contact in contacts() {
        versions.entry((contact.account.clone(), contact.id.clone())).or_default().push(contact);
    }
    let mut left = 0;
    for (key, rows) in &versions {
        assert!(rows.len() <= 2 && rows[0].until.is_none(), "{key:?}");
        let Some(second) = rows.get(1) else { continue };
        left += 1;
        let until = second.until.unwrap();
        assert!(second.since < until && until <= second.known_at && rows[0].known_at < second.known_at, "{key:?}");
        assert_eq!((&rows[0].role, rows[0].since), (&second.role, second.since));
    }
    assert!(left > 500, "{left}");
    // On record at any time there may be two champions: the successor, and one who left unnoticed.
    let roles: HashSet<&str> = versions.values().map(|rows| rows[0].role.as_str()).collect();
    assert_eq!(roles, HashSet::from(["sponsor", "champion", "admin", "user"]));
}

#[test]
fn nobody_attends_before_coming_or_after_leaving() {
    let mut people: HashMap<(String, String), (i64, i64)> = HashMap::new();
    for contact in contacts() {
        let until = contact.until.unwrap_or(i64::MAX);
        people.insert((contact.account, contact.id), (contact.since, until));
    }
    let (mut came, mut gone) = (0, 0);
    for row in invitations() {
        let (since, until) = people[&(row.account.clone(), row.contact.clone())];
        assert!(since <= row.at && row.at <= row.known_at, "{row:?}");
        assert!(!row.attended || row.at < until, "{row:?}");
        came += i32::from(row.attended);
        gone += i32::from(row.at >= until);
    }
    // Some are invited in vain: nobody had heard yet.
    assert!(came > 5_000 && gone > 50, "{came} {gone}");
}

#[test]
fn attendance_falls_before_churn() {
    let churned = churned();
    let sponsors: HashSet<(String, String)> = contacts()
        .into_iter()
        .filter(|contact| contact.role == "sponsor")
        .map(|contact| (contact.account, contact.id))
        .collect();
    let rows: Vec<Invitation> = invitations().into_iter().filter(|row| row.kind != "email").collect();
    let before_churn = |row: &&Invitation| churned.get(&row.account).is_some_and(|end| row.at >= end - 120 * DAY);
    let stays = |row: &&Invitation| !churned.contains_key(&row.account);
    let is_sponsor = |row: &&Invitation| sponsors.contains(&(row.account.clone(), row.contact.clone()));
    let leaving = share(rows.iter().filter(before_churn).map(|row| row.attended));
    let staying = share(rows.iter().filter(stays).map(|row| row.attended));
    assert!(leaving < staying - 0.1, "{leaving} {staying}");
    let leaving = share(rows.iter().filter(before_churn).filter(is_sponsor).map(|row| row.attended));
    let staying = share(rows.iter().filter(stays).filter(is_sponsor).map(|row| row.attended));
    assert!(leaving < staying - 0.15, "sponsors: {leaving} {staying}");
}

#[test]
fn meetings_thin_out_before_churn() {
    // Meetings (not letters) of an account: instants that somebody attended, in the last 120 days before the end against
    // the 120 days that end a year before it, over accounts there for that long. Against it the same of those who stay.
    let churned = churned();
    let first: HashMap<String, i64> = subscriptions().into_iter().map(|(account, rows)| (account, rows[0].0)).collect();
    let mut held: HashMap<&str, HashSet<i64>> = HashMap::new();
    let rows = invitations();
    for row in rows.iter().filter(|row| row.attended && row.kind != "email") {
        held.entry(&row.account).or_default().insert(row.at);
    }
    let (mut leaving, mut staying) = ([0.0, 0.0], [0.0, 0.0]);
    for (account, first) in &first {
        let end = churned.get(account).copied().unwrap_or(END - 15 * DAY);
        if (*first).max(START) > end - 500 * DAY {
            continue;
        }
        let sums = if churned.contains_key(account) { &mut leaving } else { &mut staying };
        for at in held.get(account.as_str()).into_iter().flatten() {
            sums[0] += f64::from(u8::from((end - 485 * DAY..end - 365 * DAY).contains(at)));
            sums[1] += f64::from(u8::from((end - 120 * DAY..end).contains(at)));
        }
    }
    assert!(leaving[0] > 100.0 && staying[0] > 500.0, "{leaving:?} {staying:?}");
    let [leaving, staying] = [leaving, staying].map(|[then, now]| now / then);
    assert!(leaving < 0.85 * staying, "{leaving} {staying}");
}

#[test]
fn a_champion_who_left_foretells_churn() {
    let churned = churned();
    let rows = contacts();
    let departures =
        rows.iter().filter(|row| row.role == "champion" && row.until.is_some_and(|at| at < END - 200 * DAY));
    let follows = |at: i64, account: &str| churned.get(account).is_some_and(|end| (at..at + 180 * DAY).contains(end));
    let left = share(departures.clone().map(|row| follows(row.until.unwrap(), &row.account)));
    // The same dates at all other accounts that were there.
    let subscriptions = subscriptions();
    let dates: Vec<i64> = departures.filter_map(|row| row.until).take(100).collect();
    let there =
        |account: &str, at: i64| subscriptions[account][0].0 < at && churned.get(account).is_none_or(|end| *end > at);
    let others = dates.iter().flat_map(|at| subscriptions.keys().map(move |account| (account.as_str(), *at)));
    let usual = share(others.filter(|(account, at)| there(account, *at)).map(|(account, at)| follows(at, account)));
    assert!(left > 1.4 * usual, "{left} {usual}");
}

#[test]
fn some_sponsors_answer_surveys() {
    let respondents: HashSet<String> = table("nps").texts("respondent_id").into_iter().collect();
    let sponsors: Vec<Contact> = contacts().into_iter().filter(|contact| contact.role == "sponsor").collect();
    let answering = sponsors.iter().filter(|contact| respondents.contains(&contact.id)).count();
    assert!(answering > 200 && answering < sponsors.len() / 2, "{answering} of {}", sponsors.len());
    // Who is asked for life stays for life.
    let leaves = |contact: &Contact| contact.id.starts_with("r-") && contact.until.is_some();
    assert!(!contacts().iter().any(leaves));
}

/// `(effective_at, item, mrr)` by account, by time.
fn items() -> HashMap<String, Vec<(i64, String, f64)>> {
    let table = table("subscription_items");
    let mut items: HashMap<String, Vec<(i64, String, f64)>> = HashMap::new();
    let rows = table.texts("account_id").into_iter().zip(instants(&table, "effective_at"));
    let values = table.texts("item").into_iter().zip(table.numbers("mrr"));
    for ((account, at), (item, mrr)) in rows.zip(values) {
        items.entry(account).or_default().push((at, item, mrr));
    }
    items.values_mut().for_each(|rows| rows.sort_by_key(|row| row.0));
    items
}

#[test]
fn modules_are_parts_of_the_mrr() {
    let (subscriptions, items) = (subscriptions(), items());
    let (mut bought, mut dropped, mut holding) = (0, 0, 0);
    for (account, changes) in &subscriptions {
        let rows = items.get(account).map(Vec::as_slice).unwrap_or_default();
        let times: HashSet<i64> = changes.iter().map(|(at, _)| *at).collect();
        // A row may be known too late for the file, so only those that are there are looked at.
        assert!(rows.iter().all(|row| times.contains(&row.0)), "{account}: an item changes with the subscription");
        let mut held: HashMap<&str, f64> = HashMap::new();
        let (mut paid, mut before, mut next) = (0.0, 0, 0);
        for (place, (at, mrr)) in changes.iter().enumerate() {
            while next < rows.len() && rows[next].0 == *at {
                held.insert(&rows[next].1, rows[next].2);
                next += 1;
            }
            held.retain(|_, mrr| *mrr > 0.0);
            let sum: f64 = held.values().sum();
            assert!(sum <= *mrr + 1e-9 || *at > END - 7 * DAY, "{account}: items {sum} of {mrr}");
            if place > 0 && *mrr > 0.0 && paid > 0.0 {
                bought += i32::from(held.len() > before);
                dropped += i32::from(held.len() < before);
                assert!(held.len() <= before || *mrr > paid, "{account}: a module is bought where MRR rises");
                assert!(held.len() >= before || *mrr < paid, "{account}: a module is dropped where MRR falls");
            }
            if *mrr > 0.0 {
                (paid, before) = (*mrr, held.len());
            }
        }
        holding += i32::from(before > 0);
    }
    assert!(holding > 400 && bought > 50 && dropped > 20, "{holding} {bought} {dropped}");
}

#[test]
fn employees_grow_with_demand() {
    let table = table("firmographics");
    let mut sizes: HashMap<String, Vec<f64>> = HashMap::new();
    for (account, employees) in table.texts("account_id").into_iter().zip(table.integers("employees")) {
        sizes.entry(account).or_default().push(employees.unwrap() as f64);
    }
    assert!(sizes.values().flatten().all(|employees| *employees >= 1.0));
    let covered = sizes.len() as f64 / 1_500.0;
    assert!((0.75..0.92).contains(&covered), "{covered}");
    let subscriptions = subscriptions();
    let expansions = |grew: bool| {
        let of_kind = sizes.iter().filter(|(_, sizes)| {
            sizes.len() >= 5 && sizes[0] >= 20.0 && (sizes[sizes.len() - 1] > 1.1 * sizes[0]) == grew
        });
        let (mut steps, mut rises) = (0, 0);
        for (account, _) in of_kind {
            for pair in subscriptions[account].windows(2) {
                steps += 1;
                rises += i32::from(pair[0].1 > 0.0 && pair[1].1 >= 1.05 * pair[0].1);
            }
        }
        f64::from(rises) / f64::from(steps)
    };
    let (growing, others) = (expansions(true), expansions(false));
    assert!(growing > 1.1 * others, "{growing} {others}");
}

#[test]
fn knowledge_comes_late_by_what_each_table_is() {
    let late = |times: Vec<(i64, i64)>, days: i64| {
        times.iter().filter(|(at, known)| known - at > days * DAY).count() as f64 / times.len() as f64
    };
    let meetings = invitations().into_iter().map(|row| (row.at, row.known_at)).collect::<Vec<_>>();
    assert!(meetings.iter().all(|(at, known)| known - at <= 10 * DAY));
    let share = late(meetings, 1);
    assert!((0.03..0.08).contains(&share), "meetings: {share}");
    let departures: Vec<(i64, i64)> = contacts().iter().filter_map(|row| Some((row.until?, row.known_at))).collect();
    let share = late(departures, 7);
    assert!((0.4..0.7).contains(&share), "departures: {share}");
    let sizes = table("firmographics");
    let known = instants(&sizes, "at").into_iter().zip(instants(&sizes, "known_at")).collect();
    assert!(late(known, 4) > 0.7);
    let items = table("subscription_items");
    let known = instants(&items, "effective_at").into_iter().zip(instants(&items, "known_at")).collect();
    let share = late(known, 1);
    assert!((0.01..0.06).contains(&share), "items: {share}");
}
