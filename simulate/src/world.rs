//! The worlds: fixed tables of parameters.
//!
//! A world says how customers behave; nothing in it was fitted to a model, and a change of a number here is a change of
//! a documented world, to be made for the sake of realism and noted in the changelog, never because a learner does badly.
//!
//! Value perception `v` has no unit: 0 is an ordinary customer, +1 a happy one, -1 one that has begun to look elsewhere.
//! Hazards are logistic: `h = 1 / (1 + exp(-logit))` at each moment of decision (an anniversary of the contract for
//! churn and contraction, one day of each week for expansion). Hazards read **smoothed** value; signals read `v` itself:
//! that is why signals lead revenue by weeks.

use std::fmt;
use std::str::FromStr;

use crate::SimulateError;

/// A named world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum World {
    /// An ordinary business: some of everything. 90-day churn of 4 to 7 %, 60-day expansion of 5 to 8 %.
    #[default]
    Standard,
    /// As standard, with a strong year: a deep year-end dip, a quiet August, weekends nearly silent, and budgets cut in
    /// December and January.
    Seasonal,
    /// As standard, with few and small shocks and a slow drift of value: what is true today is true next quarter.
    Calm,
    /// As standard, with three times the shocks: champions leave, incidents hit, teams are reorganised.
    Shocks,
}

/// A kind of shock: how often, and what it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShockParameters {
    /// Probability per week.
    pub weekly_probability: f64,
    /// Added to the level of value; fades with `shift_decay`.
    pub shift: f64,
    /// Added to value at once; fades with `reversion`.
    pub jolt: f64,
    /// Added to the logarithm of demand.
    pub demand: f64,
}

/// What differs between segments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentParameters {
    /// Name in the accounts table.
    pub name: &'static str,
    /// Share of accounts.
    pub share: f64,
    /// Median seats at the start.
    pub median_seats: f64,
    /// Standard deviation of the logarithm of seats: the heavy tail.
    pub seats_sigma: f64,
    /// Greatest number of seats at the start.
    pub maximum_seats: u32,
    /// Share with an annual contract; the others pay by the month.
    pub annual_share: f64,
    /// Probabilities of starting on each plan, small to large.
    pub plan_weights: [f64; 4],
    /// Largest discount on the list price, as a share.
    pub maximum_discount: f64,
    /// Logit of churn at a monthly anniversary of a monthly contract, at value 0.
    pub monthly_churn: f64,
    /// Logit of churn at the renewal of an annual contract, at value 0.
    pub renewal_churn: f64,
    /// Logit of expansion per week, at value 0, breadth one half and use at the limit.
    pub expansion: f64,
    /// Weeks from a review to the next one.
    pub review_weeks: u32,
    /// Calls per week, at value 0.
    pub weekly_calls: f64,
    /// Logit of having modules in the first contract, for an account of level 0.
    pub first_modules: f64,
    /// Median employees per seat at the start.
    pub employees_per_seat: f64,
}

/// The people at a customer: who comes, who goes, and when one hears of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeopleParameters {
    /// Share of first sponsors who are asked for an NPS answer; those stay for life.
    pub surveyed_sponsors: f64,
    /// Share of departures of a champion in which it is a sponsor who goes (one who is not surveyed).
    pub sponsor_leaves: f64,
    /// Probability that a reorganisation takes the sponsor (one who is not surveyed).
    pub sponsor_reorganised: f64,
    /// Probability that a reorganisation takes a user whom one knows.
    pub user_reorganised: f64,
    /// Probability per week that a user whom one knows leaves, for no reason of ours.
    pub user_turnover: f64,
    /// Logit of winning a new champion in a week without one, at value 0.
    pub new_champion: f64,
    /// Change of that logit per unit of value.
    pub new_champion_slope: f64,
    /// Probability per week that a vacant sponsorship is filled.
    pub new_sponsor: f64,
    /// Mean days until a new contact is on record (30 at most).
    pub arrival_known_days: f64,
    /// Mean days until a departure is on record (60 at most).
    pub departure_known_days: f64,
    /// Share of departures that never get on record.
    pub departure_unrecorded: f64,
}

/// How likely an invited person comes, by role: `1 / (1 + exp(-(level + slope * value)))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttendanceParameters {
    /// Logit at value 0.
    pub level: f64,
    /// Change of the logit per unit of value.
    pub slope: f64,
}

