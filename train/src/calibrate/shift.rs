//! Prior shift: the base rate of the latest outcomes against that of the calibrator's rows.
//!
//! A calibrator is fitted on outcomes of a year or two. Where the base rate moves (a market, a price), its latest known
//! outcomes sit beside the curve, and one number puts it right: the shift `d` of all log-odds for which the expected number
//! of outcomes in the latest window is the observed one, recalibration in the large. Under a shift of the prior alone this
//! is exact (Saerens et al.: only the intercept of the log-odds moves).
//!
//! Noise must move nothing, so `d` is multiplied by `max(0, 1 - (Z s / d)^2)`: 0 while `d` is within [`Z`] standard errors
//! `s`, and nearly itself far beyond (the non-negative garrote). `s` takes the greater of two variances: rows of one account
//! are no independent witnesses, and neither are rows of one date.
//!
//! Not used: the EM algorithm of Saerens et al. on tonight's unlabelled base. It takes every movement of the inputs for a
//! movement of the prior, and in a business inputs move for reasons that the margin already knows.
//!
//! Source: Saerens, Latinne & Decaestecker (2002), Neural Computation 14, 21-41; Steyerberg (2019), Clinical Prediction
//! Models, ch. 20 (recalibration in the large); Breiman (1995), Technometrics 37(4), 373-384 (garrote).

use std::collections::BTreeMap;

use bellwether_models::{Calibration, Curve, Knot, PiecewiseLinear, sigmoid};

use super::curve::{WeightedKnot, bounded_from_above, bounded_from_below, bounded_through_middle, raised};

/// Standard errors within which a shift counts as noise.
const Z: f64 = 2.0;
const MOST_STEPS: usize = 50;
/// No shift is larger than this: odds that move by a factor of 20 are another business.
const LARGEST_SHIFT: f64 = 3.0;

/// A shift of log-odds, as estimated and as it is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriorShift {
    /// For which observed equals expected.
    pub estimate: f64,
    /// Its standard error, clustered.
    pub standard_error: f64,
    /// What is added to the log-odds.
    pub log_odds: f64,
}

impl PriorShift {
    /// No shift, of which nothing is known.
    pub const NONE: Self = Self { estimate: 0.0, standard_error: f64::INFINITY, log_odds: 0.0 };
}

/// The shift of the latest window. All slices have one length: calibrated probabilities of rows whose outcome is known,
/// outcomes, and the account and date of each row.
#[must_use]
pub fn prior_shift(probabilities: &[f64], labels: &[bool], accounts: &[u32], as_of_days: &[i32]) -> PriorShift {
    let positives = labels.iter().filter(|label| **label).count();
    if positives == 0 || positives == labels.len() {
        // Observed is 0 or all: the estimate would be without bound, and its error with it.
        return PriorShift::NONE;
    }
    let logits: Vec<f64> = probabilities.iter().map(|p| (p / (1.0 - p)).ln().clamp(-30.0, 30.0)).collect();
    let estimate = in_the_large(&logits, positives as f64);
    let shifted: Vec<f64> = logits.iter().map(|logit| sigmoid(logit + estimate)).collect();
    let information: f64 = shifted.iter().map(|p| p * (1.0 - p)).sum();
    let residuals: Vec<f64> = labels.iter().zip(&shifted).map(|(label, p)| f64::from(u8::from(*label)) - p).collect();
    let by_account = clustered(accounts.iter().copied().map(i64::from), &residuals);
    let by_date = clustered(as_of_days.iter().copied().map(i64::from), &residuals);
    let standard_error = by_account.max(by_date).sqrt() / information;
    let log_odds = garrote(estimate, standard_error).clamp(-LARGEST_SHIFT, LARGEST_SHIFT);
    PriorShift { estimate, standard_error, log_odds }
}

/// `d` with `Σ sigmoid(logit + d) = positives`, by Newton's method from inside a bracket.
fn in_the_large(logits: &[f64], positives: f64) -> f64 {
    let (mut low, mut high, mut shift) = (-40.0, 40.0, 0.0);
    for _ in 0..MOST_STEPS {
        let (mut expected, mut information) = (0.0, 0.0);
        for logit in logits {
            let p = sigmoid(logit + shift);
            expected += p;
            information += p * (1.0 - p);
        }
        if expected > positives {
            high = shift;
        } else {
            low = shift;
        }
        let newton = shift + (positives - expected) / information;
        let next = if newton > low && newton < high { newton } else { f64::midpoint(low, high) };
        if (next - shift).abs() < 1e-12 {
            return next;
        }
        shift = next;
    }
    shift
}

/// Variance of the sum of the residuals when rows of one cluster are not independent; 0 with one cluster only, where
/// nothing can be said.
fn clustered(keys: impl Iterator<Item = i64>, residuals: &[f64]) -> f64 {
    let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
    for (key, residual) in keys.zip(residuals) {
        *sums.entry(key).or_default() += residual;
    }
    let clusters = sums.len() as f64;
    if clusters < 2.0 {
        return 0.0;
    }
    sums.values().map(|sum| sum * sum).sum::<f64>() * clusters / (clusters - 1.0)
}

