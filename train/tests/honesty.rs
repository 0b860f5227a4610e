//! Mistakes that make a forecast look better than it is, planted: each changes the result by more than luck would, and each
//! is refused where the trainer would have to be given it. What is planted is built from parts of the library below its
//! guards; no setting turns a guard off.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "backtest/world.rs"]
#[allow(dead_code, reason = "each test file uses its own part")]
mod world;

use bellwether_features::label::Labels;
use bellwether_features::matrix::{Column, FeatureMatrix};
use bellwether_models::scorer;
use bellwether_train::encode::{EncodedRows, Encoder};
use bellwether_train::fold::{Fold, FoldError, RollingOrigin};
use bellwether_train::learner::LearnerKind;
use bellwether_train::pool::OutOfTime;
use bellwether_train::refit::Refit;
use bellwether_train::{Dataset, Silent, TrainError, backtest, calibrate, metric};
use chrono::NaiveDate;
use world::{Size, Stream, date, labels, matrix, settings, sigmoid, target};

const REFIT: &str = "2023-07-01";
const UNTIL: &str = "2024-07-01";
const MONTHS: u32 = 30;
/// Index of the month of the refit.
const REFIT_MONTH: usize = 18;
/// Columns of the world.
const STRAIN: usize = 1;
const NOISE: usize = 5;
const PLAN: usize = 6;

fn size(accounts: usize) -> Size {
    Size { accounts, months: MONTHS }
}

/// The values of a numeric column.
fn numbers(matrix: &mut FeatureMatrix, column: usize) -> &mut Vec<f32> {
    match &mut matrix.columns[column] {
        Column::Numeric(values) => values,
        Column::Category { .. } => panic!("column {column} is a category"),
    }
}

/// A dataset whose outcomes follow the given probabilities.
fn dataset(matrix: FeatureMatrix, probabilities: Vec<f64>) -> Dataset {
    let churn = labels(target("churn_90d", 90, 0), &matrix.as_of, probabilities.into_iter(), date(UNTIL), 5);
    Dataset::new(matrix, vec![churn]).unwrap()
}

/// The rows of the dataset that have labels and fulfil a condition.
fn rows(data: &Dataset, keep: impl Fn(usize, NaiveDate) -> bool) -> Vec<u32> {
    let labelled = |row: &u32| data.labels()[0].values[*row as usize].is_some();
    (0..data.rows() as u32).filter(labelled).filter(|row| keep(*row as usize, data.as_of()[*row as usize])).collect()
}

fn known_by_refit(as_of: NaiveDate) -> bool {
    as_of + chrono::Days::new(90) <= date(REFIT)
}

/// Margins for `test` of a learner fitted on `training`: what the trainer does, below its guards.
fn margins(data: &Dataset, learner: LearnerKind, training: &[u32], test: &[u32]) -> Vec<f64> {
    let encoder = Encoder::learn(data, training);
    let encoded = EncodedRows::new(data, &data.labels()[0], &encoder, training);
    let rows = encoded.training_rows(&encoder, data.signals(), "churn_90d", 7);
    let model = learner.learner().fit(&rows).unwrap();
    scorer::margins(encoder.signature(), &model, &encoder.block(data, test)).unwrap()
}

fn probabilities(data: &Dataset, learner: LearnerKind, training: &[u32], test: &[u32]) -> Vec<f64> {
    margins(data, learner, training, test).into_iter().map(sigmoid).collect()
}

fn outcomes(labels: &Labels, rows: &[u32]) -> Vec<bool> {
    rows.iter().map(|row| labels.values[*row as usize].unwrap()).collect()
}

fn loss(data: &Dataset, rows: &[u32], probabilities: &[f64]) -> f64 {
    metric::log_loss(&outcomes(&data.labels()[0], rows), probabilities).unwrap()
}

fn fold(data: &Dataset, training: &[u32], test: &[u32]) -> Result<Fold, FoldError> {
    Fold::new(data, &data.labels()[0], date(REFIT), date(UNTIL), training.to_vec(), test.to_vec())
}

