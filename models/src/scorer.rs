//! The native scorer: the one predictor that the trainer evaluates with and that the nightly job runs.
//!
//! What makes it fast is in [`crate::kernel`]. A [`HeadsScorer`] runs all heads of a bundle over the same bins, a
//! [`Scorer`] one of them. Scoring is single-threaded; a caller splits rows over threads, and the split cannot change a
//! result: each row's margin is that of the plain walk, bit for bit.

use crate::graph::GraphModel;
use crate::kernel::{BinnedEnsembles, Instructions, Values};
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

/// The heads of a bundle made ready to run together: a value is read and binned once for all of them.
#[derive(Debug, Clone)]
pub struct HeadsScorer {
    signature: Signature,
    width: usize,
    /// Where each design column is in a block.
    columns: Vec<BlockColumn>,
    trees: BinnedEnsembles,
    heads: Vec<CompiledHead>,
}

#[derive(Debug, Clone)]
struct CompiledHead {
    margin: CompiledMargin,
    calibration: Calibration,
}

#[derive(Debug, Clone)]
enum CompiledMargin {
    Linear(LinearModel),
    /// Position among the ensembles.
    Trees(usize),
    Graph(GraphModel),
}

impl HeadsScorer {
    /// Checks the heads and compiles them.
    ///
    /// # Errors
    /// [`ModelError`] when a head breaks a rule or does not fit the signature.
    pub fn new(signature: &Signature, heads: &[Head]) -> Result<Self, ModelError> {
        Self::of(signature, &heads.iter().collect::<Vec<_>>())
    }

    /// As [`HeadsScorer::new`], of some heads.
    ///
    /// # Errors
    /// [`ModelError`] when a head breaks a rule or does not fit the signature.
    pub fn of(signature: &Signature, heads: &[&Head]) -> Result<Self, ModelError> {
        signature.validate()?;
        let width = signature.design_width();
        let mut ensembles: Vec<&TreeEnsemble> = Vec::new();
        let mut compiled = Vec::with_capacity(heads.len());
        for head in heads {
            head.validate(signature)?;
            let margin = match &head.margin {
                MarginModel::Linear(model) => CompiledMargin::Linear(model.clone()),
                MarginModel::Trees(model) => {
                    ensembles.push(model);
                    CompiledMargin::Trees(ensembles.len() - 1)
                }
                MarginModel::Graph(model) => CompiledMargin::Graph(model.clone()),
            };
            compiled.push(CompiledHead { margin, calibration: head.calibration.clone() });
        }
        let trees = BinnedEnsembles::new(width, &ensembles);
        let columns = BlockColumn::of(signature);
        Ok(Self { signature: signature.clone(), width, columns, trees, heads: compiled })
    }

    /// The same with another instruction set, for measurements; as it was where this processor does not have that.
    #[must_use]
    pub fn with_instructions(self, instructions: Instructions) -> Self {
        Self { trees: self.trees.with_instructions(instructions), ..self }
    }

    /// Scores a block of rows: one entry per head, in the order in which they were given.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the block does not fit the signature.
    pub fn score(&self, block: &FeatureBlock) -> Result<Vec<HeadScores>, ModelError> {
        block.check(&self.signature)?;
        let trees_alone = self.heads.iter().all(|head| matches!(head.margin, CompiledMargin::Trees(_)));
        let design = if !trees_alone { Some(DesignBlock::new(&self.signature, block)?) } else { None };
        let margins = self.trees.margins(&BlockValues { block, columns: &self.columns });
        Ok(self.calibrated(self.of_heads(margins, design.as_ref())?))
    }

    /// Scores rows whose design is already built.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the design has another number of columns.
    pub fn score_design(&self, design: &DesignBlock) -> Result<Vec<HeadScores>, ModelError> {
        Ok(self.calibrated(self.margins(design)?))
    }

    /// Raw scores only, of each head.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the design has another number of columns.
    pub fn margins(&self, design: &DesignBlock) -> Result<Vec<Vec<f64>>, ModelError> {
        if design.width() != self.width {
            return Err(ModelError::Block {
                column: "design".to_owned(),
                expected: format!("{} columns", self.width),
                found: design.width().to_string(),
            });
        }
        self.of_heads(self.trees.margins(design), Some(design))
    }

    /// Margins by head from those by ensemble; `design` is there where a head is no ensemble.
    fn of_heads(&self, mut of_trees: Vec<Vec<f64>>, design: Option<&DesignBlock>) -> Result<Vec<Vec<f64>>, ModelError> {
        let margins = self.heads.iter().map(|head| match (&head.margin, design) {
            (CompiledMargin::Trees(position), _) => Ok(std::mem::take(&mut of_trees[*position])),
            (CompiledMargin::Linear(model), Some(design)) => {
                Ok((0..design.rows()).map(|row| model.margin(design.row(row))).collect())
            }
            (CompiledMargin::Graph(graph), Some(design)) => graph.margins(design.values()),
            (CompiledMargin::Linear(_) | CompiledMargin::Graph(_), None) => Ok(Vec::new()),
        });
        margins.collect()
    }

