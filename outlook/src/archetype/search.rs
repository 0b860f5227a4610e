//! Counting of all combinations, and the choice of those that are told.

use rayon::prelude::*;

use super::{Archetype, Base, LEAST_ACCOUNTS, MOST_TOLD};
use crate::cohort::Share;
use crate::compared::Money;
use crate::money::Cents;
use crate::nps::Voices;
use crate::pool::{Estimate, Pool};
use crate::retention::Retention;
use crate::segment::Member;

/// Most values of a combination.
const MOST_PARTS: usize = 3;

/// Candidates that are compared with the told ones at most, the furthest first.
const MOST_TRIED: usize = 300;

/// A combination that holds more than this share of the accounts of a better one is not told.
const MOST_SHARED: f64 = 0.9;

/// How probable it may be that anything at all is told by chance.
const MOST_BY_CHANCE: f64 = 0.05;

/// Accounts that one piece of parallel work has at least: each has sums for every combination.
const LEAST_AT_ONCE: usize = 1 << 15;

/// What became of the accounts of a combination.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    accounts: u32,
    kept: u32,
    expanded: u32,
    /// Of the opening MRR, expansion left out.
    kept_mrr: Cents,
    voices: Voices,
    money: Money,
}

impl Sum {
    fn of(member: &Member) -> Self {
        let mut one = Self {
            accounts: 1,
            kept: u32::from(member.closing > Cents::ZERO),
            expanded: u32::from(member.closing > member.opening),
            kept_mrr: member.closing.min(member.opening),
            voices: Voices::default(),
            money: Money::of(member.opening, member.closing),
        };
        one.voices.add(member.voice);
        one
    }

    /// Kept accounts, then those that pay more.
    fn counts(&self) -> [u32; 2] {
        [self.kept, self.expanded]
    }

    fn add(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.kept += other.kept;
        self.expanded += other.expanded;
        self.kept_mrr += other.kept_mrr;
        self.voices.merge(&other.voices);
        self.money.add(&other.money, 1);
    }
}

/// A combination: places of one to three values, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Combination {
    places: [usize; MOST_PARTS],
    parts: usize,
}

impl Combination {
    fn places(&self) -> &[usize] {
        &self.places[..self.parts]
    }

    fn bits(&self) -> u64 {
        self.places().iter().fold(0, |bits, place| bits | 1 << place)
    }

    /// Every combination of the places, in an order of its own.
    fn all(values: usize) -> Vec<Self> {
        let mut found = Vec::with_capacity(combinations(values));
        found.extend((0..values).map(|one| Self { places: [one, 0, 0], parts: 1 }));
        for second in 0..values {
            found.extend((0..second).map(|one| Self { places: [one, second, 0], parts: 2 }));
        }
        for third in 0..values {
            for second in 0..third {
                found.extend((0..second).map(|one| Self { places: [one, second, third], parts: 3 }));
            }
        }
        found
    }

    /// The place of a combination in [`Combination::all`]: the combinatorial number system.
    fn index(places: &[usize], values: usize) -> usize {
        match *places {
            [one] => one,
            [one, second] => values + pairs(second) + one,
            [one, second, third] => values + pairs(values) + triples(third) + pairs(second) + one,
            _ => 0,
        }
    }

    /// The combinations that are left when values are taken away.
    fn parts_of_it(&self) -> Vec<Vec<usize>> {
        let places = self.places();
        let subsets = 1..(1_usize << places.len()) - 1;
        let chosen = |subset: usize| {
            let is_in = |place: &usize| subset >> place & 1 == 1;
            (0..places.len()).filter(is_in).map(|place| places[place]).collect()
        };
        subsets.map(chosen).collect()
    }
}

/// Pairs of places below one.
fn pairs(place: usize) -> usize {
    place * place.saturating_sub(1) / 2
}

/// Triples of places below one.
fn triples(place: usize) -> usize {
    pairs(place) * place.saturating_sub(2) / 3
}

fn combinations(values: usize) -> usize {
    values + pairs(values) + triples(values)
}

/// Sums of every combination, in the order of [`Combination::all`].
fn sums(base: &Base) -> Vec<Sum> {
    let values = base.values.len();
    let empty = || vec![Sum::default(); combinations(values)];
    let add = |mut sums: Vec<Sum>, (bits, member): &(u64, Member)| {
        let one = Sum::of(member);
        let mut places = [0_usize; 64];
        let mut count = 0;
        let mut left = *bits;
        while left != 0 {
            places[count] = left.trailing_zeros() as usize;
            left &= left - 1;
            count += 1;
        }
        let places = &places[..count];
        for (at, third) in places.iter().enumerate() {
            sums[*third].add(&one);
            for (below, second) in places[..at].iter().enumerate() {
                sums[Combination::index(&[*second, *third], values)].add(&one);
                // The combinations of the lowest place lie side by side.
                let from = Combination::index(&[0, *second, *third], values);
                for first in &places[..below] {
                    sums[from + first].add(&one);
                }
            }
        }
        sums
    };
    let merge = |mut sums: Vec<Sum>, other: Vec<Sum>| {
        sums.iter_mut().zip(&other).for_each(|(sum, other)| sum.add(other));
        sums
    };
    base.accounts.par_iter().with_min_len(LEAST_AT_ONCE).fold(empty, add).reduce(empty, merge)
}

