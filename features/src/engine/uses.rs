//! The usage of one account at one date: one pass over the look-back, then every window is a short sum.
//!
//! Windows start and end at midnights, so a use is fully placed by its **age**: the number of days from its UTC day to
//! `as_of` (yesterday is 1). Counts by age give every window of counts; the age of the last use of each user and feature
//! gives every window of distinct users and features at once. A pass costs one step per visible use of the last
//! [`LOOK_BACK_DAYS`], for any number of windows.

use std::ops::RangeInclusive;

use crate::facts::UsageFact;
use crate::time::Instant;

/// The longest look-back of any usage window: 28 days a year (364 days) ago.
pub(crate) const LOOK_BACK_DAYS: u32 = 392;
const AGES: usize = LOOK_BACK_DAYS as usize + 1;

/// What a product feature is declared to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FeatureKind {
    pub(crate) in_catalogue: bool,
    pub(crate) advanced: bool,
    pub(crate) integration: bool,
    pub(crate) value_moment: bool,
}

/// Ages from `first` to `last` days, both included: the window `[as_of - last, as_of - first + 1)`.
pub(crate) type Ages = RangeInclusive<u32>;

/// The last `days` days.
pub(crate) fn last(days: u32) -> Ages {
    1..=days
}

/// The window of the same length before the last `days` days.
pub(crate) fn before(days: u32) -> Ages {
    days + 1..=2 * days
}

/// The last `days` days, 364 days earlier.
pub(crate) fn year_ago(days: u32) -> Ages {
    365..=364 + days
}

/// What is remembered of one user or one feature.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trace {
    /// Age of the last visible use; 0 for none within the look-back.
    pub(crate) age: u32,
    /// Uses in the last 90 days.
    pub(crate) uses_90d: u64,
    /// Used 29 to 56 days ago.
    pub(crate) before_28d: bool,
    /// Used 91 to 180 days ago.
    pub(crate) before_90d: bool,
}

impl Trace {
    /// Whether it was used in the last `days` days.
    pub(crate) fn within(&self, days: u32) -> bool {
        self.age >= 1 && self.age <= days
    }

    /// Whether it was used in the window before the last `days` days (28 or 90).
    pub(crate) fn in_before(&self, days: u32) -> bool {
        if days == 28 { self.before_28d } else { self.before_90d }
    }

    fn note(&mut self, age: u32) {
        self.age = age;
        self.uses_90d += u64::from(age <= 90);
        self.before_28d |= before(28).contains(&age);
        self.before_90d |= before(90).contains(&age);
    }
}

/// Global codes made dense within an account: local codes ascend with the global ones.
fn dense(codes: impl Iterator<Item = Option<u32>> + Clone) -> (Vec<u32>, Vec<Option<u32>>) {
    let mut distinct: Vec<u32> = codes.clone().flatten().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let local = |code: u32| distinct.binary_search(&code).ok().and_then(|place| u32::try_from(place).ok());
    let locals = codes.map(|code| code.and_then(local)).collect();
    (distinct, locals)
}

/// The usage of one account, prepared once for all dates.
#[derive(Debug)]
pub(crate) struct AccountUses<'a> {
    rows: &'a [UsageFact],
    /// Local user of each row.
    users: Vec<Option<u32>>,
    user_count: usize,
    /// Local feature of each row.
    features: Vec<Option<u32>>,
    kinds: Vec<FeatureKind>,
}

impl<'a> AccountUses<'a> {
    /// `kinds` holds what each feature code is declared to be.
    pub(crate) fn new(rows: &'a [UsageFact], kinds: &[FeatureKind]) -> Self {
        let (user_codes, users) = dense(rows.iter().map(|row| row.user));
        let (feature_codes, features) = dense(rows.iter().map(|row| Some(row.feature)));
        let kind = |code: &u32| kinds.get(*code as usize).copied().unwrap_or_default();
        let kinds = feature_codes.iter().map(kind).collect();
        Self { rows, users, user_count: user_codes.len(), features, kinds }
    }

    /// When the first visible use of a value moment was.
    pub(crate) fn first_value_moment(&self, as_of: Instant) -> Option<Instant> {
        let mut happened = self.rows.iter().zip(&self.features).take_while(|(row, _)| row.at < as_of);
        happened.find(|(row, feature)| row.known_at < as_of && self.kind(**feature).value_moment).map(|(row, _)| row.at)
    }

    fn kind(&self, feature: Option<u32>) -> FeatureKind {
        feature.and_then(|local| self.kinds.get(local as usize)).copied().unwrap_or_default()
    }
}

