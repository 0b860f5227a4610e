//! `bellwether models`: the gate, who decided and why, the way back, and registries that are not what they should be.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{bellwether, fail, files, succeed, text};

/// A registry with a champion of one learner and a better challenger.
fn two_models(folder: &Path) -> PathBuf {
    succeed(folder, &["simulate", "--accounts", "250", "--months", "24", "--seed", "11", "--out", "business"]);
    let business = folder.join("business");
    succeed(&business, &["train", "--learners", "base_rate"]);
    succeed(&business, &["train", "--learners", "base_rate,logistic"]);
    business
}

fn aliases(business: &Path) -> String {
    fs::read_to_string(business.join("registry/simulated/aliases.json")).unwrap()
}

fn history(business: &Path) -> Vec<serde_json::Value> {
    let text = succeed(business, &["models", "history", "simulated", "--format", "json"]);
    serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap()
}

#[test]
fn a_champion_is_promoted_rolled_back_and_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let business = two_models(folder.path());

    // Nothing to go back to, and nothing to change.
    let said = fail(&business, &["models", "rollback", "simulated"], 2);
    assert!(said.contains("simulated: expected a champion before the present one") && said.contains("hint"), "{said}");
    let before = files(&business);
    let said = succeed(&business, &["models", "promote", "simulated@champion"]);
    assert!(said.contains("version 1 is the champion already: nothing to change"), "{said}");
    assert!(files(&business) == before, "nothing was changed");

    let promote = ["models", "promote", "simulated@challenger", "--by", "ada", "--reason", "one\nlearner more"];
    let output = bellwether(&business, &promote);
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("version 2 is the champion now; version 1 was"));
    let compared = text(&output.stderr);
    assert!(
        compared.contains("churn_90d: log loss on common rows") && compared.contains("95 % interval"),
        "{compared}"
    );
    assert_eq!(aliases(&business), "{\"champion\":2,\"challenger\":null,\"previous\":1}\n");

    let said = fail(&business, &["models", "promote", "simulated@previous"], 6);
    assert!(said.contains("expected a challenger that forecasts better than champion 2"), "{said}");
    assert!(said.contains("--despite-gate --reason"), "{said}");

    let said = succeed(&business, &["models", "rollback", "simulated", "--reason", "wrong on Monday"]);
    assert!(said.contains("version 1 is the champion again; version 2 was"), "{said}");
    assert_eq!(aliases(&business), "{\"champion\":1,\"challenger\":null,\"previous\":2}\n");
    succeed(&business, &["models", "rollback", "simulated"]);
    assert_eq!(aliases(&business), "{\"champion\":2,\"challenger\":null,\"previous\":1}\n");

    let entries = history(&business);
    let actions: Vec<&str> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["add", "add", "promote", "rollback", "rollback"]);
    assert_eq!((entries[2]["who"].as_str(), entries[2]["reason"].as_str()), (Some("ada"), Some("one\nlearner more")));
    assert_eq!((entries[2]["version"].as_u64(), entries[2]["champion_before"].as_u64()), (Some(2), Some(1)));
    let paired = |what: &str| entries[2]["comparisons"][1]["paired"][what].as_f64().unwrap();
    assert!(paired("low") < paired("difference") && paired("difference") < paired("high"), "{}", entries[2]);
    assert_eq!((entries[3]["version"].as_u64(), entries[3]["champion_before"].as_u64()), (Some(1), Some(2)));
    for entry in &entries {
        let when = entry["when"].as_str().unwrap();
        assert!(when.len() == 20 && when.ends_with('Z'), "{when}");
    }
    let lines = succeed(&business, &["models", "history", "simulated"]);
    assert_eq!(lines.lines().count(), 5, "one line for each, whatever its words hold: {lines}");
    assert!(lines.contains("ada  promote version 2 (champion; version 1 was)  one learner more"), "{lines}");
    assert!(lines.contains("rollback version 1 (champion; version 2 was)  wrong on Monday"), "{lines}");
}

#[test]
fn the_gate_yields_to_a_reason_only() {
    let folder = tempfile::tempdir().unwrap();
    let business = two_models(folder.path());
    succeed(&business, &["models", "promote", "simulated@2"]);
    let promote = ["models", "promote", "simulated@1", "--despite-gate"];
    let said = fail(&business, &promote, 2);
    assert!(said.contains("--reason"), "{said}");
    let said = fail(&business, &[&promote[..], &["--reason", "  "]].concat(), 2);
    assert!(said.contains("expected some words"), "{said}");
    let output = bellwether(&business, &[&promote[..], &["--reason", "two is slow"]].concat());
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("promoted despite the quality gate, which said: expansion_60d"));
    let last = history(&business).pop().unwrap();
    assert_eq!((last["action"].as_str(), last["reason"].as_str()), (Some("promote"), Some("two is slow")));
    assert!(last["despite_gate"].as_str().unwrap().contains("log loss on common rows"), "{last}");
    let lines = succeed(&business, &["models", "history", "simulated"]);
    assert!(lines.contains("two is slow  despite the quality gate: expansion_60d"), "{lines}");
}

