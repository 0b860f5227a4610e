//! Every instruction set against the plain walk, which shares no code with them, bit for bit.

use proptest::prelude::*;

use super::{BinnedEnsembles, Instructions, Values};
use crate::testing::{Generator, random_tree};
use crate::{Node, Tree, TreeEnsemble};

/// Rows of a design, row by row.
struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl Values for Rows {
    fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    fn read<'a>(&'a self, column: usize, first: usize, buffer: &'a mut [f32]) -> &'a [f32] {
        for (row, value) in buffer.iter_mut().enumerate() {
            *value = self.values[(first + row) * self.width + column];
        }
        buffer
    }
}

fn value(generator: &mut Generator, thresholds: &[f32]) -> f32 {
    match generator.below(10) {
        0 => f32::NAN,
        1 => [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -f32::NAN, f32::MIN_POSITIVE][generator.below(6)],
        2 => [0.0, -0.0][generator.below(2)],
        3 => generator.spread(1e6) as f32,
        // A threshold, or the float beside it.
        4..=7 if !thresholds.is_empty() => {
            let threshold = thresholds[generator.below(thresholds.len())];
            [threshold, threshold.next_up(), threshold.next_down()][generator.below(3)]
        }
        _ => generator.spread(8.0) as f32,
    }
}

fn thresholds(ensembles: &[TreeEnsemble]) -> Vec<f32> {
    let nodes = ensembles.iter().flat_map(|ensemble| &ensemble.trees).flat_map(|tree| &tree.nodes);
    let thresholds = nodes.filter_map(|node| match node {
        Node::Split { threshold, .. } => Some(*threshold),
        Node::Leaf { .. } => None,
    });
    thresholds.collect()
}

fn random_rows(generator: &mut Generator, width: usize, rows: usize, thresholds: &[f32]) -> Rows {
    Rows { width, values: (0..width * rows).map(|_| value(generator, thresholds)).collect() }
}

/// Margins on every instruction set are those of the plain walk.
fn check(width: usize, ensembles: &[TreeEnsemble], rows: &Rows) {
    let all: Vec<&TreeEnsemble> = ensembles.iter().collect();
    let expected: Vec<Vec<u64>> = ensembles
        .iter()
        .map(|ensemble| rows.values.chunks(width).map(|row| ensemble.margin(row).to_bits()).collect())
        .collect();
    for instructions in Instructions::available() {
        let binned = BinnedEnsembles::new(width, &all).with_instructions(instructions);
        let found = binned.margins(rows);
        let found: Vec<Vec<u64>> =
            found.iter().map(|margins| margins.iter().map(|margin| margin.to_bits()).collect()).collect();
        assert_eq!(found, expected, "{instructions:?}");
    }
}

/// Trees whose leaves are no multiples of anything, so that the order of the sum shows in the last bit.
fn inexact(generator: &mut Generator, width: usize, trees: usize, leaves: usize, fine: bool) -> TreeEnsemble {
    let mut trees: Vec<Tree> = (0..trees)
        .map(|_| {
            let leaves = 1 + generator.below(leaves);
            random_tree(generator, width, leaves)
        })
        .collect();
    for node in trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
        match node {
            Node::Leaf { value, .. } => *value = generator.spread(0.1) as f32,
            Node::Split { threshold, .. } if fine => *threshold = generator.spread(6.0) as f32,
            Node::Split { .. } => {}
        }
    }
    let fill = (generator.below(3) == 0).then(|| (0..width).map(|_| generator.spread(5.0).round() as f32).collect());
    TreeEnsemble { trees, base: generator.spread(1.0) as f32, fill }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_instruction_set_gives_the_bits_of_the_plain_walk(
        seed in any::<u64>(),
        width in 1_usize..7,
        heads in 1_usize..4,
        most_leaves in prop_oneof![Just(1_usize), Just(2), 3_usize..9, 9_usize..40, 40_usize..400],
        trees in 1_usize..20,
        rows in prop_oneof![0_usize..3, 60_usize..70, 500_usize..530],
        fine in any::<bool>(),
    ) {
        let mut generator = Generator(seed);
        let ensembles: Vec<TreeEnsemble> =
            (0..heads).map(|_| inexact(&mut generator, width, trees, most_leaves, fine)).collect();
        let rows = random_rows(&mut generator, width, rows, &thresholds(&ensembles));
        check(width, &ensembles, &rows);
    }
}

#[test]
fn columns_of_thousands_of_thresholds_are_cut_into_tables() {
    let mut generator = Generator(11);
    let ensembles = vec![inexact(&mut generator, 1, 40, 250, true)];
    let distinct = thresholds(&ensembles);
    assert!(distinct.len() > 10 * 255, "{}", distinct.len());
    let rows = random_rows(&mut generator, 1, 1_500, &distinct);
    check(1, &ensembles, &rows);
    let sorted = Rows {
        width: 1,
        values: {
            let mut sorted = distinct;
            sorted.sort_by(f32::total_cmp);
            sorted
        },
    };
    check(1, &ensembles, &sorted);
}

#[test]
fn sizes_about_a_limit_are_right() {
    let mut generator = Generator(12);
    for leaves in [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1_000] {
        let tree = random_tree(&mut generator, 3, leaves);
        let ensembles = vec![TreeEnsemble { trees: vec![tree], base: 0.25, fill: None }];
        let rows = random_rows(&mut generator, 3, 300, &thresholds(&ensembles));
        check(3, &ensembles, &rows);
    }
    for distinct in [1_usize, 2, 3, 7, 8, 127, 128, 254, 255, 256, 510, 511] {
        let trees = (0..distinct).map(|at| Tree {
            nodes: vec![
                Node::Split {
                    column: 0,
                    threshold: at as f32,
                    missing_left: at % 2 == 0,
                    left: 1,
                    right: 2,
                    cover: 2.0,
                },
                Node::Leaf { value: 0.0, cover: 1.0 },
                Node::Leaf { value: 1.0, cover: 1.0 },
            ],
        });
        let ensembles = vec![TreeEnsemble { trees: trees.collect(), base: 0.0, fill: None }];
        let rows = random_rows(&mut generator, 1, 700, &thresholds(&ensembles));
        check(1, &ensembles, &rows);
    }
}
