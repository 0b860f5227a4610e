//! The forecast of `bellwether outlook`: from scores that are there, left out with a line where they are not.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use bellwether_models::scores::schema;
use common::{fail, succeed};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const AS_OF: &str = "2025-09-30";

fn rows(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.with_batch_size(1 << 20).build().unwrap().next().unwrap().unwrap()
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<f64> {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().values().to_vec()
}

/// The true probabilities of a date as its scores, those of churn times a factor.
fn write_scores(business: &Path, factor: f64) {
    let truth = rows(&business.join("truth/probabilities.parquet"));
    let dates = truth.column_by_name("as_of").unwrap().as_primitive::<Date32Type>();
    let ids = truth.column_by_name("account_id").unwrap().as_string::<i32>();
    let mut lines: Vec<usize> =
        (0..truth.num_rows()).filter(|row| dates.value_as_date(*row).unwrap().to_string() == AS_OF).collect();
    lines.sort_by_key(|row| ids.value(*row));
    let schema = schema(&["churn_90d", "expansion_60d"]);
    let column = |name: &str, kind: &str| -> ArrayRef {
        let probability = name.strip_suffix("_probability").map(|target| numbers(&truth, target));
        let factor = if name.starts_with("churn") { factor } else { 1.0 };
        match (kind, name) {
            ("Float64", _) => {
                let value = |row: &usize| probability.as_ref().map(|values| (values[*row] * factor).min(1.0));
                Arc::new(lines.iter().map(value).collect::<Float64Array>())
            }
            (_, "account_id") => Arc::new(lines.iter().map(|row| Some(ids.value(*row))).collect::<StringArray>()),
            _ => Arc::new(lines.iter().map(|_| Some("scored")).collect::<StringArray>()),
        }
    };
    let columns = schema.fields().iter().map(|field| column(field.name(), &field.data_type().to_string())).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let folder = business.join("out/scores/v1").join(format!("as_of={AS_OF}"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(folder.join("part-00000.parquet")).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    File::create(folder.join("_SUCCESS")).unwrap();
}

#[test]
fn the_forecast_follows_the_scores_of_the_date() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", "300", "--months", "30", "--truth", "--out", "business"]);
    let business = folder.path().join("business");
    let arguments = ["outlook", "--as-of", AS_OF, "--out", "out"];
    let path = business.join("out/outlook/v1").join(format!("as_of={AS_OF}")).join("forecast.parquet");
    let told = succeed(&business, &arguments);
    assert!(!told.contains("MRR in 90 days") && !path.exists(), "no scores: {told}");
    write_scores(&business, 1.0);
    let told = succeed(&business, &arguments);
    assert!(told.contains("MRR in 90 days: base ") && told.contains("NRR over 90 days: base "), "{told}");
    let table = rows(&path);
    let measures = table.column_by_name("measure").unwrap().as_string::<i32>();
    let days = table.column_by_name("horizon_days").unwrap().as_primitive::<UInt32Type>();
    let names: Vec<(&str, u32)> = (0..table.num_rows()).map(|row| (measures.value(row), days.value(row))).collect();
    let expected = ["mrr", "nrr", "grr"].into_iter().flat_map(|measure| [30, 60, 90].map(|days| (measure, days)));
    assert_eq!(names, expected.collect::<Vec<_>>());
    let quantiles = ["q05", "q10", "q25", "q50", "q75", "q90", "q95"].map(|name| numbers(&table, name));
    for row in 0..table.num_rows() {
        assert!(quantiles.windows(2).all(|pair| pair[0][row] < pair[1][row]), "{:?}", names[row]);
        assert!(measures.value(row) != "grr" || quantiles[6][row] <= 1.0);
    }
    assert!(table.columns().iter().all(|column| column.null_count() == 0));
    // The same bytes with one thread.
    let bytes = std::fs::read(&path).unwrap();
    succeed(&business, &[&arguments[..], &["--threads", "1"]].concat());
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    // Twice the churn: gross retention loses as much again.
    write_scores(&business, 2.0);
    succeed(&business, &arguments);
    let doubled = numbers(&rows(&path), "mean");
    let once = numbers(&table, "mean");
    let (lost, now) = (1.0 - once[8], 1.0 - doubled[8]);
    assert!((1.4..2.1).contains(&(now / lost)), "GRR over 90 days: {once:?} {doubled:?}");
}

#[test]
fn scores_that_cannot_be_read_stop_the_outlook() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", "40", "--months", "12", "--truth", "--out", "business"]);
    let business = folder.path().join("business");
    write_scores(&business, 1.0);
    let part = business.join("out/scores/v1").join(format!("as_of={AS_OF}")).join("part-00000.parquet");
    std::fs::write(part, "no Parquet").unwrap();
    let told = fail(&business, &["outlook", "--as-of", AS_OF, "--out", "out"], 3);
    assert!(told.contains("expected a Parquet file of scores"), "{told}");
    assert!(!business.join("out/outlook").exists(), "nothing is published");
}
