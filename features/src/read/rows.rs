//! A table as typed columns: codes for text, plain numbers and instants, and for each row where it came from. Batches are
//! appended in the order of the files.

use rayon::prelude::*;

use crate::contract::{TableContract, TableName};

use super::beginning::Beginning;
use super::convert::{BadCell, Converter, Kept, NO_TIME, Values};
use super::dictionary::Dictionary;
use super::partition::Partition;
use super::plan::{FilePlan, Maker};
use super::rule::Rule;
use super::source::{RawBatch, RowNumbers};

/// Rows that stand together in a file.
struct Stretch {
    start: usize,
    file: u32,
    numbers: RowNumbers,
}

/// When rows became known.
enum KnownAt {
    /// Always: a snapshot.
    Always,
    /// So long after the event.
    After(i64),
    /// One each.
    Each(Vec<i64>),
}

/// All rows of a table.
pub(crate) struct TableRows<'a> {
    pub(crate) table: &'a TableContract,
    /// Whose rows are kept.
    partition: Option<Partition>,
    /// Since when rows are on record, of every partition; `None` where nobody asks.
    pub(crate) beginning: Option<Beginning>,
    /// Rows of the files, of every partition.
    pub(crate) rows_seen: u64,
    /// One per column rule; only those that some file has.
    columns: Vec<Option<Values>>,
    /// Which of them is the event time.
    event: Option<usize>,
    stretches: Vec<Stretch>,
    rows: usize,
    pub(crate) bad_cells: Vec<BadCell>,
    /// Rows that are no rows: file, row number, rule.
    pub(crate) bad_rows: Vec<(u32, u32, Rule)>,
    known_at: KnownAt,
    /// Whether every file has a `known_at`.
    pub(crate) has_known_at: bool,
    pub(crate) rows_read: u64,
}

impl<'a> TableRows<'a> {
    /// Of the accounts of a partition, or of all.
    pub(crate) fn new(table: &'a TableContract, partition: Option<Partition>) -> Self {
        Self {
            table,
            partition,
            beginning: None,
            rows_seen: 0,
            columns: table.columns.iter().map(|_| None).collect(),
            event: table.columns.iter().position(|rule| rule.canonical.name == table.name.event_time()),
            stretches: Vec::new(),
            rows: 0,
            bad_cells: Vec::new(),
            bad_rows: Vec::new(),
            known_at: KnownAt::After(table.known_after_micros),
            has_known_at: true,
            rows_read: 0,
        }
    }

    /// Notes which columns a file has, even if no row of it does.
    pub(crate) fn declare(&mut self, plan: &FilePlan) {
        for ((values, maker), rule) in self.columns.iter_mut().zip(&plan.makers).zip(&self.table.columns) {
            if !matches!(maker, Maker::Absent) {
                values.get_or_insert_with(|| Values::new(rule.canonical.kind));
            }
        }
    }

    /// Gives every column as many values as there are rows.
    pub(crate) fn fill_up(&mut self) {
        let rows = self.rows;
        self.columns.iter_mut().flatten().for_each(|values| values.pad(rows));
    }

    /// Whether every row was known from ever.
    pub(crate) fn is_snapshot(&self) -> bool {
        matches!(self.known_at, KnownAt::Always)
    }

