//! A small business with a known law: `log-odds of churn = base + 1.4 strain`, `log-odds of expansion = base + 1.2 reach`.

use bellwether_features::label::{Event, Labels, OutcomeTime, TargetDefinition};
use bellwether_features::matrix::{Column, FeatureMatrix};
use bellwether_features::signal::{Direction, Family, SignalDefinition, Unit};
use bellwether_train::settings::{BacktestOptions, BacktestSettings, CapacityOptions};
use bellwether_train::{Dataset, Observer, Progress};
use chrono::{Days, Months, NaiveDate};

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// SplitMix64 (Steele et al. 2014).
pub(crate) struct Stream(pub(crate) u64);

impl Stream {
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

pub(crate) fn sigmoid(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

pub(crate) fn target(name: &str, horizon_days: u32, grace_days: u32) -> TargetDefinition {
    TargetDefinition {
        name: name.to_owned(),
        event: Event::SubscriptionEnd,
        time: OutcomeTime::Event,
        horizon_days,
        grace_days,
        landing_delay_days: 0,
        text: format!("{name} in words"),
    }
}

fn signal(name: &str, unit: Unit, churn: Direction) -> SignalDefinition {
    SignalDefinition {
        name: name.to_owned(),
        family: Family::Usage,
        idea: format!("idea.{name}"),
        unit,
        window_days: None,
        table: "usage".to_owned(),
        text: format!("{name} {{value}}"),
        null_text: None,
        churn,
        expansion: Direction::Unknown,
        actionable: true,
        parameters: String::new(),
    }
}

/// How large, and how long.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) accounts: usize,
    pub(crate) months: u32,
}

/// The features, and the true probabilities of churn and expansion per row.
pub(crate) fn matrix(size: Size, seed: u64) -> (FeatureMatrix, Vec<[f64; 2]>) {
    let start = date("2022-01-01");
    let mut random = Stream(seed);
    let bases: Vec<(f64, f64, f64)> =
        (0..size.accounts).map(|_| (random.normal(), random.normal(), random.uniform())).collect();
    let (mut account_ids, mut as_of, mut truth) = (Vec::new(), Vec::new(), Vec::new());
    let mut columns: [Vec<f32>; 6] = Default::default();
    let mut plans = Vec::new();
    for month in 0..size.months {
        for (account, (strain_base, reach_base, wealth)) in bases.iter().enumerate() {
            let strain = 0.7 * strain_base + 0.7 * random.normal();
            let reach = 0.7 * reach_base + 0.7 * random.normal();
            account_ids.push(format!("account-{account:05}").into());
            as_of.push(start.checked_add_months(Months::new(month)).unwrap());
            truth.push([sigmoid(-1.6 + 1.4 * strain), sigmoid(-1.2 + 1.2 * reach)]);
            let known = random.uniform() < 0.9;
            let values = [
                100.0 + 20_000.0 * wealth.powi(6),
                if known { strain } else { f64::NAN },
                reach,
                (40.0 * (0.5 * reach).exp()).round(),
                (5.0 * (0.5 * strain).exp()).round(),
                random.normal(),
            ];
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(value as f32);
            }
            // Level 2 exists for three accounts only.
            plans.push(if account < 3 { Some(2) } else { [None, Some(0), Some(1)][account % 3] });
        }
    }
    let names = ["mrr", "strain", "reach", "usage_events_28d", "usage_days_since_last", "noise"];
    let directions =
        [Direction::Unknown, Direction::Up, Direction::Unknown, Direction::Down, Direction::Up, Direction::Unknown];
    let mut signals: Vec<SignalDefinition> =
        names.iter().zip(directions).map(|(name, direction)| signal(name, Unit::Count, direction)).collect();
    signals.push(signal("plan", Unit::Category, Direction::Unknown));
    let mut columns: Vec<Column> = columns.into_iter().map(Column::Numeric).collect();
    let levels = ["basic", "pro", "secret"].map(str::to_owned).to_vec();
    columns.push(Column::Category { levels, codes: plans });
    (FeatureMatrix { account_ids, as_of, signals, columns }, truth)
}

/// Labels drawn from `truth`, absent where the interval has not ended by `data_end`.
pub(crate) fn labels(
    target: TargetDefinition,
    as_of: &[NaiveDate],
    truth: impl Iterator<Item = f64>,
    data_end: NaiveDate,
    seed: u64,
) -> Labels {
    let mut random = Stream(seed);
    let interval = Days::new(u64::from(target.label_interval_days()));
    let mut values = Vec::new();
    for (date, probability) in as_of.iter().zip(truth) {
        let outcome = random.uniform() < probability;
        values.push((*date + interval <= data_end).then_some(outcome));
    }
    let uplift = vec![None; values.len()];
    Labels { target, known_before: data_end, values, uplift }
}

/// Both targets.
pub(crate) fn dataset(size: Size, seed: u64) -> (Dataset, Vec<[f64; 2]>) {
    let (matrix, truth) = matrix(size, seed);
    let data_end = date("2022-01-01").checked_add_months(Months::new(size.months)).unwrap();
    let churn = labels(target("churn_90d", 90, 14), &matrix.as_of, truth.iter().map(|p| p[0]), data_end, seed + 1);
    let expansion =
        labels(target("expansion_60d", 60, 0), &matrix.as_of, truth.iter().map(|p| p[1]), data_end, seed + 2);
    (Dataset::new(matrix, vec![churn, expansion]).unwrap(), truth)
}

pub(crate) fn settings(first_test: &str, refit_every: &str, learners: &[&str]) -> BacktestSettings {
    let options = BacktestOptions {
        first_test: Some(first_test.to_owned()),
        refit_every: Some(refit_every.to_owned()),
        learners: Some(learners.iter().map(|name| (*name).to_owned()).collect()),
        ..BacktestOptions::default()
    };
    options.resolve(&CapacityOptions::default()).unwrap()
}

/// Counts what it is told.
#[derive(Default)]
pub(crate) struct Counter {
    pub(crate) planned: std::cell::Cell<usize>,
    pub(crate) fitted: std::cell::Cell<usize>,
}

impl Observer for Counter {
    fn notice(&self, event: &Progress<'_>) {
        match event {
            Progress::Planned { fits } => self.planned.set(self.planned.get() + fits),
            Progress::Fitted { .. } => self.fitted.set(self.fitted.get() + 1),
            Progress::TakenOver { .. } | Progress::Warned { .. } => panic!("unexpected {event:?}"),
        }
    }
}
