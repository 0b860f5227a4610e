//! What each family of signals knows by itself, out of time: does depth of use lead renewal here, and breadth of adoption
//! expansion?
//!
//! At every judged refit a logistic regression learns from the signals of one family alone and scores the rows up to the
//! next refit, as the backtest does with all of them. Families are compared by the chance that, on one date, an account
//! with the outcome scores above one without (ROC AUC within dates), so that a season moves no family up.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_features::label::Labels;
use bellwether_features::matrix::FeatureMatrix;
use bellwether_features::signal::Family;
use bellwether_models::scorer;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::fold::RollingOrigin;
use crate::insight::by_date;
use crate::insight::resample::{Estimate, Resamples, interval};
use crate::learner::LearnerKind;
use crate::learner::rows::account_lot;
use crate::refit::Refit;
use crate::settings::BacktestSettings;

/// With fewer rows of either outcome, nothing is compared.
const LEAST_OUTCOMES: usize = 25;

/// At most about so many accounts are judged, drawn by lot: what resampling them tells is sharp by then, and its time grows
/// with every row.
const MOST_ACCOUNTS: usize = 10_000;

/// Out-of-time scores of one family.
#[derive(Debug, Clone)]
pub(super) struct FamilyScores {
    pub(super) family: Family,
    pub(super) signals: usize,
    /// Judged rows, refit by refit; of [`MOST_ACCOUNTS`] accounts where there are more.
    pub(super) rows: Vec<u32>,
    pub(super) scores: Vec<f64>,
}

/// Depth of use against breadth of adoption for one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyComparison {
    /// ROC AUC of the signals of usage depth alone.
    pub depth: Estimate,
    /// Of adoption breadth alone.
    pub breadth: Estimate,
    /// Depth less breadth, on the same resamples.
    pub difference: Estimate,
    /// Number of signals of depth and of breadth.
    pub signals: [usize; 2],
    /// Rows judged.
    pub rows: usize,
    /// Rows with the outcome.
    pub positives: usize,
}

/// Scores of each family that has signals and outcomes enough to learn from.
pub(super) fn scores(
    dataset: &Dataset,
    labels: &Labels,
    settings: &BacktestSettings,
) -> Result<Vec<FamilyScores>, TrainError> {
    let target = &labels.target.name;
    let distinct: BTreeSet<u32> = dataset.accounts().iter().copied().collect();
    let share = MOST_ACCOUNTS as f64 / distinct.len().max(1) as f64;
    let is_judged = |row: &u32| account_lot(settings.seed, dataset.accounts()[*row as usize]) < share;
    let mut all = Vec::new();
    for family in Family::ALL {
        let Some(part) = of_family(dataset, labels, family)? else { continue };
        let cut = RollingOrigin::new(&part, labels, settings);
        let cut = cut.map_err(|source| TrainError::Fold { target: target.clone(), source })?;
        let mut scored = FamilyScores { family, signals: part.signals().len(), rows: Vec::new(), scores: Vec::new() };
        for fold in &cut.judged {
            let refit = Refit::new(&part, labels, fold, settings);
            // A family that cannot be learned from at a refit (nothing known yet, too few outcomes) says nothing there.
            let Ok(model) = refit.margin(LearnerKind::Logistic) else { continue };
            let rows: Vec<u32> = fold.test().iter().copied().filter(is_judged).collect();
            let block = refit.encoder().block(&part, &rows);
            let margins = scorer::margins(refit.encoder().signature(), &model, &block)
                .map_err(|cause| refit.model_error(LearnerKind::Logistic, cause))?;
            scored.rows.extend(rows);
            scored.scores.extend(margins);
        }
        if !scored.rows.is_empty() {
            all.push(scored);
        }
    }
    Ok(all)
}

/// The dataset with the signals of one family only; `None` where it has none.
fn of_family(dataset: &Dataset, labels: &Labels, family: Family) -> Result<Option<Dataset>, TrainError> {
    let matrix = dataset.matrix();
    let members = matrix.signals.iter().zip(&matrix.columns).filter(|(signal, _)| signal.family == family);
    let (signals, columns): (Vec<_>, Vec<_>) = members.map(|(signal, column)| (signal.clone(), column.clone())).unzip();
    if signals.is_empty() {
        return Ok(None);
    }
    let part = FeatureMatrix { account_ids: matrix.account_ids.clone(), as_of: matrix.as_of.clone(), signals, columns };
    Ok(Some(Dataset::new(part, vec![labels.clone()])?))
}

