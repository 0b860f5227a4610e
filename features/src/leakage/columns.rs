//! Columns that tell what was known only afterwards.
//!
//! Every column of a table's files is held against what became of the row (was it paid, and late?) and of its account (did
//! it end soon after, did it ever end?). Three signs: it is a date after the row was known; it counts the days to
//! something that came later; or it says more about the outcome than anything known at the time is likely to. Which rows
//! are compared with which decides what the third is worth, so lateness is compared within an account, settlement and
//! endings among rows of the same time, and what an account is among accounts that started at the same time.

use crate::contract::TableName;
use crate::read::raw::{RawColumn, RawTable};
use crate::time::{Instant, MICROS_PER_DAY};

use super::fate::{Fates, SILENT_DAYS};
use super::names::says_afterwards;
use super::statistics::{Association, Observation, association, number, quantile_groups, wilson};
use super::{Code, Finding, Level, MAX_P_VALUE, MIN_ACCOUNTS};

/// Share of the uncertainty that a column must take away, whatever it is called.
pub(crate) const MIN_EXPLAINED: f64 = 0.5;

/// The same for a column whose name says "afterwards".
pub(crate) const MIN_EXPLAINED_NAMED: f64 = 0.05;

/// Least share (lower 99.9 % bound) of a column's dates that lie after the row was known.
const MIN_LATER_SHARE: f64 = 0.2;

/// Least share of a column's numbers that are days to something later.
const MIN_DAYS_SHARE: f64 = 0.95;

/// A number that takes no more values than this is a category.
const FEW_VALUES: usize = 20;

/// Rows of a value that is a category of its own.
const MIN_ROWS: usize = 10;

/// An outcome of rows: name, observations without their category, by row.
pub(crate) struct Outcome {
    words: &'static str,
    rows: Vec<(usize, Observation)>,
    /// Whether only columns that are one value per account are compared.
    of_account: bool,
}

/// Columns whose own time is a knowledge time (the engine never looks at it too early), and names.
const OWN_TIME: [&str; 9] = [
    "account_id",
    "known_at",
    "paid_at",
    "resolved_at",
    "disputed_at",
    "invoice_id",
    "ticket_id",
    "respondent_id",
    "user_id",
];

/// Columns that name a day to come.
const SCHEDULED: [&str; 2] = ["due_at", "renews_at"];

/// What a table's columns tell.
pub(crate) fn find(table: &RawTable, fates: &Fates, outcomes: &[Outcome], tests: usize) -> Vec<Finding> {
    let candidates = table.columns.iter().filter(|column| is_candidate(table, column));
    let find = |column: &RawColumn| {
        later_times(table, column, fates)
            .or_else(|| days_to_later(table, column, fates))
            .or_else(|| tells(table, column, outcomes, tests))
    };
    candidates.filter_map(find).collect()
}

/// Number of columns that are compared.
pub(crate) fn candidates(table: &RawTable) -> usize {
    table.columns.iter().filter(|column| is_candidate(table, column)).count()
}

fn is_candidate(table: &RawTable, column: &RawColumn) -> bool {
    let is_own = |name: &str| OWN_TIME.contains(&name) || name == table.table.event_time();
    !column.canonical.is_some_and(is_own)
}

fn finding(code: Code, table: &RawTable, column: &RawColumn) -> Finding {
    let level = if column.is_read { Level::Error } else { Level::Info };
    Finding::new(code, level, table.table.as_str(), Some(&column.name))
}

