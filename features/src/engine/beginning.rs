//! Since when uses are on record.
//!
//! What an account did before the usage table begins cannot be seen, so "its first use" may be no first use at all. The
//! beginning is a fact of the whole table and is judged like any other, by what is visible: a use of long ago that lands
//! late moves it only from the date at which it is known.

use chrono::NaiveDate;

use crate::facts::{Facts, Grouped, UsageFact};
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
        let known = facts.usage_begins.iter().flatten().copied();
        let found = facts.usage.iter().filter(|_| facts.usage_begins.is_none()).flat_map(candidates);
        for (visible_after, at) in known.chain(found) {
            // The first date at which the use is visible; the later ones follow below.
            if let Some(earliest) = first.get_mut(dates.partition_point(|date| *date <= visible_after)) {
                *earliest = Some(earliest.map_or(at, |known| known.min(at)));
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

/// The uses that can be the first visible one at some date, as (visible from, event time): of each account, those that are
/// visible before every earlier use is.
fn candidates(usage: &Grouped<UsageFact>) -> impl Iterator<Item = (Instant, Instant)> + '_ {
    usage.offsets.windows(2).flat_map(|pair| {
        let mut earliest: Option<Instant> = None;
        let rows = usage.rows[pair[0]..pair[1]].iter();
        // A use that happened after another was visible cannot be visible before it.
        rows.map_while(move |row| {
            let visible_from = row.at.max(row.known_at);
            let is_beaten = earliest.is_some_and(|known| known <= row.at);
            let is_candidate = earliest.is_none_or(|known| visible_from < known);
            earliest = earliest.into_iter().chain([visible_from]).min();
            (!is_beaten).then_some(is_candidate.then_some((visible_from, row.at)))
        })
        .flatten()
    })
}
