//! The forecast of revenue: against worlds with hidden shocks, by known answers, and as the same bytes.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use bellwether_features::facts::{Facts, Grouped, SubscriptionFact};
use bellwether_features::time::{Instant, days_from_epoch};
use bellwether_outlook::forecast::{
    ForecastSettings, Measure, Probabilities, RevenueTarget, RevenueTargets, forecast, mean_pinball_loss, realised,
};
use bellwether_outlook::retention::Retention;
use bellwether_outlook::timeline::Timeline;
use chrono::{Days, NaiveDate};

mod world;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

const AS_OF: &str = "2026-01-01";

/// Thirty-six worlds and nine numbers each: wide bounds, since the numbers of a world go together. The bench has more worlds.
#[test]
fn ranges_hold_what_came_and_beat_simple_forecasts() {
    let (mut held, mut rows, mut losses) = (0, 0, [0.0; 3]);
    for number in 0..36 {
        let judged = world::judged(77, number, 400, None);
        for row in &judged.forecast.rows {
            let truth = judged.truth(row.measure, row.horizon_days);
            let scale = if row.measure == Measure::Mrr { judged.forecast.opening } else { 1.0 };
            let last = judged.last(row.measure, row.horizon_days);
            let forecasts = [row.quantiles, [last; 7], [row.summed_probabilities; 7]];
            losses.iter_mut().zip(forecasts).for_each(|(sum, one)| *sum += mean_pinball_loss(&one, truth) / scale);
            held += usize::from(row.downside() <= truth && truth <= row.upside());
            rows += 1;
        }
        assert!(world::FAMILIES.contains(&judged.family) && judged.seconds >= 0.0);
        assert_eq!(judged.independent.accounts, judged.forecast.accounts);
    }
    let share = f64::from(u32::try_from(held).unwrap()) / f64::from(rows);
    assert!((0.70..=0.90).contains(&share), "held {share}");
    assert!(losses[0] < losses[1] && losses[0] < losses[2], "{losses:?}");
}

fn fact(day: NaiveDate, known: NaiveDate, mrr: f64) -> SubscriptionFact {
    SubscriptionFact {
        effective_at: Instant::start_of(day),
        known_at: Instant::start_of(known),
        mrr,
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

fn facts(accounts: &[Vec<SubscriptionFact>]) -> Facts {
    let rows = accounts.iter().zip(0_u32..).flat_map(|(rows, place)| rows.iter().map(move |row| (place, *row)));
    Facts {
        accounts: (0..accounts.len()).map(|place| format!("{place:05}")).collect(),
        subscriptions: Some(Grouped::new(accounts.len(), rows.collect(), |row| (row.effective_at, row.known_at))),
        ..Facts::default()
    }
}

/// 4,000 accounts at 100 for two years; they leave one by one, with an annual churn of 40 %.
fn steady() -> Facts {
    let start = date("2023-10-01");
    let account = |place: u64| {
        // Quantiles of the exponential distribution with an annual churn of 40 %.
        let share = ((place * 2_654_435_761) % 4_000) as f64 / 4_000.0 + 1.0 / 8_000.0;
        let days = (1.0 - share).ln() / 0.6_f64.ln() * 365.0;
        let end = start.checked_add_days(Days::new(days as u64 + 1)).unwrap();
        vec![fact(start, start, 100.0), fact(end, end, 0.0)]
    };
    facts(&(0..4_000).map(account).collect::<Vec<_>>())
}

fn settings() -> ForecastSettings {
    let target = |name: &str, horizon_days| Some(RevenueTarget { name: name.to_owned(), horizon_days });
    let targets =
        RevenueTargets { churn: target("churn", 90), expansion: target("expansion", 60), ..RevenueTargets::default() };
    ForecastSettings { targets, draws: 600, ..ForecastSettings::default() }
}

fn unscored(facts: &Facts) -> Probabilities {
    Probabilities::new(date(AS_OF), facts.accounts.iter().map(|_| (None, None)))
}

/// known-answers 8: annual churn of 40 % under constant hazard is 11.83 % in 90 days.
#[test]
fn known_answer_8_constant_hazard() {
    let facts = steady();
    let by_rates = forecast(&facts, &unscored(&facts), &[], &settings()).unwrap();
    let scored = Probabilities::new(date(AS_OF), facts.accounts.iter().map(|_| (Some(0.1183), Some(0.0))));
    let by_scores = forecast(&facts, &scored, &[], &settings()).unwrap();
    assert_eq!((by_rates.scored_accounts, by_scores.scored_accounts), (0, by_scores.accounts));
    for made in [&by_rates, &by_scores] {
        for (days, left) in
            [(30, 1.0 - 0.6_f64.powf(30.0 / 365.0)), (60, 1.0 - 0.6_f64.powf(60.0 / 365.0)), (90, 0.1183)]
        {
            let row = made.row(Measure::Grr, days).unwrap();
            assert!((row.base() - (1.0 - left)).abs() < 0.006, "{days} days: {} of {}", row.base(), 1.0 - left);
            assert!((row.summed_probabilities - (1.0 - left)).abs() < 0.006, "{days}: {}", row.summed_probabilities);
            assert_eq!(made.row(Measure::Nrr, days).unwrap().quantiles, row.quantiles, "nobody expands");
            let mrr = made.row(Measure::Mrr, days).unwrap();
            assert!((mrr.base() - row.base() * made.opening).abs() < 1e-6 * made.opening, "nobody comes");
        }
    }
}

#[test]
fn what_is_known_later_changes_nothing_and_neither_do_threads() {
    let whole = steady();
    let mut until = steady();
    let subscriptions = until.subscriptions.take().unwrap();
    let end = Instant::start_of(date(AS_OF));
    let pairs = (0..until.accounts.len()).flat_map(|account| {
        subscriptions.of(account).iter().map(move |row| (u32::try_from(account).unwrap(), *row)).collect::<Vec<_>>()
    });
    let pairs = pairs.filter(|(_, row)| row.effective_at < end).collect();
    until.subscriptions = Some(Grouped::new(until.accounts.len(), pairs, |row| (row.effective_at, row.known_at)));
    let made = |facts: &Facts, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| forecast(facts, &unscored(facts), &[unscored(facts)], &settings()).unwrap())
    };
    let one = made(&whole, 1);
    assert_eq!(one, made(&until, 1), "facts after the date");
    assert_eq!(one, made(&whole, 3), "threads");
    let other = ForecastSettings { seed: 8, ..settings() };
    assert_ne!(one.rows, forecast(&whole, &unscored(&whole), &[], &other).unwrap().rows, "another seed");
}

