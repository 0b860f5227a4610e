//! `derive` and `where` over the rows of a batch. An expression is bound to the columns of a file once, which finds
//! unknown columns and operands that make no sense, and is then evaluated row by row. Nulls are as in SQL.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::contract::{Expression, Operator};

use super::cells::{Cell, Kind, Typed};

/// An expression whose columns are places in a batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    Column(usize),
    Number(f64),
    Text(String),
    Flag(bool),
    Null,
    Not(Box<Bound>),
    Negate(Box<Bound>),
    IsNull(Box<Bound>),
    Binary(Operator, Box<Bound>, Box<Bound>),
}

/// Why an expression does not fit a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Misfit {
    /// What the operand should be.
    pub(crate) expected: String,
    /// What it is.
    pub(crate) found: &'static str,
}

/// Binds an expression to columns; `place` gives a column's place and kind. All columns must be known.
pub(crate) fn bind(
    expression: &Expression,
    place: &dyn Fn(&str) -> Option<(usize, Kind)>,
) -> Result<(Bound, Kind), Misfit> {
    let inner = |expression: &Expression, wanted: &[Kind], role: &str| {
        let (bound, kind) = bind(expression, place)?;
        expect(kind, wanted, role)?;
        Ok(Box::new(bound))
    };
    Ok(match expression {
        Expression::Column(name) => {
            let unknown = || Misfit { expected: "a column of the file".to_owned(), found: "another name" };
            let (index, kind) = place(name).ok_or_else(unknown)?;
            (Bound::Column(index), kind)
        }
        Expression::Number(value) => (Bound::Number(*value), Kind::Number),
        Expression::Text(text) => (Bound::Text(text.clone()), Kind::Text),
        Expression::Flag(value) => (Bound::Flag(*value), Kind::Flag),
        Expression::Null => (Bound::Null, Kind::Null),
        Expression::Not(operand) => (Bound::Not(inner(operand, CONDITION, "`not`")?), Kind::Flag),
        Expression::Negate(operand) => (Bound::Negate(inner(operand, ARITHMETIC, "`-`")?), Kind::Number),
        Expression::IsNull(operand) => (Bound::IsNull(Box::new(bind(operand, place)?.0)), Kind::Flag),
        Expression::Binary(operator, left, right) => {
            let (wanted, role, kind) = signature(*operator);
            let (left, right) = (inner(left, wanted, role)?, inner(right, wanted, role)?);
            (Bound::Binary(*operator, left, right), kind)
        }
    })
}

/// Text may be read as a number or as true and false, because a CSV file has nothing else.
const CONDITION: &[Kind] = &[Kind::Flag, Kind::Text, Kind::Null];
const ARITHMETIC: &[Kind] = &[Kind::Number, Kind::Text, Kind::Null];
/// A condition times a number keeps the number or makes it 0: `amount * (unit = 'cents') / 100`.
const FACTOR: &[Kind] = &[Kind::Number, Kind::Text, Kind::Flag, Kind::Null];
const ANYTHING: &[Kind] = &[Kind::Flag, Kind::Text, Kind::Number, Kind::Time, Kind::Null];

/// Checks that an expression of this kind can be a condition.
pub(crate) fn expect_condition(kind: Kind) -> Result<(), Misfit> {
    expect(kind, CONDITION, "`where`")
}

fn expect(kind: Kind, wanted: &[Kind], role: &str) -> Result<(), Misfit> {
    if wanted.contains(&kind) {
        return Ok(());
    }
    let names: Vec<&str> = wanted.iter().filter(|kind| **kind != Kind::Null).map(|kind| kind.name()).collect();
    Err(Misfit { expected: format!("{} for {role}", names.join(" or ")), found: kind.name() })
}

fn signature(operator: Operator) -> (&'static [Kind], &'static str, Kind) {
    match operator {
        Operator::Or => (CONDITION, "`or`", Kind::Flag),
        Operator::And => (CONDITION, "`and`", Kind::Flag),
        Operator::Join => (ANYTHING, "`||`", Kind::Text),
        Operator::Add => (ARITHMETIC, "`+`", Kind::Number),
        Operator::Subtract => (ARITHMETIC, "`-`", Kind::Number),
        Operator::Multiply => (FACTOR, "`*`", Kind::Number),
        Operator::Divide => (ARITHMETIC, "`/`", Kind::Number),
        _ => (ANYTHING, "a comparison", Kind::Flag),
    }
}

/// The expression's value in one row.
pub(crate) fn evaluate<'a>(bound: &'a Bound, columns: &'a [Typed], row: usize) -> Cell<'a> {
    evaluate_with(bound, &|place: usize| columns[place].cell(row))
}