/// Reviews, calls and letters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeetingParameters {
    /// Logit that a review which is due takes place and is not put off for two to six weeks, at value 0.
    pub review_held: f64,
    /// Change of that logit per unit of value: reviews thin out before revenue does.
    pub review_held_slope: f64,
    /// Change of the logarithm of the number of calls and letters per unit of value.
    pub call_slope: f64,
    /// Change of that logarithm per unit of the smoothed log share of the limit in use: who is short of room talks.
    pub call_pressure: f64,
    /// Factor on calls in the first 60 days.
    pub call_onboarding: f64,
    /// Calls more in the week of an incident.
    pub call_incident: f64,
    /// Letters per call.
    pub letters: f64,
    /// Attendance of sponsor, champion, admin and user.
    pub attendance: [AttendanceParameters; 4],
    /// Share of meetings that are written down late: one hour to ten days, evenly.
    pub late_share: f64,
    /// Mean delay of the others, in minutes.
    pub delay_minutes: f64,
}

/// Add-on modules. They are parts of the MRR of the subscription and never change it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModuleParameters {
    /// Change of [`SegmentParameters::first_modules`] per unit of the account's level of value.
    pub first_slope: f64,
    /// Least and greatest share of the price of the seats that is itemised as a module of the first contract.
    pub first_share: (f64, f64),
    /// Probability that a contraction drops the smallest module held.
    pub dropped: f64,
    /// Share of rows that arrive late: one hour to five days, evenly.
    pub late_share: f64,
}

/// Employees of the customer, as a vendor of such data sees them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirmographicParameters {
    /// Share of accounts that the vendor covers.
    pub covered: f64,
    /// Standard deviation of the logarithm of employees per seat.
    pub size_sigma: f64,
    /// Weekly change of log employees per unit of the account's growth.
    pub growth: f64,
    /// Standard deviation of the weekly change of log employees.
    pub volatility: f64,
    /// Change of log employees in a reorganisation, on average.
    pub reorganisation: f64,
    /// Share of the quarterly updates that appear.
    pub update_share: f64,
    /// Least and greatest age of an update, in days, when it is known.
    pub known_days: (f64, f64),
}

/// All parameters of a world.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldParameters {
    /// Growth: sign-ups per month as a share of the accounts there at the start.
    pub monthly_sign_ups: f64,
    /// Segments: small business, mid-market, enterprise.
    pub segments: [SegmentParameters; 3],

    /// Standard deviation of the level of value between accounts.
    pub level_sigma: f64,
    /// Share of the distance to its level that value closes per week (0.08 is a half-life of eight weeks).
    pub reversion: f64,
    /// Standard deviation of the weekly change of value.
    pub volatility: f64,
    /// Share of a shift that fades per week.
    pub shift_decay: f64,
    /// Weeks over which value is smoothed exponentially before it moves a hazard.
    pub smoothing_weeks: f64,
    /// A champion leaves (the busiest user disappears).
    pub champion_leaves: ShockParameters,
    /// A bad incident (a burst of severe complaints).
    pub incident: ShockParameters,
    /// A reorganisation at the customer.
    pub reorganisation: ShockParameters,
    /// A rollout succeeds.
    pub rollout: ShockParameters,

    /// Share of the distance to the breadth that value calls for, closed per week.
    pub breadth_reversion: f64,
    /// Weekly drift of log demand per unit of value.
    pub demand_drift: f64,
    /// Share of the distance between demand and capacity that closes per week.
    pub demand_reversion: f64,
    /// Standard deviation of the weekly change of log demand.
    pub demand_volatility: f64,
    /// Log of the share of the limit in use, for value 0 and demand at capacity (-0.6 is 55 %).
    pub base_load: f64,
    /// Log use per unit of value, at once (0.4: value down by 0.9 is use down by 30 %).
    pub use_slope: f64,
    /// Standard deviation of the logarithm of a week's use that means nothing: holidays, projects.
    pub use_noise: f64,

    /// Change of the churn logit per unit of smoothed value.
    pub churn_slope: f64,
    /// Change of the churn logit in the first 120 days.
    pub churn_young: f64,
    /// Change of the churn logit from breadth 0 to breadth 1.
    pub churn_breadth: f64,
    /// Change of the churn logit in December and January.
    pub churn_budget_season: f64,
    /// Logit of leaving an annual contract at a monthly anniversary between renewals, at value 0.
    pub mid_term_churn: f64,
    /// Change of the expansion logit per unit of smoothed value.
    pub expansion_slope: f64,
    /// Change of the expansion logit per unit of the smoothed log share of the limit in use.
    pub expansion_pressure: f64,
    /// Change of the expansion logit from breadth 0 to breadth 1.
    pub expansion_breadth: f64,
    /// Factor on the chance of expansion in the eight weeks after an expansion.
    pub expansion_rest: f64,
    /// Logit of contraction at a monthly anniversary of a monthly contract, at value 0.
    pub monthly_contraction: f64,
    /// Logit of contraction at the renewal of an annual contract, at value 0.
    pub renewal_contraction: f64,
    /// Change of the contraction logit per unit of smoothed value (downwards).
    pub contraction_slope: f64,
    /// Probability that a renewal lapses for two to nine days (paid late; not churn).
    pub lapse: f64,

    /// Use on a Saturday against a weekday; a Sunday is 0.7 of that.
    pub weekend_pace: f64,
    /// Use from 22 December to 2 January against other days.
    pub year_end_pace: f64,
    /// Use in August against other months.
    pub august_pace: f64,

    /// Share of usage rows that arrive late: one hour to 30 days, evenly.
    pub late_share: f64,
    /// Mean delay of the others, in minutes.
    pub delay_minutes: f64,

    /// People at the customer.
    pub people: PeopleParameters,
    /// Meetings with them.
    pub meetings: MeetingParameters,
    /// Add-on modules.
    pub modules: ModuleParameters,
    /// Employees of the customer.
    pub firmographics: FirmographicParameters,
}

