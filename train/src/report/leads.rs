//! Depth or breadth of use, and how early families of signals and single signals speak.

use super::format::{Table, count, estimate, number};
use super::verdict::depth_or_breadth;
use crate::insight::{Estimate, LEAD_WEEKS, LeadPoint, Outcome, SignalLead, TargetInsights, ends_for_want_of_outcomes};
use bellwether_page::escape_html;
use bellwether_page::svg::{Axis, Figures, PlotRow, RowPlot};

/// What families and single signals know.
pub(super) fn families(told: &TargetInsights, figures: &mut Figures) -> String {
    let mut html = depth_and_breadth(told);
    if !told.leads.is_empty() {
        html.push_str("<h3>How early each family of signals speaks</h3>\n<div class=\"figures\">\n");
        html.push_str(&of_families(told, figures));
        html.push_str("</div>\n");
    }
    if !told.signal_leads.is_empty() {
        html.push_str(&of_signals(&told.signal_leads));
    } else if !told.leads.is_empty() {
        html.push_str("<p class=\"note\">Leads are told by family of signals; no single signal was looked at.</p>\n");
    }
    html
}

fn depth_and_breadth(told: &TargetInsights) -> String {
    let Some(found) = &told.depth_and_breadth else { return String::new() };
    let rule = match told.outcome {
        Outcome::Loss => "Depth of use is said to lead renewal.",
        Outcome::Growth => "Breadth of adoption is said to lead expansion.",
    };
    format!(
        "<h3>Depth or breadth?</h3>\n<p>{rule} {} Each was learned alone, by logistic regression at every refit, and judged \
         on {} later rows within each date ({} with the outcome). Difference, depth less breadth: {}.</p>\n",
        escape_html(&depth_or_breadth(told.outcome, found)),
        count(found.rows),
        count(found.positives),
        estimate(&found.difference, 3)
    )
}

/// The longest lead that is looked at.
fn longest() -> f64 {
    LEAD_WEEKS.last().map_or(0.0, |weeks| f64::from(*weeks))
}

/// A lead beside its plot: "13 weeks", "at least 26 weeks".
fn lead_in_words(points: &[LeadPoint], lead: &Estimate) -> String {
    match lead.value {
        0.0 => "not told apart".to_owned(),
        value if value >= longest() => format!("{} weeks or more", number(value, 0)),
        value if ends_for_want_of_outcomes(points, lead) => format!("at least {} weeks", number(value, 0)),
        value => format!("{} weeks", number(value, 0)),
    }
}

/// A lead in a table, with why it is no more.
fn lead_in_full(points: &[LeadPoint], lead: Option<&Estimate>) -> String {
    match lead {
        None => "too few outcomes".to_owned(),
        Some(lead) if ends_for_want_of_outcomes(points, lead) => {
            format!("{}; beyond that too few outcomes", lead_in_words(points, lead))
        }
        Some(lead) => lead_in_words(points, lead),
    }
}

fn of_families(told: &TargetInsights, figures: &mut Figures) -> String {
    let title = "Weeks ahead of the outcome";
    let axis = Axis {
        label: "weeks before the outcome".to_owned(),
        from: 0.0,
        to: longest(),
        ticks: std::iter::once(0).chain(LEAD_WEEKS).map(|week| (f64::from(week), week.to_string())).collect(),
    };
    let judged = told.leads.iter().filter_map(|lead| {
        let weeks = lead.lead_weeks?;
        let figure = lead_in_words(&lead.points, &weeks);
        let label = lead.family.meaning().to_owned();
        Some(PlotRow { label, figure, value: weeks.value, low: weeks.low, high: weeks.high, open: weeks.value == 0.0 })
    });
    let rows: Vec<PlotRow> = judged.collect();
    if rows.is_empty() {
        return "<p>Too few outcomes lie far enough within the judged dates to look back from.</p>\n".to_owned();
    }
    let svg = figures.rows(&RowPlot {
        title: title.to_owned(),
        description:
            "For each family the longest lead up to which its score tells accounts with the outcome apart, with its \
                      95 % interval over accounts."
                .to_owned(),
        axis,
        guide: None,
        rows,
    });
    let table = families_table(told);
    let says = "The longest lead up to which a family's score, learned before, tells accounts with the outcome from others of \
                the same date at every step; the line is its 95 % interval. “At least”: beyond that lead there are too few \
                outcomes to look back from. An outcome is known to within the days between two observation dates. What hardly \
                changes, as who an account is, tells as much long before as shortly before: that is a standing difference, \
                and no early sign.";
    figures.figure(title, &svg, says, &table)
}

