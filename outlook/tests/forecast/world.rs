//! Small businesses with hidden shocks, whose every number is drawn here.
//!
//! Nothing has the form that the forecast assumes. Time goes by day; hazards are log-linear. Accounts differ in what the scores
//! see and in what they do not; scores are off by a bias that nobody tells. Shocks are (by family) none, t-distributed by
//! quarter, autoregressive by month, regimes that jump, by segment of size, or seasons. MRR has a log-normal or a Pareto tail.
//! Half of the worlds have scores of past dates, the others have the facts alone; the past is five to twelve quarters long.

use bellwether_features::facts::{Facts, Grouped, SubscriptionFact};
use bellwether_features::time::{Instant, date_from_days};
use bellwether_outlook::forecast::{
    BaseForecast, ForecastSettings, Measure, Probabilities, Realised, RevenueTarget, RevenueTargets, forecast, realised,
};
use chrono::NaiveDate;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// 2022-01-01, in days since the epoch.
const FIRST_DAY: i64 = 18_993;
pub(crate) const GRACE_DAYS: u32 = 14;
pub(crate) const FAMILIES: [&str; 6] = ["none", "quarterly_t", "autoregressive", "regimes", "segments", "seasons"];
/// Spread between accounts: of what the scores see of churn, of what they do not, and of what they see of expansion.
const SEEN: f64 = 0.7;
const HIDDEN: f64 = 0.5;
const EAGER: f64 = 0.6;
/// After an expansion there is none for so long; the scores know it.
const REST_DAYS: usize = 60;

struct Random(ChaCha8Rng);

