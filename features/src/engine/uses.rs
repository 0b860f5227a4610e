//! The usage of one account, swept over its dates: every window is a difference of two places.
//!
//! Windows start and end at midnights, so a use is fully placed by its UTC day. The visible uses of an account at a date are
//! (nearly always) the first so many of its rows; with running totals kept per row, a count or a sum over any window is
//! one subtraction. Distinct users and features are kept in windows that roll forward with the date: a row enters each
//! once and leaves it once. So the cost grows with the uses, not with uses x dates x windows.
//!
//! Where uses land out of order, the visible ones at a date may not be the first rows but some of them. Then, for that
//! date alone, the same structure is built from the visible rows; both ways give the same bits, since totals depend on
//! nothing but the visible rows in their order.

mod days;
mod runs;

use std::ops::RangeInclusive;

use crate::facts::UsageFact;
use crate::time::Instant;
use runs::Runs;
pub(crate) use runs::Steps;

/// What a product feature is declared to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FeatureKind {
    pub(crate) in_catalogue: bool,
    pub(crate) advanced: bool,
    pub(crate) integration: bool,
    pub(crate) value_moment: bool,
}

/// Ages in days from `first` to `last`, both included: the window `[as_of - last, as_of - first + 1)`.
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

/// Windows in which users and features are told apart: the last so many days, then the windows before those, which end
/// where those begin.
const ROLLING: [(u32, bool); 6] = [(7, false), (28, false), (90, false), (365, false), (28, true), (90, true)];

/// Place of the last 90 days in [`ROLLING`].
const LAST_90: usize = 2;

fn rolling(days: u32, is_before: bool) -> Option<usize> {
    ROLLING.iter().position(|window| *window == (days, is_before))
}

/// Stands for no user.
const NOBODY: u32 = u32::MAX;

/// Rows `start..end`, and how many of them each user (or feature) has.
#[derive(Debug, Default)]
struct Window {
    start: usize,
    end: usize,
    counts: Vec<u32>,
    distinct: u32,
}

impl Window {
    /// Moves on; both ends only ever grow.
    fn advance(&mut self, start: usize, end: usize, codes: &[u32]) {
        if self.end <= start {
            self.remove(start, codes);
            (self.start, self.end) = (start, start);
        }
        for code in codes[self.end..end].iter().filter(|code| **code != NOBODY) {
            let count = &mut self.counts[*code as usize];
            self.distinct += u32::from(*count == 0);
            *count += 1;
        }
        self.end = end;
        self.remove(start, codes);
    }

    fn remove(&mut self, until: usize, codes: &[u32]) {
        for code in codes[self.start..until.min(self.end)].iter().filter(|code| **code != NOBODY) {
            let count = &mut self.counts[*code as usize];
            *count -= 1;
            self.distinct -= u32::from(*count == 0);
        }
        self.start = until.min(self.end);
    }
}

/// The users, or the features, of an account in the rolling windows.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Global codes, ascending; their places are the local codes.
    globals: Vec<u32>,
    /// Local code of each row.
    codes: Vec<u32>,
    windows: [Window; ROLLING.len()],
}

impl Tally {
    fn new(codes: impl Iterator<Item = Option<u32>> + Clone) -> Self {
        let mut globals: Vec<u32> = codes.clone().flatten().collect();
        globals.sort_unstable();
        globals.dedup();
        let local = |code: u32| globals.binary_search(&code).ok().and_then(|place| u32::try_from(place).ok());
        let codes = codes.map(|code| code.and_then(local).unwrap_or(NOBODY)).collect();
        let windows = std::array::from_fn(|_| Window { counts: vec![0; globals.len()], ..Window::default() });
        Self { globals, codes, windows }
    }

    /// Number of distinct ones in the last `days` days.
    pub(crate) fn distinct(&self, days: u32) -> f64 {
        self.distinct_in(rolling(days, false))
    }

    /// Number of distinct ones in the window before the last `days` days.
    pub(crate) fn distinct_before(&self, days: u32) -> f64 {
        self.distinct_in(rolling(days, true))
    }

