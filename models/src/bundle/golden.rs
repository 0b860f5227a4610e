//! Golden rows: synthetic inputs with the outputs that the scorer gave when the bundle was written.
//!
//! The inputs are drawn from the bins of the reference (uniform within a bin), so they pass through the trees where the
//! training base does, with missing values, values beyond both ends, unseen categories and missing ones. They are of no
//! account. The draw depends on nothing but signature and reference.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, Float32Array, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use prost::bytes::Bytes;

use super::BundleError;
use crate::drift::Reference;
use crate::{FeatureBlock, HeadScores, Input, InputKind, Signature};

/// Rows that are written.
pub const GOLDEN_ROWS: usize = 96;

/// Most rows that are read.
const MAX_ROWS: usize = 100_000;

/// Largest difference between a golden value and the native scorer's, relative to the value where that is above 1.
pub const GOLDEN_TOLERANCE: f64 = 1e-9;

/// Output tensors in the order of their columns.
const TENSORS: [&str; 4] = ["margin", "probability", "low", "high"];

/// Inputs and what is expected of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// Inputs.
    pub block: FeatureBlock,
    /// Per target, in the order of the bundle.
    pub expected: Vec<HeadScores>,
}

/// SplitMix64 (Steele, Lea and Flood 2014): four lines that give the same rows for ever.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Synthetic rows. The first row has every value missing where that is allowed, the second every category unseen.
pub(crate) fn synthetic_rows(signature: &Signature, reference: &Reference) -> FeatureBlock {
    let mut draw = Draw(0x0060_1DE4);
    let numbers = signature.numeric_inputs().zip(&reference.numeric);
    let numeric = numbers.map(|((_, input), column)| {
        let middle = column.edges.get(column.edges.len() / 2).copied().or(column.least).unwrap_or(0.0);
        let mut bounds = vec![column.least.unwrap_or(middle)];
        bounds.extend(&column.edges);
        bounds.push(column.greatest.unwrap_or(middle));
        let span = bounds[bounds.len() - 1] - bounds[0] + 1.0;
        let value = |row: usize| {
            if input.nullable && (row == 0 || draw.below(8) == 0) {
                return f32::NAN;
            }
            let bin = draw.below(bounds.len() - 1);
            let beyond = match draw.below(32) {
                0 => -span,
                1 => span,
                _ => 0.0,
            };
            (bounds[bin] + draw.unit() * (bounds[bin + 1] - bounds[bin]) + beyond) as f32
        };
        (0..GOLDEN_ROWS).map(value).collect()
    });
    let numeric = numeric.collect();
    let categories = signature.category_inputs().map(|(_, input, levels)| {
        let code = |row: usize| match (row, input.nullable) {
            (0, true) => levels.len() + 1,
            (1, _) => levels.len(),
            (_, nullable) => draw.below(levels.len() + 1 + usize::from(nullable)),
        };
        (0..GOLDEN_ROWS).map(code).map(|code| code as u32).collect()
    });
    FeatureBlock { rows: GOLDEN_ROWS, numeric, categories: categories.collect() }
}

/// The text of a code; a text that is no level stands for "other".
fn text_of(levels: &[String], code: u32) -> Option<String> {
    let code = code as usize;
    if code > levels.len() {
        return None;
    }
    levels.get(code).cloned().or_else(|| {
        let mut unseen = "an unseen level".to_owned();
        while levels.contains(&unseen) {
            unseen.push('!');
        }
        Some(unseen)
    })
}

/// `golden.parquet`: the inputs in signature order, then four columns per target.
pub(crate) fn encode(signature: &Signature, targets: &[&str], golden: &Golden) -> Result<Vec<u8>, BundleError> {
    let mut numbers = golden.block.numeric.iter();
    let mut codes = golden.block.categories.iter();
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for input in &signature.inputs {
        let (kind, column) = match &input.kind {
            InputKind::Numeric => {
                let values = numbers.next().map_or(&[][..], Vec::as_slice).iter();
                let values = values.map(|value| (!value.is_nan()).then_some(*value));
                (DataType::Float32, Arc::new(values.collect::<Float32Array>()) as ArrayRef)
            }
            InputKind::Category { levels } => {
                let values = codes.next().map_or(&[][..], Vec::as_slice).iter().map(|code| text_of(levels, *code));
                (DataType::Utf8, Arc::new(values.collect::<StringArray>()) as ArrayRef)
            }
        };
        fields.push(Field::new(&input.name, kind, true));
        columns.push(column);
    }
    for (target, scores) in targets.iter().zip(&golden.expected) {
        for (tensor, values) in TENSORS.iter().zip(tensors(scores)) {
            fields.push(Field::new(format!("expected.{target}.{tensor}"), DataType::Float64, false));
            columns.push(Arc::new(Float64Array::from(values.to_vec())));
        }
    }
    let refuse = |reason: String| BundleError::GoldenFile { reason };
    let batch =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| refuse(error.to_string()))?;
    let properties = WriterProperties::builder().set_created_by("bellwether".to_owned()).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))
        .map_err(|error| refuse(error.to_string()))?;
    writer.write(&batch).and_then(|()| writer.close()).map_err(|error| refuse(error.to_string()))?;
    Ok(bytes)
}

fn tensors(scores: &HeadScores) -> [&[f64]; 4] {
    [&scores.margin, &scores.probability, &scores.low, &scores.high]
}

