//! A table as typed columns: codes for text, plain numbers and instants, and for each row where it came from. Batches
//! are converted one by one, in any thread, and appended in the order of the files.

use polars::prelude::PlHashMap;

use crate::contract::{ColumnKind, ColumnRule, TableContract, TableName};

use super::cells::{Cell, Typed};
use super::error::ReadError;
use super::evaluate::evaluate;
use super::plan::{FilePlan, Maker};
use super::rule::Rule;
use super::source::{ROW, RawBatch};

/// Stands for "no value" among codes.
pub(crate) const NO_CODE: u32 = u32::MAX;
/// Stands for "no value" among instants; no file can hold it, its year is beyond 290,000.
pub(crate) const NO_TIME: i64 = i64::MAX;

/// Distinct texts in order of appearance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dictionary {
    codes: PlHashMap<String, u32>,
    pub(crate) names: Vec<String>,
}

impl Dictionary {
    pub(crate) fn code(&mut self, name: &str) -> u32 {
        if let Some(code) = self.codes.get(name) {
            return *code;
        }
        // Codes stay below NO_CODE: a table has at most 2^32 - 1 rows, and reading stops long before.
        let code = u32::try_from(self.names.len()).unwrap_or(NO_CODE - 1);
        self.codes.insert(name.to_owned(), code);
        self.names.push(name.to_owned());
        code
    }
}

/// A column's values; a null is [`NO_CODE`], NaN or [`NO_TIME`].
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Text(Vec<u32>, Dictionary),
    Number(Vec<f64>),
    Time(Vec<i64>),
}

impl Values {
    fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Text => Self::Text(Vec::new(), Dictionary::default()),
            ColumnKind::Number => Self::Number(Vec::new()),
            ColumnKind::Time => Self::Time(Vec::new()),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(codes, _) => codes[row] == NO_CODE,
            Self::Number(values) => values[row].is_nan(),
            Self::Time(values) => values[row] == NO_TIME,
        }
    }

    fn pad(&mut self, length: usize) {
        match self {
            Self::Text(codes, _) => codes.resize(length, NO_CODE),
            Self::Number(values) => values.resize(length, f64::NAN),
            Self::Time(values) => values.resize(length, NO_TIME),
        }
    }

    /// Appends a batch's values; its codes are translated.
    fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Text(codes, dictionary), Self::Text(more, names)) => {
                let translated: Vec<u32> = names.names.iter().map(|name| dictionary.code(name)).collect();
                codes.extend(more.into_iter().map(|code| translated.get(code as usize).copied().unwrap_or(NO_CODE)));
            }
            (Self::Number(values), Self::Number(more)) => values.extend(more),
            (Self::Time(values), Self::Time(more)) => values.extend(more),
            // A column has one kind, fixed by the canonical table.
            _ => {}
        }
    }
}

/// A value that broke a rule: row, column rule, rule.
pub(crate) type BadCell = (usize, usize, Rule);

/// A converted batch.
pub(crate) struct BatchRows {
    numbers: Vec<u32>,
    /// `None`: the file does not have the column.
    columns: Vec<Option<Values>>,
    bad_cells: Vec<BadCell>,
    bad_rows: Vec<(u32, Rule)>,
    rows_read: u64,
}

