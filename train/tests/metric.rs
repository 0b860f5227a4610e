//! Metrics against published answers, slow definitions that share no code, and the laws that each must obey.

use bellwether_train::metric::{
    MetricError, average_precision, average_precision_weighted, brier, brier_parts, brier_weighted, corp_reliability,
    gain_curve, lift_at_count, lift_at_share, log_loss, log_loss_parts, log_loss_weighted, mrr_captured,
    observed_over_expected, observed_over_expected_weighted, positives_at_count, recalibration, reliability, roc_auc,
    roc_auc_weighted,
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

/// Isotonic regression by its min-max formula (Robertson et al. 1988, theorem 1.4.4) over distinct scores: cubic, and nothing
/// is pooled. One fitted value per row.
fn isotonic_oracle(labels: &[bool], scores: &[f64]) -> Vec<f64> {
    let mut distinct = scores.to_vec();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    let mean = |low: f64, high: f64| {
        let within: Vec<bool> =
            labels.iter().zip(scores).filter(|(_, s)| (low..=high).contains(*s)).map(|(label, _)| *label).collect();
        within.iter().filter(|label| **label).count() as f64 / within.len() as f64
    };
    let fitted = |score: f64| {
        let lower = distinct.iter().filter(|low| **low <= score);
        let least = |low: f64| {
            let upper = distinct.iter().filter(|high| **high >= score);
            upper.map(|high| mean(low, *high)).fold(f64::INFINITY, f64::min)
        };
        lower.map(|low| least(*low)).fold(f64::NEG_INFINITY, f64::max)
    };
    scores.iter().map(|score| fitted(*score)).collect()
}

#[test]
fn known_score_parts() {
    // scikit-learn 1.9: IsotonicRegression, then its log loss and mean squared error.
    let outcome = labels(&[0, 1, 0, 0, 1, 0, 1, 1, 0, 1]);
    let forecast = [0.05, 0.1, 0.15, 0.2, 0.3, 0.3, 0.5, 0.6, 0.7, 0.9];
    let steps = corp_reliability(&outcome, &forecast).unwrap();
    let recalibrated: Vec<f64> = steps.iter().map(|step| step.recalibrated).collect();
    assert_eq!(recalibrated, [0.0, 1.0 / 3.0, 0.5, 2.0 / 3.0, 1.0]);
    assert_eq!((steps[1].lowest, steps[1].highest, steps[1].rows, steps[1].positives), (0.1, 0.2, 3, 1));
    let loss = log_loss_parts(&outcome, &forecast).unwrap();
    close(log_loss(&outcome, &forecast).unwrap(), 0.6813494740767947);
    close(loss.miscalibration, 0.16081153698791772);
    close(loss.discrimination, 0.17260924347106832);
    close(loss.uncertainty, std::f64::consts::LN_2);
    let squared = brier_parts(&outcome, &forecast).unwrap();
    close(squared.miscalibration, 0.05316666666666664);
    close(squared.discrimination, 0.06666666666666665);
    close(squared.uncertainty, 0.25);
}

proptest! {
    #[test]
    fn a_score_is_the_sum_of_its_parts((labels, scores, _) in rows()) {
        let fitted = isotonic_oracle(&labels, &scores);
        let steps = corp_reliability(&labels, &scores).unwrap();
        prop_assert_eq!(steps.iter().map(|step| step.rows).sum::<usize>(), labels.len());
        prop_assert!(steps.windows(2).all(|pair| pair[0].recalibrated < pair[1].recalibrated && pair[0].highest < pair[1].lowest));
        for (score, fitted) in scores.iter().zip(&fitted) {
            let step = steps.iter().find(|step| step.lowest <= *score && *score <= step.highest).unwrap();
            prop_assert!((step.recalibrated - fitted).abs() < 1e-12);
        }
        let base = vec![labels.iter().filter(|label| **label).count() as f64 / labels.len() as f64; labels.len()];
        for (score, parts) in [
            (log_loss as fn(&[bool], &[f64]) -> Result<f64, MetricError>, log_loss_parts(&labels, &scores).unwrap()),
            (brier, brier_parts(&labels, &scores).unwrap()),
        ] {
            let of = |forecast: &[f64]| score(&labels, forecast).unwrap();
            prop_assert!((parts.miscalibration - (of(&scores) - of(&fitted))).abs() < 1e-9);
            prop_assert!((parts.discrimination - (of(&base) - of(&fitted))).abs() < 1e-9);
            prop_assert!((parts.uncertainty - of(&base)).abs() < 1e-9);
            let sum = parts.miscalibration - parts.discrimination + parts.uncertainty;
            prop_assert!((sum - of(&scores)).abs() < 1e-9);
        }
    }

    #[test]
    fn observed_over_expected_of_whole_weights_repeats_rows((labels, scores, weights) in rows()) {
        let found = observed_over_expected_weighted(&labels, &scores, &weights);
        let expected = observed_over_expected(&repeated(&labels, &weights), &repeated(&scores, &weights));
        match (found, expected) {
            (Ok(found), Ok(expected)) => close(found, expected),
            (found, expected) => prop_assert_eq!(found, expected),
        }
    }

    #[test]
    fn positives_at_a_count_are_precision_and_recall((labels, scores, _) in rows()) {
        let positives = labels.iter().filter(|label| **label).count() as f64;
        close(positives_at_count(&labels, &scores, labels.len() + 3).unwrap(), positives);
        for count in 1..=labels.len() {
            // Without ties, by counting the rows above each one.
            let found = |labels: &[bool], scores: &[f64]| {
                let rank = |score: f64| scores.iter().filter(|other| **other > score).count();
                labels.iter().zip(scores).filter(|(label, score)| **label && rank(**score) < count).count()
            };
            let untied: Vec<f64> = scores.iter().enumerate().map(|(row, score)| score + row as f64 * 1e-6).collect();
            close(positives_at_count(&labels, &untied, count).unwrap(), found(&labels, &untied) as f64);
        }
    }
}
