//! One forecast, prepared to be measured again and again under whole-number weights of its accounts.
//!
//! What is a sum over rows is kept as a sum per account. What reads the order is one walk over the rows, sorted once by
//! descending probability; neighbours without a positive row are one group there, since a curve changes only where a
//! positive row is. The slope of a replicate is one Newton step from the estimate (Shao & Tu 1995, *The Jackknife and
//! Bootstrap*, section 8.4.7), which differs from the replicate's own slope by terms of second order.

use crate::evaluate::{Judged, MetricSet, groups, known_amount};
use crate::measure::Metric;
use crate::metric::ScoreParts;
use crate::metric::calibration::{LOG_ODDS_CLIP, log_loss_of};
use crate::metric::corp::{entropy_sum, variance_sum};

use super::Clusters;
use super::interval::kish;

/// The measures of one replicate, at `metric as usize`; NaN where it does not give one.
pub(super) type Measures = [f64; Metric::ALL.len()];

/// Sums per account, at these places.
type Sums = [f64; 15];
const ROWS: usize = 0;
const POSITIVES: usize = 1;
const LOSS: usize = 2;
const NULL_LOSS: usize = 3;
const SQUARED_ERROR: usize = 4;
const EXPECTED: usize = 5;
const MRR: usize = 6;
const MRR_LOSS: usize = 7;
const MRR_POSITIVE: usize = 8;
const MRR_EXPECTED: usize = 9;
/// Gradient of the recalibration line at the estimate (intercept, slope), then its Hessian.
const GRADIENT: usize = 10;
const HESSIAN: usize = 12;

/// Rows and positive rows of a block of the isotonic fit.
pub(super) type Block = (f64, f64);

pub(super) struct Forecast {
    sums: Vec<Sums>,
    all: Order,
    dates: Vec<Order>,
    line: Option<(f64, f64)>,
    capacity: f64,
}

impl Forecast {
    pub(super) fn new(judged: &Judged<'_>, metrics: &MetricSet, clusters: &Clusters) -> Self {
        let amounts: Vec<f64> = match judged.mrr {
            Some(mrr) => mrr.iter().map(|amount| known_amount(*amount)).collect(),
            None => vec![0.0; judged.labels.len()],
        };
        let line = metrics.calibration_intercept.zip(metrics.calibration_slope);
        let mut sums = vec![[0.0; 15]; clusters.count()];
        for (row, cluster) in clusters.of_row().iter().enumerate() {
            add_row(&mut sums[*cluster as usize], judged, row, amounts[row], line);
        }
        let order = |rows| Order::new(rows, judged, &amounts, clusters.of_row());
        Self {
            sums,
            all: order(0..judged.labels.len()),
            dates: groups(judged.as_of_days).into_iter().map(order).collect(),
            line,
            capacity: judged.capacity.max(1) as f64,
        }
    }

    pub(super) fn clusters(&self) -> usize {
        self.sums.len()
    }

    /// Clusters with a positive row, and with a negative one.
    pub(super) fn clusters_by_outcome(&self) -> (usize, usize) {
        let count = |has: fn(&Sums) -> bool| self.sums.iter().filter(|sums| has(sums)).count();
        (count(|sums| sums[POSITIVES] > 0.0), count(|sums| sums[ROWS] > sums[POSITIVES]))
    }

    /// Effective number of clusters that a measure rests on: those of the rarer outcome, by rows or by MRR; for a measure
    /// of the top, the positive ones as far up as they are ranked.
    pub(super) fn effective_clusters(&self, metric: Metric) -> f64 {
        let of = |amount: &dyn Fn(&Sums) -> f64| kish(self.sums.iter().map(amount));
        let (positive, all) = if metric.by_mrr() { (MRR_POSITIVE, MRR) } else { (POSITIVES, ROWS) };
        let rarer = of(&|sums| sums[positive]).min(of(&|sums| sums[all] - sums[positive]));
        if metric.is_of_the_top() { rarer.min(kish(self.precisions(metric.by_mrr()).into_iter())) } else { rarer }
    }

