//! Labels by their words, with no code of the engine.

use bellwether_features::label::{Event, OutcomeTime, TargetDefinition};

use crate::calendar::DAY;
use crate::seen::{Seen, timeline};
use crate::world::{SubscriptionRow, UsageRow, World};

/// The label window of one account, in microseconds.
struct Case<'w> {
    world: &'w World,
    target: &'w TargetDefinition,
    account: usize,
    start: i64,
    end: i64,
    known_before: i64,
    /// MRR visible at the date, if above 0.
    mrr: Option<f64>,
}

/// The label and the uplift.
pub(crate) fn expected(
    world: &World,
    account: usize,
    day: i64,
    target: &TargetDefinition,
    known_before_day: i64,
) -> (Option<bool>, Option<f64>) {
    let interval = i64::from(target.horizon_days + target.grace_days + target.landing_delay_days);
    if day + interval > known_before_day {
        return (None, None);
    }
    let case = Case {
        world,
        target,
        account,
        start: day * DAY,
        end: (day + i64::from(target.horizon_days)) * DAY,
        known_before: known_before_day * DAY,
        mrr: Seen::of(world, account, day).subscription().map(|row| row.mrr).filter(|mrr| *mrr > 0.0),
    };
    match target.event {
        Event::SubscriptionEnd => (case.ended(), None),
        Event::Inactivity => (Some(case.uses(case.start, case.end).is_empty()), None),
        Event::MrrIncrease { ratio, min_absolute } => case.grew(ratio, min_absolute),
        Event::ActiveUsersIncrease { ratio, min_absolute } => {
            let users =
                |rows: &[&UsageRow]| (0..8).filter(|u| rows.iter().any(|row| row.user == Some(*u))).count() as f64;
            (case.busier(ratio, min_absolute, users), None)
        }
        Event::QuantityIncrease { ratio, min_absolute } => {
            let quantity = |rows: &[&UsageRow]| rows.iter().map(|row| row.quantity).sum();
            (case.busier(ratio, min_absolute, quantity), None)
        }
        Event::Given => (None, None),
    }
}

fn enough(baseline: f64, value: f64, ratio: f64, min_absolute: f64) -> bool {
    value + 1e-6 >= ratio * baseline && value + 1e-6 >= baseline + min_absolute
}

impl<'w> Case<'w> {
    fn placed(&self, at: i64, known: i64) -> i64 {
        if self.target.time == OutcomeTime::Known { known } else { at }
    }

    fn in_window(&self, time: i64) -> bool {
        self.start <= time && time < self.end
    }

    fn uses(&self, from: i64, to: i64) -> Vec<&'w UsageRow> {
        let mut found = Vec::new();
        for row in &self.world.usage {
            let time = self.placed(row.at, row.known);
            if row.account == self.account && row.known < self.known_before && from <= time && time < to {
                found.push(row);
            }
        }
        found
    }

    fn busier(&self, ratio: f64, min_absolute: f64, measure: impl Fn(&[&UsageRow]) -> f64) -> Option<bool> {
        let baseline = measure(&self.uses(self.start - (self.end - self.start), self.start));
        let value = measure(&self.uses(self.start, self.end));
        if baseline > 0.0 { Some(enough(baseline, value, ratio, min_absolute)) } else { None }
    }

    fn rows(&self) -> Vec<&'w SubscriptionRow> {
        timeline(&self.world.subscriptions, self.account, i64::MAX, self.known_before)
    }

    /// When the outcome of a row was first known: the first of its versions that says so.
    fn first_known(&self, row: &SubscriptionRow, says: impl Fn(f64) -> bool) -> i64 {
        let versions =
            self.world.subscriptions.iter().filter(|other| other.account == row.account && other.at == row.at);
        versions.filter(|other| says(other.mrr)).map(|other| other.known).min().unwrap()
    }

    fn ended(&self) -> Option<bool> {
        self.mrr?;
        let rows = self.rows();
        let mut gone_before = false;
        for (place, row) in rows.iter().enumerate() {
            let was_zero = place > 0 && rows[place - 1].mrr <= 0.0;
            let grace_end = row.at + i64::from(self.target.grace_days) * DAY;
            let comes_back = rows.iter().any(|later| later.mrr > 0.0 && later.at > row.at && later.at < grace_end);
            if row.mrr > 0.0 || was_zero || comes_back {
                continue;
            }
            let time = self.placed(row.at, self.first_known(row, |mrr| mrr <= 0.0));
            if self.in_window(time) {
                return Some(true);
            }
            let back_by_start = rows.iter().any(|later| later.mrr > 0.0 && later.at > row.at && later.at <= self.start);
            gone_before = gone_before || (time < self.start && !back_by_start);
        }
        if gone_before { None } else { Some(false) }
    }

    fn grew(&self, ratio: f64, min_absolute: f64) -> (Option<bool>, Option<f64>) {
        let Some(baseline) = self.mrr else { return (None, None) };
        let rows = self.rows();
        let mut highest: Option<f64> = None;
        for (place, row) in rows.iter().enumerate() {
            let says = |mrr: f64| enough(baseline, mrr, ratio, min_absolute);
            let over_by_start = rows.get(place + 1).is_some_and(|next| next.at <= self.start);
            if !says(row.mrr) || over_by_start {
                continue;
            }
            let counts = match self.target.time {
                OutcomeTime::Known => self.in_window(self.first_known(row, says)),
                // In force at some moment of the window.
                OutcomeTime::Event => row.at < self.end,
            };
            if counts {
                highest = Some(highest.unwrap_or(0.0).max(row.mrr));
            }
        }
        (Some(highest.is_some()), highest.map(|mrr| (mrr - baseline) / baseline))
    }
}
