//! The rules: which rows break them, what becomes of those rows, and what a run makes of it at a date.

mod contract_support;

use std::os::unix::fs::PermissionsExt as _;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use bellwether_features::catalog::CatalogueSettings;
use bellwether_features::contract::FailureKind;
use bellwether_features::facts::BillingPeriod;
use bellwether_features::matrix::{Column, table_ages_hours};
use bellwether_features::read::{ReadError, Rule, Status, write_quarantine};
use bellwether_features::time::Instant;
use bellwether_features::{Availability, Catalogue, Eligibility, FeaturePlan};
use chrono::NaiveDate;
use contract_support::{Project, USAGE, date, rules};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const ACCOUNTS: &str = "account_id,signed_up_at,segment\na,2023-01-01,small\nb,2023-02-01,large\n";
const USES: &str = "account_id,feature,at\na,f,2024-01-01\nb,f,2024-01-02\n";

/// Six tables, one file each; whatever a test does not give is a small valid table.
const ALL: &str = r#"
[tables.accounts]
path = "a.csv"
error_if_pct = 100
[tables.usage]
path = "u.csv"
error_if_pct = 100
[tables.subscriptions]
path = "s.csv"
error_if_pct = 100
[tables.nps]
path = "n.csv"
error_if_pct = 100
[tables.invoices]
path = "i.csv"
error_if_pct = 100
[tables.tickets]
path = "t.csv"
error_if_pct = 100
"#;

fn all(changed: &[(&str, &str)]) -> Project {
    let project = Project::with(&[
        ("a.csv", ACCOUNTS),
        ("u.csv", USES),
        (
            "s.csv",
            "account_id,effective_at,mrr,seats,billing_period\na,2023-01-01,10,1,Monthly\nb,2023-01-01,20,2,yearly\n",
        ),
        ("n.csv", "account_id,respondent_id,at,score\na,r,2024-01-01,9\n"),
        (
            "i.csv",
            "invoice_id,account_id,issued_at,due_at,paid_at,amount\n1,a,2024-01-01,2024-01-31,2024-02-03,10\n2,b,2024-01-01,2024-01-31,,-5\n",
        ),
        (
            "t.csv",
            "ticket_id,account_id,opened_at,resolved_at,category,severity\n1,a,2024-01-01,2024-01-02,how,Urgent\n2,b,2024-01-01,,why,low\n",
        ),
    ]);
    for (name, content) in changed {
        project.write(name, content.as_bytes());
    }
    project
}

#[test]
fn a_sound_project_becomes_facts() {
    let loaded = all(&[]).loaded(ALL);
    let outcome = loaded.report.at(None);
    assert_eq!(outcome.status, Status::Pass, "{:?}", outcome.lines());
    assert_eq!(outcome.missing_tables, ["subscription_items", "contacts", "meetings", "firmographics"]);
    let facts = &loaded.facts;
    assert_eq!(facts.accounts, ["a", "b"]);
    let account = facts.account_rows.as_ref().unwrap().of(0)[0];
    assert_eq!((account.known_at, account.signed_up_at), (Instant::MIN, Some(Instant::start_of(date("2023-01-01")))));
    assert_eq!(facts.segments.names, ["large", "small"]);
    assert_eq!((account.segment, account.industry), (Some(1), None));
    let subscriptions = facts.subscriptions.as_ref().unwrap();
    assert_eq!(subscriptions.of(0)[0].billing_period, Some(BillingPeriod::Monthly));
    assert_eq!(subscriptions.of(1)[0].billing_period, Some(BillingPeriod::Annual));
    let invoices = facts.invoices.as_ref().unwrap();
    assert_eq!(invoices.of(0)[0].paid_at, Some(Instant::start_of(date("2024-02-03"))));
    assert_eq!((invoices.of(1)[0].paid_at, invoices.of(1)[0].amount), (None, -5.0));
    let tickets = facts.tickets.as_ref().unwrap();
    assert!(tickets.of(0)[0].severe && !tickets.of(1)[0].severe);
    assert_eq!(facts.ticket_categories.names, ["how", "why"]);
}

