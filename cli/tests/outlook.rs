//! `bellwether outlook` on a simulated business: against an independent reading of the same subscriptions.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, TimestampMicrosecondType};
use chrono::NaiveDate;
use common::{fail, succeed};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn rows(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).unwrap();
    ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect()
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect()
}

/// MRR in force just before a day, in cents, by looking at every row: subscriptions of the simulator are known at once.
fn mrr_before(folder: &Path, day: NaiveDate) -> i64 {
    let micros = day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_micros();
    let mut last: BTreeMap<String, (i64, f64)> = BTreeMap::new();
    for batch in rows(&folder.join("data/subscriptions.parquet")) {
        let ids = batch.column_by_name("account_id").unwrap().as_string::<i32>();
        let at = batch.column_by_name("effective_at").unwrap().as_primitive::<TimestampMicrosecondType>();
        let mrr = batch.column_by_name("mrr").unwrap().as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let known = last.entry(ids.value(row).to_owned()).or_insert((i64::MIN, 0.0));
            if at.value(row) < micros && at.value(row) >= known.0 {
                *known = (at.value(row), mrr.value(row));
            }
        }
    }
    last.values().map(|(_, mrr)| (mrr * 100.0).round() as i64).sum()
}

/// Price, volume and mix add up to the change, to the cent.
fn parts_add_up(tables: &Path) {
    let parts = rows(&tables.join("price_volume_mix.parquet")).remove(0);
    let cents = |name: &str| -> Vec<i64> {
        numbers(&parts, name).into_iter().map(|amount| (amount.unwrap() * 100.0).round() as i64).collect()
    };
    let [opening, closing] = ["opening_mrr", "mrr"].map(cents);
    let [price, volume, mix] = ["price_mrr", "volume_mrr", "mix_mrr"].map(cents);
    for row in 0..parts.num_rows() {
        assert_eq!(opening[row] + price[row] + volume[row] + mix[row], closing[row]);
    }
}

#[test]
fn the_tables_hold_the_revenue_of_the_subscriptions() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    succeed(home, &["simulate", "--accounts", "300", "--months", "30", "--out", "business"]);
    let business = home.join("business");
    // Without a grace period, so that late renewals count as they are written.
    let project = std::fs::read_to_string(business.join("bellwether.toml")).unwrap();
    let project: String = project
        .lines()
        .map(|line| if line.starts_with("grace") { "grace = \"0d\"\n".to_owned() } else { format!("{line}\n") })
        .collect();
    std::fs::write(business.join("bellwether.toml"), &project).unwrap();
    let arguments = ["outlook", "--as-of", "2025-12-15", "--out", "out"];
    let told = succeed(&business, &arguments);
    assert!(told.contains("2025-12*") && told.contains("twelve months: NRR "), "{told}");
    let tables = business.join("out/outlook/v1/as_of=2025-12-15");
    let movements = rows(&tables.join("movements.parquet")).remove(0);
    let months = movements.column_by_name("month").unwrap().as_primitive::<Date32Type>();
    let closing = numbers(&movements, "closing_mrr");
    assert!(movements.num_rows() > 20);
    for place in (0..movements.num_rows()).step_by(5).chain([movements.num_rows() - 1]) {
        let next = months.value_as_date(place).unwrap().checked_add_months(chrono::Months::new(1)).unwrap();
        let day = next.min("2025-12-15".parse().unwrap());
        assert_eq!((closing[place].unwrap() * 100.0).round() as i64, mrr_before(&business, day), "{day}");
    }
    billed_is_what_the_invoices_say(&business, &tables);
    the_year_before_is_that_of_an_outlook_a_year_before(&business, &movements, &tables);
    let named = ["cohorts", "segments", "changes", "price_volume_mix", "billing", "plan_moves", "expansions"];
    for table in named.into_iter().chain([
        "renewal_quality",
        "landmarks",
        "curve_shapes",
        "compared",
        "value",
        "money",
        "renewals",
        "goals",
    ]) {
        let rows: usize = rows(&tables.join(format!("{table}.parquet"))).iter().map(RecordBatch::num_rows).sum();
        assert!(rows > 0, "{table}");
    }
    parts_add_up(&tables);
    assert!(told.contains("billed annually: ") && told.contains("annual renewals of twelve months: "), "{told}");
    let behaviour = rows(&tables.join("segments.parquet")).remove(0);
    let by: Vec<&str> = behaviour.column_by_name("by").unwrap().as_string::<i32>().iter().flatten().collect();
    assert!(by.contains(&"adopter") && by.contains(&"workflow"), "{by:?}");
    // The same again, byte for byte, in the place of the first; one thread or two.
    let is_there = |name: &&&str| tables.join(format!("{name}.parquet")).exists();
    let names: Vec<&&str> = bellwether_outlook::tables::TABLES.iter().filter(is_there).collect();
    assert!(names.len() > 15, "{names:?}");
    let all = || {
        let bytes = |name: &&&str| std::fs::read(tables.join(format!("{name}.parquet"))).unwrap();
        names.iter().map(bytes).collect::<Vec<_>>()
    };
    let before = all();
    assert!(!tables.join("discounts.parquet").exists(), "no limit is declared");
    succeed(&business, &[&arguments[..], &["--threads", "1"]].concat());
    assert_eq!(all(), before);
    // With a limit there is one table more, and a wrong one is told with its line.
    std::fs::write(business.join("bellwether.toml"), format!("{project}[money]\ndiscount_limit = 0.1\n")).unwrap();
    let told = succeed(&business, &arguments);
    assert!(told.contains("discounts beyond 10 %: "), "{told}");
    assert!(tables.join("discounts.parquet").exists());
    std::fs::write(business.join("bellwether.toml"), format!("{project}[money]\ndiscount_limit = 10\n")).unwrap();
    let told = fail(&business, &arguments, 2);
    assert!(told.contains("`money.discount_limit`") && told.contains("a share from 0 to 1"), "{told}");
}

