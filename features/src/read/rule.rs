//! The rules that rows must keep, under stable codes, and the record of a row that broke one.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// A rule. Codes are stable: they stand in quarantine files and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A CSV row with more or fewer cells than the header.
    FieldCount,
    /// A key column without a value.
    NullKey,
    /// Another needed column without a value.
    NullValue,
    /// A value that is not of the column's type (a number, a time, UTF-8 text).
    Unparsable,
    /// A number outside its range, or not finite.
    OutOfRange,
    /// A text that is not one of those allowed.
    NotAllowed,
    /// A row whose key (with `known_at`, where there is one) an earlier row has.
    DuplicateKey,
    /// An account id that the accounts table does not have.
    UnknownAccount,
    /// An invoice due before it is issued.
    DueBeforeIssued,
    /// A ticket resolved before it is opened.
    ResolvedBeforeOpened,
    /// A contact that leaves before it comes.
    UntilBeforeSince,
    /// A goal whose period ends before it begins, or as it begins.
    UntilBeforeFrom,
    /// A goal of nobody: neither an account nor an owner.
    GoalOfNobody,
    /// A fact known before it happened: the clocks disagree. Only ever a warning.
    KnownBeforeEvent,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 14] = [
        Self::FieldCount,
        Self::NullKey,
        Self::NullValue,
        Self::Unparsable,
        Self::OutOfRange,
        Self::NotAllowed,
        Self::DuplicateKey,
        Self::UnknownAccount,
        Self::DueBeforeIssued,
        Self::ResolvedBeforeOpened,
        Self::UntilBeforeSince,
        Self::UntilBeforeFrom,
        Self::GoalOfNobody,
        Self::KnownBeforeEvent,
    ];

    /// Stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::FieldCount => "field_count",
            Self::NullKey => "null_key",
            Self::NullValue => "null_value",
            Self::Unparsable => "unparsable",
            Self::OutOfRange => "out_of_range",
            Self::NotAllowed => "not_allowed",
            Self::DuplicateKey => "duplicate_key",
            Self::UnknownAccount => "unknown_account",
            Self::DueBeforeIssued => "due_before_issued",
            Self::ResolvedBeforeOpened => "resolved_before_opened",
            Self::UntilBeforeSince => "until_before_since",
            Self::UntilBeforeFrom => "until_before_from",
            Self::GoalOfNobody => "goal_of_nobody",
            Self::KnownBeforeEvent => "known_before_event",
        }
    }

    /// What it means and what to do, in one line.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::FieldCount => "cells are missing or too many: an unquoted delimiter or line break?",
            Self::NullKey => "a row without a key belongs to nobody: fill it in, or leave such rows out with `where`",
            Self::NullValue => "a needed value is missing",
            Self::Unparsable => "the value is not of the column's type: set `time_format`, or map another column",
            Self::OutOfRange => "the number cannot be true: check unit and sign, or `derive` it",
            Self::NotAllowed => "the value is not among those allowed: extend `allowed` or correct the source",
            Self::DuplicateKey => "two rows claim one key: map `known_at` if they are corrections",
            Self::UnknownAccount => "the account is not in the accounts table: is that table complete?",
            Self::DueBeforeIssued => "the invoice is due before it is issued: are the two columns swapped?",
            Self::ResolvedBeforeOpened => "the ticket is resolved before it is opened: are the two columns swapped?",
            Self::UntilBeforeSince => "the contact leaves before it comes: are the two columns swapped?",
            Self::UntilBeforeFrom => "the period of the goal has no length: are the two columns swapped?",
            Self::GoalOfNobody => "a goal is that of an account (`account_id`) or of an owner (`owner`): fill one in",
            Self::KnownBeforeEvent => {
                "the fact is known before it happened: do the two systems' clocks or zones agree?"
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// A row that broke a rule. The value itself is nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// Index into the table's files.
    pub file: u32,
    /// Row in that file, from 1, the header not counted.
    pub row: u32,
    /// The rule.
    pub rule: Rule,
    /// Canonical column.
    pub column: &'static str,
    /// From when on the row counts; `None`: its times cannot be read, so it always counts.
    pub visible_from: Option<Instant>,
    /// From when on it is broken no more, since an account was entered later than its fact; `None`: for ever.
    pub mended_at: Option<Instant>,
    /// Whether the row was left out.
    pub left_out: bool,
}

impl Violation {
    /// Whether the rule is broken in what is visible at `as_of`; `None`: in all that is known by now.
    #[must_use]
    pub fn counts_at(&self, as_of: Option<NaiveDate>) -> bool {
        counts_between(self.visible_from, self.mended_at, as_of)
    }
}

/// Whether `as_of` lies after `from` (`None`: always) and not after `until` (`None`: never).
pub(crate) fn counts_between(from: Option<Instant>, until: Option<Instant>, as_of: Option<NaiveDate>) -> bool {
    let is_past = |moment: Instant| as_of.is_none_or(|as_of| moment < Instant::start_of(as_of));
    from.is_none_or(is_past) && !until.is_some_and(is_past)
}