/// Reads `golden.parquet` of this signature and these targets.
pub(crate) fn decode(signature: &Signature, targets: &[&str], bytes: Vec<u8>) -> Result<Golden, BundleError> {
    // The decoder panics on some files that contradict their own description; that is the file's fault.
    let decoded = std::panic::catch_unwind(|| decode_sound(signature, targets, bytes));
    let reason = "its content contradicts its own description".to_owned();
    decoded.unwrap_or(Err(BundleError::GoldenFile { reason }))
}

fn decode_sound(signature: &Signature, targets: &[&str], bytes: Vec<u8>) -> Result<Golden, BundleError> {
    let refuse = |reason: String| BundleError::GoldenFile { reason };
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).map_err(|error| refuse(error.to_string()))?;
    let rows = builder.metadata().file_metadata().num_rows();
    let rows = usize::try_from(rows).ok().filter(|rows| (1..=MAX_ROWS).contains(rows));
    let rows = rows.ok_or_else(|| refuse("expected 1 to 100,000 rows".to_owned()))?;
    let mut reader = builder.with_batch_size(rows).build().map_err(|error| refuse(error.to_string()))?;
    let batch = match (reader.next(), reader.next()) {
        (Some(Ok(batch)), None) if batch.num_rows() == rows => batch,
        (Some(Err(error)), _) => return Err(refuse(error.to_string())),
        _ => return Err(refuse(format!("expected {rows} rows"))),
    };
    let expected = signature.inputs.len() + TENSORS.len() * targets.len();
    if batch.num_columns() != expected {
        return Err(refuse(format!("expected {expected} columns, found {}", batch.num_columns())));
    }
    let (mut numeric, mut categories) = (Vec::new(), Vec::new());
    for (position, input) in signature.inputs.iter().enumerate() {
        match &input.kind {
            InputKind::Numeric => numeric.push(numbers_of(&batch, position, input)?),
            InputKind::Category { .. } => categories.push(codes_of(&batch, position, input)?),
        }
    }
    let block =
        FeatureBlock::new(signature, rows, numeric, categories).map_err(BundleError::model("golden.parquet"))?;
    let mut outputs = (signature.inputs.len()..expected).map(|position| doubles_of(&batch, position));
    let mut scores = Vec::with_capacity(targets.len());
    for _ in targets {
        let mut next = || outputs.next().unwrap_or_else(|| Err(refuse("expected an output".to_owned())));
        scores.push(HeadScores { margin: next()?, probability: next()?, low: next()?, high: next()? });
    }
    Ok(Golden { block, expected: scores })
}

fn wrong_column(batch: &RecordBatch, position: usize, expected: &str) -> BundleError {
    let schema = batch.schema();
    let field = schema.field(position);
    let reason = format!("column `{}`: expected {expected}, found {}", field.name(), field.data_type());
    BundleError::GoldenFile { reason }
}

/// The column of an input, checked by name.
fn column_of<'a>(batch: &'a RecordBatch, position: usize, input: &Input) -> Result<&'a ArrayRef, BundleError> {
    if batch.schema().field(position).name() == &input.name {
        return Ok(batch.column(position));
    }
    Err(wrong_column(batch, position, &format!("the input `{}`", input.name)))
}

fn numbers_of(batch: &RecordBatch, position: usize, input: &Input) -> Result<Vec<f32>, BundleError> {
    let column = column_of(batch, position, input)?.as_primitive_opt::<Float32Type>();
    let column = column.ok_or_else(|| wrong_column(batch, position, "32-bit floats"))?;
    Ok(column.iter().map(|value| value.unwrap_or(f32::NAN)).collect())
}

fn codes_of(batch: &RecordBatch, position: usize, input: &Input) -> Result<Vec<u32>, BundleError> {
    let column = column_of(batch, position, input)?.as_string_opt::<i32>();
    let column = column.ok_or_else(|| wrong_column(batch, position, "texts"))?;
    Ok(column.iter().map(|text| input.kind.code(text)).collect())
}

fn doubles_of(batch: &RecordBatch, position: usize) -> Result<Vec<f64>, BundleError> {
    match batch.column(position).as_primitive_opt::<Float64Type>() {
        Some(column) if column.null_count() == 0 => Ok(column.values().to_vec()),
        _ => Err(wrong_column(batch, position, "64-bit floats without null")),
    }
}

/// Compares scores with the golden ones.
///
/// `tolerance` is absolute up to a size of 1 and relative above.
///
/// # Errors
/// [`BundleError::Golden`] with the first value that differs; [`BundleError::GoldenFile`] when lengths differ.
pub fn compare(target: &str, expected: &HeadScores, found: &HeadScores, tolerance: f64) -> Result<(), BundleError> {
    for (column, (expected, found)) in TENSORS.into_iter().zip(tensors(expected).into_iter().zip(tensors(found))) {
        if expected.len() != found.len() {
            let reason = format!("expected {} rows of {column}, found {}", expected.len(), found.len());
            return Err(BundleError::GoldenFile { reason });
        }
        for (row, (expected, found)) in expected.iter().zip(found).enumerate() {
            let close = (expected - found).abs() <= tolerance * expected.abs().max(1.0);
            if !close {
                let (target, expected, found) = (target.to_owned(), *expected, *found);
                return Err(BundleError::Golden { target, column, row, expected, found });
            }
        }
    }
    Ok(())
}
