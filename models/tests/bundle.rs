//! Bundles: written, loaded, and refused when anything about them is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bellwether_models::bundle::{BundleError, TargetInfo, TargetRows, TrainingInfo, sha256_hex, write_bundle};
use bellwether_models::policy::{BandCutoffs, Policy, Roles};
use bellwether_models::{
    Bundle, BundleContents, Explainer, Head, Reference, Scorer, SignalBook, SignalCard, Signature, top_reasons,
};
use chrono::NaiveDate;

#[path = "../src/testing.rs"]
#[allow(dead_code)]
mod testing;

const TARGETS: [&str; 2] = ["churn_90d", "expansion_60d"];

/// A random head of a kind, for a target.
fn head(signature: &Signature, seed: u64, kind: &str, target: &str) -> Head {
    let found = testing::random_heads(signature, seed).into_iter().find(|head| head.target == kind);
    Head { target: target.to_owned(), ..found.expect("a head of that kind") }
}

fn heads(signature: &Signature, seed: u64) -> Vec<Head> {
    let kinds = ["trees_curve", "linear_curve"];
    TARGETS.iter().zip(kinds).map(|(target, kind)| head(signature, seed, kind, target)).collect()
}

fn target(name: &str) -> TargetInfo {
    TargetInfo {
        name: name.to_owned(),
        text: "what is foretold".to_owned(),
        horizon_days: 90,
        learner: "boosting".to_owned(),
    }
}

fn policy() -> Policy {
    Policy {
        roles: Roles { usage_depth: Some("usage_0".to_owned()), ..Roles::default() },
        bands: TARGETS.map(|target| (target.to_owned(), BandCutoffs { medium: 0.1, high: 0.3 })).into(),
        usage_depth_high: Some(1.0),
        satisfaction_high: None,
        value_medium_mrr: None,
        value_high_mrr: None,
        max_usage_recency_days: None,
        requires_usage: false,
        max_share_outside_training: 0.25,
        max_ranges_outside_training: None,
        mean_expansion_uplift: None,
    }
}

fn contents(seed: u64) -> BundleContents {
    let signature = testing::random_signature(seed);
    let block = testing::random_block(&signature, 500, seed);
    let heads = heads(&signature, seed);
    let scores: Vec<Vec<f64>> = heads
        .iter()
        .map(|head| Scorer::new(&signature, head).expect("valid").score(&block).expect("scores").probability)
        .collect();
    let outputs: Vec<(&str, &[f64])> =
        TARGETS.iter().zip(&scores).map(|(target, values)| (*target, values.as_slice())).collect();
    let rows = TARGETS.map(|target| (target.to_owned(), TargetRows { rows: 500, positives: 40 }));
    BundleContents {
        name: "acme".to_owned(),
        targets: TARGETS.iter().map(|name| target(name)).collect(),
        signals: signature.inputs.iter().map(|input| SignalCard::unknown(&input.name, &input.kind)).collect(),
        policy: policy(),
        reference: Reference::from_block(&signature, &block, &outputs).expect("bins"),
        heads,
        signature,
        training: TrainingInfo {
            first_as_of: NaiveDate::from_ymd_opt(2024, 1, 31).expect("a date"),
            last_as_of: NaiveDate::from_ymd_opt(2026, 1, 31).expect("a date"),
            rows: 500,
            targets: BTreeMap::from(rows),
            seed: 7,
            flags: vec![],
        },
        data_digest: "00".repeat(32),
        tool_version: "0.1.0".to_owned(),
        backtest: serde_json::json!({"log_loss": 0.25}),
        model_card: "# acme\n".to_owned(),
        report_html: "<!doctype html>\n".to_owned(),
    }
}

fn written(root: &Path) -> PathBuf {
    let folder = root.join("versions").join("3");
    write_bundle(&folder, 3, &contents(4)).expect("writes");
    folder
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("lists").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("reads")))
        .collect()
}

