//! What is told by single days: how busy each was, and what had been used up by its end.

use super::{Ages, Uses, count, whole};

impl Uses<'_> {
    /// Number of uses of each day with use among `ages`, the earliest day first.
    pub(crate) fn daily_events(&self, ages: Ages) -> impl Iterator<Item = usize> + '_ {
        let timeline = self.timeline();
        let (start, end) = self.rows_of(&ages);
        let rank = |row: usize| timeline.rank[row] as usize;
        let days = if start == end { 0..0 } else { rank(start)..rank(end - 1) + 1 };
        days.map(move |day| {
            let next = timeline.day_starts.get(day + 1).copied().unwrap_or(end);
            next.min(end) - timeline.day_starts[day]
        })
    }

    /// Of the last `days` days, those by whose end the quantity of the `span` days up to them was at least `limit`.
    pub(crate) fn days_at_limit(&self, days: u32, span: u32, limit: f64) -> f64 {
        let timeline = self.timeline();
        let first = self.today - i64::from(days);
        let (oldest, _) = self.rows_of(&(1..=days + span - 1));
        // Both ends move on from one day with use to the next.
        let day_of = |row: usize| timeline.days[..self.visible].get(row).copied().unwrap_or(i64::MAX);
        let next_day = |row: usize| {
            let rank = timeline.rank[row] as usize;
            timeline.day_starts.get(rank + 1).copied().unwrap_or(self.visible).min(self.visible)
        };
        let (mut start, mut end) = (oldest, oldest);
        let is_at = |day: i64| {
            while day_of(end) <= day {
                end = next_day(end);
            }
            while day_of(start) <= day - i64::from(span) {
                start = next_day(start);
            }
            timeline.quantity[end].minus(timeline.quantity[start]) >= limit
        };
        let at: Vec<bool> = (first..self.today).map(is_at).collect();
        count(at.into_iter().filter(|at| *at))
    }

    /// Days with use in the last `days` days on which less (more) was done than on the tenth (ninetieth) of a hundred
    /// usual ones: the nearest-rank percentiles of the days with use among `usual`. `None` with fewer than `least` of those.
    pub(crate) fn unusual_days(&self, days: u32, usual: Ages, least: usize) -> Option<(f64, f64)> {
        let mut usual: Vec<usize> = self.daily_events(usual).collect();
        let days_with_use = usual.len();
        if days_with_use < least.max(1) {
            return None;
        }
        let tenth = *usual.select_nth_unstable(days_with_use.div_ceil(10) - 1).1;
        let ninetieth = *usual.select_nth_unstable((9 * days_with_use).div_ceil(10) - 1).1;
        let (mut low, mut high) = (0, 0);
        for events in self.daily_events(super::last(days)) {
            low += usize::from(events < tenth);
            high += usize::from(events > ninetieth);
        }
        Some((whole(low), whole(high)))
    }
}
