//! Facts and the moment at which an account ended.
//!
//! Two things give away that a table was written with the end in view. Facts go on after the end: then the end, or the
//! facts, carry a wrong time. Or the last fact stands at the same distance before the end for account after account: then
//! somebody took a snapshot "at churn", and its date is the answer. The second is judged against the same accounts at
//! earlier dates of the same weekday and of the same day of the month, so that a product that is used every day, or a
//! survey that goes out on the first, raises no alarm.

use std::collections::BTreeMap;

use chrono::Months;

use crate::facts::{Facts, Grouped};
use crate::time::{Instant, days_from_epoch};

use super::fate::Fates;
use super::statistics::{number, wilson};
use super::{Code, Finding, Level, MIN_ACCOUNTS};

/// A fact within a day of the end may be a matter of clocks and zones.
const SLACK_DAYS: i64 = 1;

/// Least share (lower 99.9 % bound) of ended accounts with facts after their end.
const MIN_AFTER_SHARE: f64 = 0.05;

/// Least share (lower 99.9 % bound) of ended accounts whose last fact stands at the same distance.
const MIN_ANCHORED_SHARE: f64 = 0.4;

/// Least ratio of that share to the share at earlier dates.
const MIN_ANCHORED_RATIO: f64 = 2.0;

/// The UTC days of an account's facts, ascending.
type Days = Vec<Vec<i64>>;

