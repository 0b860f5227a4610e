//! From the attribute lists of the tree operators to a [`Forest`].

use std::collections::{BTreeSet, HashMap};

use super::attributes::Attributes;
use super::error::GraphError;
use super::forest::{
    Aggregate, Forest, ForestNode, ForestTree, Form, Mode, PostTransform, RawNode, check_size, lay_out,
};
use super::tensor::Kind;

/// Most targets of an ensemble.
const MAX_TARGETS: usize = 10_000;

fn mode_of(text: &[u8]) -> Option<Option<Mode>> {
    Some(Some(match text {
        b"BRANCH_LEQ" => Mode::AtMost,
        b"BRANCH_LT" => Mode::Below,
        b"BRANCH_GTE" => Mode::AtLeast,
        b"BRANCH_GT" => Mode::Above,
        b"BRANCH_EQ" => Mode::Equal,
        b"BRANCH_NEQ" => Mode::NotEqual,
        b"LEAF" => return Some(None),
        _ => return None,
    }))
}

fn index(attributes: &Attributes<'_>, name: &str, value: i64) -> Result<usize, GraphError> {
    let found = usize::try_from(value).ok().filter(|value| *value < (1 << 31));
    found.ok_or_else(|| attributes.malformed(name, "an index", value))
}

fn post_of(attributes: &Attributes<'_>) -> Result<PostTransform, GraphError> {
    let text = attributes.text("post_transform", "NONE");
    PostTransform::of_text(&text).ok_or_else(|| attributes.unsupported(format!("post_transform `{text}`")))
}

/// A list of one entry per node, or none at all.
fn sized<'a, T>(
    attributes: &Attributes<'_>,
    name: &str,
    list: &'a [T],
    nodes: usize,
) -> Result<Option<&'a [T]>, GraphError> {
    match list.len() {
        0 if nodes > 0 => Ok(None),
        found if found == nodes => Ok(Some(list)),
        found => Err(attributes.malformed(name, format!("{nodes} entries, one per node"), found)),
    }
}

fn needed<'a, T>(attributes: &Attributes<'_>, name: &str, list: &'a [T], nodes: usize) -> Result<&'a [T], GraphError> {
    sized(attributes, name, list, nodes)?
        .ok_or_else(|| attributes.malformed(name, format!("{nodes} entries, one per node"), "none"))
}

/// Nodes with weights by the lists of versions 1 and 3. `prefix`: names of the leaf lists.
struct Lists {
    trees: Vec<ForestTree>,
    targets_seen: BTreeSet<usize>,
    features: usize,
    /// Whether thresholds or weights are 64-bit floats.
    is_double: bool,
}

