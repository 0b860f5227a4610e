//! From what a user writes to the folder of a bundle: `registry/acme@champion`.
//!
//! A registry is `registry/<name>/versions/<n>/` and `registry/<name>/aliases.json`; `train` writes it, this module
//! reads it. A folder that holds a bundle is taken as it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// File that names versions by their part.
pub const ALIASES_FILE: &str = "aliases.json";

/// Folder of the versions.
pub const VERSIONS_FOLDER: &str = "versions";

/// The part that a version plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alias {
    /// Scores the base every night.
    Champion,
    /// Newest that is not champion.
    Challenger,
    /// Champion before the present one.
    Previous,
}

impl Alias {
    /// Every alias.
    pub const ALL: [Self; 3] = [Self::Champion, Self::Challenger, Self::Previous];

    /// The word in a reference and in `aliases.json`.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Champion => "champion",
            Self::Challenger => "challenger",
            Self::Previous => "previous",
        }
    }

    /// The alias of a word.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alias| alias.text() == text)
    }
}

/// `aliases.json`: which version plays which part; null is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliases {
    /// Scores the base every night.
    pub champion: Option<u32>,
    /// Newest that is not champion.
    pub challenger: Option<u32>,
    /// Champion before the present one.
    pub previous: Option<u32>,
}

impl Aliases {
    /// The version that plays a part.
    #[must_use]
    pub fn get(&self, alias: Alias) -> Option<u32> {
        match alias {
            Alias::Champion => self.champion,
            Alias::Challenger => self.challenger,
            Alias::Previous => self.previous,
        }
    }

    /// The parts that a version plays.
    #[must_use]
    pub fn of_version(&self, version: u32) -> Vec<Alias> {
        Alias::ALL.into_iter().filter(|alias| self.get(*alias) == Some(version)).collect()
    }

    /// The bytes of `aliases.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let number = |version: Option<u32>| version.map_or_else(|| "null".to_owned(), |version| version.to_string());
        let [champion, challenger, previous] = [self.champion, self.challenger, self.previous].map(number);
        format!("{{\"champion\":{champion},\"challenger\":{challenger},\"previous\":{previous}}}\n")
    }

    /// Reads `aliases.json` of a model's folder; all null where there is none and no version either.
    ///
    /// # Errors
    /// [`RegistryError::Io`], [`RegistryError::Aliases`]; [`RegistryError::NoAliases`] where there are versions without it.
    pub fn read(model_folder: &Path) -> Result<Self, RegistryError> {
        let path = model_folder.join(ALIASES_FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| RegistryError::Aliases { path, source }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => match versions(model_folder)?.is_empty() {
                true => Ok(Self::default()),
                // The trainer writes it before the first version: it was there, and nobody knows who is champion.
                false => Err(RegistryError::NoAliases { path }),
            },
            Err(source) => Err(RegistryError::Io { path, source }),
        }
    }
}

/// A reference that leads to no bundle.
#[derive(Debug, Error, Diagnostic)]
pub enum RegistryError {
    /// Neither a bundle nor a model.
    #[error("bundle `{reference}`: expected a folder with bundle.json, or a model of a registry, found neither")]
    #[diagnostic(code(bellwether::registry::unknown_model), help("{}", alternatives("models there", nearest)))]
    UnknownModel {
        /// What was asked for.
        reference: String,
        /// Models in the same registry, nearest first.
        nearest: Vec<String>,
    },
    /// Not an alias and not a version.
    #[error("bundle `{reference}`: expected champion, challenger, previous or a version, found `{found}`")]
    #[diagnostic(code(bellwether::registry::unknown_alias), help("{}", alternatives("try", nearest)))]
    UnknownAlias {
        /// What was asked for.
        reference: String,
        /// Text after the `@`.
        found: String,
        /// What there is, nearest first.
        nearest: Vec<String>,
    },
    /// An alias that no version bears.
    #[error("bundle `{reference}`: expected a version that is {alias}, found none")]
    #[diagnostic(code(bellwether::registry::unset_alias), help("{}", alternatives("there are", nearest)))]
    UnsetAlias {
        /// What was asked for.
        reference: String,
        /// The alias.
        alias: &'static str,
        /// What there is.
        nearest: Vec<String>,
    },
    /// A version that is not there.
    #[error("bundle `{reference}`: expected version {version}, found no such folder")]
    #[diagnostic(code(bellwether::registry::unknown_version), help("{}", alternatives("there are", nearest)))]
    UnknownVersion {
        /// What was asked for.
        reference: String,
        /// The version.
        version: u32,
        /// What there is.
        nearest: Vec<String>,
    },
    /// `aliases.json` is damaged.
    #[error("{}: damaged: expected champion, challenger and previous as JSON, each a version or null", path.display())]
    #[diagnostic(
        code(bellwether::registry::aliases),
        help("restore it, or write it by hand; history.jsonl beside it has the last good one: {{\"champion\":1}}")
    )]
    Aliases {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// Versions, and no `aliases.json` beside them.
    #[error("{}: expected the file that says which version is champion, found none", path.display())]
    #[diagnostic(
        code(bellwether::registry::no_aliases),
        help("restore it, or write it by hand; history.jsonl beside it has the last good one: {{\"champion\":1}}")
    )]
    NoAliases {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{}: cannot be read", path.display())]
    #[diagnostic(code(bellwether::registry::io), help("check the path and its permissions"))]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

fn alternatives(what: &str, nearest: &[String]) -> String {
    if nearest.is_empty() {
        return "nothing is there yet: `bellwether train --out registry` writes the first model".to_owned();
    }
    format!("{what}: {}", nearest.join(", "))
}

/// Where a reference leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedBundle {
    /// Folder of the bundle.
    pub path: PathBuf,
    /// Alias that was followed.
    pub alias: Option<Alias>,
    /// Version that was found, for a reference into a registry.
    pub version: Option<u32>,
}

