//! Alerts: what an account crossed between the date compared with and `as_of`.
//!
//! Every trigger is folded over the dates with scores up to `as_of`, the facts as they were known at each of them and the
//! scores as they were written then. What stands where it stood raises nothing; a value that wavers about a line raises
//! nothing either (see [`super::trigger`]). No state is kept anywhere but in the facts and the scores.

use std::path::Path;

use arrow_array::Array;
use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use bellwether_models::policy::Health;
use chrono::NaiveDate;
use rayon::prelude::*;

use super::past::{Places, each_batch, health_of, number_at, numbers_if_there, text_at};
use super::seen::{MONTH_DAYS, Seen};
use super::settings::{AlertSettings, DeclaredLines};
use super::trigger::{HealthState, Lines, Reach, Trend, Worse, is_worse};
use crate::run::{BandCutOffs, Run};
use crate::scored::{Columns, ScoredBase, ScoresReadError};

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// Days with use in the last 28.
    ActiveDays,
    /// Use as a share of the limit.
    Limit,
    /// Probability of churn.
    Churn,
    /// Probability of expansion.
    Expansion,
    /// Quadrant.
    Health,
    /// Whether use grows or shrinks.
    Trend,
    /// Whether a sponsor is there.
    Sponsor,
}

impl Watched {
    /// Name in tables.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::ActiveDays => "active_days",
            Self::Limit => "limit",
            Self::Churn => "churn",
            Self::Expansion => "expansion",
            Self::Health => "health",
            Self::Trend => "trend",
            Self::Sponsor => "sponsor",
        }
    }

    /// What it means when it goes the way that the lines watch for, and when it comes back.
    fn meaning(self, onwards: bool) -> Meaning {
        match (self, onwards) {
            (Self::Limit | Self::Expansion, true) => Meaning::Expansion,
            (Self::Limit | Self::Expansion, false) => Meaning::ExpansionPast,
            (_, true) => Meaning::Risk,
            (_, false) => Meaning::Recovery,
        }
    }
}

/// What an alert means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// The account may be lost.
    Risk,
    /// It has come back from there.
    Recovery,
    /// The account may buy more.
    Expansion,
    /// It has gone back from there.
    ExpansionPast,
}

impl Meaning {
    /// Name in tables.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Risk => "risk",
            Self::Recovery => "recovery",
            Self::Expansion => "expansion",
            Self::ExpansionPast => "expansion_past",
        }
    }
}

/// One alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alert {
    /// Place of the account in [`ScoredBase::accounts`].
    pub account: usize,
    /// What turned.
    pub watched: Watched,
    /// What it means.
    pub meaning: Meaning,
    /// Where it stood.
    pub from: &'static str,
    /// Where it stands.
    pub to: &'static str,
    /// Value then; `None` where there is no number to it, or none was known.
    pub before: Option<f64>,
    /// Value now.
    pub now: Option<f64>,
}

/// The dates that are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dates {
    /// Dates with scores before `as_of`, ascending; `since` is one of them.
    pub history: Vec<NaiveDate>,
    /// The date compared with.
    pub since: NaiveDate,
    /// The date told about.
    pub as_of: NaiveDate,
}

impl Dates {
    /// Of all `dates` with scores: `at_most` up to the date compared with, and as many after it. `since`: that date; without
    /// it the last before `as_of`. `None` where there is none.
    #[must_use]
    pub fn of(dates: &[NaiveDate], as_of: NaiveDate, since: Option<NaiveDate>, at_most: usize) -> Option<Self> {
        let earlier: Vec<NaiveDate> = dates.iter().copied().filter(|date| *date < as_of).collect();
        let since = since.or(earlier.last().copied())?;
        let (up_to, after) = earlier.split_at(earlier.partition_point(|date| *date <= since));
        let last = |dates: &[NaiveDate]| dates[dates.len().saturating_sub(at_most)..].to_vec();
        let history = [last(up_to), last(after)].concat();
        history.contains(&since).then_some(Self { history, since, as_of })
    }
}

