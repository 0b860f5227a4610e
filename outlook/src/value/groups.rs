//! Lifetime value, cost of acquisition, payback and time to value: of the base, and by segment, channel and quarter.

use std::collections::BTreeMap;

use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use chrono::{Datelike, Months, NaiveDate};
use rayon::prelude::*;

use super::lifetime::{Hazards, LifeSeen, Lifetime, lifetime};
use super::moment::{TimeToValue, quantile, times_to_value};
use super::{Worth, payback_month, worth};
use crate::known::{self, Spend};
use crate::money::Cents;
use crate::movement::month_of;
use crate::segment::LEAST_ACCOUNTS;
use crate::timeline::Timeline;

/// What accounts are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueBy {
    /// All.
    Base,
    /// Segment, as known at `as_of`.
    Segment,
    /// Channel, as known at `as_of`.
    Channel,
    /// Calendar quarter of the first payment.
    Cohort,
}

impl ValueBy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Base, Self::Segment, Self::Channel, Self::Cohort];

    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Segment => "segment",
            Self::Channel => "channel",
            Self::Cohort => "cohort",
        }
    }
}

/// Value of a group of accounts that ever paid.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueRow {
    /// What it is a group of.
    pub by: ValueBy,
    /// Its name; of a cohort the first day of its quarter.
    pub group: String,
    /// Accounts that ever paid.
    pub accounts: u64,
    /// Of them, those that pay just before `as_of`.
    pub paying_accounts: u64,
    /// Lifetime, where it is known.
    pub lifetime: Option<Lifetime>,
    /// Whether costs of serving are on record; else nothing is taken off.
    pub has_serve_cost: bool,
    /// Accounts whose cost of acquisition is known.
    pub costed_accounts: u64,
    /// Mean of those costs.
    pub acquisition_cost: Option<Cents>,
    /// Lifetime value over and less that mean.
    pub worth: Option<Worth>,
    /// First month, from 1, by whose end the mean margins of those accounts cover their mean cost; `None` where that was not
    /// seen.
    pub payback_month: Option<u64>,
    /// Accounts whose time to value can be told.
    pub timed_accounts: u64,
    /// Of them, those that have had a value moment.
    pub reached_accounts: u64,
    /// Days to value by which a quarter, half and three quarters of them were there.
    pub days_to_value: [Option<i64>; 3],
}

/// What one account adds.
struct Seen {
    life: LifeSeen,
    pays: bool,
    acquisition: Option<Cents>,
    /// Margin by month of life, as far as whole months lie before `as_of`; of accounts with a cost of acquisition only.
    margins: Vec<Cents>,
    time_to_value: Option<TimeToValue>,
    groups: [String; 4],
}

/// Every group, by kind, then by name; groups of fewer than [`LEAST_ACCOUNTS`] accounts are told together as `(other)`.
#[must_use]
pub fn value_rows(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate, value_moments: &[String]) -> Vec<ValueRow> {
    let times = times_to_value(facts, Instant::start_of(as_of), value_moments);
    let seen: Vec<Seen> = timelines
        .par_iter()
        .zip(times)
        .enumerate()
        .filter_map(|(account, (timeline, time))| see(facts, account, timeline, as_of, time))
        .collect();
    let base = Hazards::of(seen.iter().map(|one| &one.life));
    let mut groups: BTreeMap<(ValueBy, &str), Vec<&Seen>> = BTreeMap::new();
    for by in ValueBy::ALL {
        let mut of_kind: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
        for one in &seen {
            of_kind.entry(&one.groups[by as usize]).or_default().push(one);
        }
        for (name, members) in of_kind {
            let is_told = by == ValueBy::Base || members.len() >= LEAST_ACCOUNTS;
            groups.entry((by, if is_told { name } else { "(other)" })).or_default().extend(members);
        }
    }
    let has_serve_cost = facts.spend.is_some();
    let groups: Vec<_> = groups.into_iter().collect();
    groups.into_par_iter().map(|((by, name), members)| row(by, name, &members, &base, has_serve_cost)).collect()
}

