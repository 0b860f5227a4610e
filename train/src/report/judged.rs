//! How good the forecasts were: learners, calibration, gain, precision, time, age, groups, refits.

use super::curves::{by_age, gain, over_time, precision_recall, reliability};
use super::format::{Table, count, known, number, percent, with_interval};
use super::measures::every_measure;
use super::words::{does_not_rank, ranks_accounts};
use crate::learner::LearnerKind;
use crate::measure::Metric;
use crate::summary::{CalibrationSource, GroupedBy, LearnerSummary, PairedComparison, TargetSummary, Witness};
use bellwether_page::escape_html;
use bellwether_page::svg::Figures;

/// All sections of one target.
pub(super) fn sections(target: &TargetSummary, figures: &mut Figures) -> String {
    let mut html = learners(target);
    if let Some(best) = target.learner(target.selected) {
        html.push_str(&format!("<h3>How well {} forecasts</h3>\n<div class=\"figures\">\n", target.selected));
        html.push_str(&reliability(best, figures));
        if ranks_accounts(best) {
            html.push_str(&gain(best, target.witness, figures));
            html.push_str(&precision_recall(best, target.witness, figures));
        }
        html.push_str("</div>\n");
        if target.is_dated() {
            html.push_str("<h3>Over time, and as the model ages</h3>\n<div class=\"figures\">\n");
            html.push_str(&over_time(best, target.witness, figures));
            html.push_str(&by_age(best, target.witness, figures));
            html.push_str("</div>\n");
        }
        html.push_str(&every_measure(best, target.witness));
        html.push_str(&groups(best, target.witness));
    }
    html.push_str(&refits(target));
    html
}

fn learners(target: &TargetSummary) -> String {
    let figure = |learner: &LearnerSummary, metric: Metric, decimals: usize| {
        with_interval(
            learner.metrics.value(metric),
            learner.intervals.as_ref().and_then(|all| all.get(metric)),
            decimals,
        )
    };
    let share = |value: Option<f64>| value.map_or_else(|| known(None, 0), |share| percent(share, 0));
    let loss = target.learners.iter().map(|one| {
        let of = |metric, decimals| figure(one, metric, decimals);
        let (loss, auc) = (of(Metric::LogLoss, 4), of(Metric::RocAuc, 3));
        vec![one.learner.to_string(), loss, auc, of(Metric::AveragePrecision, 3), of(Metric::Brier, 4)]
    });
    let calls = target.learners.iter().map(|one| {
        let metrics = &one.metrics;
        vec![
            one.learner.to_string(),
            figure(one, Metric::CalibrationSlope, 2),
            figure(one, Metric::ObservedOverExpected, 2),
            known(metrics.lift_at_5_percent, 1),
            known(metrics.lift_at_10_percent, 1),
            share(metrics.precision_at_capacity),
            share(metrics.recall_at_capacity),
            share(metrics.mrr_captured),
        ]
    });
    let selected = target.learners.iter().position(|one| one.learner == target.selected);
    let many = target.witness.many();
    let title = if target.is_dated() {
        format!("Out of time, pooled over all test rows, with 95 % intervals over {many}")
    } else {
        format!("On held-out {many}, pooled over all rows, with 95 % intervals over {many}; time was not tested")
    };
    let mut table =
        Table::new(&title, &["Learner", "Log loss", "ROC AUC", "Average precision", "Brier"], loss.collect());
    table.selected = selected;
    let mut second = Table::new(
        "Calibration (1 is right), lift, and what calls up to capacity find",
        &["Learner", "Slope", "Observed / expected", "Lift 5 %", "Lift 10 %", "Precision", "Recall", "MRR captured"],
        calls.collect(),
    );
    second.selected = selected;
    let mut html = String::from("<h3>Learners compared</h3>\n");
    if !target.selected_because.is_empty() {
        html.push_str(&format!("<p>{}</p>\n", escape_html(&target.selected_because)));
    }
    html.push_str(&table.html());
    html.push_str(&base_rates(target));
    html.push_str(&second.html());
    for one in target.learners.iter().filter(|one| !ranks_accounts(one)) {
        let says = does_not_rank(one.learner, target.is_dated(), target.witness);
        html.push_str(&format!("<p class=\"note\">{}</p>\n", escape_html(&says)));
    }
    html.push_str(&comparisons(target));
    html
}

/// There are two base rates: the learner, which is calibrated as the others are, and the share among the training rows.
fn base_rates(target: &TargetSummary) -> String {
    let Some(best) = target.learner(target.selected) else { return String::new() };
    let interval = best.intervals.as_ref().and_then(|all| all.get(Metric::NullLogLoss));
    let learner = match target.learner(LearnerKind::BaseRate) {
        Some(_) => "<code>base_rate</code> is a learner: the base rate, calibrated as the others are. ",
        None => "",
    };
    format!(
        "<p class=\"note\">{learner}The base rate of each refit's training rows as it is, the training base rate, has a log \
         loss of {}.</p>\n",
        with_interval(Some(best.metrics.null_log_loss), interval, 4)
    )
}

/// What the interval of a difference says of the first of the two.
fn sureness(pair: &PairedComparison) -> &'static str {
    match pair.interval {
        Some(interval) if interval.high < 0.0 => "surely better",
        Some(interval) if interval.low > 0.0 => "surely worse",
        Some(_) | None => "not surely better",
    }
}

