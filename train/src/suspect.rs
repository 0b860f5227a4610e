//! Inputs of a user's own matrix that know the outcome.
//!
//! A project's tables are searched for leaks with their dates (`bellwether check --leakage`). A matrix has no history to
//! search: what shows is an input that alone parts the rows with the outcome from the others. Honest signals do not do that.

use bellwether_features::label::{Event, Labels};
use bellwether_features::matrix::Column;
use rayon::prelude::*;

use crate::dataset::{Dataset, LEAST_ACCOUNTS_PER_LEVEL};
use crate::metric::roc_auc;
use crate::summary::Warning;

/// Area under the ROC curve from which one input knows too much, either way round.
const KNOWS: f64 = 0.99;

/// Rows of either outcome without which nothing is said.
const LEAST_ROWS: usize = 20;

/// A warning for each input that alone tells the outcome, for targets that a user's own matrix gave.
pub(crate) fn warnings(dataset: &Dataset) -> Vec<Warning> {
    let given = dataset.labels().iter().filter(|labels| labels.target.event == Event::Given);
    given.flat_map(|labels| of_target(dataset, labels)).collect()
}

fn of_target(dataset: &Dataset, labels: &Labels) -> Vec<Warning> {
    let known: Vec<(usize, bool)> =
        labels.values.iter().enumerate().filter_map(|(row, label)| label.map(|label| (row, label))).collect();
    let matrix = dataset.matrix();
    let inputs: Vec<_> = matrix.signals.iter().zip(&matrix.columns).collect();
    let found: Vec<Option<Warning>> = inputs
        .par_iter()
        .map(|(signal, column)| {
            let area = area_of(column, &known, dataset.accounts()).filter(|area| *area >= KNOWS)?;
            Some(Warning::input_knows_the_outcome(&labels.target.name, &signal.name, area))
        })
        .collect();
    found.into_iter().flatten().collect()
}

/// How well one input alone parts the outcomes. Of a number its values count, where they are known, and whether they are:
/// a cell that is filled only where the outcome came knows it, whatever is in it. A level counts by its share with the
/// outcome.
fn area_of(column: &Column, known: &[(usize, bool)], accounts: &[u32]) -> Option<f64> {
    match column {
        Column::Numeric(values) => {
            let filled = known.iter().filter(|(row, _)| !values[*row].is_nan());
            let of_values = area(filled.map(|(row, label)| (*label, f64::from(values[*row]))));
            let is_empty = |row: usize| f64::from(u8::from(values[row].is_nan()));
            let of_presence = area(known.iter().map(|(row, label)| (*label, is_empty(*row))));
            of_values.into_iter().chain(of_presence).reduce(f64::max)
        }
        Column::Category { levels, codes } => {
            let places = places(levels.len(), codes, known, accounts);
            let mut counts = vec![(0_usize, 0_usize); levels.len() + 2];
            for ((_, label), place) in known.iter().zip(&places) {
                let (rows, positives) = &mut counts[*place];
                *rows += 1;
                *positives += usize::from(*label);
            }
            let share = |place: usize| counts[place].1 as f64 / counts[place].0.max(1) as f64;
            area(known.iter().zip(&places).map(|((_, label), place)| (*label, share(*place))))
        }
    }
}

/// The level of each row as a model sees it: those of few accounts are one, "other", since the outcome of few always looks
/// decided; and no level is one.
fn places(levels: usize, codes: &[Option<u32>], known: &[(usize, bool)], accounts: &[u32]) -> Vec<usize> {
    let (other, missing) = (levels, levels + 1);
    let mut seen: Vec<(u32, u32)> =
        known.iter().filter_map(|(row, _)| codes[*row].map(|code| (code, accounts[*row]))).collect();
    seen.sort_unstable();
    seen.dedup();
    let mut accounts_of = vec![0_usize; levels];
    for (code, _) in seen {
        accounts_of[code as usize] += 1;
    }
    let place = |code: u32| if accounts_of[code as usize] < LEAST_ACCOUNTS_PER_LEVEL { other } else { code as usize };
    known.iter().map(|(row, _)| codes[*row].map_or(missing, place)).collect()
}

