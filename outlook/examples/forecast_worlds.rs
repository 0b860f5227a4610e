//! Small businesses with hidden shocks, each forecast once and compared with what came: one CSV line per world, measure and
//! horizon. `benches/outlook/forecast.py` reads it.
//!
//! ```text
//! forecast_worlds [WORLDS] [SEED] [DRAWS] [ACCOUNTS]
//! ```
//!
//! The worlds are described in `outlook/tests/forecast/world.rs`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example prints, and stops where it cannot go on")]

use bellwether_outlook::forecast::LEVELS;

#[path = "../tests/forecast/world.rs"]
mod world;

fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|argument| argument.parse().unwrap()).collect();
    let argument = |place: usize, default: u64| arguments.get(place).copied().unwrap_or(default);
    let (worlds, seed, draws) = (argument(0, 20), argument(1, 1), argument(2, 2_000) as usize);
    let names = |prefix: &str| LEVELS.map(|level| format!("{prefix}{:02.0}", 100.0 * level)).join(",");
    println!(
        "world,family,judged,measure,horizon_days,opening,truth,last,summed,{},{},churn_shock,churn_shift,accounts,seconds",
        names("q"),
        names("independent")
    );
    for number in 0..worlds {
        print(number, &world::judged(seed, number, draws, arguments.get(3).copied()));
    }
}

fn print(number: u64, judged: &world::Judged) {
    let joined = |values: &[f64]| values.iter().map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(",");
    for (row, independent) in judged.forecast.rows.iter().zip(&judged.independent.rows) {
        let (measure, days) = (row.measure, row.horizon_days);
        let learned = judged.forecast.learned.iter().find(|learned| learned.horizon_days == days).unwrap();
        println!(
            "{number},{},{},{},{days},{:.2},{:.6},{:.6},{:.6},{},{},{:.4},{:.4},{},{:.2}",
            judged.family,
            learned.judged_scores,
            measure.name(),
            judged.forecast.opening,
            judged.truth(measure, days),
            judged.last(measure, days),
            row.summed_probabilities,
            joined(&row.quantiles),
            joined(&independent.quantiles),
            learned.churn_shock,
            learned.churn_shift,
            judged.forecast.accounts,
            judged.seconds
        );
    }
}