/// Converts a batch: `where`, `derive`, types, ranges.
pub(crate) fn convert(
    file: &std::path::Path,
    batch: RawBatch,
    plan: &FilePlan,
    table: &TableContract,
) -> Result<BatchRows, ReadError> {
    let undecodable = |cause| ReadError::undecodable(file, cause);
    let rows_read = batch.rows();
    let mut typed = Vec::with_capacity(plan.projection.len());
    for name in &plan.projection {
        typed.push(Typed::of(batch.frame.column(name).map_err(undecodable)?).map_err(undecodable)?);
    }
    let numbers = batch.frame.column(ROW).and_then(|column| column.u32()).map_err(undecodable)?;
    let belongs =
        |row: &usize| plan.filter.as_ref().is_none_or(|filter| evaluate(filter, &typed, *row).flag() == Some(true));
    let kept: Vec<usize> = (0..batch.frame.height()).filter(belongs).collect();
    let mut bad_cells = Vec::new();
    let mut columns = Vec::with_capacity(table.columns.len());
    for (index, (rule, maker)) in table.columns.iter().zip(&plan.makers).enumerate() {
        let mut converter = Converter { rule, index, time_format: table.time_format.as_deref(), bad: &mut bad_cells };
        columns.push(match maker {
            Maker::Absent => None,
            Maker::Column(place) => Some(converter.run(&kept, |row| typed[*place].cell(row))),
            Maker::Derived(bound) => Some(converter.run(&kept, |row| evaluate(bound, &typed, row))),
        });
    }
    let numbers = kept.iter().map(|row| numbers.get(*row).unwrap_or(0)).collect();
    Ok(BatchRows { numbers, columns, bad_cells, bad_rows: batch.bad_rows, rows_read })
}

struct Converter<'a> {
    rule: &'a ColumnRule,
    index: usize,
    time_format: Option<&'a str>,
    bad: &'a mut Vec<BadCell>,
}

impl Converter<'_> {
    fn run<'c>(&mut self, kept: &[usize], cell: impl Fn(usize) -> Cell<'c>) -> Values {
        match self.rule.canonical.kind {
            ColumnKind::Text => self.texts(kept, cell),
            ColumnKind::Number => {
                Values::Number(kept.iter().enumerate().map(|(at, row)| self.number(at, &cell(*row))).collect())
            }
            ColumnKind::Time => {
                Values::Time(kept.iter().enumerate().map(|(at, row)| self.time(at, &cell(*row))).collect())
            }
        }
    }

    fn texts<'c>(&mut self, kept: &[usize], cell: impl Fn(usize) -> Cell<'c>) -> Values {
        let mut dictionary = Dictionary::default();
        let mut codes = Vec::with_capacity(kept.len());
        let mut last = NO_CODE;
        for row in kept {
            let text = cell(*row).into_text().filter(|text| !text.is_empty());
            // Neighbours are often alike: then no hashing.
            last = match text {
                None => NO_CODE,
                Some(text) if dictionary.names.get(last as usize).is_some_and(|name| *name == text) => last,
                Some(text) => dictionary.code(&text),
            };
            codes.push(last);
        }
        let refused: Vec<bool> = dictionary.names.iter().map(|name| !self.is_allowed(name)).collect();
        if refused.contains(&true) {
            let refused_at = |code: &u32| refused.get(*code as usize).copied().unwrap_or(false);
            let broken = codes.iter().enumerate().filter(|(_, code)| refused_at(code));
            self.bad.extend(broken.map(|(at, _)| (at, self.index, Rule::NotAllowed)));
        }
        Values::Text(codes, dictionary)
    }

    fn is_allowed(&self, name: &str) -> bool {
        let canonical = self.rule.canonical.allowed;
        let known = canonical.is_empty() || canonical.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
        known && (self.rule.allowed.is_empty() || self.rule.allowed.iter().any(|allowed| allowed == name))
    }

    /// A number out of range is kept (a contract may only want to be warned), one that is not finite is not.
    fn number(&mut self, at: usize, cell: &Cell<'_>) -> f64 {
        match cell.number() {
            Ok(None) => f64::NAN,
            Err(()) => self.broken(at, Rule::Unparsable, f64::NAN),
            Ok(Some(value)) if !value.is_finite() => self.broken(at, Rule::OutOfRange, f64::NAN),
            Ok(Some(value)) if value < self.rule.range[0] || value > self.rule.range[1] => {
                self.broken(at, Rule::OutOfRange, value)
            }
            Ok(Some(value)) => value,
        }
    }

    fn time(&mut self, at: usize, cell: &Cell<'_>) -> i64 {
        match cell.time(self.time_format) {
            Ok(None) => NO_TIME,
            Ok(Some(NO_TIME | i64::MIN)) | Err(()) => self.broken(at, Rule::Unparsable, NO_TIME),
            Ok(Some(value)) => value,
        }
    }

    fn broken<T>(&mut self, at: usize, rule: Rule, value: T) -> T {
        self.bad.push((at, self.index, rule));
        value
    }
}

