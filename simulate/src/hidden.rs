//! The hidden state of an account, and the hazards that follow from it.
//!
//! Nobody in the business can see this; the tables are its shadow. It moves once a week. The life of an account and the
//! forward paths of its true probabilities step and decide with the functions of this file and no others, so that the
//! truth cannot drift away from the tables.

use crate::account::Profile;
use crate::calendar::Calendar;
use crate::calendar::Day;
use crate::contract::{Contract, Moment};
use crate::random::{Random, sigmoid};
use crate::world::{ShockParameters, WorldParameters};

/// Something that happens to an account in a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shock {
    /// Its champion leaves.
    ChampionLeaves,
    /// A bad incident.
    Incident,
    /// It is reorganised.
    Reorganisation,
    /// A rollout succeeds.
    Rollout,
}

/// The hidden state in a week. All values without unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hidden {
    /// Value perception: 0 ordinary, higher is better.
    pub value: f64,
    /// Value smoothed over [`WorldParameters::smoothing_weeks`]: what hazards read.
    pub smoothed: f64,
    /// What shocks have added to the account's level, fading.
    pub shift: f64,
    /// Breadth of adoption, 0 to 1.
    pub breadth: f64,
    /// Log of demand for use, against capacity at the start.
    pub demand: f64,
    /// Log of the usage limit, against the limit at the start.
    pub capacity: f64,
    /// Log of the share of the limit in use, smoothed over four weeks.
    pub pressure: f64,
}

/// Weeks over which the share of the limit in use is smoothed.
const PRESSURE_WEEKS: f64 = 4.0;
/// Log of the greatest share of the limit in use: 1.65 times the limit.
const GREATEST_LOAD: f64 = 0.5;

impl Hidden {
    /// A customer on the day of sign-up: hopeful, narrow, and with room.
    pub(crate) fn at_sign_up(profile: &Profile, world: &WorldParameters, random: &mut Random) -> Self {
        let value = profile.level + 0.35 * random.normal() + 0.2;
        let mut hidden =
            Self { value, smoothed: value, shift: 0.2, breadth: 0.15, demand: -0.3, capacity: 0.0, pressure: 0.0 };
        hidden.pressure = hidden.load(world);
        hidden
    }

    /// A customer that was there before the start: a year of weeks without a decision, kinder than average, since the
    /// unkind have left.
    pub(crate) fn long_standing(profile: &Profile, world: &WorldParameters, random: &mut Random) -> Self {
        let mut hidden = Self::at_sign_up(profile, world, random);
        for _ in 0..52 {
            hidden.step(profile, world, random);
        }
        hidden
    }

    /// Log of the share of the limit in use this week, before seasons and noise; nobody is let far over the limit.
    pub(crate) fn load(&self, world: &WorldParameters) -> f64 {
        (world.base_load + self.demand - self.capacity + world.use_slope * self.value).min(GREATEST_LOAD)
    }

    /// One week.
    pub(crate) fn step(&mut self, profile: &Profile, world: &WorldParameters, random: &mut Random) -> Option<Shock> {
        let shock = draw_shock(world, random.uniform());
        self.shift *= 1.0 - world.shift_decay;
        if let Some((_, effect)) = shock {
            self.shift += effect.shift;
            self.value += effect.jolt;
            self.demand += effect.demand;
        }
        self.value +=
            world.reversion * (profile.level + self.shift - self.value) + world.volatility * random.normal();
        self.smoothed += (self.value - self.smoothed) / world.smoothing_weeks;
        let called_for = sigmoid(1.2 * self.value + profile.curiosity);
        self.breadth += world.breadth_reversion * (called_for - self.breadth);
        self.demand += world.demand_drift * (self.value + profile.growth)
            - world.demand_reversion * (self.demand - self.capacity)
            + world.demand_volatility * random.normal();
        self.pressure += (self.load(world) - self.pressure) / PRESSURE_WEEKS;
        shock.map(|(shock, _)| shock)
    }

    /// Notes that the usage limit changed with the contract.
    pub(crate) fn resize(&mut self, before: &Contract, after: &Contract) {
        self.capacity += (after.usage_limit() / before.usage_limit()).ln();
    }
}

