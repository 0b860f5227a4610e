//! Bundles of models of other tools: what is known of them, and how they are written.
//!
//! Such a bundle holds the ONNX files byte for byte, says in `bundle.json` that they are imported and which output is the
//! probability, and has neither backtest nor training rows. Everything else is as in any bundle: loaded whole or refused
//! whole, with golden rows that the scorer must give.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::BundleError;
use super::golden::{self, Golden};
use super::manifest::{IMPORTED_FORMAT, Manifest, TargetInfo, TrainingInfo, sha256_hex};
use super::write::{WrittenBundle, json, manifest_of, publish};
use crate::drift::{NumericReference, REFERENCE_FORMAT, Reference};
use crate::graph::{self, Background, ForeignModel, GraphError, OutputChoice};
use crate::policy::{BandCutoffs, Policy, Roles};
use crate::signature::{Output, SIGNATURE_FORMAT, SignatureFile};
use crate::{DesignBlock, FeatureBlock, Head, HeadScores, MarginModel, Node, Scorer, Signature};

/// Flag of an imported bundle in [`TrainingInfo::flags`].
pub const FLAG_IMPORTED: &str = "imported";

/// File of the counts of a background sample.
pub(super) const BACKGROUND_FILE: &str = "background.json";

/// What runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunsOn {
    /// The native engine, and every other.
    Native,
    /// onnxruntime alone.
    Onnxruntime,
}

/// One imported model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedModel {
    /// Target.
    pub target: String,
    /// Tool that wrote the file, as the file says.
    pub producer: String,
    /// Output that is the probability.
    pub output: String,
    /// Its column.
    pub column: usize,
    /// What runs it.
    pub runs_on: RunsOn,
}

/// What `bundle.json` says of an imported bundle; absent in one that Bellwether trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// Models in the order of the targets.
    pub models: Vec<ImportedModel>,
    /// Rows of the background sample; null without one.
    pub background_rows: Option<u64>,
}

/// A file to import.
#[derive(Debug, Clone)]
pub struct ImportSource {
    /// Target.
    pub target: String,
    /// The ONNX file.
    pub bytes: Vec<u8>,
    /// Which output is the probability.
    pub choice: OutputChoice,
}

/// Models that were read and can be written as a bundle.
#[derive(Debug, Clone)]
pub struct ImportedContents {
    name: String,
    tool_version: String,
    signature: Signature,
    sources: Vec<ImportSource>,
    models: Vec<ForeignModel>,
    background: Option<Background>,
    reference: Option<Reference>,
    golden: FeatureBlock,
    scores: Vec<Option<HeadScores>>,
}

/// Why a model has no reasons; none when it has.
pub(super) fn no_reasons(model: &ForeignModel, head: &Head, has_background: bool) -> Option<String> {
    if model.no_form.is_some() {
        return model.no_form.clone();
    }
    let is_known = match &head.margin {
        MarginModel::Trees(trees) => {
            trees.trees.iter().all(|tree| tree.nodes.first().is_some_and(|root| root.cover() > 0.0))
        }
        // A file of ours holds its means.
        MarginModel::Linear(_) => has_background || model.is_ours(),
        MarginModel::Graph(_) => false,
    };
    let why = "the file holds no hit rates (how many rows reach each node): import it with --background SAMPLE";
    (!is_known).then(|| why.to_owned())
}

