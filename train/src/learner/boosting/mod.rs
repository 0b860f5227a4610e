//! Gradient boosting of our own: log loss, second order, histograms, leaf by leaf.
//!
//! Why our own: the trainer needs exact row counts on the nodes, rows drawn by account, monotone constraints from the
//! signals' expected directions, and the same bytes at any number of threads; and a C++ library would need a C++ toolchain.
//! LightGBM (Ke et al. 2017) is the yardstick.
//!
//! 1. [`bins`]: columns become bins, once for both passes.
//! 2. [`choose`]: first passes fit earlier rows and watch the log loss of later ones, `stopping_gap_days` later; where it was
//!    lowest is the number of rounds. One pass starts from the base rate, one from a straight line ([`start`]); the slices
//!    say which share of the margin each has.
//! 3. [`rounds`]: then both are fitted on **all** rows, several times with other draws of accounts and columns, and averaged.
//! 4. [`grow`]: a tree is grown by the leaf whose split gains most ([`split`]), over sums of derivatives ([`histogram`]).
//!
//! The margin starts at the log-odds of the weighted base rate and every tree adds one leaf, multiplied by the rate. Missing
//! numbers go where they lower the loss most; where a node saw none, with the greater part. A category is split one
//! level against the rest. Determinism: derivatives are summed as integers, draws depend on (seed, round, account) and on
//! nothing else.

mod bins;
mod choose;
mod grow;
mod histogram;
mod parameters;
mod rounds;
mod split;
mod start;

use bellwether_models::{MarginModel, Node, Tree, TreeEnsemble};

use rayon::prelude::*;

pub use self::parameters::{BoostingParameters, MOST_SETTINGS};

use self::bins::{Feature, Source};
use self::choose::Plan;
use self::grow::{GrownNode, GrownTree};
use self::rounds::Run;
use self::split::Cut;
use self::start::Start;
use super::rows::{check_rows, later_slices, log_odds_of_base_rate, rows_of_some_accounts};
use super::{LearnError, Learner, TrainingRows};

const NAME: &str = "boosting";

/// Rows of each class that the choice of the number of rounds needs on both sides.
const LEAST_OF_EACH_CLASS: usize = 25;

/// Slices are added until their rows to judge on hold so many outcomes of the rarer class.
const OUTCOMES_TO_JUDGE: usize = 500;

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
        let used = rows_of_some_accounts(rows, self.parameters.max_rows, rows.seed ^ 0xB005);
        let parameters = &self.parameters.for_rows(used.len());
        if used.len() >= 1 << 24 {
            let cause = format!("{} rows are more than the 16,777,215 that a tree can count", used.len());
            return Err(LearnError::Failed { learner: NAME, cause });
        }
        let features = bins::features(rows, &used, parameters.max_bins);
        let base = log_odds_of_base_rate(rows.labels, rows.weights) as f32;
        let run = Run { rows, features: &features, parameters };
        let ensemble = |trees, base| MarginModel::Trees(TreeEnsemble { trees, base, fill: None });
        if features.is_empty() {
            // No column varies: one leaf that says nothing more than the base rate, since an ensemble has a tree.
            let leaf = Node::Leaf { value: 0.0, cover: used.len() as f32 };
            return Ok(ensemble(vec![Tree { nodes: vec![leaf] }], base));
        }
        let plan = plan(run, &used, base);
        let (trees, base) = fit_as_planned(Run { parameters: &plan.parameters, ..run }, &used, &plan, base);
        let trees = trees.iter().map(|tree| export(tree, &features)).collect();
        Ok(ensemble(trees, base))
    }
}

/// Parameters, rounds and share of a line: chosen on the latest rows where there are enough of them.
fn plan(run: Run<'_>, used: &[u32], base: f32) -> Plan {
    let parameters = run.parameters;
    let (share, gap) = (parameters.stopping_share, parameters.stopping_gap_days);
    let slices = if share > 0.0 {
        let most = (OUTCOMES_TO_JUDGE, parameters.stopping_slices);
        later_slices(run.rows, used, share, gap, LEAST_OF_EACH_CLASS, most)
    } else {
        Vec::new()
    };
    let settings = if slices.is_empty() { Vec::new() } else { parameters.settings_to_try() };
    choose::plan(run, &slices, &settings, base)
}

/// All fits of the plan on all rows, as the trees and the base of one sum.
fn fit_as_planned(run: Run<'_>, used: &[u32], plan: &Plan, base: f32) -> (Vec<GrownTree>, f32) {
    let bags = plan.parameters.bags_for(used.len());
    // The fits of one kind, each with its share of the margin; the two kinds draw differently too.
    let grow = |start: Option<&Start>, rounds: usize, share: f32, kind: u64| -> Vec<GrownTree> {
        let fit = |bag: u64| {
            let mut booster = run.booster(used, base, start, 2 * bag + kind);
            (0..rounds).map(|_| booster.step().times(share / bags as f32)).collect::<Vec<_>>()
        };
        let fits: Vec<Vec<GrownTree>> = (0..bags as u64).into_par_iter().map(fit).collect();
        fits.into_iter().flatten().collect()
    };
    let without_line = || grow(None, plan.rounds, 1.0, 0);
    if plan.line_share <= 0.0 {
        return (without_line(), base);
    }
    // The line's library runs on one thread: the fits that need no line go on beside it.
    let share = plan.line_share;
    let (from_base, from_line) = rayon::join(
        || if share < 1.0 { grow(None, plan.rounds, 1.0 - share, 0) } else { Vec::new() },
        || choose::line(run, used).map(|start| (grow(Some(&start), plan.rounds_from_line, share, 1), start)),
    );
    let Some((grown, start)) = from_line else { return (without_line(), base) };
    let mut trees = start.trees(run.features, used, share);
    trees.extend(from_base.into_iter().chain(grown));
    (trees, base + share * (start.intercept - base))
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
