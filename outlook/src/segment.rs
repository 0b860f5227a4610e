//! Groups of accounts: what became of those that paid a year ago, by segment, industry, region, channel, plan and size.

use std::collections::BTreeMap;

use bellwether_features::facts::{Facts, Names};
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use rayon::prelude::*;
use serde::Serialize;

use crate::cohort::{Share, ratio};
use crate::compared::{Money, SIZES};
use crate::level::year_before;
use crate::money::Cents;
use crate::nps::{self, Voice, Voices};
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
    /// Campaign by which it came; compared at equal size only.
    Campaign,
    /// Plan at the opening.
    Plan,
    /// Annual value at the opening: see [`SizeCutOffs`].
    Size,
    /// Whether it used a feature in the 90 days before the opening.
    Adopter,
    /// Whether it completed a workflow in them.
    Workflow,
}

impl GroupedBy {
    /// Those that the accounts and their subscriptions tell.
    pub const ALL: [Self; 6] = [Self::Segment, Self::Industry, Self::Region, Self::Channel, Self::Plan, Self::Size];

    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Industry => "industry",
            Self::Region => "region",
            Self::Channel => "channel",
            Self::Campaign => "campaign",
            Self::Plan => "plan",
            Self::Size => "size",
            Self::Adopter => "adopter",
            Self::Workflow => "workflow",
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

    /// The size class of an account with this MRR: 0 small, 1 mid-market, 2 enterprise.
    pub(crate) fn class(&self, mrr: Cents) -> usize {
        let annual = Cents(mrr.0.saturating_mul(12));
        usize::from(annual >= self.mid_market.min(self.enterprise)) + usize::from(annual >= self.enterprise)
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
    /// Logo retention, drawn towards all accounts together.
    pub logo: Share,
    /// Net revenue retention, drawn towards all accounts together; `None` where no group has one.
    pub net: Option<Share>,
    /// Mean MRR now of the accounts that paid then, those that left with 0; `None` with fewer than two.
    pub mrr_per_account: Option<Share>,
    /// What they say now.
    pub voices: Voices,
}

/// An account of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Member {
    /// MRR at the opening, above 0.
    pub(crate) opening: Cents,
    /// MRR now.
    pub(crate) closing: Cents,
    /// What it says now.
    pub(crate) voice: Option<Voice>,
}

/// Members by group.
pub(crate) type Groups = BTreeMap<String, Vec<Member>>;

/// Every group of accounts that paid twelve months before `as_of`, by kind, then by name.
#[must_use]
pub fn segments(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate, sizes: SizeCutOffs) -> Vec<SegmentRow> {
    let opening = Instant::start_of(year_before(as_of));
    let members = members(facts, timelines, as_of);
    let mut rows = Vec::new();
    for by in GroupedBy::ALL {
        let mut by_code: BTreeMap<Option<u32>, Vec<Member>> = BTreeMap::new();
        for (account, member, plan) in &members {
            let code = match by {
                GroupedBy::Size => Some(sizes.class(member.opening) as u32),
                GroupedBy::Plan => *plan,
                _ => code_of_account(facts, *account, opening, by),
            };
            by_code.entry(code).or_default().push(*member);
        }
        let mut groups = Groups::new();
        for (code, members) in by_code {
            let name = match (by, code) {
                (GroupedBy::Size, Some(class)) => SIZES[class as usize].to_owned(),
                _ => name_of(names_of(facts, by), code),
            };
            groups.entry(name).or_default().extend(members);
        }
        rows.extend(of_groups(by, small_together(groups)));
    }
    rows
}

/// The accounts that paid twelve months before `as_of`, with their plan then, in the order of the accounts.
pub(crate) fn members(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate) -> Vec<(usize, Member, Option<u32>)> {
    let (opening, closing) = (Instant::start_of(year_before(as_of)), Instant::start_of(as_of));
    let member = |(account, timeline): (usize, &Timeline)| {
        let then = timeline.before(opening).filter(|stretch| stretch.mrr > Cents::ZERO)?;
        let voice = nps::voice(facts, account, closing);
        let member = Member { opening: then.mrr, closing: timeline.mrr_before(closing), voice };
        Some((account, member, then.plan))
    };
    timelines.par_iter().enumerate().filter_map(member).collect()
}

