//! Exact path-dependent Shapley values of a tree ensemble's margin.
//!
//! The game (Lundberg, Erion and Lee 2018, "Consistent individualized feature attribution for tree ensembles",
//! Algorithm 1): a coalition knows the values of its design columns; at a split on any other column both sides are
//! taken, in proportion to their covers. For one leaf with value `v` the game is a product over the distinct columns
//! `j` on its path: a known column contributes `o_j`, 1 if the row passes every split of that column on the way and 0
//! if not, and an unknown one `z_j`, the product of its cover shares. The Shapley value of a product game is an
//! integral over how much is known,
//!
//! `phi_j = v (o_j - z_j) integral_0^1 prod_{i != j} (t o_i + (1 - t) z_i) dt`,
//!
//! because `integral t^s (1-t)^(d-1-s) dt = s! (d-1-s)! / d!` is the Shapley weight of a coalition of size `s`. The
//! integrand is a polynomial of degree `d - 1`, so Gauss-Legendre quadrature with `ceil(d / 2)` points gives it
//! exactly, in sums of non-negative products: nothing is divided and nothing cancels.
//!
//! Players are design **columns**: two indicators of one category are two players, and the value of an input is the sum
//! of those of its columns.

use crate::ensemble::Node;
use crate::{Tree, TreeEnsemble};

/// Both children of a split, in proportion to their covers; halves where no training row came.
fn cover_shares(nodes: &[Node], left: u32, right: u32) -> [f64; 2] {
    let covers = [left, right].map(|child| nodes.get(child as usize).map_or(0.0, |node| f64::from(node.cover())));
    let total = covers[0] + covers[1];
    if total > 0.0 { covers.map(|cover| cover / total) } else { [0.5, 0.5] }
}

/// What the path to a leaf asks of one column, all its splits taken together.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Condition {
    column: u32,
    /// The value is above this...
    above: f32,
    /// ...and at most this; both hold for a value that is not missing.
    at_most: f32,
    /// Whether a missing value passes every split.
    missing_passes: bool,
    /// Product of the cover shares of the sides taken.
    share: f64,
}

impl Condition {
    fn passes(&self, value: f32) -> bool {
        // A lower bound of -infinity stands for none: it must let -infinity through.
        let within = (value > self.above || self.above == f32::NEG_INFINITY) && value <= self.at_most;
        if value.is_nan() { self.missing_passes } else { within }
    }
}

/// A leaf that not every row reaches, ready to be explained.
#[derive(Debug, Clone)]
struct Path {
    /// Range of [`ShapleyTrees::conditions`].
    start: usize,
    /// Number of conditions.
    count: usize,
    value: f64,
}

/// Points and weights of a quadrature rule on [0, 1].
#[derive(Debug, Clone, Default)]
struct Rule {
    points: Vec<(f64, f64)>,
}

/// An ensemble made ready to be explained.
#[derive(Debug, Clone)]
pub(crate) struct ShapleyTrees {
    conditions: Vec<Condition>,
    paths: Vec<Path>,
    /// Rule for `d` distinct columns at index `d`.
    rules: Vec<Rule>,
    /// Expected margin under the covers.
    pub(crate) base_margin: f64,
    fill: Option<Vec<f32>>,
}

impl ShapleyTrees {
    /// Lays out every leaf's conditions. The ensemble must be valid.
    pub(crate) fn new(model: &TreeEnsemble) -> Self {
        let mut trees = Self {
            conditions: Vec::new(),
            paths: Vec::new(),
            rules: Vec::new(),
            base_margin: f64::from(model.base),
            fill: model.fill.clone(),
        };
        for tree in &model.trees {
            trees.base_margin += trees.add_tree(tree);
        }
        let longest = trees.paths.iter().map(|path| path.count).max().unwrap_or(0);
        trees.rules = (0..=longest).map(|columns| Rule { points: gauss_legendre(columns.div_ceil(2)) }).collect();
        trees
    }

    /// Adds the leaves of a tree; returns its expected value.
    fn add_tree(&mut self, tree: &Tree) -> f64 {
        let mut expected = 0.0;
        let mut open: Vec<(usize, Vec<Condition>)> = vec![(0, Vec::new())];
        while let Some((at, conditions)) = open.pop() {
            match tree.nodes.get(at) {
                Some(Node::Leaf { value, .. }) => {
                    let value = f64::from(*value);
                    expected += value * conditions.iter().map(|condition| condition.share).product::<f64>();
                    if value != 0.0 && !conditions.is_empty() {
                        self.paths.push(Path { start: self.conditions.len(), count: conditions.len(), value });
                        self.conditions.extend(conditions);
                    }
                }
                Some(Node::Split { column, threshold, missing_left, left, right, .. }) => {
                    let shares = cover_shares(&tree.nodes, *left, *right);
                    let sides = [
                        (*left, f32::NEG_INFINITY, *threshold, *missing_left, shares[0]),
                        (*right, *threshold, f32::INFINITY, !*missing_left, shares[1]),
                    ];
                    for (child, above, at_most, missing_passes, share) in sides {
                        let step = Condition { column: *column, above, at_most, missing_passes, share };
                        open.push((child as usize, narrowed(&conditions, step)));
                    }
                }
                None => {}
            }
        }
        expected
    }

    /// Adds the Shapley value of each design column of a row to `contributions`.
    pub(crate) fn explain(&self, row: &[f32], contributions: &mut [f64]) {
        let filled: Vec<f32>;
        let row = match &self.fill {
            None => row,
            Some(fill) => {
                filled =
                    row.iter().zip(fill).map(|(value, fill)| if value.is_nan() { *fill } else { *value }).collect();
                &filled
            }
        };
        let mut workspace = Workspace::default();
        for path in &self.paths {
            let conditions = &self.conditions[path.start..path.start + path.count];
            workspace.load(conditions, row);
            for (condition, shapley) in conditions.iter().zip(workspace.shapley(&self.rules[path.count])) {
                contributions[condition.column as usize] += path.value * shapley;
            }
        }
    }
}

