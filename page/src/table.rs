//! Tables in HTML.

use std::fmt::Write;

use crate::escape_html;
use crate::number::NONE;

/// A table: every text in it is escaped here.
pub struct Table<'a> {
    /// What it shows.
    pub caption: &'a str,
    /// Names of the columns.
    pub head: &'a [&'a str],
    /// Texts of the cells.
    pub rows: Vec<Vec<String>>,
    /// Row in bold.
    pub selected: Option<usize>,
}

impl<'a> Table<'a> {
    /// A table without a row in bold.
    #[must_use]
    pub fn new(caption: &'a str, head: &'a [&'a str], rows: Vec<Vec<String>>) -> Self {
        Self { caption, head, rows, selected: None }
    }

    /// In a box that scrolls by itself, by keyboard too, so that the page never does; the caption stays outside of it.
    #[must_use]
    pub fn html(&self) -> String {
        let caption = escape_html(self.caption);
        let mut html = format!(
            "<p class=\"caption\">{caption}</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" \
             aria-label=\"{caption}\"><table aria-label=\"{caption}\">\n<thead><tr>"
        );
        let is_text: Vec<bool> = (0..self.head.len()).map(|column| self.is_text(column)).collect();
        let class = |column: usize| if is_text.get(column) == Some(&true) { " class=\"text\"" } else { "" };
        for (column, head) in self.head.iter().enumerate() {
            let _ = write!(html, "<th scope=\"col\"{}>{}</th>", class(column), escape_html(head));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for (index, row) in self.rows.iter().enumerate() {
            html.push_str(if self.selected == Some(index) { "<tr class=\"selected\">" } else { "<tr>" });
            for (column, cell) in row.iter().enumerate() {
                let _ = write!(html, "<td{}>{}</td>", class(column), escape_html(cell));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        html
    }

    /// Whether a column has words, which stand at the left; numbers and dates stand at the right.
    fn is_text(&self, column: usize) -> bool {
        let is_word = |cell: &str| {
            let first = cell.trim_start_matches(['+', '-', '−', '±']).chars().next();
            cell != NONE && first.is_some_and(|first| !first.is_ascii_digit())
        };
        self.rows.iter().filter_map(|row| row.get(column)).any(|cell| is_word(cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_at_the_left_and_numbers_at_the_right() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let rows = vec![row(["acme", "−1.2 %", NONE, "1"]), row(["b", "+3", "2026-01", "(other)"])];
        let html = Table::new("t", &["a", "b", "c", "d"], rows).html();
        assert!(html.contains("<th scope=\"col\" class=\"text\">a</th><th scope=\"col\">b</th>"), "{html}");
        assert!(html.contains("<td>2026-01</td><td class=\"text\">(other)</td>"), "{html}");
    }

    #[test]
    fn a_table_escapes_every_text() {
        let html = Table::new("<b>", &["<i>"], vec![vec!["<script>".to_owned()]]).html();
        assert!(!html.contains("<b>") && !html.contains("<i>") && !html.contains("<script>"), "{html}");
    }
}
