//! What is chosen before the model is fitted: which parameters, how many rounds, and how much of a line goes into it.
//!
//! Every choice is judged by log loss on slices that lie later than the rows fitted (on held-out accounts where dates are
//! too few), and on nothing else. All slices go round by round together, so that the number of rounds is where their
//! **summed** loss is lowest: one slice with few outcomes has a ragged curve, several have a smoother one.

use rayon::prelude::*;

use super::parameters::{BoostingParameters, SMALL_ROWS};
use super::rounds::{Booster, Run};
use super::start::Start;
use crate::learner::logistic::LogisticParameters;
use crate::learner::rows::{Slice, design_views, rows_of_some};

/// Shares of the fit that starts from a line; the rest starts from the base rate.
const SHARES: [f32; 3] = [0.0, 0.5, 1.0];

/// How the model is to be fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plan {
    /// Parameters of every fit.
    pub(super) parameters: BoostingParameters,
    /// Rounds of the fit that starts from the base rate.
    pub(super) rounds: usize,
    /// Rounds of the fit that starts from a line.
    pub(super) rounds_from_line: usize,
    /// Share of the latter in the margin.
    pub(super) line_share: f32,
}

/// How one way of fitting did on the slices.
struct Raced {
    loss: f64,
    rounds: usize,
    /// Margins of each slice's judged rows after so many rounds.
    margins: Vec<Vec<f32>>,
}

/// Another setting than the first is taken where its loss is below this share of the first's.
const CLEARLY_LOWER: f64 = 0.995;

/// Where a slice has more rows than [`SMALL_ROWS`], settings are compared on so many of them: what differs between settings
/// shows on fewer rows, and then only one of them is fitted on all.
const ROWS_TO_COMPARE: usize = 30_000;

/// Another setting is given up after this part of the rounds without improvement that the first has.
const LESS_PATIENCE: usize = 4;

/// Chooses on the slices. `settings`: parameters to choose from, at least one.
pub(super) fn plan(run: Run<'_>, slices: &[Slice], settings: &[BoostingParameters], base: f32) -> Plan {
    // The line's library runs on one thread, so the way from a line goes on beside the choice of a setting. It takes the first
    // setting, which is mostly the one.
    let (chosen, ahead) = rayon::join(
        || best_setting(run, slices, settings, base),
        || settings.first().and_then(|first| from_lines(run, slices, first, base)),
    );
    let Some((parameters, plain)) = chosen else {
        let rounds = run.parameters.rounds_without_stopping;
        return Plan { parameters: *run.parameters, rounds, rounds_from_line: rounds, line_share: 0.0 };
    };
    let without = Plan { parameters, rounds: plain.rounds, rounds_from_line: 0, line_share: 0.0 };
    let started =
        if settings.first() == Some(&parameters) { ahead } else { from_lines(run, slices, &parameters, base) };
    let Some(started) = started else { return without };
    let mut best = (f64::INFINITY, 0.0);
    for share in SHARES {
        let of_slice = |((slice, plain), started): ((&Slice, &Vec<f32>), &Vec<f32>)| {
            let mixed: Vec<f32> =
                plain.iter().zip(started).map(|(plain, started)| plain + share * (started - plain)).collect();
            run.loss(&mixed, &slice.judge)
        };
        let loss: f64 = slices.iter().zip(&plain.margins).zip(&started.margins).map(of_slice).sum();
        if loss < best.0 {
            best = (loss, share);
        }
    }
    Plan { rounds_from_line: started.rounds, line_share: best.1, ..without }
}

/// How the way from a line does on the slices; `None` where it is not to be taken or no line can be fitted.
fn from_lines(run: Run<'_>, slices: &[Slice], parameters: &BoostingParameters, base: f32) -> Option<Raced> {
    if !parameters.uses_line() {
        return None;
    }
    let lines: Option<Vec<Start>> = slices.par_iter().map(|slice| line(run, &slice.fit)).collect();
    Some(race(Run { parameters, ..run }, slices, base, Some(&lines?)))
}

