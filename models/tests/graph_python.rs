//! Models of the real exporters give, in the native engine, what onnxruntime gives in Python.
//!
//! The interpreter is named by `BELLWETHER_PYTHON` and needs what `python/requirements.txt` lists; `./test` provides one.

use std::path::{Path, PathBuf};
use std::process::Command;

use bellwether_models::graph::{self, Background, OutputChoice, SignatureSource};
use bellwether_models::{DesignBlock, Explainer, FeatureBlock, Head, InputKind, MarginModel, Scorer, Signature};
use serde_json::Value;

/// Largest difference between two probabilities.
const TOLERANCE: f64 = 1e-6;

/// Builds the models in `folder`; `None`, said loudly, without Python.
#[allow(clippy::print_stderr)]
fn export(folder: &Path, what: &str) -> Option<Vec<String>> {
    let Some(python) = std::env::var_os("BELLWETHER_PYTHON") else {
        eprintln!("SKIPPED: {what} was NOT checked with models of the real exporters: set BELLWETHER_PYTHON");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/export_models.py");
    let output = Command::new(python).arg(script).arg(folder).output().expect("the interpreter runs");
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut names: Vec<String> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(told.contains(&format!("{} models", names.len())), "{told}");
    Some(names)
}

fn number(value: &Value) -> f32 {
    value.as_f64().map_or(f32::NAN, |value| value as f32)
}

struct Case {
    name: String,
    bytes: Vec<u8>,
    record: Value,
    signature: Signature,
}

impl Case {
    fn read(folder: &Path, name: &str) -> Self {
        let path = |extension: &str| -> PathBuf { folder.join(format!("{name}.{extension}")) };
        let bytes = std::fs::read(path("onnx")).expect("a model");
        let text = std::fs::read(path("json")).expect("a record");
        let record: Value = serde_json::from_slice(&text).expect("JSON");
        let columns = record["columns"].as_array().expect("columns").iter().map(|column| SignatureSource {
            name: column["name"].as_str().expect("a name").to_owned(),
            is_text: column["is_text"].as_bool().expect("a flag"),
        });
        let columns: Vec<SignatureSource> = columns.collect();
        let choice = OutputChoice::default();
        let signature = graph::signature(&[(&bytes, &choice)], &columns);
        let signature = signature.unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), bytes, record, signature }
    }

    fn model(&self) -> graph::ForeignModel {
        let read = graph::read(&self.bytes, &self.signature, "churn_90d", &OutputChoice::default(), false);
        read.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn block(&self) -> FeatureBlock {
        let cells = |name: &str| self.record["rows"][name].as_array().expect("cells");
        let numeric = self.signature.numeric_inputs().map(|(_, input)| cells(&input.name).iter().map(number).collect());
        let numeric: Vec<Vec<f32>> = numeric.collect();
        let categories = self.signature.inputs.iter().filter(|input| input.kind != InputKind::Numeric);
        let categories =
            categories.map(|input| cells(&input.name).iter().map(|text| input.kind.code(text.as_str())).collect());
        let rows = numeric.first().map_or(0, Vec::len);
        FeatureBlock::new(&self.signature, rows, numeric, categories.collect()).expect("fits")
    }

    /// Numbers of a record's field, row by row, as a block.
    fn rows_of(&self, field: &str) -> FeatureBlock {
        let rows = self.record[field].as_array().expect("rows");
        let column = |at: usize| rows.iter().map(|row| number(&row[at])).collect();
        let numeric = (0..self.signature.inputs.len()).map(column).collect();
        FeatureBlock::new(&self.signature, rows.len(), numeric, vec![]).expect("fits")
    }
}

