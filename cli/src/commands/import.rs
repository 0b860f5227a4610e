//! `bellwether models import`: a bundle of models that other tools trained.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bellwether_infer::engine::{EngineChoice, foreign_probabilities};
use bellwether_infer::exit::ExitCode;
use bellwether_infer::sample;
use bellwether_models::bundle::{ImportSource, ImportedContents};
use bellwether_models::graph::{self, GraphError, OutputChoice};
use bellwether_models::head::is_plain_name;
use bellwether_models::onnx::MAX_BYTES;
use bellwether_models::registry::version_folder;
use bellwether_models::{Bundle, Input, Signature};
use bellwether_train::registry;

use super::train::actor;
use crate::args::ImportArguments;
use crate::failure::Failure;
use crate::output::Output;
use crate::stop;

/// A background of fewer rows is worth a warning.
const FEW_ROWS: usize = 1_000;

pub(crate) fn run(registry: &Path, arguments: &ImportArguments, output: &Output) -> Result<(), Failure> {
    let registry = arguments.out.as_deref().unwrap_or(registry);
    registry::check(registry, &arguments.name).map_err(Failure::training)?;
    let sources = sources(arguments)?;
    let signature = signature(arguments, &sources)?;
    let background = arguments.background.as_deref().map(|path| sample::block(path, &signature));
    let background = background.transpose().map_err(Failure::scoring)?;
    if let Some(rows) = background.as_ref().map(|block| block.rows).filter(|rows| *rows < FEW_ROWS) {
        output.warn(format_args!(
            "--background has {rows} rows: reasons and the cut-offs of the bands rest on them; a thousand and more are better"
        ));
    }
    let engine = arguments.engine.choice();
    let allow_foreign = engine != EngineChoice::Native;
    let version = env!("CARGO_PKG_VERSION");
    let mut contents =
        ImportedContents::read(&arguments.name, version, signature, sources, background.as_ref(), allow_foreign)
            .map_err(refused)?;
    score_foreign(&mut contents, &engine)?;
    let added = stop::protect(|| registry::import(registry, &contents, &actor())).map_err(Failure::training)?;
    report(&contents, output);
    output.result(format_args!("{} in {}", added.identity, added.path.display()));
    let name = &arguments.name;
    if added.became_champion {
        output.note(format_args!("{name} version {} is the first: it is the champion", added.version));
    } else {
        output.note(format_args!(
            "{name} version {} is the challenger, and has no backtest that a gate could compare: `bellwether models \
             promote {name}@{} --despite-gate --reason \"...\"` makes it the champion",
            added.version, added.version
        ));
    }
    Ok(())
}

/// A model that is wrong is refused with 4; a choice that is missing or does not fit is wrong usage.
fn refused(error: GraphError) -> Failure {
    let exit = match &error {
        GraphError::Output { .. } | GraphError::Inputs { .. } | GraphError::NotAProbability { .. } => ExitCode::Usage,
        _ => ExitCode::ModelRefused,
    };
    Failure::new(exit, error)
}

/// `LEFT=RIGHT`.
fn pair<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), Failure> {
    let found = text.split_once('=').filter(|(left, right)| is_plain_name(left) && !right.is_empty());
    found.ok_or_else(|| {
        let hint = "a target is a name of letters, digits, `_` and `-`, such as churn_90d";
        Failure::configuration(format!("expected {form}, found `{text}`"), hint)
    })
}

fn sources(arguments: &ImportArguments) -> Result<Vec<ImportSource>, Failure> {
    let mut choices: BTreeMap<&str, OutputChoice> = BTreeMap::new();
    for text in &arguments.probability {
        let (target, chosen) = pair(text, "TARGET=OUTPUT or TARGET=OUTPUT:COLUMN")?;
        // An output may have a colon in its name.
        let column = chosen.rsplit_once(':').and_then(|(name, column)| Some((name, column.parse().ok()?)));
        let (name, column) = column.map_or((chosen, None), |(name, column)| (name, Some(column)));
        choices.insert(target, OutputChoice { name: Some(name.to_owned()), column });
    }
    let mut sources = Vec::new();
    let mut seen = BTreeSet::new();
    for text in &arguments.onnx {
        let (target, path) = pair(text, "--onnx TARGET=FILE")?;
        if !seen.insert(target) {
            let message = format!("expected each target once, found `{target}` twice");
            return Err(Failure::configuration(message, "one bundle has one model per target"));
        }
        let bytes = read(Path::new(path))?;
        sources.push(ImportSource {
            target: target.to_owned(),
            bytes,
            choice: choices.remove(target).unwrap_or_default(),
        });
    }
    if let Some(target) = choices.keys().next() {
        let message = format!("--probability: expected a target of --onnx, found `{target}`");
        return Err(Failure::configuration(
            message,
            format!("there are {}", seen.into_iter().collect::<Vec<_>>().join(", ")),
        ));
    }
    Ok(sources)
}

