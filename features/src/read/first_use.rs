//! Accounts without a declared sign-up: it is the first use, as far as known.
//!
//! A use that lands late may turn out to be earlier than the first one known so far. So an account gets one version of
//! its row for every time its first use moved, each known from the moment that the earlier use became visible; the
//! latest version known before `as_of` is then exactly what was known at `as_of`.

use rayon::prelude::*;

use crate::facts::{AccountFact, Facts, Grouped};
use crate::time::Instant;

/// Makes account rows where the contract has no accounts table, and fills in sign-ups where a snapshot has none at all.
pub(crate) fn complete_accounts(facts: &mut Facts) {
    let declared = facts.account_rows.take();
    if let Some(rows) = &declared {
        let lacks_sign_up = rows.rows.iter().all(|row| row.signed_up_at.is_none());
        let is_snapshot = rows.rows.iter().all(|row| row.known_at == Instant::MIN);
        if !lacks_sign_up || !is_snapshot {
            facts.account_rows = declared;
            return;
        }
    }
    let mut offsets = vec![0];
    let mut rows = Vec::new();
    let versions: Vec<_> =
        (0..facts.accounts.len()).into_par_iter().map(|account| first_use_versions(facts, account)).collect();
    for (account, versions) in versions.into_iter().enumerate() {
        let known = declared.as_ref().and_then(|declared| declared.of(account).first().copied());
        let base = known.unwrap_or(AccountFact {
            known_at: Instant::MIN,
            signed_up_at: None,
            segment: None,
            industry: None,
            region: None,
            channel: None,
        });
        if versions.is_empty() {
            rows.push(base);
        }
        // `Grouped` is sorted by event time: the version known last has the earliest sign-up.
        rows.extend(versions.into_iter().rev().map(|(known_at, first)| AccountFact {
            known_at,
            signed_up_at: Some(first),
            ..base
        }));
        offsets.push(rows.len());
    }
    facts.account_rows = Some(Grouped { offsets, rows });
}

/// (known from, first use known then), by the former; the first use falls from one to the next. Without usage, the
/// first subscription counts.
fn first_use_versions(facts: &Facts, account: usize) -> Vec<(Instant, Instant)> {
    match (&facts.usage, &facts.subscriptions) {
        (Some(usage), _) if !usage.of(account).is_empty() => {
            versions(usage.of(account).iter().map(|row| (row.known_at, row.at)))
        }
        (_, Some(subscriptions)) => {
            versions(subscriptions.of(account).iter().map(|row| (row.known_at, row.effective_at)))
        }
        _ => Vec::new(),
    }
}

/// Of rows by event time, those that were the first one known for some time.
fn versions(rows: impl Iterator<Item = (Instant, Instant)>) -> Vec<(Instant, Instant)> {
    let mut found: Vec<(Instant, Instant)> = Vec::new();
    for (known_at, at) in rows {
        // What happens after another was visible cannot be visible before it.
        if found.last().is_some_and(|(visible, _)| *visible <= at) {
            break;
        }
        let visible = known_at.max(at);
        if found.last().is_none_or(|(earlier, first)| visible < *earlier && at > *first) {
            found.push((visible, at));
        }
    }
    found.reverse();
    found
}
