//! Businesses with hardly an outcome: what is fitted, what is said, and what is refused.

use bellwether_features::label::Labels;
use bellwether_train::cadence::History;
use bellwether_train::learner::LearnerKind;
use bellwether_train::{Backtest, BacktestSettings, Dataset, Silent, TrainError, backtest, train};

use crate::world::{Size, date, matrix, settings, target};

const SIZE: Size = Size { accounts: 200, months: 30 };

/// A business where this many accounts have the outcome, each of them every fourth month.
fn with_positives(accounts: usize) -> Dataset {
    with_positives_by_month(|_| accounts)
}

/// As [`with_positives`], another number in each month.
fn with_positives_by_month(accounts: impl Fn(usize) -> usize) -> Dataset {
    let (matrix, _) = matrix(SIZE, 5);
    let data_end = date("2024-07-01");
    let target = target("churn_90d", 90, 14);
    let interval = chrono::Days::new(u64::from(target.label_interval_days()));
    let label = |row: usize| {
        let (month, account) = (row / SIZE.accounts, row % SIZE.accounts);
        let known = matrix.as_of[row] + interval <= data_end;
        known.then_some(account < accounts(month) && (month + account).is_multiple_of(4))
    };
    let values: Vec<Option<bool>> = (0..matrix.as_of.len()).map(label).collect();
    let labels = Labels { target, known_before: data_end, uplift: vec![None; values.len()], values };
    Dataset::new(matrix, vec![labels]).unwrap()
}

fn run(data: &Dataset, learners: &[&str]) -> Result<Backtest, TrainError> {
    backtest(data, &settings("2023-07-01", "quarter", learners), &Silent)
}

fn kinds(backtest: &Backtest) -> Vec<LearnerKind> {
    backtest.summary.targets[0].learners.iter().map(|one| one.learner).collect()
}

#[test]
fn nothing_is_foretold_from_nothing() {
    for positives in [0, 3, 4] {
        let error = run(&with_positives(positives), &["base_rate", "logistic", "boosting"]).unwrap_err();
        assert!(
            matches!(error, TrainError::TooFewAccounts { expected: 5, positives: found, .. } if found == positives),
            "{error:?}"
        );
        let said = error.to_string();
        assert!(said.starts_with("churn_90d, refit 2023-07-01: expected at least 5 accounts"), "{said}");
        assert!(said.contains(&format!("found {positives} and 200")), "{said}");
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert!(help.contains("longer history"), "{help}");
    }
}

#[test]
fn a_learner_without_enough_accounts_gives_way_to_a_simpler_one() {
    let all = ["base_rate", "logistic", "boosting"];
    let cases: [(usize, &[&str], &[LearnerKind], usize); 4] = [
        (5, &all, &[LearnerKind::BaseRate], 2),
        (25, &all, &[LearnerKind::BaseRate, LearnerKind::Logistic], 1),
        (25, &["boosting"], &[LearnerKind::Logistic], 1),
        (60, &all, &[LearnerKind::BaseRate, LearnerKind::Logistic, LearnerKind::Boosting], 0),
    ];
    for (positives, asked, expected, replaced) in cases {
        let data = with_positives(positives);
        let found = run(&data, asked).unwrap();
        assert_eq!(kinds(&found), expected, "{positives}");
        let warnings: Vec<&str> = found
            .summary
            .warnings
            .iter()
            .filter(|warning| warning.code == "too_few_accounts")
            .map(|warning| warning.text.as_str())
            .collect();
        assert_eq!(warnings.len(), replaced, "{warnings:?}");
        assert!(warnings.iter().all(|text| text.contains(&format!("and {positives} are known"))), "{warnings:?}");
        let settings = settings("2023-07-01", "quarter", asked);
        let trained = train(&data, &settings, &found, "small", &Silent).unwrap();
        assert!(expected.contains(&trained.targets[0].learner));
    }
}

#[test]
fn a_sliding_history_that_runs_dry_is_seen_before_it_does() {
    // Enough at the first judged refit, from 2024 on only the 25 of the last year.
    let data = with_positives_by_month(|month| if month < 12 { 60 } else { 25 });
    let asked = ["base_rate", "logistic", "boosting"];
    let whole = run(&data, &asked).unwrap();
    assert_eq!(kinds(&whole), [LearnerKind::BaseRate, LearnerKind::Logistic, LearnerKind::Boosting]);
    let settings =
        BacktestSettings { history: History::parse("12 months").unwrap(), ..settings("2023-07-01", "quarter", &asked) };
    let sliding = backtest(&data, &settings, &Silent).unwrap();
    assert_eq!(kinds(&sliding), [LearnerKind::BaseRate, LearnerKind::Logistic]);
    let said = &sliding.summary.warnings.iter().find(|warning| warning.code == "too_few_accounts").unwrap().text;
    assert!(said.contains("and 25 are known at the refit of 2024-01-01"), "{said}");
}
