//! `[signals.declared.<name>]` resolved: which rows count, what is computed from them, and the definition that says so.

use std::collections::BTreeMap;

use crate::catalog::{Catalogue, Comparison, DeclaredSignal, Workflow};
use crate::read::{Kind, bind, parse_time};
use crate::signal::{Family, SignalDefinition, Unit};

use super::canonical::{CanonicalColumn, ColumnKind, TableName};
use super::duration::parse_days;
use super::error::{ContractError, Problem};
use super::expression::{Expression, Operator};
use super::hint::did_you_mean;
use super::options::{DeclaredOptions, TableOptions, WorkflowOptions};

/// Longest name, in characters.
const LONGEST_NAME: usize = 64;

/// Columns of the feature file that are no signals.
const RESERVED: [&str; 2] = ["account_id", "as_of"];

/// Resolves every declared signal, sorted by name.
pub(super) fn resolve(
    declared: &BTreeMap<String, DeclaredOptions>,
    tables: &BTreeMap<String, TableOptions>,
    workflows: &BTreeMap<String, WorkflowOptions>,
) -> Result<Vec<DeclaredSignal>, ContractError> {
    if declared.is_empty() {
        return Ok(Vec::new());
    }
    let named = |name: &String| Workflow { name: name.clone(), steps: Vec::new() };
    let built_in = Catalogue::everything(&workflows.keys().map(named).collect::<Vec<_>>());
    let resolve = |(name, options): (&String, &DeclaredOptions)| {
        check_name(name, &built_in)?;
        Declaration { name, options }.resolve(tables)
    };
    declared.iter().map(resolve).collect()
}

fn check_name(name: &str, built_in: &[String]) -> Result<(), ContractError> {
    let key = ["signals", "declared", name];
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
        let problem = Problem::InvalidValue {
            expected: format!("a name of 1 to {LONGEST_NAME} lower-case letters, digits and `_`"),
            found: format!("{name:?}"),
            hint: Some("it becomes a column of the feature file".to_owned()),
        };
        return Err(ContractError::new(problem, &key));
    }
    if built_in.iter().any(|known| known == name) || RESERVED.contains(&name) {
        let reason = format!("`{name}` is the name of a built-in signal or column");
        let hint = Some("give it another name; `bellwether signals --all` lists those that are taken".to_owned());
        return Err(ContractError::new(Problem::Conflict { reason, hint }, &key));
    }
    Ok(())
}

struct Declaration<'a> {
    name: &'a str,
    options: &'a DeclaredOptions,
}

