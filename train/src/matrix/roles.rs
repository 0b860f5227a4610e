//! The columns that have a role: outcome, account, date and weight.

use std::sync::Arc;

use chrono::NaiveDate;

use super::error::MatrixError;
use super::table::{Table, Values, is_not_known};

/// Outcomes; `None` where the cell is empty.
pub(super) fn labels(table: &Table, name: &str) -> Result<Vec<Option<bool>>, MatrixError> {
    let wrong = |row: usize, found: &str| MatrixError::Row {
        path: table.path.clone(),
        column: name.to_owned(),
        row: row as u64 + 1,
        expected: "0 or 1, true or false, yes or no, or nothing where the outcome is not known".to_owned(),
        found: found.to_owned(),
        hint: "write a column that is 1 where the outcome happened and 0 where it did not".to_owned(),
    };
    let labels: Vec<Option<bool>> = match table.column(name) {
        Some(Values::Numbers(values)) => {
            let label = |(row, value): (usize, &f32)| match *value {
                0.0 => Ok(Some(false)),
                1.0 => Ok(Some(true)),
                value if value.is_nan() => Ok(None),
                _ => Err(wrong(row, "another number")),
            };
            values.iter().enumerate().map(label).collect::<Result<_, _>>()?
        }
        Some(Values::Texts { levels, codes }) => {
            let meanings: Vec<Option<bool>> = levels.iter().map(|level| meaning(level)).collect();
            let known = |code: &u32| !is_not_known(&levels[*code as usize]);
            let label =
                |(row, code): (usize, &Option<u32>)| match code.filter(known).map(|code| meanings[code as usize]) {
                    None => Ok(None),
                    Some(Some(label)) => Ok(Some(label)),
                    Some(None) => Err(wrong(row, "another text")),
                };
            codes.iter().enumerate().map(label).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(wrong(0, other.kind())),
        None => return Err(wrong(0, "no such column")),
    };
    let of = |outcome: bool| labels.iter().filter(|label| **label == Some(outcome)).count();
    match (of(true), of(false)) {
        (0, _) | (_, 0) => Err(MatrixError::File {
            path: table.path.clone(),
            expected: format!("rows with and without the outcome `{name}`"),
            found: format!("{} with and {} without", of(true), of(false)),
            hint: "a learner needs both; check that --target names the right column".to_owned(),
        }),
        _ => Ok(labels),
    }
}

fn meaning(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "1.0" | "true" | "yes" => Some(true),
        "0" | "0.0" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// Account ids; none may be empty.
pub(super) fn accounts(table: &Table, name: &str) -> Result<Vec<Arc<str>>, MatrixError> {
    let wrong = |row: usize, found: &str| MatrixError::Row {
        path: table.path.clone(),
        column: name.to_owned(),
        row: row as u64 + 1,
        expected: "an account id".to_owned(),
        found: found.to_owned(),
        hint: if found == "numbers" {
            "write ids as texts or whole numbers: numbers with decimals lose digits".to_owned()
        } else {
            "leave rows without an account out of the file".to_owned()
        },
    };
    let Some(Values::Texts { levels, codes }) = table.column(name) else {
        return Err(wrong(0, table.column(name).map_or("no such column", Values::kind)));
    };
    let ids: Vec<Arc<str>> = levels.iter().map(|level| Arc::from(level.as_str())).collect();
    let id = |(row, code): (usize, &Option<u32>)| {
        code.map(|code| Arc::clone(&ids[code as usize])).ok_or_else(|| wrong(row, "nothing"))
    };
    codes.iter().enumerate().map(id).collect()
}

/// Observation dates; none may be missing.
pub(super) fn dates(table: &Table, name: &str) -> Result<Vec<NaiveDate>, MatrixError> {
    let wrong = |row: usize, found: &str| MatrixError::Row {
        path: table.path.clone(),
        column: name.to_owned(),
        row: row as u64 + 1,
        expected: "a date such as 2025-01-31, or a time that begins with one".to_owned(),
        found: found.to_owned(),
        hint: "write the day on which the row was observed; leave rows without one out of the file".to_owned(),
    };
    match table.column(name) {
        Some(Values::Dates(dates)) => {
            let date = |(row, date): (usize, &Option<NaiveDate>)| date.ok_or_else(|| wrong(row, "nothing"));
            dates.iter().enumerate().map(date).collect()
        }
        Some(Values::Texts { levels, codes }) => {
            let read: Vec<Option<NaiveDate>> = levels.iter().map(|level| date_of(level)).collect();
            let date = |(row, code): (usize, &Option<u32>)| {
                let known = |code: &u32| !is_not_known(&levels[*code as usize]);
                let code = code.filter(known).ok_or_else(|| wrong(row, "nothing"))?;
                read[code as usize].ok_or_else(|| wrong(row, "another text"))
            };
            codes.iter().enumerate().map(date).collect()
        }
        Some(other) => Err(wrong(0, other.kind())),
        None => Err(wrong(0, "no such column")),
    }
}

/// The day that a text begins with.
fn date_of(text: &str) -> Option<NaiveDate> {
    let day = text.get(..10)?;
    let rest = text.get(10..)?;
    let ends = rest.is_empty() || rest.starts_with(['T', ' ']);
    day.parse().ok().filter(|_| ends && day.as_bytes()[4] == b'-')
}

/// Whether texts are all days or times: nothing that a category could be made of.
pub(super) fn are_dates(levels: &[String]) -> bool {
    !levels.is_empty() && levels.iter().all(|level| date_of(level).is_some())
}

/// Weights, above 0 and finite.
pub(super) fn weights(table: &Table, name: &str) -> Result<Vec<f64>, MatrixError> {
    let wrong = |row: usize, found: &str| MatrixError::Row {
        path: table.path.clone(),
        column: name.to_owned(),
        row: row as u64 + 1,
        expected: "a finite weight above 0".to_owned(),
        found: found.to_owned(),
        hint: "leave a row out instead of giving it weight 0".to_owned(),
    };
    let Some(Values::Numbers(values)) = table.column(name) else {
        return Err(wrong(0, table.column(name).map_or("no such column", Values::kind)));
    };
    let weight = |(row, value): (usize, &f32)| match *value {
        value if value.is_nan() => Err(wrong(row, "nothing")),
        value if value > 0.0 && value.is_finite() => Ok(f64::from(value)),
        _ => Err(wrong(row, "another number")),
    };
    let weights: Vec<f64> = values.iter().enumerate().map(weight).collect::<Result<_, _>>()?;
    let total: f64 = weights.iter().sum();
    match weights.iter().position(|weight| *weight > 0.5 * total).filter(|_| weights.len() > 2) {
        Some(row) => Err(MatrixError::Row {
            path: table.path.clone(),
            column: name.to_owned(),
            row: row as u64 + 1,
            expected: "a weight that leaves the other rows a say".to_owned(),
            found: "one of more than all other rows together".to_owned(),
            hint: "look at this cell: nothing but this row would be learned from".to_owned(),
        }),
        None => Ok(weights),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_or_times_that_begin_with_one() {
        let day = "2025-01-31".parse().ok();
        for text in ["2025-01-31", "2025-01-31T10:00:00Z", "2025-01-31 10:00"] {
            assert_eq!(date_of(text), day, "{text}");
        }
        for text in ["31.01.2025", "2025-02-30", "2025-01-311", "2025-1-31", "", "ä025-01-31"] {
            assert_eq!(date_of(text), None, "{text}");
        }
    }

    #[test]
    fn outcomes_in_words() {
        for (text, label) in
            [("Yes", Some(true)), ("FALSE", Some(false)), ("1", Some(true)), ("0.0", Some(false)), ("maybe", None)]
        {
            assert_eq!(meaning(text), label, "{text}");
        }
    }
}