/// (file, its content, table, the rules it breaks)
type Case = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str, u64, bool)]);

const BROKEN: &[Case] = &[
    (
        "a.csv",
        "account_id,signed_up_at\na,2023-01-01\nb,2023-01-01\n,2023-01-01\n",
        "accounts",
        &[("null_key", "account_id", 1, true)],
    ),
    (
        "a.csv",
        "account_id,signed_up_at\na,2023-01-01\nb,2023-01-01\na,2023-01-02\n",
        "accounts",
        &[("duplicate_key", "account_id", 1, true)],
    ),
    (
        "a.csv",
        "account_id,signed_up_at\na,2023-01-01\nb,2023-01-01\nc,yesterday\n",
        "accounts",
        &[("unparsable", "signed_up_at", 1, true)],
    ),
    (
        "u.csv",
        "account_id,feature,at\na,f,2024-01-01\nc,f,2024-01-01\n,f,2024-01-01\n",
        "usage",
        &[("null_key", "account_id", 1, true), ("unknown_account", "account_id", 1, true)],
    ),
    (
        "u.csv",
        "account_id,feature,at,quantity\na,f,2024-01-01,inf\na,,,1\na,f,2024-01-01,-2\na,f,2024-01-01,many\n",
        "usage",
        &[
            ("null_value", "at", 1, true),
            ("null_value", "feature", 1, true),
            ("out_of_range", "quantity", 1, true),
            ("unparsable", "quantity", 1, true),
        ],
    ),
    (
        "u.csv",
        "account_id,feature,at,known_at\na,f,2024-01-02,2024-01-01\na,f,2024-01-01,\na,f,2024-01-01,later\n",
        "usage",
        &[
            ("known_before_event", "known_at", 1, false),
            ("null_value", "known_at", 1, true),
            ("unparsable", "known_at", 1, true),
        ],
    ),
    (
        "s.csv",
        "account_id,effective_at,mrr,seats,billing_period,discount\na,2023-01-01,-1,1,monthly,0\na,2023-01-02,1,-1,monthly,0\na,2023-01-03,1,1,weekly,0\na,2023-01-04,1,1,monthly,20\na,2023-01-04,0,,,\n",
        "subscriptions",
        &[
            ("not_allowed", "billing_period", 1, true),
            ("out_of_range", "discount", 1, true),
            ("out_of_range", "mrr", 1, true),
            ("out_of_range", "seats", 1, true),
        ],
    ),
    (
        "s.csv",
        "account_id,effective_at,mrr,known_at\na,2023-01-01,1,2023-01-01\na,2023-01-01,2,2023-01-05\na,2023-01-01,3,2023-01-05\n",
        "subscriptions",
        &[("duplicate_key", "account_id", 1, true)],
    ),
    (
        "n.csv",
        "account_id,respondent_id,at,score\na,r,2024-01-01,11\na,r,2024-01-02,-1\na,r,2024-01-03,10\na,r,2024-01-04,0\na,,2024-01-05,5\na,r,2024-01-06,\n",
        "nps",
        &[("null_key", "respondent_id", 1, true), ("null_value", "score", 1, true), ("out_of_range", "score", 2, true)],
    ),
    (
        "i.csv",
        "invoice_id,account_id,issued_at,due_at,amount\n1,a,2024-01-31,2024-01-01,1\n2,a,2024-01-01,2024-01-01,1\n2,b,2024-01-01,2024-01-02,1\n",
        "invoices",
        &[("due_before_issued", "due_at", 1, true), ("duplicate_key", "invoice_id", 1, true)],
    ),
    (
        "t.csv",
        "ticket_id,account_id,opened_at,resolved_at\n1,a,2024-01-31,2024-01-01\n2,a,2024-01-01,2024-01-01\n",
        "tickets",
        &[("resolved_before_opened", "resolved_at", 1, true)],
    ),
];

