//! The address of a database: what connects, and what may be shown of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use postgres::config::{Host, SslMode};
use postgres::{Client, Config};

use crate::certificates::{self, Verification};
use crate::connect;
use crate::error::PostgresError;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
const PERCENT: &str = "characters such as @ : / ? # % in user or password are written as %40 %3A %2F %3F %23 %25; better, \
                       leave the password out and set PGPASSWORD";

/// A database. What it shows is never the password.
#[derive(Clone)]
pub struct Address {
    config: Config,
    verification: Verification,
    root_certificates: Option<PathBuf>,
}

impl Address {
    /// Whether a text is meant as an address of PostgreSQL.
    #[must_use]
    pub fn is_address(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?KEY=VALUE&...]`; no connection is made. `sslmode` is
    /// `disable`, `prefer` (the default), `require`, or `verify-full` (`verify-ca` is taken as that), `sslrootcert` a file of
    /// certificates to trust instead of the system's; `host` may be the folder of a Unix socket.
    ///
    /// ```
    /// use bellwether_postgres::Address;
    /// let address = Address::parse("postgres://ann:secret@db.example:5433/crm?sslmode=verify-full")?;
    /// assert_eq!(address.to_string(), "postgres://ann@db.example:5433/crm");
    /// assert!(!format!("{address:?}").contains("secret"));
    /// # Ok::<(), bellwether_postgres::PostgresError>(())
    /// ```
    ///
    /// # Errors
    /// [`PostgresError::Address`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, PostgresError> {
        let wrong = |found, hint| PostgresError::Address { found, hint };
        if !Self::is_address(text) {
            return Err(wrong("another beginning", "postgres:// or postgresql:// comes first"));
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        // Written plainly, a password's @ or / would make a host or a database of its rest, and those are shown.
        let (_, rest) = base.split_once("://").unwrap_or_default();
        let (_, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        if rest.matches('@').count() > 1 || place.matches('/').count() > 1 {
            return Err(wrong("an @ or / too many", PERCENT));
        }
        let (mut mode, mut root_certificates) = (None, None);
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => root_certificates = Some(PathBuf::from(decoded(value))),
                _ => others.push(pair),
            }
        }
        let query = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
        let mut config =
            Config::from_str(&format!("{base}{query}")).map_err(|_| wrong("parts that cannot be read", PERCENT))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let hint = "postgres://user@host/database, or postgres:///database?host=/var/run/postgresql for a socket";
            return Err(wrong("no host", hint));
        }
        let (mode, verification) = tls(mode.unwrap_or("prefer"), root_certificates.is_some())?;
        config.ssl_mode(mode);
        connect::complete(&mut config);
        Ok(Self { config, verification, root_certificates })
    }

    pub(crate) fn connect(&self) -> Result<Client, PostgresError> {
        let mut config = self.config.clone();
        if config.get_password().is_none()
            && let Some(password) = connect::password(&config)?
        {
            config.password(password);
        }
        let tls = certificates::connector(self.verification, self.root_certificates.as_deref())?;
        config.connect(tls).map_err(|error| PostgresError::server(self, "cannot connect", &error))
    }
}

/// What `sslmode` means, with or without certificates of one's own.
fn tls(mode: &str, has_root_certificates: bool) -> Result<(SslMode, Verification), PostgresError> {
    Ok(match (mode, has_root_certificates) {
        ("disable", _) => (SslMode::Disable, Verification::None),
        ("prefer", _) => (SslMode::Prefer, Verification::None),
        ("require", false) => (SslMode::Require, Verification::None),
        ("require", true) | ("verify-ca" | "verify-full", _) => (SslMode::Require, Verification::Full),
        _ => {
            let hint = "sslmode is disable, prefer, require or verify-full";
            return Err(PostgresError::Address { found: "an unknown sslmode", hint });
        }
    })
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(formatter, "{user}@")?;
        }
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts();
        for (index, host) in hosts.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) => write!(formatter, "{comma}{name}")?,
                Host::Unix(folder) => write!(formatter, "{comma}{}", folder.display())?,
            }
            let port = ports.get(index).or(ports.first()).filter(|port| **port != 5432);
            port.map_or(Ok(()), |port| write!(formatter, ":{port}"))?;
        }
        if hosts.is_empty() {
            let addresses: Vec<String> = self.config.get_hostaddrs().iter().map(ToString::to_string).collect();
            formatter.write_str(&addresses.join(","))?;
        }
        write!(formatter, "/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Address({self})")
    }
}

