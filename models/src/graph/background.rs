//! Hit rates that are counted: a sample of rows goes through the trees, and each node keeps how many came by.
//!
//! With the training rows as the sample, these are the counts that the learner itself had. They are what path-dependent
//! Shapley values weigh an unknown value with, so without them, and without any in the file, there are no reasons.

use serde::{Deserialize, Serialize};

use super::error::GraphError;
use crate::ensemble::MAX_COVER;
use crate::{DesignBlock, Head, MarginModel, Node, Tree};

/// Version of `background.json`.
const BACKGROUND_FORMAT: u32 = 1;

/// Counts of one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackgroundTarget {
    /// Target.
    pub target: String,
    /// Rows at each node of each tree, in the order of [`crate::TreeEnsemble::trees`]; empty for a linear model.
    pub trees: Vec<Vec<u64>>,
    /// Mean of each term, see [`crate::LinearTerm::mean`]; empty for trees.
    pub means: Vec<f64>,
}

/// `background.json`: what a sample of rows did in the models of a bundle. No row can be told from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Background {
    /// Version of this file.
    pub format: u32,
    /// Rows of the sample.
    pub rows: u64,
    /// In the order of the bundle's targets.
    pub targets: Vec<BackgroundTarget>,
}

fn error(expected: impl ToString, found: impl ToString) -> GraphError {
    GraphError::malformed("background.json", expected, found)
}

impl Background {
    /// No rows yet.
    #[must_use]
    pub fn new(heads: &[Head]) -> Self {
        let empty = |head: &Head| BackgroundTarget {
            target: head.target.clone(),
            trees: match &head.margin {
                MarginModel::Trees(model) => model.trees.iter().map(|tree| vec![0; tree.nodes.len()]).collect(),
                MarginModel::Linear(_) | MarginModel::Graph(_) => Vec::new(),
            },
            means: match &head.margin {
                MarginModel::Linear(model) => vec![0.0; model.terms.len()],
                MarginModel::Trees(_) | MarginModel::Graph(_) => Vec::new(),
            },
        };
        Self { format: BACKGROUND_FORMAT, rows: 0, targets: heads.iter().map(empty).collect() }
    }

    /// Adds rows. The heads are those of [`Background::new`].
    pub fn add(&mut self, heads: &[Head], design: &DesignBlock) {
        let before = self.rows as f64;
        self.rows += design.rows() as u64;
        let after = (self.rows as f64).max(1.0);
        for (target, head) in self.targets.iter_mut().zip(heads) {
            match &head.margin {
                MarginModel::Trees(model) => {
                    for row in 0..design.rows() {
                        for (tree, counts) in model.trees.iter().zip(&mut target.trees) {
                            count(tree, design.row(row), counts);
                        }
                    }
                }
                MarginModel::Linear(model) => {
                    for (mean, term) in target.means.iter_mut().zip(&model.terms) {
                        let values = (0..design.rows()).map(|row| term.standardise(design.row(row)[term.column]));
                        *mean = (*mean * before + values.sum::<f64>()) / after;
                    }
                }
                MarginModel::Graph(_) => {}
            }
        }
    }

    /// Notes the counts in the heads as their covers and means.
    ///
    /// # Errors
    /// [`GraphError::Malformed`] when they are not of these heads.
    pub fn apply(&self, heads: &mut [Head]) -> Result<(), GraphError> {
        if self.format != BACKGROUND_FORMAT || self.rows == 0 {
            return Err(error(format!("format {BACKGROUND_FORMAT} and rows"), self.format));
        }
        if self.targets.len() != heads.len() {
            return Err(error(format!("{} targets", heads.len()), self.targets.len()));
        }
        for (target, head) in self.targets.iter().zip(heads) {
            if target.target != head.target {
                return Err(error(&head.target, &target.target));
            }
            match &mut head.margin {
                MarginModel::Trees(model) => {
                    if model.trees.len() != target.trees.len() {
                        return Err(error(format!("{} trees", model.trees.len()), target.trees.len()));
                    }
                    // A float counts exactly up to 2^24; above, only the shares matter.
                    let scale = (f64::from(MAX_COVER) / self.rows as f64).min(1.0);
                    for (tree, counts) in model.trees.iter_mut().zip(&target.trees) {
                        set_covers(tree, counts, self.rows, scale)?;
                    }
                }
                MarginModel::Linear(model) => {
                    if model.terms.len() != target.means.len() || target.means.iter().any(|mean| !mean.is_finite()) {
                        return Err(error(format!("{} means", model.terms.len()), target.means.len()));
                    }
                    for (term, mean) in model.terms.iter_mut().zip(&target.means) {
                        term.mean = *mean;
                    }
                }
                MarginModel::Graph(_) => {}
            }
        }
        Ok(())
    }
}

/// Counts the nodes that a row comes by.
fn count(tree: &Tree, row: &[f32], counts: &mut [u64]) {
    let mut at = 0;
    while let (Some(node), Some(count)) = (tree.nodes.get(at), counts.get_mut(at)) {
        *count += 1;
        let Node::Split { column, threshold, missing_left, left, right, .. } = node else { return };
        let value = row.get(*column as usize).copied().unwrap_or(f32::NAN);
        let goes_left = if value.is_nan() { *missing_left } else { value <= *threshold };
        at = if goes_left { *left } else { *right } as usize;
    }
}

fn set_covers(tree: &mut Tree, counts: &[u64], rows: u64, scale: f64) -> Result<(), GraphError> {
    if counts.len() != tree.nodes.len() || counts.first() != Some(&rows) {
        return Err(error(format!("{} nodes, {rows} rows at the root", tree.nodes.len()), counts.len()));
    }
    for (at, node) in tree.nodes.iter_mut().enumerate() {
        if let Node::Split { left, right, .. } = node {
            let of = |child: u32| counts.get(child as usize).copied().unwrap_or(0);
            if of(*left).checked_add(of(*right)) != Some(counts[at]) {
                return Err(error("counts that add up", format!("node {at}")));
            }
        }
        let (Node::Split { cover, .. } | Node::Leaf { cover, .. }) = node;
        *cover = (counts[at] as f64 * scale) as f32;
    }
    Ok(())
}