#[test]
fn a_shuffled_split_knows_the_shocks_of_the_future_and_is_refused() {
    let (mut matrix, _) = matrix(size(200), 3);
    let mut random = Stream(8);
    let shocks: Vec<f64> = (0..MONTHS).map(|_| if random.uniform() < 0.5 { -1.5 } else { 1.5 }).collect();
    let month = |row: usize| row / 200;
    // A number that only grows, as a count of all uses ever does: it tells the month.
    *numbers(&mut matrix, NOISE) = (0..200 * MONTHS as usize).map(|row| month(row) as f32).collect();
    let strain = numbers(&mut matrix, STRAIN).clone();
    let probability = |row: usize| {
        let strain = if strain[row].is_nan() { 0.0 } else { f64::from(strain[row]) };
        sigmoid(-1.2 + strain + shocks[month(row)])
    };
    let data = dataset(matrix, (0..strain.len()).map(probability).collect());

    let mut random = Stream(9);
    let held_out: Vec<bool> = (0..data.rows()).map(|_| random.uniform() < 0.5).collect();
    let test = rows(&data, |row, as_of| held_out[row] && as_of >= date(REFIT));
    let honest = rows(&data, |_, as_of| known_by_refit(as_of));
    let shuffled = rows(&data, |row, _| !held_out[row]);
    let of = |training: &[u32]| loss(&data, &test, &probabilities(&data, LearnerKind::Boosting, training, &test));
    let (honest_loss, shuffled_loss) = (of(&honest), of(&shuffled));
    assert!(shuffled_loss < honest_loss - 0.05, "{shuffled_loss} {honest_loss}");

    assert!(fold(&data, &honest, &test).is_ok());
    let refused = fold(&data, &shuffled, &test);
    assert!(matches!(refused, Err(FoldError::Purge { interval_days: 90, .. })), "{refused:?}");
}

#[test]
fn without_purge_the_training_labels_hold_the_future_and_are_refused() {
    const ACCOUNTS: usize = 300;
    let (matrix, _) = matrix(size(ACCOUNTS), 3);
    // Events by month and account, four times as many from the refit on; a label is whether one falls in three months.
    let mut random = Stream(11);
    let hazard = |month: usize| if month < REFIT_MONTH { 0.04 } else { 0.16 };
    let events: Vec<Vec<bool>> = (0..MONTHS as usize + 3)
        .map(|month| (0..ACCOUNTS).map(|_| random.uniform() < hazard(month)).collect())
        .collect();
    let happens = |row: usize| (0..3).any(|ahead| events[row / ACCOUNTS + ahead][row % ACCOUNTS]);
    let certain = (0..matrix.as_of.len()).map(|row| f64::from(u8::from(happens(row)))).collect();
    let data = dataset(matrix, certain);

    let test = rows(&data, |_, as_of| as_of >= date(REFIT));
    let honest = rows(&data, |_, as_of| known_by_refit(as_of));
    let unpurged = rows(&data, |_, as_of| as_of < date(REFIT));
    let of = |training: &[u32]| loss(&data, &test, &probabilities(&data, LearnerKind::BaseRate, training, &test));
    let (honest_loss, unpurged_loss) = (of(&honest), of(&unpurged));
    assert!(unpurged_loss < honest_loss - 0.03, "{unpurged_loss} {honest_loss}");

    assert!(fold(&data, &honest, &test).is_ok());
    // The first row that is refused is the first whose label reaches beyond the refit.
    let refused = fold(&data, &unpurged, &test);
    let first = data.as_of()[unpurged[honest.len()] as usize];
    assert!(matches!(refused, Err(FoldError::Purge { as_of, .. }) if as_of == first), "{refused:?}");
    // And no configuration picks such rows.
    let cut = RollingOrigin::new(&data, &data.labels()[0], &settings(REFIT, "never", &["base_rate"])).unwrap();
    assert_eq!((cut.judged[0].training(), cut.judged[0].test()), (&honest[..], &test[..]));
}

