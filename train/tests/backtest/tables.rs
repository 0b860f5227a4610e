//! The measurements behind the limits of docs/calibration.md. They print tables and are run by hand:
//! `cargo test --release -p bellwether-train --test backtest -- --ignored --nocapture table_of`.
#![allow(clippy::print_stdout, reason = "these print the tables that the documents show")]

use bellwether_features::label::Labels;
use bellwether_features::matrix::{Column, FeatureMatrix};
use bellwether_models::scorer;
use bellwether_train::Dataset;
use bellwether_train::calibrate::{Bins, MOST_BINS, Method, Prior};
use bellwether_train::encode::{EncodedRows, Encoder};
use bellwether_train::learner::LearnerKind;
use chrono::{Days, Months};

use crate::world::{Stream, date, numeric_signal, sigmoid, target};

/// From margin to log-odds.
type Law = fn(f64) -> f64;

/// Margins of a business where 5 to 6 % churn, and how their log-odds really are: as they say, over-confident, bent at a
/// probability that trees reach rarely, and a plateau below and above.
const LAWS: [(&str, Law); 4] = [
    ("right", |margin| margin),
    ("over-confident", |margin| 0.7 * margin - 0.7),
    ("bent", |margin| if margin < -2.0 { margin } else { -2.0 + 0.4 * (margin + 2.0) }),
    ("plateaus", |margin| {
        let p: f64 = 0.01 + 0.3 * sigmoid(3.0 * (margin + 1.5));
        (p / (1.0 - p)).ln()
    }),
];

fn margin(random: &mut Stream) -> f64 {
    -3.3 + 1.3 * random.normal()
}

