//! Slow twins of the Shapley values, for tests: the definition over all coalitions, and the sum over paths with the
//! Shapley weights of each coalition size. Neither shares code with the `treeshap` module, or with the other.

use crate::TreeEnsemble;
use crate::ensemble::Node;

/// Expected margin when only the columns of `known` are known: a plain recursion.
fn expectation(nodes: &[Node], at: usize, row: &[f32], known: u32) -> f64 {
    match nodes[at] {
        Node::Leaf { value, .. } => f64::from(value),
        Node::Split { column, threshold, missing_left, left, right, .. } => {
            let (left, right) = (left as usize, right as usize);
            if known & (1 << column) != 0 {
                let value = row[column as usize];
                let goes_left = if value.is_nan() { missing_left } else { value <= threshold };
                return expectation(nodes, if goes_left { left } else { right }, row, known);
            }
            let (a, b) = (f64::from(nodes[left].cover()), f64::from(nodes[right].cover()));
            let (a, b) = if a + b > 0.0 { (a, b) } else { (1.0, 1.0) };
            (a * expectation(nodes, left, row, known) + b * expectation(nodes, right, row, known)) / (a + b)
        }
    }
}

fn factorial(n: usize) -> f64 {
    (1..=n).map(|k| k as f64).product()
}

fn filled(model: &TreeEnsemble, row: &[f32]) -> Vec<f32> {
    let fill = |(at, value): (usize, &f32)| match &model.fill {
        Some(fill) if value.is_nan() => fill[at],
        _ => *value,
    };
    row.iter().enumerate().map(fill).collect()
}

/// Shapley value of each column by the definition; 2^columns games.
pub(crate) fn brute_force(model: &TreeEnsemble, row: &[f32]) -> Vec<f64> {
    let row = &filled(model, row);
    let players = row.len();
    let game: Vec<f64> = (0..1_u32 << players)
        .map(|known| model.trees.iter().map(|tree| expectation(&tree.nodes, 0, row, known)).sum())
        .collect();
    (0..players)
        .map(|player| {
            let without = (0..1_usize << players).filter(|known| known & (1 << player) == 0);
            without
                .map(|known| {
                    let size = known.count_ones() as usize;
                    let weight = factorial(size) * factorial(players - 1 - size) / factorial(players);
                    weight * (game[known | (1 << player)] - game[known])
                })
                .sum()
        })
        .collect()
}

/// The column, whether the row passes all its splits on the path, and its share.
type Condition = (u32, bool, f64);

/// Shapley value of each column, leaf by leaf: `v (o_j - z_j) sum_s s! (d-1-s)! / d! e_s`, where `e_s` sums over the
/// coalitions of `s` other columns, the coefficient of `y^s` in `prod_{i != j} (o_i y + z_i)`.
pub(crate) fn over_paths(model: &TreeEnsemble, row: &[f32]) -> Vec<f64> {
    let row = &filled(model, row);
    let mut contributions = vec![0.0; row.len()];
    for tree in &model.trees {
        add_leaves(&tree.nodes, 0, row, &[], &mut contributions);
    }
    contributions
}

fn add_leaves(nodes: &[Node], at: usize, row: &[f32], path: &[Condition], contributions: &mut [f64]) {
    match nodes[at] {
        Node::Leaf { value, .. } => {
            for (index, (column, passed, share)) in path.iter().enumerate() {
                let passed = if *passed { 1.0 } else { 0.0 };
                contributions[*column as usize] += f64::from(value) * (passed - share) * others(path, index);
            }
        }
        Node::Split { column, threshold, missing_left, left, right, .. } => {
            let value = row[column as usize];
            let goes_left = if value.is_nan() { missing_left } else { value <= threshold };
            let covers = [left, right].map(|child| f64::from(nodes[child as usize].cover()));
            let total = covers[0] + covers[1];
            for (child, goes_here, cover) in [(left, goes_left, covers[0]), (right, !goes_left, covers[1])] {
                let share = if total > 0.0 { cover / total } else { 0.5 };
                let mut path = path.to_vec();
                match path.iter_mut().find(|one| one.0 == column) {
                    Some(known) => *known = (column, known.1 && goes_here, known.2 * share),
                    None => path.push((column, goes_here, share)),
                }
                add_leaves(nodes, child as usize, row, &path, contributions);
            }
        }
    }
}

/// Sum over coalitions of the other columns of Shapley weight times product.
fn others(path: &[Condition], player: usize) -> f64 {
    let mut coefficients = vec![1.0];
    for (index, (_, passed, share)) in path.iter().enumerate() {
        if index != player {
            let mut next = vec![0.0; coefficients.len() + 1];
            for (size, coefficient) in coefficients.iter().enumerate() {
                next[size] += coefficient * share;
                next[size + 1] += if *passed { *coefficient } else { 0.0 };
            }
            coefficients = next;
        }
    }
    // The weight of size s is 1 / (d C(d-1, s)), which unlike factorials is finite for any d.
    let mut weight = 1.0 / path.len() as f64;
    let mut sum = 0.0;
    for (size, coefficient) in coefficients.iter().enumerate() {
        sum += weight * coefficient;
        weight *= (size + 1) as f64 / (path.len() - 1 - size).max(1) as f64;
    }
    sum
}
