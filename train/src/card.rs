//! `MODEL_CARD.md`: what the model is for, what it was made from, how well it does, and where it stops.
//!
//! In the form that Hugging Face reads (YAML front matter, then Markdown). Holds no account id and no clock time.

use std::fmt::Write;

use crate::backtest::Backtest;
use crate::evaluate::MetricSet;
use crate::report::{GLOSSARY_TITLE, verdict};
use crate::summary::{CalibrationRecord, CalibrationSource, TargetSummary};
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
pub(crate) fn model_card(name: &str, backtest: &Backtest, targets: &[CardTarget<'_>]) -> String {
    let mut card = front_matter(name, targets);
    add(&mut card, format_args!("# {name}\n\n"));
    for target in targets {
        add(&mut card, format_args!("{}\n\n", verdict(target.summary)));
    }
    card.push_str(
        "## Intended use\n\nTo rank the accounts of the business it was trained on by the probability of the outcomes below, \
         so that a team calls the right ones first. A probability is a forecast of what happens if nothing is changed; it \
         does not say what a call would achieve. Not for other businesses, not for decisions about persons, and not for \
         accounts unlike those in training: the scorer marks them `not_scored`.\n\n",
    );
    add_data(&mut card, backtest, targets);
    add_metrics(&mut card, targets);
    add_calibration(&mut card, targets);
    add_limits(&mut card, backtest);
    add_glossary(&mut card, backtest);
    card
}

fn front_matter(name: &str, targets: &[CardTarget<'_>]) -> String {
    let mut text = String::from(
        "---\nlibrary_name: bellwether\ntags:\n- tabular-classification\n- churn\n- onnx\npipeline_tag: tabular-classification\n",
    );
    add(&mut text, format_args!("model-index:\n- name: {}\n  results:\n", quoted(name)));
    for target in targets {
        let Some(best) = target.summary.best() else { continue };
        add(
            &mut text,
            format_args!(
                "  - task:\n      type: tabular-classification\n    dataset:\n      name: {}\n      type: private\n    metrics:\n",
                quoted(&target.summary.definition.name)
            ),
        );
        let measures =
            [("log_loss", Some(best.log_loss)), ("brier_score", Some(best.brier)), ("roc_auc", best.roc_auc)];
        for (measure, value) in measures {
            if let Some(value) = value {
                add(&mut text, format_args!("    - type: {measure}\n      value: {value:.5}\n"));
            }
        }
    }
    text.push_str("---\n\n");
    text
}

fn add_data(card: &mut String, backtest: &Backtest, targets: &[CardTarget<'_>]) {
    let summary = &backtest.summary;
    add(
        card,
        format_args!(
            "## Data\n\n{} rows (account and date) of {} accounts, {} signals, outcomes known before {}. A row enters training \
             only when its whole label interval (horizon, grace and landing delay) lies in the past.\n\n\
             | target | definition | label interval | rows learned from | with the outcome |\n|---|---|---|---|---|\n",
            summary.rows, summary.accounts, summary.signals, summary.data_end
        ),
    );
    for target in targets {
        let definition = &target.summary.definition;
        add(
            card,
            format_args!(
                "| {} | {} | {} days | {} | {} |\n",
                definition.name,
                cell(&definition.text),
                definition.label_interval_days(),
                target.training_rows,
                target.training_positives
            ),
        );
    }
    card.push('\n');
}

fn add_metrics(card: &mut String, targets: &[CardTarget<'_>]) {
    card.push_str(
        "## Metrics\n\nOut of time: each row was predicted by a model that knew nothing from its date on.\n\n",
    );
    card.push_str(
        "| target | learner | log loss | base rate's log loss | ROC AUC | average precision | Brier | lift at 10 % | \
         MRR captured |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for target in targets {
        for learner in &target.summary.learners {
            let chosen = if learner.learner == target.summary.selected { " (this model)" } else { "" };
            let name = &target.summary.definition.name;
            add(card, format_args!("| {name} | {}{chosen} | {} |\n", learner.learner, cells(&learner.metrics)));
        }
    }
    card.push('\n');
}

fn cells(metrics: &MetricSet) -> String {
    let known = |value: Option<f64>| value.map_or("n/a".to_owned(), |value| format!("{value:.4}"));
    let cells = [
        Some(metrics.log_loss),
        Some(metrics.null_log_loss),
        metrics.roc_auc,
        metrics.average_precision,
        Some(metrics.brier),
        metrics.lift_at_10_percent,
        metrics.mrr_captured,
    ];
    cells.map(known).join(" | ")
}

fn add_calibration(card: &mut String, targets: &[CardTarget<'_>]) {
    card.push_str("## Calibration\n\n");
    for target in targets {
        let record = target.calibration;
        let source = match record.source {
            CalibrationSource::OutOfTime => "predictions that earlier refits made out of time",
            CalibrationSource::AccountFolds => {
                "predictions for held-out accounts, because history is too short for anything better"
            }
        };
        add(
            card,
            format_args!(
                "- {}: {} curve, fitted on {} {source}, {} of them with the outcome.\n",
                target.summary.definition.name, record.method, record.rows, record.positives
            ),
        );
        let slope = target.summary.best().and_then(|best| best.calibration_slope.zip(best.observed_over_expected));
        if let Some((slope, ratio)) = slope {
            add(card, format_args!("  Judged later still: slope {slope:.2}, observed over expected {ratio:.2}.\n"));
        }
    }
    card.push_str(
        "\nThe range beside a probability is a Venn-Abers pair, widened to hold it: how far one more outcome could move the \
         calibration. It is not a 95 % interval.\n\n",
    );
}

fn add_limits(card: &mut String, backtest: &Backtest) {
    card.push_str(
        "## Limits\n\n- It knows the past of one business; a new price, product or market is not in it.\n\
         - Signals go with outcomes; whether changing a signal changes the outcome is another question.\n\
         - Labels are built from what was known at the data end; facts that land later than the declared landing delay can \
         make a training label better informed than it could have been.\n",
    );
    for warning in &backtest.summary.warnings {
        add(card, format_args!("- `{}` {}\n", warning.code, warning.text));
    }
}

fn add_glossary(card: &mut String, backtest: &Backtest) {
    let glossary = &backtest.summary.glossary;
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

/// A YAML string: JSON strings are YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A table cell must not break its row.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
