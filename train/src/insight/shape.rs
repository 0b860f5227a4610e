//! Shape of effect: how the forecast moves with the value of a signal, and where it changes most.
//!
//! Rows are cut into bins of about equal size by value; a bin's effect is the mean of the signal's own effect over its rows
//! (exact Shapley values in points of probability), with the share of rows that had the outcome beside it. The threshold
//! is the cut into two parts that leaves the least variance of the effect within them (a regression tree of one split,
//! Breiman et al. 1984); its interval comes from cutting resamples of accounts in the same way.
//!
//! The effects are the model's own, and any two halves of a slope differ: a cut alone proves nothing. So a threshold is told
//! only of a learner that can have steps, and only where the outcomes themselves, which the model had not seen, differ
//! between the two sides in the same direction beyond chance. Where a signal has two values there is nothing to cut: the
//! one is told against the other, of any learner.

mod observed;

use bellwether_features::matrix::Column;
use bellwether_features::signal::{SignalDefinition, Unit};
use bellwether_models::reasons::write_value;
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, LEAST_ACCOUNTS_PER_LEVEL};
use crate::insight::explain::{Drivers, Explained};
use crate::insight::resample::{Estimate, Resamples, interval, mean};
use crate::insight::{distinct, subject};
use crate::policy::unit;

pub use observed::ObservedStep;

/// Signals whose shape is told.
const MOST_SHAPES: usize = 6;
/// Bins of a numeric signal.
const BINS: usize = 8;
/// Each side of a threshold holds at least this share of the rows.
const LEAST_SIDE: f64 = 0.05;

/// One bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShapeBin {
    /// Values in words: "below 5", "5 to below 8", a level, "not known".
    pub label: String,
    /// Smallest value of the bin; `None` in the first bin, for a category and for what is not known.
    pub from: Option<f64>,
    /// Rows.
    pub rows: usize,
    /// Accounts.
    pub accounts: usize,
    /// Mean effect of the signal, in points of probability as a fraction.
    pub effect: Estimate,
    /// Share of the rows that had the outcome.
    pub observed: Estimate,
}

/// Where the effect changes most, and the outcomes with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Smallest value of the upper part, rounded to three digits.
    pub value: Estimate,
    /// The value in words.
    pub text: String,
    /// The ends of its interval in words.
    pub text_low: String,
    /// Upper end in words.
    pub text_high: String,
    /// Mean effect below it less that from it on, in points of probability as a fraction.
    pub change: Estimate,
    /// Share of the rows below it that had the outcome.
    pub observed_below: f64,
    /// Share of the rows from it on.
    pub observed_above: f64,
    /// The former less the latter; its interval, over accounts, excludes 0 on the side of the change. Absent in summaries of
    /// versions that did not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_difference: Option<Estimate>,
    /// The two values in words, lower first, of a signal that has no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<[String; 2]>,
}

/// One signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Signal.
    pub signal: String,
    /// In words, without a value.
    pub text: String,
    /// Whether the bins are ordered values, not levels.
    pub numeric: bool,
    /// Bins, ascending; what is not known comes last.
    pub bins: Vec<ShapeBin>,
    /// Where effect and outcomes change most; `None` for a category of three levels or more, for a learner without steps
    /// (unless there are but two values), and where the outcomes on the two sides are not told apart.
    pub threshold: Option<Threshold>,
    /// Where the outcomes change most by themselves; only without a threshold, of what has an order or two values, and `None`
    /// where it is not beyond chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_step: Option<ObservedStep>,
}

/// Shapes of the signals that lead the ideas that weigh most.
pub(super) fn shapes(dataset: &Dataset, explained: &Explained, drivers: &Drivers, seed: u64) -> Vec<Shape> {
    let resamples = Resamples::new(&explained.accounts, seed);
    let leading = drivers.ideas.iter().take(MOST_SHAPES);
    leading
        .filter_map(|driver| {
            let index = dataset.signals().iter().position(|signal| signal.name == driver.signal)?;
            Some(shape(dataset, explained, index, &resamples))
        })
        .filter(|shape| !shape.bins.is_empty())
        .collect()
}