#[test]
fn who_decides_is_the_flag_then_the_user_then_the_number() {
    let folder = tempfile::tempdir().unwrap();
    let business = two_models(folder.path());
    let promote = |user: Option<&str>, version: &str, more: &[&str]| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
        command.current_dir(&business).args(["models", "promote", version, "--despite-gate", "--reason", "test"]);
        match user {
            Some(user) => command.env("USER", user),
            None => command.env_remove("USER"),
        };
        assert!(command.args(more).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        history(&business).pop().unwrap()["who"].as_str().unwrap().to_owned()
    };
    assert_eq!(promote(Some("grace"), "simulated@2", &[]), "grace");
    assert_eq!(promote(Some("grace"), "simulated@1", &["--by", "ada"]), "ada");
    let number = promote(None, "simulated@2", &[]);
    assert!(number.strip_prefix("uid ").is_some_and(|id| id.parse::<u32>().is_ok()), "{number}");
}

#[test]
fn two_writers_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let business = two_models(folder.path());
    let held = fs::File::open(business.join("registry/simulated/.lock")).unwrap();
    held.lock().unwrap();
    let before = files(&business);
    for verb in [&["models", "promote", "simulated@2"][..], &["models", "rollback", "simulated"]] {
        let said = fail(&business, verb, 75);
        assert!(said.contains("expected no other writer, found a lock") && said.contains("hint"), "{said}");
    }
    // Reading needs no lock.
    succeed(&business, &["models", "history", "simulated"]);
    assert!(files(&business) == before);
    drop(held);

    // Many at once: each line is whole, and the aliases are what the last line says.
    let promote = |number: usize| {
        let version = format!("simulated@{}", 1 + number % 2);
        Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
            .current_dir(&business)
            .args(["models", "promote", &version, "--despite-gate", "--reason", &number.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut children: Vec<_> = (0..12).map(promote).collect();
    let codes: Vec<i32> = children.iter_mut().map(|child| child.wait().unwrap().code().unwrap()).collect();
    assert!(codes.iter().all(|code| [0, 75].contains(code)) && codes.contains(&0), "{codes:?}");
    let output = bellwether(&business, &["models", "history", "simulated"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let last = history(&business).pop().unwrap();
    assert_eq!(last["aliases"], serde_json::from_str::<serde_json::Value>(&aliases(&business)).unwrap());
}

#[test]
fn a_signal_leaves_no_half_of_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let business = two_models(folder.path());
    for number in 0..20_u64 {
        let version = format!("simulated@{}", 1 + number % 2);
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
            .current_dir(&business)
            .args(["models", "promote", &version, "--despite-gate", "--reason", "test"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(number));
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).stderr(Stdio::null()).status();
        sent.unwrap();
        let code = child.wait().unwrap().code();
        // A signal before it is caught ends the process without a code of its own.
        assert!([None, Some(0), Some(143)].contains(&code), "{code:?}");
        let output = bellwether(&business, &["models", "history", "simulated"]);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
        let model = business.join("registry/simulated");
        let staged = fs::read_dir(&model).unwrap().flatten().filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.contains(".staging-")
        });
        assert_eq!(staged.count(), 0);
    }
}

#[test]
fn a_registry_that_is_not_what_it_should_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let business = two_models(folder.path());
    let path = business.join("registry/simulated/aliases.json");
    let good = fs::read(&path).unwrap();
    let verbs: [&[&str]; 6] = [
        &["models", "list"],
        &["models", "promote", "simulated@2"],
        &["models", "rollback", "simulated"],
        &["models", "history", "simulated"],
        &["train", "--learners", "base_rate"],
        &["score", "--as-of", "2026-01-31", "--bundle", "registry/simulated@champion", "--out", "out"],
    ];
    fs::remove_file(&path).unwrap();
    for verb in verbs {
        let said = fail(&business, verb, 4);
        assert!(said.contains("aliases.json: expected the file that says which version is champion"), "{said}");
        assert!(said.contains("hint: restore it"), "{said}");
    }
    fs::write(&path, "{\"champion\":").unwrap();
    for verb in verbs {
        assert!(fail(&business, verb, 4).contains("aliases.json: damaged"));
    }

    // No champion is no damage: whoever is promoted passes.
    fs::write(&path, "{\"champion\":null}").unwrap();
    let said = fail(&business, &["models", "rollback", "simulated"], 2);
    assert!(said.contains("expected a champion before"), "{said}");
    let said = succeed(&business, &["models", "promote", "simulated@2"]);
    assert!(said.contains("version 2 is the champion now\n"), "{said}");
    let actions: Vec<String> =
        history(&business).iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect();
    assert_eq!(actions, ["add", "add", "found", "promote"]);

    // A version whose files were changed does not come back.
    fs::write(&path, &good).unwrap();
    succeed(&business, &["models", "promote", "simulated@2"]);
    let policy = business.join("registry/simulated/versions/1/policy.json");
    fs::write(&policy, format!("{} ", fs::read_to_string(&policy).unwrap())).unwrap();
    let before = aliases(&business);
    let said = fail(&business, &["models", "rollback", "simulated"], 4);
    assert!(said.contains("policy.json"), "{said}");
    let rows = business.join("registry/simulated/forecasts/1.rows");
    let mut bytes = fs::read(&rows).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&rows, bytes).unwrap();
    let said = fail(&business, &["models", "promote", "simulated@1"], 4);
    assert!(said.contains("1.rows: expected forecasts as they were written"), "{said}");
    assert_eq!(aliases(&business), before);

    for (verb, hint) in [("rollback", "did you mean `simulated`?"), ("history", "did you mean `simulated`?")] {
        let said = fail(&business, &["models", verb, "simulated@2"], 2);
        assert!(said.contains("expected NAME, found `simulated@2`") && said.contains(hint), "{said}");
    }
    let said = fail(&business, &["models", "history", "nobody"], 2);
    assert!(said.contains("expected a model named `nobody`"), "{said}");
}
