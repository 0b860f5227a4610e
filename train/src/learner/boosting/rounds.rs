//! The rounds of boosting: derivatives, a tree, new margins.

use rayon::prelude::*;

use super::bins::Feature;
use super::grow::{Grower, GrownNode, GrownTree};
use super::histogram::{Scales, Sums};
use super::parameters::BoostingParameters;
use super::split::Rules;
use super::start::Start;
use crate::learner::TrainingRows;
use crate::learner::rows::account_lot;

/// Rows of one unit of parallel work; sums are taken per unit and added in order.
const CHUNK: usize = 4_096;

/// What every fit of one model shares.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) rows: &'a TrainingRows<'a>,
    pub(super) features: &'a [Feature],
    pub(super) parameters: &'a BoostingParameters,
}

impl<'a> Run<'a> {
    /// A fit on `fit` (ascending) that starts from `base`, or from a line where there is one. Fits of different `bag`s draw
    /// different accounts and columns.
    pub(super) fn booster(self, fit: &[u32], base: f32, start: Option<&Start>, bag: u64) -> Booster<'a> {
        let parameters = self.parameters;
        let scales = Scales::new(fit.iter().map(|&row| self.rows.weights[row as usize]));
        let rules = Rules {
            l2: parameters.l2,
            min_rows: parameters.min_rows_per_leaf,
            min_hessian: parameters.min_hessian_per_leaf,
            monotone: parameters.monotone,
            scales,
        };
        let mut margins = vec![base; self.rows.block.rows];
        if let Some(start) = start {
            let told = |row: &u32| start.margin(self.features, *row);
            let values: Vec<f32> = fit.par_iter().with_min_len(CHUNK).map(told).collect();
            for (row, value) in fit.iter().zip(values) {
                margins[*row as usize] = value;
            }
        }
        Booster {
            run: self,
            fit: fit.to_vec(),
            scales,
            grower: Grower::new(self.features, rules, parameters.max_leaves, parameters.rate),
            derivatives: vec![Sums::default(); self.rows.block.rows],
            margins,
            round: 0,
            seed: self.rows.seed ^ bag.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    /// The value that a tree gives to a row.
    pub(super) fn value_of(self, tree: &GrownTree, row: u32) -> f32 {
        match tree.nodes[tree.leaf_of(self.features, row as usize)] {
            GrownNode::Leaf(value) => value,
            GrownNode::Split { .. } => 0.0,
        }
    }

    /// Adds a tree to the margins of some rows.
    pub(super) fn add(self, tree: &GrownTree, rows: &[u32], margins: &mut [f32]) {
        let add = |(margin, row): (&mut f32, &u32)| *margin += self.value_of(tree, *row);
        margins.par_iter_mut().zip(rows).with_min_len(CHUNK).for_each(add);
    }

    /// Weighted sum of the log loss of some rows.
    pub(super) fn loss(self, margins: &[f32], rows: &[u32]) -> f64 {
        let of_chunk = |(margins, rows): (&[f32], &[u32])| {
            let losses = margins.iter().zip(rows).map(|(&margin, &row)| {
                let row = row as usize;
                let signed = if self.rows.labels[row] { -f64::from(margin) } else { f64::from(margin) };
                self.rows.weights[row] * (signed.max(0.0) + (-signed.abs()).exp().ln_1p())
            });
            losses.sum::<f64>()
        };
        let sums: Vec<f64> = margins.par_chunks(CHUNK).zip(rows.par_chunks(CHUNK)).map(of_chunk).collect();
        sums.iter().sum()
    }
}

/// One fit, round after round.
pub(super) struct Booster<'a> {
    run: Run<'a>,
    fit: Vec<u32>,
    scales: Scales,
    grower: Grower<'a>,
    margins: Vec<f32>,
    derivatives: Vec<Sums>,
    round: usize,
    seed: u64,
}

impl Booster<'_> {
    /// The tree of the next round, with the rows of the fit counted on its nodes.
    pub(super) fn step(&mut self) -> GrownTree {
        self.differentiate();
        let (mut drawn, rest) = self.draw_rows();
        let chosen = self.draw_features();
        let margins = &mut self.margins;
        let mut tree = self.grower.grow(&mut drawn, &self.derivatives, &chosen, |value, rows| {
            for &row in rows {
                margins[row as usize] += value;
            }
        });
        self.land(&mut tree, &rest);
        self.round += 1;
        tree
    }

    /// First and second derivative of every row's weighted log loss.
    fn differentiate(&mut self) {
        let (rows, scales, margins) = (self.run.rows, self.scales, &self.margins);
        let work = |(row, derivative): (usize, &mut Sums)| {
            let p = 1.0 / (1.0 + (-f64::from(margins[row])).exp());
            let weight = rows.weights[row];
            let residual = p - f64::from(u8::from(rows.labels[row]));
            *derivative = scales.of_row(weight * residual, weight * p * (1.0 - p));
        };
        self.derivatives.par_iter_mut().enumerate().with_min_len(CHUNK).for_each(work);
    }

    /// The rows that a tree is grown on, and the others; both ascending.
    fn draw_rows(&self) -> (Vec<u32>, Vec<u32>) {
        let share = self.run.parameters.account_share;
        if share >= 1.0 {
            return (self.fit.clone(), Vec::new());
        }
        let seed = self.seed ^ ((self.round as u64 + 1) << 32);
        let (drawn, rest): (Vec<u32>, Vec<u32>) =
            self.fit.iter().partition(|row| account_lot(seed, self.run.rows.accounts[**row as usize]) < share);
        if drawn.is_empty() { (rest, drawn) } else { (drawn, rest) }
    }

    /// The features that a tree may use: those with the lowest lots of the round.
    fn draw_features(&self) -> Vec<usize> {
        let features = self.run.features.len();
        let count = (self.run.parameters.column_share * features as f64).ceil() as usize;
        let seed = self.seed ^ 0xC01A ^ ((self.round as u64 + 1) << 32);
        let mut lots: Vec<(f64, usize)> =
            (0..features).map(|feature| (account_lot(seed, feature as u32), feature)).collect();
        lots.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        lots.truncate(count);
        let mut chosen: Vec<usize> = lots.into_iter().map(|(_, feature)| feature).collect();
        chosen.sort_unstable();
        chosen
    }

    /// Sends rows that a tree was not grown on through it: they get its value and are counted on its nodes.
    fn land(&mut self, tree: &mut GrownTree, rest: &[u32]) {
        let features = self.run.features;
        let leaves: Vec<usize> =
            rest.par_iter().with_min_len(CHUNK).map(|&row| tree.leaf_of(features, row as usize)).collect();
        let mut landed = vec![0; tree.nodes.len()];
        for (&row, &leaf) in rest.iter().zip(&leaves) {
            landed[leaf] += 1;
            if let GrownNode::Leaf(value) = tree.nodes[leaf] {
                self.margins[row as usize] += value;
            }
        }
        for node in (0..tree.nodes.len()).rev() {
            if let GrownNode::Split { left, .. } = tree.nodes[node] {
                landed[node] = landed[left] + landed[left + 1];
            }
            tree.covers[node] += landed[node];
        }
    }
}
