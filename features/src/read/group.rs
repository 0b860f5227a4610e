//! Rows of a table brought into the order of [`Grouped`]: by account, event time, knowledge time, then source order.

use std::ops::Range;

use rayon::prelude::*;

use crate::facts::{Grouped, Names};

use super::dictionary::{Dictionary, NO_CODE};
use super::rows::TableRows;

/// Groups the rows for which `account` gives one; `fact` makes the fact of a row, `times` its event and knowledge time.
/// Same result at any thread count.
pub(crate) fn group<T: Copy + Send + Sync, K: Ord>(
    accounts: usize,
    rows: &TableRows<'_>,
    account: impl Fn(usize) -> Option<u32> + Sync,
    fact: impl Fn(usize) -> T + Sync,
    times: impl Fn(&T) -> K + Sync,
) -> Grouped<T> {
    let mut offsets = vec![0_usize; accounts + 1];
    for account in (0..rows.len()).filter_map(&account) {
        offsets[account as usize + 1] += 1;
    }
    for index in 0..accounts {
        offsets[index + 1] += offsets[index];
    }
    let Some(any) = (0..rows.len()).find(|row| account(*row).is_some()) else {
        return Grouped { offsets, rows: Vec::new() };
    };
    let mut grouped = vec![fact(any); offsets[accounts]];
    let stretches = stretches(&offsets, rayon::current_num_threads());
    split(&mut grouped, &stretches, &offsets).into_par_iter().zip(&stretches).for_each(|(place, accounts)| {
        fill(place, accounts.clone(), &offsets, rows.len(), &account, &fact);
    });
    let each: Vec<Range<usize>> = (0..accounts).map(|account| account..account + 1).collect();
    // Stable: equal times keep the order of the source. Mostly sorted already, which it is quick to see.
    split(&mut grouped, &each, &offsets).into_par_iter().with_min_len(64).for_each(|facts| facts.sort_by_key(&times));
    Grouped { offsets, rows: grouped }
}

/// Consecutive accounts with about as many facts in each of `parts` stretches.
fn stretches(offsets: &[usize], parts: usize) -> Vec<Range<usize>> {
    let (accounts, facts) = (offsets.len() - 1, offsets[offsets.len() - 1]);
    let end = |part: usize| offsets.partition_point(|offset| *offset < facts * part / parts).min(accounts);
    let ends: Vec<usize> = (0..parts).map(end).chain([accounts]).collect();
    ends.windows(2).map(|pair| pair[0]..pair[1].max(pair[0])).collect()
}

/// The facts of each stretch of accounts.
fn split<'g, T>(mut rest: &'g mut [T], stretches: &[Range<usize>], offsets: &[usize]) -> Vec<&'g mut [T]> {
    let mut slices = Vec::with_capacity(stretches.len());
    for accounts in stretches {
        let (slice, after) = rest.split_at_mut(offsets[accounts.end] - offsets[accounts.start]);
        slices.push(slice);
        rest = after;
    }
    slices
}

/// Writes the facts of some accounts to their places, in the order of the source: the columns are read from front to back.
fn fill<T>(
    place: &mut [T],
    accounts: Range<usize>,
    offsets: &[usize],
    rows: usize,
    account: &impl Fn(usize) -> Option<u32>,
    fact: &impl Fn(usize) -> T,
) {
    let first = offsets[accounts.start];
    let mut next: Vec<usize> = offsets[accounts.clone()].iter().map(|offset| offset - first).collect();
    for row in 0..rows {
        let Some(account) = account(row).map(|account| account as usize) else { continue };
        if accounts.contains(&account) {
            let next = &mut next[account - accounts.start];
            place[*next] = fact(row);
            *next += 1;
        }
    }
}

/// Sorted names of the codes in use, and each old code's rank among them.
pub(crate) fn ranked(codes: &[u32], names: &Dictionary, dropped: &[bool]) -> (Names, Vec<u32>) {
    let mut used = vec![false; names.len()];
    for (code, _) in codes.iter().zip(dropped).filter(|(_, dropped)| !**dropped) {
        if let Some(used) = used.get_mut(*code as usize) {
            *used = true;
        }
    }
    let mut order: Vec<(u128, &str, usize)> = names
        .names()
        .enumerate()
        .filter(|(code, _)| used[*code])
        .map(|(code, name)| (beginning(name), name, code))
        .collect();
    order.par_sort_unstable();
    let mut ranks = vec![NO_CODE; names.len()];
    for (rank, (.., code)) in order.iter().enumerate() {
        ranks[*code] = u32::try_from(rank).unwrap_or(NO_CODE);
    }
    (Names { names: order.into_iter().map(|(_, name, _)| name.to_owned()).collect(), is_there: true }, ranks)
}

/// The first bytes of a text as a number: texts are ordered by it as far as it tells them apart, without a look at memory
/// elsewhere. Texts are padded with the least byte, so of two with one number neither is known to be the first.
fn beginning(text: &str) -> u128 {
    let mut bytes = [0; size_of::<u128>()];
    let count = text.len().min(bytes.len());
    bytes[..count].copy_from_slice(&text.as_bytes()[..count]);
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ranked_by_their_bytes() {
        let mut texts: Vec<String> = (0..40).map(|length| "x".repeat(length)).collect();
        texts.extend((0..20).map(|length| format!("{}\0", "x".repeat(length))));
        texts.extend((0..20).map(|length| format!("{}é", "x".repeat(length))));
        texts.extend(["a", "b", "ab", "abcdefghijklmnopq", "abcdefghijklmnopp"].map(str::to_owned));
        let mut names = Dictionary::default();
        let codes: Vec<u32> = texts.iter().rev().map(|text| names.code(text)).collect();
        let (ranked, ranks) = ranked(&codes, &names, &vec![false; codes.len()]);
        texts.sort();
        assert_eq!(ranked.names, texts);
        assert!(names.names().zip(ranks).all(|(name, rank)| texts[rank as usize] == name));
    }
}
