//! `history.jsonl`: who changed which version plays which part, when and why. One line per change, never taken back.
//!
//! A line is written before `aliases.json` is, so what the aliases say is always in the history. Where the two differ all
//! the same (the aliases were edited by hand, or a change was cut off between the two files), the next change says so in a
//! line of its own.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use bellwether_models::registry::Aliases;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::gate::Comparison;
use crate::staging::replace_file;

/// Name of the file in a model's folder.
pub(crate) const HISTORY_FILE: &str = "history.jsonl";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A version was added.
    Add,
    /// A version was made the champion.
    Promote,
    /// The champion before was made the champion again.
    Rollback,
    /// The aliases were not what the line before had left.
    Found,
}

impl Action {
    /// The word in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Found => "found",
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, RFC 3339 in UTC.
    pub when: String,
    /// Who.
    pub who: String,
    /// What was done.
    pub action: Action,
    /// With which version; null for [`Action::Found`].
    pub version: Option<u32>,
    /// The champion before, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion_before: Option<u32>,
    /// Why, in the words of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the gate compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comparisons: Vec<Comparison>,
    /// Why the gate had refused it, where it was promoted all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub despite_gate: Option<String>,
    /// Which version plays which part since.
    pub aliases: Aliases,
}

/// The history of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// From the oldest to the newest.
    pub entries: Vec<Entry>,
    /// Numbers, from 1, of lines that are no change: damaged, or written by a newer build.
    pub damaged_lines: Vec<usize>,
    /// What `aliases.json` says now.
    pub aliases: Aliases,
}

impl History {
    /// Whether the aliases are what the last change left.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.entries.last().is_none_or(|last| last.aliases == self.aliases)
    }
}

/// Reads the history of a model; empty where there is none.
pub(crate) fn read(model: &Path, aliases: Aliases) -> Result<History, TrainError> {
    Ok(parse(&bytes(model)?, aliases))
}

fn bytes(model: &Path) -> Result<Vec<u8>, TrainError> {
    let path = model.join(HISTORY_FILE);
    match fs::read(&path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        bytes => bytes.map_err(|cause| TrainError::io(&path, "read it", cause)),
    }
}

fn parse(bytes: &[u8], aliases: Aliases) -> History {
    let mut history = History { entries: Vec::new(), damaged_lines: Vec::new(), aliases };
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(entry) => history.entries.push(entry),
            Err(_) => history.damaged_lines.push(index + 1),
        }
    }
    history
}

/// Adds a line, and before it one that says so where `before`, the aliases up to now, are not what the last line left.
pub(crate) fn append(model: &Path, before: Aliases, entry: &Entry) -> Result<(), TrainError> {
    let path = model.join(HISTORY_FILE);
    let mut bytes = bytes(model)?;
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    let found = Entry {
        action: Action::Found,
        version: None,
        champion_before: None,
        reason: Some("aliases.json was not what the line before had left".to_owned()),
        comparisons: Vec::new(),
        despite_gate: None,
        aliases: before,
        ..entry.clone()
    };
    let unexplained = !parse(&bytes, before).agrees();
    for entry in unexplained.then_some(&found).into_iter().chain([entry]) {
        serde_json::to_writer(&mut bytes, entry).map_err(|cause| TrainError::io(&path, "write as JSON", cause))?;
        bytes.push(b'\n');
    }
    replace_file(&path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(when: &str, champion: u32) -> Entry {
        Entry {
            when: when.to_owned(),
            who: "ada".to_owned(),
            action: Action::Promote,
            version: Some(champion),
            champion_before: None,
            reason: Some("because\nof \"this\"".to_owned()),
            comparisons: Vec::new(),
            despite_gate: None,
            aliases: Aliases { champion: Some(champion), ..Aliases::default() },
        }
    }

    #[test]
    fn lines_are_kept_and_a_torn_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(HISTORY_FILE);
        append(folder.path(), Aliases::default(), &entry("1", 1)).unwrap();
        // A build before this one wrote fewer fields; a crash tore the last line.
        let old = "{\"when\":\"2\",\"who\":\"bob\",\"action\":\"add\",\"version\":2,\"aliases\":{\"champion\":1,\"challenger\":2,\"previous\":null}}\n";
        let torn = format!("{}{old}{{\"when\":\"3", fs::read_to_string(&path).unwrap());
        fs::write(&path, &torn).unwrap();
        let now = Aliases { champion: Some(1), challenger: Some(2), previous: None };
        append(folder.path(), now, &entry("4", 1)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("{torn}\n")), "{text}");
        let history = read(folder.path(), entry("4", 1).aliases).unwrap();
        assert_eq!(history.damaged_lines, [3]);
        assert_eq!(history.entries.iter().map(|one| one.when.as_str()).collect::<Vec<_>>(), ["1", "2", "4"]);
        assert_eq!(history.entries[2], entry("4", 1));
        assert!(history.agrees());
    }

    #[test]
    fn aliases_that_nobody_recorded_are_recorded_with_the_next_change() {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), Aliases::default(), &entry("1", 1)).unwrap();
        let by_hand = Aliases { champion: Some(7), ..Aliases::default() };
        assert!(!read(folder.path(), by_hand).unwrap().agrees());
        append(folder.path(), by_hand, &entry("2", 2)).unwrap();
        let entries = read(folder.path(), by_hand).unwrap().entries;
        assert_eq!(
            entries.iter().map(|one| one.action).collect::<Vec<_>>(),
            [Action::Promote, Action::Found, Action::Promote]
        );
        assert_eq!((entries[1].version, entries[1].aliases), (None, by_hand));
        assert_eq!(read(&folder.path().join("none"), by_hand).unwrap().entries, []);
    }
}
