//! The reliability diagram as SVG.

use std::fmt::Write;

use crate::metric::ReliabilityBin;

const SIDE: f64 = 320.0;
const MARGIN: f64 = 44.0;

/// Observed rate over mean forecast, both axes to the same end, with the diagonal of perfect calibration.
pub(super) fn reliability(bins: &[ReliabilityBin]) -> String {
    let largest = bins.iter().map(|bin| bin.mean_probability.max(bin.observed_rate)).fold(0.0, f64::max);
    let end = axis_end(largest);
    let x = |value: f64| MARGIN + value / end * SIDE;
    let y = |value: f64| 8.0 + SIDE - value / end * SIDE;
    let (width, height) = (SIDE + MARGIN + 12.0, SIDE + MARGIN + 8.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Reliability diagram: observed rate over mean \
         forecast, {} bins; the numbers are in the table below\">\n\
         <g stroke=\"var(--line)\" fill=\"none\"><path d=\"M{MARGIN} 8V{} H{}\"/>\
         <path stroke-dasharray=\"4 4\" d=\"M{} {} L{} {}\"/></g>\n",
        bins.len(),
        8.0 + SIDE,
        MARGIN + SIDE,
        x(0.0),
        y(0.0),
        x(end),
        y(end)
    );
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let value = part * end;
        let label = percent(value);
        let _ = writeln!(
            svg,
            "<g font-size=\"11\" fill=\"var(--faint)\"><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text></g>",
            x(value),
            SIDE + 24.0,
            MARGIN - 6.0,
            y(value) + 4.0
        );
    }
    let points: Vec<String> =
        bins.iter().map(|bin| format!("{:.1},{:.1}", x(bin.mean_probability), y(bin.observed_rate))).collect();
    let _ = writeln!(svg, "<polyline fill=\"none\" stroke=\"var(--accent)\" points=\"{}\"/>", points.join(" "));
    for bin in bins {
        let (cx, cy) = (x(bin.mean_probability), y(bin.observed_rate));
        let _ = writeln!(
            svg,
            "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4\" fill=\"var(--accent)\"><title>forecast {:.4}, observed {:.4}, \
             {} rows</title></circle>",
            bin.mean_probability, bin.observed_rate, bin.rows
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\" fill=\"var(--faint)\" text-anchor=\"middle\">mean forecast</text>\n</svg>",
        MARGIN + SIDE / 2.0,
        SIDE + 42.0
    );
    svg
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
