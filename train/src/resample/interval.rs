//! From replicates to an interval.

use super::Interval;
use crate::measure::Range;

/// Replicates that must give a measure for it to have an interval.
const LEAST_SHARE_OF_REPLICATES: f64 = 0.95;
/// With fewer effective accounts than this the quantile of Student's t says nothing.
const LEAST_EFFECTIVE: f64 = 3.0;
/// Significant digits of the ends.
const DIGITS: i32 = 6;

/// Effective number of clusters by Kish: `(Σ a)² / Σ a²`; 0 where all are 0.
pub(crate) fn kish(amounts: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = amounts.fold((0.0, 0.0), |(sum, squares), amount| (sum + amount, squares + amount * amount));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// The interval of [`super`]'s formula. `values` are the replicates, NaN where one does not give the measure; `effective` is
/// the effective number of accounts.
pub(super) fn studentised(range: Range, estimate: f64, values: &[f64], effective: f64) -> Option<Interval> {
    let spread = Spread::of(values)?;
    if effective < LEAST_EFFECTIVE || !estimate.is_finite() {
        return None;
    }
    let reach = student_t_975(effective - 1.0) * (effective / (effective - 1.0)).sqrt() * spread.deviation;
    let unbiased = estimate - (spread.mean - estimate);
    let (low, high) = match range {
        Range::Real => (unbiased - reach, unbiased + reach),
        Range::NotNegative => {
            // The isotonic fit of a replicate is steps already, so it overfits less than the fit of the rows did: what the
            // replicates show of its bias is too little, and the lower end takes it twice.
            let twice = unbiased - (spread.mean - estimate);
            ((twice.min(estimate) - reach).max(0.0), unbiased.max(estimate) + reach)
        }
        Range::Positive => {
            let center = inside(unbiased, estimate, f64::INFINITY)?;
            let factor = (reach / center).exp();
            (center / factor, center * factor)
        }
        Range::Share => {
            let center = inside(unbiased, estimate, 1.0)?;
            let odds = (center / (1.0 - center)).ln();
            let reach = reach / (center * (1.0 - center));
            let share = |odds: f64| 1.0 / (1.0 + (-odds).exp());
            (share(odds - reach), share(odds + reach))
        }
    };
    Some(outwards(low.min(estimate), high.max(estimate)))
}

/// Interval of a difference of two mean scores on the same accounts.
pub(crate) fn difference_interval(estimate: f64, values: &[f64], effective: f64) -> Option<Interval> {
    studentised(Range::Real, estimate, values, effective)
}

/// The first of the two that lies within the range, ends excluded: at an end there is no standard error to scale.
fn inside(unbiased: f64, estimate: f64, end: f64) -> Option<f64> {
    [unbiased, estimate].into_iter().find(|value| *value > 0.0 && *value < end)
}

struct Spread {
    mean: f64,
    deviation: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let count = finite.len() as f64;
        if count < 2.0 || count < LEAST_SHARE_OF_REPLICATES * values.len() as f64 {
            return None;
        }
        let mean = finite.iter().sum::<f64>() / count;
        let squares: f64 = finite.iter().map(|value| (value - mean) * (value - mean)).sum();
        Some(Self { mean, deviation: (squares / (count - 1.0)).sqrt() })
    }
}

fn outwards(low: f64, high: f64) -> Interval {
    Interval { low: rounded(low, f64::floor), high: rounded(high, f64::ceil) }
}

/// To [`DIGITS`] significant digits.
fn rounded(value: f64, round: fn(f64) -> f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let places = DIGITS - 1 - value.abs().log10().floor() as i32;
    // Powers of ten up to 10^22 are exact, so that dividing by one gives the float nearest to the decimal.
    let power = 10_f64.powi(places.abs());
    if places >= 0 { round(value * power) / power } else { round(value / power) * power }
}

