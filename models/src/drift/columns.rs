//! What the nightly job asks of the reference, column by column: counts of bins, and how far rows lie outside.
//!
//! The loops are written so that the compiler can do many values at a time: comparisons of 32-bit floats, counters that
//! wrap (a chunk is too short for that), no branch on a value.

use super::{CategoryReference, MAX_BINS, NumericReference, OutputReference, Reference, category_counts, distance};
use crate::FeatureBlock;

/// Values that are looked at together.
const CHUNK: usize = 64;

/// Values that a 32-bit counter is trusted with.
const COUNTED: usize = 1 << 20;

/// How far rows lie outside the range of training.
#[derive(Debug, Clone, PartialEq)]
pub struct RowOutside {
    /// Known numbers among the inputs that training knew.
    known: Vec<u32>,
    /// Those of them outside.
    outside: Vec<u32>,
    ranges: Vec<f64>,
}

impl RowOutside {
    /// [`Reference::share_outside`] of a row; 0 where there is no such row.
    #[must_use]
    pub fn share(&self, row: usize) -> f64 {
        match (self.known.get(row), self.outside.get(row)) {
            (Some(known), Some(outside)) if *known > 0 => f64::from(*outside) / f64::from(*known),
            _ => 0.0,
        }
    }

    /// [`Reference::ranges_outside`] of a row; 0 where there is no such row.
    #[must_use]
    pub fn ranges(&self, row: usize) -> f64 {
        self.ranges.get(row).copied().unwrap_or(0.0)
    }

    /// Takes in a column whose training range is known.
    fn add(&mut self, column: &[f32], least: f64, greatest: f64) {
        let (least_inside, greatest_inside) = (ceil_to_f32(least), floor_to_f32(greatest));
        let rows = self.known.chunks_mut(CHUNK).zip(self.outside.chunks_mut(CHUNK)).zip(self.ranges.chunks_mut(CHUNK));
        for (((known, outside), ranges), values) in rows.zip(column.chunks(CHUNK)) {
            let mut any = 0;
            for ((known, outside), value) in known.iter_mut().zip(outside).zip(values) {
                let is_outside = u32::from((*value < least_inside) | (*value > greatest_inside));
                *known = known.wrapping_add(u32::from(!value.is_nan()));
                *outside = outside.wrapping_add(is_outside);
                any |= is_outside;
            }
            // Few values are outside, and only those have a distance.
            if any != 0 {
                for (range, value) in ranges.iter_mut().zip(values) {
                    *range = range.max(distance(f64::from(*value), least, greatest));
                }
            }
        }
    }
}

impl Reference {
    /// Both measures of every row of a block: [`Reference::share_outside`] and [`Reference::ranges_outside`].
    #[must_use]
    pub fn rows_outside(&self, block: &FeatureBlock) -> RowOutside {
        let (known, outside) = (vec![0; block.rows], vec![0; block.rows]);
        let mut rows = RowOutside { known, outside, ranges: vec![0.0; block.rows] };
        for (reference, column) in self.numeric.iter().zip(&block.numeric) {
            if let (Some(least), Some(greatest)) = (reference.least, reference.greatest) {
                rows.add(column, least, greatest);
            }
        }
        rows
    }
}

impl NumericReference {
    /// Rows of a column in each bin; rows without a value at the end.
    #[must_use]
    pub fn counts_of(&self, column: &[f32]) -> Vec<u64> {
        let above = self.edges.iter().map(|edge| {
            let edge = floor_to_f32(*edge);
            count(column, |value| value > edge)
        });
        counts_from_above(column.len(), count(column, f32::is_nan), above)
    }
}

impl CategoryReference {
    /// Rows with each level, then "other"; rows without a value at the end.
    #[must_use]
    pub fn counts_of(&self, codes: &[u32]) -> Vec<u64> {
        category_counts(self.shares.len().saturating_sub(1), codes)
    }
}

impl OutputReference {
    /// Probabilities in each bin; those that are not known at the end.
    #[must_use]
    pub fn counts_of(&self, probabilities: &[f64]) -> Vec<u64> {
        let above = self.edges.iter().map(|edge| count(probabilities, |value| value > *edge));
        counts_from_above(probabilities.len(), count(probabilities, f64::is_nan), above)
    }
}

/// How many values pass a test.
fn count<T: Copy>(values: &[T], test: impl Fn(T) -> bool) -> u64 {
    let of_chunk = |chunk: &[T]| chunk.iter().fold(0_u32, |passed, value| passed.wrapping_add(u32::from(test(*value))));
    values.chunks(COUNTED).map(|chunk| u64::from(of_chunk(chunk))).sum()
}

/// Rows in each bin from the rows above each edge, and those without a value at the end.
fn counts_from_above(rows: usize, missing: u64, above: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut left = rows as u64 - missing;
    let mut counts = Vec::with_capacity(MAX_BINS + 1);
    for above in above {
        counts.push(left - above);
        left = above;
    }
    counts.extend([left, missing]);
    counts
}

/// The greatest 32-bit float that is not above: a 32-bit value is above one if and only if it is above the other.
fn floor_to_f32(number: f64) -> f32 {
    let near = number as f32;
    if f64::from(near) > number { near.next_down() } else { near }
}

/// The least 32-bit float that is not below.
fn ceil_to_f32(number: f64) -> f32 {
    -floor_to_f32(-number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{random_block, random_signature};

    #[test]
    fn columns_at_a_time_say_what_rows_and_shares_say() {
        for seed in 0..20 {
            let signature = random_signature(seed);
            let (training, tonight) = (random_block(&signature, 300, seed), random_block(&signature, 777, seed + 99));
            let probabilities: Vec<f64> = (0..300).map(|row| f64::from(row % 7) / 7.0).collect();
            let mut reference =
                Reference::from_block(&signature, &training, &[("churn_90d", &probabilities)]).expect("bins");
            // An end that no 32-bit float is.
            reference.numeric[0].greatest = reference.numeric[0].greatest.map(|end| end + 1e-12);
            reference.numeric[0].edges = vec![-1.000_000_000_1, 0.1, 1.5];
            reference.numeric[0].shares = vec![0.25; 4];
            let outside = reference.rows_outside(&tonight);
            for row in 0..777 {
                assert_eq!(outside.share(row), reference.share_outside(&tonight, row), "row {row}");
                assert_eq!(outside.ranges(row), reference.ranges_outside(&tonight, row), "row {row}");
            }
            let as_counts = |(shares, missing): (Vec<f64>, f64), rows: f64| -> Vec<u64> {
                shares.into_iter().chain([missing]).map(|share| (share * rows).round() as u64).collect()
            };
            for (reference, column) in reference.numeric.iter().zip(&tonight.numeric) {
                assert_eq!(reference.counts_of(column), as_counts(reference.shares_of(column), 777.0));
            }
            for (reference, codes) in reference.categories.iter().zip(&tonight.categories) {
                assert_eq!(reference.counts_of(codes), as_counts(reference.shares_of(codes), 777.0));
            }
            let output = &reference.outputs[0];
            assert_eq!(output.counts_of(&probabilities), as_counts((output.shares_of(&probabilities), 0.0), 300.0));
        }
    }
}
