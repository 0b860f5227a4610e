//! What each split of a forest says about the inputs themselves.

use std::collections::HashMap;

use super::error::GraphError;
use super::fold::Sources;
use super::forest::{Forest, ForestNode, Mode, holds};
use super::trace::{Column, Form};

/// A predicate of one design column as a list of segments: it holds or not up to each bound in turn, and changes there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segments {
    pub(super) column: u32,
    /// Ascending; segment `i` is above bound `i - 1` and at most bound `i`.
    pub(super) bounds: Vec<f32>,
    /// Whether it holds in the first segment.
    pub(super) first: bool,
    /// Whether it holds for a missing value.
    pub(super) when_missing: bool,
}

impl Segments {
    /// Whether it holds just above `low`.
    pub(super) fn truth_above(&self, low: f32) -> bool {
        let passed = self.bounds.iter().filter(|bound| **bound <= low).count();
        self.first ^ (passed % 2 == 1)
    }
}

/// The segments of every split.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    segments: Vec<Segments>,
    of_node: HashMap<(usize, usize), usize>,
}

/// A predicate: column of the model's input, mode, bits of the threshold, whether a missing value passes.
type Key = (usize, Mode, u64, bool);

impl Cuts {
    pub(super) fn of_node(&self, tree: usize, node: usize) -> Option<&Segments> {
        self.of_node.get(&(tree, node)).and_then(|at| self.segments.get(*at))
    }

    /// Finds them; the inner error says which column no threshold can be found for.
    pub(super) fn find(sources: &Sources<'_>, forest: &Forest) -> Result<Result<Self, String>, GraphError> {
        let mut keys: Vec<Key> = Vec::new();
        let mut known: HashMap<Key, usize> = HashMap::new();
        let mut cuts = Self::default();
        for (tree, nodes) in forest.trees.iter().enumerate() {
            for (node, split) in nodes.nodes.iter().enumerate() {
                let ForestNode::Split { feature, mode, threshold, missing_true, .. } = split else { continue };
                let key = (*feature, *mode, threshold.to_bits(), *missing_true);
                let at = *known.entry(key).or_insert_with(|| {
                    keys.push(key);
                    keys.len() - 1
                });
                cuts.of_node.insert((tree, node), at);
            }
        }
        let mut questions = Questions { sources, forest, searched: Vec::new() };
        for (at, key) in keys.iter().enumerate() {
            match questions.begin(*key, at)? {
                Some(segments) => cuts.segments.push(segments),
                None => return Ok(Err(format!("column {} of the tree ensemble", key.0))),
            }
        }
        questions.finish(&mut cuts.segments)?;
        Ok(Ok(cuts))
    }
}

/// Floats in ascending order as whole numbers.
fn order_of(value: f32) -> i64 {
    let bits = i64::from(value.to_bits().cast_signed());
    if bits < 0 { i64::from(i32::MIN) - bits } else { bits }
}

/// The inverse of [`order_of`].
fn of_order(order: i64) -> f32 {
    let bits = if order < 0 { i64::from(i32::MIN) - order } else { order };
    f32::from_bits((bits as i32).cast_unsigned())
}

/// A search for the bound at which a monotone predicate changes.
struct Search {
    key: Key,
    /// Where the segments stand.
    place: usize,
    column: usize,
    /// It is as at the least float here, and as at the greatest there.
    low: i64,
    high: i64,
}

struct Questions<'a> {
    sources: &'a Sources<'a>,
    forest: &'a Forest,
    searched: Vec<Search>,
}

