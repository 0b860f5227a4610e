//! What moves many accounts at once, learned from few past windows.
//!
//! In a period all logits of a kind of event move together by `u`. A past window tells `y = u + noise`: `u` solves
//! `sum w expit(logit p + u) = sum w hit`, where `p` is what was expected of the accounts (their scores of that date, or the
//! rate of their band) and the noise is that of independent accounts, of known variance. What is not known is how strong the
//! shocks are, how long they last, and whether the level itself is off. With
//!
//! `cov(y_j, y_k) = level^2 + sd^2 [(1 - s) tri(d/h) + s exp(-d/360)] + tri(d/h) sqrt(v_j v_k)`,  `tri(x) = max(0, 1 - x)`
//!
//! for origins `d` days apart and windows of `h` days, a grid over `sd` and the lasting share `s` is weighed by its likelihood
//! times a prior (half-Cauchy in `sd`, Gelman 2006, Bayesian Analysis 1(3), 515-534), and the next `u` is drawn from the
//! mixture of its predictive distributions (Rasmussen and Williams 2006, chapter 2). So windows that overlap are not counted
//! as independent, and with few of them the ranges are wide because little is known, not because of a rule of thumb.

/// What a past window says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Observation {
    /// From its origin to the forecast's.
    pub days_before: f64,
    /// The shock as seen.
    pub value: f64,
    /// Variance of its noise.
    pub variance: f64,
}

/// Accounts of which the same is expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bin {
    /// Probability.
    pub expected: f64,
    /// Sum of weights.
    pub weight: f64,
    /// Sum of squared weights.
    pub square: f64,
}

/// What is taken for granted of a kind of shock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prior {
    /// Scale of the half-Cauchy distribution of the standard deviation, on the logit.
    pub scale: f64,
    /// Standard deviation of the error of the level in past windows.
    pub past_level: f64,
    /// The same at the forecast's date; `None`: the level there is that of the past windows.
    pub new_level: Option<f64>,
}

/// The distribution of the next shock: a mixture of normal ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shock {
    /// Cumulative weight, mean and standard deviation of each.
    parts: Vec<(f64, f64, f64)>,
    /// Mean variance of the shocks of a period.
    variance: f64,
}

/// Points of the grid of standard deviations.
const POINTS: usize = 31;
/// The largest.
const LARGEST: f64 = 1.5;
/// Shares of the shock that last.
const LASTING: [f64; 4] = [0.0, 0.3, 0.6, 0.9];
/// Days in which what lasts fades to 1/e.
const FADE_DAYS: f64 = 180.0;
/// The level of rates is learned from themselves: as good as anything is possible.
pub(crate) const UNKNOWN_LEVEL: f64 = 1.0;
/// Shocks beyond this are none that a base is known to survive.
const MOST: f64 = 4.0;

impl Observation {
    /// From what was expected and the sum of the weights of those for which it happened; `None` where nothing was expected.
    ///
    /// Half an event of ordinary weight is added to both sides, so that a window without an event is no infinite shock.
    pub(crate) fn of(days_before: f64, bins: &[Bin], weighted_hits: f64) -> Option<Self> {
        let sum = |of: &dyn Fn(&Bin) -> f64| bins.iter().map(of).sum::<f64>();
        let expected = sum(&|bin| bin.weight * bin.expected);
        let slope = sum(&|bin| bin.weight * bin.expected * (1.0 - bin.expected));
        let noise = sum(&|bin| bin.square * bin.expected * (1.0 - bin.expected));
        if slope <= 0.0 {
            return None;
        }
        let half = 0.5 * sum(&|bin| bin.square * bin.expected) / expected;
        let seen = expected * (weighted_hits + half) / (expected + half);
        let at = |shock: f64| sum(&|bin| bin.weight * moved(bin.expected, shock)) - seen;
        let (mut low, mut high) = (-MOST, MOST);
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            if at(middle) < 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(Self { days_before, value: 0.5 * (low + high), variance: noise / (slope * slope) })
    }

    /// As [`Observation::of`] for counts of arrivals: their logarithm against the expected one.
    pub(crate) fn of_count(days_before: f64, expected: f64, count: f64) -> Option<Self> {
        let value = || ((count + 0.5) / (expected + 0.5)).ln().clamp(-MOST, MOST);
        (expected > 0.0).then(|| Self { days_before, value: value(), variance: 1.0 / expected.max(0.5) })
    }
}

