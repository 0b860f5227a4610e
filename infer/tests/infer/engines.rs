//! The two engines against each other, on the same files. Needs onnxruntime (ORT_DYLIB_PATH); says so when it is not there.

use std::path::PathBuf;

use bellwether_infer::engine::EngineChoice;
use bellwether_infer::exit::ExitCode;
use bellwether_infer::observe::Silent;
use bellwether_infer::score::{self, ScoreRequest};
use bellwether_infer::verify;

use crate::fixture::{Base, TARGETS, World, numbers, read_json, read_parquet, texts};

fn library() -> Option<PathBuf> {
    let library = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    if library.is_none() {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED: ORT_DYLIB_PATH is not set, so onnxruntime was not compared");
    }
    library
}

#[test]
fn both_engines_publish_the_same_scores() {
    let Some(library) = library() else { return };
    let engine = EngineChoice::OnnxRuntime { library: Some(library) };
    let mut base = Base::random(1_500, 21);
    base.mrr[0] = f32::INFINITY;
    base.plan[1] = Some("never seen".to_owned());
    let world = World::new(&base);
    world.score().unwrap();
    let native = read_parquet(&world.part());
    let summary = score::run(&ScoreRequest { engine: engine.clone(), ..world.request() }, &Silent).unwrap();
    let other = read_parquet(&world.part());
    assert_eq!(native.schema(), other.schema());
    for name in TARGETS.iter().flat_map(|target| ["probability", "low", "high"].map(|end| format!("{target}_{end}"))) {
        for (row, (left, right)) in numbers(&native, &name).into_iter().zip(numbers(&other, &name)).enumerate() {
            match (left, right) {
                (Some(left), Some(right)) => assert!((left - right).abs() <= 1e-6, "{name}, row {row}: {left} {right}"),
                (left, right) => assert_eq!(left, right, "{name}, row {row}"),
            }
        }
    }
    for name in ["account_id", "status", "churn_90d_band", "churn_90d_reason_1", "model"] {
        assert_eq!(texts(&native, name), texts(&other, name), "{name}");
    }
    let manifest = read_json(&summary.run.join("manifest.json"));
    assert!(manifest["engine"].as_str().unwrap().starts_with("onnxruntime (libonnxruntime"));
    let verified = verify::run(world.bundle.to_str().unwrap(), &engine, &Silent).unwrap();
    assert_eq!(verified.engines.len(), 2);
}

#[test]
fn a_file_that_is_no_library_is_refused_with_a_way_out() {
    let world = World::new(&Base::random(10, 22));
    let library = world.folder.path().join("libonnxruntime.so");
    std::fs::write(&library, b"not a library").unwrap();
    let engine = EngineChoice::OnnxRuntime { library: Some(library) };
    let error = score::run(&ScoreRequest { engine, ..world.request() }, &Silent).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::Usage, "{error}");
    world.assert_nothing_published();
}
