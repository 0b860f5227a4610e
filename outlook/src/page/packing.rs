//! Accounts as data within the page: columns of whole numbers, every text once, reasons as sentences with their figures apart.
//!
//! A probability is a whole number of tenths of a percent, an effect one of tenths of a point, money has cents: no more digits
//! than the page shows. A reason's text is a sentence ("events in the last 28 days fell ⟨⟩ % against the 28 days before") and the
//! figures that go into it, so that 600,000 reasons need few sentences.

use bellwether_page::data::{Dictionary, push_list, push_number, push_text};

use super::view::Form;
use crate::scored::{Forecast, Reason, ScoredBase};

/// Stands in a sentence where a figure goes.
const PLACE: char = '\u{1}';
/// Figures that are part of the sentence: the windows of signals.
const WINDOWS: &[&str] = &["7", "13", "28", "30", "60", "90", "91", "364", "365"];

/// One column of the account table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AccountColumn {
    /// Name in the data.
    pub(super) name: String,
    /// Heading.
    pub(super) heading: String,
    /// Whether it stands in the table; else with the details of an account.
    pub(super) in_table: bool,
    /// Whether accounts can be chosen by it.
    pub(super) is_filter: bool,
    pub(super) values: Values,
}

/// The values of a column, one for each account.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Texts(Vec<Option<String>>),
    Numbers(Form, Vec<Option<f64>>),
    /// Value, low, high; all three or none.
    Range(Vec<Option<[f64; 3]>>),
}

impl AccountColumn {
    /// A cell as the page shows it without a script.
    pub(super) fn cell(&self, row: usize) -> String {
        use bellwether_page::number::{NONE, number, percent};
        let none = || NONE.to_owned();
        match &self.values {
            Values::Texts(texts) => texts[row].clone().unwrap_or_else(none),
            Values::Numbers(form, values) => values[row].map_or_else(none, |value| form.write(value)),
            Values::Range(ranges) => ranges[row].map_or_else(none, |[value, low, high]| {
                format!("{} ({} to {})", percent(value, 1), number(100.0 * low, 1), number(100.0 * high, 1))
            }),
        }
    }

    fn push(&self, json: &mut String) {
        json.push_str("{\"name\":");
        push_text(json, &self.name);
        json.push_str(",\"heading\":");
        push_text(json, &self.heading);
        json.push_str(&format!(",\"inTable\":{},\"isFilter\":{}", self.in_table, self.is_filter));
        match &self.values {
            Values::Texts(texts) => push_texts(json, texts),
            Values::Numbers(form, values) => {
                let (form, factor, decimals) = match form {
                    Form::Money => ("money", 1.0, 2),
                    Form::Share => ("share", 1_000.0, 0),
                    Form::Plain => ("plain", 1.0, 4),
                };
                json.push_str(&format!(",\"form\":\"{form}\",\"values\":"));
                push_list(json, values, |json, value| push_number(json, value.map(|value| value * factor), decimals));
            }
            Values::Range(ranges) => {
                json.push_str(",\"form\":\"range\"");
                for (place, name) in ["values", "low", "high"].iter().enumerate() {
                    json.push_str(&format!(",\"{name}\":"));
                    push_list(json, ranges, |json, range| {
                        push_number(json, range.map(|ends| 1_000.0 * ends[place]), 0);
                    });
                }
            }
        }
        json.push('}');
    }
}

fn push_texts(json: &mut String, texts: &[Option<String>]) {
    let mut dictionary = Dictionary::default();
    let codes: Vec<i64> =
        texts.iter().map(|text| text.as_ref().map_or(-1, |text| dictionary.code(text) as i64)).collect();
    json.push_str(",\"form\":\"text\",\"texts\":");
    dictionary.push(json);
    json.push_str(",\"values\":");
    push_list(json, codes, |json, code| json.push_str(&code.to_string()));
}

/// Ids and columns of the accounts.
pub(super) fn accounts(ids: &[&str], columns: &[AccountColumn]) -> String {
    let mut json = String::from("{\"ids\":");
    push_list(&mut json, ids, |json, id| push_text(json, id));
    json.push_str(",\"columns\":");
    push_list(&mut json, columns, |json, column| column.push(json));
    json.push('}');
    json
}

