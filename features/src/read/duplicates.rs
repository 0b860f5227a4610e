//! Uses that repeat another in every column. They are facts (two clicks in one second), so they stay and count; but a
//! file loaded twice looks the same, so their number is reported.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::facts::{Grouped, UsageFact};
use crate::time::Instant;

use super::report::DayCount;

/// Adds, to the day on which each became visible, the uses that repeat an earlier one.
pub(crate) fn count(usage: &Grouped<UsageFact>, days: &mut BTreeMap<i64, DayCount>) {
    let accounts = usage.offsets.par_windows(2).with_min_len(256);
    let repeats: Vec<Vec<(i64, u64)>> = accounts.map(|pair| repeats(&usage.rows[pair[0]..pair[1]])).collect();
    for (day, repeats) in repeats.into_iter().flatten() {
        days.entry(day).or_default().duplicates += repeats;
    }
}

/// Repeats among the uses of one account, by the day on which they became visible.
fn repeats(rows: &[UsageFact]) -> Vec<(i64, u64)> {
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
            let visible: Instant = same_time[0].at.max(same_time[0].known_at);
            found.push((visible.day(), repeats));
        }
    }
    found
}
