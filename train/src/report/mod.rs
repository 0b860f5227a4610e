//! The page of a run: one self-contained HTML file, without scripts, without network, for light and dark screens.
//!
//! It opens with the verdict in words, then one section per target: the learners in a table, the reliability diagram of the
//! selected one with its table, and the refits. Every text that comes from outside is escaped.

mod diagram;

use std::fmt::Write;

use crate::backtest::{Backtest, TargetRun};
use crate::error::TrainError;
use crate::evaluate::MetricSet;
use crate::export::RELIABILITY_BINS;
use crate::metric::{self, ReliabilityBin};
use crate::summary::{ACCOUNT_FOLDS_NAME, BacktestSummary, CalibrationSource, TargetSummary};
use crate::text::escape_html;

/// Above the terms of `[glossary]`, here and in the model card.
pub(crate) const GLOSSARY_TITLE: &str = "In this business's words";

/// The page.
///
/// # Errors
/// [`TrainError::Metric`] when a reliability diagram cannot be computed.
pub fn html(backtest: &Backtest) -> Result<String, TrainError> {
    let summary = &backtest.summary;
    let mut body = String::new();
    body.push_str("<h1>Backtest</h1>\n");
    for target in &summary.targets {
        push(&mut body, format_args!("<p>{}</p>\n", escape_html(&verdict(target))));
    }
    push_warnings(&mut body, summary);
    for (target, run) in summary.targets.iter().zip(&backtest.runs) {
        push_target(&mut body, target, &reliability(target, run)?);
    }
    push_method(&mut body, summary);
    push_glossary(&mut body, summary);
    Ok(page("Bellwether backtest", &body))
}

/// What was found, in a sentence or two.
#[must_use]
pub fn verdict(target: &TargetSummary) -> String {
    let name = &target.definition.name;
    let Some(best) = target.best() else { return format!("{name}: no learner was judged.") };
    let mut text = format!(
        "{name}: {} forecasts best, with a log loss of {:.4} against {:.4} for the base rate on {} rows from {} to {}, of \
         which {} ({:.1} %) had the outcome.",
        target.selected,
        best.log_loss,
        best.null_log_loss,
        best.rows,
        target.test_from,
        target.test_to,
        best.positives,
        100.0 * best.base_rate
    );
    if let Some(lift) = best.lift_at_10_percent {
        let _ = write!(text, " The tenth it ranks highest holds {lift:.1} times as many as a random tenth.");
    }
    if best.log_loss >= best.null_log_loss {
        text.push_str(" That is no better than the base rate: do not act on these forecasts.");
    }
    text
}

