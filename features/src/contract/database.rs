//! A table that lies in a database instead of files. The contract says which; whoever reads it fetches its rows into a
//! Parquet file and names that file with [`TableContract::fetched`], so that everything after is as for files, and this
//! crate knows no database.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::canonical::ColumnKind;
use super::error::{ContractError, Problem};
use super::expression::Expression;
use super::options::{ProjectOptions, TableOptions};
use super::paths::{PathPattern, expand_variables};
use super::table::{ColumnSource, TableContract};

/// The address of a database; it may hold a password, so it is never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The address, for connecting and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DatabaseUrl(...)")
    }
}

/// Where a table lies in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseTable {
    /// Which database.
    pub url: DatabaseUrl,
    /// A table's name, or a query.
    pub relation: String,
}

impl DatabaseTable {
    /// How messages and quarantined rows name it, in place of a file: the same on every machine and every day.
    #[must_use]
    pub fn shown(&self, table: &TableContract) -> PathBuf {
        PathBuf::from(format!("postgres:{}", table.name))
    }
}

/// The database of a table, where the section names one.
pub(super) fn resolve(
    name: &str,
    options: &TableOptions,
    project: &ProjectOptions,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<DatabaseTable>, ContractError> {
    let key = |part: &'static str| ["tables", name, part];
    let Some(relation) = options.postgres.as_deref().map(str::trim) else {
        if options.postgres_url.is_some() {
            let what = "`postgres`, the table or query that is to be read from `postgres_url`,".to_owned();
            let hint = Some("postgres = \"schema.table\" or postgres = \"select ...\"".to_owned());
            return Err(ContractError::new(Problem::Missing { what, hint }, &key("postgres_url")));
        }
        return Ok(None);
    };
    if options.path.is_some() {
        let reason = "a table is in files (`path`) or in a database (`postgres`), and this one says both".to_owned();
        return Err(ContractError::new(Problem::Conflict { reason, hint: None }, &key("postgres")));
    }
    if relation.is_empty() {
        let expected = "a table's name or a query".to_owned();
        let problem = Problem::InvalidValue { expected, found: "an empty text".to_owned(), hint: None };
        return Err(ContractError::new(problem, &key("postgres")));
    }
    let table_key = key("postgres_url");
    let (written, at): (&str, &[&str]) = match (&options.postgres_url, &project.postgres_url) {
        (Some(url), _) => (url, &table_key),
        (None, Some(url)) => (url, &["project", "postgres_url"]),
        (None, None) => {
            let what = "`postgres_url`, the database of this table,".to_owned();
            let hint = Some("postgres_url = \"${DATABASE_URL}\" here or in [project]".to_owned());
            return Err(ContractError::new(Problem::Missing { what, hint }, &key("postgres")));
        }
    };
    Ok(Some(DatabaseTable { url: url(written, at, lookup)?, relation: relation.to_owned() }))
}

/// An address with its variables expanded.
fn url(written: &str, at: &[&str], lookup: &dyn Fn(&str) -> Option<String>) -> Result<DatabaseUrl, ContractError> {
    let url = expand_variables(written, lookup, at)?;
    if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(DatabaseUrl(url));
    }
    // What is there instead may be a secret in the wrong place.
    let problem = Problem::InvalidValue {
        expected: "an address that begins with postgres://".to_owned(),
        found: "one that does not".to_owned(),
        hint: Some("postgres://USER@HOST:5432/DATABASE, with the password in PGPASSWORD or a passfile".to_owned()),
    };
    Err(ContractError::new(problem, at))
}

impl TableContract {
    /// Says in which file the rows of a table of a database now are.
    pub fn fetched(&mut self, file: &Path) {
        self.patterns = vec![PathPattern::of_file(file)];
    }

    /// Your own columns that the contract would read if they are there.
    #[must_use]
    pub fn reads(&self) -> BTreeSet<String> {
        let same = self.columns.iter().filter(|rule| rule.source == ColumnSource::SameName);
        let mut names = self.needs();
        names.extend(same.map(|rule| rule.canonical.name.to_owned()));
        names
    }

    /// Your own columns that must be there.
    #[must_use]
    pub fn needs(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let of = |expression: &Expression| expression.columns().into_iter().map(str::to_owned).collect::<Vec<_>>();
        for rule in &self.columns {
            match &rule.source {
                ColumnSource::SameName if rule.canonical.required => names.extend([rule.canonical.name.to_owned()]),
                ColumnSource::SameName => {}
                ColumnSource::Named(name) => names.extend([name.clone()]),
                ColumnSource::Derived(expression) => names.extend(of(expression)),
            }
        }
        names.extend(self.filter.iter().flat_map(of));
        names
    }

    /// Your own columns that are read as texts and nothing else, such as ids: a number in one keeps all its digits.
    #[must_use]
    pub fn texts(&self) -> BTreeSet<String> {
        let is_text = |kind: ColumnKind| kind == ColumnKind::Text;
        let mut texts = BTreeSet::new();
        let mut others = BTreeSet::new();
        for rule in &self.columns {
            let name = match &rule.source {
                ColumnSource::SameName => rule.canonical.name,
                ColumnSource::Named(name) => name,
                ColumnSource::Derived(_) => continue,
            };
            let list = if is_text(rule.canonical.kind) { &mut texts } else { &mut others };
            list.insert(name.to_owned());
        }
        let derived = self.columns.iter().filter_map(|rule| match &rule.source {
            ColumnSource::Derived(expression) => Some(expression),
            _ => None,
        });
        for expression in derived.chain(&self.filter) {
            others.extend(expression.columns().into_iter().map(str::to_owned));
        }
        texts.difference(&others).cloned().collect()
    }
}
