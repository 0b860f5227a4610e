//! `bellwether signals`: every signal with its unit, window, expected directions, text and rule. The markdown of the whole
//! catalogue is docs/signals.md.

use std::fmt::Write as _;
use std::path::Path;

use bellwether_features::catalog::{Catalogue, Signal};
use bellwether_features::signal::{Direction, Family, SignalDefinition};
use bellwether_train::encode::unit_name;
use serde_json::{Value, json};

use crate::args::{Arguments, SignalsArguments, SignalsFormat};
use crate::failure::Failure;
use crate::output::Output;
use crate::project::Project;

/// Above the tables of the markdown.
const HEAD: &str = "# Signals

What each column of the feature file means. A window of `w` days is `[as_of - w, as_of)`. Only facts that happened and
became known before `as_of` enter. A value is null when it cannot be known, and 0 only when it is zero; a change is null
until the account's history reaches back to the end of the earlier window. `+` and `-` say where a higher value is expected
to move a probability. A signal exists when its table is declared, and what it needs besides.

Facts of one account with the same event time and the same `known_at` count in the order of the rows of their file, and
files of a table in the order of their paths: the later row is the later fact. That decides the order of steps in a
workflow, which of several facts is the latest (an answer, a version of a row), and nothing else. Where times are whole
days, keep rows in the order in which things happened.

[declaring-signals.md](declaring-signals.md) says how to add your own; `[signals]` in `bellwether.toml` chooses.
";

pub(crate) fn run(arguments: &Arguments, signals: &SignalsArguments, output: &Output) -> Result<(), Failure> {
    let config = arguments.config();
    let is_project = arguments.given_config().is_some() || config.exists();
    let listed = if is_project && !signals.all { of_project(config)? } else { Catalogue::whole() };
    match signals.format {
        SignalsFormat::Text => output.result(text(&listed).trim_end()),
        SignalsFormat::Json => {
            let listed: Vec<Value> = listed.iter().map(in_json).collect();
            output.result(serde_json::to_string_pretty(&listed).unwrap_or_default());
        }
        SignalsFormat::Markdown => output.result(markdown(&listed).trim_end()),
    }
    Ok(())
}

/// Those that the project's contract allows; whether the files have an optional column is only known once they are read.
fn of_project(config: &Path) -> Result<Vec<Signal>, Failure> {
    let contract = Project::load(config)?.contract;
    Ok(Catalogue::new(&contract.availability(), &contract.catalogue).signals().to_vec())
}

/// The families that have a signal, each with its signals.
fn families(signals: &[Signal]) -> impl Iterator<Item = (Family, Vec<&Signal>)> {
    let of = |family: Family| (family, signals.iter().filter(|one| one.definition.family == family).collect());
    Family::ALL.into_iter().map(of).filter(|(_, signals): &(Family, Vec<&Signal>)| !signals.is_empty())
}

fn text(signals: &[Signal]) -> String {
    let mut text = String::new();
    for (family, signals) in families(signals) {
        let _ = writeln!(text, "{} ({}): {}\n", name(family), signals.len(), family.meaning());
        for signal in signals {
            let definition = &signal.definition;
            let window = window(definition).map_or(String::new(), |window| format!(", {window}"));
            let _ = writeln!(
                text,
                "  {}  ({}{window}; churn {}, expansion {}{})",
                definition.name,
                unit_name(definition.unit),
                sign(definition.churn),
                sign(definition.expansion),
                if definition.actionable { "" } else { "; fixed" },
            );
            let _ = writeln!(text, "      {}\n      = {}", definition.text, definition.parameters);
            if !signal.needs().is_empty() {
                let _ = writeln!(text, "      needs {}", signal.needs().join(", "));
            }
        }
        text.push('\n');
    }
    text
}

fn markdown(signals: &[Signal]) -> String {
    let mut text = format!("<!-- Written by `bellwether signals --all --format markdown`. -->\n{HEAD}");
    for (family, signals) in families(signals) {
        let title = name(family);
        let _ = write!(text, "\n## {title}: {}\n\n", family.meaning());
        text.push_str("| signal | table | unit | window | churn | expansion | in words | rule |\n");
        text.push_str("|---|---|---|---|---|---|---|---|\n");
        for signal in signals {
            let definition = &signal.definition;
            let needs = match signal.needs() {
                [] => String::new(),
                needs => format!("; needs {}", needs.join(", ")),
            };
            let cells = [
                format!("`{}`", definition.name),
                definition.table.clone(),
                unit_name(definition.unit).to_owned(),
                window(definition).unwrap_or_default(),
                sign(definition.churn).to_owned(),
                sign(definition.expansion).to_owned(),
                definition.text.clone(),
                format!("{}{needs}", definition.parameters),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|").replace('<', "&lt;").replace('\n', " "));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    }
    text
}

fn in_json(signal: &Signal) -> Value {
    let definition = &signal.definition;
    json!({
        "name": definition.name,
        "family": definition.family,
        "idea": definition.idea,
        "table": definition.table,
        "unit": definition.unit,
        "window_days": definition.window_days,
        "churn": definition.churn,
        "expansion": definition.expansion,
        "actionable": definition.actionable,
        "text": definition.text,
        "rule": definition.parameters,
        "needs": signal.needs(),
        "declared": signal.is_declared(),
    })
}

fn name(family: Family) -> String {
    let written = serde_json::to_value(family).ok();
    written.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn window(definition: &SignalDefinition) -> Option<String> {
    definition.window_days.map(|days| if days == 1 { "1 day".to_owned() } else { format!("{days} days") })
}

fn sign(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "+",
        Direction::Down => "-",
        Direction::Unknown => "?",
    }
}
