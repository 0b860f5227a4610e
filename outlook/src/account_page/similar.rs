//! What accounts like this one did next: nearest neighbours among the accounts of earlier dates whose outcome is known.
//!
//! An account at an earlier date is described by what was visible at that date, and its outcome is the label of the target
//! as known at the date of the page: so nothing of the future of the page is in it, and nothing of the future of the earlier
//! date describes the account. Of every account the nearest of its dates counts, so that accounts are independent. What is
//! told is what happened, with what was done about it then; it is no effect of anything.

use std::collections::{BTreeMap, HashMap};

use bellwether_features::TargetDefinition;
use bellwether_features::facts::Facts;
use bellwether_features::label::Labels;
use bellwether_features::spine::Spine;
use bellwether_features::time::Instant;
use chrono::{Days, NaiveDate};
use rayon::prelude::*;

use super::{AccountInput, days_between};
use crate::cohort::{Share, wilson};
use crate::money::Cents;
use crate::scored::ScoredBase;
use crate::timeline::Timeline;

/// Earlier dates that are looked at, and the days between them.
const DATES: usize = 8;
const STEP_DAYS: u64 = 91;
/// Neighbours that are told, at most.
const NEAREST: usize = 100;
/// The nearest are at most this part of those that are alike, or they would not be near.
const NEAREST_PART: usize = 3;
/// With fewer that are alike in all, one thing less is asked for.
const LEAST: usize = 30;
/// With fewer nothing is told.
const FEWEST: usize = 10;
/// Days of the trend of use: these against the same before.
const TREND_DAYS: i64 = 28;
/// Scores this old still say how likely the account is to churn.
const FRESH_DAYS: i64 = 31;
/// Days at which a customer is no longer new, and at which it is old.
const TENURE_DAYS: [i64; 2] = [365, 1_095];

/// What became of them in one target's window.
#[derive(Debug, Clone, PartialEq)]
pub struct SimilarOutcome {
    /// Target.
    pub target: String,
    /// Days of its window.
    pub horizon_days: u32,
    /// Neighbours with a known outcome.
    pub accounts: usize,
    /// Of them, those to whom it happened.
    pub happened: usize,
    /// Share of them, with Wilson's 95 % interval.
    pub share: Share,
    /// The same share of all accounts on those dates, one row per account and date; `None` where none is known.
    pub of_all: Option<f64>,
}

/// What accounts like this one did next.
#[derive(Debug, Clone, PartialEq)]
pub struct Similar {
    /// How many were found.
    pub accounts: usize,
    /// In what all of them are like it: of `plan`, `size`, `tenure`.
    pub alike_in: Vec<&'static str>,
    /// What the nearest were chosen by: `trend of use`, `probability of churn`.
    pub nearest_by: Vec<&'static str>,
    /// Dates from which they were taken, ascending.
    pub dates: Vec<NaiveDate>,
    /// Probability of churn that they had then: that of the tenth and the ninetieth in a hundred; `None` where it is not known.
    pub churn_then: Option<[f64; 2]>,
    /// By target.
    pub outcomes: Vec<SimilarOutcome>,
}

/// The dates from which similar accounts are taken: the latest on which all outcomes are known at `as_of`, and up to seven
/// more, at least 91 days apart; from `scored`, the dates with scores, where any is early enough. Ascending.
#[must_use]
pub fn comparison_dates(as_of: NaiveDate, targets: &[TargetDefinition], scored: &[NaiveDate]) -> Vec<NaiveDate> {
    let label_days = targets.iter().map(TargetDefinition::label_interval_days).max().unwrap_or(0);
    let earlier = |date: NaiveDate, days: u64| date.checked_sub_days(Days::new(days));
    let mut latest = earlier(as_of, u64::from(label_days));
    let is_scored = scored.iter().any(|date| Some(*date) <= latest);
    let mut dates = Vec::new();
    while let Some(end) = latest.filter(|_| dates.len() < DATES) {
        let date = if is_scored { scored.iter().filter(|date| **date <= end).max().copied() } else { Some(end) };
        let Some(date) = date else { break };
        dates.push(date);
        latest = earlier(date, STEP_DAYS);
    }
    dates.reverse();
    dates
}

/// What an account was at a date.
#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    plan: Option<u32>,
    size: &'static str,
    /// How many of [`TENURE_DAYS`] it has passed.
    tenure: usize,
    /// Logarithm of base 2 of the uses of the last days over those before, one added to both.
    trend: Option<f64>,
    /// Log-odds of churn.
    odds: Option<f64>,
}

/// What is asked for, one thing less each time too few are found.
const ASKED: [&[&str]; 4] = [&["plan", "size", "tenure"], &["plan", "size"], &["size"], &[]];