/// Names of the lists of leaf weights: trees, nodes, targets, weights, weights as a tensor.
type LeafNames = [&'static str; 5];

/// Target and weight of each leaf, by tree and node id.
type Weights = HashMap<(i64, i64), Vec<(usize, f64)>>;

fn read_weights(attributes: &Attributes<'_>, names: LeafNames) -> Result<(Weights, BTreeSet<usize>, bool), GraphError> {
    let [trees_name, nodes_name, targets_name, weights_name, tensor_name] = names;
    let (weights, is_double) = attributes.numbers(weights_name, tensor_name)?;
    let weights = weights.unwrap_or_default();
    let trees = needed(attributes, trees_name, attributes.integers(trees_name), weights.len())?;
    let nodes = needed(attributes, nodes_name, attributes.integers(nodes_name), weights.len())?;
    let targets = needed(attributes, targets_name, attributes.integers(targets_name), weights.len())?;
    let mut by_leaf = Weights::with_capacity(weights.len());
    let mut seen = BTreeSet::new();
    for (((tree, node), target), weight) in trees.iter().zip(nodes).zip(targets).zip(&weights) {
        if !weight.is_finite() {
            return Err(attributes.malformed(weights_name, "finite leaf weights", weight));
        }
        let target = index(attributes, targets_name, *target)?;
        seen.insert(target);
        by_leaf.entry((*tree, *node)).or_default().push((target, *weight));
    }
    Ok((by_leaf, seen, is_double))
}

fn read_lists(attributes: &Attributes<'_>, names: LeafNames) -> Result<Lists, GraphError> {
    let trees = attributes.integers("nodes_treeids");
    let count = trees.len();
    check_size(count)?;
    let ids = needed(attributes, "nodes_nodeids", attributes.integers("nodes_nodeids"), count)?;
    let modes = attributes.find("nodes_modes").map_or(&[][..], |found| &found.strings);
    let modes = needed(attributes, "nodes_modes", modes, count)?;
    let features = needed(attributes, "nodes_featureids", attributes.integers("nodes_featureids"), count)?;
    let on_true = needed(attributes, "nodes_truenodeids", attributes.integers("nodes_truenodeids"), count)?;
    let on_false = needed(attributes, "nodes_falsenodeids", attributes.integers("nodes_falsenodeids"), count)?;
    let missing = attributes.integers("nodes_missing_value_tracks_true");
    let missing = sized(attributes, "nodes_missing_value_tracks_true", missing, count)?;
    let (thresholds, wide_thresholds) = attributes.numbers("nodes_values", "nodes_values_as_tensor")?;
    let thresholds = thresholds.unwrap_or_default();
    let thresholds = needed(attributes, "nodes_values", &thresholds, count)?;
    let hits = attributes.numbers("nodes_hitrates", "nodes_hitrates_as_tensor")?.0.unwrap_or_default();
    let hits = sized(attributes, "nodes_hitrates", &hits, count)?;
    let (mut weights, targets_seen, wide_weights) = read_weights(attributes, names)?;

    let mut places: HashMap<(i64, i64), usize> = HashMap::with_capacity(count);
    for (at, key) in trees.iter().copied().zip(ids.iter().copied()).enumerate() {
        if places.insert(key, at).is_some() {
            return Err(attributes.malformed("nodes_nodeids", "each node once in its tree", key.1));
        }
    }
    let child = |at: usize, name: &str, id: i64| {
        let found = places.get(&(trees[at], id)).copied();
        found.ok_or_else(|| attributes.malformed(name, "a node of the same tree", id))
    };
    let (mut nodes, mut has_parent) = (Vec::with_capacity(count), vec![false; count]);
    let mut greatest = 0;
    for at in 0..count {
        let mode = mode_of(&modes[at])
            .ok_or_else(|| attributes.unsupported(format!("mode `{}`", String::from_utf8_lossy(&modes[at]))))?;
        let hits = hits.map_or(0.0, |hits| hits[at] as f32);
        let node = match mode {
            None => {
                let weights = weights.remove(&(trees[at], ids[at])).unwrap_or_default();
                ForestNode::Leaf { weights, hits }
            }
            Some(mode) => {
                let feature = index(attributes, "nodes_featureids", features[at])?;
                greatest = greatest.max(feature + 1);
                let when_true = child(at, "nodes_truenodeids", on_true[at])?;
                let when_false = child(at, "nodes_falsenodeids", on_false[at])?;
                has_parent[when_true] = true;
                has_parent[when_false] = true;
                if thresholds[at].is_nan() {
                    return Err(attributes.malformed("nodes_values", "a threshold that is a number", "NaN"));
                }
                let missing_true = missing.is_some_and(|missing| missing[at] != 0);
                let threshold = thresholds[at];
                ForestNode::Split { feature, mode, threshold, missing_true, when_true, when_false, hits }
            }
        };
        nodes.push(RawNode { node });
    }
    if let Some(((tree, node), _)) = weights.iter().min_by_key(|entry| entry.0) {
        return Err(attributes.malformed(names[1], "a leaf for each weight", format!("tree {tree}, node {node}")));
    }
    let laid_out = lay_out_trees(attributes, trees, &nodes, &has_parent)?;
    let is_double = wide_thresholds || wide_weights;
    Ok(Lists { trees: laid_out, targets_seen, features: greatest, is_double })
}

/// One tree per root; a tree id has exactly one root, and every node hangs on one.
fn lay_out_trees(
    attributes: &Attributes<'_>,
    trees: &[i64],
    nodes: &[RawNode],
    has_parent: &[bool],
) -> Result<Vec<ForestTree>, GraphError> {
    let mut seen = vec![false; nodes.len()];
    let mut rooted = BTreeSet::new();
    let mut laid_out = Vec::new();
    for at in (0..nodes.len()).filter(|at| !has_parent[*at]) {
        if !rooted.insert(trees[at]) {
            return Err(attributes.malformed("nodes_treeids", "one root per tree", format!("two in {}", trees[at])));
        }
        laid_out.push(lay_out(nodes, at, &mut seen)?);
    }
    if let Some(at) = seen.iter().position(|seen| !seen) {
        let found = format!("a cycle in tree {}", trees[at]);
        return Err(attributes.malformed("nodes_treeids", "trees: every node below a root", found));
    }
    Ok(laid_out)
}

fn check_targets(attributes: &Attributes<'_>, seen: &BTreeSet<usize>, targets: usize) -> Result<(), GraphError> {
    if targets == 0 || targets > MAX_TARGETS {
        return Err(attributes.malformed("targets", "1 to 10,000 targets or classes", targets));
    }
    match seen.last() {
        Some(greatest) if *greatest >= targets => {
            Err(attributes.malformed("leaf ids", format!("targets below {targets}"), greatest))
        }
        _ => Ok(()),
    }
}

fn base_values(attributes: &Attributes<'_>) -> Result<Vec<f64>, GraphError> {
    let base = attributes.numbers("base_values", "base_values_as_tensor")?.0.unwrap_or_default();
    match base.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(attributes.malformed("base_values", "finite numbers", value)),
        None => Ok(base),
    }
}

