//! Each account: what it is worth, what is done for it, what it crossed, and who is called.
//!
//! Scores say how likely an account is to leave or to buy more; here they meet money, facts and what the business declares
//! in `[plays]`, `[alerts]` and `[capacity]`. Nothing is kept between runs: what an alert or a comparison needs to know of
//! earlier dates is read from the facts as they were known then and from the scores that were written then.

pub mod alert;
pub mod calls;
pub mod lifetime;
pub mod monetisation;
pub mod owners;
pub(crate) mod past;
pub mod plays;
pub mod prospect;
mod reasons;
pub mod seen;
pub mod settings;
pub mod since;
pub mod trigger;

use std::path::Path;

use bellwether_features::facts::Facts;
use bellwether_features::label::TargetDefinition;
use bellwether_features::spine::Eligibility;
use bellwether_features::time::Instant;
use bellwether_models::policy::{Band, Health, ServiceLevel, ValueTier, service_level};
use chrono::{Days, NaiveDate};
use rayon::prelude::*;

use crate::money::Cents;
use crate::scored::{self, Forecast, ScoredAccount, ScoredBase, ScoresReadError};
use crate::segment::SizeCutOffs;
use alert::{Alert, Dates};
use calls::{Call, CallFor};
use lifetime::{LifetimeValue, TierCutOffs};
use monetisation::{Monetisation, Paid, Plans};
use owners::OwnerLoad;
use past::{Places, health_of};
use plays::{Play, Plays};
use prospect::{Evidence, Prospect, UsePattern};
use seen::Seen;
use settings::AlertSettings;
use since::{Change, Then};

/// What the business declares, and what is asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AccountSettings {
    /// `[plays]`.
    pub plays: Plays,
    /// `[alerts]`.
    pub alerts: AlertSettings,
    /// How many accounts the team can call.
    pub capacity: usize,
    /// The date to compare with; `None`: the last one with scores before `as_of`.
    pub since: Option<NaiveDate>,
    /// From which annual value an account of ordinary risk is of which tier.
    pub sizes: SizeCutOffs,
    /// Who has a row at past dates.
    pub eligibility: Eligibility,
    /// Leaving, as the scores foretell it.
    pub churn: Option<TargetDefinition>,
    /// Days between two reviews.
    pub review_interval_days: Option<u32>,
}

/// What it is made from.
#[derive(Debug, Clone, Copy)]
pub struct AccountInputs<'a> {
    /// Facts; those that were known only from `as_of` on count for nothing.
    pub facts: &'a Facts,
    /// Scores of `as_of`; their reasons are not needed.
    pub base: &'a ScoredBase,
    /// Where scores are: the folder that was given to `bellwether score` as `--out`.
    pub out: &'a Path,
    /// Settings.
    pub settings: &'a AccountSettings,
}

/// One account.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountRow<'a> {
    /// Its scores.
    pub scored: &'a ScoredAccount,
    /// MRR at the date, to the cent where the facts say it; the scores have it to seven digits.
    pub mrr: Option<f64>,
    /// Quadrant; `None` where the model has none.
    pub health: Option<Health>,
    /// Expected revenue from now on; `None` without a probability of churn or an MRR.
    pub lifetime: Option<LifetimeValue>,
    /// By it.
    pub tier: Option<ValueTier>,
    /// Whether its health is at risk or hostage, or its band of churn high; `None` where neither is known.
    pub is_at_risk: Option<bool>,
    /// Tier and risk.
    pub level: Option<ServiceLevel>,
    /// What is done for it.
    pub play: Option<&'a Play>,
    /// By when.
    pub due: Option<NaiveDate>,
    /// What its play is expected to be worth.
    pub worth: Option<Cents>,
    /// How it is used; of accounts at risk.
    pub pattern: Option<UsePattern>,
    /// What to expect of it; of accounts at risk.
    pub prospect: Option<Prospect>,
    /// Which way price and use disagree, and the plan it uses like.
    pub monetisation: Option<(Monetisation, &'a str)>,
    /// Who looks after it.
    pub owner: Option<&'a str>,
    /// Days that the next review is past the agreed interval.
    pub review_overdue_days: Option<i64>,
}

/// Every account at `as_of`, and what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountOutlook<'a> {
    /// Day.
    pub as_of: NaiveDate,
    /// Names of the targets.
    pub targets: &'a [String],
    /// Place of the target of leaving.
    pub churn: Option<usize>,
    /// Place of the target of buying more.
    pub expansion: Option<usize>,
    /// Accounts, by id.
    pub rows: Vec<AccountRow<'a>>,
    /// Lifetime values from which an account is of which tier.
    pub cut_offs: Option<TierCutOffs>,
    /// What became of accounts that looked at risk.
    pub evidence: Evidence,
    /// The date compared with; `None` where there are no earlier scores.
    pub since: Option<NaiveDate>,
    /// Model then, where it was another one.
    pub other_model: Option<String>,
    /// What was crossed.
    pub alerts: Vec<Alert>,
    /// Places of the targets on whose probability there are no alerts, since nothing says where its lines are.
    pub unwatched: Vec<usize>,
    /// What changed.
    pub changes: Vec<Change>,
    /// Whom to call.
    pub calls: Vec<Call>,
    /// Load of those who look after accounts.
    pub owners: Vec<OwnerLoad>,
}

