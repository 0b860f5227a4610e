//! Many groups side by side: small ones are drawn towards the base, so that none is ranked by luck.
//!
//! Each group has an estimate with its sampling variance. Groups differ for two reasons, chance and in truth; the variance
//! of the truth between groups is estimated by moments (DerSimonian and Laird 1986), and each estimate is weighed between
//! itself and the mean of all by how much of its spread is chance (empirical Bayes, Efron and Morris 1975). Where groups
//! differ by no more than chance, all get the mean.

use crate::cohort::Share;

/// An estimate and the variance of its sampling error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Value.
    pub value: f64,
    /// Variance, above 0.
    pub variance: f64,
}

/// 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Mean of all groups, and the variance between them beyond chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pool {
    /// Mean, groups weighed by how well they are known.
    pub mean: f64,
    /// Variance of the truth between groups, at least 0.
    pub between: f64,
    /// Variance of the mean's own error.
    pub of_mean: f64,
}

impl Pool {
    /// From the groups; `None` without any that has a finite value and a variance above 0.
    #[must_use]
    pub fn of(groups: &[Estimate]) -> Option<Self> {
        let usable: Vec<&Estimate> = groups.iter().filter(|group| group.is_usable()).collect();
        let sum = |of: &dyn Fn(&Estimate) -> f64| usable.iter().map(|group| of(group)).sum::<f64>();
        let weights = sum(&|group| 1.0 / group.variance);
        if weights <= 0.0 {
            return None;
        }
        let fixed = sum(&|group| group.value / group.variance) / weights;
        let spread = sum(&|group| (group.value - fixed).powi(2) / group.variance);
        let squares = sum(&|group| group.variance.powi(-2));
        let scale = weights - squares / weights;
        let excess = spread - (usable.len() as f64 - 1.0);
        let between = if scale > 0.0 { (excess / scale).max(0.0) } else { 0.0 };
        let total = sum(&|group| 1.0 / (group.variance + between));
        let mean = sum(&|group| group.value / (group.variance + between)) / total;
        Some(Self { mean, between, of_mean: 1.0 / total })
    }

    /// As [`Pool::of`], where the groups make up a base whose own value is known better than any mean of theirs: they are drawn
    /// towards it, and `between` is their spread about it (`E sum w (y - m)^2 = n + between sum w`, `w` the reciprocal of a
    /// group's variance).
    #[must_use]
    pub fn about(base: Estimate, groups: &[Estimate]) -> Option<Self> {
        if !base.is_usable() {
            return Self::of(groups);
        }
        let usable: Vec<&Estimate> = groups.iter().filter(|group| group.is_usable()).collect();
        let weights: f64 = usable.iter().map(|group| 1.0 / group.variance).sum();
        let spread: f64 = usable.iter().map(|group| (group.value - base.value).powi(2) / group.variance).sum();
        let between = ((spread - usable.len() as f64) / weights).max(0.0);
        (weights > 0.0).then_some(Self { mean: base.value, between, of_mean: base.variance })
    }

    /// A group, drawn towards the mean, with a 95 % interval of where its truth is; that the mean itself is an estimate counts,
    /// too. A group of which nothing is known has the mean.
    #[must_use]
    pub fn drawn(&self, group: &Estimate) -> Share {
        let (value, variance) = if group.is_usable() && self.between > 0.0 {
            let keep = self.between / (self.between + group.variance);
            let of_mean = (1.0 - keep).powi(2) * self.of_mean;
            (self.mean + keep * (group.value - self.mean), keep * group.variance + of_mean)
        } else {
            (self.mean, self.between + self.of_mean)
        };
        let half = Z * variance.sqrt();
        Share { value, low: value - half, high: value + half }
    }
}

impl Estimate {
    fn is_usable(&self) -> bool {
        self.value.is_finite() && self.variance > 0.0 && self.variance.is_finite()
    }

    /// A share of `count` in `of`, with half a success and half a failure added, so that a share of 0 or 1 is not certain.
    #[must_use]
    pub fn of_share(count: u64, of: u64) -> Self {
        let n = of as f64 + 1.0;
        let value = (count as f64 + 0.5) / n;
        Self { value, variance: value * (1.0 - value) / n }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(value: f64, variance: f64) -> Estimate {
        Estimate { value, variance }
    }

    #[test]
    fn groups_that_differ_by_chance_get_the_mean() {
        let groups = [group(0.50, 0.01), group(0.52, 0.01), group(0.48, 0.01)];
        let pool = Pool::of(&groups).expect("groups");
        assert_eq!(pool.between, 0.0);
        assert!((pool.mean - 0.5).abs() < 1e-12);
        assert!(groups.iter().all(|one| pool.drawn(one).value == pool.mean));
        // And of the mean no more is known than three groups of variance 0.01 tell.
        let half = pool.drawn(&groups[0]).high - pool.mean;
        assert!((half - 1.959_964 * (0.01_f64 / 3.0).sqrt()).abs() < 1e-6, "{half}");
    }

    #[test]
    fn groups_of_a_base_are_drawn_towards_it() {
        // By hand: Q = (0.1^2 + 0.3^2) / 0.01 = 10 about 1.1, so between = (10 - 2) / 200 = 0.04, and 4/5 of a distance stays.
        let groups = [group(1.0, 0.01), group(1.4, 0.01)];
        let pool = Pool::about(group(1.1, 0.004), &groups).expect("groups");
        assert!((pool.between - 0.04).abs() < 1e-12 && pool.mean == 1.1, "{pool:?}");
        assert!((pool.drawn(&groups[0]).value - 1.02).abs() < 1e-12);
        assert!((pool.drawn(&groups[1]).value - 1.34).abs() < 1e-12);
        // Groups that differ from the base by chance get its value, not one that they alone would make.
        let alike = [group(1.05, 0.01), group(1.06, 0.01)];
        let pool = Pool::about(group(1.1, 0.004), &alike).expect("groups");
        assert_eq!((pool.between, pool.drawn(&alike[0]).value), (0.0, 1.1));
        assert_eq!(Pool::about(group(f64::NAN, 1.0), &groups), Pool::of(&groups));
        assert_eq!(Pool::about(group(1.0, 1.0), &[]), None);
    }

    #[test]
    fn a_small_group_is_drawn_further_than_a_large_one() {
        // By hand: equal variances v = 1, values 0, 4, 8: Q = 32, tau2 = (32 - 2) / (3 - 1) = 15.
        let pool = Pool::of(&[group(0.0, 1.0), group(4.0, 1.0), group(8.0, 1.0)]).expect("groups");
        assert!((pool.between - 15.0).abs() < 1e-12 && (pool.mean - 4.0).abs() < 1e-12, "{pool:?}");
        let (near, far) = (pool.drawn(&group(8.0, 1.0)), pool.drawn(&group(8.0, 15.0)));
        assert!((near.value - 7.75).abs() < 1e-12 && (far.value - 6.0).abs() < 1e-12);
        // Its own variance 15/16, and a sixteenth of the mean, whose variance is 16/3.
        let variance = 15.0 / 16.0 + 16.0 / 3.0 / 256.0_f64;
        assert!((near.high - near.value - 1.959_964 * variance.sqrt()).abs() < 1e-5);
        assert_eq!(pool.drawn(&group(f64::NAN, 1.0)).value, pool.mean);
        assert_eq!(Pool::of(&[group(f64::NAN, 1.0)]), None);
    }
}
