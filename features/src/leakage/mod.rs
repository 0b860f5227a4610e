//! The search for leaks: what in a business's tables could only be known afterwards?
//!
//! The engine keeps every fact of the future out by its times; it cannot know that a time, a column or an id was written
//! with the outcome in view. Such a leak makes a backtest look better than any night will be. The tests here look at the
//! whole of the tables, the future included, and report what says too much: each finding has a stable code, its evidence
//! in numbers (never a cell), and what to do. None of them proves a leak, and silence proves nothing; docs/leakage.md
//! says what each one can see, its threshold, and where that comes from.
//!
//! An **error** is a leak that reaches signals or labels; an **info** is one that nothing reads, or a fact worth knowing.

mod columns;
mod ends;
mod fate;
mod identity;
mod names;
mod statistics;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::contract::{Contract, TableName};
use crate::facts::Facts;
use crate::label::Event;
use crate::read::raw::raw_table;
use crate::read::{CheckReport, ReadError};

use fate::Fates;

/// Fewer ended accounts (or rows of an outcome) than this say nothing.
const MIN_ACCOUNTS: usize = 30;

/// Largest probability of chance, after Bonferroni's correction over all comparisons of its kind.
const MAX_P_VALUE: f64 = 0.01;

/// What kind of leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// A column says more about what came later than anything known at the time is likely to.
    #[serde(rename = "LEAK_AFTERWARDS_OUTCOME")]
    AfterwardsOutcome,
    /// A column holds dates after its row was known.
    #[serde(rename = "LEAK_AFTERWARDS_TIME")]
    AfterwardsTime,
    /// A column counts the days to something later.
    #[serde(rename = "LEAK_AFTERWARDS_DAYS")]
    AfterwardsDays,
    /// The account id tells which accounts ended.
    #[serde(rename = "LEAK_ID")]
    Id,
    /// Facts of accounts after their end.
    #[serde(rename = "LEAK_AFTER_END")]
    AfterEnd,
    /// The last fact of ended accounts is dated at the end itself.
    #[serde(rename = "LEAK_AT_END")]
    AtEnd,
    /// The last fact of ended accounts stands at a fixed distance before the end.
    #[serde(rename = "LEAK_ANCHORED")]
    Anchored,
    /// The accounts table is a snapshot without history, and signals read it.
    #[serde(rename = "LEAK_SNAPSHOT")]
    Snapshot,
    /// A column of a snapshot tells which accounts ended.
    #[serde(rename = "LEAK_SNAPSHOT_OUTCOME")]
    SnapshotOutcome,
}

impl Code {
    /// Every code.
    pub const ALL: [Code; 9] = [
        Self::AfterwardsOutcome,
        Self::AfterwardsTime,
        Self::AfterwardsDays,
        Self::Id,
        Self::AfterEnd,
        Self::AtEnd,
        Self::Anchored,
        Self::Snapshot,
        Self::SnapshotOutcome,
    ];

    /// The stable code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AfterwardsOutcome => "LEAK_AFTERWARDS_OUTCOME",
            Self::AfterwardsTime => "LEAK_AFTERWARDS_TIME",
            Self::AfterwardsDays => "LEAK_AFTERWARDS_DAYS",
            Self::Id => "LEAK_ID",
            Self::AfterEnd => "LEAK_AFTER_END",
            Self::AtEnd => "LEAK_AT_END",
            Self::Anchored => "LEAK_ANCHORED",
            Self::Snapshot => "LEAK_SNAPSHOT",
            Self::SnapshotOutcome => "LEAK_SNAPSHOT_OUTCOME",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::AfterwardsOutcome => {
                "if it is written later, leave it out, or give each version of the row its `known_at`"
            }
            Self::AfterwardsTime => {
                "map it as the knowledge time that it is (`paid_at`, `resolved_at`), or leave it out"
            }
            Self::AfterwardsDays => "leave it out: the signals count such days themselves, as far as they are known",
            Self::Id => {
                "use an id that was given out at sign-up, before anybody knew; no signal reads ids, but joins do"
            }
            Self::AfterEnd => "check both times: is the end entered too early, or are these facts stamped when loaded?",
            Self::AtEnd => {
                "facts written because the account left are known only then: leave them out, or date them so"
            }
            Self::Anchored => {
                "take snapshots on calendar days for all accounts alike; dates chosen by the outcome are its answer"
            }
            Self::Snapshot => "keep its history with a `known_at` column; until then past values are today's values",
            Self::SnapshotOutcome => {
                "a snapshot of today knows who left: keep history with `known_at`, or leave it out"
            }
        }
    }
}

/// How serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing reads it, or it is only worth knowing.
    Info,
    /// It reaches signals or labels.
    Error,
}

/// One suspected leak.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What kind.
    pub code: Code,
    /// How serious.
    pub level: Level,
    /// Canonical table.
    pub table: String,
    /// The file's own column, where it is one.
    pub column: Option<String>,
    /// In words.
    pub text: String,
    /// In numbers, by name.
    pub evidence: BTreeMap<&'static str, f64>,
    /// What to do.
    pub hint: &'static str,
}

