//! Explains rows with the ensembles that `benches/reasons/compare.py` writes, and says how long it took.
//!
//! Usage: `explain_rows FOLDER THREADS HEADS`. Reads `head_0.json`, ... and `rows.f32` of the folder; writes
//! `ours_0.f64`, ... (rows by columns) and prints, as JSON, the seconds of laying the trees out and of explaining.

use std::path::Path;
use std::time::Instant;

use bellwether_models::{DesignBlock, Explainer, Explanation, FeatureBlock};

#[path = "../tests/trees/mod.rs"]
mod trees;

/// Rows that a thread takes at a time; the last ones are shared out evenly enough.
const CHUNK_ROWS: usize = 512;

fn explain(explainer: &Explainer, design: &DesignBlock, threads: usize) -> Vec<Explanation> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let start = next.fetch_add(CHUNK_ROWS, std::sync::atomic::Ordering::Relaxed);
            if start >= design.rows() {
                return done;
            }
            let rows: Vec<usize> = (start..design.rows().min(start + CHUNK_ROWS)).collect();
            done.push((start, explainer.explain_rows(design, &rows).expect("rows of the design")));
        }
    };
    let mut parts: Vec<(usize, Vec<Explanation>)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("a worker ends")).collect()
    });
    parts.sort_by_key(|(start, _)| *start);
    parts.into_iter().flat_map(|(_, explanations)| explanations).collect()
}

#[allow(clippy::print_stdout)]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, threads, heads] = arguments.as_slice() else {
        panic!("expected FOLDER THREADS HEADS, found {} arguments", arguments.len() - 1);
    };
    let folder = Path::new(folder);
    let (threads, heads): (usize, usize) = (threads.parse().expect("a number"), heads.parse().expect("a number"));
    let values = trees::read_floats(&folder.join("rows.f32"));
    let ensembles: Vec<_> =
        (0..heads).map(|head| trees::read_ensemble(&folder.join(format!("head_{head}.json")))).collect();
    let width = std::fs::read_to_string(folder.join("width")).expect("the width's file is there");
    let width: usize = width.trim().parse().expect("a number");
    let signature = trees::numbers(width);
    let columns = (0..width).map(|column| values.iter().skip(column).step_by(width).copied().collect()).collect();
    let block = FeatureBlock::new(&signature, values.len() / width, columns, vec![]).expect("fits");
    let design = DesignBlock::new(&signature, &block).expect("expands");
    let (mut layout, mut explaining) = (0.0, 0.0);
    for (head, ensemble) in ensembles.into_iter().enumerate() {
        let head_of_ensemble = trees::sigmoid_head(ensemble);
        let start = Instant::now();
        let explainer = Explainer::new(&signature, &head_of_ensemble).expect("valid");
        layout += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let explanations = explain(&explainer, &design, threads);
        explaining += start.elapsed().as_secs_f64();
        let bytes: Vec<u8> =
            explanations.iter().flat_map(|one| &one.contributions).flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(folder.join(format!("ours_{head}.f64")), bytes).expect("written");
    }
    println!("{{\"layout\": {layout}, \"explain\": {explaining}}}");
}