/// All alerts, by account, then by what is watched; and the places of the targets on which none can be raised, since neither
/// `[alerts]` nor the run of the scores says where their lines are.
///
/// # Errors
/// [`ScoresReadError`] for earlier scores that cannot be read.
pub fn alerts(
    facts: &Facts,
    base: &ScoredBase,
    indices: &[Option<usize>],
    out: &Path,
    dates: &Dates,
    settings: &AlertSettings,
) -> Result<(Vec<Alert>, Vec<usize>), ScoresReadError> {
    let scores = ScoreTriggers::read(base, out, dates, settings)?;
    let watched = [scores.churn, scores.expansion].map(|one| one.map(|(target, _)| target));
    let unwatched = ["churn", "expansion"].into_iter().filter_map(|prefix| base.target(prefix));
    let unwatched = unwatched.filter(|target| !watched.contains(&Some(*target))).collect();
    let base_uses = base_uses(facts, indices, dates);
    let of = |place: usize| {
        let of_facts =
            indices[place].map(|account| of_facts(facts, account, dates, settings, &base_uses)).unwrap_or_default();
        let mut found: Vec<Alert> = of_facts.into_iter().map(|alert| Alert { account: place, ..alert }).collect();
        found.extend(scores.alerts(base, place));
        found.sort_by_key(|alert| alert.watched);
        found
    };
    Ok(((0..base.accounts.len()).into_par_iter().map(of).flatten_iter().collect(), unwatched))
}

/// Where something stood and stands, and its value.
#[derive(Debug, Clone, Copy)]
struct Turn<T> {
    then: Option<T>,
    before: Option<f64>,
    now: Option<f64>,
}

impl<T: Copy> Turn<T> {
    /// Folds the values of the dates; `next` is a trigger.
    fn fold(
        dates: &Dates,
        mut value: impl FnMut(Instant) -> Option<f64>,
        next: impl Fn(Option<T>, f64) -> T,
    ) -> (Self, Option<T>) {
        let (mut turn, mut state) = (Self { then: None, before: None, now: None }, None);
        for date in dates.history.iter().chain([&dates.as_of]) {
            let value = value(Instant::start_of(*date));
            state = value.map(|value| next(state, value)).or(state);
            if *date == dates.since {
                (turn.then, turn.before) = (state, value);
            }
            turn.now = value;
        }
        (turn, state)
    }
}

fn reach_alert(watched: Watched, (turn, state): (Turn<Reach>, Option<Reach>)) -> Option<Alert> {
    let (then, now) = (turn.then?, state?);
    turn.now?;
    (then != now).then(|| Alert {
        account: 0,
        watched,
        meaning: watched.meaning(now > then),
        from: then.text(),
        to: now.text(),
        before: turn.before,
        now: turn.now,
    })
}

/// What the facts of one account raise.
fn of_facts(
    facts: &Facts,
    account: usize,
    dates: &Dates,
    settings: &AlertSettings,
    base_uses: &[BaseUses],
) -> Vec<Alert> {
    let at = |moment: Instant| Seen::new(facts, account, moment);
    let long_enough = |seen: &Seen<'_>, days: i64| seen.usage_history_days().is_some_and(|history| history >= days);
    let active_days = |moment| {
        let seen = at(moment);
        long_enough(&seen, MONTH_DAYS).then(|| f64::from(seen.active_days()))
    };
    let limit = |moment| {
        let seen = at(moment);
        long_enough(&seen, MONTH_DAYS).then(|| seen.limit_share()).flatten()
    };
    let lines = |lines: Lines| move |before, value| lines.next(before, value);
    let found = [
        reach_alert(Watched::ActiveDays, Turn::fold(dates, active_days, lines(settings.active_days))),
        reach_alert(Watched::Limit, Turn::fold(dates, limit, lines(settings.limit))),
        trend_alert(facts, account, dates, settings, base_uses),
        sponsor_alert(
            at(Instant::start_of(dates.since)).has_sponsor(),
            at(Instant::start_of(dates.as_of)).has_sponsor(),
        ),
    ];
    found.into_iter().flatten().collect()
}

/// Uses of the last 28 days and of the 28 before; `None` where less than 56 days of them could be seen.
fn two_months(facts: &Facts, account: usize, moment: Instant) -> Option<(u64, u64)> {
    let seen = Seen::new(facts, account, moment);
    seen.usage_history_days().filter(|days| *days >= 2 * MONTH_DAYS)?;
    Some((seen.events(MONTH_DAYS + 1, 2 * MONTH_DAYS), seen.events(1, MONTH_DAYS)))
}

