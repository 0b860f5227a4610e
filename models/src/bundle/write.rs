//! Writing a bundle: everything in memory, then a folder beside the destination, then one rename.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bellwether_staging::Staging;
use serde::Serialize;

use super::golden::{self, Golden};
use super::manifest::{BUNDLE_FORMAT, FileDigest, Manifest, TargetInfo, TrainingInfo, sha256_hex};
use super::{Bundle, BundleError, identity};
use crate::drift::Reference;
use crate::onnx;
use crate::signature::{Output, SIGNATURE_FORMAT, SignatureFile};
use crate::{Head, Policy, Scorer, SignalCard, Signature};

/// Everything that a bundle is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct BundleContents {
    /// Name of the model: letters, digits, `_` and `-`.
    pub name: String,
    /// Targets; all outputs follow their order.
    pub targets: Vec<TargetInfo>,
    /// Inputs.
    pub signature: Signature,
    /// One card per input.
    pub signals: Vec<SignalCard>,
    /// Bands, health, value, status.
    pub policy: Policy,
    /// One head per target, in the order of `targets`.
    pub heads: Vec<Head>,
    /// Bins of the training base, with one output per target.
    pub reference: Reference,
    /// What it was trained on.
    pub training: TrainingInfo,
    /// Digest of the training data, hex.
    pub data_digest: String,
    /// Version of Bellwether.
    pub tool_version: String,
    /// `backtest.json`.
    pub backtest: serde_json::Value,
    /// `MODEL_CARD.md`.
    pub model_card: String,
    /// `report.html`.
    pub report_html: String,
}

/// A bundle that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenBundle {
    /// SHA-256 of `bundle.json`, hex: the digest of the whole bundle.
    pub digest: String,
    /// `name/version@` and the first 12 digits of the digest.
    pub identity: String,
}

/// Writes a bundle to `folder`, which must not exist or be empty.
///
/// The files are written beside it, loaded again with every check of [`Bundle::load`], flushed to disk and moved into
/// place with one rename, so that a reader sees all of it or nothing. The same contents and version give the same
/// bytes.
///
/// # Errors
/// [`BundleError`] when the parts do not fit together, when a folder is in the way or when the file system refuses.
pub fn write_bundle(folder: &Path, version: u32, contents: &BundleContents) -> Result<WrittenBundle, BundleError> {
    let files = encode(contents)?;
    let name = (contents.name.as_str(), version);
    let digests = (contents.data_digest.as_str(), contents.tool_version.as_str());
    let manifest = manifest_of(name, contents.targets.clone(), contents.training.clone(), digests, &files);
    publish(folder, &manifest, files)
}

/// Adds `bundle.json` and its digest to the files, and puts them into place.
pub(super) fn publish(
    folder: &Path,
    manifest: &Manifest,
    mut files: BTreeMap<String, Vec<u8>>,
) -> Result<WrittenBundle, BundleError> {
    manifest.validate()?;
    let bytes = json("bundle.json", manifest)?;
    let digest = sha256_hex(&bytes);
    files.insert("bundle.sha256".to_owned(), format!("{digest}  bundle.json\n").into_bytes());
    files.insert("bundle.json".to_owned(), bytes);
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || folder.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        return Err(BundleError::Exists { path: folder.to_owned() });
    }
    let staging = Staging::folder(folder).map_err(BundleError::io(folder, "begin to write the bundle"))?;
    write_files(staging.path(), &files)?;
    Bundle::load(staging.path())?;
    staging.publish().map_err(BundleError::io(folder, "move the new bundle here"))?;
    Ok(WrittenBundle { identity: identity(&manifest.name, manifest.version, &digest), digest })
}

