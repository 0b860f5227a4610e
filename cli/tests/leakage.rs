//! `bellwether check --leakage`: planted leaks are found by their codes, clean worlds are silent.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use common::{bellwether, read_parquet, real_data, succeed, text};

const DAY: i64 = 86_400_000_000;

/// Removes the digests below a folder.
fn forget_digests(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            forget_digests(&path);
        } else if path.extension().is_some_and(|ending| ending == "sha256") {
            fs::remove_file(path).unwrap();
        }
    }
}

/// A simulated business whose tables a test may rewrite.
struct Planted {
    folder: tempfile::TempDir,
    /// The end of each account that ended.
    ends: HashMap<String, i64>,
    /// The last effective time of any subscription.
    data_end: i64,
}

/// The columns of a table's row that plants look at.
struct Row<'a> {
    batch: &'a RecordBatch,
    at: usize,
}

impl Row<'_> {
    fn text(&self, column: &str) -> &str {
        self.batch.column_by_name(column).unwrap().as_string::<i32>().value(self.at)
    }

    fn time(&self, column: &str) -> Option<i64> {
        let times = self.batch.column_by_name(column).unwrap().as_primitive::<TimestampMicrosecondType>();
        times.is_valid(self.at).then(|| times.value(self.at))
    }

    /// A number that looks random and is always the same.
    fn chance(&self) -> u64 {
        let text = format!("{}{}", self.text("account_id"), self.at);
        text.bytes().fold(14_695_981_039_346_656_037, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
        }) >> 20
    }
}

fn rows(batch: &RecordBatch) -> impl Iterator<Item = Row<'_>> {
    (0..batch.num_rows()).map(move |at| Row { batch, at })
}

