//! `MODEL_CARD.md`: what the model is for, what it was made from, how well it does, and where it stops.
//!
//! In the form that Hugging Face reads: YAML front matter with a model index, then the sections of its template. Made from
//! the same summary as the report. Holds no account id and no clock time.

mod front;

use std::fmt::Write;

use crate::evaluate::MetricSet;
use crate::insight::{FeatureRole, Insights};
use crate::measure::Metric;
use crate::report::words::{Calibrations, capacity, does_not_rank, on_others, ranks_accounts};
use crate::report::{GLOSSARY_TITLE, verdict};
use crate::summary::{
    BacktestSummary, CalibrationRecord, CalibrationSource, GroupedBy, LearnerSummary, TargetSummary, Witness,
};
use crate::text::escape_markdown;

/// What the card says about one target beyond the backtest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CardTarget<'a> {
    pub(crate) summary: &'a TargetSummary,
    pub(crate) training_rows: usize,
    pub(crate) training_positives: usize,
    pub(crate) calibration: &'a CalibrationRecord,
}

/// The card.
pub(crate) fn model_card(name: &str, summary: &BacktestSummary, targets: &[CardTarget<'_>]) -> String {
    let mut card = front::matter(name, targets);
    add(&mut card, format_args!("# {}\n\n", escape_markdown(name)));
    for target in targets {
        add(&mut card, format_args!("{}\n\n", escape_markdown(&verdict(target.summary))));
    }
    add_details(&mut card, summary, targets);
    add_uses(&mut card);
    add_limits(&mut card, summary);
    add_training(&mut card, summary, targets);
    add_evaluation(&mut card, summary, targets);
    add_calibration(&mut card, targets);
    add_drivers(&mut card, summary);
    add_ethics(&mut card, summary);
    add_glossary(&mut card, summary);
    card
}

fn add_details(card: &mut String, summary: &BacktestSummary, targets: &[CardTarget<'_>]) {
    card.push_str("## Model details\n\n| target | learner | definition | label interval |\n|---|---|---|---|\n");
    for target in targets {
        let definition = &target.summary.definition;
        let interval = if target.summary.is_dated() {
            format!("{} days", definition.label_interval_days())
        } else {
            "rows have no dates".to_owned()
        };
        add(
            card,
            format_args!(
                "| {} | {} | {} | {interval} |\n",
                escape_markdown(&definition.name),
                target.summary.selected,
                escape_markdown(&definition.text),
            ),
        );
    }
    add(
        card,
        format_args!(
            "\nInputs: {} signals, in `signature.json` and `signals.json`. Output per account: a calibrated probability with \
             its uncertainty, and the reasons for it. Format: ONNX, run by `bellwether-infer` or any ONNX runtime. Made by \
             bellwether {}.\n\n```\nbellwether-infer score --bundle BUNDLE --input features.parquet --out out/\n```\n\n",
            summary.signals,
            env!("CARGO_PKG_VERSION")
        ),
    );
}

fn add_uses(card: &mut String) {
    card.push_str(
        "## Intended use\n\nTo rank the accounts of the business it was trained on by the probability of the outcomes above, \
         so that a team calls the right ones first. A probability is a forecast of what happens if nothing is changed; it \
         does not say what a call would achieve.\n\n### Out of scope\n\n- Other businesses: it knows one.\n- Decisions about \
         persons (credit, employment, prices for a person): it was made for accounts of companies and judged on nothing \
         else.\n- Accounts unlike those in training: the scorer marks them `not_scored`.\n- Proof of a cause: signals go with \
         outcomes.\n\n",
    );
}

fn add_limits(card: &mut String, summary: &BacktestSummary) {
    card.push_str(
        "## Limits\n\n- It knows the past of one business; a new price, product or market is not in it.\n\
         - Signals go with outcomes; whether changing a signal changes the outcome is another question, and takes an \
         experiment.\n\
         - Calls that the team made in the past are part of the past it learned from: where they kept accounts, their risk is \
         understated.\n\
         - It ages: look at the drift that each run of the scorer reports, and train again when it warns.\n",
    );
    card.push_str(if summary.is_dated() {
        "- Labels are built from what was known at the data end; facts that land later than the declared landing delay can make \
         a training label better informed than it could have been.\n"
    } else {
        "- Time was not tested: a forecast of the future is usually worse than what was judged here.\n"
    });
    for warning in &summary.warnings {
        add(card, format_args!("- `{}` {}\n", warning.code, escape_markdown(&warning.text)));
    }
    card.push('\n');
}

fn add_training(card: &mut String, summary: &BacktestSummary, targets: &[CardTarget<'_>]) {
    let (row, known) = if summary.is_dated() {
        let known = format!(
            "outcomes known before {}. A row enters training only when its whole label interval (horizon, grace and landing \
             delay) lies in the past",
            summary.data_end
        );
        (if summary.knows_accounts() { " (account and date)" } else { "" }, known)
    } else {
        ("", "no observation dates".to_owned())
    };
    add(
        card,
        format_args!(
            "## Training data\n\n{}, {} signals, {known}. Seed {}.\n\n\
             | target | rows learned from | with the outcome | mature rows without an outcome to compare |\n|---|---|---|---|\n",
            summary.witness().rows_of(&summary.rows.to_string(), row, &summary.accounts.to_string()),
            summary.signals,
            summary.seed
        ),
    );
    for target in targets {
        add(
            card,
            format_args!(
                "| {} | {} | {} | {} |\n",
                escape_markdown(&target.summary.definition.name),
                target.training_rows,
                target.training_positives,
                target.summary.mature_rows_without_label
            ),
        );
    }
    card.push('\n');
    let Some(data) = summary.insights.as_ref().map(|insights| &insights.data).filter(|data| !data.tables.is_empty())
    else {
        return;
    };
    card.push_str("| table | rows | left out | says when it was known |\n|---|---|---|---|\n");
    for table in &data.tables {
        let replayable = if table.replayable { "yes" } else { "no" };
        add(card, format_args!("| {} | {} | {} | {replayable} |\n", table.table, table.rows, table.left_out));
    }
    if !data.missing_tables.is_empty() {
        add(card, format_args!("\nNot there, and their signals with them: {}.\n", data.missing_tables.join(", ")));
    }
    card.push('\n');
}

fn add_evaluation(card: &mut String, summary: &BacktestSummary, targets: &[CardTarget<'_>]) {
    let many = summary.witness().many();
    let how = match summary.refit_every.as_str() {
        _ if !summary.is_dated() => format!("On held-out {many}: {}", on_others(summary.witness())),
        every => format!(
            "Out of time, from {} on, with {}: each row was predicted by a model that knew nothing from its date on",
            summary.first_test,
            if every == "never" { "one fit".to_owned() } else { format!("a refit every {every}") }
        ),
    };
    add(
        card,
        format_args!(
            "## Evaluation\n\n{how}. Intervals are 95 %, over {many}. Precision, recall and MRR captured are at {}.\n\n### \
             Metrics\n\n| target | learner | log loss | log loss of the training rows' base rate | ROC AUC | average precision | Brier \
             | lift at 10 % | precision | recall | MRR captured |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
            capacity(summary)
        ),
    );
    for target in targets {
        for learner in &target.summary.learners {
            let chosen = if learner.learner == target.summary.selected { " (this model)" } else { "" };
            let name = escape_markdown(&target.summary.definition.name);
            add(card, format_args!("| {name} | {}{chosen} | {} |\n", learner.learner, cells(learner)));
        }
    }
    card.push('\n');
    add_parts(card, targets);
    let learners = || targets.iter().flat_map(|target| &target.summary.learners);
    if let Some(one) = learners().find(|one| !ranks_accounts(one)) {
        let says = does_not_rank(one.learner, summary.is_dated(), summary.witness());
        add(card, format_args!("{}\n\n", escape_markdown(&says)));
    }
    for target in targets.iter().filter(|target| !target.summary.selected_because.is_empty()) {
        add(card, format_args!("{}\n\n", escape_markdown(&target.summary.selected_because)));
    }
    add_factors(card, targets);
}

/// Calibration, the parts of the losses, and what counts by MRR, of the chosen learners.
fn add_parts(card: &mut String, targets: &[CardTarget<'_>]) {
    card.push_str(
        "### Calibration, parts of the losses, and by MRR\n\nA loss is its miscalibration, less its discrimination, plus its \
         uncertainty (CORP); every measure, with its naive interval beside it, is in `report.html`.\n\n| target | slope | \
         intercept | observed over expected | log loss: miscalibration | discrimination | uncertainty | Brier: miscalibration \
         | discrimination | uncertainty | MRR-weighted log loss | MRR-weighted ROC AUC |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for target in targets {
        let Some(chosen) = target.summary.learner(target.summary.selected) else { continue };
        let figures = [
            Metric::CalibrationSlope,
            Metric::CalibrationIntercept,
            Metric::ObservedOverExpected,
            Metric::LogLossMiscalibration,
            Metric::LogLossDiscrimination,
            Metric::LogLossUncertainty,
            Metric::BrierMiscalibration,
            Metric::BrierDiscrimination,
            Metric::BrierUncertainty,
            Metric::MrrWeightedLogLoss,
            Metric::MrrWeightedRocAuc,
        ]
        .map(|metric| figure(chosen, metric));
        let name = escape_markdown(&target.summary.definition.name);
        add(card, format_args!("| {name} | {} |\n", figures.join(" | ")));
    }
    card.push('\n');
}

/// A measure with its interval over accounts.
fn figure(learner: &LearnerSummary, metric: Metric) -> String {
    let interval = learner.intervals.as_ref().and_then(|all| all.get(metric));
    match (learner.metrics.value(metric), interval) {
        (Some(value), Some(one)) => format!("{value:.4} ({:.4} to {:.4})", one.low, one.high),
        (Some(value), None) => format!("{value:.4}"),
        (None, _) => "n/a".to_owned(),
    }
}

fn cells(learner: &LearnerSummary) -> String {
    [
        Metric::LogLoss,
        Metric::NullLogLoss,
        Metric::RocAuc,
        Metric::AveragePrecision,
        Metric::Brier,
        Metric::LiftAt10Percent,
        Metric::PrecisionAtCapacity,
        Metric::RecallAtCapacity,
        Metric::MrrCaptured,
    ]
    .map(|metric| figure(learner, metric))
    .join(" | ")
}

/// By whom: the groups in which the model was judged.
fn add_factors(card: &mut String, targets: &[CardTarget<'_>]) {
    let groups = || {
        targets.iter().flat_map(|target| {
            let selected = target.summary.learner(target.summary.selected);
            let groups = selected.map(|one| one.by_group.as_slice()).unwrap_or_default();
            groups.iter().map(|group| (&target.summary.definition.name, group))
        })
    };
    if groups().next().is_none() {
        return;
    }
    let counted =
        if targets.iter().all(|one| one.summary.witness.is_account()) { "accounts" } else { "counted as one" };
    add(
        card,
        format_args!(
            "### Factors\n\n| target | group | {counted} | rows | with the outcome | ROC AUC | observed over expected |\n\
             |---|---|---|---|---|---|---|\n"
        ),
    );
    for (target, group) in groups() {
        let by = match group.by {
            GroupedBy::TenureCohort => "tenure",
            other => other.name(),
        };
        let figure = |value: Option<f64>| value.map_or("too few".to_owned(), |value| format!("{value:.3}"));
        let metrics = group.metrics.as_ref();
        add(
            card,
            format_args!(
                "| {} | {by}: {} | {} | {} | {} | {} | {} |\n",
                escape_markdown(target),
                escape_markdown(&group.group),
                group.accounts,
                group.rows,
                group.positives,
                figure(metrics.and_then(|one| one.roc_auc)),
                figure(metrics.and_then(|one| one.observed_over_expected))
            ),
        );
    }
    card.push('\n');
}

fn add_calibration(card: &mut String, targets: &[CardTarget<'_>]) {
    card.push_str("## Calibration\n\n");
    for target in targets {
        let (record, many) = (target.calibration, target.summary.witness.many());
        let source = match record.source {
            CalibrationSource::OutOfTime => "predictions that earlier refits made out of time".to_owned(),
            CalibrationSource::AccountFolds if !target.summary.is_dated() => format!("predictions for held-out {many}"),
            CalibrationSource::AccountFolds => {
                format!("predictions for held-out {many}, because history is too short for anything better")
            }
        };
        add(
            card,
            format_args!(
                "- {}: {} curve, fitted on {} {source}, {} of them with the outcome.\n",
                escape_markdown(&target.summary.definition.name),
                record.method,
                record.rows,
                record.positives
            ),
        );
        if record.prior_shift_log_odds != 0.0 {
            add(
                card,
                format_args!(
                    "  The base rate has moved: {:+.3} is added to all log-odds.\n",
                    record.prior_shift_log_odds
                ),
            );
        }
        let judged = Calibrations::of(target.summary);
        if target.summary.is_dated() && judged.on_held_out_accounts > 0 {
            add(
                card,
                format_args!(
                    "  Of the {} refits that were judged, {} were calibrated on held-out {many}.\n",
                    judged.all, judged.on_held_out_accounts
                ),
            );
        }
        let line = |best: &MetricSet| Some((best.calibration_slope?, best.calibration_intercept?));
        let judged = target.summary.best().and_then(|best| line(best).zip(best.observed_over_expected));
        if let Some(((slope, intercept), ratio)) = judged {
            let how = match target.summary.is_dated() {
                true => "Judged later still".to_owned(),
                false => format!("Judged on other {many}"),
            };
            add(
                card,
                format_args!(
                    "  {how}: slope {slope:.2}, intercept {intercept:.2}, observed over expected {ratio:.2}.\n"
                ),
            );
        }
    }
    card.push_str(
        "\nThe range beside a probability is a Venn-Abers pair, widened to hold it: how far one more outcome could move the \
         calibration. It is not a 95 % interval.\n\n",
    );
}

/// What drives the forecasts, shortly; the report has the whole.
fn add_drivers(card: &mut String, summary: &BacktestSummary) {
    let Some(insights) = &summary.insights else { return };
    let told = insights.targets.iter().filter(|one| !one.drivers.ideas.is_empty());
    if told.clone().next().is_none() {
        return;
    }
    card.push_str(
        "## What drives the forecasts\n\nMean size of the effect on judged rows, in points of probability (exact Shapley \
         values); the whole is in `report.html`.\n\n| target | signal | points | share |\n|---|---|---|---|\n",
    );
    for one in told {
        for driver in one.drivers.ideas.iter().take(5) {
            add(
                card,
                format_args!(
                    "| {} | {} | {:.2} ({:.2} to {:.2}) | {:.0} % |\n",
                    escape_markdown(&one.target),
                    escape_markdown(&driver.text),
                    100.0 * driver.importance.value,
                    100.0 * driver.importance.low,
                    100.0 * driver.importance.high,
                    100.0 * driver.share
                ),
            );
        }
    }
    card.push('\n');
    add_stability(card, insights, summary.witness());
    add_value_drivers(card, insights);
}

/// How far the reasons of the same accounts stay the same from refit to refit.
fn add_stability(card: &mut String, insights: &Insights, witness: Witness) {
    let told: Vec<_> =
        insights.targets.iter().filter_map(|one| one.reason_stability.as_ref().map(|found| (one, found))).collect();
    if told.is_empty() {
        return;
    }
    add(
        card,
        format_args!(
            "### Reasons from refit to refit\n\nThe three strongest reasons of the same {many} on the same day, as the last two \
             refits of the backtest give them: how many they have in common, as a share of the {many}, and the mean of what \
             both name over what either names (Jaccard).\n\n| target | refits | {many} | all three | two | one | none | \
             Jaccard |\n|---|---|---|---|---|---|---|---|\n",
            many = witness.many()
        ),
    );
    for (one, found) in told {
        let [none, first, second, all] = found.in_common.map(|share| 100.0 * share);
        add(
            card,
            format_args!(
                "| {} | {} and {} | {} | {all:.0} % | {second:.0} % | {first:.0} % | {none:.0} % | {:.2} |\n",
                escape_markdown(&one.target),
                found.earlier,
                found.later,
                found.accounts,
                found.mean_jaccard
            ),
        );
    }
    card.push('\n');
}

fn add_value_drivers(card: &mut String, insights: &Insights) {
    let Some(found) = &insights.value_drivers else { return };
    let names: Vec<String> = found
        .features
        .iter()
        .filter(|one| one.role == FeatureRole::ValueDriver)
        .map(|one| escape_markdown(&one.feature))
        .collect();
    if !names.is_empty() {
        add(
            card,
            format_args!(
                "Product features whose adopters stay or grow more often, at equal size: {}.\n\n",
                names.join(", ")
            ),
        );
    }
}

fn add_ethics(card: &mut String, summary: &BacktestSummary) {
    card.push_str(
        "## Ethical considerations\n\n- Accounts are companies, yet their users are persons: usage is counted, never read, and \
         free text is no signal.\n",
    );
    card.push_str(if summary.knows_accounts() {
        "- No account id, no raw row and no category level of fewer than ten accounts is in this bundle.\n"
    } else {
        "- No raw row and no category level of fewer than ten rows is in this bundle. The rows did not say whose they are, so a \
         level may still be that of a few accounts with many rows.\n"
    });
    card.push_str(
        "- A ranking decides who is called, and so who is not. Look at the groups above before a segment is left to \
         itself: a group with fewer outcomes is forecast with less certainty, not with less risk.\n- A forecast that is acted \
         on changes what it forecast; keep some accounts out of the calls, by lot, to learn what calls achieve.\n",
    );
}

fn add_glossary(card: &mut String, summary: &BacktestSummary) {
    let glossary = &summary.glossary;
    if glossary.is_empty() {
        return;
    }
    add(card, format_args!("\n## {GLOSSARY_TITLE}\n\n| term | meaning |\n|---|---|\n"));
    for (term, meaning) in glossary {
        add(card, format_args!("| {} | {} |\n", escape_markdown(term), escape_markdown(meaning)));
    }
}

fn add(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}
