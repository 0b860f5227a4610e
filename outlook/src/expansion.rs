//! How accounts come to pay more: how soon first, by how much, and in what runs less.
//!
//! An expansion is a change from an MRR above 0 to a higher one. The first one is told from the first payment on record; a
//! customer whose first payment lies before the records begin looks younger than it is.

use std::collections::BTreeMap;

use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use chrono::{Datelike, NaiveDate};
use rayon::prelude::*;
use serde::Serialize;

use crate::change::Change;
use crate::cohort::{Share, ratio, wilson};
use crate::money::Cents;
use crate::segment::{LEAST_ACCOUNTS, SizeCutOffs, name_of};
use crate::timeline::{Stretch, Timeline};

/// A first expansion within so many days of the first payment is rapid, a later one gradual: half a year, in which a
/// customer is still being set up.
pub const RAPID_DAYS: i64 = 182;

/// Days of a year, for shares at equal age.
const YEAR_DAYS: i64 = 365;

/// How soon an account first paid more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// Within [`RAPID_DAYS`] of the first payment.
    Rapid,
    /// Later.
    Gradual,
}

impl Speed {
    /// Of days from the first payment to the first expansion.
    #[must_use]
    pub fn of_days(days: i64) -> Self {
        if days <= RAPID_DAYS { Self::Rapid } else { Self::Gradual }
    }
}

/// An account that paid once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// What it paid first.
    pub first: Cents,
    /// When.
    pub first_paid: Instant,
    /// Plan then.
    pub plan: Option<u32>,
    /// Days from there to the first expansion; `None` before it.
    pub days_to_first: Option<i64>,
    /// The first expansion over the MRR before it.
    pub first_size: Option<f64>,
    /// Number of expansions.
    pub expansions: u32,
    /// By how much MRR rose in all of them.
    pub rises: Cents,
    /// Contractions after the last expansion, where it still pays.
    pub contraction_run: u32,
}

impl Growth {
    /// Of a timeline; `None` for an account that never paid.
    #[must_use]
    pub fn of(timeline: &Timeline) -> Option<Self> {
        let stretches = timeline.stretches();
        let first = stretches.iter().find(|stretch| stretch.mrr > Cents::ZERO)?;
        let mut found = Self::begun(first);
        for pair in stretches.windows(2) {
            match Change::between(&pair[0], &pair[1]) {
                Some(change) if change.is_contraction() => found.contraction_run += 1,
                Some(change) => found.expand(&change, pair[1].from),
                None => {}
            }
        }
        if stretches.last().is_none_or(|last| last.mrr == Cents::ZERO) {
            found.contraction_run = 0;
        }
        Some(found)
    }

    fn begun(first: &Stretch) -> Self {
        Self {
            first: first.mrr,
            first_paid: first.from,
            plan: first.plan,
            days_to_first: None,
            first_size: None,
            expansions: 0,
            rises: Cents::ZERO,
            contraction_run: 0,
        }
    }

    fn expand(&mut self, change: &Change, at: Instant) {
        let rise = change.after - change.before;
        if self.expansions == 0 {
            self.days_to_first = Some(at.day() - self.first_paid.day());
            self.first_size = rise.over(change.before);
        }
        self.expansions += 1;
        self.rises += rise;
        self.contraction_run = 0;
    }
}

/// How a group of accounts expanded.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansions {
    /// `all`, `plan` (at the first payment), `size` (its annual value then) or `quarter` (of the first payment).
    pub by: &'static str,
    /// Name of the group; that of a quarter is its first day.
    pub group: String,
    /// Accounts that paid once.
    pub accounts: u64,
    /// Of them, those that ever expanded.
    pub expanded_accounts: u64,
    /// Their share, with Wilson's interval. Younger accounts have had less time: compare quarters at equal age.
    pub expanded: Share,
    /// Of the expanded ones, the rapid ones.
    pub rapid_accounts: u64,
    /// Accounts whose first payment is at least 365 days old.
    pub year_old_accounts: u64,
    /// Share of those that expanded within 365 days of it; `None` where there are none.
    pub expanded_in_first_year: Option<Share>,
    /// Quartiles of the days from the first payment to the first expansion; `None` without one.
    pub days_to_first: Option<[f64; 3]>,
    /// Median of the first expansion over the MRR before it.
    pub first_size: Option<f64>,
    /// Number of expansions.
    pub expansions: u64,
    /// What accounts paid first.
    pub first_mrr: Cents,
    /// By how much MRR rose in all expansions.
    pub rises: Cents,
    /// Rises over what accounts paid first, with the interval of a ratio of sums over accounts.
    pub rises_over_first: Option<Share>,
    /// Accounts that pay and have contracted at least once since the last expansion.
    pub runs_of_one: u64,
    /// At least twice.
    pub runs_of_two: u64,
    /// At least three times.
    pub runs_of_three: u64,
}

