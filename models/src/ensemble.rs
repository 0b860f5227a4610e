//! Tree ensembles: the sum of one leaf per tree, plus a base.
//!
//! A float sum depends on its order, and runtimes differ in theirs. [`TreeEnsemble::with_exact_sums`] removes the
//! question: it rounds leaves and base to one power of two that is coarse enough for every partial sum to be a float
//! exactly. After that any order, and any width of float, gives the same bits.

use crate::ModelError;

/// Most nodes of an ensemble.
pub const MAX_NODES: usize = 10_000_000;

/// Deepest tree, in splits from the root to a leaf.
pub const MAX_DEPTH: usize = 256;

/// Largest cover: a float counts exactly up to here.
pub const MAX_COVER: f32 = 16_777_216.0;

/// A node of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// Goes left when `value <= threshold`; a missing value goes left when `missing_left`.
    Split {
        /// Design column (see [`crate::Signature::design_columns`]).
        column: u32,
        /// Threshold, as the float that the column is compared with.
        threshold: f32,
        /// Where a missing value goes.
        missing_left: bool,
        /// Index of the left child in the tree.
        left: u32,
        /// Index of the right child in the tree.
        right: u32,
        /// Training rows (or weight) that reached the node; at most 2^24, so that ONNX holds it exactly.
        cover: f32,
    },
    /// Ends here.
    Leaf {
        /// Added to the margin.
        value: f32,
        /// Training rows (or weight) that reached the leaf.
        cover: f32,
    },
}

impl Node {
    /// Training rows (or weight) that reached the node.
    #[must_use]
    pub fn cover(&self) -> f32 {
        match self {
            Self::Split { cover, .. } | Self::Leaf { cover, .. } => *cover,
        }
    }

    /// Checks the numbers of the node by itself: the rule that is broken, and what was found.
    fn validate(&self, width: usize) -> Result<(), (&'static str, String)> {
        if !(0.0..=MAX_COVER).contains(&self.cover()) {
            return Err(("a cover from 0 to 2^24", self.cover().to_string()));
        }
        match self {
            Self::Leaf { value, .. } if !value.is_finite() => Err(("a finite leaf", value.to_string())),
            Self::Split { column, .. } if *column as usize >= width => {
                Err(("a column of the design", column.to_string()))
            }
            Self::Split { threshold, .. } if !threshold.is_finite() => {
                Err(("a finite threshold", threshold.to_string()))
            }
            Self::Leaf { .. } | Self::Split { .. } => Ok(()),
        }
    }
}

/// One tree; the root is node 0 and a child comes after its parent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tree {
    /// Nodes.
    pub nodes: Vec<Node>,
}

/// Margin = `base + sum of leaves`. A forest stores its leaves already divided by the number of trees.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeEnsemble {
    /// Trees.
    pub trees: Vec<Tree>,
    /// Added once.
    pub base: f32,
    /// Per design column, what replaces a missing value before the trees see it; `None` where trees handle missing
    /// values themselves.
    pub fill: Option<Vec<f32>>,
}

impl Tree {
    /// The leaf value of one row of the design; 0 for a tree that [`TreeEnsemble::validate`] refuses.
    ///
    /// This is the plain walk, for tests and single rows; [`crate::Scorer`] has the fast one.
    #[must_use]
    pub fn evaluate(&self, row: &[f32]) -> f32 {
        let mut at = 0;
        while let Some(Node::Split { column, threshold, missing_left, left, right, .. }) = self.nodes.get(at) {
            let value = row.get(*column as usize).copied().unwrap_or(f32::NAN);
            let goes_left = if value.is_nan() { *missing_left } else { value <= *threshold };
            let next = if goes_left { *left } else { *right } as usize;
            if next <= at {
                return 0.0;
            }
            at = next;
        }
        match self.nodes.get(at) {
            Some(Node::Leaf { value, .. }) => *value,
            _ => 0.0,
        }
    }

