//! Purge by construction: for any configuration, what is learned from was known before what is judged.

use bellwether_features::label::TargetDefinition;
use bellwether_train::Dataset;
use bellwether_train::cadence::{Cadence, History};
use bellwether_train::dataset::DatasetError;
use bellwether_train::fold::{Fold, FoldError, RollingOrigin};
use bellwether_train::pool::OutOfTime;
use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use crate::world::{Size, dataset, date, labels, matrix, settings, target};

const SMALL: Size = Size { accounts: 12, months: 30 };

fn small(horizon_days: u32, grace_days: u32, landing_delay_days: u32) -> Dataset {
    let (matrix, truth) = matrix(SMALL, 3);
    let labels = labels(
        TargetDefinition { landing_delay_days, ..target("churn", horizon_days, grace_days) },
        &matrix.as_of,
        truth.iter().map(|p| p[0]),
        date("2024-07-01"),
        5,
    );
    Dataset::new(matrix, vec![labels]).unwrap()
}

fn row_of(dataset: &Dataset, as_of: &str) -> u32 {
    dataset.as_of().iter().position(|one| *one == date(as_of)).unwrap() as u32
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Any configuration either cuts the rows as the slow twin below says, or is an error.
    #[test]
    fn no_training_label_reaches_the_first_test(
        (horizon, grace, landing) in (1_u32..200, 0_u32..40, 0_u32..20),
        first_test_day in 0_u64..1_000,
        refit_every in prop::sample::select(Cadence::ALL[2..].to_vec()),
        (score_every, train_every) in {
            let any = || prop::sample::select(Cadence::ALL[..6].to_vec());
            (any(), any())
        },
        history in prop::sample::select(
            vec![History::Expanding, History::Months(6), History::Months(18), History::Days(200), History::Days(500)]
        ),
        (train_from_day, last_test_days) in (prop::option::of(0_u64..500), prop::option::of(0_u64..400)),
    ) {
        let data = small(horizon, grace, landing);
        let labels = &data.labels()[0];
        let mut settings = settings("2023-01-01", "quarter", &["base_rate"]);
        settings.first_test = date("2022-01-01") + Days::new(first_test_day);
        (settings.refit_every, settings.score_every, settings.train_every) = (refit_every, score_every, train_every);
        settings.history = history;
        settings.train_from = train_from_day.map(|days| date("2022-01-01") + Days::new(days));
        settings.last_test = last_test_days.map(|days| settings.first_test + Days::new(days));
        if let Ok(cut) = RollingOrigin::new(&data, labels, &settings) {
            prop_assert!(!cut.judged.is_empty());
            let interval = Days::new(u64::from(horizon + grace + landing));
            let as_of = |row: &u32| data.as_of()[*row as usize];
            let labelled: Vec<u32> =
                (0..data.rows() as u32).filter(|row| labels.values[*row as usize].is_some()).collect();
            let all = data.as_of();
            let grid = |cadence: Cadence| cadence.grid(settings.first_test, all[0], all[all.len() - 1]);
            let whole = train_every == score_every;
            for fold in cut.warm_up.iter().chain(&cut.judged) {
                let last = fold.training().iter().map(as_of).max().unwrap();
                let first = fold.test().iter().map(as_of).min().unwrap();
                prop_assert!(last + interval <= fold.refit() && fold.refit() <= first);
                let from = match history {
                    History::Expanding => date("1900-01-01"),
                    History::Days(days) => fold.refit() - Days::new(days.into()),
                    // Counted with `Cadence::step`, which shares no code with the history's own way back.
                    History::Months(months) => Cadence::Month.step(fold.refit(), -(months as i32)).unwrap(),
                };
                let expected: Vec<u32> = labelled
                    .iter()
                    .filter(|row| as_of(row) + interval <= fold.refit() && as_of(row) >= from)
                    .filter(|row| settings.train_from.is_none_or(|from| as_of(row) >= from))
                    .filter(|row| whole || grid(train_every).contains(&as_of(row)))
                    .copied()
                    .collect();
                prop_assert_eq!(fold.training(), &expected);
            }
            // Every mature row from the first test to the last is judged, once, if it is on the grid.
            let judged: Vec<u32> = cut.judged.iter().flat_map(|fold| fold.test().to_vec()).collect();
            let expected: Vec<u32> = labelled
                .into_iter()
                .filter(|row| as_of(row) >= settings.first_test && as_of(row) + interval <= data.data_end())
                .filter(|row| settings.last_test.is_none_or(|last| as_of(row) <= last))
                .filter(|row| whole || grid(score_every).contains(&as_of(row)))
                .collect();
            prop_assert_eq!(judged, expected);
        }
    }
}