/// The uses visible at one date.
#[derive(Debug)]
pub(crate) struct Uses {
    events: Vec<u64>,
    quantity: Vec<f64>,
    value_moments: Vec<u64>,
    /// By local feature, with what it is declared to be.
    pub(crate) features: Vec<(Trace, FeatureKind)>,
    /// By local user.
    pub(crate) users: Vec<Trace>,
    /// Age of the first visible use ever.
    pub(crate) first_age: Option<i64>,
    /// Age of the last visible use ever.
    pub(crate) last_age: Option<i64>,
}

impl Uses {
    /// Gathers what is visible at `as_of`.
    pub(crate) fn gather(account: &AccountUses<'_>, as_of: Instant) -> Self {
        let mut uses = Self {
            events: vec![0; AGES],
            quantity: vec![0.0; AGES],
            value_moments: vec![0; AGES],
            features: account.kinds.iter().map(|kind| (Trace::default(), *kind)).collect(),
            users: vec![Trace::default(); account.user_count],
            first_age: None,
            last_age: None,
        };
        let end = account.rows.partition_point(|row| row.at < as_of);
        let start = account.rows[..end].partition_point(|row| row.at < as_of.plus_days(-i64::from(LOOK_BACK_DAYS)));
        for index in start..end {
            uses.note(account, index, as_of);
        }
        let visible = |row: &&UsageFact| row.known_at < as_of;
        let age = |row: &UsageFact| as_of.day() - row.at.day();
        uses.first_age = account.rows[..end].iter().find(visible).map(age);
        uses.last_age = account.rows[..end].iter().rev().find(visible).map(age);
        uses
    }

    fn note(&mut self, account: &AccountUses<'_>, index: usize, as_of: Instant) {
        let row = &account.rows[index];
        if row.known_at >= as_of {
            return;
        }
        let days = u32::try_from(as_of.day() - row.at.day()).unwrap_or(0);
        let age = days as usize;
        self.events[age] += 1;
        self.quantity[age] += row.quantity;
        if let Some(feature) = account.features[index] {
            let (trace, kind) = &mut self.features[feature as usize];
            trace.note(days);
            self.value_moments[age] += u64::from(kind.value_moment);
        }
        if let Some(user) = account.users[index] {
            self.users[user as usize].note(days);
        }
    }

    /// Number of uses.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(crate) fn events(&self, ages: Ages) -> f64 {
        self.events[places(ages)].iter().sum::<u64>() as f64
    }

    /// Sum of quantities, from the latest day to the earliest.
    pub(crate) fn quantity(&self, ages: Ages) -> f64 {
        self.quantity[places(ages)].iter().sum()
    }

    /// Number of uses of value moments.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(crate) fn value_moments(&self, ages: Ages) -> f64 {
        self.value_moments[places(ages)].iter().sum::<u64>() as f64
    }

    /// Number of days with a use.
    pub(crate) fn active_days(&self, ages: Ages) -> f64 {
        count(self.events[places(ages)].iter().filter(|events| **events > 0))
    }

    /// The longest run of days without a use among `ages`.
    pub(crate) fn longest_gap(&self, ages: Ages) -> f64 {
        count(self.events[places(ages)].split(|events| *events > 0).max_by_key(|gap| gap.len()).unwrap_or(&[]).iter())
    }

    /// Uses of each of the last `weeks` weeks, the latest first.
    pub(crate) fn weekly_events(&self, weeks: u32) -> Vec<f64> {
        (0..weeks).map(|week| self.events(7 * week + 1..=7 * week + 7)).collect()
    }

    /// Quantity of each of the last `weeks` weeks, the latest first.
    pub(crate) fn weekly_quantity(&self, weeks: u32) -> Vec<f64> {
        (0..weeks).map(|week| self.quantity(7 * week + 1..=7 * week + 7)).collect()
    }

    /// Number of distinct features that `choose` accepts.
    pub(crate) fn count_features(&self, choose: impl Fn(&Trace, &FeatureKind) -> bool) -> f64 {
        count(self.features.iter().filter(|(trace, kind)| choose(trace, kind)))
    }

    /// Number of distinct users that `choose` accepts.
    pub(crate) fn count_users(&self, choose: impl Fn(&Trace) -> bool) -> f64 {
        count(self.users.iter().filter(|trace| choose(trace)))
    }
}

fn places(ages: Ages) -> RangeInclusive<usize> {
    *ages.start() as usize..=*ages.end() as usize
}

/// How many, as a number to compute with.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn count<T>(items: impl Iterator<Item = T>) -> f64 {
    items.count() as f64
}
