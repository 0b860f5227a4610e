//! MRR, NRR and GRR in 30, 60 and 90 days, as a distribution.
//!
//! The opening is the MRR of the accounts that pay at `as_of`. At the horizon each of them has left, expanded, changed
//! otherwise or stayed as it was; others have come. Revenue is drawn from
//!
//! - each account's probabilities of the scores, carried to the horizon by `1 - (1 - p)^e`, where the exposure `e` follows
//!   from how past events were timed, drawn towards a constant hazard (`e = days / window`); an account without a score has
//!   the rate of accounts of its size over the last year;
//! - sizes of expansions and of other changes (contractions, small increases) as they were, by size of account; rates of
//!   the other changes; arrivals (new and returning) and what they pay;
//! - shocks that all accounts share, whose strength is learned from past periods ([`shock`]), by scores of that time where
//!   there are any. What is not known of the shocks is drawn as well, so that ranges after few quarters are wide.
//!
//! NRR and GRR are of the accounts that pay at `as_of`, over their MRR then; MRR has the arrivals too. The closing is read as
//! in [`settled`]: a renewal paid late within the grace period is no loss.
//!
//! **Base, upside and downside** are the 50, 90 and 10 % quantiles: the outcome is as likely above the base as below it, and
//! in eight of ten periods it lies between downside and upside. They are quantiles of each measure on its own.
//!
//! What the forecast does not know: shocks of a kind that the past on record has not seen (a price increase on a fixed date),
//! and what would be done about the accounts. `summed_probabilities` stands beside it for comparison and is no forecast.

mod draw;
mod judged;
mod past;
mod plan;
mod probabilities;
mod random;
mod rates;
mod score;
mod settled;
mod shock;
#[cfg(test)]
mod tests;

use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use serde::Serialize;

pub use self::past::HORIZONS_DAYS;
pub use self::probabilities::{Probabilities, RevenueTarget, RevenueTargets, timely_dates};
pub use self::score::{mean_pinball_loss, pinball_loss};
pub use self::settled::{Realised, realised};

use self::draw::Totals;
use self::past::{Bands, Counting, Past};
use self::plan::{Payer, Plan, Shocks, payers};
use self::rates::{Rates, within};
use self::settled::Timelines;
use self::shock::{Observation, Prior, Shock, UNKNOWN_LEVEL, correlation_factor};
use crate::money::Cents;

/// The levels of the fan; the median is the base, 10 and 90 % are downside and upside.
pub const LEVELS: [f64; 7] = [0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95];

/// What a forecast is made with.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastSettings {
    /// The targets of the scores.
    pub targets: RevenueTargets,
    /// A gap in paying shorter than this is a late renewal.
    pub grace_days: u32,
    /// Draws per horizon.
    pub draws: usize,
    /// Seed of every draw.
    pub seed: u64,
    /// Whether accounts share shocks; `false` only to compare with independent accounts.
    pub shared_shocks: bool,
}

impl Default for ForecastSettings {
    fn default() -> Self {
        Self { targets: RevenueTargets::default(), grace_days: 14, draws: 4_000, seed: 7, shared_shocks: true }
    }
}

/// What is forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Monthly recurring revenue at the horizon, of all accounts.
    Mrr,
    /// Net revenue retention from `as_of` to the horizon.
    Nrr,
    /// Gross revenue retention.
    Grr,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mrr, Self::Nrr, Self::Grr];

    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mrr => "mrr",
            Self::Nrr => "nrr",
            Self::Grr => "grr",
        }
    }

    /// Its value in what was realised.
    #[must_use]
    pub fn of(self, realised: &Realised) -> f64 {
        match self {
            Self::Mrr => realised.mrr,
            Self::Nrr => realised.net / realised.opening,
            Self::Grr => realised.gross / realised.opening,
        }
    }
}

/// A measure at a horizon.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RevenueForecast {
    /// What.
    pub measure: Measure,
    /// When.
    pub horizon_days: u32,
    /// At [`LEVELS`], ascending.
    pub quantiles: [f64; LEVELS.len()],
    /// Mean.
    pub mean: f64,
    /// The opening less every account's probability to leave times its MRR, plus its probability to expand times MRR times
    /// the mean uplift, at a constant hazard; for MRR with the arrivals of an average period. For comparison.
    pub summed_probabilities: f64,
}

impl RevenueForecast {
    /// The 10 % quantile.
    #[must_use]
    pub fn downside(&self) -> f64 {
        self.quantiles[1]
    }

