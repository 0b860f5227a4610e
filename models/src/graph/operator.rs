//! The operators that the native engine runs: read once, with every attribute accounted for, then applied.

use std::collections::HashMap;
use std::sync::Arc;

use super::attributes::Attributes;
use super::classical::{self, Categories, Labels, Norm, Weighted, number_key};
use super::elementwise::{self, Binary, Unary};
use super::error::GraphError;
use super::forest::{self, Forest, PostTransform};
use super::layout::{self, Reduction};
use super::tensor::{Kind, Tensor, element_count};

/// An operator with its attributes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operator {
    Same,
    Constant(Tensor),
    Unary(Unary),
    Binary(Binary),
    /// `Mean`.
    Average,
    Cast(Kind),
    Clip {
        least: Option<f64>,
        greatest: Option<f64>,
    },
    Where,
    Concat {
        axis: i64,
    },
    Gather {
        axis: i64,
    },
    /// Starts, ends, axes of version 1; later versions have them as inputs.
    Slice(Option<[Vec<i64>; 3]>),
    Reshape {
        shape: Option<Vec<i64>>,
        zero_is_zero: bool,
    },
    Squeeze(Vec<i64>),
    Unsqueeze(Vec<i64>),
    Flatten {
        axis: i64,
    },
    Transpose(Vec<i64>),
    Expand,
    Shape,
    ConstantOfShape(Tensor),
    Reduce {
        reduction: Reduction,
        axes: Vec<i64>,
        keep: bool,
        none_is_none: bool,
    },
    Softmax {
        axis: i64,
        flat: bool,
    },
    MatMul,
    Gemm {
        alpha: f64,
        beta: f64,
        transpose_left: bool,
        transpose_right: bool,
    },
    Binarizer {
        threshold: f64,
    },
    Extract,
    Imputer {
        values: Vec<f64>,
        replaced: f64,
    },
    Scaler {
        offset: Vec<f64>,
        scale: Vec<f64>,
    },
    Normalizer(Norm),
    OneHot {
        categories: Categories,
        zeros: bool,
    },
    Labels(Labels),
    Weighted(Weighted),
    Forest(Forest),
}

/// Domain of the classical operators.
pub(super) const ML_DOMAIN: &str = "ai.onnx.ml";

/// Which output of an operator is the one that is computed: classifiers give their label first.
pub(super) fn computed_output(operator: &str) -> usize {
    usize::from(matches!(operator, "TreeEnsembleClassifier" | "LinearClassifier"))
}

impl Operator {
    /// Reads a node.
    ///
    /// # Errors
    /// [`GraphError::Unsupported`] that names operator and attribute; [`GraphError::Malformed`].
    pub(super) fn read(attributes: &Attributes<'_>) -> Result<Self, GraphError> {
        let name = attributes.node.op_type.as_str();
        let operator = match attributes.node.domain.as_str() {
            "" | "ai.onnx" => read_default(attributes, name)?,
            ML_DOMAIN => read_classical(attributes, name)?,
            _ => None,
        };
        let operator = operator.ok_or_else(|| attributes.unsupported("this operator"))?;
        if !matches!(operator, Self::Forest(_)) {
            attributes.finish()?;
        }
        Ok(operator)
    }