/// `TreeEnsembleClassifier`.
pub(in crate::graph) fn read_classifier(attributes: &Attributes<'_>) -> Result<Forest, GraphError> {
    let names = ["class_treeids", "class_nodeids", "class_ids", "class_weights", "class_weights_as_tensor"];
    let lists = read_lists(attributes, names)?;
    let labels = attributes.integers("classlabels_int64s").len() + attributes.texts("classlabels_strings").len();
    let (post, base) = (post_of(attributes)?, base_values(attributes)?);
    attributes.finish()?;
    check_targets(attributes, &lists.targets_seen, labels)?;
    let one_score = labels == 2 && lists.targets_seen.len() == 1 && lists.targets_seen.contains(&0);
    let unsupported = |what: &str| Err(attributes.unsupported(what));
    if labels == 1 {
        return unsupported("a classifier of one class (attribute `classlabels_*`)");
    }
    if labels == 2 {
        if base.len() == 2 || (!one_score && !base.is_empty()) {
            return unsupported("`base_values` of two classes, which runtimes add in different ways");
        }
        let complete = |node: &ForestNode| match node {
            ForestNode::Leaf { weights, .. } => {
                lists.targets_seen.iter().all(|target| weights.iter().any(|(of, _)| of == target))
            }
            ForestNode::Split { .. } => true,
        };
        if !lists.trees.iter().flat_map(|tree| &tree.nodes).all(complete) {
            return unsupported("two classes of which some leaves have one only (attribute `class_ids`)");
        }
        if one_score && post == PostTransform::Probit {
            return unsupported("post_transform `PROBIT` of one score for two classes");
        }
    } else if !base.is_empty() && base.len() != labels {
        return Err(attributes.malformed("base_values", format!("none or {labels}"), base.len()));
    }
    let targets = if one_score { 1 } else { labels };
    Ok(Forest {
        base: filled(base, targets),
        trees: lists.trees,
        sets: Vec::new(),
        targets,
        aggregate: Aggregate::Sum,
        post,
        form: if one_score { Form::OneScore } else { Form::Targets },
        features: lists.features,
        output: Kind::Float,
    })
}

