//! The native scorer: the one predictor that the trainer evaluates with and that the nightly job runs.
//!
//! Trees are compiled into flat arrays whose leaves point at themselves, and eight rows walk a tree together: there is
//! no branch to mispredict and eight loads are in flight. Each row still adds its leaves in tree order, in 64-bit
//! floats, so the result is that of the plain walk, bit for bit. Scoring is single-threaded; a caller splits rows over
//! threads, and the split cannot change a result.

use crate::ensemble::Node;
use crate::graph::GraphModel;
use crate::{
    Calibration, DesignBlock, FeatureBlock, Head, LinearModel, MarginModel, ModelError, Signature, TreeEnsemble,
};

/// What one head says about each row, all of one length and in row order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeadScores {
    /// Raw score.
    pub margin: Vec<f64>,
    /// Calibrated probability, in [0, 1].
    pub probability: Vec<f64>,
    /// Lower end of its calibration uncertainty, at most `probability`.
    pub low: Vec<f64>,
    /// Upper end, at least `probability`.
    pub high: Vec<f64>,
}

/// A head made ready to run.
#[derive(Debug, Clone)]
pub struct Scorer {
    signature: Signature,
    width: usize,
    margin: CompiledMargin,
    calibration: Calibration,
}

#[derive(Debug, Clone)]
enum CompiledMargin {
    Linear(LinearModel),
    Trees(CompiledTrees),
    Graph(GraphModel),
}

/// Rows that walk a tree together.
const LANES: usize = 8;

/// Rows whose values stay in the cache while all trees pass over them.
const TILE_ROWS: usize = 64;

impl Scorer {
    /// Checks the head and compiles it.
    ///
    /// # Errors
    /// [`ModelError`] when the head breaks a rule or does not fit the signature.
    pub fn new(signature: &Signature, head: &Head) -> Result<Self, ModelError> {
        head.validate(signature)?;
        let margin = match &head.margin {
            MarginModel::Linear(model) => CompiledMargin::Linear(model.clone()),
            MarginModel::Trees(model) => CompiledMargin::Trees(CompiledTrees::new(model)),
            MarginModel::Graph(model) => CompiledMargin::Graph(model.clone()),
        };
        let (signature, calibration) = (signature.clone(), head.calibration.clone());
        Ok(Self { width: signature.design_width(), signature, margin, calibration })
    }

    /// Scores a block of rows.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the block does not fit the signature.
    pub fn score(&self, block: &FeatureBlock) -> Result<HeadScores, ModelError> {
        self.score_design(&DesignBlock::new(&self.signature, block)?)
    }

    /// Scores rows whose design is already built, as it is when several heads share it.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the design has another number of columns.
    pub fn score_design(&self, design: &DesignBlock) -> Result<HeadScores, ModelError> {
        let margin = self.margins(design)?;
        let mut scores = HeadScores {
            probability: Vec::with_capacity(margin.len()),
            low: Vec::with_capacity(margin.len()),
            high: Vec::with_capacity(margin.len()),
            margin: Vec::new(),
        };
        for value in &margin {
            let calibrated = self.calibration.evaluate(*value);
            scores.probability.push(calibrated.probability);
            scores.low.push(calibrated.low);
            scores.high.push(calibrated.high);
        }
        Ok(HeadScores { margin, ..scores })
    }

    /// Raw scores only.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the design has another number of columns.
    pub fn margins(&self, design: &DesignBlock) -> Result<Vec<f64>, ModelError> {
        if design.width() != self.width {
            return Err(ModelError::Block {
                column: "design".to_owned(),
                expected: format!("{} columns", self.width),
                found: design.width().to_string(),
            });
        }
        Ok(match &self.margin {
            CompiledMargin::Linear(model) => {
                design.values().chunks_exact(self.width).map(|row| model.margin(row)).collect()
            }
            CompiledMargin::Trees(trees) => trees.margins(design.values(), self.width),
            CompiledMargin::Graph(graph) => graph.margins(design.values())?,
        })
    }
}

/// Margins of a model that has no calibration yet, as learners and calibrators need them: the same code as [`Scorer`].
///
/// # Errors
/// [`ModelError`] when model or block do not fit the signature.
pub fn margins(signature: &Signature, model: &MarginModel, block: &FeatureBlock) -> Result<Vec<f64>, ModelError> {
    let any = crate::PiecewiseLinear::constant(0.5);
    let calibration = Calibration { point: crate::Curve::PiecewiseLinear(any.clone()), low: any.clone(), high: any };
    let head = Head { target: "margin".to_owned(), margin: model.clone(), calibration };
    Scorer::new(signature, &head)?.margins(&DesignBlock::new(signature, block)?)
}

/// Marks, in [`FlatNode::column`], a split that sends missing values left.
const MISSING_LEFT: u32 = 1 << 31;