/// Resolves a reference: the folder of a bundle, `registry/<name>@champion|challenger|previous`,
/// `registry/<name>@<version>`, or `registry/<name>`, which is its champion.
///
/// # Errors
/// [`RegistryError`] that lists what there is.
pub fn resolve(reference: &str) -> Result<ResolvedBundle, RegistryError> {
    let folder = Path::new(reference);
    if folder.join("bundle.json").exists() {
        return Ok(ResolvedBundle { path: folder.to_owned(), alias: None, version: None });
    }
    // A folder may have an `@` in its name, so what comes after the last one is an alias only if a model comes before
    // it.
    let (model, label) = match reference.rsplit_once('@') {
        Some((model, label)) if !is_model(folder) => (Path::new(model), label),
        _ => (folder, Alias::Champion.text()),
    };
    if !is_model(model) {
        refuse_unknown_version(reference)?;
        return Err(RegistryError::UnknownModel { reference: reference.to_owned(), nearest: nearest_models(model) });
    }
    let aliases = Aliases::read(model)?;
    let versions = versions(model)?;
    let (alias, version) = match (Alias::of_text(label), label.parse::<u32>()) {
        (Some(alias), _) => (Some(alias), aliases.get(alias)),
        (None, Ok(version)) => (None, Some(version)),
        (None, Err(_)) => {
            let nearest = by_distance(label, labels(&aliases, &versions));
            return Err(RegistryError::UnknownAlias {
                reference: reference.to_owned(),
                found: label.to_owned(),
                nearest,
            });
        }
    };
    let nearest = labels(&aliases, &versions);
    let Some(version) = version else {
        let alias = alias.map_or("champion", Alias::text);
        return Err(RegistryError::UnsetAlias { reference: reference.to_owned(), alias, nearest });
    };
    if !versions.contains(&version) {
        return Err(RegistryError::UnknownVersion { reference: reference.to_owned(), version, nearest });
    }
    Ok(ResolvedBundle { path: version_folder(model, version), alias, version: Some(version) })
}

/// A path to a version that is not there, `registry/acme/versions/9`, where the model is: says which versions there are.
fn refuse_unknown_version(reference: &str) -> Result<(), RegistryError> {
    let folder = Path::new(reference);
    let name = folder.file_name().and_then(|name| name.to_str());
    let above = folder.parent().filter(|above| above.file_name().is_some_and(|name| name == VERSIONS_FOLDER));
    let model = above.and_then(Path::parent).map(|model| if model == Path::new("") { Path::new(".") } else { model });
    let (Some(version), Some(model)) = (name.and_then(|name| name.parse::<u32>().ok()), model) else { return Ok(()) };
    if folder.exists() || !is_model(model) {
        return Ok(());
    }
    let nearest = labels(&Aliases::read(model)?, &versions(model)?);
    Err(RegistryError::UnknownVersion { reference: reference.to_owned(), version, nearest })
}

/// Folder of a version.
#[must_use]
pub fn version_folder(model_folder: &Path, version: u32) -> PathBuf {
    model_folder.join(VERSIONS_FOLDER).join(version.to_string())
}

/// Versions of a model, ascending; none where there is no such folder. Names that are not a plain number are not
/// versions.
///
/// # Errors
/// [`RegistryError::Io`].
pub fn versions(model_folder: &Path) -> Result<Vec<u32>, RegistryError> {
    let path = model_folder.join(VERSIONS_FOLDER);
    let mut versions: Vec<u32> = folders(&path)
        .map_err(|source| RegistryError::Io { path, source })?
        .into_iter()
        .filter_map(|name| name.parse::<u32>().ok().filter(|version| version.to_string() == name))
        .collect();
    versions.sort_unstable();
    Ok(versions)
}

