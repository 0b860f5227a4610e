//! What the checks found. A [`CheckReport`] holds every violation with the instant from which it counts, so that one
//! reading serves every `as_of`: [`CheckReport::at`] counts only what was visible then, and [`CheckOutcome::gate`] says
//! whether a run may go on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::NaiveDate;
use serde::Serialize;

use crate::contract::{MICROS_PER_HOUR, OnViolation, TableName};
use crate::time::Instant;

use super::error::ReadError;
use super::rule::{Rule, Violation, counts_between};

/// Rows that become visible on one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DayCount {
    pub(crate) rows: u64,
    pub(crate) duplicates: u64,
    /// The latest instant at which a row that is not left out (from this day on) became visible.
    pub(crate) latest: Instant,
}

impl DayCount {
    /// Nothing yet.
    pub(crate) const NONE: Self = Self { rows: 0, duplicates: 0, latest: Instant::MIN };
}

/// What was found in one table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableReport {
    /// The table.
    pub table: TableName,
    /// Its files, in the order read.
    pub files: Vec<PathBuf>,
    /// Rows of those files.
    pub rows_read: u64,
    /// Rows for which `where` was not true; they are not part of the table.
    pub rows_filtered: u64,
    /// Broken rules, by file, row, rule.
    pub violations: Vec<Violation>,
    /// Whether every file has a `known_at`: only then can a past run be replayed exactly.
    pub has_known_at: bool,
    /// Whether the contract declares after how long a row is known.
    pub has_known_after: bool,
    pub(crate) on_violation: OnViolation,
    pub(crate) error_if_pct: f64,
    pub(crate) warn_after_micros: Option<i64>,
    pub(crate) error_after_micros: Option<i64>,
    pub(crate) days: BTreeMap<i64, DayCount>,
    /// Rows whose times cannot be read; they always count.
    pub(crate) rows_without_time: u64,
    /// Whether rows have a time at all, so that the table has an age.
    pub(crate) has_time: bool,
    /// Accounts table only: ids of left-out rows.
    pub(crate) lost_accounts: Vec<LostAccount>,
}

/// An id of which the accounts table has nothing but left-out rows for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LostAccount {
    /// From when on the first of them counts; `None`: always.
    pub(crate) from: Option<Instant>,
    /// From when on a row that holds is known; `None`: there is none.
    pub(crate) until: Option<Instant>,
}

/// What was found in all tables.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckReport {
    /// Declared tables, in canonical order.
    pub tables: Vec<TableReport>,
    /// Canonical tables that the contract does not declare; their signals are absent.
    pub missing_tables: Vec<TableName>,
}

/// How serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing to say.
    Pass,
    /// Something to look at.
    Warn,
    /// The run must stop.
    Error,
}

/// How often one rule was broken in one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// The rule.
    pub rule: Rule,
    /// Canonical column.
    pub column: String,
    /// Rows that broke it.
    pub rows: u64,
    /// Whether such rows were left out.
    pub left_out: bool,
    /// File of the first of them.
    pub first_file: PathBuf,
    /// Row in that file, from 1, the header not counted.
    pub first_row: u32,
}

/// One table as of a date.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableOutcome {
    /// Canonical table.
    pub table: String,
    /// Number of files.
    pub files: usize,
    /// Visible rows that belong to the table, those left out included.
    pub rows: u64,
    /// Rows in the files that `where` leaves aside, at any date.
    pub filtered: u64,
    /// Visible rows that were left out.
    pub left_out: u64,
    /// `left_out` in percent of `rows`; 0 where there are none.
    pub left_out_pct: f64,
    /// Visible rows that repeat another row exactly (tables without a key); they stay.
    pub duplicates: u64,
    /// Broken rules, the most frequent first.
    pub rules: Vec<RuleCount>,
    /// Hours from the newest visible row to `as_of`; `None` without a date or a time.
    pub age_hours: Option<f64>,
    /// Whether the table has `known_at` or a declared `known_after`, so that a past date can be replayed.
    pub replayable: bool,
    /// How serious.
    pub status: Status,
    /// Why the status is not `pass`, worst first.
    pub messages: Vec<String>,
}

fn iso_date<S: serde::Serializer>(date: &Option<NaiveDate>, serializer: S) -> Result<S::Ok, S::Error> {
    date.map(|date| date.to_string()).serialize(serializer)
}

/// All tables as of a date.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckOutcome {
    /// Only facts visible at this date were counted; `None`: all facts. Written as `YYYY-MM-DD`.
    #[serde(serialize_with = "iso_date")]
    pub as_of: Option<NaiveDate>,
    /// The worst of the tables.
    pub status: Status,
    /// Declared tables.
    pub tables: Vec<TableOutcome>,
    /// Canonical tables that are not declared.
    pub missing_tables: Vec<String>,
    /// Accounts that are left out because their own row was: part of "accounts given".
    pub quarantined_accounts: u64,
}

