//! onnxruntime as the engine: one session per target, over the ONNX file that is in the bundle.
//!
//! The graph takes one float tensor `numeric` of shape `[N, F]` (NaN is missing) and one string tensor of shape `[N, 1]`
//! per category input (the empty text is missing), and gives `margin`, `probability`, `low` and `high`, each a double
//! tensor of `[N, 1]`. A session runs one batch at a time and uses the threads that the run was given.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bellwether_models::graph::{ForeignModel, with_output};
use bellwether_models::{Bundle, FeatureBlock, HeadScores, Signature};
use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;

use super::{Engine, foreign, library};
use crate::error::InferError;

/// Sessions of all targets.
pub(crate) struct OnnxRuntimeEngine {
    signature: Signature,
    /// Per category input, the text of each code: levels, "other", missing.
    texts: Vec<Vec<String>>,
    sessions: Vec<(String, Mutex<Session>)>,
    /// Per target, how a model of another tool is run.
    foreign: Vec<Option<ForeignModel>>,
    library: String,
}

/// An input or output error of onnxruntime for one target.
pub(super) fn failed(target: &str, action: &'static str, reason: impl std::fmt::Display) -> InferError {
    InferError::OnnxRuntime { target: target.to_owned(), action, reason: reason.to_string() }
}

impl OnnxRuntimeEngine {
    /// Loads the library and the model of each target.
    pub(crate) fn start(bundle: &Bundle, asked: Option<&Path>, threads: usize) -> Result<Self, InferError> {
        let path = library::find(asked)?;
        let environment = environment(&path)?;
        let (mut sessions, mut foreign) = (Vec::new(), Vec::new());
        for head in bundle.heads() {
            let target = head.target.as_str();
            let model = bundle.foreign(target).filter(|model| !model.is_ours());
            let bytes = bundle.onnx(target).ok_or_else(|| failed(target, "has no model", "not in the bundle"))?;
            let session = open_session(&environment, target, bytes, model, threads)?;
            sessions.push((head.target.clone(), Mutex::new(session)));
            foreign.push(model.cloned());
        }
        let signature = bundle.signature().clone();
        let texts = signature.category_inputs().map(|(_, _, levels)| texts_of_codes(levels)).collect();
        let library = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { signature, texts, sessions, foreign, library })
    }

    /// The block as tensors, for the inputs that a session has.
    fn tensors(
        &self,
        target: &str,
        session: &Session,
        block: &FeatureBlock,
    ) -> Result<Vec<(String, SessionInputValue<'static>)>, InferError> {
        let fail = |error: ort::Error| failed(target, "cannot take the rows", error);
        let mut tensors = Vec::new();
        for input in session.inputs() {
            let name = input.name();
            let position = self.signature.category_inputs().position(|(_, input, _)| input.name == name);
            let value: SessionInputValue<'static> = match position {
                Some(position) => {
                    let text = |code: &u32| self.texts[position].get(*code as usize).cloned().unwrap_or_default();
                    let texts: Vec<String> = block.categories[position].iter().map(text).collect();
                    Tensor::from_string_array(([block.rows, 1], texts.as_slice())).map_err(fail)?.into()
                }
                None if name == "numeric" => {
                    let shape = [block.rows, block.numeric.len()];
                    Tensor::from_array((shape, row_major(block))).map_err(fail)?.into()
                }
                None => return Err(failed(target, "wants an input that the signature has not", name)),
            };
            tensors.push((name.to_owned(), value));
        }
        Ok(tensors)
    }
}

impl Engine for OnnxRuntimeEngine {
    fn name(&self) -> String {
        format!("onnxruntime ({})", self.library)
    }

