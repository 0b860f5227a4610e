//! From the columns of a file to the block that a scorer takes.
//!
//! Null and NaN are missing. Integers of any width, 64-bit floats and booleans become 32-bit floats, as they were in
//! training. An infinite value, or a 64-bit one beyond the range of 32 bits, becomes the largest finite number of its
//! sign, so that every sum stays finite; the file's own null is the way to say "unknown". A text is coded by the
//! signature; one that training did not see is the level "other", and is counted.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, Float32Array, RecordBatch};
use arrow_schema::DataType;
use bellwether_models::{FeatureBlock, Input, InputKind, Signature};

use super::Columns;
use crate::error::InferError;

/// A batch as a block, with what was met on the way.
#[derive(Debug)]
pub(crate) struct Converted {
    /// The rows.
    pub(crate) block: FeatureBlock,
    /// Infinite values per numeric input.
    pub(crate) infinite: Vec<u64>,
    /// Texts that are no level, per category input.
    pub(crate) unknown: Vec<u64>,
}

/// Turns batches into blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Converter<'a> {
    /// What the model takes.
    pub(crate) signature: &'a Signature,
    /// Where it is.
    pub(crate) columns: &'a Columns,
}

impl Converter<'_> {
    /// The inputs of a batch in signature order.
    ///
    /// # Errors
    /// [`InferError::Internal`] when a column is not of the type that was checked before.
    pub(crate) fn convert(&self, batch: &RecordBatch) -> Result<Converted, InferError> {
        let (mut numeric, mut categories) = (Vec::new(), Vec::new());
        let (mut infinite, mut unknown) = (Vec::new(), Vec::new());
        for (input, position) in self.signature.inputs.iter().zip(&self.columns.inputs) {
            let array = batch.column(*position).as_ref();
            match &input.kind {
                InputKind::Numeric => {
                    let (values, count) = numbers(array).ok_or_else(|| unexpected(input, array))?;
                    numeric.push(values);
                    infinite.push(count);
                }
                InputKind::Category { levels } => {
                    let codes = codes(&input.kind, array).ok_or_else(|| unexpected(input, array))?;
                    unknown.push(codes.iter().filter(|code| **code as usize == levels.len()).count() as u64);
                    categories.push(codes);
                }
            }
        }
        Ok(Converted { block: FeatureBlock { rows: batch.num_rows(), numeric, categories }, infinite, unknown })
    }
}

fn unexpected(input: &Input, array: &dyn Array) -> InferError {
    InferError::Internal { reason: format!("column {} changed its type to {}", input.name, array.data_type()) }
}

/// The numbers of a column with NaN for missing, and how many of them were infinite.
fn numbers(array: &dyn Array) -> Option<(Vec<f32>, u64)> {
    let values = match array.data_type() {
        DataType::Float32 => return Some(floats(array.as_primitive::<Float32Type>())),
        DataType::Float64 => return Some(clamped(primitive::<Float64Type>(array, |value| value))),
        DataType::Int8 => whole::<Int8Type>(array, f32::from),
        DataType::Int16 => whole::<Int16Type>(array, f32::from),
        DataType::Int32 => whole::<Int32Type>(array, |value| value as f32),
        DataType::Int64 => whole::<Int64Type>(array, |value| value as f32),
        DataType::UInt8 => whole::<UInt8Type>(array, f32::from),
        DataType::UInt16 => whole::<UInt16Type>(array, f32::from),
        DataType::UInt32 => whole::<UInt32Type>(array, |value| value as f32),
        DataType::UInt64 => whole::<UInt64Type>(array, |value| value as f32),
        DataType::Boolean => {
            array.as_boolean().iter().map(|value| value.map_or(f32::NAN, |flag| f32::from(u8::from(flag)))).collect()
        }
        DataType::Null => vec![f32::NAN; array.len()],
        _ => return None,
    };
    Some((values, 0))
}

