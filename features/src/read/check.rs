//! The rules, applied to a table's rows. A row that breaks one is recorded with its rule, and left out or kept as the
//! contract says; the rows themselves are not moved, so every number stays that of the file.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;
use rayon::prelude::*;

use crate::contract::{OnViolation, TableName};
use crate::time::Instant;

use super::convert::NO_TIME;
use super::dictionary::NO_CODE;
use super::partition::Partition;
use super::report::DayCount;
use super::rows::TableRows;
use super::rule::{Rule, Violation};

/// The verdict on a table.
pub(crate) struct Checked {
    /// Whether each row is left out.
    pub(crate) dropped: Vec<bool>,
    /// Every broken rule, by file, row, rule.
    pub(crate) violations: Vec<Violation>,
    /// Rows by the day on which they become visible.
    pub(crate) days: BTreeMap<i64, DayCount>,
    /// Rows whose times cannot be read.
    pub(crate) rows_without_time: u64,
}

/// Checks a table; `accounts` are the ids that the accounts table has, where there is one.
pub(crate) fn check(rows: &TableRows<'_>, accounts: Option<&HashSet<String>>, partition: Option<Partition>) -> Checked {
    let mut checker = Checker { rows, dropped: vec![false; rows.len()], violations: Vec::new() };
    checker.cells();
    checker.references(accounts, partition);
    checker.orders();
    checker.duplicate_keys();
    let mut violations = checker.violations;
    for (file, row, rule) in &rows.bad_rows {
        let (file, row, rule) = (*file, *row, *rule);
        violations.push(Violation { file, row, rule, column: "*", visible_from: None, left_out: true });
    }
    violations.sort_by_key(|found| (found.file, found.row, found.rule, found.column));
    let (days, timeless) = days(rows, &checker.dropped);
    let rows_without_time = timeless + rows.bad_rows.len() as u64;
    Checked { dropped: checker.dropped, violations, days, rows_without_time }
}

/// From when on a row counts: when it has happened and is known; `None` where that cannot be told.
pub(crate) fn visible_from(rows: &TableRows<'_>, row: usize) -> Option<Instant> {
    let (event, known) = (rows.event(row), rows.known_at(row));
    if known == NO_TIME {
        return None;
    }
    match event {
        // An account without a sign-up is visible as soon as its row is.
        NO_TIME if rows.table.name == TableName::Accounts => Some(Instant(known)),
        NO_TIME => None,
        event => Some(Instant(event.max(known))),
    }
}

/// Rows counted together; a stretch of a file is mostly of a few days.
const CHUNK_ROWS: usize = 1 << 16;

fn days(rows: &TableRows<'_>, dropped: &[bool]) -> (BTreeMap<i64, DayCount>, u64) {
    let chunks: Vec<_> = dropped
        .par_chunks(CHUNK_ROWS)
        .enumerate()
        .map(|(at, chunk)| chunk_days(rows, at * CHUNK_ROWS, chunk))
        .collect();
    let mut days: BTreeMap<i64, DayCount> = BTreeMap::new();
    let mut timeless = 0;
    for (found, without_time) in chunks {
        timeless += without_time;
        for (day, count) in found {
            let total = days.entry(day).or_insert(NO_ROWS);
            total.rows += count.rows;
            total.latest = total.latest.max(count.latest);
        }
    }
    (days, timeless)
}

const NO_ROWS: DayCount = DayCount { rows: 0, duplicates: 0, latest: Instant::MIN };

fn chunk_days(rows: &TableRows<'_>, start: usize, dropped: &[bool]) -> (Vec<(i64, DayCount)>, u64) {
    let mut days: hashbrown::HashMap<i64, DayCount> = hashbrown::HashMap::new();
    let mut timeless = 0;
    // The day of the row before: neighbours are often of one day, and then nothing is looked up.
    let mut current = (i64::MIN, NO_ROWS);
    let mut close = |(day, count): (i64, DayCount)| {
        let total = days.entry(day).or_insert(NO_ROWS);
        total.rows += count.rows;
        total.latest = total.latest.max(count.latest);
    };
    for (offset, is_dropped) in dropped.iter().enumerate() {
        let Some(visible) = visible_from(rows, start + offset) else {
            timeless += 1;
            continue;
        };
        let day = visible.day();
        if day != current.0 {
            close(std::mem::replace(&mut current, (day, NO_ROWS)));
        }
        current.1.rows += 1;
        if !is_dropped {
            current.1.latest = current.1.latest.max(visible);
        }
    }
    close(current);
    days.retain(|_, count| count.rows > 0);
    (days.into_iter().collect(), timeless)
}

struct Checker<'a, 'b> {
    rows: &'a TableRows<'b>,
    dropped: Vec<bool>,
    violations: Vec<Violation>,
}

impl Checker<'_, '_> {
    fn record(&mut self, row: usize, rule: Rule, column: &'static str, left_out: bool) {
        let (file, number) = self.rows.provenance(row);
        let visible_from = visible_from(self.rows, row);
        self.violations.push(Violation { file, row: number, rule, column, visible_from, left_out });
        self.dropped[row] |= left_out;
    }

    fn is_strict(&self) -> bool {
        self.rows.table.on_violation != OnViolation::Warn
    }

