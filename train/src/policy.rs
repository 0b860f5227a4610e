//! The policy of a new bundle: what turns its probabilities into bands, health and value.
//!
//! Nothing here looks at an outcome except through out-of-time predictions. The rules, all of them:
//!
//! - Roles are given to inputs that exist: MRR `mrr`; usage depth `usage_events_28d`, else `usage_active_days_28d`;
//!   satisfaction `nps_latest_score`; usage recency `usage_days_since_last`. No input, no role, null column.
//! - A band `high` begins where the selected learner's out-of-time probabilities have their highest 5 %, or as many as the
//!   team can call per observation date if that is more, but at most 10 %. `medium` begins at the highest 20 %.
//! - Usage is deep from the median of the training rows. Satisfaction is high from 7: on the NPS scale 0 to 6 are
//!   detractors, 7 and 8 passives, 9 and 10 promoters.
//! - Value is high from an annual 50,000 and medium from 10,000 (the contract's enterprise and mid-market), as MRR.
//! - A usage recency beyond the largest in training is stale. If fewer than 10 training rows, or fewer than 0.1 % of
//!   them, had no use known at all, nothing was learned of such a row, and it is not scored (`NO_HISTORY`). More than a
//!   quarter of the known numbers outside the training range is outside training.

use std::collections::BTreeMap;

use bellwether_features::signal::{Direction, SignalDefinition, Unit};
use bellwether_models::policy::{BandCutoffs, Policy, Roles};
use bellwether_models::{SignalCard, signals};

use crate::backtest::Backtest;
use crate::dataset::Dataset;

const USAGE_DEPTH: [&str; 2] = ["usage_events_28d", "usage_active_days_28d"];
const SATISFACTION_HIGH: f64 = 7.0;
const VALUE_HIGH_PER_YEAR: f64 = 50_000.0;
const VALUE_MEDIUM_PER_YEAR: f64 = 10_000.0;
const LEAST_ROWS_WITHOUT_USAGE: usize = 10;
const LEAST_SHARE_WITHOUT_USAGE: f64 = 0.001;
/// docs/calibration.md has the measurement behind these two.
const MOST_SHARE_OUTSIDE_TRAINING: f64 = 0.15;
const MOST_RANGES_OUTSIDE_TRAINING: f64 = 5.0;
const HIGH_SHARE: f64 = 0.05;
const MOST_HIGH_SHARE: f64 = 0.10;
const MEDIUM_SHARE: f64 = 0.20;

/// The policy that the training rows and the backtest call for. `rows`: training rows of any target.
#[must_use]
pub fn policy(dataset: &Dataset, rows: &[u32], backtest: &Backtest) -> Policy {
    let named = |name: &str| dataset.numeric(name).map(|_| name.to_owned());
    let roles = Roles {
        mrr: named("mrr"),
        usage_depth: USAGE_DEPTH.iter().find_map(|name| named(name)),
        satisfaction: named("nps_latest_score"),
        usage_recency: named("usage_days_since_last"),
    };
    let values = |role: &Option<String>| role.as_ref().and_then(|name| known_values(dataset, name, rows));
    let recency = values(&roles.usage_recency);
    let depth = values(&roles.usage_depth);
    let has_mrr = roles.mrr.is_some();
    let requires_usage = recency.as_ref().is_some_and(|known| requires_usage(rows.len() - known.len(), rows.len()));
    Policy {
        bands: bands(dataset, backtest),
        usage_depth_high: depth.and_then(median),
        satisfaction_high: roles.satisfaction.as_ref().map(|_| SATISFACTION_HIGH),
        value_medium_mrr: has_mrr.then_some(VALUE_MEDIUM_PER_YEAR / 12.0),
        value_high_mrr: has_mrr.then_some(VALUE_HIGH_PER_YEAR / 12.0),
        max_usage_recency_days: recency.and_then(|known| known.into_iter().reduce(f32::max)).map(f64::from),
        requires_usage,
        max_share_outside_training: MOST_SHARE_OUTSIDE_TRAINING,
        max_ranges_outside_training: Some(MOST_RANGES_OUTSIDE_TRAINING),
        mean_expansion_uplift: mean_uplift(dataset),
        roles,
    }
}

