//! Calendar steps: how often the trainer is run and how often rows are scored, and how far back it learns.
//!
//! A step is always counted from an origin, never from the step before, so that 31 January + one month + one month is
//! 31 March and not 28 March. Steps from the last day of a month stay on last days of months.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

/// How often something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cadence {
    /// Every day.
    Day,
    /// Every seven days.
    Week,
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

/// How far back from a refit training rows are taken. A sliding history forgets what no longer holds, an expanding one has
/// more to learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum History {
    /// Everything there is.
    #[default]
    Expanding,
    /// Rows of at most so many calendar months before the refit.
    Months(u32),
    /// Rows of at most so many days before the refit.
    Days(u32),
}

impl History {
    /// Reads `expanding`, `24 months`, `1 month` or `730d`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "expanding" {
            return Some(Self::Expanding);
        }
        let digits = text.find(|one: char| !one.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
        match unit {
            " month" | " months" => Some(Self::Months(number)),
            "d" => Some(Self::Days(number)),
            _ => None,
        }
    }

    /// First `as_of` (inclusive) of a training row at a refit.
    #[must_use]
    pub fn first_day(self, refit: NaiveDate) -> NaiveDate {
        let day = match self {
            Self::Expanding => None,
            // From the last day of a month to the last day of a month, as the grid of dates is.
            Self::Months(months) => {
                let moved = refit.checked_sub_months(Months::new(months));
                moved.and_then(|moved| as_month_end(refit, moved))
            }
            Self::Days(days) => refit.checked_sub_days(Days::new(days.into())),
        };
        day.unwrap_or(NaiveDate::MIN)
    }
}

impl std::fmt::Display for History {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Expanding => formatter.write_str("expanding"),
            Self::Months(1) => formatter.write_str("1 month"),
            Self::Months(months) => write!(formatter, "{months} months"),
            Self::Days(days) => write!(formatter, "{days}d"),
        }
    }
}

/// Length of a step.
enum Step {
    Days(u32),
    Months(u32),
}

impl Cadence {
    /// Every cadence, from the finest.
    pub const ALL: [Self; 7] =
        [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::HalfYear, Self::Year, Self::Never];

    fn length(self) -> Option<Step> {
        match self {
            Self::Day => Some(Step::Days(1)),
            Self::Week => Some(Step::Days(7)),
            Self::Month => Some(Step::Months(1)),
            Self::Quarter => Some(Step::Months(3)),
            Self::HalfYear => Some(Step::Months(6)),
            Self::Year => Some(Step::Months(12)),
            Self::Never => None,
        }
    }

    /// Whether a step is shorter than a month.
    #[must_use]
    pub fn is_finer_than_month(self) -> bool {
        matches!(self.length(), Some(Step::Days(_)))
    }

    /// The name as it is written in a project file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
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
        Self::ALL.into_iter().find(|one| one.name() == text)
    }

    /// The date `steps` steps after `origin` (before it, if negative); `None` beyond the calendar, or for a step of
    /// [`Cadence::Never`] other than 0.
    #[must_use]
    pub fn step(self, origin: NaiveDate, steps: i32) -> Option<NaiveDate> {
        if steps == 0 {
            return Some(origin);
        }
        let moved = |number: u32| number.checked_mul(steps.unsigned_abs());
        match (self.length()?, steps > 0) {
            (Step::Days(days), true) => origin.checked_add_days(Days::new(moved(days)?.into())),
            (Step::Days(days), false) => origin.checked_sub_days(Days::new(moved(days)?.into())),
            (Step::Months(months), true) => {
                as_month_end(origin, origin.checked_add_months(Months::new(moved(months)?))?)
            }
            (Step::Months(months), false) => {
                as_month_end(origin, origin.checked_sub_months(Months::new(moved(months)?))?)
            }
        }
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

/// `moved`, at the end of its month if `origin` is at the end of its own.
fn as_month_end(origin: NaiveDate, moved: NaiveDate) -> Option<NaiveDate> {
    if is_month_end(origin) { month_end(moved) } else { Some(moved) }
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
    fn weeks_and_days_keep_their_step_across_months_and_leap_days() {
        let weeks = Cadence::Week.grid(date("2024-02-29"), date("2024-02-10"), date("2024-03-15"));
        assert_eq!(weeks, ["2024-02-15", "2024-02-22", "2024-02-29", "2024-03-07", "2024-03-14"].map(date));
        // The last of a month is no end that a day or a week would keep.
        let days = Cadence::Day.grid(date("2024-02-29"), date("2024-02-28"), date("2024-03-02"));
        assert_eq!(days, ["2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"].map(date));
        for cadence in Cadence::ALL {
            assert_eq!(Cadence::parse(cadence.name()), Some(cadence));
        }
    }

    #[test]
    fn a_history_is_counted_back_from_the_refit() {
        let first = |text: &str, refit: &str| History::parse(text).unwrap().first_day(date(refit));
        assert_eq!(first("24 months", "2025-01-31"), date("2023-01-31"));
        assert_eq!(first("1 month", "2024-03-31"), date("2024-02-29"));
        // The end of February is kept as the end of August.
        assert_eq!(first("6 months", "2025-02-28"), date("2024-08-31"));
        assert_eq!(first("6 months", "2025-02-27"), date("2024-08-27"));
        assert_eq!(first("366d", "2025-01-01"), date("2024-01-01"));
        assert_eq!(first("expanding", "2025-01-01"), NaiveDate::MIN);
        for wrong in ["", "months", "0 months", "24", "24 weeks", "24months", "-3d", "1.5 months", "expanding ", "d"] {
            assert_eq!(History::parse(wrong), None, "{wrong}");
        }
        for text in ["expanding", "1 month", "24 months", "730d"] {
            assert_eq!(History::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_origin_outside_the_range_is_not_in_the_grid() {
        let grid = Cadence::Quarter.grid(date("2024-01-01"), date("2022-01-01"), date("2022-12-31"));
        assert_eq!(grid, ["2022-01-01", "2022-04-01", "2022-07-01", "2022-10-01"].map(date));
    }
}
