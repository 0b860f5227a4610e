//! Saveable against lost: what became of accounts that looked as these do, by how they were used.
//!
//! Among accounts at risk some are still used as before, others are being left step by step. How much that tells is read from
//! the past: at earlier dates whose outcome is known by now, of the accounts that looked at risk by their facts alone
//! ([`looks_at_risk`]), the share that stayed, by use. An account counts once, at the latest of those dates at which it looked
//! so: the same account a quarter earlier is no second witness. These shares are about accounts that got whatever attention they got
//! then. They say who stays, not what a call changes; that takes a comparison with accounts that were left alone.

use bellwether_features::facts::Facts;
use bellwether_features::label::{Labels, TargetDefinition};
use bellwether_features::spine::{Eligibility, Spine};
use bellwether_features::time::Instant;
use chrono::{Days, NaiveDate};
use rayon::prelude::*;

use super::seen::{MONTH_DAYS, Seen};
use super::trigger::Lines;
use crate::cohort::{Share, wilson};

/// Earlier dates that are looked at.
const PAST_DATES: u32 = 4;
/// Days before the last 28 that use is compared with.
const BEFORE_DAYS: i64 = 3 * MONTH_DAYS;
/// An account of which less than this share of the use before is left is being wound down.
const WOUND_DOWN: f64 = 0.5;
/// An answer from here down is a detractor's.
const DETRACTOR: f64 = 6.0;
/// An invoice that is open longer after its due day is a sign.
const OVERDUE_DAYS: i64 = 15;

/// How an account is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UsePattern {
    /// Its uses of the last 28 days are at least half of those per 28 days of the 84 before.
    Engaged,
    /// Less than half, or none in all that time.
    WindingDown,
}

impl UsePattern {
    /// Name in tables.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Engaged => "engaged",
            Self::WindingDown => "winding_down",
        }
    }

    /// Of an account as seen at a date; `None` with less than 112 days of history.
    #[must_use]
    pub fn of(seen: &Seen<'_>) -> Option<Self> {
        seen.usage_history_days().filter(|days| *days >= MONTH_DAYS + BEFORE_DAYS)?;
        let (now, before) = (seen.events(1, MONTH_DAYS), seen.events(MONTH_DAYS + 1, MONTH_DAYS + BEFORE_DAYS));
        let usual = before as f64 * MONTH_DAYS as f64 / BEFORE_DAYS as f64;
        let winds_down = (now as f64) < WOUND_DOWN * usual || now + before == 0;
        Some(if winds_down { Self::WindingDown } else { Self::Engaged })
    }
}

/// Whether the facts of an account look like trouble: few days with use (below the warning line of the alerts), a detractor's
/// latest NPS answer, contacts but no sponsor among them, or an invoice open more than 15 days after it was due.
#[must_use]
pub fn looks_at_risk(seen: &Seen<'_>, active_days: &Lines) -> bool {
    f64::from(seen.active_days()) < active_days.warning
        || seen.latest_nps().is_some_and(|score| score <= DETRACTOR)
        || seen.has_sponsor() == Some(false)
        || seen.overdue_days().is_some_and(|days| days > OVERDUE_DAYS)
}

/// Accounts that looked at risk in the past, and those of them that stayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// Accounts.
    pub accounts: u64,
    /// Those that had not left when the horizon was over.
    pub stayed: u64,
}

impl Outcomes {
    /// The share that stayed, with Wilson's interval; `None` without any.
    #[must_use]
    pub fn share(&self) -> Option<Share> {
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        (self.accounts > 0).then(|| wilson(count(self.stayed), count(self.accounts)))
    }

    fn add(&mut self, stayed: bool) {
        self.accounts += 1;
        self.stayed += u64::from(stayed);
    }
}

/// What the past says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Earlier dates whose outcome is known and that any account counts at, ascending; one horizon apart.
    pub dates: Vec<NaiveDate>,
    /// Accounts that were engaged.
    pub engaged: Outcomes,
    /// Accounts that were winding down.
    pub winding_down: Outcomes,
}

/// What to expect of an account at risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prospect {
    /// It is used like those that stayed more often.
    Saveable,
    /// It is used like those that stayed less often.
    Lost,
}

impl Prospect {
    /// Name in tables.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Saveable => "saveable",
            Self::Lost => "lost",
        }
    }
}

impl Evidence {
    /// What became of accounts that looked at risk before `as_of`. `target`: leaving.
    #[must_use]
    pub fn of(
        facts: &Facts,
        eligibility: &Eligibility,
        target: &TargetDefinition,
        as_of: NaiveDate,
        active_days: &Lines,
    ) -> Self {
        let mut evidence = Self::default();
        let mut is_counted = vec![false; facts.accounts.len()];
        for step in 0..PAST_DATES {
            let back =
                u64::from(target.label_interval_days()) + u64::from(step) * u64::from(target.horizon_days.max(28));
            let Some(date) = as_of.checked_sub_days(Days::new(back)) else { continue };
            let spine = Spine::build(facts, eligibility, &[date]);
            let Ok(labels) = Labels::compute(facts, &spine, target, as_of) else { continue };
            let moment = Instant::start_of(date);
            let of = |(account, label): (&u32, &Option<bool>)| {
                let has_left = label.filter(|_| !is_counted[*account as usize])?;
                let seen = Seen::new(facts, *account as usize, moment);
                let pattern = UsePattern::of(&seen).filter(|_| looks_at_risk(&seen, active_days))?;
                Some((*account as usize, pattern, !has_left))
            };
            let found: Vec<(usize, UsePattern, bool)> =
                spine.accounts.par_iter().zip(&labels.values).filter_map(of).collect();
            for (account, pattern, stayed) in &found {
                is_counted[*account] = true;
                match pattern {
                    UsePattern::Engaged => evidence.engaged.add(*stayed),
                    UsePattern::WindingDown => evidence.winding_down.add(*stayed),
                }
            }
            evidence.dates.extend((!found.is_empty()).then_some(date));
        }
        evidence.dates.reverse();
        evidence
    }

    /// What became of accounts of this use.
    #[must_use]
    pub fn outcomes(&self, pattern: UsePattern) -> Outcomes {
        match pattern {
            UsePattern::Engaged => self.engaged,
            UsePattern::WindingDown => self.winding_down,
        }
    }

    /// What to expect of an account at risk with this use: only where the past tells the two apart, the intervals of their
    /// shares not meeting. `None` where it does not.
    #[must_use]
    pub fn prospect(&self, pattern: UsePattern) -> Option<Prospect> {
        let other = match pattern {
            UsePattern::Engaged => self.winding_down,
            UsePattern::WindingDown => self.engaged,
        };
        let (own, other) = (self.outcomes(pattern).share()?, other.share()?);
        if own.low > other.high {
            Some(Prospect::Saveable)
        } else if own.high < other.low {
            Some(Prospect::Lost)
        } else {
            None
        }
    }
}
