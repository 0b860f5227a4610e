//! A small bundle with two targets (trees and a linear model), and a base of accounts to score with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Date32Array, Float32Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use bellwether_infer::limits::Limits;
use bellwether_infer::score::{ScoreRequest, ScoreSummary};
use bellwether_infer::{InferError, observe, score, sha256_of_file};
use bellwether_models::bundle::{TargetInfo, TargetRows, TrainingInfo};
use bellwether_models::policy::{BandCutoffs, Policy, Roles};
use bellwether_models::{
    BundleContents, Calibration, Curve, Direction, FeatureBlock, Head, Input, InputKind, Knot, LinearModel, LinearTerm,
    MarginModel, Node, PiecewiseLinear, Reference, SignalCard, Signature, Transform, Tree, TreeEnsemble, Unit,
    write_bundle,
};
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

pub(crate) const TARGETS: [&str; 2] = ["churn_90d", "expansion_60d"];

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Generator(pub(crate) u64);

impl Generator {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn unit(&mut self) -> f32 {
        self.below(10_000) as f32 / 10_000.0
    }
}

pub(crate) fn signature() -> Signature {
    let number = |name: &str| Input {
        name: name.to_owned(),
        kind: InputKind::Numeric,
        unit: "events".to_owned(),
        nullable: true,
        definition: format!("{:0>64}", name.len()),
    };
    let levels = vec!["basic".to_owned(), "pro".to_owned()];
    Signature {
        inputs: vec![
            number("mrr"),
            Input { kind: InputKind::Category { levels }, ..number("plan") },
            number("usage_events_28d"),
            number("usage_days_since_last"),
            number("nps_latest_score"),
        ],
    }
}

/// Two trees of the usage columns for churn, a weighted sum for expansion.
fn heads() -> Vec<Head> {
    let leaf = |value: f32| Node::Leaf { value, cover: 500.0 };
    let split = |column: u32, threshold: f32, missing_left: bool| Node::Split {
        column,
        threshold,
        missing_left,
        left: 1,
        right: 2,
        cover: 1000.0,
    };
    let trees = vec![
        Tree { nodes: vec![split(2, 14.5, false), leaf(-1.25), leaf(1.5)] },
        Tree { nodes: vec![split(1, 30.0, true), leaf(0.75), leaf(-0.5)] },
        // Design column 5 is the indicator of plan = pro.
        Tree { nodes: vec![split(5, 0.5, true), leaf(0.125), leaf(-0.25)] },
    ];
    let term = |column: usize, weight: f64| LinearTerm {
        column,
        transform: Transform::SignedLog,
        fill: 1.0,
        lower: -20.0,
        upper: 20.0,
        center: 2.0,
        scale: 1.5,
        weight,
        mean: 0.0,
    };
    let knots = |points: [(f64, f64); 3]| PiecewiseLinear {
        knots: points.map(|(margin, probability)| Knot { margin, probability }).to_vec(),
    };
    let calibration = |point: Curve| Calibration {
        point,
        low: knots([(-2.0, 0.02), (0.0, 0.2), (2.0, 0.6)]),
        high: knots([(-2.0, 0.1), (0.0, 0.4), (2.0, 0.9)]),
    };
    vec![
        Head {
            target: TARGETS[0].to_owned(),
            margin: MarginModel::Trees(TreeEnsemble { trees, base: -0.5, fill: None }),
            calibration: calibration(Curve::Beta { slope_below: 1.1, slope_above: 1.3, intercept: -0.3 }),
        },
        Head {
            target: TARGETS[1].to_owned(),
            margin: MarginModel::Linear(LinearModel { terms: vec![term(0, 0.2), term(1, 0.4)], intercept: -0.7 }),
            calibration: calibration(Curve::PiecewiseLinear(knots([(-2.0, 0.05), (0.0, 0.25), (3.0, 0.8)]))),
        },
    ]
}

fn policy() -> Policy {
    let role = |name: &str| Some(name.to_owned());
    Policy {
        roles: Roles {
            mrr: role("mrr"),
            usage_depth: role("usage_events_28d"),
            satisfaction: role("nps_latest_score"),
            usage_recency: role("usage_days_since_last"),
        },
        bands: TARGETS.map(|target| (target.to_owned(), BandCutoffs { medium: 0.3, high: 0.6 })).into(),
        usage_depth_high: Some(30.0),
        satisfaction_high: Some(7.0),
        value_medium_mrr: Some(100.0),
        value_high_mrr: Some(500.0),
        max_usage_recency_days: Some(60.0),
        requires_usage: false,
        max_share_outside_training: 0.9,
        max_ranges_outside_training: None,
        mean_expansion_uplift: Some(0.2),
    }
}

