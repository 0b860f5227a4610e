//! The inner loops on AVX2: 32 rows to a register.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_and_si256, _mm256_andnot_si256, _mm256_blendv_epi8, _mm256_cmpeq_epi8,
    _mm256_load_si256, _mm256_max_epu8, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_store_si256, _mm256_sub_epi8,
};

use super::portable;
use super::table::Table;
use super::tree::{CompiledEnsemble, CompiledTree, MaskTree};
use super::{TILE_ROWS, Tile};

/// Rows of a register.
const LANES: usize = 32;

/// Bins whole tiles of one column. The compiler does well here: eight searches to a register, with gathers.
#[target_feature(enable = "avx2")]
pub(super) fn bin(table: &Table, values: &[f32], bins: &mut [Tile], columns: usize) {
    portable::bin(table, values, bins, columns);
}

/// Adds the leaf of every tree to the sums of a tile.
#[target_feature(enable = "avx2")]
pub(super) fn add(ensemble: &CompiledEnsemble, bins: &[Tile], sums: &mut [f64; TILE_ROWS]) {
    for tree in &ensemble.trees {
        match tree {
            CompiledTree::Masks(tree) => {
                let numbers = leaf_numbers(ensemble, tree, bins);
                portable::add_leaves(&ensemble.leaves[tree.leaves.clone()], &numbers, sums);
            }
            CompiledTree::Walk(root, depth) => ensemble.add_walk(*root, *depth, bins, sums),
        }
    }
}

/// The number of the leaf that each row ends in.
#[target_feature(enable = "avx2")]
fn leaf_numbers(ensemble: &CompiledEnsemble, tree: &MaskTree, bins: &[Tile]) -> Tile {
    let zero = _mm256_setzero_si256();
    let (mut left_over, mut first_leaf) = ([zero; 2], [zero; 2]);
    for (removals, first) in &ensemble.planes[tree.planes.clone()] {
        let mut plane = [_mm256_set1_epi8(-1); 2];
        for removal in &ensemble.removals[removals.clone()] {
            let bound = _mm256_set1_epi8(removal.bound as i8);
            let removed = _mm256_set1_epi8(!removal.kept as i8);
            let halves = load(&bins[usize::from(removal.column)]);
            for (plane, bytes) in plane.iter_mut().zip(halves) {
                // There is no unsigned comparison: the greater of both is the byte where it is at least the bound.
                let goes_right = _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, bound), bytes);
                *plane = _mm256_andnot_si256(_mm256_and_si256(goes_right, removed), *plane);
            }
        }
        let first = _mm256_set1_epi8(*first as i8);
        for half in 0..2 {
            let none = _mm256_cmpeq_epi8(plane[half], zero);
            left_over[half] = _mm256_blendv_epi8(plane[half], left_over[half], none);
            first_leaf[half] = _mm256_blendv_epi8(first, first_leaf[half], none);
        }
    }
    let mut numbers = Tile([0; TILE_ROWS]);
    for half in 0..2 {
        let lowest = _mm256_and_si256(left_over[half], _mm256_sub_epi8(zero, left_over[half]));
        let mut number = first_leaf[half];
        for (bits, amount) in [(0b1010_1010_u8, 1), (0b1100_1100, 2), (0b1111_0000, 4)] {
            let has_not = _mm256_cmpeq_epi8(_mm256_and_si256(lowest, _mm256_set1_epi8(bits as i8)), zero);
            number = _mm256_add_epi8(number, _mm256_andnot_si256(has_not, _mm256_set1_epi8(amount)));
        }
        store(&mut numbers, half, number);
    }
    numbers
}

#[target_feature(enable = "avx2")]
fn load(tile: &Tile) -> [__m256i; 2] {
    let start = tile.0.as_ptr().cast::<__m256i>();
    // SAFETY: a tile is 64 bytes that begin at a multiple of 64, so both halves are inside it and aligned.
    unsafe { [_mm256_load_si256(start), _mm256_load_si256(start.add(1))] }
}

#[target_feature(enable = "avx2")]
fn store(tile: &mut Tile, half: usize, bytes: __m256i) {
    let bytes_of_half = &mut tile.0[half * LANES..(half + 1) * LANES];
    // SAFETY: the slice is 32 bytes long, and begins at a multiple of 32, since a tile begins at a multiple of 64.
    unsafe { _mm256_store_si256(bytes_of_half.as_mut_ptr().cast(), bytes) }
}