/// Area under the ROC curve, either way round; nothing with too few rows of either outcome.
fn area(rows: impl Iterator<Item = (bool, f64)>) -> Option<f64> {
    let (outcomes, scores): (Vec<bool>, Vec<f64>) = rows.unzip();
    let positives = outcomes.iter().filter(|outcome| **outcome).count();
    if positives.min(outcomes.len() - positives) < LEAST_ROWS {
        return None;
    }
    let area = roc_auc(&outcomes, &scores).ok()?;
    Some(area.max(1.0 - area))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 rows of 200 accounts, every fourth with the outcome.
    fn known() -> Vec<(usize, bool)> {
        (0..200).map(|row| (row, row % 4 == 0)).collect()
    }

    fn knows(column: &Column) -> bool {
        let accounts: Vec<u32> = (0..200).collect();
        area_of(column, &known(), &accounts).is_some_and(|area| area >= KNOWS)
    }

    fn numbers(value: impl Fn(usize, bool) -> f32) -> Column {
        Column::Numeric(known().into_iter().map(|(row, outcome)| value(row, outcome)).collect())
    }

    fn texts(text: impl Fn(usize, bool) -> Option<String>) -> Column {
        let cells: Vec<Option<String>> = known().into_iter().map(|(row, outcome)| text(row, outcome)).collect();
        let names: Vec<String> = cells.iter().flatten().cloned().collect();
        let code = |cell: &Option<String>| cell.as_ref().and_then(|cell| names.iter().position(|name| name == cell));
        let codes: Vec<Option<u32>> = cells.iter().map(|cell| code(cell).map(|code| code as u32)).collect();
        Column::category(&names, &codes)
    }

    #[test]
    fn an_input_that_is_the_outcome_is_seen_however_it_is_written() {
        let row_of = |row: usize| row as f32;
        assert!(knows(&numbers(|_, outcome| if outcome { 1.0 } else { 0.0 })));
        assert!(knows(&numbers(|_, outcome| if outcome { -1.0 } else { 0.0 })), "either way round");
        assert!(knows(&numbers(|row, outcome| if outcome { row_of(row) } else { f32::NAN })), "filled only then");
        assert!(knows(&numbers(|row, outcome| if outcome { f32::NAN } else { row_of(row) })), "empty only then");
        // Missing at random in a fifth of the rows, and the outcome else.
        assert!(knows(&numbers(|row, outcome| match (row % 5, outcome) {
            (0, _) => f32::NAN,
            (_, true) => 1.0,
            (_, false) => 0.0,
        })));
        let level = |text: &str| Some(text.to_owned());
        assert!(knows(&texts(|_, outcome| if outcome { level("price") } else { level("none") })));
        assert!(knows(&texts(|_, outcome| if outcome { level("price") } else { None })));
    }

    #[test]
    fn honest_inputs_and_names_of_single_accounts_are_not() {
        assert!(!knows(&numbers(|row, _| row as f32)));
        assert!(!knows(&numbers(|_, _| 4.0)));
        assert!(!knows(&numbers(|row, outcome| if outcome && row % 8 == 0 { 1.0 } else { 0.0 })));
        assert!(!knows(&texts(|row, _| Some(format!("customer {row}")))), "each level has one account");
    }

    #[test]
    fn few_outcomes_say_nothing() {
        let known: Vec<(usize, bool)> = (0..200).map(|row| (row, row < 19)).collect();
        let column = Column::Numeric((0..200).map(|row| if row < 19 { 1.0 } else { 0.0 }).collect());
        assert_eq!(area_of(&column, &known, &(0..200).collect::<Vec<u32>>()), None);
    }
}