const SEGMENTS: [SegmentParameters; 3] = [
    SegmentParameters {
        name: "small_business",
        share: 0.6,
        median_seats: 4.0,
        seats_sigma: 0.7,
        maximum_seats: 40,
        annual_share: 0.25,
        plan_weights: [0.55, 0.38, 0.07, 0.0],
        maximum_discount: 0.1,
        monthly_churn: -4.1,
        renewal_churn: -1.9,
        expansion: -5.25,
        review_weeks: 26,
        weekly_calls: 0.02,
        first_modules: -1.6,
        employees_per_seat: 4.0,
    },
    SegmentParameters {
        name: "mid_market",
        share: 0.3,
        median_seats: 25.0,
        seats_sigma: 0.7,
        maximum_seats: 250,
        annual_share: 0.65,
        plan_weights: [0.1, 0.5, 0.37, 0.03],
        maximum_discount: 0.2,
        monthly_churn: -4.5,
        renewal_churn: -2.2,
        expansion: -5.05,
        review_weeks: 13,
        weekly_calls: 0.08,
        first_modules: -0.4,
        employees_per_seat: 12.0,
    },
    SegmentParameters {
        name: "enterprise",
        share: 0.1,
        median_seats: 120.0,
        seats_sigma: 0.9,
        maximum_seats: 2_000,
        annual_share: 0.95,
        plan_weights: [0.0, 0.1, 0.45, 0.45],
        maximum_discount: 0.3,
        monthly_churn: -5.0,
        renewal_churn: -2.6,
        expansion: -4.85,
        review_weeks: 13,
        weekly_calls: 0.2,
        first_modules: 0.5,
        employees_per_seat: 25.0,
    },
];