/// Writes the bundle and returns its folder.
pub(crate) fn bundle(root: &Path) -> PathBuf {
    let signature = signature();
    let training = Base::random(1_000, 99);
    let probabilities = vec![0.25; 1_000];
    let outputs = TARGETS.map(|target| (target, probabilities.as_slice()));
    let card = |input: &Input| SignalCard {
        name: input.name.clone(),
        family: "usage".to_owned(),
        idea: format!("idea.{}", input.name),
        unit: if input.kind == InputKind::Numeric { Unit::Count } else { Unit::Category },
        window_days: None,
        text: format!("{}: {{value}}", input.name),
        null_text: None,
        churn: Direction::Unknown,
        expansion: Direction::Unknown,
        actionable: true,
        typical: (input.kind == InputKind::Numeric).then_some(20.0),
    };
    let date = |text: &str| text.parse().unwrap();
    let rows = TargetRows { rows: 1_000, positives: 100 };
    let contents = BundleContents {
        name: "acme".to_owned(),
        targets: TARGETS
            .map(|name| TargetInfo {
                name: name.to_owned(),
                text: format!("the account's {name}"),
                horizon_days: 90,
                learner: "test".to_owned(),
            })
            .to_vec(),
        signals: signature.inputs.iter().map(card).collect(),
        policy: policy(),
        heads: heads(),
        reference: Reference::from_block(&signature, &training.block(), &outputs).unwrap(),
        training: TrainingInfo {
            first_as_of: date("2024-01-31"),
            last_as_of: date("2025-06-30"),
            rows: 1_000,
            targets: TARGETS.map(|target| (target.to_owned(), rows)).into(),
            seed: 1,
            flags: vec![],
        },
        data_digest: "0".repeat(64),
        tool_version: "0.1.0".to_owned(),
        backtest: serde_json::json!({}),
        model_card: "# acme\n".to_owned(),
        report_html: "<p>acme</p>\n".to_owned(),
        signature,
    };
    let folder = root.join("bundle");
    write_bundle(&folder, 3, &contents).unwrap();
    folder
}

/// Accounts with their inputs, column by column.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) ids: Vec<Option<String>>,
    pub(crate) as_of: Vec<NaiveDate>,
    pub(crate) mrr: Vec<f32>,
    pub(crate) plan: Vec<Option<String>>,
    pub(crate) events: Vec<f32>,
    pub(crate) days_since_last: Vec<f32>,
    pub(crate) nps: Vec<f32>,
}

impl Base {
    /// Sorted accounts of 2026-01-31 with missing values, unseen plans and stale usage among them.
    pub(crate) fn random(rows: usize, seed: u64) -> Self {
        let mut generator = Generator(seed);
        let mut missing = |value: f32| if generator.below(6) == 0 { f32::NAN } else { value };
        let mut values = Generator(seed ^ 7);
        let plans = [Some("basic"), Some("pro"), Some("legacy"), None];
        Self {
            ids: (0..rows).map(|row| Some(format!("account-{row:07}"))).collect(),
            as_of: vec![NaiveDate::from_ymd_opt(2026, 1, 31).unwrap(); rows],
            mrr: (0..rows).map(|_| missing((values.unit() * 900.0).round())).collect(),
            plan: (0..rows).map(|_| plans[values.below(4)].map(str::to_owned)).collect(),
            events: (0..rows).map(|_| missing((values.unit() * 60.0).round())).collect(),
            days_since_last: (0..rows).map(|_| missing((values.unit() * 65.0).round())).collect(),
            nps: (0..rows).map(|_| missing((values.unit() * 10.0).round())).collect(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.ids.len()
    }

    /// These rows in this order.
    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        fn pick<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|row| values[*row].clone()).collect()
        }
        Self {
            ids: pick(&self.ids, rows),
            as_of: pick(&self.as_of, rows),
            mrr: pick(&self.mrr, rows),
            plan: pick(&self.plan, rows),
            events: pick(&self.events, rows),
            days_since_last: pick(&self.days_since_last, rows),
            nps: pick(&self.nps, rows),
        }
    }

    /// As the scorer takes it.
    pub(crate) fn block(&self) -> FeatureBlock {
        let kind = &signature().inputs[1].kind;
        let codes = self.plan.iter().map(|plan| kind.code(plan.as_deref())).collect();
        let numeric = [&self.mrr, &self.events, &self.days_since_last, &self.nps].map(Clone::clone).to_vec();
        FeatureBlock::new(&signature(), self.rows(), numeric, vec![codes]).unwrap()
    }

    /// As the engine writes it: key, date, signals as float32 and text.
    pub(crate) fn columns(&self) -> Vec<(&'static str, ArrayRef)> {
        let numbers = |values: &[f32]| -> ArrayRef {
            Arc::new(values.iter().map(|value| (!value.is_nan()).then_some(*value)).collect::<Float32Array>())
        };
        let days = |date: &NaiveDate| (*date - NaiveDate::default()).num_days() as i32;
        vec![
            ("account_id", Arc::new(StringArray::from(self.ids.clone()))),
            ("as_of", Arc::new(Date32Array::from(self.as_of.iter().map(days).collect::<Vec<_>>()))),
            ("mrr", numbers(&self.mrr)),
            ("plan", Arc::new(StringArray::from(self.plan.clone()))),
            ("usage_events_28d", numbers(&self.events)),
            ("usage_days_since_last", numbers(&self.days_since_last)),
            ("nps_latest_score", numbers(&self.nps)),
        ]
    }

    /// The metadata that goes with it.
    pub(crate) fn metadata(&self) -> serde_json::Value {
        let dates: std::collections::BTreeSet<String> = self.as_of.iter().map(NaiveDate::to_string).collect();
        let definitions: BTreeMap<String, String> =
            signature().inputs.into_iter().map(|input| (input.name, input.definition)).collect();
        serde_json::json!({
            "format": 1, "as_of": dates, "definitions": definitions,
            "accounts_given": self.rows() + 12, "ineligible": 10, "quarantined": 2,
            "missing_tables": ["tickets"], "table_ages_hours": {"usage": 12.5}
        })
    }
}