/// Compares two families on the rows that both scored; `None` where either outcome is too rare.
pub(super) fn compare(
    dataset: &Dataset,
    labels: &Labels,
    depth: &FamilyScores,
    breadth: &FamilyScores,
    seed: u64,
) -> Option<FamilyComparison> {
    let mut rows = Vec::new();
    let (mut of_depth, mut of_breadth) = (Vec::new(), Vec::new());
    let other: BTreeMap<u32, f64> = breadth.rows.iter().copied().zip(breadth.scores.iter().copied()).collect();
    for (row, score) in depth.rows.iter().zip(&depth.scores) {
        if let Some(breadth) = other.get(row) {
            rows.push(*row);
            of_depth.push(*score);
            of_breadth.push(*breadth);
        }
    }
    let happened: Vec<bool> = rows.iter().map(|row| labels.values[*row as usize] == Some(true)).collect();
    let positives = happened.iter().filter(|one| **one).count();
    if positives.min(rows.len() - positives) < LEAST_OUTCOMES {
        return None;
    }
    let dates: Vec<Vec<usize>> = by_date(dataset, &rows).into_values().collect();
    let depth_ranks = Ranked::new(&dates, &of_depth, &happened);
    let breadth_ranks = Ranked::new(&dates, &of_breadth, &happened);
    let accounts: Vec<u32> = rows.iter().map(|row| dataset.accounts()[*row as usize]).collect();
    let resamples = Resamples::new(&accounts, seed);
    let drawn = resamples.replicates(|weights| Some((depth_ranks.auc(weights)?, breadth_ranks.auc(weights)?)));
    let whole = vec![1.0; rows.len()];
    let value = (depth_ranks.auc(&whole)?, breadth_ranks.auc(&whole)?);
    let estimate = |of: fn((f64, f64)) -> f64| {
        let (low, high) = interval(drawn.iter().flatten().map(|pair| of(*pair)).collect())?;
        Some(Estimate { value: of(value), low, high })
    };
    Some(FamilyComparison {
        depth: estimate(|pair| pair.0)?,
        breadth: estimate(|pair| pair.1)?,
        difference: estimate(|pair| pair.0 - pair.1)?,
        signals: [depth.signals, breadth.signals],
        rows: rows.len(),
        positives,
    })
}

/// Rows of each group by ascending score, ready for any weights.
pub(super) struct Ranked {
    /// Per group: runs of rows of one score.
    groups: Vec<Vec<Vec<(usize, bool)>>>,
}

impl Ranked {
    pub(super) fn new(groups: &[Vec<usize>], scores: &[f64], happened: &[bool]) -> Self {
        let ranked = groups.iter().map(|rows| {
            let mut rows = rows.clone();
            rows.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(a.cmp(b)));
            let runs = rows.chunk_by(|a, b| scores[*a] == scores[*b]);
            runs.map(|run| run.iter().map(|row| (*row, happened[*row])).collect()).collect()
        });
        Self { groups: ranked.collect() }
    }

    /// Chance that a row with the outcome scores above one of the same group without; ties count half. `None` where no
    /// group has both.
    pub(super) fn auc(&self, weights: &[f64]) -> Option<f64> {
        let (mut won, mut pairs) = (0.0, 0.0);
        for group in &self.groups {
            let (mut without, mut with) = (0.0, 0.0);
            for run in group {
                let (mut run_with, mut run_without) = (0.0, 0.0);
                for (row, happened) in run {
                    if *happened { run_with += weights[*row] } else { run_without += weights[*row] }
                }
                won += run_with * (without + run_without / 2.0);
                without += run_without;
                with += run_with;
            }
            pairs += with * without;
        }
        (pairs > 0.0).then(|| won / pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::rows::account_lot;

    #[test]
    fn auc_within_groups_is_the_share_of_pairs_won() {
        for seed in 0..20 {
            let lot = |index: u32| account_lot(seed, index);
            let scores: Vec<f64> = (0..60).map(|row| (lot(row) * 8.0).floor()).collect();
            let happened: Vec<bool> = (0..60).map(|row| lot(100 + row) < 0.3).collect();
            let weights: Vec<f64> = (0..60).map(|row| (lot(200 + row) * 3.0).floor()).collect();
            let groups: Vec<Vec<usize>> =
                (0..3).map(|group| (0..60).filter(|row| row % 3 == group).collect()).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for group in &groups {
                for a in group.iter().filter(|row| happened[**row]) {
                    for b in group.iter().filter(|row| !happened[**row]) {
                        let weight = weights[*a] * weights[*b];
                        pairs += weight;
                        won += weight
                            * if scores[*a] > scores[*b] {
                                1.0
                            } else if scores[*a] == scores[*b] {
                                0.5
                            } else {
                                0.0
                            };
                    }
                }
            }
            let found = Ranked::new(&groups, &scores, &happened).auc(&weights).unwrap();
            assert!((found - won / pairs).abs() < 1e-12);
        }
        assert_eq!(Ranked::new(&[vec![0, 1]], &[1.0, 2.0], &[true, true]).auc(&[1.0, 1.0]), None);
    }
}
