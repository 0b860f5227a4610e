//! Time to value: days from sign-up to the first use of a declared value moment.
//!
//! As the signal `adoption_days_to_first_value` has it: UTC days, at least 0, and not known where the usage table begins on a
//! later day than the sign-up, since an earlier moment may be unseen. An account that has not got there yet is not left out,
//! which would make everybody look fast: it is known to take longer than it has had, and the quartiles are those of the
//! curve of Kaplan and Meier (1958).

use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use rayon::prelude::*;

use crate::known;

/// How long an account took to its first value moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeToValue {
    /// Days from sign-up to the moment, or to `as_of`.
    pub days: i64,
    /// Whether it got there.
    pub reached: bool,
}

/// Of every account, where it is known; empty where no value moment is declared or there is no usage.
#[must_use]
pub fn times_to_value(facts: &Facts, as_of: Instant, value_moments: &[String]) -> Vec<Option<TimeToValue>> {
    let is_moment: Vec<bool> = facts.features.names.iter().map(|name| value_moments.contains(name)).collect();
    let accounts = (0..facts.accounts.len()).into_par_iter();
    if value_moments.is_empty() || facts.usage.is_none() {
        return accounts.map(|_| None).collect();
    }
    let first = accounts.clone().filter_map(|account| known::uses(facts, account, Instant::MIN, as_of).next());
    let Some(begins) = first.map(|row| row.at.day()).min() else { return accounts.map(|_| None).collect() };
    let of = |account: usize| {
        let signed_up = known::account(facts, account, as_of)?.signed_up_at?.day();
        if begins > signed_up {
            return None;
        }
        let mut uses = known::uses(facts, account, Instant::MIN, as_of);
        let moment = uses.find(|row| is_moment.get(row.feature as usize) == Some(&true));
        let end = moment.map_or(as_of.day(), |row| row.at.day());
        Some(TimeToValue { days: (end - signed_up).max(0), reached: moment.is_some() })
    };
    accounts.map(of).collect()
}

/// The smallest number of days by which at least `share` of the accounts got there; `None` where they have not, as far as can
/// be seen.
#[must_use]
pub fn quantile(times: &[TimeToValue], share: f64) -> Option<i64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable_by_key(|time| time.days);
    let (mut left, mut at_risk) = (1.0, sorted.len());
    for same in sorted.chunk_by(|one, other| one.days == other.days) {
        let reached = same.iter().filter(|time| time.reached).count();
        if reached > 0 {
            left *= 1.0 - reached as f64 / at_risk as f64;
            // So that a share of exactly a quarter is one in spite of rounding.
            if 1.0 - left >= share - 1e-12 {
                return Some(same[0].days);
            }
        }
        at_risk -= same.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(days: &[(i64, bool)]) -> Vec<TimeToValue> {
        days.iter().map(|(days, reached)| TimeToValue { days: *days, reached: *reached }).collect()
    }

    /// By hand: 1, 2, 3+, 4, 5+ (a plus has not got there): left over 0.8, 0.6, 0.6, 0.3, 0.3.
    #[test]
    fn those_who_are_not_there_yet_count() {
        let seen = times(&[(1, true), (2, true), (3, false), (4, true), (5, false)]);
        let quartiles = [0.2, 0.25, 0.4, 0.5, 0.7, 0.75].map(|share| quantile(&seen, share));
        assert_eq!(quartiles, [Some(1), Some(2), Some(2), Some(4), Some(4), None]);
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&times(&[(0, true), (0, true), (7, true), (9, true)]), 0.5), Some(0));
    }
}
