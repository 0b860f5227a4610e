//! Seconds of scoring alone, the rows being in memory: `predict BUNDLE features.parquet THREADS RUNS`. Prints JSON.
//!
//! `seconds` is the best of the runs on so many threads with the best instruction set; `one_thread` has one run for each
//! instruction set that the processor has.

#![allow(clippy::print_stdout, reason = "what it prints is its result")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use bellwether_models::{Bundle, FeatureBlock, HeadsScorer, Instructions};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Rows that are scored at a time.
const BLOCK_ROWS: usize = 8_192;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, input, threads, runs] = arguments.as_slice() else {
        return Err("usage: predict BUNDLE features.parquet THREADS RUNS".into());
    };
    let bundle = Bundle::load(Path::new(bundle))?;
    let blocks = read(&bundle, Path::new(input))?;
    let scorer = HeadsScorer::new(bundle.signature(), bundle.heads())?;
    let threads: usize = threads.parse()?;
    let seconds: Vec<f64> = (0..runs.parse()?).map(|_| run(&scorer, &blocks, threads)).collect();
    let one_thread: BTreeMap<String, f64> = Instructions::available()
        .into_iter()
        .map(|set| (format!("{set:?}"), run(&scorer.clone().with_instructions(set), &blocks, 1)))
        .collect();
    let report = serde_json::json!({
        "rows": blocks.iter().map(|block| block.rows).sum::<usize>(),
        "seconds": seconds.iter().copied().fold(f64::INFINITY, f64::min),
        "all_seconds": seconds,
        "one_thread": one_thread,
    });
    println!("{report}");
    Ok(())
}

/// Every thread takes every so many blocks.
fn run(scorer: &HeadsScorer, blocks: &[FeatureBlock], threads: usize) -> f64 {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for block in blocks.iter().skip(thread).step_by(threads) {
                    std::hint::black_box(scorer.score(block).expect("blocks of this signature"));
                }
            });
        }
    });
    started.elapsed().as_secs_f64()
}

fn read(bundle: &Bundle, input: &Path) -> Result<Vec<FeatureBlock>, Box<dyn Error>> {
    let signature = bundle.signature();
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(input)?)?;
    let names: Vec<&str> = signature.inputs.iter().map(|input| input.name.as_str()).collect();
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    let mut blocks = Vec::new();
    for batch in builder.with_projection(mask).with_batch_size(BLOCK_ROWS).build()? {
        let batch = batch?;
        let column = |name: &&str| {
            let array = batch.column_by_name(name).ok_or("a column is missing")?.as_primitive::<Float32Type>();
            Ok(array.iter().map(|value| value.unwrap_or(f32::NAN)).collect())
        };
        let numeric = names.iter().map(column).collect::<Result<_, Box<dyn Error>>>()?;
        blocks.push(FeatureBlock::new(signature, batch.num_rows(), numeric, Vec::new())?);
    }
    Ok(blocks)
}
