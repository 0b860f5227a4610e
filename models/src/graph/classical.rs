//! Operators of `ai.onnx.ml` other than tree ensembles.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::GraphError;
use super::forest::PostTransform;
use super::layout::gather;
use super::tensor::{Kind, Tensor, Values, element_count};

fn malformed(place: &str, expected: impl ToString, found: impl ToString) -> GraphError {
    GraphError::malformed(place, expected, found)
}

/// The element of a list for a column; a list of one is for all.
fn of_column<T: Copy>(list: &[T], column: usize) -> Option<T> {
    if list.len() == 1 { list.first().copied() } else { list.get(column).copied() }
}

/// `Imputer`: `replaced`, which may be NaN, becomes the column's value.
pub(super) fn impute(input: &Tensor, values: &[f64], replaced: f64) -> Result<Tensor, GraphError> {
    let (_, columns) = input.matrix();
    if values.len() != 1 && values.len() != columns {
        return Err(malformed("Imputer", format!("1 or {columns} values"), values.len()));
    }
    let is_replaced = |value: f64| if replaced.is_nan() { value.is_nan() } else { value == replaced };
    let filled = input.as_numbers()?.iter().enumerate().map(|(at, value)| {
        if is_replaced(*value) { of_column(values, at % columns).unwrap_or(*value) } else { *value }
    });
    Ok(Tensor::numbers(input.kind, input.shape.clone(), filled.collect()))
}

/// `Scaler`: `(x - offset) * scale` in 32-bit floats.
pub(super) fn scale(input: &Tensor, offset: &[f64], scale: &[f64]) -> Result<Tensor, GraphError> {
    let (_, columns) = input.matrix();
    for list in [offset, scale] {
        if list.len() != 1 && list.len() != columns {
            return Err(malformed("Scaler", format!("1 or {columns} numbers"), list.len()));
        }
    }
    let scaled = input.as_numbers()?.iter().enumerate().map(|(at, value)| {
        let column = at % columns;
        let moved = Kind::Float.round(value - of_column(offset, column).unwrap_or(0.0));
        moved * of_column(scale, column).unwrap_or(1.0)
    });
    Ok(Tensor::numbers(Kind::Float, input.shape.clone(), scaled.collect()))
}

/// How `Normalizer` measures a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Norm {
    Max,
    L1,
    L2,
}

/// `Normalizer`: each row divided by its norm; a row of norm 0 stays.
pub(super) fn normalise(input: &Tensor, norm: Norm) -> Result<Tensor, GraphError> {
    let (_, columns) = input.matrix();
    let mut values = input.as_numbers()?.to_vec();
    for row in values.chunks_mut(columns.max(1)) {
        let size = match norm {
            Norm::Max => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Norm::L1 => row.iter().map(|value| value.abs()).sum(),
            // Squares that a float cannot hold are none, as in onnxruntime.
            Norm::L2 => row.iter().map(|value| Kind::Float.round(value * value)).sum::<f64>().sqrt(),
        };
        if size != 0.0 {
            row.iter_mut().for_each(|value| *value /= size);
        }
    }
    Ok(Tensor::numbers(Kind::Float, input.shape.clone(), values))
}

/// `ArrayFeatureExtractor`: elements of the last dimension; a vector is one row.
pub(super) fn extract(input: &Tensor, indices: &Tensor) -> Result<Tensor, GraphError> {
    let input = if input.shape.len() == 1 { input.reshaped(vec![1, input.len()])? } else { input.clone() };
    let indices = indices.as_integers()?;
    if indices.is_empty() || indices.iter().any(|index| *index < 0) {
        return Err(malformed("ArrayFeatureExtractor", "indices from 0", format!("{indices:?}")));
    }
    gather(&input, &indices, &[indices.len()], -1)
}

/// Known values of a category.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Categories {
    Texts(Vec<Arc<str>>),
    Integers(Vec<i64>),
}

