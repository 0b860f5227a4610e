//! L2-regularised logistic regression, fitted by linfa-logistic.
//!
//! What a weighted sum needs is prepared from the training rows alone and written into the terms, so that the scorer does
//! exactly the same:
//!
//! * a number is filled with its median, tamed by `sign(x) ln(1 + |x|)` where its tail is heavy, clipped to its 0.5th and 99.5th
//!   percentile, and standardised;
//! * where at least 1 % (and at most 99 %) of the rows lack a value, one more column says so;
//! * each category level is a 0/1 column, standardised as well, so that one penalty fits all;
//! * constant columns are dropped.
//!
//! The penalty: linfa's loss is a sum over rows plus `alpha/2 · ‖w‖²`, so `alpha = 1 / C` with C as in scikit-learn. Unless it is
//! given, C is chosen from [`C_CHOICES`] by log loss on later rows of the training set, on at most
//! [`ROWS_FOR_CHOICE`] rows; then all rows (at most `max_rows`, whole accounts) are fitted with it.
//!
//! linfa-logistic knows no row weights: rows are drawn in proportion to them ([`drawn_by_weight`]), and the base rate of the
//! exported margin is moved from that of the drawn rows to the weighted one. Its positive class may be either label; the sign is taken from `labels().pos.class`.

mod design;

use bellwether_models::{LinearModel, MarginModel};
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray16::{Array1, Array2, ShapeBuilder};
use rayon::prelude::*;

use self::design::{Column, columns};
use super::rows::{check_rows, drawn_by_weight, later_slice, rows_of_some};
use super::{LearnError, Learner, TrainingRows};

const NAME: &str = "logistic";

/// C is chosen from these, the first that is best.
pub const C_CHOICES: [f64; 3] = [0.001, 0.01, 0.1];

/// C where there are too few rows to choose it.
pub const C_DEFAULT: f64 = 0.01;

/// Rows that the choice of C looks at, at most.
pub const ROWS_FOR_CHOICE: usize = 8_000;

/// Parameters of [`Logistic`].
///
/// | parameter | default | range |
/// |---|---|---|
/// | `inverse_penalty` (C) | `None`: chosen from [`C_CHOICES`] | above 0, finite |
/// | `max_iterations` | 100 | 1 to 10,000 |
/// | `max_rows` | 25,000 | at least 100 |
/// | `gap_days` | 90 | 0 to 3,650 |
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogisticParameters {
    /// C, the inverse of the penalty; `None` chooses it.
    pub inverse_penalty: Option<f64>,
    /// Steps of the optimiser at most; the best point so far is used when they are spent.
    pub max_iterations: u64,
    /// Rows that are fitted at most; of more, whole accounts are drawn.
    pub max_rows: usize,
    /// Days between the rows that C is fitted on and those that it is judged on.
    pub gap_days: i32,
}

/// Largest component of the gradient per row at which the fit is done: coefficients then hold to about three digits,
/// and log loss to six.
const GRADIENT_TOLERANCE: f64 = 1e-4;

impl Default for LogisticParameters {
    fn default() -> Self {
        Self { inverse_penalty: None, max_iterations: 100, max_rows: 25_000, gap_days: 90 }
    }
}

impl LogisticParameters {
    /// Checks the ranges, once.
    ///
    /// # Errors
    /// [`LearnError::Parameter`] names the parameter, its range and what was given.
    pub fn check(self) -> Result<Logistic, LearnError> {
        let parameter = |parameter, expected, found: String| {
            Err(LearnError::Parameter { learner: NAME, parameter, expected, found })
        };
        match self.inverse_penalty {
            Some(c) if !(c > 0.0 && c.is_finite()) => {
                return parameter("inverse_penalty", "above 0 and finite", c.to_string());
            }
            _ => {}
        }
        if !(1..=10_000).contains(&self.max_iterations) {
            return parameter("max_iterations", "from 1 to 10000", self.max_iterations.to_string());
        }
        if self.max_rows < 100 {
            return parameter("max_rows", "at least 100", self.max_rows.to_string());
        }
        if !(0..=3_650).contains(&self.gap_days) {
            return parameter("gap_days", "from 0 to 3650", self.gap_days.to_string());
        }
        Ok(Logistic { parameters: self })
    }
}

/// L2-regularised logistic regression with checked parameters; [`LogisticParameters::check`] makes it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Logistic {
    parameters: LogisticParameters,
}

impl Learner for Logistic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fit(&self, rows: &TrainingRows<'_>) -> Result<MarginModel, LearnError> {
        check_rows(NAME, rows, 2)?;
        let all: Vec<u32> = (0..rows.block.rows as u32).collect();
        self.line(rows, &all).map(MarginModel::Linear)
    }
}

/// A fitted line over the standardised columns.
struct Line {
    weights: Vec<f64>,
    intercept: f64,
}

impl Logistic {
    /// The line fitted on some of the rows (ascending), which have been checked.
    pub(crate) fn line(&self, rows: &TrainingRows<'_>, among: &[u32]) -> Result<LinearModel, LearnError> {
        let used = rows_of_some(rows, among, self.parameters.max_rows, rows.seed ^ 0x1091);
        let columns = columns(rows, &used);
        let (inverse_penalty, start) = match self.parameters.inverse_penalty {
            Some(given) => (given, None),
            None => self.choose(rows, among, &columns)?,
        };
        let drawn = drawn_by_weight(rows, &used, self.parameters.max_rows, rows.seed ^ 0x1093);
        let penalty = drawn.copies / inverse_penalty;
        let line = self.fit_line(rows, &columns, &drawn.rows, penalty, start.as_ref())?;
        Ok(export(rows, &columns, &used, &drawn.rows, &line))
    }

