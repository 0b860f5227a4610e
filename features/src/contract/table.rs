//! `[tables.<name>]` resolved: which files, which column comes from where, which rows count, and what may be in them.

use chrono_tz::Tz;

use super::canonical::{CanonicalColumn, ColumnKind, TableName};
use super::database::{self, DatabaseTable};
use super::duration::parse_duration_micros;
use super::error::{ContractError, Problem};
use super::expression::Expression;
use super::hint::{did_you_mean, nearest};
use super::options::{OnViolation, Paths, ProjectOptions, TableOptions};
use super::paths::{PathPattern, expand_variables};

/// Most rows of a table unless the contract says otherwise.
const DEFAULT_MAX_ROWS: u64 = 100_000_000;
/// Percent of left-out rows above which a run stops unless the contract says otherwise.
const DEFAULT_ERROR_IF_PCT: f64 = 0.5;

/// Where a canonical column's values come from.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnSource {
    /// A column of the canonical name, if the file has one.
    SameName,
    /// The user's column; it must be there.
    Named(String),
    /// Computed from the user's columns.
    Derived(Expression),
}

/// One column to read.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnRule {
    /// What it is.
    pub canonical: &'static CanonicalColumn,
    /// Where it comes from.
    pub source: ColumnSource,
    /// Least and greatest value allowed, both inclusive (numbers).
    pub range: [f64; 2],
    /// The only texts allowed, byte-exact; empty: any (or the canonical ones).
    pub allowed: Vec<String>,
    /// Whether a signal computes with it.
    pub for_signals: bool,
}

/// A table, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct TableContract {
    /// Which table.
    pub name: TableName,
    /// Where its files are; none for a table of a database that was not fetched yet.
    pub patterns: Vec<PathPattern>,
    /// The database that it comes from, if it does not come from files.
    pub database: Option<DatabaseTable>,
    /// Columns that are read, in canonical order.
    pub columns: Vec<ColumnRule>,
    /// Rows that belong to the table.
    pub filter: Option<Expression>,
    /// Delay from event to knowledge where there is no `known_at`, in microseconds.
    pub known_after_micros: i64,
    /// What becomes of a row that breaks a rule.
    pub on_violation: OnViolation,
    /// Percent of left-out visible rows above which a run stops.
    pub error_if_pct: f64,
    /// Age of the newest visible row above which a warning is given, in microseconds.
    pub warn_after_micros: Option<i64>,
    /// Age above which the run stops, in microseconds.
    pub error_after_micros: Option<i64>,
    /// Zone of times without one; `None`: UTC.
    pub time_zone: Option<Tz>,
    /// strftime format of times that are not ISO 8601.
    pub time_format: Option<String>,
    /// Between CSV cells.
    pub delimiter: u8,
    /// CSV texts that mean "no value".
    pub null_values: Vec<String>,
    /// Most rows.
    pub max_rows: u64,
}