/// 16 bytes. A leaf has itself as both children.
#[derive(Debug, Clone, Copy)]
struct FlatNode {
    threshold: f32,
    column: u32,
    left: u32,
    right: u32,
}

#[derive(Debug, Clone)]
struct CompiledTrees {
    nodes: Vec<FlatNode>,
    leaves: Vec<f32>,
    /// Root of each tree and its depth.
    roots: Vec<(u32, u32)>,
    base: f64,
    fill: Option<Vec<f32>>,
}

impl CompiledTrees {
    fn new(model: &TreeEnsemble) -> Self {
        let mut compiled = Self {
            nodes: Vec::new(),
            leaves: Vec::new(),
            roots: Vec::with_capacity(model.trees.len()),
            base: f64::from(model.base),
            fill: model.fill.clone(),
        };
        for tree in &model.trees {
            // `validate` holds nodes below 2^24 and columns below 2^17, so neither conversion nor addition can
            // overflow.
            let root = compiled.nodes.len() as u32;
            compiled.roots.push((root, tree.depth() as u32));
            for (index, node) in tree.nodes.iter().enumerate() {
                let here = root + index as u32;
                let (flat, leaf) = match node {
                    Node::Leaf { value, .. } => {
                        (FlatNode { threshold: 0.0, column: 0, left: here, right: here }, *value)
                    }
                    Node::Split { column, threshold, missing_left, left, right, .. } => {
                        let column = column | if *missing_left { MISSING_LEFT } else { 0 };
                        (FlatNode { threshold: *threshold, column, left: root + left, right: root + right }, 0.0)
                    }
                };
                compiled.nodes.push(flat);
                compiled.leaves.push(leaf);
            }
        }
        compiled
    }

    fn margins(&self, values: &[f32], width: usize) -> Vec<f64> {
        let mut sums = vec![self.base; values.len() / width];
        let mut filled = Vec::new();
        for (tile, sums) in values.chunks(TILE_ROWS * width).zip(sums.chunks_mut(TILE_ROWS)) {
            let tile = match &self.fill {
                None => tile,
                Some(fill) => {
                    filled.clear();
                    let columns = fill.iter().cycle();
                    filled.extend(
                        tile.iter().zip(columns).map(|(value, fill)| if value.is_nan() { fill } else { value }),
                    );
                    &filled
                }
            };
            for (root, depth) in &self.roots {
                for (rows, sums) in tile.chunks(LANES * width).zip(sums.chunks_mut(LANES)) {
                    self.add_tree(*root, *depth, rows, width, sums);
                }
            }
        }
        sums
    }

    /// Adds one tree's leaf to each of at most [`LANES`] rows.
    fn add_tree(&self, root: u32, depth: u32, rows: &[f32], width: usize, sums: &mut [f64]) {
        let mut at = [root; LANES];
        let at = &mut at[..sums.len()];
        for _ in 0..depth {
            let mut moved = false;
            for (position, row) in at.iter_mut().zip(rows.chunks_exact(width)) {
                let node = self.nodes[*position as usize];
                let value = row[(node.column & !MISSING_LEFT) as usize];
                let goes_left = (value <= node.threshold) | (value.is_nan() & (node.column & MISSING_LEFT != 0));
                let next = if goes_left { node.left } else { node.right };
                moved |= next != *position;
                *position = next;
            }
            if !moved {
                break;
            }
        }
        for (sum, position) in sums.iter_mut().zip(at) {
            *sum += f64::from(self.leaves[*position as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{random_block, random_heads, random_signature};

    #[test]
    fn the_fast_scorer_is_the_plain_walk_bit_for_bit() {
        for seed in 0..12 {
            let signature = random_signature(seed);
            let block = random_block(&signature, 77, seed);
            let design = DesignBlock::new(&signature, &block).expect("expands");
            for head in random_heads(&signature, seed) {
                let scores = Scorer::new(&signature, &head).expect("valid").score(&block).expect("scores");
                for row in 0..block.rows {
                    let margin = head.margin.margin(design.row(row));
                    let expected = head.calibration.evaluate(margin);
                    assert_eq!(scores.margin[row].to_bits(), margin.to_bits(), "{} row {row}", head.target);
                    assert_eq!(scores.probability[row], expected.probability);
                    assert!(scores.low[row] <= expected.probability && expected.probability <= scores.high[row]);
                }
                let alone = margins(&signature, &head.margin, &block).expect("scores");
                assert_eq!(alone, scores.margin);
            }
        }
    }

    #[test]
    fn a_design_of_another_signature_is_refused() {
        let signature = random_signature(1);
        let head = random_heads(&signature, 1).remove(0);
        let other = Signature { inputs: vec![crate::testing::numeric("only")] };
        let design = DesignBlock::new(&other, &random_block(&other, 3, 1)).expect("expands");
        let error = Scorer::new(&signature, &head).expect("valid").score_design(&design).expect_err("refused");
        assert!(matches!(error, ModelError::Block { .. }));
    }
}
