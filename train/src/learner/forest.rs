//! Random forest, fitted by smartcore, exported as one tree ensemble.
//!
//! smartcore's forest classifier votes with hard labels, so a forest of regression trees is grown on 0/1 instead: the mean of its
//! leaves is a probability. Its trees know no missing value: medians of the training rows are put in, and the same medians
//! are the `fill` of the exported ensemble.
//!
//! The trees are private in smartcore and are read through serde. They compare `x <= t` in doubles, where our columns and
//! thresholds are floats: a threshold is rounded **down** to a float, which sends every float the same way. Leaves are
//! divided by the number of trees. Covers are counted by sending the training rows through the exported trees.
//!
//! Growing is slow (about 3.7 s for 20 trees of depth 12 on 20,000 rows), so at most `max_rows` rows are used, whole
//! accounts. Row weights become chances in the bootstrap draw.

use bellwether_models::{MarginModel, Node, Tree, TreeEnsemble};
use rayon::prelude::*;
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::rows::{DesignView, check_rows, design_views, rows_of_some_accounts};
use super::{LearnError, Learner, TrainingRows};

const NAME: &str = "forest";

/// Parameters of [`Forest`].
///
/// | parameter | default | range |
/// |---|---|---|
/// | `trees` | 60 | 1 to 2,000 |
/// | `max_depth` | 10 | 1 to 30 |
/// | `min_rows_per_leaf` | 10 | at least 1 |
/// | `max_rows` | 20,000 | at least 100 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForestParameters {
    /// Number of trees.
    pub trees: usize,
    /// Splits between root and leaf at most.
    pub max_depth: u16,
    /// Rows in a leaf at least.
    pub min_rows_per_leaf: usize,
    /// Rows that are fitted at most; of more, whole accounts are drawn.
    pub max_rows: usize,
}

impl Default for ForestParameters {
    fn default() -> Self {
        Self { trees: 60, max_depth: 10, min_rows_per_leaf: 10, max_rows: 20_000 }
    }
}

impl ForestParameters {
    /// Checks the ranges, once.
    ///
    /// # Errors
    /// [`LearnError::Parameter`] names the parameter, its range and what was given.
    pub fn check(self) -> Result<Forest, LearnError> {
        let parameter = |parameter, expected, found: String| {
            Err(LearnError::Parameter { learner: NAME, parameter, expected, found })
        };
        if !(1..=2_000).contains(&self.trees) {
            return parameter("trees", "from 1 to 2000", self.trees.to_string());
        }
        if !(1..=30).contains(&self.max_depth) {
            return parameter("max_depth", "from 1 to 30", self.max_depth.to_string());
        }
        if self.min_rows_per_leaf == 0 {
            return parameter("min_rows_per_leaf", "at least 1", self.min_rows_per_leaf.to_string());
        }
        if self.max_rows < 100 {
            return parameter("max_rows", "at least 100", self.max_rows.to_string());
        }
        Ok(Forest { parameters: self })
    }
}

/// Random forest with checked parameters; [`ForestParameters::check`] makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forest {
    parameters: ForestParameters,
}

impl Learner for Forest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fit(&self, rows: &TrainingRows<'_>) -> Result<MarginModel, LearnError> {
        check_rows(NAME, rows, 2)?;
        let used = rows_of_some_accounts(rows, self.parameters.max_rows, rows.seed ^ 0xF0E5);
        let views = design_views(rows);
        if views.is_empty() {
            return Err(failed(&"there is no input to split on"));
        }
        let fill: Vec<f32> = views.iter().map(|view| median(*view, &used)).collect();
        let filled: Vec<Vec<f32>> =
            views.iter().zip(&fill).map(|(view, fill)| fill_column(*view, *fill, &used)).collect();
        let grown = self.grow(rows, &used, &filled)?;
        let trees = grown.par_iter().map(|tree| export(tree, grown.len(), &filled)).collect::<Result<_, _>>()?;
        Ok(MarginModel::Trees(TreeEnsemble { trees, base: 0.0, fill: Some(fill) }))
    }
}

