//! One seed, one business: whatever the threads, the memory, the size, and whether the truth was asked for.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use std::fs;
use std::path::Path;

use bellwether_simulate::{Observer, Parameters, SimulateError, Summary};
use support::{Table, files};

fn small() -> Parameters {
    // 60 months make blocks of 273 accounts: two blocks.
    Parameters { accounts: 300, months: 60, ..Parameters::default() }
}

fn run(parameters: Parameters, out: &Path) -> Summary {
    parameters.check().unwrap().run(out, &()).unwrap()
}

/// Relative name and bytes of every file.
fn contents(out: &Path) -> Vec<(String, Vec<u8>)> {
    let name = |path: &Path| path.strip_prefix(out).unwrap().to_string_lossy().into_owned();
    files(out).iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

fn assert_same(left: &[(String, Vec<u8>)], right: &[(String, Vec<u8>)]) {
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(left), names(right));
    for ((name, left), (_, right)) in left.iter().zip(right) {
        assert!(left == right, "{name} differs");
    }
}

#[test]
fn threads_memory_and_truth_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (one, three, truth) = (folder.path().join("one"), folder.path().join("three"), folder.path().join("truth"));
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool(1).install(|| run(Parameters { blocks_in_flight: Some(1), ..small() }, &one));
    pool(3).install(|| run(Parameters { blocks_in_flight: Some(7), ..small() }, &three));
    let reference = contents(&one);
    assert_eq!(reference.len(), 2 * 13, "eleven tables and two parts of usage, each with its digest");
    assert_same(&reference, &contents(&three));
    run(Parameters { truth: true, ..small() }, &truth);
    let mut with_truth = contents(&truth);
    with_truth.retain(|(name, _)| name.starts_with("data"));
    assert_same(&reference, &with_truth);
}

#[test]
fn another_seed_is_another_business() {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (folder.path().join("left"), folder.path().join("right"));
    let parameters = Parameters { accounts: 40, months: 3, ..Parameters::default() };
    run(parameters.clone(), &left);
    run(Parameters { seed: 8, ..parameters }, &right);
    assert!(contents(&left).iter().zip(&contents(&right)).all(|(left, right)| left.1 != right.1));
}

#[test]
fn an_account_is_the_same_in_a_larger_business() {
    let folder = tempfile::tempdir().unwrap();
    let (few, many) = (folder.path().join("few"), folder.path().join("many"));
    run(Parameters { accounts: 60, months: 24, ..Parameters::default() }, &few);
    run(Parameters { accounts: 150, months: 24, ..Parameters::default() }, &many);
    for (table, instant, number) in [
        ("usage", "at", Some("quantity")),
        ("subscriptions", "effective_at", Some("mrr")),
        ("invoices", "paid_at", Some("amount")),
        ("tickets", "resolved_at", None),
        ("nps", "at", None),
        ("subscription_items", "effective_at", Some("mrr")),
        ("contacts", "until", None),
        ("meetings", "known_at", None),
        ("firmographics", "employees", None),
        ("spend", "at", None),
        ("goals", "until", Some("target")),
        ("accounts", "signed_up_at", None),
    ] {
        let rows = |out: &Path| {
            let path = out.join("data").join(table);
            let table = Table::read(&if path.is_dir() { path } else { path.with_extension("parquet") });
            let numbers = number.map(|name| table.numbers(name)).unwrap_or_default();
            let ids = table.texts("account_id");
            let kept = ids.iter().filter(|id| id.as_str() <= "acct-0000060").count();
            assert!(ids.is_sorted());
            (table.integers(instant)[..kept].to_vec(), numbers[..kept.min(numbers.len())].to_vec())
        };
        let (left, right) = (rows(&few), rows(&many));
        assert!(left.0.len() >= 60, "{table}");
        assert!(left == right, "{table} differs");
    }
}

#[test]
fn a_smaller_run_leaves_nothing_of_a_larger_one() {
    let folder = tempfile::tempdir().unwrap();
    let (fresh, used) = (folder.path().join("fresh"), folder.path().join("used"));
    run(Parameters { truth: true, ..small() }, &used);
    fs::write(used.join("data/mine.csv"), "kept").unwrap();
    let parameters = Parameters { accounts: 30, months: 3, ..Parameters::default() };
    run(parameters.clone(), &used);
    run(parameters, &fresh);
    assert_eq!(fs::read_to_string(used.join("data/mine.csv")).unwrap(), "kept");
    fs::remove_file(used.join("data/mine.csv")).unwrap();
    assert_same(&contents(&fresh), &contents(&used));
}

/// Stops at once.
struct Impatient;

impl Observer for Impatient {
    fn keep_going(&self) -> bool {
        false
    }
}

#[test]
fn a_stopped_run_leaves_the_earlier_result() {
    let folder = tempfile::tempdir().unwrap();
    let parameters = Parameters { accounts: 30, months: 3, ..Parameters::default() };
    run(parameters.clone(), folder.path());
    let before = contents(folder.path());
    let error = Parameters { seed: 8, ..parameters }.check().unwrap().run(folder.path(), &Impatient).unwrap_err();
    assert!(matches!(error, SimulateError::Stopped { done: 0, total: 30 }), "{error}");
    assert_same(&before, &contents(folder.path()));
}
