//! Tensors of the interpreter. Every number is kept as a 64-bit float and rounded to its declared type after each
//! operator, which for single operations is what a runtime with that type computes.

use std::sync::Arc;

use super::error::GraphError;
use super::proto::TensorProto;

/// Most elements of a tensor.
pub(super) const MAX_ELEMENTS: usize = 1 << 24;

/// Most dimensions of a tensor.
pub(super) const MAX_RANK: usize = 8;

/// Type of the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Double,
    /// All whole numbers; exact up to 2^53.
    Integer,
    Boolean,
    Text,
}

impl Kind {
    /// Of `TensorProto.DataType`.
    pub(super) fn of(data_type: i32) -> Option<Self> {
        match data_type {
            1 => Some(Self::Float),
            11 => Some(Self::Double),
            2..=7 | 12 | 13 => Some(Self::Integer),
            9 => Some(Self::Boolean),
            8 => Some(Self::Text),
            _ => None,
        }
    }

    /// The nearest value of this type.
    pub(super) fn round(self, value: f64) -> f64 {
        match self {
            Self::Float => f64::from(value as f32),
            Self::Double | Self::Text => value,
            Self::Integer => value.trunc(),
            Self::Boolean => f64::from(u8::from(value != 0.0)),
        }
    }
}

/// Elements.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Numbers(Vec<f64>),
    Texts(Vec<Arc<str>>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// The elements at these positions, which must exist.
    pub(super) fn pick(&self, positions: &[usize]) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(positions.iter().map(|at| values[*at]).collect()),
            Self::Texts(values) => Self::Texts(positions.iter().map(|at| Arc::clone(&values[*at])).collect()),
        }
    }
}

/// A tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
}

/// Number of elements of a shape, if it is within limits.
pub(super) fn element_count(shape: &[usize]) -> Result<usize, GraphError> {
    let count = shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side));
    match count {
        Some(count) if count <= MAX_ELEMENTS && shape.len() <= MAX_RANK => Ok(count),
        _ => {
            Err(GraphError::malformed("tensor", "at most 2^24 elements in at most 8 dimensions", format!("{shape:?}")))
        }
    }
}

impl Tensor {
    /// Numbers, rounded to the type.
    pub(super) fn numbers(kind: Kind, shape: Vec<usize>, mut values: Vec<f64>) -> Self {
        if kind != Kind::Double {
            for value in &mut values {
                *value = kind.round(*value);
            }
        }
        Self { kind, shape, values: Values::Numbers(values) }
    }

    pub(super) fn texts(shape: Vec<usize>, values: Vec<Arc<str>>) -> Self {
        Self { kind: Kind::Text, shape, values: Values::Texts(values) }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The numbers; an error for texts.
    pub(super) fn as_numbers(&self) -> Result<&[f64], GraphError> {
        match &self.values {
            Values::Numbers(values) => Ok(values),
            Values::Texts(_) => Err(GraphError::malformed("tensor", "numbers", "texts")),
        }
    }

    /// Numbers that are whole.
    pub(super) fn as_integers(&self) -> Result<Vec<i64>, GraphError> {
        let whole = |value: &f64| {
            if value.fract() == 0.0 && value.abs() < 9.0e15 {
                Ok(*value as i64)
            } else {
                Err(GraphError::malformed("tensor", "whole numbers", value))
            }
        };
        self.as_numbers()?.iter().map(whole).collect()
    }

    /// Rows and columns, with all but the last dimension as rows; a vector is one row.
    pub(super) fn matrix(&self) -> (usize, usize) {
        let columns = self.shape.last().copied().unwrap_or(1);
        (self.len().checked_div(columns).unwrap_or(0), columns)
    }

    pub(super) fn reshaped(&self, shape: Vec<usize>) -> Result<Self, GraphError> {
        if element_count(&shape)? != self.len() {
            return Err(GraphError::malformed("reshape", format!("{} elements", self.len()), format!("{shape:?}")));
        }
        Ok(Self { kind: self.kind, shape, values: self.values.clone() })
    }

    /// Reads a constant.
    pub(super) fn read(proto: &TensorProto, place: &str) -> Result<Self, GraphError> {
        let fail = |expected: &str, found: String| Err(GraphError::malformed(place, expected, found));
        if proto.data_location != 0 || !proto.external_data.is_empty() {
            return fail("a tensor within the file", "a reference to external data".to_owned());
        }
        let Some(kind) = Kind::of(proto.data_type) else {
            return fail(
                "a float, double, integer, boolean or string tensor",
                format!("data type {}", proto.data_type),
            );
        };
        let sides = proto.dims.iter().map(|side| usize::try_from(*side));
        let Ok(shape) = sides.collect::<Result<Vec<usize>, _>>() else {
            return fail("dimensions from 0", format!("{:?}", proto.dims));
        };
        let count = element_count(&shape)?;
        if kind == Kind::Text {
            let texts = proto.string_data.iter().map(|text| Arc::from(String::from_utf8_lossy(text).as_ref()));
            let texts: Vec<Arc<str>> = texts.collect();
            return if texts.len() == count {
                Ok(Self::texts(shape, texts))
            } else {
                fail(&format!("{count} texts"), texts.len().to_string())
            };
        }
        let values = match proto.raw_data.as_deref().filter(|raw| !raw.is_empty()) {
            Some(raw) => raw_numbers(raw, proto.data_type),
            None => typed_numbers(proto),
        };
        match values {
            Some(values) if values.len() == count => Ok(Self::numbers(kind, shape, values)),
            Some(values) => fail(&format!("{count} numbers"), values.len().to_string()),
            None => fail("bytes of whole numbers of the tensor's type", "another number of bytes".to_owned()),
        }
    }
}

fn raw_numbers(raw: &[u8], data_type: i32) -> Option<Vec<f64>> {
    fn pieces<const SIZE: usize>(raw: &[u8], read: impl Fn([u8; SIZE]) -> f64) -> Option<Vec<f64>> {
        let (pieces, rest) = raw.as_chunks::<SIZE>();
        rest.is_empty().then(|| pieces.iter().map(|piece| read(*piece)).collect())
    }
    match data_type {
        1 => pieces(raw, |bytes| f64::from(f32::from_le_bytes(bytes))),
        2 | 9 => pieces(raw, |[byte]| f64::from(byte)),
        3 => pieces(raw, |[byte]| f64::from(byte.cast_signed())),
        4 => pieces(raw, |bytes| f64::from(u16::from_le_bytes(bytes))),
        5 => pieces(raw, |bytes| f64::from(i16::from_le_bytes(bytes))),
        6 => pieces(raw, |bytes| f64::from(i32::from_le_bytes(bytes))),
        7 => pieces(raw, |bytes| i64::from_le_bytes(bytes) as f64),
        11 => pieces(raw, f64::from_le_bytes),
        12 => pieces(raw, |bytes| f64::from(u32::from_le_bytes(bytes))),
        13 => pieces(raw, |bytes| u64::from_le_bytes(bytes) as f64),
        _ => None,
    }
}

fn typed_numbers(proto: &TensorProto) -> Option<Vec<f64>> {
    Some(match proto.data_type {
        1 => proto.float_data.iter().map(|value| f64::from(*value)).collect(),
        2..=6 | 9 => proto.int32_data.iter().map(|value| f64::from(*value)).collect(),
        7 => proto.int64_data.iter().map(|value| *value as f64).collect(),
        11 => proto.double_data.clone(),
        _ => return None,
    })
}
