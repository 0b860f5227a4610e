//! Tree ensembles of ONNX: `TreeEnsembleClassifier` and `TreeEnsembleRegressor` of ai.onnx.ml 1 and 3, and the
//! `TreeEnsemble` of version 5, checked and laid out as one form.
//!
//! What the specification leaves open follows onnxruntime (a missing value fails every comparison but "not equal"; a
//! regressor of one target has no post transform); where the two disagree, the model is refused by name.

use crate::ensemble::{MAX_DEPTH, MAX_NODES};

use super::error::GraphError;
use super::tensor::{Kind, Tensor};

pub(super) use super::forest_read::{read_classifier, read_regressor, read_version_5};

/// How a value is compared with the threshold; the true branch is taken where it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    NotEqual,
    /// Of a set: the threshold is an index into [`Forest::sets`].
    Member,
}

/// A node, with its children in the same tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ForestNode {
    Split {
        feature: usize,
        mode: Mode,
        threshold: f64,
        missing_true: bool,
        when_true: usize,
        when_false: usize,
        hits: f32,
    },
    /// Target and weight.
    Leaf { weights: Vec<(usize, f64)>, hits: f32 },
}

/// One tree; the root is node 0 and a child comes after its parent.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ForestTree {
    pub(super) nodes: Vec<ForestNode>,
}

/// How the trees of a target are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Least,
    Greatest,
}

/// What is done to the scores of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub(super) fn of_text(text: &str) -> Option<Self> {
        Some(match text {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "PROBIT" => Self::Probit,
            _ => return None,
        })
    }

    /// Of the `TreeEnsemble` of version 5.
    pub(super) fn of_number(number: i64) -> Option<Self> {
        [Self::None, Self::Logistic, Self::Softmax, Self::SoftmaxZero, Self::Probit]
            .get(usize::try_from(number).ok()?)
            .copied()
    }

    /// Applies it to the scores of one row.
    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = crate::sigmoid(*score)),
            Self::Softmax | Self::SoftmaxZero => {
                let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                // A score of 0 stands for "no score" here, as onnxruntime has it.
                let counts = |score: f64| self == Self::Softmax || score.abs() > 1e-7;
                let mut sum = 0.0;
                for score in scores.iter_mut() {
                    *score = if counts(*score) { (*score - greatest).exp() } else { 0.0 };
                    sum += *score;
                }
                scores.iter_mut().for_each(|score| *score /= sum);
            }
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// The quantile function of the normal distribution with Winitzki's inverse error function (2008), which is what
/// onnxruntime computes; off by at most 0.002 relative.
fn probit(probability: f64) -> f64 {
    let value = 2.0 * probability - 1.0;
    let logarithm = ((1.0 - value) * (1.0 + value)).ln();
    let half = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * logarithm;
    let root = (half * half - logarithm / 0.147).sqrt() - half;
    std::f64::consts::SQRT_2 * value.signum() * root.sqrt()
}

/// What stands where in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One column per target.
    Targets,
    /// Two classes and one score: the second column is the score, transformed only by the logistic function.
    OneScore,
}

/// A checked ensemble.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Forest {
    pub(super) trees: Vec<ForestTree>,
    pub(super) sets: Vec<Vec<f64>>,
    /// Columns of the scores before the form is applied.
    pub(super) targets: usize,
    pub(super) aggregate: Aggregate,
    /// Per target.
    pub(super) base: Vec<f64>,
    pub(super) post: PostTransform,
    pub(super) form: Form,
    /// Largest feature index and 1.
    pub(super) features: usize,
    /// Whether the output is double (version 5 with doubles).
    pub(super) output: Kind,
}

/// Whether the true branch is taken.
pub(super) fn holds(mode: Mode, value: f64, threshold: f64, sets: &[Vec<f64>]) -> bool {
    match mode {
        Mode::AtMost => value <= threshold,
        Mode::Below => value < threshold,
        Mode::AtLeast => value >= threshold,
        Mode::Above => value > threshold,
        Mode::Equal => value == threshold,
        Mode::NotEqual => value != threshold,
        Mode::Member => sets.get(threshold as usize).is_some_and(|set| set.contains(&value)),
    }
}