    fn distinct_in(&self, window: Option<usize>) -> f64 {
        window.map_or(f64::NAN, |window| f64::from(self.windows[window].distinct))
    }

    /// Each one's part, in the order of the names.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> + Clone {
        (0..self.globals.len()).map(|local| Part { tally: self, local })
    }
}

/// What one user or one feature has of the uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    tally: &'a Tally,
    local: usize,
}

impl Part<'_> {
    /// Whether it was used in the last `days` days.
    pub(crate) fn within(&self, days: u32) -> bool {
        self.is_in(rolling(days, false))
    }

    /// Whether it was used in the window before the last `days` days.
    pub(crate) fn in_before(&self, days: u32) -> bool {
        self.is_in(rolling(days, true))
    }

    /// Uses in the last 90 days.
    pub(crate) fn uses_90d(&self) -> u32 {
        self.tally.windows[LAST_90].counts[self.local]
    }

    fn is_in(&self, window: Option<usize>) -> bool {
        window.is_some_and(|window| self.tally.windows[window].counts[self.local] > 0)
    }
}

/// A running total that is exact beyond the last bit of a double, so that a difference of two does not depend on how
/// much was summed before.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    high: f64,
    low: f64,
}

impl Total {
    /// Error-free addition (Knuth): `high` is the rounded sum, `low` gathers what rounding took away.
    fn plus(self, value: f64) -> Self {
        let high = self.high + value;
        let kept = high - self.high;
        let lost = (self.high - (high - kept)) + (value - kept);
        Self { high, low: self.low + lost }
    }

    fn minus(self, before: Self) -> f64 {
        let difference = self.plus(-before.high);
        difference.high + (difference.low - before.low)
    }
}

/// Rows in the order of their time, with running totals.
#[derive(Debug, Default)]
struct Timeline {
    /// UTC day of each row.
    days: Vec<i64>,
    /// Number of distinct days before the day of each row.
    rank: Vec<u32>,
    /// First row of each distinct day.
    day_starts: Vec<usize>,
    /// Of the rows before each row, and of all.
    quantity: Vec<Total>,
    /// Of the rows before each row, and of all; empty where nothing is declared a value moment.
    value_moments: Vec<u32>,
    /// Rows of each of [`ROLLING`] at the date.
    bounds: [(usize, usize); ROLLING.len()],
    features: Tally,
    /// By local feature.
    kinds: Vec<FeatureKind>,
    users: Tally,
    /// Of each declared workflow.
    runs: Vec<Runs>,
}

impl Timeline {
    fn new<'r>(rows: impl Iterator<Item = &'r UsageFact> + Clone, kinds: &[FeatureKind], workflows: &[Steps]) -> Self {
        let days: Vec<i64> = rows.clone().map(|row| row.at.day()).collect();
        let mut distinct = 0;
        let is_new = |place: usize| place > 0 && days[place] != days[place - 1];
        let rank = (0..days.len()).map(|place| {
            distinct += u32::from(is_new(place));
            distinct
        });
        let rank = rank.collect();
        let day_starts = (0..days.len()).filter(|place| *place == 0 || is_new(*place)).collect();
        let mut total = Total::default();
        let mut quantity = Vec::with_capacity(days.len() + 1);
        quantity.push(total);
        quantity.extend(rows.clone().map(|row| {
            total = total.plus(row.quantity);
            total
        }));
        let kind = |code: u32| kinds.get(code as usize).copied().unwrap_or_default();
        let mut value_moments = Vec::new();
        if kinds.iter().any(|kind| kind.value_moment) {
            let mut count = 0;
            value_moments.push(count);
            value_moments.extend(rows.clone().map(|row| {
                count += u32::from(kind(row.feature).value_moment);
                count
            }));
        }
        let features = Tally::new(rows.clone().map(|row| Some(row.feature)));
        let kinds = features.globals.iter().map(|code| kind(*code)).collect();
        let users = Tally::new(rows.clone().map(|row| row.user));
        let runs = workflows.iter().map(|steps| Runs::of(steps, rows.clone().map(|row| row.feature))).collect();
        let bounds = Default::default();
        Self { days, rank, day_starts, quantity, value_moments, bounds, features, kinds, users, runs }
    }

    /// Rows of the given ages, of the first `visible` ones.
    fn rows(&self, ages: &Ages, today: i64, visible: usize) -> (usize, usize) {
        let days = &self.days[..visible];
        let start = days.partition_point(|day| *day < today - i64::from(*ages.end()));
        let end = start + days[start..].partition_point(|day| *day <= today - i64::from(*ages.start()));
        (start, end)
    }

    /// Brings the rolling windows to a date.
    fn advance(&mut self, today: i64, visible: usize) {
        for (index, (days, is_before)) in ROLLING.into_iter().enumerate() {
            let first_day = today - i64::from(if is_before { 2 * days } else { days });
            // Bounds only ever grow, so a few steps from where they were lead to where they are.
            let mut start = self.bounds[index].0;
            while start < visible && self.days[start] < first_day {
                start += 1;
            }
            let after = ROLLING[..index].iter().position(|earlier| *earlier == (days, false)).filter(|_| is_before);
            let end = after.map_or(visible, |after| self.bounds[after].0);
            self.bounds[index] = (start, end);
            for tally in [&mut self.features, &mut self.users] {
                tally.windows[index].advance(start, end, &tally.codes);
            }
        }
    }
}

