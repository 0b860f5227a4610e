//! Operators that work element by element, with numpy's broadcasting.

use super::error::GraphError;
use super::tensor::{Kind, Tensor, Values, element_count};

/// Operators of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Abs,
    Ceil,
    Exp,
    Floor,
    IsNaN,
    Log,
    Neg,
    Not,
    Reciprocal,
    Relu,
    Sigmoid,
    Sign,
    Sqrt,
    Tanh,
}

impl Unary {
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "Abs" => Self::Abs,
            "Ceil" => Self::Ceil,
            "Exp" => Self::Exp,
            "Floor" => Self::Floor,
            "IsNaN" => Self::IsNaN,
            "Log" => Self::Log,
            "Neg" => Self::Neg,
            "Not" => Self::Not,
            "Reciprocal" => Self::Reciprocal,
            "Relu" => Self::Relu,
            "Sigmoid" => Self::Sigmoid,
            "Sign" => Self::Sign,
            "Sqrt" => Self::Sqrt,
            "Tanh" => Self::Tanh,
            _ => return None,
        })
    }

    fn of_value(self, value: f64) -> f64 {
        match self {
            Self::Abs => value.abs(),
            Self::Ceil => value.ceil(),
            Self::Exp => value.exp(),
            Self::Floor => value.floor(),
            Self::IsNaN => f64::from(u8::from(value.is_nan())),
            Self::Log => value.ln(),
            Self::Neg => -value,
            Self::Not => f64::from(u8::from(value == 0.0)),
            Self::Reciprocal => 1.0 / value,
            Self::Relu => {
                if value < 0.0 {
                    0.0
                } else {
                    value
                }
            }
            Self::Sigmoid => crate::sigmoid(value),
            Self::Sign => {
                if value == 0.0 || value.is_nan() {
                    value
                } else {
                    value.signum()
                }
            }
            Self::Sqrt => value.sqrt(),
            Self::Tanh => value.tanh(),
        }
    }

    pub(super) fn apply(self, input: &Tensor) -> Result<Tensor, GraphError> {
        let kind = if matches!(self, Self::IsNaN | Self::Not) { Kind::Boolean } else { input.kind };
        let values = input.as_numbers()?.iter().map(|value| self.of_value(*value)).collect();
        Ok(Tensor::numbers(kind, input.shape.clone(), values))
    }
}

/// Operators of two tensors; the variadic ones are applied from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    And,
    Div,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Max,
    Min,
    Mul,
    Or,
    Pow,
    Sub,
}

impl Binary {
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "Add" | "Sum" => Self::Add,
            "And" => Self::And,
            "Div" => Self::Div,
            "Equal" => Self::Equal,
            "Greater" => Self::Greater,
            "GreaterOrEqual" => Self::GreaterOrEqual,
            "Less" => Self::Less,
            "LessOrEqual" => Self::LessOrEqual,
            "Max" => Self::Max,
            "Min" => Self::Min,
            "Mul" => Self::Mul,
            "Or" => Self::Or,
            "Pow" => Self::Pow,
            "Sub" => Self::Sub,
            _ => return None,
        })
    }

    fn is_comparison(self) -> bool {
        !matches!(self, Self::Add | Self::Div | Self::Max | Self::Min | Self::Mul | Self::Pow | Self::Sub)
    }

    fn of_values(self, left: f64, right: f64) -> f64 {
        let truth = |holds: bool| f64::from(u8::from(holds));
        match self {
            Self::Add => left + right,
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Div => left / right,
            Self::Equal => truth(left == right),
            Self::Greater => truth(left > right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Less => truth(left < right),
            Self::LessOrEqual => truth(left <= right),
            // A missing value stays missing, as in onnxruntime.
            Self::Max => {
                if left.is_nan() || right.is_nan() {
                    f64::NAN
                } else {
                    left.max(right)
                }
            }
            Self::Min => {
                if left.is_nan() || right.is_nan() {
                    f64::NAN
                } else {
                    left.min(right)
                }
            }
            Self::Mul => left * right,
            Self::Or => truth(left != 0.0 || right != 0.0),
            Self::Pow => left.powf(right),
            Self::Sub => left - right,
        }
    }

    pub(super) fn apply(self, left: &Tensor, right: &Tensor) -> Result<Tensor, GraphError> {
        let shape = broadcast(&left.shape, &right.shape)?;
        let (of_left, of_right) = (positions(&left.shape, &shape)?, positions(&right.shape, &shape)?);
        if let (Values::Texts(left), Values::Texts(right), Self::Equal) = (&left.values, &right.values, self) {
            let same = |(left_at, right_at): (&usize, &usize)| f64::from(u8::from(left[*left_at] == right[*right_at]));
            return Ok(Tensor::numbers(Kind::Boolean, shape, of_left.iter().zip(&of_right).map(same).collect()));
        }
        let (left_values, right_values) = (left.as_numbers()?, right.as_numbers()?);
        if self == Self::Div && left.kind == Kind::Integer && right_values.contains(&0.0) {
            return Err(GraphError::malformed("Div", "a divisor that is not 0", 0));
        }
        let kind = if self.is_comparison() { Kind::Boolean } else { left.kind };
        let pairs = of_left.iter().zip(&of_right);
        let values = pairs.map(|(left, right)| self.of_values(left_values[*left], right_values[*right])).collect();
        Ok(Tensor::numbers(kind, shape, values))
    }
}

