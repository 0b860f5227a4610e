//! Published files of a date, into tables.
//!
//! All of a publication is one transaction. Rows go by binary `COPY` into a staging table that only this session sees; then
//! the rows of the date are exchanged in the table itself. Whoever reads meanwhile sees the date as it was, and from the
//! commit on as it is, never both and never nothing; whoever reads several tables does so in one `REPEATABLE READ`
//! transaction. A run that is killed changes nothing. A second run of the same date gives the same rows; other dates stay.
//!
//! A table of ours says so in its comment, `bellwether scores/v1`, and is given the columns of the files, behind `as_of`. A
//! column that the files have gained is added; one that they lack stays, null in the new rows. A table without that comment,
//! of another version, or with a column of another type is refused.

mod layout;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use postgres::Transaction;

use crate::Address;
use crate::binary;
use crate::error::{FailureKind, PostgresError};
use crate::identifier::{check as check_name, quoted};
use layout::Layout;

/// Rows of a batch.
const BATCH_ROWS: usize = 4096;
/// The date that a row belongs to.
pub const DATE_COLUMN: &str = "as_of";

/// Files that become the rows of a date of a table.
#[derive(Debug, Clone)]
pub struct TableFiles {
    /// Name of the table.
    pub name: String,
    /// What it is and of which version, e.g. `scores/v1`.
    pub layout: String,
    /// Columns that, with the date, name a row; empty: rows have no names.
    pub key: &'static [&'static str],
    /// Parquet files of the same columns, read one after the other.
    pub files: Vec<PathBuf>,
}

/// Everything that is written of a date.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The date.
    pub as_of: NaiveDate,
    /// Schema; made if it is not there.
    pub schema: String,
    /// Tables.
    pub tables: Vec<TableFiles>,
    /// Layouts that are here whole: a table of such a layout that is in the database and not in `tables` loses its rows of
    /// the date.
    pub wholes: Vec<String>,
}

/// A table that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub name: String,
    /// Rows of the date.
    pub rows: u64,
}

/// Whether something could be written: the address, the name of the schema, the server. Nothing is changed.
///
/// # Errors
/// [`PostgresError`].
pub fn check(address: &Address, schema: &str) -> Result<(), PostgresError> {
    check_name("schema", schema)?;
    let client = address.connect()?;
    client.close().map_err(|error| PostgresError::server(address, "cannot connect", &error))
}

/// Writes a publication; see the module.
///
/// # Errors
/// [`PostgresError`]; then nothing has changed.
pub fn publish(address: &Address, publication: &Publication) -> Result<Vec<Written>, PostgresError> {
    check_name("schema", &publication.schema)?;
    let layouts = publication.tables.iter().map(Layout::of_files).collect::<Result<Vec<_>, _>>()?;
    let mut client = address.connect()?;
    let failed = |error: postgres::Error| PostgresError::server(address, "cannot begin to write", &error);
    let mut transaction = client.transaction().map_err(failed)?;
    let mut session = Session { address, publication, transaction: &mut transaction };
    session.begin()?;
    let mut written = Vec::with_capacity(layouts.len());
    for (index, layout) in layouts.iter().enumerate() {
        session.prepare_table(layout)?;
        written.push(session.replace(index, layout)?);
    }
    session.empty_others()?;
    // Ours to tell apart from nothing done: a server that is lost in this very moment may have done it or not.
    transaction.commit().map_err(|error| {
        PostgresError::server(address, "cannot end writing (the date is as it was, or whole; run it again)", &error)
    })?;
    Ok(written)
}

struct Session<'a, 'b> {
    address: &'a Address,
    publication: &'a Publication,
    transaction: &'a mut Transaction<'b>,
}

impl Session<'_, '_> {
    /// One writer at a time; time limits that the server's owner has set for sessions of other kinds do not hold here.
    fn begin(&mut self) -> Result<(), PostgresError> {
        self.execute(
            "cannot begin to write",
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
             SET LOCAL lock_timeout = '30s'",
        )?;
        let lock = format!("SELECT pg_try_advisory_xact_lock({})", lock_of(&self.publication.schema));
        let row = self.transaction.query_one(&lock, &[]).map_err(|error| self.server("cannot lock", &error))?;
        if !row.get::<_, bool>(0) {
            return Err(PostgresError::Table {
                place: format!("{}: schema `{}`", self.address, self.publication.schema),
                expected: "no other run that writes to it".to_owned(),
                found: "one".to_owned(),
                hint: "wait for it, and try again".to_owned(),
                kind: FailureKind::Transient,
            });
        }
        let find = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
        let found = self.transaction.query_opt(find, &[&self.publication.schema]);
        if found.map_err(|error| self.server("cannot look for the schema", &error))?.is_none() {
            let create = format!("CREATE SCHEMA {}", quoted(&self.publication.schema));
            self.execute("the schema cannot be made", &create)?;
        }
        Ok(())
    }

    fn execute(&mut self, doing: &str, sql: &str) -> Result<(), PostgresError> {
        self.transaction.batch_execute(sql).map_err(|error| self.server(doing, &error))
    }

