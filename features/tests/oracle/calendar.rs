//! Days and months without a date library: proleptic Gregorian, counted from 1970-01-01.

pub(crate) const DAY: i64 = 86_400_000_000;

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Day number of a date, by counting whole years and months.
pub(crate) fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 = (1970..year).map(|y| if is_leap(y) { 366 } else { 365 }).sum();
    let months: i64 = (1..month).map(|m| days_in_month(year, m)).sum();
    years + months + day - 1
}

/// Year, month and day of a day number (1970 or later).
pub(crate) fn date_of(mut number: i64) -> (i64, i64, i64) {
    let mut year = 1970;
    while number >= if is_leap(year) { 366 } else { 365 } {
        number -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    while number >= days_in_month(year, month) {
        number -= days_in_month(year, month);
        month += 1;
    }
    (year, month, number + 1)
}

/// The same day of the month `months` later, or that month's last day.
pub(crate) fn plus_months(number: i64, months: i64) -> i64 {
    let (year, month, day) = date_of(number);
    let total = year * 12 + month - 1 + months;
    let (year, month) = (total / 12, total % 12 + 1);
    day_number(year, month, day.min(days_in_month(year, month)))
}

#[test]
fn the_calendar_is_right() {
    assert_eq!(day_number(1970, 1, 1), 0);
    assert_eq!(day_number(2024, 2, 29), 19_782);
    assert_eq!(date_of(19_782), (2024, 2, 29));
    assert_eq!(plus_months(day_number(2024, 1, 31), 1), day_number(2024, 2, 29));
    assert_eq!(plus_months(day_number(2024, 2, 29), 12), day_number(2025, 2, 28));
}

/// Steps of months and days before 1970, by this calendar.
#[test]
fn time_steps_as_the_calendar_does() {
    use bellwether_features::time::{Every, Instant, dates};
    let of = |year, month, day| crate::date(day_number(year, month, day));
    let found = dates(of(2023, 11, 30), of(2024, 5, 1), Every::Month).unwrap();
    let ends = [(2023, 11), (2023, 12), (2024, 1), (2024, 2), (2024, 3), (2024, 4)];
    let expected: Vec<_> = ends.iter().map(|(year, month)| of(*year, *month, days_in_month(*year, *month))).collect();
    assert_eq!(found, expected);
    for (micros, day) in [(-1, -1), (-DAY, -1), (-DAY - 1, -2), (0, 0), (DAY - 1, 0), (DAY, 1)] {
        assert_eq!(Instant(micros).day(), day, "{micros}");
    }
}
