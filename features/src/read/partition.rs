//! A share of the accounts: one of N, by a hash of the account id that never changes, so that every run on every machine
//! agrees on who is where.

use std::fmt;
use std::str::FromStr;

/// Partition `index` of `count`, written `index/count`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    index: u32,
    count: u32,
}

impl Partition {
    /// Partition `index` (from 1) of `count`; `None` unless 1 <= index <= count.
    ///
    /// ```
    /// use bellwether_features::read::Partition;
    ///
    /// let all: Vec<Partition> = (1..=3).filter_map(|index| Partition::new(index, 3)).collect();
    /// assert_eq!(all.iter().filter(|one| one.holds("acct-1")).count(), 1);
    /// assert_eq!("2/3".parse::<Partition>().unwrap(), all[1]);
    /// ```
    #[must_use]
    pub fn new(index: u32, count: u32) -> Option<Self> {
        (1..=count).contains(&index).then_some(Self { index, count })
    }

    /// Whether an account belongs to it: FNV-1a (64 bits) of the id's bytes, mixed, modulo the count.
    #[must_use]
    pub fn holds(&self, account_id: &str) -> bool {
        let hash = account_id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        // The low bits of FNV know little of the first bytes; fold the high ones in.
        (hash ^ (hash >> 32)) % u64::from(self.count) == u64::from(self.index - 1)
    }

    /// All the others.
    pub fn others(self) -> impl Iterator<Item = Self> {
        (1..=self.count).filter(move |index| *index != self.index).map(move |index| Self { index, ..self })
    }

    /// Whether it also takes what belongs to no account.
    pub(crate) fn is_first(&self) -> bool {
        self.index == 1
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        parts
            .and_then(|(index, count)| Self::new(index, count))
            .ok_or_else(|| format!("expected a partition such as 2/8 (the second of eight), found {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash is part of the contract: these were computed by hand from the definition in Python.
    #[test]
    fn every_account_has_one_partition_and_keeps_it() {
        let of = |id: &str| (1..=8).filter(|index| Partition::new(*index, 8).unwrap().holds(id)).collect::<Vec<u32>>();
        assert_eq!([of(""), of("a"), of("acct-1"), of("00017")].concat(), [2, 1, 2, 5]);
        let held = (0..10_000).filter(|id| Partition::new(3, 8).unwrap().holds(&format!("account-{id:06}"))).count();
        assert!((1100..1400).contains(&held), "{held}");
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        for text in ["", "1", "0/2", "3/2", "a/b", "1/0", "-1/2", "1/2/3"] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
        assert_eq!("2/3".parse::<Partition>().unwrap().to_string(), "2/3");
    }
}
