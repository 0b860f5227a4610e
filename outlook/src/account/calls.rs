//! The call list: the accounts that a team can call and that hold the most.
//!
//! What an account holds is its MRR at risk plus its expected expansion; as many accounts as can be called, those with the
//! most first, hold the most that so many accounts can. Worth of intervening does not rank: it is known only where a play
//! declares its save rate and cost, and a list ranked by it would put the declared before the rest. It stands beside.

use std::collections::BTreeMap;

use super::AccountRow;
use super::reasons::TOLD;
use crate::scored::Reason;

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFor {
    /// More is at risk than may be gained.
    Churn,
    /// More may be gained than is at risk.
    Expansion,
}

impl CallFor {
    /// Name in tables; the targets whose names begin so give the reasons.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Churn => "churn",
            Self::Expansion => "expansion",
        }
    }
}

/// One account to call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Place of the account in the rows.
    pub account: usize,
    /// MRR at risk plus expected expansion, per month.
    pub stake: f64,
    /// What the call is about.
    pub about: CallFor,
    /// Why, strongest first: of the probability that the call is about.
    pub reasons: Vec<Reason>,
}

/// What an account holds; `None` where nothing is known of it.
fn stake(row: &AccountRow<'_>) -> Option<f64> {
    let (at_risk, expansion) = (row.scored.mrr_at_risk, row.scored.expected_expansion_mrr);
    at_risk.or(expansion)?;
    Some(at_risk.unwrap_or(0.0) + expansion.unwrap_or(0.0))
}

/// The `capacity` accounts that hold the most, most first; ties by account id. An account that holds nothing is not called.
#[must_use]
pub fn calls(rows: &[AccountRow<'_>], capacity: usize) -> Vec<Call> {
    let held = rows.iter().enumerate().filter_map(|(place, row)| Some((place, stake(row)?)));
    let mut held: Vec<(usize, f64)> = held.filter(|(_, stake)| *stake > 0.0).collect();
    // Places are in the order of ids.
    let order = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0));
    if capacity < held.len() {
        held.select_nth_unstable_by(capacity, order);
        held.truncate(capacity);
    }
    held.sort_by(order);
    let about = |row: &AccountRow<'_>| {
        let expansion = row.scored.expected_expansion_mrr.unwrap_or(0.0);
        if expansion > row.scored.mrr_at_risk.unwrap_or(0.0) { CallFor::Expansion } else { CallFor::Churn }
    };
    held.into_iter()
        .map(|(account, stake)| Call { account, stake, about: about(&rows[account]), reasons: Vec::new() })
        .collect()
}

/// What all accounts hold together.
#[must_use]
pub fn held_by_all(rows: &[AccountRow<'_>]) -> f64 {
    rows.iter().filter_map(stake).sum()
}

/// Puts the reasons to the calls. `target`: the place of the target of what a call is about.
pub(crate) fn explain(
    calls: &mut [Call],
    words: &mut BTreeMap<(usize, usize), Vec<Reason>>,
    target: impl Fn(CallFor) -> Option<usize>,
) {
    for call in calls {
        let reasons = target(call.about).and_then(|target| words.remove(&(call.account, target)));
        call.reasons = reasons.unwrap_or_default();
        call.reasons.truncate(TOLD);
    }
}
