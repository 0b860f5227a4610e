//! What can go wrong between the files and the facts. Messages name file, row and column, never the content of a cell.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use crate::contract::{FailureKind, TableContract, TableName};

/// Why tables could not be read.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum ReadError {
    /// A table's path matches nothing.
    #[error("table `{table}`: expected a file that matches `{pattern}`, found none")]
    #[diagnostic(code(bellwether::read::no_files))]
    NoFiles {
        /// The table.
        table: TableName,
        /// The path as written.
        pattern: String,
        /// What is there instead.
        #[help]
        hint: Option<String>,
    },
    /// A table of a database whose rows nobody has fetched.
    #[error("table `{table}`: expected the rows of a table of a database, found that they were not fetched")]
    #[diagnostic(code(bellwether::read::not_fetched), help("`TableContract::fetched` names the file that has them"))]
    NotFetched {
        /// The table.
        table: TableName,
    },
    /// Neither Parquet nor CSV.
    #[error("{}: expected Parquet or CSV (.csv, .tsv, .txt, also .gz), found neither", file.display())]
    #[diagnostic(code(bellwether::read::unknown_format), help("is the path of this table right?"))]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// The table that it was read for, once known.
        table: Option<TableName>,
    },
    /// A file that breaks its own format: truncated, corrupted, empty.
    #[error("{}: cannot be decoded: {cause}", file.display())]
    #[diagnostic(
        code(bellwether::read::undecodable),
        help("the file is damaged or incomplete: write or fetch it again")
    )]
    Undecodable {
        /// The file.
        file: PathBuf,
        /// The decoder's words.
        cause: String,
        /// The table that it was read for, once known.
        table: Option<TableName>,
    },
    /// A file is not the one that its `.sha256` was written for.
    #[error(
        "{}: its sha256 is {found}, and {} says {expected}: the file changed after its digest was written",
        file.display(), digest_file.display()
    )]
    #[diagnostic(
        code(bellwether::read::changed),
        help("fetch or write the file again, or remove the .sha256 if the change is meant")
    )]
    Changed {
        /// The file.
        file: PathBuf,
        /// Where its digest is.
        digest_file: PathBuf,
        /// The digest that was written.
        expected: String,
        /// The file's own.
        found: String,
        /// The table that it was read for, once known.
        table: Option<TableName>,
    },
    /// What stands beside a file as its digest is none.
    #[error("{}: expected the sha256 of {} as `sha256sum` writes it, found {found}", digest_file.display(), file.display())]
    #[diagnostic(
        code(bellwether::read::digest_file),
        help("write it again with sha256sum, or remove it: the file is then read without this check")
    )]
    DigestFile {
        /// The file.
        file: PathBuf,
        /// What should be its digest.
        digest_file: PathBuf,
        /// What it is.
        found: &'static str,
        /// The table that it was read for, once known.
        table: Option<TableName>,
    },
    /// A table without a single row.
    #[error("table `{table}`: {files} file(s), and no row that belongs to the table ({filtered} left out by `where`)")]
    #[diagnostic(
        code(bellwether::read::empty),
        help("remove the section if the business has no such data; check `where` and the files if it has")
    )]
    Empty {
        /// The table.
        table: TableName,
        /// Files read.
        files: usize,
        /// Rows for which `where` was not true.
        filtered: u64,
    },
    /// Columns that the contract names, or that every table needs, are not in a file.
    #[error("{}: table `{table}`: expected {}, found no column of that name", file.display(), columns.join(", "))]
    #[diagnostic(code(bellwether::read::missing_columns))]
    MissingColumns {
        /// The table.
        table: TableName,
        /// The file.
        file: PathBuf,
        /// Each missing column, in words.
        columns: Vec<String>,
        /// The key below the table that asks for the first of them, e.g. `["columns", "at"]`.
        key: Box<[&'static str]>,
        /// Nearest names, or what the file has.
        #[help]
        hint: Option<String>,
    },
    /// A column of a type that cannot be what it should be.
    #[error("{}: table `{table}`, column `{column}`: expected {expected}, found {found}", file.display())]
    #[diagnostic(code(bellwether::read::wrong_type))]
    WrongType {
        /// The table.
        table: TableName,
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// The key below the table that asks for it, e.g. `["columns", "at"]`.
        key: Box<[&'static str]>,
        /// What it should be.
        expected: Box<str>,
        /// Its type in the file.
        found: &'static str,
        /// What to do.
        #[help]
        hint: &'static str,
    },
    /// A CSV header names a column twice, and the contract uses it.
    #[error("{}: the header names {} more than once", file.display(), columns.join(", "))]
    #[diagnostic(
        code(bellwether::read::duplicate_header),
        help("which of them is meant cannot be told: rename one in the file")
    )]
    DuplicateHeader {
        /// The file.
        file: PathBuf,
        /// The columns, quoted.
        columns: Vec<String>,
        /// The table that it was read for, once known.
        table: Option<TableName>,
    },
    /// A quote in a CSV file is opened and never closed, so that rows are swallowed.
    #[error("{}: a quote opened in row {row} (line {line}) is never closed", file.display())]
    #[diagnostic(
        code(bellwether::read::open_quote),
        help("the rest of the file would become one cell: close the quote, or write \"\" for a quote within a cell")
    )]
    OpenQuote {
        /// The file.
        file: PathBuf,
        /// Row, from 1, the header not counted.
        row: u64,
        /// Line, from 1.
        line: u64,
        /// The table that it was read for, once known.
        table: Option<TableName>,
    },
    /// More rows than the contract allows.
    #[error("table `{table}`: {} brings it to {rows} rows; at most {limit} are read", file.display())]
    #[diagnostic(
        code(bellwether::read::too_many_rows),
        help("if that is how many there are, raise `max_rows` of the table; each million rows needs about 100 MB")
    )]
    TooManyRows {
        /// The table.
        table: TableName,
        /// The file.
        file: PathBuf,
        /// Rows so far.
        rows: u64,
        /// The limit.
        limit: u64,
    },
    /// The data break the contract at `as_of`.
    #[error("the data break the contract:\n{}", reasons.join("\n"))]
    #[diagnostic(
        code(bellwether::read::gate),
        help(
            "`bellwether check` lists every rule; raise `error_if_pct` or set `on_violation` only if the rows may be lost"
        )
    )]
    Gate {
        /// One line per reason.
        reasons: Vec<String>,
    },
    /// A file cannot be opened, read or written.
    #[error("{}: {cause}", file.display())]
    #[diagnostic(code(bellwether::read::io), help("check that it is there and may be read or written"))]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// The system's words.
        cause: String,
        /// What kind of failure that is.
        kind: FailureKind,
        /// The table that it was read for, once known.
        table: Option<TableName>,
    },
}