/// Resolves one table; `also` are columns that nothing but a declared signal reads.
pub(super) fn resolve(
    name: &str,
    options: &TableOptions,
    (project, also): (&ProjectOptions, &[&str]),
    base: &std::path::Path,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<TableContract, ContractError> {
    let table = table_name(name)?;
    let key = |part: &'static str| ["tables", name, part];
    let (warn_after_micros, error_after_micros) = freshness(name, options)?;
    let time_zone = time_zone(name, options)?;
    check_time_format(name, options)?;
    let filter = options.filter.as_deref().map(|text| Expression::parse(text, &key("where"))).transpose()?;
    let known_after = options.known_after.as_deref().map(|text| parse_duration_micros(text, &key("known_after")));
    let known_after_micros = known_after.transpose()?.unwrap_or(0);
    let has_known_at = options.columns.contains_key("known_at") || options.derive.contains_key("known_at");
    if known_after_micros > 0 && has_known_at {
        let reason = "`known_after` is for tables without `known_at`, and this one has it".to_owned();
        return Err(ContractError::new(Problem::Conflict { reason, hint: None }, &key("known_after")));
    }
    let database = database::resolve(name, options, project, lookup)?;
    Ok(TableContract {
        name: table,
        patterns: if database.is_some() { Vec::new() } else { patterns(name, options, base, lookup)? },
        database,
        columns: columns(table, name, options, also)?,
        filter,
        known_after_micros,
        on_violation: options.on_violation,
        error_if_pct: percent(options.error_if_pct, &key("error_if_pct"))?,
        warn_after_micros,
        error_after_micros,
        time_zone,
        time_format: options.time_format.clone(),
        delimiter: delimiter(options.csv.delimiter, name)?,
        null_values: options.csv.null_values.clone(),
        max_rows: options.max_rows.unwrap_or(DEFAULT_MAX_ROWS),
    })
}

fn table_name(name: &str) -> Result<TableName, ContractError> {
    TableName::parse(name).ok_or_else(|| {
        let hint = did_you_mean(name, TableName::ALL.map(TableName::as_str));
        let problem = Problem::UnknownName { what: "table", found: name.to_owned(), hint: Some(hint) };
        ContractError::new(problem, &["tables", name])
    })
}

fn patterns(
    name: &str,
    options: &TableOptions,
    base: &std::path::Path,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<PathPattern>, ContractError> {
    let key = ["tables", name, "path"];
    let written = match &options.path {
        None => [].as_slice(),
        Some(Paths::One(path)) => std::slice::from_ref(path),
        Some(Paths::Many(paths)) => paths.as_slice(),
    };
    if written.is_empty() {
        let what = "a path".to_owned();
        let hint = Some("path = \"usage/*.parquet\", or postgres = \"app.usage\" with a postgres_url".to_owned());
        return Err(ContractError::new(Problem::Missing { what, hint }, &key));
    }
    written.iter().map(|path| PathPattern::new(expand_variables(path, lookup, &key)?, base, &key)).collect()
}

/// Refuses names that are not canonical columns of the table, wherever a section is keyed by them.
fn check_columns<'a>(
    table: TableName,
    section: &str,
    names: impl Iterator<Item = &'a String>,
    of_kind: Option<ColumnKind>,
) -> Result<(), ContractError> {
    for name in names {
        let key = ["tables", table.as_str(), section, name];
        let Some(column) = table.column(name) else {
            let hint = did_you_mean(name, table.columns().iter().map(|column| column.name));
            let found = name.clone();
            let problem = Problem::UnknownName { what: "canonical column", found, hint: Some(hint) };
            return Err(ContractError::new(problem, &key));
        };
        if of_kind.is_some_and(|kind| kind != column.kind) {
            let reason = format!("`{section}` does not fit a column of kind {:?}", column.kind).to_lowercase();
            let hint = Some("`range` is for numbers, `allowed` for texts".to_owned());
            return Err(ContractError::new(Problem::Conflict { reason, hint }, &key));
        }
    }
    Ok(())
}

fn columns(
    table: TableName,
    name: &str,
    options: &TableOptions,
    also: &[&str],
) -> Result<Vec<ColumnRule>, ContractError> {
    check_columns(table, "columns", options.columns.keys(), None)?;
    check_columns(table, "derive", options.derive.keys(), None)?;
    check_columns(table, "range", options.range.keys(), Some(ColumnKind::Number))?;
    check_columns(table, "allowed", options.allowed.keys(), Some(ColumnKind::Text))?;
    let readable = table.columns().iter().filter(|column| column.read || also.contains(&column.name));
    readable
        .map(|canonical| {
            let for_signals = table.feeds_signals() && (canonical.signals || also.contains(&canonical.name));
            Ok(ColumnRule { for_signals, ..column_rule(canonical, name, options)? })
        })
        .collect()
}

fn column_rule(
    canonical: &'static CanonicalColumn,
    table: &str,
    options: &TableOptions,
) -> Result<ColumnRule, ContractError> {
    let derive_key = ["tables", table, "derive", canonical.name];
    let source = match (options.columns.get(canonical.name), options.derive.get(canonical.name)) {
        (Some(_), Some(_)) => {
            let reason = format!("`{}` is both in `columns` and in `derive`", canonical.name);
            return Err(ContractError::new(Problem::Conflict { reason, hint: None }, &derive_key));
        }
        (Some(column), None) => ColumnSource::Named(column.clone()),
        (None, Some(text)) => ColumnSource::Derived(Expression::parse(text, &derive_key)?),
        (None, None) => ColumnSource::SameName,
    };
    let mut range = canonical.range;
    if let Some([least, most]) = options.range.get(canonical.name) {
        if least.is_nan() || most.is_nan() || least > most {
            let expected = "[least, most]".to_owned();
            let problem = Problem::InvalidValue { expected, found: format!("[{least}, {most}]"), hint: None };
            return Err(ContractError::new(problem, &["tables", table, "range", canonical.name]));
        }
        range = [range[0].max(*least), range[1].min(*most)];
    }
    let allowed = options.allowed.get(canonical.name).cloned().unwrap_or_default();
    Ok(ColumnRule { canonical, source, range, allowed, for_signals: canonical.signals })
}

fn freshness(name: &str, options: &TableOptions) -> Result<(Option<i64>, Option<i64>), ContractError> {
    let Some(given) = &options.freshness else { return Ok((None, None)) };
    let age = |part: &'static str, text: &Option<String>| {
        text.as_deref().map(|text| parse_duration_micros(text, &["tables", name, "freshness", part])).transpose()
    };
    let warn = age("warn_after", &given.warn_after)?;
    let error = age("error_after", &given.error_after)?;
    if let (Some(warn), Some(error)) = (warn, error)
        && warn > error
    {
        let reason = "`warn_after` is longer than `error_after`".to_owned();
        let key = ["tables", name, "freshness", "warn_after"];
        return Err(ContractError::new(Problem::Conflict { reason, hint: None }, &key));
    }
    Ok((warn, error))
}

