//! The load of those who look after accounts.

use std::collections::BTreeMap;

use super::AccountRow;
use crate::money::Cents;

/// One owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnerLoad {
    /// Name; `None`: accounts that nobody is said to look after.
    pub owner: Option<String>,
    /// Accounts.
    pub accounts: u64,
    /// Of them, those at risk.
    pub at_risk_accounts: u64,
    /// What they pay.
    pub mrr: Cents,
    /// MRR at risk.
    pub mrr_at_risk: Cents,
    /// Expected expansion.
    pub expected_expansion_mrr: Cents,
    /// Accounts whose next review is past the agreed interval; `None` where no interval is declared or no meetings are read.
    pub overdue_reviews: Option<u64>,
    /// Accounts on the call list.
    pub calls: u64,
}

/// The load of each owner, by name; accounts without one come first. Each account's amounts are rounded to the cent and then
/// added. `called`: places of the accounts on the call list.
#[must_use]
pub fn owners(rows: &[AccountRow<'_>], called: &[usize]) -> Vec<OwnerLoad> {
    let mut loads: BTreeMap<Option<&str>, OwnerLoad> = BTreeMap::new();
    for row in rows {
        let load = loads.entry(row.owner).or_default();
        let cents = |amount: Option<f64>| amount.map_or(Cents::ZERO, Cents::from_amount);
        load.accounts += 1;
        load.at_risk_accounts += u64::from(row.is_at_risk == Some(true));
        load.mrr += cents(row.mrr);
        load.mrr_at_risk += cents(row.scored.mrr_at_risk);
        load.expected_expansion_mrr += cents(row.scored.expected_expansion_mrr);
        if let Some(days) = row.review_overdue_days {
            *load.overdue_reviews.get_or_insert(0) += u64::from(days > 0);
        }
    }
    for place in called {
        loads.entry(rows[*place].owner).or_default().calls += 1;
    }
    let named = |(owner, load): (Option<&str>, OwnerLoad)| OwnerLoad { owner: owner.map(str::to_owned), ..load };
    loads.into_iter().map(named).collect()
}