    fn calibrated(&self, margins: Vec<Vec<f64>>) -> Vec<HeadScores> {
        self.heads.iter().zip(margins).map(|(head, margin)| calibrated(&head.calibration, margin)).collect()
    }
}

fn calibrated(calibration: &Calibration, margin: Vec<f64>) -> HeadScores {
    let with_capacity = || Vec::with_capacity(margin.len());
    let (mut probability, mut low, mut high) = (with_capacity(), with_capacity(), with_capacity());
    for value in &margin {
        let calibrated = calibration.evaluate(*value);
        probability.push(calibrated.probability);
        low.push(calibrated.low);
        high.push(calibrated.high);
    }
    HeadScores { margin, probability, low, high }
}

/// A head made ready to run.
#[derive(Debug, Clone)]
pub struct Scorer {
    heads: HeadsScorer,
}

impl Scorer {
    /// Checks the head and compiles it.
    ///
    /// # Errors
    /// [`ModelError`] when the head breaks a rule or does not fit the signature.
    pub fn new(signature: &Signature, head: &Head) -> Result<Self, ModelError> {
        Ok(Self { heads: HeadsScorer::new(signature, std::slice::from_ref(head))? })
    }

    /// Scores a block of rows.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the block does not fit the signature.
    pub fn score(&self, block: &FeatureBlock) -> Result<HeadScores, ModelError> {
        Ok(self.heads.score(block)?.pop().unwrap_or_default())
    }

    /// Scores rows whose design is already built, as it is when several heads share it.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the design has another number of columns.
    pub fn score_design(&self, design: &DesignBlock) -> Result<HeadScores, ModelError> {
        Ok(self.heads.score_design(design)?.pop().unwrap_or_default())
    }

    /// Raw scores only.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the design has another number of columns.
    pub fn margins(&self, design: &DesignBlock) -> Result<Vec<f64>, ModelError> {
        Ok(self.heads.margins(design)?.pop().unwrap_or_default())
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

/// Where a design column is in a block.
#[derive(Debug, Clone, Copy)]
enum BlockColumn {
    /// Position among the numbers.
    Number(usize),
    /// Position among the categories, and the code that the column indicates.
    Indicator(usize, u32),
}

impl BlockColumn {
    /// Of every design column, see [`Signature::design_columns`].
    fn of(signature: &Signature) -> Vec<Self> {
        let mut columns: Vec<Self> = (0..signature.numeric_inputs().count()).map(Self::Number).collect();
        for (position, (_, _, levels)) in signature.category_inputs().enumerate() {
            columns.extend((0..=levels.len() as u32).map(|code| Self::Indicator(position, code)));
        }
        columns
    }
}

/// The design of a block that was checked, column by column and without building it.
struct BlockValues<'a> {
    block: &'a FeatureBlock,
    columns: &'a [BlockColumn],
}

impl Values for BlockValues<'_> {
    fn rows(&self) -> usize {
        self.block.rows
    }

    fn read<'a>(&'a self, column: usize, first: usize, buffer: &'a mut [f32]) -> &'a [f32] {
        match self.columns[column] {
            BlockColumn::Number(position) => &self.block.numeric[position][first..first + buffer.len()],
            BlockColumn::Indicator(position, indicated) => {
                for (value, code) in buffer.iter_mut().zip(&self.block.categories[position][first..]) {
                    *value = f32::from(u8::from(*code == indicated));
                }
                buffer
            }
        }
    }
}

impl Values for DesignBlock {
    fn rows(&self) -> usize {
        DesignBlock::rows(self)
    }

    fn read<'a>(&'a self, column: usize, first: usize, buffer: &'a mut [f32]) -> &'a [f32] {
        let rows = self.values()[first * self.width()..].chunks_exact(self.width());
        for (value, row) in buffer.iter_mut().zip(rows) {
            *value = row[column];
        }
        buffer
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
    fn heads_together_are_the_heads_one_by_one() {
        for seed in 20..26 {
            let signature = random_signature(seed);
            let block = random_block(&signature, 600, seed);
            let design = DesignBlock::new(&signature, &block).expect("expands");
            let heads = random_heads(&signature, seed);
            let together = HeadsScorer::new(&signature, &heads).expect("valid");
            let scores = together.score(&block).expect("scores");
            assert_eq!(scores, together.score_design(&design).expect("scores"));
            assert_eq!(scores.len(), heads.len());
            for (head, scores) in heads.iter().zip(scores) {
                let alone = Scorer::new(&signature, head).expect("valid").score(&block).expect("scores");
                assert_eq!(scores, alone, "{}", head.target);
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
