//! The kernels on random trees: `cargo bench -p bellwether-models --bench kernels`.
//!
//! One thread, 100 numeric columns with 8 % missing, thresholds on a grid of 128 as binning learners leave them, trees
//! grown by splitting random leaves. Prints nanoseconds per row and tree for each number of leaves and instruction set;
//! binning and calibration are in them, spread over the trees.
#![allow(clippy::print_stdout, reason = "what it prints is its result")]

use std::time::Instant;

use bellwether_models::{
    Calibration, Curve, FeatureBlock, Head, HeadsScorer, Input, InputKind, Instructions, MarginModel, Node,
    PiecewiseLinear, Signature, Tree, TreeEnsemble,
};

const COLUMNS: usize = 100;
const ROWS: usize = 8_192;
const NODES: usize = 20_000;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Generator(u64);

impl Generator {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn grid(&mut self) -> f32 {
        self.below(128) as f32 / 128.0
    }
}

fn main() {
    let mut generator = Generator(1);
    let number = |index: usize| Input {
        name: format!("f{index}"),
        kind: InputKind::Numeric,
        unit: "count".to_owned(),
        nullable: true,
        definition: String::new(),
    };
    let signature = Signature { inputs: (0..COLUMNS).map(number).collect() };
    let value = |generator: &mut Generator| {
        if generator.below(100) < 8 { f32::NAN } else { generator.below(1 << 20) as f32 / (1 << 20) as f32 }
    };
    let numeric = (0..COLUMNS).map(|_| (0..ROWS).map(|_| value(&mut generator)).collect()).collect();
    let block = FeatureBlock::new(&signature, ROWS, numeric, Vec::new()).expect("columns of this signature");
    println!("| leaves | trees | instructions | ns per row and tree |\n|---|---|---|---|");
    for leaves in [8, 16, 31, 64, 128, 256, 1_000] {
        let trees: Vec<Tree> = (0..NODES / leaves).map(|_| random_tree(&mut generator, leaves)).collect();
        let count = trees.len();
        let any = PiecewiseLinear::constant(0.5);
        let head = Head {
            target: "target".to_owned(),
            margin: MarginModel::Trees(TreeEnsemble { trees, base: 0.0, fill: None }),
            calibration: Calibration { point: Curve::PiecewiseLinear(any.clone()), low: any.clone(), high: any },
        };
        let scorer = HeadsScorer::new(&signature, std::slice::from_ref(&head)).expect("a valid head");
        for instructions in Instructions::available() {
            let scorer = scorer.clone().with_instructions(instructions);
            let best = (0..5).map(|_| seconds(&scorer, &block)).fold(f64::INFINITY, f64::min);
            println!("| {leaves} | {count} | {instructions:?} | {:.3} |", best * 1e9 / (ROWS * count) as f64);
        }
    }
}

fn seconds(scorer: &HeadsScorer, block: &FeatureBlock) -> f64 {
    let started = Instant::now();
    std::hint::black_box(scorer.score(block).expect("a block of this signature"));
    started.elapsed().as_secs_f64()
}

fn random_tree(generator: &mut Generator, leaves: usize) -> Tree {
    let leaf = |generator: &mut Generator| Node::Leaf { value: generator.grid() - 0.5, cover: 1.0 };
    let mut nodes = vec![leaf(generator)];
    let mut open = vec![0];
    while open.len() < leaves {
        let place = generator.below(open.len());
        let at = open.swap_remove(place);
        let (left, right) = (nodes.len() as u32, nodes.len() as u32 + 1);
        nodes[at] = Node::Split {
            column: generator.below(COLUMNS) as u32,
            threshold: generator.grid(),
            missing_left: generator.below(2) == 0,
            left,
            right,
            cover: 2.0,
        };
        open.extend([nodes.len(), nodes.len() + 1]);
        nodes.push(leaf(generator));
        nodes.push(leaf(generator));
    }
    Tree { nodes }
}
