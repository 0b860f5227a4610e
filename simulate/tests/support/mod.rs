//! Reading back what a simulation wrote, with nothing of the simulator's own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A table, column by column.
pub(crate) struct Table(Vec<RecordBatch>);

impl Table {
    /// Reads one file, or all files of a folder in the order of their names.
    pub(crate) fn read(path: &Path) -> Self {
        let batches = files(path).into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "parquet"));
        let batches = batches.flat_map(|file| {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap().build().unwrap();
            reader.map(Result::unwrap).collect::<Vec<_>>()
        });
        Self(batches.collect())
    }

    fn column<T>(&self, name: &str, read: impl Fn(&dyn Array) -> Vec<T>) -> Vec<T> {
        self.0.iter().flat_map(|batch| read(batch.column_by_name(name).unwrap_or_else(|| panic!("{name}")))).collect()
    }

    /// Strings.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.column(name, |array| array.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()).collect())
    }

    /// Numbers.
    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        self.column(name, |array| array.as_primitive::<Float64Type>().values().to_vec())
    }

    /// Yes or no.
    #[allow(dead_code, reason = "not every test reads a flag")]
    pub(crate) fn flags(&self, name: &str) -> Vec<bool> {
        self.column(name, |array| array.as_boolean().iter().map(Option::unwrap).collect())
    }

    /// Instants in microseconds, dates in days, integers.
    pub(crate) fn integers(&self, name: &str) -> Vec<Option<i64>> {
        self.column(name, |array| match array.data_type() {
            DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().iter().collect(),
            DataType::Date32 => array.as_primitive::<Date32Type>().iter().map(|day| day.map(i64::from)).collect(),
            _ => array.as_primitive::<Int32Type>().iter().map(|value| value.map(i64::from)).collect(),
        })
    }
}

/// Files below a path (or the file itself), sorted.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let mut found: Vec<PathBuf> = fs::read_dir(path).unwrap().flat_map(|entry| files(&entry.unwrap().path())).collect();
    found.sort();
    found
}
