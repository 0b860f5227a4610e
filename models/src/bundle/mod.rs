//! A model bundle: a folder with everything that scoring needs and nothing that could run.
//!
//! There is no code, no pickle, no clock time, no account and no raw row in it. A bundle is one thing: `bundle.sha256`
//! names `bundle.json`, which names every other file, and the first twelve digits of that digest are part of the
//! model's identity in every row that it scores. It is loaded whole or refused whole, before a single row is read.

mod error;
mod golden;
mod imported;
mod load;
mod manifest;
mod write;

pub use error::BundleError;
pub use golden::{GOLDEN_ROWS, GOLDEN_TOLERANCE, Golden, compare};
pub use imported::{FLAG_IMPORTED, ImportSource, Imported, ImportedContents, ImportedModel, RunsOn};
pub use manifest::{
    BUNDLE_FORMAT, FileDigest, IMPORTED_FORMAT, Manifest, TargetInfo, TargetRows, TrainingInfo, sha256_hex,
};
pub use write::{BundleContents, WrittenBundle, write_bundle};

use crate::drift::Reference;
use crate::graph::ForeignModel;
use crate::{Explainer, Head, HeadsScorer, Policy, SignalCard, Signature};

/// A bundle that passed every check.
#[derive(Debug, Clone)]
pub struct Bundle {
    manifest: Manifest,
    digest: String,
    signature: Signature,
    signals: Vec<SignalCard>,
    policy: Policy,
    heads: Vec<Head>,
    onnx_models: Vec<Vec<u8>>,
    /// `None` where another engine must run one of the heads.
    scorer: Option<HeadsScorer>,
    reference: Option<Reference>,
    golden: Golden,
    /// As in the file.
    backtest: Option<String>,
    /// Per target, what is known of a model of another tool.
    foreign: Vec<Option<ForeignModel>>,
    no_reasons: Vec<Option<String>>,
}

/// `name/version@` and the first 12 hex digits of the digest of `bundle.json`.
fn identity(name: &str, version: u32, digest: &str) -> String {
    format!("{name}/{version}@{}", digest.get(..12).unwrap_or(digest))
}

impl Bundle {
    /// `bundle.json`.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of `bundle.json`, hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// `name/version@digest`, as it stands in the scores.
    #[must_use]
    pub fn identity(&self) -> String {
        identity(&self.manifest.name, self.manifest.version, &self.digest)
    }

    /// Names of the targets; heads and golden scores have the same order.
    #[must_use]
    pub fn targets(&self) -> Vec<&str> {
        self.manifest.target_names()
    }

    /// Inputs.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Cards of the inputs; empty for an imported bundle.
    #[must_use]
    pub fn signals(&self) -> &[SignalCard] {
        &self.signals
    }

    /// Bands, health, value, status.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The models, in the order of the targets.
    #[must_use]
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The model of a target.
    #[must_use]
    pub fn head(&self, target: &str) -> Option<&Head> {
        self.heads.iter().find(|head| head.target == target)
    }

    /// The ONNX file of a target, byte for byte.
    #[must_use]
    pub fn onnx(&self, target: &str) -> Option<&[u8]> {
        let position = self.heads.iter().position(|head| head.target == target)?;
        self.onnx_models.get(position).map(Vec::as_slice)
    }

    /// All heads ready to run, in the order of the targets; `None` where another engine must run one of them.
    #[must_use]
    pub fn scorer(&self) -> Option<&HeadsScorer> {
        self.scorer.as_ref()
    }

    /// Explainers, in the order of the targets; none where there are no reasons (see [`Bundle::no_reasons`]). They are
    /// laid out on each call.
    ///
    /// # Errors
    /// None for a bundle that was loaded; the type is that of [`Explainer::new`].
    pub fn explainers(&self) -> Result<Vec<Option<Explainer>>, crate::ModelError> {
        let explained = self.heads.iter().zip(&self.no_reasons);
        explained.map(|(head, why)| why.is_none().then(|| Explainer::new(&self.signature, head)).transpose()).collect()
    }

    /// Targets without reasons, each with why; all of them are imported.
    #[must_use]
    pub fn no_reasons(&self) -> Vec<(&str, &str)> {
        let named = self.heads.iter().zip(&self.no_reasons);
        named.filter_map(|(head, why)| Some((head.target.as_str(), why.as_deref()?))).collect()
    }

    /// What is known of the model of a target that another tool wrote; none for one of ours.
    #[must_use]
    pub fn foreign(&self, target: &str) -> Option<&ForeignModel> {
        let position = self.heads.iter().position(|head| head.target == target)?;
        self.foreign.get(position)?.as_ref()
    }

    /// Bins of the training base; absent in an imported bundle.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// Golden rows, which another engine can be checked with.
    #[must_use]
    pub fn golden(&self) -> &Golden {
        &self.golden
    }

    /// `backtest.json`; absent in an imported bundle.
    #[must_use]
    pub fn backtest(&self) -> Option<serde_json::Value> {
        self.backtest.as_ref().and_then(|text| serde_json::from_str(text).ok())
    }
}