/// The ordinary business; the other worlds differ from it only where they say so.
const STANDARD: WorldParameters = WorldParameters {
    monthly_sign_ups: 0.03,
    segments: SEGMENTS,

    level_sigma: 0.6,
    reversion: 0.08,
    volatility: 0.2,
    shift_decay: 0.02,
    smoothing_weeks: 7.0,
    champion_leaves: ShockParameters { weekly_probability: 0.006, shift: -1.0, jolt: -0.3, demand: -0.1 },
    incident: ShockParameters { weekly_probability: 0.008, shift: -0.1, jolt: -0.7, demand: 0.0 },
    reorganisation: ShockParameters { weekly_probability: 0.003, shift: -0.6, jolt: -0.3, demand: -0.3 },
    rollout: ShockParameters { weekly_probability: 0.01, shift: 0.8, jolt: 0.3, demand: 0.25 },

    breadth_reversion: 0.05,
    demand_drift: 0.008,
    demand_reversion: 0.02,
    demand_volatility: 0.03,
    base_load: -0.6,
    use_slope: 0.4,
    use_noise: 0.15,

    churn_slope: -1.7,
    churn_young: 0.4,
    churn_breadth: -0.8,
    churn_budget_season: 0.1,
    mid_term_churn: -7.5,
    expansion_slope: 0.6,
    expansion_pressure: 2.4,
    expansion_breadth: 2.0,
    expansion_rest: 0.15,
    monthly_contraction: -5.2,
    renewal_contraction: -2.6,
    contraction_slope: -1.0,
    lapse: 0.015,

    weekend_pace: 0.15,
    year_end_pace: 0.45,
    august_pace: 0.88,

    late_share: 0.03,
    delay_minutes: 45.0,

    people: PeopleParameters {
        surveyed_sponsors: 0.35,
        sponsor_leaves: 0.2,
        sponsor_reorganised: 0.5,
        user_reorganised: 0.25,
        user_turnover: 0.003,
        new_champion: -2.8,
        new_champion_slope: 0.8,
        new_sponsor: 0.2,
        arrival_known_days: 2.0,
        departure_known_days: 12.0,
        departure_unrecorded: 0.1,
    },
    meetings: MeetingParameters {
        review_held: 1.6,
        review_held_slope: 1.3,
        call_slope: 0.35,
        call_pressure: 0.5,
        call_onboarding: 4.0,
        call_incident: 0.6,
        letters: 1.0,
        attendance: [
            AttendanceParameters { level: 0.9, slope: 1.1 },
            AttendanceParameters { level: 1.8, slope: 0.8 },
            AttendanceParameters { level: 1.2, slope: 0.5 },
            AttendanceParameters { level: 0.8, slope: 0.5 },
        ],
        late_share: 0.06,
        delay_minutes: 180.0,
    },
    modules: ModuleParameters { first_slope: 0.5, first_share: (0.05, 0.15), dropped: 0.5, late_share: 0.04 },
    firmographics: FirmographicParameters {
        covered: 0.85,
        size_sigma: 0.6,
        growth: 0.003,
        volatility: 0.008,
        reorganisation: -0.12,
        update_share: 0.9,
        known_days: (5.0, 45.0),
    },
};

const SEASONAL: WorldParameters =
    WorldParameters { weekend_pace: 0.05, year_end_pace: 0.2, august_pace: 0.6, churn_budget_season: 0.8, ..STANDARD };

const CALM: WorldParameters = WorldParameters {
    volatility: 0.1,
    champion_leaves: ShockParameters { weekly_probability: 0.002, ..STANDARD.champion_leaves },
    incident: ShockParameters { weekly_probability: 0.002, ..STANDARD.incident },
    reorganisation: ShockParameters { weekly_probability: 0.001, ..STANDARD.reorganisation },
    rollout: ShockParameters { weekly_probability: 0.004, ..STANDARD.rollout },
    ..STANDARD
};

const SHOCKS: WorldParameters = WorldParameters {
    champion_leaves: ShockParameters { weekly_probability: 0.018, ..STANDARD.champion_leaves },
    incident: ShockParameters { weekly_probability: 0.024, ..STANDARD.incident },
    reorganisation: ShockParameters { weekly_probability: 0.009, ..STANDARD.reorganisation },
    rollout: ShockParameters { weekly_probability: 0.03, ..STANDARD.rollout },
    ..STANDARD
};

impl World {
    /// All worlds, the default first.
    pub const ALL: [World; 4] = [World::Standard, World::Seasonal, World::Calm, World::Shocks];

    /// The name, as on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            World::Standard => "standard",
            World::Seasonal => "seasonal",
            World::Calm => "calm",
            World::Shocks => "shocks",
        }
    }

    /// The world's table of parameters.
    #[must_use]
    pub fn parameters(self) -> &'static WorldParameters {
        match self {
            World::Standard => &STANDARD,
            World::Seasonal => &SEASONAL,
            World::Calm => &CALM,
            World::Shocks => &SHOCKS,
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for World {
    type Err = SimulateError;

    /// Finds a world by its name.
    ///
    /// # Errors
    /// [`SimulateError::UnknownWorld`], naming the worlds that there are.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        World::ALL.into_iter().find(|world| world.name() == text).ok_or_else(|| SimulateError::UnknownWorld {
            found: text.to_owned(),
            expected: World::ALL.map(World::name).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_worlds() {
        for world in World::ALL {
            assert_eq!(world.name().parse::<World>().unwrap(), world);
        }
        let error = "standart".parse::<World>().unwrap_err();
        assert!(error.to_string().contains("standard, seasonal, calm, shocks"), "{error}");
    }

    #[test]
    fn shares_are_probabilities() {
        for world in World::ALL {
            let segments = &world.parameters().segments;
            assert!((segments.iter().map(|segment| segment.share).sum::<f64>() - 1.0).abs() < 1e-12);
            for segment in segments {
                assert!((segment.plan_weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{}", segment.name);
            }
        }
    }
}
