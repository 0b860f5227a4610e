//! The forecast, as a table.

use super::{Columns, Table, counts, numbers, small_counts, texts};
use crate::forecast::{BaseForecast, LEVELS, RevenueForecast};

/// Names of the quantiles, in the order of [`LEVELS`].
const QUANTILES: [&str; LEVELS.len()] = ["q05", "q10", "q25", "q50", "q75", "q90", "q95"];

/// `forecast.parquet`.
#[must_use]
pub fn tables(forecast: &BaseForecast) -> Vec<Table> {
    let rows = || forecast.rows.iter();
    let learned = |row: &RevenueForecast| forecast.learned.iter().find(|one| one.horizon_days == row.horizon_days);
    let mut columns: Columns = vec![
        ("measure", texts(rows().map(|row| row.measure.name()))),
        ("horizon_days", small_counts(rows().map(|row| row.horizon_days))),
        ("opening_mrr", numbers(rows().map(|_| Some(forecast.opening)))),
    ];
    for (place, name) in QUANTILES.into_iter().enumerate() {
        columns.push((name, numbers(rows().map(|row| Some(row.quantiles[place])))));
    }
    columns.extend([
        ("mean", numbers(rows().map(|row| Some(row.mean)))),
        ("summed_probabilities", numbers(rows().map(|row| Some(row.summed_probabilities)))),
        ("accounts", counts(rows().map(|_| forecast.accounts as u64))),
        ("scored_accounts", counts(rows().map(|_| forecast.scored_accounts as u64))),
        ("past_windows", counts(rows().map(|row| learned(row).map_or(0, |one| one.windows as u64)))),
        ("judged_scores", counts(rows().map(|row| learned(row).map_or(0, |one| one.judged_scores as u64)))),
        ("churn_shock", numbers(rows().map(|row| learned(row).map(|one| one.churn_shock)))),
        ("expansion_shock", numbers(rows().map(|row| learned(row).map(|one| one.expansion_shock)))),
        ("churn_shift", numbers(rows().map(|row| learned(row).map(|one| one.churn_shift)))),
        ("expansion_shift", numbers(rows().map(|row| learned(row).map(|one| one.expansion_shift)))),
    ]);
    vec![Table { name: "forecast", columns }]
}
