//! The README's session by hand: init, simulate, check, features, backtest, train, models, score.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Float32Array, RecordBatch};
use parquet::arrow::ArrowWriter;

use common::{fail, floats, infer_binary, part, read_parquet, succeed, text, texts};

fn simulated(folder: &Path) -> std::path::PathBuf {
    succeed(folder, &["simulate", "--accounts", "250", "--months", "24", "--seed", "11", "--out", "business"]);
    folder.join("business")
}

#[test]
fn every_verb_of_the_session_works() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["init", "business"]);
    let business = simulated(folder.path());

    let checked = succeed(&business, &["check"]);
    assert!(checked.contains("usage"), "{checked}");
    succeed(&business, &["features", "--as-of", "2026-01-31", "--out", "features.parquet"]);
    succeed(
        &business,
        &["features", "--from", "2025-11-30", "--to", "2026-01-31", "--every", "month", "--out", "three.parquet"],
    );
    let judged = succeed(&business, &["backtest", "--out", "runs/q1", "--learners", "base_rate,logistic"]);
    assert!(judged.contains("logistic") && judged.contains("churn_90d"), "{judged}");
    succeed(&business, &["train", "--out", "registry", "--learners", "base_rate,logistic"]);
    let listed = succeed(&business, &["models", "list"]);
    assert!(listed.contains("simulated  version 1  champion"), "{listed}");
    // Training begins where usage is on record, so that "no use" in it means no use: an account without any has no place.
    let policy = fs::read_to_string(business.join("registry/simulated/versions/1/policy.json")).unwrap();
    assert!(policy.contains("\"requires_usage\": true"), "{policy}");
    let shown = succeed(&business, &["models", "show", "simulated"]);
    assert!(shown.contains("expansion_60d"), "{shown}");

    let bundle = "registry/simulated@champion";
    succeed(&business, &["score", "--as-of", "2026-01-31", "--bundle", bundle, "--out", "out"]);
    let lean = Command::new(infer_binary())
        .current_dir(&business)
        .args(["score", "--bundle", bundle, "--input", "features.parquet", "--out", "lean"])
        .output()
        .unwrap();
    assert!(lean.status.success(), "{}", text(&lean.stderr));
    let read = |out: &str| fs::read(part(&business.join(out), "2026-01-31")).unwrap();
    assert!(read("out") == read("lean"), "`bellwether score` and `bellwether-infer score` publish the same bytes");

    an_absurd_account_is_marked_and_not_guessed(&business, bundle);

    // A second model of the same data is a challenger, and no better: the gate holds.
    succeed(&business, &["train", "--out", "registry", "--learners", "base_rate"]);
    let said = fail(&business, &["models", "promote", "simulated@challenger"], 6);
    assert!(said.contains("hint"), "{said}");
    let listed = succeed(&business, &["models", "list"]);
    assert!(listed.contains("simulated  version 2  challenger"), "{listed}");
}

