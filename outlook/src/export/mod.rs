//! Scores and outlook of a date as files that customer-success tools import.
//!
//! No credentials and no network: the files are what a tool's own loader, or three lines of curl, sends. Only columns that
//! stay what they are while an account stays what it is are in them: no run ids, no clock times, no `as_of`, no model
//! version, numbers rounded ([`PROBABILITY_DECIMALS`], [`MONEY_DECIMALS`], [`EXPECTED_DIGITS`]). So an unchanged account is an unchanged row,
//! and [`ExportRequest::changed_only`] leaves it out.
//!
//! An account that was scored before and is not any more (it left, or is not eligible) is in a removal file. Where the tool
//! documents how a field is cleared, that file clears our fields; elsewhere it lists the ids. No record of a tool is ever
//! deleted by what we write.

mod csv;
mod file;
mod json;
mod rows;
mod tool;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bellwether_staging::Staging;
use chrono::NaiveDate;
use serde::Serialize;

use crate::scored::{self, ScoresReadError};

pub use file::FileEntry;
pub use rows::{
    Cell, ColumnKind, EXPECTED_DIGITS, ExportColumn, ExportTable, MONEY_DECIMALS, PROBABILITY_DECIMALS, REASONS,
    check_outlook,
};
pub use tool::Tool;

/// The version of what stands in an export's folder.
pub const FORMAT_VERSION: u32 = 1;

/// What an export says about itself.
const MANIFEST: &str = "manifest.json";
/// The empty file that says that a folder is whole.
const SUCCESS: &str = "_SUCCESS";
/// Files of rows, and files of accounts that left.
const STEMS: [&str; 2] = ["accounts", "removed"];

/// What to export.
#[derive(Debug, Clone)]
pub struct ExportRequest<'a> {
    /// The folder that was given to `bellwether score` as `--out`; the export goes below it.
    pub out: &'a Path,
    /// Date of the scores.
    pub as_of: NaiveDate,
    /// For which tool.
    pub tool: Tool,
    /// The date to compare with; `None`: the last one before `as_of` that was scored, if there is any.
    pub previous: Option<NaiveDate>,
    /// Only rows that differ from those of the previous date.
    pub changed_only: bool,
    /// Our column to the tool's field; `None` leaves the column out. Columns that are not in it keep their names.
    pub mapping: BTreeMap<String, Option<String>>,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSummary {
    /// The folder.
    pub folder: PathBuf,
    /// Accounts with scores at the date.
    pub accounts: u64,
    /// Rows written.
    pub written: u64,
    /// Accounts that were there at the previous date and are not any more.
    pub removed: u64,
    /// The date that was compared with.
    pub previous: Option<NaiveDate>,
    /// Names of the files, in order.
    pub files: Vec<String>,
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ExportError {
    /// The scores cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Scores(#[from] ScoresReadError),
    /// The date to compare with is not before the date.
    #[error("--previous: expected a date before {as_of}, found {previous}")]
    #[diagnostic(code(bellwether::export::previous), help("leave it out for the last scores before {as_of}"))]
    Previous {
        /// Date of the export.
        as_of: NaiveDate,
        /// Date given.
        previous: NaiveDate,
    },
    /// The mapping names a column that there is not, twice the same field, or leaves out the id.
    #[error("mapping: `{column}`: {found}")]
    #[diagnostic(code(bellwether::export::mapping), help("{hint}"))]
    Mapping {
        /// Our column.
        column: String,
        /// Expected and found.
        found: String,
        /// What to do.
        hint: String,
    },
    /// A name that the tool does not take for a field.
    #[error("column `{column}`: expected a field name that {tool} takes ({rule}), found `{field}`")]
    #[diagnostic(code(bellwether::export::field), help("name the field of this column in --mapping"))]
    Field {
        /// Our column.
        column: String,
        /// The tool.
        tool: &'static str,
        /// Its rule.
        rule: &'static str,
        /// The name that it would have.
        field: String,
    },
    /// A folder that is no export stands in the way.
    #[error("{path}: expected a folder of an earlier export, or none, found `{found}` in it")]
    #[diagnostic(code(bellwether::export::in_the_way), help("give another --out, or move what is there"))]
    InTheWay {
        /// The folder.
        path: String,
        /// What is not an export's.
        found: String,
    },
    /// The disk.
    #[error("{path}: cannot be written: {source}")]
    #[diagnostic(code(bellwether::export::io), help("{}", bellwether_staging::advice(source, "try again")))]
    Io {
        /// What was being written.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

#[derive(Serialize)]
struct Manifest<'a> {
    format_version: u32,
    tool: &'static str,
    as_of: String,
    previous: Option<String>,
    changed_only: bool,
    accounts: u64,
    fields: Vec<ManifestField<'a>>,
    files: &'a [FileEntry],
}

#[derive(Serialize)]
struct ManifestField<'a> {
    column: &'a str,
    field: &'a str,
    kind: ColumnKind,
}

/// The folder of an export below `out`.
#[must_use]
pub fn folder(out: &Path, tool: Tool, as_of: NaiveDate) -> PathBuf {
    out.join("exports").join("v1").join(tool.name()).join(format!("as_of={as_of}"))
}

/// Writes the files of a tool into their folder, which appears whole or not at all; an earlier export there is replaced.
///
/// # Errors
/// [`ExportError`]; then nothing has changed.
pub fn export(request: &ExportRequest<'_>) -> Result<ExportSummary, ExportError> {
    let folder = folder(request.out, request.tool, request.as_of);
    check_place(&folder)?;
    let previous = previous_date(request)?;
    let mut table = ExportTable::read(request.out, request.as_of)?;
    let fields = fields(&mut table, request)?;
    let before = previous.map(|date| ExportTable::read_earlier(request.out, date)).transpose()?;
    let before = before.map(|before| before.with_columns(&table.columns));
    let changed = table.changed_since(before.as_ref().filter(|_| request.changed_only));
    let removed = before.as_ref().map(|before| before.ids_not_in(&table)).unwrap_or_default();
    let failed = |source: std::io::Error| ExportError::Io { path: folder.display().to_string(), source };
    let staging = Staging::folder(&folder).map_err(failed)?;
    let layout = file::Layout { tool: request.tool, columns: &table.columns, fields: &fields };
    let mut files = file::write(staging.path(), STEMS[0], &layout, changed.iter().copied()).map_err(failed)?;
    let cleared = table.columns.iter().map(|_| Cell::Null).collect::<Vec<_>>();
    let removed_rows = removed.iter().map(|id| (*id, cleared.as_slice()));
    files.extend(file::write_removed(staging.path(), STEMS[1], &layout, removed_rows).map_err(failed)?);
    let manifest = manifest(request, previous, &table, &fields, &files);
    file::write_whole(&staging.path().join(MANIFEST), &manifest).map_err(failed)?;
    file::write_whole(&staging.path().join(SUCCESS), &[]).map_err(failed)?;
    staging.publish_over().map_err(failed)?;
    Ok(ExportSummary {
        folder,
        accounts: table.rows.len() as u64,
        written: changed.len() as u64,
        removed: removed.len() as u64,
        previous,
        files: files.into_iter().map(|file| file.name).collect(),
    })
}

fn manifest(
    request: &ExportRequest<'_>,
    previous: Option<NaiveDate>,
    table: &ExportTable,
    fields: &[String],
    files: &[FileEntry],
) -> Vec<u8> {
    let id = ManifestField { column: "account_id", field: &fields[0], kind: ColumnKind::Text };
    let others = table.columns.iter().zip(&fields[1..]);
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        tool: request.tool.name(),
        as_of: request.as_of.to_string(),
        previous: previous.map(|date| date.to_string()),
        changed_only: request.changed_only && previous.is_some(),
        accounts: table.rows.len() as u64,
        fields: std::iter::once(id)
            .chain(others.map(|(column, field)| ManifestField { column: &column.name, field, kind: column.kind }))
            .collect(),
        files,
    };
    let mut bytes = Vec::new();
    // Writing texts and numbers into memory cannot fail.
    let _ = serde_json::to_writer_pretty(&mut bytes, &manifest);
    bytes.push(b'\n');
    bytes
}

