//! Accounts without a declared sign-up: it is the first use, as far as known.
//!
//! A use that lands late may turn out to be earlier than the first one known so far. So an account gets one version of
//! its row for every time its first use moved, each known from the moment that the earlier use became visible; the
//! latest version known before `as_of` is then exactly what was known at `as_of`.

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
    for account in 0..facts.accounts.len() {
        let known = declared.as_ref().and_then(|declared| declared.of(account).first().copied());
        let versions = first_use_versions(facts, account);
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
    let mut seen: Vec<(Instant, Instant)> = match (&facts.usage, &facts.subscriptions) {
        (Some(usage), _) if !usage.of(account).is_empty() => {
            usage.of(account).iter().map(|use_| (use_.known_at.max(use_.at), use_.at)).collect()
        }
        (_, Some(subscriptions)) => {
            let rows = subscriptions.of(account).iter();
            rows.map(|row| (row.known_at.max(row.effective_at), row.effective_at)).collect()
        }
        _ => Vec::new(),
    };
    seen.sort_unstable();
    let mut versions: Vec<(Instant, Instant)> = Vec::new();
    for (known_at, at) in seen {
        if versions.last().is_none_or(|(_, first)| at < *first) {
            versions.push((known_at, at));
        }
    }
    versions
}