impl CheckReport {
    /// The tables of which it cannot be told what was known at a past date: neither `known_at` nor `known_after`. A later
    /// backfill of them changes the features of past dates.
    #[must_use]
    pub fn not_replayable(&self) -> Vec<TableName> {
        self.tables.iter().filter(|table| !table.is_replayable()).map(|table| table.table).collect()
    }

    /// Counts what was visible at `as_of` (strictly before its midnight UTC); `None` counts everything.
    #[must_use]
    pub fn at(&self, as_of: Option<NaiveDate>) -> CheckOutcome {
        let tables: Vec<TableOutcome> = self.tables.iter().map(|table| table.at(as_of)).collect();
        let lost = self.tables.iter().flat_map(|table| &table.lost_accounts);
        CheckOutcome {
            as_of,
            status: tables.iter().map(|table| table.status).max().unwrap_or(Status::Pass),
            tables,
            missing_tables: self.missing_tables.iter().map(|table| table.as_str().to_owned()).collect(),
            quarantined_accounts: lost.filter(|lost| counts_between(lost.from, lost.until, as_of)).count() as u64,
        }
    }
}

impl TableReport {
    /// Whether it can be told what was known of the table at a past date: from its `known_at`, or its event times and the
    /// declared `known_after`.
    #[must_use]
    pub fn is_replayable(&self) -> bool {
        self.has_known_at || self.has_known_after
    }

    fn at(&self, as_of: Option<NaiveDate>) -> TableOutcome {
        let end_day = as_of.map_or(i64::MAX, |date| Instant::start_of(date).day());
        let (mut rows, mut duplicates, mut latest) = (self.rows_without_time, 0, None::<Instant>);
        for count in self.days.range(..end_day).map(|(_, count)| count) {
            rows += count.rows;
            duplicates += count.duplicates;
            // Days on which nothing but left-out rows became visible have none.
            latest = latest.max(Some(count.latest).filter(|latest| *latest > Instant::MIN));
        }
        let visible: Vec<&Violation> = self.violations.iter().filter(|violation| violation.counts_at(as_of)).collect();
        let left_out_rows: BTreeSet<(u32, u32)> =
            visible.iter().filter(|found| found.left_out).map(|found| (found.file, found.row)).collect();
        let left_out = left_out_rows.len() as u64;
        let age_micros = match (as_of, latest) {
            (Some(date), Some(latest)) if self.has_time => Some(Instant::start_of(date).0.saturating_sub(latest.0)),
            _ => None,
        };
        let mut outcome = TableOutcome {
            table: self.table.as_str().to_owned(),
            files: self.files.len(),
            rows,
            filtered: self.rows_filtered,
            left_out,
            left_out_pct: if rows == 0 { 0.0 } else { left_out as f64 * 100.0 / rows as f64 },
            duplicates,
            rules: self.rule_counts(&visible),
            age_hours: age_micros.map(|age| age as f64 / MICROS_PER_HOUR as f64),
            replayable: self.is_replayable(),
            status: Status::Pass,
            messages: Vec::new(),
        };
        self.judge(&mut outcome, age_micros, as_of);
        outcome
    }

    fn rule_counts(&self, visible: &[&Violation]) -> Vec<RuleCount> {
        let mut counts: BTreeMap<(Rule, &str, bool), RuleCount> = BTreeMap::new();
        for violation in visible {
            let entry =
                counts.entry((violation.rule, violation.column, violation.left_out)).or_insert_with(|| RuleCount {
                    rule: violation.rule,
                    column: violation.column.to_owned(),
                    rows: 0,
                    left_out: violation.left_out,
                    first_file: self.files.get(violation.file as usize).cloned().unwrap_or_default(),
                    first_row: violation.row,
                });
            entry.rows += 1;
        }
        let mut counts: Vec<RuleCount> = counts.into_values().collect();
        counts.sort_by_key(|count| std::cmp::Reverse(count.rows));
        counts
    }

