//! Plots of how good the forecasts of one learner were.

use super::format::{Table, count, known, number, percent, with_interval};
use crate::measure::Metric;
use crate::metric::CorpStep;
use crate::resample::Intervals;
use crate::summary::{AgeMetrics, DateMetrics, LearnerSummary, Witness};
use bellwether_page::svg::{Axis, Chart, Figures, Mark};

/// Rows of a bin of the reliability table: steps of the curve are put together until they hold so large a share.
const LEAST_BIN: f64 = 0.08;

/// A bin of the reliability diagram.
struct Bin {
    lowest: f64,
    highest: f64,
    rows: usize,
    positives: usize,
    mean: f64,
}

impl Bin {
    fn rate(&self) -> f64 {
        self.positives as f64 / self.rows as f64
    }
}

/// Neighbouring steps put together.
fn bins(steps: &[CorpStep]) -> Vec<Bin> {
    let all: usize = steps.iter().map(|step| step.rows).sum();
    let mut bins: Vec<Bin> = Vec::new();
    for step in steps {
        match bins.last_mut() {
            Some(bin) if (bin.rows as f64) < LEAST_BIN * all as f64 => {
                let (before, added) = (bin.rows as f64, step.rows as f64);
                bin.mean = (bin.mean * before + step.mean_probability * added) / (before + added);
                bin.highest = step.highest;
                bin.rows += step.rows;
                bin.positives += step.positives;
            }
            _ => bins.push(Bin {
                lowest: step.lowest,
                highest: step.highest,
                rows: step.rows,
                positives: step.positives,
                mean: step.mean_probability,
            }),
        }
    }
    bins
}

pub(super) fn reliability(learner: &LearnerSummary, figures: &mut Figures) -> String {
    let bins = bins(&learner.reliability);
    let all: usize = bins.iter().map(|bin| bin.rows).sum();
    // The last steps hold a handful of rows each and reach 1: the axis follows the bins.
    let ends = || bins.iter().flat_map(|bin| [0.0, bin.mean, bin.rate()]);
    let axis = |label: &str| Axis::over(label, ends(), |value| percent(value, usize::from(value < 0.1 && value > 0.0)));
    let (x, y) = (axis("forecast"), axis("observed"));
    let end = x.to;
    let mut marks: Vec<Mark> = bins
        .iter()
        .map(|bin| Mark::Bar {
            from: bin.lowest,
            to: bin.highest.min(end),
            share: 0.5 * bin.rows as f64 / all.max(1) as f64,
        })
        .collect();
    marks.push(Mark::Line("guide", vec![(0.0, 0.0), (end, end)]));
    let drawn = learner.reliability.iter().filter(|step| step.lowest <= end && step.recalibrated <= end);
    let steps = drawn.flat_map(|step| [(step.lowest, step.recalibrated), (step.highest.min(end), step.recalibrated)]);
    marks.push(Mark::Line("line", steps.collect()));
    marks.extend(bins.iter().map(|bin| Mark::Dot {
        at: (bin.mean, bin.rate()),
        radius: 4.5,
        text: format!(
            "forecast {}, observed {}, {} rows",
            percent(bin.mean, 1),
            percent(bin.rate(), 1),
            count(bin.rows)
        ),
    }));
    let title = "Reliability";
    let svg = figures.chart(&Chart {
        title: title.to_owned(),
        description: format!(
            "Observed rate over forecast. On the dashed diagonal a forecast of 20 % comes true in 20 % of cases. {} bins.",
            bins.len()
        ),
        x,
        y,
        marks,
    });
    let table = reliability_table(&bins);
    let says = "The line is the best non-decreasing fit of outcome on forecast (CORP), the dots its steps in bins, the bars \
                how many rows each holds; on the dashed diagonal, a forecast of 20 % comes true in 20 % of cases.";
    figures.figure(title, &svg, says, &table)
}

