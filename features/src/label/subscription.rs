//! Outcomes that are read from subscriptions.
//!
//! Both read the timeline as known before `known_before`: for each effective time the version known last. An outcome
//! becomes known with the first version that states it, if the version that holds in the end still states it.

use super::{Increase, Outcome, Window};
use crate::engine::account::AccountHistory;
use crate::engine::versions::Versions;
use crate::facts::SubscriptionFact;
use crate::time::Instant;

/// After everything.
const END_OF_TIME: Instant = Instant(i64::MAX);

/// A stretch of the timeline with one row in force.
struct Stretch<'a> {
    row: &'a SubscriptionFact,
    /// The row before it.
    previous: Option<&'a SubscriptionFact>,
    /// First instant at which it no longer holds.
    until: Instant,
}

/// The timeline as known in the end.
fn timeline<'a>(history: &AccountHistory<'a>, window: &Window) -> Vec<Stretch<'a>> {
    let rows = Versions::new(history.subscriptions).held(END_OF_TIME, window.known_before);
    let stretch = |index: usize| Stretch {
        row: rows[index],
        previous: index.checked_sub(1).map(|before| rows[before]),
        until: rows.get(index + 1).map_or(END_OF_TIME, |next| next.effective_at),
    };
    (0..rows.len()).map(stretch).collect()
}

/// When the first version of `row` that `states` the outcome became known.
fn first_known(history: &AccountHistory<'_>, row: &SubscriptionFact, states: impl Fn(f64) -> bool) -> Instant {
    let same = history.subscriptions.iter().filter(|version| version.effective_at == row.effective_at);
    same.filter(|version| states(version.mrr)).map(|version| version.known_at).min().unwrap_or(row.known_at)
}

/// MRR reaches 0 in the window and stays 0 for the grace period.
///
/// Absent when the MRR visible at `as_of` is not above 0, and when the subscription had ended (by the time that places
/// outcomes) before `as_of` and not come back by then.
pub(super) fn ended(history: &AccountHistory<'_>, window: &Window) -> Option<bool> {
    history.subscription(window.as_of).filter(|row| row.mrr > 0.0)?;
    let stretches = timeline(history, window);
    let mut ended_before = false;
    for (index, stretch) in stretches.iter().enumerate() {
        let reaches_zero = stretch.row.mrr <= 0.0 && stretch.previous.is_none_or(|row| row.mrr > 0.0);
        let start = stretch.row.effective_at;
        let back = stretches[index..].iter().find(|later| later.row.mrr > 0.0);
        let back_at = back.map_or(END_OF_TIME, |later| later.row.effective_at);
        if !reaches_zero || back_at < start.plus_days(i64::from(window.grace_days)) {
            continue;
        }
        let known_at = first_known(history, stretch.row, |mrr| mrr <= 0.0);
        if window.holds(start, known_at) {
            return Some(true);
        }
        ended_before |= window.place(start, known_at) < window.as_of && back_at > window.as_of;
    }
    (!ended_before).then_some(false)
}

/// MRR is increased at any moment of the window (of the stretches that reach into it or later, by the placing time).
///
/// Absent when the MRR visible at `as_of` is not above 0. The uplift is the highest MRR so reached over that one, less 1.
pub(super) fn increased(history: &AccountHistory<'_>, window: &Window, increase: Increase) -> Outcome {
    let Some(baseline) = history.subscription(window.as_of).map(|row| row.mrr).filter(|mrr| *mrr > 0.0) else {
        return Outcome::ABSENT;
    };
    let states = |mrr: f64| increase.is_met(baseline, mrr);
    let reached = timeline(history, window)
        .into_iter()
        .filter(|stretch| stretch.until > window.as_of && states(stretch.row.mrr))
        .filter(|stretch| {
            // A stretch in force at `as_of` counts from `as_of` on.
            let happened_at = stretch.row.effective_at.max(window.as_of);
            window.holds(happened_at, first_known(history, stretch.row, states))
        })
        .map(|stretch| stretch.row.mrr)
        .reduce(f64::max);
    Outcome { value: Some(reached.is_some()), uplift: reached.map(|mrr| relative(mrr, baseline)) }
}

#[expect(clippy::cast_possible_truncation, reason = "a relative change needs no more than a 32-bit float")]
fn relative(value: f64, baseline: f64) -> f32 {
    (value / baseline - 1.0) as f32
}