/// What was known of the account at the opening, as a code; `None` as well for what is no column of the accounts.
pub(crate) fn code_of_account(facts: &Facts, account: usize, opening: Instant, by: GroupedBy) -> Option<u32> {
    let versions = facts.account_rows.as_ref().map_or(&[][..], |rows| rows.of(account));
    let known = versions.iter().rfind(|version| version.known_at < opening)?;
    match by {
        GroupedBy::Segment => known.segment,
        GroupedBy::Industry => known.industry,
        GroupedBy::Region => known.region,
        GroupedBy::Channel => known.channel,
        GroupedBy::Campaign => known.campaign,
        GroupedBy::Plan | GroupedBy::Size | GroupedBy::Adopter | GroupedBy::Workflow => None,
    }
}

/// What the codes stand for.
pub(crate) fn names_of(facts: &Facts, by: GroupedBy) -> &Names {
    match by {
        GroupedBy::Industry => &facts.industries,
        GroupedBy::Region => &facts.regions,
        GroupedBy::Channel => &facts.channels,
        GroupedBy::Campaign => &facts.campaigns,
        GroupedBy::Plan => &facts.plans,
        GroupedBy::Adopter | GroupedBy::Workflow => &facts.features,
        GroupedBy::Segment | GroupedBy::Size => &facts.segments,
    }
}

pub(crate) fn name_of(names: &Names, code: Option<u32>) -> String {
    let name = code.and_then(|code| names.names.get(code as usize));
    name.filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| "(not known)".to_owned())
}

fn small_together(groups: Groups) -> Groups {
    let mut kept = Groups::new();
    for (name, accounts) in groups {
        let name = if accounts.len() < LEAST_ACCOUNTS { "(other)".to_owned() } else { name };
        kept.entry(name).or_default().extend(accounts);
    }
    kept
}

/// Groups side by side, each drawn towards what they are together.
pub(crate) fn of_groups(by: GroupedBy, groups: Groups) -> Vec<SegmentRow> {
    let found: Vec<(String, Retention, Estimate, Estimate)> = groups
        .iter()
        .map(|(name, accounts)| {
            let of_account = |member: &Member| Retention::of_amounts(member.opening, member.closing);
            let retention = accounts.iter().map(of_account).fold(Retention::default(), Retention::plus);
            let amounts: Vec<(Cents, Cents)> = accounts.iter().map(|one| (one.opening, one.closing)).collect();
            let logo = Estimate::of_share(retention.kept_accounts, retention.accounts);
            (name.clone(), retention, logo, net_estimate(&amounts))
        })
        .collect();
    let logos: Vec<Estimate> = found.iter().map(|(_, _, logo, _)| *logo).collect();
    let nets: Vec<Estimate> = found.iter().map(|(_, _, _, net)| *net).collect();
    // All accounts, whatever their group: what the groups make up.
    let all = found.iter().map(|(_, retention, ..)| *retention).fold(Retention::default(), Retention::plus);
    let amounts = groups.values().flatten().map(|one| (one.opening, one.closing)).collect::<Vec<_>>();
    let logo_pool = Pool::about(Estimate::of_share(all.kept_accounts, all.accounts), &logos);
    let net_pool = Pool::about(net_estimate(&amounts), &nets);
    let within = |share: Share| Share { value: share.value, low: share.low.max(0.0), high: share.high };
    found
        .into_iter()
        .zip(groups.into_values())
        .filter_map(|((group, retention, logo, net), accounts)| {
            let logo = within(logo_pool?.drawn(&logo));
            let logo = Share { high: logo.high.min(1.0), ..logo };
            let net = net_pool.map(|pool| within(pool.drawn(&net)));
            let (mut money, mut voices) = (Money::default(), Voices::default());
            for member in &accounts {
                money.add(&Money::of(member.opening, member.closing), 1);
                voices.add(member.voice);
            }
            let mrr_per_account = money.closing_mean(retention.accounts);
            Some(SegmentRow { by, group, retention, logo, net, mrr_per_account, voices })
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
