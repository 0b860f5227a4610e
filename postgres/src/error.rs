//! What can go wrong between us and a database. No message holds a password, or the value of a cell.

use std::error::Error;

use postgres::error::SqlState;

/// What kind of failure an error is; binaries map it to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The address, a right, a name, a layout: no retry.
    Configuration,
    /// A value that cannot be read or written.
    Data,
    /// A disk, memory or a limit of rows.
    Resource,
    /// A server that is not there, a connection that broke, a lock that is held: retry.
    Transient,
}

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum PostgresError {
    /// The text is no address. What it is may be a password in the wrong place, so it is not repeated.
    #[error("expected an address such as postgres://user@host:5432/database, found one with {found}")]
    #[diagnostic(code(bellwether::postgres::address), help("{hint}"))]
    Address {
        /// What is wrong with it.
        found: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// Certificates, or the passfile, cannot be read.
    #[error("{path}: expected {expected}, found: {found}")]
    #[diagnostic(code(bellwether::postgres::file), help("{hint}"))]
    File {
        /// The file.
        path: String,
        /// What should be in it.
        expected: &'static str,
        /// What was there.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// The server, or the way to it.
    #[error("{address}: {doing}: {found}")]
    #[diagnostic(code(bellwether::postgres::server), help("{hint}"))]
    Server {
        /// The database, without a password.
        address: String,
        /// What was being done.
        doing: String,
        /// The server's words.
        found: String,
        /// What to do.
        hint: &'static str,
        /// What kind of failure that is.
        kind: FailureKind,
    },
    /// A table, column or row that is not as it must be.
    #[error("{place}: expected {expected}, found {found}")]
    #[diagnostic(code(bellwether::postgres::table), help("{hint}"))]
    Table {
        /// Database, table and column.
        place: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
        /// What to do.
        hint: String,
        /// What kind of failure that is.
        kind: FailureKind,
    },
    /// A file on this machine.
    #[error("{path}: cannot be read or written: {source}")]
    #[diagnostic(
        code(bellwether::postgres::io),
        help("{}", bellwether_staging::advice(source, "check the path, its permissions and the free space"))
    )]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl PostgresError {
    /// What kind of failure it is; that of [`PostgresError::Io`] is for who knows the system's errors to say.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Address { .. } | Self::File { .. } => FailureKind::Configuration,
            Self::Server { kind, .. } | Self::Table { kind, .. } => *kind,
            Self::Io { .. } => FailureKind::Transient,
        }
    }

    pub(crate) fn server(address: impl ToString, doing: impl Into<String>, error: &postgres::Error) -> Self {
        let (found, kind, hint) = told(error);
        Self::Server { address: address.to_string(), doing: doing.into(), found, hint, kind }
    }

    /// What a stream of rows ended with: the server's error is inside.
    pub(crate) fn stream(address: impl ToString, doing: impl Into<String>, error: &std::io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<postgres::Error>()) {
            Some(inner) => Self::server(address, doing, inner),
            None => Self::Server {
                address: address.to_string(),
                doing: doing.into(),
                found: error.to_string(),
                hint: LOST,
                kind: FailureKind::Transient,
            },
        }
    }
}

const LOST: &str = "nothing was changed; try again";
const UNREACHABLE: &str = "is the server up, and do host and port of the address name it?";

/// The words, the kind and the hint of an error.
fn told(error: &postgres::Error) -> (String, FailureKind, &'static str) {
    if let Some(error) = error.as_db_error() {
        let (kind, hint) = of_state(error.code());
        // The words of these two classes repeat values of cells.
        let found = match error.code().code().get(..2) {
            Some("22" | "23") => format!("a value that the server does not take (SQLSTATE {})", error.code().code()),
            _ => format!("{} (SQLSTATE {})", error.message(), error.code().code()),
        };
        return (found, kind, hint);
    }
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let found = causes.fold(error.to_string(), |mut text, cause| {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        text
    });
    let is = |beginning: &str| found.starts_with(beginning);
    if is("error performing TLS handshake") && !error.is_closed() {
        let hint = "sslmode, sslrootcert and the server's certificate must fit; docs/outlook/deliver.md says how";
        return (found, FailureKind::Configuration, hint);
    }
    if is("invalid configuration") || is("authentication error") {
        let hint = "give the password in PGPASSWORD, in a passfile or in the address";
        return (found, FailureKind::Configuration, hint);
    }
    (found, FailureKind::Transient, if error.is_closed() { LOST } else { UNREACHABLE })
}

/// What an SQLSTATE calls for (PostgreSQL documentation, appendix A).
fn of_state(state: &SqlState) -> (FailureKind, &'static str) {
    let code = state.code();
    match (code.get(..2).unwrap_or_default(), code) {
        ("28", _) => (FailureKind::Configuration, "user, password and pg_hba.conf must fit"),
        (_, "3D000") => (FailureKind::Configuration, "the address names a database that is not there"),
        (_, "42501") => (FailureKind::Configuration, "grant this user the right, or use another"),
        (_, "25006") => (FailureKind::Configuration, "the server is a read-only standby, or the query writes"),
        (_, "42P01" | "3F000") => (FailureKind::Configuration, "is the name right, and its schema in the search path?"),
        ("42" | "26" | "34" | "0A", _) => (FailureKind::Configuration, "try the query with psql"),
        ("53", "53300") => (FailureKind::Transient, "the server has no connection left; try again"),
        ("53" | "54", _) => (FailureKind::Resource, "the server has too little disk or memory for this"),
        ("22" | "23" | "21", _) => (FailureKind::Data, "cast the column in a query (`postgres = \"select ...\"`)"),
        ("40", _) | (_, "55P03") => (FailureKind::Transient, "another transaction was in the way; try again"),
        _ => (FailureKind::Transient, LOST),
    }
}
