//! A PostgreSQL server of a test's own: a new cluster in a temporary folder, on a free port of the loopback and a Unix
//! socket, ended by its process id.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use tempfile::TempDir;

use crate::common::{skipped, text};

pub(crate) const PASSWORD: &str = "no-Secret-of-anybody's:@/";
/// The same as an address writes it.
pub(crate) const PASSWORD_IN_ADDRESS: &str = "no-Secret-of-anybody's%3A%40%2F";

pub(crate) struct Server {
    folder: TempDir,
    process: Child,
    pub(crate) port: u16,
}

/// Who may run a server: root may not.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Server {
    /// A server with TLS if `with_tls`; `None`, said loudly, where PostgreSQL is not installed.
    pub(crate) fn start(test: &str, with_tls: bool) -> Option<Self> {
        let Some(programs) = programs() else {
            skipped(test, "PostgreSQL (initdb and postgres), at BELLWETHER_POSTGRES_BIN or where packages put it");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let user = user();
        std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
        if with_tls {
            certificate(folder.path());
        }
        let mut owned = vec![folder.path().to_owned()];
        owned.extend(std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()));
        if let Some(user) = user {
            owned.iter().for_each(|path| chown(path, Some(user.uid), Some(user.gid)).unwrap());
        }
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(folder.path()).env("LC_ALL", "C");
            if let Some(user) = user {
                command.uid(user.uid).gid(user.gid);
            }
            command
        };
        let initdb = ["-D", "data", "-U", "bellwether", "-A", "scram-sha-256", "--pwfile=password", "-E", "UTF8"];
        let made = program("initdb").args(initdb).args(["--locale=C", "--no-sync"]).output().unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        // Free now; nobody else on this machine asks for it in the next second.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = program("postgres");
        server.args(["-D", "data", "-h", "127.0.0.1", "-p", &port.to_string(), "-k"]).arg(folder.path());
        server.args(["-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=20"]);
        if with_tls {
            server.args(["-c", "ssl=on", "-c", "ssl_cert_file=../server.pem", "-c", "ssl_key_file=../server.key"]);
        }
        let process = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut server = Self { folder, process, port };
        server.wait();
        Some(server)
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.try_connect() {
            assert!(self.process.try_wait().unwrap().is_none(), "the server has ended: {error}");
            assert!(Instant::now() < deadline, "{error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn try_connect(&self) -> Result<Client, postgres::Error> {
        let mut config = postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("bellwether").password(PASSWORD).dbname("postgres");
        config.connect(NoTls)
    }

    /// A connection of the test's own.
    pub(crate) fn client(&self) -> Client {
        self.try_connect().unwrap()
    }

    /// The address without a password, and what follows `?`.
    pub(crate) fn address(&self, query: &str) -> String {
        format!("postgres://bellwether@127.0.0.1:{}/postgres{query}", self.port)
    }

    /// The folder of the Unix socket, and of the certificate.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_raw(self.process.id().cast_signed());
        let signal = |signal| {
            if let Some(id) = id {
                let _ = rustix::process::kill_process(id, signal);
            }
        };
        // SIGINT is a fast shutdown: open transactions are rolled back.
        signal(rustix::process::Signal::INT);
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        signal(rustix::process::Signal::QUIT);
        let _ = self.process.wait();
    }
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let given = std::env::var_os("BELLWETHER_POSTGRES_BIN").map(PathBuf::from);
    let mut packaged: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    packaged.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let all = given.into_iter().chain(packaged.into_iter().rev().map(|(_, path)| path)).chain(on_path);
    all.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// Whom to run it as: `None` for whoever runs the test, unless that is root.
fn user() -> Option<User> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let number = |flag: &str, name: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, name]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let of = |name: &str| Some(User { uid: number("-u", name)?, gid: number("-g", name)? });
    Some(of("postgres").or_else(|| of("nobody")).expect("a user who is not root"))
}

/// A certificate of `localhost`, signed by itself.
fn certificate(folder: &Path) {
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.pem"])
        .args(["-days", "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.join("server.key"), private).unwrap();
}
