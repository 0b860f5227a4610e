//! When each account first came to each landmark, and since when it was able to.

use std::collections::HashMap;

use bellwether_features::CatalogueSettings;
use bellwether_features::contract::TableName;
use bellwether_features::facts::{Facts, Grouped, SubscriptionFact, UsageFact};
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use rayon::prelude::*;

use super::{Landmark, NEAR_LIMIT, NEARLY_FULL};
use crate::nps::{Voice, answers};
use crate::timeline::Timeline;

/// Days in which users are told apart, and of which the usage limit is.
const USER_DAYS: i64 = 28;
const LIMIT_DAYS: i64 = 30;

/// Weeks of a plateau.
const PLATEAU_WEEKS: usize = 13;

const LANDMARKS: usize = Landmark::ALL.len();

/// First times of one account, in the order of [`Landmark::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FirstTimes {
    /// When it first came to the landmark; `None`: not before `as_of`.
    pub at: [Option<Instant>; LANDMARKS],
    /// Since when it could have: first use of the product, or first answer; `None`: never.
    pub able_since: [Option<Instant>; LANDMARKS],
}

/// First times of every account, and when the tables begin that they are read from, in the order of [`Landmark::ALL`].
#[must_use]
pub fn first_times(
    facts: &Facts,
    timelines: &[Timeline],
    as_of: NaiveDate,
    catalogue: &CatalogueSettings,
) -> (Vec<FirstTimes>, [Option<Instant>; LANDMARKS]) {
    let end = Instant::start_of(as_of);
    let is = |declared: &[String]| facts.features.names.iter().map(|name| declared.contains(name)).collect::<Vec<_>>();
    let (advanced, integrations) = (is(&catalogue.advanced), is(&catalogue.integrations));
    let of_account = |scratch: &mut Scratch, (account, timeline): (usize, &Timeline)| {
        let mut found = FirstTimes::default();
        scratch.read(facts, account, end);
        let uses = &scratch.uses;
        found.of_features(Landmark::AdvancedFeature, uses, &advanced);
        found.of_features(Landmark::Integration, uses, &integrations);
        found.set(Landmark::SeatsNearlyFull, seats_nearly_full(uses, timeline, &mut scratch.users), uses);
        let rows = subscriptions(facts, account, end);
        found.set(Landmark::LimitNear, limit_near(uses, rows, end), uses);
        if !has_limit(rows, end) {
            found.able_since[Landmark::LimitNear as usize] = None;
        }
        found.set(Landmark::Plateau, plateau(uses, end, &mut scratch.weeks), uses);
        found.of_answers(facts, account, end);
        found
    };
    let firsts: Vec<FirstTimes> =
        timelines.par_iter().enumerate().with_min_len(1 << 10).map_init(Scratch::default, of_account).collect();
    let begins = |at: fn(&FirstTimes) -> Option<Instant>| firsts.par_iter().filter_map(at).min();
    let usage = begins(|first| first.able_since[Landmark::AdvancedFeature as usize]);
    let nps = begins(|first| first.able_since[Landmark::PromoterAnswer as usize]);
    let of = |landmark: Landmark| if landmark == Landmark::PromoterAnswer { nps } else { usage };
    (firsts, Landmark::ALL.map(of))
}

#[derive(Debug, Default)]
struct Scratch {
    /// Uses of the account that count.
    uses: Vec<UsageFact>,
    users: HashMap<u32, u32>,
    weeks: Vec<u32>,
}

impl Scratch {
    fn read(&mut self, facts: &Facts, account: usize, end: Instant) {
        self.uses.clear();
        let counts = facts.count_since(TableName::Usage, account) < end;
        let rows =
            facts.usage.as_ref().filter(|_| counts).map_or(&[][..], |usage: &Grouped<UsageFact>| usage.of(account));
        self.uses.extend(rows.iter().filter(|row| row.at < end && row.known_at < end));
    }
}

impl FirstTimes {
    fn set(&mut self, landmark: Landmark, at: Option<Instant>, uses: &[UsageFact]) {
        self.at[landmark as usize] = at;
        self.able_since[landmark as usize] = uses.first().map(|first| first.at);
    }

