//! What was reached of a goal, and where it is going.

use bellwether_features::facts::{Facts, GoalFact, GoalMetric};
use bellwether_features::time::Instant;

use super::{LEAST_WEEKS, WEEKS, days};
use crate::billing::accrued;
use crate::known;
use crate::timeline::Timeline;

/// What was reached so far, and where it is going.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// Quantity, users, features or money over the period so far.
    pub amount: f64,
    /// Where it is going, where that can be told.
    pub forecast: Option<Forecast>,
    /// Quantity of the last 30 days above what the plans of the accounts include; usage without a use case only, where a limit
    /// is known.
    pub over_limit: Option<f64>,
}

/// What will have been reached by the end of the period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Expected.
    pub value: f64,
    /// Variance of what comes; `None` where nothing is said of it.
    pub variance: Option<f64>,
    /// Weeks that mean and variance are taken from; `None` for sums over accounts, whose errors are taken as normal.
    pub weeks: Option<usize>,
}

/// 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// 97.5 % points of Student's t with 3 to 12 degrees of freedom: [`LEAST_WEEKS`] to [`WEEKS`] weeks less one.
const T: [f64; WEEKS - LEAST_WEEKS + 1] =
    [3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004, 2.262_157, 2.228_139, 2.200_985, 2.178_813];

impl Forecast {
    /// Of what nothing more comes.
    fn certain(value: f64) -> Self {
        Self { value, variance: Some(0.0), weeks: None }
    }

    /// Ends of the 95 % interval; the lower one not below `least`.
    #[must_use]
    pub fn interval(&self, least: f64) -> Option<(f64, f64)> {
        let student = self.weeks.and_then(|weeks| T.get(weeks.checked_sub(LEAST_WEEKS)?)).copied();
        let half = student.unwrap_or(Z) * self.variance?.sqrt();
        Some(((self.value - half).max(least), self.value + half))
    }
}

/// Facts to measure goals in.
pub(super) struct Measuring<'a> {
    pub(super) facts: &'a Facts,
    pub(super) timelines: &'a [Timeline],
    pub(super) as_of: Instant,
    /// By code of the use case.
    pub(super) features: Vec<Option<u32>>,
}

impl Measuring<'_> {
    /// What accounts have reached of a goal together.
    pub(super) fn of(&self, goal: &GoalFact, accounts: &[usize]) -> Option<Reached> {
        match goal.metric {
            GoalMetric::Usage => self.usage(goal, accounts),
            GoalMetric::Adoption => self.adoption(goal, accounts),
            GoalMetric::Revenue => self.revenue(goal, accounts),
        }
    }

    /// The feature that counts: `Some(None)` is all of them; `None` where the use case is not known.
    fn feature(&self, goal: &GoalFact) -> Option<Option<u32>> {
        match goal.use_case {
            None => Some(None),
            Some(code) => self.features.get(code as usize).copied().flatten().map(Some),
        }
    }

    fn usage(&self, goal: &GoalFact, accounts: &[usize]) -> Option<Reached> {
        self.facts.usage.as_ref()?;
        let feature = self.feature(goal)?;
        let until = goal.until.min(self.as_of);
        let (mut amount, mut weeks, mut recent) = (0.0, [0.0; WEEKS], 0.0);
        let mut first: Option<Instant> = None;
        let weeks_from = self.as_of.plus_days(-7 * WEEKS as i64);
        for account in accounts {
            let begins = known::uses(self.facts, *account, Instant::MIN, self.as_of).next().map(|row| row.at);
            first = first.into_iter().chain(begins).min();
            for row in known::uses(self.facts, *account, weeks_from.min(goal.from), self.as_of) {
                if feature.is_some_and(|feature| feature != row.feature) {
                    continue;
                }
                if (goal.from..until).contains(&row.at) {
                    amount += row.quantity;
                }
                if row.at >= weeks_from {
                    let week = (row.at.0 - weeks_from.0) / (7 * bellwether_features::time::MICROS_PER_DAY);
                    weeks[usize::try_from(week).unwrap_or(0).min(WEEKS - 1)] += row.quantity;
                }
                if row.at >= self.as_of.plus_days(-30) {
                    recent += row.quantity;
                }
            }
        }
        let seen = first.map_or(0.0, |first| days(self.as_of.0 - first.0) / 7.0).floor() as usize;
        let forecast = self.weekly(goal, amount, &weeks[WEEKS - seen.min(WEEKS)..]);
        let over_limit = feature.is_none().then(|| self.limit(accounts)).flatten();
        Some(Reached { amount, forecast, over_limit: over_limit.map(|limit| (recent - limit).max(0.0)) })
    }

    /// Usage that the plans of the accounts include in 30 days; `None` unless it is known of all that pay.
    fn limit(&self, accounts: &[usize]) -> Option<f64> {
        let terms = accounts.iter().filter_map(|account| known::subscription(self.facts, *account, self.as_of));
        let limits = terms.filter(|terms| terms.mrr > 0.0).map(|terms| terms.usage_limit);
        let limits: Option<Vec<f64>> = limits.collect();
        limits.filter(|limits| !limits.is_empty()).map(|limits| limits.iter().sum())
    }

    fn weekly(&self, goal: &GoalFact, amount: f64, weeks: &[f64]) -> Option<Forecast> {
        let left = days(goal.until.0 - self.as_of.0).max(0.0) / 7.0;
        if left == 0.0 {
            return Some(Forecast::certain(amount));
        }
        if weeks.len() < LEAST_WEEKS {
            return None;
        }
        let n = weeks.len() as f64;
        let mean = weeks.iter().sum::<f64>() / n;
        let variance = weeks.iter().map(|week| (week - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let variance = Some(variance * (left + left * left / n));
        Some(Forecast { value: amount + left * mean, variance, weeks: Some(weeks.len()) })
    }

    fn adoption(&self, goal: &GoalFact, accounts: &[usize]) -> Option<Reached> {
        self.facts.usage.as_ref()?;
        let feature = self.feature(goal)?;
        if feature.is_some() && !self.facts.users.is_there {
            return None;
        }
        let until = goal.until.min(self.as_of);
        let of_account = |account: usize| {
            let uses = known::uses(self.facts, account, goal.from, self.as_of).filter(|row| row.at < until);
            let mut found: Vec<u32> = match feature {
                Some(feature) => uses.filter(|row| row.feature == feature).filter_map(|row| row.user).collect(),
                None => uses.map(|row| row.feature).collect(),
            };
            found.sort_unstable();
            found.dedup();
            found.len()
        };
        let amount = accounts.iter().map(|account| of_account(*account)).sum::<usize>() as f64;
        let forecast = (goal.until <= self.as_of).then_some(Forecast::certain(amount));
        Some(Reached { amount, forecast, over_limit: None })
    }

    fn revenue(&self, goal: &GoalFact, accounts: &[usize]) -> Option<Reached> {
        self.facts.subscriptions.as_ref()?;
        let until = goal.until.min(self.as_of);
        let sum = |of: &dyn Fn(&Timeline) -> crate::money::Cents| {
            accounts.iter().map(|account| of(&self.timelines[*account])).sum::<crate::money::Cents>().amount()
        };
        let amount = sum(&|timeline| accrued(timeline, goal.from, until));
        let left = sum(&|timeline| accrued(timeline, self.as_of.max(goal.from), goal.until));
        let is_over = goal.until <= self.as_of;
        let forecast = Forecast { variance: is_over.then_some(0.0), ..Forecast::certain(amount + left) };
        Some(Reached { amount, forecast: Some(forecast), over_limit: None })
    }
}