/// `%2F` and the like; what is no such sequence stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == b'%').then(|| after.get(..2).and_then(|two| std::str::from_utf8(two).ok())).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A line of a passfile, `host:port:database:user:password`, in which `*` is anything and `\` protects `:` and `\`
/// (PostgreSQL documentation, 34.16); the password of the first that fits.
pub(crate) fn of_passfile(lines: &str, wanted: [&str; 4]) -> Option<String> {
    lines.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let parts = passfile_parts(line);
        let [first, second, third, fourth, password] = parts.as_slice() else { return None };
        let fits = |(part, wanted): (&String, &str)| part == "*" || part == wanted;
        [first, second, third, fourth].into_iter().zip(wanted).all(fits).then(|| password.clone())
    })
}

fn passfile_parts(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let last = parts.len() - 1;
        match letter {
            '\\' => parts[last].extend(letters.next()),
            // The password is the rest, colons and all, as in libpq.
            ':' if last < 4 => parts.push(String::new()),
            letter => parts[last].push(letter),
        }
    }
    parts
}

/// Whether others than its owner may read a file.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|status| status.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_an_address_that_is_shown_is_secret() {
        let text = "postgresql://ann:p%40ss@one.example,two.example:5433/crm?password=other&sslmode=require";
        let address = Address::parse(text).unwrap();
        for shown in [address.to_string(), format!("{address:?}")] {
            assert!(!shown.contains("p@ss") && !shown.contains("p%40ss") && !shown.contains("other"), "{shown}");
            assert!(shown.contains("ann@one.example") && shown.contains("two.example"), "{shown}");
        }
        for text in [
            "postgres://ann:p@ss@host/db",
            "postgres://ann:secret@host/db/p@ss",
            "postgres://ann:p@ss/word@host/db?x=secret",
            "postgres://ann:secret@host:port/db",
            "mysql://a:secret@b",
        ] {
            let Err(error) = Address::parse(text) else { panic!("{text} is an address") };
            assert!(!error.to_string().contains("secret") && !error.to_string().contains("p@ss"), "{error}");
        }
        let socket = Address::parse("postgres://ann@/crm?host=/tmp/sockets&port=5433").unwrap();
        assert_eq!(socket.to_string(), "postgres://ann@/tmp/sockets:5433/crm");
        assert!(Address::parse("postgres://ann@host/db?sslmode=maybe").is_err());
        assert!(Address::parse("postgres:///db").is_err());
    }

    #[test]
    fn a_passfile_gives_the_password_of_the_first_line_that_fits() {
        let lines = "# comment\nhost:5432:crm:bob:one\n*:*:crm:ann:t\\:w\\\\o\n*:*:*:*:last\nbroken";
        let of = |wanted| of_passfile(lines, wanted);
        assert_eq!(of(["host", "5432", "crm", "bob"]).as_deref(), Some("one"));
        assert_eq!(of(["host", "5432", "crm", "ann"]).as_deref(), Some("t:w\\o"));
        assert_eq!(of(["x", "1", "y", "z"]).as_deref(), Some("last"));
        assert_eq!(of_passfile("host:5432:crm:bob:one", ["host", "5433", "crm", "bob"]), None);
    }

    #[test]
    fn sequences_are_decoded_and_nothing_else() {
        assert_eq!(decoded("%2Fetc%2fca.pem"), "/etc/ca.pem");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%c3%a4"), "%zzä");
    }
}