/// All accounts, then by plan and size at the first payment, then by its quarter. Plans and sizes of fewer than
/// [`LEAST_ACCOUNTS`] accounts are left out.
#[must_use]
pub fn expansions(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate, sizes: SizeCutOffs) -> Vec<Expansions> {
    let accounts: Vec<Growth> = timelines.par_iter().filter_map(Growth::of).collect();
    if accounts.is_empty() {
        return Vec::new();
    }
    let all: Vec<&Growth> = accounts.iter().collect();
    let mut found = vec![of_group("all", "all".to_owned(), &all, as_of)];
    let named = |by: &'static str, least: usize, name: &dyn Fn(&Growth) -> String, key: &dyn Fn(&Growth) -> i64| {
        let mut groups: BTreeMap<i64, Vec<&Growth>> = BTreeMap::new();
        for account in &accounts {
            groups.entry(key(account)).or_default().push(account);
        }
        let told = groups.into_values().filter(move |group| group.len() >= least);
        told.map(|group| of_group(by, name(group[0]), &group, as_of)).collect::<Vec<_>>()
    };
    let annual = |account: &Growth| sizes.size(Cents(account.first.0.saturating_mul(12)));
    found.extend(named("plan", LEAST_ACCOUNTS, &|one| name_of(&facts.plans, one.plan), &|one| {
        one.plan.map_or(-1, i64::from)
    }));
    found.extend(named("size", LEAST_ACCOUNTS, &|one| annual(one).to_owned(), &|one| match annual(one) {
        "small" => 0,
        "mid_market" => 1,
        _ => 2,
    }));
    let quarter = |one: &Growth| one.first_paid.date().map_or((0, 0), |date| (date.year(), date.month0() / 3));
    found.extend(named(
        "quarter",
        1,
        &|one| {
            let (year, quarter) = quarter(one);
            format!("{year:04}-{:02}-01", 3 * quarter + 1)
        },
        &|one| {
            let (year, quarter) = quarter(one);
            i64::from(year) * 4 + i64::from(quarter)
        },
    ));
    found
}

fn of_group(by: &'static str, group: String, accounts: &[&Growth], as_of: NaiveDate) -> Expansions {
    let count = |is: &dyn Fn(&Growth) -> bool| accounts.iter().filter(|account| is(account)).count();
    let expanded = count(&|account| account.expansions > 0);
    let year_ago = Instant::start_of(as_of).plus_days(-YEAR_DAYS);
    let is_year_old = |account: &Growth| account.first_paid < year_ago;
    let year_old = count(&is_year_old);
    let in_year = count(&|one| is_year_old(one) && one.days_to_first.is_some_and(|days| days <= YEAR_DAYS));
    let mut days: Vec<f64> = accounts.iter().filter_map(|one| one.days_to_first).map(|days| days as f64).collect();
    let mut first_sizes: Vec<f64> = accounts.iter().filter_map(|account| account.first_size).collect();
    days.sort_unstable_by(f64::total_cmp);
    first_sizes.sort_unstable_by(f64::total_cmp);
    let amounts: Vec<(Cents, Cents)> = accounts.iter().map(|account| (account.first, account.rises)).collect();
    let runs = |least: u32| count(&|account| account.contraction_run >= least) as u64;
    Expansions {
        by,
        group,
        accounts: accounts.len() as u64,
        expanded_accounts: expanded as u64,
        expanded: wilson(expanded, accounts.len()),
        rapid_accounts: count(&|one| one.days_to_first.is_some_and(|days| Speed::of_days(days) == Speed::Rapid)) as u64,
        year_old_accounts: year_old as u64,
        expanded_in_first_year: (year_old > 0).then(|| wilson(in_year, year_old)),
        days_to_first: quantile(&days, 0.5)
            .map(|median| [quantile(&days, 0.25).unwrap_or(median), median, quantile(&days, 0.75).unwrap_or(median)]),
        first_size: quantile(&first_sizes, 0.5),
        expansions: accounts.iter().map(|account| u64::from(account.expansions)).sum(),
        first_mrr: amounts.iter().map(|(first, _)| *first).sum(),
        rises: amounts.iter().map(|(_, rises)| *rises).sum(),
        rises_over_first: ratio(&amounts),
        runs_of_one: runs(1),
        runs_of_two: runs(2),
        runs_of_three: runs(3),
    }
}

/// Quantile of sorted values by linear interpolation (Hyndman and Fan 1996, type 7); `None` without values.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let below = sorted.get(place.floor() as usize)?;
    let above = sorted.get(place.ceil() as usize)?;
    Some(below + place.fract() * (above - below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_book() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.25), Some(1.75));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[7.0], 0.75), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
