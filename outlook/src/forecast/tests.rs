//! The fast draws against a slow twin, and what is learned of shocks against what was put in.

use super::draw::Totals;
use super::plan::{Payer, Plan, Shocks};
use super::random::Random;
use super::rates::{BandRates, Rates, Tail, within};
use super::shock::{Bin, Observation, Prior, Shock, correlation_factor, moved};
use super::{quantile, timely_dates};

/// A generator that shares nothing with the one of the forecast (SplitMix64, Steele et al. 2014).
struct Twin(u64);

impl Twin {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller (1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn pick(&mut self, values: &[f32]) -> f64 {
        f64::from(values[(self.uniform() * values.len() as f64) as usize])
    }
}

const SHOCKS: [(f64, f64); 4] = [(0.2, 0.3), (-0.1, 0.25), (0.1, 0.4), (0.0, 0.2)];

fn rates() -> Rates {
    let band = |band: usize| BandRates {
        churn: 0.05,
        expansion: 0.05,
        other: 0.02 + 0.01 * band as f64,
        expansion_sizes: (0..50).map(|rank| 1.06 + 0.01 * rank as f32 * (1.0 + band as f32 / 8.0)).collect(),
        size_error: 0.05,
        other_sizes: (0..40).map(|rank| 0.5 + 0.0135 * rank as f32).collect(),
    };
    Rates {
        horizon_days: 90,
        bands: (0..8).map(band).collect(),
        churn_exposure: 1.0,
        expansion_exposure: 1.0,
        entrants: 40.0,
        entrant_sizes: (1..60).map(|rank| (rank * rank) as f32).collect(),
        entrant_tail: None,
        entrant_error: 0.1,
        uplift: 0.3,
        seen: std::array::from_fn(|_| Vec::new()),
    }
}

/// Accounts with a heavy tail, of which two thirds are in cells.
fn payers() -> Vec<Payer> {
    let mut twin = Twin(9);
    let payer = |_| {
        let mrr = 20.0 * (1.0 - twin.uniform()).powf(-0.6);
        let (churn, expansion) = (0.002 + 0.25 * twin.uniform().powi(3), 0.3 * twin.uniform().powi(2));
        Payer { mrr, band: (twin.uniform() * 8.0) as usize, churn, expansion }
    };
    (0..6_000).map(payer).collect()
}

fn slow(payers: &[Payer], rates: &Rates, shocks: bool, draws: usize) -> Vec<Totals> {
    let mut twin = Twin(4);
    let logistic = |p: f64, u: f64| 1.0 / (1.0 + (-((p / (1.0 - p)).ln() + u)).exp());
    let mut one = || {
        let drawn = SHOCKS.map(|(mean, deviation)| if shocks { mean + deviation * twin.normal() } else { 0.0 });
        let scales: Vec<f64> = rates.bands.iter().map(|band| (band.size_error * twin.normal()).exp()).collect();
        let mut totals = Totals::default();
        for payer in payers {
            let band = &rates.bands[payer.band];
            let leaves = twin.uniform() < logistic(payer.churn, drawn[0]);
            let expands = twin.uniform() < logistic(payer.expansion, drawn[1]);
            let changes = twin.uniform() < logistic(band.other, drawn[2]);
            let closing = match (leaves, expands, changes) {
                (true, ..) => 0.0,
                (_, true, _) => payer.mrr * (1.0 + scales[payer.band] * (twin.pick(&band.expansion_sizes) - 1.0)),
                (_, _, true) => payer.mrr * twin.pick(&band.other_sizes),
                _ => payer.mrr,
            };
            totals.net += closing;
            totals.gross += closing.min(payer.mrr);
        }
        // Arrivals in a thousand moments.
        let (rate, scale) = (rates.entrants * drawn[3].exp(), (rates.entrant_error * twin.normal()).exp());
        let comes = (0..1_000).filter(|_| twin.uniform() < rate / 1_000.0).count();
        totals.mrr = totals.net + scale * (0..comes).map(|_| twin.pick(&rates.entrant_sizes)).sum::<f64>();
        totals
    };
    (0..draws).map(|_| one()).collect()
}

fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, square.sqrt())
}