impl Random {
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// Box and Muller (1958).
    fn normal(&mut self) -> f64 {
        (2.0 * self.exponential()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Student's t with 4 degrees of freedom, scaled to variance 1.
    fn heavy(&mut self) -> f64 {
        let square: f64 = (0..4).map(|_| self.normal().powi(2)).sum();
        self.normal() / (square / 4.0).sqrt() / 2.0_f64.sqrt()
    }
}

/// Log of the factor on a hazard, by day.
fn path(random: &mut Random, family: usize, size: f64, days: usize) -> Vec<f64> {
    let mut level = size * random.normal();
    let (phase, jump_every) = (random.between(0.0, 365.0), random.between(250.0, 600.0));
    let mut values = Vec::with_capacity(days);
    for day in 0..days {
        match family {
            1 if day % 91 == 0 => level = size * random.heavy(),
            2 | 4 if day % 30 == 0 => level = 0.8 * level + 0.6 * size * random.normal(),
            3 if random.uniform() < 1.0 / jump_every => level = 1.2 * size * random.normal(),
            5 => level = size * 1.4 * (std::f64::consts::TAU * (day as f64 + phase) / 365.0).sin(),
            _ => {}
        }
        values.push(if family == 0 { 0.0 } else { level });
    }
    values
}

struct Account {
    seen: f64,
    hidden: f64,
    eager: f64,
    /// By size at sign-up.
    segment: usize,
    since: usize,
    mrr: f64,
    rows: Vec<(usize, f64)>,
    /// Days of its expansions.
    expansions: Vec<usize>,
    /// Day on which a late renewal is paid.
    late_until: Option<usize>,
    ended: bool,
}

pub(crate) struct World {
    pub(crate) family: usize,
    as_of: usize,
    /// Hazards and arrivals per day.
    churn: f64,
    expansion: f64,
    contraction: f64,
    arrivals: f64,
    tail: f64,
    is_pareto: bool,
    /// By segment.
    churn_path: Vec<Vec<f64>>,
    expansion_path: Vec<Vec<f64>>,
    arrival_path: Vec<f64>,
    /// Share of the present shock that the scores see.
    insight: f64,
    /// Of the scores of churn and expansion, on the logit.
    bias: [f64; 2],
    accounts: Vec<Account>,
}

impl World {
    fn new(random: &mut Random, family: usize, accounts: Option<u64>) -> Self {
        let as_of = 30 * random.between(16.0, 37.0) as usize;
        let days = as_of + 120;
        let size = if family == 0 { 0.0 } else { random.between(0.05, 0.5) };
        let common = path(random, family, size, days);
        let (mut churn_path, mut expansion_path) = (Vec::new(), Vec::new());
        let against = random.between(-0.8, 0.2);
        for _ in 0..3 {
            let own = path(random, family, size, days);
            let mix = if family == 4 { 0.7 } else { 0.0 };
            churn_path.push(common.iter().zip(&own).map(|(a, b)| (1.0 - mix) * a + mix * b).collect());
        }
        let other = path(random, family, 0.6 * size, days);
        for _ in 0..3 {
            expansion_path.push(common.iter().zip(&other).map(|(a, b)| against * a + b).collect());
        }
        let start = random.between(150.0_f64.ln(), 10_000.0_f64.ln()).exp();
        let start = accounts.map_or(start, |accounts| accounts as f64);
        let arrival_size = if family == 0 { 0.0 } else { random.between(0.0, 0.4) };
        let mut world = Self {
            family,
            as_of,
            churn: random.between(0.1, 0.4) / 365.0,
            expansion: random.between(0.2, 0.6) / 365.0,
            contraction: random.between(0.03, 0.15) / 365.0,
            arrivals: start * random.between(0.2, 0.6) / 365.0,
            tail: random.between(0.6, 1.4),
            is_pareto: random.uniform() < 0.5,
            churn_path,
            expansion_path,
            arrival_path: path(random, family.min(2), arrival_size, days),
            insight: random.between(0.0, 0.5),
            bias: [0.1 * random.normal(), 0.1 * random.normal()],
            accounts: Vec::new(),
        };
        for _ in 0..start as usize {
            let account = world.sign_up(random, 0);
            world.accounts.push(account);
        }
        world.live(random, days);
        world
    }

    fn sign_up(&self, random: &mut Random, day: usize) -> Account {
        let mrr = match self.is_pareto {
            true => 120.0 * (1.0 - random.uniform()).powf(-self.tail / 1.7),
            false => 300.0 * (self.tail * random.normal()).exp(),
        };
        let mrr = mrr.clamp(5.0, 200_000.0);
        Account {
            seen: SEEN * random.normal(),
            hidden: HIDDEN * random.normal(),
            eager: EAGER * random.normal(),
            segment: usize::from(mrr >= 200.0) + usize::from(mrr >= 1_000.0),
            since: day,
            mrr,
            rows: vec![(day, mrr)],
            expansions: Vec::new(),
            late_until: None,
            ended: false,
        }
    }

    fn live(&mut self, random: &mut Random, days: usize) {
        for day in 1..days {
            let mut accounts = std::mem::take(&mut self.accounts);
            accounts.iter_mut().for_each(|account| self.day(random, account, day));
            let mut rate = self.arrivals * self.arrival_path[day].exp();
            while random.uniform() < rate {
                accounts.push(self.sign_up(random, day));
                rate -= 1.0;
            }
            self.accounts = accounts;
        }
    }

    /// Larger accounts stay longer.
    fn churn_hazard(&self, account: &Account, hidden: f64) -> f64 {
        self.churn * (account.seen + hidden + [0.3, 0.0, -0.4][account.segment] - 0.3).exp()
    }

    /// At most four a year: nobody buys more every week.
    fn expansion_hazard(&self, account: &Account) -> f64 {
        (self.expansion * (account.eager - 0.5 * account.seen - 0.2).exp()).min(4.0 / 365.0)
    }

    fn day(&self, random: &mut Random, account: &mut Account, day: usize) {
        if account.late_until.is_some_and(|until| until <= day) {
            account.late_until = None;
            account.rows.push((day, account.mrr));
        }
        let place = random.uniform();
        if account.late_until.is_some() {
            return;
        }
        if account.ended {
            if place < 0.05 / 365.0 {
                account.ended = false;
                account.rows.push((day, account.mrr));
            }
            return;
        }
        let churn = self.churn_hazard(account, account.hidden) * self.churn_path[account.segment][day].exp();
        let is_rested = account.expansions.last().is_none_or(|last| day - last >= REST_DAYS);
        let expansion = self.expansion_hazard(account) * self.expansion_path[account.segment][day].exp();
        let expansion = if is_rested { expansion } else { 0.0 };
        if place < churn {
            account.ended = true;
            account.rows.push((day, 0.0));
        } else if place < churn + expansion {
            account.expansions.push(day);
            account.mrr *= 1.06 + 0.22 * random.exponential() * if account.segment == 0 { 2.0 } else { 1.0 };
            account.rows.push((day, account.mrr));
        } else if place < churn + expansion + self.contraction {
            account.mrr *= random.between(0.5, 0.97);
            account.rows.push((day, account.mrr));
        } else if place < churn + expansion + self.contraction + 0.1 / 365.0 {
            account.late_until = Some(day + random.between(2.0, 11.0) as usize);
            account.rows.push((day, 0.0));
        }
    }

    fn date(day: usize) -> NaiveDate {
        date_from_days(FIRST_DAY + day as i64).unwrap()
    }

    fn facts(&self) -> Facts {
        let rows = self.accounts.iter().zip(0_u32..);
        let rows = rows.flat_map(|(account, place)| account.rows.iter().map(move |row| (place, fact(row.0, row.1))));
        let times = |row: &SubscriptionFact| (row.effective_at, row.known_at);
        Facts {
            accounts: (0..self.accounts.len()).map(|place| format!("{place:07}")).collect(),
            subscriptions: Some(Grouped::new(self.accounts.len(), rows.collect(), times)),
            ..Facts::default()
        }
    }

    /// What a model of that day would say: right on average over what it cannot see, but for its bias.
    fn scores(&self, day: usize) -> Probabilities {
        let off = |p: f64, bias: f64| Some(if p > 0.0 { 1.0 / (1.0 + (1.0 - p) / p * (-bias).exp()) } else { 0.0 });
        let scored = |account: &Account| {
            let is_paying = account.rows.iter().rev().find(|row| row.0 < day).is_some_and(|row| row.1 > 0.0);
            if !is_paying || account.since + 14 > day {
                return (None, None);
            }
            let known = |path: &[Vec<f64>]| (self.insight * path[account.segment][day]).exp();
            // Three-point quadrature over the hidden part, among those who are still there.
            let nodes = [(-3.0_f64.sqrt(), 1.0 / 6.0), (0.0, 2.0 / 3.0), (3.0_f64.sqrt(), 1.0 / 6.0)];
            let (mut sum, mut total) = (0.0, 0.0);
            for (node, weight) in nodes {
                let hazard = self.churn_hazard(account, HIDDEN * node);
                let weight = weight * (-hazard * (day - account.since) as f64).exp();
                total += weight;
                sum += weight * (1.0 - (-90.0 * hazard * known(&self.churn_path)).exp());
            }
            let last = account.expansions.iter().rev().find(|last| **last < day);
            let open = 60 - last.map_or(0, |last| (last + REST_DAYS).saturating_sub(day)).min(60);
            let hazard = self.expansion_hazard(account) * known(&self.expansion_path);
            let expansion = 1.0 - (-(open as f64) * hazard).exp();
            (off(sum / total, self.bias[0]), off(expansion, self.bias[1]))
        };
        Probabilities::new(Self::date(day), self.accounts.iter().map(scored))
    }
}

/// At one o'clock of the day, known at two.
fn fact(day: usize, mrr: f64) -> SubscriptionFact {
    const HOUR: i64 = 3_600_000_000;
    let midnight = Instant::start_of(World::date(day)).0;
    SubscriptionFact {
        effective_at: Instant(midnight + HOUR),
        known_at: Instant(midnight + 2 * HOUR),
        mrr: (mrr * 100.0).round() / 100.0,
        plan: None,
        seats: None,
        billing_period: None,
        renews_at: None,
        usage_limit: None,
        discount: None,
        list_price: None,
        auto_renew: None,
    }
}

fn targets() -> RevenueTargets {
    let target = |name: &str, horizon_days| Some(RevenueTarget { name: name.to_owned(), horizon_days });
    RevenueTargets {
        churn: target("churn_90d", 90),
        expansion: target("expansion_60d", 60),
        ..RevenueTargets::default()
    }
}

/// A world, forecast, and what came.
pub(crate) struct Judged {
    pub(crate) family: &'static str,
    pub(crate) forecast: BaseForecast,
    /// The same with independent accounts.
    pub(crate) independent: BaseForecast,
    /// How long the forecast took.
    pub(crate) seconds: f64,
    truth: Vec<(u32, Realised)>,
    /// The last period of the same length, as it was known at the date.
    last: Vec<(u32, Realised)>,
}

impl Judged {
    /// What came.
    pub(crate) fn truth(&self, measure: Measure, days: u32) -> f64 {
        measure.of(found(&self.truth, days))
    }

    /// The change of the last period again.
    pub(crate) fn last(&self, measure: Measure, days: u32) -> f64 {
        let before = found(&self.last, days);
        match measure {
            Measure::Mrr => 2.0 * before.mrr - before.opening,
            measure => measure.of(before),
        }
    }
}

fn found(realised: &[(u32, Realised)], days: u32) -> &Realised {
    realised.iter().find(|(horizon, _)| *horizon == days).map(|(_, realised)| realised).unwrap()
}

/// The world of this number: families take turns, and every second one of a family has scores of the last year.
/// `accounts`: how many there are at the start; drawn where it is `None`.
pub(crate) fn judged(seed: u64, number: u64, draws: usize, accounts: Option<u64>) -> Judged {
    let mut random = Random(ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number)));
    let world = World::new(&mut random, (number % FAMILIES.len() as u64) as usize, accounts);
    let (facts, as_of) = (world.facts(), World::date(world.as_of));
    let has_past = (number / FAMILIES.len() as u64).is_multiple_of(2);
    let past_days = (1..=12).map(|month| month * 30 + GRACE_DAYS as usize).filter(|_| has_past);
    let past: Vec<Probabilities> =
        past_days.filter(|days| days + 30 < world.as_of).map(|days| world.scores(world.as_of - days)).collect();
    let settings =
        ForecastSettings { targets: targets(), grace_days: GRACE_DAYS, draws, ..ForecastSettings::default() };
    let scores = world.scores(world.as_of);
    let begun = std::time::Instant::now();
    let made = forecast(&facts, &scores, &past, &settings).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let independent = forecast(&facts, &scores, &past, &ForecastSettings { shared_shocks: false, ..settings }).unwrap();
    let end = World::date(world.as_of + 119);
    let days = || made.learned.iter().map(|learned| learned.horizon_days);
    let before = |days: u32| World::date(world.as_of - days as usize);
    Judged {
        family: FAMILIES[world.family],
        truth: days().map(|days| (days, realised(&facts, as_of, days, GRACE_DAYS, end).unwrap())).collect(),
        last: days().map(|days| (days, realised(&facts, before(days), days, 0, as_of).unwrap())).collect(),
        forecast: made,
        independent,
        seconds,
    }
}
