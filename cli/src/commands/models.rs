//! `bellwether models list | show | promote`.

use std::path::Path;

use bellwether_train::registry;

use super::backtest::table;
use super::train::actor;
use crate::args::{ModelsArguments, ModelsCommand};
use crate::failure::Failure;
use crate::output::Output;
use crate::stop;

pub(crate) fn run(arguments: &ModelsArguments, output: &Output) -> Result<(), Failure> {
    let registry = &arguments.registry;
    match &arguments.command {
        ModelsCommand::List => list(registry, output),
        ModelsCommand::Show { model } => show(registry, model, output),
        ModelsCommand::Promote { model } => promote(registry, model, output),
    }
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
    let (listed, summary) = registry::show(registry, name, version).map_err(Failure::training)?;
    let aliases = if listed.aliases.is_empty() { "no alias".to_owned() } else { listed.aliases.join(", ") };
    output.result(format_args!("{name} version {version} ({aliases}) in {}", listed.path.display()));
    output.result(format_args!(
        "trained on {} rows of {} accounts with {} signals, labels known before {}",
        summary.rows, summary.accounts, summary.signals, summary.data_end
    ));
    for line in table(&summary) {
        output.result(line);
    }
    Ok(())
}

fn promote(registry: &Path, model: &str, output: &Output) -> Result<(), Failure> {
    let (name, version) = resolved(registry, model, "challenger")?;
    let promoted = stop::protect(|| registry::promote(registry, name, version, &actor())).map_err(Failure::training)?;
    for one in &promoted.comparisons {
        output.note(format_args!("{}: {} {:.5} -> {:.5}", one.target, one.measure, one.champion, one.challenger));
    }
    match promoted.previous {
        Some(previous) if previous == version => {
            output.result(format_args!("{name} version {version} is the champion already"));
        }
        Some(previous) => {
            output.result(format_args!("{name} version {version} is the champion now; version {previous} was"));
        }
        None => output.result(format_args!("{name} version {version} is the champion now")),
    }
    Ok(())
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