pub(crate) fn find(facts: &Facts, fates: &Fates) -> Vec<Finding> {
    if !fates.by_subscription || fates.ended().count() < MIN_ACCOUNTS {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for table in tables(facts) {
        findings.extend(after_end(table.name, &table.doings, fates));
        // Billing follows the contract: its last date is a fixed time before the end, and was known then. So do add-ons.
        if !matches!(table.name, "invoices" | "subscription_items") {
            findings.extend(anchored(table.name, &table.days, fates));
        }
    }
    findings
}

/// When things happened to the accounts, by one table.
struct Happened {
    name: &'static str,
    /// Days of all facts.
    days: Days,
    /// Days of those that nobody expects after an end.
    doings: Days,
}

impl Happened {
    fn of<T>(
        name: &'static str,
        table: Option<&Grouped<T>>,
        at: impl Fn(&T) -> Instant,
        is_doing: impl Fn(&T) -> bool,
    ) -> Option<Self> {
        let table = table?;
        let days_of = |account: usize, counts: &dyn Fn(&T) -> bool| {
            let rows = table.of(account).iter().filter(|row| counts(*row));
            let mut days: Vec<i64> = rows.map(|row| at(row).day()).collect();
            days.sort_unstable();
            days.dedup();
            days
        };
        let accounts = 0..table.offsets.len() - 1;
        Some(Self {
            name,
            days: accounts.clone().map(|account| days_of(account, &|_| true)).collect(),
            doings: accounts.map(|account| days_of(account, &is_doing)).collect(),
        })
    }
}

/// Every table but that of the subscriptions, which says what the end is.
///
/// A contact's `until` is left out: whoever closes an account strikes off its people, and the engine respects that time as
/// one of its own. After the end, an invitation that nobody followed or that was known before its time is a series that
/// somebody forgot in a calendar; and an add-on that earns nothing is one that ended, too.
fn tables(facts: &Facts) -> Vec<Happened> {
    // A snapshot without history is known at no time; there is nothing to compare.
    let dated = facts.account_rows.as_ref().filter(|rows| rows.rows.iter().all(|row| row.known_at != Instant::MIN));
    let tables = [
        Happened::of("accounts", dated, |row| row.known_at, |_| true),
        Happened::of("usage", facts.usage.as_ref(), |row| row.at, |_| true),
        Happened::of(
            "subscription_items",
            facts.subscription_items.as_ref(),
            |row| row.effective_at,
            |row| row.mrr > 0.0,
        ),
        Happened::of("nps", facts.nps.as_ref(), |row| row.at, |_| true),
        Happened::of("invoices", facts.invoices.as_ref(), |row| row.issued_at, |_| true),
        Happened::of("tickets", facts.tickets.as_ref(), |row| row.opened_at, |_| true),
        Happened::of("contacts", facts.contacts.as_ref(), |row| row.since, |_| true),
        Happened::of("meetings", facts.meetings.as_ref(), |row| row.at, |row| row.attended && row.known_at >= row.at),
        Happened::of("firmographics", facts.firmographics.as_ref(), |row| row.at, |_| true),
    ];
    tables.into_iter().flatten().collect()
}

fn after_end(table: &'static str, days: &Days, fates: &Fates) -> Option<Finding> {
    let (mut ended, mut touched, mut facts, mut lags) = (0, 0, 0, Vec::new());
    for (account, end) in fates.ended() {
        let of = &days[account];
        ended += usize::from(!of.is_empty());
        let after = of.len() - of.partition_point(|day| *day <= end.day() + SLACK_DAYS);
        touched += usize::from(after > 0);
        facts += after;
        lags.extend(of.last().filter(|_| after > 0).map(|last| last - end.day()));
    }
    let share = wilson(touched, ended).0;
    if touched == 0 || ended < MIN_ACCOUNTS || (share < MIN_AFTER_SHARE && touched < 3) {
        return None;
    }
    lags.sort_unstable();
    let median = lags.get(lags.len() / 2).copied().unwrap_or(0);
    // A last invoice after the end is common, and so is a directory that goes on measuring a company that left; what an
    // account does with us after it is not.
    let is_error = share >= MIN_AFTER_SHARE && !matches!(table, "invoices" | "accounts" | "firmographics");
    let level = if is_error { Level::Error } else { Level::Info };
    let finding = Finding::new(Code::AfterEnd, level, table, None)
        .text(format!("{touched} of {ended} accounts that ended have facts more than a day after their end"))
        .with("accounts_ended", number(ended))
        .with("accounts_with_facts_after", number(touched))
        .with("days_with_facts_after", number(facts))
        .with("median_days_to_last_fact", f64::from(i32::try_from(median).unwrap_or(i32::MAX)));
    Some(finding)
}

/// Days from the last fact before `day` to that day; `None` where there is none.
fn offset(days: &[i64], day: i64) -> Option<i64> {
    days[..days.partition_point(|fact| *fact < day)].last().map(|last| day - last)
}

/// Facts on the very day of the end, else a last fact at the same distance before it.
fn anchored(table: &'static str, days: &Days, fates: &Fates) -> Option<Finding> {
    let ends: Vec<(usize, Instant)> = fates.ended().filter(|(account, _)| !days[*account].is_empty()).collect();
    if ends.len() < MIN_ACCOUNTS {
        return None;
    }
    let on_the_day = |account: usize, day: i64| days[account].binary_search(&day).is_ok();
    if let Some(evidence) = Excess::of(&ends, &on_the_day) {
        let count = evidence.count;
        let text = format!("{count} of {} ended accounts have a fact on the very day of their end", ends.len());
        return Some(evidence.add_to(Finding::new(Code::AtEnd, Level::Error, table, None).text(text)));
    }
    let mut offsets: BTreeMap<i64, usize> = BTreeMap::new();
    for offset in ends.iter().filter_map(|(account, end)| offset(&days[*account], end.day())) {
        *offsets.entry(offset).or_default() += 1;
    }
    let offset_days = offsets.into_iter().max_by_key(|(offset, count)| (*count, -*offset))?.0;
    let at_distance = |account: usize, day: i64| offset(&days[account], day) == Some(offset_days);
    let evidence = Excess::of(&ends, &at_distance)?;
    let count = evidence.count;
    let text =
        format!("the last fact of {count} of {} ended accounts is {offset_days} days before the end", ends.len());
    let finding = evidence.add_to(Finding::new(Code::Anchored, Level::Error, table, None).text(text));
    Some(finding.with("days_before_end", f64::from(i32::try_from(offset_days).unwrap_or(i32::MAX))))
}

/// Something that is so at many ends, and not at other dates of the same accounts.
struct Excess {
    accounts: usize,
    count: usize,
    usual: f64,
}

impl Excess {
    /// `None` where it is not so often, or as often at other dates.
    fn of(ends: &[(usize, Instant)], holds: &dyn Fn(usize, i64) -> bool) -> Option<Self> {
        let count = ends.iter().filter(|(account, end)| holds(*account, end.day())).count();
        let least = wilson(count, ends.len()).0;
        if least < MIN_ANCHORED_SHARE {
            return None;
        }
        let usual = usual_share(ends, holds);
        (least >= MIN_ANCHORED_RATIO * usual).then_some(Self { accounts: ends.len(), count, usual })
    }

    fn add_to(&self, finding: Finding) -> Finding {
        finding
            .with("accounts_ended", number(self.accounts))
            .with("share", number(self.count) / number(self.accounts))
            .with("share_at_earlier_dates", self.usual)
    }
}

/// How often it is so at earlier dates: the larger of the mean over dates of the same weekday and that over dates of the
/// same day of the month.
fn usual_share(ends: &[(usize, Instant)], holds: &dyn Fn(usize, i64) -> bool) -> f64 {
    let weeks = |end: Instant, step: u32| Some(end.day() - 28 * i64::from(step));
    let months = |end: Instant, step: u32| {
        end.date()?.checked_sub_months(Months::new(step)).map(|date| i64::from(days_from_epoch(date)))
    };
    let share = |shifted: &dyn Fn(Instant, u32) -> Option<i64>| {
        let (mut seen, mut same) = (0, 0);
        for (account, end) in ends {
            for day in (1..=3).filter_map(|step| shifted(*end, step)) {
                seen += 1;
                same += usize::from(holds(*account, day));
            }
        }
        number(same) / number(seen.max(1))
    };
    share(&weeks).max(share(&months))
}
