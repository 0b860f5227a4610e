//! Of what kind a change of MRR is.

use std::collections::BTreeMap;

use bellwether_features::time::Instant;
use chrono::{Months, NaiveDate};
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

impl ChangeKind {
    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Seats => "seats",
            Self::Price => "price",
        }
    }
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

/// All changes of one direction and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChangeSum {
    /// Whether MRR fell.
    pub is_contraction: bool,
    /// What they go with.
    pub kind: ChangeKind,
    /// How many.
    pub changes: u64,
    /// Of how many accounts.
    pub accounts: u64,
    /// By how much MRR moved, at least zero.
    pub mrr: Cents,
}

impl ChangeSum {
    /// `expansion` or `contraction`.
    #[must_use]
    pub fn direction(&self) -> &'static str {
        if self.is_contraction { "contraction" } else { "expansion" }
    }
}

/// Changes of the twelve months before `as_of`: expansions, then contractions, each by kind.
#[must_use]
pub fn sums_of_last_year(timelines: &[Timeline], as_of: NaiveDate) -> Vec<ChangeSum> {
    let from = Instant::start_of(as_of.checked_sub_months(Months::new(12)).unwrap_or(NaiveDate::MIN));
    let mut sums: BTreeMap<(bool, ChangeKind), ChangeSum> = BTreeMap::new();
    for timeline in timelines {
        let mut of_account: BTreeMap<(bool, ChangeKind), (u64, Cents)> = BTreeMap::new();
        let pairs = timeline.stretches().windows(2).filter(|pair| pair[1].from >= from);
        for change in pairs.filter_map(|pair| Change::between(&pair[0], &pair[1])) {
            let (count, mrr) = of_account.entry((change.is_contraction(), change.kind)).or_default();
            *count += 1;
            *mrr += Cents((change.after - change.before).0.abs());
        }
        for ((is_contraction, kind), (changes, mrr)) in of_account {
            let sum = sums.entry((is_contraction, kind)).or_insert(ChangeSum {
                is_contraction,
                kind,
                changes: 0,
                accounts: 0,
                mrr: Cents::ZERO,
            });
            sum.changes += changes;
            sum.accounts += 1;
            sum.mrr += mrr;
        }
    }
    sums.into_values().collect()
}
