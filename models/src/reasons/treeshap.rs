//! Exact path-dependent Shapley values of a tree ensemble's margin.
//!
//! The game (Lundberg, Erion and Lee 2018, "Consistent individualized feature attribution for tree ensembles",
//! Algorithm 1): a coalition knows the values of its design columns; at a split on any other column both sides are
//! taken, in proportion to their covers. For one leaf with value `v` the game is a product over the distinct columns
//! `j` on its path: a known column contributes `o_j`, 1 if the row passes every split of that column on the way and 0
//! if not, and an unknown one `z_j`, the product of its cover shares. The Shapley value of a product game is an
//! integral over how much is known,
//!
//! `phi_j = v (o_j - z_j) integral_0^1 prod_{i != j} f_i(t) dt`, with `f_i(t) = t o_i + (1 - t) z_i`,
//!
//! because `integral t^s (1-t)^(d-1-s) dt = s! (d-1-s)! / d!` is the Shapley weight of a coalition of size `s`. The
//! integrand is a polynomial of degree `d - 1`, so Gauss-Legendre quadrature with `ceil(d / 2)` points gives it
//! exactly.
//!
//! All leaves of a tree are summed at each point `t` before anything is multiplied out (as Yu et al. 2022, "Linear
//! TreeSHAP", do with polynomials), which makes the work linear in the splits. At a split of column `j` let `D(t)` be
//! the product of the factors of the path down to it, `a` its last ancestor on the same column (none: `o_a = z_a =
//! f_a = 1`), `o` and `z` the row's side and the cover share of its left side, and `L(t)`, `R(t)` the sums over the
//! leaves of its left and right side of value times factors below it. Then
//!
//! - the left side's factor is `F = (t o + (1-t) z_a z) / f_a` where the row passes `a`, and `z` where it does not;
//!   the right side's is `1 - F`, so that the sum at the split is `R + F (L - R)`, and
//! - what the split adds to `phi_j` is `(o - z) sum_t w_t D (L - R) z_a / f_a^2` where the row passes `a`, else nothing.
//!
//! The second follows from `phi_j` of a leaf being `(o - z) / f` times its product, with the merged `o`, `z`, `f` of the
//! last split of `j` on its path: each split adds its own such term and takes its ancestor's away, and what is left of
//! the difference is the above. Factors and `z_a / f_a^2` depend on the split, the point and three cases only, so they
//! are tables; nothing is divided while rows are explained.
//!
//! Players are design **columns**: two indicators of one category are two players, and the value of an input is the sum
//! of those of its columns.

use super::lanes::{Block, Constants, Side, Split, Step, TreeProgram};
use crate::ensemble::Node;
use crate::{Tree, TreeEnsemble};

/// The left side's part of the covers of both sides; a half where no training row came.
fn left_share(nodes: &[Node], left: u32, right: u32) -> f64 {
    let [left, right] =
        [left, right].map(|child| nodes.get(child as usize).map_or(0.0, |node| f64::from(node.cover())));
    if left + right > 0.0 { left / (left + right) } else { 0.5 }
}

/// An ensemble made ready to be explained.
#[derive(Debug, Clone)]
pub(crate) struct ShapleyTrees {
    programs: Vec<TreeProgram>,
    /// Expected margin under the covers.
    pub(crate) base_margin: f64,
    fill: Option<Vec<f32>>,
}

impl ShapleyTrees {
    /// Lays out every tree. The ensemble must be valid.
    pub(crate) fn new(model: &TreeEnsemble) -> Self {
        let mut base_margin = f64::from(model.base);
        let mut rules: Vec<Vec<(f64, f64)>> = Vec::new();
        let mut programs = Vec::with_capacity(model.trees.len());
        for tree in &model.trees {
            let points = most_columns(tree).div_ceil(2);
            while rules.len() <= points {
                rules.push(gauss_legendre(rules.len()));
            }
            let (program, expected) = Layout::new(tree, &rules[points]).finish();
            base_margin += expected;
            if !program.splits.is_empty() {
                programs.push(program);
            }
        }
        Self { programs, base_margin, fill: model.fill.clone() }
    }

