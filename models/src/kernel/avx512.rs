//! The inner loops on AVX-512 (F and BW): 64 rows to a register, and tables of thresholds and leaves that are looked up in
//! registers too.

use std::arch::x86_64::{
    __m128i, __m512, __m512d, __m512i, _CMP_LT_OQ, _CMP_UNORD_Q, _mm_loadl_epi64, _mm_storeu_si128, _mm512_add_epi32,
    _mm512_add_pd, _mm512_and_si512, _mm512_cmp_ps_mask, _mm512_cmpge_epu8_mask, _mm512_cvtepi32_epi8,
    _mm512_cvtepu8_epi64, _mm512_load_si512, _mm512_loadu_pd, _mm512_loadu_ps, _mm512_mask_add_epi8,
    _mm512_mask_add_epi32, _mm512_mask_blend_pd, _mm512_mask_blend_ps, _mm512_mask_mov_epi8, _mm512_mask_set1_epi8,
    _mm512_permutex2var_pd, _mm512_permutex2var_ps, _mm512_permutexvar_ps, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_store_si512, _mm512_storeu_pd, _mm512_sub_epi8, _mm512_sub_epi32,
    _mm512_test_epi8_mask, _mm512_test_epi32_mask, _mm512_test_epi64_mask,
};

use super::portable;
use super::table::Table;
use super::tree::{CompiledEnsemble, CompiledTree, MaskTree};
use super::{TILE_ROWS, Tile};

/// Floats of a register.
const FLOATS: usize = 16;

/// Doubles of a register.
const DOUBLES: usize = 8;

/// Bins whole tiles of one column: the levels of the search tree are in registers, and 16 values go down together.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn bin(table: &Table, values: &[f32], bins: &mut [Tile], columns: usize) {
    let nodes: [__m512; 16] = std::array::from_fn(|part| load_floats(&table.nodes[part * FLOATS..]));
    let first = _mm512_set1_epi32(1 << table.levels);
    for (tile, values) in values.chunks_exact(TILE_ROWS).enumerate() {
        for (part, values) in values.chunks_exact(FLOATS).enumerate() {
            let values = load_floats(values);
            let mut at = _mm512_set1_epi32(1);
            for level in 0..table.levels {
                let threshold = look_up(&nodes, level, at);
                let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(threshold, values);
                at = _mm512_add_epi32(at, at);
                at = _mm512_mask_add_epi32(at, below, at, _mm512_set1_epi32(1));
            }
            let bin = _mm512_sub_epi32(at, first);
            if let Some(column) = table.missing_left {
                store_part(&mut bins[tile * columns + column], part, _mm512_cvtepi32_epi8(bin));
            }
            if let Some(column) = table.missing_right {
                let missing = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(values, values);
                // A missing value has bin 0 so far.
                let bin = _mm512_mask_add_epi32(bin, missing, bin, _mm512_set1_epi32(255));
                store_part(&mut bins[tile * columns + column], part, _mm512_cvtepi32_epi8(bin));
            }
        }
    }
}

/// The thresholds of the nodes `at`, all on one level. A lookup regards only as many low bits of a node's number as it has
/// entries, and those are the place on the level.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn look_up(nodes: &[__m512; 16], level: u32, at: __m512i) -> __m512 {
    let pair = |part: usize| _mm512_permutex2var_ps(nodes[part], at, nodes[part + 1]);
    let has = |bit: i32| _mm512_test_epi32_mask(at, _mm512_set1_epi32(bit));
    match level {
        0..=3 => _mm512_permutexvar_ps(at, nodes[0]),
        4 => _mm512_permutexvar_ps(at, nodes[1]),
        5 => pair(2),
        6 => _mm512_mask_blend_ps(has(32), pair(4), pair(6)),
        _ => {
            let low = _mm512_mask_blend_ps(has(32), pair(8), pair(10));
            let high = _mm512_mask_blend_ps(has(32), pair(12), pair(14));
            _mm512_mask_blend_ps(has(64), low, high)
        }
    }
}

/// Adds the leaf of every tree to the sums of a tile.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn add(ensemble: &CompiledEnsemble, bins: &[Tile], sums: &mut [f64; TILE_ROWS]) {
    for tree in &ensemble.trees {
        match tree {
            CompiledTree::Masks(tree) => {
                let numbers = leaf_numbers(ensemble, tree, bins);
                let leaves = &ensemble.leaves[tree.leaves.clone()];
                match leaves.len() {
                    16 => add_leaves::<1>(leaves, &numbers, sums),
                    32 => add_leaves::<2>(leaves, &numbers, sums),
                    _ => portable::add_leaves(leaves, &numbers, sums),
                }
            }
            CompiledTree::Walk(root, depth) => ensemble.add_walk(*root, *depth, bins, sums),
        }
    }
}

