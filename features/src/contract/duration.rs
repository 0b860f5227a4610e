//! Lengths of time as people write them: `90d`, `24h`, `2w`. Months and years are left out because they have no length.

use crate::time::MICROS_PER_DAY;

use super::error::{ContractError, Problem};

/// Microseconds in an hour.
pub const MICROS_PER_HOUR: i64 = MICROS_PER_DAY / 24;

/// Microseconds of a text such as `90d`, `24h`, `30m`, `2w`; whole, not negative, at most a hundred years.
///
/// # Errors
/// [`Problem::InvalidValue`] at `key`.
pub fn parse_duration_micros(text: &str, key: &[&str]) -> Result<i64, ContractError> {
    let bad = |hint: &str| {
        ContractError::new(
            Problem::InvalidValue {
                expected: "a length of time such as \"90d\", \"24h\" or \"2w\"".to_owned(),
                found: format!("{text:?}"),
                hint: Some(hint.to_owned()),
            },
            key,
        )
    };
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = trimmed.split_at(digits);
    let number: i64 = number.parse().map_err(|_| bad("write a whole number and a unit: m, h, d or w"))?;
    let unit_micros = match unit.trim() {
        "m" => MICROS_PER_HOUR / 60,
        "h" => MICROS_PER_HOUR,
        "d" => MICROS_PER_DAY,
        "w" => 7 * MICROS_PER_DAY,
        _ => return Err(bad("the units are m (minutes), h, d and w; write a month as 30d and a year as 365d")),
    };
    let micros = number.checked_mul(unit_micros).ok_or_else(|| bad("that is too long"))?;
    if micros > 36_525 * MICROS_PER_DAY { Err(bad("at most a hundred years")) } else { Ok(micros) }
}

/// Whole days of such a text, from `least` on.
///
/// # Errors
/// [`Problem::InvalidValue`] at `key`, also for a length that is not whole days.
pub fn parse_days(text: &str, least: u32, key: &[&str]) -> Result<u32, ContractError> {
    let micros = parse_duration_micros(text, key)?;
    let days = u32::try_from(micros / MICROS_PER_DAY).unwrap_or(u32::MAX);
    if micros % MICROS_PER_DAY != 0 || days < least {
        return Err(ContractError::new(
            Problem::InvalidValue {
                expected: format!("whole days, at least {least}"),
                found: format!("{text:?}"),
                hint: Some("write e.g. \"90d\"".to_owned()),
            },
            key,
        ));
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_nonsense_is_refused() {
        assert_eq!(parse_days("90d", 1, &[]).unwrap(), 90);
        assert_eq!(parse_days("2w", 1, &[]).unwrap(), 14);
        assert_eq!(parse_days("48h", 1, &[]).unwrap(), 2);
        assert_eq!(parse_duration_micros("24h", &[]).unwrap(), MICROS_PER_DAY);
        assert_eq!(parse_duration_micros("0d", &[]).unwrap(), 0);
        for text in ["", "90", "d", "-1d", "1.5d", "3 months", "99999999999999d", "36526d"] {
            assert!(parse_duration_micros(text, &["x"]).is_err(), "{text}");
        }
        assert!(parse_days("36h", 1, &[]).is_err());
        assert!(parse_days("0d", 1, &[]).is_err());
    }
}
