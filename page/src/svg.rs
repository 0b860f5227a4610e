//! Plots as SVG: text and shapes in the colours of the page, nothing to run. Every plot has a title and a description that
//! a screen reader reads, and a table of its numbers behind it.
//!
//! The drawing is 360 units wide, a phone's width, so that its text is never smaller than the page's on any screen.

use std::fmt::Write;

use crate::{Table, escape_html};

pub(crate) const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 262.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 338.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 216.0;

/// One axis: its ends and the places that are labelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it counts.
    pub label: String,
    /// Its lower end.
    pub from: f64,
    /// Its upper end.
    pub to: f64,
    /// Places with their labels.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Round numbers over a range that holds `values`; `write` makes the labels.
    #[must_use]
    pub fn over(label: &str, values: impl Iterator<Item = f64>, write: impl Fn(f64) -> String) -> Self {
        let (low, high) = ends_of(values);
        let step = step_of(low, high);
        let from = (low / step).floor();
        let to = (high / step).ceil().max(from + 1.0);
        let ticks = (0..=(to - from) as usize).map(|index| {
            let value = (from + index as f64) * step;
            (value, write(value))
        });
        Self { label: label.to_owned(), ticks: ticks.collect(), from: from * step, to: to * step }
    }

    /// As [`Axis::over`], of shares: per cent with as many decimals as tell the ticks apart.
    #[must_use]
    pub fn of_shares(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = ends_of(values);
        let decimals = (-(100.0 * step_of(low, high)).log10()).ceil().clamp(0.0, 6.0) as usize;
        Self::over(label, [low, high].into_iter(), |share| crate::number::percent(share, decimals))
    }

    /// Places 0, 1, 2, ... with a name each, of which at most `most` are labelled.
    #[must_use]
    pub fn of_names(label: &str, names: &[String], most: usize) -> Self {
        let every = names.len().div_ceil(most.max(1)).max(1);
        let ticks = names.iter().enumerate().step_by(every).map(|(index, name)| (index as f64, name.clone()));
        Self { label: label.to_owned(), from: -0.6, to: (names.len() as f64 - 0.4).max(0.6), ticks: ticks.collect() }
    }

    fn share(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

/// The least and the greatest; 0 and 1 where there is none.
fn ends_of(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |ends, one| (ends.0.min(one), ends.1.max(one)));
    if low > high { (0.0, 1.0) } else { (low, high) }
}

/// The distance of ticks over a range.
fn step_of(low: f64, high: f64) -> f64 {
    let spread = if high > low { high - low } else { high.abs().max(0.01) };
    round_step(spread / 4.0)
}

