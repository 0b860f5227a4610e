//! One tree, leaf by leaf: always the leaf whose best split saves most, until there are enough leaves.
//!
//! A node's histogram is summed over its smaller child only; the larger child's is the rest. The work is parallel over
//! features, which are independent; results are compared in the order of the features.

use rayon::prelude::*;

use super::bins::{Feature, Source};
use super::histogram::{Histogram, Sums, TOGETHER, accumulate, subtract};
use super::split::{Bounds, Cut, Rules, Split, child_bounds};

/// Below this many (row, feature) pairs a node is not worth waking another thread.
const SEQUENTIAL_WORK: usize = 40_000;

/// Rows that one unit of work parts into left and right.
const PART_CHUNK: usize = 16_384;

/// Which bins of a feature go left, as one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftBins([u64; 4]);

impl LeftBins {
    pub(super) fn new(cut: Cut, feature: &Feature) -> Self {
        let mut bits = [0; 4];
        for bin in 0..feature.bin_count {
            let left = match (cut, &feature.source) {
                (Cut::UpTo { missing_left, .. }, Source::Number { missing: Some(missing), .. })
                    if bin == usize::from(*missing) =>
                {
                    missing_left
                }
                (Cut::UpTo { bin: last, .. }, _) => bin <= usize::from(last),
                (Cut::AllBut { bin: right }, _) => bin != usize::from(right),
            };
            bits[bin / 64] |= u64::from(left) << (bin % 64);
        }
        Self(bits)
    }

    /// Whether a bin goes left.
    #[inline]
    pub(super) fn holds(&self, bin: u8) -> bool {
        self.0[usize::from(bin / 64)] >> (bin % 64) & 1 == 1
    }
}

/// A node of a grown tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum GrownNode {
    /// Parts its rows.
    Split {
        /// Index into the features.
        feature: usize,
        /// Which bins go left, for export.
        cut: Cut,
        /// Which bins go left, for routing.
        left_bins: LeftBins,
        /// Left child; the right child is the next node.
        left: usize,
    },
    /// Ends here, with the value that is added to the margin.
    Leaf(f32),
}

/// A tree over bins; the root is node 0 and a child comes after its parent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GrownTree {
    /// Nodes.
    pub(super) nodes: Vec<GrownNode>,
    /// Rows per node among those that the tree was grown on.
    pub(super) covers: Vec<usize>,
}

impl GrownTree {
    /// The tree with its leaves multiplied.
    pub(super) fn times(mut self, factor: f32) -> Self {
        for node in &mut self.nodes {
            if let GrownNode::Leaf(value) = node {
                *value *= factor;
            }
        }
        self
    }

    /// The leaf that a row ends in.
    pub(super) fn leaf_of(&self, features: &[Feature], row: usize) -> usize {
        let mut node = 0;
        while let GrownNode::Split { feature, left_bins, left, .. } = &self.nodes[node] {
            node = left + usize::from(!left_bins.holds(features[*feature].bins[row]));
        }
        node
    }
}

/// A leaf that may still be split.
struct Open {
    node: usize,
    start: usize,
    end: usize,
    sums: Sums,
    bounds: Bounds,
    split: Option<Split>,
    histogram: Histogram,
}