/// The common shape.
pub(super) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, GraphError> {
    let rank = left.len().max(right.len());
    let side = |shape: &[usize], at: usize| (at + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    let sides = (0..rank).map(|at| match (side(left, at), side(right, at)) {
        (left, right) if left == right => Ok(left),
        (1, other) | (other, 1) => Ok(other),
        _ => Err(GraphError::malformed("shapes", format!("one like {left:?}"), format!("{right:?}"))),
    });
    let shape = sides.collect::<Result<Vec<usize>, _>>()?;
    element_count(&shape)?;
    Ok(shape)
}

/// For each element of the common shape, the element of a tensor of `shape` that it is made of.
pub(super) fn positions(shape: &[usize], common: &[usize]) -> Result<Vec<usize>, GraphError> {
    let count = element_count(common)?;
    if shape == common {
        return Ok((0..count).collect());
    }
    let offset = common.len() - shape.len();
    let mut strides = vec![0; common.len()];
    let mut stride = 1;
    for at in (0..shape.len()).rev() {
        if shape[at] != 1 {
            strides[at + offset] = stride;
        }
        stride *= shape[at];
    }
    let mut out = Vec::with_capacity(count);
    let mut index = vec![0; common.len()];
    let mut at = 0;
    for _ in 0..count {
        out.push(at);
        for side in (0..common.len()).rev() {
            index[side] += 1;
            at += strides[side];
            if index[side] < common[side] {
                break;
            }
            at -= strides[side] * common[side];
            index[side] = 0;
        }
    }
    Ok(out)
}

/// `Where`.
pub(super) fn choose(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor, GraphError> {
    let shape = broadcast(&broadcast(&condition.shape, &yes.shape)?, &no.shape)?;
    let of = |tensor: &Tensor| positions(&tensor.shape, &shape);
    let (of_condition, of_yes, of_no) = (of(condition)?, of(yes)?, of(no)?);
    let (condition, yes_values, no_values) = (condition.as_numbers()?, yes.as_numbers()?, no.as_numbers()?);
    let value =
        |at: usize| if condition[of_condition[at]] != 0.0 { yes_values[of_yes[at]] } else { no_values[of_no[at]] };
    Ok(Tensor::numbers(yes.kind, shape, (0..of_condition.len()).map(value).collect()))
}

/// `Cast`; texts only to themselves.
pub(super) fn cast(input: &Tensor, kind: Kind) -> Result<Tensor, GraphError> {
    if input.kind == kind {
        return Ok(input.clone());
    }
    if kind == Kind::Text {
        return Err(GraphError::malformed("Cast", "numbers", "texts"));
    }
    Ok(Tensor::numbers(kind, input.shape.clone(), input.as_numbers()?.to_vec()))
}

/// `Clip`; a bound that is not given does not bind.
pub(super) fn clip(input: &Tensor, least: Option<f64>, greatest: Option<f64>) -> Result<Tensor, GraphError> {
    let bound = |value: &f64| {
        let value = least.map_or(*value, |least| if *value < least { least } else { *value });
        greatest.map_or(value, |greatest| if value > greatest { greatest } else { value })
    };
    Ok(Tensor::numbers(input.kind, input.shape.clone(), input.as_numbers()?.iter().map(bound).collect()))
}