fn filled(mut base: Vec<f64>, targets: usize) -> Vec<f64> {
    base.resize(targets, 0.0);
    base
}

/// `TreeEnsembleRegressor`.
pub(in crate::graph) fn read_regressor(attributes: &Attributes<'_>) -> Result<Forest, GraphError> {
    let names = ["target_treeids", "target_nodeids", "target_ids", "target_weights", "target_weights_as_tensor"];
    let lists = read_lists(attributes, names)?;
    let targets = index(attributes, "n_targets", attributes.integer("n_targets", 1))?;
    let aggregate = match attributes.text("aggregate_function", "SUM").as_str() {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Least,
        "MAX" => Aggregate::Greatest,
        other => return Err(attributes.unsupported(format!("aggregate_function `{other}`"))),
    };
    let (post, base) = (post_of(attributes)?, base_values(attributes)?);
    attributes.finish()?;
    check_targets(attributes, &lists.targets_seen, targets)?;
    if !base.is_empty() && base.len() != targets {
        return Err(attributes.malformed("base_values", format!("none or {targets}"), base.len()));
    }
    let output = if lists.is_double { Kind::Double } else { Kind::Float };
    Ok(Forest {
        base: filled(base, targets),
        trees: lists.trees,
        sets: Vec::new(),
        targets,
        aggregate,
        post: of_targets(post, targets),
        form: Form::Targets,
        features: lists.features,
        // The type of the operator's output is float whatever its attributes are.
        output: if output == Kind::Double { Kind::Float } else { output },
    })
}

/// One target is not transformed, but for PROBIT: so onnxruntime has it.
fn of_targets(post: PostTransform, targets: usize) -> PostTransform {
    if targets == 1 && post != PostTransform::Probit { PostTransform::None } else { post }
}