/// Writes a Parquet file, with metadata if given, in row groups of 1,000.
pub(crate) fn write_parquet(path: &Path, columns: &[(&str, ArrayRef)], metadata: Option<&serde_json::Value>) {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let pairs = metadata.map(|metadata| vec![KeyValue::new("bellwether.features".to_owned(), metadata.to_string())]);
    let properties =
        WriterProperties::builder().set_key_value_metadata(pairs).set_max_row_group_row_count(Some(1_000)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema.clone(), Some(properties)).unwrap();
    let batch = RecordBatch::try_new(schema, columns.iter().map(|(_, column)| column.clone()).collect()).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Writes the `.sha256` file.
pub(crate) fn write_digest(path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let line = format!("{}  {name}\n", sha256_of_file(path).unwrap());
    std::fs::write(path.with_file_name(format!("{name}.sha256")), line).unwrap();
}

/// A folder with a bundle and a feature file.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) bundle: PathBuf,
    pub(crate) input: PathBuf,
    pub(crate) out: PathBuf,
}

impl World {
    /// A base as the engine writes it, with metadata and digest.
    pub(crate) fn new(base: &Base) -> Self {
        let world = Self::with_columns(&base.columns(), Some(&base.metadata()));
        write_digest(&world.input);
        world
    }

    /// Any columns.
    pub(crate) fn with_columns(columns: &[(&str, ArrayRef)], metadata: Option<&serde_json::Value>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bundle = bundle(folder.path());
        let (input, out) = (folder.path().join("features.parquet"), folder.path().join("out"));
        write_parquet(&input, columns, metadata);
        Self { folder, bundle, input, out }
    }

    pub(crate) fn request(&self) -> ScoreRequest {
        let request = ScoreRequest::new(self.bundle.to_str().unwrap(), &self.input, &self.out);
        ScoreRequest { threads: 2.try_into().unwrap(), limits: Limits::default(), ..request }
    }

    pub(crate) fn score(&self) -> Result<ScoreSummary, InferError> {
        score::run(&self.request(), &observe::Silent)
    }

    pub(crate) fn part(&self) -> PathBuf {
        self.out.join("scores/v1/as_of=2026-01-31/part-00000.parquet")
    }

    /// Nothing is under a final name, and nothing is left in staging.
    pub(crate) fn assert_nothing_published(&self) {
        for name in ["scores", "runs", "quarantine", "latest.json", ".staging"] {
            assert!(!self.out.join(name).exists(), "{name} is there");
        }
    }
}

/// All rows of a Parquet file.
pub(crate) fn read_parquet(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    arrow_select::concat::concat_batches(&schema, &batches).unwrap()
}

/// A text column; null is `None`.
pub(crate) fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    match column.as_string_opt::<i32>() {
        Some(texts) => texts.iter().map(|text| text.map(str::to_owned)).collect(),
        None => column.as_string_view().iter().map(|text| text.map(str::to_owned)).collect(),
    }
}

/// A float64 column; null is `None`.
pub(crate) fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch
        .column_by_name(name)
        .unwrap_or_else(|| panic!("no column {name}"))
        .as_primitive::<Float64Type>()
        .iter()
        .collect()
}

/// A JSON file.
pub(crate) fn read_json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