/// Grows one tree. Keeps its buffers from tree to tree.
pub(super) struct Grower<'a> {
    pub(super) features: &'a [Feature],
    pub(super) rules: Rules,
    pub(super) max_leaves: usize,
    pub(super) rate: f64,
    pool: Vec<Histogram>,
    gathered: Vec<Sums>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(features: &'a [Feature], rules: Rules, max_leaves: usize, rate: f64) -> Self {
        Self { features, rules, max_leaves, rate, pool: Vec::new(), gathered: Vec::new() }
    }

    /// A tree on `rows` (ascending) and `chosen` features (ascending). Afterwards `rows` is parted by leaf; each leaf's
    /// node and rows are handed to `landed`.
    pub(super) fn grow(
        &mut self,
        rows: &mut [u32],
        derivatives: &[Sums],
        chosen: &[usize],
        mut landed: impl FnMut(f32, &[u32]),
    ) -> GrownTree {
        let mut tree = GrownTree { nodes: vec![GrownNode::Leaf(0.0)], covers: vec![rows.len()] };
        let mut open = vec![self.root(rows, derivatives, chosen)];
        while open.len() < self.max_leaves {
            let Some(index) = most_gainful(&open) else { break };
            let leaf = open.swap_remove(index);
            let last = open.len() + 2 >= self.max_leaves;
            open.extend(self.split(leaf, rows, derivatives, chosen, last, &mut tree));
        }
        for leaf in open {
            let value = (self.rate * self.rules.output(leaf.sums, leaf.bounds)) as f32;
            tree.nodes[leaf.node] = GrownNode::Leaf(value);
            landed(value, &rows[leaf.start..leaf.end]);
            self.pool.push(leaf.histogram);
        }
        tree
    }

    fn root(&mut self, rows: &[u32], derivatives: &[Sums], chosen: &[usize]) -> Open {
        let mut sums = Sums::default();
        for &row in rows {
            sums = sums.plus(derivatives[row as usize]);
        }
        let mut histogram = self.pool.pop().unwrap_or_default();
        histogram.resize(chosen.len(), Vec::new());
        self.gather(rows, derivatives);
        let (features, rules, gathered) = (self.features, &self.rules, &self.gathered);
        let work = |(cells, group): (&mut [Vec<Sums>], &[usize])| -> Vec<Option<Split>> {
            accumulate(&columns(features, group), rows, gathered, cells);
            let best =
                |(cells, &index): (&Vec<Sums>, &usize)| rules.best(index, &features[index], cells, sums, Bounds::NONE);
            cells.iter().zip(group).map(best).collect()
        };
        let groups = histogram.par_chunks_mut(TOGETHER).zip(chosen.par_chunks(TOGETHER));
        let found: Vec<Vec<Option<Split>>> = groups.map(work).collect();
        let split = best_of(found.into_iter().flatten());
        Open { node: 0, start: 0, end: rows.len(), sums, bounds: Bounds::NONE, split, histogram }
    }

    /// Parts a leaf and finds the best splits of its children, unless they are the last.
    fn split(
        &mut self,
        leaf: Open,
        rows: &mut [u32],
        derivatives: &[Sums],
        chosen: &[usize],
        last: bool,
        tree: &mut GrownTree,
    ) -> Vec<Open> {
        let Some(split) = leaf.split else { return vec![leaf] };
        let feature = &self.features[split.feature];
        let left_bins = LeftBins::new(split.cut, feature);
        let middle =
            leaf.start + part(&mut rows[leaf.start..leaf.end], |row| left_bins.holds(feature.bins[row as usize]));
        let left_node = tree.nodes.len();
        tree.nodes[leaf.node] = GrownNode::Split { feature: split.feature, cut: split.cut, left_bins, left: left_node };
        tree.nodes.extend([GrownNode::Leaf(0.0); 2]);
        tree.covers.extend([middle - leaf.start, leaf.end - middle]);
        let (left_bounds, right_bounds) = child_bounds(&self.rules, &split, feature.direction, leaf.bounds);
        let child = |node, start, end, sums, bounds| Open {
            node,
            start,
            end,
            sums,
            bounds,
            split: None,
            histogram: Vec::new(),
        };
        let mut left = child(left_node, leaf.start, middle, split.left, left_bounds);
        let mut right = child(left_node + 1, middle, leaf.end, split.right, right_bounds);
        let least = 2 * self.rules.min_rows;
        if last || left.sums.count().max(right.sums.count()) < least {
            self.pool.push(leaf.histogram);
        } else {
            let (small, large) = if middle - leaf.start <= leaf.end - middle {
                (&mut left, &mut right)
            } else {
                (&mut right, &mut left)
            };
            self.find_splits(small, large, leaf.histogram, rows, derivatives, chosen);
        }
        vec![left, right]
    }

    /// Histograms and best splits of two children, from the smaller one's rows and the parent's histogram.
    fn find_splits(
        &mut self,
        small: &mut Open,
        large: &mut Open,
        parent: Histogram,
        rows: &[u32],
        derivatives: &[Sums],
        chosen: &[usize],
    ) {
        small.histogram = self.pool.pop().unwrap_or_default();
        small.histogram.resize(chosen.len(), Vec::new());
        large.histogram = parent;
        let small_rows = &rows[small.start..small.end];
        self.gather(small_rows, derivatives);
        let (features, rules, gathered) = (self.features, &self.rules, &self.gathered);
        let (small_sums, small_bounds, large_sums, large_bounds) = (small.sums, small.bounds, large.sums, large.bounds);
        type Cells<'c> = ((&'c mut [Vec<Sums>], &'c mut [Vec<Sums>]), &'c [usize]);
        let work = |((small_cells, large_cells), group): Cells<'_>| -> Vec<(Option<Split>, Option<Split>)> {
            accumulate(&columns(features, group), small_rows, gathered, small_cells);
            let best = |((small, large), &index): ((&Vec<Sums>, &mut Vec<Sums>), &usize)| {
                subtract(large, small);
                let feature = &features[index];
                let of_small = rules.best(index, feature, small, small_sums, small_bounds);
                (of_small, rules.best(index, feature, large, large_sums, large_bounds))
            };
            small_cells.iter().zip(large_cells).zip(group).map(best).collect()
        };
        let (small_histogram, large_histogram) = (&mut small.histogram, &mut large.histogram);
        let found: Vec<Vec<(Option<Split>, Option<Split>)>> = if small_rows.len() * chosen.len() < SEQUENTIAL_WORK {
            let cells = small_histogram.chunks_mut(TOGETHER).zip(large_histogram.chunks_mut(TOGETHER));
            cells.zip(chosen.chunks(TOGETHER)).map(work).collect()
        } else {
            let cells = small_histogram.par_chunks_mut(TOGETHER).zip(large_histogram.par_chunks_mut(TOGETHER));
            cells.zip(chosen.par_chunks(TOGETHER)).map(work).collect()
        };
        let (of_small, of_large): (Vec<_>, Vec<_>) = found.into_iter().flatten().unzip();
        small.split = best_of(of_small.into_iter());
        large.split = best_of(of_large.into_iter());
    }

    /// Brings the derivatives of a node's rows side by side.
    fn gather(&mut self, rows: &[u32], derivatives: &[Sums]) {
        self.gathered.clear();
        self.gathered.extend(rows.iter().map(|&row| derivatives[row as usize]));
    }
}

