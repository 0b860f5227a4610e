//! Tables and queries of one snapshot, into Parquet files.
//!
//! All of a database's tables are read in one transaction (`REPEATABLE READ READ ONLY`), so that they fit together: a
//! subscription whose account was entered a moment later is not there without it. Rows come by binary `COPY` and are
//! written as they come, so memory does not grow with the table. The server is asked for one plan and one order: no
//! parallel workers, no scan that joins another in its middle. With an unchanged table, the same rows come in the same order.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use postgres::{IsolationLevel, Transaction};

use crate::Address;
use crate::binary::{self, Columns, RowError};
use crate::error::{FailureKind, PostgresError};
use crate::identifier::{quoted, relation};
use crate::kind::Kind;

/// Rows of a batch, at most.
const BATCH_ROWS: usize = 1 << 15;
/// Bytes of texts of a batch, about.
const BATCH_BYTES: usize = 8 << 20;
/// Encoded bytes that wait for the end of a row group, about.
const GROUP_BYTES: usize = 32 << 20;

/// A table to fetch.
#[derive(Debug, Clone)]
pub struct TableRequest {
    /// Its name with us; that of the file.
    pub name: String,
    /// A table's name as SQL takes it, or a query.
    pub relation: String,
    /// The columns that are wanted, where they are there; `None`: all.
    pub columns: Option<BTreeSet<String>>,
    /// Columns that somebody reads: one of a type that cannot be read is an error. Others of such types are left out.
    pub read: BTreeSet<String>,
    /// Columns that must be there. If one is not, the file has the names of all columns and no row.
    pub needed: BTreeSet<String>,
    /// Columns that are read as texts and nothing else: a `numeric` among them keeps its digits.
    pub texts: BTreeSet<String>,
    /// More rows than this are not read.
    pub most_rows: u64,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The table.
    pub name: String,
    /// Where its rows are.
    pub file: PathBuf,
    /// How many.
    pub rows: u64,
}

/// Fetches tables of one database into `folder`, a file each, as they stand at one moment.
///
/// # Errors
/// [`PostgresError`]; files that were written before stay.
pub fn fetch(address: &Address, tables: &[TableRequest], folder: &Path) -> Result<Vec<Fetched>, PostgresError> {
    let mut client = address.connect()?;
    let failed = |error: postgres::Error| PostgresError::server(address, "cannot begin to read", &error);
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let mut transaction = transaction.start().map_err(failed)?;
    transaction
        .batch_execute(
            "SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0; \
             SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
        )
        .map_err(failed)?;
    let mut fetched = Vec::with_capacity(tables.len());
    for table in tables {
        fetched.push(Fetch { address, table }.run(&mut transaction, folder)?);
    }
    transaction.commit().map_err(|error| PostgresError::server(address, "cannot end reading", &error))?;
    Ok(fetched)
}

/// A column that is asked for.
struct Asked {
    expression: String,
    name: String,
    kind: Kind,
}

struct Fetch<'a> {
    address: &'a Address,
    table: &'a TableRequest,
}