impl Finding {
    fn new(code: Code, level: Level, table: &str, column: Option<&str>) -> Self {
        Self {
            code,
            level,
            table: table.to_owned(),
            column: column.map(str::to_owned),
            text: String::new(),
            evidence: BTreeMap::new(),
            hint: code.hint(),
        }
    }

    fn text(mut self, text: String) -> Self {
        self.text = text;
        self
    }

    fn with(mut self, name: &'static str, value: f64) -> Self {
        self.evidence.insert(name, value);
        self
    }

    /// The finding in words, three lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let word = match self.level {
            Level::Info => "info",
            Level::Error => "LEAK",
        };
        let column = self.column.as_ref().map_or_else(String::new, |column| format!(".`{}`", column.escape_debug()));
        let evidence: Vec<String> =
            self.evidence.iter().map(|(name, value)| format!("{name} {}", plain(*value))).collect();
        let mut lines = vec![format!("{word}  {}  {}{column}: {}", self.code.as_str(), self.table, self.text)];
        if !evidence.is_empty() {
            lines.push(format!("    {}", evidence.join(", ")));
        }
        lines.push(format!("    {}", self.hint));
        lines
    }
}

/// Whole numbers as such, others with three digits.
fn plain(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else if value.abs() < 0.001 {
        format!("{value:.1e}")
    } else {
        format!("{value:.3}")
    }
}

/// What the search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeakageReport {
    /// Errors first, then by code, table, column.
    pub findings: Vec<Finding>,
    /// Accounts that were compared.
    pub accounts: usize,
    /// Of these, those that ended.
    pub accounts_ended: usize,
    /// Columns that were compared.
    pub columns: usize,
}

impl LeakageReport {
    /// Searches the tables of `contract`, from which `facts` and `check` were read, for leaks; the future is looked at on
    /// purpose.
    ///
    /// # Errors
    /// [`ReadError`] when the files cannot be read again.
    pub fn of(contract: &Contract, facts: &Facts, check: &CheckReport) -> Result<Self, ReadError> {
        let fates = Fates::of(facts, &contract.targets);
        let grace = contract.targets.iter().filter(|target| target.event == Event::SubscriptionEnd);
        let grace_days = i64::from(grace.map(|target| target.grace_days).max().unwrap_or(0));
        let mut tables = Vec::new();
        for report in &check.tables {
            // What no signal reads can leak into none.
            if let Some(table) = contract.tables.get(&report.table).filter(|table| table.name.feeds_signals()) {
                let raw = raw_table(table, report.rows_read, &facts.accounts)?;
                let outcomes = columns::outcomes(&raw, &fates, grace_days);
                tables.push((raw, outcomes));
            }
        }
        let tests = tables.iter().map(|(raw, outcomes)| columns::candidates(raw) * outcomes.len()).sum();
        let mut findings = identity::find(facts, &fates);
        findings.extend(ends::find(facts, &fates));
        for (raw, outcomes) in &tables {
            findings.extend(columns::find(raw, &fates, outcomes, tests));
        }
        findings.extend(snapshot(facts, check));
        findings.sort_by(|a, b| (b.level, a.code, &a.table, &a.column).cmp(&(a.level, b.code, &b.table, &b.column)));
        Ok(Self {
            findings,
            accounts: facts.accounts.len(),
            accounts_ended: fates.ended().count(),
            columns: tables.iter().map(|(raw, _)| columns::candidates(raw)).sum(),
        })
    }

    /// The worst level; `None` without a finding.
    #[must_use]
    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    /// The report in words.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.findings.iter().flat_map(Finding::lines).collect();
        lines.push(format!(
            "leakage: {} accounts ({} ended) and {} columns compared, {} finding(s)",
            self.accounts,
            self.accounts_ended,
            self.columns,
            self.findings.len()
        ));
        lines
    }
}

/// Whether the accounts table is a snapshot that signals read.
fn snapshot(facts: &Facts, check: &CheckReport) -> Option<Finding> {
    let report = check.tables.iter().find(|table| table.table == TableName::Accounts)?;
    if report.is_replayable() {
        return None;
    }
    let columns = [
        ("segment", &facts.segments),
        ("industry", &facts.industries),
        ("region", &facts.regions),
        ("channel", &facts.channels),
    ];
    let used: Vec<&str> = columns.iter().filter(|(_, names)| !names.names.is_empty()).map(|(name, _)| *name).collect();
    if used.is_empty() {
        return None;
    }
    let text = format!("a snapshot without history; today's values of {} stand for the past", used.join(", "));
    let finding = Finding::new(Code::Snapshot, Level::Info, "accounts", None)
        .text(text)
        .with("columns_read_as_signals", statistics::number(used.len()));
    Some(finding)
}

/// Number of distinct values; sorts them.
fn distinct(values: &mut [u32]) -> usize {
    values.sort_unstable();
    values.chunk_by(|a, b| a == b).count()
}
