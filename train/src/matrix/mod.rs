//! A feature matrix that somebody else made: one Parquet or CSV file with a column that says what happened.
//!
//! Every column that has no role is an input of the model: numbers and flags are numeric signals, texts are categories. What
//! comes out is a [`Dataset`] like any other, so folds, refits, calibration and export are those of every other project.
//!
//! With a column of observation dates the backtest is a rolling origin as usual, and the purge needs to know how long
//! after its date a row's outcome was known: `horizon_days`, else the number at the end of the target's name
//! (`churn_90d`), else [`DEFAULT_HORIZON_DAYS`]. Without dates, rows are judged on held-out accounts (on held-out rows where
//! there are no accounts either), and every result says that time was not tested.

mod csv_file;
mod definition;
mod error;
mod features;
mod parquet_file;
mod roles;
mod table;

use std::path::Path;
use std::sync::Arc;

use bellwether_features::label::{Event, Labels, OutcomeTime, TargetDefinition};
use bellwether_features::matrix::{Column, FeatureMatrix};
use chrono::{Days, NaiveDate};

pub use self::definition::definition;
pub use self::error::MatrixError;
pub use self::features::feature_matrix;
use self::table::{Table, Values};
use crate::dataset::Dataset;
use crate::error::TrainError;

/// Days after its observation date on which a row's outcome is taken to be known, where nothing else says so.
pub const DEFAULT_HORIZON_DAYS: u32 = 90;

/// Share of the observation dates that lie before the first test, where no first test is given.
const SHARE_BEFORE_FIRST_TEST: f64 = 0.6;

/// What the columns of the file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixRoles {
    /// The outcome: 0/1, true/false or yes/no; empty where it is not known.
    pub target: String,
    /// Whose row it is; without it every row counts by itself, and every result says so.
    pub account: Option<String>,
    /// The day on which the row was observed; without it time is not tested.
    pub as_of: Option<String>,
    /// How much a row counts in training.
    pub weight: Option<String>,
    /// Days from the observation date until the outcome is known.
    pub horizon_days: Option<u32>,
}

/// A matrix, read.
#[derive(Debug)]
pub struct Matrix {
    /// Rows, inputs and labels.
    pub dataset: Dataset,
    /// Where the first test lies unless the user says otherwise.
    pub first_test: NaiveDate,
    /// What a user should know: columns left out, a horizon that was assumed.
    pub notes: Vec<String>,
}

/// Reads a matrix. The file's name decides: `.parquet`, `.csv` or `.csv.gz`.
///
/// # Errors
/// [`MatrixError`] names file, column and row, what was expected and what was found; never the value of a cell.
pub fn read(path: &Path, roles: &MatrixRoles) -> Result<Matrix, TrainError> {
    let mut table = Table::read(path, roles)?;
    let mut notes = table.notes.clone();
    let labels = roles::labels(&table, &roles.target)?;
    let accounts = roles.account.as_ref().map(|name| roles::accounts(&table, name)).transpose()?;
    let dates = roles.as_of.as_ref().map(|name| roles::dates(&table, name)).transpose()?;
    let weights = roles.weight.as_ref().map(|name| roles::weights(&table, name)).transpose()?;
    let order = row_order(&table, accounts.as_deref(), dates.as_deref())?;
    let account_ids: Vec<Arc<str>> = match &accounts {
        Some(ids) => order.iter().map(|row| Arc::clone(&ids[*row])).collect(),
        None => order.iter().map(|row| Arc::from(row_name(*row, table.rows))).collect(),
    };
    let as_of: Vec<NaiveDate> =
        order.iter().map(|row| dates.as_ref().map_or_else(NaiveDate::default, |dates| dates[*row])).collect();
    if accounts.is_none() {
        notes.extend(table.leave_out_ids());
    }
    let (signals, columns) = inputs(&table, &order, &mut notes)?;
    let target = target(roles, &mut notes);
    let values: Vec<Option<bool>> = order.iter().map(|row| labels[*row]).collect();
    let interval = Days::new(u64::from(target.label_interval_days()));
    let last = as_of.iter().zip(&values).filter(|(_, label)| label.is_some()).map(|(date, _)| *date).max();
    let known_before = last.and_then(|last| last.checked_add_days(interval)).ok_or_else(|| table.no_labels(roles))?;
    let first_test = first_test(&as_of, &values, target.label_interval_days());
    let uplift = vec![None; values.len()];
    let labels = vec![Labels { target, known_before, values, uplift }];
    let matrix = FeatureMatrix { account_ids, as_of, signals, columns };
    let dataset = if dates.is_some() { Dataset::new(matrix, labels)? } else { Dataset::undated(matrix, labels)? };
    let dataset = if accounts.is_some() { dataset } else { dataset.without_accounts() };
    let dataset = match weights {
        Some(weights) => dataset.with_weights(order.iter().map(|row| weights[*row]).collect())?,
        None => dataset,
    };
    Ok(Matrix { dataset, first_test, notes })
}

/// Rows by (date, account, place in the file).
///
/// # Errors
/// [`MatrixError::Row`] for an account that occurs twice on a date.
fn row_order(
    table: &Table,
    accounts: Option<&[Arc<str>]>,
    dates: Option<&[NaiveDate]>,
) -> Result<Vec<usize>, MatrixError> {
    let key = |row: &usize| (dates.map(|dates| dates[*row]), accounts.map(|ids| ids[*row].as_ref()), *row);
    let mut order: Vec<usize> = (0..table.rows).collect();
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    let same = |pair: &&[usize]| {
        let (a, b) = (key(&pair[0]), key(&pair[1]));
        a.0 == b.0 && a.1 == b.1
    };
    match order.windows(2).find(same).filter(|_| dates.is_some() && accounts.is_some()) {
        Some(pair) => Err(MatrixError::Row {
            path: table.path.clone(),
            column: "account and date".to_owned(),
            row: pair[1] as u64 + 1,
            expected: "each account once per observation date".to_owned(),
            found: format!("the account and date of row {} again", pair[0] + 1),
            hint: "keep one row per account and date".to_owned(),
        }),
        None => Ok(order),
    }
}

