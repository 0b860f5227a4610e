//! Which version of a row holds.
//!
//! Tables with a key may state a row again: a corrected score, an invoice now paid. Of the versions of one key that are
//! visible, the one known last holds; among equals the last in the group's order (event time, knowledge time, place in
//! the source).

use crate::facts::{ContactFact, FirmographicFact, InvoiceFact, ItemFact, NpsFact, SubscriptionFact, TicketFact};
use crate::time::Instant;

/// A row that may be stated again.
pub(crate) trait Versioned {
    /// What its versions share.
    type Key: Ord + Copy;

    fn key(&self) -> Self::Key;
    fn happened_at(&self) -> Instant;
    fn known_at(&self) -> Instant;
}

impl Versioned for SubscriptionFact {
    type Key = Instant;

    fn key(&self) -> Instant {
        self.effective_at
    }
    fn happened_at(&self) -> Instant {
        self.effective_at
    }
    fn known_at(&self) -> Instant {
        self.known_at
    }
}

impl Versioned for NpsFact {
    type Key = (Instant, u32);

    fn key(&self) -> (Instant, u32) {
        (self.at, self.respondent)
    }
    fn happened_at(&self) -> Instant {
        self.at
    }
    fn known_at(&self) -> Instant {
        self.known_at
    }
}

impl Versioned for InvoiceFact {
    type Key = u32;

    fn key(&self) -> u32 {
        self.invoice
    }
    fn happened_at(&self) -> Instant {
        self.issued_at
    }
    fn known_at(&self) -> Instant {
        self.known_at
    }
}

impl Versioned for TicketFact {
    type Key = u32;

    fn key(&self) -> u32 {
        self.ticket
    }
    fn happened_at(&self) -> Instant {
        self.opened_at
    }
    fn known_at(&self) -> Instant {
        self.known_at
    }
}

impl Versioned for ItemFact {
    type Key = (u32, Instant);

    fn key(&self) -> (u32, Instant) {
        (self.item, self.effective_at)
    }
    fn happened_at(&self) -> Instant {
        self.effective_at
    }
    fn known_at(&self) -> Instant {
        self.known_at
    }
}

impl Versioned for ContactFact {
    type Key = u32;

    fn key(&self) -> u32 {
        self.contact
    }
    fn happened_at(&self) -> Instant {
        self.since
    }
    fn known_at(&self) -> Instant {
        self.known_at
    }
}

impl Versioned for FirmographicFact {
    type Key = Instant;

    fn key(&self) -> Instant {
        self.at
    }
    fn happened_at(&self) -> Instant {
        self.at
    }
    fn known_at(&self) -> Instant {
        self.known_at
    }
}

/// The rows of one account, with their versions side by side.
#[derive(Debug)]
pub(crate) struct Versions<'a, T> {
    rows: &'a [T],
    /// Row indices by (key, knowledge time, place in the group).
    order: Vec<usize>,
}

impl<'a, T: Versioned> Versions<'a, T> {
    /// Sorts the versions of `rows` once, for any number of dates.
    pub(crate) fn new(rows: &'a [T]) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|index| (rows[*index].key(), rows[*index].known_at(), *index));
        Self { rows, order }
    }

    /// The versions that hold, of the rows that happened before `happened_before` and were known before `known_before`,
    /// in the group's order.
    pub(crate) fn held(&self, happened_before: Instant, known_before: Instant) -> Vec<&'a T> {
        let mut held: Vec<usize> = Vec::new();
        for index in &self.order {
            let row = &self.rows[*index];
            if row.happened_at() >= happened_before || row.known_at() >= known_before {
                continue;
            }
            match held.last_mut() {
                Some(last) if self.rows[*last].key() == row.key() => *last = *index,
                _ => held.push(*index),
            }
        }
        held.sort_unstable();
        held.into_iter().map(|index| &self.rows[index]).collect()
    }

    /// The versions that hold at `as_of`.
    pub(crate) fn visible(&self, as_of: Instant) -> Vec<&'a T> {
        self.held(as_of, as_of)
    }
}
