//! The page of a run: one self-contained HTML file, without scripts, without network, for light and dark screens, phones
//! and paper.
//!
//! It opens with what was predicted for whom and the verdict in words; then one section per target, the product features,
//! the data, the method and its limits. It is made from the summary alone, so a run or a bundle can be shown again without
//! computing anything. Every text that comes from outside is escaped; every plot has a table behind it.

mod curves;
mod format;
mod judged;
mod leads;
mod measures;
mod told;
mod verdict;
pub(crate) mod words;

use std::fmt::Write;

pub use bellwether_page::GENERATOR;
use bellwether_page::svg::Figures;
use bellwether_page::{escape_html, page};

use crate::summary::{BacktestSummary, TargetSummary};

use format::count;
pub use verdict::verdict;

/// Above the terms of `[glossary]`, here and in the model card.
pub(crate) const GLOSSARY_TITLE: &str = "In this business's words";

/// The page of a backtest.
#[must_use]
pub fn html(summary: &BacktestSummary) -> String {
    let mut figures = Figures::default();
    let mut body = String::from("<header>\n<h1>What the forecasts are worth</h1>\n");
    push_purpose(&mut body, summary);
    push_contents(&mut body, summary);
    body.push_str("</header>\n");
    push_verdicts(&mut body, summary);
    push_warnings(&mut body, summary);
    for (index, target) in summary.targets.iter().enumerate() {
        push_target(&mut body, summary, index, target, &mut figures);
    }
    if let Some(insights) = &summary.insights
        && let Some(found) = &insights.value_drivers
    {
        body.push_str(&told::value_drivers(found, insights, &mut figures));
    }
    push_data(&mut body, summary);
    push_method(&mut body, summary);
    push_limits(&mut body, summary);
    push_glossary(&mut body, summary);
    page("Bellwether report", &body)
}

fn push(body: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = body.write_fmt(text);
}

/// What was predicted, for whom.
fn push_purpose(body: &mut String, summary: &BacktestSummary) {
    push(body, format_args!("<p class=\"lead\">{}</p>\n<dl>\n", escape_html(&lead(summary))));
    for target in &summary.targets {
        let definition = &target.definition;
        let window = if target.is_dated() {
            format!(" (window of {} days from the observation date)", definition.horizon_days)
        } else {
            String::new()
        };
        push(
            body,
            format_args!(
                "<dt><code>{}</code></dt><dd>{}{window}.</dd>\n",
                escape_html(&definition.name),
                escape_html(definition.text.trim_end_matches('.')),
            ),
        );
    }
    body.push_str("</dl>\n");
}

/// The first sentences: which accounts were judged, on which dates. Told per target where they differ.
fn lead(summary: &BacktestSummary) -> String {
    let many = summary.witness().many();
    let accounts = |target: &TargetSummary| target.test_accounts.map(|number| format!("{} {many}", count(number)));
    let names: Vec<&str> = summary.targets.iter().map(|one| one.definition.name.as_str()).collect();
    let asked = format!("how likely is {}?", names.join(", how likely is "));
    let Some(first) = summary.targets.first() else { return String::new() };
    let same = |one: &TargetSummary| {
        (one.test_accounts, words::dates_judged(one)) == (first.test_accounts, words::dates_judged(first))
    };
    if !summary.is_dated() {
        let judged = accounts(first).unwrap_or_else(|| "accounts".to_owned());
        return format!(
            "For {judged} without observation dates: {asked} Judged on {} rows, {}.",
            count(first.best().map_or(0, |best| best.rows)),
            words::on_others(first.witness)
        );
    }
    if summary.targets.iter().all(same) {
        let judged = accounts(first).unwrap_or_else(|| "accounts".to_owned());
        return format!(
            "For {judged}{}: {asked} Judged on {}, which the models had not seen.",
            words::observed(summary, first),
            words::dates_judged(first)
        );
    }
    let each = summary.targets.iter().map(|one| {
        let judged = accounts(one).map_or_else(String::new, |judged| format!("{judged} on "));
        format!("{} on {judged}{}", one.definition.name, words::dates_judged(one))
    });
    format!(
        "For {many}{}: {asked} Judged on dates that the models had not seen: {}.",
        words::observed(summary, first),
        each.collect::<Vec<_>>().join("; ")
    )
}

fn push_contents(body: &mut String, summary: &BacktestSummary) {
    body.push_str("<nav aria-label=\"Contents\"><ul>\n<li><a href=\"#verdict\">Verdict</a></li>\n");
    for (index, target) in summary.targets.iter().enumerate() {
        push(body, format_args!("<li><a href=\"#target{index}\">{}</a></li>\n", escape_html(&target.definition.name)));
    }
    if summary.insights.as_ref().is_some_and(|insights| insights.value_drivers.is_some()) {
        body.push_str("<li><a href=\"#features\">Product features</a></li>\n");
    }
    body.push_str("<li><a href=\"#data\">Data</a></li>\n<li><a href=\"#method\">Method</a></li>\n");
    body.push_str("<li><a href=\"#limits\">Limits</a></li>\n</ul></nav>\n");
}

