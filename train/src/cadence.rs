//! Calendar steps: how often the trainer is run and how often rows are scored.
//!
//! A step is always counted from an origin, never from the step before, so that 31 January + one month + one month is
//! 31 March and not 28 March. Steps from the last day of a month stay on last days of months.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

/// How often something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cadence {
    /// Every calendar month.
    Month,
    /// Every three months.
    Quarter,
    /// Every six months.
    HalfYear,
    /// Every twelve months.
    Year,
    /// Once, at the origin.
    Never,
}

impl Cadence {
    /// Length of a step in months; `None` for [`Cadence::Never`].
    #[must_use]
    pub fn months(self) -> Option<u32> {
        match self {
            Self::Month => Some(1),
            Self::Quarter => Some(3),
            Self::HalfYear => Some(6),
            Self::Year => Some(12),
            Self::Never => None,
        }
    }

    /// The name as it is written in a project file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::HalfYear => "half-year",
            Self::Year => "year",
            Self::Never => "never",
        }
    }

    /// Reads the name back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Month, Self::Quarter, Self::HalfYear, Self::Year, Self::Never].into_iter().find(|one| one.name() == text)
    }

    /// The date `steps` steps after `origin` (before it, if negative); `None` beyond the calendar, or for a step of
    /// [`Cadence::Never`] other than 0.
    #[must_use]
    pub fn step(self, origin: NaiveDate, steps: i32) -> Option<NaiveDate> {
        if steps == 0 {
            return Some(origin);
        }
        let months = self.months()?.checked_mul(steps.unsigned_abs())?;
        let moved = if steps > 0 {
            origin.checked_add_months(Months::new(months))?
        } else {
            origin.checked_sub_months(Months::new(months))?
        };
        if is_month_end(origin) { month_end(moved) } else { Some(moved) }
    }

    /// All dates of the grid through `origin` in `from..=to`, ascending.
    #[must_use]
    pub fn grid(self, origin: NaiveDate, from: NaiveDate, to: NaiveDate) -> Vec<NaiveDate> {
        let mut dates = Vec::new();
        let mut steps = 0;
        while let Some(date) = self.step(origin, steps).filter(|date| *date >= from) {
            if date <= to {
                dates.push(date);
            }
            steps -= 1;
        }
        dates.reverse();
        steps = 1;
        while let Some(date) = self.step(origin, steps).filter(|date| *date <= to) {
            if date >= from {
                dates.push(date);
            }
            steps += 1;
        }
        dates
    }
}

fn is_month_end(date: NaiveDate) -> bool {
    date.checked_add_days(Days::new(1)).is_some_and(|next| next.day() == 1)
}

fn month_end(date: NaiveDate) -> Option<NaiveDate> {
    date.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn month_ends_stay_month_ends_in_both_directions() {
        let grid = Cadence::Month.grid(date("2026-01-31"), date("2025-11-01"), date("2026-04-30"));
        let expected = ["2025-11-30", "2025-12-31", "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"];
        assert_eq!(grid, expected.map(date));
        assert_eq!(Cadence::Month.step(date("2026-02-28"), 1), Some(date("2026-03-31")));
    }

    #[test]
    fn other_days_keep_their_day() {
        assert_eq!(Cadence::Quarter.step(date("2024-01-01"), 5), Some(date("2025-04-01")));
        assert_eq!(Cadence::Year.step(date("2024-03-15"), -2), Some(date("2022-03-15")));
        assert_eq!(Cadence::Never.step(date("2024-03-15"), 1), None);
        assert_eq!(Cadence::Never.grid(date("2024-01-01"), date("2023-01-01"), date("2025-01-01")).len(), 1);
    }

    #[test]
    fn an_origin_outside_the_range_is_not_in_the_grid() {
        let grid = Cadence::Quarter.grid(date("2024-01-01"), date("2022-01-01"), date("2022-12-31"));
        assert_eq!(grid, ["2022-01-01", "2022-04-01", "2022-07-01", "2022-10-01"].map(date));
    }
}
