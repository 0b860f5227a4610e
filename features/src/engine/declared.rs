//! Declared signals: one generic formula over the rows that count.

use std::ops::RangeInclusive;

use super::view::View;
use crate::catalog::{Aggregate, Comparison, DeclaredSignal};
use crate::facts::{DeclaredFact, DeclaredFacts};
use crate::measure::{mean, relative_change};
use crate::time::Instant;

/// The rows of one account, prepared once for all dates.
#[derive(Debug)]
pub(crate) struct DeclaredHistory<'a> {
    rows: &'a [DeclaredFact],
    /// Row indices by (key, knowledge time, place in the group), where rows may be stated again.
    versions: Option<Vec<usize>>,
}

impl<'a> DeclaredHistory<'a> {
    /// The rows of `account`; none where nothing was read for the signal.
    pub(crate) fn new(facts: Option<&'a DeclaredFacts>, account: usize) -> Self {
        let Some(facts) = facts else { return Self { rows: &[], versions: None } };
        let rows = facts.rows.of(account);
        let versions = facts.versioned.then(|| {
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by_key(|index| (rows[*index].key, rows[*index].known_at, *index));
            order
        });
        Self { rows, versions }
    }

    /// The rows visible at `as_of` that hold and count, by event time; of rows without versions only those since `since`.
    fn held(&self, since: Instant, as_of: Instant) -> Vec<&'a DeclaredFact> {
        let visible = |row: &DeclaredFact| row.at < as_of && row.known_at < as_of && row.revealed_at < as_of;
        let Some(versions) = &self.versions else {
            let start = self.rows.partition_point(|row| row.at < since);
            let happened = self.rows[start..].iter().take_while(|row| row.at < as_of);
            return happened.filter(|row| visible(row) && row.counts).collect();
        };
        let mut held: Vec<usize> = Vec::new();
        for index in versions.iter().copied().filter(|index| visible(&self.rows[*index])) {
            match held.last_mut() {
                Some(last) if self.rows[*last].key == self.rows[index].key => *last = index,
                _ => held.push(index),
            }
        }
        held.sort_unstable();
        held.into_iter().map(|index| &self.rows[index]).filter(|row| row.counts).collect()
    }
}

/// The signal's value; null where it cannot be known.
pub(crate) fn value(signal: &DeclaredSignal, view: &View<'_>, history: &DeclaredHistory<'_>) -> Option<f64> {
    let Some(days) = signal.definition.window_days else {
        return measure(signal.aggregate, view, &history.held(Instant::MIN, view.as_of));
    };
    let shift = match signal.compare {
        None => 0,
        Some(Comparison::Previous) => days,
        Some(Comparison::YearAgo) => 364,
    };
    let reach = days + shift;
    if signal.compare.is_some() {
        view.reaches(reach)?;
    }
    let rows = history.held(view.as_of.plus_days(-i64::from(reach)), view.as_of);
    let over = |ages: RangeInclusive<u32>| {
        let ages = i64::from(*ages.start())..=i64::from(*ages.end());
        let within: Vec<&DeclaredFact> = rows.iter().copied().filter(|row| ages.contains(&view.age(row.at))).collect();
        measure(signal.aggregate, view, &within)
    };
    let now = over(1..=days);
    match signal.compare {
        None => now,
        Some(_) => relative_change(now?, over(shift + 1..=reach)?),
    }
}

/// What the aggregate makes of rows in order of event time.
#[expect(clippy::cast_precision_loss, reason = "counts and ages stay far below 2^53")]
fn measure(aggregate: Aggregate, view: &View<'_>, rows: &[&DeclaredFact]) -> Option<f64> {
    let values = || rows.iter().filter_map(|row| row.value);
    match aggregate {
        Aggregate::Count => Some(rows.len() as f64),
        Aggregate::Sum => Some(values().sum()),
        Aggregate::Mean => mean(&values().collect::<Vec<f64>>()),
        Aggregate::Min => values().reduce(f64::min),
        Aggregate::Max => values().reduce(f64::max),
        Aggregate::Distinct => Some(distinct(values().map(f64::to_bits)) as f64),
        Aggregate::ActiveDays => Some(distinct(rows.iter().map(|row| row.at.day())) as f64),
        Aggregate::DaysSinceLast => rows.last().map(|row| view.age(row.at) as f64),
        Aggregate::DaysSinceFirst => rows.first().map(|row| view.age(row.at) as f64),
        Aggregate::Latest => rows.iter().rev().find_map(|row| row.value),
    }
}

fn distinct<T: Ord>(items: impl Iterator<Item = T>) -> usize {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.dedup();
    items.len()
}