/// The conditions with one more split.
fn narrowed(conditions: &[Condition], step: Condition) -> Vec<Condition> {
    let mut narrowed = conditions.to_vec();
    match narrowed.iter_mut().find(|condition| condition.column == step.column) {
        None => narrowed.push(step),
        Some(condition) => {
            condition.above = condition.above.max(step.above);
            condition.at_most = condition.at_most.min(step.at_most);
            condition.missing_passes &= step.missing_passes;
            condition.share *= step.share;
        }
    }
    narrowed
}

/// One path and one row: per condition, whether it is passed and its share; then its Shapley value.
#[derive(Debug, Default)]
struct Workspace {
    passed: Vec<f64>,
    share: Vec<f64>,
    factor: Vec<f64>,
    shapley: Vec<f64>,
}

impl Workspace {
    fn load(&mut self, conditions: &[Condition], row: &[f32]) {
        self.passed.clear();
        self.share.clear();
        for condition in conditions {
            self.passed.push(if condition.passes(row[condition.column as usize]) { 1.0 } else { 0.0 });
            self.share.push(condition.share);
        }
    }

    /// `(o_j - z_j) * integral` for every condition, by products from the left and from the right.
    fn shapley(&mut self, rule: &Rule) -> &[f64] {
        let count = self.passed.len();
        self.shapley.clear();
        self.shapley.resize(count, 0.0);
        self.factor.resize(count, 0.0);
        for (point, weight) in &rule.points {
            let mut before = *weight;
            for index in 0..count {
                let factor = point * self.passed[index] + (1.0 - point) * self.share[index];
                self.factor[index] = before;
                before *= factor;
            }
            let mut after = 1.0;
            for index in (0..count).rev() {
                let factor = point * self.passed[index] + (1.0 - point) * self.share[index];
                self.shapley[index] += self.factor[index] * after;
                after *= factor;
            }
        }
        for (index, value) in self.shapley.iter_mut().enumerate() {
            *value *= self.passed[index] - self.share[index];
        }
        &self.shapley
    }
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
    use crate::testing::{Generator, random_ensemble};

    /// Expected margin when only the columns of `known` are known: a plain recursion, nothing shared with the above.
    fn expectation(nodes: &[Node], at: usize, row: &[f32], known: u32) -> f64 {
        match nodes[at] {
            Node::Leaf { value, .. } => f64::from(value),
            Node::Split { column, threshold, missing_left, left, right, .. } => {
                let (left, right) = (left as usize, right as usize);
                if known & (1 << column) != 0 {
                    let value = row[column as usize];
                    let goes_left = if value.is_nan() { missing_left } else { value <= threshold };
                    return expectation(nodes, if goes_left { left } else { right }, row, known);
                }
                let (a, b) = (f64::from(nodes[left].cover()), f64::from(nodes[right].cover()));
                let (a, b) = if a + b > 0.0 { (a, b) } else { (1.0, 1.0) };
                (a * expectation(nodes, left, row, known) + b * expectation(nodes, right, row, known)) / (a + b)
            }
        }
    }

    fn brute_force(model: &TreeEnsemble, row: &[f32]) -> Vec<f64> {
        let players = row.len();
        let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
        let game: Vec<f64> = (0..1_u32 << players)
            .map(|known| model.trees.iter().map(|tree| expectation(&tree.nodes, 0, row, known)).sum())
            .collect();
        (0..players)
            .map(|player| {
                let without = (0..1_usize << players).filter(|known| known & (1 << player) == 0);
                without
                    .map(|known| {
                        let size = known.count_ones() as usize;
                        let weight = factorial(size) * factorial(players - 1 - size) / factorial(players);
                        weight * (game[known | (1 << player)] - game[known])
                    })
                    .sum()
            })
            .collect()
    }

    #[test]
    fn shapley_values_are_those_of_the_definition() {
        for seed in 0..30_u64 {
            let mut generator = Generator(seed);
            let width = 1 + generator.below(8);
            let model = random_ensemble(&mut generator, width, 3, 24, false);
            let trees = ShapleyTrees::new(&model);
            for _ in 0..5 {
                let value = |generator: &mut Generator| match generator.below(6) {
                    0 => f32::NAN,
                    1 => [f32::INFINITY, f32::NEG_INFINITY][generator.below(2)],
                    _ => (generator.spread(6.0) * 2.0).round() as f32 / 2.0,
                };
                let row: Vec<f32> = (0..width).map(|_| value(&mut generator)).collect();
                let mut found = vec![0.0; width];
                trees.explain(&row, &mut found);
                for (found, expected) in found.iter().zip(brute_force(&model, &row)) {
                    assert!((found - expected).abs() < 1e-12, "seed {seed}: found {found}, expected {expected}");
                }
                let total = trees.base_margin + found.iter().sum::<f64>();
                assert!((total - model.margin(&row)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn quadrature_integrates_powers_exactly() {
        for count in 1..=64 {
            let rule = gauss_legendre(count);
            for power in 0..2 * count {
                let sum: f64 = rule.iter().map(|(point, weight)| weight * point.powi(power as i32)).sum();
                let expected = 1.0 / (power as f64 + 1.0);
                assert!((sum - expected).abs() < 1e-14, "{count} points, power {power}: {sum} against {expected}");
            }
        }
    }
}