/// One account of the feature file gets an MRR of a hundred million: it is `OUTSIDE_TRAINING` and has no probability, and
/// every other account is scored as before.
fn an_absurd_account_is_marked_and_not_guessed(business: &Path, bundle: &str) {
    let batches = read_parquet(&business.join("features.parquet"));
    let schema = batches[0].schema();
    let mrr = schema.index_of("mrr").unwrap();
    let file = fs::File::create(business.join("absurd.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), None).unwrap();
    for (position, batch) in batches.iter().enumerate() {
        let known = batch.column(mrr).as_primitive::<Float32Type>();
        let first = |row: usize| position == 0 && row == 0;
        let values = known.iter().enumerate().map(|(row, mrr)| if first(row) { Some(1e8) } else { mrr });
        let mut columns = batch.columns().to_vec();
        columns[mrr] = Arc::new(values.collect::<Float32Array>());
        writer.write(&RecordBatch::try_new(schema.clone(), columns).unwrap()).unwrap();
    }
    writer.close().unwrap();
    let output = Command::new(infer_binary())
        .current_dir(business)
        .args(["score", "--bundle", bundle, "--input", "absurd.parquet", "--out", "absurd"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let read = |out: &str| {
        let scores = read_parquet(&part(&business.join(out), "2026-01-31"));
        (texts(&scores, "account_id"), texts(&scores, "status_reason"), floats(&scores, "churn_90d_probability"))
    };
    let ((accounts, ordinary, before), (_, reasons, probabilities)) = (read("lean"), read("absurd"));
    assert_eq!(ordinary[0].as_deref(), Some("OK"), "the account was scored before");
    assert_eq!((reasons[0].as_deref(), probabilities[0]), (Some("OUTSIDE_TRAINING"), None), "{accounts:?}");
    assert_eq!((&reasons[1..], &probabilities[1..]), (&ordinary[1..], &before[1..]));
    let marked = ordinary.iter().filter(|reason| reason.as_deref() == Some("OUTSIDE_TRAINING")).count();
    assert_eq!(marked, 0, "ordinary accounts are scored");
}

#[test]
fn the_business_has_its_words_in_the_report_and_on_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let config = fs::read_to_string(business.join("bellwether.toml")).unwrap();
    let (rest, _) = config.split_once("[glossary]").unwrap();
    let own = "[glossary]\nmrr = \"What <b>we</b> bill | a month\"\n";
    let pages = |config: &str| {
        fs::write(business.join("bellwether.toml"), config).unwrap();
        succeed(&business, &["backtest", "--out", "run", "--learners", "base_rate"]);
        succeed(&business, &["train", "--out", "registry", "--learners", "base_rate"]);
        let newest = fs::read_dir(business.join("registry/simulated/versions")).unwrap().count();
        let card = business.join(format!("registry/simulated/versions/{newest}/MODEL_CARD.md"));
        [fs::read_to_string(business.join("run/report.html")).unwrap(), fs::read_to_string(card).unwrap()]
    };
    let [report, card] = pages(&format!("{rest}{own}"));
    assert!(report.contains("<h2>In this business&#39;s words</h2>"), "{report}");
    assert!(report.contains("<dt>mrr</dt><dd>What &lt;b&gt;we&lt;/b&gt; bill | a month</dd>"), "{report}");
    assert!(card.contains("## In this business's words\n\n| term | meaning |\n"), "{card}");
    assert!(card.contains(r"| mrr | What \<b\>we\</b\> bill \| a month |"), "{card}");
    for page in pages(rest) {
        assert!(!page.contains("own words") && !page.contains("s words"), "{page}");
    }
}

#[test]
fn an_edited_project_file_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let path = business.join("bellwether.toml");
    let edited = format!("{}\n# mine\n", fs::read_to_string(&path).unwrap());
    fs::write(&path, &edited).unwrap();
    let arguments = ["simulate", "--accounts", "10", "--months", "3", "--out", "business"];
    let said = fail(folder.path(), &arguments, 2);
    assert!(said.contains("edited"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), edited);
}

#[test]
fn mistakes_in_the_project_file_name_file_line_key_and_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let path = business.join("bellwether.toml");
    let good = fs::read_to_string(&path).unwrap();
    let cases = [
        ("[eligibility]", "[eligibilty]", "eligibility"),
        ("min_tenure =", "min_tenur =", "min_tenure"),
        ("horizon = \"90d\"", "horizon = 90", "horizon"),
        ("event = \"mrr_increase\"", "event = \"mrr_increse\"", "mrr_increase"),
        ("refit_every = \"quarter\"", "refit_every = \"quartr\"", "quarter"),
        ("config_version = 1", "config_version = 2", "config_version"),
    ];
    for (right, wrong, named) in cases {
        let bad = good.replacen(right, wrong, 1);
        assert_ne!(bad, good, "{right} is not in the file");
        fs::write(&path, &bad).unwrap();
        let said = fail(&business, &["backtest", "--out", "run"], 2);
        let line = bad.lines().position(|line| line.contains(wrong)).unwrap() + 1;
        assert!(said.contains(&format!("bellwether.toml:{line}")), "{wrong}: expected line {line} in {said}");
        assert!(said.contains(named), "{wrong}: expected {named} in {said}");
    }
    assert!(!business.join("run").exists());
}

/// Runs with variables set, expects the exit code, and returns what was said on stderr.
fn fail_with(folder: &Path, variables: &[(&str, &str)], arguments: &[&str], code: i32) -> String {
    let output = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
        .current_dir(folder)
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{variables:?} {arguments:?}: {said}");
    said
}

#[test]
fn tables_that_cannot_be_read_are_blamed_on_the_line_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("u.csv"), "org,ts,feature\na,2024-01-01,f\n").unwrap();
    fs::write(folder.path().join("broken.parquet"), "PAR1").unwrap();
    let head = "config_version = 1\n[targets.churn_90d]\nevent = \"inactivity\"\n\n[tables.usage]\n";
    let path = "path = \"u.csv\"\n";
    // The lines of the section, the line to blame (from 1), its key, and words of what was expected and of the hint.
    let cases = [
        ("path = \"nowhere/*.csv\"\n".to_owned(), 6, "tables.usage.path", "found none", "does not exist"),
        ("path = \"v.csv\"\n".to_owned(), 6, "tables.usage.path", "expected a file", "did you mean `u.csv`"),
        (
            "path = \"broken.parquet\"\n".to_owned(),
            6,
            "tables.usage.path",
            "cannot be decoded",
            "write or fetch it again",
        ),
        (
            format!("{path}columns = {{ account_id = \"org\", at = \"tss\" }}\n"),
            7,
            "tables.usage.columns.at",
            "expected `tss` (for `at`)",
            "did you mean `ts`",
        ),
        (
            format!("{path}[tables.usage.columns]\naccount_id = \"orgg\"\nat = \"ts\"\n"),
            8,
            "tables.usage.columns.account_id",
            "expected `orgg`",
            "did you mean `org`",
        ),
        (
            format!("{path}columns = {{ account_id = \"org\", at = \"ts\" }}\nwhere = \"featur = 'f'\"\n"),
            8,
            "tables.usage.where",
            "`featur` (in `where`)",
            "did you mean `feature`",
        ),
        (
            format!("{path}columns = {{ account_id = \"org\" }}\n"),
            7,
            "tables.usage.columns",
            "expected `at`",
            "the file has",
        ),
    ];
    for (section, line, key, expected, hint) in cases {
        fs::write(folder.path().join("bellwether.toml"), format!("{head}{section}")).unwrap();
        let said = fail(folder.path(), &["check"], 3);
        for words in [&format!("bellwether.toml:{line}: `{key}"), expected, hint] {
            assert!(said.contains(words), "{section}: expected {words} in {said}");
        }
    }
}

