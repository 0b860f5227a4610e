//! What the page and the card say in the same words: how rows were judged, at what capacity, and what is not to be said.

use super::format::{count, number, percent};
use crate::insight::{ObservedStep, Shape, Threshold};
use crate::learner::LearnerKind;
use crate::spacing::UNEVEN;
use crate::summary::{BacktestSummary, CalibrationSource, LearnerSummary, TargetSummary, Witness};

/// How rows without dates were judged.
pub(crate) fn on_others(witness: Witness) -> String {
    format!("each predicted by a model that was fitted on other {}; time was not tested", witness.many())
}

/// The calls of a team: "40 accounts a week, 174 a month".
pub(crate) fn capacity(summary: &BacktestSummary) -> String {
    let week = format!("{} accounts a week", count(summary.accounts_per_week as usize));
    let Some(calls) = summary.calls_per_date else {
        return format!("{} accounts on each date", count(summary.accounts_per_week as usize));
    };
    let calls = count(calls as usize);
    match summary.score_every.as_str() {
        _ if !summary.is_dated() => format!("{week}, one week's calls out of all tested rows"),
        "week" => week,
        UNEVEN => format!("{week}, {calls} from one date to the next"),
        every if every.contains(' ') => format!("{week}, {calls} every {every}"),
        every => format!("{week}, {calls} a {every}"),
    }
}

/// How often rows were observed, to follow on "accounts": ", observed every month". Nothing where there is one date.
pub(crate) fn observed(summary: &BacktestSummary, target: &TargetSummary) -> String {
    match (dates(target), summary.score_every.as_str()) {
        (0 | 1, _) => String::new(),
        (_, UNEVEN) => ", observed at uneven intervals".to_owned(),
        (_, every) => format!(", observed every {every}"),
    }
}

/// Dates judged.
fn dates(target: &TargetSummary) -> usize {
    target.learners.first().map_or(0, |one| one.by_date.len())
}

/// "9 dates from 2025-01-31 to 2025-09-30", "one date, 2025-01-31".
pub(crate) fn dates_judged(target: &TargetSummary) -> String {
    match dates(target) {
        0 => format!("dates from {} to {}", target.test_from, target.test_to),
        1 => format!("one date, {}", target.test_from),
        number => format!("{} dates from {} to {}", count(number), target.test_from, target.test_to),
    }
}

/// What the probabilities of the judged refits were calibrated on, in a sentence.
pub(crate) fn calibrated_on(summary: &BacktestSummary) -> String {
    let found: Vec<(&str, Calibrations)> =
        summary.targets.iter().map(|one| (one.definition.name.as_str(), Calibrations::of(one))).collect();
    if found.iter().all(|(_, one)| one.on_held_out_accounts == 0) {
        return "Probabilities are calibrated on what earlier refits had predicted.".to_owned();
    }
    let held_out = summary.witness().held_out();
    let sentences = found.iter().map(|(target, one)| match (one.on_held_out_accounts, one.all) {
        (0, _) => format!("Probabilities of {target} are calibrated on what earlier refits had predicted."),
        (some, all) if some == all => format!(
            "Probabilities of {target} are calibrated on {held_out} ({} of {} refits): too few outcomes had been predicted \
             before.",
            count(some),
            count(all)
        ),
        (some, all) => format!(
            "Probabilities of {target} are calibrated on what earlier refits had predicted, but at {} of {} refits on \
             {held_out}: too few outcomes had been predicted before.",
            count(some),
            count(all)
        ),
    });
    sentences.collect::<Vec<_>>().join(" ")
}

/// Where the calibrators of the selected learner came from, over the judged refits.
pub(crate) struct Calibrations {
    pub(crate) on_held_out_accounts: usize,
    pub(crate) all: usize,
}

