//! The project file: what resolves, what is refused, and how the refusal is worded.

mod contract_support;

use std::path::Path;

use bellwether_features::contract::{
    ColumnSource, Contract, ContractError, FailureKind, OnViolation, Sections, TableName, explain_toml_error,
    read_source,
};
use bellwether_features::label::{Event, OutcomeTime};
use bellwether_features::spine::ActiveBy;
use bellwether_features::time::MICROS_PER_DAY;
use contract_support::{Project, resolve};
use miette::Diagnostic;

/// The example of the contract's own description.
const EXAMPLE: &str = r#"
[project]
name = "acme"
currency = "EUR"
[tables.usage]
path = "${DATA}/usage/*.parquet"
columns = { account_id = "org", at = "ts", known_at = "ingested_at" }
derive = { feature = "event_type || '/' || folder" }
where = "kind != 'test'"
known_after = "0d"
on_violation = "quarantine"
error_if_pct = 0.5
freshness = { warn_after = "24h", error_after = "72h" }
[tables.subscriptions]
path = ["a.csv", "b.csv.gz"]
known_after = "1d"
[eligibility]
active_by = "subscription"
within = "90d"
min_tenure = "14d"
[targets.churn_90d]
event = "subscription_end"
time = "event"
horizon = "90d"
grace = "14d"
landing_delay = "2d"
text = "Paid account whose MRR reaches 0 and stays 0 for 14 days"
[targets.expansion_60d]
event = "mrr_increase"
ratio = 1.05
min_absolute = 0
horizon = "60d"
[catalogue]
features = ["draft", "review", "publish"]
value_moments = ["publish"]
[workflows.publish]
steps = ["draft", "review", "publish"]
[tickets.kinds]
how_to = ["how do I"]
complaint = ["why doesn't it"]
[glossary]
mrr = "Monthly recurring revenue at as_of"
"#;

#[test]
fn the_example_resolves_into_checked_settings() {
    let contract = resolve(Path::new("/srv/project"), EXAMPLE).unwrap();
    let usage = &contract.tables[&TableName::Usage];
    assert_eq!(usage.patterns[0].as_str(), "/srv/project/usage/*.parquet");
    assert_eq!((usage.warn_after_micros, usage.error_after_micros), (Some(MICROS_PER_DAY), Some(3 * MICROS_PER_DAY)));
    assert_eq!((usage.on_violation, usage.error_if_pct), (OnViolation::Quarantine, 0.5));
    let source = |name: &str| &usage.columns.iter().find(|rule| rule.canonical.name == name).unwrap().source;
    assert_eq!(source("at"), &ColumnSource::Named("ts".to_owned()));
    assert_eq!(source("user_id"), &ColumnSource::SameName);
    assert!(matches!(source("feature"), ColumnSource::Derived(_)));

    let subscriptions = &contract.tables[&TableName::Subscriptions];
    assert_eq!(subscriptions.patterns.len(), 2);
    assert_eq!(subscriptions.known_after_micros, MICROS_PER_DAY);

    assert_eq!(contract.eligibility.active_by, ActiveBy::Subscription);
    assert_eq!((contract.eligibility.within_days, contract.eligibility.min_tenure_days), (90, 14));
    let churn = &contract.targets[0];
    assert_eq!(
        (churn.event.clone(), churn.time, churn.label_interval_days()),
        (Event::SubscriptionEnd, OutcomeTime::Event, 106)
    );
    let expansion = &contract.targets[1];
    assert_eq!(expansion.event, Event::MrrIncrease { ratio: 1.05, min_absolute: 0.0 });
    assert_eq!((expansion.grace_days, expansion.text.as_str()), (0, "MRR rises by at least 5 % within 60 days"));
    assert_eq!(contract.catalogue.workflows[0].steps, ["draft", "review", "publish"]);
    assert_eq!(contract.catalogue.complaint_categories, ["why doesn't it"]);
}

#[test]
fn defaults_are_those_of_the_description() {
    let contract =
        resolve(Path::new("p"), "[tables.usage]\npath = \"u.csv\"\n[targets.c]\nevent = \"inactivity\"\n").unwrap();
    assert_eq!(contract.eligibility.active_by, ActiveBy::Usage);
    assert_eq!((contract.eligibility.within_days, contract.eligibility.min_tenure_days), (90, 14));
    let target = &contract.targets[0];
    assert_eq!((target.horizon_days, target.grace_days, target.landing_delay_days), (90, 0, 0));
    let usage = &contract.tables[&TableName::Usage];
    assert_eq!((usage.on_violation, usage.error_if_pct, usage.known_after_micros), (OnViolation::Quarantine, 0.5, 0));
    assert_eq!((usage.warn_after_micros, usage.error_after_micros), (None, None));
}

