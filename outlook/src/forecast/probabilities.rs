//! The probabilities of a date by account, without anything else of the scores.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use bellwether_features::facts::Facts;
use bellwether_features::label::{Event, TargetDefinition};
use chrono::NaiveDate;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::run::could_not_know;
use crate::scored::{ScoresReadError, dates, partition, parts};

/// What a target of the project says about revenue.
#[derive(Debug, Clone, PartialEq)]
pub struct RevenueTarget {
    /// Its name, as in the columns of the scores.
    pub name: String,
    /// Length of its window.
    pub horizon_days: u32,
}

/// The targets that a forecast of revenue can be made from.
#[derive(Debug, Clone, PartialEq)]
pub struct RevenueTargets {
    /// That MRR ends; `None` where the project has none: then churn has the rates of the past.
    pub churn: Option<RevenueTarget>,
    /// That MRR rises; `None`: as above.
    pub expansion: Option<RevenueTarget>,
    /// From which ratio to the opening MRR on an account has expanded.
    pub ratio: f64,
    /// And by how much at least.
    pub min_absolute: f64,
}

impl Default for RevenueTargets {
    fn default() -> Self {
        Self { churn: None, expansion: None, ratio: 1.05, min_absolute: 0.0 }
    }
}

impl RevenueTargets {
    /// The first target of each kind. Targets that are read from usage say nothing about MRR and are left out.
    #[must_use]
    pub fn of(targets: &[TargetDefinition]) -> Self {
        let mut found = Self::default();
        for target in targets {
            let named = || Some(RevenueTarget { name: target.name.clone(), horizon_days: target.horizon_days });
            match target.event {
                Event::SubscriptionEnd if found.churn.is_none() => found.churn = named(),
                Event::MrrIncrease { ratio, min_absolute } if found.expansion.is_none() => {
                    found.expansion = named();
                    (found.ratio, found.min_absolute) = (ratio, min_absolute);
                }
                _ => {}
            }
        }
        found
    }
}

/// Probabilities of a date, by the account's place in [`Facts::accounts`].
#[derive(Debug, Clone, PartialEq)]
pub struct Probabilities {
    as_of: NaiveDate,
    /// Not a number where the account is not scored.
    churn: Vec<f32>,
    expansion: Vec<f32>,
}

impl Probabilities {
    /// From one pair per account of the facts, in their order: churn and expansion, `None` where it is not known.
    #[must_use]
    pub fn new(as_of: NaiveDate, accounts: impl Iterator<Item = (Option<f64>, Option<f64>)>) -> Self {
        let mut found = Self { as_of, churn: Vec::new(), expansion: Vec::new() };
        for (churn, expansion) in accounts {
            found.churn.push(stored(churn));
            found.expansion.push(stored(expansion));
        }
        found
    }

    /// Reads the scores of a date below `out`. Accounts that the facts do not have are left out.
    ///
    /// # Errors
    /// [`ScoresReadError`].
    pub fn read(
        out: &Path,
        as_of: NaiveDate,
        facts: &Facts,
        targets: &RevenueTargets,
    ) -> Result<Self, ScoresReadError> {
        let mut found = Self::new(as_of, std::iter::repeat_n((None, None), facts.accounts.len()));
        for part in parts(&partition(out, as_of))? {
            found.read_part(&part, facts, targets)?;
        }
        Ok(found)
    }

    /// The date.
    #[must_use]
    pub fn as_of(&self) -> NaiveDate {
        self.as_of
    }

    /// Probability that MRR ends.
    pub(crate) fn churn(&self, account: usize) -> Option<f64> {
        known(&self.churn, account)
    }

    /// Probability that MRR rises.
    pub(crate) fn expansion(&self, account: usize) -> Option<f64> {
        known(&self.expansion, account)
    }

    fn read_part(&mut self, path: &Path, facts: &Facts, targets: &RevenueTargets) -> Result<(), ScoresReadError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| ScoresReadError::Io { path: name.clone(), source })?;
        let damaged = |found: String| ScoresReadError::Damaged { path: name.clone(), found };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
        let column = |target: &Option<RevenueTarget>| {
            target.as_ref().map(|target| format!("{}_probability", target.name)).unwrap_or_default()
        };
        let (churn, expansion) = (column(&targets.churn), column(&targets.expansion));
        let wanted = ["account_id", &churn, &expansion];
        let fields = builder.schema().fields().iter().enumerate();
        let places: Vec<usize> =
            fields.filter(|(_, field)| wanted.contains(&field.name().as_str())).map(|(place, _)| place).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), places);
        let reader = builder.with_projection(mask).build().map_err(|error| damaged(error.to_string()))?;
        for batch in reader {
            let batch = batch.map_err(|error| damaged(error.to_string()))?;
            fill(&mut self.churn, &name, &batch, &churn, facts)?;
            fill(&mut self.expansion, &name, &batch, &expansion, facts)?;
        }
        Ok(())
    }
}

/// Past dates with scores whose model could not know what came of them, latest first: the labels of the last date that it learned
/// from, `label_days` long, were over by then, as the manifest of their last run tells. When a date was scored does not matter:
/// the same model says the same of it on any day. At most `most`, at least `spacing_days` apart, none after `last`.
///
/// # Errors
/// [`ScoresReadError::Io`].
pub fn timely_dates(
    out: &Path,
    last: NaiveDate,
    label_days: u32,
    spacing_days: u32,
    most: usize,
) -> Result<Vec<NaiveDate>, ScoresReadError> {
    let mut found: Vec<NaiveDate> = Vec::new();
    for date in dates(out)?.into_iter().rev().filter(|date| *date <= last) {
        let apart = found.last().is_none_or(|later| (*later - date).num_days() >= i64::from(spacing_days));
        if found.len() < most && apart && could_not_know(out, date, label_days) {
            found.push(date);
        }
    }
    Ok(found)
}

fn fill(
    values: &mut [f32],
    path: &str,
    batch: &RecordBatch,
    column: &str,
    facts: &Facts,
) -> Result<(), ScoresReadError> {
    if column.is_empty() {
        return Ok(());
    }
    let wrong = |column: &str, expected: &'static str| ScoresReadError::Column {
        path: path.to_owned(),
        column: column.to_owned(),
        expected,
        found: batch.column_by_name(column).map_or("none".to_owned(), |found| found.data_type().to_string()),
    };
    let ids = batch.column_by_name("account_id").and_then(|ids| ids.as_string_opt::<i32>());
    let ids = ids.ok_or_else(|| wrong("account_id", "text"))?;
    let numbers = batch.column_by_name(column).and_then(|numbers| numbers.as_primitive_opt::<Float64Type>());
    let numbers = numbers.ok_or_else(|| wrong(column, "64-bit numbers"))?;
    for row in 0..batch.num_rows() {
        let place = facts.accounts.binary_search_by(|account| account.as_str().cmp(ids.value(row)));
        if let Ok(place) = place {
            values[place] = stored(numbers.is_valid(row).then(|| numbers.value(row)));
        }
    }
    Ok(())
}

/// What is no probability is not known.
#[expect(clippy::cast_possible_truncation, reason = "a probability needs no more than a 32-bit float")]
fn stored(probability: Option<f64>) -> f32 {
    probability.filter(|p| (0.0..=1.0).contains(p)).map_or(f32::NAN, |p| p as f32)
}

fn known(values: &[f32], account: usize) -> Option<f64> {
    values.get(account).filter(|value| !value.is_nan()).map(|value| f64::from(*value))
}
