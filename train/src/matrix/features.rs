//! A matrix of tonight's accounts as a feature file, so that the scorer can read it and compare definitions.

use std::collections::BTreeMap;
use std::path::Path;

use bellwether_features::matrix::{Column, DateCounts, FILE_FORMAT, FeatureMatrix, FeatureMetadata};
use chrono::NaiveDate;

use super::error::MatrixError;
use super::table::Table;
use super::{inputs, roles, row_order};

/// Reads a matrix without an outcome: every column but that of the account becomes a signal of `as_of`. Columns that a model
/// does not ask for, such as the target of training, do no harm. Notes name what was left out.
///
/// # Errors
/// [`MatrixError`], also for an account that occurs twice.
pub fn feature_matrix(
    path: &Path,
    account: &String,
    as_of: NaiveDate,
) -> Result<(FeatureMatrix, FeatureMetadata, Vec<String>), MatrixError> {
    let table = Table::with_roles(path, &[("--account", account)])?;
    let ids = roles::accounts(&table, account)?;
    let dates = vec![as_of; table.rows];
    let order = row_order(&table, Some(&ids), Some(&dates))?;
    let mut notes = table.notes.clone();
    let (signals, columns) = inputs(&table, &order, &mut notes)?;
    debug_assert!(columns.iter().all(|column: &Column| column.len() == order.len()));
    let account_ids = order.iter().map(|row| ids[*row].clone()).collect();
    let matrix = FeatureMatrix { account_ids, as_of: dates, signals, columns };
    let rows = matrix.len();
    let metadata = FeatureMetadata {
        format: FILE_FORMAT,
        as_of: vec![as_of],
        definitions: matrix.signals.iter().map(|signal| (signal.name.clone(), signal.digest())).collect(),
        accounts_given: rows,
        ineligible: 0,
        quarantined: 0,
        missing_tables: Vec::new(),
        table_ages_hours: BTreeMap::new(),
        dates: vec![DateCounts { as_of, rows, ineligible: 0 }],
    };
    Ok((matrix, metadata, notes))
}
