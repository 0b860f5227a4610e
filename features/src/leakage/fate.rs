//! What became of each account, as known in the end: the outcome that nothing written earlier may tell.

use crate::engine::account::AccountHistory;
use crate::engine::versions::Versions;
use crate::facts::{Facts, SubscriptionFact};
use crate::label::{Event, TargetDefinition};
use crate::time::Instant;

use super::statistics::{number, quantile_groups};

const END_OF_TIME: Instant = Instant(i64::MAX);

/// Days without a use that end an account of a business without subscriptions.
pub(crate) const SILENT_DAYS: i64 = 90;

/// What became of every account.
#[derive(Debug)]
pub(crate) struct Fates {
    /// The final end: MRR reached 0 and never came back; where there are no subscriptions, the last use.
    pub(crate) end: Vec<Option<Instant>>,
    /// Whether ends are those of subscriptions.
    pub(crate) by_subscription: bool,
    /// The last instant of which anything is known.
    pub(crate) data_end: Instant,
    /// Accounts that started at about the same time share a stratum.
    pub(crate) strata: Vec<u32>,
}

impl Fates {
    pub(crate) fn of(facts: &Facts, targets: &[TargetDefinition]) -> Self {
        let data_end = data_end(facts);
        let by_subscription = facts.subscriptions.is_some();
        let grace = targets.iter().filter(|target| target.event == Event::SubscriptionEnd).map(|one| one.grace_days);
        let grace_days = i64::from(grace.max().unwrap_or(14));
        let (mut start, mut end) = (Vec::new(), Vec::new());
        for account in 0..facts.accounts.len() {
            let history = AccountHistory::before(facts, account, END_OF_TIME);
            start.push(history.start(END_OF_TIME));
            end.push(if by_subscription {
                subscription_end(history.subscriptions).filter(|end| end.plus_days(grace_days) <= data_end)
            } else {
                history.usage.last().map(|row| row.at).filter(|at| at.plus_days(SILENT_DAYS) <= data_end)
            });
        }
        let strata = quantile_groups(&start, (start.len() / 50).clamp(1, 20));
        Self { end, by_subscription, data_end, strata }
    }

    /// Accounts that ended.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (usize, Instant)> + '_ {
        self.end.iter().enumerate().filter_map(|(account, end)| Some((account, (*end)?)))
    }

    /// Share of the accounts that ended.
    pub(crate) fn ended_share(&self) -> f64 {
        number(self.ended().count()) / number(self.end.len().max(1))
    }
}

/// From when on the MRR is 0 for good.
fn subscription_end(rows: &[SubscriptionFact]) -> Option<Instant> {
    let held = Versions::new(rows).held(END_OF_TIME, END_OF_TIME);
    let last_paid = held.iter().rposition(|row| row.mrr > 0.0)?;
    held.get(last_paid + 1).map(|row| row.effective_at)
}

/// The last instant at which a use, or else a change of a subscription, became known.
fn data_end(facts: &Facts) -> Instant {
    let usage = facts.usage.iter().flat_map(|table| &table.rows).map(|row| row.known_at).max();
    let others = || {
        let subscriptions = facts.subscriptions.iter().flat_map(|table| &table.rows).map(|row| row.known_at);
        let invoices = facts.invoices.iter().flat_map(|table| &table.rows).map(|row| row.known_at);
        subscriptions.chain(invoices).max()
    };
    usage.or_else(others).unwrap_or(Instant::MIN)
}