#[test]
fn cells_and_single_accounts_agree_with_drawing_every_account() {
    let (payers, rates) = (payers(), rates());
    let draws = 2_500;
    for with_shocks in [true, false] {
        let kinds =
            SHOCKS.map(|(mean, deviation)| if with_shocks { Shock::certain(mean, deviation) } else { Shock::none() });
        let shocks = Shocks { kinds, factor: correlation_factor(&[(&[][..], 0.0); 4], 90.0) };
        let fast = Plan::new(payers.clone(), &rates, shocks).draw(11, draws);
        let slow = slow(&payers, &rates, with_shocks, draws);
        let measures: [fn(&Totals) -> f64; 4] =
            [|one| one.net, |one| one.gross, |one| one.mrr, |one| one.net - one.gross];
        for (place, of) in measures.into_iter().enumerate() {
            let mut values = [&fast, &slow].map(|draws| draws.iter().map(of).collect::<Vec<f64>>());
            let [fast, slow] = [moments(&values[0]), moments(&values[1])];
            // Standard errors of a mean and of a standard deviation, of two samples.
            let error = (2.0 / draws as f64).sqrt();
            assert!((fast.0 - slow.0).abs() < 4.0 * error * slow.1, "{place} {with_shocks}: means {fast:?} {slow:?}");
            assert!((fast.1 / slow.1 - 1.0).abs() < 4.0 * error, "{place} {with_shocks}: spread {fast:?} {slow:?}");
            values.iter_mut().for_each(|values| values.sort_by(f64::total_cmp));
            for (level, density) in [(0.1, 0.1755), (0.5, 0.3989), (0.9, 0.1755)] {
                let [fast, twin] = [quantile(&values[0], level), quantile(&values[1], level)];
                let error = error * (level * (1.0 - level)).sqrt() / density * slow.1;
                assert!(
                    (fast - twin).abs() < 4.5 * error,
                    "{place} {with_shocks} at {level}: {fast} {twin} +- {error}"
                );
            }
        }
    }
}

#[test]
fn a_shock_is_seen_as_large_as_it_was() {
    let bins = [(0.01, 4_000.0), (0.1, 900.0), (0.4, 100.0)];
    let bins = bins.map(|(expected, weight)| Bin { expected, weight, square: 2.0 * weight });
    for wanted in [-0.7_f64, 0.0, 0.9] {
        let hits: f64 = bins.iter().map(|bin| bin.weight / (1.0 + (1.0 / bin.expected - 1.0) * (-wanted).exp())).sum();
        let seen = Observation::of(30.0, &bins, hits).expect("accounts");
        assert!((seen.value - wanted).abs() < 0.012, "{wanted}: {}", seen.value);
        // By hand: 2 sum w p (1 - p) / (sum w p (1 - p))^2.
        assert!((seen.variance - 2.0 / (39.6 + 81.0 + 24.0)).abs() < 1e-9, "{}", seen.variance);
    }
    let none = Observation::of(30.0, &bins, 0.0).expect("accounts");
    assert!(none.value.is_finite() && none.value < -2.0, "no event is a strong shock, not an infinite one: {none:?}");
    assert_eq!(Observation::of(30.0, &[], 0.0), None);
    assert!((moved(0.2, 0.5) - 1.0 / (1.0 + 4.0 * (-0.5_f64).exp())).abs() < 1e-12);
    let count = Observation::of_count(30.0, 20.0, 20.0).expect("arrivals");
    assert_eq!((count.value, count.variance), (0.0, 0.05));
}

const PRIOR: Prior = Prior { scale: 0.1, past_level: 1.0, new_level: Some(0.0) };

fn windows(twin: &mut Twin, count: usize, deviation: f64, noise: f64) -> Vec<Observation> {
    let window = |place: usize| Observation {
        days_before: 104.0 + 90.0 * place as f64,
        value: deviation * twin.normal() + noise * twin.normal(),
        variance: noise * noise,
    };
    (0..count).map(window).collect()
}

