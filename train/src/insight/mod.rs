//! What the outcomes of a business tell about it: what drives each target, which product features go with retention and
//! expansion, and how early each family of signals, and each signal that weighs most, speaks.
//!
//! Everything here is read from the judged rows of a backtest, whose models knew nothing from a row's date on, or from
//! mature labels. Every figure has a 95 % interval over accounts, since the rows of one account are not independent. None
//! of it says what would happen if someone changed a signal: these are associations, and the report says so.

mod adoption;
mod explain;
mod family;
mod lead;
mod resample;
mod shape;
mod signal_lead;
mod stability;

use std::collections::BTreeMap;

use bellwether_features::label::{Event, Labels};
use bellwether_features::signal::{Family, SignalDefinition};
use serde::{Deserialize, Serialize};

use crate::backtest::{Backtest, TargetRun};
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::settings::BacktestSettings;
use crate::summary::TargetSummary;

pub use adoption::{AdoptionEffect, FeatureRole, ProductAdoption, ProductFeature, ValueDrivers};
pub use explain::{Driver, Drivers, Movement};
pub use family::FamilyComparison;
pub use lead::{FamilyLead, LEAD_WEEKS, LeadPoint, ends_for_want_of_outcomes};
pub use resample::Estimate;
pub use shape::{ObservedStep, Shape, ShapeBin, Threshold};
pub use signal_lead::SignalLead;
pub use stability::ReasonStability;

/// What a target's outcome means for the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Something is lost: a subscription ends, use stops.
    Loss,
    /// Something grows: revenue, users, use.
    Growth,
}

impl Outcome {
    /// Reads the event of a target.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        match event {
            Event::SubscriptionEnd | Event::Inactivity => Self::Loss,
            _ => Self::Growth,
        }
    }
}

/// What one target tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetInsights {
    /// Target.
    pub target: String,
    /// Loss or growth.
    pub outcome: Outcome,
    /// What drives the forecasts of the selected learner.
    pub drivers: Drivers,
    /// How far the last two refits agree on the reasons of the same accounts; `None` where there are not two, or where
    /// there are no reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_stability: Option<ReasonStability>,
    /// Shape of the effect of the signals that matter most.
    pub shapes: Vec<Shape>,
    /// Depth of use against breadth of adoption; `None` where the business has not both, or too few outcomes.
    pub depth_and_breadth: Option<FamilyComparison>,
    /// How early each family speaks.
    pub leads: Vec<FamilyLead>,
    /// How early the signals that weigh most speak, each alone; absent in summaries of versions that did not look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signal_leads: Vec<SignalLead>,
}

/// One table that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableQuality {
    /// Canonical table.
    pub table: String,
    /// Rows that belong to it.
    pub rows: u64,
    /// Rows that break the contract and were left out.
    pub left_out: u64,
    /// Rows that repeat another exactly.
    pub duplicates: u64,
    /// Whether it says when each row became known, so that a past date can be replayed.
    pub replayable: bool,
    /// What its check said, worst first.
    pub messages: Vec<String>,
}

/// The tables behind a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataQuality {
    /// Tables that were read.
    pub tables: Vec<TableQuality>,
    /// Canonical tables that are not there; their signals are absent.
    pub missing_tables: Vec<String>,
}

/// Everything that the report says beyond the measures of the backtest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Insights {
    /// Resamples behind each interval that was not computed in closed form.
    pub resamples: usize,
    /// One per target, in the order of the backtest.
    pub targets: Vec<TargetInsights>,
    /// Product features; `None` without a usage table.
    pub value_drivers: Option<ValueDrivers>,
    /// The tables; whoever has read them fills this in.
    #[serde(default)]
    pub data: DataQuality,
}

impl Insights {
    /// What one target tells.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&TargetInsights> {
        self.targets.iter().find(|one| one.target == name)
    }
}

/// Analyses a backtest of `dataset`. `adoption`: which product features each row's account had used by then.
///
/// # Errors
/// [`TrainError::Mismatch`] when backtest or adoption belong to other rows; otherwise as [`crate::backtest::backtest`].
pub fn insights(
    dataset: &Dataset,
    settings: &BacktestSettings,
    backtest: &Backtest,
    adoption: Option<&ProductAdoption>,
) -> Result<Insights, TrainError> {
    if dataset.rows() != backtest.summary.rows {
        return Err(TrainError::Mismatch {
            field: "rows",
            expected: dataset.rows().to_string(),
            found: backtest.summary.rows.to_string(),
        });
    }
    let mut targets = Vec::with_capacity(backtest.runs.len());
    for ((labels, summary), run) in dataset.labels().iter().zip(&backtest.summary.targets).zip(&backtest.runs) {
        targets.push(target_insights(dataset, labels, settings, summary, run)?);
    }
    Ok(Insights {
        resamples: resample::REPLICATES,
        targets,
        value_drivers: adoption.map(|columns| adoption::value_drivers(dataset, columns)).transpose()?,
        data: DataQuality::default(),
    })
}

fn target_insights(
    dataset: &Dataset,
    labels: &Labels,
    settings: &BacktestSettings,
    summary: &TargetSummary,
    run: &TargetRun,
) -> Result<TargetInsights, TrainError> {
    let explained = explain::explain(dataset, labels, settings, summary.selected, run)?;
    let drivers = explain::drivers(dataset, &explained, settings.seed);
    let shapes = shape::shapes(dataset, &explained, &drivers, settings.seed);
    let scores = family::scores(dataset, labels, settings)?;
    let of = |wanted: Family| scores.iter().find(|one| one.family == wanted);
    let depth_and_breadth = match (of(Family::Usage), of(Family::Adoption)) {
        (Some(depth), Some(breadth)) => family::compare(dataset, labels, depth, breadth, settings.seed),
        _ => None,
    };
    let leads = scores.iter().map(|one| lead::lead(dataset, labels, one, settings.seed)).collect();
    let signal_leads = signal_lead::signal_leads(dataset, labels, settings, &drivers)?;
    Ok(TargetInsights {
        target: run.target.clone(),
        outcome: Outcome::of(&labels.target.event),
        drivers,
        reason_stability: explained.stability,
        shapes,
        depth_and_breadth,
        leads,
        signal_leads,
    })
}

/// The text of a signal without a value: what it is about. "events in the last 28 days: {value}" is "events in the last 28
/// days", "renewal in {value}" is "renewal in …".
fn subject(signal: &SignalDefinition) -> String {
    match signal.text.strip_suffix(": {value}") {
        Some(words) => words.to_owned(),
        None => signal.text.replace("{value}", "…"),
    }
}

/// Number of distinct values.
fn distinct(values: impl Iterator<Item = u32>) -> usize {
    let mut values: Vec<u32> = values.collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}

/// Rows of each observation date, by date.
fn by_date(dataset: &Dataset, rows: &[u32]) -> BTreeMap<i32, Vec<usize>> {
    let mut dates: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (position, row) in rows.iter().enumerate() {
        dates.entry(dataset.as_of_days()[*row as usize]).or_default().push(position);
    }
    dates
}