    /// The median.
    #[must_use]
    pub fn base(&self) -> f64 {
        self.quantiles[3]
    }

    /// The 90 % quantile.
    #[must_use]
    pub fn upside(&self) -> f64 {
        self.quantiles[5]
    }
}

/// What was learned for a horizon.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Learned {
    /// Horizon.
    pub horizon_days: u32,
    /// Past origins, thirty days apart.
    pub windows: usize,
    /// Of churn: past dates whose scores were judged; 0: shocks are those of the rates.
    pub judged_scores: usize,
    /// Root mean variance of the shock of a period, on the logit of churn.
    pub churn_shock: f64,
    /// Of expansion.
    pub expansion_shock: f64,
    /// Mean of the next shock of churn: what the scores of the past were off by, and what lasts.
    pub churn_shift: f64,
    /// Of expansion.
    pub expansion_shift: f64,
}

/// The forecast of a base.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseForecast {
    /// Date; nothing from it on counts.
    pub as_of: NaiveDate,
    /// MRR at the date.
    pub opening: f64,
    /// Accounts that pay it.
    pub accounts: usize,
    /// Of them, those with a probability of churn.
    pub scored_accounts: usize,
    /// By measure, then horizon.
    pub rows: Vec<RevenueForecast>,
    /// By horizon.
    pub learned: Vec<Learned>,
}

impl BaseForecast {
    /// The row of a measure and horizon.
    #[must_use]
    pub fn row(&self, measure: Measure, horizon_days: u32) -> Option<&RevenueForecast> {
        self.rows.iter().find(|row| row.measure == measure && row.horizon_days == horizon_days)
    }
}

/// How far the level of calibrated scores may be off, on the logit, before any was judged.
const SCORE_LEVEL: f64 = 0.12;
/// Half of all shocks are taken to be smaller than this before any was seen.
const SHOCK_SCALE: f64 = 0.10;

/// The forecast from the scores of a date and the facts known before it. `past`: scores of earlier dates, made by models that
/// did not know what came of them ([`timely_dates`]).
///
/// `None` where nobody pays at the date.
#[must_use]
pub fn forecast(
    facts: &Facts,
    scores: &Probabilities,
    past: &[Probabilities],
    settings: &ForecastSettings,
) -> Option<BaseForecast> {
    let as_of = scores.as_of();
    let timelines = Timelines::of(facts, as_of, settings.grace_days);
    let today = Instant::start_of(as_of);
    let openings = (0..timelines.accounts()).map(|account| (account, timelines.known(account, today)));
    let openings: Vec<(usize, f64)> =
        openings.filter(|(_, mrr)| *mrr > Cents::ZERO).map(|(account, mrr)| (account, mrr.amount())).collect();
    if openings.is_empty() {
        return None;
    }
    let bands = Bands::of(openings.iter().map(|(_, mrr)| *mrr));
    let base: Vec<(usize, f64, usize)> =
        openings.iter().map(|(account, mrr)| (*account, *mrr, bands.place(*mrr))).collect();
    let (grace_days, targets) = (settings.grace_days, &settings.targets);
    let counting = Counting { timelines: &timelines, as_of, grace_days, targets, bands: &bands };
    let making = Making { past: Past::count(&counting), counting, scores, scores_before: past, base, settings };
    let horizons: Vec<Horizon> = (0..HORIZONS_DAYS.len()).map(|horizon| making.horizon(horizon)).collect();
    let rows = Measure::ALL.into_iter().flat_map(|measure| horizons.iter().map(move |horizon| horizon.row(measure)));
    Some(BaseForecast {
        as_of,
        opening: horizons[0].opening,
        accounts: making.base.len(),
        scored_accounts: making.base.iter().filter(|(account, ..)| scores.churn(*account).is_some()).count(),
        rows: rows.collect(),
        learned: horizons.iter().map(|horizon| horizon.learned).collect(),
    })
}

/// All that a horizon is made from.
struct Making<'a> {
    counting: Counting<'a>,
    past: Past,
    scores: &'a Probabilities,
    scores_before: &'a [Probabilities],
    /// Account, MRR and band.
    base: Vec<(usize, f64, usize)>,
    settings: &'a ForecastSettings,
}

