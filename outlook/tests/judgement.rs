//! Overrides held against the model and what came: by hand, and what must not count.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod account_world;

use std::path::Path;

use account_world::{Score, business, date, leaving, moment, subscription, write_scores};
use bellwether_features::facts::{Facts, Grouped, Names, OverrideFact, SubscriptionFact};
use bellwether_outlook::judgement::{JudgementRow, judgements};

const AS_OF: &str = "2025-12-31";
const SCORED: &str = "2025-06-01";

fn names(list: &[&str]) -> Names {
    Names { names: list.iter().map(|name| (*name).to_owned()).collect(), is_there: true }
}

/// By ann (0) or bea (1), of leaving (1) or something not declared (0).
fn said(account: u32, author: u32, at: &str, known: &str, probability: f64, target: u32) -> (u32, OverrideFact) {
    (account, OverrideFact { at: moment(at), known_at: moment(known), target, probability, author, reason: 0 })
}

/// Four accounts, of which the second leaves on 2025-07-01.
fn facts() -> Facts {
    let mut facts = business(&["a", "b", "c", "d"]);
    let mut paid: Vec<(u32, SubscriptionFact)> =
        (0..4).map(|account| (account, subscription("2020-01-01", 100.0))).collect();
    paid.push((1, subscription("2025-07-01", 0.0)));
    facts.subscriptions = Some(Grouped::new(4, paid, |row| (row.effective_at, row.known_at)));
    let overrides = vec![
        said(0, 0, "2025-06-10", "2025-06-10", 0.5, 1),
        said(1, 0, "2025-06-10", "2025-06-10", 0.9, 1),
        said(2, 0, "2025-06-10", "2025-06-10", 0.2, 1),
        // None of these counts: a later one, those known later, one of no declared target.
        said(0, 0, "2025-06-12", "2025-06-12", 0.01, 1),
        said(2, 0, "2025-06-10", "2026-02-01", 0.99, 1),
        // Nor what was written down, or corrected, when it may have been known what came.
        said(1, 0, "2025-06-10", "2025-09-20", 1.0, 1),
        said(1, 1, "2025-06-10", "2025-09-20", 1.0, 1),
        said(3, 0, "2025-06-10", "2025-06-10", 0.99, 0),
        // Too early for any scores, and too late for an outcome.
        said(0, 1, "2024-01-01", "2024-01-01", 0.5, 1),
        said(3, 1, "2025-12-20", "2025-12-20", 0.5, 1),
    ];
    facts.overrides = Some(Grouped::new(4, overrides, |row| (row.at, row.known_at)));
    facts.override_targets = names(&["chrn", "churn_90d"]);
    facts.authors = names(&["ann", "bea"]);
    facts
}

fn scores(last_trained: &str) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    let rows = [("a", 0.1), ("b", 0.6), ("c", 0.3), ("d", 0.2)].map(|(id, churn)| Score::new(id, churn));
    write_scores(out.path(), date(SCORED), &rows);
    let run = out.path().join("runs").join(format!("as_of={SCORED}")).join("20250602T060000000Z-1");
    std::fs::create_dir_all(&run).unwrap();
    let manifest = format!(
        r#"{{"exit_code": 0, "model": {{"identity": "test/1", "last_trained_as_of": "{last_trained}"}}, "cut_offs": {{"bands": {{}}}}}}"#
    );
    std::fs::write(run.join("manifest.json"), manifest).unwrap();
    out
}

fn rows(out: &Path) -> Vec<JudgementRow> {
    judgements(&facts(), &[leaving()], out, date(AS_OF)).unwrap()
}

#[test]
fn both_are_judged_on_the_same_accounts() {
    let found = rows(scores("2025-02-01").path());
    let [ann, bea] = &found[..] else { panic!("{found:?}") };
    assert_eq!((ann.author.as_str(), ann.target.as_str(), ann.accounts, ann.happened), ("ann", "churn_90d", 3, 1));
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    near(ann.stated, 1.6 / 3.0);
    near(ann.model, 1.0 / 3.0);
    // (0.25 + 0.01 + 0.04) / 3 and (0.01 + 0.16 + 0.09) / 3.
    near(ann.stated_brier, 0.10);
    near(ann.model_brier, 0.26 / 3.0);
    // Differences 0.24, -0.15, -0.05: variance 0.0410333.
    let difference = ann.difference.unwrap();
    near(difference.value, 0.04 / 3.0);
    assert!((difference.high - difference.value - 0.229_222).abs() < 1e-5, "{difference:?}");
    assert_eq!((ann.open, ann.without_scores), (0, 0));
    assert_eq!((bea.accounts, bea.open, bea.without_scores, bea.difference), (0, 1, 1, None));
}

#[test]
fn a_model_that_may_know_what_came_is_no_match_for_a_person() {
    // Labels of 2025-02-17 are over on 2025-06-01, those of the day after are not.
    assert_eq!(rows(scores("2025-02-17").path())[0].accounts, 3);
    let late = rows(scores("2025-02-18").path());
    assert_eq!((late[0].accounts, late[0].without_scores), (0, 3));
}