#[test]
fn scaling_on_all_data_moves_the_forecast_and_is_refused() {
    let (mut matrix, truth) = matrix(size(200), 3);
    // From the refit on the signal is counted in another unit: a hundred times the numbers.
    let first_after = 200 * REFIT_MONTH;
    for value in &mut numbers(&mut matrix, STRAIN)[first_after..] {
        *value *= 100.0;
    }
    let data = dataset(matrix, truth.iter().map(|p| p[0]).collect());
    let test = rows(&data, |_, as_of| as_of >= date(REFIT));
    let honest = rows(&data, |_, as_of| known_by_refit(as_of));
    let all: Vec<u32> = honest.iter().chain(&test).copied().collect();

    // The outcomes of the test rows count for next to nothing; what is left of them is their scale.
    let encoder = Encoder::learn(&data, &honest);
    let mut encoded = EncodedRows::new(&data, &data.labels()[0], &encoder, &all);
    encoded.weights[honest.len()..].fill(1e-9);
    let rows_of_all = encoded.training_rows(&encoder, data.signals(), "churn_90d", 7);
    let model = LearnerKind::Logistic.learner().fit(&rows_of_all).unwrap();
    let block = encoder.block(&data, &test);
    let planted: Vec<f64> =
        scorer::margins(encoder.signature(), &model, &block).unwrap().into_iter().map(sigmoid).collect();
    let honest_probabilities = probabilities(&data, LearnerKind::Logistic, &honest, &test);
    let (honest_loss, planted_loss) = (loss(&data, &test, &honest_probabilities), loss(&data, &test, &planted));
    assert!((planted_loss - honest_loss).abs() > 0.02, "{planted_loss} {honest_loss}");

    // A learner is handed the training rows of a fold and nothing else, and these rows make no fold.
    let refused = fold(&data, &all, &test);
    assert!(matches!(refused, Err(FoldError::Purge { .. })), "{refused:?}");
}

#[test]
fn levels_learned_on_all_data_move_the_forecast_and_are_refused() {
    const ACCOUNTS: usize = 200;
    let (mut matrix, _) = matrix(size(ACCOUNTS), 3);
    // Nine accounts are on a plan too rare to be told, and at risk. From the refit on sixty are on a plan that is new, and
    // are like everybody.
    let Column::Category { codes, levels } = &mut matrix.columns[PLAN] else { panic!("plan is a category") };
    levels.push("trial".to_owned());
    for (row, code) in codes.iter_mut().enumerate() {
        let (month, account) = (row / ACCOUNTS, row % ACCOUNTS);
        *code = Some(match account {
            0..9 => 2,
            9..69 if month >= REFIT_MONTH => 3,
            _ => (account % 2) as u32,
        });
    }
    let probability = |row: usize| if row % ACCOUNTS < 9 { 0.9 } else { 0.15 };
    let probabilities_of_all = (0..matrix.as_of.len()).map(probability).collect();
    let data = dataset(matrix, probabilities_of_all);
    let labels = &data.labels()[0];
    let test = rows(&data, |_, as_of| as_of >= date(REFIT));
    let honest = rows(&data, |_, as_of| known_by_refit(as_of));
    let everything: Vec<u32> = (0..data.rows() as u32).collect();

    let of = |encoder: &Encoder| {
        let encoded = EncodedRows::new(&data, labels, encoder, &honest);
        let rows = encoded.training_rows(encoder, data.signals(), "churn_90d", 7);
        let model = LearnerKind::Logistic.learner().fit(&rows).unwrap();
        let margins = scorer::margins(encoder.signature(), &model, &encoder.block(&data, &test)).unwrap();
        loss(&data, &test, &margins.into_iter().map(sigmoid).collect::<Vec<_>>())
    };
    let (own, planted) = (Encoder::learn(&data, &honest), Encoder::learn(&data, &everything));
    let (honest_loss, planted_loss) = (of(&own), of(&planted));
    assert!((planted_loss - honest_loss).abs() > 0.01, "{planted_loss} {honest_loss}");

    let fold = fold(&data, &honest, &test).unwrap();
    let settings = settings(REFIT, "never", &["logistic"]);
    let under = |encoder: &Encoder| Refit::under(&data, labels, &fold, &settings, encoder.clone()).map(drop);
    assert!(under(&own).is_ok());
    let refused = under(&planted);
    let Err(TrainError::Fold { source: FoldError::LearnedLater { as_of, .. }, .. }) = refused else {
        panic!("expected a refusal, found {refused:?}")
    };
    assert_eq!(as_of, date(REFIT));
    let refused = under(&Encoder::learn(&data, &honest[1..]));
    let Err(TrainError::Fold { source: FoldError::LearnedElsewhere { row, .. }, .. }) = refused else {
        panic!("expected a refusal, found {refused:?}")
    };
    assert_eq!(row, honest[0]);
}

