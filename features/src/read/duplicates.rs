//! Uses that repeat another in every column. They are facts (two clicks in one second), so they stay and count; but a
//! file loaded twice looks the same, so their number is reported.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::contract::TableName;
use crate::facts::{Facts, UsageFact};
use crate::time::Instant;

use super::report::DayCount;

/// Adds, to the day from which each counts, the uses that repeat an earlier one.
pub(crate) fn count(facts: &Facts, days: &mut BTreeMap<i64, DayCount>) {
    let Some(usage) = &facts.usage else { return };
    let accounts = (0..facts.accounts.len()).into_par_iter().with_min_len(256);
    let of = |account: usize| repeats(usage.of(account), facts.count_since(TableName::Usage, account));
    let repeats: Vec<Vec<(i64, u64)>> = accounts.map(of).collect();
    for (day, repeats) in repeats.into_iter().flatten() {
        days.entry(day).or_insert(DayCount::NONE).duplicates += repeats;
    }
}

/// Repeats among the uses of one account, by the day from which they count.
fn repeats(rows: &[UsageFact], since: Instant) -> Vec<(i64, u64)> {
    let mut found = Vec::new();
    for same_time in rows.chunk_by(|a, b| a.at == b.at && a.known_at == b.known_at) {
        if same_time.len() < 2 {
            continue;
        }
        let mut run: Vec<(Option<u32>, u32, u64)> =
            same_time.iter().map(|use_| (use_.user, use_.feature, use_.quantity.to_bits())).collect();
        run.sort_unstable();
        let repeats = run.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        if repeats > 0 {
            let visible: Instant = same_time[0].at.max(same_time[0].known_at).max(since);
            found.push((visible.day(), repeats));
        }
    }
    found
}