/// A model file of bounded size.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let status = fs::metadata(path).map_err(|source| Failure::io(path, source))?;
    if !status.is_file() {
        let message = format!("{}: expected an ONNX file, found something else", path.display());
        return Err(Failure::configuration(message, "give the path of the file"));
    }
    if status.len() > MAX_BYTES as u64 {
        return Err(refused(GraphError::TooLarge { expected: MAX_BYTES, found: status.len() as usize }));
    }
    fs::read(path).map_err(|source| Failure::io(path, source))
}

/// `signature.json`, of which only the inputs count.
#[derive(serde::Deserialize)]
struct InputsFile {
    inputs: Vec<Input>,
}

fn signature(arguments: &ImportArguments, sources: &[ImportSource]) -> Result<Signature, Failure> {
    if let Some(path) = &arguments.signature {
        let text = fs::read(path).map_err(|source| Failure::io(path, source))?;
        let file: InputsFile = serde_json::from_slice(&text).map_err(|error| {
            let hint = "it is as signature.json of a bundle: {\"inputs\":[{\"name\":\"mrr\",\"type\":\"numeric\",\
                        \"unit\":\"\",\"nullable\":true,\"definition\":\"\"}]}";
            Failure::configuration(format!("{}: expected the inputs of a model, found {error}", path.display()), hint)
        })?;
        return Ok(Signature { inputs: file.inputs });
    }
    let Some(path) = &arguments.columns_from else {
        return Err(Failure::configuration("expected the inputs, found none", "give --signature or --columns-from"));
    };
    let columns = sample::columns(path).map_err(Failure::scoring)?;
    let models: Vec<(&[u8], &OutputChoice)> =
        sources.iter().map(|source| (source.bytes.as_slice(), &source.choice)).collect();
    // One by one first, so that an error says whose it is.
    for (source, model) in sources.iter().zip(&models) {
        let alone = graph::signature(std::slice::from_ref(model), &columns);
        alone.map_err(|error| refused(error).at(format!("--onnx {}", source.target)))?;
    }
    graph::signature(&models, &columns).map_err(refused)
}

/// The golden rows of models that the native engine does not run.
fn score_foreign(contents: &mut ImportedContents, engine: &EngineChoice) -> Result<(), Failure> {
    let library = match engine {
        EngineChoice::OnnxRuntime { library } => library.as_deref(),
        EngineChoice::Native => None,
    };
    for position in 0..contents.models().len() {
        if contents.lacks_scores(position) {
            let (signature, model) = (contents.signature(), &contents.models()[position]);
            let found = foreign_probabilities(signature, model, contents.bytes(position), contents.golden(), library);
            contents.set_scores(position, found.map_err(Failure::scoring)?).map_err(refused)?;
        }
    }
    Ok(())
}

fn report(contents: &ImportedContents, output: &Output) {
    for (position, model) in contents.models().iter().enumerate() {
        let target = &model.head.target;
        output.note(format_args!(
            "{target}: by {}, probability is column {} of `{}`",
            if model.producer.is_empty() { "an unnamed tool" } else { &model.producer },
            model.column,
            model.output
        ));
        if let Some(why) = contents.no_reasons(position) {
            output.warn(format_args!("{target}: no reasons: {why}"));
        }
    }
}

/// The bundle of a version, if it is imported.
pub(super) fn imported(registry: &Path, name: &str, version: u32) -> Result<Option<Bundle>, Failure> {
    let folder = version_folder(&registry.join(name), version);
    if !folder.join("bundle.json").is_file() || folder.join("backtest.json").is_file() {
        return Ok(None);
    }
    let bundle = Bundle::load(&folder).map_err(|error| Failure::scoring(error.into()))?;
    Ok(Some(bundle).filter(|bundle| bundle.manifest().imported.is_some()))
}

/// What is known of an imported bundle.
pub(super) fn show(bundle: &Bundle, output: &Output) {
    output.result(format_args!("{}: imported, {} inputs", bundle.identity(), bundle.signature().inputs.len()));
    let Some(imported) = &bundle.manifest().imported else { return };
    let without = bundle.no_reasons();
    for model in &imported.models {
        let reasons = match without.iter().find(|(target, _)| *target == model.target) {
            Some((_, why)) => format!("no reasons: {why}"),
            None => "with reasons".to_owned(),
        };
        output.result(format_args!(
            "{}  by {}  output `{}`, column {}  {reasons}",
            model.target, model.producer, model.output, model.column
        ));
    }
}