/// When rows become visible.
#[derive(Debug)]
enum Order {
    /// One after the other: the visible ones are always the first ones.
    AsTheyHappened,
    /// Not so; for each row the latest instant of it and those before, and the earliest of it and those after.
    Mixed { latest: Vec<Instant>, earliest: Vec<Instant> },
}

fn visible_from(row: &UsageFact) -> Instant {
    row.at.max(row.known_at)
}

impl Order {
    fn of(rows: &[UsageFact]) -> Self {
        if rows.is_sorted_by_key(visible_from) {
            return Self::AsTheyHappened;
        }
        let mut latest: Vec<Instant> = rows.iter().map(visible_from).collect();
        let mut earliest = latest.clone();
        for place in 1..rows.len() {
            latest[place] = latest[place].max(latest[place - 1]);
        }
        for place in (1..rows.len()).rev() {
            earliest[place - 1] = earliest[place - 1].min(earliest[place]);
        }
        Self::Mixed { latest, earliest }
    }

    /// The number of visible rows, if they are the first ones.
    fn first_rows(&self, rows: &[UsageFact], as_of: Instant) -> Option<usize> {
        match self {
            Self::AsTheyHappened => Some(rows.partition_point(|row| visible_from(row) < as_of)),
            Self::Mixed { latest, earliest } => {
                let count = latest.partition_point(|instant| *instant < as_of);
                earliest.get(count).is_none_or(|instant| *instant >= as_of).then_some(count)
            }
        }
    }
}

/// The usage of one account, visited date by date, the earlier date first.
#[derive(Debug)]
pub(crate) struct Uses<'a> {
    rows: &'a [UsageFact],
    kinds: &'a [FeatureKind],
    workflows: &'a [Steps],
    order: Order,
    /// All rows.
    all: Timeline,
    /// The visible rows, where they are not the first ones.
    some: Option<Timeline>,
    /// Number of visible rows.
    visible: usize,
    today: i64,
}

impl<'a> Uses<'a> {
    /// `kinds` holds what each feature code is declared to be, `workflows` the feature codes of each one's steps.
    pub(crate) fn new(rows: &'a [UsageFact], kinds: &'a [FeatureKind], workflows: &'a [Steps]) -> Self {
        let all = Timeline::new(rows.iter(), kinds, workflows);
        Self { rows, kinds, workflows, order: Order::of(rows), all, some: None, visible: 0, today: i64::MIN }
    }

    /// Goes on to what is visible at `as_of`, which must not be earlier than the date before.
    pub(crate) fn advance(&mut self, as_of: Instant) {
        self.today = as_of.day();
        if let Some(count) = self.order.first_rows(self.rows, as_of) {
            self.visible = count;
            self.some = None;
            self.all.advance(self.today, count);
            return;
        }
        let visible = self.rows.iter().filter(|row| visible_from(row) < as_of);
        let mut some = Timeline::new(visible, self.kinds, self.workflows);
        self.visible = some.days.len();
        some.advance(self.today, self.visible);
        self.some = Some(some);
    }