/// The expression's value, with the cells of its columns from `cell`.
pub(crate) fn evaluate_with<'a>(bound: &'a Bound, cell: &impl Fn(usize) -> Cell<'a>) -> Cell<'a> {
    match bound {
        Bound::Column(place) => cell(*place),
        Bound::Number(value) => Cell::Number(*value),
        Bound::Text(text) => Cell::Text(Cow::Borrowed(text)),
        Bound::Flag(value) => Cell::Flag(*value),
        Bound::Null => Cell::Null,
        Bound::Not(operand) => evaluate_with(operand, cell).flag().map_or(Cell::Null, |value| Cell::Flag(!value)),
        Bound::Negate(operand) => {
            number(&evaluate_with(operand, cell)).map_or(Cell::Null, |value| Cell::Number(-value))
        }
        Bound::IsNull(operand) => Cell::Flag(evaluate_with(operand, cell).is_null()),
        Bound::Binary(operator, left, right) => {
            binary(*operator, evaluate_with(left, cell), evaluate_with(right, cell))
        }
    }
}

fn number(cell: &Cell<'_>) -> Option<f64> {
    cell.number().ok().flatten()
}

fn binary<'a>(operator: Operator, left: Cell<'a>, right: Cell<'a>) -> Cell<'a> {
    let compared =
        |holds: fn(Ordering) -> bool| left.compare(&right).map_or(Cell::Null, |order| Cell::Flag(holds(order)));
    let computed = |compute: fn(f64, f64) -> f64| match (number(&left), number(&right)) {
        (Some(left), Some(right)) => Cell::Number(compute(left, right)),
        _ => Cell::Null,
    };
    match operator {
        Operator::Equal => compared(Ordering::is_eq),
        Operator::NotEqual => compared(Ordering::is_ne),
        Operator::Less => compared(Ordering::is_lt),
        Operator::LessOrEqual => compared(Ordering::is_le),
        Operator::Greater => compared(Ordering::is_gt),
        Operator::GreaterOrEqual => compared(Ordering::is_ge),
        Operator::Add => computed(|left, right| left + right),
        Operator::Subtract => computed(|left, right| left - right),
        Operator::Multiply => computed(|left, right| left * right),
        Operator::Divide => computed(|left, right| left / right),
        Operator::And => match (left.flag(), right.flag()) {
            (Some(false), _) | (_, Some(false)) => Cell::Flag(false),
            (Some(true), Some(true)) => Cell::Flag(true),
            _ => Cell::Null,
        },
        Operator::Or => match (left.flag(), right.flag()) {
            (Some(true), _) | (_, Some(true)) => Cell::Flag(true),
            (Some(false), Some(false)) => Cell::Flag(false),
            _ => Cell::Null,
        },
        Operator::Join => match (left.into_text(), right.into_text()) {
            (Some(left), Some(right)) => Cell::Text(left + right),
            _ => Cell::Null,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::Texts;
    use super::*;

    /// One row: number n = 3, text t = "4", flag yes, null z, time d.
    fn value(text: &str) -> Result<String, Misfit> {
        let columns = vec![
            Typed::Number(vec![3.0].into()),
            Typed::Text(Texts::Plain(vec!["4"].into())),
            Typed::Flag(vec![true].into()),
            Typed::Null,
            Typed::Time(vec![86_400_000_000].into()),
        ];
        let kinds = [("n", Kind::Number), ("t", Kind::Text), ("yes", Kind::Flag), ("z", Kind::Null), ("d", Kind::Time)];
        let place = |name: &str| kinds.iter().position(|(known, _)| *known == name).map(|at| (at, kinds[at].1));
        let (bound, _) = bind(&Expression::parse(text, &[]).unwrap(), &place)?;
        Ok(evaluate(&bound, &columns, 0).into_text().map_or("null".to_owned(), Cow::into_owned))
    }

    #[test]
    fn values_are_as_in_sql() {
        let cases = [
            ("n * t - 2", "10"),
            ("n / 2", "1.5"),
            ("n || '/' || t", "3/4"),
            ("'a' || z", "null"),
            ("n + z", "null"),
            ("t > 10", "false"),
            ("'4' = t and n = 3", "true"),
            ("z = 1 or yes", "true"),
            ("z = 1 and yes", "null"),
            ("not yes", "false"),
            ("z is null and n is not null", "true"),
            ("yes = 'true'", "true"),
            ("d < '1970-01-03'", "true"),
            ("d >= '1970-01-02T00:00:01Z'", "false"),
            ("-n", "-3"),
            ("'b' > 'a'", "true"),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn operands_that_make_no_sense_are_refused() {
        for text in ["yes + 1", "n and yes", "not n", "d * 2", "missing = 1"] {
            assert!(value(text).is_err(), "{text}");
        }
    }
}