/// Excess log loss over the truth (expected, so free of luck), and the slope of the truth on the log-odds of the forecast.
fn judge(law: Law, curve: &bellwether_models::Curve) -> (f64, f64) {
    let mut random = Stream(99);
    let rows: Vec<(f64, f64)> = (0..20_000)
        .map(|_| {
            let margin = margin(&mut random);
            (sigmoid(law(margin)), curve.evaluate(margin))
        })
        .collect();
    let excess = |(truth, p): &(f64, f64)| truth * (truth / p).ln() + (1.0 - truth) * ((1.0 - truth) / (1.0 - p)).ln();
    let mean = rows.iter().map(excess).sum::<f64>() / rows.len() as f64;
    let (mut intercept, mut slope) = (0.0, 1.0);
    for _ in 0..30 {
        let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
        for (truth, p) in &rows {
            let z = (p / (1.0 - p)).ln();
            let fitted = sigmoid(intercept + slope * z);
            let weight = fitted * (1.0 - fitted);
            gradient = [gradient[0] + truth - fitted, gradient[1] + (truth - fitted) * z];
            hessian = [hessian[0] + weight, hessian[1] + weight * z, hessian[2] + weight * z * z];
        }
        let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
        intercept += (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant;
        slope += (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant;
    }
    (mean, slope)
}

/// Rows of a law until so many have the outcome.
fn drawn(law: Law, positives: usize, repetition: usize) -> Bins {
    let mut random = Stream(repetition as u64 * 7_919 + positives as u64);
    let (mut margins, mut labels, mut seen) = (Vec::new(), Vec::new(), 0);
    while seen < positives {
        let margin = margin(&mut random);
        let label = random.uniform() < sigmoid(law(margin));
        seen += usize::from(label);
        margins.push(margin);
        labels.push(label);
    }
    Bins::new(&margins, &labels, MOST_BINS).unwrap()
}

#[test]
#[ignore = "a measurement: prints the table of docs/calibration.md"]
fn table_of_calibrators() {
    println!("| law | positives | logistic | beta | isotonic | slope: logistic | beta | isotonic |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut mean_of_all = std::collections::BTreeMap::<usize, [f64; 3]>::new();
    for (name, law) in LAWS {
        for positives in [25, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800] {
            let repetitions = (40_000 / positives).clamp(6, 60);
            let mut found = [(0.0, 0.0); 3];
            for repetition in 0..repetitions {
                let bins = drawn(law, positives, repetition);
                for (found, method) in found.iter_mut().zip(Method::ALL) {
                    let (excess, slope) = judge(law, &method.curve(&bins, Prior::ANY_SCALE));
                    *found = (found.0 + excess / repetitions as f64, found.1 + slope / repetitions as f64);
                }
            }
            let excess = found.map(|one| format!("{:.2}", 1e4 * one.0)).join(" | ");
            let slope = found.map(|one| format!("{:.3}", one.1)).join(" | ");
            println!("| {name} | {positives} | {excess} | {slope} |");
            let sum = mean_of_all.entry(positives).or_default();
            for (sum, one) in sum.iter_mut().zip(found) {
                *sum += 1e4 * one.0 / LAWS.len() as f64;
            }
        }
    }
    for (positives, mean) in mean_of_all {
        println!("| mean of the four | {positives} | {} | | | |", mean.map(|one| format!("{one:.2}")).join(" | "));
    }
}

/// Margins that are log-odds, or nearly: what a learner fitted by log loss gives.
const NEARLY_LOG_ODDS: [(&str, Law); 4] = [
    ("right", |margin| margin),
    ("slope 0.85", |margin| 0.85 * margin - 0.4),
    ("slope 0.7", |margin| 0.7 * margin - 0.8),
    ("level + 0.2", |margin| margin + 0.2),
];

#[test]
#[ignore = "a measurement: prints the table of docs/calibration.md"]
fn table_of_priors() {
    const REPETITIONS: usize = 60;
    println!("| law | outcomes | left alone | any scale | log-odds | worse than left alone: any scale | log-odds |");
    println!("|---|---|---|---|---|---|---|");
    for (name, law) in NEARLY_LOG_ODDS {
        for positives in [25, 50, 100, 200, 400, 800] {
            let alone = judge(law, &bellwether_models::Curve::Logistic { slope: 1.0, intercept: 0.0 }).0;
            let (mut excess, mut worse) = ([0.0; 2], [0; 2]);
            for repetition in 0..REPETITIONS {
                let bins = drawn(law, positives, repetition);
                let method = Method::of_outcomes(positives);
                for (index, prior) in [Prior::ANY_SCALE, Prior::LOG_ODDS].into_iter().enumerate() {
                    let found = judge(law, &method.curve(&bins, prior)).0;
                    excess[index] += found / REPETITIONS as f64;
                    worse[index] += usize::from(found > alone);
                }
            }
            let [any_scale, log_odds] = excess.map(|one| 1e4 * one);
            let [worse_any_scale, worse_log_odds] = worse.map(|count| 100 * count / REPETITIONS);
            println!(
                "| {name} | {positives} | {:.2} | {any_scale:.2} | {log_odds:.2} | {worse_any_scale} % | {worse_log_odds} % |",
                1e4 * alone
            );
        }
    }
}

const SIGNALS: usize = 30;

/// A business of accounts that leave once: 30 signals, five of which matter, monthly rows over a year. `(dataset, rows)`.
fn leavers(accounts: usize, seed: u64) -> Dataset {
    let mut random = Stream(seed);
    let start = date("2022-01-01");
    let mut rows: Vec<(u32, usize, Vec<f32>, bool)> = Vec::new();
    for account in 0..accounts {
        let own: Vec<f64> = (0..SIGNALS).map(|_| random.normal()).collect();
        let strain: f64 = own[..5].iter().sum::<f64>() * 0.5;
        // About a fifth leaves within the year.
        let hazard = sigmoid(-4.6 + strain);
        let leaves = (0..15).find(|_| random.uniform() < hazard);
        for month in 0..12_u32 {
            if leaves.is_some_and(|leaves| leaves < month) {
                break;
            }
            let values = own.iter().map(|own| (own + 0.3 * random.normal()) as f32).collect();
            rows.push((month, account, values, leaves.is_some_and(|leaves| leaves < month + 3)));
        }
    }
    rows.sort_by_key(|row| (row.0, row.1));
    let as_of: Vec<_> = rows.iter().map(|row| start.checked_add_months(Months::new(row.0)).unwrap()).collect();
    let known_before = *as_of.last().unwrap() + Days::new(200);
    let columns = (0..SIGNALS).map(|signal| Column::Numeric(rows.iter().map(|row| row.2[signal]).collect()));
    let matrix = FeatureMatrix {
        account_ids: rows.iter().map(|row| format!("account-{:06}", row.1).into()).collect(),
        as_of,
        signals: (0..SIGNALS).map(|signal| numeric_signal(&format!("signal_{signal:02}"))).collect(),
        columns: columns.collect(),
    };
    let values: Vec<Option<bool>> = rows.iter().map(|row| Some(row.3)).collect();
    let labels = Labels { target: target("churn_90d", 90, 14), known_before, uplift: vec![None; values.len()], values };
    Dataset::new(matrix, vec![labels]).unwrap()
}

fn log_loss(margins: &[f64], labels: &[bool]) -> f64 {
    let of_row = |(margin, label): (&f64, &bool)| {
        let signed = if *label { -margin } else { *margin };
        signed.max(0.0) + (-signed.abs()).exp().ln_1p()
    };
    margins.iter().zip(labels).map(of_row).sum::<f64>() / labels.len() as f64
}

#[test]
#[ignore = "a measurement: prints the table of docs/calibration.md"]
fn table_of_few_positives() {
    let judged = leavers(4_000, 1);
    let all: Vec<u32> = (0..judged.rows() as u32).collect();
    println!("| accounts that churned | logistic | boosting | boosting against logistic |");
    println!("|---|---|---|---|");
    for wanted in [5_usize, 10, 15, 20, 30, 50, 75, 100, 200] {
        let repetitions = 24;
        let mut found: Vec<[f64; 2]> = Vec::new();
        for repetition in 0..repetitions {
            let data = leavers(wanted * 5, 1_000 + repetition * 31 + wanted as u64 * 7);
            let rows: Vec<u32> = (0..data.rows() as u32).collect();
            let encoder = Encoder::learn(&data, &rows);
            let labels = &data.labels()[0];
            let encoded = EncodedRows::new(&data, labels, &encoder, &rows);
            let tested = EncodedRows::new(&judged, &judged.labels()[0], &encoder, &all);
            let loss = |kind: LearnerKind| {
                let training = encoded.training_rows(&encoder, data.signals(), "churn_90d", 7);
                // One row with the outcome, or none, is less than some of them take.
                let model = kind.learner().fit(&training).ok()?;
                let margins = scorer::margins(encoder.signature(), &model, &tested.block).unwrap();
                Some(log_loss(&margins, &tested.labels))
            };
            let all = (loss(LearnerKind::BaseRate), loss(LearnerKind::Logistic), loss(LearnerKind::Boosting));
            let (Some(base), Some(logistic), Some(boosting)) = all else { continue };
            found.push([logistic - base, boosting - base]);
        }
        let summary = |of: &dyn Fn(&[f64; 2]) -> f64| {
            let values: Vec<f64> = found.iter().map(of).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
            format!("{mean:+.4} ± {:.4}", (variance / values.len() as f64).sqrt())
        };
        println!(
            "| {wanted} | {} | {} | {} |",
            summary(&|one| one[0]),
            summary(&|one| one[1]),
            summary(&|one| one[1] - one[0])
        );
    }
}
