//! Accounts, alerts, changes, calls and owners as tables.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, UInt64Array};
use bellwether_features::time::days_from_epoch;
use bellwether_models::policy::{Health, ServiceLevel, ValueTier};
use chrono::NaiveDate;

use super::{Columns, Table, counts, flags, known_texts, numbers, small_counts, texts};
use crate::account::lifetime::LifetimeValue;
use crate::account::monetisation::Monetisation;
use crate::account::prospect::{Prospect, UsePattern};
use crate::account::since::Change;
use crate::account::{AccountOutlook, AccountRow};
use crate::money::Cents;
use crate::scored::{Forecast, Reason};

/// The five tables of accounts.
#[must_use]
pub fn tables(outlook: &AccountOutlook<'_>) -> Vec<Table> {
    vec![
        Table { name: "accounts", columns: accounts(outlook) },
        Table { name: "alerts", columns: alerts(outlook) },
        Table { name: "since", columns: since(outlook) },
        Table { name: "calls", columns: calls(outlook) },
        Table { name: "owners", columns: owners(outlook) },
    ]
}

fn known_dates(values: impl Iterator<Item = Option<NaiveDate>>) -> ArrayRef {
    Arc::new(values.map(|date| date.map(days_from_epoch)).collect::<Date32Array>())
}

fn known_counts(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(values.collect::<UInt64Array>())
}

fn forecast<'r>(outlook: &AccountOutlook<'_>, target: Option<usize>, row: &'r AccountRow<'_>) -> Option<&'r Forecast> {
    debug_assert_eq!(outlook.targets.len(), row.scored.forecasts.len());
    row.scored.forecasts[target?].as_ref()
}

fn accounts(outlook: &AccountOutlook<'_>) -> Columns {
    let rows = || outlook.rows.iter();
    let churn = |row: &AccountRow<'_>, of: fn(&Forecast) -> f64| forecast(outlook, outlook.churn, row).map(of);
    let expansion = |row: &AccountRow<'_>| forecast(outlook, outlook.expansion, row).map(|one| one.probability);
    let lifetime = |of: fn(&LifetimeValue) -> f64| numbers(rows().map(move |row| row.lifetime.as_ref().map(of)));
    let mut columns: Columns = vec![
        ("account_id", texts(rows().map(|row| row.scored.account_id.as_str()))),
        ("owner", known_texts(rows().map(|row| row.owner))),
        ("health", known_texts(rows().map(|row| row.health.map(Health::text)))),
        ("value_tier", known_texts(rows().map(|row| row.tier.map(ValueTier::text)))),
        ("lifetime_value", lifetime(|value| value.value)),
        ("lifetime_value_low", lifetime(|value| value.low)),
        ("lifetime_value_high", lifetime(|value| value.high)),
        ("is_at_risk", flags(rows().map(|row| row.is_at_risk))),
        ("service_level", known_texts(rows().map(|row| row.level.map(ServiceLevel::text)))),
        ("play", known_texts(rows().map(|row| row.play.map(|play| play.name.as_str())))),
        ("play_owner", known_texts(rows().map(|row| row.play.map(|play| play.owner.as_str())))),
        ("play_due", known_dates(rows().map(|row| row.due))),
        ("play_success_metric", known_texts(rows().map(|row| row.play.map(|play| play.success_metric.as_str())))),
        ("worth_of_intervening", numbers(rows().map(|row| row.worth.map(Cents::amount)))),
        ("mrr", numbers(rows().map(|row| row.mrr))),
        ("mrr_at_risk", numbers(rows().map(|row| row.scored.mrr_at_risk))),
        ("expected_expansion_mrr", numbers(rows().map(|row| row.scored.expected_expansion_mrr))),
        ("churn_probability", numbers(rows().map(|row| churn(row, |one| one.probability)))),
        ("churn_low", numbers(rows().map(|row| churn(row, |one| one.low)))),
        ("churn_high", numbers(rows().map(|row| churn(row, |one| one.high)))),
        ("expansion_probability", numbers(rows().map(expansion))),
    ];
    columns.extend(prospects(outlook));
    columns.extend([
        ("monetisation", known_texts(rows().map(|row| row.monetisation.map(|(kind, _)| kind).map(Monetisation::text)))),
        ("uses_like_plan", known_texts(rows().map(|row| row.monetisation.map(|(_, plan)| plan)))),
        ("review_overdue_days", numbers(rows().map(|row| row.review_overdue_days.map(|days| days as f64)))),
        ("status", texts(rows().map(|row| &*row.scored.status))),
    ]);
    columns
}

/// What to expect of accounts at risk, with the evidence beside it.
fn prospects(outlook: &AccountOutlook<'_>) -> Columns {
    let patterns = || outlook.rows.iter().map(|row| row.pattern);
    let outcomes = |of: fn(&crate::account::prospect::Outcomes) -> u64| {
        let of_pattern = move |pattern: UsePattern| of(&outlook.evidence.outcomes(pattern));
        known_counts(patterns().map(move |pattern| pattern.map(of_pattern)))
    };
    let mut columns: Columns = vec![
        ("use_pattern", known_texts(patterns().map(|pattern| pattern.map(UsePattern::text)))),
        ("prospect", known_texts(outlook.rows.iter().map(|row| row.prospect.map(Prospect::text)))),
        ("past_accounts", outcomes(|outcomes| outcomes.accounts)),
        ("past_stayed", outcomes(|outcomes| outcomes.stayed)),
    ];
    let names = ["past_stayed_share", "past_stayed_share_low", "past_stayed_share_high"];
    let shares = [UsePattern::Engaged, UsePattern::WindingDown].map(|one| outlook.evidence.outcomes(one).share());
    let share = |pattern: UsePattern| shares[usize::from(pattern == UsePattern::WindingDown)];
    super::shares(&mut columns, names, patterns().map(move |pattern| pattern.and_then(share)));
    columns
}

