//! Instants and dates. An instant is microseconds since 1970-01-01T00:00:00Z; an `as_of` is a UTC date and stands for its
//! midnight: a fact at that very instant is not yet visible.

use chrono::NaiveDate;

/// Microseconds since the epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub i64);

/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

impl Instant {
    /// Before everything.
    pub const MIN: Instant = Instant(i64::MIN);

    /// Midnight UTC at the start of `date`.
    #[must_use]
    pub fn start_of(date: NaiveDate) -> Self {
        Self(i64::from(days_from_epoch(date)) * MICROS_PER_DAY)
    }

    /// This instant moved by whole days; saturates at the ends of time.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(MICROS_PER_DAY)))
    }

    /// The UTC day that holds this instant, in days since the epoch (floor).
    #[must_use]
    pub fn day(self) -> i64 {
        self.0.div_euclid(MICROS_PER_DAY)
    }
}

/// Days from 1970-01-01 to `date`.
#[must_use]
pub fn days_from_epoch(date: NaiveDate) -> i32 {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap_or_default();
    i32::try_from(date.signed_duration_since(epoch).num_days()).unwrap_or(i32::MAX)
}