    fn server(&self, doing: &str, error: &postgres::Error) -> PostgresError {
        PostgresError::server(self.address, doing, error)
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.publication.schema), quoted(name))
    }

    /// Stages the rows of a table and exchanges those of the date.
    fn replace(&mut self, index: usize, layout: &Layout<'_>) -> Result<Written, PostgresError> {
        let name = &layout.table.name;
        let stage_name = format!("bellwether_stage_{index}");
        let stage = format!("pg_temp.{stage_name}");
        let columns: Vec<String> =
            layout.columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.kind.sql())).collect();
        let doing = format!("table `{name}`: cannot be staged");
        let create = format!("CREATE TEMPORARY TABLE {stage_name} ({}) ON COMMIT DROP", columns.join(", "));
        self.execute(&doing, &create)?;
        let rows = self.copy(&stage, layout)?;
        let table = self.table(name);
        let list: Vec<String> = layout.columns.iter().map(|column| quoted(&column.name)).collect();
        let (list, date) = (list.join(", "), self.publication.as_of);
        let doing = format!("table `{name}`: the rows of {date} cannot be replaced");
        self.execute(
            &doing,
            &format!(
                "DELETE FROM {table} WHERE {DATE_COLUMN} = DATE '{date}'; \
                 INSERT INTO {table} ({DATE_COLUMN}, {list}) SELECT DATE '{date}', {list} FROM {stage}; \
                 DROP TABLE {stage}"
            ),
        )?;
        Ok(Written { name: name.clone(), rows })
    }

    /// Copies files into a table; the server counts as many rows as the files have, or it is an error.
    fn copy(&mut self, stage: &str, layout: &Layout<'_>) -> Result<u64, PostgresError> {
        let address = self.address;
        let doing = format!("table `{}`: cannot be staged", layout.table.name);
        let sql = format!("COPY {stage} FROM STDIN (FORMAT binary)");
        let ended = |error: std::io::Error| PostgresError::stream(address, doing.as_str(), &error);
        let writer = self.transaction.copy_in(&sql);
        let mut writer = writer.map_err(|error| PostgresError::server(address, doing.as_str(), &error))?;
        let mut bytes = Vec::new();
        binary::write_head(&mut bytes);
        let mut sent = 0_u64;
        for file in &layout.table.files {
            for batch in batches(file, layout)? {
                let batch = batch.map_err(|error| damaged(file, &error.to_string()))?;
                binary::write_rows(batch.columns(), batch.num_rows(), &mut bytes)
                    .map_err(|unfit| layout.unfit(file, &unfit))?;
                sent += batch.num_rows() as u64;
                writer.write_all(&bytes).map_err(ended)?;
                bytes.clear();
            }
        }
        binary::write_end(&mut bytes);
        writer.write_all(&bytes).map_err(ended)?;
        let rows = writer.finish().map_err(|error| PostgresError::server(address, doing.as_str(), &error))?;
        if rows == sent {
            return Ok(rows);
        }
        Err(PostgresError::Table {
            place: format!("{address}: table `{}`", layout.table.name),
            expected: format!("{sent} rows"),
            found: rows.to_string(),
            hint: "nothing was changed; a trigger or rule on temporary tables?".to_owned(),
            kind: FailureKind::Data,
        })
    }

    /// Tables of ours that this date no longer has.
    fn empty_others(&mut self) -> Result<(), PostgresError> {
        for layout in &self.publication.wholes {
            let find = "SELECT c.relname::text FROM pg_catalog.pg_class c \
                        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                        WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') \
                        AND pg_catalog.obj_description(c.oid, 'pg_class') = $2 ORDER BY 1";
            let found = self.transaction.query(find, &[&self.publication.schema, &layout::mark(layout)]);
            let found = found.map_err(|error| self.server("cannot look for tables", &error))?;
            let names = found.iter().map(|row| row.get::<_, String>(0));
            let others = names.filter(|name| self.publication.tables.iter().all(|table| table.name != *name));
            for name in others.collect::<Vec<_>>() {
                let table = self.table(&name);
                let date = self.publication.as_of;
                let doing = format!("table `{name}`: the rows of {date} cannot be removed");
                self.execute(&doing, &format!("DELETE FROM {table} WHERE {DATE_COLUMN} = DATE '{date}'"))?;
            }
        }
        Ok(())
    }
}

type Batches = parquet::arrow::arrow_reader::ParquetRecordBatchReader;

/// The rows of a file, with the columns of the layout in its order.
fn batches(file: &Path, layout: &Layout<'_>) -> Result<Batches, PostgresError> {
    let (opened, metadata) = open(file)?;
    let columns = layout::columns(file, metadata.schema())?;
    if columns != layout.columns {
        return Err(damaged(file, "other columns than those of the files before"));
    }
    let kept: Vec<usize> = layout::kept(metadata.schema()).map(|(index, _)| index).collect();
    let mask = parquet::arrow::ProjectionMask::roots(metadata.parquet_schema(), kept);
    ParquetRecordBatchReaderBuilder::new_with_metadata(opened, metadata)
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| damaged(file, &error.to_string()))
}

/// Opens a Parquet file; its types are those of Parquet itself.
fn open(file: &Path) -> Result<(File, ArrowReaderMetadata), PostgresError> {
    let io = |source| PostgresError::Io { path: file.display().to_string(), source };
    let opened = File::open(file).map_err(io)?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&opened, options).map_err(|error| damaged(file, &error.to_string()))?;
    Ok((opened, metadata))
}

fn damaged(file: &Path, found: &str) -> PostgresError {
    PostgresError::Table {
        place: file.display().to_string(),
        expected: "a Parquet file that bellwether wrote".to_owned(),
        found: found.to_owned(),
        hint: "write the date again".to_owned(),
        kind: FailureKind::Data,
    }
}

/// A number for the server's advisory lock: FNV-1a (64 bits) of what is locked.
fn lock_of(schema: &str) -> i64 {
    let bytes = b"bellwether:".iter().chain(schema.as_bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    i64::from_ne_bytes(hash.to_ne_bytes())
}
