//! Is the challenger better than the champion?
//!
//! Both were judged out of time, by their own `backtest.json`. Where both were judged on the very same rows (equal digests),
//! log losses are compared as they are. Otherwise, as when one was trained a month later, base rates differ, and what is
//! compared is the log loss relative to that of a forecast of the base rate on the same rows. The challenger passes when
//! the mean over the champion's targets is lower and no target is worse by more than [`MOST_LOSS_OF_ONE_TARGET`].

use serde::Serialize;

use crate::summary::{BacktestSummary, TargetSummary};

/// No target may be worse by more than this share of the champion's value.
pub(crate) const MOST_LOSS_OF_ONE_TARGET: f64 = 0.01;

/// Champion and challenger on one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Target.
    pub target: String,
    /// `log loss` (same rows) or `log loss relative to the base rate` (other rows).
    pub measure: &'static str,
    /// Champion.
    pub champion: f64,
    /// Challenger; lower is better.
    pub challenger: f64,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// Per target.
    pub(crate) comparisons: Vec<Comparison>,
    /// Why the challenger does not pass.
    pub(crate) refusal: Option<String>,
}

/// Compares two backtests.
pub(crate) fn compare(champion: &BacktestSummary, challenger: &BacktestSummary) -> Verdict {
    let mut comparisons = Vec::new();
    let mut ratios = Vec::new();
    for target in &champion.targets {
        let name = &target.definition.name;
        let Some(comparison) = challenger.target(name).and_then(|other| compare_target(target, other)) else {
            return Verdict { comparisons, refusal: Some(format!("it does not forecast {name}")) };
        };
        ratios.push(comparison.challenger / comparison.champion);
        comparisons.push(comparison);
    }
    let refusal = refusal(&comparisons, &ratios);
    Verdict { comparisons, refusal }
}

fn compare_target(champion: &TargetSummary, challenger: &TargetSummary) -> Option<Comparison> {
    let (old, new) = (champion.best()?, challenger.best()?);
    let target = champion.definition.name.clone();
    let same_rows = champion.test_rows_digest == challenger.test_rows_digest;
    Some(if same_rows {
        Comparison { target, measure: "log loss", champion: old.log_loss, challenger: new.log_loss }
    } else {
        Comparison {
            target,
            measure: "log loss relative to the base rate",
            champion: old.log_loss / old.null_log_loss,
            challenger: new.log_loss / new.null_log_loss,
        }
    })
}

fn refusal(comparisons: &[Comparison], ratios: &[f64]) -> Option<String> {
    let describe =
        |one: &Comparison| format!("{}: {} {:.5} against {:.5}", one.target, one.measure, one.challenger, one.champion);
    let worst =
        comparisons.iter().zip(ratios).find(|(_, ratio)| ratio.is_nan() || **ratio > 1.0 + MOST_LOSS_OF_ONE_TARGET);
    if let Some((one, _)) = worst {
        return Some(describe(one));
    }
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    // Written so that NaN does not pass.
    if mean < 1.0 { None } else { Some(comparisons.iter().map(describe).collect::<Vec<_>>().join("; ")) }
}
