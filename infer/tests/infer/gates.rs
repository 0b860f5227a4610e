//! Runs that are whole and well formed, and still must not replace yesterday's scores.

use bellwether_infer::exit::ExitCode;
use bellwether_infer::observe::Silent;
use bellwether_infer::score::{self, Gates, ScoreRequest};

use crate::fixture::{Base, World, read_json, write_digest, write_parquet};

/// Replaces the input of a world, dated `as_of`.
fn give(world: &World, base: &Base, as_of: &str) {
    let base = Base { as_of: vec![as_of.parse().unwrap(); base.rows()], ..base.clone() };
    write_parquet(&world.input, &base.columns(), Some(&base.metadata()));
    write_digest(&world.input);
}

fn refused(world: &World, request: &ScoreRequest, gate: &str) -> String {
    let error = score::run(request, &Silent).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::DataContract, "{error}");
    assert_eq!(miette::Diagnostic::code(&error).unwrap().to_string(), "bellwether::infer::gate");
    let text = error.to_string();
    assert!(text.starts_with(&format!("gate {gate}: expected ")), "{text}");
    assert!(!world.out.join(".staging").exists());
    text
}

#[test]
fn a_base_that_has_shrunk_overnight_is_not_published() {
    let base = Base::random(1_000, 3);
    let world = World::new(&base);
    give(&world, &base, "2026-01-30");
    world.score().unwrap();
    // Half of them is the limit; a rerun of an earlier date compares with none.
    let part = |rows: usize| base.take(&(0..rows).collect::<Vec<_>>());
    give(&world, &part(500), "2026-01-31");
    world.score().unwrap();
    give(&world, &part(499), "2026-02-01");
    world.score().unwrap();
    give(&world, &part(100), "2026-01-31");
    let text = refused(&world, &world.request(), "accounts");
    assert!(text.contains("at least 500 accounts, after 1000 on 2026-01-30, found 100"), "{text}");
    assert_eq!(read_json(&world.out.join("latest.json"))["as_of"], "2026-02-01");
    give(&world, &part(100), "2026-01-30");
    world.score().unwrap();
    let open = Gates { max_fewer_accounts: 1.0, ..Gates::default() };
    give(&world, &part(10), "2026-01-31");
    score::run(&ScoreRequest { gates: open, ..world.request() }, &Silent).unwrap();
}

#[test]
fn a_manifest_that_cannot_be_read_is_a_warning() {
    let base = Base::random(100, 3);
    let world = World::new(&base);
    give(&world, &base, "2026-01-30");
    let first = world.score().unwrap();
    std::fs::write(first.run.join("manifest.json"), "{").unwrap();
    give(&world, &base, "2026-01-31");
    let codes: Vec<String> = world.score().unwrap().warnings.into_iter().map(|warning| warning.code).collect();
    assert!(codes.contains(&"bellwether::infer::no_run_before".to_owned()), "{codes:?}");
}

#[test]
fn too_many_accounts_without_a_probability_are_refused() {
    let mut base = Base::random(1_000, 5);
    // Usage of two years ago: the policy calls it stale.
    for row in 0..600 {
        base.days_since_last[row] = 700.0;
    }
    let world = World::new(&base);
    let text = refused(&world, &world.request(), "not_scored");
    assert!(text.contains("at most 50.0 % of the accounts without a probability, found "), "{text}");
    world.assert_nothing_published();
    let open = Gates { max_not_scored: 1.0, ..Gates::open() };
    score::run(&ScoreRequest { gates: open, ..world.request() }, &Silent).unwrap();
}

#[test]
fn one_score_for_all_is_refused() {
    let mut base = Base::random(200, 5);
    for values in [&mut base.mrr, &mut base.events, &mut base.days_since_last, &mut base.nps] {
        values.fill(7.0);
    }
    base.plan.fill(Some("pro".to_owned()));
    let world = World::new(&base);
    let text = refused(&world, &world.request(), "equal_scores");
    assert!(text.contains("found the same one for all 200 accounts"), "{text}");
    // A handful of accounts may well be alike.
    let few = World::new(&base.take(&(0..99).collect::<Vec<_>>()));
    few.score().unwrap();
}

