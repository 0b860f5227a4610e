//! The registry: `registry/<name>/versions/<n>/`, `forecasts/<n>.rows`, `aliases.json`, `history.jsonl`.
//!
//! Versions are whole numbers from 1 and never change once written. `champion` is what the nightly job runs, `challenger`
//! the newest one that is not, `previous` the champion before. The first version becomes champion at once; every later one
//! has to be promoted, and is only if the [gate](mod@crate::gate) lets it pass or someone gives a reason to do it all the same.
//! One writer at a time: the kernel's lock on `.lock` guards every change and ends with its process, so the file itself
//! means nothing. The library asks no clock and no user: the caller passes them in.

use std::fs;
use std::path::{Path, PathBuf};

use bellwether_models::bundle::{Bundle, BundleError, ImportedContents, WrittenBundle, write_bundle};
use bellwether_models::head::is_plain_name;
use bellwether_models::registry::{
    ALIASES_FILE, Alias, Aliases, RegistryError as ReadError, VERSIONS_FOLDER, models, version_folder, versions,
};
use serde::Serialize;

use crate::error::TrainError;
use crate::forecasts::Forecasts;
use crate::gate::{self, Contender};
pub use crate::gate::{Comparison, Paired};
use crate::history;
pub use crate::history::{Action, Entry, History};
use crate::staging::replace_file;
use crate::summary::BacktestSummary;
use crate::train::Trained;

/// Why the registry refuses.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RegistryError {
    /// The challenger is not better. Exit code 6.
    #[error("{name}/{version}: expected a challenger that forecasts better than champion {champion}: {reason}")]
    #[diagnostic(
        code(bellwether::registry::quality_gate),
        help(
            "the champion stays; train again when there is more history, or give a reason for it all the same: \
             `bellwether models promote {name}@{version} --despite-gate --reason \"...\"`"
        )
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
    /// Nothing to go back to. Exit code 2.
    #[error("{name}: expected a champion before the present one to go back to, found none")]
    #[diagnostic(
        code(bellwether::registry::no_previous),
        help(
            "`bellwether models promote {name}@VERSION` makes a version the champion; `bellwether models list` shows them"
        )
    )]
    NoPrevious {
        /// Model.
        name: String,
    },
    /// A change against the gate without a reason. Exit code 2.
    #[error("{name}/{version}: expected a reason to promote it against the quality gate, found none")]
    #[diagnostic(code(bellwether::registry::no_reason), help("say why with --reason: it is kept in the history"))]
    NoReason {
        /// Model.
        name: String,
        /// Version.
        version: u32,
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

/// A change of the champion: by whom, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Who and when.
    pub actor: Actor,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Promote even if the gate refuses; calls for a reason.
    pub despite_gate: bool,
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
    /// Why the gate had refused it, where that was overruled.
    pub despite_gate: Option<String>,
}

/// A champion that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// The champion now.
    pub version: u32,
    /// The champion before, now `previous`.
    pub previous: Option<u32>,
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

/// Adds a version under the next number. The bundle appears whole: it is written beside its place, loaded back with every
/// check, and renamed.
///
/// # Errors
/// [`RegistryError::Locked`], [`RegistryError::Name`], [`RegistryError::Bundle`], [`TrainError::Io`].
pub fn add(registry: &Path, trained: &Trained, actor: &Actor) -> Result<Added, TrainError> {
    add_version(registry, &trained.contents.name, actor, None, |model, path, version| {
        trained.forecasts.write(model, version)?;
        Ok(write_bundle(path, version, &trained.contents).map_err(RegistryError::Bundle)?)
    })
}

/// Adds models of other tools as a version; they have no backtest, so a gate has nothing to compare.
///
/// # Errors
/// As [`add`].
pub fn import(registry: &Path, contents: &ImportedContents, actor: &Actor) -> Result<Added, TrainError> {
    let reason = Some("imported from ONNX".to_owned());
    add_version(registry, contents.name(), actor, reason, |_, path, version| {
        Ok(contents.write(path, version).map_err(RegistryError::Bundle)?)
    })
}

