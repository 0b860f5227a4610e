//! How good a forecast was.

/// Pinball loss of a quantile forecast: `max(level (truth - quantile), (level - 1) (truth - quantile))`; lower is better, in
/// the unit of the truth.
///
/// Its mean is lowest where the truth falls below the forecast as often as the level says.
/// Source: Koenker and Bassett (1978), Econometrica 46(1), 33-50.
///
/// ```
/// use bellwether_outlook::forecast::pinball_loss;
/// assert_eq!(pinball_loss(0.9, 10.0, 12.0), 0.9 * 2.0);
/// assert!((pinball_loss(0.9, 12.0, 10.0) - 0.2).abs() < 1e-12);
/// ```
#[must_use]
pub fn pinball_loss(level: f64, quantile: f64, truth: f64) -> f64 {
    let error = truth - quantile;
    (level * error).max((level - 1.0) * error)
}

/// Mean of [`pinball_loss`] over quantiles at [`super::LEVELS`].
#[must_use]
pub fn mean_pinball_loss(quantiles: &[f64; super::LEVELS.len()], truth: f64) -> f64 {
    let losses = super::LEVELS.iter().zip(quantiles).map(|(level, quantile)| pinball_loss(*level, *quantile, truth));
    losses.sum::<f64>() / quantiles.len() as f64
}
