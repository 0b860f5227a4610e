//! Days, months and seasons.
//!
//! A day is a number of days since 1970-01-01 (UTC); an instant is a number of seconds since then. The last simulated
//! instant is the midnight at the start of `end`: facts exist strictly before it, so an observation at `as_of = end` sees
//! everything known by then.

use chrono::{Datelike, Months, NaiveDate};

use crate::world::WorldParameters;

/// Days since 1970-01-01.
pub(crate) type Day = i32;
/// Seconds since 1970-01-01T00:00:00Z.
pub(crate) type Second = i64;

/// Seconds in a day.
pub(crate) const DAY_SECONDS: Second = 86_400;
/// 1970-01-01 in chrono's count of days from the common era.
const EPOCH_FROM_COMMON_ERA: i32 = 719_163;

/// The instant at which a day begins.
pub(crate) fn midnight(day: Day) -> Second {
    Second::from(day) * DAY_SECONDS
}

/// The day of a date.
pub(crate) fn day_of(date: NaiveDate) -> Day {
    date.num_days_from_ce() - EPOCH_FROM_COMMON_ERA
}

/// The date of a day.
pub(crate) fn date_of(day: Day) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(day + EPOCH_FROM_COMMON_ERA).unwrap_or_default()
}

/// The same day of the month, `months` later (the last day of the month where there is none).
pub(crate) fn months_after(date: NaiveDate, months: u32) -> NaiveDate {
    date.checked_add_months(Months::new(months)).unwrap_or(date)
}

/// The same day of the month, `months` earlier; the last day of a month stays the last day of a month.
pub(crate) fn months_before(date: NaiveDate, months: u32) -> NaiveDate {
    let earlier = date.checked_sub_months(Months::new(months)).unwrap_or(date);
    if is_last_of_month(date) { last_of_month(earlier) } else { earlier }
}

fn is_last_of_month(date: NaiveDate) -> bool {
    date.succ_opt().is_none_or(|next| next.month() != date.month())
}

fn last_of_month(date: NaiveDate) -> NaiveDate {
    let first_of_next = date.with_day(1).and_then(|first| first.checked_add_months(Months::new(1)));
    first_of_next.and_then(|next| next.pred_opt()).unwrap_or(date)
}

/// The days of a simulation and what they do to everybody.
#[derive(Debug)]
pub(crate) struct Calendar {
    /// First simulated day.
    pub start: Day,
    /// The day after the last simulated one.
    pub end: Day,
    /// Observation dates: `end` and each month before it, after `start`; ascending.
    pub as_of: Vec<Day>,
    /// Usage against an ordinary weekday, per day from `start`.
    pace: Vec<f64>,
    /// Fraction of the year gone, per day from `start`.
    year_fraction: Vec<f64>,
    /// Whether budgets are being closed (December, January), per day from `start`.
    budget_season: Vec<bool>,
}

/// Forward paths look this far past the end.
const DAYS_BEYOND: Day = 120;

impl Calendar {
    pub(crate) fn new(end: NaiveDate, months: u32, world: &WorldParameters) -> Self {
        let (start, last) = (day_of(months_before(end, months)), day_of(end));
        let days = || (start..last + DAYS_BEYOND).map(date_of);
        Self {
            start,
            end: last,
            as_of: (0..months).rev().map(|back| day_of(months_before(end, back))).collect(),
            pace: days().map(|date| pace(date, world)).collect(),
            year_fraction: days().map(|date| f64::from(date.ordinal0()) / 365.25).collect(),
            budget_season: days().map(|date| matches!(date.month(), 12 | 1)).collect(),
        }
    }

    fn index(&self, day: Day) -> usize {
        usize::try_from(day - self.start).unwrap_or(0).min(self.pace.len() - 1)
    }

    /// Usage of a day against an ordinary weekday, for an industry whose year swings by `swing` with the given phase.
    pub(crate) fn pace(&self, day: Day, swing: f64, phase: f64) -> f64 {
        let index = self.index(day);
        self.pace[index] * (1.0 + swing * (std::f64::consts::TAU * (self.year_fraction[index] - phase)).sin())
    }

    /// Whether budgets are being closed on that day.
    pub(crate) fn budget_season(&self, day: Day) -> bool {
        self.budget_season[self.index(day)]
    }
}

fn pace(date: NaiveDate, world: &WorldParameters) -> f64 {
    let weekday = match date.weekday().num_days_from_monday() {
        5 => world.weekend_pace,
        6 => world.weekend_pace * 0.7,
        4 => 0.9,
        _ => 1.0,
    };
    let season = match (date.month(), date.day()) {
        (12, 22..) | (1, ..=2) => world.year_end_pace,
        (8, _) => world.august_pace,
        _ => 1.0,
    };
    weekday * season
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    fn date(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn month_ends_stay_month_ends() {
        assert_eq!(months_before(date(2026, 1, 31), 11), date(2025, 2, 28));
        assert_eq!(months_before(date(2025, 2, 28), 1), date(2025, 1, 31));
        assert_eq!(months_before(date(2025, 3, 15), 1), date(2025, 2, 15));
    }

    #[test]
    fn days_and_dates_agree() {
        assert_eq!(day_of(date(1970, 1, 1)), 0);
        assert_eq!(day_of(date(2026, 1, 31)), 20_484);
        assert_eq!(date_of(20_484), date(2026, 1, 31));
    }

    #[test]
    fn observation_dates_are_monthly_and_end_at_the_end() {
        let calendar = Calendar::new(date(2026, 1, 31), 3, World::Standard.parameters());
        let dates: Vec<NaiveDate> = calendar.as_of.iter().map(|&day| date_of(day)).collect();
        assert_eq!(dates, [date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31)]);
        assert_eq!(date_of(calendar.start), date(2025, 10, 31));
    }
}
