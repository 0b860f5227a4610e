//! Tables in HTML.

use std::fmt::Write;

use crate::escape_html;

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
    fn a_table_escapes_every_text() {
        let html = Table::new("<b>", &["<i>"], vec![vec!["<script>".to_owned()]]).html();
        assert!(!html.contains("<b>") && !html.contains("<i>") && !html.contains("<script>"), "{html}");
    }
}