#[test]
fn a_table_of_a_database_keeps_its_address_to_itself_and_says_which_columns_it_needs() {
    let toml = "[project]\npostgres_url = \"${DATA}/crm\"\n[tables.usage]\npostgres = \"app.usage\"\n\
                columns = { account_id = \"org\", quantity = \"n\" }\nderive = { feature = \"kind || '/' || n\" }\n\
                where = \"not is_test\"\n";
    let sections: Sections = toml::from_str(toml).unwrap();
    let lookup = |_: &str| Some("postgres://ann:secret@db".to_owned());
    let contract = Contract::resolve_with(Path::new("p"), sections, &lookup).unwrap();
    let usage = &contract.tables[&TableName::Usage];
    let database = usage.database.as_ref().unwrap();
    assert_eq!((database.url.expose(), database.relation.as_str()), ("postgres://ann:secret@db/crm", "app.usage"));
    assert!(!format!("{contract:?}").contains("secret"));
    let names = |names: std::collections::BTreeSet<String>| names.into_iter().collect::<Vec<_>>();
    assert_eq!(names(usage.needs()), ["at", "is_test", "kind", "n", "org"]);
    assert_eq!(names(usage.texts()), ["org", "user_id"]);
    let reads = usage.reads();
    assert!(["at", "org", "known_at", "user_id"].iter().all(|name| reads.contains(*name)), "{reads:?}");
    assert!(!reads.contains("account_id") && !reads.contains("feature"), "{reads:?}");
    let mut fetched = contract.tables[&TableName::Usage].clone();
    assert!(bellwether_features::read::table_files(usage).is_err(), "not fetched");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a[1]*.parquet");
    std::fs::write(&file, "x").unwrap();
    fetched.fetched(&file);
    assert_eq!(bellwether_features::read::table_files(&fetched).unwrap(), [file]);
}

