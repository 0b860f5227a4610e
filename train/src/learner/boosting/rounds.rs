//! The rounds of boosting: derivatives, a tree, new margins; and when to stop.

use rayon::prelude::*;

use super::bins::Feature;
use super::grow::{Grower, GrownNode, GrownTree};
use super::histogram::{Scales, Sums};
use super::parameters::BoostingParameters;
use super::split::Rules;
use crate::learner::TrainingRows;
use crate::learner::rows::account_lot;

/// Rows of one unit of parallel work; sums are taken per unit and added in order.
const CHUNK: usize = 4_096;

/// One run of boosting.
pub(super) struct Run<'a> {
    pub(super) rows: &'a TrainingRows<'a>,
    pub(super) features: &'a [Feature],
    pub(super) parameters: &'a BoostingParameters,
    /// Log-odds that the margins start from.
    pub(super) base: f32,
}

impl Run<'_> {
    /// The number of rounds with the lowest log loss on `judge` when fitted on `fit`; at least 1.
    pub(super) fn best_rounds(&self, fit: &[u32], judge: &[u32]) -> usize {
        let mut margins = vec![self.base; judge.len()];
        let (mut best_loss, mut best_rounds) = (f64::INFINITY, 1);
        self.boost(fit, self.parameters.max_rounds, |round, tree| {
            let add = |(margin, row): (&mut f32, &u32)| *margin += self.value_of(tree, *row);
            margins.par_iter_mut().zip(judge).with_min_len(CHUNK).for_each(add);
            let loss = self.loss(&margins, judge);
            if loss < best_loss {
                (best_loss, best_rounds) = (loss, round);
            }
            round < best_rounds + self.parameters.patience
        });
        best_rounds
    }

    /// The trees of `rounds` rounds fitted on `fit`, with the rows of `fit` counted on their nodes.
    pub(super) fn trees(&self, fit: &[u32], rounds: usize) -> Vec<GrownTree> {
        let mut trees = Vec::with_capacity(rounds);
        self.boost(fit, rounds, |_, tree| {
            trees.push(tree.clone());
            true
        });
        trees
    }

    /// Boosts until `rounds` are done or `go_on(rounds so far, newest tree)` says no.
    fn boost(&self, fit: &[u32], rounds: usize, mut go_on: impl FnMut(usize, &GrownTree) -> bool) {
        let scales = Scales::new(fit.iter().map(|&row| self.rows.weights[row as usize]));
        let parameters = self.parameters;
        let rules = Rules {
            l2: parameters.l2,
            min_rows: parameters.min_rows_per_leaf,
            min_hessian: parameters.min_hessian_per_leaf,
            monotone: parameters.monotone,
            scales,
        };
        let mut grower = Grower::new(self.features, rules, parameters.max_leaves, parameters.rate);
        let mut margins = vec![self.base; self.rows.block.rows];
        let mut derivatives = vec![Sums::default(); self.rows.block.rows];
        for round in 0..rounds {
            self.differentiate(&margins, scales, &mut derivatives);
            let (mut drawn, rest) = self.draw_rows(fit, round);
            let chosen = self.draw_features(round);
            let mut tree = grower.grow(&mut drawn, &derivatives, &chosen, |value, rows| {
                for &row in rows {
                    margins[row as usize] += value;
                }
            });
            self.land(&mut tree, &rest, &mut margins);
            if !go_on(round + 1, &tree) {
                return;
            }
        }
    }

    /// First and second derivative of every row's weighted log loss.
    fn differentiate(&self, margins: &[f32], scales: Scales, derivatives: &mut [Sums]) {
        let work = |(row, derivative): (usize, &mut Sums)| {
            let p = 1.0 / (1.0 + (-f64::from(margins[row])).exp());
            let weight = self.rows.weights[row];
            let residual = p - f64::from(u8::from(self.rows.labels[row]));
            *derivative = scales.of_row(weight * residual, weight * p * (1.0 - p));
        };
        derivatives.par_iter_mut().enumerate().with_min_len(CHUNK).for_each(work);
    }

    /// The rows that a tree is grown on, and the others; both ascending.
    fn draw_rows(&self, fit: &[u32], round: usize) -> (Vec<u32>, Vec<u32>) {
        let share = self.parameters.account_share;
        if share >= 1.0 {
            return (fit.to_vec(), Vec::new());
        }
        let seed = self.rows.seed ^ ((round as u64 + 1) << 32);
        let (drawn, rest): (Vec<u32>, Vec<u32>) =
            fit.iter().partition(|row| account_lot(seed, self.rows.accounts[**row as usize]) < share);
        if drawn.is_empty() { (rest, drawn) } else { (drawn, rest) }
    }

    /// The features that a tree may use: those with the lowest lots of the round.
    fn draw_features(&self, round: usize) -> Vec<usize> {
        let count = (self.parameters.column_share * self.features.len() as f64).ceil() as usize;
        let seed = self.rows.seed ^ 0xC01A ^ ((round as u64 + 1) << 32);
        let mut lots: Vec<(f64, usize)> =
            (0..self.features.len()).map(|feature| (account_lot(seed, feature as u32), feature)).collect();
        lots.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        lots.truncate(count);
        let mut chosen: Vec<usize> = lots.into_iter().map(|(_, feature)| feature).collect();
        chosen.sort_unstable();
        chosen
    }

    /// Sends rows that a tree was not grown on through it: they get its value and are counted on its nodes.
    fn land(&self, tree: &mut GrownTree, rest: &[u32], margins: &mut [f32]) {
        let leaves: Vec<usize> =
            rest.par_iter().with_min_len(CHUNK).map(|&row| tree.leaf_of(self.features, row as usize)).collect();
        let mut landed = vec![0; tree.nodes.len()];
        for (&row, &leaf) in rest.iter().zip(&leaves) {
            landed[leaf] += 1;
            if let GrownNode::Leaf(value) = tree.nodes[leaf] {
                margins[row as usize] += value;
            }
        }
        for node in (0..tree.nodes.len()).rev() {
            if let GrownNode::Split { left, .. } = tree.nodes[node] {
                landed[node] = landed[left] + landed[left + 1];
            }
            tree.covers[node] += landed[node];
        }
    }

    fn value_of(&self, tree: &GrownTree, row: u32) -> f32 {
        match tree.nodes[tree.leaf_of(self.features, row as usize)] {
            GrownNode::Leaf(value) => value,
            GrownNode::Split { .. } => 0.0,
        }
    }

    /// Weighted sum of the log loss over `judge`.
    fn loss(&self, margins: &[f32], judge: &[u32]) -> f64 {
        let of_chunk = |(margins, rows): (&[f32], &[u32])| {
            let losses = margins.iter().zip(rows).map(|(&margin, &row)| {
                let row = row as usize;
                let signed = if self.rows.labels[row] { -f64::from(margin) } else { f64::from(margin) };
                self.rows.weights[row] * (signed.max(0.0) + (-signed.abs()).exp().ln_1p())
            });
            losses.sum::<f64>()
        };
        let sums: Vec<f64> = margins.par_chunks(CHUNK).zip(judge.par_chunks(CHUNK)).map(of_chunk).collect();
        sums.iter().sum()
    }
}
