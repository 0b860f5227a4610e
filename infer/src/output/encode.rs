//! Rows as the bytes of a format. The same rows give the same bytes, however they are cut into batches.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, SchemaRef};

use super::file::{OutputFile, Written};
use super::parquet::ParquetFile;
use crate::error::InferError;
use crate::score::ScoreFormat;

/// Writes rows in one of the formats.
pub(super) struct Encoder {
    path: PathBuf,
    writer: FormatWriter,
}

enum FormatWriter {
    Parquet(Box<ParquetFile>),
    Arrow(Box<StreamWriter<OutputFile>>),
    /// Text, and the format of a line.
    Lines(OutputFile, LineFormat),
}

/// A format of one line per row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineFormat {
    Csv,
    Jsonl,
}

impl Encoder {
    /// Creates the file.
    pub(super) fn create(path: &Path, schema: &SchemaRef, format: ScoreFormat) -> Result<Self, InferError> {
        let file = || OutputFile::create(path, 0o644);
        let writer = match format {
            ScoreFormat::Parquet => FormatWriter::Parquet(Box::new(ParquetFile::create(path, schema, 0o644)?)),
            ScoreFormat::Arrow => {
                let writer = StreamWriter::try_new(file()?, schema).map_err(|error| writing(path, error))?;
                FormatWriter::Arrow(Box::new(writer))
            }
            ScoreFormat::Jsonl => FormatWriter::Lines(file()?, LineFormat::Jsonl),
            ScoreFormat::Csv => {
                let mut file = file()?;
                let names = csv_header(schema);
                file.write_all(names.as_bytes()).map_err(|error| InferError::io(path, "write", error))?;
                FormatWriter::Lines(file, LineFormat::Csv)
            }
        };
        Ok(Self { path: path.to_path_buf(), writer })
    }

    /// Writes rows.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), InferError> {
        let path = &self.path;
        match &mut self.writer {
            FormatWriter::Parquet(writer) => writer.write(rows),
            FormatWriter::Arrow(writer) => writer.write(rows).map_err(|error| writing(path, error)),
            FormatWriter::Lines(file, format) => {
                let text = lines(rows, *format)?;
                file.write_all(text.as_bytes()).map_err(|error| InferError::io(path, "write", error))
            }
        }
    }

    /// Waits until everything is on disk.
    pub(super) fn finish(self) -> Result<Written, InferError> {
        let path = &self.path;
        let file = match self.writer {
            FormatWriter::Parquet(writer) => return writer.finish(),
            FormatWriter::Arrow(mut writer) => {
                writer.finish().map_err(|error| writing(path, error))?;
                writer.into_inner().map_err(|error| writing(path, error))?
            }
            FormatWriter::Lines(file, _) => file,
        };
        file.finish().map_err(|error| InferError::io(path, "write", error))
    }
}

fn csv_header(schema: &SchemaRef) -> String {
    let mut header = String::new();
    for (column, field) in schema.fields().iter().enumerate() {
        header.push_str(if column == 0 { "" } else { "," });
        push_csv_text(&mut header, field.name());
    }
    header.push('\n');
    header
}

fn writing(path: &Path, error: ArrowError) -> InferError {
    match error {
        ArrowError::IoError(_, source) => InferError::io(path, "write", source),
        other => InferError::Internal { reason: format!("Arrow could not be written: {other}") },
    }
}

/// One line per row. A number has as few digits as read back to the very same number; a null is an empty field or `null`.
fn lines(rows: &RecordBatch, format: LineFormat) -> Result<String, InferError> {
    let schema = rows.schema();
    let columns: Vec<(String, Cells<'_>)> = schema
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, column)| Ok((json_text(field.name()), Cells::of(column.as_ref())?)))
        .collect::<Result<_, InferError>>()?;
    let mut text = String::new();
    for row in 0..rows.num_rows() {
        for (place, (name, cells)) in columns.iter().enumerate() {
            match format {
                LineFormat::Csv => {
                    text.push_str(if place == 0 { "" } else { "," });
                    cells.push_csv(&mut text, row);
                }
                LineFormat::Jsonl => {
                    text.push(if place == 0 { '{' } else { ',' });
                    text.push_str(name);
                    text.push(':');
                    cells.push_json(&mut text, row);
                }
            }
        }
        text.push_str(if format == LineFormat::Jsonl { "}\n" } else { "\n" });
    }
    Ok(text)
}