/// Adds a version that `write` puts into its folder, given the folder of the model, its own folder and its number.
fn add_version(
    registry: &Path,
    name: &str,
    actor: &Actor,
    reason: Option<String>,
    write: impl FnOnce(&Path, &Path, u32) -> Result<WrittenBundle, TrainError>,
) -> Result<Added, TrainError> {
    let model = model_folder(registry, name)?;
    let folder = model.join(VERSIONS_FOLDER);
    fs::create_dir_all(&folder).map_err(|cause| TrainError::io(&folder, "create the folder", cause))?;
    let _lock = Lock::take(&model)?;
    let before = Aliases::read(&model).map_err(RegistryError::Read)?;
    if !model.join(ALIASES_FILE).exists() {
        // Before the first version, so that versions without this file are always a loss.
        replace_file(&model.join(ALIASES_FILE), before.to_json().as_bytes())?;
    }
    let version = versions(&model).map_err(RegistryError::Read)?.last().map_or(1, |last| last + 1);
    let path = version_folder(&model, version);
    let written = write(&model, &path, version)?;
    let became_champion = before.champion.is_none();
    let aliases = match became_champion {
        true => Aliases { champion: Some(version), ..before },
        false => Aliases { challenger: Some(version), ..before },
    };
    let decision = Decision { actor: actor.clone(), reason, despite_gate: false };
    record(&model, before, &entry(&decision, Action::Add, version, aliases))?;
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

/// Makes a version the champion, if the gate lets it pass; see [`crate::gate`]. Promoting the champion changes nothing.
///
/// # Errors
/// [`RegistryError::QualityGate`] when it is not better; [`RegistryError::NoReason`] for [`Decision::despite_gate`] without
/// a reason; [`RegistryError::Missing`] and [`RegistryError::Damaged`] when a version or what is compared cannot be read;
/// [`RegistryError::Bundle`] when the bundle does not load; [`RegistryError::Locked`]; [`TrainError::Io`].
pub fn promote(registry: &Path, name: &str, version: u32, decision: &Decision) -> Result<Promoted, TrainError> {
    let model = existing_model(registry, name)?;
    let reason = decision.reason.as_deref().map_or("", str::trim);
    if decision.despite_gate && reason.is_empty() {
        return Err(RegistryError::NoReason { name: name.to_owned(), version }.into());
    }
    let _lock = Lock::take(&model)?;
    let before = Aliases::read(&model).map_err(RegistryError::Read)?;
    let unchanged = Promoted { version, previous: before.champion, comparisons: Vec::new(), despite_gate: None };
    if before.champion == Some(version) {
        return Ok(unchanged);
    }
    let promoted = match before.champion {
        Some(champion) => pass_gate(&model, (name, version), champion, decision.despite_gate)?,
        None => unchanged,
    };
    loads(&model, version)?;
    let aliases = Aliases {
        champion: Some(version),
        challenger: before.challenger.filter(|challenger| *challenger != version),
        previous: before.champion.or(before.previous.filter(|previous| *previous != version)),
    };
    let entry = Entry {
        comparisons: promoted.comparisons.clone(),
        despite_gate: promoted.despite_gate.clone(),
        champion_before: before.champion,
        ..entry(decision, Action::Promote, version, aliases)
    };
    record(&model, before, &entry)?;
    Ok(promoted)
}

fn pass_gate(
    model: &Path,
    (name, version): (&str, u32),
    champion: u32,
    despite_gate: bool,
) -> Result<Promoted, TrainError> {
    let mut promoted = Promoted { version, previous: Some(champion), comparisons: Vec::new(), despite_gate: None };
    let challenger = match backtest_of(model, version) {
        // An imported model has no backtest, and somebody may know better.
        Err(cause) if despite_gate => {
            promoted.despite_gate = Some(format!("challenger {version} cannot be compared: {cause}"));
            return Ok(promoted);
        }
        challenger => challenger?,
    };
    let old = match backtest_of(model, champion) {
        // A champion that cannot be read would block every successor.
        Err(cause) if despite_gate => {
            promoted.despite_gate = Some(format!("champion {champion} cannot be compared with: {cause}"));
            return Ok(promoted);
        }
        old => old?,
    };
    let (of_champion, of_challenger) = (Forecasts::read(model, champion)?, Forecasts::read(model, version)?);
    let verdict = gate::compare(
        Contender { summary: &old, forecasts: of_champion.as_ref() },
        Contender { summary: &challenger, forecasts: of_challenger.as_ref() },
    );
    match verdict.refusal {
        Some(reason) if !despite_gate => {
            return Err(RegistryError::QualityGate { name: name.to_owned(), version, champion, reason }.into());
        }
        refusal => promoted.despite_gate = refusal,
    }
    promoted.comparisons = verdict.comparisons;
    Ok(promoted)
}

/// Makes the champion before the present one the champion again; the present one becomes `previous`. No gate: it is for
/// the night on which the champion turns out to be wrong.
///
/// # Errors
/// [`RegistryError::NoPrevious`]; [`RegistryError::Missing`] and [`RegistryError::Bundle`] when that version is not there or
/// does not load; [`RegistryError::Locked`]; [`TrainError::Io`].
pub fn rollback(registry: &Path, name: &str, decision: &Decision) -> Result<RolledBack, TrainError> {
    let model = existing_model(registry, name)?;
    let _lock = Lock::take(&model)?;
    let before = Aliases::read(&model).map_err(RegistryError::Read)?;
    let Some(version) = before.previous.filter(|previous| before.champion != Some(*previous)) else {
        return Err(RegistryError::NoPrevious { name: name.to_owned() }.into());
    };
    loads(&model, version)?;
    let aliases = Aliases { champion: Some(version), previous: before.champion, ..before };
    let entry = Entry { champion_before: before.champion, ..entry(decision, Action::Rollback, version, aliases) };
    record(&model, before, &entry)?;
    Ok(RolledBack { version, previous: before.champion })
}

/// Who changed what of a model, when and why.
///
/// # Errors
/// [`RegistryError::NoRegistry`], [`RegistryError::Missing`] for a model that is not there, [`RegistryError::Read`] for
/// broken aliases, [`TrainError::Io`].
pub fn history(registry: &Path, name: &str) -> Result<History, TrainError> {
    let model = existing_model(registry, name)?;
    history::read(&model, Aliases::read(&model).map_err(RegistryError::Read)?)
}

/// Whether a version is there and would run tonight.
fn loads(model: &Path, version: u32) -> Result<(), RegistryError> {
    let path = version_folder(model, version);
    if !path.is_dir() {
        return Err(RegistryError::Missing { path, expected: format!("version {version}") });
    }
    Bundle::load(&path).map(drop).map_err(RegistryError::Bundle)
}

fn entry(decision: &Decision, action: Action, version: u32, aliases: Aliases) -> Entry {
    let Decision { actor, reason, .. } = decision;
    let reason = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned);
    Entry {
        when: actor.when.clone(),
        who: actor.who.clone(),
        action,
        version: Some(version),
        champion_before: None,
        reason,
        comparisons: Vec::new(),
        despite_gate: None,
        aliases,
    }
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

/// History first, aliases last: what the aliases say is always in the history. Each file is replaced whole.
fn record(model: &Path, before: Aliases, entry: &Entry) -> Result<(), TrainError> {
    history::append(model, before, entry)?;
    replace_file(&model.join(ALIASES_FILE), entry.aliases.to_json().as_bytes())
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
