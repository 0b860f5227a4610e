//! Numbers as a reader writes them.

/// What stands where there is no figure.
pub const NONE: &str = "–";

/// "12.3 %".
#[must_use]
pub fn percent(share: f64, decimals: usize) -> String {
    format!("{} %", unsigned_zero(format!("{:.decimals$}", 100.0 * share)))
}

/// "+6.2": points of probability with their sign.
#[must_use]
pub fn points(share: f64) -> String {
    let text = unsigned_zero(format!("{:.1}", 100.0 * share));
    if text.starts_with('-') || text == "0.0" { text.replace('-', "−") } else { format!("+{text}") }
}

/// A plain number.
#[must_use]
pub fn number(value: f64, decimals: usize) -> String {
    unsigned_zero(format!("{value:.decimals$}"))
}

/// A plain number or a dash.
#[must_use]
pub fn known(value: Option<f64>, decimals: usize) -> String {
    value.map_or(NONE.to_owned(), |value| number(value, decimals))
}

/// With commas between thousands.
#[must_use]
pub fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Money: whole units from a thousand on, else with cents: "1,234", "12.50", "−0.30".
#[must_use]
pub fn money(amount: f64) -> String {
    if !amount.is_finite() {
        return NONE.to_owned();
    }
    let text = unsigned_zero(if amount.abs() >= 999.995 { format!("{amount:.0}") } else { format!("{amount:.2}") });
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("−", digits));
    match digits.parse::<usize>() {
        Ok(whole) => format!("{sign}{}", count(whole)),
        Err(_) => format!("{sign}{digits}"),
    }
}

/// For an axis: "950", "12k", "1.2M".
#[must_use]
pub fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 999_500.0 => (value / 1e6, "M"),
        size if size >= 1_000.0 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let decimals = usize::from(scaled.abs() < 10.0 && (scaled - scaled.round()).abs() > 0.04);
    format!("{}{unit}", unsigned_zero(format!("{scaled:.decimals$}"))).replace('-', "−")
}

/// A number with as many decimals as tell something: "1,234", "12.3", "0.25", "−3".
#[must_use]
pub fn plain(value: f64) -> String {
    let decimals = match value.abs() {
        size if (value - value.round()).abs() < 1e-9 && size < 1e15 => {
            return format!("{}{}", if value < -0.5 { "−" } else { "" }, count(size.round() as usize));
        }
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    number(value, decimals).replace('-', "−")
}

fn unsigned_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|one| one == '0' || one == '.') => rest.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(points(-0.0001), "0.0");
        assert_eq!(points(-0.062), "−6.2");
        assert_eq!(points(0.062), "+6.2");
        assert_eq!(percent(0.1234, 1), "12.3 %");
        assert_eq!(number(-0.0001, 2), "0.00");
        assert_eq!(
            [-0.001, 12.5, 999.999, -1_234.5, 2e6].map(money),
            ["0.00", "12.50", "1,000", "−1,234", "2,000,000"]
        );
        assert_eq!([0.0, 950.0, 1_200.0, -20_000.0, 1.25e6].map(short), ["0", "950", "1.2k", "−20k", "1.2M"]);
    }
}
