//! Does the account id tell the outcome?
//!
//! An id is a name and should say nothing. Its prefixes, its suffixes, its length and its place in order are compared with
//! whether the account ended, among accounts that started at about the same time: ids given out one after the other tell
//! the sign-up, and the sign-up has had its own time to churn.

use crate::facts::Facts;

use super::fate::Fates;
use super::statistics::{Observation, association, permutation_p, quantile_groups};
use super::{Code, Finding, Level, MAX_P_VALUE, MIN_ACCOUNTS};

/// Share of the uncertainty about the outcome that an id's feature must take away. A segment in the id may well take some;
/// a quarter of all there is to know is more than the segments of the simulated worlds have by far.
pub(crate) const MIN_EXPLAINED: f64 = 0.25;

/// Random exchanges, so that a share of 1 in 10,000 can be told.
const ROUNDS: u32 = 9_999;

/// A text shared by fewer accounts is "another".
const MIN_SHARED: usize = 5;

pub(crate) fn find(facts: &Facts, fates: &Fates) -> Vec<Finding> {
    let ended = fates.ended().count();
    if ended < MIN_ACCOUNTS || fates.end.len() - ended < MIN_ACCOUNTS {
        return Vec::new();
    }
    let features = features(&facts.accounts);
    let mut best: Option<(f64, &'static str, f64)> = None;
    for (name, categories) in &features {
        let observations = observations(fates, categories);
        let explained = association(&observations).explained;
        if explained < MIN_EXPLAINED || best.is_some_and(|(known, ..)| known >= explained) {
            continue;
        }
        let p_value = permutation_p(&observations, ROUNDS) * super::statistics::number(features.len());
        if p_value <= MAX_P_VALUE {
            best = Some((explained, name, p_value));
        }
    }
    best.map(|(explained, name, p_value)| {
        Finding::new(Code::Id, Level::Error, "accounts", Some("account_id"))
            .text(format!("{name} tells which accounts ended, among accounts that started at the same time"))
            .with("accounts", super::statistics::number(fates.end.len()))
            .with("ended_share", fates.ended_share())
            .with("explained", explained)
            .with("p_value_corrected", p_value)
    })
    .into_iter()
    .collect()
}

fn observations(fates: &Fates, categories: &[u32]) -> Vec<Observation> {
    let rows = fates.end.iter().zip(&fates.strata).zip(categories);
    rows.map(|((end, stratum), category)| Observation {
        stratum: *stratum,
        category: *category,
        outcome: end.is_some(),
        weight: 1.0,
    })
    .collect()
}

/// What is simple about an id, as categories.
fn features(ids: &[String]) -> Vec<(&'static str, Vec<u32>)> {
    type Part = fn(&str) -> String;
    let parts: [(&'static str, Part); 8] = [
        ("the first character of the id", |id| id.chars().take(1).collect()),
        ("the first two characters of the id", |id| id.chars().take(2).collect()),
        ("the first three characters of the id", |id| id.chars().take(3).collect()),
        ("the id up to its first separator or digit", |id| {
            id.chars().take_while(|character| character.is_alphabetic()).collect()
        }),
        ("the last character of the id", |id| id.chars().rev().take(1).collect()),
        ("the last two characters of the id", |id| id.chars().rev().take(2).collect()),
        ("the letters at the end of the id", |id| {
            id.chars().rev().take_while(|character| character.is_alphabetic()).collect()
        }),
        ("the length of the id", |id| id.chars().count().to_string()),
    ];
    let mut features: Vec<(&'static str, Vec<u32>)> =
        parts.into_iter().map(|(name, part)| (name, categories(ids, part))).collect();
    let places: Vec<usize> = (0..ids.len()).collect();
    features.push(("the place of the id in alphabetical order", quantile_groups(&places, 10)));
    let numbers: Vec<f64> = ids.iter().map(|id| last_number(id)).collect();
    features.push(("the number at the end of the id", quantile_groups(&numbers, 10)));
    features
}

fn categories(ids: &[String], part: fn(&str) -> String) -> Vec<u32> {
    let parts: Vec<String> = ids.iter().map(|id| part(id)).collect();
    let mut sorted: Vec<&String> = parts.iter().collect();
    sorted.sort_unstable();
    let shared: Vec<&String> =
        sorted.chunk_by(|a, b| a == b).filter(|same| same.len() >= MIN_SHARED).map(|same| same[0]).collect();
    let code = |part: &String| shared.binary_search(&part).ok().and_then(|place| u32::try_from(place + 1).ok());
    parts.iter().map(|part| code(part).unwrap_or(0)).collect()
}

fn last_number(id: &str) -> f64 {
    let digits: Vec<char> =
        id.chars().rev().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.into_iter().rev().collect::<String>().parse().unwrap_or(-1.0)
}
