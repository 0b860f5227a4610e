//! Versions, aliases, history, and the gate.

use std::fs;

use bellwether_train::forecasts::Forecasts;
use bellwether_train::registry::{self, Action, Actor, Decision, RegistryError, RolledBack};
use bellwether_train::{Dataset, Silent, TrainError, Trained, backtest, train};
use chrono::Days;

use crate::world::{Size, dataset, date, settings};

fn actor(when: &str) -> Actor {
    Actor { who: "ada".to_owned(), when: when.to_owned() }
}

fn decision(when: &str) -> Decision {
    Decision { actor: actor(when), reason: None, despite_gate: false }
}

/// A model of the business.
fn trained(learners: &[&str], accounts: usize) -> Trained {
    let (data, _) = dataset(Size { accounts, months: 26 }, 33);
    let settings = settings("2023-07-01", "half-year", learners);
    let judged = backtest(&data, &settings, &Silent).unwrap();
    train(&data, &settings, &judged, "acme", &Silent).unwrap()
}

/// Without forecasts, as a build before this one wrote it.
fn without_forecasts(trained: Trained) -> Trained {
    Trained { forecasts: Forecasts::default(), ..trained }
}

#[test]
fn the_first_is_champion_and_the_better_is_promoted() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("registry");
    let simple = trained(&["base_rate"], 150);
    let better = trained(&["base_rate", "logistic"], 150);

    let first = registry::add(&place, &simple, &actor("2026-01-01T00:00:00Z")).unwrap();
    assert!(first.became_champion && first.version == 1 && first.identity.starts_with("acme/1@"));
    let second = registry::add(&place, &better, &actor("2026-01-02T00:00:00Z")).unwrap();
    assert!(!second.became_champion && second.version == 2);
    assert_eq!(registry::resolve(&place, "acme", "challenger").unwrap(), 2);

    let promoted = registry::promote(&place, "acme", 2, &decision("2026-01-03T00:00:00Z")).unwrap();
    assert_eq!((promoted.version, promoted.previous), (2, Some(1)));
    for (one, target) in promoted.comparisons.iter().zip(&better.contents.targets) {
        assert_eq!((one.target.as_str(), one.measure.as_str()), (target.name.as_str(), "log loss on common rows"));
        let paired = one.paired.unwrap();
        assert!(one.challenger < one.champion && paired.high < 0.0 && paired.accounts == 150, "{one}");
        // All rows are common, so these are the figures of the backtests.
        let figure = |trained: &Trained| {
            let targets = trained.contents.backtest["targets"].as_array().unwrap();
            let found = targets.iter().find(|found| found["definition"]["name"] == one.target.as_str()).unwrap();
            let selected = found["learners"].as_array().unwrap().iter().find(|l| l["learner"] == found["selected"]);
            selected.unwrap()["metrics"]["log_loss"].as_f64().unwrap()
        };
        assert!((one.champion - figure(&simple)).abs() < 1e-12 && (one.challenger - figure(&better)).abs() < 1e-12);
    }
    let listed = registry::list(&place).unwrap();
    let aliases: Vec<_> = listed.iter().map(|one| (one.version, one.aliases.clone())).collect();
    assert_eq!(aliases, [(1, vec!["previous"]), (2, vec!["champion"])]);

    // The way back through the gate is closed: the old one is worse.
    let refused = registry::promote(&place, "acme", 1, &decision("2026-01-04T00:00:00Z"));
    let Err(TrainError::Registry(RegistryError::QualityGate { version: 1, champion: 2, .. })) = refused else {
        panic!("expected the quality gate, found {refused:?}")
    };
    assert_eq!(registry::resolve(&place, "acme", "champion").unwrap(), 2);

    let history = registry::history(&place, "acme").unwrap();
    let actions: Vec<Action> = history.entries.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::Add, Action::Add, Action::Promote]);
    let last = &history.entries[2];
    assert_eq!((last.when.as_str(), last.who.as_str()), ("2026-01-03T00:00:00Z", "ada"));
    assert_eq!((last.version, last.champion_before, &last.comparisons), (Some(2), Some(1), &promoted.comparisons));
    let (shown, summary) = registry::show(&place, "acme", 2).unwrap();
    assert_eq!((shown.version, summary.targets.len()), (2, 2));
    for entry in fs::read_dir(place.join("acme/forecasts")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"account-"), "no account is named");
    }
}