/// The number of the leaf that each row ends in.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn leaf_numbers(ensemble: &CompiledEnsemble, tree: &MaskTree, bins: &[Tile]) -> Tile {
    let (mut left_over, mut number) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for (removals, first) in &ensemble.planes[tree.planes.clone()] {
        let all = _mm512_set1_epi8(-1);
        let mut plane = all;
        for removal in &ensemble.removals[removals.clone()] {
            let bytes = load_tile(&bins[usize::from(removal.column)]);
            let goes_right = _mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8(removal.bound as i8));
            plane = _mm512_and_si512(plane, _mm512_mask_set1_epi8(all, goes_right, removal.kept as i8));
        }
        let some = _mm512_test_epi8_mask(plane, plane);
        left_over = _mm512_mask_mov_epi8(left_over, some, plane);
        number = _mm512_mask_mov_epi8(number, some, _mm512_set1_epi8(*first as i8));
    }
    let lowest = _mm512_and_si512(left_over, _mm512_sub_epi8(_mm512_setzero_si512(), left_over));
    for (bits, amount) in [(0b1010_1010_u8, 1), (0b1100_1100, 2), (0b1111_0000, 4)] {
        let has = _mm512_test_epi8_mask(lowest, _mm512_set1_epi8(bits as i8));
        number = _mm512_mask_add_epi8(number, has, number, _mm512_set1_epi8(amount));
    }
    let mut numbers = Tile([0; TILE_ROWS]);
    store_tile(&mut numbers, number);
    numbers
}

/// Adds the leaf with each row's number, out of 16 times `N`.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn add_leaves<const N: usize>(leaves: &[f64], numbers: &Tile, sums: &mut [f64; TILE_ROWS]) {
    let table: [[__m512d; 2]; N] =
        std::array::from_fn(|part| [load_doubles(&leaves[part * 16..]), load_doubles(&leaves[part * 16 + DOUBLES..])]);
    for (numbers, sums) in numbers.0.chunks_exact(DOUBLES).zip(sums.chunks_exact_mut(DOUBLES)) {
        let at = _mm512_cvtepu8_epi64(load_eight(numbers));
        let mut leaf = _mm512_permutex2var_pd(table[0][0], at, table[0][1]);
        if N == 2 {
            let upper = _mm512_permutex2var_pd(table[1][0], at, table[1][1]);
            leaf = _mm512_mask_blend_pd(_mm512_test_epi64_mask(at, _mm512_set1_epi64(16)), leaf, upper);
        }
        store_doubles(sums, _mm512_add_pd(load_doubles(sums), leaf));
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load_tile(tile: &Tile) -> __m512i {
    // SAFETY: a tile is 64 bytes that begin at a multiple of 64.
    unsafe { _mm512_load_si512(tile.0.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store_tile(tile: &mut Tile, bytes: __m512i) {
    // SAFETY: a tile is 64 bytes that begin at a multiple of 64.
    unsafe { _mm512_store_si512(tile.0.as_mut_ptr().cast(), bytes) }
}

/// Stores 16 bytes of a tile, the `part`th of four.
#[target_feature(enable = "avx512f")]
#[inline]
fn store_part(tile: &mut Tile, part: usize, bytes: __m128i) {
    let part = &mut tile.0[part * FLOATS..(part + 1) * FLOATS];
    // SAFETY: the slice is 16 bytes long.
    unsafe { _mm_storeu_si128(part.as_mut_ptr().cast(), bytes) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load_floats(values: &[f32]) -> __m512 {
    let values = &values[..FLOATS];
    // SAFETY: the slice is 16 floats long.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load_doubles(values: &[f64]) -> __m512d {
    let values = &values[..DOUBLES];
    // SAFETY: the slice is 8 doubles long.
    unsafe { _mm512_loadu_pd(values.as_ptr()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store_doubles(into: &mut [f64], values: __m512d) {
    let into = &mut into[..DOUBLES];
    // SAFETY: the slice is 8 doubles long.
    unsafe { _mm512_storeu_pd(into.as_mut_ptr(), values) }
}

/// Eight bytes in the low half of a register.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_eight(bytes: &[u8]) -> __m128i {
    let bytes = &bytes[..DOUBLES];
    // SAFETY: the slice is 8 bytes long, which is what this loads.
    unsafe { _mm_loadl_epi64(bytes.as_ptr().cast()) }
}
