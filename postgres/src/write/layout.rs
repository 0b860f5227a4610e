//! The columns of a table, as the files have them and as the database has them.

use std::path::Path;

use arrow_schema::{FieldRef, Schema};

use super::{DATE_COLUMN, Session, TableFiles, damaged, open};
use crate::binary::Unfit;
use crate::error::{FailureKind, PostgresError};
use crate::identifier::{check as check_name, quoted};
use crate::kind::Kind;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A table as its files have it.
pub(super) struct Layout<'a> {
    pub(super) table: &'a TableFiles,
    pub(super) columns: Vec<Column>,
}

/// The comment of a table of ours.
pub(super) fn mark(layout: &str) -> String {
    format!("bellwether {layout}")
}

/// The columns of a file that go into the table: the date is the table's own.
pub(super) fn kept(schema: &Schema) -> impl Iterator<Item = (usize, &FieldRef)> {
    schema.fields().iter().enumerate().filter(|(_, field)| field.name() != DATE_COLUMN)
}

pub(super) fn columns(file: &Path, schema: &Schema) -> Result<Vec<Column>, PostgresError> {
    kept(schema)
        .map(|(_, field)| {
            let kind = Kind::of_parquet(field.data_type());
            let kind =
                kind.ok_or_else(|| damaged(file, &format!("column `{}` of type {}", field.name(), field.data_type())))?;
            check_name("column", field.name())?;
            Ok(Column { name: field.name().clone(), kind })
        })
        .collect()
}

impl<'a> Layout<'a> {
    pub(super) fn of_files(table: &'a TableFiles) -> Result<Self, PostgresError> {
        check_name("table", &table.name)?;
        let columns = match table.files.first() {
            Some(file) => columns(file, open(file)?.1.schema())?,
            None => Vec::new(),
        };
        Ok(Self { table, columns })
    }

    /// A value that the server cannot hold.
    pub(super) fn unfit(&self, file: &Path, unfit: &Unfit) -> PostgresError {
        let column = self.columns.get(unfit.0).map_or("", |column| column.name.as_str());
        PostgresError::Table {
            place: format!("{}: column `{column}`", file.display()),
            expected: "values that PostgreSQL can hold".to_owned(),
            found: unfit.1.to_owned(),
            hint: "the files hold it; they can be read without a database".to_owned(),
            kind: FailureKind::Data,
        }
    }
}

/// A column of the database.
struct Existing {
    name: String,
    sql: String,
    is_required: bool,
}

impl Session<'_, '_> {
    /// Makes the table, or sees that it is ours and gives it the columns that it lacks.
    pub(super) fn prepare_table(&mut self, layout: &Layout<'_>) -> Result<(), PostgresError> {
        let mark = mark(&layout.table.layout);
        let Some((kind, comment)) = self.find(&layout.table.name)? else { return self.create(layout, &mark) };
        if comment.as_deref() != Some(mark.as_str()) || !["r", "p"].contains(&kind.as_str()) {
            let found = match comment {
                Some(comment) if comment.starts_with("bellwether ") => format!("`{comment}`"),
                Some(_) | None if ["r", "p"].contains(&kind.as_str()) => "one without that comment".to_owned(),
                _ => "something that is no table".to_owned(),
            };
            let hint = if found.starts_with('`') {
                "another version of bellwether wrote it: use that one, or give another --schema"
            } else {
                "it is not ours: give another --schema"
            };
            return Err(self.refused(layout, "", format!("a table with the comment `{mark}`"), found, hint));
        }
        let existing = self.existing(&layout.table.name)?;
        for column in &existing {
            self.check_existing(layout, column)?;
        }
        let missing = layout.columns.iter().filter(|column| existing.iter().all(|known| known.name != column.name));
        let added: Vec<String> =
            missing.map(|column| format!("ADD COLUMN {} {}", quoted(&column.name), column.kind.sql())).collect();
        if added.is_empty() {
            return Ok(());
        }
        let table = self.table(&layout.table.name);
        let doing = format!("table `{}`: columns cannot be added", layout.table.name);
        self.execute(&doing, &format!("ALTER TABLE {table} {}", added.join(", ")))
    }