fn write_files(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), BundleError> {
    for (name, bytes) in files {
        let path = folder.join(name);
        let written = fs::File::create_new(&path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(BundleError::io(&path, "write the file"))?;
    }
    Ok(())
}

/// All files of the bundle but `bundle.json` and its digest.
fn encode(contents: &BundleContents) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
    check(contents)?;
    let signature = &contents.signature;
    let mut files = BTreeMap::new();
    let outputs = contents.targets.iter().map(|target| Output::of_target(&target.name)).collect();
    let signature_file = SignatureFile { format: SIGNATURE_FORMAT, inputs: signature.inputs.clone(), outputs };
    files.insert("signature.json".to_owned(), json("signature.json", &signature_file)?);
    files.insert("signals.json".to_owned(), json("signals.json", &contents.signals)?);
    files.insert("policy.json".to_owned(), json("policy.json", &contents.policy)?);
    files.insert("reference.json".to_owned(), json("reference.json", &contents.reference)?);
    files.insert("backtest.json".to_owned(), json("backtest.json", &contents.backtest)?);
    files.insert("MODEL_CARD.md".to_owned(), contents.model_card.clone().into_bytes());
    files.insert("report.html".to_owned(), contents.report_html.clone().into_bytes());
    let block = golden::synthetic_rows(signature, &contents.reference);
    let mut expected = Vec::with_capacity(contents.heads.len());
    for head in &contents.heads {
        let file = format!("{}.onnx", head.target);
        let bytes = onnx::write(signature, head).map_err(BundleError::model(&file))?;
        let scorer = Scorer::new(signature, head).map_err(BundleError::model(&file))?;
        expected.push(scorer.score(&block).map_err(BundleError::model(&file))?);
        files.insert(file, bytes);
    }
    let targets: Vec<&str> = contents.targets.iter().map(|target| target.name.as_str()).collect();
    let golden = golden::encode(signature, &targets, &Golden { block, expected })?;
    files.insert("golden.parquet".to_owned(), golden);
    Ok(files)
}

/// `bundle.json` of a bundle that was trained. `name`: and version; `digests`: of the data, and the version of Bellwether.
pub(super) fn manifest_of(
    (name, version): (&str, u32),
    targets: Vec<TargetInfo>,
    training: TrainingInfo,
    (data_digest, tool_version): (&str, &str),
    files: &BTreeMap<String, Vec<u8>>,
) -> Manifest {
    let digest = |bytes: &Vec<u8>| FileDigest { bytes: bytes.len() as u64, sha256: sha256_hex(bytes) };
    Manifest {
        format: BUNDLE_FORMAT,
        name: name.to_owned(),
        version,
        targets,
        training,
        data_digest: data_digest.to_owned(),
        tool_version: tool_version.to_owned(),
        files: files.iter().map(|(name, bytes)| (name.clone(), digest(bytes))).collect(),
        imported: None,
    }
}

/// Checks that the parts are of one model; whatever a load checks is checked when the staging folder is loaded.
fn check(contents: &BundleContents) -> Result<(), BundleError> {
    contents.signature.validate().map_err(BundleError::model("signature.json"))?;
    contents.reference.validate(&contents.signature).map_err(BundleError::model("reference.json"))?;
    let targets: Vec<&str> = contents.targets.iter().map(|target| target.name.as_str()).collect();
    let heads: Vec<&str> = contents.heads.iter().map(|head| head.target.as_str()).collect();
    if heads != targets {
        return Err(BundleError::content("heads", targets.join(", "), heads.join(", ")));
    }
    let described = |name: &str| contents.signals.iter().any(|card| card.name == name);
    match contents.signature.inputs.iter().find(|input| !described(&input.name)) {
        Some(input) => Err(BundleError::content("signals.json", format!("a card for `{}`", input.name), "none")),
        None => Ok(()),
    }
}

/// Indented, so that people can read and compare it, with a line end.
pub(super) fn json(file: &str, value: &impl Serialize) -> Result<Vec<u8>, BundleError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|source| BundleError::Json { path: PathBuf::from(file), source })?;
    bytes.push(b'\n');
    Ok(bytes)
}