    fn timeline(&self) -> &Timeline {
        self.some.as_ref().unwrap_or(&self.all)
    }

    fn rows_of(&self, ages: &Ages) -> (usize, usize) {
        let timeline = self.timeline();
        match ROLLING.iter().position(|(days, is_before)| !is_before && *ages == last(*days)) {
            Some(window) => timeline.bounds[window],
            None => timeline.rows(ages, self.today, self.visible),
        }
    }

    /// Age of the first visible use ever.
    pub(crate) fn first_age(&self) -> Option<i64> {
        self.timeline().days[..self.visible].first().map(|day| self.today - day)
    }

    /// Age of the last visible use ever.
    pub(crate) fn last_age(&self) -> Option<i64> {
        self.timeline().days[..self.visible].last().map(|day| self.today - day)
    }

    /// UTC day of the first visible use of a value moment.
    pub(crate) fn first_value_moment_day(&self) -> Option<i64> {
        let timeline = self.timeline();
        let before = timeline.value_moments.get(..=self.visible)?.partition_point(|count| *count == 0);
        timeline.days[..self.visible].get(before.checked_sub(1)?).copied()
    }

    /// Number of uses.
    pub(crate) fn events(&self, ages: Ages) -> f64 {
        let (start, end) = self.rows_of(&ages);
        whole(end - start)
    }

    /// Sum of quantities.
    pub(crate) fn quantity(&self, ages: Ages) -> f64 {
        let (start, end) = self.rows_of(&ages);
        let totals = &self.timeline().quantity;
        totals[end].minus(totals[start])
    }

    /// Number of uses of value moments.
    pub(crate) fn value_moments(&self, ages: Ages) -> f64 {
        let (start, end) = self.rows_of(&ages);
        let totals = &self.timeline().value_moments;
        if totals.is_empty() { 0.0 } else { f64::from(totals[end] - totals[start]) }
    }

    /// Number of days with a use.
    pub(crate) fn active_days(&self, ages: Ages) -> f64 {
        let (start, end) = self.rows_of(&ages);
        let rank = &self.timeline().rank;
        if start == end { 0.0 } else { f64::from(rank[end - 1] - rank[start] + 1) }
    }

    /// The longest run of days without a use among `ages`.
    pub(crate) fn longest_gap(&self, ages: Ages) -> f64 {
        let (first, last) = (self.today - i64::from(*ages.end()), self.today - i64::from(*ages.start()));
        let (start, end) = self.rows_of(&ages);
        let (mut longest, mut before) = (0, first - 1);
        for day in self.timeline().days[start..end].iter().chain([&(last + 1)]) {
            longest = longest.max(day - before - 1);
            before = *day;
        }
        whole(usize::try_from(longest).unwrap_or(0))
    }

    /// Uses of each of the last `weeks` weeks, the latest first.
    pub(crate) fn weekly_events(&self, weeks: u32) -> Vec<f64> {
        (0..weeks).map(|week| self.events(7 * week + 1..=7 * week + 7)).collect()
    }

    /// Quantity of each of the last `weeks` weeks, the latest first.
    pub(crate) fn weekly_quantity(&self, weeks: u32) -> Vec<f64> {
        (0..weeks).map(|week| self.quantity(7 * week + 1..=7 * week + 7)).collect()
    }

    /// The account's users.
    pub(crate) fn users(&self) -> &Tally {
        &self.timeline().users
    }

    /// The account's features.
    pub(crate) fn features(&self) -> &Tally {
        &self.timeline().features
    }

    /// Number of distinct features of the last `days` days that are of a kind.
    pub(crate) fn features_of_kind(&self, days: u32, is: impl Fn(&FeatureKind) -> bool) -> f64 {
        let parts = self.features().parts().zip(&self.timeline().kinds);
        count(parts.filter(|(part, kind)| part.within(days) && is(kind)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn whole(number: usize) -> f64 {
    number as f64
}

/// How many, as a number to compute with.
pub(crate) fn count<T>(items: impl Iterator<Item = T>) -> f64 {
    whole(items.count())
}
