//! How many weeks ahead of the outcome a single signal speaks: [`super::lead`] with the signal's own value as the score.
//!
//! All that is learned of a signal is which way it points, from the rows that the first judged refit learned from: the
//! direction in which its value told accounts with the outcome from others of the same date. Only signals that are numbers
//! have one. Where a value is not known, the row is not compared.

use std::collections::BTreeSet;

use bellwether_features::label::Labels;
use bellwether_features::matrix::Column;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::fold::{Fold, RollingOrigin};
use crate::insight::by_date;
use crate::insight::explain::Drivers;
use crate::insight::family::Ranked;
use crate::insight::lead::{LeadPoint, judge};
use crate::insight::resample::Estimate;
use crate::learner::rows::account_lot;
use crate::settings::BacktestSettings;

/// Signals that are looked at: those that lead the ideas that weigh most.
const MOST_SIGNALS: usize = 10;
/// At most about so many accounts are judged, drawn by lot: each signal costs as much as a family.
const MOST_ACCOUNTS: usize = 5_000;

/// One signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalLead {
    /// Signal.
    pub signal: String,
    /// In words, without a value.
    pub text: String,
    /// Whether higher values went with the outcome before.
    pub rises: bool,
    /// Ascending.
    pub points: Vec<LeadPoint>,
    /// As [`crate::insight::FamilyLead::lead_weeks`].
    pub lead_weeks: Option<Estimate>,
}

/// The leads of the signals that weigh most, in their order; none where rows have no dates, or do not say whose they are.
pub(super) fn signal_leads(
    dataset: &Dataset,
    labels: &Labels,
    settings: &BacktestSettings,
    drivers: &Drivers,
) -> Result<Vec<SignalLead>, TrainError> {
    if !dataset.is_dated() || !dataset.knows_accounts() || drivers.ideas.is_empty() {
        return Ok(Vec::new());
    }
    let cut = RollingOrigin::new(dataset, labels, settings);
    let cut = cut.map_err(|source| TrainError::Fold { target: labels.target.name.clone(), source })?;
    let Some(first) = cut.judged.first() else { return Ok(Vec::new()) };
    let distinct: BTreeSet<u32> = dataset.accounts().iter().copied().collect();
    let share = MOST_ACCOUNTS as f64 / distinct.len().max(1) as f64;
    let is_judged = |row: &u32| account_lot(settings.seed, dataset.accounts()[*row as usize]) < share;
    let judged: Vec<u32> = cut.judged.iter().flat_map(Fold::test).copied().filter(is_judged).collect();
    let leads = drivers.ideas.iter().take(MOST_SIGNALS).filter_map(|driver| {
        let index = dataset.signals().iter().position(|signal| signal.name == driver.signal)?;
        let Column::Numeric(values) = &dataset.matrix().columns[index] else { return None };
        let rises = rises(dataset, labels, first.training(), values)?;
        let sign = if rises { 1.0 } else { -1.0 };
        let scores: Vec<f64> = judged.iter().map(|row| sign * f64::from(values[*row as usize])).collect();
        let (points, lead_weeks) = judge(dataset, labels, &judged, &scores, settings.seed);
        let (signal, text) = (driver.signal.clone(), driver.text.clone());
        Some(SignalLead { signal, text, rises, points, lead_weeks })
    });
    Ok(leads.collect())
}

/// Whether accounts with the outcome had the higher values among those of the same date; `None` where nothing tells.
fn rises(dataset: &Dataset, labels: &Labels, rows: &[u32], values: &[f32]) -> Option<bool> {
    let known = |row: &u32| !values[*row as usize].is_nan() && labels.values[*row as usize].is_some();
    let rows: Vec<u32> = rows.iter().copied().filter(known).collect();
    let dates: Vec<Vec<usize>> = by_date(dataset, &rows).into_values().collect();
    let of_rows: Vec<f64> = rows.iter().map(|row| f64::from(values[*row as usize])).collect();
    let happened: Vec<bool> = rows.iter().map(|row| labels.values[*row as usize] == Some(true)).collect();
    Ranked::new(&dates, &of_rows, &happened).auc(&vec![1.0; rows.len()]).map(|auc| auc >= 0.5)
}