    fn of_features(&mut self, landmark: Landmark, uses: &[UsageFact], is: &[bool]) {
        let first = uses.iter().find(|used| is.get(used.feature as usize) == Some(&true));
        self.set(landmark, first.map(|used| used.at), uses);
    }

    fn of_answers(&mut self, facts: &Facts, account: usize, end: Instant) {
        let landmark = Landmark::PromoterAnswer as usize;
        self.able_since[landmark] = answers(facts, account, end).next().map(|answer| answer.at);
        let mut promoters = answers(facts, account, end).filter(|one| Voice::of_score(one.score) == Voice::Promoter);
        self.at[landmark] = promoters.next().map(|answer| answer.at);
    }
}

/// The first use with which the distinct users of the last 28 days, this moment included, are nearly as many as the seats.
fn seats_nearly_full(uses: &[UsageFact], timeline: &Timeline, users: &mut HashMap<u32, u32>) -> Option<Instant> {
    users.clear();
    let mut first = 0;
    let mut begun = 0;
    let stretches = timeline.stretches();
    for used in uses {
        let Some(user) = used.user else { continue };
        *users.entry(user).or_default() += 1;
        let begins = used.at.plus_days(-USER_DAYS);
        while uses[first].at <= begins {
            if let Some(user) = uses[first].user
                && let Some(count) = users.get_mut(&user)
            {
                *count -= 1;
                if *count == 0 {
                    users.remove(&user);
                }
            }
            first += 1;
        }
        while stretches.get(begun).is_some_and(|stretch| stretch.from <= used.at) {
            begun += 1;
        }
        let seats = begun.checked_sub(1).and_then(|last| stretches[last].seats).filter(|seats| *seats >= 2.0);
        if seats.is_some_and(|seats| users.len() as f64 >= NEARLY_FULL * seats) {
            return Some(used.at);
        }
    }
    None
}

/// The rows that say what the usage limit is; those not known before `end` are among them.
fn subscriptions(facts: &Facts, account: usize, end: Instant) -> &[SubscriptionFact] {
    let counts = facts.count_since(TableName::Subscriptions, account) < end;
    let rows = facts.subscriptions.as_ref().filter(|_| counts).map_or(&[][..], |rows| rows.of(account));
    &rows[..rows.partition_point(|row| row.effective_at < end)]
}

fn has_limit(rows: &[SubscriptionFact], end: Instant) -> bool {
    rows.iter().any(|row| row.known_at < end && row.usage_limit.is_some())
}

/// The first use with which the quantity of the last 30 days, this moment included, is near the limit then in force.
fn limit_near(uses: &[UsageFact], rows: &[SubscriptionFact], end: Instant) -> Option<Instant> {
    if !has_limit(rows, end) {
        return None;
    }
    let (mut first, mut begun, mut quantity) = (0, 0, 0.0);
    let mut limit = None;
    for used in uses {
        quantity += used.quantity;
        let begins = used.at.plus_days(-LIMIT_DAYS);
        while uses[first].at <= begins {
            quantity -= uses[first].quantity;
            first += 1;
        }
        while let Some(row) = rows.get(begun).filter(|row| row.effective_at <= used.at) {
            if row.known_at < end {
                limit = row.usage_limit.filter(|limit| *limit > 0.0);
            }
            begun += 1;
        }
        if limit.is_some_and(|limit| quantity >= NEAR_LIMIT * limit) {
            return Some(used.at);
        }
    }
    None
}