pub(super) fn gain(learner: &LearnerSummary, witness: Witness, figures: &mut Figures) -> String {
    if learner.gain.is_empty() {
        return String::new();
    }
    let whole = || [0.0, 1.0].into_iter();
    let write = |value: f64| percent(value, 0);
    let mut curve = vec![(0.0, 0.0)];
    curve.extend(learner.gain.iter().map(|point| (point.share_contacted, point.share_found)));
    let called = format!("{} called", witness.many());
    let svg = figures.chart(&Chart {
        title: "Gain".to_owned(),
        description: format!(
            "Share of the outcomes found over share of the {called}, best first; the dashed line calls at random."
        ),
        x: Axis::over(&called, whole(), write),
        y: Axis::over("outcomes found", whole(), write),
        marks: vec![Mark::Line("guide", vec![(0.0, 0.0), (1.0, 1.0)]), Mark::Line("line", curve)],
    });
    let rows = learner.gain.iter().map(|point| {
        vec![
            percent(point.share_contacted, 0),
            count(point.count),
            percent(point.share_found, 1),
            percent(point.precision, 1),
            number(point.lift, 2),
        ]
    });
    let table = Table::new("Gain and lift", &["Called", "Rows", "Outcomes found", "Precision", "Lift"], rows.collect());
    let tenth = learner.metrics.lift_at_10_percent;
    let says = tenth.map_or(String::new(), |lift| {
        format!("The tenth ranked highest holds {} times as many outcomes as a random tenth (lift).", number(lift, 1))
    });
    figures.figure("Gain and lift", &svg, &says, &table)
}

pub(super) fn precision_recall(learner: &LearnerSummary, witness: Witness, figures: &mut Figures) -> String {
    if learner.gain.is_empty() {
        return String::new();
    }
    let base = learner.metrics.base_rate;
    let write = |value: f64| percent(value, 0);
    let curve: Vec<(f64, f64)> = learner.gain.iter().map(|point| (point.share_found, point.precision)).collect();
    let precisions = curve.iter().map(|point| point.1).chain([0.0, base]);
    let svg = figures.chart(&Chart {
        title: "Precision and recall".to_owned(),
        description: format!(
            "Share of the calls that go to {many} with the outcome, over the share of those {many} that are called; the \
             dashed line is the base rate.",
            many = witness.many()
        ),
        x: Axis::over("recall", [0.0, 1.0].into_iter(), write),
        y: Axis::over("precision", precisions, write),
        marks: vec![Mark::Line("guide", vec![(0.0, base), (1.0, base)]), Mark::Line("line", curve)],
    });
    let rows = learner.gain.iter().map(|point| {
        vec![percent(point.share_contacted, 0), percent(point.share_found, 1), percent(point.precision, 1)]
    });
    let table = Table::new("Precision and recall", &["Called", "Recall", "Precision"], rows.collect());
    let says = format!(
        "Average precision {}; calling at random gives {}.",
        known(learner.metrics.average_precision, 3),
        percent(base, 1)
    );
    figures.figure("Precision and recall", &svg, &says, &table)
}

/// A measure over some groups of rows as a line, with its intervals as whiskers.
fn line_and_whiskers(
    points: &[(f64, Option<f64>, Option<&Intervals>)],
    metric: Metric,
) -> (Vec<(f64, f64)>, Vec<Mark>) {
    let line: Vec<(f64, f64)> = points.iter().filter_map(|(x, value, _)| Some((*x, (*value)?))).collect();
    let whiskers = points.iter().filter_map(|(x, _, intervals)| {
        let interval = intervals.and_then(|all| all.get(metric))?;
        Some(Mark::Whisker { x: *x, low: interval.low, high: interval.high })
    });
    (line.clone(), whiskers.collect())
}