impl<'a> AccountOutlook<'a> {
    /// From facts and scores.
    ///
    /// # Errors
    /// [`ScoresReadError`] where earlier scores are asked for and not there, or cannot be read.
    pub fn of(inputs: &AccountInputs<'a>) -> Result<Self, ScoresReadError> {
        let AccountInputs { facts, base, out, settings } = *inputs;
        let (churn, expansion) = (base.target("churn"), base.target("expansion"));
        let indices = indices(facts, base);
        let evidence = settings
            .churn
            .as_ref()
            .map(|target| Evidence::of(facts, &settings.eligibility, target, base.as_of, &settings.alerts.active_days));
        let evidence = evidence.unwrap_or_default();
        let (cut_offs, rows) = rows(inputs, churn, &indices, &evidence);
        let mut calls = calls::calls(&rows, settings.capacity);
        let dates = dates(out, base.as_of, settings)?;
        let then = dates.as_ref().map(|dates| Then::read(out, dates.since, base)).transpose()?;
        let called: Vec<usize> = calls.iter().map(|call| call.account).collect();
        let mut words = reasons::read(out, base, &called.iter().copied().collect(), then.as_ref())?;
        calls::explain(&mut calls, &mut words.of, |about| match about {
            CallFor::Churn => churn,
            CallFor::Expansion => expansion,
        });
        let mut changes = then.as_ref().map(|then| since::changes(inputs, then)).unwrap_or_default();
        changes.append(&mut words.new);
        let other_model = then.map(|then| then.model).filter(|model| *model != base.model);
        let alerts = dates.as_ref().map(|dates| alert::alerts(facts, base, &indices, out, dates, &settings.alerts));
        let (alerts, unwatched) = alerts.transpose()?.unwrap_or_default();
        Ok(Self {
            as_of: base.as_of,
            targets: &base.targets,
            churn,
            expansion,
            owners: owners::owners(&rows, &called),
            rows,
            cut_offs,
            evidence,
            since: dates.map(|dates| dates.since),
            other_model,
            alerts,
            unwatched,
            changes,
            calls,
        })
    }
}

/// Where each scored account is among the facts.
fn indices(facts: &Facts, base: &ScoredBase) -> Vec<Option<usize>> {
    let mut indices = vec![None; base.accounts.len()];
    let mut places = Places::new(&base.accounts);
    for (index, id) in facts.accounts.iter().enumerate() {
        if let Some(place) = places.of(id) {
            indices[place] = Some(index);
        }
    }
    indices
}

/// The dates to look at; an error where the one asked for has no scores.
fn dates(out: &Path, as_of: NaiveDate, settings: &AccountSettings) -> Result<Option<Dates>, ScoresReadError> {
    let with_scores = scored::dates(out)?;
    let dates = Dates::of(&with_scores, as_of, settings.since, settings.alerts.history_dates);
    let Some(asked) = settings.since.filter(|_| dates.is_none()) else { return Ok(dates) };
    let earlier: Vec<String> = with_scores.iter().filter(|date| **date < as_of).map(ToString::to_string).collect();
    let hint = match earlier.len() {
        0 => format!("there are no scores before {as_of}; leave --since out"),
        count => format!("dates with scores before {as_of}: {}", earlier[count.saturating_sub(5)..].join(", ")),
    };
    let path = scored::partition(out, asked).display().to_string();
    Err(ScoresReadError::Missing { path, as_of: asked, hint })
}

fn rows<'a>(
    inputs: &AccountInputs<'a>,
    churn: Option<usize>,
    indices: &[Option<usize>],
    evidence: &Evidence,
) -> (Option<TierCutOffs>, Vec<AccountRow<'a>>) {
    let AccountInputs { facts, base, settings, .. } = *inputs;
    let moment = Instant::start_of(base.as_of);
    let seen = |place: usize| indices[place].map(|account| Seen::new(facts, account, moment));
    let paid: Vec<Option<Paid>> =
        (0..base.accounts.len()).into_par_iter().map(|place| Paid::of(&seen(place)?)).collect();
    let horizon_days = horizon_days(settings, churn.map(|churn| base.targets[churn].as_str()));
    let probability = |account: &ScoredAccount| Some(account.forecasts[churn?].as_ref()?.probability);
    let paying = base.accounts.iter().filter(|account| account.mrr.is_some_and(|mrr| mrr > 0.0));
    let cut_offs =
        horizon_days.and_then(|days| TierCutOffs::of(paying.filter_map(probability).collect(), settings.sizes, days));
    let plans = Plans::of(&paid.iter().flatten().copied().collect::<Vec<_>>());
    let all = All { inputs: *inputs, churn, evidence, plans, horizon_days, cut_offs };
    let row = |place: usize| all.row(&base.accounts[place], seen(place), paid[place]);
    (cut_offs, (0..base.accounts.len()).into_par_iter().map(row).collect())
}

