//! Scores are read back as they were written.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use bellwether_models::scores::schema;
use bellwether_outlook::scored::{ScoredBase, ScoresReadError, dates, partition};
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;

const AS_OF: &str = "2026-01-01";

fn as_of() -> NaiveDate {
    AS_OF.parse().unwrap()
}

/// Two accounts; each cell says its column and row, so that a column read for another shows.
fn write(out: &Path, is_whole: bool) {
    let schema = schema(&["churn_90d", "expansion_60d"]);
    let column = |index: usize, name: &str, kind: &DataType| -> ArrayRef {
        let is_null = |row: usize| row == 1 && name.starts_with("churn_90d");
        match kind {
            DataType::Float64 => {
                let value = |row: usize| (!is_null(row)).then_some(index as f64 / 100.0 + row as f64 / 1_000.0);
                Arc::new((0..2).map(value).collect::<Float64Array>())
            }
            _ => Arc::new((0..2).map(|row| (!is_null(row)).then(|| format!("{name} {row}"))).collect::<StringArray>()),
        }
    };
    let columns = schema.fields().iter().enumerate();
    let columns = columns.map(|(index, field)| column(index, field.name(), field.data_type())).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let folder = partition(out, as_of());
    std::fs::create_dir_all(&folder).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(folder.join("part-0.parquet")).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    if is_whole {
        File::create(folder.join("_SUCCESS")).unwrap();
    }
}

#[test]
fn every_column_is_where_it_belongs() {
    let out = tempfile::tempdir().unwrap();
    write(out.path(), true);
    assert_eq!(dates(out.path()).unwrap(), [as_of()]);
    let base = ScoredBase::read(out.path(), as_of(), 2).unwrap();
    assert_eq!(ScoredBase::count(out.path(), as_of()).unwrap(), 2);
    assert_eq!(base.targets, ["churn_90d", "expansion_60d"]);
    assert_eq!((base.target("churn"), base.target("expansion"), base.target("x")), (Some(0), Some(1), None));
    assert_eq!(base.model, "model 0");
    let [first, second] = &base.accounts[..] else { panic!("two accounts") };
    assert_eq!(base.account("account_id 1"), Some(second));
    let place =
        |name: &str| schema(&["churn_90d", "expansion_60d"]).index_of(name).map(|index| index as f64 / 100.0).unwrap();
    assert_eq!(second.forecasts[0], None, "not scored");
    let churn = first.forecasts[0].as_ref().unwrap();
    assert_eq!(churn.probability, place("churn_90d_probability"));
    assert_eq!((churn.low, churn.high), (place("churn_90d_low"), place("churn_90d_high")));
    assert_eq!(churn.band.as_deref(), Some("churn_90d_band 0"));
    assert_eq!(churn.reasons.len(), 2);
    assert_eq!(&*churn.reasons[1].name, "churn_90d_reason_2 0");
    assert_eq!(churn.reasons[1].text, "churn_90d_reason_2_text 0");
    assert_eq!(churn.reasons[1].effect, place("churn_90d_reason_2_effect"));
    let expansion = second.forecasts[1].as_ref().unwrap();
    assert_eq!(expansion.probability, place("expansion_60d_probability") + 0.001);
    assert_eq!(first.mrr, Some(place("mrr")));
    assert_eq!(first.mrr_at_risk, Some(place("mrr_at_risk")));
    assert_eq!(first.expected_expansion_mrr, Some(place("expected_expansion_mrr")));
    assert_eq!((first.health.as_deref(), first.value_tier.as_deref()), (Some("health 0"), Some("value_tier 0")));
    assert_eq!((&*first.status, &*first.status_reason), ("status 0", "status_reason 0"));
    let without = ScoredBase::read(out.path(), as_of(), 0).unwrap();
    assert!(without.accounts[0].forecasts[0].as_ref().unwrap().reasons.is_empty());
}

#[test]
fn scores_that_are_not_whole_are_none() {
    let out = tempfile::tempdir().unwrap();
    assert_eq!(dates(out.path()).unwrap(), []);
    write(out.path(), false);
    assert_eq!(dates(out.path()).unwrap(), []);
    let error = ScoredBase::read(out.path(), as_of(), 0).unwrap_err();
    assert!(matches!(error, ScoresReadError::Missing { .. }), "{error}");
}
