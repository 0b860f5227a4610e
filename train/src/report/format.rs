//! Numbers as a reader writes them, and tables.

use std::fmt::Write;

use crate::insight::Estimate;
use crate::resample::MetricInterval;
use crate::text::escape_html;

/// What stands where there is no figure.
pub(super) const NONE: &str = "–";

/// "12.3 %".
pub(super) fn percent(share: f64, decimals: usize) -> String {
    format!("{} %", unsigned_zero(format!("{:.decimals$}", 100.0 * share)))
}

/// "+6.2": points of probability with their sign.
pub(super) fn points(share: f64) -> String {
    let text = unsigned_zero(format!("{:.1}", 100.0 * share));
    if text.starts_with('-') || text == "0.0" { text.replace('-', "−") } else { format!("+{text}") }
}

/// A plain number.
pub(super) fn number(value: f64, decimals: usize) -> String {
    unsigned_zero(format!("{value:.decimals$}"))
}

/// A plain number or a dash.
pub(super) fn known(value: Option<f64>, decimals: usize) -> String {
    value.map_or(NONE.to_owned(), |value| number(value, decimals))
}

/// "0.812 (0.790 to 0.833)".
pub(super) fn with_interval(value: Option<f64>, interval: Option<&MetricInterval>, decimals: usize) -> String {
    match (value, interval) {
        (Some(value), Some(interval)) => {
            let [value, low, high] = [value, interval.low, interval.high].map(|one| number(one, decimals));
            format!("{value} ({low} to {high})")
        }
        _ => known(value, decimals),
    }
}

/// "0.812 (0.790 to 0.833)".
pub(super) fn estimate(estimate: &Estimate, decimals: usize) -> String {
    let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|one| number(one, decimals));
    format!("{value} ({low} to {high})")
}

/// "+6.2 (+4.0 to +8.1)": points with their interval.
pub(super) fn estimate_points(estimate: &Estimate) -> String {
    format!("{} ({} to {})", points(estimate.value), points(estimate.low), points(estimate.high))
}

/// "12.3 % (10.1 to 14.8 %)".
pub(super) fn estimate_percent(estimate: &Estimate) -> String {
    let [value, low] = [estimate.value, estimate.low].map(|one| number(100.0 * one, 1));
    format!("{value} % ({low} to {})", percent(estimate.high, 1))
}

/// With commas between thousands.
pub(super) fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn unsigned_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|one| one == '0' || one == '.') => rest.to_owned(),
        _ => text,
    }
}

/// A table: every text in it is escaped here.
pub(super) struct Table<'a> {
    pub(super) caption: &'a str,
    pub(super) head: &'a [&'a str],
    pub(super) rows: Vec<Vec<String>>,
    /// Row in bold.
    pub(super) selected: Option<usize>,
}

impl<'a> Table<'a> {
    pub(super) fn new(caption: &'a str, head: &'a [&'a str], rows: Vec<Vec<String>>) -> Self {
        Self { caption, head, rows, selected: None }
    }

    /// In a box that scrolls by itself, by keyboard too, so that the page never does; the caption stays outside of it.
    pub(super) fn html(&self) -> String {
        let caption = escape_html(self.caption);
        let mut html = format!(
            "<p class=\"caption\">{caption}</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" \
             aria-label=\"{caption}\"><table aria-label=\"{caption}\">\n<thead><tr>"
        );
        for head in self.head {
            let _ = write!(html, "<th scope=\"col\">{}</th>", escape_html(head));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for (index, row) in self.rows.iter().enumerate() {
            html.push_str(if self.selected == Some(index) { "<tr class=\"selected\">" } else { "<tr>" });
            for cell in row {
                let _ = write!(html, "<td>{}</td>", escape_html(cell));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(points(-0.0001), "0.0");
        assert_eq!(points(-0.062), "−6.2");
        assert_eq!(points(0.062), "+6.2");
        assert_eq!(percent(0.1234, 1), "12.3 %");
        assert_eq!(number(-0.0001, 2), "0.00");
    }

    #[test]
    fn a_table_escapes_every_text() {
        let html = Table::new("<b>", &["<i>"], vec![vec!["<script>".to_owned()]]).html();
        assert!(!html.contains("<b>") && !html.contains("<i>") && !html.contains("<script>"), "{html}");
    }
}