/// Largest difference from what is expected, over rows that have a probability.
fn difference(case: &Case, head: &Head, block: &FeatureBlock) -> (f64, usize) {
    let scores = Scorer::new(&case.signature, head).expect("valid").score(block).expect("scores");
    let expected = case.record["expected"].as_array().expect("a list");
    assert_eq!(expected.len(), scores.probability.len());
    let (mut worst, mut compared) = (0.0_f64, 0);
    for (row, (found, expected)) in scores.probability.iter().zip(expected).enumerate() {
        // A row whose number may not be missing is never scored.
        let numbers = case.signature.numeric_inputs().zip(&block.numeric);
        let missing = |((_, input), column): ((usize, &bellwether_models::Input), &Vec<f32>)| {
            !input.nullable && column[row].is_nan()
        };
        if numbers.into_iter().any(missing) {
            continue;
        }
        let expected = expected.as_f64().unwrap_or_else(|| panic!("{}, row {row}: no probability", case.name));
        // A score outside [0, 1] is no probability, and ours is cut to the nearest that is one.
        let far = (found - expected.clamp(0.0, 1.0)).abs();
        assert!(!far.is_nan(), "{}, row {row}: {found} for {expected}", case.name);
        worst = worst.max(far);
        compared += 1;
    }
    (worst, compared)
}

#[test]
#[allow(clippy::print_stderr)]
fn every_exporter_scores_as_in_onnxruntime() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(names) = export(folder.path(), "reading models of other tools") else { return };
    let mut failures = Vec::new();
    for name in &names {
        let case = Case::read(folder.path(), name);
        let (model, block) = (case.model(), case.block());
        let form = match &model.head.margin {
            MarginModel::Trees(_) => "trees",
            MarginModel::Linear(_) => "linear",
            MarginModel::Graph(_) => "graph",
        };
        let expected = case.record["form"].as_str().expect("a form");
        let (worst, compared) = difference(&case, &model.head, &block);
        let interpreted = model.interpreted.clone().expect("an interpreter");
        let twin = Head { margin: MarginModel::Graph(interpreted), calibration: identity(), ..model.head.clone() };
        let (twin_worst, _) = difference(&case, &twin, &block);
        eprintln!("{name}: {form}, {compared} rows, {worst:.1e}, interpreted {twin_worst:.1e}");
        if worst > TOLERANCE || twin_worst > TOLERANCE || form != expected || compared < 50 {
            let why = model.no_form.unwrap_or_default();
            failures.push(format!(
                "{name}: {form} (expected {expected}), {compared} rows, {worst:e}, {twin_worst:e} {why}"
            ));
        }
    }
    assert!(names.len() > 50, "{names:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A probability as its own margin.
fn identity() -> bellwether_models::Calibration {
    use bellwether_models::{Calibration, Curve, Knot, PiecewiseLinear};
    let knots = [0.0, 1.0].map(|value| Knot { margin: value, probability: value }).to_vec();
    Calibration {
        point: Curve::PiecewiseLinear(PiecewiseLinear { knots }),
        low: PiecewiseLinear::constant(1.0),
        high: PiecewiseLinear::constant(0.0),
    }
}

#[test]
fn the_training_rows_of_lightgbm_give_its_counts_and_contributions() {
    let folder = tempfile::tempdir().expect("a folder");
    if export(folder.path(), "counting hit rates").is_none() {
        return;
    }
    let case = Case::read(folder.path(), "lightgbm");
    let mut heads = vec![case.model().head];
    let rows = case.rows_of("training");
    let design = DesignBlock::new(&case.signature, &rows).expect("fits");
    let mut background = Background::new(&heads);
    background.add(&heads, &design);
    let counts = serde_json::to_value(&background.targets[0].trees).expect("JSON");
    assert_eq!(counts, case.record["counts"], "counts of LightGBM");
    background.apply(&mut heads).expect("of these heads");
    let explainer = Explainer::new(&case.signature, &heads[0]).expect("valid");
    let some = DesignBlock::new(&case.signature, &case.rows_of("explained")).expect("fits");
    let list = |value: &Value| {
        value.as_array().expect("a list").iter().map(|one| one.as_f64().expect("a number")).collect::<Vec<f64>>()
    };
    for row in 0..some.rows() {
        let explained = explainer.explain(&some, row).expect("explains");
        let expected = list(&case.record["contributions"][row]);
        let (base, expected) = expected.split_last().expect("a base");
        assert!((explained.base_margin - base).abs() < 1e-6, "{} for {base}", explained.base_margin);
        for (field, expected) in [("pred_contrib", expected), ("shap", &list(&case.record["shap"][row]))] {
            for (input, (found, expected)) in explained.contributions.iter().zip(expected).enumerate() {
                assert!((found - expected).abs() < 1e-6, "{field}, row {row}, input {input}: {found} for {expected}");
            }
        }
    }
}