#[test]
fn without_common_rows_summaries_are_compared_relative_to_the_base_rate() {
    let folder = tempfile::tempdir().unwrap();
    let simple = without_forecasts(trained(&["base_rate"], 150));
    registry::add(folder.path(), &simple, &actor("1")).unwrap();
    let better = without_forecasts(trained(&["base_rate", "logistic"], 140));
    registry::add(folder.path(), &better, &actor("2")).unwrap();
    let promoted = registry::promote(folder.path(), "acme", 2, &decision("3")).unwrap();
    let measures: Vec<&str> = promoted.comparisons.iter().map(|one| one.measure.as_str()).collect();
    assert_eq!(measures, ["log loss relative to the base rate"; 2]);
}

#[test]
fn an_equal_challenger_is_not_better_unless_it_knows_more() {
    let folder = tempfile::tempdir().unwrap();
    let same = trained(&["base_rate"], 150);
    registry::add(folder.path(), &same, &actor("1")).unwrap();
    registry::add(folder.path(), &same, &actor("2")).unwrap();
    let refused = registry::promote(folder.path(), "acme", 2, &decision("3"));
    assert!(matches!(refused, Err(TrainError::Registry(RegistryError::QualityGate { .. }))));
    // Promoting the champion again changes nothing and is no error.
    let before = fs::read(folder.path().join("acme/history.jsonl")).unwrap();
    assert!(registry::promote(folder.path(), "acme", 1, &decision("4")).unwrap().comparisons.is_empty());
    assert!(fs::read(folder.path().join("acme/history.jsonl")).unwrap() == before);

    // The labels of the same rows at a later date: the same forecasts of old rows, and more known since.
    let (data, _) = dataset(Size { accounts: 150, months: 26 }, 33);
    let settings = settings("2023-07-01", "half-year", &["base_rate"]);
    let earlier = known_at(&data, "2024-01-15");
    let train_on = |data: &Dataset| {
        let judged = backtest(data, &settings, &Silent).unwrap();
        train(data, &settings, &judged, "acme", &Silent).unwrap()
    };
    let place = folder.path().join("later");
    registry::add(&place, &train_on(&earlier), &actor("1")).unwrap();
    registry::add(&place, &train_on(&data), &actor("2")).unwrap();
    let promoted = registry::promote(&place, "acme", 2, &decision("3")).unwrap();
    for one in &promoted.comparisons {
        let paired = one.paired.unwrap();
        assert_eq!((paired.difference, paired.low, paired.high), (0.0, 0.0, 0.0), "{one}");
    }
    // And back: no newer labels, no passing.
    let refused = registry::promote(&place, "acme", 1, &decision("4"));
    assert!(matches!(refused, Err(TrainError::Registry(RegistryError::QualityGate { .. }))));
}

/// The same business as its labels were known at an earlier date.
fn known_at(data: &Dataset, known_before: &str) -> Dataset {
    let known_before = date(known_before);
    let labels = data.labels().iter().map(|labels| {
        let mut labels = labels.clone();
        let interval = Days::new(labels.target.label_interval_days().into());
        labels.known_before = known_before;
        for (value, as_of) in labels.values.iter_mut().zip(data.as_of()) {
            *value = value.filter(|_| *as_of + interval <= known_before);
        }
        labels
    });
    Dataset::new(data.matrix().clone(), labels.collect()).unwrap()
}

#[test]
fn the_gate_is_overruled_only_with_a_reason_and_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let same = trained(&["base_rate"], 150);
    for when in ["1", "2", "3"] {
        registry::add(folder.path(), &same, &actor(when)).unwrap();
    }
    let overrule = |reason: Option<&str>, version: u32| {
        let reason = reason.map(str::to_owned);
        registry::promote(folder.path(), "acme", version, &Decision { reason, despite_gate: true, ..decision("4") })
    };
    for reason in [None, Some(" ")] {
        let refused = overrule(reason, 2);
        assert!(matches!(refused, Err(TrainError::Registry(RegistryError::NoReason { .. }))), "{refused:?}");
    }
    let promoted = overrule(Some(" the target moved "), 2).unwrap();
    let said = promoted.despite_gate.unwrap();
    assert!(said.contains("churn_90d: log loss on common rows"), "{said}");
    let last = registry::history(folder.path(), "acme").unwrap().entries.pop().unwrap();
    assert_eq!((last.reason.as_deref(), last.despite_gate), (Some("the target moved"), Some(said)));

    // A champion whose backtest is lost can still be followed by another.
    fs::remove_file(folder.path().join("acme/versions/2/backtest.json")).unwrap();
    let refused = registry::promote(folder.path(), "acme", 3, &decision("5"));
    assert!(matches!(refused, Err(TrainError::Registry(RegistryError::Missing { .. }))), "{refused:?}");
    let promoted = overrule(Some("version 2 is broken"), 3).unwrap();
    assert!(promoted.despite_gate.unwrap().contains("champion 2 cannot be compared with"));
    // But a bundle that does not load is never made champion.
    let refused = overrule(Some("no matter"), 2);
    assert!(matches!(refused, Err(TrainError::Registry(_))), "{refused:?}");
    let back = registry::rollback(folder.path(), "acme", &decision("6"));
    assert!(matches!(back, Err(TrainError::Registry(RegistryError::Bundle(_)))), "{back:?}");
    assert_eq!(registry::resolve(folder.path(), "acme", "champion").unwrap(), 3);
}