impl Questions<'_> {
    fn holds(&self, key: Key, value: f64) -> bool {
        let (_, mode, threshold, missing_true) = key;
        (missing_true && value.is_nan()) || holds(mode, value, f64::from_bits(threshold), &self.forest.sets)
    }

    /// The segments of a predicate, or those that a search begins with; `None` where there is no way to tell.
    fn begin(&mut self, key: Key, place: usize) -> Result<Option<Segments>, GraphError> {
        let (feature, mode, threshold, _) = key;
        let threshold = f64::from_bits(threshold);
        let set = |column: usize, bounds: Vec<f32>, first: bool, when_missing: bool| {
            Ok(Some(Segments { column: column as u32, bounds, first, when_missing }))
        };
        match self.sources.columns.get(feature) {
            Some(Column::Number { column, form: Form::Input, .. }) => {
                let missing = self.holds(key, f64::NAN);
                let (bounds, first) = bounds_of(mode, threshold, &self.forest.sets);
                set(*column, bounds, first, missing)
            }
            Some(Column::Number { column, .. }) if !matches!(mode, Mode::Equal | Mode::NotEqual | Mode::Member) => {
                let ends = [f32::MIN, f32::MAX, f32::NAN].map(|value| (*column, value, feature));
                let found = self.sources.ask(&ends)?;
                let [least, greatest, missing] = [0, 1, 2].map(|at| self.holds(key, found[at]));
                if least != greatest {
                    let (low, high) = (order_of(f32::MIN), order_of(f32::MAX));
                    self.searched.push(Search { key, place, column: *column, low, high });
                }
                set(*column, Vec::new(), least, missing)
            }
            Some(Column::Indicator { column }) => {
                let found = self.sources.ask(&[(*column, 0.0, feature), (*column, 1.0, feature)])?;
                let (absent, present) = (self.holds(key, found[0]), self.holds(key, found[1]));
                set(*column, if absent == present { vec![] } else { vec![0.5] }, absent, absent)
            }
            Some(Column::Whole { column, value }) => {
                let value = *value as f32;
                // Numbers that are cut to this one, and one that is not.
                let (below, above) = match value {
                    0.0 => ((-1.0_f32), 1.0_f32.next_down()),
                    value if value > 0.0 => (value.next_down(), (value + 1.0).next_down()),
                    value => (value - 1.0, value),
                };
                let questions =
                    [(*column, value, feature), (*column, value + 1.5, feature), (*column, f32::NAN, feature)];
                let found = self.sources.ask(&questions)?;
                let [inside, outside, missing] = [0, 1, 2].map(|at| self.holds(key, found[at]));
                if value.abs() > 8_388_608.0 {
                    return Ok(None);
                }
                set(*column, if inside == outside { vec![] } else { vec![below, above] }, outside, missing)
            }
            _ => Ok(None),
        }
    }

    /// Halves every search until it is done.
    fn finish(self, segments: &mut [Segments]) -> Result<(), GraphError> {
        let mut searches = self.searched.iter().map(|search| (search.low, search.high)).collect::<Vec<_>>();
        while searches.iter().any(|(low, high)| high - low > 1) {
            let middles = searches.iter().zip(&self.searched);
            let questions: Vec<(usize, f32, usize)> = middles
                .map(|((low, high), search)| (search.column, of_order((low + high).div_euclid(2)), search.key.0))
                .collect();
            let answers = self.sources.ask(&questions)?;
            for (((low, high), search), answer) in searches.iter_mut().zip(&self.searched).zip(answers) {
                let middle = (*low + *high).div_euclid(2);
                if *high - *low > 1 {
                    let as_first = self.holds(search.key, answer) == segments[search.place].first;
                    *(if as_first { low } else { high }) = middle;
                }
            }
        }
        for ((low, _), search) in searches.iter().zip(&self.searched) {
            segments[search.place].bounds = vec![of_order(*low)];
        }
        Ok(())
    }
}

/// The greatest float that is at most `value`.
fn floor_float(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

/// Bounds of a comparison of the input itself, and whether it holds below the first.
fn bounds_of(mode: Mode, threshold: f64, sets: &[Vec<f64>]) -> (Vec<f32>, bool) {
    let at_most = floor_float(threshold);
    let below = if f64::from(at_most) == threshold { at_most.next_down() } else { at_most };
    // Beyond all finite floats there is nothing to tell apart.
    let bound = |bound: f32, first: bool| {
        if bound >= f32::MAX {
            (vec![], first)
        } else if bound < f32::MIN {
            (vec![], !first)
        } else {
            (vec![bound], first)
        }
    };
    let points = |values: &[f64], first: bool| {
        let mut bounds: Vec<f32> = Vec::new();
        let mut floats: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        floats.retain(|float| float.is_finite() && values.contains(&f64::from(*float)));
        floats.sort_by(f32::total_cmp);
        floats.dedup_by(|left, right| left == right);
        for float in floats {
            // A neighbour's bounds meet here: no change.
            let float = if float == 0.0 { 0.0 } else { float };
            let low = if float == 0.0 { (-0.0_f32).next_down() } else { float.next_down() };
            if bounds.last() == Some(&low) {
                bounds.pop();
            } else {
                bounds.push(low);
            }
            bounds.push(float);
        }
        (bounds, first)
    };
    match mode {
        Mode::AtMost => bound(at_most, true),
        Mode::Below => bound(below, true),
        Mode::AtLeast => bound(below, false),
        Mode::Above => bound(at_most, false),
        Mode::Equal => points(&[threshold], false),
        Mode::NotEqual => points(&[threshold], true),
        Mode::Member => points(sets.get(threshold as usize).map_or(&[], Vec::as_slice), false),
    }
}
