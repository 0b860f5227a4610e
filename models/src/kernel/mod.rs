//! Tree ensembles at speed: bins instead of floats, and bit masks instead of branches.
//!
//! A trained ensemble compares a column with few thresholds. So each value is placed among the thresholds of its column
//! once per row, whatever the number of trees and heads, and from then on it is one byte ([`table`]): a split asks whether
//! the byte is at least its bound. A missing value is a byte as well, 0 for the splits that send it left and 255 for the
//! others, and a fill is the answer that the fill gives; so no later step knows of missing values.
//!
//! A tree of at most 256 leaves is then a conjunction ([`tree`]): every split that sends a row right removes the leaves
//! under its left child, and the first leaf that nobody removed is where the row ends. This is QuickScorer (Lucchese et
//! al. 2015, SIGIR), here with the leaves eight to a byte and 64 rows side by side, as in RapidScorer (Ye et al. 2018,
//! KDD). There is no branch that depends on a row. A greater tree is walked, on the same bytes.
//!
//! The margin is what [`crate::TreeEnsemble::margin`] says, bit for bit: base, then the leaves in the order of the trees,
//! in 64-bit floats. Only comparisons and bit operations are done side by side, and those have one answer; so neither the
//! instruction set nor the number of rows that are given at a time can change a bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use crate::TreeEnsemble;
use table::{Layout, Table};
use tree::CompiledEnsemble;

/// Rows that pass through a tree together.
pub(crate) const TILE_ROWS: usize = 64;

/// Tiles that are binned together, so that the thresholds of a column are loaded once for all of them.
const GROUP_TILES: usize = 8;

/// Most bytes of bins that a group may take: they are to stay in the cache.
const GROUP_BYTES: usize = 1 << 18;

/// One byte per row of a tile.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Tile([u8; TILE_ROWS]);

/// Where the values of design columns come from.
pub(crate) trait Values {
    /// Number of rows.
    fn rows(&self) -> usize;

    /// The values of a design column in `buffer.len()` rows from `first`; the buffer may hold them or not.
    fn read<'a>(&'a self, column: usize, first: usize, buffer: &'a mut [f32]) -> &'a [f32];
}

/// The instruction set that the inner loops use; none of them changes a bit of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// What every processor has.
    Portable,
    /// 32 bytes at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 64 bytes at a time (the F and BW parts).
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// Those that this processor has, the best last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                all.push(Self::Avx512);
            }
        }
        all
    }

    /// Bins whole tiles of one column; tile `i` of column `c` is at `i * columns + c`.
    fn bin(self, table: &Table, values: &[f32], bins: &mut [Tile], columns: usize) {
        match self {
            Self::Portable => portable::bin(table, values, bins, columns),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: [`BinnedEnsembles`] takes only what [`Instructions::available`] has found on this processor.
            Self::Avx2 => unsafe { avx2::bin(table, values, bins, columns) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: [`BinnedEnsembles`] takes only what [`Instructions::available`] has found on this processor.
            Self::Avx512 => unsafe { avx512::bin(table, values, bins, columns) },
        }
    }

    /// Adds the leaf of every tree to the sums of a tile.
    fn add(self, ensemble: &CompiledEnsemble, bins: &[Tile], sums: &mut [f64; TILE_ROWS]) {
        match self {
            Self::Portable => portable::add(ensemble, bins, sums),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: [`BinnedEnsembles`] takes only what [`Instructions::available`] has found on this processor.
            Self::Avx2 => unsafe { avx2::add(ensemble, bins, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: [`BinnedEnsembles`] takes only what [`Instructions::available`] has found on this processor.
            Self::Avx512 => unsafe { avx512::add(ensemble, bins, sums) },
        }
    }
}

/// Ensembles over one design, made ready to run together.
#[derive(Debug, Clone)]
pub(crate) struct BinnedEnsembles {
    tables: Vec<Table>,
    /// Bytes per row.
    columns: usize,
    ensembles: Vec<CompiledEnsemble>,
    instructions: Instructions,
}

impl BinnedEnsembles {
    /// Compiles ensembles that [`TreeEnsemble::validate`] accepts for a design of `width` columns.
    pub(crate) fn new(width: usize, ensembles: &[&TreeEnsemble]) -> Self {
        let mut layout = Layout::new(width, ensembles);
        let compiled = ensembles.iter().map(|ensemble| CompiledEnsemble::new(ensemble, &mut layout)).collect();
        let instructions = Instructions::available().pop().unwrap_or(Instructions::Portable);
        let (tables, columns) = layout.into_tables();
        Self { tables, columns, ensembles: compiled, instructions }
    }

    /// The same with another instruction set; as it was where this processor does not have that.
    pub(crate) fn with_instructions(mut self, instructions: Instructions) -> Self {
        if Instructions::available().contains(&instructions) {
            self.instructions = instructions;
        }
        self
    }

    /// Margins of every ensemble, in their order, for every row.
    pub(crate) fn margins(&self, values: &impl Values) -> Vec<Vec<f64>> {
        let rows = values.rows();
        let mut margins: Vec<Vec<f64>> = self.ensembles.iter().map(|_| Vec::with_capacity(rows)).collect();
        let tiles = (GROUP_BYTES / (self.columns.max(1) * TILE_ROWS)).clamp(1, GROUP_TILES);
        let mut bins = vec![Tile([0; TILE_ROWS]); tiles * self.columns];
        let mut buffer = vec![0.0_f32; tiles * TILE_ROWS];
        let mut first = 0;
        while first < rows {
            let count = (rows - first).min(tiles * TILE_ROWS);
            self.bin(values, first, count, &mut buffer, &mut bins);
            for (tile, start) in (0..count).step_by(TILE_ROWS).enumerate() {
                let bins = &bins[tile * self.columns..(tile + 1) * self.columns];
                let here = (count - start).min(TILE_ROWS);
                for (ensemble, margins) in self.ensembles.iter().zip(&mut margins) {
                    let mut sums = [ensemble.base; TILE_ROWS];
                    self.instructions.add(ensemble, bins, &mut sums);
                    margins.extend_from_slice(&sums[..here]);
                }
            }
            first += count;
        }
        margins
    }

    /// Bins `count` rows from `first`. The rows that fill the last tile up are whatever the buffer holds.
    fn bin(&self, values: &impl Values, first: usize, count: usize, buffer: &mut [f32], bins: &mut [Tile]) {
        let padded = count.next_multiple_of(TILE_ROWS);
        for table in &self.tables {
            if padded == count {
                let column = values.read(table.design_column, first, &mut buffer[..count]);
                self.instructions.bin(table, column, bins, self.columns);
                continue;
            }
            let mut last = [0.0_f32; TILE_ROWS * GROUP_TILES];
            last[..count].copy_from_slice(values.read(table.design_column, first, &mut buffer[..count]));
            self.instructions.bin(table, &last[..padded], bins, self.columns);
        }
    }
}