impl ImportedContents {
    /// Reads the models and runs the background sample through them. `allow_foreign`: also take models that only another
    /// engine runs; their scores for [`ImportedContents::golden`] must then be given.
    ///
    /// # Errors
    /// [`GraphError`] with what is wrong with a model, or does not go with the signature.
    pub fn read(
        name: &str,
        tool_version: &str,
        signature: Signature,
        sources: Vec<ImportSource>,
        background: Option<&FeatureBlock>,
        allow_foreign: bool,
    ) -> Result<Self, GraphError> {
        let mut models = Vec::with_capacity(sources.len());
        for source in &sources {
            let model = graph::read(&source.bytes, &signature, &source.target, &source.choice, allow_foreign)?;
            let needed = model.must_be_known(&signature)?;
            let numbers = signature.numeric_inputs().zip(needed);
            let wrong: Vec<&str> = numbers
                .filter(|((_, input), needed)| *needed && input.nullable)
                .map(|((_, input), _)| input.name.as_str())
                .collect();
            if !wrong.is_empty() {
                let expected = "\"nullable\": false where the model has no probability without a value".to_owned();
                return Err(GraphError::Inputs { expected, found: format!("true for {}", wrong.join(", ")) });
            }
            models.push(model);
        }
        let mut heads: Vec<Head> = models.iter().map(|model| model.head.clone()).collect();
        let (mut counts, mut reference) = (None, None);
        if let Some(block) = background {
            let mut counted = Background::new(&heads);
            counted.add(&heads, &DesignBlock::new(&signature, block)?);
            counted.apply(&mut heads)?;
            reference = reference_of(&signature, &heads, block)?;
            counts = Some(counted);
        }
        let bins = reference.clone().unwrap_or_else(|| reference_of_thresholds(&signature, &heads));
        let golden = golden::synthetic_rows(&signature, &bins);
        for (model, head) in models.iter_mut().zip(heads) {
            model.head = head;
        }
        let scores = models.iter().map(|model| native_scores(&signature, model, &golden)).collect::<Result<_, _>>()?;
        let (name, tool_version) = (name.to_owned(), tool_version.to_owned());
        Ok(Self { name, tool_version, signature, sources, models, background: counts, reference, golden, scores })
    }

    /// Name of the model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The models, in the order of the targets.
    #[must_use]
    pub fn models(&self) -> &[ForeignModel] {
        &self.models
    }

    /// Inputs.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The rows whose scores become part of the bundle.
    #[must_use]
    pub fn golden(&self) -> &FeatureBlock {
        &self.golden
    }

    /// The file of a model.
    #[must_use]
    pub fn bytes(&self, position: usize) -> &[u8] {
        self.sources.get(position).map_or(&[], |source| &source.bytes)
    }

    /// Whether a model still needs scores of another engine.
    #[must_use]
    pub fn lacks_scores(&self, position: usize) -> bool {
        self.scores.get(position).is_some_and(Option::is_none)
    }

    /// Why the model at this position has no reasons; none when it has.
    #[must_use]
    pub fn no_reasons(&self, position: usize) -> Option<String> {
        let model = self.models.get(position)?;
        no_reasons(model, &model.head, self.background.is_some())
    }

    /// Sets the probabilities of the golden rows that another engine gave.
    ///
    /// # Errors
    /// [`GraphError::NotAProbability`].
    pub fn set_scores(&mut self, position: usize, probabilities: Vec<f64>) -> Result<(), GraphError> {
        let output = self.models.get(position).map(|model| model.output.clone()).unwrap_or_default();
        check_probabilities(&output, &probabilities)?;
        if let Some(scores) = self.scores.get_mut(position) {
            let probabilities: Vec<f64> = probabilities.into_iter().map(|value| value.clamp(0.0, 1.0)).collect();
            let (margin, low, high) = (probabilities.clone(), probabilities.clone(), probabilities.clone());
            *scores = Some(HeadScores { margin, probability: probabilities, low, high });
        }
        Ok(())
    }

