//! Calibrators against slow oracles that share no code with them, and on data whose truth is known.

use bellwether_models::{Calibration, Curve, PiecewiseLinear};
use bellwether_train::calibrate::{self, Bins, CalibrateError, MOST_BINS, Prior, pool_adjacent_violators};
use bellwether_train::metric;
use proptest::prelude::*;

use crate::world::{Stream, sigmoid};

/// A margin, the sum of its labels and the number of its rows.
type Point = (f64, f64, f64);

/// Isotonic regression by its min-max formula (Robertson et al. 1988, theorem 1.4.4): cubic, and nothing is pooled.
fn isotonic_oracle(points: &[Point]) -> Vec<f64> {
    let mean = |from: usize, to: usize| {
        let of = &points[from..=to];
        of.iter().map(|point| point.1).sum::<f64>() / of.iter().map(|point| point.2).sum::<f64>()
    };
    (0..points.len())
        .map(|index| {
            let over = |from: usize| (index..points.len()).map(|to| mean(from, to)).fold(f64::INFINITY, f64::min);
            (0..=index).map(over).fold(f64::NEG_INFINITY, f64::max)
        })
        .collect()
}

/// The Venn-Abers pair at the margin of a point by its definition: one more row there, without and with the outcome.
fn venn_abers_oracle(points: &[Point], at: usize) -> (f64, f64) {
    let with = |label: f64| {
        let mut extended = points.to_vec();
        extended[at].1 += label;
        extended[at].2 += 1.0;
        isotonic_oracle(&extended)[at]
    };
    (with(0.0), with(1.0))
}

fn points(margins: &[f64], labels: &[bool]) -> Vec<Point> {
    margins.iter().zip(labels).map(|(margin, label)| (*margin, f64::from(u8::from(*label)), 1.0)).collect()
}

fn sample(rows: usize, seed: u64, truth: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<bool>) {
    let mut random = Stream(seed);
    let margins: Vec<f64> = (0..rows).map(|_| -1.5 + 1.5 * random.normal()).collect();
    let labels = margins.iter().map(|margin| random.uniform() < truth(*margin)).collect();
    (margins, labels)
}

fn steepest(curve: &PiecewiseLinear) -> f64 {
    let rise = |pair: &[bellwether_models::Knot]| {
        (pair[1].probability - pair[0].probability) / (pair[1].margin - pair[0].margin)
    };
    curve.knots.windows(2).map(rise).fold(0.0, f64::max)
}

