//! People's probabilities beside the model's, held against what came.
//!
//! Whoever puts a probability in place of the model's (table `overrides`) is judged by the same measure, on the same accounts: the
//! Brier score, the mean squared difference of probability and outcome (Brier 1950, Monthly Weather Review 78, 1-3), with a paired
//! interval of the difference. An account counts once per author and target, by the first override; its window runs from the
//! midnight after it. Only what was known by that midnight counts: who writes a probability down later, or corrects one, may know what
//! came. The model's probability is that of the last scores up to that midnight, at most
//! [`FRESH_DAYS`] old, of a model that could not know what came; without one the override is not judged.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use arrow_array::Array;
use bellwether_features::contract::TableName;
use bellwether_features::facts::{Facts, OverrideFact};
use bellwether_features::label::{Labels, TargetDefinition};
use bellwether_features::spine::Spine;
use bellwether_features::time::Instant;
use chrono::NaiveDate;

use crate::account::past::{each_batch, number_at};
use crate::cohort::Share;
use crate::run::could_not_know;
use crate::scored::{ScoresReadError, dates};

/// Scores this old still say what the model would have said.
pub const FRESH_DAYS: i64 = 31;
/// 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// What an author's overrides of a target came to.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgementRow {
    /// Who said so.
    pub author: String,
    /// Of which target.
    pub target: String,
    /// Accounts that are judged.
    pub accounts: u64,
    /// Of them, those to which it happened.
    pub happened: u64,
    /// Mean of the author's probabilities.
    pub stated: f64,
    /// Mean of the model's.
    pub model: f64,
    /// Brier score of the author.
    pub stated_brier: f64,
    /// Brier score of the model.
    pub model_brier: f64,
    /// The author's less the model's, with its 95 % interval over accounts: below 0 the author was better. `None` with fewer than
    /// two accounts.
    pub difference: Option<Share>,
    /// Accounts whose outcome is not known yet.
    pub open: u64,
    /// Accounts of which there are no scores of that time.
    pub without_scores: u64,
}

/// One override, and the midnight from which its window runs.
#[derive(Debug, Clone, Copy)]
struct Stated {
    account: u32,
    author: u32,
    at: Instant,
    probability: f64,
    from: NaiveDate,
}

/// Overrides known before `as_of`, by author and target; those of targets that are not declared are left out. `out`: where scores
/// are.
///
/// # Errors
/// [`ScoresReadError`] for scores that cannot be read.
pub fn judgements(
    facts: &Facts,
    targets: &[TargetDefinition],
    out: &Path,
    as_of: NaiveDate,
) -> Result<Vec<JudgementRow>, ScoresReadError> {
    let scored = dates(out)?;
    let mut rows = Vec::new();
    for target in targets {
        let stated = stated(facts, &target.name, Instant::start_of(as_of));
        let spine = Spine {
            accounts: stated.iter().map(|one| one.account).collect(),
            as_of: stated.iter().map(|one| one.from).collect(),
            ineligible: Vec::new(),
            dates: Vec::new(),
        };
        // A target whose table is not there has no outcomes.
        let Ok(labels) = Labels::compute(facts, &spine, target, as_of) else { continue };
        let models = of_models(facts, target, out, &scored, &stated)?;
        rows.extend(judged(facts, target, &stated, &labels.values, &models));
    }
    rows.sort_by(|a, b| (&a.author, &a.target).cmp(&(&b.author, &b.target)));
    Ok(rows)
}

/// The first visible override of each account by each author, by account.
fn stated(facts: &Facts, target: &str, as_of: Instant) -> Vec<Stated> {
    let Some(table) = &facts.overrides else { return Vec::new() };
    let mut found = Vec::new();
    for account in 0..facts.accounts.len() {
        if table.of(account).is_empty() || facts.count_since(TableName::Overrides, account) >= as_of {
            continue;
        }
        let meant = |row: &OverrideFact| -> Option<(u32, Stated)> {
            let name = facts.override_targets.names.get(row.target as usize)?;
            let from = row.at.date()?.succ_opt()?;
            let in_time = row.known_at < Instant::start_of(from) && row.at < as_of && row.known_at < as_of;
            let stated =
                Stated { account: account as u32, author: row.author, at: row.at, probability: row.probability, from };
            (name == target && in_time).then_some((row.author, stated))
        };
        let mut first: BTreeMap<u32, Stated> = BTreeMap::new();
        for (author, stated) in table.of(account).iter().filter_map(meant) {
            let held = first.entry(author).or_insert(stated);
            // A version of the same that was known later, still in time.
            if held.at == stated.at {
                *held = stated;
            }
        }
        found.extend(first.into_values());
    }
    found
}