fn shape(dataset: &Dataset, explained: &Explained, index: usize, resamples: &Resamples) -> Shape {
    let signal = &dataset.signals()[index];
    let view = View { explained, effects: &explained.effects[index], resamples };
    let (bins, threshold, observed_step) = match &dataset.matrix().columns[index] {
        Column::Numeric(values) => {
            let values: Vec<f64> = explained.rows.iter().map(|row| f64::from(values[*row as usize])).collect();
            let word = |value: f64| in_words(signal.unit, value);
            let threshold = step(&view, &values, &word);
            let observed = if threshold.is_none() { observed::step(&view, &values, &word) } else { None };
            (numeric_bins(signal, &view, &values), threshold, observed)
        }
        Column::Category { levels, codes } => {
            let codes: Vec<Option<u32>> = explained.rows.iter().map(|row| codes[*row as usize]).collect();
            let values: Vec<f64> = codes.iter().map(|code| code.map_or(f64::NAN, f64::from)).collect();
            let word = |value: f64| levels.get(value as usize).cloned().unwrap_or_default();
            // Three levels have no order to cut.
            let step = two_values(&values).and_then(|pair| threshold(&view, &values, &word, Some(pair)));
            (level_bins(&view, levels, &codes), step, None)
        }
    };
    Shape {
        signal: signal.name.clone(),
        text: subject(signal),
        numeric: signal.unit != Unit::Category,
        bins,
        threshold,
        observed_step,
    }
}

/// The rows behind one signal's shape.
struct View<'a> {
    explained: &'a Explained,
    effects: &'a [f64],
    resamples: &'a Resamples,
}

impl View<'_> {
    /// A bin of the given rows; `None` where they are of fewer accounts than a page may tell of.
    fn bin(&self, label: String, from: Option<f64>, rows: &[usize]) -> Option<ShapeBin> {
        let accounts = distinct(rows.iter().map(|row| self.explained.accounts[*row]));
        if accounts < LEAST_ACCOUNTS_PER_LEVEL {
            return None;
        }
        let outcome = |row: usize| f64::from(u8::from(self.explained.labels[row]));
        let estimate = |value: &(dyn Fn(usize) -> f64 + Sync)| {
            self.resamples.estimate(|weights| mean(rows.iter().map(|row| (value(*row), weights[*row]))))
        };
        let effect = estimate(&|row| self.effects[row])?;
        Some(ShapeBin { label, from, rows: rows.len(), accounts, effect, observed: estimate(&outcome)? })
    }

    /// Whether either set of rows is of fewer accounts than a page may tell of.
    fn is_too_few(&self, lower: &[usize], upper: &[usize]) -> bool {
        let accounts = |rows: &[usize]| distinct(rows.iter().map(|row| self.explained.accounts[*row]));
        accounts(lower).min(accounts(upper)) < LEAST_ACCOUNTS_PER_LEVEL
    }

    /// Rate of the outcome in the one set of rows less that in the other, with its interval over accounts.
    fn observed_difference(&self, lower: &[usize], upper: &[usize]) -> Option<Estimate> {
        let outcome = |row: usize| f64::from(u8::from(self.explained.labels[row]));
        self.resamples.estimate(|weights| {
            let rate = |rows: &[usize]| mean(rows.iter().map(|row| (outcome(*row), weights[*row])));
            Some(rate(lower)? - rate(upper)?)
        })
    }
}

/// Places of the known values, ascending by value.
fn ascending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).filter(|row| !values[*row].is_nan()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]).then(a.cmp(b)));
    order
}

fn numeric_bins(signal: &SignalDefinition, view: &View<'_>, values: &[f64]) -> Vec<ShapeBin> {
    let order = ascending(values);
    let mut bins: Vec<Vec<usize>> = Vec::new();
    let least = order.len().div_ceil(BINS).max(1);
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        match bins.last_mut() {
            Some(bin) if bin.len() < least => bin.extend_from_slice(group),
            _ => bins.push(group.to_vec()),
        }
    }
    // A short last bin joins its neighbour.
    if bins.len() > 1 && bins.last().is_some_and(|bin| 2 * bin.len() < least) {
        let last = bins.pop().unwrap_or_default();
        bins.last_mut().into_iter().for_each(|bin| bin.extend_from_slice(&last));
    }
    let starts: Vec<f64> = bins.iter().map(|bin| values[bin[0]]).collect();
    let word = |value: f64| in_words(signal.unit, value);
    let label = |bin: usize| {
        let only = bins[bin].iter().all(|row| values[*row] == starts[bin]);
        match (bin, starts.get(bin + 1)) {
            _ if only => word(starts[bin]),
            (0, None) => "any value".to_owned(),
            (0, Some(next)) => format!("below {}", word(*next)),
            (_, Some(next)) => format!("{} to below {}", word(starts[bin]), word(*next)),
            (_, None) => format!("{} or more", word(starts[bin])),
        }
    };
    let mut told: Vec<ShapeBin> = bins
        .iter()
        .enumerate()
        .filter_map(|(bin, rows)| view.bin(label(bin), (bin > 0).then(|| rounded(starts[bin])), rows))
        .collect();
    let unknown: Vec<usize> = (0..values.len()).filter(|row| values[*row].is_nan()).collect();
    told.extend(view.bin("not known".to_owned(), None, &unknown));
    told
}