#[test]
fn a_base_far_from_training_is_refused() {
    let mut base = Base::random(2_000, 5);
    let usual = World::new(&base).score().unwrap();
    assert!(usual.moved_most.len() > 2 && !usual.dry_run);
    // Another unit in every input that is a number.
    for values in [&mut base.mrr, &mut base.events, &mut base.nps] {
        for value in values {
            *value *= 0.01;
        }
    }
    let world = World::new(&base);
    let text = refused(&world, &world.request(), "inputs");
    assert!(text.contains("at most 50.0 % of 5 inputs far from the training base, found 3, most of all "), "{text}");
    score::run(&ScoreRequest { gates: Gates::open(), ..world.request() }, &Silent).unwrap();
    let manifest = read_json(
        &std::fs::read_dir(world.out.join("runs/as_of=2026-01-31"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
            .join("manifest.json"),
    );
    let drift = manifest["drift"].as_array().unwrap();
    let kinds: Vec<&str> = drift.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["input", "input", "input", "input", "input", "score", "score"]);
    let divergence = |name: &str| {
        drift.iter().find(|record| record["name"] == name).unwrap()["jensen_shannon_divergence"].as_f64().unwrap()
    };
    assert!(divergence("mrr") > 0.2 && divergence("plan") < 0.1, "{drift:?}");
}

#[test]
fn a_dry_run_says_everything_and_leaves_the_folder_as_it_was() {
    let base = Base::random(1_000, 3);
    let world = World::new(&base);
    let dry = ScoreRequest { dry_run: true, ..world.request() };
    let summary = score::run(&dry, &Silent).unwrap();
    assert!(summary.dry_run && !world.out.exists(), "{summary:?}");
    assert_eq!(summary.scores, world.out.join("scores/v1/as_of=2026-01-31"));
    assert!(summary.text().contains("nothing was published: this was a dry run"), "{}", summary.text());
    // It meets the gates of the real folder.
    give(&world, &base, "2026-01-30");
    world.score().unwrap();
    give(&world, &base.take(&[1, 2, 3]), "2026-01-31");
    refused(&world, &dry, "accounts");
    assert!(!world.out.join("scores/v1/as_of=2026-01-31").exists());
}

#[test]
fn checks_are_those_that_could_be_made() {
    let base = Base::random(1_200, 3);
    let checks = |world: &World| {
        let run = world.score().unwrap().run;
        let results = read_json(&run.join("run_results.json"));
        let names = results["checks"].as_array().unwrap().clone();
        names.into_iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let world = World::new(&base);
    let whole = checks(&world);
    assert!(whole.contains(&"input.digest".to_owned()) && whole.contains(&"gate.scores".to_owned()), "{whole:?}");
    assert!(!whole.contains(&"gate.accounts".to_owned()), "there was no run before");
    let bare = World::with_columns(&base.take(&(0..50).collect::<Vec<_>>()).columns(), None);
    let few = checks(&bare);
    for name in ["input.digest", "input.definitions", "gate.accounts", "gate.inputs", "gate.scores"] {
        assert!(!few.contains(&name.to_owned()), "{name}: {few:?}");
    }
}

#[test]
fn scores_whose_manifest_is_gone_are_no_yardstick_and_an_earlier_date_is_not_the_newest() {
    let base = Base::random(200, 3);
    let world = World::new(&base);
    give(&world, &base, "2026-01-30");
    world.score().unwrap();
    std::fs::remove_dir_all(world.out.join("runs")).unwrap();
    give(&world, &base.take(&[1, 2, 3]), "2026-01-31");
    let codes: Vec<String> = world.score().unwrap().warnings.into_iter().map(|warning| warning.code).collect();
    assert!(codes.contains(&"bellwether::infer::no_run_before".to_owned()), "{codes:?}");
    give(&world, &base, "2025-12-31");
    world.score().unwrap();
    assert_eq!(read_json(&world.out.join("latest.json"))["as_of"], "2026-01-31");
}
