//! The registry: `registry/<name>/versions/<n>/`, `aliases.json`, `history.jsonl`.
//!
//! Versions are whole numbers from 1 and never change once written. `champion` is what the nightly job runs, `challenger`
//! the newest one that is not, `previous` the champion before. The first version becomes champion at once; every later one
//! has to be promoted, and is only if it forecast better out of time than the champion. One writer at a time: the
//! kernel's lock on `.lock` guards every change and ends with its process, so the file itself means nothing. The library asks no clock and no user: the caller passes them in.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bellwether_models::bundle::{BundleContents, BundleError, write_bundle};
use bellwether_models::head::is_plain_name;
use bellwether_models::registry::{
    ALIASES_FILE, Alias, Aliases, RegistryError as ReadError, VERSIONS_FOLDER, models, version_folder, versions,
};
use serde::Serialize;

use crate::error::TrainError;
use crate::gate::{self, Comparison};
use crate::staging::replace_file;
use crate::summary::BacktestSummary;

/// Why the registry refuses.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RegistryError {
    /// The challenger is not better. Exit code 6.
    #[error("{name}/{version}: expected a challenger that forecasts better than champion {champion}: {reason}")]
    #[diagnostic(
        code(bellwether::registry::quality_gate),
        help("the champion stays; train again when there is more history")
    )]
    QualityGate {
        /// Model.
        name: String,
        /// Challenger.
        version: u32,
        /// Champion.
        champion: u32,
        /// What was compared.
        reason: String,
    },
    /// Another writer is at work. Exit code 75.
    #[error("{}: expected no other writer, found a lock", path.display())]
    #[diagnostic(code(bellwether::registry::locked), help("wait for the other command, then try again"))]
    Locked {
        /// Lock file.
        path: PathBuf,
    },
    /// A model or version that is not there. Exit code 2.
    #[error("{}: expected {expected}, found none", path.display())]
    #[diagnostic(code(bellwether::registry::missing), help("`bellwether models list` shows what there is"))]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What was looked for.
        expected: String,
    },
    /// No registry. Exit code 2.
    #[error("{}: expected a registry, found no such folder", path.display())]
    #[diagnostic(
        code(bellwether::registry::none),
        help("--registry or BELLWETHER_REGISTRY says where it is; `bellwether train --out {}` makes one", path.display())
    )]
    NoRegistry {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A name that cannot be a folder. Exit code 2.
    #[error("model name: expected 1 to 100 letters, digits, `_` and `-`, found `{found}`")]
    #[diagnostic(code(bellwether::registry::name), help("rename the project"))]
    Name {
        /// The name.
        found: String,
    },
    /// The bundle cannot be written, or does not load again.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bundle(BundleError),
    /// The registry cannot be read, or does not hold what was asked for.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Read(ReadError),
    /// A file that is not what it should be. Exit code 4.
    #[error("{}: {cause}", path.display())]
    #[diagnostic(code(bellwether::registry::damaged), help("restore the file from a backup, or remove the version"))]
    Damaged {
        /// File.
        path: PathBuf,
        /// Cause.
        cause: String,
    },
}

/// Who did it and when, as the caller knows it; only ever written to `history.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub who: String,
    /// When, RFC 3339.
    pub when: String,
}

/// A version that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Its number.
    pub version: u32,
    /// `name/version@digest`, as it will stand in the scores.
    pub identity: String,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it became champion at once, being the first.
    pub became_champion: bool,
}

/// A version that was promoted.
#[derive(Debug, Clone, PartialEq)]
pub struct Promoted {
    /// The new champion.
    pub version: u32,
    /// The champion before.
    pub previous: Option<u32>,
    /// What was compared; empty without a champion before.
    pub comparisons: Vec<Comparison>,
}

/// One version, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Model.
    pub name: String,
    /// Version.
    pub version: u32,
    /// The parts that it plays.
    pub aliases: Vec<&'static str>,
    /// Its folder.
    pub path: PathBuf,
}

#[derive(Serialize)]
struct HistoryLine<'a> {
    when: &'a str,
    who: &'a str,
    action: &'a str,
    version: u32,
    aliases: Aliases,
}

