//! Trees as lists of removals, or as nodes to walk.

use std::ops::Range;

use super::table::{Layout, Question};
use super::{TILE_ROWS, Tile};
use crate::ensemble::Node;
use crate::{Tree, TreeEnsemble};

/// Most leaves of a tree that is evaluated by removals: a leaf's number is a byte. The work of removals grows with the
/// leaves and that of a walk with the depth, so greater trees are walked.
pub(super) const MOST_LEAVES: usize = 256;

/// Leaves of a plane, one bit each.
pub(super) const PLANE_LEAVES: usize = 8;

/// Rows that walk together, so that as many loads are in flight.
const LANES: usize = 8;

/// Where the byte of a bin column is at least the bound, only some leaves of a plane are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Removal {
    pub(super) column: u16,
    pub(super) bound: u8,
    pub(super) kept: u8,
}

/// A tree by removals.
#[derive(Debug, Clone)]
pub(super) struct MaskTree {
    /// Its planes in [`CompiledEnsemble::planes`], the one with the last leaves first.
    pub(super) planes: Range<usize>,
    /// Its leaves in [`CompiledEnsemble::leaves`], from left to right: a multiple of 16, the last ones unused.
    pub(super) leaves: Range<usize>,
}

/// How a tree is evaluated.
#[derive(Debug, Clone)]
pub(super) enum CompiledTree {
    Masks(MaskTree),
    /// Root and depth.
    Walk(u32, u32),
}

/// A node to walk; a leaf has itself as both children.
#[derive(Debug, Clone, Copy)]
struct WalkNode {
    column: u32,
    bound: u8,
    left: u32,
    right: u32,
}

/// An ensemble over bin columns.
#[derive(Debug, Clone)]
pub(super) struct CompiledEnsemble {
    pub(super) base: f64,
    pub(super) trees: Vec<CompiledTree>,
    /// Removals of each plane, and the number of its first leaf.
    pub(super) planes: Vec<(Range<usize>, u8)>,
    pub(super) removals: Vec<Removal>,
    pub(super) leaves: Vec<f64>,
    nodes: Vec<WalkNode>,
    /// Value of each node to walk.
    values: Vec<f64>,
}

impl CompiledEnsemble {
    /// Compiles an ensemble that [`TreeEnsemble::validate`] accepts.
    pub(super) fn new(ensemble: &TreeEnsemble, layout: &mut Layout) -> Self {
        let mut compiled = Self {
            base: f64::from(ensemble.base),
            trees: Vec::with_capacity(ensemble.trees.len()),
            planes: Vec::new(),
            removals: Vec::new(),
            leaves: Vec::new(),
            nodes: Vec::new(),
            values: Vec::new(),
        };
        for tree in &ensemble.trees {
            let questions: Vec<Option<Question>> =
                tree.nodes.iter().map(|node| question(node, ensemble.fill.as_deref(), layout)).collect();
            let leaves = tree.nodes.len().div_ceil(2);
            let narrow = questions.iter().flatten().all(|question| u16::try_from(question.column).is_ok());
            let compiled_tree = if leaves <= MOST_LEAVES && narrow {
                CompiledTree::Masks(compiled.masks(tree, &questions))
            } else {
                compiled.walk_nodes(tree, &questions)
            };
            compiled.trees.push(compiled_tree);
        }
        compiled
    }

    fn masks(&mut self, tree: &Tree, questions: &[Option<Question>]) -> MaskTree {
        let order = LeafOrder::new(tree);
        let first_leaf = self.leaves.len();
        self.leaves.extend(order.leaves.iter().copied());
        let padded = order.leaves.len().next_multiple_of(16);
        self.leaves.resize(first_leaf + padded, 0.0);
        let first_plane = self.planes.len();
        for first in (0..order.leaves.len()).step_by(PLANE_LEAVES).rev() {
            let start = self.removals.len();
            for (node, question) in questions.iter().enumerate() {
                let Some(question) = question else { continue };
                let removed = (0..PLANE_LEAVES).filter(|bit| order.left[node].contains(&(first + bit)));
                let removed = removed.fold(0_u8, |mask, bit| mask | 1 << bit);
                // Columns were found to fit before, so nothing is cut off.
                if removed != 0 {
                    self.removals.push(Removal {
                        column: question.column as u16,
                        bound: question.bound,
                        kept: !removed,
                    });
                }
            }
            self.planes.push((start..self.removals.len(), first as u8));
        }
        MaskTree { planes: first_plane..self.planes.len(), leaves: first_leaf..first_leaf + padded }
    }

