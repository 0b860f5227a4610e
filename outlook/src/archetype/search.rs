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

/// Accounts that one piece of parallel work has at least: each has sums for every combination.
const LEAST_AT_ONCE: usize = 1 << 15;

/// What became of the accounts of a combination.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    accounts: u32,
    kept: u32,
    /// Of the opening MRR, expansion left out.
    kept_mrr: Cents,
    voices: Voices,
    money: Money,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.kept += other.kept;
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
        let mut one = Sum {
            accounts: 1,
            kept: u32::from(member.closing > Cents::ZERO),
            kept_mrr: member.closing.min(member.opening),
            voices: Voices::default(),
            money: Money::of(member.opening, member.closing),
        };
        one.voices.add(member.voice);
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

/// A combination with its drawn retention.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    logo: Share,
    net: Option<Share>,
}

/// Every combination with enough accounts, drawn towards all of them.
fn drawn(sums: &[Sum]) -> Vec<Option<Drawn>> {
    let is_enough = |sum: &&Sum| sum.accounts as usize >= LEAST_ACCOUNTS;
    let logo = |sum: &Sum| Estimate::of_share(u64::from(sum.kept), u64::from(sum.accounts));
    let net = |sum: &Sum| {
        let found = sum.money.net(u64::from(sum.accounts));
        found.map(|(value, variance)| Estimate { value, variance })
    };
    let logos = Pool::of(&sums.iter().filter(is_enough).map(logo).collect::<Vec<_>>());
    let nets = Pool::of(&sums.iter().filter(is_enough).filter_map(net).collect::<Vec<_>>());
    let within = |share: Share, most: f64| Share {
        value: share.value.clamp(0.0, most),
        low: share.low.clamp(0.0, most),
        high: share.high.clamp(0.0, most),
    };
    let of = |sum: &Sum| {
        let logo = within(logos.filter(|_| is_enough(&sum))?.drawn(&logo(sum)), 1.0);
        let net = net(sum).zip(nets).map(|(net, pool)| within(pool.drawn(&net), f64::INFINITY));
        Some(Drawn { logo, net })
    };
    sums.iter().map(of).collect()
}

/// How far an interval lies from a value that it leaves out; 0 where it holds it.
fn gap(share: Share, from: f64) -> f64 {
    (share.low - from).max(from - share.high).max(0.0)
}

/// How far a combination lies from the base and from each of its parts, the nearest of them, in logo retention or NRR.
fn distance(one: &Drawn, references: &[Drawn]) -> f64 {
    let nearest = |of: &dyn Fn(&Drawn) -> f64| references.iter().map(of).fold(f64::INFINITY, f64::min);
    let logo = nearest(&|other| gap(one.logo, other.logo.value));
    let net = one.net.map_or(0.0, |net| nearest(&|other| other.net.map_or(0.0, |other| gap(net, other.value))));
    logo.max(net)
}

/// The combinations that stand out, the furthest first.
pub(super) fn told(base: &Base) -> Vec<Archetype> {
    let values = base.values.len();
    let all = Combination::all(values);
    let sums = sums(base);
    let drawn = drawn(&sums);
    let Some(whole) = whole(base) else { return Vec::new() };
    let mut found: Vec<(f64, usize)> = Vec::new();
    for (index, combination) in all.iter().enumerate() {
        let Some(one) = &drawn[index] else { continue };
        let mut references = vec![whole];
        let parts = combination.parts_of_it();
        references.extend(parts.iter().filter_map(|part| drawn[Combination::index(part, values)]));
        let distance = distance(one, &references);
        if distance > 0.0 {
            found.push((distance, index));
        }
    }
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

/// The base as it is, not drawn; `None` with fewer accounts than a combination needs.
fn whole(base: &Base) -> Option<Drawn> {
    let mut sum = Sum::default();
    for (_, member) in &base.accounts {
        sum.accounts += 1;
        sum.kept += u32::from(member.closing > Cents::ZERO);
        sum.money.add(&Money::of(member.opening, member.closing), 1);
    }
    let of = |value: f64| Share { value, low: value, high: value };
    (sum.accounts as usize >= LEAST_ACCOUNTS).then(|| Drawn {
        logo: of(f64::from(sum.kept) / f64::from(sum.accounts)),
        net: sum.money.closing.over(sum.money.opening).map(of),
    })
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
        logo: drawn.logo,
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
}
