//! What an address leaves open: time limits, and where the password is.

use std::path::PathBuf;
use std::time::Duration;

use postgres::Config;
use postgres::config::Host;

use crate::address::{is_open_to_others, of_passfile};
use crate::error::PostgresError;

/// How long a server may take to answer at all.
const CONNECT: Duration = Duration::from_secs(15);
/// After how long a silent connection is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// After how long without an answer to what was sent it is given up.
const SILENCE: Duration = Duration::from_secs(120);

/// Fills in what was not given, so that a server that has gone away ends a run instead of holding it.
pub(crate) fn complete(config: &mut Config) {
    if config.get_application_name().is_none() {
        config.application_name("bellwether");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    config.keepalives_idle(KEEPALIVE);
}

/// `PGPASSWORD`, else the passfile (`PGPASSFILE`, else `~/.pgpass`), as libpq does.
pub(crate) fn password(config: &Config) -> Result<Option<String>, PostgresError> {
    if let Some(password) = std::env::var("PGPASSWORD").ok().filter(|password| !password.is_empty()) {
        return Ok(Some(password));
    }
    let named = std::env::var_os("PGPASSFILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
    let Some(path) = named.or_else(home).filter(|path| path.is_file()) else { return Ok(None) };
    let wrong = |found: String, hint| PostgresError::File {
        path: path.display().to_string(),
        expected: "a passfile that only its owner may read",
        found,
        hint,
    };
    if is_open_to_others(&path) {
        return Err(wrong("one that others may read".to_owned(), "chmod 600 makes it yours alone"));
    }
    let lines = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string(), "check its permissions"))?;
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    // libpq looks a Unix socket up as localhost.
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(_)) => "localhost".to_owned(),
        None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    };
    Ok(of_passfile(&lines, [&host, &port, database, user]))
}