#[test]
fn every_rule_finds_its_rows_and_only_those() {
    for (file, content, table, expected) in BROKEN {
        let loaded = all(&[(file, content)]).loaded(ALL);
        let outcome = loaded.report.at(None);
        assert_eq!(rules(&outcome, table), *expected, "{content}");
        let kept = outcome.tables.iter().find(|found| found.table == *table).unwrap();
        assert_eq!(kept.rows, content.lines().count() as u64 - 1);
        assert_eq!(kept.status, Status::Warn);
    }
}

#[test]
fn the_first_row_of_a_key_holds() {
    let loaded = all(&[("a.csv", "account_id,segment\na,first\nb,x\na,second\n")]).loaded(ALL);
    let facts = &loaded.facts;
    let row = facts.account_rows.as_ref().unwrap().of(0)[0];
    assert_eq!(facts.segments.names[row.segment.unwrap() as usize], "first");
    assert_eq!(facts.segments.names, ["first", "x"], "names of left-out rows are not in the facts");
}

#[test]
fn declared_ranges_and_values_are_checked_too() {
    let toml = format!("{USAGE}range = {{ quantity = [0, 100] }}\nallowed = {{ feature = [\"f\"] }}\n");
    let project = Project::with(&[(
        "u.csv",
        "account_id,feature,at,quantity\na,f,2024-01-01,0\na,F,2024-01-01,1\na,f,2024-01-01,101\na,f,2024-01-01,-1\n",
    )]);
    let outcome = project.loaded(&toml).report.at(None);
    assert_eq!(rules(&outcome, "usage"), [("not_allowed", "feature", 1, true), ("out_of_range", "quantity", 2, true)]);
}

const DIRTY: &str = "account_id,feature,at\na,f,2024-01-01\na,f,2024-01-02\na,f,2024-01-03\n,f,2024-03-01\n";

#[test]
fn a_row_counts_only_when_it_is_visible() {
    let project = Project::with(&[("u.csv", DIRTY)]);
    let report = project.loaded("[tables.usage]\npath = \"u.csv\"\nerror_if_pct = 20\n").report;
    for (as_of, rows, left_out, stops) in [
        ("2024-01-01", 0, 0, false),
        ("2024-01-03", 2, 0, false),
        ("2024-03-01", 3, 0, false),
        ("2024-03-02", 4, 1, true),
    ] {
        let outcome = report.at(Some(date(as_of)));
        assert_eq!((outcome.tables[0].rows, outcome.tables[0].left_out), (rows, left_out), "{as_of}");
        assert_eq!(outcome.gate().is_err(), stops, "{as_of}");
    }
}

#[test]
fn the_limit_is_exceeded_only_above_it() {
    let project = Project::with(&[("u.csv", DIRTY)]);
    for (limit, stops) in [("24.9", true), ("25", false), ("0", true), ("100", false)] {
        let report = project.loaded(&format!("[tables.usage]\npath = \"u.csv\"\nerror_if_pct = {limit}\n")).report;
        let gate = report.at(None).gate();
        assert_eq!(gate.is_err(), stops, "{limit}");
        if let Err(error) = gate {
            assert_eq!(error.kind(), FailureKind::Data);
            assert!(error.to_string().contains("usage: 1 rows left out, 25.00 % of those visible"), "{error}");
        }
    }
}