    /// Per cluster, its positive rows, each times the precision down to it: what it gives to the average precision.
    fn precisions(&self, by_mrr: bool) -> Vec<f64> {
        let (order, mut sums) = (&self.all, vec![0.0; self.sums.len()]);
        let (mut start, mut positive, mut all) = (0, 0.0, 0.0);
        for group in &order.groups {
            let rows = start..group.end;
            start = group.end;
            let amount = |row: usize| if by_mrr { order.amounts[row] } else { 1.0 };
            all += rows.clone().map(amount).sum::<f64>();
            positive += rows.clone().filter(|row| order.positive[*row]).map(amount).sum::<f64>();
            for row in rows.filter(|row| order.positive[*row] && all > 0.0) {
                sums[order.clusters[row] as usize] += amount(row) * positive / all;
            }
        }
        sums
    }

    /// The measures where account `i` counts `weights[i]` times. `blocks` is room to work in.
    pub(super) fn measure(&self, weights: &[u32], blocks: &mut Vec<Block>) -> Measures {
        let mut sums = [0.0; 15];
        for (weight, of_cluster) in weights.iter().zip(&self.sums).filter(|(weight, _)| **weight > 0) {
            for (sum, value) in sums.iter_mut().zip(of_cluster) {
                *sum += f64::from(*weight) * value;
            }
        }
        let mut measures = [f64::NAN; Metric::ALL.len()];
        if sums[ROWS] > 0.0 {
            set_means(&mut measures, &sums);
            self.set_line(&mut measures, &sums);
            self.set_ranking(&mut measures, &sums, weights, blocks);
            self.set_capacity(&mut measures, &sums, weights);
        }
        measures
    }

    fn set_line(&self, measures: &mut Measures, sums: &Sums) {
        let Some((intercept, slope)) = self.line else { return };
        let [g0, g1] = [sums[GRADIENT], sums[GRADIENT + 1]];
        let [h00, h01, h11] = [sums[HESSIAN], sums[HESSIAN + 1], sums[HESSIAN + 2]];
        let determinant = h00 * h11 - h01 * h01;
        if determinant > 0.0 {
            measures[Metric::CalibrationIntercept as usize] = intercept - (h11 * g0 - h01 * g1) / determinant;
            measures[Metric::CalibrationSlope as usize] = slope - (h00 * g1 - h01 * g0) / determinant;
        }
    }

    fn set_ranking(&self, measures: &mut Measures, sums: &Sums, weights: &[u32], blocks: &mut Vec<Block>) {
        let mut walk = Walk::new(sums[ROWS], blocks);
        self.all.walk(weights, |group| {
            walk.add(group);
            false
        });
        let rows = sums[ROWS];
        let negatives = rows - sums[POSITIVES];
        let mrr_negatives = sums[MRR] - sums[MRR_POSITIVE];
        let mut set = |metric: Metric, value: f64| measures[metric as usize] = value;
        // A quotient by 0 is NaN here: nothing was found where nothing is.
        set(Metric::RocAuc, walk.area / (sums[POSITIVES] * negatives));
        set(Metric::AveragePrecision, walk.precision / sums[POSITIVES]);
        set(Metric::MrrWeightedRocAuc, walk.mrr_area / (sums[MRR_POSITIVE] * mrr_negatives));
        set(Metric::MrrWeightedAveragePrecision, walk.mrr_precision / sums[MRR_POSITIVE]);
        let lift = |cut: &Cut| (cut.found / cut.count) / (sums[POSITIVES] / rows);
        set(Metric::LiftAt5Percent, lift(&walk.cuts[0]));
        set(Metric::LiftAt10Percent, lift(&walk.cuts[1]));
        let recalibrated =
            |sum: fn(f64, f64) -> f64| walk.blocks.iter().map(move |(rows, positives)| sum(*positives, *rows));
        let base = [entropy_sum(sums[POSITIVES], rows) / rows, variance_sum(sums[POSITIVES], rows) / rows];
        let loss = ScoreParts::new(sums[LOSS] / rows, recalibrated(entropy_sum).sum::<f64>() / rows, base[0]);
        let squared =
            ScoreParts::new(sums[SQUARED_ERROR] / rows, recalibrated(variance_sum).sum::<f64>() / rows, base[1]);
        set(Metric::LogLossMiscalibration, loss.miscalibration);
        set(Metric::LogLossDiscrimination, loss.discrimination);
        set(Metric::LogLossUncertainty, loss.uncertainty);
        set(Metric::BrierMiscalibration, squared.miscalibration);
        set(Metric::BrierDiscrimination, squared.discrimination);
        set(Metric::BrierUncertainty, squared.uncertainty);
    }

