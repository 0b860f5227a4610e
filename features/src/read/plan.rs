//! How one file gives the canonical columns of its table: which of its columns to read, and what each canonical column
//! is made of. Whatever the contract names and the file lacks is reported together, with the nearest names.

use std::path::Path;

use crate::contract::{CanonicalColumn, ColumnKind, ColumnSource, Expression, TableContract, nearest};

use super::cells::Kind;
use super::error::ReadError;
use super::evaluate::{Bound, Misfit, bind, expect_condition};
use super::source::Source;

/// What a canonical column is made of.
#[derive(Debug, Clone)]
pub(crate) enum Maker {
    /// The file does not have it.
    Absent,
    /// A column of the batch.
    Column(usize),
    /// An expression over the batch.
    Derived(Bound),
}

/// How to read one file.
#[derive(Debug, Clone)]
pub(crate) struct FilePlan {
    /// Columns to read, by the file's names.
    pub(crate) projection: Vec<String>,
    /// One per column rule of the table.
    pub(crate) makers: Vec<Maker>,
    /// `where`.
    pub(crate) filter: Option<Bound>,
}

impl FilePlan {
    /// Plans a file.
    pub(crate) fn new(file: &Path, source: &Source, table: &TableContract) -> Result<Self, ReadError> {
        let columns = source.columns();
        Planner { file, table, columns: &columns, projection: Vec::new() }.plan()
    }
}

/// A column that is asked for and not there.
struct Missing<'a> {
    /// The column, and what for.
    words: String,
    name: &'a str,
    /// Who asks: the key below the table.
    key: Vec<&'static str>,
}

struct Planner<'a> {
    file: &'a Path,
    table: &'a TableContract,
    columns: &'a [(String, Option<Kind>)],
    projection: Vec<String>,
}