/// A probability whose logit has moved: `p e^u / (1 - p + p e^u)`.
pub(crate) fn moved(probability: f64, shock: f64) -> f64 {
    let odds = probability * shock.exp();
    odds / (1.0 - probability + odds)
}

fn overlap(days: f64, horizon_days: f64) -> f64 {
    (1.0 - days.abs() / horizon_days).max(0.0)
}

impl Shock {
    /// None at all.
    pub(crate) fn none() -> Self {
        Self { parts: vec![(1.0, 0.0, 0.0)], variance: 0.0 }
    }

    /// Normal with this mean and standard deviation.
    #[cfg(test)]
    pub(crate) fn certain(mean: f64, deviation: f64) -> Self {
        Self { parts: vec![(1.0, mean, deviation)], variance: deviation * deviation }
    }

    /// From past windows of `horizon_days`; without any, from what is taken for granted.
    pub(crate) fn learn(observations: &[Observation], horizon_days: f64, prior: Prior) -> Self {
        Self::learn_with(observations, &[], horizon_days, prior)
    }

    /// As [`Shock::learn`], where windows that were judged in another way say how strong shocks are, too. Their events may be
    /// the same ones: their likelihood counts half.
    pub(crate) fn learn_with(
        observations: &[Observation],
        others: &[Observation],
        horizon_days: f64,
        prior: Prior,
    ) -> Self {
        let mut grid = Vec::with_capacity(POINTS * LASTING.len());
        for point in 0..POINTS {
            // Dense near zero: points at squares, each with the width between its neighbours.
            let at = point as f64 / (POINTS - 1) as f64;
            let deviation = LARGEST * at * at;
            let width = if point == 0 { 0.5 / (POINTS - 1) as f64 } else { 2.0 * at };
            let density = 1.0 / (1.0 + (deviation / prior.scale).powi(2));
            for lasting in LASTING {
                let form = Form { deviation, lasting, horizon_days, prior };
                let (likelihood, mean, variance) = form.predict(observations);
                let open = Form { prior: Prior { past_level: UNKNOWN_LEVEL, ..prior }, ..form };
                let of_others = if others.is_empty() { 0.0 } else { open.predict(others).0 };
                let weight = likelihood + 0.5 * of_others + (width * density).ln();
                grid.push((weight, mean, variance, deviation * deviation));
            }
        }
        let most = grid.iter().map(|(weight, ..)| *weight).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = grid.iter().map(|(weight, ..)| (weight - most).exp()).sum();
        let (mut sum, mut found) = (0.0, Self { parts: Vec::with_capacity(grid.len()), variance: 0.0 });
        for (weight, mean, variance, square) in grid {
            let weight = (weight - most).exp() / total;
            sum += weight;
            found.parts.push((sum, mean, variance.max(0.0).sqrt()));
            found.variance += weight * square;
        }
        found
    }

    /// A shock, from a uniform and a standard normal number.
    pub(crate) fn draw(&self, uniform: f64, normal: f64) -> f64 {
        let place = self.parts.partition_point(|(cumulative, ..)| *cumulative <= uniform);
        let (_, mean, deviation) = self.parts[place.min(self.parts.len() - 1)];
        (mean + deviation * normal).clamp(-MOST, MOST)
    }

    /// Root of the mean variance of the shocks of a period, as learned.
    pub(crate) fn period_deviation(&self) -> f64 {
        self.variance.sqrt()
    }

    /// Mean of the next one.
    pub(crate) fn mean(&self) -> f64 {
        let mut before = 0.0;
        let weigh =
            |(cumulative, mean, _): &(f64, f64, f64)| (cumulative - std::mem::replace(&mut before, *cumulative)) * mean;
        self.parts.iter().map(weigh).sum()
    }
}

/// One point of the grid.
struct Form {
    deviation: f64,
    lasting: f64,
    horizon_days: f64,
    prior: Prior,
}

impl Form {
    fn kernel(&self, days: f64) -> f64 {
        let lasting = self.lasting * (-days.abs() / FADE_DAYS).exp();
        self.deviation.powi(2) * ((1.0 - self.lasting) * overlap(days, self.horizon_days) + lasting)
    }

