//! Operators that move elements, and those that reduce a dimension.

use super::elementwise::positions;
use super::error::GraphError;
use super::tensor::{Kind, MAX_ELEMENTS, Tensor, element_count};

fn malformed(place: &str, expected: impl ToString, found: impl ToString) -> GraphError {
    GraphError::malformed(place, expected, found)
}

/// An axis from the front; negative ones count from the back.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize, GraphError> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    let found = usize::try_from(from_front).ok().filter(|axis| *axis < rank);
    found.ok_or_else(|| malformed("axis", format!("one of {rank} dimensions"), axis))
}

/// Elements before, along and after an axis.
fn split_at(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// `Concat`.
pub(super) fn concat(inputs: &[&Tensor], axis: i64) -> Result<Tensor, GraphError> {
    let first = inputs.first().ok_or_else(|| malformed("Concat", "inputs", "none"))?;
    let axis = axis_of(axis, first.shape.len())?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for input in inputs {
        let mut other = input.shape.clone();
        if other.len() != shape.len() {
            return Err(malformed("Concat", format!("{} dimensions", shape.len()), other.len()));
        }
        shape[axis] += std::mem::replace(&mut other[axis], shape[axis]);
        let alike = other.iter().zip(&shape).enumerate().all(|(at, (other, side))| at == axis || other == side);
        if !alike || input.kind != first.kind {
            return Err(malformed("Concat", format!("{shape:?}"), format!("{:?}", input.shape)));
        }
    }
    element_count(&shape)?;
    let outer: usize = shape[..axis].iter().product();
    let mut numbers = Vec::new();
    let mut texts = Vec::new();
    for block in 0..outer {
        for input in inputs {
            let length: usize = input.shape[axis..].iter().product();
            let range = block * length..(block + 1) * length;
            match &input.values {
                super::tensor::Values::Numbers(values) => numbers.extend_from_slice(&values[range]),
                super::tensor::Values::Texts(values) => texts.extend_from_slice(&values[range]),
            }
        }
    }
    Ok(match first.kind {
        Kind::Text => Tensor::texts(shape, texts),
        kind => Tensor::numbers(kind, shape, numbers),
    })
}

/// The slices of `input` along `axis` at these indices; `inner` is the shape of the indices.
pub(super) fn gather(input: &Tensor, indices: &[i64], inner: &[usize], axis: i64) -> Result<Tensor, GraphError> {
    let axis = axis_of(axis, input.shape.len())?;
    let (outer, along, after) = split_at(&input.shape, axis);
    let index = |index: &i64| {
        let found = usize::try_from(if *index < 0 { *index + along as i64 } else { *index }).ok();
        found.filter(|at| *at < along).ok_or_else(|| malformed("indices", format!("below {along}"), index))
    };
    let indices = indices.iter().map(index).collect::<Result<Vec<usize>, _>>()?;
    let shape: Vec<usize> = [&input.shape[..axis], inner, &input.shape[axis + 1..]].concat();
    let mut picked = Vec::with_capacity(element_count(&shape)?);
    for block in 0..outer {
        for index in &indices {
            let start = (block * along + index) * after;
            picked.extend(start..start + after);
        }
    }
    Ok(Tensor { kind: input.kind, shape, values: input.values.pick(&picked) })
}

/// `Slice` with the given starts, ends, axes and steps.
pub(super) fn slice(
    input: &Tensor,
    starts: &[i64],
    ends: &[i64],
    axes: &[i64],
    steps: &[i64],
) -> Result<Tensor, GraphError> {
    let mut output = input.clone();
    for (at, (start, end)) in starts.iter().zip(ends).enumerate() {
        let axis = axes.get(at).copied().unwrap_or(at as i64);
        let side = input.shape[axis_of(axis, input.shape.len())?] as i64;
        let step = steps.get(at).copied().unwrap_or(1);
        let from_front = |value: i64| if value < 0 { value.saturating_add(side) } else { value };
        let indices: Vec<i64> = match step {
            1.. => {
                let (start, end) = (from_front(*start).clamp(0, side), from_front(*end).clamp(0, side));
                (start..end).step_by(usize::try_from(step).unwrap_or(usize::MAX)).collect()
            }
            -1 => (from_front(*end).clamp(-1, side) + 1..=from_front(*start).clamp(-1, side - 1)).rev().collect(),
            _ => return Err(malformed("Slice", "steps of at least 1, or -1", step)),
        };
        output = gather(&output, &indices, &[indices.len()], axis)?;
    }
    Ok(output)
}

/// The shape that `Reshape` asks for.
pub(super) fn reshape(input: &Tensor, wanted: &[i64], zero_is_zero: bool) -> Result<Tensor, GraphError> {
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (at, side) in wanted.iter().enumerate() {
        shape.push(match side {
            -1 if open.is_none() => {
                open = Some(at);
                1
            }
            0 if !zero_is_zero => {
                *input.shape.get(at).ok_or_else(|| malformed("Reshape", "a dimension to copy", "none"))?
            }
            0.. => usize::try_from(*side).unwrap_or(MAX_ELEMENTS + 1),
            _ => return Err(malformed("Reshape", "one -1 at most, else sides from 0", format!("{wanted:?}"))),
        });
    }
    let known = element_count(&shape)?;
    if let Some(at) = open {
        if known == 0 || !input.len().is_multiple_of(known) {
            return Err(malformed("Reshape", format!("{wanted:?}"), format!("{:?}", input.shape)));
        }
        shape[at] = input.len() / known;
    }
    input.reshaped(shape)
}

/// `Squeeze`; without axes, every side of 1.
pub(super) fn squeeze(input: &Tensor, axes: &[i64]) -> Result<Tensor, GraphError> {
    let rank = input.shape.len();
    let axes = axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>, _>>()?;
    let goes = |at: usize, side: usize| if axes.is_empty() { side == 1 } else { axes.contains(&at) };
    let kept = input.shape.iter().enumerate().filter(|(at, side)| !goes(*at, **side)).map(|(_, side)| *side);
    input.reshaped(kept.collect())
}

/// `Unsqueeze`.
pub(super) fn unsqueeze(input: &Tensor, axes: &[i64]) -> Result<Tensor, GraphError> {
    let rank = input.shape.len() + axes.len();
    let axes = axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut sides = input.shape.iter().copied();
    let shape = (0..rank).map(|at| if axes.contains(&at) { 1 } else { sides.next().unwrap_or(1) }).collect();
    input.reshaped(shape)
}

/// `Flatten`: two dimensions, cut at the axis.
pub(super) fn flatten(input: &Tensor, axis: i64) -> Result<Tensor, GraphError> {
    let rank = input.shape.len();
    let axis = if axis == rank as i64 { rank } else { axis_of(axis, rank)? };
    input.reshaped(vec![input.shape[..axis].iter().product(), input.shape[axis..].iter().product()])
}

/// `Transpose`; without an order, the dimensions reversed.
pub(super) fn transpose(input: &Tensor, order: &[i64]) -> Result<Tensor, GraphError> {
    let rank = input.shape.len();
    let order: Vec<usize> = match order.len() {
        0 => (0..rank).rev().collect(),
        _ => order.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<_, _>>()?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(malformed("Transpose", "each dimension once", format!("{order:?}")));
    }
    let mut strides = vec![1; rank];
    for at in (1..rank).rev() {
        strides[at - 1] = strides[at] * input.shape[at];
    }
    let shape: Vec<usize> = order.iter().map(|at| input.shape[*at]).collect();
    let mut picked = Vec::with_capacity(input.len());
    for position in 0..input.len() {
        let (mut rest, mut from) = (position, 0);
        for at in (0..rank).rev() {
            from += rest % shape[at] * strides[order[at]];
            rest /= shape[at];
        }
        picked.push(from);
    }
    Ok(Tensor { kind: input.kind, shape, values: input.values.pick(&picked) })
}

/// `Expand`.
pub(super) fn expand(input: &Tensor, shape: &[i64]) -> Result<Tensor, GraphError> {
    let sides = shape.iter().map(|side| usize::try_from(*side)).collect::<Result<Vec<_>, _>>();
    let sides = sides.map_err(|_| malformed("Expand", "sides from 0", format!("{shape:?}")))?;
    let common = super::elementwise::broadcast(&input.shape, &sides)?;
    let picked = positions(&input.shape, &common)?;
    Ok(Tensor { kind: input.kind, shape: common, values: input.values.pick(&picked) })
}

/// How a dimension is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    L1,
    L2,
    Max,
    Mean,
    Min,
    Prod,
    Sum,
    SumSquare,
    ArgMax,
    ArgMin,
}