/// The setting with the lowest loss, the first where no other is clearly better, and how it did on the whole slices.
fn best_setting(
    run: Run<'_>,
    slices: &[Slice],
    settings: &[BoostingParameters],
    base: f32,
) -> Option<(BoostingParameters, Raced)> {
    let smaller: Vec<Slice> = slices.iter().map(|slice| smaller(run, slice)).collect();
    let is_whole = smaller
        .iter()
        .zip(slices)
        .all(|(some, all)| some.fit.len() == all.fit.len() && some.judge.len() == all.judge.len());
    let whole = |parameters: &BoostingParameters| race(Run { parameters, ..run }, slices, base, None);
    let (first, others) = settings.split_first()?;
    if others.is_empty() {
        return Some((*first, whole(first)));
    }
    let mut best = (*first, race(Run { parameters: first, ..run }, &smaller, base, None));
    let least = CLEARLY_LOWER * best.1.loss;
    for parameters in others {
        let hasty = BoostingParameters { patience: (parameters.patience / LESS_PATIENCE).max(1), ..*parameters };
        let raced = race(Run { parameters: &hasty, ..run }, &smaller, base, None);
        if raced.loss < least.min(best.1.loss) {
            best = (*parameters, raced);
        }
    }
    let (parameters, raced) = best;
    Some(if is_whole { (parameters, raced) } else { (parameters, whole(&parameters)) })
}

/// Some accounts of a slice with many rows.
fn smaller(run: Run<'_>, slice: &Slice) -> Slice {
    let most = if slice.fit.len() > SMALL_ROWS { ROWS_TO_COMPARE } else { SMALL_ROWS };
    let some = |rows: &[u32]| rows_of_some(run.rows, rows, most, run.rows.seed ^ 0xC405);
    Slice { fit: some(&slice.fit), judge: some(&slice.judge) }
}

/// Rows that the line is fitted on, at most: it is a start and no more, and its library runs on one thread.
const ROWS_FOR_LINE: usize = 12_000;

/// The line fitted on `fit`; `None` where none can be.
pub(super) fn line(run: Run<'_>, fit: &[u32]) -> Option<Start> {
    let parameters = LogisticParameters { max_rows: ROWS_FOR_LINE, ..LogisticParameters::default() };
    let line = parameters.check().and_then(|logistic| logistic.line(run.rows, fit)).ok()?;
    Some(Start::of(&line, run.features, &design_views(run.rows), fit))
}

/// One slice on its way.
struct Runner<'a> {
    booster: Booster<'a>,
    judge: &'a [u32],
    margins: Vec<f32>,
    loss: f64,
}

/// Boosts on all slices until their summed loss has not fallen for `patience` rounds.
fn race<'a>(run: Run<'a>, slices: &'a [Slice], base: f32, lines: Option<&[Start]>) -> Raced {
    let runner = |index: usize, slice: &'a Slice| {
        let start = lines.map(|lines| &lines[index]);
        let first = |row: &u32| start.map_or(base, |start| start.margin(run.features, *row));
        let margins: Vec<f32> = slice.judge.iter().map(first).collect();
        let loss = run.loss(&margins, &slice.judge);
        Runner { booster: run.booster(&slice.fit, base, start, index as u64), judge: &slice.judge, margins, loss }
    };
    let mut runners: Vec<Runner<'a>> = slices.iter().enumerate().map(|(index, slice)| runner(index, slice)).collect();
    let total = |runners: &[Runner<'_>]| runners.iter().map(|one| one.loss).sum::<f64>();
    let margins = |runners: &[Runner<'_>]| runners.iter().map(|one| one.margins.clone()).collect();
    let mut best = Raced { loss: total(&runners), rounds: 0, margins: margins(&runners) };
    for round in 1..=run.parameters.max_rounds {
        let step = |one: &mut Runner<'_>| {
            let tree = one.booster.step();
            run.add(&tree, one.judge, &mut one.margins);
            one.loss = run.loss(&one.margins, one.judge);
        };
        runners.par_iter_mut().for_each(step);
        let loss = total(&runners);
        if loss < best.loss {
            best = Raced { loss, rounds: round, margins: margins(&runners) };
        } else if round >= best.rounds + run.parameters.patience {
            break;
        }
    }
    // From the base rate, one round at least: a model without a tree says nothing.
    if lines.is_none() { Raced { rounds: best.rounds.max(1), ..best } } else { best }
}