/// What an account shows; `None` where it never paid.
fn see(
    facts: &Facts,
    account: usize,
    timeline: &Timeline,
    as_of: NaiveDate,
    time_to_value: Option<TimeToValue>,
) -> Option<Seen> {
    let first = month_of(timeline.first_paid()?.date()?);
    let end = Instant::start_of(as_of);
    let age_end = |age: u32| first.checked_add_months(Months::new(age + 1)).unwrap_or(NaiveDate::MAX);
    let ages = (0..).map(age_end).take_while(|end| *end <= as_of);
    let amounts: Vec<Cents> = ages.map(|end| timeline.mrr_before(Instant::start_of(end))).collect();
    let spend = known::spend(facts, account, end);
    let costs: Vec<Cents> = spend.iter().filter_map(|one| one.acquisition).collect();
    let acquisition = (!costs.is_empty()).then(|| costs.into_iter().sum());
    let margins = acquisition.map_or_else(Vec::new, |_| margins(first, &amounts, &spend));
    let ends = (0..12).map(|back| as_of.checked_sub_months(Months::new(back)).unwrap_or(NaiveDate::MIN));
    let year: Vec<Cents> = ends.map(|end| timeline.mrr_before(Instant::start_of(end))).collect();
    let from = Instant::start_of(as_of.checked_sub_months(Months::new(12)).unwrap_or(NaiveDate::MIN));
    let life = LifeSeen {
        pays: amounts.iter().map(|amount| *amount > Cents::ZERO).collect(),
        revenue: year.iter().copied().sum(),
        paid_months: year.iter().filter(|amount| **amount > Cents::ZERO).count() as u64,
        serve_cost: spend.iter().filter(|one| one.at >= from).filter_map(|one| one.serve).sum(),
    };
    let own = known::account(facts, account, end);
    let named = |names, code| known::name(names, code).unwrap_or("(not known)").to_owned();
    let quarter = first.with_month(first.month0() / 3 * 3 + 1).unwrap_or(first);
    let groups = [
        "all".to_owned(),
        named(&facts.segments, own.and_then(|row| row.segment)),
        named(&facts.channels, own.and_then(|row| row.channel)),
        quarter.to_string(),
    ];
    let pays = timeline.mrr_before(end) > Cents::ZERO;
    Some(Seen { life, pays, acquisition, margins, time_to_value, groups })
}

/// By calendar month of life: what is paid at its end, less the cost of serving that is booked in it.
fn margins(first: NaiveDate, amounts: &[Cents], spend: &[Spend]) -> Vec<Cents> {
    let mut margins = amounts.to_vec();
    for (at, cost) in spend.iter().filter_map(|one| Some((one.at.date()?, one.serve?))) {
        let months = (at.year() - first.year()) * 12 + at.month0() as i32 - first.month0() as i32;
        if let Some(margin) = usize::try_from(months).ok().and_then(|month| margins.get_mut(month)) {
            *margin = *margin - cost;
        }
    }
    margins
}

fn row(by: ValueBy, name: &str, members: &[&Seen], base: &Hazards, has_serve_cost: bool) -> ValueRow {
    let lives: Vec<&LifeSeen> = members.iter().map(|one| &one.life).collect();
    let lifetime = lifetime(&lives, base);
    let costed: Vec<&&Seen> = members.iter().filter(|one| one.acquisition.is_some()).collect();
    let cost: Cents = costed.iter().filter_map(|one| one.acquisition).sum();
    let acquisition_cost = mean(cost, costed.len());
    let times: Vec<TimeToValue> = members.iter().filter_map(|one| one.time_to_value).collect();
    ValueRow {
        by,
        group: name.to_owned(),
        accounts: members.len() as u64,
        paying_accounts: members.iter().filter(|one| one.pays).count() as u64,
        worth: lifetime.zip(acquisition_cost).map(|(life, cost)| worth(Cents::from_amount(life.value.value), cost)),
        lifetime,
        has_serve_cost,
        costed_accounts: costed.len() as u64,
        payback_month: acquisition_cost.and_then(|cost| payback(cost, &costed)),
        acquisition_cost,
        timed_accounts: times.len() as u64,
        reached_accounts: times.iter().filter(|time| time.reached).count() as u64,
        days_to_value: [0.25, 0.5, 0.75].map(|share| quantile(&times, share)),
    }
}

/// The nearest cent of a mean; `None` of nothing.
fn mean(sum: Cents, count: usize) -> Option<Cents> {
    (count > 0).then(|| Cents::from_amount(sum.amount() / count as f64))
}

/// Payback of a mean cost by mean margins, each month's over all accounts that have lived through it, those that left included
/// with what they bring then; a month that fewer than [`LEAST_ACCOUNTS`] have lived through says nothing any more.
fn payback(cost: Cents, costed: &[&&Seen]) -> Option<u64> {
    let months = costed.iter().map(|one| one.margins.len()).max().unwrap_or(0);
    let of_month = |month: usize| {
        let margins = costed.iter().filter_map(|one| one.margins.get(month).copied());
        let count = margins.clone().count();
        mean(margins.sum(), count).filter(|_| count >= LEAST_ACCOUNTS)
    };
    let margins: Vec<Cents> = (0..months).map_while(of_month).collect();
    payback_month(cost, &margins).map(|month| month as u64)
}