#[test]
fn a_sliding_history_forgets_and_an_expanding_one_does_not() {
    let data = small(90, 14, 0);
    let labels = &data.labels()[0];
    let mut settings = settings("2023-07-01", "quarter", &["base_rate"]);
    let first_days = |settings: &bellwether_train::BacktestSettings| -> Vec<String> {
        let cut = RollingOrigin::new(&data, labels, settings).unwrap();
        let last = RollingOrigin::last(&data, labels, settings).unwrap();
        let first = |fold: &Fold| data.as_of()[fold.training()[0] as usize].to_string();
        cut.judged.iter().chain([&last]).map(first).collect()
    };
    assert_eq!(first_days(&settings), ["2022-01-01"; 4]);
    settings.history = History::Months(12);
    assert_eq!(first_days(&settings), ["2022-07-01", "2022-10-01", "2023-01-01", "2023-07-01"]);
    // No label of 104 days matures within 90.
    settings.history = History::Days(90);
    assert!(matches!(RollingOrigin::new(&data, labels, &settings), Err(FoldError::EmptyTraining { .. })));
}

#[test]
fn planted_mistakes_are_refused() {
    let data = small(90, 14, 0);
    let labels = &data.labels()[0];
    let (refit, until) = (date("2023-07-01"), date("2023-10-01"));
    let make = |training: Vec<u32>, test: Vec<u32>| Fold::new(&data, labels, refit, until, training, test);
    let fine = row_of(&data, "2023-03-01");
    let test = row_of(&data, "2023-07-01");
    assert!(make(vec![fine], vec![test]).is_ok());

    // 2023-04-01 + 104 days is after the refit.
    let late = row_of(&data, "2023-04-01");
    assert!(matches!(make(vec![fine, late], vec![test]), Err(FoldError::Purge { interval_days: 104, .. })));
    let early = row_of(&data, "2023-06-01");
    assert!(matches!(make(vec![fine], vec![early]), Err(FoldError::TestOutside { .. })));
    let next = row_of(&data, "2023-10-01");
    assert!(matches!(make(vec![fine], vec![next]), Err(FoldError::TestOutside { .. })));
    let immature = row_of(&data, "2024-06-01");
    assert!(matches!(make(vec![fine, immature], vec![test]), Err(FoldError::NoLabel { part: "training", .. })));
    assert!(matches!(make(vec![], vec![test]), Err(FoldError::EmptyTraining { .. })));
    assert!(matches!(make(vec![9_999_999], vec![test]), Err(FoldError::NoSuchRow { row: 9_999_999, .. })));
}

#[test]
fn the_boundary_day_is_exact() {
    let data = small(90, 0, 0);
    let labels = &data.labels()[0];
    let row = row_of(&data, "2023-04-01");
    // [as_of, as_of + 90 days) has ended on 2023-06-30 and not on 2023-06-29.
    let at = |refit: NaiveDate| Fold::new(&data, labels, refit, refit, vec![row], vec![]);
    assert!(at(date("2023-06-30")).is_ok());
    assert!(matches!(at(date("2023-06-29")), Err(FoldError::Purge { .. })));
}

#[test]
fn a_first_test_without_history_or_future_is_an_error() {
    let data = small(90, 14, 0);
    let labels = &data.labels()[0];
    let early = settings("2022-02-01", "quarter", &["base_rate"]);
    assert!(matches!(RollingOrigin::new(&data, labels, &early), Err(FoldError::EmptyTraining { .. })));
    let late = settings("2024-06-01", "quarter", &["base_rate"]);
    assert!(matches!(RollingOrigin::new(&data, labels, &late), Err(FoldError::EmptyTest { .. })));
}

