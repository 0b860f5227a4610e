//! Numbers with their intervals as a reader writes them.

pub(super) use bellwether_page::Table;
pub(super) use bellwether_page::number::{count, known, number, percent, points};

use crate::insight::Estimate;
use crate::resample::MetricInterval;

/// "0.812 (0.790 to 0.833)".
pub(super) fn with_interval(value: Option<f64>, interval: Option<&MetricInterval>, decimals: usize) -> String {
    match (value, interval) {
        (Some(value), Some(interval)) => {
            let [value, low, high] = [value, interval.low, interval.high].map(|one| number(one, decimals));
            format!("{value} ({low} to {high})")
        }
        _ => known(value, decimals),
    }
}

/// "0.812 (0.790 to 0.833)".
pub(super) fn estimate(estimate: &Estimate, decimals: usize) -> String {
    let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|one| number(one, decimals));
    format!("{value} ({low} to {high})")
}

/// "+6.2 (+4.0 to +8.1)": points with their interval.
pub(super) fn estimate_points(estimate: &Estimate) -> String {
    format!("{} ({} to {})", points(estimate.value), points(estimate.low), points(estimate.high))
}

/// "12.3 % (10.1 to 14.8 %)".
pub(super) fn estimate_percent(estimate: &Estimate) -> String {
    let [value, low] = [estimate.value, estimate.low].map(|one| number(100.0 * one, 1));
    format!("{value} % ({low} to {})", percent(estimate.high, 1))
}
