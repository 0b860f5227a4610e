//! Times as text: ISO 8601 with `T` or a space, with or without zone, or the contract's own format. A time without a
//! zone is in the table's zone, which is UTC unless declared. Anything else is not guessed at.
//!
//! When clocks go back, a local time stands for two instants: the earlier is taken. When they go forward, some local
//! times stand for none: those are not times. A date is the first moment of its day, which where clocks go forward at
//! midnight is not 00:00.

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;

use crate::time::{Instant, MICROS_PER_DAY};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Gaps in local time end at whole quarters of an hour.
const MICROS_PER_QUARTER_HOUR: i64 = 900 * MICROS_PER_SECOND;

/// A time as written: microseconds since the epoch, of UTC or of a clock on a wall.
#[derive(Debug, Clone, Copy)]
enum Written {
    Instant(i64),
    Local(i64),
    Day(i64),
}

/// The instant that a text stands for; `format` (strftime) is tried first, then ISO 8601. A time without a zone is UTC.
pub(crate) fn parse_time(text: &str, format: Option<&str>) -> Option<Instant> {
    parse_time_in(text, format, None)
}

/// The same, with times without a zone in `zone`; `None`: UTC.
pub(crate) fn parse_time_in(text: &str, format: Option<&str>, zone: Option<Tz>) -> Option<Instant> {
    let text = text.trim();
    let written = format.and_then(|format| parse_with(text, format)).or_else(|| parse_iso(text.as_bytes()))?;
    match (written, zone) {
        (Written::Instant(micros), _) | (Written::Local(micros) | Written::Day(micros), None) => Some(micros),
        (Written::Local(micros), Some(zone)) => of_local(micros, zone),
        (Written::Day(micros), Some(zone)) => of_day(micros, zone),
    }
    .map(Instant)
}

/// The instant at which clocks in `zone` show what a UTC clock shows at `micros`; the earlier of two.
pub(crate) fn of_local(micros: i64, zone: Tz) -> Option<i64> {
    let shown = DateTime::from_timestamp_micros(micros)?.naive_utc();
    match zone.from_local_datetime(&shown) {
        MappedLocalTime::Single(time) => Some(time.timestamp_micros()),
        MappedLocalTime::Ambiguous(one, other) => Some(one.timestamp_micros().min(other.timestamp_micros())),
        MappedLocalTime::None => None,
    }
}

/// The first instant in `zone` of the day whose midnight is `micros` in UTC; `None` for a day that was skipped.
pub(crate) fn of_day(micros: i64, zone: Tz) -> Option<i64> {
    (0..MICROS_PER_DAY / MICROS_PER_QUARTER_HOUR)
        .find_map(|quarters| of_local(micros.checked_add(quarters * MICROS_PER_QUARTER_HOUR)?, zone))
}

fn parse_with(text: &str, format: &str) -> Option<Written> {
    if let Ok(zoned) = DateTime::parse_from_str(text, format) {
        return Some(Written::Instant(zoned.timestamp_micros()));
    }
    if let Ok(naive) = NaiveDateTime::parse_from_str(text, format) {
        return Some(Written::Local(naive.and_utc().timestamp_micros()));
    }
    NaiveDate::parse_from_str(text, format).ok().map(|date| Written::Day(Instant::start_of(date).0))
}

/// `YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]]][ ][Z|UTC|±HH[[:]MM]]`; digits beyond the microsecond are cut.
fn parse_iso(text: &[u8]) -> Option<Written> {
    let (date, rest) = text.split_at_checked(10)?;
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let year = i32::try_from(digits(&date[..4])?).ok()?;
    let (month, day) = (digits(&date[5..7])?, digits(&date[8..])?);
    let date = NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    let midnight = Instant::start_of(date).0;
    let Some((separator, clock)) = rest.split_first() else { return Some(Written::Day(midnight)) };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (clock_micros, rest) = clock_micros(clock)?;
    let shown = midnight.checked_add(clock_micros)?;
    match rest.trim_ascii_start() {
        b"" => Some(Written::Local(shown)),
        zone => shown.checked_sub(offset_micros(zone)?).map(Written::Instant),
    }
}