    /// Writes the bundle to `folder`, as [`super::write_bundle`] does.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn write(&self, folder: &Path, version: u32) -> Result<WrittenBundle, BundleError> {
        let mut files = BTreeMap::new();
        let targets: Vec<&str> = self.sources.iter().map(|source| source.target.as_str()).collect();
        let outputs = targets.iter().map(|target| Output::of_target(target)).collect();
        let file = SignatureFile { format: SIGNATURE_FORMAT, inputs: self.signature.inputs.clone(), outputs };
        files.insert("signature.json".to_owned(), json("signature.json", &file)?);
        files.insert("policy.json".to_owned(), json("policy.json", &self.policy())?);
        files.insert("MODEL_CARD.md".to_owned(), self.card().into_bytes());
        if let Some(background) = &self.background {
            files.insert(BACKGROUND_FILE.to_owned(), json(BACKGROUND_FILE, background)?);
        }
        if let Some(reference) = &self.reference {
            files.insert("reference.json".to_owned(), json("reference.json", reference)?);
        }
        let mut expected = Vec::with_capacity(self.scores.len());
        for (source, scores) in self.sources.iter().zip(&self.scores) {
            files.insert(format!("{}.onnx", source.target), source.bytes.clone());
            let scores = scores.clone();
            expected.push(scores.ok_or_else(|| BundleError::content("golden.parquet", "scores", "none"))?);
        }
        let golden = Golden { block: self.golden.clone(), expected };
        files.insert("golden.parquet".to_owned(), golden::encode(&self.signature, &targets, &golden)?);
        let manifest = self.manifest(version, &files);
        publish(folder, &manifest, files)
    }

    fn manifest(&self, version: u32, files: &BTreeMap<String, Vec<u8>>) -> Manifest {
        let target = |source: &ImportSource| TargetInfo {
            name: source.target.clone(),
            text: format!("the account's {}", source.target),
            horizon_days: days_in(&source.target).unwrap_or(0),
            learner: FLAG_IMPORTED.to_owned(),
        };
        let model = |(source, model): (&ImportSource, &ForeignModel)| ImportedModel {
            target: source.target.clone(),
            producer: model.producer.clone(),
            output: model.output.clone(),
            column: model.column,
            runs_on: if is_foreign(&model.head) { RunsOn::Onnxruntime } else { RunsOn::Native },
        };
        let all: Vec<u8> = self.sources.iter().flat_map(|source| sha256_hex(&source.bytes).into_bytes()).collect();
        let imported = Imported {
            models: self.sources.iter().zip(&self.models).map(model).collect(),
            background_rows: self.background.as_ref().map(|background| background.rows),
        };
        Manifest {
            format: IMPORTED_FORMAT,
            imported: Some(imported),
            ..manifest_of(
                (&self.name, version),
                self.sources.iter().map(target).collect(),
                // Nobody knows what it learned from; the flag says so.
                TrainingInfo {
                    first_as_of: NaiveDate::default(),
                    last_as_of: NaiveDate::default(),
                    rows: 0,
                    targets: BTreeMap::new(),
                    seed: 0,
                    flags: vec![FLAG_IMPORTED.to_owned()],
                },
                (&sha256_hex(&all), &self.tool_version),
                files,
            )
        }
    }

    /// Bands at the upper quarter and tenth of the background, else at a quarter and a half; MRR where an input is named so.
    fn policy(&self) -> Policy {
        let cutoffs = |target: &str| {
            let output =
                self.reference.as_ref().and_then(|one| one.outputs.iter().find(|output| output.target == target));
            let share = |share: f64| output.and_then(|output| above_share(&output.edges, &output.shares, share));
            let medium = share(0.25).unwrap_or(0.25).clamp(0.0, 1.0);
            BandCutoffs { medium, high: share(0.1).unwrap_or(0.5).clamp(medium, 1.0) }
        };
        let bands = self.sources.iter().map(|source| (source.target.clone(), cutoffs(&source.target)));
        Policy {
            roles: Roles { mrr: self.signature.numeric_position("mrr").map(|_| "mrr".to_owned()), ..Roles::default() },
            bands: bands.collect(),
            usage_depth_high: None,
            satisfaction_high: None,
            value_medium_mrr: None,
            value_high_mrr: None,
            max_usage_recency_days: None,
            requires_usage: false,
            max_share_outside_training: 1.0,
            max_ranges_outside_training: None,
            mean_expansion_uplift: None,
        }
    }

    fn card(&self) -> String {
        let mut card =
            format!("# {}\n\nImported. How well it forecasts is not known here: it was not backtested.\n", self.name);
        for (at, (source, model)) in self.sources.iter().zip(&self.models).enumerate() {
            let engine = if is_foreign(&model.head) { "onnxruntime only" } else { "the native engine" };
            card.push_str(&format!(
                "\n## {}\n\n- written by: {}\n- probability: output `{}`, column {}\n- runs on: {engine}\n- reasons: {}\n- sha256: {}\n",
                source.target,
                model.producer,
                model.output,
                model.column,
                self.no_reasons(at).map_or_else(|| "yes".to_owned(), |why| format!("none, {why}")),
                sha256_hex(&source.bytes),
            ));
        }
        card
    }
}

pub(super) fn is_foreign(head: &Head) -> bool {
    matches!(&head.margin, MarginModel::Graph(graph) if graph.foreign_reason().is_some())
}

/// The number in `churn_90d`.
fn days_in(target: &str) -> Option<u32> {
    target.rsplit('_').next()?.strip_suffix('d')?.parse().ok()
}

/// Least bin edge above which at most this share of rows lies.
fn above_share(edges: &[f64], shares: &[f64], most: f64) -> Option<f64> {
    let mut above = 0.0;
    for (edge, share) in edges.iter().zip(shares.iter().skip(1)).rev() {
        if above + share > most + 1e-9 {
            return if above > 0.0 { edges.iter().copied().find(|one| one > edge) } else { Some(*edge) };
        }
        above += share;
    }
    edges.first().copied()
}

