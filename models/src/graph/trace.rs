//! What each column of each value of a program is made of, as far as it is one monotone function of one input: such a
//! column needs no interpreter, since a threshold on it is a threshold on the input.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::binding::{Feed, InputColumn};
use super::classical::Categories;
use super::elementwise::{Binary, Unary};
use super::operator::Operator;
use super::program::{Program, Step};
use super::tensor::{Kind, Tensor, Values};

/// `slope * input + intercept`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Affine {
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

/// What has become of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing.
    Input,
    /// Cut to a whole number.
    Cut,
    /// Any other monotone function, rising or falling.
    Moved,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Column {
    /// A monotone function of the number in a design column, as far as it is not missing.
    Number { column: usize, form: Form, affine: Option<Affine> },
    /// A function of whether the number, cut to a whole one, is this.
    Whole { column: usize, value: f64 },
    /// A function of an indicator.
    Indicator { column: usize },
    /// The text of a category.
    Text { category: usize },
    /// Anything else.
    Other,
}

/// What is known of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trace {
    Constant(Tensor),
    /// `[N, columns]`; with a middle dimension, `[N, middle, columns / middle]`.
    Columns {
        columns: Vec<Column>,
        middle: Option<usize>,
    },
    Unknown,
}

/// Traces of all slots, and the texts that the graph compares each category with.
#[derive(Debug, Default)]
pub(super) struct Traces {
    pub(super) of_slot: HashMap<usize, Trace>,
    pub(super) levels: BTreeMap<usize, BTreeSet<String>>,
}

impl Traces {
    pub(super) fn of(program: &Program, feed: &Feed) -> Self {
        let mut traces = Self::default();
        for (slot, input) in feed.inputs.iter().enumerate() {
            let is_plain = matches!(Kind::of(input.data_type), Some(Kind::Float | Kind::Double));
            let column = |column: &InputColumn| match column {
                InputColumn::Number(column) => {
                    let affine = is_plain.then_some(Affine { slope: 1.0, intercept: 0.0 });
                    Column::Number { column: *column, form: if is_plain { Form::Input } else { Form::Cut }, affine }
                }
                InputColumn::Category(category) => Column::Text { category: *category },
            };
            let columns = input.columns.iter().map(column).collect();
            let trace = if input.is_vector { Trace::Unknown } else { Trace::Columns { columns, middle: None } };
            traces.of_slot.insert(slot, trace);
        }
        for (slot, tensor) in &program.constants {
            traces.of_slot.insert(*slot, Trace::Constant(tensor.clone()));
        }
        for step in &program.steps {
            let trace = traces.step(step, feed).unwrap_or(Trace::Unknown);
            traces.of_slot.insert(step.output, trace);
        }
        traces
    }

    fn input(&self, step: &Step, at: usize) -> Option<&Trace> {
        step.inputs.get(at).copied().flatten().and_then(|slot| self.of_slot.get(&slot))
    }

    fn constant(&self, step: &Step, at: usize) -> Option<&Tensor> {
        match self.input(step, at)? {
            Trace::Constant(tensor) => Some(tensor),
            _ => None,
        }
    }

    fn columns(&self, step: &Step, at: usize) -> Option<(&[Column], Option<usize>)> {
        match self.input(step, at)? {
            Trace::Columns { columns, middle } => Some((columns, *middle)),
            _ => None,
        }
    }

    fn note_levels(&mut self, columns: &[Column], texts: impl Iterator<Item = String> + Clone) {
        for column in columns {
            if let Column::Text { category } = column {
                self.levels.entry(*category).or_default().extend(texts.clone());
            }
        }
    }