    /// Runs it. `inputs`: `None` where an optional one is left out.
    pub(super) fn apply(&self, inputs: &[Option<&Tensor>]) -> Result<Tensor, GraphError> {
        let optional = |at: usize| inputs.get(at).copied().flatten();
        let input = |at: usize| {
            optional(at).ok_or_else(|| GraphError::malformed("inputs", format!("at least {}", at + 1), inputs.len()))
        };
        let list = |at: usize| optional(at).map(Tensor::as_integers).transpose();
        match self {
            Self::Same => input(0).cloned(),
            Self::Constant(value) => Ok(value.clone()),
            Self::Unary(unary) => unary.apply(input(0)?),
            Self::Binary(binary) => {
                let mut all = inputs.iter().flatten();
                let first = all.next().map_or_else(|| input(0).cloned(), |first| Ok((*first).clone()))?;
                all.try_fold(first, |left, right| binary.apply(&left, right))
            }
            Self::Average => {
                let sum = Self::Binary(Binary::Add).apply(inputs)?;
                let count = Tensor::numbers(sum.kind, vec![], vec![inputs.len() as f64]);
                Binary::Div.apply(&sum, &count)
            }
            Self::Cast(kind) => elementwise::cast(input(0)?, *kind),
            Self::Clip { least, greatest } => {
                let bound = |at: usize, attribute: &Option<f64>| -> Result<Option<f64>, GraphError> {
                    Ok(optional(at).map(Tensor::as_numbers).transpose()?.and_then(|list| list.first().copied()))
                        .map(|found| found.or(*attribute))
                };
                elementwise::clip(input(0)?, bound(1, least)?, bound(2, greatest)?)
            }
            Self::Where => elementwise::choose(input(0)?, input(1)?, input(2)?),
            Self::Concat { axis } => layout::concat(&inputs.iter().flatten().copied().collect::<Vec<_>>(), *axis),
            Self::Gather { axis } => {
                let indices = input(1)?;
                layout::gather(input(0)?, &indices.as_integers()?, &indices.shape, *axis)
            }
            Self::Slice(Some([starts, ends, axes])) => layout::slice(input(0)?, starts, ends, axes, &[]),
            Self::Slice(None) => {
                let (starts, ends) = (input(1)?.as_integers()?, input(2)?.as_integers()?);
                let (axes, steps) = (list(3)?.unwrap_or_default(), list(4)?.unwrap_or_default());
                layout::slice(input(0)?, &starts, &ends, &axes, &steps)
            }
            Self::Reshape { shape: Some(shape), zero_is_zero } => layout::reshape(input(0)?, shape, *zero_is_zero),
            Self::Reshape { shape: None, zero_is_zero } => {
                layout::reshape(input(0)?, &input(1)?.as_integers()?, *zero_is_zero)
            }
            Self::Squeeze(axes) => layout::squeeze(input(0)?, &list(1)?.unwrap_or_else(|| axes.clone())),
            Self::Unsqueeze(axes) => layout::unsqueeze(input(0)?, &list(1)?.unwrap_or_else(|| axes.clone())),
            Self::Flatten { axis } => layout::flatten(input(0)?, *axis),
            Self::Transpose(order) => layout::transpose(input(0)?, order),
            Self::Expand => layout::expand(input(0)?, &input(1)?.as_integers()?),
            Self::Shape => {
                let shape: Vec<f64> = input(0)?.shape.iter().map(|side| *side as f64).collect();
                Ok(Tensor::numbers(Kind::Integer, vec![shape.len()], shape))
            }
            Self::ConstantOfShape(value) => {
                let shape = input(0)?.as_integers()?;
                let sides = shape.iter().map(|side| usize::try_from(*side)).collect::<Result<Vec<_>, _>>();
                let sides = sides.map_err(|_| GraphError::malformed("ConstantOfShape", "sides from 0", shape.len()))?;
                let number = value.as_numbers()?.first().copied().unwrap_or(0.0);
                let count = element_count(&sides)?;
                Ok(Tensor::numbers(value.kind, sides, vec![number; count]))
            }
            Self::Reduce { reduction, axes, keep, none_is_none } => {
                let axes = list(1)?.unwrap_or_else(|| axes.clone());
                if axes.is_empty() && *none_is_none {
                    return input(0).cloned();
                }
                reduction.apply(input(0)?, &axes, *keep)
            }
            Self::Softmax { axis, flat } => {
                let given = input(0)?;
                let axis = layout::axis_of(*axis, given.shape.len())?;
                if !flat {
                    return layout::softmax(given, axis);
                }
                let flattened = layout::flatten(given, axis as i64)?;
                layout::softmax(&flattened, 1)?.reshaped(given.shape.clone())
            }
            Self::MatMul => layout::matrix_product(input(0)?, input(1)?, 1.0),
            Self::Gemm { alpha, beta, transpose_left, transpose_right } => {
                let turned = |tensor: &Tensor, turn: bool| {
                    if turn { layout::transpose(tensor, &[]) } else { Ok(tensor.clone()) }
                };
                let (left, right) = (turned(input(0)?, *transpose_left)?, turned(input(1)?, *transpose_right)?);
                let product = layout::matrix_product(&left, &right, *alpha)?;
                match optional(2) {
                    None => Ok(product),
                    Some(added) => {
                        let beta = Tensor::numbers(added.kind, vec![], vec![*beta]);
                        Binary::Add.apply(&product, &Binary::Mul.apply(added, &beta)?)
                    }
                }
            }
            Self::Binarizer { threshold } => {
                let given = input(0)?;
                let above = given.as_numbers()?.iter().map(|value| f64::from(u8::from(value > threshold)));
                Ok(Tensor::numbers(given.kind, given.shape.clone(), above.collect()))
            }
            Self::Extract => classical::extract(input(0)?, input(1)?),
            Self::Imputer { values, replaced } => classical::impute(input(0)?, values, *replaced),
            Self::Scaler { offset, scale } => classical::scale(input(0)?, offset, scale),
            Self::Normalizer(norm) => classical::normalise(input(0)?, *norm),
            Self::OneHot { categories, zeros } => classical::one_hot(input(0)?, categories, *zeros),
            Self::Labels(labels) => labels.apply(input(0)?),
            Self::Weighted(weighted) => weighted.apply(input(0)?),
            Self::Forest(forest) => forest.apply(input(0)?),
        }
    }
}

