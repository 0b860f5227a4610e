//! Which learner is chosen, and why.
//!
//! From simple to rich, a learner takes over when it is better than the one chosen so far beyond doubt: the whole 95 %
//! interval of the difference of their log losses, from the same resampled accounts for both, lies below 0. Else the simpler
//! one stays, since it costs less to run, to explain and to mistrust, and nothing is known to be lost. It need not beat those
//! between the two: a middling learner that is itself no sure gain would then keep the base rate in place against a rich one
//! that is.

use rayon::prelude::*;

use crate::backtest::TargetRun;
use crate::dataset::Dataset;
use crate::learner::LearnerKind;
use crate::metric::calibration::log_loss_of;
use crate::resample::{Clusters, Draws, Interval, LEAST_ACCOUNTS, REPLICATES, difference_interval, kish};
use crate::summary::PairedComparison;

/// The chosen learner, with the evidence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selection {
    pub(crate) learner: LearnerKind,
    pub(crate) because: String,
    pub(crate) comparisons: Vec<PairedComparison>,
}

/// Compares and chooses; learners of `run` come from simple to rich.
pub(crate) fn select(dataset: &Dataset, run: &TargetRun, seed: u64) -> Selection {
    let accounts: Vec<u32> = run.rows.iter().map(|row| dataset.accounts()[*row as usize]).collect();
    let comparisons = compare(run, &accounts, seed);
    let kinds: Vec<LearnerKind> = run.predictions.iter().map(|one| one.learner).collect();
    let (learner, because) = choose(&kinds, &comparisons);
    Selection { learner, because, comparisons }
}

/// Log losses summed over the rows of each cluster, one column per learner, with rows and positive rows.
struct Losses {
    rows: Vec<f64>,
    positives: Vec<f64>,
    /// Cluster by cluster, learners within.
    losses: Vec<f64>,
    learners: usize,
}

impl Losses {
    fn new(run: &TargetRun, clusters: &Clusters) -> Self {
        let learners = run.predictions.len();
        let (rows, positives) = (vec![0.0; clusters.count()], vec![0.0; clusters.count()]);
        let mut sums = Self { rows, positives, losses: vec![0.0; clusters.count() * learners], learners };
        for (row, (cluster, label)) in clusters.of_row().iter().zip(&run.labels).enumerate() {
            let cluster = *cluster as usize;
            sums.rows[cluster] += 1.0;
            sums.positives[cluster] += f64::from(u8::from(*label));
            for (learner, predictions) in run.predictions.iter().enumerate() {
                sums.losses[cluster * learners + learner] += log_loss_of(*label, predictions.probability[row]);
            }
        }
        sums
    }

    /// Log loss of each learner in each replicate.
    fn replicates(&self, seed: u64) -> Vec<Vec<f64>> {
        let draws = Draws::new(seed, self.rows.len());
        let replicates = (0..REPLICATES).into_par_iter().map_init(Vec::new, |weights, replicate| {
            draws.fill(replicate, weights);
            let (mut rows, mut sums) = (0.0, vec![0.0; self.learners]);
            for (cluster, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
                let weight = f64::from(*weight);
                rows += weight * self.rows[cluster];
                for (sum, loss) in sums.iter_mut().zip(&self.losses[cluster * self.learners..]) {
                    *sum += weight * loss;
                }
            }
            sums.into_iter().map(|sum| sum / rows).collect()
        });
        replicates.collect()
    }

    fn mean(&self, learner: usize) -> f64 {
        let sum: f64 = self.losses.iter().skip(learner).step_by(self.learners).sum();
        sum / self.rows.iter().sum::<f64>()
    }

    /// Effective number of clusters behind the rarer outcome; `None` where they are too few to say anything.
    fn effective(&self) -> Option<f64> {
        let negatives = || self.rows.iter().zip(&self.positives).map(|(rows, positives)| rows - positives);
        let with_positive = self.positives.iter().filter(|count| **count > 0.0).count();
        let with_negative = negatives().filter(|count| *count > 0.0).count();
        let effective = kish(self.positives.iter().copied()).min(kish(negatives()));
        (with_positive.min(with_negative) >= LEAST_ACCOUNTS).then_some(effective)
    }
}

fn compare(run: &TargetRun, accounts: &[u32], seed: u64) -> Vec<PairedComparison> {
    let by_account = Losses::new(run, &Clusters::of(accounts));
    let by_row = Losses::new(run, &Clusters::each_alone(accounts.len()));
    let enough = by_account.effective().zip(by_row.effective());
    let replicates = enough.map(|_| (by_account.replicates(seed), by_row.replicates(seed)));
    let mut comparisons = Vec::new();
    for (richer, one) in run.predictions.iter().enumerate() {
        for (simpler, other) in run.predictions.iter().enumerate().take(richer) {
            let difference = by_account.mean(richer) - by_account.mean(simpler);
            let ends = |replicates: &[Vec<f64>], effective: f64| {
                let values: Vec<f64> = replicates.iter().map(|losses| losses[richer] - losses[simpler]).collect();
                difference_interval(difference, &values, effective)
            };
            let both = enough.zip(replicates.as_ref());
            let interval = both.and_then(|((effective, _), (replicates, _))| ends(replicates, effective));
            let naive_interval = both.and_then(|((_, effective), (_, replicates))| ends(replicates, effective));
            comparisons.push(PairedComparison {
                learner: one.learner,
                simpler: other.learner,
                log_loss_difference: difference,
                interval,
                naive_interval,
                is_better: interval.is_some_and(|interval| interval.high < 0.0),
            });
        }
    }
    comparisons
}

