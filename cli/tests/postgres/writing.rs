//! What is published is in the database: every row and column, and of each date the old rows or the new ones.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use postgres::Client;

use crate::common::{read_parquet, succeed};
use crate::published::{bellwether, command, export, scores};
use crate::server::{PASSWORD, Server};

/// A cell as the server would say it, floats by their bits.
fn said(column: &ArrayRef, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Float64 => format!("{:016x}", column.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Date32 => column.as_primitive::<Date32Type>().value_as_date(row).unwrap().to_string(),
        other => panic!("{other}"),
    })
}

/// All rows of a date, every cell as text, sorted.
fn stored(client: &mut Client, table: &str, date: &str, columns: &[(String, DataType)]) -> Vec<Vec<Option<String>>> {
    let cell = |(name, kind): &(String, DataType)| match kind {
        DataType::Float64 => format!("encode(float8send(\"{name}\"), 'hex')"),
        _ => format!("\"{name}\"::text"),
    };
    let list: Vec<String> = columns.iter().map(cell).collect();
    let sql = format!("SELECT {} FROM bellwether.{table} WHERE as_of = '{date}'", list.join(", "));
    let rows = client.query(&sql, &[]).unwrap();
    let cells = |row: &postgres::Row| (0..columns.len()).map(|index| row.get(index)).collect();
    let mut rows: Vec<Vec<Option<String>>> = rows.iter().map(cells).collect();
    rows.sort();
    rows
}

/// The rows of a Parquet file and those of a table are the same.
fn assert_same(client: &mut Client, table: &str, date: &str, file: &Path) -> usize {
    let batches = read_parquet(file);
    let schema = batches.first().map(arrow_array::RecordBatch::schema);
    let Some(schema) = schema else { return 0 };
    let columns: Vec<(String, DataType)> =
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
    let of_batch = |batch: &arrow_array::RecordBatch| {
        let rows = 0..batch.num_rows();
        rows.map(|row| batch.columns().iter().map(|column| said(column, row)).collect()).collect::<Vec<_>>()
    };
    let mut expected: Vec<Vec<Option<String>>> = batches.iter().flat_map(of_batch).collect();
    expected.sort();
    assert_eq!(stored(client, table, date, &columns), expected, "{table}");
    expected.len()
}

#[test]
fn scores_and_outlook_are_the_same_in_the_database() {
    let Some(server) = Server::start("scores_and_outlook_are_the_same_in_the_database", false) else { return };
    let home = tempfile::tempdir().unwrap();
    succeed(home.path(), &["simulate", "--accounts", "150", "--months", "20", "--out", "b"]);
    let business = home.path().join("b");
    let (first, second) = ("2025-11-30", "2025-12-31");
    for date in [first, second] {
        scores(&business.join("out"), date, 500, "one");
        succeed(&business, &["outlook", "--as-of", date, "--out", "out"]);
        export(&server, &business, date);
    }
    let mut client = server.client();
    let mut check = |date: &str| {
        let part = business.join(format!("out/scores/v1/as_of={date}/part-00000.parquet"));
        assert_same(&mut client, "scores_v1", date, &part);
        let mut rows = 0;
        for entry in std::fs::read_dir(business.join(format!("out/outlook/v1/as_of={date}"))).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "parquet") {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                rows += assert_same(&mut client, &format!("outlook_v1_{name}"), date, &path);
            }
        }
        assert!(rows > 20, "the outlook has rows: {rows}");
    };
    check(first);
    check(second);
    // Again, with fewer accounts and without a table: the rows of that date and no others are exchanged.
    scores(&business.join("out"), first, 200, "two");
    let stale = ["export", "--to", &server.address(""), "--as-of", first, "--out", "out"];
    let refused = bellwether(&business, &stale, PASSWORD);
    assert_eq!(refused.status.code(), Some(2), "the outlook is of the scores before");
    succeed(&business, &["outlook", "--as-of", first, "--out", "out"]);
    std::fs::remove_file(business.join(format!("out/outlook/v1/as_of={first}/changes.parquet"))).unwrap();
    let told = export(&server, &business, first);
    assert!(told.contains("bellwether.scores_v1: 200 rows of 2025-11-30"), "{told}");
    assert_eq!(export(&server, &business, first), told, "a second run says and does the same");
    check(first);
    check(second);
    let count = |client: &mut Client, date: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM bellwether.outlook_v1_changes WHERE as_of = '{date}'");
        client.query_one(&sql, &[]).unwrap().get(0)
    };
    assert_eq!(count(&mut client, first), 0, "a table that the date no longer has");
    assert!(count(&mut client, second) > 0);
}