/// A base of fewer accounts does not say how use goes in general.
const LEAST_BASE: u64 = 20;

/// Uses of all accounts at a date.
#[derive(Debug, Clone, Copy, Default)]
struct BaseUses {
    accounts: u64,
    before: u64,
    uses: u64,
}

impl BaseUses {
    fn plus(self, other: Self) -> Self {
        Self {
            accounts: self.accounts + other.accounts,
            before: self.before + other.before,
            uses: self.uses + other.uses,
        }
    }

    /// What the uses of an account would be, had they gone as those of all others: a holiday is nobody's turn.
    fn expected(&self, before: u64, uses: u64) -> f64 {
        let (others_before, others) = (self.before - before, self.uses - uses);
        let goes =
            if self.accounts > LEAST_BASE && others_before > 0 { others as f64 / others_before as f64 } else { 1.0 };
        before as f64 * goes
    }
}

/// The uses of all accounts at each of the dates.
fn base_uses(facts: &Facts, indices: &[Option<usize>], dates: &Dates) -> Vec<BaseUses> {
    let moments: Vec<Instant> =
        dates.history.iter().chain([&dates.as_of]).map(|date| Instant::start_of(*date)).collect();
    let none = || vec![BaseUses::default(); moments.len()];
    let add = |mut sums: Vec<BaseUses>, account: &usize| {
        for (sum, moment) in sums.iter_mut().zip(&moments) {
            let uses = two_months(facts, *account, *moment);
            *sum = uses.map_or(*sum, |(before, uses)| sum.plus(BaseUses { accounts: 1, before, uses }));
        }
        sums
    };
    let both = |one: Vec<BaseUses>, other: Vec<BaseUses>| {
        one.into_iter().zip(other).map(|(one, other)| one.plus(other)).collect()
    };
    let known: Vec<usize> = indices.iter().flatten().copied().collect();
    known.par_iter().fold(none, add).reduce(none, both)
}

fn trend_alert(
    facts: &Facts,
    account: usize,
    dates: &Dates,
    settings: &AlertSettings,
    base_uses: &[BaseUses],
) -> Option<Alert> {
    let (mut trend, mut then, mut before, mut now) = (None, None, None, None);
    for (date, base) in dates.history.iter().chain([&dates.as_of]).zip(base_uses) {
        let found = two_months(facts, account, Instant::start_of(*date));
        if let Some((earlier, later)) = found {
            trend = Trend::next(trend, base.expected(earlier, later), later, settings.trend_change);
        }
        now = found.map(|(_, later)| later as f64);
        if *date == dates.since {
            (then, before) = (trend, now);
        }
    }
    now?;
    let (then, trend) = (then?, trend?);
    (then != trend).then(|| Alert {
        account: 0,
        watched: Watched::Trend,
        meaning: Watched::Trend.meaning(trend == Trend::Falling),
        from: then.text(),
        to: trend.text(),
        before,
        now,
    })
}

fn sponsor_alert(then: Option<bool>, now: Option<bool>) -> Option<Alert> {
    let (then, now) = (then?, now?);
    let text = |is_there: bool| if is_there { "present" } else { "lost" };
    (then != now).then(|| Alert {
        account: 0,
        watched: Watched::Sponsor,
        meaning: Watched::Sponsor.meaning(!now),
        from: text(then),
        to: text(now),
        before: None,
        now: None,
    })
}

/// Where the triggers of one account's scores stand.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    churn: Option<Reach>,
    expansion: Option<Reach>,
    health: HealthState,
}

/// The triggers of all accounts' scores, then and now.
struct ScoreTriggers {
    churn: Option<(usize, Lines)>,
    expansion: Option<(usize, Lines)>,
    then: Vec<(Standing, [Option<f64>; 2])>,
    now: Vec<Standing>,
}