fn previous_date(request: &ExportRequest<'_>) -> Result<Option<NaiveDate>, ExportError> {
    match request.previous {
        Some(previous) if previous >= request.as_of => Err(ExportError::Previous { as_of: request.as_of, previous }),
        Some(previous) => Ok(Some(previous)),
        None => Ok(scored::dates(request.out)?.into_iter().rfind(|date| *date < request.as_of)),
    }
}

/// The tool's field of the id, then of each column; columns that the mapping leaves out are taken out of the table.
fn fields(table: &mut ExportTable, request: &ExportRequest<'_>) -> Result<Vec<String>, ExportError> {
    let mapping = &request.mapping;
    for column in mapping.keys() {
        let known = || std::iter::once("account_id").chain(table.columns.iter().map(|column| column.name.as_str()));
        if !known().any(|name| name == column) {
            return Err(ExportError::Mapping {
                column: column.clone(),
                found: "expected a column of the export, found none of that name".to_owned(),
                hint: format!("there are {}", known().collect::<Vec<_>>().join(", ")),
            });
        }
    }
    if mapping.get("account_id").is_some_and(Option::is_none) {
        return Err(ExportError::Mapping {
            column: "account_id".to_owned(),
            found: "expected a field, since a row without its id is nobody's, found that it is left out".to_owned(),
            hint: "name the field that holds your own account ids".to_owned(),
        });
    }
    table.leave_out(|name| mapping.get(name).is_some_and(Option::is_none));
    let tool = request.tool;
    let names = std::iter::once("account_id").chain(table.columns.iter().map(|column| column.name.as_str()));
    let mut fields: Vec<String> = Vec::with_capacity(table.columns.len() + 1);
    for name in names {
        let field = match mapping.get(name) {
            Some(Some(field)) => field.clone(),
            _ => tool.checked_field(name)?,
        };
        if field.is_empty() || fields.contains(&field) {
            return Err(ExportError::Mapping {
                column: name.to_owned(),
                found: format!("expected a field of its own, found `{field}`"),
                hint: "every column needs a field; `column = false` leaves one out".to_owned(),
            });
        }
        fields.push(field);
    }
    Ok(fields)
}

/// Whether an export may stand in this folder.
///
/// # Errors
/// [`ExportError::InTheWay`] for a folder with anything else in it.
pub fn check_place(folder: &Path) -> Result<(), ExportError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    match names.into_iter().find(|name| !is_ours(name)) {
        Some(found) => Err(ExportError::InTheWay { path: folder.display().to_string(), found }),
        None => Ok(()),
    }
}

fn is_ours(name: &str) -> bool {
    let is_part = || {
        let (stem, rest) = name.split_once('-')?;
        let (number, extension) = rest.split_once('.')?;
        let digits = number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
        (STEMS.contains(&stem) && digits && ["csv", "jsonl"].contains(&extension)).then_some(())
    };
    name == MANIFEST || name == SUCCESS || is_part().is_some()
}
