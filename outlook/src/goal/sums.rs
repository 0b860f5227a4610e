//! Goals of accounts added up: by owner and by segment.

use std::collections::BTreeMap;

use bellwether_features::facts::GoalMetric;

use super::{Forecast, GoalState};

/// The goals of one metric of a group of accounts, those whose period was not over and of which it is known what was reached.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GoalSum {
    /// How many.
    pub goals: u64,
    /// Of them, those on track.
    pub on_track: u64,
    /// Of them, those above the whole target already.
    pub over: u64,
    /// Sum of the targets.
    pub target: f64,
    /// Sum of what is due.
    pub due: f64,
    /// Sum of what was reached.
    pub reached: f64,
    /// Sum of what is missing from goals that are not on track: what one account has too much makes up for no other.
    pub leak: f64,
    /// Sum of what is above whole targets.
    pub overage: f64,
    /// Goals with a forecast.
    pub forecast_goals: u64,
    /// Sum of their targets.
    pub forecast_target: f64,
    /// Sum of their forecasts.
    pub forecast: f64,
    /// Sum of the variances, accounts taken as independent; `None` where one of them is not known.
    pub variance: Option<f64>,
}

impl GoalSum {
    fn add(&mut self, state: &GoalState) {
        let Some((reached, on_track)) = state.reached.zip(state.on_track()) else { return };
        if self.goals == 0 {
            self.variance = Some(0.0);
        }
        self.goals += 1;
        self.on_track += u64::from(on_track);
        self.over += u64::from(reached.amount > state.goal.target);
        self.target += state.goal.target;
        self.due += state.due;
        self.reached += reached.amount;
        self.leak += state.leak().unwrap_or(0.0);
        self.overage += state.overage().unwrap_or(0.0);
        if let Some(forecast) = reached.forecast {
            self.forecast_goals += 1;
            self.forecast_target += state.goal.target;
            self.forecast += forecast.value;
            self.variance = self.variance.zip(forecast.variance).map(|(sum, one)| sum + one);
        }
    }

    /// Sum of the forecasts; `None` without any.
    #[must_use]
    pub fn forecast(&self) -> Option<Forecast> {
        (self.forecast_goals > 0).then_some(Forecast { value: self.forecast, variance: self.variance, weeks: None })
    }

    /// Goals that are still running, of accounts, added up by what `group` says, then by metric.
    #[must_use]
    pub fn by<'a>(
        states: &'a [GoalState],
        group: impl Fn(&GoalState) -> &'a str,
    ) -> BTreeMap<(&'a str, GoalMetric), Self> {
        let mut sums: BTreeMap<(&str, GoalMetric), Self> = BTreeMap::new();
        let running = states.iter().filter(|state| !state.is_over && state.goal.account.is_some());
        for state in running {
            sums.entry((group(state), state.goal.metric)).or_default().add(state);
        }
        sums.retain(|_, sum| sum.goals > 0);
        sums
    }
}
