//! Parquet as other writers make it (here arrow-rs, as pandas, Spark and warehouses do): types that are read although
//! we never write them, and types that are refused with a reason.
#![allow(clippy::unwrap_used)]

mod contract_support;

use std::fs::File;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Int8Array, Int32Array,
    LargeStringArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use bellwether_features::contract::FailureKind;
use bellwether_features::read::{Loaded, ReadError};
use bellwether_features::time::Instant;
use contract_support::Project;
use miette::Diagnostic;
use parquet::arrow::ArrowWriter;

/// A usage table of one row, with one column replaced.
fn load(name: &str, column: &ArrayRef) -> Result<Loaded, ReadError> {
    let project = Project::new();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("account_id", Arc::new(StringArray::from(vec!["a"]))),
        ("feature", Arc::new(StringArray::from(vec!["f"]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"))),
        ("quantity", Arc::new(Int32Array::from(vec![1]))),
    ];
    columns.iter_mut().filter(|(known, _)| *known == name).for_each(|(_, values)| *values = column.clone());
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(project.path("u.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    project.load("[tables.usage]\npath = \"u.parquet\"\n")
}

#[test]
fn text_is_text_however_it_is_stored() {
    let dictionary: DictionaryArray<Int32Type> = vec!["00017"].into_iter().collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("00017", Arc::new(dictionary)),
        ("00017", Arc::new(LargeStringArray::from(vec!["00017"]))),
        ("00017", Arc::new(BinaryArray::from(vec![b"00017".as_slice()]))),
        ("18446744073709551615", Arc::new(UInt64Array::from(vec![u64::MAX]))),
    ];
    for (id, column) in columns {
        let kind = column.data_type().clone();
        assert_eq!(load("account_id", &column).unwrap().facts.accounts, [id], "{kind}");
    }
}

#[test]
fn instants_are_utc_whatever_zone_the_writer_names() {
    let micros = 1_704_103_200_000_000;
    for zone in ["UTC", "+02:00", "Europe/Berlin", "Not/AZone"] {
        let loaded =
            load("at", &(Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone(zone)) as ArrayRef))
                .unwrap();
        assert_eq!(loaded.facts.usage.unwrap().rows[0].at, Instant(micros), "{zone}");
    }
    let loaded = load("at", &(Arc::new(Date32Array::from(vec![1])) as ArrayRef)).unwrap();
    assert_eq!(loaded.facts.usage.unwrap().rows[0].at, Instant(86_400_000_000));
}

#[test]
fn narrow_numbers_are_numbers() {
    let loaded = load("quantity", &(Arc::new(Float32Array::from(vec![2.5])) as ArrayRef)).unwrap();
    assert_eq!(loaded.facts.usage.unwrap().rows[0].quantity, 2.5);
}

#[test]
fn types_that_are_not_read_are_refused_with_the_way_out() {
    let decimal = Decimal128Array::from(vec![250]).with_precision_and_scale(10, 2).unwrap();
    let columns: [(&str, ArrayRef); 3] = [
        ("quantity", Arc::new(decimal)),
        ("quantity", Arc::new(Int8Array::from(vec![1]))),
        ("at", Arc::new(Int32Array::from(vec![1_704_103_200]))),
    ];
    for (name, column) in columns {
        let error = load(name, &column).unwrap_err();
        assert!(matches!(&error, ReadError::WrongType { column, .. } if column == name), "{error}");
        assert_eq!(error.kind(), FailureKind::Data);
        assert!(error.help().is_some());
    }
}
