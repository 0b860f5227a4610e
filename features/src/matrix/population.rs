//! Where an account stands among others: the one kind of value that needs the rows of all accounts.
//!
//! The engine leaves in such a column the number that is compared, and beside it the group within which it is
//! ([`OpenMatrix`]). A [`Population`] gathers the numbers of all accounts, from one matrix or from those of all partitions,
//! and [`OpenMatrix::close_among`] replaces each by its place. A place follows from counts alone, so it does not depend on
//! how the accounts were divided. Rows are compared with rows of their own date only, so nothing later can enter.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float32Type};
use arrow_array::{Array, ArrayRef, Float32Array};
use chrono::NaiveDate;
use rayon::prelude::*;

use super::file::{FeatureFile, MatrixError};
use super::metadata::FeatureMetadata;
use super::{Column, FeatureMatrix};
use crate::signal::{SignalDefinition, Unit};
use crate::time::days_from_epoch;

/// Fewer accounts than these say nothing of where one stands among them.
const LEAST_ACCOUNTS: usize = 10;

/// The groups within which the numbers of a column are compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Groups {
    /// Place of the column among the signals.
    pub(crate) column: usize,
    /// The group of each row, a category.
    pub(crate) of: Column,
}

/// A matrix whose comparisons with other accounts are still to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenMatrix {
    /// In the columns that compare stand the numbers that are compared.
    matrix: FeatureMatrix,
    /// One per column that compares, in column order.
    groups: Vec<Groups>,
}

/// The numbers of all accounts, by date and group.
///
/// ```
/// use bellwether_features::matrix::Population;
///
/// assert!(Population::default().is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Population {
    /// By signal. Numbers are sorted, and none is NaN.
    signals: BTreeMap<String, BTreeMap<i32, ByGroup>>,
}

/// The numbers of one date.
type ByGroup = BTreeMap<String, Vec<f32>>;

impl OpenMatrix {
    pub(crate) fn new(matrix: FeatureMatrix, groups: Vec<Groups>) -> Self {
        Self { matrix, groups }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.matrix.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.matrix.is_empty()
    }

    /// Definitions, one per column.
    #[must_use]
    pub fn signals(&self) -> &[SignalDefinition] {
        &self.matrix.signals
    }

    /// The finished matrix, where these accounts are all there are.
    #[must_use]
    pub fn close(self) -> FeatureMatrix {
        let mut population = Population::default();
        population.add(&self);
        self.close_among(&population)
    }

    /// The finished matrix, with each account compared to `population`, which these accounts must be part of.
    #[must_use]
    pub fn close_among(mut self, population: &Population) -> FeatureMatrix {
        for groups in &self.groups {
            let name = &self.matrix.signals[groups.column].name;
            let days: Vec<i32> = self.matrix.as_of.iter().map(|date| days_from_epoch(*date)).collect();
            if let Column::Numeric(values) = &mut self.matrix.columns[groups.column] {
                let places = values.par_iter().zip(days).enumerate().map(|(row, (value, day))| {
                    groups.name(row).map_or(f32::NAN, |group| population.place(name, day, group, *value))
                });
                *values = places.collect();
            }
        }
        self.matrix
    }

    /// Writes it as it is, for [`FeatureMatrix::write_merged`]: the groups follow the signals as columns of their own.
    ///
    /// # Errors
    /// As [`FeatureMatrix::write`].
    pub fn write(mut self, path: &Path, metadata: &FeatureMetadata) -> Result<FeatureFile, MatrixError> {
        for groups in self.groups {
            let compared = &self.matrix.signals[groups.column];
            let group =
                SignalDefinition { name: format!("{} group", compared.name), unit: Unit::Category, ..compared.clone() };
            self.matrix.signals.push(group);
            self.matrix.columns.push(groups.of);
        }
        self.matrix.write(path, metadata)
    }
}