/// Whether an account without any known use is beyond what training saw.
fn requires_usage(rows_without: usize, rows: usize) -> bool {
    rows_without < LEAST_ROWS_WITHOUT_USAGE || (rows_without as f64) < LEAST_SHARE_WITHOUT_USAGE * rows as f64
}

/// What a reader is told about each input. `typical`: median of each input over the training rows, in the same order.
#[must_use]
pub fn signal_cards(dataset: &Dataset, typical: &[Option<f64>]) -> Vec<SignalCard> {
    let typical = typical.iter().copied().chain(std::iter::repeat(None));
    dataset.signals().iter().zip(typical).map(|(signal, typical)| card(signal, typical)).collect()
}

fn card(signal: &SignalDefinition, typical: Option<f64>) -> SignalCard {
    let family = serde_json::to_value(signal.family).ok().and_then(|value| value.as_str().map(str::to_owned));
    SignalCard {
        name: signal.name.clone(),
        family: family.unwrap_or_default(),
        idea: signal.idea.clone(),
        unit: unit(signal.unit),
        window_days: signal.window_days,
        text: signal.text.clone(),
        null_text: signal.null_text.clone(),
        churn: direction(signal.churn),
        expansion: direction(signal.expansion),
        actionable: signal.actionable,
        typical,
    }
}

pub(crate) fn unit(unit: Unit) -> signals::Unit {
    match unit {
        Unit::Count => signals::Unit::Count,
        Unit::Days => signals::Unit::Days,
        Unit::DaysAhead => signals::Unit::DaysAhead,
        Unit::Share => signals::Unit::Share,
        Unit::RelativeChange => signals::Unit::RelativeChange,
        Unit::Difference => signals::Unit::Difference,
        Unit::SignedShare => signals::Unit::SignedShare,
        Unit::Money => signals::Unit::Money,
        Unit::Score => signals::Unit::Score,
        Unit::Ratio => signals::Unit::Ratio,
        Unit::Flag => signals::Unit::Flag,
        Unit::Category => signals::Unit::Category,
    }
}

fn direction(direction: Direction) -> signals::Direction {
    match direction {
        Direction::Up => signals::Direction::Up,
        Direction::Down => signals::Direction::Down,
        Direction::Unknown => signals::Direction::Unknown,
    }
}

/// Values that are known, in row order; `None` for a category or an unknown name.
fn known_values(dataset: &Dataset, name: &str, rows: &[u32]) -> Option<Vec<f32>> {
    let values = dataset.numeric(name)?;
    Some(rows.iter().map(|row| values[*row as usize]).filter(|value| value.is_finite()).collect())
}

/// The lower median; `None` of nothing.
fn median(mut values: Vec<f32>) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = (values.len() - 1) / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    Some(f64::from(*median))
}

fn bands(dataset: &Dataset, backtest: &Backtest) -> BTreeMap<String, BandCutoffs> {
    let mut bands = BTreeMap::new();
    for (target, run) in backtest.summary.targets.iter().zip(&backtest.runs) {
        let Some(predictions) = run.predictions.iter().find(|one| one.learner == target.selected) else { continue };
        let mut dates: Vec<i32> = run.rows.iter().map(|row| dataset.as_of_days()[*row as usize]).collect();
        dates.dedup();
        let per_date = run.rows.len() as f64 / dates.len().max(1) as f64;
        let called = f64::from(backtest.summary.accounts_per_week) / per_date;
        let high_share = called.clamp(HIGH_SHARE, MOST_HIGH_SHARE);
        let mut sorted = predictions.probability.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let (Some(high), Some(medium)) = (highest(&sorted, high_share), highest(&sorted, MEDIUM_SHARE)) else {
            continue;
        };
        bands.insert(run.target.clone(), BandCutoffs { medium, high });
    }
    bands
}