impl State {
    /// `None` where nothing is paid.
    fn of(input: &AccountInput<'_>, account: usize, date: NaiveDate, probability: Option<f64>) -> Option<Self> {
        let moment = Instant::start_of(date);
        let timeline = Timeline::of(input.facts, account, moment, input.grace_days);
        let now = timeline.before(moment).filter(|stretch| stretch.mrr > Cents::ZERO)?;
        let tenure_days = days_between(timeline.first_paid()?, moment);
        Some(Self {
            plan: now.plan,
            size: input.sizes.size(Cents(now.mrr.0.saturating_mul(12))),
            tenure: TENURE_DAYS.iter().filter(|days| tenure_days >= **days).count(),
            trend: input.facts.usage.as_ref().map(|_| trend(input.facts, account, moment)),
            odds: probability.map(|probability| {
                let inside = probability.clamp(0.001, 0.999);
                (inside / (1.0 - inside)).ln()
            }),
        })
    }

    fn is_like(&self, other: &Self, asked: &[&str]) -> bool {
        asked.iter().all(|what| match *what {
            "plan" => self.plan == other.plan,
            "size" => self.size == other.size,
            _ => self.tenure == other.tenure,
        })
    }

    /// A doubled trend and an `e`-fold of the odds are as far; what one of them does not have counts for nothing.
    fn distance(&self, other: &Self) -> f64 {
        let between =
            |one: Option<f64>, other: Option<f64>| one.zip(other).map_or(0.0, |(one, other)| (one - other).abs());
        between(self.trend, other.trend) + between(self.odds, other.odds)
    }
}

fn trend(facts: &Facts, account: usize, moment: Instant) -> f64 {
    let uses = |ago: i64| {
        let until = moment.plus_days(-ago);
        facts.visible_uses(account, until.plus_days(-TREND_DAYS), until, moment).count() as f64
    };
    ((uses(0) + 1.0) / (uses(TREND_DAYS) + 1.0)).log2()
}

/// One account at one date, with its outcomes.
struct Neighbour {
    /// Place in the spine.
    row: usize,
    account: u32,
    state: State,
}

impl Similar {
    pub(super) fn of(input: &AccountInput<'_>) -> Option<Self> {
        let own = State::of(input, input.account, input.as_of, own_probability(input))?;
        let scored: Vec<NaiveDate> = input.past.iter().map(|base| base.as_of).collect();
        let dates = comparison_dates(input.as_of, input.targets, &scored);
        let spine = Spine::build(input.facts, &input.eligibility, &dates);
        // A target whose table is not there has no outcomes, and no line here.
        let labels: Vec<Labels> = input
            .targets
            .iter()
            .filter_map(|target| Labels::compute(input.facts, &spine, target, input.as_of).ok())
            .collect();
        let all = neighbours(input, &spine);
        let alike =
            |asked: &[&str]| -> Vec<&Neighbour> { all.iter().filter(|one| own.is_like(&one.state, asked)).collect() };
        let found = ASKED.iter().map(|asked| (*asked, nearest(&own, alike(asked))));
        let (asked, near) = found.into_iter().find(|(asked, near)| near.len() >= LEAST || asked.is_empty())?;
        if near.len() < FEWEST {
            return None;
        }
        let of_near: Vec<usize> = near.iter().map(|one| one.row).collect();
        let by =
            [("trend of use", own.trend.is_some()), ("probability of churn", own.odds.is_some() && !scored.is_empty())];
        let mut taken: Vec<NaiveDate> = of_near.iter().map(|row| spine.as_of[*row]).collect();
        taken.sort_unstable();
        taken.dedup();
        Some(Self {
            accounts: near.len(),
            alike_in: asked.to_vec(),
            nearest_by: by.iter().filter(|(_, is_used)| *is_used).map(|(name, _)| *name).collect(),
            dates: taken,
            churn_then: churn_then(&near),
            outcomes: labels.iter().map(|labels| outcome(labels, &of_near)).collect(),
        })
    }
}

/// The middle eight in ten of the probabilities of churn, where all are known.
fn churn_then(near: &[&Neighbour]) -> Option<[f64; 2]> {
    let mut odds = near.iter().map(|one| one.state.odds).collect::<Option<Vec<f64>>>()?;
    odds.sort_by(f64::total_cmp);
    let at = |share: f64| odds.get((share * (odds.len() as f64 - 1.0)).round() as usize).copied();
    Some([at(0.1)?, at(0.9)?].map(|odds| 1.0 / (1.0 + (-odds).exp())))
}

/// What the scores of the date, or of shortly before, say.
fn own_probability(input: &AccountInput<'_>) -> Option<f64> {
    let base = input.scores.iter().rfind(|base| base.as_of <= input.as_of)?;
    let age = days_between(Instant::start_of(base.as_of), input.moment());
    let forecasts = &base.account(input.id())?.forecasts;
    forecasts.get(base.target("churn")?)?.as_ref().filter(|_| age <= FRESH_DAYS).map(|one| one.probability)
}