/// The midnight at which 13 weeks of level use were first over: weeks end at `end` and every seven days before it, from the
/// first whole one after the first use on.
fn plateau(uses: &[UsageFact], end: Instant, weeks: &mut Vec<u32>) -> Option<Instant> {
    weeks.clear();
    let first = uses.first()?.at.day();
    let age = |day: i64| usize::try_from((end.day() - 1 - day) / 7).unwrap_or(0);
    weeks.resize(age(first) + 1, 0);
    for used in uses {
        weeks[age(used.at.day())] += 1;
    }
    // The earliest first; the week of the first use is not whole.
    weeks.reverse();
    let count = weeks.len();
    let whole = &weeks[1..];
    let level = |window: &[u32]| {
        let mut sorted: [u32; PLATEAU_WEEKS] = std::array::from_fn(|place| window[place]);
        sorted.sort_unstable();
        let median = i64::from(sorted[PLATEAU_WEEKS / 2]);
        median > 0 && window.iter().all(|week| 20 * (i64::from(*week) - median).abs() <= median)
    };
    let start = whole.windows(PLATEAU_WEEKS).position(level)?;
    let weeks_left = count - (1 + start + PLATEAU_WEEKS);
    Some(end.plus_days(-7 * i64::try_from(weeks_left).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(at: &[(i64, u32)]) -> Vec<UsageFact> {
        let of = |(day, user): &(i64, u32)| UsageFact {
            at: Instant(0).plus_days(*day),
            known_at: Instant(0).plus_days(*day),
            user: Some(*user),
            feature: 0,
            quantity: 1.0,
        };
        at.iter().map(of).collect()
    }

    fn subscription(day: i64, seats: f64, limit: Option<f64>) -> SubscriptionFact {
        SubscriptionFact {
            effective_at: Instant(0).plus_days(day),
            known_at: Instant(0).plus_days(day),
            mrr: 10.0,
            plan: None,
            seats: Some(seats),
            billing_period: None,
            renews_at: None,
            usage_limit: limit,
            discount: None,
            list_price: None,
            auto_renew: None,
        }
    }

    #[test]
    fn seats_are_nearly_full_when_enough_users_are_of_the_last_days() {
        let timeline = Timeline::new(&[subscription(0, 3.0, None)], Instant(0).plus_days(200), 0);
        let day = |days: i64| Some(Instant(0).plus_days(days));
        let mut users = HashMap::new();
        // User 0 of day 1 is gone 28 days later, to the moment.
        let mut found = |at: &[(i64, u32)]| seats_nearly_full(&uses(at), &timeline, &mut users);
        assert_eq!(found(&[(1, 0), (2, 1), (29, 2), (29, 1), (30, 0)]), day(30));
        assert_eq!(found(&[(1, 0), (2, 1), (28, 2)]), day(28));
        assert_eq!(found(&[(1, 0), (2, 1), (2, 1)]), None);
    }

    #[test]
    fn the_limit_is_near_when_thirty_days_come_to_most_of_it() {
        let end = Instant(0).plus_days(100);
        let unknown = SubscriptionFact { known_at: end, ..subscription(2, 1.0, Some(1.0)) };
        let rows = [subscription(0, 1.0, Some(4.0)), unknown, subscription(50, 1.0, Some(2.0))];
        let at = |days: &[i64]| limit_near(&uses(&days.iter().map(|day| (*day, 0)).collect::<Vec<_>>()), &rows, end);
        let day = |days: i64| Some(Instant(0).plus_days(days));
        assert_eq!(at(&[1, 2, 3, 4]), day(4), "four of four; 3 are below 0.8 x 4");
        assert_eq!(at(&[1, 2, 31, 32, 33]), None, "three in thirty days");
        assert_eq!(at(&[1, 49, 50]), day(50), "the smaller limit");
    }

    #[test]
    fn a_plateau_ends_where_thirteen_level_weeks_are_over() {
        let end = Instant(0).plus_days(140);
        let mut weeks = Vec::new();
        let mut at: Vec<(i64, u32)> = Vec::new();
        // 20 uses a week in the weeks that end on days 7 to 140, one more week with 30 at the eighth.
        for week in 0..20_i64 {
            at.extend((0..if week == 3 { 30 } else { 20 }).map(|_| (7 * week + 2, 0)));
        }
        // Whole weeks are 1 to 19; 4 to 16 are the first thirteen level ones: over on day 119.
        assert_eq!(plateau(&uses(&at), end, &mut weeks), Some(Instant(0).plus_days(119)));
        assert_eq!(plateau(&uses(&at[..at.len() - 80]), end, &mut weeks), None);
        assert_eq!(plateau(&[], end, &mut weeks), None);
    }
}
