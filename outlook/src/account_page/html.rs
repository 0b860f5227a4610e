//! The page in a browser: no script, every text escaped, every plot with its numbers behind it.

use bellwether_page::svg::Figures;
use bellwether_page::{Table, escape_html};

use super::AccountPage;
use super::sections::{Rows, Section, profile, sections};

/// Rows of a table that are shown at once.
const AT_ONCE: usize = 12;

pub(super) fn page(page: &AccountPage) -> String {
    let mut figures = Figures::default();
    let title = format!("{} on {}", page.account_id, page.as_of);
    let mut body = format!(
        "<header>\n<h1>{}</h1>\n<p class=\"lead\">{}, on {}: what was known before that day, and nothing later. Money in \
         {}.</p>\n",
        escape_html(&page.account_id),
        escape_html(&page.business),
        page.as_of,
        escape_html(&page.currency)
    );
    body.push_str("<div class=\"verdict\">\n");
    for line in profile(page) {
        body.push_str(&format!("<p>{}</p>\n", escape_html(&line)));
    }
    body.push_str("</div>\n");
    let sections = sections(page);
    body.push_str("<nav aria-label=\"Contents\"><ul>\n");
    for section in &sections {
        body.push_str(&format!("<li><a href=\"#{}\">{}</a></li>\n", anchor(section), escape_html(section.title)));
    }
    body.push_str("</ul></nav>\n</header>\n");
    for section in &sections {
        push_section(&mut body, section, &mut figures);
    }
    bellwether_page::page(&title, &body)
}

fn anchor(section: &Section) -> String {
    let letters =
        section.title.chars().map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' });
    letters.collect()
}

fn push_section(body: &mut String, section: &Section, figures: &mut Figures) {
    body.push_str(&format!("<h2 id=\"{}\">{}</h2>\n", anchor(section), escape_html(section.title)));
    for line in &section.lines {
        body.push_str(&format!("<p>{}</p>\n", escape_html(line)));
    }
    if !section.charts.is_empty() {
        body.push_str("<div class=\"figures\">\n");
        for (chart, table) in &section.charts {
            let svg = figures.chart(chart);
            let behind = &section.tables[*table];
            body.push_str(&figures.figure(&chart.title, &svg, "", &of(behind, &behind.caption, &behind.rows)));
        }
        body.push_str("</div>\n");
    }
    let behind: Vec<usize> = section.charts.iter().map(|(_, table)| *table).collect();
    for (place, table) in section.tables.iter().enumerate() {
        if !behind.contains(&place) {
            push_rows(body, table);
        }
    }
}

fn of<'a>(table: &'a Rows, caption: &'a str, rows: &[Vec<String>]) -> Table<'a> {
    Table::new(caption, &table.head, rows.to_vec())
}

/// The first rows, and the others behind them.
fn push_rows(body: &mut String, table: &Rows) {
    let (first, rest) = table.rows.split_at(table.rows.len().min(AT_ONCE));
    body.push_str(&of(table, &table.caption, first).html());
    if !rest.is_empty() {
        let caption = format!("{}: {} more", table.caption, rest.len());
        let told = of(table, &caption, rest).html();
        body.push_str(&format!("<details><summary>{}</summary>\n{told}</details>\n", escape_html(&caption)));
    }
}
