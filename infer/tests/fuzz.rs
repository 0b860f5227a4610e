//! Mutations of good Parquet files: whatever the bytes, the preflight and the reader answer and never end the process.
//!
//! See `models/tests/fuzz.rs` for how long and from which seed.

use std::fs;
use std::time::{Duration, Instant};

use bellwether_infer::sample;
use bellwether_models::{Input, InputKind, Signature};

#[path = "../../fuzz/mutate.rs"]
mod mutate;

use mutate::{Mutator, corpus, seconds};

fn signature() -> Signature {
    let input = |name: &str, kind: InputKind| Input {
        name: name.to_owned(),
        kind,
        unit: String::new(),
        nullable: true,
        definition: String::new(),
    };
    let levels = vec!["basic".to_owned(), "pro".to_owned()];
    Signature { inputs: vec![input("x", InputKind::Numeric), input("plan", InputKind::Category { levels })] }
}

#[test]
#[allow(clippy::print_stderr)]
fn parquet() {
    let files = corpus("parquet");
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("rows.parquet");
    let signature = signature();
    for bytes in &files {
        fs::write(&path, bytes).unwrap();
        assert!(sample::block(&path, &signature).unwrap().rows > 0);
    }
    // A panic of the decoder is caught and is the file's fault; only what it says is silenced.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut mutator, until) = (Mutator::new(3), Instant::now() + seconds());
    let (mut tried, mut taken) = (0_u64, 0_u64);
    let mut slowest = Duration::ZERO;
    while Instant::now() < until {
        let seed = mutator.below(files.len());
        let damaged = mutator.mutate(&files[seed], &files);
        fs::write(&path, &damaged).unwrap();
        let started = Instant::now();
        let _ = sample::columns(&path);
        taken += u64::from(sample::block(&path, &signature).is_ok());
        slowest = slowest.max(started.elapsed());
        if slowest > Duration::from_secs(20) {
            let kept = std::env::temp_dir().join("bellwether-slow.parquet");
            fs::write(&kept, &damaged).unwrap();
            panic!("{slowest:?}: {}", kept.display());
        }
        tried += 1;
    }
    drop(std::panic::take_hook());
    eprintln!("parquet: {tried} files, {taken} of them still read, slowest {slowest:?}");
    assert!(tried > 100 && !files.is_empty());
}
