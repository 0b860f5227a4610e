//! What the selected learner's forecasts are made of, on rows that it had not seen.
//!
//! The models of the last judged refits, as the backtest left them or made again (the same bytes: fitting is
//! deterministic), explain each judged row exactly: Shapley values of the margin, turned into points of probability. The importance of an idea is the
//! mean over rows of the size of its effect.

use std::collections::BTreeMap;

use bellwether_features::label::Labels;
use bellwether_features::matrix::Column;
use bellwether_features::signal::Family;
use bellwether_models::drift::typical_values;
use bellwether_models::reasons::Explainer;
use bellwether_models::{DesignBlock, Explanation, FeatureBlock, SignalBook, Signature};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::backtest::TargetRun;
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::fold::{Fold, RollingOrigin};
use crate::insight::resample::{Estimate, Resamples, mean};
use crate::insight::stability::{ReasonStability, Told, compare, last_rows};
use crate::insight::{distinct, subject};
use crate::learner::LearnerKind;
use crate::learner::rows::account_lot;
use crate::policy::signal_cards;
use crate::refit::Refit;
use crate::settings::BacktestSettings;

/// Judged refits whose rows are explained, the latest ones. After a backtest that took them over from an earlier run, each
/// is fitted once more.
const MOST_REFITS: usize = 1;
/// About so many rows are explained at most; beyond it, those of a share of the accounts.
const MOST_ROWS: usize = 2_500;
/// Rows that a thread explains at a time.
const ROWS_AT_ONCE: usize = 64;
/// Ideas that are told.
const MOST_DRIVERS: usize = 15;

/// Rows with the points of probability that each signal gives them.
#[derive(Debug, Clone)]
pub(super) struct Explained {
    pub(super) learner: LearnerKind,
    /// Rows of the dataset.
    pub(super) rows: Vec<u32>,
    /// Account of each row.
    pub(super) accounts: Vec<u32>,
    /// Outcome of each row.
    pub(super) labels: Vec<bool>,
    /// By signal, then row.
    pub(super) effects: Vec<Vec<f64>>,
    /// Against the refit before.
    pub(super) stability: Option<ReasonStability>,
}

/// In which direction the outcome's probability goes as the signal rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Higher values go with a higher probability.
    Rises,
    /// Higher values go with a lower probability.
    Falls,
    /// Neither, or a category.
    Mixed,
}

/// One idea.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Driver {
    /// Signals that share it are one reason, e.g. `usage.events.change`.
    pub idea: String,
    /// Family.
    pub family: Family,
    /// The signal that weighs most in it.
    pub signal: String,
    /// That signal in words, without a value.
    pub text: String,
    /// Whether anyone can act on it.
    pub actionable: bool,
    /// Mean over rows of the size of its effect, in points of probability as a fraction.
    pub importance: Estimate,
    /// That, as a share of the sum over all ideas.
    pub share: f64,
    /// Direction of the signal that weighs most.
    pub movement: Movement,
}

/// What drives one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drivers {
    /// The learner whose forecasts are explained.
    pub learner: LearnerKind,
    /// Rows explained, all judged out of time.
    pub rows: usize,
    /// Their accounts.
    pub accounts: usize,
    /// The ideas that weigh most, largest first; empty for a learner that reads no signal.
    pub ideas: Vec<Driver>,
    /// Ideas with any effect at all.
    pub ideas_with_effect: usize,
    /// Share of each family, largest first.
    pub families: Vec<(Family, f64)>,
}

/// Explains the judged rows of the last refits.
pub(super) fn explain(
    dataset: &Dataset,
    labels: &Labels,
    settings: &BacktestSettings,
    learner: LearnerKind,
    run: &TargetRun,
) -> Result<Explained, TrainError> {
    let cut = RollingOrigin::new(dataset, labels, settings);
    let cut = cut.map_err(|source| TrainError::Fold { target: run.target.clone(), source })?;
    let folds = &cut.judged[cut.judged.len().saturating_sub(MOST_REFITS)..];
    let all: usize = folds.iter().map(|fold| fold.test().len()).sum();
    let share = MOST_ROWS as f64 / all as f64;
    let lot = |row: &u32| account_lot(settings.seed ^ 0xE4, dataset.accounts()[*row as usize]);
    let mut explained = Explained {
        learner,
        rows: Vec::new(),
        accounts: Vec::new(),
        labels: Vec::new(),
        effects: vec![Vec::new(); dataset.signals().len()],
        stability: None,
    };
    let context = Context { dataset, labels, settings, learner, run };
    for fold in folds {
        let rows: Vec<u32> = fold.test().iter().copied().filter(|row| share >= 1.0 || lot(row) < share).collect();
        if !rows.is_empty() {
            context.explain_fold(fold, rows, &mut explained)?;
        }
    }
    if let [.., earlier, later] = cut.judged.as_slice()
        && later.is_in_time()
        && !explained.rows.is_empty()
    {
        explained.stability = context.stability([earlier, later], &explained)?;
    }
    Ok(explained)
}

