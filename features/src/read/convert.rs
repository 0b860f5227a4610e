//! A batch brought into the table's own columns: `where`, `derive`, types, ranges. Pure, so that batches can be converted
//! side by side.

use arrow_array::{Array, Int64Array};
use rayon::prelude::*;

use crate::contract::{ColumnKind, ColumnRule, TableContract};

use super::cells::{Cell, Typed};
use super::dictionary::{Dictionary, NO_CODE};
use super::evaluate::evaluate;
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

    /// Appends a batch's values; its codes are translated.
    pub(crate) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Text(codes, dictionary), Self::Text(more, names)) => {
                let translated: Vec<u32> = names.names().map(|name| dictionary.code(name)).collect();
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
    pub(crate) numbers: RowNumbers,
    /// Rows that belong to the table.
    pub(crate) rows: usize,
    /// `None`: the file does not have the column.
    pub(crate) columns: Vec<Option<Values>>,
    pub(crate) bad_cells: Vec<BadCell>,
    pub(crate) bad_rows: Vec<(u32, Rule)>,
    pub(crate) rows_read: u64,
}

/// Which rows of a batch belong to the table.
enum Kept {
    All(usize),
    These(Vec<usize>),
}

impl Kept {
    fn len(&self) -> usize {
        match self {
            Self::All(rows) => *rows,
            Self::These(rows) => rows.len(),
        }
    }

    /// `value` of each row, by its place among the kept ones and its place in the batch.
    fn map<T>(&self, mut value: impl FnMut(usize, usize) -> T) -> Vec<T> {
        match self {
            Self::All(rows) => (0..*rows).map(|row| value(row, row)).collect(),
            Self::These(rows) => rows.iter().enumerate().map(|(place, row)| value(place, *row)).collect(),
        }
    }
}

/// Converts a batch.
pub(crate) fn convert(batch: RawBatch, plan: &FilePlan, table: &TableContract) -> BatchRows {
    let RawBatch { columns: typed, numbers, rows, bad_rows } = batch;
    let rows_read = (rows + bad_rows.len()) as u64;
    let kept = match &plan.filter {
        None => Kept::All(rows),
        Some(filter) => {
            Kept::These((0..rows).filter(|row| evaluate(filter, &typed, *row).flag() == Some(true)).collect())
        }
    };
    let rules = table.columns.par_iter().zip(&plan.makers).enumerate();
    let converted: Vec<(Option<Values>, Vec<BadCell>)> = rules
        .map(|(index, (rule, maker))| {
            let mut converter = Converter { rule, index, time_format: table.time_format.as_deref(), bad: Vec::new() };
            let values = match maker {
                Maker::Absent => None,
                Maker::Column(place) => Some(converter.column(&kept, &typed[*place])),
                Maker::Derived(bound) => Some(converter.cells(&kept, |row| evaluate(bound, &typed, row))),
            };
            (values, converter.bad)
        })
        .collect();
    let (columns, bad_cells): (Vec<_>, Vec<_>) = converted.into_iter().unzip();
    let bad_cells = bad_cells.concat();
    let numbers = match &kept {
        Kept::All(_) => numbers,
        Kept::These(rows) => RowNumbers::Each(rows.iter().map(|row| numbers.of(*row)).collect()),
    };
    BatchRows { numbers, rows: kept.len(), columns, bad_cells, bad_rows, rows_read }
}

struct Converter<'a> {
    rule: &'a ColumnRule,
    index: usize,
    time_format: Option<&'a str>,
    bad: Vec<BadCell>,
}

impl Converter<'_> {
    /// A column of the file; types that need no reading of single cells go straight through.
    fn column(&mut self, kept: &Kept, typed: &Typed) -> Values {
        match (self.rule.canonical.kind, typed) {
            (ColumnKind::Text, Typed::Text(texts)) => {
                let mut dictionary = Dictionary::default();
                let codes = match kept {
                    Kept::All(rows) => dictionary.codes(texts, 0..*rows),
                    Kept::These(rows) => dictionary.codes(texts, rows.iter().copied()),
                };
                self.text_values(codes, dictionary)
            }
            (ColumnKind::Number, Typed::Number(values)) => {
                let cell = |row: usize| values.is_valid(row).then(|| values.value(row));
                Values::Number(kept.map(|at, row| self.in_range(at, cell(row))))
            }
            (ColumnKind::Time, Typed::Time(values)) => self.times(kept, values),
            _ => self.cells(kept, |row| typed.cell(row)),
        }
    }

    fn times(&mut self, kept: &Kept, values: &Int64Array) -> Values {
        let cell = |row: usize| values.is_valid(row).then(|| values.value(row));
        Values::Time(kept.map(|at, row| self.instant(at, Ok(cell(row)))))
    }

    /// Whatever has to be read cell by cell.
    fn cells<'c>(&mut self, kept: &Kept, cell: impl Fn(usize) -> Cell<'c>) -> Values {
        match self.rule.canonical.kind {
            ColumnKind::Text => {
                let mut dictionary = Dictionary::default();
                let codes = kept.map(|_, row| match cell(row).into_text().filter(|text| !text.is_empty()) {
                    None => NO_CODE,
                    Some(text) => dictionary.code(&text),
                });
                self.text_values(codes, dictionary)
            }
            ColumnKind::Number => Values::Number(kept.map(|at, row| match cell(row).number() {
                Ok(value) => self.in_range(at, value),
                Err(()) => self.broken(at, Rule::Unparsable, f64::NAN),
            })),
            ColumnKind::Time => {
                let format = self.time_format;
                Values::Time(kept.map(|at, row| self.instant(at, cell(row).time(format))))
            }
        }
    }

    fn text_values(&mut self, codes: Vec<u32>, dictionary: Dictionary) -> Values {
        let refused: Vec<bool> = dictionary.names().map(|name| !self.is_allowed(name)).collect();
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
        self.bad.push((at, self.index, rule));
        value
    }
}