impl Forest {
    /// The leaf that a row reaches.
    fn leaf<'a>(&self, tree: &'a ForestTree, row: &[f64]) -> &'a [(usize, f64)] {
        let mut at = 0;
        while let Some(node) = tree.nodes.get(at) {
            match node {
                ForestNode::Leaf { weights, .. } => return weights,
                ForestNode::Split { feature, mode, threshold, missing_true, when_true, when_false, .. } => {
                    let value = row.get(*feature).copied().unwrap_or(f64::NAN);
                    let goes = (*missing_true && value.is_nan()) || holds(*mode, value, *threshold, &self.sets);
                    at = if goes { *when_true } else { *when_false };
                }
            }
        }
        &[]
    }

    /// The scores of a row, before the post transform.
    fn scores(&self, row: &[f64]) -> Vec<f64> {
        let start = match self.aggregate {
            Aggregate::Sum | Aggregate::Average => 0.0,
            Aggregate::Least => f64::INFINITY,
            Aggregate::Greatest => f64::NEG_INFINITY,
        };
        let mut scores = vec![start; self.targets];
        for tree in &self.trees {
            for (target, weight) in self.leaf(tree, row) {
                let Some(score) = scores.get_mut(*target) else { continue };
                *score = match self.aggregate {
                    Aggregate::Sum | Aggregate::Average => *score + weight,
                    Aggregate::Least => score.min(*weight),
                    Aggregate::Greatest => score.max(*weight),
                };
            }
        }
        for (score, base) in scores.iter_mut().zip(&self.base) {
            if self.aggregate == Aggregate::Average {
                *score /= self.trees.len() as f64;
            }
            if score.is_infinite() {
                *score = 0.0;
            }
            *score += base;
        }
        scores
    }

    /// Runs rows through the trees.
    pub(super) fn apply(&self, input: &Tensor) -> Result<Tensor, GraphError> {
        let (rows, columns) = input.matrix();
        if self.features > columns {
            let expected = format!("a feature below {columns}, the columns of its input");
            return Err(GraphError::malformed("tree ensemble", expected, self.features - 1));
        }
        let width = if self.form == Form::OneScore { 2 } else { self.targets };
        super::tensor::element_count(&[rows, width])?;
        if rows.saturating_mul(self.trees.len()) > 1 << 26 {
            return Err(GraphError::malformed("tree ensemble", "at most 2^26 walks from root to leaf", "more"));
        }
        let values = input.as_numbers()?;
        let mut out = Vec::with_capacity(rows * width);
        for row in 0..rows {
            let mut scores = self.scores(&values[row * columns..(row + 1) * columns]);
            match self.form {
                Form::Targets => {
                    self.post.apply(&mut scores);
                    out.extend(scores);
                }
                Form::OneScore => {
                    let score = scores.first().copied().unwrap_or(0.0);
                    let positive = if self.post == PostTransform::Logistic { crate::sigmoid(score) } else { score };
                    out.extend([self.other(score, positive), positive]);
                }
            }
        }
        Ok(Tensor::numbers(self.output, vec![rows, width], out))
    }

    /// The first column of two classes with one score: `1 - p` where every weight is at least 0, else `-p`.
    fn other(&self, score: f64, positive: f64) -> f64 {
        if self.post == PostTransform::Logistic {
            return crate::sigmoid(-score);
        }
        let all_positive = self.trees.iter().flat_map(|tree| &tree.nodes).all(|node| match node {
            ForestNode::Leaf { weights, .. } => weights.iter().all(|(_, weight)| *weight >= 0.0),
            ForestNode::Split { .. } => true,
        });
        if all_positive { 1.0 - positive } else { -positive }
    }
}

/// A node as it stands in the lists of the file, children as indices into them.
#[derive(Debug, Clone)]
pub(super) struct RawNode {
    pub(super) node: ForestNode,
}

/// Lays the nodes of one tree out from `root`, parents before children. `nodes`: all nodes of the ensemble, children as
/// indices; `seen`: notes which of them have a place. A node with two parents, as exporters write a rule over several
/// categories, is copied.
pub(super) fn lay_out(nodes: &[RawNode], root: usize, seen: &mut [bool]) -> Result<ForestTree, GraphError> {
    let mut tree = ForestTree::default();
    let most = 4 * nodes.len() + 1_000;
    // Index into `nodes`, depth, and where its place is to be noted: parent and whether it is the true child.
    let mut open = vec![(root, 0_usize, None::<(usize, bool)>)];
    while let Some((index, depth, parent)) = open.pop() {
        if depth > MAX_DEPTH || tree.nodes.len() >= most {
            let expected = format!("a tree without a cycle, of at most {MAX_DEPTH} splits in a row");
            return Err(GraphError::malformed(format!("tree ensemble, node {index}"), expected, "more"));
        }
        let Some(raw) = nodes.get(index) else {
            return Err(GraphError::malformed("tree ensemble", "a child that exists", index));
        };
        seen[index] = true;
        let here = tree.nodes.len();
        if let Some((parent, is_true)) = parent
            && let Some(ForestNode::Split { when_true, when_false, .. }) = tree.nodes.get_mut(parent)
        {
            *(if is_true { when_true } else { when_false }) = here;
        }
        if let ForestNode::Split { when_true, when_false, .. } = &raw.node {
            open.push((*when_false, depth + 1, Some((here, false))));
            open.push((*when_true, depth + 1, Some((here, true))));
        }
        tree.nodes.push(raw.node.clone());
    }
    Ok(tree)
}

/// Refuses sizes and numbers that no model has.
pub(super) fn check_size(nodes: usize) -> Result<(), GraphError> {
    if nodes == 0 || nodes > MAX_NODES {
        return Err(GraphError::malformed("tree ensemble", format!("1 to {MAX_NODES} nodes"), nodes));
    }
    Ok(())
}
