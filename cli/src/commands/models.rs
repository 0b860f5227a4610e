//! `bellwether models list | show | promote | rollback | history`.

use std::path::Path;

use bellwether_train::registry::{self, Decision, Entry, History};

use super::backtest::table;
use super::train::actor;
use crate::args::{DecisionArguments, ModelsArguments, ModelsCommand, ReportFormat};
use crate::failure::Failure;
use crate::output::Output;
use crate::stop;

pub(crate) fn run(arguments: &ModelsArguments, output: &Output) -> Result<(), Failure> {
    let registry = &arguments.registry;
    match &arguments.command {
        ModelsCommand::List => list(registry, output),
        ModelsCommand::Show { model } => show(registry, model, output),
        ModelsCommand::Promote { model, decision, despite_gate } => {
            promote(registry, model, &decided(decision, *despite_gate), output)
        }
        ModelsCommand::Rollback { model, decision } => rollback(registry, model, &decided(decision, false), output),
        ModelsCommand::Import(import) => super::import::run(registry, import, output),
        ModelsCommand::History { model, format } => history(registry, model, *format, output),
    }
}

fn decided(arguments: &DecisionArguments, despite_gate: bool) -> Decision {
    let mut actor = actor();
    if let Some(who) = &arguments.by {
        actor.who.clone_from(who);
    }
    Decision { actor, reason: arguments.reason.clone(), despite_gate }
}

fn list(registry: &Path, output: &Output) -> Result<(), Failure> {
    for model in registry::list(registry).map_err(Failure::training)? {
        let aliases = if model.aliases.is_empty() { "-".to_owned() } else { model.aliases.join(", ") };
        output.result(format_args!("{}  version {}  {aliases}  {}", model.name, model.version, model.path.display()));
    }
    Ok(())
}

fn show(registry: &Path, model: &str, output: &Output) -> Result<(), Failure> {
    let (name, version) = resolved(registry, model, "champion")?;
    if let Some(bundle) = super::import::imported(registry, name, version)? {
        super::import::show(&bundle, output);
        return Ok(());
    }
    let (listed, summary) = registry::show(registry, name, version).map_err(Failure::training)?;
    let aliases = if listed.aliases.is_empty() { "no alias".to_owned() } else { listed.aliases.join(", ") };
    output.result(format_args!("{name} version {version} ({aliases}) in {}", listed.path.display()));
    output.result(format_args!(
        "trained on {} with {} signals, {}",
        if summary.knows_accounts() {
            format!("{} rows of {} accounts", summary.rows, summary.accounts)
        } else {
            format!("{} rows that do not say whose they are,", summary.rows)
        },
        summary.signals,
        if summary.is_dated() {
            format!("labels known before {}", summary.data_end)
        } else {
            "no observation dates".to_owned()
        }
    ));
    for line in table(&summary) {
        output.result(line);
    }
    Ok(())
}

fn promote(registry: &Path, model: &str, decision: &Decision, output: &Output) -> Result<(), Failure> {
    let (name, version) = resolved(registry, model, "challenger")?;
    let promoted = stop::protect(|| registry::promote(registry, name, version, decision)).map_err(Failure::training)?;
    for one in &promoted.comparisons {
        output.note(one);
    }
    if let Some(refusal) = &promoted.despite_gate {
        output.warn(format_args!("promoted despite the quality gate, which said: {refusal}"));
    }
    match promoted.previous {
        Some(previous) if previous == version => {
            output.result(format_args!("{name} version {version} is the champion already: nothing to change"));
        }
        Some(previous) => {
            output.result(format_args!("{name} version {version} is the champion now; version {previous} was"));
        }
        None => output.result(format_args!("{name} version {version} is the champion now")),
    }
    Ok(())
}

fn rollback(registry: &Path, model: &str, decision: &Decision, output: &Output) -> Result<(), Failure> {
    let name = plain_name(model)?;
    let back = stop::protect(|| registry::rollback(registry, name, decision)).map_err(Failure::training)?;
    match back.previous {
        Some(previous) => {
            output
                .result(format_args!("{name} version {} is the champion again; version {previous} was", back.version));
        }
        None => output.result(format_args!("{name} version {} is the champion again", back.version)),
    }
    Ok(())
}

fn history(registry: &Path, model: &str, format: ReportFormat, output: &Output) -> Result<(), Failure> {
    let history = registry::history(registry, plain_name(model)?).map_err(Failure::training)?;
    match format {
        ReportFormat::Text => history.entries.iter().for_each(|entry| output.result(line(entry))),
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&history.entries).map_err(|cause| {
                Failure::data(format!("the history cannot be written as JSON: {cause}"), "use text")
            })?;
            output.result(text);
        }
    }
    warn_about(&history, output);
    Ok(())
}

fn warn_about(history: &History, output: &Output) {
    for line in &history.damaged_lines {
        output.warn(format_args!("history.jsonl, line {line}: no change that this build can read; it is left out"));
    }
    if !history.agrees() {
        let champion = history.aliases.champion.map_or_else(|| "none".to_owned(), |version| version.to_string());
        output.warn(format_args!(
            "aliases.json is not what the last line left (its champion is {champion}): it was edited by hand, or a \
             change was cut off"
        ));
    }
}

/// One change in a line, whatever its words hold.
fn line(entry: &Entry) -> String {
    let mut line = format!("{}  {}  {}", entry.when, printable(&entry.who), entry.action.name());
    if let Some(version) = entry.version {
        line.push_str(&format!(" version {version}"));
    }
    if entry.aliases.champion.is_some() && entry.aliases.champion == entry.version {
        match entry.champion_before {
            Some(before) => line.push_str(&format!(" (champion; version {before} was)")),
            None => line.push_str(" (champion)"),
        }
    }
    for (what, words) in [("", &entry.reason), ("despite the quality gate: ", &entry.despite_gate)] {
        if let Some(words) = words {
            line.push_str(&format!("  {what}{}", printable(words)));
        }
    }
    line
}

fn printable(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

/// `NAME`, and nothing after it.
fn plain_name(model: &str) -> Result<&str, Failure> {
    match model.split_once(['@', '/']) {
        None => Ok(model),
        Some((name, _)) => Err(Failure::configuration(
            format!("expected NAME, found `{model}`"),
            format!("did you mean `{name}`? `bellwether models list` shows what there is"),
        )),
    }
}

/// `NAME`, `NAME@ALIAS` or `NAME@VERSION`.
fn resolved<'a>(registry: &Path, model: &'a str, default: &str) -> Result<(&'a str, u32), Failure> {
    if model.contains('/') {
        return Err(Failure::configuration(
            format!("expected NAME, NAME@ALIAS or NAME@VERSION, found a path, `{model}`"),
            match of_path(model) {
                Some(meant) => format!("did you mean `{meant}`? --registry says where the registry is"),
                None => {
                    "`bellwether models list` shows what there is; --registry says where the registry is".to_owned()
                }
            },
        ));
    }
    let (name, version) = model.split_once('@').unwrap_or((model, default));
    let version = registry::resolve(registry, name, version).map_err(Failure::training)?;
    Ok((name, version))
}

/// `NAME@VERSION` of a path that ends in `NAME/versions/VERSION`.
fn of_path(path: &str) -> Option<String> {
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let (version, versions, name) = (parts.next()?, parts.next()?, parts.next()?);
    let version: u32 = version.parse().ok()?;
    (versions == "versions").then(|| format!("{name}@{version}"))
}