fn read_default(attributes: &Attributes<'_>, name: &str) -> Result<Option<Operator>, GraphError> {
    let version = attributes.version;
    // Before version 7, broadcasting had to be asked for.
    attributes.ignore(&["consumed_inputs"]);
    if let Some(unary) = Unary::of_name(name) {
        return Ok(Some(Operator::Unary(unary)));
    }
    if let Some(binary) = Binary::of_name(name) {
        return Ok(Some(Operator::Binary(binary)));
    }
    if let Some(reduction) = Reduction::of_name(name) {
        let is_place = matches!(reduction, Reduction::ArgMax | Reduction::ArgMin);
        if is_place && attributes.integer("select_last_index", 0) != 0 {
            return Err(attributes.unsupported("attribute `select_last_index`"));
        }
        let axes = if is_place { vec![attributes.integer("axis", 0)] } else { attributes.integers("axes").to_vec() };
        let none_is_none = !is_place && attributes.integer("noop_with_empty_axes", 0) != 0;
        let keep = attributes.integer("keepdims", 1) != 0;
        return Ok(Some(Operator::Reduce { reduction, axes, keep, none_is_none }));
    }
    Ok(Some(match name {
        "Identity" => Operator::Same,
        "Constant" => read_constant(attributes)?,
        "Mean" => Operator::Average,
        "Cast" => {
            attributes.ignore(&["saturate", "round_mode"]);
            let to = attributes.integer("to", 0);
            let kind = i32::try_from(to).ok().and_then(Kind::of);
            Operator::Cast(kind.ok_or_else(|| attributes.unsupported(format!("attribute `to` = {to}")))?)
        }
        "Clip" => Operator::Clip {
            least: attributes.find("min").and_then(|found| found.f).map(f64::from),
            greatest: attributes.find("max").and_then(|found| found.f).map(f64::from),
        },
        "Where" => Operator::Where,
        "Concat" => Operator::Concat { axis: attributes.integer("axis", 1) },
        "Gather" => Operator::Gather { axis: attributes.integer("axis", 0) },
        "Slice" if version < 10 => Operator::Slice(Some(["starts", "ends", "axes"].map(|name| match name {
            "starts" => attributes.integers("starts").to_vec(),
            "ends" => attributes.integers("ends").to_vec(),
            _ => attributes.integers("axes").to_vec(),
        }))),
        "Slice" => Operator::Slice(None),
        "Reshape" => Operator::Reshape {
            shape: attributes.has("shape").then(|| attributes.integers("shape").to_vec()),
            zero_is_zero: attributes.integer("allowzero", 0) != 0,
        },
        "Squeeze" => Operator::Squeeze(attributes.integers("axes").to_vec()),
        "Unsqueeze" => Operator::Unsqueeze(attributes.integers("axes").to_vec()),
        "Flatten" => Operator::Flatten { axis: attributes.integer("axis", 1) },
        "Transpose" => Operator::Transpose(attributes.integers("perm").to_vec()),
        "Expand" => Operator::Expand,
        "Shape" => Operator::Shape,
        "ConstantOfShape" => Operator::ConstantOfShape(
            attributes.tensor("value")?.unwrap_or_else(|| Tensor::numbers(Kind::Float, vec![1], vec![0.0])),
        ),
        "Softmax" => {
            let flat = version < 13;
            Operator::Softmax { axis: attributes.integer("axis", if flat { 1 } else { -1 }), flat }
        }
        "MatMul" => Operator::MatMul,
        "Gemm" => Operator::Gemm {
            alpha: f64::from(attributes.float("alpha", 1.0)),
            beta: f64::from(attributes.float("beta", 1.0)),
            transpose_left: attributes.integer("transA", 0) != 0,
            transpose_right: attributes.integer("transB", 0) != 0,
        },
        _ => return Ok(None),
    }))
}

