//! Tree ensembles: the sum of one leaf per tree, plus a base.

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