/// The learner that nobody richer takes over from.
fn choose(learners: &[LearnerKind], comparisons: &[PairedComparison]) -> (LearnerKind, String) {
    let Some((&simplest, richer)) = learners.split_first() else {
        return (LearnerKind::BaseRate, String::new());
    };
    let pair = |kind: LearnerKind, simpler: LearnerKind| {
        comparisons.iter().find(|one| one.learner == kind && one.simpler == simpler)
    };
    let (mut chosen, mut because) = (simplest, None);
    for &kind in richer {
        if let Some(evidence) = pair(kind, chosen).filter(|one| one.is_better) {
            (chosen, because) = (kind, Some(evidence));
        }
    }
    let mut text = match because {
        Some(one) => format!("{chosen} is better than {}: {}.", one.simpler, difference_text(one)),
        None if richer.is_empty() => format!("{chosen} is the only learner."),
        None => format!("{chosen} is the simplest learner, and no richer one is surely better."),
    };
    for one in richer.iter().filter(|kind| **kind > chosen).filter_map(|kind| pair(*kind, chosen)) {
        let is =
            if one.interval.is_some_and(|interval| interval.low > 0.0) { "surely worse" } else { "not surely better" };
        text.push_str(&format!(" {} is {is} than {chosen}: {}.", one.learner, difference_text(one)));
    }
    (chosen, text)
}

fn difference_text(one: &PairedComparison) -> String {
    match one.interval {
        Some(Interval { low, high }) => {
            format!("difference {:+.4}, 95 % interval {low:+.4} to {high:+.4}", one.log_loss_difference)
        }
        None => format!(
            "difference {:+.4}, with too few accounts of either outcome for an interval",
            one.log_loss_difference
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LearnerKind::{BaseRate, Boosting, HealthScore, Logistic};

    fn pair(learner: LearnerKind, simpler: LearnerKind, difference: f64, half: f64) -> PairedComparison {
        PairedComparison {
            learner,
            simpler,
            log_loss_difference: difference,
            interval: Some(Interval { low: difference - half, high: difference + half }),
            naive_interval: None,
            is_better: difference + half < 0.0,
        }
    }

    #[test]
    fn a_richer_learner_must_be_better_beyond_doubt() {
        let kinds = [BaseRate, HealthScore, Logistic, Boosting];
        let mut comparisons = vec![
            // Not surely better, and so no hurdle for those that are.
            pair(HealthScore, BaseRate, -0.01, 0.02),
            pair(Logistic, BaseRate, -0.04, 0.003),
            pair(Logistic, HealthScore, -0.03, 0.003),
            pair(Boosting, BaseRate, -0.041, 0.003),
            pair(Boosting, HealthScore, -0.031, 0.003),
            pair(Boosting, Logistic, -0.001, 0.002),
        ];
        let (chosen, because) = choose(&kinds, &comparisons);
        assert_eq!(chosen, Logistic);
        assert_eq!(
            because,
            "logistic is better than base_rate: difference -0.0400, 95 % interval -0.0430 to -0.0370. boosting is not surely \
             better than logistic: difference -0.0010, 95 % interval -0.0030 to +0.0010."
        );
        comparisons[5] = pair(Boosting, Logistic, 0.001_7, 0.000_8);
        let (chosen, because) = choose(&kinds, &comparisons);
        assert_eq!(chosen, Logistic);
        assert!(because.contains("boosting is surely worse than logistic: difference +0.0017"), "{because}");
        comparisons[5] = pair(Boosting, Logistic, -0.001, 0.000_9);
        assert_eq!(choose(&kinds, &comparisons).0, Boosting);
        // One between them that is no sure gain does not stand in the way of a sure one, even where it forecasts better still.
        let wider = [
            pair(HealthScore, BaseRate, -0.03, 0.031),
            pair(Logistic, BaseRate, -0.01, 0.002),
            pair(Logistic, HealthScore, 0.02, 0.03),
        ];
        assert_eq!(choose(&kinds[..3], &wider).0, Logistic);
        // Without intervals nothing is beyond doubt.
        for one in &mut comparisons {
            (one.interval, one.is_better) = (None, false);
        }
        let (chosen, because) = choose(&kinds, &comparisons);
        assert_eq!(chosen, BaseRate);
        assert!(because.contains("too few accounts"), "{because}");
        assert_eq!(choose(&[Logistic], &[]), (Logistic, "logistic is the only learner.".to_owned()));
    }
}