impl Planner<'_> {
    fn plan(mut self) -> Result<FilePlan, ReadError> {
        self.check_missing()?;
        let table = self.table;
        let mut makers = Vec::with_capacity(table.columns.len());
        for rule in &table.columns {
            makers.push(match &rule.source {
                ColumnSource::SameName if !self.has(rule.canonical.name) => Maker::Absent,
                ColumnSource::SameName => Maker::Column(self.place(rule.canonical.name, rule.canonical)?),
                ColumnSource::Named(name) => Maker::Column(self.place(name, rule.canonical)?),
                ColumnSource::Derived(expression) => {
                    let key = ["derive", rule.canonical.name];
                    let (bound, kind) = self.bound(expression, &key)?;
                    self.check_kind(rule.canonical.name, &key, rule.canonical.kind, kind)?;
                    Maker::Derived(bound)
                }
            });
        }
        let filter = match &table.filter {
            None => None,
            Some(expression) => {
                let key = ["where"];
                let (bound, kind) = self.bound(expression, &key)?;
                expect_condition(kind).map_err(|misfit| self.misfit(&key, &misfit))?;
                Some(bound)
            }
        };
        Ok(FilePlan { projection: self.projection, makers, filter })
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(column, _)| column == name)
    }

    /// Everything that is named and not there, in one error.
    fn check_missing(&self) -> Result<(), ReadError> {
        let mut missing: Vec<Missing<'_>> = Vec::new();
        for rule in &self.table.columns {
            let canonical = rule.canonical;
            match &rule.source {
                ColumnSource::SameName if canonical.required && !self.has(canonical.name) => {
                    let words = format!("`{}`", canonical.name);
                    missing.push(Missing { words, name: canonical.name, key: vec!["columns", canonical.name] });
                }
                ColumnSource::Named(name) if !self.has(name) => {
                    let words = format!("`{name}` (for `{}`)", canonical.name);
                    missing.push(Missing { words, name, key: vec!["columns", canonical.name] });
                }
                ColumnSource::Derived(expression) => {
                    let unknown = expression.columns().into_iter().filter(|name| !self.has(name));
                    missing.extend(unknown.map(|name| Missing {
                        words: format!("`{name}` (in `derive.{}`)", canonical.name),
                        name,
                        key: vec!["derive", canonical.name],
                    }));
                }
                ColumnSource::SameName | ColumnSource::Named(_) => {}
            }
        }
        let filter_columns = self.table.filter.iter().flat_map(Expression::columns);
        missing.extend(filter_columns.filter(|name| !self.has(name)).map(|name| Missing {
            words: format!("`{name}` (in `where`)"),
            name,
            key: vec!["where"],
        }));
        let Some(first) = missing.first() else { return Ok(()) };
        Err(ReadError::MissingColumns {
            table: self.table.name,
            file: self.file.to_path_buf(),
            key: first.key.clone().into(),
            hint: Some(self.hint(missing.iter().map(|one| one.name))),
            columns: missing.into_iter().map(|one| one.words).collect(),
        })
    }

    fn hint<'b>(&self, names: impl Iterator<Item = &'b str>) -> String {
        let known = || self.columns.iter().map(|(column, _)| column.as_str());
        let near: Vec<String> = names
            .filter_map(|name| Some(format!("for `{name}`, did you mean `{}`?", nearest(name, known())?)))
            .collect();
        if !near.is_empty() {
            return near.join(" ");
        }
        let listed: Vec<String> = known().take(40).map(|name| format!("`{}`", name.escape_debug())).collect();
        format!("map them in `columns`; the file has {}", listed.join(", "))
    }

    /// The place of a column in the projection; added if it is not there yet.
    fn place(&mut self, name: &str, canonical: &CanonicalColumn) -> Result<usize, ReadError> {
        let key = ["columns", canonical.name];
        let kind = self.kind(name, &key)?;
        self.check_kind(name, &key, canonical.kind, kind)?;
        Ok(self.project(name))
    }

    fn project(&mut self, name: &str) -> usize {
        match self.projection.iter().position(|column| column == name) {
            Some(place) => place,
            None => {
                self.projection.push(name.to_owned());
                self.projection.len() - 1
            }
        }
    }

    fn kind(&self, name: &str, key: &[&'static str]) -> Result<Kind, ReadError> {
        let known = self.columns.iter().find(|(column, _)| column == name).and_then(|(_, kind)| *kind);
        known.ok_or_else(|| ReadError::WrongType {
            table: self.table.name,
            file: self.file.to_path_buf(),
            column: name.to_owned(),
            key: key.into(),
            expected: "text, a number, true or false, a date or a time".into(),
            found: "a type that is not read",
            hint: "write it without lists, structs and times of day",
        })
    }

    /// Whether a column of that kind can be what is wanted; single values may still not be.
    fn check_kind(&self, name: &str, key: &[&'static str], wanted: ColumnKind, kind: Kind) -> Result<(), ReadError> {
        let fits = match wanted {
            ColumnKind::Text => true,
            ColumnKind::Number => kind != Kind::Time,
            ColumnKind::Time => matches!(kind, Kind::Time | Kind::Text | Kind::Null),
        };
        if fits {
            return Ok(());
        }
        let (expected, hint) = match wanted {
            ColumnKind::Time => ("a time", "write times as timestamps or as ISO 8601 text, not as numbers"),
            _ => ("a number", "is another column meant?"),
        };
        Err(ReadError::WrongType {
            table: self.table.name,
            file: self.file.to_path_buf(),
            column: name.to_owned(),
            key: key.into(),
            expected: expected.into(),
            found: kind.name(),
            hint,
        })
    }

    fn bound(&mut self, expression: &Expression, key: &[&'static str]) -> Result<(Bound, Kind), ReadError> {
        let mut places = Vec::new();
        for name in expression.columns() {
            let kind = self.kind(name, key)?;
            places.push((name, self.project(name), kind));
        }
        let place =
            |name: &str| places.iter().find(|(column, ..)| *column == name).map(|(_, place, kind)| (*place, *kind));
        bind(expression, &place).map_err(|misfit| self.misfit(key, &misfit))
    }

    fn misfit(&self, key: &[&'static str], misfit: &Misfit) -> ReadError {
        ReadError::WrongType {
            table: self.table.name,
            file: self.file.to_path_buf(),
            column: key.join("."),
            key: key.into(),
            expected: misfit.expected.as_str().into(),
            found: misfit.found,
            hint: "conditions are comparisons joined by `and` and `or`; text stands in 'single quotes'",
        }
    }
}
