//! What changed since an earlier date with scores: who entered, who left, whose probability moved most, and why now.

use std::collections::HashMap;
use std::path::Path;

use arrow_array::Array;
use bellwether_features::time::Instant;
use bellwether_models::scores::REASONS;
use chrono::NaiveDate;

use super::AccountInputs;
use super::past::{Places, each_batch, number_at, numbers_if_there, text_at, texts_if_there};
use super::seen::Seen;
use crate::scored::{Columns, Reason, ScoredBase, ScoresReadError, number};

/// At most so many moves are told per target.
pub const MOST_MOVED: usize = 100;
/// A probability that moves by less than this has not moved.
pub const LEAST_MOVE: f64 = 0.01;

/// What happened to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is scored, and was not.
    Entered,
    /// It was scored, and is not: it no longer pays.
    Ended,
    /// It was scored, and is not, for another reason.
    Left,
    /// Its probability moved.
    Moved,
    /// A reason counts that did not.
    NewReason,
}

impl ChangeKind {
    /// Name in tables.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Ended => "ended",
            Self::Left => "left",
            Self::Moved => "moved",
            Self::NewReason => "new_reason",
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What.
    pub kind: ChangeKind,
    /// Whose.
    pub account_id: String,
    /// Of which target, place in [`ScoredBase::targets`]; `None` where it concerns the account.
    pub target: Option<usize>,
    /// Probability then.
    pub before: Option<f64>,
    /// Probability now.
    pub now: Option<f64>,
    /// MRR then.
    pub mrr_before: Option<f64>,
    /// MRR now.
    pub mrr: Option<f64>,
    /// What counts now.
    pub reason: Option<Reason>,
}

impl Change {
    pub(crate) fn new(kind: ChangeKind, account_id: &str, target: Option<usize>) -> Self {
        Self {
            kind,
            account_id: account_id.to_owned(),
            target,
            before: None,
            now: None,
            mrr_before: None,
            mrr: None,
            reason: None,
        }
    }
}

/// The scores of the date compared with, at the places of today's accounts.
#[derive(Debug)]
pub(crate) struct Then {
    /// `name/version@digest` of its model.
    pub(crate) model: String,
    /// Whether each account was scored or told why not.
    is_there: Vec<bool>,
    /// By target, then account; NaN: not scored.
    probabilities: Vec<Vec<f64>>,
    mrr: Vec<f64>,
    /// Names of reasons.
    pub(crate) names: Vec<String>,
    codes: HashMap<String, u16>,
    /// By target, then account: names of the five reasons, as places in `names`.
    reasons: Vec<Vec<[Option<u16>; REASONS]>>,
    /// Those that are no longer scored, with their MRR.
    gone: Vec<(String, Option<f64>)>,
}

impl Then {
    /// Reads the scores of `date`.
    pub(crate) fn read(out: &Path, date: NaiveDate, base: &ScoredBase) -> Result<Self, ScoresReadError> {
        let rows = base.accounts.len();
        let mut then = Self {
            model: String::new(),
            is_there: vec![false; rows],
            probabilities: vec![vec![f64::NAN; rows]; base.targets.len()],
            mrr: vec![f64::NAN; rows],
            names: Vec::new(),
            codes: HashMap::new(),
            reasons: vec![vec![[None; REASONS]; rows]; base.targets.len()],
            gone: Vec::new(),
        };
        let mut places = Places::new(&base.accounts);
        let is_wanted = |name: &str| {
            let is_reason = name.rsplit_once("_reason_").is_some_and(|(_, rest)| rest.parse::<usize>().is_ok());
            is_reason || name.ends_with("_probability") || ["account_id", "mrr", "model"].contains(&name)
        };
        each_batch(out, date, is_wanted, |columns| then.read_batch(columns, base, &mut places))?;
        Ok(then)
    }