/// The values of a column of the scores.
enum Cells<'a> {
    Numbers(&'a arrow_array::Float64Array),
    Texts(&'a arrow_array::StringArray),
}

impl<'a> Cells<'a> {
    fn of(column: &'a dyn Array) -> Result<Self, InferError> {
        match column.data_type() {
            DataType::Float64 => Ok(Self::Numbers(column.as_primitive::<Float64Type>())),
            DataType::Utf8 => Ok(Self::Texts(column.as_string())),
            other => Err(InferError::Internal { reason: format!("scores with a column of type {other}") }),
        }
    }

    fn push_csv(&self, text: &mut String, row: usize) {
        match self {
            Self::Numbers(numbers) if numbers.is_valid(row) => push_number(text, numbers.value(row)),
            Self::Texts(texts) if texts.is_valid(row) => push_csv_text(text, texts.value(row)),
            Self::Numbers(_) | Self::Texts(_) => {}
        }
    }

    fn push_json(&self, text: &mut String, row: usize) {
        match self {
            Self::Numbers(numbers) if numbers.is_valid(row) => push_number(text, numbers.value(row)),
            Self::Texts(texts) if texts.is_valid(row) => text.push_str(&json_text(texts.value(row))),
            Self::Numbers(_) | Self::Texts(_) => text.push_str("null"),
        }
    }
}

fn push_number(text: &mut String, number: f64) {
    use std::fmt::Write;
    // Writing to a string cannot fail. A score is finite; a whole one keeps its point, so that it is read as a float.
    let _ = write!(text, "{number:?}");
}

/// RFC 4180: quoted where it must be. An empty text is quoted, so that it is not a null.
fn push_csv_text(text: &mut String, value: &str) {
    let plain = !value.is_empty()
        && !value.contains(['"', ',', '\n', '\r'])
        && !value.starts_with([' ', '\t'])
        && !value.ends_with([' ', '\t']);
    if plain {
        text.push_str(value);
        return;
    }
    text.push('"');
    text.push_str(&value.replace('"', "\"\""));
    text.push('"');
}

fn json_text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, StringArray};
    use arrow_schema::{Field, Schema};

    use super::*;

    fn rows() -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![
            Field::new("account_id", DataType::Utf8, false),
            Field::new("a,b", DataType::Float64, true),
            Field::new("text", DataType::Utf8, true),
        ]));
        let ids = StringArray::from(vec!["00017", "a\"b", " =cmd()\n", "é"]);
        let numbers = Float64Array::from(vec![Some(0.1), None, Some(1e-9), Some(-2.0)]);
        let texts = StringArray::from(vec![Some("x, y"), Some(""), None, Some("plain words")]);
        RecordBatch::try_new(schema, vec![Arc::new(ids), Arc::new(numbers), Arc::new(texts)]).unwrap()
    }

    fn written(format: ScoreFormat, batches: &[RecordBatch]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let mut encoder = Encoder::create(&path, &batches[0].schema(), format).unwrap();
        for batch in batches {
            encoder.write(batch).unwrap();
        }
        let told = encoder.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(told.bytes, bytes.len() as u64);
        bytes
    }

    #[test]
    fn lines_hold_every_value_exactly() {
        let csv = String::from_utf8(written(ScoreFormat::Csv, &[rows()])).unwrap();
        assert_eq!(
            csv,
            "account_id,\"a,b\",text\n00017,0.1,\"x, y\"\n\"a\"\"b\",,\"\"\n\" =cmd()\n\",1e-9,\né,-2.0,plain words\n"
        );
        let jsonl = String::from_utf8(written(ScoreFormat::Jsonl, &[rows()])).unwrap();
        let lines: Vec<serde_json::Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], serde_json::json!({"account_id": "00017", "a,b": 0.1, "text": "x, y"}));
        assert_eq!(lines[2], serde_json::json!({"account_id": " =cmd()\n", "a,b": 1e-9, "text": null}));
        let both = [rows().slice(0, 1), rows().slice(1, 3)];
        for format in [ScoreFormat::Csv, ScoreFormat::Jsonl] {
            assert_eq!(written(format, &both), written(format, &[rows()]), "{format:?}");
        }
    }

    #[test]
    fn an_arrow_stream_reads_back() {
        let bytes = written(ScoreFormat::Arrow, &[rows()]);
        let reader = arrow_ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        assert_eq!(batches, [rows()]);
    }
}