#[test]
fn outlook_writes_to_the_database_what_it_has_just_published() {
    let Some(server) = Server::start("outlook_writes_to_the_database_what_it_has_just_published", false) else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    succeed(home.path(), &["simulate", "--accounts", "100", "--months", "16", "--out", "b"]);
    let business = home.path().join("b");
    let socket = format!("postgres://bellwether@/postgres?host={}&port={}", server.folder().display(), server.port);
    let arguments = ["outlook", "--as-of", "2025-12-31", "--out", "out", "--to", &socket, "--schema", "the \"other\""];
    let output = bellwether(&business, &arguments, PASSWORD);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = business.join("out/outlook/v1/as_of=2025-12-31/movements.parquet");
    let expected: usize = read_parquet(&file).iter().map(arrow_array::RecordBatch::num_rows).sum();
    let sql = "SELECT count(*) FROM \"the \"\"other\"\"\".outlook_v1_movements WHERE as_of = '2025-12-31'";
    let count: i64 = server.client().query_one(sql, &[]).unwrap().get(0);
    assert_eq!(usize::try_from(count).unwrap(), expected);
}

#[test]
fn a_reader_sees_the_old_rows_or_the_new_ones() {
    let Some(server) = Server::start("a_reader_sees_the_old_rows_or_the_new_ones", false) else { return };
    let home = tempfile::tempdir().unwrap();
    let (out, date) = (home.path().join("out"), "2026-01-31");
    let sizes = [("one", 4_000_i64), ("two", 6_000)];
    scores(&out, date, 4_000, "one");
    export(&server, home.path(), date);
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut client = server.client();
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let sql =
                    "SELECT min(model), max(model), count(*) FROM bellwether.scores_v1 WHERE as_of = '2026-01-31'";
                let row = client.query_one(sql, &[]).unwrap();
                seen.push((row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, i64>(2)));
            }
            seen
        });
        for round in 0..6 {
            let (salt, rows) = sizes[(round + 1) % 2];
            scores(&out, date, usize::try_from(rows).unwrap(), salt);
            export(&server, home.path(), date);
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    for (least, most, rows) in &seen {
        assert!(least == most && sizes.contains(&(least.as_str(), *rows)), "{least} {most} {rows}");
    }
    let of = |salt: &str| seen.iter().filter(|(model, ..)| model == salt).count();
    assert!(of("one") > 0 && of("two") > 0, "both were seen: {} and {}", of("one"), of("two"));
}

/// Killed at any moment, the date is as it was, or, after the last one, whole.
#[test]
fn a_killed_run_leaves_the_old_rows() {
    let Some(server) = Server::start("a_killed_run_leaves_the_old_rows", false) else { return };
    let home = tempfile::tempdir().unwrap();
    let (out, date, address) = (home.path().join("out"), "2026-01-31", server.address(""));
    scores(&out, date, 1_000, "old");
    export(&server, home.path(), date);
    scores(&out, date, 60_000, "new");
    let arguments = ["export", "--to", &address, "--as-of", date, "--out", "out"];
    let mut client = server.client();
    let mut killed = 0;
    for delay in [20, 60, 120, 200, 300, 450, 650, 900] {
        let mut run = command(home.path(), &arguments, PASSWORD);
        let run = run.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn();
        let mut run = run.unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        run.kill().unwrap();
        let ended = run.wait().unwrap();
        // The server notices that nobody is there any more.
        let others = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bellwether'";
        while client.query_one(others, &[]).unwrap().get::<_, i64>(0) > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let row = client.query_one("SELECT min(model), max(model), count(*) FROM bellwether.scores_v1", &[]).unwrap();
        let found = (row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, i64>(2));
        let old = ("old".to_owned(), "old".to_owned(), 1_000);
        if found != old {
            assert_eq!(found, ("new".to_owned(), "new".to_owned(), 60_000));
            break;
        }
        killed += usize::from(ended.code().is_none());
    }
    assert!(killed >= 3, "{killed} runs were killed before their end");
    export(&server, home.path(), date);
    let count: i64 = client.query_one("SELECT count(*) FROM bellwether.scores_v1", &[]).unwrap().get(0);
    assert_eq!(count, 60_000);
}