/// The declared zone, by its IANA name; UTC is `None`.
fn time_zone(name: &str, options: &TableOptions) -> Result<Option<Tz>, ContractError> {
    let Some(written) = options.time_zone.as_deref() else { return Ok(None) };
    match written.parse::<Tz>() {
        Ok(zone) => Ok(Some(zone).filter(|zone| *zone != Tz::UTC)),
        Err(_) => {
            let near = nearest(written, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
            let hint =
                near.map_or("e.g. \"Europe/Berlin\" or \"UTC\"".to_owned(), |near| format!("did you mean `{near}`?"));
            let expected = "the IANA name of a time zone".to_owned();
            let problem = Problem::InvalidValue { expected, found: format!("{written:?}"), hint: Some(hint) };
            Err(ContractError::new(problem, &["tables", name, "time_zone"]))
        }
    }
}

fn check_time_format(name: &str, options: &TableOptions) -> Result<(), ContractError> {
    if let Some(format) = options.time_format.as_deref()
        && (format.is_empty()
            || chrono::format::StrftimeItems::new(format).any(|item| item == chrono::format::Item::Error))
    {
        let expected = "a strftime format such as \"%m/%d/%Y\"".to_owned();
        let problem = Problem::InvalidValue { expected, found: format!("{format:?}"), hint: None };
        return Err(ContractError::new(problem, &["tables", name, "time_format"]));
    }
    Ok(())
}

fn percent(given: Option<f64>, key: &[&str]) -> Result<f64, ContractError> {
    let value = given.unwrap_or(DEFAULT_ERROR_IF_PCT);
    if (0.0..=100.0).contains(&value) {
        return Ok(value);
    }
    let expected = "a percentage from 0 to 100".to_owned();
    Err(ContractError::new(Problem::InvalidValue { expected, found: value.to_string(), hint: None }, key))
}

fn delimiter(character: char, name: &str) -> Result<u8, ContractError> {
    match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => Ok(byte),
        _ => {
            let problem = Problem::InvalidValue {
                expected: "one ASCII character that is not a quote or a line break".to_owned(),
                found: format!("{character:?}"),
                hint: Some("tab is written \"\\t\"".to_owned()),
            };
            Err(ContractError::new(problem, &["tables", name, "csv", "delimiter"]))
        }
    }
}
