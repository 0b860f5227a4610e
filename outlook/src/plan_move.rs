//! From which plan to which: the accounts that paid twelve months before a day, or pay now, by their plan then and now.

use std::collections::BTreeMap;

use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use rayon::prelude::*;

use crate::cohort::{Share, wilson};
use crate::level::{LEAST_ACCOUNTS_AT_ONCE, year_before};
use crate::money::Cents;
use crate::segment::name_of;
use crate::timeline::{Stretch, Timeline};

/// Where an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    /// On a plan.
    Plan(u32),
    /// It pays, its plan is not known.
    NotKnown,
    /// It does not pay.
    NotPaying,
}

impl Place {
    fn of(stretch: Option<&Stretch>) -> Self {
        match stretch.filter(|stretch| stretch.mrr > Cents::ZERO) {
            None => Self::NotPaying,
            Some(stretch) => stretch.plan.map_or(Self::NotKnown, Self::Plan),
        }
    }

    fn name(self, facts: &Facts) -> String {
        match self {
            Self::Plan(code) => name_of(&facts.plans, Some(code)),
            Self::NotKnown => name_of(&facts.plans, None),
            Self::NotPaying => "(not paying)".to_owned(),
        }
    }
}

/// Accounts on one plan twelve months ago and on one, mostly the same, now.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanMove {
    /// Plan then; `(not paying)` for accounts that came since, `(not known)` where they paid on no known plan.
    pub from_plan: String,
    /// Plan now; `(not paying)` for accounts that left.
    pub to_plan: String,
    /// Accounts.
    pub accounts: u64,
    /// What they paid then.
    pub opening: Cents,
    /// What they pay now.
    pub closing: Cents,
    /// Of them, those that pay more than then.
    pub paying_more: u64,
    /// Of them, those that pay less than then.
    pub paying_less: u64,
    /// Share of the accounts that were on the plan then, with Wilson's interval; `None` for those that did not pay.
    pub share: Option<Share>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    accounts: u64,
    opening: Cents,
    closing: Cents,
    paying_more: u64,
    paying_less: u64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.opening += other.opening;
        self.closing += other.closing;
        self.paying_more += other.paying_more;
        self.paying_less += other.paying_less;
    }
}

type Sums = BTreeMap<(Place, Place), Sum>;

/// Every pair of plans that occurs, by plan then, then plan now. The closing less the opening of all of them is the change of
/// MRR over the twelve months before `as_of`, to the cent.
#[must_use]
pub fn plan_moves(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate) -> Vec<PlanMove> {
    let (from, until) = (Instant::start_of(year_before(as_of)), Instant::start_of(as_of));
    let add = |mut sums: Sums, timeline: &Timeline| {
        let (then, now) = (timeline.before(from), timeline.before(until));
        let (opening, closing) = (then.map_or(Cents::ZERO, |one| one.mrr), now.map_or(Cents::ZERO, |one| one.mrr));
        if opening > Cents::ZERO || closing > Cents::ZERO {
            let (more, less) = (u64::from(closing > opening), u64::from(closing < opening));
            let one = Sum { accounts: 1, opening, closing, paying_more: more, paying_less: less };
            sums.entry((Place::of(then), Place::of(now))).or_default().add(&one);
        }
        sums
    };
    let merge = |mut sums: Sums, other: Sums| {
        for (places, sum) in other {
            sums.entry(places).or_default().add(&sum);
        }
        sums
    };
    let accounts = timelines.par_iter().with_min_len(LEAST_ACCOUNTS_AT_ONCE);
    let sums = accounts.fold(Sums::new, add).reduce(Sums::new, merge);
    let mut of_plan: BTreeMap<Place, u64> = BTreeMap::new();
    for ((then, _), sum) in &sums {
        *of_plan.entry(*then).or_default() += sum.accounts;
    }
    let share = |then: Place, accounts: u64| {
        (then != Place::NotPaying).then(|| wilson(accounts as usize, of_plan[&then] as usize))
    };
    sums.iter()
        .map(|((then, now), sum)| PlanMove {
            from_plan: then.name(facts),
            to_plan: now.name(facts),
            accounts: sum.accounts,
            opening: sum.opening,
            closing: sum.closing,
            paying_more: sum.paying_more,
            paying_less: sum.paying_less,
            share: share(*then, sum.accounts),
        })
        .collect()
}
