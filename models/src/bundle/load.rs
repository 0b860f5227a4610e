//! Loading a bundle: nothing is believed before its digest is, and nothing is used before the golden rows agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::golden::{self, GOLDEN_TOLERANCE, Golden};
use super::imported::{BACKGROUND_FILE, ImportedModel, RunsOn, is_foreign, no_reasons};
use super::manifest::{IMPORTED_FORMAT, Manifest, sha256_hex};
use super::{Bundle, BundleError};
use crate::drift::Reference;
use crate::graph::{self, Background, ForeignModel, OutputChoice};
use crate::onnx;
use crate::signature::{Output, SIGNATURE_FORMAT, SignatureFile};
use crate::{Head, HeadsScorer, Policy, SignalCard, Signature};

/// Largest file that is read into memory.
const MAX_FILE_BYTES: u64 = onnx::MAX_BYTES as u64;

/// Largest `bundle.json`.
const MAX_MANIFEST_BYTES: u64 = 1 << 24;

/// Files that an imported bundle may lack, and the one that it may have besides.
const OPTIONAL: [&str; 6] =
    ["signals.json", "reference.json", "backtest.json", "MODEL_CARD.md", "report.html", BACKGROUND_FILE];

/// The format alone, read before the rest: a newer file need not have our fields.
#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

/// The files of a bundle whose digests are right.
struct Files {
    folder: PathBuf,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// Loads a bundle and checks, in this order: that `bundle.json` is the one that `bundle.sha256` names, that its
    /// format is known, that the folder holds exactly the listed files (no link, no folder, nothing else), every
    /// digest, signature, models, policy, reference, and that the native scorer gives the golden rows' outputs.
    ///
    /// # Errors
    /// [`BundleError`] with the first rule that is broken.
    pub fn load(folder: &Path) -> Result<Self, BundleError> {
        let (manifest, digest) = read_manifest(folder)?;
        let mut files = Files::read(folder, &manifest)?;
        let signature = files.signature(&manifest)?;
        let targets = manifest.target_names();
        let policy: Policy = files.json("policy.json")?;
        policy.validate(&signature, &targets).map_err(BundleError::model("policy.json"))?;
        let signals = files.signals(&signature)?;
        let reference = files.reference(&signature, &targets)?;
        let mut onnx_models = Vec::with_capacity(targets.len());
        let mut heads = Vec::with_capacity(targets.len());
        let mut foreign = Vec::with_capacity(targets.len());
        for (position, target) in targets.iter().enumerate() {
            let record = manifest.imported.as_ref().and_then(|imported| imported.models.get(position));
            let (head, model, bytes) = files.head(target, &signature, record)?;
            heads.push(head);
            foreign.push(model);
            onnx_models.push(bytes);
        }
        let background: Option<Background> = files.optional_json(BACKGROUND_FILE)?;
        if let Some(background) = &background {
            let refuse = |source| BundleError::Graph { file: BACKGROUND_FILE.to_owned(), source };
            background.apply(&mut heads).map_err(refuse)?;
        }
        for head in &heads {
            head.validate(&signature).map_err(BundleError::model(&format!("{}.onnx", head.target)))?;
        }
        let native: Vec<&Head> = heads.iter().filter(|head| !is_foreign(head)).collect();
        let scorer = HeadsScorer::of(&signature, &native).map_err(BundleError::model("bundle.json"))?;
        let golden = golden::decode(&signature, &targets, files.take("golden.parquet")?)?;
        check_golden(&heads, &scorer, &golden)?;
        let scorer = (native.len() == heads.len()).then_some(scorer);
        let without_reasons = |(model, head): (&Option<ForeignModel>, &Head)| {
            model.as_ref().and_then(|model| no_reasons(model, head, background.is_some()))
        };
        let no_reasons = foreign.iter().zip(&heads).map(without_reasons).collect();
        // Large, and nobody's business at night: whether it is JSON is all that is asked before somebody reads it.
        let backtest = files.optional_text("backtest.json")?;
        Ok(Self {
            manifest,
            digest,
            signature,
            signals,
            policy,
            heads,
            onnx_models,
            scorer,
            reference,
            golden,
            backtest,
            foreign,
            no_reasons,
        })
    }
}