impl Fetch<'_> {
    fn run(&self, transaction: &mut Transaction<'_>, folder: &Path) -> Result<Fetched, PostgresError> {
        let from = relation(&self.table.relation).ok_or_else(|| PostgresError::Table {
            place: self.place(""),
            expected: "a table's name such as app.usage, or a query that begins with select, with or values".to_owned(),
            found: "neither".to_owned(),
            hint: "quote names with other letters as SQL does: \"My Schema\".\"Usage\"".to_owned(),
            kind: FailureKind::Configuration,
        })?;
        let statement = transaction
            .prepare(&format!("SELECT * FROM {from}"))
            .map_err(|error| self.server("cannot be read", &error))?;
        let names: Vec<&str> = statement.columns().iter().map(postgres::Column::name).collect();
        let has_all = self.table.needed.iter().all(|name| names.contains(&name.as_str()));
        let asked = self.asked(statement.columns(), has_all)?;
        let list: Vec<String> = asked.iter().map(|column| column.expression.clone()).collect();
        let none = if has_all { "" } else { " LIMIT 0" };
        let sql = format!("COPY (SELECT {} FROM {from}{none}) TO STDOUT (FORMAT binary)", list.join(", "));
        let file = folder.join(format!("{}.parquet", self.table.name));
        let reader = transaction.copy_out(&sql).map_err(|error| self.server("cannot be read", &error))?;
        let rows = self.write(BufReader::with_capacity(1 << 18, reader), &asked, &file)?;
        Ok(Fetched { name: self.table.name.clone(), file, rows })
    }

    /// The columns to ask for. Where one that is needed is not there, all of them, so that whoever misses it can say what is
    /// there instead.
    fn asked(&self, columns: &[postgres::Column], has_all: bool) -> Result<Vec<Asked>, PostgresError> {
        let mut asked: Vec<Asked> = Vec::new();
        for column in columns {
            let name = column.name();
            let wanted = self.table.columns.as_ref().is_none_or(|wanted| wanted.contains(name));
            if has_all && !wanted {
                continue;
            }
            if asked.iter().any(|other| other.name == name) {
                let hint = "name one of them otherwise in the query";
                return Err(self.wrong(name, "a column of that name once", "it twice".to_owned(), hint));
            }
            match Kind::of_server(column.type_(), &quoted(name), self.table.texts.contains(name)) {
                Some((expression, kind)) => asked.push(Asked { expression, name: name.to_owned(), kind }),
                None if self.table.read.contains(name) && wanted => {
                    return Err(self.wrong(
                        name,
                        "text, a number, true or false, a date or a timestamp",
                        format!("type {}", column.type_().name()),
                        "cast it in a query (`postgres = \"select ..., data->>'plan' as plan from ...\"`)",
                    ));
                }
                None => {}
            }
        }
        if asked.is_empty() {
            let hint = "is this the right table?";
            return Err(self.wrong("", "a column that can be read", "none".to_owned(), hint));
        }
        Ok(asked)
    }

    fn write(&self, mut input: impl std::io::Read, asked: &[Asked], path: &Path) -> Result<u64, PostgresError> {
        let schema: SchemaRef =
            Arc::new(Schema::new(asked.iter().map(|column| column.kind.field(&column.name)).collect::<Vec<_>>()));
        let io = |source: std::io::Error| PostgresError::Io { path: path.display().to_string(), source };
        let parquet = |error: ParquetError| io(as_io(error));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
            .set_created_by("bellwether".to_owned())
            .build();
        let file = File::create_new(path).map_err(io)?;
        let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(parquet)?;
        let ended = |error: std::io::Error| PostgresError::stream(self.address, self.doing("reading stopped"), &error);
        binary::read_head(&mut input).map_err(ended)?;
        let mut columns = Columns::new(asked.iter().map(|column| column.kind));
        let mut rows = 0_u64;
        loop {
            let more = columns.read_row(&mut input).map_err(|error| match error {
                RowError::Io(error) => ended(error),
                RowError::NotText(column) => self.not_text(&asked[column].name, rows + columns.rows as u64 + 1),
            })?;
            if !more || columns.rows == BATCH_ROWS || columns.bytes >= BATCH_BYTES {
                rows += columns.rows as u64;
                self.check_rows(rows)?;
                if columns.rows > 0 {
                    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.finish());
                    writer.write(&batch.map_err(|error| parquet(error.into()))?).map_err(parquet)?;
                }
                if writer.in_progress_size() > GROUP_BYTES {
                    writer.flush().map_err(parquet)?;
                }
            }
            if !more {
                writer.close().map_err(parquet)?;
                return Ok(rows);
            }
        }
    }

    fn check_rows(&self, rows: u64) -> Result<(), PostgresError> {
        if rows <= self.table.most_rows {
            return Ok(());
        }
        Err(PostgresError::Table {
            place: self.place(""),
            expected: format!("at most {} rows", self.table.most_rows),
            found: "more".to_owned(),
            hint: "if that is how many there are, raise `max_rows` of the table".to_owned(),
            kind: FailureKind::Resource,
        })
    }

    fn not_text(&self, column: &str, row: u64) -> PostgresError {
        let found = format!("bytes that are none in row {row}");
        self.wrong(
            column,
            "text in UTF-8",
            found,
            "the database's encoding is SQL_ASCII: convert the column in a query",
        )
    }

    fn wrong(&self, column: &str, expected: &str, found: String, hint: &str) -> PostgresError {
        PostgresError::Table {
            place: self.place(column),
            expected: expected.to_owned(),
            found,
            hint: hint.to_owned(),
            kind: FailureKind::Data,
        }
    }

    fn place(&self, column: &str) -> String {
        let column = if column.is_empty() { String::new() } else { format!(", column `{}`", column.escape_debug()) };
        format!("{}: table `{}`{column}", self.address, self.table.name)
    }

    fn doing(&self, what: &str) -> String {
        format!("table `{}`: {what}", self.table.name)
    }

    fn server(&self, what: &str, error: &postgres::Error) -> PostgresError {
        PostgresError::server(self.address, self.doing(what), error)
    }
}

/// The disk's error where that is what it was.
fn as_io(error: ParquetError) -> std::io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(inner) => *inner,
            Err(inner) => std::io::Error::other(inner),
        },
        other => std::io::Error::other(other),
    }
}
