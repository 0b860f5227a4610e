//! The three real sets through the contract. They are not part of the repository: where their folder is absent
//! (`BELLWETHER_REAL_DATA`, else ../shared/data beside the workspace) the tests say so and pass.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

mod contract_support;

use std::path::PathBuf;

use bellwether_features::contract::{Contract, Sections};
use bellwether_features::read::{Loaded, Status, Tables};
use contract_support::{date, rules};

fn data() -> Option<PathBuf> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("BELLWETHER_REAL_DATA").map_or(default, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: the real data are not at {}; set BELLWETHER_REAL_DATA", folder.display());
    None
}

fn load(toml: &str) -> Option<Loaded> {
    let folder = data()?;
    let sections: Sections = toml::from_str(toml).unwrap();
    let contract = Contract::resolve(&folder, sections).unwrap_or_else(|error| panic!("{error}"));
    let loaded = Tables::load(&contract).unwrap_or_else(|error| panic!("{error}"));
    eprintln!("{}", loaded.report.at(None).lines().join("\n"));
    Some(loaded)
}

/// 59 organisations; knowledge goes by `ingested_at`, which 7.5 % of the rows reach over 30 days late.
#[test]
fn dpdk_organisations() {
    let toml = r#"
        [tables.usage]
        path = "git_dpdk_usage_events.parquet"
        columns = { at = "ts", known_at = "ingested_at" }
        derive = { feature = "event_type || '/' || feature" }
        where = "is_org"
    "#;
    let Some(loaded) = load(toml) else { return };
    let facts = &loaded.facts;
    assert_eq!(facts.accounts.len(), 59);
    let usage = facts.usage.as_ref().unwrap();
    let outcome = loaded.report.at(None);
    assert_eq!(outcome.tables[0].rows as usize, usage.rows.len());
    assert_eq!(outcome.tables[0].rows + outcome.tables[0].filtered, 120_636);
    assert_eq!(
        (outcome.tables[0].rows, outcome.tables[0].left_out, outcome.tables[0].duplicates),
        (108_181, 0, 25_869)
    );
    assert_eq!(rules(&outcome, "usage"), [("known_before_event", "known_at", 151, false)]);
    assert!(outcome.tables[0].replayable);
    assert!(facts.features.names.iter().all(|name| name.contains('/')));
    let late = usage.rows.iter().filter(|row| row.known_at > row.at.plus_days(30)).count();
    assert!((0.05..0.10).contains(&(late as f64 / usage.rows.len() as f64)), "{late}");
    outcome.gate().unwrap();
}

/// A quarter of the lines have no customer: null keys, which the default limit of 0.5 % stops.
#[test]
fn online_retail() {
    let toml = r#"
        [tables.usage]
        path = "online_retail.parquet"
        columns = { account_id = "CustomerID", at = "InvoiceDate", feature = "StockCode" }
        derive = { quantity = "Quantity * UnitPrice" }
    "#;
    let Some(loaded) = load(toml) else { return };
    let outcome = loaded.report.at(None);
    assert_eq!(outcome.tables[0].rows, 541_909);
    assert_eq!(rules(&outcome, "usage"), [("null_key", "account_id", 135_080, true)]);
    assert_eq!(outcome.status, Status::Error);
    assert!(outcome.gate().is_err());
    assert_eq!(loaded.facts.accounts.len(), 4_372);
    assert!(loaded.facts.accounts.contains(&"17850".to_owned()));
    let usage = loaded.facts.usage.as_ref().unwrap();
    assert_eq!(usage.rows.len(), 541_909 - 135_080);
    // These figures and those of the other sets were counted independently, with polars 2.1 in Python.
    let value: f64 = usage.rows.iter().map(|row| row.quantity).sum();
    assert!((value - 8_300_065.81).abs() < 0.1, "{value}");
    assert_eq!(outcome.tables[0].duplicates, 5_267);

    let allowed = load(&format!("{toml}\nerror_if_pct = 30.0")).unwrap();
    allowed.report.at(Some(date("2011-09-01"))).gate().unwrap();
    let aside = load(&format!("{toml}\nwhere = \"CustomerID is not null\"")).unwrap();
    assert_eq!(aside.facts, loaded.facts);
    assert_eq!(aside.report.at(None).tables[0].filtered, 135_080);
}

/// A real subscription book, and its payments as usage.
#[test]
fn eslint_sponsors() {
    let toml = r#"
        [tables.subscriptions]
        path = "sponsors_eslint_plan_changes.csv"
        columns = { effective_at = "ts", mrr = "mrr_after" }
        error_if_pct = 20
        [tables.usage]
        path = "sponsors_eslint_payments.csv"
        columns = { at = "seen_paid_at", quantity = "amount" }
        derive = { feature = "'payment'" }
    "#;
    let Some(loaded) = load(toml) else { return };
    let subscriptions = loaded.facts.subscriptions.as_ref().unwrap();
    assert!(subscriptions.rows.iter().all(|row| row.mrr >= 0.0 && row.mrr.is_finite()));
    let outcome = loaded.report.at(None);
    let kept = outcome.tables.iter().find(|table| table.table == "subscriptions").unwrap();
    assert_eq!((subscriptions.rows.len(), kept.left_out), (1_014, 0));
    assert_eq!(loaded.facts.usage.as_ref().unwrap().rows.len(), 2_459);
    // Without an accounts table, the sign-up is the first use or the first plan known.
    let accounts = loaded.facts.account_rows.as_ref().unwrap();
    assert!(accounts.rows.iter().all(|row| row.signed_up_at.is_some()));
}
