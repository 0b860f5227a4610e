//! Models of other tools in onnxruntime: their inputs are what they are, and one column of one output is the probability.

use bellwether_models::graph::{ForeignModel, InputColumn, TensorInput};
use bellwether_models::{FeatureBlock, HeadScores};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor};

use crate::error::InferError;

use super::onnxruntime::failed;

/// Runs a batch. `texts`: per category input, the text of each code.
pub(super) fn score(
    target: &str,
    model: &ForeignModel,
    texts: &[Vec<String>],
    session: &mut Session,
    block: &FeatureBlock,
) -> Result<HeadScores, InferError> {
    let mut tensors: Vec<(String, SessionInputValue<'static>)> = Vec::with_capacity(model.inputs.len());
    for input in &model.inputs {
        tensors.push((input.name.clone(), tensor(target, input, texts, block)?));
    }
    let outputs = session.run(tensors).map_err(|error| failed(target, "cannot score", error))?;
    let value = outputs.get(model.tensor.as_str()).ok_or_else(|| failed(target, "has no output", &model.tensor))?;
    let (count, values) = numbers(target, value)?;
    let columns = values.len().checked_div(block.rows).unwrap_or(1);
    if count != block.rows || model.column >= columns || columns * block.rows != values.len() {
        return Err(failed(target, "gives another number of rows", format!("{count} rows, {} values", values.len())));
    }
    let probability = |row: usize| values[row * columns + model.column].clamp(0.0, 1.0);
    let probability: Vec<f64> = (0..block.rows).map(probability).collect();
    let (margin, low, high) = (probability.clone(), probability.clone(), probability.clone());
    Ok(HeadScores { margin, probability, low, high })
}

/// Rows and all values of a float or double tensor.
fn numbers(target: &str, value: &DynValue) -> Result<(usize, Vec<f64>), InferError> {
    if let Ok((shape, values)) = value.try_extract_tensor::<f32>() {
        let rows = shape.first().copied().unwrap_or(0);
        return Ok((usize::try_from(rows).unwrap_or(0), values.iter().map(|value| f64::from(*value)).collect()));
    }
    let found = value.try_extract_tensor::<f64>();
    let (shape, values) = found.map_err(|error| failed(target, "gives another type", error))?;
    Ok((usize::try_from(shape.first().copied().unwrap_or(0)).unwrap_or(0), values.to_vec()))
}

fn tensor(
    target: &str,
    input: &TensorInput,
    texts: &[Vec<String>],
    block: &FeatureBlock,
) -> Result<SessionInputValue<'static>, InferError> {
    let fail = |error: ort::Error| failed(target, "cannot take the rows", error);
    let shape = if input.is_vector { vec![block.rows] } else { vec![block.rows, input.columns.len()] };
    let cells = || (0..block.rows).flat_map(|row| input.columns.iter().map(move |column| (row, *column)));
    if input.data_type == 8 {
        let text = |(row, column): (usize, InputColumn)| match column {
            InputColumn::Category(at) => texts[at].get(block.categories[at][row] as usize).cloned().unwrap_or_default(),
            InputColumn::Number(_) => String::new(),
        };
        let texts: Vec<String> = cells().map(text).collect();
        return Ok(Tensor::from_string_array((shape, texts.as_slice())).map_err(fail)?.into());
    }
    let number = |(row, column): (usize, InputColumn)| match column {
        InputColumn::Number(at) => block.numeric[at][row],
        InputColumn::Category(_) => f32::NAN,
    };
    let numbers = cells().map(number);
    Ok(match input.data_type {
        1 => Tensor::from_array((shape, numbers.collect::<Vec<f32>>())).map_err(fail)?.into(),
        11 => Tensor::from_array((shape, numbers.map(f64::from).collect::<Vec<f64>>())).map_err(fail)?.into(),
        7 => Tensor::from_array((shape, numbers.map(|value| value as i64).collect::<Vec<i64>>())).map_err(fail)?.into(),
        6 => Tensor::from_array((shape, numbers.map(|value| value as i32).collect::<Vec<i32>>())).map_err(fail)?.into(),
        9 => {
            Tensor::from_array((shape, numbers.map(|value| value != 0.0).collect::<Vec<bool>>())).map_err(fail)?.into()
        }
        other => {
            return Err(failed(target, "wants an input of a type that is not given", format!("data type {other}")));
        }
    })
}