fn read_constant(attributes: &Attributes<'_>) -> Result<Operator, GraphError> {
    if let Some(value) = attributes.tensor("value")? {
        return Ok(Operator::Constant(value));
    }
    let number = |kind, value: f64| Ok(Operator::Constant(Tensor::numbers(kind, vec![], vec![value])));
    if let Some(value) = attributes.find("value_float").and_then(|found| found.f) {
        return number(Kind::Float, f64::from(value));
    }
    if let Some(value) = attributes.find("value_int").and_then(|found| found.i) {
        return number(Kind::Integer, value as f64);
    }
    if attributes.has("value_floats") {
        let values = attributes.floats("value_floats");
        return Ok(Operator::Constant(Tensor::numbers(Kind::Float, vec![values.len()], values)));
    }
    if attributes.has("value_ints") {
        let values: Vec<f64> = attributes.integers("value_ints").iter().map(|value| *value as f64).collect();
        return Ok(Operator::Constant(Tensor::numbers(Kind::Integer, vec![values.len()], values)));
    }
    Err(attributes.unsupported("a constant without `value`"))
}

fn read_classical(attributes: &Attributes<'_>, name: &str) -> Result<Option<Operator>, GraphError> {
    Ok(Some(match name {
        "ArrayFeatureExtractor" => Operator::Extract,
        "Binarizer" => Operator::Binarizer { threshold: f64::from(attributes.float("threshold", 0.0)) },
        "Imputer" => read_imputer(attributes),
        "Scaler" => {
            let given = |name: &'static str, default: f64| {
                let list = attributes.floats(name);
                if list.is_empty() { vec![default] } else { list }
            };
            Operator::Scaler { offset: given("offset", 0.0), scale: given("scale", 1.0) }
        }
        "Normalizer" => match attributes.text("norm", "MAX").as_str() {
            "MAX" => Operator::Normalizer(Norm::Max),
            "L1" => Operator::Normalizer(Norm::L1),
            "L2" => Operator::Normalizer(Norm::L2),
            other => return Err(attributes.unsupported(format!("norm `{other}`"))),
        },
        "OneHotEncoder" => {
            let texts = attributes.texts("cats_strings");
            let integers = attributes.integers("cats_int64s").to_vec();
            let categories =
                if integers.is_empty() { Categories::Texts(texts) } else { Categories::Integers(integers) };
            Operator::OneHot { categories, zeros: attributes.integer("zeros", 1) != 0 }
        }
        "LabelEncoder" => read_labels(attributes)?,
        "LinearClassifier" => read_weighted(attributes, true)?,
        "LinearRegressor" => read_weighted(attributes, false)?,
        "TreeEnsembleClassifier" => Operator::Forest(forest::read_classifier(attributes)?),
        "TreeEnsembleRegressor" => Operator::Forest(forest::read_regressor(attributes)?),
        "TreeEnsemble" => Operator::Forest(forest::read_version_5(attributes)?),
        _ => return Ok(None),
    }))
}

fn read_imputer(attributes: &Attributes<'_>) -> Operator {
    let floats = attributes.floats("imputed_value_floats");
    if floats.is_empty() {
        let values = attributes.integers("imputed_value_int64s").iter().map(|value| *value as f64).collect();
        return Operator::Imputer { values, replaced: attributes.integer("replaced_value_int64", 0) as f64 };
    }
    Operator::Imputer { values: floats, replaced: f64::from(attributes.float("replaced_value_float", 0.0)) }
}

