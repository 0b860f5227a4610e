//! Why a probability is what it is: exact contributions per input, and the sentences made of them.
//!
//! The margin is explained exactly: Shapley values for trees (see the `treeshap` module for the game that is played),
//! and `weight * (standardised value - its training mean)` for linear models. Where a model fills missing values, the
//! filled value is what is explained. Calibration is monotone, so the way from the base probability to the account's is
//! shared out in proportion to the contributions to the margin:
//!
//! `effect_i = phi_i * (p - p0) / (m - m0)`, with the calibrator's slope where `m = m0`.
//!
//! Effects add up to `p - p0`, and contributions to `m - m0`.

mod lanes;
mod text;
mod theme;
mod treeshap;
#[cfg(test)]
mod twin;

pub use text::{FIXED, NOT_KNOWN, Reason, SignalBook, sentence, top_reasons, write_value};

use crate::{Calibration, DesignBlock, Head, LinearModel, MarginModel, ModelError, Signature};
use lanes::{BLOCK_ROWS, Block};
use treeshap::ShapleyTrees;

/// Below this distance of margins the calibrator's slope stands for the quotient: the quotient would be noise.
const SAME_MARGIN: f64 = 1e-10;

/// One row, explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Margin of the training base: what is expected before anything is known.
    pub base_margin: f64,
    /// Margin of the row.
    pub margin: f64,
    /// Probability at the base margin.
    pub base_probability: f64,
    /// Probability of the row.
    pub probability: f64,
    /// Contribution to the margin of each input, in signature order; they add up to `margin - base_margin`.
    pub contributions: Vec<f64>,
    /// Points of probability of each input, as a fraction, in signature order; they add up to
    /// `probability - base_probability`.
    pub effects: Vec<f64>,
}

/// A head made ready to explain rows. It is `Sync`: callers split rows over threads.
#[derive(Debug, Clone)]
pub struct Explainer {
    /// Input of each design column.
    input_of_column: Vec<usize>,
    inputs: usize,
    margin: ExplainedMargin,
    calibration: Calibration,
    base_margin: f64,
    base_probability: f64,
}

#[derive(Debug, Clone)]
enum ExplainedMargin {
    Linear(LinearModel),
    Trees(ShapleyTrees),
}

impl Explainer {
    /// Checks the head and lays it out.
    ///
    /// # Errors
    /// [`ModelError`] when the head breaks a rule or does not fit the signature.
    pub fn new(signature: &Signature, head: &Head) -> Result<Self, ModelError> {
        head.validate(signature)?;
        let (margin, base_margin) = match &head.margin {
            MarginModel::Linear(model) => {
                let base = model.terms.iter().map(|term| term.weight * term.mean).sum::<f64>() + model.intercept;
                (ExplainedMargin::Linear(model.clone()), base)
            }
            MarginModel::Trees(model) => {
                let trees = ShapleyTrees::new(model);
                let base = trees.base_margin;
                (ExplainedMargin::Trees(trees), base)
            }
            MarginModel::Graph(_) => {
                return Err(ModelError::Margin {
                    place: format!("reasons for {}", head.target),
                    expected: "trees or a linear model",
                    found: "a graph of another form".to_owned(),
                });
            }
        };
        Ok(Self {
            input_of_column: signature.design_columns().iter().map(|column| column.input).collect(),
            inputs: signature.inputs.len(),
            margin,
            base_probability: head.calibration.point.evaluate(base_margin),
            calibration: head.calibration.clone(),
            base_margin,
        })
    }

    /// The probability at the expected margin: what is expected before anything is known.
    #[must_use]
    pub fn base_probability(&self) -> f64 {
        self.base_probability
    }

    /// Explains one row of a design. [`Self::explain_rows`] takes less time per row, being made for several, and gives the same
    /// bits.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the row does not exist or the design is of another signature.
    pub fn explain(&self, design: &DesignBlock, row: usize) -> Result<Explanation, ModelError> {
        let mut explained = None;
        self.explain_each(design, &[row], |_, explanation| explained = Some(explanation))?;
        explained.ok_or_else(|| self.misfit(design, row))
    }

    /// Explains some rows of a design, in the order given. A row's explanation is the same bits whatever rows are
    /// explained with it.
    ///
    /// # Errors
    /// [`ModelError::Block`] when a row does not exist or the design is of another signature.
    pub fn explain_rows(&self, design: &DesignBlock, rows: &[usize]) -> Result<Vec<Explanation>, ModelError> {
        let mut explanations = Vec::with_capacity(rows.len());
        self.explain_each(design, rows, |_, explanation| explanations.push(explanation))?;
        Ok(explanations)
    }

