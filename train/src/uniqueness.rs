//! How much of a row's outcome no other row of its account tells.
//!
//! Rows of one account at neighbouring dates look into overlapping label windows: a churn in March is the outcome of the rows
//! of January, February and March. The average uniqueness of a row is the mean, over the days of its label window
//! `[as_of, as_of + horizon)`, of one over the number of the account's label windows that hold that day. It is 1 for a row
//! that stands alone, and about a third for monthly rows with a horizon of 90 days.
//!
//! One thing differs from the book. An account that has left has no further rows, so its last windows would look more unique
//! than those of an account that stayed, and every churn would count for four thirds of a stay: weights that know the outcome.
//! So the windows of later observation dates count for an account whether it is still there or not. Then each outcome counts
//! once, and weighting does not move the base rate.
//!
//! Source: López de Prado (2018), Advances in Financial Machine Learning, ch. 4 (sections 4.3 and 4.4).

use std::collections::BTreeMap;

/// Average uniqueness of each row, in (0, 1].
///
/// `accounts`, `as_of_days`: shape `(n_rows,)`, the same order, any order; `horizon_days` above 0.
#[must_use]
pub fn average_uniqueness(accounts: &[u32], as_of_days: &[i32], horizon_days: u32) -> Vec<f64> {
    debug_assert_eq!(accounts.len(), as_of_days.len());
    let horizon = i32::try_from(horizon_days.max(1)).unwrap_or(i32::MAX);
    let mut grid = as_of_days.to_vec();
    grid.sort_unstable();
    grid.dedup();
    let mut rows_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, account) in accounts.iter().enumerate() {
        rows_of.entry(*account).or_default().push(row);
    }
    let mut uniqueness = vec![1.0; accounts.len()];
    for mut rows in rows_of.into_values() {
        rows.sort_by_key(|row| as_of_days[*row]);
        let mut windows: Vec<i32> = rows.iter().map(|row| as_of_days[*row]).collect();
        let last = windows.last().copied().unwrap_or(i32::MAX);
        // As if the account had stayed: see above.
        windows.extend_from_slice(&grid[grid.partition_point(|day| *day <= last)..]);
        for (place, row) in rows.iter().enumerate() {
            uniqueness[*row] = of_window(&windows, place, horizon);
        }
    }
    uniqueness
}

/// Mean of one over the number of concurrent windows. `starts`: ascending; all windows are `horizon` days long.
fn of_window(starts: &[i32], place: usize, horizon: i32) -> f64 {
    let (begin, end) = (starts[place], starts[place].saturating_add(horizon));
    // Windows that hold `begin`: those that start in (begin - horizon, begin].
    let mut next_end = starts[..place].partition_point(|start| start.saturating_add(horizon) <= begin);
    let mut next_start = starts.partition_point(|start| *start <= begin);
    let (mut at, mut sum) = (begin, 0.0);
    while at < end {
        let concurrent = next_start - next_end;
        let starts_next = starts.get(next_start).copied().unwrap_or(end);
        let ends_next = starts[next_end].saturating_add(horizon);
        let until = starts_next.min(ends_next).min(end);
        sum += f64::from(until - at) / concurrent as f64;
        at = until;
        next_start += usize::from(starts_next == at);
        next_end += usize::from(ends_next == at);
    }
    sum / f64::from(end - begin)
}

/// The same weights with mean 1, as training takes them.
#[must_use]
pub fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    weights.into_iter().map(|weight| weight / mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Day by day, by the definition.
    fn oracle(accounts: &[u32], days: &[i32], horizon: i32) -> Vec<f64> {
        let of_row = |row: usize| {
            let own: Vec<i32> =
                (0..days.len()).filter(|other| accounts[*other] == accounts[row]).map(|o| days[o]).collect();
            let last = *own.iter().max().unwrap();
            let mut later: Vec<i32> = days.iter().copied().filter(|day| *day > last).collect();
            later.sort_unstable();
            later.dedup();
            let holds = |start: &&i32, day: i32| **start <= day && day < **start + horizon;
            let share = |day: i32| 1.0 / own.iter().chain(&later).filter(|start| holds(start, day)).count() as f64;
            (days[row]..days[row] + horizon).map(share).sum::<f64>() / f64::from(horizon)
        };
        (0..days.len()).map(of_row).collect()
    }

    #[test]
    fn it_is_that_of_the_definition() {
        // Account 0 all months, 1 from the third on, 2 leaves after the fourth, 3 has a gap, 4 stands alone.
        let months = [0, 31, 59, 90, 120, 151, 181, 212];
        let of_account: [&[usize]; 5] =
            [&[0, 1, 2, 3, 4, 5, 6, 7], &[2, 3, 4, 5, 6, 7], &[0, 1, 2, 3], &[0, 1, 6, 7], &[7]];
        let mut rows: Vec<(i32, u32)> = Vec::new();
        for (account, dates) in of_account.iter().enumerate() {
            rows.extend(dates.iter().map(|month| (months[*month], account as u32)));
        }
        rows.sort_unstable();
        let (days, accounts): (Vec<i32>, Vec<u32>) = rows.into_iter().unzip();
        for horizon in [1, 30, 60, 90, 365] {
            let found = average_uniqueness(&accounts, &days, horizon as u32);
            for (found, expected) in found.iter().zip(oracle(&accounts, &days, horizon)) {
                assert!((found - expected).abs() < 1e-12, "{horizon}: {found} {expected}");
            }
            let mean = normalised(found).iter().sum::<f64>() / days.len() as f64;
            assert!((mean - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_row_that_overlaps_with_none_has_weight_one() {
        assert_eq!(average_uniqueness(&[3, 3, 4], &[0, 90, 0], 90), [1.0; 3]);
        // Two windows of 90 days, 45 apart: half of each is shared.
        assert_eq!(average_uniqueness(&[3, 3], &[0, 45], 90), [0.75; 2]);
    }

    #[test]
    fn an_account_that_left_weighs_as_one_that_stayed() {
        let months: Vec<i32> = (0..12).map(|month| month * 30).collect();
        let mut rows: Vec<(i32, u32)> = months.iter().map(|day| (*day, 0)).collect();
        rows.extend(months[..6].iter().map(|day| (*day, 1)));
        rows.sort_unstable();
        let (days, accounts): (Vec<i32>, Vec<u32>) = rows.into_iter().unzip();
        let found = average_uniqueness(&accounts, &days, 90);
        let of = |account: u32, day: i32| {
            let row = (0..days.len()).find(|row| accounts[*row] == account && days[*row] == day).unwrap();
            found[row]
        };
        for day in &months[..6] {
            assert_eq!(of(0, *day), of(1, *day));
        }
        // The three rows before the end of account 1 share one churn, and count for one.
        let outcome: f64 = months[3..6].iter().map(|day| of(1, *day)).sum();
        assert!((outcome - 1.0).abs() < 1e-12, "{outcome}");
    }
}
