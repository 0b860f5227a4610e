//! A table as the page reads it: columns by name, numbers of any width, and cells as texts.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use bellwether_page::number::{self, NONE};
use chrono::{DateTime, NaiveDate};

use crate::tables::Table;

/// A table, read.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) name: &'static str,
    columns: &'a [(&'static str, ArrayRef)],
    rows: usize,
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Money,
    Share,
    Plain,
}

/// Words of a column's name that say that it is neither money nor a share.
const PLAIN: &[&str] = &["months", "days", "accounts", "units", "ratio"];
/// Words that say that it is money.
const MONEY: &[&str] = &[
    "mrr",
    "arr",
    "revenue",
    "cost",
    "price",
    "amount",
    "lifetime",
    "worth",
    "arpa",
    "billed",
    "contracted",
    "paid",
    "unpaid",
    "overdue",
];
/// Words that say that it is a share.
const SHARE: &[&str] = &[
    "nrr",
    "grr",
    "retention",
    "share",
    "probability",
    "rate",
    "churn",
    "discount",
    "percentile",
    "hazard",
    "kept",
    "difference",
    "uplift",
];
/// Words at the end that say nothing of what it is.
const ENDS: &[&str] = &["low", "high", "12m", "drawn", "median"];

impl Form {
    /// From the words of the name of a column of fractions: by the last one that says it, else by any; `mrr_share` is a
    /// share and `churn_mrr` is money.
    pub(super) fn of(column: &str) -> Self {
        let words: Vec<&str> = column.split('_').filter(|word| !ENDS.contains(word)).collect();
        let of_words = |words: &[&str]| {
            let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
            let forms = [(PLAIN, Self::Plain), (MONEY, Self::Money), (SHARE, Self::Share)];
            forms.into_iter().find(|(known, _)| has(known)).map(|(_, form)| form)
        };
        // One thing over another is a ratio, whatever they are; a squared difference of shares is none.
        if words.contains(&"over") || words.contains(&"brier") {
            return Self::Plain;
        }
        let last = words.last().and_then(|last| of_words(&[last]));
        last.or_else(|| of_words(&words)).unwrap_or(Self::Plain)
    }

    pub(super) fn write(self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => NONE.to_owned(),
            Self::Money => number::money(value),
            Self::Share => number::percent(value, 1),
            Self::Plain => number::plain(value),
        }
    }

    /// As the end of an interval, after a value that says the unit.
    pub(super) fn write_end(self, value: f64) -> String {
        match self {
            Self::Share if value.is_finite() => number::number(100.0 * value, 1),
            _ => self.write(value),
        }
    }
}

impl<'a> View<'a> {
    pub(super) fn of(table: &'a Table) -> Self {
        Self { name: table.name, columns: &table.columns, rows: table.rows() }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + 'a {
        self.columns.iter().map(|(name, _)| *name)
    }

    pub(super) fn column(&self, name: &str) -> Option<&'a ArrayRef> {
        self.columns.iter().find(|(one, _)| *one == name).map(|(_, column)| column)
    }

    /// A column of numbers of any width.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<Option<f64>>> {
        let column = self.column(name)?;
        (0..self.rows).map(|row| number_at(column, row)).collect()
    }

    /// A column of texts.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<Option<&'a str>>> {
        let column = self.column(name)?.as_string_opt::<i32>()?;
        Some(column.iter().collect())
    }

    /// A column of dates.
    pub(super) fn dates(&self, name: &str) -> Option<Vec<Option<NaiveDate>>> {
        let column = self.column(name)?;
        (column.data_type() == &DataType::Date32)
            .then(|| (0..self.rows).map(|row| (!column.is_null(row)).then(|| date_at(column, row)).flatten()).collect())
    }

    /// The columns as the table behind a plot has them: `x`, `x_low` and `x_high` are one.
    pub(super) fn shown(&self) -> Vec<Shown<'a>> {
        let is_end = |name: &str| {
            ["_low", "_high"].iter().filter_map(|end| name.strip_suffix(end)).any(|of| self.column(of).is_some())
        };
        let columns = self.columns.iter().filter(|(name, _)| !is_end(name));
        let ends = |name: &str| Some([self.column(&format!("{name}_low"))?, self.column(&format!("{name}_high"))?]);
        columns.map(|(name, column)| Shown { name, column, ends: ends(name) }).collect()
    }
}