impl Forest {
    /// Runs smartcore and reads its trees.
    fn grow(&self, rows: &TrainingRows<'_>, used: &[u32], filled: &[Vec<f32>]) -> Result<Vec<GrownTree>, LearnError> {
        let labels: Vec<f64> = used.iter().map(|&row| f64::from(u8::from(rows.labels[row as usize]))).collect();
        let weights: Vec<f64> = used.iter().map(|&row| rows.weights[row as usize]).collect();
        let values: Vec<f64> = filled.iter().flatten().map(|value| f64::from(*value)).collect();
        let matrix = DenseMatrix::new(used.len(), filled.len(), values, true).map_err(|error| failed(&error))?;
        let settings = RandomForestRegressorParameters::default()
            .with_n_trees(self.parameters.trees)
            .with_max_depth(self.parameters.max_depth)
            .with_min_samples_leaf(self.parameters.min_rows_per_leaf)
            .with_seed(rows.seed);
        let forest = RandomForestRegressor::fit_with_weights(&matrix, &labels, &weights, settings)
            .map_err(|error| failed(&error))?;
        let written = serde_json::to_value(&forest).map_err(|error| failed(&error))?;
        let trees = written.pointer("/forest_regressor/trees").cloned().unwrap_or_default();
        serde_json::from_value(trees).map_err(|error| failed(&error))
    }
}

fn failed(cause: &dyn std::fmt::Display) -> LearnError {
    LearnError::Failed { learner: NAME, cause: cause.to_string() }
}

/// A tree as smartcore writes it; only what the export needs.
#[derive(Debug, serde::Deserialize)]
struct GrownTree {
    nodes: Vec<GrownNode>,
}

#[derive(Debug, serde::Deserialize)]
struct GrownNode {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

/// Median of the known values; 0 where none is known.
fn median(view: DesignView<'_>, used: &[u32]) -> f32 {
    let DesignView::Number(values) = view else { return 0.0 };
    let mut known: Vec<f32> = used.iter().map(|&row| values[row as usize]).filter(|value| value.is_finite()).collect();
    if known.is_empty() {
        return 0.0;
    }
    let middle = known.len() / 2;
    *known.select_nth_unstable_by(middle, f32::total_cmp).1
}

fn fill_column(view: DesignView<'_>, fill: f32, used: &[u32]) -> Vec<f32> {
    let values = used.iter().map(|&row| view.value(row as usize));
    values.map(|value| if value.is_nan() { fill } else { value }).collect()
}

/// The greatest float that is not above `threshold`: `x <= threshold` holds for the same floats `x`.
fn float_not_above(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
}

/// One tree with leaves divided by `trees`, a child after its parent, and covers counted over the filled columns.
fn export(grown: &GrownTree, trees: usize, filled: &[Vec<f32>]) -> Result<Tree, LearnError> {
    let mut nodes = Vec::with_capacity(grown.nodes.len());
    let mut waiting = std::collections::VecDeque::from([(0, (0..filled[0].len() as u32).collect::<Vec<u32>>())]);
    let mut next_child = 1;
    while let Some((source, reached)) = waiting.pop_front() {
        let node = grown.nodes.get(source).ok_or_else(|| failed(&"a tree refers to a node that it lacks"))?;
        let cover = reached.len() as f32;
        if let (Some(threshold), Some(below), Some(above)) = (node.split_value, node.true_child, node.false_child) {
            let threshold = float_not_above(threshold);
            let column = filled.get(node.split_feature).ok_or_else(|| failed(&"a tree splits on an unknown column"))?;
            let (left_rows, right_rows) = reached.iter().partition(|row| column[**row as usize] <= threshold);
            let (left, right) = (next_child, next_child + 1);
            nodes.push(Node::Split {
                column: node.split_feature as u32,
                threshold,
                missing_left: true,
                left,
                right,
                cover,
            });
            waiting.push_back((below, left_rows));
            waiting.push_back((above, right_rows));
            next_child += 2;
        } else {
            nodes.push(Node::Leaf { value: (node.output / trees as f64) as f32, cover });
        }
        if nodes.len() > grown.nodes.len() {
            return Err(failed(&"a tree refers to a node twice"));
        }
    }
    Ok(Tree { nodes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_round_down_to_floats() {
        for threshold in [0.1, -0.1, 1.0, 16_777_217.0, -16_777_217.0, 0.3, 1e-50] {
            let rounded = float_not_above(threshold);
            assert!(f64::from(rounded) <= threshold, "{threshold}");
            assert!(f64::from(rounded.next_up()) > threshold, "{threshold}");
        }
    }
}
