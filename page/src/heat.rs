//! A table drawn as a map: the deeper the colour, the higher the share, with the figure in every cell.

use std::fmt::Write;

use crate::escape_html;
use crate::svg::{Figures, WIDTH};

const LEFT: f64 = 62.0;
const RIGHT: f64 = 358.0;
const HEAD: f64 = 20.0;
const ROW: f64 = 24.0;
/// At most so deep, so that figures can be read on it in either scheme.
const DEEPEST: f64 = 0.45;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatCell {
    /// In [0, 1]: how deep its colour is.
    pub share: f64,
    /// What stands in it; three letters fit.
    pub figure: String,
    /// What a pointer is told.
    pub text: String,
}

/// A map of shares.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// What it shows.
    pub title: String,
    /// In words, for those who do not see it.
    pub description: String,
    /// What the columns are.
    pub label: String,
    /// Names of the columns; twelve fit.
    pub columns: Vec<String>,
    /// Names and cells, one for each column; `None` where nothing is known.
    pub rows: Vec<(String, Vec<Option<HeatCell>>)>,
}

impl Figures {
    /// A map as SVG.
    #[must_use]
    pub fn heat(&mut self, map: &HeatMap) -> String {
        let bottom = ROW.mul_add(map.rows.len() as f64, HEAD);
        let mut svg = self.open(bottom + 20.0, &map.title, &map.description);
        let width = (RIGHT - LEFT) / map.columns.len().max(1) as f64;
        let left = |column: usize| width.mul_add(column as f64, LEFT);
        svg.push_str("<g class=\"heat\" font-size=\"12\">\n");
        for (column, name) in map.columns.iter().enumerate() {
            let middle = left(column) + width / 2.0;
            let name = escape_html(name);
            let _ =
                writeln!(svg, "<text class=\"faint\" x=\"{middle:.1}\" y=\"14\" text-anchor=\"middle\">{name}</text>");
        }
        for (index, (name, cells)) in map.rows.iter().enumerate() {
            let top = ROW.mul_add(index as f64, HEAD);
            let _ = writeln!(svg, "<text class=\"faint\" x=\"2\" y=\"{:.1}\">{}</text>", top + 16.0, escape_html(name));
            for (column, cell) in cells.iter().enumerate() {
                if let Some(cell) = cell {
                    push_cell(&mut svg, cell, (left(column), top), width);
                }
            }
        }
        let _ = writeln!(
            svg,
            "<text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text></g>\n</svg>",
            WIDTH / 2.0,
            bottom + 15.0,
            escape_html(&map.label)
        );
        svg
    }
}

fn push_cell(svg: &mut String, cell: &HeatCell, (left, top): (f64, f64), width: f64) {
    let depth = if cell.share.is_finite() { DEEPEST * cell.share.clamp(0.0, 1.0) } else { 0.0 };
    let _ = writeln!(
        svg,
        "<rect class=\"cell\" opacity=\"{depth:.2}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}\
         </title></rect><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" pointer-events=\"none\">{}</text>",
        width - 1.0,
        ROW - 1.0,
        escape_html(&cell.text),
        left + width / 2.0,
        top + 16.0,
        escape_html(&cell.figure)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_figure_and_no_markup() {
        let cell = HeatCell { share: 2.0, figure: "<9".to_owned(), text: "<script>".to_owned() };
        let map = HeatMap {
            title: "<t>".to_owned(),
            description: String::new(),
            label: "age".to_owned(),
            columns: vec!["0".to_owned(), "3".to_owned()],
            rows: vec![("2024".to_owned(), vec![Some(cell), None])],
        };
        let svg = Figures::default().heat(&map);
        assert!(!svg.contains("<script>") && !svg.contains("<t>") && svg.contains("&lt;9"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 1);
        assert!(svg.contains("opacity=\"0.45\""), "no deeper than figures can be read on: {svg}");
    }
}