    /// Log-likelihood of the observations, and mean and variance of the next shock.
    fn predict(&self, observations: &[Observation]) -> (f64, f64, f64) {
        let level = self.prior.past_level.powi(2);
        let covariance = |j: &Observation, k: &Observation| {
            let days = j.days_before - k.days_before;
            let noise = overlap(days, self.horizon_days) * (j.variance * k.variance).sqrt();
            // A little is added, so that windows that are nearly the same do not make it singular.
            let own = if j == k { 1e-6 + 1e-3 * j.variance } else { 0.0 };
            level + self.kernel(days) + noise + own
        };
        let matrix: Vec<Vec<f64>> =
            observations.iter().map(|j| observations.iter().map(|k| covariance(j, k)).collect()).collect();
        let factor = cholesky(matrix);
        let white = forward(&factor, observations.iter().map(|seen| seen.value).collect());
        let volume: f64 = factor.iter().enumerate().map(|(place, row)| row[place].ln()).sum();
        let likelihood = -volume - 0.5 * white.iter().map(|value| value * value).sum::<f64>();
        if let Some(new_level) = self.prior.new_level {
            return (likelihood, 0.0, self.deviation.powi(2) + new_level * new_level);
        }
        let with_next = |seen: &Observation| level + self.kernel(seen.days_before);
        let next = forward(&factor, observations.iter().map(with_next).collect());
        let mean = next.iter().zip(&white).map(|(next, white)| next * white).sum();
        let known: f64 = next.iter().map(|next| next * next).sum();
        (likelihood, mean, level + self.deviation.powi(2) - known)
    }
}

/// Lower triangular `L` with `L L' = matrix`, which is positive definite.
pub(crate) fn cholesky(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for row in 0..matrix.len() {
        for column in 0..=row {
            let dot: f64 = (0..column).map(|k| matrix[row][k] * matrix[column][k]).sum();
            let rest = matrix[row][column] - dot;
            matrix[row][column] = if row == column { rest.max(1e-12).sqrt() } else { rest / matrix[column][column] };
        }
    }
    matrix
}

/// `L^-1 values`.
fn forward(factor: &[Vec<f64>], mut values: Vec<f64>) -> Vec<f64> {
    for row in 0..values.len() {
        let dot: f64 = (0..row).map(|k| factor[row][k] * values[k]).sum();
        values[row] = (values[row] - dot) / factor[row][row];
    }
    values
}

/// Lower factor of the correlation of several kinds of shocks, as far as their past windows show it: that of the standardised
/// observations, drawn towards none by `n / (n + 6)` for `n` windows that do not overlap. Only origins at which all kinds were
/// seen count.
pub(crate) fn correlation_factor(kinds: &[(&[Observation], f64)], horizon_days: f64) -> Vec<Vec<f64>> {
    let value = |kind: &(&[Observation], f64), days: f64| {
        let seen = kind.0.iter().find(|seen| seen.days_before == days)?;
        Some(seen.value / (seen.variance + kind.1 * kind.1).sqrt())
    };
    let days = kinds.first().map_or(&[][..], |kind| kind.0).iter().map(|seen| seen.days_before);
    let rows: Vec<(f64, Vec<f64>)> = days
        .filter_map(|days| Some((days, kinds.iter().map(|kind| value(kind, days)).collect::<Option<_>>()?)))
        .collect();
    let span = rows.first().zip(rows.last()).map_or(0.0, |(first, last)| (last.0 - first.0).abs() + horizon_days);
    let windows = (span / horizon_days).min(rows.len() as f64);
    let keep = if windows > 2.0 { windows / (windows + 6.0) } else { 0.0 };
    let mean = |kind: usize| rows.iter().map(|(_, row)| row[kind]).sum::<f64>() / rows.len().max(1) as f64;
    let means: Vec<f64> = (0..kinds.len()).map(mean).collect();
    let product =
        |a: usize, b: usize| -> f64 { rows.iter().map(|(_, row)| (row[a] - means[a]) * (row[b] - means[b])).sum() };
    let entry = |a: usize, b: usize| {
        let scale = (product(a, a) * product(b, b)).sqrt();
        if a == b {
            1.0
        } else if scale > 0.0 {
            keep * product(a, b) / scale
        } else {
            0.0
        }
    };
    cholesky((0..kinds.len()).map(|a| (0..kinds.len()).map(|b| entry(a, b)).collect()).collect())
}