    fn read_batch(
        &mut self,
        columns: &Columns<'_>,
        base: &ScoredBase,
        places: &mut Places<'_>,
    ) -> Result<(), ScoresReadError> {
        let (ids, mrr, model) = (columns.texts("account_id")?, columns.numbers("mrr")?, columns.texts("model")?);
        if self.model.is_empty() && !ids.is_empty() {
            model.value(0).clone_into(&mut self.model);
        }
        let places: Vec<Option<usize>> = (0..ids.len()).map(|row| places.of(ids.value(row))).collect();
        for (row, place) in places.iter().enumerate() {
            let mrr = number(mrr, row);
            match place {
                Some(place) => {
                    self.is_there[*place] = true;
                    self.mrr[*place] = mrr.unwrap_or(f64::NAN);
                }
                None => self.gone.push((ids.value(row).to_owned(), mrr)),
            }
        }
        let known = || places.iter().enumerate().filter_map(|(row, place)| Some((row, (*place)?)));
        for (target, name) in base.targets.iter().enumerate() {
            let probability = numbers_if_there(columns, &format!("{name}_probability"))?;
            for (row, place) in known() {
                self.probabilities[target][place] = number_at(probability, row).unwrap_or(f64::NAN);
            }
            for rank in 0..REASONS {
                let reasons = texts_if_there(columns, &format!("{name}_reason_{}", rank + 1))?;
                for (row, place) in known() {
                    self.reasons[target][place][rank] = text_at(reasons, row).and_then(|text| self.code(text));
                }
            }
        }
        Ok(())
    }

    /// The code of a reason's name; `None` beyond what a code holds, which is far above the number of ideas.
    fn code(&mut self, name: &str) -> Option<u16> {
        if let Some(code) = self.codes.get(name) {
            return Some(*code);
        }
        let code = u16::try_from(self.names.len()).ok()?;
        self.names.push(name.to_owned());
        self.codes.insert(name.to_owned(), code);
        Some(code)
    }

    fn probability(&self, target: usize, place: usize) -> Option<f64> {
        Some(self.probabilities[target][place]).filter(|probability| !probability.is_nan())
    }

    /// The five reasons of an account that was scored for the target.
    pub(crate) fn reasons(&self, target: usize, place: usize) -> Option<&[Option<u16>; REASONS]> {
        self.probability(target, place)?;
        Some(&self.reasons[target][place])
    }
}

/// Everything but new reasons: who entered, ended and left by id, then the largest moves of each target.
pub(crate) fn changes(inputs: &AccountInputs<'_>, then: &Then) -> Vec<Change> {
    let base = inputs.base;
    let now = |place: usize| &base.accounts[place];
    let entered = (0..base.accounts.len()).filter(|place| !then.is_there[*place]);
    let mut found: Vec<Change> = entered
        .map(|place| Change { mrr: now(place).mrr, ..Change::new(ChangeKind::Entered, &now(place).account_id, None) })
        .collect();
    let end = Instant::start_of(base.as_of);
    let has_ended = |id: &String| {
        let account = inputs.facts.accounts.binary_search(id).ok()?;
        Seen::new(inputs.facts, account, end).subscription().map(|row| row.mrr <= 0.0)
    };
    found.extend(then.gone.iter().map(|(id, mrr)| {
        let kind = if has_ended(id) == Some(true) { ChangeKind::Ended } else { ChangeKind::Left };
        Change { mrr_before: *mrr, ..Change::new(kind, id, None) }
    }));
    found.sort_by(|a, b| (a.kind, &a.account_id).cmp(&(b.kind, &b.account_id)));
    for target in 0..base.targets.len() {
        found.extend(moved(base, then, target));
    }
    found
}

/// The largest moves of a target, largest first; ties by account id.
fn moved(base: &ScoredBase, then: &Then, target: usize) -> Vec<Change> {
    let move_of = |place: usize| {
        let now = base.accounts[place].forecasts[target].as_ref()?.probability;
        let before = then.probability(target, place)?;
        ((now - before).abs() >= LEAST_MOVE).then_some((place, before, now))
    };
    let mut moves: Vec<(usize, f64, f64)> = (0..base.accounts.len()).filter_map(move_of).collect();
    let size = |one: &(usize, f64, f64)| (one.2 - one.1).abs();
    // Places are in the order of ids.
    moves.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.0.cmp(&b.0)));
    moves.truncate(MOST_MOVED);
    let change = |(place, before, now): (usize, f64, f64)| Change {
        before: Some(before),
        now: Some(now),
        mrr_before: Some(then.mrr[place]).filter(|mrr| !mrr.is_nan()),
        mrr: base.accounts[place].mrr,
        ..Change::new(ChangeKind::Moved, &base.accounts[place].account_id, Some(target))
    };
    moves.into_iter().map(change).collect()
}
