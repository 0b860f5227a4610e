//! Since when uses are on record, judged from every row that is read, whoever's it is.
//!
//! It is the one thing in a row's features that hangs on other accounts, so it must not depend on which accounts a run
//! keeps: rows of other partitions count, and so do rows that are set aside for another reason than their times.

use super::cells::Cell;
use super::convert::{Kept, NO_TIME};
use super::evaluate::evaluate;
use super::plan::{FilePlan, Maker};
use super::source::RawBatch;
use crate::contract::TableContract;
use crate::time::Instant;

/// The rows that are the first visible one at some date, as (visible from, event time): by the first, and then the second
/// falls from one to the next.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Beginning(Vec<(i64, i64)>);

impl Beginning {
    /// Takes a row into account.
    fn note(&mut self, visible_from: i64, at: i64) {
        let beats = |one: &(i64, i64)| one.0 <= visible_from && one.1 <= at;
        // Mostly the earliest of all is known early, too.
        if self.0.last().is_some_and(beats) || self.0.iter().any(beats) {
            return;
        }
        self.0.retain(|one| one.0 < visible_from || one.1 < at);
        let place = self.0.partition_point(|one| one.0 < visible_from);
        self.0.insert(place, (visible_from, at));
    }

    /// Takes another's rows into account.
    pub(crate) fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|(visible_from, at)| self.note(*visible_from, *at));
    }

    /// As instants.
    pub(crate) fn instants(&self) -> Vec<(Instant, Instant)> {
        self.0.iter().map(|(visible_from, at)| (Instant(*visible_from), Instant(*at))).collect()
    }

    /// Of the rows of a batch for which `where` holds.
    pub(crate) fn of(batch: &RawBatch, plan: &FilePlan, table: &TableContract) -> Self {
        let maker =
            |name: &str| table.columns.iter().position(|rule| rule.canonical.name == name).map(|at| &plan.makers[at]);
        let mut found = Self::default();
        let (Some(at), Some(known_at)) = (maker("at"), maker("known_at")) else { return found };
        let time = |maker: &Maker, row: usize| {
            let cell = match maker {
                Maker::Absent => Cell::Null,
                Maker::Column(place) => batch.columns[*place].cell(row),
                Maker::Derived(bound) => evaluate(bound, &batch.columns, row),
            };
            cell.time(table.time_format.as_deref(), table.time_zone)
                .ok()
                .flatten()
                .filter(|time| !matches!(*time, NO_TIME | i64::MIN))
        };
        Kept::of(batch, plan, None).0.each(|row| {
            let Some(at) = time(at, row) else { return };
            let known_at = match known_at {
                Maker::Absent => Some(at.saturating_add(table.known_after_micros)),
                column => time(column, row),
            };
            if let Some(known_at) = known_at {
                found.note(known_at.max(at), at);
            }
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against the plain definition, at every moment.
        #[test]
        fn the_first_visible_row_is_found_at_every_moment(rows in prop::collection::vec((0_i64..20, 0_i64..20), 0..30)) {
            let mut beginning = Beginning::default();
            rows.iter().for_each(|(visible, at)| beginning.note(*visible, *at));
            for moment in 0..22 {
                let slow = rows.iter().filter(|row| row.0 < moment).map(|row| row.1).min();
                let fast = beginning.0.iter().filter(|row| row.0 < moment).map(|row| row.1).min();
                prop_assert_eq!(slow, fast);
            }
            let ordered = beginning.0.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1);
            prop_assert!(ordered, "{:?}", beginning);
        }
    }
}
