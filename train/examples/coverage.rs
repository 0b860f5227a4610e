//! Do the 95 % intervals of a backtest hold what they are meant to hold? See `benches/honesty/coverage.py`.
//!
//! ```text
//! coverage MATRIX.parquet TARGET HORIZON_DAYS FIRST_TEST WORLD_ACCOUNTS WORLDS LEARNER [LEARNER ...]
//! ```
//!
//! The matrix is of one simulated business of independent accounts. Its accounts are dealt out, by name: `WORLDS` small
//! worlds of `WORLD_ACCOUNTS` each, and all that are left over are the very large draw from the same law and dates. In each
//! small world the whole backtest is done with the trainer's own parts (refits each quarter, out-of-time calibration,
//! export, intervals by account), and every model that a refit gave also predicts the rows of the large draw that lie
//! between that refit and the next. The measure of those predictions is the truth that the interval should hold.
//!
//! In the first four worlds the predictions are compared, bit for bit, with those of [`bellwether_train::backtest()`]. Prints a
//! JSON object per learner and measure: worlds with an interval, and in how many it held the truth.

#![allow(clippy::print_stdout, reason = "a measurement is read from the terminal")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bellwether_features::label::Labels;
use bellwether_features::matrix::{Column, FeatureMatrix};
use bellwether_train::backtest::backtest;
use bellwether_train::evaluate::{Judged, MetricSet};
use bellwether_train::fold::RollingOrigin;
use bellwether_train::learner::LearnerKind;
use bellwether_train::matrix::{MatrixRoles, read};
use bellwether_train::measure::Metric;
use bellwether_train::pool::OutOfTime;
use bellwether_train::refit::{FittedModel, Refit};
use bellwether_train::resample::intervals;
use bellwether_train::settings::{BacktestOptions, BacktestSettings, CapacityOptions};
use bellwether_train::{Dataset, Silent, calibrate};
use rayon::prelude::*;

const USAGE: &str =
    "coverage MATRIX.parquet TARGET HORIZON_DAYS FIRST_TEST WORLD_ACCOUNTS WORLDS LEARNER [LEARNER ...]";

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, target, horizon, first_test, world_accounts, worlds, learners @ ..] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let learners: Vec<LearnerKind> = learners.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    let (world_accounts, worlds): (usize, usize) = (world_accounts.parse()?, worlds.parse()?);
    let roles = MatrixRoles {
        target: target.clone(),
        account: Some("account_id".to_owned()),
        as_of: Some("as_of".to_owned()),
        weight: None,
        horizon_days: Some(horizon.parse()?),
    };
    let all = read(Path::new(path), &roles)?.dataset;
    let deal = Deal::new(&all, world_accounts, worlds)?;
    let large = part(&all, |row| deal.world_of(&all, row) == worlds)?;
    let settings = settings(first_test, &learners, world_accounts)?;

    let held: Vec<Vec<Held>> = (0..worlds)
        .into_par_iter()
        .map(|world| {
            let small = part(&all, |row| deal.world_of(&all, row) == world)?;
            let large_by_small = deal.accounts_left_over() as f64 / world_accounts as f64;
            one_world(&small, &large, &settings, large_by_small, world)
        })
        .collect::<Result<_, Failure>>()?;
    report(held.into_iter().flatten());
    Ok(())
}

/// Which account belongs to which world, by the order of their names.
struct Deal {
    world_of_account: BTreeMap<Arc<str>, usize>,
    left_over: usize,
}

impl Deal {
    fn new(all: &Dataset, world_accounts: usize, worlds: usize) -> Result<Self, Failure> {
        let mut names: Vec<Arc<str>> = all.matrix().account_ids.clone();
        names.sort_unstable();
        names.dedup();
        let dealt = world_accounts * worlds;
        if names.len() < dealt + 10 * world_accounts {
            return Err(
                format!("expected at least {} accounts, found {}", dealt + 10 * world_accounts, names.len()).into()
            );
        }
        let left_over = names.len() - dealt;
        let world_of_account =
            names.into_iter().enumerate().map(|(place, name)| (name, (place / world_accounts).min(worlds))).collect();
        Ok(Self { world_of_account, left_over })
    }

    fn world_of(&self, all: &Dataset, row: usize) -> usize {
        self.world_of_account.get(&all.matrix().account_ids[row]).copied().unwrap_or(usize::MAX)
    }

