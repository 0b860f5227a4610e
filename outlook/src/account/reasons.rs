//! Reasons as words: those of the accounts that are told about, and which of them are new.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow_array::{Array, Float64Array, StringArray};
use bellwether_models::scores::REASONS;

use super::past::{Places, each_batch, number_at, text_at};
use super::since::{Change, ChangeKind, Then};
use crate::scored::{Columns, Reason, ScoredBase, ScoresReadError};

/// Reasons of an account that are told.
pub(crate) const TOLD: usize = 3;
/// A reason that adds less than this to the probability is not told as a new one.
const LEAST_EFFECT: f64 = 0.01;

/// What one pass over the scores of `as_of` finds.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// By account and target: the strongest reasons, of the accounts asked for.
    pub(crate) of: BTreeMap<(usize, usize), Vec<Reason>>,
    /// Reasons that were none of the five before.
    pub(crate) new: Vec<Change>,
}

struct Ranked<'a> {
    name: &'a StringArray,
    text: &'a StringArray,
    effect: &'a Float64Array,
}

impl<'a> Ranked<'a> {
    fn all(columns: &Columns<'a>, target: &str) -> Result<Vec<Self>, ScoresReadError> {
        let of = |rank: usize| {
            Ok(Self {
                name: columns.texts(&format!("{target}_reason_{rank}"))?,
                text: columns.texts(&format!("{target}_reason_{rank}_text"))?,
                effect: columns.numbers(&format!("{target}_reason_{rank}_effect"))?,
            })
        };
        (1..=TOLD).map(of).collect()
    }

    fn reason(&self, row: usize) -> Option<Reason> {
        Some(Reason {
            name: text_at(Some(self.name), row)?.into(),
            text: text_at(Some(self.text), row)?.to_owned(),
            effect: number_at(Some(self.effect), row)?,
        })
    }

    /// Whether the row has a reason that is worth telling and was none of those before.
    fn is_new(&self, row: usize, names: &[String], before: &[Option<u16>; REASONS]) -> bool {
        let adds = number_at(Some(self.effect), row).is_some_and(|effect| effect >= LEAST_EFFECT);
        let was = |name: &str| before.iter().flatten().any(|code| names[usize::from(*code)] == name);
        adds && text_at(Some(self.name), row).is_some_and(|name| !was(name))
    }
}

/// Reads the reasons of the accounts at `wanted` places, and those that are new against `then`.
pub(crate) fn read(
    out: &Path,
    base: &ScoredBase,
    wanted: &BTreeSet<usize>,
    then: Option<&Then>,
) -> Result<Words, ScoresReadError> {
    let mut words = Words::default();
    let mut places = Places::new(&base.accounts);
    let is_wanted = |name: &str| name == "account_id" || is_told(name);
    each_batch(out, base.as_of, is_wanted, |columns| {
        let ids = columns.texts("account_id")?;
        let targets = base.targets.iter().map(|target| Ranked::all(columns, target)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..ids.len() {
            let Some(place) = places.of(ids.value(row)) else { continue };
            for (target, ranked) in targets.iter().enumerate() {
                if wanted.contains(&place) {
                    let reasons = ranked.iter().filter_map(|one| one.reason(row)).collect();
                    words.of.insert((place, target), reasons);
                }
                // Of a low probability nobody asks why.
                let forecast = base.accounts[place].forecasts[target].as_ref();
                if forecast.and_then(|forecast| forecast.band.as_deref()) == Some("low") {
                    continue;
                }
                let Some((then, before)) = then.and_then(|then| Some((then, then.reasons(target, place)?))) else {
                    continue;
                };
                let new = ranked.iter().filter(|one| one.is_new(row, &then.names, before));
                words.new.extend(new.filter_map(|one| {
                    Some(Change {
                        reason: Some(one.reason(row)?),
                        ..Change::new(ChangeKind::NewReason, ids.value(row), Some(target))
                    })
                }));
            }
        }
        Ok(())
    })?;
    Ok(words)
}

/// Whether a column belongs to a reason that is told.
fn is_told(name: &str) -> bool {
    let rest = name.rsplit_once("_reason_").map(|(_, rest)| rest);
    let rank = rest.and_then(|rest| rest.split('_').next()).and_then(|rank| rank.parse::<usize>().ok());
    rank.is_some_and(|rank| rank <= TOLD)
}
