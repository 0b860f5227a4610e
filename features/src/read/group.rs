//! Rows of a table brought into the order of [`Grouped`]: by account, event time, knowledge time, then source order.

use rayon::prelude::*;

use crate::facts::{Grouped, Names};

use super::dictionary::{Dictionary, NO_CODE};
use super::rows::TableRows;

/// Groups the rows for which `account` gives one; `fact` makes the fact of a row, `times` its event and knowledge time.
/// Same result at any thread count.
pub(crate) fn group<T: Send, K: Ord>(
    accounts: usize,
    rows: &TableRows<'_>,
    account: impl Fn(usize) -> Option<u32>,
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
    let mut next = offsets.clone();
    // A table has fewer than 2^32 rows: row numbers are 32-bit.
    let mut order = vec![0_u32; offsets[accounts]];
    for (row, account) in (0_u32..).zip((0..rows.len()).map(account)) {
        if let Some(account) = account {
            let place = &mut next[account as usize];
            order[*place] = row;
            *place += 1;
        }
    }
    let mut grouped: Vec<T> = order.par_iter().map(|row| fact(*row as usize)).collect();
    let mut slices = Vec::with_capacity(accounts);
    let mut rest = grouped.as_mut_slice();
    for pair in offsets.windows(2) {
        let (slice, after) = rest.split_at_mut(pair[1] - pair[0]);
        slices.push(slice);
        rest = after;
    }
    // Stable: equal times keep the order of the source. Mostly sorted already, which it is quick to see.
    slices.into_par_iter().with_min_len(64).for_each(|slice| slice.sort_by_key(&times));
    Grouped { offsets, rows: grouped }
}

/// Sorted names of the codes in use, and each old code's rank among them.
pub(crate) fn ranked(codes: &[u32], names: &Dictionary, dropped: &[bool]) -> (Names, Vec<u32>) {
    let mut used = vec![false; names.len()];
    for (code, _) in codes.iter().zip(dropped).filter(|(_, dropped)| !**dropped) {
        if let Some(used) = used.get_mut(*code as usize) {
            *used = true;
        }
    }
    let mut order: Vec<(&str, usize)> =
        names.names().enumerate().filter(|(code, _)| used[*code]).map(|(code, name)| (name, code)).collect();
    order.par_sort_unstable();
    let mut ranks = vec![NO_CODE; names.len()];
    for (rank, (_, code)) in order.iter().enumerate() {
        ranks[*code] = u32::try_from(rank).unwrap_or(NO_CODE);
    }
    (Names { names: order.into_iter().map(|(name, _)| name.to_owned()).collect() }, ranks)
}