    /// Explains a block: the Shapley value of each design column of each of its rows.
    pub(crate) fn explain(&self, block: &mut Block) {
        if let Some(fill) = &self.fill {
            block.fill(fill);
        }
        block.run(&self.programs);
    }
}

/// Most distinct columns on the way to a leaf.
fn most_columns(tree: &Tree) -> usize {
    let mut most = 0;
    let mut open: Vec<(usize, Vec<u32>)> = vec![(0, Vec::new())];
    while let Some((at, columns)) = open.pop() {
        let Some(Node::Split { column, left, right, .. }) = tree.nodes.get(at) else {
            most = most.max(columns.len());
            continue;
        };
        let mut below = columns;
        if !below.contains(column) {
            below.push(*column);
        }
        open.push((*left as usize, below.clone()));
        open.push((*right as usize, below));
    }
    most
}

/// A split on the way down to the one that is being laid out.
struct Above {
    column: u32,
    /// Product of the cover shares of the column's sides taken above this split.
    share_above: f64,
    /// Cover share of its left side.
    share: f64,
    /// The side that is being laid out.
    side: Side,
}

impl Above {
    /// Product of the cover shares of the column's sides taken down to here, this one included.
    fn share_taken(&self) -> f64 {
        match self.side {
            Side::Left => self.share_above * self.share,
            Side::Right => self.share_above * (1.0 - self.share),
        }
    }
}

/// A tree while it is laid out.
struct Layout<'a> {
    tree: &'a Tree,
    rule: &'a [(f64, f64)],
    program: TreeProgram,
    expected: f64,
}

/// What is still to be laid out.
enum Task {
    /// A child of the split that was entered last, reached with this probability under the covers.
    Child(u32, Side, f64),
    Cross(u32),
    Leave(u32),
}

impl<'a> Layout<'a> {
    fn new(tree: &'a Tree, rule: &'a [(f64, f64)]) -> Self {
        let weights = rule.iter().map(|(_, weight)| *weight).collect();
        Self { tree, rule, program: TreeProgram { weights, ..TreeProgram::default() }, expected: 0.0 }
    }

    /// The program, and the tree's expected value.
    fn finish(mut self) -> (TreeProgram, f64) {
        let mut above: Vec<Above> = Vec::new();
        let mut tasks = vec![Task::Child(0, Side::Left, 1.0)];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Child(node, side, reached) => {
                    if let Some(parent) = above.last_mut() {
                        parent.side = side;
                    }
                    self.child(node, reached, &mut above, &mut tasks);
                }
                Task::Cross(split) => self.program.steps.push(Step::Cross(split)),
                Task::Leave(split) => {
                    self.program.steps.push(Step::Leave(split));
                    above.pop();
                }
            }
        }
        (self.program, self.expected)
    }

    /// Enters a child that is a split; a leaf is part of its parent.
    fn child(&mut self, node: u32, reached: f64, above: &mut Vec<Above>, tasks: &mut Vec<Task>) {
        let (column, threshold, missing_left, left, right) = match self.tree.nodes.get(node as usize) {
            Some(Node::Split { column, threshold, missing_left, left, right, .. }) => {
                (*column, *threshold, *missing_left, *left, *right)
            }
            Some(Node::Leaf { value, .. }) => {
                self.expected += reached * f64::from(*value);
                return;
            }
            None => return,
        };
        let share = left_share(&self.tree.nodes, left, right);
        let ancestor = above.iter().rposition(|one| one.column == column);
        let share_above = ancestor.map_or(1.0, |slot| above[slot].share_taken());
        let index = self.program.splits.len() as u32;
        let split = Split {
            column: column as usize,
            threshold,
            missing_left,
            share,
            slot: above.len(),
            ancestor: ancestor.map(|slot| (slot, above[slot].side)),
            leaves: [self.leaf(left), self.leaf(right)],
            parent_side: above.last().map(|parent| parent.side),
        };
        self.program.constants.extend(constants(self.rule, share, ancestor.map(|_| share_above)));
        self.program.slots = self.program.slots.max(above.len() + 1);
        self.program.splits.push(split);
        self.program.steps.push(Step::Enter(index));
        above.push(Above { column, share_above, share, side: Side::Left });
        tasks.push(Task::Leave(index));
        tasks.push(Task::Child(right, Side::Right, reached * (1.0 - share)));
        if self.leaf(right).is_none() {
            tasks.push(Task::Cross(index));
        }
        tasks.push(Task::Child(left, Side::Left, reached * share));
    }

    fn leaf(&self, node: u32) -> Option<f64> {
        match self.tree.nodes.get(node as usize) {
            Some(Node::Leaf { value, .. }) => Some(f64::from(*value)),
            _ => None,
        }
    }
}