/// 97.5 % quantile of Student's t with `degrees` of freedom (2 or more, any real number); relative error below 5e-4.
///
/// Source: Hill (1970), Algorithm 396, Comm. ACM 13(10), 619-620.
fn student_t_975(degrees: f64) -> f64 {
    const NORMAL: f64 = -1.959_963_984_540_054;
    let n = degrees;
    let a = 1.0 / (n - 0.5);
    let b = 48.0 / (a * a);
    let mut c = ((20_700.0 * a / b - 98.0) * a - 16.0) * a + 96.36;
    let d = ((94.5 / (b + c) - 3.0) / b + 1.0) * (a * std::f64::consts::FRAC_PI_2).sqrt() * n;
    let mut y = (d * 0.05).powf(2.0 / n);
    if y > 0.05 + a {
        let x = NORMAL;
        y = x * x;
        if n < 5.0 {
            c += 0.3 * (n - 4.5) * (x + 0.6);
        }
        c += (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b;
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x;
        y = (a * y * y).exp_m1();
    } else {
        let denominator = ((n + 6.0) / (n * y) - 0.089 * d - 0.822) * (n + 2.0) * 3.0;
        y = ((1.0 / denominator + 0.5 / (n + 4.0)) * y - 1.0) * (n + 1.0) / (n + 2.0) + 1.0 / y;
    }
    (n * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_student_t_are_those_of_the_tables() {
        // NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2.
        let table = [(2.0, 4.303), (3.0, 3.182), (5.0, 2.571), (9.0, 2.262), (29.0, 2.045), (99.0, 1.984)];
        for (degrees, expected) in table {
            assert!((student_t_975(degrees) / expected - 1.0).abs() < 5e-4, "{degrees}: {}", student_t_975(degrees));
        }
        assert!((student_t_975(1e7) - 1.959_964).abs() < 1e-5);
    }

    #[test]
    fn effective_numbers_by_kish() {
        assert_eq!(kish([1.0; 8].into_iter()), 8.0);
        assert_eq!(kish([3.0, 1.0, 0.0].into_iter()), 1.6);
        assert_eq!(kish(std::iter::empty()), 0.0);
    }

    #[test]
    fn an_interval_by_hand() {
        // Replicates of mean 10 and deviation 1; 30 effective accounts: 2.0452 * sqrt(30/29) = 2.0802.
        let values: Vec<f64> = (0..500).map(|i| if i % 2 == 0 { 9.0 } else { 11.0 }).collect();
        let real = studentised(Range::Real, 10.0, &values, 30.0).unwrap();
        let deviation = (500.0_f64 / 499.0).sqrt();
        assert!((real.low - (10.0 - 2.080_2 * deviation)).abs() < 2e-3, "{real:?}");
        // The estimate is 0.5 below the replicates' mean: the centre moves to 9, and the interval still holds 9.5.
        let moved = studentised(Range::Real, 9.5, &values, 30.0).unwrap();
        assert!(((moved.low + moved.high) / 2.0 - 9.0).abs() < 2e-3, "{moved:?}");
        // On the log scale the ends are centre times and over one factor.
        let positive = studentised(Range::Positive, 10.0, &values, 30.0).unwrap();
        assert!((positive.low * positive.high - 100.0).abs() < 1e-3, "{positive:?}");
    }

    #[test]
    fn what_cannot_be_known_has_no_interval() {
        let mut values = vec![1.0; 500];
        values[..26].fill(f64::NAN);
        assert_eq!(studentised(Range::Real, 1.0, &values, 30.0), None);
        assert_eq!(studentised(Range::Real, 1.0, &[1.0; 500], 2.9), None);
        // No replicate says how far from 0 a share of 0 may lie.
        assert_eq!(studentised(Range::Share, 0.0, &[0.0; 500], 30.0), None);
    }

    #[test]
    fn ends_are_rounded_outwards() {
        assert_eq!(rounded(0.012_345_678, f64::floor), 0.012_345_6);
        assert_eq!(rounded(0.012_345_678, f64::ceil), 0.012_345_7);
        assert_eq!(rounded(-12_345_678.0, f64::floor), -12_345_700.0);
        assert_eq!(rounded(0.0, f64::floor), 0.0);
    }
}
