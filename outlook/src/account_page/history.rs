//! What was forecast of the account, and why, then and now.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{Days, NaiveDate};
use rayon::prelude::*;

use super::AccountInput;
use crate::scored::{self, Forecast, ScoredAccount, ScoredBase, ScoresReadError};

/// Days back of the comparison.
const QUARTER_DAYS: u64 = 90;

/// One forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Date of the scores.
    pub as_of: NaiveDate,
    /// Calibrated probability, in [0, 1].
    pub probability: f64,
    /// Lower end of the calibration uncertainty.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// `low`, `medium`, `high`.
    pub band: Option<String>,
}

/// A reason of the latest scores or of the ones it is compared with; `None`: not among the reasons then.
#[derive(Debug, Clone, PartialEq)]
pub struct ReasonThenAndNow {
    /// Idea of the signal, without its sign.
    pub idea: String,
    /// In words: now, where it is a reason now; else of the scores before; else of a quarter ago.
    pub text: String,
    /// What it adds to the probability now, as a share.
    pub now: Option<f64>,
    /// In the scores before.
    pub before: Option<f64>,
    /// A quarter ago.
    pub quarter_ago: Option<f64>,
}

/// One target over time.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetHistory {
    /// Name.
    pub name: String,
    /// Ascending by date.
    pub points: Vec<Point>,
    /// By what they weigh now, then before, then a quarter ago.
    pub reasons: Vec<ReasonThenAndNow>,
}

/// All targets over time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScoreHistory {
    /// The account in the latest scores.
    pub latest: Option<ScoredAccount>,
    /// Date of the latest scores.
    pub now: Option<NaiveDate>,
    /// Date of the scores before them.
    pub before: Option<NaiveDate>,
    /// Date of the last scores that were at least 90 days older than the latest; `None` where that is the date before.
    pub quarter_ago: Option<NaiveDate>,
    /// Model of the latest scores.
    pub model: String,
    /// Targets of the latest scores.
    pub targets: Vec<TargetHistory>,
}

/// The scores of an account at `as_of` and before, below the output folder; those that it is in.
///
/// # Errors
/// [`ScoresReadError`]; that a date has no scores is none.
pub fn read(out: &Path, as_of: NaiveDate, account_id: &str) -> Result<Vec<ScoredBase>, ScoresReadError> {
    let dates: Vec<NaiveDate> = scored::dates(out)?.into_iter().filter(|date| *date <= as_of).collect();
    let read = |date: &NaiveDate| ScoredBase::read_account(out, *date, bellwether_models::scores::REASONS, account_id);
    let mut found = dates.par_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    found.retain(|base| !base.accounts.is_empty());
    Ok(found)
}

impl ScoreHistory {
    pub(super) fn of(input: &AccountInput<'_>) -> Self {
        let scores: Vec<&ScoredBase> = input
            .scores
            .iter()
            .filter(|base| base.as_of <= input.as_of && base.account(input.id()).is_some())
            .collect();
        let Some(latest) = scores.last() else { return Self::default() };
        let before = scores.iter().rev().nth(1);
        let quarter = latest.as_of.checked_sub_days(Days::new(QUARTER_DAYS)).unwrap_or(NaiveDate::MIN);
        let quarter_ago = scores.iter().rev().find(|base| base.as_of <= quarter);
        let quarter_ago = quarter_ago.filter(|base| before.is_none_or(|before| before.as_of != base.as_of));
        let target = |name: &String| TargetHistory {
            name: name.clone(),
            points: scores.iter().filter_map(|base| point(base, input.id(), name)).collect(),
            reasons: reasons(input.id(), name, [Some(*latest), before.copied(), quarter_ago.copied()]),
        };
        Self {
            latest: latest.account(input.id()).cloned(),
            now: Some(latest.as_of),
            before: before.map(|base| base.as_of),
            quarter_ago: quarter_ago.map(|base| base.as_of),
            model: latest.model.clone(),
            targets: latest.targets.iter().map(target).collect(),
        }
    }
}

fn forecast<'a>(base: &'a ScoredBase, id: &str, target: &str) -> Option<&'a Forecast> {
    let place = base.targets.iter().position(|name| name == target)?;
    base.account(id)?.forecasts.get(place)?.as_ref()
}

fn point(base: &ScoredBase, id: &str, target: &str) -> Option<Point> {
    let forecast = forecast(base, id, target)?;
    Some(Point {
        as_of: base.as_of,
        probability: forecast.probability,
        low: forecast.low,
        high: forecast.high,
        band: forecast.band.as_deref().map(str::to_owned),
    })
}

/// Every reason of the three, by the idea of its signal.
fn reasons(id: &str, target: &str, scores: [Option<&ScoredBase>; 3]) -> Vec<ReasonThenAndNow> {
    let mut found: BTreeMap<String, (String, [Option<f64>; 3])> = BTreeMap::new();
    // The texts of now stand over those of then.
    for place in (0..3).rev() {
        let Some(forecast) = scores[place].and_then(|base| forecast(base, id, target)) else { continue };
        for reason in &forecast.reasons {
            let idea = reason.name.rsplit_once(':').map_or(&*reason.name, |(idea, _)| idea);
            let entry = found.entry(idea.to_owned()).or_default();
            entry.0.clone_from(&reason.text);
            entry.1[place] = Some(reason.effect);
        }
    }
    let told = |(idea, (text, [now, before, quarter_ago])): (String, (String, [Option<f64>; 3]))| ReasonThenAndNow {
        idea,
        text,
        now,
        before,
        quarter_ago,
    };
    let mut told: Vec<ReasonThenAndNow> = found.into_iter().map(told).collect();
    let weight = |reason: &ReasonThenAndNow| {
        [reason.now, reason.before, reason.quarter_ago].map(|effect| effect.map_or(-1.0, f64::abs))
    };
    told.sort_by(|a, b| {
        let (a, b) = (weight(a), weight(b));
        b[0].total_cmp(&a[0]).then(b[1].total_cmp(&a[1])).then(b[2].total_cmp(&a[2]))
    });
    told
}
