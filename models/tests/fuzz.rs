//! Mutations of good files: whatever the bytes, the ONNX readers and the bundle answer, soon, and never panic.
//!
//! Without `BELLWETHER_FUZZ_SECONDS` each target runs for a second, as a test; `fuzz/run` gives them longer. The mutations
//! depend on nothing but `BELLWETHER_FUZZ_SEED`. The corpora are in `fuzz/corpus`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bellwether_models::bundle::{ImportSource, ImportedContents, sha256_hex};
use bellwether_models::graph::{self, OutputChoice, SignatureSource};
use bellwether_models::{Bundle, Signature, onnx};

#[path = "../../fuzz/mutate.rs"]
mod mutate;
#[path = "../src/testing.rs"]
#[allow(dead_code)]
mod testing;

use mutate::{Mutator, corpus, seconds};

/// Longest time that any file may take.
const SLOWEST: Duration = Duration::from_secs(20);

fn signature_of(bytes: &[u8]) -> Option<Signature> {
    let numbers = (0..6).map(|at| SignatureSource { name: format!("x{at}"), is_text: false });
    let seats = SignatureSource { name: "seats".to_owned(), is_text: false };
    let texts = ["plan", "region"].map(|name| SignatureSource { name: name.to_owned(), is_text: true });
    let all: Vec<SignatureSource> = numbers.clone().chain(texts).chain([seats]).collect();
    let (numbers, choice) = (numbers.collect::<Vec<_>>(), OutputChoice::default());
    [numbers, all].iter().find_map(|columns| graph::signature(&[(bytes, &choice)], columns).ok())
}

#[test]
#[allow(clippy::print_stderr)]
fn onnx() {
    let files = corpus("onnx");
    let seeds: Vec<(Vec<u8>, Signature)> = files
        .iter()
        .map(|bytes| (bytes.clone(), signature_of(bytes).expect("a model of the corpus is read")))
        .collect();
    assert!(seeds.len() >= 10);
    let (mut mutator, until) = (Mutator::new(1), Instant::now() + seconds());
    let (mut tried, mut taken) = (0_u64, 0_u64);
    while Instant::now() < until {
        let (bytes, signature) = &seeds[mutator.below(seeds.len())];
        let damaged = mutator.mutate(bytes, &files);
        let started = Instant::now();
        let choice = OutputChoice::default();
        if let Ok(model) = graph::read(&damaged, signature, "churn_90d", &choice, mutator.below(2) == 0) {
            let row: Vec<f32> =
                (0..signature.design_width()).map(|at| if at == 2 { f32::NAN } else { at as f32 }).collect();
            let _ = model.head.margin.margin(&row);
            let _ = model.must_be_known(signature);
            taken += 1;
        }
        let _ = onnx::read(&damaged, signature);
        let took = started.elapsed();
        if took > SLOWEST {
            let path = std::env::temp_dir().join("bellwether-slow.onnx");
            fs::write(&path, &damaged).expect("written");
            panic!("{took:?}: {}", path.display());
        }
        tried += 1;
    }
    eprintln!("onnx: {tried} files, {taken} of them still models");
    assert!(tried > 100 && taken > 0);
}

/// The files of a bundle that is imported.
fn bundle(folder: &Path) -> PathBuf {
    let bytes = corpus("onnx").into_iter().next().expect("a corpus");
    let signature = signature_of(&bytes).expect("a model");
    let source = ImportSource { target: "churn_90d".to_owned(), bytes, choice: OutputChoice::default() };
    let block = testing::random_block(&signature, 50, 1);
    let contents =
        ImportedContents::read("acme", "0.1.0", signature, vec![source], Some(&block), false).expect("reads");
    let path = folder.join("bundle");
    contents.write(&path, 1).expect("written");
    path
}

/// Writes `bundle.json` with the digests of the files as they are, so that damage is seen and not only its digest.
fn seal(folder: &Path, manifest: &[u8]) {
    let Ok(mut manifest) = serde_json::from_slice::<serde_json::Value>(manifest) else { return };
    let Some(files) = manifest["files"].as_object_mut() else { return };
    let names: Vec<String> = files.keys().cloned().collect();
    for name in names {
        let bytes = fs::read(folder.join(&name)).unwrap_or_default();
        files[&name] = serde_json::json!({"bytes": bytes.len(), "sha256": sha256_hex(&bytes)});
    }
    let bytes = serde_json::to_vec(&manifest).expect("JSON");
    fs::write(folder.join("bundle.sha256"), format!("{}  bundle.json\n", sha256_hex(&bytes))).expect("written");
    fs::write(folder.join("bundle.json"), bytes).expect("written");
}

#[test]
#[allow(clippy::print_stderr)]
fn bundles() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = bundle(root.path());
    let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let sound: BTreeMap<PathBuf, Vec<u8>> =
        entries.map(|path| (path.clone(), fs::read(&path).expect("a file"))).collect();
    let names: Vec<&PathBuf> = sound.keys().collect();
    let others: Vec<Vec<u8>> = sound.values().cloned().collect();
    let manifest = &sound[&folder.join("bundle.json")];
    let (mut mutator, until) = (Mutator::new(2), Instant::now() + seconds());
    let (mut tried, mut taken) = (0_u64, 0_u64);
    while Instant::now() < until {
        let path = names[mutator.below(names.len())];
        let damaged = mutator.mutate(&sound[path], &others);
        fs::write(path, &damaged).expect("written");
        match path.file_name().and_then(|name| name.to_str()) {
            Some("bundle.sha256") => {}
            Some("bundle.json") if mutator.below(2) == 0 => {
                fs::write(folder.join("bundle.sha256"), format!("{}  bundle.json\n", sha256_hex(&damaged)))
                    .expect("written");
            }
            Some("bundle.json") => seal(&folder, &damaged),
            _ => seal(&folder, manifest),
        }
        let started = Instant::now();
        taken += u64::from(Bundle::load(&folder).is_ok());
        assert!(started.elapsed() < SLOWEST, "{:?} for {}", started.elapsed(), path.display());
        for (path, bytes) in &sound {
            fs::write(path, bytes).expect("written");
        }
        tried += 1;
    }
    eprintln!("bundles: {tried} bundles, {taken} of them still sound");
    assert!(Bundle::load(&folder).is_ok() && tried > 20);
}