/// Levels of enough accounts, most frequent first; the others together.
fn level_bins(view: &View<'_>, levels: &[String], codes: &[Option<u32>]) -> Vec<ShapeBin> {
    let rows_of = |wanted: &dyn Fn(Option<u32>) -> bool| -> Vec<usize> {
        (0..codes.len()).filter(|row| wanted(codes[*row])).collect()
    };
    let mut bins = Vec::new();
    let mut told = vec![false; levels.len()];
    for (code, level) in levels.iter().enumerate() {
        let rows = rows_of(&|one| one == Some(code as u32));
        if let Some(bin) = view.bin(level.clone(), None, &rows) {
            told[code] = true;
            bins.push(bin);
        }
    }
    bins.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.label.cmp(&b.label)));
    bins.extend(view.bin("other".to_owned(), None, &rows_of(&|one| one.is_some_and(|code| !told[code as usize]))));
    bins.extend(view.bin("not known".to_owned(), None, &rows_of(&|one| one.is_none())));
    bins
}

/// A cut, and what lies on its two sides.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// First place of the upper part.
    place: usize,
    below: f64,
    above: f64,
}

/// The step of a number, as far as the learner can have one.
fn step(view: &View<'_>, values: &[f64], word: &dyn Fn(f64) -> String) -> Option<Threshold> {
    match two_values(values) {
        None if !view.explained.learner.has_steps() => None,
        pair => threshold(view, values, word, pair),
    }
}

/// The two values, lower first, where there are no others.
fn two_values(values: &[f64]) -> Option<[f64; 2]> {
    let known = || values.iter().copied().filter(|value| !value.is_nan());
    let (low, high) = (known().reduce(f64::min)?, known().reduce(f64::max)?);
    (low < high && known().all(|value| value == low || value == high)).then_some([low, high])
}

fn threshold(
    view: &View<'_>,
    values: &[f64],
    word: &dyn Fn(f64) -> String,
    pair: Option<[f64; 2]>,
) -> Option<Threshold> {
    let order = ascending(values);
    let sorted: Vec<f64> = order.iter().map(|row| values[*row]).collect();
    let effects: Vec<f64> = order.iter().map(|row| view.effects[*row]).collect();
    let cut = best_cut(&sorted, &effects, |_| 1.0)?;
    let (lower, upper) = order.split_at(cut.place);
    if view.is_too_few(lower, upper) {
        return None;
    }
    let again = view.resamples.replicates(|weights| best_cut(&sorted, &effects, |place| weights[order[place]]));
    let (low, high) = interval(again.iter().flatten().map(|cut| sorted[cut.place]).collect())?;
    let (change_low, change_high) = interval(again.iter().flatten().map(|cut| cut.below - cut.above).collect())?;
    let change = Estimate { value: cut.below - cut.above, low: change_low, high: change_high };
    if !change.excludes(0.0) {
        return None;
    }
    let difference = view.observed_difference(lower, upper)?;
    if !difference.excludes(0.0) || (difference.value > 0.0) != (change.value > 0.0) {
        return None;
    }
    let observed =
        |rows: &[usize]| rows.iter().filter(|row| view.explained.labels[**row]).count() as f64 / rows.len() as f64;
    Some(Threshold {
        text: word(sorted[cut.place]),
        text_low: word(low),
        text_high: word(high),
        value: Estimate { value: rounded(sorted[cut.place]), low: rounded(low), high: rounded(high) },
        change,
        observed_below: observed(lower),
        observed_above: observed(upper),
        observed_difference: Some(difference),
        values: pair.map(|pair| pair.map(word)),
    })
}