#[test]
fn strength_is_learned_and_noise_is_not_taken_for_it() {
    let mut twin = Twin(21);
    let learned = |twin: &mut Twin, deviation: f64, noise: f64| {
        let of = |twin: &mut Twin| Shock::learn(&windows(twin, 24, deviation, noise), 90.0, PRIOR).period_deviation();
        (0..40).map(|_| of(twin)).sum::<f64>() / 40.0
    };
    let strong = learned(&mut twin, 0.4, 0.1);
    assert!((0.36..0.48).contains(&strong), "{strong}");
    let noise = learned(&mut twin, 0.0, 0.4);
    assert!(noise < 0.2, "all of it is noise: {noise}");
    let none = Shock::learn(&[], 90.0, PRIOR).period_deviation();
    assert!(none > learned(&mut twin, 0.0, 0.05), "what was never seen is less certain than what never came: {none}");
}

#[test]
fn windows_that_overlap_say_less_than_windows_that_do_not() {
    let seen = |step: f64| -> Vec<Observation> {
        let value = |place: usize| if place.is_multiple_of(2) { 0.3 } else { 0.2 };
        let window =
            |place| Observation { days_before: 104.0 + step * place as f64, value: value(place), variance: 0.02 };
        (0..6).map(window).collect()
    };
    let prior = Prior { scale: 0.1, past_level: 0.2, new_level: None };
    let apart = Shock::learn(&seen(90.0), 90.0, prior);
    let overlapping = Shock::learn(&seen(15.0), 90.0, prior);
    assert!(apart.mean() > overlapping.mean() && overlapping.mean() > 0.05, "{} {}", apart.mean(), overlapping.mean());
    assert!(apart.mean() < 0.25);
}

/// Over many pasts of eight quarters the 80 % range of the next shock holds it as often as it says, whether shocks are strong,
/// weak or none.
#[test]
fn the_range_of_the_next_shock_holds_it() {
    let mut twin = Twin(33);
    let (mut held, runs) = (0, 900);
    for run in 0..runs {
        let deviation = [0.0, 0.15, 0.4][run % 3];
        let noise = 0.12;
        let level = 0.2 * twin.normal();
        let mut seen = windows(&mut twin, 8, deviation, noise);
        seen.iter_mut().for_each(|seen| seen.value += level);
        let learned = Shock::learn(&seen, 90.0, Prior { scale: 0.1, past_level: 0.2, new_level: None });
        let next = level + deviation * twin.normal();
        let mut draws: Vec<f64> = (0..400).map(|_| learned.draw(twin.uniform(), twin.normal())).collect();
        draws.sort_by(f64::total_cmp);
        held += usize::from(quantile(&draws, 0.1) <= next && next <= quantile(&draws, 0.9));
    }
    let share = held as f64 / runs as f64;
    assert!((0.76..=0.86).contains(&share), "{share}");
}

#[test]
fn shocks_that_went_together_are_drawn_together() {
    let mut twin = Twin(5);
    let first = windows(&mut twin, 24, 0.4, 0.05);
    let other = windows(&mut twin, 24, 0.4, 0.05);
    let against: Vec<Observation> = first.iter().map(|seen| Observation { value: -seen.value, ..*seen }).collect();
    let factor = correlation_factor(&[(&first, 0.4), (&against, 0.4), (&other, 0.4), (&[], 0.1)], 90.0);
    assert_eq!(factor[1], [0.0, 1.0, 0.0, 0.0], "a kind without windows leaves none to compare: {factor:?}");
    let factor = correlation_factor(&[(&first, 0.4), (&against, 0.4), (&other, 0.4)], 90.0);
    // 24 windows keep 24 / 30 of a correlation of -1.
    assert!((factor[1][0] + 0.8).abs() < 1e-9, "{factor:?}");
    assert!(factor[2][0].abs() < 0.4);
    let squares: f64 = factor[2].iter().map(|value| value * value).sum();
    assert!((squares - 1.0).abs() < 1e-9);
}

#[test]
fn known_answer_8_by_exposure() {
    for (annual, quarter) in [(0.40, 0.1183), (0.30, 0.0842), (0.05, 0.0126)] {
        assert!((within(annual, 90.0 / 365.0) - quarter).abs() < 5e-5, "{annual}");
        assert!((within(quarter, 365.0 / 90.0) - annual).abs() < 1e-3);
    }
}

