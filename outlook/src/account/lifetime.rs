//! What an account is expected to bring from now on, and the tier it belongs to by that.

use bellwether_models::policy::ValueTier;

use crate::segment::SizeCutOffs;

/// Nothing beyond so many years counts. The hazard of the coming months says little of years far off (Fader and Hardie
/// 2007, J. Interactive Marketing 21(1), 76-90: constant-hazard projections drift from real curves with the years), and
/// planned contracts and products hardly reach further.
pub const CAP_YEARS: f64 = 5.0;
/// A year's revenue a year later is worth so much less: the usual cost of capital in valuing customer bases (Gupta, Lehmann
/// and Stuart 2004, J. Marketing Research 41(1), 7-18, take 12 %).
pub const ANNUAL_DISCOUNT: f64 = 0.12;
/// Days of a year.
const YEAR_DAYS: f64 = 365.0;
const MONTHS: f64 = 12.0;

/// Expected revenue of an account from now on, with the ends that its probability of churn leaves open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LifetimeValue {
    /// Expected.
    pub value: f64,
    /// With the highest probability of churn that the calibration allows.
    pub low: f64,
    /// With the lowest.
    pub high: f64,
}

impl LifetimeValue {
    /// Of an account that pays `mrr` and leaves within `horizon_days` with `probability`, between `low` and `high`.
    #[must_use]
    pub fn of(mrr: f64, [probability, low, high]: [f64; 3], horizon_days: f64) -> Self {
        let value = |probability: f64| expected_revenue(mrr, probability, horizon_days);
        Self { value: value(probability), low: value(high), high: value(low) }
    }
}

/// Discounted revenue expected within [`CAP_YEARS`] of an account that pays `mrr` a month and leaves within `horizon_days`
/// with `probability`, at a constant hazard. Revenue, not margin; in the currency of `mrr`.
///
/// `hazard h = -ln(1 - p) / horizon`, `discount d = ln(1 + 0.12)`, both per year, and
/// `12 mrr (1 - exp(-(h + d) 5)) / (h + d)`: the integral of a steady payment that survives and is discounted.
///
/// ```
/// use bellwether_outlook::account::lifetime::expected_revenue;
/// let sure = expected_revenue(100.0, 0.0, 90.0);
/// // 1,200 a year for five years at 12 %: 1,200 x (1 - 1.12^-5) / ln 1.12.
/// assert!((sure - 4_580.37).abs() < 0.01, "{sure}");
/// assert_eq!(expected_revenue(100.0, 1.0, 90.0), 0.0);
/// ```
#[must_use]
pub fn expected_revenue(mrr: f64, probability: f64, horizon_days: f64) -> f64 {
    let hazard = -(1.0 - probability.clamp(0.0, 1.0)).ln() * YEAR_DAYS / horizon_days;
    let rate = hazard + ANNUAL_DISCOUNT.ln_1p();
    if rate.is_finite() { MONTHS * mrr * -(-rate * CAP_YEARS).exp_m1() / rate } else { 0.0 }
}

/// Lifetime values from which an account is of medium and of high value.
///
/// They are what the annual values of [`SizeCutOffs`] are worth at the base's median probability of churn: an account of
/// ordinary risk has the tier of its size, one of less risk may be above it, one of more risk below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TierCutOffs {
    /// Medium from here.
    pub medium: f64,
    /// High from here.
    pub high: f64,
}

impl TierCutOffs {
    /// From the probabilities of churn of the accounts; `None` without any.
    #[must_use]
    pub fn of(mut probabilities: Vec<f64>, sizes: SizeCutOffs, horizon_days: f64) -> Option<Self> {
        if probabilities.is_empty() {
            return None;
        }
        let middle = (probabilities.len() - 1) / 2;
        let (_, median, _) = probabilities.select_nth_unstable_by(middle, f64::total_cmp);
        let median = *median;
        let worth = |annual: f64| expected_revenue(annual / MONTHS, median, horizon_days);
        Some(Self { medium: worth(sizes.mid_market.amount()), high: worth(sizes.enterprise.amount()) })
    }

    /// The tier of a lifetime value.
    #[must_use]
    pub fn tier(&self, value: f64) -> ValueTier {
        if value >= self.high {
            ValueTier::High
        } else if value >= self.medium {
            ValueTier::Medium
        } else {
            ValueTier::Low
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::churn_within;

    /// Day by day: what is paid that day, if the account is still there, discounted.
    fn slowly(mrr: f64, probability: f64, horizon_days: f64) -> f64 {
        let daily_survival = (1.0 - probability).powf(1.0 / horizon_days);
        let daily_discount = 1.12_f64.powf(-1.0 / 365.0);
        (0..5 * 365).map(|day| mrr * 12.0 / 365.0 * (daily_survival * daily_discount).powf(f64::from(day) + 0.5)).sum()
    }

    #[test]
    fn the_formula_is_the_sum_over_days() {
        for annual in [0.0, 0.05, 0.30, 0.40, 0.90] {
            let probability = churn_within(annual, 90.0);
            let (fast, slow) = (expected_revenue(250.0, probability, 90.0), slowly(250.0, probability, 90.0));
            assert!((fast / slow - 1.0).abs() < 1e-5, "{annual}: {fast} {slow}");
        }
        let value = LifetimeValue::of(100.0, [0.1, 0.05, 0.2], 90.0);
        assert!(value.low < value.value && value.value < value.high, "{value:?}");
    }

    #[test]
    fn an_account_of_ordinary_risk_has_the_tier_of_its_size() {
        let cut_offs = TierCutOffs::of(vec![0.2, 0.05, 0.01], SizeCutOffs::default(), 90.0).expect("accounts");
        let tier = |annual: f64, probability: f64| cut_offs.tier(expected_revenue(annual / 12.0, probability, 90.0));
        // known-answers 6, at the median of 5 %.
        let found = [50_000.0, 49_999.0, 10_000.0, 9_999.0].map(|annual| tier(annual, 0.05));
        assert_eq!(found, [ValueTier::High, ValueTier::Medium, ValueTier::Medium, ValueTier::Low]);
        assert_eq!(tier(49_999.0, 0.01), ValueTier::High, "less risk");
        assert_eq!(tier(50_000.0, 0.2), ValueTier::Medium, "more risk");
        assert_eq!(TierCutOffs::of(Vec::new(), SizeCutOffs::default(), 90.0), None);
    }
}