/// The cut with the least variance within its two parts, each of at least [`LEAST_SIDE`] of the weight; the lowest of
/// equals. `None` where all values are one.
fn best_cut(sorted: &[f64], effects: &[f64], weight: impl Fn(usize) -> f64) -> Option<Cut> {
    let (mut all, mut sum) = (0.0, 0.0);
    for (place, effect) in effects.iter().enumerate() {
        all += weight(place);
        sum += weight(place) * effect;
    }
    let (mut below, mut sum_below) = (0.0, 0.0);
    let mut best: Option<(f64, Cut)> = None;
    for place in 1..sorted.len() {
        below += weight(place - 1);
        sum_below += weight(place - 1) * effects[place - 1];
        let least = LEAST_SIDE * all;
        if sorted[place] == sorted[place - 1] || below < least || all - below < least || below <= 0.0 || below >= all {
            continue;
        }
        let (mean_below, mean_above) = (sum_below / below, (sum - sum_below) / (all - below));
        let between = below * (all - below) * (mean_below - mean_above).powi(2);
        if best.as_ref().is_none_or(|(most, _)| between > *most) {
            best = Some((between, Cut { place, below: mean_below, above: mean_above }));
        }
    }
    best.map(|(_, cut)| cut)
}

/// A value that is an end of a range: "61 days" where a reason would say "in 61 days", "+10 %" where it would say "rose 10 %".
fn in_words(measure: Unit, value: f64) -> String {
    let measure = match measure {
        Unit::DaysAhead => Unit::Days,
        Unit::RelativeChange => Unit::SignedShare,
        other => other,
    };
    write_value(unit(measure), rounded(value))
}

