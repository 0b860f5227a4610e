//! `bundle.json`: what a bundle is of, and the digest of each of its files.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BundleError;
use super::imported::Imported;
use crate::head::is_plain_name;

/// Version of the format of a bundle that Bellwether trained.
pub const BUNDLE_FORMAT: u32 = 1;

/// Version of the format of an imported bundle, which versions before it cannot read; a newer one is refused.
pub const IMPORTED_FORMAT: u32 = 2;

/// One target of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetInfo {
    /// Name, e.g. `churn_90d`.
    pub name: String,
    /// What is foretold, in words.
    pub text: String,
    /// Length of the label window.
    pub horizon_days: u32,
    /// Learner that was chosen.
    pub learner: String,
}

/// Rows of one target that were learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRows {
    /// Mature rows.
    pub rows: u64,
    /// Those with the outcome.
    pub positives: u64,
}

/// What the model was trained on. No account and no clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingInfo {
    /// First observation date, inclusive.
    #[serde(with = "iso_date")]
    pub first_as_of: NaiveDate,
    /// Last observation date, inclusive.
    #[serde(with = "iso_date")]
    pub last_as_of: NaiveDate,
    /// Rows of all targets together, each counted once.
    pub rows: u64,
    /// By target.
    pub targets: BTreeMap<String, TargetRows>,
    /// The run's seed.
    pub seed: u64,
    /// What a reader must know, e.g. `calibrated_on_account_folds`; sorted.
    pub flags: Vec<String>,
}

/// Size and digest of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Size.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// `bundle.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`BUNDLE_FORMAT`], or [`IMPORTED_FORMAT`].
    pub format: u32,
    /// Name of the model, as in the registry.
    pub name: String,
    /// Version, from 1.
    pub version: u32,
    /// Targets, in the order of all outputs.
    pub targets: Vec<TargetInfo>,
    /// What it was trained on.
    pub training: TrainingInfo,
    /// Digest of the training data, hex.
    pub data_digest: String,
    /// Version of Bellwether that wrote it.
    pub tool_version: String,
    /// Every file but this one and `bundle.sha256`.
    pub files: BTreeMap<String, FileDigest>,
    /// Of models of other tools; absent where Bellwether trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

impl Manifest {
    /// Names of the targets.
    #[must_use]
    pub fn target_names(&self) -> Vec<&str> {
        self.targets.iter().map(|target| target.name.as_str()).collect()
    }

    pub(crate) fn validate(&self) -> Result<(), BundleError> {
        if !is_plain_name(&self.name) {
            return Err(BundleError::content("name", "letters, digits, `_` and `-`", &self.name));
        }
        if self.version == 0 {
            return Err(BundleError::content("version", "at least 1", self.version));
        }
        let names = self.target_names();
        if names.is_empty() || names.len() > MAX_TARGETS {
            return Err(BundleError::content("targets", "1 to 100", names.len()));
        }
        if self.imported.is_some() != (self.format == IMPORTED_FORMAT) {
            let expected = format!("{IMPORTED_FORMAT} for imported models, and only for them");
            return Err(BundleError::content("format", expected, self.format));
        }
        if let Some(imported) = &self.imported {
            let models: Vec<&str> = imported.models.iter().map(|model| model.target.as_str()).collect();
            if models != names {
                return Err(BundleError::content("imported, models", names.join(", "), models.join(", ")));
            }
        }
        for (position, name) in names.iter().enumerate() {
            if !is_plain_name(name) {
                return Err(BundleError::content("targets", "names of letters, digits, `_` and `-`", name));
            }
            if names[..position].contains(name) {
                return Err(BundleError::content("targets", "each name once", name));
            }
        }
        Ok(())
    }
}

/// Most targets of a bundle.
const MAX_TARGETS: usize = 100;

/// SHA-256 as lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Dates as `YYYY-MM-DD`.
mod iso_date {
    use chrono::NaiveDate;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(date: &NaiveDate, serializer: S) -> Result<S::Ok, S::Error> {
        date.format("%Y-%m-%d").to_string().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
        let text = String::deserialize(deserializer)?;
        NaiveDate::parse_from_str(&text, "%Y-%m-%d").map_err(|_| D::Error::custom("expected a date YYYY-MM-DD"))
    }
}
