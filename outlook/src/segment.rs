//! Groups of accounts: what became of those that paid a year ago, by segment, industry, region, channel, plan and size.

use std::collections::BTreeMap;

use bellwether_features::facts::{AccountFact, Facts, Names};
use bellwether_features::time::Instant;
use chrono::{Months, NaiveDate};
use serde::Serialize;

use crate::cohort::{Share, ratio};
use crate::money::Cents;
use crate::pool::{Estimate, Pool};
use crate::retention::Retention;
use crate::timeline::Timeline;

/// What accounts are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupedBy {
    /// Segment of the account.
    Segment,
    /// Industry.
    Industry,
    /// Region.
    Region,
    /// Channel by which it came.
    Channel,
    /// Plan at the opening.
    Plan,
    /// Annual value at the opening: see [`SizeCutOffs`].
    Size,
}

impl GroupedBy {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Segment, Self::Industry, Self::Region, Self::Channel, Self::Plan, Self::Size];

    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Industry => "industry",
            Self::Region => "region",
            Self::Channel => "channel",
            Self::Plan => "plan",
            Self::Size => "size",
        }
    }
}

/// Annual value from which an account is of a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeCutOffs {
    /// From here on `mid_market`.
    pub mid_market: Cents,
    /// From here on `enterprise`.
    pub enterprise: Cents,
}

impl Default for SizeCutOffs {
    fn default() -> Self {
        Self { mid_market: Cents(1_000_000), enterprise: Cents(5_000_000) }
    }
}

impl SizeCutOffs {
    /// The size of an account with this annual value.
    #[must_use]
    pub fn size(&self, annual: Cents) -> &'static str {
        if annual >= self.enterprise {
            "enterprise"
        } else if annual >= self.mid_market {
            "mid_market"
        } else {
            "small"
        }
    }
}

/// Groups of fewer accounts are not told: their name may be that of a customer.
pub const LEAST_ACCOUNTS: usize = 10;

/// One group over the twelve months before `as_of`.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentRow {
    /// What it is a group of.
    pub by: GroupedBy,
    /// Its name; `(not known)` for accounts without one, `(other)` for groups of fewer than [`LEAST_ACCOUNTS`] together.
    pub group: String,
    /// What became of it.
    pub retention: Retention,
    /// Logo retention, drawn towards all groups.
    pub logo: Share,
    /// Net revenue retention, drawn towards all groups; `None` where no group has one.
    pub net: Option<Share>,
}

/// Every group of accounts that paid twelve months before `as_of`, by kind, then by name.
#[must_use]
pub fn segments(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate, sizes: SizeCutOffs) -> Vec<SegmentRow> {
    let from = as_of.checked_sub_months(Months::new(12)).unwrap_or(NaiveDate::MIN);
    let (opening, closing) = (Instant::start_of(from), Instant::start_of(as_of));
    let mut rows = Vec::new();
    for by in GroupedBy::ALL {
        let mut groups: BTreeMap<String, Vec<(Cents, Cents)>> = BTreeMap::new();
        for (account, timeline) in timelines.iter().enumerate() {
            let Some(then) = timeline.before(opening).filter(|stretch| stretch.mrr > Cents::ZERO) else { continue };
            let name = match by {
                GroupedBy::Size => sizes.size(Cents(then.mrr.0.saturating_mul(12))).to_owned(),
                GroupedBy::Plan => name_of(&facts.plans, then.plan),
                _ => of_account(facts, account, opening, by),
            };
            groups.entry(name).or_default().push((then.mrr, timeline.mrr_before(closing)));
        }
        rows.extend(of_groups(by, small_together(groups)));
    }
    rows
}

/// What was known of the account at the opening.
fn of_account(facts: &Facts, account: usize, opening: Instant, by: GroupedBy) -> String {
    let versions = facts.account_rows.as_ref().map_or(&[][..], |rows| rows.of(account));
    let known = versions.iter().rfind(|version| version.known_at < opening);
    let (names, code): (&Names, fn(&AccountFact) -> Option<u32>) = match by {
        GroupedBy::Industry => (&facts.industries, |row| row.industry),
        GroupedBy::Region => (&facts.regions, |row| row.region),
        GroupedBy::Channel => (&facts.channels, |row| row.channel),
        GroupedBy::Segment | GroupedBy::Plan | GroupedBy::Size => (&facts.segments, |row| row.segment),
    };
    name_of(names, known.and_then(code))
}

fn name_of(names: &Names, code: Option<u32>) -> String {
    let name = code.and_then(|code| names.names.get(code as usize));
    name.filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| "(not known)".to_owned())
}

fn small_together(groups: BTreeMap<String, Vec<(Cents, Cents)>>) -> BTreeMap<String, Vec<(Cents, Cents)>> {
    let mut kept: BTreeMap<String, Vec<(Cents, Cents)>> = BTreeMap::new();
    for (name, accounts) in groups {
        let name = if accounts.len() < LEAST_ACCOUNTS { "(other)".to_owned() } else { name };
        kept.entry(name).or_default().extend(accounts);
    }
    kept
}

fn of_groups(by: GroupedBy, groups: BTreeMap<String, Vec<(Cents, Cents)>>) -> Vec<SegmentRow> {
    let retention = |accounts: &[(Cents, Cents)]| {
        accounts
            .iter()
            .map(|(opening, closing)| Retention::of_amounts(*opening, *closing))
            .fold(Retention::default(), Retention::plus)
    };
    let found: Vec<(String, Retention, Estimate, Estimate)> = groups
        .into_iter()
        .map(|(name, accounts)| {
            let retention = retention(&accounts);
            let net = net_estimate(&accounts);
            (name, retention, Estimate::of_share(retention.kept_accounts, retention.accounts), net)
        })
        .collect();
    let logos: Vec<Estimate> = found.iter().map(|(_, _, logo, _)| *logo).collect();
    let nets: Vec<Estimate> = found.iter().map(|(_, _, _, net)| *net).collect();
    let (logo_pool, net_pool) = (Pool::of(&logos), Pool::of(&nets));
    let within = |share: Share| Share { value: share.value, low: share.low.max(0.0), high: share.high };
    found
        .into_iter()
        .filter_map(|(group, retention, logo, net)| {
            let logo = within(logo_pool?.drawn(&logo));
            let logo = Share { high: logo.high.min(1.0), ..logo };
            let net = net_pool.map(|pool| within(pool.drawn(&net)));
            Some(SegmentRow { by, group, retention, logo, net })
        })
        .collect()
}

/// Net revenue retention with the variance of a ratio of sums; not usable with fewer than two accounts.
fn net_estimate(accounts: &[(Cents, Cents)]) -> Estimate {
    let found = ratio(accounts).filter(|share| share.high.is_finite());
    let half = |share: Share| (share.high - share.value) / 1.959_963_984_540_054;
    found.map_or(Estimate { value: f64::NAN, variance: 0.0 }, |share| Estimate {
        value: share.value,
        // Accounts that all did the same do not make it certain.
        variance: half(share).powi(2).max(1e-6),
    })
}