    /// The trace of a step; `None` where nothing is known.
    fn step(&mut self, step: &Step, feed: &Feed) -> Option<Trace> {
        match &step.operator {
            Operator::Constant(tensor) => return Some(Trace::Constant(tensor.clone())),
            Operator::Same => return self.input(step, 0).cloned(),
            Operator::Concat { axis } => return self.concat(step, *axis),
            Operator::Extract => return self.pick(step, 1, -1),
            Operator::Gather { axis } => return self.pick(step, 1, *axis),
            Operator::Reshape { shape, .. } => {
                let wanted = match shape {
                    Some(shape) => shape.clone(),
                    None => self.constant(step, 1)?.as_integers().ok()?,
                };
                let (columns, _) = self.columns(step, 0)?;
                let fits = matches!(wanted.as_slice(), [-1 | 0, side] if *side == columns.len() as i64 || (*side == -1 && wanted[0] == 0));
                return fits.then(|| Trace::Columns { columns: columns.to_vec(), middle: None });
            }
            Operator::Flatten { axis: 1 } => {
                let (columns, _) = self.columns(step, 0)?;
                return Some(Trace::Columns { columns: columns.to_vec(), middle: None });
            }
            Operator::OneHot { categories, .. } => return self.one_hot(step, categories, feed),
            Operator::Labels(labels) => {
                let columns = self.columns(step, 0)?.0.to_vec();
                let keys: Vec<String> = labels.from_texts.keys().map(ToString::to_string).collect();
                self.note_levels(&columns, keys.into_iter());
                return None;
            }
            Operator::Binary(binary) => return self.binary(step, *binary),
            _ => {}
        }
        let (columns, middle) = self.columns(step, 0)?;
        let width = columns.len();
        let mapped = columns.iter().enumerate().map(|(at, column)| one_input(&step.operator, *column, at, width));
        Some(Trace::Columns { columns: mapped.collect::<Option<_>>()?, middle })
    }

    fn concat(&self, step: &Step, axis: i64) -> Option<Trace> {
        let mut joined = Vec::new();
        let mut common = None;
        for at in 0..step.inputs.len() {
            let (columns, middle) = self.columns(step, at)?;
            let along_last = match middle {
                None => axis == 1 || axis == -1,
                Some(middle) => middle == 1 && (axis == 2 || axis == -1),
            };
            if !along_last || *common.get_or_insert(middle) != middle {
                return None;
            }
            joined.extend_from_slice(columns);
        }
        Some(Trace::Columns { columns: joined, middle: common.flatten() })
    }

    /// Columns at constant places.
    fn pick(&self, step: &Step, indices: usize, axis: i64) -> Option<Trace> {
        let (columns, middle) = self.columns(step, 0)?;
        let indices = self.constant(step, indices)?;
        let is_extract = matches!(step.operator, Operator::Extract);
        if middle.is_some() || !(axis == 1 || axis == -1) || (!is_extract && indices.shape.len() != 1) {
            return None;
        }
        let place = |index: i64| usize::try_from(if index < 0 { index + columns.len() as i64 } else { index }).ok();
        let picked = indices.as_integers().ok()?.into_iter().map(|index| columns.get(place(index)?).copied());
        Some(Trace::Columns { columns: picked.collect::<Option<_>>()?, middle: None })
    }

    fn one_hot(&mut self, step: &Step, categories: &Categories, feed: &Feed) -> Option<Trace> {
        let (columns, middle) = self.columns(step, 0)?;
        if middle.is_some() {
            return None;
        }
        let columns = columns.to_vec();
        if let Categories::Texts(texts) = categories {
            self.note_levels(&columns, texts.iter().map(ToString::to_string));
        }
        let mut indicators = Vec::new();
        for column in &columns {
            match (categories, column) {
                (Categories::Texts(texts), Column::Text { category }) => {
                    let known = feed.categories.get(*category)?;
                    for text in texts {
                        let level = known.texts.iter().position(|known| known == text);
                        indicators.push(
                            level.map_or(Column::Other, |level| Column::Indicator { column: known.first + level }),
                        );
                    }
                }
                (Categories::Integers(values), Column::Number { column, form: Form::Input | Form::Cut, .. }) => {
                    indicators
                        .extend(values.iter().map(|value| Column::Whole { column: *column, value: *value as f64 }));
                }
                (Categories::Texts(texts), _) => indicators.extend(texts.iter().map(|_| Column::Other)),
                (Categories::Integers(values), _) => indicators.extend(values.iter().map(|_| Column::Other)),
            }
        }
        Some(Trace::Columns { columns: indicators, middle: Some(columns.len()) })
    }