/// A date after the row was known, and never after the last thing known: not a plan, a record of what came.
fn later_times(table: &RawTable, column: &RawColumn, fates: &Fates) -> Option<Finding> {
    if column.canonical.is_some_and(|name| SCHEDULED.contains(&name)) {
        return None;
    }
    let (mut given, mut later, mut planned) = (0, 0, 0);
    let extracted = table.settled.iter().flatten().max().copied().unwrap_or(i64::MIN).max(fates.data_end.0);
    for (row, code) in column.codes.iter().enumerate() {
        let Some(code) = code else { continue };
        // One cell that is no date: the column holds none.
        let time = column.times[*code as usize]?;
        let Some(known) = table.known[row].max(table.event[row]) else { continue };
        given += 1;
        later += usize::from(time > known.saturating_add(MICROS_PER_DAY));
        planned += usize::from(time > extracted.saturating_add(MICROS_PER_DAY));
    }
    if given < MIN_ACCOUNTS || wilson(later, given).0 < MIN_LATER_SHARE || planned * 1000 > given {
        return None;
    }
    let found = finding(Code::AfterwardsTime, table, column)
        .text("holds times after the row was known, and none after the data end".to_owned())
        .with("rows", number(given))
        .with("rows_later", number(later))
        .with("rows_without", number(column.codes.len() - given));
    Some(found)
}

/// A number that is the days to a settlement or to the account's end.
fn days_to_later(table: &RawTable, column: &RawColumn, fates: &Fates) -> Option<Finding> {
    let end = |row: usize| table.accounts[row].and_then(|account| fates.end[account as usize]).map(|end| end.0);
    let since_event =
        |row: usize, later: Option<i64>| Some((later? - table.event[row]?) as f64 / MICROS_PER_DAY as f64);
    type Days<'a> = Box<dyn Fn(usize) -> Option<f64> + 'a>;
    let counts: [(&'static str, Days<'_>); 3] = [
        ("days from the row's own time to its settlement", Box::new(|row| since_event(row, table.settled[row]))),
        (
            "days from its due date to its settlement",
            Box::new(|row| Some((table.settled[row]? - table.due[row]?) as f64 / MICROS_PER_DAY as f64)),
        ),
        ("days from the row's own time to the account's end", Box::new(|row| since_event(row, end(row)))),
    ];
    for (words, days) in &counts {
        let (mut compared, mut equal, mut distinct) = (0, 0, Vec::new());
        for (row, code) in column.codes.iter().enumerate() {
            let value = code.and_then(|code| column.numbers[code as usize]);
            let (Some(value), Some(days)) = (value, days(row)) else { continue };
            compared += 1;
            equal += usize::from((value - days).abs() <= 1.0 || (value == 0.0 && days < 0.0));
            distinct.push(value.to_bits());
        }
        distinct.sort_unstable();
        distinct.dedup();
        if compared < MIN_ACCOUNTS || distinct.len() < 5 || number(equal) < MIN_DAYS_SHARE * number(compared) {
            continue;
        }
        let found = finding(Code::AfterwardsDays, table, column)
            .text(format!("counts the {words}"))
            .with("rows", number(compared))
            .with("rows_equal", number(equal));
        return Some(found);
    }
    None
}

/// The outcome that the column tells the most of, if it tells too much.
fn tells(table: &RawTable, column: &RawColumn, outcomes: &[Outcome], tests: usize) -> Option<Finding> {
    let is_named = says_afterwards(&column.name);
    let least = if is_named { MIN_EXPLAINED_NAMED } else { MIN_EXPLAINED };
    let mut best: Option<(&Outcome, Association)> = None;
    for outcome in outcomes {
        if outcome.of_account && table.table != TableName::Accounts && !is_one_per_account(table, column) {
            continue;
        }
        let Some(found) = compare(table, column, outcome) else { continue };
        let is_more = best.as_ref().is_none_or(|(_, known)| known.explained < found.explained);
        if found.explained >= least && found.p_value * number(tests) <= MAX_P_VALUE && is_more {
            best = Some((outcome, found));
        }
    }
    let (outcome, found) = best?;
    let is_snapshot = table.table == TableName::Accounts && table.known.iter().all(Option::is_none);
    let code = if is_snapshot { Code::SnapshotOutcome } else { Code::AfterwardsOutcome };
    let finding = finding(code, table, column)
        .text(format!("tells {}", outcome.words))
        .with("weight", found.weight)
        .with("explained", found.explained)
        .with("least_explained", least)
        .with("p_value_corrected", (found.p_value * number(tests)).min(1.0));
    Some(finding)
}