fn read_labels(attributes: &Attributes<'_>) -> Result<Operator, GraphError> {
    let texts = attributes.texts("keys_strings");
    let mut numbers = attributes.floats("keys_floats");
    numbers.extend(attributes.integers("keys_int64s").iter().map(|key| *key as f64));
    if let Some(keys) = attributes.tensor("keys_tensor")? {
        numbers.extend(keys.as_numbers()?);
    }
    let to_texts = attributes.texts("values_strings");
    let mut to_numbers = attributes.floats("values_floats");
    let mut kind = Kind::Float;
    if attributes.has("values_int64s") {
        kind = Kind::Integer;
        to_numbers.extend(attributes.integers("values_int64s").iter().map(|value| *value as f64));
    }
    if let Some(values) = attributes.tensor("values_tensor")? {
        kind = values.kind;
        to_numbers.extend(values.as_numbers()?);
    }
    let mut default = match kind {
        Kind::Integer => attributes.integer("default_int64", -1) as f64,
        _ => f64::from(attributes.float("default_float", -0.0)),
    };
    if let Some(value) = attributes.tensor("default_tensor")? {
        default = value.as_numbers()?.first().copied().unwrap_or(default);
    }
    let default_text = attributes.text("default_string", "_Unused");
    attributes.ignore(&["default_float", "default_int64"]);
    let (keys, values) = (texts.len() + numbers.len(), to_texts.len() + to_numbers.len());
    if keys != values || (!texts.is_empty() && !numbers.is_empty()) || (!to_texts.is_empty() && !to_numbers.is_empty())
    {
        return Err(attributes.malformed("keys and values", format!("{keys} values for {keys} keys"), values));
    }
    let (to, otherwise) = if to_numbers.is_empty() {
        (Tensor::texts(vec![values], to_texts), Tensor::texts(vec![1], vec![Arc::from(default_text.as_str())]))
    } else {
        (Tensor::numbers(kind, vec![values], to_numbers), Tensor::numbers(kind, vec![1], vec![default]))
    };
    let from_texts: HashMap<Arc<str>, usize> = texts.into_iter().enumerate().map(|(at, key)| (key, at)).collect();
    let from_numbers = numbers.into_iter().enumerate().map(|(at, key)| (number_key(key), at)).collect();
    Ok(Operator::Labels(Labels { from_texts, from_numbers, to, otherwise }))
}

fn read_weighted(attributes: &Attributes<'_>, is_classifier: bool) -> Result<Operator, GraphError> {
    let (coefficients, intercepts) = (attributes.floats("coefficients"), attributes.floats("intercepts"));
    let text = attributes.text("post_transform", "NONE");
    let post = PostTransform::of_text(&text);
    let post = post.ok_or_else(|| attributes.unsupported(format!("post_transform `{text}`")))?;
    let labels = attributes.integers("classlabels_ints").len() + attributes.texts("classlabels_strings").len();
    attributes.ignore(&["multi_class"]);
    if coefficients.iter().chain(&intercepts).any(|number| !number.is_finite()) {
        return Err(attributes.malformed("coefficients", "finite numbers", "one that is not"));
    }
    let targets =
        if is_classifier { intercepts.len() } else { usize::try_from(attributes.integer("targets", 1)).unwrap_or(0) };
    if targets == 0 || !coefficients.len().is_multiple_of(targets) || coefficients.is_empty() {
        let expected = format!("a multiple of {targets} targets");
        return Err(attributes.malformed("coefficients", expected, coefficients.len()));
    }
    let one_score = is_classifier && targets == 1 && labels == 2;
    if is_classifier && !one_score && targets != labels {
        return Err(attributes.unsupported(format!("{labels} classes with {targets} intercepts")));
    }
    if post == PostTransform::Probit {
        return Err(attributes.unsupported("post_transform `PROBIT` of a linear model"));
    }
    let post = if !is_classifier && targets == 1 { PostTransform::None } else { post };
    Ok(Operator::Weighted(Weighted { coefficients, intercepts, targets, post, one_score }))
}