#[test]
fn on_violation_decides_what_becomes_of_a_row() {
    let content = "account_id,respondent_id,at,score\na,r,2024-01-01,11\na,r,2024-01-02,x\nzz,r,2024-01-03,5\na,r,2024-01-03,5\na,r,2024-01-03,6\n";
    let load = |mode: &str| {
        let toml = format!(
            "[tables.accounts]\npath = \"a.csv\"\n[tables.nps]\npath = \"n.csv\"\nerror_if_pct = 100\non_violation = \"{mode}\"\n[eligibility]\n[tables.usage]\npath = \"u.csv\"\n"
        );
        all(&[("n.csv", content)]).loaded(&toml)
    };
    let rows = |mode: &str| load(mode).facts.nps.unwrap().rows.len();
    assert_eq!((rows("error"), rows("quarantine"), rows("warn")), (1, 1, 4));
    assert!(matches!(load("error").report.at(None).gate(), Err(ReadError::Gate { .. })));
    load("error").report.at(Some(date("2024-01-01"))).gate().unwrap();
    load("quarantine").report.at(None).gate().unwrap();

    let warned = load("warn");
    warned.report.at(None).gate().unwrap();
    assert_eq!(warned.facts.accounts, ["a", "b", "zz"], "an account that only a kept row has is an account");
    assert_eq!(warned.facts.nps.unwrap().of(0)[0].score, 11.0);
    let outcome = warned.report.at(None);
    assert_eq!(
        rules(&outcome, "nps"),
        [
            ("duplicate_key", "account_id", 1, false),
            ("out_of_range", "score", 1, false),
            ("unknown_account", "account_id", 1, false),
            ("unparsable", "score", 1, true)
        ]
    );
}

#[test]
fn repeats_of_a_use_stay_and_are_counted_when_visible() {
    let csv = "account_id,feature,at,user_id\na,f,2024-01-01,u\na,f,2024-01-01,u\na,f,2024-01-01,v\na,f,2024-02-01,u\na,f,2024-02-01,u\na,f,2024-02-01,u\n";
    let loaded = Project::with(&[("u.csv", csv)]).loaded(USAGE);
    assert_eq!(loaded.facts.usage.as_ref().unwrap().rows.len(), 6);
    let repeats = |as_of: Option<NaiveDate>| loaded.report.at(as_of).tables[0].duplicates;
    assert_eq!((repeats(Some(date("2024-02-01"))), repeats(None)), (1, 3));
    assert!(rules(&loaded.report.at(None), "usage").is_empty());
    loaded.report.at(None).gate().unwrap();
}

#[test]
fn freshness_is_measured_against_as_of() {
    let project = Project::with(&[(
        "u.csv",
        "account_id,feature,at,known_at\na,f,2024-01-01,2024-01-02T12:00:00Z\na,f,2024-02-01,2024-02-01\n",
    )]);
    let toml = format!("{USAGE}freshness = {{ warn_after = \"24h\", error_after = \"72h\" }}\n");
    let report = project.loaded(&toml).report;
    for (as_of, age, status) in [
        ("2024-01-03", Some(12.0), Status::Pass),
        ("2024-01-04", Some(36.0), Status::Warn),
        ("2024-01-06", Some(84.0), Status::Error),
        ("2024-02-02", Some(24.0), Status::Pass),
        ("2024-01-02", None, Status::Error),
    ] {
        let outcome = report.at(Some(date(as_of)));
        assert_eq!((outcome.tables[0].age_hours, outcome.status), (age, status), "{as_of}");
        assert_eq!(outcome.table_ages_hours().get("usage").copied(), age);
    }
    assert_eq!(report.at(None).status, Status::Pass);
}

#[test]
fn a_delay_declared_for_a_table_moves_what_is_known() {
    let project = Project::with(&[("u.csv", USES)]);
    let usage = project.loaded(&format!("{USAGE}known_after = \"36h\"\n")).facts.usage.unwrap();
    assert_eq!(usage.of(0)[0].known_at.0 - usage.of(0)[0].at.0, 36 * 3_600_000_000);
}

