//! Uses that repeat another in every column. They are facts (two clicks in one second), so they stay and count; but a
//! file loaded twice looks the same, so their number is reported.

use std::collections::BTreeMap;

use crate::facts::{Grouped, UsageFact};
use crate::time::Instant;

use super::report::DayCount;

/// Adds, to the day on which each became visible, the uses that repeat an earlier one.
pub(crate) fn count(usage: &Grouped<UsageFact>, days: &mut BTreeMap<i64, DayCount>) {
    let mut run: Vec<(Option<u32>, u32, u64)> = Vec::new();
    for pair in usage.offsets.windows(2) {
        let rows = &usage.rows[pair[0]..pair[1]];
        for same_time in rows.chunk_by(|a, b| a.at == b.at && a.known_at == b.known_at) {
            if same_time.len() < 2 {
                continue;
            }
            run.clear();
            run.extend(same_time.iter().map(|use_| (use_.user, use_.feature, use_.quantity.to_bits())));
            run.sort_unstable();
            let repeats = run.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
            if repeats > 0 {
                let visible: Instant = same_time[0].at.max(same_time[0].known_at);
                days.entry(visible.day()).or_default().duplicates += repeats;
            }
        }
    }
}
