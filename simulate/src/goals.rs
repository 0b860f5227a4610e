//! Goals: what an account is to reach in each half of the year; what it is about is settled when it signs up.

use chrono::{Datelike, NaiveDate};

use crate::calendar::{DAY_SECONDS, Day, Second, date_of, day_of, midnight, months_after};
use crate::catalogue::FEATURES;
use crate::life::Life;
use crate::parameters::Simulation;
use crate::random::{Purpose, Random};

/// A goal of an account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GoalRow {
    pub account: u32,
    pub metric: &'static str,
    pub use_case: Option<&'static str>,
    pub target: f64,
    pub from: Second,
    pub until: Second,
    pub known_at: Second,
}

/// What goals are about, with how common that is.
const METRICS: ([&str; 3], [f64; 3]) = (["usage", "adoption", "revenue"], [0.5, 0.3, 0.2]);

/// Appends the goals of a life, by time.
pub(crate) fn write_goals(simulation: &Simulation, life: &Life, rows: &mut Vec<GoalRow>) {
    let profile = &life.profile;
    let mut random = Random::new(simulation.parameters.seed, profile.index, Purpose::Goals);
    let metric = METRICS.0[random.weighted(&METRICS.1)];
    let moments: Vec<&'static str> =
        FEATURES.iter().filter(|feature| feature.value_moment).map(|feature| feature.name).collect();
    let use_case = (metric == "adoption").then(|| moments[random.below(moments.len())]);
    let end = midnight(simulation.calendar.end);
    let mut from = profile.first_day;
    while from < life.last_day {
        let until = next_half_year(from);
        let target = rounded(target(life, metric, from, until, &mut random));
        // The first is set on the first day, the others in the week before they begin.
        let begins = if from == profile.first_day { profile.signed_up_at.max(midnight(from)) } else { midnight(from) };
        let lead = if from == profile.first_day { 0 } else { random.below(7 * DAY_SECONDS as usize) as Second };
        if begins < end {
            let (account, known_at) = (profile.index, begins - lead);
            rows.push(GoalRow { account, metric, use_case, target, from: begins, until: midnight(until), known_at });
        }
        from = until;
    }
}

/// What would do for such a contract, more or less ambitious.
fn target(life: &Life, metric: &str, from: Day, until: Day, random: &mut Random) -> f64 {
    let contract = life.week_of(from).contract;
    let months = f64::from(until - from) / 30.44;
    match metric {
        "usage" => contract.usage_limit() * months * random.between(0.4, 1.0),
        "adoption" => (f64::from(contract.seats) * random.between(0.2, 0.7)).max(1.0),
        _ => contract.mrr() * months * random.between(0.9, 1.2),
    }
}

/// Two digits are enough for a goal; whole below 100.
fn rounded(target: f64) -> f64 {
    let unit = if target < 100.0 { 1.0 } else { 10.0_f64.powi(target.log10().floor() as i32 - 1) };
    ((target / unit).round() * unit).max(1.0)
}

/// The first day of the January or July after a day.
fn next_half_year(day: Day) -> Day {
    let date = date_of(day);
    let first: NaiveDate = date.with_day(1).unwrap_or(date);
    day_of(months_after(first, 6 - date.month0() % 6))
}
