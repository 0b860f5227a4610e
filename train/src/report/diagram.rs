//! The reliability diagram as SVG.

use std::fmt::Write;

use crate::metric::ReliabilityBin;

const SIDE: f64 = 320.0;
const MARGIN: f64 = 44.0;
const TOP: f64 = 8.0;

/// Observed rate over mean forecast, both axes to the same end, with the diagonal of perfect calibration.
pub(super) fn reliability(bins: &[ReliabilityBin]) -> String {
    let largest = bins.iter().map(|bin| bin.mean_probability.max(bin.observed_rate)).fold(0.0, f64::max);
    let scale = Scale { end: axis_end(largest) };
    let (width, height) = (SIDE + MARGIN + 12.0, SIDE + MARGIN + TOP);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Reliability diagram: observed rate over mean \
         forecast, {} bins; the numbers are in the table below\">\n",
        bins.len()
    );
    scale.push_axes(&mut svg);
    let points: Vec<(f64, f64)> =
        bins.iter().map(|bin| (scale.x(bin.mean_probability), scale.y(bin.observed_rate))).collect();
    let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(svg, "<polyline fill=\"none\" stroke=\"var(--accent)\" points=\"{}\"/>", line.join(" "));
    for (bin, (x, y)) in bins.iter().zip(&points) {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"var(--accent)\"><title>forecast {:.4}, observed {:.4}, \
             {} rows</title></circle>",
            bin.mean_probability, bin.observed_rate, bin.rows
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// From a probability to a place in the drawing.
struct Scale {
    /// Probability at the end of both axes.
    end: f64,
}

impl Scale {
    fn x(&self, value: f64) -> f64 {
        MARGIN + value / self.end * SIDE
    }

    fn y(&self, value: f64) -> f64 {
        TOP + SIDE - value / self.end * SIDE
    }

    fn push_axes(&self, svg: &mut String) {
        let (left, bottom) = (self.x(0.0), self.y(0.0));
        let (right, top) = (self.x(self.end), self.y(self.end));
        let _ = writeln!(
            svg,
            "<g stroke=\"var(--line)\" fill=\"none\"><path d=\"M{left} {top}V{bottom} H{right}\"/>\
             <path stroke-dasharray=\"4 4\" d=\"M{left} {bottom} L{right} {top}\"/></g>"
        );
        for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let value = part * self.end;
            let label = percent(value);
            let _ = writeln!(
                svg,
                "<g font-size=\"11\" fill=\"var(--faint)\"><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}\
                 </text><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text></g>",
                self.x(value),
                bottom + 16.0,
                left - 6.0,
                self.y(value) + 4.0
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\" fill=\"var(--faint)\" text-anchor=\"middle\">mean \
             forecast</text>",
            MARGIN + SIDE / 2.0,
            bottom + 34.0
        );
    }
}

/// The smallest of 1, 2, 4, 8 % ... 100 % that holds the value.
fn axis_end(largest: f64) -> f64 {
    let mut end = 0.01;
    while end < largest {
        end *= 2.0;
    }
    end.min(1.0)
}

fn percent(value: f64) -> String {
    let text = format!("{:.2}", 100.0 * value);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_holds_every_point() {
        assert_eq!(axis_end(0.0), 0.01);
        assert_eq!(axis_end(0.03), 0.04);
        assert_eq!(axis_end(0.9), 1.0);
        assert_eq!(percent(0.005), "0.5 %");
        assert_eq!(percent(0.0), "0 %");
    }
}