fn draw_shock(world: &WorldParameters, uniform: f64) -> Option<(Shock, &ShockParameters)> {
    let kinds = [
        (Shock::ChampionLeaves, &world.champion_leaves),
        (Shock::Incident, &world.incident),
        (Shock::Reorganisation, &world.reorganisation),
        (Shock::Rollout, &world.rollout),
    ];
    let mut rest = uniform;
    kinds.into_iter().find(|(_, effect)| {
        rest -= effect.weekly_probability;
        rest < 0.0
    })
}

/// What the hazards of one account need to know besides its hidden state.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub world: &'a WorldParameters,
    pub calendar: &'a Calendar,
    pub profile: &'a Profile,
}

impl Setting<'_> {
    /// Probability that the account leaves at an anniversary.
    pub(crate) fn churn(&self, hidden: &Hidden, moment: Moment, day: Day) -> f64 {
        let (world, segment) = (self.world, &self.world.segments[self.profile.segment]);
        let mut logit = match moment {
            Moment::Month => segment.monthly_churn,
            Moment::Year => segment.renewal_churn,
            Moment::MidTerm => world.mid_term_churn,
        };
        logit += world.churn_slope * hidden.smoothed + world.churn_breadth * (hidden.breadth - 0.5);
        if day - self.profile.sign_up_day < 120 {
            logit += world.churn_young;
        }
        if self.calendar.budget_season(day) {
            logit += world.churn_budget_season;
        }
        sigmoid(logit)
    }

    /// Probability that the account buys less at an anniversary, given that it stays.
    pub(crate) fn contraction(&self, hidden: &Hidden, moment: Moment) -> f64 {
        let base = match moment {
            Moment::Month => self.world.monthly_contraction,
            Moment::Year => self.world.renewal_contraction,
            Moment::MidTerm => return 0.0,
        };
        sigmoid(base + self.world.contraction_slope * hidden.smoothed)
    }

    /// Probability that the account buys more in a week; `rested`: eight weeks or more since it last did.
    pub(crate) fn expansion(&self, hidden: &Hidden, rested: bool) -> f64 {
        let world = self.world;
        let logit = world.segments[self.profile.segment].expansion
            + world.expansion_slope * hidden.smoothed
            + world.expansion_pressure * hidden.pressure.clamp(-1.5, 0.4)
            + world.expansion_breadth * (hidden.breadth - 0.5);
        sigmoid(logit) * if rested { 1.0 } else { world.expansion_rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;
    use crate::world::World;

    #[test]
    fn smoothed_value_lags_value() {
        // Value falls by one and stays: after smoothing_weeks the smoothed value has gone about 1 - 1/e of the way.
        let world = WorldParameters {
            volatility: 0.0,
            reversion: 1.0,
            champion_leaves: ShockParameters { weekly_probability: 0.0, shift: 0.0, jolt: 0.0, demand: 0.0 },
            incident: ShockParameters { weekly_probability: 0.0, shift: 0.0, jolt: 0.0, demand: 0.0 },
            reorganisation: ShockParameters { weekly_probability: 0.0, shift: 0.0, jolt: 0.0, demand: 0.0 },
            rollout: ShockParameters { weekly_probability: 0.0, shift: 0.0, jolt: 0.0, demand: 0.0 },
            ..World::Standard.parameters().clone()
        };
        let mut random = Random::new(1, 0, Purpose::Life);
        let calendar = Calendar::new(chrono::NaiveDate::from_ymd_opt(2026, 1, 31).unwrap(), 12, &world);
        let mut profile = Profile::draw(0, &world, &calendar, &mut random).0;
        profile.level = -1.0;
        let mut hidden =
            Hidden { value: 0.0, smoothed: 0.0, shift: 0.0, breadth: 0.5, demand: 0.0, capacity: 0.0, pressure: 0.0 };
        for _ in 0..7 {
            hidden.step(&profile, &world, &mut random);
        }
        assert!((hidden.value + 1.0).abs() < 1e-12);
        assert!((hidden.smoothed + (1.0 - (6.0_f64 / 7.0).powi(7))).abs() < 1e-12, "{}", hidden.smoothed);
    }
}
