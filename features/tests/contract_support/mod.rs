//! A project in a temporary folder: files written from text, a contract from TOML.
// A test's own preparation may unwrap, and not every test file needs all of it.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use bellwether_features::contract::{Contract, ContractError, Sections};
use bellwether_features::read::{CheckOutcome, Loaded, ReadError, Tables};
use chrono::NaiveDate;

pub(crate) struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A project with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let project = Self::new();
        for (name, content) in files {
            project.write(name, content.as_bytes());
        }
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn contract(&self, toml: &str) -> Contract {
        resolve(self.folder.path(), toml).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn load(&self, toml: &str) -> Result<Loaded, ReadError> {
        Tables::load(&self.contract(toml))
    }

    /// Loads what must load.
    pub(crate) fn loaded(&self, toml: &str) -> Loaded {
        self.load(toml).unwrap_or_else(|error| panic!("{error}"))
    }
}

pub(crate) fn resolve(base: &Path, toml: &str) -> Result<Contract, ContractError> {
    let sections: Sections = toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"));
    let lookup = |name: &str| (name == "DATA").then(|| base.to_string_lossy().into_owned());
    Contract::resolve_with(base, sections, &lookup)
}

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// (rule code, column, rows, left out) of a table, sorted.
pub(crate) fn rules<'a>(outcome: &'a CheckOutcome, table: &str) -> Vec<(&'static str, &'a str, u64, bool)> {
    let table = outcome.tables.iter().find(|found| found.table == table).unwrap();
    let mut rules: Vec<_> = table
        .rules
        .iter()
        .map(|count| (count.rule.code(), count.column.as_str(), count.rows, count.left_out))
        .collect();
    rules.sort_unstable();
    rules
}

pub(crate) const USAGE: &str = "[tables.usage]\npath = \"u.csv\"\nerror_if_pct = 100\n";
