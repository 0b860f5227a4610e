//! The time between observation dates: how often rows are observed, and how many calls a team has from one to the next.

use chrono::NaiveDate;

use crate::cadence::Cadence;
use crate::dataset::Dataset;
use crate::settings::BacktestSettings;
use crate::summary::Warning;

const DAYS_PER_WEEK: f64 = 7.0;
/// Of the Gregorian calendar, with its leap years.
const DAYS_PER_MONTH: f64 = 365.25 / 12.0;

/// Steps that a calendar has a word for, from the finest.
const NAMED: [Cadence; 6] =
    [Cadence::Day, Cadence::Week, Cadence::Month, Cadence::Quarter, Cadence::HalfYear, Cadence::Year];

/// How far apart observation dates lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Spacing {
    /// A step of the calendar.
    Every(Cadence),
    /// So many days, always.
    Days(u32),
    /// Now so many days, now others; their mean.
    Uneven(f64),
}

impl Spacing {
    /// Of distinct dates, ascending; `None` for fewer than two.
    pub(crate) fn of(dates: &[NaiveDate]) -> Option<Self> {
        let (first, last) = (dates.first()?, dates.last()?);
        if first == last {
            return None;
        }
        // Either way round: a month on from 28 February is 31 March, a month back from 28 March is 28 February.
        let is_step = |cadence: Cadence, pair: &[NaiveDate]| {
            cadence.step(pair[0], 1) == Some(pair[1]) || cadence.step(pair[1], -1) == Some(pair[0])
        };
        if let Some(cadence) = NAMED.into_iter().find(|one| dates.windows(2).all(|pair| is_step(*one, pair))) {
            return Some(Self::Every(cadence));
        }
        let mut gaps = dates.windows(2).map(|pair| (pair[1] - pair[0]).num_days());
        let one = gaps.next()?;
        if gaps.all(|gap| gap == one) {
            return u32::try_from(one).ok().map(Self::Days);
        }
        Some(Self::Uneven((*last - *first).num_days() as f64 / (dates.len() - 1) as f64))
    }

    /// Between the dates that a backtest predicts, as far as the dataset has them; `None` where it has one date or none.
    pub(crate) fn between_tests(dataset: &Dataset, settings: &BacktestSettings) -> Option<Self> {
        if !dataset.is_dated() {
            return None;
        }
        // Training dates lie between those that are predicted: the settings say which are.
        if settings.train_every != settings.score_every {
            return Some(Self::Every(settings.score_every));
        }
        let mut dates = dataset.as_of().to_vec();
        dates.dedup();
        let until = settings.last_test.unwrap_or(NaiveDate::MAX);
        let judged: Vec<NaiveDate> =
            dates.iter().copied().filter(|date| *date >= settings.first_test && *date <= until).collect();
        Self::of(&judged).or_else(|| Self::of(&dates))
    }

    /// As it stands after "every"; `uneven` where nothing can.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Every(cadence) => cadence.name().to_owned(),
            Self::Days(days) => format!("{days} days"),
            Self::Uneven(_) => UNEVEN.to_owned(),
        }
    }

    fn days(self) -> f64 {
        match self {
            Self::Every(Cadence::Week) => DAYS_PER_WEEK,
            Self::Every(Cadence::Month) => DAYS_PER_MONTH,
            Self::Every(Cadence::Quarter) => 3.0 * DAYS_PER_MONTH,
            Self::Every(Cadence::HalfYear) => 6.0 * DAYS_PER_MONTH,
            Self::Every(Cadence::Year) => 12.0 * DAYS_PER_MONTH,
            Self::Every(Cadence::Day | Cadence::Never) => 1.0,
            Self::Days(days) => f64::from(days),
            Self::Uneven(days) => days,
        }
    }
}

/// What [`Spacing::name`] says where the steps differ.
pub(crate) const UNEVEN: &str = "uneven";

/// How many accounts a team can call from one predicted date to the next: `accounts_per_week` for each seven days, rounded
/// up, at least 1. Rows of one date, or of none, are one week's.
pub(crate) fn calls_per_date(dataset: &Dataset, settings: &BacktestSettings) -> u32 {
    let per_week = settings.accounts_per_week;
    Spacing::between_tests(dataset, settings).map_or(per_week, |spacing| calls_within(spacing, per_week))
}

/// Says so where dates lie closer than a week: there the capacity is rounded up date by date and an account comes up again.
pub(crate) fn warning(dataset: &Dataset, settings: &BacktestSettings) -> Option<Warning> {
    let days = Spacing::between_tests(dataset, settings)?.days();
    let calls = calls_per_date(dataset, settings);
    let per_week = f64::from(calls) * DAYS_PER_WEEK / days;
    (days < DAYS_PER_WEEK).then(|| Warning::called_again(calls, per_week, settings.accounts_per_week))
}

fn calls_within(spacing: Spacing, per_week: u32) -> u32 {
    (f64::from(per_week) * spacing.days() / DAYS_PER_WEEK).ceil().clamp(1.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spacing(dates: &[&str]) -> Option<Spacing> {
        let dates: Vec<NaiveDate> = dates.iter().map(|text| text.parse().unwrap()).collect();
        Spacing::of(&dates)
    }

    #[test]
    fn the_step_is_that_of_the_dates() {
        for (dates, name) in [
            (&["2024-01-31", "2024-02-29", "2024-03-31"][..], "month"),
            (&["2023-01-28", "2023-02-28", "2023-03-28"], "month"),
            (&["2024-03-31", "2024-06-30", "2024-09-30"], "quarter"),
            (&["2024-01-01", "2024-07-01"], "half-year"),
            (&["2023-01-01", "2024-01-01"], "year"),
            (&["2024-01-01", "2024-01-08", "2024-01-15"], "week"),
            (&["2024-01-01", "2024-01-02"], "day"),
            (&["2024-01-01", "2024-01-29", "2024-02-26"], "28 days"),
            (&["2024-01-01", "2024-01-14", "2024-01-27"], "13 days"),
            (&["2024-01-01", "2024-02-01", "2024-02-20"], "uneven"),
        ] {
            assert_eq!(spacing(dates).unwrap().name(), name, "{dates:?}");
        }
        assert_eq!((spacing(&[]), spacing(&["2024-01-01"])), (None, None));
    }

    #[test]
    fn a_capacity_of_a_week_is_spent_in_a_week() {
        let calls = |dates: &[&str], per_week: u32| calls_within(spacing(dates).unwrap(), per_week);
        let weeks = ["2024-01-01", "2024-01-08"];
        assert_eq!((calls(&weeks, 40), calls(&weeks, 1)), (40, 1));
        let days = ["2024-01-01", "2024-01-02"];
        assert_eq!((calls(&days, 40), calls(&days, 1), calls(&days, 7)), (6, 1, 1));
        // 40 · 30.4375 / 7 = 173.93 and three times that, 521.79.
        assert_eq!(calls(&["2024-01-31", "2024-02-29"], 40), 174);
        assert_eq!(calls(&["2024-03-31", "2024-06-30"], 40), 522);
        assert_eq!(calls(&["2024-01-01", "2024-01-15"], 40), 80);
        // Monday to Friday: 40 calls of a week on five dates.
        let working = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08"];
        assert_eq!(calls(&working, 40), 8);
    }
}
