//! A base rate that moves, and one that does not.

use bellwether_train::{Backtest, Dataset, Silent, backtest, metric, train};

use crate::world::{Size, date, labels, matrix, settings, sigmoid, target};

const SIZE: Size = Size { accounts: 400, months: 30 };

/// A business whose log-odds of churn move by `drift` at month 18 of 30 and stay there.
fn drifting(drift: f64, seed: u64) -> Dataset {
    let (matrix, truth) = matrix(SIZE, seed);
    let moved = truth.iter().enumerate().map(|(row, [churn, _])| {
        let after = row / SIZE.accounts >= 18;
        sigmoid((churn / (1.0 - churn)).ln() + if after { drift } else { 0.0 })
    });
    let target = target("churn_90d", 90, 14);
    let labels = labels(target, &matrix.as_of, moved.collect::<Vec<f64>>().into_iter(), date("2024-07-01"), seed + 1);
    Dataset::new(matrix, vec![labels]).unwrap()
}

fn run(data: &Dataset) -> Backtest {
    backtest(data, &settings("2023-07-01", "quarter", &["logistic"]), &Silent).unwrap()
}

/// Log loss and distance of observed over expected from 1, as forecast and with the shift taken back; and all shifts.
fn with_and_without(found: &Backtest) -> ([f64; 2], [f64; 2], Vec<f64>) {
    let (summary, run) = (&found.summary.targets[0], &found.runs[0]);
    let shifts: Vec<(String, f64)> = summary
        .refits
        .iter()
        .filter_map(|refit| {
            let record = refit.learners[0].calibration.as_ref()?;
            // A curve of log-odds: the shift can be taken back exactly.
            assert_ne!(record.method, "isotonic");
            Some((refit.refit.clone(), record.prior_shift_log_odds))
        })
        .collect();
    let with = &run.predictions[0].probability;
    let without: Vec<f64> = with
        .iter()
        .zip(&run.refit)
        .map(|(p, refit)| {
            let shift = shifts.iter().find(|one| one.0 == refit.to_string()).unwrap().1;
            sigmoid((p / (1.0 - p)).ln() - shift)
        })
        .collect();
    let loss = |p: &[f64]| metric::log_loss(&run.labels, p).unwrap();
    let distance = |p: &[f64]| (metric::observed_over_expected(&run.labels, p).unwrap() - 1.0).abs();
    let shifts = shifts.into_iter().map(|one| one.1).collect();
    ([loss(with), loss(&without)], [distance(with), distance(&without)], shifts)
}

#[test]
fn a_base_rate_that_moves_is_followed() {
    for (drift, seed) in [(0.9, 41), (-0.9, 42)] {
        let data = drifting(drift, seed);
        let found = run(&data);
        let (loss, distance, shifts) = with_and_without(&found);
        assert!(shifts.iter().any(|shift| shift * drift.signum() > 0.1), "{shifts:?}");
        assert!(loss[0] < loss[1] - 0.001, "{loss:?} {shifts:?}");
        assert!(distance[0] < distance[1], "{distance:?} {shifts:?}");
        // The shipped model is made in the same way, and says so.
        let shipped =
            train(&data, &settings("2023-07-01", "quarter", &["logistic"]), &found, "moved", &Silent).unwrap();
        let record = &shipped.targets[0].calibration;
        assert!(record.prior_shift_standard_error.is_some_and(|error| error > 0.0), "{record:?}");
    }
}

#[test]
fn a_base_rate_that_stands_still_is_left_alone() {
    let (mut gained, mut largest, mut refits) = (0.0, 0.0_f64, 0);
    let seeds = [51, 52, 53, 54, 55];
    for seed in seeds {
        let (loss, _, shifts) = with_and_without(&run(&drifting(0.0, seed)));
        gained += (loss[1] - loss[0]) / seeds.len() as f64;
        largest = shifts.iter().fold(largest, |most, shift| most.max(shift.abs()));
        refits += shifts.iter().filter(|shift| **shift != 0.0).count();
    }
    assert!(gained.abs() < 2e-4 && largest < 0.15 && refits <= 4, "{gained} {largest} {refits}");
}
