//! Accounts without a declared sign-up: it is the first use, as far as known.
//!
//! A use that lands late may turn out to be earlier than the first one known so far. So an account gets one version of
//! its row for every time its first use moved, each known from the moment that the earlier use became visible; the
//! latest version known before `as_of` is then exactly what was known at `as_of`.

use rayon::prelude::*;

use crate::facts::{AccountFact, Facts, Grouped};
use crate::time::Instant;

/// Makes account rows where the contract has no accounts table, and fills in sign-ups where it is a snapshot that has no
/// such column.
pub(crate) fn complete_accounts(facts: &mut Facts) {
    let declared = facts.account_rows.take();
    let mut offsets = vec![0];
    let mut rows: Vec<AccountFact> = Vec::new();
    let versions: Vec<_> =
        (0..facts.accounts.len()).into_par_iter().map(|account| first_use_versions(facts, account)).collect();
    for (account, mut versions) in versions.into_iter().enumerate() {
        let given = declared.as_ref().and_then(|declared| declared.of(account).first().copied());
        let base = given.unwrap_or(AccountFact {
            known_at: Instant::MIN,
            signed_up_at: None,
            segment: None,
            industry: None,
            region: None,
            channel: None,
            campaign: None,
            owner: None,
        });
        // `Grouped` is sorted by event time.
        versions.sort_by_key(|(known_at, first)| (*first, *known_at));
        rows.extend(versions.into_iter().map(|(known_at, first)| AccountFact {
            known_at,
            signed_up_at: Some(first),
            ..base
        }));
        // A row of the table is there whether or not anything else is known; without a table, an account is its facts.
        rows.extend(given);
        offsets.push(rows.len());
    }
    facts.account_rows = Some(Grouped { offsets, rows });
}

/// (known from, first use known then), by the former. As long as no use is known, the first subscription counts.
fn first_use_versions(facts: &Facts, account: usize) -> Vec<(Instant, Instant)> {
    let usage = facts.usage.iter().flat_map(|usage| usage.of(account));
    let used = versions(usage.map(|row| (row.known_at, row.at)));
    let subscriptions = facts.subscriptions.iter().flat_map(|subscriptions| subscriptions.of(account));
    let mut found = versions(subscriptions.map(|row| (row.known_at, row.effective_at)));
    found.retain(|(visible, _)| used.first().is_none_or(|(first, _)| visible < first));
    found.extend(used);
    found
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