/// `OneHotEncoder`: one more dimension of indicators; an unknown value is all zeros, or an error.
pub(super) fn one_hot(input: &Tensor, categories: &Categories, zeros: bool) -> Result<Tensor, GraphError> {
    let width = match categories {
        Categories::Texts(list) => list.len(),
        Categories::Integers(list) => list.len(),
    };
    let mut shape = input.shape.clone();
    shape.push(width);
    let mut out = vec![0.0; element_count(&shape)?];
    for at in 0..input.len() {
        let found = match (categories, &input.values) {
            (Categories::Texts(list), Values::Texts(values)) => list.iter().position(|one| *one == values[at]),
            (Categories::Integers(list), Values::Numbers(values)) => {
                // Numbers are cut to whole ones first, as onnxruntime does.
                let value = values[at].trunc();
                list.iter().position(|one| *one as f64 == value)
            }
            _ => return Err(malformed("OneHotEncoder", "values of the type of its categories", "another type")),
        };
        match found {
            Some(position) => out[at * width + position] = 1.0,
            None if zeros => {}
            None => {
                return Err(malformed(
                    "OneHotEncoder",
                    "a known category (its `zeros` is 0, so it refuses any other: export it with handle_unknown=\"ignore\")",
                    "another",
                ));
            }
        }
    }
    Ok(Tensor::numbers(Kind::Float, shape, out))
}

/// `LabelEncoder` from texts or whole numbers to texts or numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Labels {
    pub(super) from_texts: HashMap<Arc<str>, usize>,
    /// By the bits of the number; every NaN is one key.
    pub(super) from_numbers: HashMap<u64, usize>,
    pub(super) to: Tensor,
    /// One element.
    pub(super) otherwise: Tensor,
}

/// One key for each number: -0 is 0, every NaN is the same.
pub(super) fn number_key(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

impl Labels {
    pub(super) fn apply(&self, input: &Tensor) -> Result<Tensor, GraphError> {
        let places: Vec<Option<usize>> = match &input.values {
            Values::Texts(values) => values.iter().map(|text| self.from_texts.get(text).copied()).collect(),
            Values::Numbers(values) => {
                values.iter().map(|value| self.from_numbers.get(&number_key(*value)).copied()).collect()
            }
        };
        let values = match (&self.to.values, &self.otherwise.values) {
            (Values::Numbers(to), Values::Numbers(otherwise)) => {
                Values::Numbers(places.iter().map(|place| place.map_or(otherwise[0], |at| to[at])).collect())
            }
            (Values::Texts(to), Values::Texts(otherwise)) => {
                let text = |place: &Option<usize>| Arc::clone(place.map_or(&otherwise[0], |at| &to[at]));
                Values::Texts(places.iter().map(text).collect())
            }
            _ => return Err(malformed("LabelEncoder", "a default of the type of its values", "another type")),
        };
        Ok(Tensor { kind: self.to.kind, shape: input.shape.clone(), values })
    }
}

/// `LinearClassifier` or `LinearRegressor`: one row of coefficients per target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weighted {
    /// Row-major, `targets` rows.
    pub(super) coefficients: Vec<f64>,
    pub(super) intercepts: Vec<f64>,
    pub(super) targets: usize,
    pub(super) post: PostTransform,
    /// Two classes and one row: the second column is the score.
    pub(super) one_score: bool,
}

impl Weighted {
    /// Features per target.
    pub(super) fn features(&self) -> usize {
        self.coefficients.len() / self.targets.max(1)
    }

    pub(super) fn apply(&self, input: &Tensor) -> Result<Tensor, GraphError> {
        let (rows, columns) = input.matrix();
        let features = self.features();
        if features != columns || features * self.targets != self.coefficients.len() {
            return Err(malformed("coefficients", format!("{columns} for each target"), features));
        }
        let width = if self.one_score { 2 } else { self.targets };
        element_count(&[rows, width])?;
        let values = input.as_numbers()?;
        let mut out = Vec::with_capacity(rows * width);
        for row in values.chunks(columns.max(1)) {
            let score = |target: usize| {
                let weights = &self.coefficients[target * features..(target + 1) * features];
                let sum: f64 = row.iter().zip(weights).map(|(value, weight)| value * weight).sum();
                sum + self.intercepts.get(target).copied().unwrap_or(0.0)
            };
            let mut scores: Vec<f64> = (0..self.targets).map(score).collect();
            if self.one_score {
                let is_logistic = self.post == PostTransform::Logistic;
                let positive = if is_logistic { crate::sigmoid(scores[0]) } else { scores[0] };
                out.extend([1.0 - positive, positive]);
            } else {
                self.post.apply(&mut scores);
                out.extend(scores);
            }
        }
        Ok(Tensor::numbers(Kind::Float, vec![rows, width], out))
    }
}