    fn binary(&mut self, step: &Step, binary: Binary) -> Option<Trace> {
        if step.inputs.len() != 2 {
            return None;
        }
        if let (Some((columns, _)), Some(tensor)) = (self.columns(step, 0), self.constant(step, 1))
            && let Values::Texts(texts) = &tensor.values
        {
            let (columns, texts) = (columns.to_vec(), texts.clone());
            self.note_levels(&columns, texts.iter().map(ToString::to_string));
            return None;
        }
        let is_left = self.columns(step, 0).is_some();
        let (columns, middle) = self.columns(step, usize::from(!is_left))?;
        let constant = self.constant(step, usize::from(is_left))?;
        let width = columns.len();
        let last = constant.shape.last().copied().unwrap_or(1);
        let outer: usize = constant.shape.iter().rev().skip(1).product();
        if middle.is_some() || constant.shape.len() > 2 || outer != 1 || !(last == 1 || last == width) {
            return None;
        }
        let numbers = constant.as_numbers().ok()?;
        let mapped = columns.iter().enumerate().map(|(at, column)| {
            let number = numbers[if last == 1 { 0 } else { at }];
            // A change of sign keeps a function monotone.
            let (slope, moved) = match (binary, is_left) {
                (Binary::Add, _) => (1.0, number),
                (Binary::Sub, true) => (1.0, -number),
                (Binary::Sub, false) => (-1.0, number),
                (Binary::Mul, _) if number != 0.0 => (number, 0.0),
                (Binary::Div, true) if number != 0.0 => (1.0 / number, 0.0),
                _ => return None,
            };
            (number.is_finite()).then(|| column.after(Some(Affine { slope, intercept: moved })))
        });
        Some(Trace::Columns { columns: mapped.collect::<Option<_>>()?, middle })
    }
}

/// A column after an operator of one input; `None` where the shape may change.
fn one_input(operator: &Operator, column: Column, at: usize, width: usize) -> Option<Column> {
    let of_column = |list: &[f64]| if list.len() == 1 { list[0] } else { list.get(at).copied().unwrap_or(f64::NAN) };
    Some(match operator {
        Operator::Cast(Kind::Float | Kind::Double) => match column {
            Column::Number { form: Form::Input, .. } => column,
            _ => column.after(Some(Affine { slope: 1.0, intercept: 0.0 })),
        },
        Operator::Cast(Kind::Integer) => column.cut(),
        Operator::Imputer { values, replaced } if values.len() == 1 || values.len() == width => {
            if replaced.is_nan() {
                column.after(Some(Affine { slope: 1.0, intercept: 0.0 }))
            } else {
                Column::Other
            }
        }
        Operator::Scaler { offset, scale } => {
            let (offset, scale) = (of_column(offset), of_column(scale));
            if !offset.is_finite() || !scale.is_finite() || scale == 0.0 {
                return Some(Column::Other);
            }
            column.after(Some(Affine { slope: scale, intercept: -offset * scale }))
        }
        Operator::Clip { .. } | Operator::Binarizer { .. } => column.after(None),
        Operator::Unary(Unary::Neg) => column.after(Some(Affine { slope: -1.0, intercept: 0.0 })),
        Operator::Unary(Unary::Sigmoid | Unary::Tanh | Unary::Exp | Unary::Floor | Unary::Ceil) => column.after(None),
        Operator::Unary(_) | Operator::Normalizer(_) => Column::Other,
        _ => return None,
    })
}

impl Column {
    /// After one more monotone function, affine or not.
    fn after(self, next: Option<Affine>) -> Self {
        match self {
            Self::Number { column, affine, .. } => {
                let affine = affine.zip(next).map(|(first, next)| Affine {
                    slope: first.slope * next.slope,
                    intercept: first.intercept * next.slope + next.intercept,
                });
                Self::Number { column, form: Form::Moved, affine }
            }
            Self::Text { .. } => Self::Other,
            other => other,
        }
    }

    /// After being cut to a whole number: of an input, equality with a whole number is still to be told.
    fn cut(self) -> Self {
        match self {
            Self::Number { column, form: Form::Input | Form::Cut, .. } => {
                Self::Number { column, form: Form::Cut, affine: None }
            }
            other => other.after(None),
        }
    }
}