/// A combination with its drawn shares.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    /// Logo retention, then the share that pays more.
    shares: [Share; 2],
    net: Option<Share>,
}

/// Every combination with enough accounts, drawn towards the base.
fn drawn(whole: &Sum, sums: &[Sum]) -> Vec<Option<Drawn>> {
    let share =
        |sum: &Sum, measure: usize| Estimate::of_share(u64::from(sum.counts()[measure]), u64::from(sum.accounts));
    let net = |sum: &Sum| {
        let found = sum.money.net(u64::from(sum.accounts));
        found.map(|(value, variance)| Estimate { value, variance })
    };
    let enough = || sums.iter().filter(|sum| is_enough(sum));
    let pools = [0, 1].map(|measure| {
        let of_all = enough().map(|sum| share(sum, measure)).collect::<Vec<_>>();
        Pool::about(share(whole, measure), &of_all)
    });
    let nets = net(whole).and_then(|base| Pool::about(base, &enough().filter_map(net).collect::<Vec<_>>()));
    let within = |share: Share, most: f64| Share {
        value: share.value.clamp(0.0, most),
        low: share.low.clamp(0.0, most),
        high: share.high.clamp(0.0, most),
    };
    let of = |sum: &Sum| {
        let [Some(kept), Some(expanded)] = pools else { return None };
        let shares = [kept.drawn(&share(sum, 0)), expanded.drawn(&share(sum, 1))].map(|share| within(share, 1.0));
        let net = net(sum).zip(nets).map(|(net, pool)| within(pool.drawn(&net), f64::INFINITY));
        is_enough(sum).then_some(Drawn { shares, net })
    };
    sums.iter().map(of).collect()
}

fn is_enough(sum: &Sum) -> bool {
    sum.accounts as usize >= LEAST_ACCOUNTS
}

/// How far an interval lies from a value that it leaves out; 0 where it holds it.
fn gap(share: Share, from: f64) -> f64 {
    (share.low - from).max(from - share.high).max(0.0)
}

/// Minus the logarithm of the most probable that so many of `accounts` are, or further off, where `share` of those that they
/// are taken from are: `n KL(q, p) - ln 2`, at least 0.
fn surprise(count: u32, accounts: u32, share: f64) -> f64 {
    let (n, q) = (f64::from(accounts), f64::from(count) / f64::from(accounts));
    let term = |part: f64, of: f64| if part > 0.0 { part * (part / of).ln() } else { 0.0 };
    (n * (term(q, share) + term(1.0 - q, 1.0 - share)) - std::f64::consts::LN_2).max(0.0)
}

/// A group that a combination is compared with.
struct Reference {
    /// Its shares as counted.
    counted: [f64; 2],
    /// And drawn; those of the base are as counted.
    drawn: [f64; 2],
}

impl Reference {
    fn of(sum: &Sum, drawn: Option<&Drawn>) -> Self {
        let counted = sum.counts().map(|count| f64::from(count) / f64::from(sum.accounts));
        Self { counted, drawn: drawn.map_or(counted, |drawn| drawn.shares.map(|share| share.value)) }
    }
}

/// How far a combination lies from the nearest of the references in a measure in which it is told apart from all of them; 0
/// where there is none.
fn distance(sum: &Sum, drawn: &Drawn, references: &[Reference], least_surprise: f64) -> f64 {
    let of_measure = |measure: usize| {
        let surprise = |one: &Reference| surprise(sum.counts()[measure], sum.accounts, one.counted[measure]);
        if references.iter().any(|one| surprise(one) < least_surprise) {
            return 0.0;
        }
        references.iter().map(|one| gap(drawn.shares[measure], one.drawn[measure])).fold(f64::INFINITY, f64::min)
    };
    of_measure(0).max(of_measure(1))
}

/// The combinations that stand out, the furthest first.
pub(super) fn told(base: &Base) -> Vec<Archetype> {
    let values = base.values.len();
    let all = Combination::all(values);
    let sums = sums(base);
    let mut whole = Sum::default();
    base.accounts.iter().for_each(|(_, member)| whole.add(&Sum::of(member)));
    let drawn = drawn(&whole, &sums);
    let mut found = apart(base, &whole, &all, &sums, &drawn);
    found.sort_by(|one, other| {
        let accounts = |found: &(f64, usize)| sums[found.1].accounts;
        other.0.total_cmp(&one.0).then(accounts(other).cmp(&accounts(one))).then(one.1.cmp(&other.1))
    });
    let mut told: Vec<(f64, usize)> = Vec::new();
    for one in found.into_iter().take(MOST_TRIED) {
        if told.len() < MOST_TOLD && !is_near_another(base, &all, &sums, &told, one.1) {
            told.push(one);
        }
    }
    let archetype =
        |(distance, index): (f64, usize)| Some(named(base, &all[index], &sums[index], drawn[index]?, distance));
    told.into_iter().filter_map(archetype).collect()
}