/// Inside a month, too: the page compares with what an outlook of the same day a year ago says.
fn the_year_before_is_that_of_an_outlook_a_year_before(business: &Path, movements: &RecordBatch, tables: &Path) {
    succeed(business, &["outlook", "--as-of", "2024-12-15", "--out", "out"]);
    let then = rows(&business.join("out/outlook/v1/as_of=2024-12-15/movements.parquet")).remove(0);
    let last = |batch: &RecordBatch, name: &str| numbers(batch, name).last().copied().flatten().unwrap();
    let change =
        [("nrr_12m", "NRR"), ("grr_12m", "GRR"), ("logo_retention_12m", "logo retention")].map(|(column, name)| {
            let points = 100.0 * (last(movements, column) - last(&then, column));
            format!("{name} {} points", format!("{points:+.1}").replace('-', "−"))
        });
    let page = std::fs::read_to_string(tables.join("outlook.html")).unwrap();
    let told = format!("Against a year before: {}.", change.join(", "));
    assert!(page.contains(&told), "{told}");
}

/// The invoices known before 2025-12-15, by month and kind, against the table of money. The simulator states none again.
fn billed_is_what_the_invoices_say(business: &Path, tables: &Path) {
    let end = "2025-12-15".parse::<NaiveDate>().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_micros();
    let mut billed: BTreeMap<(String, bool), i64> = BTreeMap::new();
    for batch in rows(&business.join("data/invoices.parquet")) {
        let time = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<TimestampMicrosecondType>().clone();
        let (issued, known) = (time("issued_at"), time("known_at"));
        let kinds = batch.column_by_name("kind").unwrap().as_string::<i32>();
        let amounts = batch.column_by_name("amount").unwrap().as_primitive::<Float64Type>();
        for row in (0..batch.num_rows()).filter(|row| issued.value(*row) < end && known.value(*row) < end) {
            let month =
                chrono::DateTime::from_timestamp_micros(issued.value(row)).unwrap().format("%Y-%m-01").to_string();
            let is_one_time = kinds.value(row) == "one_time";
            *billed.entry((month, is_one_time)).or_default() += (amounts.value(row) * 100.0).round() as i64;
        }
    }
    let money = rows(&tables.join("money.parquet")).remove(0);
    let months = money.column_by_name("month").unwrap().as_primitive::<Date32Type>();
    let cents = |name: &str, row: usize| (numbers(&money, name)[row].unwrap() * 100.0).round() as i64;
    let mut found = 0;
    for row in 0..money.num_rows() {
        let of = |one_time: bool| billed.get(&(months.value_as_date(row).unwrap().to_string(), one_time)).copied();
        let expected = (of(false).unwrap_or(0), of(true).unwrap_or(0));
        assert_eq!((cents("billed_recurring", row), cents("billed_one_time", row)), expected);
        assert_eq!(cents("billed", row), expected.0 + expected.1 + cents("billed_not_said", row));
        found += expected.0 + expected.1;
    }
    assert_eq!(found, billed.values().sum::<i64>());
}

#[test]
fn what_is_no_outlook_is_not_replaced_and_a_business_without_subscriptions_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    succeed(home, &["simulate", "--accounts", "60", "--months", "6", "--out", "business"]);
    let business = home.join("business");
    let arguments = ["outlook", "--as-of", "2025-12-15", "--out", "out"];
    let place = business.join("out/outlook/v1/as_of=2025-12-15");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("mine.txt"), "mine").unwrap();
    let told = fail(&business, &arguments, 2);
    assert!(told.contains("found `mine.txt` in it"), "{told}");
    assert_eq!(std::fs::read_to_string(place.join("mine.txt")).unwrap(), "mine");
    std::fs::remove_file(place.join("mine.txt")).unwrap();
    succeed(&business, &arguments);
    std::fs::write(business.join("uses.csv"), "account_id,at,feature\na,2025-01-01,x\n").unwrap();
    let project = "config_version = 1\n[tables.usage]\npath = \"uses.csv\"\n";
    std::fs::write(business.join("without.toml"), project).unwrap();
    let told = fail(&business, &[&arguments[..], &["--config", "without.toml"]].concat(), 2);
    assert!(told.contains("expected a table of subscriptions, found none"), "{told}");
}
