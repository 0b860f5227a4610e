//! The health score that customer success teams use today: a hand-weighted sum of signals between fixed bounds.
//!
//! Nothing here is learned: it is the yardstick that a learned model must beat to be worth its upkeep. Each signal is
//! clipped to its bounds and scaled to 0..1, where 1 speaks for the outcome; the points of the table sum to 100 and the score is
//! `Σ points · scaled`, in `[0, 100]`. A missing value is neutral, 0.5. Signals that the signature lacks are left out and
//! the points of the others are raised in proportion. The margin is `(score − 50) / 10`, so that the middle of the scale is
//! even odds and 10 points are one unit of log-odds; the calibrator does the rest.
//!
//! Targets that begin with `expansion` use the growth table. All others (churn, contraction, a user's own) use the risk
//! table: a team that keeps one health score reads every kind of trouble from it.

use bellwether_models::{InputKind, LinearModel, LinearTerm, MarginModel, Transform};

use super::rows::{TargetKind, check_rows, numeric_inputs};
use super::{LearnError, Learner, TrainingRows};

/// Points of the score per unit of margin.
const POINTS_PER_MARGIN: f64 = 10.0;

/// Which way a signal moves the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A higher value speaks for the outcome.
    Raises,
    /// A higher value speaks against it.
    Lowers,
}

/// One line of a score's table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreLine {
    /// Signal.
    pub signal: &'static str,
    /// At or below this value the scaled signal is at one end.
    pub lower: f64,
    /// At or above this value it is at the other.
    pub upper: f64,
    /// Which way it counts.
    pub effect: Effect,
    /// Points out of 100.
    pub points: f64,
}

const fn line(signal: &'static str, lower: f64, upper: f64, effect: Effect, points: f64) -> ScoreLine {
    ScoreLine { signal, lower, upper, effect, points }
}

/// Risk: use 40 points, adoption 20, what customers say 15, payments 15, support 10. Units as in the glossary: days,
/// shares (0.5 is 50 %), relative changes (−0.5 is "halved"), an NPS answer from 0 to 10, counts.
pub const RISK_TABLE: [ScoreLine; 11] = [
    line("usage_days_since_last", 0.0, 30.0, Effect::Raises, 15.0),
    line("usage_events_change_28d", -0.5, 0.5, Effect::Lowers, 15.0),
    line("usage_active_day_share_90d", 0.0, 0.6, Effect::Lowers, 10.0),
    line("adoption_catalogue_share_90d", 0.0, 0.6, Effect::Lowers, 10.0),
    line("adoption_active_users_change_28d", -0.5, 0.5, Effect::Lowers, 5.0),
    line("adoption_users_per_seat_28d", 0.0, 1.0, Effect::Lowers, 5.0),
    line("nps_latest_score", 0.0, 10.0, Effect::Lowers, 15.0),
    line("payments_overdue_days", 0.0, 60.0, Effect::Raises, 10.0),
    line("payments_late_share_365d", 0.0, 0.5, Effect::Raises, 5.0),
    line("support_severe_tickets_90d", 0.0, 3.0, Effect::Raises, 5.0),
    line("support_open_tickets", 0.0, 5.0, Effect::Raises, 5.0),
];

/// Growth: room running out 40 points, use growing 30, breadth 15, goodwill 15.
pub const GROWTH_TABLE: [ScoreLine; 8] = [
    line("usage_limit_share_28d", 0.5, 1.0, Effect::Raises, 20.0),
    line("adoption_users_per_seat_28d", 0.4, 1.0, Effect::Raises, 20.0),
    line("usage_events_change_28d", -0.25, 0.5, Effect::Raises, 15.0),
    line("adoption_active_users_change_28d", -0.25, 0.5, Effect::Raises, 15.0),
    line("adoption_features_new_28d", 0.0, 3.0, Effect::Raises, 10.0),
    line("adoption_catalogue_share_90d", 0.0, 0.6, Effect::Raises, 5.0),
    line("nps_latest_score", 0.0, 10.0, Effect::Raises, 10.0),
    line("payments_overdue_days", 0.0, 60.0, Effect::Lowers, 5.0),
];

/// The table that a target is scored by.
#[must_use]
pub fn table_of(target: &str) -> &'static [ScoreLine] {
    match TargetKind::of(target) {
        TargetKind::Expansion => &GROWTH_TABLE,
        TargetKind::Churn | TargetKind::Other => &RISK_TABLE,
    }
}

/// The hand-weighted health score; see [`RISK_TABLE`] and [`GROWTH_TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HealthScore;

impl Learner for HealthScore {
    fn name(&self) -> &'static str {
        "health_score"
    }

    fn fit(&self, rows: &TrainingRows<'_>) -> Result<MarginModel, LearnError> {
        check_rows(self.name(), rows, 0)?;
        let inputs = numeric_inputs(rows);
        let column_of = |line: &ScoreLine| {
            let is_it = |&input: &usize| rows.signature.inputs[input].name == line.signal;
            inputs.iter().position(is_it).map(|column| (column, *line))
        };
        let lines: Vec<(usize, ScoreLine)> = table_of(rows.target).iter().filter_map(column_of).collect();
        if lines.is_empty() {
            let numbers = rows.signature.inputs.iter().filter(|input| input.kind == InputKind::Numeric).count();
            let cause = format!("none of its signals is among the {numbers} numeric inputs");
            return Err(LearnError::Failed { learner: self.name(), cause });
        }
        let points: f64 = lines.iter().map(|(_, line)| line.points).sum();
        let per_point = 100.0 / points / POINTS_PER_MARGIN;
        let terms: Vec<LinearTerm> =
            lines.iter().map(|(column, line)| term(*column, line, per_point, &rows.block.numeric[*column])).collect();
        let intercept = -0.5 * terms.iter().map(|term| term.weight).sum::<f64>();
        Ok(MarginModel::Linear(LinearModel { terms, intercept }))
    }
}

/// The term of one line; a missing value becomes the middle of the bounds, which scales to 0.5.
fn term(column: usize, line: &ScoreLine, per_point: f64, values: &[f32]) -> LinearTerm {
    let sign = if line.effect == Effect::Raises { 1.0 } else { -1.0 };
    let fill = f64::midpoint(line.lower, line.upper);
    let scaled = |&value: &f32| {
        let known = if value.is_nan() { fill } else { f64::from(value) };
        (known.clamp(line.lower, line.upper) - line.lower) / (line.upper - line.lower)
    };
    LinearTerm {
        column,
        transform: Transform::Identity,
        fill,
        lower: line.lower,
        upper: line.upper,
        center: line.lower,
        scale: line.upper - line.lower,
        weight: sign * line.points * per_point,
        mean: values.iter().map(scaled).sum::<f64>() / values.len().max(1) as f64,
    }
}
