//! The page on a terminal.

use super::AccountPage;
use super::sections::{Rows, profile, sections};

/// Rows of a table that are told; the others are on the page.
const ROWS: usize = 8;
/// Letters of a cell.
const LETTERS: usize = 74;

pub(super) fn lines(page: &AccountPage) -> Vec<String> {
    let mut lines = vec![format!("{} of {} on {}", clean(&page.account_id), clean(&page.business), page.as_of)];
    lines.extend(profile(page).iter().map(|line| clean(line)));
    for section in sections(page) {
        lines.push(String::new());
        lines.push(section.title.to_uppercase());
        lines.extend(section.lines.iter().map(|line| clean(line)));
        let behind: Vec<usize> = section.charts.iter().map(|(_, table)| *table).collect();
        for (place, table) in section.tables.iter().enumerate() {
            // Of a plot's numbers the last ones are enough, newest first.
            push_table(
                &mut lines,
                table,
                if behind.contains(&place) && table.rows.len() > ROWS { ROWS / 2 } else { ROWS },
            );
        }
    }
    lines
}

fn push_table(lines: &mut Vec<String>, table: &Rows, most: usize) {
    let shown: Vec<Vec<String>> =
        table.rows.iter().take(most).map(|row| row.iter().map(|cell| shortened(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = shown.iter().map(|row| row[column].chars().count());
        cells.chain([table.head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(place, (cell, width))| {
            if place == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("  {}", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    lines.push(format!("  {}:", table.caption));
    lines.push(line(&table.head.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()));
    lines.extend(shown.iter().map(|row| line(row)));
    if table.rows.len() > most {
        lines.push(format!("  … and {} more", table.rows.len() - most));
    }
}

fn shortened(text: &str) -> String {
    let text = clean(text);
    if text.chars().count() <= LETTERS { text } else { text.chars().take(LETTERS - 1).chain(['…']).collect() }
}

/// Nothing in a text from outside can speak to the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}