/// Reads `bundle.json`, checked against `bundle.sha256`, and gives its digest.
fn read_manifest(folder: &Path) -> Result<(Manifest, String), BundleError> {
    let path = folder.join("bundle.json");
    let sum_path = folder.join("bundle.sha256");
    let sum = read_regular(&sum_path, 1024)?;
    let bytes = read_regular(&path, MAX_MANIFEST_BYTES)?;
    let found = sha256_hex(&bytes);
    let sum = String::from_utf8_lossy(&sum);
    let expected = sum.split_whitespace().next().unwrap_or("").to_owned();
    if sum != format!("{found}  bundle.json\n") {
        return Err(BundleError::Digest { path, expected, found });
    }
    refuse_newer(&path, &bytes, IMPORTED_FORMAT)?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|source| BundleError::Json { path: path.clone(), source })?;
    manifest.validate()?;
    Ok((manifest, found))
}

fn refuse_newer(path: &Path, bytes: &[u8], known: u32) -> Result<(), BundleError> {
    let path = path.to_owned();
    match serde_json::from_slice::<FormatOnly>(bytes) {
        Err(source) => Err(BundleError::Json { path, source }),
        Ok(FormatOnly { format }) if format > u64::from(known) => {
            Err(BundleError::NewerFormat { path, expected: known, found: format })
        }
        Ok(_) => Ok(()),
    }
}