fn compare(table: &RawTable, column: &RawColumn, outcome: &Outcome) -> Option<Association> {
    let rows: Vec<usize> = outcome.rows.iter().map(|(row, _)| *row).collect();
    let categories = categories(table, column, &rows)?;
    let observations: Vec<Observation> = outcome
        .rows
        .iter()
        .zip(categories)
        .map(|((_, observation), category)| Observation { category, ..*observation })
        .collect();
    Some(association(&observations))
}

/// The values of some rows as categories: null, frequent values, and numbers in tenths; dates only say whether they are
/// given. `None` where all rows are alike.
fn categories(table: &RawTable, column: &RawColumn, rows: &[usize]) -> Option<Vec<u32>> {
    let given = || rows.iter().filter_map(|row| column.codes[*row]);
    let mut counts = vec![0_usize; column.texts.len()];
    given().for_each(|code| counts[code as usize] += 1);
    let distinct = counts.iter().filter(|count| **count > 0).count();
    let is_all = |values: &dyn Fn(usize) -> bool| distinct > 0 && given().all(|code| values(code as usize));
    let is_time = is_all(&|code| column.times[code].is_some());
    let is_number = is_all(&|code| column.numbers[code].is_some());
    let mut categories: Vec<u32> = if is_time {
        rows.iter().map(|row| u32::from(column.codes[*row].is_some())).collect()
    } else if is_number && distinct > FEW_VALUES {
        let numbers: Vec<f64> = given().filter_map(|code| column.numbers[code as usize]).collect();
        let mut groups = quantile_groups(&numbers, 10).into_iter();
        rows.iter().map(|row| column.codes[*row].map_or(0, |_| groups.next().map_or(0, |group| group + 1))).collect()
    } else {
        let frequent = |code: u32| if counts[code as usize] >= MIN_ROWS { code + 2 } else { 1 };
        rows.iter().map(|row| column.codes[*row].map_or(0, frequent)).collect()
    };
    let kinds = super::distinct(&mut categories.clone());
    // A text with many values names things, such as people, and says who it is.
    let is_name = !is_time && !is_number && kinds > 10 * FEW_VALUES && table.table != TableName::Accounts;
    if is_name {
        categories.iter_mut().for_each(|category| *category = (*category).min(1));
    }
    (super::distinct(&mut categories.clone()) > 1).then_some(categories)
}

/// Whether (nearly) every account has one value only.
fn is_one_per_account(table: &RawTable, column: &RawColumn) -> bool {
    let mut pairs: Vec<(u32, Option<u32>)> =
        table.accounts.iter().zip(&column.codes).filter_map(|(account, code)| Some(((*account)?, *code))).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let accounts = pairs.chunk_by(|a, b| a.0 == b.0).count();
    accounts > 0 && number(pairs.len()) <= 1.01 * number(accounts)
}

/// What became of the rows of a table, each outcome that both happened and did not to enough of them.
pub(crate) fn outcomes(table: &RawTable, fates: &Fates, grace_days: i64) -> Vec<Outcome> {
    let all = match table.table {
        TableName::Accounts => vec![ended_ever(table, fates)],
        _ => vec![settled(table), late(table), ended_soon(table, fates, grace_days), ended_ever(table, fates)],
    };
    let is_there = |outcome: &Outcome| {
        let positive = outcome.rows.iter().filter(|(_, one)| one.outcome).count();
        positive >= MIN_ACCOUNTS && outcome.rows.len() - positive >= MIN_ACCOUNTS
    };
    all.into_iter().filter(is_there).collect()
}

fn observation(stratum: u32, outcome: bool) -> Observation {
    Observation { stratum, category: 0, outcome, weight: 1.0 }
}

