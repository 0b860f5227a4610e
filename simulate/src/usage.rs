//! Usage: one row per account, user, feature and day.
//!
//! A larger account works in larger batches: rows grow with the power 0.45 of seats and quantity takes the rest, so that
//! a tail of large accounts does not drown the table. Quantity over 30 days against the usage limit is the share of the
//! limit in use, up to season and noise.

use crate::calendar::{DAY_SECONDS, Day, Second, midnight};
use crate::catalogue::{FEATURES, INDUSTRIES};
use crate::hidden::Shock;
use crate::life::{Life, Week};
use crate::parameters::Simulation;
use crate::random::{Purpose, Random, sigmoid};
use crate::world::WorldParameters;

/// A use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct UsageRow {
    pub account: u32,
    pub user: u32,
    pub feature: u8,
    pub at: Second,
    pub quantity: f64,
    pub known_at: Second,
}

/// Rows grow with this power of seats.
const SIZE_EXPONENT: f64 = 0.45;
/// Most rows per weekday at ordinary use.
const MOST_ROWS: f64 = 40.0;
/// Share of a change of use that shows as more or fewer rows; the rest shows as quantity per row.
const ROWS_SHARE: f64 = 0.65;
/// Weekdays at full pace in 30 days (4 + 0.9 + 0.15 + 0.105 in seven).
const WEEKDAYS_IN_30_DAYS: f64 = 22.1;
/// Delay of the latest rows, in days.
const LATEST_DAYS: Second = 30;

/// Appends the usage of a life.
pub(crate) fn write_usage(simulation: &Simulation, life: &Life, rows: &mut Vec<UsageRow>) {
    let mut random = Random::new(simulation.parameters.seed, life.profile.index, Purpose::Usage);
    let world = simulation.parameters.world.parameters();
    let (_, swing, phase) = INDUSTRIES[life.profile.industry];
    let first_day = life.profile.first_day + Day::from(!life.profile.is_long_standing());
    let mut users_gone = 0;
    for week in &life.weeks {
        users_gone += u32::from(week.shock == Some(Shock::ChampionLeaves));
        let habits = Habits::of(life, week, world, users_gone, &mut random);
        for day in week.first_day.max(first_day)..(week.first_day + 7).min(life.last_day) {
            let age = f64::from(day - life.profile.sign_up_day);
            let onboarding = 1.0 - 0.7 * (-age / 21.0).exp();
            let pace = simulation.calendar.pace(day, swing, phase) * onboarding;
            habits.day(day, pace, simulation, &mut random, rows);
        }
    }
}

/// How an account uses the product in a week.
struct Habits {
    account: u32,
    rows_per_weekday: f64,
    quantity_per_row: f64,
    users: f64,
    users_gone: u32,
    /// Cumulative weights of features.
    features: [f64; FEATURES.len()],
}

impl Habits {
    fn of(life: &Life, week: &Week, world: &WorldParameters, users_gone: u32, random: &mut Random) -> Self {
        let (profile, hidden) = (&life.profile, &week.hidden);
        let seats = f64::from(week.contract.seats);
        let ordinary_rows = (profile.pace * seats.powf(SIZE_EXPONENT)).min(MOST_ROWS);
        let ordinary_use = profile.appetite * week.contract.usage_limit() * world.base_load.exp();
        let change = hidden.load(world) - world.base_load;
        let noise = random.log_normal(1.0, world.use_noise);
        let active_share = sigmoid(0.6 + 0.8 * hidden.value);
        let mut total = 0.0;
        let mut features = [0.0; FEATURES.len()];
        for (index, feature) in FEATURES.iter().enumerate() {
            let taken_up = sigmoid((hidden.breadth - feature.difficulty) * 9.0);
            total += profile.taste[index] * feature.weight * taken_up * (feature.value_slope * hidden.value).exp();
            features[index] = total;
        }
        Self {
            account: profile.index,
            rows_per_weekday: ordinary_rows * (ROWS_SHARE * change).exp() * noise,
            quantity_per_row: ordinary_use / (WEEKDAYS_IN_30_DAYS * ordinary_rows)
                * ((1.0 - ROWS_SHARE) * change).exp(),
            users: 1.0 + (seats - 1.0) * active_share,
            users_gone,
            features,
        }
    }

    fn day(&self, day: Day, pace: f64, simulation: &Simulation, random: &mut Random, rows: &mut Vec<UsageRow>) {
        let world = simulation.parameters.world.parameters();
        let end = midnight(simulation.calendar.end);
        let first = rows.len();
        for _ in 0..random.poisson(self.rows_per_weekday * pace) {
            let at = midnight(day) + time_of_day(random);
            let row = UsageRow {
                account: self.account,
                user: 1 + self.users_gone + (self.users * random.uniform().powf(1.7)) as u32,
                feature: self.feature(random),
                at,
                quantity: (self.quantity_per_row * random.log_normal(0.9, 0.45)).round().max(1.0),
                known_at: at + delay(world, random),
            };
            merge(&mut rows[first..], &row).unwrap_or_else(|| rows.push(row));
        }
        let mut keep = first;
        for index in first..rows.len() {
            if rows[index].known_at < end {
                rows.swap(keep, index);
                keep += 1;
            }
        }
        rows.truncate(keep);
        rows[first..].sort_by_key(|row| (row.at, row.user, row.feature));
    }

    fn feature(&self, random: &mut Random) -> u8 {
        let drawn = random.uniform() * self.features[FEATURES.len() - 1];
        self.features.iter().position(|&cumulative| drawn < cumulative).unwrap_or(FEATURES.len() - 1) as u8
    }
}

/// Adds a row to the one of the same user and feature on that day, if there is one.
fn merge(day: &mut [UsageRow], row: &UsageRow) -> Option<()> {
    let same = day.iter_mut().find(|other| other.user == row.user && other.feature == row.feature)?;
    same.quantity += row.quantity;
    Some(())
}

/// Office hours, most often around noon.
fn time_of_day(random: &mut Random) -> Second {
    let hours = 7.0 + 6.0 * (random.uniform() + random.uniform());
    ((hours * 3_600.0) as Second).min(DAY_SECONDS - 1)
}

fn delay(world: &WorldParameters, random: &mut Random) -> Second {
    if random.chance(world.late_share) {
        3_600 + random.below((LATEST_DAYS * DAY_SECONDS - 3_600) as usize) as Second
    } else {
        random.exponential(world.delay_minutes * 60.0).min(86_400.0) as Second
    }
}
