//! How much the account uses the product: the last 30 days against the 30 before, the quarter before and a year ago.
//!
//! A window in which the account was not a customer for its whole length, or which begins before uses are on record, is not
//! known: it would read as little use.

use std::collections::BTreeSet;

use bellwether_features::time::Instant;
use chrono::NaiveDate;

use super::AccountInput;

/// Length of a window in days.
const WINDOW_DAYS: i64 = 30;
/// A year with the same weekdays.
const YEAR_DAYS: i64 = 364;
/// Weeks that are drawn.
const WEEKS: i64 = 53;

/// Use within 30 days; of several windows, their mean.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UsageSums {
    /// Uses.
    pub events: f64,
    /// Sum of their quantities.
    pub quantity: f64,
    /// Days with a use.
    pub active_days: f64,
    /// Different users; 0 where the table has none.
    pub users: f64,
    /// Different features.
    pub features: f64,
}

/// Uses of a week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeekOfUse {
    /// Its first day; a week ends with the day before the date of the page, or with that of the next week.
    pub begins: NaiveDate,
    /// Uses.
    pub events: u64,
}

/// Use over time; `None` where a window is not wholly on record.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Last 30 days.
    pub now: Option<UsageSums>,
    /// The 30 before.
    pub before: Option<UsageSums>,
    /// Mean of the three windows of 30 days before the last one.
    pub quarter_before: Option<UsageSums>,
    /// The same 30 days 364 days earlier.
    pub year_before: Option<UsageSums>,
    /// Last use.
    pub last: Option<Instant>,
    /// Ascending; the weeks of the last year that are on record.
    pub weeks: Vec<WeekOfUse>,
}

impl Usage {
    pub(super) fn of(input: &AccountInput<'_>) -> Option<Self> {
        input.facts.usage.as_ref()?;
        let moment = input.moment();
        let since = [input.facts.usage_begins_at(input.as_of), input.facts.start_of_account(input.account, moment)];
        // The day on which both are there is the first one of which all is known.
        let since = since.into_iter().collect::<Option<Vec<_>>>()?.into_iter().map(Instant::day).max()?;
        let known = |from: Instant| from.day() >= since;
        let window = |days_ago: i64| -> Option<UsageSums> {
            let until = moment.plus_days(-days_ago);
            let from = until.plus_days(-WINDOW_DAYS);
            known(from).then(|| sums(input, from, until))
        };
        let week = |ago: i64| -> Option<WeekOfUse> {
            let from = moment.plus_days(-7 * ago);
            let events = || input.facts.visible_uses(input.account, from, from.plus_days(7), moment).count();
            Some(WeekOfUse { begins: from.date()?, events: known(from).then(events)? as u64 })
        };
        let three: Option<Vec<UsageSums>> = (1..=3).map(|place| window(place * WINDOW_DAYS)).collect();
        let last = input.facts.visible_uses(input.account, Instant::MIN, moment, moment).last();
        Some(Self {
            now: window(0),
            before: window(WINDOW_DAYS),
            quarter_before: three.map(|three| mean(&three)),
            year_before: window(YEAR_DAYS),
            last: last.map(|one| one.at),
            weeks: (1..=WEEKS).rev().filter_map(week).collect(),
        })
    }
}

fn sums(input: &AccountInput<'_>, from: Instant, until: Instant) -> UsageSums {
    let mut sums = UsageSums::default();
    let (mut days, mut users, mut features) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for one in input.facts.visible_uses(input.account, from, until, input.moment()) {
        sums.events += 1.0;
        sums.quantity += one.quantity;
        days.insert(one.at.day());
        users.extend(one.user);
        features.insert(one.feature);
    }
    UsageSums { active_days: days.len() as f64, users: users.len() as f64, features: features.len() as f64, ..sums }
}

fn mean(windows: &[UsageSums]) -> UsageSums {
    let of = |value: fn(&UsageSums) -> f64| windows.iter().map(value).sum::<f64>() / windows.len() as f64;
    UsageSums {
        events: of(|one| one.events),
        quantity: of(|one| one.quantity),
        active_days: of(|one| one.active_days),
        users: of(|one| one.users),
        features: of(|one| one.features),
    }
}