#[test]
fn immature_labels_are_never_used() {
    let data = small(90, 14, 0);
    let labels = &data.labels()[0];
    let last = RollingOrigin::last(&data, labels, &settings("2023-07-01", "quarter", &["base_rate"])).unwrap();
    let newest = last.training().iter().map(|row| data.as_of()[*row as usize]).max().unwrap();
    assert!(newest + Days::new(104) <= data.data_end());

    // The calibrator of a refit reads only outcomes known by then, whatever was predicted.
    let cut = RollingOrigin::new(&data, labels, &settings("2023-01-01", "quarter", &["base_rate"])).unwrap();
    let mut pool = OutOfTime::default();
    for fold in &cut.judged {
        pool.add(fold, &vec![0.0; fold.test().len()]);
    }
    let rows = pool.rows();
    let known = pool.known_at(date("2023-07-01"), &data, labels);
    assert!(!known.labels.is_empty() && known.labels.len() < rows.len());
    let expected =
        rows.iter().filter(|row| data.as_of()[**row as usize] + Days::new(104) <= date("2023-07-01")).count();
    assert_eq!(known.labels.len(), expected);

    // A label that cannot be known yet is refused with the whole dataset.
    let (matrix, truth) = matrix(SMALL, 3);
    let as_of = matrix.as_of.clone();
    let mut wrong =
        crate::world::labels(target("churn", 90, 14), &as_of, truth.iter().map(|p| p[0]), date("2024-07-01"), 5);
    *wrong.values.last_mut().unwrap() = Some(false);
    assert!(matches!(Dataset::new(matrix, vec![wrong]), Err(DatasetError::Immature { .. })));
}

#[test]
fn unequal_lengths_and_unsorted_rows_are_refused() {
    let make =
        |change: &dyn Fn(&mut bellwether_features::matrix::FeatureMatrix, &mut bellwether_features::label::Labels)| {
            let (mut matrix, truth) = matrix(SMALL, 3);
            let as_of = matrix.as_of.clone();
            let mut labels = crate::world::labels(
                target("churn", 90, 14),
                &as_of,
                truth.iter().map(|p| p[0]),
                date("2024-07-01"),
                5,
            );
            change(&mut matrix, &mut labels);
            Dataset::new(matrix, vec![labels])
        };
    assert!(make(&|_, _| {}).is_ok());
    assert!(matches!(make(&|_, labels| labels.values.truncate(1)), Err(DatasetError::Length { .. })));
    assert!(matches!(make(&|matrix, _| matrix.columns.truncate(1)), Err(DatasetError::Length { .. })));
    assert!(matches!(make(&|matrix, _| matrix.account_ids.swap(0, 1)), Err(DatasetError::Order { row: 1, .. })));
    assert!(matches!(
        make(&|matrix, _| matrix.signals[1].name = "mrr".to_owned()),
        Err(DatasetError::Duplicate { .. })
    ));
}

#[test]
fn thinning_takes_whole_accounts() {
    let (data, _) = dataset(Size { accounts: 200, months: 24 }, 3);
    let labels = &data.labels()[0];
    let mut settings = settings("2023-03-01", "quarter", &["base_rate"]);
    settings.max_training_rows = Some(1_000);
    let cut = RollingOrigin::new(&data, labels, &settings).unwrap();
    assert!(cut.thinned);
    let fold = cut.judged.last().unwrap();
    let accounts: std::collections::BTreeSet<u32> =
        fold.training().iter().map(|row| data.accounts()[*row as usize]).collect();
    let dates: std::collections::BTreeSet<i32> =
        fold.training().iter().map(|row| data.as_of_days()[*row as usize]).collect();
    assert_eq!(fold.training().len(), accounts.len() * dates.len());
    assert!(fold.training().len() < 1_500);
}