/// What the model said of each.
fn of_models(
    facts: &Facts,
    target: &TargetDefinition,
    out: &Path,
    scored: &[NaiveDate],
    stated: &[Stated],
) -> Result<Vec<Option<f64>>, ScoresReadError> {
    let mut by_date: BTreeMap<NaiveDate, HashMap<&str, Vec<usize>>> = BTreeMap::new();
    for (place, one) in stated.iter().enumerate() {
        let last = scored.iter().rev().find(|date| **date <= one.from);
        if let Some(date) = last.filter(|date| (one.from - **date).num_days() <= FRESH_DAYS) {
            let id = facts.accounts[one.account as usize].as_str();
            by_date.entry(*date).or_default().entry(id).or_default().push(place);
        }
    }
    let mut found = vec![None; stated.len()];
    let name = format!("{}_probability", target.name);
    for (date, wanted) in by_date {
        if !could_not_know(out, date, target.label_interval_days()) {
            continue;
        }
        let is_wanted = |column: &str| column == "account_id" || column == name;
        each_batch(out, date, is_wanted, |columns| {
            if columns.batch.column_by_name(&name).is_none() {
                return Ok(());
            }
            let (ids, probabilities) = (columns.texts("account_id")?, columns.numbers(&name)?);
            for row in 0..ids.len() {
                for place in wanted.get(ids.value(row)).into_iter().flatten() {
                    found[*place] = number_at(Some(probabilities), row);
                }
            }
            Ok(())
        })?;
    }
    Ok(found)
}

fn judged(
    facts: &Facts,
    target: &TargetDefinition,
    stated: &[Stated],
    outcomes: &[Option<bool>],
    models: &[Option<f64>],
) -> Vec<JudgementRow> {
    let mut by_author: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, one) in stated.iter().enumerate() {
        by_author.entry(one.author).or_default().push(place);
    }
    let row = |(author, places): (u32, Vec<usize>)| {
        let known: Vec<(f64, f64, f64)> = places
            .iter()
            .filter_map(|place| {
                Some((stated[*place].probability, models[*place]?, f64::from(u8::from(outcomes[*place]?))))
            })
            .collect();
        let n = known.len() as f64;
        let mean = |of: &dyn Fn(&(f64, f64, f64)) -> f64| known.iter().map(of).sum::<f64>() / n;
        let better = |(stated, model, came): &(f64, f64, f64)| (stated - came).powi(2) - (model - came).powi(2);
        let value = mean(&better);
        let variance = mean(&|one| (better(one) - value).powi(2)) * n / (n - 1.0);
        let half = Z * (variance / n).sqrt();
        let author = facts.authors.names.get(author as usize).cloned().unwrap_or_default();
        JudgementRow {
            author,
            target: target.name.clone(),
            accounts: known.len() as u64,
            happened: known.iter().filter(|(.., came)| *came > 0.5).count() as u64,
            stated: mean(&|one| one.0),
            model: mean(&|one| one.1),
            stated_brier: mean(&|one| (one.0 - one.2).powi(2)),
            model_brier: mean(&|one| (one.1 - one.2).powi(2)),
            difference: (known.len() > 1).then_some(Share { value, low: value - half, high: value + half }),
            open: places.iter().filter(|place| outcomes[**place].is_none()).count() as u64,
            without_scores: places
                .iter()
                .filter(|place| outcomes[**place].is_some() && models[**place].is_none())
                .count() as u64,
        }
    };
    by_author.into_iter().map(row).collect()
}