impl Calibrations {
    pub(crate) fn of(target: &TargetSummary) -> Self {
        let of_refits = target.refits.iter().flat_map(|refit| &refit.learners);
        let sources = of_refits
            .filter(|one| one.learner == target.selected)
            .filter_map(|one| one.calibration.as_ref().map(|record| record.source));
        let (mut on_held_out_accounts, mut all) = (0, 0);
        for source in sources {
            all += 1;
            on_held_out_accounts += usize::from(source == CalibrationSource::AccountFolds);
        }
        Self { on_held_out_accounts, all }
    }
}

/// Whether it puts the accounts of a date into any order. A base rate does not: what its pooled ROC AUC, lift and precision
/// show is that the rate moved from date to date, or from fold to fold.
pub(crate) fn ranks_accounts(learner: &LearnerSummary) -> bool {
    let mut within = learner.by_date.iter().filter_map(|date| date.metrics.roc_auc).peekable();
    learner.learner != LearnerKind::BaseRate && (within.peek().is_none() || within.any(|auc| auc != 0.5))
}

/// That it does not rank, in a sentence.
pub(crate) fn does_not_rank(learner: LearnerKind, dated: bool, witness: Witness) -> String {
    let (same, moved) = if dated { ("date", "dates") } else { ("fold", "folds") };
    let many = witness.many();
    format!(
        "{learner} gives all {many} of a {same} one probability, so it does not rank {many}; its ROC AUC, lift, precision \
         and recall only show that the rate differs between {moved}."
    )
}

/// The step of a shape, where what is printed of it bears it out: outcomes that differ as printed, beyond chance, and in the
/// direction of the effect.
pub(crate) fn told_step(shape: &Shape) -> Option<&Threshold> {
    shape.threshold.as_ref().filter(|step| {
        let differs = percent(step.observed_below, 1) != percent(step.observed_above, 1);
        let is_sure = step.observed_difference.is_some_and(|difference| difference.excludes(0.0));
        let agrees = (step.observed_below > step.observed_above) == (step.change.value > 0.0);
        differs && is_sure && agrees && number(100.0 * step.change.value.abs(), 1) != number(0.0, 1)
    })
}

/// Where the outcomes of a shape change by themselves, where the two sides differ as printed.
pub(crate) fn told_observed_step(shape: &Shape) -> Option<&ObservedStep> {
    shape.observed_step.as_ref().filter(|step| percent(step.below, 1) != percent(step.above, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insight::Estimate;

    fn shape(below: f64, above: f64, change: f64, difference: Option<[f64; 2]>) -> Shape {
        let estimate = |value: f64, low: f64, high: f64| Estimate { value, low, high };
        let threshold = Threshold {
            value: estimate(1.0, 1.0, 1.0),
            text: "1".to_owned(),
            text_low: "1".to_owned(),
            text_high: "1".to_owned(),
            change: estimate(change, change, change),
            observed_below: below,
            observed_above: above,
            observed_difference: difference.map(|[low, high]| estimate(below - above, low, high)),
            values: None,
        };
        let (signal, text) = ("s".to_owned(), "s".to_owned());
        Shape { signal, text, numeric: true, bins: Vec::new(), threshold: Some(threshold), observed_step: None }
    }

    #[test]
    fn no_step_is_told_that_its_own_numbers_belie() {
        assert!(told_step(&shape(0.06, 0.04, 0.01, Some([0.01, 0.03]))).is_some());
        for (why, wrong) in [
            ("the rates are printed alike", shape(0.043_2, 0.042_9, 0.01, Some([0.000_1, 0.000_5]))),
            ("the rates go the other way", shape(0.072, 0.106, 0.008, Some([-0.05, -0.02]))),
            ("chance is not excluded", shape(0.045, 0.048, -0.024, Some([-0.01, 0.004]))),
            ("an older version did not ask", shape(0.06, 0.04, 0.01, None)),
            ("the effect is printed as 0.0", shape(0.06, 0.04, 0.000_2, Some([0.01, 0.03]))),
        ] {
            assert!(told_step(&wrong).is_none(), "{why}");
        }
    }
}