/// 32-bit floats as they are, but for nulls and infinite values.
fn floats(array: &Float32Array) -> (Vec<f32>, u64) {
    let mut values = array.values().to_vec();
    if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
        let missing = !nulls.inner();
        for row in missing.set_indices() {
            values[row] = f32::NAN;
        }
    }
    let infinite = values.iter().map(|value| u64::from(value.is_infinite())).sum();
    if infinite > 0 {
        for value in values.iter_mut().filter(|value| value.is_infinite()) {
            *value = f32::MAX.copysign(*value);
        }
    }
    (values, infinite)
}

fn whole<T: ArrowPrimitiveType>(array: &dyn Array, convert: impl Fn(T::Native) -> f32) -> Vec<f32> {
    array.as_primitive::<T>().iter().map(|value| value.map_or(f32::NAN, &convert)).collect()
}

fn primitive<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    convert: impl Fn(T::Native) -> f64 + 'a,
) -> impl Iterator<Item = f64> + 'a {
    array.as_primitive::<T>().iter().map(move |value| value.map_or(f64::NAN, &convert))
}

/// As 32-bit floats, the infinite ones at the ends of the range.
fn clamped(values: impl Iterator<Item = f64>) -> (Vec<f32>, u64) {
    let mut infinite = 0;
    let values = values
        .map(|value| {
            let narrow = value as f32;
            if narrow.is_infinite() {
                infinite += 1;
                return f32::MAX.copysign(narrow);
            }
            narrow
        })
        .collect();
    (values, infinite)
}

fn codes(kind: &InputKind, array: &dyn Array) -> Option<Vec<u32>> {
    match array.data_type() {
        DataType::Utf8View => Some(array.as_string_view().iter().map(|text| kind.code(text)).collect()),
        DataType::Null => Some(vec![kind.code(None); array.len()]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int8Array, Int64Array, StringViewArray};

    use super::*;

    #[test]
    fn every_kind_of_number_becomes_a_float_and_null_becomes_missing() {
        let columns: [ArrayRef; 5] = [
            Arc::new(Float32Array::from(vec![Some(2.0), None, Some(f32::NAN)])),
            Arc::new(Float64Array::from(vec![Some(2.0), None, Some(f64::NAN)])),
            Arc::new(Int8Array::from(vec![Some(2), None, None])),
            Arc::new(Int64Array::from(vec![Some(2), None, None])),
            Arc::new(BooleanArray::from(vec![Some(true), None, None])),
        ];
        for column in &columns {
            let (values, infinite) = numbers(column.as_ref()).unwrap();
            let expected = if column.data_type() == &DataType::Boolean { 1.0 } else { 2.0 };
            assert_eq!(values[0], expected, "{}", column.data_type());
            assert!(values[1].is_nan() && values[2].is_nan());
            assert_eq!(infinite, 0);
        }
    }

    #[test]
    fn infinite_and_huge_values_stay_finite_and_are_counted() {
        let column = Float64Array::from(vec![f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e308, -0.0]);
        let (values, infinite) = numbers(&column).unwrap();
        assert_eq!(values, [f32::MAX, f32::MIN, f32::MAX, f32::MIN, 0.0]);
        assert_eq!(infinite, 4);
        let column = Float32Array::from(vec![Some(f32::INFINITY), None, Some(f32::NEG_INFINITY), Some(-1.5)]);
        // A slice, so that the bits of the nulls do not begin at a byte.
        let (values, infinite) = numbers(&column.slice(1, 3)).unwrap();
        assert!(values[0].is_nan());
        assert_eq!((&values[1..], infinite), (&[f32::MIN, -1.5][..], 1));
    }

    #[test]
    fn texts_are_coded_by_the_signature() {
        let kind = InputKind::Category { levels: vec!["a".into(), "b".into()] };
        let long = "x".repeat(1 << 20);
        let column = StringViewArray::from(vec![Some("b"), None, Some("a\n"), Some(long.as_str()), Some("")]);
        assert_eq!(codes(&kind, &column).unwrap(), [1, 3, 2, 2, 3]);
    }
}