impl Groups {
    /// The group of a row.
    fn name(&self, row: usize) -> Option<&str> {
        match &self.of {
            Column::Category { levels, codes } => codes[row].map(|code| levels[code as usize].as_str()),
            Column::Numeric(_) => None,
        }
    }
}

impl Population {
    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signals.is_empty()
    }

    /// Takes in the accounts of a matrix, which must not be there yet.
    pub fn add(&mut self, open: &OpenMatrix) {
        for groups in &open.groups {
            let dates = self.signals.entry(open.matrix.signals[groups.column].name.clone()).or_default();
            let Column::Numeric(values) = &open.matrix.columns[groups.column] else { continue };
            for ((date, group), values) in by_date_and_group(&open.matrix.as_of, groups, values) {
                let known = dates.entry(days_from_epoch(date)).or_default().entry(group.to_owned()).or_default();
                known.extend(values);
                known.sort_by(f32::total_cmp);
            }
        }
    }

    /// The mid-rank percentile of a number that is part of the population: 0 to 1, NaN where it cannot be told.
    fn place(&self, signal: &str, day: i32, group: &str, value: f32) -> f32 {
        let group = self.signals.get(signal).and_then(|dates| dates.get(&day)).and_then(|groups| groups.get(group));
        match group {
            Some(all) if all.len() >= LEAST_ACCOUNTS && !value.is_nan() => mid_rank(all, value),
            _ => f32::NAN,
        }
    }

    /// Closes rows that [`OpenMatrix::write`] wrote: id, date, `signals`, groups.
    pub(super) fn close_arrays(&self, signals: &[SignalDefinition], mut arrays: Vec<ArrayRef>) -> Vec<ArrayRef> {
        let groups = arrays.split_off(arrays.len().min(2 + signals.len()));
        let compared = signals.iter().enumerate().filter(|(_, signal)| self.signals.contains_key(&signal.name));
        for ((place, signal), group) in compared.zip(groups) {
            let dates = arrays[1].as_primitive::<Date32Type>();
            let (values, group) = (arrays[2 + place].as_primitive::<Float32Type>(), group.as_string::<i32>());
            let closed = |row: usize| {
                let is_there = values.is_valid(row) && group.is_valid(row);
                let place = || self.place(&signal.name, dates.value(row), group.value(row), values.value(row));
                is_there.then(place).filter(|place| !place.is_nan())
            };
            let closed: Vec<Option<f32>> = (0..values.len()).into_par_iter().map(closed).collect();
            arrays[2 + place] = Arc::new(Float32Array::from(closed));
        }
        arrays
    }
}

/// The known numbers of a column by date and group.
fn by_date_and_group<'g>(
    as_of: &[NaiveDate],
    groups: &'g Groups,
    values: &[f32],
) -> BTreeMap<(NaiveDate, &'g str), Vec<f32>> {
    let mut found: BTreeMap<(NaiveDate, &str), Vec<f32>> = BTreeMap::new();
    for (row, (date, value)) in as_of.iter().zip(values).enumerate().filter(|(_, (_, value))| !value.is_nan()) {
        if let Some(group) = groups.name(row) {
            found.entry((*date, group)).or_default().push(*value);
        }
    }
    found
}

/// (Lower ones + half of the equal ones) / all.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a share of a count below 2^32")]
fn mid_rank(sorted: &[f32], value: f32) -> f32 {
    let lower = sorted.partition_point(|other| *other < value);
    let not_above = sorted.partition_point(|other| *other <= value);
    ((lower + not_above) as f64 / (2 * sorted.len()) as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 1, 2, 2, 4 have 0.5, 2, 2 and 3.5 of 4 below them, counting half of the equal ones.
    #[test]
    fn equal_numbers_share_the_middle_of_their_places() {
        let sorted = [1.0, 2.0, 2.0, 4.0];
        assert_eq!([1.0, 2.0, 4.0].map(|value| mid_rank(&sorted, value)), [0.125, 0.5, 0.875]);
        assert_eq!(mid_rank(&[7.0; 10], 7.0), 0.5);
    }
}