/// The smallest of 1, 2, 5 and 10 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|one| one * power).find(|one| *one >= step * 0.999).unwrap_or(step)
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A line through points; the class says which.
    Line(&'static str, Vec<(f64, f64)>),
    /// A dot with its text.
    Dot {
        /// Where.
        at: (f64, f64),
        /// In units of the drawing.
        radius: f64,
        /// What a pointer is told.
        text: String,
    },
    /// Nothing to see: where a pointer is told something.
    Spot {
        /// Where.
        at: (f64, f64),
        /// What it is told.
        text: String,
    },
    /// From low to high at x.
    Whisker {
        /// Where.
        x: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// A bar of a histogram standing on the x axis, its height a share of the drawing.
    Bar {
        /// Left end.
        from: f64,
        /// Right end.
        to: f64,
        /// Height, in [0, 1].
        share: f64,
    },
    /// Part of a stacked bar around x, from low to high; the class says which part.
    Block {
        /// Class of the shape.
        class: &'static str,
        /// Middle.
        x: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
        /// What a pointer is told.
        text: String,
    },
    /// Between two lines: x, low, high.
    Band(&'static str, Vec<(f64, f64, f64)>),
}

/// A plot over two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// In words, for those who do not see it.
    pub description: String,
    /// Across.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// From the back to the front.
    pub marks: Vec<Mark>,
}

/// Numbers figures, so that every id on the page is its own.
#[derive(Debug, Default)]
pub struct Figures {
    count: usize,
}

impl Figures {
    /// A figure: caption, drawing, what it says, and its numbers in a table that opens.
    pub fn figure(&mut self, title: &str, svg: &str, says: &str, table: &Table<'_>) -> String {
        let says = if says.is_empty() { String::new() } else { format!("<p>{}</p>\n", escape_html(says)) };
        format!(
            "<figure>\n<figcaption>{}</figcaption>\n{svg}{says}<details><summary>The numbers</summary>\n{}</details>\n\
             </figure>\n",
            escape_html(title),
            table.html()
        )
    }

    pub(crate) fn open(&mut self, height: f64, title: &str, description: &str) -> String {
        self.count += 1;
        let id = self.count;
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"t{id} d{id}\"><title id=\"t{id}\">{}\
             </title><desc id=\"d{id}\">{}</desc>\n",
            escape_html(title),
            escape_html(description)
        )
    }

    /// A chart as SVG.
    pub fn chart(&mut self, chart: &Chart) -> String {
        let mut svg = self.open(HEIGHT, &chart.title, &chart.description);
        let x = |value: f64| LEFT + chart.x.share(value) * (RIGHT - LEFT);
        let y = |value: f64| BOTTOM - chart.y.share(value) * (BOTTOM - TOP);
        push_axes(&mut svg, chart, &x, &y);
        for mark in &chart.marks {
            push_mark(&mut svg, mark, &x, &y);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Rows of a dot with its interval on one axis, each under its label.
    pub fn rows(&mut self, plot: &RowPlot) -> String {
        let height = ROW * plot.rows.len() as f64 + 34.0;
        let mut svg = self.open(height, &plot.title, &plot.description);
        let x = |value: f64| ROW_LEFT + plot.axis.share(value) * (ROW_RIGHT - ROW_LEFT);
        let bottom = ROW * plot.rows.len() as f64;
        for (place, label) in &plot.axis.ticks {
            let place = x(*place);
            // A long label at an end would leave the drawing.
            let is_long = label.chars().count() > 4;
            let (at, anchor) = match place {
                place if is_long && place < ROW_LEFT + 12.0 => (2.0, "start"),
                place if is_long && place > ROW_RIGHT - 12.0 => (WIDTH - 2.0, "end"),
                place => (place, "middle"),
            };
            let _ = writeln!(
                svg,
                "<path class=\"axis\" d=\"M{place:.1} 4V{bottom:.1}\"/><text class=\"faint\" x=\"{at:.1}\" y=\"{:.1}\" \
                 font-size=\"12\" text-anchor=\"{anchor}\">{}</text>",
                bottom + 13.0,
                escape_html(label)
            );
        }
        if let Some(guide) = plot.guide {
            let _ = writeln!(svg, "<path class=\"guide\" d=\"M{0:.1} 4V{bottom:.1}\"/>", x(guide));
        }
        for (index, row) in plot.rows.iter().enumerate() {
            push_row(&mut svg, row, ROW * index as f64, &x);
        }
        let _ = writeln!(
            svg,
            "<text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\" text-anchor=\"middle\">{}</text>\n</svg>",
            (ROW_LEFT + ROW_RIGHT) / 2.0,
            bottom + 28.0,
            escape_html(&plot.axis.label)
        );
        svg
    }
}

const ROW: f64 = 36.0;
const ROW_LEFT: f64 = 18.0;
const ROW_RIGHT: f64 = 342.0;
/// Letters of a label that fit on the line, beside its figure, even where many of them are wide.
pub const LETTERS: usize = 40;

/// One row of a [`RowPlot`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlotRow {
    /// Of what.
    pub label: String,
    /// The figure in words, at the right.
    pub figure: String,
    /// Where the dot stands.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Not told apart: drawn open.
    pub open: bool,
}

/// Figures with intervals, one under the other.
#[derive(Debug, Clone, PartialEq)]
pub struct RowPlot {
    /// What it shows.
    pub title: String,
    /// In words, for those who do not see it.
    pub description: String,
    /// Across.
    pub axis: Axis,
    /// A line at this value.
    pub guide: Option<f64>,
    /// From the top down.
    pub rows: Vec<PlotRow>,
}

fn push_row(svg: &mut String, row: &PlotRow, top: f64, x: &dyn Fn(f64) -> f64) {
    let room = LETTERS.saturating_sub(row.figure.chars().count());
    let label = if row.label.chars().count() > room {
        format!("{}…", row.label.chars().take(room.saturating_sub(1)).collect::<String>().trim_end())
    } else {
        row.label.clone()
    };
    let class = if row.open { "open" } else { "dot" };
    let _ = writeln!(
        svg,
        "<g><title>{}: {}</title><text x=\"{ROW_LEFT}\" y=\"{:.1}\" font-size=\"13\">{}</text><text class=\"faint\" \
         x=\"{ROW_RIGHT}\" y=\"{:.1}\" font-size=\"13\" text-anchor=\"end\">{}</text><path class=\"whisker\" \
         d=\"M{:.1} {:.1}H{:.1}\"/><circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4.5\"/></g>",
        escape_html(&row.label),
        escape_html(&row.figure),
        top + 14.0,
        escape_html(&label),
        top + 14.0,
        escape_html(&row.figure),
        x(row.low),
        top + 24.0,
        x(row.high),
        x(row.value),
        top + 24.0
    );
}

fn push_axes(svg: &mut String, chart: &Chart, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
    let _ = writeln!(svg, "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>");
    let _ = writeln!(svg, "<g class=\"faint\" font-size=\"12\">");
    for (value, label) in &chart.x.ticks {
        let _ = writeln!(
            svg,
            "<text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(*value),
            BOTTOM + 15.0,
            escape_html(label)
        );
    }
    for (value, label) in &chart.y.ticks {
        let _ = writeln!(
            svg,
            "<path class=\"axis\" opacity=\".55\" d=\"M{LEFT} {0:.1}H{RIGHT}\"/><text class=\"faint\" x=\"{1:.1}\" \
             y=\"{2:.1}\" text-anchor=\"end\">{3}</text>",
            y(*value),
            LEFT - 5.0,
            y(*value) + 4.0,
            escape_html(label)
        );
    }
    let middle = (LEFT + RIGHT) / 2.0;
    let _ = writeln!(
        svg,
        "<text class=\"faint\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text></g>",
        BOTTOM + 34.0,
        escape_html(&chart.x.label)
    );
}

fn push_mark(svg: &mut String, mark: &Mark, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
    let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        points.map(|(across, up)| format!("{:.1},{:.1}", x(across), y(up))).collect::<Vec<_>>().join(" ")
    };
    let _ = match mark {
        Mark::Line(class, points) => {
            writeln!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", path(&mut points.iter().copied()))
        }
        Mark::Dot { at, radius, text } => writeln!(
            svg,
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\"><title>{}</title></circle>",
            x(at.0),
            y(at.1),
            escape_html(text)
        ),
        Mark::Spot { at, text } => writeln!(
            svg,
            "<circle class=\"spot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"><title>{}</title></circle>",
            x(at.0),
            y(at.1),
            escape_html(text)
        ),
        Mark::Whisker { x: across, low, high } => {
            writeln!(svg, "<path class=\"whisker\" d=\"M{:.1} {:.1}V{:.1}\"/>", x(*across), y(*low), y(*high))
        }
        Mark::Bar { from, to, share } => {
            let height = share * (BOTTOM - TOP);
            let (left, right) = (x(*from), x(*to));
            writeln!(
                svg,
                "<rect class=\"bar\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                BOTTOM - height,
                (right - left - 1.0).max(0.5)
            )
        }
        Mark::Block { class, x: middle, low, high, text } => {
            let (left, right) = (x(middle - 0.4), x(middle + 0.4));
            writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                y(*high),
                (right - left).max(0.5),
                (y(*low) - y(*high)).max(0.0),
                escape_html(text)
            )
        }
        Mark::Band(class, points) => {
            let there = points.iter().map(|(across, low, _)| (*across, *low));
            let back = points.iter().rev().map(|(across, _, high)| (*across, *high));
            writeln!(svg, "<polygon class=\"{class}\" points=\"{}\"/>", path(&mut there.chain(back)))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_every_value_on_round_numbers() {
        let write = |value: f64| format!("{value:.2}");
        let axis = Axis::over("share", [0.013, 0.42].into_iter(), write);
        let labels: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["0.00", "0.20", "0.40", "0.60"]);
        for values in [vec![], vec![3.0], vec![0.0], vec![-2.0, 900.0], vec![f64::NAN, 0.1]] {
            let axis = Axis::over("any", values.iter().copied(), write);
            assert!(axis.from < axis.to && (2..=7).contains(&axis.ticks.len()), "{values:?} {axis:?}");
            assert!(values.iter().filter(|one| one.is_finite()).all(|one| axis.from <= *one && *one <= axis.to));
        }
    }

    #[test]
    fn labels_are_escaped_and_shortened() {
        let row = PlotRow {
            label: format!("<script>{}", "x".repeat(90)),
            figure: "1 <2".to_owned(),
            value: 0.5,
            low: 0.1,
            high: 0.9,
            open: false,
        };
        let axis = Axis::over("a<b", [0.0, 1.0].into_iter(), |value| format!("{value}"));
        let plot =
            RowPlot { title: "<t>".to_owned(), description: "<d>".to_owned(), axis, guide: None, rows: vec![row] };
        let svg = Figures::default().rows(&plot);
        assert!(!svg.contains("<script>") && !svg.contains("<t>") && !svg.contains("<d>"), "{svg}");
        assert!(svg.contains('…') && svg.contains("role=\"img\"") && svg.contains("aria-labelledby=\"t1 d1\""));
    }
}