/// Adds a version under the next number. The bundle appears whole: it is written beside its place, loaded back with every
/// check, and renamed.
///
/// # Errors
/// [`RegistryError::Locked`], [`RegistryError::Name`], [`RegistryError::Bundle`], [`TrainError::Io`].
pub fn add(registry: &Path, contents: &BundleContents, actor: &Actor) -> Result<Added, TrainError> {
    let model = model_folder(registry, &contents.name)?;
    let folder = model.join(VERSIONS_FOLDER);
    fs::create_dir_all(&folder).map_err(|cause| TrainError::io(&folder, "create the folder", cause))?;
    let _lock = Lock::take(&model)?;
    let mut aliases = Aliases::read(&model).map_err(RegistryError::Read)?;
    let version = versions(&model).map_err(RegistryError::Read)?.last().map_or(1, |last| last + 1);
    let path = version_folder(&model, version);
    let written = write_bundle(&path, version, contents).map_err(RegistryError::Bundle)?;
    let became_champion = aliases.champion.is_none();
    if became_champion {
        aliases.champion = Some(version);
    } else {
        aliases.challenger = Some(version);
    }
    record(&model, actor, "add", version, aliases)?;
    Ok(Added { version, identity: written.identity, path, became_champion })
}

/// Whether [`add`] could add a version of this name, before the work that makes one.
///
/// # Errors
/// [`RegistryError::Name`]; [`RegistryError::Read`] when what is there cannot be read; [`TrainError::Io`] when nothing can
/// be written there.
pub fn check(registry: &Path, name: &str) -> Result<(), TrainError> {
    let model = model_folder(registry, name)?;
    let next = version_folder(&model, u32::MAX);
    bellwether_staging::check(&next).map_err(|cause| TrainError::io(&model, "write to the registry", cause))?;
    Aliases::read(&model).map_err(RegistryError::Read)?;
    versions(&model).map_err(RegistryError::Read)?;
    Ok(())
}

/// Makes a version the champion, if it forecast better out of time than the present one.
///
/// # Errors
/// [`RegistryError::QualityGate`] when it is not better; [`RegistryError::Missing`] and [`RegistryError::Damaged`] when a
/// version or its `backtest.json` cannot be read; [`RegistryError::Locked`]; [`TrainError::Io`].
pub fn promote(registry: &Path, name: &str, version: u32, actor: &Actor) -> Result<Promoted, TrainError> {
    let model = existing_model(registry, name)?;
    let _lock = Lock::take(&model)?;
    let mut aliases = Aliases::read(&model).map_err(RegistryError::Read)?;
    let challenger = backtest_of(&model, version)?;
    let previous = aliases.champion;
    let mut comparisons = Vec::new();
    if let Some(champion) = previous {
        if champion == version {
            return Ok(Promoted { version, previous, comparisons });
        }
        let verdict = gate::compare(&backtest_of(&model, champion)?, &challenger);
        if let Some(reason) = verdict.refusal {
            return Err(RegistryError::QualityGate { name: name.to_owned(), version, champion, reason }.into());
        }
        comparisons = verdict.comparisons;
        aliases.previous = Some(champion);
    }
    aliases.champion = Some(version);
    aliases.challenger = aliases.challenger.filter(|challenger| *challenger != version);
    record(&model, actor, "promote", version, aliases)?;
    Ok(Promoted { version, previous, comparisons })
}

/// All versions of all models, by name and version.
///
/// # Errors
/// [`RegistryError::NoRegistry`] without such a folder; [`RegistryError::Read`] for broken aliases; [`TrainError::Io`].
pub fn list(registry: &Path) -> Result<Vec<Listed>, TrainError> {
    if !registry.is_dir() {
        return Err(RegistryError::NoRegistry { path: registry.to_owned() }.into());
    }
    let mut listed = Vec::new();
    for name in models(registry).map_err(RegistryError::Read)? {
        listed.extend(list_model(registry, &name)?);
    }
    Ok(listed)
}