/// (what is written after a plain usage table, key, part of the hint or message)
const MISTAKES: &[(&str, &str, &str)] = &[
    ("columns = { acount_id = \"x\" }", "tables.usage.columns.acount_id", "did you mean `account_id`?"),
    ("columns = { mrr = \"x\" }", "tables.usage.columns.mrr", "there are: `account_id`, `user_id`"),
    ("derive = { feature = \"a ||\" }", "tables.usage.derive.feature", "at character 5: expected a column"),
    ("where = \"a == 'x\"", "tables.usage.where", "at character 6: this ' is never closed"),
    ("where = \"a && b\"", "tables.usage.where", "write `and`"),
    ("columns = { feature = \"f\" }\nderive = { feature = \"g\" }", "tables.usage.derive.feature", "both in"),
    ("known_after = \"1d\"\ncolumns = { known_at = \"k\" }", "tables.usage.known_after", "without `known_at`"),
    ("known_after = \"a day\"", "tables.usage.known_after", "write a whole number and a unit"),
    ("known_after = \"3M\"", "tables.usage.known_after", "write a month as 30d"),
    ("error_if_pct = 101", "tables.usage.error_if_pct", "from 0 to 100"),
    ("freshness = { warn_after = \"3d\", error_after = \"1d\" }", "tables.usage.freshness.warn_after", "longer than"),
    ("time_zone = \"Europe/Berln\"", "tables.usage.time_zone", "the IANA name of a time zone"),
    ("time_format = \"%Q\"", "tables.usage.time_format", "strftime"),
    ("csv = { delimiter = \"ä\" }", "tables.usage.csv.delimiter", "ASCII"),
    ("range = { quantity = [2, 1] }", "tables.usage.range.quantity", "[least, most]"),
    ("range = { feature = [1, 2] }", "tables.usage.range.feature", "does not fit"),
    ("allowed = { quantity = [\"a\"] }", "tables.usage.allowed.quantity", "does not fit"),
    ("[tables.usge]\npath = \"x\"", "tables.usge", "did you mean `usage`?"),
    ("[tables.goal]\npath = \"x\"", "tables.goal", "did you mean `goals`"),
    ("[tables.nps]\npath = []", "tables.nps.path", "a path is missing"),
    ("[tables.nps]\ncolumns = {}", "tables.nps.path", "or postgres ="),
    ("postgres = \"usage\"", "tables.usage.postgres", "says both"),
    ("[tables.nps]\npostgres = \" \"", "tables.nps.postgres", "an empty text"),
    ("[tables.nps]\npostgres = \"nps\"", "tables.nps.postgres", "here or in [project]"),
    ("[tables.nps]\npostgres_url = \"postgres://h/d\"", "tables.nps.postgres_url", "the table or query"),
    ("[tables.nps]\npostgres = \"nps\"\npostgres_url = \"mysql://h/d\"", "tables.nps.postgres_url", "postgres://"),
    ("[tables.nps]\npostgres = \"nps\"\npostgres_url = \"${NOT_SET_ANYWHERE}\"", "tables.nps.postgres_url", "NOT_SET"),
    (
        "[tables.nps]\npostgres = \"nps\"\n[project]\npostgres_url = \"secret\"",
        "project.postgres_url",
        "one that does not",
    ),
    ("[tables.nps]\npath = \"${NOT_SET_ANYWHERE}/n.csv\"", "tables.nps.path", "`NOT_SET_ANYWHERE` is not set"),
    ("[tables.nps]\npath = \"a[.csv\"", "tables.nps.path", "globs"),
    ("[eligibility]\nactive_by = \"subscription\"", "eligibility.active_by", "declare [tables.subscriptions]"),
    ("[eligibility]\nmin_tenure = \"36h\"", "eligibility.min_tenure", "whole days"),
    ("[targets.Churn]\nevent = \"inactivity\"", "targets.Churn", "lower-case"),
    ("[targets.c]\nevent = \"subscription_end\"", "targets.c.event", "declare [tables.subscriptions]"),
    ("[targets.c]\nevent = \"inactivity\"\ngrace = \"1d\"", "targets.c.grace", "belongs to the event subscription_end"),
    ("[targets.c]\nevent = \"inactivity\"\nratio = 2", "targets.c.ratio", "belongs to the increase events"),
    ("[targets.c]\nevent = \"quantity_increase\"\nratio = 1.0", "targets.c.ratio", "above 1"),
    ("[targets.c]\nevent = \"quantity_increase\"\nratio = nan", "targets.c.ratio", "above 1"),
    ("[targets.c]\nevent = \"inactivity\"\nhorizon = \"0d\"", "targets.c.horizon", "at least 1"),
    ("[workflows.w]\nsteps = [\"a\"]", "workflows.w.steps", "at least two steps"),
    ("[workflows.\"a b\"]\nsteps = [\"a\", \"b\"]", "workflows.a b", "a name of letters, digits"),
    ("[reviews]\ninterval = \"36h\"", "reviews.interval", "whole days"),
    ("[catalogue]\nfeatures = [\"export\"]\nadvanced = [\"exprot\"]", "catalogue.advanced", "did you mean `export`?"),
    ("[project]\nname = \"Acme Inc\"", "project.name", "lower-case"),
];

#[test]
fn every_mistake_names_its_key_and_says_what_to_do() {
    for (written, key, words) in MISTAKES {
        let toml = format!("[tables.usage]\npath = \"u.csv\"\n{written}\n");
        let error = resolve(Path::new("p"), &toml).expect_err(written);
        assert_eq!(error.key_path().join("."), *key, "{written}");
        let help = error.help().map(|help| help.to_string()).unwrap_or_default();
        let text = format!("{error} {help}");
        assert!(text.contains(words), "{written}: {text}");
        assert!(error.code().is_some_and(|code| code.to_string().starts_with("bellwether::contract::")));
        assert_eq!(error.kind(), FailureKind::Configuration);
    }
}

#[test]
fn a_project_without_tables_is_refused() {
    let error = resolve(Path::new("p"), "[project]\nname = \"a\"\n").unwrap_err();
    assert_eq!(error.key_path(), ["tables"]);
}

#[test]
fn a_mistake_is_located_in_the_file() {
    let toml = "[tables.usage]\npath = \"u.csv\"\n\n[tables.usage.columns]\nat = \"ts\"\nknwon_at = \"k\"\n";
    let error = resolve(Path::new("p"), toml).unwrap_err().located(Path::new("bellwether.toml"), toml);
    assert!(
        error.to_string().starts_with("bellwether.toml:6:1: `tables.usage.columns.knwon_at`: unknown canonical column"),
        "{error}"
    );
    assert_eq!(error.help().unwrap().to_string(), "did you mean `known_at`?");
}

