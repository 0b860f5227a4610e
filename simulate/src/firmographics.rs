//! Employees of the customer: they grow where demand grows, and shrink in a reorganisation.
//!
//! A vendor of such data updates every quarter, skips some, covers not everybody, rounds what is large, and is weeks late.

use crate::calendar::{DAY_SECONDS, Day, Second, midnight};
use crate::hidden::Shock;
use crate::life::{Life, Week};
use crate::parameters::Simulation;
use crate::random::{Purpose, Random};
use crate::world::FirmographicParameters;

/// The size of a customer at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FirmographicRow {
    pub account: u32,
    pub at: Second,
    pub employees: i32,
    pub known_at: Second,
}

/// Days from an update to the next.
const UPDATE_DAYS: Day = 91;

/// Appends the sizes of a life, by time.
pub(crate) fn write_firmographics(simulation: &Simulation, life: &Life, rows: &mut Vec<FirmographicRow>) {
    let world = simulation.parameters.world.parameters();
    let parameters = &world.firmographics;
    let profile = &life.profile;
    let mut random = Random::new(simulation.parameters.seed, profile.index, Purpose::Firmographics);
    if !random.chance(parameters.covered) {
        return;
    }
    let per_seat = random.log_normal(world.segments[profile.segment].employees_per_seat, parameters.size_sigma);
    let mut size = (f64::from(life.first_contract.seats) * per_seat).max(1.0).ln();
    // What the sales team wrote down at the start; the vendor's updates follow.
    let mut next_update = profile.first_day;
    for week in &life.weeks {
        size = step(size, life, week, parameters, &mut random);
        if next_update >= week.first_day + 7 {
            continue;
        }
        let is_first = next_update == profile.first_day;
        let at = (midnight(next_update) + 2 * 3_600).max(profile.signed_up_at);
        let age = random.between(parameters.known_days.0, parameters.known_days.1);
        let known_at = at + ((if is_first { 1.0 } else { age }) * DAY_SECONDS as f64) as Second;
        let appears = is_first || random.chance(parameters.update_share);
        if appears && at < midnight(life.last_day) && known_at < midnight(simulation.calendar.end) {
            rows.push(FirmographicRow { account: profile.index, at, employees: rounded(size.exp()), known_at });
        }
        next_update += if is_first { 1 + random.below(UPDATE_DAYS as usize) as Day } else { UPDATE_DAYS };
    }
}

/// One week of log employees.
fn step(size: f64, life: &Life, week: &Week, parameters: &FirmographicParameters, random: &mut Random) -> f64 {
    let drift = parameters.growth * life.profile.growth + parameters.volatility * random.normal();
    let is_reorganised = week.shock == Some(Shock::Reorganisation);
    let cut = if is_reorganised { parameters.reorganisation * random.between(0.5, 1.5) } else { 0.0 };
    size + drift + cut
}

/// Exact below 20, to fives below 100, to two digits above.
fn rounded(employees: f64) -> i32 {
    let unit = if employees < 20.0 {
        1.0
    } else if employees < 100.0 {
        5.0
    } else {
        10.0_f64.powi(employees.log10().floor() as i32 - 1)
    };
    ((employees / unit).round() * unit).max(1.0) as i32
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn large_numbers_are_round() {
        let cases = [(0.2, 1), (7.4, 7), (19.6, 20), (33.0, 35), (97.6, 100), (1_234.0, 1_200), (98_765.0, 99_000)];
        for (exact, round) in cases {
            assert_eq!(rounded(exact), round, "{exact}");
        }
    }
}