#[test]
fn accounts_without_a_table_sign_up_with_their_first_use_as_known() {
    let csv = "account_id,feature,at,known_at\na,f,2024-01-10,2024-01-10\na,f,2024-01-05,2024-02-01\na,f,2024-01-07,2024-03-01\na,f,2024-01-01,2024-04-01\n";
    let facts = Project::with(&[("u.csv", csv)]).loaded(USAGE).facts;
    let rows = facts.account_rows.unwrap();
    let versions: Vec<(Instant, Option<Instant>)> =
        rows.of(0).iter().map(|row| (row.known_at, row.signed_up_at)).collect();
    let at = |day: &str| Instant::start_of(date(day));
    let expected = [("2024-04-01", "2024-01-01"), ("2024-02-01", "2024-01-05"), ("2024-01-10", "2024-01-10")];
    assert_eq!(versions, expected.map(|(known, first)| (at(known), Some(at(first)))));
}

#[test]
fn accounts_of_left_out_rows_are_counted_as_given() {
    let csv =
        "account_id,signed_up_at\na,2023-01-01\nb,2023-01-01\nc,nonsense\na,2023-05-05\n,2024-01-01\nd,2024-06-01,x\n";
    let report = all(&[("a.csv", csv)]).loaded(ALL).report;
    let quarantined = |as_of: Option<NaiveDate>| report.at(as_of).quarantined_accounts;
    assert_eq!(quarantined(None), 3, "c, the row without an id, the row that is none; a holds by its first row");
    assert_eq!(quarantined(Some(date("2023-06-01"))), 2, "the row without an id is not yet visible");
}

#[test]
fn left_out_rows_are_written_for_their_owner_only() {
    let secret = "do-not-show";
    let content =
        format!("account_id,feature,at\na,f,2024-01-01\nzz,{secret},2024-01-01\na,f,{secret}\na,f\nyy,f,2024-06-01\n");
    let project = all(&[("u.csv", &content)]);
    let contract = project.contract(ALL);
    let report = project.loaded(ALL).report;
    assert!(!report.at(None).lines().join("\n").contains(secret), "no cell value in a report");
    assert!(!serde_json::to_string(&report.at(None)).unwrap().contains(secret));

    let folder = project.path("quarantine");
    let written = write_quarantine(&folder, &contract, &report, Some(date("2024-03-01"))).unwrap();
    assert_eq!(written, [folder.join("usage.parquet")]);
    assert_eq!(std::fs::metadata(&written[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let file = std::fs::File::open(&written[0]).unwrap();
    let lines = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().next().unwrap().unwrap();
    let text = |name: &str| -> Vec<Option<String>> {
        let column = lines.column_by_name(name).unwrap().as_string::<i32>();
        column.iter().map(|cell| cell.map(str::to_owned)).collect()
    };
    let some = |cells: [&str; 3]| cells.map(|cell| (!cell.is_empty()).then(|| cell.to_owned())).to_vec();
    assert_eq!(text("rule"), some(["unknown_account", "unparsable", "field_count"]));
    assert_eq!(text("column"), some(["account_id", "at", "*"]));
    assert_eq!(text("account_id"), some(["zz", "a", ""]));
    assert_eq!(text("feature"), some([secret, "f", ""]));
    assert_eq!(text("at"), some(["2024-01-01", secret, ""]));
    let rows: Vec<Option<u32>> = lines.column_by_name("row").unwrap().as_primitive::<UInt32Type>().iter().collect();
    assert_eq!(rows, [Some(2), Some(3), Some(4)]);
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "nothing staged is left: {names:?}");
}

#[test]
fn a_sound_project_has_no_quarantine() {
    let project = all(&[]);
    let report = project.loaded(ALL).report;
    assert!(write_quarantine(&project.path("q"), &project.contract(ALL), &report, None).unwrap().is_empty());
    assert!(!project.path("q").exists());
}

#[test]
fn tables_that_are_not_declared_are_named() {
    let loaded = Project::with(&[("u.csv", USES)]).loaded(USAGE);
    let missing = ["accounts", "subscriptions", "subscription_items", "nps", "invoices", "tickets"];
    assert_eq!(
        loaded.report.at(None).missing_tables,
        [&missing[..], &["contacts", "meetings", "firmographics"]].concat()
    );
    let facts = loaded.facts;
    assert!(
        facts.nps.is_none() && facts.invoices.is_none() && facts.tickets.is_none() && facts.subscriptions.is_none()
    );
}

/// Codes stand in quarantine files: they do not change.
#[test]
fn rule_codes_are_stable() {
    let codes: Vec<&str> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    assert_eq!(
        codes,
        [
            "field_count",
            "null_key",
            "null_value",
            "unparsable",
            "out_of_range",
            "not_allowed",
            "duplicate_key",
            "unknown_account",
            "due_before_issued",
            "resolved_before_opened",
            "until_before_since",
            "until_before_from",
            "goal_of_nobody",
            "known_before_event"
        ]
    );
    for rule in Rule::ALL {
        assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{}\"", rule.code()));
        assert!(!rule.advice().is_empty());
    }
}

