//! What was found, in sentences: on the page and on the model's card.

use std::fmt::Write;

use super::format::{count, number, percent, with_interval};
use super::measures::yardstick;
use super::words::{capacity, does_not_rank, on_others, ranks_accounts, told_observed_step, told_step};
use crate::insight::{FamilyComparison, Insights, Outcome, TargetInsights, Threshold};
use crate::learner::LearnerKind;
use crate::measure::Metric;
use crate::summary::{BacktestSummary, LearnerSummary, TargetSummary, Witness};

/// What was found for one target, in a paragraph.
#[must_use]
pub fn verdict(target: &TargetSummary) -> String {
    let name = &target.definition.name;
    let Some(best) = target.learner(target.selected) else { return format!("{name}: no learner was judged.") };
    let (metrics, intervals) = (&best.metrics, best.intervals.as_ref());
    let interval = |metric: Metric| intervals.and_then(|all| all.get(metric));
    let when = if target.is_dated() {
        format!(" from {} to {}", target.test_from, target.test_to)
    } else {
        format!(", {}", on_others(target.witness))
    };
    let (bar, whose) = yardstick(target, best);
    let mut text = format!(
        "{name}: {} is used, with a log loss of {} against {} for {whose} on {} rows{when}. {} ({}) of them had the \
         outcome.",
        target.selected,
        with_interval(Some(metrics.log_loss), interval(Metric::LogLoss), 4),
        number(bar, 4),
        count(metrics.rows),
        count(metrics.positives),
        percent(metrics.base_rate, 1)
    );
    if !ranks_accounts(best) {
        let says = does_not_rank(target.selected, target.is_dated(), target.witness);
        let _ = write!(text, " {says} Do not choose {} by these forecasts.", target.witness.many());
        return text;
    }
    text.push_str(&ranking(best, target.witness));
    if metrics.log_loss >= bar {
        text.push_str(" That is no better than the base rate: do not act on these forecasts.");
    } else if !is_told_from_base_rate(target) {
        text.push_str(" It is not told apart from the base rate.");
    }
    text
}

/// How well it ranks, in two sentences.
fn ranking(best: &LearnerSummary, witness: Witness) -> String {
    let mut text = String::new();
    if let Some(auc) = best.metrics.roc_auc {
        let interval = best.intervals.as_ref().and_then(|all| all.get(Metric::RocAuc));
        let auc = with_interval(Some(auc), interval, 3);
        let _ = write!(
            text,
            " Of two {}, one with the outcome and one without, it ranks the right one higher with a chance of {auc}.",
            witness.many()
        );
    }
    if let Some(lift) = best.metrics.lift_at_10_percent {
        let _ = write!(text, " The tenth it ranks highest holds {lift:.1} times as many as a random tenth.");
    }
    text
}

/// Whether the chosen learner is better than the base rate beyond doubt: on the same rows, where both were judged; else by
/// its own interval, which is wider.
fn is_told_from_base_rate(target: &TargetSummary) -> bool {
    let mut pairs = target.comparisons.iter();
    if let Some(pair) = pairs.find(|pair| pair.learner == target.selected && pair.simpler == LearnerKind::BaseRate) {
        return pair.is_better;
    }
    target.learner(target.selected).is_some_and(|chosen| {
        let interval = chosen.intervals.as_ref().and_then(|all| all.get(Metric::LogLoss));
        interval.is_none_or(|one| one.high < yardstick(target, chosen).0)
    })
}

/// What a team that calls up to its capacity finds.
pub(super) fn at_capacity(summary: &BacktestSummary, target: &TargetSummary) -> Option<String> {
    let metrics = &target.learner(target.selected).filter(|best| ranks_accounts(best))?.metrics;
    let (precision, recall) = metrics.precision_at_capacity.zip(metrics.recall_at_capacity)?;
    let those =
        if summary.is_dated() { "those of highest probability on each date" } else { "those of highest probability" };
    let mut text = format!(
        "A team that calls {}, {those}, reaches {} of those with the outcome; {} of its calls go to such {}, against {} of \
         random ones.",
        capacity(summary),
        percent(recall, 0),
        percent(precision, 0),
        target.witness.many(),
        percent(metrics.base_rate, 0)
    );
    if let Some(mrr) = metrics.mrr_captured {
        let _ = write!(text, " They hold {} of the MRR in question.", percent(mrr, 0));
    }
    Some(text)
}

/// What drives a target, in a sentence.
pub(super) fn drivers(insights: &Insights, target: &str) -> Option<String> {
    let told = insights.target(target)?;
    let names: Vec<&str> = told.drivers.ideas.iter().take(3).map(|driver| driver.text.as_str()).collect();
    let mut text = match names.as_slice() {
        [] => return None,
        [one] => format!("What moves the forecast most: {one}."),
        [most @ .., last] => format!("What moves the forecast most: {}, and {last}.", most.join(", ")),
    };
    text.push_str(&where_it_changes(told));
    Some(text)
}

/// The first value at which effect and outcomes change, in a sentence; else the first at which the outcomes by themselves do.
fn where_it_changes(told: &TargetInsights) -> String {
    let rates = |below: f64, above: f64| [below, above].map(|share| percent(share, 1));
    if let Some((shape, step)) = told.shapes.iter().find_map(|shape| Some((shape, told_step(shape)?))) {
        let [below, above] = rates(step.observed_below, step.observed_above);
        return if let Threshold { values: Some([lower, upper]), .. } = step {
            format!(
                " Where “{}” is {upper}, {above} of the rows had the outcome, where it is {lower}, {below}.",
                shape.text
            )
        } else {
            format!(
                " The largest step is at {} of “{}”: below it {below} of the rows had the outcome, from it on {above}.",
                step.text, shape.text
            )
        };
    }
    let alone = told.shapes.iter().find_map(|shape| Some((shape, told_observed_step(shape)?)));
    let Some((shape, step)) = alone else { return String::new() };
    let [below, above] = rates(step.below, step.above);
    if let Some([lower, upper]) = &step.values {
        return format!(
            " Taken alone: where “{}” is {upper}, {above} of the rows had the outcome, where it is {lower}, {below}.",
            shape.text
        );
    }
    format!(
        " Taken alone, outcomes change most at {} of “{}”: below it {below} of the rows had the outcome, from it on {above}.",
        step.text, shape.text
    )
}

/// Whether depth of use or breadth of adoption tells more of a target, in a sentence.
pub(super) fn depth_or_breadth(outcome: Outcome, found: &FamilyComparison) -> String {
    let (low, high) = (number(found.difference.low.abs(), 3), number(found.difference.high.abs(), 3));
    let what = match outcome {
        Outcome::Loss => "who leaves",
        Outcome::Growth => "who grows",
    };
    let (depth, breadth) = (number(found.depth.value, 3), number(found.breadth.value, 3));
    let figures = format!("ROC AUC {depth} against {breadth}");
    if found.difference.low > 0.0 {
        format!(
            "Here depth of use tells more of {what} than breadth of adoption does: {figures}, {low} to {high} apart."
        )
    } else if found.difference.high < 0.0 {
        format!(
            "Here breadth of adoption tells more of {what} than depth of use does: ROC AUC {breadth} against {depth}, {high} \
             to {low} apart."
        )
    } else {
        format!("Depth of use ({depth}) and breadth of adoption ({breadth}) are not told apart here as to {what}.")
    }
}