    /// Splits from the root to the deepest leaf; 0 for a single leaf.
    #[must_use]
    pub fn depth(&self) -> usize {
        let mut depths = vec![0_usize; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            if let Node::Split { left, right, .. } = node {
                let below = depths[index] + 1;
                for child in [*left, *right] {
                    if let Some(depth) = depths.get_mut(child as usize) {
                        *depth = below;
                    }
                }
            }
        }
        depths.into_iter().max().unwrap_or(0)
    }

    fn validate(&self, tree: usize, width: usize) -> Result<(), ModelError> {
        let fail = |node: usize, expected, found: String| Err(node_error(tree, node, expected, found));
        if self.nodes.is_empty() {
            return fail(0, "at least one node", "none".to_owned());
        }
        let mut parents = vec![0_u32; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            node.validate(width).map_err(|(expected, found)| node_error(tree, index, expected, found))?;
            let Node::Split { left, right, .. } = node else { continue };
            for child in [*left, *right] {
                match parents.get_mut(child as usize) {
                    Some(count) if child as usize > index => *count += 1,
                    _ => return fail(index, "children after their parent", child.to_string()),
                }
            }
        }
        if let Some(orphan) = parents.iter().skip(1).position(|count| *count != 1) {
            return fail(orphan + 1, "exactly one parent", parents[orphan + 1].to_string());
        }
        let depth = self.depth();
        if depth > MAX_DEPTH {
            return fail(0, "at most 256 splits in a row", depth.to_string());
        }
        Ok(())
    }
}

fn node_error(tree: usize, node: usize, expected: &'static str, found: String) -> ModelError {
    ModelError::Margin { place: format!("tree {tree}, node {node}"), expected, found }
}

impl TreeEnsemble {
    /// The margin of one row of the design: base, then trees in order, in 64-bit floats.
    #[must_use]
    pub fn margin(&self, row: &[f32]) -> f64 {
        let filled: Vec<f32>;
        let row = match &self.fill {
            None => row,
            Some(fill) => {
                filled =
                    row.iter().zip(fill).map(|(value, fill)| if value.is_nan() { *fill } else { *value }).collect();
                &filled
            }
        };
        self.trees.iter().fold(f64::from(self.base), |sum, tree| sum + f64::from(tree.evaluate(row)))
    }

    /// Largest possible `|margin|`.
    #[must_use]
    pub fn bound(&self) -> f64 {
        self.trees.iter().fold(f64::from(self.base.abs()), |bound, tree| {
            let leaves = tree.nodes.iter().map(|node| match node {
                Node::Leaf { value, .. } => f64::from(value.abs()),
                Node::Split { .. } => 0.0,
            });
            bound + leaves.fold(0.0, f64::max)
        })
    }