#[test]
fn learners_are_blamed_on_the_flag_or_the_variable_that_named_them() {
    let folder = tempfile::tempdir().unwrap();
    let business = simulated(folder.path());
    let backtest = ["backtest", "--out", "run"];
    let by_flag = fail(&business, &[&backtest[..], &["--learners", "bosting"]].concat(), 2);
    assert!(by_flag.contains("--learners: expected") && by_flag.contains("did you mean `boosting`"), "{by_flag}");
    let by_variable = fail_with(&business, &[("BELLWETHER_LEARNERS", "bosting")], &backtest, 2);
    assert!(by_variable.contains("BELLWETHER_LEARNERS: expected"), "{by_variable}");
    assert!(![by_flag, by_variable].iter().any(|said| said.contains("bellwether.toml")));
}

#[test]
fn a_project_file_that_is_not_there_has_no_line() {
    let folder = tempfile::tempdir().unwrap();
    for (variables, arguments) in [
        (&[][..], &["check", "--config", "gone.toml"][..]),
        (&[("BELLWETHER_CONFIG", "gone.toml")], &["check"]),
        (&[], &["models", "list", "--config", "gone.toml"]),
        (&[("BELLWETHER_CONFIG", "gone.toml")], &["models", "list"]),
    ] {
        let said = fail_with(folder.path(), variables, arguments, 2);
        assert!(said.contains("gone.toml: expected a project file") && said.contains("bellwether init"), "{said}");
        assert!(!said.contains("toml:1"), "{said}");
    }
}

#[test]
fn another_config_is_never_silently_ignored() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), "config_version = 1\n").unwrap();
    let verbs: [&[&str]; 3] = [&["init", "p"], &["simulate", "--out", "p"], &["demo", "--dir", "p"]];
    for verb in verbs {
        let said = fail(folder.path(), &[verb, &["--config", "mine.toml"]].concat(), 2);
        assert!(said.contains("--config: expected p/bellwether.toml") && said.contains("hint"), "{said}");
    }
    assert!(!folder.path().join("p").exists());
    succeed(folder.path(), &["init", "p", "--config", "p/bellwether.toml"]);
    // A variable is for the verbs that read a project, and says nothing of the one that is written.
    let output = fail_with(folder.path(), &[("BELLWETHER_CONFIG", "mine.toml")], &["init", "q"], 0);
    assert!(!output.contains("error"), "{output}");
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let json = [("BELLWETHER_LOG_FORMAT", "json")];
    assert!(fail_with(folder.path(), &json, &["check"], 2).starts_with('{'));
    assert!(!fail_with(folder.path(), &json, &["check", "--log-format", "text"], 2).starts_with('{'));
    let simulate = ["simulate", "--accounts", "20", "--months", "3", "--out"];
    let usage = |variables: &[(&str, &str)], out: &str, more: &[&str]| {
        let said = fail_with(folder.path(), variables, &[&simulate[..], &[out], more].concat(), 0);
        (said, fs::read(folder.path().join(out).join("data/subscriptions.parquet")).unwrap())
    };
    let (said, eleven) = usage(&[], "eleven", &["--seed", "11"]);
    assert!(!said.is_empty());
    assert!(usage(&[("BELLWETHER_SEED", "11")], "variable", &[]).1 == eleven);
    assert!(usage(&[("BELLWETHER_SEED", "12")], "flag", &["--seed", "11"]).1 == eleven);
    assert!(usage(&[("BELLWETHER_SEED", "12")], "twelve", &[]).1 != eleven);
    assert_eq!(usage(&[("BELLWETHER_QUIET", "1")], "quiet", &[]).0, "");
    assert!(!usage(&[("BELLWETHER_QUIET", "0")], "loud", &[]).0.is_empty());
    let missing = fail_with(folder.path(), &[("BELLWETHER_REGISTRY", "elsewhere")], &["models", "list"], 2);
    assert!(missing.contains("elsewhere"), "{missing}");
}

#[test]
fn wrong_usage_is_exit_2_and_absent_tables_are_exit_3() {
    let folder = tempfile::tempdir().unwrap();
    fail(folder.path(), &["check"], 2);
    fail(folder.path(), &["features", "--out", "f.parquet"], 2);
    fail(folder.path(), &["nonsense"], 2);
    let business = simulated(folder.path());
    fs::remove_dir_all(business.join("data/usage")).unwrap();
    let said = fail(&business, &["check"], 3);
    assert!(said.contains("usage"), "{said}");
}
