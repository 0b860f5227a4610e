//! Money in whole cents.

use serde::{Deserialize, Serialize};

/// A sum of money in hundredths of the project's currency. Sums of them are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

/// The largest amount that is money: a ten-thousandth of what an `i64` holds, so that ten thousand of them can be added.
const MOST: f64 = 9.0e14;

impl Cents {
    /// None.
    pub const ZERO: Self = Self(0);

    /// The nearest cent, half away from zero; zero for what is no amount (not a number, infinite, above 9 trillion).
    #[must_use]
    pub fn from_amount(amount: f64) -> Self {
        let cents = (amount * 100.0).round();
        // In range, so that the conversion is exact.
        if cents.abs() <= MOST { Self(cents as i64) } else { Self::ZERO }
    }

    /// The amount in the project's currency.
    #[must_use]
    pub fn amount(self) -> f64 {
        self.0 as f64 / 100.0
    }

    /// This over another; `None` where that is not above zero.
    #[must_use]
    pub fn over(self, other: Self) -> Option<f64> {
        (other.0 > 0).then(|| self.0 as f64 / other.0 as f64)
    }
}

impl std::ops::Add for Cents {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Cents {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::AddAssign for Cents {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |sum, amount| sum + amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_its_nearest_cent() {
        for (amount, cents) in [(0.1 + 0.2, 30), (49_999.99, 4_999_999), (-0.005, -1), (f64::NAN, 0), (1e300, 0)] {
            assert_eq!(Cents::from_amount(amount), Cents(cents), "{amount}");
        }
        assert_eq!(Cents(1_050).amount(), 10.5);
        assert_eq!(Cents(95).over(Cents(100)), Some(0.95));
        assert_eq!(Cents(95).over(Cents::ZERO), None);
    }
}