/// Lists a file's new digest in bundle.json, and bundle.json's in bundle.sha256: what someone who means harm would do.
fn sign_again(folder: &Path) {
    let path = folder.join("bundle.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("reads")).expect("JSON");
    let listed = manifest["files"].as_object_mut().expect("files");
    for (name, entry) in listed.iter_mut() {
        let bytes = fs::read(folder.join(name)).expect("reads");
        *entry = serde_json::json!({"bytes": bytes.len(), "sha256": sha256_hex(&bytes)});
    }
    let bytes = serde_json::to_vec_pretty(&manifest).expect("serialises");
    fs::write(folder.join("bundle.sha256"), format!("{}  bundle.json\n", sha256_hex(&bytes))).expect("writes");
    fs::write(path, bytes).expect("writes");
}

#[test]
fn what_is_written_is_loaded() {
    for seed in 0..6 {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("bundle");
        let contents = contents(seed);
        let written = write_bundle(&folder, 3, &contents).expect("writes");
        let bundle = Bundle::load(&folder).expect("loads");
        assert_eq!(bundle.identity(), written.identity);
        assert_eq!(bundle.identity(), format!("acme/3@{}", &bundle.digest()[..12]));
        assert_eq!(bundle.signature(), &contents.signature);
        assert_eq!(bundle.heads(), contents.heads);
        assert_eq!(bundle.policy(), &contents.policy);
        assert_eq!(bundle.signals(), contents.signals);
        assert_eq!(bundle.reference(), Some(&contents.reference));
        assert_eq!(bundle.backtest().as_ref(), Some(&contents.backtest));
        assert_eq!(bundle.targets(), TARGETS);
        assert_eq!(bundle.manifest().training, contents.training);
        assert!(bundle.onnx("churn_90d").is_some() && bundle.onnx("other").is_none());
        let golden = bundle.golden();
        assert!(golden.block.rows >= 64);
        assert!(golden.block.numeric.iter().all(|column| column.iter().any(|value| value.is_nan())));
        let levels = contents.signature.category_inputs().map(|(_, _, levels)| levels.len() as u32);
        for (codes, levels) in golden.block.categories.iter().zip(levels) {
            assert!(codes.contains(&levels) && codes.contains(&(levels + 1)), "unseen and missing");
        }
    }
}

#[test]
fn the_same_contents_are_the_same_bytes() {
    let roots = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let [first, second] = roots.each_ref().map(|root| files(&written(root.path())));
    assert_eq!(first, second);
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "MODEL_CARD.md",
            "backtest.json",
            "bundle.json",
            "bundle.sha256",
            "churn_90d.onnx",
            "expansion_60d.onnx",
            "golden.parquet",
            "policy.json",
            "reference.json",
            "report.html",
            "signals.json",
            "signature.json",
        ]
    );
}

#[test]
fn a_version_is_never_overwritten_and_nothing_is_left_behind() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = written(root.path());
    let before = files(&folder);
    assert!(matches!(write_bundle(&folder, 3, &contents(1)), Err(BundleError::Exists { .. })));
    let mut wrong = contents(1);
    wrong.policy.roles.mrr = Some("nobody".to_owned());
    let refused = write_bundle(&root.path().join("versions/4"), 4, &wrong);
    assert!(matches!(refused, Err(BundleError::Model { .. })));
    assert_eq!(files(&folder), before);
    assert_eq!(fs::read_dir(root.path().join("versions")).expect("lists").count(), 1);
}

#[test]
fn any_changed_byte_is_refused() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = written(root.path());
    for (name, bytes) in files(&folder) {
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(folder.join(&name), &changed).expect("writes");
            let error = Bundle::load(&folder).expect_err("a changed file");
            assert!(matches!(error, BundleError::Digest { .. }), "{name} at {at}: {error}");
        }
        fs::write(folder.join(&name), &bytes).expect("writes");
    }
    assert!(Bundle::load(&folder).is_ok());
}