/// Reasons of some accounts, by target, then by rank.
pub(super) fn reasons(base: &ScoredBase, rows: &[usize]) -> String {
    let mut sentences = Dictionary::default();
    let mut targets = String::new();
    push_list(&mut targets, base.targets.iter().enumerate(), |json, (target, name)| {
        json.push_str("{\"name\":");
        push_text(json, name);
        let forecast = |row: usize| base.accounts[row].forecasts[target].as_ref();
        let most = rows.iter().filter_map(|row| forecast(*row)).map(|one| one.reasons.len()).max().unwrap_or(0);
        json.push_str(",\"ranks\":");
        push_list(json, 0..most, |json, rank| {
            let of = |one: Option<&Forecast>| one.and_then(|one| one.reasons.get(rank)).cloned();
            let of_rank: Vec<Option<Reason>> = rows.iter().map(|row| of(forecast(*row))).collect();
            push_rank(json, &of_rank, &mut sentences);
        });
        json.push('}');
    });
    let mut json = String::from("{\"sentences\":");
    sentences.push(&mut json);
    json.push_str(",\"targets\":");
    json.push_str(&targets);
    json.push('}');
    json
}

fn push_rank(json: &mut String, reasons: &[Option<Reason>], sentences: &mut Dictionary) {
    let mut figures = String::new();
    json.push_str("{\"sentence\":");
    push_list(json, reasons.iter().enumerate(), |json, (place, reason)| {
        if place > 0 {
            figures.push(';');
        }
        let code = reason.as_ref().map(|reason| {
            let (sentence, of_reason) = apart(&reason.text);
            figures.push_str(&of_reason.join("|"));
            sentences.code(&sentence)
        });
        json.push_str(&code.map_or("-1".to_owned(), |code| code.to_string()));
    });
    json.push_str(",\"figures\":");
    push_text(json, &figures);
    json.push_str(",\"effect\":");
    push_list(json, reasons, |json, reason| push_number(json, reason.as_ref().map(|one| 1_000.0 * one.effect), 0));
    json.push('}');
}

/// A text as a sentence and its figures.
fn apart(text: &str) -> (String, Vec<&str>) {
    let (mut sentence, mut figures) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some(start) = rest.find(|one: char| one.is_ascii_digit()) {
        let end = rest[start..].find(|one: char| !(one.is_ascii_digit() || one == '.' || one == ','));
        let end = end.map_or(rest.len(), |length| start + length);
        let figure = rest[start..end].trim_end_matches(['.', ',']);
        sentence.extend(rest[..start].chars().filter(|one| *one != PLACE));
        if WINDOWS.contains(&figure) {
            sentence.push_str(figure);
        } else {
            sentence.push(PLACE);
            figures.push(figure);
        }
        rest = &rest[start + figure.len()..];
    }
    sentence.extend(rest.chars().filter(|one| *one != PLACE));
    (sentence, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together(sentence: &str, figures: &[&str]) -> String {
        let mut figures = figures.iter();
        sentence
            .chars()
            .map(|one| if one == PLACE { (*figures.next().expect("one")).to_owned() } else { one.to_string() })
            .collect()
    }

    #[test]
    fn a_sentence_and_its_figures_are_the_text() {
        for text in [
            "events in the last 28 days fell 30 % against the 28 days before",
            "first expansion 1,630 days after sign-up (fixed)",
            "spread of use (0 is one feature): 2.07",
            "1,234.",
            "no figure, and \u{e9}",
            "",
        ] {
            let (sentence, figures) = apart(text);
            assert_eq!(together(&sentence, &figures), text);
        }
        let (sentence, figures) = apart("events in the last 28 days fell 31 %, to 1,200.5.");
        assert_eq!(
            (sentence.as_str(), figures),
            ("events in the last 28 days fell \u{1} %, to \u{1}.", vec!["31", "1,200.5"])
        );
    }
}