    fn set_capacity(&self, measures: &mut Measures, sums: &Sums, weights: &[u32]) {
        let (mut called, mut found, mut mrr_found) = (0.0, 0.0, 0.0);
        for date in &self.dates {
            let mut above = 0.0;
            date.walk(weights, |group| {
                let rows = group.positive + group.negative;
                let taken = if above + rows > self.capacity { (self.capacity - above) / rows } else { 1.0 };
                found += taken * group.positive;
                mrr_found += taken * group.mrr_positive;
                above = (above + rows).min(self.capacity);
                above >= self.capacity
            });
            called += above;
        }
        measures[Metric::PrecisionAtCapacity as usize] = found / called;
        measures[Metric::RecallAtCapacity as usize] = found / sums[POSITIVES];
        measures[Metric::MrrCaptured as usize] = mrr_found / sums[MRR_POSITIVE];
    }
}

fn add_row(sums: &mut Sums, judged: &Judged<'_>, row: usize, amount: f64, line: Option<(f64, f64)>) {
    let (label, probability) = (judged.labels[row], judged.probabilities[row]);
    let outcome = f64::from(u8::from(label));
    let loss = log_loss_of(label, probability);
    sums[ROWS] += 1.0;
    sums[POSITIVES] += outcome;
    sums[LOSS] += loss;
    sums[NULL_LOSS] += log_loss_of(label, judged.null_probabilities[row]);
    sums[SQUARED_ERROR] += (probability - outcome) * (probability - outcome);
    sums[EXPECTED] += probability;
    sums[MRR] += amount;
    sums[MRR_LOSS] += amount * loss;
    sums[MRR_POSITIVE] += amount * outcome;
    sums[MRR_EXPECTED] += amount * probability;
    if let Some((intercept, slope)) = line {
        let clipped = probability.clamp(LOG_ODDS_CLIP, 1.0 - LOG_ODDS_CLIP);
        let log_odds = (clipped / (1.0 - clipped)).ln();
        let fitted = 1.0 / (1.0 + (-(intercept + slope * log_odds)).exp());
        let curvature = fitted * (1.0 - fitted);
        sums[GRADIENT] += fitted - outcome;
        sums[GRADIENT + 1] += (fitted - outcome) * log_odds;
        sums[HESSIAN] += curvature;
        sums[HESSIAN + 1] += curvature * log_odds;
        sums[HESSIAN + 2] += curvature * log_odds * log_odds;
    }
}

fn set_means(measures: &mut Measures, sums: &Sums) {
    let mut set = |metric: Metric, value: f64| measures[metric as usize] = value;
    set(Metric::LogLoss, sums[LOSS] / sums[ROWS]);
    set(Metric::NullLogLoss, sums[NULL_LOSS] / sums[ROWS]);
    set(Metric::Brier, sums[SQUARED_ERROR] / sums[ROWS]);
    set(Metric::BaseRate, sums[POSITIVES] / sums[ROWS]);
    set(Metric::ObservedOverExpected, sums[POSITIVES] / sums[EXPECTED]);
    set(Metric::MrrWeightedLogLoss, sums[MRR_LOSS] / sums[MRR]);
    set(Metric::MrrWeightedObservedOverExpected, sums[MRR_POSITIVE] / sums[MRR_EXPECTED]);
}

/// Rows by descending probability, in groups.
struct Order {
    clusters: Vec<u32>,
    positive: Vec<bool>,
    amounts: Vec<f64>,
    groups: Vec<Group>,
}

/// Rows of one probability; neighbours without a positive row are joined.
struct Group {
    end: usize,
    has_positive: bool,
}

/// Weighted rows and MRR of a group.
#[derive(Clone, Copy, Default)]
struct Totals {
    positive: f64,
    negative: f64,
    mrr_positive: f64,
    mrr_negative: f64,
}

