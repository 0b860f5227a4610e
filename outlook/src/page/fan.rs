//! The forecast: a fan of quantiles over the days ahead, one for each measure.

use bellwether_page::number::{number, percent, short};
use bellwether_page::svg::{Axis, Chart, Figures, Mark};

use super::section::table_of;
use super::view::{Form, View};

/// A column of quantiles: its name and which quantile it is, in (0, 1).
type Quantile = (&'static str, f64);

/// One figure per measure; the table of all of them where the columns are not those of a fan.
pub(super) fn section(forecast: &View<'_>, figures: &mut Figures) -> String {
    let quantiles: Vec<Quantile> = forecast.names().filter_map(|name| Some((name, quantile(name)?))).collect();
    let whole = || table_of(forecast, "Forecast", 0..forecast.rows()).html();
    let (Some(measures), Some(days)) = (forecast.texts("measure"), forecast.numbers("horizon_days")) else {
        return whole();
    };
    if quantiles.len() < 3 {
        return whole();
    }
    let mut html = String::from(
        "<p>What is expected, as a distribution: from the probabilities of all accounts, with shocks that hit many at once. In \
         the dark band the figure is expected to lie half of the time.</p>\n<div class=\"figures\">\n",
    );
    let mut told: Vec<&str> = Vec::new();
    for measure in measures.iter().flatten() {
        if told.contains(measure) {
            continue;
        }
        told.push(measure);
        let mut rows: Vec<usize> = (0..forecast.rows()).filter(|row| measures[*row] == Some(*measure)).collect();
        rows.sort_by(|a, b| days[*a].partial_cmp(&days[*b]).unwrap_or(std::cmp::Ordering::Equal));
        html.push_str(&figure(forecast, measure, &rows, &quantiles, figures));
    }
    html.push_str("</div>\n");
    html
}

/// `p10`, `q10`, `quantile_10`, `p025` (a thousandth more), `median`.
fn quantile(name: &str) -> Option<f64> {
    if name == "median" {
        return Some(0.5);
    }
    let digits = ["quantile_", "p", "q"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let share: f64 = digits.parse().ok()?;
    let share = share / if digits.len() > 2 { 1_000.0 } else { 100.0 };
    (0.0 < share && share < 1.0).then_some(share)
}

fn figure(forecast: &View<'_>, measure: &str, rows: &[usize], quantiles: &[Quantile], figures: &mut Figures) -> String {
    let days = forecast.numbers("horizon_days").unwrap_or_default();
    let values: Vec<(f64, Vec<Option<f64>>)> =
        quantiles.iter().filter_map(|(name, share)| Some((*share, forecast.numbers(name)?))).collect();
    let of = |share: f64| values.iter().find(|(one, _)| (one - share).abs() < 1e-9).map(|(_, values)| values);
    let today = today(forecast, measure, rows);
    let mut marks = Vec::new();
    for (share, low) in values.iter().filter(|(share, _)| *share < 0.5) {
        let Some(high) = of(1.0 - share) else { continue };
        let band = rows.iter().filter_map(|row| Some((days[*row]?, low[*row]?, high[*row]?)));
        marks.push(Mark::Band("band", today.iter().map(|now| (0.0, *now, *now)).chain(band).collect()));
    }
    if let Some(middle) = of(0.5) {
        let line = rows.iter().filter_map(|row| Some((days[*row]?, middle[*row]?)));
        let line: Vec<(f64, f64)> = today.iter().map(|now| (0.0, *now)).chain(line).collect();
        let form = Form::of(measure);
        marks.extend(line.iter().map(|(day, value)| Mark::Dot {
            at: (*day, *value),
            radius: 3.5,
            text: format!("{day} days: {}", form.write(*value)),
        }));
        marks.push(Mark::Line("line", line));
    }
    let ends = values.iter().flat_map(|(_, values)| rows.iter().filter_map(|row| values[*row])).chain(today);
    let heading = super::view::heading(measure);
    let form = Form::of(measure);
    let write = |value: f64| match form {
        Form::Money => short(value),
        // No room for the sign beside a fraction.
        Form::Share if (100.0 * value).fract().abs() > 0.01 => number(100.0 * value, 1),
        Form::Share => percent(value, 0),
        Form::Plain => form.write(value),
    };
    let last = rows.iter().filter_map(|row| days[*row]).fold(0.0, f64::max);
    let ticks = rows.iter().filter_map(|row| days[*row]).map(|day| (day, format!("{day}")));
    let ticks = today.map(|_| (0.0, "today".to_owned())).into_iter().chain(ticks);
    let first = rows.iter().filter_map(|row| days[*row]).fold(last, f64::min);
    let first = if today.is_some() { 0.0 } else { first.min(last - 1.0) };
    let svg = figures.chart(&Chart {
        title: heading.clone(),
        description: format!("{heading} by days ahead: the median as a line, ranges as bands around it."),
        x: Axis {
            label: "days ahead".to_owned(),
            from: first - 0.06 * (last - first),
            to: last + 0.04 * (last - first),
            ticks: ticks.collect(),
        },
        y: Axis::over(&heading, ends, write),
        marks,
    });
    table_of(forecast, &heading, rows.iter().copied()).figure(&heading, &svg, "", figures)
}

/// Where the fan begins: what is paid today, and all of it for a share of it; `None` for other measures.
fn today(forecast: &View<'_>, measure: &str, rows: &[usize]) -> Option<f64> {
    match measure {
        "mrr" => forecast.numbers("opening_mrr")?[*rows.first()?],
        "nrr" | "grr" => Some(1.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_read_from_their_names() {
        for (name, share) in [("p10", 0.1), ("q50", 0.5), ("quantile_90", 0.9), ("p025", 0.025), ("median", 0.5)] {
            assert_eq!(quantile(name), Some(share), "{name}");
        }
        for name in ["plan", "quarter", "p0", "measure"] {
            assert_eq!(quantile(name), None, "{name}");
        }
    }
}
