//! Gradient boosting of our own: log loss, second order, histograms, leaf by leaf.
//!
//! Why our own: the trainer needs exact row counts on the nodes, rows drawn by account, monotone constraints from the
//! signals' expected directions, and the same bytes at any number of threads; and a C++ library would need a C++ toolchain.
//! LightGBM (Ke et al. 2017) is the yardstick.
//!
//! 1. [`bins`]: columns become bins, once for both passes.
//! 2. [`rounds`]: a first pass fits the earlier rows and watches the log loss of the latest ones, `stopping_gap_days` later;
//!    where it was lowest is the number of rounds. A second pass fits that many rounds on **all** rows.
//! 3. [`grow`]: a tree is grown by the leaf whose split gains most ([`split`]), over sums of derivatives ([`histogram`]).
//!
//! The margin starts at the log-odds of the weighted base rate and every tree adds one leaf, multiplied by the rate. Missing
//! numbers go where they lower the loss most; where a node saw none, with the greater part. A category is split one
//! level against the rest. Determinism: derivatives are summed as integers, draws depend on (seed, round, account) and on
//! nothing else.

mod bins;
mod grow;
mod histogram;
mod parameters;
mod rounds;
mod split;

use bellwether_models::{MarginModel, Node, Tree, TreeEnsemble};

pub use self::parameters::BoostingParameters;

use self::bins::{Feature, Source};
use self::grow::{GrownNode, GrownTree};
use self::rounds::Run;
use self::split::Cut;
use super::rows::{check_rows, later_slice, log_odds_of_base_rate, rows_of_some_accounts};
use super::{LearnError, Learner, TrainingRows};

const NAME: &str = "boosting";

/// Rows of each class that the choice of the number of rounds needs on both sides.
const LEAST_OF_EACH_CLASS: usize = 25;

/// Gradient boosting with checked parameters; [`BoostingParameters::check`] makes it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Boosting {
    parameters: BoostingParameters,
}

impl Learner for Boosting {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fit(&self, rows: &TrainingRows<'_>) -> Result<MarginModel, LearnError> {
        check_rows(NAME, rows, 1)?;
        let parameters = &self.parameters;
        let used = rows_of_some_accounts(rows, parameters.max_rows, rows.seed ^ 0xB005);
        if used.len() >= 1 << 24 {
            let cause = format!("{} rows are more than the 16,777,215 that a tree can count", used.len());
            return Err(LearnError::Failed { learner: NAME, cause });
        }
        let features = bins::features(rows, &used, parameters.max_bins);
        let base = log_odds_of_base_rate(rows.labels, rows.weights) as f32;
        let run = Run { rows, features: &features, parameters, base };
        let rounds = self.rounds(&run, &used);
        let trees = if features.is_empty() { Vec::new() } else { run.trees(&used, rounds) };
        let trees = trees.iter().map(|tree| export(tree, &features)).collect();
        Ok(MarginModel::Trees(TreeEnsemble { trees, base, fill: None }))
    }
}

impl Boosting {
    /// How many rounds: chosen on the latest rows where there are enough of them.
    fn rounds(&self, run: &Run<'_>, used: &[u32]) -> usize {
        let parameters = &self.parameters;
        let slice = (parameters.stopping_share > 0.0)
            .then(|| {
                let (share, gap) = (parameters.stopping_share, parameters.stopping_gap_days);
                later_slice(run.rows, used, share, gap, LEAST_OF_EACH_CLASS)
            })
            .flatten();
        match slice {
            Some(slice) if !run.features.is_empty() => run.best_rounds(&slice.fit, &slice.judge),
            _ => parameters.rounds_without_stopping,
        }
    }
}

/// The tree as the scorer runs it.
fn export(tree: &GrownTree, features: &[Feature]) -> Tree {
    let node = |(node, &cover): (&GrownNode, &usize)| {
        let cover = cover as f32;
        match *node {
            GrownNode::Leaf(value) => Node::Leaf { value, cover },
            GrownNode::Split { feature, cut, left, .. } => {
                let (column, threshold, missing_left) = condition(cut, &features[feature].source);
                Node::Split { column, threshold, missing_left, left: left as u32, right: left as u32 + 1, cover }
            }
        }
    };
    Tree { nodes: tree.nodes.iter().zip(&tree.covers).map(node).collect() }
}

/// Design column, threshold and missing direction of a cut. "Known against missing" has the greatest float as its
/// threshold; an indicator is never missing.
fn condition(cut: Cut, source: &Source) -> (u32, f32, bool) {
    match (cut, source) {
        (Cut::UpTo { bin, missing_left }, Source::Number { design_column, thresholds, .. }) => {
            (*design_column, thresholds.get(usize::from(bin)).copied().unwrap_or(f32::MAX), missing_left)
        }
        (Cut::AllBut { bin }, Source::Levels { first_design_column }) => {
            (first_design_column + u32::from(bin) - 1, 0.5, true)
        }
        // A cut is made from its feature's own source, so kinds never mix; a split that sends all rows left is harmless.
        (Cut::UpTo { missing_left, .. }, Source::Levels { first_design_column }) => {
            (*first_design_column, f32::MAX, missing_left)
        }
        (Cut::AllBut { .. }, Source::Number { design_column, .. }) => (*design_column, f32::MAX, true),
    }
}