    /// Values that could not be read or cannot be true, and values that are missing.
    fn cells(&mut self) {
        let table = self.rows.table;
        let mut bad: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (row, column, rule) in &self.rows.bad_cells {
            bad.insert((*row, *column));
            let canonical = table.columns[*column].canonical;
            let unusable = self.rows.is_null(*column, *row);
            let needed = canonical.required || canonical.name == "known_at";
            self.record(*row, *rule, canonical.name, self.is_strict() || (unusable && needed));
        }
        for (index, rule) in table.columns.iter().enumerate() {
            let canonical = rule.canonical;
            let is_known_at = canonical.name == "known_at" && self.rows.has("known_at");
            if !canonical.required && !is_known_at {
                continue;
            }
            let is_key = table.name.key().contains(&canonical.name) || canonical.name == "account_id";
            let broken = if is_key { Rule::NullKey } else { Rule::NullValue };
            for row in self.rows.null_rows(index) {
                // A file without `known_at` has it filled in; only a cell without a value is left without one.
                let filled = is_known_at && self.rows.known_at(row) != NO_TIME;
                if !filled && !bad.contains(&(row, index)) {
                    self.record(row, broken, canonical.name, true);
                }
            }
        }
    }

    fn references(&mut self, accounts: Option<&HashSet<String>>, partition: Option<Partition>) {
        let Some(accounts) = accounts else { return };
        let rows = self.rows;
        let Some((codes, names)) = rows.text("account_id") else { return };
        // Of accounts elsewhere nothing is known here.
        let is_ours = |name: &str| partition.is_none_or(|partition| partition.holds(name));
        let is_unknown = |name: &str| is_ours(name) && !accounts.contains(name);
        let unknown: Vec<bool> = names.names().map(is_unknown).collect();
        if !unknown.contains(&true) {
            return;
        }
        for (row, code) in codes.iter().enumerate() {
            if unknown.get(*code as usize).copied().unwrap_or(false) && !self.dropped[row] {
                self.record(row, Rule::UnknownAccount, "account_id", self.is_strict());
            }
        }
    }

    /// Times of one row that are in the wrong order.
    fn orders(&mut self) {
        match self.rows.table.name {
            TableName::Invoices => self.order("issued_at", "due_at", Rule::DueBeforeIssued),
            TableName::Tickets => self.order("opened_at", "resolved_at", Rule::ResolvedBeforeOpened),
            TableName::Contacts => {
                self.order("since", "until", Rule::UntilBeforeSince);
                return;
            }
            // A plan change may well be known before it takes effect.
            TableName::Accounts | TableName::Subscriptions | TableName::SubscriptionItems => return,
            TableName::Usage | TableName::Nps | TableName::Meetings | TableName::Firmographics => {}
        }
        if !self.rows.has("known_at") {
            return;
        }
        for row in 0..self.rows.len() {
            let (event, known) = (self.rows.event(row), self.rows.known_at(row));
            if known < event && event != NO_TIME && !self.dropped[row] {
                self.record(row, Rule::KnownBeforeEvent, "known_at", false);
            }
        }
    }

    fn order(&mut self, first: &str, column: &'static str, rule: Rule) {
        let rows = self.rows;
        let (Some(firsts), Some(seconds)) = (rows.time(first), rows.time(column)) else { return };
        for (row, (first, second)) in firsts.iter().zip(seconds).enumerate() {
            if *first != NO_TIME && *second != NO_TIME && second < first && !self.dropped[row] {
                self.record(row, rule, column, self.is_strict());
            }
        }
    }

    /// The first row of a key, in the order of files and rows, holds.
    fn duplicate_keys(&mut self) {
        let rows = self.rows;
        let key = rows.table.name.key();
        if key.is_empty() {
            return;
        }
        let mut keyed: Vec<([i64; 4], usize)> = (0..rows.len())
            .filter(|row| !self.dropped[*row])
            .map(|row| {
                let mut parts = [0; 4];
                for (part, name) in parts.iter_mut().zip(key) {
                    *part = match (rows.text(name), rows.time(name)) {
                        (Some((codes, _)), _) => i64::from(codes[row]),
                        (None, Some(times)) => times[row],
                        (None, None) => i64::from(NO_CODE),
                    };
                }
                parts[3] = if rows.has("known_at") { rows.known_at(row) } else { 0 };
                (parts, row)
            })
            .collect();
        keyed.sort_unstable();
        let repeats: Vec<usize> =
            keyed.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1).collect();
        for row in repeats {
            self.record(row, Rule::DuplicateKey, key[0], self.is_strict());
        }
    }
}

/// Ids that occur only in left-out rows of the accounts table, each with the instant from which it counts.
pub(crate) fn lost_accounts(rows: &TableRows<'_>, checked: &Checked) -> Vec<Option<Instant>> {
    let mut lost: Vec<Option<Instant>> = rows.bad_rows.iter().map(|_| None).collect();
    let Some((codes, names)) = rows.text("account_id") else { return lost };
    let mut kept = vec![false; names.len()];
    for (code, _) in codes.iter().zip(&checked.dropped).filter(|(_, dropped)| !**dropped) {
        if let Some(kept) = kept.get_mut(*code as usize) {
            *kept = true;
        }
    }
    let mut first: BTreeMap<u32, Option<Instant>> = BTreeMap::new();
    for (row, code) in codes.iter().enumerate().filter(|(row, _)| checked.dropped[*row]) {
        let visible = visible_from(rows, row);
        if *code == NO_CODE {
            lost.push(visible);
        } else if !kept[*code as usize] {
            let earliest = first.entry(*code).or_insert(visible);
            *earliest = (*earliest).min(visible);
        }
    }
    lost.extend(first.into_values());
    lost
}