/// The least value of the highest share of a descending list.
fn highest(descending: &[f64], share: f64) -> Option<f64> {
    let count = (share * descending.len() as f64).ceil() as usize;
    descending.get(count.saturating_sub(1)).copied()
}

/// Mean relative uplift of the rows that expanded, over the targets that know it.
fn mean_uplift(dataset: &Dataset) -> Option<f64> {
    let known: Vec<f64> = dataset
        .labels()
        .iter()
        .flat_map(|labels| labels.uplift.iter().flatten())
        .map(|uplift| f64::from(*uplift))
        .collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

#[cfg(test)]
mod tests {
    use bellwether_features::catalog::Workflow;
    use bellwether_features::{Availability, Catalogue, CatalogueSettings};
    use bellwether_models::reasons::{sentence, write_value};

    use super::*;

    #[test]
    fn accounts_without_use_are_scored_once_training_saw_enough_of_them() {
        for (without, rows, required) in
            [(0, 500, true), (9, 500, true), (10, 500, false), (10, 20_000, true), (20, 20_000, false), (0, 0, true)]
        {
            assert_eq!(requires_usage(without, rows), required, "{without} of {rows}");
        }
    }

    /// Every signal of the catalogue as a reason tells it: typical values, 0, 1 and null.
    fn told() -> Vec<(String, Vec<String>)> {
        let one = || vec!["x".to_owned()];
        let declared = CatalogueSettings {
            features: one(),
            advanced: one(),
            integrations: one(),
            value_moments: one(),
            complaint_categories: one(),
            how_to_categories: one(),
            workflows: vec![Workflow { name: "publish".to_owned(), steps: vec!["x".to_owned(), "y".to_owned()] }],
            ..CatalogueSettings::default()
        };
        let definitions = Catalogue::new(&Availability::full(), &declared).definitions();
        let told = definitions.iter().map(|definition| {
            let card = card(definition, None);
            let typical: &[f64] = match definition.unit {
                Unit::Share | Unit::SignedShare | Unit::RelativeChange => &[-0.28, 0.28, 0.0, 1.0],
                Unit::Flag => &[0.0, 1.0],
                Unit::Category => &[],
                _ => &[-2.0, 12.4, 0.0, 1.0],
            };
            let values = typical.iter().map(|value| write_value(card.unit, *value));
            let levels = (definition.unit == Unit::Category).then(|| "rising".to_owned());
            let mut texts: Vec<String> = values.chain(levels).map(|value| sentence(&card, Some(&value))).collect();
            texts.push(sentence(&card, None));
            (definition.name.clone(), texts)
        });
        told.collect()
    }

    /// To read them all: `cargo test --release --workspace every_text_reads -- --nocapture`.
    #[test]
    #[allow(clippy::print_stdout, reason = "so that they can be read")]
    fn every_text_reads_as_a_sentence_without_holes() {
        for (name, texts) in told() {
            for text in &texts {
                println!("{name}: {text}");
                assert!(!text.contains("...") && !text.contains('{') && !text.contains('}'), "{name}: {text}");
                assert!(!text.contains("  ") && text.trim() == text && !text.is_empty(), "{name}: `{text}`");
            }
            let null = texts.last().map_or("", String::as_str);
            let dangling = [" in: ", " of: ", " for: ", " is: ", " at: ", ": : "];
            assert!(!dangling.iter().any(|end| null.contains(end)), "{name}: {null}: give it a null_text");
            assert!(!null.starts_with("of ") && !null.starts_with(':'), "{name}: {null}: give it a null_text");
        }
    }

    #[test]
    fn medians_and_shares() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
        let descending: Vec<f64> = (0..100).rev().map(|value| f64::from(value) / 100.0).collect();
        assert_eq!(highest(&descending, 0.05), Some(0.95));
        assert_eq!(highest(&descending, 0.20), Some(0.80));
        assert_eq!(highest(&[0.3], 0.05), Some(0.3));
    }
}