/// ROC AUC at each lead.
fn cells(points: &[LeadPoint]) -> impl Iterator<Item = String> {
    points.iter().map(|point| match &point.auc {
        Some(auc) => format!("{} [{}]", estimate(auc, 2), count(point.outcomes)),
        None => format!("too few [{}]", count(point.outcomes)),
    })
}

fn families_table(told: &TargetInsights) -> Table<'static> {
    const HEAD: [&str; 8] = ["Family", "Leads by", "Signals", "4 weeks", "8 weeks", "13 weeks", "26 weeks", "39 weeks"];
    let rows = told.leads.iter().map(|lead| {
        let leads_by = lead_in_full(&lead.points, lead.lead_weeks.as_ref());
        let mut row = vec![lead.family.meaning().to_owned(), leads_by, lead.signals.to_string()];
        row.extend(cells(&lead.points));
        row
    });
    Table::new("ROC AUC so many weeks before, with its 95 % interval [outcomes]", &HEAD, rows.collect())
}

/// The signals that weigh most, each alone.
fn of_signals(leads: &[SignalLead]) -> String {
    const HEAD: [&str; 8] =
        ["Signal", "Leads by", "Speaks by", "4 weeks", "8 weeks", "13 weeks", "26 weeks", "39 weeks"];
    let rows = leads.iter().map(|lead| {
        let leads_by = lead_in_full(&lead.points, lead.lead_weeks.as_ref());
        let speaks_by = if lead.rises { "high values" } else { "low values" };
        let mut row = vec![lead.text.clone(), leads_by, speaks_by.to_owned()];
        row.extend(cells(&lead.points));
        row
    });
    let table = Table::new(
        "Weeks by which each signal leads: ROC AUC so many weeks before, with its 95 % interval [outcomes]",
        &HEAD,
        rows.collect(),
    );
    format!(
        "<h3>How early each signal speaks</h3>\n<p>The signals that weigh most, each alone: the longest lead up to which its \
         own value, where it is known, tells accounts with the outcome from others of the same date at every step, in the \
         direction that it pointed in before the first date that was judged. “At least”: beyond that lead there are too few \
         outcomes to look back from. A signal that is not told apart alone can still help a forecast beside others.</p>\n{}",
        table.html()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_says_where_outcomes_end() {
        let auc = Estimate { value: 0.7, low: 0.6, high: 0.8 };
        let point = |weeks: u32, judged: bool| LeadPoint {
            weeks,
            outcomes: if judged { 30 } else { 8 },
            others: 900,
            auc: judged.then_some(auc),
        };
        let lead = |value: f64| Estimate { value, low: value, high: value };
        let cut_short = [point(4, true), point(8, true), point(13, true), point(26, true), point(39, false)];
        let whole = [4, 8, 13, 26, 39].map(|weeks| point(weeks, true));
        let full = |points: &[LeadPoint], weeks: f64| lead_in_full(points, Some(&lead(weeks)));
        assert_eq!(full(&cut_short, 26.0), "at least 26 weeks; beyond that too few outcomes");
        assert_eq!(lead_in_words(&cut_short, &lead(26.0)), "at least 26 weeks");
        assert_eq!([13.0, 0.0].map(|weeks| full(&cut_short, weeks)), ["13 weeks", "not told apart"]);
        assert_eq!([26.0, 39.0].map(|weeks| full(&whole, weeks)), ["26 weeks", "39 weeks or more"]);
        assert_eq!(lead_in_full(&cut_short, None), "too few outcomes");
    }
}