    fn accounts_left_over(&self) -> usize {
        self.left_over
    }
}

/// The rows that are kept, as a dataset of their own.
fn part(all: &Dataset, keep: impl Fn(usize) -> bool) -> Result<Dataset, Failure> {
    let rows: Vec<usize> = (0..all.rows()).filter(|row| keep(*row)).collect();
    let matrix = all.matrix();
    let column = |column: &Column| match column {
        Column::Numeric(values) => Column::Numeric(rows.iter().map(|row| values[*row]).collect()),
        Column::Category { levels, codes } => {
            Column::Category { levels: levels.clone(), codes: rows.iter().map(|row| codes[*row]).collect() }
        }
    };
    let matrix = FeatureMatrix {
        account_ids: rows.iter().map(|row| Arc::clone(&matrix.account_ids[*row])).collect(),
        as_of: rows.iter().map(|row| matrix.as_of[*row]).collect(),
        signals: matrix.signals.clone(),
        columns: matrix.columns.iter().map(column).collect(),
    };
    let labels = all.labels().iter().map(|labels| Labels {
        target: labels.target.clone(),
        known_before: labels.known_before,
        values: rows.iter().map(|row| labels.values[*row]).collect(),
        uplift: rows.iter().map(|row| labels.uplift[*row]).collect(),
    });
    Ok(Dataset::new(matrix, labels.collect())?)
}

/// The defaults, with a team that can call a tenth of the accounts.
fn settings(first_test: &str, learners: &[LearnerKind], accounts: usize) -> Result<BacktestSettings, Failure> {
    let options = BacktestOptions {
        first_test: Some(first_test.to_owned()),
        learners: Some(learners.iter().map(ToString::to_string).collect()),
        ..BacktestOptions::default()
    };
    let mut settings = options.resolve(&CapacityOptions::default())?;
    settings.accounts_per_week = (accounts / 10).try_into()?;
    Ok(settings)
}

/// Rows that a learner's refits predicted, ready to be judged.
#[derive(Default)]
struct Predicted {
    labels: Vec<bool>,
    probabilities: Vec<f64>,
    null_probabilities: Vec<f64>,
    mrr: Vec<f32>,
    as_of_days: Vec<i32>,
    accounts: Vec<u32>,
}

impl Predicted {
    fn add(&mut self, dataset: &Dataset, rows: &[u32], probabilities: Vec<f64>, base_rate: f64) {
        let mrr = dataset.numeric("mrr");
        for row in rows.iter().map(|row| *row as usize) {
            self.labels.push(dataset.labels()[0].values[row] == Some(true));
            self.mrr.push(mrr.map_or(f32::NAN, |mrr| mrr[row]));
            self.as_of_days.push(dataset.as_of_days()[row]);
            self.accounts.push(dataset.accounts()[row]);
            self.null_probabilities.push(base_rate);
        }
        self.probabilities.extend(probabilities);
    }

    fn judged(&self, capacity: usize) -> Judged<'_> {
        Judged {
            labels: &self.labels,
            probabilities: &self.probabilities,
            null_probabilities: &self.null_probabilities,
            mrr: Some(&self.mrr),
            as_of_days: &self.as_of_days,
            capacity,
        }
    }
}

/// Whether one interval held its truth.
struct Held {
    learner: LearnerKind,
    metric: Metric,
    held: bool,
    naive: Option<bool>,
}

/// The backtest of a small world, each of its models also on the large draw.
fn one_world(
    small: &Dataset,
    large: &Dataset,
    settings: &BacktestSettings,
    large_by_small: f64,
    world: usize,
) -> Result<Vec<Held>, Failure> {
    let origin = RollingOrigin::new(small, &small.labels()[0], settings)?;
    let mut found = Vec::new();
    for learner in settings.learners.iter().copied() {
        // A backtest would put a simpler learner in its place, which is judged here anyway.
        let Some((here, there)) = predictions(small, large, settings, &origin, learner)? else { continue };
        if world < 4 {
            compare_with_the_backtest(small, settings, learner, &here)?;
        }
        let capacity = settings.accounts_per_week as usize;
        let judged = here.judged(capacity);
        let metrics = MetricSet::new(&judged)?;
        let Some(intervals) = intervals(&judged, &metrics, &here.accounts, settings.seed, true) else { continue };
        let truth = MetricSet::new(&there.judged((capacity as f64 * large_by_small).round() as usize))?;
        for (metric, one) in &intervals.metrics {
            let Some(truth) = truth.value(*metric) else { continue };
            let naive = one.naive.map(|naive| naive.holds(truth));
            found.push(Held { learner, metric: *metric, held: one.interval().holds(truth), naive });
        }
    }
    Ok(found)
}