fn garrote(estimate: f64, standard_error: f64) -> f64 {
    if estimate == 0.0 || !standard_error.is_finite() {
        return 0.0;
    }
    let kept = 1.0 - (Z * standard_error / estimate).powi(2);
    if kept > 0.0 { estimate * kept } else { 0.0 }
}

/// The calibration with all log-odds moved.
#[must_use]
pub fn shifted(calibration: Calibration, log_odds: f64) -> Calibration {
    if log_odds == 0.0 {
        return calibration;
    }
    let point = match calibration.point {
        Curve::Logistic { slope, intercept } => Curve::Logistic { slope, intercept: intercept + log_odds },
        Curve::Beta { slope_below, slope_above, intercept } => {
            Curve::Beta { slope_below, slope_above, intercept: intercept + log_odds }
        }
        Curve::PiecewiseLinear(curve) => {
            let knot = |knot: Knot| WeightedKnot { margin: knot.margin, probability: knot.probability, rows: 1.0 };
            // Knots one unit in the last place apart can change places when moved.
            let mut knots: Vec<Knot> = moved(&curve, log_odds).collect();
            raised(&mut knots);
            let knots: Vec<WeightedKnot> = knots.into_iter().map(knot).collect();
            Curve::PiecewiseLinear(bounded_through_middle(&knots))
        }
    };
    let low = bounded_from_below(moved(&calibration.low, log_odds).collect());
    let high = bounded_from_above(moved(&calibration.high, log_odds).collect());
    Calibration { point, low, high }
}

fn moved(curve: &PiecewiseLinear, log_odds: f64) -> impl Iterator<Item = Knot> {
    let odds = log_odds.exp();
    let probability = move |p: f64| p * odds / (1.0 - p + p * odds);
    curve.knots.iter().map(move |knot| Knot { margin: knot.margin, probability: probability(knot.probability) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_of_the_odds_is_found_and_a_small_one_is_noise() {
        // One row per account, 20,000 of them over four dates, forecast 10 %, observed 20 %: log-odds move by ln 2.25.
        let rows = 20_000;
        let accounts: Vec<u32> = (0..rows).collect();
        let days: Vec<i32> = (0..rows as i32).map(|row| row / 5 % 4).collect();
        let labels: Vec<bool> = (0..rows).map(|row| row % 5 == 0).collect();
        let found = prior_shift(&vec![0.1; rows as usize], &labels, &accounts, &days);
        assert!((found.estimate - 2.25_f64.ln()).abs() < 1e-9, "{found:?}");
        // The binomial standard error: 1 / sqrt(n p (1 - p)).
        let binomial = 1.0 / (20_000.0_f64 * 0.2 * 0.8).sqrt();
        assert!((found.standard_error / binomial - 1.0).abs() < 1e-3, "{found:?}");
        let kept = 1.0 - (2.0 * binomial / found.estimate).powi(2);
        assert!((found.log_odds / found.estimate - kept).abs() < 1e-4, "{found:?}");
        let right = prior_shift(&vec![0.199; rows as usize], &labels, &accounts, &days);
        assert_eq!(right.log_odds, 0.0, "{right:?}");
    }

    #[test]
    fn rows_of_one_account_are_no_independent_witnesses() {
        let labels: Vec<bool> = (0..400).map(|row| row / 4 % 5 == 0).collect();
        let days = vec![0; 400];
        let alone: Vec<u32> = (0..400).collect();
        let four_each: Vec<u32> = (0..400).map(|row| row / 4).collect();
        let independent = prior_shift(&[0.1; 400], &labels, &alone, &days);
        let dependent = prior_shift(&[0.1; 400], &labels, &four_each, &days);
        assert!((dependent.standard_error / independent.standard_error - 2.0).abs() < 0.02);
        assert!(dependent.log_odds < independent.log_odds);
    }

    /// Knots that are as near to each other as numbers can be.
    #[test]
    fn curves_that_are_moved_still_do_not_fall() {
        let mut probability = 0.384_332_823_6_f64;
        let knots: Vec<Knot> = (0..400)
            .map(|index| {
                probability = if index % 7 == 0 { probability + 1e-4 } else { probability.next_up() };
                Knot { margin: f64::from(index), probability }
            })
            .collect();
        let curve = PiecewiseLinear { knots };
        for step in -300..300 {
            let log_odds = f64::from(step) / 77.0;
            let plain: Vec<Knot> = moved(&curve, log_odds).collect();
            let point = Curve::PiecewiseLinear(curve.clone());
            let all = Calibration { point, low: curve.clone(), high: curve.clone() };
            let Calibration { point: Curve::PiecewiseLinear(point), low, high } = shifted(all, log_odds) else {
                panic!("the same kind of curve")
            };
            for found in [&point, &low, &high] {
                let rises = |pair: &[Knot]| pair[0].probability <= pair[1].probability;
                assert!(found.knots.windows(2).all(rises), "{log_odds}");
            }
            if plain.windows(2).any(|pair| pair[0].probability > pair[1].probability) {
                return;
            }
        }
        panic!("no shift made a knot fall: the test shows nothing");
    }

    #[test]
    fn one_outcome_only_shifts_nothing() {
        assert_eq!(prior_shift(&[0.1, 0.2], &[false, false], &[0, 1], &[0, 1]), PriorShift::NONE);
    }
}