    /// Appends the next batches of a file.
    pub(crate) fn append(&mut self, file: u32, plan: &FilePlan, batches: &[RawBatch]) {
        let account = self.table.columns.iter().position(|rule| rule.canonical.name == "account_id");
        let share = self.partition.zip(account.map(|account| &plan.makers[account]));
        let kept: Vec<(Kept, usize)> = batches.par_iter().map(|batch| Kept::of(batch, plan, share)).collect();
        let (kept, ours): (Vec<Kept>, Vec<usize>) = kept.into_iter().unzip();
        if let Some(beginning) = &mut self.beginning {
            let found = batches.par_iter().map(|batch| Beginning::of(batch, plan, self.table));
            found.collect::<Vec<_>>().iter().for_each(|found| beginning.join(found));
        }
        let takes_bad_rows = share.is_none_or(|(partition, _)| partition.is_first());
        let mut starts = Vec::with_capacity(batches.len());
        for ((batch, kept), ours) in batches.iter().zip(&kept).zip(ours) {
            starts.push(self.rows);
            self.rows_seen += (batch.rows + batch.bad_rows.len()) as u64;
            self.stretches.push(Stretch { start: self.rows, file, numbers: kept.numbers(&batch.numbers) });
            self.rows += kept.len();
            self.rows_read += ours as u64;
            if takes_bad_rows {
                self.rows_read += batch.bad_rows.len() as u64;
                self.bad_rows.extend(batch.bad_rows.iter().map(|(row, rule)| (file, *row, *rule)));
            }
        }
        let table = self.table;
        let convert = |(index, (values, maker)): (usize, (&mut Option<Values>, &Maker))| {
            let mut converter = Converter::new(table, index);
            for ((batch, kept), start) in batches.iter().zip(&kept).zip(&starts) {
                converter.append(values, maker, batch, kept, *start);
            }
            converter.bad_cells()
        };
        let columns = self.columns.par_iter_mut().zip(&plan.makers).enumerate();
        let bad_cells: Vec<Vec<BadCell>> = columns.map(convert).collect();
        self.bad_cells.extend(bad_cells.into_iter().flatten());
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// File and row number of a row.
    pub(crate) fn provenance(&self, row: usize) -> (u32, u32) {
        let stretch = self.stretches.partition_point(|stretch| stretch.start <= row);
        stretch.checked_sub(1).map_or((0, 0), |index| {
            let stretch = &self.stretches[index];
            (stretch.file, stretch.numbers.of(row - stretch.start))
        })
    }

    /// A canonical column, if some file has it.
    pub(crate) fn column(&self, name: &str) -> Option<&Values> {
        let index = self.table.columns.iter().position(|rule| rule.canonical.name == name)?;
        self.columns[index].as_ref()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.column(name).is_some()
    }

    /// Whether a row has no value in a column, by the column rule's index.
    pub(crate) fn is_null(&self, column: usize, row: usize) -> bool {
        self.columns[column].as_ref().is_none_or(|values| values.is_null(row))
    }

    /// The rows without a value in a column, by the column rule's index.
    pub(crate) fn null_rows(&self, column: usize) -> Vec<usize> {
        self.columns[column].as_ref().map_or_else(|| (0..self.rows).collect(), Values::null_rows)
    }

    /// Codes and names of a text column.
    pub(crate) fn text(&self, name: &str) -> Option<(&[u32], &Dictionary)> {
        match self.column(name)? {
            Values::Text(codes, dictionary) => Some((codes, dictionary)),
            _ => None,
        }
    }

    pub(crate) fn number(&self, name: &str) -> Option<&[f64]> {
        match self.column(name)? {
            Values::Number(values) => Some(values),
            _ => None,
        }
    }

    pub(crate) fn time(&self, name: &str) -> Option<&[i64]> {
        match self.column(name)? {
            Values::Time(values) => Some(values),
            _ => None,
        }
    }

    /// Event time of a row.
    pub(crate) fn event(&self, row: usize) -> i64 {
        match self.event.and_then(|column| self.columns[column].as_ref()) {
            Some(Values::Time(times)) => times[row],
            _ => NO_TIME,
        }
    }

    /// When a row became known; [`NO_TIME`] where that cannot be told.
    pub(crate) fn known_at(&self, row: usize) -> i64 {
        match &self.known_at {
            KnownAt::Always => i64::MIN,
            KnownAt::After(delay) => after(self.event(row), *delay),
            KnownAt::Each(times) => times[row],
        }
    }

    /// Settles when each row became known: the column, else the event time and the declared delay, else always.
    pub(crate) fn resolve_known_at(&mut self, files_with_known_at: &[bool]) {
        let snapshot = self.table.name == TableName::Accounts && self.table.known_after_micros == 0;
        let delay = self.table.known_after_micros;
        self.has_known_at = files_with_known_at.iter().all(|has| *has);
        if !files_with_known_at.contains(&true) {
            self.known_at = if snapshot { KnownAt::Always } else { KnownAt::After(delay) };
            return;
        }
        let mut known_at = Vec::with_capacity(self.rows);
        let column = self.time("known_at");
        for (index, stretch) in self.stretches.iter().enumerate() {
            let end = self.stretches.get(index + 1).map_or(self.rows, |next| next.start);
            let given = files_with_known_at.get(stretch.file as usize).copied().unwrap_or(false);
            known_at.extend((stretch.start..end).map(|row| match column {
                Some(values) if given => values[row],
                _ if snapshot => i64::MIN,
                _ => after(self.event(row), delay),
            }));
        }
        self.known_at = KnownAt::Each(known_at);
    }
}

fn after(event: i64, delay: i64) -> i64 {
    if event == NO_TIME { NO_TIME } else { event.saturating_add(delay).min(NO_TIME - 1) }
}
