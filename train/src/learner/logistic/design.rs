//! The columns of the logistic regression: what each is made of, learned from the training rows.

use bellwether_models::{LinearTerm, Transform};

use crate::learner::TrainingRows;
use crate::learner::rows::{DesignView, design_views};

/// Share of missing values (and of known ones) from which a column that says so is added.
const LEAST_SHARE_MISSING: f64 = 0.01;

/// Clips at this share of the rows on either side.
const CLIPPED_SHARE: f64 = 0.005;

/// A number has a heavy tail where its clips reach further from the median than this, in its own unit (below it,
/// `ln(1 + x)` is nearly `x` and shares and relative changes stay as they are)...
const LEAST_REACH: f64 = 8.0;

/// ... and more than this many times as far as the farther of its 10th and 90th percentile.
const HEAVY_TAIL: f64 = 4.0;

/// A standardised column: `(clip(transform(fill(x))) − center) / scale`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    view: DesignView<'a>,
    design_column: usize,
    transform: Transform,
    fill: f64,
    lower: f64,
    upper: f64,
    center: f64,
    scale: f64,
}

impl Column<'_> {
    /// The standardised value of one row.
    pub(super) fn standardised(&self, row: usize) -> f64 {
        (self.prepared(row) - self.center) / self.scale
    }

    /// Filled, transformed and clipped.
    fn prepared(&self, row: usize) -> f64 {
        prepare(self.view.value(row), self.transform, self.fill).clamp(self.lower, self.upper)
    }

    /// The column as a term of the exported model; its mean is taken over `used`.
    pub(super) fn term(&self, weight: f64, used: &[u32]) -> LinearTerm {
        let sum: f64 = used.iter().map(|&row| self.standardised(row as usize)).sum();
        LinearTerm {
            column: self.design_column,
            transform: self.transform,
            fill: self.fill,
            lower: self.lower,
            upper: self.upper,
            center: self.center,
            scale: self.scale,
            weight,
            mean: sum / used.len().max(1) as f64,
        }
    }

    /// Standardises by mean and standard deviation over `used`; `None` where the column is constant.
    fn standardise(mut self, used: &[u32]) -> Option<Self> {
        let count = used.len() as f64;
        let mean = used.iter().map(|&row| self.prepared(row as usize)).sum::<f64>() / count;
        let squares = used.iter().map(|&row| (self.prepared(row as usize) - mean).powi(2)).sum::<f64>();
        let deviation = (squares / count).sqrt();
        self.center = mean;
        self.scale = deviation;
        (deviation > 1e-9 * (1.0 + mean.abs()) && deviation.is_finite()).then_some(self)
    }
}

fn prepare(value: f32, transform: Transform, fill: f64) -> f64 {
    let known = if value.is_nan() { fill } else { f64::from(value) };
    match transform {
        Transform::Identity => known,
        Transform::SignedLog => known.signum() * known.abs().ln_1p(),
        Transform::IsMissing => f64::from(u8::from(value.is_nan())),
    }
}

/// All columns that vary over `used`, in design order; that of missing values follows its number.
pub(super) fn columns<'a>(rows: &TrainingRows<'a>, used: &[u32]) -> Vec<Column<'a>> {
    let mut columns = Vec::new();
    for (design_column, view) in design_views(rows).into_iter().enumerate() {
        let plain = Column {
            view,
            design_column,
            transform: Transform::Identity,
            fill: 0.0,
            lower: 0.0,
            upper: 1.0,
            center: 0.0,
            scale: 1.0,
        };
        if matches!(view, DesignView::Indicator { .. }) {
            columns.extend(plain.standardise(used));
            continue;
        }
        let known = known_sorted(view, used);
        if !known.is_empty() {
            columns.extend(number(plain, &known).standardise(used));
        }
        let missing = 1.0 - known.len() as f64 / used.len().max(1) as f64;
        if (LEAST_SHARE_MISSING..=1.0 - LEAST_SHARE_MISSING).contains(&missing) {
            columns.extend(Column { transform: Transform::IsMissing, ..plain }.standardise(used));
        }
    }
    columns
}

/// Known values, ascending; infinities are left out of what is learned and clipped when they are read.
fn known_sorted(view: DesignView<'_>, used: &[u32]) -> Vec<f32> {
    let values = used.iter().map(|&row| view.value(row as usize));
    let mut known: Vec<f32> = values.filter(|value| value.is_finite()).collect();
    known.sort_unstable_by(f32::total_cmp);
    known
}

/// Median, transform and clips of a number.
fn number<'a>(plain: Column<'a>, known: &[f32]) -> Column<'a> {
    let at = |share: f64| f64::from(known[(share * (known.len() - 1) as f64).round() as usize]);
    let fill = at(0.5);
    let spread = (at(0.9) - fill).max(fill - at(0.1));
    // Where the clips would leave nothing but one value, a rare signal is kept whole.
    let rare = at(CLIPPED_SHARE) == at(1.0 - CLIPPED_SHARE);
    let (low, high) = if rare { (at(0.0), at(1.0)) } else { (at(CLIPPED_SHARE), at(1.0 - CLIPPED_SHARE)) };
    let reach = (high - fill).max(fill - low);
    let heavy = reach > LEAST_REACH && reach > HEAVY_TAIL * spread;
    let transform = if heavy { Transform::SignedLog } else { Transform::Identity };
    let clip = |value: f64| prepare(value as f32, transform, fill);
    Column { transform, fill, lower: clip(low), upper: clip(high), ..plain }
}