/// Microseconds since midnight of `HH:MM[:SS[.fraction]]`, and what follows it.
fn clock_micros(clock: &[u8]) -> Option<(i64, &[u8])> {
    let (hours_minutes, mut rest) = clock.split_at_checked(5)?;
    let (hours, minutes) = (digits(&hours_minutes[..2])?, digits(&hours_minutes[3..])?);
    let (mut seconds, mut fraction) = (0, 0);
    if hours_minutes[2] != b':' || hours > 23 || minutes > 59 {
        return None;
    }
    if let Some(after) = rest.strip_prefix(b":") {
        let (text, after) = after.split_at_checked(2)?;
        seconds = digits(text)?;
        rest = after;
        if let [b'.' | b',', after @ ..] = rest {
            let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let kept = length.min(6);
            fraction = digits(&after[..kept])? * 10_i64.pow(6 - u32::try_from(kept).ok()?);
            rest = &after[length..];
        }
    }
    // 60 is a leap second: it is the first moment of the next minute, as in POSIX time.
    (seconds <= 60).then_some((((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND + fraction, rest))
}

fn offset_micros(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = match zone {
        b"Z" | b"z" | b"UTC" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [_, _] => (rest, &b"00"[..]),
        [_, _, b':', _, _] => (&rest[..2], &rest[3..]),
        [_, _, _, _] => (&rest[..2], &rest[2..]),
        _ => return None,
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60 * MICROS_PER_SECOND)
}

/// A run of ASCII digits as a number; at least one, nothing else.
fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// An instant as ISO 8601 text.
pub(crate) fn format_time(instant: i64) -> String {
    match DateTime::from_timestamp_micros(instant) {
        Some(time) if instant % MICROS_PER_DAY == 0 => time.format("%Y-%m-%d").to_string(),
        Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<i64> {
        parse_time(text, None).map(|instant| instant.0.div_euclid(MICROS_PER_SECOND))
    }

    #[test]
    fn iso_times_are_read_in_every_common_spelling() {
        let noon = 1_704_110_400; // 2024-01-01T12:00:00Z, `date -d @1704110400`
        for text in [
            "2024-01-01T12:00:00Z",
            "2024-01-01 12:00:00",
            "2024-01-01 12:00",
            "2024-01-01T12:00:00.000000000Z",
            "2024-01-01 12:00:00 UTC",
            "2024-01-01T13:00:00+01:00",
            "2024-01-01T13:00:00 +0100",
            "2024-01-01t07:00:00-05",
            "2024-01-01T17:45:00+05:45",
            " 2024-01-01T12:00:00Z ",
        ] {
            assert_eq!(seconds(text), Some(noon), "{text}");
        }
        assert_eq!(parse_time("2024-01-01T12:00:00.1234567Z", None), Some(Instant(noon * 1_000_000 + 123_456)));
        assert_eq!(seconds("2024-01-01"), Some(1_704_067_200));
        assert_eq!(seconds("2016-12-31T23:59:60Z"), Some(1_483_228_800));
        assert_eq!(seconds("1969-12-31T23:59:59Z"), Some(-1));
        assert_eq!(seconds("9999-12-31T23:59:59Z"), Some(253_402_300_799));
        assert_eq!(seconds("0000-01-01"), Some(-62_167_219_200));
    }

    #[test]
    fn nonsense_is_not_guessed_at() {
        for text in [
            "",
            "now",
            "2024",
            "2024-13-01",
            "2023-02-29",
            "2024-1-1",
            "01/02/2024",
            "2024-01-01T25:00",
            "2024-01-01X12:00",
            "2024-01-01T12",
            "2024-01-01T12:00:61",
            "2024-01-01T12:00+25:00",
            "2024-01-01T12:00 CET",
            "12024-01-01",
            "2024-01-01T12:00:00.",
            "２０２４-01-01",
            "1704110400",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    proptest::proptest! {
        /// Whatever chrono writes as RFC 3339, in any zone, is read as the same instant; nothing makes it panic.
        #[test]
        fn agrees_with_chrono(micros in -62_167_219_200_000_000_i64..253_402_300_799_000_000, offset in -14 * 60..14 * 60_i32) {
            let zone = chrono::FixedOffset::east_opt(offset * 60).unwrap();
            let time = DateTime::from_timestamp_micros(micros).unwrap().with_timezone(&zone);
            let text = time.to_rfc3339();
            if !text.starts_with(['+', '-']) {
                proptest::prop_assert_eq!(parse_time(&text, None), Some(Instant(micros)), "{}", text);
            }
            proptest::prop_assert_eq!(parse_time(&format_time(micros), None), Some(Instant(micros)));
        }

        #[test]
        fn never_panics(text in "[0-9TZ:. +-]{0,40}|\\PC{0,40}") {
            let _ = parse_time(&text, None);
            let _ = parse_time(&text, Some("%d.%m.%Y"));
            let _ = parse_time_in(&text, None, Some(Tz::America__New_York));
        }

        /// An instant, shown by the clocks of a zone, is read back as itself, or as the earlier one that they show alike.
        #[test]
        fn local_times_are_read_back(micros in -2_000_000_000_000_000_i64..4_000_000_000_000_000, which in 0..chrono_tz::TZ_VARIANTS.len()) {
            let zone = chrono_tz::TZ_VARIANTS[which];
            let shown = DateTime::from_timestamp_micros(micros).unwrap().with_timezone(&zone).naive_local();
            let read = of_local(shown.and_utc().timestamp_micros(), zone).unwrap();
            proptest::prop_assert!(read <= micros);
            let again = DateTime::from_timestamp_micros(read).unwrap().with_timezone(&zone).naive_local();
            proptest::prop_assert_eq!(again, shown);
        }
    }

    fn in_zone(text: &str, zone: Tz) -> Option<String> {
        parse_time_in(text, None, Some(zone)).map(|instant| format_time(instant.0))
    }

    /// Known from `TZ=Europe/Berlin date -u -d ...` and the zones' histories in the tz database.
    #[test]
    fn local_times_follow_the_clocks_of_their_zone() {
        let berlin = Tz::Europe__Berlin;
        let cases = [
            ("2024-01-01 12:00", Some("2024-01-01T11:00:00Z")),
            ("2024-07-01 12:00", Some("2024-07-01T10:00:00Z")),
            ("2024-01-01", Some("2023-12-31T23:00:00Z")),
            // Clocks go forward at 02:00: the hour from 02:00 is not there.
            ("2024-03-31 01:59:59", Some("2024-03-31T00:59:59Z")),
            ("2024-03-31 02:00", None),
            ("2024-03-31T02:30:00", None),
            ("2024-03-31 02:59:59.999999", None),
            ("2024-03-31 03:00", Some("2024-03-31T01:00:00Z")),
            // Clocks go back at 03:00: the hour from 02:00 is there twice, and the first counts.
            ("2024-10-27 01:59:59", Some("2024-10-26T23:59:59Z")),
            ("2024-10-27 02:00", Some("2024-10-27")),
            ("2024-10-27 02:59:59", Some("2024-10-27T00:59:59Z")),
            ("2024-10-27 03:00", Some("2024-10-27T02:00:00Z")),
            // What names its own zone is what it says.
            ("2024-03-31 02:30Z", Some("2024-03-31T02:30:00Z")),
            ("2024-03-31 02:30+02:00", Some("2024-03-31T00:30:00Z")),
            ("2024-03-31 02:30 UTC", Some("2024-03-31T02:30:00Z")),
        ];
        for (text, expected) in cases {
            assert_eq!(in_zone(text, berlin).as_deref(), expected, "{text}");
        }
        // Forward at midnight: the day begins at 01:00. A day that was skipped never began.
        assert_eq!(in_zone("2018-11-04", Tz::America__Sao_Paulo).as_deref(), Some("2018-11-04T03:00:00Z"));
        assert_eq!(in_zone("2018-11-04 00:30", Tz::America__Sao_Paulo), None);
        assert_eq!(in_zone("2011-12-30", Tz::Pacific__Apia), None);
        assert_eq!(in_zone("2024-01-01 00:00", Tz::Asia__Kathmandu).as_deref(), Some("2023-12-31T18:15:00Z"));
        let american = parse_time_in("7/1/2024", Some("%m/%d/%Y"), Some(berlin));
        assert_eq!(american.map(|instant| format_time(instant.0)).as_deref(), Some("2024-06-30T22:00:00Z"));
    }

    #[test]
    fn a_declared_format_is_tried_first() {
        let day = Some(Instant::start_of(NaiveDate::from_ymd_opt(2013, 2, 1).unwrap()));
        assert_eq!(parse_time("2/1/2013", Some("%m/%d/%Y")), day);
        assert_eq!(parse_time("2013-02-01", Some("%m/%d/%Y")), day);
        assert_eq!(parse_time("01.02.2013 00:00", Some("%d.%m.%Y %H:%M")), day);
        assert_eq!(parse_time("31/1/2013", Some("%m/%d/%Y")), None);
    }
}
