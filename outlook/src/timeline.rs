//! What an account paid when, as known at `as_of`.
//!
//! For each effective time the version known last holds. A gap in which nothing is paid, shorter than the grace period and
//! over before `as_of`, is a late renewal and no churn: what was paid before it is taken to go on.

use bellwether_features::contract::TableName;
use bellwether_features::facts::{BillingPeriod, Facts, SubscriptionFact};
use bellwether_features::time::Instant;

use crate::money::Cents;

/// A stretch of time with one subscription in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// From when.
    pub from: Instant,
    /// Monthly recurring revenue; zero when nothing is paid.
    pub mrr: Cents,
    /// Plan, code into [`Facts::plans`].
    pub plan: Option<u32>,
    /// Seats.
    pub seats: Option<f64>,
    /// Billing period.
    pub billing_period: Option<BillingPeriod>,
}

/// The stretches of one account, in order of time; each holds until the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    stretches: Vec<Stretch>,
}

impl Timeline {
    /// The timeline of an account as known before `as_of`, up to `as_of`. `grace_days`: how short a gap is no churn.
    #[must_use]
    pub fn of(facts: &Facts, account: usize, as_of: Instant, grace_days: u32) -> Self {
        let Some(subscriptions) = &facts.subscriptions else { return Self::default() };
        if facts.count_since(TableName::Subscriptions, account) >= as_of {
            return Self::default();
        }
        Self::new(subscriptions.of(account), as_of, grace_days)
    }

    /// As [`Timeline::of`], from rows sorted by effective time, then knowledge time.
    #[must_use]
    pub fn new(rows: &[SubscriptionFact], as_of: Instant, grace_days: u32) -> Self {
        let mut stretches: Vec<Stretch> = Vec::new();
        let visible = rows.iter().filter(|row| row.effective_at < as_of && row.known_at < as_of);
        for row in visible {
            let stretch = Stretch {
                from: row.effective_at,
                mrr: Cents::from_amount(row.mrr.max(0.0)),
                plan: row.plan,
                seats: row.seats,
                billing_period: row.billing_period,
            };
            match stretches.last_mut() {
                // A later version of the same row.
                Some(last) if last.from == stretch.from => *last = stretch,
                _ => stretches.push(stretch),
            }
        }
        bridge(&mut stretches, grace_days);
        Self { stretches }
    }

    /// All stretches.
    #[must_use]
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// What was in force just before `moment`.
    #[must_use]
    pub fn before(&self, moment: Instant) -> Option<&Stretch> {
        let index = self.stretches.partition_point(|stretch| stretch.from < moment);
        index.checked_sub(1).map(|last| &self.stretches[last])
    }

    /// MRR just before `moment`.
    #[must_use]
    pub fn mrr_before(&self, moment: Instant) -> Cents {
        self.before(moment).map_or(Cents::ZERO, |stretch| stretch.mrr)
    }

    /// When the account first paid.
    #[must_use]
    pub fn first_paid(&self) -> Option<Instant> {
        self.stretches.iter().find(|stretch| stretch.mrr > Cents::ZERO).map(|stretch| stretch.from)
    }
}

/// Fills gaps that are shorter than the grace period with what was there before them.
fn bridge(stretches: &mut Vec<Stretch>, grace_days: u32) {
    let mut index = 1;
    while index < stretches.len() {
        let is_gap = stretches[index].mrr == Cents::ZERO && stretches[index - 1].mrr > Cents::ZERO;
        let back = stretches[index..].iter().position(|stretch| stretch.mrr > Cents::ZERO).map(|ahead| index + ahead);
        match back {
            Some(back) if is_gap && stretches[back].from < stretches[index].from.plus_days(i64::from(grace_days)) => {
                stretches.drain(index..back);
            }
            _ => index += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(day: i64, known_day: i64, mrr: f64) -> SubscriptionFact {
        SubscriptionFact {
            effective_at: Instant(0).plus_days(day),
            known_at: Instant(0).plus_days(known_day),
            mrr,
            plan: None,
            seats: None,
            billing_period: None,
            renews_at: None,
            usage_limit: None,
            discount: None,
            list_price: None,
            auto_renew: None,
        }
    }

    fn day(day: i64) -> Instant {
        Instant(0).plus_days(day)
    }

    fn paid(rows: &[SubscriptionFact], as_of: i64, grace_days: u32) -> Vec<(Instant, i64)> {
        let timeline = Timeline::new(rows, day(as_of), grace_days);
        timeline.stretches().iter().map(|stretch| (stretch.from, stretch.mrr.0)).collect()
    }

    #[test]
    fn a_late_renewal_is_no_churn_once_it_is_known() {
        let rows = [row(0, 0, 10.0), row(30, 30, 0.0), row(43, 43, 12.0), row(60, 60, 0.0), row(74, 74, 9.0)];
        assert_eq!(paid(&rows, 40, 14), [(day(0), 1_000), (day(30), 0)], "nobody knows yet that it comes back");
        let later = [(day(0), 1_000), (day(43), 1_200), (day(60), 0), (day(74), 900)];
        assert_eq!(paid(&rows, 80, 14), later, "a gap as long as the grace period is churn");
    }

    #[test]
    fn what_is_known_later_does_not_hold_yet() {
        let rows = [row(0, 0, 10.0), row(0, 20, 15.0), row(10, 10, 20.0)];
        assert_eq!(paid(&rows, 15, 0), [(day(0), 1_000), (day(10), 2_000)]);
        assert_eq!(paid(&rows, 21, 0), [(day(0), 1_500), (day(10), 2_000)]);
        let timeline = Timeline::new(&rows, day(21), 0);
        assert_eq!(timeline.mrr_before(day(10)), Cents(1_500), "what begins at a moment is not in force before it");
        assert_eq!(timeline.mrr_before(day(0)), Cents::ZERO);
        assert_eq!(timeline.first_paid(), Some(day(0)));
    }
}