pub(super) fn over_time(learner: &LearnerSummary, witness: Witness, figures: &mut Figures) -> String {
    let dates = &learner.by_date;
    let whiskers = whiskers(witness);
    let points: Vec<(f64, Option<f64>, Option<&Intervals>)> = dates
        .iter()
        .enumerate()
        .map(|(index, date)| (index as f64, date.metrics.roc_auc, date.intervals.as_ref()))
        .collect();
    let (line, mut marks) = line_and_whiskers(&points, Metric::RocAuc);
    let values = value_range(&line, &marks);
    marks.push(Mark::Line("guide", vec![(0.0, 0.5), (dates.len().saturating_sub(1) as f64, 0.5)]));
    marks.extend(dots(&line, |index| dates[index].as_of.clone()));
    marks.push(Mark::Line("line", line));
    let every = dates.len().div_ceil(4).max(1);
    let ticks = dates
        .iter()
        .enumerate()
        .step_by(every)
        .map(|(index, date)| (index as f64, date.as_of.get(..7).unwrap_or(&date.as_of).to_owned()));
    let x = Axis {
        label: "observation date".to_owned(),
        from: -0.4,
        to: (dates.len() as f64 - 0.6).max(0.6),
        ticks: ticks.collect(),
    };
    let svg = figures.chart(&Chart {
        title: "ROC AUC by observation date".to_owned(),
        description: format!("{whiskers}; 0.5 is chance."),
        x,
        y: Axis::over("ROC AUC", values.into_iter().chain([0.5]), |value| number(value, 2)),
        marks,
    });
    let table = dates_table(dates);
    figures.figure("ROC AUC by observation date", &svg, &format!("{whiskers}."), &table)
}

fn whiskers(witness: Witness) -> String {
    format!("Whiskers are 95 % intervals over {}", witness.many())
}

pub(super) fn by_age(learner: &LearnerSummary, witness: Witness, figures: &mut Figures) -> String {
    let ages = &learner.by_age;
    let whiskers = whiskers(witness);
    if ages.is_empty() {
        return String::new();
    }
    let points: Vec<(f64, Option<f64>, Option<&Intervals>)> = ages
        .iter()
        .map(|age| (f64::from(age.age_months), Some(age.metrics.log_loss), age.intervals.as_ref()))
        .collect();
    let (line, mut marks) = line_and_whiskers(&points, Metric::LogLoss);
    let base: Vec<(f64, f64)> = ages.iter().map(|age| (f64::from(age.age_months), age.metrics.null_log_loss)).collect();
    let values: Vec<f64> = value_range(&line, &marks).into_iter().chain(base.iter().map(|point| point.1)).collect();
    marks.push(Mark::Line("second", base));
    marks.extend(dots(&line, |index| format!("{} months", ages[index].age_months)));
    marks.push(Mark::Line("line", line));
    let months = ages.iter().map(|age| f64::from(age.age_months));
    let last = months.clone().fold(0.0, f64::max);
    let ticks = months.step_by(ages.len().div_ceil(8).max(1)).map(|month| (month, number(month, 0)));
    let x = Axis {
        label: "months since the refit".to_owned(),
        from: -0.4,
        to: (last + 0.4).max(0.6),
        ticks: ticks.collect(),
    };
    let svg = figures.chart(&Chart {
        title: "Log loss by age of the model".to_owned(),
        description: format!("{whiskers}; the broken line is the training base rate's."),
        x,
        y: Axis::over("log loss", values.into_iter(), |value| number(value, 3)),
        marks,
    });
    let table = ages_table(ages);
    figures.figure(
        "Log loss by age of the model",
        &svg,
        &format!("Lower is better; the broken line is the log loss of the training rows' base rate. {whiskers}."),
        &table,
    )
}

fn value_range(line: &[(f64, f64)], whiskers: &[Mark]) -> Vec<f64> {
    let mut values: Vec<f64> = line.iter().map(|point| point.1).collect();
    for mark in whiskers {
        if let Mark::Whisker { low, high, .. } = mark {
            values.extend([*low, *high]);
        }
    }
    values
}

