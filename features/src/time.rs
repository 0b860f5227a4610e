//! Instants and dates. An instant is microseconds since 1970-01-01T00:00:00Z; an `as_of` is a UTC date and stands for its
//! midnight: a fact at that very instant is not yet visible.
//!
//! Every window of the engine starts and ends at a midnight, so "how many days ago" is a difference of UTC calendar days
//! and a fact of yesterday, early or late, is one day old.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

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

    /// The UTC date that holds this instant; `None` beyond the calendar.
    #[must_use]
    pub fn date(self) -> Option<NaiveDate> {
        date_from_days(self.day())
    }
}

/// Days from 1970-01-01 to `date`.
#[must_use]
pub fn days_from_epoch(date: NaiveDate) -> i32 {
    /// 1970-01-01, in days of chrono's count.
    const EPOCH: i32 = 719_163;
    date.num_days_from_ce() - EPOCH
}

/// The date `days` after 1970-01-01; `None` beyond the calendar.
#[must_use]
pub fn date_from_days(days: i64) -> Option<NaiveDate> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    if days < 0 {
        epoch.checked_sub_days(Days::new(days.unsigned_abs()))
    } else {
        epoch.checked_add_days(Days::new(days.unsigned_abs()))
    }
}

/// Why a text is not a date, or a range not a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum DateError {
    /// Not a date.
    #[error("expected a date such as 2026-01-31, found `{found}`")]
    #[diagnostic(code(bellwether::date::unreadable), help("dates are written year-month-day, in UTC"))]
    Unreadable {
        /// What was given.
        found: String,
    },
    /// The range ends before it starts.
    #[error("expected a range that ends on or after {from}, found an end of {to}")]
    #[diagnostic(code(bellwether::date::range), help("exchange the two dates"))]
    Reversed {
        /// First date.
        from: NaiveDate,
        /// Last date.
        to: NaiveDate,
    },
}

/// Reads `YYYY-MM-DD`, and nothing else.
///
/// # Errors
/// [`DateError::Unreadable`].
///
/// ```
/// use bellwether_features::time::parse_date;
/// assert_eq!(parse_date("2024-02-29").unwrap().to_string(), "2024-02-29");
/// assert!(parse_date("2023-02-29").is_err());
/// assert!(parse_date("2024-2-9").is_err());
/// ```
pub fn parse_date(text: &str) -> Result<NaiveDate, DateError> {
    let unreadable = || DateError::Unreadable { found: text.to_owned() };
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| unreadable())?;
    if format_date(date) == text { Ok(date) } else { Err(unreadable()) }
}

/// Writes `YYYY-MM-DD`.
#[must_use]
pub fn format_date(date: NaiveDate) -> String {
    date.format("%Y-%m-%d").to_string()
}

/// The step between observation dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// Each day.
    Day,
    /// Seven days.
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months.
    Quarter,
}

/// The dates `from`, `from` + one step, ... up to and including `to`.
///
/// Steps of months are counted from `from`, so that 30 January is followed by 28 February and 30 March; from a month-end
/// they stay at month-ends (28 February 2025 is followed by 31 March).
///
/// # Errors
/// [`DateError::Reversed`] when `to` is before `from`.
///
/// ```
/// use bellwether_features::time::{Every, dates, parse_date};
/// let of = |text| parse_date(text).unwrap();
/// let found = dates(of("2023-11-30"), of("2024-02-29"), Every::Month).unwrap();
/// let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
/// assert_eq!(texts, ["2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29"]);
/// ```
pub fn dates(from: NaiveDate, to: NaiveDate, every: Every) -> Result<Vec<NaiveDate>, DateError> {
    if to < from {
        return Err(DateError::Reversed { from, to });
    }
    let step = |count: u32| match every {
        Every::Day => from.checked_add_days(Days::new(u64::from(count))),
        Every::Week => from.checked_add_days(Days::new(7 * u64::from(count))),
        Every::Month => add_months(from, count),
        Every::Quarter => add_months(from, count.checked_mul(3)?),
    };
    Ok((0..).map_while(step).take_while(|date| *date <= to).collect())
}

/// `date` plus whole months; a month-end stays a month-end.
fn add_months(date: NaiveDate, months: u32) -> Option<NaiveDate> {
    let moved = date.checked_add_months(Months::new(months))?;
    if is_month_end(date) { month_end(moved) } else { Some(moved) }
}

fn is_month_end(date: NaiveDate) -> bool {
    date.succ_opt().is_some_and(|next| next.day() == 1)
}

fn month_end(date: NaiveDate) -> Option<NaiveDate> {
    date.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> NaiveDate {
        parse_date(text).unwrap()
    }

    fn steps(from: &str, to: &str, every: Every) -> Vec<String> {
        dates(of(from), of(to), every).unwrap().into_iter().map(format_date).collect()
    }

    #[test]
    fn months_keep_the_day_or_the_month_end() {
        assert_eq!(steps("2025-01-30", "2025-03-30", Every::Month), ["2025-01-30", "2025-02-28", "2025-03-30"]);
        assert_eq!(steps("2025-02-28", "2025-04-29", Every::Month), ["2025-02-28", "2025-03-31"]);
        assert_eq!(steps("2024-11-30", "2025-05-31", Every::Quarter), ["2024-11-30", "2025-02-28", "2025-05-31"]);
        assert_eq!(steps("2024-02-28", "2024-03-28", Every::Month), ["2024-02-28", "2024-03-28"]);
    }

    #[test]
    fn both_ends_are_in_the_range() {
        assert_eq!(steps("2025-12-31", "2026-01-01", Every::Day), ["2025-12-31", "2026-01-01"]);
        assert_eq!(steps("2025-12-31", "2026-01-13", Every::Week), ["2025-12-31", "2026-01-07"]);
        assert_eq!(steps("2025-12-31", "2025-12-31", Every::Quarter), ["2025-12-31"]);
        let reversed = dates(of("2026-01-02"), of("2026-01-01"), Every::Day);
        assert_eq!(reversed, Err(DateError::Reversed { from: of("2026-01-02"), to: of("2026-01-01") }));
    }

    #[test]
    fn days_and_dates_are_inverse() {
        for text in ["1969-12-31", "1970-01-01", "2000-02-29", "2026-11-21"] {
            let date = of(text);
            assert_eq!(date_from_days(i64::from(days_from_epoch(date))), Some(date));
            assert_eq!(Instant::start_of(date).date(), Some(date));
            assert_eq!(Instant(Instant::start_of(date).0 - 1).date(), date.pred_opt());
        }
    }
}