#[test]
fn the_folder_holds_exactly_the_listed_files() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = written(root.path());
    let refused = |expected: &str| {
        let error = Bundle::load(&folder).expect_err("refused");
        assert!(matches!(error, BundleError::Files { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    fs::write(folder.join("notes.txt"), "x").expect("writes");
    refused("notes.txt");
    fs::remove_file(folder.join("notes.txt")).expect("removes");
    fs::create_dir(folder.join("more")).expect("makes");
    refused("more");
    fs::remove_dir(folder.join("more")).expect("removes");
    let (report, aside) = (folder.join("report.html"), root.path().join("report.html"));
    fs::rename(&report, &aside).expect("moves");
    refused("report.html");
    std::os::unix::fs::symlink(&aside, &report).expect("links");
    refused("report.html");
    fs::remove_file(&report).expect("removes");
    fs::rename(&aside, &report).expect("moves back");
    assert!(Bundle::load(&folder).is_ok());
}

#[test]
fn a_bundle_signed_again_must_still_make_sense() {
    let edits: [(&str, &str, &str); 7] = [
        // The format of imported bundles, which this one is not.
        ("bundle.json", "\"format\": 1", "\"format\": 2"),
        ("bundle.json", "\"format\": 1", "\"format\": 3"),
        ("signature.json", "\"format\": 1", "\"format\": 9"),
        ("signature.json", "usage_0", "usage_x"),
        ("policy.json", "usage_0", "usage_x"),
        ("reference.json", "\"format\": 1", "\"format\": 0"),
        ("signals.json", "\"name\": \"usage_0\"", "\"name\": \"usage_x\""),
    ];
    for (name, from, to) in edits {
        let root = tempfile::tempdir().expect("a folder");
        let folder = written(root.path());
        let text = fs::read_to_string(folder.join(name)).expect("reads");
        assert!(text.contains(from), "{name} has {from}");
        fs::write(folder.join(name), text.replacen(from, to, 1)).expect("writes");
        sign_again(&folder);
        let error = Bundle::load(&folder).expect_err("refused");
        let expected = match (name, to) {
            ("bundle.json", "\"format\": 3") | (_, "\"format\": 9") => matches!(error, BundleError::NewerFormat { .. }),
            _ => !matches!(error, BundleError::Digest { .. } | BundleError::Files { .. }),
        };
        assert!(expected, "{name}: {error}");
    }
}

#[test]
fn another_model_under_the_same_golden_rows_is_refused() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = written(root.path());
    let contents = contents(4);
    let head = head(&contents.signature, 99, "trees_logistic", "churn_90d");
    let bytes = bellwether_models::onnx::write(&contents.signature, &head).expect("valid");
    fs::write(folder.join("churn_90d.onnx"), bytes).expect("writes");
    sign_again(&folder);
    let error = Bundle::load(&folder).expect_err("refused");
    assert!(matches!(&error, BundleError::Golden { target, .. } if target == "churn_90d"), "{error}");
}

#[test]
fn an_imported_bundle_may_lack_what_training_knows() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = written(root.path());
    let path = folder.join("bundle.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("reads")).expect("JSON");
    for name in ["signals.json", "reference.json", "backtest.json"] {
        manifest["files"].as_object_mut().expect("files").remove(name);
        fs::remove_file(folder.join(name)).expect("removes");
    }
    fs::write(&path, manifest.to_string()).expect("writes");
    sign_again(&folder);
    let bundle = Bundle::load(&folder).expect("loads");
    assert!(bundle.reference().is_none() && bundle.signals().is_empty());
    let rows = &bundle.golden().block;
    let design = bellwether_models::DesignBlock::new(bundle.signature(), rows).expect("fits");
    let explainer = Explainer::new(bundle.signature(), &bundle.heads()[0]).expect("valid");
    let book = SignalBook::new(bundle.signature(), bundle.signals());
    let mut told = 0;
    for row in 0..rows.rows {
        let reasons = top_reasons(&book, &explainer.explain(&design, row).expect("explains"), rows, row, 3);
        assert!(reasons.len() <= 3);
        told += reasons.len();
    }
    assert!(told > 0);
}
