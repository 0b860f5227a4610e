//! From a program to a [`crate::Head`] of our own form, where that is the same model: one tree ensemble or one linear model over
//! columns that are monotone functions of single inputs.
//!
//! A threshold on such a column becomes a threshold on the input, found by bisection over the floats with the very
//! operators of the graph, so rounding in a scaler is part of it. What a missing value becomes is asked in the same way.

use std::collections::HashMap;

use super::binding::Feed;
use super::classical::Weighted;
use super::cuts::{Cuts, Segments};
use super::elementwise::Binary;
use super::error::GraphError;
use super::forest::{Aggregate, Forest, ForestNode, Form as ScoreForm, PostTransform};
use super::operator::Operator;
use super::program::{Program, Step};
use super::tensor::Kind;
use super::trace::{Column, Trace, Traces};
use crate::ensemble::{MAX_COVER, MAX_DEPTH, MAX_NODES};
use crate::linear::{LinearModel, LinearTerm, Transform};
use crate::{Calibration, Curve, Knot, MarginModel, Node, PiecewiseLinear, Tree, TreeEnsemble};

/// Largest sum of what leaves lose when they become 32-bit floats.
const MAX_LEAF_ERROR: f64 = 1e-7;

/// A model in our own form, or why it is none.
pub(super) type Folded = Result<(MarginModel, Calibration), String>;

/// From a score that is a probability already.
pub(super) fn identity() -> Calibration {
    let knots = [0.0, 1.0].map(|value| Knot { margin: value, probability: value }).to_vec();
    without_bounds(Curve::PiecewiseLinear(PiecewiseLinear { knots }))
}

/// The logistic function.
fn logistic() -> Calibration {
    without_bounds(Curve::Logistic { slope: 1.0, intercept: 0.0 })
}

/// Nothing is known about the uncertainty of an imported model: both ends are the probability itself.
fn without_bounds(point: Curve) -> Calibration {
    Calibration { point, low: PiecewiseLinear::constant(1.0), high: PiecewiseLinear::constant(0.0) }
}

/// Folds column `column` of the program's output. The outer error is of a model that cannot run at all.
pub(super) fn fold(program: &Program, feed: &Feed, traces: &Traces, column: usize) -> Result<Folded, GraphError> {
    let (step, column) = match last_step(program, traces, column) {
        Ok(found) => found,
        Err(reason) => return Ok(Err(reason)),
    };
    let Some(slot) = step.inputs.first().copied().flatten() else { return Ok(Err("a model without input".to_owned())) };
    let Some(Trace::Columns { columns, middle: None }) = traces.of_slot.get(&slot) else {
        return Ok(Err(format!("what node `{}` ({}) takes", step.node, step.name)));
    };
    let sources = Sources { program, feed, slot, columns };
    match &step.operator {
        Operator::Forest(forest) => fold_forest(&sources, forest, column),
        Operator::Weighted(weighted) => fold_weighted(&sources, weighted, column),
        _ => Ok(Err(format!("node `{}` ({})", step.node, step.name))),
    }
}

/// The ensemble or linear model whose column the output is, going back over nodes that change nothing.
fn last_step<'a>(program: &'a Program, traces: &Traces, mut column: usize) -> Result<(&'a Step, usize), String> {
    let makers: HashMap<usize, &Step> = program.steps.iter().map(|step| (step.output, step)).collect();
    let mut slot = program.output;
    while let Some(step) = makers.get(&slot).copied() {
        let constant =
            |at: usize| match step.inputs.get(at).copied().flatten().and_then(|slot| traces.of_slot.get(&slot)) {
                Some(Trace::Constant(tensor)) => Some(tensor),
                _ => None,
            };
        let next = step.inputs.first().copied().flatten();
        let passes = match &step.operator {
            Operator::Forest(_) | Operator::Weighted(_) => return Ok((step, column)),
            Operator::Same | Operator::Cast(Kind::Float | Kind::Double) => true,
            Operator::Binary(Binary::Mul) => {
                constant(1).is_some_and(|one| one.len() == 1 && one.as_numbers().is_ok_and(|numbers| numbers == [1.0]))
            }
            Operator::Extract | Operator::Gather { axis: 1 | -1 } => {
                let indices = constant(1).and_then(|indices| indices.as_integers().ok());
                let place = indices.and_then(|indices| usize::try_from(*indices.get(column)?).ok());
                column = place.ok_or_else(|| format!("node `{}` ({})", step.node, step.name))?;
                true
            }
            _ => false,
        };
        match next {
            Some(next) if passes => slot = next,
            _ => return Err(format!("node `{}` ({})", step.node, step.name)),
        }
    }
    Err("the output".to_owned())
}

