//! Who an account is: drawn once, constant for life.

use chrono::NaiveDate;

use crate::calendar::{Calendar, DAY_SECONDS, Day, Second, date_of, midnight, months_after};
use crate::catalogue::{CHANNEL_WEIGHTS, CHANNELS, FEATURES, INDUSTRY_WEIGHTS, REGION_WEIGHTS};
use crate::contract::Contract;
use crate::random::Random;
use crate::world::{SegmentParameters, WorldParameters};

/// Users of an account who are asked for an NPS answer.
pub(crate) const PANEL: usize = 8;

/// What does not change about an account.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    /// Index of the account; its id is made of it.
    pub index: u32,
    /// Index into [`WorldParameters::segments`].
    pub segment: usize,
    /// Index into the industries.
    pub industry: usize,
    /// Index into the regions.
    pub region: usize,
    /// Index into the channels.
    pub channel: usize,
    /// Sign-up.
    pub signed_up_at: Second,
    /// Day of the sign-up.
    pub sign_up_day: Day,
    /// First day with facts: the start of the simulation, or the sign-up.
    pub first_day: Day,
    /// Level of value perception that the account comes back to.
    pub level: f64,
    /// Added to value in the drift of demand: a business that grows.
    pub growth: f64,
    /// Logit added to the breadth that value calls for.
    pub curiosity: f64,
    /// How the account likes each feature, a factor.
    pub taste: [f64; FEATURES.len()],
    /// Rows of usage per weekday for one seat at ordinary use, before size.
    pub pace: f64,
    /// Units of use per row, a factor; what is left of the share of the limit.
    pub appetite: f64,
    /// Day within the quarter at which its users are asked.
    pub survey_offset: Day,
    /// What each panel member adds to a score.
    pub panel: [f64; PANEL],
    /// Days after the due date at which it usually pays; negative is early.
    pub payment_habit_days: f64,
    /// Whether it pays by card on the due date.
    pub automatic_payment: bool,
}

impl Profile {
    /// Whether the account was there before the start.
    pub(crate) fn is_long_standing(&self) -> bool {
        self.sign_up_day < self.first_day
    }

    /// Draws an account and its first contract.
    pub(crate) fn draw(
        index: u32,
        world: &WorldParameters,
        calendar: &Calendar,
        random: &mut Random,
    ) -> (Self, Contract) {
        let sign_up_day = draw_sign_up_day(world, calendar, random);
        let segment = random.weighted(&world.segments.map(|segment| segment.share));
        let channel = random.weighted(&CHANNEL_WEIGHTS);
        let long_standing = sign_up_day < calendar.start;
        let selection = if long_standing { 0.15 } else { 0.0 };
        let mut taste = [1.0; FEATURES.len()];
        for factor in &mut taste {
            *factor = random.log_normal(1.0, 0.5);
        }
        let mut panel = [0.0; PANEL];
        for member in &mut panel {
            *member = 0.9 * random.normal();
        }
        let profile = Self {
            index,
            segment,
            industry: random.weighted(&INDUSTRY_WEIGHTS),
            region: random.weighted(&REGION_WEIGHTS),
            channel,
            signed_up_at: midnight(sign_up_day) + random.below(DAY_SECONDS as usize) as Second,
            sign_up_day,
            first_day: sign_up_day.max(calendar.start),
            level: world.level_sigma * random.normal() + CHANNELS[channel].1 + selection,
            growth: 0.5 * random.normal(),
            curiosity: 0.6 * random.normal() - 0.1,
            taste,
            pace: random.log_normal(0.42, 0.4),
            appetite: random.log_normal(1.0, 0.1),
            survey_offset: random.below(91) as Day,
            panel,
            payment_habit_days: -3.0 + 4.0 * random.normal(),
            automatic_payment: random.chance([0.5, 0.15, 0.02][segment]),
        };
        let contract = draw_contract(&world.segments[segment], date_of(sign_up_day), calendar.start, random);
        (profile, contract)
    }
}

/// Before the start for those who were there (about 18 months, at most five years), evenly through the simulation for
/// the others.
fn draw_sign_up_day(world: &WorldParameters, calendar: &Calendar, random: &mut Random) -> Day {
    let days = f64::from(calendar.end - calendar.start);
    let sign_ups = world.monthly_sign_ups * days / 30.44;
    if random.chance(sign_ups / (1.0 + sign_ups)) {
        calendar.start + random.below(days as usize) as Day
    } else {
        calendar.start - 1 - random.exponential(550.0).min(1_825.0) as Day
    }
}

fn draw_contract(segment: &SegmentParameters, anchor: NaiveDate, start: Day, random: &mut Random) -> Contract {
    let seats = random.log_normal(segment.median_seats, segment.seats_sigma).round();
    let mut contract = Contract {
        anchor,
        next_month: 1,
        annual: random.chance(segment.annual_share),
        plan: random.weighted(&segment.plan_weights),
        seats: (seats as u32).clamp(1, segment.maximum_seats),
        add_on: 0.0,
        discount: if random.chance(0.35) { (random.between(0.0, segment.maximum_discount) * 100.0).round() / 100.0 } else { 0.0 },
    };
    while contract.next_anniversary() < start && months_after(anchor, contract.next_month) > anchor {
        contract.next_month += 1;
    }
    contract
}