    fn walk_nodes(&mut self, tree: &Tree, questions: &[Option<Question>]) -> CompiledTree {
        // `validate` holds nodes below 2^24 and columns below 2^17, so no conversion or addition can overflow.
        let root = self.nodes.len() as u32;
        for (index, (node, question)) in tree.nodes.iter().zip(questions).enumerate() {
            let here = root + index as u32;
            let (walk, value) = match (node, question) {
                (Node::Split { left, right, .. }, Some(question)) => {
                    let (column, bound) = (question.column as u32, question.bound);
                    (WalkNode { column, bound, left: root + left, right: root + right }, 0.0)
                }
                _ => (WalkNode { column: 0, bound: 0, left: here, right: here }, leaf_value(node)),
            };
            self.nodes.push(walk);
            self.values.push(value);
        }
        CompiledTree::Walk(root, tree.depth() as u32)
    }

    /// Adds the leaf of a tree that is walked.
    pub(super) fn add_walk(&self, root: u32, depth: u32, bins: &[Tile], sums: &mut [f64; TILE_ROWS]) {
        for (group, sums) in sums.chunks_exact_mut(LANES).enumerate() {
            let mut at = [root; LANES];
            for _ in 0..depth {
                let mut moved = false;
                for (lane, position) in at.iter_mut().enumerate() {
                    let node = self.nodes[*position as usize];
                    let byte = bins[node.column as usize].0[group * LANES + lane];
                    let next = if byte >= node.bound { node.right } else { node.left };
                    moved |= next != *position;
                    *position = next;
                }
                if !moved {
                    break;
                }
            }
            for (sum, position) in sums.iter_mut().zip(at) {
                *sum += self.values[position as usize];
            }
        }
    }
}

/// What a split asks. A missing value that is filled goes where the fill goes.
fn question(node: &Node, fill: Option<&[f32]>, layout: &mut Layout) -> Option<Question> {
    let Node::Split { column, threshold, missing_left, .. } = node else { return None };
    let filled_left = fill.and_then(|fill| fill.get(*column as usize)).map(|fill| fill <= threshold);
    Some(layout.question(*column as usize, *threshold, filled_left.unwrap_or(*missing_left)))
}

fn leaf_value(node: &Node) -> f64 {
    match node {
        Node::Leaf { value, .. } => f64::from(*value),
        Node::Split { .. } => 0.0,
    }
}

/// Leaves from left to right.
struct LeafOrder {
    leaves: Vec<f64>,
    /// Per node, the leaves under its left child; empty for a leaf.
    left: Vec<Range<usize>>,
}

impl LeafOrder {
    fn new(tree: &Tree) -> Self {
        let mut order = Self { leaves: Vec::new(), left: vec![0..0; tree.nodes.len()] };
        // A node is met before its left child, and again before its right child.
        let mut stack = vec![(0_usize, false)];
        while let Some((at, left_is_done)) = stack.pop() {
            let Some(Node::Split { left, right, .. }) = tree.nodes.get(at) else {
                order.leaves.push(tree.nodes.get(at).map_or(0.0, leaf_value));
                continue;
            };
            if left_is_done {
                order.left[at].end = order.leaves.len();
                stack.push((*right as usize, false));
            } else {
                order.left[at] = order.leaves.len()..order.leaves.len();
                stack.push((at, true));
                stack.push((*left as usize, false));
            }
        }
        order
    }
}