impl ScoreTriggers {
    fn read(base: &ScoredBase, out: &Path, dates: &Dates, settings: &AlertSettings) -> Result<Self, ScoresReadError> {
        let run = Run::last(out, base.as_of);
        let lines = |prefix: &str, declared: DeclaredLines| {
            let target = base.target(prefix)?;
            let cut_offs = run.as_ref().and_then(|run| run.bands(&base.model, &base.targets[target]));
            Some((target, probability_lines(declared, cut_offs, settings.margin)?))
        };
        let mut triggers = Self {
            churn: lines("churn", settings.churn),
            expansion: lines("expansion", settings.expansion),
            then: Vec::new(),
            now: vec![Standing::default(); base.accounts.len()],
        };
        for date in &dates.history {
            let mut places = Places::new(&base.accounts);
            let mut values = if *date == dates.since { vec![[None; 2]; base.accounts.len()] } else { Vec::new() };
            let is_wanted = |name: &str| name.ends_with("_probability") || ["account_id", "health"].contains(&name);
            each_batch(out, *date, is_wanted, |columns| triggers.read_batch(base, columns, &mut places, &mut values))?;
            if *date == dates.since {
                triggers.then = triggers.now.iter().copied().zip(values).collect();
            }
        }
        for (place, account) in base.accounts.iter().enumerate() {
            let probability = |target: usize| account.forecasts[target].as_ref().map(|forecast| forecast.probability);
            triggers.step(place, probability, account.health.as_deref().and_then(health_of));
        }
        Ok(triggers)
    }

    fn read_batch(
        &mut self,
        base: &ScoredBase,
        columns: &Columns<'_>,
        places: &mut Places<'_>,
        values: &mut [[Option<f64>; 2]],
    ) -> Result<(), ScoresReadError> {
        let (ids, health) = (columns.texts("account_id")?, columns.texts("health")?);
        let probabilities = base.targets.iter().map(|name| numbers_if_there(columns, &format!("{name}_probability")));
        let probabilities = probabilities.collect::<Result<Vec<_>, _>>()?;
        for row in 0..ids.len() {
            let Some(place) = places.of(ids.value(row)) else { continue };
            let probability = |target: usize| number_at(probabilities[target], row);
            if let Some(values) = values.get_mut(place) {
                *values = [self.churn, self.expansion].map(|one| probability(one?.0));
            }
            self.step(place, probability, text_at(Some(health), row).and_then(health_of));
        }
        Ok(())
    }

    fn step(&mut self, place: usize, probability: impl Fn(usize) -> Option<f64>, health: Option<Health>) {
        let next = |was: Option<Reach>, watched: Option<(usize, Lines)>| {
            let step = watched.and_then(|(target, lines)| Some(lines.next(was, probability(target)?)));
            step.or(was)
        };
        let was = self.now[place];
        self.now[place] = Standing {
            churn: next(was.churn, self.churn),
            expansion: next(was.expansion, self.expansion),
            health: was.health.next(health),
        };
    }

    fn alerts(&self, base: &ScoredBase, place: usize) -> Vec<Alert> {
        let ((then, before), now) = (self.then[place], self.now[place]);
        let account = &base.accounts[place];
        let reach = |watched, target: Option<(usize, Lines)>, then, state, before| {
            let now = account.forecasts[target?.0].as_ref().map(|forecast| forecast.probability);
            reach_alert(watched, (Turn { then, before, now }, state))
        };
        let health = then.health.held.zip(now.health.held).filter(|(then, now)| then != now);
        let health = health.map(|(then, now)| Alert {
            account: place,
            watched: Watched::Health,
            meaning: Watched::Health.meaning(is_worse(now, then)),
            from: then.text(),
            to: now.text(),
            before: None,
            now: None,
        });
        let found = [
            reach(Watched::Churn, self.churn, then.churn, now.churn, before[0]),
            reach(Watched::Expansion, self.expansion, then.expansion, now.expansion, before[1]),
            health,
        ];
        found.into_iter().flatten().map(|alert| Alert { account: place, ..alert }).collect()
    }
}

/// The lines of a probability: those declared, else where the bands of the scores of `as_of` begin, as their run tells it.
/// `None` where neither says a threshold: what accounts happen to have is no line, it would move every night.
fn probability_lines(declared: DeclaredLines, cut_offs: Option<BandCutOffs>, margin: f64) -> Option<Lines> {
    let threshold = declared.threshold.or(cut_offs.map(|bands| bands.high))?;
    let warning = declared.warning.or(cut_offs.map(|bands| bands.medium)).unwrap_or(threshold).min(threshold);
    Some(Lines { warning, threshold, margin, worse: Worse::From })
}
