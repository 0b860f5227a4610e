//! The columns of a matrix while they are written: cut so that each block of accounts writes its rows in place.

use std::ops::Range;

use rayon::prelude::*;

use super::view::View;
use crate::catalog::{Catalogue, Formula, Signal};

/// All columns, row by row as in the spine.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) numbers: Vec<Vec<f32>>,
    pub(super) categories: Vec<Vec<Option<u32>>>,
    /// The groups of the signals that compare.
    pub(super) groups: Vec<Vec<Option<u32>>>,
}

/// The rows of one block of accounts in every column; of each column, the rows of the first date, of the second, and so on.
#[derive(Debug)]
pub(super) struct BlockColumns<'c> {
    numbers: Vec<Vec<&'c mut [f32]>>,
    categories: Vec<Vec<&'c mut [Option<u32>]>>,
    groups: Vec<Vec<&'c mut [Option<u32>]>>,
}

impl Columns {
    /// Nothing is known yet.
    pub(super) fn new(catalogue: &Catalogue, rows: usize) -> Self {
        let is_category = |signal: &&Signal| matches!(signal.formula, Formula::Category(..));
        let categories = catalogue.signals().iter().filter(is_category).count();
        let numbers = catalogue.signals().len() - categories;
        let groups = catalogue.signals().iter().filter_map(Signal::ranking).count();
        // Side by side: most of the time goes into asking for the memory.
        Self {
            numbers: (0..numbers).into_par_iter().map(|_| vec![f32::NAN; rows]).collect(),
            categories: (0..categories).into_par_iter().map(|_| vec![None; rows]).collect(),
            groups: (0..groups).into_par_iter().map(|_| vec![None; rows]).collect(),
        }
    }

    /// Cuts the columns along `blocks`: for each block the rows of its accounts, date by date. Together they must be all
    /// rows: at every date, those of the first block, then those of the second, and so on.
    pub(super) fn cut(&mut self, blocks: &[Vec<Range<usize>>]) -> Vec<BlockColumns<'_>> {
        let nothing =
            |_: &Vec<Range<usize>>| BlockColumns { numbers: Vec::new(), categories: Vec::new(), groups: Vec::new() };
        let mut cut: Vec<BlockColumns<'_>> = blocks.iter().map(nothing).collect();
        for column in &mut self.numbers {
            cut.iter_mut().zip(pieces(column, blocks)).for_each(|(block, pieces)| block.numbers.push(pieces));
        }
        for column in &mut self.categories {
            cut.iter_mut().zip(pieces(column, blocks)).for_each(|(block, pieces)| block.categories.push(pieces));
        }
        for column in &mut self.groups {
            cut.iter_mut().zip(pieces(column, blocks)).for_each(|(block, pieces)| block.groups.push(pieces));
        }
        cut
    }
}

/// One column, cut along the blocks.
fn pieces<'c, T>(column: &'c mut [T], blocks: &[Vec<Range<usize>>]) -> Vec<Vec<&'c mut [T]>> {
    let mut cut: Vec<Vec<&'c mut [T]>> = blocks.iter().map(|dates| Vec::with_capacity(dates.len())).collect();
    let mut rest = column;
    for date in 0..blocks.first().map_or(0, Vec::len) {
        for (block, dates) in cut.iter_mut().zip(blocks) {
            let (rows, after) = rest.split_at_mut(dates[date].len());
            block.push(rows);
            rest = after;
        }
    }
    cut
}

impl BlockColumns<'_> {
    /// Computes a row: at the date of this place, the row of this place among the block's rows of that date.
    pub(super) fn write(&mut self, catalogue: &Catalogue, view: &View<'_>, date: usize, row: usize) {
        let (mut numbers, mut categories) = (self.numbers.iter_mut(), self.categories.iter_mut());
        for signal in catalogue.signals() {
            if let Formula::Category(formula, _) = signal.formula {
                if let Some(column) = categories.next() {
                    column[date][row] = formula(view);
                }
            } else if let Some(column) = numbers.next() {
                column[date][row] = signal.number(view);
            }
        }
        let rankings = catalogue.signals().iter().filter_map(Signal::ranking);
        for (ranking, column) in rankings.zip(&mut self.groups) {
            column[date][row] = (ranking.group)(view);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_the_piece_of_its_block_and_date() {
        // Two dates; the first block has 2 and 1 rows, the second 1 and 3.
        let blocks = [vec![0..2, 3..4], vec![2..3, 4..7]];
        let mut column: Vec<usize> = (0..7).collect();
        let cut = pieces(&mut column, &blocks);
        let rows: Vec<Vec<Vec<usize>>> =
            cut.into_iter().map(|dates| dates.into_iter().map(|rows| rows.to_vec()).collect()).collect();
        assert_eq!(rows, [vec![vec![0, 1], vec![3]], vec![vec![2], vec![4, 5, 6]]]);
    }
}