fn comparisons(target: &TargetSummary) -> String {
    if target.comparisons.is_empty() {
        return String::new();
    }
    let rows = target.comparisons.iter().map(|pair| {
        let interval = pair.interval.map_or_else(
            || format!("too few {}", target.witness.many()),
            |one| format!("{} to {}", number(one.low, 4), number(one.high, 4)),
        );
        let naive = pair.naive_interval;
        vec![
            format!("{} against {}", pair.learner, pair.simpler),
            number(pair.log_loss_difference, 4),
            interval,
            naive.map_or_else(|| known(None, 0), |one| format!("{} to {}", number(one.low, 4), number(one.high, 4))),
            sureness(pair).to_owned(),
        ]
    });
    let naive = target.witness.naive();
    Table::new(
        &format!("Difference of log loss on the same rows; below 0 the first is better. {naive}"),
        &["Pair", "Difference", "95 % interval", "Naive interval", "The first is"],
        rows.collect(),
    )
    .html()
}

fn groups(learner: &LearnerSummary, witness: Witness) -> String {
    if learner.by_group.is_empty() {
        return String::new();
    }
    let title = |by: GroupedBy| match by {
        GroupedBy::Segment => "segment",
        GroupedBy::Plan => "plan",
        GroupedBy::TenureCohort => "tenure",
        GroupedBy::Size => "size",
    };
    let rows = learner.by_group.iter().map(|group| {
        let interval = |metric: Metric| group.intervals.as_ref().and_then(|all| all.get(metric));
        let figure = |metric: Metric, decimals: usize| match &group.metrics {
            Some(metrics) => with_interval(metrics.value(metric), interval(metric), decimals),
            None => "too few".to_owned(),
        };
        vec![
            format!("{}: {}", title(group.by), group.group),
            count(group.accounts),
            count(group.rows),
            percent(group.positives as f64 / group.rows.max(1) as f64, 1),
            figure(Metric::RocAuc, 3),
            figure(Metric::LogLoss, 4),
            figure(Metric::ObservedOverExpected, 2),
        ]
    });
    let many = witness.many();
    let caption = format!(
        "By segment, plan, tenure and size, with 95 % intervals over {many}. Fewer than ten {many} are in other"
    );
    let counted = if witness.is_account() { "Accounts" } else { "Counted as one" };
    let head = ["Group", counted, "Rows", "Had the outcome", "ROC AUC", "Log loss", "Observed / expected"];
    let table = Table::new(&caption, &head, rows.collect());
    format!("<h3>For whom it holds</h3>\n{}", table.html())
}

fn refits(target: &TargetSummary) -> String {
    let dated = target.is_dated();
    let rows = target.refits.iter().enumerate().map(|(fold, refit)| {
        let selected = refit.learners.iter().find(|one| one.learner == target.selected);
        let calibration = selected.and_then(|one| one.calibration.as_ref());
        let calibrated = calibration.map_or("warm-up".to_owned(), |record| match record.source {
            CalibrationSource::OutOfTime => format!("{} rows, {}", count(record.rows), record.method),
            CalibrationSource::AccountFolds if target.witness.is_account() => {
                format!("{} rows of held-out accounts", count(record.rows))
            }
            CalibrationSource::AccountFolds => format!("{} held-out rows", count(record.rows)),
        });
        let loss = selected.and_then(|one| one.metrics.as_ref()).map(|metrics| metrics.log_loss);
        let mut cells = vec![
            if dated { refit.refit.clone() } else { (fold + 1).to_string() },
            count(refit.training_rows),
            count(refit.training_positives),
        ];
        cells.extend(dated.then(|| refit.last_training_as_of.clone()));
        cells.extend([count(refit.test_rows), count(refit.test_positives), calibrated, known(loss, 4)]);
        cells
    });
    let many = target.witness.many();
    let folds = format!("Folds of {many}; each learned from the {many} of the others");
    let table = if dated {
        Table::new(
            "Refits; warm-up refits only feed the calibrator",
            &["Refit", "Learned from", "Outcomes", "Last row of", "Predicted", "Outcomes", "Calibrated on", "Log loss"],
            rows.collect(),
        )
    } else {
        Table::new(
            &folds,
            &["Fold", "Learned from", "Outcomes", "Predicted", "Outcomes", "Calibrated on", "Log loss"],
            rows.collect(),
        )
    };
    let every = if dated { "refit" } else { "fold" };
    format!("<details><summary>Every {every} of {}</summary>\n{}</details>\n", name(target.selected), table.html())
}

fn name(learner: LearnerKind) -> &'static str {
    learner.name()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample::Interval;

    #[test]
    fn a_difference_wholly_above_zero_is_surely_worse() {
        let pair = |ends: Option<[f64; 2]>| PairedComparison {
            learner: LearnerKind::Boosting,
            simpler: LearnerKind::Logistic,
            log_loss_difference: 0.0,
            interval: ends.map(|[low, high]| Interval { low, high }),
            naive_interval: None,
            is_better: ends.is_some_and(|[_, high]| high < 0.0),
        };
        assert_eq!(sureness(&pair(Some([0.000_9, 0.002_6]))), "surely worse");
        assert_eq!(sureness(&pair(Some([-0.002_6, -0.000_9]))), "surely better");
        assert_eq!([Some([-0.001, 0.001]), None].map(|ends| sureness(&pair(ends))), ["not surely better"; 2]);
    }
}
