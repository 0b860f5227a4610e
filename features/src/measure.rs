//! The few pieces of arithmetic that several signals share.

/// `numerator / denominator`; null when the denominator is not above 0.
pub(crate) fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

/// `now / then - 1`; null when `then` is not above 0.
pub(crate) fn relative_change(now: f64, then: f64) -> Option<f64> {
    ratio(now, then).map(|multiple| multiple - 1.0)
}

/// Arithmetic mean; null without values.
#[expect(clippy::cast_precision_loss, reason = "lengths stay far below 2^53")]
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The middle value, or the mean of the two middle ones; null without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(sorted[sorted.len() / 2 - 1], upper)) }
}

/// Least-squares slope per step of equally spaced values, earliest first; null for fewer than two.
///
/// `Σ (x - x̄) y / Σ (x - x̄)²`.
#[expect(clippy::cast_precision_loss, reason = "lengths stay far below 2^53")]
pub(crate) fn slope(values: &[f64]) -> Option<f64> {
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let (mut product, mut square) = (0.0, 0.0);
    for (place, value) in values.iter().enumerate() {
        let offset = place as f64 - middle;
        product += offset * value;
        square += offset * offset;
    }
    ratio(product, square)
}

/// Slope of the last 6 of 13 values less the slope of the 7 before.
pub(crate) fn acceleration(values: &[f64]) -> Option<f64> {
    let (earlier, recent) = values.split_at_checked(7)?;
    Some(slope(recent)? - slope(earlier)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope() {
        assert_eq!(slope(&[1.0, 3.0, 5.0, 7.0]), Some(2.0));
        assert_eq!(slope(&[4.0, 4.0]), Some(0.0));
        assert_eq!(slope(&[4.0]), None);
        let bent = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0, 4.0, 2.0, 0.0, -2.0, -4.0];
        assert_eq!(acceleration(&bent), Some(-3.0));
    }

    #[test]
    fn medians_and_changes() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(relative_change(70.0, 100.0), Some(0.7 - 1.0));
        assert_eq!(relative_change(1.0, 0.0), None);
        assert_eq!(relative_change(1.0, -2.0), None);
    }
}
