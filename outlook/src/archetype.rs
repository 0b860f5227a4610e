//! Archetypes: combinations of at most three attribute values whose accounts fare otherwise than the base.
//!
//! Attributes are segment, industry, region, channel, plan and size of an account twelve months before `as_of`, and the
//! features that it used and the workflows that it completed in the 90 days before that. Every combination of up to three of
//! the [`MOST_VALUES`] values that most accounts have is counted. The retention of each is drawn towards the base with
//! enough accounts ([`crate::pool::Pool`]), so that a small one does not stand out by luck.
//!
//! A combination is told when its logo retention, or the share of its accounts that pay more, is told apart from that of the
//! base and from that of every part of the combination: a value that adds nothing to the others is not named (the improvement
//! constraint of Bayardo, Agrawal and Gunopulos 1999, ICDE, "Constraint-based rule mining"). Of `n` accounts taken from a
//! larger group in which the share `p` was kept, a share as far off as `q` or further is kept with a probability of at most
//! `2 exp(-n KL(q, p))`, `KL(q, p) = q ln(q / p) + (1 - q) ln((1 - q) / (1 - p))` (Chernoff's bound, which holds for samples
//! without replacement: Hoeffding 1963, J. Am. Stat. Assoc. 58). Told apart is what has at most 5 % over all combinations and
//! both measures together (Bonferroni). They are ordered by how far the drawn interval lies from the base and the parts, and
//! one that holds more than 90 % of the accounts of a better one is left out.

mod search;

use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use rayon::prelude::*;

use crate::behaviour::Behaviour;
use crate::cohort::Share;
use crate::compared::SIZES;
use crate::level::year_before;
use crate::nps::Voices;
use crate::retention::Retention;
use crate::segment::{GroupedBy, Member, SizeCutOffs, code_of_account, members, name_of, names_of};
use crate::timeline::Timeline;

/// Accounts that a combination has at least.
pub const LEAST_ACCOUNTS: usize = 30;

/// Values that combinations are made of at most: the work grows with its third power.
pub const MOST_VALUES: usize = 40;

/// Combinations that are told at most.
pub const MOST_TOLD: usize = 30;

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttributeValue {
    /// Attribute.
    pub by: GroupedBy,
    /// Its value; of [`GroupedBy::Adopter`] the feature, of [`GroupedBy::Workflow`] the workflow.
    pub value: String,
}

/// A combination of attribute values over the twelve months before `as_of`.
#[derive(Debug, Clone, PartialEq)]
pub struct Archetype {
    /// One to three values.
    pub values: Vec<AttributeValue>,
    /// What became of its accounts.
    pub retention: Retention,
    /// Logo retention, drawn.
    pub logo: Share,
    /// Accounts that pay more than then.
    pub expanded_accounts: u64,
    /// Their share, drawn.
    pub expanded: Share,
    /// Net revenue retention, drawn.
    pub net: Option<Share>,
    /// Mean MRR now of the accounts that paid then.
    pub mrr_per_account: Option<Share>,
    /// What they say now.
    pub voices: Voices,
    /// How far the drawn interval lies from the base and from every part of the combination, as a share; above 0.
    pub distance: f64,
}

/// The accounts as the search sees them.
pub(crate) struct Base {
    /// Values, ascending.
    values: Vec<AttributeValue>,
    /// By account: a bit per value, and what became of it.
    accounts: Vec<(u64, Member)>,
}

/// The combinations that stand out, the furthest first. `behaviour` as of twelve months before `as_of`.
#[must_use]
pub fn archetypes(
    facts: &Facts,
    timelines: &[Timeline],
    as_of: NaiveDate,
    sizes: SizeCutOffs,
    behaviour: Option<&Behaviour>,
) -> Vec<Archetype> {
    search::told(&Base::of(facts, timelines, as_of, sizes, behaviour))
}

/// The columns of the accounts that are attributes.
const ATTRIBUTES: [GroupedBy; 6] = GroupedBy::ALL;

/// What an account has of each attribute; `None` where it is not known.
type Codes = [Option<u32>; ATTRIBUTES.len()];

impl Base {
    fn of(
        facts: &Facts,
        timelines: &[Timeline],
        as_of: NaiveDate,
        sizes: SizeCutOffs,
        behaviour: Option<&Behaviour>,
    ) -> Self {
        let opening = Instant::start_of(year_before(as_of));
        let members = members(facts, timelines, as_of);
        let codes = |(account, member, plan): &(usize, Member, Option<u32>)| -> Codes {
            ATTRIBUTES.map(|by| match by {
                GroupedBy::Plan => *plan,
                GroupedBy::Size => Some(sizes.class(member.opening) as u32),
                _ => code_of_account(facts, *account, opening, by),
            })
        };
        let codes: Vec<Codes> = members.par_iter().map(codes).collect();
        let done = |account: usize| behaviour.map_or(0, |behaviour| behaviour.done[account]);
        let mut candidates = columns(facts, &codes);
        if let Some(behaviour) = behaviour {
            for (act, named) in behaviour.acts.iter().enumerate() {
                let count = members.iter().filter(|(account, ..)| done(*account) >> act & 1 == 1).count();
                let value = AttributeValue { by: named.by, value: named.name.clone() };
                candidates.push(Candidate { value, count, source: Source::Act(act) });
            }
        }
        let chosen = Candidate::choose(candidates, members.len());
        let account = |(codes, (account, member, _)): (&Codes, &(usize, Member, Option<u32>))| {
            let has = |candidate: &Candidate| match candidate.source {
                Source::Column(attribute, code) => codes[attribute] == Some(code),
                Source::Act(act) => done(*account) >> act & 1 == 1,
            };
            let bits = chosen.iter().enumerate().map(|(place, value)| u64::from(has(value)) << place);
            (bits.fold(0, |all, bit| all | bit), *member)
        };
        let accounts = codes.par_iter().zip(&members).map(account).collect();
        Self { values: chosen.into_iter().map(|candidate| candidate.value).collect(), accounts }
    }
}

/// Where an account's value is found.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// An attribute of [`ATTRIBUTES`] and its code.
    Column(usize, u32),
    /// An act of the behaviour.
    Act(usize),
}

/// A value that combinations may be made of.
struct Candidate {
    value: AttributeValue,
    count: usize,
    source: Source,
}

impl Candidate {
    /// Those that enough accounts have and not all of them, most accounts first, then put in order.
    fn choose(mut candidates: Vec<Self>, accounts: usize) -> Vec<Self> {
        candidates.retain(|one| one.count >= LEAST_ACCOUNTS && one.count < accounts);
        candidates.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
        candidates.truncate(MOST_VALUES);
        candidates.sort_by(|one, other| one.value.cmp(&other.value));
        candidates
    }
}

/// Every known value of the columns with its number of accounts.
fn columns(facts: &Facts, codes: &[Codes]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (attribute, by) in ATTRIBUTES.into_iter().enumerate() {
        let most = codes.iter().filter_map(|codes| codes[attribute]).max().map_or(0, |code| code as usize + 1);
        let mut counts = vec![0; most];
        codes.iter().filter_map(|codes| codes[attribute]).for_each(|code| counts[code as usize] += 1);
        for (code, count) in counts.into_iter().enumerate() {
            let value = match by {
                GroupedBy::Size => SIZES[code].to_owned(),
                _ => name_of(names_of(facts, by), Some(code as u32)),
            };
            let source = Source::Column(attribute, code as u32);
            found.push(Candidate { value: AttributeValue { by, value }, count, source });
        }
    }
    found
}
