//! Columns as bins: at most 256 values per feature, so that a histogram of a node is one short pass.
//!
//! A number is cut at quantiles of its known values; a cut lies halfway between two neighbouring values, as the float that
//! the exported tree compares with `<=`. Where there are few distinct values, each has its own bin and nothing is lost. Missing
//! is a bin of its own, after the last. All levels of a category are bins of one feature, so a category costs one
//! pass however many levels it has; bin 0 is "none of these levels".

use bellwether_features::signal::Direction;
use rayon::prelude::*;

use crate::learner::TrainingRows;
use crate::learner::rows::{category_levels, expected_directions};

/// Quantiles are taken from this many rows at most, evenly spaced.
const ROWS_FOR_QUANTILES: usize = 200_000;

/// What the bins of a feature stand for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// Bin `b` holds the values above `thresholds[b - 1]` and up to `thresholds[b]`.
    Number {
        /// Design column.
        design_column: u32,
        /// Cuts, ascending; one fewer than there are bins of known values.
        thresholds: Vec<f32>,
        /// The bin of missing values, where there are any.
        missing: Option<u8>,
    },
    /// Bin `b` above 0 holds the rows whose indicator `first_design_column + b - 1` is 1.
    Levels {
        /// Design column of the first level.
        first_design_column: u32,
    },
}

/// One feature as bins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Feature {
    /// What the bins stand for.
    pub(super) source: Source,
    /// Number of bins, that of missing values included.
    pub(super) bin_count: usize,
    /// Bin of each row.
    pub(super) bins: Vec<u8>,
    /// Expected direction of a higher value.
    pub(super) direction: Direction,
}

/// All features that vary over `used`: numbers in design order, then categories.
pub(super) fn features(rows: &TrainingRows<'_>, used: &[u32], max_bins: usize) -> Vec<Feature> {
    let directions = expected_directions(rows);
    let numbers: Vec<Feature> = (0..rows.block.numeric.len())
        .into_par_iter()
        .map(|column| number(column, &rows.block.numeric[column], used, max_bins, directions[column]))
        .collect();
    let mut first_design_column = rows.block.numeric.len();
    let mut all = numbers;
    for (levels, codes) in category_levels(rows).into_iter().zip(&rows.block.categories) {
        // One level more for "other"; a feature holds 255 of them beside "none of these".
        for first in (0..=levels).step_by(255) {
            let count = (levels + 1 - first).min(255);
            all.push(level_feature(first_design_column + first, codes, first, count));
        }
        first_design_column += levels + 1;
    }
    all.retain(|feature| varies(feature, used));
    all
}

fn varies(feature: &Feature, used: &[u32]) -> bool {
    let first = used.first().map(|&row| feature.bins[row as usize]);
    used.iter().any(|&row| Some(feature.bins[row as usize]) != first)
}

fn level_feature(first_design_column: usize, codes: &[u32], first: usize, count: usize) -> Feature {
    let bin = |&code: &u32| {
        let within = (code as usize).checked_sub(first).filter(|within| *within < count);
        within.map_or(0, |within| (within + 1) as u8)
    };
    Feature {
        source: Source::Levels { first_design_column: first_design_column as u32 },
        bin_count: count + 1,
        bins: codes.iter().map(bin).collect(),
        direction: Direction::Unknown,
    }
}

fn number(column: usize, values: &[f32], used: &[u32], max_bins: usize, direction: Direction) -> Feature {
    let thresholds = thresholds(values, used, max_bins);
    let known_bins = thresholds.len() + 1;
    let missing = values.iter().any(|value| value.is_nan()).then_some(known_bins as u8);
    let bin = |&value: &f32| match missing {
        Some(missing) if value.is_nan() => missing,
        _ => bin_of(value, &thresholds),
    };
    Feature {
        bin_count: known_bins + usize::from(missing.is_some()),
        bins: values.iter().map(bin).collect(),
        source: Source::Number { design_column: column as u32, missing, thresholds },
        direction,
    }
}

/// Number of thresholds below `value`: `value <= thresholds[bin]` and `value > thresholds[bin - 1]`.
fn bin_of(value: f32, thresholds: &[f32]) -> u8 {
    thresholds.partition_point(|threshold| *threshold < value) as u8
}

/// Cuts between bins of nearly equal count; a value that fills a bin alone has one to itself.
fn thresholds(values: &[f32], used: &[u32], max_bins: usize) -> Vec<f32> {
    let stride = used.len().div_ceil(ROWS_FOR_QUANTILES).max(1);
    let sampled = used.iter().step_by(stride).map(|&row| values[row as usize]);
    let mut known: Vec<f32> = sampled.filter(|value| !value.is_nan()).collect();
    known.sort_unstable_by(f32::total_cmp);
    let distinct: Vec<(f32, usize)> = known.chunk_by(|a, b| a == b).map(|group| (group[0], group.len())).collect();
    let mut rows_left = known.len();
    let mut bins_left = max_bins;
    let mut in_bin = 0;
    let mut cuts = Vec::with_capacity(max_bins.min(distinct.len()));
    for pair in distinct.windows(2) {
        let ((value, count), (next, next_count)) = (pair[0], pair[1]);
        in_bin += count;
        let values_left_fit = distinct.len() <= max_bins;
        let full = in_bin * bins_left >= rows_left;
        let next_is_large = next_count * bins_left >= rows_left;
        if bins_left > 1 && (values_left_fit || full || next_is_large) {
            cuts.push(between(value, next));
            rows_left -= in_bin;
            bins_left -= 1;
            in_bin = 0;
        }
    }
    cuts
}

/// A float `t` with `low <= t < high`, as near the middle as floats allow.
fn between(low: f32, high: f32) -> f32 {
    let middle = f64::midpoint(f64::from(low), f64::from(high)) as f32;
    if middle >= low && middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_separates_even_neighbouring_floats() {
        for (low, high) in
            [(1.0, 2.0), (1.0_f32, 1.0_f32.next_up()), (-0.0, 1e-45), (f32::MIN, f32::MAX), (3.0, f32::INFINITY)]
        {
            let cut = between(low, high);
            assert!(low <= cut && cut < high, "{low} {cut} {high}");
        }
    }

    #[test]
    fn few_values_have_a_bin_each_and_many_are_cut_evenly() {
        let few = [3.0, 1.0, 1.0, 2.0, f32::NAN, 3.0];
        let all: Vec<u32> = (0..6).collect();
        assert_eq!(thresholds(&few, &all, 255), [1.5, 2.5]);
        let many: Vec<f32> = (0..10_000).map(|value| value as f32).collect();
        let all: Vec<u32> = (0..10_000).collect();
        let cuts = thresholds(&many, &all, 10);
        assert_eq!(cuts.len(), 9);
        for (index, cut) in cuts.iter().enumerate() {
            assert!((cut - 1_000.0 * (index + 1) as f32).abs() < 2.0, "{cuts:?}");
        }
    }

    #[test]
    fn a_frequent_value_has_its_own_bin() {
        let values: Vec<f32> = (0..1_000).map(|row| if row < 900 { 0.0 } else { row as f32 }).collect();
        let all: Vec<u32> = (0..1_000).collect();
        let cuts = thresholds(&values, &all, 11);
        assert_eq!(cuts.len(), 10);
        assert_eq!(bin_of(0.0, &cuts), 0);
        assert_eq!(bin_of(900.0, &cuts), 1);
        assert_eq!(bin_of(f32::INFINITY, &cuts), 10);
    }
}
