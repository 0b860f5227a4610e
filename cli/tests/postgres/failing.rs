//! Servers that are not there, passwords that are wrong, tables that are not ours: an exit code, a line, and no secret.

use std::path::Path;

use crate::common::text;
use crate::published::{bellwether, export, scores};
use crate::server::{PASSWORD, PASSWORD_IN_ADDRESS, Server};

/// Runs, expects the exit code, and that neither stream has a password in it; gives what was said.
fn fails(folder: &Path, arguments: &[&str], password: &str, code: i32) -> String {
    let output = bellwether(folder, arguments, password);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    for secret in [PASSWORD, PASSWORD_IN_ADDRESS, "wrong-secret"] {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

fn to(address: &str) -> [&str; 7] {
    ["export", "--as-of", "2026-01-31", "--out", "out", "--to", address]
}

#[test]
fn what_cannot_be_reached_is_transient_and_what_is_wrong_is_configuration() {
    let name = "what_cannot_be_reached_is_transient_and_what_is_wrong_is_configuration";
    let Some(server) = Server::start(name, false) else { return };
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    scores(&folder.join("out"), "2026-01-31", 10, "one");
    let address = server.address("");

    let said = fails(folder, &to(&address), "wrong-secret", 2);
    assert!(said.contains("password authentication failed") && said.contains("28P01"), "{said}");
    let with_wrong = address.replace("bellwether@", "bellwether:wrong-secret@");
    fails(folder, &to(&with_wrong), PASSWORD, 2);
    let with_right = address.replace("bellwether@", &format!("bellwether:{PASSWORD_IN_ADDRESS}@"));
    assert!(bellwether(folder, &to(&with_right), "wrong-secret").status.success(), "the address comes first");
    fails(folder, &to(&address.replace("/postgres", "/nowhere")), PASSWORD, 2);
    fails(folder, &to(&server.address("?sslmode=require")), PASSWORD, 2);

    // Nobody listens on the discard port of the loopback.
    let said = fails(folder, &to("postgres://bellwether:wrong-secret@127.0.0.1:9/postgres"), "", 75);
    assert!(said.contains("postgres://bellwether@127.0.0.1:9/postgres"), "{said}");
    fails(folder, &to("postgres://bellwether@/postgres?host=/nowhere"), PASSWORD, 75);

    for wrong in
        ["postgres://bellwether:wrong-secret@host:port/db", "mysql://me:wrong-secret@host/db", "excel", "postgres://"]
    {
        let said = fails(folder, &to(wrong), PASSWORD, 2);
        assert!(said.contains("--to: expected"), "{said}");
    }
    // What is not there is said before anything is written.
    fails(folder, &["export", "--as-of", "2026-02-01", "--out", "out", "--to", &address], PASSWORD, 2);
    fails(folder, &[&to(&address)[..], &["--changed-only"]].concat(), PASSWORD, 2);
    fails(folder, &[&to(&address)[..], &["--schema", "pg_mine"]].concat(), PASSWORD, 2);

    passfile(folder, &server);
}

/// The password of a passfile, which nobody else may read.
fn passfile(folder: &Path, server: &Server) {
    let path = folder.join("passfile");
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    std::fs::write(&path, format!("*:{}:*:bellwether:{escaped}\n", server.port)).unwrap();
    let address = server.address("");
    let run = || {
        let mut command = crate::published::command(folder, &to(&address), "");
        command.env("PGPASSFILE", &path).output().unwrap()
    };
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(&path, mode(0o644)).unwrap();
    let output = run();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    std::fs::set_permissions(&path, mode(0o600)).unwrap();
    let output = run();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_table_that_is_not_ours_or_of_another_version_is_refused() {
    let name = "a_table_that_is_not_ours_or_of_another_version_is_refused";
    let Some(server) = Server::start(name, false) else { return };
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    scores(&folder.join("out"), "2026-01-31", 10, "one");
    let address = server.address("");
    let mut client = server.client();
    let mut sql = |sql: &str| client.batch_execute(sql).unwrap();

    sql("CREATE SCHEMA bellwether; CREATE TABLE bellwether.scores_v1 (account_id text)");
    let said = fails(folder, &to(&address), PASSWORD, 2);
    assert!(said.contains("bellwether scores/v1") && said.contains("not ours"), "{said}");
    sql("DROP TABLE bellwether.scores_v1; CREATE VIEW bellwether.scores_v1 AS SELECT 1 AS account_id");
    fails(folder, &to(&address), PASSWORD, 2);
    sql("DROP VIEW bellwether.scores_v1");
    export(&server, folder, "2026-01-31");

    sql("COMMENT ON TABLE bellwether.scores_v1 IS 'bellwether scores/v2'");
    let said = fails(folder, &to(&address), PASSWORD, 2);
    assert!(said.contains("scores/v2") && said.contains("another version"), "{said}");
    sql("COMMENT ON TABLE bellwether.scores_v1 IS 'bellwether scores/v1'");
    sql("ALTER TABLE bellwether.scores_v1 ALTER mrr TYPE numeric");
    let said = fails(folder, &to(&address), PASSWORD, 2);
    assert!(said.contains("`mrr`: expected type double precision, found type numeric"), "{said}");
    sql("ALTER TABLE bellwether.scores_v1 ALTER mrr TYPE double precision");
    sql(
        "ALTER TABLE bellwether.scores_v1 ADD mine text NOT NULL DEFAULT ''; ALTER TABLE bellwether.scores_v1 ALTER mine DROP DEFAULT",
    );
    fails(folder, &to(&address), PASSWORD, 2);

    // A column of somebody's own may be null; one that the table lacks is added.
    sql(
        "ALTER TABLE bellwether.scores_v1 ALTER mine DROP NOT NULL; ALTER TABLE bellwether.scores_v1 DROP COLUMN health",
    );
    export(&server, folder, "2026-01-31");
    let row = "SELECT count(*), count(health), count(mine) FROM bellwether.scores_v1";
    let row = server.client().query_one(row, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (10, 10, 0));

    // Somebody else is writing to the same schema.
    let mut other = server.client();
    other.execute("SELECT pg_advisory_lock($1)", &[&lock("bellwether:bellwether")]).unwrap();
    let said = fails(folder, &to(&address), PASSWORD, 75);
    assert!(said.contains("no other run"), "{said}");
    drop(other);
    sql("CREATE ROLE visitor LOGIN PASSWORD 'wrong-secret'");
    let visitor = address.replace("bellwether@", "visitor@");
    let said = fails(folder, &to(&visitor), "wrong-secret", 2);
    assert!(said.contains("42501"), "{said}");
}

/// FNV-1a, 64 bits.
fn lock(name: &str) -> i64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
    name.bytes().fold(14_695_981_039_346_656_037, step).cast_signed()
}

#[test]
fn certificates_are_asked_for_as_sslmode_says() {
    let Some(server) = Server::start("certificates_are_asked_for_as_sslmode_says", true) else { return };
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    scores(&folder.join("out"), "2026-01-31", 10, "one");
    let root = server.folder().join("server.pem");
    std::fs::copy(&root, folder.join("root.pem")).unwrap();
    let named = server.address("").replace("127.0.0.1", "localhost");
    for query in
        ["", "?sslmode=require", "?sslmode=verify-full&sslrootcert=root.pem", "?sslrootcert=root.pem&sslmode=require"]
    {
        let output = bellwether(folder, &to(&format!("{named}{query}")), PASSWORD);
        assert!(output.status.success(), "{query}: {}", text(&output.stderr));
    }
    // Not signed by anyone whom the system trusts; and a certificate of another name.
    let said = fails(folder, &to(&format!("{named}?sslmode=verify-full")), PASSWORD, 2);
    assert!(said.contains("certificate"), "{said}");
    fails(folder, &to(&server.address("?sslmode=verify-full&sslrootcert=root.pem")), PASSWORD, 2);
    fails(folder, &to(&format!("{named}?sslmode=verify-full&sslrootcert=nowhere.pem")), PASSWORD, 2);
}