/// What a learner's refits say of the small world's test rows, and of the large draw's of the same dates; `None` where a
/// refit has too few accounts for it.
fn predictions(
    small: &Dataset,
    large: &Dataset,
    settings: &BacktestSettings,
    origin: &RollingOrigin,
    learner: LearnerKind,
) -> Result<Option<(Predicted, Predicted)>, Failure> {
    let (mut here, mut there) = (Predicted::default(), Predicted::default());
    let mut out_of_time = OutOfTime::default();
    let folds = origin.warm_up.iter().map(|fold| (fold, true));
    for (fold, warm_up) in folds.chain(origin.judged.iter().map(|fold| (fold, false))) {
        let refit = Refit::new(small, &small.labels()[0], fold, settings);
        let Ok(margin) = refit.margin(learner) else {
            if warm_up {
                continue;
            }
            return Ok(None);
        };
        let calibration = if warm_up { calibrate::identity() } else { refit.calibration(learner, &out_of_time)?.0 };
        let model = refit.model(learner, margin, calibration)?;
        let scores = model.scorer.score(&refit.encoder().block(small, fold.test()))?;
        out_of_time.add(fold, &scores.margin);
        if warm_up {
            continue;
        }
        let base_rate = refit.training().positives() as f64 / fold.training().len() as f64;
        here.add(small, fold.test(), scores.probability, base_rate);
        let dates: std::collections::BTreeSet<i32> =
            fold.test().iter().map(|row| small.as_of_days()[*row as usize]).collect();
        let labelled = |row: &u32| large.labels()[0].values[*row as usize].is_some();
        let on_date = |row: &u32| dates.contains(&large.as_of_days()[*row as usize]);
        let rows: Vec<u32> = (0..large.rows() as u32).filter(labelled).filter(on_date).collect();
        there.add(large, &rows, score(&refit, &model, large, &rows)?, base_rate);
    }
    Ok(Some((here, there)))
}

/// Category codes of the large draw are those of the small world: both are parts of one matrix.
fn score(refit: &Refit<'_>, model: &FittedModel, large: &Dataset, rows: &[u32]) -> Result<Vec<f64>, Failure> {
    let mut probabilities = Vec::with_capacity(rows.len());
    for rows in rows.chunks(8_192) {
        probabilities.extend(model.scorer.score(&refit.encoder().block(large, rows))?.probability);
    }
    Ok(probabilities)
}

/// What is measured here must be what a user gets.
fn compare_with_the_backtest(
    small: &Dataset,
    settings: &BacktestSettings,
    learner: LearnerKind,
    here: &Predicted,
) -> Result<(), Failure> {
    let run = backtest(small, settings, &Silent)?.runs.remove(0);
    let theirs =
        run.predictions.iter().find(|one| one.learner == learner).ok_or("the backtest left the learner out")?;
    if theirs.probability != here.probabilities {
        return Err(format!("{learner}: expected the predictions of the backtest, found others").into());
    }
    Ok(())
}

fn report(held: impl Iterator<Item = Held>) {
    let mut counts: BTreeMap<(LearnerKind, Metric), [usize; 4]> = BTreeMap::new();
    for one in held {
        let count = counts.entry((one.learner, one.metric)).or_default();
        count[0] += 1;
        count[1] += usize::from(one.held);
        count[2] += usize::from(one.naive.is_some());
        count[3] += usize::from(one.naive == Some(true));
    }
    for ((learner, metric), [worlds, held, naive_worlds, naive_held]) in counts {
        println!(
            "{{\"learner\": \"{learner}\", \"metric\": \"{}\", \"worlds\": {worlds}, \"held\": {held}, \
             \"naive_worlds\": {naive_worlds}, \"naive_held\": {naive_held}}}",
            metric.name()
        );
    }
}