/// All rows of a table.
pub(crate) struct TableRows<'a> {
    pub(crate) table: &'a TableContract,
    /// One per column rule; only those that some file has.
    columns: Vec<Option<Values>>,
    /// Which of them is the event time.
    event: Option<usize>,
    /// First row of each file's stretch, and the file.
    stretches: Vec<(usize, u32)>,
    numbers: Vec<u32>,
    pub(crate) bad_cells: Vec<BadCell>,
    /// Rows that are no rows: file, row number, rule.
    pub(crate) bad_rows: Vec<(u32, u32, Rule)>,
    /// When each row became known; [`NO_TIME`] where that cannot be told.
    pub(crate) known_at: Vec<i64>,
    /// Whether every file has a `known_at`.
    pub(crate) has_known_at: bool,
    pub(crate) rows_read: u64,
}

impl<'a> TableRows<'a> {
    pub(crate) fn new(table: &'a TableContract) -> Self {
        Self {
            table,
            columns: table.columns.iter().map(|_| None).collect(),
            event: table.columns.iter().position(|rule| rule.canonical.name == table.name.event_time()),
            stretches: Vec::new(),
            numbers: Vec::new(),
            bad_cells: Vec::new(),
            bad_rows: Vec::new(),
            known_at: Vec::new(),
            has_known_at: true,
            rows_read: 0,
        }
    }

    /// Appends the next batch of a file.
    pub(crate) fn append(&mut self, file: u32, batch: BatchRows) {
        let start = self.numbers.len();
        self.stretches.push((start, file));
        self.rows_read += batch.rows_read;
        self.bad_rows.extend(batch.bad_rows.into_iter().map(|(row, rule)| (file, row, rule)));
        self.bad_cells.extend(batch.bad_cells.into_iter().map(|(row, column, rule)| (start + row, column, rule)));
        self.numbers.extend(batch.numbers);
        let length = self.numbers.len();
        for ((column, more), rule) in self.columns.iter_mut().zip(batch.columns).zip(&self.table.columns) {
            if let Some(more) = more {
                let values = column.get_or_insert_with(|| Values::new(rule.canonical.kind));
                values.pad(start);
                values.append(more);
            }
            if let Some(values) = column {
                values.pad(length);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// File and row number of a row.
    pub(crate) fn provenance(&self, row: usize) -> (u32, u32) {
        let stretch = self.stretches.partition_point(|(start, _)| *start <= row);
        let file = stretch.checked_sub(1).map_or(0, |index| self.stretches[index].1);
        (file, self.numbers[row])
    }

    fn column(&self, name: &str) -> Option<&Values> {
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

    /// Codes and names of a text column.
    pub(crate) fn text(&self, name: &str) -> Option<(&[u32], &[String])> {
        match self.column(name)? {
            Values::Text(codes, dictionary) => Some((codes, &dictionary.names)),
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

    /// Fills in when each row became known: the column, else the event time and the declared delay, else always.
    pub(crate) fn resolve_known_at(&mut self, files_with_known_at: &[bool]) {
        let snapshot = self.table.name == TableName::Accounts && self.table.known_after_micros == 0;
        self.has_known_at = files_with_known_at.iter().all(|has| *has);
        let mut known_at = Vec::with_capacity(self.len());
        let column = self.time("known_at");
        for (index, (start, file)) in self.stretches.iter().enumerate() {
            let end = self.stretches.get(index + 1).map_or(self.len(), |(next, _)| *next);
            let given = files_with_known_at.get(*file as usize).copied().unwrap_or(false);
            for row in *start..end {
                known_at.push(match column {
                    Some(values) if given => values[row],
                    _ if snapshot => i64::MIN,
                    _ => match self.event(row) {
                        NO_TIME => NO_TIME,
                        event => event.saturating_add(self.table.known_after_micros).min(NO_TIME - 1),
                    },
                });
            }
        }
        self.known_at = known_at;
    }
}