    /// The C of [`C_CHOICES`] with the lowest log loss on later rows, and the line that had it.
    fn choose(
        &self,
        rows: &TrainingRows<'_>,
        among: &[u32],
        columns: &[Column<'_>],
    ) -> Result<(f64, Option<Line>), LearnError> {
        let some = rows_of_some(rows, among, ROWS_FOR_CHOICE, rows.seed ^ 0x1092);
        let Some(slice) = later_slice(rows, &some, 0.25, self.parameters.gap_days, 20) else {
            return Ok((C_DEFAULT, None));
        };
        // linfa runs on one thread: the choices run side by side, and are compared in their fixed order.
        let drawn = drawn_by_weight(rows, &slice.fit, ROWS_FOR_CHOICE, rows.seed ^ 0x1094);
        let lines: Result<Vec<Line>, LearnError> = C_CHOICES
            .par_iter()
            .map(|inverse_penalty| self.fit_line(rows, columns, &drawn.rows, drawn.copies / inverse_penalty, None))
            .collect();
        let mut best = (f64::INFINITY, C_DEFAULT, None);
        for (inverse_penalty, line) in C_CHOICES.into_iter().zip(lines?) {
            let losses = slice.judge.iter().map(|&row| {
                let margin = line.margin(columns, row as usize);
                let signed = if rows.labels[row as usize] { -margin } else { margin };
                rows.weights[row as usize] * (signed.max(0.0) + (-signed.abs()).exp().ln_1p())
            });
            let loss = losses.sum::<f64>();
            if loss < best.0 {
                best = (loss, inverse_penalty, Some(line));
            }
        }
        Ok((best.1, best.2))
    }

    /// One run of linfa-logistic over the given rows, from `start` where there is one.
    fn fit_line(
        &self,
        rows: &TrainingRows<'_>,
        columns: &[Column<'_>],
        used: &[u32],
        penalty: f64,
        start: Option<&Line>,
    ) -> Result<Line, LearnError> {
        let failed = |cause: String| LearnError::Failed { learner: NAME, cause };
        let labels: Vec<bool> = used.iter().map(|&row| rows.labels[row as usize]).collect();
        let positives = labels.iter().filter(|label| **label).count();
        if positives == 0 || positives == labels.len() {
            let negatives = labels.len() - positives;
            return Err(LearnError::TooFew { learner: NAME, expected: 1, positives, negatives });
        }
        if columns.is_empty() {
            let intercept = (positives as f64 / (labels.len() - positives) as f64).ln();
            return Ok(Line { weights: Vec::new(), intercept });
        }
        // Column by column in memory: most of linfa's time is the gradient, which reads one column after the other.
        let mut records = Array2::zeros((used.len(), columns.len()).f());
        for (mut cells, column) in records.columns_mut().into_iter().zip(columns) {
            for (cell, &row) in cells.iter_mut().zip(used) {
                *cell = column.standardised(row as usize);
            }
        }
        let mut regression = LogisticRegression::default()
            .alpha(penalty)
            .max_iterations(self.parameters.max_iterations)
            .gradient_tolerance(GRADIENT_TOLERANCE * labels.len() as f64);
        if let Some(line) = start {
            // linfa calls the larger class positive.
            let sign = if 2 * positives > labels.len() { 1.0 } else { -1.0 };
            let parameters = line.weights.iter().chain([&line.intercept]).map(|value| sign * value);
            regression = regression.initial_params(parameters.collect());
        }
        let model = regression
            .fit(&DatasetBase::new(records, Array1::from(labels)))
            .map_err(|error| failed(error.to_string()))?;
        let sign = if model.labels().pos.class { 1.0 } else { -1.0 };
        let weights: Vec<f64> = model.params().iter().map(|weight| sign * weight).collect();
        let intercept = sign * model.intercept();
        if weights.iter().chain([&intercept]).all(|value| value.is_finite()) {
            Ok(Line { weights, intercept })
        } else {
            Err(failed("a coefficient is not finite".to_owned()))
        }
    }
}

impl Line {
    fn margin(&self, columns: &[Column<'_>], row: usize) -> f64 {
        let terms = self.weights.iter().zip(columns).map(|(weight, column)| weight * column.standardised(row));
        self.intercept + terms.sum::<f64>()
    }
}

/// The line as the scorer runs it; the intercept moves from the base rate of the drawn rows to the weighted one.
fn export(rows: &TrainingRows<'_>, columns: &[Column<'_>], used: &[u32], drawn: &[u32], line: &Line) -> LinearModel {
    let (mut count, mut weight) = ([0.0_f64; 2], [0.0_f64; 2]);
    for &row in drawn {
        count[usize::from(rows.labels[row as usize])] += 1.0;
    }
    for (&label, &row_weight) in rows.labels.iter().zip(rows.weights) {
        weight[usize::from(label)] += row_weight;
    }
    let moved = (weight[1] / weight[0]).ln() - (count[1] / count[0]).ln();
    let terms = line.weights.iter().zip(columns).map(|(&weight, column)| column.term(weight, used));
    LinearModel { terms: terms.collect(), intercept: line.intercept + moved }
}