fn check_probabilities(output: &str, probabilities: &[f64]) -> Result<(), GraphError> {
    // A float that should be 1 may be a little more.
    match probabilities.iter().find(|value| !(-1e-5..=1.0 + 1e-5).contains(*value)) {
        Some(found) => Err(GraphError::NotAProbability { output: output.to_owned(), found: found.to_string() }),
        None => Ok(()),
    }
}

/// Scores of the golden rows; none where only another engine can tell. What was folded must score as the interpreter does.
fn native_scores(
    signature: &Signature,
    model: &ForeignModel,
    golden: &FeatureBlock,
) -> Result<Option<HeadScores>, GraphError> {
    if is_foreign(&model.head) {
        return Ok(None);
    }
    let design = DesignBlock::new(signature, golden)?;
    let scores = Scorer::new(signature, &model.head)?.score_design(&design)?;
    if let Some(graph) = &model.interpreted {
        let interpreted = graph.margins(design.values())?;
        check_probabilities(&model.output, &interpreted)?;
        let alone: Result<Vec<Vec<f64>>, _> = (0..design.rows()).map(|row| graph.margins(design.row(row))).collect();
        if alone?.concat() != interpreted {
            return Err(GraphError::malformed(
                "graph",
                "a row's probability from that row alone",
                "one from several rows",
            ));
        }
        let far = |(one, other): (&f64, &f64)| (one - other.clamp(0.0, 1.0)).abs();
        let worst = scores.probability.iter().zip(&interpreted).map(far).fold(0.0, f64::max);
        if worst > 1e-6 {
            return Err(GraphError::malformed(
                "graph",
                "the same probability in every form of it",
                format!("{worst:e} apart"),
            ));
        }
    }
    Ok(Some(scores))
}

/// Bins of the background, where every model runs here.
fn reference_of(signature: &Signature, heads: &[Head], block: &FeatureBlock) -> Result<Option<Reference>, GraphError> {
    if heads.iter().any(is_foreign) {
        return Ok(None);
    }
    let design = DesignBlock::new(signature, block)?;
    let score = |head: &Head| Ok(Scorer::new(signature, head)?.score_design(&design)?.probability);
    let scores = heads.iter().map(score).collect::<Result<Vec<Vec<f64>>, crate::ModelError>>()?;
    let outputs: Vec<(&str, &[f64])> =
        heads.iter().zip(&scores).map(|(head, values)| (head.target.as_str(), values.as_slice())).collect();
    Ok(Some(Reference::from_block(signature, block, &outputs)?))
}

/// Where the splits of the trees are, as bins to draw golden rows from.
fn reference_of_thresholds(signature: &Signature, heads: &[Head]) -> Reference {
    let mut thresholds: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    // Bits of a float that is moved above 0 are in the order of the floats.
    let key = |value: f64| if value < 0.0 { !value.to_bits() } else { value.to_bits() | (1 << 63) };
    let value = |key: u64| f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key });
    for head in heads {
        let MarginModel::Trees(model) = &head.margin else { continue };
        for node in model.trees.iter().flat_map(|tree| &tree.nodes) {
            if let Node::Split { column, threshold, .. } = node
                && threshold.abs() < 1e30
            {
                thresholds.entry(*column as usize).or_default().insert(key(f64::from(*threshold)));
            }
        }
    }
    let numeric = signature.numeric_inputs().enumerate().map(|(column, (_, input))| {
        let known: Vec<f64> = thresholds.get(&column).into_iter().flatten().map(|key| value(*key)).collect();
        let edges = match known.len() {
            0 => vec![-1.0, 0.0, 1.0],
            count => (0..count.min(9)).map(|at| known[at * count / count.min(9)]).collect(),
        };
        let (least, greatest) = (edges[0] - 1.0, edges[edges.len() - 1] + 1.0);
        let shares = vec![1.0 / (edges.len() + 1) as f64; edges.len() + 1];
        let (name, least, greatest) = (input.name.clone(), Some(least), Some(greatest));
        NumericReference { name, edges, shares, missing_share: 0.0, least, greatest, usual_shift: 0.0 }
    });
    Reference { format: REFERENCE_FORMAT, rows: 1, numeric: numeric.collect(), categories: vec![], outputs: vec![] }
}