/// Reads a regular file of bounded size; a link is not followed.
fn read_regular(path: &Path, most_bytes: u64) -> Result<Vec<u8>, BundleError> {
    let found = path.symlink_metadata().map_err(BundleError::io(path, "read the file"))?;
    if !found.is_file() {
        return Err(BundleError::content(&path.display().to_string(), "a regular file", "a link, folder or device"));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(BundleError::io(path, "read the file"))?;
    file.take(most_bytes + 1).read_to_end(&mut bytes).map_err(BundleError::io(path, "read the file"))?;
    if bytes.len() as u64 > most_bytes {
        let expected = format!("at most {most_bytes} bytes");
        return Err(BundleError::content(&path.display().to_string(), expected, "more"));
    }
    Ok(bytes)
}

impl Files {
    fn read(folder: &Path, manifest: &Manifest) -> Result<Self, BundleError> {
        check_listing(folder, manifest)?;
        let mut contents = BTreeMap::new();
        for (name, listed) in &manifest.files {
            let path = folder.join(name);
            let bytes = read_regular(&path, listed.bytes.min(MAX_FILE_BYTES))?;
            let found = sha256_hex(&bytes);
            if found != listed.sha256 || bytes.len() as u64 != listed.bytes {
                return Err(BundleError::Digest { path, expected: listed.sha256.clone(), found });
            }
            contents.insert(name.clone(), bytes);
        }
        Ok(Self { folder: folder.to_owned(), contents })
    }

    fn take(&mut self, name: &str) -> Result<Vec<u8>, BundleError> {
        self.contents.remove(name).ok_or_else(|| BundleError::content("bundle.json, files", name, "none"))
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, BundleError> {
        let bytes = self.take(name)?;
        let path = self.folder.join(name);
        serde_json::from_slice(&bytes).map_err(|source| BundleError::Json { path, source })
    }

    fn optional_json<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, BundleError> {
        if self.contents.contains_key(name) { self.json(name).map(Some) } else { Ok(None) }
    }

    /// A JSON text that is kept as it is.
    fn optional_text(&mut self, name: &str) -> Result<Option<String>, BundleError> {
        let Some(bytes) = self.contents.get(name) else { return Ok(None) };
        let Ok(text) = std::str::from_utf8(bytes).map(str::to_owned) else {
            return Err(BundleError::content(name, "UTF-8 text", "other bytes"));
        };
        let _: Option<serde::de::IgnoredAny> = self.optional_json(name)?;
        Ok(Some(text))
    }

    fn signature(&mut self, manifest: &Manifest) -> Result<Signature, BundleError> {
        let path = self.folder.join("signature.json");
        refuse_newer(&path, self.contents.get("signature.json").map_or(&[], Vec::as_slice), SIGNATURE_FORMAT)?;
        let file: SignatureFile = self.json("signature.json")?;
        let expected: Vec<Output> = manifest.target_names().into_iter().map(Output::of_target).collect();
        if file.outputs != expected {
            let names: Vec<&str> = file.outputs.iter().map(|output| output.target.as_str()).collect();
            let place = "signature.json, outputs";
            return Err(BundleError::content(place, manifest.target_names().join(", "), names.join(", ")));
        }
        let signature = Signature { inputs: file.inputs };
        signature.validate().map_err(BundleError::model("signature.json"))?;
        Ok(signature)
    }

    fn signals(&mut self, signature: &Signature) -> Result<Vec<SignalCard>, BundleError> {
        let signals: Vec<SignalCard> = self.optional_json("signals.json")?.unwrap_or_default();
        let mut names = BTreeSet::new();
        for card in &signals {
            if signature.index_of(&card.name).is_none() || !names.insert(card.name.as_str()) {
                return Err(BundleError::content("signals.json", "one card per input", format!("`{}`", card.name)));
            }
        }
        Ok(signals)
    }

    fn reference(&mut self, signature: &Signature, targets: &[&str]) -> Result<Option<Reference>, BundleError> {
        let reference: Option<Reference> = self.optional_json("reference.json")?;
        if let Some(reference) = &reference {
            reference.validate(signature).map_err(BundleError::model("reference.json"))?;
            let found: Vec<&str> = reference.outputs.iter().map(|output| output.target.as_str()).collect();
            if found != targets {
                return Err(BundleError::content("reference.json, outputs", targets.join(", "), found.join(", ")));
            }
        }
        Ok(reference)
    }

    /// The model of a target; of another tool where there is a record of its import.
    fn head(
        &mut self,
        target: &str,
        signature: &Signature,
        record: Option<&ImportedModel>,
    ) -> Result<(Head, Option<ForeignModel>, Vec<u8>), BundleError> {
        let file = format!("{target}.onnx");
        let bytes = self.take(&file)?;
        let Some(record) = record else {
            let head = onnx::read(&bytes, signature);
            let head = head.map_err(|source| BundleError::Onnx { file: file.clone(), source })?;
            if head.target != target {
                return Err(BundleError::content(&file, target, &head.target));
            }
            return Ok((head, None, bytes));
        };
        let choice = OutputChoice { name: Some(record.output.clone()), column: Some(record.column) };
        let allow_foreign = record.runs_on == RunsOn::Onnxruntime;
        let model = graph::read(&bytes, signature, target, &choice, allow_foreign);
        let model = model.map_err(|source| BundleError::Graph { file, source })?;
        Ok((model.head.clone(), Some(model), bytes))
    }
}

/// The folder holds the listed files and the two that list them; the list holds what a bundle is made of.
fn check_listing(folder: &Path, manifest: &Manifest) -> Result<(), BundleError> {
    let refuse = |expected: &str, found: String| {
        Err(BundleError::Files { path: folder.to_owned(), expected: expected.to_owned(), found })
    };
    let mut known: BTreeSet<String> = OPTIONAL.iter().map(|name| (*name).to_owned()).collect();
    let models = manifest.targets.iter().map(|target| format!("{}.onnx", target.name));
    let needed = ["signature.json", "policy.json", "golden.parquet"].map(str::to_owned);
    for name in needed.into_iter().chain(models) {
        if !manifest.files.contains_key(&name) {
            return refuse(&format!("`{name}` in bundle.json"), "none".to_owned());
        }
        known.insert(name);
    }
    if let Some(name) = manifest.files.keys().find(|name| !known.contains(*name)) {
        return refuse("files of a bundle in bundle.json", format!("`{name}`"));
    }
    let mut missing: BTreeSet<&str> = manifest.files.keys().map(String::as_str).collect();
    missing.extend(["bundle.json", "bundle.sha256"]);
    let entries = fs::read_dir(folder).map_err(BundleError::io(folder, "list the folder"))?;
    for entry in entries {
        let entry = entry.map_err(BundleError::io(folder, "list the folder"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(BundleError::io(entry.path(), "read the file"))?;
        if !kind.is_file() {
            return refuse("regular files only", format!("`{name}`, a link, folder or device"));
        }
        if !missing.remove(name.as_str()) {
            return refuse("only the files that bundle.json lists", format!("`{name}`"));
        }
    }
    match missing.first() {
        Some(name) => refuse(&format!("`{name}`"), "no such file".to_owned()),
        None => Ok(()),
    }
}

/// A model that only another engine runs is checked by that engine.
fn check_golden(heads: &[Head], scorer: &HeadsScorer, golden: &Golden) -> Result<(), BundleError> {
    let found = scorer.score(&golden.block).map_err(BundleError::model("golden.parquet"))?;
    let native = heads.iter().zip(&golden.expected).filter(|(head, _)| !is_foreign(head));
    for ((head, expected), found) in native.zip(&found) {
        golden::compare(&head.target, expected, found, GOLDEN_TOLERANCE)?;
    }
    Ok(())
}
