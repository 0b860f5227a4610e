//! One engine for one date and for many: a file of forty dates has the rows of forty files of one date, at any number of
//! threads, on worlds where uses land late.
//!
//! The engine keeps uses in one timeline while the visible ones are the first ones, and builds another for a date where
//! they are not. The worlds here are counted until both have been taken often, and in turns within one sweep.

use std::collections::BTreeMap;

use bellwether_features::matrix::FeatureMatrix;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::calendar::DAY;
use crate::date;
use crate::future::{file, row_bits};
use crate::world::{ACCOUNTS, World, as_of_days, worlds};

const DATES: i64 = 40;

/// Whether the visible uses of an account are the first ones of its uses, by event and knowledge time.
fn is_prefix(world: &World, account: usize, now: i64) -> bool {
    let mut uses: Vec<(i64, i64)> =
        world.usage.iter().filter(|row| row.account == account).map(|row| (row.at, row.known)).collect();
    uses.sort_unstable();
    let visible: Vec<bool> = uses.iter().map(|(at, known)| *at < now && *known < now).collect();
    !visible.windows(2).any(|pair| !pair[0] && pair[1])
}

/// The rows of a feature file by key, read back from its bytes.
fn rows(bytes: &[u8]) -> (Vec<String>, BTreeMap<(String, String), Vec<Option<String>>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.parquet");
    std::fs::write(&path, bytes).unwrap();
    let (matrix, _) = FeatureMatrix::read(&path).unwrap();
    let names = matrix.signals.iter().map(|signal| signal.name.clone()).collect();
    let key = |row: usize| (matrix.as_of[row].to_string(), matrix.account_ids[row].to_string());
    (names, (0..matrix.len()).map(|row| (key(row), row_bits(&matrix, row))).collect())
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn forty_dates_together_are_forty_runs_at_any_number_of_threads() {
    let mut runner = TestRunner::deterministic();
    let (mut prefixes, mut others, mut turns) = (0, 0, 0);
    for _ in 0..25 {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        let days: Vec<i64> = (0..DATES).map(|step| as_of_days()[0] - 60 + 12 * step).collect();
        for account in 0..ACCOUNTS {
            let paths: Vec<bool> = days.iter().map(|day| is_prefix(&world, account, day * DAY)).collect();
            prefixes += paths.iter().filter(|is_prefix| **is_prefix).count();
            others += paths.iter().filter(|is_prefix| !**is_prefix).count();
            turns += paths.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        }
        let facts = world.facts();
        let dates: Vec<_> = days.iter().map(|day| date(*day)).collect();
        let together = with_threads(1, || file(&facts, &dates));
        for threads in [2, 4] {
            assert!(with_threads(threads, || file(&facts, &dates)) == together, "{threads} threads");
        }
        let mut alone = BTreeMap::new();
        let (names, expected) = rows(&together);
        for (place, day) in dates.iter().enumerate() {
            let threads = [1, 2, 4][place % 3];
            let (own_names, own_rows) = rows(&with_threads(threads, || file(&facts, &[*day])));
            assert_eq!(own_names, names);
            alone.extend(own_rows);
        }
        assert!(alone == expected);
    }
    assert!(prefixes > 500 && others > 300 && turns > 20, "{prefixes} prefixes, {others} others, {turns} turns back");
}