/// Whether a row was settled, among rows of the same time.
fn settled(table: &RawTable) -> Outcome {
    let rows: Vec<usize> = (0..table.event.len()).filter(|row| table.event[*row].is_some()).collect();
    let strata = time_strata(table, &rows, rows.len());
    let one = |(row, stratum): (&usize, u32)| (*row, observation(stratum, table.settled[*row].is_some()));
    Outcome {
        words: "which rows were settled (paid, resolved) later",
        rows: rows.iter().zip(strata).map(one).collect(),
        of_account: false,
    }
}

/// Whether a settled row was late: after its due date, else slower than half of them; among rows of its account.
fn late(table: &RawTable) -> Outcome {
    let took = |row: usize| Some(table.settled[row]? - table.due[row].or(table.event[row])?);
    let mut delays: Vec<i64> = (0..table.event.len()).filter_map(took).collect();
    delays.sort_unstable();
    let median = delays.get(delays.len() / 2).copied().unwrap_or(0);
    let has_due = table.due.iter().any(Option::is_some);
    let limit = if has_due { 0 } else { median };
    let one = |row: usize| Some((row, observation(table.accounts[row]?, took(row)? > limit)));
    Outcome {
        words: "which rows of an account were settled late",
        rows: (0..table.event.len()).filter_map(one).collect(),
        of_account: false,
    }
}

/// Whether the account ended within 90 days of the row; one vote per account.
fn ended_soon(table: &RawTable, fates: &Fates, grace_days: i64) -> Outcome {
    let last = fates.data_end.plus_days(-SILENT_DAYS - grace_days).0;
    let row_end = |row: usize| Some((table.event[row]?, fates.end[table.accounts[row]? as usize]));
    let is_before =
        |row: &usize| row_end(*row).is_some_and(|(event, end)| event < last && end.is_none_or(|end| event < end.0));
    let rows: Vec<usize> = (0..table.event.len()).filter(is_before).collect();
    let soon = |row: usize| {
        row_end(row).is_some_and(|(event, end)| end.is_some_and(|end| end < Instant(event).plus_days(SILENT_DAYS)))
    };
    let mut accounts: Vec<u32> = rows.iter().filter_map(|row| table.accounts[*row]).collect();
    let strata = time_strata(table, &rows, super::distinct(&mut accounts));
    let weights = votes(table, &rows, fates.end.len());
    let one = |((row, stratum), weight): ((&usize, u32), f64)| {
        (*row, Observation { weight, ..observation(stratum, soon(*row)) })
    };
    Outcome {
        words: "which accounts ended within the next 90 days",
        rows: rows.iter().zip(strata).zip(weights).map(one).collect(),
        of_account: false,
    }
}

/// Whether the account ever ended, among accounts that started at the same time; the first row of each account.
fn ended_ever(table: &RawTable, fates: &Fates) -> Outcome {
    let mut seen = vec![false; fates.end.len()];
    let mut rows = Vec::new();
    for (row, account) in table.accounts.iter().enumerate() {
        let Some(account) = account.map(|account| account as usize) else { continue };
        if !std::mem::replace(&mut seen[account], true) {
            rows.push((row, observation(fates.strata[account], fates.end[account].is_some())));
        }
    }
    Outcome { words: "which accounts ended at any time", rows, of_account: true }
}

/// Rows of about the same time: up to twenty groups of at least 50 votes.
fn time_strata(table: &RawTable, rows: &[usize], votes: usize) -> Vec<u32> {
    let times: Vec<i64> = rows.iter().map(|row| table.event[*row].unwrap_or(i64::MIN)).collect();
    quantile_groups(&times, (votes / 50).clamp(1, 20))
}

/// Weights that give each account one vote.
fn votes(table: &RawTable, rows: &[usize], accounts: usize) -> Vec<f64> {
    let account = |row: &usize| table.accounts[*row].map_or(0, |account| account as usize);
    let mut counts = vec![0_usize; accounts.max(1)];
    rows.iter().for_each(|row| counts[account(row)] += 1);
    rows.iter().map(|row| 1.0 / number(counts[account(row)])).collect()
}