/// Bins of some features, and how many there are.
fn columns<'f>(features: &'f [Feature], group: &[usize]) -> Vec<(&'f [u8], usize)> {
    group.iter().map(|&index| (features[index].bins.as_slice(), features[index].bin_count)).collect()
}

/// The split with the greatest gain; of equals, the first.
fn best_of(found: impl Iterator<Item = Option<Split>>) -> Option<Split> {
    let better = |best: Split, next: Split| if next.gain > best.gain { next } else { best };
    found.flatten().reduce(better)
}

/// The leaf whose split gains most; of equals, the one with the lowest node.
fn most_gainful(open: &[Open]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, leaf) in open.iter().enumerate() {
        let Some(split) = leaf.split else { continue };
        let better =
            best.is_none_or(|(other, gain)| split.gain > gain || (split.gain == gain && leaf.node < open[other].node));
        if better {
            best = Some((index, split.gain));
        }
    }
    best.map(|(index, _)| index)
}

/// Rows that go left first, both sides in the order they had; returns the number on the left.
///
/// Chunks are parted on their own and put together in order, so threads do not change the result.
fn part(rows: &mut [u32], goes_left: impl Fn(u32) -> bool + Sync) -> usize {
    let part_chunk = |chunk: &[u32]| -> (Vec<u32>, Vec<u32>) {
        let (mut left, mut right) = (vec![0; chunk.len()], vec![0; chunk.len()]);
        let (mut left_count, mut right_count) = (0, 0);
        // Both sides are written and one is counted: no branch to guess wrong.
        for &row in chunk {
            left[left_count] = row;
            right[right_count] = row;
            let goes_left = goes_left(row);
            left_count += usize::from(goes_left);
            right_count += usize::from(!goes_left);
        }
        left.truncate(left_count);
        right.truncate(right_count);
        (left, right)
    };
    let parts: Vec<(Vec<u32>, Vec<u32>)> = if rows.len() <= PART_CHUNK {
        vec![part_chunk(rows)]
    } else {
        rows.par_chunks(PART_CHUNK).map(part_chunk).collect()
    };
    let mut at = 0;
    let mut put = |side: &[u32]| {
        rows[at..at + side.len()].copy_from_slice(side);
        at += side.len();
        at
    };
    let left_count = parts.iter().map(|(left, _)| put(left)).last().unwrap_or(0);
    for (_, right) in &parts {
        put(right);
    }
    left_count
}
