//! Terms of the contracts in force: discounts beyond the guard-rail, and renewals that nobody attends to.

use bellwether_features::facts::{Facts, SubscriptionFact};
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use rayon::prelude::*;

use crate::known;
use crate::money::Cents;

/// Without a meeting for so long nobody is with an account.
pub const ATTENDED_DAYS: i64 = 90;

/// An account whose discount is beyond the declared limit.
#[derive(Debug, Clone, PartialEq)]
pub struct BeyondLimit {
    /// Account, index into [`Facts::accounts`].
    pub account: usize,
    /// MRR.
    pub mrr: Cents,
    /// Monthly list price.
    pub list_price: Cents,
    /// Share of the list price that is taken off.
    pub discount: f64,
    /// What a month at the limit would bring more: `list price x (discount - limit)`.
    pub beyond: Cents,
}

/// Accounts with MRR just before `as_of` whose discount is above `limit`, the largest amount first, then by id.
///
/// The discount is the column of that name, else `1 - mrr / list_price`; the list price is its column, else
/// `mrr / (1 - discount)`. Where neither is known, nothing is said of the account.
#[must_use]
pub fn discounts(facts: &Facts, as_of: NaiveDate, limit: f64) -> Vec<BeyondLimit> {
    let end = Instant::start_of(as_of);
    let accounts = (0..facts.accounts.len()).into_par_iter();
    let of = |account: usize| beyond_limit(account, known::subscription(facts, account, end)?, limit);
    let mut found: Vec<BeyondLimit> = accounts.filter_map(of).collect();
    found.sort_by_key(|one| (-one.beyond.0, one.account));
    found
}

fn beyond_limit(account: usize, terms: &SubscriptionFact, limit: f64) -> Option<BeyondLimit> {
    let mrr = Some(terms.mrr).filter(|mrr| mrr.is_finite() && *mrr > 0.0)?;
    let known = terms.list_price.filter(|price| *price > 0.0);
    let discount = terms.discount.or_else(|| known.map(|price| 1.0 - mrr / price))?;
    let list_price = known.or_else(|| (discount < 1.0).then(|| mrr / (1.0 - discount)))?;
    // A discount of exactly the limit is within it, in spite of rounding.
    (discount > limit + 1e-9).then(|| BeyondLimit {
        account,
        mrr: Cents::from_amount(mrr),
        list_price: Cents::from_amount(list_price),
        discount,
        beyond: Cents::from_amount(list_price * (discount - limit)),
    })
}

/// A renewal that is coming up.
#[derive(Debug, Clone, PartialEq)]
pub struct Renewal {
    /// Account, index into [`Facts::accounts`].
    pub account: usize,
    /// MRR.
    pub mrr: Cents,
    /// Day of the renewal.
    pub renews_on: NaiveDate,
    /// Days from `as_of` to it; 0 on the day.
    pub days: i64,
    /// Whether it renews by itself, where that is known.
    pub auto_renew: Option<bool>,
    /// Who looks after the account, code into [`Facts::owners`].
    pub owner: Option<u32>,
    /// Days since somebody of the account came to a meeting (no letter); `None` where nobody ever did, or without a table.
    pub days_since_met: Option<i64>,
    /// Nobody met the account for [`ATTENDED_DAYS`], and nobody owns it. What is not on record says nothing: without owners
    /// the meetings decide, without meetings the owners; `None` where there are neither.
    pub unattended: Option<bool>,
}

/// Renewals of accounts with MRR from `as_of` on, within `days` of it, by day, then by id.
#[must_use]
pub fn renewals(facts: &Facts, as_of: NaiveDate, days: u32) -> Vec<Renewal> {
    let accounts = (0..facts.accounts.len()).into_par_iter();
    let mut found: Vec<Renewal> = accounts.filter_map(|account| renewal(facts, account, as_of, days)).collect();
    found.sort_by_key(|one| (one.days, one.account));
    found
}

fn renewal(facts: &Facts, account: usize, as_of: NaiveDate, within: u32) -> Option<Renewal> {
    let end = Instant::start_of(as_of);
    let terms = known::subscription(facts, account, end)?;
    let mrr = Some(Cents::from_amount(terms.mrr)).filter(|mrr| *mrr > Cents::ZERO)?;
    let renews_at = terms.renews_at?;
    let days = renews_at.day() - end.day();
    if !(0..=i64::from(within)).contains(&days) {
        return None;
    }
    let owner = known::account(facts, account, end).and_then(|row| row.owner);
    let days_since_met = known::last_met(facts, account, end).map(|met| end.day() - met.day());
    let not_met = facts.meetings.is_some().then(|| days_since_met.is_none_or(|days| days > ATTENDED_DAYS));
    let not_owned = facts.owners.is_there.then(|| known::name(&facts.owners, owner).is_none());
    let unattended = match (not_met, not_owned) {
        (None, None) => None,
        (met, owned) => Some(met.unwrap_or(true) && owned.unwrap_or(true)),
    };
    Some(Renewal {
        account,
        mrr,
        renews_on: renews_at.date()?,
        days,
        auto_renew: terms.auto_renew,
        owner,
        days_since_met,
        unattended,
    })
}