/// A page around a body: used by the run's report and the bundle's.
#[must_use]
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape_html(title)
    )
}

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fff; --line: #c9cfd8; --faint: #5b6675; --accent: #1a66b3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --paper: #14181f; --line: #3a4452; --faint: #9aa6b5; --accent: #6db1f0; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
caption { text-align: left; color: var(--faint); padding-bottom: .3rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
tr.selected td { font-weight: 600; }
svg { max-width: 26rem; width: 100%; height: auto; }
dt { font-weight: 600; }
.warning { border-left: 4px solid var(--accent); padding-left: .8rem; }
";

fn push(body: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = body.write_fmt(text);
}

fn push_warnings(body: &mut String, summary: &BacktestSummary) {
    if summary.warnings.is_empty() {
        return;
    }
    body.push_str("<h2>Warnings</h2>\n");
    for warning in &summary.warnings {
        let (code, text) = (escape_html(&warning.code), escape_html(&warning.text));
        push(body, format_args!("<p class=\"warning\"><code>{code}</code> {text}</p>\n"));
    }
}

fn push_method(body: &mut String, summary: &BacktestSummary) {
    if summary.refit_every == ACCOUNT_FOLDS_NAME {
        push(
            body,
            format_args!(
                "<h2>How this was judged</h2>\n<p>{} rows of {} accounts, {} signals, without observation dates: \
                 <strong>time was not tested</strong>. Every learner was fitted five times on four fifths of the \
                 accounts and predicted the others. Seed {}.</p>\n",
                summary.rows, summary.accounts, summary.signals, summary.seed
            ),
        );
        return;
    }
    let how_often = match summary.refit_every.as_str() {
        "never" => "was fitted once on rows whose outcome was known by then, and predicted all later rows".to_owned(),
        every => format!(
            "was refitted every {every} on rows whose outcome was known by then, and predicted the rows observed until the \
             next refit"
        ),
    };
    push(
        body,
        format_args!(
            "<h2>How this was judged</h2>\n<p>{} rows of {} accounts, {} signals; outcomes known before {}. From {} on, \
             every learner {}. MRR captured is at {} calls per observation date. Seed {}.</p>\n",
            summary.rows,
            summary.accounts,
            summary.signals,
            summary.data_end,
            summary.first_test,
            escape_html(&how_often),
            summary.accounts_per_week,
            summary.seed
        ),
    );
}

fn push_glossary(body: &mut String, summary: &BacktestSummary) {
    if summary.glossary.is_empty() {
        return;
    }
    push(body, format_args!("<h2>{}</h2>\n<dl>\n", escape_html(GLOSSARY_TITLE)));
    for (term, meaning) in &summary.glossary {
        push(body, format_args!("<dt>{}</dt><dd>{}</dd>\n", escape_html(term), escape_html(meaning)));
    }
    body.push_str("</dl>\n");
}

fn push_target(body: &mut String, target: &TargetSummary, bins: &[ReliabilityBin]) {
    let definition = &target.definition;
    push(body, format_args!("<h2>{}</h2>\n<p>{}</p>\n", escape_html(&definition.name), escape_html(&definition.text)));
    push_learners(body, target);
    push(body, format_args!("<h3>Reliability of {}</h3>\n{}", target.selected, diagram::reliability(bins)));
    push_reliability_table(body, bins);
    push_refits(body, target);
}

fn push_learners(body: &mut String, target: &TargetSummary) {
    body.push_str(
        "<div class=\"scroll\"><table><caption>Out of time, pooled over all test rows</caption>\n<thead><tr><th>Learner</th>\
         <th>Log loss</th><th>ROC AUC</th><th>Average precision</th><th>Brier</th><th>Slope</th><th>Intercept</th>\
         <th>Observed / expected</th><th>Lift 5 %</th><th>Lift 10 %</th><th>MRR captured</th></tr></thead>\n<tbody>\n",
    );
    for learner in &target.learners {
        let class = if learner.learner == target.selected { " class=\"selected\"" } else { "" };
        push(body, format_args!("<tr{class}><td>{}</td>{}</tr>\n", learner.learner, cells(&learner.metrics)));
    }
    body.push_str("</tbody></table></div>\n");
}

fn cells(metrics: &MetricSet) -> String {
    let known = |value: Option<f64>, digits: usize| value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
    let cells = [
        format!("{:.4}", metrics.log_loss),
        known(metrics.roc_auc, 3),
        known(metrics.average_precision, 3),
        format!("{:.4}", metrics.brier),
        known(metrics.calibration_slope, 2),
        known(metrics.calibration_intercept, 2),
        known(metrics.observed_over_expected, 2),
        known(metrics.lift_at_5_percent, 2),
        known(metrics.lift_at_10_percent, 2),
        metrics.mrr_captured.map_or("–".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
    ];
    cells.iter().map(|cell| format!("<td>{cell}</td>")).collect()
}

fn push_reliability_table(body: &mut String, bins: &[ReliabilityBin]) {
    body.push_str(
        "<div class=\"scroll\"><table><caption>The same as numbers</caption>\n<thead><tr><th>Forecast</th><th>Rows</th>\
         <th>Mean forecast</th><th>Outcomes</th><th>Observed rate</th></tr></thead>\n<tbody>\n",
    );
    for bin in bins {
        push(
            body,
            format_args!(
                "<tr><td>{:.4} to {:.4}</td><td>{}</td><td>{:.4}</td><td>{}</td><td>{:.4}</td></tr>\n",
                bin.lowest, bin.highest, bin.rows, bin.mean_probability, bin.positives, bin.observed_rate
            ),
        );
    }
    body.push_str("</tbody></table></div>\n");
}

fn push_refits(body: &mut String, target: &TargetSummary) {
    body.push_str(
        "<div class=\"scroll\"><table><caption>Refits; warm-up refits only feed the calibrator</caption>\n<thead><tr>\
         <th>Refit</th><th>Learned from</th><th>Outcomes</th><th>Predicted</th><th>Outcomes</th><th>Calibrated on</th>\
         <th>Log loss</th></tr></thead>\n<tbody>\n",
    );
    for refit in &target.refits {
        let selected = refit.learners.iter().find(|one| one.learner == target.selected);
        let calibration = selected.and_then(|one| one.calibration.as_ref());
        let calibrated = calibration.map_or("warm-up".to_owned(), |record| match record.source {
            CalibrationSource::OutOfTime => format!("{} rows, {}", record.rows, escape_html(&record.method)),
            CalibrationSource::AccountFolds => format!("{} rows of held-out accounts", record.rows),
        });
        let loss = selected.and_then(|one| one.metrics.as_ref()).map(|metrics| format!("{:.4}", metrics.log_loss));
        push(
            body,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{calibrated}</td><td>{}</td></tr>\n",
                escape_html(&refit.refit),
                refit.training_rows,
                refit.training_positives,
                refit.test_rows,
                refit.test_positives,
                loss.unwrap_or_else(|| "–".to_owned())
            ),
        );
    }
    body.push_str("</tbody></table></div>\n");
}

fn reliability(target: &TargetSummary, run: &TargetRun) -> Result<Vec<ReliabilityBin>, TrainError> {
    let Some(predictions) = run.predictions.iter().find(|one| one.learner == target.selected) else {
        return Ok(Vec::new());
    };
    metric::reliability(&run.labels, &predictions.probability, RELIABILITY_BINS).map_err(|cause| TrainError::Metric {
        target: run.target.clone(),
        learner: target.selected.name().to_owned(),
        cause: cause.to_string(),
    })
}
