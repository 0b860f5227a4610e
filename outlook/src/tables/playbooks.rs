//! Playbooks and what came of them as a table.

use super::{Columns, Table, counts, numbers, shares, texts};
use crate::intervention::PlaybookRow;

/// The table of playbooks.
#[must_use]
pub fn tables(rows: &[PlaybookRow]) -> Vec<Table> {
    let rows = rows.iter();
    let mut columns: Columns = vec![
        ("playbook", texts(rows.clone().map(|row| row.playbook.as_str()))),
        ("treated_accounts", counts(rows.clone().map(|row| row.treated.accounts))),
        ("treated_stayed", counts(rows.clone().map(|row| row.treated.stayed))),
    ];
    let treated = rows.clone().map(|row| row.treated.share());
    shares(&mut columns, ["treated_share", "treated_share_low", "treated_share_high"], treated);
    columns.extend([
        ("holdout_accounts", counts(rows.clone().map(|row| row.holdout.accounts))),
        ("holdout_stayed", counts(rows.clone().map(|row| row.holdout.stayed))),
    ]);
    let holdout = rows.clone().map(|row| row.holdout.share());
    shares(&mut columns, ["holdout_share", "holdout_share_low", "holdout_share_high"], holdout);
    shares(&mut columns, ["uplift", "uplift_low", "uplift_high"], rows.clone().map(PlaybookRow::uplift));
    columns.extend([
        ("kept_of_leaving", numbers(rows.clone().map(PlaybookRow::kept_of_leaving))),
        ("open_accounts", counts(rows.map(|row| row.open))),
    ]);
    vec![Table { name: "playbooks", columns }]
}
