//! Since when uses are on record.
//!
//! What an account did before the usage table begins cannot be seen, so "its first use" may be no first use at all. The
//! beginning is a fact of the whole table and is judged like any other, by what is visible: a use of long ago that lands
//! late moves it only from the date at which it is known.

use chrono::NaiveDate;

use crate::facts::Facts;
use crate::time::Instant;

/// The event time of the earliest visible use of the whole table, for each of some dates.
#[derive(Debug)]
pub(crate) struct UsageBeginning {
    /// Ascending and distinct.
    dates: Vec<Instant>,
    /// By date; `None` before any use is visible.
    first: Vec<Option<Instant>>,
}

impl UsageBeginning {
    /// One pass over the table for all `as_of`, which may come in any order and more than once.
    pub(crate) fn of(facts: &Facts, as_of: &[NaiveDate]) -> Self {
        let mut dates: Vec<Instant> = as_of.iter().map(|date| Instant::start_of(*date)).collect();
        dates.sort_unstable();
        dates.dedup();
        let mut first: Vec<Option<Instant>> = vec![None; dates.len()];
        for row in facts.usage.iter().flat_map(|usage| &usage.rows) {
            let visible_after = row.at.max(row.known_at);
            // The first date at which the use is visible; the later ones follow below.
            if let Some(earliest) = first.get_mut(dates.partition_point(|date| *date <= visible_after)) {
                *earliest = Some(earliest.map_or(row.at, |at| at.min(row.at)));
            }
        }
        let mut so_far: Option<Instant> = None;
        for earliest in &mut first {
            so_far = so_far.into_iter().chain(*earliest).min();
            *earliest = so_far;
        }
        Self { dates, first }
    }

    /// At `as_of`, which must be one of the dates.
    pub(crate) fn at(&self, as_of: Instant) -> Option<Instant> {
        self.dates.binary_search(&as_of).ok().and_then(|place| self.first[place])
    }
}
