//! Declared signals: what a project file may say, what is refused and where, and small cases with their result.
#![allow(clippy::unwrap_used)]

mod contract_support;

use std::collections::BTreeSet;

use bellwether_features::FeaturePlan;
use bellwether_features::catalog::{Availability, Catalogue};
use bellwether_features::contract::{Contract, ContractError, Sections, explain_toml_error};
use bellwether_features::matrix::Column;
use bellwether_features::signal::{Direction, Family, SignalDefinition, Unit};
use bellwether_features::spine::{Eligibility, Spine};
use contract_support::{Project, date, resolve};
use miette::Diagnostic;

const TABLES: &str = "[tables.usage]\npath = \"u.csv\"\n[tables.invoices]\npath = \"i.csv\"\n";
const SIGNAL: &str = "[signals.declared.mine]\ntable = \"usage\"\naggregate = \"count\"\ntext = \"mine: {value}\"\n";

fn definitions(toml: &str) -> Vec<SignalDefinition> {
    let contract = resolve("project".as_ref(), toml).unwrap_or_else(|error| panic!("{toml}: {error}"));
    let catalogue = Catalogue::new(&contract.availability(), &contract.catalogue);
    catalogue.signals().iter().filter(|signal| signal.is_declared()).map(|signal| signal.definition.clone()).collect()
}

#[test]
fn what_is_not_said_has_a_default() {
    let found = definitions(&format!("{TABLES}{SIGNAL}"));
    let expected = SignalDefinition {
        name: "mine".to_owned(),
        family: Family::Usage,
        idea: "declared.mine".to_owned(),
        unit: Unit::Count,
        window_days: None,
        table: "usage".to_owned(),
        text: "mine: {value}".to_owned(),
        null_text: None,
        churn: Direction::Unknown,
        expansion: Direction::Unknown,
        actionable: true,
        parameters: "declared: number of rows in usage in all history".to_owned(),
    };
    assert_eq!(found, [expected]);
    let owed = "[signals.declared.owed]\ntable = \"invoices\"\nwhere = \"amount > 0\"\naggregate = \"sum\"\n\
                value = \"amount\"\nwindow = \"4w\"\ncompare = \"year_ago\"\ntext = \"owed {value}\"\nchurn = \"+\"\n\
                expansion = \"-\"\nactionable = false\nfamily = \"commercial\"\n";
    let found = definitions(&format!("{TABLES}{owed}"));
    let expected = SignalDefinition {
        name: "owed".to_owned(),
        family: Family::Commercial,
        idea: "declared.owed".to_owned(),
        unit: Unit::RelativeChange,
        window_days: Some(28),
        table: "invoices".to_owned(),
        text: "owed {value}".to_owned(),
        null_text: None,
        churn: Direction::Up,
        expansion: Direction::Down,
        actionable: false,
        parameters:
            "declared: sum of amount (0 without one) in invoices where \"amount > 0\" in the last 28 days / the \
                     same of the window 364 days earlier - 1; null where the history does not reach, or with nothing \
                     above 0 to compare with"
                .to_owned(),
    };
    assert_eq!(found, [expected]);
}

#[test]
fn every_key_is_in_the_digest() {
    let all = "table = \"usage\"\nwhere = \"quantity > 1\"\naggregate = \"sum\"\nvalue = \"quantity\"\nwindow = \"28d\"\n\
               text = \"mine: {value}\"\nunit = \"count\"\nchurn = \"+\"\nexpansion = \"-\"\nactionable = true\n\
               family = \"usage\"\n";
    let changes = [
        ("", ""),
        ("quantity > 1", "quantity > 2"),
        ("where = \"quantity > 1\"\n", ""),
        ("\"sum\"", "\"mean\""),
        ("28d", "29d"),
        ("window = \"28d\"\n", ""),
        ("unit = \"count\"\n", "compare = \"previous\"\n"),
        ("unit = \"count\"\n", "compare = \"year_ago\"\n"),
        ("mine:", "ours:"),
        ("unit = \"count\"", "unit = \"money\""),
        ("churn = \"+\"", "churn = \"-\""),
        ("expansion = \"-\"", "expansion = \"unknown\""),
        ("actionable = true", "actionable = false"),
        ("family = \"usage\"", "family = \"support\""),
        ("\"sum\"\nvalue = \"quantity\"", "\"distinct\"\nvalue = \"user_id\""),
        ("\"sum\"\nvalue = \"quantity\"", "\"distinct\"\nvalue = \"feature\""),
    ];
    let digest = |(old, new): &(&str, &str)| {
        let changed = all.replacen(old, new, 1);
        assert!(old.is_empty() || changed != all, "{old}");
        definitions(&format!("{TABLES}[signals.declared.mine]\n{changed}"))[0].digest()
    };
    let digests: BTreeSet<String> = changes.iter().map(digest).collect();
    assert_eq!(digests.len(), changes.len());
}

