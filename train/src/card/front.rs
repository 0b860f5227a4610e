//! The front matter: a model index as Hugging Face reads it.

use std::fmt::Write;

use super::CardTarget;
use crate::measure::Metric;

/// Measures of the model index, with the names that readers of an index know.
const MEASURES: [(Metric, &str, &str); 7] = [
    (Metric::LogLoss, "log_loss", "Log loss"),
    (Metric::RocAuc, "roc_auc", "ROC AUC"),
    (Metric::AveragePrecision, "average_precision", "Average precision"),
    (Metric::Brier, "brier_score", "Brier score"),
    (Metric::CalibrationSlope, "calibration_slope", "Calibration slope"),
    (Metric::PrecisionAtCapacity, "precision", "Precision at capacity"),
    (Metric::RecallAtCapacity, "recall", "Recall at capacity"),
];

/// YAML between two lines of dashes.
pub(super) fn matter(name: &str, targets: &[CardTarget<'_>]) -> String {
    let mut text = String::from(
        "---\nlibrary_name: bellwether\nlicense: other\nlicense_name: private\npipeline_tag: tabular-classification\ntags:\n\
         - tabular-classification\n- churn\n- expansion\n- onnx\nmetrics:\n",
    );
    for (_, id, _) in MEASURES {
        let _ = writeln!(text, "- {id}");
    }
    let _ = write!(text, "model-index:\n- name: {}\n  results:\n", quoted(name));
    for target in targets {
        let Some(best) = target.summary.best() else { continue };
        let definition = &target.summary.definition;
        let rows = if target.summary.is_dated() {
            format!("from {} to {}", target.summary.test_from, target.summary.test_to)
        } else {
            format!("on held-out {}, time not tested", target.summary.witness.many())
        };
        let _ = write!(
            text,
            "  - task:\n      type: tabular-classification\n      name: {}\n    dataset:\n      type: private\n      name: {}\n    \
             metrics:\n",
            quoted(&definition.text),
            quoted(&format!("{} {rows}", definition.name))
        );
        for (metric, id, name) in MEASURES {
            if let Some(value) = best.value(metric) {
                let _ = write!(text, "    - type: {id}\n      name: {}\n      value: {value:.5}\n", quoted(name));
            }
        }
    }
    text.push_str("---\n\n");
    text
}

/// A YAML string: JSON strings are YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