#[test]
fn calibration_on_random_folds_is_over_confident_and_is_refused() {
    const ACCOUNTS: usize = 800;
    let (mut matrix, _) = matrix(size(ACCOUNTS), 3);
    let mut random = Stream(13);
    // A number that ten accounts share, and a risk of these ten that turns after a year and then every half-year: rows of
    // the same time tell it, rows of an earlier time do not.
    let marks: Vec<f32> = (0..ACCOUNTS / 10).map(|_| random.uniform() as f32).collect();
    *numbers(&mut matrix, NOISE) = (0..ACCOUNTS * MONTHS as usize).map(|row| marks[row % ACCOUNTS / 10]).collect();
    let turns: Vec<Vec<f64>> = (0..4).map(|_| (0..ACCOUNTS / 10).map(|_| 1.5 * random.normal()).collect()).collect();
    let strain = numbers(&mut matrix, STRAIN).clone();
    let probability = |row: usize| {
        let strain = if strain[row].is_nan() { 0.0 } else { f64::from(strain[row]) };
        let turn = (row / ACCOUNTS / 6).saturating_sub(1);
        sigmoid(-1.0 + 0.7 * strain + turns[turn][row % ACCOUNTS / 10])
    };
    let data = dataset(matrix, (0..strain.len()).map(probability).collect());
    let labels = &data.labels()[0];

    // The quarter that follows a turn.
    let mut settings = settings(REFIT, "quarter", &["boosting"]);
    settings.last_test = Some(date("2023-09-30"));
    let judged = backtest(&data, &settings, &Silent).unwrap();
    let honest = judged.summary.targets[0].best().unwrap();
    assert!(judged.summary.warnings.is_empty(), "calibrated out of time: {:?}", judged.summary.warnings);

    // The same refit, calibrated on what models saw of other rows of the same accounts and months.
    let cut = RollingOrigin::new(&data, labels, &settings).unwrap();
    let (mut test, mut planted) = (Vec::new(), Vec::new());
    for fold in &cut.judged {
        let lots: Vec<u32> = fold.training().iter().map(|_| (random.uniform() * 5.0) as u32).collect();
        let (mut seen, mut margins_seen) = (Vec::new(), Vec::new());
        for part in 0..5 {
            let with = |inside: bool| -> Vec<u32> {
                let rows = fold.training().iter().zip(&lots);
                rows.filter(|(_, lot)| (**lot == part) == inside).map(|(row, _)| *row).collect()
            };
            let held_out = with(true);
            margins_seen.extend(margins(&data, LearnerKind::Boosting, &with(false), &held_out));
            seen.extend(outcomes(labels, &held_out));
        }
        let calibration = calibrate::fit(&margins_seen, &seen).unwrap();
        let margins = margins(&data, LearnerKind::Boosting, fold.training(), fold.test());
        planted.extend(margins.into_iter().map(|margin| calibration.evaluate(margin).probability));
        test.extend_from_slice(fold.test());
    }
    let planted_slope = metric::recalibration(&outcomes(labels, &test), &planted).unwrap().slope;
    let honest_slope = honest.calibration_slope.unwrap();
    // What random folds bring is over-confidence. (The loss of one quarter may go either way, and did.)
    assert!(planted_slope < honest_slope - 0.2, "{planted_slope} {honest_slope}");

    // A calibrator takes what a fold predicted for its test rows, and rows of training are no fold's test rows.
    let fold = &cut.judged[0];
    let (rest, random_part) = fold.training().split_at(fold.training().len() / 2);
    let refused = Fold::new(&data, labels, fold.refit(), fold.until(), rest.to_vec(), random_part.to_vec());
    assert!(matches!(refused, Err(FoldError::TestOutside { .. })), "{refused:?}");
    let mut pool = OutOfTime::default();
    pool.add(fold, &vec![0.0; fold.test().len()]);
    assert_eq!(pool.rows(), fold.test());
    // Not even these before their outcome is known.
    let first = date(REFIT);
    assert!(pool.known_at(first + chrono::Days::new(89), &data, labels).labels.is_empty());
    assert!(!pool.known_at(first + chrono::Days::new(90), &data, labels).labels.is_empty());
}