/// What is explained.
struct Context<'a> {
    dataset: &'a Dataset,
    labels: &'a Labels,
    settings: &'a BacktestSettings,
    learner: LearnerKind,
    run: &'a TargetRun,
}

impl Context<'_> {
    /// Explains rows with the model of a fold, made again; the block is theirs under that model's encoder.
    fn with_refit(
        &self,
        fold: &Fold,
        rows: &[u32],
    ) -> Result<Option<(Signature, FeatureBlock, Vec<Explanation>)>, TrainError> {
        let learner = self.learner;
        let Some(predictions) = self.run.predictions.iter().find(|one| one.learner == learner) else { return Ok(None) };
        let refit = Refit::new(self.dataset, self.labels, fold, self.settings);
        let margin = match self.run.latest.margin(learner, fold.refit()) {
            Some(margin) => margin.clone(),
            None => refit.margin(learner).map_err(|source| refit.learn_error(source))?,
        };
        // Of all that was predicted out of time, a refit reads what was known at its date: what it read in the backtest.
        let (calibration, _) = refit.calibration(learner, &predictions.out_of_time)?;
        let model = refit.model(learner, margin, calibration)?;
        let signature = refit.encoder().signature();
        let fail = |cause: bellwether_models::ModelError| refit.model_error(learner, cause);
        let explainer = Explainer::new(signature, &model.head).map_err(fail)?;
        let block = refit.encoder().block(self.dataset, rows);
        let design = DesignBlock::new(signature, &block).map_err(fail)?;
        let positions: Vec<usize> = (0..rows.len()).collect();
        let parts: Vec<_> = positions
            .par_chunks(ROWS_AT_ONCE)
            .map(|rows| explainer.explain_rows(&design, rows))
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        Ok(Some((signature.clone(), block, parts.into_iter().flatten().collect())))
    }

    fn explain_fold(&self, fold: &Fold, rows: Vec<u32>, explained: &mut Explained) -> Result<(), TrainError> {
        let Some((_, _, explanations)) = self.with_refit(fold, &rows)? else { return Ok(()) };
        let predictions = self.run.predictions.iter().find(|one| one.learner == self.learner);
        let probabilities = predictions.map_or(&[][..], |one| &one.probability).iter().copied();
        let judged: BTreeMap<u32, f64> = self.run.rows.iter().copied().zip(probabilities).collect();
        for (row, explanation) in rows.iter().zip(explanations) {
            check_same(*row, judged.get(row).copied(), explanation.probability)?;
            for (column, effect) in explained.effects.iter_mut().zip(explanation.effects) {
                column.push(effect);
            }
        }
        explained.accounts.extend(rows.iter().map(|row| self.dataset.accounts()[*row as usize]));
        explained.labels.extend(rows.iter().map(|row| self.labels.values[*row as usize] == Some(true)));
        explained.rows.extend(rows);
        Ok(())
    }

    /// The strongest reasons of the explained accounts under both refits.
    fn stability(&self, folds: [&Fold; 2], explained: &Explained) -> Result<Option<ReasonStability>, TrainError> {
        let rows: Vec<u32> = last_rows(&explained.accounts).into_iter().map(|at| explained.rows[at]).collect();
        let [earlier, later] = folds;
        let (Some(before), Some(after)) = (self.with_refit(earlier, &rows)?, self.with_refit(later, &rows)?) else {
            return Ok(None);
        };
        // What is typical is a matter of the accounts, not of the refit: the same for both.
        let fail = |cause: bellwether_models::ModelError| TrainError::Mismatch {
            field: "signature of the explained rows",
            expected: "that of the refit".to_owned(),
            found: cause.to_string(),
        };
        let typical = typical_values(&after.0, &after.1).map_err(fail)?;
        let cards = signal_cards(self.dataset, &typical);
        let told = |fold: &Fold, signature| (fold.refit().to_string(), SignalBook::new(signature, &cards));
        let (refit, book) = told(earlier, &before.0);
        let earlier = Told { refit, book, block: &before.1, explanations: &before.2 };
        let (refit, book) = told(later, &after.0);
        let later = Told { refit, book, block: &after.1, explanations: &after.2 };
        Ok(compare(&earlier, &later))
    }
}

/// Contributions are added up in another order than leaves are, and a calibrator may be steep.
const SAME_PROBABILITY: f64 = 1e-6;

