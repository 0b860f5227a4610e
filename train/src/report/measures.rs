//! Every measure of the chosen learner, with its interval over accounts and the naive one beside it.

use super::format::{Table, known, number, percent};
use crate::learner::LearnerKind;
use crate::measure::Metric;
use crate::summary::{LearnerSummary, TargetSummary, Witness};

/// How a measure is written.
#[derive(Debug, Clone, Copy)]
enum Written {
    Number(usize),
    Share,
}

impl Written {
    fn text(self, value: f64) -> String {
        match self {
            Self::Number(decimals) => number(value, decimals),
            Self::Share => percent(value, 1),
        }
    }
}

/// Every measure, in the order of the table.
const MEASURES: [(Metric, &str, Written); 24] = [
    (Metric::BaseRate, "Share of the rows with the outcome", Written::Share),
    (Metric::RocAuc, "ROC AUC", Written::Number(3)),
    (Metric::AveragePrecision, "Average precision", Written::Number(3)),
    (Metric::LogLoss, "Log loss", Written::Number(4)),
    (Metric::LogLossMiscalibration, "Log loss: miscalibration", Written::Number(4)),
    (Metric::LogLossDiscrimination, "Log loss: discrimination", Written::Number(4)),
    (Metric::LogLossUncertainty, "Log loss: uncertainty", Written::Number(4)),
    (Metric::NullLogLoss, "Log loss of the base rate of the training rows", Written::Number(4)),
    (Metric::Brier, "Brier score", Written::Number(4)),
    (Metric::BrierMiscalibration, "Brier score: miscalibration", Written::Number(4)),
    (Metric::BrierDiscrimination, "Brier score: discrimination", Written::Number(4)),
    (Metric::BrierUncertainty, "Brier score: uncertainty", Written::Number(4)),
    (Metric::CalibrationSlope, "Calibration slope", Written::Number(2)),
    (Metric::CalibrationIntercept, "Calibration intercept", Written::Number(2)),
    (Metric::ObservedOverExpected, "Observed / expected", Written::Number(2)),
    (Metric::LiftAt5Percent, "Lift in the top 5 %", Written::Number(2)),
    (Metric::LiftAt10Percent, "Lift in the top 10 %", Written::Number(2)),
    (Metric::PrecisionAtCapacity, "Precision at capacity", Written::Share),
    (Metric::RecallAtCapacity, "Recall at capacity", Written::Share),
    (Metric::MrrCaptured, "MRR captured at capacity", Written::Share),
    (Metric::MrrWeightedLogLoss, "Log loss, weighted by MRR", Written::Number(4)),
    (Metric::MrrWeightedRocAuc, "ROC AUC, weighted by MRR", Written::Number(3)),
    (Metric::MrrWeightedAveragePrecision, "Average precision, weighted by MRR", Written::Number(3)),
    (Metric::MrrWeightedObservedOverExpected, "Observed / expected, weighted by MRR", Written::Number(2)),
];

/// The measures that the rows give.
pub(super) fn every_measure(learner: &LearnerSummary, witness: Witness) -> String {
    let ends = |written: &Written, low: f64, high: f64| format!("{} to {}", written.text(low), written.text(high));
    let rows = MEASURES.iter().filter_map(|(metric, name, written)| {
        let value = learner.metrics.value(*metric)?;
        let interval = learner.intervals.as_ref().and_then(|all| all.get(*metric));
        let naive = interval.and_then(|one| one.naive);
        Some(vec![
            (*name).to_owned(),
            written.text(value),
            interval.map_or_else(|| known(None, 0), |one| ends(written, one.low, one.high)),
            naive.map_or_else(|| known(None, 0), |one| ends(written, one.low, one.high)),
        ])
    });
    let caption = format!("Over all test rows. {}", witness.naive());
    let interval = format!("95 % interval over {}", witness.many());
    let head = ["Measure", "Value", interval.as_str(), "Naive interval"];
    let table = Table::new(&caption, &head, rows.collect());
    format!(
        "<h3>Every measure of {}</h3>\n<p>A loss is its miscalibration, less its discrimination, plus its uncertainty (CORP): \
         what recalibration would take off, what the recalibrated forecast knows, and what the share with the outcome leaves \
         open. Refinement is uncertainty less discrimination. Calibration is right at slope 1 and intercept 0.</p>\n{}",
        learner.learner,
        table.html()
    )
}

/// The log loss that a learner is held against, and whose it is: the base rate as a learner, where another was chosen; else
/// the base rate of the training rows as it is.
pub(super) fn yardstick(target: &TargetSummary, learner: &LearnerSummary) -> (f64, &'static str) {
    match target.learner(LearnerKind::BaseRate).filter(|judged| judged.learner != learner.learner) {
        Some(judged) => (judged.metrics.log_loss, "the learner base_rate (the base rate, calibrated)"),
        None => (learner.metrics.null_log_loss, "the base rate of the training rows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_measure_is_left_out_and_none_is_told_twice() {
        let told: BTreeSet<Metric> = MEASURES.iter().map(|(metric, ..)| *metric).collect();
        assert_eq!(told, Metric::ALL.into_iter().collect());
        let names: BTreeSet<&str> = MEASURES.iter().map(|(_, name, _)| *name).collect();
        assert_eq!(names.len(), MEASURES.len());
    }
}