    /// Rounds base and leaves to a multiple of one power of two, `2^k`, so that every partial sum, in any order, is
    /// exact in 32-bit floats.
    ///
    /// With `B` = [`TreeEnsemble::bound`], `k = ceil(log2 B) - 23`: all sums are multiples of `2^k` below `2^24 * 2^k`.
    /// A leaf moves by at most `2^(k-1)`, which is `B * 2^-23`. Learners call this last, so that what they evaluate is
    /// what is exported.
    #[must_use]
    pub fn with_exact_sums(mut self) -> Self {
        let bound = self.bound();
        if !(1e-25..=1e25).contains(&bound) {
            return self;
        }
        let grid = (bound.log2().ceil() - 23.0).exp2();
        let snap = |value: f32| ((f64::from(value) / grid).round() * grid) as f32;
        self.base = snap(self.base);
        for node in self.trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
            if let Node::Leaf { value, .. } = node {
                *value = snap(*value);
            }
        }
        self
    }

    /// Checks columns, children, numbers, covers and sizes.
    ///
    /// # Errors
    /// [`ModelError::Margin`] with the tree and node.
    pub fn validate(&self, width: usize) -> Result<(), ModelError> {
        let fail =
            |expected, found: String| Err(ModelError::Margin { place: "tree ensemble".to_owned(), expected, found });
        let nodes: usize = self.trees.iter().map(|tree| tree.nodes.len()).sum();
        if self.trees.is_empty() || nodes > MAX_NODES {
            return fail("at least one tree and at most 10,000,000 nodes", format!("{} trees", self.trees.len()));
        }
        for (index, tree) in self.trees.iter().enumerate() {
            tree.validate(index, width)?;
        }
        let bound = self.bound();
        if !bound.is_finite() || bound > f64::from(f32::MAX) / 4.0 {
            return fail("a sum that floats can hold", bound.to_string());
        }
        match &self.fill {
            Some(fill) if fill.len() != width => fail("one fill per design column", fill.len().to_string()),
            Some(fill) if fill.iter().any(|value| !value.is_finite()) => {
                fail("finite fills", "one that is not".to_owned())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(value: f32) -> Node {
        Node::Leaf { value, cover: 1.0 }
    }

    fn split(column: u32, left: u32, right: u32) -> Node {
        Node::Split { column, threshold: 0.5, missing_left: true, left, right, cover: 2.0 }
    }

    fn ensemble(nodes: Vec<Node>) -> TreeEnsemble {
        TreeEnsemble { trees: vec![Tree { nodes }], base: 0.25, fill: None }
    }

    #[test]
    fn values_missing_and_infinite_go_where_the_split_says() {
        let model = ensemble(vec![split(0, 1, 2), leaf(-1.0), leaf(1.0)]);
        assert!(model.validate(1).is_ok());
        let cases = [(0.5, -0.75), (0.6, 1.25), (f32::NAN, -0.75), (f32::INFINITY, 1.25), (f32::NEG_INFINITY, -0.75)];
        for (value, expected) in cases {
            assert_eq!(model.margin(&[value]), expected, "{value}");
        }
        let filled = TreeEnsemble { fill: Some(vec![3.0]), ..model };
        assert_eq!(filled.margin(&[f32::NAN]), 1.25);
    }

    #[test]
    fn malformed_trees_are_refused() {
        let cases = [
            (vec![], "at least one node"),
            (vec![split(0, 0, 1), leaf(1.0)], "children after"),
            (vec![split(0, 1, 9), leaf(1.0)], "children after"),
            (vec![split(0, 1, 1), leaf(1.0)], "one parent"),
            (vec![split(0, 1, 2), leaf(1.0), leaf(1.0), leaf(1.0)], "one parent"),
            (vec![split(4, 1, 2), leaf(1.0), leaf(1.0)], "column"),
            (vec![leaf(f32::NAN)], "finite leaf"),
        ];
        for (nodes, expected) in cases {
            let error = ensemble(nodes).validate(2).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
        let no_trees = TreeEnsemble { trees: vec![], base: 0.0, fill: None };
        assert!(no_trees.validate(2).is_err());
    }

    #[test]
    fn exact_sums_are_the_same_in_every_order_and_width() {
        let trees: Vec<Tree> =
            (1..=400_u16).map(|index| Tree { nodes: vec![leaf((f32::from(index) * 0.7).sin() * 0.3)] }).collect();
        let model = TreeEnsemble { trees, base: -2.345_678, fill: None }.with_exact_sums();
        let leaves: Vec<f32> = model.trees.iter().map(|tree| tree.evaluate(&[])).collect();
        let forwards = leaves.iter().fold(model.base, |sum, value| sum + value);
        let backwards = leaves.iter().rev().fold(0.0_f32, |sum, value| sum + value) + model.base;
        assert_eq!(forwards.to_bits(), backwards.to_bits());
        assert_eq!(f64::from(forwards), model.margin(&[]));
        assert_eq!(model.clone().with_exact_sums(), model);
    }
}