impl Reduction {
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "ReduceL1" => Self::L1,
            "ReduceL2" => Self::L2,
            "ReduceMax" => Self::Max,
            "ReduceMean" => Self::Mean,
            "ReduceMin" => Self::Min,
            "ReduceProd" => Self::Prod,
            "ReduceSum" => Self::Sum,
            "ReduceSumSquare" => Self::SumSquare,
            "ArgMax" => Self::ArgMax,
            "ArgMin" => Self::ArgMin,
            _ => return None,
        })
    }

    fn of_values(self, values: &[f64]) -> f64 {
        let first_where = |better: fn(f64, f64) -> bool| {
            let best = (1..values.len()).fold(0, |best, at| if better(values[at], values[best]) { at } else { best });
            best as f64
        };
        let fold = |start: f64, with: fn(f64, f64) -> f64| values.iter().copied().fold(start, with);
        match self {
            Self::L1 => fold(0.0, |sum, value| sum + value.abs()),
            Self::L2 => fold(0.0, |sum, value| sum + value * value).sqrt(),
            Self::Max => fold(f64::NEG_INFINITY, f64::max),
            Self::Mean => fold(0.0, |sum, value| sum + value) / values.len() as f64,
            Self::Min => fold(f64::INFINITY, f64::min),
            Self::Prod => fold(1.0, |product, value| product * value),
            Self::Sum => fold(0.0, |sum, value| sum + value),
            Self::SumSquare => fold(0.0, |sum, value| sum + value * value),
            Self::ArgMax => first_where(|value, best| value > best),
            Self::ArgMin => first_where(|value, best| value < best),
        }
    }

    /// Reduces the axes, one after the other from the back; none are all.
    pub(super) fn apply(self, input: &Tensor, axes: &[i64], keep: bool) -> Result<Tensor, GraphError> {
        let rank = input.shape.len();
        let mut axes = match axes.len() {
            0 => (0..rank).collect(),
            _ => axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>, _>>()?,
        };
        axes.sort_unstable();
        axes.dedup();
        if axes.len() > 1 && matches!(self, Self::L2 | Self::SumSquare | Self::Mean | Self::ArgMax | Self::ArgMin) {
            return Err(malformed("axes", "one axis", axes.len()));
        }
        let mut output = input.clone();
        for axis in axes.into_iter().rev() {
            let (outer, along, after) = split_at(&output.shape, axis);
            let values = output.as_numbers()?;
            let mut line = vec![0.0; along];
            let mut reduced = Vec::with_capacity(outer * after);
            for block in 0..outer {
                for inner in 0..after {
                    for (at, value) in line.iter_mut().enumerate() {
                        *value = values[(block * along + at) * after + inner];
                    }
                    reduced.push(self.of_values(&line));
                }
            }
            let mut shape = output.shape.clone();
            if keep {
                shape[axis] = 1;
            } else {
                shape.remove(axis);
            }
            let kind = if matches!(self, Self::ArgMax | Self::ArgMin) { Kind::Integer } else { output.kind };
            output = Tensor::numbers(kind, shape, reduced);
        }
        Ok(output)
    }
}

