//! Outcomes that are read from usage.

use super::{Increase, Window};
use crate::facts::UsageFact;
use crate::time::Instant;

/// No use is placed in the window.
pub(super) fn is_silent(rows: &[UsageFact], window: &Window) -> bool {
    !rows.iter().any(|row| row.known_at < window.known_before && window.holds(row.at, row.known_at))
}

/// The window against the window of the same length before `as_of`; absent when that one measures 0 or less.
pub(super) fn increased(
    rows: &[UsageFact],
    window: &Window,
    increase: Increase,
    measure: fn(&[&UsageFact]) -> f64,
) -> Option<bool> {
    let between = |start: Instant, end: Instant| -> Vec<&UsageFact> {
        let known = rows.iter().filter(|row| row.known_at < window.known_before);
        known.filter(|row| (start..end).contains(&window.place(row.at, row.known_at))).collect()
    };
    let baseline = measure(&between(window.as_of.plus_days(-i64::from(window.horizon_days)), window.as_of));
    let value = measure(&between(window.as_of, window.end));
    (baseline > 0.0).then(|| increase.is_met(baseline, value))
}

/// Number of distinct users; uses without a user do not count.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn distinct_users(rows: &[&UsageFact]) -> f64 {
    let mut users: Vec<u32> = rows.iter().filter_map(|row| row.user).collect();
    users.sort_unstable();
    users.dedup();
    users.len() as f64
}

/// Sum of quantities.
pub(super) fn total_quantity(rows: &[&UsageFact]) -> f64 {
    rows.iter().map(|row| row.quantity).sum()
}