/// Past scores that were twice too low move the forecast; the same scores without their past do not.
#[test]
fn scores_that_were_off_are_corrected_by_their_past() {
    let facts = steady();
    let scores = |day: &str| Probabilities::new(date(day), facts.accounts.iter().map(|_| (Some(0.06), Some(0.0))));
    let past: Vec<Probabilities> =
        ["2025-09-15", "2025-06-15", "2025-03-15", "2024-12-15"].into_iter().map(scores).collect();
    let base = |past: &[Probabilities]| {
        forecast(&facts, &scores(AS_OF), past, &settings()).unwrap().row(Measure::Grr, 90).unwrap().base()
    };
    assert!((base(&[]) - 0.94).abs() < 0.006, "{}", base(&[]));
    assert!((base(&past) - 0.8817).abs() < 0.015, "{}", base(&past));
}

/// Retention of the whole base between two days is what the forecast takes for the truth, where all was known at once.
#[test]
fn realised_is_retention_but_for_what_was_known_late() {
    let facts = steady();
    let (from, until, end) = (date("2025-01-01"), date("2025-04-01"), date("2025-06-01"));
    let found = realised(&facts, from, 90, 14, end).unwrap();
    let timelines: Vec<Timeline> =
        (0..facts.accounts.len()).map(|account| Timeline::of(&facts, account, Instant::start_of(end), 14)).collect();
    let retention = Retention::between(&timelines, from, until);
    assert_eq!((found.opening, found.net), (retention.opening.amount(), retention.closing.amount()));
    assert_eq!(found.gross, retention.kept.amount());
    assert_eq!(realised(&facts, from, 90, 14, date("2025-04-14")), None, "not settled yet");
    // Paid late: at the end nothing is in force, and it was no loss. Ended before, known after: it was part of the base.
    let late = known_late();
    let found = realised(&late, from, 90, 14, end).unwrap();
    assert_eq!((found.opening, found.net, found.gross, found.mrr), (50.0, 30.0, 30.0, 37.0));
    assert_eq!(days_from_epoch(until) - days_from_epoch(from), 90);
}

fn known_late() -> Facts {
    let start = date("2024-01-01");
    let at = |day: &str, known: &str, mrr: f64| fact(date(day), date(known), mrr);
    facts(&[
        vec![fact(start, start, 30.0), at("2025-03-30", "2025-03-30", 0.0), at("2025-04-05", "2025-04-05", 30.0)],
        vec![fact(start, start, 20.0), at("2024-12-20", "2025-02-01", 0.0)],
        vec![at("2025-02-01", "2025-02-01", 7.0)],
    ])
}

#[test]
fn a_base_that_pays_nothing_has_no_forecast() {
    let facts = facts(&[vec![fact(date("2026-02-01"), date("2026-02-01"), 10.0)], Vec::new()]);
    assert_eq!(forecast(&facts, &unscored(&facts), &[], &settings()), None);
}
