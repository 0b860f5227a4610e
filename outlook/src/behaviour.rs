//! What accounts did before a day: which features they used, which workflows they completed.
//!
//! A feature is adopted when a use of it lies in the 90 days before the day; a workflow is completed when its steps were used
//! in their order in them, by whomever. Both as known before the day. Features are those that the project declares; where it
//! declares none, those that most accounts used. At most [`MOST_FEATURES`] are told.

use bellwether_features::CatalogueSettings;
use bellwether_features::contract::TableName;
use bellwether_features::facts::{Facts, UsageFact};
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use rayon::prelude::*;

use crate::level::year_before;
use crate::segment::{GroupedBy, Groups, LEAST_ACCOUNTS, SegmentRow, members, of_groups};
use crate::timeline::Timeline;

/// Days in which a use counts.
pub const WINDOW_DAYS: i64 = 90;

/// Features that are told at most.
pub const MOST_FEATURES: usize = 40;

/// Workflows that are told at most.
const MOST_WORKFLOWS: usize = 20;

/// One thing that an account did or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// [`GroupedBy::Adopter`] or [`GroupedBy::Workflow`].
    pub by: GroupedBy,
    /// Name of the feature or workflow.
    pub name: String,
}

/// What every account did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Features, then workflows, each by name; at most 64.
    pub acts: Vec<Act>,
    /// By account, one bit per act.
    pub done: Vec<u64>,
}

impl Behaviour {
    /// What accounts did before `day`; `None` without a usage table.
    #[must_use]
    pub fn of(facts: &Facts, catalogue: &CatalogueSettings, day: NaiveDate) -> Option<Self> {
        facts.usage.as_ref()?;
        let day = Instant::start_of(day);
        let features = features(facts, catalogue, day);
        let code =
            |name: &String| facts.features.names.binary_search(name).ok().and_then(|code| u32::try_from(code).ok());
        let workflows: Vec<(&str, Vec<Option<u32>>)> = catalogue
            .workflows
            .iter()
            .filter(|workflow| !workflow.steps.is_empty())
            .take(MOST_WORKFLOWS)
            .map(|workflow| (workflow.name.as_str(), workflow.steps.iter().map(code).collect()))
            .collect();
        let mut place = vec![None; facts.features.names.len()];
        features.iter().enumerate().for_each(|(index, code)| place[*code as usize] = Some(index));
        let of_account = |account: usize| {
            let mut done = 0_u64;
            let mut taken = [0_usize; MOST_WORKFLOWS];
            for used in window(facts, account, day) {
                if let Some(index) = place.get(used.feature as usize).copied().flatten() {
                    done |= 1 << index;
                }
                for ((_, steps), taken) in workflows.iter().zip(&mut taken) {
                    *taken += usize::from(steps.get(*taken) == Some(&Some(used.feature)));
                }
            }
            for (index, ((_, steps), taken)) in workflows.iter().zip(taken).enumerate() {
                done |= u64::from(taken == steps.len()) << (features.len() + index);
            }
            done
        };
        let done = (0..facts.accounts.len()).into_par_iter().map(of_account).collect();
        let feature = |code: &u32| Act { by: GroupedBy::Adopter, name: facts.features.names[*code as usize].clone() };
        let workflow = |(name, _): &(&str, _)| Act { by: GroupedBy::Workflow, name: (*name).to_owned() };
        Some(Self { acts: features.iter().map(feature).chain(workflows.iter().map(workflow)).collect(), done })
    }

    /// Whether the account did it.
    #[must_use]
    pub fn has(&self, account: usize, act: usize) -> bool {
        self.done[account] >> act & 1 == 1
    }
}

/// Uses of the account in the window before `day`, as known then, in order of time.
fn window(facts: &Facts, account: usize, day: Instant) -> impl Iterator<Item = &UsageFact> {
    let rows = facts.usage.as_ref().map_or(&[][..], |usage| usage.of(account));
    let counts = facts.count_since(TableName::Usage, account) < day;
    let begins = day.plus_days(-WINDOW_DAYS);
    let (first, last) = (rows.partition_point(|row| row.at < begins), rows.partition_point(|row| row.at < day));
    rows[first..last].iter().filter(move |row| counts && row.known_at < day)
}

/// Codes of the features to tell, ascending.
fn features(facts: &Facts, catalogue: &CatalogueSettings, day: Instant) -> Vec<u32> {
    let codes = 0..facts.features.names.len() as u32;
    let is_declared = |code: &u32| catalogue.features.contains(&facts.features.names[*code as usize]);
    let mut found: Vec<u32> = match catalogue.features.is_empty() {
        true => codes.collect(),
        false => codes.filter(is_declared).collect(),
    };
    if found.len() > MOST_FEATURES {
        let accounts = adopters(facts, day);
        found.sort_by_key(|code| (std::cmp::Reverse(accounts[*code as usize]), *code));
        found.truncate(MOST_FEATURES);
        found.sort_unstable();
    }
    found
}

/// Accounts by feature code.
fn adopters(facts: &Facts, day: Instant) -> Vec<u64> {
    let mut accounts = vec![0; facts.features.names.len()];
    let mut seen: Vec<u32> = Vec::new();
    for account in 0..facts.accounts.len() {
        seen.clear();
        seen.extend(window(facts, account, day).map(|row| row.feature));
        seen.sort_unstable();
        seen.dedup();
        seen.iter().for_each(|code| accounts[*code as usize] += 1);
    }
    accounts
}

/// Rows of segments: those who did and those who did not, of each act that at least [`LEAST_ACCOUNTS`] accounts did and as many
/// did not. `behaviour` as of twelve months before `as_of`. Each pair is drawn towards its own mean.
#[must_use]
pub fn segments(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate, behaviour: &Behaviour) -> Vec<SegmentRow> {
    let members = members(facts, timelines, as_of);
    let mut rows = Vec::new();
    for (index, act) in behaviour.acts.iter().enumerate() {
        let mut groups = Groups::new();
        for (account, member, _) in &members {
            let name = if behaviour.has(*account, index) { act.name.clone() } else { format!("without {}", act.name) };
            groups.entry(name).or_default().push(*member);
        }
        if groups.len() == 2 && groups.values().all(|group| group.len() >= LEAST_ACCOUNTS) {
            rows.extend(of_groups(act.by, groups));
        }
    }
    rows
}

/// The day at which behaviour is looked at: twelve months before `as_of`.
#[must_use]
pub fn opening_day(as_of: NaiveDate) -> NaiveDate {
    year_before(as_of)
}