#[test]
fn quantiles_lie_between_ranks() {
    let values = [1.0, 2.0, 4.0, 8.0, 16.0];
    // numpy.quantile (linear, its default) of the same.
    for (level, expected) in [(0.0, 1.0), (0.1, 1.4), (0.5, 4.0), (0.9, 12.8), (1.0, 16.0)] {
        assert!((quantile(&values, level) - expected).abs() < 1e-12, "{level}");
    }
    assert_eq!(quantile(&[3.0], 0.9), 3.0);
}

#[test]
fn a_pareto_tail_is_found_again() {
    // Quantiles of a Pareto distribution with exponent 1.5 from 10 on.
    let sizes: Vec<f32> =
        (0..2_000).map(|rank| 10.0 * (1.0 - (rank as f32 + 0.5) / 2_000.0).powf(-1.0 / 1.5)).collect();
    let tail = Tail::of(&sizes).expect("enough of them");
    assert!((tail.exponent - 1.5).abs() < 0.03 && (tail.below - 0.9).abs() < 1e-9, "{tail:?}");
    // The mean of the largest tenth is the one that was seen, of whatever exponent.
    let seen = sizes[1_800..].iter().map(|size| f64::from(*size)).sum::<f64>() / 200.0;
    let drawn = (0..1_000_000).map(|place| tail.size((f64::from(place) + 0.5) / 1e6)).sum::<f64>() / 1e6;
    assert!((drawn / seen - 1.0).abs() < 2e-3, "{drawn} {seen}");
    assert!(tail.size(0.999_999) > 2.0 * f64::from(sizes[1_999]), "and one may be larger than any seen");
    assert_eq!(Tail::of(&sizes[..49]), None, "too few");
    assert_eq!(Tail::of(&[5.0; 80]), None, "all are one size");
}

#[test]
fn only_scores_of_their_time_are_judged() {
    let out = tempfile::tempdir().expect("a folder");
    let make = |date: &str, run: &str, code: i32, trained: Option<&str>| {
        let folder = out.path().join("scores/v1").join(format!("as_of={date}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("_SUCCESS"), "").expect("a file");
        let run = out.path().join("runs").join(format!("as_of={date}")).join(run);
        std::fs::create_dir_all(&run).expect("a folder");
        let trained = trained.map_or(String::new(), |date| format!(r#", "last_trained_as_of": "{date}""#));
        let text = format!(
            r#"{{"exit_code": {code}, "model": {{"identity": "m/1@0"{trained}}}, "cut_offs": {{"bands": {{}}}}}}"#
        );
        std::fs::write(run.join("manifest.json"), text).expect("a file");
    };
    // Labels are over 104 days after their date: those of 2024-10-19 on 2025-01-31.
    for (date, trained) in [
        ("2025-01-31", Some("2024-10-19")),
        ("2025-02-10", Some("2024-10-19")),
        ("2025-02-28", Some("2024-10-19")),
        ("2025-03-31", Some("2024-10-19")),
        ("2025-04-30", Some("2025-01-17")),
        ("2025-05-31", Some("2025-02-16")),
        ("2025-06-30", None),
        ("2025-08-31", Some("2024-10-19")),
    ] {
        make(date, "20250901T060000000Z-1", 0, trained);
    }
    // Scored again by a later model, and a run that failed, whose model says nothing of the scores.
    make("2025-03-31", "20251201T060000000Z-2", 0, Some("2025-08-31"));
    make("2025-02-28", "20251201T060000000Z-2", 1, Some("2025-08-31"));
    let last = "2025-07-31".parse().expect("a date");
    let found = timely_dates(out.path(), last, 104, 28, 10).expect("dates");
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["2025-05-31", "2025-02-28", "2025-01-31"]);
    assert_eq!(timely_dates(out.path(), last, 104, 28, 1).expect("dates").len(), 1);
}

#[test]
fn the_stream_of_a_draw_is_its_own() {
    let (payers, rates) = (payers(), rates());
    let shocks = Shocks {
        kinds: SHOCKS.map(|(mean, deviation)| Shock::certain(mean, deviation)),
        factor: correlation_factor(&[(&[][..], 0.0); 4], 90.0),
    };
    let plan = Plan::new(payers, &rates, shocks);
    let (few, many) = (plan.draw(3, 5), plan.draw(3, 50));
    assert_eq!(few[..], many[..5], "the same draws, however many follow");
    assert_ne!(Random::new(3, 0).uniform(), Random::new(3, 1).uniform());
}