fn push_verdicts(body: &mut String, summary: &BacktestSummary) {
    body.push_str("<h2 id=\"verdict\">Verdict</h2>\n");
    for target in &summary.targets {
        body.push_str("<div class=\"verdict\">\n");
        push(body, format_args!("<p>{}</p>\n", escape_html(&verdict(target))));
        let drivers = || {
            let insights = summary.insights.as_ref()?;
            verdict::drivers(insights, &target.definition.name).filter(|_| told::reads_signals(target.selected))
        };
        for text in [verdict::at_capacity(summary, target), drivers()].into_iter().flatten() {
            push(body, format_args!("<p>{}</p>\n", escape_html(&text)));
        }
        body.push_str("</div>\n");
    }
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

fn push_target(
    body: &mut String,
    summary: &BacktestSummary,
    index: usize,
    target: &TargetSummary,
    figures: &mut Figures,
) {
    push(body, format_args!("<h2 id=\"target{index}\">{}</h2>\n", escape_html(&target.definition.name)));
    body.push_str(&judged::sections(target, figures));
    let told = summary.insights.as_ref().and_then(|insights| insights.target(&target.definition.name));
    if let Some(told) = told {
        body.push_str(&told::sections(told, target.witness, figures));
    }
}

fn push_data(body: &mut String, summary: &BacktestSummary) {
    let (row, known) = if summary.is_dated() {
        let row = if summary.knows_accounts() { " (an account on a date)" } else { "" };
        (row, format!("; outcomes known before {}", escape_html(&summary.data_end)))
    } else {
        ("", ", no observation dates".to_owned())
    };
    push(
        body,
        format_args!(
            "<h2 id=\"data\">Data used</h2>\n<p>{}, {} signals{known}.</p>\n",
            summary.witness().rows_of(&count(summary.rows), row, &count(summary.accounts)),
            count(summary.signals),
        ),
    );
    for target in &summary.targets {
        if target.mature_rows_without_label > 0 {
            push(
                body,
                format_args!(
                    "<p class=\"note\">{}: {} rows have no outcome to compare with and were left out of training and \
                     test.</p>\n",
                    escape_html(&target.definition.name),
                    count(target.mature_rows_without_label)
                ),
            );
        }
    }
    if let Some(insights) = &summary.insights {
        body.push_str(&told::data(&insights.data));
    }
}

fn push_method(body: &mut String, summary: &BacktestSummary) {
    let many = summary.witness().many();
    if !summary.is_dated() {
        push(
            body,
            format_args!(
                "<h2 id=\"method\">How this was judged</h2>\n<p>{}, {} signals, without observation dates: \
                 <strong>time was not tested</strong>. Every learner was fitted five times on four fifths of the \
                 {many}, was calibrated on held-out {many} among those, and predicted the others. Precision, recall and \
                 MRR captured are at {}. Seed {}.</p>\n",
                summary.witness().rows_of(&count(summary.rows), "", &count(summary.accounts)),
                count(summary.signals),
                escape_html(&words::capacity(summary)),
                summary.seed
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
    let resamples = summary.insights.as_ref().map_or(String::new(), |insights| {
        format!(" Intervals of drivers, shapes and leads come from {} resamples of {many}.", insights.resamples)
    });
    let history = summary
        .history
        .as_deref()
        .map_or(String::new(), |history| format!(", and only from the last {} before the refit", escape_html(history)));
    let budget = match summary.budget {
        1 => String::new(),
        tried => format!(" At each refit boosting tried {tried} settings on the latest training rows."),
    };
    push(
        body,
        format_args!(
            "<h2 id=\"method\">How this was judged</h2>\n<p>From {} on, every learner {}. A row is learned from only when its \
             whole label interval (horizon, grace and landing delay) lies in the past{history}; what a row counts: {}. {} Precision, recall and MRR captured \
             are at {}.{budget}{resamples} Seed {}.</p>\n",
            escape_html(&summary.first_test),
            escape_html(&how_often),
            summary.row_weights.name(),
            escape_html(&words::calibrated_on(summary)),
            escape_html(&words::capacity(summary)),
            summary.seed
        ),
    );
}

fn push_limits(body: &mut String, summary: &BacktestSummary) {
    body.push_str(
        "<h2 id=\"limits\">Limits</h2>\n<ul>\n<li>No cause is claimed: signals and features go with outcomes; whether changing \
         them changes the outcome is another question, and takes an experiment.</li>\n<li>A forecast is of what happens if \
         nothing is done about it; calls made in the past are part of the past that was learned from.</li>\n<li>It knows one \
         business: a new price, product or market is not in it.</li>\n",
    );
    body.push_str(if summary.knows_accounts() {
        "<li>Rows of one account are not independent, so intervals are over accounts; where they are missing, there were too \
         few accounts of either outcome.</li>\n"
    } else {
        "<li>The rows do not say whose they are: if a customer has several, it was learned from and judged at once, and figures \
         and intervals are better than the truth. Where intervals are missing, there were too few rows of either \
         outcome.</li>\n"
    });
    body.push_str(
        "<li>Many figures stand side by side, and one in twenty 95 % intervals misses; only product features are corrected for \
         that.</li>\n</ul>\n",
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
