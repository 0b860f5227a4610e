//! Which columns of a signature each input of a graph takes.

use std::sync::Arc;

use super::error::GraphError;
use super::program::GraphInput;
use super::tensor::{Kind, Tensor};
use crate::Signature;

/// Where a column of a graph's input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputColumn {
    /// Position among the numeric inputs, see [`crate::FeatureBlock::numeric`].
    Number(usize),
    /// Position among the category inputs, see [`crate::FeatureBlock::categories`].
    Category(usize),
}

/// One input of a graph as a runtime must be given it: `[N, columns]`, or `[N]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInput {
    /// Name in the graph.
    pub name: String,
    /// `TensorProto.DataType` of its elements: 1 float, 7 int64, 8 string, 11 double and so on.
    pub data_type: i32,
    /// Whether it has one dimension.
    pub is_vector: bool,
    /// Columns, in order.
    pub columns: Vec<InputColumn>,
}

/// Matches inputs with columns: first by name, then the remaining columns of each type to the one input that takes more.
pub(super) fn bind(inputs: &[GraphInput], signature: &Signature) -> Result<Vec<TensorInput>, GraphError> {
    let numbers: Vec<&str> = signature.numeric_inputs().map(|(_, input)| input.name.as_str()).collect();
    let texts: Vec<&str> = signature.category_inputs().map(|(_, input, _)| input.name.as_str()).collect();
    if inputs.len() > signature.inputs.len() {
        return Err(mismatch(inputs, signature));
    }
    let (mut free_numbers, mut free_texts) = (vec![true; numbers.len()], vec![true; texts.len()]);
    let mut bound: Vec<Option<Vec<InputColumn>>> = vec![None; inputs.len()];
    for (input, bound) in inputs.iter().zip(&mut bound) {
        let one = input.columns.is_none_or(|columns| columns == 1);
        let (names, free) =
            if input.kind == Kind::Text { (&texts, &mut free_texts) } else { (&numbers, &mut free_numbers) };
        if let Some(at) = names.iter().position(|name| *name == input.name).filter(|_| one) {
            free[at] = false;
            *bound =
                Some(vec![if input.kind == Kind::Text { InputColumn::Category(at) } else { InputColumn::Number(at) }]);
        }
    }
    let rest = |free: &[bool]| free.iter().enumerate().filter(|(_, free)| **free).map(|(at, _)| at).collect::<Vec<_>>();
    let (mut numbers_left, mut texts_left) = (rest(&free_numbers), rest(&free_texts));
    for (input, bound) in inputs.iter().zip(&mut bound).filter(|(_, bound)| bound.is_none()) {
        let is_text = input.kind == Kind::Text;
        let left = if is_text { &mut texts_left } else { &mut numbers_left };
        let count = input.columns.unwrap_or(left.len());
        if count > left.len() || count == 0 {
            return Err(mismatch(inputs, signature));
        }
        let taken = left.drain(..count);
        *bound =
            Some(taken.map(|at| if is_text { InputColumn::Category(at) } else { InputColumn::Number(at) }).collect());
    }
    if !numbers_left.is_empty() || !texts_left.is_empty() {
        return Err(mismatch(inputs, signature));
    }
    let named = inputs.iter().zip(bound);
    Ok(named
        .map(|(input, columns)| TensorInput {
            name: input.name.clone(),
            data_type: input.data_type,
            is_vector: input.is_vector,
            columns: columns.unwrap_or_default(),
        })
        .collect())
}

fn mismatch(inputs: &[GraphInput], signature: &Signature) -> GraphError {
    let describe = |input: &GraphInput| {
        let columns = input.columns.map_or_else(
            || "some columns".to_owned(),
            |columns| match columns {
                1 => "1 column".to_owned(),
                columns => format!("{columns} columns"),
            },
        );
        format!("`{}` ({columns} of {})", input.name, if input.kind == Kind::Text { "text" } else { "numbers" })
    };
    let mut expected: Vec<String> = inputs.iter().take(20).map(describe).collect();
    if inputs.len() > 20 {
        expected.push(format!("and {} more", inputs.len() - 20));
    }
    let found =
        format!("{} numbers and {} texts", signature.numeric_inputs().count(), signature.category_inputs().count());
    GraphError::Inputs { expected: expected.join(", "), found }
}

/// Texts of the codes of each category.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CategoryTexts {
    /// First design column of its indicators.
    pub(super) first: usize,
    /// Levels, then a text that no graph knows, which stands for every other.
    pub(super) texts: Vec<Arc<str>>,
}

/// A text that stands for a level that the model does not know.
const UNKNOWN_TEXT: &str = "\u{1}not a level of this model";

/// How design rows become the tensors of a graph.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Feed {
    pub(super) inputs: Vec<TensorInput>,
    pub(super) categories: Vec<CategoryTexts>,
    pub(super) width: usize,
}

impl Feed {
    pub(super) fn new(inputs: &[GraphInput], signature: &Signature) -> Result<Self, GraphError> {
        let mut first = signature.numeric_inputs().count();
        let categories = signature.category_inputs().map(|(_, _, levels)| {
            let texts = levels.iter().map(String::as_str).chain([UNKNOWN_TEXT]).map(Arc::from);
            let texts = CategoryTexts { first, texts: texts.collect() };
            first += levels.len() + 1;
            texts
        });
        Ok(Self { categories: categories.collect(), inputs: bind(inputs, signature)?, width: signature.design_width() })
    }

    /// The tensors of some design rows.
    pub(super) fn tensors(&self, rows: &[f32]) -> Vec<Tensor> {
        let count = rows.len() / self.width.max(1);
        let empty: Arc<str> = Arc::from("");
        let text = |row: &[f32], category: usize| {
            let Some(CategoryTexts { first, texts }) = self.categories.get(category) else { return Arc::clone(&empty) };
            let set = (0..texts.len()).find(|at| row.get(first + at).is_some_and(|value| *value != 0.0));
            set.map_or_else(|| Arc::clone(&empty), |at| Arc::clone(&texts[at]))
        };
        let tensor = |input: &TensorInput| {
            let shape = if input.is_vector { vec![count] } else { vec![count, input.columns.len()] };
            let cells = || {
                rows.chunks_exact(self.width.max(1))
                    .flat_map(|row| input.columns.iter().map(move |column| (row, column)))
            };
            match Kind::of(input.data_type) {
                Some(Kind::Text) => {
                    let texts = cells().map(|(row, column)| match column {
                        InputColumn::Category(at) => text(row, *at),
                        InputColumn::Number(_) => Arc::clone(&empty),
                    });
                    Tensor::texts(shape, texts.collect())
                }
                kind => {
                    let numbers = cells().map(|(row, column)| match column {
                        InputColumn::Number(at) => row.get(*at).map_or(f64::NAN, |value| f64::from(*value)),
                        InputColumn::Category(_) => f64::NAN,
                    });
                    Tensor::numbers(kind.unwrap_or(Kind::Float), shape, numbers.collect())
                }
            }
        };
        self.inputs.iter().map(tensor).collect()
    }
}