    fn check_existing(&self, layout: &Layout<'_>, column: &Existing) -> Result<(), PostgresError> {
        if column.name == DATE_COLUMN {
            let is_date = column.sql == Kind::Day.sql();
            let hint = "give another --schema";
            let wrong =
                || self.refused(layout, DATE_COLUMN, "type date".to_owned(), format!("type {}", column.sql), hint);
            return if is_date { Ok(()) } else { Err(wrong()) };
        }
        match layout.columns.iter().find(|own| own.name == column.name) {
            Some(own) if own.kind.sql() == column.sql => Ok(()),
            Some(own) => {
                let (expected, found) = (format!("type {}", own.kind.sql()), format!("type {}", column.sql));
                let hint = "another version wrote this table, or it was altered: give another --schema";
                Err(self.refused(layout, &column.name, expected, found, hint))
            }
            None if column.is_required => {
                let hint = "the files have no such column: drop it, let it be null, or give another --schema";
                let found = "one that must not be null".to_owned();
                Err(self.refused(
                    layout,
                    &column.name,
                    "a column of the files, or one that may be null".to_owned(),
                    found,
                    hint,
                ))
            }
            None => Ok(()),
        }
    }

    fn refused(&self, layout: &Layout<'_>, column: &str, expected: String, found: String, hint: &str) -> PostgresError {
        let column = if column.is_empty() { String::new() } else { format!(", column `{column}`") };
        PostgresError::Table {
            place: format!("{}: table `{}.{}`{column}", self.address, self.publication.schema, layout.table.name),
            expected,
            found,
            hint: hint.to_owned(),
            kind: FailureKind::Configuration,
        }
    }

    fn create(&mut self, layout: &Layout<'_>, mark: &str) -> Result<(), PostgresError> {
        let (name, table) = (&layout.table.name, self.table(&layout.table.name));
        let columns: Vec<String> =
            layout.columns.iter().map(|column| format!(", {} {}", quoted(&column.name), column.kind.sql())).collect();
        let key: Vec<String> = layout.table.key.iter().map(|column| format!(", {}", quoted(column))).collect();
        let (columns, keys) = (columns.concat(), key.concat());
        let index = if key.is_empty() {
            format!("CREATE INDEX ON {table} ({DATE_COLUMN})")
        } else {
            format!("ALTER TABLE {table} ADD PRIMARY KEY ({DATE_COLUMN}{keys})")
        };
        let doing = format!("table `{name}`: cannot be made");
        self.execute(
            &doing,
            &format!(
                "CREATE TABLE {table} ({DATE_COLUMN} date NOT NULL{columns}); {index}; \
                 COMMENT ON TABLE {table} IS '{}'",
                mark.replace('\'', "''")
            ),
        )
    }

    /// What is under that name: its kind, and its comment.
    fn find(&mut self, name: &str) -> Result<Option<(String, Option<String>)>, PostgresError> {
        let sql = "SELECT c.relkind::text, pg_catalog.obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
        let row = self.transaction.query_opt(sql, &[&self.publication.schema, &name]);
        let row = row.map_err(|error| self.server("cannot look for tables", &error))?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    fn existing(&mut self, name: &str) -> Result<Vec<Existing>, PostgresError> {
        let sql = "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), \
                   a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' \
                   FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
        let rows = self.transaction.query(sql, &[&self.publication.schema, &name]);
        let rows = rows.map_err(|error| self.server("cannot look for columns", &error))?;
        let existing = |row: &postgres::Row| Existing { name: row.get(0), sql: row.get(1), is_required: row.get(2) };
        Ok(rows.iter().map(existing).collect())
    }
}