/// Names of declared signals are known to `include` and `exclude`.
#[test]
fn declared_signals_can_be_chosen_like_others() {
    let chosen = |patterns: &str| {
        let toml = format!("{TABLES}[signals]\n{patterns}\n{SIGNAL}");
        let contract = resolve("project".as_ref(), &toml).unwrap();
        let catalogue = Catalogue::new(&contract.availability(), &contract.catalogue);
        catalogue.definitions().into_iter().map(|definition| definition.name).collect::<Vec<_>>()
    };
    assert_eq!(chosen("include = [\"min*\"]"), ["mine"]);
    assert!(!chosen("exclude = [\"mine\"]").contains(&"mine".to_owned()));
    assert_eq!(chosen("").last().map(String::as_str), Some("mine"));
}

/// The mistake in a whole file, at its line.
fn mistake(toml: &str) -> ContractError {
    let file = std::path::Path::new("bellwether.toml");
    match toml::from_str::<Sections>(toml) {
        Err(error) => explain_toml_error(file, toml, &error),
        Ok(sections) => Contract::resolve("project".as_ref(), sections).unwrap_err().located(file, toml),
    }
}

#[test]
fn mistakes_name_line_key_and_a_way_out() {
    // What replaces what in the section, then the line (of the section, from 1), words of the message and of the hint.
    let all = "[signals.declared.mine]\ntable = \"usage\"\nwhere = \"quantity > 1\"\naggregate = \"sum\"\n\
               value = \"quantity\"\nwindow = \"28d\"\ntext = \"mine: {value}\"\n";
    let cases = [
        ("declared.mine", "declared.\"My signal\"", 1, "expected a name of 1 to 64 lower-case letters", "column"),
        ("declared.mine", "declared.mrr", 1, "`mrr` is the name of a built-in signal", "bellwether signals --all"),
        ("declared.mine", "declared.as_of", 1, "`as_of` is the name of a built-in signal or column", "another name"),
        ("\"usage\"", "\"usgae\"", 2, "unknown table of events `usgae`", "did you mean `usage`?"),
        ("\"usage\"", "\"accounts\"", 2, "unknown table of events `accounts`", "signals already"),
        (
            "\"usage\"",
            "\"tickets\"",
            2,
            "the table `tickets`, whose rows the signal reads, is missing",
            "[tables.tickets]",
        ),
        ("quantity > 1", "quantiti > 1", 3, "unknown canonical column `quantiti`", "did you mean `quantity`?"),
        ("quantity > 1", "quantity >", 3, "at character 11", ""),
        ("quantity > 1", "quantity + 1", 3, "expected a condition, found number", "comparisons"),
        ("quantity > 1", "quantity and feature = 'x'", 3, "for `and`, found number", "comparisons"),
        ("quantity > 1", "at > 'yesterday'", 3, "expected a time such as '2026-01-31' beside `at`", ""),
        ("quantity > 1", "'ten' < quantity", 3, "expected a number beside `quantity`", ""),
        ("\"sum\"", "\"total\"", 4, "unknown variant `total`", "`count`"),
        ("\"sum\"", "\"summ\"", 4, "unknown variant `summ`", "did you mean `sum`?"),
        ("\"sum\"", "\"count\"", 5, "`value` has no meaning with `count`", "remove it"),
        ("value = \"quantity\"\n", "", 1, "`value`, the column that `sum` is taken of, is missing", "`quantity`"),
        ("value = \"quantity\"", "value = \"quantiti\"", 5, "unknown canonical column", "did you mean `quantity`?"),
        (
            "value = \"quantity\"",
            "value = \"feature\"",
            5,
            "expected a column of numbers, found `feature`",
            "`quantity`",
        ),
        ("28d", "28", 6, "expected a length of time", ""),
        ("28d", "36h", 6, "expected whole days, at least 1", ""),
        ("window = \"28d\"", "compare = \"previous\"", 6, "`compare` needs a `window`", "28d"),
        ("window = \"28d\"", "windw = \"28d\"", 6, "unknown field `windw`", "did you mean `window`?"),
        ("{value}", "much", 7, "expected a text with `{value}` in it, once", ""),
        ("text = \"mine: {value}\"\n", "", 1, "missing field `text`", "add that key"),
        ("text", "compare = \"previous\"\nunit = \"count\"\ntext", 8, "expected relative_change", "left out"),
        ("text", "unit = \"category\"\ntext", 7, "expected the unit of a number", "is a number"),
        ("text", "churn = \"up\"\ntext", 7, "unknown variant `up`", "`+`"),
        (
            "\"sum\"\nvalue = \"quantity\"",
            "\"days_since_last\"\ncompare = \"previous\"",
            5,
            "no meaning with `days_since_last`",
            "remove it",
        ),
    ];
    for (old, new, line, message, hint) in cases {
        assert!(all.contains(old), "{old}");
        let error = mistake(&format!("{TABLES}{}", all.replacen(old, new, 1)));
        let said = error.to_string();
        let help = error.help().map(|help| help.to_string()).unwrap_or_default();
        assert!(said.contains(message), "{new}: expected {message}, found {said}");
        assert!(help.contains(hint), "{new}: expected the hint {hint}, found {help}");
        assert_eq!(error.place.unwrap().line, line + 4, "{new}: {said}");
    }
}

