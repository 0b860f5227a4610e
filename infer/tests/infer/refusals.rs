//! What is refused, with which exit code, and that nothing is published then.

use std::sync::Arc;

use arrow_array::{Float32Array, Int64Array};
use bellwether_infer::exit::ExitCode;
use bellwether_infer::limits::Limits;
use bellwether_infer::observe::Silent;
use bellwether_infer::score::{self, ScoreRequest};
use bellwether_infer::{InferError, diagnostic};

use crate::fixture::{Base, World, write_digest, write_parquet};

/// The error of a run that publishes nothing, as a person reads it.
fn refused(world: &World, request: &ScoreRequest, expected: ExitCode) -> String {
    let error = score::run(request, &Silent).unwrap_err();
    let text = diagnostic::lines(&error).join("\n");
    assert_eq!(error.exit_code(), expected, "{text}");
    assert!(text.starts_with("error[bellwether::") && text.contains("\n  hint: "), "{text}");
    world.assert_nothing_published();
    text
}

#[test]
fn all_missing_columns_are_told_at_once() {
    let mut columns = Base::random(10, 1).columns();
    columns.retain(|(name, _)| !["mrr", "nps_latest_score"].contains(name));
    let world = World::with_columns(&columns, None);
    let text = refused(&world, &world.request(), ExitCode::DataContract);
    assert!(text.contains("expected 2 more columns: mrr, nps_latest_score"), "{text}");
}

#[test]
fn all_wrong_types_are_told_at_once() {
    let mut columns = Base::random(3, 1).columns();
    columns[0].1 = Arc::new(Int64Array::from(vec![1, 2, 3]));
    columns[3].1 = Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0]));
    let world = World::with_columns(&columns, None);
    let text = refused(&world, &world.request(), ExitCode::DataContract);
    assert!(text.contains("account_id: expected text, found Int64; plan: expected text, found Float32"), "{text}");
}

#[test]
fn another_definition_is_the_models_refusal() {
    let base = Base::random(10, 2);
    let mut metadata = base.metadata();
    metadata["definitions"]["mrr"] = "ff".repeat(32).into();
    let world = World::with_columns(&base.columns(), Some(&metadata));
    let text = refused(&world, &world.request(), ExitCode::ModelRefused);
    assert!(text.contains("1 inputs are defined otherwise than in the bundle: mrr"), "{text}");
}

#[test]
fn a_flipped_byte_anywhere_in_a_bundle_is_refused() {
    let world = World::new(&Base::random(10, 3));
    for name in ["bundle.json", "bundle.sha256", "signature.json", "policy.json", "churn_90d.onnx", "golden.parquet"] {
        let path = world.bundle.join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 4;
        std::fs::write(&path, &bad).unwrap();
        refused(&world, &world.request(), ExitCode::ModelRefused);
        std::fs::remove_file(&path).unwrap();
        let code = score::run(&world.request(), &Silent).unwrap_err().exit_code();
        assert_eq!(code, ExitCode::ModelRefused, "{name} missing");
        std::fs::write(&path, &good).unwrap();
    }
    std::fs::write(world.bundle.join("extra"), b"").unwrap();
    refused(&world, &world.request(), ExitCode::ModelRefused);
}

#[test]
fn a_flipped_byte_of_the_features_is_seen_by_their_digest() {
    let world = World::new(&Base::random(500, 4));
    let good = std::fs::read(&world.input).unwrap();
    for place in [0, good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[place] ^= 1;
        std::fs::write(&world.input, bad).unwrap();
        let text = refused(&world, &world.request(), ExitCode::DataContract);
        assert!(text.contains("input_digest") && text.contains("features.parquet"), "{text}");
    }
}

#[test]
fn a_truncated_file_without_a_digest_is_refused_by_name() {
    let world = World::with_columns(&Base::random(50, 5).columns(), None);
    let good = std::fs::read(&world.input).unwrap();
    for length in (0..good.len()).step_by(good.len() / 60) {
        std::fs::write(&world.input, &good[..length]).unwrap();
        let text = refused(&world, &world.request(), ExitCode::DataContract);
        assert!(text.contains("features.parquet"), "{text}");
    }
}