/// What is explained must be what was judged.
fn check_same(row: u32, judged: Option<f64>, explained: f64) -> Result<(), TrainError> {
    match judged {
        Some(judged) if (judged - explained).abs() <= SAME_PROBABILITY => Ok(()),
        _ => Err(TrainError::Mismatch {
            field: "probability of an explained row",
            expected: judged.map_or_else(|| format!("row {row} among the judged rows"), |judged| judged.to_string()),
            found: explained.to_string(),
        }),
    }
}

/// The ideas that weigh most.
pub(super) fn drivers(dataset: &Dataset, explained: &Explained, seed: u64) -> Drivers {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, signal) in dataset.signals().iter().enumerate() {
        members.entry(signal.idea.as_str()).or_default().push(index);
    }
    let sizes: Vec<(&str, Vec<usize>, Vec<f64>)> = members
        .into_iter()
        .map(|(idea, members)| {
            let size = |row: usize| members.iter().map(|signal| explained.effects[*signal][row]).sum::<f64>().abs();
            let sizes = (0..explained.rows.len()).map(size).collect();
            (idea, members, sizes)
        })
        .collect();
    let mean_size = |sizes: &[f64]| sizes.iter().sum::<f64>() / sizes.len().max(1) as f64;
    let total: f64 = sizes.iter().map(|(_, _, sizes)| mean_size(sizes)).sum();
    let mut order: Vec<usize> = (0..sizes.len()).filter(|one| mean_size(&sizes[*one].2) > 0.0).collect();
    order.sort_by(|a, b| mean_size(&sizes[*b].2).total_cmp(&mean_size(&sizes[*a].2)).then(a.cmp(b)));
    let mut of_family: BTreeMap<Family, f64> = BTreeMap::new();
    for idea in &order {
        let (_, members, size) = &sizes[*idea];
        *of_family.entry(dataset.signals()[members[0]].family).or_default() += mean_size(size) / total;
    }
    let mut families: Vec<(Family, f64)> = of_family.into_iter().collect();
    families.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let resamples = Resamples::new(&explained.accounts, seed);
    let ideas = order.iter().take(MOST_DRIVERS).filter_map(|idea| {
        let (name, members, size) = &sizes[*idea];
        let importance = resamples.estimate(|weights| mean(size.iter().copied().zip(weights.iter().copied())))?;
        let strongest = strongest(explained, members);
        let signal = &dataset.signals()[strongest];
        Some(Driver {
            idea: (*name).to_owned(),
            family: signal.family,
            signal: signal.name.clone(),
            text: subject(signal),
            actionable: signal.actionable,
            share: importance.value / total,
            importance,
            movement: movement(dataset, explained, strongest),
        })
    });
    Drivers {
        learner: explained.learner,
        rows: explained.rows.len(),
        accounts: distinct(explained.accounts.iter().copied()),
        ideas: ideas.collect(),
        ideas_with_effect: order.len(),
        families,
    }
}

/// The member with the largest mean size of effect; the first of equals.
fn strongest(explained: &Explained, members: &[usize]) -> usize {
    let weight = |signal: usize| explained.effects[signal].iter().map(|effect| effect.abs()).sum::<f64>();
    let mut best = members[0];
    for member in members {
        if weight(*member) > weight(best) {
            best = *member;
        }
    }
    best
}

/// Correlation of the effect with the rank of the value above which a direction is told.
const LEAST_CORRELATION: f64 = 0.4;

fn movement(dataset: &Dataset, explained: &Explained, signal: usize) -> Movement {
    let Column::Numeric(values) = &dataset.matrix().columns[signal] else { return Movement::Mixed };
    let known = explained.rows.iter().zip(&explained.effects[signal]);
    let mut pairs: Vec<(f32, f64)> = known.map(|(row, effect)| (values[*row as usize], *effect)).collect();
    pairs.retain(|(value, _)| !value.is_nan());
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Equal values share the mean of their ranks.
    let mut ranked: Vec<(f64, f64)> = Vec::with_capacity(pairs.len());
    let mut start = 0;
    for group in pairs.chunk_by(|a, b| a.0 == b.0) {
        let rank = start as f64 + (group.len() - 1) as f64 / 2.0;
        ranked.extend(group.iter().map(|(_, effect)| (rank, *effect)));
        start += group.len();
    }
    match correlation(&ranked) {
        Some(r) if r >= LEAST_CORRELATION => Movement::Rises,
        Some(r) if r <= -LEAST_CORRELATION => Movement::Falls,
        _ => Movement::Mixed,
    }
}

fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let count = pairs.len() as f64;
    let (x, y) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / count, y + pair.1 / count));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for pair in pairs {
        xx += (pair.0 - x).powi(2);
        yy += (pair.1 - y).powi(2);
        xy += (pair.0 - x) * (pair.1 - y);
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}