#[test]
fn a_value_of_the_wrong_type_has_line_and_column() {
    for (toml, line, words) in [
        ("[tables.usage]\npath = 3\n", 2, "Paths"),
        ("[targets.c]\nevent = \"inactivty\"\n", 2, "unknown variant `inactivty`"),
        ("[tables.usage]\npath = \"u\"\non_violation = \"ignore\"\n", 3, "unknown variant `ignore`"),
        ("[eligibility]\nwithn = \"90d\"\n", 2, "unknown field `withn`"),
    ] {
        let error = toml::from_str::<Sections>(toml).unwrap_err();
        let explained = explain_toml_error(Path::new("f.toml"), toml, &error);
        assert_eq!(explained.place.as_ref().map(|place| place.line), Some(line), "{toml}");
        assert!(explained.to_string().contains(words), "{explained}");
    }
    let toml = "[targets.c]\nevent = \"inactivty\"\n";
    let explained = explain_toml_error(Path::new("f.toml"), toml, &toml::from_str::<Sections>(toml).unwrap_err());
    assert_eq!(explained.help().unwrap().to_string(), "did you mean `inactivity`?");
}

#[test]
fn project_files_that_are_missing_or_huge_are_refused_by_name() {
    let project = Project::new();
    let kind =
        |name: &str| read_source(&project.path(name)).map_err(|error: ContractError| (error.kind(), error.to_string()));
    let (failure, text) = kind("none.toml").unwrap_err();
    assert_eq!(failure, FailureKind::Configuration);
    assert!(text.contains("none.toml"), "{text}");
    project.write("huge.toml", &vec![b'#'; 10 << 20]);
    assert!(kind("huge.toml").unwrap_err().1.contains("at most 1048576 bytes"));
    project.write("ok.toml", b"a = 1\n");
    assert_eq!(read_source(&project.path("ok.toml")).unwrap(), "a = 1\n");
}

#[test]
fn the_digest_follows_the_bytes_and_not_the_place() {
    let [one, two] = [Project::new(), Project::new()];
    for project in [&one, &two] {
        project.write("u/1.csv", b"account_id,feature,at\na,f,2024-01-01\n");
        project.write("u/2.csv", b"account_id,feature,at\nb,f,2024-01-01\n");
    }
    let toml = "[tables.usage]\npath = \"u/*.csv\"\n";
    let digest = |project: &Project| project.contract(toml).data_digest().unwrap();
    assert_eq!(digest(&one), digest(&two));
    assert_eq!(digest(&one).len(), 64);
    two.write("u/2.csv", b"account_id,feature,at\nc,f,2024-01-01\n");
    assert_ne!(digest(&one), digest(&two));
    let files = one.contract(toml).input_files().unwrap();
    // `printf 'account_id,feature,at\na,f,2024-01-01\n' | sha256sum`
    assert_eq!(files.len(), 2);
    assert_eq!((files[0].table.as_str(), files[0].bytes), ("usage", 37));
}

/// The resolved contract does not depend on the order of keys.
#[test]
fn resolution_is_a_function_of_the_content() {
    let one: Sections = toml::from_str(EXAMPLE).unwrap();
    let rewritten = toml::to_string(&one).unwrap();
    let two: Sections = toml::from_str(&rewritten).unwrap();
    let lookup = |_: &str| Some("/d".to_owned());
    let resolved = |sections| Contract::resolve_with(Path::new("p"), sections, &lookup).unwrap();
    assert_eq!(resolved(one), resolved(two));
}

#[test]
fn signals_are_chosen_by_name_and_pattern_and_misspelled_ones_are_found() {
    let project = |signals: &str| {
        let toml = format!("[tables.usage]\npath = \"u.csv\"\n[signals]\n{signals}\n");
        resolve(Path::new("."), &toml)
    };
    let chosen =
        project("include = [\"usage_events_*\", \"nps_latest_score\"]\nexclude = [\"*_7d\"]").unwrap().catalogue;
    let names: Vec<String> = bellwether_features::Catalogue::new(&bellwether_features::Availability::full(), &chosen)
        .definitions()
        .into_iter()
        .map(|signal| signal.name)
        .collect();
    assert!(
        names.contains(&"usage_events_28d".to_owned()) && names.contains(&"nps_latest_score".to_owned()),
        "{names:?}"
    );
    assert!(!names.iter().any(|name| name.ends_with("_7d") || name.starts_with("adoption")), "{names:?}");
    let error = project("include = [\"usage_evnets_28d\"]").unwrap_err().to_string();
    assert!(error.contains("usage_evnets_28d"), "{error}");
    assert!(project("exclude = [\"nothing_*\"]").is_err());
    let of_a_workflow = |name: &str| {
        project(&format!("exclude = [\"usage_workflow_{name}_*\"]\n[workflows.publish]\nsteps = [\"a\", \"b\"]"))
    };
    assert!(of_a_workflow("publish").is_ok());
    assert!(of_a_workflow("report").is_err());
}
