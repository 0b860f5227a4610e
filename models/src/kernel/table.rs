//! The thresholds of a column, and the bytes that values become.
//!
//! The distinct thresholds of a design column, of all trees and heads, are cut into runs of at most 255. A run is one
//! [`Table`]: a value's bin is the number of its thresholds below the value, 0 to 255, and `value > threshold` is the same
//! as `bin >= rank of the threshold + 1`. Per table there are up to two bin columns: one where a missing value is 0, for
//! the splits that send it left, and one where it is 255, for those that send it right.

use crate::TreeEnsemble;
use crate::ensemble::Node;

/// Thresholds of a table.
const MOST_THRESHOLDS: usize = 255;

/// One run of thresholds of a design column.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Design column whose values are placed.
    pub(super) design_column: usize,
    /// A search tree in level order: node `k` has the children `2k` and `2k + 1`, the root is 1; infinite where there is
    /// no threshold.
    pub(super) nodes: Box<[f32; MOST_THRESHOLDS + 1]>,
    /// Levels of the tree, 1 to 8.
    pub(super) levels: u32,
    /// Bin column in which a missing value is 0.
    pub(super) missing_left: Option<usize>,
    /// Bin column in which a missing value is 255.
    pub(super) missing_right: Option<usize>,
}

impl Table {
    /// A table of ascending thresholds, at least one and at most [`MOST_THRESHOLDS`].
    fn new(design_column: usize, thresholds: &[f32]) -> Self {
        let levels = usize::BITS - thresholds.len().leading_zeros();
        let mut nodes = Box::new([f32::INFINITY; MOST_THRESHOLDS + 1]);
        for level in 0..levels {
            for at in 0..1_usize << level {
                let rank = ((2 * at + 1) << (levels - 1 - level)) - 1;
                if let Some(threshold) = thresholds.get(rank) {
                    nodes[(1 << level) + at] = *threshold;
                }
            }
        }
        Self { design_column, nodes, levels, missing_left: None, missing_right: None }
    }
}

/// What a split asks: whether the byte of a bin column is at least a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    /// Bin column.
    pub(super) column: usize,
    /// The row goes right from here.
    pub(super) bound: u8,
}

/// Thresholds by design column, and the bin columns that splits have asked for.
pub(super) struct Layout {
    thresholds: Vec<Vec<f32>>,
    /// First table of each design column.
    first_table: Vec<usize>,
    tables: Vec<Table>,
    columns: usize,
}

impl Layout {
    /// Collects the thresholds of all ensembles.
    pub(super) fn new(width: usize, ensembles: &[&TreeEnsemble]) -> Self {
        let mut thresholds = vec![Vec::new(); width];
        for node in ensembles.iter().flat_map(|ensemble| &ensemble.trees).flat_map(|tree| &tree.nodes) {
            if let Node::Split { column, threshold, .. } = node {
                thresholds[*column as usize].push(*threshold);
            }
        }
        let (mut tables, mut first_table) = (Vec::new(), Vec::with_capacity(width));
        for (column, thresholds) in thresholds.iter_mut().enumerate() {
            thresholds.sort_unstable_by(f32::total_cmp);
            // Zero of either sign is one threshold.
            thresholds.dedup();
            first_table.push(tables.len());
            tables.extend(thresholds.chunks(MOST_THRESHOLDS).map(|run| Table::new(column, run)));
        }
        Self { thresholds, first_table, tables, columns: 0 }
    }

    /// The question of a split on one of the collected thresholds.
    pub(super) fn question(&mut self, design_column: usize, threshold: f32, missing_left: bool) -> Question {
        let rank = self.thresholds[design_column].partition_point(|other| *other < threshold);
        let table = &mut self.tables[self.first_table[design_column] + rank / MOST_THRESHOLDS];
        let column = if missing_left { &mut table.missing_left } else { &mut table.missing_right };
        let column = *column.get_or_insert_with(|| {
            self.columns += 1;
            self.columns - 1
        });
        Question { column, bound: (rank % MOST_THRESHOLDS) as u8 + 1 }
    }

    /// The tables, and the number of bin columns.
    pub(super) fn into_tables(self) -> (Vec<Table>, usize) {
        (self.tables, self.columns)
    }
}
