//! `bellwether export`: scores and outlook of a date as files for customer-success tools, or into a database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bellwether_features::contract::{explain_toml_error, read_source};
use bellwether_outlook::export::{self, ExportRequest, Tool};
use bellwether_postgres::write::{Publication, TableFiles};
use bellwether_postgres::{Address, write};
use chrono::NaiveDate;

use crate::args::{DatabaseAddress, DatabaseArguments, Destination, ExportArguments};
use crate::failure::Failure;
use crate::output::{Output, grouped};
use crate::stop;

pub(crate) fn run(arguments: &ExportArguments, output: &Output) -> Result<(), Failure> {
    match &arguments.to {
        Destination::Tool(tool) => to_tool(*tool, arguments, output),
        Destination::Postgres(address) => {
            refuse_options_of_tools(arguments)?;
            export::check_outlook(&arguments.out, arguments.as_of).map_err(Failure::scores)?;
            let published = (arguments.out.as_path(), arguments.as_of, Parts::All);
            write_to(address, &arguments.schema.schema, published, output)
        }
        Destination::Wrong(wrong) => Err(wrong_address(wrong.to_string())),
    }
}

fn wrong_address(found: String) -> Failure {
    Failure::configuration(
        format!("--to: {found}"),
        "postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full; docs/outlook/deliver.md has what else there is",
    )
}

fn refuse_options_of_tools(arguments: &ExportArguments) -> Result<(), Failure> {
    let given = [
        ("--previous", arguments.previous.is_some()),
        ("--changed-only", arguments.changed_only),
        ("--mapping", arguments.mapping.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Failure::configuration(
            format!("{option}: expected a tool in --to, found a database"),
            "a database gets every row and column of the date; leave the option out",
        )),
        None => Ok(()),
    }
}

fn to_tool(tool: Tool, arguments: &ExportArguments, output: &Output) -> Result<(), Failure> {
    let mapping = arguments.mapping.as_deref().map(read_mapping).transpose()?.unwrap_or_default();
    let request = ExportRequest {
        out: &arguments.out,
        as_of: arguments.as_of,
        tool,
        previous: arguments.previous,
        changed_only: arguments.changed_only,
        mapping,
    };
    let summary = stop::protect(|| export::export(&request)).map_err(Failure::export)?;
    match summary.previous {
        Some(previous) => output.result(format_args!(
            "{} accounts: {} rows written, {} to remove, compared with {previous}",
            grouped(summary.accounts),
            grouped(summary.written),
            grouped(summary.removed)
        )),
        None => {
            if arguments.changed_only {
                output.note(format_args!("no earlier scores to compare with: every row is written"));
            }
            output.result(format_args!(
                "{} accounts: {} rows written, nothing earlier to compare with",
                grouped(summary.accounts),
                grouped(summary.written)
            ));
        }
    }
    output.result(format_args!("{}", summary.folder.display()));
    Ok(())
}

/// `column = "Field"` or `column = false`.
fn read_mapping(path: &Path) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let source = read_source(path).map_err(Failure::contract)?;
    let table: BTreeMap<String, toml::Value> =
        toml::from_str(&source).map_err(|error| Failure::contract(explain_toml_error(path, &source, &error)))?;
    let field = |(column, value): (String, toml::Value)| match value {
        toml::Value::String(field) => Ok((column, Some(field))),
        toml::Value::Boolean(false) => Ok((column, None)),
        other => Err(Failure::configuration(
            format!("{}: `{column}`: expected a text or false, found {}", path.display(), other.type_str()),
            "column = \"Field\" names the tool's field, column = false leaves the column out",
        )),
    };
    table.into_iter().map(field).collect()
}

/// Which results go to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// Scores and outlook, as far as they are there.
    All,
    /// What `score` has just published.
    Scores,
    /// What `outlook` has just published.
    Outlook,
}

/// The database that `score` and `outlook` are to write to, before any work.
pub(super) fn database(arguments: &DatabaseArguments) -> Result<Option<&Address>, Failure> {
    match &arguments.to {
        None => Ok(None),
        Some(DatabaseAddress::Postgres(address)) => {
            write::check(address, &arguments.schema.schema).map_err(Failure::database)?;
            Ok(Some(address))
        }
        Some(DatabaseAddress::Wrong(wrong)) => Err(wrong_address(wrong.to_string())),
    }
}

/// Writes what a verb has just published into the database that it was given.
pub(super) fn to_database(
    address: &Address,
    arguments: &DatabaseArguments,
    published: (&Path, NaiveDate, Parts),
    output: &Output,
) -> Result<(), Failure> {
    write_to(address, &arguments.schema.schema, published, output)
}

/// Writes published files of a date into the database.
fn write_to(
    address: &Address,
    schema: &str,
    (out, as_of, parts): (&Path, NaiveDate, Parts),
    output: &Output,
) -> Result<(), Failure> {
    let (tables, wholes) = published_tables(out, as_of, parts)?;
    if tables.is_empty() {
        return Err(Failure::configuration(
            format!("{}: expected scores or an outlook of {as_of}, found neither", out.display()),
            format!("`bellwether score --as-of {as_of} --out {}` and `bellwether outlook` write them", out.display()),
        ));
    }
    let publication = Publication { as_of, schema: schema.to_owned(), tables, wholes };
    let written = output.step(
        "database",
        || write::publish(address, &publication).map_err(Failure::database),
        |tables| {
            let rows = tables.iter().map(|table| table.rows).sum();
            format!("{} rows in {} tables", grouped(rows), tables.len())
        },
    )?;
    for table in written {
        output.result(format_args!("{schema}.{}: {} rows of {as_of}", table.name, grouped(table.rows)));
    }
    Ok(())
}

/// The tables of a date as far as they are there, and which layouts are there whole.
fn published_tables(out: &Path, as_of: NaiveDate, parts: Parts) -> Result<(Vec<TableFiles>, Vec<String>), Failure> {
    let mut tables = Vec::new();
    let mut wholes = Vec::new();
    if parts != Parts::Outlook {
        let folder = bellwether_outlook::scored::partition(out, as_of);
        if let Some(files) = parquet_files(&folder)? {
            let files = files.into_iter().map(|(_, path)| path).collect();
            tables.push(TableFiles {
                name: "scores_v1".to_owned(),
                layout: "scores/v1".to_owned(),
                key: &["account_id"],
                files,
            });
            wholes.push("scores/v1".to_owned());
        }
    }
    if parts != Parts::Scores {
        let folder = bellwether_outlook::tables::partition(out, as_of);
        if let Some(files) = parquet_files(&folder)? {
            tables.extend(files.into_iter().map(|(name, path)| TableFiles {
                name: format!("outlook_v1_{name}"),
                layout: "outlook/v1".to_owned(),
                key: &[],
                files: vec![path],
            }));
            wholes.push("outlook/v1".to_owned());
        }
    }
    Ok((tables, wholes))
}

/// The Parquet files of a whole folder by name, sorted; `None` where the folder is not whole, or not there.
fn parquet_files(folder: &Path) -> Result<Option<Vec<(String, PathBuf)>>, Failure> {
    if !folder.join("_SUCCESS").is_file() {
        return Ok(None);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| Failure::io(folder, error))? {
        let path = entry.map_err(|error| Failure::io(folder, error))?.path();
        if path.extension().is_some_and(|ending| ending == "parquet") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, path));
        }
    }
    files.sort();
    Ok(Some(files))
}