    fn score(&self, block: &FeatureBlock) -> Result<Vec<HeadScores>, InferError> {
        let run = |((target, session), foreign): (&(String, Mutex<Session>), &Option<ForeignModel>)| {
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(model) = foreign {
                return foreign::score(target, model, &self.texts, &mut session, block);
            }
            let tensors = self.tensors(target, &session, block)?;
            let outputs = session.run(tensors).map_err(|error| failed(target, "cannot score", error))?;
            let column = |name: &'static str| -> Result<Vec<f64>, InferError> {
                let value = outputs.get(name).ok_or_else(|| failed(target, "has no output", name))?;
                let (_, values) =
                    value.try_extract_tensor::<f64>().map_err(|error| failed(target, "gives another type", error))?;
                if values.len() != block.rows {
                    let reason = format!("{name}: expected {} rows, found {}", block.rows, values.len());
                    return Err(failed(target, "gives another number of rows", reason));
                }
                Ok(values.to_vec())
            };
            Ok(HeadScores {
                margin: column("margin")?,
                probability: column("probability")?,
                low: column("low")?,
                high: column("high")?,
            })
        };
        self.sessions.iter().zip(&self.foreign).map(run).collect()
    }
}

/// The environment of the process: onnxruntime allows one, so it is made once, and with one library.
fn environment(path: &Path) -> Result<Environment, InferError> {
    static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);
    let broken = |reason: String| InferError::OnnxRuntimeLoad { path: path.to_path_buf(), reason };
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((first, environment)) = loaded.as_ref() {
        if first == path {
            return Ok(environment.clone());
        }
        return Err(broken(format!("this process has already loaded {}", first.display())));
    }
    let builder = ort::init_from(path).map_err(|error| broken(error.to_string()))?;
    let environment =
        builder.with_name("bellwether").with_telemetry(false).build().map_err(|error| broken(error.to_string()))?;
    *loaded = Some((path.to_path_buf(), environment.clone()));
    Ok(environment)
}

/// The probabilities of a model of another tool that is in no bundle yet: what becomes its golden rows.
///
/// # Errors
/// [`InferError::OnnxRuntimeMissing`], [`InferError::OnnxRuntimeLoad`], [`InferError::OnnxRuntime`].
pub fn foreign_probabilities(
    signature: &Signature,
    model: &ForeignModel,
    bytes: &[u8],
    block: &FeatureBlock,
    asked: Option<&Path>,
) -> Result<Vec<f64>, InferError> {
    let environment = environment(&library::find(asked)?)?;
    let target = model.head.target.as_str();
    let mut session = open_session(&environment, target, bytes, Some(model), 1)?;
    let texts: Vec<Vec<String>> = signature.category_inputs().map(|(_, _, levels)| texts_of_codes(levels)).collect();
    Ok(foreign::score(target, model, &texts, &mut session, block)?.probability)
}

fn open_session(
    environment: &Environment,
    target: &str,
    bytes: &[u8],
    foreign: Option<&ForeignModel>,
    threads: usize,
) -> Result<Session, InferError> {
    let patched;
    let model = match foreign.filter(|model| model.tensor != model.output) {
        None => bytes,
        Some(model) => {
            patched = with_output(bytes, &model.tensor);
            &patched
        }
    };
    let builder = Session::builder(environment).map_err(|error| failed(target, "cannot start", error))?;
    let mut builder = builder.with_intra_threads(threads).map_err(|error| failed(target, "cannot start", error))?;
    builder.commit_from_memory(model).map_err(|error| failed(target, "refuses the model", error))
}

/// Column after column becomes row after row.
fn row_major(block: &FeatureBlock) -> Vec<f32> {
    let width = block.numeric.len();
    let mut values = vec![0.0; block.rows * width];
    for (column, numbers) in block.numeric.iter().enumerate() {
        for (row, number) in numbers.iter().enumerate() {
            values[row * width + column] = *number;
        }
    }
    values
}

/// The text of each code: the levels, a text that is no level, and the empty text for a missing value.
fn texts_of_codes(levels: &[String]) -> Vec<String> {
    let mut other = "other".to_owned();
    while levels.contains(&other) {
        other.push('_');
    }
    levels.iter().cloned().chain([other, String::new()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_is_never_a_level() {
        let levels = ["a".to_owned(), "other".to_owned(), "other_".to_owned()];
        assert_eq!(texts_of_codes(&levels), ["a", "other", "other_", "other__", ""]);
    }

    #[test]
    fn columns_become_rows() {
        let block = FeatureBlock { rows: 2, numeric: vec![vec![1.0, 2.0], vec![3.0, 4.0]], categories: vec![] };
        assert_eq!(row_major(&block), [1.0, 3.0, 2.0, 4.0]);
    }
}