/// A column with the ends of its interval.
pub(super) struct Shown<'a> {
    pub(super) name: &'static str,
    column: &'a ArrayRef,
    ends: Option<[&'a ArrayRef; 2]>,
}

impl Shown<'_> {
    /// Whether nothing in it is known.
    pub(super) fn is_empty(&self) -> bool {
        self.column.null_count() == self.column.len()
    }

    pub(super) fn has_interval(&self) -> bool {
        self.ends.is_some()
    }

    /// The heading of the column.
    pub(super) fn heading(&self) -> String {
        heading(self.name)
    }

    /// A cell, with its interval where there is one.
    pub(super) fn cell(&self, row: usize) -> String {
        let value = text_at(self.name, self.column, row);
        match self.ends {
            Some(ends) if !ends.iter().any(|end| end.is_null(row)) => {
                let form = Form::of(self.name);
                let [low, high] = ends.map(|end| match number_at(end, row).flatten() {
                    Some(number) => form.write_end(number),
                    None => text_at(self.name, end, row),
                });
                format!("{value} ({low} to {high})")
            }
            _ => value,
        }
    }
}

/// A column's or table's name as a heading: "nrr_12m" is "NRR 12 months".
pub(super) fn heading(name: &str) -> String {
    let word = |word: &str| match word {
        "mrr" | "arr" | "nrr" | "grr" | "nps" | "ltv" | "clv" | "cac" => word.to_uppercase(),
        "12m" => "12 months".to_owned(),
        "drawn" => "(drawn)".to_owned(),
        other => other.to_owned(),
    };
    let text = name.split('_').map(word).collect::<Vec<_>>().join(" ");
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// `None` where it is no column of numbers; `Some(None)` where the number is not known.
fn number_at(column: &ArrayRef, row: usize) -> Option<Option<f64>> {
    let value = match column.data_type() {
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row),
        DataType::Float32 => f64::from(column.as_primitive::<Float32Type>().value(row)),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row) as f64,
        DataType::UInt32 => f64::from(column.as_primitive::<UInt32Type>().value(row)),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row) as f64,
        DataType::Int32 => f64::from(column.as_primitive::<Int32Type>().value(row)),
        _ => return None,
    };
    Some((!column.is_null(row)).then_some(value))
}

fn date_at(column: &ArrayRef, row: usize) -> Option<NaiveDate> {
    column.as_primitive::<Date32Type>().value_as_date(row)
}

/// A cell as text; a dash where it is not known.
pub(super) fn text_at(name: &str, column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return NONE.to_owned();
    }
    let text = match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row).to_owned()),
        DataType::Boolean => Some(if column.as_boolean().value(row) { "yes" } else { "no" }.to_owned()),
        DataType::Date32 => date_at(column, row).map(|date| {
            let is_month = name == "month" || name == "cohort";
            date.format(if is_month { "%Y-%m" } else { "%Y-%m-%d" }).to_string()
        }),
        DataType::Timestamp(..) => {
            let micros = column.as_primitive_opt::<TimestampMicrosecondType>().map(|column| column.value(row));
            micros.and_then(DateTime::from_timestamp_micros).map(|at| at.format("%Y-%m-%d %H:%M").to_string())
        }
        DataType::Float64 | DataType::Float32 => {
            number_at(column, row).flatten().map(|value| Form::of(name).write(value))
        }
        _ => number_at(column, row).flatten().map(|value| Form::Plain.write(value)),
    };
    text.unwrap_or_else(|| NONE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_its_numbers_are_written() {
        for (name, form) in [
            ("churn_mrr", Form::Money),
            ("nrr_12m", Form::Share),
            ("logo_retention_drawn", Form::Share),
            ("quick_ratio", Form::Plain),
            ("net_churn", Form::Share),
            ("mrr_share", Form::Share),
            ("mrr_at_risk", Form::Money),
            ("value_over_cost", Form::Plain),
            ("lifetime_months", Form::Plain),
            ("lifetime_value", Form::Money),
            ("value_before", Form::Plain),
        ] {
            assert_eq!(Form::of(name), form, "{name}");
        }
        let written = [-1_234.0, 0.0, 0.25, 12.34, 1e20, f64::NAN].map(|value| Form::Plain.write(value));
        assert_eq!(written, ["−1,234", "0", "0.25", "12.3", "100000000000000000000", "–"]);
        assert_eq!(heading("nrr_12m"), "NRR 12 months");
    }
}
