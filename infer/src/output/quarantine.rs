//! Rows that were set aside, with why, and from where.
//!
//! They may hold what no log may hold, so only the owner may read them. The columns are `rule_code`, `file`, `row` (from
//! 0, in the order of the file), then the key, the date and the inputs as they were read.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema};

use super::file::Written;
use super::parquet::ParquetFile;
use crate::error::InferError;
use crate::input::Rule;

/// Writes bad rows; there is no file until there is one.
pub(crate) struct QuarantineWriter {
    folder: PathBuf,
    file: String,
    writer: Option<ParquetFile>,
}

impl QuarantineWriter {
    /// Bad rows of `input` will be written into `folder`.
    pub(crate) fn new(folder: PathBuf, input: &Path) -> Self {
        Self { folder, file: input.display().to_string(), writer: None }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("features.parquet")
    }

    /// Takes bad rows, with the rule and the row number of each.
    pub(crate) fn push(&mut self, rows: &RecordBatch, reasons: &[(u64, Rule)]) -> Result<(), InferError> {
        let path = self.path();
        let batch = self.with_reasons(rows, reasons)?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let created = DirBuilder::new().mode(0o700).create(&self.folder);
                created.map_err(|error| InferError::io(&self.folder, "create", error))?;
                none.insert(ParquetFile::create(&path, &batch.schema(), 0o600)?)
            }
        };
        writer.write(&batch)
    }

    /// Waits until everything is on disk; `None` when there was no bad row.
    pub(crate) fn finish(self) -> Result<Option<Written>, InferError> {
        self.writer.map(ParquetFile::finish).transpose()
    }

    fn with_reasons(&self, rows: &RecordBatch, reasons: &[(u64, Rule)]) -> Result<RecordBatch, InferError> {
        let codes: StringArray = reasons.iter().map(|(_, rule)| Some(rule.code())).collect();
        let files: StringArray = reasons.iter().map(|_| Some(self.file.as_str())).collect();
        let numbers: UInt64Array = reasons.iter().map(|(row, _)| Some(*row)).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(codes), Arc::new(files), Arc::new(numbers)];
        let mut fields = vec![
            Field::new("rule_code", DataType::Utf8, false),
            Field::new("file", DataType::Utf8, false),
            Field::new("row", DataType::UInt64, false),
        ];
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            fields.push(field.as_ref().clone().with_nullable(true));
            columns.push(column.clone());
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| InferError::Internal { reason: format!("bad rows cannot be put together: {error}") })
    }
}