/// The sign-up that is taken from facts follows from what was known then, even where uses begin after the subscription.
#[test]
fn a_derived_sign_up_moves_only_when_something_becomes_known() {
    let files = [
        ("s.csv", "account_id,effective_at,mrr\na,2024-01-01,10\n"),
        ("u.csv", "account_id,feature,at\na,f,2024-02-01\n"),
        ("n.csv", "account_id,respondent_id,at,score\nonly-asked,r,2024-05-01,9\n"),
    ];
    let toml = format!("{USAGE}[tables.subscriptions]\npath = \"s.csv\"\n[tables.nps]\npath = \"n.csv\"\n");
    let facts = Project::with(&files).loaded(&toml).facts;
    let rows = facts.account_rows.unwrap();
    let versions = |account: usize| -> Vec<(Instant, Option<Instant>)> {
        rows.of(account).iter().map(|row| (row.known_at, row.signed_up_at)).collect()
    };
    let at = |day: &str| Instant::start_of(date(day));
    assert_eq!(versions(0), ["2024-01-01", "2024-02-01"].map(|day| (at(day), Some(at(day)))));
    assert_eq!(versions(1), [], "nothing says since when it is there");
}

/// Before an account is entered, its facts are set aside where a table is strict, and kept where it only warns.
#[test]
fn facts_count_from_when_their_account_is_entered() {
    let files = [
        ("a.csv", "account_id,signed_up_at,known_at\na,2023-01-01,2024-03-01\nb,2023-01-01,2023-01-01\n"),
        ("u.csv", "account_id,feature,at\na,f,2024-01-10\na,f,2024-01-10\nb,f,2024-01-05\n"),
        ("s.csv", "account_id,effective_at,mrr\na,2024-01-05,10\n"),
    ];
    let toml = format!(
        "{USAGE}[tables.accounts]\npath = \"a.csv\"\n[tables.subscriptions]\npath = \"s.csv\"\non_violation = \"warn\"\n"
    );
    let loaded = Project::with(&files).loaded(&toml);
    let found = |as_of: Option<&str>| {
        let outcome = loaded.report.at(as_of.map(date));
        let usage = outcome.tables.iter().find(|table| table.table == "usage").unwrap();
        let of = |table: &str| -> Vec<(&'static str, u64, bool)> {
            rules(&outcome, table).into_iter().map(|(rule, _, rows, left_out)| (rule, rows, left_out)).collect()
        };
        (of("usage"), of("subscriptions"), usage.duplicates, usage.age_hours)
    };
    let unknown = |rows: u64, left_out: bool| vec![("unknown_account", rows, left_out)];
    assert_eq!(found(Some("2024-01-06")), (vec![], unknown(1, false), 0, Some(24.0)));
    assert_eq!(found(Some("2024-03-01")), (unknown(2, true), unknown(1, false), 0, Some(56.0 * 24.0)));
    assert_eq!(found(Some("2024-03-02")), (vec![], vec![], 1, Some(52.0 * 24.0)));
    assert_eq!(found(None), (vec![], vec![], 1, None));

    let facts = &loaded.facts;
    let plan = FeaturePlan::new(
        Catalogue::new(&Availability::of(facts), &CatalogueSettings::default()),
        Eligibility::default(),
    );
    let spine = plan.spine(facts, &[date("2024-03-01"), date("2024-03-02")]);
    assert_eq!((&spine.accounts[..], &spine.ineligible[..]), (&[0, 0][..], &[1, 1][..]));
    let matrix = plan.compute(facts, &spine);
    let Some(Column::Numeric(uses)) = matrix.column("usage_events_90d") else { panic!("no such column") };
    assert_eq!(uses[..], [0.0, 2.0], "the subscription is kept, the uses are not yet");
    let ages = |day: &str| table_ages_hours(facts, date(day))["usage"];
    assert_eq!([ages("2024-03-01"), ages("2024-03-02")], [56.0 * 24.0, 52.0 * 24.0]);
}