fn dots(line: &[(f64, f64)], name: impl Fn(usize) -> String) -> Vec<Mark> {
    let dot = |(index, at): (usize, &(f64, f64))| Mark::Dot {
        at: *at,
        radius: 3.5,
        text: format!("{}: {}", name(index), number(at.1, 3)),
    };
    line.iter().enumerate().map(dot).collect()
}

/// The numbers behind it.
fn reliability_table(bins: &[Bin]) -> Table<'static> {
    let rows = bins.iter().map(|bin| {
        vec![
            format!("{} to {}", percent(bin.lowest, 2), percent(bin.highest, 2)),
            count(bin.rows),
            percent(bin.mean, 2),
            count(bin.positives),
            percent(bin.rate(), 2),
        ]
    });
    Table::new(
        "Observed and forecast",
        &["Forecast", "Rows", "Mean forecast", "Outcomes", "Observed rate"],
        rows.collect(),
    )
}

/// The numbers behind it.
fn dates_table(dates: &[DateMetrics]) -> Table<'static> {
    let rows = dates.iter().map(|date| {
        let interval = |metric: Metric| date.intervals.as_ref().and_then(|all| all.get(metric));
        vec![
            date.as_of.clone(),
            count(date.metrics.rows),
            count(date.metrics.positives),
            with_interval(date.metrics.roc_auc, interval(Metric::RocAuc), 3),
            with_interval(Some(date.metrics.log_loss), interval(Metric::LogLoss), 4),
            number(date.metrics.null_log_loss, 4),
            with_interval(date.metrics.observed_over_expected, interval(Metric::ObservedOverExpected), 2),
        ]
    });
    Table::new(
        "By observation date",
        &["Date", "Rows", "Outcomes", "ROC AUC", "Log loss", "Training base rate's", "Observed / expected"],
        rows.collect(),
    )
}

/// The numbers behind it.
fn ages_table(ages: &[AgeMetrics]) -> Table<'static> {
    let rows = ages.iter().map(|age| {
        let interval = |metric: Metric| age.intervals.as_ref().and_then(|all| all.get(metric));
        vec![
            age.age_months.to_string(),
            count(age.metrics.rows),
            count(age.metrics.positives),
            with_interval(Some(age.metrics.log_loss), interval(Metric::LogLoss), 4),
            number(age.metrics.null_log_loss, 4),
            with_interval(age.metrics.roc_auc, interval(Metric::RocAuc), 3),
        ]
    });
    Table::new(
        "By months since the refit",
        &["Months", "Rows", "Outcomes", "Log loss", "Training base rate's", "ROC AUC"],
        rows.collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_lose_no_row() {
        let step = |index: usize| CorpStep {
            lowest: index as f64 / 40.0,
            highest: (index as f64 + 0.5) / 40.0,
            rows: 1 + index % 7,
            positives: index % 2,
            mean_probability: (index as f64 + 0.2) / 40.0,
            recalibrated: index as f64 / 40.0,
        };
        let steps: Vec<CorpStep> = (0..40).map(step).collect();
        let bins = bins(&steps);
        assert!((5..=13).contains(&bins.len()), "{}", bins.len());
        assert_eq!(bins.iter().map(|bin| bin.rows).sum::<usize>(), steps.iter().map(|one| one.rows).sum::<usize>());
        assert_eq!(
            bins.iter().map(|bin| bin.positives).sum::<usize>(),
            steps.iter().map(|one| one.positives).sum::<usize>()
        );
        let mean = |rows: f64, sum: f64| sum / rows;
        let all: f64 = steps.iter().map(|one| one.rows as f64).sum();
        let of_steps = mean(all, steps.iter().map(|one| one.rows as f64 * one.mean_probability).sum());
        let of_bins = mean(all, bins.iter().map(|one| one.rows as f64 * one.mean).sum());
        assert!((of_steps - of_bins).abs() < 1e-12);
    }
}