impl Order {
    fn new(rows: std::ops::Range<usize>, judged: &Judged<'_>, amounts: &[f64], clusters: &[u32]) -> Self {
        let mut order: Vec<usize> = rows.collect();
        let probability = |row: usize| judged.probabilities[row];
        order.sort_by(|&a, &b| probability(b).total_cmp(&probability(a)).then(a.cmp(&b)));
        let mut groups: Vec<Group> = Vec::new();
        let mut start = 0;
        for end in 1..=order.len() {
            if end < order.len() && probability(order[end]) == probability(order[end - 1]) {
                continue;
            }
            let has_positive = order[start..end].iter().any(|&row| judged.labels[row]);
            match groups.last_mut() {
                Some(last) if !has_positive && !last.has_positive => last.end = end,
                _ => groups.push(Group { end, has_positive }),
            }
            start = end;
        }
        Self {
            clusters: order.iter().map(|&row| clusters[row]).collect(),
            positive: order.iter().map(|&row| judged.labels[row]).collect(),
            amounts: order.iter().map(|&row| amounts[row]).collect(),
            groups,
        }
    }

    /// Gives each group's totals, best first, until `stop` says so.
    fn walk(&self, weights: &[u32], mut stop: impl FnMut(Totals) -> bool) {
        let mut start = 0;
        for group in &self.groups {
            let rows = start..group.end;
            start = group.end;
            let totals = if group.has_positive { self.mixed(rows, weights) } else { self.negative(rows, weights) };
            if totals.positive + totals.negative > 0.0 && stop(totals) {
                return;
            }
        }
    }

    fn negative(&self, rows: std::ops::Range<usize>, weights: &[u32]) -> Totals {
        let (mut count, mut mrr) = (0_u64, 0.0);
        for (cluster, amount) in self.clusters[rows.clone()].iter().zip(&self.amounts[rows]) {
            let weight = weights[*cluster as usize];
            count += u64::from(weight);
            mrr += f64::from(weight) * amount;
        }
        Totals { negative: count as f64, mrr_negative: mrr, ..Totals::default() }
    }

    fn mixed(&self, rows: std::ops::Range<usize>, weights: &[u32]) -> Totals {
        let mut totals = Totals::default();
        for row in rows {
            let weight = f64::from(weights[self.clusters[row] as usize]);
            if self.positive[row] {
                totals.positive += weight;
                totals.mrr_positive += weight * self.amounts[row];
            } else {
                totals.negative += weight;
                totals.mrr_negative += weight * self.amounts[row];
            }
        }
        totals
    }
}

/// The best `count` rows, and the positive rows among them.
struct Cut {
    count: f64,
    found: f64,
}

/// What is kept on the walk from the highest probability to the lowest.
struct Walk<'a> {
    above: Totals,
    area: f64,
    precision: f64,
    mrr_area: f64,
    mrr_precision: f64,
    cuts: [Cut; 2],
    /// Isotonic fit, from the highest probability: rates never rise.
    blocks: &'a mut Vec<Block>,
}

impl<'a> Walk<'a> {
    fn new(rows: f64, blocks: &'a mut Vec<Block>) -> Self {
        blocks.clear();
        // As `count_of_share` has it.
        let cut = |share: f64| Cut { count: (share * rows - 1e-9).ceil().clamp(1.0, rows), found: 0.0 };
        let cuts = [cut(0.05), cut(0.10)];
        Self { above: Totals::default(), area: 0.0, precision: 0.0, mrr_area: 0.0, mrr_precision: 0.0, cuts, blocks }
    }

    fn add(&mut self, group: Totals) {
        let above = &mut self.above;
        let before = above.positive + above.negative;
        let rows = group.positive + group.negative;
        self.area += group.negative * (above.positive + 0.5 * group.positive);
        self.mrr_area += group.mrr_negative * (above.mrr_positive + 0.5 * group.mrr_positive);
        above.positive += group.positive;
        above.negative += group.negative;
        above.mrr_positive += group.mrr_positive;
        above.mrr_negative += group.mrr_negative;
        if group.positive > 0.0 {
            self.precision += group.positive * above.positive / (before + rows);
            for cut in &mut self.cuts {
                let taken = ((cut.count - before) / rows).clamp(0.0, 1.0);
                cut.found += taken * group.positive;
            }
        }
        if group.mrr_positive > 0.0 {
            self.mrr_precision += group.mrr_positive * above.mrr_positive / (above.mrr_positive + above.mrr_negative);
        }
        let mut block = (rows, group.positive);
        // Cross-multiplied whole numbers: exact.
        while let Some(last) = self.blocks.pop_if(|last| last.1 * block.0 <= block.1 * last.0) {
            block = (last.0 + block.0, last.1 + block.1);
        }
        self.blocks.push(block);
    }
}
