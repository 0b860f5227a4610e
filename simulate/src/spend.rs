//! What customers cost: to win, by channel and size, and to serve, more where the product is doubted.

use chrono::{Datelike, NaiveDate};

use crate::calendar::{DAY_SECONDS, Day, Second, date_of, day_of, midnight, months_after};
use crate::contract::cents;
use crate::life::Life;
use crate::parameters::Simulation;
use crate::random::{Purpose, Random};

/// A booked cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpendRow {
    pub account: u32,
    pub at: Second,
    pub acquisition_cost: Option<f64>,
    pub serve_cost: Option<f64>,
    pub known_at: Second,
}

/// Months of the first MRR that it takes to win a customer, by channel.
const ACQUISITION_MONTHS: [f64; 4] = [7.0, 13.0, 9.0, 4.0];
/// Serving an account takes so much a month, and so much of its MRR.
const SERVE_COST: (f64, f64) = (12.0, 0.11);
/// Costs are booked in the last hour of the month they are of, and known so many days later.
const CLOSING_DAYS: (f64, f64) = (4.0, 12.0);

/// Appends the costs of a life, by time.
pub(crate) fn write_spend(simulation: &Simulation, life: &Life, rows: &mut Vec<SpendRow>) {
    let profile = &life.profile;
    let mut random = Random::new(simulation.parameters.seed, profile.index, Purpose::Spend);
    let end = midnight(simulation.calendar.end);
    let cost = life.first_contract.mrr() * ACQUISITION_MONTHS[profile.channel] * random.log_normal(1.0, 0.35);
    let mut book = |at: Second, acquisition: Option<f64>, serve: Option<f64>, random: &mut Random| {
        let known_at = at + (random.between(CLOSING_DAYS.0, CLOSING_DAYS.1) * DAY_SECONDS as f64) as Second;
        let (acquisition_cost, serve_cost) = (acquisition.map(cents), serve.map(cents));
        if at < end && known_at < end {
            rows.push(SpendRow { account: profile.index, at, acquisition_cost, serve_cost, known_at });
        }
    };
    book(profile.signed_up_at, Some(cost), None, &mut random);
    let effort = random.log_normal(1.0, 0.3);
    let mut from = profile.first_day;
    while from < life.last_day {
        let until = next_month(from).min(life.last_day);
        let week = life.week_of(until - 1);
        let doubt = (-week.hidden.smoothed).clamp(-0.5, 2.0);
        let share = f64::from(until - from) / 30.44;
        let month = SERVE_COST.0 + SERVE_COST.1 * week.contract.mrr();
        let cost = share * month * effort * (1.0 + 0.4 * doubt) * random.log_normal(1.0, 0.15);
        book((midnight(until) - 3_600).max(profile.signed_up_at + 1), None, Some(cost), &mut random);
        from = until;
    }
}

/// The first day of the month after that of a day.
fn next_month(day: Day) -> Day {
    let date = date_of(day);
    let first: NaiveDate = date.with_day(1).unwrap_or(date);
    day_of(months_after(first, 1))
}
