//! The base rate: every account gets the share of positive rows. What no learner may do worse than.

use bellwether_models::{LinearModel, MarginModel};

use super::rows::{check_rows, log_odds_of_base_rate};
use super::{LearnError, Learner, TrainingRows};

/// Margin = log-odds of the weighted share of positive rows, the same for every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BaseRate;

impl Learner for BaseRate {
    fn name(&self) -> &'static str {
        "base_rate"
    }

    fn fit(&self, rows: &TrainingRows<'_>) -> Result<MarginModel, LearnError> {
        check_rows(self.name(), rows, 1)?;
        let intercept = log_odds_of_base_rate(rows.labels, rows.weights);
        Ok(MarginModel::Linear(LinearModel { terms: Vec::new(), intercept }))
    }
}
