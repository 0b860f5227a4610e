//! Of what kind a change of MRR is.

use serde::Serialize;

use crate::money::Cents;
use crate::timeline::{Stretch, Timeline};

/// What a changed MRR goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Another plan.
    Plan,
    /// More or fewer seats on the same plan.
    Seats,
    /// The same plan and seats (as far as they are known) at another price.
    Price,
}

/// An expansion or contraction: MRR above 0 before and after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// What it goes with.
    pub kind: ChangeKind,
    /// MRR before.
    pub before: Cents,
    /// MRR after.
    pub after: Cents,
}

impl Change {
    /// Between two stretches that follow each other; `None` where MRR is the same, or 0 on a side.
    #[must_use]
    pub fn between(before: &Stretch, after: &Stretch) -> Option<Self> {
        if before.mrr == after.mrr || before.mrr == Cents::ZERO || after.mrr == Cents::ZERO {
            return None;
        }
        let seats = before.seats.zip(after.seats).filter(|(before, after)| before != after);
        // Seats that change against the price are not what moved it.
        let with_seats = seats.is_some_and(|(then, now)| (now > then) == (after.mrr > before.mrr));
        let kind = match before.plan != after.plan {
            true => ChangeKind::Plan,
            false if with_seats => ChangeKind::Seats,
            false => ChangeKind::Price,
        };
        Some(Self { kind, before: before.mrr, after: after.mrr })
    }

    /// Whether MRR fell.
    #[must_use]
    pub fn is_contraction(&self) -> bool {
        self.after < self.before
    }
}

/// All expansions and contractions of an account, in order of time.
#[must_use]
pub fn changes(timeline: &Timeline) -> Vec<Change> {
    timeline.stretches().windows(2).filter_map(|pair| Change::between(&pair[0], &pair[1])).collect()
}

/// How many of the last changes are contractions, with no expansion after them.
#[must_use]
pub fn contraction_run(timeline: &Timeline) -> usize {
    changes(timeline).iter().rev().take_while(|change| change.is_contraction()).count()
}