impl Making<'_> {
    fn horizon(&self, horizon: usize) -> Horizon {
        let rates = Rates::of(&self.past, horizon, &self.settings.targets);
        let payers = payers(&self.base, self.scores, &rates);
        let by_scores = judged::by_scores(&self.counting, self.scores_before, horizon, &rates);
        let shocks = if self.settings.shared_shocks { shocks(&rates, &by_scores) } else { no_shocks() };
        let learned = Learned {
            horizon_days: rates.horizon_days,
            windows: rates.seen[0].len(),
            judged_scores: by_scores[0].len(),
            churn_shock: shocks.kinds[0].period_deviation(),
            expansion_shock: shocks.kinds[1].period_deviation(),
            churn_shift: shocks.kinds[0].mean(),
            expansion_shift: shocks.kinds[1].mean(),
        };
        let summed = self.summed(&payers, &rates);
        let plan = Plan::new(payers, &rates, shocks);
        // Horizons have seeds of their own.
        let seed = self.settings.seed.wrapping_mul(31).wrapping_add(u64::from(rates.horizon_days));
        let draws = plan.draw(seed, self.settings.draws.max(1));
        Horizon { horizon_days: rates.horizon_days, opening: plan.opening, draws, summed, learned }
    }

    /// MRR, and the opening's net and gross, by summing probabilities.
    fn summed(&self, payers: &[Payer], rates: &Rates) -> Totals {
        let days = f64::from(rates.horizon_days);
        let targets = &self.settings.targets;
        let exposure = |target: &Option<RevenueTarget>| {
            target.as_ref().map_or(1.0, |target| days / f64::from(target.horizon_days))
        };
        let (churn_exposure, expansion_exposure) = (exposure(&targets.churn), exposure(&targets.expansion));
        let mut totals = Totals::default();
        for (payer, (account, ..)) in payers.iter().zip(&self.base) {
            let churn = self.scores.churn(*account).map_or(payer.churn, |p| within(p, churn_exposure));
            let expansion = self.scores.expansion(*account).map_or(payer.expansion, |p| within(p, expansion_exposure));
            totals.gross += payer.mrr * (1.0 - churn);
            totals.net += payer.mrr * (1.0 - churn + expansion * rates.uplift);
        }
        let sizes = &rates.entrant_sizes;
        let size = sizes.iter().map(|size| f64::from(*size)).sum::<f64>() / sizes.len().max(1) as f64;
        totals.mrr = totals.net + rates.entrants * size;
        totals
    }
}

fn shocks(rates: &Rates, by_scores: &[Vec<Observation>; 2]) -> Shocks {
    let days = f64::from(rates.horizon_days);
    let prior = |past_level, new_level| Prior { scale: SHOCK_SCALE, past_level, new_level };
    let of_rates = |kind: usize| Shock::learn(&rates.seen[kind], days, prior(UNKNOWN_LEVEL, Some(SCORE_LEVEL)));
    let of_scores = |kind: usize| match by_scores[kind].is_empty() {
        true => of_rates(kind),
        false => Shock::learn_with(&by_scores[kind], &rates.seen[kind], days, prior(SCORE_LEVEL, None)),
    };
    let lasting = |kind: usize| Shock::learn(&rates.seen[kind], days, prior(UNKNOWN_LEVEL, None));
    let kinds = [of_scores(0), of_scores(1), lasting(2), lasting(3)];
    let seen: Vec<(&[Observation], f64)> =
        rates.seen.iter().zip(&kinds).map(|(seen, kind)| (&seen[..], kind.period_deviation())).collect();
    Shocks { factor: correlation_factor(&seen, days), kinds }
}

fn no_shocks() -> Shocks {
    Shocks { factor: correlation_factor(&[(&[][..], 0.0); 4], 1.0), kinds: std::array::from_fn(|_| Shock::none()) }
}

struct Horizon {
    horizon_days: u32,
    opening: f64,
    draws: Vec<Totals>,
    summed: Totals,
    learned: Learned,
}

impl Horizon {
    fn row(&self, measure: Measure) -> RevenueForecast {
        let of = |totals: &Totals| match measure {
            Measure::Mrr => totals.mrr,
            Measure::Nrr => totals.net / self.opening,
            Measure::Grr => totals.gross / self.opening,
        };
        let mut values: Vec<f64> = self.draws.iter().map(of).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.sort_by(f64::total_cmp);
        RevenueForecast {
            measure,
            horizon_days: self.horizon_days,
            quantiles: LEVELS.map(|level| quantile(&values, level)),
            mean,
            summed_probabilities: of(&self.summed),
        }
    }
}

/// Between the two ranks nearest to it, linearly (Hyndman and Fan 1996, type 7).
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = level * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}