#[test]
fn flipped_bits_without_a_digest_never_do_worse_than_finite_scores_or_a_refusal() {
    let base = Base::random(200, 6);
    let world = World::with_columns(&base.columns(), None);
    let good = std::fs::read(&world.input).unwrap();
    let mut contradictions = Vec::new();
    for (place, bit) in (0..good.len()).step_by(97).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
        let mut bad = good.clone();
        bad[place] ^= 1 << bit;
        std::fs::write(&world.input, &bad).unwrap();
        let result = score::run(&ScoreRequest { batch_rows: 50.try_into().unwrap(), ..world.request() }, &Silent);
        if let Err(error) = result {
            let (code, text) = (error.exit_code(), diagnostic::lines(&error).join("\n"));
            let expected = [ExitCode::DataContract, ExitCode::ResourceLimit];
            assert!(expected.contains(&code), "bit {bit} of byte {place}: {code} {text}");
            assert!(text.contains("features.parquet"), "bit {bit} of byte {place}: {text}");
            if text.contains("contradicts its own description") {
                contradictions.push(bad);
            }
        }
    }
    // Where the decoder panics, the binary says the same, and nothing of a bug.
    assert!(!contradictions.is_empty(), "no flip made the decoder panic: this test tests nothing any more");
    let each = contradictions.len().div_ceil(8);
    for bad in contradictions.iter().step_by(each) {
        std::fs::write(&world.input, bad).unwrap();
        let (code, _, stderr) = crate::command::run(&mut crate::command::score(&world));
        assert_eq!(code, 3, "{stderr}");
        assert!(
            stderr.contains("error[bellwether::infer::damaged]") && stderr.contains("features.parquet"),
            "{stderr}"
        );
        assert!(!stderr.contains("bug"), "{stderr}");
    }
}

#[test]
fn several_dates_need_a_choice() {
    let mut base = Base::random(10, 7);
    base.as_of[3] = "2025-12-31".parse().unwrap();
    for metadata in [Some(base.metadata()), None] {
        let world = World::with_columns(&base.columns(), metadata.as_ref());
        let text = refused(&world, &world.request(), ExitCode::DataContract);
        assert!(text.contains("2025-12-31, 2026-01-31") && text.contains("--as-of"), "{text}");
        let other = ScoreRequest { as_of: Some("2024-02-29".parse().unwrap()), ..world.request() };
        let text = refused(&world, &other, ExitCode::DataContract);
        assert!(text.contains("expected rows of 2024-02-29"), "{text}");
    }
}

#[test]
fn metadata_and_rows_must_agree_on_the_date() {
    let mut base = Base::random(10, 8);
    let metadata = base.metadata();
    base.as_of[9] = "2025-12-31".parse().unwrap();
    let world = World::with_columns(&base.columns(), Some(&metadata));
    refused(&world, &world.request(), ExitCode::DataContract);
}

#[test]
fn a_file_that_says_nothing_of_its_date_needs_one() {
    let mut columns = Base::random(10, 9).columns();
    columns.remove(1);
    let world = World::with_columns(&columns, None);
    let text = refused(&world, &world.request(), ExitCode::DataContract);
    assert!(text.contains("nothing says which as_of"), "{text}");
    let chosen = ScoreRequest { as_of: Some("2026-01-31".parse().unwrap()), ..world.request() };
    assert_eq!(score::run(&chosen, &Silent).unwrap().counts.given, 10);
}

#[test]
fn accounts_that_are_not_accounted_for_stop_the_run() {
    let base = Base::random(10, 10);
    let mut metadata = base.metadata();
    metadata["accounts_given"] = 1_000.into();
    let world = World::with_columns(&base.columns(), Some(&metadata));
    let text = refused(&world, &world.request(), ExitCode::DataContract);
    assert!(text.contains("expected 1000 accounts, found 22"), "{text}");
}