impl ReadError {
    pub(crate) fn io(file: &Path, cause: &std::io::Error) -> Self {
        let kind = match cause.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists
            | ErrorKind::InvalidFilename => FailureKind::Configuration,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge | ErrorKind::OutOfMemory => {
                FailureKind::Resource
            }
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => FailureKind::Data,
            _ => FailureKind::Io,
        };
        Self::Io { file: file.to_path_buf(), cause: cause.to_string(), kind, table: None }
    }

    pub(crate) fn undecodable(file: &Path, cause: impl Into<Cause>) -> Self {
        Self::Undecodable { file: file.to_path_buf(), cause: cause.into().0, table: None }
    }

    /// Says for which table the file was read, where that is not known yet.
    pub(crate) fn of_table(mut self, name: TableName) -> Self {
        if let Self::UnknownFormat { table, .. }
        | Self::Undecodable { table, .. }
        | Self::Changed { table, .. }
        | Self::DigestFile { table, .. }
        | Self::DuplicateHeader { table, .. }
        | Self::OpenQuote { table, .. }
        | Self::Io { table, .. } = &mut self
        {
            table.get_or_insert(name);
        }
        self
    }

    /// As [`ReadError::of_table`]; a table that comes from a database is named by it, and not by the file that it was
    /// fetched into.
    pub(crate) fn in_table(self, contract: &TableContract) -> Self {
        let mut error = self.of_table(contract.name);
        let Some(database) = &contract.database else { return error };
        if let Self::UnknownFormat { file, .. }
        | Self::Undecodable { file, .. }
        | Self::Changed { file, .. }
        | Self::DigestFile { file, .. }
        | Self::MissingColumns { file, .. }
        | Self::WrongType { file, .. }
        | Self::DuplicateHeader { file, .. }
        | Self::OpenQuote { file, .. }
        | Self::TooManyRows { file, .. }
        | Self::Io { file, .. } = &mut error
        {
            *file = database.shown(contract);
        }
        error
    }

    /// Which exit code it calls for.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::TooManyRows { .. } => FailureKind::Resource,
            Self::Io { kind, .. } => *kind,
            Self::NotFetched { .. } => FailureKind::Configuration,
            _ => FailureKind::Data,
        }
    }

    /// The key of the project file that has to do with it, for pointing at its line.
    #[must_use]
    pub fn key(&self) -> Option<Vec<String>> {
        let (table, parts): (TableName, &[&str]) = match self {
            Self::NoFiles { table, .. } => (*table, &["path"]),
            Self::NotFetched { table } => (*table, &["postgres"]),
            Self::MissingColumns { table, key, .. } | Self::WrongType { table, key, .. } => (*table, key),
            Self::TooManyRows { table, .. } => (*table, &["max_rows"]),
            Self::Empty { table, filtered, .. } => (*table, if *filtered > 0 { &["where"] } else { &["path"] }),
            Self::UnknownFormat { table, .. }
            | Self::Undecodable { table, .. }
            | Self::Changed { table, .. }
            | Self::DigestFile { table, .. }
            | Self::DuplicateHeader { table, .. }
            | Self::OpenQuote { table, .. }
            | Self::Io { table, .. } => ((*table)?, &["path"]),
            Self::Gate { .. } => return None,
        };
        Some(["tables", table.as_str()].iter().chain(parts).map(|part| (*part).to_owned()).collect())
    }
}

/// A decoder's words, from whatever it gives.
pub(crate) struct Cause(String);

impl From<&str> for Cause {
    fn from(words: &str) -> Self {
        Self(words.to_owned())
    }
}

impl From<String> for Cause {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl From<std::io::Error> for Cause {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}
