//! Parquet as other writers make it (here arrow-rs, as pandas, Spark and warehouses do): types that are read although
//! we never write them, and types that are refused with a reason.
#![allow(clippy::unwrap_used)]

mod contract_support;

use std::fs::File;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Int8Array, Int16Array,
    Int32Array, LargeStringArray, ListArray, RecordBatch, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt64Array,
};
use bellwether_features::contract::FailureKind;
use bellwether_features::read::{Loaded, ReadError, Rule};
use bellwether_features::time::Instant;
use contract_support::Project;
use miette::Diagnostic;
use parquet::arrow::ArrowWriter;

/// A usage table of one row, with one column replaced.
fn load(name: &str, column: &ArrayRef) -> Result<Loaded, ReadError> {
    load_with(name, column, "")
}

/// The same, with more lines in the table's section.
fn load_with(name: &str, column: &ArrayRef, more: &str) -> Result<Loaded, ReadError> {
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
    project.load(&format!("[tables.usage]\npath = \"u.parquet\"\n{more}"))
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

/// 2024-03-31 02:30 on a wall in Berlin was no time; 12:00 was 10:00 UTC, and the day began at 23:00 the day before.
#[test]
fn timestamps_without_a_zone_are_in_the_declared_one() {
    let berlin = "time_zone = \"Europe/Berlin\"\nerror_if_pct = 100\n";
    let noon = 1_711_886_400_000_000; // 2024-03-31T12:00:00Z
    let hour = 3_600_000_000;
    let at = |column: ArrayRef, more: &str| {
        let loaded = load_with("at", &column, more).unwrap();
        loaded.facts.usage.unwrap().rows.first().map(|row| row.at.0)
    };
    let local = |micros: i64| Arc::new(TimestampMicrosecondArray::from(vec![micros])) as ArrayRef;
    let utc = |micros: i64| Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC")) as ArrayRef;
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    assert_eq!(at(local(noon), ""), Some(noon));
    assert_eq!(at(local(noon), berlin), Some(noon - 2 * hour));
    assert_eq!(at(utc(noon), berlin), Some(noon));
    assert_eq!(at(text("2024-03-31 12:00"), berlin), Some(noon - 2 * hour));
    assert_eq!(at(text("2024-03-31T12:00Z"), berlin), Some(noon));
    assert_eq!(at(Arc::new(Date32Array::from(vec![19_813])), berlin), Some(noon - 13 * hour));
    assert_eq!(at(text("2024-03-31"), berlin), Some(noon - 13 * hour));
    for column in [local(noon - 9 * hour - hour / 2), text("2024-03-31 02:30")] {
        let loaded = load_with("at", &column, berlin).unwrap();
        assert!(loaded.facts.usage.unwrap().rows.is_empty());
        let violations = &loaded.report.tables[0].violations;
        assert_eq!((violations[0].rule, violations[0].column, violations[0].left_out), (Rule::Unparsable, "at", true));
    }
}

#[test]
fn numbers_are_numbers_however_they_are_stored() {
    let decimal =
        |digits: i128, scale| Decimal128Array::from(vec![digits]).with_precision_and_scale(20, scale).unwrap();
    let columns: [(f64, ArrayRef); 9] = [
        (2.5, Arc::new(Float32Array::from(vec![2.5]))),
        (127.0, Arc::new(Int8Array::from(vec![127]))),
        (7.0, Arc::new(Int16Array::from(vec![7]))),
        (255.0, Arc::new(UInt8Array::from(vec![255]))),
        (65_535.0, Arc::new(UInt16Array::from(vec![u16::MAX]))),
        (2.5, Arc::new(decimal(250, 2))),
        (0.1, Arc::new(decimal(1, 1))),
        (1e9, Arc::new(decimal(1_000_000_000, 0))),
        (3.07, Arc::new(decimal(307, 2))),
    ];
    for (expected, column) in columns {
        let kind = column.data_type().clone();
        assert_eq!(load("quantity", &column).unwrap().facts.usage.unwrap().rows[0].quantity, expected, "{kind}");
    }
}

#[test]
fn types_that_are_not_read_are_refused_with_the_way_out() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    let columns: [(&str, ArrayRef); 3] = [
        ("quantity", Arc::new(list)),
        ("at", Arc::new(Time64MicrosecondArray::from(vec![1]))),
        ("at", Arc::new(Int32Array::from(vec![1_704_103_200]))),
    ];
    for (name, column) in columns {
        let error = load(name, &column).unwrap_err();
        assert!(matches!(&error, ReadError::WrongType { column, .. } if column == name), "{error}");
        assert_eq!(error.kind(), FailureKind::Data);
        assert!(error.help().is_some());
    }
}