    fn judge(&self, outcome: &mut TableOutcome, age_micros: Option<i64>, as_of: Option<NaiveDate>) {
        let mut found: Vec<(Status, String)> = Vec::new();
        let (left_out, pct, limit) = (outcome.left_out, outcome.left_out_pct, self.error_if_pct);
        let kept: u64 = outcome.rules.iter().filter(|count| !count.left_out).map(|count| count.rows).sum();
        let is_broken = outcome.rules.iter().any(|count| count.rule != Rule::KnownBeforeEvent);
        if is_broken && self.on_violation == OnViolation::Error {
            found.push((Status::Error, "rows break a rule, and on_violation is \"error\"".to_owned()));
        }
        if left_out > 0 {
            let text = format!("{} rows left out, {pct:.2} % of those visible", grouped(left_out));
            if pct > limit {
                found.push((Status::Error, format!("{text}; error_if_pct is {limit}")));
            } else {
                found.push((Status::Warn, text));
            }
        }
        if kept > 0 {
            found.push((Status::Warn, format!("a rule broken {} times in rows that are kept", grouped(kept))));
        }
        if outcome.duplicates > 0 {
            found.push((
                Status::Warn,
                format!("{} rows repeat another exactly; they count", grouped(outcome.duplicates)),
            ));
        }
        if let (Some(age), true) = (age_micros, self.has_time) {
            let older = |limit: Option<i64>| limit.filter(|limit| age > *limit);
            if let Some(limit) = older(self.error_after_micros) {
                found.push((Status::Error, stale(age, limit, "error_after")));
            } else if let Some(limit) = older(self.warn_after_micros) {
                found.push((Status::Warn, stale(age, limit, "warn_after")));
            }
        }
        let limited = self.error_after_micros.is_some() || self.warn_after_micros.is_some();
        if limited && as_of.is_some() && age_micros.is_none() {
            found.push((Status::Error, "no visible row with a time, so freshness cannot hold".to_owned()));
        }
        found.sort_by_key(|(status, _)| std::cmp::Reverse(*status));
        outcome.status = found.first().map_or(Status::Pass, |(status, _)| *status);
        outcome.messages = found.into_iter().map(|(_, text)| text).collect();
    }
}

fn stale(age: i64, limit: i64, name: &str) -> String {
    let hours = |micros: i64| micros as f64 / MICROS_PER_HOUR as f64;
    format!("the newest visible row is {:.1} h before as_of; {name} is {:.1} h", hours(age), hours(limit))
}

impl CheckOutcome {
    /// Whether a run may go on.
    ///
    /// # Errors
    /// [`ReadError::Gate`] with one line per table that must stop it.
    pub fn gate(&self) -> Result<(), ReadError> {
        let stopping = self.tables.iter().filter(|table| table.status == Status::Error);
        let reasons: Vec<String> =
            stopping.map(|table| format!("{}: {}", table.table, table.messages.join("; "))).collect();
        if reasons.is_empty() { Ok(()) } else { Err(ReadError::Gate { reasons }) }
    }

    /// Hours from the newest visible row of each table to `as_of`, for the feature file's metadata.
    #[must_use]
    pub fn table_ages_hours(&self) -> BTreeMap<String, f64> {
        self.tables.iter().filter_map(|table| Some((table.table.clone(), table.age_hours?))).collect()
    }

    /// The outcome in words, one line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for table in &self.tables {
            lines.push(table.headline());
            lines.extend(table.messages.iter().map(|message| format!("    {message}")));
            for count in &table.rules {
                let fate = if count.left_out { "left out" } else { "kept" };
                lines.push(format!(
                    "    {} in `{}`: {} rows {fate}, first {} row {}; {}",
                    count.rule,
                    count.column,
                    grouped(count.rows),
                    count.first_file.display(),
                    count.first_row,
                    count.rule.advice()
                ));
            }
        }
        if !self.missing_tables.is_empty() {
            lines.push(format!("not declared, so without their signals: {}", self.missing_tables.join(", ")));
        }
        lines
    }
}

impl TableOutcome {
    fn headline(&self) -> String {
        let word = match self.status {
            Status::Pass => "pass",
            Status::Warn => "warn",
            Status::Error => "FAIL",
        };
        let mut line = format!("{word}  {:<14}{:>14} rows in {} file(s)", self.table, grouped(self.rows), self.files);
        if self.filtered > 0 {
            line.push_str(&format!(", {} set aside by `where`", grouped(self.filtered)));
        }
        if let Some(age) = self.age_hours {
            line.push_str(&format!(", newest {age:.1} h before as_of"));
        }
        if !self.replayable {
            line.push_str(", without known_at and known_after (not replayable)");
        }
        line
    }
}

/// A count with separators: 1,234,567.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl CheckReport {
    /// The findings of these accounts and those of another partition together.
    pub fn join(&mut self, other: Self) {
        for (table, more) in self.tables.iter_mut().zip(other.tables) {
            table.join(more);
        }
    }
}

impl TableReport {
    fn join(&mut self, other: Self) {
        self.violations.extend(other.violations);
        self.violations.sort_by_key(|found| (found.file, found.row, found.rule, found.column));
        self.violations.dedup();
        self.has_known_at &= other.has_known_at;
        self.has_time |= other.has_time;
        if !self.table.is_keyed_by_account() {
            // Every partition reads it whole.
            return;
        }
        self.rows_read += other.rows_read;
        self.rows_filtered += other.rows_filtered;
        self.rows_without_time += other.rows_without_time;
        self.lost_accounts.extend(other.lost_accounts);
        for (day, more) in other.days {
            let count = self.days.entry(day).or_insert(DayCount::NONE);
            count.rows += more.rows;
            count.duplicates += more.duplicates;
            count.latest = count.latest.max(more.latest);
        }
    }
}