/// The columns that a model takes, with the program that computes them.
pub(super) struct Sources<'a> {
    pub(super) program: &'a Program,
    pub(super) feed: &'a Feed,
    pub(super) slot: usize,
    pub(super) columns: &'a [Column],
}

impl Sources<'_> {
    /// The values of one column each for rows in which one design column is set and every other is 0: (design column, its
    /// value, column to read).
    pub(super) fn ask(&self, questions: &[(usize, f32, usize)]) -> Result<Vec<f64>, GraphError> {
        let width = self.feed.width.max(1);
        let mut answers = Vec::with_capacity(questions.len());
        for some in questions.chunks((1_usize << 20).div_ceil(width).max(1)) {
            let mut rows = vec![0.0_f32; some.len() * width];
            for (row, (column, value, _)) in rows.chunks_exact_mut(width).zip(some) {
                if let Some(cell) = row.get_mut(*column) {
                    *cell = *value;
                }
            }
            let found = self.program.run(self.feed.tensors(&rows), self.slot)?;
            let (_, columns) = found.matrix();
            let values = found.as_numbers()?;
            answers.extend(some.iter().enumerate().map(|(row, (_, _, column))| values[row * columns + column]));
        }
        Ok(answers)
    }
}

/// Which weights of a leaf make the margin, and what the margin becomes.
fn score_of(
    form: ScoreForm,
    post: PostTransform,
    targets: usize,
    column: usize,
) -> Option<(usize, Option<usize>, Calibration)> {
    match (form, post) {
        (ScoreForm::OneScore, _) if column != 1 => None,
        (ScoreForm::OneScore, PostTransform::Logistic) => Some((0, None, logistic())),
        (ScoreForm::OneScore, _) => Some((0, None, identity())),
        (ScoreForm::Targets, PostTransform::None) => Some((column, None, identity())),
        (ScoreForm::Targets, PostTransform::Logistic) => Some((column, None, logistic())),
        (ScoreForm::Targets, PostTransform::Softmax) if targets == 2 => {
            Some((column, Some(1 - column.min(1)), logistic()))
        }
        _ => None,
    }
}

fn fold_forest(sources: &Sources<'_>, forest: &Forest, column: usize) -> Result<Folded, GraphError> {
    let Some((target, against, calibration)) = score_of(forest.form, forest.post, forest.targets, column) else {
        return Ok(Err("its post transform".to_owned()));
    };
    let divisor = match forest.aggregate {
        Aggregate::Sum => 1.0,
        Aggregate::Average => forest.trees.len() as f64,
        Aggregate::Least | Aggregate::Greatest => return Ok(Err("the least or greatest of trees".to_owned())),
    };
    if forest.features > sources.columns.len() {
        let expected = format!("a feature below {}", sources.columns.len());
        return Err(GraphError::malformed("tree ensemble", expected, forest.features - 1));
    }
    let cuts = match Cuts::find(sources, forest)? {
        Ok(cuts) => cuts,
        Err(reason) => return Ok(Err(reason)),
    };
    let of_target = |list: &[(usize, f64)], target: usize| {
        list.iter().filter(|(of, _)| *of == target).map(|(_, weight)| weight).sum::<f64>()
    };
    let weight = |list: &[(usize, f64)]| {
        (of_target(list, target) - against.map_or(0.0, |against| of_target(list, against))) / divisor
    };
    let base = forest.base.get(target).copied().unwrap_or(0.0)
        - against.and_then(|against| forest.base.get(against).copied()).unwrap_or(0.0);
    let mut error = (base - f64::from(base as f32)).abs();
    let mut trees = Vec::with_capacity(forest.trees.len());
    let (mut nodes, original) = (0, forest.trees.iter().map(|tree| tree.nodes.len()).sum::<usize>());
    for (index, tree) in forest.trees.iter().enumerate() {
        let mut writer = Writer {
            tree: &tree.nodes,
            cuts: &cuts,
            index,
            weight: &weight,
            error: 0.0,
            nodes: Vec::with_capacity(tree.nodes.len()),
            most: MAX_NODES.min(4 * original + 1_000),
            depth: 0,
            known: HashMap::new(),
        };
        if writer.write(0).is_none() {
            return Ok(Err("a tree that would become too large".to_owned()));
        }
        error += writer.error;
        nodes += writer.nodes.len();
        trees.push(Tree { nodes: writer.nodes });
    }
    if error > MAX_LEAF_ERROR || nodes > MAX_NODES.min(4 * original + 1_000) {
        return Ok(Err("leaves that 32-bit floats cannot hold".to_owned()));
    }
    if !covers_add_up(&trees) {
        forget_covers(&mut trees);
    }
    Ok(Ok((MarginModel::Trees(TreeEnsemble { trees, base: base as f32, fill: None }), calibration)))
}