    /// Explains some rows of a design and hands each to `take` with its row number, in the order given, so that not all
    /// explanations are held at once.
    ///
    /// # Errors
    /// [`ModelError::Block`] when a row does not exist or the design is of another signature; rows before it may have
    /// been handed over.
    pub fn explain_each(
        &self,
        design: &DesignBlock,
        rows: &[usize],
        mut take: impl FnMut(usize, Explanation),
    ) -> Result<(), ModelError> {
        let width = self.input_of_column.len();
        if let Some(row) = rows.iter().find(|row| **row >= design.rows() || design.width() != width) {
            return Err(self.misfit(design, *row));
        }
        match &self.margin {
            ExplainedMargin::Trees(trees) => {
                let mut block = Block::new(width);
                for rows in rows.chunks(BLOCK_ROWS) {
                    block.load(rows.iter().map(|row| design.row(*row)));
                    trees.explain(&mut block);
                    for (at, row) in rows.iter().enumerate() {
                        take(*row, self.explanation((0..width).map(|column| block.contribution(column, at))));
                    }
                }
            }
            ExplainedMargin::Linear(model) => {
                let mut by_column = vec![0.0; width];
                for row in rows {
                    let values = design.row(*row);
                    by_column.fill(0.0);
                    for term in &model.terms {
                        by_column[term.column] += term.weight * (term.standardise(values[term.column]) - term.mean);
                    }
                    take(*row, self.explanation(by_column.iter().copied()));
                }
            }
        }
        Ok(())
    }

    fn misfit(&self, design: &DesignBlock, row: usize) -> ModelError {
        ModelError::Block {
            column: format!("design, row {row} of {}", design.rows()),
            expected: format!("{} columns", self.input_of_column.len()),
            found: if row < design.rows() { design.width().to_string() } else { "no such row".to_owned() },
        }
    }

    /// Shares out the way from the base probability to the row's.
    fn explanation(&self, by_column: impl Iterator<Item = f64>) -> Explanation {
        let mut contributions = vec![0.0; self.inputs];
        for (input, contribution) in self.input_of_column.iter().zip(by_column) {
            contributions[*input] += contribution;
        }
        let margin = self.base_margin + contributions.iter().sum::<f64>();
        let probability = self.calibration.point.evaluate(margin);
        let distance = margin - self.base_margin;
        let slope = if distance.abs() < SAME_MARGIN {
            self.calibration.point.derivative(self.base_margin)
        } else {
            (probability - self.base_probability) / distance
        };
        Explanation {
            base_margin: self.base_margin,
            margin,
            base_probability: self.base_probability,
            probability,
            effects: contributions.iter().map(|contribution| contribution * slope).collect(),
            contributions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scorer;
    use crate::testing::{random_block, random_heads, random_signature};

    #[test]
    fn contributions_and_effects_add_up() {
        for seed in 0..10 {
            let signature = random_signature(seed);
            let block = random_block(&signature, 20, seed);
            let design = DesignBlock::new(&signature, &block).expect("expands");
            for head in random_heads(&signature, seed) {
                let scores = Scorer::new(&signature, &head).expect("valid").score(&block).expect("scores");
                let explainer = Explainer::new(&signature, &head).expect("valid");
                for row in 0..block.rows {
                    let explained = explainer.explain(&design, row).expect("explains");
                    let found = explained.base_margin + explained.contributions.iter().sum::<f64>();
                    assert!((found - scores.margin[row]).abs() < 1e-9, "{} row {row}", head.target);
                    let effects: f64 = explained.effects.iter().sum();
                    let way = scores.probability[row] - explained.base_probability;
                    assert!((effects - way).abs() < 1e-9, "{} row {row}: {effects} against {way}", head.target);
                    assert_eq!(explained.contributions.len(), signature.inputs.len());
                }
                let rows: Vec<usize> = (0..block.rows).rev().collect();
                let together = explainer.explain_rows(&design, &rows).expect("explains");
                for (row, explained) in rows.iter().zip(together) {
                    assert_eq!(explained, explainer.explain(&design, *row).expect("explains"));
                }
            }
        }
    }

    #[test]
    fn a_base_rate_has_no_reasons() {
        let signature = random_signature(3);
        let head = random_heads(&signature, 3).remove(0);
        let explainer = Explainer::new(&signature, &head).expect("valid");
        let design = DesignBlock::new(&signature, &random_block(&signature, 1, 3)).expect("expands");
        let explained = explainer.explain(&design, 0).expect("explains");
        assert!(explained.effects.iter().all(|effect| *effect == 0.0));
        assert_eq!(explained.probability, explained.base_probability);
        assert!(explainer.explain(&design, 1).is_err());
    }
}