impl Declaration<'_> {
    fn resolve(&self, tables: &BTreeMap<String, TableOptions>) -> Result<DeclaredSignal, ContractError> {
        let options = self.options;
        let table = self.table(tables)?;
        let (filter, columns) = match &options.filter {
            None => (None, Vec::new()),
            Some(text) => {
                let (bound, columns) = self.filter(table, text)?;
                (Some(bound), columns)
            }
        };
        let value = self.value(table)?;
        let window_days = options.window.as_deref().map(|text| parse_days(text, 1, &self.key("window"))).transpose()?;
        self.check_compare(window_days)?;
        if options.text.matches("{value}").count() != 1 {
            return Err(self.invalid(
                "text",
                "a text with `{value}` in it, once",
                &format!("{:?}", options.text),
                None,
            ));
        }
        let definition = SignalDefinition {
            name: self.name.to_owned(),
            family: options.family.unwrap_or(family_of(table)),
            idea: format!("declared.{}", self.name),
            unit: self.unit(value)?,
            window_days,
            table: table.as_str().to_owned(),
            text: options.text.clone(),
            null_text: None,
            churn: options.churn.into(),
            expansion: options.expansion.into(),
            actionable: options.actionable,
            parameters: self.words(window_days),
        };
        let (aggregate, compare) = (options.aggregate, options.compare);
        Ok(DeclaredSignal { definition, table, aggregate, compare, filter, columns, value })
    }

    fn key(&self, part: &'static str) -> [&str; 4] {
        ["signals", "declared", self.name, part]
    }

    fn invalid(&self, part: &'static str, expected: &str, found: &str, hint: Option<&str>) -> ContractError {
        let problem = Problem::InvalidValue {
            expected: expected.to_owned(),
            found: found.to_owned(),
            hint: hint.map(str::to_owned),
        };
        ContractError::new(problem, &self.key(part))
    }

    fn conflict(&self, part: &'static str, reason: String, hint: &str) -> ContractError {
        ContractError::new(Problem::Conflict { reason, hint: Some(hint.to_owned()) }, &self.key(part))
    }

    /// A table of events that the project declares.
    fn table(&self, tables: &BTreeMap<String, TableOptions>) -> Result<TableName, ContractError> {
        let name = &self.options.table;
        let has_events = |table: &TableName| *table != TableName::Accounts && table.feeds_signals();
        let with_events = || TableName::ALL.into_iter().filter(has_events);
        let Some(table) = with_events().find(|table| table.as_str() == name) else {
            let hint = if name == TableName::Accounts.as_str() {
                "accounts are no events; their segment, industry, region and channel are signals already".to_owned()
            } else if TableName::parse(name).is_some() {
                "it says what was done about signals, or beside them; a model would learn from its own answers"
                    .to_owned()
            } else {
                did_you_mean(name, with_events().map(TableName::as_str).collect::<Vec<_>>())
            };
            let problem = Problem::UnknownName { what: "table of events", found: name.clone(), hint: Some(hint) };
            return Err(ContractError::new(problem, &self.key("table")));
        };
        if tables.contains_key(name) {
            return Ok(table);
        }
        let what = format!("the table `{name}`, whose rows the signal reads,");
        let hint = Some(format!("declare [tables.{name}]"));
        Err(ContractError::new(Problem::Missing { what, hint }, &self.key("table")))
    }

    fn column(
        &self,
        table: TableName,
        name: &str,
        part: &'static str,
    ) -> Result<&'static CanonicalColumn, ContractError> {
        table.column(name).ok_or_else(|| {
            let hint = did_you_mean(name, table.columns().iter().map(|column| column.name));
            let found = name.to_owned();
            let problem = Problem::UnknownName { what: "canonical column", found, hint: Some(hint) };
            ContractError::new(problem, &self.key(part))
        })
    }

    fn filter(
        &self,
        table: TableName,
        text: &str,
    ) -> Result<(crate::read::Bound, Vec<&'static CanonicalColumn>), ContractError> {
        let expression = Expression::parse(text, &self.key("where"))?;
        let names = expression.columns();
        let columns = names.iter().map(|name| self.column(table, name, "where")).collect::<Result<Vec<_>, _>>()?;
        self.check_literals(&expression, &columns)?;
        let place = |name: &str| {
            let place = columns.iter().position(|column| column.name == name)?;
            Some((place, kind_of(columns[place].kind)))
        };
        let hint = "conditions are comparisons joined by `and` and `or`; text stands in 'single quotes'";
        let bound = bind(&expression, &place);
        let (bound, kind) =
            bound.map_err(|misfit| self.invalid("where", &misfit.expected, misfit.found, Some(hint)))?;
        if kind == Kind::Flag {
            Ok((bound, columns))
        } else {
            Err(self.invalid("where", "a condition", kind.name(), Some(hint)))
        }
    }

    /// A time or number compared with a text that is none would be null in every row, which nobody means.
    fn check_literals(
        &self,
        expression: &Expression,
        columns: &[&'static CanonicalColumn],
    ) -> Result<(), ContractError> {
        match expression {
            Expression::Not(inner) | Expression::Negate(inner) | Expression::IsNull(inner) => {
                self.check_literals(inner, columns)
            }
            Expression::Binary(operator, left, right) => {
                if !matches!(operator, Operator::And | Operator::Or | Operator::Join) {
                    self.check_literal(left, right, columns)?;
                    self.check_literal(right, left, columns)?;
                }
                self.check_literals(left, columns)?;
                self.check_literals(right, columns)
            }
            _ => Ok(()),
        }
    }

    fn check_literal(
        &self,
        one: &Expression,
        other: &Expression,
        columns: &[&'static CanonicalColumn],
    ) -> Result<(), ContractError> {
        let (Expression::Column(name), Expression::Text(text)) = (one, other) else { return Ok(()) };
        let kind = columns.iter().find(|column| column.name == name).map(|column| column.kind);
        let expected = match kind {
            Some(ColumnKind::Time) if parse_time(text, None).is_none() => "a time such as '2026-01-31'",
            Some(ColumnKind::Number) if text.trim().parse::<f64>().is_err() => "a number",
            _ => return Ok(()),
        };
        Err(self.invalid("where", &format!("{expected} beside `{name}`"), &format!("the text {text:?}"), None))
    }

    fn value(&self, table: TableName) -> Result<Option<&'static CanonicalColumn>, ContractError> {
        let aggregate = self.options.aggregate;
        let named = aggregate_name(self.options);
        let Some(name) = &self.options.value else {
            if !aggregate.needs_value() {
                return Ok(None);
            }
            let what = format!("`value`, the column that `{named}` is taken of,");
            let columns = table.columns().iter().filter(|column| self.fits(column)).map(|column| column.name);
            let hint = Some(did_you_mean("", columns.collect::<Vec<_>>()));
            return Err(ContractError::new(Problem::Missing { what, hint }, &self.key("value")));
        };
        if !aggregate.needs_value() {
            let reason = format!("`value` has no meaning with `{named}`");
            return Err(self.conflict("value", reason, "remove it, or choose sum, mean, min, max, distinct or latest"));
        }
        let column = self.column(table, name, "value")?;
        if self.fits(column) {
            return Ok(Some(column));
        }
        let expected = if aggregate == crate::catalog::Aggregate::Distinct {
            "a column of texts or numbers"
        } else {
            "a column of numbers"
        };
        let columns = table.columns().iter().filter(|column| self.fits(column)).map(|column| column.name);
        let hint = did_you_mean("", columns.collect::<Vec<_>>());
        Err(self.invalid("value", expected, &format!("`{name}`"), Some(&hint)))
    }

    fn fits(&self, column: &CanonicalColumn) -> bool {
        match column.kind {
            ColumnKind::Number => true,
            ColumnKind::Text => self.options.aggregate == crate::catalog::Aggregate::Distinct,
            ColumnKind::Time => false,
        }
    }

    fn check_compare(&self, window_days: Option<u32>) -> Result<(), ContractError> {
        if self.options.compare.is_none() {
            return Ok(());
        }
        if window_days.is_none() {
            let reason = "`compare` needs a `window`: all history has nothing before it".to_owned();
            return Err(self.conflict("compare", reason, "add e.g. window = \"28d\""));
        }
        if self.options.aggregate.is_age() {
            let reason = format!("`compare` has no meaning with `{}`", aggregate_name(self.options));
            return Err(self.conflict("compare", reason, "remove it"));
        }
        Ok(())
    }

    fn unit(&self, value: Option<&CanonicalColumn>) -> Result<Unit, ContractError> {
        let options = self.options;
        let fixed = if options.compare.is_some() {
            Some((Unit::RelativeChange, "relative_change, as everything compared"))
        } else if options.aggregate.is_age() {
            Some((Unit::Days, "days, as everything that says how long ago"))
        } else {
            None
        };
        match (fixed, options.unit) {
            (Some((unit, _)), None) => Ok(unit),
            (Some((unit, _)), Some(given)) if given == unit => Ok(unit),
            (Some((_, expected)), Some(_)) => {
                Err(self.invalid("unit", expected, "another unit", Some("it may be left out")))
            }
            (None, Some(Unit::Category)) => {
                Err(self.invalid("unit", "the unit of a number", "category", Some("a declared signal is a number")))
            }
            (None, given) => Ok(given.unwrap_or_else(|| options.aggregate.unit(value))),
        }
    }

    /// The whole definition in words; what is the user's own text is quoted, so that no two definitions read the same.
    fn words(&self, window_days: Option<u32>) -> String {
        let options = self.options;
        let condition = options.filter.as_ref().map_or(String::new(), |text| format!(" where {text:?}"));
        let value = options.value.as_deref().unwrap_or_default();
        let measure = format!("{} in {}{condition}", options.aggregate.words(value), options.table);
        let window = match window_days {
            Some(days) => format!(" in the last {days} days"),
            None => " in all history".to_owned(),
        };
        let against = match options.compare {
            None => return format!("declared: {measure}{window}"),
            Some(Comparison::Previous) => "the window before",
            Some(Comparison::YearAgo) => "the window 364 days earlier",
        };
        format!(
            "declared: {measure}{window} / the same of {against} - 1; null where the history does not reach, or with \
             nothing above 0 to compare with"
        )
    }
}

/// As written.
fn aggregate_name(options: &DeclaredOptions) -> String {
    let written = serde_json::to_value(options.aggregate).ok();
    written.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn kind_of(kind: ColumnKind) -> Kind {
    match kind {
        ColumnKind::Text => Kind::Text,
        ColumnKind::Number => Kind::Number,
        ColumnKind::Time => Kind::Time,
    }
}

/// The family, where none is declared: that of the table's own signals.
fn family_of(table: TableName) -> Family {
    match table {
        TableName::Usage => Family::Usage,
        TableName::Nps => Family::Nps,
        TableName::Invoices => Family::Payments,
        TableName::Tickets => Family::Support,
        TableName::Contacts | TableName::Meetings => Family::Sponsorship,
        TableName::Accounts | TableName::Subscriptions | TableName::SubscriptionItems | TableName::Firmographics => {
            Family::Commercial
        }
        // None of them feeds signals.
        TableName::Interventions | TableName::Overrides | TableName::Spend | TableName::Goals => Family::Commercial,
    }
}
