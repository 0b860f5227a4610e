//! The inner loops in plain Rust: what the other instruction sets are measured and tested against, and what they are
//! compiled from where nothing is gained by hand.

use super::table::Table;
use super::tree::{CompiledEnsemble, CompiledTree, MaskTree};
use super::{TILE_ROWS, Tile};

/// Bins whole tiles of one column.
#[inline(always)]
pub(super) fn bin(table: &Table, values: &[f32], bins: &mut [Tile], columns: usize) {
    for (tile, values) in values.chunks_exact(TILE_ROWS).enumerate() {
        let mut at = [1_u32; TILE_ROWS];
        for _ in 0..table.levels {
            for (at, value) in at.iter_mut().zip(values) {
                // The level below the last one is never looked up, so this is within the table.
                let below = table.nodes[(*at & 255) as usize] < *value;
                // No sum here can overflow; saying so lets the compiler do several at a time.
                *at = at.wrapping_add(*at).wrapping_add(u32::from(below));
            }
        }
        let first = 1_u32 << table.levels;
        if let Some(column) = table.missing_left {
            for (bin, at) in bins[tile * columns + column].0.iter_mut().zip(&at) {
                *bin = at.wrapping_sub(first) as u8;
            }
        }
        if let Some(column) = table.missing_right {
            for ((bin, at), value) in bins[tile * columns + column].0.iter_mut().zip(&at).zip(values) {
                *bin = at.wrapping_sub(first) as u8 | if value.is_nan() { 255 } else { 0 };
            }
        }
    }
}

/// Adds the leaf of every tree to the sums of a tile.
pub(super) fn add(ensemble: &CompiledEnsemble, bins: &[Tile], sums: &mut [f64; TILE_ROWS]) {
    for tree in &ensemble.trees {
        match tree {
            CompiledTree::Masks(tree) => {
                let numbers = leaf_numbers(ensemble, tree, bins);
                add_leaves(&ensemble.leaves[tree.leaves.clone()], &numbers, sums);
            }
            CompiledTree::Walk(root, depth) => ensemble.add_walk(*root, *depth, bins, sums),
        }
    }
}

/// The number of the leaf that each row ends in.
#[inline(always)]
fn leaf_numbers(ensemble: &CompiledEnsemble, tree: &MaskTree, bins: &[Tile]) -> Tile {
    let (mut left_over, mut first_leaf) = (Tile([0; TILE_ROWS]), Tile([0; TILE_ROWS]));
    for (removals, first) in &ensemble.planes[tree.planes.clone()] {
        let mut plane = Tile([255; TILE_ROWS]);
        for removal in &ensemble.removals[removals.clone()] {
            let bins = &bins[usize::from(removal.column)];
            let (bound, kept) = (removal.bound, removal.kept);
            // As a mask and not as a choice, which compilers do many at a time.
            for (left, byte) in plane.0.iter_mut().zip(&bins.0) {
                let stays = if *byte >= bound { 0 } else { 255_u8 };
                *left &= kept | stays;
            }
        }
        // Planes come from right to left, so the last that has a leaf left over is the first of them.
        for ((over, first_leaf), left) in left_over.0.iter_mut().zip(&mut first_leaf.0).zip(&plane.0) {
            *over = if *left == 0 { *over } else { *left };
            *first_leaf = if *left == 0 { *first_leaf } else { *first };
        }
    }
    for (number, over) in first_leaf.0.iter_mut().zip(&left_over.0) {
        let lowest = over & over.wrapping_neg();
        let has = |bits: u8| u8::from(lowest & bits != 0);
        *number |= has(0b1010_1010) | has(0b1100_1100) << 1 | has(0b1111_0000) << 2;
    }
    first_leaf
}

/// Adds the leaf with each row's number.
#[inline(always)]
pub(super) fn add_leaves(leaves: &[f64], numbers: &Tile, sums: &mut [f64; TILE_ROWS]) {
    for (sum, number) in sums.iter_mut().zip(&numbers.0) {
        *sum += leaves[usize::from(*number)];
    }
}