/// What is known of a design column on the way from the root: above the first, at most the second, and whether it may be
/// missing.
type Known = (f32, f32, bool);

/// Writes one tree of ours.
struct Writer<'a> {
    tree: &'a [ForestNode],
    cuts: &'a Cuts,
    index: usize,
    weight: &'a dyn Fn(&[(usize, f64)]) -> f64,
    error: f64,
    nodes: Vec<Node>,
    most: usize,
    depth: usize,
    known: HashMap<u32, Known>,
}

impl Writer<'_> {
    /// Writes what hangs on a node; `None` when there is no room for it. The depth is that of the tree, at most 256.
    fn write(&mut self, at: usize) -> Option<()> {
        match &self.tree[at] {
            ForestNode::Leaf { weights, hits } => {
                let weight = (self.weight)(weights);
                let value = weight as f32;
                self.error = self.error.max((weight - f64::from(value)).abs());
                self.push(Node::Leaf { value, cover: hits.clamp(0.0, MAX_COVER) })
            }
            ForestNode::Split { when_true, when_false, hits, .. } => {
                let segments = self.cuts.of_node(self.index, at)?;
                self.split(segments, (*when_true, *when_false), hits.clamp(0.0, MAX_COVER))
            }
        }
    }

    fn push(&mut self, node: Node) -> Option<()> {
        self.nodes.push(node);
        (self.nodes.len() <= self.most).then_some(())
    }

    /// Writes the splits that tell the segments apart, as far as the way here leaves them open.
    fn split(&mut self, segments: &Segments, children: (usize, usize), cover: f32) -> Option<()> {
        let column = segments.column;
        let (low, high, may_miss) =
            self.known.get(&column).copied().unwrap_or((f32::NEG_INFINITY, f32::INFINITY, true));
        let child = |holds: bool| if holds { children.0 } else { children.1 };
        let cut = segments.bounds.iter().position(|bound| *bound > low && *bound < high);
        let holds_from_here = segments.truth_above(low);
        let Some(cut) = cut else {
            if low == f32::INFINITY {
                return self.write(child(segments.when_missing));
            }
            if !may_miss || segments.when_missing == holds_from_here {
                return self.write(child(holds_from_here));
            }
            // Every number goes one way and a missing value the other.
            let numbers = (low, high, false);
            let missing = (f32::INFINITY, f32::INFINITY, true);
            let (left, right) = (child(holds_from_here), child(segments.when_missing));
            return self.pair(
                column,
                f32::MAX,
                false,
                cover,
                |writer| writer.below(column, numbers, |writer| writer.write(left)),
                |writer| writer.below(column, missing, |writer| writer.write(right)),
            );
        };
        let bound = segments.bounds[cut];
        let missing_left = may_miss && segments.when_missing == holds_from_here;
        let left = child(holds_from_here);
        let (of_left, of_right) = ((low, bound, missing_left), (bound, high, may_miss && !missing_left));
        self.pair(
            column,
            bound,
            missing_left,
            cover,
            |writer| writer.below(column, of_left, |writer| writer.write(left)),
            |writer| writer.below(column, of_right, |writer| writer.split(segments, children, 0.0)),
        )
    }

    /// A split with what hangs on it.
    fn pair(
        &mut self,
        column: u32,
        threshold: f32,
        missing_left: bool,
        cover: f32,
        left: impl FnOnce(&mut Self) -> Option<()>,
        right: impl FnOnce(&mut Self) -> Option<()>,
    ) -> Option<()> {
        let here = self.nodes.len();
        self.push(Node::Split { column, threshold, missing_left, left: 0, right: 0, cover })?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let left_at = self.nodes.len() as u32;
        left(self)?;
        let right_at = self.nodes.len() as u32;
        right(self)?;
        self.depth -= 1;
        if let Some(Node::Split { left, right, .. }) = self.nodes.get_mut(here) {
            (*left, *right) = (left_at, right_at);
        }
        Some(())
    }

    /// Runs `write` while this is known of a column.
    fn below(&mut self, column: u32, known: Known, write: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let before = self.known.insert(column, known);
        let written = write(self);
        match before {
            Some(before) => self.known.insert(column, before),
            None => self.known.remove(&column),
        };
        written
    }
}