/// Everybody else at the dates.
fn neighbours(input: &AccountInput<'_>, spine: &Spine) -> Vec<Neighbour> {
    let probabilities: BTreeMap<NaiveDate, HashMap<&str, f64>> =
        input.past.iter().map(|base| (base.as_of, churn(base))).collect();
    let neighbour = |row: usize| -> Option<Neighbour> {
        let (account, date) = (spine.accounts[row], spine.as_of[row]);
        let id = input.facts.accounts[account as usize].as_str();
        let probability = probabilities.get(&date).and_then(|of_date| of_date.get(id)).copied();
        let is_other = account as usize != input.account;
        let state = State::of(input, account as usize, date, probability).filter(|_| is_other)?;
        Some(Neighbour { row, account, state })
    };
    (0..spine.len()).into_par_iter().filter_map(neighbour).collect()
}

fn churn(base: &ScoredBase) -> HashMap<&str, f64> {
    let Some(target) = base.target("churn") else { return HashMap::new() };
    let accounts = base.accounts.iter();
    accounts.filter_map(|one| Some((one.account_id.as_str(), one.forecasts[target].as_ref()?.probability))).collect()
}

/// The nearest, each account once; by distance, then by account and date.
fn nearest<'a>(own: &State, alike: Vec<&'a Neighbour>) -> Vec<&'a Neighbour> {
    let mut by_distance: Vec<(f64, &Neighbour)> =
        alike.into_iter().map(|one| (own.distance(&one.state), one)).collect();
    by_distance.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.account.cmp(&b.1.account)).then(b.1.row.cmp(&a.1.row)));
    let mut seen = std::collections::BTreeSet::new();
    let each_once: Vec<&Neighbour> =
        by_distance.into_iter().map(|(_, one)| one).filter(|one| seen.insert(one.account)).collect();
    let taken = (each_once.len() / NEAREST_PART).clamp(LEAST, NEAREST);
    each_once.into_iter().take(taken).collect()
}

fn outcome(labels: &Labels, rows: &[usize]) -> SimilarOutcome {
    let known: Vec<bool> = rows.iter().filter_map(|row| labels.values[*row]).collect();
    let happened = known.iter().filter(|happened| **happened).count();
    let all: Vec<bool> = labels.values.iter().filter_map(|value| *value).collect();
    let of_all = all.iter().filter(|happened| **happened).count() as f64 / all.len() as f64;
    SimilarOutcome {
        target: labels.target.name.clone(),
        horizon_days: labels.target.horizon_days,
        accounts: known.len(),
        happened,
        share: wilson(happened, known.len()),
        of_all: of_all.is_finite().then_some(of_all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_features::label::{Event, OutcomeTime};

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn no_date_is_compared_whose_outcome_is_not_known() {
        let target = TargetDefinition {
            name: "churn_90d".to_owned(),
            event: Event::SubscriptionEnd,
            time: OutcomeTime::Event,
            horizon_days: 90,
            grace_days: 14,
            landing_delay_days: 0,
            text: String::new(),
        };
        let dates = comparison_dates(date("2026-01-31"), std::slice::from_ref(&target), &[]);
        assert_eq!((dates.len(), dates[7]), (8, date("2025-10-19")));
        assert!(dates.windows(2).all(|pair| pair[1] - pair[0] == chrono::TimeDelta::days(91)));
        let scored = ["2025-01-01", "2025-06-01", "2025-08-01", "2025-10-19", "2025-10-20", "2026-01-31"].map(date);
        let dates = comparison_dates(date("2026-01-31"), &[target], &scored);
        assert_eq!(dates, ["2025-01-01", "2025-06-01", "2025-10-19"].map(date));
    }

    #[test]
    fn the_nearest_are_taken_and_each_account_once() {
        let state =
            |trend: f64, odds: Option<f64>| State { plan: None, size: "small", tenure: 0, trend: Some(trend), odds };
        let one = |row: usize, account: u32, trend: f64| Neighbour { row, account, state: state(trend, Some(0.0)) };
        let all = [one(0, 1, 0.5), one(1, 1, 0.1), one(2, 2, -0.2), one(3, 3, 0.1)];
        let near = nearest(&state(0.0, None), all.iter().collect());
        assert_eq!(near.iter().map(|one| one.row).collect::<Vec<_>>(), [1, 3, 2]);
        assert_eq!(state(0.0, Some(1.0)).distance(&state(2.0, Some(-1.0))), 4.0);
        assert_eq!(
            state(0.0, None).distance(&state(2.0, Some(-1.0))),
            2.0,
            "what one of them lacks counts for nothing"
        );
    }
}