/// The declared signals of account `a` at each date.
fn values(project: &Project, toml: &str, dates: &[&str]) -> Vec<Vec<Option<f32>>> {
    let contract = project.contract(toml);
    let loaded = project.loaded(toml);
    let catalogue = Catalogue::new(&Availability::of(&loaded.facts), &contract.catalogue);
    let days: Vec<_> = dates.iter().map(|text| date(text)).collect();
    let spine =
        Spine { accounts: vec![0; days.len()], as_of: days.clone(), ineligible: vec![0; days.len()], dates: days };
    let matrix = FeaturePlan::new(catalogue.clone(), Eligibility::default()).compute(&loaded.facts, &spine);
    let declared = catalogue.signals().iter().zip(&matrix.columns).filter(|(signal, _)| signal.is_declared());
    let numbers = |(_, column): (_, &Column)| match column {
        Column::Numeric(values) => values.iter().map(|value| Some(*value).filter(|value| !value.is_nan())).collect(),
        Column::Category { .. } => panic!("a declared signal is a number"),
    };
    declared.map(numbers).collect()
}

const INVOICES: &str = "[tables.invoices]\npath = \"i.csv\"\n[tables.usage]\npath = \"u.csv\"\n";

/// An invoice paid after `as_of` is unpaid at `as_of`, whatever the file says today; a correction holds from the day on
/// which it was known, also one after which the row no longer counts.
#[test]
fn a_condition_sees_no_future() {
    let invoices = "account_id,invoice_id,issued_at,due_at,paid_at,amount,known_at,kind\n\
                    a,1,2024-01-01,2024-01-31,2024-03-10,100,2024-01-01,recurring\n\
                    a,2,2024-01-01,2024-01-31,,70,2024-01-01,one_time\n\
                    a,2,2024-01-01,2024-01-31,,5,2024-02-20,one_time\n";
    let project = Project::with(&[("i.csv", invoices), ("u.csv", "account_id,feature,at\na,f,2024-01-01\n")]);
    let declared = "[signals.declared.a_unpaid]\ntable = \"invoices\"\nwhere = \"paid_at is null\"\naggregate = \"sum\"\n\
                    value = \"amount\"\ntext = \"{value}\"\n\
                    [signals.declared.b_large]\ntable = \"invoices\"\nwhere = \"amount >= 70\"\naggregate = \"count\"\n\
                    text = \"{value}\"\n\
                    [signals.declared.c_late]\ntable = \"invoices\"\nwhere = \"paid_at > due_at\"\naggregate = \"count\"\n\
                    text = \"{value}\"\n\
                    [signals.declared.d_one_time]\ntable = \"invoices\"\nwhere = \"kind = 'one_time'\"\n\
                    aggregate = \"latest\"\nvalue = \"amount\"\ntext = \"{value}\"\n";
    let dates = ["2024-01-01", "2024-01-02", "2024-02-20", "2024-02-21", "2024-03-10", "2024-03-11"];
    let found = values(&project, &format!("{INVOICES}{declared}"), &dates);
    let known = |values: [f32; 6]| values.map(Some).to_vec();
    assert_eq!(found[0], known([0.0, 170.0, 170.0, 105.0, 105.0, 5.0]));
    assert_eq!(found[1], known([0.0, 2.0, 2.0, 1.0, 1.0, 1.0]));
    assert_eq!(found[2], known([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]));
    assert_eq!(found[3][0], None);
    assert_eq!(found[3][1..], known([70.0, 70.0, 70.0, 5.0, 5.0, 5.0])[1..]);
}

/// A table without `quantity` has 1 everywhere; one whose column a signal needs and nobody has is refused.
#[test]
fn columns_that_are_not_there() {
    let usage = "account_id,feature,at\na,f,2024-01-01\na,g,2024-01-05\n";
    let project = Project::with(&[("u.csv", usage)]);
    let table = "[tables.usage]\npath = \"u.csv\"\n";
    let sum = "[signals.declared.s]\ntable = \"usage\"\nwhere = \"quantity = 1\"\naggregate = \"sum\"\n\
               value = \"quantity\"\nwindow = \"7d\"\ntext = \"{value}\"\n";
    let found = values(&project, &format!("{table}{sum}"), &["2024-01-05", "2024-01-08", "2024-01-09"]);
    assert_eq!(found, [[Some(1.0), Some(2.0), Some(1.0)]]);

    let users = sum.replace("quantity = 1", "user_id is not null");
    let error = project.load(&format!("{table}{users}")).unwrap_err();
    assert!(error.to_string().contains("`user_id` (the declared signal `s` reads it)"), "{error}");
    assert_eq!(error.key().unwrap(), ["tables", "usage", "columns", "user_id"]);
}
