//! A straight line to start from: a regularised logistic regression, told in trees.
//!
//! Where there are few rows, a line over well-behaved columns is hard to beat, and trees need many rounds to draw one.
//! So the line is fitted first and the trees learn what it leaves. The exported model is trees alone: a line is a sum of
//! one function per column, and over bins such a function is a tree that reads that column only. A function is kept to
//! [`STEPS`] steps.

use bellwether_models::LinearModel;

use super::bins::{Feature, Source};
use super::grow::{GrownNode, GrownTree, LeftBins};
use super::split::Cut;
use crate::learner::rows::DesignView;

/// Steps of a function over a number at most, missing apart: no step is higher than this part of its range.
const STEPS: usize = 64;

/// Values nearer to each other than this are one.
const SAME: f32 = 1e-6;

/// What a line says, per bin of each feature.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Start {
    /// Margin of a row whose bins all have value 0.
    pub(super) intercept: f32,
    /// Value of each bin of each feature.
    values: Vec<Vec<f32>>,
}

impl Start {
    /// The line over the bins. A bin has the mean of what the line says of its rows in `fit`.
    pub(super) fn of(line: &LinearModel, features: &[Feature], views: &[DesignView<'_>], fit: &[u32]) -> Self {
        let mut intercept = line.intercept;
        let mut used = vec![false; views.len()];
        let mut values = Vec::with_capacity(features.len());
        for feature in features {
            let columns = match &feature.source {
                Source::Number { design_column, .. } => *design_column as usize..*design_column as usize + 1,
                Source::Levels { first_design_column } => {
                    let first = *first_design_column as usize;
                    first..first + feature.bin_count - 1
                }
            };
            used[columns.clone()].fill(true);
            let of_column = |column: usize, row: u32| said(line, column, views[column].value(row as usize));
            let of_bins = match &feature.source {
                Source::Number { .. } => steps(&means(feature, fit, |row| of_column(columns.start, row)), feature),
                Source::Levels { .. } => levels(line, columns),
            };
            values.push(of_bins);
        }
        // A column that does not vary over all rows is no feature; what the line says of it is the same for all.
        for (column, view) in views.iter().enumerate().filter(|(column, _)| !used[*column]) {
            intercept += fit.first().map_or(0.0, |row| said(line, column, view.value(*row as usize)));
        }
        Self { intercept: intercept as f32, values }
    }

    /// What the line says of a row, as the trees tell it.
    pub(super) fn margin(&self, features: &[Feature], row: u32) -> f32 {
        let told =
            features.iter().zip(&self.values).map(|(feature, values)| values[usize::from(feature.bins[row as usize])]);
        self.intercept + told.sum::<f32>()
    }

    /// One tree per feature that matters, its leaves multiplied by `factor`, with the rows of `fit` counted.
    pub(super) fn trees(&self, features: &[Feature], fit: &[u32], factor: f32) -> Vec<GrownTree> {
        let told = self.values.iter().enumerate().filter(|(_, values)| values.iter().any(|value| value.abs() > SAME));
        told.map(|(index, values)| {
            let mut counts = vec![0; features[index].bin_count];
            for row in fit {
                counts[usize::from(features[index].bins[*row as usize])] += 1;
            }
            Teller { index, feature: &features[index], values, counts: &counts, factor }.tree()
        })
        .collect()
    }
}

/// What the terms of one design column add for a value.
fn said(line: &LinearModel, column: usize, value: f32) -> f64 {
    let terms = line.terms.iter().filter(|term| term.column == column);
    terms.map(|term| term.weight * term.standardise(value)).sum()
}

/// Mean over the rows of each bin; a bin without rows has the value of the one before it.
fn means(feature: &Feature, fit: &[u32], of_row: impl Fn(u32) -> f64) -> Vec<f64> {
    let mut sums = vec![(0.0, 0_usize); feature.bin_count];
    for row in fit {
        let (sum, count) = &mut sums[usize::from(feature.bins[*row as usize])];
        *sum += of_row(*row);
        *count += 1;
    }
    let mut last = sums.iter().find(|(_, count)| *count > 0).map_or(0.0, |(sum, count)| sum / *count as f64);
    let mean = |(sum, count): (f64, usize)| {
        if count > 0 {
            last = sum / count as f64;
        }
        last
    };
    sums.into_iter().map(mean).collect()
}

/// Neighbouring bins of nearly one value get the same.
fn steps(means: &[f64], feature: &Feature) -> Vec<f32> {
    let Source::Number { thresholds, .. } = &feature.source else { return Vec::new() };
    let known = &means[..=thresholds.len()];
    let range =
        known.iter().copied().fold(f64::NEG_INFINITY, f64::max) - known.iter().copied().fold(f64::INFINITY, f64::min);
    let most = range / STEPS as f64;
    let mut values = Vec::with_capacity(means.len());
    let mut start = 0;
    for bin in 1..=known.len() {
        if bin == known.len() || (known[bin] - known[start]).abs() > most {
            let mean = known[start..bin].iter().sum::<f64>() / (bin - start) as f64;
            values.resize(bin, mean as f32);
            start = bin;
        }
    }
    values.extend(means[known.len()..].iter().map(|value| *value as f32));
    values
}

/// Bin 0 is "none of these levels"; bin `b` is level `b - 1`.
fn levels(line: &LinearModel, columns: std::ops::Range<usize>) -> Vec<f32> {
    let off: Vec<f64> = columns.clone().map(|column| said(line, column, 0.0)).collect();
    let none: f64 = off.iter().sum();
    let with = columns.zip(&off).map(|(column, off)| (none - off + said(line, column, 1.0)) as f32);
    std::iter::once(none as f32).chain(with).collect()
}

/// Writes the function of one feature as a tree.
struct Teller<'a> {
    index: usize,
    feature: &'a Feature,
    values: &'a [f32],
    counts: &'a [usize],
    factor: f32,
}