/// A name that sorts like the row's number.
fn row_name(row: usize, rows: usize) -> String {
    let width = rows.to_string().len();
    format!("row-{:0width$}", row + 1)
}

/// Definitions and values of every column without a role.
fn inputs(
    table: &Table,
    order: &[usize],
    notes: &mut Vec<String>,
) -> Result<(Vec<bellwether_features::signal::SignalDefinition>, Vec<Column>), MatrixError> {
    let (mut signals, mut columns) = (Vec::new(), Vec::new());
    for (name, values) in table.inputs() {
        let column = match values {
            Values::Numbers(values) => Column::Numeric(order.iter().map(|row| values[*row]).collect()),
            Values::Texts { levels, .. } if roles::are_dates(levels) => {
                notes.push(format!("column `{name}` holds dates and is left out"));
                continue;
            }
            Values::Texts { levels, codes } => {
                Column::category(levels, &order.iter().map(|row| codes[*row]).collect::<Vec<_>>())
            }
            Values::Dates(_) | Values::Other(_) => {
                notes.push(format!("column `{name}` holds {} and is left out", values.kind()));
                continue;
            }
        };
        signals.push(definition(name, matches!(column, Column::Category { .. })));
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(MatrixError::File {
            path: table.path.clone(),
            expected: "at least one column of numbers or texts beside target, account, date and weight".to_owned(),
            found: "none".to_owned(),
            hint: "a matrix has one row per account (and date) and one column per signal".to_owned(),
        });
    }
    Ok((signals, columns))
}

/// The target as the rest of the trainer knows it.
fn target(roles: &MatrixRoles, notes: &mut Vec<String>) -> TargetDefinition {
    let name = target_name(&roles.target);
    let horizon_days = match (roles.horizon_days.or_else(|| days_in_name(&name)), &roles.as_of) {
        (Some(days), _) => days,
        (None, None) => 0,
        (None, Some(_)) => {
            notes.push(format!(
                "outcomes are taken to be known {DEFAULT_HORIZON_DAYS} days after their date: give --horizon if it is longer"
            ));
            DEFAULT_HORIZON_DAYS
        }
    };
    TargetDefinition {
        text: format!("the column `{}` of the matrix says so", roles.target),
        name,
        event: Event::Given,
        time: OutcomeTime::Event,
        horizon_days,
        grace_days: 0,
        landing_delay_days: 0,
    }
}

/// The column's name as a target may be called: it becomes part of column names (`churn_90d_probability`).
#[must_use]
pub fn target_name(column: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    let name: String = column.chars().map(plain).collect();
    let name = name.trim_matches('_');
    if name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name.to_owned()
    } else {
        format!("target_{name}").trim_end_matches('_').to_owned()
    }
}

/// 90 of `churn_90d`.
fn days_in_name(name: &str) -> Option<u32> {
    let last = name.rsplit('_').next()?.strip_suffix('d')?;
    last.parse().ok().filter(|days| (1..=3_650).contains(days))
}

/// The date of the labelled rows that lies after [`SHARE_BEFORE_FIRST_TEST`] of their dates, or the first by which any
/// label was known if that is later.
fn first_test(as_of: &[NaiveDate], labels: &[Option<bool>], interval_days: u32) -> NaiveDate {
    let labelled = as_of.iter().zip(labels).filter(|(_, label)| label.is_some());
    let mut dates: Vec<NaiveDate> = labelled.map(|(date, _)| *date).collect();
    dates.sort_unstable();
    dates.dedup();
    let at = (SHARE_BEFORE_FIRST_TEST * dates.len() as f64) as usize;
    let wanted = dates.get(at).or(dates.last()).copied().unwrap_or_default();
    let known = dates.first().and_then(|first| first.checked_add_days(Days::new(u64::from(interval_days))));
    let earliest = known.and_then(|known| dates.iter().copied().find(|date| *date >= known));
    earliest.map_or(wanted, |earliest| wanted.max(earliest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_become_names_of_targets() {
        for (column, name) in [
            ("Churn", "churn"),
            ("default.payment.next month", "default_payment_next_month"),
            ("churn_90d", "churn_90d"),
            ("2nd", "target_2nd"),
            ("Über", "ber"),
            ("??", "target"),
        ] {
            assert_eq!(target_name(column), name);
        }
        assert_eq!(days_in_name("churn_90d"), Some(90));
        assert_eq!(days_in_name("expansion_60d"), Some(60));
        for name in ["churn", "churned", "churn_0d", "churn_d", "paid", "d"] {
            assert_eq!(days_in_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_first_test_leaves_something_to_learn_from() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let dates: Vec<NaiveDate> = (1..=10).map(|month| day(&format!("2025-{month:02}-01"))).collect();
        let labels = vec![Some(false); 10];
        assert_eq!(first_test(&dates, &labels, 90), day("2025-07-01"));
        assert_eq!(first_test(&dates, &labels, 250), day("2025-10-01"), "the first label is known on 8 September");
        assert_eq!(first_test(&dates[..1], &labels[..1], 90), day("2025-01-01"));
    }
}
