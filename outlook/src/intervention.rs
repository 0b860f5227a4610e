//! What was done about accounts, and what came of it: by playbook, the share that stayed, and the uplift over those left alone.
//!
//! An account counts once per playbook, from the first time that it was begun, if it paid then, in the arm that was on record within
//! [`RECORDED_DAYS`] days: who is entered, or moved to another arm, later may be so because of what came. It stayed if it pays when the
//! churn target's horizon is over, as known at `as_of`; accounts whose horizon and grace period are not over yet are open and
//! count for nothing. The share of treated accounts that stayed is no effect: most would have stayed anyway. The effect is the
//! difference to accounts of the same playbook that were left alone (arm `holdout`), and only where chance dealt them out.

use std::collections::BTreeMap;

use bellwether_features::contract::TableName;
use bellwether_features::facts::{Arm, Facts, InterventionFact};
use bellwether_features::time::Instant;
use chrono::NaiveDate;

use crate::account::prospect::Outcomes;
use crate::cohort::Share;
use crate::compared::difference;
use crate::money::Cents;
use crate::timeline::Timeline;

/// A beginning that was not on record after so many days counts for nothing.
pub const RECORDED_DAYS: i64 = 7;

/// A playbook and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaybookRow {
    /// Its name.
    pub playbook: String,
    /// Accounts that were treated.
    pub treated: Outcomes,
    /// Accounts that were left alone.
    pub holdout: Outcomes,
    /// Accounts of either arm whose outcome is not known yet.
    pub open: u64,
}

impl PlaybookRow {
    /// Share that stays of the treated less that of those left alone, with Newcombe's 95 % interval (1998, Statistics in Medicine
    /// 17, 873-890, method 10); `None` where an arm is empty.
    #[must_use]
    pub fn uplift(&self) -> Option<Share> {
        Some(difference(self.treated.share()?, self.holdout.share()?))
    }

    /// Of the accounts that leave when left alone, the share that the playbook keeps: the `save_rate` of `[plays]`. `None`
    /// where an arm is empty, nobody left alone has left, or the uplift may be chance (its interval holds 0).
    #[must_use]
    pub fn kept_of_leaving(&self) -> Option<f64> {
        let (uplift, alone) = (self.uplift()?, self.holdout.share()?);
        (uplift.low > 0.0 && alone.value < 1.0).then(|| uplift.value / (1.0 - alone.value))
    }
}

/// Every playbook that was begun before `as_of`, by name. `horizon_days`, `grace_days`: of the target of leaving, which the
/// timelines are made with.
#[must_use]
pub fn playbooks(
    facts: &Facts,
    timelines: &[Timeline],
    as_of: NaiveDate,
    horizon_days: u32,
    grace_days: u32,
) -> Vec<PlaybookRow> {
    let Some(table) = &facts.interventions else { return Vec::new() };
    let as_of = Instant::start_of(as_of);
    let mut rows: BTreeMap<&str, PlaybookRow> = BTreeMap::new();
    for (account, timeline) in timelines.iter().enumerate() {
        if facts.count_since(TableName::Interventions, account) >= as_of {
            continue;
        }
        for first in first_of_each(table.of(account), as_of) {
            if timeline.mrr_before(first.at) == Cents::ZERO {
                continue;
            }
            let name = facts.playbooks.names.get(first.playbook as usize).map_or("", String::as_str);
            let row = rows.entry(name).or_insert_with(|| PlaybookRow {
                playbook: name.to_owned(),
                treated: Outcomes::default(),
                holdout: Outcomes::default(),
                open: 0,
            });
            let end = first.at.plus_days(i64::from(horizon_days));
            if end.plus_days(i64::from(grace_days)) >= as_of {
                row.open += 1;
                continue;
            }
            let arm = match first.arm {
                Arm::Treated => &mut row.treated,
                Arm::Holdout => &mut row.holdout,
            };
            arm.accounts += 1;
            arm.stayed += u64::from(timeline.mrr_before(end) > Cents::ZERO);
        }
    }
    rows.into_values().collect()
}

/// The first row of each playbook of an account that was recorded in time; of its versions the last that was.
fn first_of_each(rows: &[InterventionFact], as_of: Instant) -> impl Iterator<Item = &InterventionFact> {
    let mut first: BTreeMap<u32, &InterventionFact> = BTreeMap::new();
    // By time, then knowledge.
    let in_time = |row: &&InterventionFact| row.known_at <= row.at.plus_days(RECORDED_DAYS);
    for row in rows.iter().filter(in_time).filter(|row| row.at < as_of && row.known_at < as_of) {
        let held = first.entry(row.playbook).or_insert(row);
        if held.at == row.at {
            *held = row;
        }
    }
    first.into_values()
}