fn write(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// A batch with some columns replaced or added.
fn with(batch: &RecordBatch, changed: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let schema = batch.schema();
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if !changed.iter().any(|(name, _)| name == field.name()) {
            columns.push((field.name(), Arc::clone(column)));
        }
    }
    columns.extend(changed);
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn times(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

impl Planted {
    fn new(seed: u32) -> Self {
        Self::of(&["simulate", "--accounts", "900", "--months", "24", "--seed", &seed.to_string(), "--out", "."])
    }

    fn of(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        succeed(folder.path(), arguments);
        // What the tests change is meant: no digest shall object.
        forget_digests(&folder.path().join("data"));
        let (mut ends, mut data_end): (HashMap<String, i64>, i64) = (HashMap::new(), 0);
        for batch in read_parquet(&folder.path().join("data/subscriptions.parquet")) {
            let mrr = batch.column_by_name("mrr").unwrap().as_primitive::<Float64Type>();
            for row in rows(&batch) {
                let at = row.time("effective_at").unwrap();
                data_end = data_end.max(at);
                if mrr.value(row.at) > 0.0 {
                    ends.remove(row.text("account_id"));
                } else {
                    ends.insert(row.text("account_id").to_owned(), at);
                }
            }
        }
        ends.retain(|_, end| *end + 14 * DAY <= data_end);
        Self { folder, ends, data_end }
    }

    fn end(&self, row: &Row<'_>) -> Option<i64> {
        self.ends.get(row.text("account_id")).copied()
    }

    fn path(&self, table: &str) -> PathBuf {
        self.folder.path().join("data").join(table)
    }

    /// The files of a table.
    fn files(&self, table: &str) -> Vec<PathBuf> {
        let path = self.path(table);
        if !path.is_dir() {
            return vec![path.with_extension("parquet")];
        }
        let mut files: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Rewrites every file of a table.
    fn rewrite(&self, table: &str, change: impl Fn(&RecordBatch) -> RecordBatch) {
        for file in self.files(table) {
            let batches = read_parquet(&file);
            let changed: Vec<RecordBatch> = batches.iter().map(&change).collect();
            let mut writer = ArrowWriter::try_new(File::create(&file).unwrap(), changed[0].schema(), None).unwrap();
            changed.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.close().unwrap();
        }
    }

    /// Adds a text column.
    fn add(&self, table: &str, name: &str, value: impl Fn(&Row<'_>) -> Option<&'static str>) {
        self.rewrite(table, |batch| with(batch, vec![(name, texts(rows(batch).map(|row| value(&row))))]));
    }

    /// Adds lines to a section of the project file.
    fn declare(&self, section: &str, lines: &str) {
        let path = self.folder.path().join("bellwether.toml");
        let toml = fs::read_to_string(&path).unwrap();
        let header = format!("[tables.{section}]\n");
        assert!(toml.contains(&header), "{section}");
        fs::write(&path, toml.replacen(&header, &format!("{header}{lines}\n"), 1)).unwrap();
    }

    /// (code, level, table, column) of every finding, and the exit code.
    fn check(&self) -> (Vec<[String; 4]>, i32) {
        let output = bellwether(self.folder.path(), &["check", "--leakage", "--format", "json"]);
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
        assert!(report["tables"].is_array(), "the contract's outcome stands beside the leaks");
        let found = report["leakage"]["findings"].as_array().unwrap().iter().map(|finding| {
            assert!(finding["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
            assert!(finding["evidence"].as_object().is_some_and(|evidence| !evidence.is_empty()), "{finding}");
            ["code", "level", "table", "column"].map(|key| finding[key].as_str().unwrap_or("-").to_owned())
        });
        let found = found.filter(|finding| finding[0] != "LEAK_SNAPSHOT").collect();
        (found, output.status.code().unwrap())
    }

    /// Expects exactly this finding beside the snapshot's.
    fn expect(&self, code: &str, level: &str, table: &str, column: &str) {
        let (found, exit) = self.check();
        assert_eq!(found, [[code, level, table, column].map(str::to_owned)]);
        assert_eq!(exit, if level == "error" { 3 } else { 0 });
    }
}

#[test]
fn clean_worlds_are_silent_but_for_the_snapshot() {
    for seed in 1..=6 {
        assert_eq!(Planted::new(seed).check(), (Vec::new(), 0), "seed {seed}");
    }
    let small = Planted::of(&["simulate", "--accounts", "120", "--months", "12", "--seed", "3", "--out", "."]);
    assert_eq!(small.check(), (Vec::new(), 0));
    let said = succeed(small.folder.path(), &["check", "--leakage"]);
    let line = "info  LEAK_SNAPSHOT  accounts: a snapshot without history";
    assert!(said.contains(line) && said.contains("segment, industry, region, channel"), "{said}");
    let without = succeed(small.folder.path(), &["check", "--format", "json"]);
    assert!(!without.contains("leakage"), "{without}");
}

#[test]
fn a_status_of_today_is_a_leak_once_it_is_read() {
    let world = Planted::new(11);
    world.add("accounts", "state", |row| Some(if world.end(row).is_some() { "gone" } else { "here" }));
    world.expect("LEAK_SNAPSHOT_OUTCOME", "info", "accounts", "state");
    world.declare("accounts", "columns = { channel = \"state\" }");
    world.expect("LEAK_SNAPSHOT_OUTCOME", "error", "accounts", "state");
    let output = bellwether(world.folder.path(), &["check", "--leakage"]);
    let said = text(&output.stdout);
    assert!(said.contains("LEAK  LEAK_SNAPSHOT_OUTCOME  accounts.`state`: tells which accounts ended"), "{said}");
    assert!(!said.contains("gone"), "no cell is printed: {said}");
    assert!(text(&output.stderr).contains("docs/leakage.md"));
}

/// As `Disputed` of the IBM receivables: raised in the course of a late payment, and on a few others.
#[test]
fn a_dispute_flag_without_a_date_is_known_only_afterwards() {
    let world = Planted::new(12);
    world.add("invoices", "Disputed", |row| {
        let is_late = row.time("paid_at").is_some_and(|paid| paid > row.time("due_at").unwrap());
        let share = if is_late { 46 } else { 14 };
        Some(if row.chance() % 100 < share { "Yes" } else { "No" })
    });
    world.expect("LEAK_AFTERWARDS_OUTCOME", "info", "invoices", "Disputed");
    world.declare("invoices", "where = \"Disputed = 'No'\"");
    world.expect("LEAK_AFTERWARDS_OUTCOME", "error", "invoices", "Disputed");
}

#[test]
fn a_column_that_is_filled_on_payment_is_known_only_afterwards() {
    let world = Planted::new(13);
    // A tenth of the invoices is never paid; the bank's reference comes with the money.
    world.rewrite("invoices", |batch| {
        let paid: Vec<Option<i64>> =
            rows(batch).map(|row| row.time("paid_at").filter(|_| row.chance() % 10 > 0)).collect();
        let bank = paid.iter().map(|paid| paid.map(|_| "sepa"));
        with(batch, vec![("bank", texts(bank)), ("paid_at", times(paid.iter().copied()))])
    });
    world.expect("LEAK_AFTERWARDS_OUTCOME", "info", "invoices", "bank");
}

#[test]
fn dates_and_counts_of_days_from_later_are_told_as_such() {
    let world = Planted::new(14);
    world.rewrite("invoices", |batch| {
        let took = rows(batch).map(|row| Some(row.time("paid_at")? - row.time("issued_at")?));
        let days: Vec<Option<String>> = took.map(|took| took.map(|took| (took / DAY).to_string())).collect();
        with(batch, vec![("took", texts(days.iter().map(Option::as_deref)))])
    });
    world.expect("LEAK_AFTERWARDS_DAYS", "info", "invoices", "took");
    let world = Planted::new(15);
    world.rewrite("tickets", |batch| {
        let seen = rows(batch).map(|row| row.time("resolved_at").map(|at| at + 5 * DAY));
        with(batch, vec![("surveyed", times(seen.map(|at| at.filter(|at| *at < world.data_end))))])
    });
    world.expect("LEAK_AFTERWARDS_TIME", "info", "tickets", "surveyed");
}

#[test]
fn what_an_account_became_is_no_feature_of_its_uses() {
    let world = Planted::new(16);
    world.add("usage", "tier", |row| Some(if world.end(row).is_some() { "b" } else { "a" }));
    world.declare("usage", "columns = { feature = \"tier\" }");
    // What the file calls `feature` is then no longer read.
    let (found, exit) = world.check();
    assert!(found.contains(&["LEAK_AFTERWARDS_OUTCOME", "error", "usage", "tier"].map(str::to_owned)), "{found:?}");
    assert_eq!((found.len(), exit), (1, 3));
    let world = Planted::new(17);
    world.add("nps", "mood", |row| {
        let soon = world.end(row).is_some_and(|end| end - row.time("at").unwrap() < 80 * DAY);
        Some(if soon { "x" } else { "y" })
    });
    world.expect("LEAK_AFTERWARDS_OUTCOME", "info", "nps", "mood");
}

/// Renames accounts in every table.
fn rename(world: &Planted, name: impl Fn(&str) -> String) {
    for table in [
        "accounts",
        "usage",
        "subscriptions",
        "nps",
        "invoices",
        "tickets",
        "subscription_items",
        "contacts",
        "meetings",
        "firmographics",
        "spend",
        "goals",
    ] {
        world.rewrite(table, |batch| {
            let names: Vec<String> = rows(batch).map(|row| name(row.text("account_id"))).collect();
            with(batch, vec![("account_id", texts(names.iter().map(|name| Some(name.as_str()))))])
        });
    }
}

#[test]
fn an_id_that_knows_the_outcome_is_found_by_prefix_suffix_and_order() {
    let kinds: [fn(&str, bool) -> String; 3] = [
        |id, gone| format!("{}{id}", if gone { "z" } else { "a" }),
        |id, gone| format!("{id}-{}", if gone { "x" } else { "y" }),
        // Seven in ten of those that ended were moved to a range of their own.
        |id, gone| {
            let number: u64 = id[5..].parse().unwrap();
            let moved = gone && number % 10 < 7;
            format!("{:06}", if moved { 500_000 + number } else { number * 7919 % 400_000 })
        },
    ];
    for (seed, kind) in (21..).zip(kinds) {
        let world = Planted::new(seed);
        rename(&world, |id| kind(id, world.ends.contains_key(id)));
        world.expect("LEAK_ID", "error", "accounts", "account_id");
    }
}

/// More facts for a table, in a file of their own or in its only one.
fn add_rows(world: &Planted, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    write(&world.path("usage").join("zz.parquet"), &batch);
}

#[test]
fn uses_after_the_end_are_told_with_share_and_lag() {
    let world = Planted::new(31);
    let late: Vec<(&str, i64)> =
        world.ends.iter().filter(|(_, end)| **end % 3 > 0).map(|(id, end)| (id.as_str(), end + 12 * DAY)).collect();
    let late: Vec<(&str, i64)> =
        late.into_iter().chain(world.ends.iter().map(|(id, end)| (id.as_str(), *end + 9 * DAY))).collect();
    let stamped = || times(late.iter().map(|(_, at)| Some(*at)));
    add_rows(
        &world,
        vec![
            ("account_id", texts(late.iter().map(|(id, _)| Some(*id)))),
            ("user_id", texts(late.iter().map(|_| Some("batch")))),
            ("feature", texts(late.iter().map(|_| Some("dashboard")))),
            ("at", stamped()),
            ("known_at", stamped()),
        ],
    );
    world.expect("LEAK_AFTER_END", "error", "usage", "-");
}

#[test]
fn snapshots_taken_because_an_account_left_are_told() {
    for (seed, days, code) in [(41, 0, "LEAK_AT_END"), (42, 7, "LEAK_ANCHORED")] {
        let world = Planted::new(seed);
        // The last survey of those who left is moved to a fixed distance from their end.
        world.rewrite("nps", |batch| {
            let at: Vec<i64> = rows(batch)
                .map(|row| match (world.end(&row), row.time("at").unwrap()) {
                    (Some(end), at) if end - at < 200 * DAY => end - days * DAY,
                    (_, at) => at,
                })
                .collect();
            let moved = || times(at.iter().map(|at| Some(*at)));
            with(batch, vec![("at", moved()), ("known_at", moved())])
        });
        let (found, exit) = world.check();
        assert!(found.contains(&[code, "error", "nps", "-"].map(str::to_owned)), "{found:?}");
        assert_eq!((found.len(), exit), (1, 3), "{found:?}");
    }
}

/// A fact for each account that ended, so many days after its end, and known `delay` days after it happened; in a file of its
/// own. `more`: the other columns of the table and their values.
fn add_around_the_end(world: &Planted, table: &str, event: &str, days: i64, delay: i64, more: [&str; 2]) {
    let mut ended: Vec<(&String, &i64)> = world.ends.iter().collect();
    ended.sort_unstable();
    assert!(ended.len() >= 30, "{} accounts ended", ended.len());
    let moment = |at: i64| chrono::DateTime::from_timestamp_micros(at).unwrap().to_rfc3339();
    let mut csv = format!("account_id,{event},known_at,{}\n", more[0]);
    for (id, end) in ended {
        let at = end + days * DAY;
        csv.push_str(&format!("{id},{},{},{}\n", moment(at), moment(at + delay * DAY), more[1]));
    }
    fs::write(world.path("more.csv"), csv).unwrap();
    let project = world.folder.path().join("bellwether.toml");
    let toml = fs::read_to_string(&project).unwrap();
    let path = format!("path = \"data/{table}.parquet\"");
    assert_eq!(toml.matches(&path).count(), 1, "{table}");
    fs::write(&project, toml.replace(&path, &format!("path = [\"data/{table}.parquet\", \"data/more.csv\"]"))).unwrap();
}

#[test]
fn people_meetings_and_add_ons_after_the_end_are_told() {
    let leak = |table: &str| vec![["LEAK_AFTER_END", "error", table, "-"].map(str::to_owned)];
    let cases = [
        ("contacts", "since", 0, ["contact_id,role", "new,sponsor"], true),
        ("meetings", "at", 0, ["kind,contact_id,attended", "call,new,true"], true),
        // Nobody came; planned before the end.
        ("meetings", "at", 0, ["kind,contact_id,attended", "call,new,false"], false),
        ("meetings", "at", -20, ["kind,contact_id,attended", "call,new,true"], false),
        ("subscription_items", "effective_at", 0, ["item,mrr", "archive,10"], true),
        // Given up with the rest.
        ("subscription_items", "effective_at", 0, ["item,mrr", "archive,0"], false),
    ];
    for (table, event, delay, more, is_leak) in cases {
        let world = Planted::new(32);
        add_around_the_end(&world, table, event, 10, delay, more);
        let expected = if is_leak { (leak(table), 3) } else { (Vec::new(), 0) };
        assert_eq!(world.check(), expected, "{table} {more:?} known after {delay} days");
    }
}

#[test]
fn sizes_taken_because_an_account_left_are_told() {
    for (days, code, level) in
        [(-7, "LEAK_ANCHORED", "error"), (0, "LEAK_AT_END", "error"), (10, "LEAK_AFTER_END", "info")]
    {
        let world = Planted::new(43);
        add_around_the_end(&world, "firmographics", "at", days, 0, ["employees", "100"]);
        world.expect(code, level, "firmographics", "-");
    }
}

/// `Disputed`, `DaysToSettle`, `DaysLate` and `PaperlessDate` of the IBM receivables: nothing reads them, and they are named.
#[test]
fn the_receivables_name_what_is_known_only_afterwards() {
    let Some(data) = real_data("the_receivables_name_what_is_known_only_afterwards") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = data.join("ibm_accounts_receivable.csv");
    let table = |name: &str, columns: &str| {
        format!(
            "[tables.{name}]\npath = {file:?}\ntime_format = \"%m/%d/%Y\"\ncolumns = {{ account_id = \"customerID\", {columns} }}\n"
        )
    };
    let invoices = "invoice_id = \"invoiceNumber\", issued_at = \"InvoiceDate\", due_at = \"DueDate\", paid_at = \
                    \"SettledDate\", amount = \"InvoiceAmount\"";
    let usage = "at = \"InvoiceDate\", feature = \"PaperlessBill\"";
    let toml = format!(
        "config_version = 1\n[project]\nname = \"receivables\"\n{}{}[targets.churn_90d]\nevent = \"inactivity\"\n",
        table("invoices", invoices),
        table("usage", usage)
    );
    fs::write(folder.path().join("bellwether.toml"), toml).unwrap();
    let said = succeed(folder.path(), &["check", "--leakage"]);
    let of_invoices: Vec<&str> =
        said.lines().filter(|line| line.starts_with("info  LEAK") && line.contains("invoices")).collect();
    for (code, column) in [
        ("LEAK_AFTERWARDS_OUTCOME", "Disputed"),
        ("LEAK_AFTERWARDS_DAYS", "DaysToSettle"),
        ("LEAK_AFTERWARDS_DAYS", "DaysLate"),
        ("LEAK_AFTERWARDS_TIME", "PaperlessDate"),
    ] {
        let is_it = |line: &&str| line.contains(code) && line.contains(&format!("`{column}`"));
        assert!(of_invoices.iter().any(is_it), "{code} {column}: {said}");
    }
    assert_eq!(of_invoices.len(), 4, "{said}");
}

/// The three examples on real data: dates and ids of theirs tell nothing.
#[test]
fn the_examples_are_silent() {
    let Some(data) = real_data("the_examples_are_silent") else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["dpdk-organisations", "eslint-sponsors", "online-retail"] {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/examples").join(name);
        let output = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
            .current_dir(folder.path())
            .env("BELLWETHER_REAL_DATA", &data)
            .args(["--config", config.join("bellwether.toml").to_str().unwrap(), "check", "--leakage"])
            .output()
            .unwrap();
        let said = text(&output.stdout);
        assert!(output.status.success(), "{name}: {said}");
        assert!(said.contains("columns compared, 0 finding(s)"), "{name}: {said}");
    }
}