fn list_model(registry: &Path, name: &str) -> Result<Vec<Listed>, TrainError> {
    let model = existing_model(registry, name)?;
    let aliases = Aliases::read(&model).map_err(RegistryError::Read)?;
    let listed = versions(&model).map_err(RegistryError::Read)?.into_iter().map(|version| Listed {
        name: name.to_owned(),
        version,
        aliases: aliases.of_version(version).into_iter().map(Alias::text).collect(),
        path: version_folder(&model, version),
    });
    Ok(listed.collect())
}

/// One version with its backtest.
///
/// # Errors
/// As [`list`]; [`RegistryError::Missing`] for a version that is not there.
pub fn show(registry: &Path, name: &str, version: u32) -> Result<(Listed, BacktestSummary), TrainError> {
    let model = existing_model(registry, name)?;
    let summary = backtest_of(&model, version)?;
    let found = list_model(registry, name)?.into_iter().find(|one| one.version == version);
    let path = version_folder(&model, version);
    let listed = found.ok_or(RegistryError::Missing { path, expected: format!("version {version}") })?;
    Ok((listed, summary))
}

/// The version that a number or an alias stands for.
///
/// # Errors
/// [`RegistryError::Read`] says what there is when it is not there.
pub fn resolve(registry: &Path, name: &str, version_or_alias: &str) -> Result<u32, TrainError> {
    let model = existing_model(registry, name)?;
    let reference = format!("{}@{version_or_alias}", model.display());
    let found = bellwether_models::registry::resolve(&reference).map_err(RegistryError::Read)?;
    let expected = format!("version or alias `{version_or_alias}`");
    Ok(found.version.ok_or(RegistryError::Missing { path: model, expected })?)
}

fn model_folder(registry: &Path, name: &str) -> Result<PathBuf, RegistryError> {
    if is_plain_name(name) { Ok(registry.join(name)) } else { Err(RegistryError::Name { found: name.to_owned() }) }
}

fn existing_model(registry: &Path, name: &str) -> Result<PathBuf, RegistryError> {
    let model = model_folder(registry, name)?;
    if !registry.is_dir() {
        Err(RegistryError::NoRegistry { path: registry.to_owned() })
    } else if model.join(VERSIONS_FOLDER).is_dir() {
        Ok(model)
    } else {
        Err(RegistryError::Missing { path: registry.to_owned(), expected: format!("a model named `{name}`") })
    }
}

fn backtest_of(model: &Path, version: u32) -> Result<BacktestSummary, TrainError> {
    let folder = version_folder(model, version);
    if !folder.is_dir() {
        return Err(RegistryError::Missing { path: folder, expected: format!("version {version}") }.into());
    }
    let path = folder.join("backtest.json");
    let text = fs::read(&path)
        .map_err(|_| RegistryError::Missing { path: path.clone(), expected: "a backtest to compare with".into() })?;
    Ok(serde_json::from_slice(&text).map_err(|cause| RegistryError::Damaged { path, cause: cause.to_string() })?)
}

/// History first, aliases last: what the aliases say is always in the history.
fn record(model: &Path, actor: &Actor, action: &str, version: u32, aliases: Aliases) -> Result<(), TrainError> {
    let path = model.join("history.jsonl");
    let line = HistoryLine { when: &actor.when, who: &actor.who, action, version, aliases };
    let mut text = serde_json::to_vec(&line).map_err(|cause| TrainError::io(&path, "write as JSON", cause))?;
    text.push(b'\n');
    let opened = fs::OpenOptions::new().create(true).append(true).open(&path);
    let mut file = opened.map_err(|cause| TrainError::io(&path, "open", cause))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(|cause| TrainError::io(&path, "append", cause))?;
    replace_file(&model.join(ALIASES_FILE), aliases.to_json().as_bytes())
}

/// Held while a model changes. The file stays: removing it would let two writers lock two files of one name.
struct Lock {
    _file: fs::File,
}

impl Lock {
    fn take(model: &Path) -> Result<Self, TrainError> {
        let path = model.join(".lock");
        let opened = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(|cause| TrainError::io(&path, "open the lock file", cause))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(RegistryError::Locked { path }.into()),
            Err(fs::TryLockError::Error(cause)) => Err(TrainError::io(&path, "lock it", cause)),
        }
    }
}