/// The tables of a split: per point, for rows that pass the ancestor on the same column (whose merged share is `above`;
/// `None` without one).
fn constants(rule: &[(f64, f64)], share: f64, above: Option<f64>) -> impl Iterator<Item = Constants> {
    let merged = above.unwrap_or(1.0);
    rule.iter().map(move |(point, _)| {
        let before = if above.is_some() { point + (1.0 - point) * merged } else { 1.0 };
        let fails = (1.0 - point) * merged * share;
        Constants { passes: (point + fails) / before, fails: fails / before, weight: merged / (before * before) }
    })
}

/// Points and weights of Gauss-Legendre quadrature on [0, 1], exact for polynomials of degree `2 count - 1`.
///
/// Newton's method on the Legendre polynomial from the usual cosine guess (Press et al., Numerical Recipes, 4.6.1).
fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let order = count as f64;
    let mut points = Vec::with_capacity(count);
    for index in 0..count {
        let mut root = (std::f64::consts::PI * (index as f64 + 0.75) / (order + 0.5)).cos();
        let mut derivative = 1.0;
        for _ in 0..100 {
            let (mut current, mut previous) = (1.0, 0.0);
            for degree in 1..=count {
                let degree = degree as f64;
                (current, previous) =
                    (((2.0 * degree - 1.0) * root * current - (degree - 1.0) * previous) / degree, current);
            }
            derivative = order * (root * current - previous) / (root * root - 1.0);
            let step = current / derivative;
            root -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        let weight = 1.0 / ((1.0 - root * root) * derivative * derivative);
        points.push(((1.0 - root) / 2.0, weight));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reasons::lanes::InstructionSet;
    use crate::reasons::twin::{brute_force, over_paths};
    use crate::testing::{Generator, random_ensemble};

    fn random_rows(generator: &mut Generator, rows: usize, width: usize) -> Vec<Vec<f32>> {
        let value = |generator: &mut Generator| match generator.below(6) {
            0 => f32::NAN,
            1 => [f32::INFINITY, f32::NEG_INFINITY][generator.below(2)],
            _ => (generator.spread(6.0) * 2.0).round() as f32 / 2.0,
        };
        (0..rows).map(|_| (0..width).map(|_| value(generator)).collect()).collect()
    }

    /// Contributions by row, then column.
    fn explained(trees: &ShapleyTrees, rows: &[Vec<f32>], set: Option<InstructionSet>) -> Vec<Vec<f64>> {
        let width = rows[0].len();
        let mut block = Block::new(width);
        if let Some(set) = set {
            block.instruction_set = set;
        }
        block.load(rows.iter().map(Vec::as_slice));
        trees.explain(&mut block);
        (0..rows.len()).map(|row| (0..width).map(|column| block.contribution(column, row)).collect()).collect()
    }

    #[test]
    fn shapley_values_are_those_of_the_definition() {
        for seed in 0..40_u64 {
            let mut generator = Generator(seed);
            // Twelve players once in ten: their game has 4,096 coalitions.
            let width = if seed % 10 == 9 { 12 } else { 1 + generator.below(8) };
            let model = random_ensemble(&mut generator, width, 3, 24, seed % 3 == 0);
            let trees = ShapleyTrees::new(&model);
            let rows = random_rows(&mut generator, 5, width);
            for (row, found) in rows.iter().zip(explained(&trees, &rows, None)) {
                for (found, expected) in found.iter().zip(brute_force(&model, row)) {
                    assert!((found - expected).abs() < 1e-12, "seed {seed}: found {found}, expected {expected}");
                }
                let total = trees.base_margin + found.iter().sum::<f64>();
                assert!((total - model.margin(row)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn wide_and_deep_trees_agree_with_the_sum_over_paths() {
        for (seed, width, leaves) in [(1, 100, 31), (2, 40, 200), (3, 3, 300), (4, 25, 2), (5, 300, 600)] {
            let mut generator = Generator(seed);
            let model = random_ensemble(&mut generator, width, 4, leaves, seed == 2);
            let trees = ShapleyTrees::new(&model);
            let rows = random_rows(&mut generator, 9, width);
            for (row, found) in rows.iter().zip(explained(&trees, &rows, None)) {
                for (found, expected) in found.iter().zip(over_paths(&model, row)) {
                    assert!((found - expected).abs() < 1e-12, "seed {seed}: found {found}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn a_chain_of_as_many_splits_as_a_tree_may_have_is_explained() {
        let depth = crate::ensemble::MAX_DEPTH as u32;
        let mut nodes = Vec::new();
        for level in 0..depth {
            let (left, right, cover) = (2 * level + 1, 2 * level + 2, (depth + 1 - level) as f32);
            nodes.push(Node::Split { column: level, threshold: 0.0, missing_left: true, left, right, cover });
            nodes.push(Node::Leaf { value: level as f32 / 16.0, cover: 1.0 });
        }
        nodes.push(Node::Leaf { value: 3.0, cover: 1.0 });
        let model = TreeEnsemble { trees: vec![Tree { nodes }], base: 0.5, fill: None };
        assert!(model.validate(depth as usize).is_ok());
        let rows = random_rows(&mut Generator(8), 3, depth as usize);
        for (row, found) in rows.iter().zip(explained(&ShapleyTrees::new(&model), &rows, None)) {
            for (found, expected) in found.iter().zip(over_paths(&model, row)) {
                assert!((found - expected).abs() < 1e-10, "found {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn any_instruction_set_and_any_block_gives_the_same_bits() {
        let mut generator = Generator(11);
        let model = random_ensemble(&mut generator, 30, 20, 31, false);
        let trees = ShapleyTrees::new(&model);
        let rows = random_rows(&mut generator, super::super::lanes::BLOCK_ROWS, 30);
        let bits = |rows: Vec<Vec<f64>>| -> Vec<Vec<u64>> {
            rows.into_iter().map(|row| row.into_iter().map(f64::to_bits).collect()).collect()
        };
        let expected = bits(explained(&trees, &rows, Some(InstructionSet::Portable)));
        let sets = InstructionSet::available();
        assert_eq!(sets.first(), Some(&InstructionSet::Portable));
        for set in sets {
            assert_eq!(bits(explained(&trees, &rows, Some(set))), expected, "{set:?}");
        }
        let alone: Vec<Vec<f64>> =
            rows.iter().flat_map(|row| explained(&trees, std::slice::from_ref(row), None)).collect();
        assert_eq!(bits(alone), expected);
    }

    #[test]
    fn quadrature_integrates_powers_exactly() {
        for count in 1..=128 {
            let rule = gauss_legendre(count);
            for power in 0..2 * count {
                let sum: f64 = rule.iter().map(|(point, weight)| weight * point.powi(power as i32)).sum();
                let expected = 1.0 / (power as f64 + 1.0);
                assert!((sum - expected).abs() < 1e-14, "{count} points, power {power}: {sum} against {expected}");
            }
        }
    }
}
