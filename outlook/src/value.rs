//! What a customer is worth, and what it cost to win.

pub mod groups;
pub mod lifetime;
pub mod moment;

use serde::Serialize;

use crate::money::Cents;

/// Days of the year that annual rates are of.
const YEAR_DAYS: f64 = 365.0;

/// Churn within `days` where `annual` of the customers leave within a year, at a constant hazard:
/// `1 - (1 - annual)^(days / 365)`. `annual` from 0 to 1.
///
/// ```
/// let ninety_days = bellwether_outlook::value::churn_within(0.40, 90.0);
/// assert!((ninety_days - 0.1183).abs() < 5e-5);
/// ```
#[must_use]
pub fn churn_within(annual: f64, days: f64) -> f64 {
    1.0 - (1.0 - annual).powf(days / YEAR_DAYS)
}

/// The annual churn of which `share` leave within `days`: the inverse of [`churn_within`].
#[must_use]
pub fn annual_churn(share: f64, days: f64) -> f64 {
    1.0 - (1.0 - share).powf(YEAR_DAYS / days)
}

/// Lifetime value against what it cost to win the customer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Worth {
    /// Value over cost; `None` where it cost nothing.
    pub ratio: Option<f64>,
    /// Value less cost.
    pub net: Cents,
}

/// Value over and less the cost of acquisition.
#[must_use]
pub fn worth(lifetime_value: Cents, acquisition_cost: Cents) -> Worth {
    Worth { ratio: lifetime_value.over(acquisition_cost), net: lifetime_value - acquisition_cost }
}

/// The first month, from 1, by whose end the margins of the months so far cover the cost; 0 where it cost nothing, `None`
/// where they never do.
#[must_use]
pub fn payback_month(acquisition_cost: Cents, monthly_margins: &[Cents]) -> Option<usize> {
    if acquisition_cost <= Cents::ZERO {
        return Some(0);
    }
    let mut earned = Cents::ZERO;
    let covered = |margin: &Cents| {
        earned += *margin;
        earned >= acquisition_cost
    };
    monthly_margins.iter().position(covered).map(|index| index + 1)
}

/// What an intervention is expected to be worth: `probability x save rate x value - cost`.
///
/// The save rate is that of a comparison with a group that was left alone, where there was one: customers who would have
/// stayed anyway were not saved.
#[must_use]
pub fn worth_of_intervening(probability: f64, save_rate: f64, value: Cents, cost: Cents) -> Cents {
    Cents::from_amount(probability * save_rate * value.amount()) - cost
}
