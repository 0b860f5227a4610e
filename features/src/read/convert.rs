//! Batches brought into the table's own columns: `where`, `derive`, types, ranges. Each column is appended to on its own,
//! so that columns can be converted side by side, and a text is looked up once, in the column's own dictionary.

use arrow_array::Array;

use crate::contract::{ColumnKind, ColumnRule, TableContract};

use super::cells::{Cell, Typed};
use super::dictionary::{Dictionary, NO_CODE};
use super::evaluate::evaluate;
use super::partition::Partition;
use super::plan::{FilePlan, Maker};
use super::rule::Rule;
use super::source::{RawBatch, RowNumbers};

/// Stands for "no value" among instants; no file can hold it, its year is beyond 290,000.
pub(crate) const NO_TIME: i64 = i64::MAX;

/// A column's values; a null is [`NO_CODE`], NaN or [`NO_TIME`].
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Text(Vec<u32>, Dictionary),
    Number(Vec<f64>),
    Time(Vec<i64>),
}

impl Values {
    pub(crate) fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Text => Self::Text(Vec::new(), Dictionary::default()),
            ColumnKind::Number => Self::Number(Vec::new()),
            ColumnKind::Time => Self::Time(Vec::new()),
        }
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(codes, _) => codes[row] == NO_CODE,
            Self::Number(values) => values[row].is_nan(),
            Self::Time(values) => values[row] == NO_TIME,
        }
    }

    /// The rows without a value, ascending.
    pub(crate) fn null_rows(&self) -> Vec<usize> {
        fn rows<T>(values: &[T], is_null: impl Fn(&T) -> bool) -> Vec<usize> {
            values.iter().enumerate().filter(|(_, value)| is_null(value)).map(|(row, _)| row).collect()
        }
        match self {
            Self::Text(codes, _) => rows(codes, |code| *code == NO_CODE),
            Self::Number(values) => rows(values, |value| value.is_nan()),
            Self::Time(values) => rows(values, |value| *value == NO_TIME),
        }
    }

    pub(crate) fn pad(&mut self, length: usize) {
        match self {
            Self::Text(codes, _) => codes.resize(length, NO_CODE),
            Self::Number(values) => values.resize(length, f64::NAN),
            Self::Time(values) => values.resize(length, NO_TIME),
        }
    }
}

/// A value that broke a rule: row, column rule, rule.
pub(crate) type BadCell = (usize, usize, Rule);

/// Which rows of a batch belong to the table.
pub(crate) enum Kept {
    All(usize),
    These(Vec<usize>),
}

impl Kept {
    /// What `where` says of the rows of the partition; also, how many those are.
    pub(crate) fn of(batch: &RawBatch, plan: &FilePlan, share: Option<(Partition, &Maker)>) -> (Self, usize) {
        let mut kept =
            share.map_or(Self::All(batch.rows), |(partition, account)| Self::share(batch, partition, account));
        let rows = kept.len();
        if let Some(filter) = &plan.filter {
            let belongs = |row: &usize| evaluate(filter, &batch.columns, *row).flag() == Some(true);
            kept = match kept {
                Self::All(rows) => Self::These((0..rows).filter(belongs).collect()),
                Self::These(rows) => Self::These(rows.into_iter().filter(belongs).collect()),
            };
        }
        (kept, rows)
    }

    /// The rows of the partition's accounts.
    fn share(batch: &RawBatch, partition: Partition, account: &Maker) -> Self {
        let holds = |id: Cell<'_>| id.into_text().map_or(partition.is_first(), |id| partition.holds(&id));
        let is_ours = |row: &usize| match account {
            Maker::Absent => partition.is_first(),
            Maker::Column(place) => holds(batch.columns[*place].cell(*row)),
            Maker::Derived(bound) => holds(evaluate(bound, &batch.columns, *row)),
        };
        Self::These((0..batch.rows).filter(is_ours).collect())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::All(rows) => *rows,
            Self::These(rows) => rows.len(),
        }
    }

    /// Visits the kept rows, by their place in the batch.
    pub(crate) fn each(&self, visit: impl FnMut(usize)) {
        match self {
            Self::All(rows) => (0..*rows).for_each(visit),
            Self::These(rows) => rows.iter().copied().for_each(visit),
        }
    }

    /// The numbers of the kept rows.
    pub(crate) fn numbers(&self, numbers: &RowNumbers) -> RowNumbers {
        match self {
            Self::All(_) => numbers.clone(),
            Self::These(rows) => RowNumbers::Each(rows.iter().map(|row| numbers.of(*row)).collect()),
        }
    }

    /// Appends `value` of each row, by its place among the kept ones and its place in the batch.
    fn append<T>(&self, values: &mut Vec<T>, mut value: impl FnMut(usize, usize) -> T) {
        match self {
            Self::All(rows) => values.extend((0..*rows).map(|row| value(row, row))),
            Self::These(rows) => values.extend(rows.iter().enumerate().map(|(place, row)| value(place, *row))),
        }
    }
}

/// Converts one column of a table, batch by batch.
pub(crate) struct Converter<'a> {
    rule: &'a ColumnRule,
    index: usize,
    time_format: Option<&'a str>,
    time_zone: Option<chrono_tz::Tz>,
    /// Row of the table at which the batch begins.
    start: usize,
    bad: Vec<BadCell>,
}