/// The combinations that are told apart from the base and from each of their parts, with how far they lie from them.
fn apart(base: &Base, whole: &Sum, all: &[Combination], sums: &[Sum], drawn: &[Option<Drawn>]) -> Vec<(f64, usize)> {
    let tests = 2 * drawn.iter().flatten().count();
    let least_surprise = (tests as f64 / MOST_BY_CHANCE).ln();
    let distance = |index: usize| {
        let (sum, one) = (&sums[index], drawn[index].as_ref()?);
        let whole = Reference::of(whole, None);
        if distance(sum, one, std::slice::from_ref(&whole), least_surprise) == 0.0 {
            return None;
        }
        let part = |part: &Vec<usize>| {
            let part = Combination::index(part, base.values.len());
            Reference::of(&sums[part], drawn[part].as_ref())
        };
        let parts = all[index].parts_of_it();
        let references: Vec<Reference> = std::iter::once(whole).chain(parts.iter().map(part)).collect();
        Some((distance(sum, one, &references, least_surprise), index)).filter(|(distance, _)| *distance > 0.0)
    };
    (0..all.len()).filter_map(distance).collect()
}

/// Whether a combination holds most accounts of one that is told already.
fn is_near_another(base: &Base, all: &[Combination], sums: &[Sum], told: &[(f64, usize)], index: usize) -> bool {
    let bits = all[index].bits();
    let others: Vec<(u64, usize)> = told.iter().map(|(_, other)| (all[*other].bits(), *other)).collect();
    let mut shared = vec![0_u32; others.len()];
    for (has, _) in base.accounts.iter().filter(|(has, _)| has & bits == bits) {
        for ((other, _), shared) in others.iter().zip(&mut shared) {
            *shared += u32::from(has & other == *other);
        }
    }
    let most = |other: usize| MOST_SHARED * f64::from(sums[other].accounts);
    others.iter().zip(shared).any(|((_, other), shared)| f64::from(shared) > most(*other))
}

fn named(base: &Base, combination: &Combination, sum: &Sum, drawn: Drawn, distance: f64) -> Archetype {
    let accounts = u64::from(sum.accounts);
    Archetype {
        values: combination.places().iter().map(|place| base.values[*place].clone()).collect(),
        retention: Retention {
            accounts,
            kept_accounts: u64::from(sum.kept),
            opening: sum.money.opening,
            closing: sum.money.closing,
            kept: sum.kept_mrr,
        },
        logo: drawn.shares[0],
        expanded_accounts: u64::from(sum.expanded),
        expanded: drawn.shares[1],
        net: drawn.net,
        mrr_per_account: sum.money.closing_mean(accounts),
        voices: sum.voices,
        distance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_its_own_place() {
        for values in [0, 1, 2, 3, 7] {
            let all = Combination::all(values);
            assert_eq!(all.len(), combinations(values));
            for (index, one) in all.iter().enumerate() {
                assert_eq!(Combination::index(one.places(), values), index, "{one:?}");
                assert!(one.places().is_sorted());
            }
        }
        let three = Combination { places: [1, 4, 6], parts: 3 };
        assert_eq!(three.parts_of_it(), [vec![1], vec![4], vec![1, 4], vec![6], vec![1, 6], vec![4, 6]]);
        assert_eq!(three.bits(), 0b101_0010);
    }

    /// The bound holds: against the exact binomial distribution, both tails.
    #[test]
    fn what_is_surprising_is_at_most_as_probable() {
        for (n, share) in [(30_u32, 0.9_f64), (50, 0.5), (200, 0.03)] {
            let mut mass = Vec::new();
            let mut term = (1.0 - share).powi(n as i32);
            for count in 0..=n {
                mass.push(term);
                term *= f64::from(n - count) / f64::from(count + 1) * share / (1.0 - share);
            }
            for count in 0..=n {
                let below: f64 = mass[..=count as usize].iter().sum();
                let above: f64 = mass[count as usize..].iter().sum();
                assert!(below.min(above) <= 1.000_001 * (-surprise(count, n, share)).exp(), "{count} of {n}, {share}");
            }
        }
        assert!(
            (surprise(15, 30, 0.9) - (30.0 * (0.5 * (0.5_f64 / 0.9).ln() + 0.5 * 5.0_f64.ln()) - 2.0_f64.ln())).abs()
                < 1e-9
        );
    }
}