/// Whether every tree has covers of more than one row that add up from its leaves to its root.
fn covers_add_up(trees: &[Tree]) -> bool {
    trees.iter().all(|tree| {
        let cover = |at: u32| tree.nodes.get(at as usize).map_or(0.0, Node::cover);
        let adds_up = |node: &Node| match node {
            Node::Split { left, right, cover: own, .. } => {
                *own > 0.0 && (cover(*left) + cover(*right) - own).abs() <= 1e-3 * own
            }
            Node::Leaf { .. } => true,
        };
        cover(0) > 1.0 && tree.nodes.iter().all(adds_up)
    })
}

/// A cover of 0 at the root says that nothing is known.
fn forget_covers(trees: &mut [Tree]) {
    for node in trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
        let (Node::Split { cover, .. } | Node::Leaf { cover, .. }) = node;
        *cover = 0.0;
    }
}

fn fold_weighted(sources: &Sources<'_>, weighted: &Weighted, column: usize) -> Result<Folded, GraphError> {
    let form = if weighted.one_score { ScoreForm::OneScore } else { ScoreForm::Targets };
    let Some((target, against, calibration)) = score_of(form, weighted.post, weighted.targets, column) else {
        return Ok(Err("its post transform".to_owned()));
    };
    let features = weighted.features();
    if features != sources.columns.len() || target >= weighted.targets {
        return Err(GraphError::malformed("coefficients", format!("{} per target", sources.columns.len()), features));
    }
    let of_target = |target: usize, at: usize| weighted.coefficients[target * features + at];
    let bias = |target: usize| weighted.intercepts.get(target).copied().unwrap_or(0.0);
    let mut intercept = bias(target) - against.map_or(0.0, bias);
    let mut terms = Vec::with_capacity(features);
    let limit = f64::from(f32::MAX);
    for (at, column) in sources.columns.iter().enumerate() {
        let weight = of_target(target, at) - against.map_or(0.0, |against| of_target(against, at));
        let term = |column: usize, fill: f64, weight: f64| LinearTerm {
            column,
            transform: Transform::Identity,
            fill,
            lower: -limit,
            upper: limit,
            center: 0.0,
            scale: 1.0,
            weight,
            mean: 0.0,
        };
        match column {
            Column::Number { column, affine: Some(affine), .. } if affine.slope != 0.0 => {
                let missing = sources.ask(&[(*column, f32::NAN, at)])?[0];
                let fill = (missing - affine.intercept) / affine.slope;
                intercept += weight * affine.intercept;
                // Without a fill, a missing value has no probability: the signature will not allow it.
                terms.push(term(*column, if fill.is_finite() { fill } else { 0.0 }, weight * affine.slope));
            }
            Column::Indicator { column } => {
                let values = sources.ask(&[(*column, 0.0, at), (*column, 1.0, at)])?;
                intercept += weight * values[0];
                terms.push(term(*column, 0.0, weight * (values[1] - values[0])));
            }
            _ => return Ok(Err(format!("column {at} of the linear model"))),
        }
    }
    Ok(Ok((MarginModel::Linear(LinearModel { terms, intercept }), calibration)))
}