fn check_laws(calibration: &Calibration) {
    assert!(calibration.validate().is_ok(), "{:?}", calibration.validate());
    let mut last = 0.0;
    for step in -400..400 {
        let at = calibration.evaluate(f64::from(step) / 50.0);
        assert!(at.probability >= last && at.low <= at.probability && at.probability <= at.high);
        assert!(at.probability > 0.0 && at.probability < 1.0);
        last = at.probability;
    }
    assert!(steepest(&calibration.low) <= 10.0 && steepest(&calibration.high) <= 10.0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn pooling_is_isotonic_regression(labels in prop::collection::vec(any::<bool>(), 1..60)) {
        let margins: Vec<f64> = (0..labels.len()).map(|row| row as f64).collect();
        let bins = Bins::new(&margins, &labels, MOST_BINS).unwrap();
        let blocks = pool_adjacent_violators(bins.bins());
        let expected = isotonic_oracle(&points(&margins, &labels));
        let found: Vec<f64> = blocks.iter().flat_map(|block| vec![block.probability(); block.end - block.first]).collect();
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn any_outcomes_give_a_lawful_calibrator(seed in any::<u64>(), rows in 60_usize..400, scale in 0.001_f64..50.0) {
        let (margins, labels) = sample(rows, seed, sigmoid);
        let margins: Vec<f64> = margins.iter().map(|margin| margin * scale).collect();
        let positives = labels.iter().filter(|label| **label).count();
        prop_assume!(positives >= calibrate::LEAST_OUTCOMES && rows - positives >= calibrate::LEAST_OUTCOMES);
        check_laws(&calibrate::fit(&margins, &labels).unwrap());
    }
}

#[test]
fn the_pair_is_that_of_the_definition_where_nothing_is_steep() {
    // Margins far apart, so that the slope bound never binds and the knots hold the pair itself.
    let (_, labels) = sample(50, 11, sigmoid);
    let margins: Vec<f64> = (0..labels.len()).map(|row| row as f64).collect();
    let calibration = calibrate::fit(&margins, &labels).unwrap();
    let points = points(&margins, &labels);
    assert_eq!(calibration.low.knots.len(), margins.len());
    for (at, (low, high)) in calibration.low.knots.iter().zip(&calibration.high.knots).enumerate() {
        let (p0, p1) = venn_abers_oracle(&points, at);
        assert!((low.probability - p0).abs() < 1e-12, "{} against {p0} at {}", low.probability, low.margin);
        assert!((high.probability - p1).abs() < 1e-12, "{} against {p1} at {}", high.probability, high.margin);
        assert!(p0 <= p1);
    }
}

/// The pair at a margin by its definition and the min-max formula, for rows of any weights: quadratic, nothing is pooled and
/// nothing is binned.
fn pair_oracle(points: &[Point], at: f64) -> (f64, f64) {
    let with = |label: f64| {
        let mut rows = points.to_vec();
        rows.push((at, label, 1.0));
        let mut margins: Vec<f64> = rows.iter().map(|row| row.0).collect();
        margins.sort_by(f64::total_cmp);
        margins.dedup();
        let mean = |from: f64, to: f64| {
            let within = rows.iter().filter(|row| row.0 >= from && row.0 <= to);
            let (sum, weight) = within.fold((0.0, 0.0), |sum, row| (sum.0 + row.1, sum.1 + row.2));
            sum / weight
        };
        let below = margins.iter().filter(|margin| **margin <= at);
        let lowest = |from: &f64| {
            let above = margins.iter().filter(|margin| **margin >= at);
            above.map(|to| mean(*from, *to)).fold(f64::INFINITY, f64::min)
        };
        below.map(lowest).fold(f64::NEG_INFINITY, f64::max)
    };
    (with(0.0), with(1.0))
}

#[test]
fn the_pair_of_ties_weights_and_many_margins_is_that_of_the_definition() {
    for (seed, distinct, weight) in [(21, 30_usize, 1.0), (22, 30, 0.35), (23, 150, 1.0), (24, 150, 0.35)] {
        let (_, labels) = sample(3 * distinct, seed, sigmoid);
        let margins: Vec<f64> = (0..labels.len()).map(|row| (row % distinct) as f64).collect();
        let calibration = calibrate::fit_weighted(&margins, &labels, &vec![weight; labels.len()]).unwrap().calibration;
        let points: Vec<Point> =
            points(&margins, &labels).iter().map(|(margin, label, _)| (*margin, label * weight, weight)).collect();
        assert_eq!(calibration.low.knots.len(), distinct.min(64));
        for (low, high) in calibration.low.knots.iter().zip(&calibration.high.knots) {
            let (p0, p1) = pair_oracle(&points, low.margin);
            assert!((low.probability - p0).abs() < 1e-9, "{} against {p0} at {}", low.probability, low.margin);
            assert!((high.probability - p1).abs() < 1e-9, "{} against {p1} at {}", high.probability, high.margin);
        }
        // Between knots the pair and the curves both lie between those of the two knots, and the probability in the pair.
        let between = calibration.low.knots.windows(2).zip(calibration.high.knots.windows(2));
        for (low, high) in between {
            let at = f64::midpoint(low[0].margin, low[1].margin);
            let ((p0, p1), found) = (pair_oracle(&points, at), calibration.evaluate(at));
            assert!(low[0].probability - 1e-9 <= p0 && p1 <= high[1].probability + 1e-9, "{p0} {p1} at {at}");
            assert!(found.low <= found.probability && found.probability <= found.high);
            assert!(found.low <= low[1].probability && found.high >= high[0].probability);
        }
    }
}

#[test]
fn weights_are_counts_and_a_curve_of_equal_weights_is_that_of_equal_rows() {
    let (margins, labels) = sample(3_000, 31, sigmoid);
    let (once, thrice) = (vec![1.0; margins.len()], vec![3.0; margins.len()]);
    let tripled = |values: &[f64]| values.iter().flat_map(|value| [*value; 3]).collect::<Vec<f64>>();
    let labels_tripled: Vec<bool> = labels.iter().flat_map(|label| [*label; 3]).collect();
    let weighted = calibrate::fit_weighted(&margins, &labels, &thrice).unwrap();
    let repeated = calibrate::fit(&tripled(&margins), &labels_tripled).unwrap();
    for step in -40..40 {
        let at = f64::from(step) / 8.0;
        let (one, other) = (weighted.calibration.evaluate(at), repeated.evaluate(at));
        assert!((one.probability - other.probability).abs() < 1e-3, "{at}: {one:?} {other:?}");
    }
    // Fewer witnesses say less: the pair is wider, in the middle of the margins above all.
    let third = calibrate::fit_weighted(&margins, &labels, &vec![1.0 / 3.0; margins.len()]).unwrap().calibration;
    let whole = calibrate::fit_weighted(&margins, &labels, &once).unwrap().calibration;
    let width = |calibration: &Calibration| {
        let widths =
            (-30..10).map(|step| calibration.evaluate(f64::from(step) / 10.0)).map(|pair| pair.high - pair.low);
        widths.sum::<f64>()
    };
    assert!(width(&third) > 1.3 * width(&whole), "{} {}", width(&third), width(&whole));
    let refused = calibrate::fit_weighted(&margins, &labels, &once[1..]).unwrap_err();
    assert!(matches!(refused, CalibrateError::Length { what: "weights", .. }), "{refused}");
}

#[test]
fn few_outcomes_give_platt_more_give_beta_and_many_give_isotonic() {
    let (margins, labels) = sample(250, 5, sigmoid);
    let few = calibrate::fit(&margins, &labels).unwrap();
    let Curve::Logistic { slope, intercept } = few.point else { panic!("expected a logistic curve") };
    assert!((slope - 1.0).abs() < 0.4 && intercept.abs() < 0.6, "{slope} {intercept}");
    check_laws(&few);

    let bent = |margin: f64| sigmoid(0.3 * margin.min(0.0) + 2.0 * margin.max(0.0) - 1.5);
    let (margins, labels) = sample(5_000, 12, bent);
    let more = calibrate::fit(&margins, &labels).unwrap();
    let Curve::Beta { slope_below, slope_above, .. } = more.point else { panic!("expected a beta curve") };
    assert!(slope_below < 0.7 && slope_above > 1.2, "{slope_below} {slope_above}");
    check_laws(&more);

    let crooked = |margin: f64| 0.05 + 0.5 * sigmoid(4.0 * (margin + 1.0));
    let (margins, labels) = sample(20_000, 6, crooked);
    let many = calibrate::fit(&margins, &labels).unwrap();
    assert!(matches!(many.point, Curve::PiecewiseLinear(_)));
    check_laws(&many);
    let (fresh, outcomes) = sample(20_000, 7, crooked);
    let forecasts: Vec<f64> = fresh.iter().map(|margin| many.evaluate(*margin).probability).collect();
    let truth: Vec<f64> = fresh.iter().map(|margin| crooked(*margin)).collect();
    let excess = metric::log_loss(&outcomes, &forecasts).unwrap() - metric::log_loss(&outcomes, &truth).unwrap();
    assert!(excess < 0.002, "{excess}");
    let ratio = metric::observed_over_expected(&outcomes, &forecasts).unwrap();
    assert!((ratio - 1.0).abs() < 0.04, "{ratio}");
}

#[test]
fn over_confident_margins_are_tamed() {
    for (rows, tolerance) in [(250, 0.15), (4_000, 0.05)] {
        let (margins, labels) = sample(rows, 8, sigmoid);
        let loud: Vec<f64> = margins.iter().map(|margin| 3.0 * margin).collect();
        match calibrate::fit(&loud, &labels).unwrap().point {
            Curve::Logistic { slope, .. } => assert!((slope - 1.0 / 3.0).abs() < tolerance, "{slope}"),
            Curve::Beta { slope_below, slope_above, .. } => {
                assert!((slope_below - 1.0 / 3.0).abs() < tolerance, "{slope_below}");
                assert!((slope_above - 1.0 / 3.0).abs() < 3.0 * tolerance, "{slope_above}");
            }
            Curve::PiecewiseLinear(_) => panic!("expected a curve of two or three numbers"),
        }
    }
}

#[test]
fn margins_against_the_outcome_give_a_flat_line() {
    let (margins, labels) = sample(700, 9, |margin| sigmoid(-2.0 - margin));
    let calibration = calibrate::fit(&margins, &labels).unwrap();
    let base = labels.iter().filter(|label| **label).count() as f64 / labels.len() as f64;
    for margin in [-4.0, -1.0, 0.0, 2.0] {
        assert_eq!(calibration.point.derivative(margin), 0.0, "{:?}", calibration.point);
    }
    assert!((calibration.evaluate(3.0).probability - base).abs() < 0.01);
}

#[test]
fn nothing_is_fitted_on_nothing() {
    let refuse = |margins: &[f64], labels: &[bool]| calibrate::fit(margins, labels).unwrap_err();
    assert!(matches!(refuse(&[0.0], &[]), CalibrateError::Length { .. }));
    assert!(matches!(refuse(&[f64::NAN], &[true]), CalibrateError::Margin { row: 0, .. }));
    assert!(matches!(refuse(&[0.0; 20], &[true; 20]), CalibrateError::TooFew { negatives: 0, .. }));
}

#[test]
fn log_odds_are_left_nearly_alone_until_many_outcomes_say_otherwise() {
    // Squared distance of the calibrated from the true log-odds, over many small samples.
    let distance = |rows: usize, slope: f64, prior: Prior| -> f64 {
        let truth = |margin: f64| slope * margin;
        let of_sample = |seed: u64| {
            let (margins, labels) = sample(rows, seed, |margin| sigmoid(truth(margin)));
            let found = calibrate::fit_from(&margins, &labels, &vec![1.0; rows], prior).unwrap();
            let at = |step: i32| -1.5 + f64::from(step) / 4.0;
            let square = |margin: f64| {
                let p = found.calibration.point.evaluate(margin);
                ((p / (1.0 - p)).ln() - truth(margin)).powi(2)
            };
            (-8..=8).map(|step| square(at(step))).sum::<f64>() / 17.0
        };
        (0..40).map(of_sample).sum::<f64>() / 40.0
    };
    for rows in [150, 500] {
        let (loose, held) = (distance(rows, 1.0, Prior::ANY_SCALE), distance(rows, 1.0, Prior::LOG_ODDS));
        assert!(held < 0.5 * loose, "{rows} rows of right margins: {held} against {loose}");
    }
    // A learner that is twice too sure of itself is still found out.
    let (loose, held) = (distance(4_000, 0.5, Prior::ANY_SCALE), distance(4_000, 0.5, Prior::LOG_ODDS));
    assert!(held < 0.02 && loose < 0.02, "{held} {loose}");
}