fn alerts(outlook: &AccountOutlook<'_>) -> Columns {
    let rows = || outlook.alerts.iter();
    vec![
        ("account_id", texts(rows().map(|row| outlook.rows[row.account].scored.account_id.as_str()))),
        ("owner", known_texts(rows().map(|row| outlook.rows[row.account].owner))),
        ("mrr", numbers(rows().map(|row| outlook.rows[row.account].mrr))),
        ("watched", texts(rows().map(|row| row.watched.text()))),
        ("meaning", texts(rows().map(|row| row.meaning.text()))),
        ("from", texts(rows().map(|row| row.from))),
        ("to", texts(rows().map(|row| row.to))),
        ("value_before", numbers(rows().map(|row| row.before))),
        ("value", numbers(rows().map(|row| row.now))),
        ("since", known_dates(rows().map(|_| outlook.since))),
    ]
}

fn since(outlook: &AccountOutlook<'_>) -> Columns {
    let rows = || outlook.changes.iter();
    let target = |row: &Change| row.target.map(|target| outlook.targets[target].as_str());
    vec![
        ("change", texts(rows().map(|row| row.kind.text()))),
        ("account_id", texts(rows().map(|row| row.account_id.as_str()))),
        ("target", known_texts(rows().map(target))),
        ("probability_before", numbers(rows().map(|row| row.before))),
        ("probability", numbers(rows().map(|row| row.now))),
        ("mrr_before", numbers(rows().map(|row| row.mrr_before))),
        ("mrr", numbers(rows().map(|row| row.mrr))),
        ("reason", known_texts(rows().map(|row| row.reason.as_ref().map(|reason| &*reason.name)))),
        ("reason_text", known_texts(rows().map(|row| row.reason.as_ref().map(|reason| reason.text.as_str())))),
        ("reason_effect", numbers(rows().map(|row| row.reason.as_ref().map(|reason| reason.effect)))),
        ("since", known_dates(rows().map(|_| outlook.since))),
    ]
}

fn calls(outlook: &AccountOutlook<'_>) -> Columns {
    let rows = || outlook.calls.iter().map(|call| (call, &outlook.rows[call.account]));
    let reason = |rank: usize, of: fn(&Reason) -> &str| {
        known_texts(outlook.calls.iter().map(move |call| call.reasons.get(rank).map(of)))
    };
    let ranks = 1..=u32::try_from(outlook.calls.len()).unwrap_or(u32::MAX);
    vec![
        ("rank", small_counts(ranks)),
        ("account_id", texts(rows().map(|(_, row)| row.scored.account_id.as_str()))),
        ("owner", known_texts(rows().map(|(_, row)| row.owner))),
        ("about", texts(rows().map(|(call, _)| call.about.text()))),
        ("stake_mrr", numbers(rows().map(|(call, _)| Some(call.stake)))),
        ("mrr", numbers(rows().map(|(_, row)| row.mrr))),
        ("mrr_at_risk", numbers(rows().map(|(_, row)| row.scored.mrr_at_risk))),
        ("expected_expansion_mrr", numbers(rows().map(|(_, row)| row.scored.expected_expansion_mrr))),
        ("service_level", known_texts(rows().map(|(_, row)| row.level.map(ServiceLevel::text)))),
        ("prospect", known_texts(rows().map(|(_, row)| row.prospect.map(Prospect::text)))),
        ("play", known_texts(rows().map(|(_, row)| row.play.map(|play| play.name.as_str())))),
        ("play_due", known_dates(rows().map(|(_, row)| row.due))),
        ("worth_of_intervening", numbers(rows().map(|(_, row)| row.worth.map(Cents::amount)))),
        ("reason_1", reason(0, |reason| &reason.text)),
        ("reason_2", reason(1, |reason| &reason.text)),
        ("reason_3", reason(2, |reason| &reason.text)),
    ]
}

fn owners(outlook: &AccountOutlook<'_>) -> Columns {
    let rows = || outlook.owners.iter();
    vec![
        ("owner", known_texts(rows().map(|row| row.owner.as_deref()))),
        ("accounts", counts(rows().map(|row| row.accounts))),
        ("at_risk_accounts", counts(rows().map(|row| row.at_risk_accounts))),
        ("mrr", numbers(rows().map(|row| Some(row.mrr.amount())))),
        ("mrr_at_risk", numbers(rows().map(|row| Some(row.mrr_at_risk.amount())))),
        ("expected_expansion_mrr", numbers(rows().map(|row| Some(row.expected_expansion_mrr.amount())))),
        ("overdue_reviews", known_counts(rows().map(|row| row.overdue_reviews))),
        ("calls", counts(rows().map(|row| row.calls))),
    ]
}
