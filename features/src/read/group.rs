//! Rows of a table brought into the order of [`Grouped`]: by account, event time, knowledge time, then source order.

use rayon::prelude::*;

use crate::facts::{Grouped, Names};

use super::rows::{NO_CODE, TableRows};

/// Groups the rows for which `account` gives one; `fact` makes the fact of a row. Same result at any thread count.
pub(crate) fn group<T: Send>(
    accounts: usize,
    rows: &TableRows<'_>,
    account: impl Fn(usize) -> Option<u32>,
    fact: impl Fn(usize) -> T + Sync,
) -> Grouped<T> {
    let given: Vec<u32> = (0..rows.len()).map(|row| account(row).unwrap_or(NO_CODE)).collect();
    let mut offsets = vec![0_usize; accounts + 1];
    for account in given.iter().filter(|account| **account != NO_CODE) {
        offsets[*account as usize + 1] += 1;
    }
    for index in 0..accounts {
        offsets[index + 1] += offsets[index];
    }
    let mut next = offsets.clone();
    let mut order = vec![0_usize; offsets[accounts]];
    for (row, account) in given.iter().enumerate().filter(|(_, account)| **account != NO_CODE) {
        let place = &mut next[*account as usize];
        order[*place] = row;
        *place += 1;
    }
    let mut slices = Vec::with_capacity(accounts);
    let mut rest = order.as_mut_slice();
    for pair in offsets.windows(2) {
        let (slice, after) = rest.split_at_mut(pair[1] - pair[0]);
        slices.push(slice);
        rest = after;
    }
    slices.into_par_iter().for_each(|slice| {
        slice.sort_unstable_by_key(|row| (rows.event(*row), rows.known_at[*row], *row));
    });
    Grouped { offsets, rows: order.par_iter().map(|row| fact(*row)).collect() }
}

/// Sorted names of the codes in use, and each old code's rank among them.
pub(crate) fn ranked(codes: &[u32], names: &[String], dropped: &[bool]) -> (Names, Vec<u32>) {
    let mut used = vec![false; names.len()];
    for (code, _) in codes.iter().zip(dropped).filter(|(_, dropped)| !**dropped) {
        if let Some(used) = used.get_mut(*code as usize) {
            *used = true;
        }
    }
    let mut order: Vec<usize> = (0..names.len()).filter(|code| used[*code]).collect();
    order.sort_unstable_by(|a, b| names[*a].as_bytes().cmp(names[*b].as_bytes()));
    let mut ranks = vec![NO_CODE; names.len()];
    for (rank, code) in order.iter().enumerate() {
        ranks[*code] = u32::try_from(rank).unwrap_or(NO_CODE);
    }
    (Names { names: order.into_iter().map(|code| names[code].clone()).collect() }, ranks)
}
