//! Which differences are told apart from none, although many are looked at (Holm 1979).

use super::{ProductFeature, Z_95};

/// Holm's step-down over the features and targets together, at 5 %.
pub(super) fn correct(features: &mut [ProductFeature]) {
    let mut tests: Vec<(f64, usize, usize)> = Vec::new();
    for (place, feature) in features.iter().enumerate() {
        for (index, effect) in feature.effects.iter().enumerate() {
            let error = (effect.adjusted.high - effect.adjusted.low) / (2.0 * Z_95);
            let p = if error > 0.0 { two_sided_p(effect.adjusted.value / error) } else { 1.0 };
            tests.push((p, place, index));
        }
    }
    tests.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let count = tests.len();
    for (step, (p, place, index)) in tests.into_iter().enumerate() {
        if p > 0.05 / (count - step) as f64 {
            break;
        }
        features[place].effects[index].told_apart = true;
    }
}

/// Chance of a standard normal at least as far from 0 as `z`: `erfc(|z| / √2)` by Abramowitz and Stegun 7.1.26, whose error
/// is below 1.5e-7.
fn two_sided_p(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    polynomial * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::super::{AdoptionEffect, FeatureRole, role};
    use super::*;
    use crate::insight::{Estimate, Outcome};

    #[test]
    fn p_values_are_those_of_the_tables() {
        for (z, p) in [(0.0, 1.0), (1.0, 0.317_310_5), (1.959_964, 0.05), (2.575_829, 0.01), (3.290_527, 0.001)] {
            assert!((two_sided_p(z) - p).abs() < 1e-6, "{z}");
            assert_eq!(two_sided_p(z), two_sided_p(-z));
        }
    }

    fn effect_of(target: &str, z: f64) -> AdoptionEffect {
        AdoptionEffect {
            target: target.to_owned(),
            outcome: Outcome::Loss,
            rows_adopters: 1,
            rows_others: 1,
            adopters: 0.5,
            others: 0.5,
            adjusted: Estimate { value: z, low: z - Z_95, high: z + Z_95 },
            told_apart: false,
        }
    }

    fn feature(name: &str, effects: Vec<AdoptionEffect>) -> ProductFeature {
        ProductFeature { feature: name.to_owned(), adoption: 0.5, role: FeatureRole::NotToldApart, effects }
    }

    #[test]
    fn holm_stops_at_the_first_that_is_not_told_apart() {
        let alone = |name: &str, z: f64| feature(name, vec![effect_of("churn_90d", z)]);
        // p = 0.0164, 0.0278, 0.0455: Holm asks for 0.0167, 0.025, 0.05, and stops at the second.
        let mut features = [alone("c", 2.0), alone("a", 2.4), alone("b", -2.2)];
        correct(&mut features);
        let told: Vec<bool> = features.iter().map(|one| one.effects[0].told_apart).collect();
        assert_eq!(told, [false, true, false]);
        let [unsure, driver, _] = features;
        assert_eq!([&driver, &unsure].map(role), [FeatureRole::ValueDriver, FeatureRole::NotToldApart]);
        let adopted_by = |adoption: f64, of: &ProductFeature| role(&ProductFeature { adoption, ..of.clone() });
        assert_eq!(adopted_by(0.85, &unsure), FeatureRole::TableStakes);
        // Where nearly everyone has it, or hardly anyone, the others are too few of their own kind to make it a driver.
        assert_eq!([0.97, 0.03].map(|share| adopted_by(share, &driver)), [FeatureRole::OneSided; 2]);
        assert_eq!(
            [0.97, 0.03].map(|share| adopted_by(share, &unsure)),
            [FeatureRole::TableStakes, FeatureRole::NotToldApart]
        );
        assert_eq!([0.94, 0.06].map(|share| adopted_by(share, &driver)), [FeatureRole::ValueDriver; 2]);
    }

    #[test]
    fn holm_is_over_all_targets_together() {
        // p = 0.0164 would do among the three of its target; among six Holm asks for 0.0083.
        let both = |name: &str, z: f64| feature(name, vec![effect_of("churn_90d", z), effect_of("expansion_60d", 0.5)]);
        let mut features = [both("a", 2.4), both("b", 0.2), both("c", 0.1)];
        correct(&mut features);
        assert!(features.iter().flat_map(|one| &one.effects).all(|effect| !effect.told_apart));
        features[0].effects[0] = effect_of("churn_90d", 2.7);
        correct(&mut features);
        assert_eq!(role(&features[0]), FeatureRole::ValueDriver);
    }
}