/// `TreeEnsemble` of ai.onnx.ml 5.
pub(in crate::graph) fn read_version_5(attributes: &Attributes<'_>) -> Result<Forest, GraphError> {
    let tensor = |name: &'static str| {
        let found = attributes.tensor(name)?;
        found.ok_or_else(|| attributes.malformed(name, "a tensor", "none"))
    };
    let (splits, weights, modes) = (tensor("nodes_splits")?, tensor("leaf_weights")?, tensor("nodes_modes")?);
    let (output, thresholds) = (splits.kind, splits.as_numbers()?);
    let modes = modes.as_integers()?;
    let features = attributes.integers("nodes_featureids");
    let count = features.len();
    let leaf_targets = attributes.integers("leaf_targetids");
    check_size(count + leaf_targets.len())?;
    let thresholds = needed(attributes, "nodes_splits", thresholds, count)?;
    let modes = needed(attributes, "nodes_modes", &modes, count)?;
    let weights = needed(attributes, "leaf_weights", weights.as_numbers()?, leaf_targets.len())?;
    let list = |name: &'static str| needed(attributes, name, attributes.integers(name), count);
    let (true_ids, true_leafs) = (list("nodes_truenodeids")?, list("nodes_trueleafs")?);
    let (false_ids, false_leafs) = (list("nodes_falsenodeids")?, list("nodes_falseleafs")?);
    let missing = attributes.integers("nodes_missing_value_tracks_true");
    let missing = sized(attributes, "nodes_missing_value_tracks_true", missing, count)?;
    let hits = attributes.tensor("nodes_hitrates")?;
    let hits = hits.as_ref().map(|hits| hits.as_numbers()).transpose()?.unwrap_or(&[]);
    let hits = sized(attributes, "nodes_hitrates", hits, count)?;
    let members = attributes.tensor("membership_values")?;
    let mut members = members.as_ref().map(|values| values.as_numbers()).transpose()?.unwrap_or(&[]).iter();
    let targets = index(attributes, "n_targets", attributes.integer("n_targets", 1))?;
    let aggregate = match attributes.integer("aggregate_function", 1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Least,
        3 => Aggregate::Greatest,
        other => return Err(attributes.unsupported(format!("aggregate_function {other}"))),
    };
    let post = attributes.integer("post_transform", 0);
    let post =
        PostTransform::of_number(post).ok_or_else(|| attributes.unsupported(format!("post_transform {post}")))?;
    let roots = attributes.integers("tree_roots");
    attributes.finish()?;

    let (mut nodes, mut sets, mut greatest) = (Vec::with_capacity(count + leaf_targets.len()), Vec::new(), 0);
    // Leaves come after the inner nodes.
    let child = |name: &str, id: i64, is_leaf: i64| {
        let id = index(attributes, name, id)?;
        let (offset, most) = if is_leaf == 0 { (0, count) } else { (count, leaf_targets.len()) };
        if id < most { Ok(offset + id) } else { Err(attributes.malformed(name, format!("below {most}"), id)) }
    };
    for at in 0..count {
        let mode = match modes[at] {
            0 => Mode::AtMost,
            1 => Mode::Below,
            2 => Mode::AtLeast,
            3 => Mode::Above,
            4 => Mode::Equal,
            5 => Mode::NotEqual,
            6 => Mode::Member,
            other => return Err(attributes.unsupported(format!("mode {other}"))),
        };
        let mut threshold = thresholds[at];
        if mode == Mode::Member {
            // The sets stand one after the other, each ended by a NaN.
            sets.push(members.by_ref().copied().take_while(|value| !value.is_nan()).collect());
            threshold = (sets.len() - 1) as f64;
        } else if threshold.is_nan() {
            return Err(attributes.malformed("nodes_splits", "a threshold that is a number", "NaN"));
        }
        let feature = index(attributes, "nodes_featureids", features[at])?;
        greatest = greatest.max(feature + 1);
        nodes.push(RawNode {
            node: ForestNode::Split {
                feature,
                mode,
                threshold,
                missing_true: missing.is_some_and(|missing| missing[at] != 0),
                when_true: child("nodes_truenodeids", true_ids[at], true_leafs[at])?,
                when_false: child("nodes_falsenodeids", false_ids[at], false_leafs[at])?,
                hits: hits.map_or(0.0, |hits| hits[at] as f32),
            },
        });
    }
    let mut targets_seen = BTreeSet::new();
    for (target, weight) in leaf_targets.iter().zip(weights) {
        if !weight.is_finite() {
            return Err(attributes.malformed("leaf_weights", "finite leaf weights", weight));
        }
        let target = index(attributes, "leaf_targetids", *target)?;
        targets_seen.insert(target);
        nodes.push(RawNode { node: ForestNode::Leaf { weights: vec![(target, *weight)], hits: 0.0 } });
    }
    check_targets(attributes, &targets_seen, targets)?;
    let mut seen = vec![false; nodes.len()];
    let mut trees = Vec::with_capacity(roots.len());
    for root in roots {
        trees.push(version_5_tree(attributes, &nodes, *root, count, &mut seen)?);
    }
    if trees.is_empty() {
        return Err(attributes.malformed("tree_roots", "at least one tree", "none"));
    }
    Ok(Forest {
        base: vec![0.0; targets],
        trees,
        sets,
        targets,
        aggregate,
        post: of_targets(post, targets),
        form: Form::Targets,
        features: greatest,
        output,
    })
}

/// A tree of one leaf has a root whose two children are that leaf.
fn version_5_tree(
    attributes: &Attributes<'_>,
    nodes: &[RawNode],
    root: i64,
    count: usize,
    seen: &mut [bool],
) -> Result<ForestTree, GraphError> {
    let root = index(attributes, "tree_roots", root)?;
    match nodes.get(root).filter(|_| root < count) {
        None => Err(attributes.malformed("tree_roots", format!("nodes below {count}"), root)),
        Some(RawNode { node: ForestNode::Split { when_true, when_false, .. } }) if when_true == when_false => {
            lay_out(nodes, *when_true, seen)
        }
        Some(_) => lay_out(nodes, root, seen),
    }
}
