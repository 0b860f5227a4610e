//! The outlook as a page: one self-contained HTML file, without network, for light and dark screens, phones and paper.
//!
//! It is made from the tables alone and from the scores, so that a page is as recomputable as they are, and a table that a
//! later part adds has its section without a line here. Plots have their numbers behind them. The accounts are data within
//! the page, in columns and with every text once ([`accounts`]): a small script without a library searches, sorts and turns
//! the pages of one real table of a few rows. Without scripts the accounts with most at stake are there all the same.

mod accounts;
mod curves;
mod fan;
mod packing;
mod section;
mod told;
mod view;

use bellwether_page::number::count;
use bellwether_page::svg::Figures;
use bellwether_page::{escape_html, page_with_script};
use chrono::NaiveDate;

use crate::retention::Retention;
use crate::scored::ScoredBase;
use crate::tables::Table;
use view::View;

pub use accounts::MOST_ACCOUNTS;

/// Name of the file beside the tables.
pub const PAGE: &str = "outlook.html";

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub struct PageInput<'a> {
    /// The date.
    pub as_of: NaiveDate,
    /// Name of the business.
    pub business: &'a str,
    /// Its currency.
    pub currency: &'a str,
    /// What the twelve months before those of the movements' last row were; `None`: they are not told.
    pub year_before: Option<&'a Retention>,
    /// The tables of the outlook; those not known here get a section all the same.
    pub tables: &'a [Table],
    /// Scores of the date, with up to three reasons each; `None` where there are none.
    pub scores: Option<&'a ScoredBase>,
}

impl<'a> PageInput<'a> {
    fn table(&self, name: &str) -> Option<View<'a>> {
        self.tables.iter().find(|table| table.name == name && table.rows() > 0).map(View::of)
    }
}

/// A part of the page: its anchor, its heading, and what is below it.
struct Part {
    anchor: String,
    heading: String,
    html: String,
}

impl Part {
    fn new(anchor: &str, heading: &str, html: String) -> Self {
        Self { anchor: anchor.to_owned(), heading: heading.to_owned(), html }
    }
}

/// The page.
#[must_use]
pub fn html(input: &PageInput<'_>) -> String {
    let parts = parts(input, &mut Figures::default());
    let mut body = format!(
        "<header>\n<h1>Outlook of {} on {}</h1>\n<p class=\"lead\">What was known before that day, and nothing later. Money in \
         {}.</p>\n",
        escape_html(input.business),
        input.as_of,
        escape_html(input.currency)
    );
    body.push_str("<nav aria-label=\"Contents\"><ul>\n");
    for part in &parts {
        body.push_str(&format!("<li><a href=\"#{}\">{}</a></li>\n", part.anchor, escape_html(&part.heading)));
    }
    body.push_str("</ul></nav>\n</header>\n");
    for part in &parts {
        body.push_str(&format!("<h2 id=\"{}\">{}</h2>\n{}", part.anchor, escape_html(&part.heading), part.html));
    }
    let title = format!("Outlook of {} on {}", input.business, input.as_of);
    page_with_script(&title, include_str!("page.css"), &body, include_str!("accounts.js"))
}

/// What is looked at every morning comes first; then the base; then what is known by no name here.
fn parts(input: &PageInput<'_>, figures: &mut Figures) -> Vec<Part> {
    let mut parts = vec![Part::new("base", "The base", told::base(input))];
    if let Some(forecast) = input.table("forecast") {
        parts.push(Part::new("forecast", "Forecast", fan::section(&forecast, figures)));
    }
    let (first, rest) = section::of_tables(input, figures);
    parts.extend(first);
    parts.push(Part::new("accounts", "Accounts", accounts::section(input)));
    if let Some(movements) = input.table("movements") {
        parts.push(Part::new("revenue", "Revenue", curves::revenue(&movements, input.currency, figures)));
    }
    if let Some(cohorts) = input.table("cohorts") {
        parts.push(Part::new("cohorts", "Cohorts", curves::cohorts(&cohorts, figures)));
    }
    if let Some(segments) = input.table("segments") {
        parts.push(Part::new("segments", "Segments", section::segments(&segments, figures)));
    }
    if let Some(changes) = input.table("changes") {
        parts.push(Part::new("changes", "Expansion and contraction", curves::changes(&changes, figures)));
    }
    parts.extend(rest);
    parts.push(Part::new("limits", "How to read this", limits(input)));
    parts
}

fn limits(input: &PageInput<'_>) -> String {
    let scored = input.scores.map_or(String::new(), |scores| {
        format!(
            "<li>Probabilities are those of {} for {} accounts. Their range says how sure the calibration is; it is no 95 % \
             interval of the outcome.</li>\n",
            escape_html(if scores.model.is_empty() { "no model" } else { &scores.model }),
            count(scores.accounts.len())
        )
    });
    format!(
        "<ul>\n<li>A fact counts if it happened and was known before {}, so a page of a past date is the one that could have been \
         read then.</li>\n{scored}<li>Intervals of shares are at 95 %; where many stand side by side, one in twenty misses. Groups \
         that are “drawn” are drawn towards the base, the further the smaller they are.</li>\n<li>Reasons go with forecasts; that \
         they cause the outcome is not claimed.</li>\n</ul>\n",
        input.as_of
    )
}
