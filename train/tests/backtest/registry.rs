//! Versions, aliases, history, and the gate.

use std::fs;

use bellwether_models::bundle::BundleContents;
use bellwether_train::registry::{self, Actor, RegistryError};
use bellwether_train::{Silent, TrainError, backtest, train};

use crate::world::{Size, dataset, settings};

fn actor(when: &str) -> Actor {
    Actor { who: "ada".to_owned(), when: when.to_owned() }
}

fn contents(learners: &[&str], accounts: usize) -> BundleContents {
    let (data, _) = dataset(Size { accounts, months: 26 }, 33);
    let settings = settings("2023-07-01", "half-year", learners);
    let judged = backtest(&data, &settings, &Silent).unwrap();
    train(&data, &settings, &judged, "acme", &Silent).unwrap().contents
}

#[test]
fn the_first_is_champion_and_the_better_is_promoted() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("registry");
    let simple = contents(&["base_rate"], 150);
    let better = contents(&["base_rate", "logistic"], 150);

    let first = registry::add(&place, &simple, &actor("2026-01-01T00:00:00Z")).unwrap();
    assert!(first.became_champion && first.version == 1 && first.identity.starts_with("acme/1@"));
    let second = registry::add(&place, &better, &actor("2026-01-02T00:00:00Z")).unwrap();
    assert!(!second.became_champion && second.version == 2);
    assert_eq!(registry::resolve(&place, "acme", "challenger").unwrap(), 2);

    let promoted = registry::promote(&place, "acme", 2, &actor("2026-01-03T00:00:00Z")).unwrap();
    assert_eq!((promoted.version, promoted.previous), (2, Some(1)));
    assert!(promoted.comparisons.iter().all(|one| one.challenger < one.champion && one.measure == "log loss"));
    let listed = registry::list(&place).unwrap();
    let aliases: Vec<_> = listed.iter().map(|one| (one.version, one.aliases.clone())).collect();
    assert_eq!(aliases, [(1, vec!["previous"]), (2, vec!["champion"])]);

    // The way back is closed: the old one is worse.
    let refused = registry::promote(&place, "acme", 1, &actor("2026-01-04T00:00:00Z"));
    let Err(TrainError::Registry(RegistryError::QualityGate { version: 1, champion: 2, .. })) = refused else {
        panic!("expected the quality gate, found {refused:?}")
    };
    assert_eq!(registry::resolve(&place, "acme", "champion").unwrap(), 2);

    let history = fs::read_to_string(place.join("acme/history.jsonl")).unwrap();
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[2].contains("\"action\":\"promote\"") && lines[2].contains("2026-01-03"));
    let (shown, summary) = registry::show(&place, "acme", 2).unwrap();
    assert_eq!((shown.version, summary.targets.len()), (2, 2));
}

#[test]
fn other_rows_are_compared_relative_to_the_base_rate() {
    let folder = tempfile::tempdir().unwrap();
    registry::add(folder.path(), &contents(&["base_rate"], 150), &actor("1")).unwrap();
    registry::add(folder.path(), &contents(&["base_rate", "logistic"], 140), &actor("2")).unwrap();
    let promoted = registry::promote(folder.path(), "acme", 2, &actor("3")).unwrap();
    assert!(promoted.comparisons.iter().all(|one| one.measure == "log loss relative to the base rate"));
}

#[test]
fn an_equal_challenger_is_not_better() {
    let folder = tempfile::tempdir().unwrap();
    let same = contents(&["base_rate"], 150);
    registry::add(folder.path(), &same, &actor("1")).unwrap();
    registry::add(folder.path(), &same, &actor("2")).unwrap();
    let refused = registry::promote(folder.path(), "acme", 2, &actor("3"));
    assert!(matches!(refused, Err(TrainError::Registry(RegistryError::QualityGate { .. }))));
    // Promoting the champion again changes nothing and is no error.
    assert!(registry::promote(folder.path(), "acme", 1, &actor("4")).unwrap().comparisons.is_empty());
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let model = contents(&["base_rate"], 150);
    registry::add(folder.path(), &model, &actor("1")).unwrap();
    let held = fs::File::open(folder.path().join("acme/.lock")).unwrap();
    held.lock().unwrap();
    let locked = registry::add(folder.path(), &model, &actor("2"));
    assert!(matches!(locked, Err(TrainError::Registry(RegistryError::Locked { .. }))));
    // The file that a killed writer leaves is no lock.
    drop(held);
    assert_eq!(registry::add(folder.path(), &model, &actor("3")).unwrap().version, 2);
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = registry::promote(folder.path(), "acme", 1, &actor("1"));
    assert!(matches!(missing, Err(TrainError::Registry(RegistryError::Missing { .. }))));
    let name = registry::promote(folder.path(), "../acme", 1, &actor("1"));
    assert!(matches!(name, Err(TrainError::Registry(RegistryError::Name { .. }))));
    let name = registry::check(folder.path(), "../acme");
    assert!(matches!(name, Err(TrainError::Registry(RegistryError::Name { .. }))));
    registry::check(&folder.path().join("new"), "acme").unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(matches!(registry::check(&folder.path().join("file"), "acme"), Err(TrainError::Io { .. })));
    assert!(registry::list(&folder.path().join("nowhere")).is_err());
}
