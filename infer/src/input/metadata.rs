//! What the writer of a feature file says about it: `bellwether.features` in the Parquet key-value metadata.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use parquet::file::metadata::KeyValue;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::error::InferError;

/// The key of the metadata.
const FEATURES_KEY: &str = "bellwether.features";
/// The format that this version reads.
const FORMAT: u32 = 1;

/// The metadata of a feature file, format 1. Keys that a later writer adds are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FileFacts {
    /// Version of this metadata.
    pub format: u32,
    /// Dates of the rows, ascending.
    #[serde(deserialize_with = "dates")]
    pub as_of: Vec<NaiveDate>,
    /// Hex sha256 of the definition of each signal.
    #[serde(default)]
    pub definitions: BTreeMap<String, String>,
    /// Accounts that were there before eligibility and quarantine; over all dates.
    pub accounts_given: u64,
    /// Accounts left out because they are not eligible.
    pub ineligible: u64,
    /// Accounts left out because their own row was quarantined.
    pub quarantined: u64,
    /// Tables that were not there.
    #[serde(default)]
    pub missing_tables: Vec<String>,
    /// Age of the newest fact of each table at `as_of`.
    #[serde(default)]
    pub table_ages_hours: BTreeMap<String, f64>,
}

impl FileFacts {
    /// Reads the facts from the key-value metadata of a file; `None` when there are none.
    ///
    /// # Errors
    /// [`InferError::Metadata`] when they are there and cannot be understood.
    pub(super) fn of(path: &Path, pairs: Option<&Vec<KeyValue>>) -> Result<Option<Self>, InferError> {
        let pair = pairs.into_iter().flatten().find(|pair| pair.key == FEATURES_KEY);
        let Some(text) = pair.and_then(|pair| pair.value.as_deref()) else { return Ok(None) };
        let failed = |reason: String| InferError::Metadata { path: path.to_path_buf(), reason };
        let version: Version = serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
        if version.format != FORMAT {
            return Err(failed(format!("expected format {FORMAT}, found {}", version.format)));
        }
        serde_json::from_str(text).map(Some).map_err(|error| failed(error.to_string()))
    }
}

/// Dates as `YYYY-MM-DD`.
fn dates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NaiveDate>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parse = |text: &String| text.parse().map_err(|_| D::Error::custom("as_of: expected dates as YYYY-MM-DD"));
    texts.iter().map(parse).collect()
}

/// Read first, so that a newer format is named as such.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<FileFacts>, InferError> {
        let pairs = vec![KeyValue::new(FEATURES_KEY.to_owned(), text.to_owned())];
        FileFacts::of(Path::new("f.parquet"), Some(&pairs))
    }

    #[test]
    fn the_agreed_example_is_read() {
        let facts = read(
            r#"{"format":1,"as_of":["2026-01-31"],"definitions":{"usage_events_28d":"ab"},"accounts_given":5000,
            "ineligible":120,"quarantined":3,"missing_tables":["tickets"],"table_ages_hours":{"usage":12.5}}"#,
        );
        let facts = facts.unwrap().unwrap();
        assert_eq!(facts.as_of, [NaiveDate::from_ymd_opt(2026, 1, 31).unwrap()]);
        assert_eq!((facts.accounts_given, facts.ineligible, facts.quarantined), (5000, 120, 3));
        assert_eq!(facts.table_ages_hours["usage"], 12.5);
    }

    #[test]
    fn absent_is_none_and_newer_or_broken_is_an_error() {
        assert_eq!(FileFacts::of(Path::new("f"), None).unwrap(), None);
        for text in ["{", r#"{"format":2}"#, r#"{"format":1,"as_of":["yesterday"]}"#] {
            assert!(matches!(read(text), Err(InferError::Metadata { .. })), "{text}");
        }
    }
}