/// To three digits: a threshold is no more exact than that, and a single account's amount is not told.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() || (value.fract() == 0.0 && value.abs() < 1000.0) {
        return value;
    }
    let scale = 10_f64.powf(2.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::LearnerKind;

    /// Least variance within the parts, by trying every cut.
    fn slow_cut(values: &[f64], effects: &[f64]) -> (f64, f64) {
        let within = |part: &[f64]| {
            let mean = part.iter().sum::<f64>() / part.len() as f64;
            part.iter().map(|one| (one - mean).powi(2)).sum::<f64>()
        };
        let mut best = (f64::INFINITY, f64::NAN);
        let mut candidates = values.to_vec();
        candidates.sort_by(f64::total_cmp);
        candidates.dedup();
        for cut in candidates {
            let side = |lower: bool| -> Vec<f64> {
                values.iter().zip(effects).filter(|(value, _)| (**value < cut) == lower).map(|(_, one)| *one).collect()
            };
            let (lower, upper) = (side(true), side(false));
            if (lower.len().min(upper.len()) as f64) < LEAST_SIDE * values.len() as f64 || lower.is_empty() {
                continue;
            }
            let left = within(&lower) + within(&upper);
            if left < best.0 - 1e-12 {
                best = (left, cut);
            }
        }
        best
    }

    #[test]
    fn the_cut_is_the_one_of_least_variance() {
        for seed in 0..20_u64 {
            let lot = |index: u64| crate::learner::rows::account_lot(seed, index as u32);
            let mut rows: Vec<(f64, f64)> = (0..80)
                .map(|index| {
                    let value = (lot(index) * 20.0).floor();
                    (value, f64::from(u8::from(value < 7.0)) * 0.3 + lot(index + 1000) - 0.5)
                })
                .collect();
            rows.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (values, effects): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
            let cut = best_cut(&values, &effects, |_| 1.0).expect("a cut");
            assert_eq!(values[cut.place], slow_cut(&values, &effects).1, "seed {seed}");
        }
    }

    #[test]
    fn weights_count_like_repeated_rows() {
        let (values, effects) = ([1.0, 2.0, 3.0, 4.0], [0.5, 0.4, 0.1, 0.3]);
        let weights = [1.0, 2.0, 0.0, 3.0];
        let weighted = best_cut(&values, &effects, |place| weights[place]).expect("a cut");
        let repeated = best_cut(&[1.0, 2.0, 2.0, 4.0, 4.0, 4.0], &[0.5, 0.4, 0.4, 0.3, 0.3, 0.3], |_| 1.0);
        let repeated = repeated.expect("a cut");
        assert!((weighted.below - repeated.below).abs() < 1e-12 && (weighted.above - repeated.above).abs() < 1e-12);
        assert!(best_cut(&[2.0, 2.0], &[0.1, 0.9], |_| 1.0).is_none());
    }

    #[test]
    fn ends_of_ranges_read_as_such() {
        let cases =
            [(Unit::DaysAhead, 61.4, "61.4 days"), (Unit::RelativeChange, -0.3, "-30 %"), (Unit::Flag, 1.0, "yes")];
        for (unit, value, words) in cases {
            assert_eq!(in_words(unit, value), words);
        }
    }

    #[test]
    fn three_digits() {
        let cases = [(12_345.67, 12_300.0), (0.012_345, 0.0123), (10.0, 10.0), (999.0, 999.0), (-0.5, -0.5)];
        for (value, expected) in cases {
            assert!((rounded(value) - expected).abs() < 1e-9, "{value}");
        }
    }

    /// One row per account: a value, an effect of the model, an outcome.
    fn explained(learner: LearnerKind, rows: &[(f64, bool)]) -> Explained {
        let count = rows.len() as u32;
        Explained {
            learner,
            rows: (0..count).collect(),
            accounts: (0..count).collect(),
            labels: rows.iter().map(|row| row.1).collect(),
            effects: Vec::new(),
            stability: None,
        }
    }

    fn told(learner: LearnerKind, rows: &[(f64, bool)], effect: impl Fn(f64) -> f64) -> Option<Threshold> {
        let explained = explained(learner, rows);
        let resamples = Resamples::new(&explained.accounts, 7);
        let values: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let effects: Vec<f64> = values.iter().map(|value| effect(*value)).collect();
        let view = View { explained: &explained, effects: &effects, resamples: &resamples };
        step(&view, &values, &|value| in_words(Unit::Count, value))
    }

    /// 400 accounts with values 0 to 19; of those below 10, `low` in a hundred had the outcome, of the others `high`.
    fn rows(low: u64, high: u64) -> Vec<(f64, bool)> {
        let rate = |row: u64| if row % 20 < 10 { low } else { high };
        (0..400).map(|row| ((row % 20) as f64, rate(row) > row / 20 * 5)).collect()
    }

    #[test]
    fn a_step_of_the_model_is_told_only_where_the_outcomes_have_it() {
        let falls = |value: f64| if value < 10.0 { 0.1 } else { -0.1 };
        let step = told(LearnerKind::Boosting, &rows(30, 5), falls).expect("a step");
        assert_eq!((step.value.value, step.observed_below, step.observed_above), (10.0, 0.3, 0.05));
        assert!(step.observed_difference.is_some_and(|one| (one.value - 0.25).abs() < 1e-12 && one.low > 0.1));
        assert_eq!(step.values, None);
        // The same outcomes on both sides, and the other direction.
        assert_eq!(told(LearnerKind::Boosting, &rows(15, 15), falls), None);
        assert_eq!(told(LearnerKind::Boosting, &rows(10, 15), falls), None);
        assert_eq!(told(LearnerKind::Boosting, &rows(5, 30), falls), None);
        assert!(told(LearnerKind::Boosting, &rows(5, 30), |value| -falls(value)).is_some());
    }

    #[test]
    fn a_slope_has_no_step_and_two_values_are_told_against_each_other() {
        let slope = |value: f64| 0.1 - 0.01 * value;
        assert_eq!(told(LearnerKind::Logistic, &rows(30, 5), slope), None);
        assert_eq!(told(LearnerKind::HealthScore, &rows(30, 5), slope), None);
        assert!(told(LearnerKind::Forest, &rows(30, 5), slope).is_some());
        let flag: Vec<(f64, bool)> =
            rows(30, 5).iter().map(|row| (f64::from(u8::from(row.0 >= 10.0)), row.1)).collect();
        let pair = told(LearnerKind::Logistic, &flag, |value| 0.1 - 0.2 * value).expect("two values");
        assert_eq!(pair.values, Some(["0".to_owned(), "1".to_owned()]));
        assert_eq!((pair.observed_below, pair.observed_above), (0.3, 0.05));
    }
}