/// What the rows of all accounts share.
struct All<'e, 'a> {
    inputs: AccountInputs<'a>,
    churn: Option<usize>,
    evidence: &'e Evidence,
    plans: Plans,
    horizon_days: Option<f64>,
    cut_offs: Option<TierCutOffs>,
}

impl<'a> All<'_, 'a> {
    fn row(&self, scored: &'a ScoredAccount, seen: Option<Seen<'a>>, paid: Option<Paid>) -> AccountRow<'a> {
        let AccountInputs { facts, base, settings, .. } = self.inputs;
        let forecast = self.churn.and_then(|churn| scored.forecasts[churn].as_ref());
        let valued = Valued::of(scored, forecast, self.horizon_days, self.cut_offs);
        let play = valued.level.and_then(|level| settings.plays.of(level, valued.health));
        let lifetime = valued.lifetime.map(|value| Cents::from_amount(value.value));
        let pattern = seen.filter(|_| valued.is_at_risk == Some(true)).as_ref().and_then(UsePattern::of);
        let monetisation = paid.and_then(|paid| self.plans.of_account(&paid));
        let plan = |plan: u32| facts.plans.names.get(plan as usize).map(String::as_str);
        AccountRow {
            scored,
            mrr: scored.mrr.map(|mrr| exact(mrr, seen.as_ref())),
            health: valued.health,
            lifetime: valued.lifetime,
            tier: valued.tier,
            is_at_risk: valued.is_at_risk,
            level: valued.level,
            play,
            due: play.and_then(|play| base.as_of.checked_add_days(Days::new(u64::from(play.due_days)))),
            worth: play.zip(forecast).and_then(|(play, forecast)| play.worth(forecast.probability, lifetime)),
            pattern,
            prospect: pattern.and_then(|pattern| self.evidence.prospect(pattern)),
            monetisation: monetisation.and_then(|(kind, like)| Some((kind, plan(like)?))),
            owner: seen.and_then(|seen| facts.owners.names.get(seen.owner()? as usize)).map(String::as_str),
            review_overdue_days: seen
                .zip(settings.review_interval_days)
                .and_then(|(seen, days)| seen.review_overdue_days(days)),
        }
    }
}

/// The MRR of the subscription in force, if it is what the scores were made with but for the digits of a 32-bit float.
fn exact(scored: f64, seen: Option<&Seen<'_>>) -> f64 {
    let is_same = |mrr: &f64| (mrr - scored).abs() <= 1e-6 * scored.abs();
    let paid = seen.and_then(Seen::subscription).map(|row| Cents::from_amount(row.mrr).amount());
    paid.filter(is_same).unwrap_or(scored)
}

/// Days within which leaving is foretold: of the declared target, else what its name says (`churn_90d`).
fn horizon_days(settings: &AccountSettings, target: Option<&str>) -> Option<f64> {
    let target = target?;
    let declared = settings.churn.as_ref().filter(|declared| declared.name == target);
    let declared = declared.map(|declared| declared.horizon_days);
    let named = || target.rsplit_once('_')?.1.strip_suffix('d')?.parse().ok();
    declared.or_else(named).filter(|days| *days > 0).map(f64::from)
}

/// What an account is by its scores.
struct Valued {
    health: Option<Health>,
    lifetime: Option<LifetimeValue>,
    tier: Option<ValueTier>,
    is_at_risk: Option<bool>,
    level: Option<ServiceLevel>,
}

impl Valued {
    fn of(
        scored: &ScoredAccount,
        forecast: Option<&Forecast>,
        horizon_days: Option<f64>,
        cut_offs: Option<TierCutOffs>,
    ) -> Self {
        let health = scored.health.as_deref().and_then(health_of);
        let band = forecast.and_then(|forecast| forecast.band.as_deref());
        let band = band.and_then(|text| Band::ALL.iter().copied().find(|band| band.text() == text));
        let lifetime = forecast.zip(scored.mrr).zip(horizon_days).map(|((forecast, mrr), days)| {
            LifetimeValue::of(mrr, [forecast.probability, forecast.low, forecast.high], days)
        });
        let tier = lifetime.zip(cut_offs).map(|(lifetime, cut_offs)| cut_offs.tier(lifetime.value));
        let health_known = health.filter(|health| *health != Health::Unknown);
        let is_at_risk = matches!(health, Some(Health::AtRisk | Health::Hostage)) || band == Some(Band::High);
        Self {
            health,
            lifetime,
            tier,
            is_at_risk: (health_known.is_some() || band.is_some()).then_some(is_at_risk),
            level: tier.map(|tier| service_level(tier, health, band)),
        }
    }
}
