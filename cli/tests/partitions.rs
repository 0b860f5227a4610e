//! A base in partitions: together they are the whole, and a memory limit changes no byte.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bellwether_features::matrix::{Column, FeatureMatrix};
use common::{bellwether, fail, succeed, text};

const DATES: [&str; 4] = ["--from", "2025-08-31", "--to", "2026-01-31"];

fn business(folder: &Path) -> PathBuf {
    business_of(folder, "300")
}

fn business_of(folder: &Path, accounts: &str) -> PathBuf {
    succeed(folder, &["simulate", "--accounts", accounts, "--months", "18", "--seed", "5", "--out", "business"]);
    let business = folder.join("business");
    // A table by rows of text among those by columns, with rows that break the contract and a use of long ago that is
    // known late: all of that must not depend on the partition that reads it.
    let csv = "account_id,user_id,feature,at,known_at,quantity\n\
        acct-0000003,u1,reports.view,2019-05-01,2025-10-02,1\n\
        nobody,u1,reports.view,2025-05-01,2025-05-02,1\n\
        ,u1,reports.view,2025-05-01,2025-05-02,1\n\
        acct-0000007,u1,reports.view,soon,2025-05-02,1\n\
        acct-0000009,u1\n";
    fs::write(business.join("data/more.csv"), csv).unwrap();
    let project = business.join("bellwether.toml");
    let toml = fs::read_to_string(&project).unwrap();
    let at = toml.find("[tables.usage]").unwrap();
    let line = toml[at..].find("path = ").unwrap() + at;
    let end = toml[line..].find('\n').unwrap() + line;
    let path = toml[line..end].trim_start_matches("path = ").to_owned();
    let several = toml.replace(&format!("path = {path}"), &format!("path = [{path}, \"data/more.csv\"]"));
    fs::write(&project, several).unwrap();
    business
}

fn features(business: &Path, out: &str, more: &[&str]) -> FeatureMatrix {
    let arguments = [&["features", "--out", out], &DATES[..], more].concat();
    succeed(business, &arguments);
    FeatureMatrix::read(&business.join(out)).unwrap().0
}

/// A row as text, every value by its bits.
fn rows(matrix: &FeatureMatrix) -> Vec<String> {
    let value = |column: &Column, row: usize| match column {
        Column::Numeric(values) => values[row].to_bits().to_string(),
        Column::Category { levels, codes } => codes[row].map_or("-".to_owned(), |code| levels[code as usize].clone()),
    };
    let row = |row: usize| {
        let values: Vec<String> = matrix.columns.iter().map(|column| value(column, row)).collect();
        format!("{} {} {}", matrix.as_of[row], matrix.account_ids[row], values.join(" "))
    };
    (0..matrix.len()).map(row).collect()
}

/// With and without declared value moments: what looks at the whole table must not depend on which of its askers is there.
#[test]
fn the_partitions_together_are_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let business = business(folder.path());
    assert_partitions_are_the_whole(&business);
    let project = business.join("bellwether.toml");
    let toml = fs::read_to_string(&project).unwrap();
    let (without, with): (Vec<&str>, Vec<&str>) = toml.lines().partition(|line| !line.starts_with("value_moments = "));
    assert_eq!(with.len(), 1);
    fs::write(&project, without.join("\n")).unwrap();
    assert_partitions_are_the_whole(&business);
    let said = fail(&business, &["features", "--as-of", "2026-01-31", "--out", "x.parquet", "--partition", "4/3"], 2);
    assert!(said.contains("2/8"), "{said}");
}

/// Where accounts stand among others is told of most rows, and differently.
fn assert_accounts_are_compared(matrix: &FeatureMatrix) {
    let Some(Column::Numeric(places)) = matrix.column("usage_quantity_per_mrr_plan_percentile_28d") else {
        panic!("no such column");
    };
    let known: BTreeSet<u32> = places.iter().filter(|place| !place.is_nan()).map(|place| place.to_bits()).collect();
    let unknown = places.iter().filter(|place| place.is_nan()).count();
    assert!(known.len() > 50 && unknown < places.len() / 2, "{} places, {unknown} unknown", known.len());
}

fn assert_partitions_are_the_whole(business: &Path) {
    let whole = features(business, "whole.parquet", &[]);
    assert_accounts_are_compared(&whole);
    let mut together = Vec::new();
    for partition in ["1/3", "2/3", "3/3"] {
        let part = features(business, "part.parquet", &["--partition", partition]);
        assert_eq!(part.signals, whole.signals, "{partition}: the columns do not depend on the partition");
        assert!(part.len() > whole.len() / 6, "{partition} has {} of {} rows", part.len(), whole.len());
        together.extend(rows(&part));
    }
    together.sort();
    assert!(together == rows(&whole), "the rows of the partitions are those of the whole");
}

/// The other partitions are read for what is compared, and only for that.
#[test]
fn nothing_is_read_for_comparisons_that_are_not_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let business = business(folder.path());
    let steps = || {
        let output =
            bellwether(&business, &["features", "--out", "p.parquet", "--as-of", "2026-01-31", "--partition", "2/3"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr).lines().filter(|line| line.contains("compare")).count()
    };
    assert_eq!(steps(), 2);
    let project = business.join("bellwether.toml");
    let toml = fs::read_to_string(&project).unwrap();
    fs::write(&project, format!("{toml}\n[signals]\nexclude = [\"*_percentile_28d\"]\n")).unwrap();
    assert_eq!(steps(), 0);
}

#[test]
fn a_memory_limit_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    // Enough for several partitions under the least limit.
    let business = business_of(folder.path(), "1500");
    features(&business, "whole.parquet", &[]);
    let limited =
        [&["features", "--out", "limited.parquet"], &DATES[..], &["--memory-limit", "128MiB", "--threads", "2"]];
    let output = bellwether(&business, &limited.concat());
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("partition  2/"), "{said}");
    let bytes = |name: &str| fs::read(business.join(name)).unwrap();
    assert!(bytes("whole.parquet") == bytes("limited.parquet"));
    let hidden = fs::read_dir(&business)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "the parts are gone");
    let said = fail(&business, &["features", "--as-of", "2026-01-31", "--out", "x", "--memory-limit", "lots"], 2);
    assert!(said.contains("1GiB"), "{said}");
    for (limit, found) in [("1KiB", "1024B"), ("127MiB", "127MiB")] {
        let said = fail(&business, &["features", "--as-of", "2026-01-31", "--out", "x", "--memory-limit", limit], 2);
        assert!(said.contains("expected at least 128MiB") && said.contains(&format!("found {found}")), "{said}");
        assert!(said.contains("--partition K/N") && !said.contains("partition  1/"), "{said}");
    }
}