/// Models of a registry, in ascending order; none where there is no such folder.
///
/// # Errors
/// [`RegistryError::Io`].
pub fn models(registry: &Path) -> Result<Vec<String>, RegistryError> {
    let mut names = folders(registry).map_err(|source| RegistryError::Io { path: registry.to_owned(), source })?;
    names.retain(|name| is_model(&registry.join(name)));
    names.sort();
    Ok(names)
}

fn is_model(folder: &Path) -> bool {
    folder.join(ALIASES_FILE).is_file() || folder.join(VERSIONS_FOLDER).is_dir()
}

/// Names of the folders in a folder; none where there is none.
fn folders(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().filter(|_| entry.path().is_dir()) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Aliases that are set, then versions, newest first.
fn labels(aliases: &Aliases, versions: &[u32]) -> Vec<String> {
    let set = Alias::ALL.into_iter().filter(|alias| aliases.get(*alias).is_some());
    let set = set.map(|alias| alias.text().to_owned());
    set.chain(versions.iter().rev().take(10).map(u32::to_string)).collect()
}

fn nearest_models(model: &Path) -> Vec<String> {
    let registry = model.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let wanted = model.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // This only makes a hint; a registry that cannot be listed has none to give.
    by_distance(&wanted, models(registry).unwrap_or_default())
}

fn by_distance(wanted: &str, mut names: Vec<String>) -> Vec<String> {
    names.sort_by_key(|name| strsim::damerau_levenshtein(wanted, name));
    names.truncate(5);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for version in [1, 2, 10] {
            let folder = root.path().join("acme/versions").join(version.to_string());
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("bundle.json"), "{}").expect("a file");
        }
        let aliases = Aliases { champion: Some(2), challenger: Some(10), previous: None };
        fs::write(root.path().join("acme/aliases.json"), aliases.to_json()).expect("a file");
        root
    }

    #[test]
    fn references_lead_to_versions() {
        let root = registry();
        let model = root.path().join("acme").display().to_string();
        let cases = [
            (model.clone(), 2),
            (format!("{model}@champion"), 2),
            (format!("{model}@challenger"), 10),
            (format!("{model}@1"), 1),
        ];
        for (reference, version) in cases {
            let found = resolve(&reference).expect("resolves");
            assert_eq!(found.path, version_folder(Path::new(&model), version), "{reference}");
            assert_eq!(found.version, Some(version));
        }
        let path = format!("{model}/versions/10");
        assert_eq!(resolve(&path).expect("a bundle").path, Path::new(&path));
    }

    #[test]
    fn errors_list_what_there_is() {
        let root = registry();
        let model = root.path().join("acme").display().to_string();
        let help = |reference: &str| {
            let error = resolve(reference).expect_err("leads nowhere");
            let help = error.help().expect("a hint").to_string();
            format!("{error} / {help}")
        };
        assert!(help(&format!("{}/acne@champion", root.path().display())).contains("models there: acme"));
        assert!(help(&format!("{model}@champoin")).contains("try: champion, challenger"));
        assert!(help(&format!("{model}@previous")).contains("champion, challenger, 10, 2, 1"));
        assert!(help(&format!("{model}@7")).contains("expected version 7"));
        let by_path = help(&format!("{model}/versions/9"));
        assert!(
            by_path.contains("expected version 9") && by_path.contains("champion, challenger, 10, 2, 1"),
            "{by_path}"
        );
        assert!(help("nowhere/at/all").contains("bellwether train"));
        fs::write(root.path().join("acme/aliases.json"), "{\"champion\":\"x\"}").expect("a file");
        assert!(matches!(resolve(&model), Err(RegistryError::Aliases { .. })));
        fs::remove_file(root.path().join("acme/aliases.json")).expect("removed");
        assert!(help(&model).contains("acme/aliases.json: expected the file that says which version is champion"));
        assert!(matches!(resolve(&format!("{model}@1")), Err(RegistryError::NoAliases { .. })));
        fs::remove_dir_all(root.path().join("acme/versions")).expect("removed");
        assert_eq!(Aliases::read(&root.path().join("acme")).expect("none yet"), Aliases::default());
    }

    #[test]
    fn aliases_read_back_and_may_be_left_out() {
        let aliases = Aliases { champion: Some(1), challenger: None, previous: Some(3) };
        assert_eq!(serde_json::from_str::<Aliases>(&aliases.to_json()).expect("reads back"), aliases);
        let short: Aliases = serde_json::from_str("{\"champion\":1}").expect("reads");
        assert_eq!(short, Aliases { champion: Some(1), ..Aliases::default() });
        assert_eq!(aliases.of_version(3), [Alias::Previous]);
    }
}