#[test]
fn no_file_no_rows_and_no_good_row_are_refused() {
    let empty = Base::random(0, 11);
    let world = World::with_columns(&empty.columns(), None);
    let text = refused(&world, &world.request(), ExitCode::DataContract);
    assert!(text.contains("expected at least one row"), "{text}");
    for content in [&b""[..], b"PAR1", b"account_id,mrr\na,1\n"] {
        std::fs::write(&world.input, content).unwrap();
        refused(&world, &world.request(), ExitCode::DataContract);
    }
    std::fs::remove_file(&world.input).unwrap();
    refused(&world, &world.request(), ExitCode::DataContract);
    std::fs::create_dir(&world.input).unwrap();
    refused(&world, &world.request(), ExitCode::DataContract);
    let mut twins = Base::random(2, 11);
    twins.ids[1] = twins.ids[0].clone();
    let world = World::with_columns(&twins.columns(), None);
    refused(&world, &world.request(), ExitCode::DataContract);
}

#[test]
fn a_broken_digest_file_is_refused() {
    let world = World::new(&Base::random(10, 12));
    std::fs::write(world.folder.path().join("features.parquet.sha256"), "not a digest").unwrap();
    let text = refused(&world, &world.request(), ExitCode::DataContract);
    assert!(text.contains("features.parquet.sha256"), "{text}");
}

#[test]
fn limits_are_checked_before_a_row_is_decoded() {
    let base = Base::random(100, 13).take(&(0..100).rev().collect::<Vec<_>>());
    let world = World::new(&base);
    let bad_keys = Limits { max_quarantined_rows: 1, ..Limits::default() };
    for limits in [
        Limits { max_rows: 99, ..Limits::default() },
        Limits { max_decoded_bytes: 100 * 50, ..Limits::default() },
        Limits { max_unsorted_rows: 99, ..Limits::default() },
    ] {
        refused(&world, &ScoreRequest { limits, ..world.request() }, ExitCode::ResourceLimit);
    }
    let mut twins = Base::random(100, 13);
    twins.ids[1] = twins.ids[0].clone();
    let world = World::new(&twins);
    refused(&world, &ScoreRequest { limits: bad_keys, ..world.request() }, ExitCode::DataContract);
}

#[test]
fn one_run_wins_and_the_other_comes_back_later() {
    struct SecondRun<'a>(&'a World, std::sync::Mutex<Option<Result<(), InferError>>>);
    impl bellwether_infer::observe::Observer for SecondRun<'_> {
        fn stage(&self, stage: bellwether_infer::observe::Stage) {
            if stage == bellwether_infer::observe::Stage::Publish {
                let second = score::run(&self.0.request(), &Silent).map(drop);
                *self.1.lock().unwrap() = Some(second);
            }
        }
    }
    let world = World::new(&Base::random(10, 14));
    let observer = SecondRun(&world, std::sync::Mutex::new(None));
    score::run(&world.request(), &observer).unwrap();
    let second = observer.1.into_inner().unwrap().unwrap().unwrap_err();
    assert_eq!(second.exit_code(), ExitCode::Transient);
    assert!(matches!(second, InferError::Locked { .. }));
}

#[test]
fn a_failed_run_leaves_the_old_partition_as_it_was() {
    let base = Base::random(50, 15);
    let world = World::new(&base);
    world.score().unwrap();
    let before = std::fs::read(world.part()).unwrap();
    let mut metadata = base.metadata();
    metadata["accounts_given"] = 7.into();
    write_parquet(&world.input, &base.columns(), Some(&metadata));
    write_digest(&world.input);
    assert!(world.score().is_err());
    assert_eq!(std::fs::read(world.part()).unwrap(), before);
    assert!(!world.out.join(".staging").exists());
}

#[test]
fn no_message_holds_the_value_of_a_cell() {
    let mut base = Base::random(10, 16);
    base.ids[1] = base.ids[0].clone();
    base.plan[0] = Some("secret-plan".to_owned());
    let mut metadata = base.metadata();
    metadata["accounts_given"] = 1.into();
    let world = World::with_columns(&base.columns(), Some(&metadata));
    let text = refused(&world, &world.request(), ExitCode::DataContract);
    assert!(!text.contains("account-000") && !text.contains("secret"), "{text}");
}