/// Keys without an event time: a row of the future that stands first in its file sets nothing aside that is there before
/// it, and counts against nothing.
#[test]
fn of_a_repeated_key_the_row_that_counts_first_holds() {
    // File, header, a row of the past, a row of the future with its key.
    let tables = [
        ("a.csv", "account_id,signed_up_at,segment\n", "a,2023-01-01,small\n", "a,2025-01-01,large\n"),
        (
            "i.csv",
            "invoice_id,account_id,issued_at,due_at,paid_at,amount\n",
            "1,a,2024-01-01,2024-01-31,2024-02-09,10\n",
            "1,a,2025-01-01,2025-01-31,,99\n",
        ),
        (
            "t.csv",
            "ticket_id,account_id,opened_at,category,severity\n",
            "1,a,2024-02-01,how,low\n",
            "1,a,2025-01-01,why,urgent\n",
        ),
        ("c.csv", "account_id,contact_id,role,since\n", "a,p,sponsor,2023-06-01\n", "a,p,user,2025-01-01\n"),
    ];
    let toml = format!(
        "{USAGE}[tables.accounts]\npath = \"a.csv\"\n[tables.invoices]\npath = \"i.csv\"\n[tables.tickets]\npath = \
         \"t.csv\"\n[tables.contacts]\npath = \"c.csv\"\n[tables.subscriptions]\npath = \"s.csv\"\n"
    );
    let at = date("2024-03-01");
    let seen = |rows: &dyn Fn(&str, &str) -> String| {
        let files = tables.map(|(file, header, past, future)| (file, format!("{header}{}", rows(past, future))));
        let mut files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (*file, text.as_str())).collect();
        files.push(("u.csv", "account_id,feature,at\na,f,2024-01-10\n"));
        files.push(("s.csv", "account_id,effective_at,mrr\na,2023-01-05,10\n"));
        let loaded = Project::with(&files).loaded(&toml);
        let outcome = loaded.report.at(Some(at));
        let counted: Vec<_> =
            outcome.tables.iter().map(|table| (table.table.clone(), table.rows, table.left_out)).collect();
        let catalogue = Catalogue::new(&Availability::of(&loaded.facts), &CatalogueSettings::default());
        let plan = FeaturePlan::new(catalogue, Eligibility::default());
        let matrix = plan.compute(&loaded.facts, &plan.spine(&loaded.facts, &[at]));
        assert_eq!(matrix.len(), 1);
        let value = |name: &str| match matrix.column(name) {
            Some(Column::Numeric(values)) => values[0],
            other => panic!("{name}: {other:?}"),
        };
        let known = ["payments_days_late_max_365d", "support_tickets_90d", "sponsorship_sponsor_present"].map(value);
        assert_eq!(known, [9.0, 1.0, 1.0]);
        (counted, format!("{:?}", matrix.columns))
    };
    let past_only = seen(&|past, _| past.to_owned());
    assert!(past_only == seen(&|past, future| format!("{future}{past}")), "the future first");
    assert!(past_only == seen(&|past, future| format!("{past}{future}")), "the future last");
}
