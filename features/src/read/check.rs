//! The rules, applied to a table's rows. A row that breaks one is recorded with its rule, and left out or kept as the
//! contract says; the rows themselves are not moved, so every number stays that of the file.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use rayon::prelude::*;

use crate::contract::{OnViolation, TableName};
use crate::time::{Instant, MICROS_PER_DAY};

use super::convert::NO_TIME;
use super::dictionary::NO_CODE;
use super::partition::Partition;
use super::report::{DayCount, LostAccount};
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

/// From when on the accounts table has each id.
pub(crate) type Entered = HashMap<String, Instant>;

/// Checks a table; `accounts` are the ids that the accounts table has, where there is one.
pub(crate) fn check(rows: &TableRows<'_>, accounts: Option<&Entered>, partition: Option<Partition>) -> Checked {
    let dropped = vec![false; rows.len()];
    let mut checker = Checker { rows, dropped, violations: Vec::new(), entered: Vec::new() };
    checker.cells();
    checker.references(accounts, partition);
    checker.orders();
    checker.duplicate_keys();
    let mut violations = std::mem::take(&mut checker.violations);
    for (file, row, rule) in &rows.bad_rows {
        let (file, row, rule) = (*file, *row, *rule);
        let (visible_from, mended_at) = (None, None);
        violations.push(Violation { file, row, rule, column: "*", visible_from, mended_at, left_out: true });
    }
    violations.sort_by_key(|found| (found.file, found.row, found.rule, found.column));
    let (days, timeless) = days(&checker);
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

fn days(checker: &Checker<'_, '_>) -> (BTreeMap<i64, DayCount>, u64) {
    let chunks = checker.dropped.par_chunks(CHUNK_ROWS).enumerate();
    let chunks: Vec<_> = chunks.map(|(at, chunk)| chunk_days(checker, at * CHUNK_ROWS, chunk)).collect();
    let mut days: BTreeMap<i64, DayCount> = BTreeMap::new();
    let mut timeless = 0;
    for (found, without_time) in chunks {
        timeless += without_time;
        for (day, count) in found {
            let total = days.entry(day).or_insert(DayCount::NONE);
            total.rows += count.rows;
            total.latest = total.latest.max(count.latest);
        }
    }
    (days, timeless)
}

fn chunk_days(checker: &Checker<'_, '_>, start: usize, dropped: &[bool]) -> (Vec<(i64, DayCount)>, u64) {
    let mut days: hashbrown::HashMap<i64, DayCount> = hashbrown::HashMap::new();
    let mut timeless = 0;
    // The day of the row before: neighbours are often of one day, and then nothing is looked up.
    let mut current = (i64::MIN, DayCount::NONE);
    let mut close = |(day, count): (i64, DayCount)| {
        let total = days.entry(day).or_insert(DayCount::NONE);
        total.rows += count.rows;
        total.latest = total.latest.max(count.latest);
    };
    for (offset, is_dropped) in dropped.iter().enumerate() {
        let Some(visible) = visible_from(checker.rows, start + offset) else {
            timeless += 1;
            continue;
        };
        let day = visible.day();
        if day != current.0 {
            close(std::mem::replace(&mut current, (day, DayCount::NONE)));
        }
        current.1.rows += 1;
        let entered = checker.entered_at(start + offset);
        if !is_dropped && entered > visible {
            close((entered.day(), DayCount { latest: visible, ..DayCount::NONE }));
        } else if !is_dropped {
            current.1.latest = current.1.latest.max(visible);
        }
    }
    close(current);
    days.retain(|_, count| *count != DayCount::NONE);
    (days.into_iter().collect(), timeless)
}

struct Checker<'a, 'b> {
    rows: &'a TableRows<'b>,
    dropped: Vec<bool>,
    violations: Vec<Violation>,
    /// By code of the account id, from when on the row is not set aside because the account is unknown; empty: all always.
    entered: Vec<Instant>,
}

impl Checker<'_, '_> {
    fn record(&mut self, row: usize, rule: Rule, column: &'static str, left_out: bool) {
        let (file, number) = self.rows.provenance(row);
        // What is set aside until its account is entered is not looked at any further.
        let visible_from = visible_from(self.rows, row).map(|from| from.max(self.entered_at(row)));
        let mended_at = None;
        self.violations.push(Violation { file, row: number, rule, column, visible_from, mended_at, left_out });
        self.dropped[row] |= left_out;
    }

    /// From when on the account of a row is in the accounts table, where its rows are set aside until then.
    fn entered_at(&self, row: usize) -> Instant {
        if self.entered.is_empty() {
            return Instant::MIN;
        }
        let code = self.rows.text("account_id").map(|(codes, _)| codes[row] as usize);
        code.and_then(|code| self.entered.get(code)).copied().unwrap_or(Instant::MIN)
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

    /// Rows of accounts that the accounts table does not have, or did not have for some time.
    fn references(&mut self, accounts: Option<&Entered>, partition: Option<Partition>) {
        let Some(accounts) = accounts else { return };
        let rows = self.rows;
        let Some((codes, names)) = rows.text("account_id") else { return };
        // Of accounts elsewhere nothing is known here.
        let is_ours = |name: &str| partition.is_none_or(|partition| partition.holds(name));
        let entered = |name: &str| if is_ours(name) { accounts.get(name).copied() } else { Some(Instant::MIN) };
        let entered: Vec<Option<Instant>> = names.names().map(entered).collect();
        if entered.iter().all(|entered| *entered == Some(Instant::MIN)) {
            return;
        }
        for (row, code) in codes.iter().enumerate() {
            match entered.get(*code as usize) {
                Some(None) if !self.dropped[row] => {
                    self.record(row, Rule::UnknownAccount, "account_id", self.is_strict());
                }
                Some(Some(since)) if !self.dropped[row] => self.record_until(row, *since),
                _ => {}
            }
        }
        if self.is_strict() {
            self.entered = entered.into_iter().map(|entered| entered.unwrap_or(Instant::MIN)).collect();
        }
    }

    /// A row whose account is entered at `since`, if there is a midnight at which the row is visible and the account is not
    /// known.
    fn record_until(&mut self, row: usize, since: Instant) {
        let visible_from = visible_from(self.rows, row);
        if visible_from.is_some_and(|from| (from.day() + 1) * MICROS_PER_DAY > since.0) || since == Instant::MIN {
            return;
        }
        let (file, number) = self.rows.provenance(row);
        self.violations.push(Violation {
            file,
            row: number,
            rule: Rule::UnknownAccount,
            column: "account_id",
            visible_from,
            mended_at: Some(since),
            left_out: self.is_strict(),
        });
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
            // A plan change may well be known before it takes effect, and a goal before its period.
            TableName::Accounts | TableName::Subscriptions | TableName::SubscriptionItems => return,
            TableName::Goals => {
                self.goals();
                return;
            }
            TableName::Usage | TableName::Nps | TableName::Meetings | TableName::Firmographics => {}
            TableName::Interventions | TableName::Overrides | TableName::Spend => {}
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

    /// Goals are somebody's, and have a period.
    fn goals(&mut self) {
        let rows = self.rows;
        let is_null = |name: &str, row: usize| rows.column(name).is_none_or(|values| values.is_null(row));
        for row in 0..rows.len() {
            if !self.dropped[row] && is_null("account_id", row) && is_null("owner", row) {
                self.record(row, Rule::GoalOfNobody, "account_id", true);
            }
        }
        let (Some(from), Some(until)) = (rows.time("from"), rows.time("until")) else { return };
        for (row, (from, until)) in from.iter().zip(until).enumerate() {
            if *from != NO_TIME && *until != NO_TIME && until <= from && !self.dropped[row] {
                self.record(row, Rule::UntilBeforeFrom, "until", true);
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

    /// The row of a key that counts first holds, whatever its place: a row of the future sets none aside that is there
    /// before it. Of rows that count from one instant on, the first in the order of files and rows.
    fn duplicate_keys(&mut self) {
        // Of large tables a key has few columns, and a row takes little memory.
        match self.rows.table.name.key() {
            [] => {}
            key if key.len() < 4 => self.duplicates_of::<4>(key),
            key => self.duplicates_of::<6>(key),
        }
    }

    /// Of a key of fewer than `PARTS` columns; the last part is the knowledge time.
    fn duplicates_of<const PARTS: usize>(&mut self, key: &[&'static str]) {
        let rows = self.rows;
        let mut keyed: Vec<([i64; PARTS], Instant, usize)> = (0..rows.len())
            .filter(|row| !self.dropped[*row])
            .map(|row| {
                let mut parts = [0; PARTS];
                for (part, name) in parts.iter_mut().zip(key) {
                    *part = match (rows.text(name), rows.time(name)) {
                        (Some((codes, _)), _) => i64::from(codes[row]),
                        (None, Some(times)) => times[row],
                        (None, None) => i64::from(NO_CODE),
                    };
                }
                parts[PARTS - 1] = if rows.has("known_at") { rows.known_at(row) } else { 0 };
                let counts_from = visible_from(rows, row).unwrap_or(Instant(i64::MAX));
                (parts, counts_from.max(self.entered_at(row)), row)
            })
            .collect();
        keyed.sort_unstable();
        let repeats: Vec<usize> =
            keyed.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].2).collect();
        for row in repeats {
            self.record(row, Rule::DuplicateKey, key[0], self.is_strict());
        }
    }
}

/// From when on the accounts table has each id of a row that is kept; always, where that cannot be told.
pub(crate) fn entered(rows: &TableRows<'_>, checked: &Checked) -> Option<Entered> {
    let (codes, names) = rows.text("account_id")?;
    let since = entered_by_code(rows, checked, codes, names.len());
    let named = since.into_iter().zip(names.names());
    Some(named.filter_map(|(since, name)| Some((name.to_owned(), since?))).collect())
}

fn entered_by_code(rows: &TableRows<'_>, checked: &Checked, codes: &[u32], names: usize) -> Vec<Option<Instant>> {
    let mut since: Vec<Option<Instant>> = vec![None; names];
    for (row, code) in codes.iter().enumerate().filter(|(row, _)| !checked.dropped[*row]) {
        if let Some(since) = since.get_mut(*code as usize) {
            let known = Some(rows.known_at(row)).filter(|known| *known != NO_TIME).map_or(Instant::MIN, Instant);
            *since = Some(since.map_or(known, |earlier| earlier.min(known)));
        }
    }
    since
}

/// Ids of left-out rows of the accounts table, as long as no row that holds is known.
pub(crate) fn lost_accounts(rows: &TableRows<'_>, checked: &Checked) -> Vec<LostAccount> {
    let never = |from: Option<Instant>| LostAccount { from, until: None };
    let mut lost: Vec<LostAccount> = rows.bad_rows.iter().map(|_| never(None)).collect();
    let Some((codes, names)) = rows.text("account_id") else { return lost };
    let since = entered_by_code(rows, checked, codes, names.len());
    let mut first: BTreeMap<u32, Option<Instant>> = BTreeMap::new();
    for (row, code) in codes.iter().enumerate().filter(|(row, _)| checked.dropped[*row]) {
        let visible = visible_from(rows, row);
        if *code == NO_CODE {
            lost.push(never(visible));
        } else if since[*code as usize] != Some(Instant::MIN) {
            let earliest = first.entry(*code).or_insert(visible);
            *earliest = (*earliest).min(visible);
        }
    }
    lost.extend(first.into_iter().map(|(code, from)| LostAccount { from, until: since[code as usize] }));
    lost
}