/// `Softmax` along an axis.
pub(super) fn softmax(input: &Tensor, axis: usize) -> Result<Tensor, GraphError> {
    let (outer, along, after) = split_at(&input.shape, axis);
    let mut values = input.as_numbers()?.to_vec();
    for block in 0..outer {
        for inner in 0..after {
            let place = |at: usize| (block * along + at) * after + inner;
            let mut line: Vec<f64> = (0..along).map(|at| values[place(at)]).collect();
            super::forest::PostTransform::Softmax.apply(&mut line);
            for (at, value) in line.into_iter().enumerate() {
                values[place(at)] = value;
            }
        }
    }
    Ok(Tensor::numbers(input.kind, input.shape.clone(), values))
}

/// `left * right * scale`, two dimensions each.
pub(super) fn matrix_product(left: &Tensor, right: &Tensor, scale: f64) -> Result<Tensor, GraphError> {
    let ([rows, inner], [also_inner, columns]) = (left.shape.as_slice(), right.shape.as_slice()) else {
        return Err(malformed("MatMul", "two dimensions each", format!("{:?}, {:?}", left.shape, right.shape)));
    };
    if inner != also_inner {
        return Err(malformed("MatMul", format!("{inner} rows on the right"), also_inner));
    }
    if element_count(&[*rows, *columns])?.saturating_mul(*inner) > 1 << 30 {
        return Err(malformed("MatMul", "at most 2^30 products", "more"));
    }
    let (left_values, right_values) = (left.as_numbers()?, right.as_numbers()?);
    let mut out = Vec::with_capacity(rows * columns);
    for row in 0..*rows {
        let of_row = &left_values[row * inner..(row + 1) * inner];
        for column in 0..*columns {
            let products = of_row.iter().enumerate().map(|(at, value)| value * right_values[at * columns + column]);
            out.push(products.sum::<f64>() * scale);
        }
    }
    Ok(Tensor::numbers(left.kind, vec![*rows, *columns], out))
}
