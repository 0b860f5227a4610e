//! Metrics against published answers, slow definitions that share no code, and the laws that each must obey.

use bellwether_train::metric::{
    MetricError, average_precision, average_precision_weighted, brier, brier_weighted, gain_curve, lift_at_count,
    lift_at_share, log_loss, log_loss_weighted, mrr_captured, observed_over_expected, recalibration, reliability,
    roc_auc, roc_auc_weighted,
};
use proptest::prelude::*;

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "expected {expected}, found {found}");
}

/// (labels, scores, value, source)
type Case = (&'static [u8], &'static [f64], f64, &'static str);

fn labels(bits: &[u8]) -> Vec<bool> {
    bits.iter().map(|bit| *bit == 1).collect()
}

#[test]
fn known_roc_auc() {
    let cases: [Case; 4] = [
        (&[0, 0, 1, 1], &[0.1, 0.4, 0.35, 0.8], 0.75, "scikit-learn 1.9 documentation, roc_auc_score"),
        (&[0, 1, 0, 1], &[0.5, 0.5, 0.5, 0.5], 0.5, "definition: all tied"),
        (&[0, 1], &[0.9, 0.1], 0.0, "definition: reversed"),
        (&[0, 1, 1, 0], &[0.2, 0.2, 0.7, 0.1], 0.875, "by hand: pairs 1/2, 1, 1, 1 of 4"),
    ];
    for (bits, scores, expected, _source) in cases {
        close(roc_auc(&labels(bits), scores).unwrap(), expected);
    }
}

#[test]
fn known_average_precision() {
    let cases: [Case; 3] = [
        (&[0, 0, 1, 1], &[0.1, 0.4, 0.35, 0.8], 0.8333333333333333, "scikit-learn 1.9 documentation"),
        (&[0, 1, 0, 1, 0], &[0.3; 5], 0.4, "definition: one step at the base rate"),
        (&[1, 0, 1], &[0.9, 0.5, 0.5], 0.8333333333333333, "by hand: 1/2 * 1 + 1/2 * 2/3"),
    ];
    for (bits, scores, expected, _source) in cases {
        close(average_precision(&labels(bits), scores).unwrap(), expected);
    }
}

#[test]
fn known_losses() {
    close(log_loss(&labels(&[1, 0, 0, 1]), &[0.9, 0.1, 0.2, 0.65]).unwrap(), 0.21616187468057912); // scikit-learn docs
    close(log_loss(&[true], &[0.0]).unwrap(), 34.538776394910684); // -ln(1e-15)
    close(brier(&labels(&[0, 1, 1, 0]), &[0.1, 0.9, 0.8, 0.3]).unwrap(), 0.0375); // scikit-learn docs
    close(observed_over_expected(&labels(&[1, 0, 1, 0]), &[0.2, 0.2, 0.2, 0.2]).unwrap(), 2.5);
}

#[test]
fn known_lift_and_capture() {
    let outcome = labels(&[1, 1, 0, 0, 1, 0, 0, 0, 0, 0]);
    let scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0];
    close(lift_at_count(&outcome, &scores, 2).unwrap(), 1.0 / 0.3);
    close(lift_at_share(&outcome, &scores, 0.1).unwrap(), 1.0 / 0.3);
    close(lift_at_share(&outcome, &scores, 1.0).unwrap(), 1.0);
    let mrr = [10.0, 20.0, 999.0, 999.0, 70.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    close(mrr_captured(&outcome, &scores, &mrr, 2).unwrap(), 0.3);
    close(mrr_captured(&outcome, &scores, &mrr, 50).unwrap(), 1.0);
    // A tie of four at the cut-off, of which two are taken: half of each member counts.
    let tied = [0.9, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1];
    close(mrr_captured(&outcome, &tied, &mrr, 3).unwrap(), (10.0 + 0.5 * 90.0) / 100.0);
}

#[test]
fn gain_curve_ends_at_everything() {
    let outcome = labels(&[1, 0, 0, 1, 0, 0, 0, 0]);
    let curve = gain_curve(&outcome, &[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], 4).unwrap();
    assert_eq!(curve.iter().map(|point| point.count).collect::<Vec<_>>(), [2, 4, 6, 8]);
    close(curve[0].share_found, 0.5);
    close(curve[0].lift, 2.0);
    close(curve[1].share_found, 1.0);
    close(curve[3].precision, 0.25);
    close(curve[3].lift, 1.0);
}

#[test]
fn recalibration_undoes_a_known_distortion() {
    // Groups whose positive rates are exactly sigmoid(0.5 logit(p) - 0.4) for the forecasts p.
    let (mut outcome, mut forecast) = (Vec::new(), Vec::new());
    for logit in [-3.0_f64, -1.0, 0.0, 2.0] {
        let truth = 1.0 / (1.0 + (-(0.5 * logit - 0.4)).exp());
        let positives = (truth * 1e5).round() as usize;
        outcome.extend((0..100_000).map(|row| row < positives));
        forecast.extend(std::iter::repeat_n(1.0 / (1.0 + (-logit).exp()), 100_000));
    }
    let line = recalibration(&outcome, &forecast).unwrap();
    assert!((line.slope - 0.5).abs() < 1e-4 && (line.intercept + 0.4).abs() < 1e-4, "{line:?}");
}

#[test]
fn reliability_keeps_equal_forecasts_together() {
    let outcome = labels(&[0, 0, 1, 0, 1, 1, 0, 1]);
    let bins = reliability(&outcome, &[0.1, 0.1, 0.1, 0.1, 0.1, 0.7, 0.8, 0.9], 4).unwrap();
    assert_eq!(bins.iter().map(|bin| bin.rows).collect::<Vec<_>>(), [5, 1, 2]);
    close(bins[0].observed_rate, 0.4);
    close(bins[2].mean_probability, 0.85);
    // Wilson (1927): 2 of 5 is 0.118 to 0.769.
    assert!((bins[0].observed_low - 0.1176).abs() < 1e-3 && (bins[0].observed_high - 0.7693).abs() < 1e-3);
}

#[test]
fn errors_say_what_is_wrong() {
    let both = [true, false];
    assert!(matches!(roc_auc(&both, &[0.5]), Err(MetricError::LengthMismatch { expected: 2, found: 1, .. })));
    assert!(matches!(brier(&[], &[]), Err(MetricError::Empty { .. })));
    assert!(matches!(roc_auc(&[true], &[0.5]), Err(MetricError::SingleClass { positives: 1, rows: 1, .. })));
    assert!(matches!(log_loss(&both, &[0.5, 1.5]), Err(MetricError::NotAProbability { row: 1, .. })));
    assert!(matches!(brier(&both, &[f64::NAN, 0.5]), Err(MetricError::NotAProbability { row: 0, .. })));
    assert!(matches!(average_precision(&both, &[0.1, f64::NAN]), Err(MetricError::NotANumber { row: 1, .. })));
    assert!(matches!(log_loss_weighted(&both, &[0.5; 2], &[1.0, 0.0]), Err(MetricError::NotANumber { row: 1, .. })));
    assert!(matches!(lift_at_count(&both, &[0.1, 0.2], 0), Err(MetricError::Parameter { .. })));
    assert!(matches!(lift_at_share(&both, &[0.1, 0.2], 1.5), Err(MetricError::Parameter { .. })));
    assert!(matches!(reliability(&both, &[0.1, 0.2], 0), Err(MetricError::Parameter { .. })));
    assert!(matches!(gain_curve(&both, &[0.1, 0.2], 0), Err(MetricError::Parameter { .. })));
    assert!(matches!(recalibration(&both, &[0.3, 0.3]), Err(MetricError::Undetermined { .. })));
    assert!(matches!(recalibration(&both, &[0.9, 0.3]), Err(MetricError::Undetermined { .. })));
    assert!(matches!(mrr_captured(&both, &[0.3, 0.3], &[0.0, 9.0], 1), Err(MetricError::Undetermined { .. })));
    assert!(matches!(mrr_captured(&both, &[0.3, 0.3], &[1.0, -1.0], 1), Err(MetricError::NotANumber { .. })));
    assert!(matches!(observed_over_expected(&both, &[0.0, 0.0]), Err(MetricError::Undetermined { .. })));
}

/// Rows with both classes and many ties.
fn rows() -> impl Strategy<Value = (Vec<bool>, Vec<f64>, Vec<f64>)> {
    let row = (any::<bool>(), 0_u8..12, 1_u8..4);
    prop::collection::vec(row, 2..40).prop_map(|mut rows| {
        rows[0].0 = true;
        rows[1].0 = false;
        let labels = rows.iter().map(|row| row.0).collect();
        let scores = rows.iter().map(|row| f64::from(row.1) / 12.0).collect();
        (labels, scores, rows.iter().map(|row| f64::from(row.2)).collect())
    })
}

fn repeated<T: Copy>(values: &[T], weights: &[f64]) -> Vec<T> {
    values.iter().zip(weights).flat_map(|(value, weight)| std::iter::repeat_n(*value, *weight as usize)).collect()
}

/// Every pair of a positive and a negative row.
fn slow_auc(labels: &[bool], scores: &[f64]) -> f64 {
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (i, &positive) in labels.iter().enumerate() {
        for (j, &negative) in labels.iter().enumerate() {
            if positive && !negative {
                pairs += 1.0;
                wins += if scores[i] > scores[j] {
                    1.0
                } else if scores[i] == scores[j] {
                    0.5
                } else {
                    0.0
                };
            }
        }
    }
    wins / pairs
}

/// Precision at each positive row's own score, averaged over the positive rows.
fn slow_average_precision(labels: &[bool], scores: &[f64]) -> f64 {
    let at_or_above = |score: f64, positives: bool| {
        (0..labels.len()).filter(|&row| scores[row] >= score && (labels[row] || !positives)).count() as f64
    };
    let own = scores.iter().zip(labels).filter(|(_, label)| **label).map(|(score, _)| *score);
    let precisions: Vec<f64> = own.map(|score| at_or_above(score, true) / at_or_above(score, false)).collect();
    precisions.iter().sum::<f64>() / precisions.len() as f64
}

/// Chance of each row to be among the best `count`, from the number of rows above it and tied with it.
fn slow_lift(labels: &[bool], scores: &[f64], count: usize) -> f64 {
    let chance = |row: usize| {
        let above = scores.iter().filter(|score| **score > scores[row]).count() as f64;
        let tied = scores.iter().filter(|score| **score == scores[row]).count() as f64;
        ((count as f64 - above) / tied).clamp(0.0, 1.0)
    };
    let found: f64 = (0..labels.len()).filter(|row| labels[*row]).map(chance).sum();
    let positives = labels.iter().filter(|label| **label).count() as f64;
    found / count as f64 / (positives / labels.len() as f64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn ranking_agrees_with_its_definition((labels, scores, _) in rows(), cut in 0.01_f64..1.0) {
        close(roc_auc(&labels, &scores).unwrap(), slow_auc(&labels, &scores));
        close(average_precision(&labels, &scores).unwrap(), slow_average_precision(&labels, &scores));
        let count = ((cut * labels.len() as f64) as usize).max(1);
        close(lift_at_count(&labels, &scores, count).unwrap(), slow_lift(&labels, &scores, count));
    }

    #[test]
    fn a_weight_is_a_number_of_equal_rows((labels, scores, weights) in rows()) {
        let (more_labels, more_scores) = (repeated(&labels, &weights), repeated(&scores, &weights));
        close(roc_auc_weighted(&labels, &scores, &weights).unwrap(), roc_auc(&more_labels, &more_scores).unwrap());
        let weighted = average_precision_weighted(&labels, &scores, &weights).unwrap();
        close(weighted, average_precision(&more_labels, &more_scores).unwrap());
        close(log_loss_weighted(&labels, &scores, &weights).unwrap(), log_loss(&more_labels, &more_scores).unwrap());
        close(brier_weighted(&labels, &scores, &weights).unwrap(), brier(&more_labels, &more_scores).unwrap());
    }

    #[test]
    fn row_order_does_not_matter((labels, scores, weights) in rows()) {
        let reversed = |values: &[f64]| values.iter().rev().copied().collect::<Vec<f64>>();
        let back: Vec<bool> = labels.iter().rev().copied().collect();
        close(roc_auc(&labels, &scores).unwrap(), roc_auc(&back, &reversed(&scores)).unwrap());
        close(average_precision(&labels, &scores).unwrap(), average_precision(&back, &reversed(&scores)).unwrap());
        let count = labels.len() / 2;
        let found = mrr_captured(&labels, &scores, &weights, count).unwrap();
        close(found, mrr_captured(&back, &reversed(&scores), &reversed(&weights), count).unwrap());
    }

    #[test]
    fn reliability_bins_hold_every_row_once((labels, scores, _) in rows(), bins in 1_usize..12) {
        let found = reliability(&labels, &scores, bins).unwrap();
        prop_assert!(found.len() <= bins);
        prop_assert_eq!(found.iter().map(|bin| bin.rows).sum::<usize>(), labels.len());
        let positives = labels.iter().filter(|label| **label).count();
        prop_assert_eq!(found.iter().map(|bin| bin.positives).sum::<usize>(), positives);
        for pair in found.windows(2) {
            prop_assert!(pair[0].highest < pair[1].lowest);
        }
        for bin in &found {
            prop_assert!(bin.lowest <= bin.mean_probability + 1e-12 && bin.mean_probability <= bin.highest + 1e-12);
            prop_assert!(bin.observed_low <= bin.observed_rate && bin.observed_rate <= bin.observed_high);
        }
    }

    #[test]
    fn recalibration_has_no_slope_left((labels, scores, _) in rows()) {
        // At the optimum, residuals are orthogonal to 1 and to the log-odds.
        let forecast: Vec<f64> = scores.iter().map(|score| 0.05 + 0.9 * score).collect();
        if let Ok(line) = recalibration(&labels, &forecast) {
            let (mut flat, mut sloped) = (0.0, 0.0);
            for (label, p) in labels.iter().zip(&forecast) {
                let x = (p / (1.0 - p)).ln();
                let residual = 1.0 / (1.0 + (-(line.intercept + line.slope * x)).exp()) - f64::from(u8::from(*label));
                flat += residual;
                sloped += residual * x;
            }
            prop_assert!(flat.abs() < 1e-6 && sloped.abs() < 1e-6, "{} {}", flat, sloped);
        }
    }
}
