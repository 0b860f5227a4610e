//! The weighted pass against a slow twin: the rows really repeated, and measured by the plain definitions.

use super::*;
use crate::metric;

/// SplitMix64 (Steele et al. 2014).
struct Stream(u64);

impl Stream {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Columns by date, then account.
#[derive(Default)]
struct Rows {
    labels: Vec<bool>,
    probabilities: Vec<f64>,
    null_probabilities: Vec<f64>,
    mrr: Vec<f32>,
    as_of_days: Vec<i32>,
    accounts: Vec<u32>,
}

impl Rows {
    /// `levels` distinct forecasts: few of them make many ties.
    fn random(seed: u64, levels: f64) -> Self {
        let mut random = Stream(seed);
        let mut rows = Self::default();
        for day in 0..5 {
            for account in 0..60 {
                if random.uniform() < 0.2 {
                    continue;
                }
                let probability = ((random.uniform() * levels).floor() + 0.5) / levels;
                rows.labels.push(random.uniform() < 0.1 + 0.6 * probability);
                rows.probabilities.push(probability);
                rows.null_probabilities.push(0.3);
                rows.mrr.push(if account % 7 == 0 { f32::NAN } else { (random.uniform() * 900.0).floor() as f32 });
                rows.as_of_days.push(day);
                rows.accounts.push(account);
            }
        }
        rows
    }

    /// Each row as often as its account's weight says.
    fn repeated(&self, weights: &[u32]) -> Self {
        let mut rows = Self::default();
        for row in 0..self.labels.len() {
            for _ in 0..weights[self.accounts[row] as usize] {
                rows.labels.push(self.labels[row]);
                rows.probabilities.push(self.probabilities[row]);
                rows.null_probabilities.push(self.null_probabilities[row]);
                rows.mrr.push(self.mrr[row]);
                rows.as_of_days.push(self.as_of_days[row]);
                rows.accounts.push(self.accounts[row]);
            }
        }
        rows
    }

    fn judged(&self) -> Judged<'_> {
        Judged {
            labels: &self.labels,
            probabilities: &self.probabilities,
            null_probabilities: &self.null_probabilities,
            mrr: Some(&self.mrr),
            as_of_days: &self.as_of_days,
            capacity: 7,
        }
    }
}

#[test]
fn a_weighted_pass_is_the_plain_measure_of_repeated_rows() {
    for (seed, levels) in [(1, 4.0), (2, 25.0), (3, 1e9)] {
        let rows = Rows::random(seed, levels);
        let metrics = MetricSet::new(&rows.judged()).unwrap();
        let forecast = Forecast::new(&rows.judged(), &metrics, &Clusters::of(&rows.accounts));
        let draws = Draws::new(seed, forecast.clusters());
        let mut weights = vec![1; forecast.clusters()];
        for replicate in 0..20 {
            let found = forecast.measure(&weights, &mut Vec::new());
            let expected = MetricSet::new(&rows.repeated(&weights).judged()).unwrap();
            for metric in Metric::ALL {
                let (found, expected) = (found[metric as usize], expected.value(metric).unwrap());
                let one_step = matches!(metric, Metric::CalibrationSlope | Metric::CalibrationIntercept);
                // One Newton step from the estimate: exact at the estimate itself, near it elsewhere.
                let tolerance = if one_step && replicate > 0 { 0.12 } else { 1e-8 };
                assert!((found - expected).abs() < tolerance * (1.0 + expected.abs()), "{metric}: {found} {expected}");
            }
            draws.fill(replicate, &mut weights);
        }
    }
}

#[test]
fn a_replicate_without_an_outcome_has_losses_and_no_ranking() {
    let rows = Rows::random(4, 25.0);
    let metrics = MetricSet::new(&rows.judged()).unwrap();
    let forecast = Forecast::new(&rows.judged(), &metrics, &Clusters::each_alone(rows.labels.len()));
    let weights: Vec<u32> = rows.labels.iter().map(|label| u32::from(!label)).collect();
    let measures = forecast.measure(&weights, &mut Vec::new());
    for metric in [Metric::RocAuc, Metric::AveragePrecision, Metric::LiftAt5Percent, Metric::RecallAtCapacity] {
        assert!(measures[metric as usize].is_nan(), "{metric}");
    }
    assert!(measures[Metric::LogLoss as usize] > 0.0);
    assert_eq!(measures[Metric::BaseRate as usize], 0.0);
}

#[test]
fn the_error_of_a_mean_is_that_of_its_formula() {
    // Rows as if independent: the bootstrap's standard error of a mean is the sample's deviation over the root of n.
    let rows = Rows::random(5, 1e9);
    let metrics = MetricSet::new(&rows.judged()).unwrap();
    let alone = Forecast::new(&rows.judged(), &metrics, &Clusters::each_alone(rows.labels.len()));
    let values: Vec<f64> = replicates(&alone, 11).iter().map(|measures| measures[Metric::Brier as usize]).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let found = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt();
    let brier = metric::brier(&rows.labels, &rows.probabilities).unwrap();
    let errors =
        rows.labels.iter().zip(&rows.probabilities).map(|(label, p)| (p - f64::from(u8::from(*label))).powi(2));
    let n = rows.labels.len() as f64;
    let expected = (errors.map(|error| (error - brier).powi(2)).sum::<f64>() / n / n).sqrt();
    assert!((found / expected - 1.0).abs() < 0.1, "{found} {expected}");
}

#[test]
fn too_few_accounts_have_no_interval() {
    let mut rows = Rows::random(6, 25.0);
    for (label, account) in rows.labels.iter_mut().zip(&rows.accounts) {
        *label &= *account < 9;
    }
    let metrics = MetricSet::new(&rows.judged()).unwrap();
    assert_eq!(intervals(&rows.judged(), &metrics, &rows.accounts, 1, true), None);
}

#[test]
fn threads_change_no_bit() {
    let rows = Rows::random(7, 25.0);
    let metrics = MetricSet::new(&rows.judged()).unwrap();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| intervals(&rows.judged(), &metrics, &rows.accounts, 7, true))
    };
    let one = on(1).unwrap();
    assert_eq!(one.metrics.len(), Metric::ALL.len());
    assert!(one.metrics.values().all(|interval| interval.naive.is_some()));
    for threads in [2, 3] {
        assert_eq!(on(threads).as_ref(), Some(&one));
    }
}
