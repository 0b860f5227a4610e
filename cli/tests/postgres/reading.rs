//! A business whose tables lie in a database is the business whose tables lie in files.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use chrono::DateTime;
use postgres::Client;

use crate::common::{files, read_parquet, succeed, text, texts};
use crate::published::bellwether;
use crate::server::{PASSWORD, Server};

/// A cell as `COPY ... (FORMAT csv)` takes it.
fn cell(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return String::new();
    }
    match column.data_type() {
        DataType::Utf8 => format!("\"{}\"", column.as_string::<i32>().value(row).replace('"', "\"\"")),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Timestamp(..) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339()
        }
        other => panic!("{other}"),
    }
}

fn sql_type(kind: &DataType) -> &'static str {
    match kind {
        DataType::Utf8 => "text",
        DataType::Float64 => "double precision",
        DataType::Int32 => "integer",
        DataType::Boolean => "boolean",
        DataType::Timestamp(..) => "timestamptz",
        other => panic!("{other}"),
    }
}

/// Makes a table of the rows of Parquet files, by SQL and CSV: nothing of what is tested.
fn load(client: &mut Client, table: &str, batches: &[RecordBatch]) {
    let schema = batches[0].schema();
    let columns: Vec<String> =
        schema.fields().iter().map(|field| format!("\"{}\" {}", field.name(), sql_type(field.data_type()))).collect();
    client.batch_execute(&format!("CREATE TABLE {table} ({})", columns.join(", "))).unwrap();
    let mut writer = client.copy_in(&format!("COPY {table} FROM STDIN (FORMAT csv)")).unwrap();
    for batch in batches {
        let mut lines = String::new();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = batch.columns().iter().map(|column| cell(column, row)).collect();
            let _ = writeln!(lines, "{}", cells.join(","));
        }
        writer.write_all(lines.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
}

/// The files of a table of the simulated business, sorted.
fn table_files(business: &Path, path: &str) -> Vec<PathBuf> {
    let pattern = business.join(path);
    let Some(folder) = path.strip_suffix("*.parquet") else { return vec![pattern] };
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(business.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    found.sort();
    found
}

/// The project file with every table in the database: some by name, some by a query; returns what it was.
fn into_database(business: &Path, client: &mut Client) {
    client.batch_execute("CREATE SCHEMA app").unwrap();
    let source = std::fs::read_to_string(business.join("bellwether.toml")).unwrap();
    let mut project = String::new();
    let mut table = String::new();
    for line in source.lines() {
        if let Some(name) = line.strip_prefix("[tables.") {
            name.trim_end_matches(']').clone_into(&mut table);
        }
        if line.starts_with("[project]") {
            let _ = writeln!(project, "{line}\npostgres_url = \"${{TEST_DATABASE}}\"");
            continue;
        }
        let Some(path) = line.strip_prefix("path = \"") else {
            let _ = writeln!(project, "{line}");
            continue;
        };
        let path = path.split('"').next().unwrap();
        let batches: Vec<RecordBatch> =
            table_files(business, path).iter().flat_map(|path| read_parquet(path)).collect();
        load(client, &format!("app.{table}"), &batches);
        let relation = match table.as_str() {
            "usage" => "select * from app.usage -- all of it".to_owned(),
            name => format!("app.{name}"),
        };
        let _ = writeln!(project, "postgres = \"{relation}\"");
    }
    std::fs::write(business.join("database.toml"), project).unwrap();
}

/// Runs with the database's address in the environment.
fn run(business: &Path, server: &Server, arguments: &[&str], code: i32) -> String {
    let temporary = business.join("temporary");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = crate::published::command(business, arguments, PASSWORD);
    let output = command.env("TEST_DATABASE", server.address("")).env("TMPDIR", &temporary).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(!said.contains(PASSWORD), "{said}");
    let left = files(&temporary);
    assert!(left.is_empty(), "nothing that was fetched is left: {:?}", left.first().map(|(path, _)| path));
    format!("{}{said}", text(&output.stdout))
}

#[test]
fn features_from_a_database_are_the_bytes_of_features_from_files() {
    let name = "features_from_a_database_are_the_bytes_of_features_from_files";
    let Some(server) = Server::start(name, false) else { return };
    let home = tempfile::tempdir().unwrap();
    succeed(home.path(), &["simulate", "--accounts", "250", "--months", "18", "--out", "b"]);
    let business = home.path().join("b");
    into_database(&business, &mut server.client());
    let dates = ["features", "--from", "2025-10-31", "--to", "2025-12-31", "--out"];
    succeed(&business, &[&dates[..], &["files.parquet"]].concat());
    let database = ["--config", "database.toml"];
    let told = run(&business, &server, &[&dates[..], &["database.parquet"], &database].concat(), 0);
    assert!(told.contains("fetch"), "{told}");
    let bytes = |name: &str| std::fs::read(business.join(name)).unwrap();
    assert!(bytes("files.parquet") == bytes("database.parquet"), "the feature files differ");
    // Under a memory limit the tables are read once per partition, and fetched once.
    let limited = [&dates[..], &["limited.parquet", "--memory-limit", "128MiB"], &database].concat();
    run(&business, &server, &limited, 0);
    assert!(bytes("files.parquet") == bytes("limited.parquet"), "the feature files differ under a memory limit");
    // The outlook, too.
    succeed(&business, &["outlook", "--as-of", "2025-12-31", "--out", "files"]);
    run(&business, &server, &[&["outlook", "--as-of", "2025-12-31", "--out", "database"][..], &database].concat(), 0);
    assert_eq!(files(&business.join("files")), files(&business.join("database")));
    // The search for leaks sees every column.
    let leaks = |arguments: &[&str], server: Option<&Server>| {
        let arguments = [&["check", "--leakage", "--format", "json"][..], arguments].concat();
        let told = match server {
            Some(server) => run(&business, server, &arguments, 0),
            None => succeed(&business, &arguments),
        };
        let told: serde_json::Value =
            serde_json::from_str(told.split("\n}").next().map(|json| format!("{json}\n}}")).unwrap().trim()).unwrap();
        told["leakage"].clone()
    };
    assert_eq!(leaks(&[], None), leaks(&database, Some(&server)));
}

/// One table of usage with everything that a column can be, beside the same rows in a CSV file.
#[test]
fn every_type_means_what_it_means_in_a_file() {
    let Some(server) = Server::start("every_type_means_what_it_means_in_a_file", false) else { return };
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let mut client = server.client();
    client
        .batch_execute(
            "CREATE TYPE kind AS ENUM ('export', 'share'); CREATE DOMAIN amount AS numeric(12, 3);
             CREATE TABLE usage (account numeric(20), happened timestamptz, seen timestamp, kind kind, quantity amount,
                 code uuid, is_test boolean, payload jsonb, name char(8), small smallint, big bigint, day date, r real);
             INSERT INTO usage SELECT 9007199254740993 + (n % 40), '2025-01-01 00:00+00'::timestamptz + n * interval '7 hours',
                 '2025-01-02 00:00'::timestamp + n * interval '7 hours', CASE WHEN n % 3 = 0 THEN 'share' ELSE 'export' END::kind,
                 n * 0.125, gen_random_uuid(), n % 5 = 0, '{}', 'x', n, n, '2025-01-01'::date + n / 4, n * 0.1
             FROM generate_series(0, 999) n;
             INSERT INTO usage (account, happened, seen, kind, quantity) VALUES (NULL, '2025-02-01', '2025-02-02', NULL, NULL),
                 (1, 'infinity', '2025-02-02', NULL, NULL), (1, '-infinity', '2025-02-02', NULL, NULL),
                 (1, NULL, NULL, NULL, NULL), (1, '2025-02-01', '2025-02-02', 'share', 'NaN')",
        )
        .unwrap();
    // The same rows, written by the server as CSV.
    let rows = "SELECT account, CASE WHEN isfinite(happened) THEN to_char(happened AT TIME ZONE 'UTC', \
                'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') ELSE happened::text END AS happened, \
                to_char(seen, 'YYYY-MM-DD\"T\"HH24:MI:SS') AS seen, kind, quantity, small FROM usage";
    let mut csv = Vec::new();
    let mut reader = client.copy_out(&format!("COPY ({rows}) TO STDOUT (FORMAT csv, HEADER)")).unwrap();
    std::io::copy(&mut reader, &mut csv).unwrap();
    drop(reader);
    std::fs::write(folder.join("usage.csv"), csv).unwrap();
    let project = |from: &str| {
        format!(
            "config_version = 1\n[project]\npostgres_url = \"${{TEST_DATABASE}}\"\n[tables.usage]\n{from}\n\
             columns = {{ account_id = \"account\", at = \"happened\", known_at = \"seen\" }}\n\
             derive = {{ feature = \"kind || '/' || small\" }}\nwhere = \"quantity < 120 or quantity is null\"\n\
             time_zone = \"America/New_York\"\nerror_if_pct = 50\n[eligibility]\nactive_by = \"usage\"\n"
        )
    };
    std::fs::write(folder.join("bellwether.toml"), project("path = \"usage.csv\"")).unwrap();
    std::fs::write(folder.join("database.toml"), project("postgres = \"public.usage\"")).unwrap();
    let features = ["features", "--as-of", "2025-10-31", "--out"];
    succeed(folder, &[&features[..], &["files.parquet"]].concat());
    run(folder, &server, &[&features[..], &["database.parquet", "--config", "database.toml"]].concat(), 0);
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(bytes("files.parquet") == bytes("database.parquet"), "the feature files differ");
    let ids = texts(&read_parquet(&folder.join("database.parquet")), "account_id");
    assert_eq!(ids.first().and_then(Option::as_deref), Some("9007199254740993"), "an id keeps its digits");

    // Bad rows are set aside with their rule and number, and under the name of the table.
    let check = ["check", "--as-of", "2025-10-31", "--quarantine", "bad", "--config", "database.toml"];
    let told = run(folder, &server, &check, 0);
    assert!(told.contains("postgres:usage") && !told.contains("bellwether-tables"), "{told}");
    let bad = read_parquet(&folder.join("bad/usage.parquet"));
    assert!(texts(&bad, "file").iter().all(|file| file.as_deref() == Some("postgres:usage")));
    succeed(folder, &["check", "--as-of", "2025-10-31", "--quarantine", "of-files"]);
    let of_files = read_parquet(&folder.join("of-files/usage.parquet"));
    assert_eq!(texts(&bad, "rule"), texts(&of_files, "rule"));
    assert!(bad.iter().map(RecordBatch::num_rows).sum::<usize>() >= 3);

    wrong_columns(folder, &server, &project);
}

/// Columns that are not there or of a type that no table has: named, with what is there instead.
fn wrong_columns(folder: &Path, server: &Server, project: &dyn Fn(&str) -> String) {
    let fails = |project: String, code: i32, told: &[&str]| {
        std::fs::write(folder.join("database.toml"), project).unwrap();
        let arguments = ["features", "--as-of", "2025-10-31", "--out", "none.parquet", "--config", "database.toml"];
        let said = run(folder, server, &arguments, code);
        assert!(told.iter().all(|word| said.contains(word)), "{said}");
        assert!(!folder.join("none.parquet").exists());
    };
    let table = project("postgres = \"usage\"");
    fails(table.replace("\"happened\"", "\"hapened\""), 3, &["`hapened` (for `at`)", "`happened`", "postgres:usage"]);
    fails(table.replace("\"account\"", "\"payload\""), 3, &["`payload`", "jsonb", "select"]);
    fails(project("postgres = \"select *, 1 as kind from usage\""), 3, &["`kind`", "it twice"]);
    fails(project("postgres = \"usagee\""), 2, &["42P01"]);
    fails(project("postgres = \"usage; drop table usage\""), 2, &["app.usage"]);
    fails(project("postgres = \"with gone as (delete from usage returning *) select * from gone\""), 2, &["usage"]);
    fails(project("postgres = \"select 'text'::integer as account, * from usage\""), 3, &["22P02"]);
    fails(project("postgres = \"usage\"\nmax_rows = 10"), 5, &["at most 10 rows"]);
    fails(project("postgres = \"usage\"\npath = \"usage.csv\""), 2, &["both"]);
    fails(project("postgres = \"usage\"\npostgres_url = \"${NOT_SET_ANYWHERE}\""), 2, &["NOT_SET_ANYWHERE"]);
    fails(
        project("postgres = \"usage\"\npostgres_url = \"postgres://a:wrong-secret@127.0.0.1:9/x\""),
        75,
        &["127.0.0.1:9"],
    );
    let rows: i64 = server.client().query_one("SELECT count(*) FROM usage", &[]).unwrap().get(0);
    assert_eq!(rows, 1_005, "nothing was deleted");
}

/// All tables are of one moment: rows that come while the first is read are not in the second.
#[test]
fn all_tables_are_of_one_moment() {
    let Some(server) = Server::start("all_tables_are_of_one_moment", false) else { return };
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let mut client = server.client();
    client
        .batch_execute(
            "CREATE TABLE accounts AS SELECT n::text AS account_id, '2025-01-01'::timestamptz AS signed_up_at
                 FROM generate_series(1, 20) n;
             CREATE TABLE usage AS SELECT n::text AS account_id, '2025-02-01'::timestamptz AS at, 'a' AS feature
                 FROM generate_series(1, 20) n",
        )
        .unwrap();
    let project = "config_version = 1\n[project]\npostgres_url = \"${TEST_DATABASE}\"\n[tables.accounts]\n\
                   postgres = \"with s as materialized (select pg_sleep(3)) select a.* from s, accounts a\"\n[tables.usage]\npostgres = \"usage\"\n\
                   [eligibility]\nactive_by = \"usage\"\n";
    std::fs::write(folder.join("bellwether.toml"), project).unwrap();
    let check = || run(folder, &server, &["check", "--as-of", "2025-03-01", "--format", "json"], 0);
    let rows = |told: &str| {
        let end = told.rfind("\n}").unwrap() + 2;
        let told: serde_json::Value = serde_json::from_str(&told[told.find('{').unwrap()..end]).unwrap();
        let tables = told["tables"].as_array().unwrap();
        tables.iter().map(|table| table["rows"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let told = std::thread::scope(|scope| {
        let reading = scope.spawn(check);
        // The first table is being read.
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        while client.query_one(sleeping, &[]).unwrap().get::<_, i64>(0) == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        client.batch_execute("INSERT INTO usage SELECT '1', '2025-02-02', 'b' FROM generate_series(1, 5)").unwrap();
        reading.join().unwrap()
    });
    assert_eq!(rows(&told), [20, 20]);
    assert_eq!(rows(&check()), [20, 25], "the rows were there");
}

/// A server that goes away in the middle is a passing failure, and a signal leaves nothing behind.
#[test]
fn a_run_that_is_cut_off_leaves_nothing() {
    let Some(server) = Server::start("a_run_that_is_cut_off_leaves_nothing", false) else { return };
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let project = "config_version = 1\n[project]\npostgres_url = \"${TEST_DATABASE}\"\n[tables.usage]\n\
                   postgres = \"select n::text as account_id, now() as at, 'a' as feature from generate_series(1, 50000) n, pg_sleep(0.0002 * (n % 2 + 1))\"\n";
    std::fs::write(folder.join("bellwether.toml"), project).unwrap();
    let mut client = server.client();
    let active = "SELECT pid FROM pg_stat_activity WHERE application_name = 'bellwether' AND state = 'active'";
    let begun = |client: &mut Client| loop {
        if let Some(row) = client.query_opt(active, &[]).unwrap() {
            return row.get::<_, i32>(0);
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let temporary = folder.join("temporary");
    std::fs::create_dir_all(&temporary).unwrap();
    let start = || {
        let mut command = crate::published::command(folder, &["check"], PASSWORD);
        command.env("TEST_DATABASE", server.address("")).env("TMPDIR", &temporary);
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let running = start();
    let pid = begun(&mut client);
    client.execute("SELECT pg_terminate_backend($1)", &[&pid]).unwrap();
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", text(&output.stderr));
    assert!(files(&temporary).is_empty());

    let running = start();
    begun(&mut client);
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while files(&temporary).is_empty() {
        assert!(std::time::Instant::now() < deadline, "rows are being fetched");
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = rustix::process::Pid::from_raw(running.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    assert!(files(&temporary).is_empty(), "a signal leaves nothing");

    let mut running = start();
    begun(&mut client);
    std::thread::sleep(Duration::from_millis(100));
    running.kill().unwrap();
    running.wait().unwrap();
    let left = std::fs::read_dir(&temporary).unwrap().count();
    let output = bellwether(folder, &["check", "--config", "nowhere.toml"], PASSWORD);
    assert_eq!((left, output.status.code()), (1, Some(2)), "SIGKILL leaves what was fetched");
    // The next run removes it.
    client.batch_execute("SELECT 1").unwrap();
    let quick = project.replace("0.0002", "0").replace("50000", "100");
    std::fs::write(folder.join("bellwether.toml"), quick).unwrap();
    run(folder, &server, &["check", "--as-of", "2099-01-01"], 0);
}