/// Bins that a node holds.
#[derive(Debug, Clone)]
enum Held {
    /// A number's steps, as `(first bin, last bin)`.
    Steps(Vec<(usize, usize)>),
    /// Bins that are not levels of a value of their own, and the bins that are.
    Levels { rest: Vec<usize>, apart: Vec<usize> },
}

impl Teller<'_> {
    fn tree(&self) -> GrownTree {
        let mut tree = GrownTree { nodes: Vec::new(), covers: Vec::new() };
        let mut waiting = std::collections::VecDeque::from([self.whole()]);
        let mut next = 1;
        while let Some(held) = waiting.pop_front() {
            tree.covers.push(self.count(&held));
            match self.part(&held) {
                Some((cut, left, right)) => {
                    let left_bins = LeftBins::new(cut, self.feature);
                    tree.nodes.push(GrownNode::Split { feature: self.index, cut, left_bins, left: next });
                    next += 2;
                    waiting.extend([left, right]);
                }
                None => tree.nodes.push(GrownNode::Leaf(self.factor * self.value(&held))),
            }
        }
        tree
    }

    fn whole(&self) -> Held {
        match &self.feature.source {
            Source::Number { .. } => {
                let mut steps: Vec<(usize, usize)> = Vec::new();
                for bin in 0..self.feature.bin_count {
                    match steps.last_mut() {
                        Some((first, last))
                            if self.values[*first] == self.values[bin] && Some(bin) != self.missing() =>
                        {
                            *last = bin;
                        }
                        _ => steps.push((bin, bin)),
                    }
                }
                Held::Steps(steps)
            }
            Source::Levels { .. } => {
                let differs = |bin: &usize| (self.values[*bin] - self.values[0]).abs() > SAME;
                let (apart, rest) = (0..self.feature.bin_count).partition(differs);
                Held::Levels { rest, apart }
            }
        }
    }

    fn missing(&self) -> Option<usize> {
        match &self.feature.source {
            Source::Number { missing, .. } => missing.map(usize::from),
            Source::Levels { .. } => None,
        }
    }

    /// The cut, and what goes left and right; `None` where nothing is left to part.
    fn part(&self, held: &Held) -> Option<(Cut, Held, Held)> {
        match held {
            Held::Steps(steps) if steps.len() > 1 => {
                // Missing values go first: no later split can tell them apart.
                let last_is_missing = steps.last().map(|step| step.0) == self.missing();
                let middle = if last_is_missing { steps.len() - 1 } else { steps.len() / 2 };
                let (left, right) = steps.split_at(middle);
                let bin = left.last()?.1 as u8;
                let cut = Cut::UpTo { bin, missing_left: false };
                Some((cut, Held::Steps(left.to_vec()), Held::Steps(right.to_vec())))
            }
            Held::Levels { rest, apart } => {
                let (bin, others) = apart.split_last()?;
                let left = Held::Levels { rest: rest.clone(), apart: others.to_vec() };
                let right = Held::Levels { rest: vec![*bin], apart: Vec::new() };
                Some((Cut::AllBut { bin: *bin as u8 }, left, right))
            }
            Held::Steps(_) => None,
        }
    }

    fn bins<'h>(&self, held: &'h Held) -> Box<dyn Iterator<Item = usize> + 'h> {
        match held {
            Held::Steps(steps) => Box::new(steps.iter().flat_map(|(first, last)| *first..=*last)),
            Held::Levels { rest, apart } => Box::new(rest.iter().chain(apart).copied()),
        }
    }

    fn count(&self, held: &Held) -> usize {
        self.bins(held).map(|bin| self.counts[bin]).sum()
    }

    fn value(&self, held: &Held) -> f32 {
        self.bins(held).next().map_or(0.0, |bin| self.values[bin])
    }
}