impl<'a> Converter<'a> {
    /// For the column rule at `index`.
    pub(crate) fn new(table: &'a TableContract, index: usize) -> Self {
        let time_format = table.time_format.as_deref();
        let time_zone = table.time_zone;
        Self { rule: &table.columns[index], index, time_format, time_zone, start: 0, bad: Vec::new() }
    }

    /// Appends the kept rows of a batch, which begin at row `start` of the table; a column that the file does not have
    /// has no values there.
    pub(crate) fn append(
        &mut self,
        values: &mut Option<Values>,
        maker: &Maker,
        batch: &RawBatch,
        kept: &Kept,
        start: usize,
    ) {
        self.start = start;
        if let Maker::Absent = maker {
            if let Some(values) = values {
                values.pad(start + kept.len());
            }
            return;
        }
        let values = values.get_or_insert_with(|| Values::new(self.rule.canonical.kind));
        values.pad(start);
        match maker {
            Maker::Absent => {}
            Maker::Column(place) => self.column(values, kept, &batch.columns[*place]),
            Maker::Derived(bound) => self.cells(values, kept, |row| evaluate(bound, &batch.columns, row)),
        }
    }

    /// What was found to break a rule.
    pub(crate) fn bad_cells(self) -> Vec<BadCell> {
        self.bad
    }

    /// A column of the file; types that need no reading of single cells go straight through.
    fn column(&mut self, values: &mut Values, kept: &Kept, typed: &Typed) {
        match (values, typed) {
            (Values::Text(codes, dictionary), Typed::Text(texts)) => {
                match kept {
                    Kept::All(rows) => dictionary.append(texts, 0..*rows, codes),
                    Kept::These(rows) => dictionary.append(texts, rows.iter().copied(), codes),
                }
                self.check_allowed(codes, dictionary);
            }
            (Values::Number(numbers), Typed::Number(found)) => {
                let cell = |row: usize| found.is_valid(row).then(|| found.value(row));
                kept.append(numbers, |at, row| self.in_range(at, cell(row)));
            }
            (Values::Time(times), Typed::Time(found)) => {
                let cell = |row: usize| found.is_valid(row).then(|| found.value(row));
                kept.append(times, |at, row| self.instant(at, Ok(cell(row))));
            }
            (values, typed) => self.cells(values, kept, |row| typed.cell(row)),
        }
    }

    /// Whatever has to be read cell by cell.
    fn cells<'c>(&mut self, values: &mut Values, kept: &Kept, cell: impl Fn(usize) -> Cell<'c>) {
        match values {
            Values::Text(codes, dictionary) => {
                kept.append(codes, |_, row| match cell(row).into_text().filter(|text| !text.is_empty()) {
                    None => NO_CODE,
                    Some(text) => dictionary.code(&text),
                });
                self.check_allowed(codes, dictionary);
            }
            Values::Number(numbers) => kept.append(numbers, |at, row| match cell(row).number() {
                Ok(value) => self.in_range(at, value),
                Err(()) => self.broken(at, Rule::Unparsable, f64::NAN),
            }),
            Values::Time(times) => {
                let (format, zone) = (self.time_format, self.time_zone);
                kept.append(times, |at, row| self.instant(at, cell(row).time(format, zone)));
            }
        }
    }

    /// Only the declared values may occur.
    fn check_allowed(&mut self, codes: &[u32], dictionary: &Dictionary) {
        if self.rule.canonical.allowed.is_empty() && self.rule.allowed.is_empty() {
            return;
        }
        let refused: Vec<bool> = dictionary.names().map(|name| !self.is_allowed(name)).collect();
        let refused_at = |code: &u32| refused.get(*code as usize).copied().unwrap_or(false);
        let broken = codes[self.start..].iter().enumerate().filter(|(_, code)| refused_at(code));
        self.bad.extend(broken.map(|(at, _)| (self.start + at, self.index, Rule::NotAllowed)));
    }

    fn is_allowed(&self, name: &str) -> bool {
        let canonical = self.rule.canonical.allowed;
        let known = canonical.is_empty() || canonical.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
        known && (self.rule.allowed.is_empty() || self.rule.allowed.iter().any(|allowed| allowed == name))
    }

    /// A number out of range is kept (a contract may only want to be warned), one that is not finite is not.
    fn in_range(&mut self, at: usize, value: Option<f64>) -> f64 {
        match value {
            None => f64::NAN,
            Some(value) if !value.is_finite() => self.broken(at, Rule::OutOfRange, f64::NAN),
            Some(value) if value < self.rule.range[0] || value > self.rule.range[1] => {
                self.broken(at, Rule::OutOfRange, value)
            }
            Some(value) => value,
        }
    }

    fn instant(&mut self, at: usize, value: Result<Option<i64>, ()>) -> i64 {
        match value {
            Ok(None) => NO_TIME,
            Ok(Some(NO_TIME | i64::MIN)) | Err(()) => self.broken(at, Rule::Unparsable, NO_TIME),
            Ok(Some(value)) => value,
        }
    }

    fn broken<T>(&mut self, at: usize, rule: Rule, value: T) -> T {
        self.bad.push((self.start + at, self.index, rule));
        value
    }
}