#[test]
fn rollback_swaps_champion_and_previous() {
    let folder = tempfile::tempdir().unwrap();
    registry::add(folder.path(), &trained(&["base_rate"], 150), &actor("1")).unwrap();
    let none = registry::rollback(folder.path(), "acme", &decision("2"));
    assert!(matches!(none, Err(TrainError::Registry(RegistryError::NoPrevious { .. }))), "{none:?}");
    registry::add(folder.path(), &trained(&["base_rate", "logistic"], 150), &actor("3")).unwrap();
    registry::promote(folder.path(), "acme", 2, &decision("4")).unwrap();
    let reason = Some("wrong on Monday".to_owned());
    let back =
        registry::rollback(folder.path(), "acme", &Decision { reason: reason.clone(), ..decision("5") }).unwrap();
    assert_eq!(back, RolledBack { version: 1, previous: Some(2) });
    let champion = |alias: &str| registry::resolve(folder.path(), "acme", alias).unwrap();
    assert_eq!((champion("champion"), champion("previous")), (1, 2));
    let last = registry::history(folder.path(), "acme").unwrap().entries.pop().unwrap();
    assert_eq!((last.action, last.version, last.champion_before), (Action::Rollback, Some(1), Some(2)));
    assert_eq!(last.reason, reason);
    registry::rollback(folder.path(), "acme", &decision("6")).unwrap();
    assert_eq!((champion("champion"), champion("previous")), (2, 1));
}

#[test]
fn lost_aliases_stop_every_change_and_edited_ones_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let model = trained(&["base_rate"], 150);
    registry::add(folder.path(), &model, &actor("1")).unwrap();
    registry::add(folder.path(), &model, &actor("2")).unwrap();
    let aliases = folder.path().join("acme/aliases.json");
    fs::remove_file(&aliases).unwrap();
    let lost = |error: TrainError| {
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
        error.to_string().contains("aliases.json: expected the file") && help.contains("history.jsonl")
    };
    assert!(lost(registry::add(folder.path(), &model, &actor("3")).unwrap_err()));
    assert!(lost(registry::promote(folder.path(), "acme", 2, &decision("3")).unwrap_err()));
    assert!(lost(registry::rollback(folder.path(), "acme", &decision("3")).unwrap_err()));
    assert!(lost(registry::list(folder.path()).unwrap_err()));

    // No champion: whoever is promoted passes, and what was found is on record.
    fs::write(&aliases, "{\"champion\":null,\"challenger\":2}").unwrap();
    assert!(!registry::history(folder.path(), "acme").unwrap().agrees());
    let promoted = registry::promote(folder.path(), "acme", 2, &decision("4")).unwrap();
    assert_eq!((promoted.previous, promoted.comparisons.len()), (None, 0));
    let history = registry::history(folder.path(), "acme").unwrap();
    let actions: Vec<Action> = history.entries.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::Add, Action::Add, Action::Found, Action::Promote]);
    assert!(history.agrees());
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let model = trained(&["base_rate"], 150);
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
    let missing = registry::promote(folder.path(), "acme", 1, &decision("1"));
    assert!(matches!(missing, Err(TrainError::Registry(RegistryError::Missing { .. }))));
    let name = registry::promote(folder.path(), "../acme", 1, &decision("1"));
    assert!(matches!(name, Err(TrainError::Registry(RegistryError::Name { .. }))));
    let name = registry::check(folder.path(), "../acme");
    assert!(matches!(name, Err(TrainError::Registry(RegistryError::Name { .. }))));
    registry::check(&folder.path().join("new"), "acme").unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(matches!(registry::check(&folder.path().join("file"), "acme"), Err(TrainError::Io { .. })));
    assert!(registry::list(&folder.path().join("nowhere")).is_err());
}
